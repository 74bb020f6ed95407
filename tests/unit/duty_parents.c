/* Parents' questions, consent, and texts that nobody understands. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

#define STRANGER "+8610000999001"
#define OTHER "+8610000999002"

static void bells(struct world *w)
{
    world_sql(w, "INSERT INTO bell(id, scope, school_id, grade_from, grade_to, weekdays, peak,"
                 " at_min, gate) VALUES"
                 " ('1', 'S0117', 'S17', 1, 6, 31, 'am', 470, '东门'),"
                 " ('2', 'S0117', 'S17', 1, 2, 31, 'pm', 970, '东门'),"
                 " ('3', 'S0117', 'S17', 3, 6, 31, 'pm', 1010, '东门'),"
                 " ('4', 'S0117', 'S18', 0, 0, 31, 'pm', 990, '正门')");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off, name) VALUES"
                 " ('c1', '*', '2026-10-01', 1, '国庆节')");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off, name, follow_weekday) VALUES"
                 " ('c2', '*', '2026-10-10', 0, '国庆节', 5)");
    world_at(w, "2026-09-08", "12:00");
}

static void dismissal(void **state)
{
    struct world *w = *state;
    bells(w);
    world_text(w, STRANGER, "放学S17");
    assert_non_null(
        strstr(world_last(w, STRANGER, "P2_DISMISSAL"), "一二年级16:10；三至六年级16:50，东门"));
    world_text(w, STRANGER, "放学 第二實驗小學"); /* traditional form */
    ASSERT_SENT(w, STRANGER, "P2_DISMISSAL", 2);
    world_text(w, STRANGER, "放学育才");
    assert_non_null(strstr(world_last(w, STRANGER, "P2_DISMISSAL"), "16:30，正门"));
    world_text(w, STRANGER, "放学小学"); /* part of both names */
    ASSERT_SENT(w, STRANGER, "P8_NO_SUCH_SCHOOL", 1);
    world_text(w, STRANGER, "放学S99");
    ASSERT_SENT(w, STRANGER, "P8_NO_SUCH_SCHOOL", 2);
    world_text(w, STRANGER, "几点放学");
    ASSERT_SENT(w, STRANGER, "P9_WHICH_SCHOOL", 1);
}

static void query_shows_guards_to_registered_only(void **state)
{
    struct world *w = *state;
    bells(w);
    world_shift(w, "pm", "S17-E", "2026-09-08", "pm", "16:00", "17:00", 2);
    world_assign(w, "pm", "V1");
    world_at(w, "2026-09-08", "15:55");
    world_text(w, "V1", "到岗");
    world_text(w, "V2", "查询S17");
    assert_non_null(strstr(world_last(w, "V2", "P1_QUERY"), "已到1人"));
    world_text(w, STRANGER, "查询S17");
    assert_null(strstr(world_last(w, STRANGER, "P1B_QUERY_STRANGER"), "护学岗"));
    assert_non_null(strstr(world_last(w, STRANGER, "P1B_QUERY_STRANGER"), "16:10"));
}

static void which_day(void **state)
{
    struct world *w = *state;
    bells(w);
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min, reason) VALUES"
                 " ('e', 'S0117', 'S17', '2026-09-10', 'early', 930, '大风'),"
                 " ('o', 'S0117', 'S18', '2026-09-10', 'off', NULL, '运动会')");
    world_at(w, "2026-09-10", "12:00");
    world_text(w, STRANGER, "放学S17");
    assert_non_null(strstr(world_last(w, STRANGER, "P2_DISMISSAL"), "15:30"));
    world_text(w, STRANGER, "放学S18");
    ASSERT_SENT(w, STRANGER, "P1C_NO_SCHOOL_TODAY", 1);
    world_at(w, "2026-09-12", "12:00"); /* Saturday */
    world_text(w, STRANGER, "放学S17");
    ASSERT_SENT(w, STRANGER, "P1C_NO_SCHOOL_TODAY", 2);
    world_at(w, "2026-10-01", "12:00"); /* Thursday, a holiday */
    world_text(w, STRANGER, "放学S17");
    ASSERT_SENT(w, STRANGER, "P1C_NO_SCHOOL_TODAY", 3);
    world_at(w, "2026-10-10", "12:00"); /* a Saturday that follows Friday's time table */
    world_text(w, STRANGER, "放学S17");
    ASSERT_SENT(w, STRANGER, "P2_DISMISSAL", 2);
    world_at(w, "2027-03-02", "12:00"); /* a year that the calendar does not know */
    world_text(w, STRANGER, "放学S17");
    ASSERT_SENT(w, STRANGER, "P1D_UNKNOWN_DAY", 1);
    ASSERT_SENT(w, STRANGER, "P2_DISMISSAL", 2);
}

static void changed_dismissal_is_pushed_once(void **state)
{
    struct world *w = *state;
    bells(w);
    world_text(w, STRANGER, "订阅S17");
    world_text(w, STRANGER, "1");
    world_text(w, "+8610000999992", "订阅S18");
    world_text(w, "+8610000999992", "1");
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min, reason) VALUES"
                 " ('e', 'S0117', 'S17', '2026-09-10', 'early', 930, '大风')");
    world_run(w, "2026-09-10", "06:29");
    ASSERT_SENT(w, STRANGER, "P3_CHANGED", 0); /* neither days before nor in the quiet hours */
    world_run(w, "2026-09-10", "07:00");
    ASSERT_SENT(w, STRANGER, "P3_CHANGED", 1);
    assert_non_null(strstr(world_last(w, STRANGER, "P3_CHANGED"), "大风"));
    assert_non_null(strstr(world_last(w, STRANGER, "P3_CHANGED"), "15:30"));
    ASSERT_SENT(w, "+8610000999992", "P3_CHANGED", 0);
    world_restart(w);
    world_run(w, "2026-09-10", "10:00");
    ASSERT_SENT(w, STRANGER, "P3_CHANGED", 1);
    world_sql(w, "UPDATE school_day SET at_min = 900 WHERE id = 'e'");
    world_tick(w);
    ASSERT_SENT(w, STRANGER, "P3_CHANGED", 2);
    world_at(w, "2026-09-10", "15:10");
    world_sql(w, "UPDATE school_day SET at_min = 905 WHERE id = 'e'"); /* 15:05 has passed */
    world_run(w, "2026-09-11", "12:00");
    ASSERT_SENT(w, STRANGER, "P3_CHANGED", 2);
}

static void subscribers(struct world *w, int count)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO subscription(phone, school_id, since)"
             " SELECT seal_phone('+861380000' || (1000 + i)), 'S17', 1788192000000 FROM n",
             count);
    world_sql(w, sql);
}

#define PUSHED "SELECT count(*) FROM sent WHERE text_id = 'P3_CHANGED'"
#define ON_DESK "SELECT count(*) FROM desk_item WHERE kind = 'push' AND state = 'open'"

/* Many, or not all of them in time: a person hears the numbers and confirms. */
static void big_push_asks_first(void **state)
{
    struct world *w = *state;
    char id[LIMIT_ID_BYTES + 1];
    bells(w);
    subscribers(w, 50);
    w->reach = 30;
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min, reason) VALUES"
                 " ('e', 'S0117', 'S17', '2026-09-08', 'early', 930, '大风')");
    world_run(w, "2026-09-08", "13:00");
    assert_int_equal(world_int(w, PUSHED), 0);
    assert_int_equal(world_int(w, ON_DESK), 1);
    assert_true(replica_get_text(w->replica, id, sizeof id,
                                 "SELECT id FROM desk_item WHERE kind = 'push' AND"
                                 " unseal(body) LIKE '%15:30%50人%30人%'",
                                 ""));
    assert_false(duty_push(&w->duty, "nothing"));
    assert_true(duty_push(&w->duty, id));
    world_run(w, "2026-09-08", "13:01");
    assert_int_equal(world_int(w, PUSHED), 50);
    assert_int_equal(world_int(w, ON_DESK), 0);
    assert_false(duty_push(&w->duty, id)); /* once */
    world_sql(w,
              "UPDATE school_day SET at_min = 945 WHERE id = 'e'"); /* another time: asked anew */
    world_run(w, "2026-09-08", "13:05");
    assert_int_equal(world_int(w, PUSHED), 50);
    assert_int_equal(world_int(w, ON_DESK), 1);
}

static void small_push_goes_unless_it_is_late(void **state)
{
    struct world *w = *state;
    bells(w);
    subscribers(w, 5);
    world_sql(w, "INSERT INTO school_day(id, scope, school_id, date, kind, at_min, reason) VALUES"
                 " ('e', 'S0117', 'S17', '2026-09-08', 'early', 930, '大风')");
    world_tick(w);
    assert_int_equal(world_int(w, PUSHED), 5);
    w->reach = 4;
    world_sql(w, "UPDATE school_day SET at_min = 780 WHERE id = 'e'");
    world_tick(w);
    assert_int_equal(world_int(w, PUSHED), 5);
    assert_int_equal(world_int(w, ON_DESK), 1);
}

/* 退订 of somebody on the roster: nothing but changes of the own duty, and the offer to leave. */
static void stop_on_the_roster_and_leave(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_shift(w, "x", "S17-N", "2026-09-21", "am", "07:20", "08:10", 1);
    world_assign(w, "x", "V1");
    world_tick(w);
    world_text(w, "V2", "退出"); /* who did not stop anything: for a person */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'text'"), 1);
    world_text(w, "V1", "退订");
    ASSERT_SENT(w, "V1", "A16_STOPPED", 0);
    assert_non_null(strstr(world_last(w, "V1", "A16_ON_ROSTER"), "还有2个班"));
    int count = world_count(w, "V1", "");
    world_text(w, "V2", "2"); /* a stand-in is looked for, but not here */
    assert_int_equal(world_count(w, "V1", ""), count);
    world_text(w, "V1", "退出");
    assert_non_null(strstr(world_last(w, "V1", "A16_LEFT"), "2个班"));
    ASSERT_STATE(w, "x.V1", "declined");
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment a JOIN person p"
                                  " ON p.id = a.person_id WHERE p.name = '李娜'"
                                  " AND a.state <> 'declined'"),
                     0);
    /* for tomorrow somebody is asked, for the day two weeks from now nobody yet */
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer WHERE state = 'open'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'stop'"), 2);
}

static void stranger_hears_little(void **state)
{
    struct world *w = *state;
    bells(w);
    for (int i = 0; i < 5; i++)
        world_text(w, STRANGER, i % 2 == 0 ? "放学S99" : "帮助");
    assert_int_equal(world_count(w, STRANGER, ""), 3);
    world_text(w, STRANGER, "放学S17"); /* a command that is understood is answered */
    ASSERT_SENT(w, STRANGER, "P2_DISMISSAL", 1);
}

/* By the hundred, when the bells change: what the duty says goes first. */
static void strangers_come_last(void **state)
{
    struct world *w = *state;
    bells(w);
    world_text(w, STRANGER, "放学S17");
    assert_int_equal(world_int(w, "SELECT prio FROM sent WHERE ref_kind = 'answer'"),
                     DUTY_PRIO_REMINDER);
    world_text(w, "V1", "我的班");
    assert_int_equal(world_int(w, "SELECT prio FROM sent ORDER BY seq DESC LIMIT 1"),
                     DUTY_PRIO_DUTY);
    world_at(w, "2026-09-08", "21:30"); /* who has just written is awake */
    world_text(w, STRANGER, "放学S17");
    assert_int_equal(world_int(w, "SELECT prio FROM sent ORDER BY seq DESC LIMIT 1"),
                     DUTY_PRIO_DUTY);
}

static void desk_is_suggested_answers(void **state)
{
    struct world *w = *state;
    char texts[DUTY_SUGGESTIONS][DUTY_SUGGESTION_BYTES], phone[LIMIT_SEALED_PHONE_BYTES + 1];
    world_morning(w);
    replica_get_text(w->replica, phone, sizeof phone, "SELECT phone FROM person WHERE id = 'V1'",
                     "");
    assert_int_equal(duty_suggest(&w->duty, phone, "我明天几点来着", texts), 2);
    assert_non_null(strstr(texts[0], "周二07:20"));
    assert_non_null(strstr(texts[1], "到岗"));
    replica_get_text(w->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", STRANGER);
    assert_int_equal(duty_suggest(&w->duty, phone, "校门口有人打架", texts), 2);
    assert_non_null(strstr(texts[0], "110"));
}

static void stop_of_a_parent(void **state)
{
    struct world *w = *state;
    bells(w);
    world_text(w, STRANGER, "订阅S17");
    ASSERT_SENT(w, STRANGER, "P5_OPT_IN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
    world_text(w, STRANGER, "好的"); /* assent is not consent */
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
    world_text(w, STRANGER, "1");
    ASSERT_SENT(w, STRANGER, "P4_SUBSCRIBED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1);
    world_text(w, STRANGER, "天气真好");
    world_text(w, STRANGER, "退订");
    ASSERT_SENT(w, STRANGER, "P6_STOPPED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM prompt"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE phone IS NOT NULL"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM erased"), 1);
}

static void a_no_to_the_opt_in_leaves_nothing(void **state)
{
    struct world *w = *state;
    bells(w);
    world_tick(w);
    world_text(w, STRANGER, "订阅S17");
    assert_non_null(strstr(world_last(w, STRANGER, "P5_OPT_IN"), "号码7天内删除"));
    int before = world_total(w);
    world_text(w, STRANGER, "2");
    assert_int_equal(world_total(w), before); /* no answer to who wants none */
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 0);
    world_run(w, "2026-09-09", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM prompt"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM erased"), 2); /* bodies, then the number */
    world_text(w, OTHER, "订阅S17"); /* and who does not answer, within the seven days */
    world_run(w, "2026-09-16", "11:59");
    assert_int_equal(world_int(w, "SELECT count(*) FROM prompt"), 0);
}

static void stop_of_a_volunteer(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-07", "12:05");
    world_text(w, "V1", "退订");
    ASSERT_SENT(w, "V1", "A16_ON_ROSTER", 1);
    int count = world_count(w, "V1", "");
    world_run(w, "2026-09-07", "20:00");
    assert_int_equal(world_count(w, "V1", ""), count);
    world_sql(w, "UPDATE shift SET start_at = start_at + 600000");
    world_tick(w); /* a change of the own duty is still told */
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1);
    world_shift(w, "x", "S17-N", "2026-09-09", "am", "07:20", "08:10", 1);
    world_assign(w, "x", "V1");
    world_run(w, "2026-09-09", "06:40");
    ASSERT_SENT(w, "V1", "N1_NEW", 1); /* the one of before */
    ASSERT_SENT(w, "V1", "R3_SILENT", 0);
}

/* The change had not gone out when everything of the phone was dropped: it is told again. */
static void stop_does_not_lose_a_change(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "22:00");
    world_sql(w, "UPDATE shift SET start_at = start_at + 600000");
    world_tick(w);
    world_at(w, "2026-09-07", "23:00");
    world_text(w, "V1", "退订");
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1); /* the held one went, this one waits */
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'N2_CHANGED'"
                                  " AND cancelled"),
                     1);
}

static void officers_cannot_stop(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_text(w, "O1", "退订");
    assert_int_equal(world_int(w, "SELECT count(*) FROM optout"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'stop'"), 1);
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "O1", "O2_BUTTON", 1);
}

static void unknown_number_hears_once_a_day(void **state)
{
    struct world *w = *state;
    world_text(w, STRANGER, "你们是谁");
    world_text(w, STRANGER, "喂");
    ASSERT_SENT(w, STRANGER, "U2_UNKNOWN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'text'"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"
                                  " WHERE unseal(body) = '你们是谁'"),
                     1);
    world_at(w, "2026-09-08", "12:01");
    world_text(w, STRANGER, "喂");
    ASSERT_SENT(w, STRANGER, "U2_UNKNOWN", 2);
}

static void three_helps_an_hour(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 6; i++)
        world_text(w, "V1", "今天天气真好啊");
    ASSERT_SENT(w, "V1", "U1_NOT_UNDERSTOOD", 3);
    world_text(w, "V1", "帮助"); /* a command is always answered */
    ASSERT_SENT(w, "V1", "V1_HELP", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 6);
    world_at(w, "2026-09-07", "13:01");
    world_text(w, "V1", "今天天气真好啊");
    ASSERT_SENT(w, "V1", "U1_NOT_UNDERSTOOD", 4);
    world_text(w, "O1", "帮助");
    ASSERT_SENT(w, "O1", "V2_HELP_OFFICER", 1);
    world_text(w, "L", "帮助");
    ASSERT_SENT(w, "L", "V3_HELP_LEADER", 1);
    world_text(w, STRANGER, "帮助");
    ASSERT_SENT(w, STRANGER, "P7_HELP", 1);
}

static void same_text_twice_and_no_way_to_answer(void **state)
{
    struct world *w = *state;
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    assert_true(
        replica_get_text(w->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", OTHER));
    struct duty_text_in text = {.id = "x",
                                .phone = phone,
                                .number = OTHER,
                                .body = "喂",
                                .heard_at_ms = w->cells.wall_ms,
                                .can_answer = false};
    replica_enter(w->replica);
    duty_on_text(&w->duty, &text);
    text.can_answer = true;
    duty_on_text(&w->duty, &text); /* the same id again */
    assert_true(replica_leave(w->replica, true));
    assert_int_equal(world_total(w), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 1);
}

static void feedback_has_no_name(void **state)
{
    struct world *w = *state;
    world_text(w, STRANGER, "意见东门太堵");
    ASSERT_SENT(w, STRANGER, "P10_FEEDBACK", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE phone IS NULL"
                                  " AND unseal(body) = '东门太堵'"),
                     1);
}

#define GONE "SELECT count(*) FROM erased WHERE phone LIKE 'gone %'"

static void the_number_is_forgotten(void **state)
{
    struct world *w = *state;
    world_text(w, "+8610000999991", "退订");
    world_text(w, "+8610000999992", "订阅S17"); /* and never answers */
    world_text(w, "+8610000999993", "订阅S17");
    world_text(w, "+8610000999993", "1");
    world_text(w, "V1", "退订"); /* stays on the school's list */
    world_run(w, "2026-09-13", "12:00");
    assert_int_equal(world_int(w, GONE), 0);
    world_run(w, "2026-09-16", "12:00");
    assert_int_equal(world_int(w, GONE), 1);
    world_run(w, "2026-10-10", "12:00");
    assert_int_equal(world_int(w, GONE), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM optout"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM subscription"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(dismissal),
        TEST(query_shows_guards_to_registered_only),
        TEST(which_day),
        TEST(changed_dismissal_is_pushed_once),
        TEST(big_push_asks_first),
        TEST(small_push_goes_unless_it_is_late),
        TEST(stop_on_the_roster_and_leave),
        TEST(stranger_hears_little),
        TEST(strangers_come_last),
        TEST(desk_is_suggested_answers),
        TEST(stop_of_a_parent),
        TEST(a_no_to_the_opt_in_leaves_nothing),
        TEST(stop_of_a_volunteer),
        TEST(stop_does_not_lose_a_change),
        TEST(officers_cannot_stop),
        TEST(unknown_number_hears_once_a_day),
        TEST(three_helps_an_hour),
        TEST(same_text_twice_and_no_way_to_answer),
        TEST(feedback_has_no_name),
        TEST(the_number_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
