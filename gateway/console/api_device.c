/* The devices at the gates as JSON, also those that nobody registered; and the last messages that
 * were kept raw, because what no rule understands may be a device that was set up wrongly. */
#include "gateway/console/console.h"

enum { RAW_SHOWN = 20 };

struct json *console_raw_list(struct replica *replica)
{
    struct query *query =
        replica_query(replica, "SELECT heard_at AS at, topic, size, reason, payload"
                               " FROM mqtt_raw ORDER BY id DESC LIMIT ?1");
    query_int(query, 1, RAW_SHOWN);
    return query_list(query);
}

struct json *console_device_list(struct replica *replica)
{
    struct json *list = query_list(replica_query(
        replica,
        "SELECT l.device_id AS id, l.name, l.product, l.kind, coalesce(s.short, s.name) AS school,"
        " coalesce(p.short, p.name) AS post, l.registered, l.state,"
        " coalesce(l.state_at, 0) AS since, coalesce(l.heard_at, 0) AS heard,"
        " coalesce(l.offset_ms, 0) AS offset_ms, l.firmware, coalesce(l.battery, -1) AS battery,"
        " coalesce(l.over, 0) AS over,"
        " (SELECT coalesce(sum(g.seq_to - g.seq_from + 1), 0) FROM device_gap g"
        "  WHERE g.device_id = l.device_id) AS missing"
        " FROM device_list l LEFT JOIN school s ON s.id = l.school_id"
        " LEFT JOIN post p ON p.id = l.post_id ORDER BY l.school_id, l.device_id"));
    for (size_t i = 0; i < json_count(list); i++) {
        struct json *one = json_at(list, i);
        json_set_bool(one, "registered", json_int(one, "registered", 0) != 0);
    }
    return list;
}

struct json *console_command_one(struct replica *replica, const char *id)
{
    struct query *query = replica_query(
        replica, "SELECT device_id AS device, name, state, problem, created_at AS at,"
                 " coalesce(sent_at, 0) AS sent, coalesce(ended_at, 0) AS ended, timeout_ms"
                 " FROM device_command WHERE id = ?1");
    query_text(query, 1, id);
    struct json *json = query_row(query) ? query_get_json(query) : NULL;
    query_done(query);
    return json;
}

/* Schools with numbers of their own, and those where anybody was counted. */
struct json *console_flow(struct replica *replica)
{
    return query_list(replica_query(
        replica, "SELECT coalesce(s.code, s.id) AS code, coalesce(nullif(s.short, ''), s.name)"
                 " AS school, coalesce(l.peak, 0) AS peak, coalesce(l.heavy, 0) AS heavy,"
                 " coalesce(f.people, -1) AS people, f.level AS level FROM school s"
                 " LEFT JOIN school_flow_limit l ON l.school_id = s.id"
                 " LEFT JOIN school_flow f ON f.school_id = s.id"
                 " WHERE l.school_id IS NOT NULL OR f.school_id IS NOT NULL ORDER BY 1"));
}
