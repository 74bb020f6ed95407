/* Marks onto the wire: claiming, poison, verdicts and what they settle. */
#include "tests/unit/wire_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/life.h"
#include "sync/rules.h"

static void first_contact_pushes_nothing_and_learns_the_incarnation(void **state)
{
    struct wire_fixture *f = *state;
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) "
              "VALUES ('a','S1','p','2026-09-01','am','planned')");
    fx_build(f, 100);
    assert_int_equal(json_int(f->sent, "inc", -1), 0);
    assert_int_equal(json_int(f->sent, "p", 0), 1);
    assert_string_equal(json_text(f->sent, "station", ""), "S1");
    assert_string_equal(json_text(f->sent, "fp", "-"), "");
    assert_int_equal(json_count(json_get(f->sent, "push")), 0);
    struct json *cursor = json_get(json_get(f->sent, "pull"), "*");
    assert_string_equal(json_as_text(json_at(cursor, 0), "-"), "");
    assert_int_equal(json_as_int(json_at(cursor, 1), -1), 0);
    fx_get(f, NO_VERDICTS, "[]");
    assert_int_equal(wire_incarnation(&f->wire), 118);
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(f->sent, "inc", -1), 118);
    assert_string_equal(json_text(f->sent, "tok", ""), "t2");
    cursor = json_get(json_get(f->sent, "pull"), "S1");
    assert_string_equal(json_as_text(json_at(cursor, 0), "-"), "e1");
    assert_int_equal(json_as_int(json_at(cursor, 1), -1), 900);
}

static void a_push_holds_marks_rows_and_their_fingerprint(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_run(f, "INSERT INTO checkin(id,scope,kind,channel,at) VALUES ('c','S1','in','短信',NULL)");
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) "
              "VALUES ('a','S1','p','2026-09-01','am','planned')");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    struct json *shift = fx_sent_row(f, 0, 0);
    assert_int_equal(json_int(shift, "lseq", 0), 2);
    assert_int_equal(json_int(shift, "gm", 0), 3);
    assert_int_equal(json_int(shift, "base", -1), 0);
    assert_int_equal(json_int(shift, "h", 0), 1700000000000);
    assert_string_equal(json_text(shift, "state", ""), "planned");
    assert_string_equal(json_text(fx_sent_row(f, 1, 0), "channel", ""), "短信");
    uint64_t hash = PROTOCOL_FP_START;
    for (size_t table = 0; table < 2; table++) {
        const char *from =
            strstr(buf_text(&f->request), table == 0 ? "{\"lseq\":2" : "{\"lseq\":1");
        hash = protocol_fp_add(hash, from, strcspn(from, "}") + 1);
        hash = protocol_fp_add(hash, "\n", 1);
    }
    char fp[17];
    snprintf(fp, sizeof fp, "%016" PRIx64, hash);
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
}

static void after_a_crash_the_same_marks_are_sent_and_no_others(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 3);
    fx_build(f, 2);
    char *first = strdup(json_text(f->sent, "fp", ""));
    fx_crash(f);
    fx_run(f, "UPDATE shift SET need=77 WHERE id='s0'");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(f->sent, "fp", ""), first);
    free(first);
    fx_accept(f, 9, 500);
    assert_int_equal(fx_ask(f, "SELECT _v FROM shift WHERE id='s1'"), 501);
    fx_build(f, 100); /* the edit made meanwhile has a mark of its own */
    assert_int_equal(f->rows, 2);
    assert_int_equal(json_int(fx_sent_row(f, 0, 1), "need", 0), 77);
    assert_int_equal(json_int(fx_sent_row(f, 0, 1), "base", -1), 500);
}

static void a_row_is_in_a_push_once_and_numbers_only_grow(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 2);
    /* two unsent marks of s0 with different bases, and one of s1 behind them */
    fx_run(f, "INSERT INTO sync_out(tid,pk,base,gm,h) VALUES (13,'s0',40,2,5)");
    fx_run(f, "UPDATE shift SET need=9 WHERE id='s1'");
    fx_run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    fx_accept(f, 9, 500);
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_int_equal(fx_ask(f, "SELECT min(lseq) FROM sync_out WHERE st<2"), 5);
}

static void verdicts_settle_the_marks(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 4);
    fx_build(f, 100);
    assert_int_equal(f->rows, 4);
    fx_get(f, "\"ack\":4,\"v0\":500,\"lost\":[2],\"keep\":[3],\"bad\":[[4,\"gone\"],[99,\"x\"]]",
           "[]");
    ASSERT_TEXT(f, "SELECT group_concat(st,'') FROM (SELECT st FROM sync_out ORDER BY lseq)",
                "2334"); /* the one that is kept waits for its row */
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM (SELECT _v FROM shift ORDER BY id)",
                "500 0 0"); /* s3 is gone at the county and here */
    ASSERT_TEXT(f, "SELECT why FROM sync_quarantine WHERE lseq=4", "gone");
    ASSERT_TEXT(f, "SELECT unseal(row)->>'$.id' FROM sync_quarantine WHERE lseq=4", "s3");
    assert_int_equal(fx_ask(f, "SELECT v FROM sync_state WHERE k='conflicts'"), 1);
    assert_int_equal(fx_ask(f, "SELECT v FROM sync_state WHERE k='acked'"), 4);
    assert_false(wire_has_marks(&f->wire));
}

static void a_reply_that_does_not_answer_is_refused(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 2);
    fx_build(f, 100);
    static const char *const replies[] = {
        "{\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":1,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":0,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":119,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":[\"e\",1]},"
        "\"pull\":[]}",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct page page;
        struct err err = {0};
        assert_int_equal(page_read(&page, replies[i], strlen(replies[i]), &err), ERR_OK);
        assert_int_equal(wire_check_reply(&f->wire, &page, f->rows, &err), ERR_INVALID);
        page_free(&page);
    }
}

static void poison_is_set_aside_before_it_is_sent(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 1);
    fx_run(f,
           "INSERT INTO checkin(id,scope,kind,channel) VALUES ('n','S1','a'||char(0)||'b','sms')");
    fx_run(
        f,
        "INSERT INTO checkin(id,scope,kind,channel) VALUES ('u','S1',CAST(x'61ff' AS TEXT),'sms')");
    fx_run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES "
              "('l','S1',printf('%70000s','x'),'sms')");
    fx_run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('ok','S1','in','sms')");
    fx_run(f, "INSERT INTO sync_out(tid,pk,base,gm,h) VALUES (15,'nobody',0,1,5)");
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(fx_sent_row(f, 1, 0), "id", ""), "ok");
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='out'"), 4);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=4"), 4);
    fx_accept(f, 9, 500);
    assert_int_equal(fx_ask(f, "SELECT _v FROM checkin WHERE id='ok'"), 501);
}

/* A copy of this database that sends the mark without the later edit, or with another one, must not
 * be taken for a repetition. */
static void what_is_sent_again_is_what_was_sent(void **state)
{
    static const char *const edits[] = {
        "UPDATE shift SET need=8,state='published'",
        "DELETE FROM shift",
        "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES ('a','S1','p','d','am','x')",
    };
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7");
    fx_build(f, 100);
    char *first = strdup(buf_text(&f->request));
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        fx_run(f, edits[i]);
        fx_build(f, 100);
        assert_string_equal(buf_text(&f->request), first);
    }
    free(first);
    fx_accept(f, 1, 500);
    ASSERT_TEXT(f, "SELECT group_concat(coalesce(was,'-')) FROM sync_out", "-,-");
}

static void a_deletion_that_is_sent_again_is_a_deletion(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "DELETE FROM shift");
    fx_build(f, 100);
    char *first = strdup(buf_text(&f->request));
    fx_run(
        f,
        "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES ('a','S1','p','d','am','x')");
    fx_build(f, 100);
    assert_string_equal(buf_text(&f->request), first);
    free(first);
    fx_accept(f, 1, 500);
    fx_build(f, 100); /* all of the row that came back in one push */
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 131);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "_del", 9), 0);
}

static void the_fingerprint_is_that_of_the_rows(void **state)
{
    struct wire_fixture *f = *state;
    char fp[2][17];
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7");
    for (int i = 0; i < 2; i++) { /* the same number, row and stamp with another value */
        fx_run(f, i == 0 ? "UPDATE shift SET need=8" : "UPDATE shift SET need=9");
        fx_build(f, 100);
        assert_true(text_copy(fp[i], sizeof fp[i], json_text(f->sent, "fp", "")));
        replica_enter(f->replica);
        assert_true(replica_leave(f->replica, wire_unclaim(&f->wire)));
        assert_true(replica_commit(f->replica));
    }
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 1);
    assert_string_not_equal(fp[0], fp[1]);
}

/* The county may have it, from this life of ours or given back by others: it says so before what
 * was changed on top of it comes. */
static void a_new_incarnation_sends_first_what_was_in_flight(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7");
    fx_build(f, 100);
    fx_run(f, "UPDATE shift SET need=8");
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, life_reincarnate(&f->wire, "reinc", "a test")));
    assert_true(replica_commit(f->replica));
    fx_build(f, 100); /* it asks for a number, and nothing else */
    assert_int_equal(f->rows, 0);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "30", "2", "published")));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=1"), 1);
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "need", 0), 7);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[1],\"bad\":[]", "[]");
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "need", 0), 8);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "base", 0), 500);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "unfed", 0), 1); /* its row is still to come */
}

/* A row that was under way for long says what was there before the change that it is awaited for.
 */
static void an_accepted_change_is_not_undone_by_an_older_row(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7");
    fx_build(f, 100);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[1],\"bad\":[]",
           GROUP("shift", SHIFT("a", "20", "2", "published")));
    ASSERT_TEXT(f, "SELECT need||state FROM shift", "7published");
    fx_build(f, 100);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "500", "7", "published")));
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "600", "3", "published")));
    assert_int_equal(fx_ask(f, "SELECT need FROM shift"), 3);
}

static void what_stands_on_an_accepted_change_has_its_version_for_base(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7");
    fx_build(f, 100);
    fx_run(f, "UPDATE shift SET need=8,state='published'"); /* the state stands on 10 */
    fx_accept(f, 1, 500);
    ASSERT_TEXT(f,
                "SELECT group_concat(base||':'||gm,' ') FROM (SELECT base,gm FROM sync_out WHERE "
                "st=0 ORDER BY base)",
                "10:2 500:1");
    fx_build(f, 100);
    assert_int_equal(f->rows, 1); /* a row is in a push once */
    fx_run(f, "UPDATE shift SET need=9");
    fx_get(f, "\"ack\":2,\"v0\":600,\"lost\":[2],\"keep\":[],\"bad\":[]", "[]");
    /* what lost is not stood on */
    ASSERT_TEXT(f, "SELECT group_concat(base||':'||gm,' ') FROM sync_out WHERE st=0", "500:1");
}

/* By another incarnation the county would not take them for changes on top of its own value. */
static void what_stands_on_a_group_that_did_not_lose_has_its_version_for_base(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7,state='published'");
    fx_build(f, 100);
    fx_run(f, "UPDATE shift SET need=8,state='cancelled'");
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"won\":[[1,2]],\"keep\":[],\"bad\":[]", "[]");
    ASSERT_TEXT(f,
                "SELECT group_concat(st||' '||base||':'||gm,', ') FROM (SELECT st,base,gm FROM "
                "sync_out ORDER BY st,base)",
                "0 10:1, 0 500:2, 3 10:1, 3 500:2");
    assert_int_equal(fx_ask(f, "SELECT gm FROM sync_conflict"), 1);
    fx_run(f, "UPDATE shift SET need=9,state='done'"); /* one more, before the row has come */
    ASSERT_TEXT(f,
                "SELECT group_concat(base||':'||gm,', ') FROM (SELECT base,gm FROM sync_out WHERE "
                "st=0 ORDER BY base)",
                "10:1, 500:2");
    fx_build(f, 100);
    fx_get(f, "\"ack\":9,\"v0\":600,\"lost\":[],\"keep\":[],\"bad\":[]",
           GROUP("shift", SHIFT("a", "500", "2", "published")));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=3"), 0);
}

/* One change lost and the next one, which stood on it, was accepted before any row came. */
static void what_was_accepted_last_is_what_is_stood_on(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    fx_run(f, "UPDATE shift SET need=7,state='published'");
    fx_build(f, 100);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]", "[]");
    for (int64_t i = 0; i < 2; i++) {
        char verdicts[96];
        fx_run(f, "UPDATE shift SET need=need+1");
        fx_build(f, 100);
        assert_int_equal(json_int(fx_sent_row(f, 0, 0), "unfed", 0), 3);
        int64_t lseq = json_int(fx_sent_row(f, 0, 0), "lseq", 0);
        snprintf(verdicts, sizeof verdicts,
                 "\"ack\":%d,\"v0\":%d,\"lost\":[],\"keep\":[%d],\"bad\":[]", (int)lseq,
                 (int)(600 + i), (int)lseq);
        fx_get(f, verdicts, "[]");
    }
    fx_run(f, "UPDATE shift SET need=0,state='done'");
    ASSERT_TEXT(f,
                "SELECT group_concat(st||' '||base||':'||gm,', ') FROM (SELECT st,base,gm FROM "
                "sync_out ORDER BY st,base)",
                "0 10:2, 0 601:1, 3 10:2, 3 601:1");
}

static void what_was_sent_is_sent_again_even_when_its_row_is_gone(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 2);
    fx_build(f, 100);
    replica_set_applying(f->replica, true);
    fx_run(f, "DELETE FROM shift WHERE id='s0'");
    replica_set_applying(f->replica, false);
    fx_build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(fx_sent_row(f, 0, 0), "scope", "-"), "S1");
    assert_null(json_get(fx_sent_row(f, 0, 0), "state"));
}

static void a_refused_push_is_unclaimed_and_the_first_row_set_aside(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_insert_shifts(f, 2);
    fx_build(f, 100);
    fx_run(f, "UPDATE shift SET state='published' WHERE id='s0'");
    replica_enter(f->replica);
    assert_true(wire_unclaim(&f->wire));
    assert_true(replica_leave(f->replica, true));
    ASSERT_TEXT(f, "SELECT group_concat(lseq||':'||pk||':'||gm||':'||st,' ') FROM sync_out",
                "1:s0:3:0 2:s1:3:0");
    replica_enter(f->replica);
    assert_true(wire_set_aside_first(&f->wire, "refused"));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_string_equal(json_text(fx_sent_row(f, 0, 0), "id", ""), "s1");
}

static void a_deletion_is_pushed_as_a_group_of_its_own(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "DELETE FROM shift WHERE id='a'");
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 128);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "base", 0), 10);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "_del", 0), 1);
    assert_string_equal(json_text(fx_sent_row(f, 0, 0), "scope", ""), "S1");
    fx_accept(f, 1, 500);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 0);
}

/* The county is told of the deletion only: who brings the row back knows nothing newer of its
 * groups than who deleted it did. */
static void what_is_deleted_after_an_edit_stands_for_no_group(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    fx_run(f, "UPDATE shift SET need=7 WHERE id='a'");
    fx_run(f, "DELETE FROM shift WHERE id='a'");
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 128);
    assert_int_equal(fx_ask(f, "SELECT gm FROM sync_out"), 128);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[1],\"bad\":[]", "[]");
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,need,state) VALUES "
              "('a','S1','p','2026-09-01','am',5,'planned')");
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 131);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "base", 0), 10);
}

static void an_edit_of_another_does_not_raise_what_was_deleted_here(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "DELETE FROM shift WHERE id='a'");
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "20", "2", "planned")));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 0);
    fx_build(f, 100);
    /* but when the deletion lost, the row comes back */
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]",
           GROUP("shift", SHIFT("a", "500", "2", "planned")));
    assert_int_equal(fx_ask(f, "SELECT _v FROM shift WHERE id='a'"), 500);
}

static void a_row_that_comes_back_says_so(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "DELETE FROM shift WHERE id='a'");
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,need,state) VALUES "
              "('a','S1','p','2026-09-01','am',5,'planned')");
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 131);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "_del", 9), 0);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "need", 0), 5);
}

static void a_mark_that_lost_waits_for_a_row_that_is_not_older(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7 WHERE id='a'");
    fx_build(f, 100);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]", "[]");
    ASSERT_TEXT(f, "SELECT unseal(mine)->>'$.need' FROM sync_conflict", "7");
    fx_build(f, 100);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "490", "2", "planned")));
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 3);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "500", "3", "planned")));
    assert_int_equal(fx_ask(f, "SELECT st FROM sync_out"), 2);
    assert_int_equal(fx_ask(f, "SELECT need FROM shift"), 3);
    assert_int_equal(fx_ask(f, "SELECT settled_at > 0 FROM sync_conflict"), 1);
}

static void what_comes_back_after_its_deletion_was_settled_says_so(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet(f);
    fx_get(f, NO_VERDICTS,
           GROUP("shift", SHIFT("a", "10", "1", "planned") "," SHIFT("b", "11", "1", "planned")));
    fx_run(f, "DELETE FROM shift WHERE id='a'");
    fx_build(f, 100);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]",
           GROUP("shift", "{\"_v\":501,\"_op\":\"D\",\"id\":\"b\"}"));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM shift"), 0);
    fx_run(f,
           "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
           "('a','S1','p','d','am','x'),('b','S1','p','d','am','x'),('c','S1','p','d','am','x')");
    fx_build(f, 100);
    assert_int_equal(f->rows, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(json_int(fx_sent_row(f, 0, i), "gm", 0), 131);
        assert_int_equal(json_int(fx_sent_row(f, 0, i), "_del", 9), 0);
        /* on what was known when it was deleted */
        assert_int_equal(json_int(fx_sent_row(f, 0, i), "base", 0), 10 + (int64_t)i);
    }
    assert_int_equal(json_int(fx_sent_row(f, 0, 2), "base", 9), 0);
    assert_int_equal(json_int(fx_sent_row(f, 0, 2), "gm", 0), 3);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_gone"), 0);
}

static void set_offset(struct wire_fixture *f, int64_t off_ms)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "UPDATE sync_boot SET boot_off_ms=%lld WHERE boot=(SELECT max(boot) "
             "FROM sync_boot)",
             (long long)off_ms);
    fx_run(f, sql);
}

/* Two copies of the database tell the same change with the same stamp. */
static void a_stamp_by_the_countys_clock_is_final(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    set_offset(f, 1700000500000);
    fx_run(f, "UPDATE shift SET need=7");
    int64_t h = fx_ask(f, "SELECT h FROM sync_out");
    set_offset(f, 1700000500040); /* the next estimate */
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "h", 0), h);
    fx_accept(f, 1, 500);
    set_offset(f, 1700000500000);
    fx_run(f, "UPDATE shift SET need=8");
    h = fx_ask(f, "SELECT h FROM sync_out WHERE st=0");
    set_offset(f, 1700000499000);
    fx_run(f, "UPDATE shift SET need=9"); /* later, whatever the estimate says */
    assert_int_equal(fx_ask(f, "SELECT h FROM sync_out WHERE st=0"), h + 1);
}

/* The second edit is made after a start with a dead clock, and pushed after another one. */
static void what_stands_on_an_edit_is_later_than_it(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    set_offset(f, 1700000500000);
    fx_run(f, "UPDATE shift SET need=7");
    int64_t h = fx_ask(f, "SELECT h FROM sync_out");
    snprintf(f->machine.boot_id, sizeof f->machine.boot_id, "boot-2");
    f->cells.wall_ms = 3000;
    fx_crash(f);
    fx_run(f, "UPDATE shift SET need=8");
    snprintf(f->machine.boot_id, sizeof f->machine.boot_id, "boot-3");
    fx_crash(f);
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_true(json_int(fx_sent_row(f, 0, 0), "h", 0) < h);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "h0", 0), h + 1);
}

static void a_push_tells_when_each_group_was_changed(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    int64_t now = f->cells.wall_ms;
    fx_run(f, "UPDATE shift SET need=7");
    f->cells = (struct clock_cells){f->cells.wall_ms + 1000, f->cells.mono_ms + 1000};
    fx_run(f, "UPDATE shift SET state='published'");
    fx_build(f, 100);
    const struct json *row = fx_sent_row(f, 0, 0);
    int64_t h = json_int(row, "h", 0);
    assert_int_equal(json_int(row, "gm", 0), 3);
    assert_int_equal(json_int(row, "h0", 0), h - 1000);
    assert_true(json_get(row, "h1") == NULL && json_get(row, "h7") == NULL);
    assert_true(h - now < 2000 && json_get(row, "start_at") != NULL);
    /* edited meanwhile and taken back: each stamp stays with its group */
    f->cells = (struct clock_cells){f->cells.wall_ms + 1000, f->cells.mono_ms + 1000};
    fx_run(f, "UPDATE shift SET need=8");
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, wire_unclaim(&f->wire)));
    assert_true(replica_commit(f->replica));
    fx_build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "h", 0), h + 1000);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "h1", 0), h);
    assert_true(json_get(fx_sent_row(f, 0, 0), "h0") == NULL);
}

static void a_push_tells_which_groups_lost_and_are_awaited(void **state)
{
    struct wire_fixture *f = *state;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET state='published'");
    fx_build(f, 100);
    assert_true(json_get(fx_sent_row(f, 0, 0), "unfed") == NULL);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]", "[]");
    fx_run(f, "UPDATE shift SET need=7");
    fx_build(f, 100);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "gm", 0), 1);
    assert_int_equal(json_int(fx_sent_row(f, 0, 0), "unfed", 0), 2);
    fx_get(f, "\"ack\":2,\"v0\":501,\"lost\":[],\"keep\":[2],\"bad\":[]",
           GROUP("shift", SHIFT("a", "501", "7", "planned")));
    fx_run(f, "UPDATE shift SET need=8");
    fx_build(f, 100);
    assert_true(json_get(fx_sent_row(f, 0, 0), "unfed") == NULL);
}

/* The base of an edit after the mark of an earlier one, on 10, lost at 500 and a row of 490 came.
 */
static int64_t base_after_an_older_row(struct wire_fixture *f, uint32_t without)
{
    f->wire.without = without;
    fx_meet_shift(f);
    fx_run(f, "UPDATE shift SET need=7 WHERE id='a'");
    fx_build(f, 100);
    fx_get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]",
           GROUP("shift", SHIFT("a", "490", "2", "planned")));
    fx_run(f, "UPDATE shift SET need=8 WHERE id='a'");
    return fx_ask(f, "SELECT base FROM sync_out WHERE st = 0");
}

static void an_older_row_does_not_settle_what_lost(void **state)
{
    assert_int_equal(base_after_an_older_row(*state, 0), 10);
}

static void without_that_rule_the_next_edit_hides_the_winner(void **state)
{
    assert_int_equal(base_after_an_older_row(*state, WITHOUT_SUSONCE), 490);
}

static int64_t cursor_after(struct wire_fixture *f, int from, int to)
{
    char reply[128];
    snprintf(reply, sizeof reply, "{\"pull\":[],\"cur\":{\"S1\":[\"e1\",%d]},\"from\":{\"S1\":%d}}",
             to, from);
    struct page page;
    struct err err = {0};
    assert_int_equal(page_read(&page, reply, strlen(reply), &err), ERR_OK);
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, wire_store_cursors(&f->wire, &page)));
    assert_true(replica_commit(f->replica));
    page_free(&page);
    return fx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='cur:S1'");
}

/* What stands between 300 and 800 would never come, a deletion for one. */
static void a_reply_that_was_held_up_leaves_no_gap(void **state)
{
    struct wire_fixture *f = *state;
    assert_int_equal(cursor_after(f, 0, 800), 800);
    assert_int_equal(cursor_after(f, 100, 300), 300); /* of an earlier request */
    assert_int_equal(cursor_after(f, 800, 900), 300);
    assert_int_equal(cursor_after(f, 300, 900), 900);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_set_up, fx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(first_contact_pushes_nothing_and_learns_the_incarnation),
        TEST(a_push_holds_marks_rows_and_their_fingerprint),
        TEST(after_a_crash_the_same_marks_are_sent_and_no_others),
        TEST(a_row_is_in_a_push_once_and_numbers_only_grow),
        TEST(verdicts_settle_the_marks),
        TEST(a_reply_that_does_not_answer_is_refused),
        TEST(poison_is_set_aside_before_it_is_sent),
        TEST(what_is_sent_again_is_what_was_sent),
        TEST(a_deletion_that_is_sent_again_is_a_deletion),
        TEST(the_fingerprint_is_that_of_the_rows),
        TEST(a_new_incarnation_sends_first_what_was_in_flight),
        TEST(an_accepted_change_is_not_undone_by_an_older_row),
        TEST(what_stands_on_an_accepted_change_has_its_version_for_base),
        TEST(what_stands_on_a_group_that_did_not_lose_has_its_version_for_base),
        TEST(what_was_accepted_last_is_what_is_stood_on),
        TEST(what_was_sent_is_sent_again_even_when_its_row_is_gone),
        TEST(a_refused_push_is_unclaimed_and_the_first_row_set_aside),
        TEST(a_deletion_is_pushed_as_a_group_of_its_own),
        TEST(what_is_deleted_after_an_edit_stands_for_no_group),
        TEST(an_edit_of_another_does_not_raise_what_was_deleted_here),
        TEST(a_row_that_comes_back_says_so),
        TEST(what_comes_back_after_its_deletion_was_settled_says_so),
        TEST(a_stamp_by_the_countys_clock_is_final),
        TEST(what_stands_on_an_edit_is_later_than_it),
        TEST(a_push_tells_when_each_group_was_changed),
        TEST(a_push_tells_which_groups_lost_and_are_awaited),
        TEST(a_mark_that_lost_waits_for_a_row_that_is_not_older),
        TEST(an_older_row_does_not_settle_what_lost),
        TEST(without_that_rule_the_next_edit_hides_the_winner),
        TEST(a_reply_that_was_held_up_leaves_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
