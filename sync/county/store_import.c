/* The county's own rows: an import is a push of origin 0 that every group accepts.
 *
 * What the last import said of a row is kept in `imported`. Only column groups in which the file
 * itself changed are pushed, so that importing the same file again moves no version and takes back
 * nothing that a station has changed since. One transaction from begin to end; a preview is taken
 * back. */
#include "gateway/base/json.h"
#include "sync/county/store_sql.h"

#define ID_OF(raw) "${json_extract(" raw ".row,'$.id')|" raw ".row->>'id'}"

#include <string.h>

static const struct table_sql *sql_of(const struct db *db, const struct table *table)
{
    for (int i = 0; i < db->table_count; i++)
        if (db->tables[i].table == table)
            return &db->tables[i];
    return NULL;
}

int store_import_begin(struct store *store, struct err *err)
{
    struct db *db = db_of(store);
    int code = db_begin(db, false, err);
    return code != ERR_OK ? code : db_run(db, err, "${DELETE FROM|TRUNCATE} seen", "");
}

int store_import_end(struct store *store, bool keep, struct err *err)
{
    struct db *db = db_of(store);
    int code = ERR_OK;
    if (keep)
        code = db_run(db, err,
                      "INSERT INTO audit(at,what,detail) SELECT ?1,'import',"
                      "count(*)||' rows' FROM seen",
                      "i", clock_wall_ms(db->clock));
    if (keep && code == ERR_OK)
        code = db_commit(db, err);
    if (!keep || code != ERR_OK)
        db_rollback(db);
    return code;
}

static int stage_import(struct db *db, const struct store_import *import, int64_t now_ms,
                        struct err *err)
{
    int all = (1 << table_group_count(import->table)) - 1;
    struct buf rows;
    int64_t count = 0;
    struct slice slice = {.count = 1};
    int code = merge_clear(db, err);
    buf_init(&rows, (size_t)LIMIT_SYNC_PUSH_ROWS * (LIMIT_ROW_BYTES + 256));
    for (size_t i = 0; i < import->count; i++)
        buf_printf(&rows, "%s{\"lseq\":%zu,\"base\":%lld,\"gm\":%d,\"h\":%lld,%s",
                   i == 0 ? "[" : ",", i, (long long)ANY_BASE, all, (long long)now_ms,
                   import->rows[i].json + 1);
    buf_add_text(&rows, import->count == 0 ? "[]" : "]");
    slice.rows[0].text = buf_text(&rows);
    slice.rows[0].size = rows.size;
    struct json *parts = json_new_array(), *part = json_new_object();
    json_set_text(part, "t", import->table->name);
    json_add(parts, part);
    if (code == ERR_OK && rows.failed)
        code = err_set(err, ERR_LIMIT, "%s: rows are too long", import->table->name);
    if (code == ERR_OK)
        code = merge_read(db, parts, &slice, &count, err);
    json_free(parts);
    buf_free(&rows);
    return code;
}

static int report(struct db *db, const struct store_import *import, const char *sql,
                  struct store_import_result *result, struct err *err)
{
    struct db_query *q = db_query(db, err, sql, "i", (int64_t)import->table->tid);
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0) {
        const struct store_row *row = &import->rows[db_column_int(q, 0)];
        import->on_problem(import->ctx, row->file, row->line, db_column_text(q, 1));
        result->refused++;
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

/* The statements below work on whichever in_<tid> the rows lie in; only one is filled, and the
 * verdict table carries them out of it. */
static int note_seen(struct db *db, const struct store_import *import,
                     struct store_import_result *result, struct err *err)
{
    int code = report(db, import,
                      "SELECT r.k,'the id is the same as in '||s.file||':'||s.line FROM raw r "
                      "JOIN seen s ON s.tid=?1 AND s.pk=" ID_OF("r"),
                      result, err);
    for (size_t i = 0; code == ERR_OK && i < import->count; i++)
        code = db_run(db, err,
                      "INSERT INTO seen(tid,pk,file,line) SELECT ?1," ID_OF(
                          "raw") ",?2,?3 FROM raw "
                                 "WHERE k=?4 ON CONFLICT DO NOTHING",
                      "isii", (int64_t)import->table->tid, import->rows[i].file,
                      (int64_t)import->rows[i].line, (int64_t)i);
    return code;
}

static int tally(struct db *db, const struct table_sql *sql, struct store_import_result *result,
                 struct err *err)
{
    struct db_query *q = db_query(db, err, sql->tally, "");
    if (q == NULL || db_step(q, err) < 0)
        return err != NULL ? err->code : ERR_IO;
    result->added += db_column_int(q, 0);
    result->changed += db_column_int(q, 1);
    result->unchanged += db_column_int(q, 2);
    db_reset(q);
    return ERR_OK;
}

static int push_import(struct db *db, const struct table_sql *sql, int64_t count, int64_t now_ms,
                       struct err *err)
{
    struct merge_args args = {
        .hi = count, .h_max = now_ms, .county = true, .now_ms = now_ms, .scope = ""};
    int code = merge_stage(db, &args, err);
    if (code == ERR_OK)
        code = db_run(db, err, sql->same, "");
    if (code == ERR_OK)
        code = db_run(db, err, sql->skip, "");
    if (code == ERR_OK)
        code = merge_take_versions(db, count, now_ms, &args.v0, err);
    if (code == ERR_OK)
        code = merge_apply(db, &args, err);
    return code;
}

int store_import_rows(struct store *store, const struct store_import *import,
                      struct store_import_result *result, struct err *err)
{
    struct db *db = db_of(store);
    const struct table_sql *sql = sql_of(db, import->table);
    int64_t now_ms = clock_wall_ms(db->clock);
    int code = stage_import(db, import, now_ms, err);
    if (code == ERR_OK)
        code = push_import(db, sql, (int64_t)import->count, now_ms, err);
    if (code == ERR_OK)
        code = db_run(db, err, sql->remember, "");
    if (code == ERR_OK)
        code = report(db, import,
                      "SELECT k,why FROM verdict WHERE kind='bad' AND why<>'same' AND ?1>0 ORDER "
                      "BY k",
                      result, err);
    if (code == ERR_OK)
        code = note_seen(db, import, result, err);
    return code != ERR_OK ? code : tally(db, sql, result, err);
}

static int stage_prune(struct db *db, const struct table *table, int64_t now_ms, struct err *err)
{
    int code = merge_clear(db, err);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO raw(k,t,lseq,row) SELECT row_number() OVER (ORDER BY "
                      "i.pk)-1,?2,1," JSON_OBJECT
                      "('base',?3,'gm',128,'h',?4,'id',i.pk,'_del',1) FROM imported i WHERE "
                      "i.tid=?1 AND i.gone=0 AND NOT EXISTS(SELECT 1 FROM"
                      " seen s WHERE s.tid=i.tid AND s.pk=i.pk) LIMIT ?5",
                      "isiii", (int64_t)table->tid, table->name, ANY_BASE, now_ms,
                      (int64_t)LIMIT_SYNC_PUSH_ROWS);
    return code;
}

int store_import_prune(struct store *store, const struct table *table,
                       struct store_import_result *result, struct err *err)
{
    struct db *db = db_of(store);
    int64_t now_ms = clock_wall_ms(db->clock), rows = 1;
    int code = ERR_OK;
    if (table->direction == TABLE_UP)
        return ERR_OK;
    while (code == ERR_OK && rows > 0) {
        struct merge_args args = {.hi = LIMIT_SYNC_PUSH_ROWS,
                                  .h_max = now_ms,
                                  .county = true,
                                  .now_ms = now_ms,
                                  .scope = ""};
        code = stage_prune(db, table, now_ms, err);
        if (code == ERR_OK)
            code = db_int(db, &rows, err, "SELECT count(*) FROM raw", "");
        if (code == ERR_OK && rows > 0)
            code = merge_stage(db, &args, err);
        if (code == ERR_OK && rows > 0)
            code = merge_take_versions(db, rows, now_ms, &args.v0, err);
        if (code == ERR_OK && rows > 0)
            code = merge_apply(db, &args, err);
        if (code == ERR_OK)
            code = db_run(db, err,
                          "UPDATE imported SET gone=1 WHERE tid=?1 AND pk IN(SELECT " ID_OF(
                              "raw") " FROM raw)",
                          "i", (int64_t)table->tid);
        result->removed += rows;
    }
    return code;
}

int store_import_check(struct store *store, store_problem_fn *on_problem, void *ctx,
                       struct store_import_result *result, struct err *err)
{
    struct db *db = db_of(store);
    for (int i = 0; i < db->table_count; i++) {
        if (db->tables[i].dangling == NULL)
            continue;
        struct db_query *q = db_query(db, err, db->tables[i].dangling, "");
        int rc = -1;
        while (q != NULL && (rc = db_step(q, err)) > 0) {
            on_problem(ctx, db_column_text(q, 0), (int)db_column_int(q, 1), db_column_text(q, 2));
            result->refused++;
        }
        if (rc < 0)
            return err != NULL ? err->code : ERR_IO;
    }
    return ERR_OK;
}
