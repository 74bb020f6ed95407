/* See rewind.h.
 *
 * f is the last version that the county still has in common with us. What we know above f is the
 * state of a life of the county that was lost: each row at its _v, but for the groups that we have
 * changed ourselves since. Happy path: first the rows are offered, page by page; then the groups of
 * which the county had accepted our value although other groups of the row were news to us (it is
 * known at the version of the settled mark, not at the row's), and the rows that we deleted. After
 * the last page one transaction makes open what has lost above f, moves the cursors back and asks
 * for a new incarnation. A crash before that begins it again: giving back twice changes nothing.
 *
 * Rows keep their _v, and marks their base: the county understands both. What was in flight stays
 * in flight and is pushed first, as it was: the county has it already when somebody gave it back,
 * and says so before what was changed on top of it comes.
 *
 * What others deleted after f is not given back; the scopes are compared afterwards, so that a row
 * the county has again comes down again. */
#include "sync/rewind.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/bases.h"
#include "sync/lacks.h"
#include "sync/life.h"
#include "sync/page.h"
#include "sync/replica/bulk.h"
#include "sync/rules.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum {
    SCAN_ROWS = 500,
    MARKS_SLICE = 300,
    BODY_BYTES = 262144, /* of one giveback */
};

/* A change that the county accepted in the life that was lost. */
struct accepted {
    int64_t lseq, gm, v;
    const struct table *table;
    char id[PROTOCOL_PK_BYTES + 1];
    int64_t earlier, later; /* groups of open marks made before and after it */
};

#define ACCEPTED "(st = 2 OR (st = 3 AND base = v))"
/* Not settled, and not one that only waits for its row: that stands on its own version. */
#define OPEN_MARKS NOT_BULK("") " AND st <> 2 AND st <> 4 AND NOT (st = 3 AND base = v)"

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

/* The list that we were told last; NULL: none. */
static struct json *own_epochs(struct replica *replica)
{
    struct buf text;
    struct json *known = NULL;
    buf_init(&text, LIMIT_JSON_BYTES);
    struct query *query = replica_query(replica, "SELECT v FROM sync_state WHERE k = 'eps'");
    if (query_row(query))
        buf_add_text(&text, query_get_text(query, 0));
    query_done(query);
    json_parse(buf_text(&text), text.size, &known, NULL);
    buf_free(&text);
    return known;
}

static int64_t lower_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where our own life left the common one: after a county that came back twice that may be earlier
 * than where the county's did. And what an earlier rewind has not brought down yet, by a comparison
 * or a first filling, is open still. */
static int64_t own_fork(struct replica *replica, const struct json *known, const char *common,
                        int64_t f)
{
    for (size_t i = 0; i + 1 < json_count(known); i++)
        if (text_equal(json_as_text(json_at(json_at(known, i), 0), ""), common))
            f = lower_of(f, start_of(known, i + 1));
    return replica_get_int(replica, f,
                           "SELECT min(v, ?1) FROM sync_state WHERE k = 'rewind_f' AND (EXISTS "
                           "(SELECT 1 FROM sync_state WHERE k GLOB 'digest:*' OR k GLOB 'refill:*' "
                           "OR k GLOB 'boot:*') OR NOT EXISTS (SELECT 1 FROM sync_state WHERE k = "
                           "'bootstrap_done'))",
                           "i", f);
}

static void find_common(struct rewind *rewind, const struct json *eps)
{
    struct replica *replica = rewind->wire->replica;
    char ep[PROTOCOL_EPOCH_BYTES + 1];
    struct json *known = own_epochs(replica);
    state_text(replica, "ep", ep, sizeof ep);
    rewind->common[0] = '\0';
    rewind->f = start_of(eps, 0);
    for (size_t i = json_count(eps); i > 0; i--) {
        const char *id = json_as_text(json_at(json_at(eps, i - 1), 0), "");
        if (!is_known(known, ep, id))
            continue;
        text_copy(rewind->common, sizeof rewind->common, id);
        rewind->f = own_fork(replica, known, id, start_of(eps, i < json_count(eps) ? i : i - 1));
        break;
    }
    json_free(known);
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
    bool ok = json_write(eps, &text) &&
              state_set_text(rewind->wire->replica, "rewind_eps", buf_text(&text)) &&
              replica_run(rewind->wire->replica,
                          "INSERT INTO sync_state(k, v) VALUES ('rewind', json_array(?1, ?2)) "
                          "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                          "si", rewind->common, rewind->f) >= 0;
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

static bool load(struct rewind *rewind);
static bool rewind_close(struct rewind *rewind);

/* --- giving back --- */

static void close_group(struct rewind *rewind)
{
    if (rewind->group_open)
        buf_add_text(&rewind->rows, "]}");
    rewind->group_open = false;
}

static void add_text(struct rewind *rewind, const struct table *table, const char *row)
{
    size_t size = strlen(row);
    if (size > PROTOCOL_ROW_BYTES || !page_text_is_clean(row, size) || rewind->mute)
        return;
    if (rewind->open_table != table)
        close_group(rewind);
    if (!rewind->group_open)
        buf_printf(&rewind->rows, "%s{\"t\":\"%s\",\"r\":[", rewind->count > 0 ? "," : "",
                   table->name);
    else
        buf_add_text(&rewind->rows, ",");
    rewind->group_open = true;
    rewind->open_table = table;
    buf_add(&rewind->rows, row, size);
    rewind->count++;
}

static void add_row(struct rewind *rewind, const struct table *table, const char *id,
                    const char *row)
{
    struct buf room;
    buf_init(&room, LIMIT_SYNC_BODY_BYTES);
    add_text(rewind, table, lacks_hide(rewind->wire, table, id, row, &room));
    buf_free(&room);
}

static bool is_full(const struct rewind *rewind)
{
    return rewind->count >= PROTOCOL_GIVEBACK_ROWS || rewind->rows.size >= BODY_BYTES;
}

/* --- rows --- */

static bool gather_rows(struct rewind *rewind)
{
    const struct table *table = &tables[rewind->table];
    bool marks = (rewind->wire->without & WITHOUT_REMARK_ACKED) == 0;
    if (rewind->mute || table->name == NULL) {
        rewind->step = marks ? REWIND_MARKS : REWIND_ASK;
        rewind->last = !marks;
        return marks || !rewind->mute || rewind_close(rewind);
    }
    struct query *query = replica_query(rewind->wire->replica, wire_sql_of(table)->give);
    query_text(query, 1, rewind->after);
    query_int(query, 2, SCAN_ROWS);
    query_int(query, 3, rewind->f);
    int seen = 0;
    for (; !is_full(rewind) && query_row(query); seen++) {
        text_copy(rewind->after, sizeof rewind->after, query_get_text(query, 0));
        if (!query_is_null(query, 1))
            add_row(rewind, table, rewind->after, query_get_text(query, 1));
    }
    query_done(query);
    if (is_full(rewind)) {
        rewind->step = REWIND_ASK;
    } else if (seen < SCAN_ROWS) {
        rewind->table++;
        rewind->after[0] = '\0';
    }
    return true;
}

/* --- accepted changes --- */

static void read_open(struct replica *replica, struct accepted *mark)
{
    struct query *query = replica_query(
        replica,
        "SELECT iif(v IS NULL, lseq < ?3, v < ?4), gm FROM sync_out WHERE tid = ?1 AND pk = ?2 "
        "AND " OPEN_MARKS);
    query_int(query, 1, mark->table->tid);
    query_text(query, 2, mark->id);
    query_int(query, 3, mark->lseq);
    query_int(query, 4, mark->v);
    mark->earlier = mark->later = 0;
    while (query_row(query)) {
        if (query_get_int(query, 0) != 0)
            mark->earlier |= query_get_int(query, 1);
        else
            mark->later |= query_get_int(query, 1);
    }
    query_done(query);
}

static void add_deletion(struct rewind *rewind, const struct accepted *mark)
{
    struct json *row = json_new_object();
    struct buf text;
    buf_init(&text, PROTOCOL_ROW_BYTES);
    json_set_int(row, "_v", mark->v);
    json_set_int(row, "gm", PROTOCOL_GROUP_DELETED);
    json_set_int(row, "_del", 1);
    json_set_int(row, "part", 1);
    json_set_text(row, "id", mark->id);
    json_set_text(row, "scope", rewind->wire->station);
    if (json_write(row, &text))
        add_text(rewind, mark->table, buf_text(&text));
    buf_free(&text);
    json_free(row);
}

/* What the row's own version does not say of an accepted change: that of a group which the row had
 * not come down with yet, or a deletion. (A mark of all groups may be a row brought back, which
 * somebody else has taken away since.) */
static void add_accepted(struct rewind *rewind, struct accepted *mark)
{
    int all = (1 << table_group_count(mark->table)) - 1;
    struct query *query = replica_query(rewind->wire->replica, wire_sql_of(mark->table)->give_part);
    query_text(query, 1, mark->id);
    query_int(query, 2, mark->v);
    query_int(query, 3, mark->gm & ~mark->later);
    query_int(query, 4, mark->earlier);
    bool here = query_row(query);
    if (here && query_get_int(query, 0) != 0)
        add_row(rewind, mark->table, mark->id, query_get_text(query, 1));
    query_done(query);
    bool deleted = (mark->gm & ~mark->later & PROTOCOL_GROUP_DELETED) != 0;
    if (!here && deleted && (mark->gm & all) != all)
        add_deletion(rewind, mark);
}

/* A page has each row once. */
static bool in_this_page(const struct rewind *rewind, const char *id)
{
    for (size_t i = 0; i < rewind->part_count; i++)
        if (strcmp(rewind->parts[i], id) == 0)
            return true;
    return false;
}

static bool read_accepted(struct query *query, struct accepted *ret)
{
    *ret = (struct accepted){.lseq = query_get_int(query, 0),
                             .gm = query_get_int(query, 3),
                             .v = query_get_int(query, 4),
                             .table = table_by_tid((int)query_get_int(query, 1))};
    return ret->table != NULL && ret->table->direction == TABLE_BOTH &&
           text_copy(ret->id, sizeof ret->id, query_get_text(query, 2));
}

/* The next accepted changes, in the order in which they were made. */
static bool gather_marks(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    struct accepted mark;
    int64_t to = replica_get_int(replica, 0,
                                 "SELECT max(lseq) FROM (SELECT lseq FROM sync_out WHERE lseq > ?1 "
                                 "ORDER BY lseq LIMIT ?2)",
                                 "ii", rewind->lseq, (int64_t)MARKS_SLICE);
    if (to == 0) {
        rewind->last = true;
        rewind->step = REWIND_ASK;
        return !rewind->mute || rewind_close(rewind);
    }
    struct query *query = replica_query(
        replica, "SELECT lseq, tid, pk, gm, v FROM sync_out WHERE lseq > ?1 AND lseq "
                 "<= ?2 AND " ACCEPTED " AND v > ?3 AND " NOT_BULK("") " ORDER BY lseq");
    query_int(query, 1, rewind->lseq);
    query_int(query, 2, to);
    query_int(query, 3, rewind->f);
    while (query_row(query)) {
        if (!read_accepted(query, &mark))
            continue;
        if (rewind->part_count == REWIND_PARTS || in_this_page(rewind, mark.id)) {
            to = mark.lseq - 1;
            rewind->step = REWIND_ASK;
            break;
        }
        size_t count = rewind->count;
        read_open(replica, &mark);
        add_accepted(rewind, &mark);
        if (rewind->count > count)
            text_copy(rewind->parts[rewind->part_count++], sizeof *rewind->parts, mark.id);
    }
    query_done(query);
    rewind->lseq = to;
    if (is_full(rewind))
        rewind->step = REWIND_ASK;
    return true;
}

/* --- asking --- */

/* The epochs of our life that the county does not know. */
static void add_epochs(struct replica *replica, struct json *head)
{
    struct json *eps = NULL;
    struct query *query = replica_query(
        replica, "SELECT json_group_array(json(e.value)) FROM sync_state s, json_each(s.v) e WHERE "
                 "s.k = 'eps' AND json_array_length(e.value) > 2 AND NOT EXISTS (SELECT 1 FROM "
                 "sync_state n, json_each(n.v) k WHERE n.k = 'rewind_eps' AND k.value ->> 0 = "
                 "e.value ->> 0)");
    if (query_row(query))
        json_parse(query_get_text(query, 0), strlen(query_get_text(query, 0)), &eps, NULL);
    query_done(query);
    if (json_count(eps) > 0)
        json_set(head, "eps", eps);
    else
        json_free(eps);
}

bool rewind_build(struct rewind *rewind, struct buf *body)
{
    struct json *head = json_new_object();
    json_set_int(head, "p", PROTOCOL_VERSION);
    json_set_int(head, "sv", PROTOCOL_SCHEMA);
    json_set_text(head, "station", rewind->wire->station);
    json_set_text(head, "common", rewind->common);
    json_set_int(head, "f", rewind->f);
    json_set_int(head, "done", rewind->last);
    add_epochs(rewind->wire->replica, head);
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
    rewind->count = rewind->part_count = 0;
    buf_clear(&rewind->rows);
    /* a row that the county has in another scope now, or will not have at all */
    if (rewind->refused && !wire_compare_all(rewind->wire))
        return false;
    if (rewind->last) {
        log_info("sync.given_back", "rows=%" PRId64 " taken=%" PRId64, rewind->given,
                 rewind->taken);
        return rewind_close(rewind);
    }
    rewind->step = tables[rewind->table].name != NULL ? REWIND_ROWS : REWIND_MARKS;
    return true;
}

bool rewind_give_up(struct rewind *rewind)
{
    rewind_restart(rewind);
    rewind->mute = true;
    return load(rewind);
}

/* --- closing --- */

/* What lost above f has not lost at all now. What is in flight stands on it, and says it as well.
 */
static bool open_lost(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    return replica_run(
               replica,
               "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot, lg, hs, old) SELECT tid, pk, "
               "base, rest, h, bt, boot, lg, hs, old FROM (SELECT m.*, m.gm & ~coalesce((SELECT "
               "f.gm FROM sync_out f WHERE f.st = 1 AND f.st <> 2 AND f.st <> 4 AND f.tid = m.tid "
               "AND " NOT_BULK(
                   "f.") " AND f.pk = m.pk), 0) AS rest FROM sync_out m WHERE m.st <> 2 AND "
                         "m.st <> 4 AND m.st = 3 AND coalesce(m.v, m.h * 1000) > ?1 AND m.v IS NOT "
                         "m.base) "
                         "WHERE rest <> 0 ORDER BY lseq " BASES_TAKE_IN,
               "i", rewind->f) >= 0 &&
           replica_run(replica,
                       "DELETE FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 3 AND "
                       "coalesce(v, h * 1000) > ?1 AND v IS NOT base",
                       "i", rewind->f) >= 0;
}

/* A row of mark k that lost as a new one above f. */
#define NEW_ROW_LOST                                                                               \
    "EXISTS (SELECT 1 FROM sync_out m WHERE m.tid = k.tid AND m.pk = k.pk AND " NOT_BULK(          \
        "m.") " AND "                                                                              \
              "m.st <> 2 AND m.st <> 4 AND m.st = 3 AND m.base = 0 AND m.v IS NOT 0 AND "          \
              "coalesce(m.v, m.h * 1000) > ?1)"

/* A row that the county does not know has to come as a whole. */
static bool is_split_new_row(struct rewind *rewind)
{
    return replica_get_int(rewind->wire->replica, 0,
                           "SELECT 1 FROM sync_out k WHERE k.st = 1 AND k.st <> 2 AND k.st <> 4 "
                           "AND " NEW_ROW_LOST " LIMIT 1",
                           "i", rewind->f) != 0;
}

/* So what of it was accepted, and what stands on that, is new again with the rest. */
static bool join_new_rows(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    return replica_run(
               replica,
               "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot, lg, hs, old) SELECT "
               "tid, pk, 0, gm, h, bt, boot, lg, hs, old FROM sync_out k WHERE k.st <> 2 "
               "AND k.st <> 4 AND k.base > ?1 AND (k.st = 0 OR k.base = k.v) AND " NEW_ROW_LOST
               " ORDER BY lseq " BASES_TAKE_IN,
               "i", rewind->f) >= 0 &&
           replica_run(replica,
                       "DELETE FROM sync_out AS k WHERE k.st <> 2 AND k.st <> 4 AND k.base > ?1 "
                       "AND (k.st = 0 OR k.base = k.v) AND " NEW_ROW_LOST,
                       "i", rewind->f) >= 0;
}

static bool treat_marks(struct rewind *rewind)
{
    if ((rewind->wire->without & WITHOUT_REMARK_ACKED) != 0)
        return true;
    replica_set_applying(rewind->wire->replica, true);
    bool ok = !is_split_new_row(rewind) || wire_unclaim(rewind->wire);
    ok = ok && join_new_rows(rewind) && open_lost(rewind);
    replica_set_applying(rewind->wire->replica, false);
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
                         "ON CONFLICT DO UPDATE SET v = 1",
                         "s", wire->scopes[i]) >= 0;
    }
    return ok;
}

/* To whom the rows were given back: when the county comes back from a backup once more before
 * anything of this life was pulled, no cursor tells. */
static bool note_life(struct replica *replica)
{
    return replica_run(replica,
                       "INSERT INTO sync_state(k, v) SELECT 'seen', v -> '$[#-1]' FROM sync_state "
                       "WHERE k = 'rewind_eps' ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "") >= 0;
}

/* All or nothing: the cursors, the incarnation and the marks must fit each other. */
static bool rewind_close(struct rewind *rewind)
{
    struct replica *replica = rewind->wire->replica;
    bool ok = treat_marks(rewind) && move_cursors(rewind) &&
              replica_run(replica,
                          "INSERT INTO sync_state(k, v) SELECT 'eps', v FROM sync_state WHERE k = "
                          "'rewind_eps' ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                          "") >= 0 &&
              note_life(replica) && state_set_int(replica, "rewind_f", rewind->f) &&
              state_set_int(replica, "given_back", rewind->given) &&
              state_set_text(replica, "ep", rewind->common) && state_forget(replica, "rewind") &&
              state_forget(replica, "rewind_eps") &&
              life_reincarnate(rewind->wire, "rewind", "the county came back from a backup");
    rewind_restart(rewind);
    return ok;
}

static bool load(struct rewind *rewind)
{
    struct query *query = replica_query(rewind->wire->replica,
                                        "SELECT v->>0, v->>1 FROM sync_state WHERE k = 'rewind'");
    if (query_row(query)) {
        text_copy(rewind->common, sizeof rewind->common, query_get_text(query, 0));
        rewind->f = query_get_int(query, 1);
        rewind->step = REWIND_ROWS;
        rewind->mute = rewind->mute || (rewind->wire->without & WITHOUT_SALVAGE) != 0;
    }
    query_done(query);
    return true;
}

bool rewind_work(struct rewind *rewind)
{
    switch (rewind->step) {
    case REWIND_LOAD:
        return load(rewind);
    case REWIND_ROWS:
        return gather_rows(rewind);
    case REWIND_MARKS:
        return gather_marks(rewind);
    default:
        return true;
    }
}
