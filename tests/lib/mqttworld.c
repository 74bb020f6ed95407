/* A station's gates without a broker; see mqttworld.h. */
#include "tests/lib/mqttworld.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/log.h"

bool client_is_online(const struct client *client)
{
    return client->online;
}

int client_publish(struct client *client, const char *topic, const void *payload, size_t size,
                   int qos, bool retain, int *ret_message_id, struct err *err)
{
    (void)qos;
    assert_false(retain);
    *ret_message_id = 0;
    if (!client->online)
        return err_set(err, ERR_STATE, "not online");
    snprintf(client->topic, sizeof client->topic, "%s", topic);
    snprintf(client->payload, sizeof client->payload, "%.*s", (int)size, (const char *)payload);
    *ret_message_id = ++client->published;
    return ERR_OK;
}

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void on_event(void *ctx, const struct mqtt_event *event)
{
    struct mqtt_world *world = ctx;
    if (world->callbacks.on_event != NULL)
        world->callbacks.on_event(world->callbacks.ctx, event);
}

static void on_ack(void *ctx, const char *topic, const char *payload, int qos)
{
    struct mqtt_world *world = ctx;
    if (world->callbacks.on_ack != NULL)
        world->callbacks.on_ack(world->callbacks.ctx, topic, payload, qos);
}

static bool on_reply(void *ctx, const char *device_id, const char *id, bool ok)
{
    struct mqtt_world *world = ctx;
    return commands_on_reply(&world->commands, device_id, id, ok);
}

static void on_talk(void *ctx, const struct mqtt_talk *talk)
{
    struct mqtt_world *world = ctx;
    if (world->callbacks.on_talk != NULL)
        world->callbacks.on_talk(world->callbacks.ctx, talk);
}

static int unpack(void *ctx, const char *topic, const void *payload, size_t size, struct buf *ret)
{
    struct mqtt_world *world = ctx;
    return world->callbacks.unpack == NULL
               ? 0
               : world->callbacks.unpack(world->callbacks.ctx, topic, payload, size, ret);
}

static void on_gone(void *ctx, const char *command_id, bool sent)
{
    struct mqtt_world *world = ctx;
    commands_on_gone(&world->commands, command_id, sent);
}

static void open_parts(struct mqtt_world *world)
{
    const struct ingest_options options = {
        .replica = world->replica, .clock = &world->clock, .station = "S0117"};
    const struct ingest_callbacks callbacks = {.ctx = world,
                                               .on_event = on_event,
                                               .on_ack = on_ack,
                                               .on_reply = on_reply,
                                               .on_talk = on_talk,
                                               .unpack = unpack};
    struct err err;
    if (ingest_open(&options, &callbacks, &world->ingest, &err) != ERR_OK)
        fail_msg("%s", err.text);
    mqtt_outbox_init(&world->outbox, world->replica, &world->clock, &world->broker);
    world->outbox.on_gone = on_gone;
    world->outbox.on_gone_ctx = world;
    commands_init(&world->commands, world->replica, &world->clock, "S0117", world->ingest,
                  &world->outbox);
    assert_true(replica_commit(world->replica));
}

void mqtt_world_add(struct mqtt_world *world, const struct mqtt_world_device *device)
{
    replica_run(world->replica,
                "INSERT INTO device(id, scope, school_id, post_id, product, kind)"
                " VALUES (?1, 'S0117', coalesce(?4, 'S14'), coalesce(?4, 'S14') || '-M', ?2, ?3)",
                "ssss", device->id, device->product, device->kind, device->school);
}

void mqtt_world_open(struct mqtt_world *world, const struct mqtt_world_device *devices)
{
    struct ingest_callbacks callbacks = world->callbacks;
    struct err err;
    log_set_sink(swallow, NULL);
    *world = (struct mqtt_world){.rnd = rnd_seeded(1),
                                 .seal = seal_for_test(),
                                 .cells = {MQTT_WORLD_T0, 1000},
                                 .broker = {.online = true},
                                 .callbacks = callbacks};
    world->clock = clock_manual(&world->cells);
    const struct replica_options options = {
        .path = ":memory:", .clock = &world->clock, .rnd = &world->rnd, .seal = world->seal};
    if (replica_open(&options, &world->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    replica_set_applying(world->replica, true);
    replica_enter(world->replica);
    for (; devices->id != NULL; devices++)
        mqtt_world_add(world, devices);
    assert_true(replica_leave(world->replica, true));
    assert_true(replica_commit(world->replica));
    replica_set_applying(world->replica, false);
    open_parts(world);
}

void mqtt_world_close(struct mqtt_world *world)
{
    ingest_close(world->ingest);
    replica_close(world->replica);
    seal_close(world->seal);
    log_set_sink(NULL, NULL);
}

void mqtt_world_restart(struct mqtt_world *world)
{
    ingest_close(world->ingest);
    open_parts(world);
}

void mqtt_world_send(struct mqtt_world *world, const char *topic, const void *payload, size_t size,
                     bool retained)
{
    struct ingest_message message = {topic, payload, size, retained};
    assert_true(ingest_message(world->ingest, &message));
    assert_true(replica_commit(world->replica));
}

void mqtt_world_hear(struct mqtt_world *world, const char *topic, const char *payload)
{
    mqtt_world_send(world, topic, payload, strlen(payload), false);
}

void mqtt_world_pass(struct mqtt_world *world, int64_t ms)
{
    world->cells.wall_ms += ms;
    world->cells.mono_ms += ms;
}

int64_t mqtt_world_count(struct mqtt_world *world, const char *sql)
{
    return replica_get_int(world->replica, -1, sql, "");
}
