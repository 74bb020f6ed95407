/* Civil time, the clocks, and ids made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/caltime.h"
#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "gateway/base/uuid.h"

static void test_known_times(void **state)
{
    (void)state;
    struct caltime t = caltime_local(0);
    assert_int_equal(t.year, 1970);
    assert_int_equal(t.month, 1);
    assert_int_equal(t.day, 1);
    assert_int_equal(t.hour, 8);
    assert_int_equal(t.weekday, 4);
    t = caltime_local(INT64_C(1788218430123)); /* 2026-08-31T23:20:30.123Z */
    assert_int_equal(t.year, 2026);
    assert_int_equal(t.month, 9);
    assert_int_equal(t.day, 1);
    assert_int_equal(t.hour, 7);
    assert_int_equal(t.minute, 20);
    assert_int_equal(t.second, 30);
    assert_int_equal(t.weekday, 2);
    t = caltime_local(-1); /* 1970-01-01T07:59:59.999+08:00 */
    assert_int_equal(t.hour, 7);
    assert_int_equal(t.second, 59);
    t = caltime_local(-(int64_t)CALTIME_OFFSET_MS - 1);
    assert_int_equal(t.year, 1969);
    assert_int_equal(t.day, 31);
    assert_int_equal(t.weekday, 3);
}

/* Each day of 400 years follows the one before by the rules that people know. */
static void test_every_day(void **state)
{
    (void)state;
    static const int days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1800, month = 1, day = 1, weekday = 3; /* a Wednesday */
    int64_t ms = caltime_to_ms(year, month, day, 0, 0);
    for (int n = 0; n < 146097; n++, ms += CALTIME_DAY_MS) {
        struct caltime t = caltime_local(ms + CALTIME_DAY_MS - 1);
        assert_true(t.year == year && t.month == month && t.day == day && t.weekday == weekday);
        assert_int_equal(t.hour, 23);
        assert_true(caltime_to_ms(year, month, day, 0, 0) == ms);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        weekday = weekday % 7 + 1;
        if (++day > days_of[month - 1] + (leap && month == 2 ? 1 : 0)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    assert_int_equal(year, 2200);
}

static void test_midnight(void **state)
{
    (void)state;
    int64_t noon = caltime_to_ms(2026, 3, 1, 12, 0);
    assert_true(caltime_midnight(noon, 0) == caltime_to_ms(2026, 3, 1, 0, 0));
    assert_true(caltime_midnight(noon, -1) == caltime_to_ms(2026, 2, 28, 0, 0));
    assert_true(caltime_midnight(noon, 31) == caltime_to_ms(2026, 4, 1, 0, 0));
    int64_t midnight = caltime_midnight(noon, 0);
    assert_true(caltime_midnight(midnight, 0) == midnight);
    assert_true(caltime_midnight(midnight - 1, 0) == midnight - CALTIME_DAY_MS);
    assert_true(caltime_midnight(-CALTIME_OFFSET_MS - 1, 0) == -CALTIME_OFFSET_MS - CALTIME_DAY_MS);
}

static void test_format(void **state)
{
    (void)state;
    char date[CALTIME_DATE_SIZE];
    char clock[CALTIME_CLOCK_SIZE];
    int64_t ms = caltime_to_ms(2026, 9, 1, 7, 5);
    caltime_format_date(ms, date);
    caltime_format_clock(ms, clock);
    assert_string_equal(date, "2026-09-01");
    assert_string_equal(clock, "07:05");
    caltime_format_date(INT64_MAX, date); /* "never" */
    caltime_format_clock(INT64_MAX, clock);
    assert_string_equal(date, "9999-12-31");
    assert_string_equal(clock, "23:59");
    caltime_format_date(INT64_MIN, date);
    assert_int_equal(strlen(date), CALTIME_DATE_SIZE - 1);
    assert_true(caltime_midnight(INT64_MAX, 1) > 0);
}

static void test_parse_date(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "2026-9-01",  "2026-02-29", "2026-04-31",
                                      "2026-13-01", "2026-00-01", "2026-01-00", "0000-01-01",
                                      "2026/01/01", "2026-01-1a", " 026-01-01", "2026-01-011",
                                      "-026-01-01", "2100-02-29"};
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(caltime_parse_date(bad[i], &ms));
    assert_true(ms == 7);
    assert_true(caltime_parse_date("2028-02-29", &ms));
    assert_true(ms == caltime_to_ms(2028, 2, 29, 0, 0));
    assert_true(caltime_parse_date("2000-02-29", &ms));
}

static void test_parse_clock(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "7:00",  "24:00", "12:60", "12-00",
                                      "1a:00", "12:0 ", "-1:00", "12:000"};
    int minutes = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(caltime_parse_clock(bad[i], &minutes));
    assert_int_equal(minutes, 7);
    assert_true(caltime_parse_clock("00:00", &minutes));
    assert_int_equal(minutes, 0);
    assert_true(caltime_parse_clock("23:59", &minutes));
    assert_int_equal(minutes, 23 * 60 + 59);
}

static void test_fast_clock_is_shared(void **state)
{
    (void)state;
    char path[] = "/tmp/touyan-clock-XXXXXX";
    close(mkstemp(path));
    struct clock a, b;
    struct err err = {0};
    assert_int_equal(clock_open_fast(path, &a, &err), ERR_OK);
    assert_int_equal(clock_open_fast(path, &b, &err), ERR_OK);
    int64_t before = clock_wall_ms(&b);
    int64_t mono = clock_mono_ms(&b);
    __atomic_store_n((int64_t *)a.ctx, CALTIME_DAY_MS, __ATOMIC_RELEASE);
    int64_t jump = clock_wall_ms(&b) - before;
    assert_in_range(jump, CALTIME_DAY_MS, CALTIME_DAY_MS + 60000);
    assert_in_range(clock_mono_ms(&b) - mono, 0, 60000);
    clock_close_fast(&a);
    clock_close_fast(&b);
    clock_close_fast(&b);
    unlink(path);
    assert_int_equal(clock_open_fast("/nonexistent/clock", &a, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/clock"));
}

static void test_manual_clock(void **state)
{
    (void)state;
    struct clock_cells cells = {.wall_ms = 5, .mono_ms = 7};
    struct clock clock = clock_manual(&cells);
    assert_int_equal(clock_wall_ms(&clock), 5);
    cells.mono_ms++;
    assert_int_equal(clock_mono_ms(&clock), 8);
    assert_true(clock_wall_ms(clock_real()) > INT64_C(1700000000000));
}

static void expect_next_is_larger(struct uuid_source *source, char last[LIMIT_ID_BYTES + 1])
{
    char id[LIMIT_ID_BYTES + 1];
    uuid_next(source, id);
    assert_int_equal(strlen(id), LIMIT_ID_BYTES);
    assert_true(strcmp(id, last) > 0);
    memcpy(last, id, sizeof id);
}

static void test_ids_grow(void **state)
{
    (void)state;
    struct clock_cells cells = {.wall_ms = INT64_C(0x0123456789ab)};
    struct clock clock = clock_manual(&cells);
    struct rnd rnd = rnd_seeded(1);
    struct uuid_source source;
    uuid_source_init(&source, &clock, &rnd);
    char last[LIMIT_ID_BYTES + 1];
    uuid_next(&source, last);
    assert_memory_equal(last, "01234567-89ab-7000-8000-", 24); /* RFC 9562: version 7, variant 10 */
    for (int i = 0; i < 40000; i++) /* over the 14 low bits of the counter */
        expect_next_is_larger(&source, last);
    cells.wall_ms -= 3600000; /* the wall clock steps back */
    expect_next_is_larger(&source, last);
    cells.wall_ms += 3600001;
    expect_next_is_larger(&source, last);
    assert_memory_equal(last, "01234567-89ac-7000-8000-", 24);
    source.counter = (1U << 26) - 1; /* the counter is full */
    uuid_next(&source, last);
    assert_memory_equal(last, "01234567-89ad-7000-8000-", 24);
    expect_next_is_larger(&source, last);
    assert_memory_equal(last, "01234567-89ad-7000-8001-", 24);
}

/* It wakes up in 1970, hears the time, and is set right later. */
static void test_mended_clock(void **state)
{
    (void)state;
    const int64_t told = INT64_C(1795000000000); /* in November 2026 */
    struct clock_cells cells = {.wall_ms = 60000, .mono_ms = 7};
    struct clock under = clock_manual(&cells);
    struct clock_mended mended;
    struct clock clock = clock_mend(&mended, &under);
    assert_int_equal(clock_source(&mended), CLOCK_WRONG);
    assert_int_equal(clock_wall_ms(&clock), 60000);
    assert_false(clock_tell(&mended, 120000)); /* no time either */
    assert_true(clock_tell(&mended, told));
    assert_int_equal(clock_source(&mended), CLOCK_TOLD);
    cells.wall_ms += 1000;
    assert_true(clock_wall_ms(&clock) == told + 1000);
    assert_false(clock_tell(&mended, told + 3000)); /* a modem says it to the second, and late */
    assert_true(clock_wall_ms(&clock) == told + 1000);
    assert_true(clock_tell(&mended, told + 60000));
    assert_int_equal(clock_mono_ms(&clock), 7);
    cells.wall_ms = told + 5; /* timedatectl */
    assert_int_equal(clock_source(&mended), CLOCK_SYSTEM);
    assert_true(clock_wall_ms(&clock) == told + 5);
    assert_false(clock_tell(&mended, told + 3600000)); /* shown, but not believed */
    assert_true(clock_wall_ms(&clock) == told + 5);
    cells.wall_ms = INT64_C(4102444800000); /* 2100 */
    assert_false(clock_is_possible(cells.wall_ms));
}

static void test_two_sources_differ(void **state)
{
    (void)state;
    struct clock_cells cells = {.wall_ms = 1};
    struct clock clock = clock_manual(&cells);
    struct rnd rnd = rnd_system();
    struct uuid_source a, b;
    char id_a[LIMIT_ID_BYTES + 1], id_b[LIMIT_ID_BYTES + 1];
    uuid_source_init(&a, &clock, &rnd);
    uuid_source_init(&b, &clock, &rnd);
    uuid_next(&a, id_a);
    uuid_next(&b, id_b);
    assert_memory_equal(id_a, id_b, 24);
    assert_string_not_equal(id_a, id_b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_times),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_midnight),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse_date),
        cmocka_unit_test(test_parse_clock),
        cmocka_unit_test(test_fast_clock_is_shared),
        cmocka_unit_test(test_manual_clock),
        cmocka_unit_test(test_ids_grow),
        cmocka_unit_test(test_mended_clock),
        cmocka_unit_test(test_two_sources_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
