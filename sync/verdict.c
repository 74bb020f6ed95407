/* What the county says of a push, back into marks and rows; see wire.h.
 *
 * Happy path: a reply is checked whole before anything is settled -> all marks of the push are
 * settled at once -> scopes, epochs and the session's token follow. What lost is kept as a conflict
 * for a person, and the row has the county's word; what is refused is set aside with the reason. */
#include "sync/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/bases.h"
#include "sync/flight.h"
#include "sync/rules.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

static int bad_reply(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "the county's reply: %s", what);
}

/* True when the list is missing: a county that grants nothing by itself. */
static bool is_granted(const struct json *reply, const char *scope)
{
    const struct json *grant = json_get(reply, "grant");
    for (size_t i = 0; i < json_count(grant); i++)
        if (text_equal(json_as_text(json_at(grant, i), ""), scope))
            return true;
    return grant == NULL;
}

/* Of a scope that was asked for and may be seen. */
static bool cursor_is_good(struct wire *wire, const struct json *reply, const char *scope)
{
    char epoch[PROTOCOL_EPOCH_BYTES + 1];
    int64_t v;
    if (!wire_get_cursor(wire, scope, epoch, &v) || !is_granted(reply, scope))
        return true;
    const struct json *cursor = json_get(json_get(reply, "cur"), scope);
    const char *ep = json_as_text(json_at(cursor, 0), NULL);
    return json_count(cursor) == 2 && ep != NULL && strlen(ep) <= PROTOCOL_EPOCH_BYTES &&
           json_as_int(json_at(cursor, 1), -1) >= 0;
}

int wire_check_reply(struct wire *wire, const struct page *page, size_t pushed, struct err *err)
{
    const struct json *reply = page->envelope;
    int64_t inc = json_int(reply, "inc", 0);
    int64_t ours = wire_incarnation(wire);
    if (inc < 1 || (ours != 0 && inc != ours))
        return bad_reply(err, "another incarnation");
    const char *tok = json_text(reply, "tok", NULL);
    const char *ep = json_text(reply, "ep", NULL);
    if (tok == NULL || strlen(tok) > PROTOCOL_TOK_BYTES || ep == NULL ||
        strlen(ep) > PROTOCOL_EPOCH_BYTES)
        return bad_reply(err, "tok or ep is missing or too long");
    if (pushed > 0 &&
        (json_int(reply, "ack", 0) < flight_highest(wire) || json_int(reply, "v0", 0) < 1))
        return bad_reply(err, "the push is not acknowledged");
    for (size_t i = 0; i < wire->scope_count; i++)
        if (!cursor_is_good(wire, reply, wire->scopes[i]))
            return bad_reply(err, "the cursor of a scope is missing");
    return ERR_OK;
}

/* Groups of a row that lost which were accepted all the same. */
static int64_t won_of(const struct json *reply, int64_t lseq)
{
    const struct json *won = json_get(reply, "won");
    for (size_t i = 0; i < json_count(won); i++)
        if (json_as_int(json_at(json_at(won, i), 0), 0) == lseq)
            return json_as_int(json_at(json_at(won, i), 1), 0);
    return 0;
}

/* What lost is kept for a person; the row itself will have the county's word. */
static bool log_conflict(struct wire *wire, int64_t lseq, int64_t won)
{
    char id[PROTOCOL_PK_BYTES + 1] = "";
    int64_t tid =
        replica_get_int(wire->replica, 0, "SELECT tid FROM sync_out WHERE lseq = ?1", "i", lseq);
    replica_get_text(wire->replica, id, sizeof id, "SELECT pk FROM sync_out WHERE lseq = ?1", "i",
                     lseq);
    const struct table *table = table_by_tid((int)tid);
    if (table == NULL)
        return true;
    struct query *query = replica_query(wire->replica, wire_sql_of(table)->show);
    query_text(query, 1, id);
    const char *row = query_row(query) ? query_get_text(query, 0) : NULL;
    bool ok = replica_run(wire->replica,
                          "INSERT INTO sync_conflict(at, tid, pk, gm, mine) SELECT now_ms(), tid, "
                          "pk, gm & ~?3, seal(?2) FROM sync_out WHERE lseq = ?1",
                          "isi", lseq, row, won) >= 0;
    query_done(query);
    return ok;
}

static bool settle_lost(struct wire *wire, const struct json *reply, const struct flown *flown)
{
    const struct json *lost = json_get(reply, "lost");
    int64_t conflicts = 0;
    for (size_t i = 0; i < json_count(lost); i++) {
        int64_t lseq = json_as_int(json_at(lost, i), 0);
        int64_t changed = replica_run(
            wire->replica,
            "UPDATE sync_out SET st = ?2 WHERE lseq = ?1 AND lseq <= ?3 AND st <> 2 AND st <> 4 "
            "AND "
            "st < 2",
            "iii", lseq, (int64_t)((wire->without & WITHOUT_ADVANCE) != 0 ? 2 : 3), flown->last);
        if (changed < 0 || (changed > 0 && !log_conflict(wire, lseq, won_of(reply, lseq))))
            return false;
        conflicts += changed;
    }
    return conflicts == 0 || state_set_int(wire->replica, "conflicts",
                                           state_int(wire->replica, "conflicts") + conflicts);
}

/* A row that the county has deleted and forgotten, or that is another station's by now: what was
 * changed is kept, the row goes. (A row that is the whole county's here too only may not be changed
 * by a station: it stays.) */
static bool follow_refusal(struct wire *wire, int64_t lseq, const char *why)
{
    bool moved = text_equal(why, "scope");
    if (!moved && !text_equal(why, "gone"))
        return true;
    char id[PROTOCOL_PK_BYTES + 1] = "";
    replica_get_text(wire->replica, id, sizeof id, "SELECT pk FROM sync_out WHERE lseq = ?1", "i",
                     lseq);
    const struct table *table = table_by_tid((int)replica_get_int(
        wire->replica, 0, "SELECT tid FROM sync_out WHERE lseq = ?1", "i", lseq));
    return table == NULL || wire_drop_row(wire, table, id, moved ? wire->station : NULL, why);
}

static bool settle_bad(struct wire *wire, const struct json *reply, const struct flown *flown)
{
    const struct json *bad = json_get(reply, "bad");
    for (size_t i = 0; i < json_count(bad); i++) {
        struct json *verdict = json_at(bad, i);
        int64_t lseq = json_as_int(json_at(verdict, 0), 0);
        char why[LIMIT_NAME_BYTES + 1];
        const char *said = json_as_text(json_at(verdict, 1), "refused");
        text_copy_utf8(why, sizeof why, said, strlen(said));
        bool ours =
            replica_get_int(wire->replica, 0,
                            "SELECT 1 FROM sync_out WHERE lseq = ?1 AND lseq <= ?2 AND st < 2",
                            "ii", lseq, flown->last) != 0;
        if (ours && (!wire_set_aside_stored(wire, lseq, why) || !follow_refusal(wire, lseq, why)))
            return false;
    }
    return true;
}

static bool all_is_good(const struct json *reply)
{
    return json_count(json_get(reply, "lost")) == 0 && json_count(json_get(reply, "keep")) == 0 &&
           json_count(json_get(reply, "bad")) == 0 && json_count(json_get(reply, "won")) == 0;
}

static bool settle_at_once(struct wire *wire, const struct json *reply)
{
    struct flown flown;
    replica_set_applying(wire->replica, true);
    bool ok = flight_settle(wire, reply, &flown) && settle_lost(wire, reply, &flown) &&
              settle_bad(wire, reply, &flown) &&
              bases_split(wire->replica, json_get(reply, "won")) &&
              bases_await(wire->replica, json_get(reply, "keep")) &&
              bases_raise(wire->replica, flown.first_edit, flown.last_edit) &&
              flight_follow(wire, flown.last);
    replica_set_applying(wire->replica, false);
    int64_t refused =
        (int64_t)(json_count(json_get(reply, "lost")) + json_count(json_get(reply, "bad")));
    wire->rows_pushed += ok && flown.count > refused ? flown.count - refused : 0;
    return ok;
}

static bool settle_marks(struct wire *wire, const struct json *reply)
{
    size_t count = flight_count(wire);
    bool later = count > wire->settle_rows && all_is_good(reply);
    bool ok = count == 0 ||
              (later ? flight_keep(wire, json_int(reply, "v0", 0)) : settle_at_once(wire, reply));
    wire->rows_pushed += ok && later ? (int64_t)count : 0;
    wire->next.is_due = ok && count > 0;
    return ok;
}

/* The rows of the scope are deleted bit by bit (course.h); from here on it is not asked for. */
static bool unfollow(struct wire *wire, size_t at)
{
    const char *scope = wire->scopes[at];
    log_warn("sync.revoked", "scope=%s", scope);
    bool ok = replica_run(wire->replica,
                          "DELETE FROM sync_state WHERE k IN ('cur:' || ?1, 'boot:' || ?1, "
                          "'refill:' || ?1, 'digest:' || ?1)",
                          "s", scope) >= 0 &&
              replica_run(wire->replica,
                          "INSERT INTO sync_state(k, v) VALUES ('drop:' || ?1, 1) "
                          "ON CONFLICT DO NOTHING",
                          "s", scope) >= 0;
    wire->scope_count--;
    memmove(wire->scopes[at], wire->scopes[at + 1],
            (wire->scope_count - at) * sizeof wire->scopes[0]);
    return ok;
}

static bool settle_grants(struct wire *wire, const struct json *reply)
{
    const struct json *grant = json_get(reply, "grant");
    bool ok = true;
    for (size_t i = wire->scope_count; ok && i > 0; i--)
        if (!is_granted(reply, wire->scopes[i - 1]))
            ok = unfollow(wire, i - 1);
    for (size_t i = 0; !wire->scopes_fixed && i < json_count(grant); i++)
        wire_follow(wire, json_as_text(json_at(grant, i), NULL));
    return ok;
}

static bool settle_epochs(struct wire *wire, const struct json *reply)
{
    const struct json *eps = json_get(reply, "eps");
    bool ok = state_set_text(wire->replica, "ep", json_text(reply, "ep", ""));
    if (eps == NULL)
        return ok;
    struct buf text;
    buf_init(&text, LIMIT_JSON_BYTES);
    ok = ok && json_write(eps, &text) && state_set_text(wire->replica, "eps", buf_text(&text));
    buf_free(&text);
    return ok;
}

bool wire_note_seen(struct wire *wire, const struct json *reply)
{
    const char *ep = json_text(reply, "ep", "");
    int64_t v = json_int(reply, "v", 0);
    return v <= 0 || ep[0] == '\0' || strlen(ep) > PROTOCOL_EPOCH_BYTES ||
           replica_run(wire->replica,
                       "INSERT INTO sync_state(k, v) VALUES ('seen', json_array(?1, ?2)) "
                       "ON CONFLICT(k) DO UPDATE SET v = excluded.v WHERE excluded.v->>1 >= v->>1",
                       "si", ep, v) >= 0;
}

static bool settle_session(struct wire *wire, const struct json *reply)
{
    return state_set_int(wire->replica, "inc", json_int(reply, "inc", 0)) &&
           state_set_text(wire->replica, "tok", json_text(reply, "tok", "")) &&
           state_set_int(wire->replica, "acked", json_int(reply, "ack", 0));
}

bool wire_settle(struct wire *wire, const struct page *page)
{
    const struct json *reply = page->envelope;
    bool holds = wire->pull_only || wire->numberless;
    bool ok = holds || settle_marks(wire, reply);
    return ok && settle_grants(wire, reply) && settle_epochs(wire, reply) &&
           (wire->pull_only || settle_session(wire, reply));
}
