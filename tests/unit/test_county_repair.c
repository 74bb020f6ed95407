/* Tombstones and their end, digests, first fillings, grants, and the quarantine:
 * sync/PROTOCOL.md 2.3 and 8 to 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/protocol.h"
#include "sync/rules.h"
#include "tests/unit/county_fixture.h"

#define NOW ((int64_t)FIXTURE_NOW * 1000)

static const int64_t DAY_MS = INT64_C(86400000);

static const char DUTY[] =
    "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\",\"role\":0,"
    "\"state\":\"planned\"";
static const char DELETED[] = "\"id\":\"a1\",\"_del\":1";

enum { PLAN = 1, STATE = 2, BOTH = 3, DEL = 128 };

static int64_t version(struct county_fixture *f)
{
    return json_int(f->reply, "v0", 0);
}

static int64_t make_duty(struct county_fixture *f)
{
    int64_t lseq = county_push(f, 1, "assignment", 0, BOTH, NOW, DUTY);
    assert_string_equal(county_verdict(f, lseq), "ok");
    return version(f);
}

static void checkin(struct county_fixture *f, int inc, const char *id)
{
    char members[256];
    snprintf(members, sizeof members,
             "\"id\":\"%s\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"", id);
    county_push(f, inc, "checkin", 0, 1, NOW, members);
}

static void pull_from(struct county_fixture *f, int inc, int64_t v)
{
    char pull[96];
    snprintf(pull, sizeof pull, "{\"S0117\":[\"%s\",%lld]}",
             county_text(f, "SELECT id FROM epoch ORDER BY n DESC LIMIT 1"), (long long)v);
    county_sync(f, inc, "[]", pull);
}

/* --- tombstones --- */

static void a_station_deletes_and_brings_back(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    int64_t lseq = county_push(f, 1, "assignment", v, DEL, NOW, DELETED);
    assert_string_equal(county_verdict(f, lseq), "ok");
    int64_t deleted = version(f);
    pull_from(f, 2, v);
    assert_string_equal(json_text(county_pulled(f, "a1"), "_op", ""), "D");
    lseq = county_push(f, 2, "assignment", deleted, DEL, NOW, "\"id\":\"a1\",\"_del\":0");
    assert_string_equal(county_verdict(f, lseq), "ok");
    pull_from(f, 1, deleted);
    assert_string_equal(json_text(county_pulled(f, "a1"), "_op", ""), "U");
    assert_string_equal(json_text(county_pulled(f, "a1"), "state", ""), "planned");
}

static void concurrent_deletion_merges_like_a_group(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, DEL, NOW - 1000, DELETED);
    int64_t deleted = version(f);
    county_push(f, 2, "assignment", deleted, DEL, NOW - 500, "\"id\":\"a1\",\"_del\":0");
    int64_t lseq = county_push(f, 1, "assignment", v, DEL, NOW - 2000, DELETED);
    assert_string_equal(county_verdict(f, lseq), "lost");
    assert_int_equal(county_int(f, "SELECT _del FROM assignment"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict WHERE grp=7 AND win_o=2"), 1);
    assert_int_equal(county_int(f, "SELECT json_extract(lose_val,'$._del') FROM conflict"), 1);
}

static void a_late_edit_stays_under_the_tombstone(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, DEL, NOW, DELETED);
    int64_t lseq =
        county_push(f, 2, "assignment", v, STATE, NOW, "\"id\":\"a1\",\"state\":\"confirmed\"");
    assert_string_equal(county_verdict(f, lseq), "keep");
    assert_int_equal(county_int(f, "SELECT _del=1 AND state='confirmed' FROM assignment"), 1);
    pull_from(f, 2, v);
    assert_string_equal(json_text(county_pulled(f, "a1"), "_op", ""), "D");
}

static void deleting_what_is_gone_is_done(void **state)
{
    struct county_fixture *f = *state;
    int64_t lseq = county_push(f, 1, "assignment", 7, DEL, NOW, DELETED);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 0);
    lseq = county_push(f, 1, "assignment", 7, DEL, NOW, "\"id\":\"a1\"");
    assert_string_equal(county_verdict(f, lseq), "required _del");
    lseq = county_push(f, 1, "assignment", 7, DEL, NOW, "\"id\":\"a1\",\"_del\":2");
    assert_string_equal(county_verdict(f, lseq), "type _del");
}

static void tidy(struct county_fixture *f)
{
    bool more = true;
    struct err err = {0};
    while (more)
        if (f->store->ops->tidy(f->store, &more, &err) != ERR_OK)
            fail_msg("%s", err.text);
}

static void add_station(struct county_fixture *f)
{
    static const char HASH[] = "0000000000000000000000000000000000000000000000000000000000000000";
    assert_int_equal(f->store->ops->station_add(f->store, "east", "S0117", HASH, NULL), ERR_OK);
}

static void a_tombstone_waits_for_every_station(void **state)
{
    struct county_fixture *f = *state;
    add_station(f);
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, DEL, NOW, DELETED);
    int64_t deleted = version(f);
    pull_from(f, 1, deleted);
    pull_from(f, 2, v); /* has not seen it */
    tidy(f);
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 1);
    f->cells.wall_ms += 120000;
    checkin(f, 1, "c1");
    pull_from(f, 1, version(f));
    pull_from(f, 2, deleted);
    tidy(f); /* its cursor is on it, but not past it */
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 1);
    f->cells.wall_ms += 120000;
    pull_from(f, 1, deleted + 1);
    pull_from(f, 2, deleted + 1);
    tidy(f);
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM feed WHERE op='D'"), 0);
    pull_from(f, 1, deleted + 1);
    assert_int_equal(json_int(f->reply, "purge", 0), deleted);
    /* an edit of what was forgotten is not an insert */
    int64_t lseq =
        county_push(f, 2, "assignment", v, STATE, NOW, "\"id\":\"a1\",\"state\":\"confirmed\"");
    assert_string_equal(county_verdict(f, lseq), "gone");
    /* but who deleted it may bring it back */
    char duty[200];
    snprintf(duty, sizeof duty, "%s,\"_del\":0", DUTY);
    lseq = county_push(f, 1, "assignment", v, BOTH | DEL, NOW, duty);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment WHERE _del=0"), 1);
}

static void who_stays_away_too_long_is_expired(void **state)
{
    struct county_fixture *f = *state;
    add_station(f);
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, DEL, NOW, DELETED);
    int64_t deleted = version(f);
    pull_from(f, 2, v);
    f->cells.wall_ms += 181 * DAY_MS;
    tidy(f);
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 0);
    pull_from(f, 2, v);
    assert_int_equal(f->status, 410);
    assert_int_equal(json_int(f->reply, "expired", 0), 1);
    assert_int_equal(json_int(f->reply, "purge", 0), deleted);
    assert_string_equal(json_as_text(json_at(json_get(f->reply, "scopes"), 0), ""), "S0117");
    pull_from(f, 2, 0);
    assert_int_equal(f->status, 200);
}

/* --- digests --- */

static void digest(struct county_fixture *f, const char *scope, const char *table,
                   const char *members)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":1,\"s\":\"%s\",\"t\":\"%s\"%s}",
             scope, table, members);
    county_call(f, COUNTY_DIGEST, body);
}

static void a_digest_finds_what_differs(void **state)
{
    struct county_fixture *f = *state;
    char id[32], members[128], key[64];
    uint64_t sum = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "c%d", i);
        checkin(f, 1, id);
        uint64_t bucket = protocol_fp_add(PROTOCOL_FP_START, id, strlen(id)) & 0xff;
        int size = snprintf(key, sizeof key, "%s:%lld\n", id, (long long)version(f));
        if (bucket == (protocol_fp_add(PROTOCOL_FP_START, "c7", 2) & 0xff))
            sum += protocol_fp_add(PROTOCOL_FP_START, key, (size_t)size);
    }
    int64_t bucket = (int64_t)(protocol_fp_add(PROTOCOL_FP_START, "c7", 2) & 0xff);
    digest(f, "S0117", "checkin", "");
    assert_int_equal(f->status, 200);
    const struct json *hashes = json_get(f->reply, "b");
    assert_int_equal(json_count(hashes), 256);
    snprintf(key, sizeof key, "%016llx", (unsigned long long)sum);
    assert_string_equal(json_as_text(json_at(hashes, (size_t)bucket), ""), key);
    snprintf(members, sizeof members, ",\"buckets\":[%lld]", (long long)bucket);
    digest(f, "S0117", "checkin", members);
    const struct json *rows = json_get(f->reply, "rows");
    bool found = false;
    for (size_t i = 0; i < json_count(rows); i++)
        found = found || strcmp(json_as_text(json_at(json_at(rows, i), 0), ""), "c7") == 0;
    assert_true(found);
    digest(f, "S0117", "checkin", ",\"ids\":[\"c7\",\"nobody\"]");
    assert_string_equal(json_text(county_pulled(f, "c7"), "_op", ""), "U");
    assert_string_equal(json_text(county_pulled(f, "nobody"), "_op", ""), "X");
}

static void a_digest_leaves_tombstones_out_and_refuses_nonsense(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, DEL, NOW, DELETED);
    digest(f, "S0117", "assignment", "");
    for (size_t i = 0; i < 256; i++)
        assert_string_equal(json_as_text(json_at(json_get(f->reply, "b"), i), ""),
                            "0000000000000000");
    digest(f, "S0118", "assignment", "");
    assert_int_equal(f->status, 403);
    digest(f, "S0117", "assignment", ",\"buckets\":[256]");
    assert_int_equal(f->status, 400);
    digest(f, "S0117", "assignment", ",\"ids\":[7]");
    assert_int_equal(f->status, 400);
}

/* The station is a schema further. */
static void a_table_that_is_not_known_has_no_rows(void **state)
{
    struct county_fixture *f = *state;
    static const char *const MORE[] = {"", ",\"buckets\":[3]", ",\"ids\":[\"a\"]"};
    for (size_t i = 0; i < sizeof MORE / sizeof *MORE; i++) {
        digest(f, "S0117", "weather", MORE[i]);
        assert_int_equal(f->status, 200);
        assert_int_equal(json_int(f->reply, "unknown", 0), 1);
        assert_null(json_get(f->reply, "b"));
    }
    struct store_boot boot = {.inc = 1,
                              .scope = "S0117",
                              .table = "weather",
                              .after = "",
                              .epoch = "",
                              .max_bytes = 4096};
    county_boot(f, &boot);
    assert_int_equal(f->status, 200);
    assert_int_equal(json_count(json_get(f->reply, "pull")), 0);
    assert_int_equal(json_int(f->reply, "more", 1), 0);
    assert_true(json_int(f->reply, "v0", -1) >= 0);
}

/* --- first filling --- */

static void a_first_filling_under_change_converges(void **state)
{
    struct county_fixture *f = *state;
    char id[32], after[64] = "", epoch[40] = "";
    int64_t v0 = 0, rows = 0, pages = 0;
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "c%02d-\\\"x\\\\", i);
        checkin(f, 1, id);
    }
    for (int more = 1; more == 1; pages++) {
        struct store_boot boot = {.inc = 2,
                                  .scope = "S0117",
                                  .table = "checkin",
                                  .after = after,
                                  .epoch = epoch,
                                  .v0 = v0,
                                  .max_bytes = 4096};
        county_boot(f, &boot);
        assert_int_equal(f->status, 200);
        rows += (int64_t)json_count(json_get(json_at(json_get(f->reply, "pull"), 0), "r"));
        more = (int)json_int(f->reply, "more", 0);
        snprintf(after, sizeof after, "%s", json_text(f->reply, "next", ""));
        snprintf(epoch, sizeof epoch, "%s", json_text(f->reply, "ep", ""));
        v0 = json_int(f->reply, "v0", 0);
        if (pages == 0)
            checkin(f, 1, "b-before-the-first-page"); /* sorts before what was read */
    }
    assert_true(pages > 2);
    assert_int_equal(rows, 60);
    assert_int_equal(county_int(f, "SELECT cursor_v FROM incarnation WHERE o=2"), v0);
    pull_from(f, 2, v0);
    assert_non_null(county_pulled(f, "b-before-the-first-page"));
}

static void a_filling_of_another_life_begins_again(void **state)
{
    struct county_fixture *f = *state;
    struct store_boot boot = {.inc = 2,
                              .scope = "S0117",
                              .table = "checkin",
                              .after = "",
                              .epoch = "ffff",
                              .v0 = 5,
                              .max_bytes = 4096};
    county_boot(f, &boot);
    assert_int_equal(f->status, 409);
    boot.scope = "S0118";
    county_boot(f, &boot);
    assert_int_equal(f->status, 403);
}

/* --- scopes --- */

static bool is_granted(const struct county_fixture *f, const char *scope)
{
    const struct json *grant = json_get(f->reply, "grant");
    for (size_t i = 0; i < json_count(grant); i++)
        if (strcmp(json_as_text(json_at(grant, i), ""), scope) == 0)
            return true;
    return false;
}

static void grants_come_and_go(void **state)
{
    struct county_fixture *f = *state;
    const struct store_ops *ops = f->store->ops;
    const char both[] = "{\"S0117\":[\"\",0],\"T03\":[\"\",0]}";
    add_station(f);
    county_sync(f, 1, "[]", both);
    assert_int_equal(f->status, 403);
    assert_int_equal(ops->station_grant(f->store, "east", "T03", true, NULL), ERR_OK);
    assert_int_equal(ops->station_grant(f->store, "west", "T03", true, NULL), ERR_NOT_FOUND);
    county_exec(
        f, "INSERT INTO assignment(id,scope,shift_id,person_id,state,_v) VALUES('t','T03',"
           "'s','p','planned',5);INSERT INTO feed(scope,v,tid,pk,op) VALUES('T03',5,14,'t','U');"
           "UPDATE ctr SET v=5");
    county_sync(f, 1, "[]", both);
    assert_int_equal(f->status, 200);
    assert_true(is_granted(f, "T03") && is_granted(f, "*") && is_granted(f, "S0117"));
    assert_non_null(county_pulled(f, "t"));
    int64_t lseq =
        county_push(f, 1, "assignment", 5, STATE, NOW, "\"id\":\"t\",\"state\":\"confirmed\"");
    assert_string_equal(county_verdict(f, lseq), "scope"); /* to see is not to write */
    assert_int_equal(ops->station_grant(f->store, "east", "T03", false, NULL), ERR_OK);
    assert_int_equal(ops->station_grant(f->store, "east", "T03", false, NULL), ERR_NOT_FOUND);
    county_sync(f, 1, "[]", both);
    assert_int_equal(f->status, 200);
    assert_false(is_granted(f, "T03"));
    assert_null(county_pulled(f, "t"));
    assert_null(json_get(json_get(f->reply, "cur"), "T03"));
    assert_non_null(json_get(json_get(f->reply, "cur"), "S0117"));
}

static void a_row_that_moves_leaves_an_exit(void **state)
{
    struct county_fixture *f = *state;
    const char head[] = "id,scope,post_id,date,peak,state\n";
    char file[256];
    snprintf(file, sizeof file, "%ss1,S0117,x,2026-09-08,am,planned\n", head);
    county_exec(f,
                "INSERT INTO post(id,scope,school_id,name,kind,_v) VALUES('x','*','s','n','k',1)");
    assert_int_equal(county_import(f, "shift.csv", file, false), ERR_OK);
    int64_t v = county_int(f, "SELECT _v FROM shift");
    snprintf(file, sizeof file, "%ss1,S0118,x,2026-09-08,am,planned\n", head);
    assert_int_equal(county_import(f, "shift.csv", file, false), ERR_OK);
    pull_from(f, 1, v);
    assert_string_equal(json_text(county_pulled(f, "s1"), "_op", ""), "X");
    int64_t lseq =
        county_push(f, 1, "shift", v, STATE, NOW, "\"id\":\"s1\",\"state\":\"published\"");
    assert_string_equal(county_verdict(f, lseq), "scope");
}

/* --- the quarantine --- */

static void a_row_is_let_out_of_quarantine(void **state)
{
    struct county_fixture *f = *state;
    const struct store_ops *ops = f->store->ops;
    struct err err = {0};
    int64_t lseq = county_push(f, 1, "assignment", 9, BOTH, NOW, DUTY);
    assert_string_equal(county_verdict(f, lseq), "gone");
    county_push(f, 1, "assignment", 9, STATE, NOW, "\"id\":\"a2\",\"state\":\"confirmed\"");
    county_push(f, 1, "checkin", 0, 1, NOW, "\"id\":\"c\",\"scope\":\"S0117\",\"kind\":7");
    assert_int_equal(ops->quarantine_release(f->store, 1, STORE_RETRY, &err), ERR_OK);
    assert_string_equal(county_text(f, "SELECT state FROM assignment WHERE id='a1'"), "planned");
    pull_from(f, 1, 0); /* also the one who sent it hears of it */
    assert_non_null(county_pulled(f, "a1"));
    assert_int_equal(ops->quarantine_release(f->store, 2, STORE_RETRY, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "incomplete"));
    assert_int_equal(ops->quarantine_release(f->store, 3, STORE_RETRY, &err), ERR_INVALID);
    assert_int_equal(ops->quarantine_release(f->store, 3, STORE_DROP, &err), ERR_OK);
    assert_int_equal(ops->quarantine_release(f->store, 3, STORE_DROP, &err), ERR_NOT_FOUND);
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM audit WHERE what LIKE 'quarantine.%'"), 2);
}

/* --- an older schema --- */

static void a_column_that_is_absent_keeps_its_value(void **state)
{
    struct county_fixture *f = *state;
    county_push(f, 1, "assignment", 0, BOTH, NOW,
                "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\","
                "\"state\":\"asked\",\"asked_at\":5,\"stands_in_for\":\"p9\"");
    int64_t v = version(f);
    int64_t lseq = county_push(f, 2, "assignment", v, BOTH, NOW,
                               "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\","
                               "\"person_id\":\"p1\",\"state\":\"confirmed\",\"answered_at\":6");
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT asked_at FROM assignment"), 5);
    assert_string_equal(county_text(f, "SELECT stands_in_for FROM assignment"), "p9");
    county_push(f, 2, "assignment", v, STATE, NOW,
                "\"id\":\"a1\",\"state\":\"confirmed\",\"asked_at\":null");
    assert_string_equal(county_text(f, "SELECT asked_at FROM assignment"), "");
    assert_int_equal(county_int(f, "SELECT answered_at FROM assignment"), 6);
    /* required columns too */
    lseq = county_push(f, 2, "assignment", v, STATE, NOW, "\"id\":\"a1\",\"answered_at\":8");
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "confirmed");
}

/* --- rules that can be taken away --- */

static void without_base_versions_the_later_stamp_wins(void **state)
{
    struct county_fixture *f = *state;
    f->without = WITHOUT_HLCONLY;
    county_reopen(f);
    int64_t v = make_duty(f);
    int64_t lseq =
        county_push(f, 2, "assignment", v, STATE, 5, "\"id\":\"a1\",\"state\":\"confirmed\"");
    assert_string_equal(county_verdict(f, lseq), "lost"); /* although it knew what it changed */
}

/* Another one pushes a value that is there already; then its author changes it, with a dead clock.
 */
static const char *edit_after_an_equal_value(struct county_fixture *f, uint32_t without)
{
    f->without = without;
    county_reopen(f);
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW + 1000, "\"id\":\"a1\",\"state\":\"confirmed\"");
    int64_t seen = json_int(f->reply, "v0", 0);
    county_push(f, 1, "assignment", v, STATE, NOW + 2000, "\"id\":\"a1\",\"state\":\"confirmed\"");
    int64_t lseq =
        county_push(f, 2, "assignment", seen, STATE, 5, "\"id\":\"a1\",\"state\":\"declined\"");
    return county_verdict(f, lseq);
}

static void an_equal_value_comes_between_nobody(void **state)
{
    assert_string_equal(edit_after_an_equal_value(*state, 0), "ok");
}

static void without_the_equal_rule_a_successor_loses(void **state)
{
    assert_string_equal(edit_after_an_equal_value(*state, WITHOUT_NOOPBUMP), "lost");
}

static void without_keep_unseen_parts_are_passed_by(void **state)
{
    struct county_fixture *f = *state;
    f->without = WITHOUT_ADOPT;
    county_reopen(f);
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW, "\"id\":\"a1\",\"state\":\"confirmed\"");
    int64_t lseq = county_push(f, 1, "assignment", v, PLAN, NOW,
                               "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s2\","
                               "\"person_id\":\"p1\"");
    assert_string_equal(county_verdict(f, lseq), "ok");
}

static void every_removal_has_a_name(void **state)
{
    (void)state;
    uint32_t mask = 0;
    assert_true(sync_without_add("vcounter", &mask));
    assert_int_equal(mask, WITHOUT_VCOUNTER);
    assert_true(sync_without_add("notoken", &mask));
    assert_int_equal(mask, WITHOUT_VCOUNTER | WITHOUT_TOKEN);
    assert_false(sync_without_add("gravity", &mask));
    assert_null(sync_without_name(32));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_station_deletes_and_brings_back),
        TEST(concurrent_deletion_merges_like_a_group),
        TEST(a_late_edit_stays_under_the_tombstone),
        TEST(deleting_what_is_gone_is_done),
        TEST(a_tombstone_waits_for_every_station),
        TEST(who_stays_away_too_long_is_expired),
        TEST(a_digest_finds_what_differs),
        TEST(a_digest_leaves_tombstones_out_and_refuses_nonsense),
        TEST(a_table_that_is_not_known_has_no_rows),
        TEST(a_first_filling_under_change_converges),
        TEST(a_filling_of_another_life_begins_again),
        TEST(grants_come_and_go),
        TEST(a_row_that_moves_leaves_an_exit),
        TEST(a_row_is_let_out_of_quarantine),
        TEST(a_column_that_is_absent_keeps_its_value),
        TEST(without_base_versions_the_later_stamp_wins),
        TEST(an_equal_value_comes_between_nobody),
        TEST(without_the_equal_rule_a_successor_loses),
        TEST(without_keep_unseen_parts_are_passed_by),
        TEST(every_removal_has_a_name),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
