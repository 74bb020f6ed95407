/* See flight.h. The rows of a push lie in the order of their tables and then of their numbers; the
 * county numbers the versions in this order. */
#include "sync/flight.h"

#include <stdlib.h>

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

size_t flight_count(struct wire *wire)
{
    return (size_t)replica_get_int(wire->replica, 0,
                                   "SELECT count(*) FROM sync_out WHERE st <> 2 AND st <> 4 AND st "
                                   "= 1 AND lseq <= ?1",
                                   "i", flight_last(wire));
}

uint64_t flight_tables(struct wire *wire, int64_t after)
{
    uint64_t tables_there = 0;
    struct query *query =
        replica_query(wire->replica, "SELECT DISTINCT tid FROM sync_out WHERE st <> 2 AND st <> 4 "
                                     "AND st = 1 AND lseq > ?1");
    query_int(query, 1, after);
    while (query_row(query))
        tables_there |= UINT64_C(1) << (query_get_int(query, 0) & 63);
    query_done(query);
    return tables_there;
}

/* The highest mark in flight that is not above `last`; 0: there is none. */
static int64_t last_flying(struct wire *wire, int64_t last)
{
    return replica_get_int(wire->replica, 0,
                           "SELECT max(lseq) FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 1 "
                           "AND lseq <= ?1",
                           "i", last);
}

/* --- claiming --- */

/* The first mark that must wait because its row has an earlier one; INT64_MAX: none. Events (15, 17
 * and 18) have but one mark each. */
static int64_t first_repeated(struct wire *wire, size_t max_rows)
{
    return replica_get_int(
        wire->replica, INT64_MAX,
        "SELECT m.lseq FROM (SELECT lseq, tid, pk FROM sync_out WHERE st <> 2 AND st <> 4 AND st = "
        "0 ORDER BY lseq LIMIT ?1) AS m WHERE " NOT_BULK(
            "m.") " AND EXISTS (SELECT 1 FROM "
                  "sync_out e WHERE e.tid = m.tid AND " NOT_BULK(
                      "e.") " AND e.pk = m.pk AND e.st <> 2 AND e.st <> "
                            "4 "
                            "AND e.st < 2 AND e.lseq < m.lseq) ORDER BY m.lseq LIMIT 1",
        "i", (int64_t)max_rows);
}

/* 0: there is nothing to claim. */
static int64_t last_to_claim(struct wire *wire, size_t max_rows)
{
    int64_t last = replica_get_int(wire->replica, 0,
                                   "SELECT max(lseq) FROM (SELECT lseq FROM sync_out WHERE st <> 2 "
                                   "AND st <> 4 AND st = 0 ORDER BY lseq LIMIT ?1)",
                                   "i", (int64_t)max_rows);
    int64_t repeated = last > 0 ? first_repeated(wire, max_rows) : INT64_MAX;
    return last < repeated ? last : repeated - 1;
}

bool flight_claim(struct wire *wire, size_t max_rows)
{
    int64_t last = max_rows > 0 ? last_to_claim(wire, max_rows) : 0;
    return last == 0 || life_claim(wire, last);
}

static int64_t count_flying(struct wire *wire, int64_t after, int64_t last)
{
    return replica_get_int(wire->replica, 0,
                           "SELECT count(*) FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 1 AND "
                           "lseq > ?1 AND lseq <= ?2",
                           "ii", after, last);
}

/* Numbers only grow, and a push takes the lowest: the next one is above it. */
bool flight_claim_next(struct wire *wire, size_t max_rows, int64_t *ret_after, size_t *ret_rows)
{
    int64_t claimed = last_flying(wire, INT64_MAX);
    int64_t last = claimed > 0 && max_rows > 0 ? last_to_claim(wire, max_rows) : 0;
    int64_t under_way = flight_last(wire);
    *ret_rows = 0;
    *ret_after = under_way < claimed ? under_way : claimed;
    if (last <= claimed)
        return true;
    bool ok = (under_way < claimed || state_set_int(wire->replica, "flight", claimed)) &&
              life_claim(wire, last);
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
    int64_t lseq;
    int tid;
    int64_t gm;
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

/* At most `limit` of the marks in flight up to `last`, as they were sent. */
static void list_marks(struct wire *wire, int64_t last, size_t limit, struct buf *ret,
                       struct flown *flown)
{
    struct query *query =
        replica_query(wire->replica, "SELECT lseq, tid, gm FROM sync_out WHERE st <> 2 AND st <> 4 "
                                     "AND st = 1 AND lseq <= ?1 ORDER BY tid, lseq LIMIT ?2");
    *flown = (struct flown){0};
    query_int(query, 1, last);
    query_int(query, 2, (int64_t)limit);
    while (query_row(query)) {
        struct mark mark = {query_get_int(query, 0), (int)query_get_int(query, 1),
                            query_get_int(query, 2)};
        buf_add(ret, &mark, sizeof mark);
        if (flown->count++ == 0 || mark.lseq < flown->first)
            flown->first = mark.lseq;
        if (mark.lseq > flown->last)
            flown->last = mark.lseq;
    }
    query_done(query);
}

static bool settle_one(struct wire *wire, const struct mark *mark, int64_t v,
                       const struct exception *exception)
{
    bool stays = exception != NULL && exception->stays;
    bool ok =
        replica_run(wire->replica,
                    "UPDATE sync_out SET st = ?2, v = ?3, was = NULL, old = iif(?2 = 2, NULL, "
                    "old) WHERE lseq = ?1",
                    "iii", mark->lseq, (int64_t)(stays ? 1 : 2), v) >= 0;
    const struct table *table = exception == NULL ? table_by_tid(mark->tid) : NULL;
    return ok && (table == NULL || table->direction == TABLE_DOWN ||
                  replica_run(wire->replica, wire_sql_of(table)->adopt,
                              table->direction == TABLE_BOTH ? "iii" : "ii", mark->lseq, v,
                              mark->gm) >= 0);
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
    struct buf list, exceptions;
    int64_t v0 = json_int(reply, "v0", 0);
    buf_init(&list, LISTED_BYTES_MAX);
    buf_init(&exceptions, LISTED_BYTES_MAX);
    bool ok = forget_edits(wire);
    list_marks(wire, flight_last(wire), LIMIT_SYNC_PUSH_ROWS, &list, ret);
    list_exceptions(reply, &exceptions);
    ok = ok && !list.failed && !exceptions.failed;
    const struct mark *marks = (const void *)list.bytes;
    for (int64_t i = 0; ok && i < ret->count; i++)
        ok = settle_one(wire, &marks[i], v0 + i, exception_of(&exceptions, marks[i].lseq));
    buf_free(&list);
    buf_free(&exceptions);
    return ok;
}

bool flight_follow(struct wire *wire)
{
    return state_forget(wire->replica, "flight");
}

/* --- the same in parts --- */

bool flight_keep(struct wire *wire, int64_t v0)
{
    return forget_edits(wire) && state_set_int(wire->replica, "settle_v", v0) &&
           state_set_int(wire->replica, "settle_last", last_flying(wire, flight_last(wire))) &&
           flight_follow(wire);
}

bool flight_is_settling(struct wire *wire)
{
    return state_int(wire->replica, "settle_last") != 0;
}

static bool settle_list(struct wire *wire, const struct mark *marks, int64_t count)
{
    int64_t v0 = state_int(wire->replica, "settle_v");
    bool ok = true;
    for (int64_t i = 0; ok && i < count; i++)
        ok = settle_one(wire, &marks[i], v0 + i, NULL);
    return ok && state_set_int(wire->replica, "settle_v", v0 + count);
}

bool flight_settle_some(struct wire *wire, size_t max_rows, size_t *ret_rows)
{
    struct buf list;
    struct flown flown;
    int64_t last = state_int(wire->replica, "settle_last");
    buf_init(&list, LISTED_BYTES_MAX);
    replica_set_applying(wire->replica, true);
    list_marks(wire, last, max_rows, &list, &flown);
    bool ok = !list.failed && settle_list(wire, (const void *)list.bytes, flown.count) &&
              bases_raise(wire->replica, flown.first, flown.last) &&
              (last_flying(wire, last) != 0 || state_forget(wire->replica, "settle_last"));
    replica_set_applying(wire->replica, false);
    buf_free(&list);
    *ret_rows = (size_t)flown.count;
    return ok;
}

bool flight_settle_rest(struct wire *wire)
{
    size_t rows;
    return !flight_is_settling(wire) || flight_settle_some(wire, LIMIT_SYNC_PUSH_ROWS, &rows);
}
