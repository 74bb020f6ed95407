/* A reply of the county, taken apart without parsing its rows: the envelope is a JSON message, the
 * pulled rows are only found and checked for bad text, and go to the database engine as they are.
 */
#ifndef TOUYAN_SYNC_PAGE_H
#define TOUYAN_SYNC_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "sync/replica/tables.h"

struct page_group {
    const struct table *table; /* NULL: not one of ours */
    char name[LIMIT_NAME_BYTES + 1];
    char scope[LIMIT_STATION_BYTES + 1];
};

struct page_row {
    const char *text; /* one JSON value, in the page's text */
    size_t size;
    size_t group;  /* index into groups */
    bool bad_text; /* U+0000, a lone surrogate, or not UTF-8 */
};

struct page {
    char *text; /* owned, followed by a NUL */
    size_t size;
    struct json *envelope; /* owned: the reply with "pull" emptied */
    struct page_group *groups;
    size_t group_count;
    struct page_row *rows;
    size_t row_count;
};

/* Copies the text. ERR_INVALID: not a reply (says what is wrong). ERR_LIMIT: more rows than the
 * protocol allows. page_free accepts a zeroed page. */
int page_read(struct page *ret, const char *text, size_t size, struct err *err);
void page_free(struct page *page);

/* Valid UTF-8 without U+0000 or lone surrogates, also in \u escapes. */
bool page_text_is_clean(const char *json, size_t size);

#endif
