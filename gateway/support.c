/* What somebody who helps from afar needs to see, and no more: versions, state, findings, the
 * configuration (in which no secret stands), the sizes of the tables and the last lines of the log.
 * No text of a message, no number that is not masked, no name of a person. */
#include "gateway/parts.h"

#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "gateway/base/log.h"

static void add_line(void *list, const char *line)
{
    json_add_text(list, line);
}

/* Who helps reads lines, not one long text. */
static struct json *config_json(const struct config *config)
{
    struct json *list = json_new_array();
    struct buf text;
    buf_init(&text, CONFIG_PRINT_MAX);
    if (config_print(config, &text)) {
        char *line = text.bytes;
        for (char *end; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            json_add_text(list, line);
        }
    }
    buf_free(&text);
    return list;
}

#define SIZE_OF(table)                                                                             \
    " UNION ALL SELECT '" table "', (SELECT count(*) FROM (SELECT 1 FROM " table " LIMIT 10000))"

/* At most 10,000 of each are counted: this is the loop. */
static struct json *tables_json(struct replica *replica)
{
    struct query *query = replica_query(
        replica,
        "SELECT 'person', (SELECT count(*) FROM (SELECT 1 FROM person LIMIT 10000))" SIZE_OF(
            "school") SIZE_OF("post") SIZE_OF("shift") SIZE_OF("assignment") SIZE_OF("checkin")
            SIZE_OF("alarm") SIZE_OF("alarm_event") SIZE_OF("device") SIZE_OF("device_event")
                SIZE_OF("device_repair") SIZE_OF("outbox") SIZE_OF("outbox_part")
                    SIZE_OF("outbox_history") SIZE_OF("inbox") SIZE_OF("inbox_pdu")
                        SIZE_OF("sms_call") SIZE_OF("desk_item") SIZE_OF("prompt"));
    struct json *json = json_new_object();
    while (query_row(query))
        json_set_int(json, query_get_text(query, 0), query_get_int(query, 1));
    query_done(query);
    return json;
}

struct json *view_support(void *ctx)
{
    struct gateway *gateway = ctx;
    struct json *json = json_new_object(), *log = json_new_array();
    log_each_kept(add_line, log);
    json_set_text(json, "version", TOUYAN_VERSION);
    json_set_int(json, "schema", replica_get_int(gateway->replica, 0, "PRAGMA user_version", ""));
    json_set(json, "status", view_status(gateway));
    json_set(json, "check", view_check(gateway));
    json_set(json, "sync", view_sync(gateway));
    json_set(json, "tables", tables_json(gateway->replica));
    json_set(json, "config", config_json(gateway->config));
    json_set(json, "log", log);
    return json;
}
