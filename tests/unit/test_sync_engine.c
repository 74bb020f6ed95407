/* The sync engine in virtual time: when it asks, how it backs off, how big its pages are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/limits.h"
#include "sync/engine.h"

struct fixture {
    struct engine engine;
    struct rnd rnd;
};

static struct fixture make(uint64_t seed)
{
    struct fixture f;
    f.rnd = rnd_seeded(seed);
    return f;
}

static void start(struct fixture *f)
{
    struct engine_options options = {60000, 5000, 900000, 50};
    engine_init(&f->engine, &options, &f->rnd, 1000);
}

static void one_round(struct fixture *f, int64_t now, bool more)
{
    engine_requested(&f->engine);
    engine_replied(&f->engine, more, 100, 100, 10);
    engine_applied(&f->engine, now);
}

static void it_asks_at_start_then_at_the_poll_interval(void **state)
{
    (void)state;
    struct fixture f = make(1);
    start(&f);
    assert_true(engine_wants_request(&f.engine, 1000, false));
    one_round(&f, 2000, false);
    assert_int_equal(engine_next_in(&f.engine, 2000, false), 60000);
    assert_false(engine_wants_request(&f.engine, 61999, false));
    assert_true(engine_wants_request(&f.engine, 62000, false));
}

static void marks_are_pushed_after_a_short_wait_without_any_call(void **state)
{
    (void)state;
    struct fixture f = make(1);
    start(&f);
    one_round(&f, 2000, false);
    assert_int_equal(engine_next_in(&f.engine, 3000, true), 50);
    assert_false(engine_wants_request(&f.engine, 3049, true));
    assert_true(engine_wants_request(&f.engine, 3050, true));
    /* marks that a round left behind count anew */
    one_round(&f, 3100, false);
    assert_int_equal(engine_next_in(&f.engine, 3200, true), 50);
}

static void marks_that_did_not_fit_do_not_wait_for_company(void **state)
{
    (void)state;
    struct fixture f = make(1);
    start(&f);
    one_round(&f, 2000, false);
    f.engine.rest = true;
    assert_true(engine_wants_request(&f.engine, 2001, true));
    assert_false(engine_wants_request(&f.engine, 2001, false));
    engine_requested(&f.engine);
    engine_failed(&f.engine, 2100, 5000);
    assert_false(engine_wants_request(&f.engine, 2101, true));
}

static void more_is_asked_for_at_once(void **state)
{
    (void)state;
    struct fixture f = make(1);
    start(&f);
    one_round(&f, 2000, true);
    assert_true(engine_wants_request(&f.engine, 2000, false));
    one_round(&f, 2001, false);
    assert_false(engine_wants_request(&f.engine, 2001, false));
}

static void nothing_else_is_asked_while_one_runs(void **state)
{
    (void)state;
    struct fixture f = make(1);
    start(&f);
    engine_requested(&f.engine);
    assert_int_equal(engine_next_in(&f.engine, 999999, true), -1);
    engine_replied(&f.engine, false, 0, 0, 1);
    assert_int_equal(engine_next_in(&f.engine, 999999, true), -1);
}

/* The k-th failure in a row waits within [0, min(max, min * 2^(k-1))], spread over all of it. */
static void backoff_doubles_with_full_jitter_up_to_the_maximum(void **state)
{
    (void)state;
    int64_t longest[12] = {0};
    int64_t shortest[12];
    for (int k = 0; k < 12; k++)
        shortest[k] = INT64_MAX;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fixture f = make(seed);
        start(&f);
        int64_t now = 1000;
        int64_t limit = 5000;
        for (int k = 0; k < 12; k++) {
            engine_requested(&f.engine);
            engine_failed(&f.engine, now, -1);
            int64_t wait = engine_next_in(&f.engine, now, true);
            assert_in_range(wait, 0, limit);
            longest[k] = wait > longest[k] ? wait : longest[k];
            shortest[k] = wait < shortest[k] ? wait : shortest[k];
            now += wait;
            limit = limit * 2 < 900000 ? limit * 2 : 900000;
        }
    }
    int64_t limit = 5000;
    for (int k = 0; k < 12; k++) {
        assert_true(longest[k] > limit * 8 / 10);
        assert_true(shortest[k] < limit * 2 / 10);
        limit = limit * 2 < 900000 ? limit * 2 : 900000;
    }
}

static void retry_after_is_kept_and_success_forgets_the_failures(void **state)
{
    (void)state;
    struct fixture f = make(3);
    start(&f);
    engine_requested(&f.engine);
    engine_failed(&f.engine, 1000, 120000);
    assert_int_equal(engine_next_in(&f.engine, 1000, true), 120000);
    assert_true(engine_wants_request(&f.engine, 121000, false));
    one_round(&f, 121000, false);
    engine_requested(&f.engine);
    engine_failed(&f.engine, 200000, -1);
    assert_in_range(engine_next_in(&f.engine, 200000, true), 0, 5000);
}

static void applying_that_fails_waits_and_asks_the_same_again(void **state)
{
    (void)state;
    struct fixture f = make(4);
    start(&f);
    engine_requested(&f.engine);
    engine_replied(&f.engine, true, 100, 100, 1);
    engine_failed(&f.engine, 1000, -1);
    assert_string_equal(sm_name(&f.engine.sm), "waiting");
    assert_true(engine_wants_request(&f.engine, 1000 + 5000, false));
}

static void held_asks_nothing_until_released(void **state)
{
    (void)state;
    struct fixture f = make(5);
    start(&f);
    engine_hold(&f.engine);
    engine_retry_now(&f.engine, 2000);
    assert_int_equal(engine_next_in(&f.engine, 1000000, true), -1);
    engine_release(&f.engine, 1000000);
    assert_true(engine_wants_request(&f.engine, 1000000, false));
}

static void an_operator_ends_the_waiting(void **state)
{
    (void)state;
    struct fixture f = make(6);
    start(&f);
    engine_requested(&f.engine);
    engine_failed(&f.engine, 1000, 900000);
    engine_retry_now(&f.engine, 5000);
    assert_true(engine_wants_request(&f.engine, 5000, false));
}

static void a_page_is_what_the_link_carries_in_8_s(void **state)
{
    (void)state;
    struct fixture f = make(7);
    start(&f);
    assert_int_equal(engine_page_bytes(&f.engine), 65536);
    assert_false(engine_link_is_fast(&f.engine));
    static const struct {
        size_t decoded, wire;
        int64_t took;
        size_t page;
        bool fast;
    } cases[] = {
        {10000, 2500, 1000, 80000, false}, {16384, 4000, 100000, 4096, false},
        {262144, 40000, 50, 262144, true}, {100, 100, 60000, 65536, false},
        {262144, 40000, 0, 262144, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(&f);
        engine_requested(&f.engine);
        engine_replied(&f.engine, false, cases[i].decoded, cases[i].wire, cases[i].took);
        assert_int_equal(engine_page_bytes(&f.engine), cases[i].page);
        assert_int_equal(engine_link_is_fast(&f.engine), cases[i].fast);
    }
}

static void fail_once(struct fixture *f)
{
    engine_requested(&f->engine);
    engine_cut(&f->engine);
    engine_failed(&f->engine, 1000, -1);
}

static void a_line_that_breaks_gets_smaller_pages(void **state)
{
    (void)state;
    struct fixture f = make(8);
    start(&f);
    fail_once(&f);
    assert_int_equal(engine_page_bytes(&f.engine), 32768);
    for (int i = 0; i < 10; i++)
        fail_once(&f);
    assert_int_equal(engine_page_bytes(&f.engine), LIMIT_SYNC_PAGE_MIN_BYTES);
    for (int i = 0; i < 3; i++) {
        engine_requested(&f.engine);
        engine_replied(&f.engine, false, engine_page_bytes(&f.engine), 1000, 300);
        engine_applied(&f.engine, 1000);
    }
    assert_true(engine_page_bytes(&f.engine) > 65536);
}

static void nobody_is_sent_away_for_more_than_six_hours(void **state)
{
    (void)state;
    struct fixture f = make(9);
    start(&f);
    engine_requested(&f.engine);
    engine_failed(&f.engine, 1000, INT64_C(86400000) * 365);
    assert_int_equal(engine_next_in(&f.engine, 1000, true), 6 * 3600 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_asks_at_start_then_at_the_poll_interval),
        cmocka_unit_test(marks_are_pushed_after_a_short_wait_without_any_call),
        cmocka_unit_test(marks_that_did_not_fit_do_not_wait_for_company),
        cmocka_unit_test(more_is_asked_for_at_once),
        cmocka_unit_test(nothing_else_is_asked_while_one_runs),
        cmocka_unit_test(backoff_doubles_with_full_jitter_up_to_the_maximum),
        cmocka_unit_test(retry_after_is_kept_and_success_forgets_the_failures),
        cmocka_unit_test(applying_that_fails_waits_and_asks_the_same_again),
        cmocka_unit_test(held_asks_nothing_until_released),
        cmocka_unit_test(an_operator_ends_the_waiting),
        cmocka_unit_test(a_page_is_what_the_link_carries_in_8_s),
        cmocka_unit_test(a_line_that_breaks_gets_smaller_pages),
        cmocka_unit_test(nobody_is_sent_away_for_more_than_six_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
