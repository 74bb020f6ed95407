/* Rows off the wire: applying, poison, the same page twice, scopes and other versions. */
#include "tests/unit/wire_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void rows_of_the_county_are_stored_without_marks(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    for (int twice = 0; twice < 2; twice++) {
        fx_get(f, NO_VERDICTS,
               GROUP("person", PERSON("p1", "10", "张三") "," PERSON("p2", "11", "O'Neil")));
        assert_int_equal(fx_ask(f, "SELECT count(*) FROM person"), 2);
        ASSERT_TEXT(
            f,
            "SELECT name||':'||active||':'||_v||':'||coalesce(lang,'-') FROM person WHERE id='p1'",
            "张三:1:10:-");
        ASSERT_TEXT(
            f,
            "SELECT unseal(phone) FROM person WHERE phone = seal_phone('+8613800000001') LIMIT 1",
            "+8613800000001");
        assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 0);
    }
    fx_get(f, NO_VERDICTS, GROUP("person", PERSON("p1", "9", "older")));
    ASSERT_TEXT(f, "SELECT name FROM person WHERE id='p1'", "张三");
    fx_get(f, NO_VERDICTS, GROUP("person", PERSON("p1", "12", "newer")));
    ASSERT_TEXT(f, "SELECT name FROM person WHERE id='p1'", "newer");
    ASSERT_TEXT(f, "SELECT v FROM sync_state WHERE k='cur:S1'", "[\"e1\",900]");
}

static void a_bad_row_stops_no_other(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    static const struct {
        const char *row;
        const char *why;
    } bad[] = {
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"name\":\"n\"}", "required kind"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":7}",
         "type name"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"n\","
         "\"active\":1.5}",
         "type active"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"n\","
         "\"active\":"
         "99999999999999999999}",
         "type active"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":7,\"kind\":\"k\",\"name\":\"n\"}",
         "scope"},
        {"{\"_v\":10,\"_op\":\"Z\",\"id\":\"x\"}", "_op"},
        {"{\"_v\":10,\"id\":\"x\"}", "_op"},
        {"{\"_v\":0,\"_op\":\"X\",\"id\":\"x\"}", "_v"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":5}", "id"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"\"}", "id"},
        {"{}", "id"},
        {"7", "no object"},
        {"[]", "no object"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":"
         "\"\\u0000\"}",
         "a text holds U+0000 or is not UTF-8"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"\xff\"}",
         "a text holds U+0000 or is not UTF-8"},
        {"{\"_v\":10,\"_op\" \"U\"}", "malformed JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char pull[2048];
        snprintf(pull, sizeof pull, GROUP("person", "%s,%s,%s"), PERSON("p1", "10", "a"),
                 bad[i].row, PERSON("p2", "11", "b"));
        for (int twice = 0; twice < 2; twice++)
            fx_get(f, NO_VERDICTS, pull);
        char why[128] = "";
        replica_get_text(f->replica, why, sizeof why, "SELECT why FROM sync_quarantine", "");
        if (strcmp(why, bad[i].why) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", bad[i].row, why, bad[i].why);
        assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='in'"), 1);
        assert_int_equal(fx_ask(f, "SELECT count(*) FROM person"), 2);
        fx_run(f, "DELETE FROM person");
        fx_run(f, "DELETE FROM sync_quarantine");
    }
}

static void what_only_the_database_refuses_is_found_by_halving(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_run(f, "CREATE TRIGGER refuse BEFORE INSERT ON person WHEN NEW.name='bad' "
              "BEGIN SELECT RAISE(ABORT, 'never this'); END");
    struct buf rows;
    buf_init(&rows, 200000);
    for (int i = 0; i < 300; i++)
        buf_printf(
            &rows,
            "%s{\"_v\":%d,\"_op\":\"U\",\"id\":\"p%d\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":"
            "\"%s\"}",
            i > 0 ? "," : "[{\"t\":\"person\",\"s\":\"S1\",\"r\":[", 10 + i, i,
            i == 123 || i == 299 ? "bad" : "good");
    buf_add_text(&rows, "]}]");
    fx_get(f, NO_VERDICTS, buf_text(&rows));
    buf_free(&rows);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM person"), 298);
    ASSERT_TEXT(f, "SELECT group_concat(pk||':'||v||':'||why,' ') FROM sync_quarantine",
                "p123:133:never this p299:309:never this");
    fx_run(f, "DROP TRIGGER refuse");
    fx_get(f, NO_VERDICTS, GROUP("person", PERSON("p123", "500", "better")));
    ASSERT_TEXT(f, "SELECT group_concat(pk) FROM sync_quarantine", "p299");
}

static void a_marked_group_keeps_our_value_and_the_others_take_theirs(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET state='published' WHERE id='a'");
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "20", "5", "cancelled")));
    ASSERT_TEXT(f, "SELECT need||state||_v FROM shift", "5published20");
    fx_build(f, 100); /* the mark still says on what it stood */
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "base", 0), 10);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 2);
    fx_get(f, "\"ack\":5,\"v0\":30,\"lost\":[1],\"keep\":[],\"bad\":[]",
           GROUP("shift", SHIFT("a", "30", "5", "cancelled")));
    ASSERT_TEXT(f, "SELECT need||state||_v FROM shift", "5cancelled30");
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 2);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 1);
}

#define SINCE(v, versions)                                                                         \
    GROUP("shift",                                                                                 \
          "{\"_v\":" v ",\"_op\":\"U\",\"_g\":" versions                                           \
          ",\"id\":\"a\",\"scope\":\"S1\",\"post_id\":\"q\",\"date\":\"d\",\"peak\":\"am\","       \
          "\"state\":\"planned\"}")

static void the_version_of_each_group_is_remembered(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS, SINCE("10", "\"10,7,3\""));
    ASSERT_TEXT(f, "SELECT _g FROM shift", "10,7,3");
    fx_run(f, "UPDATE shift SET need=9");
    fx_build(f, 100);
    fx_accept(f, 9, 20);
    ASSERT_TEXT(f, "SELECT _v||':'||_g FROM shift", "20:20,7,3");
    f->rows = 0;
    fx_get(f, NO_VERDICTS, SINCE("30", "null"));
    ASSERT_TEXT(f, "SELECT _v||':'||coalesce(_g,'-') FROM shift", "30:-");
    fx_run(f, "UPDATE shift SET state='published'");
    fx_build(f, 100);
    fx_accept(f, 9, 40);
    ASSERT_TEXT(f, "SELECT _v||':'||_g FROM shift", "40:30,40,30");
    f->rows = 0;
    fx_get(f, NO_VERDICTS, SINCE("50", "\"1,,2\"")); /* nonsense is not told */
    ASSERT_TEXT(f, "SELECT _v||':'||coalesce(_g,'-') FROM shift", "50:-");
    fx_get(f, NO_VERDICTS, SINCE("51", "[1]"));
    ASSERT_TEXT(f, "SELECT _v||':'||coalesce(_g,'-') FROM shift", "51:-");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st<>2"), 0);
}

static void an_exit_deletes_only_what_is_still_in_that_scope(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS,
           GROUP("person",
                 PERSON("p1", "10", "a") "," PERSON("p2", "10", "b") "," PERSON("p3", "10", "c")));
    replica_set_applying(f->replica, true);
    fx_run(f, "UPDATE person SET scope='*' WHERE id='p2'");
    replica_set_applying(f->replica, false);
    for (int twice = 0; twice < 2; twice++) {
        fx_get(
            f, NO_VERDICTS,
            GROUP("person",
                  "{\"_v\":20,\"_op\":\"X\",\"id\":\"p1\"},{\"_v\":21,\"_op\":\"X\",\"id\":\"p2\"},"
                  "{\"_v\":22,\"_op\":\"D\",\"id\":\"p3\"}"));
        ASSERT_TEXT(f, "SELECT group_concat(id) FROM person", "p2");
    }
}

static void our_changes_to_a_row_that_is_taken_away_are_kept_for_a_person(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET state='published' WHERE id='a'");
    fx_get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":20,\"_op\":\"D\",\"id\":\"a\"}"));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 0);
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 4);
    ASSERT_TEXT(f, "SELECT unseal(row)->>'$.state' FROM sync_quarantine", "published");
}

static void unknown_tables_are_passed_over(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS,
           "[{\"t\":\"later\",\"s\":\"*\",\"r\":[{\"_v\":1,\"_op\":\"U\",\"id\":\"x\"}]},"
           "{\"t\":\"person\",\"s\":\"S1\",\"r\":[" PERSON("p1", "10", "a") "]}]");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM person"), 1);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine"), 0);
}

/* A crash after any slice: the cursor has not moved, the page is asked for again and converges. */
static void a_crash_between_slices_loses_and_doubles_nothing(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_run(f, "DELETE FROM sync_state WHERE k GLOB 'cur:*'");
    struct buf rows;
    buf_init(&rows, 200000);
    buf_add_text(&rows, "[{\"t\":\"shift\",\"s\":\"S1\",\"r\":[");
    for (int i = 0; i < 60; i++)
        buf_printf(&rows,
                   "%s{\"_v\":%d,\"_op\":\"%s\",\"id\":\"s%d\",\"scope\":\"S1\",\"post_id\":\"q\","
                   "\"date\":\"d\",\"peak\":\"am\",\"need\":%s,\"state\":\"x\"}",
                   i > 0 ? "," : "", 100 + i, i % 10 == 9 ? "D" : "U", i,
                   i % 20 == 7 ? "\"!\"" : "3");
    buf_add_text(&rows, "]}]");
    fx_insert_shifts(f,
                     10); /* s0 to s9 have marks of our own: all groups stay ours; s9 is deleted */
    for (size_t done = 0; done < 60; done += 7) {
        struct page page;
        f->rows = 0;
        fx_reply_with(f, NO_VERDICTS, buf_text(&rows), &page);
        for (size_t from = 0; from < done; from += 7)
            fx_apply_rows(f, &page, from, from + 7 < done ? from + 7 : done);
        replica_enter(f->replica); /* this slice is not committed */
        wire_apply(&f->wire, &page, done, done + 7 < 60 ? done + 7 : 60);
        page_free(&page);
        replica_leave(f->replica, true);
        fx_crash(f);
        assert_int_equal(fx_ask(f, "SELECT sum(v->>1) FROM sync_state WHERE k GLOB 'cur:*'"), 0);
    }
    fx_get(f, NO_VERDICTS, buf_text(&rows));
    buf_free(&rows);
    /* 60 rows, 6 deleted, 2 bad ones that never came (s27, s47); s7 is ours */
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 52);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift WHERE need=3 AND state='x'"), 43);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='in'"), 3);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='out'"), 1);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=0"), 9);
    ASSERT_TEXT(f, "SELECT v FROM sync_state WHERE k='cur:*'", "[\"e1\",800]");
}

static void a_row_that_is_anothers_by_now_goes_and_our_change_is_kept(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    replica_set_applying(f->replica, true);
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state,_v) VALUES "
              "('all','*','p','d','am','planned',9)");
    replica_set_applying(f->replica, false);
    fx_run(f, "UPDATE shift SET state='published'");
    fx_build(f, 100);
    fx_get(f, "\"ack\":2,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[[1,\"scope\"],[2,\"scope\"]]",
           "[]");
    ASSERT_TEXT(f, "SELECT group_concat(id) FROM shift", "all");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE why='scope'"), 2);
}

static void an_exit_settles_what_lost_even_when_the_row_is_gone(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_run(f, "INSERT INTO sync_out(tid,pk,base,gm,h,st,v) VALUES (13,'a',5,3,1,3,40)");
    fx_get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":39,\"_op\":\"X\",\"id\":\"a\"}"));
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 3);
    fx_get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":41,\"_op\":\"X\",\"id\":\"a\"}"));
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 2);
}

static void a_scope_that_is_granted_is_followed_and_one_that_is_not_is_left(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS ",\"grant\":[\"S1\",\"*\",\"S9\"]", "[]");
    assert_int_equal(f->wire.scope_count, 3);
    fx_build(f, 100);
    assert_null(json_get(json_get(f->sent, "pull"), "S9")); /* it is filled first */
    fx_get(f, NO_VERDICTS ",\"grant\":[\"S1\",\"S9\"]", "[]");
    assert_int_equal(f->wire.scope_count, 2);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_state WHERE k='cur:*'"), 0);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_state WHERE k='drop:*'"), 1);
}

static void columns_of_other_versions_do_no_harm(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS,
           GROUP("shift",
                 "{\"_v\":10,\"_op\":\"U\",\"id\":\"a\",\"scope\":\"S1\",\"post_id\":\"p\","
                 "\"date\":\"d\",\"peak\":\"am\",\"state\":\"planned\",\"of_later\":{\"x\":1}}"));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift WHERE id='a' AND need IS NULL"), 1);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine"), 0);
}

static void another_stations_database_is_refused(void **state)
{
    struct wire_fixture *f = *state;
    static const char *const scopes[] = {"S2", NULL};
    struct wire_options options = {.station = "S2", .scopes = scopes, .machine = &f->machine};
    struct wire other;
    struct err err = {0};
    assert_int_equal(wire_init(&other, f->replica, &options, &err), ERR_STATE);
    assert_non_null(strstr(err.text, "S1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_set_up, fx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_of_the_county_are_stored_without_marks),
        TEST(a_bad_row_stops_no_other),
        TEST(what_only_the_database_refuses_is_found_by_halving),
        TEST(a_marked_group_keeps_our_value_and_the_others_take_theirs),
        TEST(the_version_of_each_group_is_remembered),
        TEST(an_exit_deletes_only_what_is_still_in_that_scope),
        TEST(our_changes_to_a_row_that_is_taken_away_are_kept_for_a_person),
        TEST(unknown_tables_are_passed_over),
        TEST(a_crash_between_slices_loses_and_doubles_nothing),
        TEST(a_row_that_is_anothers_by_now_goes_and_our_change_is_kept),
        TEST(an_exit_settles_what_lost_even_when_the_row_is_gone),
        TEST(a_scope_that_is_granted_is_followed_and_one_that_is_not_is_left),
        TEST(columns_of_other_versions_do_no_harm),
        TEST(another_stations_database_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
