/* What the county server keeps, as a vtable. A store is one connection to the database, used by
 * one thread at a time; several stores on the same database work side by side.
 *
 * All functions block (at most about LIMIT_STORE_BUSY_MS for another writer). An answer's body is a
 * JSON text of sync/PROTOCOL.md; an error there has changed nothing. */
#ifndef TOUYAN_COUNTY_STORE_H
#define TOUYAN_COUNTY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"
#include "sync/replica/tables.h"

enum {
    LIMIT_STORE_BUSY_MS = 5000,
    LIMIT_STATION_NAME_BYTES = 64,
    LIMIT_ROW_ID_BYTES = 200,
    LIMIT_ROW_BYTES = 65536,
    LIMIT_CELL_BYTES = 16384,
    LIMIT_PAGE_ROWS = 5000,
    LIMIT_PULL_SCOPES = 16,
    LIMIT_ANSWER_BYTES = 8388608,
    LIMIT_CLOCK_AHEAD_MS = 5000, /* a station's stamps count as at most this much later than now */
    LIMIT_REPORT_ERRORS = 50,    /* of an import, told one by one */
    LIMIT_EPOCHS_NAMED = 64,
    LIMIT_EPOCHS_LOST = 1000,
    LIMIT_DIGEST_BUCKETS = 16, /* of one request */
    LIMIT_DIGEST_IDS = 500,
    LIMIT_DIGEST_ROWS = 100000, /* of one answer */
    LIMIT_TOMBSTONE_DAYS = 180,
    LIMIT_SALVAGE_DAYS = 35, /* stations keep settled marks so long */
    LIMIT_TIDY_ROWS = 500,   /* forgotten in one transaction */
    LIMIT_GIVEBACK_DAYS = 180,
    LIMIT_CONFLICT_DAYS = 400,
    LIMIT_COUNTY_BYTES = 32,
    LIMIT_STORE_REPEATS = 4, /* of a transaction that made room for another one, in all */
    LIMIT_STORE_TRIES = 20,  /* to open a database that is away, each */
    STORE_TRY_MS = 500,      /* after the other */
};

/* The year 2100, in microseconds: no version that is given back lies above. */
#define LIMIT_VERSION INT64_C(4102444800000000)

struct seal;

struct store_station {
    char name[LIMIT_STATION_NAME_BYTES + 1];
    char scope[LIMIT_STATION_BYTES + 1]; /* the station's id, and the scope it may write */
};

struct store_answer {
    int status;      /* of HTTP */
    struct buf body; /* owned by the caller, initialised by him */
};

/* One row of an import, ready for the engine: a JSON object of `id`, `scope` and the columns that
 * the file has; phones normalised, in clear. */
struct store_row {
    const char *json;
    const char *file; /* for messages */
    int line;
};

/* One page of a first filling. */
struct store_boot {
    int64_t inc;
    const char *scope, *table, *after;
    const char *epoch; /* "": the first page of the filling */
    int64_t v0;
    int64_t max_bytes;
};

enum store_release { STORE_RETRY, STORE_DROP };

struct store_import_result {
    int64_t added, changed, unchanged, removed, refused;
};

typedef void store_problem_fn(void *ctx, const char *file, int line, const char *what);

struct store_import {
    const struct table *table;
    const struct store_row *rows; /* at most LIMIT_SYNC_PUSH_ROWS */
    size_t count;
    store_problem_fn *on_problem;
    void *ctx;
};

struct store;

struct store_ops {
    void (*close)(struct store *store);

    /* ERR_STATE: there is such a station already. token_hash is 64 hex digits. */
    int (*station_add)(struct store *store, const char *name, const char *scope,
                       const char *token_hash, struct err *err);
    /* ERR_NOT_FOUND: no such station, or revoked already. */
    int (*station_revoke)(struct store *store, const char *name, struct err *err);
    /* A JSON array of {name, scope, added, seen, revoked}. */
    int (*station_list)(struct store *store, struct buf *ret_json, struct err *err);
    /* ERR_NOT_FOUND: no station has this token. */
    int (*station_by_token)(struct store *store, const char *token_hash, struct store_station *ret,
                            struct err *err);

    /* POST /v1/sync: one transaction. ERR_BUSY: try again later; other errors are the store's. */
    int (*sync)(struct store *store, const struct store_station *station, const char *body,
                size_t size, struct store_answer *answer, struct err *err);

    /* POST /v1/giveback, POST /v1/digest, GET /v1/boot, in the same way. */
    int (*giveback)(struct store *store, const struct store_station *station, const char *body,
                    size_t size, struct store_answer *answer, struct err *err);
    int (*digest)(struct store *store, const struct store_station *station, const char *body,
                  size_t size, struct store_answer *answer, struct err *err);
    int (*boot)(struct store *store, const struct store_station *station,
                const struct store_boot *boot, struct store_answer *answer, struct err *err);

    /* Forgets some tombstones that nobody needs any more; ret_more: there are others. */
    int (*tidy)(struct store *store, bool *ret_more, struct err *err);

    /* What the station may see besides its own scope and "*". ERR_NOT_FOUND: no such station, or
     * nothing to take back. */
    int (*station_grant)(struct store *store, const char *name, const char *scope, bool granted,
                         struct err *err);

    /* Takes a row out of quarantine: STORE_RETRY merges it again as a change made now by the
     * station that sent it (ERR_INVALID: refused again, and says why; it stays). ERR_NOT_FOUND. */
    int (*quarantine_release)(struct store *store, int64_t n, enum store_release how,
                              struct err *err);

    /* ERR_IO, ERR_BUSY: nothing can be written now. */
    int (*health)(struct store *store, struct err *err);

    /* An import is one transaction: begin, rows of any number of tables, end. keep false: only a
     * preview, everything is taken back. */
    int (*import_begin)(struct store *store, struct err *err);
    int (*import_rows)(struct store *store, const struct store_import *import,
                       struct store_import_result *result, struct err *err);
    /* Deletes the rows of the table that came from an import and were not in this one. */
    int (*import_prune)(struct store *store, const struct table *table,
                        struct store_import_result *result, struct err *err);
    /* Names imported rows that refer to rows that are not there. */
    int (*import_check)(struct store *store, store_problem_fn *on_problem, void *ctx,
                        struct store_import_result *result, struct err *err);
    int (*import_end)(struct store *store, bool keep, struct err *err);

    /* what: "counts", "conflicts", "quarantine", or a table ("checkin" or "checkins"), as JSON.
     * ERR_NOT_FOUND: no such view. */
    int (*show)(struct store *store, const char *what, struct buf *ret_json, struct err *err);
};

struct store {
    const struct store_ops *ops;
};

struct store_options {
    const char *path;   /* a file, or postgresql:// and what libpq wants to know */
    const char *county; /* of several in one PostgreSQL database; NULL: "0" */
    const struct clock *clock;
    struct rnd *rnd;
    const struct seal *seal; /* phones at rest; all of them outlive the store */
    uint32_t without;        /* enum sync_without: rules not in force, for tests; 0 */
    int64_t page_bytes;      /* tests only: at most, however large a page was asked for; 0 */
    bool new_epoch;          /* the first store of a starting server: a new life of the database */
    bool gives_versions;     /* a command that does before a server may have: if no server runs, the
                                database may have come from a backup just now, and it is one, too */
};

bool store_is_remote(const char *path); /* postgresql://... */

/* store.c. Makes the file, or the tables, when there are none. ERR_NEWER, ERR_IO, ERR_CORRUPT,
 * ERR_BUSY. */
int store_open(const struct store_options *options, struct store **ret, struct err *err);

#endif
