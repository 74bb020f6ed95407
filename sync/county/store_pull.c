/* A page of the feed: per scope the rows above the cursor, in the order of their versions, until
 * the page is full. A row whose last change came from the asking incarnation is left out and passed
 * by. Rows are gathered by table, because that compresses better; a page is applied whole before
 * its cursor counts, so their order within it does not matter. */
#include "sync/county/store_sql.h"

enum { ROW_BYTES_GUESS = 160, SOME_ROWS = 8 }; /* until a page has told better */

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

/* Takes the row that the query is at. */
static int add_row(struct db *db, struct page *page, struct db_query *q, struct err *err)
{
    int at = table_at(db, (int)db_column_int(q, 1));
    if (at < 0 || db_column_null(q, 2))
        return ERR_OK; /* a table that this program does not have any more */
    struct buf *rows = &page->rows[at];
    size_t before = rows->size;
    if (rows->size > 0)
        buf_add_text(rows, ",");
    answer_add_row(db, q, 2, rows);
    page->bytes += rows->size - before;
    page->count++;
    return rows->failed ? err_set(err, ERR_LIMIT, "a page is larger than its limit") : ERR_OK;
}

/* So many rows as may still fit; *ret_end: there are no others. */
static int read_some(struct db *db, struct page *page, const char *scope,
                     const struct pull_request *request, int64_t *cursor, bool *ret_end,
                     struct err *err)
{
    size_t left = page->max_bytes > page->bytes ? page->max_bytes - page->bytes : 0;
    size_t each = db->row_bytes > 0 ? db->row_bytes : ROW_BYTES_GUESS;
    int64_t want = (int64_t)(left / each) + SOME_ROWS, got = 0;
    struct db_query *q =
        db_query(db, err, db->page, "siiii", scope, *cursor, request->now.v, request->origin, want);
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0) {
        if (page_is_full(page)) {
            page->more = true;
            db_reset(q);
            return ERR_OK;
        }
        int code = add_row(db, page, q, err);
        *cursor = db_column_int(q, 0);
        if (code != ERR_OK) {
            db_reset(q);
            return code;
        }
        got++;
    }
    *ret_end = got < want;
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

static int check_purged(const struct pull_request *request, int64_t purged, struct err *err)
{
    return purged == request->now.purged
               ? ERR_OK
               : err_set(err, ERR_BUSY, "deletions were forgotten meanwhile");
}

/* A scope that is followed. */
struct sight {
    const struct scope_cursor *scope;
    int64_t last; /* its feed ends here */
    bool some;    /* there is a row to be sent */
};

#define LOOK(scope, cursor)                                                                        \
    "(SELECT max(v) FROM feed WHERE scope=" scope " AND v<=?5),EXISTS(SELECT 1 FROM feed WHERE "   \
    "scope=" scope " AND v>" cursor " AND v<=?5 AND (o IS NULL OR o<>?6))"

/* At two scopes at once, as most stations follow two. Where the feed of each ends, and whether
 * there is a row of somebody else's before. Mostly there is none, and the page knows every table,
 * which PostgreSQL opens before it looks. */
static int look(struct db *db, const struct pull_request *request, struct sight *one,
                struct sight *two, struct err *err)
{
    int64_t purged;
    struct db_query *q =
        db_query(db, err, "SELECT " LOOK("?1", "?2") "," LOOK("?3", "?4") ",purge_v FROM ctr",
                 "sisiii", one->scope->name, one->scope->v, two->scope->name, two->scope->v,
                 request->now.v, request->origin);
    if (q == NULL || db_step(q, err) <= 0)
        return err != NULL ? err->code : ERR_IO;
    one->last = db_column_int(q, 0);
    one->some = db_column_int(q, 1) != 0;
    two->last = db_column_int(q, 2);
    two->some = db_column_int(q, 3) != 0;
    purged = db_column_int(q, 4);
    db_reset(q);
    return check_purged(request, purged, err);
}

/* Rows of the asking incarnation itself are passed by. */
static int read_feed(struct db *db, struct page *page, const struct sight *sight,
                     const struct pull_request *request, int64_t *cursor, struct err *err)
{
    bool end = !sight->some;
    int code = ERR_OK;
    while (code == ERR_OK && !end && !page->more)
        code = read_some(db, page, sight->scope->name, request, cursor, &end, err);
    if (!page->more && sight->last > *cursor)
        *cursor = sight->last;
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
                      const struct sight *sight, struct buf *out, struct buf *cursors, bool *first,
                      struct err *err)
{
    const struct scope_cursor *scope = sight->scope;
    int64_t v = scope->v;
    int code = read_feed(db, page, sight, request, &v, err);
    if (code != ERR_OK)
        return code;
    write_scope(db, page, scope->name, out, first);
    buf_printf(cursors, "%s\"%s\":[\"%s\",%lld]", cursors->size > 0 ? "," : "", scope->name,
               db->epoch, (long long)v);
    return ERR_OK;
}

static size_t find_followed(const struct scopes *scopes, struct sight *sights)
{
    size_t count = 0;
    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->at[i].asked && scopes->at[i].granted)
            sights[count++] = (struct sight){.scope = &scopes->at[i]};
    return count;
}

/* Which cursors this page begins at: an answer that was held up is of no use to those behind them.
 */
static void write_starts(const struct sight *sights, size_t count, struct buf *out)
{
    buf_add_text(out, ",\"from\":{");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s\"%s\":%lld", i > 0 ? "," : "", sights[i].scope->name,
                   (long long)sights[i].scope->v);
    buf_add_text(out, "}");
}

int pull_page(struct db *db, const struct pull_request *request, struct buf *out, struct err *err)
{
    struct sight sights[LIMIT_PULL_SCOPES];
    size_t count = find_followed(request->scopes, sights);
    struct page page = {.max_bytes = (size_t)request->max_bytes};
    struct buf cursors;
    bool first = true;
    int64_t purged = request->now.purged;
    int code = ERR_OK;
    buf_init(&cursors, 4096);
    for (int i = 0; i < db->table_count; i++)
        buf_init(&page.rows[i], LIMIT_ANSWER_BYTES);
    buf_add_text(out, "\"pull\":[");
    for (size_t i = 0; code == ERR_OK && i < count; i += 2)
        code = look(db, request, &sights[i], &sights[i + 1 < count ? i + 1 : i], err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = pull_scope(db, request, &page, &sights[i], out, &cursors, &first, err);
    if (code == ERR_OK && page.count > 0)
        code = purge_horizon(db, &purged, err);
    if (code == ERR_OK)
        code = check_purged(request, purged, err);
    if (page.count >= SOME_ROWS)
        db->row_bytes = page.bytes / (size_t)page.count;
    buf_printf(out, "],\"cur\":{%s},\"more\":%d", buf_text(&cursors), page.more);
    write_starts(sights, count, out);
    for (int i = 0; i < db->table_count; i++)
        buf_free(&page.rows[i]);
    buf_free(&cursors);
    return code;
}
