/* The face of the module: client, ingest and outbox put together; see mqtt.h.
 *
 * The first message of a turn registers one acknowledgement with the replica, in a handler of its
 * own, and holds the client; when the turn has been committed the client is released and writes
 * all PUBACKs at once. A lost turn drops the connection instead. The acknowledgements that devices
 * want from us are registered by ingest after it and so are written after the PUBACKs.
 *
 * Each connection subscribes anew, also when the broker has our session: that it has one does not
 * say that it has our subscriptions. A session begins with CONNECT, and whoever dies between that
 * and its SUBSCRIBE finds it empty the next time. The price is all retained messages once more. The
 * last subscriptions are remembered (kv 'mqtt.filters') to end those that no rule needs any more.
 */
#include "mqtt/mqtt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "mqtt/client.h"
#include "mqtt/commands.h"
#include "mqtt/flow.h"
#include "mqtt/gaps.h"
#include "mqtt/mapping.h"
#include "mqtt/outbox.h"
#include "mqtt/repairs.h"

#define DROPPED_TOPIC "$SYS/broker/publish/messages/dropped" /* mosquitto(8) */

enum {
    PASSWORD_BYTES = 256,
    PORT_PLAIN = 1883,
    PORT_TLS = 8883,
    TICK_MS = 1000,
    FILTERS_BYTES = LIMIT_MQTT_FILTERS * (LIMIT_TOPIC_BYTES + 1),
};

struct mqtt {
    uv_loop_t *loop;
    struct replica *replica;
    const struct clock *clock;
    struct mqtt_callbacks callbacks;
    struct client *client;
    struct ingest *ingest;
    struct mqtt_outbox outbox;
    struct commands commands;
    char station[LIMIT_STATION_BYTES + 1];
    char state_topic[LIMIT_TOPIC_BYTES];
    struct mqtt_status status;
    uv_timer_t tick;
    int64_t heard_mono_ms; /* the broker was there */
    int64_t repairs_mono_ms;
    struct flow_limits flow;
    bool holding;      /* the client, until the turn ends */
    struct buf wanted; /* filters asked for on this connection, newline after each */
    int closing;       /* handles still open */
    void (*close_cb)(void *ctx);
    void *close_ctx;
};

/* --- the turn --- */

static bool may_read(void *ctx)
{
    struct mqtt *mqtt = ctx;
    return replica_failing(mqtt->replica) == NULL;
}

static void on_turn_end(void *ctx, int64_t arg, bool committed)
{
    struct mqtt *mqtt = ctx;
    (void)arg;
    mqtt->holding = false;
    client_release(mqtt->client, committed);
}

static void hold(struct mqtt *mqtt)
{
    if (mqtt->holding)
        return;
    mqtt->holding = true;
    client_hold(mqtt->client);
    replica_enter(mqtt->replica);
    replica_after_commit(mqtt->replica, on_turn_end, mqtt, 0);
    replica_leave(mqtt->replica, true);
}

/* What the broker says of itself: messages that it took and dropped, because a queue was full. */
static void on_dropped(struct mqtt *mqtt, const void *payload, size_t size)
{
    char text[24];
    int64_t dropped;
    if (size >= sizeof text)
        return;
    memcpy(text, payload, size);
    text[size] = '\0';
    if (!text_to_int64(text, 0, INT64_MAX, &dropped))
        return;
    if (dropped > mqtt->status.dropped)
        log_warn("mqtt.dropped", "the broker dropped %lld messages since its start",
                 (long long)dropped);
    mqtt->status.dropped = dropped;
}

static void on_message(void *ctx, const char *topic, const void *payload, size_t size,
                       bool retained)
{
    struct mqtt *mqtt = ctx;
    if (strcmp(topic, DROPPED_TOPIC) == 0) {
        on_dropped(mqtt, payload, size);
        return;
    }
    struct ingest_message message = {topic, payload, size, retained};
    hold(mqtt);
    if (!ingest_message(mqtt->ingest, &message))
        client_release(mqtt->client, false);
}

/* --- subscriptions --- */

static void list_filters(struct mqtt *mqtt)
{
    int count;
    const char *const *filters = ingest_filters(mqtt->ingest, &count);
    buf_clear(&mqtt->wanted);
    for (int i = 0; i < count; i++)
        buf_printf(&mqtt->wanted, "%s\n", filters[i]);
}

static bool is_wanted(struct mqtt *mqtt, const char *filter)
{
    int count;
    const char *const *filters = ingest_filters(mqtt->ingest, &count);
    for (int i = 0; i < count; i++)
        if (strcmp(filters[i], filter) == 0)
            return true;
    return false;
}

/* Those of the last time that no rule needs any more. */
static void unsubscribe_old(struct mqtt *mqtt, char *old)
{
    char *rest = NULL;
    for (char *filter = strtok_r(old, "\n", &rest); filter != NULL;
         filter = strtok_r(NULL, "\n", &rest))
        if (!is_wanted(mqtt, filter))
            client_unsubscribe(mqtt->client, filter);
}

static void subscribe(struct mqtt *mqtt, bool at_any_rate)
{
    char *old = calloc(1, FILTERS_BYTES);
    if (old == NULL)
        abort();
    list_filters(mqtt);
    replica_get_text(mqtt->replica, old, FILTERS_BYTES, "SELECT v FROM kv WHERE k = 'mqtt.filters'",
                     "");
    if (at_any_rate || strcmp(old, buf_text(&mqtt->wanted)) != 0) {
        int count;
        const char *const *filters = ingest_filters(mqtt->ingest, &count);
        unsubscribe_old(mqtt, old);
        client_subscribe(mqtt->client, filters, count);
        client_subscribe_quietly(mqtt->client, DROPPED_TOPIC);
    }
    free(old);
}

static void on_subscribed(void *ctx, bool granted)
{
    struct mqtt *mqtt = ctx;
    if (!granted) {
        log_error("mqtt.subscribe", "the broker refused a topic: look at its ACL");
        return;
    }
    replica_enter(mqtt->replica);
    replica_run(mqtt->replica,
                "INSERT INTO kv(k, v) VALUES ('mqtt.filters', ?1) "
                "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                "s", buf_text(&mqtt->wanted));
    replica_leave(mqtt->replica, true);
}

void mqtt_set_flow(struct mqtt *mqtt, int peak, int heavy)
{
    mqtt->flow = (struct flow_limits){peak > 0 ? peak : FLOW_PEAK_DEFAULT,
                                      heavy > 0 ? heavy : FLOW_HEAVY_DEFAULT};
}

void mqtt_reload_rules(struct mqtt *mqtt)
{
    struct err err;
    if (ingest_reload_rules(mqtt->ingest, &err) != ERR_OK)
        log_error("mqtt.rules", "%s", err.text);
    else if (client_is_online(mqtt->client))
        subscribe(mqtt, false);
}

const struct mapping *mqtt_rules(const struct mqtt *mqtt)
{
    return ingest_rules(mqtt->ingest);
}

const char *mqtt_rule_problems(const struct mqtt *mqtt)
{
    return mapping_problems(ingest_rules(mqtt->ingest));
}

int mqtt_check_rules(const char *dir, struct err *err)
{
    struct mapping *mapping;
    int code = mapping_open(dir, &mapping, err);
    if (code != ERR_OK)
        return code;
    char problems[LIMIT_ERR_TEXT];
    text_copy_utf8(problems, sizeof problems, mapping_problems(mapping),
                   strlen(mapping_problems(mapping)));
    mapping_close(mapping);
    return problems[0] != '\0' ? err_set(err, ERR_INVALID, "%.200s: %s", dir, problems) : ERR_OK;
}

/* --- the connection --- */

static void note_state(struct mqtt *mqtt, bool connected, const char *why)
{
    mqtt->status.connected = connected;
    mqtt->status.since_ms = clock_wall_ms(mqtt->clock);
    text_copy(mqtt->status.problem, sizeof mqtt->status.problem, connected ? "" : why);
    if (mqtt->callbacks.on_state != NULL)
        mqtt->callbacks.on_state(mqtt->callbacks.ctx, connected, mqtt->status.since_ms, why);
}

static void on_online(void *ctx, bool session_present)
{
    struct mqtt *mqtt = ctx;
    int message_id;
    log_info("mqtt.online", "session=%s", session_present ? "kept" : "new");
    mqtt->status.reconnects++;
    subscribe(mqtt, true);
    client_publish(mqtt->client, mqtt->state_topic, "online", 6, 1, true, &message_id, NULL);
    mqtt_outbox_on_online(&mqtt->outbox);
    note_state(mqtt, true, "connected");
}

static void on_offline(void *ctx, const char *why)
{
    struct mqtt *mqtt = ctx;
    log_warn("mqtt.offline", "why=\"%s\"", why);
    note_state(mqtt, false, why);
}

static void on_published(void *ctx, int message_id)
{
    struct mqtt *mqtt = ctx;
    mqtt_outbox_on_published(&mqtt->outbox, message_id);
}

static void on_event(void *ctx, const struct mqtt_event *event)
{
    struct mqtt *mqtt = ctx;
    mqtt->callbacks.on_event(mqtt->callbacks.ctx, event);
}

static void on_talk(void *ctx, const struct mqtt_talk *talk)
{
    struct mqtt *mqtt = ctx;
    mqtt->callbacks.on_talk(mqtt->callbacks.ctx, talk);
}

static int unpack(void *ctx, const char *topic, const void *payload, size_t size, struct buf *ret)
{
    struct mqtt *mqtt = ctx;
    return mqtt->callbacks.unpack(mqtt->callbacks.ctx, topic, payload, size, ret);
}

/* A device that is not answered asks again, so an answer without a connection is left out. */
static void on_ack(void *ctx, const char *topic, const char *payload, int qos)
{
    struct mqtt *mqtt = ctx;
    int message_id;
    client_publish(mqtt->client, topic, payload, strlen(payload), qos, false, &message_id, NULL);
}

static bool on_reply(void *ctx, const char *device_id, const char *id, bool ok)
{
    struct mqtt *mqtt = ctx;
    return commands_on_reply(&mqtt->commands, device_id, id, ok);
}

static void on_gone(void *ctx, const char *command_id, bool sent)
{
    struct mqtt *mqtt = ctx;
    commands_on_gone(&mqtt->commands, command_id, sent);
}

static void look_around(struct mqtt *mqtt)
{
    int64_t mono_ms = clock_mono_ms(mqtt->clock);
    if (mqtt->status.connected)
        mqtt->heard_mono_ms = mono_ms;
    if (mono_ms < mqtt->repairs_mono_ms)
        return;
    mqtt->repairs_mono_ms = mono_ms + REPAIRS_EVERY_MS;
    int64_t now_ms = clock_wall_ms(mqtt->clock);
    bool changed = repairs_look(mqtt->replica, now_ms, mono_ms - mqtt->heard_mono_ms);
    changed = flow_look(mqtt->replica, &mqtt->flow, now_ms) || changed;
    if (changed && mqtt->callbacks.on_gates != NULL)
        mqtt->callbacks.on_gates(mqtt->callbacks.ctx);
}

static void on_tick(uv_timer_t *timer)
{
    struct mqtt *mqtt = timer->data;
    if (replica_failing(mqtt->replica) != NULL)
        return;
    ingest_tick(mqtt->ingest, mqtt->status.connected);
    gaps_tick(&mqtt->commands);
    look_around(mqtt);
    commands_tick(&mqtt->commands);
    mqtt_outbox_pump(&mqtt->outbox);
}

/* --- life --- */

static int read_password(const char *path, char *ret, size_t size, struct err *err)
{
    ret[0] = '\0';
    if (path == NULL || path[0] == '\0')
        return ERR_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_IO, "password file %s: %s", path, strerror(errno));
    char *line = fgets(ret, (int)size, file);
    fclose(file);
    ret[strcspn(ret, "\r\n")] = '\0';
    if (line == NULL || ret[0] == '\0')
        return err_set(err, ERR_INVALID, "password file %s: its first line is empty", path);
    return ERR_OK;
}

static int make_client(struct mqtt *mqtt, const struct mqtt_options *options, struct err *err)
{
    const struct client_callbacks callbacks = {mqtt,       may_read,     on_online,    on_offline,
                                               on_message, on_published, on_subscribed};
    char password[PASSWORD_BYTES], client_id[LIMIT_NAME_BYTES];
    bool tls = options->ca_file != NULL && options->ca_file[0] != '\0';
    bool named = options->client_id != NULL && options->client_id[0] != '\0';
    snprintf(client_id, sizeof client_id, "%s%.60s", named ? "" : "touyan-",
             named ? options->client_id : options->station);
    snprintf(mqtt->state_topic, sizeof mqtt->state_topic, "sc/%.60s/gw/state", options->station);
    int code = read_password(options->password_file, password, sizeof password, err);
    if (code != ERR_OK)
        return code;
    const struct client_options made = {
        .loop = options->loop,
        .clock = options->clock,
        .rnd = options->rnd,
        .socket_path = options->socket_path,
        .host = options->host,
        .port = options->port > 0 ? options->port
                : tls             ? PORT_TLS
                                  : PORT_PLAIN,
        .ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
        .username = options->username,
        .password = password,
        .client_id = client_id,
        .keepalive_s = options->keepalive_s,
        .will_topic = mqtt->state_topic,
        .will_text = "offline",
    };
    code = client_init(&made, &callbacks, &mqtt->client, err);
    explicit_bzero(password, sizeof password);
    return code;
}

static int make_ingest(struct mqtt *mqtt, const struct mqtt_options *options, struct err *err)
{
    const struct ingest_options made = {options->replica, options->clock, options->station,
                                        options->rules_dir};
    const struct ingest_callbacks callbacks = {
        .ctx = mqtt,
        .on_event = mqtt->callbacks.on_event != NULL ? on_event : NULL,
        .on_ack = on_ack,
        .on_reply = on_reply,
        .on_talk = mqtt->callbacks.on_talk != NULL ? on_talk : NULL,
        .unpack = mqtt->callbacks.unpack != NULL ? unpack : NULL,
    };
    return ingest_open(&made, &callbacks, &mqtt->ingest, err);
}

int mqtt_init(const struct mqtt_options *options, const struct mqtt_callbacks *callbacks,
              struct mqtt **ret, struct err *err)
{
    struct mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (mqtt == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    mqtt->loop = options->loop;
    mqtt->replica = options->replica;
    mqtt->clock = options->clock;
    if (callbacks != NULL)
        mqtt->callbacks = *callbacks;
    mqtt->tick.data = mqtt;
    mqtt_set_flow(mqtt, options->flow_peak, options->flow_heavy);
    buf_init(&mqtt->wanted, FILTERS_BYTES);
    text_copy(mqtt->status.problem, sizeof mqtt->status.problem, "not connected yet");
    mqtt->status.reconnects = -1; /* the first connection is none */
    int code = make_client(mqtt, options, err);
    if (code == ERR_OK)
        code = make_ingest(mqtt, options, err);
    if (code != ERR_OK) {
        mqtt_fini(mqtt);
        return err_wrap(err, "mqtt");
    }
    mqtt_outbox_init(&mqtt->outbox, mqtt->replica, mqtt->clock, mqtt->client);
    mqtt->outbox.on_gone = on_gone;
    mqtt->outbox.on_gone_ctx = mqtt;
    text_copy(mqtt->station, sizeof mqtt->station, options->station);
    commands_init(&mqtt->commands, mqtt->replica, mqtt->clock, mqtt->station, mqtt->ingest,
                  &mqtt->outbox);
    *ret = mqtt;
    return ERR_OK;
}

void mqtt_start(struct mqtt *mqtt)
{
    mqtt->status.since_ms = clock_wall_ms(mqtt->clock);
    mqtt->heard_mono_ms = clock_mono_ms(mqtt->clock);
    uv_timer_init(mqtt->loop, &mqtt->tick);
    uv_timer_start(&mqtt->tick, on_tick, TICK_MS, TICK_MS);
    client_start(mqtt->client);
}

static void part_closed(struct mqtt *mqtt)
{
    if (--mqtt->closing == 0)
        mqtt->close_cb(mqtt->close_ctx);
}

static void on_client_closed(void *ctx)
{
    part_closed(ctx);
}

static void on_tick_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void mqtt_close(struct mqtt *mqtt, void (*cb)(void *ctx), void *ctx)
{
    int message_id;
    mqtt->close_cb = cb;
    mqtt->close_ctx = ctx;
    mqtt->closing = 2;
    client_publish(mqtt->client, mqtt->state_topic, "offline", 7, 1, true, &message_id, NULL);
    uv_close((uv_handle_t *)&mqtt->tick, on_tick_closed);
    client_close(mqtt->client, on_client_closed, mqtt);
}

void mqtt_fini(struct mqtt *mqtt)
{
    if (mqtt == NULL)
        return;
    ingest_close(mqtt->ingest);
    client_fini(mqtt->client);
    buf_free(&mqtt->wanted);
    free(mqtt);
}

struct mqtt_status mqtt_status(const struct mqtt *mqtt)
{
    struct mqtt_status status = mqtt->status;
    struct ingest_counts counts = ingest_counts(mqtt->ingest);
    status.messages = counts.messages;
    status.events = counts.events;
    status.duplicates = counts.duplicates;
    status.raw = counts.raw;
    status.acks = counts.acks;
    status.over = counts.over;
    if (status.reconnects < 0)
        status.reconnects = 0;
    return status;
}

int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t size, int qos,
                 bool retain, int64_t not_after_ms, struct err *err)
{
    return mqtt_outbox_add(&mqtt->outbox, topic, payload, size, qos, retain, not_after_ms, err);
}

static void on_asked(void *ctx, int64_t arg, bool committed)
{
    struct mqtt *mqtt = ctx;
    (void)arg;
    if (committed && replica_failing(mqtt->replica) == NULL)
        commands_tick(&mqtt->commands);
}

int mqtt_command(struct mqtt *mqtt, const struct command_wish *wish,
                 char ret_id[LIMIT_ID_BYTES + 1], struct err *err)
{
    int code = commands_ask(&mqtt->commands, wish, ret_id, err);
    if (code == ERR_OK)
        replica_after_commit(mqtt->replica, on_asked, mqtt, 0);
    return code;
}
