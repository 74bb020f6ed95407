/* Every text, in each language, with the longest names there are: one segment, nothing unfilled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/caltime.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/duty/texts.h"

static const struct text_fields longest = {
    .signature = "突泉护学",
    .person = "阿拉坦其木格",
    .other = "阿拉坦其木格",
    .leader = "阿拉坦其木格",
    .school = "突泉县第二实验小学",
    .school_code = "S117",
    .post = "东门非机动车岗",
    .date = "12月31日",
    .start = "07:20",
    .end = "08:10",
    .code = "4821",
    .phone = "0482-5123456",
    .reason = "大风沙尘暴雪",
    .list = "周三07:20第二实验小学东门；周四07:20第二实验小学东门；周五17:"
            "00第二实验小学北门；下周一07:20北门；下周二07:20北门",
    .minutes = 999,
    .count = 999,
    .need = 999,
    .team = 999,
};

/* In English dates come from text_date(TEXT_EN). A school without a code is the longest case. */
static struct text_fields longest_of(enum text_lang lang)
{
    struct text_fields fields = longest;
    if (lang == TEXT_EN) {
        fields.date = "31 Dec";
        fields.school_code = NULL;
        fields.signature = "Tuquan Guard";
        fields.school = "Zhuangzhuangzhuang No 2";
        fields.person = "庄庄庄双双双";
        fields.post = "庄庄庄双双双庄";
    }
    return fields;
}

/* GSM 7 bit default alphabet, the part of it that is ASCII and one septet. */
static bool is_gsm7(const char *text)
{
    for (; text[0] != '\0'; text++)
        if ((text[0] < ' ' && text[0] != '\n') || text[0] > 'z' ||
            strchr("[]\\^`", text[0]) != NULL)
            return false;
    return true;
}

static void test_one_segment(void **state)
{
    (void)state;
    int bad = 0;
    for (int lang = 0; lang < TEXT_LANG_COUNT; lang++)
        for (int id = 0; id < TEXT_COUNT; id++) {
            struct text_fields fields = longest_of((enum text_lang)lang);
            char text[TEXT_SIZE];
            int code =
                text_render((enum text_id)id, (enum text_lang)lang, &fields, text, sizeof text);
            int units = text_utf16_units(text);
            int limit = lang == TEXT_ZH ? LIMIT_SEGMENT_UNITS : LIMIT_SEGMENT_SEPTETS;
            if (code != ERR_OK || units <= 0 || units > limit || strpbrk(text, "{}") != NULL ||
                (lang == TEXT_EN && !is_gsm7(text))) {
                print_error("%s %d units: %s\n", text_name((enum text_id)id), units, text);
                bad++;
            }
        }
    assert_int_equal(bad, 0);
}

static void test_nothing_given(void **state)
{
    (void)state;
    struct text_fields none = {0};
    for (int lang = 0; lang < TEXT_LANG_COUNT; lang++)
        for (int id = 0; id < TEXT_COUNT; id++) {
            char text[TEXT_SIZE];
            assert_int_equal(
                text_render((enum text_id)id, (enum text_lang)lang, &none, text, sizeof text),
                ERR_OK);
            assert_null(strpbrk(text, "{}"));
            assert_non_null(text_template((enum text_id)id, (enum text_lang)lang));
        }
}

static void test_names_are_cut_times_never(void **state)
{
    (void)state;
    struct text_fields fields = longest;
    fields.school = "内蒙古自治区兴安盟突泉县第二实验小学";
    fields.person = "阿拉坦其木格布和";
    char text[TEXT_SIZE];
    text_render(TEXT_R1_EVE, TEXT_ZH, &fields, text, sizeof text);
    assert_string_equal(
        text,
        "【突泉护学】阿拉坦其木格，12月31日07:20-08:10在内蒙古自治区兴安盟东门非机动车岗执勤。"
        "能来请回1，不能来请回2，换班请回3");
}

static void test_list_loses_whole_items(void **state)
{
    (void)state;
    struct text_fields fields = longest;
    char text[TEXT_SIZE];
    text_render(TEXT_A14_MINE, TEXT_ZH, &fields, text, sizeof text);
    assert_string_equal(text,
                        "【突泉护学】您的班：周三07:20第二实验小学东门；周四07:20第二实验小学东门；"
                        "周五17:00第二实验小学北门；下周一07:20北门…");
    fields.list = "周三07:20东门";
    text_render(TEXT_A14_MINE, TEXT_ZH, &fields, text, sizeof text);
    assert_string_equal(text, "【突泉护学】您的班：周三07:20东门");
}

static void test_english_is_ascii(void **state)
{
    (void)state;
    struct text_fields fields = {.signature = "突泉护学",
                                 .person = "王建国",
                                 .school = "第二实验小学",
                                 .school_code = "S17",
                                 .post = "东门",
                                 .start = "07:32",
                                 .code = "4821"};
    char text[TEXT_SIZE];
    text_render(TEXT_O2_PANIC, TEXT_EN, &fields, text, sizeof text);
    assert_string_equal(text, "Tuquanhuxue: URGENT 4821: Wangjianguo raised an alarm 07:32 at S17 "
                              "Dongmen. To go reply \"GO 4821\". Next call in 2 min");
}

static void test_hostile_names(void **state)
{
    (void)state;
    struct text_fields fields = longest;
    fields.person = "{code}\n\x01\xff"
                    "𠀀𠀁𠀂𠀃𠀄";
    char text[TEXT_SIZE];
    text_render(TEXT_O2_TAKEN, TEXT_ZH, &fields, text, sizeof text);
    assert_true(text_utf8_valid(text, strlen(text)));
    assert_true(text_utf16_units(text) <= LIMIT_SEGMENT_UNITS);
    assert_null(strchr(text, '\n'));
    text_render(TEXT_O2_TAKEN, TEXT_EN, &fields, text, sizeof text);
    assert_true(is_gsm7(text));
}

static void test_small_buffer(void **state)
{
    (void)state;
    char text[10];
    assert_int_equal(text_render(TEXT_U2_UNKNOWN, TEXT_ZH, &longest, text, sizeof text), ERR_LIMIT);
    assert_true(text_utf8_valid(text, strlen(text)));
}

static void test_days(void **state)
{
    (void)state;
    char text[TEXT_DATE_SIZE];
    int64_t now = caltime_to_ms(2026, 9, 1, 18, 0); /* a Tuesday */
    text_day(TEXT_ZH, now, now, text);
    assert_string_equal(text, "今天");
    text_day(TEXT_ZH, caltime_to_ms(2026, 9, 2, 7, 20), now, text);
    assert_string_equal(text, "明天周三");
    text_day(TEXT_ZH, caltime_to_ms(2026, 12, 31, 7, 20), now, text);
    assert_string_equal(text, "12月31日");
    text_day(TEXT_EN, caltime_to_ms(2026, 9, 2, 7, 20), now, text);
    assert_string_equal(text, "2 Sep");
    text_weekday(TEXT_EN, now, text);
    assert_string_equal(text, "Tue");
    assert_int_equal(text_lang_of("en-GB"), TEXT_EN);
    assert_int_equal(text_lang_of("zh-CN"), TEXT_ZH);
    assert_int_equal(text_lang_of(NULL), TEXT_ZH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_segment),
        cmocka_unit_test(test_nothing_given),
        cmocka_unit_test(test_names_are_cut_times_never),
        cmocka_unit_test(test_list_loses_whole_items),
        cmocka_unit_test(test_english_is_ascii),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
