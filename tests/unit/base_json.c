/* JSON messages: what is refused, what a missing member reads as, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/json.h"
#include "gateway/base/limits.h"

static int parse(const char *text, struct json **ret)
{
    struct err err = {0};
    int rc = json_parse(text, strlen(text), ret, &err);
    if (rc != ERR_OK)
        assert_true(strlen(err.text) > 0);
    return rc;
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[1,]",
        "{\"a\":1}x",
        "{\"a\":1,\"a\":2}",
        "{'a':1}",
        "{a:1}",
        "01",
        "\"\xff\"",
        "\"\xed\xa0\x80\"",
        "nul",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "99999999999999999999",
        "NaN",
        "[1] [2]",
        "// x\n1",
        "]",
        "\"a\nb\"",
        "1e999",
    };
    struct json *root = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &root) == ERR_OK)
            fail_msg("accepted: %s", bad[i]);
    assert_null(root);
    struct err err = {0};
    assert_int_equal(json_parse("\"a\0b\"", 5, &root, &err), ERR_INVALID);
    assert_int_equal(json_parse(NULL, 0, &root, &err), ERR_INVALID);
}

static void nested(char *text, int depth)
{
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    text[2 * depth] = '\0';
}

static void test_depth(void **state)
{
    (void)state;
    char text[4 * LIMIT_JSON_DEPTH];
    struct json *root = NULL;
    nested(text, LIMIT_JSON_DEPTH);
    assert_int_equal(parse(text, &root), ERR_OK);
    json_free(root);
    nested(text, LIMIT_JSON_DEPTH + 1);
    assert_int_equal(parse(text, &root), ERR_LIMIT);
    /* brackets in strings do not count, whatever is escaped there */
    memset(text, '[', sizeof text);
    memcpy(text, "\"\\\"\\\\", 5);
    text[sizeof text - 2] = '"';
    text[sizeof text - 1] = '\0';
    assert_int_equal(parse(text, &root), ERR_OK);
    json_free(root);
}

static void test_size(void **state)
{
    (void)state;
    size_t size = (size_t)LIMIT_JSON_BYTES + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    text[0] = '1';
    struct json *root = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(text, size, &root, &err), ERR_LIMIT);
    assert_int_equal(json_parse(text, size - 1, &root, &err), ERR_OK);
    json_free(root);
    free(text);
}

static void test_reading(void **state)
{
    (void)state;
    struct json *root = NULL;
    assert_int_equal(parse("{\"t\":\"到岗\",\"i\":-5,\"r\":1.5,\"b\":true,\"n\":null,"
                           "\"big\":9223372036854775807,\"a\":[1,\"x\",{}]}",
                           &root),
                     ERR_OK);
    assert_string_equal(json_text(root, "t", "?"), "到岗");
    assert_string_equal(json_text(root, "i", "?"), "?");
    assert_string_equal(json_text(root, "none", "?"), "?");
    assert_null(json_text(root, "n", NULL));
    assert_int_equal(json_int(root, "i", 9), -5);
    assert_int_equal(json_int(root, "r", 9), 9);
    assert_int_equal(json_int(root, "t", 9), 9);
    assert_true(json_int(root, "big", 0) == INT64_MAX);
    assert_true(json_bool(root, "b", false));
    assert_true(json_bool(root, "i", true));
    assert_false(json_bool(root, "none", false));
    struct json *array = json_get(root, "a");
    assert_int_equal(json_count(array), 3);
    assert_int_equal(json_as_int(json_at(array, 0), 9), 1);
    assert_string_equal(json_as_text(json_at(array, 1), "?"), "x");
    assert_null(json_at(array, 3));
    assert_int_equal(json_count(json_get(root, "t")), 0);
    json_free(root);
}

static void test_reading_nothing(void **state)
{
    (void)state;
    assert_null(json_get(NULL, "a"));
    assert_string_equal(json_text(NULL, "a", "?"), "?");
    assert_int_equal(json_int(NULL, "a", 9), 9);
    assert_true(json_bool(NULL, "a", true));
    assert_int_equal(json_count(NULL), 0);
    assert_null(json_at(NULL, 0));
    assert_string_equal(json_as_text(NULL, "?"), "?");
    assert_int_equal(json_as_int(NULL, 9), 9);
    json_free(NULL);
}

static void test_writing(void **state)
{
    (void)state;
    struct json *root = json_new_object();
    json_set_text(root, "t", "引\"号\n");
    json_set_text(root, "none", NULL);
    json_set_text(root, "bad", "\xff");
    json_set_int(root, "i", INT64_MIN);
    json_set_bool(root, "b", false);
    struct json *array = json_new_array();
    json_add_text(array, "x");
    json_add_int(array, 3);
    json_add(array, json_new_object());
    json_set(root, "a", array);
    struct buf out;
    buf_init(&out, 1000);
    assert_true(json_write(root, &out));
    assert_string_equal(buf_text(&out),
                        "{\"t\":\"引\\\"号\\n\",\"none\":null,\"bad\":\"\xef\xbf\xbd\","
                        "\"i\":-9223372036854775808,\"b\":false,\"a\":[\"x\",3,{}]}");
    buf_free(&out);
    buf_init(&out, 20);
    assert_false(json_write(root, &out));
    assert_true(out.failed);
    buf_free(&out);
    json_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_reading_nothing),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
