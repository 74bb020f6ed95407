/* Import of people's tables, and what stations then pull. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/csv.h"
#include "sync/county/auth.h"
#include "sync/county/import.h"
#include "sync/replica/seal.h"
#include "tests/unit/county_fixture.h"

static const char SCHOOLS[] = "scope,code,name,short\nS0117,S17,第二实验小学,二实小\n";
static const char PEOPLE[] = "id,scope,kind,name,phone\nP1,S0117,parent,李娜,+86 100-0001-1001\n"
                             "P2,S0117,police,王建国,\n";
static const char SHIFTS[] = "scope,post_id,date,peak,start_at,state\n"
                             "S0117,S17-E,2026-09-08,am,2026-09-08 07:20,published\n";

static void make_world(struct county_fixture *f)
{
    assert_int_equal(county_import(f, "school.csv", SCHOOLS, false), ERR_OK);
    assert_int_equal(county_import(f, "person.csv", PEOPLE, false), ERR_OK);
    assert_int_equal(county_import(f, "post.csv",
                                   "id,scope,school_id,name,kind\nS17-E,S0117,S17,东门,gate\n",
                                   false),
                     ERR_OK);
    assert_int_equal(county_import(f, "shift.csv", SHIFTS, false), ERR_OK);
    assert_int_equal(county_import(f, "assignment.csv",
                                   "scope,shift_id,person_id,state\n"
                                   "S0117,S17-E.2026-09-08.am,P1,planned\n",
                                   false),
                     ERR_OK);
}

static void cells_are_written_as_people_write(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    assert_int_equal(county_int(f, "SELECT start_at FROM shift WHERE id='S17-E.2026-09-08.am'"),
                     INT64_C(1788823200000)); /* 07:20 in China is 23:20 UTC the day before */
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment WHERE "
                                   "id='S17-E.2026-09-08.am.P1'"),
                     1);
    assert_int_equal(county_import(f, "bell.csv",
                                   "scope,school_id,peak,grade_from,grade_to,at_min\n"
                                   "S0117,S17,pm,1,2,16:10\n",
                                   false),
                     ERR_OK);
    assert_int_equal(county_int(f, "SELECT at_min FROM bell WHERE id='S17.pm.1.2'"), 970);
}

static void numbers_are_sealed_at_rest_and_clear_on_the_wire(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    assert_true(strlen(county_text(f, "SELECT phone FROM person WHERE id='P1'")) > 40);
    assert_int_equal(county_int(f, "SELECT count(*) FROM imported WHERE row LIKE '%00011001%'"), 0);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_string_equal(json_text(county_pulled(f, "P1"), "phone", ""), "+8610000011001");
    assert_null(json_text(county_pulled(f, "P2"), "phone", NULL));
}

/* Minutes of a way become bands of five on the way in, and ids are made. */
static void ways_are_kept_in_bands(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    assert_int_equal(
        county_import(f, "reach.csv", "scope,person_id,school_id,band\nS0117,P2,S17,11\n", false),
        ERR_OK);
    assert_int_equal(county_int(f, "SELECT band FROM reach WHERE id='P2.S17'"), 15);
    assert_int_equal(county_import(f, "skill.csv",
                                   "scope,person_id,name,valid_to\nS0117,P2,交通指挥,2026-12-31\n",
                                   false),
                     ERR_OK);
    assert_int_equal(county_import(f, "demand.csv",
                                   "scope,post_id,peak,need_flat,need_heavy,skills\n"
                                   "S0117,S17-E,am,1,3,交通指挥\n",
                                   false),
                     ERR_OK);
    assert_int_equal(county_int(f, "SELECT need_heavy FROM demand WHERE id='S17-E.am'"), 3);
    assert_int_equal(county_import(f, "reach.csv",
                                   "scope,person_id,school_id,band\nS0117,P2,S17,far\n"
                                   "S0117,P1,S17,-1\nS0117,P9,S17,5\n",
                                   false),
                     ERR_INVALID);
    assert_int_equal(f->result.refused, 3);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_int_equal(json_int(county_pulled(f, "P2.S17"), "band", 0), 15);
}

static void the_same_again_changes_nothing(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    int64_t v = county_int(f, "SELECT sum(v) FROM feed");
    assert_int_equal(county_import(f, "person.csv", PEOPLE, true), ERR_OK);
    assert_int_equal(f->result.unchanged, 2);
    assert_int_equal(f->result.added + f->result.changed + f->result.removed, 0);
    assert_int_equal(county_int(f, "SELECT sum(v) FROM feed"), v);
}

static void only_what_changed_gets_a_version(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    int64_t v = county_int(f, "SELECT _v FROM person WHERE id='P2'");
    assert_int_equal(county_import(f, "person.csv",
                                   "id,scope,kind,name,phone\nP1,S0117,parent,李梅,+8610000011001\n"
                                   "P2,S0117,police,王建国,\n",
                                   false),
                     ERR_OK);
    assert_int_equal(f->result.changed, 1);
    assert_int_equal(county_int(f, "SELECT _v FROM person WHERE id='P2'"), v);
    assert_true(county_int(f, "SELECT _v FROM person WHERE id='P1'") > v);
}

static void importing_again_does_not_take_back_an_answer(void **state)
{
    struct county_fixture *f = *state;
    char change[160];
    make_world(f);
    int64_t v = county_int(f, "SELECT _v FROM assignment");
    county_push(f, 1, "assignment", v, 2, 1,
                "\"id\":\"S17-E.2026-09-08.am.P1\",\"state\":\"confirmed\"");
    assert_int_equal(county_import(f, "assignment.csv",
                                   "scope,shift_id,person_id,state\n"
                                   "S0117,S17-E.2026-09-08.am,P1,planned\n",
                                   false),
                     ERR_OK);
    assert_int_equal(f->result.unchanged, 1);
    assert_string_equal(county_text(f, "SELECT state FROM assignment"), "confirmed");
    snprintf(change, sizeof change, "scope,shift_id,person_id,role,state\n%s",
             "S0117,S17-E.2026-09-08.am,P1,1,planned\n");
    assert_int_equal(county_import(f, "assignment.csv", change, false), ERR_OK);
    assert_int_equal(f->result.changed, 1);
    assert_string_equal(county_text(f, "SELECT role||state FROM assignment"), "1confirmed");
}

static void rows_are_deleted_only_when_asked(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    const char *one = "id,scope,kind,name,phone\nP1,S0117,parent,李娜,+86 100-0001-1001\n";
    assert_int_equal(county_import(f, "person.csv", one, false), ERR_OK);
    assert_int_equal(county_int(f, "SELECT count(*) FROM person WHERE _del=0"), 2);
    assert_int_equal(county_import(f, "person.csv", one, true), ERR_OK);
    assert_int_equal(f->result.removed, 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM person WHERE _del=0"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM school WHERE _del=0"), 1);
    assert_int_equal(county_import(f, "person.csv", PEOPLE, true), ERR_OK); /* and back */
    assert_int_equal(county_int(f, "SELECT count(*) FROM person WHERE _del=0"), 2);
}

static void a_row_that_moves_leaves_its_old_scope(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_string_equal(json_text(county_pulled(f, "P2"), "_op", ""), "U");
    assert_int_equal(county_import(f, "person.csv",
                                   "id,scope,kind,name,phone\nP1,S0117,parent,李娜,+8610000011001\n"
                                   "P2,S0118,police,王建国,\n",
                                   false),
                     ERR_OK);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_string_equal(json_text(county_pulled(f, "P2"), "_op", ""), "X");
    assert_null(json_get(county_pulled(f, "P2"), "name"));
}

/* A station deleted it, so long ago that the tombstone is forgotten. */
static void a_forgotten_row_does_not_come_back_by_the_same_import(void **state)
{
    struct county_fixture *f = *state;
    bool more = false;
    make_world(f);
    int64_t v = county_int(f, "SELECT _v FROM shift");
    county_push(f, 1, "shift", v, 128, INT64_C(1788796800000),
                "\"id\":\"S17-E.2026-09-08.am\",\"_del\":1");
    f->cells.wall_ms += 181 * INT64_C(86400000);
    assert_int_equal(f->store->ops->tidy(f->store, &more, NULL), ERR_OK);
    assert_int_equal(county_int(f, "SELECT count(*) FROM shift"), 0);
    county_import(f, "shift.csv", SHIFTS, false);
    assert_int_equal(f->result.unchanged, 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM shift"), 0);
    /* what the file says anew is a new row */
    county_import(f, "shift.csv",
                  "scope,post_id,date,peak,start_at,state\n"
                  "S0117,S17-E,2026-09-08,am,2026-09-08 07:20,closed\n",
                  false);
    assert_int_equal(f->result.added, 1);
    assert_string_equal(county_text(f, "SELECT post_id||state FROM shift"), "S17-Eclosed");
}

static void problems_are_told_by_line_and_nothing_is_imported(void **state)
{
    struct county_fixture *f = *state;
    make_world(f);
    int64_t v = county_int(f, "SELECT sum(v) FROM feed");
    assert_int_equal(county_import(f, "person.csv",
                                   "id,scope,kind,name,phone,active\n"
                                   "P3,S0117,parent,好,10000011003,1\n"
                                   "P4,S0117,parent,,10000011004,1\n"
                                   "P5,S0117,parent,名,12ab,1\n"
                                   "P6,S0117,parent,名,10000011006,yes\n"
                                   "P7,S0117,parent\n"
                                   "P3,S0117,parent,又,10000011007,1\n"
                                   ",S0117,parent,无,10000011008,1\n",
                                   false),
                     ERR_INVALID);
    static const char *const TOLD[] = {"person.csv:3: required name",
                                       "person.csv:4: phone: \"...\" is no telephone number",
                                       "person.csv:5: active: \"yes\" is no whole number",
                                       "person.csv:6: 3 cells, but the first line names 6 columns",
                                       "person.csv:7: duplicate",
                                       "person.csv:8: the row has no id"};
    for (size_t i = 0; i < sizeof TOLD / sizeof *TOLD; i++)
        if (strstr(f->report, TOLD[i]) == NULL)
            fail_msg("\"%s\" is not in:\n%s", TOLD[i], f->report);
    assert_int_equal(f->result.refused, 6);
    assert_int_equal(county_int(f, "SELECT sum(v) FROM feed"), v);
    assert_int_equal(county_int(f, "SELECT count(*) FROM person"), 2);
}

static void a_preview_says_what_would_be_and_changes_nothing(void **state)
{
    struct county_fixture *f = *state;
    char path[300], *paths[] = {path};
    char report[4096] = "";
    struct store_import_result result = {0};
    struct err err = {0};
    county_file(f, "person.csv", PEOPLE, sizeof PEOPLE - 1);
    snprintf(path, sizeof path, "%s/person.csv", f->folder);
    FILE *out = fmemopen(report, sizeof report, "w");
    struct import_options preview = {.dry_run = true, .out = out};
    assert_int_equal(import_paths(f->store, &preview, paths, 1, &result, &err), ERR_OK);
    fclose(out);
    assert_true(result.added > 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM person"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM feed"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM audit WHERE what='import'"), 0);
    assert_int_equal(county_import(f, "person.csv", NULL, false), ERR_OK);
    assert_int_equal(f->result.added, result.added);
    assert_int_equal(county_int(f, "SELECT count(*) FROM person"), result.added);
}

static void wrong_files_are_told(void **state)
{
    struct county_fixture *f = *state;
    assert_int_equal(county_import(f, "people.csv", "id\n1\n", false), ERR_INVALID);
    assert_non_null(strstr(f->report, "not named after a table"));
    assert_int_equal(county_import(f, "org.csv", "id,scope,kind,nmae\nA,*,x,y\n", false),
                     ERR_INVALID);
    assert_non_null(strstr(f->report, "org.csv:1: table org has no column nmae"));
    assert_int_equal(county_import(f, "org.csv", "", false), ERR_INVALID);
    assert_int_equal(county_import(f, "org.csv", "id,scope,kind,name\n\"A,*,x,y\n", false),
                     ERR_INVALID);
    assert_non_null(strstr(f->report, "never closed"));
    assert_int_equal(county_import(f, "checkin.csv", "id\nc\n", false), ERR_INVALID);
    assert_int_equal(
        county_import(f, "sponsor.csv", "scope,senior_id,school_id\nS0117,P9,S99\n", false),
        ERR_INVALID);
    assert_non_null(strstr(f->report, "sponsor.csv:2: senior_id P9: there is no such person"));
    assert_non_null(strstr(f->report, "sponsor.csv:2: school_id S99: there is no such school"));
}

static void spreadsheets_of_windows_are_read(void **state)
{
    struct county_fixture *f = *state;
    assert_int_equal(
        county_import(f, "org.csv",
                      "\xef\xbb\xbfid,scope,kind,name\r\nA,*,station,\"城东, \"\"所\"\"\"\r\n",
                      false),
        ERR_OK);
    assert_string_equal(county_text(f, "SELECT name FROM org"), "城东, \"所\"");
    static const char GB[] = "id,scope,kind,name\r\nB,*,station,\xb3\xc7\xb6\xab\r\n"; /* 城东 */
    county_file(f, "org.gb.csv", GB, sizeof GB - 1);
    assert_int_equal(county_import(f, "org.gb.csv", NULL, false), ERR_OK);
    assert_string_equal(county_text(f, "SELECT name FROM org WHERE id='B'"), "城东");
}

static void holidays_are_read_and_an_unknown_year_is_told(void **state)
{
    struct county_fixture *f = *state;
    assert_int_equal(county_import(f, "2026.json",
                                   "{\"days\":[{\"name\":\"元旦\",\"date\":\"2026-01-01\","
                                   "\"isOffDay\":true},{\"name\":\"元旦\",\"date\":\"2026-01-04\","
                                   "\"isOffDay\":false}]}",
                                   false),
                     ERR_OK);
    assert_int_equal(county_int(f, "SELECT sum(off)*10+count(*) FROM cal_day WHERE scope='*'"), 12);
    assert_int_equal(county_import(f, "2027.json", "{\"days\":[]}", false), ERR_OK);
    assert_non_null(strstr(f->report, "not published yet"));
    assert_int_equal(county_import(f, "2028.json", "{\"days\":[{\"date\":\"2028-02-30\"}]}", false),
                     ERR_INVALID);
}

/* --- what stations pull --- */

static void pages_are_bounded_and_meet_without_gap(void **state)
{
    struct county_fixture *f = *state;
    struct buf csv;
    char cursor[96] = "{\"*\":[\"\",0]}";
    int got = 0, pages = 0;
    buf_init(&csv, 1 << 20);
    buf_add_text(&csv, "id,scope,kind,name\n");
    for (int i = 0; i < 9000; i++)
        buf_printf(&csv, "D%d,*,partner,a partner department with a name number %d\n", i, i);
    assert_int_equal(county_import(f, "org.csv", buf_text(&csv), false), ERR_OK);
    buf_free(&csv);
    int64_t at = 0; /* the cursor of the request */
    do {
        county_sync(f, 1, "[]", cursor);
        const struct json *pull = json_get(f->reply, "pull");
        for (size_t i = 0; i < json_count(pull); i++)
            got += (int)json_count(json_get(json_at(pull, i), "r"));
        const struct json *cur = json_get(json_get(f->reply, "cur"), "*");
        assert_int_equal(json_int(json_get(f->reply, "from"), "*", -1), at);
        at = json_as_int(json_at(cur, 1), 0);
        snprintf(cursor, sizeof cursor, "{\"*\":[\"%s\",%lld]}", json_as_text(json_at(cur, 0), ""),
                 (long long)at);
        pages++;
    } while (json_int(f->reply, "more", 0) == 1);
    assert_int_equal(got, 9000);
    assert_true(pages > 4 && pages < 12); /* about 1.4 MB in pages of 256 KiB */
    county_sync(f, 1, "[]", cursor);
    assert_int_equal(json_count(json_get(f->reply, "pull")), 0);
}

static void its_own_echo_is_left_out_and_passed(void **state)
{
    struct county_fixture *f = *state;
    county_push(f, 1, "checkin", 0, 1, 1,
                "\"id\":\"c1\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"");
    int64_t v = json_int(f->reply, "v0", 0);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_null(county_pulled(f, "c1"));
    const struct json *cur = json_get(json_get(f->reply, "cur"), "S0117");
    assert_int_equal(json_as_int(json_at(cur, 1), 0), v);
    county_sync(f, 2, "[]", "{\"S0117\":[\"\",0]}");
    assert_non_null(county_pulled(f, "c1"));
}

static void a_cursor_of_another_database_is_refused(void **state)
{
    struct county_fixture *f = *state;
    char cursor[96];
    make_world(f);
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    const struct json *cur = json_get(json_get(f->reply, "cur"), "S0117");
    snprintf(cursor, sizeof cursor, "{\"S0117\":[\"%s\",%lld]}", json_as_text(json_at(cur, 0), ""),
             (long long)json_as_int(json_at(cur, 1), 0));
    county_reopen(f); /* a new epoch: the old cursor lies within the old one */
    county_sync(f, 1, "[]", cursor);
    assert_int_equal(f->status, 200);
    county_sync(f, 1, "[]", "{\"S0117\":[\"0123456789abcdef\",5]}");
    assert_int_equal(f->status, 409);
    assert_non_null(json_get(json_get(f->reply, "rewind"), "eps"));
    snprintf(cursor, sizeof cursor, "{\"S0117\":[\"%s\",%lld]}",
             county_text(f, "SELECT id FROM epoch ORDER BY n LIMIT 1"), INT64_MAX / 2LL);
    county_sync(f, 1, "[]", cursor);
    assert_int_equal(f->status, 409); /* beyond the end of that epoch */
}

static void tokens_are_kept_as_hashes_and_revoked(void **state)
{
    struct county_fixture *f = *state;
    char token[AUTH_TOKEN_DIGITS + 1], header[96], same[AUTH_TOKEN_DIGITS + 1];
    struct store_station who = {0};
    struct err err = {0};
    assert_int_equal(auth_add_station(f->store, &f->rnd, "east", "S0117", token, &err), ERR_OK);
    assert_int_equal(auth_add_station(f->store, &f->rnd, "east", "S0117", same, &err), ERR_STATE);
    assert_int_equal(auth_add_station(f->store, &f->rnd, "all", "*", same, &err), ERR_INVALID);
    assert_string_not_equal(county_text(f, "SELECT token_hash FROM station"), token);
    snprintf(header, sizeof header, "Bearer %s", token);
    assert_int_equal(auth_check(f->store, header, &who, &err), ERR_OK);
    assert_string_equal(who.scope, "S0117");
    header[10] = header[10] == '0' ? '1' : '0';
    assert_int_equal(auth_check(f->store, header, &who, &err), ERR_DENIED);
    assert_int_equal(auth_check(f->store, NULL, &who, &err), ERR_DENIED);
    assert_int_equal(auth_check(f->store, "Basic abc", &who, &err), ERR_DENIED);
    snprintf(header, sizeof header, "Bearer %s", token);
    assert_int_equal(f->store->ops->station_revoke(f->store, "east", &err), ERR_OK);
    assert_int_equal(auth_check(f->store, header, &who, &err), ERR_DENIED);
    assert_int_equal(f->store->ops->station_revoke(f->store, "east", &err), ERR_NOT_FOUND);
}

static void what_people_do_is_audited(void **state)
{
    struct county_fixture *f = *state;
    const struct store_ops *ops = f->store->ops;
    char token[AUTH_TOKEN_DIGITS + 1];
    assert_int_equal(auth_add_station(f->store, &f->rnd, "east", "S0117", token, NULL), ERR_OK);
    assert_int_equal(ops->station_grant(f->store, "east", "T03", true, NULL), ERR_OK);
    assert_int_equal(ops->station_grant(f->store, "east", "T03", false, NULL), ERR_OK);
    assert_int_equal(ops->station_revoke(f->store, "east", NULL), ERR_OK);
    assert_int_equal(county_import(f, "person.csv", PEOPLE, false), ERR_OK);
    static const char *const WHAT[] = {"station.add", "station.grant", "station.ungrant",
                                       "station.revoke", "import"};
    for (size_t i = 0; i < sizeof WHAT / sizeof *WHAT; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM audit WHERE at=%lld AND what='%s'",
                 (long long)f->cells.wall_ms, WHAT[i]);
        assert_int_equal(county_int(f, sql), 1);
    }
    assert_int_equal(county_int(f, "SELECT count(*) FROM audit WHERE detail LIKE '%1001001%'"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(cells_are_written_as_people_write),
        TEST(numbers_are_sealed_at_rest_and_clear_on_the_wire),
        TEST(ways_are_kept_in_bands),
        TEST(the_same_again_changes_nothing),
        TEST(only_what_changed_gets_a_version),
        TEST(importing_again_does_not_take_back_an_answer),
        TEST(rows_are_deleted_only_when_asked),
        TEST(a_row_that_moves_leaves_its_old_scope),
        TEST(a_forgotten_row_does_not_come_back_by_the_same_import),
        TEST(problems_are_told_by_line_and_nothing_is_imported),
        TEST(a_preview_says_what_would_be_and_changes_nothing),
        TEST(wrong_files_are_told),
        TEST(spreadsheets_of_windows_are_read),
        TEST(holidays_are_read_and_an_unknown_year_is_told),
        TEST(pages_are_bounded_and_meet_without_gap),
        TEST(its_own_echo_is_left_out_and_passed),
        TEST(a_cursor_of_another_database_is_refused),
        TEST(tokens_are_kept_as_hashes_and_revoked),
        TEST(what_people_do_is_audited),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
