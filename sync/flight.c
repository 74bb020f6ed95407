/* See flight.h. The rows of a push lie in the order of their tables and then of their numbers; the
 * county numbers the versions in this order. */
#include "sync/flight.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "sync/bases.h"
#include "sync/life.h"
#include "sync/replica/bulk.h"
#include "sync/rules.h"
#include "sync/state.h"
#include "sync/wire.h"
#include "sync/wire_sql.h"

enum { LISTED_BYTES_MAX = 1 << 20 };

int64_t flight_last(struct wire *wire)
{
    return replica_get_int(wire->replica, INT64_MAX, "SELECT v FROM sync_state WHERE k = 'flight'",
                           "");
}

int64_t flight_claimed(struct wire *wire)
{
    return state_int(wire->replica, "claimed");
}

/* Marks in flight above number ?1, up to ?2. */
#define FLYING "st <> 2 AND st <> 4 AND st IN (0, 1) AND lseq > ?1 AND lseq <= ?2"

/* `last`, but for what was never claimed. */
static int64_t claimed_until(struct wire *wire, int64_t last)
{
    int64_t claimed = flight_claimed(wire);
    return last < claimed ? last : claimed;
}

static int64_t count_flying(struct wire *wire, int64_t after, int64_t last)
{
    return replica_get_int(wire->replica, 0, "SELECT count(*) FROM sync_out WHERE " FLYING, "ii",
                           after, claimed_until(wire, last));
}

size_t flight_count(struct wire *wire)
{
    return (size_t)count_flying(wire, 0, flight_last(wire));
}

uint64_t flight_tables(struct wire *wire, int64_t after)
{
    uint64_t tables_there = 0;
    struct query *query =
        replica_query(wire->replica, "SELECT DISTINCT tid FROM sync_out WHERE " FLYING);
    query_int(query, 1, after);
    query_int(query, 2, flight_claimed(wire));
    while (query_row(query))
        tables_there |= UINT64_C(1) << (query_get_int(query, 0) & 63);
    query_done(query);
    return tables_there;
}

/* The highest mark in flight that is not above `last`; 0: there is none. */
static int64_t last_flying(struct wire *wire, int64_t last)
{
    return replica_get_int(
        wire->replica, 0,
        "SELECT max(coalesce((SELECT max(lseq) FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 0 "
        "AND lseq <= ?1), 0), coalesce((SELECT max(lseq) FROM sync_out WHERE st <> 2 AND st <> 4 "
        "AND st = 1 AND lseq <= ?1), 0))",
        "i", claimed_until(wire, last));
}

int64_t flight_highest(struct wire *wire)
{
    return last_flying(wire, flight_last(wire));
}

/* --- claiming --- */

/* The first mark that must wait because its row has an earlier one; INT64_MAX: none. Events (15, 17
 * and 18) have but one mark each. */
static int64_t first_repeated(struct wire *wire, int64_t claimed, size_t max_rows)
{
    return replica_get_int(
        wire->replica, INT64_MAX,
        "SELECT m.lseq FROM (SELECT lseq, tid, pk FROM sync_out WHERE st <> 2 AND st <> 4 AND st = "
        "0 AND lseq > ?1 ORDER BY lseq LIMIT ?2) AS m WHERE " NOT_BULK(
            "m.") " AND EXISTS (SELECT 1 FROM "
                  "sync_out e WHERE e.tid = m.tid AND " NOT_BULK(
                      "e.") " AND e.pk = m.pk AND e.st <> 2 AND e.st <> "
                            "4 "
                            "AND e.st < 2 AND e.lseq < m.lseq) ORDER BY m.lseq LIMIT 1",
        "ii", claimed, (int64_t)max_rows);
}

/* 0: there is nothing to claim. */
static int64_t last_to_claim(struct wire *wire, int64_t claimed, size_t max_rows)
{
    int64_t last = replica_get_int(wire->replica, 0,
                                   "SELECT max(lseq) FROM (SELECT lseq FROM sync_out WHERE st <> 2 "
                                   "AND st <> 4 AND st = 0 AND lseq > ?1 ORDER BY lseq LIMIT ?2)",
                                   "ii", claimed, (int64_t)max_rows);
    int64_t repeated = last > 0 ? first_repeated(wire, claimed, max_rows) : INT64_MAX;
    return last < repeated ? last : repeated - 1;
}

static bool claim_until(struct wire *wire, int64_t claimed, int64_t last)
{
    return life_claim(wire, claimed, last) && state_set_int(wire->replica, "claimed", last);
}

bool flight_claim(struct wire *wire, size_t max_rows)
{
    int64_t claimed = flight_claimed(wire);
    int64_t last = max_rows > 0 ? last_to_claim(wire, claimed, max_rows) : 0;
    return last <= claimed || claim_until(wire, claimed, last);
}

/* Numbers only grow, and a push takes the lowest: the next one is above it. */
bool flight_claim_next(struct wire *wire, size_t max_rows, int64_t *ret_after, size_t *ret_rows)
{
    int64_t flying = last_flying(wire, INT64_MAX), claimed = flight_claimed(wire);
    int64_t last = flying > 0 && max_rows > 0 ? last_to_claim(wire, claimed, max_rows) : 0;
    int64_t under_way = flight_last(wire);
    *ret_rows = 0;
    *ret_after = under_way < flying ? under_way : flying;
    if (last <= claimed)
        return true;
    bool ok = (under_way < flying || state_set_int(wire->replica, "flight", flying)) &&
              claim_until(wire, claimed, last);
    *ret_rows = ok ? (size_t)count_flying(wire, claimed, last) : 0;
    return ok;
}

/* --- giving back --- */

static bool give_back(struct wire *wire, int64_t after)
{
    /* an edit made meanwhile has a mark of its own on the same base: the older one takes it in */
    bool merged =
        replica_run(
            wire->replica,
            "UPDATE sync_out SET hs = iif(coalesce(sync_out.lg, sync_out.gm) = coalesce(n.lg, "
            "n.gm) AND "
            "sync_out.hs IS NULL AND n.hs IS NULL AND sync_out.boot IS n.boot, NULL, "
            "json_patch(json_set(coalesce(sync_out.hs, "
            "'{}'), '$.\"' || coalesce(sync_out.lg, sync_out.gm) || '/' || coalesce("
            "sync_out.boot, 0) || '\"', json_array(sync_out.h, "
            "sync_out.bt, "
            "sync_out.boot)), coalesce(n.hs, '{}'))), lg = coalesce(n.lg, n.gm), gm = sync_out.gm "
            "| n.gm, h = n.h, bt = n.bt, boot = n.boot FROM (SELECT tid, pk, base, gm, h, bt, "
            "boot, lg, hs FROM sync_out WHERE " NOT_BULK(
                "") " AND st <> 2 AND st <> 4 AND st = 0) AS n "
                    "WHERE sync_out.st <> 2 AND sync_out.st <> 4 AND sync_out.st = 1 AND "
                    "sync_out.lseq > "
                    "?1 "
                    "AND sync_out.tid = n.tid AND sync_out.pk = n.pk AND sync_out.base = n.base",
            "i", after) >= 0;
    bool dropped = replica_run(wire->replica,
                               "DELETE FROM sync_out WHERE lseq IN (SELECT n.lseq FROM sync_out m "
                               "CROSS JOIN sync_out n "
                               "WHERE m.st <> 2 AND m.st <> 4 AND m.st = 1 AND m.lseq > ?1 AND "
                               "n.tid = m.tid AND n.pk = "
                               "m.pk AND n.base = m.base AND " NOT_BULK("n.") " AND n.st = 0)",
                               "i", after) >= 0;
    return merged && dropped &&
           replica_run(wire->replica,
                       "UPDATE sync_out SET st = 0, was = NULL WHERE st <> 2 AND st <> 4 AND st = "
                       "1 AND lseq > "
                       "?1",
                       "i", after) >= 0 &&
           state_set_int(wire->replica, "claimed", claimed_until(wire, after)) &&
           state_forget(wire->replica, "flight");
}

bool flight_release(struct wire *wire)
{
    int64_t last = flight_last(wire);
    return last == INT64_MAX || give_back(wire, last);
}

bool flight_unclaim(struct wire *wire)
{
    return give_back(wire, 0);
}

/* --- verdicts --- */

/* A mark of the push under way. */
struct mark {
    int64_t lseq, gm;
    int tid;
    unsigned id; /* where it begins in the list's ids */
};

/* A verdict that is not plainly good. */
struct exception {
    int64_t lseq;
    bool stays; /* lost or bad: not settled yet */
};

static int by_number(const void *a, const void *b)
{
    int64_t x = ((const struct exception *)a)->lseq, y = ((const struct exception *)b)->lseq;
    return (x > y) - (x < y);
}

static void add_exception(struct buf *list, const struct json *lseq, bool stays)
{
    struct exception one = {json_as_int(lseq, 0), stays};
    buf_add(list, &one, sizeof one);
}

/* Of all rows that are lost or bad, and of those that must not take their version over. */
static void list_exceptions(const struct json *reply, struct buf *ret)
{
    const struct json *lost = json_get(reply, "lost"), *keep = json_get(reply, "keep"),
                      *bad = json_get(reply, "bad");
    for (size_t i = 0; i < json_count(lost); i++)
        add_exception(ret, json_at(lost, i), true);
    for (size_t i = 0; i < json_count(bad); i++)
        add_exception(ret, json_at(json_at(bad, i), 0), true);
    for (size_t i = 0; i < json_count(keep); i++)
        add_exception(ret, json_at(keep, i), false);
    if (ret->size > 0)
        qsort(ret->bytes, ret->size / sizeof(struct exception), sizeof(struct exception),
              by_number);
}

static const struct exception *exception_of(const struct buf *list, int64_t lseq)
{
    struct exception key = {.lseq = lseq};
    return list->size == 0
               ? NULL
               : bsearch(&key, list->bytes, list->size / sizeof key, sizeof key, by_number);
}

/* --- the marks of a push --- */

void flight_list_init(struct flight_list *list)
{
    *list = (struct flight_list){0};
    buf_init(&list->marks, LIMIT_SYNC_PUSH_ROWS * sizeof(struct mark));
    buf_init(&list->ids, LIMIT_SYNC_PUSH_ROWS * (PROTOCOL_PK_BYTES + 1));
}

void flight_list_fini(struct flight_list *list)
{
    buf_free(&list->marks);
    buf_free(&list->ids);
}

static size_t count_of(const struct flight_list *list)
{
    return list->marks.size / sizeof(struct mark);
}

/* The marks in flight up to `last`, as they were sent, behind mark `lseq` of table `tid`. False:
 * there was no room. */
static bool list_marks(struct wire *wire, int64_t last, int64_t tid, int64_t lseq,
                       struct flight_list *ret)
{
    struct query *query = replica_query(
        wire->replica, "SELECT lseq, tid, gm, pk FROM sync_out WHERE " FLYING
                       " AND (tid > ?3 OR tid = ?3 AND lseq > ?4) ORDER BY tid, lseq");
    buf_clear(&ret->marks);
    buf_clear(&ret->ids);
    ret->at = 0;
    query_int(query, 1, 0);
    query_int(query, 2, claimed_until(wire, last));
    query_int(query, 3, tid);
    query_int(query, 4, lseq);
    while (!ret->marks.failed && query_row(query)) {
        const char *id = query_get_text(query, 3);
        struct mark mark = {query_get_int(query, 0), query_get_int(query, 2),
                            (int)query_get_int(query, 1), (unsigned)ret->ids.size};
        buf_add(&ret->marks, &mark, sizeof mark);
        buf_add(&ret->ids, id, strlen(id) + 1);
    }
    query_done(query);
    return !ret->marks.failed && !ret->ids.failed;
}

static bool adopt(struct wire *wire, const struct table *table, const char *id, int64_t v,
                  int64_t gm)
{
    const char *sql = wire_sql_of(table)->adopt;
    return (table->direction == TABLE_BOTH ? replica_run(wire->replica, sql, "sii", id, v, gm)
                                           : replica_run(wire->replica, sql, "si", id, v)) >= 0;
}

/* The mark of an event goes when the whole push is settled. */
static bool settle_one(struct wire *wire, const struct mark *mark, const char *id, int64_t v,
                       const struct exception *exception)
{
    const struct table *table = exception == NULL ? table_by_tid(mark->tid) : NULL;
    if (exception != NULL && exception->stays)
        return replica_run(wire->replica, "UPDATE sync_out SET v = ?2, was = NULL WHERE lseq = ?1",
                           "ii", mark->lseq, v) >= 0;
    if (table != NULL && table->direction != TABLE_DOWN && !adopt(wire, table, id, v, mark->gm))
        return false;
    return (exception == NULL && TABLE_IS_BULK(mark)) ||
           replica_run(wire->replica,
                       "UPDATE sync_out SET st = 2, v = ?2, was = NULL, old = NULL WHERE lseq = ?1",
                       "ii", mark->lseq, v) >= 0;
}

static bool forget_events(struct wire *wire, int64_t last)
{
    return replica_run(wire->replica,
                       "DELETE FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 0 AND lseq <= ?1",
                       "i", claimed_until(wire, last)) >= 0;
}

static void note_settled(struct flown *flown, const struct mark *mark)
{
    flown->count++;
    if (mark->lseq > flown->last)
        flown->last = mark->lseq;
    if (TABLE_IS_BULK(mark))
        return;
    if (flown->first_edit == 0 || mark->lseq < flown->first_edit)
        flown->first_edit = mark->lseq;
    if (mark->lseq > flown->last_edit)
        flown->last_edit = mark->lseq;
}

/* The next of the list, at most max_rows; the first one gets version v0. */
static bool settle_listed(struct wire *wire, struct flight_list *list, size_t max_rows, int64_t v0,
                          const struct buf *exceptions, struct flown *ret)
{
    const struct mark *marks = (const void *)list->marks.bytes;
    size_t left = count_of(list) - list->at, rows = left < max_rows ? left : max_rows;
    bool ok = true;
    *ret = (struct flown){0};
    for (size_t i = 0; ok && i < rows; i++) {
        const struct mark *mark = &marks[list->at++];
        ok = settle_one(wire, mark, buf_text(&list->ids) + mark->id, v0 + (int64_t)i,
                        exception_of(exceptions, mark->lseq));
        note_settled(ret, mark);
    }
    return ok;
}

/* Takes a rule away: an edit made meanwhile is held for sent. */
static bool forget_edits(struct wire *wire)
{
    return (wire->without & WITHOUT_REMARK) == 0 ||
           replica_run(wire->replica,
                       "DELETE FROM sync_out WHERE st = 0 AND " NOT_BULK(
                           "") " AND (tid, pk) IN (SELECT "
                               "tid, pk FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 1)",
                       "") >= 0;
}

bool flight_settle(struct wire *wire, const struct json *reply, struct flown *ret)
{
    struct buf exceptions;
    struct flight_list list;
    buf_init(&exceptions, LISTED_BYTES_MAX);
    flight_list_init(&list);
    list_exceptions(reply, &exceptions);
    bool ok = !exceptions.failed && forget_edits(wire) &&
              list_marks(wire, flight_last(wire), 0, 0, &list) &&
              settle_listed(wire, &list, LIMIT_SYNC_PUSH_ROWS, json_int(reply, "v0", 0),
                            &exceptions, ret);
    flight_list_fini(&list);
    buf_free(&exceptions);
    return ok;
}

bool flight_follow(struct wire *wire, int64_t last)
{
    return forget_events(wire, last) && state_forget(wire->replica, "flight");
}

/* --- the same in parts --- */

bool flight_keep(struct wire *wire, int64_t v0)
{
    return forget_edits(wire) && state_set_int(wire->replica, "settle_v", v0) &&
           state_set_int(wire->replica, "settle_last", flight_highest(wire)) &&
           state_set_int(wire->replica, "settle_tid", 0) && state_forget(wire->replica, "flight");
}

bool flight_is_settling(struct wire *wire)
{
    return state_int(wire->replica, "settle_last") != 0;
}

/* What is left of the push, if that is not what the list has: nothing was settled yet, or it was
 * not committed. */
static bool list_again(struct wire *wire, struct flight_list *list, int64_t last, int64_t v)
{
    if (list->at < count_of(list) && list->last == last && list->v == v)
        return true;
    list->last = last;
    list->v = v;
    return list_marks(wire, last, state_int(wire->replica, "settle_tid"),
                      state_int(wire->replica, "settle_lseq"), list);
}

/* So far, or all of them. */
static bool note_list(struct wire *wire, const struct flight_list *list)
{
    const struct mark *marks = (const void *)list->marks.bytes;
    struct replica *replica = wire->replica;
    if (list->at == count_of(list))
        return forget_events(wire, list->last) && state_forget(replica, "settle_last");
    return state_set_int(replica, "settle_v", list->v) &&
           state_set_int(replica, "settle_tid", marks[list->at - 1].tid) &&
           state_set_int(replica, "settle_lseq", marks[list->at - 1].lseq);
}

bool flight_settle_some(struct wire *wire, size_t max_rows, size_t *ret_rows)
{
    static const struct buf none;
    struct flight_list *list = &wire->settling;
    struct flown flown = {0};
    int64_t last = state_int(wire->replica, "settle_last");
    replica_set_applying(wire->replica, true);
    bool ok = list_again(wire, list, last, state_int(wire->replica, "settle_v")) &&
              settle_listed(wire, list, max_rows, list->v, &none, &flown) &&
              bases_raise(wire->replica, flown.first_edit, flown.last_edit);
    list->v += flown.count;
    ok = ok && note_list(wire, list);
    replica_set_applying(wire->replica, false);
    *ret_rows = (size_t)flown.count;
    return ok;
}

bool flight_settle_rest(struct wire *wire)
{
    size_t rows;
    return !flight_is_settling(wire) || flight_settle_some(wire, LIMIT_SYNC_PUSH_ROWS, &rows);
}
