/* The statements of the wire, one set for each replicated table, made from tables.c on first use
 * and kept for the life of the program (the replica finds statements by the address of their text).
 */
#ifndef TOUYAN_SYNC_WIRE_SQL_H
#define TOUYAN_SYNC_WIRE_SQL_H

#include "sync/replica/tables.h"

struct wire_sql {
    /* -> lseq, pk, h, the row as a JSON object (NULL when it is gone), the bare row; in-flight
     * marks of this table by lseq */
    const char *push;
    /* ?1 v0, ?2 JSON array of lseq that do not take their version over */
    const char *adopt;
    /* ?1 JSON array of objects -> key, why (NULL: good), op, id, v, marked; only those that are not
     * plain rows to be stored */
    const char *check;
    /* ?1 JSON array of good rows, ?2 mask of groups whose own value stays */
    const char *store;
    /* ?1 id, ?2 scope or NULL for any */
    const char *drop;
    /* ?1 id -> the row as a JSON object, numbers unsealed */
    const char *show;
};

const struct wire_sql *wire_sql_of(const struct table *table);

#endif
