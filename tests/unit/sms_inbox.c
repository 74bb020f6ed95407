/* The inbox over a replica in memory: once, whole, and never in the way of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "tests/lib/smsworld.h"

#define PERSON "+8613800000001"

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    struct smsworld *world = malloc(sizeof *world);
    log_set_sink(swallow, NULL);
    smsworld_open(world, 1);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    smsworld_close(*state);
    free(*state);
    log_set_sink(NULL, NULL);
    return 0;
}

static int64_t count(struct smsworld *world, const char *sql)
{
    return replica_get_int(world->replica, -1, sql, "");
}

static void test_one_text(void **state)
{
    struct smsworld *world = *state;
    int64_t sent = world->cells.wall_ms - 4000;
    smsworld_deliver(world, PERSON, "到岗", 0, 0, 0, sent);
    assert_int_equal(world->text_count, 1);
    assert_string_equal(world->texts[0].number, PERSON);
    assert_string_equal(world->texts[0].body, "到岗");
    assert_true(world->texts[0].can_answer);
    assert_true(world->texts[0].complete);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox WHERE state = 'handled' AND"
                                  " unseal(body) = '到岗' AND body <> '到岗'"),
                     1);
    assert_int_equal(count(world, "SELECT sent_at FROM inbox"), sent / 1000 * 1000);
}

static void test_same_pdu_once(void **state)
{
    struct smsworld *world = *state;
    int64_t sent = world->cells.wall_ms;
    smsworld_deliver(world, PERSON, "1", 0, 0, 0, sent);
    smsworld_restart(world); /* killed before the SIM's copy was deleted */
    smsworld_deliver(world, PERSON, "1", 0, 0, 0, sent);
    assert_int_equal(world->text_count, 1);
    smsworld_deliver(world, PERSON, "1", 0, 0, 0, sent + 1000);
    assert_int_equal(world->text_count, 2);
}

static void test_parts_out_of_order(void **state)
{
    struct smsworld *world = *state;
    int64_t sent = world->cells.wall_ms;
    smsworld_deliver(world, PERSON, "三", 5, 3, 3, sent);
    smsworld_deliver(world, PERSON, "一", 5, 1, 3, sent);
    smsworld_deliver(world, "+8613900000009", "别", 5, 2, 3,
                     sent); /* same reference, other sender */
    assert_int_equal(world->text_count, 0);
    assert_int_equal(inbox_next_due_ms(world->inbox), sent + 15 * 60000);
    smsworld_pass(world, 180000);
    smsworld_deliver(world, PERSON, "二", 5, 2, 3, sent);
    assert_int_equal(world->text_count, 1);
    assert_string_equal(world->texts[0].body, "一二三");
    assert_true(world->texts[0].complete);
}

static void test_gaps_then_late_part(void **state)
{
    struct smsworld *world = *state;
    int64_t sent = world->cells.wall_ms;
    smsworld_deliver(world, PERSON, "一", 6, 1, 3, sent);
    smsworld_deliver(world, PERSON, "三", 6, 3, 3, sent);
    smsworld_pass(world, 15 * 60000 - 1);
    assert_int_equal(world->text_count, 0);
    smsworld_pass(world, 1);
    assert_int_equal(world->text_count, 1);
    assert_string_equal(world->texts[0].body, "一[…]三");
    assert_false(world->texts[0].complete);
    assert_int_equal(inbox_next_due_ms(world->inbox), INT64_MAX);
    smsworld_deliver(world, PERSON, "二", 6, 2, 3, sent);
    assert_int_equal(world->text_count, 1); /* amended, not given out again */
    assert_int_equal(count(world, "SELECT count(*) FROM inbox WHERE unseal(body) = '一二三'"), 1);
}

static void test_waiting_parts_survive_restart(void **state)
{
    struct smsworld *world = *state;
    int64_t sent = world->cells.wall_ms;
    smsworld_deliver(world, PERSON, "一", 7, 1, 2, sent);
    smsworld_restart(world);
    smsworld_deliver(world, PERSON, "二", 7, 2, 2, sent);
    assert_int_equal(world->text_count, 1);
    assert_string_equal(world->texts[0].body, "一二");
}

static void test_poison_stops_nobody(void **state)
{
    struct smsworld *world = *state;
    static const char *const bad[] = {"00", "zz", "0791683108100005f0", "0004", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        smsworld_take(world, bad[i]);
    smsworld_deliver(world, PERSON, "好", 0, 0, 0, world->cells.wall_ms);
    assert_int_equal(world->text_count, 1);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox_pdu WHERE kind = 'bad' AND"
                                  " reason IS NOT NULL"),
                     5);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox_pdu WHERE unseal(pdu) = 'zz'"), 1);
}

static void test_failing_handler_keeps_the_text(void **state)
{
    struct smsworld *world = *state;
    world->fail_texts = true;
    smsworld_deliver(world, PERSON, "绊脚石", 0, 0, 0, world->cells.wall_ms);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox WHERE state = 'unhandled' AND"
                                  " unseal(body) = '绊脚石'"),
                     1);
    assert_int_equal(count(world, "SELECT count(*) FROM kv WHERE k LIKE 'heard-%'"), 0);
    world->fail_texts = false;
    smsworld_deliver(world, PERSON, "下一条", 0, 0, 0, world->cells.wall_ms);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox WHERE state = 'handled'"), 1);
}

static void test_machines_get_no_answer(void **state)
{
    struct smsworld *world = *state;
    static const struct {
        const char *number;
        bool can_answer;
    } cases[] = {
        {"10086", false},         {"1069012345678", false}, {"CMCC", false},
        {"+8613800000001", true}, {"13800000001", true},    {"+861012345678", false},
        {"+4915112345678", true}, {"95588", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        smsworld_deliver(world, cases[i].number, "你好", 0, 0, 0, world->cells.wall_ms);
        assert_int_equal(world->text_count, i + 1);
        assert_int_equal(world->texts[i].can_answer, cases[i].can_answer);
    }
    assert_string_equal(world->texts[4].number, "+8613800000001");
    assert_string_equal(world->texts[2].number, "CMCC");
}

static void test_stored_report_is_passed_on(void **state)
{
    struct smsworld *world = *state;
    static const char report[] = "0891683108100005f006110d91683108000000f162112270416423"
                                 "6211227041642300";
    smsworld_take(world, report);
    assert_int_equal(world->stored_reports, 1);
    smsworld_take(world, report); /* perhaps another modem's, which looks the same */
    assert_int_equal(world->stored_reports, 2);
    assert_int_equal(world->stored_report.mr, 0x11);
    assert_int_equal(world->text_count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_a_phone_is_forgotten(void **state)
{
    struct smsworld *world = *state;
    smsworld_deliver(world, PERSON, "退订", 0, 0, 0, world->cells.wall_ms);
    smsworld_deliver(world, "+8613800000002", "到岗", 0, 0, 0, world->cells.wall_ms);
    char phone[LIMIT_SEALED_PHONE_BYTES];
    assert_true(replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                                 PERSON));
    replica_enter(world->replica);
    inbox_forget_phone(world->inbox, phone);
    outbox_forget_phone(world->outbox, phone);
    assert_true(replica_leave(world->replica, true));
    assert_true(replica_commit(world->replica));
    assert_int_equal(count(world, "SELECT count(*) FROM inbox"), 1);
    assert_int_equal(count(world, "SELECT count(*) FROM inbox_pdu"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_one_text),
        CASE(test_same_pdu_once),
        CASE(test_parts_out_of_order),
        CASE(test_gaps_then_late_part),
        CASE(test_waiting_parts_survive_restart),
        CASE(test_poison_stops_nobody),
        CASE(test_failing_handler_keeps_the_text),
        CASE(test_machines_get_no_answer),
        CASE(test_stored_report_is_passed_on),
        CASE(test_a_phone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
