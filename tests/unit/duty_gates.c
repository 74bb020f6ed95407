/* What the gates tell the duty: how many people are there, and which devices are broken. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

/* --- flow --- */

/* The texts of statements must stay, so what differs goes in as values. */
static void run(struct world *w, const char *sql, const char *a, const char *b, int64_t c)
{
    replica_enter(w->replica);
    assert_true(replica_run(w->replica, sql, "ssii", a, b, w->cells.wall_ms, c) >= 0);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    world_tick(w);
}

static void crowd(struct world *w, const char *level, int people)
{
    run(w,
        "INSERT INTO school_flow(school_id, level, level_at, people, counted_at)"
        " VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT(school_id) DO UPDATE SET level = excluded.level,"
        " level_at = excluded.level_at, people = excluded.people",
        "S17", level, people);
}

static void leader_hears_of_a_crowd(void **state)
{
    struct world *w = *state;
    crowd(w, "flat", 20);
    ASSERT_SENT(w, "L", "F2_CROWD", 0);
    crowd(w, "heavy", 180);
    ASSERT_SENT(w, "L", "F2_CROWD", 1);
    assert_non_null(strstr(world_last(w, "L", "F2_CROWD"), "约180人，客流拥堵，在岗0人"));
    world_tick(w);
    world_at(w, "2026-09-07", "12:10");
    crowd(w, "flat", 20);
    world_at(w, "2026-09-07", "12:20");
    crowd(w, "heavy", 190); /* within the hour */
    ASSERT_SENT(w, "L", "F2_CROWD", 1);
    world_at(w, "2026-09-07", "13:10");
    crowd(w, "heavy", 190);
    ASSERT_SENT(w, "L", "F2_CROWD", 2);
    world_at(w, "2026-09-07", "23:10");
    crowd(w, "heavy", 200);
    ASSERT_SENT(w, "L", "F2_CROWD", 2);
    world_restart(w);
    world_at(w, "2026-09-08", "06:40"); /* long over */
    world_tick(w);
    ASSERT_SENT(w, "L", "F2_CROWD", 2);
}

/* A peak is what guards are there for; where none is, it is not. */
static void peak_without_guards(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "07:15");
    crowd(w, "peak", 80);
    ASSERT_SENT(w, "L", "F2_CROWD", 0);
    world_at(w, "2026-09-08", "10:00");
    crowd(w, "peak", 81);
    ASSERT_SENT(w, "L", "F2_CROWD", 1);
    assert_non_null(strstr(world_last(w, "L", "F2_CROWD"), "高峰"));
}

static void officer_says_what_it_is(void **state)
{
    struct world *w = *state;
    world_text(w, "O1", "流量S17堵");
    ASSERT_SENT(w, "O1", "F1_NOTED", 1);
    assert_non_null(strstr(world_last(w, "O1", "F1_NOTED"), "拥堵，到14:00"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM school_flow WHERE school_id = 'S17' AND"
                                  " manual = 'heavy' AND level = 'flat'"),
                     1);
    crowd(w, "heavy", 180); /* the leader has it from a person */
    ASSERT_SENT(w, "L", "F2_CROWD", 0);
    world_text(w, "O1", "流量S17平");
    assert_int_equal(world_int(w, "SELECT manual = 'flat' FROM school_flow"), 1);
    world_text(w, "O1", "FLOW S17 peak");
    assert_int_equal(world_int(w, "SELECT manual = 'peak' FROM school_flow"), 1);
    world_text(w, "O1", "flow s17 Flat");
    assert_int_equal(world_int(w, "SELECT manual = 'flat' FROM school_flow"), 1);
    world_text(w, "O1", "flow is heavy");
    world_text(w, "V1", "流量S17堵");
    ASSERT_SENT(w, "V1", "F1_NOTED", 0);
    assert_int_equal(world_int(w, "SELECT manual = 'flat' FROM school_flow"), 1);
}

/* --- repairs --- */

static void breaks(struct world *w, const char *cause, const char *subject)
{
    run(w, "INSERT INTO device_repair(cause, subject, since, devices) VALUES (?1, ?2, ?3, ?4)",
        cause, subject, 1);
}

static void works(struct world *w)
{
    world_sql(w, "UPDATE device_repair SET closed_at = 1 WHERE closed_at IS NULL");
    world_tick(w);
}

static int64_t issues(struct world *w, const char *state)
{
    return replica_get_int(w->replica, -1,
                           "SELECT count(*) FROM issue WHERE source = 'device' AND state = ?1", "s",
                           state);
}

static int64_t desk_items(struct world *w)
{
    return world_int(w, "SELECT count(*) FROM desk_item WHERE kind IN ('issue', 'event')"
                        " AND state = 'open'");
}

static void repair_becomes_an_issue(void **state)
{
    struct world *w = *state;
    breaks(w, "silent", "FT17");
    world_run(w, "2026-09-07", "12:29");
    assert_int_equal(issues(w, "open"), 0);
    world_run(w, "2026-09-07", "12:30");
    assert_int_equal(issues(w, "open"), 1);
    assert_int_equal(desk_items(w), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE school_id = 'S17'"
                                  " AND category = 'device' AND title LIKE '设备离线：%'"),
                     1);
    world_run(w, "2026-09-07", "13:00");
    assert_int_equal(issues(w, "open"), 1);
    /* it works: somebody has to look at it */
    works(w);
    assert_int_equal(issues(w, "fixed"), 1);
    assert_int_equal(desk_items(w), 0);
    /* and before anybody did it is broken again: the same issue */
    breaks(w, "silent", "FT17");
    world_run(w, "2026-09-07", "13:40");
    assert_int_equal(issues(w, "open"), 1);
    assert_int_equal(desk_items(w), 1);
    works(w);
    world_sql(w, "UPDATE issue SET state = 'closed'");
    breaks(w, "silent", "FT17");
    world_run(w, "2026-09-07", "14:20");
    assert_int_equal(issues(w, "open"), 1);
    assert_int_equal(issues(w, "closed"), 1);
}

/* Ten minutes are a restart. */
static void short_repairs_are_not_told(void **state)
{
    struct world *w = *state;
    breaks(w, "school", "S17");
    world_run(w, "2026-09-07", "12:14");
    works(w);
    world_run(w, "2026-09-07", "13:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue"), 0);
    assert_int_equal(desk_items(w), 0);
}

static void repair_of_no_school(void **state)
{
    struct world *w = *state;
    breaks(w, "broker", "");
    world_run(w, "2026-09-07", "12:05");
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue"), 0);
    assert_int_equal(desk_items(w), 1);
    works(w);
    assert_int_equal(desk_items(w), 0);
    /* a bridge whose devices are all at one school is that school's */
    breaks(w, "bridge", "touyan");
    world_run(w, "2026-09-07", "12:30");
    int64_t schools =
        world_int(w, "SELECT count(DISTINCT school_id) FROM device WHERE product = 'touyan'");
    assert_int_equal(issues(w, "open"), schools == 1 ? 1 : 0);
    assert_int_equal(desk_items(w), 1);
}

/* A gate that is switched off in the evening is no repair. */
/* Nobody would hear an intruder. */
static void a_dead_broker_is_told_at_night(void **state)
{
    struct world *w = *state;
    world_run(w, "2026-09-07", "22:00");
    breaks(w, "broker", "broker");
    world_run(w, "2026-09-07", "22:20");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 1);
}

static void repairs_wait_for_the_morning(void **state)
{
    struct world *w = *state;
    world_run(w, "2026-09-07", "22:00");
    breaks(w, "silent", "FT17");
    breaks(w, "power", "S18");
    world_run(w, "2026-09-08", "06:29");
    assert_int_equal(desk_items(w), 0);
    world_sql(w, "UPDATE device_repair SET closed_at = 1 WHERE subject = 'FT17'");
    world_run(w, "2026-09-08", "06:31");
    assert_int_equal(desk_items(w), 1);
    assert_int_equal(world_int(w, "SELECT severity FROM issue WHERE school_id = 'S18'"), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(leader_hears_of_a_crowd),      TEST(peak_without_guards),
        TEST(officer_says_what_it_is),      TEST(repair_becomes_an_issue),
        TEST(short_repairs_are_not_told),   TEST(repair_of_no_school),
        TEST(repairs_wait_for_the_morning), TEST(a_dead_broker_is_told_at_night),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
