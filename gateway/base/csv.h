/* Comma separated values (RFC 4180), read in place: quotes, doubled quotes, line breaks within
 * quotes, LF or CRLF, a byte order mark. Empty lines are passed by. */
#ifndef TOUYAN_BASE_CSV_H
#define TOUYAN_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum { CSV_COLUMNS_MAX = 32 };

struct csv {
    char *at, *end; /* the text, which is written to; not owned */
    int next_line;
    int line; /* of the record at hand, from 1 */
    char *cells[CSV_COLUMNS_MAX];
    size_t count;
};

/* text[size] must be a NUL that may be overwritten. */
void csv_init(struct csv *csv, char *text, size_t size);

/* True: a record is in cells. False: the end, or err->code is set (ERR_INVALID: what is wrong with
 * the record at csv->line; the next call goes on after it). */
bool csv_next(struct csv *csv, struct err *err);

/* *text (allocated, of *size bytes and a NUL) in UTF-8, replaced when a spreadsheet saved it as
 * GB18030. False: it is neither, and stays as it was. */
bool csv_to_utf8(char **text, size_t *size);

/* Writes one cell, quoted when it has to be. A cell that a spreadsheet would take for a formula
 * begins with an apostrophe then. */
bool csv_write_cell(struct buf *out, const char *cell);

#endif
