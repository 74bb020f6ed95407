/* The change marks: which writes mark what, on which base, and which writes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sync/replica/marks.h"

struct fixture {
    sqlite3 *db;
    int local;
    int64_t now;
};

static void fn_local(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    struct fixture *f = sqlite3_user_data(ctx);
    sqlite3_result_int(ctx, f->local);
}

static void fn_now(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    struct fixture *f = sqlite3_user_data(ctx);
    sqlite3_result_int64(ctx, f->now);
}

/* Of which only the place it is called from matters here. */
static void fn_stamps(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    char text[64];
    (void)argc;
    snprintf(text, sizeof text, "%lld at %lld", sqlite3_value_int64(argv[1]),
             sqlite3_value_int64(argv[2]));
    sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* The values with bars between them. */
static void fn_json_list(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    char text[256] = "";
    for (int i = 0; i < argc; i++) {
        const char *value = (const char *)sqlite3_value_text(argv[i]);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s|", value != NULL ? value : "");
    }
    sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void run(struct fixture *f, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(f->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

/* The first column of all rows, joined with spaces. */
static const char *ask(struct fixture *f, const char *sql)
{
    static char text[4096];
    text[0] = '\0';
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? " " : "",
                 (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return text;
}

static const char marks[] =
    "SELECT lseq || ':' || tid || ':' || pk || ':' || base || ':' || gm || ':' || h || ':' || "
    "coalesce(boot, '-') || ':' || st FROM sync_out ORDER BY lseq";

/* The migrations themselves are tested with the replica; here the files are read as they are. */
static void run_file(struct fixture *f, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/sync/replica/migrations/%s", TOUYAN_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char text[65536];
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    run(f, text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->local = 1;
    f->now = 1000;
    sqlite3_open(":memory:", &f->db);
    run(f, "PRAGMA trusted_schema=OFF");
    sqlite3_create_function(f->db, "sync_local", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, f, fn_local,
                            NULL, NULL);
    sqlite3_create_function(f->db, "now_ms", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, f, fn_now, NULL,
                            NULL);
    sqlite3_create_function(f->db, "boot_ms", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, f, fn_now, NULL,
                            NULL);
    sqlite3_create_function(f->db, "json_list", -1, SQLITE_UTF8 | SQLITE_INNOCUOUS, f, fn_json_list,
                            NULL, NULL);
    sqlite3_create_function(f->db, "stamps", 5, SQLITE_UTF8 | SQLITE_INNOCUOUS, f, fn_stamps, NULL,
                            NULL);
    run_file(f, "0002_replicated.sql");
    run_file(f, "0006_sync.sql");
    run_file(f, "0007_sync_more.sql");
    run_file(f, "0012_flight.sql");
    run_file(f, "0014_gone.sql");
    run_file(f, "0015_ledger.sql");
    run_file(f, "0017_cards.sql");
    run(f, "CREATE TABLE school_flow(school_id, level, level_at, manual, manual_until);"
           "CREATE TABLE draft(id); CREATE TABLE draft_shift(id); CREATE TABLE baseline(id)");
    run_file(f, "0026_demand.sql");
    struct err err = {0};
    if (marks_arm(f->db, false, &err) != ERR_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sqlite3_close(f->db);
    free(f);
    return 0;
}

static void insert_shift(struct fixture *f)
{
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) "
           "VALUES ('a','S1','p','2026-09-01','am','planned')");
}

static void an_insert_marks_all_groups_on_base_0(void **state)
{
    struct fixture *f = *state;
    insert_shift(f);
    assert_string_equal(ask(f, marks), "1:13:a:0:3:1000:-:0");
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')");
    assert_string_equal(ask(f, marks), "1:13:a:0:3:1000:-:0 2:15:c:0:1:1000:-:0");
}

static void an_update_marks_its_group_only(void **state)
{
    struct fixture *f = *state;
    f->local = 0;
    insert_shift(f);
    run(f, "UPDATE shift SET _v=50");
    f->local = 1;
    run(f, "INSERT INTO sync_boot(boot, boot_id, started_at) VALUES (7, 'x', 1)");
    f->now = 2000;
    run(f, "UPDATE shift SET state='published'");
    assert_string_equal(ask(f, marks), "1:13:a:50:2:2000:7:0");
    f->now = 3000;
    run(f, "UPDATE shift SET need=2, scope='S1'");
    assert_string_equal(ask(f, marks), "1:13:a:50:3:3000:7:0");
    /* what the row was before either */
    const char *old = ask(f, "SELECT old FROM sync_out");
    assert_non_null(strstr(old, "S1|"));
    assert_null(strstr(old, "published"));
}

static void an_update_without_a_change_marks_nothing(void **state)
{
    struct fixture *f = *state;
    f->local = 0;
    insert_shift(f);
    f->local = 1;
    run(f, "UPDATE shift SET state='planned', need=NULL");
    run(f, "UPDATE shift SET _v=9");
    assert_string_equal(ask(f, marks), "");
}

static void an_edit_during_flight_makes_a_new_mark_on_the_same_base(void **state)
{
    struct fixture *f = *state;
    insert_shift(f);
    run(f, "UPDATE sync_out SET st=1");
    run(f, "UPDATE shift SET state='published'");
    assert_string_equal(ask(f, marks), "1:13:a:0:3:1000:-:1 2:13:a:0:2:1000:-:0");
    /* (a repeated upsert uses up a number.) Accepted as version 70: an edit of the other group
     * stands on 70, this one still on 0 */
    run(f, "UPDATE sync_out SET st=2 WHERE st=1");
    run(f, "UPDATE shift SET _v=70");
    run(f, "UPDATE shift SET state='cancelled'");
    run(f, "UPDATE shift SET need=1");
    assert_string_equal(ask(f, marks),
                        "1:13:a:0:3:1000:-:2 2:13:a:0:2:1000:-:0 4:13:a:70:1:1000:-:0");
}

static void each_group_keeps_the_stamp_of_its_own_edit(void **state)
{
    struct fixture *f = *state;
    insert_shift(f);
    assert_string_equal(ask(f, "SELECT lg IS NULL AND hs IS NULL FROM sync_out"), "1");
    f->now = 2000;
    run(f, "UPDATE shift SET state='published'");
    assert_string_equal(ask(f, "SELECT gm||':'||lg||':'||h||':'||hs FROM sync_out"),
                        "3:2:2000:3 at 1000");
    f->now = 3000;
    run(f, "UPDATE shift SET state='planned'"); /* the same group: the others' stamps stand */
    assert_string_equal(ask(f, "SELECT lg||':'||h||':'||hs FROM sync_out"), "2:3000:3 at 1000");
}

static void a_lost_mark_still_gives_the_base(void **state)
{
    struct fixture *f = *state;
    insert_shift(f);
    run(f, "UPDATE shift SET _v=20");
    run(f, "UPDATE sync_out SET st=3, base=10");
    run(f, "UPDATE shift SET state='published'");
    assert_string_equal(ask(f, "SELECT base FROM sync_out WHERE st=0"), "10");
}

static void rows_of_the_county_are_not_marked(void **state)
{
    struct fixture *f = *state;
    f->local = 0;
    insert_shift(f);
    run(f, "UPDATE shift SET state='published'");
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')");
    run(f, "UPDATE checkin SET kind='out'");
    run(f, "DELETE FROM checkin");
    run(f, "DELETE FROM shift");
    f->local = 1;
    run(f, "INSERT INTO school(id,scope,code,name) VALUES ('s','S1','1','n')");
    run(f, "UPDATE school SET name='m'");
    run(f, "DELETE FROM school");
    assert_string_equal(ask(f, marks), "");
}

static void assert_refused(struct fixture *f, const char *sql, const char *why)
{
    char *message = NULL;
    assert_int_not_equal(sqlite3_exec(f->db, sql, NULL, NULL, &message), SQLITE_OK);
    assert_non_null(strstr(message, why));
    sqlite3_free(message);
}

static void a_deletion_is_a_group_of_its_own(void **state)
{
    struct fixture *f = *state;
    f->local = 0;
    insert_shift(f);
    run(f, "UPDATE shift SET _v=50");
    f->local = 1;
    run(f, "DELETE FROM shift");
    assert_string_equal(ask(f, marks), "1:13:a:50:128:1000:-:0");
    insert_shift(f); /* back before anybody heard of it */
    assert_string_equal(ask(f, marks), "1:13:a:50:131:1000:-:0");
}

static void writes_that_could_not_be_told_are_refused(void **state)
{
    struct fixture *f = *state;
    insert_shift(f);
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')");
    assert_refused(f, "UPDATE checkin SET kind='out'", "append-only");
    assert_refused(f, "DELETE FROM checkin", "events are kept");
    assert_refused(f, "UPDATE shift SET id='b'", "key");
}

static void a_program_without_our_functions_cannot_write(void **state)
{
    struct fixture *f = *state;
    sqlite3_create_function(f->db, "sync_local", 0, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    assert_refused(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')",
                   "sync_local");
}

static void a_new_column_marks_nothing(void **state)
{
    struct fixture *f = *state;
    f->local = 0;
    insert_shift(f);
    f->local = 1;
    run(f, "ALTER TABLE shift ADD COLUMN note TEXT NOT NULL DEFAULT 'x'");
    assert_string_equal(ask(f, marks), "");
    run(f, "UPDATE shift SET note='y'"); /* not in the table list: not the county's business */
    assert_string_equal(ask(f, marks), "");
}

static void arming_again_writes_only_when_something_differs(void **state)
{
    struct fixture *f = *state;
    char before[32];
    snprintf(before, sizeof before, "%s", ask(f, "PRAGMA schema_version"));
    assert_int_equal(marks_arm(f->db, false, NULL), ERR_OK);
    assert_string_equal(ask(f, "PRAGMA schema_version"), before);
    run(f, "DROP TRIGGER mark_shift_u1");
    run(f, "CREATE TRIGGER mark_old AFTER INSERT ON school BEGIN SELECT 1; END");
    assert_int_equal(marks_arm(f->db, false, NULL), ERR_OK);
    assert_string_equal(ask(f, "SELECT count(*) FROM sqlite_schema WHERE name='mark_old'"), "0");
    assert_string_equal(ask(f, "SELECT count(*) FROM sqlite_schema WHERE name='mark_shift_u1'"),
                        "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_insert_marks_all_groups_on_base_0),
        TEST(an_update_marks_its_group_only),
        TEST(an_update_without_a_change_marks_nothing),
        TEST(an_edit_during_flight_makes_a_new_mark_on_the_same_base),
        TEST(each_group_keeps_the_stamp_of_its_own_edit),
        TEST(a_lost_mark_still_gives_the_base),
        TEST(rows_of_the_county_are_not_marked),
        TEST(writes_that_could_not_be_told_are_refused),
        TEST(a_deletion_is_a_group_of_its_own),
        TEST(a_program_without_our_functions_cannot_write),
        TEST(a_new_column_marks_nothing),
        TEST(arming_again_writes_only_when_something_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
