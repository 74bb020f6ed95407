/* Frames between gateway and worker, and the sorting of the modem's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/base/rnd.h"
#include "sms/frame.h"
#include "sms/worker/answer.h"
#include "sms/worker/line.h"
#include "sms/worker/make.h"

static void test_frame_round_trip(void **state)
{
    (void)state;
    struct frame in = {.kind = FRAME_SUBMIT,
                       .id = INT64_C(1) << 40,
                       .coding = TPDU_UCS2,
                       .validity_minutes = 60,
                       .report = true,
                       .to = "+8613800000001",
                       .udh = "050003070201",
                       .text = "明早“07:20”\\到岗\x01"};
    struct frame out;
    struct buf buf;
    struct err err;
    buf_init(&buf, 4 * LIMIT_FRAME_BYTES);
    assert_int_equal(frame_write(&in, &buf, &err), ERR_OK);
    assert_int_equal(frame_write(&(struct frame){.kind = FRAME_STOP}, &buf, &err), ERR_OK);
    assert_int_equal(frame_take(&buf, &out, &err), 1);
    assert_int_equal(out.id, in.id);
    assert_string_equal(out.to, in.to);
    assert_string_equal(out.text, in.text);
    assert_string_equal(out.udh, in.udh);
    assert_true(out.report);
    assert_int_equal(frame_take(&buf, &out, &err), 1);
    assert_int_equal(out.kind, FRAME_STOP);
    assert_int_equal(frame_take(&buf, &out, &err), 0);
    buf_free(&buf);
}

static void test_frame_in_pieces(void **state)
{
    (void)state;
    struct frame out;
    struct buf whole;
    struct buf part;
    struct err err;
    buf_init(&whole, LIMIT_FRAME_BYTES);
    buf_init(&part, LIMIT_FRAME_BYTES);
    frame_write(&(struct frame){.kind = FRAME_HELLO, .imei = "86700", .model = "X\xff"}, &whole,
                &err);
    for (size_t i = 0; i + 1 < whole.size; i++) {
        buf_add(&part, whole.bytes + i, 1);
        assert_int_equal(frame_take(&part, &out, &err), 0);
    }
    buf_add(&part, whole.bytes + whole.size - 1, 1);
    assert_int_equal(frame_take(&part, &out, &err), 1);
    assert_string_equal(out.model, "X\xef\xbf\xbd");
    buf_free(&whole);
    buf_free(&part);
}

static int take_bytes(const void *bytes, size_t size)
{
    struct frame out;
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, 2 * LIMIT_FRAME_BYTES);
    buf_add(&buf, bytes, size);
    int got = frame_take(&buf, &out, &err);
    buf_free(&buf);
    return got;
}

static void test_frame_nonsense(void **state)
{
    (void)state;
    assert_int_equal(take_bytes("\xff\xff\xff\xff", 4), -1);
    assert_int_equal(take_bytes("\0\0\0\2{}", 6), -1);
    assert_int_equal(take_bytes("\0\0\0\3{]}", 7), -1);
    assert_int_equal(take_bytes("\0\0\0\x10{\"kind\":\"never\"}", 20), -1);
    struct rnd rnd = rnd_seeded(3);
    for (int i = 0; i < 2000; i++) {
        unsigned char bytes[64];
        rnd_fill(&rnd, bytes, sizeof bytes);
        bytes[0] = bytes[1] = bytes[2] = 0;
        bytes[3] &= 0x1f;
        assert_int_equal(take_bytes(bytes, sizeof bytes), -1);
    }
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *command;
        enum line_kind kind;
    } cases[] = {
        {"", "+CSQ", LINE_BLANK},
        {"AT+CSQ", "+CSQ", LINE_REPLY},
        {"+CSQ: 21,99", "+CSQ", LINE_REPLY},
        {"+CSQ: 21,99", "", LINE_NOISE},
        {"OK", "+CSQ", LINE_OK},
        {"OK", "", LINE_NOISE},
        {"ERROR", "+CSQ", LINE_ERROR},
        {"+CMS ERROR: 38", "+CMGS", LINE_ERROR},
        {"+CME ERROR: 10", "+CMGS", LINE_ERROR},
        {"+CMGS: 17", "+CMGS", LINE_REPLY},
        {"+CMTI: \"SM\",3", "+CMGS", LINE_CMTI},
        {"+CMTI: \"SM\",3", "", LINE_CMTI},
        {"+CDS: 25", "+CMGS", LINE_CDS},
        {"+CDS: 25", "", LINE_CDS},
        {"+CDSI: \"SR\",3", "+CMGS", LINE_CMTI},
        {"+CMT: ,24", "", LINE_CMT},
        {"+CBM: 88", "", LINE_CBM},
        {"+QIND: SMS DONE", "+CSQ", LINE_NOISE},
        {"^RSSI:20", "+CSQ", LINE_NOISE},
        {"^NWTIME: \"26/09/01\"", "+CMGF", LINE_NOISE},
        {"+CREG: 0", "+CMGS", LINE_CREG},
        {"+CUSD: 0,\"8.50\",15", "+CUSD", LINE_CUSD},
        {"+CUSD: 0,\"8.50\",15", "", LINE_CUSD},
        {"+CREG: 2,1", "+CREG", LINE_REPLY},
        {"+CPIN: READY", "+CFUN", LINE_NOISE},
        {"RDY", "+CMGF", LINE_NOISE},
        {"SMS Ready", "+CMGF", LINE_NOISE},
        {"OVER-VOLTAGE WARNNING", "+CMGS", LINE_NOISE},
        {"NO CARRIER", "+CSQ", LINE_ENDED},
        {"BUSY", "", LINE_ENDED},
        {"^CEND:1,0,67,31", "", LINE_ENDED},
        {"RING", "+CMGS", LINE_NOISE},
        {"+CLIP: \"+8613800000001\",145,,,,0", "+CMGS", LINE_CLIP},
        {"+CLIP: \"13800000001\",129", "", LINE_CLIP},
        {"SimModem", "+CGMM", LINE_REPLY},
        {"0891683108100005f0040d91", "+CMGR", LINE_REPLY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (line_classify(cases[i].line, cases[i].command) != cases[i].kind)
            fail_msg("'%s' during '%s'", cases[i].line, cases[i].command);
}

static void test_line_parts(void **state)
{
    (void)state;
    char text[16];
    int index = 0;
    line_command_name("AT+CMGS=23", text, sizeof text);
    assert_string_equal(text, "+CMGS");
    line_command_name("AT", text, sizeof text);
    assert_string_equal(text, "AT");
    assert_true(line_parse_cmti("+CMTI: \"SM\",1,\"MMS PUSH\",2,1", text, sizeof text, &index));
    assert_string_equal(text, "SM");
    assert_int_equal(index, 1);
    assert_false(line_parse_cmti("+CMTI: \"SM\"", text, sizeof text, &index));
    assert_false(line_parse_cmti("+CMTI: 1,2", text, sizeof text, &index));
    assert_false(line_parse_cmti("+CMTI: \"ABCDEFGHIJKLMNOPQ\",2", text, sizeof text, &index));
    assert_int_equal(line_number("+CMGS: 255"), 255);
    assert_int_equal(line_number("+CMGS:7"), 7);
    assert_int_equal(line_number("+CMS ERROR: SIM busy"), -1);
    assert_int_equal(line_number("+CMGS: 99999999999"), -1);
    assert_int_equal(line_field("+CMGL: 4,1,\"a,b\",24", 3), 24);
    assert_true(line_is_pdu("0891683108100005f0"));
    assert_false(line_is_pdu("0891"));
    assert_true(line_is_hex("00ff"));
    assert_false(line_is_hex("0") || line_is_hex("") || line_is_hex("OK"));
    assert_false(line_is_pdu("0891683108100005f0\x1a"));
}

static void check_value(const char *reply, const char *value)
{
    char text[32];
    line_value(reply, text, sizeof text);
    assert_string_equal(text, value);
}

static void test_line_values(void **state)
{
    (void)state;
    check_value("867000000000017\n", "867000000000017");
    check_value("+CGSN: \"867000000000017\"\n", "867000000000017");
    check_value("+CGMM: SIM7600\nmore\n", "SIM7600");
    check_value("^HWVER:\"A\"\n", "A");
    check_value("+CGSN:\n", "");
    check_value("+\n", "");
    check_value("\"\n", "\"");
    check_value("", "");
}

static void check_ussd(const char *line, bool packed, const char *want)
{
    char text[64] = "";
    answer_ussd_text(line, packed, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_ussd(void **state)
{
    (void)state;
    char command[80];
    assert_true(answer_ussd_command("*100#", false, command, sizeof command));
    assert_string_equal(command, "AT+CUSD=1,\"*100#\",15");
    assert_true(answer_ussd_command("*100#", true, command, sizeof command));
    assert_string_equal(command, "AT+CUSD=1,\"aa180c3602\",15"); /* as E-series sticks want it */
    assert_false(answer_ussd_command("\"\r", false, command, sizeof command));
    assert_false(answer_ussd_command("", false, command, sizeof command));
    assert_false(answer_ussd_command("*100*123456789012345678901234567890123#", false, command,
                                     sizeof command));
    check_ussd("+CUSD: 0,\"Balance 8.50\",15", false, "Balance 8.50");
    check_ussd("+CUSD: 0,\"4F59989D00380031\",72", false, "余额81");
    check_ussd("+CUSD: 0,\"4F59989D00380031\",15", false, "余额81");
    check_ussd("+CUSD: 0,\"C2303BEC1E9701\",15", true, "Balance");
    check_ussd("+CUSD: 2", false, "");
    check_ussd("+CUSD: 0,\"\",15", false, "");
    check_ussd("+CUSD: 0,\"D83D\",72", false, "\xef\xbf\xbd");
    check_ussd("+CUSD: 0,\"12\",15", false, "12");
}

static void test_network_time(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_true(answer_clock("+CCLK: \"26/11/22,10:05:12+32\"", &ms));
    assert_int_equal(ms, INT64_C(1795313112000));
    assert_true(answer_clock("+CCLK: \"26/11/22,02:05:12+00\"", &ms));
    assert_int_equal(ms, INT64_C(1795313112000));
    assert_true(answer_clock("+CCLK: \"26/11/21,22:05:12-16\"", &ms));
    assert_int_equal(ms, INT64_C(1795313112000));
    assert_false(answer_clock("+CCLK: \"80/01/06,00:00:10+32\"", &ms)); /* nor is this one */
    assert_false(answer_clock("+CCLK: \"04/01/01,00:00:10+00\"", &ms)); /* not set */
    assert_false(answer_clock("+CCLK: \"26/11/22,10:05:12\"", &ms));
    assert_false(answer_clock("+CCLK: \"26/13/22,10:05:12+32\"", &ms));
    assert_false(answer_clock("+CCLK: \"26/11/22,10:05:12+99\"", &ms));
    assert_false(answer_clock("+CCLK:", &ms));
}

static void test_makes(void **state)
{
    (void)state;
    assert_string_equal(make_find("Quectel")->name, "quectel");
    assert_string_equal(make_find("SIMCOM INCORPORATED")->name, "simcom");
    assert_string_equal(make_find("HUAWEI")->name, "huawei");
    assert_string_equal(make_find("ZTE CORPORATION")->name, "");
    assert_string_equal(make_find("")->name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_round_trip),
        cmocka_unit_test(test_frame_in_pieces),
        cmocka_unit_test(test_frame_nonsense),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_line_parts),
        cmocka_unit_test(test_line_values),
        cmocka_unit_test(test_makes),
        cmocka_unit_test(test_ussd),
        cmocka_unit_test(test_network_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
