/* Requests out of marks and rows; see wire.h. Verdicts are in verdict.c, applying is in apply.c.
 *
 * Happy path: take the lowest unsent marks (up to the second mark of one row, which must wait), set
 * them in flight, let the engine write the rows of each table as JSON, and close the request with
 * its fingerprint. A row that JSON or the county cannot take (bad text, too long, gone) is set
 * aside before it is ever sent. A mark that was in flight before this start is sent whatever
 * happened to its row: if need be without its columns, and the county then says that it is bad. */
#include "sync/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/bases.h"
#include "sync/flight.h"
#include "sync/lacks.h"
#include "sync/life.h"
#include "sync/rules.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum {
    ROW_BYTES_FIRST = 256, /* guess before the first push */
    KEEP_SETTLED_DAYS = 35,
    PRUNE_ROWS = 500, /* at a time */
    KEEP_GONE = 20000,
};

/* --- what is remembered --- */

int64_t wire_incarnation(struct wire *wire)
{
    return state_int(wire->replica, "inc");
}

bool wire_has_marks(struct wire *wire)
{
    return replica_get_int(wire->replica, 0,
                           "SELECT 1 FROM sync_out WHERE st <> 2 AND st <> 4 AND st < 2 LIMIT 1",
                           "") != 0;
}

static int check_station(struct wire *wire, struct err *err)
{
    char known[LIMIT_STATION_BYTES + 1];
    state_text(wire->replica, "station", known, sizeof known);
    if (known[0] == '\0')
        state_set_text(wire->replica, "station", wire->station);
    else if (!text_equal(known, wire->station))
        return err_set(err, ERR_STATE,
                       "sync: the database belongs to station %s, the configuration says %s: put "
                       "the right database in place, or correct the station's id",
                       known, wire->station);
    return ERR_OK;
}

static bool follows(const struct wire *wire, const char *scope)
{
    for (size_t i = 0; i < wire->scope_count; i++)
        if (text_equal(wire->scopes[i], scope))
            return true;
    return false;
}

void wire_follow(struct wire *wire, const char *scope)
{
    if (scope == NULL || follows(wire, scope) || wire->scope_count == PROTOCOL_SCOPES ||
        !text_copy(wire->scopes[wire->scope_count], sizeof wire->scopes[0], scope))
        return;
    wire->scope_count++;
}

/* What was granted before this start: a cursor is there, or a filling has begun, perhaps anew. */
static void follow_known(struct wire *wire)
{
    struct query *query = replica_query(
        wire->replica,
        "SELECT substr(k, instr(k, ':') + 1) FROM sync_state WHERE k GLOB 'cur:*' OR k "
        "GLOB 'boot:*' OR k GLOB 'digest:*' OR k GLOB 'refill:*'");
    while (!wire->scopes_fixed && query_row(query))
        wire_follow(wire, query_get_text(query, 0));
    query_done(query);
}

int wire_init(struct wire *wire, struct replica *replica, const struct wire_options *options,
              struct err *err)
{
    *wire = (struct wire){.replica = replica,
                          .row_bytes = ROW_BYTES_FIRST,
                          .scopes_fixed = options->scopes_fixed,
                          .settle_rows = LIMIT_SYNC_PUSH_ROWS,
                          .without = options->without};
    buf_init(&wire->at.out, LIMIT_SYNC_BODY_BYTES);
    flight_list_init(&wire->settling);
    if (!text_copy(wire->station, sizeof wire->station, options->station) ||
        options->station[0] == '\0')
        return err_set(err, ERR_INVALID, "sync: the station's id is empty or longer than %d bytes",
                       LIMIT_STATION_BYTES);
    for (const char *const *scope = options->scopes; *scope != NULL; scope++)
        if (wire->scope_count == PROTOCOL_SCOPES ||
            !text_copy(wire->scopes[wire->scope_count++], sizeof wire->scopes[0], *scope))
            return err_set(err, ERR_INVALID, "sync: a scope is too long, or there are more than %d",
                           PROTOCOL_SCOPES);
    int code = check_station(wire, err);
    if (code != ERR_OK)
        return code;
    follow_known(wire);
    if (!flight_settle_rest(wire) || !life_begin(wire, options->machine) || !lacks_begin(wire))
        return err_set(err, ERR_IO, "sync: %s", replica_problem(replica));
    wire->aside_in =
        replica_get_int(replica, 0, "SELECT count(*) FROM sync_quarantine WHERE way = 'in'", "");
    return ERR_OK;
}

void wire_fini(struct wire *wire)
{
    buf_free(&wire->at.out);
    flight_list_fini(&wire->settling);
}

bool wire_unclaim(struct wire *wire)
{
    wire_forget_next(wire);
    return flight_unclaim(wire);
}

/* --- setting aside --- */

static bool set_aside(struct wire *wire, int64_t lseq, const char *row, const char *why)
{
    log_warn("sync.aside", "way=out lseq=%" PRId64 " why=\"%s\"", lseq, why);
    return replica_run(
               wire->replica,
               "INSERT INTO sync_quarantine(at, way, tid, pk, lseq, row, why) SELECT now_ms(), "
               "'out', tid, pk, lseq, seal(?2), ?3 FROM sync_out WHERE lseq = ?1 "
               "ON CONFLICT DO NOTHING",
               "iss", lseq, row, why) >= 0 &&
           replica_run(wire->replica, "UPDATE sync_out SET st = 4 WHERE lseq = ?1", "i", lseq) >= 0;
}

bool wire_set_aside_stored(struct wire *wire, int64_t lseq, const char *why)
{
    char id[PROTOCOL_PK_BYTES + 1] = "";
    replica_get_text(wire->replica, id, sizeof id, "SELECT pk FROM sync_out WHERE lseq = ?1", "i",
                     lseq);
    int64_t tid =
        replica_get_int(wire->replica, 0, "SELECT tid FROM sync_out WHERE lseq = ?1", "i", lseq);
    const struct table *table = table_by_tid((int)tid);
    if (table == NULL)
        return set_aside(wire, lseq, NULL, why);
    struct query *query = replica_query(wire->replica, wire_sql_of(table)->show);
    query_text(query, 1, id);
    bool there = query_row(query);
    bool ok = set_aside(wire, lseq, there ? query_get_text(query, 0) : NULL, why);
    query_done(query);
    return ok;
}

bool wire_set_aside_first(struct wire *wire, const char *why)
{
    int64_t lseq =
        replica_get_int(wire->replica, 0,
                        "SELECT min(lseq) FROM sync_out WHERE st <> 2 AND st <> 4 AND st < 2", "");
    return lseq == 0 || wire_set_aside_stored(wire, lseq, why);
}

/* --- building --- */

/* A request under construction. */
struct push {
    struct wire *wire;
    struct writer *at;
    bool again;  /* these marks were in flight already: all of them must go */
    size_t room; /* for so many rows more */
    size_t poison_count;
    struct {
        int64_t lseq;
        const char *why;
    } poison[LIMIT_SYNC_PUSH_ROWS];
};

static const char *poison_of(const char *row)
{
    if (row == NULL)
        return "the row is gone";
    size_t size = strlen(row);
    if (size > PROTOCOL_ROW_BYTES)
        return "the row is too long";
    return page_text_is_clean(row, size) ? NULL : "a text holds U+0000 or is not UTF-8";
}

/* What a row is sent as that cannot go as it is, for a mark that must. */
static void add_bare(struct push *push, int64_t lseq)
{
    struct query *query = replica_query(push->wire->replica, wire_sql_bare);
    query_int(query, 1, lseq);
    query_text(query, 2, push->wire->station);
    if (query_row(query))
        buf_add_text(&push->at->out, query_get_text(query, 0));
    query_done(query);
}

static void open_part(struct writer *at)
{
    if (at->open)
        buf_add_text(&at->out, ",");
    else
        buf_printf(&at->out, "%s{\"t\":\"%s\",\"r\":[", at->rows > 0 ? "," : "", at->table->name);
    at->open = true;
}

/* row NULL: without its columns */
static void add_row(struct push *push, struct query *query, const char *row)
{
    struct writer *at = push->at;
    open_part(at);
    size_t before = at->out.size;
    if (row == NULL)
        add_bare(push, query_get_int(query, 0));
    else
        buf_add_text(&at->out, row);
    size_t size = at->out.size - before;
    const char *written = buf_text(&at->out) + before;
    at->fp = protocol_fp_add(protocol_fp_add(at->fp, written, size), "\n", 1);
    at->rows++;
    at->bytes += size;
    push->room--;
}

/* NULL: it goes, *ret_bare: without its columns. */
static const char *why_not(const struct push *push, struct query *query, const char *row,
                           bool *ret_bare)
{
    const char *why = poison_of(row);
    *ret_bare = why != NULL;
    if (push->again)
        why = NULL;
    if (why == NULL && strlen(query_get_text(query, 1)) > PROTOCOL_PK_BYTES)
        why = "the key is too long";
    return push->poison_count < LIMIT_SYNC_PUSH_ROWS ? why : NULL;
}

/* The rows of one table, behind those that are written. True: these were the last. */
static bool add_table(struct push *push)
{
    struct writer *at = push->at;
    struct query *query = replica_query(push->wire->replica, wire_sql_of(at->table)->push);
    query_text(query, 1, push->wire->station);
    query_int(query, 2, (push->wire->without & WITHOUT_UNFED) != 0);
    query_int(query, 3, at->written);
    query_int(query, 4, at->last);
    struct buf room;
    buf_init(&room, LIMIT_SYNC_BODY_BYTES);
    bool left = push->room > 0 && query_row(query);
    for (; left; left = push->room > 0 && query_row(query)) {
        bool bare;
        const char *row = lacks_hide(push->wire, at->table, query_get_text(query, 1),
                                     query_get_text(query, 3), &room);
        const char *why = why_not(push, query, row, &bare);
        at->written = query_get_int(query, 0);
        if (why != NULL) {
            push->poison[push->poison_count].lseq = at->written;
            push->poison[push->poison_count++].why = why;
        } else {
            add_row(push, query, bare ? NULL : row);
        }
    }
    query_done(query);
    buf_free(&room);
    return push->room > 0;
}

static void begin_writing(struct wire *wire, int64_t after)
{
    struct writer *at = &wire->at;
    buf_clear(&at->out);
    buf_add_text(&at->out, ",\"push\":[");
    at->after = at->written = after;
    at->last = flight_claimed(wire);
    at->there = flight_tables(wire, after);
    at->table = tables;
    at->open = false;
    at->fp = PROTOCOL_FP_START;
    at->rows = at->bytes = 0;
}

/* Until there is no room, or all is written. */
static void write_rows(struct push *push)
{
    struct writer *at = push->at;
    while (at->table->name != NULL) {
        bool some = at->table->direction != TABLE_DOWN && (at->there >> at->table->tid & 1) != 0;
        if (some && !add_table(push))
            return;
        if (at->open)
            buf_add_text(&at->out, "]}");
        at->open = false;
        at->written = at->after;
        at->table++;
    }
}

static void end_writing(struct wire *wire, struct writer *at)
{
    char fp[17] = "";
    if (at->rows > 0)
        text_of_u64(at->fp, fp);
    buf_printf(&at->out, "],\"fp\":\"%s\"}", fp);
    if (at->rows > 0)
        wire->row_bytes = at->bytes / at->rows + 1;
}

static bool drop_poison(struct push *push)
{
    for (size_t i = 0; i < push->poison_count; i++)
        if (!wire_set_aside_stored(push->wire, push->poison[i].lseq, push->poison[i].why))
            return false;
    return true;
}

bool wire_get_cursor(struct wire *wire, const char *scope, char ret_epoch[PROTOCOL_EPOCH_BYTES + 1],
                     int64_t *ret_v)
{
    struct query *query =
        replica_query(wire->replica, "SELECT v->>0, v->>1 FROM sync_state WHERE k = 'cur:' || ?1");
    query_text(query, 1, scope);
    bool known = query_row(query);
    if (known) {
        const char *epoch = query_get_text(query, 0);
        text_copy(ret_epoch, PROTOCOL_EPOCH_BYTES + 1, epoch != NULL ? epoch : "");
        *ret_v = query_get_int(query, 1);
    }
    query_done(query);
    return known;
}

/* A scope without a cursor is filled by pages of its own. */
static void add_seen(struct wire *wire, struct json *head)
{
    struct query *query =
        replica_query(wire->replica, "SELECT v->>0, v->>1 FROM sync_state WHERE k = 'seen'");
    if (query_row(query)) {
        struct json *seen = json_new_array();
        json_add_text(seen, query_get_text(query, 0));
        json_add_int(seen, query_get_int(query, 1));
        json_set(head, "seen", seen);
    }
    query_done(query);
}

static void add_cursors(struct wire *wire, struct json *request)
{
    struct json *pull = json_new_object();
    for (size_t i = 0; i < wire->scope_count; i++) {
        char epoch[PROTOCOL_EPOCH_BYTES + 1];
        int64_t v = 0;
        if (!wire_get_cursor(wire, wire->scopes[i], epoch, &v))
            continue;
        struct json *cursor = json_new_array();
        json_add_text(cursor, epoch);
        json_add_int(cursor, v);
        json_set(pull, wire->scopes[i], cursor);
    }
    json_set(request, "pull", pull);
}

/* A station that gave up its incarnation says which one and why. */
static void add_past(struct wire *wire, struct json *head)
{
    int64_t old = state_int(wire->replica, "reinc_from");
    char code[16];
    state_text(wire->replica, "reinc_code", code, sizeof code);
    if (old != 0)
        json_set_int(head, "old", old);
    json_set_text(head, "why", old != 0 ? code : "new");
}

/* All but push and fp, and without the closing bracket. */
static bool add_head(struct wire *wire, int64_t inc, size_t page_bytes, struct buf *out)
{
    char tok[PROTOCOL_TOK_BYTES + 1];
    state_text(wire->replica, "tok", tok, sizeof tok);
    struct json *head = json_new_object();
    json_set_int(head, "p", PROTOCOL_VERSION);
    json_set_int(head, "sv", PROTOCOL_SCHEMA);
    json_set_text(head, "station", wire->station);
    json_set_int(head, "inc", inc);
    if (inc == 0)
        add_past(wire, head);
    json_set_text(head, "tok", tok);
    json_set_int(head, "acked", state_int(wire->replica, "acked"));
    json_set_int(head, "max", (int64_t)page_bytes);
    add_seen(wire, head);
    add_cursors(wire, head);
    bool ok = json_write(head, out);
    json_free(head);
    if (ok)
        out->size--;
    return ok;
}

static size_t rows_for(const struct wire *wire, size_t page_bytes, size_t max_rows)
{
    size_t rows = page_bytes / wire->row_bytes;
    rows = rows > 0 ? rows : 1;
    rows = rows < max_rows ? rows : max_rows;
    return rows < LIMIT_SYNC_PUSH_ROWS ? rows : LIMIT_SYNC_PUSH_ROWS;
}

static int failed(struct wire *wire, struct err *err)
{
    return err_set(err, ERR_IO, "sync: %s", replica_problem(wire->replica));
}

static int too_long(struct err *err)
{
    return err_set(err, ERR_LIMIT, "sync: the request does not fit %d bytes",
                   LIMIT_SYNC_BODY_BYTES);
}

/* --- the next push --- */

void wire_forget_next(struct wire *wire)
{
    wire->next.step = NEXT_NONE;
    wire->next.is_due = false;
}

void wire_end_claim(struct wire *wire)
{
    struct next *next = &wire->next;
    if (next->step != NEXT_CLAIMING)
        return;
    wire->push_is_full = !next->no_more;
    next->step = next->claimed > 0 ? NEXT_WRITING : NEXT_NONE;
    begin_writing(wire, next->after);
}

int wire_claim_next(struct wire *wire, size_t page_bytes, size_t max_rows, size_t slice_rows,
                    struct err *err)
{
    struct next *next = &wire->next;
    size_t claimed;
    if (next->step == NEXT_NONE) {
        *next = (struct next){.step = NEXT_CLAIMING};
        next->wanted = rows_for(wire, page_bytes, max_rows);
        wire->push_is_full = false;
    }
    size_t left = next->wanted - next->claimed;
    size_t slice = left < slice_rows ? left : slice_rows;
    if (!flight_claim_next(wire, slice, &next->after, &claimed))
        return failed(wire, err);
    next->claimed += claimed;
    next->no_more = claimed < slice;
    if (next->no_more || next->claimed == next->wanted)
        wire_end_claim(wire);
    return ERR_OK;
}

void wire_write_next(struct wire *wire, size_t slice_rows)
{
    struct push push = {.wire = wire, .at = &wire->at, .room = slice_rows};
    write_rows(&push);
    if (push.poison_count > 0 || wire->at.out.failed) {
        wire_forget_next(wire);
        return;
    }
    if (wire->at.table->name != NULL)
        return;
    end_writing(wire, &wire->at);
    wire->next.step = wire->at.rows > 0 ? NEXT_READY : NEXT_NONE;
}

/* --- the request --- */

static int build_anew(struct wire *wire, int64_t inc, size_t page_bytes, size_t max_rows,
                      struct err *err)
{
    struct push push = {.wire = wire, .at = &wire->at, .room = SIZE_MAX};
    wire_forget_next(wire);
    if (!flight_settle_rest(wire) || !flight_release(wire))
        return failed(wire, err);
    push.again = flight_count(wire) > 0;
    wire->pull_only = push.again && (wire->without & WITHOUT_PULLINFLIGHT) != 0 && !wire->pull_only;
    wire->numberless = inc == 0;
    size_t rows = inc != 0 && max_rows > 0 ? rows_for(wire, page_bytes, max_rows) : 0;
    wire->push_is_full = false;
    if (!push.again && !flight_claim(wire, rows))
        return failed(wire, err);
    begin_writing(wire, 0);
    if (!wire->pull_only && !wire->numberless)
        write_rows(&push);
    end_writing(wire, &wire->at);
    if (wire->at.out.failed)
        return too_long(err);
    if (!drop_poison(&push))
        return failed(wire, err);
    wire->push_is_full = rows > 0 && wire->at.rows >= rows;
    return ERR_OK;
}

int wire_build(struct wire *wire, size_t page_bytes, size_t max_rows, struct buf *out,
               size_t *ret_rows, struct err *err)
{
    int64_t inc = wire_incarnation(wire);
    if (!add_head(wire, inc, page_bytes, out))
        return too_long(err);
    if (!wire->next.is_due || wire->next.step != NEXT_READY) {
        int code = build_anew(wire, inc, page_bytes, max_rows, err);
        if (code != ERR_OK)
            return code;
    }
    wire_forget_next(wire);
    *ret_rows = wire->at.rows;
    return buf_add(out, wire->at.out.bytes, wire->at.out.size) ? ERR_OK : too_long(err);
}

/* --- cursors, and what is compared anew --- */

bool wire_compare(struct wire *wire, const char *scope)
{
    return replica_run(wire->replica,
                       "DELETE FROM sync_state WHERE k IN ('cur:' || ?1, 'boot:' || ?1)", "s",
                       scope) >= 0 &&
           replica_run(wire->replica,
                       "INSERT INTO sync_state(k, v) VALUES ('digest:' || ?1, 1) "
                       "ON CONFLICT DO UPDATE SET v = 1",
                       "s", scope) >= 0;
}

bool wire_compare_all(struct wire *wire)
{
    bool ok = true;
    for (size_t i = 0; ok && i < wire->scope_count; i++)
        ok = wire_compare(wire, wire->scopes[i]);
    return ok;
}

bool wire_store_cursor(struct wire *wire, const char *scope, const char *epoch, int64_t v)
{
    return replica_run(wire->replica,
                       "INSERT INTO sync_state(k, v) VALUES ('cur:' || ?1, json_array(?2, ?3)) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "ssi", scope, epoch, v) >= 0;
}

/* An answer that was held up may begin above where an older one has put the cursor since: what lies
 * between would never come. Without "from" (an older county) it is taken at its word. */
static bool leaves_gap(struct wire *wire, const struct page *page, const char *scope)
{
    char epoch[PROTOCOL_EPOCH_BYTES + 1];
    int64_t v = 0;
    wire_get_cursor(wire, scope, epoch, &v);
    return json_int(json_get(page->envelope, "from"), scope, 0) > v;
}

bool wire_store_cursors(struct wire *wire, const struct page *page)
{
    const struct json *cursors = json_get(page->envelope, "cur");
    for (size_t i = 0; i < wire->scope_count; i++) {
        const struct json *cursor = json_get(cursors, wire->scopes[i]);
        if (cursor != NULL && !leaves_gap(wire, page, wire->scopes[i]) &&
            !wire_store_cursor(wire, wire->scopes[i], json_as_text(json_at(cursor, 0), ""),
                               json_as_int(json_at(cursor, 1), 0)))
            return false;
    }
    return true;
}

bool wire_prune(struct wire *wire)
{
    int64_t before = state_int(wire->replica, "county_ms") - (int64_t)KEEP_SETTLED_DAYS * 86400000;
    int64_t marks = replica_run(wire->replica,
                                "DELETE FROM sync_out WHERE lseq IN (SELECT lseq FROM sync_out "
                                "WHERE st = 2 ORDER BY lseq LIMIT ?2) AND h < ?1",
                                "ii", before, (int64_t)PRUNE_ROWS);
    int64_t conflicts = replica_run(wire->replica,
                                    "DELETE FROM sync_conflict WHERE id IN (SELECT id FROM "
                                    "sync_conflict WHERE settled_at IS NOT NULL ORDER BY id LIMIT "
                                    "?2) AND settled_at < ?1",
                                    "ii", before, (int64_t)PRUNE_ROWS);
    replica_run(wire->replica,
                "DELETE FROM sync_gone WHERE n < (SELECT max(n) FROM sync_gone) - ?1", "i",
                (int64_t)KEEP_GONE);
    return marks == PRUNE_ROWS || conflicts == PRUNE_ROWS;
}
