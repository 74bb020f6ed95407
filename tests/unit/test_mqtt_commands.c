/* Commands to devices over a broker that is only written down: when they go out, what ends them,
 * and that nothing old and nothing twice is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "mqtt/client.h"
#include "mqtt/commands.h"
#include "sync/replica/seal.h"

#define T0 INT64_C(1788218405000) /* 2026-09-01 07:20:05 in China */

/* --- the broker: what would have gone out --- */

struct client {
    bool online;
    int published; /* message ids from 1 */
    char topic[200], payload[600];
};
static struct client fake;

bool client_is_online(const struct client *client)
{
    return client->online;
}

int client_publish(struct client *client, const char *topic, const void *payload, size_t size,
                   int qos, bool retain, int *ret_message_id, struct err *err)
{
    (void)qos;
    assert_false(retain);
    if (!client->online)
        return err_set(err, ERR_STATE, "not online");
    snprintf(client->topic, sizeof client->topic, "%s", topic);
    snprintf(client->payload, sizeof client->payload, "%.*s", (int)size, (const char *)payload);
    *ret_message_id = ++client->published;
    return ERR_OK;
}

/* --- a station --- */

struct world {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct ingest *ingest;
    struct mqtt_outbox outbox;
    struct commands commands;
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static bool on_reply(void *ctx, const char *device_id, const char *id, bool ok)
{
    struct world *w = ctx;
    return commands_on_reply(&w->commands, device_id, id, ok);
}

static void on_gone(void *ctx, const char *command_id, bool sent)
{
    struct world *w = ctx;
    commands_on_gone(&w->commands, command_id, sent);
}

static void open_parts(struct world *w)
{
    const struct ingest_options options = {
        .replica = w->replica, .clock = &w->clock, .station = "S0117"};
    const struct ingest_callbacks callbacks = {w, NULL, NULL, on_reply};
    struct err err;
    assert_int_equal(ingest_open(&options, &callbacks, &w->ingest, &err), ERR_OK);
    mqtt_outbox_init(&w->outbox, w->replica, &w->clock, &fake);
    w->outbox.on_gone = on_gone;
    w->outbox.on_gone_ctx = w;
    commands_init(&w->commands, w->replica, &w->clock, "S0117", w->ingest, &w->outbox);
}

static void add_device(struct world *w, const char *id, const char *product)
{
    replica_run(w->replica,
                "INSERT INTO device(id, scope, school_id, product, kind) "
                "VALUES (?1, 'S0117', 'S14', ?2, 'x')",
                "ss", id, product);
}

static int setup(void **state)
{
    static struct world w;
    struct err err;
    log_set_sink(swallow, NULL);
    fake = (struct client){.online = true};
    w = (struct world){.rnd = rnd_seeded(1), .seal = seal_for_test()};
    w.cells = (struct clock_cells){T0, 1000};
    w.clock = clock_manual(&w.cells);
    struct replica_options options = {
        .path = ":memory:", .clock = &w.clock, .rnd = &w.rnd, .seal = w.seal};
    assert_int_equal(replica_open(&options, &w.replica, &err), ERR_OK);
    replica_enter(w.replica);
    add_device(&w, "FT1401", "mqtt_face");
    add_device(&w, "D1", "touyan");
    add_device(&w, "plug1", "tasmota");
    assert_true(replica_leave(w.replica, true));
    assert_true(replica_commit(w.replica));
    open_parts(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ingest_close(w->ingest);
    replica_close(w->replica);
    seal_close(w->seal);
    log_set_sink(NULL, NULL);
    return 0;
}

static void hear(struct world *w, const char *topic, const char *payload)
{
    struct ingest_message message = {topic, payload, strlen(payload), false};
    assert_true(ingest_message(w->ingest, &message));
    ingest_tick(w->ingest, true);
    assert_true(replica_commit(w->replica));
}

static void pass(struct world *w, int64_t ms)
{
    w->cells.wall_ms += ms;
    w->cells.mono_ms += ms;
    commands_tick(&w->commands);
    assert_true(replica_commit(w->replica));
    mqtt_outbox_pump(&w->outbox);
    assert_true(replica_commit(w->replica));
}

static int ask(struct world *w, const struct command_wish *wish, char id[LIMIT_ID_BYTES + 1],
               struct err *err)
{
    replica_enter(w->replica);
    int code = commands_ask(&w->commands, wish, id, err);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    return code;
}

static void assert_command(struct world *w, const char *id, const char *expected)
{
    char text[20] = "none";
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT state FROM device_command WHERE id = ?1", "s", id);
    assert_string_equal(text, expected);
}

static void puback(struct world *w)
{
    mqtt_outbox_on_published(&w->outbox, fake.published);
    assert_true(replica_commit(w->replica));
}

static const struct command_wish reboot = {.device_id = "FT1401", .name = "reboot"};

static void face_is_there(struct world *w)
{
    hear(w, "mqtt/face/heartbeat",
         "{\"operator\":\"HeartBeat\",\"info\":{\"facesluiceId\":\"FT1401\"}}");
}

/* --- the happy path --- */

static void test_acknowledged(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1], reply[300];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    assert_command(w, id, "queued");
    pass(w, 0);
    assert_command(w, id, "given");
    assert_string_equal(fake.topic, "mqtt/face/FT1401");
    assert_non_null(strstr(fake.payload, "\"operator\":\"RebootDevice\""));
    assert_non_null(strstr(fake.payload, id));
    puback(w);
    assert_command(w, id, "sent");
    snprintf(reply, sizeof reply,
             "{\"messageId\":\"%s\",\"operator\":\"RebootDevice-Ack\",\"info\":{"
             "\"facesluiceId\":\"FT1401\",\"result\":\"ok\"}}",
             id);
    hear(w, "mqtt/face/FT1401/Ack", reply);
    assert_command(w, id, "acknowledged");
    pass(w, 60000);
    assert_command(w, id, "acknowledged");
    assert_int_equal(fake.published, 1);
}

static void test_refused(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1], reply[300];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    snprintf(reply, sizeof reply,
             "{\"messageId\":\"%s\",\"operator\":\"X-Ack\",\"info\":{\"facesluiceId\":\"FT1401\","
             "\"result\":\"fail\"}}",
             id);
    hear(w, "mqtt/face/FT1401/Ack", reply); /* before the PUBACK */
    assert_command(w, id, "refused");
    puback(w);
    assert_command(w, id, "refused");
}

/* Another device cannot answer for it. */
static void test_reply_of_another(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1], reply[200];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    puback(w);
    snprintf(reply, sizeof reply, "{\"ack\":\"%s\"}", id);
    hear(w, "sc/S0117/S14/M/D1/ack", reply);
    assert_command(w, id, "sent");
}

static void test_reply_without_an_id(void **state)
{
    struct world *w = *state;
    char first[LIMIT_ID_BYTES + 1], second[LIMIT_ID_BYTES + 1];
    struct err err;
    const struct command_wish on = {.device_id = "plug1", .name = "on"};
    hear(w, "tele/plug1/LWT", "Online");
    assert_int_equal(ask(w, &on, first, &err), ERR_OK);
    pass(w, 0);
    puback(w);
    w->cells.wall_ms += 5;
    assert_int_equal(ask(w, &on, second, &err), ERR_OK);
    pass(w, 0);
    puback(w);
    assert_string_equal(fake.topic, "cmnd/plug1/POWER");
    assert_string_equal(fake.payload, "ON");
    hear(w, "stat/plug1/RESULT", "{\"POWER\":\"ON\"}");
    assert_command(w, first, "acknowledged");
    assert_command(w, second, "sent");
}

/* --- time --- */

static void test_no_reply(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1], reply[300];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    puback(w);
    pass(w, 10000);
    assert_command(w, id, "sent");
    pass(w, 1);
    assert_command(w, id, "timed_out");
    snprintf(reply, sizeof reply,
             "{\"messageId\":\"%s\",\"operator\":\"X-Ack\",\"info\":{\"facesluiceId\":\"FT1401\","
             "\"result\":\"ok\"}}",
             id);
    hear(w, "mqtt/face/FT1401/Ack", reply); /* late, but done */
    assert_command(w, id, "acknowledged");
}

static void test_device_away(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    struct err err;
    const struct command_wish gate = {.device_id = "D1", .name = "gate"};
    struct json *args = json_new_object();
    json_set_text(args, "state", "open");
    struct command_wish wish = gate;
    wish.args = args;
    hear(w, "sc/S0117/S14/M/D1/state", "{\"s\":\"offline\"}");
    assert_int_equal(ask(w, &wish, id, &err), ERR_OK);
    pass(w, 9000);
    assert_command(w, id, "queued");
    assert_int_equal(fake.published, 0);
    pass(w, 2000);
    assert_command(w, id, "expired");
    hear(w, "sc/S0117/S14/M/D1/state", "{\"s\":\"online\"}");
    pass(w, 1000);
    assert_int_equal(fake.published, 0); /* too late is never */
    assert_int_equal(ask(w, &wish, id, &err), ERR_OK);
    pass(w, 0);
    assert_int_equal(fake.published, 1);
    assert_string_equal(fake.topic, "sc/S0117/S14/M/D1/cmd");
    assert_non_null(strstr(fake.payload, "\"until\":1788218427000}"));
    json_free(args);
}

static void test_broker_away(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1], kept[LIMIT_ID_BYTES + 1];
    struct err err;
    face_is_there(w);
    fake.online = false;
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    assert_command(w, id, "given");
    pass(w, 50000);
    assert_int_equal(ask(w, &reboot, kept, &err), ERR_OK);
    pass(w, 11000);
    fake.online = true;
    mqtt_outbox_on_online(&w->outbox);
    assert_true(replica_commit(w->replica));
    assert_command(w, id, "expired");
    assert_int_equal(fake.published, 1);
    assert_non_null(strstr(fake.payload, kept));
}

/* --- what is asked for --- */

static void test_idempotent(void **state)
{
    struct world *w = *state;
    char first[LIMIT_ID_BYTES + 1], second[LIMIT_ID_BYTES + 1];
    struct err err;
    struct command_wish wish = reboot;
    wish.idem = "drill-7";
    face_is_there(w);
    assert_int_equal(ask(w, &wish, first, &err), ERR_OK);
    pass(w, 0);
    assert_int_equal(ask(w, &wish, second, &err), ERR_OK);
    assert_string_equal(first, second);
    pass(w, 1000);
    assert_int_equal(fake.published, 1);
}

static void assert_refused(struct world *w, const struct command_wish *wish, int code,
                           const char *text)
{
    char id[LIMIT_ID_BYTES + 1];
    struct err err = {0};
    assert_int_equal(ask(w, wish, id, &err), code);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not \"%s\"", err.text, text);
}

static void test_wrong_wishes(void **state)
{
    struct world *w = *state;
    struct command_wish wish = {.device_id = "nobody", .name = "reboot"};
    assert_refused(w, &wish, ERR_NOT_FOUND, "device nobody is not registered");
    wish = (struct command_wish){.device_id = "FT1401", .name = "sing"};
    assert_refused(w, &wish, ERR_NOT_FOUND, "product mqtt_face has no command sing");
    wish.name = "resend"; /* the program's own */
    assert_refused(w, &wish, ERR_NOT_FOUND, "has no command resend");
    wish.name = "volume";
    assert_refused(w, &wish, ERR_INVALID, "command volume needs volume=VALUE");
    struct json *args = json_new_object();
    json_set_text(args, "volume", "loud");
    wish.args = args;
    assert_refused(w, &wish, ERR_INVALID, "volume");
    json_free(args);
    wish = (struct command_wish){.device_id = "D1", .name = "play"};
    assert_refused(w, &wish, ERR_STATE, "was never heard");
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM device_command", ""), 0);
}

static void test_restart(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    ingest_close(w->ingest);
    open_parts(w); /* nothing is known of what was in flight */
    mqtt_outbox_on_online(&w->outbox);
    assert_true(replica_commit(w->replica));
    assert_int_equal(fake.published, 2); /* the same id: the device knows it */
    assert_non_null(strstr(fake.payload, id));
    puback(w);
    assert_command(w, id, "sent");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_acknowledged),     T(test_refused),
        T(test_reply_of_another), T(test_reply_without_an_id),
        T(test_no_reply),         T(test_device_away),
        T(test_broker_away),      T(test_idempotent),
        T(test_wrong_wishes),     T(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
