/* The outbox over a replica in memory: what is written when, and what goes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "sms/pin.h"
#include "tests/lib/smsworld.h"

#define PERSON "+8613800000001"
#define OTHER "+8613800000002"

static int setup(void **state)
{
    struct smsworld *world = malloc(sizeof *world);
    log_set_level(LOG_LEVEL_ERROR);
    smsworld_open(world, 1);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    smsworld_close(*state);
    free(*state);
    return 0;
}

static void remember(char *ret, const char *id)
{
    memcpy(ret, id, LIMIT_ID_BYTES + 1);
}

static int64_t count(struct smsworld *world, const char *sql)
{
    return replica_get_int(world->replica, -1, sql, "");
}

static void test_sent_and_delivered(void **state)
{
    struct smsworld *world = *state;
    const char *id = smsworld_put(world, "a", PERSON, "明早07:20到岗", SMS_PRIO_DUTY, NULL);
    assert_string_equal(smsworld_part(world, id, 1, 0), "submitted");
    assert_int_equal(world->submits, 1);
    assert_string_equal(world->submitted[0].to, PERSON);
    assert_string_equal(world->submitted[0].text, "明早07:20到岗");
    assert_string_equal(world->submitted[0].udh, "");
    assert_true(world->submitted[0].report);
    assert_false(outbox_idle(world->outbox));
    smsworld_result(world, SEND_OK, 17);
    assert_string_equal(smsworld_state(world, id), "sent");
    assert_true(outbox_idle(world->outbox));
    smsworld_report(world, PERSON, 17, 0);
    assert_string_equal(smsworld_state(world, id), "delivered");
    assert_int_equal(count(world, "SELECT count(*) FROM outbox_history"), 5);
}

static void test_submit_follows_commit(void **state)
{
    struct smsworld *world = *state;
    char phone[LIMIT_SEALED_PHONE_BYTES];
    char id[LIMIT_ID_BYTES + 1];
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", PERSON);
    struct outbox_message alarm = {"sos", phone, "报警", SMS_PRIO_PANIC, 0,    0,
                                   NULL,  NULL,  NULL,   false,          false};
    replica_enter(world->replica);
    assert_int_equal(outbox_put(world->outbox, &alarm, id), ERR_OK);
    assert_string_equal(smsworld_part(world, id, 1, 0), "submitted");
    assert_int_equal(world->submits, 0);
    replica_leave(world->replica, true);
    assert_int_equal(world->submits, 0);
    assert_true(replica_commit(world->replica)); /* one commit between event and modem */
    assert_int_equal(world->submits, 1);
}

static void test_failed_handler_sends_nothing(void **state)
{
    struct smsworld *world = *state;
    char phone[LIMIT_SEALED_PHONE_BYTES];
    char id[LIMIT_ID_BYTES + 1];
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", PERSON);
    struct outbox_message alarm = {"sos", phone, "报警", SMS_PRIO_PANIC, 0,    0,
                                   NULL,  NULL,  NULL,   false,          false};
    replica_enter(world->replica);
    assert_int_equal(outbox_put(world->outbox, &alarm, id), ERR_OK);
    replica_leave(world->replica, false);
    replica_commit(world->replica);
    assert_int_equal(world->submits, 0);
    assert_int_equal(count(world, "SELECT count(*) FROM outbox"), 0);
    smsworld_put(world, "b", PERSON, "其它", SMS_PRIO_DUTY, NULL); /* the modem is free again */
    assert_int_equal(world->submits, 1);
}

static void test_same_idem_once(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    assert_string_equal(smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL), first);
    assert_int_equal(count(world, "SELECT count(*) FROM outbox"), 1);
    assert_int_equal(world->submits, 1);
}

static void test_bad_messages(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    char *huge = calloc(1, LIMIT_SMS_UNITS + 2);
    memset(huge, 'a', LIMIT_SMS_UNITS + 1);
    struct outbox_message bad[] = {
        {"", "00", "x", 0, 0, 0, NULL, NULL, NULL, false, false},
        {"i", NULL, "x", 0, 0, 0, NULL, NULL, NULL, false, false},
        {"i", "00", "", 0, 0, 0, NULL, NULL, NULL, false, false},
        {"i", "00", "\xff", 0, 0, 0, NULL, NULL, NULL, false, false},
        {"i", "00", "x", 9, 0, 0, NULL, NULL, NULL, false, false},
        {"i", "00", huge, 0, 0, 0, NULL, NULL, NULL, false, false},
    };
    replica_enter(world->replica);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(outbox_put(world->outbox, &bad[i], id), ERR_INVALID);
    assert_int_equal(outbox_put(world->outbox, &bad[5], id), ERR_LIMIT);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    assert_int_equal(count(world, "SELECT count(*) FROM outbox"), 0);
    free(huge);
}

/* An alarm goes between the parts of a long message and before a queue of reminders. */
static void test_alarm_goes_first(void **state)
{
    struct smsworld *world = *state;
    char longer[70 * 3 * 2 + 1] = "";
    for (int i = 0; i < 140; i++)
        memcpy(longer + 3 * i, "长", 4);
    smsworld_put(world, "long", PERSON, longer, SMS_PRIO_REMINDER, NULL);
    assert_int_equal(strncmp(world->submitted[0].udh, "050003", 6), 0);
    assert_string_equal(world->submitted[0].udh + 8, "0301");
    for (int i = 0; i < 5; i++) {
        char idem[8] = {(char)('0' + i), '\0'};
        smsworld_put(world, idem, OTHER, "提醒", SMS_PRIO_REMINDER, NULL);
    }
    smsworld_put(world, "sos", OTHER, "报警", SMS_PRIO_PANIC, NULL);
    assert_int_equal(world->submits, 1);
    smsworld_result(world, SEND_OK, 1);
    assert_string_equal(world->submitted[0].text, "报警");
    smsworld_result(world, SEND_OK, 2);
    assert_string_equal(world->submitted[0].udh + 8, "0302");
}

static void test_alarm_uses_a_free_modem(void **state)
{
    struct smsworld *world = *state;
    smsworld_close(world);
    smsworld_open(world, 2);
    smsworld_put(world, "a", PERSON, "提醒", SMS_PRIO_REMINDER, NULL);
    smsworld_put(world, "sos", OTHER, "报警", SMS_PRIO_PANIC, NULL);
    assert_string_equal(world->submitted[0].text, "提醒");
    assert_string_equal(world->submitted[1].text, "报警");
}

/* Three parts. */
static void make_long(char *ret)
{
    static const char words[] = "值勤通知：";
    for (int i = 0; i < 30; i++)
        memcpy(ret + (size_t)i * strlen(words), words, sizeof words);
}

/* Of free modems the one that suits the number, else the one that sent less. */
static void test_choice_of_modem(void **state)
{
    struct smsworld *world = *state;
    smsworld_close(world);
    smsworld_open(world, 2);
    world->score[1] = 10;
    smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL);
    assert_string_equal(world->submitted[1].text, "一");
    smsworld_put(world, "b", PERSON, "二", SMS_PRIO_DUTY, NULL); /* the better one is busy */
    assert_string_equal(world->submitted[0].text, "二");
    smsworld_result_of(world, 0, SEND_OK, 1);
    smsworld_result_of(world, 1, SEND_OK, 1);
    world->score[1] = 0;
    world->load[0] = 5;
    smsworld_put(world, "c", PERSON, "三", SMS_PRIO_DUTY, NULL);
    assert_string_equal(world->submitted[1].text, "三");
}

/* A phone joins only parts that come from one number. */
static void test_parts_stay_with_one_modem(void **state)
{
    struct smsworld *world = *state;
    char text[1024];
    make_long(text);
    smsworld_close(world);
    smsworld_open(world, 2);
    smsworld_put(world, "long", PERSON, text, SMS_PRIO_DUTY, NULL);
    smsworld_put(world, "short", OTHER, "短", SMS_PRIO_DUTY, NULL);
    assert_string_equal(world->submitted[0].udh + 8, "0301");
    assert_string_equal(world->submitted[1].text, "短"); /* not the second part */
    smsworld_result_of(world, 1, SEND_OK, 1);
    assert_int_equal(world->submitted[1].kind, FRAME_SETUP); /* nothing */
    smsworld_result_of(world, 0, SEND_OK, 1);
    assert_string_equal(world->submitted[0].udh + 8, "0302");
    smsworld_result_of(world, 0, SEND_OK, 2);
    assert_string_equal(world->submitted[0].udh + 8, "0303");
    smsworld_result_of(world, 0, SEND_OK, 3);
    assert_int_equal(world->submits, 4);
}

/* Its modem is gone: another one sends the message from its first part. */
static void test_parts_move_together(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    char text[1024];
    make_long(text);
    smsworld_close(world);
    smsworld_open(world, 2);
    world->score[0] = 1;
    remember(id, smsworld_put(world, "long", PERSON, text, SMS_PRIO_DUTY, NULL));
    assert_string_equal(world->submitted[0].udh + 8, "0301");
    world->ready[0] = false; /* after this part */
    smsworld_result_of(world, 0, SEND_OK, 7);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world->submitted[1].kind, FRAME_SUBMIT);
        smsworld_result_of(world, 1, SEND_OK, i);
        smsworld_pass(world, 0);
    }
    assert_int_equal(world->submits, 4);
    assert_int_equal(count(world, "SELECT count(DISTINCT part) FROM outbox_part WHERE state ="
                                  " 'sent' AND modem = 'gsm1'"),
                     3);
    assert_string_equal(smsworld_state(world, id), "sent");
}

static enum pin_verdict try_pin(struct smsworld *world, const char *pin, int tries_left)
{
    replica_enter(world->replica);
    enum pin_verdict verdict = pin_begin(world->replica, "gsm0", pin, tries_left);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    return verdict;
}

static void end_pin(struct smsworld *world, bool taken)
{
    replica_enter(world->replica);
    pin_end(world->replica, "gsm0", taken);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
}

static void test_pin_memory(void **state)
{
    struct smsworld *world = *state;
    assert_int_equal(try_pin(world, "1111", 1), PIN_TOO_FEW);
    assert_int_equal(try_pin(world, "1111", 0), PIN_TOO_FEW);
    assert_int_equal(try_pin(world, "1111", -1), PIN_MAY);
    assert_int_equal(try_pin(world, "1111", -1), PIN_NOT_SURE); /* killed in between */
    assert_int_equal(try_pin(world, "1111", 2), PIN_NOT_SURE);
    assert_int_equal(try_pin(world, "1111", 3), PIN_MAY); /* so it was not wrong */
    end_pin(world, false);
    assert_int_equal(try_pin(world, "1111", 3), PIN_WAS_REFUSED);
    assert_int_equal(try_pin(world, "2222", 2), PIN_MAY);
    end_pin(world, true);
    assert_int_equal(try_pin(world, "2222", -1), PIN_MAY); /* after each power off */
}

static void test_refused_number_blocks_nobody(void **state)
{
    struct smsworld *world = *state;
    char bad[LIMIT_ID_BYTES + 1];
    remember(bad, smsworld_put(world, "bad", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_put(world, "good", OTHER, "二", SMS_PRIO_DUTY, NULL);
    smsworld_result(world, SEND_CMS, 38);
    assert_string_equal(smsworld_part(world, bad, 1, 0), "queued");
    assert_string_equal(world->submitted[0].text, "二");
    smsworld_result(world, SEND_OK, 1);
    assert_int_equal(world->submits, 2);
    assert_int_equal(outbox_next_due_ms(world->outbox), world->cells.wall_ms + 15000);
    smsworld_pass(world, 15000);
    assert_string_equal(world->submitted[0].text, "一");
    smsworld_result(world, SEND_CMS, 21);
    assert_string_equal(smsworld_state(world, bad), "failed");
    smsworld_pass(world, 900000);
    assert_int_equal(world->submits, 3);
}

/* A number that is refused is left alone for a while, with all that is for it; alarms still go. */
static void test_refused_number_is_left_alone(void **state)
{
    struct smsworld *world = *state;
    char later[LIMIT_ID_BYTES + 1];
    char after[LIMIT_ID_BYTES + 1];
    smsworld_put(world, "first", PERSON, "一", SMS_PRIO_DUTY, NULL);
    remember(later, smsworld_put(world, "later", PERSON, "二", SMS_PRIO_DUTY, NULL));
    smsworld_result(world, SEND_CMS, 38);
    remember(after, smsworld_put(world, "after", PERSON, "三", SMS_PRIO_REMINDER, NULL));
    assert_int_equal(world->submits, 1);
    assert_string_equal(smsworld_state(world, later), "queued");
    smsworld_put(world, "other", OTHER, "别人", SMS_PRIO_BULK, NULL);
    assert_string_equal(world->submitted[0].text, "别人");
    smsworld_result(world, SEND_OK, 1);
    smsworld_put(world, "sos", PERSON, "报警", SMS_PRIO_PANIC, NULL);
    assert_string_equal(world->submitted[0].text, "报警");
    smsworld_result(world, SEND_CMS, 38);
    smsworld_pass(world,
                  15000); /* the second refusal: longer, and the alarm's own pause is short */
    assert_string_equal(world->submitted[0].text, "报警");
    smsworld_result(world, SEND_OK, 2);
    assert_int_equal(count(world, "SELECT count(*) FROM outbox_pause"), 0);
    for (int i = 0; i < 3; i++) {
        smsworld_pass(world, 60000);
        if (world->submitted[0].kind == FRAME_SUBMIT)
            smsworld_result(world, SEND_OK, 3 + i);
    }
    smsworld_pass(world, 0);
    if (world->submitted[0].kind == FRAME_SUBMIT)
        smsworld_result(world, SEND_OK, 9);
    assert_string_equal(smsworld_state(world, later), "sent");
    assert_string_equal(smsworld_state(world, after), "sent");
}

/* The reference came round, and the report of the first message is late: the centre's time tells
 * them apart. */
static void test_late_report_after_wrap(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    char second[LIMIT_ID_BYTES + 1];
    int64_t begin = world->cells.wall_ms;
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_result(world, SEND_OK, 9);
    smsworld_pass(world, 3600000);
    remember(second, smsworld_put(world, "b", PERSON, "二", SMS_PRIO_DUTY, NULL));
    smsworld_result(world, SEND_OK, 9);
    smsworld_report_of(world, PERSON, 9, 0, begin + 4000);
    assert_string_equal(smsworld_state(world, first), "delivered");
    assert_string_equal(smsworld_state(world, second), "sent");
    smsworld_report_of(world, PERSON, 9, 0x46, begin + 3603000);
    assert_string_equal(smsworld_state(world, first), "delivered");
    assert_string_equal(smsworld_state(world, second), "failed");
}

static void test_expired_never_goes(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    world->ready[0] = false;
    remember(id, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    assert_true(outbox_idle(world->outbox)); /* only a person can plug the modem in */
    assert_int_equal(outbox_next_due_ms(world->outbox), world->cells.wall_ms + 3600001);
    smsworld_pass(world, 3600001);
    assert_string_equal(smsworld_state(world, id), "expired");
    world->ready[0] = true;
    smsworld_pass(world, 1000);
    assert_int_equal(world->submits, 0);
}

static void test_cancel_leaves_flight_alone(void **state)
{
    struct smsworld *world = *state;
    char flying[LIMIT_ID_BYTES + 1];
    char waiting[LIMIT_ID_BYTES + 1];
    remember(flying, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, "s1"));
    remember(waiting, smsworld_put(world, "b", OTHER, "二", SMS_PRIO_DUTY, "s1"));
    smsworld_put(world, "c", OTHER, "三", SMS_PRIO_DUTY, "s2");
    replica_enter(world->replica);
    assert_int_equal(outbox_cancel(world->outbox, "shift", "s1", NULL, "cancelled by leader"), 1);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    assert_string_equal(smsworld_state(world, flying), "submitted");
    assert_string_equal(smsworld_state(world, waiting), "cancelled");
    smsworld_result(world, SEND_OK, 1);
    assert_string_equal(world->submitted[0].text, "三");
}

static int cancel_s1(struct smsworld *world, const char *number)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1] = "";
    assert_true(replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                                 number));
    replica_enter(world->replica);
    int count = outbox_cancel(world->outbox, "shift", "s1", phone, "newer copy");
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    return count;
}

/* What ran out did not go either, and the caller hears of it. */
static void test_cancel_of_one_phone(void **state)
{
    struct smsworld *world = *state;
    char mine[LIMIT_ID_BYTES + 1], other[LIMIT_ID_BYTES + 1];
    world->ready[0] = false;
    remember(mine, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, "s1"));
    remember(other, smsworld_put(world, "b", OTHER, "二", SMS_PRIO_DUTY, "s1"));
    assert_int_equal(cancel_s1(world, PERSON), 1);
    assert_string_equal(smsworld_state(world, mine), "cancelled");
    assert_string_equal(smsworld_state(world, other), "queued");
    smsworld_pass(world, INT64_C(24) * 3600000);
    assert_string_equal(smsworld_state(world, other), "expired");
    assert_int_equal(cancel_s1(world, PERSON), 0);
    assert_int_equal(cancel_s1(world, OTHER), 1);
}

static void test_unknown_alarm_is_sent_again(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    remember(id, smsworld_put(world, "sos", PERSON, "报警", SMS_PRIO_PANIC, NULL));
    smsworld_result(world, SEND_UNKNOWN, 0);
    assert_string_equal(smsworld_part(world, id, 1, 0), "unknown");
    assert_string_equal(world->submitted[0].text, "(再发1)报警");
    smsworld_result(world, SEND_OK, 4);
    assert_string_equal(smsworld_state(world, id), "sent");
    smsworld_report(world, PERSON, 4, 0);
    assert_string_equal(smsworld_part(world, id, 1, 1), "delivered");
    smsworld_report(world, PERSON, 3, 0); /* of the first one, whose reference was lost */
    assert_string_equal(smsworld_part(world, id, 1, 0), "delivered");
}

static void test_unknown_reminder_waits_for_report(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    remember(id, smsworld_put(world, "a", PERSON, "提醒", SMS_PRIO_REMINDER, NULL));
    smsworld_result(world, SEND_UNKNOWN, 0);
    smsworld_pass(world, 600000);
    assert_int_equal(world->submits, 1);
    assert_string_equal(smsworld_state(world, id), "unknown");
    smsworld_report(world, PERSON, 200, 0);
    assert_string_equal(smsworld_state(world, id), "delivered");
}

static void test_early_double_and_wrapped_reports(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    char second[LIMIT_ID_BYTES + 1];
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_report(world, PERSON, 9, 0); /* overtakes the answer */
    assert_string_equal(smsworld_state(world, first), "submitted");
    smsworld_result(world, SEND_OK, 9);
    assert_string_equal(smsworld_state(world, first), "delivered");
    smsworld_report(world, PERSON, 9, 0x46); /* doubled */
    assert_string_equal(smsworld_state(world, first), "delivered");
    remember(second, smsworld_put(world, "b", PERSON, "二", SMS_PRIO_DUTY, NULL));
    world->cells.wall_ms += 1000;
    smsworld_result(world, SEND_OK, 9); /* the reference came round */
    smsworld_report(world, OTHER, 9, 0);
    assert_string_equal(smsworld_state(world, second), "sent");
    smsworld_report(world, PERSON, 9, 0);
    assert_string_equal(smsworld_state(world, second), "delivered");
    assert_int_equal(count(world, "SELECT count(*) FROM outbox_report WHERE message_seq IS NULL"),
                     1);
}

static void test_reports_are_forgotten_after_two_days(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    remember(id, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_result(world, SEND_OK, 9);
    world->cells.wall_ms += INT64_C(49) * 3600000;
    smsworld_report(world, PERSON, 9, 0);
    assert_string_equal(smsworld_state(world, id), "sent");
}

static void test_restart_resolves_flight(void **state)
{
    struct smsworld *world = *state;
    smsworld_close(world);
    smsworld_open(world, 2);
    char reminder[LIMIT_ID_BYTES + 1];
    char alarm[LIMIT_ID_BYTES + 1];
    remember(reminder, smsworld_put(world, "a", PERSON, "提醒", SMS_PRIO_REMINDER, NULL));
    remember(alarm, smsworld_put(world, "sos", OTHER, "报警", SMS_PRIO_PANIC, NULL));
    assert_int_equal(world->submits, 2);
    smsworld_restart(world);
    assert_string_equal(smsworld_state(world, reminder), "unknown");
    assert_string_equal(smsworld_part(world, alarm, 1, 0), "unknown");
    smsworld_pass(world, 10);
    assert_int_equal(world->submits, 3);
    assert_string_equal(world->submitted[0].text, "(再发1)报警");
}

static void test_modem_gone_between_claim_and_submit(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    world->refuses[0] = true;
    world->ready[0] = true;
    char phone[LIMIT_SEALED_PHONE_BYTES];
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", PERSON);
    struct outbox_message message = {"a",  phone, "一", SMS_PRIO_DUTY, 0,    0,
                                     NULL, NULL,  NULL, false,         false};
    replica_enter(world->replica);
    outbox_put(world->outbox, &message, id);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    replica_commit(world->replica);
    world->refuses[0] = false;
    replica_commit(world->replica);
    replica_commit(world->replica);
    assert_int_equal(world->submits, 1);
    assert_int_equal(count(world, "SELECT tries FROM outbox_part"), 0);
}

/* The result and the claim of the next part are one turn; the modem gets that after its commit. */
static void test_one_commit_a_message(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    char second[LIMIT_ID_BYTES + 1];
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    remember(second, smsworld_put(world, "b", OTHER, "二", SMS_PRIO_DUTY, NULL));
    assert_int_equal(world->submits, 1);
    outbox_take_result(world->outbox, 0, world->submitted[0].id, SEND_OK, 7);
    assert_string_equal(smsworld_part(world, first, 1, 0), "sent");
    assert_string_equal(smsworld_part(world, second, 1, 0), "submitted");
    assert_int_equal(world->submits, 1);
    assert_true(replica_commit(world->replica));
    assert_int_equal(world->submits, 2);
    assert_false(replica_in_turn(world->replica));
}

/* A result that cannot be written is kept, and nothing else is handed out before it is. */
static void test_unwritten_result_is_kept(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_put(world, "b", OTHER, "二", SMS_PRIO_DUTY, NULL);
    replica_run(world->replica,
                "CREATE TRIGGER full BEFORE UPDATE ON outbox_part WHEN new.state = 'sent'"
                " BEGIN SELECT RAISE(ABORT, 'no room'); END",
                "");
    smsworld_result(world, SEND_OK, 7);
    smsworld_pass(world, 1000);
    assert_string_equal(smsworld_state(world, first), "submitted");
    assert_int_equal(world->submits, 1);
    assert_true(outbox_is_pending(world->outbox));
    replica_run(world->replica, "DROP TRIGGER full", "");
    smsworld_pass(world, 1000);
    assert_string_equal(smsworld_state(world, first), "sent");
    assert_int_equal(world->submits, 2);
}

/* The next part cannot be claimed: the result stands all the same and the modem is free. */
static void test_failed_claim_keeps_result(void **state)
{
    struct smsworld *world = *state;
    char first[LIMIT_ID_BYTES + 1];
    char second[LIMIT_ID_BYTES + 1];
    remember(first, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    remember(second, smsworld_put(world, "b", OTHER, "二", SMS_PRIO_DUTY, NULL));
    replica_run(world->replica,
                "CREATE TRIGGER full BEFORE UPDATE ON outbox_part WHEN old.state = 'queued'"
                " BEGIN SELECT RAISE(ABORT, 'no room'); END",
                "");
    smsworld_result(world, SEND_OK, 7);
    assert_string_equal(smsworld_state(world, first), "sent");
    assert_string_equal(smsworld_state(world, second), "queued");
    assert_int_equal(world->submits, 1);
    replica_run(world->replica, "DROP TRIGGER full", "");
    smsworld_pass(world, 1000);
    assert_int_equal(world->submits, 2);
}

static void test_modem_fault_rests_it(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    remember(id, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    smsworld_result(world, SEND_CMS, 310);
    assert_int_equal(world->rests, 1);
    assert_string_equal(smsworld_state(world, id), "queued");
    world->ready[0] = true;
    smsworld_pass(world, 0);
    assert_int_equal(world->submits, 2);
    smsworld_result(world, SEND_CMS, 322);
    assert_int_equal(world->drains, 1);
}

static void test_references_count_per_recipient(void **state)
{
    struct smsworld *world = *state;
    char longer[70 * 3 * 2 + 1] = "";
    for (int i = 0; i < 100; i++)
        memcpy(longer + 3 * i, "长", 4);
    smsworld_put(world, "a", PERSON, longer, SMS_PRIO_DUTY, NULL);
    char first[FRAME_UDH_HEX_BYTES];
    memcpy(first, world->submitted[0].udh, sizeof first);
    smsworld_result(world, SEND_OK, 1);
    smsworld_result(world, SEND_OK, 2);
    smsworld_put(world, "b", PERSON, longer, SMS_PRIO_DUTY, NULL);
    assert_string_not_equal(world->submitted[0].udh, first);
    smsworld_result(world, SEND_OK, 3);
    smsworld_result(world, SEND_OK, 4);
    smsworld_put(world, "c", OTHER, longer, SMS_PRIO_DUTY, NULL);
    assert_string_equal(world->submitted[0].udh, first);
}

static void test_late_results_are_dropped(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    remember(id, smsworld_put(world, "a", PERSON, "一", SMS_PRIO_DUTY, NULL));
    outbox_take_result(world->outbox, 0, world->submitted[0].id + 7, SEND_OK, 3);
    replica_commit(world->replica);
    assert_string_equal(smsworld_state(world, id), "submitted");
}

static void test_waits_for_not_before(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    char phone[LIMIT_SEALED_PHONE_BYTES];
    int64_t at = world->cells.wall_ms + 60000;
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", PERSON);
    struct outbox_message message = {"a",  phone, "一", SMS_PRIO_DUTY, at,   0,
                                     NULL, NULL,  NULL, false,         false};
    replica_enter(world->replica);
    outbox_put(world->outbox, &message, id);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    assert_true(outbox_idle(world->outbox));
    assert_int_equal(outbox_next_due_ms(world->outbox), at);
    smsworld_pass(world, 59999);
    assert_int_equal(world->submits, 0);
    smsworld_pass(world, 1);
    assert_int_equal(world->submits, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sent_and_delivered),
        CASE(test_submit_follows_commit),
        CASE(test_failed_handler_sends_nothing),
        CASE(test_same_idem_once),
        CASE(test_bad_messages),
        CASE(test_alarm_goes_first),
        CASE(test_alarm_uses_a_free_modem),
        CASE(test_pin_memory),
        CASE(test_choice_of_modem),
        CASE(test_parts_stay_with_one_modem),
        CASE(test_parts_move_together),
        CASE(test_refused_number_blocks_nobody),
        CASE(test_expired_never_goes),
        CASE(test_cancel_leaves_flight_alone),
        CASE(test_cancel_of_one_phone),
        CASE(test_unknown_alarm_is_sent_again),
        CASE(test_unknown_reminder_waits_for_report),
        CASE(test_refused_number_is_left_alone),
        CASE(test_late_report_after_wrap),
        CASE(test_early_double_and_wrapped_reports),
        CASE(test_reports_are_forgotten_after_two_days),
        CASE(test_restart_resolves_flight),
        CASE(test_modem_gone_between_claim_and_submit),
        CASE(test_one_commit_a_message),
        CASE(test_unwritten_result_is_kept),
        CASE(test_failed_claim_keeps_result),
        CASE(test_modem_fault_rests_it),
        CASE(test_references_count_per_recipient),
        CASE(test_late_results_are_dropped),
        CASE(test_waits_for_not_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
