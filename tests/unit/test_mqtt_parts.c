/* The pure parts of mqtt/: topics, times, paths, cutting and blanking, presence, broker files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/limits.h"
#include "mqtt/broker_config.h"
#include "mqtt/devices.h"
#include "mqtt/jdoc.h"
#include "mqtt/mapping.h"
#include "mqtt/payload.h"
#include "mqtt/presence.h"
#include "mqtt/topic.h"

static void test_topic_matches(void **state)
{
    static const struct {
        const char *filter, *topic;
        bool matches;
    } cases[] = {
        {"a/b", "a/b", true},
        {"a/b", "a/c", false},
        {"a/b", "a/b/c", false},
        {"a/+/c", "a/x/c", true},
        {"a/+/c", "a//c", true},
        {"a/+", "a", false},
        {"a/+", "a/b/c", false},
        {"a/#", "a", true},
        {"a/#", "a/b/c", true},
        {"#", "a/b", true},
        {"#", "$SYS/a", false},
        {"+/a", "$SYS/a", false},
        {"$SYS/#", "$SYS/a", true},
        {"+", "a", true},
        {"+", "/a", false},
        {"/+", "/a", true},
        {"+/+", "/a", true},
        {"ab", "a", false},
        {"a", "ab", false},
        {"sc/+/+/+/+/evt", "sc/S/1/2/D/evt", true},
        {"sc/+/+/+/+/evt", "sc/S/1/2/D/state", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (topic_matches(cases[i].filter, cases[i].topic) != cases[i].matches)
            fail_msg("%s against %s", cases[i].filter, cases[i].topic);
}

static void test_topic_checks(void **state)
{
    (void)state;
    assert_true(topic_filter_valid("a/+/#"));
    assert_true(topic_filter_valid("+"));
    assert_false(topic_filter_valid("a/b+"));
    assert_false(topic_filter_valid("a+/b"));
    assert_false(topic_filter_valid("a/#/b"));
    assert_false(topic_filter_valid(""));
    assert_true(topic_name_valid("a/b"));
    assert_false(topic_name_valid("a/+"));
    assert_false(topic_name_valid("a\xff"));
    char level[4];
    assert_true(topic_level("ab/cde/f", 1, level, sizeof level));
    assert_string_equal(level, "cde");
    assert_false(topic_level("ab/cdef", 1, level, sizeof level));
    assert_false(topic_level("ab", 1, level, sizeof level));
    assert_true(topic_level("ab/cde/f", -1, level, sizeof level));
    assert_string_equal(level, "f");
    assert_true(topic_level("ab/cde/f", -3, level, sizeof level));
    assert_string_equal(level, "ab");
    assert_false(topic_level("ab/cde/f", -4, level, sizeof level));
}

static void test_times(void **state)
{
    static const struct {
        const char *format, *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"s", "1788218405", 1788218405000},
        {"s", "1788218405.43", 1788218405430},
        {"ms", "1788218405000", 1788218405000},
        {"ms", "1788218405000.75", 1788218405000},
        {"s", "1788218405000", -1}, /* milliseconds taken for seconds */
        {"ms", "1788218405", -1},   /* the other way round: 1970 */
        {"s", "0", -1},             /* a clock that was never set */
        {"s", "", -1},
        {"s", "-5", -1},
        {"s", "17e8", -1},
        {"s", "99999999999999999999", -1},
        {"local+08:00", "2026-09-01 07:20:05", 1788218405000},
        {"local+08:00", "2026-09-01T07:20:05", 1788218405000},
        {"local+08:00", "2026-09-01 07:20:05.5", 1788218405500},
        {"local+08:00", "2026-09-01 07:20:05Z", -1},
        {"local+08:00", "2026-02-30 07:20:05", -1},
        {"local+08:00", "2026-09-01 24:20:05", -1},
        {"local+08:00", "2000-01-01 00:00:10", -1},
        {"local+08:00", "now", -1},
        {"local-02:30", "2026-08-31 20:50:05", 1788218405000},
        {"iso", "2026-08-31T23:20:05Z", 1788218405000},
        {"iso", "2026-09-01T07:20:05+08:00", 1788218405000},
        {"iso", "2026-08-31T19:20:05.250-0400", 1788218405250},
        {"iso", "2026-09-01T07:20:05", -1},
        {"iso", "2026-09-01T07:20:05+8", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        if (!mapping_parse_time(cases[i].format, cases[i].text, &ms))
            ms = -1;
        if (ms != cases[i].ms)
            fail_msg("%s \"%s\" gives %lld", cases[i].format, cases[i].text, (long long)ms);
    }
}

static void test_paths(void **state)
{
    (void)state;
    assert_true(jdoc_path_valid("$"));
    assert_true(jdoc_path_valid("$.info.facesluiceId"));
    assert_true(jdoc_path_valid("$.params.events[0].event"));
    assert_false(jdoc_path_valid(""));
    assert_false(jdoc_path_valid("k"));
    assert_false(jdoc_path_valid("$."));
    assert_false(jdoc_path_valid("$.k["));
    assert_false(jdoc_path_valid("$.k[]"));
    assert_false(jdoc_path_valid("$.k[#-1]"));
    assert_false(jdoc_path_valid("$.\"a\""));
}

static void assert_cut(const char *text, const char *expected)
{
    struct buf out;
    buf_init(&out, LIMIT_MQTT_MAPPED_BYTES);
    assert_true(payload_cut(text, strlen(text), &out));
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void test_cut(void **state)
{
    (void)state;
    static char photo[100000];
    memset(photo, 'A', sizeof photo - 1);
    memcpy(photo, "{\"pic\":\"", 8);
    memcpy(photo + sizeof photo - 15, "\",\"id\":\"a\\\"\"}", 14);
    assert_cut(photo, "{\"pic\":\"\",\"id\":\"a\\\"\"}");
    assert_cut("{\"a\":\"b\\\\\",\"c\":1}", "{\"a\":\"b\\\\\",\"c\":1}");
    memset(photo, 'A', sizeof photo - 1);
    photo[0] = '"'; /* never closed */
    assert_cut(photo, "\"\"");
    struct buf out;
    buf_init(&out, 10);
    assert_false(payload_cut("[1,2,3,4,5,6]", 13, &out));
    buf_free(&out);
}

static void assert_blank(const char *text, const char *expected)
{
    struct buf out;
    buf_init(&out, LIMIT_RAW_KEPT_BYTES);
    assert_true(payload_blank(text, strlen(text), &out));
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void test_blank(void **state)
{
    (void)state;
    assert_blank("{\"psk\":\"x\",\"n\":1}", "{\"psk\":\"*\",\"n\":1}");
    assert_blank("{\"personName\" : \"王\", \"k\":\"sos\"}",
                 "{\"personName\":\"*\", \"k\":\"sos\"}");
    assert_blank("[{\"phone\":13800000001}]", "[{\"phone\":\"*\"}]");
    assert_blank("{\"names\":{\"a\":\"b\"}}", "{\"names\":{\"a\":\"b\"}}");
    assert_blank("{\"note\":\"name\"}", "{\"note\":\"name\"}");
    assert_blank("{\"Password\":\"cut of", "{\"Password\":\"*\"");
    assert_blank("ON\xff", "ON\xef\xbf\xbd");
    static char large[3 * LIMIT_RAW_KEPT_BYTES];
    memset(large, 'x', sizeof large - 1);
    struct buf out;
    buf_init(&out, LIMIT_RAW_KEPT_BYTES);
    assert_true(payload_blank(large, sizeof large - 1, &out));
    assert_int_equal(out.size, LIMIT_RAW_KEPT_BYTES);
    buf_free(&out);
}

static void test_presence(void **state)
{
    (void)state;
    struct presence_view view = {PRESENCE_UNKNOWN, 0, 1000, 100};
    assert_int_equal(presence_next(&view, PRESENCE_TICK, 999999999), PRESENCE_UNKNOWN);
    assert_int_equal(presence_next(&view, PRESENCE_HEARD, 2000), PRESENCE_ONLINE);
    view = (struct presence_view){PRESENCE_ONLINE, 50000, 1000, 100};
    assert_int_equal(presence_next(&view, PRESENCE_TICK, 150000), PRESENCE_ONLINE);
    assert_int_equal(presence_next(&view, PRESENCE_TICK, 150001), PRESENCE_OFFLINE);
    view.listening_at_ms = 150000; /* we could not have heard it before */
    assert_int_equal(presence_next(&view, PRESENCE_TICK, 250000), PRESENCE_ONLINE);
    view.silent_s = 0;
    assert_int_equal(presence_next(&view, PRESENCE_TICK, 999999999), PRESENCE_ONLINE);
    assert_int_equal(presence_next(&view, PRESENCE_SAYS_OFF, 250000), PRESENCE_OFFLINE);
    assert_int_equal(presence_from_name(presence_name(PRESENCE_OFFLINE)), PRESENCE_OFFLINE);
}

static void test_clock_offset(void **state)
{
    (void)state;
    struct device device = {0};
    int64_t offset_ms;
    assert_false(device_clock_offset(&device, &offset_ms));
    device_note_clock(&device, 1000000, 1000900);
    assert_true(device_clock_offset(&device, &offset_ms));
    assert_int_equal(offset_ms, 0); /* near enough */
    for (int i = 0; i < DEVICE_SAMPLES; i++)
        device_note_clock(&device, 1000000, 1000000 + 3600000 + i * 5000);
    assert_true(device_clock_offset(&device, &offset_ms));
    assert_int_equal(offset_ms, 3600000); /* the least delayed of the last ones */
    for (int i = 0; i < DEVICE_SAMPLES; i++)
        device_note_clock(&device, 9000000, 9000000 - 7200000);
    assert_true(device_clock_offset(&device, &offset_ms));
    assert_int_equal(offset_ms, -7200000);
}

static void test_broker_files(void **state)
{
    (void)state;
    const struct mqtt_broker_options options = {.socket_path = "/run/touyan-mqtt/gw.sock",
                                                .listen = "192.168.8.1",
                                                .password_file = "/etc/touyan/devices.passwd",
                                                .acl_file = "/etc/touyan/devices.acl"};
    struct buf out;
    buf_init(&out, 16384);
    assert_true(mqtt_broker_config_write(&out, &options));
    const char *text = buf_text(&out);
    assert_non_null(strstr(text, "listener 0 /run/touyan-mqtt/gw.sock\n"));
    assert_non_null(strstr(text, "listener 1883 192.168.8.1\n"));
    assert_non_null(strstr(text, "use_username_as_clientid true\n"));
    assert_null(strstr(text, "certfile"));
    buf_clear(&out);
    struct mapping *rules;
    struct err err;
    assert_int_equal(mapping_open(NULL, &rules, &err), ERR_OK);
    assert_true(mqtt_broker_acl_write(rules, &out));
    assert_non_null(strstr(buf_text(&out), "pattern read sc/+/+/+/%u/cmd\n"));
    assert_non_null(strstr(buf_text(&out), "pattern write mqtt/face/%u/Rec\n"));
    assert_non_null(strstr(buf_text(&out), "user zigbee2mqtt\ntopic write zigbee2mqtt/#\n"));
    const char *bridges = strstr(buf_text(&out), "\nuser ");
    assert_null(strstr(bridges, "pattern")); /* would stand under that user */
    mapping_close(rules);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_matches), cmocka_unit_test(test_topic_checks),
        cmocka_unit_test(test_times),         cmocka_unit_test(test_paths),
        cmocka_unit_test(test_cut),           cmocka_unit_test(test_blank),
        cmocka_unit_test(test_presence),      cmocka_unit_test(test_clock_offset),
        cmocka_unit_test(test_broker_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
