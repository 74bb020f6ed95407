/* The merge of a push (or of an import, which is a push of the county itself).
 *
 * Rows lie in temp.raw. merge_stage() types them into temp.in_<tid> and marks the invalid ones.
 * merge_apply() hands all rows of a table to the engine at once, table by table. When the engine
 * refuses a statement although every row passed the checks, the range is halved and tried again
 * until the row is found that causes it; that row alone is put aside. A full disk or a lock is no
 * row's fault and ends the whole push. */
#include "sync/county/store_parts.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "sync/rules.h"

static int run_step(struct db *db, const struct merge_args *args, const char *sql, struct err *err)
{
    return db_run(db, err, sql, "iiiiiiisi", args->lo, args->hi, args->origin, args->v0,
                  args->h_max, (int64_t)args->county, args->now_ms, args->scope, args->f);
}

static int run_table_steps(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        if (!db->tables[i].staged)
            continue;
        char **step = args->give ? db->tables[i].give : db->tables[i].steps;
        for (; code == ERR_OK && *step != NULL; step++)
            code = run_step(db, args, *step, err);
    }
    return code;
}

int merge_stage(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        struct table_sql *sql = &db->tables[i];
        int64_t rows = 0;
        code = db_int(db, &rows, err, "SELECT count(*) FROM temp.raw WHERE t=?1", "s",
                      sql->table->name);
        sql->staged = code == ERR_OK && rows > 0;
        if (!sql->staged)
            continue;
        sql->used = true;
        code = run_step(db, args, sql->stage, err);
        if (code == ERR_OK)
            code = run_step(db, args, sql->fill, err);
        if (code == ERR_OK)
            code = run_step(db, args, sql->fill_null, err);
        if (code == ERR_OK)
            code = run_step(db, args, sql->check, err);
        if (code == ERR_OK && sql->hide != NULL)
            code = run_step(db, args, sql->hide, err);
    }
    return code;
}

static int put_aside(struct db *db, int64_t k, const char *why, struct err *err)
{
    log_warn("county.row_refused", "k=%lld why=%s", (long long)k, why);
    for (int i = 0; i < db->table_count; i++) {
        char sql[128];
        if (!db->tables[i].staged)
            continue;
        snprintf(sql, sizeof sql, "UPDATE temp.in_%d SET why='check' WHERE k=%lld",
                 db->tables[i].table->tid, (long long)k);
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
        code = run_table_steps(db, &args, &row);
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

int merge_apply(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = apply_range(db, *args, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        if (!db->tables[i].staged)
            continue;
        code = run_step(db, args, db->tables[i].verdict, err);
        if (code == ERR_OK)
            code = run_step(db, args, db->tables[i].quarantine, err);
    }
    return code;
}

int merge_clear(struct db *db, struct err *err)
{
    int code = db_run(db, err, "DELETE FROM temp.part", "");
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM temp.raw", "");
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM temp.verdict", "");
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        if (db->tables[i].used) /* also what a ROLLBACK brought back */
            code = db_run(db, err, db->tables[i].clear, "");
    return code;
}

/* `count` versions in the order of commits: never below the clock in microseconds, so that they do
 * not repeat after the database came back from a backup. The writer's lock is held by now. */
int merge_take_versions(struct db *db, int64_t count, int64_t now_ms, int64_t *ret_v0,
                        struct err *err)
{
    int64_t last = 0;
    int64_t at_least = (db->without & WITHOUT_VCOUNTER) != 0 ? 0 : now_ms * 1000;
    int code =
        db_int(db, &last, err, "UPDATE ctr SET v=max(v+?1,?2) RETURNING v", "ii", count, at_least);
    if (code == ERR_OK)
        *ret_v0 = last - count + 1;
    return code;
}
