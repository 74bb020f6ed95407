/* The whole way of a short message with the real worker and a simulated modem: what the network's
 * book says must be what our books say. Holds for both drivers: TOUYAN_TEST_DRIVER says which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "tests/lib/smsstation.h"

#define PERSON "+8613800000001"
#define OTHER "+8613800000002"
#define THIRD "+8613800000003"
#define FOURTH "+8613800000004"

enum { SOON_MS = 20000, WORKERS = 4, QUICK = 20, QUICK_US = 500000 };

static int setup(void **state)
{
    static struct smsstation station;
    smsstation_open(&station);
    smsstation_start(&station);
    *state = &station;
    return 0;
}

static bool is_down(struct smsstation *s, const char *arg)
{
    struct sms_modem_status status;
    (void)arg;
    return sms_modem_status(s->sms, 0, &status) && text_equal(status.state, "down");
}

static bool is_sent(struct smsstation *s, const char *text)
{
    const char *state = smsstation_state(s, text);
    return text_equal(state, "sent") || text_equal(state, "delivered");
}

static bool is_unknown(struct smsstation *s, const char *text)
{
    return text_equal(smsstation_state(s, text), "unknown");
}

static bool is_submitted(struct smsstation *s, const char *text)
{
    return text_equal(smsstation_state(s, text), "submitted");
}

static bool is_refused(struct smsstation *s, const char *text)
{
    return replica_get_int(s->replica, 0,
                           "SELECT count(*) FROM outbox_part p JOIN outbox m ON m.seq ="
                           " p.message_seq WHERE m.idem = ?1 AND p.cause IS NOT NULL",
                           "s", text) > 0;
}

static bool is_accepted(struct smsstation *s, const char *text)
{
    return smsstation_book(s, "accepted", text) > 0;
}

static bool has_texts(struct smsstation *s, const char *count)
{
    int want = 0;
    text_to_int(count, 0, STATION_TEXTS, &want);
    return s->text_count >= (size_t)want;
}

static bool is_sim_empty(struct smsstation *s, const char *arg)
{
    (void)arg;
    return smsstation_stat(s, "inbound_stored") == 0 && smsstation_stat(s, "inbound_waiting") == 0;
}

static bool is_idle(struct smsstation *s, const char *arg)
{
    (void)arg;
    return sms_idle(s->sms);
}

#define UNTIL(condition, arg) assert_true(smsstation_until(s, condition, arg, SOON_MS))

static void repeat(char *ret, const char *what, int times)
{
    ret[0] = '\0';
    for (int i = 0; i < times; i++)
        memcpy(ret + (size_t)i * strlen(what), what, strlen(what) + 1);
}

static void test_send_short_and_long(void **state)
{
    struct smsstation *s = *state;
    char longer[1024];
    repeat(longer, "值勤通知：", 30); /* 150 units: three parts */
    UNTIL(smsstation_is_ready, NULL);
    smsstation_put(s, PERSON, "张伟您好，明天07:20中心小学东门值勤，回1确认，回2来不了。",
                   SMS_PRIO_DUTY);
    smsstation_put(s, OTHER, longer, SMS_PRIO_REMINDER);
    UNTIL(smsstation_is_delivered, longer);
    UNTIL(smsstation_is_delivered, "张伟您好，明天07:20中心小学东门值勤，回1确认，回2来不了。");
    assert_int_equal(smsstation_book(s, "message", longer), 1);
    assert_int_equal(smsstation_book(s, "message", NULL), 2);
    assert_int_equal(smsstation_stat(s, "accepted"), 4);
    struct sms_modem_status status;
    assert_true(sms_modem_status(s->sms, 0, &status));
    assert_string_equal(status.imei, "867000000000017");
    assert_int_equal(status.sent, 4);
    assert_string_equal(status.driver, s->driver);
    assert_string_equal(status.make, s->profile);
    assert_string_equal(status.network, "46000");
    UNTIL(is_idle, NULL);
}

/* The driver encodes; what arrives must be what was given. */
static void test_all_characters(void **state)
{
    struct smsstation *s = *state;
    static const char *const texts[] = {
        "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?",
        "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
        "{}[]~\\|^€ {}[]~\\|^€",
        "波浪~~ ~到~~~岗~",
        "表情😀与𠮷字",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    UNTIL(smsstation_is_ready, NULL);
    for (int i = 0; i < COUNT; i++)
        smsstation_put(s, PERSON, texts[i], SMS_PRIO_DUTY);
    for (int i = 0; i < COUNT; i++) {
        UNTIL(is_sent, texts[i]);
        assert_int_equal(smsstation_book(s, "message", texts[i]), 1);
    }
}

/* libgammu cuts UCS-2 at 70 units, of which it wants two for a tilde: it gets another one. */
static void test_tildes_up_to_the_edge(void **state)
{
    struct smsstation *s = *state;
    char text[256];
    char heard[512];
    repeat(text, "~", 69);
    memcpy(text + 69, "中", 4);
    repeat(heard, text_equal(s->driver, "gammu") ? "～" : "~", 69);
    memcpy(heard + strlen(heard), "中", 4);
    UNTIL(smsstation_is_ready, NULL);
    smsstation_put(s, PERSON, text, SMS_PRIO_DUTY);
    UNTIL(is_sent, text);
    assert_int_equal(smsstation_book(s, "message", heard), 1);
}

static void test_inbound_short_and_long(void **state)
{
    struct smsstation *s = *state;
    char longer[1024];
    char order[2048];
    repeat(longer, "家长问询", 40);
    smsstation_tell(s, "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"上线前\"}");
    UNTIL(smsstation_is_ready, NULL);
    UNTIL(has_texts, "1");
    smsstation_tell(s, "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"到岗\"}");
    snprintf(order, sizeof order,
             "{\"cmd\":\"inbound\",\"from\":\"+8613800000003\",\"text\":\"%s\",\"reverse\":true}",
             longer);
    smsstation_tell(s, order);
    smsstation_tell(s, "{\"cmd\":\"inbound_pdu\",\"hex\":\"0891683108100005f0ff\"}");
    UNTIL(has_texts, "3");
    UNTIL(is_sim_empty, NULL);
    assert_string_equal(s->texts[0].body, "上线前");
    assert_string_equal(s->texts[1].body, "到岗");
    assert_string_equal(s->texts[1].number, OTHER);
    assert_string_equal(s->texts[2].body, longer);
    assert_int_equal(
        replica_get_int(s->replica, 0, "SELECT count(*) FROM inbox_pdu WHERE kind = 'bad'", ""), 1);
    smsstation_turn(s, 300);
    assert_int_equal(s->text_count, 3);
}

/* A message for the display (class 0) is announced with its PDU and never stored; a cell broadcast
 * is no message. */
static void test_message_that_is_not_stored(void **state)
{
    struct smsstation *s = *state;
    static const char flash[] = "+CMT: ,24\\r\\n"
                                "0891683108100005F0040D91683108000000F200106290114152102302"
                                "E834";
    char order[256];
    UNTIL(smsstation_is_ready, NULL);
    snprintf(order, sizeof order, "{\"cmd\":\"urc\",\"text\":\"+CBM: 88\\r\\n%s\"}",
             strstr(flash, "0891"));
    smsstation_tell(s, order);
    snprintf(order, sizeof order, "{\"cmd\":\"urc\",\"text\":\"%s\"}", flash);
    smsstation_tell(s, order);
    UNTIL(has_texts, "1");
    smsstation_tell(s, order); /* the network repeats it */
    smsstation_turn(s, 300);
    assert_int_equal(s->text_count, 1);
    assert_string_equal(s->texts[0].body, "hi");
    assert_string_equal(s->texts[0].number, OTHER);
}

/* A network refusal waits its turn; the others go on. */
static void test_refusals(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"cms_error\",\"number\":38,\"times\":1}");
    smsstation_put(s, PERSON, "第一条", SMS_PRIO_DUTY);
    UNTIL(is_refused, "第一条");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"cms_error_at_once\",\"number\":500,"
                       "\"times\":1}");
    smsstation_put(s, OTHER, "第二条", SMS_PRIO_DUTY);
    UNTIL(is_refused, "第二条");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"cms_error\",\"number\":21,\"times\":1}");
    smsstation_put(s, THIRD, "第三条", SMS_PRIO_DUTY);
    UNTIL(is_refused, "第三条");
    smsstation_put(s, FOURTH, "第四条", SMS_PRIO_DUTY);
    UNTIL(smsstation_is_delivered, "第四条");
    assert_string_equal(smsstation_state(s, "第一条"), "queued");
    assert_string_equal(smsstation_state(s, "第二条"), "queued");
    assert_string_equal(smsstation_state(s, "第三条"), "failed");
    smsstation_jump(s, 15000);
    UNTIL(smsstation_is_delivered, "第一条");
    UNTIL(smsstation_is_delivered, "第二条");
    assert_int_equal(smsstation_book(s, "message", NULL), 3);
    assert_int_equal(smsstation_book(s, "message", "第一条"), 1);
    struct sms_modem_status status;
    sms_modem_status(s->sms, 0, &status);
    assert_int_equal(status.restarts, 0); /* the driver survived all of it */
}

static void test_no_prompt(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_prompt\",\"times\":1}");
    smsstation_put(s, PERSON, "没有提示符", SMS_PRIO_REMINDER);
    UNTIL(is_refused, "没有提示符");
    assert_string_equal(smsstation_state(s, "没有提示符"), "queued"); /* surely not sent */
    smsstation_jump(s, 15000);
    UNTIL(smsstation_is_delivered, "没有提示符");
    assert_int_equal(smsstation_book(s, "message", NULL), 1);
    struct sms_modem_status status;
    sms_modem_status(s->sms, 0, &status);
    assert_int_equal(status.restarts, 1);
    assert_int_equal(status.unknown_sends, 0);
}

static void test_answer_lost_reminder(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_report\",\"times\":1}");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"answer_lost\",\"times\":1}");
    smsstation_put(s, PERSON, "提醒一", SMS_PRIO_REMINDER);
    UNTIL(is_unknown, "提醒一");
    smsstation_put(s, PERSON, "提醒二", SMS_PRIO_REMINDER);
    UNTIL(is_sent, "提醒二");
    smsstation_jump(s, 3600000);
    smsstation_turn(s, 300);
    assert_int_equal(smsstation_book(s, "accepted", "提醒一"), 1); /* at most once */
    assert_int_equal(smsstation_book(s, "accepted", NULL), 2);
}

static void test_answer_lost_report_tells(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"answer_lost\",\"times\":1}");
    smsstation_put(s, PERSON, "提醒", SMS_PRIO_REMINDER);
    UNTIL(smsstation_is_delivered, "提醒"); /* by its report alone */
    assert_int_equal(smsstation_book(s, "accepted", NULL), 1);
}

static void test_answer_lost_alarm(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_report\",\"times\":1}");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"answer_lost\",\"times\":1}");
    smsstation_put(s, PERSON, "【报警】东门", SMS_PRIO_PANIC);
    UNTIL(smsstation_is_delivered, "【报警】东门");
    assert_int_equal(smsstation_book(s, "accepted", "【报警】东门"), 1);
    assert_int_equal(smsstation_book(s, "accepted", "(再发1)【报警】东门"), 1);
    assert_int_equal(smsstation_book(s, "accepted", NULL), 2);
}

/* The answer that was given up comes to the next worker, which must not take it for its own. */
static void test_late_answer_to_next_worker(void **state)
{
    struct smsstation *s = *state;
    struct sms_modem_status status;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_report\",\"times\":1}");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"late_answer\",\"ms\":3000,\"times\":1}");
    smsstation_put(s, PERSON, "迟到的回答", SMS_PRIO_REMINDER);
    UNTIL(is_unknown, "迟到的回答");
    for (int i = 0; i < 5; i++) {
        char text[32];
        snprintf(text, sizeof text, "之后%d", i);
        smsstation_put(s, OTHER, text, SMS_PRIO_DUTY);
        UNTIL(smsstation_is_delivered, text);
        smsstation_turn(s, 150);
        assert_int_equal(smsstation_book(s, "accepted", text), 1);
    }
    sms_modem_status(s->sms, 0, &status);
    assert_int_equal(status.restarts, 1);
    assert_int_equal(smsstation_book(s, "accepted", NULL), 6);
}

static void test_unplug_in_mid_send(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_prompt\",\"times\":1}");
    smsstation_put(s, PERSON, "插拔之前", SMS_PRIO_REMINDER);
    UNTIL(is_submitted, "插拔之前");
    smsstation_tell(s, "{\"cmd\":\"unplug\"}");
    UNTIL(is_down, NULL);
    assert_string_equal(smsstation_state(s, "插拔之前"), "queued");
    assert_true(sms_idle(s->sms));
    smsstation_turn(s, 1500);
    assert_true(is_down(s, NULL));
    smsstation_tell(s, "{\"cmd\":\"clear\"}");
    smsstation_tell(s, "{\"cmd\":\"plug\"}");
    assert_true(smsstation_until(s, smsstation_is_ready, NULL, 6000));
    UNTIL(smsstation_is_delivered, "插拔之前");
    assert_int_equal(smsstation_book(s, "accepted", NULL), 1);
}

static void test_unplug_after_pdu(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_report\",\"times\":1}");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"late_answer\",\"ms\":2000,\"times\":1}");
    smsstation_put(s, PERSON, "可能已发", SMS_PRIO_REMINDER);
    UNTIL(is_accepted, "可能已发");
    smsstation_tell(s, "{\"cmd\":\"unplug\"}");
    UNTIL(is_unknown, "可能已发");
    smsstation_tell(s, "{\"cmd\":\"plug\"}");
    UNTIL(smsstation_is_ready, NULL);
    smsstation_turn(s, 500);
    assert_int_equal(smsstation_book(s, "accepted", NULL), 1);
}

static void test_unasked_lines(void **state)
{
    struct smsstation *s = *state;
    static const char *const places[] = {"urc_before", "urc_inside", "urc_after"};
    static const char *const lines[] = {"^NWTIME: 26/09/01", "+QIND: SMS DONE", "RDY",
                                        "+CPIN: READY", "OVER-VOLTAGE WARNNING"};
    static const char *const commands[] = {"AT+CMGS", "AT+CMGF", "AT+CSQ", "AT+CMGR"};
    UNTIL(smsstation_is_ready, NULL);
    int n = 0;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 5; k++) {
            char order[256];
            char text[64];
            snprintf(order, sizeof order,
                     "{\"cmd\":\"fault\",\"kind\":\"%s\",\"on\":\"%s\",\"text\":\"%s\","
                     "\"times\":1}",
                     places[i], commands[n % 4], lines[k]);
            smsstation_tell(s, order);
            snprintf(text, sizeof text, "第%d条", ++n);
            smsstation_put(s, PERSON, text, SMS_PRIO_DUTY);
            smsstation_tell(s, "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"1\"}");
            UNTIL(smsstation_is_delivered, text);
        }
    }
    UNTIL(is_sim_empty, NULL);
    assert_int_equal(smsstation_book(s, "accepted", NULL), n);
    struct sms_modem_status status;
    sms_modem_status(s->sms, 0, &status);
    assert_int_equal(status.restarts, 0);
}

static void test_odd_modems(void **state)
{
    struct smsstation *s = *state;
    static const char *const kinds[] = {"bare_prompt",      "one_byte",     "garbage",
                                        "echo_off",         "early_report", "late_answer",
                                        "duplicate_report", "cme_error"};
    UNTIL(smsstation_is_ready, NULL);
    for (size_t i = 0; i + 1 < sizeof kinds / sizeof kinds[0]; i++) {
        char order[160];
        snprintf(order, sizeof order, "{\"cmd\":\"fault\",\"kind\":\"%s\",\"times\":1,\"ms\":500}",
                 kinds[i]);
        smsstation_tell(s, order);
        smsstation_put(s, PERSON, kinds[i], SMS_PRIO_DUTY);
        smsstation_put(s, OTHER, order, SMS_PRIO_DUTY);
        UNTIL(smsstation_is_delivered, order);
        if (!smsstation_until(s, smsstation_is_delivered, kinds[i], SOON_MS))
            fail_msg("%s: %s", kinds[i], smsstation_state(s, kinds[i]));
        assert_int_equal(smsstation_book(s, "message", kinds[i]), 1);
    }
}

/* The worker is reaped and another is at work. */
static bool is_replaced(struct smsstation *s, const char *arg)
{
    struct sms_modem_status status;
    int restarts = 0;
    text_to_int(arg, 0, 1000, &restarts);
    return sms_modem_status(s->sms, 0, &status) && status.restarts >= restarts &&
           text_equal(status.state, "ready");
}

static void kill_workers(void)
{
    pid_t pids[WORKERS];
    int count = smsstation_workers(pids, WORKERS);
    assert_int_equal(count, 1);
    for (int i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}

static void test_worker_killed_in_mid_send(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"no_report\",\"times\":2}");
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"late_answer\",\"ms\":2000,\"times\":2}");
    smsstation_put(s, PERSON, "提醒", SMS_PRIO_REMINDER);
    UNTIL(is_accepted, "提醒");
    kill_workers();
    UNTIL(is_unknown, "提醒");
    UNTIL(is_replaced, "1");
    smsstation_put(s, PERSON, "报警", SMS_PRIO_PANIC);
    UNTIL(is_accepted, "报警");
    kill_workers();
    UNTIL(is_sent, "报警");
    assert_int_equal(smsstation_book(s, "accepted", "提醒"), 1);
    assert_int_equal(smsstation_book(s, "accepted", "报警"), 1);
    assert_int_equal(smsstation_book(s, "accepted", "(再发1)报警"), 1);
    assert_int_equal(smsstation_book(s, "accepted", NULL), 3);
}

/* Killed at any moment: no inbound text is lost or doubled, no outbound one is lost, and one is
 * doubled only with a mark. */
static void test_worker_killed_at_random(void **state)
{
    struct smsstation *s = *state;
    enum { ROUNDS = 8 };
    struct rnd rnd = rnd_seeded(11);
    UNTIL(smsstation_is_ready, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        char text[64];
        char order[160];
        snprintf(order, sizeof order,
                 "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"来信%d\"}", i);
        snprintf(text, sizeof text, "报警%d", i);
        smsstation_tell(s, order);
        smsstation_put(s, PERSON, text, SMS_PRIO_PANIC);
        smsstation_turn(s, (int)rnd_below(&rnd, 30));
        kill_workers();
        snprintf(order, sizeof order, "%d", i + 1);
        UNTIL(is_replaced, order);
        smsstation_jump(s, 5000);
        UNTIL(is_sent, text);
        int plain = smsstation_book(s, "accepted", text);
        assert_in_range(plain, 0, 1);
    }
    UNTIL(has_texts, "8");
    UNTIL(is_sim_empty, NULL);
    assert_int_equal(s->text_count, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        char text[64];
        snprintf(text, sizeof text, "来信%d", i);
        assert_string_equal(s->texts[i].body, text);
    }
    int64_t unknown = replica_get_int(
        s->replica, 0, "SELECT count(*) FROM outbox_history WHERE state = 'unknown'", "");
    assert_in_range(smsstation_book(s, "accepted", NULL), ROUNDS, ROUNDS + unknown);
}

static bool has_reached(struct smsstation *s, const char *text)
{
    return is_sent(s, text) || is_unknown(s, text);
}

/* The modem is killed instead: just after it took an alarm and before it answered, with texts on
 * its SIM, and at random. What it took is in our book, what it kept for us arrives once. */
static void test_modem_killed_at_random(void **state)
{
    struct smsstation *s = *state;
    enum { ROUNDS = 6 };
    struct rnd rnd = rnd_seeded(12);
    smsstation_tell(s, "{\"cmd\":\"network\",\"delay_ms\":30,\"report_ms\":100}");
    for (int i = 0; i < ROUNDS; i++) {
        char alarm[64];
        char reminder[64];
        char order[160];
        UNTIL(smsstation_is_ready, NULL);
        snprintf(order, sizeof order,
                 "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"来信%d\"}", i);
        snprintf(alarm, sizeof alarm, "报警%d", i);
        snprintf(reminder, sizeof reminder, "提醒%d", i);
        smsstation_tell(s, order);
        smsstation_put(s, PERSON, alarm, SMS_PRIO_PANIC);
        smsstation_put(s, OTHER, reminder, SMS_PRIO_REMINDER);
        if (i % 2 == 0)
            UNTIL(is_accepted, i % 4 == 0 ? alarm : reminder);
        else
            smsstation_turn(s, (int)rnd_below(&rnd, 60));
        smsstation_kill_modem(s);
        UNTIL(smsstation_is_ready, NULL);
        smsstation_jump(s, 15000);
        UNTIL(is_sent, alarm);
        UNTIL(has_reached, reminder);
        assert_in_range(smsstation_book(s, "accepted", reminder), 0, 1);
        if (is_sent(s, reminder))
            assert_int_equal(smsstation_book(s, "accepted", reminder), 1);
        assert_in_range(smsstation_book(s, "accepted", alarm), 0, 1);
    }
    UNTIL(has_texts, "6");
    UNTIL(is_sim_empty, NULL);
    smsstation_turn(s, 300);
    assert_int_equal(s->text_count, ROUNDS);
    int64_t unknown = replica_get_int(
        s->replica, 0, "SELECT count(*) FROM outbox_history WHERE state = 'unknown'", "");
    assert_in_range(smsstation_book(s, "accepted", NULL), 2 * ROUNDS - unknown,
                    2 * ROUNDS + unknown);
}

static void test_station_restarts(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_put(s, PERSON, "重启之前", SMS_PRIO_REMINDER);
    UNTIL(is_sent, "重启之前");
    smsstation_stop(s);
    smsstation_tell(s, "{\"cmd\":\"inbound\",\"from\":\"+8613800000002\",\"text\":\"关机时\"}");
    smsstation_start(s);
    UNTIL(has_texts, "1");
    smsstation_put(s, PERSON, "重启之后", SMS_PRIO_REMINDER);
    UNTIL(smsstation_is_delivered, "重启之后");
    assert_int_equal(smsstation_book(s, "accepted", NULL), 2);
}

/* The modem hangs: an alarm costs its deadline and one restart, and goes out once. */
static void test_hung_modem(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_tell(s, "{\"cmd\":\"fault\",\"kind\":\"silent\"}");
    smsstation_put(s, PERSON, "卡住时", SMS_PRIO_PANIC);
    UNTIL(is_refused, "卡住时");
    smsstation_tell(s, "{\"cmd\":\"clear\"}");
    smsstation_jump(s, 5000);
    UNTIL(smsstation_is_delivered, "卡住时");
    assert_int_equal(smsstation_book(s, "accepted", NULL), 1);
    assert_false(is_replaced(s, "3"));
}

/* A modem of another make is driven by libgammu, whatever was wished for. */
static void test_unknown_make(void **state)
{
    struct smsstation *s = *state;
    struct sms_modem_status status;
    smsstation_stop(s);
    s->driver = "at";
    smsstation_start(s);
    UNTIL(smsstation_is_ready, NULL);
    sms_modem_status(s->sms, 0, &status);
    assert_string_equal(status.driver, s->profile[0] == '\0' ? "gammu" : "at");
}

static void test_alarm_is_quick(void **state)
{
    struct smsstation *s = *state;
    UNTIL(smsstation_is_ready, NULL);
    smsstation_turn(s, 200);
    int64_t worst = 0;
    for (int i = 0; i < QUICK; i++) {
        char text[32];
        snprintf(text, sizeof text, "快%d", i);
        int64_t from = clock_mono_us();
        smsstation_put(s, PERSON, text, SMS_PRIO_PANIC);
        UNTIL(smsstation_is_delivered, text);
        int64_t took = smsstation_first_byte_us(s, text) - from;
        worst = took > worst ? took : worst;
        UNTIL(is_idle, NULL);
    }
    print_message("first byte of AT+CMGS after at most %lld us\n", (long long)worst);
    assert_in_range(worst, 0, QUICK_US); /* generous: sanitizers, a busy machine */
}

static void test_simulate(void **state)
{
    struct smsstation *s = *state;
    struct err err = {0};
    char longer[1024];
    repeat(longer, "长文", 60);
    assert_int_equal(sms_simulate(s->sms, "13800000009", "到岗", &err), ERR_OK);
    assert_int_equal(sms_simulate(s->sms, "13800000009", "到岗", &err), ERR_OK);
    assert_int_equal(sms_simulate(s->sms, "13800000009", longer, &err), ERR_OK);
    assert_int_equal(sms_simulate(s->sms, "nobody", "x", &err), ERR_INVALID);
    smsstation_turn(s, 20);
    assert_int_equal(s->text_count, 3);
    assert_string_equal(s->texts[0].number, "+8613800000009");
    assert_string_equal(s->texts[2].body, longer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, smsstation_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_send_short_and_long),
        CASE(test_all_characters),
        CASE(test_tildes_up_to_the_edge),
        CASE(test_inbound_short_and_long),
        CASE(test_message_that_is_not_stored),
        CASE(test_refusals),
        CASE(test_no_prompt),
        CASE(test_answer_lost_reminder),
        CASE(test_answer_lost_report_tells),
        CASE(test_answer_lost_alarm),
        CASE(test_late_answer_to_next_worker),
        CASE(test_unplug_in_mid_send),
        CASE(test_unplug_after_pdu),
        CASE(test_unasked_lines),
        CASE(test_odd_modems),
        CASE(test_worker_killed_in_mid_send),
        CASE(test_worker_killed_at_random),
        CASE(test_modem_killed_at_random),
        CASE(test_station_restarts),
        CASE(test_hung_modem),
        CASE(test_unknown_make),
        CASE(test_alarm_is_quick),
        CASE(test_simulate),
    };
    cmocka_set_test_filter(getenv("TOUYAN_TEST")); /* one of them alone; NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
