/* What the gateway refuses, said in Chinese. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/cli/refusal.h"

static void test_in_chinese(void **state)
{
    static const char *const cases[][2] = {
        {"there is no draft; plan one first", "还没有草案：先用 touyan roster plan [日期] 排班"},
        {"\"S1\" is not one school of this station",
         "本站没有“S1”这所学校，或不止一所：请写代码或全名"},
        {"the first line names no column 姓名 (name)", "表格第一行没有“姓名”（name）这一列"},
        {"a post needs somebody even while it is quiet", "平峰时岗位也至少要 1 人"},
        {"issue 0136 is \"closed\": it cannot fix now", "隐患 0136 现在是“已销号”，不能“报整改”"},
        {"type is one of 防范 疏导 ", "type只能是： 防范 疏导 "},
        {"the draft could not be stored: disk I/O error", "草案存不下来：disk I/O error"},
        {"product a has no command has no command b", "a 这种设备没有命令“has no command b”"},
    };
    char chinese[REFUSAL_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(refusal_in_chinese(cases[i][0], chinese));
        assert_string_equal(chinese, cases[i][1]);
    }
}

static void test_unknown_sentences(void **state)
{
    static const char *const cases[] = {
        "",
        "something else",
        "there is no draft",
        "there is no draft; plan one first now",
        "\"S1 is not one school of this station",
    };
    char chinese[REFUSAL_BYTES] = "as it was";
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false(refusal_in_chinese(cases[i], chinese));
    assert_string_equal(chinese, "as it was");
}

static void test_long_words(void **state)
{
    char text[1024], chinese[REFUSAL_BYTES];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "there is no card ", 17);
    text[sizeof text - 1] = '\0';
    assert_false(refusal_in_chinese(text, chinese)); /* longer than any word of the gateway */
    text[17 + 255] = '\0';
    assert_true(refusal_in_chinese(text, chinese));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_chinese),
        cmocka_unit_test(test_unknown_sentences),
        cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
