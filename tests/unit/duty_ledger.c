/* The ledger of a school, and the senior officer's visits. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/ledger.h"

static const char *issue_code(struct world *w)
{
    static char code[COMMAND_CODE_SIZE];
    assert_true(replica_get_text(w->replica, code, sizeof code,
                                 "SELECT code FROM issue ORDER BY rowid DESC LIMIT 1", ""));
    return code;
}

static void say_code(struct world *w, const char *from, const char *word, const char *code)
{
    char body[64];
    snprintf(body, sizeof body, "%s%s", word, code);
    world_text(w, from, body);
}

static void assert_issue(struct world *w, const char *state)
{
    char is[24];
    assert_true(replica_get_text(w->replica, is, sizeof is,
                                 "SELECT state FROM issue ORDER BY rowid DESC LIMIT 1", ""));
    assert_string_equal(is, state);
}

static int act(struct world *w, const struct ledger_order *order, struct err *err)
{
    replica_enter(w->replica);
    int code = ledger_act(&w->duty, order, err);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    return code;
}

static void states_are_what_the_picture_says(void **state)
{
    (void)state;
    static const char *const states[] = {"open", "assigned", "fixing", "fixed", "closed", "merged"};
    static const char *const next[6][ISSUE_ACT_COUNT] = {
        {"assigned", "fixing", "fixed", NULL, NULL, "merged"},
        {"assigned", "fixing", "fixed", NULL, NULL, "merged"},
        {"assigned", NULL, "fixed", NULL, NULL, "merged"},
        {NULL, NULL, NULL, "closed", "open", "merged"},
        {NULL, NULL, NULL, NULL, "open", NULL},
        {NULL, NULL, NULL, NULL, "open", NULL},
    };
    for (int i = 0; i < 6; i++)
        for (int a = 0; a < ISSUE_ACT_COUNT; a++) {
            const char *to = issue_next_state(states[i], (enum issue_act)a);
            if (next[i][a] == NULL)
                assert_null(to);
            else
                assert_string_equal(to, next[i][a]);
        }
    assert_null(issue_next_state("fix", ISSUE_VERIFY)); /* a part of a word is no state */
    assert_int_equal(issue_act_named("fix"), ISSUE_FIX);
    assert_int_equal(issue_act_named("fixx"), ISSUE_ACT_COUNT);
}

/* 警网融合: the grid worker of a school hears what was found there, others do not. */
static void the_grid_worker_has_a_copy(void **state)
{
    struct world *w = *state;
    world_person(w, "W1", "grid", "网格一", "S17");
    world_person(w, "W2", "grid", "网格二", "S18");
    world_text(w, "V1", "隐患 东门井盖松了，车主138 0000 0001");
    ASSERT_SENT(w, "W1", "O10_GRID", 1);
    ASSERT_SENT(w, "W2", "O10_GRID", 0);
    assert_non_null(strstr(world_last(w, "W1", "O10_GRID"), "东门井盖松了"));
    assert_null(strstr(world_last(w, "W1", "O10_GRID"), "138"));
}

static void found_mended_verified_by_another(void **state)
{
    struct world *w = *state;
    world_text(w, "V1", "隐患 东门路灯坏了，电话13800138000");
    ASSERT_SENT(w, "V1", "A12_HAZARD", 1);
    assert_non_null(strstr(world_last(w, "V1", "A12_HAZARD"), "第二实验小学"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE school_id = 'S17' AND"
                                  " state = 'open' AND reporter_id = 'V1' AND scope = 'S0117'"
                                  " AND title LIKE '东门路灯坏了%*'"
                                  " AND due_on = '2026-09-14'"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'issue'"), 1);
    char code[COMMAND_CODE_SIZE];
    text_copy(code, sizeof code, issue_code(w));
    say_code(w, "V2", "销号", code); /* not for volunteers */
    assert_issue(w, "open");
    say_code(w, "O1", "销号", code);
    ASSERT_SENT(w, "O1", "O6_CLOSED", 1);
    ASSERT_SENT(w, "L", "O6_VERIFY", 1);
    assert_issue(w, "fixed");
    say_code(w, "O1", "销号", code);
    ASSERT_SENT(w, "O1", "O6_SECOND_PERSON", 1);
    assert_issue(w, "fixed");
    say_code(w, "L", "退回", code);
    ASSERT_SENT(w, "O1", "O6_SENT_BACK", 1);
    assert_issue(w, "open");
    say_code(w, "L", "销号", code); /* the leader mends: the senior officer looks */
    ASSERT_SENT(w, "G", "O6_VERIFY", 1);
    say_code(w, "G", "销号", code);
    assert_issue(w, "closed");
    ASSERT_SENT(w, "V1", "A13_HAZARD_DONE", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE state = 'open'"
                                  " AND kind = 'issue'"),
                     0);
    say_code(w, "G", "销号", code);
    ASSERT_SENT(w, "G", "O6_IS_CLOSED", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue_event"), 5);
}

static void a_school_by_name_or_where_one_stands(void **state)
{
    struct world *w = *state;
    world_text(w, "V1", "隐患 S18 门口有坑");
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE school_id = 'S18'"), 1);
    world_sql(w, "UPDATE person SET school_id = NULL WHERE id = 'O1'");
    world_text(w, "O1", "隐患 门口有坑"); /* stands nowhere, belongs to none: a person asks */
    ASSERT_SENT(w, "O1", "A12_HAZARD_PASSED", 1);
    world_morning(w);
    world_at(w, "2026-09-08", "07:15");
    world_text(w, "O1", "到岗");
    world_text(w, "O1", "隐患 门口有坑");
    ASSERT_SENT(w, "O1", "A12_HAZARD", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue WHERE school_id = 'S17'"), 1);
    world_text(w, "+8613900000001", "隐患 门口有坑"); /* a stranger's words go to a person */
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue"), 2);
}

static void the_list_of_a_school(void **state)
{
    struct world *w = *state;
    world_text(w, "L", "台账S17");
    ASSERT_SENT(w, "L", "O5_NOTHING", 1);
    world_sql(w, "INSERT INTO org(id, scope, kind, name, short) VALUES"
                 " ('D1', '*', 'dept', '城市管理局', '城管')");
    world_text(w, "V1", "隐患 东门违停");
    struct ledger_order order = {.code = issue_code(w),
                                 .act = ISSUE_ASSIGN,
                                 .by = "王建国",
                                 .dept = "城管",
                                 .due = "2026-09-10"};
    struct err err;
    assert_int_equal(act(w, &order, &err), ERR_OK);
    world_text(w, "L", "台账S17");
    const char *text = world_last(w, "L", "O5_LEDGER");
    assert_non_null(strstr(text, "东门违停(城管，09-10)"));
    world_at(w, "2026-09-11", "08:00");
    world_text(w, "L", "台账S17");
    assert_non_null(strstr(world_last(w, "L", "O5_LEDGER"), "(城管，已超期)"));
}

static void orders_that_cannot_be(void **state)
{
    struct world *w = *state;
    struct err err;
    world_text(w, "V1", "隐患 东门违停");
    char code[COMMAND_CODE_SIZE];
    text_copy(code, sizeof code, issue_code(w));
    struct ledger_order nobody = {.code = code, .act = ISSUE_FIX, .by = "张三"};
    assert_int_equal(act(w, &nobody, &err), ERR_NOT_FOUND);
    struct ledger_order early = {.code = code, .act = ISSUE_VERIFY, .by = "L"};
    assert_int_equal(act(w, &early, &err), ERR_STATE);
    struct ledger_order dept = {.code = code, .act = ISSUE_ASSIGN, .by = "L", .dept = "没有"};
    assert_int_equal(act(w, &dept, &err), ERR_NOT_FOUND);
    struct ledger_order date = {
        .code = code, .act = ISSUE_ASSIGN, .by = "L", .dept = "S0117", .due = "9月30日"};
    assert_int_equal(act(w, &date, &err), ERR_INVALID);
    struct ledger_order itself = {.code = code, .act = ISSUE_MERGE, .by = "L", .into = code};
    assert_int_equal(act(w, &itself, &err), ERR_NOT_FOUND);
    assert_issue(w, "open");
    struct ledger_order fix = {.code = code, .act = ISSUE_FIX, .by = "O1"};
    assert_int_equal(act(w, &fix, &err), ERR_OK);
    struct ledger_order same = {.code = code, .act = ISSUE_VERIFY, .by = "O1"};
    assert_int_equal(act(w, &same, &err), ERR_STATE);
    assert_issue(w, "fixed");
}

static void a_common_issue_of_two_schools(void **state)
{
    struct world *w = *state;
    struct err err;
    char first[COMMAND_CODE_SIZE], second[COMMAND_CODE_SIZE];
    world_text(w, "V1", "隐患 门口违停");
    text_copy(first, sizeof first, issue_code(w));
    world_text(w, "D1", "隐患 门口违停");
    text_copy(second, sizeof second, issue_code(w));
    struct ledger_order merge = {.code = second, .act = ISSUE_MERGE, .by = "L", .into = first};
    assert_int_equal(act(w, &merge, &err), ERR_OK);
    assert_issue(w, "merged");
    say_code(w, "O1", "销号", first);
    say_code(w, "L", "销号", first);
    ASSERT_SENT(w, "V1", "A13_HAZARD_DONE", 1);
    ASSERT_SENT(w, "D1", "A13_HAZARD_DONE", 1); /* theirs is mended with it */
}

static void overdue_climbs_one_message_a_day(void **state)
{
    struct world *w = *state;
    world_text(w, "V1", "隐患 东门违停");
    world_text(w, "V1", "隐患 北门路灯坏");
    world_run(w, "2026-09-14", "23:00"); /* the day it is due */
    ASSERT_SENT(w, "L", "O9_OVERDUE", 0);
    world_run(w, "2026-09-15", "08:59");
    ASSERT_SENT(w, "L", "O9_OVERDUE", 0);
    world_run(w, "2026-09-15", "09:01");
    ASSERT_SENT(w, "L", "O9_OVERDUE", 1); /* both in one */
    assert_non_null(strstr(world_last(w, "L", "O9_OVERDUE"), "超期2项"));
    ASSERT_SENT(w, "G", "O9_OVERDUE", 0);
    world_restart(w);
    world_run(w, "2026-09-17", "09:01");
    ASSERT_SENT(w, "L", "O9_OVERDUE", 1);
    ASSERT_SENT(w, "G", "O9_OVERDUE", 1);
    world_sql(w, "UPDATE issue SET state = 'fixed' WHERE title LIKE '北门%'");
    world_run(w, "2026-09-21", "09:01");
    ASSERT_SENT(w, "Z", "O9_OVERDUE", 1);
    assert_non_null(strstr(world_last(w, "Z", "O9_OVERDUE"), "超期1项"));
    world_run(w, "2026-09-25", "12:00");
    ASSERT_SENT(w, "L", "O9_OVERDUE", 1);
    ASSERT_SENT(w, "G", "O9_OVERDUE", 1);
}

/* --- visits --- */

static void visits_of_a_week(void **state)
{
    struct world *w = *state;
    world_at(w, "2026-09-08", "07:10");
    world_text(w, "G", "驻岗S17");
    assert_non_null(strstr(world_last(w, "G", "O7_VISIT"), "第1次（要求2次）"));
    world_text(w, "G", "驻岗S17"); /* the same visit */
    assert_int_equal(world_int(w, "SELECT count(*) FROM visit"), 1);
    world_at(w, "2026-09-08", "08:00");
    world_text(w, "G", "撤岗");
    assert_non_null(strstr(world_last(w, "G", "O7_END"), "50分钟"));
    world_text(w, "G", "撤岗");
    ASSERT_SENT(w, "G", "O7_NONE", 1);
    world_run(w, "2026-09-10", "11:59");
    ASSERT_SENT(w, "G", "O8_VISITS_DUE", 0);
    world_run(w, "2026-09-10", "12:01");
    ASSERT_SENT(w, "G", "O8_VISITS_DUE", 1);
    const char *due = world_last(w, "G", "O8_VISITS_DUE");
    assert_non_null(strstr(due, "第二实验小学1次"));
    assert_non_null(strstr(due, "育才小学2次"));
    world_at(w, "2026-09-11", "07:10");
    world_text(w, "G", "驻岗S17");
    world_restart(w);
    world_run(w, "2026-09-11", "18:01");
    ASSERT_SENT(w, "L", "O8_REPORT", 1);
    assert_non_null(strstr(world_last(w, "L", "O8_REPORT"), "2校，1校达标"));
    world_run(w, "2026-09-11", "20:00");
    ASSERT_SENT(w, "L", "O8_REPORT", 1);
    ASSERT_SENT(w, "G", "O8_VISITS_DUE", 1);
}

/* --- 谁在岗 --- */

static void who_is_on_post(void **state)
{
    struct world *w = *state;
    world_text(w, "L", "谁在岗S17");
    ASSERT_SENT(w, "L", "O4_NOBODY", 1);
    world_morning(w);
    world_at(w, "2026-09-08", "07:19");
    world_text(w, "V1", "到岗");
    world_text(w, "L", "谁在岗S17");
    const char *text = world_last(w, "L", "O4_WHO");
    assert_non_null(strstr(text, "东门李娜到"));
    assert_non_null(strstr(text, "东门阿拉坦其木格未到"));
    world_text(w, "V2", "谁在岗S17"); /* a volunteer does not learn it */
    ASSERT_SENT(w, "V2", "O4_WHO", 0);
    ASSERT_SENT(w, "V2", "O4_ALL", 0);
}

/* Without a school: how many of each, those that lack somebody first. */
static void who_is_on_post_everywhere(void **state)
{
    struct world *w = *state;
    world_text(w, "L", "谁在岗");
    ASSERT_SENT(w, "L", "O4_NO_DUTY", 1);
    world_morning(w);
    world_shift(w, "m18", "S18-M", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "m18", "O3");
    world_at(w, "2026-09-08", "07:15");
    world_tick(w);
    world_text(w, "L", "缺");
    assert_non_null(strstr(world_last(w, "L", "E11_NOT_YET"), "现在3岗到0"));
    world_text(w, "O3", "到岗");
    world_text(w, "L", "谁在岗");
    assert_non_null(strstr(world_last(w, "L", "O4_ALL"), "现在3岗到1：S17 0/2；S18 1/1。"));
    world_text(w, "L", "台账");
    ASSERT_SENT(w, "L", "O9_WHICH_SCHOOL", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_what_the_picture_says),
        TEST(the_grid_worker_has_a_copy),
        TEST(found_mended_verified_by_another),
        TEST(a_school_by_name_or_where_one_stands),
        TEST(the_list_of_a_school),
        TEST(orders_that_cannot_be),
        TEST(a_common_issue_of_two_schools),
        TEST(overdue_climbs_one_message_a_day),
        TEST(visits_of_a_week),
        TEST(who_is_on_post),
        TEST(who_is_on_post_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
