/* The statements of the wire, one set for each replicated table, made from tables.c on first use
 * and kept for the life of the program (the replica finds statements by the address of their text).
 */
#ifndef TOUYAN_SYNC_WIRE_SQL_H
#define TOUYAN_SYNC_WIRE_SQL_H

#include "sync/replica/tables.h"

struct wire_sql {
    /* -> lseq, pk, h, the row as a JSON object (NULL when it is gone); in-flight marks of this
     * table by lseq. ?1 the station, ?2 1: without unfed, above ?3 and up to ?4 */
    const char *push;
    /* row ?1 got version ?2; ?3 the groups that were pushed */
    const char *adopt;
    /* ?1 JSON array of objects -> key, why (NULL: good), op, id, v, marked; only those that are not
     * plain rows to be stored */
    const char *check;
    /* ?1 JSON array of good rows, ?2 mask of groups whose own value stays, ?3 1: also over a newer
     * row */
    const char *store;
    /* the same, and ?4 ",a,b,": columns of groups that stay which are taken where they are NULL,
     * ?5 ",a,b,": columns that the rows do not have, which stay */
    const char *store_some;
    /* ?1 JSON array of rows: those that are stored lack nothing any more */
    const char *learn;
    /* ?1 id, ?2 scope or NULL for any */
    const char *drop;
    /* ?1 id -> the row as a JSON object, numbers unsealed */
    const char *show;
    /* ?1 id, ?2 limit -> id, scope, _v, lacks of the rows after it, by id */
    const char *scan;
    /* ?1 id, ?2 limit, ?3 v -> id, the row to be given back (JSON), NULL when its version is not
     * above v; gm leaves out the groups with open marks */
    const char *give;
    /* ?1 id, ?2 v, ?3 groups, ?4 those of them that matter when the row is not older than v ->
     * groups, this part of the row to be given back (JSON) */
    const char *give_part;
    /* ?1 id -> the version that its author knows who brings the row back after it was taken away */
    const char *known;
};

/* ?1 the mark, ?2 the station -> its row without columns */
extern const char wire_sql_bare[];

/* Claims the unsent marks up to ?1 above ?4, but for those of events; ?2 this boot, ?3 milliseconds
 * by which clocks may differ. */
const char *wire_sql_claim(void);

const struct wire_sql *wire_sql_of(const struct table *table);

#endif
