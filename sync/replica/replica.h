/* The replica: one SQLite file (WAL, synchronous=FULL), one writing connection, owned by the loop.
 *
 * A turn: all writes of one turn of the loop are one transaction. A handler (an MQTT message, an
 * inbound SMS, an HTTP request, a slice of a sync page, a due timer) runs between replica_enter()
 * and replica_leave(), which take back what a failing handler wrote, and nothing else. The owner of
 * the loop calls replica_commit() when the turn ends (uv_check and uv_prepare). What must leave the
 * program only after the commit (PUBACK, HTTP answer, deletion of an SMS from the SIM, application
 * acknowledgement) is registered with replica_after_commit(): it runs with committed=true after the
 * COMMIT, or with committed=false when the handler or the commit failed.
 *
 * A failed COMMIT is unknown, not "no": replica_commit() closes, reopens, looks whether the turn is
 * there (each writing turn stamps its number) and then tells the acknowledgements the truth.
 *
 * Only files in sync/replica/ and sync/county/db_sqlite.c include sqlite3.h. */
#ifndef TOUYAN_REPLICA_H
#define TOUYAN_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"

struct replica;
struct seal;

struct replica_options {
    const char *path;          /* database file; ":memory:" in unit tests */
    const char *backup_dir;    /* where replica_backup() writes and a corrupt file's successor is
                                  taken from; NULL: neither */
    const struct clock *clock; /* outlives the replica */
    struct rnd *rnd;           /* outlives the replica */
    struct seal *seal;         /* outlives the replica; NULL: seal() and unseal() fail */
    int wal_pages_max;         /* a commit that leaves more pages in the -wal checkpoints by itself,
                                  which takes long; 0: 1000. See replica_checkpoint() */
    int migrate_to;            /* tests only: stop at this schema version; 0: the newest */
    bool row_bases;            /* tests only: one base for all groups of a row (marks.h) */
    const char *unknown;       /* tests only: columns of a newer program (columns.h); NULL */
};

/* Opens, migrates in order, arms the change marks. ERR_NEWER: made by a newer program (says both
 * versions and what to do). ERR_CORRUPT cannot happen with a backup_dir: the damaged file is put
 * aside as <path>.corrupt-<date>, the newest good backup (or an empty replica) takes its place and
 * replica_was_restored() is true. ERR_IO: path and reason. */
int replica_open(const struct replica_options *options, struct replica **ret, struct err *err);
void replica_close(struct replica *replica); /* commits nothing; accepts NULL */

/* True when this start took a backup's place or started empty after corruption, and until sync has
 * taken a new incarnation and called replica_set_restored(false): sync is held meanwhile. */
bool replica_was_restored(struct replica *replica);
int replica_set_restored(struct replica *replica, bool restored);

/* A new time-ordered id, unique across stations. */
void replica_new_id(struct replica *replica, char ret[LIMIT_ID_BYTES + 1]);
const struct clock *replica_clock(struct replica *replica);
const char *replica_path(const struct replica *replica); /* of the database file */
struct seal *replica_seal(struct replica *replica);

/* --- the turn --- */

/* Begins a handler; opens the turn's transaction when none is open. Handlers nest (at most 8). */
void replica_enter(struct replica *replica);
/* Ends the innermost handler: keeps its writes (ok) or takes them back. A handler in which any
 * statement failed is taken back whatever `ok` says. Returns true when its writes stand. */
bool replica_leave(struct replica *replica, bool ok);

typedef void replica_ack_fn(void *ctx, int64_t arg, bool committed);
/* To be called inside a handler, at most LIMIT_TURN_ACKS a turn (asserted: whoever drains an input
 * bounds what it takes in one turn). Runs exactly once. It may begin a new turn. */
void replica_after_commit(struct replica *replica, replica_ack_fn *fn, void *ctx, int64_t arg);

/* Ends the turn. True: committed, or there was nothing to commit. False: the turn is lost, the
 * acknowledgements were told so, and the replica is open again or replica_failing() says why not.
 */
bool replica_commit(struct replica *replica);

/* How long the last turn's COMMIT took, in microseconds; 0: there was none. */
int64_t replica_commit_us(const struct replica *replica);

/* True while a turn is open (something is written but not committed). */
bool replica_in_turn(const struct replica *replica);

/* NULL when all is well; else why nothing can be written now (disk full, I/O error). While it is
 * set, inputs are refused (MQTT unacknowledged, SMS left on the SIM); replica_retry() tries again.
 */
const char *replica_failing(const struct replica *replica);
bool replica_retry(struct replica *replica);

/* The text of the last failed statement of this handler, "" when none failed. */
const char *replica_problem(const struct replica *replica);

/* --- statements ---
 * `sql` must be a string literal or live as long as the replica: statements are prepared once and
 * found again by its address. SQL that does not compile is a bug of ours and aborts with its text.
 * A query in use (between replica_query and query_done) must not be used again recursively. */
struct query;
struct json;
struct query *replica_query(struct replica *replica, const char *sql);
void query_int(struct query *query, int index, int64_t value);     /* index from 1 */
void query_text(struct query *query, int index, const char *text); /* NULL binds NULL; copied */
void query_blob(struct query *query, int index, const void *bytes, size_t size);
void query_null(struct query *query, int index);
/* True: a row is there. False: no more rows, or it failed (the handler is then doomed). */
bool query_row(struct query *query);
int64_t query_get_int(struct query *query, int column); /* column from 0; NULL gives 0 */
const char *query_get_text(struct query *query,
                           int column); /* NULL stays NULL; valid until the next query_row */
const void *query_get_blob(struct query *query, int column, size_t *ret_size);
bool query_is_null(struct query *query, int column);
/* The row at hand, by the names of its columns: numbers, texts and null. The caller's. */
struct json *query_get_json(struct query *query);
/* All rows that are left, as an array, and query_done(). */
struct json *query_list(struct query *query);
void query_done(struct query *query); /* resets; always call it */

/* Binds by `types` ('i' int64_t, 's' const char *, 'b' const void * and size_t, 'n' nothing) and
 * runs to the end. Returns the number of rows changed (sqlite3_changes64), or -1 when it failed. */
int64_t replica_run(struct replica *replica, const char *sql, const char *types, ...);
/* First column of the first row, or the fallback when there is no row or it is NULL. */
int64_t replica_get_int(struct replica *replica, int64_t fallback, const char *sql,
                        const char *types, ...);
/* The same for text, copied into ret[size]; false when there is no row or it is NULL. */
bool replica_get_text(struct replica *replica, char *ret, size_t size, const char *sql,
                      const char *types, ...);

/* SQL functions that every statement may use:
 *   seal_phone(text)  sealed form of a normalised number: the same number gives the same text, so
 *                     it is also the look-up key (SIV); NULL for NULL
 *   seal(text)        sealed with a fresh nonce: message bodies, raw PDUs in hex
 *   unseal(text)      the clear text of either; NULL when the key does not fit
 *   phone_hash(text)  keyed hash of a sealed number, which cannot be turned back into it
 *   new_id()          replica_new_id()
 *   now_ms()          wall clock of the replica
 *   boot_ms()         milliseconds since the machine started
 *   sync_local()      1; 0 while rows of the county are being applied (see sync/)
 * and json_rows(json, names), see jrows.h. */

/* While true, writes to replicated tables leave no change marks: rows are the county's. */
void replica_set_applying(struct replica *replica, bool applying);

/* --- upkeep; each on a connection of its own, to be called from uv_queue_work --- */
int replica_backup(const char *path, const char *backup_dir, int64_t now_ms, int keep,
                   struct err *err); /* one sqlite3_backup_step(-1), checked, renamed into place */
int replica_checkpoint(const char *path, struct err *err);

/* Pages in the -wal that the next commit goes after. It begins at its start again only when a
 * checkpoint has caught up with the last commit, and one beside a busy writer never does: run
 * replica_checkpoint() on a thread first, then the little that is left here, between two turns. */
int replica_wal_pages(const struct replica *replica);
void replica_checkpoint_rest(struct replica *replica);

/* The newest schema version that this program knows, and the one in the file. */
int replica_schema_newest(void);
int replica_schema_version(struct replica *replica);

#endif
