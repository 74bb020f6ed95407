/* Errors, bounded buffers, the state machine, randomness and the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/log.h"
#include "gateway/base/rnd.h"
#include "gateway/base/sm.h"
#include "gateway/base/text.h"

static void test_err_set_and_wrap(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_IO, "HTTP %d", 503), ERR_IO);
    assert_int_equal(err_wrap(&err, "push batch %d", 17), ERR_IO);
    assert_int_equal(err_wrap(&err, "sync"), ERR_IO);
    assert_string_equal(err.text, "sync: push batch 17: HTTP 503");
    assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    assert_int_equal(err_wrap(NULL, "x"), ERR_INVALID);
}

static void test_err_from_its_own_text(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_IO, "disk full");
    assert_int_equal(err_set(&err, ERR_BUSY, "backup: %s (%s)", err.text, err.text), ERR_BUSY);
    assert_string_equal(err.text, "backup: disk full (disk full)");
    err_wrap(&err, "%s", err.text);
    assert_string_equal(err.text, "backup: disk full (disk full): backup: disk full (disk full)");
}

static void test_err_is_cut(void **state)
{
    (void)state;
    struct err err = {0};
    char big[2 * LIMIT_ERR_TEXT];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&err, ERR_IO, "%s", big);
    assert_int_equal(strlen(err.text), LIMIT_ERR_TEXT - 1);
    err_wrap(&err, "%s", big);
    assert_int_equal(strlen(err.text), LIMIT_ERR_TEXT - 1);
    err_set(&err, ERR_IO, "short");
    err_wrap(&err, "front");
    assert_string_equal(err.text, "front: short");
}

static void test_buf_grows_to_its_maximum(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_string_equal(buf_text(&buf), "");
    for (int i = 0; i < 100; i++)
        assert_true(buf_add(&buf, "0123456789", 10));
    assert_int_equal(buf.size, 1000);
    assert_true(buf_add(&buf, "", 0));
    assert_false(buf_add(&buf, "x", 1));
    assert_true(buf.failed);
    assert_int_equal(buf.size, 1000);
    assert_int_equal(strlen(buf_text(&buf)), 1000);
    buf_drop(&buf, 500);
    assert_false(buf_add(&buf, "x", 1)); /* failed stays until it is cleared */
    buf_clear(&buf);
    assert_string_equal(buf_text(&buf), "");
    assert_true(buf_add_text(&buf, "again"));
    assert_string_equal(buf_text(&buf), "again");
    buf_free(&buf);
    buf_free(&buf);
}

static void test_buf_printf(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    assert_true(buf_printf(&buf, "%d-%s", 42, "ab"));
    assert_string_equal(buf_text(&buf), "42-ab");
    assert_true(buf_printf(&buf, "%s", "xyz"));
    assert_string_equal(buf_text(&buf), "42-abxyz");
    assert_false(buf_printf(&buf, "!"));
    assert_string_equal(buf_text(&buf), "42-abxyz");
    buf_clear(&buf);
    assert_false(buf_printf(&buf, "%s", "123456789"));
    assert_string_equal(buf_text(&buf), "");
    buf_free(&buf);
}

static void test_buf_reserve(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 600);
    char *room = buf_reserve(&buf, 600);
    assert_non_null(room);
    memset(room, 'a', 600);
    buf_commit(&buf, 500);
    assert_int_equal(strlen(buf_text(&buf)), 500);
    assert_null(buf_reserve(&buf, 101));
    buf_clear(&buf);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_clear(&buf);
    buf_drop(&buf, 0);
    buf_add_text(&buf, "hello");
    buf_drop(&buf, 2);
    assert_string_equal(buf_text(&buf), "llo");
    buf_drop(&buf, 3);
    assert_string_equal(buf_text(&buf), "");
    buf_free(&buf);
    struct buf zero = {0};
    buf_free(&zero);
}

enum { DOWN, UP, GONE, STATES };
static const struct sm_state states[STATES] = {
    [DOWN] = {"down", SM_TO(UP)},
    [UP] = {"up", SM_TO(DOWN) | SM_TO(GONE)},
    [GONE] = {"gone", 0},
};

static void test_state_machine(void **state)
{
    (void)state;
    struct sm sm;
    sm_init(&sm, "link", states, STATES, DOWN);
    assert_string_equal(sm_name(&sm), "down");
    assert_true(sm_allows(&sm, UP));
    assert_false(sm_allows(&sm, GONE));
    assert_false(sm_allows(&sm, DOWN));
    assert_false(sm_allows(&sm, -1));
    assert_false(sm_allows(&sm, STATES));
    assert_false(sm_allows(&sm, 64));
    sm_move(&sm, UP);
    sm_move(&sm, GONE);
    assert_string_equal(sm_name(&sm), "gone");
    assert_false(sm_allows(&sm, UP));
}

static void test_seeded_sequence(void **state)
{
    (void)state;
    struct rnd a = rnd_seeded(0);
    assert_true(rnd_u64(&a) == UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's published values */
    assert_true(rnd_u64(&a) == UINT64_C(0x6e789e6aa1b965f4));
    struct rnd b = rnd_seeded(7), c = rnd_seeded(7);
    char left[100], right[100];
    rnd_fill(&b, left, sizeof left);
    rnd_fill(&c, right, sizeof right);
    assert_memory_equal(left, right, sizeof left);
}

static void test_below(void **state)
{
    (void)state;
    struct rnd rnd = rnd_seeded(3);
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++)
        seen[rnd_below(&rnd, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(rnd_below(&rnd, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(rnd_below(&rnd, UINT64_MAX) < UINT64_MAX);
}

static void test_system_randomness(void **state)
{
    (void)state;
    struct rnd rnd = rnd_system();
    assert_true(rnd_u64(&rnd) != rnd_u64(&rnd));
    rnd_fill(&rnd, NULL, 0);
}

struct heard {
    int lines;
    enum log_level level;
    char line[2 * LIMIT_LOG_LINE];
};

static void on_line(void *ctx, enum log_level level, const char *line)
{
    struct heard *heard = ctx;
    heard->lines++;
    heard->level = level;
    text_copy(heard->line, sizeof heard->line, line);
}

static void test_log_lines(void **state)
{
    (void)state;
    struct heard heard = {0};
    log_set_sink(on_line, &heard);
    log_info("sms.sent", "id=%s part=%d", "x", 2);
    assert_string_equal(heard.line, "sms.sent id=x part=2");
    assert_int_equal(heard.level, LOG_LEVEL_INFO);
    log_debug("noise", "x=%d", 1);
    assert_int_equal(heard.lines, 1);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("noise", "x=%d", 1);
    assert_int_equal(heard.lines, 2);
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("noise", "x=%d", 1);
    assert_int_equal(heard.lines, 2);
    log_set_level(LOG_LEVEL_INFO);
    log_info("forged", "text=%s", "a\n<3>fake\x1b[2J\x7f");
    assert_string_equal(heard.line, "forged text=a?<3>fake?[2J?");
    log_set_sink(NULL, NULL);
}

static void test_log_cuts_at_a_character(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct buf text;
    buf_init(&text, 4 * LIMIT_LOG_LINE);
    log_set_sink(on_line, &heard);
    for (int shift = 0; shift < 4; shift++) {
        buf_clear(&text);
        for (int i = 0; i < shift; i++)
            buf_add_text(&text, "x");
        for (int i = 0; i < LIMIT_LOG_LINE; i++)
            buf_add_text(&text, "岗");
        log_info("long", "%s", buf_text(&text));
        assert_in_range(strlen(heard.line), 900, LIMIT_LOG_LINE - 1);
        assert_true(text_utf8_valid(heard.line, strlen(heard.line)));
    }
    log_set_sink(NULL, NULL);
    buf_free(&text);
}

static void test_log_to_stderr_is_one_line(void **state)
{
    (void)state;
    int ends[2];
    char got[256] = "";
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_error("disk.full", "path=%s", "/x");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    assert_true(read(ends[0], got, sizeof got - 1) > 0);
    close(ends[0]);
    assert_string_equal(got, "<3>disk.full path=/x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_set_and_wrap),
        cmocka_unit_test(test_err_from_its_own_text),
        cmocka_unit_test(test_err_is_cut),
        cmocka_unit_test(test_buf_grows_to_its_maximum),
        cmocka_unit_test(test_buf_printf),
        cmocka_unit_test(test_buf_reserve),
        cmocka_unit_test(test_state_machine),
        cmocka_unit_test(test_seeded_sequence),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_system_randomness),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_log_cuts_at_a_character),
        cmocka_unit_test(test_log_to_stderr_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
