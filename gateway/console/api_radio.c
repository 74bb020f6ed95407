/* Radios as JSON: the nodes, whose they are, and what went to them last. */
#include "gateway/console/console.h"

enum { SAID_SHOWN = 20 };

struct json *console_radio(struct replica *replica)
{
    struct json *json = json_new_object();
    json_set(json, "nodes",
             query_list(replica_query(
                 replica, "SELECT n.product, n.node, n.person_id AS person, p.name, n.channel,"
                          " n.heard_at AS heard, n.texts, n.ignored,"
                          " (SELECT s.battery FROM device_state s WHERE s.product = n.product"
                          "  AND s.device_id = coalesce(n.device_id, n.node)) AS battery"
                          " FROM radio_node n LEFT JOIN person p ON p.id = n.person_id"
                          " ORDER BY n.person_id IS NULL DESC, n.heard_at, n.node")));
    struct query *query = replica_query(
        replica, "SELECT product, node, part, prio, ref_kind, state, tries, created_at AS at,"
                 " ended_at AS ended, bytes FROM radio_out ORDER BY id DESC LIMIT ?1");
    query_int(query, 1, SAID_SHOWN);
    json_set(json, "said", query_list(query));
    return json;
}
