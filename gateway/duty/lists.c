/* Lists as spreadsheets; see lists.h. One table says which columns a list has and how a cell is
 * read; a row is read whole, found among what is there, compared and written. Every wrong row is
 * named, and the caller takes everything back. */
#include "gateway/duty/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/enlist.h"
#include "gateway/duty/internal.h"

enum { LIST_COLUMNS = 8, VALUE_SIZE = 192, HEADS = 4 };

enum cell { CELL_ID, CELL_NAME, CELL_WORD, CELL_NUMBER, CELL_YES, CELL_PHONE, CELL_SCHOOL };

/* A word of the tables, as people write it. */
struct word {
    const char *code, *zh, *en;
};

static const struct word school_kinds[] = {{"primary", "小学", "primary school"},
                                           {"middle", "初中", "middle school"},
                                           {"middle", "中学", "middle school"},
                                           {"high", "高中", "high school"},
                                           {"kindergarten", "幼儿园", "kindergarten"},
                                           {"nine_year", "九年一贯", "nine-year school"},
                                           {NULL, NULL, NULL}};
static const struct word post_kinds[] = {
    {"gate", "校门", "gate"},           {"patrol", "巡逻", "patrol"},
    {"traffic", "交通", "traffic"},     {"nonmotor", "非机动车", "non-motor lane"},
    {"liaison", "家校沟通", "liaison"}, {NULL, NULL, NULL}};
static const struct word person_kinds[] = {{"police", "民警", "police"},
                                           {"auxiliary", "辅警", "auxiliary"},
                                           {"guard", "保安", "guard"},
                                           {"school_security", "学校保安", "school security"},
                                           {"school_staff", "教职工", "school staff"},
                                           {"teacher", "教师", "teacher"},
                                           {"parent", "家长", "parent"},
                                           {"yijing", "义警", "yijing"},
                                           {"grid", "网格员", "grid worker"},
                                           {"desk", "值班室", "duty room"},
                                           {NULL, NULL, NULL}};
static const struct word volunteer_kinds[] = {{"parent", "家长", "parent"},
                                              {"teacher", "教师", "teacher"},
                                              {"yijing", "义警", "yijing"},
                                              {"grid", "网格员", "grid worker"},
                                              {NULL, NULL, NULL}};
static const struct word langs[] = {
    {"zh-CN", "中文", "Chinese"}, {"en", "英文", "English"}, {NULL, NULL, NULL}};

struct column {
    const char *heads[HEADS]; /* Chinese, English, and what else it may be called */
    enum cell cell;
    bool required;
    int chars;                /* at most */
    const struct word *words; /* CELL_WORD */
    const char *preset;       /* what an empty cell means */
};

/* ?1 the id, ?2 to ?9 the columns in their order, ?10 the station. */
struct list {
    const char *name;
    struct column columns[LIST_COLUMNS + 1];
    const char *select, *find, *insert, *update, *show, *county;
    const char *county_head;
};

#define ID(zh, en, required)                                                                       \
    {                                                                                              \
        {zh, en}, CELL_ID, required, LIMIT_ID_BYTES, NULL, NULL                                    \
    }

static const struct list lists[] = {
    {"school",
     {{{"代码", "code", "学校代码"}, CELL_ID, true, 12, NULL, NULL},
      {{"名称", "name", "学校"}, CELL_NAME, true, 40, NULL, NULL},
      {{"简称", "short"}, CELL_NAME, false, 20, NULL, NULL},
      {{"类别", "kind"}, CELL_WORD, false, 0, school_kinds, NULL},
      {{"乡镇", "township"}, CELL_NAME, false, 40, NULL, NULL}},
     "SELECT code, name, short, kind, township FROM school WHERE id = ?1",
     "SELECT id, 0 FROM school WHERE code = ?2",
     "INSERT INTO school(id, scope, station_id, code, name, short, kind, township)"
     " VALUES (?1, ?10, ?10, ?2, ?3, ?4, ?5, ?6)",
     "UPDATE school SET code = ?2, name = ?3, short = ?4, kind = ?5, township = ?6 WHERE id = ?1",
     "SELECT code, name, short, kind, township FROM school ORDER BY code",
     "SELECT id, scope, code, name, short, kind, township, station_id FROM school ORDER BY code",
     "id,scope,code,name,short,kind,township,station_id"},
    {"post",
     {{{"学校", "school", "学校代码", "school_id"}, CELL_SCHOOL, true, 40, NULL, NULL},
      {{"名称", "name", "岗位"}, CELL_NAME, true, 40, NULL, NULL},
      {{"简称", "short"}, CELL_NAME, false, 20, NULL, NULL},
      {{"类别", "kind"}, CELL_WORD, true, 0, post_kinds, NULL},
      {{"人数", "need"}, CELL_NUMBER, false, 99, NULL, NULL},
      {{"启用", "active"}, CELL_YES, false, 0, NULL, "1"}},
     "SELECT school_id, name, short, kind, need, coalesce(active, 1) FROM post WHERE id = ?1",
     "SELECT id, 0 FROM post WHERE school_id = ?2 AND name = ?3",
     "INSERT INTO post(id, scope, school_id, name, short, kind, need, active)"
     " VALUES (?1, ?10, ?2, ?3, ?4, ?5, ?6, ?7)",
     "UPDATE post SET school_id = ?2, name = ?3, short = ?4, kind = ?5, need = ?6, active = ?7"
     " WHERE id = ?1",
     "SELECT s.code, p.name, p.short, p.kind, p.need, coalesce(p.active, 1) FROM post p"
     " LEFT JOIN school s ON s.id = p.school_id ORDER BY s.code, p.name",
     "SELECT id, scope, school_id, name, short, kind, need, active FROM post ORDER BY id",
     "id,scope,school_id,name,short,kind,need,active"},
    {"person",
     {ID("编号", "id", false),
      {{"姓名", "name"}, CELL_NAME, true, 20, NULL, NULL},
      {{"类别", "kind", "力量"}, CELL_WORD, true, 0, person_kinds, NULL},
      {{"学校", "school", "学校代码", "school_id"}, CELL_SCHOOL, false, 40, NULL, NULL},
      {{"高级警长", "senior"}, CELL_YES, false, 0, NULL, NULL},
      {{"手机", "phone", "号码", "手机号"}, CELL_PHONE, false, 0, NULL, NULL},
      {{"语言", "lang"}, CELL_WORD, false, 0, langs, NULL},
      {{"在册", "active"}, CELL_YES, false, 0, NULL, "1"}},
     "SELECT id, name, kind, school_id, senior, phone, lang, coalesce(active, 1)"
     " FROM person WHERE id = ?1",
     "SELECT id, ?2 IS NULL AND phone <> ?7 FROM person WHERE CASE WHEN ?2 IS NOT NULL"
     " THEN id = ?2 ELSE name = ?3 AND kind = ?4 AND coalesce(school_id, '') = coalesce(?5, '')"
     " END ORDER BY 2 LIMIT 2",
     "INSERT INTO person(id, scope, station_id, name, kind, school_id, senior, phone, lang, active)"
     " VALUES (?1, ?10, ?10, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
     "UPDATE person SET name = ?3, kind = ?4, school_id = ?5, senior = ?6, phone = ?7, lang = ?8,"
     " active = ?9 WHERE id = ?1",
     "SELECT p.id, p.name, p.kind, s.code, p.senior, iif(?1, '***' || substr(unseal(p.phone), -3),"
     " unseal(p.phone)), p.lang, coalesce(p.active, 1) FROM person p LEFT JOIN school s"
     " ON s.id = p.school_id ORDER BY p.kind, p.name, p.id",
     "SELECT id, scope, kind, name, station_id, school_id, senior, iif(?1, NULL, unseal(phone)),"
     " lang, active FROM person ORDER BY id",
     "id,scope,kind,name,station_id,school_id,senior,phone,lang,active"},
    {"volunteer",
     {{{"学校", "school", "学校代码"}, CELL_SCHOOL, true, 40, NULL, NULL},
      {{"姓名", "name"}, CELL_NAME, true, 20, NULL, NULL},
      {{"类别", "kind"}, CELL_WORD, false, 0, volunteer_kinds, NULL},
      {{"手机", "phone", "号码", "手机号"}, CELL_PHONE, true, 0, NULL, NULL}},
     NULL,
     NULL,
     NULL,
     NULL,
     NULL,
     NULL,
     NULL},
};

static const struct list *list_named(const char *name)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (text_equal(lists[i].name, name))
            return &lists[i];
    return NULL;
}

static int column_count(const struct list *list)
{
    int count = 0;
    while (list->columns[count].heads[0] != NULL)
        count++;
    return count;
}

/* --- cells --- */

struct value {
    bool set; /* not empty */
    char text[VALUE_SIZE];
};

struct row {
    int64_t line;
    struct value values[LIST_COLUMNS];
};

struct run {
    struct duty *duty;
    const struct list *list;
    const char *by;
    int at[LIST_COLUMNS]; /* of the file; -1: it has no such column */
    int added, changed, same, kept_out;
    struct json *problems;
    char (*ids)[LIMIT_ID_BYTES + 1]; /* of the rows so far, in which none may come twice */
    size_t id_count;
};

static void problem(struct run *run, int64_t line, const char *what, const char *column,
                    const char *value)
{
    if (json_count(run->problems) >= LIST_PROBLEMS_MAX)
        return;
    struct json *one = json_new_object();
    json_set_int(one, "line", line);
    json_set_text(one, "what", what);
    json_set_text(one, "column", column);
    json_set_text(one, "value", value);
    json_add(run->problems, one);
}

static const char *read_word(const struct word *words, const char *text, struct value *ret)
{
    for (; words->code != NULL; words++)
        if (text_equal(words->code, text) || text_equal(words->zh, text) ||
            text_equal(words->en, text)) {
            text_copy(ret->text, VALUE_SIZE, words->code);
            return NULL;
        }
    return "word";
}

static const char *read_yes(const char *text, struct value *ret)
{
    static const char *const words[2][5] = {{"0", "否", "no", "N", "×"},
                                            {"1", "是", "yes", "Y", "√"}};
    for (int yes = 0; yes < 2; yes++)
        for (int i = 0; i < 5; i++)
            if (text_equal(words[yes][i], text)) {
                text_copy(ret->text, VALUE_SIZE, yes ? "1" : "0");
                return NULL;
            }
    return "yes";
}

static const char *read_school(struct duty *duty, const char *text, struct value *ret)
{
    bool found = replica_get_text(duty->replica, ret->text, VALUE_SIZE,
                                  "SELECT id FROM school WHERE code = ?1 OR id = ?1", "s", text) ||
                 school_named(duty, text, ret->text);
    return found ? NULL : "school";
}

static const char *read_phone(struct duty *duty, const char *text, struct value *ret)
{
    char normal[LIMIT_PHONE_DIGITS + 4];
    bool good = text_normalise_phone(text, duty->options.country, normal, sizeof normal) &&
                replica_get_text(duty->replica, ret->text, VALUE_SIZE, "SELECT seal_phone(?1)", "s",
                                 normal);
    return good ? NULL : "phone";
}

static const char *read_name(const struct column *column, const char *text, struct value *ret)
{
    size_t from, to;
    if (!text_utf8_valid(text, strlen(text)) || text_utf16_units(text) > column->chars ||
        !text_copy(ret->text, VALUE_SIZE, text))
        return "long";
    return privacy_find_number(text, &from, &to) ? "personal" : NULL;
}

static const char *read_id(const struct column *column, const char *text, struct value *ret)
{
    static const char *const allowed =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:";
    size_t size = strlen(text);
    if (strspn(text, allowed) != size || size > (size_t)column->chars)
        return "id";
    text_copy(ret->text, VALUE_SIZE, text);
    return NULL;
}

/* NULL, or what is wrong with it. */
static const char *read_value(struct run *run, const struct column *column, const char *text,
                              struct value *ret)
{
    int number;
    switch (column->cell) {
    case CELL_ID:
        return read_id(column, text, ret);
    case CELL_NAME:
        return read_name(column, text, ret);
    case CELL_WORD:
        return read_word(column->words, text, ret);
    case CELL_YES:
        return read_yes(text, ret);
    case CELL_PHONE:
        return read_phone(run->duty, text, ret);
    case CELL_SCHOOL:
        return read_school(run->duty, text, ret);
    case CELL_NUMBER:
        if (!text_to_int(text, 0, column->chars, &number))
            return "number";
        snprintf(ret->text, VALUE_SIZE, "%d", number);
        return NULL;
    }
    return "word";
}

/* False: the row is wrong, and what is wrong was noted. */
static bool read_row(struct run *run, const struct json *json, struct row *ret)
{
    const struct json *cells = json_get(json, "cells");
    bool good = true;
    *ret = (struct row){.line = json_int(json, "line", 0)};
    for (int c = 0; c < column_count(run->list); c++) {
        const struct column *column = &run->list->columns[c];
        const char *text =
            run->at[c] < 0 ? "" : json_as_text(json_at(cells, (size_t)run->at[c]), "");
        const char *wrong = NULL;
        if (text[0] == '\'' && text[1] != '\0' && strchr("=+-@", text[1]) != NULL)
            text++; /* put before what a spreadsheet would take for a formula */
        if (text[0] == '\0' && column->preset != NULL)
            text = column->preset;
        if (text[0] != '\0')
            wrong = read_value(run, column, text, &ret->values[c]);
        else if (column->required)
            wrong = "missing";
        ret->values[c].set = text[0] != '\0';
        if (wrong == NULL)
            continue;
        good = false;
        bool secret = column->cell == CELL_PHONE || text_equal(wrong, "personal");
        problem(run, ret->line, wrong, column->heads[0], secret ? "***" : text);
    }
    return good;
}

/* --- rows --- */

static struct query *bound(struct run *run, const char *sql, const char *id, const struct row *row)
{
    struct query *q = replica_query(run->duty->replica, sql);
    if (id != NULL)
        query_text(q, 1, id);
    for (int c = 0; row != NULL && c < column_count(run->list); c++)
        query_text(q, c + 2, row->values[c].set ? row->values[c].text : NULL);
    return q;
}

enum found { FOUND_NONE, FOUND_ONE, FOUND_DOUBTFUL };

/* Which row that is there this one is. Somebody of the same name with another number may be the
 * same person or another one: the file has to say by the id. */
static enum found find(struct run *run, const struct row *row, char ret_id[LIMIT_ID_BYTES + 1])
{
    enum found found = FOUND_NONE;
    struct query *q = bound(run, run->list->find, NULL, row);
    if (query_row(q)) {
        text_copy(ret_id, LIMIT_ID_BYTES + 1, query_get_text(q, 0));
        found = query_get_int(q, 1) != 0 ? FOUND_DOUBTFUL : FOUND_ONE;
    }
    if (found == FOUND_ONE && query_row(q) && query_get_int(q, 1) == 0)
        found = FOUND_DOUBTFUL;
    query_done(q);
    return found;
}

/* What the file has no column for stays as it is. Returns whether anything else differs. */
static bool differs(struct run *run, const char *id, struct row *row)
{
    bool differ = false;
    struct query *q = bound(run, run->list->select, id, NULL);
    bool found = query_row(q);
    for (int c = 0; found && c < column_count(run->list); c++) {
        struct value *value = &row->values[c];
        const char *old = query_get_text(q, c);
        if (run->at[c] < 0) {
            value->set = old != NULL;
            text_copy(value->text, VALUE_SIZE, old == NULL ? "" : old);
        } else if (value->set != (old != NULL && old[0] != '\0') ||
                   (value->set && !text_equal(value->text, old))) {
            /* the id that a person was found by is not a difference */
            differ = differ || run->list->columns[c].cell != CELL_ID || value->set;
        }
    }
    query_done(q);
    return differ;
}

static void write_row(struct run *run, const char *sql, const char *id, const struct row *row)
{
    struct query *q = bound(run, sql, id, row);
    query_text(q, 10, run->duty->options.station_id);
    query_row(q);
    query_done(q);
}

static bool is_twice(struct run *run, const char *id)
{
    for (size_t i = 0; i < run->id_count; i++)
        if (text_equal(run->ids[i], id))
            return true;
    text_copy(run->ids[run->id_count++], LIMIT_ID_BYTES + 1, id);
    return false;
}

/* A school's code and a person's own id are ids; others get a new one. */
static void id_for(struct run *run, const struct row *row, char ret[LIMIT_ID_BYTES + 1])
{
    if (run->list->columns[0].cell == CELL_ID && row->values[0].set)
        text_copy(ret, LIMIT_ID_BYTES + 1, row->values[0].text);
    else
        replica_new_id(run->duty->replica, ret);
}

static void take_row(struct run *run, struct row *row)
{
    char id[LIMIT_ID_BYTES + 1] = "";
    enum found found = find(run, row, id);
    if (found == FOUND_DOUBTFUL) {
        problem(run, row->line, "namesakes", run->list->columns[1].heads[0], row->values[1].text);
        return;
    }
    if (found == FOUND_NONE)
        id_for(run, row, id);
    if (is_twice(run, id)) {
        problem(run, row->line, "twice", run->list->columns[1].heads[0], row->values[1].text);
    } else if (found == FOUND_NONE) {
        write_row(run, run->list->insert, id, row);
        run->added++;
    } else if (differs(run, id, row)) {
        write_row(run, run->list->update, id, row);
        run->changed++;
    } else {
        run->same++;
    }
}

static void take_volunteer(struct run *run, const struct row *row)
{
    char id[LIMIT_ID_BYTES + 1];
    enum enlist_outcome outcome = ENLIST_NEW;
    struct err err = {0};
    struct enlist_entry entry = {
        .school = row->values[0].text,
        .name = row->values[1].text,
        .kind = row->values[2].set ? row->values[2].text : "parent",
        .phone = row->values[3].text,
        .by = run->by,
    };
    if (enlist_put(run->duty, &entry, id, &outcome, &err) != ERR_OK)
        problem(run, row->line, "staff", run->list->columns[0].heads[0], err.text);
    else if (outcome == ENLIST_STOPPED)
        run->kept_out++;
    else if (outcome == ENLIST_SAME)
        run->same++;
    else
        run->added++;
}

/* --- the file --- */

static int find_columns(struct run *run, const struct json *head, struct err *err)
{
    for (int c = 0; c < column_count(run->list); c++) {
        const struct column *column = &run->list->columns[c];
        run->at[c] = -1;
        for (size_t i = json_count(head); i-- > 0;)
            for (int h = 0; h < HEADS && column->heads[h] != NULL; h++)
                if (text_equal(column->heads[h], json_as_text(json_at(head, i), "")))
                    run->at[c] = (int)i;
        if (column->required && run->at[c] < 0)
            return err_set(err, ERR_INVALID, "the first line names no column %s (%s)",
                           column->heads[0], column->heads[1]);
    }
    return ERR_OK;
}

static void take_rows(struct run *run, const struct json *rows)
{
    for (size_t i = 0; i < json_count(rows); i++) {
        struct row row;
        if (!read_row(run, json_at(rows, i), &row))
            continue;
        if (run->list->insert == NULL)
            take_volunteer(run, &row);
        else
            take_row(run, &row);
    }
}

int list_import(struct duty *duty, const struct list_order *order, struct json **ret,
                struct err *err)
{
    struct run run = {.duty = duty, .list = list_named(order->list), .by = order->by};
    size_t count = json_count(order->rows);
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (run.list == NULL)
        return err_set(err, ERR_INVALID, "\"%.16s\" is no list", order->list);
    if (count > LIST_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "%zu rows, at most %d are taken", count, LIST_ROWS_MAX);
    int code = find_columns(&run, order->head, err);
    if (code != ERR_OK)
        return code;
    run.ids = calloc(count + 1, sizeof *run.ids);
    if (run.ids == NULL)
        return err_set(err, ERR_NOMEM, "no memory for %zu rows", count);
    run.problems = json_new_array();
    take_rows(&run, order->rows);
    free(run.ids);
    *ret = json_new_object();
    json_set_int(*ret, "new", run.added);
    json_set_int(*ret, "changed", run.changed);
    json_set_int(*ret, "same", run.same);
    json_set_int(*ret, "kept_out", run.kept_out);
    json_set(*ret, "problems", run.problems);
    return ERR_OK;
}

/* --- out --- */

static const char *shown(const struct column *column, const char *text, bool english)
{
    if (text == NULL)
        return "";
    if (column->cell == CELL_PHONE && strncmp(text, "+861", 4) == 0)
        return text + strlen("+86"); /* a spreadsheet would take a '+' for a formula */
    if (column->cell == CELL_YES)
        return text_equal(text, "1") ? (english ? "yes" : "是") : english ? "no" : "否";
    for (const struct word *word = column->words; word != NULL && word->code != NULL; word++)
        if (text_equal(word->code, text))
            return english ? word->en : word->zh;
    return text;
}

static struct json *county_head(const char *names)
{
    struct json *head = json_new_array();
    for (char name[32]; names[0] != '\0'; names += strspn(names, ",")) {
        size_t size = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", (int)size, names);
        json_add_text(head, name);
        names += size;
    }
    return head;
}

struct json *list_export(struct replica *replica, const char *name, const char *lang, bool county,
                         bool masked)
{
    const struct list *list = list_named(name);
    bool english = text_lang_of(lang) == TEXT_EN;
    if (list == NULL || list->show == NULL)
        return NULL;
    struct json *ret = json_new_object(), *rows = json_new_array();
    struct json *head = county ? county_head(list->county_head) : json_new_array();
    for (int c = 0; !county && c < column_count(list); c++)
        json_add_text(head, list->columns[c].heads[english]);
    int count = (int)json_count(head);
    struct query *q = replica_query(replica, county ? list->county : list->show);
    if (text_equal(name, "person"))
        query_int(q, 1, masked);
    while (query_row(q)) {
        struct json *row = json_new_array();
        for (int c = 0; c < count; c++) {
            const char *text = query_get_text(q, c);
            json_add_text(row, county ? (text == NULL ? "" : text)
                                      : shown(&list->columns[c], text, english));
        }
        json_add(rows, row);
    }
    query_done(q);
    json_set(ret, "head", head);
    json_set(ret, "rows", rows);
    return ret;
}
