/* See bases.h.
 *
 * A mark that was made while another one of its row was in flight has the base of that one: what
 * the county knew then. When the county has accepted the one in flight, the later one stands on
 * that version. Within an incarnation the county would know by itself; but the station may have
 * another one by the time it pushes, or the value may be there because somebody gave it back. */
#include "sync/bases.h"

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"
#include "sync/replica/bulk.h"

/* What waited for the row before has our newer value in these groups by now, which the county has,
 * too: it is that one on which later changes stand. (Of a row that was brought back all groups are
 * pushed at once, or none.) */
static bool take_over(struct replica *replica, int64_t lseq)
{
    return replica_run(
               replica,
               "UPDATE sync_out AS m SET gm = m.gm & ~k.gm FROM sync_out k WHERE k.lseq = "
               "?1 AND k.st = 3 AND k.base = k.v AND m.tid = k.tid AND " NOT_BULK(
                   "m.") " AND "
                         "m.pk = k.pk AND m.st <> 2 AND m.st <> 4 AND m.st = 3 AND m.v < k.v AND "
                         "(m.gm < 128 OR m.gm & ~k.gm = 0)",
               "i", lseq) >= 0 &&
           replica_run(
               replica,
               "DELETE FROM sync_out WHERE gm = 0 AND st <> 2 AND st <> 4 AND st = 3 AND " NOT_BULK(
                   "") " AND (tid, pk) IN (SELECT tid, pk FROM sync_out WHERE lseq = ?1)",
               "i", lseq) >= 0;
}

bool bases_await(struct replica *replica, const struct json *kept)
{
    bool ok = true;
    for (size_t i = 0; ok && i < json_count(kept); i++) {
        int64_t lseq = json_as_int(json_at(kept, i), 0);
        ok = replica_run(replica,
                         "UPDATE sync_out SET st = 3, base = v WHERE lseq = ?1 AND st = 2 AND gm & "
                         "127",
                         "i", lseq) >= 0 &&
             take_over(replica, lseq);
    }
    return ok;
}

/* Accepted: later changes of these groups stand on it, in whatever incarnation they are pushed. */
static bool split_one(struct replica *replica, int64_t lseq, int64_t groups)
{
    return replica_run(replica,
                       "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot, lg, hs, old, q, st, "
                       "v) SELECT tid, pk, base, gm & ~?2, h, bt, boot, lg, hs, old, q, st, v FROM "
                       "sync_out WHERE lseq = ?1 AND st = 3 AND v > base AND gm & ?2 AND gm & ~?2",
                       "ii", lseq, groups) >= 0 &&
           replica_run(replica,
                       "UPDATE sync_out SET gm = gm & ?2, old = NULL, st = iif(gm & ?2 & 127, 3, "
                       "2), base = iif(gm & ?2 & 127, v, base) WHERE lseq = ?1 AND st = 3 AND v > "
                       "base AND gm & ?2 AND gm & ~?2",
                       "ii", lseq, groups) >= 0;
}

bool bases_split(struct replica *replica, const struct json *won)
{
    bool ok = true;
    for (size_t i = 0; ok && i < json_count(won); i++) {
        const struct json *one = json_at(won, i);
        int64_t lseq = json_as_int(json_at(one, 0), 0);
        ok = split_one(replica, lseq, json_as_int(json_at(one, 1), 0)) && take_over(replica, lseq);
    }
    return ok;
}

#define ON_TOP                                                                                     \
    "m.tid = k.tid AND m.pk = k.pk AND " NOT_BULK(                                                 \
        "m.") " AND m.st = 0 AND m.lseq > k.lseq AND m.base < "                                    \
              "k.v AND (m.gm & k.gm) <> 0 AND (m.gm & ~k.gm = 0 OR m.gm < 128 OR m.gm = 128)"

/* Of a row that was deleted and brought back all groups are pushed at once, or none. */
static bool raise_one(struct replica *replica, int64_t lseq)
{
    return replica_run(replica,
                       "INSERT INTO sync_out(tid, pk, base, gm, h, bt, boot, lg, hs, old) SELECT "
                       "m.tid, m.pk, k.v, m.gm & k.gm, m.h, m.bt, m.boot, m.lg, m.hs, m.old FROM "
                       "sync_out k JOIN sync_out m ON " ON_TOP
                       " WHERE k.lseq = ?1 ORDER BY m.lseq " BASES_TAKE_IN,
                       "i", lseq) >= 0 &&
           replica_run(replica,
                       "UPDATE sync_out AS m SET gm = m.gm & ~k.gm FROM sync_out k WHERE " ON_TOP
                       " AND k.lseq = ?1",
                       "i", lseq) >= 0 &&
           replica_run(replica,
                       "DELETE FROM sync_out WHERE gm = 0 AND st = 0 AND " NOT_BULK(
                           "") " AND (tid, pk) "
                               "IN (SELECT tid, pk FROM sync_out WHERE lseq = ?1)",
                       "i", lseq) >= 0;
}

bool bases_raise(struct replica *replica, int64_t first, int64_t last)
{
    static int64_t found[LIMIT_SYNC_PUSH_ROWS];
    size_t count = 0;
    struct query *query = replica_query(
        replica, "SELECT k.lseq FROM sync_out k WHERE k.lseq BETWEEN ?1 AND ?2 AND k.tid NOT IN "
                 "(15, 17, 18) AND (k.st = 2 OR (k.st = 3 AND k.base = k.v)) AND EXISTS (SELECT 1 "
                 "FROM sync_out m WHERE " ON_TOP ")");
    query_int(query, 1, first);
    query_int(query, 2, last);
    while (count < LIMIT_SYNC_PUSH_ROWS && query_row(query))
        found[count++] = query_get_int(query, 0);
    query_done(query);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = raise_one(replica, found[i]);
    return ok;
}
