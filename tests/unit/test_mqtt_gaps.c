/* Numbers that are missing: noticed, filled when they come late, asked for, and not imagined. And
 * what one device may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/gaps.h"
#include "mqtt/quota.h"
#include "tests/lib/mqttworld.h"

static const struct mqtt_world_device registered[] = {
    {"D1", "touyan", "sos", NULL},
    {"FT1", "mqtt_face", "face", NULL},
    {"EUI", "chirpstack", "sos", NULL},
    {0},
};

static int setup(void **state)
{
    static struct mqtt_world w;
    mqtt_world_open(&w, registered);
    w.broker.online = false;
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    mqtt_world_close(*state);
    return 0;
}

static void event(struct mqtt_world *w, const char *boot, int seq)
{
    char payload[100];
    snprintf(payload, sizeof payload, "{\"id\":\"%s-%d\",\"k\":\"door\",\"ts\":%lld}", boot, seq,
             (long long)w->cells.wall_ms);
    mqtt_world_hear(w, "sc/S0117/S14/M/D1/evt", payload);
}

static void pass(struct mqtt_world *w, int64_t ms)
{
    mqtt_world_pass(w, ms);
    ingest_tick(w->ingest, true);
    gaps_tick(&w->commands);
    assert_true(replica_commit(w->replica));
}

/* "3-5 9-9": what is missing, of the boot in force or before. */
static void assert_missing(struct mqtt_world *w, const char *expected)
{
    char text[200] = "";
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT group_concat(seq_from || '-' || seq_to, ' ') FROM (SELECT * FROM"
                     " device_gap ORDER BY boot, seq_from)",
                     "");
    assert_string_equal(text, expected);
}

static void test_noticed_and_filled(void **state)
{
    struct mqtt_world *w = *state;
    event(w, "1", 10); /* what was before we do not know */
    event(w, "1", 11);
    assert_missing(w, "");
    event(w, "1", 15);
    assert_missing(w, "12-14");
    event(w, "1", 13);
    assert_missing(w, "12-12 14-14");
    event(w, "1", 12);
    assert_missing(w, "14-14");
    event(w, "1", 12); /* again */
    event(w, "1", 14);
    assert_missing(w, "");
    event(w, "1", 16);
    assert_missing(w, "");
}

static void test_counters_begin_anew(void **state)
{
    struct mqtt_world *w = *state;
    event(w, "1", 10);
    event(w, "2", 1); /* started again */
    event(w, "2", 3);
    assert_missing(w, "2-2");
    event(w, "2", 3 + GAPS_NUMBERS_MAX + 2); /* set, not lost */
    assert_missing(w, "2-2");
    event(w, "1", 11); /* from before: no number of this boot */
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM device_gap", ""), 1);
}

static void test_asked(void **state)
{
    struct mqtt_world *w = *state;
    char args[300] = "";
    event(w, "1", 10);
    event(w, "1", 14);
    pass(w, 4000);
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM device_command", ""), 0);
    pass(w, 1000);
    replica_get_text(w->replica, args, sizeof args,
                     "SELECT args FROM device_command WHERE name = 'resend'", "");
    assert_string_equal(args, "{\"boot\":\"1\",\"from\":\"11\",\"to\":\"13\",\"from_local\":"
                              "\"2026-09-01 07:20:05\",\"to_local\":\"2026-09-01 07:20:05\"}");
    pass(w, 60000);
    pass(w, 600000);
    pass(w, 6000000);
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM device_command", ""), 3);
    assert_missing(w, "11-13"); /* lost, and on record */
    pass(w, 31 * INT64_C(86400000));
    event(w, "1", 15);
    event(w, "1", 17);
    pass(w, 5000);
    assert_missing(w, "16-16");
}

static void test_terminal_is_asked_by_time(void **state)
{
    struct mqtt_world *w = *state;
    char args[300] = "";
    static const char rec[] =
        "{\"operator\":\"RecPush\",\"info\":{\"VerifyStatus\":\"%d\",\"personId\":\"22\","
        "\"RecordID\":\"%d\",\"facesluiceId\":\"FT1\",\"time\":\"2026-09-01 07:2%d:00\"}}";
    char payload[300];
    snprintf(payload, sizeof payload, rec, 1, 389, 1);
    mqtt_world_hear(w, "mqtt/face/FT1/Rec", payload);
    snprintf(payload, sizeof payload, rec, 3, 390, 2); /* a stranger counts as well */
    mqtt_world_hear(w, "mqtt/face/FT1/Rec", payload);
    snprintf(payload, sizeof payload, rec, 1, 392, 4);
    mqtt_world_hear(w, "mqtt/face/FT1/Rec", payload);
    assert_missing(w, "391-391");
    pass(w, 5000);
    replica_get_text(w->replica, args, sizeof args, "SELECT args FROM device_command", "");
    assert_non_null(strstr(args, "\"from_local\":\"2026-09-01 07:22:00\""));
    assert_non_null(strstr(args, "\"to_local\":\"2026-09-01 07:24:00\""));
}

static void test_who_cannot_is_not_asked(void **state)
{
    struct mqtt_world *w = *state;
    const char *topic = "application/1/device/EUI/event/up";
    mqtt_world_hear(w, topic, "{\"deviceInfo\":{\"devEui\":\"EUI\"},\"fCnt\":12}");
    mqtt_world_hear(w, topic, "{\"deviceInfo\":{\"devEui\":\"EUI\"},\"fCnt\":15}");
    assert_missing(w, "13-14");
    pass(w, 5000);
    pass(w, 60000);
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM device_command", ""), 0);
}

/* Killed before the last number was written: what came in that second is not missing. */
static void test_not_imagined_after_a_kill(void **state)
{
    struct mqtt_world *w = *state;
    event(w, "1", 10);
    pass(w, 1000);
    w->cells.wall_ms += 300;
    event(w, "1", 11);
    event(w, "1", 12);
    mqtt_world_restart(w);
    event(w, "1", 13);
    assert_missing(w, "");
    event(w, "1", 15);
    assert_missing(w, "14-14");
}

static void test_strangers_are_not_counted(void **state)
{
    struct mqtt_world *w = *state;
    mqtt_world_hear(w, "sc/S0117/S14/M/NEW/evt", "{\"id\":\"1-1\",\"k\":\"door\"}");
    mqtt_world_hear(w, "sc/S0117/S14/M/NEW/evt", "{\"id\":\"1-9\",\"k\":\"door\"}");
    assert_missing(w, "");
}

/* --- the quota --- */

static void test_quota(void **state)
{
    struct quota quota = {0};
    int64_t mono = 5000;
    (void)state;
    for (int i = 0; i < LIMIT_DEVICE_BURST_EVENTS; i++)
        assert_true(quota_take(&quota, mono, 200, 20));
    assert_false(quota_take(&quota, mono, 200, 20));
    assert_false(quota_take(&quota, mono + 49, 200, 20));
    assert_true(quota_take(&quota, mono + 50, 200, 20));
    assert_false(quota_take(&quota, mono + 51, 200, 20));
    int taken = 0;
    for (int ms = 1; ms <= 10000; ms++)
        taken += quota_take(&quota, mono + 51 + ms, 200, 20);
    assert_in_range(taken, 199, 201);
    quota = (struct quota){0};
    for (int i = 0; i < 512; i++)
        assert_true(quota_take(&quota, mono, 1048576, 20));
    assert_false(quota_take(&quota, mono, 1048576, 20));
    assert_true(quota_take(&quota, mono + 4096, 1048576, 20));
}

static void test_flood(void **state)
{
    struct mqtt_world *w = *state;
    for (int i = 0; i < LIMIT_DEVICE_BURST_EVENTS + 20; i++)
        event(w, "1", i);
    assert_int_equal(replica_get_int(w->replica, -1,
                                     "SELECT count(*) FROM device_event WHERE kind = 'door'", ""),
                     LIMIT_DEVICE_BURST_EVENTS);
    assert_int_equal(ingest_counts(w->ingest).over, 20);
    mqtt_world_hear(w, "sc/S0117/S14/M/D1/evt", "{\"id\":\"1-sos\",\"k\":\"sos\"}");
    assert_int_equal(
        replica_get_int(w->replica, -1, "SELECT count(*) FROM device_event WHERE kind = 'sos'", ""),
        1); /* alarms are never refused */
    assert_int_equal(replica_get_int(w->replica, -1, "SELECT count(*) FROM mqtt_raw", ""), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_noticed_and_filled),
        T(test_counters_begin_anew),
        T(test_asked),
        T(test_terminal_is_asked_by_time),
        T(test_who_cannot_is_not_asked),
        T(test_not_imagined_after_a_kill),
        T(test_strangers_are_not_counted),
        cmocka_unit_test(test_quota),
        T(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
