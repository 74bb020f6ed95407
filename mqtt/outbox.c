/* The outbox; see outbox.h. A row goes: added, committed, handed to the client, PUBACK, deleted.
 * When a turn that deleted rows is lost, they are there again and are sent once more on the next
 * connection. Expired rows are deleted when their turn to be sent comes. */
#include "mqtt/outbox.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "mqtt/topic.h"

void mqtt_outbox_init(struct mqtt_outbox *outbox, struct replica *replica,
                      const struct clock *clock, struct client *client)
{
    *outbox = (struct mqtt_outbox){.replica = replica, .clock = clock, .client = client};
}

static void on_added(void *ctx, int64_t arg, bool committed)
{
    struct mqtt_outbox *outbox = ctx;
    (void)arg;
    outbox->pump_promised = false;
    if (committed)
        mqtt_outbox_pump(outbox);
}

static int check(const struct mqtt_outbox *outbox, const char *topic, size_t size, int qos,
                 struct err *err)
{
    if (!topic_name_valid(topic) || qos < 0 || qos > 1)
        return err_set(err, ERR_INVALID,
                       "\"%.80s\" is no topic to publish to, or QoS %d not 0 or 1", topic, qos);
    if (size > LIMIT_MQTT_OUT_BYTES)
        return err_set(err, ERR_LIMIT, "message of %zu bytes for %s (at most %d)", size, topic,
                       LIMIT_MQTT_OUT_BYTES);
    int64_t rows = replica_get_int(outbox->replica, 0, "SELECT count(*) FROM mqtt_out", "");
    if (rows >= LIMIT_MQTT_OUT_ROWS)
        return err_set(err, ERR_LIMIT, "%d messages to devices wait already", LIMIT_MQTT_OUT_ROWS);
    return ERR_OK;
}

static int add(struct mqtt_outbox *outbox, const char *command_id, const char *topic,
               const void *payload, size_t size, int qos, bool retain, int64_t not_after_ms,
               struct err *err)
{
    int code = check(outbox, topic, size, qos, err);
    if (code != ERR_OK)
        return code;
    replica_enter(outbox->replica);
    replica_run(outbox->replica,
                "INSERT INTO mqtt_out(topic, payload, qos, retain, created_at, not_after, "
                "command_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                "sbiiiis", topic, size > 0 ? payload : "", size, (int64_t)qos, (int64_t)retain,
                clock_wall_ms(outbox->clock), not_after_ms, command_id);
    if (!outbox->pump_promised) {
        outbox->pump_promised = true;
        replica_after_commit(outbox->replica, on_added, outbox, 0);
    }
    if (!replica_leave(outbox->replica, true))
        return err_set(err, ERR_IO, "outbox: %s", replica_problem(outbox->replica));
    return ERR_OK;
}

int mqtt_outbox_add(struct mqtt_outbox *outbox, const char *topic, const void *payload, size_t size,
                    int qos, bool retain, int64_t not_after_ms, struct err *err)
{
    return add(outbox, NULL, topic, payload, size, qos, retain, not_after_ms, err);
}

int mqtt_outbox_add_command(struct mqtt_outbox *outbox, const char *command_id, const char *topic,
                            const void *payload, size_t size, int qos, int64_t not_after_ms,
                            struct err *err)
{
    return add(outbox, command_id, topic, payload, size, qos, false, not_after_ms, err);
}

/* sent: the broker has it; else it is dropped. */
static void delete_row(struct mqtt_outbox *outbox, int64_t row, bool sent)
{
    char command_id[LIMIT_ID_BYTES + 1];
    if (outbox->on_gone != NULL &&
        replica_get_text(outbox->replica, command_id, sizeof command_id,
                         "SELECT command_id FROM mqtt_out WHERE id = ?1", "i", row))
        outbox->on_gone(outbox->on_gone_ctx, command_id, sent);
    replica_run(outbox->replica, "DELETE FROM mqtt_out WHERE id = ?1", "i", row);
}

struct next_row {
    int64_t id, not_after_ms;
    char topic[LIMIT_TOPIC_BYTES + 1];
    char payload[LIMIT_MQTT_OUT_BYTES];
    size_t size;
    int qos;
    bool retain;
};

static bool next_row(struct mqtt_outbox *outbox, struct next_row *ret)
{
    struct query *query = replica_query(
        outbox->replica, "SELECT id, topic, payload, qos, retain, not_after FROM mqtt_out "
                         "WHERE id > ?1 ORDER BY id LIMIT 1");
    query_int(query, 1, outbox->last_row);
    bool found = query_row(query);
    if (found) {
        ret->id = query_get_int(query, 0);
        snprintf(ret->topic, sizeof ret->topic, "%s", query_get_text(query, 1));
        const void *payload = query_get_blob(query, 2, &ret->size);
        if (ret->size > sizeof ret->payload)
            ret->size = sizeof ret->payload; /* mqtt_outbox_add lets none be larger */
        if (ret->size > 0)
            memcpy(ret->payload, payload, ret->size);
        ret->qos = (int)query_get_int(query, 3);
        ret->retain = query_get_int(query, 4) != 0;
        ret->not_after_ms = query_get_int(query, 5);
    }
    query_done(query);
    return found;
}

/* False: the client took none, try again later. */
static bool send_row(struct mqtt_outbox *outbox, const struct next_row *row)
{
    struct err err;
    int message_id = 0;
    if (row->not_after_ms != 0 && clock_wall_ms(outbox->clock) > row->not_after_ms) {
        log_warn("mqtt.out", "topic=%s expired unsent", row->topic);
        delete_row(outbox, row->id, false);
        return true;
    }
    if (client_publish(outbox->client, row->topic, row->payload, row->size, row->qos, row->retain,
                       &message_id, &err) != ERR_OK)
        return false;
    if (row->qos == 0)
        delete_row(outbox, row->id, true);
    else
        outbox->flights[outbox->count++] = (struct mqtt_outbox_flight){row->id, message_id};
    return true;
}

void mqtt_outbox_pump(struct mqtt_outbox *outbox)
{
    struct next_row row;
    if (!client_is_online(outbox->client) || outbox->count == LIMIT_MQTT_IN_FLIGHT ||
        replica_failing(outbox->replica) != NULL || !next_row(outbox, &row))
        return;
    replica_enter(outbox->replica);
    do {
        if (!send_row(outbox, &row))
            break;
        outbox->last_row = row.id;
    } while (outbox->count < LIMIT_MQTT_IN_FLIGHT && next_row(outbox, &row));
    replica_leave(outbox->replica, true);
}

void mqtt_outbox_on_published(struct mqtt_outbox *outbox, int message_id)
{
    for (int i = 0; i < outbox->count; i++) {
        if (outbox->flights[i].message_id != message_id)
            continue;
        int64_t row = outbox->flights[i].row;
        outbox->flights[i] = outbox->flights[--outbox->count];
        replica_enter(outbox->replica);
        delete_row(outbox, row, true);
        replica_leave(outbox->replica, true);
        mqtt_outbox_pump(outbox);
        return;
    }
}

void mqtt_outbox_on_online(struct mqtt_outbox *outbox)
{
    outbox->count = 0;
    outbox->last_row = 0;
    mqtt_outbox_pump(outbox);
}
