/* The marks of a push: claiming them, giving them back, settling them by the county's verdicts.
 *
 * "claimed" in sync_state is the highest mark that was ever claimed and not given back; what is up
 * to it and neither settled nor waiting is in flight. It has st 1, so that an edit makes a mark of
 * its own; but for events, which nobody edits: to claim them writes nothing, and when the county
 * has them their marks go (bulk.h). While a push is under way the next one may be claimed already,
 * so that it can follow at once: then sync_state has "flight", the number of the last mark of the
 * push under way, and what is above it is claimed but was never sent. The settling of the former
 * makes the latter the push under way. Whatever else happens gives it back.
 *
 * A push that the county took whole need not be settled at once: "settle_last" is its last mark
 * then, "settle_tid" and "settle_lseq" tell which one was settled last (0: none), and "settle_v" is
 * the version of the one behind it. Nothing is claimed
 * before all are; an edit made meanwhile is one made before the reply came. */
#ifndef TOUYAN_SYNC_FLIGHT_H
#define TOUYAN_SYNC_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"

struct wire;

/* The last mark of the push under way; INT64_MAX: of all that are in flight. */
int64_t flight_last(struct wire *wire);
size_t flight_count(struct wire *wire);
/* The highest mark of the push under way; 0: there is none. */
int64_t flight_highest(struct wire *wire);
/* The highest mark that is in flight or was. */
int64_t flight_claimed(struct wire *wire);
/* Bit t: the marks in flight above `after` are also of table t. */
uint64_t flight_tables(struct wire *wire, int64_t after);

/* All in a handler; false: the replica failed. */

/* The lowest unsent marks, max_rows at most, up to the second mark of one row, which must wait. */
bool flight_claim(struct wire *wire, size_t max_rows);
/* The same behind the push under way, or behind what is claimed there already. *ret_after: they are
 * above it; *ret_rows: how many these were. */
bool flight_claim_next(struct wire *wire, size_t max_rows, int64_t *ret_after, size_t *ret_rows);
/* Gives back what was claimed but never sent. */
bool flight_release(struct wire *wire);
/* Gives back all that is in flight. */
bool flight_unclaim(struct wire *wire);

/* What was settled. */
struct flown {
    int64_t count, last;           /* mark; 0: none */
    int64_t first_edit, last_edit; /* of the marks that are not of events; 0: none */
};

/* The marks of the push under way get their versions from v0 on, and so do their rows; they are
 * settled, but for those that lost or are bad. If the county ever forgets a version, its mark is
 * pushed again, and one that lost waits for a row that is not older. */
bool flight_settle(struct wire *wire, const struct json *reply, struct flown *ret);
/* All up to mark `last` are settled: what was claimed behind them is the push under way from here
 * on. */
bool flight_follow(struct wire *wire, int64_t last);

/* The marks of a push that is settled in parts: read when the first one is, in their order. */
struct flight_list {
    struct buf marks, ids;
    size_t at;       /* the next one */
    int64_t last, v; /* of the push, "settle_last"; the version of the next one */
};

void flight_list_init(struct flight_list *list);
void flight_list_fini(struct flight_list *list);

/* The same in parts, for a push of which all is good: the verdict is kept, and what was claimed
 * behind it is the push under way from here on. */
bool flight_keep(struct wire *wire, int64_t v0);
bool flight_is_settling(struct wire *wire);
/* Settles at most so many of its marks. */
bool flight_settle_some(struct wire *wire, size_t max_rows, size_t *ret_rows);
bool flight_settle_rest(struct wire *wire);

#endif
