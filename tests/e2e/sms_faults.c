/* Everything that modems and networks were seen to do, one thing after another, with the real
 * worker and the simulated modem: each costs what it must and nothing else, and the next message
 * goes as if nothing had been. Holds for both drivers: TOUYAN_TEST_DRIVER says which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "tests/lib/smsstation.h"

#define PERSON "+8613800000001"

enum { SOON_MS = 30000, JUMP_MS = 16 * 60 * 1000, BEAT_MS = 400, JUMPS = 8, BURST = 45 };

static int setup(void **state)
{
    static struct smsstation station;
    smsstation_open(&station);
    station.modem.beat_ms = BEAT_MS;
    smsstation_start(&station);
    *state = &station;
    return 0;
}

static bool is_in_queue(struct smsstation *s, const char *text)
{
    const char *state = smsstation_state(s, text);
    return text_equal(state, "queued") || text_equal(state, "submitted");
}

static bool is_judged(struct smsstation *s, const char *text)
{
    return !text_equal(smsstation_state(s, text), "submitted") &&
           replica_get_int(s->replica, 0,
                           "SELECT count(*) FROM outbox_part p JOIN outbox m ON m.seq ="
                           " p.message_seq WHERE m.idem = ?1 AND (p.cause IS NOT NULL OR"
                           " p.state IN ('sent', 'delivered', 'unknown'))",
                           "s", text) > 0;
}

static bool has_heard(struct smsstation *s, const char *text)
{
    for (size_t i = 0; i < s->text_count; i++)
        if (text_equal(s->texts[i].body, text))
            return true;
    return false;
}

static bool is_sim_empty(struct smsstation *s, const char *arg)
{
    (void)arg;
    return smsstation_stat(s, "inbound_stored") == 0 && smsstation_stat(s, "inbound_waiting") == 0;
}

static bool has_all(struct smsstation *s, const char *arg)
{
    (void)arg;
    return s->text_count >= BURST && is_sim_empty(s, NULL);
}

#define UNTIL(condition, arg) assert_true(smsstation_until(s, condition, arg, SOON_MS))

static void arm(struct smsstation *s, const char *fault)
{
    char order[512];
    snprintf(order, sizeof order, "{\"cmd\":\"fault\",\"times\":1,\"kind\":%s}", fault);
    smsstation_tell(s, order);
}

/* Time passes until it was tried again as often as it takes: the longest pause is 15 minutes. */
static void wait_out(struct smsstation *s, const char *text)
{
    for (int i = 0; i < JUMPS && is_in_queue(s, text); i++) {
        smsstation_jump(s, JUMP_MS);
        UNTIL(smsstation_is_ready, NULL);
        smsstation_turn(s, 300);
    }
}

/* The message after it, and a text to us, go as always. */
static void go_on(struct smsstation *s, const char *what)
{
    char text[300], order[400];
    snprintf(text, sizeof text, "之后 %.200s", what);
    for (char *at = text; (at = strpbrk(at, "\"\\{}")) != NULL;)
        *at = ' ';
    snprintf(order, sizeof order, "{\"cmd\":\"inbound\",\"from\":\"%s\",\"text\":\"%s\"}", PERSON,
             text);
    smsstation_tell(s, order);
    smsstation_put(s, PERSON, text, SMS_PRIO_DUTY);
    smsstation_turn(s, 200);
    wait_out(s, text); /* its number may be left alone for a while */
    if (!smsstation_until(s, smsstation_is_delivered, text, SOON_MS) ||
        !smsstation_until(s, has_heard, text, SOON_MS))
        fail_msg("%s: %s", text, smsstation_state(s, text));
    assert_int_equal(smsstation_book(s, "message", text), 1);
    s->text_count = 0;
}

/* Refusals: those that are the recipient's end the message, all others only delay it. */
static void refuse(struct smsstation *s, const char *kind, int number)
{
    char fault[160], text[64];
    bool cme = text_equal(kind, "cme_error");
    bool final = outbox_blame(cme ? SEND_CME : SEND_CMS, number) == BLAME_RECIPIENT;
    snprintf(fault, sizeof fault, "\"%s\",\"number\":%d,\"on\":\"AT+CMGS\"", kind, number);
    snprintf(text, sizeof text, "%s %d", kind, number);
    UNTIL(smsstation_is_ready, NULL);
    arm(s, fault);
    smsstation_put(s, PERSON, text, SMS_PRIO_REMINDER);
    UNTIL(is_judged, text);
    wait_out(s, text);
    if (!final && !smsstation_until(s, smsstation_is_delivered, text, SOON_MS))
        fail_msg("%s: %s", text, smsstation_state(s, text));
    if (final)
        assert_string_equal(smsstation_state(s, text), "failed");
    assert_int_equal(smsstation_book(s, "accepted", text), !final);
}

static void test_every_refusal(void **state)
{
    static const int cms[] = {38,  42,  47,  50,  69,  208, 211, 322, 302, 304,
                              310, 314, 331, 332, 500, 512, 513, 514, 515};
    static const int cme[] = {10, 13, 14, 100, 515};
    for (size_t i = 0; i < sizeof cms / sizeof cms[0]; i++)
        refuse(*state, "cms_error", cms[i]);
    for (size_t i = 0; i < sizeof cme / sizeof cme[0]; i++)
        refuse(*state, "cme_error", cme[i]);
    refuse(*state, "cms_error_at_once", 512);
    go_on(*state, "refusals");
}

/* None of them costs a message or a copy; some cost a moment. */
static void test_every_oddity(void **state)
{
    struct smsstation *s = *state;
    static const char *const faults[] = {
        "\"no_prompt\"",
        "\"bare_prompt\"",
        "\"error\"",
        "\"late_answer\",\"ms\":1000",
        "\"one_byte\"",
        "\"garbage\"",
        "\"echo_off\"",
        "\"cmti_lost\"",
        "\"duplicate_report\"",
        "\"late_report\",\"ms\":800",
        "\"early_report\"",
        "\"registration_lost\",\"ms\":800",
        "\"silent\",\"ms\":700",
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        UNTIL(smsstation_is_ready, NULL);
        arm(s, faults[i]);
        smsstation_put(s, PERSON, faults[i], SMS_PRIO_REMINDER);
        UNTIL(is_judged, faults[i]);
        wait_out(s, faults[i]);
        if (!smsstation_until(s, smsstation_is_delivered, faults[i], SOON_MS))
            fail_msg("%s: %s", faults[i], smsstation_state(s, faults[i]));
        assert_int_equal(smsstation_book(s, "accepted", faults[i]), 1);
        go_on(s, faults[i]);
    }
}

static void test_every_line_that_nobody_asked_for(void **state)
{
    struct smsstation *s = *state;
    static const char *const places[] = {"urc_before", "urc_inside", "urc_after"};
    static const char *const lines[] = {"RDY",
                                        "+CFUN: 1",
                                        "+CPIN: READY",
                                        "+QIND: SMS DONE",
                                        "Call Ready",
                                        "SMS Ready",
                                        "^RSSI:20",
                                        "^NWTIME: 26/09/01,01:02:03+32,0",
                                        "+CREG: 1",
                                        "NO CARRIER",
                                        "+CMTI: \\\"SM\\\",1,\\\"MMS PUSH\\\",2,1",
                                        "OVER-VOLTAGE WARNNING"};
    int count = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char fault[256], text[64];
        snprintf(fault, sizeof fault, "\"%s\",\"text\":\"%s\"", places[i % 3], lines[i]);
        snprintf(text, sizeof text, "第%d行", ++count);
        UNTIL(smsstation_is_ready, NULL);
        arm(s, fault);
        smsstation_put(s, PERSON, text, SMS_PRIO_REMINDER);
        if (!smsstation_until(s, smsstation_is_delivered, text, SOON_MS))
            fail_msg("%s: %s", fault, smsstation_state(s, text));
        assert_int_equal(smsstation_book(s, "accepted", text), 1);
    }
    go_on(s, "lines");
    assert_int_equal(smsstation_book(s, "accepted", NULL), count + 1);
}

/* What is perhaps sent: never twice, and an alarm once more with its mark. */
static void test_silence_in_mid_message(void **state)
{
    struct smsstation *s = *state;
    static const char *const faults[] = {"\"hang_mid_pdu\",\"ms\":3000", "\"answer_lost\""};
    for (size_t i = 0; i < 2; i++) {
        char alarm[64], copy[80];
        UNTIL(smsstation_is_ready, NULL);
        if (i == 1) /* the other one is not even accepted */
            arm(s, "\"no_report\"");
        arm(s, faults[i]);
        smsstation_put(s, PERSON, faults[i], SMS_PRIO_REMINDER);
        UNTIL(is_judged, faults[i]);
        assert_string_equal(smsstation_state(s, faults[i]), "unknown");
        go_on(s, faults[i]);
        assert_int_equal(smsstation_book(s, "accepted", faults[i]), i == 1);
        UNTIL(smsstation_is_ready, NULL);
        if (i == 1)
            arm(s, "\"no_report\"");
        arm(s, faults[i]);
        snprintf(alarm, sizeof alarm, "报警%zu", i);
        snprintf(copy, sizeof copy, "(再发1)%s", alarm);
        smsstation_put(s, PERSON, alarm, SMS_PRIO_PANIC);
        UNTIL(smsstation_is_delivered, alarm);
        assert_int_equal(smsstation_book(s, "accepted", alarm), i == 1);
        assert_int_equal(smsstation_book(s, "accepted", copy), 1);
        smsstation_tell(s, "{\"cmd\":\"clear\"}");
    }
}

static void test_no_signal(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"network\",\"signal\":99}");
    smsstation_turn(s, 3 * BEAT_MS);
    go_on(s, "signal");
    smsstation_tell(s, "{\"cmd\":\"network\",\"registered\":false}");
    smsstation_put(s, PERSON, "没有网络", SMS_PRIO_REMINDER);
    smsstation_turn(s, 2 * BEAT_MS);
    smsstation_tell(s, "{\"cmd\":\"network\",\"registered\":true}");
    UNTIL(smsstation_is_ready, NULL);
    wait_out(s, "没有网络");
    UNTIL(smsstation_is_delivered, "没有网络");
    assert_int_equal(smsstation_book(s, "accepted", "没有网络"), 1);
}

/* The SIM has room for twenty: the network brings the rest when there is room again. */
static void test_burst_on_a_full_sim(void **state)
{
    struct smsstation *s = *state;
    smsstation_stop(s);
    for (int i = 0; i < BURST; i++) {
        char order[160];
        snprintf(order, sizeof order, "{\"cmd\":\"inbound\",\"from\":\"%s\",\"text\":\"来信%02d\"}",
                 PERSON, i);
        smsstation_tell(s, order);
    }
    smsstation_start(s);
    UNTIL(has_all, NULL);
    smsstation_turn(s, 200);
    assert_int_equal(s->text_count, BURST);
    for (int i = 0; i < BURST; i++) {
        char text[32];
        snprintf(text, sizeof text, "来信%02d", i);
        assert_true(has_heard(s, text));
    }
}

static void test_every_hostile_pdu(void **state)
{
    struct smsstation *s = *state;
    static const char *const pdus[] = {
        "0891683108100005F0040D91683108000000", /* truncated */
        "0891683108100005F0440D91683108000000F900086290207001202308FF0003010201597D", /* UDHL 255 */
        "0891683108100005F0040D91683108000000F9000862902070012023FF597D",             /* UDL 255 */
        "0891683108100005F0040D91683108000000F900086290207001202303597D4F",     /* half a UCS-2
                                                                                   character */
        "0891683108100005F0040D91683108000000F900206290207001202305C8329BFD06", /* DCS 0x20,
                                                                                   compressed */
        "0891683108100005F0040D91683108000000F900C86290207001202305C8329BFD06", /* DCS 0xC8, message
                                                                                   waiting */
        "0891683108100005F0040D91683108000000F900F562902070012023040102FF00", /* DCS 0xF5, 8 bit */
        "0891683108100005F0040AD04333595C0600086290207001202304673A5668", /* alphanumeric sender */
        "0891683108100005F004038111F00008629020700120230477ED53F7",       /* sender of 3 digits */
        "0891683108100005F0440D91683108000000F90008629020700120230805000311020096F6", /* part 0 */
        "0891683108100005F0440D91683108000000F900086290207001202308050003120203591A", /* part beyond
                                                                                         the total
                                                                                       */
        "0891683108100005F0440D91683108000000F90008629020700120230805000313FF015168", /* total of
                                                                                         255 */
        "0891683108100005F006010D91683108000000F9629020700120236290207001202300",     /* a report of
                                                                                         nothing */
        "0891683108100005F0040D91683108000000F900086290207001202300",                 /* empty */
        "00FF",       /* one octet */
        "FF91683108", /* service centre too long */
    };
    enum { COUNT = sizeof pdus / sizeof pdus[0] };
    UNTIL(smsstation_is_ready, NULL);
    for (int i = 0; i < COUNT; i++) {
        char order[512];
        snprintf(order, sizeof order, "{\"cmd\":\"inbound_pdu\",\"hex\":\"%s\"}", pdus[i]);
        smsstation_tell(s, order);
    }
    UNTIL(is_sim_empty, NULL);
    go_on(s, "hostile");
    /* each is kept, whatever it is taken for; one of them is a report */
    assert_int_equal(
        replica_get_int(s->replica, 0, "SELECT count(*) FROM inbox_pdu WHERE kind <> 'report'", ""),
        COUNT);
    assert_in_range(
        replica_get_int(s->replica, 0, "SELECT count(*) FROM inbox_pdu WHERE kind = 'bad'", ""), 5,
        COUNT - 3);
    struct sms_modem_status status;
    sms_modem_status(s->sms, 0, &status);
    assert_int_equal(status.restarts, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, smsstation_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_every_refusal),
        CASE(test_every_oddity),
        CASE(test_every_line_that_nobody_asked_for),
        CASE(test_silence_in_mid_message),
        CASE(test_no_signal),
        CASE(test_burst_on_a_full_sim),
        CASE(test_every_hostile_pdu),
    };
    cmocka_set_test_filter(getenv("TOUYAN_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
