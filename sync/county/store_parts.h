/* What the store_*.c files share: one connection, its prepared statements and the SQL that is
 * made from the list of tables. */
#ifndef TOUYAN_COUNTY_STORE_SQLITE_H
#define TOUYAN_COUNTY_STORE_SQLITE_H

#include "sync/county/db.h"
#include "sync/county/slice.h"
#include "sync/county/store.h"

enum {
    DB_TABLES_MAX = 32,
    DB_STEPS_MAX = 20,
    DB_STATEMENTS_MAX = 1024, /* a power of two */
    DB_SQL_BYTES = 65536,
};

/* The SQL for one replicated table; owned. */
struct table_sql {
    const struct table *table;
    bool made;                     /* in_<tid> is there; it is made when it is needed */
    bool staged;                   /* rows of this push lie in in_<tid> */
    bool lacking, same_ids;        /* some do not name all columns; share their id, perhaps */
    bool mixed;                    /* not all are good and new */
    char *index;                   /* by scope and id */
    char *create;                  /* the county's table */
    char *create_in;               /* in_<tid>: rows of one push */
    char *members;                 /* of a row, as they are copied */
    char *stage;                   /* a row -> in_<tid>; or COPY of many */
    char *number;                  /* the rows of the same id, in n */
    char *fill;                    /* columns that the row does not name */
    char *check;                   /* sets why */
    char *phones;                  /* k and phone in clear; NULL when the table has none */
    char *hide;                    /* ?1 k, ?2 the sealed phone, ?3 why not */
    char *known;                   /* first: which rows are there already */
    char *steps[DB_STEPS_MAX + 1]; /* then, which others are good; ends with NULL */
    char *old[DB_STEPS_MAX + 1];   /* then, of rows that are there: first, whose they are */
    char *fresh[DB_STEPS_MAX + 1]; /* at last, of those that are not */
    char *give[DB_STEPS_MAX + 1];  /* instead of these three: the merge of rows given back */
    char *verdict;                 /* in_<tid> -> verdict */
    char *quarantine;              /* in_<tid> -> quarantine */
    char *clear;                   /* empties in_<tid> */
    char *boot;                    /* ?1 scope, ?2 after: id, then as pull, by id */
    char *digest;                  /* ?1 scope: id, _v */
    char *there;                   /* ?1 id, ?2 scope: 1 when it is there and no tombstone */
    char *there_any; /* ?1 n of the quarantine: 1 when its row is there, be it a tombstone */
    char *forget;    /* deletes the tombstones in forgotten; NULL: it has none */
    char *taken;     /* giving back: how many rows of in_<tid> were taken */
    char *pull;      /* ?1 id -> the row as JSON without its phone, and that sealed */
    char *same;      /* import: why = 'same' for what the last import said, gm = what it changed */
    char *remember;  /* import: in_<tid> -> imported */
    char *skip;      /* import: rows in which nothing is left to push */
    char *tally;     /* import: added, changed, unchanged */
    char
        *dangling; /* import: file, line, what of rows that name a row that is not there; or NULL */
    char *count;   /* rows per scope as a JSON object */
    char *list;    /* all rows as a JSON array, without phones */
};

/* The parameters of steps and checks, by number. */
struct merge_args {
    int64_t lo, hi;    /* ?1 ?2: rows k of the push */
    int64_t origin;    /* ?3: incarnation; 0 the county itself */
    int64_t v0;        /* ?4 */
    int64_t h_max;     /* ?5: stamps are clamped to this */
    bool county;       /* ?6: the county's own rows: every table and scope */
    int64_t now_ms;    /* ?7 */
    const char *scope; /* ?8: the only one that a station may write */
    int64_t f;         /* ?9: rows above it were forgotten (giving back) */
    int64_t upto;      /* ?10: the highest version that such a row can have */
    bool give;         /* use the steps `give` */
};

/* A base above all versions: what the county says stands on everything. */
#define ANY_BASE INT64_C(4611686018427387904)

struct db {
    struct store store; /* first */
    struct db_link *link;
    bool in_transaction, reviving;
    const struct clock *clock;
    struct rnd *rnd;
    const struct seal *seal;
    uint32_t without; /* enum sync_without */
    int64_t page_bytes;
    char epoch[LIMIT_STATION_BYTES + 1];
    bool scratch; /* something lies in raw or verdict, in SQLite in any in_<tid> */
    bool unknown; /* raw has rows of tables that are not ours */
    bool told;    /* the push has verdicts */
    bool hopeful; /* a row that the engine refuses ends the transaction, which comes once more */
    /* The push as it came, whose rows went past raw (store_copy.c); or NULL. */
    const struct json *parts;
    const struct slice *slice;
    struct buf copy;         /* what is being sent */
    uint64_t ids[2048];      /* hashes of the ids of this push; 0: an empty slot */
    int64_t merged, look_at; /* rows on this connection, and at how many PostgreSQL counts anew */
    size_t row_bytes;        /* of the rows of the last page, on average; 0: there was none */
    char *page; /* ?1 scope, ?2 behind this version, ?3 up to that, ?4 not by this incarnation, ?5
                 * as many: version, table, then as pull */
    struct table_sql tables[DB_TABLES_MAX];
    int table_count;
    struct {
        const char *sql;
        struct db_query *query;
    } statements[DB_STATEMENTS_MAX]; /* by the address of their text */
};

static inline struct db *db_of(struct store *store)
{
    return (struct db *)store;
}

static inline int64_t db_now_ms(const struct db *db)
{
    return clock_wall_ms(db->clock);
}

/* store_sql.c */
void table_sql_init(struct table_sql *sql, const struct table *table, enum db_engine engine,
                    uint32_t without);
/* db->page; owned. */
char *table_sql_page(const struct db *db);
void table_sql_fini(struct table_sql *sql);
/* True when the value of a column in a CREATE TABLE follows; for ALTER TABLE. */
const char *column_sql_type(const struct table_column *column);

/* db.c: statements. `sql` is found again by its address: a literal, or a text of struct table_sql.
 * Types, by parameter: 'i' int64_t, 's' const char *, 't' const char * and size_t (stays where it
 * is until the statement ends), 'n' nothing. */
int db_run(struct db *db, struct err *err, const char *sql, const char *types, ...);
struct db_query *db_query(struct db *db, struct err *err, const char *sql, const char *types, ...);
/* A statement without an answer, with as many values as it likes (SQLite). */
int db_put(struct db *db, struct err *err, const char *sql, const struct db_value *values,
           int count);
/* 1 a row, 0 the end (reset), -1 failed (reset). */
int db_step(struct db_query *query, struct err *err);
void db_reset(struct db_query *query);
/* The first column of the first row; nothing happens to *ret when there is none. */
int db_int(struct db *db, int64_t *ret, struct err *err, const char *sql, const char *types, ...);
int db_text(struct db *db, struct buf *ret, struct err *err, const char *sql, const char *types,
            ...);
/* Statements without parameters that are not kept. */
int db_script(struct db *db, const char *sql, struct err *err);
/* BEGIN, so that what is read stays true until the end: a writer of SQLite; PostgreSQL: see
 * merge_take_versions(). `snapshot`: all statements see the same state, and the county's rows are
 * not written. */
int db_begin(struct db *db, bool snapshot, struct err *err);
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);
/* COMMIT when all went well so far, else ROLLBACK. */
int db_end(struct db *db, int code, struct err *err);
int db_audit(struct db *db, const char *what, const char *detail, struct err *err);
int64_t db_changes(struct db *db); /* rows, by the last statement */
void db_close(struct db *db);      /* with its statements */
int64_t db_column_int(struct db_query *query, int column);
const char *db_column_text(struct db_query *query, int column);
size_t db_column_size(struct db_query *query, int column);
bool db_column_null(struct db_query *query, int column);

struct json;

/* store_merge.c. Rows lie in raw(k, t, lseq, row). */
int merge_stage(struct db *db, const struct merge_args *args, struct err *err);
/* Adds the arrays of a request to raw; parts: its [{t, r}, ...]. ERR_INVALID: one is no JSON. At
 * most LIMIT_SYNC_PUSH_ROWS + 1 rows; *ret_rows counts them. */
int merge_read(struct db *db, const struct json *parts, const struct slice *rows, int64_t *ret_rows,
               struct err *err);
/* The same for a push, past raw. parts and rows stay until the end of the transaction: they get
 * into raw only when somebody asks (merge_raw). */
struct pushed {
    int64_t rows, first_lseq, last_lseq;
    int64_t strange; /* rows that are no object, or without a good lseq */
};
int merge_read_push(struct db *db, const struct json *parts, const struct slice *rows,
                    struct pushed *ret, struct err *err);
int merge_raw(struct db *db, struct err *err);
int merge_apply(struct db *db, const struct merge_args *args, struct err *err);
int merge_clear(struct db *db, struct err *err);
int merge_take_versions(struct db *db, int64_t count, int64_t now_ms, int64_t *ret_v0,
                        struct err *err);

/* Waits until nobody else writes the county's rows (SQLite: it is so since db_begin()). */
int merge_lock(struct db *db, struct err *err);

/* store.c: makes in_<tid>. */
int store_scratch(struct db *db, struct table_sql *sql, struct err *err);
/* store.c: what a new connection needs before the store can work on it. */
int store_connected(struct db *db, bool new_epoch, struct err *err);

/* store_pg.c: tables, functions and the county's views, made or completed. `make` is called for
 * what the engines have in common. */
/* Once in a while, after a commit: PostgreSQL looks how large the tables are that have just grown.
 * It would do so by itself, but only after a minute in which it may choose badly. */
void store_pg_look(struct db *db);
int store_pg_version(struct db *db, int64_t *ret, struct err *err); /* 0: nothing is there */
int store_pg_make(struct db *db, int64_t version, uint64_t fingerprint,
                  int (*make)(struct db *db, struct err *err), struct err *err);

/* store_request.c: what the requests have in common. A refusal fills the answer and is
 * ERR_STATE. */
struct json;
int answer_refuse(struct store_answer *answer, int status, const char *sentence);
/* p, sv and station of a request. */
int answer_check_head(const struct json *head, const struct store_station *station,
                      struct store_answer *answer);
/* The JSON object, read strictly. `rows` names the member [{t, r}, ...] whose arrays r are left to
 * the engine (they are empty in *ret); NULL: there is none. */
int answer_read_head(const char *body, size_t size, const char *rows, struct slice *ret_rows,
                     struct json **ret, struct store_answer *answer);
/* The member that holds the rows is as it should be? */
int answer_check_rows(const struct json *parts, const struct slice *rows,
                      struct store_answer *answer);
/* Appends columns `at` and `at + 1` of the query, see table_sql.pull, as one object. */
int answer_add_one(struct db *db, const struct table_sql *sql, const char *id, struct buf *out,
                   struct err *err);
void answer_add_row(struct db *db, struct db_query *query, int at, struct buf *out);
/* `work` in a transaction, from its beginning again when that made room for another one; a refusal
 * rolls back and is ERR_OK. */
typedef int db_work(struct db *db, void *ctx, struct store_answer *answer, struct err *err);
int answer_in_transaction(struct db *db, bool snapshot, db_work *work, void *ctx, const char *who,
                          struct store_answer *answer, struct err *err);

/* What is known at one moment: the latest version, all up to it is committed; and the horizon of
 * forgotten tombstones. */
struct county_now {
    int64_t v, purged;
};

/* store_scope.c: what a station may see, and the cursors that it names. */
struct scope_cursor {
    char name[LIMIT_STATION_BYTES + 1];
    bool granted; /* false: it was, once */
    bool asked;
    const char *epoch; /* of the request */
    int64_t v;
};
struct scopes {
    struct scope_cursor at[LIMIT_PULL_SCOPES];
    size_t count;
    struct county_now now; /* when the cursors were checked */
};
int scopes_read(struct db *db, const struct store_station *station, struct scopes *ret,
                struct err *err);
bool scopes_grant(const struct scopes *scopes, const char *name);
/* Takes up `{"scope": [epoch, v]}` and refuses what is not ours: 400, 403, 409 rewind, 410. */
int scopes_ask(struct db *db, struct scopes *scopes, const struct json *cursors,
               struct store_answer *answer, struct err *err);
/* Appends `"grant":[...]`. */
void scopes_write(const struct scopes *scopes, struct buf *out);

/* store_epoch.c */
int epoch_take(struct db *db, bool new_epoch, struct err *err);
/* db->epoch becomes the newest one (another process may have begun it). */
int epoch_now(struct db *db, struct county_now *ret, struct err *err);
/* Is the cursor of an epoch of ours and not beyond its end? ("", 0) is. */
int epoch_check(struct db *db, const char *epoch, int64_t v, bool *ret_good, struct err *err);
/* The same, by what epoch_now() told in this transaction. */
int epoch_check_by(struct db *db, const struct county_now *now, const char *epoch, int64_t v,
                   bool *ret_good, struct err *err);
/* Appends the newest epochs as [[id, start], ...]. */
int epoch_write(struct db *db, struct buf *out, struct err *err);
int epoch_refuse(struct db *db, struct store_answer *answer, struct err *err);
int store_giveback(struct store *store, const struct store_station *station, const char *body,
                   size_t size, struct store_answer *answer, struct err *err);

/* store_enrol.c */
extern const char store_enrol_schema[];
/* What stands for the hash of the token of a station that has none. */
enum { STORE_NO_TOKEN_BYTES = LIMIT_STATION_NAME_BYTES + 8 };
void store_enrol_no_token(const char *name, char ret[STORE_NO_TOKEN_BYTES]);
/* Nothing that the station has or was promised opens anything any more. */
int store_enrol_revoke(struct db *db, const char *name, struct err *err);

/* store_tidy.c */
int purge_horizon(struct db *db, int64_t *ret, struct err *err);
int store_tidy(struct store *store, bool *ret_more, struct err *err);

/* store_repair.c */
int store_digest(struct store *store, const struct store_station *station, const char *body,
                 size_t size, struct store_answer *answer, struct err *err);
int store_boot(struct store *store, const struct store_station *station,
               const struct store_boot *boot, struct store_answer *answer, struct err *err);

/* store_look.c */
int store_show(struct store *store, const char *what, struct buf *ret_json, struct err *err);
int store_quarantine_release(struct store *store, int64_t n, enum store_release how,
                             struct err *err);

/* store_sync.c, store_pull.c, store_import.c */
int store_sync(struct store *store, const struct store_station *station, const char *body,
               size_t size, struct store_answer *answer, struct err *err);
struct pull_request {
    const struct scopes *scopes;
    int64_t origin;
    struct county_now now; /* the page ends at its v at the latest */
    int64_t max_bytes;
};
/* Appends `"pull":[...],"cur":{...},"more":n`. ERR_BUSY: deletions were forgotten since `now`. */
int pull_page(struct db *db, const struct pull_request *request, struct buf *out, struct err *err);

int store_import_begin(struct store *store, struct err *err);
int store_import_rows(struct store *store, const struct store_import *import,
                      struct store_import_result *result, struct err *err);
int store_import_prune(struct store *store, const struct table *table,
                       struct store_import_result *result, struct err *err);
int store_import_check(struct store *store, store_problem_fn *on_problem, void *ctx,
                       struct store_import_result *result, struct err *err);
int store_import_end(struct store *store, bool keep, struct err *err);

#endif
