/* Columns that an upgrade has brought, of rows that were here before (PROTOCOL.md 5): NULL in one
 * of them means that nobody knows, so it is left out of what is told to the county, until the row
 * has come once more. The tables are compared with the county's for that, as in section 9, with
 * these rows counted as different. In the caller's handler. */
#ifndef TOUYAN_SYNC_LACKS_H
#define TOUYAN_SYNC_LACKS_H

#include "sync/wire.h"

enum { LACKS_NAMES_BYTES = 1024 };

/* At the start: the scopes that are followed are to be compared when an upgrade wants it. */
bool lacks_begin(struct wire *wire);
bool lacks_row(struct wire *wire, const struct table *table, const char *id);
/* The names that rows of the table lack, as ",a,b,"; "" when this row lacks nothing. */
void lacks_names(struct wire *wire, const struct table *table, const char *id,
                 char ret[LACKS_NAMES_BYTES]);
/* The row, or in `room` the row without what it lacks. */
const char *lacks_hide(struct wire *wire, const struct table *table, const char *id,
                       const char *row, struct buf *room);
/* These rows (a JSON array) came and were stored. */
bool lacks_learn(struct wire *wire, const struct table *table, const char *rows);
/* The row has come (the only one of a JSON array) for one with open marks: what these keep of it as
 * it was had NULL, too. names: of lacks_names() before. */
bool lacks_mend_marks(struct wire *wire, const struct table *table, const char *id,
                      const char *names, const char *rows);
/* Whether the comparison of a scope is one of refilled tables only, and which those are. */
bool lacks_is_refill(struct wire *wire, const char *scope);
bool lacks_wants(struct wire *wire, const struct table *table);
/* A comparison has ended: the last one forgets what was wanted. */
bool lacks_compared(struct wire *wire);

#endif
