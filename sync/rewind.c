/* See rewind.h.
 *
 * f is the last version that the county still has in common with us. Happy path: rows above f are
 * gathered and offered, page by page; after the last page the station lowers what it knows to f,
 * turns the marks that were settled above f back into unsent ones, moves its cursors back and asks
 * for a new incarnation. A crash in the first part begins it again (giving back twice changes
 * nothing); a crash in the second goes on there.
 *
 * Rows that were deleted after f are not given back by anybody; the scopes are compared afterwards,
 * so that a row the county has again comes down again. */
#include "sync/rewind.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/life.h"
#include "sync/page.h"
#include "sync/rules.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum {
    SCAN_ROWS = 500,
    MARKS_SLICE = 300,
    BODY_BYTES = 262144, /* of one giveback */
    PHASE_CLOSING = 1,
};

void rewind_init(struct rewind *rewind, struct wire *wire)
{
    *rewind = (struct rewind){.wire = wire};
    buf_init(&rewind->rows, LIMIT_SYNC_BODY_BYTES / 2);
}

void rewind_fini(struct rewind *rewind)
{
    buf_free(&rewind->rows);
}

void rewind_restart(struct rewind *rewind)
{
    rewind_fini(rewind);
    rewind_init(rewind, rewind->wire);
}

/* --- what both know --- */

static bool is_known(const struct json *known, const char *ep, const char *id)
{
    for (size_t i = 0; i < json_count(known); i++)
        if (text_equal(json_as_text(json_at(json_at(known, i), 0), ""), id))
            return true;
    return id[0] != '\0' && strcmp(ep, id) == 0;
}

static int64_t start_of(const struct json *eps, size_t at)
{
    return json_as_int(json_at(json_at(eps, at), 1), 0);
}

static void find_common(struct rewind *rewind, const struct json *eps)
{
    struct replica *replica = rewind->wire->replica;
    char ep[PROTOCOL_EPOCH_BYTES + 1];
    struct buf text;
    struct json *known = NULL;
    buf_init(&text, LIMIT_JSON_BYTES);
    struct query *query = replica_query(replica, "SELECT v FROM sync_state WHERE k = 'eps'");
    if (query_row(query))
        buf_add_text(&text, query_get_text(query, 0));
    query_done(query);
    json_parse(buf_text(&text), text.size, &known, NULL);
    buf_free(&text);
    state_text(replica, "ep", ep, sizeof ep);
    rewind->common[0] = '\0';
    rewind->f = start_of(eps, 0);
    for (size_t i = json_count(eps); i > 0; i--) {
        const char *id = json_as_text(json_at(json_at(eps, i - 1), 0), "");
        if (!is_known(known, ep, id))
            continue;
        text_copy(rewind->common, sizeof rewind->common, id);
        rewind->f = start_of(eps, i < json_count(eps) ? i : i - 1);
        break;
    }
    json_free(known);
}

static bool store_phase(struct rewind *rewind, int64_t phase)
{
    return replica_run(rewind->wire->replica,
                       "INSERT INTO sync_state(k, v) VALUES ('rewind', json_array(?1, ?2, ?3)) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "sii", rewind->common, rewind->f, phase) >= 0;
}

bool rewind_begin(struct rewind *rewind, const struct json *eps)
{
    if (json_count(eps) == 0)
        return false;
    rewind_restart(rewind);
    find_common(rewind, eps);
    log_warn("sync.rewind", "common=%s f=%" PRId64, rewind->common, rewind->f);
    struct buf text;
    buf_init(&text, LIMIT_JSON_BYTES);
    bool ok =
        json_write(eps, &text) &&
        state_set_text(rewind->wire->replica, "rewind_eps", buf_text(&text)) &&
        store_phase(rewind, (rewind->wire->without & WITHOUT_SALVAGE) != 0 ? PHASE_CLOSING : 0);
    buf_free(&text);
    return ok;
}

bool rewind_pending(struct rewind *rewind)
{
    return rewind->step != REWIND_LOAD ||
           replica_get_int(rewind->wire->replica, 0, "SELECT 1 FROM sync_state WHERE k = 'rewind'",
                           "") != 0;
}

bool rewind_work_due(struct rewind *rewind)
{
    return rewind->step != REWIND_ASK && rewind_pending(rewind);
}

/* --- giving back --- */

static void close_group(struct rewind *rewind)
{
    if (rewind->group_open)
        buf_add_text(&rewind->rows, "]}");
    rewind->group_open = false;
}

static void add_row(struct rewind *rewind, const char *row)
{
    size_t size = strlen(row);
    if (size > PROTOCOL_ROW_BYTES || !page_text_is_clean(row, size))
        return;
    if (!rewind->group_open)
        buf_printf(&rewind->rows, "%s{\"t\":\"%s\",\"r\":[", rewind->count > 0 ? "," : "",
                   tables[rewind->table].name);
    else
        buf_add_text(&rewind->rows, ",");
    rewind->group_open = true;
    buf_add(&rewind->rows, row, size);
    rewind->count++;
}

static bool is_full(const struct rewind *rewind)
{
    return rewind->count >= PROTOCOL_GIVEBACK_ROWS || rewind->rows.size >= BODY_BYTES;
}

static bool gather(struct rewind *rewind)
{
    const struct table *table = &tables[rewind->table];
    if (table->name == NULL) {
        rewind->last = true;
        rewind->step = REWIND_ASK;
        return true;
    }
    struct query *query = replica_query(rewind->wire->replica, wire_sql_of(table)->give);
    query_text(query, 1, rewind->after);
    query_int(query, 2, SCAN_ROWS);
    query_int(query, 3, rewind->f);
    int seen = 0;
    for (; !is_full(rewind) && query_row(query); seen++) {
        text_copy(rewind->after, sizeof rewind->after, query_get_text(query, 0));
        if (!query_is_null(query, 1))
            add_row(rewind, query_get_text(query, 1));
    }
    query_done(query);
    if (is_full(rewind)) {
        rewind->step = REWIND_ASK;
    } else if (seen < SCAN_ROWS) {
        close_group(rewind);
        rewind->table++;
        rewind->after[0] = '\0';
    }
    return true;
}

bool rewind_build(struct rewind *rewind, struct buf *body)
{
    struct json *head = json_new_object();
    json_set_int(head, "p", PROTOCOL_VERSION);
    json_set_int(head, "sv", PROTOCOL_SCHEMA);
    json_set_text(head, "station", rewind->wire->station);
    json_set_text(head, "common", rewind->common);
    json_set_int(head, "done", rewind->last);
    bool ok = json_write(head, body);
    json_free(head);
    if (!ok)
        return false;
    close_group(rewind);
    body->size--;
    buf_add_text(body, ",\"rows\":[");
    buf_add(body, buf_text(&rewind->rows), rewind->rows.size);
    return buf_add_text(body, "]}");
}

int rewind_read(struct rewind *rewind, const struct json *reply, struct err *err)
{
    if (json_get(reply, "taken") == NULL)
        return err_set(err, ERR_INVALID, "the county's reply: nothing is said of what was taken");
    rewind->taken += json_int(reply, "taken", 0);
    rewind->refused = json_count(json_get(reply, "bad")) > 0;
    return ERR_OK;
}

bool rewind_store(struct rewind *rewind)
{
    rewind->given += (int64_t)rewind->count;
    rewind->count = 0;
    buf_clear(&rewind->rows);
    /* a row that the county has in another scope now, or will not have at all */
    if (rewind->refused && !wire_compare_all(rewind->wire))
        return false;
    if (!rewind->last) {
        rewind->step = REWIND_GATHER;
        return true;
    }
    log_info("sync.given_back", "rows=%" PRId64 " taken=%" PRId64, rewind->given, rewind->taken);
    return rewind_give_up(rewind);
}

bool rewind_give_up(struct rewind *rewind)
{
    rewind->table = 0;
    rewind->after[0] = '\0';
    rewind->step = REWIND_LOWER;
    return store_phase(rewind, PHASE_CLOSING);
}

/* --- closing --- */

static bool lower(struct rewind *rewind)
{
    const struct table *table = &tables[rewind->table];
    struct replica *replica = rewind->wire->replica;
    if (table->name == NULL) {
        rewind->step = REWIND_MARKS;
        rewind->lseq = 0;
        rewind->lseq_end = replica_get_int(replica, 0, "SELECT max(lseq) FROM sync_out", "");
        return wire_unclaim(rewind->wire);
    }
    char to[PROTOCOL_PK_BYTES + 1] = "";
    struct query *query = replica_query(replica, wire_sql_of(table)->scan);
    query_text(query, 1, rewind->after);
    query_int(query, 2, SCAN_ROWS);
    int seen = 0;
    for (; query_row(query); seen++)
        text_copy(to, sizeof to, query_get_text(query, 0));
    query_done(query);
    replica_set_applying(replica, true);
    bool ok = seen == 0 || replica_run(replica, wire_sql_of(table)->lower, "ssi", rewind->after, to,
                                       rewind->f) >= 0;
    replica_set_applying(replica, false);
    text_copy(rewind->after, sizeof rewind->after, seen < SCAN_ROWS ? "" : to);
    rewind->table += seen < SCAN_ROWS ? 1 : 0;
    return ok;
}

/* Marks that the county settled above f, and unsent ones that stand on a version above it, get new
 * numbers and a base that the county knows. */
static bool mark_again(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    int64_t to = replica_get_int(replica, 0,
                                 "SELECT max(lseq) FROM (SELECT lseq FROM sync_out WHERE lseq > ?1 "
                                 "AND lseq <= ?2 ORDER BY lseq LIMIT ?3)",
                                 "iii", rewind->lseq, rewind->lseq_end, (int64_t)MARKS_SLICE);
    if (to == 0) {
        rewind->step = REWIND_FINISH;
        return true;
    }
    int64_t settled = (rewind->wire->without & WITHOUT_REMARK_ACKED) == 0;
    bool ok =
        replica_run(
            replica,
            "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot) SELECT tid, pk, min(base, ?3), "
            "gm, h, bt, boot FROM sync_out WHERE lseq > ?1 AND lseq <= ?2 AND ((?4 AND st IN (2, "
            "3) AND coalesce(v, h * 1000) > ?3) OR (st = 0 AND base > ?3)) ORDER BY lseq "
            "ON CONFLICT(tid, pk, base) WHERE st = 0 AND tid <> 18 DO UPDATE SET gm = gm | "
            "excluded.gm, h = max(h, excluded.h), bt = excluded.bt, boot = excluded.boot",
            "iiii", rewind->lseq, to, rewind->f, settled) >= 0 &&
        replica_run(replica,
                    "DELETE FROM sync_out WHERE lseq > ?1 AND lseq <= ?2 AND ((?4 AND st IN (2, 3) "
                    "AND coalesce(v, h * 1000) > ?3) OR (st = 0 AND base > ?3))",
                    "iiii", rewind->lseq, to, rewind->f, settled) >= 0;
    rewind->lseq = to;
    return ok;
}

static bool move_cursors(struct rewind *rewind)
{
    struct wire *wire = rewind->wire;
    bool ok = replica_run(wire->replica,
                          "UPDATE OR REPLACE sync_state SET k = 'refill:' || substr(k, 6), v = 1 "
                          "WHERE k GLOB 'boot:*'",
                          "") >= 0;
    for (size_t i = 0; ok && i < wire->scope_count; i++) {
        char epoch[PROTOCOL_EPOCH_BYTES + 1];
        int64_t v = 0;
        if (!wire_get_cursor(wire, wire->scopes[i], epoch, &v))
            continue;
        v = v < rewind->f ? v : rewind->f;
        ok = wire_store_cursor(wire, wire->scopes[i], rewind->common,
                               rewind->common[0] != '\0' ? v : 0) &&
             replica_run(wire->replica,
                         "INSERT INTO sync_state(k, v) VALUES ('digest:' || ?1, 1) "
                         "ON CONFLICT DO NOTHING",
                         "s", wire->scopes[i]) >= 0;
    }
    return ok;
}

static bool finish(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    bool ok = move_cursors(rewind) &&
              replica_run(replica,
                          "INSERT INTO sync_state(k, v) SELECT 'eps', v FROM sync_state WHERE k = "
                          "'rewind_eps' ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                          "") >= 0 &&
              state_set_text(replica, "ep", rewind->common) && state_forget(replica, "rewind") &&
              state_forget(replica, "rewind_eps") && state_forget(replica, "seen") &&
              life_reincarnate(rewind->wire, "rewind", "the county came back from a backup");
    rewind_restart(rewind);
    return ok;
}

static bool load(struct rewind *rewind)
{
    struct query *query = replica_query(
        rewind->wire->replica, "SELECT v->>0, v->>1, v->>2 FROM sync_state WHERE k = 'rewind'");
    if (query_row(query)) {
        text_copy(rewind->common, sizeof rewind->common, query_get_text(query, 0));
        rewind->f = query_get_int(query, 1);
        rewind->step = query_get_int(query, 2) == PHASE_CLOSING ? REWIND_LOWER : REWIND_GATHER;
    }
    query_done(query);
    return true;
}

bool rewind_work(struct rewind *rewind)
{
    switch (rewind->step) {
    case REWIND_LOAD:
        return load(rewind);
    case REWIND_GATHER:
        return gather(rewind);
    case REWIND_LOWER:
        return lower(rewind);
    case REWIND_MARKS:
        return mark_again(rewind);
    case REWIND_FINISH:
        return finish(rewind);
    default:
        return true;
    }
}
