/* The bridge over a replica in memory: who is obeyed and how often, what goes out, when, and what
 * becomes of it. The broker and the duty are only written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "mqtt/accounts.h"
#include "mqtt/radio/pbuf.h"
#include "mqtt/radio/radio.h"
#include "tests/lib/mqttworld.h"

#define OFFICER "!7efeee00"
#define LEADER "!0a0b0c0d"
#define MINUTE_MS INT64_C(60000)

static struct bridge {
    struct mqtt_world mqtt;
    struct radio *radio;
    bool online;
    int heard, late, said;
    char text[256], id[256], person[64];
    char topic[256];
    uint8_t payload[1024];
    size_t size;
    int64_t until_ms;
} world;

static bool on_text(void *ctx, const struct radio_heard *heard)
{
    struct bridge *w = ctx;
    w->heard++;
    w->late += heard->late;
    text_copy(w->text, sizeof w->text, heard->text);
    text_copy(w->id, sizeof w->id, heard->id);
    text_copy(w->person, sizeof w->person, heard->person_id);
    return true;
}

static int publish(void *ctx, const char *topic, const void *payload, size_t size, int64_t until_ms,
                   struct err *err)
{
    struct bridge *w = ctx;
    (void)err;
    w->said++;
    text_copy(w->topic, sizeof w->topic, topic);
    assert_true(size < sizeof w->payload);
    memcpy(w->payload, payload, size);
    w->payload[size] = '\0';
    w->size = size;
    w->until_ms = until_ms;
    return ERR_OK;
}

static bool online(void *ctx)
{
    struct bridge *w = ctx;
    return w->online;
}

static const struct mapping *rules(void *ctx)
{
    struct bridge *w = ctx;
    return ingest_rules(w->mqtt.ingest);
}

static void open_radio_as(struct bridge *w, int air_percent, bool json)
{
    const struct radio_settings settings = {.station = "S0117",
                                            .root = "msh/CN",
                                            .channel = "touyan",
                                            .node = "!7d0a0001",
                                            .preset = LORA_LONG_FAST,
                                            .emission_ms = 1000,
                                            .hops = 3,
                                            .text_bytes = 140,
                                            .text_gap_ms = 2000,
                                            .json = json};
    struct radio_options options = {.replica = w->mqtt.replica,
                                    .clock = &w->mqtt.clock,
                                    .rnd = &w->mqtt.rnd,
                                    .air_percent = air_percent};
    const struct radio_ports ports = {w, on_text, publish, online, rules};
    struct err err = {0};
    assert_int_equal(radio_link_make(&settings, &options.link, &err), ERR_OK);
    assert_int_equal(radio_open(&options, &ports, &w->radio, &err), ERR_OK);
}

static void open_radio(struct bridge *w, int air_percent)
{
    open_radio_as(w, air_percent, false);
}

static void talk(void *ctx, const struct mqtt_talk *heard)
{
    struct bridge *w = ctx;
    radio_on_talk(w->radio, heard);
}

static int unpack(void *ctx, const char *topic, const void *payload, size_t size, struct buf *ret)
{
    struct bridge *w = ctx;
    return radio_unpack(w->radio, topic, payload, size, ret);
}

static void add(struct bridge *w, const char *product, const char *node, const char *person)
{
    struct err err = {0};
    replica_enter(w->mqtt.replica);
    if (radio_add(w->radio, product, node, person, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_true(replica_leave(w->mqtt.replica, true));
    assert_true(replica_commit(w->mqtt.replica));
}

static void person(struct bridge *w, const char *id, const char *name, const char *phone)
{
    replica_run(w->mqtt.replica,
                "INSERT INTO person(id, scope, kind, name, phone, active)"
                " VALUES (?1, 'S0117', 'police', ?2, seal_phone(?3), 1)",
                "sss", id, name, phone);
}

static int setup(void **state)
{
    static const struct mqtt_world_device none[] = {{0}};
    memset(&world, 0, sizeof world);
    world.online = true;
    world.mqtt.callbacks =
        (struct ingest_callbacks){.ctx = &world, .on_talk = talk, .unpack = unpack};
    mqtt_world_open(&world.mqtt, none);
    open_radio(&world, 5);
    replica_enter(world.mqtt.replica);
    person(&world, "O1", "王建国", "+8613800000001");
    person(&world, "L1", "李娜", "+8613800000002");
    person(&world, "X1", "同名", "+8613800000003");
    person(&world, "X2", "同名", "+8613800000004");
    person(&world, "N1", "无号码", NULL);
    assert_true(replica_leave(world.mqtt.replica, true));
    add(&world, "meshtastic", OFFICER, "O1");
    add(&world, "meshtastic", LEADER, "李娜");
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    radio_close(world.radio);
    mqtt_world_close(&world.mqtt);
    return 0;
}

/* --- heard --- */

struct packet {
    uint32_t from, to, id;
    const char *text, *channel, *root, *gateway; /* NULL: ours, msh/CN, OFFICER */
    int64_t at_ms;
};

static void hear(struct bridge *w, struct packet p)
{
    struct buf data, packet, envelope;
    char topic[128];
    buf_init(&data, 512);
    buf_init(&packet, 1024);
    buf_init(&envelope, 1024);
    pbuf_add_varint(&data, 1, 1);
    pbuf_add_bytes(&data, 2, p.text, strlen(p.text));
    pbuf_add_fixed32(&packet, 1, p.from);
    pbuf_add_fixed32(&packet, 2, p.to != 0 ? p.to : UINT32_MAX);
    pbuf_add_bytes(&packet, 4, data.bytes, data.size);
    pbuf_add_fixed32(&packet, 6, p.id);
    pbuf_add_fixed32(&packet, 7, (uint32_t)(p.at_ms / 1000));
    pbuf_add_bytes(&envelope, 1, packet.bytes, packet.size);
    const char *gateway = p.gateway != NULL ? p.gateway : OFFICER;
    pbuf_add_bytes(&envelope, 3, gateway, strlen(gateway));
    snprintf(topic, sizeof topic, "%s/2/e/%s/" OFFICER, p.root != NULL ? p.root : "msh/CN",
             p.channel != NULL ? p.channel : "touyan");
    mqtt_world_send(&w->mqtt, topic, envelope.bytes, envelope.size, false);
    buf_free(&data);
    buf_free(&packet);
    buf_free(&envelope);
}

static struct packet from_officer(const char *text, uint32_t id)
{
    return (struct packet){.from = 0x7efeee00, .id = id, .text = text, .at_ms = MQTT_WORLD_T0};
}

static void registered_is_obeyed_once(void **state)
{
    struct bridge *w = *state;
    hear(w, from_officer("报警", 77));
    assert_int_equal(w->heard, 1);
    assert_string_equal(w->text, "报警");
    assert_string_equal(w->person, "O1");
    assert_string_equal(w->id, "radio/meshtastic/" OFFICER "/77");
    hear(w, from_officer("报警", 77)); /* through another gateway */
    mqtt_world_hear(&w->mqtt, "msh/CN/2/json/touyan/!7efeee01",
                    "{\"from\":2130636288,\"to\":4294967295,\"id\":77,\"type\":\"text\","
                    "\"timestamp\":1788218405,\"payload\":{\"text\":\"报警\"}}");
    radio_close(w->radio); /* and after a restart */
    open_radio(w, 5);
    hear(w, from_officer("报警", 77));
    assert_int_equal(w->heard, 1);
    hear(w, from_officer("报警", 78));
    assert_int_equal(w->heard, 2);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM radio_in"), 2);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw"), 0);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM device_event"), 0);
}

/* Firmware before 2.3 has no region in its topics, and people add levels of their own. */
static void any_root(void **state)
{
    static const char *const roots[] = {"msh", "msh/CN/BJ", "msh/CN/BJ/1"};
    struct bridge *w = *state;
    for (int i = 0; i < 3; i++) {
        struct packet packet = from_officer("到岗", 90 + (uint32_t)i);
        packet.root = roots[i];
        hear(w, packet);
        assert_int_equal(w->heard, i + 1);
    }
    mqtt_world_hear(&w->mqtt, "msh/2/json/touyan/!7efeee01",
                    "{\"from\":2130636288,\"to\":4294967295,\"id\":99,\"type\":\"text\","
                    "\"timestamp\":1788218405,\"payload\":{\"text\":\"报警\"}}");
    assert_int_equal(w->heard, 4);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw"), 0);
}

static void strangers_are_listed(void **state)
{
    struct bridge *w = *state;
    struct packet p = from_officer("报警", 5);
    p.from = 0x01020304;
    hear(w, p);
    p.id = 6;
    hear(w, p);
    assert_int_equal(w->heard, 0);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT ignored FROM radio_node"
                                                " WHERE node = '!01020304' AND person_id IS NULL"),
                     2);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM radio_in"), 0);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw"), 0);
    add(w, "meshtastic", "!01020304", "L1");
    p.id = 7;
    hear(w, p);
    assert_int_equal(w->heard, 1);
    struct err err;
    replica_enter(w->mqtt.replica);
    assert_int_equal(radio_remove(w->radio, "meshtastic", "!01020304", &err), ERR_OK);
    assert_int_equal(radio_remove(w->radio, "meshtastic", "!01020304", &err), ERR_NOT_FOUND);
    replica_leave(w->mqtt.replica, true);
    p.id = 8;
    hear(w, p);
    assert_int_equal(w->heard, 1);
}

static void only_what_is_for_us(void **state)
{
    struct bridge *w = *state;
    struct packet p = from_officer("到岗", 20);
    p.channel = "LongFast"; /* its key is known to everybody */
    hear(w, p);
    p.channel = "PKI";
    hear(w, p);
    p.channel = NULL;
    p.to = 0x0a0b0c0d; /* a word between two people */
    hear(w, p);
    assert_int_equal(w->heard, 0);
    p.to = 0x7d0a0001;
    hear(w, p);
    assert_int_equal(w->heard, 1);
    p.from = 0x7d0a0001; /* what we said, passed on by somebody */
    p.id = 21;
    p.to = 0;
    hear(w, p);
    assert_int_equal(w->heard, 1);
}

static void old_texts_are_late(void **state)
{
    struct bridge *w = *state;
    struct packet p = from_officer("报警", 30);
    p.at_ms = MQTT_WORLD_T0 - 31 * MINUTE_MS;
    hear(w, p);
    assert_int_equal(w->heard, 1);
    assert_int_equal(w->late, 1);
    p.id = 31;
    p.at_ms = MQTT_WORLD_T0 - 29 * MINUTE_MS;
    hear(w, p);
    assert_int_equal(w->late, 1);
    p.id = 32;
    p.at_ms = 0; /* has no clock */
    hear(w, p);
    assert_int_equal(w->late, 1);
    assert_int_equal(w->heard, 3);
}

static void people_are_found(void **state)
{
    static const struct {
        const char *product, *node, *person;
        int code;
    } cases[] = {
        {"meshtastic", "!00000009", "O1", ERR_OK},
        {"meshtastic", "!00000009", "王建国", ERR_OK},
        {"meshtastic", "9", "O1", ERR_OK},
        {"meshtastic", "no", "O1", ERR_INVALID},
        {"meshtastic", "!00000009", "同名", ERR_INVALID},
        {"meshtastic", "!00000009", "N1", ERR_INVALID},
        {"meshtastic", "!00000009", "谁", ERR_NOT_FOUND},
        {"walkie", "1042", "O1", ERR_NOT_FOUND},
        {"radio_text", "10/42", "O1", ERR_INVALID},
    };
    struct bridge *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        replica_enter(w->mqtt.replica);
        int code = radio_add(w->radio, cases[i].product, cases[i].node, cases[i].person, &err);
        replica_leave(w->mqtt.replica, true);
        if (code != cases[i].code)
            fail_msg("case %zu: %d %s", i, code, err.text);
    }
}

/* --- said --- */

static void say(struct bridge *w, const char *node, const char *idem, const char *text, int prio)
{
    struct err err = {0};
    struct radio_message message = {.idem = idem,
                                    .text = text,
                                    .prio = prio,
                                    .not_after_ms = w->mqtt.cells.wall_ms + 10 * MINUTE_MS,
                                    .ref_kind = "alarm",
                                    .ref_id = "A1"};
    replica_enter(w->mqtt.replica);
    if (radio_say(w->radio, "meshtastic", node, &message, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_true(replica_leave(w->mqtt.replica, true));
    assert_true(replica_commit(w->mqtt.replica));
}

static void pump(struct bridge *w)
{
    if (radio_is_due(w->radio)) {
        replica_enter(w->mqtt.replica);
        radio_pump(w->radio);
        assert_true(replica_leave(w->mqtt.replica, true));
    }
    assert_true(replica_commit(w->mqtt.replica));
}

/* A second at a time. */
static void pass(struct bridge *w, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        mqtt_world_pass(&w->mqtt, 1000);
        pump(w);
    }
}

/* The number of the packet published last, and its text. */
static uint32_t last_packet(struct bridge *w, char ret_text[512])
{
    struct pbuf_reader envelope, packet, data;
    struct pbuf_field field;
    uint32_t id = 0;
    ret_text[0] = '\0';
    pbuf_read(&envelope, w->payload, w->size);
    assert_int_equal(pbuf_next(&envelope, &field), 1);
    pbuf_read(&packet, field.bytes, field.size);
    while (pbuf_next(&packet, &field) > 0) {
        if (field.number == 6)
            id = (uint32_t)field.value;
        if (field.number != 4)
            continue;
        pbuf_read(&data, field.bytes, field.size);
        while (pbuf_next(&data, &field) > 0)
            if (field.number == 2)
                text_copy_utf8(ret_text, 512, (const char *)field.bytes, field.size);
    }
    return id;
}

static void acknowledge(struct bridge *w, uint32_t from, uint32_t number, int error)
{
    char json[256];
    snprintf(json, sizeof json,
             "{\"type\":\"routing\",\"from\":%u,\"id\":%u,\"payload\":{\"request_id\":%u,"
             "\"error\":%d}}",
             (unsigned)from, (unsigned)(number ^ 1), (unsigned)number, error);
    mqtt_world_hear(&w->mqtt, "msh/CN/2/json/touyan/" OFFICER, json);
}

static int64_t states(struct bridge *w, const char *state)
{
    return replica_get_int(w->mqtt.replica, -1, "SELECT count(*) FROM radio_out WHERE state = ?1",
                           "s", state);
}

static void delivered(void **state)
{
    struct bridge *w = *state;
    char text[512];
    say(w, OFFICER, "k1", "S17#48217 东门报警07:20", 0);
    say(w, OFFICER, "k1", "S17#48217 东门报警07:20", 0); /* the same */
    pump(w);
    assert_int_equal(w->said, 1);
    assert_string_equal(w->topic, "msh/CN/2/e/touyan/!7d0a0001");
    assert_true(w->until_ms <= w->mqtt.cells.wall_ms + MINUTE_MS);
    uint32_t number = last_packet(w, text);
    assert_string_equal(text, "S17#48217 东门报警07:20");
    acknowledge(w, 0x0a0b0c0d, number, 0); /* somebody else's */
    assert_int_equal(states(w, "given"), 1);
    acknowledge(w, 0x7efeee00, number, 0);
    assert_int_equal(states(w, "delivered"), 1);
    pass(w, 120);
    assert_int_equal(w->said, 1);
}

/* Nobody acknowledges it: it goes once. What the gateway's node itself hears is heard, and our own
 * words in its name, and their echo, are not. */
static void said_as_json(void **state)
{
    struct bridge *w = *state;
    radio_close(w->radio);
    open_radio_as(w, 5, true);
    say(w, OFFICER, "k1", "alarm", 0);
    pump(w);
    assert_string_equal(w->topic, "msh/CN/2/json/mqtt/");
    mqtt_world_send(&w->mqtt, w->topic, w->payload, w->size, false);
    mqtt_world_hear(&w->mqtt, "msh/CN/2/json/touyan/!7d0a0001",
                    "{\"from\":2097807361,\"to\":4294967295,\"id\":5,\"type\":\"text\","
                    "\"payload\":{\"text\":\"alarm\"}}");
    assert_int_equal(w->heard, 0);
    pass(w, 300);
    assert_int_equal(w->said, 1);
    assert_int_equal(states(w, "sent"), 1);
    struct packet packet = from_officer("报警", 91);
    packet.gateway = "!7d0a0001";
    hear(w, packet);
    assert_int_equal(w->heard, 1);
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw"), 0);
}

static void alarm_is_said_three_times(void **state)
{
    struct bridge *w = *state;
    char text[512];
    say(w, OFFICER, "k1", "alarm", 0);
    say(w, LEADER, "k2", "answer", 1);
    pass(w, 3);
    assert_int_equal(w->said, 2); /* to each, one after the other */
    uint32_t first = last_packet(w, text);
    assert_string_equal(text, "answer");
    pass(w, 200);
    assert_int_equal(w->said, 3 + 2);
    assert_int_equal(states(w, "sent"), 2);
    acknowledge(w, 0x0a0b0c0d, first, 0); /* an earlier try's: no longer known */
    assert_int_equal(states(w, "delivered"), 0);
    acknowledge(w, 0x7efeee00, last_packet(w, text), 0); /* late, but it has it */
    assert_int_equal(states(w, "delivered"), 1);
}

static void refused_goes_again_at_once(void **state)
{
    struct bridge *w = *state;
    char text[512];
    say(w, OFFICER, "k1", "alarm", 0);
    pump(w);
    acknowledge(w, 0x7efeee00, last_packet(w, text), 5); /* MAX_RETRANSMIT */
    pass(w, 3);
    assert_int_equal(w->said, 2);
}

static void nothing_old_goes(void **state)
{
    struct bridge *w = *state;
    w->online = false;
    say(w, OFFICER, "k1", "alarm", 0);
    pass(w, 599);
    assert_int_equal(states(w, "queued"), 1);
    pass(w, 2);
    assert_int_equal(states(w, "expired"), 1);
    w->online = true;
    radio_wake(w->radio);
    pass(w, 10);
    assert_int_equal(w->said, 0);
}

static void cancelled_with_its_alarm(void **state)
{
    struct bridge *w = *state;
    say(w, OFFICER, "k1", "alarm", 0);
    say(w, LEADER, "k2", "alarm", 0);
    pump(w); /* the first is on its way */
    replica_enter(w->mqtt.replica);
    radio_cancel(w->radio, "alarm", "A1", NULL);
    replica_leave(w->mqtt.replica, true);
    pass(w, 120);
    assert_int_equal(w->said, 1);
    assert_int_equal(states(w, "cancelled"), 2);
}

static void long_texts_in_parts(void **state)
{
    struct bridge *w = *state;
    char text[512];
    say(w, OFFICER, "k1", "您07:32的报警已收到，正在通知所长和值班室。结束请回“解除4821”，谢谢您",
        1);
    pump(w);
    assert_int_equal(w->said, 1); /* the air is busy with it */
    last_packet(w, text);
    assert_true(strncmp(text, "1/2 ", 4) == 0 && strlen(text) <= 73);
    pass(w, 3);
    assert_int_equal(w->said, 2);
    last_packet(w, text);
    assert_true(strncmp(text, "2/2 ", 4) == 0);
}

/* 1 % of an hour is 36 s; a text of 73 bytes takes one. */
static void air_is_shared(void **state)
{
    struct bridge *w = *state;
    char idem[16], text[74];
    radio_close(w->radio);
    open_radio(w, 1);
    memset(text, 'x', sizeof text - 1);
    text[73] = '\0';
    for (int i = 0; i < 60; i++) {
        snprintf(idem, sizeof idem, "r%d", i);
        say(w, OFFICER, idem, text, 1);
    }
    int64_t end = w->mqtt.cells.wall_ms + 9 * MINUTE_MS;
    while (w->mqtt.cells.wall_ms < end)
        pass(w, 1);
    assert_int_equal(w->said, 18); /* half of it */
    for (int i = 0; i < 60; i++) {
        snprintf(idem, sizeof idem, "a%d", i);
        say(w, OFFICER, idem, text, 0);
    }
    pass(w, 240);
    int64_t used = mqtt_world_count(&w->mqtt, "SELECT sum(air_ms) FROM radio_air");
    assert_true(used > 34000 && used <= 36000);
    assert_true(w->said > 18 + 16 && w->said <= 36 + 1);
}

static void too_much(void **state)
{
    struct bridge *w = *state;
    struct err err = {0};
    char text[LIMIT_RADIO_OUT_BYTES + 2];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct radio_message message = {
        .idem = "k", .text = text, .prio = 1, .not_after_ms = w->mqtt.cells.wall_ms + MINUTE_MS};
    replica_enter(w->mqtt.replica);
    assert_int_equal(radio_say(w->radio, "meshtastic", OFFICER, &message, &err), ERR_LIMIT);
    message.text = "";
    assert_int_equal(radio_say(w->radio, "meshtastic", OFFICER, &message, &err), ERR_INVALID);
    message.text = "a";
    assert_int_equal(radio_say(w->radio, "meshtastic", "me", &message, &err), ERR_INVALID);
    assert_int_equal(radio_answer(w->radio, "radio/none", &message, &err), ERR_NOT_FOUND);
    replica_leave(w->mqtt.replica, true);
}

/* --- other radios --- */

static void text_radio(void **state)
{
    struct bridge *w = *state;
    struct err err = {0};
    add(w, "radio_text", "1042", "O1");
    mqtt_world_hear(&w->mqtt, "radio/dmr/heard",
                    "{\"id\":\"k-1\",\"from\":\"1042\",\"text\":\"到岗\",\"ts\":1788218404000}");
    mqtt_world_hear(&w->mqtt, "radio/dmr/heard",
                    "{\"id\":\"k-1\",\"from\":\"1042\",\"text\":\"到岗\",\"ts\":1788218404000}");
    assert_int_equal(w->heard, 1);
    mqtt_world_hear(&w->mqtt, "radio/dmr/heard", "{\"from\":\"1042\",\"text\":\"离岗\"}");
    mqtt_world_hear(&w->mqtt, "radio/dmr/heard", "{\"from\":\"1042\",\"text\":\"离岗\"}");
    assert_int_equal(w->heard, 2); /* no number: the same words within a minute are one */
    struct radio_message message = {.idem = "k",
                                    .text = "S17 \"东门\"",
                                    .prio = 0,
                                    .not_after_ms = w->mqtt.cells.wall_ms + MINUTE_MS};
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    replica_enter(w->mqtt.replica);
    replica_get_text(w->mqtt.replica, phone, sizeof phone,
                     "SELECT phone FROM person WHERE id = 'O1'", "");
    assert_int_equal(radio_say_phone(w->radio, phone, &message), 2); /* both of his radios */
    replica_leave(w->mqtt.replica, true);
    pump(w);
    assert_int_equal(w->said, 2);
    int64_t number =
        mqtt_world_count(&w->mqtt, "SELECT packet FROM radio_out WHERE product = 'radio_text'");
    char said[256], wanted[256];
    snprintf(wanted, sizeof wanted,
             "{\"id\":\"%lld\",\"to\":\"1042\",\"text\":\"S17 \\\"东门\\\"\",\"until\":%lld}",
             (long long)number, (long long)w->until_ms);
    if (strcmp(w->topic, "radio/dmr/say") == 0)
        assert_string_equal((const char *)w->payload, wanted);
    snprintf(said, sizeof said, "{\"id\":\"%lld\",\"from\":\"1042\"}", (long long)number);
    mqtt_world_hear(&w->mqtt, "radio/dmr/said", said);
    assert_int_equal(states(w, "delivered"), 1);
    (void)err;
}

/* Each node of the mesh may be the one with a network; the program beside the others has one user.
 */
static void accounts(void **state)
{
    struct bridge *w = *state;
    struct buf acl;
    add(w, "radio_text", "1042", "O1");
    add(w, "radio_text", "1043", "O1");
    replica_enter(w->mqtt.replica);
    accounts_update(w->mqtt.replica, rules(w), MQTT_WORLD_T0);
    accounts_update(w->mqtt.replica, rules(w), MQTT_WORLD_T0);
    assert_true(replica_leave(w->mqtt.replica, true));
    assert_int_equal(mqtt_world_count(&w->mqtt, "SELECT count(*) FROM device_key"), 3);
    buf_init(&acl, 65536);
    assert_true(accounts_write_acl(w->mqtt.replica, rules(w), &acl));
    assert_non_null(strstr(buf_text(&acl), "user " OFFICER "\ntopic write msh/#\n"));
    assert_non_null(strstr(buf_text(&acl), "user radio_text\ntopic write radio/+/heard\n"));
    buf_free(&acl);
}

/* Rows of legacy.tsv: topic, JSON, what must come of it. */
static void legacy(void **state)
{
    struct bridge *w = *state;
    struct err err;
    struct buf table;
    char *rest = NULL;
    int lines = 0;
    add(w, "radio_text", "1042", "O1");
    buf_init(&table, 65536);
    assert_int_equal(file_read(RADIO_DATA "/legacy.tsv", &table, &err), ERR_OK);
    for (char *line = strtok_r(table.bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), lines++) {
        char *cells = NULL, got[512];
        const char *topic = strtok_r(line, "\t", &cells), *json = strtok_r(NULL, "\t", &cells);
        const char *wanted = strtok_r(NULL, "\t", &cells);
        int before = w->heard;
        int64_t raw = mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw");
        mqtt_world_hear(&w->mqtt, topic, json);
        bool is_raw = mqtt_world_count(&w->mqtt, "SELECT count(*) FROM mqtt_raw") > raw;
        snprintf(got, sizeof got, "%s%s",
                 is_raw              ? "raw"
                 : w->heard > before ? "text "
                                     : "nothing",
                 w->heard > before ? w->text : "");
        if (strcmp(got, wanted) != 0)
            fail_msg("%s: %s, not %s", json, got, wanted);
    }
    buf_free(&table);
    assert_true(lines >= 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registered_is_obeyed_once),
        TEST(any_root),
        TEST(strangers_are_listed),
        TEST(only_what_is_for_us),
        TEST(old_texts_are_late),
        TEST(people_are_found),
        TEST(delivered),
        TEST(said_as_json),
        TEST(alarm_is_said_three_times),
        TEST(refused_goes_again_at_once),
        TEST(nothing_old_goes),
        TEST(cancelled_with_its_alarm),
        TEST(long_texts_in_parts),
        TEST(air_is_shared),
        TEST(too_much),
        TEST(text_radio),
        TEST(accounts),
        TEST(legacy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
