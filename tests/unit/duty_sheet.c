/* A week as a sheet: out, changed, in again; what is wrong is named by line and changes nothing. */
#include "tests/unit/duty_world.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/duty/draft/draft.h"
#include "gateway/duty/draft/sheet.h"

#define MONDAY "2026-09-14"
#define TUESDAY "2026-09-15"

static struct sheet_options options(struct world *w)
{
    return (struct sheet_options){
        .station_id = "S0117", .lang = "zh-CN", .now_ms = w->cells.wall_ms};
}

static struct json *row(int line, const char *date, const char *post, const char *person)
{
    struct json *json = json_new_object();
    json_set_int(json, "line", line);
    json_set_text(json, "date", date);
    json_set_text(json, "peak", "am");
    json_set_text(json, "school", "S17");
    json_set_text(json, "post", post);
    json_set_text(json, "person", person);
    json_set_int(json, "start_min", 440);
    json_set_int(json, "end_min", 490);
    return json;
}

/* Takes the rows over. */
static int import(struct world *w, struct json *rows, struct json **ret)
{
    struct sheet_options how = options(w);
    struct err err = {0};
    replica_enter(w->replica);
    int code = sheet_import(w->replica, &how, rows, ret, &err);
    assert_string_equal(replica_problem(w->replica), "");
    replica_leave(w->replica, code == ERR_OK);
    assert_true(replica_commit(w->replica));
    json_free(rows);
    return code;
}

static void take(struct world *w, struct json *rows)
{
    struct json *json = NULL;
    assert_int_equal(import(w, rows, &json), ERR_OK);
    assert_string_equal(json_text(json, "week", ""), MONDAY);
    json_free(json);
}

/* The only problem there is. */
static void refused(struct world *w, struct json *rows, int line, const char *what)
{
    struct json *json = NULL;
    int64_t before = world_int(w, "SELECT count(*) FROM draft_duty");
    assert_int_equal(import(w, rows, &json), ERR_INVALID);
    const struct json *problems = json_get(json, "problems");
    assert_int_equal(json_count(problems), 1);
    assert_int_equal(json_int(json_at(problems, 0), "line", 0), line);
    assert_string_equal(json_text(json_at(problems, 0), "what", ""), what);
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty"), before);
    json_free(json);
}

static struct json *two(struct json *first, struct json *second)
{
    struct json *rows = json_new_array();
    json_add(rows, first);
    json_add(rows, second);
    return rows;
}

static struct draft_diff publish(struct world *w)
{
    struct draft_diff diff;
    struct err err = {0};
    replica_enter(w->replica);
    if (draft_publish(w->replica, "S0117", w->cells.wall_ms, &diff, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    return diff;
}

static void a_sheet_becomes_the_roster(void **state)
{
    struct world *w = *state;
    take(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "北门岗", "")));
    struct draft_diff diff = publish(w);
    assert_int_equal(diff.added, 1);
    assert_int_equal(diff.gaps, 2); /* the east gate needs two */
    assert_int_equal(world_int(w, "SELECT count(*) FROM shift WHERE state = 'published'"), 2);
    assert_int_equal(world_int(w, "SELECT min(start_at) FROM shift"), world_ms(MONDAY, "07:20"));
    struct json *out = sheet_export(w->replica, "S0117", world_ms(MONDAY, "00:00"), false);
    assert_int_equal(json_count(out), 2);
    const struct json *east = json_at(out, 0);
    assert_string_equal(json_text(east, "post", ""), "东门");
    assert_string_equal(json_text(east, "person_id", ""), "C1");
    assert_int_equal(json_int(east, "missing", 0), 1);
    assert_int_equal(json_int(east, "weekday", 0), 1);
    assert_int_equal(json_int(json_at(out, 1), "missing", 0), 1);
    json_free(out);
}

/* What goes out comes in again without a difference. */
static void out_and_in_changes_nothing(void **state)
{
    struct world *w = *state;
    take(w, two(row(2, MONDAY, "东门", "C1"), row(3, TUESDAY, "北门", "C2")));
    publish(w);
    struct json *out = sheet_export(w->replica, "S0117", world_ms(MONDAY, "00:00"), false);
    struct json *rows = json_new_array();
    for (size_t i = 0; i < json_count(out); i++) {
        const struct json *from = json_at(out, i);
        struct json *one = row((int)i + 2, json_text(from, "date", ""), json_text(from, "post", ""),
                               json_text(from, "person_id", ""));
        json_set_int(one, "need", json_int(from, "need", 0));
        json_add(rows, one);
    }
    json_free(out);
    take(w, rows);
    struct draft_diff diff = draft_compare(w->replica, w->cells.wall_ms);
    assert_int_equal(diff.added + diff.removed + diff.moved, 0);
}

/* One shift of the sheet changes; the rest of the week stays as it is published. */
static void only_what_it_names_changes(void **state)
{
    struct world *w = *state;
    take(w, two(row(2, MONDAY, "东门", "C1"), row(3, TUESDAY, "北门", "C2")));
    publish(w);
    struct json *rows = json_new_array();
    json_add(rows, row(2, MONDAY, "东门", "C2"));
    take(w, rows);
    struct draft_diff diff = draft_compare(w->replica, w->cells.wall_ms);
    assert_int_equal(diff.added, 1);
    assert_int_equal(diff.removed, 1);
    publish(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'planned'"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE person_id = 'C2'"
                                  " AND state = 'planned'"),
                     2);
}

static void wrong_rows_are_named(void **state)
{
    struct world *w = *state;
    struct json *good = row(2, MONDAY, "东门", "C1");
    take(w, two(good, row(3, MONDAY, "北门", "C2")));
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, "9月31日", "北门", "C2")), 3, "date");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, "2026-09-31", "北门", "C2")), 3, "date");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, "2026-09-22", "北门", "C2")), 3, "week");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "西门", "C2")), 3, "post");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "北门", "C9")), 3, "person");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "北门", "C1")), 3, "twice");
    struct json *peak = row(3, MONDAY, "北门", "C2"), *school = row(3, MONDAY, "北门", "C2");
    struct json *need = row(3, MONDAY, "北门", "C2"), *hours = row(3, MONDAY, "北门", "C2");
    json_set_text(peak, "peak", "半夜");
    json_set_text(school, "school", "S99");
    json_set_int(need, "need", -1);
    json_set_int(hours, "end_min", 440);
    refused(w, two(row(2, MONDAY, "东门", "C1"), peak), 3, "peak");
    refused(w, two(row(2, MONDAY, "东门", "C1"), school), 3, "school");
    refused(w, two(row(2, MONDAY, "东门", "C1"), need), 3, "need");
    refused(w, two(row(2, MONDAY, "东门", "C1"), hours), 3, "hours");
    world_sql(w, "UPDATE person SET name = '王五' WHERE id IN ('C1', 'C2')");
    refused(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "北门", "王五")), 3, "namesakes");
    assert_int_equal(world_int(w, "SELECT count(*) FROM draft_duty"), 2); /* still the first */
}

/* Against a shift that the sheet does not name. */
static void twice_with_what_stays(void **state)
{
    struct world *w = *state;
    take(w, two(row(2, MONDAY, "东门", "C1"), row(3, MONDAY, "北门", "C2")));
    publish(w);
    struct json *rows = json_new_array();
    json_add(rows, row(7, MONDAY, "北门", "C1"));
    refused(w, rows, 7, "twice");
}

static void what_has_begun_stays(void **state)
{
    struct world *w = *state;
    take(w, two(row(2, MONDAY, "东门", "C1"), row(3, TUESDAY, "北门", "C2")));
    publish(w);
    world_at(w, MONDAY, "08:00");
    struct json *json = NULL;
    assert_int_equal(
        import(w, two(row(2, MONDAY, "东门", "C2"), row(3, TUESDAY, "北门", "C1")), &json), ERR_OK);
    assert_int_equal(json_int(json, "past", 0), 1);
    json_free(json);
    struct draft_diff diff = draft_compare(w->replica, w->cells.wall_ms);
    assert_int_equal(diff.added, 1);
    assert_int_equal(diff.removed, 1);
}

/* A patrol's way is the order of the bells; only officers count for what is saved. */
static void routes_and_saved_minutes(void **state)
{
    struct world *w = *state;
    struct sheet_options how = options(w);
    struct err err = {0};
    struct json *json = NULL;
    world_sql(w, "UPDATE post SET kind = 'patrol' WHERE id = 'S17-N'");
    world_sql(w, "INSERT INTO bell(id, scope, school_id, weekdays, peak, at_min) VALUES"
                 " ('b1', 'S0117', 'S17', 31, 'am', 470), ('b2', 'S0117', 'S18', 31, 'am', 450),"
                 " ('b3', 'S0117', 'S17', 96, 'am', 100)");
    world_sql(w, "INSERT INTO reach(id, scope, person_id, school_id, band) VALUES"
                 " ('r1', 'S0117', 'G', 'S17', 40), ('r2', 'S0117', 'O3', 'S17', 10),"
                 " ('r3', 'S0117', 'C1', 'S17', 50)");
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, school_id, body, state) VALUES"
                 " ('t1', 'S0117', 'task', 'L9', '东巷巡查', 'S17', '{\"post\":\"东门\"}', 'on'),"
                 " ('t2', 'S0117', 'task', 'L10', '反诈单', 'S17', '{}', 'on'),"
                 " ('t3', 'S0117', 'task', 'L11', '不再做', 'S17', '{}', 'off'),"
                 " ('t4', 'S0117', 'task', 'L12', '别校的', 'S18', '{}', 'on')");
    struct json *long_ago = row(2, MONDAY, "北门", "G");
    json_set_int(long_ago, "end_min", 560);
    struct json *rows = two(long_ago, row(3, MONDAY, "东门", "C1"));
    world_sql(w, "UPDATE person SET kind = 'parent', school_id = 'S17' WHERE id = 'C1'");
    replica_enter(w->replica);
    assert_int_equal(sheet_import_baseline(w->replica, &how, rows, &json, &err), ERR_OK);
    assert_true(replica_leave(w->replica, true));
    json_free(rows);
    json_free(json);
    json = sheet_saved(w->replica, "S0117", world_ms(MONDAY, "00:00"));
    int officers = (int)world_int(w, "SELECT count(*) FROM person WHERE kind IN ('police',"
                                     " 'auxiliary') AND station_id = 'S0117' AND active = 1"
                                     " AND coalesce(senior, 0) = 0");
    assert_int_equal(json_int(json, "post_was", 0), 120 / officers);
    assert_int_equal(json_int(json, "saved", 0), 120 / officers);
    json_free(json);
    take(w, two(row(2, MONDAY, "北门", "O3"), row(3, MONDAY, "东门", "C1")));
    publish(w);
    json = sheet_saved(w->replica, "S0117", world_ms(MONDAY, "00:00"));
    assert_int_equal(json_int(json, "post_now", 0), 50 / officers);
    assert_int_equal(json_int(json, "way_was", 0), 80 / officers); /* G, there and back */
    assert_int_equal(json_int(json, "way_now", 0), 20 / officers);
    assert_int_equal(json_int(json, "way_saved", 0), 80 / officers - 20 / officers);
    json_free(json);
    json = sheet_export(w->replica, "S0117", world_ms(MONDAY, "00:00"), false);
    for (size_t i = 0; i < json_count(json); i++) {
        const struct json *one = json_at(json, i);
        bool patrol = strcmp(json_text(one, "post", ""), "北门") == 0;
        assert_string_equal(json_text(one, "route", ""),
                            patrol ? "育才小学 07:30 → 第二实验小学 07:50" : "");
        assert_string_equal(json_text(one, "tasks", ""), patrol ? "反诈单" : "东巷巡查 □反诈单");
    }
    json_free(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sheet_becomes_the_roster), TEST(out_and_in_changes_nothing),
        TEST(only_what_it_names_changes), TEST(wrong_rows_are_named),
        TEST(twice_with_what_stays),      TEST(what_has_begun_stays),
        TEST(routes_and_saved_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
