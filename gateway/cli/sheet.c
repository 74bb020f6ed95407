/* touyan roster export | import | print: a week as a spreadsheet (CSV, UTF-8 with a byte order
 * mark, or GB18030 on the way in) and as a page to sign at the gate.
 *
 * Columns are found by their heads, Chinese or English, in any order; what a spreadsheet makes of
 * dates and times (2026/9/14, 7:20:00) is read. What is wrong is told by line, and then nothing is
 * taken. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/caltime.h"
#include "gateway/base/csv.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { PATH_SIZE = 128, NUMBERS = 3 };

enum column {
    DATE,
    WEEKDAY,
    PEAK,
    START,
    END,
    SCHOOL_CODE,
    SCHOOL,
    POST,
    NEED,
    PERSON,
    PERSON_ID,
    FORCE,
    LEAD,
    COLUMNS
};

/* Chinese, English; also the key of the answer. */
static const char *const heads[COLUMNS][2] = {
    {"日期", "date"}, {"星期", "weekday"},         {"时段", "peak"},          {"开始", "start"},
    {"结束", "end"},  {"学校代码", "school_code"}, {"学校", "school"},        {"岗位", "post"},
    {"人数", "need"}, {"姓名", "person"},          {"人员编号", "person_id"}, {"力量", "force"},
    {"带班", "lead"},
};

static const char *const peaks[][6] = {
    {"am", "早", "早高峰", "上午", "早上", NULL},
    {"noon", "午", "午间", "中午", NULL},
    {"pm", "晚", "晚高峰", "下午", "放学", NULL},
};

static const char *const forces[][3] = {
    {"police", "民警", "police"},
    {"auxiliary", "辅警", "auxiliary"},
    {"guard", "保安", "guard"},
    {"school_security", "学校保安", "school security"},
    {"school_staff", "教职工", "school staff"},
    {"teacher", "教师", "teacher"},
    {"parent", "家长", "parent"},
    {"yijing", "义警", "yijing"},
    {"grid", "网格员", "grid worker"},
};

/* --- words --- */

const char *cli_force_word(const struct cli *cli, const char *kind)
{
    for (size_t i = 0; i < sizeof forces / sizeof forces[0]; i++)
        if (strcmp(forces[i][0], kind) == 0)
            return forces[i][cli->english ? 2 : 1];
    return kind;
}

const char *cli_peak_word(const struct cli *cli, const char *peak)
{
    for (size_t i = 0; i < sizeof peaks / sizeof peaks[0]; i++)
        if (strcmp(peaks[i][0], peak) == 0)
            return peaks[i][cli->english ? 0 : 1];
    return peak;
}

static const char *weekday_word(const struct cli *cli, int64_t weekday)
{
    static const char *const words[2][8] = {
        {"", "一", "二", "三", "四", "五", "六", "日"},
        {"", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
    };
    return words[cli->english][weekday >= 1 && weekday <= 7 ? weekday : 0];
}

static const char *problem_word(const struct cli *cli, const char *what)
{
    static const char *const words[][3] = {
        {"date", "日期看不懂（写成 2026-09-14）", "is no date such as 2026-09-14"},
        {"week", "不在同一周里，一张表只放一周", "is in another week; one sheet holds one week"},
        {"peak", "时段看不懂（早、午、晚）", "is no peak (am, noon, pm)"},
        {"school", "本站没有这所学校", "is no school of this station"},
        {"post", "这所学校没有这个岗位", "is no post of that school"},
        {"person", "本站没有这个人", "is nobody of this station"},
        {"namesakes", "有同名的人，请填人员编号", "fits several people: give the person_id"},
        {"hours", "不知道这个岗几点到几点，请填开始和结束", "has no hours yet: give start and end"},
        {"need", "人数不对", "is no number of people"},
        {"twice", "同一时间在两个岗上", "stands at two posts at that time"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], what) == 0)
            return words[i][cli->english ? 2 : 1];
    return what;
}

/* --- out --- */

/* words[2]: a date of the week, or "draft" and, of a plan for several, a station. */
static int get_sheet(const struct cli *cli, struct json **ret)
{
    char path[PATH_SIZE] = "/v1/roster/sheet";
    const char *word = cli->word_count > 2 ? cli->words[2] : "";
    if (strcmp(word, "draft") == 0 && cli->word_count > 3) {
        char station[PATH_SIZE / 4];
        cli_encode(cli->words[3], station, sizeof station);
        snprintf(path, sizeof path, "/v1/roster/sheet?draft=1&station=%s", station);
    } else if (strcmp(word, "draft") == 0)
        snprintf(path, sizeof path, "/v1/roster/sheet?draft=1");
    else if (word[0] != '\0' && strspn(word, "0123456789-") == strlen(word))
        snprintf(path, sizeof path, "/v1/roster/sheet?date=%.16s", word);
    else if (word[0] != '\0')
        return cli_fail(cli, EXIT_USAGE, "写日期（如 2026-09-14）或 draft",
                        "give a date such as 2026-09-14, or draft");
    return cli_get(cli, path, ret);
}

static void clock_of(const struct json *row, const char *key, char ret[CALTIME_CLOCK_SIZE])
{
    caltime_format_clock(json_int(row, key, 0), ret);
}

static void write_line(struct buf *out, const char *const cells[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        csv_write_cell(out, cells[i]);
        buf_add_text(out, i + 1 < COLUMNS ? "," : "\r\n");
    }
}

static void write_row(const struct cli *cli, struct buf *out, const struct json *row, bool empty)
{
    char start[CALTIME_CLOCK_SIZE], end[CALTIME_CLOCK_SIZE], need[16];
    const char *kind = json_text(row, "force", NULL);
    clock_of(row, "start_at", start);
    clock_of(row, "end_at", end);
    snprintf(need, sizeof need, "%d", (int)json_int(row, "need", 1));
    bool lead = json_int(row, "lead", 0) != 0;
    const char *cells[COLUMNS] = {
        [DATE] = json_text(row, "date", ""),
        [WEEKDAY] = weekday_word(cli, json_int(row, "weekday", 0)),
        [PEAK] = cli_peak_word(cli, json_text(row, "peak", "")),
        [START] = start,
        [END] = end,
        [SCHOOL_CODE] = json_text(row, "school_code", ""),
        [SCHOOL] = json_text(row, "school", ""),
        [POST] = json_text(row, "post", ""),
        [NEED] = need,
        [PERSON] = empty ? "" : json_text(row, "person", ""),
        [PERSON_ID] = empty ? "" : json_text(row, "person_id", ""),
        [FORCE] = empty || kind == NULL ? "" : cli_force_word(cli, kind),
        [LEAD] = !empty && lead ? cli_say(cli, "是", "1") : "",
    };
    write_line(out, cells);
}

/* True at the last row of a shift: then its empty places follow. */
static bool ends_shift(const struct json *rows, size_t i)
{
    static const char *const keys[] = {"date", "peak", "school_code", "post"};
    const struct json *one = json_at(rows, i), *next = json_at(rows, i + 1);
    if (i + 1 == json_count(rows))
        return true;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (!text_equal(json_text(one, keys[k], ""), json_text(next, keys[k], "")))
            return true;
    return false;
}

typedef void write_row_fn(const struct cli *cli, struct buf *out, const struct json *row,
                          bool empty);

/* Row i: its person, and behind the last one of a shift its empty places. */
static void write_places(const struct cli *cli, struct buf *out, const struct json *rows, size_t i,
                         write_row_fn *write)
{
    const struct json *row = json_at(rows, i);
    int64_t missing = ends_shift(rows, i) ? json_int(row, "missing", 0) : 0;
    if (json_text(row, "person_id", NULL) != NULL)
        write(cli, out, row, false);
    for (int64_t k = 0; k < missing; k++)
        write(cli, out, row, true);
}

/* Writes what was built to standard output; nothing planned is said on standard error. */
static int print_built(const struct cli *cli, const struct json *rows, struct buf *out)
{
    bool whole = !out->failed && fwrite(out->bytes, 1, out->size, stdout) == out->size;
    buf_free(out);
    if (!whole)
        return cli_fail(cli, EXIT_LATER, "班表太大或写不出去", "the sheet could not be written");
    if (json_count(rows) == 0)
        return cli_fail(cli, EXIT_NOT_FOUND, "这一周还没有班", "nothing is planned for that week");
    return EXIT_OK;
}

int command_roster_export(const struct cli *cli)
{
    struct json *json = NULL;
    struct buf out;
    int code = get_sheet(cli, &json);
    if (code == EXIT_OK && !cli->json) {
        const char *head[COLUMNS];
        for (int i = 0; i < COLUMNS; i++)
            head[i] = heads[i][cli->english];
        buf_init(&out, LIMIT_JSON_BYTES);
        buf_add_text(&out, "\xef\xbb\xbf");
        write_line(&out, head);
        for (size_t i = 0; i < json_count(json_get(json, "rows")); i++)
            write_places(cli, &out, json_get(json, "rows"), i, write_row);
        code = print_built(cli, json_get(json, "rows"), &out);
    }
    json_free(json);
    return code;
}

/* --- on paper --- */

static void add_html(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&')
            buf_printf(out, "&#%d;", *text);
        else
            buf_add(out, text, 1);
    }
}

static void add_cell(struct buf *out, const char *text)
{
    buf_add_text(out, "<td>");
    add_html(out, text);
    buf_add_text(out, "</td>");
}

/* A line under a place; nothing for NULL. */
static void print_below(struct buf *out, const char *head, const char *text)
{
    if (text == NULL)
        return;
    buf_add_text(out, "<tr class=route><td></td><td colspan=7>");
    add_html(out, head);
    add_html(out, text);
    buf_add_text(out, "</td></tr>\n");
}

static void print_place(const struct cli *cli, struct buf *out, const struct json *row, bool empty)
{
    char start[CALTIME_CLOCK_SIZE], end[CALTIME_CLOCK_SIZE], hours[2 * CALTIME_CLOCK_SIZE];
    const char *kind = json_text(row, "force", NULL);
    const char *route = json_text(row, "route", NULL);
    clock_of(row, "start_at", start);
    clock_of(row, "end_at", end);
    snprintf(hours, sizeof hours, "%s-%s", start, end);
    buf_add_text(out, empty ? "<tr class=gap>" : "<tr>");
    add_cell(out, hours);
    add_cell(out, json_text(row, "school", ""));
    add_cell(out, json_text(row, "post", ""));
    add_cell(out, empty ? cli_say(cli, "（缺人）", "(nobody)") : json_text(row, "person", ""));
    add_cell(out, empty || kind == NULL ? "" : cli_force_word(cli, kind));
    add_cell(out, !empty && json_int(row, "lead", 0) != 0 ? cli_say(cli, "带班", "leads") : "");
    buf_add_text(out, "<td></td><td></td></tr>\n");
    if (empty)
        return;
    print_below(out, cli_say(cli, "巡逻顺序：", "route: "), route);
    print_below(out, cli_say(cli, "连带任务，做完打勾：□", "linked tasks, tick when done: □"),
                json_text(row, "tasks", NULL));
}

static const char page_head[] =
    "<!doctype html><html><head><meta charset=utf-8><title>Touyan</title><style>"
    "@page{size:A4 landscape;margin:12mm}body{font:11pt sans-serif}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #000;padding:3px 6px;"
    "text-align:left}td:nth-child(n+7){width:14%}h2{break-before:page}h2:first-of-type{"
    "break-before:auto}tr{break-inside:avoid}.gap td{font-weight:bold;background:#ddd}"
    ".route td{font-size:9pt}</style></head><body>\n";

static void print_day(const struct cli *cli, struct buf *out, const struct json *row)
{
    buf_add_text(out, "<h2>");
    add_html(out, json_text(row, "date", ""));
    buf_printf(out, cli->english ? " %s" : " 周%s", weekday_word(cli, json_int(row, "weekday", 0)));
    buf_add_text(out, "</h2>\n<table><tr>");
    buf_add_text(
        out, cli_say(cli, "<th>时间<th>学校<th>岗位<th>姓名<th>力量<th><th>到岗签字<th>离岗签字",
                     "<th>time<th>school<th>post<th>name<th>force<th><th>arrived"
                     "<th>left"));
    buf_add_text(out, "</tr>\n");
}

static void print_days(const struct cli *cli, struct buf *out, const struct json *rows)
{
    const char *date = "";
    for (size_t i = 0; i < json_count(rows); i++) {
        const struct json *row = json_at(rows, i);
        if (!text_equal(date, json_text(row, "date", ""))) {
            buf_add_text(out, date[0] != '\0' ? "</table>\n" : "");
            print_day(cli, out, row);
        }
        date = json_text(row, "date", "");
        write_places(cli, out, rows, i, print_place);
    }
    buf_add_text(out, date[0] != '\0' ? "</table>\n" : "");
}

/* What the plan saves against the baseline, if there is one. */
static void print_saved(const struct cli *cli, struct buf *out, const struct json *saved)
{
    if (json_text(saved, "week", NULL) == NULL)
        return;
    buf_printf(out,
               cli->english
                   ? "<p>an officer and day: on post %d minutes, %d saved; on the way %d minutes, "
                     "%d saved, against the week of %s</p>\n"
                   : "<p>每名民辅警每天：在岗 %d 分钟，少 %d 分钟；路上 %d 分钟，少 %d 分钟"
                     "（与 %s 那一周比）</p>\n",
               (int)json_int(saved, "post_now", 0), (int)json_int(saved, "saved", 0),
               (int)json_int(saved, "way_now", 0), (int)json_int(saved, "way_saved", 0),
               json_text(saved, "week", ""));
}

int command_roster_print(const struct cli *cli)
{
    struct json *json = NULL;
    struct buf out;
    int code = get_sheet(cli, &json);
    if (code == EXIT_OK && !cli->json) {
        char as_of[16];
        const struct json *rows = json_get(json, "rows");
        cli_format_time(json_int(json, "as_of", 0), as_of);
        buf_init(&out, LIMIT_JSON_BYTES);
        buf_add_text(&out, page_head);
        buf_printf(&out,
                   cli->english ? "<p>county's word as of %s</p>\n" : "<p>县平台数据截至 %s</p>\n",
                   as_of);
        print_saved(cli, &out, json_get(json, "saved"));
        print_days(cli, &out, rows);
        buf_add_text(&out, "</body></html>\n");
        code = print_built(cli, rows, &out);
    }
    json_free(json);
    return code;
}

/* --- in --- */

/* Which column of the file is which; -1: not there. False: one that is needed is missing. */
static bool find_columns(const struct csv *csv, int at[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        at[c] = -1;
        for (size_t i = 0; i < csv->count; i++)
            if (strcmp(csv->cells[i], heads[c][0]) == 0 || strcmp(csv->cells[i], heads[c][1]) == 0)
                at[c] = (int)i;
    }
    return at[DATE] >= 0 && at[PEAK] >= 0 && at[POST] >= 0 &&
           (at[SCHOOL_CODE] >= 0 || at[SCHOOL] >= 0) && (at[PERSON] >= 0 || at[PERSON_ID] >= 0);
}

static const char *cell(const struct csv *csv, const int at[COLUMNS], enum column column)
{
    return at[column] >= 0 && (size_t)at[column] < csv->count ? csv->cells[at[column]] : "";
}

/* The numbers in a text, at most NUMBERS; returns how many. */
static int numbers_of(const char *text, int ret[NUMBERS])
{
    int count = 0;
    for (const char *at = text; *at != '\0' && count < NUMBERS;) {
        char *end = NULL;
        if (!isdigit((unsigned char)*at)) {
            at++;
            continue;
        }
        ret[count++] = (int)strtol(at, &end, 10);
        at = end;
    }
    return count;
}

/* "2026-09-14", "2026/9/14", "2026年9月14日"; anything else stays, to be named as wrong. */
static void set_date(struct json *row, const char *text)
{
    int n[NUMBERS];
    char iso[CALTIME_DATE_SIZE + 32];
    if (numbers_of(text, n) == 3 && n[0] > 1999 && n[0] < 10000 && n[1] < 100 && n[2] < 100)
        snprintf(iso, sizeof iso, "%04d-%02d-%02d", n[0], n[1], n[2]);
    else
        text_copy(iso, sizeof iso, text);
    json_set_text(row, "date", iso);
}

static void set_minutes(struct json *row, const char *key, const char *text)
{
    int n[NUMBERS];
    if (numbers_of(text, n) >= 2 && n[0] < 24 && n[1] < 60)
        json_set_int(row, key, n[0] * 60 + n[1]);
}

static const char *peak_of(const char *text)
{
    for (size_t i = 0; i < sizeof peaks / sizeof peaks[0]; i++)
        for (size_t k = 0; peaks[i][k] != NULL; k++)
            if (strcmp(peaks[i][k], text) == 0)
                return peaks[i][0];
    return text;
}

static struct json *read_row(const struct csv *csv, const int at[COLUMNS])
{
    struct json *row = json_new_object();
    const char *code = cell(csv, at, SCHOOL_CODE), *id = cell(csv, at, PERSON_ID);
    const char *lead = cell(csv, at, LEAD), *need = cell(csv, at, NEED);
    int number;
    json_set_int(row, "line", csv->line);
    set_date(row, cell(csv, at, DATE));
    json_set_text(row, "peak", peak_of(cell(csv, at, PEAK)));
    json_set_text(row, "school", code[0] != '\0' ? code : cell(csv, at, SCHOOL));
    json_set_text(row, "post", cell(csv, at, POST));
    json_set_text(row, "person", id[0] != '\0' ? id : cell(csv, at, PERSON));
    json_set_int(row, "lead", strcmp(lead, "是") == 0 || strcmp(lead, "1") == 0);
    set_minutes(row, "start_min", cell(csv, at, START));
    set_minutes(row, "end_min", cell(csv, at, END));
    if (need[0] != '\0')
        json_set_int(row, "need", text_to_int(need, 0, 1000, &number) ? number : -1);
    return row;
}

struct reading {
    const struct cli *cli;
    struct json *rows;
    int at[COLUMNS];
    bool has_head;
};

static bool take_record(void *ctx, const struct csv *csv)
{
    struct reading *reading = ctx;
    if (reading->has_head) {
        json_add(reading->rows, read_row(csv, reading->at));
        return true;
    }
    reading->has_head = true;
    if (find_columns(csv, reading->at))
        return true;
    cli_fail(reading->cli, EXIT_USAGE,
             "第一行要有列名：日期、时段、学校（或学校代码）、岗位、姓名（或人员编号）",
             "the first line has to name the columns: date, peak, school (or school_code), post,"
             " person (or person_id)");
    return false;
}

static int tell_problems(const struct cli *cli, const struct json *problems)
{
    char what[TABLE_CELL];
    for (size_t i = 0; i < json_count(problems); i++) {
        const struct json *one = json_at(problems, i);
        snprintf(what, sizeof what, "“%s” %s", json_text(one, "value", ""),
                 problem_word(cli, json_text(one, "what", "")));
        cli_wrong_line(cli, (int)json_int(one, "line", 0), what);
    }
    return cli_fail(cli, EXIT_USAGE, "改好这些行再导入；现在什么也没有改",
                    "mend these lines and import again; nothing was changed");
}

static void tell_taken(const struct cli *cli, const struct json *json)
{
    printf(cli->english ? "taken: %d rows" : "已读入 %d 行", (int)json_int(json, "rows", 0));
    if (json_int(json, "past", 0) > 0)
        printf(cli->english ? ", %d of them are over and stay as they are"
                            : "，其中 %d 行已经过了，不再改",
               (int)json_int(json, "past", 0));
    fputs("\n", stdout);
}

int command_roster_import(const struct cli *cli)
{
    bool baseline = cli->word_count > 3;
    struct json *json = NULL, *rows = json_new_array(), *body = json_new_object();
    if (baseline && strcmp(cli->words[3], "baseline") != 0) {
        json_free(rows);
        json_free(body);
        return cli_usage(cli, "roster import FILE [baseline]");
    }
    struct reading reading = {.cli = cli, .rows = rows};
    int code = cli_read_csv(cli, cli->words[2], take_record, &reading);
    json_set(body, "rows", rows);
    json_set_bool(body, "baseline", baseline);
    if (code != EXIT_OK) {
        json_free(body);
        return code;
    }
    code = cli_post(cli, "/v1/roster/import", body, &json);
    if (code == EXIT_OK && json_count(json_get(json, "problems")) > 0) {
        code = tell_problems(cli, json_get(json, "problems"));
    } else if (code == EXIT_OK && !cli->json) {
        tell_taken(cli, json);
        fputs(baseline
                  ? cli_say(cli, "作为对比的基准周\n", "as the week to compare with\n")
                  : cli_say(cli, "已成草案。下一步：touyan roster diff，再 touyan roster publish\n",
                            "it is the draft now. Next: touyan roster diff, then touyan "
                            "roster publish\n"),
              stdout);
    }
    json_free(json);
    return code;
}
