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

#include "tests/lib/mqttworld.h"

static const struct mqtt_world_device registered[] = {
    {"FT1401", "mqtt_face", "face", NULL},
    {"D1", "touyan", "sos", NULL},
    {"plug1", "tasmota", "plug", NULL},
    {0},
};

static int setup(void **state)
{
    static struct mqtt_world w;
    mqtt_world_open(&w, registered);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    mqtt_world_close(*state);
    return 0;
}

static void hear(struct mqtt_world *w, const char *topic, const char *payload)
{
    mqtt_world_hear(w, topic, payload);
    ingest_tick(w->ingest, true);
    assert_true(replica_commit(w->replica));
}

static void pass(struct mqtt_world *w, int64_t ms)
{
    mqtt_world_pass(w, ms);
    commands_tick(&w->commands);
    assert_true(replica_commit(w->replica));
    mqtt_outbox_pump(&w->outbox);
    assert_true(replica_commit(w->replica));
}

static int ask(struct mqtt_world *w, const struct command_wish *wish, char id[LIMIT_ID_BYTES + 1],
               struct err *err)
{
    replica_enter(w->replica);
    int code = commands_ask(&w->commands, wish, id, err);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    return code;
}

static void assert_command(struct mqtt_world *w, const char *id, const char *expected)
{
    char text[20] = "none";
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT state FROM device_command WHERE id = ?1", "s", id);
    assert_string_equal(text, expected);
}

static void puback(struct mqtt_world *w)
{
    mqtt_outbox_on_published(&w->outbox, w->broker.published);
    assert_true(replica_commit(w->replica));
}

static const struct command_wish reboot = {.device_id = "FT1401", .name = "reboot"};

static void face_is_there(struct mqtt_world *w)
{
    hear(w, "mqtt/face/heartbeat",
         "{\"operator\":\"HeartBeat\",\"info\":{\"facesluiceId\":\"FT1401\"}}");
}

/* --- the happy path --- */

static void test_acknowledged(void **state)
{
    struct mqtt_world *w = *state;
    char id[LIMIT_ID_BYTES + 1], reply[300];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    assert_command(w, id, "queued");
    pass(w, 0);
    assert_command(w, id, "given");
    assert_string_equal(w->broker.topic, "mqtt/face/FT1401");
    assert_non_null(strstr(w->broker.payload, "\"operator\":\"RebootDevice\""));
    assert_non_null(strstr(w->broker.payload, id));
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
    assert_int_equal(w->broker.published, 1);
}

static void test_refused(void **state)
{
    struct mqtt_world *w = *state;
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
    struct mqtt_world *w = *state;
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
    struct mqtt_world *w = *state;
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
    assert_string_equal(w->broker.topic, "cmnd/plug1/POWER");
    assert_string_equal(w->broker.payload, "ON");
    hear(w, "stat/plug1/RESULT", "{\"POWER\":\"ON\"}");
    assert_command(w, first, "acknowledged");
    assert_command(w, second, "sent");
}

/* --- time --- */

static void test_no_reply(void **state)
{
    struct mqtt_world *w = *state;
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
    struct mqtt_world *w = *state;
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
    assert_int_equal(w->broker.published, 0);
    pass(w, 2000);
    assert_command(w, id, "expired");
    hear(w, "sc/S0117/S14/M/D1/state", "{\"s\":\"online\"}");
    pass(w, 1000);
    assert_int_equal(w->broker.published, 0); /* too late is never */
    assert_int_equal(ask(w, &wish, id, &err), ERR_OK);
    pass(w, 0);
    assert_int_equal(w->broker.published, 1);
    assert_string_equal(w->broker.topic, "sc/S0117/S14/M/D1/cmd");
    assert_non_null(strstr(w->broker.payload, "\"until\":1788218427000}"));
    json_free(args);
}

static void test_broker_away(void **state)
{
    struct mqtt_world *w = *state;
    char id[LIMIT_ID_BYTES + 1], kept[LIMIT_ID_BYTES + 1];
    struct err err;
    face_is_there(w);
    w->broker.online = false;
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    assert_command(w, id, "given");
    pass(w, 50000);
    assert_int_equal(ask(w, &reboot, kept, &err), ERR_OK);
    pass(w, 11000);
    w->broker.online = true;
    mqtt_outbox_on_online(&w->outbox);
    assert_true(replica_commit(w->replica));
    assert_command(w, id, "expired");
    assert_int_equal(w->broker.published, 1);
    assert_non_null(strstr(w->broker.payload, kept));
}

/* --- what is asked for --- */

static void test_idempotent(void **state)
{
    struct mqtt_world *w = *state;
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
    assert_int_equal(w->broker.published, 1);
}

static void assert_refused(struct mqtt_world *w, const struct command_wish *wish, int code,
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
    struct mqtt_world *w = *state;
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
    struct mqtt_world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    struct err err;
    face_is_there(w);
    assert_int_equal(ask(w, &reboot, id, &err), ERR_OK);
    pass(w, 0);
    mqtt_world_restart(w); /* nothing is known of what was in flight */
    mqtt_outbox_on_online(&w->outbox);
    assert_true(replica_commit(w->replica));
    assert_int_equal(w->broker.published, 2); /* the same id: the device knows it */
    assert_non_null(strstr(w->broker.payload, id));
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
