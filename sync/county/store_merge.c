/* The merge of a push (or of an import, which is a push of the county itself).
 *
 * Rows lie in raw. merge_stage() types them into in_<tid> and marks the invalid ones.
 * merge_apply() hands all rows of a table to the engine at once, table by table. When the engine
 * refuses a statement although every row passed the checks, the push is begun again with
 * savepoints: the range is halved and tried again until the row is found that causes it; that row
 * alone is put aside. A full disk or a lock is no row's fault and ends the whole push. */
#include "sync/county/store_sql.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "sync/replica/seal.h"
#include "sync/rules.h"

static int run_step(struct db *db, const struct merge_args *args, const char *sql, struct err *err)
{
    return db_run(db, err, sql, "iiiiiiisii", args->lo, args->hi, args->origin, args->v0,
                  args->h_max, (int64_t)args->county, args->now_ms, args->scope, args->f,
                  args->upto);
}

static int run_steps(struct db *db, const struct merge_args *args, char *const *step,
                     bool *ret_some, struct err *err)
{
    int code = ERR_OK;
    for (; code == ERR_OK && *step != NULL; step++) {
        code = run_step(db, args, *step, err);
        *ret_some = *ret_some || db_changes(db) > 0;
    }
    return code;
}

/* Of rows that are there there are mostly none, and many statements would look for them. */
static int run_table(struct db *db, const struct merge_args *args, struct table_sql *sql,
                     struct err *err)
{
    bool written = false;
    int code = run_step(db, args, sql->known, err);
    bool some = db_changes(db) > 0;
    sql->mixed = sql->mixed || some || args->county;
    if (args->give)
        return code != ERR_OK ? code : run_steps(db, args, sql->give, &written, err);
    if (code == ERR_OK)
        code = run_steps(db, args, sql->steps, &sql->mixed, err);
    if (code == ERR_OK && some)
        code = run_steps(db, args, sql->old, &written, err);
    return code != ERR_OK ? code : run_steps(db, args, sql->fresh, &written, err);
}

static int run_tables(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        if (db->tables[i].staged)
            code = run_table(db, args, &db->tables[i], err);
    return code;
}

/* --- reading --- */

/* The rows of one array, behind those that are there. */
static int read_part(struct db *db, const char *table, const char *rows, size_t size,
                     int64_t *count, struct err *err)
{
    int code = db_run(
        db, err,
        "INSERT INTO raw(k,t,lseq,row) SELECT ${?2+k,?3,iif(typeof(c0)='integer',c0,NULL),"
        "row FROM "
        "json_rows(?1,'lseq')|?2+n-1,?3,int_of(v->>'lseq'),iif(json_typeof(v)='object',v,NULL) "
        "FROM json_array_elements(?1::json) WITH ORDINALITY "
        "AS e(v,n)} LIMIT ?4",
        "jisi", rows, size, *count, table, (int64_t)LIMIT_SYNC_PUSH_ROWS + 1 - *count);
    if (code == ERR_OK)
        *count += db_changes(db);
    return code;
}

int merge_read(struct db *db, const struct json *parts, const struct slice *rows, int64_t *ret_rows,
               struct err *err)
{
    int code = ERR_OK;
    db->scratch = true;
    *ret_rows = 0;
    for (size_t i = 0; code == ERR_OK && i < rows->count; i++)
        if (*ret_rows <= LIMIT_SYNC_PUSH_ROWS)
            code = read_part(db, json_text(json_at(parts, i), "t", ""), rows->rows[i].text,
                             rows->rows[i].size, ret_rows, err);
    return code;
}

int merge_raw(struct db *db, struct err *err)
{
    const struct json *parts = db->parts;
    int64_t count;
    if (parts == NULL)
        return ERR_OK;
    db->parts = NULL;
    return merge_read(db, parts, db->slice, &count, err);
}

static struct table_sql *find_table(struct db *db, const char *name)
{
    for (int i = 0; i < db->table_count; i++)
        if (strcmp(db->tables[i].table->name, name) == 0)
            return &db->tables[i];
    return NULL;
}

int merge_read_push(struct db *db, const struct json *parts, const struct slice *rows,
                    struct pushed *ret, struct err *err)
{
    int code = ERR_OK;
    *ret = (struct pushed){0};
    if (rows->count == 0)
        return ERR_OK;
    db->unknown = false;
    db->parts = parts;
    db->slice = rows;
    for (size_t i = 0; code == ERR_OK && i < rows->count; i++) {
        struct table_sql *sql = find_table(db, json_text(json_at(parts, i), "t", ""));
        db->unknown = db->unknown || sql == NULL;
        if (ret->rows <= LIMIT_SYNC_PUSH_ROWS)
            code = copy_part(db, sql, rows->rows[i].text, rows->rows[i].size, ret, err);
    }
    return code == ERR_OK && db->unknown ? merge_raw(db, err) : code;
}

/* --- staging --- */

/* In PostgreSQL each transaction reads and types its own rows beside the others; from here on to
 * its end it is the only one, so that versions grow in the order of commits and no row changes
 * between its judgement and its update. */
int merge_lock(struct db *db, struct err *err)
{
    int64_t v;
    if (db->link->driver->engine == DB_SQLITE)
        return ERR_OK;
    return db_int(db, &v, err, "SELECT v FROM ctr${| FOR UPDATE}", "");
}

static int hide_phones(struct db *db, const struct table_sql *sql, struct err *err)
{
    char sealed[LIMIT_SEALED_PHONE_BYTES];
    struct db_query *q = db_query(db, err, sql->phones, "");
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0) {
        const char *phone = db_column_text(q, 1);
        size_t size = db_column_size(q, 1);
        bool fits = seal_size(size) <= sizeof sealed;
        if (fits)
            seal_text(db->seal, phone, size, true, sealed);
        int code = db_run(db, err, sql->hide, "iss", db_column_int(q, 0), fits ? sealed : NULL,
                          fits ? NULL : "text phone");
        if (code != ERR_OK) {
            db_reset(q);
            return code;
        }
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

static int check_table(struct db *db, const struct merge_args *args, struct table_sql *sql,
                       struct err *err)
{
    int code = sql->same_ids ? db_run(db, err, sql->number, "") : ERR_OK;
    if (code == ERR_OK && sql->lacking)
        code = run_step(db, args, sql->fill, err);
    if (code == ERR_OK)
        code = run_step(db, args, sql->check, err);
    sql->mixed = sql->mixed || sql->phones != NULL || db_changes(db) > 0;
    if (code == ERR_OK && sql->phones != NULL)
        code = hide_phones(db, sql, err);
    return code;
}

/* The tables that raw has rows of. */
static int find_staged(struct db *db, struct err *err)
{
    struct db_query *q = db_query(db, err, "SELECT DISTINCT t FROM raw", "");
    struct table_sql *sql;
    int rc = -1;
    db->scratch = true;
    db->unknown = false;
    while (q != NULL && (rc = db_step(q, err)) > 0) {
        sql = find_table(db, db_column_text(q, 0));
        db->unknown = db->unknown || sql == NULL;
        if (sql != NULL)
            sql->staged = true;
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

/* From raw, unless the rows are in in_<tid> already. */
static int stage_tables(struct db *db, struct err *err)
{
    bool staged = false;
    for (int i = 0; i < db->table_count; i++)
        staged = staged || db->tables[i].staged;
    int code = staged ? ERR_OK : find_staged(db, err);
    for (int i = 0; code == ERR_OK && !staged && i < db->table_count; i++)
        if (db->tables[i].staged)
            code = copy_raw(db, &db->tables[i], err);
    return code;
}

/* Those that name all columns need nothing of what others may change. */
static int check_tables(struct db *db, const struct merge_args *args, bool lacking, struct err *err)
{
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        if (db->tables[i].staged && db->tables[i].lacking == lacking)
            code = check_table(db, args, &db->tables[i], err);
    return code;
}

int merge_stage(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = stage_tables(db, err);
    if (code == ERR_OK)
        code = check_tables(db, args, false, err);
    if (code == ERR_OK)
        code = merge_lock(db, err);
    return code != ERR_OK ? code : check_tables(db, args, true, err);
}

/* --- merging --- */

static int put_aside(struct db *db, int64_t k, const char *why, struct err *err)
{
    log_warn("county.row_refused", "k=%lld why=%s", (long long)k, why);
    for (int i = 0; i < db->table_count; i++) {
        char sql[128];
        if (!db->tables[i].staged)
            continue;
        snprintf(sql, sizeof sql, "UPDATE in_%d SET why='check' WHERE k=%lld",
                 db->tables[i].table->tid, (long long)k);
        db->tables[i].mixed = true;
        int code = db_script(db, sql, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static int apply_range(struct db *db, struct merge_args args, struct err *err)
{
    struct err row = {0};
    int code = db_run(db, err, "SAVEPOINT merge", "");
    if (code == ERR_OK)
        code = run_tables(db, &args, &row);
    if (code == ERR_OK)
        return db_run(db, err, "RELEASE merge", "");
    if (row.code != ERR_INVALID)
        return err_set(err, code, "%s", row.text);
    if (db_run(db, err, "ROLLBACK TO merge", "") != ERR_OK ||
        db_run(db, err, "RELEASE merge", "") != ERR_OK)
        return ERR_IO;
    if (args.lo == args.hi)
        return put_aside(db, args.lo, row.text, err);
    struct merge_args low = args, high = args;
    low.hi = args.lo + (args.hi - args.lo) / 2;
    high.lo = low.hi + 1;
    code = apply_range(db, low, err);
    return code != ERR_OK ? code : apply_range(db, high, err);
}

/* Nearly always all rows are taken: without a savepoint first, where there is a second time. */
static int apply_all(struct db *db, const struct merge_args *args, struct err *err)
{
    struct err row = {0};
    if (!db->hopeful)
        return apply_range(db, *args, err);
    int code = run_tables(db, args, &row);
    if (code == ERR_OK)
        return ERR_OK;
    if (row.code != ERR_INVALID)
        return err_set(err, code, "%s", row.text);
    db->hopeful = false;
    db->link->victim = true;
    return err_set(err, ERR_BUSY, "a row was refused: %s", row.text);
}

static int keep_refused(struct db *db, const struct merge_args *args, struct err *err)
{
    int64_t bad = 0;
    int code = db_int(db, &bad, err, "SELECT count(*) FROM verdict WHERE kind='bad'", "");
    if (code == ERR_OK && bad > 0)
        code = merge_raw(db, err);
    for (int i = 0; code == ERR_OK && bad > 0 && i < db->table_count; i++)
        if (db->tables[i].staged)
            code = run_step(db, args, db->tables[i].quarantine, err);
    return code;
}

int merge_apply(struct db *db, const struct merge_args *args, struct err *err)
{
    db->told = false;
    int code = apply_all(db, args, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        if (!db->tables[i].staged || !db->tables[i].mixed)
            continue;
        code = run_step(db, args, db->tables[i].verdict, err);
        db->told = db->told || db_changes(db) > 0;
    }
    db->scratch = db->scratch || db->told;
    return code == ERR_OK && db->told ? keep_refused(db, args, err) : code;
}

int merge_clear(struct db *db, struct err *err)
{
    int code = ERR_OK;
    db->parts = NULL;
    memset(db->ids, 0, sizeof db->ids);
    bool remote = db->link->driver->engine != DB_SQLITE;
    if (db->scratch)
        code = db_run(db, err, "${DELETE FROM|TRUNCATE} raw", "");
    if (db->scratch && code == ERR_OK)
        code = db_run(db, err, "${DELETE FROM|TRUNCATE} verdict", "");
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        struct table_sql *sql = &db->tables[i];
        if (sql->made && (remote ? sql->staged : db->scratch))
            code = db_run(db, err, sql->clear, "");
        sql->staged = sql->lacking = sql->same_ids = sql->mixed = false;
    }
    db->scratch = db->scratch && code != ERR_OK;
    return code;
}

/* `count` versions in the order of commits: never below the clock in microseconds, so that they do
 * not repeat after the database came back from a backup. The writer's lock is held by now. */
int merge_take_versions(struct db *db, int64_t count, int64_t now_ms, int64_t *ret_v0,
                        struct err *err)
{
    int64_t last = 0;
    int64_t at_least = (db->without & WITHOUT_VCOUNTER) != 0 ? 0 : now_ms * 1000;
    int code = db_int(db, &last, err, "UPDATE ctr SET v=${max|greatest}(v+?1,?2) RETURNING v", "ii",
                      count, at_least);
    if (code == ERR_OK)
        *ret_v0 = last - count + 1;
    db->merged += count;
    return code;
}
