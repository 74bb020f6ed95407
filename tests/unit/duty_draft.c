/* A week from the replica to a draft, to what is published, to what people are told. */
#include "tests/unit/duty_world.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/duty/draft/draft.h"

#define WEEK "2026-09-14" /* a Monday */

/* Bells of both schools; Wednesday of the week is a holiday. */
static void school_goes(struct world *w)
{
    world_sql(w, "INSERT INTO bell(id, scope, school_id, weekdays, peak, at_min) SELECT"
                 " s.id || p.peak, 'S0117', s.id, 31, p.peak, p.at FROM school s JOIN"
                 " (SELECT 'am' AS peak, 470 AS at UNION SELECT 'pm', 1010) p");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off) VALUES"
                 " ('h', '*', '2026-09-16', 1)");
}

static struct draft *load(struct world *w, bool afresh)
{
    struct draft_options options = {.station_id = "S0117",
                                    .lang = "zh-CN",
                                    .monday_ms = world_ms(WEEK, "00:00"),
                                    .now_ms = w->cells.wall_ms,
                                    .afresh = afresh};
    struct draft *draft = NULL;
    struct err err = {0};
    if (draft_load(w->replica, &options, &draft, &err) != ERR_OK)
        fail_msg("%s", err.text);
    if (draft_solve(draft, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return draft;
}

static struct draft_diff plan(struct world *w, bool afresh)
{
    struct draft *draft = load(w, afresh);
    replica_enter(w->replica);
    draft_store(w->replica, draft);
    assert_string_equal(replica_problem(w->replica), "");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    draft_free(draft);
    return draft_compare(w->replica, w->cells.wall_ms);
}

static struct draft_diff publish(struct world *w)
{
    struct draft_diff diff;
    struct err err = {0};
    replica_enter(w->replica);
    if (draft_publish(w->replica, "S0117", w->cells.wall_ms, &diff, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_string_equal(replica_problem(w->replica), "");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    for (int i = 0; i < 8; i++) /* a slice at a time */
        world_tick(w);
    return diff;
}

/* 3 officers with 5 duties for 16 places, 8 + 3 volunteers with 2 for 16 + 8. */
enum { OFFICERS = 15, VOLUNTEERS = 16 + 6, DUTIES = OFFICERS + VOLUNTEERS, GAPS = 1 + 2 };

static void nobody_is_told_of_a_draft(void **state)
{
    struct world *w = *state;
    school_goes(w);
    struct draft_diff diff = plan(w, false);
    assert_string_equal(diff.week, WEEK);
    assert_true(diff.calendar_known);
    assert_int_equal(diff.added, DUTIES);
    assert_int_equal(diff.removed + diff.moved, 0);
    assert_int_equal(diff.gaps, GAPS);
    world_tick(w);
    assert_int_equal(world_total(w), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift"), 0);
    /* 30 minutes before the bell, nothing on the holiday, an officer leads */
    assert_int_equal(world_int(w, "SELECT min(start_at) FROM draft_shift"),
                     world_ms(WEEK, "07:20"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE date = '2026-09-16'"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty u JOIN person p"
                                  " ON p.id = u.person_id WHERE u.role = 1"
                                  " AND p.kind IN ('police', 'auxiliary')"),
                     OFFICERS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE person_id IN"
                                  " ('L', 'G', 'Z', 'V1')"),
                     0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE why IS NOT NULL"), GAPS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE why LIKE '%附近3人%'"),
                     1);
}

static void publishing_tells_each_once(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    struct draft_diff diff = publish(w);
    assert_int_equal(diff.added, DUTIES);
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift WHERE state = 'published'"), 24);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'planned'"),
                     DUTIES);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift"), 0);
    int told = world_total(w);
    assert_in_range(told, 3, DUTIES);
    world_tick(w);
    assert_int_equal(world_total(w), told);
    /* nothing has changed: the same week, no text, no row */
    diff = plan(w, false);
    assert_int_equal(diff.added + diff.removed + diff.moved, 0);
    assert_int_equal(diff.gaps, GAPS);
    int64_t marks = world_int(w, "SELECT count(*) FROM sync_out");
    assert_true(marks > 0);
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sync_out"), marks);
    assert_int_equal(world_total(w), told);
}

static void a_decline_changes_little(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    publish(w);
    int told = world_total(w);
    world_sql(w, "UPDATE assignment SET state = 'declined' WHERE id ="
                 " (SELECT min(id) FROM assignment WHERE person_id = 'C1')");
    struct draft_diff diff = plan(w, false);
    /* everybody has two duties: C1 changes places with somebody who takes the gap */
    assert_int_equal(diff.moved, 0);
    assert_in_range(diff.removed, 0, 1);
    assert_in_range(diff.added, 0, 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty u JOIN assignment a"
                                  " ON a.shift_id = u.shift_id AND a.person_id = u.person_id"
                                  " WHERE a.state = 'declined'"),
                     0);
    publish(w);
    assert_in_range(world_total(w), told, told + diff.added + diff.removed);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'declined'"), 1);
}

/* Declined after the draft was made: publishing does not bring it back. */
static void a_late_decline_stands(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    publish(w);
    plan(w, false);
    world_sql(w, "UPDATE assignment SET state = 'declined' WHERE id ="
                 " (SELECT min(id) FROM assignment WHERE person_id = 'C1')");
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'declined'"), 1);
}

static void a_new_holiday_cancels(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    publish(w);
    int on_that_day = (int)world_int(w, "SELECT count(*) FROM assignment a JOIN shift s"
                                        " ON s.id = a.shift_id WHERE s.date = '2026-09-17'");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off) VALUES ('x', '*', '2026-09-17', 1)");
    struct draft_diff diff = plan(w, false);
    assert_true(on_that_day > 0 && diff.removed >= on_that_day);
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment a JOIN shift s"
                                  " ON s.id = a.shift_id WHERE s.date = '2026-09-17'"
                                  " AND (a.state <> 'cancelled' OR s.state <> 'cancelled')"),
                     0);
    assert_true(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'N3_CANCELLED'") > 0);
    /* and back again */
    world_sql(w, "DELETE FROM cal_day WHERE id = 'x'");
    diff = plan(w, false);
    assert_true(diff.added >= on_that_day - GAPS);
    publish(w);
    diff = plan(w, false);
    assert_int_equal(diff.added + diff.removed + diff.moved, 0);
}

static void make_up_days_and_unknown_years(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off, follow_weekday) VALUES"
                 " ('m', '*', '2026-09-19', 0, 3)"); /* Saturday, Wednesday's time table */
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE date = '2026-09-19'"), 6);
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min) VALUES"
                 " ('e', 'S0117', 'S17', '2026-09-15', 'early', 930),"
                 " ('c', 'S0117', 'S18', '2026-09-15', 'closed', NULL)");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE date = '2026-09-15'"),
                     4); /* S17 alone */
    assert_int_equal(world_int(w, "SELECT max(start_at) FROM draft_shift"
                                  " WHERE date = '2026-09-15'"),
                     world_ms("2026-09-15", "15:20"));
    world_sql(w, "DELETE FROM cal_day");
    struct draft_diff diff = plan(w, false);
    assert_false(diff.calendar_known);
    assert_int_equal(world_int(w, "SELECT count(DISTINCT date) FROM draft_shift"), 5);
}

static void what_has_begun_or_is_confirmed_stays(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    publish(w);
    world_at(w, "2026-09-15", "07:30"); /* Tuesday: the morning is on */
    world_sql(w, "UPDATE assignment SET state = 'confirmed' WHERE shift_id LIKE '%.2026-09-15.pm'");
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind) SELECT 'leave' || id, 'S0117', id,"
                 " 'leave' FROM person WHERE id IN ('O1', 'C1', 'C2')");
    struct draft_diff diff = plan(w, false);
    assert_true(diff.removed > 0);
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment a JOIN shift s"
                                  " ON s.id = a.shift_id WHERE a.state = 'cancelled'"
                                  " AND s.date <= '2026-09-15'"),
                     0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment a JOIN shift s"
                                  " ON s.id = a.shift_id WHERE a.person_id IN ('O1', 'C1', 'C2')"
                                  " AND a.state <> 'cancelled' AND s.date > '2026-09-15'"),
                     0);
}

static void afresh_and_night_duty(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, weekday) VALUES"
                 " ('n', 'S0117', 'O3', 'night', 1)");
    plan(w, true);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE person_id = 'O3' AND"
                                  " (shift_id LIKE '%.2026-09-14.pm'"
                                  " OR shift_id LIKE '%.2026-09-15.%')"),
                     0);
    publish(w);
    struct draft_diff diff = plan(w, true);
    assert_int_equal(diff.added, diff.removed); /* other people perhaps, as many */
}

static void nothing_to_plan_is_said(void **state)
{
    struct world *w = *state;
    struct draft_options options = {
        .station_id = "S0117", .monday_ms = world_ms(WEEK, "00:00"), .now_ms = w->cells.wall_ms};
    struct draft *draft = NULL;
    struct draft_diff diff;
    struct err err = {0};
    assert_int_equal(draft_load(w->replica, &options, &draft, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing to plan"));
    options.station_id = "S0999";
    assert_int_equal(draft_load(w->replica, &options, &draft, &err), ERR_NOT_FOUND);
    assert_int_equal(draft_publish(w->replica, "S0117", w->cells.wall_ms, &diff, &err),
                     ERR_NOT_FOUND);
    struct json *json = draft_show(w->replica, w->cells.wall_ms);
    assert_int_equal(json_size(json), 0);
    json_free(json);
}

static void shown_as_json(void **state)
{
    struct world *w = *state;
    school_goes(w);
    plan(w, false);
    struct json *json = draft_show(w->replica, w->cells.wall_ms);
    assert_int_equal(json_int(json, "changes", 0), DUTIES);
    assert_int_equal(json_count(json_get(json, "shifts")), 24);
    const struct json *first = json_at(json_get(json, "shifts"), 0);
    assert_string_equal(json_text(first, "school", ""), "第二实验小学");
    assert_true(json_count(json_get(first, "people")) > 0);
    json_free(json);
    json = draft_show_diff(w->replica, w->cells.wall_ms);
    assert_int_equal(json_count(json_get(json, "lines")), DUTIES);
    assert_string_equal(json_text(json_at(json_get(json, "lines"), 0), "what", ""), "added");
    json_free(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_told_of_a_draft),
        TEST(publishing_tells_each_once),
        TEST(a_decline_changes_little),
        TEST(a_late_decline_stands),
        TEST(a_new_holiday_cancels),
        TEST(make_up_days_and_unknown_years),
        TEST(what_has_begun_or_is_confirmed_stays),
        TEST(afresh_and_night_duty),
        TEST(nothing_to_plan_is_said),
        TEST(shown_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
