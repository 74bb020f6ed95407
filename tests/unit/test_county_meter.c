/* Quotas and counters of the county's server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sync/county/meter.h"

static void a_station_may_so_much_a_minute(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    for (int i = 0; i < LIMIT_QUOTA_REQUESTS; i++)
        assert_int_equal(meter_admit(meter, "S0117", 1000 + i), 0);
    assert_int_equal(meter_admit(meter, "S0117", 5000), 1000 + QUOTA_WINDOW_MS - 5000);
    assert_int_equal(meter_admit(meter, "S0118", 5000), 0);
    assert_int_equal(meter_admit(meter, "S0117", 1000 + QUOTA_WINDOW_MS), 0);
    meter_free(meter);
}

static void bytes_count_too(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    assert_int_equal(meter_admit(meter, "S0117", 0), 0);
    meter_charge(meter, "S0117", LIMIT_QUOTA_BYTES, 0);
    assert_int_equal(meter_admit(meter, "S0117", 1), 0);
    meter_charge(meter, "S0117", 1, 1);
    assert_int_equal(meter_admit(meter, "S0117", 2), QUOTA_WINDOW_MS - 2);
    assert_int_equal(meter_admit(meter, "S0117", QUOTA_WINDOW_MS), 0);
    meter_free(meter);
}

/* More stations than slots: nobody is refused for another's sake. */
static void more_stations_than_slots_are_served(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    char name[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "S%05d", i);
        assert_int_equal(meter_admit(meter, name, 0), 0);
    }
    meter_free(meter);
}

static void strangers_are_counted_by_address(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    for (int i = 0; i < LIMIT_STRANGER_REQUESTS; i++)
        assert_int_equal(meter_admit_stranger(meter, "192.0.2.1", 1000), 0);
    assert_int_equal(meter_admit_stranger(meter, "192.0.2.1", 2000), STRANGER_WINDOW_MS - 1000);
    assert_int_equal(meter_admit_stranger(meter, "192.0.2.1", 1000 + STRANGER_WINDOW_MS), 0);
    assert_int_equal(meter_admit_stranger(meter, "192.0.2.2", 1000), 0);
    assert_int_equal(meter_admit(meter, "192.0.2.1", 1000), 0); /* a station of that name */
    meter_free(meter);
}

static void counters_are_written(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    struct buf out;
    buf_init(&out, 65536);
    meter_count(meter, METER_SYNC, 200, 10, 20, 1500000);
    meter_count(meter, METER_SYNC, 409, 1, 2, 500000);
    meter_write(meter, &out);
    assert_non_null(
        strstr(buf_text(&out), "touyan_county_requests_total{route=\"sync\",status=\"4xx\"} 1\n"));
    assert_non_null(
        strstr(buf_text(&out), "touyan_county_received_bytes_total{route=\"sync\"} 11\n"));
    assert_non_null(
        strstr(buf_text(&out), "touyan_county_handled_seconds_total{route=\"sync\"} 2.000000\n"));
    buf_free(&out);
    meter_free(meter);
}

static void due_comes_once_a_period(void **state)
{
    (void)state;
    struct meter *meter = meter_new();
    assert_false(meter_is_due(meter, 5, 100));
    assert_false(meter_is_due(meter, 104, 100));
    assert_true(meter_is_due(meter, 105, 100));
    assert_false(meter_is_due(meter, 106, 100));
    meter_due_again(meter);
    assert_true(meter_is_due(meter, 106, 100));
    meter_free(meter);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(a_station_may_so_much_a_minute),
        cmocka_unit_test(bytes_count_too),
        cmocka_unit_test(more_stations_than_slots_are_served),
        cmocka_unit_test(strangers_are_counted_by_address),
        cmocka_unit_test(counters_are_written),
        cmocka_unit_test(due_comes_once_a_period),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
