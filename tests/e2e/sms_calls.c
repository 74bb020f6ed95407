/* Calls with the real worker and the simulated modem: ringing somebody, how it ends, a message in
 * between, and who rings us. For either driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/replica/replica.h"
#include "tests/lib/smsstation.h"

#define PERSON "+8613800000001"
enum { WAIT_MS = 20000 };

static int setup(void **state)
{
    struct smsstation *station = calloc(1, sizeof *station);
    smsstation_open(station);
    smsstation_start(station);
    *state = station;
    return 0;
}

static int teardown(void **state)
{
    smsstation_stop(*state);
    smsstation_close(*state);
    free(*state);
    return 0;
}

static void put_call(struct smsstation *station, const char *idem, int ring_ms)
{
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    replica_enter(station->replica);
    replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", PERSON);
    struct calls_order order = {idem, phone,   "alarm",
                                "a1", ring_ms, clock_wall_ms(&station->clock) + 60000};
    assert_int_equal(calls_put(sms_calls(station->sms), &order), ERR_OK);
    replica_leave(station->replica, true);
}

static bool has_state(struct smsstation *station, const char *state)
{
    return replica_get_int(station->replica, 0, "SELECT count(*) FROM sms_call WHERE state = ?1",
                           "s", state) > 0;
}

static bool is_calling(struct smsstation *station, const char *arg)
{
    (void)arg;
    return smsstation_stat(station, "calling") == 1;
}

static void expect_end(void **state, const char *callee, int ring_ms, const char *end)
{
    struct smsstation *station = *state;
    char order[96];
    snprintf(order, sizeof order, "{\"cmd\":\"callee\",\"does\":\"%s\",\"after_ms\":1500}", callee);
    smsstation_tell(station, order);
    put_call(station, "c", ring_ms);
    assert_true(smsstation_until(station, has_state, end, WAIT_MS));
    assert_int_equal(smsstation_stat(station, "calls"), 1);
    assert_false(is_calling(station, NULL));
    assert_true(smsstation_until(station, smsstation_is_ready, NULL, WAIT_MS));
}

static void test_rings_until_it_is_enough(void **state)
{
    expect_end(state, "ring", 2500, "rang");
}

static void test_answered(void **state)
{
    expect_end(state, "answer", 20000, "answered");
}

static void test_refused(void **state)
{
    expect_end(state, "reject", 20000, "refused");
}

static void test_busy(void **state)
{
    expect_end(state, "busy", 20000, "refused");
}

static void test_no_call_at_all(void **state)
{
    expect_end(state, "fail", 20000, "failed");
}

static bool is_sent(struct smsstation *station, const char *text)
{
    const char *state = smsstation_state(station, text);
    return text_equal(state, "sent") || text_equal(state, "delivered");
}

static void test_messages_go_meanwhile(void **state)
{
    struct smsstation *station = *state;
    smsstation_tell(station, "{\"cmd\":\"callee\",\"does\":\"ring\"}");
    put_call(station, "c", 30000);
    assert_true(smsstation_until(station, is_calling, NULL, WAIT_MS));
    smsstation_put(station, PERSON, "报警", SMS_PRIO_PANIC);
    assert_true(smsstation_until(station, is_sent, "报警", WAIT_MS));
    assert_true(has_state(station, "dialling"));
    assert_false(sms_idle(station->sms));
    replica_enter(station->replica);
    calls_cancel(sms_calls(station->sms), "alarm", "a1", NULL, true); /* somebody goes there */
    replica_leave(station->replica, true);
    assert_true(smsstation_until(station, has_state, "stopped", WAIT_MS));
    assert_false(is_calling(station, NULL));
}

static void test_unplugged_while_it_rings(void **state)
{
    struct smsstation *station = *state;
    smsstation_tell(station, "{\"cmd\":\"callee\",\"does\":\"ring\"}");
    put_call(station, "c", 30000);
    assert_true(smsstation_until(station, is_calling, NULL, WAIT_MS));
    smsstation_tell(station, "{\"cmd\":\"unplug\"}");
    assert_true(smsstation_until(station, has_state, "stopped", WAIT_MS));
    smsstation_tell(station, "{\"cmd\":\"plug\"}");
    assert_true(smsstation_until(station, smsstation_is_ready, NULL, WAIT_MS));
    assert_int_equal(smsstation_stat(station, "calls"), 1); /* not dialled again */
}

static bool has_heard(struct smsstation *station, const char *number)
{
    return replica_get_int(station->replica, 0,
                           "SELECT count(*) FROM sms_call WHERE state = 'heard'"
                           " AND phone = seal_phone(?1)",
                           "s", number) > 0;
}

static void test_who_rings_is_heard_once(void **state)
{
    struct smsstation *station = *state;
    assert_true(smsstation_until(station, smsstation_is_ready, NULL, WAIT_MS));
    smsstation_tell(station, "{\"cmd\":\"ring\",\"from\":\"" PERSON "\",\"ms\":2500}");
    assert_true(smsstation_until(station, has_heard, PERSON, WAIT_MS));
    smsstation_put(station, PERSON, "之间", SMS_PRIO_DUTY); /* RING in the middle of it */
    assert_true(smsstation_until(station, is_sent, "之间", WAIT_MS));
    smsstation_turn(station, 2500);
    smsstation_tell(station, "{\"cmd\":\"ring\",\"from\":\"13800000002\",\"ms\":100}");
    assert_true(smsstation_until(station, has_heard, "+8613800000002", WAIT_MS));
    smsstation_tell(station, "{\"cmd\":\"ring\",\"from\":\"\",\"ms\":100}"); /* hidden */
    smsstation_turn(station, 300);
    assert_int_equal(replica_get_int(station->replica, 0, "SELECT count(*) FROM sms_call", ""), 2);
    assert_int_equal(smsstation_stat(station, "calls"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rings_until_it_is_enough),
        TEST(test_answered),
        TEST(test_refused),
        TEST(test_busy),
        TEST(test_no_call_at_all),
        TEST(test_messages_go_meanwhile),
        TEST(test_unplugged_while_it_rings),
        TEST(test_who_rings_is_heard_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
