/* What an operator looks at: counts, tables, conflicts and the quarantine, as JSON; and rows let
 * out of quarantine. */
#include <string.h>

#include "gateway/base/text.h"
#include "sync/county/store_sql.h"

static int show_counts(struct db *db, struct buf *out, struct err *err)
{
    int code = ERR_OK;
    buf_add_text(out, "{\"tables\":{");
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", db->tables[i].table->name);
        code = db_text(db, out, err, db->tables[i].count, "");
    }
    buf_add_text(out, "},\"conflicts\":");
    if (code == ERR_OK)
        code = db_text(db, out, err, "SELECT count(*) FROM conflict", "");
    buf_add_text(out, ",\"quarantined\":");
    if (code == ERR_OK)
        code = db_text(db, out, err, "SELECT count(*) FROM quarantine", "");
    buf_add_text(out, ",\"incarnations\":");
    if (code == ERR_OK)
        code = db_text(db, out, err,
                       "SELECT " JSON_LIST "(" JSON_OBJECT "('inc',o,'station',scope,'last_lseq',"
                       "last_lseq,'seen',seen))" JSON_LIST_END " FROM incarnation",
                       "");
    buf_add_text(out, "}");
    return code;
}

/* In the Prometheus text format. */
static int show_metrics(struct db *db, struct buf *out, struct err *err)
{
    return db_text(
        db, out, err,
        "SELECT '# TYPE touyan_county_conflicts_total counter'||${char|chr}(10)||"
        "'touyan_county_conflicts_total '||(SELECT coalesce(max(n),0) FROM "
        "conflict)||${char|chr}(10)||"
        "'# TYPE touyan_county_quarantined gauge'||${char|chr}(10)||"
        "'touyan_county_quarantined '||(SELECT count(*) FROM quarantine)||${char|chr}(10)||"
        "'# TYPE touyan_county_tombstones gauge'||${char|chr}(10)||"
        "'touyan_county_tombstones '||(SELECT count(*) FROM feed WHERE op<>'U')||${char|chr}(10)||"
        "'# TYPE touyan_county_epochs_total counter'||${char|chr}(10)||"
        "'touyan_county_epochs_total '||(SELECT count(*) FROM epoch)||${char|chr}(10)||"
        "'# TYPE touyan_county_station_seen_seconds gauge'||${char|chr}(10)||"
        "coalesce((SELECT "
        "${group_concat|string_agg}('touyan_county_station_seen_seconds{station=\"'||scope||"
        "'\"} '||${max|greatest}(0,(?1-seen)/1000)||${char|chr}(10),'') FROM (SELECT "
        "scope,max(seen) AS seen FROM "
        "incarnation WHERE scope IN(SELECT scope FROM station WHERE revoked_at IS NULL) GROUP BY "
        "scope) AS o),'')",
        "i", clock_wall_ms(db->clock));
}

static const struct table_sql *view_of(const struct db *db, const char *what)
{
    size_t size = strlen(what);
    for (int i = 0; i < db->table_count; i++) {
        const char *name = db->tables[i].table->name;
        size_t length = strlen(name);
        bool plural = size == length + 1 && what[length] == 's';
        if ((size == length || plural) && strncmp(name, what, length) == 0)
            return &db->tables[i];
    }
    return NULL;
}

int store_show(struct store *store, const char *what, struct buf *ret_json, struct err *err)
{
    struct db *db = db_of(store);
    const struct table_sql *view = view_of(db, what);
    if (view != NULL)
        return db_text(db, ret_json, err, view->list, "");
    if (strcmp(what, "counts") == 0)
        return show_counts(db, ret_json, err);
    if (strcmp(what, "metrics") == 0)
        return show_metrics(db, ret_json, err);
    if (strcmp(what, "conflicts") == 0)
        return db_text(
            db, ret_json, err,
            "SELECT " JSON_LIST "(" JSON_OBJECT "('n',n,'at',at,'table',tid,'id',pk,'group',grp,"
            "'why',why,'won_by',win_o,'lost_by',lose_o,'won',${json(win_val)|win_val::json},'lost',"
            "${json(lose_val)|lose_val::json}))" JSON_LIST_END
            " FROM (SELECT * FROM conflict ORDER BY n) AS o",
            "");
    if (strcmp(what, "quarantine") == 0)
        return db_text(
            db, ret_json, err,
            "SELECT " JSON_LIST "(" JSON_OBJECT "('n',n,'at',at,'inc',o,'lseq',lseq,'table',tid,"
            "'id',${CASE WHEN json_valid(row) AND text_ok(json_extract(row,'$.id')) THEN "
            "json_extract(row,'$.id') END|iif(text_ok(json_try(row)->>'id'),json_try(row)->>'id',"
            "NULL)},'why',why))" JSON_LIST_END " FROM (SELECT * FROM quarantine ORDER BY n) AS o",
            "");
    return err_set(err, ERR_NOT_FOUND,
                   "no view %s: counts, conflicts, quarantine, or a table (checkins, assignments, "
                   "alarms, ...)",
                   what);
}

/* --- the quarantine --- */

/* What the row of the quarantine was, and whose. */
struct held {
    const struct table *table;
    char scope[LIMIT_STATION_BYTES + 1];
};

static int find_held(struct db *db, int64_t n, struct held *ret, struct err *err)
{
    struct db_query *q =
        db_query(db, err,
                 "SELECT q.tid,coalesce(i.scope,''),coalesce(q.t,'') FROM quarantine q LEFT JOIN "
                 "incarnation i ON i.o=q.o WHERE q.n=?1",
                 "i", n);
    int rc = q != NULL ? db_step(q, err) : -1;
    if (rc < 0)
        return err != NULL ? err->code : ERR_IO;
    if (rc == 0)
        return err_set(err, ERR_NOT_FOUND, "no row %lld in quarantine", (long long)n);
    ret->table = table_by_tid((int)db_column_int(q, 0));
    if (ret->table == NULL) /* perhaps since an upgrade */
        ret->table = table_by_name(db_column_text(q, 2));
    text_copy(ret->scope, sizeof ret->scope, db_column_text(q, 1));
    db_reset(q);
    return ERR_OK;
}

/* As a change of today by the county for that station: it stands on whatever is there, and the
 * station hears of it. */
static int merge_held(struct db *db, int64_t n, const struct held *held, struct merge_args *args,
                      struct err *err)
{
    int64_t there = 0, staged = 0;
    int code = merge_clear(db, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++)
        if (db->tables[i].table == held->table)
            code = db_int(db, &there, err, db->tables[i].there_any, "i", n);
    if (code == ERR_OK)
        code = db_run(
            db, err,
            "INSERT INTO raw(k,t,lseq,row) SELECT 0,?2,1,${json_set(row,'$.base',?3,'$.h',?4)|"
            "json_with(row::json,json_build_object('base',?3,'h',?4))} FROM quarantine "
            "WHERE n=?1 AND ${json_valid(row)|json_try(row) IS NOT NULL}",
            "isii", n, held->table->name, there != 0 ? ANY_BASE : 0, args->now_ms);
    if (code == ERR_OK)
        code = db_int(db, &staged, err, "SELECT count(*) FROM raw", "");
    if (code == ERR_OK && staged == 0)
        return err_set(err, ERR_INVALID, "the row was too long to be kept whole");
    if (code == ERR_OK)
        code = merge_stage(db, args, err);
    if (code == ERR_OK)
        code = merge_take_versions(db, 1, args->now_ms, &args->v0, err);
    return code != ERR_OK ? code : merge_apply(db, args, err);
}

static int retry_held(struct db *db, int64_t n, struct err *err)
{
    struct held held = {.table = NULL};
    struct buf why;
    int64_t now_ms = clock_wall_ms(db->clock);
    int code = find_held(db, n, &held, err);
    if (code == ERR_OK && held.table == NULL)
        return err_set(err, ERR_INVALID, "the row is of a table that this county does not have");
    struct merge_args args = {
        .h_max = now_ms + LIMIT_CLOCK_AHEAD_MS, .now_ms = now_ms, .scope = held.scope};
    if (code == ERR_OK)
        code = merge_held(db, n, &held, &args, err);
    buf_init(&why, 1024);
    if (code == ERR_OK)
        code = db_text(db, &why, err, "SELECT why FROM verdict WHERE kind='bad'", "");
    if (code == ERR_OK && why.size > 0)
        code = err_set(err, ERR_INVALID, "refused again: %s", buf_text(&why));
    buf_free(&why);
    return code;
}

static int release(struct db *db, int64_t n, enum store_release how, struct err *err)
{
    struct held held;
    int code = how == STORE_RETRY ? retry_held(db, n, err) : find_held(db, n, &held, err);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO audit(at,what,detail) SELECT ?2,?3," JSON_OBJECT
                      "('tid',tid,'o',o,'lseq',lseq,'row',row,'why',why) FROM quarantine WHERE "
                      "n=?1",
                      "iis", n, clock_wall_ms(db->clock),
                      how == STORE_RETRY ? "quarantine.retry" : "quarantine.drop");
    return code != ERR_OK ? code : db_run(db, err, "DELETE FROM quarantine WHERE n=?1", "i", n);
}

int store_quarantine_release(struct store *store, int64_t n, enum store_release how,
                             struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    code = merge_lock(db, err);
    if (code == ERR_OK)
        code = release(db, n, how, err);
    return db_end(db, code, err);
}
