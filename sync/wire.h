/* Between the replica and the wire: claims marks and writes a request, settles verdicts, applies
 * pulled rows. Everything here runs inside the caller's handler (replica_enter … replica_leave);
 * nothing here waits or sends.
 *
 * Marks (sync_out.st): 0 unsent -> 1 in flight -> 2 settled | 3 lost, the county's row awaited | 4
 * set aside. Marks are claimed in the order of their numbers, so a push never holds a lower number
 * than an earlier one. What was claimed before a crash is sent again, the same marks and no others.
 */
#ifndef TOUYAN_SYNC_WIRE_H
#define TOUYAN_SYNC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sync/flight.h"
#include "sync/page.h"
#include "sync/protocol.h"
#include "sync/replica/replica.h"

struct machine;

/* The push that is prepared while another one is under way: flight.h. */
enum next_step {
    NEXT_NONE,
    NEXT_CLAIMING,
    NEXT_WRITING,
    NEXT_READY,
};

struct next {
    enum next_step step;
    bool is_due;            /* the one before it is answered */
    size_t wanted, claimed; /* marks */
    bool no_more;           /* none is left to be claimed */
    int64_t after;          /* they are above this one */
};

/* Where the writing of a push is. */
struct writer {
    struct buf out;            /* from the member "push" on */
    int64_t after, last;       /* marks above this one, up to that one, ... */
    uint64_t there;            /* of these tables (bits), ... */
    const struct table *table; /* ... of this table (its name is NULL: all are written), ... */
    int64_t written;           /* ... behind this one */
    bool open;                 /* the array of the table's rows is */
    uint64_t fp;
    size_t rows, bytes;
};

struct wire {
    struct replica *replica;
    char station[LIMIT_STATION_BYTES + 1];
    char scopes[PROTOCOL_SCOPES][LIMIT_STATION_BYTES + 1];
    size_t scope_count;
    bool scopes_fixed;
    uint32_t without;
    bool lacks;        /* rows lack columns (lacks.h) */
    bool force;        /* rows to be applied count whatever their version: a repair */
    bool pull_only;    /* tests only: the request under way leaves the marks in flight alone */
    bool numberless;   /* so does one that asks for an incarnation */
    size_t row_bytes;  /* mean of the last pushes */
    bool push_is_full; /* the last one took as many marks as it might */
    struct writer at;
    struct next next;
    size_t settle_rows; /* so many are settled at once */
    struct flight_list settling;
    int64_t boot;         /* of this start, in sync_boot */
    int64_t rows_applied; /* since the start */
    int64_t rows_pushed;
    int64_t aside_in; /* rows of the county in quarantine now */
};

struct wire_options {
    const char *station;
    const char *const *scopes; /* ends with NULL */
    bool scopes_fixed;         /* the configuration names them: grants add none */
    const struct machine *machine;
    uint32_t without; /* tests only: rules.h */
};

/* Notes this start; ERR_STATE when the replica belongs to another station. In a handler. */
int wire_init(struct wire *wire, struct replica *replica, const struct wire_options *options,
              struct err *err);

void wire_fini(struct wire *wire);

bool wire_has_marks(struct wire *wire);
int64_t wire_incarnation(struct wire *wire);

/* Takes the next push, if it is due and was not forgotten; else claims at most max_rows marks of
 * about page_bytes (0: none, unless some are in flight already). Appends the request. ERR_LIMIT: it
 * does not fit LIMIT_SYNC_BODY_BYTES, claim fewer. ERR_IO: the replica failed. On an error the
 * handler must be left with ok=false. */
int wire_build(struct wire *wire, size_t page_bytes, size_t max_rows, struct buf *out,
               size_t *ret_rows, struct err *err);
/* While a push is under way, and the one before it is settled: claims marks for the next one, slice
 * by slice until it is no longer NEXT_CLAIMING. Errors as wire_build(). */
int wire_claim_next(struct wire *wire, size_t page_bytes, size_t max_rows, size_t slice_rows,
                    struct err *err);
/* Writes the rows that were claimed, so that only the head is left to be written when the reply is
 * there; needs no handler. A row that cannot go is left to wire_build(): the push is forgotten. */
void wire_write_next(struct wire *wire, size_t slice_rows);
/* No more than what is claimed by now. */
void wire_end_claim(struct wire *wire);
/* Its rows may have changed otherwise than by edits, or its marks were not committed: it is written
 * again when it is its turn. */
void wire_forget_next(struct wire *wire);

/* ERR_INVALID: the envelope is not an answer to what was asked (`pushed` rows in flight). */
int wire_check_reply(struct wire *wire, const struct page *page, size_t pushed, struct err *err);
/* Settles the marks in flight, takes versions over, stores incarnation, token and epochs, and
 * begins and ends to follow scopes as the county grants them. More marks than settle_rows are left
 * to flight_settle_some() when nothing was wrong with them. */
bool wire_settle(struct wire *wire, const struct page *page);
/* Remembers how far the county was when it wrote this reply, before any of its rows is applied. A
 * county that has forgotten some of it is found out by the next request. */
bool wire_note_seen(struct wire *wire, const struct json *reply);
bool wire_store_cursors(struct wire *wire, const struct page *page);
bool wire_store_cursor(struct wire *wire, const char *scope, const char *epoch, int64_t v);
/* False: there is none, the scope is yet to be filled. */
bool wire_get_cursor(struct wire *wire, const char *scope, char ret_epoch[PROTOCOL_EPOCH_BYTES + 1],
                     int64_t *ret_v);

/* Applies rows [from, to). A row that cannot be applied goes to quarantine. False: the replica
 * failed, nothing is to be believed. */
bool wire_apply(struct wire *wire, const struct page *page, size_t from, size_t to);

/* The scope is compared with the county's (PROTOCOL.md 9) instead of followed, then followed. */
bool wire_compare(struct wire *wire, const char *scope);
bool wire_compare_all(struct wire *wire);

/* Takes a row away without marking it; what the station changed in it is set aside. `scope`: only
 * when it is still in that one; NULL: in any case. */
bool wire_drop_row(struct wire *wire, const struct table *table, const char *id, const char *scope,
                   const char *why);

/* The scope was just filled, or compared, as of version v: a mark of it that lost at v or before,
 * and whose row did not come, has a row that is not the scope's any more. At most 200 at a time. */
bool wire_settle_unfed(struct wire *wire, const char *scope, int64_t v);

/* The county refused the push as a whole: unclaim it ... */
bool wire_unclaim(struct wire *wire);
/* ... or, when it has come down to one row, set that aside. */
bool wire_set_aside_first(struct wire *wire, const char *why);

/* The row of a mark goes into quarantine as it is, with the reason. */
bool wire_set_aside_stored(struct wire *wire, int64_t lseq, const char *why);

/* The scope is asked for from now on; one that is followed already, or one too many, changes
 * nothing. */
void wire_follow(struct wire *wire, const char *scope);

/* Forgets some of the marks settled more than 35 days before the county's last word: by the
 * county's clock, and not while the line is down, because a county that comes back from a backup
 * may need them. True: there may be more. */
bool wire_prune(struct wire *wire);

#endif
