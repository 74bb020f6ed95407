/* People at the gates: levels rise at once and fall late; accounts and signatures of devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/accounts.h"
#include "mqtt/flow.h"
#include "tests/lib/mqttworld.h"

#define T0 MQTT_WORLD_T0
#define MINUTE 60000

static const struct mqtt_world_device registered[] = {
    {"C1", "touyan", "camera", NULL},   {"C2", "touyan", "camera", NULL},
    {"FT1", "mqtt_face", "face", NULL}, {"btn", "zigbee2mqtt", "sos", NULL},
    {"a b", "touyan", "sos", NULL},     {0},
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

static void hear(struct mqtt_world *w, const char *device, const char *payload)
{
    char topic[60];
    snprintf(topic, sizeof topic, "sc/S0117/S14/M/%s/evt", device);
    mqtt_world_hear(w, topic, payload);
    ingest_tick(w->ingest, true);
    assert_true(replica_commit(w->replica));
}

static void count(struct mqtt_world *w, const char *device, int people)
{
    static int seq;
    char payload[80];
    snprintf(payload, sizeof payload, "{\"id\":\"1-%d\",\"k\":\"count\",\"n\":%d}", ++seq, people);
    hear(w, device, payload);
}

static const struct flow_limits limits = {60, 150};

static void assert_flow(struct mqtt_world *w, int64_t after_ms, const char *level, int people)
{
    char text[20] = "";
    w->cells.wall_ms += after_ms;
    flow_look(w->replica, &limits, w->cells.wall_ms);
    assert_true(replica_commit(w->replica));
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT level FROM school_flow WHERE school_id = 'S14'", "");
    assert_string_equal(text, level);
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT people FROM school_flow", ""), people);
}

static void test_levels(void **state)
{
    static const struct {
        enum flow_level level;
        int64_t level_ms, people;
        enum flow_level next;
    } cases[] = {
        {FLOW_FLAT, 0, 59, FLOW_FLAT},       {FLOW_FLAT, 0, 60, FLOW_PEAK},
        {FLOW_FLAT, 0, 150, FLOW_HEAVY},     {FLOW_PEAK, 0, 149, FLOW_PEAK},
        {FLOW_PEAK, 999999, 40, FLOW_PEAK},  {FLOW_PEAK, 119999, 39, FLOW_PEAK},
        {FLOW_PEAK, 120000, 39, FLOW_FLAT},  {FLOW_HEAVY, 120000, 100, FLOW_HEAVY},
        {FLOW_HEAVY, 120000, 99, FLOW_PEAK}, {FLOW_HEAVY, 120000, 0, FLOW_PEAK},
        {FLOW_HEAVY, -5, 0, FLOW_PEAK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(flow_next(&limits, cases[i].level, cases[i].level_ms, cases[i].people),
                         cases[i].next);
}

static void test_school(void **state)
{
    struct mqtt_world *w = *state;
    count(w, "C1", 41);
    assert_flow(w, 0, "flat", 41);
    count(w, "C2", 30); /* another gate of the same school */
    assert_flow(w, 1000, "peak", 71);
    count(w, "C1", 130);
    assert_flow(w, 1000, "heavy", 160);
    count(w, "C1", 20);
    assert_flow(w, 1000, "heavy", 50); /* perhaps somebody stood in front of the camera */
    assert_flow(w, 2 * MINUTE, "peak", 50);
    assert_flow(w, 10 * MINUTE, "flat", 0); /* nobody counts any more */
    assert_int_equal(replica_get_int(w->replica, -1,
                                     "SELECT count(*) FROM device_event WHERE kind = 'count'", ""),
                     0);
}

static int set(struct mqtt_world *w, const char *school, const struct flow_limits *own,
               struct err *err)
{
    replica_enter(w->replica);
    int code = flow_set_limits(w->replica, school, own, err);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    return code;
}

static void test_own_limits(void **state)
{
    static const struct flow_limits small = {20, 40}, wrong[] = {{1, 40}, {40, 40}, {20, 20001}};
    struct mqtt_world *w = *state;
    struct err err = {0};
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO school(id, scope, code, name, short) VALUES"
                " ('S14', 'S0117', 'S14', '城南小学', '城南'),"
                " ('S15', 'S0117', 'S15', '城北小学', '城南')",
                "");
    assert_true(replica_leave(w->replica, true));
    assert_int_equal(set(w, "S99", &small, &err), ERR_NOT_FOUND);
    assert_int_equal(set(w, "城南", &small, &err), ERR_INVALID); /* two are called so */
    for (int i = 0; i < 3; i++)
        assert_int_equal(set(w, "S14", &wrong[i], &err), ERR_INVALID);
    count(w, "C1", 41);
    assert_flow(w, 0, "flat", 41);
    assert_int_equal(set(w, "城南小学", &small, &err), ERR_OK);
    assert_flow(w, 1000, "heavy", 41);
    assert_int_equal(set(w, "S14", NULL, &err), ERR_OK);
    assert_flow(w, 3 * MINUTE, "peak", 41);                /* as the station has it */
    assert_int_equal(set(w, "S15", &small, &err), ERR_OK); /* another school's */
    assert_flow(w, 3 * MINUTE, "peak", 41);
}

/* --- accounts --- */

static void update(struct mqtt_world *w, const struct mapping *rules)
{
    replica_enter(w->replica);
    accounts_update(w->replica, rules, T0);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

static void test_accounts(void **state)
{
    struct mqtt_world *w = *state;
    const struct mapping *rules = ingest_rules(w->ingest);
    char first[64] = "", again[64] = "";
    struct buf out;
    update(w, rules);
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_key", ""), 4);
    static const char password[] = "SELECT unseal(password) FROM device_key WHERE device_id = 'C1'";
    assert_true(replica_get_text(w->replica, first, sizeof first, password, ""));
    assert_int_equal(strlen(first), 32);
    update(w, rules);
    assert_true(replica_get_text(w->replica, again, sizeof again, password, ""));
    assert_string_equal(first, again);
    buf_init(&out, 65536);
    assert_true(accounts_write_passwords(w->replica, &out));
    assert_non_null(strstr(buf_text(&out), "\nFT1:$7$101$"));
    assert_non_null(strstr(buf_text(&out), "\nzigbee2mqtt:$7$101$"));
    assert_null(strstr(buf_text(&out), first));
    buf_clear(&out);
    assert_true(accounts_write_acl(w->replica, rules, &out));
    assert_non_null(strstr(buf_text(&out), "user C1\ntopic write sc/+/+/+/C1/state\n"));
    assert_non_null(strstr(buf_text(&out), "topic read mqtt/face/FT1\n"));
    assert_null(strstr(buf_text(&out), "%u"));
    assert_null(strstr(buf_text(&out), "a b"));
    buf_free(&out);
    replica_enter(w->replica);
    replica_run(w->replica, "DELETE FROM device WHERE id = 'C1'", "");
    assert_true(replica_leave(w->replica, true));
    update(w, rules);
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_key", ""), 3);
}

/* --- signatures --- */

static int64_t raw_rows(struct mqtt_world *w)
{
    return replica_get_int(w->replica, -1, "SELECT count(*) FROM mqtt_raw", "");
}

/* What C1 sends: the signature is between `head` and `tail`. */
static void sign(const char *key, const char *topic, const char *head, const char *tail, char *ret,
                 size_t size)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    char text[400], mac[SEAL_HASH_DIGITS + 1];
    snprintf(text, sizeof text, "%s\n%s%s%s", topic, head, zeros, tail);
    seal_hmac_sha256(key, strlen(key), text, strlen(text), mac);
    snprintf(ret, size, "%s%s%s", head, mac, tail);
}

#define EVT_C1 "sc/S0117/S14/M/C1/evt"

static int64_t events_of_c1(struct mqtt_world *w)
{
    return mqtt_world_count(w, "SELECT count(*) FROM device_event WHERE device_id = 'C1'"
                               " AND kind IN ('door', 'sos')");
}

static void test_signatures(void **state)
{
    struct mqtt_world *w = *state;
    char key[64], payload[300], forged[300];
    update(w, ingest_rules(w->ingest));
    hear(w, "C2", "{\"id\":\"7-1\",\"k\":\"door\"}"); /* has no key: need not sign */
    assert_int_equal(raw_rows(w), 0);
    replica_enter(w->replica);
    assert_true(accounts_sign(w->replica, "C1", key, sizeof key));
    assert_false(accounts_sign(w->replica, "nobody", payload, sizeof payload));
    assert_true(replica_leave(w->replica, true));
    hear(w, "C1", "{\"id\":\"7-1\",\"ts\":1788218405000,\"k\":\"sos\"}");
    hear(w, "C1", "{\"id\":\"7-1\",\"k\":\"sos\",\"mac\":\"00\"}");
    hear(w, "C1", "{\"id\":\"7-1\",\"k\":\"sos\",\"mac\":[]}");
    hear(w, "C1", "{\"id\":\"7-1\",\"k\":\"so"); /* a camera: no button */
    assert_int_equal(raw_rows(w), 4);
    assert_int_equal(events_of_c1(w), 0);
    sign(key, EVT_C1, "{\"id\":\"7-1\",\"mac\":\"",
         "\",\"ts\":1788218405000,\"k\":\"door\",\"c\":\"open\"}", payload, sizeof payload);
    static const struct {
        const char *old, *new;
    } forgeries[] = {
        {"door", "sos"},      {"open", "shut"},   {"7-1", "7-2"},
        {"405000", "905000"}, {"\"c\"", "\"s\""}, {"{\"id\"", "{ \"id\""},
    };
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        const char *at = strstr(payload, forgeries[i].old);
        snprintf(forged, sizeof forged, "%.*s%s%s", (int)(at - payload), payload, forgeries[i].new,
                 at + strlen(forgeries[i].old));
        hear(w, "C1", forged);
        assert_int_equal(raw_rows(w), 5 + (int64_t)i);
    }
    mqtt_world_hear(w, "sc/S0117/S15/M/C1/evt", payload); /* another topic */
    assert_int_equal(raw_rows(w), 11);
    assert_int_equal(events_of_c1(w), 0);
    hear(w, "C1", payload);
    hear(w, "C1", payload); /* again is the same one */
    assert_int_equal(raw_rows(w), 11);
    assert_int_equal(events_of_c1(w), 1);
}

/* So is what only moves its state, and the answer to a command. */
static void test_signed_state(void **state)
{
    struct mqtt_world *w = *state;
    char key[64], payload[300];
    update(w, ingest_rules(w->ingest));
    replica_enter(w->replica);
    assert_true(accounts_sign(w->replica, "C1", key, sizeof key));
    assert_true(replica_leave(w->replica, true));
    mqtt_world_hear(w, "sc/S0117/S14/M/C1/tel", "{\"k\":\"heartbeat\",\"bat\":3}");
    mqtt_world_hear(w, "sc/S0117/S14/M/C1/ack", "{\"ack\":\"1\"}");
    assert_int_equal(raw_rows(w), 2);
    sign(key, "sc/S0117/S14/M/C1/tel", "{\"k\":\"heartbeat\",\"bat\":80,\"mac\":\"", "\"}", payload,
         sizeof payload);
    mqtt_world_hear(w, "sc/S0117/S14/M/C1/tel", payload);
    assert_int_equal(raw_rows(w), 2);
    ingest_tick(w->ingest, true);
    assert_true(replica_commit(w->replica));
    assert_int_equal(mqtt_world_count(w, "SELECT battery FROM device_state"), 80);
}

/* RFC 4231, test case 2. */
static void test_hmac(void **state)
{
    char mac[SEAL_HASH_DIGITS + 1];
    (void)state;
    seal_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_string_equal(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        T(test_school),
        T(test_own_limits),
        T(test_accounts),
        T(test_signatures),
        T(test_signed_state),
        cmocka_unit_test(test_hmac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
