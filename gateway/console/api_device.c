/* The devices at the gates as JSON, also those that nobody registered; and the last messages that
 * were kept raw, because what no rule understands may be a device that was set up wrongly. */
#include "gateway/console/console.h"

enum { RAW_SHOWN = 20 };

struct json *console_raw_list(struct replica *replica)
{
    struct query *query = replica_query(replica, "SELECT heard_at, topic, size, reason, payload"
                                                 " FROM mqtt_raw ORDER BY id DESC LIMIT ?1");
    struct json *list = json_new_array();
    query_int(query, 1, RAW_SHOWN);
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_int(json, "at", query_get_int(query, 0));
        json_set_text(json, "topic", query_get_text(query, 1));
        json_set_int(json, "size", query_get_int(query, 2));
        json_set_text(json, "reason", query_get_text(query, 3));
        json_set_text(json, "payload", query_get_text(query, 4));
        json_add(list, json);
    }
    query_done(query);
    return list;
}

struct json *console_device_list(struct replica *replica)
{
    struct query *query = replica_query(
        replica,
        "SELECT l.device_id, l.name, l.product, l.kind, coalesce(s.short, s.name),"
        " coalesce(p.short, p.name), l.registered, l.state, l.state_at, l.heard_at, l.offset_ms,"
        " l.firmware, coalesce(l.battery, -1), l.over,"
        " (SELECT coalesce(sum(g.seq_to - g.seq_from + 1), 0) FROM device_gap g"
        "  WHERE g.device_id = l.device_id)"
        " FROM device_list l LEFT JOIN school s ON s.id = l.school_id"
        " LEFT JOIN post p ON p.id = l.post_id ORDER BY l.school_id, l.device_id");
    struct json *list = json_new_array();
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_text(json, "id", query_get_text(query, 0));
        json_set_text(json, "name", query_get_text(query, 1));
        json_set_text(json, "product", query_get_text(query, 2));
        json_set_text(json, "kind", query_get_text(query, 3));
        json_set_text(json, "school", query_get_text(query, 4));
        json_set_text(json, "post", query_get_text(query, 5));
        json_set_bool(json, "registered", query_get_int(query, 6) != 0);
        json_set_text(json, "state", query_get_text(query, 7));
        json_set_int(json, "since", query_get_int(query, 8));
        json_set_int(json, "heard", query_get_int(query, 9));
        json_set_int(json, "offset_ms", query_get_int(query, 10));
        json_set_text(json, "firmware", query_get_text(query, 11));
        json_set_int(json, "battery", query_get_int(query, 12));
        json_set_int(json, "over", query_get_int(query, 13));
        json_set_int(json, "missing", query_get_int(query, 14));
        json_add(list, json);
    }
    query_done(query);
    return list;
}

struct json *console_command_one(struct replica *replica, const char *id)
{
    struct query *query = replica_query(
        replica, "SELECT device_id, name, state, problem, created_at, sent_at, ended_at, timeout_ms"
                 " FROM device_command WHERE id = ?1");
    struct json *json = NULL;
    query_text(query, 1, id);
    if (query_row(query)) {
        json = json_new_object();
        json_set_text(json, "device", query_get_text(query, 0));
        json_set_text(json, "name", query_get_text(query, 1));
        json_set_text(json, "state", query_get_text(query, 2));
        json_set_text(json, "problem", query_get_text(query, 3));
        json_set_int(json, "at", query_get_int(query, 4));
        json_set_int(json, "sent", query_get_int(query, 5));
        json_set_int(json, "ended", query_get_int(query, 6));
        json_set_int(json, "timeout_ms", query_get_int(query, 7));
    }
    query_done(query);
    return json;
}
