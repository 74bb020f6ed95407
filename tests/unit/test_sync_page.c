/* Taking the county's replies apart: frames, bad text, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/page.h"
#include "sync/protocol.h"

static int read_text(const char *text, struct page *ret, struct err *err)
{
    return page_read(ret, text, strlen(text), err);
}

static void rows_are_found_as_they_are(void **state)
{
    (void)state;
    struct page page;
    struct err err = {0};
    assert_int_equal(
        read_text("{\"now\":5, \"pull\" : [ {\"t\":\"person\",\"s\":\"S1\",\"r\":[ "
                  "{\"id\":\"a]}\\\"\",\"x\":[1,{}]} , 7,\"s\"]},"
                  "{\"r\":[],\"s\":\"*\",\"t\":\"nosuch\",\"later\":true}] ,\"more\":1}",
                  &page, &err),
        ERR_OK);
    assert_int_equal(page.group_count, 2);
    assert_int_equal(page.row_count, 3);
    assert_string_equal(page.groups[0].table->name, "person");
    assert_string_equal(page.groups[0].scope, "S1");
    assert_null(page.groups[1].table);
    assert_int_equal(page.rows[0].size, strlen("{\"id\":\"a]}\\\"\",\"x\":[1,{}]}"));
    assert_int_equal(page.rows[1].size, 1);
    assert_int_equal(page.rows[2].size, 3);
    assert_int_equal(json_int(page.envelope, "now", 0), 5);
    assert_int_equal(json_int(page.envelope, "more", 0), 1);
    assert_int_equal(json_count(json_get(page.envelope, "pull")), 0);
    page_free(&page);
}

static void bad_text_is_found_row_by_row(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        bool clean;
    } cases[] = {
        {"{\"a\":\"好\\n\\\\u0000\\u597d\"}", true},
        {"{\"a\":\"\\ud83d\\ude00\"}", true},
        {"{\"a\":\"\\u0000\"}", false},
        {"{\"a\":\"\\ud83d\"}", false},
        {"{\"a\":\"\\ud83dx\\ude00\"}", false},
        {"{\"a\":\"\\ude00\"}", false},
        {"{\"a\":\"\xff\"}", false},
        {"{\"a\":\"\xc0\x80\"}", false},
        {"{\"a\":\"\xed\xa0\x80\"}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"pull\":[{\"t\":\"person\",\"s\":\"\",\"r\":[{},%s,{}]}]}",
                 cases[i].row);
        struct page page;
        struct err err = {0};
        assert_int_equal(read_text(text, &page, &err), ERR_OK);
        assert_int_equal(page.row_count, 3);
        assert_int_equal(page.rows[1].bad_text, !cases[i].clean);
        assert_false(page.rows[0].bad_text || page.rows[2].bad_text);
        page_free(&page);
    }
}

static void a_broken_frame_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"pull\":7}",
        "{\"pull\":[}",
        "{\"pull\":[],\"pull\":[]}",
        "{\"pull\":[{}]}",
        "{\"pull\":[{\"t\":\"a\",\"s\":\"b\"}]}",
        "{\"pull\":[{\"t\":\"a\",\"s\":\"b\",\"r\":{}}]}",
        "{\"pull\":[{\"t\":\"a\",\"s\":\"b\",\"r\":[1 2]}]}",
        "{\"pull\":[{\"t\":1,\"s\":\"b\",\"r\":[]}]}",
        "{\"pull\":[{\"t\":\"a\",\"s\":\"012345678901234567890123456789012345\",\"r\":[]}]}",
        "{\"pull\":[],\"now\":}",
        "{\"pull\":[]} x",
        "{\"pull\":[{\"t\":\"a\",\"s\":\"b\",\"r\":[\"\\",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct page page = {0};
        struct err err = {0};
        if (read_text(texts[i], &page, &err) == ERR_OK)
            fail_msg("taken: %s", texts[i]);
        assert_true(err.text[0] != '\0');
        page_free(&page);
    }
}

/* Every cut of a good reply is refused, never read beyond its end. */
static void every_cut_is_refused(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"now\":5,\"pull\":[{\"t\":\"person\",\"s\":\"S1\",\"r\":[{\"id\":\"\\u597d\"},2]}],"
        "\"more\":1}";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        char *exact = malloc(size + 1);
        memcpy(exact, whole, size);
        struct page page = {0};
        struct err err = {0};
        assert_int_not_equal(page_read(&page, exact, size, &err), ERR_OK);
        free(exact);
    }
}

static void too_many_rows_are_refused(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct buf text;
        buf_init(&text, 100000);
        buf_add_text(&text, "{\"pull\":[{\"t\":\"person\",\"s\":\"\",\"r\":[0");
        for (int i = 1; i < PROTOCOL_PAGE_ROWS + extra; i++)
            buf_add_text(&text, ",0");
        buf_add_text(&text, "]}]}");
        struct page page = {0};
        struct err err = {0};
        assert_int_equal(page_read(&page, text.bytes, text.size, &err), extra ? ERR_LIMIT : ERR_OK);
        page_free(&page);
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_as_they_are),
        cmocka_unit_test(bad_text_is_found_row_by_row),
        cmocka_unit_test(a_broken_frame_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(too_many_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
