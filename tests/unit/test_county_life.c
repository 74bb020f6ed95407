/* Tokens, copies and restored disks of stations; lives of the county: sync/PROTOCOL.md 6 and 7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/rules.h"
#include "tests/unit/county_fixture.h"

#define NOW ((int64_t)FIXTURE_NOW * 1000)

static void keep_token(struct county_fixture *f, int inc, char ret[40])
{
    snprintf(ret, 40, "%s", f->tok[inc]);
}

static void use_token(struct county_fixture *f, int inc, const char *tok)
{
    snprintf(f->tok[inc], sizeof f->tok[inc], "%s", tok);
}

static void assert_reinc(struct county_fixture *f, const char *why)
{
    assert_int_equal(f->status, 409);
    assert_string_equal(json_text(json_get(f->reply, "reinc"), "why", ""), why);
}

/* --- tokens --- */

static void a_token_changes_with_pushes_only(void **state)
{
    struct county_fixture *f = *state;
    char first[40], second[40];
    keep_token(f, 1, first);
    assert_true(strlen(first) >= 16);
    county_sync(f, 1, "[]", "{}");
    assert_string_equal(f->tok[1], first);
    county_checkin(f, 1, "c1");
    keep_token(f, 1, second);
    assert_string_not_equal(first, second);
    county_sync(f, 1, "[]", "{}");
    assert_string_equal(f->tok[1], second);
}

static void a_lost_answer_is_given_again_with_its_token(void **state)
{
    struct county_fixture *f = *state;
    county_checkin(f, 1, "c1");
    char given[40], *request = strdup(f->sent);
    int64_t v0 = county_v0(f);
    keep_token(f, 1, given);
    for (int i = 0; i < 3; i++) {
        county_reopen(f);
        county_call(f, COUNTY_SYNC, request);
        assert_int_equal(f->status, 200);
        assert_string_equal(json_text(f->reply, "tok", ""), given);
        assert_int_equal(county_v0(f), v0);
    }
    free(request);
    county_checkin(f, 1, "c2"); /* and on it goes */
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 2);
}

static void a_restored_disk_is_found_out(void **state)
{
    struct county_fixture *f = *state;
    char backup[40];
    keep_token(f, 1, backup);
    int64_t lseq = f->lseq;
    county_checkin(f, 1, "c1");
    use_token(f, 1, backup);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_reinc(f, "token"); /* before it passes its own lost rows by */
    f->lseq = lseq;
    county_sync(f, 1,
                "[{\"t\":\"checkin\",\"r\":[{\"lseq\":7,\"id\":\"c2\",\"scope\":\"S0117\","
                "\"kind\":\"in\",\"channel\":\"sms\"}]}]",
                "{}");
    assert_reinc(f, "token");
    county_checkin(f, 2, "older"); /* two pushes later the token is not even the last one */
    use_token(f, 2, backup);
    county_sync(f, 2, "[]", "{}");
    assert_reinc(f, "token");
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 2);
}

static void of_two_copies_the_second_to_push_is_told(void **state)
{
    struct county_fixture *f = *state;
    char shared[40];
    keep_token(f, 1, shared);
    county_checkin(f, 1, "of-the-first");
    char first[40];
    keep_token(f, 1, first);
    use_token(f, 1, shared);
    f->lseq += 5;
    county_sync(f, 1,
                "[{\"t\":\"checkin\",\"r\":[{\"lseq\":99,\"id\":\"of-the-second\",\"scope\":"
                "\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"}]}]",
                "{}");
    assert_reinc(f, "token");
    /* it becomes another, hears what the first did, and is heard */
    county_call(f, COUNTY_SYNC,
                "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":0,\"old\":1,\"why\":\"reinc\","
                "\"tok\":\"\",\"acked\":0,\"fp\":\"\",\"push\":[],\"pull\":{\"S0117\":[\"\",0]},"
                "\"max\":4096}");
    assert_int_equal(f->status, 200);
    int inc = (int)json_int(f->reply, "inc", 0);
    assert_int_equal(inc, 3);
    assert_non_null(county_pulled(f, "of-the-first"));
    use_token(f, inc, json_text(f->reply, "tok", ""));
    county_checkin(f, inc, "of-the-second");
    use_token(f, 1, first);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_int_equal(f->status, 200);
    assert_non_null(county_pulled(f, "of-the-second"));
    assert_int_equal(county_int(f, "SELECT count(*) FROM audit WHERE what='incarnation'"), 1);
    struct buf list;
    buf_init(&list, 65536);
    assert_int_equal(f->store->ops->show(f->store, "counts", &list, NULL), ERR_OK);
    assert_true(strstr(buf_text(&list), "\"inc\":3") != NULL ||
                strstr(buf_text(&list), "\"inc\" : 3") != NULL);
    buf_free(&list);
}

static void numbers_are_not_used_twice(void **state)
{
    struct county_fixture *f = *state;
    county_checkin(f, 1, "c1");
    f->lseq--;
    county_sync(f, 1,
                "[{\"t\":\"checkin\",\"r\":[{\"lseq\":1,\"id\":\"c2\",\"scope\":\"S0117\","
                "\"kind\":\"in\",\"channel\":\"sms\"}]}]",
                "{}");
    assert_reinc(f, "numbers");
    assert_int_equal(json_int(json_get(f->reply, "reinc"), "last", 0), 1);
    county_sync(f, 7, "[]", "{}");
    assert_reinc(f, "unknown");
}

/* Stations that got their incarnation from a county without tokens go on as they are. */
static void an_incarnation_without_a_token_gets_one(void **state)
{
    struct county_fixture *f = *state;
    county_exec(f, "UPDATE incarnation SET tok=NULL,prev_tok=NULL");
    use_token(f, 1, "");
    county_sync(f, 1, "[]", "{}");
    assert_int_equal(f->status, 200);
    assert_string_equal(f->tok[1], "");
    county_checkin(f, 1, "c1");
    char *request = strdup(f->sent);
    assert_string_not_equal(f->tok[1], "");
    county_call(f, COUNTY_SYNC, request);
    assert_int_equal(f->status, 200);
    assert_string_equal(json_text(f->reply, "tok", ""), f->tok[1]);
    free(request);
}

static void without_the_rule_a_copy_passes(void **state)
{
    struct county_fixture *f = *state;
    f->without = WITHOUT_TOKEN;
    county_reopen(f);
    char shared[40];
    keep_token(f, 1, shared);
    county_checkin(f, 1, "c1");
    use_token(f, 1, shared);
    county_checkin(f, 1, "c2");
    assert_int_equal(f->status, 200);
}

/* --- epochs --- */

static void each_start_is_an_epoch_and_old_cursors_stay_good(void **state)
{
    struct county_fixture *f = *state;
    char first[40];
    snprintf(first, sizeof first, "%s", json_text(f->reply, "ep", ""));
    assert_int_equal(json_count(json_get(f->reply, "eps")), 1);
    county_checkin(f, 1, "c1");
    int64_t v = county_v0(f);
    county_reopen(f);
    county_pull_from(f, 2, first, v);
    assert_int_equal(f->status, 200);
    assert_string_not_equal(json_text(f->reply, "ep", ""), first);
    assert_int_equal(json_count(json_get(f->reply, "eps")), 2);
    county_pull_from(f, 2, json_text(json_get(f->reply, "none"), "", first), v + 1000000);
    assert_int_equal(f->status, 409); /* beyond its end */
    county_pull_from(f, 2, "ffff", v);
    assert_int_equal(f->status, 409);
    assert_int_equal(json_count(json_get(json_get(f->reply, "rewind"), "eps")), 2);
    county_pull_from(f, 2, "ffff", 0); /* a scope without a row, of a life that is forgotten */
    assert_int_equal(f->status, 409);
    county_pull_from(f, 2, "", 0);
    assert_int_equal(f->status, 200);
}

/* A request whose cursors are all good, of a station that was told of version v of the epoch. */
static void sync_seen(struct county_fixture *f, const char *epoch, int64_t v)
{
    char body[512];
    snprintf(
        body, sizeof body,
        "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":0,\"tok\":\"\",\"acked\":0,\"fp\":\"\","
        "\"push\":[],\"pull\":{\"S0117\":[\"\",0]},\"max\":262144,\"seen\":[\"%s\",%lld]}",
        epoch, (long long)v);
    county_call(f, COUNTY_SYNC, body);
}

/* Its token and its numbers are of a life that was lost as well, but that comes second. */
static void a_county_that_forgot_a_push_says_so_before_it_looks_at_tokens(void **state)
{
    struct county_fixture *f = *state;
    char body[512], first[40], tok[40];
    county_checkin(f, 1, "c1");
    county_keep(f);
    county_checkin(f, 1, "c2");
    snprintf(first, sizeof first, "%s", json_text(f->reply, "ep", ""));
    snprintf(tok, sizeof tok, "%s", json_text(f->reply, "tok", ""));
    int64_t forgotten = json_int(f->reply, "v", 0);
    county_restore(f);
    static const char FORM[] =
        "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":1,\"tok\":\"%s\",\"acked\":2,\"fp\":\"\","
        "\"push\":[],\"pull\":{},\"max\":4096,\"seen\":[\"%s\",%lld]}";
    snprintf(body, sizeof body, FORM, tok, first, (long long)forgotten);
    county_call(f, COUNTY_SYNC, body);
    assert_int_equal(f->status, 409);
    assert_non_null(json_get(f->reply, "rewind"));
    assert_null(json_get(f->reply, "reinc"));
    snprintf(body, sizeof body, FORM, tok, first, 1LL);
    county_call(f, COUNTY_SYNC, body);
    assert_int_equal(f->status, 409);
    assert_string_equal(json_text(json_get(f->reply, "reinc"), "why", ""), "token");
}

static void what_a_station_was_told_is_checked_like_a_cursor(void **state)
{
    struct county_fixture *f = *state;
    char first[40];
    county_checkin(f, 1, "c1");
    int64_t v = json_int(f->reply, "v", 0);
    snprintf(first, sizeof first, "%s", json_text(f->reply, "ep", ""));
    assert_int_equal(v, county_v0(f));
    county_keep(f);
    county_checkin(f, 1, "c2");
    int64_t forgotten = json_int(f->reply, "v", 0);
    assert_true(forgotten > v);
    sync_seen(f, first, forgotten);
    assert_int_equal(f->status, 200);
    county_restore(f);
    sync_seen(f, first, v);
    assert_int_equal(f->status, 200);
    sync_seen(f, first, forgotten);
    assert_int_equal(f->status, 409);
    assert_non_null(json_get(f->reply, "rewind"));
    sync_seen(f, "ffff", 1);
    assert_int_equal(f->status, 409);
    sync_seen(f, first, -1);
    assert_int_equal(f->status, 400);
}

static void versions_count_only_when_told_to(void **state)
{
    struct county_fixture *f = *state;
    f->without = WITHOUT_VCOUNTER;
    int64_t before = county_int(f, "SELECT v FROM ctr");
    f->cells.wall_ms += 5000;
    county_reopen(f);
    county_checkin(f, 1, "c1");
    assert_int_equal(county_v0(f), before + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_token_changes_with_pushes_only),
        TEST(a_lost_answer_is_given_again_with_its_token),
        TEST(a_restored_disk_is_found_out),
        TEST(of_two_copies_the_second_to_push_is_told),
        TEST(numbers_are_not_used_twice),
        TEST(an_incarnation_without_a_token_gets_one),
        TEST(without_the_rule_a_copy_passes),
        TEST(each_start_is_an_epoch_and_old_cursors_stay_good),
        TEST(a_county_that_forgot_a_push_says_so_before_it_looks_at_tokens),
        TEST(what_a_station_was_told_is_checked_like_a_cursor),
        TEST(versions_count_only_when_told_to),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
