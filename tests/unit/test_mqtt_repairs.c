/* One repair for one cause: a broker, a school, a bridge, a power cut, a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "mqtt/repairs.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

#define T0 INT64_C(1788218405000)
#define MINUTE 60000

struct world {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    int64_t now;
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void add(struct world *w, const char *id, const char *school, const char *product)
{
    replica_run(w->replica,
                "INSERT INTO device(id, scope, school_id, product, kind)"
                " VALUES (?1, 'S0117', ?2, ?3, 'x')",
                "sss", id, school, product);
    replica_run(w->replica,
                "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at,"
                " event_at, silent_s, messages) VALUES (?1, ?2, 'online', ?3, ?3, ?3, 0, 0, 1)",
                "ssi", id, product, T0);
}

/* Twelve devices: five at S14, four at S16 (Zigbee), three at S18. */
static int setup(void **state)
{
    static struct world w;
    struct err err;
    log_set_sink(swallow, NULL);
    w = (struct world){.rnd = rnd_seeded(1), .seal = seal_for_test(), .now = T0};
    w.cells = (struct clock_cells){T0, 1000};
    w.clock = clock_manual(&w.cells);
    struct replica_options options = {
        .path = ":memory:", .clock = &w.clock, .rnd = &w.rnd, .seal = w.seal};
    assert_int_equal(replica_open(&options, &w.replica, &err), ERR_OK);
    replica_enter(w.replica);
    char id[8];
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "D%d", i);
        add(&w, id,
            i < 5   ? "S14"
            : i < 9 ? "S16"
                    : "S18",
            i >= 5 && i < 9 ? "zigbee2mqtt" : "touyan");
    }
    assert_true(replica_leave(w.replica, true));
    assert_true(replica_commit(w.replica));
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    replica_close(w->replica);
    seal_close(w->seal);
    log_set_sink(NULL, NULL);
    return 0;
}

static void set(struct world *w, const char *id, const char *state, int64_t at)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "UPDATE device_state SET state = ?2, state_at = ?3 WHERE device_id = ?1", "ssi", id,
                state, at);
    assert_true(replica_leave(w->replica, true));
}

static void look(struct world *w, int64_t after_ms, int64_t broker_down_ms)
{
    w->now += after_ms;
    repairs_look(w->replica, w->now, broker_down_ms);
    assert_true(replica_commit(w->replica));
}

static void assert_open(struct world *w, const char *expected)
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
    struct world *w = *state;
    set(w, "D1", "offline", w->now);
    look(w, MINUTE - 1, 0); /* it may come back */
    assert_open(w, "");
    look(w, 1, 0);
    assert_open(w, "silent D1 1");
    look(w, MINUTE, 0);
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 1);
    set(w, "D1", "online", w->now);
    look(w, 1, 0);
    assert_open(w, "");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT closed_at FROM device_repair", ""),
                     w->now);
}

static void test_broker_is_not_twelve_devices(void **state)
{
    struct world *w = *state;
    look(w, MINUTE, MINUTE - 1);
    assert_open(w, "");
    look(w, 10000, MINUTE);
    assert_open(w, "broker  0");
    look(w, 10 * MINUTE, 11 * MINUTE);
    assert_open(w, "broker  0");
    look(w, MINUTE, 0);
    assert_open(w, "");
    set(w, "D1", "offline", w->now);
    look(w, MINUTE, 0);
    look(w, MINUTE, MINUTE);
    assert_open(w, "broker  0, silent D1 1"); /* what was wrong before stays so */
    look(w, MINUTE, 0);
    assert_open(w, "silent D1 1");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 3);
}

static void test_school(void **state)
{
    struct world *w = *state;
    char id[8];
    for (int i = 0; i < 4; i++) { /* the line is cut; the fifth is on another */
        snprintf(id, sizeof id, "D%d", i);
        set(w, id, "offline", w->now + i * 20000);
    }
    set(w, "D10", "offline", w->now);
    look(w, 3 * MINUTE, 0);
    assert_open(w, "school S14 4, silent D10 1");
    set(w, "D0", "online", w->now);
    set(w, "D1", "online", w->now);
    look(w, MINUTE, 0);
    assert_open(w, "silent D10 1, silent D2 1, silent D3 1");
}

/* Three devices that broke in different weeks are three repairs. */
static void test_not_together(void **state)
{
    struct world *w = *state;
    set(w, "D9", "offline", w->now);
    set(w, "D10", "offline", w->now + 20 * MINUTE);
    set(w, "D11", "offline", w->now + 60 * MINUTE);
    look(w, 90 * MINUTE, 0);
    assert_open(w, "silent D10 1, silent D11 1, silent D9 1");
}

static void test_bridge(void **state)
{
    struct world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at,"
                " event_at, silent_s, messages) VALUES"
                " ('zigbee2mqtt', 'zigbee2mqtt', 'offline', ?1, ?1, ?1, 0, 0, 1)",
                "i", w->now);
    assert_true(replica_leave(w->replica, true));
    set(w, "D5", "offline", w->now);
    set(w, "D6", "offline", w->now);
    look(w, 2 * MINUTE, 0);
    assert_open(w, "bridge zigbee2mqtt 2");
}

static void test_power(void **state)
{
    struct world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica,
                "UPDATE device_state SET power = 'battery', power_at = ?1 WHERE device_id = 'D0'",
                "i", w->now);
    assert_true(replica_leave(w->replica, true));
    look(w, 1000, 0); /* at once */
    assert_open(w, "power S14 0");
    set(w, "D1", "offline", w->now);
    set(w, "D2", "offline", w->now);
    set(w, "D9", "offline", w->now);
    look(w, 2 * MINUTE, 0);
    assert_open(w, "power S14 2, silent D9 1");
    assert_int_equal(replica_get_int(w->replica, 0, "SELECT count(*) FROM device_repair", ""), 2);
}

static void test_what_is_wrong_with_it(void **state)
{
    struct world *w = *state;
    replica_enter(w->replica);
    replica_run(w->replica, "UPDATE device_state SET battery = 15 WHERE device_id = 'D1'", "");
    replica_run(w->replica, "UPDATE device_state SET battery = 16 WHERE device_id = 'D2'", "");
    replica_run(w->replica, "UPDATE device_state SET offset_ms = -120001 WHERE device_id = 'D3'",
                "");
    replica_run(w->replica, "UPDATE device_state SET over = 9, over_at = ?1 WHERE device_id = 'D4'",
                "i", w->now);
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
