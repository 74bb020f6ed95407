/* Rows cut out of a request's body, and what no text of PostgreSQL holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sync/county/slice.h"

static void expect_cut(const char *body, const char *head, size_t count, const char *first)
{
    struct slice slice;
    struct buf out;
    buf_init(&out, 65536);
    assert_true(slice_body(body, strlen(body), "push", &slice, &out));
    assert_string_equal(buf_text(&out), head);
    assert_int_equal(slice.count, count);
    if (count > 0) {
        assert_int_equal(slice.rows[0].size, strlen(first));
        assert_memory_equal(slice.rows[0].text, first, slice.rows[0].size);
    }
    buf_free(&out);
}

static void arrays_of_rows_are_cut_out(void **state)
{
    (void)state;
    expect_cut("{\"p\":1,\"push\":[{\"t\":\"a\",\"r\":[{\"id\":\"]}\\\"\"},[1]]}, {\"r\" : [ ],"
               "\"t\":\"b\"}],\"fp\":\"x\"}",
               "{\"p\":1,\"push\":[{\"t\":\"a\",\"r\":[]}, {\"r\" : [],\"t\":\"b\"}],\"fp\":\"x\"}",
               2, "[{\"id\":\"]}\\\"\"},[1]]");
    expect_cut(" { \"push\" : [] } ", " { \"push\" : [] } ", 0, NULL);
    expect_cut("{\"other\":[{\"r\":[1]}],\"push\":[{\"r\":[2]}]}",
               "{\"other\":[{\"r\":[1]}],\"push\":[{\"r\":[]}]}", 1, "[2]");
}

static void what_is_no_json_stays(void **state)
{
    static const char *const BODIES[] = {
        "",
        "[",
        "{",
        "{\"push\"",
        "{\"push\":",
        "{\"push\":[",
        "{\"push\":[{",
        "{\"push\":[{\"r\":",
        "{\"push\":[{\"r\":[",
        "{\"push\":[{\"r\":[\"",
        "{\"push\":[{\"r\":[\"\\",
        "{\"push\":{\"r\":[1]}}",
        "{\"push\":[[{\"r\":[1]}]]}",
        "{\"push\":[{\"r\":{}}]}",
        "{\"pu\\u0073h\":[{\"r\":[1]}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        expect_cut(BODIES[i], BODIES[i], 0, NULL);
}

static void there_is_a_most_of_parts(void **state)
{
    struct slice slice;
    struct buf body, head;
    (void)state;
    buf_init(&body, 65536);
    buf_init(&head, 65536);
    buf_add_text(&body, "{\"push\":[{\"r\":[]}");
    for (int i = 1; i < SLICE_PARTS_MAX; i++)
        buf_add_text(&body, ",{\"r\":[]}");
    assert_true(slice_body(buf_text(&body), body.size, "push", &slice, &head));
    buf_add_text(&body, ",{\"r\":[]}]}");
    assert_false(slice_body(buf_text(&body), body.size, "push", &slice, &head));
    buf_free(&body);
    buf_free(&head);
}

static void expect_clean(const char *json, size_t size, const char *clean)
{
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(slice_clean(json, size, &out), clean != NULL);
    assert_string_equal(buf_text(&out), clean != NULL ? clean : "");
    buf_free(&out);
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void only_what_is_strange_is_replaced(void **state)
{
    (void)state;
    expect_clean(TEXT("[\"\\\\u0000 \\ud83d\\ude00 \xe5\xad\xa6\"]"), NULL);
    expect_clean(TEXT("\"\\u0000\""), "\"\\ufdd0\"");
    expect_clean(TEXT("\"\\\\\\u0000\""), "\"\\\\\\ufdd0\"");
    expect_clean(TEXT("\"\\uD83D\""), "\"\\ufdd1\"");
    expect_clean(TEXT("\"\\ude00\\ud83d\""), "\"\\ufdd1\\ufdd1\"");
    expect_clean(TEXT("\"\\ud83d\\u0041\""), "\"\\ufdd1\\u0041\"");
    expect_clean(TEXT("\"a\xff\xe5\xad\""), "\"a\\ufdd1\\ufdd1\\ufdd1\"");
    expect_clean(TEXT("\"\\u00"), NULL);
    expect_clean(TEXT("\"a\0b\""), "\"a\\ufdd1b\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_rows_are_cut_out),
        cmocka_unit_test(what_is_no_json_stays),
        cmocka_unit_test(there_is_a_most_of_parts),
        cmocka_unit_test(only_what_is_strange_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
