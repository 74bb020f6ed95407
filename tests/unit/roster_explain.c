/* Why a place is empty, why somebody stands there, who could stand in; in numbers and in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/text.h"
#include "gateway/duty/roster/words.h"
#include "tests/lib/rosterworld.h"

enum { SCHOOLS = 2, SHIFTS = 2, OFFICERS = 7, GAPS = 4000 };

/* School 0 needs two with one in traffic, school 1 one; shift 0 only. Officers: 0 and 1 stand at
 * school 0 and 1; 2 is on leave, 3 has no duty left, 4 is a newcomer, 5 out of reach, 6 free. */
static void small_week(struct roster *roster, struct roster_plan *plan)
{
    static const int16_t minutes[OFFICERS] = {6, 9, 5, 5, 5, -1, 12};
    struct err err;
    int next = 0;
    assert_int_equal(roster_init(roster, SCHOOLS, SHIFTS, OFFICERS, 0, OFFICERS * SCHOOLS, &err),
                     ERR_OK);
    roster->need[0] = (struct roster_need){.places = 2, .skills = {1, 0, 0}};
    roster->need[1 * SHIFTS] = (struct roster_need){.places = 1};
    for (int o = 0; o < OFFICERS; o++) {
        roster->officer[o] = (struct roster_officer){.free = 3, .cap = 2, .reach = next};
        for (int s = 0; s < SCHOOLS && minutes[o] >= 0; s++)
            roster->reach[next++] = (struct roster_reach){(int16_t)s, minutes[o]};
        roster->officer[o].reach_count = next - roster->officer[o].reach;
    }
    roster->reaches = next;
    roster->officer[0].skills = 1 << ROSTER_TRAFFIC;
    roster->officer[2].free = 0;
    roster->officer[3].cap = 0;
    roster->officer[4].newcomer = true;
    assert_int_equal(roster_check(roster, &err), ERR_OK);
    assert_int_equal(roster_plan_init(plan, roster), ERR_OK);
    plan->at[0 * SHIFTS] = 0;
    plan->at[1 * SHIFTS] = 1;
}

static void test_gap(void **state)
{
    (void)state;
    struct roster roster;
    struct roster_plan plan;
    struct roster_gap gaps[4];
    struct roster_names names = {.school = "第二实验小学", .date = "12月31日", .start = "07:20"};
    char text[TEXT_SIZE];
    small_week(&roster, &plan);
    assert_int_equal(roster_gaps(&roster, &plan, gaps, 4), 1);
    assert_int_equal(gaps[0].seat, ROSTER_SKILLS);
    assert_int_equal(gaps[0].short_by, 1);
    assert_int_equal(gaps[0].near, 6);
    roster_words_gap(TEXT_ZH, &gaps[0], &names, text);
    assert_string_equal(text, "第二实验小学12月31日07:20缺1人：附近6人；1人没空；2人已有岗；"
                              "1人班已满；2人可以商量");
    plan.at[0 * SHIFTS] = ROSTER_NONE; /* nobody beside whom the newcomer could stand */
    assert_int_equal(roster_gaps(&roster, &plan, gaps, 4), 2);
    roster_words_gap(TEXT_ZH, &gaps[0], &names, text);
    assert_non_null(strstr(text, "1名新人不能单独上岗"));
    names.school_code = "S17";
    names.date = "31 Dec";
    roster_words_gap(TEXT_EN, &gaps[1], &names, text);
    assert_string_equal(text, "S17 31 Dec 07:20: 1 short with skill traffic. 6 near;5 without the "
                              "skill;1 could be asked");
    roster_plan_fini(&plan);
    roster_fini(&roster);
}

static void test_reason(void **state)
{
    (void)state;
    struct roster roster;
    struct roster_plan plan;
    struct roster_reason reason;
    struct roster_names names = {
        .person = "李娜", .school = "第二实验小学", .date = "12月31日", .start = "07:20"};
    char text[TEXT_SIZE];
    small_week(&roster, &plan);
    roster_reason(&roster, &plan, 0, 0, &reason);
    roster_words_reason(TEXT_ZH, &reason, &names, text);
    assert_string_equal(text, "李娜12月31日07:20第二实验小学：单程6分钟；有交通指挥技能；"
                              "本周第1班，共1班；没有别人能来");
    roster_reason(&roster, &plan, 1, 0, &reason);
    assert_int_equal(reason.others, 2); /* the newcomer and number 6 */
    assert_int_equal(reason.nearer, 1);
    roster_words_reason(TEXT_EN, &reason, &names, text);
    assert_non_null(strstr(text, "9 min away;duty 1 of 1 this week;2 others could"));
    roster_plan_fini(&plan);
    roster_fini(&roster);
}

static void test_stand_ins(void **state)
{
    (void)state;
    struct roster roster;
    struct roster_plan plan;
    struct roster_stand_in list[3];
    small_week(&roster, &plan);
    /* For officer 1 at school 1: number 6 comes; the newcomer cannot stand there alone, number 0
     * would leave a skill missing. */
    int count = roster_stand_ins(&roster, &plan, 1, 0, 1, 25, list, 3);
    assert_in_range(count, 1, 3);
    assert_int_equal(list[0].officer, 6);
    assert_int_equal(list[0].next, ROSTER_NONE);
    assert_int_equal(list[0].minutes, 12);
    for (int i = 0; i < count; i++)
        assert_true(list[i].officer != 4 && list[i].officer != 1);
    /* After T - 20 min: nobody from far away. */
    assert_int_equal(roster_stand_ins(&roster, &plan, 1, 0, 1, 5, list, 3), 0);
    roster_plan_fini(&plan);
    roster_fini(&roster);
}

/* Every gap and every duty of made-up weeks has its words, the numbers add up, and whoever is
 * named may really come. */
static void test_all_of_many_weeks(void **state)
{
    (void)state;
    static struct roster_gap gaps[GAPS];
    struct roster_options quick = {.seed = 1, .steps = 20};
    struct roster_names names = {0};
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct roster roster;
        struct roster_plan plan;
        char text[TEXT_SIZE];
        rosterworld_make(seed, &roster);
        assert_int_equal(roster_make(&roster, &quick, &plan), ERR_OK);
        int count = roster_gaps(&roster, &plan, gaps, GAPS);
        for (int i = 0; i < count; i++) {
            const struct roster_gap *gap = &gaps[i];
            struct roster_stand_in one;
            assert_int_equal(gap->near, gap->unskilled + gap->away + gap->elsewhere + gap->full +
                                            gap->newcomers + gap->unused);
            roster_words_gap(i % 2 ? TEXT_EN : TEXT_ZH, gap, &names, text);
            assert_true(text_utf16_units(text) > 10);
            if (gap->seat == ROSTER_SKILLS &&
                roster_stand_ins(&roster, &plan, gap->school, gap->shift, ROSTER_NONE, 600, &one,
                                 1) == 1)
                assert_true(one.cost >= 0); /* what pays has been done */
        }
        for (int o = 0; o < roster.officers; o++)
            for (int t = 0; t < roster.shifts; t++)
                if (plan.at[o * roster.shifts + t] >= 0) {
                    struct roster_reason reason;
                    roster_reason(&roster, &plan, o, t, &reason);
                    assert_in_range(reason.number, 1, reason.of);
                    assert_true(reason.seat == ROSTER_SKILLS ||
                                roster.officer[o].skills >> reason.seat & 1);
                    roster_words_reason(o % 2 ? TEXT_EN : TEXT_ZH, &reason, &names, text);
                    assert_true(text_utf16_units(text) > 10);
                }
        roster_plan_fini(&plan);
        roster_fini(&roster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_reason),
        cmocka_unit_test(test_stand_ins),
        cmocka_unit_test(test_all_of_many_weeks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
