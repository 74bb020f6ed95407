/* Somebody does not come: person, leader, senior officer, gap; and the storm. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/duty/order.h"

static void text_code(struct world *w, const char *from, const char *word, const char *code)
{
    char body[64];
    snprintf(body, sizeof body, "%s%s", word, code);
    world_text(w, from, body);
}

/* V1 alone at S17-N at 07:20. */
static void alone(struct world *w)
{
    world_shift(w, "n", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "n", "V1");
    world_run(w, "2026-09-08", "07:20");
}

static void the_ladder(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:22");
    ASSERT_SENT(w, "V1", "R4_MISSING", 0);
    world_run(w, "2026-09-08", "07:23");
    ASSERT_SENT(w, "V1", "R4_MISSING", 1);
    world_run(w, "2026-09-08", "07:27");
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    world_run(w, "2026-09-08", "07:28");
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    assert_non_null(strstr(world_last(w, "L", "E1_LEADER"), "8分钟"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap'"
                                  " AND unseal(body) LIKE '李娜: 候补2、候补4、候补6'"),
                     1);
    world_run(w, "2026-09-08", "07:32");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    world_run(w, "2026-09-08", "07:33");
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    ASSERT_STATE(w, "n.V1", "asked");
    world_run(w, "2026-09-08", "07:43");
    ASSERT_STATE(w, "n.V1", "no_show");
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
    int total = world_total(w);
    world_restart(w);
    world_run(w, "2026-09-08", "12:00");
    assert_int_equal(world_total(w), total);
}

/* A text is with the leader when the eight minutes are over: it is said half a minute before. */
static void the_leader_hears_within_eight_minutes(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:27");
    w->cells.wall_ms += 29000;
    world_tick(w);
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    w->cells.wall_ms += 1000;
    world_tick(w);
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    assert_non_null(strstr(world_last(w, "L", "E1_LEADER"), "8分钟"));
}

/* 社区: the last whom a place that stays empty is told to; gate and time, never who should be
 * there. */
static void the_community_is_asked_last(void **state)
{
    struct world *w = *state;
    world_sql(w,
              "INSERT INTO card(id, scope, kind, code, name, school_id, body, state) VALUES"
              " ('c1', 'S0117', 'partner', 'T1', '城东社区', 'S17', '{\"type\":\"社区\"}', 'on')");
    world_sql(w,
              "INSERT INTO card_phone(card_id, phone) VALUES ('c1', seal_phone('+8610888000001'))");
    alone(w);
    world_run(w, "2026-09-08", "07:42");
    ASSERT_SENT(w, "+8610888000001", "", 0);
    world_run(w, "2026-09-08", "07:44");
    ASSERT_SENT(w, "+8610888000001", "E13_COMMUNITY", 1);
    assert_null(strstr(world_last(w, "+8610888000001", "E13_COMMUNITY"), "李娜"));
    assert_non_null(strstr(world_last(w, "+8610888000001", "E13_COMMUNITY"), "王建国"));
}

static void late_check_in_ends_it(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:29");
    world_text(w, "V1", "到岗"); /* at nine minutes */
    ASSERT_STATE(w, "n.V1", "on_post");
    assert_int_equal(world_int(w, "SELECT late_min FROM checkin"), 9);
    ASSERT_SENT(w, "L", "E9_ARRIVED", 1);
    assert_non_null(strstr(world_last(w, "L", "E9_ARRIVED"), "迟9分钟"));
    world_run(w, "2026-09-08", "08:00");
    ASSERT_SENT(w, "G", "", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'arrived'"), 1);
}

/* V1 came; the camera at the post sees nobody at 07:40. */
static void post_is_empty(struct world *w, int64_t device_at_ms)
{
    world_sql(w, "INSERT INTO device(id, scope, school_id, post_id, product, kind)"
                 " VALUES ('CAM', 'S0117', 'S17', 'S17-N', 'mqtt_face', 'camera')");
    alone(w);
    world_text(w, "V1", "到岗");
    world_run(w, "2026-09-08", "07:40");
    ASSERT_STATE(w, "n.V1", "on_post");
    world_event(w, "CAM", "leave_post", NULL, device_at_ms);
    world_tick(w);
}

static void empty_post_begins_the_ladder(void **state)
{
    struct world *w = *state;
    post_is_empty(w, 0);
    ASSERT_SENT(w, "V1", "R5_LEFT", 1);
    ASSERT_SENT(w, "V1", "R4_MISSING", 0);
    world_event(w, "CAM", "leave_post", NULL, 0); /* goes on looking */
    world_run(w, "2026-09-08", "07:44");
    ASSERT_SENT(w, "V1", "R5_LEFT", 1);
    ASSERT_SENT(w, "L", "E1B_LEFT", 0);
    world_run(w, "2026-09-08", "07:45");
    ASSERT_SENT(w, "L", "E1B_LEFT", 1);
    world_run(w, "2026-09-08", "07:50");
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    world_run(w, "2026-09-08", "09:00");
    ASSERT_STATE(w, "n.V1", "done"); /* was there, and is no no-show */
}

static void empty_post_was_not(void **state)
{
    struct world *w = *state;
    post_is_empty(w, 0);
    world_run(w, "2026-09-08", "07:46");
    world_text(w, "V1", "到岗");
    ASSERT_SENT(w, "L", "E9B_BACK", 1);
    world_run(w, "2026-09-08", "08:05");
    ASSERT_SENT(w, "G", "", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE kind = 'in'"), 1);
}

static void check_in_after_the_gap_is_late(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:45");
    ASSERT_STATE(w, "n.V1", "no_show");
    world_text(w, "V1", "到岗");
    ASSERT_STATE(w, "n.V1", "on_post");
    assert_int_equal(world_int(w, "SELECT late_min FROM checkin"), 25);
}

/* R4 is answered with 2: others are asked, and the leader hears no later than of a silent one. */
static void decline_after_the_start(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:25");
    world_text(w, "V1", "2");
    ASSERT_STATE(w, "n.V1", "declined");
    ASSERT_SENT(w, "C2", "A4_OFFER", 1);
    world_run(w, "2026-09-08", "07:27");
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    world_run(w, "2026-09-08", "07:28");
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "C2", "A4_OFFER"));
    assert_string_equal(world_code(w, "L", "E1_LEADER"), code); /* one matter, one code */
    text_code(w, "L", "派", code);
    ASSERT_SENT(w, "L", "E7_ASKING", 1);
    text_code(w, "C2", "接", code);
    ASSERT_SENT(w, "L", "E5_FOUND", 1);
    world_run(w, "2026-09-08", "07:36");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 0);
}

static void decline_after_the_start_is_taken(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:21"); /* before anybody was asked where he is */
    world_text(w, "V1", "来不了");
    text_code(w, "C2", "接", world_code(w, "C2", "A4_OFFER"));
    ASSERT_SENT(w, "L", "E5_FOUND", 1); /* the post is empty until then */
    world_text(w, "C2", "到岗");
    world_run(w, "2026-09-08", "09:00");
    ASSERT_SENT(w, "V1", "R4_MISSING", 0);
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    ASSERT_STATE(w, "n.V1", "declined");
}

static void decline_after_the_start_in_vain(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:21");
    world_text(w, "V1", "来不了");
    world_run(w, "2026-09-08", "07:45");
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
    ASSERT_STATE(w, "n.V1", "declined"); /* who says so is no no-show */
}

static void leader_sends_somebody(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:29");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "E1_LEADER"));
    text_code(w, "L", "派", code);
    ASSERT_SENT(w, "L", "E7_ASKING", 1);
    ASSERT_SENT(w, "C2", "A4_OFFER", 1);
    ASSERT_SENT(w, "C1", "A4_OFFER", 0); /* a parent comes too late now */
    text_code(w, "C2", "接", code);
    ASSERT_SENT(w, "C2", "A5_TAKEN", 1);
    ASSERT_SENT(w, "L", "E5_FOUND", 1);
    world_run(w, "2026-09-08", "07:38");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    ASSERT_SENT(w, "C2", "R4_MISSING", 0); /* ten minutes to get there */
    world_text(w, "C2", "到岗");
    assert_int_equal(world_int(w, "SELECT count(*) FROM slot WHERE state = 'on_post'"
                                  " AND person_id = 'C2'"),
                     1);
    ASSERT_STATE(w, "n.V1", "no_show");
    world_run(w, "2026-09-08", "09:00");
    ASSERT_SENT(w, "G", "", 0);
}

static void stand_in_who_does_not_come(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:29");
    world_text(w, "L", "派");
    text_code(w, "C2", "接", world_code(w, "C2", "A4_OFFER"));
    world_run(w, "2026-09-08", "07:42"); /* taken at 07:29, ten minutes, and three */
    ASSERT_SENT(w, "C2", "R4_MISSING", 1);
    world_run(w, "2026-09-08", "07:52");
    ASSERT_SENT(w, "L", "E1_LEADER", 2);
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
}

static void leader_sees_to_it(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:28");
    world_text(w, "L", "处理");
    ASSERT_SENT(w, "L", "E8_YOURS", 1);
    world_run(w, "2026-09-08", "07:42");
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    world_run(w, "2026-09-08", "07:43");
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
}

static void not_everybody_may_send(void **state)
{
    struct world *w = *state;
    alone(w);
    world_run(w, "2026-09-08", "07:28");
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "E1_LEADER"));
    text_code(w, "O3", "派", code); /* an officer to whom the code was not sent */
    ASSERT_SENT(w, "O3", "L4_NO_CODE", 1);
    text_code(w, "V2", "派", code); /* no officer at all */
    assert_int_equal(world_int(w, "SELECT count(*) FROM offer"), 0);
}

static void nobody_to_send(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM sent");
    world_sql(w, "UPDATE person SET active = 0 WHERE id GLOB 'C*'");
    alone(w);
    world_run(w, "2026-09-08", "07:29");
    world_text(w, "L", "派");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    world_run(w, "2026-09-08", "07:33"); /* still open: the senior officer hears */
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
}

/* 派 when the gap is on record already, and nobody is there: the tick comes to rest. */
static void nobody_to_send_any_more(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE person SET active = 0 WHERE id GLOB 'C*'");
    alone(w);
    world_run(w, "2026-09-08", "07:45");
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
    world_text(w, "L", "派");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 1);
    world_run(w, "2026-09-08", "09:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 1);
    ASSERT_STATE(w, "n.V1", "no_show");
}

static void no_leader_today(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE duty_lead SET to_min = 60 WHERE id = 'l2'");
    alone(w);
    world_run(w, "2026-09-08", "07:28");
    ASSERT_SENT(w, "G", "E1_LEADER", 1); /* no duty without an owner */
}

static void program_was_down(void **state)
{
    struct world *w = *state;
    alone(w);
    world_at(w, "2026-09-08", "07:31");
    world_restart(w);
    world_tick(w);
    ASSERT_SENT(w, "V1", "R4_MISSING", 0); /* the leader's turn has come */
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    world_at(w, "2026-09-08", "10:00"); /* and over it went down again */
    world_tick(w);
    ASSERT_STATE(w, "n.V1", "no_show"); /* the leader knew */
    ASSERT_SENT(w, "G", "", 0);
}

static void down_over_the_whole_duty(void **state)
{
    struct world *w = *state;
    alone(w);
    world_at(w, "2026-09-08", "10:00");
    world_tick(w);
    ASSERT_STATE(w, "n.V1", "asked"); /* nobody watched: nobody is accused */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap'"), 1);
    ASSERT_SENT(w, "L", "", 0);
}

/* Given back, others are being asked, and then the box is off until it is over. */
static void down_while_others_are_asked(void **state)
{
    struct world *w = *state;
    world_shift(w, "n", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "n", "V1");
    world_run(w, "2026-09-08", "06:40");
    world_text(w, "V1", "2");
    ASSERT_SENT(w, "C1", "A4_OFFER", 1);
    world_at(w, "2026-09-08", "10:00");
    world_restart(w);
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap'"
                                  " AND ref_id = 'n.V1'"),
                     1);
    ASSERT_STATE(w, "n.V1", "declined");
    ASSERT_SENT(w, "L", "E6_NOT_FOUND", 0);
    world_run(w, "2026-09-08", "12:00");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap'"), 1);
}

/* Eight posts, five empty. */
static void storm_world(struct world *w)
{
    world_shift(w, "s", "S17-E", "2026-09-08", "am", "07:20", "08:10", 8);
    const char *const who[] = {"V1", "V2", "V3", "V4", "C1", "C2", "C3", "C5"};
    for (int i = 0; i < 8; i++)
        world_assign(w, "s", who[i]);
    world_run(w, "2026-09-08", "07:10");
    world_text(w, "C1", "到岗");
    world_text(w, "C2", "到岗");
    world_text(w, "C3", "到岗");
}

static void storm_is_one_digest(void **state)
{
    struct world *w = *state;
    storm_world(w);
    world_run(w, "2026-09-08", "07:30");
    ASSERT_SENT(w, "L", "E1_LEADER", 0);
    ASSERT_SENT(w, "L", "E3_STORM", 1);
    assert_non_null(strstr(world_last(w, "L", "E3_STORM"), "8岗到3"));
    world_run(w, "2026-09-08", "07:50");
    ASSERT_SENT(w, "G", "E3_STORM", 1);
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    ASSERT_STATE(w, "s.V1", "asked"); /* a storm makes nobody a no-show */
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"), 5);
}

static void storm_that_passes(void **state)
{
    struct world *w = *state;
    storm_world(w);
    world_run(w, "2026-09-08", "07:29");
    world_text(w, "V1", "到岗");
    world_text(w, "V2", "到岗");
    world_text(w, "V3", "到岗");
    world_text(w, "V4", "到岗"); /* the modem is back; one is really missing */
    world_run(w, "2026-09-08", "07:33");
    ASSERT_SENT(w, "L", "E1_LEADER", 1);
    ASSERT_SENT(w, "G", "E2_SENIOR", 0);
    world_run(w, "2026-09-08", "07:38");
    ASSERT_SENT(w, "G", "E2_SENIOR", 1);
    world_run(w, "2026-09-08", "07:48");
    ASSERT_STATE(w, "s.C5", "no_show");
}

static void who_stopped_is_not_texted(void **state)
{
    struct world *w = *state;
    world_shift(w, "n", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "n", "V1");
    world_tick(w);
    world_text(w, "V1", "退订");
    int total = world_count(w, "V1", "");
    world_run(w, "2026-09-08", "07:28");
    assert_int_equal(world_count(w, "V1", ""), total); /* no R1, R3, R4 */
    ASSERT_SENT(w, "L", "E1_LEADER", 1);               /* but the post is watched */
}

static void gaps_on_request(void **state)
{
    struct world *w = *state;
    alone(w);
    world_text(w, "L", "缺");
    assert_non_null(strstr(world_last(w, "L", "E10_GAPS"), "北门"));
    world_text(w, "V1", "到岗");
    world_text(w, "L", "缺");
    ASSERT_SENT(w, "L", "E11_NO_GAPS", 1);
}

/* --- 申诉 --- */

static int decide(struct world *w, const char *person, const char *verdict, const char *by)
{
    struct err err;
    struct json *order = json_new_object();
    const char *const words[][2] = {{"act", "decide"}, {"person", person},   {"date", "2026-09-08"},
                                    {"peak", "am"},    {"verdict", verdict}, {"by", by}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        json_set_text(order, words[i][0], words[i][1]);
    replica_enter(w->replica);
    int code = order_put(&w->duty, order, &err);
    assert_int_equal(replica_leave(w->replica, code == ERR_OK), code == ERR_OK);
    json_free(order);
    return code;
}

static void an_absence_is_disputed_and_decided(void **state)
{
    struct world *w = *state;
    world_text(w, "V1", "申诉");
    ASSERT_SENT(w, "V1", "A17_NOTHING", 1);
    world_morning(w);
    world_run(w, "2026-09-08", "07:50");
    ASSERT_STATE(w, "am.V1", "no_show");
    world_text(w, "V1", "申诉"); /* who is there can say so */
    ASSERT_SENT(w, "V1", "A17_STILL_ON", 1);
    ASSERT_STATE(w, "am.V1", "no_show");
    assert_int_equal(decide(w, "V1", "excused", "L"), ERR_NOT_FOUND); /* not over */
    world_run(w, "2026-09-08", "09:00");
    int64_t items = world_int(w, "SELECT count(*) FROM desk_item WHERE state = 'open'");
    world_text(w, "V1", "申诉");
    world_text(w, "V1", "申诉");
    ASSERT_SENT(w, "V1", "A17_APPEAL", 2);
    assert_non_null(strstr(world_last(w, "V1", "A17_APPEAL"), "07:20"));
    ASSERT_STATE(w, "am.V1", "disputed");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE state = 'open'"),
                     items + 1);
    world_run(w, "2026-09-09", "09:00");
    ASSERT_STATE(w, "am.V1", "disputed"); /* nothing decides by itself */
    assert_int_equal(decide(w, "V1", "perhaps", "L"), ERR_INVALID);
    assert_int_equal(decide(w, "V1", "came", "V2"), ERR_STATE);
    assert_int_equal(decide(w, "O1", "came", "O1"), ERR_STATE);
    assert_int_equal(decide(w, "V2", "came", "L"), ERR_NOT_FOUND);
    assert_int_equal(decide(w, "V1", "excused", "L"), ERR_OK);
    ASSERT_STATE(w, "am.V1", "excused");
    ASSERT_SENT(w, "V1", "A18_EXCUSED", 1);
    assert_int_equal(decide(w, "V1", "缺岗", "L"), ERR_OK);
    ASSERT_STATE(w, "am.V1", "no_show");
    assert_int_equal(decide(w, "V1", "到岗", "L"), ERR_OK);
    ASSERT_STATE(w, "am.V1", "done");
    ASSERT_SENT(w, "V1", "A18_CAME", 1);
    ASSERT_SENT(w, "V1", "N3_", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE assignment_id = 'am.V1' AND"
                                  " kind = 'in' AND channel = 'leader' AND late_min = 0"),
                     1);
    assert_int_equal(decide(w, "V1", "absent", "L"), ERR_NOT_FOUND); /* he was there */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'gap' AND state = "
                                  "'open' AND ref_id = 'am.V1'"),
                     0);
    world_run(w, "2026-09-10", "09:00");
    ASSERT_STATE(w, "am.V1", "done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(the_ladder),
        TEST(the_leader_hears_within_eight_minutes),
        TEST(the_community_is_asked_last),
        TEST(late_check_in_ends_it),
        TEST(empty_post_begins_the_ladder),
        TEST(empty_post_was_not),
        TEST(check_in_after_the_gap_is_late),
        TEST(decline_after_the_start),
        TEST(decline_after_the_start_is_taken),
        TEST(decline_after_the_start_in_vain),
        TEST(leader_sends_somebody),
        TEST(stand_in_who_does_not_come),
        TEST(leader_sees_to_it),
        TEST(not_everybody_may_send),
        TEST(nobody_to_send),
        TEST(nobody_to_send_any_more),
        TEST(no_leader_today),
        TEST(program_was_down),
        TEST(down_over_the_whole_duty),
        TEST(down_while_others_are_asked),
        TEST(storm_is_one_digest),
        TEST(storm_that_passes),
        TEST(who_stopped_is_not_texted),
        TEST(gaps_on_request),
        TEST(an_absence_is_disputed_and_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
