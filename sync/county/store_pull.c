/* A page of the feed: per scope the rows above the cursor, in the order of their versions, until
 * the page is full. A row whose last change came from the asking incarnation is left out and passed
 * by. Rows are gathered by table, because that compresses better; a page is applied whole before
 * its cursor counts, so their order within it does not matter. */
#include "sync/county/store_sql.h"

struct page {
    struct buf rows[DB_TABLES_MAX]; /* of the scope at hand */
    size_t bytes;
    int64_t count;
    size_t max_bytes;
    bool more;
};

static bool page_is_full(const struct page *page)
{
    return page->count > 0 && (page->bytes >= page->max_bytes || page->count >= LIMIT_PAGE_ROWS);
}

static int table_at(const struct db *db, int tid)
{
    for (int i = 0; i < db->table_count; i++)
        if (db->tables[i].table->tid == tid)
            return i;
    return -1;
}

struct entry {
    int64_t v;
    int tid;
    const char *pk;
    char op;
};

static int add_gone(struct db *db, const struct entry *entry, struct buf *row, struct err *err)
{
    char op[2] = {entry->op, '\0'};
    return db_text(db, row, err, "SELECT " JSON_OBJECT "('_v',?1,'_op',?2,'id',?3)", "iss",
                   entry->v, op, entry->pk);
}

static int add_row(struct db *db, struct page *page, const struct entry *entry, struct err *err)
{
    int at = table_at(db, entry->tid);
    if (at < 0)
        return ERR_OK; /* a table that this program does not have any more */
    struct buf *rows = &page->rows[at];
    size_t before = rows->size;
    if (rows->size > 0)
        buf_add_text(rows, ",");
    int code = entry->op == 'U' ? answer_add_one(db, &db->tables[at], entry->pk, rows, err)
                                : add_gone(db, entry, rows, err);
    if (code == ERR_OK && rows->failed)
        code = err_set(err, ERR_LIMIT, "a page is larger than its limit");
    page->bytes += rows->size - before;
    page->count++;
    return code;
}

static int read_feed(struct db *db, struct page *page, const char *scope, int64_t origin,
                     int64_t *cursor, struct err *err)
{
    struct db_query *feed =
        db_query(db, err, "SELECT v,tid,pk,op,o FROM feed WHERE scope=?1 AND v>?2 ORDER BY v", "si",
                 scope, *cursor);
    if (feed == NULL)
        return ERR_IO;
    int rc, code = ERR_OK;
    while (code == ERR_OK && (rc = db_step(feed, err)) != 0) {
        if (rc < 0)
            return err != NULL ? err->code : ERR_IO;
        bool own = !db_column_null(feed, 4) && db_column_int(feed, 4) == origin;
        if (!own && page_is_full(page)) {
            page->more = true;
            break;
        }
        struct entry entry = {.v = db_column_int(feed, 0),
                              .tid = (int)db_column_int(feed, 1),
                              .pk = db_column_text(feed, 2),
                              .op = (char)db_column_text(feed, 3)[0]};
        if (!own)
            code = add_row(db, page, &entry, err);
        *cursor = entry.v;
    }
    db_reset(feed);
    return code;
}

static void write_scope(struct db *db, struct page *page, const char *scope, struct buf *out,
                        bool *first)
{
    for (int i = 0; i < db->table_count; i++) {
        struct buf *rows = &page->rows[i];
        if (rows->size == 0)
            continue;
        buf_printf(out, "%s{\"t\":\"%s\",\"s\":\"%s\",\"r\":[", *first ? "" : ",",
                   db->tables[i].table->name, scope);
        buf_add(out, buf_text(rows), rows->size);
        buf_add_text(out, "]}");
        *first = false;
        buf_clear(rows);
    }
}

static int pull_scope(struct db *db, const struct pull_request *request, struct page *page,
                      const struct scope_cursor *scope, struct buf *out, struct buf *cursors,
                      bool *first, struct err *err)
{
    int64_t v = scope->v;
    int code = read_feed(db, page, scope->name, request->origin, &v, err);
    if (code != ERR_OK)
        return code;
    write_scope(db, page, scope->name, out, first);
    buf_printf(cursors, "%s\"%s\":[\"%s\",%lld]", cursors->size > 0 ? "," : "", scope->name,
               db->epoch, (long long)v);
    return ERR_OK;
}

int pull_page(struct db *db, const struct pull_request *request, struct buf *out, struct err *err)
{
    struct page page = {.max_bytes = (size_t)request->max_bytes};
    struct buf cursors;
    bool first = true;
    int code = ERR_OK;
    buf_init(&cursors, 4096);
    for (int i = 0; i < db->table_count; i++)
        buf_init(&page.rows[i], LIMIT_ANSWER_BYTES);
    buf_add_text(out, "\"pull\":[");
    for (size_t i = 0; code == ERR_OK && i < request->scopes->count; i++) {
        const struct scope_cursor *scope = &request->scopes->at[i];
        if (scope->asked && scope->granted)
            code = pull_scope(db, request, &page, scope, out, &cursors, &first, err);
    }
    buf_printf(out, "],\"cur\":{%s},\"more\":%d", buf_text(&cursors), page.more);
    for (int i = 0; i < db->table_count; i++)
        buf_free(&page.rows[i]);
    buf_free(&cursors);
    return code;
}
