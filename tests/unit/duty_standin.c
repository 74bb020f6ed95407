/* Who is asked to stand in: skills, ways, caps, nights, patrols; and what finding them costs. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/base/json.h"
#include "gateway/duty/internal.h"
#include "gateway/duty/order.h"

/* Officers' names in the order in which they would be asked to stand in for O1 at am. */
static const char *asked_for(struct world *w, const char *assignment)
{
    static char names[512];
    struct slot slot;
    assert_true(slot_load(&w->duty, assignment, &slot));
    w->duty.now_ms = w->cells.wall_ms;
    standin_names(&w->duty, &slot, names, sizeof names);
    return names;
}

/* O2 and O3 are free, P1 to P3 are officers of no school. */
static void set_up(struct world *w)
{
    world_morning(w); /* Tuesday 2026-09-08, 07:20 to 08:10 at S17-E: O1 and V1 */
    world_sql(w, "UPDATE person SET active = 0 WHERE id = 'O2'");
    world_person(w, "P1", "police", "甲一", "");
    world_person(w, "P2", "police", "甲二", "");
    world_person(w, "P3", "auxiliary", "甲三", "");
}

static void way(struct world *w, const char *person, int64_t band)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO reach(id, scope, person_id, school_id, band)"
                " VALUES (?1 || '.S17', 'S0117', ?1, 'S17', ?2)"
                " ON CONFLICT(id) DO UPDATE SET band = excluded.band",
                "si", person, band);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

/* Neither the leader, nor the senior officer, nor who is too far; the nearest first. */
static void officers_within_reach(void **state)
{
    struct world *w = *state;
    set_up(w);
    way(w, "O3", 10);
    way(w, "P1", 25);
    way(w, "P2", 15);
    way(w, "P3", 5);
    assert_string_equal(asked_for(w, "am.O1"), "甲三、杨涛、甲二");
    way(w, "P1", 5);
    assert_string_equal(asked_for(w, "am.O1"), "甲一、甲三、杨涛");
    /* who was asked lately comes last */
    world_sql(w, "INSERT INTO offer(id, code, assignment_id, shift_id, cause, state, next_at,"
                 " opened_at) VALUES ('x', '1111', 'am.O1', 'am', 'decline', 'closed', 0, 0)");
    world_sql(w, "INSERT INTO offer_ask(offer_id, person_id, phone, wave, asked_at) VALUES"
                 " ('x', 'P1', 'p', 1, 100), ('x', 'P3', 'q', 1, 50)");
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲二、甲三");
}

static void who_has_the_skill_comes_first(void **state)
{
    struct world *w = *state;
    set_up(w);
    way(w, "O3", 5);
    way(w, "P1", 10);
    world_sql(w, "UPDATE person SET active = 0 WHERE id IN ('P2', 'P3')");
    world_sql(w, "INSERT INTO skill(id, scope, person_id, name, valid_to) VALUES"
                 " ('k', 'S0117', 'P1', '交通指挥', '2026-09-08')");
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲一"); /* nobody asks for it */
    world_sql(w, "INSERT INTO demand(id, scope, post_id, skills) VALUES"
                 " ('d', 'S0117', 'S17-E', '交通指挥')");
    assert_string_equal(asked_for(w, "am.O1"), "甲一、杨涛");
    /* somebody who stays has it */
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, person_id, state, due_on) VALUES"
                 " ('c', 'S0117', 'cert', 'C1', 'traffic', 'V1', 'on', '2027-01-01')");
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲一");
    world_sql(w, "DELETE FROM card");
    world_sql(w, "UPDATE skill SET valid_to = '2026-09-07'"); /* over */
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲一");
}

/* A full week, leave, the night before and the day after night duty. */
static void caps_and_nights(void **state)
{
    struct world *w = *state;
    char id[16];
    set_up(w);
    world_sql(w, "UPDATE person SET active = 0 WHERE id = 'P3'");
    for (int i = 0; i < DUTY_CAP_OFFICER; i++) {
        snprintf(id, sizeof id, "f%d", i);
        world_shift(w, id, "S18-M", i < 3 ? "2026-09-09" : "2026-09-11", "pm",
                    i % 2 == 0 ? "16:40" : "17:20", i % 2 == 0 ? "17:10" : "17:50", 1);
        world_assign(w, id, "P1");
    }
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲二");
    world_sql(w, "UPDATE assignment SET state = 'declined' WHERE shift_id = 'f0'");
    assert_string_equal(asked_for(w, "am.O1"), "杨涛、甲一、甲二");
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, weekday, peak) VALUES"
                 " ('n1', 'S0117', 'O3', 'night', 1, NULL)," /* Monday: rests on Tuesday */
                 " ('n2', 'S0117', 'P1', 'night', 2, NULL)," /* Tuesday: the morning is free */
                 " ('n3', 'S0117', 'P2', 'leave', 2, 'pm')");
    assert_string_equal(asked_for(w, "am.O1"), "甲一、甲二");
    world_shift(w, "pm", "S17-E", "2026-09-08", "pm", "16:40", "17:10", 1);
    world_assign(w, "pm", "O1");
    assert_string_equal(asked_for(w, "pm.O1"), "");
}

/* O1 of the gate and O3 of a round at the same school do not come; P1 is on another round. */
static void who_was_called_away_stays_there(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_sql(w, "INSERT INTO post(id, scope, school_id, name, kind, need, active) VALUES"
                 " ('PT', 'S0117', 'S18', '巡逻', 'patrol', 1, 1),"
                 " ('PU', 'S0117', 'S17', '巡逻', 'patrol', 1, 1)");
    world_shift(w, "pt", "PT", "2026-09-08", "am", "07:00", "08:30", 1);
    world_shift(w, "pu", "PU", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "pt", "P1");
    world_assign(w, "pu", "O3");
    world_sql(w, "UPDATE person SET active = 0 WHERE id IN ('P2', 'P3')");
    way(w, "P1", 5);
    world_at(w, "2026-09-08", "07:05");
    assert_string_equal(asked_for(w, "pu.O3"), ""); /* one round for another helps nobody */
    world_text(w, "O1", "2");
    char text[16];
    snprintf(text, sizeof text, "接%s", world_code(w, "P1", "A4_OFFER"));
    world_text(w, "P1", text);
    ASSERT_SENT(w, "P1", "A5_TAKEN", 1);
    world_shift(w, "n", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "n", "O3");
    assert_string_equal(asked_for(w, "n.O3"), "");
}

/* Twenty minutes before: a patrol that needs five minutes, and nobody from home. */
static void patrols_when_it_is_late(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_sql(w, "INSERT INTO post(id, scope, school_id, name, kind, need, active) VALUES"
                 " ('PT', 'S0117', 'S18', '巡逻', 'patrol', 1, 1)");
    world_shift(w, "pt", "PT", "2026-09-08", "am", "07:00", "08:30", 2);
    world_assign(w, "pt", "P1");
    world_assign(w, "pt", "P2");
    way(w, "P1", 5);
    way(w, "P2", 10);
    way(w, "P3", 5);
    world_at(w, "2026-09-08", "06:40");
    assert_string_equal(asked_for(w, "am.O1"), "甲三、杨涛"); /* patrols have their round */
    world_at(w, "2026-09-08", "07:05");
    assert_string_equal(asked_for(w, "am.O1"), "甲一");
    world_text(w, "P1", "到岗");
    assert_string_equal(asked_for(w, "am.O1"), "甲一");
    world_text(w, "O1", "2");
    ASSERT_SENT(w, "P1", "A4_OFFER", 1);
    char text[16];
    snprintf(text, sizeof text, "接%s", world_code(w, "P1", "A4_OFFER"));
    world_text(w, "P1", text);
    ASSERT_SENT(w, "P1", "A5_TAKEN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'P1'"
                                  " AND shift_id = 'am' AND state = 'confirmed'"),
                     1);
    world_at(w, "2026-09-08", "07:08"); /* nearer to the start of his round than to the gate's */
    world_text(w, "P1", "到岗");
    ASSERT_STATE(w, "pt.P1", "on_post");
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'P1'"
                                  " AND shift_id = 'am' AND state = 'on_post'"),
                     1);
}

/* Who approved a stand-in: the leader by 派, or looking at it afterwards. */
static void who_approved_is_on_record(void **state)
{
    struct world *w = *state;
    struct err err;
    char text[16];
    set_up(w);
    way(w, "P1", 5);
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    world_run(w, "2026-09-08", "07:29"); /* E1: O1 has not come */
    snprintf(text, sizeof text, "派%s", world_code(w, "L", "E1_LEADER"));
    world_sql(w, "INSERT INTO checkin(id, scope, person_id, post_id, kind, at, channel) VALUES"
                 " ('c', 'S0117', 'P1', 'S17-N', 'in', 1788823200000, 'sms')"); /* P1 is there */
    world_text(w, "L", text);
    ASSERT_SENT(w, "P1", "A4_OFFER", 1);
    snprintf(text, sizeof text, "接%s", world_code(w, "P1", "A4_OFFER"));
    world_text(w, "P1", text);
    assert_int_equal(world_int(w, "SELECT count(*) FROM approval b JOIN assignment a"
                                  " ON a.id = b.assignment_id WHERE b.by_id = 'L'"
                                  " AND a.person_id = 'P1' AND a.stands_in_for = 'am.O1'"),
                     1);
    /* 替 at the gate: nobody was asked before */
    world_shift(w, "pm", "S17-E", "2026-09-08", "pm", "16:40", "17:10", 1);
    world_assign(w, "pm", "V1");
    world_run(w, "2026-09-08", "16:38");
    world_text(w, "V2", "替李娜");
    struct json *order = json_new_object(), *list = order_list(w->replica);
    assert_int_equal(json_count(json_get(list, "stand_ins")), 1);
    json_free(list);
    json_set_text(order, "act", "approve");
    json_set_text(order, "person", "V2");
    json_set_text(order, "by", "V2");
    assert_int_equal(order_put(&w->duty, order, &err), ERR_STATE);
    json_set_text(order, "by", "L");
    replica_enter(w->replica);
    assert_int_equal(order_put(&w->duty, order, &err), ERR_OK);
    assert_true(replica_leave(w->replica, true));
    assert_int_equal(order_put(&w->duty, order, &err), ERR_NOT_FOUND);
    json_free(order);
    list = order_list(w->replica);
    assert_int_equal(json_count(json_get(list, "stand_ins")), 0);
    json_free(list);
}

/* --- what it costs --- */

static int64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum { RUNS = 15, FEW = 40, MANY = 400, VOLUNTEERS = 5 }; /* of each officer */

/* The cheapest of some runs, in microseconds of the processor. */
static int64_t cost(struct world *w, void (*run)(struct world *w))
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        int64_t from = cpu_us();
        run(w);
        int64_t took = cpu_us() - from;
        best = took < best ? took : best;
    }
    return best < 1 ? 1 : best;
}

static void find(struct world *w)
{
    asked_for(w, "am.O1");
}

/* Every person, once, looked at: what no search by hand could do without. */
static void look_at_all(struct world *w)
{
    assert_true(world_int(w, "SELECT count(*) FROM person p WHERE EXISTS (SELECT 1 FROM assignment"
                             " a JOIN shift s ON s.id = a.shift_id WHERE a.person_id = p.id"
                             " AND s.start_at > 0)") > 0);
}

/* Officers up to so many, each with ways to both schools and a week of duties, and volunteers of
 * another school. */
static void people_up_to(struct world *w, int64_t count)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO person(id, scope, kind, name, station_id, phone, active)"
                " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
                " SELECT 'm' || i, 'S0117', 'police', '警' || i, 'S0117', 'p' || i, 1 FROM n"
                " WHERE true ON CONFLICT DO NOTHING",
                "i", count);
    replica_run(w->replica,
                "INSERT INTO person(id, scope, kind, name, station_id, school_id, phone, active)"
                " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
                " SELECT 'v' || i, 'S0117', 'parent', '民' || i, 'S0117', 'S18', 'q' || i, 1"
                " FROM n WHERE true ON CONFLICT DO NOTHING",
                "i", count * VOLUNTEERS);
    replica_run(w->replica,
                "INSERT INTO avail(id, scope, person_id, weekday, peak, kind)"
                " SELECT 'a' || id, 'S0117', id, 2, 'am', 'offer' FROM person"
                " WHERE id GLOB 'v[0-9]*' ON CONFLICT DO NOTHING",
                "");
    replica_run(w->replica,
                "INSERT INTO reach(id, scope, person_id, school_id, band)"
                " SELECT p.id || '.' || c.id, 'S0117', p.id, c.id, 10 FROM person p, school c"
                " WHERE p.id LIKE 'm%' ON CONFLICT DO NOTHING",
                "");
    replica_run(w->replica,
                "INSERT INTO assignment(id, scope, shift_id, person_id, state)"
                " SELECT s.id || '.' || p.id, 'S0117', s.id, p.id, 'planned' FROM person p, shift s"
                " WHERE p.id LIKE 'm%' AND s.id LIKE 'w%' ON CONFLICT DO NOTHING",
                "");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

/* A county's people at one station. Ten times the people may cost fifteen times as much, and no
 * more than to look at each of them a few times. */
static void finding_is_cheap(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_shift(w, "w1", "S18-M", "2026-09-09", "am", "07:20", "08:10", 1);
    world_shift(w, "w2", "S18-M", "2026-09-10", "am", "07:20", "08:10", 1);
    world_shift(w, "w3", "S18-M", "2026-09-11", "am", "07:20", "08:10", 1);
    people_up_to(w, FEW);
    int64_t few = cost(w, find);
    people_up_to(w, MANY);
    int64_t many = cost(w, find), all = cost(w, look_at_all);
    print_message(
        "candidates among %d officers: %lld us, among %d: %lld us; a look at all: %lld us\n", FEW,
        (long long)few, MANY, (long long)many, (long long)all);
    assert_true(many <= 15 * few + 1000);
    assert_true(many <= 15 * all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(officers_within_reach),
        TEST(who_has_the_skill_comes_first),
        TEST(caps_and_nights),
        TEST(patrols_when_it_is_late),
        TEST(who_was_called_away_stays_there),
        TEST(who_approved_is_on_record),
        TEST(finding_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
