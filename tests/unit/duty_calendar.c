/* Days that are not as the roster thought. */
#include <string.h>

#include "gateway/duty/calendar.h"
#include "tests/unit/duty_world.h"

static void a_closed_school_calls_its_duties_off(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_shift(w, "other", "S18-M", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "other", "D1");
    world_run(w, "2026-09-07", "19:00");
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, reason) VALUES"
                 " ('x', 'S0117', 'S17', '2026-09-08', 'storm', '暴风雪')");
    world_tick(w);
    world_tick(w);
    ASSERT_SENT(w, "O1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "D1", "N3_CANCELLED", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift WHERE state = 'cancelled'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'storm'"), 1);
    world_run(w, "2026-09-08", "09:00"); /* nobody stayed away */
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE shift_id = 'am'"), 0);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 1);
}

static void an_early_end_closes_nothing(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min) VALUES"
                 " ('x', 'S0117', 'S17', '2026-09-08', 'storm', 930)");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift WHERE state = 'cancelled'"), 0);
}

static void a_week_off_calls_all_off_but_a_school_that_stays(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_shift(w, "other", "S18-M", "2026-09-08", "am", "07:20", "08:10", 1);
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind) VALUES"
                 " ('x', 'S0117', 'S18', '2026-09-08', 'on')");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off) VALUES"
                 " ('2026-09-08', '*', '2026-09-08', 1)");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT state = 'cancelled' FROM shift WHERE id = 'am'"), 1);
    assert_int_equal(world_int(w, "SELECT state = 'cancelled' FROM shift WHERE id = 'other'"), 0);
}

static int exam(struct world *w, const char *date, int *ret_shifts)
{
    struct exam_day day = {"S17", date, "07:30", "18:00"};
    struct err err;
    replica_enter(w->replica);
    int code = calendar_exam(&w->duty, &day, ret_shifts, &err);
    assert_true(replica_leave(w->replica, code == ERR_OK) || code != ERR_OK);
    assert_true(replica_commit(w->replica));
    return code;
}

static void an_exam_has_posts_all_day_and_a_desk(void **state)
{
    struct world *w = *state;
    int shifts = 0;
    world_sql(w, "INSERT INTO post(id, scope, school_id, name, kind, need, active) VALUES"
                 " ('S17-D', 'S0117', 'S17', '服务台', 'service', 1, 1)");
    world_shift(w, "S17-E.2026-09-09.am", "S17-E", "2026-09-09", "am", "07:20", "08:10", 2);
    world_assign(w, "S17-E.2026-09-09.am", "V1");
    world_tick(w);
    assert_int_equal(exam(w, "2026-09-09", &shifts), ERR_STATE); /* the county knows of none */
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind) VALUES"
                 " ('x', 'S0117', 'S17', '2026-09-09', 'exam')");
    assert_int_equal(exam(w, "9月9日", &shifts), ERR_INVALID);
    assert_int_equal(exam(w, "2026-09-09", &shifts), ERR_OK);
    assert_int_equal(shifts, 9); /* three posts, three watches */
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift WHERE date = '2026-09-09'"), 9);
    assert_int_equal(world_int(w, "SELECT sum(end_at - start_at) / 60000 FROM shift WHERE"
                                  " post_id = 'S17-D'"),
                     630); /* 07:30 to 18:00 without a hole */
    world_tick(w);
    world_tick(w);
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1); /* 07:20 is 07:30 now */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_school_calls_its_duties_off),
        TEST(an_early_end_closes_nothing),
        TEST(a_week_off_calls_all_off_but_a_school_that_stays),
        TEST(an_exam_has_posts_all_day_and_a_desk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
