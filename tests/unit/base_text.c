/* Text from outside: UTF-8, copies, integers, phone numbers, hex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/limits.h"
#include "gateway/base/privacy.h"
#include "gateway/base/text.h"

static void test_every_code_point_round_trips(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char bytes[4];
        size_t n = text_utf8_encode(cp, bytes);
        bool scalar = cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
        assert_int_equal(n > 0, scalar);
        if (n == 0)
            continue;
        uint32_t back = 0;
        assert_int_equal(text_utf8_decode(bytes, n, &back), n);
        assert_int_equal(back, cp);
        assert_int_equal(text_utf8_decode(bytes, n - 1, &back), 0); /* cut */
    }
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xc0\xaf",         /* overlong '/' */
        "\xc1\x81",         /* overlong 'A' */
        "\xe0\x80\xaf",     /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x80\x80\xaf", /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* high surrogate */
        "\xed\xbf\xbf",     /* low surrogate */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe5\x88",  /* cut */
        "\xe5 \xb0", /* broken in the middle */
        "ab\xc3(",
        "\xb2\xe2\xca\xd4", /* GB 18030 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_utf8_valid(bad[i], strlen(bad[i])));
        assert_int_equal(text_utf16_units(bad[i]), -1);
    }
    assert_false(text_utf8_valid("a\0b", 3));
    assert_true(text_utf8_valid("", 0));
    assert_true(text_utf8_valid("到岗 \xf0\x9f\x9a\xa8", 11));
}

static void test_utf16_units(void **state)
{
    (void)state;
    assert_int_equal(text_utf16_units(""), 0);
    assert_int_equal(text_utf16_units("abc"), 3);
    assert_int_equal(text_utf16_units("到岗"), 2);
    assert_int_equal(text_utf16_units("\xf0\x9f\x9a\xa8!"), 3);
    assert_int_equal(text_utf16_units("\xef\xbf\xbf"), 1);     /* U+FFFF */
    assert_int_equal(text_utf16_units("\xf0\x90\x80\x80"), 2); /* U+10000 */
}

static void test_copy_utf8(void **state)
{
    (void)state;
    char ret[8];
    assert_true(text_copy_utf8(ret, sizeof ret, "到岗a", 7));
    assert_string_equal(ret, "到岗a");
    assert_false(text_copy_utf8(ret, sizeof ret, "到岗ab", 8));
    assert_string_equal(ret, "到岗a");
    assert_false(text_copy_utf8(ret, sizeof ret, "到岗岗", 9));
    assert_string_equal(ret, "到岗");
    assert_true(text_copy_utf8(ret, sizeof ret,
                               "a\xff"
                               "b",
                               3));
    assert_string_equal(ret, "a\xef\xbf\xbd"
                             "b");
    assert_true(text_copy_utf8(ret, sizeof ret, "a\0b", 3));
    assert_string_equal(ret, "a\xef\xbf\xbd"
                             "b");
    assert_false(text_copy_utf8(ret, 1, "a", 1));
    assert_string_equal(ret, "");
    assert_true(text_copy_utf8(ret, 1, "", 0));
}

static void test_copy(void **state)
{
    (void)state;
    char ret[4];
    assert_true(text_copy(ret, sizeof ret, "abc"));
    assert_string_equal(ret, "abc");
    assert_false(text_copy(ret, sizeof ret, "abcd"));
    assert_string_equal(ret, "abc");
    assert_false(text_copy(ret, 1, "a"));
    assert_string_equal(ret, "");
    assert_true(text_copy(ret, 1, ""));
}

static void test_integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "９",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999"};
    int64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_to_int64(bad[i], INT64_MIN, INT64_MAX, &value));
    assert_int_equal(value, 7);
    assert_true(text_to_int64("9223372036854775807", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MAX);
    assert_true(text_to_int64("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MIN);
    assert_true(text_to_int64("-0", 0, 0, &value));
    assert_int_equal(value, 0);
    assert_true(text_to_int64("007", 0, 7, &value));
    assert_int_equal(value, 7);
    assert_false(text_to_int64("8", 0, 7, &value));
    assert_false(text_to_int64("-1", 0, 7, &value));
    int small = 5;
    assert_false(text_to_int("2147483648", INT32_MIN, INT32_MAX, &small));
    assert_int_equal(small, 5);
    assert_true(text_to_int("-2147483648", INT32_MIN, INT32_MAX, &small));
    assert_int_equal(small, INT32_MIN);
}

static void test_phone_forms(void **state)
{
    (void)state;
    static const struct {
        const char *dialled, *one_form;
    } rows[] = {
        {"13800000001", "+8613800000001"},
        {"+8613800000001", "+8613800000001"},
        {"8613800000001", "+8613800000001"},
        {"008613800000001", "+8613800000001"},
        {"138-0000 (0001)", "+8613800000001"},
        {"10086", "10086"},
        {"106550001234", "106550001234"},
        {"110", "110"},
        {"12110", "12110"},
        {"04825123456", "04825123456"},
        {"12345678901", "12345678901"}, /* 11 digits, but no mobile begins with 12 */
        {"+4915112345678", "+4915112345678"},
        {"004915112345678", "+4915112345678"},
        {"12345678901234567890", "12345678901234567890"},
        {"+12345678901234567890", "+12345678901234567890"},
    };
    char ret[LIMIT_PHONE_DIGITS + 2];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(text_normalise_phone(rows[i].dialled, "86", ret, sizeof ret));
        assert_string_equal(ret, rows[i].one_form);
        char again[LIMIT_PHONE_DIGITS + 2]; /* the one form is stable */
        assert_true(text_normalise_phone(ret, "86", again, sizeof again));
        assert_string_equal(again, ret);
    }
}

static void test_no_phone(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "1",
                                      "+",
                                      "+1",
                                      "abc",
                                      "1a",
                                      "1+2",
                                      "++12",
                                      "１３８",
                                      "123456789012345678901",
                                      "+123456789012345678901",
                                      "*100#"};
    char ret[LIMIT_PHONE_DIGITS + 2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_normalise_phone(bad[i], "86", ret, sizeof ret));
    assert_false(text_normalise_phone("13800000001", "86", ret, 14));
    assert_true(text_normalise_phone("13800000001", "86", ret, 15));
    /* nothing but the dialling prefix */
    assert_true(text_normalise_phone("00", "86", ret, sizeof ret));
    assert_string_equal(ret, "00");
}

static void test_mask(void **state)
{
    (void)state;
    static const struct {
        const char *number, *masked;
    } rows[] = {{"+8613800000001", "***001"}, {"10086", "***086"}, {"110", "***"}, {"", "***"},
                {"中国移动", "***"},          {"BANK", "***"}};
    char ret[8];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_mask_phone(rows[i].number, ret);
        assert_string_equal(ret, rows[i].masked);
    }
}

static void test_hex(void **state)
{
    (void)state;
    char hex[7];
    uint8_t bytes[3] = {0, 0x7f, 0xff};
    text_to_hex(bytes, 3, hex);
    assert_string_equal(hex, "007fff");
    assert_int_equal(text_from_hex("0A1b2C", 6, bytes, 3), 3);
    assert_memory_equal(bytes, "\x0a\x1b\x2c", 3);
    assert_int_equal(text_from_hex("", 0, bytes, 3), 0);
    assert_int_equal(text_from_hex("0", 1, bytes, 3), -1);
    assert_int_equal(text_from_hex("0g", 2, bytes, 3), -1);
    assert_int_equal(text_from_hex("00000000", 8, bytes, 3), -1);
}

static void test_escaped_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int unit;
    } rows[] = {{"\\u4e2D", 0x4e2d}, {"\\u0000", 0},  {"\\uffff ", 0xffff}, {"\\u4e2", -1},
                {"\\u4e2g", -1},     {"\\n4e2d", -1}, {"u4e2d ", -1},       {"", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(text_escaped_unit(rows[i].text, rows[i].text + strlen(rows[i].text)),
                         rows[i].unit);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "b"));
    assert_false(text_equal(NULL, "a"));
    assert_false(text_equal("a", NULL));
    assert_false(text_equal(NULL, NULL));
}

/* A telephone or identity number in whatever writing; dates, times and short numbers are none. */
static void test_numbers_of_people(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "13812345678",
        "打 138 1234 5678 找他",
        "138-1234-5678",
        "138.1234.5678",
        "+86 (138) 1234 5678",
        "１３８１２３４５６７８",
        "１３８　１２３４　５６７８",
        "138\u200b1234\u200b5678", /* zero-width blanks */
        "138,1234,5678",
        "一三八一二三四五六七八",
        "幺三八 1234 五六七八",
        "0482-5123456",
        "5123456",
        "152201199001011234",
        "15220119900101123X",
        "2026-09-30 13812345678",
        "1 3 8 1 2 3 4 5 6 7 8",
        "\377\3775123456", /* broken UTF-8 before it */
    };
    static const char *const others[] = {
        "",
        "东门1号 2号 3号",
        "2026-09-30前办结",
        "2026-09-01 2026-09-30",
        "2026/9/1-2026/9/30",
        "07:20-08:10，16:40-17:30",
        "1、2、3、4、5、6年级",
        "一二三四五六年级",
        "拨打110、119",
        "S17 S18 S19 S20 S21",
        "限高2.1米 限速30",
        "123456",
        "\xe5\x88", /* cut */
    };
    size_t from, to;
    struct err err;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!privacy_find_number(numbers[i], &from, &to))
            fail_msg("not found: %s", numbers[i]);
        assert_int_equal(privacy_check("name", numbers[i], &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "name holds"));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (privacy_find_number(others[i], &from, &to))
            fail_msg("taken for a number: %s", others[i]);
    assert_int_equal(privacy_check("name", NULL, &err), ERR_OK);
}

static void test_numbers_are_hidden(void **state)
{
    (void)state;
    char ret[64], small[8];
    assert_true(privacy_hide("车主138 1234 5678和5123456，2026-09-30", ret, sizeof ret));
    assert_string_equal(ret, "车主*和*，2026-09-30");
    assert_true(privacy_hide("没有", ret, sizeof ret));
    assert_string_equal(ret, "没有");
    assert_false(privacy_hide("车主13812345678", small, sizeof small - 1));
    assert_string_equal(small, "车主");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_round_trips),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_utf16_units),
        cmocka_unit_test(test_copy_utf8),
        cmocka_unit_test(test_numbers_of_people),
        cmocka_unit_test(test_numbers_are_hidden),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_phone_forms),
        cmocka_unit_test(test_no_phone),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_escaped_units),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
