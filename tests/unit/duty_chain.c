/* What keeps the chain of people whole: the evening question, 【演练】, the neighbour's watch, the
 * digest of a peak, visits that count. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "tests/unit/duty_world.h"

/* --- E4 --- */

/* Tomorrow 07:20 S17-E needs 2 and has O1; S17-N has nobody. */
static void tomorrow(struct world *w)
{
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 2);
    world_shift(w, "north", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "O1");
    world_tick(w);
}

static void the_leader_is_asked_once_about_tomorrow(void **state)
{
    struct world *w = *state;
    tomorrow(w);
    world_run(w, "2026-09-07", "19:29");
    ASSERT_SENT(w, "L", "E4_EVENING", 0);
    world_run(w, "2026-09-07", "19:30");
    ASSERT_SENT(w, "L", "E4_EVENING", 1);
    assert_non_null(strstr(world_last(w, "L", "E4_EVENING"), "明天2岗，2岗缺人"));
    world_restart(w);
    world_run(w, "2026-09-07", "20:50");
    ASSERT_SENT(w, "L", "E4_EVENING", 1);
}

static void a_full_day_asks_nothing(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "V1");
    world_run(w, "2026-09-07", "20:50");
    ASSERT_SENT(w, "L", "E4_EVENING", 0);
}

/* The box is off from the afternoon on. */
static void a_box_that_was_off_tells_in_the_morning(void **state)
{
    struct world *w = *state;
    tomorrow(w);
    world_run(w, "2026-09-07", "16:00");
    world_at(w, "2026-09-07", "21:46");
    world_restart(w);
    world_run(w, "2026-09-08", "06:29");
    ASSERT_SENT(w, "L", "E4_MORNING", 0);
    world_run(w, "2026-09-08", "06:30");
    ASSERT_SENT(w, "L", "E4_MORNING", 1);
    assert_non_null(strstr(world_last(w, "L", "E4_MORNING"), "今天2岗，2岗缺人"));
    world_restart(w);
    world_run(w, "2026-09-08", "07:15");
    ASSERT_SENT(w, "L", "E4_MORNING", 1);
    ASSERT_SENT(w, "L", "E4_EVENING", 0);
}

/* The mobile network is away from the afternoon until the night. */
static void a_question_that_did_not_get_out_is_told_in_the_morning(void **state)
{
    struct world *w = *state;
    tomorrow(w);
    world_run(w, "2026-09-07", "16:00");
    w->no_modem_since = w->cells.wall_ms;
    world_run(w, "2026-09-07", "19:30");
    ASSERT_SENT(w, "L", "E4_EVENING", 1);
    world_run(w, "2026-09-07", "23:00");
    world_run(w, "2026-09-08", "06:29");
    ASSERT_SENT(w, "L", "E4_MORNING", 0);
    world_run(w, "2026-09-08", "06:30");
    w->no_modem_since = 0;
    ASSERT_SENT(w, "L", "E4_EVENING", 0); /* would be of yesterday */
    ASSERT_SENT(w, "L", "E4_MORNING", 1);
    assert_non_null(strstr(world_last(w, "L", "E4_MORNING"), "今天2岗，2岗缺人"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap'"
                                  " AND unseal(body) = 'S17东门；S17北门'"),
                     1);
    world_restart(w);
    world_run(w, "2026-09-08", "07:15");
    ASSERT_SENT(w, "L", "E4_MORNING", 1);
}

static void what_was_looked_at_in_the_evening_is_not_told_again(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "V1");
    world_run(w, "2026-09-07", "20:50");
    world_sql(w, "UPDATE assignment SET state = 'cancelled' WHERE id = 'am.V1'");
    world_run(w, "2026-09-08", "07:15");
    ASSERT_SENT(w, "L", "E4_MORNING", 0);
}

static void one_fills_the_places(void **state)
{
    struct world *w = *state;
    char take[32];
    tomorrow(w);
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "收到"); /* read, not an order */
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 0);
    world_text(w, "L", "1");
    ASSERT_SENT(w, "L", "E4_FILLING", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'A4_OFFER'"), 6);
    world_text(w, "L", "1"); /* once */
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 2);
    snprintf(take, sizeof take, "接%s", world_code(w, "C1", "A4_OFFER"));
    world_text(w, "C1", take);
    ASSERT_SENT(w, "C1", "A5_TAKEN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'C1'"
                                  " AND state = 'confirmed' AND shift_id IN ('am', 'north')"
                                  " AND stands_in_for IS NULL"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer WHERE state = 'taken'"), 1);
}

static void a_duty_given_back_is_what_is_offered(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "V1");
    world_sql(w, "UPDATE assignment SET state = 'declined' WHERE id = 'am.V1'");
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "1");
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer WHERE assignment_id = 'am.V1'"), 1);
}

static void a_place_that_nobody_takes_climbs(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM avail"); /* nobody has offered to come */
    tomorrow(w);
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "1");
    ASSERT_SENT(w, "L", "E6_BUNDLE", 1);
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 0);
    world_run(w, "2026-09-08", "07:34");
    assert_true(world_count(w, "G", "E2_SENIOR") > 0);
    world_run(w, "2026-09-08", "09:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = ''"), 0);
}

/* Posts S17-00 to S17-11 lack somebody tomorrow, the first half at 07:20, the others at 17:00. */
static void a_dozen(struct world *w)
{
    char post[16];
    world_sql(w, "WITH RECURSIVE gate(i) AS (SELECT 0 UNION SELECT i + 1 FROM gate WHERE i < 11)"
                 " INSERT INTO post(id, scope, school_id, name, kind, need, active)"
                 " SELECT printf('S17-%02d', i), 'S0117', 'S17', i || '号门', 'gate', 1, 1"
                 " FROM gate");
    for (int i = 0; i < 12; i++) {
        snprintf(post, sizeof post, "S17-%02d", i);
        world_shift(w, post, post, "2026-09-08", i < 6 ? "am" : "pm", i < 6 ? "07:20" : "17:00",
                    i < 6 ? "08:10" : "17:50", 1);
    }
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "1");
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 12);
}

/* Some fail at once, some after their waves: one text when nobody is being asked any more. */
static void places_that_nobody_takes_are_one_text(void **state)
{
    struct world *w = *state;
    char code[5], send[32];
    a_dozen(w);
    assert_true(world_int(w, "SELECT count(*) FROM offer WHERE state = 'open'") > 0);
    world_restart(w);
    world_run(w, "2026-09-07", "19:31");
    ASSERT_SENT(w, "L", "E6_BUNDLE", 0);
    world_run(w, "2026-09-07", "19:50");
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer WHERE state = 'failed'"), 12);
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 0);
    ASSERT_SENT(w, "L", "E6_BUNDLE", 1);
    const char *text = world_last(w, "L", "E6_BUNDLE");
    assert_non_null(strstr(text, "9月8日12岗无人接：S17"));
    assert_non_null(strstr(text, "号门07:20 "));
    assert_non_null(strstr(text, "…。再找请回“派”加编号，全部见值班室"));
    snprintf(code, sizeof code, "%.4s", strstr(text, "07:20 ") + strlen("07:20 "));
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item d WHERE kind = 'gap' AND"
                                  " (SELECT count(*) FROM gap g WHERE"
                                  " instr(unseal(d.body), g.code) > 0) = 12"),
                     1);
    snprintf(send, sizeof send, "处理%s", code);
    world_text(w, "L", send);
    ASSERT_SENT(w, "L", "E8_YOURS", 1);
    assert_string_equal(world_code(w, "L", "E8_YOURS"), code);
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'acked'"), 1);
    world_run(w, "2026-09-08", "07:40"); /* known: the senior officer is next */
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    assert_int_equal(world_count(w, "G", "E2_SENIOR"), 5);
    ASSERT_SENT(w, "L", "E6_BUNDLE", 1);
}

static void one_place_has_its_own_text(void **state)
{
    struct world *w = *state;
    world_shift(w, "north", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "1");
    world_run(w, "2026-09-07", "19:50");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    ASSERT_SENT(w, "L", "E6_BUNDLE", 0);
}

static void two_is_the_leaders_own(void **state)
{
    struct world *w = *state;
    tomorrow(w);
    world_run(w, "2026-09-07", "19:30");
    world_text(w, "L", "2");
    ASSERT_SENT(w, "L", "E4_OWN", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 0);
}

/* The leader stands there himself tomorrow, and was asked about both. */
static void leaders_duty(struct world *w)
{
    tomorrow(w);
    world_assign(w, "am", "L");
    world_run(w, "2026-09-07", "19:30");
    ASSERT_SENT(w, "L", "E4_EVENING", 1);
}

static void a_yes_in_words_is_the_leaders_own_duty(void **state)
{
    struct world *w = *state;
    leaders_duty(w);
    world_text(w, "L", "没问题");
    ASSERT_STATE(w, "am.L", "confirmed");
    ASSERT_SENT(w, "L", "E4_FILLING", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 0);
}

static void a_no_in_words_is_the_leaders_own_duty(void **state)
{
    struct world *w = *state;
    leaders_duty(w);
    world_text(w, "L", "请假");
    ASSERT_STATE(w, "am.L", "declined");
    ASSERT_SENT(w, "L", "E4_OWN", 0);
}

static void a_second_digit_hears_the_first_answer(void **state)
{
    struct world *w = *state;
    leaders_duty(w);
    world_text(w, "L", "1");
    assert_non_null(strstr(world_last(w, "L", "E4_FILLING"), "正在补1岗，已询问3人"));
    world_text(w, "L", "2");
    ASSERT_SENT(w, "L", "E4_FILLING", 2);
    assert_non_null(strstr(world_last(w, "L", "E4_FILLING"), "正在补1岗，已询问3人"));
    ASSERT_SENT(w, "L", "A2_DECLINED", 0);
    ASSERT_STATE(w, "am.L", "planned");
}

static void a_second_two_leaves_the_leaders_duty(void **state)
{
    struct world *w = *state;
    leaders_duty(w);
    world_text(w, "L", "2");
    world_text(w, "L", "2");
    ASSERT_SENT(w, "L", "E4_OWN", 2);
    ASSERT_STATE(w, "am.L", "planned");
}

/* --- 【演练】 --- */

static void a_drill_lists_who_cannot_be_reached(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-E", "2026-09-09", "am", "07:20", "08:10", 2);
    world_assign(w, "am", "O1");
    world_assign(w, "am", "V1");
    world_run(w, "2026-09-09", "09:59");
    world_sql(w, "UPDATE assignment SET state = 'done'");
    assert_int_equal(world_int(w, "SELECT count(*) FROM drill_told"), 0);
    world_run(w, "2026-09-09", "10:00");
    ASSERT_SENT(w, "O1", "D1_DRILL", 1);
    ASSERT_SENT(w, "L", "D1_DRILL", 1);
    ASSERT_SENT(w, "G", "D1_DRILL", 1);
    ASSERT_SENT(w, "Z", "D1_DRILL", 1);
    ASSERT_SENT(w, "V1", "D1_DRILL", 0);
    world_at(w, "2026-09-09", "10:05");
    world_text(w, "L", "收到");
    world_text(w, "O1", "这是什么"); /* whatever comes shows that the number works */
    world_restart(w);
    world_run(w, "2026-09-09", "10:30");
    ASSERT_SENT(w, "L", "D2_SILENT", 1);
    const char *text = world_last(w, "L", "D2_SILENT");
    assert_non_null(strstr(text, "4人应答2人"));
    assert_non_null(strstr(text, "值班室；陈国栋"));
    ASSERT_SENT(w, "Z", "D2_SILENT", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'call'"
                                  " AND ref_id = '2026-09-09'"),
                     1);
    world_run(w, "2026-09-10", "12:00");
    ASSERT_SENT(w, "L", "D2_SILENT", 1);
}

static void a_level_without_anybody_is_named(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM duty_lead WHERE level = 4");
    world_shift(w, "am", "S17-E", "2026-09-09", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "O1");
    world_run(w, "2026-09-09", "10:30");
    assert_non_null(strstr(world_last(w, "L", "D2_SILENT"), "值班室无人"));
}

static void a_week_without_duties_has_no_drill(void **state)
{
    struct world *w = *state;
    world_run(w, "2026-09-09", "12:00");
    ASSERT_SENT(w, "L", "D1_DRILL", 0);
}

/* --- the neighbour --- */

static void neighbour(struct world *w)
{
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, state) VALUES"
                 " ('n1', 'S0117', 'neighbour', 'N1', '城西派出所', 'on')");
    world_sql(w, "INSERT INTO card_phone(card_id, phone) VALUES"
                 " ('n1', seal_phone('+8610100000001')),"
                 " ('n1:leader', seal_phone('+8610100000002'))");
    world_sql(w, "INSERT INTO cal_day(id, scope, date, off, name) VALUES"
                 " ('2026-10-01', '*', '2026-10-01', 1, '国庆节')");
    world_at(w, "2026-09-07", "22:00");
    world_restart(w);
}

static void a_silent_neighbour_is_told_of(void **state)
{
    struct world *w = *state;
    neighbour(w);
    world_run(w, "2026-09-08", "06:40");
    ASSERT_SENT(w, "+8610100000001", "W2_ALIVE", 1);
    world_run(w, "2026-09-08", "06:49");
    ASSERT_SENT(w, "+8610100000002", "W1_NEIGHBOUR", 0);
    world_run(w, "2026-09-08", "06:50");
    ASSERT_SENT(w, "+8610100000002", "W1_NEIGHBOUR", 1);
    assert_non_null(strstr(world_last(w, "+8610100000002", "W1_NEIGHBOUR"), "城西派出所"));
    world_restart(w);
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "+8610100000002", "W1_NEIGHBOUR", 1);
}

static void a_neighbour_that_speaks_is_well_and_gets_no_answer(void **state)
{
    struct world *w = *state;
    neighbour(w);
    world_run(w, "2026-09-08", "06:38");
    int before = world_total(w);
    world_text(w, "+8610100000001", "【城西护学】城西派出所护学主机平安，9月8日06:40");
    assert_int_equal(world_total(w), before); /* two machines would never stop */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 0);
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "+8610100000001", "W2_ALIVE", 1);
    ASSERT_SENT(w, "+8610100000002", "W1_NEIGHBOUR", 0);
}

static void a_person_is_no_machine(void **state)
{
    struct world *w = *state;
    neighbour(w);
    world_sql(w, "UPDATE card_phone SET phone = (SELECT phone FROM person WHERE id = 'O1')"
                 " WHERE card_id = 'n1'"); /* a slip of who entered it */
    world_text(w, "O1", "报警");
    ASSERT_SENT(w, "L", "O2_PANIC", 1);
}

static void no_watch_on_days_off_nor_after_an_outage(void **state)
{
    struct world *w = *state;
    neighbour(w);
    world_at(w, "2026-09-08", "06:55"); /* this box was down at 06:40: who knows who was silent */
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "+8610100000002", "W1_NEIGHBOUR", 0);
    world_at(w, "2026-09-30", "22:00");
    world_run(w, "2026-10-01", "20:00");
    ASSERT_SENT(w, "+8610100000001", "W2_ALIVE", 0);
}

/* --- the digest of a peak --- */

static void gaps_of_a_peak_are_told_in_one_digest(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 2);
    world_shift(w, "north", "S17-N", "2026-09-08", "am", "07:20", "08:10", 2);
    for (int i = 1; i <= 2; i++) {
        char person[4];
        snprintf(person, sizeof person, "V%d", i);
        world_assign(w, "am", person);
        snprintf(person, sizeof person, "V%d", i + 2);
        world_assign(w, "north", person);
    }
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    world_text(w, "V2", "到岗");
    world_run(w, "2026-09-08", "07:42");
    ASSERT_SENT(w, "Z", "E3_DIGEST", 0);
    world_run(w, "2026-09-08", "07:44");
    ASSERT_SENT(w, "Z", "E3_DIGEST", 1);
    const char *text = world_last(w, "Z", "E3_DIGEST");
    assert_non_null(strstr(text, "07:20时段4岗到2，缺：S17北门"));
    world_run(w, "2026-09-08", "08:00");
    ASSERT_SENT(w, "Z", "E3_DIGEST", 1);
}

/* V1 gave the duty back, and the plan has put V2 there: nothing is missing and nobody hears of it;
 * where nobody took his place, it is one of those that are. */
static void given_back(struct world *w, bool replaced)
{
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 2);
    world_assign(w, "am", "V1");
    world_assign(w, "am", "V3");
    world_sql(w, "UPDATE person SET active = 0 WHERE id GLOB 'C*'");
    world_run(w, "2026-09-07", "16:00");
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    if (replaced)
        world_assign(w, "am", "V2");
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "V2", "到岗");
    world_text(w, "V3", "到岗");
    world_run(w, "2026-09-08", "08:00");
}

static void a_place_that_the_plan_has_filled_does_not_climb(void **state)
{
    struct world *w = *state;
    given_back(w, true);
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    ASSERT_SENT(w, "L", "E3_DIGEST", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'covered'"), 1);
}

static void a_place_given_back_is_missing_in_the_digest(void **state)
{
    struct world *w = *state;
    given_back(w, false);
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    ASSERT_SENT(w, "L", "E3_DIGEST", 1);
    assert_non_null(strstr(world_last(w, "L", "E3_DIGEST"), "07:20时段2岗到1，缺：S17东门"));
}

static void the_paper_roll_in_one_go(void **state)
{
    struct world *w = *state;
    char body[32], code[8];
    world_morning(w);
    world_run(w, "2026-09-08", "07:28");
    text_copy(code, sizeof code, world_code(w, "L", "E1_LEADER"));
    snprintf(body, sizeof body, "到S17全%s", code);
    world_text(w, "G", body); /* not sent to this phone */
    ASSERT_SENT(w, "G", "L4_NO_CODE", 1);
    world_text(w, "L", "到S17全");
    ASSERT_STATE(w, "am.V1", "asked"); /* without the code nothing happens */
    world_text(w, "L", body);
    ASSERT_SENT(w, "L", "A8_ALL", 1);
    assert_non_null(strstr(world_last(w, "L", "A8_ALL"), "到岗2人"));
    ASSERT_STATE(w, "am.V1", "on_post");
    ASSERT_STATE(w, "am.O1", "on_post");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE channel = 'roll'"
                                  " AND late_min = 8"),
                     2);
    world_run(w, "2026-09-08", "08:00");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
}

/* --- visits --- */

static void a_visit_of_somebody_else_is_answered_and_not_counted(void **state)
{
    struct world *w = *state;
    world_at(w, "2026-09-08", "07:10");
    world_text(w, "O1", "驻岗S17");
    ASSERT_SENT(w, "O1", "O7_NOT_SPONSOR", 1);
    assert_non_null(strstr(world_last(w, "O1", "O7_NOT_SPONSOR"), "陈国栋"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM visit"), 0);
    world_text(w, "G", "驻岗S17");
    ASSERT_SENT(w, "G", "O7_VISIT", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_leader_is_asked_once_about_tomorrow),
        TEST(a_full_day_asks_nothing),
        TEST(a_box_that_was_off_tells_in_the_morning),
        TEST(a_question_that_did_not_get_out_is_told_in_the_morning),
        TEST(what_was_looked_at_in_the_evening_is_not_told_again),
        TEST(one_fills_the_places),
        TEST(a_duty_given_back_is_what_is_offered),
        TEST(a_place_that_nobody_takes_climbs),
        TEST(places_that_nobody_takes_are_one_text),
        TEST(one_place_has_its_own_text),
        TEST(two_is_the_leaders_own),
        TEST(a_yes_in_words_is_the_leaders_own_duty),
        TEST(a_no_in_words_is_the_leaders_own_duty),
        TEST(a_second_digit_hears_the_first_answer),
        TEST(a_second_two_leaves_the_leaders_duty),
        TEST(a_drill_lists_who_cannot_be_reached),
        TEST(a_level_without_anybody_is_named),
        TEST(a_week_without_duties_has_no_drill),
        TEST(a_silent_neighbour_is_told_of),
        TEST(a_neighbour_that_speaks_is_well_and_gets_no_answer),
        TEST(a_person_is_no_machine),
        TEST(no_watch_on_days_off_nor_after_an_outage),
        TEST(gaps_of_a_peak_are_told_in_one_digest),
        TEST(a_place_that_the_plan_has_filled_does_not_climb),
        TEST(a_place_given_back_is_missing_in_the_digest),
        TEST(the_paper_roll_in_one_go),
        TEST(a_visit_of_somebody_else_is_answered_and_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
