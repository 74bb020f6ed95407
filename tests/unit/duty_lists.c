/* Lists as spreadsheets: a preview changes nothing, a file twice changes nothing, what goes out
 * comes in again, and every wrong row is named. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "gateway/duty/lists.h"
#include "tests/unit/duty_world.h"

static struct json *answer;
static struct err problem;

/* "姓名,类别\n李娜,家长": commas and line ends only. */
static struct json *parts(char *line)
{
    struct json *list = json_new_array();
    for (char *cell = line; cell != NULL;) {
        char *comma = strchr(cell, ',');
        if (comma != NULL)
            *comma = '\0';
        json_add_text(list, cell);
        cell = comma == NULL ? NULL : comma + 1;
    }
    return list;
}

static int take(struct world *w, const char *list, const char *text, const char *by, bool keep)
{
    char copy[2048];
    struct json *head = NULL, *rows = json_new_array();
    int line = 0;
    assert_true(snprintf(copy, sizeof copy, "%s", text) < (int)sizeof copy);
    for (char *at = copy; at != NULL;) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end = '\0';
        struct json *cells = parts(at);
        if (++line == 1) {
            head = cells;
        } else {
            struct json *row = json_new_object();
            json_set_int(row, "line", line);
            json_set(row, "cells", cells);
            json_add(rows, row);
        }
        at = end == NULL ? NULL : end + 1;
    }
    json_free(answer);
    answer = NULL;
    struct list_order order = {list, head, rows, by};
    replica_enter(w->replica);
    int code = list_import(&w->duty, &order, &answer, &problem);
    bool good = code == ERR_OK && json_count(json_get(answer, "problems")) == 0;
    assert_int_equal(replica_leave(w->replica, keep && good), keep && good);
    assert_true(replica_commit(w->replica));
    json_free(head);
    json_free(rows);
    return code;
}

static void assert_counts(int added, int changed, int same)
{
    assert_int_equal(json_count(json_get(answer, "problems")), 0);
    assert_int_equal(json_int(answer, "new", -1), added);
    assert_int_equal(json_int(answer, "changed", -1), changed);
    assert_int_equal(json_int(answer, "same", -1), same);
}

static void assert_problem(size_t index, int line, const char *what)
{
    const struct json *one = json_at(json_get(answer, "problems"), index);
    assert_int_equal(json_int(one, "line", 0), line);
    assert_string_equal(json_text(one, "what", ""), what);
}

static int end(void **state)
{
    json_free(answer);
    answer = NULL;
    return world_teardown(state);
}

#define SCHOOLS                                                                                    \
    "代码,名称,简称,类别,备注\nS31,六户中心小学,六户小学,小学,x\nS32,宝石幼儿园,,幼儿园,"

static void schools(void **state)
{
    struct world *w = *state;
    int64_t before = world_int(w, "SELECT count(*) FROM school");
    assert_int_equal(take(w, "school", SCHOOLS, NULL, false), ERR_OK);
    assert_counts(2, 0, 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM school"), before); /* a preview */
    assert_int_equal(take(w, "school", SCHOOLS, NULL, true), ERR_OK);
    assert_counts(2, 0, 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM school WHERE id = 'S31' AND scope = 'S0117'"
                                  " AND station_id = 'S0117' AND kind = 'primary'"),
                     1);
    assert_int_equal(take(w, "school", SCHOOLS, NULL, true), ERR_OK);
    assert_counts(0, 0, 2);
    /* a column that is not there stays, an empty cell empties */
    assert_int_equal(take(w, "school", "code,name,short\nS31,六户镇中心小学,", NULL, true), ERR_OK);
    assert_counts(0, 1, 0);
    assert_int_equal(world_int(w, "SELECT short IS NULL AND kind = 'primary' AND name ="
                                  " '六户镇中心小学' FROM school WHERE id = 'S31'"),
                     1);
}

static void posts(void **state)
{
    struct world *w = *state;
    static const char file[] = "学校,名称,类别,人数\nS17,操场岗,巡逻,2\nS18,操场岗,patrol,";
    assert_int_equal(take(w, "post", file, NULL, true), ERR_OK);
    assert_counts(2, 0, 0);
    assert_int_equal(take(w, "post", file, NULL, true), ERR_OK);
    assert_counts(0, 0, 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM post WHERE name = '操场岗' AND kind ="
                                  " 'patrol' AND coalesce(need, 1) IN (1, 2)"),
                     2);
    assert_int_equal(take(w, "post", "学校,名称,类别,人数\nS17,操场岗,巡逻,3", NULL, true), ERR_OK);
    assert_counts(0, 1, 0);
    assert_int_equal(
        world_int(w, "SELECT need FROM post WHERE name = '操场岗' AND school_id = 'S17'"), 3);
}

static void people(void **state)
{
    struct world *w = *state;
    static const char file[] =
        "姓名,类别,学校,手机\n周敏,家长,S17,138 0000 0001\n吴刚,民警,,13800000002";
    assert_int_equal(take(w, "person", file, NULL, true), ERR_OK);
    assert_counts(2, 0, 0);
    assert_int_equal(take(w, "person", file, NULL, true), ERR_OK);
    assert_counts(0, 0, 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM person WHERE name = '周敏' AND school_id ="
                                  " 'S17' AND phone = seal_phone('+8613800000001')"),
                     1);
    /* the same name with another number: who is it? */
    assert_int_equal(
        take(w, "person", "姓名,类别,学校,手机\n周敏,家长,S17,13800000009", NULL, true), ERR_OK);
    assert_problem(0, 2, "namesakes");
    assert_int_equal(
        take(w, "person", "编号,姓名,类别,学校,手机\nP77,周敏,家长,S17,13800000009", NULL, true),
        ERR_OK);
    assert_counts(1, 0, 0);
    assert_int_equal(
        take(w, "person", "编号,姓名,类别,学校,手机\nP77,周敏,家长,S17,13800000008", NULL, true),
        ERR_OK);
    assert_counts(0, 1, 0); /* a new number of somebody who is named by the id */
}

static void every_wrong_row_is_named(void **state)
{
    struct world *w = *state;
    int64_t before = world_int(w, "SELECT count(*) FROM person");
    assert_int_equal(take(w, "person",
                          "姓名,类别,学校,手机,高级警长\n"
                          "周敏,家长,S17,13800000001,\n"
                          ",家长,S17,,\n"
                          "李,学生,S17,,\n"
                          "王 138 0000 0001,家长,S17,,\n"
                          "赵,家长,S99,,\n"
                          "钱,家长,S17,没有,\n"
                          "孙,民警,,,也许\n"
                          "周敏,家长,S17,13800000001,",
                          NULL, true),
                     ERR_OK);
    static const struct {
        int line;
        const char *what;
    } wrong[] = {{3, "missing"}, {4, "word"}, {5, "personal"}, {6, "school"},
                 {7, "phone"},   {8, "yes"},  {9, "twice"}};
    assert_int_equal(json_count(json_get(answer, "problems")), 7);
    for (size_t i = 0; i < 7; i++)
        assert_problem(i, wrong[i].line, wrong[i].what);
    assert_null(strstr(json_text(json_at(json_get(answer, "problems"), 2), "value", ""), "138"));
    assert_int_equal(world_int(w, "SELECT count(*) FROM person"), before);
    assert_int_equal(take(w, "person", "姓名,学校\n周敏,S17", NULL, true), ERR_INVALID);
    assert_non_null(strstr(problem.text, "类别"));
    assert_int_equal(take(w, "pupil", "姓名\n周敏", NULL, true),
                     ERR_INVALID); /* there is no such list */
}

static void volunteers(void **state)
{
    struct world *w = *state;
    static const char file[] = "学校,姓名,手机\nS17,周敏,13800000001\nS17,吴芳,13800000002";
    world_tick(w);
    assert_int_equal(take(w, "volunteer", file, "V2", true), ERR_OK);
    assert_counts(2, 0, 0);
    assert_int_equal(take(w, "volunteer", file, "V2", true), ERR_OK);
    assert_counts(0, 0, 2);
    ASSERT_SENT(w, "+8613800000001", "C1_CONSENT", 0);
    world_text(w, "+8613800000002", "退订");
    assert_int_equal(world_int(w, "SELECT count(*) FROM enlist"), 1);
    assert_int_equal(take(w, "volunteer", file, "V2", true), ERR_OK);
    assert_counts(0, 0, 1);
    assert_int_equal(json_int(answer, "kept_out", 0), 1);
    assert_int_equal(take(w, "volunteer", file, "V1", true), ERR_OK); /* a parent enters nobody */
    assert_problem(0, 2, "staff");
}

/* The rows of an export as a file again. */
static void as_file(const struct json *sheet, char *ret, size_t size)
{
    struct buf out;
    buf_init(&out, size - 1);
    for (size_t r = 0; r <= json_count(json_get(sheet, "rows")); r++) {
        const struct json *cells =
            r == 0 ? json_get(sheet, "head") : json_at(json_get(sheet, "rows"), r - 1);
        for (size_t c = 0; c < json_count(cells); c++)
            buf_printf(&out, "%s%s",
                       c > 0   ? ","
                       : r > 0 ? "\n"
                               : "",
                       json_as_text(json_at(cells, c), ""));
    }
    assert_false(out.failed);
    snprintf(ret, size, "%s", buf_text(&out));
    buf_free(&out);
}

static void what_goes_out_comes_in_again(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"school", "post", "person"};
    static const char *const languages[] = {"zh-CN", "en"};
    for (int i = 0; i < 3; i++)
        for (int lang = 0; lang < 2; lang++) {
            char file[2048];
            struct json *sheet = list_export(w->replica, names[i], languages[lang], false, false);
            int rows = (int)json_count(json_get(sheet, "rows"));
            assert_true(rows > 0);
            as_file(sheet, file, sizeof file);
            json_free(sheet);
            assert_int_equal(take(w, names[i], file, NULL, true), ERR_OK);
            int changed = (int)json_int(answer, "changed", 0);
            assert_counts(0, changed, rows - changed);
            assert_int_equal(take(w, names[i], file, NULL, true), ERR_OK);
            assert_counts(0, 0, rows);
        }
    struct json *county = list_export(w->replica, "person", "zh-CN", true, true);
    assert_string_equal(json_as_text(json_at(json_get(county, "head"), 0), ""), "id");
    assert_string_equal(json_as_text(json_at(json_at(json_get(county, "rows"), 0), 7), "x"), "");
    json_free(county);
    assert_null(list_export(w->replica, "volunteer", "en", false, false));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, end)
    const struct CMUnitTest tests[] = {
        TEST(schools),    TEST(posts),
        TEST(people),     TEST(every_wrong_row_is_named),
        TEST(volunteers), TEST(what_goes_out_comes_in_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
