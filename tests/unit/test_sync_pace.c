/* How many rows a handler takes, on disks of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "sync/pace.h"

enum { GOAL_US = 3000, MAX_ROWS = 500, ROW_US = 20 };

/* Handlers that are full; the disk takes commit_us, and page_us more for each row. */
static void run(struct pace *pace, int times, int64_t commit_us, int64_t page_us)
{
    for (int i = 0; i < times; i++)
        pace_note(pace, pace->rows, (int64_t)pace->rows * ROW_US,
                  commit_us + (int64_t)pace->rows * page_us, GOAL_US);
}

static struct pace make(void)
{
    struct pace pace;
    pace_init(&pace, 100, MAX_ROWS);
    return pace;
}

static void rows_follow_the_work(void **state)
{
    (void)state;
    struct pace pace = make();
    run(&pace, 20, 200, 0);
    assert_in_range(pace.rows, 140, 160);
}

static void a_disk_that_is_slow_for_any_commit_does_not_make_crumbs(void **state)
{
    (void)state;
    struct pace pace = make();
    run(&pace, 20, 40000, 0);
    assert_in_range(pace.rows, 140, 160);
    struct rnd rnd = rnd_seeded(1);
    size_t least = MAX_ROWS;
    for (int i = 0; i < 500; i++) {
        run(&pace, 1, 5000 + (int64_t)rnd_below(&rnd, 4000), 0);
        least = i > 50 && pace.rows < least ? pace.rows : least;
    }
    assert_true(least > 70);
}

static void a_disk_that_is_slow_for_many_rows_gets_fewer(void **state)
{
    (void)state;
    struct pace pace = make();
    run(&pace, 30, 1000, 0);
    run(&pace, 20, 1000, 1000);
    assert_true(pace.rows < 80);
}

static void it_grows_and_shrinks_by_half_at_most_and_within_its_limits(void **state)
{
    (void)state;
    struct pace pace = make();
    pace_note(&pace, 100, 1, 1, GOAL_US);
    assert_int_equal(pace.rows, 200);
    pace_note(&pace, 200, 1000000, 1, GOAL_US);
    assert_int_equal(pace.rows, 100);
    for (int i = 0; i < 10; i++)
        pace_note(&pace, pace.rows, 1000000, 1, GOAL_US);
    assert_int_equal(pace.rows, PACE_ROWS_MIN);
    for (int i = 0; i < 10; i++)
        pace_note(&pace, pace.rows, 0, 1, GOAL_US);
    assert_int_equal(pace.rows, MAX_ROWS);
}

static void a_short_handler_in_time_says_nothing(void **state)
{
    (void)state;
    struct pace pace = make();
    pace_note(&pace, 3, 400, 100, GOAL_US);
    assert_int_equal(pace.rows, 100);
    pace_note(&pace, 0, 400, 100, GOAL_US);
    assert_int_equal(pace.rows, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_the_work),
        cmocka_unit_test(a_disk_that_is_slow_for_any_commit_does_not_make_crumbs),
        cmocka_unit_test(a_disk_that_is_slow_for_many_rows_gets_fewer),
        cmocka_unit_test(it_grows_and_shrinks_by_half_at_most_and_within_its_limits),
        cmocka_unit_test(a_short_handler_in_time_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
