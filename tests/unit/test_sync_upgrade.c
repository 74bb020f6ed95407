/* A program with a column more than the one before finds its database. */
#include "tests/unit/wire_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "sync/digest.h"
#include "sync/lacks.h"

/* Two rows of the county came when there was no column `need` yet. */
static void upgrade(struct wire_fixture *f)
{
    fx_meet(f);
    fx_get(f, NO_VERDICTS,
           GROUP("shift",
                 SHIFT("a", "10", "null", "planned") "," SHIFT("b", "11", "null", "planned")));
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
              "('new','S1','p','2026-09-01','am','planned')");
    fx_run(f, "DELETE FROM sync_column WHERE tid = 13 AND name = 'need'");
    fx_crash(f);
}

static void rows_that_were_here_lack_a_new_column(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_crash(f);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_column WHERE lacking"), 0);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_refill"), 0);
    upgrade(f);
    ASSERT_TEXT(f, "SELECT group_concat(tid || '.' || name) FROM sync_column WHERE lacking",
                "13.need");
    ASSERT_TEXT(f, "SELECT group_concat(pk) FROM sync_lacks WHERE tid = 13", "a,b,new");
    ASSERT_TEXT(f, "SELECT group_concat(tid) FROM sync_refill", "13");
    ASSERT_TEXT(f, "SELECT group_concat(k || v) FROM sync_state WHERE k GLOB 'digest:*'",
                "digest:*2,digest:S12");
    fx_crash(f);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_lacks"), 3);
}

static void a_new_table_is_compared(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_run(f, "DELETE FROM sync_column WHERE tid = 12");
    fx_crash(f);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_lacks"), 0);
    ASSERT_TEXT(f, "SELECT group_concat(tid) FROM sync_refill", "12");
}

static void what_nobody_knows_is_left_out_of_a_push(void **state)
{
    struct wire_fixture *f = *state;
    upgrade(f);
    fx_run(f, "UPDATE shift SET post_id = 'x' WHERE id = 'a'");
    fx_run(f, "UPDATE shift SET need = 5 WHERE id = 'b'");
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
              "('later','S1','p','2026-09-01','am','planned')");
    fx_build(f, 100);
    assert_int_equal(f->rows, 4);
    struct json *row = fx_sent_row(f, 0, 0); /* who made it did not know the column either */
    assert_string_equal(json_text(row, "id", ""), "new");
    assert_null(json_get(row, "need"));
    assert_non_null(json_get(fx_sent_row(f, 0, 3), "need"));
    row = fx_sent_row(f, 0, 1);
    assert_string_equal(json_text(row, "post_id", ""), "x");
    assert_null(json_get(row, "need"));
    assert_non_null(json_get(row, "start_at"));
    assert_int_equal(json_int(row, "base", 0), 10);
    assert_int_equal(json_int(fx_sent_row(f, 0, 2), "need", 0), 5);
}

static void a_row_that_comes_lacks_nothing_any_more(void **state)
{
    struct wire_fixture *f = *state;
    upgrade(f);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "9", "6", "older")));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_lacks"), 3);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "12", "7", "planned")));
    ASSERT_TEXT(f, "SELECT group_concat(pk) FROM sync_lacks", "b,new");
    fx_run(f, "UPDATE shift SET need = NULL WHERE id = 'a'");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_non_null(json_get(fx_sent_row(f, 0, 1), "need"));
    assert_int_equal(json_int(fx_sent_row(f, 0, 1), "need", -1), -1);
}

static void a_changed_group_takes_what_it_lacks_and_nothing_else(void **state)
{
    struct wire_fixture *f = *state;
    upgrade(f);
    fx_run(f, "UPDATE shift SET post_id = 'mine', start_at = NULL WHERE id = 'a'");
    fx_run(f, "UPDATE shift SET need = 5 WHERE id = 'b'");
    fx_get(f, NO_VERDICTS,
           "[{\"t\":\"shift\",\"s\":\"S1\",\"r\":[{\"_v\":20,\"_op\":\"U\",\"id\":\"a\","
           "\"scope\":\"S1\",\"post_id\":\"q\",\"date\":\"d\",\"peak\":\"pm\",\"start_at\":3,"
           "\"end_at\":4,\"need\":7,\"state\":\"open\"},{\"_v\":21,\"_op\":\"U\",\"id\":\"b\","
           "\"scope\":\"S1\",\"post_id\":\"q\",\"date\":\"d\",\"peak\":\"pm\",\"start_at\":3,"
           "\"end_at\":4,\"need\":8,\"state\":\"open\"}]}]");
    ASSERT_TEXT(f,
                "SELECT post_id || coalesce(start_at, '-') || need || state FROM shift WHERE "
                "id = 'a'",
                "mine-7open");
    ASSERT_TEXT(f, "SELECT need || state FROM shift WHERE id = 'b'", "5open");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_lacks"), 1);
}

/* Not what was written into a new column on top of it: it would be another row then, and be taken
 * for a concurrent change where the county has it already. */
static void what_is_in_flight_does_not_tell_a_column_that_it_lacked(void **state)
{
    struct wire_fixture *f = *state;
    upgrade(f);
    fx_run(f, "UPDATE shift SET post_id = 'x' WHERE id = 'a'");
    fx_build(f, 100);
    char *first = strdup(buf_text(&f->request));
    fx_run(f, "UPDATE shift SET post_id = 'y', need = 5 WHERE id = 'a'");
    fx_build(f, 100);
    assert_string_equal(buf_text(&f->request), first);
    free(first);
    struct page page;
    f->rows = 0;
    fx_reply_with(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "7", "planned")), &page);
    fx_apply_rows(f, &page, 0, 1);
    page_free(&page);
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 1), "need", 0), 7);
    assert_int_equal(fx_ask(f, "SELECT need FROM shift WHERE id = 'a'"), 5);
}

/* What is in flight is sent again as it was, but for what nobody knew then. */
static void marks_that_keep_their_row_are_mended(void **state)
{
    struct wire_fixture *f = *state;
    upgrade(f);
    fx_run(f, "UPDATE shift SET post_id = 'x' WHERE id = 'a'");
    fx_build(f, 100);
    fx_run(f, "UPDATE shift SET post_id = 'y' WHERE id = 'a'");
    struct page page;
    f->rows = 0;
    fx_reply_with(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "7", "planned")), &page);
    fx_apply_rows(f, &page, 0, 1);
    page_free(&page);
    fx_build(f, 100);
    assert_string_equal(json_text(fx_sent_row(f, 0, 1), "post_id", ""), "x");
    assert_int_equal(json_int(fx_sent_row(f, 0, 1), "need", 0), 7);
}

static void what_a_county_does_not_tell_of_stays(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "4", "planned")));
    fx_get(f, NO_VERDICTS,
           "[{\"t\":\"shift\",\"s\":\"S1\",\"r\":[{\"_v\":11,\"_op\":\"X\",\"id\":\"z\"},{\"_v\":"
           "12,\"_op\":\"U\",\"id\":\"a\",\"scope\":\"S1\",\"post_id\":\"other\",\"date\":\"d\","
           "\"peak\":\"pm\",\"state\":\"open\"}]}]");
    ASSERT_TEXT(f, "SELECT post_id || need || _v FROM shift WHERE id = 'a'", "other412");
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "13", "null", "planned")));
    assert_int_equal(fx_ask(f, "SELECT need IS NULL FROM shift WHERE id = 'a'"), 1);
}

static void read_answer(struct digest *digest, const char *text)
{
    struct json *reply = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(text, strlen(text), &reply, &err), ERR_OK);
    assert_int_equal(digest_read(digest, reply, &err), ERR_OK);
    json_free(reply);
}

static void work_until_request(struct wire_fixture *f, struct digest *digest)
{
    replica_enter(f->replica);
    for (int i = 0; i < 20 && digest_work_due(digest); i++)
        assert_true(digest_work(digest));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static struct json *next_request(struct wire_fixture *f, struct digest *digest)
{
    struct err err = {0};
    work_until_request(f, digest);
    buf_clear(&f->request);
    assert_true(digest_build(digest, &f->request));
    json_free(f->sent);
    f->sent = NULL;
    assert_int_equal(json_parse(buf_text(&f->request), f->request.size, &f->sent, &err), ERR_OK);
    return f->sent;
}

/* Our two rows are as old as the county's, and are fetched all the same. */
static void rows_that_lack_something_are_fetched(void **state)
{
    struct wire_fixture *f = *state;
    struct digest digest;
    upgrade(f);
    fx_run(f, "DELETE FROM sync_state WHERE k = 'digest:*'");
    digest_init(&digest, &f->wire);
    assert_string_equal(json_text(next_request(f, &digest), "t", ""), "shift");
    struct buf hashes;
    buf_init(&hashes, 65536);
    buf_add_text(&hashes, "{\"ep\":\"e1\",\"v\":900,\"b\":[");
    for (int i = 0; i < PROTOCOL_DIGEST_BUCKETS; i++)
        buf_printf(&hashes, "%s\"0000000000000000\"", i > 0 ? "," : "");
    buf_add_text(&hashes, "]}");
    read_answer(&digest, buf_text(&hashes));
    buf_free(&hashes);
    assert_int_equal(json_count(json_get(next_request(f, &digest), "buckets")), 2);
    read_answer(&digest, "{\"ep\":\"e1\",\"v\":900,\"rows\":[[\"a\",10],[\"b\",11]]}");
    assert_int_equal(json_count(json_get(next_request(f, &digest), "ids")), 2);
    f->wire.force = true;
    fx_get(f, NO_VERDICTS,
           GROUP("shift", SHIFT("a", "10", "7", "planned") "," SHIFT("b", "11", "8", "planned")));
    assert_true(digest_store(&digest));
    work_until_request(f, &digest);
    assert_int_equal(fx_ask(f, "SELECT sum(need) FROM shift"), 15);
    ASSERT_TEXT(f, "SELECT group_concat(pk) FROM sync_lacks", "new");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_refill"), 0);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_state WHERE k GLOB 'digest:*'"), 0);
    ASSERT_TEXT(f, "SELECT v FROM sync_state WHERE k = 'cur:S1'", "[\"e1\",900]");
    digest_fini(&digest);
}

/* A county of the schema before says that it does not know the table: our rows stay. */
static void a_table_that_the_county_does_not_know_is_not_compared(void **state)
{
    struct wire_fixture *f = *state;
    struct digest digest;
    upgrade(f);
    digest_init(&digest, &f->wire);
    for (int i = 0; i < 2; i++) { /* scopes */
        assert_string_equal(json_text(next_request(f, &digest), "t", ""), "shift");
        read_answer(&digest, "{\"ep\":\"e1\",\"v\":900,\"unknown\":1}");
    }
    work_until_request(f, &digest);
    assert_false(digest_pending(&digest));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 3);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_refill"), 0);
    digest_fini(&digest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_set_up, fx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_that_were_here_lack_a_new_column),
        TEST(a_new_table_is_compared),
        TEST(what_nobody_knows_is_left_out_of_a_push),
        TEST(a_row_that_comes_lacks_nothing_any_more),
        TEST(a_changed_group_takes_what_it_lacks_and_nothing_else),
        TEST(what_is_in_flight_does_not_tell_a_column_that_it_lacked),
        TEST(marks_that_keep_their_row_are_mended),
        TEST(what_a_county_does_not_tell_of_stays),
        TEST(rows_that_lack_something_are_fetched),
        TEST(a_table_that_the_county_does_not_know_is_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
