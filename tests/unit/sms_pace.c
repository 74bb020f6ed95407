/* How much may go out when: the pace of a SIM, caps of a recipient, quiet hours, the pause; first
 * the pure functions, then the outbox over a replica in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "tests/lib/smsworld.h"

#define PERSON "+8613800000001"
#define OTHER "+8613800000002"
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

static int64_t at(int hour, int minute)
{
    return caltime_to_ms(2026, 9, 2, hour, minute);
}

/* --- pure --- */

static void test_no_hour_sees_more(void **state)
{
    (void)state;
    struct pace_sim sim = {.per_hour = 150};
    struct pace_bucket bucket = pace_new(&sim, at(18, 0));
    int64_t sent[1000], now = at(18, 0);
    int count = 0;
    while (now < at(21, 0)) {
        now = pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, now);
        pace_spend(&sim, &bucket, now);
        sent[count++] = now;
    }
    int most = 0;
    for (int from = 0, to = 0; from < count; from++) {
        while (to < count && sent[to] < sent[from] + HOUR)
            to++;
        most = to - from > most ? to - from : most;
    }
    assert_in_range(most, 145, 150);
    assert_in_range(count, 385, 395); /* 30 at once, then 120 an hour */
}

static void test_reserve_for_the_urgent(void **state)
{
    (void)state;
    struct pace_sim sim = {.per_hour = 100, .per_day = 30};
    struct pace_bucket bucket = pace_new(&sim, at(18, 0));
    int64_t now = at(18, 0);
    for (int i = 0; i < 15; i++)
        pace_spend(&sim, &bucket, now);
    assert_true(pace_opens_ms(&sim, &bucket, SMS_PRIO_REMINDER, now) > now); /* 5 are kept */
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, now), now);
    for (int i = 0; i < 5; i++)
        pace_spend(&sim, &bucket, now);
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, now),
                     now + 45000); /* 80 an hour */
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_PANIC, now), now);
    now += 5 * HOUR;
    for (int i = 0; i < 7; i++)
        pace_spend(&sim, &bucket, now); /* 27 of 30 today */
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_BULK, now), caltime_midnight(now, 1));
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, now), now);
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_BULK, now + 2 * HOUR), now + 2 * HOUR);
}

static void test_clock_back_adds_nothing(void **state)
{
    (void)state;
    struct pace_sim sim = {.per_hour = 50};
    struct pace_bucket bucket = pace_new(&sim, at(12, 0));
    for (int i = 0; i < 10; i++)
        pace_spend(&sim, &bucket, at(12, 0));
    assert_true(pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, at(9, 0)) > at(9, 0));
    pace_spend(&sim, &bucket, at(9, 0));
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_DUTY, at(11, 0)), at(11, 0));
}

static void test_no_limit(void **state)
{
    (void)state;
    struct pace_sim sim = {0};
    struct pace_bucket bucket = pace_new(&sim, at(12, 0));
    for (int i = 0; i < 5000; i++)
        pace_spend(&sim, &bucket, at(12, 0));
    assert_int_equal(pace_opens_ms(&sim, &bucket, SMS_PRIO_BULK, at(12, 0)), at(12, 0));
}

static void test_reach(void **state)
{
    (void)state;
    struct pace_sim free = {0}, sim = {.per_hour = 150};
    struct pace_bucket none = pace_new(&free, at(15, 0)), bucket = pace_new(&sim, at(15, 0));
    /* 8 a minute for half an hour */
    assert_int_equal(pace_reach(&free, none, SMS_PRIO_DUTY, 7500, at(15, 0), at(15, 30), 5000),
                     240);
    assert_int_equal(pace_reach(&free, none, SMS_PRIO_DUTY, 7500, at(15, 0), at(15, 30), 100), 100);
    /* 30 at once and 120 an hour */
    assert_in_range(pace_reach(&sim, bucket, SMS_PRIO_DUTY, 7500, at(15, 0), at(15, 30), 5000), 86,
                    91);
    assert_int_equal(pace_reach(&sim, bucket, SMS_PRIO_DUTY, 7500, at(15, 0), at(15, 0), 5000), 0);
}

static void test_quiet_hours(void **state)
{
    (void)state;
    struct pace_limits night = {.quiet_from = 21 * 60, .quiet_to = 390};
    struct pace_limits noon = {.quiet_from = 12 * 60, .quiet_to = 13 * 60};
    struct pace_limits none = {0};
    assert_int_equal(pace_after_quiet(&night, at(20, 59)), at(20, 59));
    assert_int_equal(pace_after_quiet(&night, at(21, 0)), at(30, 30));
    assert_int_equal(pace_after_quiet(&night, at(3, 0)), at(6, 30));
    assert_int_equal(pace_after_quiet(&night, at(6, 30)), at(6, 30));
    assert_int_equal(pace_after_quiet(&noon, at(12, 15)), at(13, 0));
    assert_int_equal(pace_after_quiet(&none, at(0, 0)), at(0, 0));
}

static void test_recipient_steps(void **state)
{
    (void)state;
    struct pace_limits limits = {.recipient_day = 30};
    struct pace_limits off = {0};
    int64_t times[PACE_RECENT];
    for (int i = 0; i < 5; i++)
        times[i] = at(12, i);
    assert_int_equal(pace_recipient_ms(&limits, times, 4, SMS_PRIO_REMINDER, at(12, 5)), at(12, 5));
    assert_int_equal(pace_recipient_ms(&limits, times, 5, SMS_PRIO_REMINDER, at(12, 5)),
                     at(12, 15));
    assert_int_equal(pace_recipient_ms(&limits, times, 5, SMS_PRIO_DUTY, at(12, 5)), at(12, 5));
    assert_int_equal(pace_recipient_ms(&limits, times, 5, SMS_PRIO_PANIC, at(12, 5)), at(12, 5));
    assert_int_equal(pace_recipient_ms(&off, times, 5, SMS_PRIO_BULK, at(12, 5)), at(12, 5));
    for (int i = 0; i < 60; i++)
        times[i] = at(0, i * 5);
    assert_int_equal(pace_recipient_ms(&limits, times, 30, SMS_PRIO_BULK, at(12, 0)), at(24, 0));
    assert_int_equal(pace_recipient_ms(&limits, times, 60, SMS_PRIO_DUTY, at(12, 0)), at(24, 0));
}

/* --- the outbox --- */

static int setup(void **state)
{
    struct smsworld *world = malloc(sizeof *world);
    log_set_level(LOG_LEVEL_ERROR);
    smsworld_open(world, 1);
    world->cells.wall_ms = at(12, 0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    smsworld_close(*state);
    free(*state);
    return 0;
}

static const char *put(struct smsworld *world, int number, const char *phone, int prio)
{
    char idem[16], text[32];
    snprintf(idem, sizeof idem, "m%d", number);
    snprintf(text, sizeof text, "number %d", number);
    return smsworld_put(world, idem, phone, text, prio, NULL);
}

static struct outbox_expectation expect(struct smsworld *world, const char *id)
{
    struct outbox_expectation ret = {NULL, -1};
    assert_true(outbox_expect(world->outbox, id, &ret));
    return ret;
}

/* Results for whatever is under way. */
static int send_all(struct smsworld *world)
{
    int sent = 0;
    while (world->submitted[0].kind == FRAME_SUBMIT) {
        smsworld_result(world, SEND_OK, sent & 0xff);
        sent++;
    }
    return sent;
}

static void test_bucket_holds_and_tells(void **state)
{
    struct smsworld *world = *state;
    char phone[24], last[LIMIT_ID_BYTES + 1] = "";
    world->pace = (struct pace_sim){.per_hour = 50};
    smsworld_restart(world);
    for (int i = 0; i < 12; i++) {
        snprintf(phone, sizeof phone, "+861380000%04d", i);
        text_copy(last, sizeof last, put(world, i, phone, SMS_PRIO_DUTY));
    }
    assert_int_equal(send_all(world), 10);
    struct outbox_expectation e = expect(world, last);
    assert_string_equal(e.reason, "pace");
    assert_in_range(e.at_ms, at(12, 0) + 2 * 90000, at(12, 0) + 2 * 90000 + 15000); /* 40 an hour */
    assert_true(outbox_idle(world->outbox)); /* the clock may jump ... */
    assert_int_equal(outbox_next_due_ms(world->outbox), at(12, 0) + 90000); /* ... to here */
    smsworld_put(world, "alarm", PERSON, "报警", SMS_PRIO_PANIC, NULL);
    assert_int_equal(send_all(world), 1);
    smsworld_restart(world); /* and the bucket is as empty as it was */
    smsworld_pass(world, 90000);
    assert_int_equal(send_all(world), 0); /* the alarm took one */
    smsworld_pass(world, 90000);
    assert_int_equal(send_all(world), 1);
    smsworld_pass(world, 90000);
    assert_int_equal(send_all(world), 1);
    assert_string_equal(smsworld_state(world, last), "sent");
}

static void test_quiet_hours_hold(void **state)
{
    struct smsworld *world = *state;
    char duty[LIMIT_ID_BYTES + 1], remind[LIMIT_ID_BYTES + 1];
    world->limits = (struct pace_limits){.quiet_from = 21 * 60, .quiet_to = 390};
    world->cells.wall_ms = at(20, 50);
    smsworld_restart(world);
    world->ready[0] = false; /* the modem is away until the quiet hours have begun */
    text_copy(duty, sizeof duty, put(world, 1, PERSON, SMS_PRIO_DUTY));
    text_copy(remind, sizeof remind, put(world, 2, PERSON, SMS_PRIO_REMINDER));
    world->ready[0] = true;
    world->cells.wall_ms = at(21, 10);
    const char *now = put(world, 3, PERSON, SMS_PRIO_DUTY); /* put at night on purpose */
    assert_string_equal(smsworld_state(world, now), "submitted");
    assert_int_equal(send_all(world), 1);
    assert_string_equal(smsworld_state(world, duty), "queued");
    assert_string_equal(expect(world, duty).reason, "quiet");
    assert_int_equal(expect(world, remind).at_ms, at(30, 30));
    put(world, 4, PERSON, SMS_PRIO_PANIC);
    assert_int_equal(send_all(world), 1);
    assert_true(outbox_idle(world->outbox));
}

static void test_recipient_cap(void **state)
{
    struct smsworld *world = *state;
    char last[LIMIT_ID_BYTES + 1] = "";
    world->limits = (struct pace_limits){.recipient_day = 30};
    smsworld_restart(world);
    for (int i = 0; i < 6; i++)
        text_copy(last, sizeof last, put(world, i, PERSON, SMS_PRIO_REMINDER));
    assert_int_equal(send_all(world), 5);
    assert_string_equal(expect(world, last).reason, "cap");
    assert_int_equal(expect(world, last).at_ms, at(12, 15));
    put(world, 7, "+8613800000002", SMS_PRIO_REMINDER); /* nobody else waits */
    put(world, 8, PERSON, SMS_PRIO_DUTY);
    assert_int_equal(send_all(world), 2);
    smsworld_pass(world, 15 * MINUTE);
    assert_int_equal(send_all(world), 1);
}

/* The modem is away for 40 minutes: what was to go in two quarters of an hour comes so. */
static void test_recipient_cap_after_an_outage(void **state)
{
    struct smsworld *world = *state;
    char last[LIMIT_ID_BYTES + 1];
    world->limits = (struct pace_limits){.recipient_day = 30};
    smsworld_restart(world);
    world->ready[0] = false;
    for (int i = 0; i < 8; i++)
        text_copy(last, sizeof last, put(world, i, PERSON, SMS_PRIO_REMINDER));
    smsworld_pass(world, 40 * MINUTE);
    world->ready[0] = true;
    smsworld_pass(world, 0);
    assert_int_equal(send_all(world), 5);
    assert_string_equal(expect(world, last).reason, "cap");
    assert_int_equal(expect(world, last).at_ms, at(12, 55));
    put(world, 9, OTHER, SMS_PRIO_REMINDER); /* nobody else waits */
    put(world, 10, PERSON, SMS_PRIO_PANIC);
    assert_int_equal(send_all(world), 2);
    smsworld_pass(world, 15 * MINUTE);
    assert_int_equal(send_all(world), 3);
}

/* Two minutes late: the quarter of an hour begins when they went. */
static void test_recipient_cap_counts_what_went(void **state)
{
    struct smsworld *world = *state;
    world->limits = (struct pace_limits){.recipient_day = 30};
    smsworld_restart(world);
    world->ready[0] = false;
    for (int i = 0; i < 5; i++)
        put(world, i, PERSON, SMS_PRIO_REMINDER);
    smsworld_pass(world, 2 * MINUTE);
    world->ready[0] = true;
    smsworld_pass(world, 0);
    assert_int_equal(send_all(world), 5);
    smsworld_pass(world, 8 * MINUTE);
    const char *next = put(world, 6, PERSON, SMS_PRIO_REMINDER);
    assert_int_equal(expect(world, next).at_ms, at(12, 17));
}

/* A phone that is off had its texts all the same; what the network refused did not go. */
static void test_recipient_cap_counts_what_failed_there(void **state)
{
    struct smsworld *world = *state;
    world->limits = (struct pace_limits){.recipient_day = 30};
    smsworld_restart(world);
    for (int i = 0; i < 5; i++) {
        put(world, i, PERSON, SMS_PRIO_REMINDER);
        smsworld_result(world, SEND_OK, 40 + i);
        smsworld_report(world, PERSON, 40 + i, 0x46);
    }
    assert_int_equal(replica_get_int(world->replica, 0,
                                     "SELECT count(*) FROM outbox WHERE state = 'failed'", ""),
                     5);
    const char *next = put(world, 6, PERSON, SMS_PRIO_REMINDER);
    assert_int_equal(expect(world, next).at_ms, at(12, 15));
}

static void test_same_text_once(void **state)
{
    struct smsworld *world = *state;
    world->limits = (struct pace_limits){.same_text_ms = 10 * MINUTE};
    smsworld_restart(world);
    smsworld_put(world, "a", PERSON, "改为07:10", SMS_PRIO_DUTY, NULL);
    const char *again = smsworld_put(world, "b", PERSON, "改为07:10", SMS_PRIO_DUTY, NULL);
    assert_string_equal(smsworld_state(world, again), "cancelled");
    assert_int_equal(replica_get_int(world->replica, 0,
                                     "SELECT count(*) FROM outbox WHERE reason = 'same text'", ""),
                     1);
    smsworld_put(world, "c", PERSON, "改为07:30", SMS_PRIO_DUTY, NULL);
    smsworld_put(world, "d", PERSON, "改为07:10", SMS_PRIO_DUTY, NULL); /* and back */
    smsworld_put(world, "e", PERSON, "报警", SMS_PRIO_PANIC, NULL);
    smsworld_put(world, "f", PERSON, "报警", SMS_PRIO_PANIC, NULL);
    assert_int_equal(send_all(world), 5);
    smsworld_put(world, "g", PERSON, "晚", SMS_PRIO_DUTY, NULL);
    smsworld_pass(world, 11 * MINUTE);
    smsworld_put(world, "h", PERSON, "晚", SMS_PRIO_DUTY, NULL);
    assert_int_equal(send_all(world), 2);
}

static void set_quiet(struct smsworld *world, const char *number, int from, int to)
{
    char phone[LIMIT_SEALED_PHONE_BYTES];
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", number);
    replica_enter(world->replica);
    outbox_set_quiet(world->outbox, phone, from, to);
    replica_leave(world->replica, true);
    smsworld_pass(world, 0);
}

/* It is noon. One person sleeps until twenty to one, another one has no quiet hours at all. */
static void test_quiet_hours_of_one_phone(void **state)
{
    struct smsworld *world = *state;
    char waits[LIMIT_ID_BYTES + 1];
    world->limits = (struct pace_limits){.quiet_from = 21 * 60, .quiet_to = 390};
    smsworld_restart(world);
    set_quiet(world, PERSON, 9 * 60, 12 * 60 + 40);
    set_quiet(world, OTHER, 0, 0);
    text_copy(waits, sizeof waits, put(world, 1, PERSON, SMS_PRIO_DUTY));
    put(world, 2, OTHER, SMS_PRIO_DUTY);
    put(world, 3, PERSON, SMS_PRIO_PANIC);
    assert_int_equal(send_all(world), 2); /* an alarm wakes everybody */
    assert_string_equal(expect(world, waits).reason, "quiet");
    assert_int_equal(expect(world, waits).at_ms, at(12, 40));
    smsworld_pass(world, 40 * MINUTE);
    assert_int_equal(send_all(world), 1);
    smsworld_pass(world, 9 * HOUR); /* twenty to ten in the evening */
    put(world, 4, OTHER, SMS_PRIO_REMINDER);
    assert_int_equal(send_all(world), 1);
    set_quiet(world, OTHER, -1, 0); /* as everybody */
    put(world, 5, OTHER, SMS_PRIO_REMINDER);
    assert_int_equal(send_all(world), 0);
}

/* They begin under what waits. */
static void test_own_quiet_hours_begin(void **state)
{
    struct smsworld *world = *state;
    char waits[LIMIT_ID_BYTES + 1];
    world->limits = (struct pace_limits){.quiet_from = 21 * 60, .quiet_to = 390};
    smsworld_restart(world);
    set_quiet(world, PERSON, 12 * 60 + 30, 13 * 60);
    world->ready[0] = false;
    text_copy(waits, sizeof waits, put(world, 1, PERSON, SMS_PRIO_REMINDER));
    put(world, 2, OTHER, SMS_PRIO_REMINDER);
    smsworld_pass(world, 40 * MINUTE);
    world->ready[0] = true;
    smsworld_pass(world, 0);
    assert_int_equal(send_all(world), 1);
    assert_string_equal(expect(world, waits).reason, "quiet");
    smsworld_pass(world, 20 * MINUTE);
    assert_int_equal(send_all(world), 1);
}

static void set_paused(struct smsworld *world, bool paused)
{
    replica_enter(world->replica);
    outbox_set_paused(world->outbox, paused);
    replica_leave(world->replica, true);
    smsworld_pass(world, 0);
}

static void test_pause(void **state)
{
    struct smsworld *world = *state;
    char waits[LIMIT_ID_BYTES + 1];
    set_paused(world, true);
    text_copy(waits, sizeof waits, put(world, 1, PERSON, SMS_PRIO_DUTY));
    put(world, 2, PERSON, SMS_PRIO_PANIC);
    assert_int_equal(send_all(world), 1);
    assert_string_equal(expect(world, waits).reason, "paused");
    smsworld_restart(world);
    assert_int_equal(outbox_paused_since(world->outbox), at(12, 0));
    assert_int_equal(send_all(world), 0);
    assert_true(outbox_idle(world->outbox));
    set_paused(world, false);
    assert_int_equal(send_all(world), 1);
    assert_int_equal(outbox_paused_since(world->outbox), 0);
}

static int retry(struct smsworld *world, const char *id)
{
    replica_enter(world->replica);
    int code = outbox_retry(world->outbox, id);
    replica_leave(world->replica, true);
    smsworld_pass(world, 0);
    return code;
}

static void test_retry_by_hand(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    text_copy(id, sizeof id, put(world, 1, PERSON, SMS_PRIO_DUTY));
    assert_int_equal(retry(world, id), ERR_STATE); /* under way */
    smsworld_result(world, SEND_CMS, 1);
    assert_string_equal(smsworld_state(world, id), "failed");
    assert_int_equal(retry(world, id), ERR_OK);
    assert_string_equal(world->submitted[0].text, "(copy 1) number 1");
    smsworld_result(world, SEND_OK, 9);
    assert_string_equal(smsworld_state(world, id), "sent");
    assert_int_equal(retry(world, id), ERR_STATE);
    assert_int_equal(retry(world, "nothing"), ERR_NOT_FOUND);
}

static void test_cancel_one(void **state)
{
    struct smsworld *world = *state;
    char id[LIMIT_ID_BYTES + 1];
    world->ready[0] = false;
    text_copy(id, sizeof id, put(world, 1, PERSON, SMS_PRIO_DUTY));
    replica_enter(world->replica);
    assert_int_equal(outbox_cancel_one(world->outbox, id, "by hand"), ERR_OK);
    assert_int_equal(outbox_cancel_one(world->outbox, id, "by hand"), ERR_STATE);
    assert_int_equal(outbox_cancel_one(world->outbox, "nothing", "by hand"), ERR_NOT_FOUND);
    replica_leave(world->replica, true);
    assert_string_equal(smsworld_state(world, id), "cancelled");
    world->ready[0] = true;
    smsworld_pass(world, MINUTE);
    assert_int_equal(world->submits, 0);
}

static void test_reach_behind_the_queue(void **state)
{
    struct smsworld *world = *state;
    world->pace = (struct pace_sim){.per_hour = 150};
    smsworld_restart(world);
    int free = outbox_reach(world->outbox, SMS_PRIO_DUTY, at(12, 30));
    assert_in_range(free, 86, 91);
    world->ready[0] = false;
    put(world, 1, PERSON, SMS_PRIO_DUTY);
    assert_int_equal(outbox_reach(world->outbox, SMS_PRIO_DUTY, at(12, 30)), 0); /* no modem */
    world->ready[0] = true;
    assert_int_equal(outbox_reach(world->outbox, SMS_PRIO_DUTY, at(12, 30)), free - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_hour_sees_more),
        cmocka_unit_test(test_reserve_for_the_urgent),
        cmocka_unit_test(test_clock_back_adds_nothing),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_quiet_hours),
        cmocka_unit_test(test_recipient_steps),
        cmocka_unit_test_setup_teardown(test_bucket_holds_and_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiet_hours_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recipient_cap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recipient_cap_after_an_outage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recipient_cap_counts_what_went, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recipient_cap_counts_what_failed_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_same_text_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiet_hours_of_one_phone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_quiet_hours_begin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reach_behind_the_queue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
