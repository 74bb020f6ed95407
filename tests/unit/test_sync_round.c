/* Whole rounds of the sync module over a transport that a test answers by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/round_fixture.h"

static int set_up(void **state)
{
    rx_set_up(state);
    struct fixture *f = *state;
    rx_close(f);
    f->own_only = true;
    rx_open(f);
    rx_run(f,
           "INSERT INTO sync_state(k, v) VALUES ('cur:S1', '[\"\",0]')"); /* as after a filling */
    sync_start(f->sync);
    return 0;
}

static size_t sent_rows(struct fixture *f)
{
    size_t rows = 0;
    struct json *push = json_get(f->sent, "push");
    for (size_t i = 0; i < json_count(push); i++)
        rows += json_count(json_get(json_at(push, i), "r"));
    return rows;
}

static void answer_error(struct fixture *f)
{
    struct transport_reply reply = {.code = ERR_IO, .retry_after_ms = -1, .body = ""};
    err_set(&reply.err, ERR_IO, "no route");
    rx_give(f, &reply);
    rx_turn(f);
}

static void answer_rows(struct fixture *f, int rows, int64_t first, bool more)
{
    static struct buf text;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES);
    buf_printf(
        &text,
        "{\"now\":1700000000000,\"inc\":9,\"tok\":\"t\",\"ep\":\"e\",\"ack\":%lld,\"v0\":5000,"
        "\"lost\":[],\"keep\":[],\"bad\":[],\"cur\":{\"S1\":[\"e\",%lld]},\"more\":%d,\"pull\":[",
        (long long)rx_highest_sent(f), (long long)first + rows, more);
    for (int i = 0; i < rows; i++)
        buf_printf(&text,
                   "%s{\"_v\":%lld,\"_op\":\"U\",\"id\":\"p%lld\",\"scope\":\"S1\",\"kind\":"
                   "\"guard\",\"name\":\"n\"}",
                   i == 0 ? "{\"t\":\"person\",\"s\":\"S1\",\"r\":[" : ",", (long long)first + i,
                   (long long)first + i);
    buf_add_text(&text, rows > 0 ? "]}]}" : "]}");
    struct transport_reply reply = {.status = 200,
                                    .retry_after_ms = -1,
                                    .body = buf_text(&text),
                                    .size = text.size,
                                    .took_ms = 1};
    rx_give(f, &reply);
    buf_free(&text);
}

static void answer_good(struct fixture *f)
{
    answer_rows(f, 0, 0, false);
    rx_turn(f);
}

static void write_shifts(struct fixture *f, int64_t count)
{
    replica_enter(f->replica);
    replica_run(f->replica,
                "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?1) "
                "INSERT INTO shift(id,scope,post_id,date,peak,state) "
                "SELECT 's' || i, 'S1', 'p', 'd', 'am', 'planned' FROM k",
                "i", count);
    assert_true(replica_leave(f->replica, true));
    replica_commit(f->replica);
    sync_poke(f->sync);
}

/* --- tests --- */

static void a_round_pulls_applies_in_slices_and_stores_the_cursor_last(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_rows(f, 1234, 10, true);
    int64_t most = 0;
    int64_t before = 0;
    while (f->on_reply == NULL) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        int64_t now = rx_ask(f, "SELECT count(*) FROM person");
        most = now - before > most ? now - before : most;
        before = now;
        if (now < 1234)
            assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='cur:S1'"), 0);
    }
    assert_true(most <= LIMIT_SYNC_SLICE_ROWS);
    assert_int_equal(f->applied, 1234);
    assert_int_equal(f->links_up, 1);
    assert_int_equal(json_as_int(json_at(json_get(json_get(f->sent, "pull"), "S1"), 1), 0), 1244);
    answer_good(f);
    assert_true(rx_status(f).caught_up);
    assert_int_equal(rx_status(f).link, SYNC_LINK_UP);
}

static void a_lost_reply_sends_the_same_marks_again(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 3);
    rx_wait_request(f, "");
    assert_int_equal(sent_rows(f), 3);
    char *fp = strdup(json_text(f->sent, "fp", ""));
    answer_error(f);
    assert_int_equal(rx_status(f).link, SYNC_LINK_DOWN);
    assert_string_equal(rx_status(f).problem, "no route");
    assert_int_equal(f->links_down, 1);
    assert_int_equal(rx_status(f).pending, 3);
    rx_wait_request(f, "");
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
    free(fp);
    answer_good(f);
    assert_int_equal(rx_status(f).pending, 0);
    assert_int_equal(rx_status(f).rows_pushed, 3);
}

/* Marks that are claimed behind a push of `rows`. */
static size_t wait_claimed(struct fixture *f, size_t rows)
{
    for (int i = 0; i < 3000 && rx_ask(f, "SELECT v FROM sync_state WHERE k='flight'") < 0; i++) {
        clock_sleep_ms(1);
        rx_turn(f);
    }
    return (size_t)rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=1") - rows;
}

static void a_full_push_is_followed_by_one_that_was_claimed_meanwhile(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 600);
    rx_wait_request(f, "");
    size_t first = sent_rows(f);
    assert_in_range(wait_claimed(f, first), 1, 600);
    answer_error(f); /* gives them back */
    rx_wait_request(f, "");
    assert_int_equal(sent_rows(f), first);
    size_t claimed = wait_claimed(f, first);
    answer_good(f);
    rx_wait_request(f, "");
    assert_int_equal(sent_rows(f), claimed);
    assert_string_equal(json_text(f->sent, "tok", ""), "t");
    assert_int_equal(rx_status(f).rows_pushed, first);
    while (rx_status(f).pending > 0) {
        answer_good(f);
        if (rx_status(f).pending > 0)
            rx_wait_request(f, "");
    }
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift WHERE _v > 0"), 600);
}

static void the_row_to_blame_is_found_and_only_it_is_set_aside(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 5);
    for (int i = 0; i < 60 && rx_status(f).pending > 0; i++) {
        rx_wait_request(f, "");
        bool blamed = false; /* a county that cannot read s3 */
        struct json *rows = json_get(json_at(json_get(f->sent, "push"), 0), "r");
        for (size_t k = 0; k < json_count(rows); k++)
            blamed = blamed || strcmp(json_text(json_at(rows, k), "id", ""), "s3") == 0;
        if (blamed)
            rx_answer(f, 400, "{\"error\":\"no such JSON\"}");
        else
            answer_good(f);
    }
    assert_int_equal(rx_status(f).pending, 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=2"), 4);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE pk='s3'"), 1);
    assert_int_equal(rx_status(f).quarantined, 1);
}

static void a_county_that_refuses_everything_costs_no_row(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 5);
    for (int i = 0; i < 30; i++) {
        rx_wait_request(f, "");
        rx_answer(f, 400, "<html>");
    }
    assert_int_equal(rx_status(f).pending, 5);
    assert_int_equal(rx_status(f).quarantined, 0);
    for (int i = 0; i < 20 && rx_status(f).pending > 0; i++) {
        rx_wait_request(f, "");
        answer_good(f);
    }
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=2"), 5);
}

static int64_t sent_int(struct fixture *f, const char *key)
{
    return json_int(f->sent, key, -1);
}

static void a_409_without_a_remedy_holds_until_a_person_says_so(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    rx_answer(f, 409, "{\"error\":\"no idea\"}");
    assert_int_equal(rx_status(f).link, SYNC_LINK_HELD);
    assert_non_null(strstr(rx_status(f).problem, "no idea"));
    f->cells.mono_ms += 3600000;
    write_shifts(f, 1);
    rx_turn(f);
    assert_null(f->on_reply);
    sync_retry_now(f->sync);
    rx_wait_request(f, "");
    answer_good(f);
    assert_int_equal(rx_status(f).link, SYNC_LINK_UP);
}

static void a_fork_takes_a_new_incarnation_and_pushes_what_is_open(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 3);
    rx_wait_request(f, "");
    assert_int_equal(sent_int(f, "inc"), 9);
    assert_int_equal(sent_rows(f), 3);
    rx_answer(f, 409, "{\"error\":\"went back in time\",\"reinc\":{\"last\":7}}");
    rx_wait_request(f, "");
    assert_int_equal(sent_int(f, "inc"), 0);
    assert_string_equal(json_text(f->sent, "tok", "?"), "");
    assert_int_equal(sent_rows(f), 0);
    struct sync_status status = rx_status(f);
    assert_int_equal(status.reincarnations, 1);
    assert_int_equal(status.reincarnated_ms, f->cells.wall_ms);
    assert_non_null(strstr(status.reincarnated_why, "went back in time"));
    assert_int_equal(status.pending, 3);
    answer_good(f);
    rx_wait_request(f, "");
    assert_int_equal(sent_rows(f), 3);
    answer_good(f);
    assert_int_equal(rx_status(f).pending, 0);
}

static void a_county_that_always_asks_for_a_new_incarnation_is_not_run_after(void **state)
{
    struct fixture *f = *state;
    static const char reinc[] = "{\"error\":\"no\",\"reinc\":{\"last\":7}}";
    rx_wait_request(f, "");
    answer_good(f);
    f->cells.mono_ms += 61000;
    rx_wait_request(f, "");
    rx_answer(f, 409, reinc);
    rx_wait_request(f, "");
    rx_answer(f, 409, reinc);
    assert_null(f->on_reply);
    assert_int_equal(rx_status(f).link, SYNC_LINK_DOWN);
    assert_int_equal(rx_status(f).reincarnations, 1);
}

static void a_restored_database_is_a_new_incarnation(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    replica_enter(f->replica);
    replica_set_restored(f->replica, true);
    replica_leave(f->replica, true);
    write_shifts(f, 1);
    rx_wait_request(f, "");
    assert_int_equal(sent_int(f, "inc"), 0);
    assert_false(replica_was_restored(f->replica));
    assert_int_equal(rx_status(f).reincarnations, 1);
    answer_good(f);
    rx_wait_request(f, "");
    assert_int_equal(sent_rows(f), 1);
}

static void a_reply_that_is_no_reply_changes_nothing(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_good(f);
    write_shifts(f, 2);
    rx_wait_request(f, "");
    static const char *const bodies[] = {"", "<html>", "{}", "{\"pull\":[]}"};
    for (size_t i = 0; i < 4; i++) {
        rx_answer(f, 200, bodies[i]);
        assert_int_equal(rx_status(f).link, SYNC_LINK_DOWN);
        assert_int_equal(rx_status(f).pending, 2);
        rx_wait_request(f, "");
        assert_int_equal(sent_rows(f), 2);
    }
    answer_good(f);
    assert_int_equal(rx_status(f).pending, 0);
}

static void a_failed_handler_in_the_middle_of_a_page_asks_for_it_again(void **state)
{
    struct fixture *f = *state;
    rx_wait_request(f, "");
    answer_rows(f, 300, 10, false);
    uv_run(&f->loop, UV_RUN_NOWAIT); /* settled, perhaps the first slice */
    replica_enter(f->replica);       /* the rest of the page cannot be written */
    replica_run(f->replica,
                "CREATE TRIGGER full BEFORE INSERT ON sync_quarantine BEGIN SELECT "
                "RAISE(ABORT, 'full'); END",
                "");
    replica_run(
        f->replica,
        "CREATE TRIGGER full2 BEFORE INSERT ON person BEGIN SELECT RAISE(ABORT, 'full'); END", "");
    replica_leave(f->replica, true);
    replica_commit(f->replica);
    rx_turn(f);
    assert_int_equal(rx_status(f).link, SYNC_LINK_DOWN);
    assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='cur:S1'"), 0);
    replica_enter(f->replica);
    replica_run(f->replica, "DROP TRIGGER full", "");
    replica_run(f->replica, "DROP TRIGGER full2", "");
    replica_leave(f->replica, true);
    rx_wait_request(f, "");
    assert_int_equal(json_as_int(json_at(json_get(json_get(f->sent, "pull"), "S1"), 1), -1), 0);
    answer_rows(f, 300, 10, false);
    while (!rx_status(f).caught_up)
        rx_turn(f);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person"), 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, rx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_round_pulls_applies_in_slices_and_stores_the_cursor_last),
        TEST(a_lost_reply_sends_the_same_marks_again),
        TEST(a_full_push_is_followed_by_one_that_was_claimed_meanwhile),
        TEST(the_row_to_blame_is_found_and_only_it_is_set_aside),
        TEST(a_county_that_refuses_everything_costs_no_row),
        TEST(a_409_without_a_remedy_holds_until_a_person_says_so),
        TEST(a_fork_takes_a_new_incarnation_and_pushes_what_is_open),
        TEST(a_county_that_always_asks_for_a_new_incarnation_is_not_run_after),
        TEST(a_restored_database_is_a_new_incarnation),
        TEST(a_reply_that_is_no_reply_changes_nothing),
        TEST(a_failed_handler_in_the_middle_of_a_page_asks_for_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
