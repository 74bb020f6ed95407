/* See lacks.h.
 *
 * sync_lacks has a row for each that was here when the column came; it goes when the row does come,
 * by the feed, a comparison or a filling, whichever is first. What the station itself writes into
 * such a column is no NULL and is told like any other. */
#include "sync/lacks.h"

#include <stdio.h>
#include <string.h>

#include "sync/replica/bulk.h"
#include "sync/wire_sql.h"

static void look(struct wire *wire)
{
    wire->lacks = replica_get_int(wire->replica, 0, "SELECT 1 FROM sync_lacks LIMIT 1", "") != 0;
}

/* A filling that was under way has passed rows by: it begins again. */
bool lacks_begin(struct wire *wire)
{
    look(wire);
    if (replica_get_int(wire->replica, 0, "SELECT 1 FROM sync_refill LIMIT 1", "") == 0)
        return true;
    return replica_run(wire->replica,
                       "UPDATE OR REPLACE sync_state SET k = 'refill:' || substr(k, 6), v = 1 "
                       "WHERE k GLOB 'boot:*'",
                       "") >= 0 &&
           replica_run(wire->replica,
                       "INSERT INTO sync_state(k, v) SELECT 'digest:' || substr(k, 5), 2 FROM "
                       "sync_state WHERE k GLOB 'cur:*' ON CONFLICT DO NOTHING",
                       "") >= 0;
}

bool lacks_row(struct wire *wire, const struct table *table, const char *id)
{
    return wire->lacks &&
           replica_get_int(wire->replica, 0, "SELECT 1 FROM sync_lacks WHERE tid = ?1 AND pk = ?2",
                           "is", (int64_t)table->tid, id) != 0;
}

void lacks_names(struct wire *wire, const struct table *table, const char *id,
                 char ret[LACKS_NAMES_BYTES])
{
    ret[0] = '\0';
    if (lacks_row(wire, table, id))
        replica_get_text(wire->replica, ret, LACKS_NAMES_BYTES,
                         "SELECT ',' || group_concat(name) || ',' FROM sync_column WHERE "
                         "tid = ?1 AND lacking",
                         "i", (int64_t)table->tid);
}

const char *lacks_hide(struct wire *wire, const struct table *table, const char *id,
                       const char *row, struct buf *room)
{
    if (row == NULL || id == NULL || !lacks_row(wire, table, id))
        return row;
    struct query *query =
        replica_query(wire->replica, "SELECT json_group_object(e.key, e.value) FROM json_each(?1) "
                                     "e WHERE e.type <> 'null' OR e.key NOT IN (SELECT name FROM "
                                     "sync_column WHERE tid = ?2 AND lacking)");
    query_text(query, 1, row);
    query_int(query, 2, table->tid);
    buf_clear(room);
    if (query_row(query))
        buf_add_text(room, query_get_text(query, 0));
    query_done(query);
    return room->size > 0 ? buf_text(room) : row;
}

bool lacks_learn(struct wire *wire, const struct table *table, const char *rows)
{
    if (!wire->lacks)
        return true;
    int64_t known = replica_run(wire->replica, wire_sql_of(table)->learn, "s", rows);
    if (known > 0)
        look(wire);
    return known >= 0;
}

/* `was` and `old` are the scope and the columns in their order. They take what the county told:
 * what is in the row may have been written here since. */
static bool mend_column(struct wire *wire, const struct table *table, const char *id, size_t at,
                        const char *rows)
{
    char place[32];
    char member[64];
    snprintf(place, sizeof place, "$[%zu]", at + 1);
    snprintf(member, sizeof member, "$[0].%s", table->columns[at].name);
    return replica_run(
               wire->replica,
               "UPDATE sync_out SET was = iif(was ->> ?3 IS NULL, json_set(was, ?3, ?5 ->> "
               "?4), was), old = iif(old ->> ?3 IS NULL, json_set(old, ?3, ?5 ->> ?4), old) "
               "WHERE tid = ?1 AND " NOT_BULK("") " AND pk = ?2 AND st <> 2 AND st <> 4",
               "issss", (int64_t)table->tid, id, place, member, rows) >= 0;
}

bool lacks_mend_marks(struct wire *wire, const struct table *table, const char *id,
                      const char *names, const char *rows)
{
    bool ok = true;
    if (lacks_row(wire, table, id)) /* this one was older than ours */
        return true;
    for (size_t at = 0; ok && table->columns[at].name != NULL; at++) {
        char name[64];
        snprintf(name, sizeof name, ",%s,", table->columns[at].name);
        if (strstr(names, name) != NULL)
            ok = mend_column(wire, table, id, at, rows);
    }
    return ok;
}

bool lacks_is_refill(struct wire *wire, const char *scope)
{
    return replica_get_int(wire->replica, 0, "SELECT v FROM sync_state WHERE k = 'digest:' || ?1",
                           "s", scope) == 2;
}

bool lacks_wants(struct wire *wire, const struct table *table)
{
    return replica_get_int(wire->replica, 0, "SELECT 1 FROM sync_refill WHERE tid = ?1", "i",
                           (int64_t)table->tid) != 0;
}

bool lacks_compared(struct wire *wire)
{
    return replica_run(wire->replica,
                       "DELETE FROM sync_refill WHERE NOT EXISTS (SELECT 1 FROM sync_state WHERE k "
                       "GLOB 'digest:*')",
                       "") >= 0;
}
