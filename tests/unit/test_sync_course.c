/* The requests beside the round: filling, comparing, giving back, leaving a scope; over a transport
 * that a test answers by hand. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/protocol.h"
#include "sync/rules.h"
#include "tests/unit/round_fixture.h"

/* The reply to a sync, everything pushed taken; `more` members begin with a comma. */
static void answer_sync(struct fixture *f, const char *cursors, const char *more)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        "{\"now\":1700000000000,\"inc\":9,\"tok\":\"t\",\"ep\":\"e1\",\"ack\":%" PRId64
        ",\"v0\":5000,\"lost\":[],\"keep\":[],\"bad\":[],\"cur\":{%s},\"more\":0,\"pull\":[]%s}",
        rx_highest_sent(f), cursors, more);
    rx_answer(f, 200, text);
}

#define BOTH(v) "\"S1\":[\"e1\"," v "],\"*\":[\"e1\"," v "]"

/* A station that is filled and knows the epoch e1 up to 1000. */
static void settle_in(struct fixture *f)
{
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('cur:S1','[\"e1\",1000]'),"
              "('cur:*','[\"e1\",1000]'),('eps','[[\"e0\",0],[\"e1\",100]]'),('ep','e1')");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, BOTH("1000"), "");
}

#define PERSON(id, v)                                                                              \
    "{\"_v\":" v ",\"_op\":\"U\",\"id\":\"" id "\",\"scope\":\"S1\",\"kind\":\"guard\","           \
    "\"name\":\"n\"}"

static void write_shift(struct fixture *f, const char *id)
{
    replica_enter(f->replica);
    replica_run(f->replica,
                "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
                "(?1,'S1','p','d','am','planned')",
                "s", id);
    assert_true(replica_leave(f->replica, true));
    replica_commit(f->replica);
    sync_poke(f->sync);
}

static void how_old_the_countys_word_is_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rx_status(f).last_progress_ms, 0);
    settle_in(f);
    int64_t heard_ms = f->cells.wall_ms;
    assert_int_equal(rx_status(f).last_progress_ms, heard_ms);
    rx_close(f);
    f->cells.wall_ms += INT64_C(35) * 86400000;
    rx_open(f);
    assert_int_equal(rx_status(f).last_progress_ms, heard_ms);
}

/* --- filling --- */

static void answer_boot(struct fixture *f, const char *rows, const char *next, int more)
{
    char text[4096];
    snprintf(text, sizeof text,
             "{\"now\":1700000000000,\"ep\":\"e1\",\"v0\":700,\"pull\":[{\"t\":\"person\",\"s\":"
             "\"S1\",\"r\":[%s]}],\"next\":\"%s\",\"more\":%d}",
             rows, next, more);
    rx_answer(f, 200, text);
}

static void fill_rest(struct fixture *f, const char *scope)
{
    char part[64];
    snprintf(part, sizeof part, "&s=%s", scope);
    for (int i = 0; i < 40; i++) {
        rx_wait_request(f, "/v1/");
        if (strncmp(f->path, "/v1/boot", 8) != 0 || strstr(f->path, part) == NULL)
            return;
        answer_boot(f, "", "", 0);
    }
    fail_msg("the filling does not end");
}

static void an_empty_station_is_filled_table_by_table(void **state)
{
    struct fixture *f = *state;
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_size(json_get(f->sent, "pull")), 0);
    answer_sync(f, "", "");
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&station=S1&s=S1&t=org&after="));
    assert_null(strstr(f->path, "v0="));
    for (int i = 1; i < 7; i++) { /* org to post are empty */
        answer_boot(f, "", "", 0);
        rx_wait_request(f, "/v1/boot?");
    }
    assert_non_null(strstr(f->path, "&t=person&after=&ep=e1&v0=700"));
    answer_boot(f, PERSON("a", "5") "," PERSON("b c", "6"), "b c", 1);
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&t=person&after=b%20c&"));
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person"), 2);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_state WHERE k='cur:S1'"), 0);
    rx_close(f); /* a crash goes on where it was */
    rx_open(f);
    sync_start(f->sync);
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&t=person&after=b%20c&"));
    answer_boot(f, PERSON("d", "7"), "", 0);
    fill_rest(f, "S1");
    assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='cur:S1'"), 700);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_state WHERE k='bootstrap_done'"), 0);
    fill_rest(f, "%2A");
    assert_int_equal(rx_ask(f, "SELECT v > 0 FROM sync_state WHERE k='bootstrap_done'"), 1);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person"), 3);
    assert_int_equal(json_as_int(json_at(json_get(json_get(f->sent, "pull"), "*"), 1), -1), 700);
}

static void an_alarm_does_not_wait_for_the_filling(void **state)
{
    struct fixture *f = *state;
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "", "");
    rx_wait_request(f, "/v1/boot?");
    write_shift(f, "s");
    answer_boot(f, "", "", 0);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_count(json_get(f->sent, "push")), 1);
    answer_sync(f, "", "");
    rx_wait_request(f, "/v1/boot?");
    assert_int_equal(rx_status(f).pending, 0);
}

static void what_left_the_scope_before_its_filling_goes(void **state)
{
    struct fixture *f = *state;
    replica_set_applying(f->replica, true);
    rx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state,_v) VALUES "
              "('lost','S1','p','d','am','x',0),('later','S1','p','d','am','x',0)");
    replica_set_applying(f->replica, false);
    rx_run(f, "INSERT INTO sync_out(tid,pk,base,gm,h,st,v) VALUES (13,'lost',0,3,1,3,600),"
              "(13,'later',0,3,1,3,800),(13,'other',0,3,1,2,500)");
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('cur:*','[\"e1\",1]')");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "\"*\":[\"e1\",1]", "");
    rx_wait_request(f, "/v1/boot?");
    fill_rest(f, "S1");
    assert_string_equal(f->path, "/v1/digest"); /* it has pushed before */
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift WHERE id='lost'"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift WHERE id='later'"), 1);
    assert_int_equal(rx_ask(f, "SELECT group_concat(pk) = 'later' FROM sync_out WHERE st=3"), 1);
}

/* Its marks were settled, and are forgotten by now. */
static void what_was_pushed_long_before_the_filling_is_compared(void **state)
{
    struct fixture *f = *state;
    rx_run(f, "INSERT INTO sync_out(lseq,tid,pk,base,gm,h,st,v) VALUES (1,13,'s',0,3,1,2,500)");
    rx_run(f, "DELETE FROM sync_out");
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('cur:*','[\"e1\",1]')");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "\"*\":[\"e1\",1]", "");
    rx_wait_request(f, "/v1/boot?");
    fill_rest(f, "S1");
    assert_string_equal(f->path, "/v1/digest");
}

static uint64_t fnv(const char *text)
{
    return protocol_fp_add(PROTOCOL_FP_START, text, strlen(text));
}

/* A county's table of these rows ("id", "id:v\n"), some buckets as they are, the rest empty. */
static void answer_hashes(struct fixture *f, const char *const (*rows)[2], size_t count)
{
    uint64_t sums[256] = {0};
    for (size_t i = 0; i < count; i++)
        sums[fnv(rows[i][0]) & 0xff] += fnv(rows[i][1]);
    struct buf text;
    buf_init(&text, 65536);
    buf_add_text(&text, "{\"now\":1700000000000,\"ep\":\"e1\",\"v\":2000,\"b\":[");
    for (int i = 0; i < 256; i++)
        buf_printf(&text, "%s\"%016" PRIx64 "\"", i > 0 ? "," : "", sums[i]);
    buf_add_text(&text, "]}");
    rx_answer(f, 200, buf_text(&text));
    buf_free(&text);
}

static void compare_rest(struct fixture *f)
{
    for (int i = 0; i < 60; i++) {
        rx_wait_request(f, "/v1/");
        if (strcmp(f->path, "/v1/digest") != 0)
            return;
        if (json_get(f->sent, "buckets") != NULL)
            rx_answer(f, 200, "{\"now\":1,\"ep\":\"e1\",\"v\":2000,\"rows\":[]}");
        else
            answer_hashes(f, NULL, 0);
    }
    fail_msg("the comparison does not end");
}

static void a_filling_that_began_again_is_compared_afterwards(void **state)
{
    struct fixture *f = *state;
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('cur:*','[\"e1\",1]')");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "\"*\":[\"e1\",1]", "");
    rx_wait_request(f, "/v1/boot?");
    for (int i = 1; i < 7; i++) {
        answer_boot(f, "", "", 0);
        rx_wait_request(f, "/v1/boot?");
    }
    answer_boot(f, PERSON("a", "5"), "a", 1); /* moved or deleted before the second one begins */
    rx_wait_request(f, "/v1/boot?");
    rx_answer(f, 410, "{\"error\":\"x\",\"expired\":1,\"scopes\":[\"S1\"],\"purge\":1500}");
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "\"*\":[\"e1\",1]", "");
    rx_wait_request(f, "/v1/boot?");
    assert_null(strstr(f->path, "v0="));
    fill_rest(f, "S1");
    assert_string_equal(f->path, "/v1/digest");
    compare_rest(f);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_state WHERE k GLOB 'refill:*'"), 0);
}

static void a_county_that_knows_no_filling_is_read_from_zero(void **state)
{
    struct fixture *f = *state;
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "", "");
    rx_wait_request(f, "/v1/boot?");
    rx_answer(f, 404, "{\"error\":\"no such address\"}");
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&s=%2A&"));
    rx_answer(f, 404, "{\"error\":\"no such address\"}");
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_size(json_get(f->sent, "pull")), 2);
    assert_int_equal(json_as_int(json_at(json_get(json_get(f->sent, "pull"), "*"), 1), -1), 0);
}

static void a_filling_that_is_refused_does_not_keep_the_news_away(void **state)
{
    struct fixture *f = *state;
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "", "");
    for (int i = 0; i < 3; i++) {
        rx_wait_request(f, "/v1/boot?");
        rx_answer(f, 403, "{\"error\":\"not yours\"}");
        assert_int_equal(rx_status(f).link, SYNC_LINK_DOWN);
        rx_wait_request(f, "/v1/sync");
        answer_sync(f, "", "");
    }
}

/* --- scopes --- */

static void fill_some_of_another(struct fixture *f)
{
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, "", ",\"grant\":[\"*\",\"S1\",\"S7\"]");
    rx_wait_request(f, "/v1/boot?");
    fill_rest(f, "S1");
    fill_rest(f, "%2A");
    assert_non_null(strstr(f->path, "&s=S7&"));
    for (int i = 1; i < 7; i++) {
        answer_boot(f, "", "", 0);
        rx_wait_request(f, "/v1/boot?");
    }
    rx_answer(
        f, 200,
        "{\"now\":1700000000000,\"ep\":\"e1\",\"v0\":700,\"pull\":[{\"t\":\"person\",\"s\":\"S7\","
        "\"r\":[{\"_v\":5,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S7\",\"kind\":\"guard\","
        "\"name\":\"n\"}]}],\"next\":\"x\",\"more\":1}");
    rx_wait_request(f, "/v1/boot?");
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person WHERE scope='S7'"), 1);
}

static void the_grant_has_ended(struct fixture *f)
{
    rx_answer(f, 403, "{\"error\":\"this scope is not granted to the station\"}");
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, BOTH("700"), ",\"grant\":[\"*\",\"S1\"]");
    sync_retry_now(f->sync);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person WHERE scope='S7'"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_state WHERE k GLOB '*:S7'"), 0);
}

/* The county came back from a backup, the filling is to begin anew, and the program starts. */
static void a_grant_that_ends_before_its_second_filling_is_noticed(void **state)
{
    struct fixture *f = *state;
    fill_some_of_another(f);
    rx_close(f);
    rx_open(f);
    rx_run(f, "UPDATE sync_state SET k='refill:S7',v=1 WHERE k='boot:S7'");
    rx_close(f);
    rx_open(f);
    sync_start(f->sync);
    rx_wait_request(f, "/v1/boot?");
    the_grant_has_ended(f);
}

static void a_grant_that_ends_in_the_middle_of_its_filling_is_noticed(void **state)
{
    struct fixture *f = *state;
    fill_some_of_another(f);
    rx_close(f); /* also when the program was started anew since */
    rx_open(f);
    sync_start(f->sync);
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&s=S7&"));
    the_grant_has_ended(f);
}

static void what_is_not_granted_any_more_is_taken_away_without_marks(void **state)
{
    struct fixture *f = *state;
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('cur:S7','[\"e1\",5]')");
    rx_close(f);
    rx_open(f);
    replica_set_applying(f->replica, true);
    rx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state,_v) VALUES "
              "('a','S7','p','d','am','planned',5),('b','S1','p','d','am','planned',5)");
    replica_set_applying(f->replica, false);
    rx_run(f, "UPDATE shift SET state='published' WHERE id='a'");
    rx_run(f,
           "INSERT INTO sync_state(k,v) VALUES ('cur:S1','[\"e1\",1000]'),('cur:*','[\"e1\",1]')");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_size(json_get(f->sent, "pull")), 3);
    answer_sync(f, BOTH("1000"), ",\"grant\":[\"*\",\"S1\"]");
    sync_retry_now(f->sync);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_size(json_get(f->sent, "pull")), 2);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift"), 1);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st <> 4"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_quarantine WHERE pk='a'"), 1);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_state WHERE k GLOB 'drop:*'"), 0);
    /* and when it is granted again, it is filled anew */
    answer_sync(f, BOTH("1000"), ",\"grant\":[\"*\",\"S1\",\"S7\"]");
    rx_wait_request(f, "/v1/boot?");
    assert_non_null(strstr(f->path, "&s=S7&t=org&"));
}

/* --- digests --- */

static void an_expired_station_compares_and_repairs(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    replica_set_applying(f->replica, true);
    rx_run(f, "INSERT INTO person(id,scope,kind,name,_v) VALUES ('same','S1','guard','n',10),"
              "('old','S1','guard','was',11),('newer','S1','guard','x',900),"
              "('deleted','S1','guard','x',12),('other','S2','guard','x',13)");
    replica_set_applying(f->replica, false);
    sync_retry_now(f->sync);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 410, "{\"error\":\"x\",\"expired\":1,\"scopes\":[\"S1\"],\"purge\":1500}");
    rx_wait_request(f, "/v1/digest");
    while (strcmp(json_text(f->sent, "t", ""), "person") != 0) {
        answer_hashes(f, NULL, 0);
        rx_wait_request(f, "/v1/digest");
    }
    assert_string_equal(json_text(f->sent, "s", ""), "S1");
    static const char *const theirs[][2] = {
        {"same", "same:10\n"}, {"old", "old:20\n"}, {"newer", "newer:15\n"}, {"more", "more:16\n"}};
    answer_hashes(f, theirs, 4);
    rx_wait_request(f, "/v1/digest");
    assert_int_equal(json_count(json_get(f->sent, "buckets")), 4);
    rx_answer(f, 200,
              "{\"now\":1,\"ep\":\"e1\",\"v\":1999,\"rows\":[[\"old\",20],[\"newer\",15],"
              "[\"more\",16]]}");
    rx_wait_request(f, "/v1/digest");
    assert_int_equal(json_count(json_get(f->sent, "ids")), 3);
    rx_answer(f, 200,
              "{\"now\":1,\"ep\":\"e1\",\"v\":2001,\"pull\":[{\"t\":\"person\",\"s\":\"S1\",\"r\":"
              "[" PERSON("old", "20") "," PERSON("newer",
                                                 "15") ",{\"_v\":16,\"_op\":\"X\",\"id\":\"more\"}"
                                                       "]}]}");
    rx_wait_request(f, "/v1/digest");
    assert_int_equal(rx_ask(f, "SELECT _v FROM person WHERE id='old'"), 20);
    assert_int_equal(rx_ask(f, "SELECT _v FROM person WHERE id='newer'"), 15);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person WHERE id IN ('deleted','more')"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM person"), 4);
    compare_rest(f);
    assert_string_equal(f->path, "/v1/sync");
    assert_int_equal(json_as_int(json_at(json_get(json_get(f->sent, "pull"), "S1"), 1), -1), 1999);
}

static void what_is_new_here_survives_the_comparison(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('digest:S1',1)");
    rx_close(f);
    rx_open(f);
    write_shift(f, "mine");
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, BOTH("1000"), "");
    compare_rest(f);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift"), 1);
    /* it was a check only: the cursor is where it was */
    assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='cur:S1'"), 1000);
}

/* What lost to a row that is another scope's by now: neither the feed nor the comparison has it. */
static void what_lost_and_is_elsewhere_goes(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    write_shift(f, "s");
    rx_run(f, "UPDATE sync_out SET st=3,v=1500");
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('digest:S1',1)");
    rx_close(f);
    rx_open(f);
    sync_start(f->sync);
    compare_rest(f);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=3"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift"), 0);
}

/* Made here while the county had it as deleted: our change was taken, the row is not there. */
static void what_was_made_under_a_deletion_goes(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    write_shift(f, "s");
    rx_run(f, "UPDATE sync_out SET st=3,v=1500,base=1500");
    write_shift(f, "elsewhere");
    rx_run(f, "UPDATE sync_out SET st=3,v=1500,base=1500 WHERE pk='elsewhere'");
    replica_set_applying(f->replica, true);
    rx_run(f, "UPDATE shift SET scope='*' WHERE id='elsewhere'");
    replica_set_applying(f->replica, false);
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('digest:S1',1)");
    rx_close(f);
    rx_open(f);
    sync_start(f->sync);
    compare_rest(f);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=3"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift WHERE id='s'"), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM shift"), 1);
}

/* --- the county was restored --- */

#define REWIND "{\"error\":\"x\",\"rewind\":{\"eps\":[[\"e0\",0],[\"e2\",80]]}}"

/* A pushed shift (_v 5000), a county's person (_v 900) and one that both know (_v 50). */
static void live(struct fixture *f)
{
    settle_in(f);
    write_shift(f, "s");
    rx_wait_request(f, "/v1/sync");
    answer_sync(f, BOTH("1000"), "");
    replica_set_applying(f->replica, true);
    rx_run(f,
           "INSERT INTO person(id,scope,kind,name,phone,_v) VALUES "
           "('known','S1','guard','n',NULL,50),('lost','S1','guard','n',seal_phone('+861'),900)");
    replica_set_applying(f->replica, false);
    rx_run(f, "UPDATE shift SET state='published' WHERE id='s'"); /* unsent, on base 5000 */
}

static void a_restored_county_gets_back_what_it_forgot(void **state)
{
    struct fixture *f = *state;
    live(f);
    replica_set_applying(f->replica, true);
    rx_run(f, "UPDATE shift SET _g='4000,5000,900'");
    replica_set_applying(f->replica, false);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    assert_string_equal(json_text(f->sent, "common", ""), "e0");
    assert_int_equal(json_int(f->sent, "done", 0), 1);
    struct json *rows = json_get(f->sent, "rows");
    assert_int_equal(json_count(rows), 2);
    struct json *shift = json_at(json_get(json_at(rows, 1), "r"), 0);
    assert_int_equal(json_int(shift, "gm", 0), 131);
    assert_string_equal(json_text(shift, "state", ""), "planned"); /* what it was changed from */
    assert_int_equal(json_int(shift, "h0", 0), 4000);
    assert_int_equal(json_int(shift, "h1", 0), 5000);
    assert_int_equal(json_int(shift, "h7", 0), 900);
    struct json *person = json_at(json_get(json_at(rows, 0), "r"), 0);
    assert_string_equal(json_text(person, "id", ""), "lost");
    assert_string_equal(json_text(person, "phone", ""), "+861");
    assert_int_equal(json_int(person, "_v", 0), 900);
    rx_answer(f, 503, "{\"error\":\"busy\"}"); /* it is offered again */
    rx_wait_request(f, "/v1/giveback");
    assert_int_equal(json_count(json_get(f->sent, "rows")), 2);
    rx_answer(f, 200, "{\"now\":1,\"f\":80,\"taken\":1,\"kept\":1,\"bad\":[]}");
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_int(f->sent, "inc", -1), 0);
    assert_int_equal(json_int(f->sent, "old", -1), 9);
    assert_string_equal(json_text(f->sent, "why", ""), "rewind");
    struct json *cursor = json_get(json_get(f->sent, "pull"), "S1");
    assert_string_equal(json_as_text(json_at(cursor, 0), ""), "e0");
    assert_int_equal(json_as_int(json_at(cursor, 1), 0), 80);
    /* rows and marks stand on what they stood on */
    assert_int_equal(rx_ask(f, "SELECT max(_v) FROM person"), 900);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=2 AND base=0 AND gm=3"), 1);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=0"), 0);
    assert_int_equal(rx_ask(f, "SELECT base FROM sync_out WHERE st=1 AND gm=2"), 5000);
    assert_int_equal(rx_status(f).reincarnations, 1);
    answer_sync(f, BOTH("80"), ",\"eps\":[[\"e0\",0],[\"e2\",80]]");
    rx_wait_request(f, "/v1/sync"); /* what is open is pushed again */
    assert_int_equal(json_count(json_get(f->sent, "push")), 1);
    answer_sync(f, BOTH("80"), "");
    rx_wait_request(f, "/v1/digest"); /* what was deleted meanwhile is looked for */
    answer_hashes(f, NULL, 0);
}

/* Its insert lost in the life that the county forgot, an edit of one group is in flight: the county
 * does not know the row, and takes it as a whole only. */
static void a_new_row_is_not_torn_apart_by_a_rewind(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    write_shift(f, "s");
    rx_run(f, "UPDATE sync_out SET st=3,v=5000");
    rx_run(f, "UPDATE shift SET state='published'");
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_count(json_get(f->sent, "push")), 1);
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    rx_answer(f, 200, "{\"now\":1,\"f\":80,\"taken\":0,\"kept\":0,\"bad\":[]}");
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st<>2"), 1);
    assert_int_equal(rx_ask(f, "SELECT gm FROM sync_out WHERE st=0 AND base=0"), 3);
}

/* The same when one group had not lost, and was changed once more. */
static void what_won_of_a_new_row_comes_with_the_rest_after_a_rewind(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    write_shift(f, "s");
    rx_run(f, "UPDATE sync_out SET st=3,v=5000,gm=1");
    rx_run(f, "INSERT INTO sync_out(tid,pk,base,gm,h,st,v) VALUES (13,'s',5000,2,1,3,5000)");
    rx_run(f, "UPDATE shift SET state='published'");
    assert_int_equal(rx_ask(f, "SELECT base FROM sync_out WHERE st=0"), 5000);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    rx_answer(f, 200, "{\"now\":1,\"f\":80,\"taken\":0,\"kept\":0,\"bad\":[]}");
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st<>2"), 1);
    assert_int_equal(rx_ask(f, "SELECT gm FROM sync_out WHERE st=0 AND base=0"), 3);
}

/* Taken by the county, which had a row of this key, and forgotten with that before it came. */
static void a_new_row_that_was_kept_is_given_back_as_a_row(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    write_shift(f, "s");
    rx_run(f, "UPDATE sync_out SET st=3,v=5000,base=5000");
    write_shift(f, "later");
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    struct json *row = json_at(json_get(json_at(json_get(f->sent, "rows"), 0), "r"), 0);
    assert_int_equal(json_int(row, "_v", 0), 5000);
    assert_int_equal(json_int(row, "gm", 0), 3);
    assert_int_equal(json_int(row, "part", 1), 0);
}

static void what_the_county_said_last_is_asked_about(void **state)
{
    struct fixture *f = *state;
    sync_start(f->sync);
    rx_wait_request(f, "/v1/sync");
    assert_null(json_get(f->sent, "seen"));
    answer_sync(f, "", ",\"v\":650,\"eps\":[[\"e0\",0],[\"e1\",100]]");
    rx_wait_request(f, "/v1/boot?");
    rx_answer(f, 200,
              "{\"now\":1700000000000,\"ep\":\"e1\",\"v\":800,\"v0\":700,\"pull\":[],\"next\":\"\","
              "\"more\":0}");
    assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='seen'"), 800);
    rx_wait_request(f, "/v1/boot?");
    rx_answer(f, 200, /* an older answer takes nothing back */
              "{\"now\":1700000000000,\"ep\":\"e1\",\"v\":799,\"v0\":700,\"pull\":[],\"next\":\"\","
              "\"more\":0}");
    assert_int_equal(rx_ask(f, "SELECT v->>1 FROM sync_state WHERE k='seen'"), 800);
    rx_wait_request(f, "/v1/boot?");
    rx_answer(f, 200, /* another life of the county's database: does it know 800? */
              "{\"now\":1700000000000,\"ep\":\"e2\",\"v\":900,\"v0\":700,\"pull\":[],\"next\":\"\","
              "\"more\":0}");
    rx_wait_request(f, "/v1/sync");
    assert_string_equal(json_as_text(json_at(json_get(f->sent, "seen"), 0), ""), "e1");
    assert_int_equal(json_as_int(json_at(json_get(f->sent, "seen"), 1), 0), 800);
    rx_answer(f, 409,
              "{\"error\":\"x\",\"rewind\":{\"eps\":[[\"e0\",0],[\"e1\",100],[\"e2\",750]]}}");
    rx_wait_request(f, "/v1/giveback");
    assert_string_equal(json_text(f->sent, "common", ""), "e1");
    rx_answer(f, 200, "{\"now\":1,\"f\":750,\"taken\":0,\"kept\":0,\"bad\":[[\"x\",\"scope\"]]}");
    rx_wait_request(f,
                    "/v1/sync"); /* whoever answers should know to whom the rows were given back */
    assert_string_equal(json_as_text(json_at(json_get(f->sent, "seen"), 0), ""), "e2");
    assert_int_equal(json_as_int(json_at(json_get(f->sent, "seen"), 1), 0), 750);
    answer_sync(f, "", "");
    rx_wait_request(f, "/v1/digest"); /* what was refused is looked for */
}

/* A comparison that was under way: what the county says now may lack what we were told. */
static void a_comparison_of_another_life_does_not_count(void **state)
{
    struct fixture *f = *state;
    settle_in(f);
    rx_run(f, "INSERT INTO sync_state(k,v) VALUES ('digest:S1',1),('seen',json_array('e1',650))");
    rx_close(f);
    rx_open(f);
    sync_start(f->sync);
    rx_wait_request(f, "/v1/digest");
    rx_answer(f, 200, "{\"now\":1,\"ep\":\"e2\",\"v\":900,\"b\":[]}");
    rx_wait_request(f, "/v1/sync");
    assert_string_equal(json_as_text(json_at(json_get(f->sent, "seen"), 0), ""), "e1");
    answer_sync(f, BOTH("1000"), "");
    rx_wait_request(f, "/v1/digest"); /* it begins again */
    assert_string_equal(json_text(f->sent, "t", ""), "org");
}

static void a_crash_while_giving_back_begins_it_again(void **state)
{
    struct fixture *f = *state;
    live(f);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    rx_close(f);
    rx_open(f);
    sync_start(f->sync);
    rx_wait_request(f, "/v1/giveback");
    assert_int_equal(json_count(json_get(f->sent, "rows")), 2);
    rx_answer(f, 410, "{\"error\":\"too late\"}"); /* nothing is taken back after 35 days */
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_int(f->sent, "inc", -1), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=1"), 1);
}

static void a_county_that_goes_back_once_more_is_given_more(void **state)
{
    struct fixture *f = *state;
    live(f);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    assert_int_equal(json_int(f->sent, "f", 0), 80);
    rx_answer(f, 409, "{\"error\":\"x\",\"rewind\":{\"eps\":[[\"e0\",0],[\"e9\",40]]}}");
    rx_wait_request(f, "/v1/giveback");
    assert_string_equal(json_text(f->sent, "common", ""), "e0");
    assert_int_equal(json_int(f->sent, "f", 0), 40);
    assert_int_equal(json_count(json_get(json_at(json_get(f->sent, "rows"), 0), "r")), 2);
}

/* Nor has the first filling, which began anew, brought down what was given back. */
static void in_the_middle_of_a_filling_it_is_given_more_as_well(void **state)
{
    struct fixture *f = *state;
    live(f);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/giveback");
    rx_answer(f, 200, "{\"now\":1,\"f\":80,\"taken\":2,\"kept\":0,\"bad\":[]}");
    rx_wait_request(f, "/v1/sync");
    rx_run(f, "DELETE FROM sync_state WHERE k='bootstrap_done' OR k GLOB 'cur:*'");
    rx_run(f, "UPDATE sync_state SET k='refill:'||substr(k,8) WHERE k GLOB 'digest:*'");
    rx_answer(f, 409,
              "{\"error\":\"x\",\"rewind\":{\"eps\":[[\"e0\",0],[\"e2\",80],[\"e3\",90]]}}");
    rx_wait_request(f, "/v1/giveback");
    assert_string_equal(json_text(f->sent, "common", ""), "e2");
    assert_int_equal(json_int(f->sent, "f", 0), 80);
    assert_int_equal(rx_ask(f, "SELECT v FROM sync_state WHERE k='rewind_f'"), 80);
}

static void without_a_common_epoch_everything_is_given_back(void **state)
{
    struct fixture *f = *state;
    live(f);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, "{\"error\":\"x\",\"rewind\":{\"eps\":[[\"zz\",20]]}}");
    rx_wait_request(f, "/v1/giveback");
    assert_string_equal(json_text(f->sent, "common", "?"), "");
    assert_int_equal(json_count(json_get(json_at(json_get(f->sent, "rows"), 0), "r")), 2);
    rx_answer(f, 200, "{\"now\":1,\"f\":20,\"taken\":2,\"kept\":0,\"bad\":[]}");
    rx_wait_request(f, "/v1/sync");
    struct json *cursor = json_get(json_get(f->sent, "pull"), "S1");
    assert_string_equal(json_as_text(json_at(cursor, 0), "?"), "");
    assert_int_equal(json_as_int(json_at(cursor, 1), -1), 0);
}

static void the_rules_of_giving_back_can_be_taken_away(void **state)
{
    struct fixture *f = *state;
    rx_close(f);
    f->without = WITHOUT_SALVAGE | WITHOUT_REMARK_ACKED;
    rx_open(f);
    live(f);
    rx_wait_request(f, "/v1/sync");
    rx_answer(f, 409, REWIND);
    rx_wait_request(f, "/v1/sync");
    assert_int_equal(json_int(f->sent, "inc", -1), 0);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=1"), 1);
    assert_int_equal(rx_ask(f, "SELECT count(*) FROM sync_out WHERE st=2"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rx_set_up, rx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(how_old_the_countys_word_is_survives_a_restart),
        TEST(an_empty_station_is_filled_table_by_table),
        TEST(an_alarm_does_not_wait_for_the_filling),
        TEST(what_left_the_scope_before_its_filling_goes),
        TEST(what_was_pushed_long_before_the_filling_is_compared),
        TEST(a_filling_that_began_again_is_compared_afterwards),
        TEST(a_county_that_knows_no_filling_is_read_from_zero),
        TEST(a_grant_that_ends_in_the_middle_of_its_filling_is_noticed),
        TEST(a_grant_that_ends_before_its_second_filling_is_noticed),
        TEST(a_filling_that_is_refused_does_not_keep_the_news_away),
        TEST(what_is_not_granted_any_more_is_taken_away_without_marks),
        TEST(an_expired_station_compares_and_repairs),
        TEST(what_is_new_here_survives_the_comparison),
        TEST(what_lost_and_is_elsewhere_goes),
        TEST(what_was_made_under_a_deletion_goes),
        TEST(a_restored_county_gets_back_what_it_forgot),
        TEST(a_new_row_is_not_torn_apart_by_a_rewind),
        TEST(what_won_of_a_new_row_comes_with_the_rest_after_a_rewind),
        TEST(a_new_row_that_was_kept_is_given_back_as_a_row),
        TEST(what_the_county_said_last_is_asked_about),
        TEST(a_comparison_of_another_life_does_not_count),
        TEST(a_crash_while_giving_back_begins_it_again),
        TEST(a_county_that_goes_back_once_more_is_given_more),
        TEST(in_the_middle_of_a_filling_it_is_given_more_as_well),
        TEST(without_a_common_epoch_everything_is_given_back),
        TEST(the_rules_of_giving_back_can_be_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
