/* One repair for one cause: a broker, a school, a bridge, a power cut, a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/repairs.h"
#include "tests/lib/mqttworld.h"

#define T0 MQTT_WORLD_T0
#define MINUTE 60000

/* Five at S14, four at S16 (Zigbee), three at S18. */
static const struct mqtt_world_device registered[] = {
    {"D0", "touyan", "x", "S14"},
    {"D1", "touyan", "x", "S14"},
    {"D2", "touyan", "x", "S14"},
    {"D3", "touyan", "x", "S14"},
    {"D4", "touyan", "x", "S14"},
    {"D5", "zigbee2mqtt", "x", "S16"},
    {"D6", "zigbee2mqtt", "x", "S16"},
    {"D7", "zigbee2mqtt", "x", "S16"},
    {"D8", "zigbee2mqtt", "x", "S16"},
    {"D9", "touyan", "x", "S18"},
    {"D10", "touyan", "x", "S18"},
    {"D11", "touyan", "x", "S18"},
    {0},
};

static int setup(void **state)
{
    static struct mqtt_world w;
    mqtt_world_open(&w, registered);
    replica_enter(w.replica);
    replica_run(w.replica,
                "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at,"
                " event_at, silent_s, messages) SELECT id, product, 'online', ?1, ?1, ?1, 0, 0, 1"
                " FROM device",
                "i", T0);
    assert_true(replica_leave(w.replica, true));
    assert_true(replica_commit(w.replica));
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    mqtt_world_close(*state);
    return 0;
}

static void set(struct mqtt_world *w, const char *id, const char *state, int64_t at)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "UPDATE device_state SET state = ?2, state_at = ?3 WHERE device_id = ?1", "ssi", id,
                state, at);
    assert_true(replica_leave(w->replica, true));
}

static void look(struct mqtt_world *w, int64_t after_ms, int64_t broker_down_ms)
{
    w->cells.wall_ms += after_ms;
    repairs_look(w->replica, w->cells.wall_ms, broker_down_ms);
    assert_true(replica_commit(w->replica));
}

static void assert_open(struct mqtt_world *w, const char *expected)
{
    char text[400] = "";
    replica_get_text(w->replica, text, sizeof text,
                     "SELECT group_concat(cause || ' ' || subject || ' ' || devices, ', ') FROM"
                     " (SELECT * FROM device_repair WHERE closed_at IS NULL ORDER BY cause,"
                     " subject)",
                     "");
    assert_string_equal(text, expected);
}

static void test_one_device(void **state)
{
    struct mqtt_world *w = *state;
    set(w, "D1", "offline", w->cells.wall_ms);
    look(w, MINUTE - 1, 0); /* it may come back */
    assert_open(w, "");
    look(w, 1, 0);
    assert_open(w, "silent D1 1");
    look(w, MINUTE, 0);
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 1);
    set(w, "D1", "online", w->cells.wall_ms);
    look(w, 1, 0);
    assert_open(w, "");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT closed_at FROM device_repair", ""),
                     w->cells.wall_ms);
}

static void test_broker_is_not_twelve_devices(void **state)
{
    struct mqtt_world *w = *state;
    look(w, MINUTE, MINUTE - 1);
    assert_open(w, "");
    look(w, 10000, MINUTE);
    assert_open(w, "broker  0");
    look(w, 10 * MINUTE, 11 * MINUTE);
    assert_open(w, "broker  0");
    look(w, MINUTE, 0);
    assert_open(w, "");
    set(w, "D1", "offline", w->cells.wall_ms);
    look(w, MINUTE, 0);
    look(w, MINUTE, MINUTE);
    assert_open(w, "broker  0, silent D1 1"); /* what was wrong before stays so */
    look(w, MINUTE, 0);
    assert_open(w, "silent D1 1");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 3);
}

static void test_school(void **state)
{
    struct mqtt_world *w = *state;
    char id[8];
    for (int i = 0; i < 4; i++) { /* the line is cut; the fifth is on another */
        snprintf(id, sizeof id, "D%d", i);
        set(w, id, "offline", w->cells.wall_ms + i * 20000);
    }
    set(w, "D10", "offline", w->cells.wall_ms);
    look(w, 3 * MINUTE, 0);
    assert_open(w, "school S14 4, silent D10 1");
    set(w, "D0", "online", w->cells.wall_ms);
    set(w, "D1", "online", w->cells.wall_ms);
    look(w, MINUTE, 0);
    assert_open(w, "silent D10 1, silent D2 1, silent D3 1");
}

/* Three devices that broke in different weeks are three repairs. */
static void test_not_together(void **state)
{
    struct mqtt_world *w = *state;
    set(w, "D9", "offline", w->cells.wall_ms);
    set(w, "D10", "offline", w->cells.wall_ms + 20 * MINUTE);
    set(w, "D11", "offline", w->cells.wall_ms + 60 * MINUTE);
    look(w, 90 * MINUTE, 0);
    assert_open(w, "silent D10 1, silent D11 1, silent D9 1");
}

static void test_bridge(void **state)
{
    struct mqtt_world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at,"
                " event_at, silent_s, messages) VALUES"
                " ('zigbee2mqtt', 'zigbee2mqtt', 'offline', ?1, ?1, ?1, 0, 0, 1)",
                "i", w->cells.wall_ms);
    assert_true(replica_leave(w->replica, true));
    set(w, "D5", "offline", w->cells.wall_ms);
    set(w, "D6", "offline", w->cells.wall_ms);
    look(w, 2 * MINUTE, 0);
    assert_open(w, "bridge zigbee2mqtt 2");
}

static void test_power(void **state)
{
    struct mqtt_world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica,
                "UPDATE device_state SET power = 'battery', power_at = ?1 WHERE device_id = 'D0'",
                "i", w->cells.wall_ms);
    assert_true(replica_leave(w->replica, true));
    look(w, 1000, 0); /* at once */
    assert_open(w, "power S14 0");
    set(w, "D1", "offline", w->cells.wall_ms);
    set(w, "D2", "offline", w->cells.wall_ms);
    set(w, "D9", "offline", w->cells.wall_ms);
    look(w, 2 * MINUTE, 0);
    assert_open(w, "power S14 2, silent D9 1");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 2);
}

static void test_what_is_wrong_with_it(void **state)
{
    struct mqtt_world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica, "UPDATE device_state SET battery = 15 WHERE device_id = 'D1'", "");
    replica_run(w->replica, "UPDATE device_state SET battery = 16 WHERE device_id = 'D2'", "");
    replica_run(w->replica, "UPDATE device_state SET offset_ms = -120001 WHERE device_id = 'D3'",
                "");
    replica_run(w->replica, "UPDATE device_state SET over = 9, over_at = ?1 WHERE device_id = 'D4'",
                "i", w->cells.wall_ms);
    assert_true(replica_leave(w->replica, true));
    look(w, 1000, 0);
    assert_open(w, "battery D1 1, clock D3 1, flood D4 1");
    look(w, 10 * MINUTE, 0);
    assert_open(w, "battery D1 1, clock D3 1");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_device),
        T(test_broker_is_not_twelve_devices),
        T(test_school),
        T(test_not_together),
        T(test_bridge),
        T(test_power),
        T(test_what_is_wrong_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
