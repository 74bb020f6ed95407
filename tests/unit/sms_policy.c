/* The outbox's decisions: who is to blame, what follows, which part goes next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "sms/balance.h"
#include "sms/ladder.h"
#include "sms/outbox_policy.h"
#include "sms/route.h"
#include "sms/segment.h"

static void test_blame(void **state)
{
    (void)state;
    static const struct {
        enum send_outcome outcome;
        int value;
        enum send_blame blame;
    } cases[] = {
        {SEND_CMS, 310, BLAME_MODEM},     {SEND_CMS, 313, BLAME_MODEM},
        {SEND_CMS, 515, BLAME_MODEM},     {SEND_CMS, 38, BLAME_NETWORK},
        {SEND_CMS, 41, BLAME_NETWORK},    {SEND_CMS, 42, BLAME_NETWORK},
        {SEND_CMS, 47, BLAME_NETWORK},    {SEND_CMS, 331, BLAME_NETWORK},
        {SEND_CMS, 332, BLAME_NETWORK},   {SEND_CMS, 500, BLAME_NETWORK},
        {SEND_CMS, 1, BLAME_RECIPIENT},   {SEND_CMS, 21, BLAME_RECIPIENT},
        {SEND_CMS, 50, BLAME_RECIPIENT},  {SEND_CMS, 69, BLAME_RECIPIENT},
        {SEND_CMS, 208, BLAME_MEMORY},    {SEND_CMS, 211, BLAME_MEMORY},
        {SEND_CMS, 322, BLAME_MEMORY},    {SEND_CME, 10, BLAME_MODEM},
        {SEND_CME, 20, BLAME_MEMORY},     {SEND_CME, 30, BLAME_NETWORK},
        {SEND_TIMEOUT, 0, BLAME_NETWORK}, {SEND_UNPLUGGED, 0, BLAME_MODEM},
        {SEND_OK, 5, BLAME_NOBODY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(outbox_blame(cases[i].outcome, cases[i].value), cases[i].blame);
}

static void test_network_pauses_grow(void **state)
{
    (void)state;
    static const int64_t pauses[] = {15000, 60000, 300000, 900000, 900000};
    for (int tries = 0; tries < 5; tries++) {
        struct outbox_verdict v = outbox_judge(SEND_CMS, 38, SMS_PRIO_REMINDER, tries, 0, 1000);
        assert_int_equal(v.state, OUTBOX_QUEUED);
        assert_int_equal(v.next_at_ms, 1000 + pauses[tries]);
        assert_true(v.charged);
    }
    struct outbox_verdict last =
        outbox_judge(SEND_CMS, 38, SMS_PRIO_REMINDER, OUTBOX_TRIES_MAX - 1, 0, 1000);
    assert_int_equal(last.state, OUTBOX_FAILED);
    assert_true(outbox_judge(SEND_CMS, 38, SMS_PRIO_PANIC, 9, 0, 0).next_at_ms <= 60000);
}

static void test_modem_faults_cost_nothing(void **state)
{
    (void)state;
    struct outbox_verdict v = outbox_judge(SEND_CMS, 310, SMS_PRIO_DUTY, 0, 0, 50);
    assert_int_equal(v.state, OUTBOX_QUEUED);
    assert_int_equal(v.next_at_ms, 50);
    assert_false(v.charged);
    assert_true(v.rest_modem);
    v = outbox_judge(SEND_UNPLUGGED, 0, SMS_PRIO_DUTY, 0, 0, 50);
    assert_int_equal(v.state, OUTBOX_QUEUED);
    assert_false(v.charged);
    assert_false(v.rest_modem);
    v = outbox_judge(SEND_CMS, 322, SMS_PRIO_DUTY, 0, 0, 50);
    assert_true(v.drain_sim);
    assert_false(v.charged);
}

static void test_unknown_is_resent_for_alarms_only(void **state)
{
    (void)state;
    struct outbox_verdict v = outbox_judge(SEND_UNKNOWN, 0, SMS_PRIO_PANIC, 0, 0, 50);
    assert_int_equal(v.state, OUTBOX_UNKNOWN);
    assert_true(v.copy);
    assert_false(outbox_judge(SEND_UNKNOWN, 0, SMS_PRIO_PANIC, 0, OUTBOX_COPIES_MAX, 50).copy);
    for (int prio = SMS_PRIO_DUTY; prio < SMS_PRIO_COUNT; prio++) {
        v = outbox_judge(SEND_UNKNOWN, 0, prio, 0, 0, 50);
        assert_int_equal(v.state, OUTBOX_UNKNOWN);
        assert_false(v.copy);
    }
}

static void test_pick(void **state)
{
    (void)state;
    const struct outbox_candidate queue[] = {
        {SMS_PRIO_REMINDER, 10, 1000, 1},
        {SMS_PRIO_DUTY, 50, 1000, 2},
        {SMS_PRIO_DUTY, 40, 1000, 3},
        {SMS_PRIO_PANIC, 60, 1000, 4},
    };
    assert_int_equal(outbox_pick(queue, 4, 100), 3);
    assert_int_equal(outbox_pick(queue, 3, 100), 2);
    assert_int_equal(outbox_pick(queue, 4, 55), 2); /* the alarm is not due yet */
    assert_int_equal(outbox_pick(queue, 1, 5), -1);
    assert_int_equal(outbox_pick(queue, 4, 1001), -1); /* too late for all */
    assert_int_equal(outbox_pick(queue, 0, 100), -1);
    const struct outbox_candidate same[] = {{SMS_PRIO_BULK, 10, 1000, 9},
                                            {SMS_PRIO_BULK, 10, 1000, 8}};
    assert_int_equal(outbox_pick(same, 2, 100), 1);
}

static void test_reports(void **state)
{
    (void)state;
    assert_int_equal(outbox_judge_report(0x00, OUTBOX_SENT), OUTBOX_DELIVERED);
    assert_int_equal(outbox_judge_report(0x02, OUTBOX_UNKNOWN), OUTBOX_DELIVERED);
    assert_int_equal(outbox_judge_report(0x30, OUTBOX_SENT), OUTBOX_SENT);
    assert_int_equal(outbox_judge_report(0x30, OUTBOX_UNKNOWN), OUTBOX_SENT);
    assert_int_equal(outbox_judge_report(0x46, OUTBOX_SENT), OUTBOX_FAILED);
    assert_int_equal(outbox_judge_report(0x46, OUTBOX_DELIVERED), OUTBOX_DELIVERED);
}

static void test_summary(void **state)
{
    (void)state;
    int counts[OUTBOX_STATES] = {0};
    counts[OUTBOX_DELIVERED] = 2;
    assert_int_equal(outbox_summary(counts), OUTBOX_DELIVERED);
    counts[OUTBOX_SENT] = 1;
    assert_int_equal(outbox_summary(counts), OUTBOX_SENT);
    counts[OUTBOX_FAILED] = 1;
    assert_int_equal(outbox_summary(counts), OUTBOX_FAILED);
    counts[OUTBOX_QUEUED] = 1;
    assert_int_equal(outbox_summary(counts), OUTBOX_QUEUED);
    assert_true(outbox_rank(OUTBOX_DELIVERED) > outbox_rank(OUTBOX_UNKNOWN));
    assert_true(outbox_rank(OUTBOX_QUEUED) > outbox_rank(OUTBOX_UNKNOWN));
}

static void test_copy_mark(void **state)
{
    (void)state;
    char text[256];
    struct segments segments;
    outbox_mark_copy("【报警】东门求助", 1, text, sizeof text);
    assert_string_equal(text, "(再发1)【报警】东门求助");
    outbox_mark_copy("SOS east gate", 2, text, sizeof text);
    assert_string_equal(text, "(copy 2) SOS east gate");
    char full[70 * 3 + 1] = "";
    for (int i = 0; i < 70; i++)
        memcpy(full + 3 * i, "报", 4);
    outbox_mark_copy(full, 1, text, sizeof text);
    assert_int_equal(segment_text(text, &segments, NULL), 0);
    assert_int_equal(segments.count, 1);
    assert_int_equal(segments.units, 70);
    assert_memory_equal(text, "(再发1)报", strlen("(再发1)报"));
}

static void test_route(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"0482", "+852"};
    struct route_modem mobile = {.network = "46000", .registration = 1, .csq = 20};
    struct route_modem unicom = {.network = "46001", .registration = 1, .csq = 20};
    struct route_modem lost = {.network = "46000", .registration = 2, .csq = 20};
    struct route_modem weak = {.network = "46001", .registration = 1, .csq = 3};
    struct route_modem ill = {.network = "46000", .registration = 1, .csq = 20, .failures = 9};
    struct route_modem listed = {
        .network = "46001", .registration = 5, .csq = 20, .prefixes = prefixes, .prefix_count = 2};
    assert_int_equal(route_carrier_of_number("+8613912345678"), CARRIER_MOBILE);
    assert_int_equal(route_carrier_of_number("+8613491234567"), CARRIER_TELECOM);
    assert_int_equal(route_carrier_of_number("+8617041234567"), CARRIER_UNICOM);
    assert_int_equal(route_carrier_of_number("+8619212345678"), CARRIER_BROADNET);
    assert_int_equal(route_carrier_of_number("10086"), CARRIER_UNKNOWN);
    assert_int_equal(route_carrier_of_number("+85291234567"), CARRIER_UNKNOWN);
    assert_int_equal(route_carrier_of_sim(""), CARRIER_UNKNOWN);
    assert_true(route_score(&mobile, "+8613912345678") > route_score(&unicom, "+8613912345678"));
    assert_true(route_score(&mobile, "+8613012345678") < route_score(&unicom, "+8613012345678"));
    assert_true(route_score(&unicom, "+8613912345678") > route_score(&lost, "+8613912345678"));
    assert_true(route_score(&unicom, "+8613912345678") > route_score(&ill, "+8613912345678"));
    assert_true(route_score(&mobile, "+8657112345678") > route_score(&weak, "+8657112345678"));
    assert_true(route_score(&listed, "+8604821234567") > route_score(&mobile, "+8604821234567"));
    assert_true(route_score(&listed, "+85291234567") > route_score(&mobile, "+85291234567"));
}

static void check_balance(const char *text, int64_t want)
{
    int64_t cents = -1;
    assert_true(balance_read(text, &cents));
    assert_int_equal(cents, want);
}

static void test_balance(void **state)
{
    (void)state;
    int64_t cents;
    check_balance("您好，截至11月22日，您的账户余额为25.00元。", 2500);
    check_balance("尊敬的13800000001用户，话费余额：-3.2元", -320);
    check_balance("11月已消费12.5元", 1250);
    check_balance("Your balance is 1,025 CNY", 102500);
    check_balance("8.509", 850);
    assert_false(balance_read("", &cents));
    assert_false(balance_read("业务受理中", &cents));
    assert_true(balance_read("99999999999999999999 8", &cents)); /* no amount of money */
    assert_int_equal(cents, 800);
}

static void test_ladder(void **state)
{
    (void)state;
    struct ladder ladder = {.wait_ms = 100};
    assert_int_equal(ladder_ill(&ladder, 1000, 5), LADDER_NONE);
    assert_int_equal(ladder.ill_since_ms, 5);
    assert_int_equal(ladder_ill(&ladder, 1099, 6), LADDER_NONE);
    assert_int_equal(ladder_ill(&ladder, 1100, 7), LADDER_RADIO);
    assert_int_equal(ladder_ill(&ladder, 1150, 8), LADDER_NONE);
    assert_int_equal(ladder_ill(&ladder, 1200, 9), LADDER_RESET);
    assert_int_equal(ladder_ill(&ladder, 1300, 10), LADDER_REOPEN);
    assert_int_equal(ladder_ill(&ladder, 1400, 11), LADDER_RADIO); /* no power: round again */
    assert_int_equal(ladder_ill(&ladder, 1599, 12), LADDER_NONE);  /* with twice the pause */
    assert_int_equal(ladder_ill(&ladder, 1600, 13), LADDER_RESET);
    assert_int_equal(ladder.steps[LADDER_RADIO].count, 2);
    assert_int_equal(ladder.steps[LADDER_RADIO].last_ms, 11);
    ladder_well(&ladder);
    assert_int_equal(ladder.ill_since_ms, 0);
    assert_int_equal(ladder_ill(&ladder, 9000, 14), LADDER_NONE);
    assert_int_equal(ladder_ill(&ladder, 9100, 15), LADDER_RADIO);
    assert_int_equal(ladder_refused(&ladder, 1), LADDER_RADIO);
    assert_int_equal(ladder_refused(&ladder, 2), LADDER_RESET);
    assert_int_equal(ladder_refused(&ladder, 9), LADDER_REOPEN);
    ladder.has_power = true;
    assert_int_equal(ladder_refused(&ladder, 9), LADDER_POWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_network_pauses_grow),
        cmocka_unit_test(test_modem_faults_cost_nothing),
        cmocka_unit_test(test_unknown_is_resent_for_alarms_only),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_copy_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
