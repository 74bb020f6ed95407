/* Messages as the devices send them, through the shipped rules into a replica in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/limits.h"
#include "tests/lib/mqttworld.h"

#define T0 MQTT_WORLD_T0
#define SC "sc/S0117/S14/M/"

struct seen {
    char id[200], device[65], code[65], subject[65];
    enum mqtt_kind kind;
    int64_t device_at_ms;
    bool fresh, alarm, retained;
};

struct world {
    struct mqtt_world m;
    struct seen seen[8];
    int events;
    char ack_topic[200], ack_payload[400];
    int acks;
    bool break_handler;
};

static void on_event(void *ctx, const struct mqtt_event *event)
{
    struct world *w = ctx;
    struct seen *seen = &w->seen[w->events++ % 8];
    snprintf(seen->id, sizeof seen->id, "%s", event->id);
    snprintf(seen->device, sizeof seen->device, "%s", event->device_id);
    snprintf(seen->code, sizeof seen->code, "%s", event->code);
    snprintf(seen->subject, sizeof seen->subject, "%s", event->subject);
    seen->kind = event->kind;
    seen->device_at_ms = event->device_at_ms;
    seen->fresh = event->fresh;
    seen->alarm = event->alarm;
    seen->retained = event->retained;
    if (w->break_handler)
        replica_run(w->m.replica, "INSERT INTO kv(k, v) VALUES ('turn', 0)", "");
}

static void on_ack(void *ctx, const char *topic, const char *payload, int qos)
{
    struct world *w = ctx;
    (void)qos;
    assert_false(replica_in_turn(w->m.replica)); /* after the commit */
    snprintf(w->ack_topic, sizeof w->ack_topic, "%s", topic);
    snprintf(w->ack_payload, sizeof w->ack_payload, "%s", payload);
    w->acks++;
}

static const struct mqtt_world_device registered[] = {
    {"FT1401", "mqtt_face", "face", NULL},
    {"SOS1", "touyan", "sos", NULL},
    {"btn", "zigbee2mqtt", "sos", NULL},
    {"shellyplusi4-a8032abe54dc", "shelly", "sos", NULL},
    {"e4720000964b5c00", "vbar_vf105", "face", NULL},
    {0},
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.m.callbacks = {&w, on_event, on_ack, NULL}};
    mqtt_world_open(&w.m, registered);
    w.m.cells.wall_ms = T0 + 300;
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mqtt_world_close(&w->m);
    return 0;
}

static void send_string(struct world *w, const char *topic, const char *payload, bool retained)
{
    mqtt_world_send(&w->m, topic, payload, strlen(payload), retained);
}

static void send_file(struct world *w, const char *topic, const char *name)
{
    char path[512], payload[4096];
    snprintf(path, sizeof path, "%s/%s.json", MQTT_DATA, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail_msg("%s is missing", path);
    size_t size = fread(payload, 1, sizeof payload, file);
    fclose(file);
    mqtt_world_send(&w->m, topic, payload, size, false);
}

static int64_t count(struct world *w, const char *sql)
{
    return mqtt_world_count(&w->m, sql);
}

static void assert_raw(struct world *w, int rows, const char *reason)
{
    char text[400] = "";
    assert_int_equal(count(w, "SELECT count(*) FROM mqtt_raw"), rows);
    replica_get_text(w->m.replica, text, sizeof text,
                     "SELECT reason FROM mqtt_raw ORDER BY id DESC LIMIT 1", "");
    if (strstr(text, reason) == NULL)
        fail_msg("reason is \"%s\", not \"%s\"", text, reason);
}

static void assert_state(struct world *w, const char *device, const char *expected)
{
    char text[20] = "none";
    replica_get_text(w->m.replica, text, sizeof text,
                     "SELECT state FROM device_state WHERE device_id = ?1", "s", device);
    assert_string_equal(text, expected);
}

/* --- the rules that come with the program --- */

static const struct seen *last(struct world *w)
{
    assert_true(w->events > 0);
    return &w->seen[(w->events - 1) % 8];
}

/* The first message of a device also brings presence_on. */
static const struct seen *event_of(struct world *w, enum mqtt_kind kind)
{
    for (int i = w->events - 1; i >= 0 && i > w->events - 8; i--)
        if (w->seen[i % 8].kind == kind)
            return &w->seen[i % 8];
    fail_msg("no event of kind %s", mqtt_kind_name(kind));
    return NULL;
}

static void test_face_check_in(void **state)
{
    struct world *w = *state;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec");
    const struct seen *seen = event_of(w, MQTT_CHECK_IN);
    assert_string_equal(seen->id, "FT1401:389@2026-09-01 07:20:05");
    assert_string_equal(seen->subject, "22");
    assert_int_equal(seen->device_at_ms, T0);
    assert_true(seen->fresh);
    assert_false(seen->alarm);
    assert_int_equal(w->acks, 1);
    assert_string_equal(w->ack_topic, "mqtt/face/FT1401");
    assert_string_equal(w->ack_payload, "{\"operator\":\"PushAck\",\"messageId\":\"389\",\"info\":{"
                                        "\"PushAckType\":2,\"SnapOrRecordID\":389}}");
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'check_in' AND "
                              "scope = 'S0117' AND device_id = 'FT1401' AND fresh = 1"),
                     1);
    /* nobody's name and number anywhere */
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE id || code || subject LIKE "
                              "'%王%' OR id || code || subject LIKE '%13800000001%'"),
                     0);
}

static void test_repeated_is_one_event_and_is_answered(void **state)
{
    struct world *w = *state;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec");
    int events = w->events;
    w->m.cells.wall_ms += 60000;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec");
    assert_int_equal(w->events, events);
    assert_int_equal(w->acks, 2);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'check_in'"), 1);
    assert_int_equal(ingest_counts(w->m.ingest).duplicates, 1);
    /* also after a restart */
    mqtt_world_restart(&w->m);
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec");
    assert_int_equal(w->events, events);
    assert_int_equal(w->acks, 3);
}

static void test_stranger_is_answered_and_not_kept(void **state)
{
    struct world *w = *state;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec_stranger");
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'check_in'"), 0);
    assert_int_equal(w->acks, 1);
    assert_int_equal(count(w, "SELECT count(*) FROM mqtt_raw"), 0);
}

static void test_leave_post(void **state)
{
    struct world *w = *state;
    w->m.cells.wall_ms += 90000;
    send_file(w, "mqtt/face/FT1401/Snap", "face_leave");
    const struct seen *seen = event_of(w, MQTT_LEAVE_POST);
    assert_true(seen->fresh);
    assert_string_equal(w->ack_payload, "{\"operator\":\"PushAck\",\"messageId\":\"946\",\"info\":{"
                                        "\"PushAckType\":1,\"SnapOrRecordID\":946}}");
}

static void test_spoofed_terminal(void **state)
{
    struct world *w = *state;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec_spoofed");
    assert_raw(w, 1, "payload names another device");
    assert_int_equal(w->events, 0);
    assert_int_equal(w->acks, 0);
    char payload[LIMIT_RAW_KEPT_BYTES + 1];
    assert_true(replica_get_text(w->m.replica, payload, sizeof payload,
                                 "SELECT payload FROM mqtt_raw", ""));
    assert_null(strstr(payload, "王"));
    assert_null(strstr(payload, "13800000001"));
    assert_null(strstr(payload, "510124"));
    assert_non_null(strstr(payload, "FT1601"));
}

static void test_unregistered_is_discovered(void **state)
{
    struct world *w = *state;
    send_string(w, "sc/S0117/S14/M/NEW1/evt", "{\"id\":\"1-1\",\"k\":\"door\"}", false);
    assert_raw(w, 1, "unknown device");
    assert_int_equal(w->events, 0);
    assert_int_equal(w->acks, 0);
    assert_state(w, "NEW1", "online");
    assert_int_equal(count(w, "SELECT count(*) FROM device_list WHERE device_id = 'NEW1' AND "
                              "registered = 0 AND product = 'touyan'"),
                     1);
}

/* The registry may come later than the button. */
static void test_sos_of_an_unregistered_button(void **state)
{
    struct world *w = *state;
    send_string(w, "sc/S0117/S14/M/NEW1/evt", "{\"id\":\"1-2\",\"k\":\"sos\"}", false);
    assert_raw(w, 1, "unknown device");
    assert_int_equal(w->events, 1);
    const struct seen *seen = event_of(w, MQTT_SOS);
    assert_true(seen->alarm);
    assert_string_equal(seen->device, "NEW1");
    assert_int_equal(w->acks, 0);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE device_id = 'NEW1'"), 0);
    send_string(w, "sc/S0117/S14/M/NEW2/evt", "{\"id\":\"1-2\",\"k\":\"sos\"}", true); /* kept */
    assert_int_equal(w->events, 1);
}

static void test_other_product_cannot_speak_for_a_device(void **state)
{
    struct world *w = *state;
    send_string(w, "zigbee2mqtt/SOS1", "{\"action\":\"emergency\"}", false);
    assert_raw(w, 1, "another product");
    assert_int_equal(w->events, 0);
    send_file(w, SC "SOS1/evt", "own_sos"); /* and does not shut it out */
    event_of(w, MQTT_SOS);
    assert_state(w, "SOS1", "online");
}

static void test_own_sos(void **state)
{
    struct world *w = *state;
    send_file(w, SC "SOS1/evt", "own_sos");
    const struct seen *seen = event_of(w, MQTT_SOS);
    assert_string_equal(seen->id, "SOS1:7-12");
    assert_string_equal(seen->code, "button");
    assert_true(seen->fresh && seen->alarm);
    assert_string_equal(w->ack_topic, "sc/S0117/S14/M/SOS1/cmd");
    assert_string_equal(w->ack_payload, "{\"ack\":\"7-12\"}");
}

/* What is around the press may be anything: it is told all the same, once, and kept raw to be
 * looked at. */
static void test_sos_with_odd_words(void **state)
{
    struct world *w = *state;
    char longest[400], payload[600];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    static const char *const odd[] = {
        "{\"id\":{\"boot\":1,\"n\":2},\"k\":\"sos\"}",
        "{\"id\":[1],\"k\":\"sos\",\"c\":\"button\"}",
        "{\"id\":\"2-1\",\"k\":\"sos\",\"c\":{\"a\":1}}",
        "{\"id\":\"2-2\",\"k\":\"sos\",\"s\":[1,2],\"ts\":\"never\"}",
        "{\"id\":\"2-3\\n\",\"k\":\"fire\"}",
        "{\"id\":\"2-4\",\"k\":\"sos\",\"dev\":{\"id\":\"SOS1\"}}",
    };
    int rows = 0;
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"door\"}", false);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0] + 1; i++) {
        snprintf(payload, sizeof payload, "{\"id\":\"%s\",\"k\":\"sos\",\"n\":1}", longest);
        const char *text = i < sizeof odd / sizeof odd[0] ? odd[i] : payload;
        int before = w->events;
        for (int again = 0; again < 2; again++)
            send_string(w, SC "SOS1/evt", text, false);
        assert_true(last(w)->kind == MQTT_SOS || last(w)->kind == MQTT_FIRE);
        assert_true(last(w)->alarm);
        assert_int_equal(w->events - before, 1);
        rows += strstr(text, "\"dev\"") == NULL ? 2 : 0;
        assert_int_equal(count(w, "SELECT count(*) FROM mqtt_raw"), rows);
    }
    /* what is no alarm is kept raw as before */
    int before = w->events;
    send_string(w, SC "SOS1/evt", "{\"id\":[1],\"k\":\"door\"}", false);
    assert_raw(w, rows + 1, "no plain value");
    assert_int_equal(w->events, before);
}

static void test_sos_of_a_device_without_a_usable_id(void **state)
{
    struct world *w = *state;
    char topic[200], name[90];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(topic, sizeof topic, "sc/S0117/S14/M/%s/evt", name);
    send_string(w, topic, "{\"id\":\"1-1\",\"k\":\"sos\"}", false);
    assert_string_equal(event_of(w, MQTT_SOS)->device, "unnamed-touyan");
    assert_true(event_of(w, MQTT_SOS)->alarm);
    /* but nobody presses for somebody else */
    int before = w->events;
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"sos\",\"dev\":\"SOS2\"}", false);
    assert_int_equal(w->events, before);
}

static void test_unreadable_button_is_pressed(void **state)
{
    struct world *w = *state;
    static char huge[LIMIT_MQTT_MAPPED_BYTES * 2];
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"so", false);
    assert_true(last(w)->alarm);
    assert_int_equal(last(w)->kind, MQTT_SOS);
    assert_string_equal(last(w)->code, "unreadable");
    assert_raw(w, 1, "malformed");
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"so", false); /* sent again: one press */
    assert_int_equal(w->events, 1);
    send_string(w, SC "SOS1/evt", "\xff\xfe", false);
    assert_int_equal(w->events, 2);
    size_t used = 0;
    while (used < sizeof huge - 20)
        used += (size_t)snprintf(huge + used, sizeof huge - used, "[\"%06zu\",", used);
    send_string(w, SC "SOS1/evt", huge, false);
    assert_int_equal(w->events, 3);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE code = 'unreadable'"), 3);
    /* not what the broker kept, not a terminal's, not a stranger's */
    send_string(w, SC "SOS1/evt", "{", true);
    assert_false(last(w)->alarm);
    int before = w->events;
    send_string(w, "mqtt/face/FT1401/Rec", "{", false);
    send_string(w, SC "NEW1/evt", "{", false);
    assert_int_equal(w->events, before);
}

/* What is broken may have been signed; what can be read and is not signed is somebody else's. */
static void test_unreadable_button_that_signs(void **state)
{
    struct world *w = *state;
    replica_enter(w->m.replica);
    replica_run(w->m.replica,
                "INSERT INTO device_key(device_id, password, mac_key, made_at)"
                " VALUES ('SOS1', seal('p'), seal('00112233445566778899aabbccddeeff'), 0)",
                "");
    assert_true(replica_leave(w->m.replica, true));
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"sos\"}", false);
    assert_int_equal(w->events, 0);
    assert_raw(w, 1, "signature");
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-2\",\"k\":\"sos\",\"mac\":\"0f", false);
    assert_int_equal(w->events, 1);
    assert_true(last(w)->alarm);
    assert_string_equal(last(w)->code, "unreadable");
    assert_raw(w, 2, "malformed");
}

#define VBAR "access_device/v2/event/"

/* A terminal with a prefix is not believed without it, where any account could speak for it. */
static void test_shared_topics(void **state)
{
    static const char door[] = "{\"serialNo\":\"a%d\",\"uuid\":\"e4720000964b5c00\","
                               "\"data\":{\"type\":%d,\"value\":1}}";
    static const char doors[] = "SELECT count(*) FROM device_event WHERE kind = 'door'";
    struct world *w = *state;
    char payload[200];
    snprintf(payload, sizeof payload, door, 1, 256);
    send_string(w, VBAR "alarm", payload, false);
    assert_int_equal(count(w, doors), 1); /* it was never heard elsewhere */
    assert_string_equal(w->ack_topic, VBAR "e4720000964b5c00/alarm_reply");
    snprintf(payload, sizeof payload, door, 2, 256);
    send_string(w, "e4720000964b5c00/" VBAR "alarm", payload, false);
    assert_int_equal(count(w, doors), 2);
    assert_string_equal(w->ack_topic, "e4720000964b5c00/" VBAR "e4720000964b5c00/alarm_reply");
    snprintf(payload, sizeof payload, door, 3, 256);
    send_string(w, VBAR "alarm", payload, false);
    assert_int_equal(count(w, doors), 2);
    assert_raw(w, 1, "topics of its own");
    send_string(w, VBAR "offline", "{\"uuid\":\"e4720000964b5c00\"}", false);
    assert_state(w, "e4720000964b5c00", "online");
    assert_raw(w, 2, "topics of its own");
    send_string(w, "another/" VBAR "offline", "{\"uuid\":\"e4720000964b5c00\"}", false);
    assert_raw(w, 3, "another device");
    ingest_tick(w->m.ingest, true);
    assert_true(replica_commit(w->m.replica));
    mqtt_world_restart(&w->m);
    snprintf(payload, sizeof payload, door, 4, 257);
    send_string(w, VBAR "alarm", payload, false); /* fire is told whatever is wrong around it */
    assert_true(last(w)->alarm);
    assert_int_equal(last(w)->kind, MQTT_FIRE);
    assert_raw(w, 4, "topics of its own");
    send_string(w, "e4720000964b5c00/" VBAR "offline", "{\"uuid\":\"e4720000964b5c00\"}", false);
    assert_state(w, "e4720000964b5c00", "offline");
}

static void test_number_of_another_kind(void **state)
{
    struct world *w = *state;
    send_string(w, SC "SOS1/evt", "{\"id\":\"9-1\",\"k\":\"door\"}", false);
    for (int i = 0; i < 2; i++)
        send_string(w, SC "SOS1/evt", "{\"id\":\"9-1\",\"k\":\"tamper\"}", false);
    assert_int_equal(last(w)->kind, MQTT_TAMPER);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'tamper'"), 1);
}

/* Its counter begins anew with each battery. */
static void test_number_used_again(void **state)
{
    struct world *w = *state;
    send_file(w, SC "SOS1/evt", "own_sos");
    char dated[100];
    snprintf(dated, sizeof dated, "{\"id\":\"7-12\",\"ts\":%lld,\"k\":\"sos\"}",
             (long long)T0 + 3600000);
    w->m.cells.wall_ms = T0 + 3600000;
    for (int i = 0; i < 2; i++)
        send_string(w, SC "SOS1/evt", dated, false);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 2);
    assert_true(last(w)->alarm);
    for (int day = 0; day < 3; day++) { /* without a date: the same within a day */
        send_string(w, SC "SOS1/evt", "{\"id\":\"8-1\",\"k\":\"sos\"}", false);
        w->m.cells.wall_ms += 60000;
        send_string(w, SC "SOS1/evt", "{\"id\":\"8-1\",\"k\":\"sos\"}", false);
        w->m.cells.wall_ms += INT64_C(25) * 3600 * 1000;
    }
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 5);
}

static void test_late_sos_still_alarms(void **state)
{
    struct world *w = *state;
    w->m.cells.wall_ms = T0 + 29 * 60000;
    send_file(w, SC "SOS1/evt", "own_sos");
    assert_false(event_of(w, MQTT_SOS)->fresh);
    assert_true(event_of(w, MQTT_SOS)->alarm);
}

static void test_old_sos_does_not(void **state)
{
    struct world *w = *state;
    w->m.cells.wall_ms = T0 + 31 * 60000;
    send_file(w, SC "SOS1/evt", "own_sos");
    assert_false(event_of(w, MQTT_SOS)->alarm);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 1);
}

static void test_retained_sos_does_not(void **state)
{
    struct world *w = *state;
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"k\":\"sos\"}", true);
    assert_false(last(w)->alarm || last(w)->fresh);
    assert_true(last(w)->retained);
}

static void test_undated_sos_alarms(void **state)
{
    struct world *w = *state;
    send_string(w, SC "SOS1/evt", "{\"id\":\"1-1\",\"ts\":5000,\"k\":\"sos\"}", false);
    assert_int_equal(event_of(w, MQTT_SOS)->device_at_ms, 0); /* its clock was never set */
    assert_true(event_of(w, MQTT_SOS)->alarm);
    assert_false(event_of(w, MQTT_SOS)->fresh);
}

static void test_wrong_clock_is_learnt_from_heartbeats(void **state)
{
    struct world *w = *state;
    w->m.cells.wall_ms = T0 + 3600000 - 25000 + 300; /* its clock is an hour slow */
    send_file(w, "mqtt/face/heartbeat", "face_heartbeat");
    w->m.cells.wall_ms = T0 + 3600000 + 400;
    send_file(w, "mqtt/face/FT1401/Rec", "face_rec");
    const struct seen *seen = event_of(w, MQTT_CHECK_IN);
    assert_true(seen->fresh);
    assert_in_range(seen->device_at_ms, T0 + 3600000, T0 + 3600400);
}

static void test_buttons(void **state)
{
    struct world *w = *state;
    w->m.cells.wall_ms = T0 + 1000;
    send_file(w, "zigbee2mqtt/btn", "zigbee_sos");
    assert_true(event_of(w, MQTT_SOS)->alarm);
    w->m.cells.wall_ms += 1000;
    send_file(w, "zigbee2mqtt/btn", "zigbee_sos"); /* within ten seconds: one */
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 1);
    w->m.cells.wall_ms += 20000;
    send_file(w, "zigbee2mqtt/btn", "zigbee_sos");
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 2);
    send_file(w, "zigbee2mqtt/btn", "zigbee_report");
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 2);
    send_file(w, "shellyplusi4-a8032abe54dc/events/rpc", "shelly_push");
    assert_string_equal(event_of(w, MQTT_SOS)->device, "shellyplusi4-a8032abe54dc");
    assert_int_equal(event_of(w, MQTT_SOS)->device_at_ms, T0 + 430);
}

/* --- presence --- */

static void test_presence_by_will(void **state)
{
    struct world *w = *state;
    send_file(w, SC "SOS1/state", "own_online");
    assert_int_equal(last(w)->kind, MQTT_PRESENCE_ON);
    send_file(w, SC "SOS1/state", "own_online");
    assert_int_equal(w->events, 1);
    send_file(w, SC "SOS1/state", "own_offline");
    assert_int_equal(last(w)->kind, MQTT_PRESENCE_OFF);
    assert_string_equal(last(w)->code, "lwt");
    assert_state(w, "SOS1", "offline");
    assert_int_equal(count(w, "SELECT count(*) FROM device_event"), 2);
}

static void test_presence_by_plain_text(void **state)
{
    struct world *w = *state;
    send_string(w, "shellyplusi4-a8032abe54dc/online", "true", true);
    assert_state(w, "shellyplusi4-a8032abe54dc", "online");
    send_string(w, "shellyplusi4-a8032abe54dc/online", "false", false);
    assert_state(w, "shellyplusi4-a8032abe54dc", "offline");
    send_string(w, "shellyplusi4-a8032abe54dc/online", "a \"b\" \\", false);
    assert_raw(w, 1, "no rule for this payload");
}

/* Seconds of both clocks, a tick a second. */
static void pass(struct world *w, int seconds, bool connected)
{
    for (int i = 0; i < seconds; i++) {
        w->m.cells.wall_ms += 1000;
        w->m.cells.mono_ms += 1000;
        ingest_tick(w->m.ingest, connected);
        assert_true(replica_commit(w->m.replica));
    }
}

static void test_presence_by_silence(void **state)
{
    struct world *w = *state;
    pass(w, 2, true);
    send_file(w, "mqtt/face/heartbeat", "face_heartbeat");
    assert_state(w, "FT1401", "online");
    pass(w, 99, true);
    assert_state(w, "FT1401", "online");
    pass(w, 3, true);
    assert_state(w, "FT1401", "offline");
    assert_string_equal(last(w)->code, "silent");
    assert_int_equal(count(w, "SELECT count(*) FROM device_state WHERE device_id = 'FT1401' AND "
                              "messages = 1 AND silent_s = 100"),
                     1);
    send_file(w, "mqtt/face/heartbeat", "face_heartbeat");
    assert_state(w, "FT1401", "online");
}

static void test_no_silence_without_broker_or_over_a_clock_jump(void **state)
{
    struct world *w = *state;
    pass(w, 2, true);
    send_file(w, "mqtt/face/heartbeat", "face_heartbeat");
    pass(w, 500, false);
    pass(w, 90, true);
    assert_state(w, "FT1401", "online");
    w->m.cells.wall_ms += 3 * INT64_C(86400000);
    pass(w, 90, true);
    assert_state(w, "FT1401", "online");
    pass(w, 20, true);
    assert_state(w, "FT1401", "offline");
}

/* --- what is wrong --- */

static void test_malformed(void **state)
{
    struct world *w = *state;
    send_file(w, SC "SOS1/evt", "bad_cut");
    assert_raw(w, 1, "malformed JSON");
    send_file(w, SC "SOS1/evt", "bad_utf8");
    assert_raw(w, 2, "not UTF-8");
    send_file(w, SC "SOS1/evt", "own_unknown_kind");
    assert_raw(w, 3, "unknown kind");
    send_file(w, "other/v2/event/connect", "vbar_connect");
    assert_raw(w, 4, "no rule for this topic");
    assert_int_equal(count(w, "SELECT count(*) FROM mqtt_raw WHERE payload LIKE '%secret-of%' OR "
                              "payload LIKE '%13800000001%'"),
                     0);
    send_string(w, SC "SOS1/evt", "{\"id\":{\"name\":\"x\"},\"k\":\"sos\"}", false);
    assert_raw(w, 5, "no plain value");
    send_string(w, SC "$x/evt", "{\"id\":\"1\",\"k\":\"sos\"}", false);
    assert_raw(w, 6, "no usable device id");
    send_string(w, SC "SOS1/evt", "", true);
    assert_int_equal(count(w, "SELECT count(*) FROM mqtt_raw"), 6);
    /* it is a button: what cannot be read is a press (two), and so is one with an odd number */
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 3);
    assert_int_equal(ingest_counts(w->m.ingest).raw, 6);
}

static void test_huge_and_deep(void **state)
{
    struct world *w = *state;
    size_t size = 900000;
    char *payload = malloc(size + 1);
    assert_non_null(payload);
    memset(payload, '[', size);
    mqtt_world_send(&w->m, SC "SOS1/evt", payload, size, false);
    assert_raw(w, 1, "too large without its photos");
    mqtt_world_send(&w->m, SC "SOS1/evt", payload, LIMIT_MQTT_MAPPED_BYTES - 1, false);
    assert_raw(w, 2, "malformed JSON");
    memset(payload, 'A', size);
    int head = snprintf(payload, size, "{\"id\":\"1-1\",\"k\":\"sos\",\"pic\":\"");
    payload[head] = 'A';
    memcpy(payload + size - 2, "\"}", 2);
    mqtt_world_send(&w->m, SC "SOS1/evt", payload, size, false);
    event_of(w, MQTT_SOS); /* a photo does not hide an alarm */
    char *bomb = calloc(1, LIMIT_MQTT_PAYLOAD_BYTES + 1);
    assert_non_null(bomb);
    memset(bomb, '1', LIMIT_MQTT_PAYLOAD_BYTES + 1);
    mqtt_world_send(&w->m, SC "SOS1/evt", bomb, LIMIT_MQTT_PAYLOAD_BYTES + 1, false);
    assert_raw(w, 3, "payload too large");
    free(bomb);
    free(payload);
}

static void test_raw_is_bounded(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < LIMIT_RAW_ROWS + 250; i++) {
        struct ingest_message message = {"x/y", "hello", 5, false};
        assert_true(ingest_message(w->m.ingest, &message));
    }
    assert_true(replica_commit(w->m.replica));
    int64_t rows = count(w, "SELECT count(*) FROM mqtt_raw");
    assert_in_range(rows, LIMIT_RAW_ROWS, LIMIT_RAW_ROWS + 100);
    assert_int_equal(ingest_counts(w->m.ingest).raw, LIMIT_RAW_ROWS + 250);
}

/* What is said, when, and whether somebody is told at once. */
static void test_who_is_told(void **state)
{
    static const struct {
        const char *what; /* members behind id and k */
        const char *kind;
        int64_t age_ms;
        bool retained, fresh, alarm;
    } cases[] = {
        {"", "fire", 119000, false, true, true},
        {"", "fire", 121000, false, false, false}, /* late: stored, no siren */
        {"", "intrusion", 0, false, true, true},
        {"", "tamper", -119000, false, true, true},
        {"", "tamper", -121000, false, false, true}, /* its clock is ahead: it is not late */
        {"", "door", 0, false, true, false},
        {"", "sos", 0, true, false, false},
        {",\"replay\":true", "sos", 0, false, false, false},
        {",\"replay\":true", "fire", 0, false, false, false},
        {",\"replay\":false", "fire", 0, false, true, true},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char payload[200];
        snprintf(payload, sizeof payload, "{\"id\":\"9-%zu\",\"k\":\"%s\",\"ts\":%lld%s}", i,
                 cases[i].kind, (long long)(w->m.cells.wall_ms - cases[i].age_ms), cases[i].what);
        send_string(w, SC "SOS1/evt", payload, cases[i].retained);
        const struct seen *seen = event_of(w, (enum mqtt_kind)mqtt_kind_from_name(cases[i].kind));
        if (seen->fresh != cases[i].fresh || seen->alarm != cases[i].alarm)
            fail_msg("case %zu: fresh %d alarm %d", i, seen->fresh, seen->alarm);
    }
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind NOT LIKE 'presence%'"),
                     (int)(sizeof cases / sizeof cases[0]));
}

/* Several records in one message; one that nobody can read does not stop the others or the queue.
 */
static void test_records_of_one_message(void **state)
{
    struct world *w = *state;
    static const char head[] = "{\"serialNo\":\"s1\",\"uuid\":\"V1\",\"data\":[";
    char payload[900];
    replica_enter(w->m.replica);
    mqtt_world_add(&w->m, &(struct mqtt_world_device){"V1", "vbar_vf105", "face", NULL});
    assert_true(replica_leave(w->m.replica, true));
    snprintf(payload, sizeof payload,
             "%s{\"userId\":\"U1\",\"type\":\"300\",\"timeStamp\":1788218405,\"result\":0},"
             "{\"userId\":{\"x\":1},\"type\":\"300\",\"timeStamp\":1788218406,\"result\":0},"
             "{\"userId\":\"U3\",\"type\":\"200\",\"timeStamp\":1788218407,\"result\":0}]}",
             head);
    send_string(w, "access_device/v2/event/access", payload, false);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'check_in'"), 2);
    assert_raw(w, 1, "no plain value");
    assert_int_equal(w->acks, 1);
    assert_string_equal(w->ack_topic, "access_device/v2/event/V1/access_reply");
    send_string(w, "access_device/v2/event/access", payload, false);
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'check_in'"), 2);
    assert_int_equal(w->acks, 2);
}

static void test_broken_handler_keeps_the_event(void **state)
{
    struct world *w = *state;
    w->break_handler = true;
    send_file(w, SC "SOS1/evt", "own_sos");
    w->break_handler = false;
    assert_int_equal(count(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'"), 1);
    assert_int_equal(w->acks, 1);
    assert_int_equal(count(w, "SELECT v > 0 FROM kv WHERE k = 'turn'"), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_face_check_in),
        T(test_repeated_is_one_event_and_is_answered),
        T(test_stranger_is_answered_and_not_kept),
        T(test_leave_post),
        T(test_spoofed_terminal),
        T(test_unregistered_is_discovered),
        T(test_sos_of_an_unregistered_button),
        T(test_other_product_cannot_speak_for_a_device),
        T(test_own_sos),
        T(test_sos_with_odd_words),
        T(test_sos_of_a_device_without_a_usable_id),
        T(test_unreadable_button_is_pressed),
        T(test_unreadable_button_that_signs),
        T(test_shared_topics),
        T(test_number_used_again),
        T(test_number_of_another_kind),
        T(test_late_sos_still_alarms),
        T(test_old_sos_does_not),
        T(test_retained_sos_does_not),
        T(test_undated_sos_alarms),
        T(test_wrong_clock_is_learnt_from_heartbeats),
        T(test_buttons),
        T(test_presence_by_will),
        T(test_presence_by_plain_text),
        T(test_presence_by_silence),
        T(test_no_silence_without_broker_or_over_a_clock_jump),
        T(test_malformed),
        T(test_huge_and_deep),
        T(test_raw_is_bounded),
        T(test_who_is_told),
        T(test_records_of_one_message),
        T(test_broken_handler_keeps_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
