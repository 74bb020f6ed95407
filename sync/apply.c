/* The county's rows into the replica; see wire.h.
 *
 * Happy path: the rows of one table go to the engine as one JSON array: one statement names those
 * that are not plain good rows, one stores all others. Named are: rows that break a rule (they go
 * to quarantine), deletions and exits from a scope, and rows with marks of our own that are not
 * settled (their marked groups keep our value).
 *
 * A row that the database refuses although no rule named it is found by halving: each half in a
 * savepoint, until one row is left, which goes to quarantine. If even that cannot be written, the
 * replica itself has failed and the slice is given up. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/lacks.h"
#include "sync/replica/bulk.h"
#include "sync/rules.h"
#include "sync/wire.h"
#include "sync/wire_sql.h"

enum { ROWS = LIMIT_SYNC_SLICE_ROWS };

/* Some rows of one group on their way. */
struct batch {
    struct wire *wire;
    const struct page *page;
    const struct page_group *group;
    const struct wire_sql *sql;
    const char *absent; /* ",a,b,": columns that the rows do not have */
    size_t rows[ROWS];  /* indexes into the page */
    size_t count;
};

static void write_rows(const struct batch *batch, struct buf *out)
{
    buf_add_text(out, "[");
    for (size_t i = 0; i < batch->count; i++) {
        const struct page_row *row = &batch->page->rows[batch->rows[i]];
        if (i > 0)
            buf_add_text(out, ",");
        buf_add(out, row->text, row->size);
    }
    buf_add_text(out, "]");
}

/* Groups of our own stay; `lacking` are columns that are taken all the same where they are NULL. */
static bool run_rows(const struct batch *batch, int64_t own_groups, const char *lacking)
{
    struct buf text;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES + 2);
    write_rows(batch, &text);
    const char *rows = buf_text(&text);
    struct replica *replica = batch->wire->replica;
    int64_t force = batch->wire->force;
    bool some = lacking[0] != '\0' || batch->absent[0] != '\0';
    bool ok = !text.failed;
    if (ok && some)
        ok = replica_run(replica, batch->sql->store_some, "siiss", rows, own_groups, force, lacking,
                         batch->absent) >= 0;
    else if (ok)
        ok = replica_run(replica, batch->sql->store, "sii", rows, own_groups, force) >= 0;
    ok = ok && lacks_learn(batch->wire, batch->group->table, rows);
    buf_free(&text);
    return ok;
}

/* --- quarantine --- */

/* Rows without a key are told apart by their text. */
static void key_of(const struct page_row *row, const char *id, char ret[PROTOCOL_PK_BYTES + 1])
{
    if (id != NULL && id[0] != '\0' && page_text_is_clean(id, strlen(id)) &&
        text_copy(ret, PROTOCOL_PK_BYTES + 1, id))
        return;
    uint64_t hash = protocol_fp_add(PROTOCOL_FP_START, row->text, row->size);
    snprintf(ret, PROTOCOL_PK_BYTES + 1, "?%016" PRIx64, hash);
}

static bool quarantine(struct wire *wire, const struct page *page, size_t at, const char *id,
                       int64_t v, const char *why)
{
    const struct page_row *row = &page->rows[at];
    char key[PROTOCOL_PK_BYTES + 1];
    key_of(row, id, key);
    log_warn("sync.aside", "way=in table=%s id=%s why=\"%s\"", page->groups[row->group].name, key,
             why);
    char kept[LIMIT_RAW_KEPT_BYTES + 1];
    text_copy_utf8(kept, sizeof kept, row->text, row->size);
    bool ok =
        replica_run(wire->replica,
                    "INSERT INTO sync_quarantine(at, way, tid, pk, v, row, why) VALUES "
                    "(now_ms(), 'in', ?1, ?2, ?3, seal(?4), ?5) "
                    "ON CONFLICT(tid, pk, v) WHERE way = 'in' DO UPDATE SET why = excluded.why",
                    "isiss", (int64_t)page->groups[row->group].table->tid, key, v, kept, why) >= 0;
    wire->aside_in = replica_get_int(wire->replica, 0,
                                     "SELECT count(*) FROM sync_quarantine WHERE way = 'in'", "");
    return ok;
}

/* A good row came for one that was set aside. */
static bool forgive(const struct batch *batch)
{
    if (batch->wire->aside_in == 0)
        return true;
    struct buf text;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES + 2);
    write_rows(batch, &text);
    int64_t gone =
        replica_run(batch->wire->replica,
                    "DELETE FROM sync_quarantine WHERE way = 'in' AND tid = ?1 AND pk IN "
                    "(SELECT value->>'$.id' FROM json_each(?2))",
                    "is", (int64_t)batch->group->table->tid, buf_text(&text));
    buf_free(&text);
    batch->wire->aside_in -= gone > 0 ? gone : 0;
    return gone >= 0;
}

/* --- rows with marks, exits, deletions --- */

/* Of marks that are not settled, and of those that were accepted after the row was as it comes now:
 * it is older than what it is awaited for. */
static int64_t own_groups(const struct batch *batch, const char *id, int64_t v)
{
    int64_t mask = 0;
    struct query *query = replica_query(
        batch->wire->replica, "SELECT gm FROM sync_out WHERE tid = ?1 AND " NOT_BULK(
                                  "") " "
                                      "AND pk = ?2 AND st <> 2 AND st <> 4 AND (st < 2 OR "
                                      "(base = v AND v > ?3))");
    query_int(query, 1, batch->group->table->tid);
    query_text(query, 2, id);
    query_int(query, 3, batch->wire->force ? INT64_MAX : v);
    while (query_row(query))
        mask |= query_get_int(query, 0);
    query_done(query);
    return mask;
}

/* A row of version v came: it is the one that a mark lost to when it is not older than the loss. */
static bool settle_awaited(const struct batch *batch, const char *id, int64_t v)
{
    if ((batch->wire->without & WITHOUT_SUSONCE) != 0)
        v = INT64_MAX;
    return replica_run(
               batch->wire->replica,
               "UPDATE sync_out SET st = 2, v = NULL, old = NULL WHERE tid = ?1 AND " NOT_BULK(
                   "") " AND pk = ?2 AND st "
                       "<> 2 AND st <> 4 AND st = 3 AND coalesce(v, 0) <= ?3",
               "isi", (int64_t)batch->group->table->tid, id, v) >= 0 &&
           replica_run(batch->wire->replica,
                       "UPDATE sync_conflict SET settled_at = now_ms() WHERE tid = ?1 AND pk = ?2 "
                       "AND settled_at IS NULL",
                       "is", (int64_t)batch->group->table->tid, id) >= 0;
}

/* Takes a rule away: open marks are taken for changes of the row that comes. */
static bool refresh_bases(const struct batch *batch, const char *id, int64_t v)
{
    return (batch->wire->without & WITHOUT_BASEPULL) == 0 ||
           replica_run(batch->wire->replica,
                       "UPDATE OR IGNORE sync_out SET base = ?3 WHERE tid = ?1 AND " NOT_BULK(
                           "") " AND "
                               "pk = ?2 AND st <> 2 AND st <> 4 AND base < ?3",
                       "isi", (int64_t)batch->group->table->tid, id, v) >= 0;
}

static bool is_here(const struct batch *batch, const char *id)
{
    struct query *query = replica_query(batch->wire->replica, batch->sql->show);
    query_text(query, 1, id);
    bool here = query_row(query);
    query_done(query);
    return here;
}

/* One row. */
static bool mend_marks(const struct batch *batch, const char *id, const char *lacking)
{
    struct buf text;
    if (lacking[0] == '\0')
        return true;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES + 2);
    write_rows(batch, &text);
    bool ok = lacks_mend_marks(batch->wire, batch->group->table, id, lacking, buf_text(&text));
    buf_free(&text);
    return ok;
}

static bool store_marked(const struct batch *batch, size_t at, const char *id, int64_t v)
{
    struct batch one = *batch;
    one.rows[0] = batch->rows[at];
    one.count = 1;
    int64_t own = own_groups(batch, id, v);
    if ((own & PROTOCOL_GROUP_DELETED) != 0 && !is_here(batch, id))
        return settle_awaited(batch, id, v); /* deleted here, and the county does not know yet */
    char lacking[LACKS_NAMES_BYTES];
    lacks_names(batch->wire, batch->group->table, id, lacking);
    return run_rows(&one, own, lacking) && mend_marks(&one, id, lacking) && forgive(&one) &&
           settle_awaited(batch, id, v) && refresh_bases(batch, id, v);
}

/* What the station changed in a row that is taken from it is kept for a person to look at. */
static bool set_marks_aside(const struct batch *batch, const char *id, const char *why)
{
    struct replica *replica = batch->wire->replica;
    assert(batch->group != NULL && batch->group->table != NULL);
    struct query *query = replica_query(replica, batch->sql->show);
    query_text(query, 1, id);
    const char *row = query_row(query) ? query_get_text(query, 0) : NULL;
    bool ok =
        replica_run(replica,
                    "INSERT INTO sync_quarantine(at, way, tid, pk, lseq, row, why) SELECT "
                    "now_ms(), 'out', tid, pk, lseq, seal(?3), ?4 FROM sync_out WHERE "
                    "tid = ?1 AND " NOT_BULK("") " AND pk = ?2 AND st <> 2 AND st <> 4 AND st < 2 "
                                                 "ON CONFLICT DO NOTHING",
                    "isss", (int64_t)batch->group->table->tid, id, row, why) >= 0;
    query_done(query);
    return ok && replica_run(replica,
                             "UPDATE sync_out SET st = 4 WHERE tid = ?1 AND " NOT_BULK(
                                 "") " AND pk = ?2 AND "
                                     "st <> 2 AND st <> 4 AND st < 2",
                             "is", (int64_t)batch->group->table->tid, id) >= 0;
}

static struct json *read_row(const struct batch *batch, const char *id)
{
    struct query *query = replica_query(batch->wire->replica, batch->sql->show);
    query_text(query, 1, id);
    struct json *row = NULL;
    if (query_row(query)) {
        const char *text = query_get_text(query, 0);
        json_parse(text, strlen(text), &row, NULL);
    }
    query_done(query);
    return row;
}

static bool still_in_scope(const struct batch *batch, const char *id, const char *scope)
{
    struct json *row = read_row(batch, id);
    bool same = text_equal(json_text(row, "scope", NULL), scope);
    json_free(row);
    return same;
}

static bool take_away(const struct batch *batch, const char *id, const char *scope, bool marked,
                      int64_t v, const char *why)
{
    if (scope != NULL && !still_in_scope(batch, id, scope)) /* the other scope has its row */
        return !marked || is_here(batch, id) || settle_awaited(batch, id, v);
    if (marked && (!set_marks_aside(batch, id, why) || !settle_awaited(batch, id, v)))
        return false;
    return replica_run(batch->wire->replica, batch->sql->drop, "ss", id, scope) >= 0;
}

bool wire_drop_row(struct wire *wire, const struct table *table, const char *id, const char *scope,
                   const char *why)
{
    struct page_group group = {.table = table};
    struct batch batch = {.wire = wire, .group = &group, .sql = wire_sql_of(table)};
    return take_away(&batch, id, scope, table->direction != TABLE_DOWN, INT64_MAX, why);
}

enum { UNFED_ROWS = 200 };

struct unfed {
    int tid;
    char id[PROTOCOL_PK_BYTES + 1];
    bool kept; /* our change was accepted, and other groups were news to us */
};

static size_t find_unfed(struct wire *wire, int64_t v, struct unfed *ret)
{
    struct query *query = replica_query(
        wire->replica, "SELECT tid, pk, v IS base FROM sync_out WHERE st <> 2 AND st <> 4 AND st "
                       "= 3 AND coalesce(v, 0) <= ?1 ORDER BY v IS base, lseq LIMIT ?2");
    query_int(query, 1, v);
    query_int(query, 2, UNFED_ROWS);
    size_t count = 0;
    while (count < UNFED_ROWS && query_row(query)) {
        ret[count].tid = (int)query_get_int(query, 0);
        ret[count].kept = query_get_int(query, 2) != 0;
        text_copy(ret[count++].id, sizeof ret->id, query_get_text(query, 1));
    }
    query_done(query);
    return count;
}

/* Ours, and never came from the county. */
static bool is_only_here(const struct batch *batch, const char *id, const char *scope)
{
    struct json *row = read_row(batch, id);
    bool only = text_equal(json_text(row, "scope", NULL), scope) && json_int(row, "_v", 0) == 0;
    json_free(row);
    return only;
}

/* A change that was kept has the county's row by now, unless it made the row anew here while the
 * county had it as deleted. */
static bool is_gone(const struct batch *batch, const struct unfed *unfed, const char *scope)
{
    if (unfed->kept)
        return is_only_here(batch, unfed->id, scope);
    return !is_here(batch, unfed->id) || still_in_scope(batch, unfed->id, scope);
}

bool wire_settle_unfed(struct wire *wire, const char *scope, int64_t v)
{
    static struct unfed unfed[UNFED_ROWS];
    size_t count = find_unfed(wire, v, unfed);
    bool ok = true;
    replica_set_applying(wire->replica, true);
    for (size_t i = 0; ok && i < count; i++) {
        const struct table *table = table_by_tid(unfed[i].tid);
        if (table == NULL)
            continue;
        struct page_group group = {.table = table};
        struct batch batch = {.wire = wire, .group = &group, .sql = wire_sql_of(table)};
        if (is_gone(&batch, &unfed[i], scope))
            ok = wire_drop_row(wire, table, unfed[i].id, NULL, "gone");
    }
    replica_set_applying(wire->replica, false);
    return ok;
}

/* --- a batch --- */

/* Deleted by the county: whoever brings it back says so, and on what. */
static bool note_gone(const struct batch *batch, const char *id)
{
    if (batch->group->table->direction != TABLE_BOTH)
        return true;
    struct query *query = replica_query(batch->wire->replica, batch->sql->known);
    query_text(query, 1, id);
    int64_t v = query_row(query) ? query_get_int(query, 0) : 0;
    query_done(query);
    return replica_run(batch->wire->replica,
                       "INSERT INTO sync_gone(tid, pk, v) VALUES (?1, ?2, nullif(?3, 0)) "
                       "ON CONFLICT DO UPDATE SET v = coalesce(excluded.v, v)",
                       "isi", (int64_t)batch->group->table->tid, id, v) >= 0;
}

/* One row that the check named. */
static bool treat_named(const struct batch *batch, struct query *query)
{
    size_t at = (size_t)query_get_int(query, 0);
    if (at >= batch->count)
        return false;
    const char *why = query_get_text(query, 1);
    const char *op = query_get_text(query, 2);
    const char *id = query_get_text(query, 3);
    bool marked = query_get_int(query, 5) != 0;
    if (why != NULL)
        return quarantine(batch->wire, batch->page, batch->rows[at], id, query_get_int(query, 4),
                          why);
    int64_t v = query_get_int(query, 4);
    if (op[0] == 'U')
        return store_marked(batch, at, id, v);
    if (op[0] == 'X')
        return take_away(batch, id, batch->group->scope, marked, v,
                         "the row left the station's scope");
    return note_gone(batch, id) &&
           take_away(batch, id, NULL, marked, v, "the county deleted the row");
}

/* Treats the rows that are named and leaves the plain ones in the batch. */
static bool treat_all_named(struct batch *batch)
{
    struct buf text;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES + 2);
    write_rows(batch, &text);
    struct query *query = replica_query(batch->wire->replica, batch->sql->check);
    query_text(query, 1, buf_text(&text));
    buf_free(&text);
    bool named[ROWS] = {false};
    bool ok = true;
    while (ok && query_row(query)) {
        ok = treat_named(batch, query);
        if (ok)
            named[query_get_int(query, 0)] = true;
    }
    query_done(query);
    size_t left = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (!named[i])
            batch->rows[left++] = batch->rows[i];
    batch->count = left;
    return ok;
}

static bool apply_batch(struct batch *batch)
{
    replica_enter(batch->wire->replica);
    bool ok =
        treat_all_named(batch) && (batch->count == 0 || (run_rows(batch, 0, "") && forgive(batch)));
    return replica_leave(batch->wire->replica, ok);
}

/* Without the statement that replica_problem() ends with. */
static void short_problem(struct replica *replica, char ret[LIMIT_NAME_BYTES + 1])
{
    text_copy(ret, LIMIT_NAME_BYTES + 1, replica_problem(replica));
    char *sql = strstr(ret, " in: ");
    if (sql != NULL)
        *sql = '\0';
}

static bool set_row_aside(struct wire *wire, const struct page *page, size_t at, const char *why)
{
    replica_enter(wire->replica);
    struct json *row = NULL;
    json_parse(page->rows[at].text, page->rows[at].size, &row, NULL);
    bool ok = quarantine(wire, page, at, json_text(row, "id", NULL), json_int(row, "_v", 0), why);
    json_free(row);
    return replica_leave(wire->replica, ok);
}

static bool apply_or_halve(struct wire *wire, const struct page *page, const char *absent,
                           const size_t *rows, size_t count)
{
    if (count == 0)
        return true;
    const struct page_group *group = &page->groups[page->rows[rows[0]].group];
    struct batch batch = {wire, page, group, wire_sql_of(group->table), absent, {0}, count};
    memcpy(batch.rows, rows, count * sizeof *rows);
    if (apply_batch(&batch))
        return true;
    if (replica_failing(wire->replica) != NULL)
        return false;
    if (count == 1) {
        char why[LIMIT_NAME_BYTES + 1];
        short_problem(wire->replica, why);
        return set_row_aside(wire, page, rows[0], why);
    }
    size_t half = count / 2;
    return apply_or_halve(wire, page, absent, rows, half) &&
           apply_or_halve(wire, page, absent, rows + half, count - half);
}

/* What the engine must not even see: it would refuse the whole array. NULL: nothing. */
static const char *unreadable(const struct page_row *row)
{
    if (row->bad_text)
        return "a text holds U+0000 or is not UTF-8";
    return row->text[0] == '{' ? NULL : "no object";
}

/* A county of the older schema does not tell of all columns; what it does not tell of stays. (A
 * phone that is not there is none.) All rows of a page have the same ones: one is looked at. */
static void name_absent(const struct page *page, const struct table *table, const size_t *rows,
                        size_t count, char ret[LACKS_NAMES_BYTES])
{
    struct json *row = NULL;
    bool found = false;
    ret[0] = '\0';
    for (size_t i = 0; !found && i < count; i++) {
        json_free(row);
        row = NULL;
        json_parse(page->rows[rows[i]].text, page->rows[rows[i]].size, &row, NULL);
        found = text_equal(json_text(row, "_op", NULL), "U");
    }
    size_t used = 0;
    for (const struct table_column *c = table->columns; found && c->name != NULL; c++)
        if (c->type != COLUMN_PHONE && json_get(row, c->name) == NULL &&
            used + strlen(c->name) + 3 < LACKS_NAMES_BYTES)
            used += (size_t)snprintf(ret + used, LACKS_NAMES_BYTES - used, "%s%s,",
                                     used == 0 ? "," : "", c->name);
    json_free(row);
}

/* Rows of one group, at most ROWS. */
static bool apply_run(struct wire *wire, const struct page *page, size_t from, size_t to)
{
    const struct page_group *group = &page->groups[page->rows[from].group];
    if (group->table == NULL) {
        log_info("sync.unknown_table", "table=%s rows=%zu", group->name, to - from);
        return true;
    }
    size_t good[ROWS];
    size_t count = 0;
    for (size_t at = from; at < to; at++) {
        const char *why = unreadable(&page->rows[at]);
        if (why == NULL)
            good[count++] = at;
        else if (!set_row_aside(wire, page, at, why))
            return false;
    }
    char absent[LACKS_NAMES_BYTES];
    name_absent(page, group->table, good, count, absent);
    return apply_or_halve(wire, page, absent, good, count);
}

bool wire_apply(struct wire *wire, const struct page *page, size_t from, size_t to)
{
    bool ok = true;
    replica_set_applying(wire->replica, true);
    for (size_t next; ok && from < to; from = next) {
        next = from + 1;
        while (next < to && next - from < ROWS && page->rows[next].group == page->rows[from].group)
            next++;
        ok = apply_run(wire, page, from, next);
        wire->rows_applied += ok ? (int64_t)(next - from) : 0;
    }
    replica_set_applying(wire->replica, false);
    return ok;
}
