/* touyan account: the month counted from events. CSV for spreadsheets (RFC 4180, with a byte order
 * mark, because the spreadsheet programs of offices need one for Chinese). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { PATH_BYTES = 512 };

#define BOM "\xef\xbb\xbf"

static const struct figure {
    const char *name, *zh, *en;
} figures[] = {
    {"planned", "计划班次", "duties planned"},
    {"person_times", "出动人次", "person-times"},
    {"officer_times", "民辅警人次", "of officers"},
    {"volunteer_times", "志愿者人次", "of volunteers"},
    {"on_time", "按时到岗", "on time"},
    {"late", "迟到", "late"},
    {"no_show", "缺岗", "no-shows"},
    {"excused", "请假", "excused"},
    {"stood_in", "顶岗", "stood in"},
    {"no_out", "未记离岗", "never checked out"},
    {"officer_minutes", "民辅警执勤分钟", "officers' minutes"},
    {"issues_found", "新增隐患", "issues found"},
    {"issues_closed", "销号隐患", "issues closed"},
    {"issues_inside_closed", "其中校内整改", "of them inside"},
    {"issues_open", "未结隐患", "issues open"},
    {"visits", "驻岗", "visits"},
    {"trainings", "培训", "trainings"},
    {"drills", "演练", "drills"},
    {"drills_due", "到期未演练学校", "schools whose drill is due"},
    {"activities", "各类活动", "activities"},
    {"tasks", "完成连带任务", "linked tasks done"},
    {"attended", "活动签到人次", "attendances"},
    {"inspections", "检查", "inspections"},
    {"plans_started", "方案启动", "plans started"},
    {"alarms", "报警", "alarms"},
    {"texts", "短信", "texts"},
    {"texts_most", "单人最多短信", "most texts to one number"},
};

static int get(const struct cli *cli, const char *what, const char *more, struct json **ret)
{
    char path[PATH_BYTES], word[PATH_BYTES - 128], day[CALTIME_DATE_SIZE] = "";
    int64_t at;
    snprintf(path, sizeof path, "/v1/account%s?", what);
    if (cli->word_count > 2) {
        snprintf(day, sizeof day, "%.7s-01", cli->words[2]);
        if (strlen(cli->words[2]) != strlen("2026-09") || !caltime_parse_date(day, &at))
            return cli_fail(cli, EXIT_USAGE, "月份请写成 2026-09", "write the month as 2026-09");
    }
    size_t used = strlen(path);
    if (cli->word_count > 2) {
        cli_encode(cli->words[2], word, sizeof word);
        used += (size_t)snprintf(path + used, sizeof path - used, "month=%.40s", word);
    }
    snprintf(path + used, sizeof path - used, "%s", more);
    return cli_get(cli, path, ret);
}

static void number(const struct json *json, const char *name, char ret[24])
{
    snprintf(ret, 24, "%lld", (long long)json_int(json, name, 0));
}

static void print_figures(const struct cli *cli, const struct json *json)
{
    char value[24];
    printf("%s\n", json_text(json, "month", ""));
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const char *name = cli_say(cli, figures[i].zh, figures[i].en);
        number(json, figures[i].name, value);
        printf("  %s%*s%s\n", name, 28 - table_text_width(name), "", value);
    }
}

static void print_peaks(const struct cli *cli, const struct json *peaks)
{
    static const char *const heads[2][5] = {{"日期", "时段", "岗", "有人", "满员"},
                                            {"date", "peak", "posts", "covered", "full"}};
    struct table table;
    table_init(&table, 5);
    table_add(&table, heads[cli->english]);
    for (size_t i = 0; i < json_count(peaks); i++) {
        const struct json *one = json_at(peaks, i);
        char posts[24], covered[24], full[24];
        number(one, "posts", posts);
        number(one, "covered", covered);
        number(one, "full", full);
        const char *cells[] = {json_text(one, "date", ""),
                               cli_peak_word(cli, json_text(one, "peak", "")), posts, covered,
                               full};
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
}

/* Schools with fewer guards than GB/T 29315-2022 asks for. */
static void print_guards(const struct cli *cli, const struct json *guards)
{
    for (size_t i = 0; i < json_count(guards); i++) {
        const struct json *one = json_at(guards, i);
        int have = (int)json_int(one, "have", 0), need = (int)json_int(one, "need", 0);
        if (have < need)
            printf(cli->english ? "  %s: %d guards, %d pupils ask for %d (GB/T 29315-2022)\n"
                                : "  %s：保安%d人，在校%d人应有%d人（GB/T 29315-2022）\n",
                   json_text(one, "school", ""), have, (int)json_int(one, "pupils", 0), need);
    }
}

/* account month [2026-09] */
int command_account_month(const struct cli *cli)
{
    struct json *json = NULL;
    int code = get(cli, "", "", &json);
    if (code == EXIT_OK && !cli->json) {
        print_figures(cli, json);
        puts("");
        print_peaks(cli, json_get(json, "peaks"));
        print_guards(cli, json_get(json, "guards"));
    }
    json_free(json);
    return code;
}

/* account people [2026-09]: each officer's line of the month, to be signed */
int command_account_people(const struct cli *cli)
{
    static const char *const heads[2][8] = {
        {"姓名", "计划", "按时", "迟到", "缺岗", "请假", "分钟", "隐患"},
        {"name", "planned", "on time", "late", "no-show", "excused", "minutes", "issues"}};
    static const char *const names[] = {"planned", "on_time", "late",  "no_show",
                                        "excused", "minutes", "issues"};
    struct json *json = NULL;
    int code = get(cli, "/people", "&who=officers", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *people = json_get(json, "people");
        struct table table;
        table_init(&table, 8);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(people); i++) {
            const struct json *one = json_at(people, i);
            char cells[7][24];
            const char *row[8] = {json_text(one, "name", "")};
            for (int k = 0; k < 7; k++) {
                number(one, names[k], cells[k]);
                row[k + 1] = cells[k];
            }
            table_add(&table, row);
        }
        table_print(&table);
        table_free(&table);
        fputs(cli_say(cli, "\n所长签字：__________  日期：__________\n",
                      "\nleader: __________  date: __________\n"),
              stdout);
    }
    json_free(json);
    return code;
}

static void clock_of(const struct json *json, const char *name, char ret[CALTIME_CLOCK_SIZE])
{
    int64_t at = json_int(json, name, 0);
    if (at == 0)
        text_copy(ret, CALTIME_CLOCK_SIZE, "");
    else
        caltime_format_clock(at, ret);
}

static void print_duty(const struct cli *cli, const struct json *duty)
{
    char came[CALTIME_CLOCK_SIZE], left[CALTIME_CLOCK_SIZE], hours[24] = "";
    int64_t minutes = json_int(duty, "minutes", 0);
    clock_of(duty, "came", came);
    clock_of(duty, "left", left);
    if (minutes > 0)
        snprintf(hours, sizeof hours, "%lld.%02lld", (long long)minutes / 60,
                 (long long)minutes % 60 * 100 / 60);
    const char *cells[] = {json_text(duty, "name", ""),
                           json_text(duty, "date", ""),
                           json_text(duty, "school", ""),
                           json_text(duty, "post", ""),
                           came,
                           left,
                           hours,
                           cli_word(cli, json_text(duty, "state", "")),
                           json_text(duty, "stood_in_for", ""),
                           json_text(duty, "approved_by", "")};
    cli_csv_line(cells, sizeof cells / sizeof cells[0]);
}

static int print_duties(const struct cli *cli, const char *more, bool only_done)
{
    struct json *json = NULL;
    int code = get(cli, "/duties", more, &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *duties = json_get(json, "duties");
        if (!only_done && json_count(duties) == 0)
            code = cli_fail(cli, EXIT_NOT_FOUND, "这个月没有这个人的班：请写全名或编号",
                            "that person has no duty that month: give the whole name or the id");
        fputs(BOM, stdout);
        puts(cli_say(cli,
                     "姓名,服务日期,服务单位,服务内容,到岗,离岗,服务时长（小时）,状态,替谁,批准人",
                     "name,date,school,post,from,to,hours,state,stood in for,approved by"));
        for (size_t i = 0; i < json_count(duties); i++)
            if (!only_done || json_int(json_at(duties, i), "minutes", 0) > 0)
                print_duty(cli, json_at(duties, i));
    }
    json_free(json);
    return code;
}

/* account hours 2026-09: what volunteers did, one line a duty, for their certificates */
int command_account_hours(const struct cli *cli)
{
    return print_duties(cli, "&who=volunteers", true);
}

/* account sheet 2026-09 NAME: one person's duties */
int command_account_sheet(const struct cli *cli)
{
    char more[PATH_BYTES - 128] = "&person=";
    cli_encode(cli->words[3], more + strlen(more), sizeof more - strlen(more));
    return print_duties(cli, more, false);
}

/* account export 2026-09: the month's figures as CSV */
int command_account_export(const struct cli *cli)
{
    struct json *json = NULL;
    int code = get(cli, "", "", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *counts = json_get(json, "counts");
        fputs(BOM, stdout);
        for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
            char value[24];
            number(json, figures[i].name, value);
            const char *cells[] = {json_text(json, "month", ""),
                                   cli_say(cli, figures[i].zh, figures[i].en), value};
            cli_csv_line(cells, 3);
        }
        for (size_t i = 0; i < json_count(counts); i++) {
            const struct json *one = json_at(counts, i);
            char value[24];
            number(one, "number", value);
            const char *cells[] = {json_text(one, "school", ""), json_text(one, "name", ""), value};
            cli_csv_line(cells, 3);
        }
    }
    json_free(json);
    return code;
}
