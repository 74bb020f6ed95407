/* A push that is claimed and written while the one before it is under way. */
#include "tests/unit/wire_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "sync/flight.h"

#define GOOD(ack) "\"ack\":" ack ",\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]"
enum { SLICE_ROWS = 2 };

#define STATES "SELECT group_concat(lseq||':'||st,' ') FROM sync_out"

static size_t claim_next(struct wire_fixture *f, size_t max_rows)
{
    struct err err = {0};
    replica_enter(f->replica);
    do
        if (wire_claim_next(&f->wire, 65536, max_rows, SLICE_ROWS, &err) != ERR_OK)
            fail_msg("%s", err.text);
    while (f->wire.next.step == NEXT_CLAIMING);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    while (f->wire.next.step == NEXT_WRITING)
        wire_write_next(&f->wire, SLICE_ROWS);
    return f->wire.next.step == NEXT_READY ? f->wire.at.rows : 0;
}

/* Shifts s0 ... of which the first is on its way and the second is claimed. */
static void send_one_claim_one(struct wire_fixture *f, int64_t shifts)
{
    fx_meet(f);
    fx_insert_shifts(f, shifts);
    fx_build(f, 1);
    assert_int_equal(f->rows, 1);
    assert_int_equal(claim_next(f, 1), 1);
}

static void assert_sent(struct wire_fixture *f, const char *id)
{
    assert_int_equal(f->rows, 1);
    assert_string_equal(json_text(fx_sent_row(f, 0, 0), "id", ""), id);
}

static void it_follows_when_the_one_before_is_settled(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    ASSERT_TEXT(f, STATES, "1:1 2:1 3:0");
    assert_int_equal(flight_count(&f->wire), 1);
    fx_get(f, GOOD("1"), "[]");
    ASSERT_TEXT(f, STATES, "1:2 2:1 3:0");
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM shift", "500 0 0");
    assert_int_equal(flight_count(&f->wire), 1);
    fx_build(f, 100);
    assert_sent(f, "s1");
    assert_string_equal(json_text(f->sent, "tok", ""), "t2");
    assert_int_equal(json_int(f->sent, "acked", 0), 1);
    ASSERT_TEXT(f, STATES, "1:2 2:1 3:0");
}

/* The answer came while more was to be claimed: another push follows the short one. */
static void a_claim_that_was_cut_short_is_followed(void **state)
{
    struct wire_fixture *f = *state;
    struct err err = {0};
    fx_meet(f);
    fx_insert_shifts(f, 6);
    fx_build(f, 1);
    replica_enter(f->replica);
    assert_int_equal(wire_claim_next(&f->wire, 65536, 4, SLICE_ROWS, &err), ERR_OK);
    assert_int_equal(f->wire.next.step, NEXT_CLAIMING);
    wire_end_claim(&f->wire);
    assert_true(replica_leave(f->replica, true));
    assert_int_equal(f->wire.next.claimed, SLICE_ROWS);
    assert_true(f->wire.push_is_full);
}

static void a_claim_that_found_no_more_is_the_last(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 2);
    assert_true(f->wire.push_is_full); /* it took all that it might */
    fx_get(f, GOOD("1"), "[]");
    fx_build(f, 1);
    assert_int_equal(claim_next(f, 4), 0);
    assert_false(f->wire.push_is_full);
}

static void a_crash_gives_it_back(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 2);
    char *fp = strdup(json_text(f->sent, "fp", ""));
    fx_run(f, "UPDATE shift SET need=9 WHERE id='s1'");
    ASSERT_TEXT(f, STATES, "1:1 2:1 3:0");
    fx_crash(f);
    fx_build(f, 100);
    assert_sent(f, "s0");
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
    ASSERT_TEXT(f, STATES, "1:1 2:0"); /* with the edit that was made meanwhile */
    free(fp);
}

static void after_a_crash_behind_the_settling_it_is_sent(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    fx_get(f, GOOD("1"), "[]");
    fx_crash(f);
    fx_build(f, 100);
    assert_sent(f, "s1");
}

/* As it was when it was claimed: the edit has a mark of its own. */
static void an_edit_meanwhile_is_sent_after_it(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 2);
    fx_run(f, "UPDATE shift SET need=77 WHERE id='s1'");
    fx_get(f, GOOD("1"), "[]");
    fx_build(f, 100);
    assert_sent(f, "s1");
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "need", 0), 1);
    fx_get(f, "\"ack\":2,\"v0\":600,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    fx_build(f, 100);
    assert_sent(f, "s1");
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "need", 0), 77);
}

static void a_row_that_is_under_way_is_not_in_it(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 1);
    fx_build(f, 1);
    fx_run(f, "UPDATE shift SET need=77 WHERE id='s0'");
    assert_int_equal(claim_next(f, 10), 0);
    ASSERT_TEXT(f, STATES, "1:1 2:0");
}

static void what_the_county_says_is_about_the_one_under_way(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1,2],\"keep\":[],\"bad\":[[2,\"check\"]]", "[]");
    ASSERT_TEXT(f, STATES, "1:3 2:1 3:0");
}

static void when_it_was_forgotten_it_is_written_again(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    fx_get(f, GOOD("1"), GROUP("shift", SHIFT("x", "700", "1", "planned")));
    wire_forget_next(&f->wire);
    fx_build(f, 100);
    assert_sent(f, "s1");
    ASSERT_TEXT(f, STATES, "1:2 2:1 3:0");
}

/* The push under way was not answered: it goes again, and nothing else with it. */
static void a_broken_line_gives_it_back(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    fx_build(f, 100);
    assert_sent(f, "s0");
    ASSERT_TEXT(f, STATES, "1:1 2:0 3:0");
    fx_get(f, GOOD("1"), "[]");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
}

static void a_refusal_gives_back_both(void **state)
{
    struct wire_fixture *f = *state;
    send_one_claim_one(f, 3);
    replica_enter(f->replica);
    assert_true(wire_unclaim(&f->wire));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    ASSERT_TEXT(f, STATES, "1:0 2:0 3:0");
    fx_build(f, 100);
    assert_int_equal(f->rows, 3);
}

/* --- settling in parts --- */

/* Shifts s0 s1 s2, of which the county took all, and s3, which follows. */
static void answer_long_push(struct wire_fixture *f)
{
    fx_meet(f);
    fx_insert_shifts(f, 4);
    fx_build(f, 3);
    assert_int_equal(claim_next(f, 1), 1);
    f->wire.settle_rows = 2;
    fx_get(f, GOOD("3"), "[]");
    ASSERT_TEXT(f, STATES, "1:1 2:1 3:1 4:1");
    assert_true(flight_is_settling(&f->wire));
}

static size_t settle_some(struct wire_fixture *f, size_t max_rows)
{
    size_t rows;
    replica_enter(f->replica);
    assert_true(flight_settle_some(&f->wire, max_rows, &rows));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    return rows;
}

static void the_next_push_goes_before_the_last_is_settled(void **state)
{
    struct wire_fixture *f = *state;
    answer_long_push(f);
    assert_int_equal(f->wire.rows_pushed, 3);
    fx_build(f, 100);
    assert_sent(f, "s3");
    assert_string_equal(json_text(f->sent, "tok", ""), "t2");
    assert_int_equal(settle_some(f, 2), 2);
    ASSERT_TEXT(f, STATES, "1:2 2:2 3:1 4:1");
    assert_int_equal(settle_some(f, 2), 1);
    ASSERT_TEXT(f, STATES, "1:2 2:2 3:2 4:1");
    assert_false(flight_is_settling(&f->wire));
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM shift", "500 501 502 0");
    fx_get(f, "\"ack\":4,\"v0\":600,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM shift", "500 501 502 600");
}

static void after_a_crash_the_rest_is_settled_first(void **state)
{
    struct wire_fixture *f = *state;
    answer_long_push(f);
    settle_some(f, 1);
    fx_crash(f);
    ASSERT_TEXT(f, STATES, "1:2 2:2 3:2 4:1");
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM shift", "500 501 502 0");
    fx_build(f, 100);
    assert_sent(f, "s3");
}

static void a_push_that_is_written_anew_settles_the_rest_first(void **state)
{
    struct wire_fixture *f = *state;
    answer_long_push(f);
    wire_forget_next(&f->wire);
    fx_build(f, 100);
    assert_sent(f, "s3");
    ASSERT_TEXT(f, STATES, "1:2 2:2 3:2 4:1");
}

/* It stands on the version that its row is given when it is settled. */
static void an_edit_before_it_is_settled_stands_on_it(void **state)
{
    struct wire_fixture *f = *state;
    answer_long_push(f);
    fx_run(f, "UPDATE shift SET need=9 WHERE id='s1'");
    settle_some(f, 100);
    ASSERT_TEXT(f, "SELECT base FROM sync_out WHERE st=0", "501");
}

static void a_push_with_a_row_that_lost_is_settled_at_once(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 3);
    fx_build(f, 100);
    f->wire.settle_rows = 1;
    fx_get(f, "\"ack\":3,\"v0\":500,\"lost\":[2],\"keep\":[],\"bad\":[]", "[]");
    ASSERT_TEXT(f, STATES, "1:2 2:3 3:2");
    assert_false(flight_is_settling(&f->wire));
}

/* --- events --- */

#define VERSIONS "SELECT group_concat(_v,' ') FROM (SELECT _v FROM checkin ORDER BY id)"

static void insert_events(struct wire_fixture *f, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        replica_enter(f->replica);
        assert_int_equal(replica_run(f->replica,
                                     "INSERT INTO checkin(id,scope,kind,channel) VALUES ('e'||?1,"
                                     "'S1','in','sms')",
                                     "i", i),
                         1);
        assert_true(replica_leave(f->replica, true));
    }
    assert_true(replica_commit(f->replica));
}

static void events_in_flight_are_told_by_their_number(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    insert_events(f, 3);
    fx_build(f, 2);
    assert_int_equal(f->rows, 2);
    assert_null(json_get(fx_sent_row(f, 0, 0), "base"));
    assert_null(json_get(fx_sent_row(f, 0, 0), "h"));
    ASSERT_TEXT(f, STATES, "1:0 2:0 3:0");
    assert_int_equal(flight_count(&f->wire), 2);
    char *fp = strdup(json_text(f->sent, "fp", ""));
    fx_crash(f);
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
    free(fp);
    fx_accept(f, 2, 500);
    ASSERT_TEXT(f, STATES, "3:0");
    ASSERT_TEXT(f, VERSIONS, "500 501 0");
    fx_build(f, 100);
    assert_sent(f, "e2");
}

static void events_that_are_given_back_are_claimed_again(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    insert_events(f, 3);
    fx_build(f, 1);
    assert_int_equal(claim_next(f, 1), 1);
    assert_int_equal(flight_claimed(&f->wire), 2);
    fx_build(f, 100); /* the push under way was not answered */
    assert_sent(f, "e0");
    assert_int_equal(flight_claimed(&f->wire), 1);
    fx_accept(f, 1, 500);
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
}

static void a_bad_event_is_set_aside(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    insert_events(f, 3);
    fx_build(f, 100);
    fx_get(f, "\"ack\":3,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[[2,\"check\"]]", "[]");
    ASSERT_TEXT(f, STATES, "2:4");
    ASSERT_TEXT(f, VERSIONS, "500 0 502");
    assert_int_equal(fx_ask(f, "SELECT lseq FROM sync_quarantine"), 2);
    assert_false(wire_has_marks(&f->wire));
}

/* Shifts s0 s1 and events e0 e1 e2, and the shift s2 and the event e3, which follow. */
static void answer_mixed_push(struct wire_fixture *f)
{
    fx_meet(f);
    fx_insert_shifts(f, 2);
    insert_events(f, 3);
    fx_build(f, 5);
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,need,state) VALUES ('s2','S1','p',"
              "'2026-09-01','am',1,'planned')");
    fx_run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('e3','S1','in','sms')");
    assert_int_equal(claim_next(f, 5), 2);
    f->wire.settle_rows = 2;
    fx_get(f, GOOD("5"), "[]");
    ASSERT_TEXT(f, STATES, "1:1 2:1 3:0 4:0 5:0 6:1 7:0");
}

static void events_are_settled_in_parts(void **state)
{
    struct wire_fixture *f = *state;
    answer_mixed_push(f);
    assert_int_equal(settle_some(f, 3), 3);
    ASSERT_TEXT(f, STATES, "1:2 2:2 3:0 4:0 5:0 6:1 7:0");
    ASSERT_TEXT(f, VERSIONS, "502 0 0 0");
    assert_int_equal(settle_some(f, 3), 2);
    ASSERT_TEXT(f, STATES, "1:2 2:2 6:1 7:0");
    ASSERT_TEXT(f, VERSIONS, "502 503 504 0");
    assert_false(flight_is_settling(&f->wire));
    assert_int_equal(flight_count(&f->wire), 2);
}

static void a_part_that_was_not_committed_is_settled_again(void **state)
{
    struct wire_fixture *f = *state;
    size_t rows;
    answer_mixed_push(f);
    assert_int_equal(settle_some(f, 1), 1);
    replica_enter(f->replica);
    assert_true(flight_settle_some(&f->wire, 2, &rows));
    assert_false(replica_leave(f->replica, false));
    ASSERT_TEXT(f, VERSIONS, "0 0 0 0");
    assert_int_equal(settle_some(f, 3), 3);
    ASSERT_TEXT(f, VERSIONS, "502 503 0 0");
    fx_crash(f);
    ASSERT_TEXT(f, VERSIONS, "502 503 504 0");
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM shift", "500 501 0");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_set_up, fx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_follows_when_the_one_before_is_settled),
        TEST(a_claim_that_was_cut_short_is_followed),
        TEST(a_claim_that_found_no_more_is_the_last),
        TEST(a_crash_gives_it_back),
        TEST(after_a_crash_behind_the_settling_it_is_sent),
        TEST(an_edit_meanwhile_is_sent_after_it),
        TEST(a_row_that_is_under_way_is_not_in_it),
        TEST(what_the_county_says_is_about_the_one_under_way),
        TEST(when_it_was_forgotten_it_is_written_again),
        TEST(a_broken_line_gives_it_back),
        TEST(a_refusal_gives_back_both),
        TEST(the_next_push_goes_before_the_last_is_settled),
        TEST(after_a_crash_the_rest_is_settled_first),
        TEST(a_push_that_is_written_anew_settles_the_rest_first),
        TEST(an_edit_before_it_is_settled_stands_on_it),
        TEST(a_push_with_a_row_that_lost_is_settled_at_once),
        TEST(events_in_flight_are_told_by_their_number),
        TEST(events_that_are_given_back_are_claimed_again),
        TEST(a_bad_event_is_set_aside),
        TEST(events_are_settled_in_parts),
        TEST(a_part_that_was_not_committed_is_settled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
