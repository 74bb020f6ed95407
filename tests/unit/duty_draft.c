/* A week from the replica to a draft, to what is published, to what people are told. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/duty/draft/draft.h"
#include "gateway/duty/draft/sheet.h"
#include "gateway/duty/order.h"

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

static void publish_week(struct world *w)
{
    school_goes(w);
    plan(w, false);
    publish(w);
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
    publish_week(w);
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

/* A sheet that was written by hand: its volunteers had offered nothing. */
static void a_volunteer_of_the_published_week_stays(void **state)
{
    struct world *w = *state;
    publish_week(w);
    world_sql(w, "DELETE FROM avail");
    int told = world_total(w);
    struct draft_diff diff = plan(w, false);
    assert_int_equal(diff.added + diff.removed + diff.moved, 0);
    publish(w);
    assert_int_equal(world_total(w), told);
    assert_true(plan(w, true).removed > 0); /* afresh: as they offer */
}

/* Declined after the draft was made: publishing does not bring it back. */
static void a_late_decline_stands(void **state)
{
    struct world *w = *state;
    publish_week(w);
    plan(w, false);
    world_sql(w, "UPDATE assignment SET state = 'declined' WHERE id ="
                 " (SELECT min(id) FROM assignment WHERE person_id = 'C1')");
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'declined'"), 1);
}

/* C1 gives his first duty to C2, who wanted it. */
static void swap_first(struct world *w)
{
    world_sql(w, "CREATE TABLE given AS SELECT a.id, a.shift_id, a.person_id FROM assignment a"
                 " JOIN shift s ON s.id = a.shift_id WHERE a.person_id = 'C1'"
                 " ORDER BY s.start_at LIMIT 1");
    world_sql(w, "UPDATE assignment SET state = 'cancelled' WHERE id IN (SELECT id FROM given)");
    world_sql(w, "INSERT INTO assignment(id, scope, shift_id, person_id, stands_in_for, state)"
                 " SELECT 'taken', 'S0117', shift_id, 'C2', id, 'confirmed' FROM given");
}

/* C2 cannot come after all, and nobody else is left: C1, who could not, is not planned again. */
static void who_gave_a_duty_away_has_it_no_more(void **state)
{
    struct world *w = *state;
    publish_week(w);
    swap_first(w);
    world_sql(w, "UPDATE assignment SET state = 'excused' WHERE id = 'taken'");
    world_sql(w, "UPDATE person SET active = 0 WHERE id GLOB 'C*' AND id <> 'C1'");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE person_id = 'C1'"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty u JOIN given g"
                                  " ON g.shift_id = u.shift_id AND g.person_id = u.person_id"),
                     0);
}

/* Given away after the draft was made: publishing does not bring it back. */
static void a_late_swap_stands(void **state)
{
    struct world *w = *state;
    publish_week(w);
    plan(w, false);
    swap_first(w);
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE id IN (SELECT id FROM"
                                  " given) AND state = 'cancelled'"),
                     1);
}

static void a_new_holiday_cancels(void **state)
{
    struct world *w = *state;
    publish_week(w);
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
    publish_week(w);
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

/* --- what the station tells the plan --- */

/* Of this person in shifts such as "S17-E.*.am". */
static int duties(struct world *w, const char *person, const char *shifts)
{
    return (int)replica_get_int(w->replica, -1,
                                "SELECT count(*) FROM draft_duty WHERE person_id = ?1"
                                " AND shift_id GLOB ?2",
                                "ss", person, shifts);
}

static void crowd(struct world *w, const char *level, const char *date, const char *clock)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO school_flow(school_id, level, level_at, people, counted_at)"
                " VALUES ('S17', ?1, ?2, 0, 0) ON CONFLICT(school_id) DO UPDATE SET"
                " level = excluded.level, level_at = excluded.level_at",
                "si", level, world_ms(date, clock));
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

/* O3 has the skill that the east gate needs in the morning, by the county's list; O1 by a
 * certificate that ends in the middle of the week. */
static void a_skill_stands_where_it_is_needed(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO demand(id, scope, post_id, peak, skills) VALUES"
                 " ('d', 'S0117', 'S17-E', 'am', '交通指挥')");
    world_sql(w, "INSERT INTO skill(id, scope, person_id, name) VALUES"
                 " ('k', 'S0117', 'O3', '交通指挥')");
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, person_id, state, due_on) VALUES"
                 " ('c', 'S0117', 'cert', 'C1', '交通指挥', 'O1', 'on', '2026-09-17')");
    plan(w, false);
    assert_int_equal(duties(w, "O3", "S17-E.*.am"), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE person_id = 'O3'"
                                  " AND why LIKE '%有交通指挥技能%'"),
                     4);
    /* good for the week: he has it too */
    world_sql(w, "UPDATE card SET due_on = '2026-09-20'");
    world_sql(w, "DELETE FROM skill");
    plan(w, true);
    assert_int_equal(duties(w, "O1", "S17-E.*.am"), 4);
    /* nobody: the place is filled, and what is missing is said */
    world_sql(w, "DELETE FROM card");
    plan(w, true);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE post_id = 'S17-E'"
                                  " AND why LIKE '%缺1名交通指挥人员%'"),
                     4);
}

/* More than twenty minutes, or another township's: not sent there; the nearer one goes first. */
static void nobody_is_sent_too_far(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO reach(id, scope, person_id, school_id, band) VALUES"
                 " ('r1', 'S0117', 'O1', 'S17', 25), ('r2', 'S0117', 'O1', 'S18', 25),"
                 " ('r3', 'S0117', 'O2', 'S18', 25), ('r4', 'S0117', 'O3', 'S17', 5),"
                 " ('r5', 'S0117', 'O3', 'S18', 15)");
    plan(w, false);
    assert_int_equal(duties(w, "O1", "S18-*"), 0);
    assert_int_equal(duties(w, "O2", "S18-*"), 0);
    assert_true(duties(w, "O1", "S17-*") > 0); /* its own school, however far */
    assert_true(duties(w, "O3", "S18-*") > 0); /* nobody else may */
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE person_id = 'O3'"
                                  " AND why LIKE '%单程5分钟%'"),
                     duties(w, "O3", "S17-*"));
    /* of the same township: sent all the same */
    world_sql(w, "UPDATE school SET township = '突泉镇'");
    plan(w, true);
    assert_true(duties(w, "O1", "S18-*") + duties(w, "O2", "S18-*") > 0);
}

/* Three numbers of people, and the level that was seen on that weekday and peak. */
static void the_need_follows_the_gates(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO demand(id, scope, post_id, need_flat, need_heavy) VALUES"
                 " ('d', 'S0117', 'S17-N', 1, 3)");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT sum(need) FROM draft_shift WHERE post_id = 'S17-N'"), 8);
    /* last Tuesday morning by the cameras, Thursday afternoon by an officer's word */
    crowd(w, "flat", "2026-09-07", "12:00");
    crowd(w, "heavy", "2026-09-08", "07:40");
    crowd(w, "flat", "2026-09-08", "07:55");
    world_at(w, "2026-09-10", "16:40");
    world_text(w, "L", "流量S17堵");
    world_at(w, "2026-09-11", "12:00");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT need FROM draft_shift WHERE id = 'S17-N.2026-09-15.am'"),
                     3);
    assert_int_equal(world_int(w, "SELECT need FROM draft_shift WHERE id = 'S17-N.2026-09-17.pm'"),
                     3);
    assert_int_equal(world_int(w, "SELECT sum(need) FROM draft_shift WHERE post_id = 'S17-N'"), 12);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE level = 'heavy'"), 4);
    /* what is published stays as it is */
    publish(w);
    world_sql(w, "DELETE FROM flow_seen");
    struct draft_diff diff = plan(w, false);
    assert_int_equal(diff.added + diff.removed + diff.moved, 0);
    /* a term's first days are expected to be as crowded as can be */
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, state, due_on) VALUES"
                 " ('t', 'S0117', 'term', 'Q1', '秋季学期', 'on', '2026-09-24')");
    struct draft_options options = {.station_id = "S0117",
                                    .lang = "zh-CN",
                                    .monday_ms = world_ms("2026-09-21", "00:00"),
                                    .now_ms = w->cells.wall_ms};
    struct draft *draft = NULL;
    struct err err;
    assert_int_equal(draft_load(w->replica, &options, &draft, &err), ERR_OK);
    assert_int_equal(draft_solve(draft, &err), ERR_OK);
    replica_enter(w->replica);
    draft_store(w->replica, draft);
    assert_true(replica_leave(w->replica, true));
    draft_free(draft);
    assert_int_equal(world_int(w, "SELECT sum(need) FROM draft_shift WHERE post_id = 'S17-N'"),
                     3 * 2 * 1 + 2 * 2 * 3);
}

static void a_pin_holds(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO roster_pin(post_id, date, peak, person_id, by_id, at) VALUES"
                 " ('S17-N', '2026-09-15', 'am', 'O2', 'L', 1)," /* a volunteers' post */
                 " ('S17-E', '2026-09-15', 'am', 'C1', 'L', 2),"
                 " ('S18-M', '2026-09-15', 'pm', 'C1', 'L', 3)," /* not his school */
                 " ('S18-M', '2026-09-17', 'am', 'O3', 'L', 4)");
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, valid_from, valid_to) VALUES"
                 " ('x', 'S0117', 'O3', 'leave', '2026-09-17', '2026-09-17')");
    plan(w, true);
    assert_int_equal(duties(w, "O2", "S17-N.2026-09-15.am"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty WHERE shift_id ="
                                  " 'S17-N.2026-09-15.am'"),
                     1);
    assert_int_equal(duties(w, "C1", "S17-E.2026-09-15.am"), 1);
    assert_int_equal(duties(w, "C1", "S18-M.2026-09-15.pm"), 0);
    assert_int_equal(duties(w, "O3", "*.2026-09-17.*"), 0); /* leave is leave */
    publish(w);
    struct draft_diff diff = plan(w, true);
    assert_int_equal(duties(w, "O2", "S17-N.2026-09-15.am"), 1);
    assert_int_equal(diff.gaps, world_int(w, "SELECT sum(need) FROM draft_shift") -
                                    world_int(w, "SELECT count(*) FROM draft_duty"));
}

/* G is the sponsor of both schools: two visits each, on different days, on days of school. */
static void sponsors_visit_on_two_days(void **state)
{
    struct world *w = *state;
    school_goes(w);
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, weekday) VALUES"
                 " ('g', 'S0117', 'G', 'leave', 2)");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(DISTINCT school_id || date) FROM draft_visit"), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_visit"), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_visit WHERE date IN"
                                  " ('2026-09-15', '2026-09-16') OR date > '2026-09-18'"),
                     0);
    assert_int_equal(world_int(w, "SELECT visits_missing FROM draft"), 0);
    struct json *json = draft_show(w->replica, w->cells.wall_ms);
    assert_int_equal(json_count(json_get(json, "visits")), 4);
    assert_string_equal(json_text(json_at(json_get(json, "visits"), 0), "person", ""), "陈国栋");
    json_free(json);
    publish(w);
    ASSERT_SENT(w, "G", "O8_PLAN", 1);
    /* made again and published: the same days, nothing said */
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM (SELECT * FROM draft_visit EXCEPT"
                                  " SELECT * FROM visit_plan)"),
                     0);
    publish(w);
    ASSERT_SENT(w, "G", "O8_PLAN", 1);
    /* a visit that was made is one less, and its day is no day for the other */
    world_at(w, "2026-09-14", "12:00");
    world_sql(w, "INSERT INTO visit(id, scope, school_id, person_id, date, channel) VALUES"
                 " ('v', 'S0117', 'S17', 'G', '2026-09-14', 'sms')");
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, weekday) VALUES"
                 " ('h', 'S0117', 'G', 'leave', 5)");
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_visit WHERE school_id = 'S17'"
                                  " AND date = '2026-09-17'"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_visit WHERE school_id = 'S17'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_visit WHERE school_id = 'S18'"), 2);
}

/* Who had fewer duties this term than the others comes first; a newcomer stands beside somebody. */
static void the_term_is_shared_and_newcomers_are_not_alone(void **state)
{
    struct world *w = *state;
    school_goes(w);
    char id[16];
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "old%d", i);
        world_shift(w, id, "S17-E", "2026-09-01", "am", "07:20", "08:10", 3);
        world_assign(w, id, "O1");
        if (i < 4)
            world_assign(w, id, "O2");
    }
    world_sql(w, "UPDATE assignment SET state = 'done'");
    world_sql(w, "UPDATE shift SET need = 2");
    plan(w, true);
    /* O3 has never stood anywhere: at one-officer posts he has nobody beside him */
    assert_int_equal(duties(w, "O3", "*"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift WHERE why LIKE '%新人%'") > 0,
                     1);
    world_sql(w, "UPDATE assignment SET person_id = 'O3' WHERE person_id = 'O1' AND shift_id IN"
                 " ('old5', 'old6', 'old7')");
    world_sql(w, "UPDATE post SET need = 1 WHERE id = 'S18-M'"); /* 8 places for three people */
    world_sql(w, "INSERT INTO reach(id, scope, person_id, school_id, band) VALUES"
                 " ('r', 'S0117', 'O3', 'S17', 5)");
    plan(w, true);
    assert_true(duties(w, "O3", "*") >= duties(w, "O1", "*"));
}

/* --- a whole county --- */

static size_t part_of(struct world *w, const char *station)
{
    struct json *rows = sheet_export(w->replica, station, world_ms(WEEK, "00:00"), true);
    size_t count = json_count(rows);
    json_free(rows);
    return count;
}

/* A bureau's box plans for its stations; each of them takes its own part and publishes it. */
static void a_county_is_planned_at_once(void **state)
{
    struct world *w = *state;
    world_sql(w, "INSERT INTO org(id, scope, kind, name, parent_id) VALUES"
                 " ('B', '*', 'bureau', '突泉县公安局', NULL),"
                 " ('S0118', '*', 'station', '六户派出所', 'B')");
    world_sql(w, "UPDATE org SET parent_id = 'B' WHERE id = 'S0117'");
    world_sql(w, "INSERT INTO school(id, scope, code, name, station_id) VALUES"
                 " ('S19', 'S0118', 'S19', '六户中学', 'S0118')");
    world_sql(w, "INSERT INTO post(id, scope, school_id, name, kind, need, active) VALUES"
                 " ('S19-G', 'S0118', 'S19', '大门', 'gate', 2, 1)");
    world_person(w, "X1", "police", "六户民警", "S19");
    world_sql(w, "UPDATE person SET station_id = 'S0118' WHERE id = 'X1'");
    school_goes(w);
    struct draft_options options = {.station_id = "B",
                                    .lang = "zh-CN",
                                    .monday_ms = world_ms(WEEK, "00:00"),
                                    .now_ms = w->cells.wall_ms};
    struct draft *draft = NULL;
    struct draft_diff diff;
    struct err err = {0};
    assert_int_equal(draft_load(w->replica, &options, &draft, &err), ERR_OK);
    assert_int_equal(draft_solve(draft, &err), ERR_OK);
    replica_enter(w->replica);
    draft_store(w->replica, draft);
    assert_true(replica_leave(w->replica, true));
    draft_free(draft);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift"), 32);
    assert_true(duties(w, "X1", "S19-*") > 0);
    assert_int_equal(part_of(w, "B"), part_of(w, "S0117") + part_of(w, "S0118"));
    assert_true(part_of(w, "S0118") >= 8);
    replica_enter(w->replica);
    assert_int_equal(draft_publish(w->replica, "B", w->cells.wall_ms, &diff, &err), ERR_STATE);
    replica_leave(w->replica, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift"), 0);
    /* the station alone plans its own */
    plan(w, false);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_shift"), 24);
}

/* --- orders --- */

/* "pin school=S17 post=东门 ..." */
static int order(struct world *w, const char *words, struct err *err)
{
    struct json *json = json_new_object();
    char text[256], *rest = text;
    snprintf(text, sizeof text, "%s", words);
    json_set_text(json, "act", strtok_r(rest, " ", &rest));
    json_set_text(json, "by", "L");
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        json_set_text(json, word, equals + 1);
    }
    replica_enter(w->replica);
    int code = order_put(&w->duty, json, err);
    assert_string_equal(replica_problem(w->replica), "");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    json_free(json);
    return code;
}

static void orders_are_checked_and_kept(void **state)
{
    struct world *w = *state;
    struct err err;
    static const struct {
        const char *words, *says;
        int code;
    } bad[] = {
        {"pin school=S17 post=西门 date=2026-09-15 peak=am person=O1", "post", ERR_NOT_FOUND},
        {"pin school=S17 post=东门 date=2026-09-31 peak=am person=O1", "date", ERR_INVALID},
        {"pin school=S17 post=东门 date=2026-09-15 peak=eve person=O1", "am, noon", ERR_INVALID},
        {"pin school=S18 post=正门 date=2026-09-15 peak=am person=C1", "volunteer", ERR_STATE},
        {"pin school=S17 post=东门 date=2026-09-15 peak=am person=O3", "away", ERR_STATE},
        {"pin school=S17 post=东门 date=2026-09-14 peak=pm person=O3", "away", ERR_STATE},
        {"unpin date=2026-09-15 peak=am person=O1", "not pinned", ERR_NOT_FOUND},
        {"way person=O1 school=S18 minutes=-3", "minutes", ERR_INVALID},
        {"way person=O1 school=S99 minutes=3", "school", ERR_NOT_FOUND},
        {"need school=S17 post=东门 flat=0 busy=1 heavy=2", "quiet", ERR_INVALID},
        {"need school=S17 post=东门 flat=1 busy=1 heavy=200", "heavy", ERR_INVALID},
        {"need school=S17 post=东门 flat=1 busy=1 heavy=2 skills=138-1234-5678", "skills",
         ERR_INVALID},
        {"need school=S17 post=东门 flat=1 busy=1 heavy=2 level=full", "none of flat", ERR_INVALID},
        {"shout school=S17", "none of pin", ERR_INVALID},
    };
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, weekday) VALUES"
                 " ('n', 'S0117', 'O3', 'night', 1)");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(order(w, bad[i].words, &err), bad[i].code);
        assert_non_null(strstr(err.text, bad[i].says));
    }
    assert_int_equal(world_int(w, "SELECT (SELECT count(*) FROM roster_pin) + (SELECT count(*) FROM"
                                  " reach) + (SELECT count(*) FROM demand)"),
                     0);
    assert_int_equal(order(w, "pin school=S17 post=东门 date=2026-09-15 peak=am person=O1", &err),
                     ERR_OK);
    assert_int_equal(order(w, "pin school=S17 post=北门 date=2026-09-15 peak=am person=O1", &err),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT count(*) FROM roster_pin WHERE post_id = 'S17-N'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM roster_pin"), 1);
    assert_int_equal(order(w, "way person=O1 school=S18 minutes=11", &err), ERR_OK);
    assert_int_equal(world_int(w, "SELECT band FROM reach WHERE id = 'O1.S18'"), 15);
    assert_int_equal(order(w, "way person=O1 school=S18 minutes=0", &err), ERR_OK);
    assert_int_equal(world_int(w, "SELECT band FROM reach WHERE id = 'O1.S18'"), 5);
    assert_int_equal(
        order(w, "need school=S17 post=东门 flat=1 busy=2 heavy=3 peak=am skills=交通指挥", &err),
        ERR_OK);
    assert_int_equal(order(w, "need school=S17 post=东门 flat=2 busy=0 heavy=0 peak=am", &err),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT need_flat FROM demand WHERE id = 'S17-E.am'"
                                  " AND need_peak IS NULL AND skills IS NULL"),
                     2);
    struct json *json = order_list(w->replica);
    assert_int_equal(json_count(json_get(json, "pins")), 1);
    assert_int_equal(json_count(json_get(json, "needs")), 1);
    assert_int_equal(json_count(json_get(json, "ways")), 1);
    json_free(json);
    assert_int_equal(order(w, "unpin date=2026-09-15 peak=am person=O1", &err), ERR_OK);
    assert_int_equal(world_int(w, "SELECT count(*) FROM roster_pin"), 0);
    assert_true(world_int(w, "SELECT count(*) FROM sync_out") >= 2); /* the county hears of them */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_told_of_a_draft),
        TEST(publishing_tells_each_once),
        TEST(a_decline_changes_little),
        TEST(a_volunteer_of_the_published_week_stays),
        TEST(a_late_decline_stands),
        TEST(who_gave_a_duty_away_has_it_no_more),
        TEST(a_late_swap_stands),
        TEST(a_new_holiday_cancels),
        TEST(make_up_days_and_unknown_years),
        TEST(what_has_begun_or_is_confirmed_stays),
        TEST(afresh_and_night_duty),
        TEST(nothing_to_plan_is_said),
        TEST(shown_as_json),
        TEST(a_skill_stands_where_it_is_needed),
        TEST(nobody_is_sent_too_far),
        TEST(the_need_follows_the_gates),
        TEST(a_pin_holds),
        TEST(sponsors_visit_on_two_days),
        TEST(orders_are_checked_and_kept),
        TEST(a_county_is_planned_at_once),
        TEST(the_term_is_shared_and_newcomers_are_not_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
