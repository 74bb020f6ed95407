/* Forgetting tombstones (and exits from a scope): those below every cursor of the stations that
 * still come, and those that are too old to wait for the others. What was forgotten is remembered
 * as one version, so that a station that comes with an older cursor is told to compare. The logs
 * are trimmed by their age. */
#include "sync/county/store_parts.h"

static const int64_t DAY_MS = INT64_C(86400000);

int purge_horizon(struct db *db, int64_t *ret, struct err *err)
{
    return db_int(db, ret, err, "SELECT purge_v FROM ctr", "");
}

/* Nothing at or above the result may be forgotten. An incarnation without a cursor has never pulled
 * and so has nothing that a tombstone would have to delete. */
static int find_limit(struct db *db, int64_t *ret, struct err *err)
{
    int64_t now_ms = clock_wall_ms(db->clock), oldest_ms = now_ms - LIMIT_TOMBSTONE_DAYS * DAY_MS;
    return db_int(
        db, ret, err,
        "SELECT ${max|greatest}(?2,coalesce((SELECT min(i.cursor_v) FROM incarnation i WHERE "
        "i.state=0 AND i.cursor_v IS NOT NULL AND i.seen>?1 AND i.scope IN(SELECT scope "
        "FROM station WHERE revoked_at IS NULL)),?2))",
        "ii", oldest_ms, oldest_ms * 1000);
}

static int forget(struct db *db, int64_t limit, bool *ret_more, struct err *err)
{
    int64_t count = 0;
    int code = db_run(db, err, "${DELETE FROM|TRUNCATE} forgotten", "");
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO forgotten SELECT tid,pk,scope,op,v FROM feed WHERE "
                      "op<>'U' AND v<?1 ORDER BY v LIMIT ?2",
                      "ii", limit, (int64_t)LIMIT_TIDY_ROWS);
    if (code == ERR_OK)
        code = db_int(db, &count, err, "SELECT count(*) FROM forgotten", "");
    *ret_more = count == LIMIT_TIDY_ROWS;
    if (code != ERR_OK || count == 0)
        return code;
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        if (db->tables[i].forget != NULL)
            code = db_run(db, err, db->tables[i].forget, "");
    if (code == ERR_OK)
        code = db_run(db, err, "DELETE FROM feed WHERE (scope,v) IN(SELECT scope,v FROM forgotten)",
                      "");
    if (code == ERR_OK)
        code = db_run(
            db, err,
            "UPDATE ctr SET purge_v=${max|greatest}(purge_v,(SELECT max(v) FROM forgotten))", "");
    return code;
}

/* Logs for people, and what is known of lives that were lost: by the time nobody comes with a
 * change made in one, nobody asks for it any more. */
static int trim(struct db *db, bool *ret_more, struct err *err)
{
    static const struct {
        const char *count, *trim;
        int days;
    } LOGS[] = {
        {"SELECT count(*) FROM (SELECT 1 FROM giveback WHERE at<?1 LIMIT ?2) AS o",
         "DELETE FROM giveback WHERE (tid,pk,v) IN(SELECT tid,pk,v FROM giveback WHERE at<?1 ORDER "
         "BY at LIMIT ?2)",
         LIMIT_GIVEBACK_DAYS},
        {"SELECT count(*) FROM (SELECT 1 FROM regained WHERE at<?1 LIMIT ?2) AS o",
         "DELETE FROM regained WHERE (tid,pk,grp) IN(SELECT tid,pk,grp FROM regained WHERE at<?1 "
         "ORDER BY at LIMIT ?2)",
         LIMIT_GIVEBACK_DAYS},
        {"SELECT count(*) FROM (SELECT 1 FROM lost_epoch WHERE at<?1 LIMIT ?2) AS o",
         "DELETE FROM lost_epoch WHERE id IN(SELECT id FROM lost_epoch WHERE at<?1 ORDER BY at "
         "LIMIT ?2)",
         LIMIT_GIVEBACK_DAYS},
        {"SELECT count(*) FROM (SELECT 1 FROM replaced WHERE at<?1 LIMIT ?2) AS o",
         "DELETE FROM replaced WHERE (tid,pk,grp,v) IN(SELECT tid,pk,grp,v FROM replaced WHERE "
         "at<?1 ORDER BY at LIMIT ?2)",
         LIMIT_SALVAGE_DAYS},
        {"SELECT count(*) FROM (SELECT at FROM conflict ORDER BY n LIMIT ?2) AS o WHERE at<?1",
         "DELETE FROM conflict WHERE at<?1 AND n IN(SELECT n FROM conflict ORDER BY n LIMIT ?2)",
         LIMIT_CONFLICT_DAYS},
    };
    int64_t now_ms = clock_wall_ms(db->clock);
    int code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof LOGS / sizeof *LOGS; i++) {
        int64_t before_ms = now_ms - LOGS[i].days * DAY_MS, count = 0;
        code = db_int(db, &count, err, LOGS[i].count, "ii", before_ms, (int64_t)LIMIT_TIDY_ROWS);
        if (code == ERR_OK && count > 0)
            code = db_run(db, err, LOGS[i].trim, "ii", before_ms, (int64_t)LIMIT_TIDY_ROWS);
        *ret_more = *ret_more || count == LIMIT_TIDY_ROWS;
    }
    return code;
}

int store_tidy(struct store *store, bool *ret_more, struct err *err)
{
    struct db *db = db_of(store);
    int64_t limit = 0;
    *ret_more = false;
    int code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    code = merge_lock(db, err);
    if (code == ERR_OK)
        code = find_limit(db, &limit, err);
    if (code == ERR_OK)
        code = forget(db, limit, ret_more, err);
    if (code == ERR_OK)
        code = trim(db, ret_more, err);
    return db_end(db, code, err);
}
