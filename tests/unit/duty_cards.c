/* Cards: plans that are started, inspections that find something, gear, activities and the
 * certificates that come of them, what partners and the leader hear on Monday. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "gateway/duty/cards.h"
#include "gateway/duty/recognise.h"
#include "tests/unit/duty_world.h"

static struct json *parse(const char *text)
{
    struct json *json = NULL;
    struct err err;
    assert_int_equal(json_parse(text, strlen(text), &json, &err), ERR_OK);
    return json;
}

/* Returns the error's code; the card's code is in put_code. */
static char put_code[CARD_CODE_SIZE];
static struct err last;

static int put_with(struct world *w, const char *order, const struct card_phones *phones)
{
    struct json *json = parse(order);
    replica_enter(w->replica);
    int code = card_put(&w->duty, json, phones, put_code, &last);
    assert_true(replica_leave(w->replica, code == ERR_OK) || code != ERR_OK);
    assert_true(replica_commit(w->replica));
    json_free(json);
    return code;
}

static int put(struct world *w, const char *order)
{
    struct card_phones none = {NULL, NULL};
    return put_with(w, order, &none);
}

static int act(struct world *w, const char *order)
{
    struct json *json = parse(order);
    replica_enter(w->replica);
    int code = card_act(&w->duty, json, &last);
    assert_true(replica_leave(w->replica, code == ERR_OK) || code != ERR_OK);
    assert_true(replica_commit(w->replica));
    json_free(json);
    return code;
}

#define PLAN                                                                                       \
    "{\"kind\":\"plan\",\"name\":\"疏导一\",\"school\":\"S17\",\"type\":\"疏导\","            \
    "\"steps\":\"封闭东门辅道；家长改走北门\",\"by\":\"L\"}"

static void what_comes_in_is_checked(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *order;
        int code;
        const char *says;
    } bad[] = {
        {"{\"kind\":\"什么\",\"name\":\"x\",\"by\":\"L\"}", ERR_INVALID, "no kind"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"by\":\"L\"}", ERR_INVALID, "school is missing"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"school\":\"S99\",\"by\":\"L\"}", ERR_NOT_FOUND,
         "S99"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"school\":\"S17\",\"type\":\"疏导\",\"by\":\"L\"}",
         ERR_INVALID, "needs steps"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"school\":\"S17\",\"type\":\"别的\",\"steps\":\"y\","
         "\"by\":\"L\"}",
         ERR_INVALID, "one of"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"school\":\"S17\",\"type\":\"疏导\",\"steps\":"
         "\"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七\",\"by\":"
         "\"L\"}",
         ERR_INVALID, "36 characters"},
        {"{\"kind\":\"cert\",\"name\":\"x\",\"person\":\"O1\",\"due\":\"明天\",\"by\":\"L\"}",
         ERR_INVALID, "no date"},
        {"{\"kind\":\"count\",\"name\":\"高危人员\",\"school\":\"S17\",\"month\":\"2026-09\","
         "\"number\":\"张三\",\"by\":\"L\"}",
         ERR_INVALID, "a number"},
        {"{\"kind\":\"partner\",\"name\":\"医院\",\"type\":\"医院\",\"liaison\":"
         "\"张三13812345678\",\"by\":\"L\"}",
         ERR_INVALID, "phone="},
        {"{\"kind\":\"method\",\"name\":\"13812345678\",\"steps\":\"x\",\"by\":\"L\"}", ERR_INVALID,
         "long number"},
        {"{\"kind\":\"method\",\"name\":\"x\",\"steps\":\"找张三 138 1234 5678\",\"by\":\"L\"}",
         ERR_INVALID, "steps holds a long number"},
        {"{\"kind\":\"method\",\"name\":\"x\",\"steps\":\"１３８-１２３４-５６７８\",\"by\":\"L\"}",
         ERR_INVALID, "steps holds a long number"},
        {"{\"kind\":\"plan\",\"name\":\"x\",\"school\":\"S17\",\"by\":\"张三\"}", ERR_NOT_FOUND,
         "张三"},
        {"{\"code\":\"P9\",\"kind\":\"plan\",\"name\":\"x\",\"by\":\"L\"}", ERR_NOT_FOUND, "P9"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(put(w, bad[i].order), bad[i].code);
        if (strstr(last.text, bad[i].says) == NULL)
            fail_msg("%s", last.text);
    }
    assert_int_equal(world_int(w, "SELECT count(*) FROM card"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event"), 0);
}

static void a_count_is_a_number_of_the_month(void **state)
{
    struct world *w = *state;
    static const char order[] =
        "{\"kind\":\"count\",\"name\":\"高危人员\",\"school\":\"S17\",\"month\":\"2026-09\","
        "\"number\":\"3\",\"by\":\"L\",\"note\":\"张三 13812345678\"}";
    assert_int_equal(put(w, order), ERR_OK);
    assert_int_equal(put(w, order), ERR_OK); /* again: the same card */
    assert_int_equal(world_int(w, "SELECT count(*) FROM card"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card WHERE body LIKE '%张三%'"), 0);
}

/* --- plans --- */

static void a_plan_starts_by_the_code_that_was_sent(void **state)
{
    struct world *w = *state;
    char body[64], code[8];
    assert_int_equal(put(w, PLAN), ERR_OK);
    assert_string_equal(put_code, "P1");
    world_morning(w);
    world_at(w, "2026-09-08", "07:25");
    world_text(w, "O1", "到岗");
    world_text(w, "L", "启动4821"); /* a code that nobody was sent */
    ASSERT_SENT(w, "L", "L4_NO_CODE", 1);
    world_text(w, "L", "方案S17");
    text_copy(code, sizeof code, world_code(w, "L", "G1_PLANS"));
    snprintf(body, sizeof body, "启动%s", code);
    world_text(w, "O2", body); /* overheard: not sent to this phone */
    ASSERT_SENT(w, "O2", "L4_NO_CODE", 1);
    ASSERT_SENT(w, "O1", "G2_STEPS", 0);
    world_text(w, "L", body);
    ASSERT_SENT(w, "L", "G3_STARTED", 1);
    assert_non_null(strstr(world_last(w, "L", "G3_STARTED"), "已通知2人"));
    ASSERT_SENT(w, "O1", "G2_STEPS", 1);
    ASSERT_SENT(w, "V1", "G2_STEPS", 1);
    assert_non_null(strstr(world_last(w, "O1", "G2_STEPS"), "封闭东门辅道；家长改走北门"));
    world_text(w, "L", body); /* twice is once */
    ASSERT_SENT(w, "O1", "G2_STEPS", 1);
    snprintf(body, sizeof body, "停用%s", code);
    world_at(w, "2026-09-08", "07:50");
    world_text(w, "L", body);
    ASSERT_SENT(w, "O1", "G4_STOPPED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event WHERE what IN ('started',"
                                  " 'stopped') AND person_id = 'L'"),
                     2);
    world_text(w, "V1", "方案S17"); /* not a volunteer's */
    ASSERT_SENT(w, "V1", "G1_PLANS", 0);
}

static void a_plan_has_two_signatures_of_two_people(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, PLAN), ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_STATE);
    assert_int_equal(world_int(w, "SELECT state = 'signed' FROM card"), 0);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"p1\",\"by\":\"V2\"}"), ERR_OK);
    assert_int_equal(world_int(w, "SELECT state = 'signed' FROM card"), 1);
    assert_int_equal(act(w, "{\"act\":\"check\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_STATE);
    assert_int_equal(act(w, "{\"act\":\"fly\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_INVALID);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P7\",\"by\":\"L\"}"), ERR_NOT_FOUND);
}

/* What was signed is what was read: another text needs both signatures again. */
static void a_changed_plan_is_signed_again(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, PLAN), ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"V2\"}"), ERR_OK);
    world_at(w, "2026-09-09", "09:00");
    assert_int_equal(put(w, "{\"kind\":\"plan\",\"code\":\"P1\",\"school\":\"S17\",\"name\":"
                            "\"大雪\",\"type\":\"疏导\","
                            "\"steps\":\"先扫雪\",\"by\":\"L\"}"),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT state = 'on' FROM card"), 1);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"L\"}"), ERR_OK);
    assert_int_equal(world_int(w, "SELECT state = 'on' FROM card"), 1);
    assert_int_equal(act(w, "{\"act\":\"sign\",\"code\":\"P1\",\"by\":\"V2\"}"), ERR_OK);
    assert_int_equal(world_int(w, "SELECT state = 'signed' FROM card"), 1);
}

static void a_school_gets_the_set_up_of_another(void **state)
{
    struct world *w = *state;
    int count = -1;
    assert_int_equal(put(w, PLAN), ERR_OK);
    replica_enter(w->replica);
    assert_int_equal(card_copy(&w->duty, "S17", "育才小学", &count, &last), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(card_copy(&w->duty, "S17", "S18", &count, &last), ERR_OK);
    assert_int_equal(count, 0); /* it is there */
    assert_int_equal(card_copy(&w->duty, "S17", "S17", &count, &last), ERR_INVALID);
    assert_true(replica_leave(w->replica, true));
    assert_int_equal(world_int(w, "SELECT count(*) FROM card WHERE school_id = 'S18'"
                                  " AND code = 'P2' AND body LIKE '%封闭东门%'"),
                     1);
}

/* --- inspections, gear --- */

static void what_fails_an_inspection_is_an_issue(void **state)
{
    struct world *w = *state;
    char post[128];
    assert_int_equal(put(w, "{\"kind\":\"checklist\",\"name\":\"三查三看\",\"items\":"
                            "\"门卫在岗；器材齐全；通道畅通\",\"by\":\"L\"}"),
                     ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"inspect\",\"code\":\"K1\",\"by\":\"G\",\"failed\":\"2\"}"),
                     ERR_INVALID); /* where? */
    assert_int_equal(act(w, "{\"act\":\"inspect\",\"code\":\"K1\",\"by\":\"G\",\"school\":\"S17\","
                            "\"failed\":\"2,9\"}"),
                     ERR_INVALID); /* there is no ninth: nothing is written */
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue"), 0);
    assert_int_equal(act(w, "{\"act\":\"inspect\",\"code\":\"K1\",\"by\":\"G\",\"school\":\"S17\","
                            "\"failed\":\"2,3\"}"),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE source = 'inspection'"
                                  " AND school_id = 'S17' AND reporter_id = 'G'"),
                     2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE title = '三查三看：器材齐全'"),
                     1);
    assert_int_equal(
        act(w, "{\"act\":\"inspect\",\"code\":\"K1\",\"by\":\"G\",\"school\":\"S18\"}"),
        ERR_OK); /* all is well */
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event WHERE what = 'inspected'"), 2);
    assert_true(card_draw(&w->duty, post, sizeof post));
    assert_non_null(strstr(post, "门"));
}

static void gear_is_given_out_and_looked_at(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "{\"kind\":\"gear\",\"name\":\"红马甲17\",\"type\":\"马甲\","
                            "\"school\":\"S17\",\"due\":\"2026-09-10\",\"days\":\"30\","
                            "\"by\":\"L\"}"),
                     ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"issue\",\"code\":\"G1\",\"by\":\"L\",\"person\":\"V1\"}"),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT person_id = 'V1' FROM card"), 1);
    world_run(w, "2026-09-14", "09:00");
    assert_non_null(strstr(world_last(w, "L", "M1_DUE"), "装备待检1"));
    assert_int_equal(act(w, "{\"act\":\"check\",\"code\":\"G1\",\"by\":\"L\"}"), ERR_OK);
    assert_int_equal(world_int(w, "SELECT due_on = '2026-10-14' FROM card"), 1);
    assert_int_equal(act(w, "{\"act\":\"lost\",\"code\":\"G1\",\"by\":\"V1\"}"), ERR_OK);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'event'"), 1);
}

/* --- activities --- */

static void who_signs_in_has_a_certificate(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "{\"kind\":\"training\",\"name\":\"交通指挥手势\",\"due\":"
                            "\"2026-09-08\",\"clock\":\"15:00\",\"skill\":\"交通指挥\","
                            "\"months\":\"12\",\"by\":\"G\"}"),
                     ERR_OK);
    assert_string_equal(put_code, "A1");
    world_run(w, "2026-09-08", "13:59");
    ASSERT_SENT(w, "O1", "T1_INVITE", 0);
    world_run(w, "2026-09-08", "14:00");
    ASSERT_SENT(w, "O1", "T1_INVITE", 1);
    ASSERT_SENT(w, "V1", "T1_INVITE", 0); /* officers' */
    assert_non_null(strstr(world_last(w, "O1", "T1_INVITE"), "今天15:00交通指挥手势"));
    world_restart(w);
    world_at(w, "2026-09-08", "15:02");
    world_text(w, "O1", "签到");
    world_text(w, "O1", "签到");
    ASSERT_SENT(w, "O1", "T2_SIGNED", 2); /* two texts, two answers, one attendance */
    world_text(w, "V1", "签到");
    assert_int_equal(world_int(w, "SELECT count(*) FROM card_event WHERE what = 'attended'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card WHERE kind = 'cert' AND person_id ="
                                  " 'O1' AND name = '交通指挥' AND due_on = '2027-09-08'"),
                     1);
    assert_int_equal(act(w, "{\"act\":\"attend\",\"code\":\"A1\",\"by\":\"G\",\"person\":\"O2\"}"),
                     ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"done\",\"code\":\"A1\",\"by\":\"G\",\"number\":2}"),
                     ERR_OK);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card WHERE kind = 'cert'"), 2);
    world_at(w, "2026-09-08", "18:30");
    world_text(w, "O3", "签到"); /* the hall is dark */
    ASSERT_SENT(w, "O3", "T2_SIGNED", 0);
}

static void a_certificate_that_ends_is_told_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "{\"kind\":\"cert\",\"name\":\"急救\",\"person\":\"O1\",\"due\":"
                            "\"2026-10-20\",\"by\":\"L\"}"),
                     ERR_OK);
    world_run(w, "2026-09-19", "12:00");
    ASSERT_SENT(w, "O1", "T4_EXPIRES", 0);
    world_run(w, "2026-09-20", "09:00");
    ASSERT_SENT(w, "O1", "T4_EXPIRES", 1);
    assert_non_null(strstr(world_last(w, "O1", "T4_EXPIRES"), "急救证书10月20日到期"));
    world_restart(w);
    world_run(w, "2026-09-25", "12:00");
    ASSERT_SENT(w, "O1", "T4_EXPIRES", 1);
}

/* Gear whose check is due, or that was lost, is told before the first shift: once, to the officer
 * who comes, or to the leader. */
static void gear_that_is_due_is_told_before_the_shift(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w,
                         "{\"kind\":\"gear\",\"name\":\"盾牌\",\"type\":\"防暴\",\"number\":\"07\","
                         "\"school\":\"S17\",\"due\":\"2026-09-08\",\"by\":\"L\"}"),
                     ERR_OK);
    assert_int_equal(put(w, "{\"kind\":\"gear\",\"name\":\"反光背心\",\"type\":\"服装\","
                            "\"school\":\"S18\",\"due\":\"2026-09-30\",\"by\":\"L\"}"),
                     ERR_OK);
    world_morning(w); /* O1 and V1, Tuesday 07:20 at S17 */
    world_shift(w, "other", "S18-M", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "other", "D1");
    world_run(w, "2026-09-08", "06:49");
    ASSERT_SENT(w, "O1", "G5_GEAR", 0);
    world_run(w, "2026-09-08", "06:51");
    ASSERT_SENT(w, "O1", "G5_GEAR", 1);
    assert_non_null(strstr(world_last(w, "O1", "G5_GEAR"), "盾牌07待检"));
    assert_null(strstr(world_last(w, "O1", "G5_GEAR"), "背心"));
    ASSERT_SENT(w, "V1", "G5_GEAR", 0);
    world_shift(w, "noon", "S17-N", "2026-09-08", "noon", "11:40", "12:20", 1);
    world_run(w, "2026-09-08", "12:00");
    ASSERT_SENT(w, "O1", "G5_GEAR", 1); /* once a day */
    assert_int_equal(act(w, "{\"act\":\"check\",\"code\":\"G1\",\"by\":\"O1\"}"), ERR_OK);
    assert_int_equal(act(w, "{\"act\":\"lost\",\"code\":\"G2\",\"by\":\"O3\"}"), ERR_OK);
    world_shift(w, "next", "S17-E", "2026-09-09", "am", "07:20", "08:10", 1);
    world_assign(w, "next", "O1");
    world_shift(w, "next18", "S18-M", "2026-09-09", "am", "07:20", "08:10", 1);
    world_run(w, "2026-09-09", "07:00");
    ASSERT_SENT(w, "O1", "G5_GEAR", 1); /* it was looked at */
    ASSERT_SENT(w, "L", "G5_GEAR", 1);  /* nobody comes to the other school */
    assert_non_null(strstr(world_last(w, "L", "G5_GEAR"), "反光背心缺失"));
}

static void guards_by_head_count(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *pupils;
        int64_t need;
    } steps[] = {{"99", 1},   {"100", 2},  {"999", 2}, {"1000", 3},
                 {"1499", 3}, {"1500", 4}, {"2600", 6}};
    assert_int_equal(card_guards_short(w->replica), 0); /* nobody has said how many pupils */
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char order[256];
        snprintf(
            order, sizeof order,
            "{\"kind\":\"count\",\"name\":\"在校人数\",\"school\":\"S17\",\"month\":\"2026-09\","
            "\"number\":\"%s\",\"by\":\"L\"}",
            steps[i].pupils);
        assert_int_equal(put(w, order), ERR_OK);
        struct json *list = card_guards(w->replica);
        assert_int_equal(json_count(list), 1);
        assert_int_equal(json_int(json_at(list, 0), "need", 0), steps[i].need);
        json_free(list);
    }
    assert_int_equal(card_guards_short(w->replica), 1);
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "W%d", i);
        world_person(w, id, i < 3 ? "guard" : "school_security", id, "S17");
    }
    assert_int_equal(card_guards_short(w->replica), 0);
}

static void what_one_offers_another_needs(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "{\"kind\":\"partner\",\"name\":\"县医院\",\"type\":\"医院\","
                            "\"offers\":\"急救培训；体检\",\"needs\":\"停车疏导\",\"by\":\"L\"}"),
                     ERR_OK);
    assert_int_equal(put(w, "{\"kind\":\"partner\",\"name\":\"城东社区\",\"type\":\"社区\","
                            "\"offers\":\"场地\",\"needs\":\"急救\",\"by\":\"L\"}"),
                     ERR_OK);
    struct json *list = card_matches(w->replica);
    assert_int_equal(json_count(list), 1);
    assert_string_equal(json_text(json_at(list, 0), "from", ""), "县医院");
    assert_string_equal(json_text(json_at(list, 0), "offer", ""), "急救培训");
    assert_string_equal(json_text(json_at(list, 0), "to", ""), "城东社区");
    json_free(list);
}

/* --- Monday --- */

static void a_partner_hears_what_waits_for_it(void **state)
{
    struct world *w = *state;
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    assert_true(replica_get_text(w->replica, phone, sizeof phone,
                                 "SELECT seal_phone('+8610200000001')", ""));
    struct card_phones phones = {phone, NULL};
    world_sql(w, "INSERT INTO org(id, scope, kind, name, short) VALUES"
                 " ('D1', '*', 'dept', '城市管理局', '城管'),"
                 " ('D2', '*', 'dept', '交通运输局', '交通')");
    assert_int_equal(put_with(w,
                              "{\"kind\":\"partner\",\"name\":\"城管联络\",\"type\":\"部门\","
                              "\"ref\":\"城管\",\"by\":\"L\"}",
                              &phones),
                     ERR_OK);
    world_sql(w, "INSERT INTO issue(id, scope, school_id, code, source, title, found_at, state,"
                 " severity, dept_id, due_on) VALUES ('i1', 'S0117', 'S17', '0136', 'sms',"
                 " '东门违停', 1, 'assigned', 2, 'D1', '2026-09-10'),"
                 " ('i2', 'S0117', 'S17', '0141', 'sms', '路灯', 1, 'fixing', 2, 'D1',"
                 " '2026-09-30'), ('i3', 'S0117', 'S17', '0142', 'sms', '公交站', 1, 'assigned',"
                 " 2, 'D2', '2026-09-30')");
    world_at(w, "2026-09-08", "08:00");
    world_run(w, "2026-09-14", "08:59");
    ASSERT_SENT(w, "+8610200000001", "J1_PARTNER", 0);
    world_run(w, "2026-09-14", "09:00");
    ASSERT_SENT(w, "+8610200000001", "J1_PARTNER", 1);
    const char *text = world_last(w, "+8610200000001", "J1_PARTNER");
    assert_non_null(strstr(text, "待办2项：0136第二实验小学东门违停(超期)"));
    assert_null(strstr(text, "公交"));
    world_run(w, "2026-09-14", "20:00");
    ASSERT_SENT(w, "+8610200000001", "J1_PARTNER", 1);
    world_run(w, "2026-09-21", "09:00");
    ASSERT_SENT(w, "+8610200000001", "J1_PARTNER", 2);
}

static void schools_without_a_sponsor_are_named(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, PLAN), ERR_OK);
    world_sql(w, "UPDATE sponsor SET valid_to = '2026-08-31' WHERE school_id = 'S18'");
    world_run(w, "2026-09-07", "13:00");
    assert_non_null(strstr(world_last(w, "L", "M1_DUE"), "无包联学校1"));
}

static void a_week_off_has_no_letters(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, PLAN), ERR_OK); /* not signed: something to say */
    world_sql(w, "WITH RECURSIVE d(n) AS (SELECT 1 UNION SELECT n + 1 FROM d WHERE n < 11)"
                 " INSERT INTO cal_day(id, scope, date, off) SELECT 'd' || n, '*',"
                 " printf('2026-10-%02d', n), 1 FROM d");
    world_at(w, "2026-10-04", "12:00");
    world_restart(w);
    world_run(w, "2026-10-09", "20:00"); /* Monday the 5th to Friday the 9th: all off */
    ASSERT_SENT(w, "L", "M1_DUE", 0);
    ASSERT_SENT(w, "G", "O8_VISITS_DUE", 0);
    ASSERT_SENT(w, "L", "O8_REPORT", 0);
    ASSERT_SENT(w, "L", "D1_DRILL", 0);
    world_run(w, "2026-10-15", "12:30");
    ASSERT_SENT(w, "L", "M1_DUE", 1);
    ASSERT_SENT(w, "G", "O8_VISITS_DUE", 1);
}

static void a_neighbours_box_is_nobodys_phone(void **state)
{
    struct world *w = *state;
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    assert_true(replica_get_text(w->replica, phone, sizeof phone,
                                 "SELECT phone FROM person WHERE id = 'O1'", ""));
    struct card_phones phones = {phone, NULL};
    const char *order = "{\"kind\":\"neighbour\",\"name\":\"城西派出所\",\"by\":\"L\"}";
    assert_int_equal(put_with(w, order, &phones), ERR_STATE);
    assert_int_equal(world_int(w, "SELECT count(*) FROM card"), 0);
    phones = (struct card_phones){"sealed box", phone}; /* as the leader's it is right */
    assert_int_equal(put_with(w, order, &phones), ERR_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_in_is_checked),
        TEST(a_count_is_a_number_of_the_month),
        TEST(a_plan_starts_by_the_code_that_was_sent),
        TEST(a_plan_has_two_signatures_of_two_people),
        TEST(a_changed_plan_is_signed_again),
        TEST(a_school_gets_the_set_up_of_another),
        TEST(what_fails_an_inspection_is_an_issue),
        TEST(gear_is_given_out_and_looked_at),
        TEST(gear_that_is_due_is_told_before_the_shift),
        TEST(guards_by_head_count),
        TEST(what_one_offers_another_needs),
        TEST(who_signs_in_has_a_certificate),
        TEST(a_certificate_that_ends_is_told_once),
        TEST(a_partner_hears_what_waits_for_it),
        TEST(schools_without_a_sponsor_are_named),
        TEST(a_week_off_has_no_letters),
        TEST(a_neighbours_box_is_nobodys_phone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
