/* A request's rows, cut out of its body: the rows go to the database engine as they came, what is
 * left is small and is read strictly. Pure. */
#ifndef TOUYAN_COUNTY_SLICE_H
#define TOUYAN_COUNTY_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

enum { SLICE_PARTS_MAX = 64 };

struct slice {
    struct {
        const char *text; /* within the body: the array, from [ to ] */
        size_t size;
    } rows[SLICE_PARTS_MAX];
    size_t count;
};

/* Of `{..., member: [{"t": .., "r": [..]}, ..], ...}` takes the arrays r out: ret_head is the body
 * with [] in their place. When ret_head and each array taken out are JSON, so is the body; when it
 * is not, anything may have been taken out. False: there are more than SLICE_PARTS_MAX. */
bool slice_body(const char *body, size_t size, const char *member, struct slice *ret,
                struct buf *ret_head);

/* PostgreSQL refuses a whole text for one thing that its UTF-8 cannot hold. Appends JSON in which
 * U+0000 is the escape of SLICE_NUL and a lone surrogate or a byte that is no UTF-8 the one of
 * SLICE_STRANGE: noncharacters, six bytes long as the escapes that they stand for. False, and
 * nothing is appended: there is nothing to replace. */
#define SLICE_NUL "\\ufdd0"
#define SLICE_STRANGE "\\ufdd1"
bool slice_clean(const char *json, size_t size, struct buf *out);

#endif
