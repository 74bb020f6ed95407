/* Answers, stand-ins, check-in and check-out. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

static void evening_before(struct world *w)
{
    world_morning(w);
    world_run(w, "2026-09-07", "18:00");
}

static void text_code(struct world *w, const char *from, const char *word, const char *code)
{
    char body[64];
    snprintf(body, sizeof body, "%s%s", word, code);
    world_text(w, from, body);
}

/* --- 1 and 2 --- */

static void confirm_and_change_of_mind(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "收到");
    ASSERT_STATE(w, "am.V1", "confirmed");
    ASSERT_SENT(w, "V1", "A1_CONFIRMED", 1);
    world_text(w, "V1", "收到"); /* nothing was asked: no answer, nothing changes */
    ASSERT_SENT(w, "V1", "A1_CONFIRMED", 1);
    ASSERT_SENT(w, "V1", "U1_NOT_UNDERSTOOD", 0);
    world_run(w, "2026-09-08", "06:30");
    world_text(w, "V1", "2 发烧了");
    ASSERT_STATE(w, "am.V1", "declined");
    ASSERT_SENT(w, "V1", "A2_DECLINED", 1);
}

/* Whoever leads hears why, others do not; a number in it is hidden; it goes after a month. */
static void the_reason_of_a_decline_is_kept(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "18:00");
    world_text(w, "V1", "2 发烧了，找138 0000 0001");
    ASSERT_STATE(w, "am.V1", "declined");
    assert_int_equal(world_int(w, "SELECT unseal(reason) LIKE '发烧了_找*'"
                                  " FROM decline_reason WHERE assignment_id = 'am.V1'"),
                     1);
    world_run(w, "2026-09-08", "07:25");
    world_text(w, "L", "缺");
    assert_non_null(strstr(world_last(w, "L", "E10_GAPS"), "发烧了"));
    world_text(w, "O1", "缺");
    assert_non_null(strstr(world_last(w, "O1", "E10_GAPS"), "东门"));
    assert_null(strstr(world_last(w, "O1", "E10_GAPS"), "发烧"));
    world_at(w, "2026-10-20", "12:00");
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM decline_reason"), 0);
}

static void two_open_and_only_a_digit(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_shift(w, "noon", "S17-N", "2026-09-08", "noon", "11:40", "12:20", 1);
    world_assign(w, "noon", "V1");
    world_run(w, "2026-09-07", "18:00");
    ASSERT_SENT(w, "V1", "R1_EVE", 2);
    world_text(w, "V1", "1");
    ASSERT_SENT(w, "V1", "L1_PROMPTS", 1);
    ASSERT_STATE(w, "am.V1", "asked");
    ASSERT_STATE(w, "noon.V1", "asked");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "V1", "L1_PROMPTS")); /* the earlier one */
    text_code(w, "V1", "2 ", code);
    ASSERT_STATE(w, "am.V1", "declined");
    ASSERT_STATE(w, "noon.V1", "asked");
    world_text(w, "V1", "1"); /* only one is left */
    ASSERT_STATE(w, "noon.V1", "confirmed");
    world_text(w, "V1", "2 0000");
    ASSERT_SENT(w, "V1", "L4_NO_CODE", 1);
}

static void digit_never_checks_in(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "07:21");
    world_text(w, "V1", "1");
    ASSERT_STATE(w, "am.V1", "confirmed");
    ASSERT_SENT(w, "V1", "R4_MISSING", 1); /* how to check in, as the answer */
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 0);
}

static void decline_after_the_start(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "07:25");
    ASSERT_SENT(w, "V1", "R4_MISSING", 1);
    world_text(w, "V1", "来不了");
    ASSERT_STATE(w, "am.V1", "declined");
    ASSERT_SENT(w, "C2", "A4_OFFER", 1); /* only teachers are at the school so late */
    ASSERT_SENT(w, "C1", "A4_OFFER", 0);
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "L", "E1_LEADER", 2); /* of the officer and of the volunteer */
}

static void answer_after_the_end(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "09:00");
    world_text(w, "V1", "1");
    ASSERT_SENT(w, "V1", "A1_CONFIRMED", 0);
    ASSERT_STATE(w, "am.V1", "no_show");
}

/* --- stand-ins --- */

static void decline_and_first_come(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
    ASSERT_SENT(w, "C2", "A4_OFFER", 1);
    ASSERT_SENT(w, "C3", "A4_OFFER", 1);
    ASSERT_SENT(w, "C4", "A4_OFFER", 0);
    ASSERT_SENT(w, "D1", "A4_OFFER", 0); /* another school */
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "C1", "A4_OFFER"));
    text_code(w, "C4", "接", code); /* knows the code, but was not asked */
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'C4'"), 0);
    text_code(w, "C2", "接", code);
    ASSERT_SENT(w, "C2", "A5_TAKEN", 1);
    assert_non_null(strstr(world_last(w, "C2", "A5_TAKEN"), "王建国"));
    assert_non_null(strstr(world_last(w, "C2", "A5_TAKEN"), "0482-5100117"));
    text_code(w, "C1", "接", code);
    ASSERT_SENT(w, "C1", "A6_LATE", 1);
    ASSERT_SENT(w, "C1", "A5_TAKEN", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'confirmed'"
                                  " AND stands_in_for = 'am.V1'"),
                     1);
    world_run(w, "2026-09-08", "06:30");
    ASSERT_SENT(w, "C4", "A4_OFFER", 0);
    ASSERT_SENT(w, "C2", "N1_NEW", 0); /* A5 said it */
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 0);
    ASSERT_SENT(w, "V1", "R3_SILENT", 0);
}

static void least_recently_asked_first(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    text_code(w, "C3", "接", world_code(w, "C3", "A4_OFFER"));
    world_shift(w, "am2", "S17-N", "2026-09-10", "am", "07:20", "08:10", 1);
    world_assign(w, "am2", "V2");
    world_tick(w);
    world_text(w, "V2", "来不了");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
    ASSERT_SENT(w, "C4", "A4_OFFER", 1);
    ASSERT_SENT(w, "C5", "A4_OFFER", 1);
    ASSERT_SENT(w, "C6", "A4_OFFER", 1);
}

static void waves_then_the_leader(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    world_run(w, "2026-09-07", "18:03");
    ASSERT_SENT(w, "C4", "A4_OFFER", 0);
    world_run(w, "2026-09-07", "18:04");
    ASSERT_SENT(w, "C4", "A4_OFFER", 1);
    ASSERT_SENT(w, "C6", "A4_OFFER", 1);
    ASSERT_SENT(w, "C7", "A4_OFFER", 0);
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 0);
    world_run(w, "2026-09-07", "18:08");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "E6_NOT_FOUND"));
    text_code(w, "L", "派", code);
    ASSERT_SENT(w, "C7", "A4_OFFER", 1);
    ASSERT_SENT(w, "L", "E7_ASKING", 1);
    text_code(w, "C1", "接", code); /* asked in the first wave: still welcome */
    ASSERT_SENT(w, "C1", "A5_TAKEN", 1);
    ASSERT_SENT(w, "L", "E5_FOUND", 1);
}

static void unfilled_gap_reaches_the_senior_officer(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    world_text(w, "O1", "有人到岗了吗？"); /* not a command */
    ASSERT_STATE(w, "am.O1", "planned");
    world_run(w, "2026-09-08", "07:10");
    world_text(w, "O1", "到岗");
    world_run(w, "2026-09-08", "07:32");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    world_run(w, "2026-09-08", "07:33");
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    world_run(w, "2026-09-08", "07:43");
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
    ASSERT_STATE(w, "am.V1", "declined"); /* who told it is no no-show */
}

static void nobody_is_asked_at_night(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-07", "21:45");
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "V1", "A2_DECLINED", 1); /* an answer is never held back */
    ASSERT_SENT(w, "C1", "A4_OFFER", 0);
    world_run(w, "2026-09-08", "06:29");
    ASSERT_SENT(w, "C1", "A4_OFFER", 0);
    world_run(w, "2026-09-08", "06:30");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
}

static void the_second_wave_waits_for_the_morning(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-07", "21:28");
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
    ASSERT_SENT(w, "C4", "A4_OFFER", 0);
    world_run(w, "2026-09-08", "06:29");
    ASSERT_SENT(w, "C4", "A4_OFFER", 0);
    world_run(w, "2026-09-08", "06:30");
    ASSERT_SENT(w, "C4", "A4_OFFER", 1);
}

static void same_day_is_never_held_back(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "05:30");
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
}

static void who_is_not_asked(void **state)
{
    struct world *w = *state;
    world_text(w, "C1", "退订");
    world_shift(w, "am2", "S17-N", "2026-09-08", "am", "07:00", "07:40", 1);
    world_assign(w, "am2", "C2"); /* has a duty that overlaps */
    world_sql(w, "INSERT INTO avail(id, scope, person_id, kind, valid_from, valid_to) VALUES"
                 " ('x', 'S0117', 'C3', 'leave', '2026-09-07', '2026-09-09')");
    world_sql(w, "UPDATE avail SET weekday = 3 WHERE person_id = 'C4'");
    world_sql(w, "UPDATE avail SET peak = 'pm' WHERE person_id = 'C5'");
    world_sql(w, "UPDATE avail SET valid_to = '2026-09-07' WHERE person_id = 'C6'");
    evening_before(w);
    world_text(w, "V1", "2");
    world_run(w, "2026-09-07", "18:20");
    for (int i = 1; i <= 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "C%d", i);
        ASSERT_SENT(w, id, "A4_OFFER", 0);
    }
    ASSERT_SENT(w, "C7", "A4_OFFER", 1);
    ASSERT_SENT(w, "C8", "A4_OFFER", 1);
}

static void swap_keeps_the_asker_responsible(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "3");
    ASSERT_STATE(w, "am.V1", "swapping");
    ASSERT_SENT(w, "V1", "A3_SWAP", 1);
    text_code(w, "C1", "接", world_code(w, "C1", "A4_OFFER"));
    ASSERT_STATE(w, "am.V1", "cancelled");
    ASSERT_SENT(w, "V1", "A7_SWAPPED", 1);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 0); /* A7 said it */
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap"), 0);
}

/* The asker is responsible until then, so he is told even after the start. */
static void swap_taken_after_the_start(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "07:10");
    world_text(w, "V1", "3");
    world_run(w, "2026-09-08", "07:21");
    text_code(w, "C2", "接", world_code(w, "C2", "A4_OFFER"));
    ASSERT_STATE(w, "am.V1", "cancelled");
    ASSERT_SENT(w, "V1", "A7_SWAPPED", 1);
}

static void swap_taken_at_night(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "3");
    world_at(w, "2026-09-07", "21:20");
    text_code(w, "C1", "接", world_code(w, "C1", "A4_OFFER"));
    ASSERT_STATE(w, "am.V1", "cancelled");
    assert_true(world_int(w, "SELECT not_before FROM sent WHERE text_id = 'A7_SWAPPED'") ==
                world_ms("2026-09-08", "06:30"));
}

static void swap_that_nobody_wants(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "3");
    world_run(w, "2026-09-08", "07:00");
    ASSERT_STATE(w, "am.V1", "swapping");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "am.V1", "on_post");
}

static void declined_but_came(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "C1", "A4_OFFER"));
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "am.V1", "on_post");
    text_code(w, "C1", "接", code);
    ASSERT_SENT(w, "C1", "A6_LATE", 1);
}

/* --- check-in --- */

static void check_in_and_out(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_at(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "am.V1", "on_post");
    assert_non_null(strstr(world_last(w, "V1", "A8_IN"), "07:15"));
    world_at(w, "2026-09-08", "07:18");
    world_text(w, "V1", "到了"); /* again: the first one stands */
    assert_non_null(strstr(world_last(w, "V1", "A8_IN"), "07:15"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 1);
    assert_int_equal(world_int(w, "SELECT late_min FROM checkin"), 0);
    world_at(w, "2026-09-08", "08:12");
    world_text(w, "V1", "离岗");
    ASSERT_STATE(w, "am.V1", "done");
    assert_non_null(strstr(world_last(w, "V1", "A10_OUT"), "57分钟"));
    assert_non_null(strstr(world_last(w, "V1", "A10_OUT"), "第1次"));
    world_text(w, "V1", "到岗"); /* the duty is over */
    ASSERT_SENT(w, "V1", "A11_NO_DUTY", 1);
}

/* 一岗多能: what else is done from the post is asked for at check-out, and ticked once. */
static void linked_tasks_are_ticked(void **state)
{
    struct world *w = *state;
    world_sql(w,
              "INSERT INTO card(id, scope, kind, code, name, school_id, body, state) VALUES"
              " ('t1', 'S0117', 'task', 'L9', '东巷巡查', 'S17', '{\"post\":\"东门\"}', 'on'),"
              " ('t2', 'S0117', 'task', 'L10', '反诈宣传单', 'S17', '{}', 'on'),"
              " ('t3', 'S0117', 'task', 'L11', '北门井盖', 'S17', '{\"post\":\"S17-N\"}', 'on')");
    world_morning(w);
    world_at(w, "2026-09-08", "07:18");
    world_text(w, "O1", "到岗");
    world_at(w, "2026-09-08", "08:12");
    world_text(w, "O1", "离岗");
    ASSERT_SENT(w, "O1", "A10_OUT", 0);
    assert_non_null(strstr(world_last(w, "O1", "A10_TASKS"), "54分钟"));
    assert_non_null(strstr(world_last(w, "O1", "A10_TASKS"), "1东巷巡查；2反诈宣传单。"));
    world_text(w, "O1", "任务");
    assert_non_null(strstr(world_last(w, "O1", "A19_TASKS"), "1东巷巡查；2反诈宣传单"));
    world_text(w, "O1", "任务3"); /* not of this post */
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event"), 0);
    world_text(w, "O1", "任务 2");
    assert_non_null(strstr(world_last(w, "O1", "A19_TICKED"), "2反诈宣传单"));
    world_text(w, "O1", "任务 一、二");
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event WHERE what = 'ticked'"
                                  " AND person_id = 'O1' AND detail = 'am.O1'"),
                     2);
    world_text(w, "O1", "任务完成不了"); /* a sentence goes to a person */
    ASSERT_SENT(w, "O1", "U1_NOT_UNDERSTOOD", 1);
    world_text(w, "V2", "任务1");
    ASSERT_SENT(w, "V2", "A11_NO_DUTY", 1);
    world_at(w, "2026-09-08", "11:30"); /* too long ago */
    world_text(w, "O1", "任务1");
    ASSERT_SENT(w, "O1", "A11_NO_DUTY", 1);
}

static void check_in_time(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "07:28");
    world_text_sent(w, "V1", "到岗", world_ms("2026-09-08", "07:19")); /* nine minutes on the way */
    assert_true(world_int(w, "SELECT at FROM checkin") == world_ms("2026-09-08", "07:19"));
    assert_true(world_int(w, "SELECT heard_at FROM checkin") == world_ms("2026-09-08", "07:28"));
    assert_int_equal(world_int(w, "SELECT late_min FROM checkin"), 0);
    world_text_sent(w, "O1", "到岗", world_ms("2026-09-08", "02:00")); /* a clock that is wrong */
    assert_true(world_int(w, "SELECT max(at) FROM checkin") == world_ms("2026-09-08", "07:28"));
    assert_int_equal(world_int(w, "SELECT max(late_min) FROM checkin"), 8);
}

/* The box was down: the text waited at the service centre, whose stamp is of the duty's time. */
static void check_in_that_waited(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_shift(w, "pm", "S17-E", "2026-09-08", "pm", "16:40", "17:30", 2);
    world_assign(w, "pm", "V1");
    world_at(w, "2026-09-08", "16:30"); /* an hour before the next duty at most */
    world_text_sent(w, "V1", "到岗", world_ms("2026-09-08", "07:18"));
    world_text_sent(w, "V1", "到岗", world_ms("2026-09-08", "07:19")); /* twice */
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 1);
    assert_true(world_int(w, "SELECT at FROM checkin") == world_ms("2026-09-08", "07:18"));
    assert_true(world_int(w, "SELECT heard_at FROM checkin") == world_ms("2026-09-08", "16:30"));
    world_text_sent(w, "V1", "离岗", world_ms("2026-09-08", "08:11"));
    assert_true(world_int(w, "SELECT at FROM checkin WHERE kind = 'out'") ==
                world_ms("2026-09-08", "08:11"));
    ASSERT_STATE(w, "am.V1", "done");
    ASSERT_STATE(w, "pm.V1", "planned"); /* nobody is there yet */
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "pm.V1", "on_post");
}

/* A terminal kept what it saw. */
static void terminal_tells_later(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "13:00");
    world_event(w, "FT17", "check_in", "2", world_ms("2026-09-08", "07:12"));
    world_event(w, "FT17", "leave_post", "2", world_ms("2026-09-08", "08:10"));
    ASSERT_STATE(w, "am.V1", "done");
    assert_true(world_int(w, "SELECT min(at) FROM checkin") == world_ms("2026-09-08", "07:12"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 2);
}

static void check_in_without_duty(void **state)
{
    struct world *w = *state;
    world_text(w, "V3", "到岗");
    ASSERT_SENT(w, "V3", "A11_NO_DUTY", 1);
    world_text(w, "+8610000999999", "到岗");
    ASSERT_SENT(w, "+8610000999999", "A8_IN", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 0);
}

static void terminal_check_in_and_out(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "07:12");
    world_event(w, "FT17", "check_in", "2", w->cells.wall_ms - 5000);
    ASSERT_STATE(w, "am.V1", "on_post");
    world_event(w, "FT17", "check_in", "2", w->cells.wall_ms); /* walks by again */
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 1);
    world_event(w, "FT17", "check_in", "77", w->cells.wall_ms);
    world_event(w, "FT17", "check_in", "77", w->cells.wall_ms);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'event'"), 1);
    world_at(w, "2026-09-08", "08:05");
    world_event(w, "FT17", "leave_post", "2", 0);
    ASSERT_STATE(w, "am.V1", "done");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE kind = 'out'"
                                  " AND channel = 'terminal'"),
                     1);
}

static void forgotten_check_out(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_at(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    world_run(w, "2026-09-08", "08:39");
    ASSERT_STATE(w, "am.V1", "on_post");
    world_run(w, "2026-09-08", "08:40");
    ASSERT_STATE(w, "am.V1", "done");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE kind = 'out'"), 0);
    world_text(w, "V1", "离岗"); /* late, but it is the end of that duty */
    ASSERT_SENT(w, "V1", "A10_OUT", 1);
}

static void standing_in_by_name(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "L", "E1_LEADER", 2);
    world_text(w, "C2", "替李娜");
    ASSERT_SENT(w, "C2", "A9_STOOD_IN", 1);
    ASSERT_STATE(w, "am.V1", "cancelled");
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'C2'"
                                  " AND state = 'on_post' AND stands_in_for = 'am.V1'"),
                     1);
    ASSERT_SENT(w, "L", "E5_FOUND", 1);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 0);
    world_text(w, "C4", "替张三"); /* nobody of that name is due */
    ASSERT_SENT(w, "C4", "U1_NOT_UNDERSTOOD", 1);
    world_text(w, "D1", "替阿拉坦其木格"); /* another school */
    ASSERT_SENT(w, "D1", "U1_NOT_UNDERSTOOD", 1);
}

/* Written at the gate, and heard when the box is on again: as with 到岗 it counts for then. */
static void standing_in_by_name_while_the_box_was_off(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_sql(w, "UPDATE person SET name = '李一娜' WHERE id = 'V1'");
    world_run(w, "2026-09-08", "07:00");
    world_at(w, "2026-09-08", "10:30");
    world_restart(w);
    world_text_sent(w, "C2", "替李一娜", world_ms("2026-09-08", "07:16"));
    ASSERT_SENT(w, "C2", "A9_STOOD_IN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin c JOIN assignment a ON"
                                  " a.id = c.assignment_id WHERE a.person_id = 'C2' AND"
                                  " a.stands_in_for = 'am.V1' AND c.late_min = 0"),
                     1);
}

static void my_duties(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_text(w, "V1", "我的班");
    assert_non_null(strstr(world_last(w, "V1", "A14_MINE"), "周二07:20东门"));
    world_text(w, "V3", "我的班");
    ASSERT_SENT(w, "V3", "A15_NONE", 1);
}

/* V1 and V2 are of one family and have one telephone. */
static void a_phone_of_two(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE person SET phone = (SELECT phone FROM person WHERE id = 'V1')"
                 " WHERE id = 'V2'");
    world_morning(w);
    world_shift(w, "noon", "S17-N", "2026-09-08", "noon", "11:40", "12:20", 1);
    world_assign(w, "noon", "V2");
    world_run(w, "2026-09-07", "18:00");
    ASSERT_SENT(w, "V1", "R1_EVE", 2);
    world_text(w, "V1", "2"); /* which one? */
    ASSERT_SENT(w, "V1", "L1_PROMPTS", 1);
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "V1", "L1_PROMPTS"));
    text_code(w, "V1", "1 ", code);
    world_text(w, "V1", "2"); /* the other one's, by the same telephone */
    ASSERT_STATE(w, "am.V1", "confirmed");
    ASSERT_STATE(w, "noon.V2", "declined");
    world_sql(w, "UPDATE assignment SET state = 'planned' WHERE id = 'noon.V2'");
    world_run(w, "2026-09-08", "07:18");
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "am.V1", "on_post");
    world_text(w, "V1", "离岗");
    ASSERT_STATE(w, "am.V1", "done");
    world_run(w, "2026-09-08", "11:35");
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "noon.V2", "on_post");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE person_id = 'V2'"), 1);
}

static void a_text_that_cannot_be_handled(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_sql(w,
              "CREATE TRIGGER boom BEFORE INSERT ON offer BEGIN SELECT RAISE(ABORT, 'boom'); END");
    world_text(w, "V1", "2");
    ASSERT_STATE(w, "am.V1", "asked"); /* all of it is taken back */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'text'"
                                  " AND state = 'open' AND unseal(body) = '2'"),
                     1);
    world_sql(w, "DROP TRIGGER boom");
    w->cells.wall_ms += 1000;
    world_tick(w);
    ASSERT_STATE(w, "am.V1", "declined");
    ASSERT_SENT(w, "V1", "A2_DECLINED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE state = 'open'"
                                  " AND kind = 'text'"),
                     0);
    w->cells.wall_ms += 3600000;
    world_tick(w);
    ASSERT_SENT(w, "V1", "A2_DECLINED", 1);
}

/* C1 takes it, then cannot either: others are asked, nobody who said no before. */
static void stand_in_declines_again(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "C1", "A4_OFFER"));
    text_code(w, "C1", "接", code);
    ASSERT_SENT(w, "C1", "A5_TAKEN", 1);
    world_text(w, "C1", "来不了");
    ASSERT_SENT(w, "C1", "A2_DECLINED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer WHERE state = 'open'"), 1);
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
    ASSERT_SENT(w, "V1", "A4_OFFER", 0);
    ASSERT_SENT(w, "C4", "A4_OFFER", 1);
    snprintf(code, sizeof code, "%s", world_code(w, "C4", "A4_OFFER"));
    text_code(w, "C4", "接", code);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE shift_id = 'am'"
                                  " AND state = 'confirmed' AND person_id = 'C4'"),
                     1);
}

static void called_off_after_a_stand_in_was_found(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_text(w, "V1", "2");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "C1", "A4_OFFER"));
    text_code(w, "C1", "接", code);
    world_sql(w, "UPDATE shift SET state = 'cancelled' WHERE id = 'am'");
    world_tick(w);
    ASSERT_SENT(w, "C1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "O1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 0); /* who is not coming anyway */
    world_run(w, "2026-09-08", "08:30");
    ASSERT_SENT(w, "C1", "R2_MORNING", 0);
    ASSERT_SENT(w, "C1", "R4_MISSING", 0);
    ASSERT_SENT(w, "L", "", 0);
}

static void another_schools_terminal(void **state)
{
    struct world *w = *state;
    evening_before(w);
    world_sql(w, "INSERT INTO device(id, scope, school_id, post_id, product, kind) VALUES"
                 " ('FT18', 'S0117', 'S18', 'S18-M', 'mqtt_face', 'face')");
    world_sql(w, "INSERT INTO badge(id, scope, device_id, number, person_id) VALUES"
                 " ('b8', 'S0117', 'FT18', '2', 'V1')");
    world_run(w, "2026-09-08", "07:15");
    world_event(w, "FT18", "check_in", "2", w->cells.wall_ms);
    ASSERT_STATE(w, "am.V1", "asked");
    world_run(w, "2026-09-08", "07:23");
    ASSERT_SENT(w, "V1", "R4_MISSING", 1); /* the gate is still without her */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(confirm_and_change_of_mind),
        TEST(the_reason_of_a_decline_is_kept),
        TEST(two_open_and_only_a_digit),
        TEST(digit_never_checks_in),
        TEST(decline_after_the_start),
        TEST(answer_after_the_end),
        TEST(decline_and_first_come),
        TEST(least_recently_asked_first),
        TEST(waves_then_the_leader),
        TEST(unfilled_gap_reaches_the_senior_officer),
        TEST(nobody_is_asked_at_night),
        TEST(the_second_wave_waits_for_the_morning),
        TEST(same_day_is_never_held_back),
        TEST(who_is_not_asked),
        TEST(swap_keeps_the_asker_responsible),
        TEST(swap_taken_after_the_start),
        TEST(swap_taken_at_night),
        TEST(swap_that_nobody_wants),
        TEST(declined_but_came),
        TEST(check_in_and_out),
        TEST(linked_tasks_are_ticked),
        TEST(check_in_time),
        TEST(check_in_that_waited),
        TEST(terminal_tells_later),
        TEST(check_in_without_duty),
        TEST(terminal_check_in_and_out),
        TEST(forgotten_check_out),
        TEST(standing_in_by_name),
        TEST(standing_in_by_name_while_the_box_was_off),
        TEST(my_duties),
        TEST(stand_in_declines_again),
        TEST(called_off_after_a_stand_in_was_found),
        TEST(another_schools_terminal),
        TEST(a_phone_of_two),
        TEST(a_text_that_cannot_be_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
