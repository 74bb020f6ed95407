/* The simulated modem itself: a scripted dialogue over its pty, its network, its faults. The modem
 * runs in the test's own thread, turn by turn, so nothing here depends on time unless it says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "sms/segment.h"
#include "tests/lib/simmodem.h"

enum { PATIENCE_MS = 3000 };

struct fixture {
    struct simmodem *modem;
    struct simmodem_options options;
    char folder[64], link[128], log[128];
    int port; /* the slave */
    struct buf heard;
};

static void open_port(struct fixture *f)
{
    f->port = open(f->link, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(f->port >= 0);
    for (int i = 0; i < 100 && !f->modem->opened; i++)
        simmodem_turn(f->modem, 10);
    assert_true(f->modem->opened);
}

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};

    assert_non_null(f);
    *state = f;
    text_copy(f->folder, sizeof f->folder, "/tmp/simmodem-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->link, sizeof f->link, "%s/tty", f->folder);
    snprintf(f->log, sizeof f->log, "%s/book", f->folder);
    f->options = (struct simmodem_options){.link = f->link, .log = f->log, .capacity = 3};
    f->modem = calloc(1, sizeof *f->modem);
    assert_non_null(f->modem);
    if (simmodem_open(f->modem, &f->options, clock_real(), &err))
        fail_msg("%s", err.text);
    buf_init(&f->heard, 1 << 20);
    open_port(f);
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    if (f->port >= 0)
        close(f->port);
    simmodem_close(f->modem);
    free(f->modem);
    buf_free(&f->heard);
    unlink(f->log);
    assert_int_equal(rmdir(f->folder), 0); /* the link is gone */
    free(f);
    return 0;
}

static void order(struct fixture *f, const char *line)
{
    struct json *answer = simmodem_order(f->modem, line, strlen(line));

    if (!json_bool(answer, "ok", false))
        fail_msg("%s: %s", line, json_text(answer, "error", ""));
    json_free(answer);
}

static int64_t stat_of(struct fixture *f, const char *name)
{
    struct json *answer = simmodem_order(f->modem, "{\"cmd\":\"stats\"}", 15);
    int64_t value = json_int(answer, name, json_bool(answer, name, false));

    json_free(answer);
    return value;
}

static void say(struct fixture *f, const char *bytes)
{
    assert_int_equal(write(f->port, bytes, strlen(bytes)), strlen(bytes));
}

static void hear(struct fixture *f)
{
    char bytes[4096];
    ssize_t got = 0;

    simmodem_turn(f->modem, 2);
    while ((got = read(f->port, bytes, sizeof bytes)) > 0)
        assert_true(buf_add(&f->heard, bytes, (size_t)got));
}

/* Waits for the words and forgets all that was heard up to their end. */
static void await(struct fixture *f, const char *words)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * INT64_C(1000);
    char *at = NULL;

    while (!(at = memmem(buf_text(&f->heard), f->heard.size, words, strlen(words)))) {
        if (clock_mono_us() > until_us)
            fail_msg("waited for '%s', heard '%s'", words, buf_text(&f->heard));
        hear(f);
    }
    buf_drop(&f->heard, (size_t)(at - buf_text(&f->heard)) + strlen(words));
}

/* Nothing but these words comes within a few turns. */
static void only(struct fixture *f, const char *words)
{
    for (int i = 0; i < 10; i++)
        hear(f);
    assert_string_equal(buf_text(&f->heard), words);
    buf_clear(&f->heard);
}

static void command(struct fixture *f, const char *line, const char *answer)
{
    say(f, line);
    say(f, "\r");
    await(f, answer);
}

/* AT+CMGS for this text; the hex of the PDU and ^Z once the prompt is there. */
static void start_send(struct fixture *f, const char *to, const char *text, char *ret_pdu)
{
    struct tpdu tpdu = {.kind = TPDU_SUBMIT, .report_wanted = true, .coding = TPDU_UCS2};
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = 0;
    size_t length = 0;
    char line[32];

    text_copy(tpdu.address, sizeof tpdu.address, to);
    text_copy(tpdu.text, sizeof tpdu.text, text);
    assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_OK);
    text_to_hex(bytes, size, ret_pdu);
    snprintf(line, sizeof line, "AT+CMGS=%zu\r", length);
    say(f, line);
}

static void send_text(struct fixture *f, const char *to, const char *text, const char *answer)
{
    char pdu[TPDU_HEX_BYTES];

    start_send(f, to, text, pdu);
    await(f, "\r\n> ");
    say(f, pdu);
    say(f, "\x1a");
    await(f, answer);
}

/* The book's line `index` of this event has this member. */
static void booked(struct fixture *f, const char *event, int index, const char *key,
                   const char *value)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(f->log, "re");
    bool found = false;

    assert_non_null(file);
    for (ssize_t size = 0; !found && (size = getline(&line, &room, file)) > 0;) {
        struct json *object = NULL;

        assert_int_equal(json_parse(line, (size_t)size - 1, &object, NULL), ERR_OK);
        if (text_equal(json_text(object, "event", ""), event) && index-- == 0) {
            assert_string_equal(json_text(object, key, ""), value);
            assert_true(json_int(object, "us", 0) > 0 && json_int(object, "wall", 0) > 0);
            found = true;
        }
        json_free(object);
    }
    free(line);
    fclose(file);
    assert_true(found);
}

static void it_speaks_at(void **state)
{
    struct fixture *f = *state;

    command(f, "AT", "AT\r\r\nOK\r\n");
    command(f, "ate0", "\r\nOK\r\n");
    command(f, "AT+CGMI", "\r\nTouyan\r\n\r\nOK\r\n");
    command(f, "AT+NOSUCH", "\r\nERROR\r\n");
    command(f, "hello", "\r\nERROR\r\n");
    command(f, "AT+CMEE=1;+CREG=2", "\r\nOK\r\n");
    command(f, "AT+CREG?;+CSQ",
            "\r\n+CREG: 2,1,\"1A2B\",\"3C4D\"\r\n\r\n+CSQ: 21,99\r\n\r\nOK\r\n");
    command(f, "AT+CPIN?", "+CPIN: READY");
    command(f, "AT+CUSD=1,\"*100#;\",15", "+CUSD: 0,");
    say(f, "\x1b\r\n\r");
    command(f, "AT+CPMS?", "+CPMS: \"SM\",0,3,\"SM\",0,3,\"SM\",0,3\r\n\r\nOK\r\n");
    command(f, "AT+CPMS=\"ME\"", "+CPMS: 0,20,0,20,0,3\r\n");
    command(f, "AT+CMGD=21", "\r\n+CMS ERROR: 321\r\n");
    command(f, "AT+CFUN=1,1", "\r\nOK\r\n");
    await(f, "RDY");
    command(f, "AT", "AT\r\r\nOK\r\n");
}

static void it_accepts_and_books_a_message(void **state)
{
    struct fixture *f = *state;

    send_text(f, "+8613800000001", "到岗 😀", "\r\n+CMGS: 0\r\n\r\nOK\r\n");
    send_text(f, "10086", "查询", "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    booked(f, "accepted", 0, "to", "+8613800000001");
    booked(f, "accepted", 0, "text", "到岗 😀");
    booked(f, "message", 1, "text", "查询");
    booked(f, "cmgs_first_byte", 1, "event", "cmgs_first_byte");
    assert_int_equal(stat_of(f, "accepted"), 2);
    command(f, "AT+CMGS=300", "+CMS ERROR: 304");
    command(f, "AT+CMGS=10", "> ");
    say(f, "0011\x1a");
    await(f, "+CMS ERROR: 304");
    command(f, "AT+CMGS=10", "> ");
    say(f, "00\x1b");
    await(f, "OK");
    assert_int_equal(stat_of(f, "accepted"), 2);
}

static void references_wrap(void **state)
{
    struct fixture *f = *state;

    f->modem->net.next_mr = 255;
    send_text(f, "10086", "a", "+CMGS: 255\r\n");
    send_text(f, "10086", "b", "+CMGS: 0\r\n");
}

static void parts_make_one_message_in_the_book(void **state)
{
    struct fixture *f = *state;
    const char *text =
        "护学岗：早上好，请于七点二十分前到岗。护学岗：早上好，请于七点二十分前到岗。"
        "护学岗：早上好，请于七点二十分前到岗。护学岗：早上好，请于七点二十分前到岗。";
    struct simnet_report_plan plan = {.copies = 1, .delay_ms = -1};
    struct segments segments;

    assert_int_equal(segment_text(text, &segments, NULL), ERR_OK);
    for (int i = segments.count; i-- > 0;) {
        struct tpdu tpdu = {.kind = TPDU_SUBMIT, .address = "10086"};
        uint8_t bytes[LIMIT_TPDU_BYTES];
        size_t size = 0;
        size_t length = 0;
        int mr = -1;

        segment_fill(&segments, text, i, 9, &tpdu);
        assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_OK);
        for (int copy = 0; copy < (i == 1 ? 2 : 1); copy++)
            assert_int_equal(simnet_submit(&f->modem->net, bytes, size, 1, &plan, &mr, NULL), 0);
    }
    assert_true(segments.count > 1);
    assert_int_equal(stat_of(f, "messages"), 1);
    assert_int_equal(stat_of(f, "accepted"), segments.count + 1);
    booked(f, "message", 0, "text", text);
}

static void reports_come_by_cds(void **state)
{
    struct fixture *f = *state;
    struct tpdu report;

    command(f, "AT+CNMI=2,1,0,1,0", "OK");
    send_text(f, "+8613800000001", "x", "+CMGS: 0\r\n\r\nOK\r\n");
    await(f, "\r\n+CDS: 26\r\n0891683108100005F0");
    await(f, "\r\n");
    booked(f, "report", 0, "to", "+8613800000001");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"report_status\",\"number\":70}");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"duplicate_report\"}");
    send_text(f, "+8613800000001", "y", "OK\r\n");
    for (int i = 0; i < 2; i++) {
        await(f, "\r\n+CDS: 26\r\n");
        while (!memchr(buf_text(&f->heard), '\n', f->heard.size))
            hear(f);
        char *end = memchr(buf_text(&f->heard), '\r', f->heard.size);
        *end = '\0';
        assert_int_equal(tpdu_decode_hex(f->heard.bytes, TPDU_FROM_NETWORK, &report, NULL), ERR_OK);
        assert_int_equal(report.status, 70);
        assert_int_equal(report.mr, 1);
        *end = '\r';
    }
    buf_clear(&f->heard);
    order(f, "{\"cmd\":\"fault\",\"kind\":\"no_report\"}");
    send_text(f, "10086", "z", "OK\r\n");
    only(f, "");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"early_report\"}");
    send_text(f, "10086", "z", "+CDS: ");
    await(f, "+CMGS: 3");
}

static void reports_come_by_cdsi(void **state)
{
    struct fixture *f = *state;

    command(f, "AT+CNMI=2,1,0,2,0", "OK");
    send_text(f, "10086", "x", "OK\r\n");
    await(f, "\r\n+CDSI: \"SR\",1\r\n");
    command(f, "AT+CPMS=\"SR\"", "+CPMS: 1,10,");
    command(f, "AT+CMGR=1", "\r\n+CMGR: 0,,22\r\n0891683108100005F006");
    command(f, "AT+CMGD=1", "OK");
    assert_int_equal(stat_of(f, "inbound_taken"), 0);
}

static void reports_that_nobody_hears_are_booked(void **state)
{
    struct fixture *f = *state;

    send_text(f, "10086", "x", "OK\r\n"); /* no +CNMI */
    only(f, "");
    assert_int_equal(stat_of(f, "reports_unheard"), 1);
    command(f, "AT+CNMI=2,1,0,1,0", "OK");
    order(f, "{\"cmd\":\"network\",\"report_ms\":60}");
    send_text(f, "10086", "y", "OK\r\n");
    assert_int_equal(stat_of(f, "idle"), 0);
    close(f->port);
    f->port = -1;
    for (int i = 0; i < 300 && stat_of(f, "reports") < 2; i++)
        simmodem_turn(f->modem, 5);
    assert_int_equal(stat_of(f, "reports_unheard"), 2);
    booked(f, "report_unheard", 1, "to", "10086");
    assert_int_equal(stat_of(f, "idle"), 1);
}

static void inbound_waits_for_room(void **state)
{
    struct fixture *f = *state;

    command(f, "AT+CNMI=2,1,0,1,0", "OK");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"+8613900000002\",\"text\":\"到岗\"}");
    await(f, "\r\n+CMTI: \"SM\",1\r\n");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"CMCC\",\"text\":\"hello\"}");
    order(f, "{\"cmd\":\"inbound_pdu\",\"hex\":\"00ff\"}");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"10086\",\"text\":\"3\"}");
    await(f, "\r\n+CMTI: \"SM\",3\r\n");
    assert_int_equal(stat_of(f, "inbound_waiting"), 1);
    assert_int_equal(stat_of(f, "inbound_stored"), 3);
    command(f, "AT+CMGL=4", "\r\n+CMGL: 1,0,,24\r\n0891683108100005F0040D9168");
    await(f, "\r\n+CMGL: 3,0,,1\r\n00FF\r\n\r\nOK\r\n");
    command(f, "AT+CMGL=0", "AT+CMGL=0\r\r\nOK\r\n");
    command(f, "AT+CMGR=1", "\r\n+CMGR: 1,,24\r\n");
    await(f, "52305C97\r\n\r\nOK\r\n");
    command(f, "AT+CMGD=1", "OK");
    await(f, "\r\n+CMTI: \"SM\",1\r\n");
    command(f, "AT+CMGR=1", "+CMGR: 0,,");
    await(f, "OK");
    command(f, "AT+CMGD=1,4", "OK");
    assert_int_equal(stat_of(f, "inbound_taken"), 4);
    assert_int_equal(stat_of(f, "idle"), 1);
    booked(f, "inbound", 0, "text", "到岗");
    booked(f, "inbound_deleted", 0, "text", "到岗");
    booked(f, "inbound_stored", 1, "from", "CMCC");
}

static void inbound_parts_can_be_lost_and_turned_round(void **state)
{
    struct fixture *f = *state;
    struct buf line;

    buf_init(&line, 4096);
    buf_add_text(&line,
                 "{\"cmd\":\"inbound\",\"reverse\":true,\"drop\":2,\"from\":\"1\",\"text\":\"");
    for (int i = 0; i < 150; i++)
        buf_add_text(&line, "岗");
    buf_add_text(&line, "\"}");
    order(f, buf_text(&line));
    buf_free(&line);
    for (int i = 0; i < 3; i++)
        hear(f);
    assert_int_equal(stat_of(f, "inbound_stored"), 2);
    command(f, "AT+CMGR=1", "050003000303");
    command(f, "AT+CMGR=2", "050003000301");
}

static void faults_of_sending(void **state)
{
    struct fixture *f = *state;
    char pdu[TPDU_HEX_BYTES];

    order(f, "{\"cmd\":\"fault\",\"kind\":\"cms_error\",\"number\":38}");
    send_text(f, "10086", "a", "\r\n+CMS ERROR: 38\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"error\"}");
    send_text(f, "10086", "a", "\r\nERROR\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"cms_error_at_once\",\"number\":512}");
    start_send(f, "10086", "a", pdu);
    await(f, "\r\n+CMS ERROR: 512\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"bare_prompt\"}");
    start_send(f, "10086", "a", pdu);
    await(f, "\r\n>\r\n");
    say(f, pdu);
    say(f, "\x1a");
    await(f, "+CMGS: 0\r\n\r\nOK");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"no_prompt\"}");
    start_send(f, "10086", "a", pdu);
    await(f, "AT+CMGS=");
    await(f, "\r");
    only(f, "");
    assert_int_equal(stat_of(f, "accepted"), 1);
    assert_int_equal(stat_of(f, "refused"), 2);
}

static void lost_and_late_answers(void **state)
{
    struct fixture *f = *state;

    command(f, "ATE0", "OK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"answer_lost\"}");
    send_text(f, "10086", "a", "");
    only(f, "");
    assert_int_equal(stat_of(f, "accepted"), 1);
    order(f, "{\"cmd\":\"fault\",\"kind\":\"late_answer\",\"ms\":80}");
    send_text(f, "10086", "b", "");
    command(f, "AT", "\r\nOK\r\n"); /* goes on meanwhile */
    await(f, "+CMGS: 1");
    await(f, "OK\r\n");
    order(f, "{\"cmd\":\"network\",\"delay_ms\":80}");
    send_text(f, "10086", "c", "");
    command(f, "AT", "+CMGS: 2\r\n\r\nOK\r\n"); /* waits its turn */
    await(f, "OK\r\n");
    order(f, "{\"cmd\":\"network\",\"delay_ms\":0}");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"hang_mid_pdu\",\"ms\":60}");
    send_text(f, "10086", "d", "");
    say(f, "AT\r");
    only(f, "");
    for (int i = 0; i < 40; i++)
        simmodem_turn(f->modem, 2);
    command(f, "AT", "OK");
    assert_int_equal(stat_of(f, "accepted"), 3);
}

static void faults_of_any_command(void **state)
{
    struct fixture *f = *state;

    command(f, "AT+CMEE=1", "OK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"cme_error\",\"number\":10,\"on\":\"AT+CPIN\"}");
    command(f, "AT+CSQ", "+CSQ");
    command(f, "AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
    order(f,
          "{\"cmd\":\"fault\",\"kind\":\"urc_before\",\"on\":\"AT+CSQ\",\"text\":\"Call Ready\"}");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"urc_inside\",\"on\":\"AT+CSQ\",\"text\":\"^NWTIME\"}");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"urc_after\",\"on\":\"AT+CSQ\",\"text\":\"+QIND: 1\"}");
    command(f, "AT+CSQ",
            "\r\nCall Ready\r\nAT+CSQ\r\r\n^NWTIME\r\n\r\n+CSQ: 21,99\r\n\r\nOK\r\n"
            "\r\n+QIND: 1\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"urc_inside\"}");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"urc_after\",\"text\":\"NO CARRIER\"}");
    send_text(f, "10086", "a", "\r\nRDY\r\n\r\n+CMGS: 0\r\n\r\nOK\r\n\r\nNO CARRIER\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"echo_off\",\"times\":2,\"on\":\"AT\"}");
    buf_clear(&f->heard);
    command(f, "AT", "\r\nOK\r\n");
    command(f, "AT+CSQ", "\r\n+CSQ");
    command(f, "AT", "AT\r\r\nOK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"one_byte\",\"on\":\"AT+CGMI\"}");
    command(f, "AT+CGMI", "\r\nTouyan\r\n\r\nOK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"garbage\",\"on\":\"AT+CGMI\"}");
    say(f, "AT+CGMI\r");
    await(f, "AT+CGMI\r");
    while (f->heard.size < 5)
        hear(f);
    assert_memory_equal(f->heard.bytes, "\0\xff\x07~\0", 5);
}

static void silence_and_lost_registration(void **state)
{
    struct fixture *f = *state;

    command(f, "AT+CREG=1", "OK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"registration_lost\",\"ms\":50}");
    await(f, "\r\n+CREG: 0\r\n");
    command(f, "AT+CREG?", "+CREG: 1,0");
    send_text(f, "10086", "a", "+CMS ERROR: 331");
    await(f, "\r\n+CREG: 1\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"silent\"}");
    buf_clear(&f->heard);
    say(f, "AT\r");
    only(f, "");
    order(f, "{\"cmd\":\"clear\"}");
    command(f, "AT", "OK");
    order(f, "{\"cmd\":\"network\",\"signal\":99}");
    command(f, "AT+CSQ", "+CSQ: 99,99");
}

static void radio_off_and_on_finds_the_network(void **state)
{
    struct fixture *f = *state;

    order(f, "{\"cmd\":\"fault\",\"kind\":\"registration_lost\"}");
    command(f, "AT+CREG?", "+CREG: 0,0");
    command(f, "AT+CFUN=1", "OK");
    command(f, "AT+CREG?", "+CREG: 0,0");
    command(f, "AT+CFUN=4", "OK");
    command(f, "AT+CFUN?", "+CFUN: 4");
    command(f, "AT+CFUN=1", "OK");
    command(f, "AT+CREG?", "+CREG: 0,1");
    order(f, "{\"cmd\":\"urc\",\"text\":\"OVER-VOLTAGE WARNNING\"}");
    await(f, "\r\nOVER-VOLTAGE WARNNING\r\n");
}

static void announcements_can_be_lost(void **state)
{
    struct fixture *f = *state;

    command(f, "AT+CNMI=2,1,0,1,0", "OK\r\n");
    order(f, "{\"cmd\":\"fault\",\"kind\":\"cmti_lost\"}");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"1\",\"text\":\"a\"}");
    only(f, "");
    assert_int_equal(stat_of(f, "inbound_stored"), 1);
    order(f, "{\"cmd\":\"inbound\",\"from\":\"1\",\"text\":\"b\"}");
    await(f, "+CMTI: \"SM\",2");
}

static void it_can_be_unplugged(void **state)
{
    struct fixture *f = *state;
    char byte;

    command(f, "AT+CNMI=2,1,0,1,0", "OK\r\n");
    order(f, "{\"cmd\":\"unplug\"}");
    assert_int_not_equal(access(f->link, F_OK), 0);
    assert_true(read(f->port, &byte, 1) <= 0);
    close(f->port);
    order(f, "{\"cmd\":\"inbound\",\"from\":\"1\",\"text\":\"a\"}");
    simmodem_turn(f->modem, 1);
    assert_int_equal(stat_of(f, "inbound_waiting"), 1);
    order(f, "{\"cmd\":\"plug\"}");
    open_port(f);
    for (int i = 0; i < 3; i++)
        hear(f);
    buf_clear(&f->heard);
    command(f, "AT+CNMI?", "AT+CNMI?\r\r\n+CNMI: 2,0,0,0,0\r\n"); /* it starts anew */
    assert_int_equal(stat_of(f, "inbound_stored"), 1);
    booked(f, "plug", 0, "event", "plug");
}

/* Another process over the same book, after a kill -9 of this one. */
static void start_anew(struct fixture *f)
{
    struct err err = {0};

    close(f->port);
    simmodem_close(f->modem);
    if (simmodem_open(f->modem, &f->options, clock_real(), &err))
        fail_msg("%s", err.text);
    buf_clear(&f->heard);
    open_port(f);
}

static void tear_last_line(struct fixture *f, const char *event)
{
    char book[16384];
    FILE *file = fopen(f->log, "r+e");

    assert_non_null(file);
    size_t size = fread(book, 1, sizeof book - 1, file);
    book[size] = '\0';
    char *line = memrchr(book, '\n', size - 1);
    assert_non_null(strstr(line, event));
    assert_int_equal(ftruncate(fileno(file), line + 20 - book), 0);
    fclose(file);
}

static void sim_and_network_outlive_a_kill(void **state)
{
    struct fixture *f = *state;

    order(f, "{\"cmd\":\"sim\",\"pin\":\"1234\",\"drafts\":1}");
    order(f, "{\"cmd\":\"network\",\"report_ms\":100000}");
    command(f, "AT+CPIN=\"1\"", "ERROR");
    command(f, "AT+CPIN=\"1234\"", "OK");
    command(f, "AT+CPIN?", "READY");
    command(f, "AT+CNMI=2,1,0,1,0", "OK");
    send_text(f, "10086", "一", "+CMGS: 0");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"+8613900000002\",\"text\":\"到岗\",\"id\":\"a\"}");
    await(f, "\r\n+CMTI: \"SM\",2\r\n");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"CMCC\",\"text\":\"hello\"}");
    await(f, "\r\n+CMTI: \"SM\",3\r\n");
    command(f, "AT+CMGD=2", "OK");
    order(f, "{\"cmd\":\"inbound_pdu\",\"hex\":\"00ff\"}");
    await(f, "\r\n+CMTI: \"SM\",2\r\n");
    order(f, "{\"cmd\":\"inbound\",\"from\":\"10086\",\"text\":\"3\"}");
    start_anew(f);
    assert_int_equal(stat_of(f, "inbound_waiting"), 1);
    assert_int_equal(stat_of(f, "inbound_taken"), 1);
    assert_int_equal(stat_of(f, "inbound_stored"), 3); /* the draft among them */
    assert_int_equal(stat_of(f, "reports_pending"), 1);
    assert_int_equal(stat_of(f, "accepted"), 1);
    assert_int_equal(stat_of(f, "pin_wrong"), 1);
    command(f, "AT+CPIN?", "SIM PIN");
    command(f, "AT+CMGR=2", "\r\n+CMGR: 0,,1\r\n00FF\r\n");
    command(f, "AT+CMGR=3", "\r\n+CMGR: 0,,");
    command(f, "AT+CNMI=2,1,0,1,0", "OK");
    command(f, "AT+CMGD=3", "OK");
    await(f, "\r\n+CMTI: \"SM\",3\r\n");
    order(f, "{\"cmd\":\"network\",\"report_ms\":0}");
    send_text(f, "10086", "二", "+CMGS: 1");
    await(f, "\r\n+CDS: ");
    start_anew(f);
    assert_int_equal(stat_of(f, "reports_pending"), 1); /* the first one's */
    assert_int_equal(stat_of(f, "messages"), 2);
    booked(f, "inbound", 0, "id", "a");
}

/* Killed between the acceptance of a message's last part and the line that tells of the message. */
static void a_line_that_was_not_written_whole(void **state)
{
    struct fixture *f = *state;

    order(f, "{\"cmd\":\"network\",\"report_ms\":100000}");
    send_text(f, "10086", "一", "+CMGS: 0");
    tear_last_line(f, "\"message\"");
    start_anew(f);
    booked(f, "message", 0, "text", "一");
    assert_int_equal(stat_of(f, "messages"), 1);
    start_anew(f);
    send_text(f, "10086", "二", "+CMGS: 1");
    booked(f, "message", 1, "text", "二");
}

static void a_file_that_is_no_book(void **state)
{
    struct fixture *f = *state;
    struct simmodem *other = calloc(1, sizeof *other);
    struct simmodem_options options = f->options;
    struct err err = {0};
    FILE *file = fopen(f->log, "ae");

    assert_non_null(other);
    fputs("{\"event\":\"inbound_stored\",\"slot\":3}\n", file);
    fclose(file);
    options.link = "/nonexistent";
    assert_int_equal(simmodem_open(other, &options, clock_real(), &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "line 1: slot -1"));
    free(other);
}

static void bad_orders_say_why(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[][2] = {
        {"{", ""},
        {"{\"cmd\":\"dance\"}", "no such order: dance"},
        {"{\"cmd\":\"fault\",\"kind\":\"x\"}", "no such fault: x"},
        {"{\"cmd\":\"plug\"}", "plugged already"},
        {"{\"cmd\":\"inbound_pdu\",\"hex\":\"0\"}", "hex is not"},
        {"{\"cmd\":\"inbound\",\"from\":\"\",\"text\":\"a\"}", "address"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json *answer = simmodem_order(f->modem, bad[i][0], strlen(bad[i][0]));

        assert_false(json_bool(answer, "ok", true));
        assert_non_null(strstr(json_text(answer, "error", ""), bad[i][1]));
        json_free(answer);
    }
}

#define WITH_MODEM(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MODEM(it_speaks_at),
        WITH_MODEM(it_accepts_and_books_a_message),
        WITH_MODEM(references_wrap),
        WITH_MODEM(parts_make_one_message_in_the_book),
        WITH_MODEM(reports_come_by_cds),
        WITH_MODEM(reports_come_by_cdsi),
        WITH_MODEM(reports_that_nobody_hears_are_booked),
        WITH_MODEM(inbound_waits_for_room),
        WITH_MODEM(inbound_parts_can_be_lost_and_turned_round),
        WITH_MODEM(faults_of_sending),
        WITH_MODEM(lost_and_late_answers),
        WITH_MODEM(faults_of_any_command),
        WITH_MODEM(silence_and_lost_registration),
        WITH_MODEM(radio_off_and_on_finds_the_network),
        WITH_MODEM(announcements_can_be_lost),
        WITH_MODEM(it_can_be_unplugged),
        WITH_MODEM(sim_and_network_outlive_a_kill),
        WITH_MODEM(a_line_that_was_not_written_whole),
        WITH_MODEM(a_file_that_is_no_book),
        WITH_MODEM(bad_orders_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
