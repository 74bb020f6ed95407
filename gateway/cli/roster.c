/* touyan roster plan|show|diff|publish: the draft of a week. Planning runs in the daemon; the
 * command waits for its end and tells what the plan would change. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/cli/cli.h"

enum { WAIT_MS = 200, WAITS = 300, CELL = 256 };

static int print_summary(const struct cli *cli, const struct json *json)
{
    const char *week = json_text(json, "week", "");
    if (week[0] == '\0')
        return cli_fail(cli, EXIT_NOT_FOUND, "还没有草案：touyan roster plan [日期]",
                        "there is no draft: touyan roster plan [DATE]");
    printf(cli->english ? "week of %s: %d changes, %d gaps\n" : "%s 这一周：%d 处变动，缺 %d 人\n",
           week, (int)json_int(json, "changes", 0), (int)json_int(json, "gaps", 0));
    if (!json_bool(json, "calendar_known", true))
        fputs(cli_say(cli,
                      "注意：这一周有的日子日历上还没有定（新一年的放假通知，或补课日按周几上课），"
                      "先按星期几排\n",
                      "note: the calendar does not know all of these days yet; they are planned "
                      "by their weekday\n"),
              stdout);
    int missing = (int)json_int(json, "visits_missing", 0);
    if (missing > 0)
        printf(cli->english ? "%d visits of senior officers found no time\n"
                            : "驻岗还有 %d 次排不进\n",
               missing);
    return EXIT_OK;
}

static void print_visits(const struct cli *cli, const struct json *visits)
{
    struct table table;
    if (json_count(visits) == 0)
        return;
    puts(cli_say(cli, "驻岗：", "visits:"));
    table_init(&table, 4);
    for (size_t i = 0; i < json_count(visits); i++) {
        const struct json *one = json_at(visits, i);
        const char *cells[] = {json_text(one, "date", ""),
                               cli_peak_word(cli, json_text(one, "peak", "")),
                               json_text(one, "school", ""), json_text(one, "person", "")};
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
}

/* A post that lacks people, and why: the plan's words are of the whole school. */
static void print_gap(const struct cli *cli, const struct json *shift)
{
    char at[16];
    const char *why = json_text(shift, "why", NULL), *colon = cli->english ? ": " : "：";
    int missing = (int)json_int(shift, "need", 0) - (int)json_count(json_get(shift, "people"));
    if (why == NULL)
        return;
    const char *reasons = strstr(why, colon);
    cli_format_time(json_int(shift, "start_at", 0), at);
    printf(cli->english ? "  %s %s %s: %d missing%s\n" : "  %s %s%s缺%d人%s\n", at,
           json_text(shift, "school", ""), json_text(shift, "post", ""), missing,
           reasons != NULL ? reasons : "");
}

static void print_gaps(const struct cli *cli, const struct json *json)
{
    const struct json *shifts = json_get(json, "shifts");
    for (size_t i = 0; i < json_count(shifts); i++)
        print_gap(cli, json_at(shifts, i));
}

/* The daemon plans on a thread of its own; *ret_problem is "" when all went well. */
static int wait_planned(const struct cli *cli)
{
    for (int i = 0; i < WAITS; i++) {
        struct json *json = NULL;
        int code = cli_peek(cli, "/v1/roster/state", &json);
        if (code != EXIT_OK)
            return code;
        bool planning = json_bool(json, "planning", false);
        const char *problem = json_text(json, "problem", "");
        if (!planning && problem[0] != '\0') {
            char plain[REFUSAL_BYTES];
            fprintf(stderr, "touyan: %s\n", cli_plainly(cli, problem, plain));
            code = cli_fail(cli, EXIT_LATER, "没有排成", "no plan was made");
        }
        json_free(json);
        if (!planning)
            return code;
        clock_sleep_ms(WAIT_MS);
    }
    return cli_fail(cli, EXIT_LATER, "还在排，稍后用 touyan roster diff 看",
                    "still planning, see touyan roster diff later");
}

int command_roster_plan(const struct cli *cli)
{
    struct json *json = NULL, *body = json_new_object();
    for (int i = 2; i < cli->word_count; i++) {
        bool afresh = strcmp(cli->words[i], "afresh") == 0;
        if (afresh)
            json_set_bool(body, "afresh", true);
        else
            json_set_text(body, "date", cli->words[i]);
    }
    struct cli quiet = *cli;
    quiet.json = false;
    int code = cli_post(&quiet, "/v1/roster/plan", body, &json);
    json_free(json);
    json = NULL;
    if (code == EXIT_OK)
        code = wait_planned(cli);
    if (code == EXIT_OK)
        code = cli_get(cli, "/v1/roster", &json);
    if (code == EXIT_OK && !cli->json) {
        code = print_summary(cli, json);
        print_gaps(cli, json);
    }
    json_free(json);
    return code;
}

static void add_shift(struct table *table, const struct json *shift)
{
    char at[16], people[TABLE_CELL] = "", need[16];
    const struct json *list = json_get(shift, "people");
    size_t used = 0;
    cli_format_time(json_int(shift, "start_at", 0), at);
    for (size_t i = 0; i < json_count(list) && used < sizeof people - CELL; i++)
        used += (size_t)snprintf(people + used, sizeof people - used, "%s%s", i > 0 ? "、" : "",
                                 json_text(json_at(list, i), "name", ""));
    snprintf(need, sizeof need, "%zu/%d", json_count(list), (int)json_int(shift, "need", 0));
    const char *cells[] = {at, json_text(shift, "school", ""), json_text(shift, "post", ""), need,
                           people};
    table_add(table, cells);
}

static void print_shifts(const struct cli *cli, const struct json *shifts)
{
    static const char *const heads[2][5] = {{"时间", "学校", "岗位", "人数", "人员"},
                                            {"at", "school", "post", "people", "who"}};
    struct table table;
    table_init(&table, 5);
    table_add(&table, heads[cli->english]);
    for (size_t i = 0; i < json_count(shifts); i++)
        add_shift(&table, json_at(shifts, i));
    table_print(&table);
    table_free(&table);
}

/* Why each of them stands there, at one school or of one person; false: neither is in the draft. */
static bool print_reasons(const struct cli *cli, const struct json *shifts, const char *whose)
{
    bool found = false;
    for (size_t i = 0; i < json_count(shifts); i++) {
        const struct json *shift = json_at(shifts, i), *people = json_get(shift, "people");
        bool school = strcmp(json_text(shift, "school", ""), whose) == 0;
        for (size_t k = 0; k < json_count(people); k++) {
            const struct json *one = json_at(people, k);
            if (!school && strcmp(json_text(one, "name", ""), whose) != 0)
                continue;
            found = true;
            printf("%s（%s）%s\n", json_text(shift, "post", ""),
                   cli_force_word(cli, json_text(one, "kind", "")), json_text(one, "why", ""));
        }
        if (school)
            print_gap(cli, shift);
        found = found || school;
    }
    return found;
}

int command_roster_show(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/roster", &json);
    const struct json *shifts = json_get(json, "shifts");
    if (code == EXIT_OK && !cli->json)
        code = print_summary(cli, json);
    if (code == EXIT_OK && !cli->json && cli->word_count > 2) {
        if (!print_reasons(cli, shifts, cli->words[2]))
            code = cli_fail(cli, EXIT_NOT_FOUND, "草案里没有这所学校（写简称）或这个人",
                            "neither a school (by its short name) nor a person of the draft");
    } else if (code == EXIT_OK && !cli->json) {
        print_shifts(cli, shifts);
        print_visits(cli, json_get(json, "visits"));
        print_gaps(cli, json);
    }
    json_free(json);
    return code;
}

static const char *what_name(const struct cli *cli, const char *what)
{
    if (strcmp(what, "added") == 0)
        return cli_say(cli, "新增", "added");
    return strcmp(what, "removed") == 0 ? cli_say(cli, "取消", "removed")
                                        : cli_say(cli, "改时间", "moved");
}

int command_roster_diff(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/roster/diff", &json);
    if (code == EXIT_OK && !cli->json)
        code = print_summary(cli, json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *lines = json_get(json, "lines");
        struct table table;
        table_init(&table, 5);
        for (size_t i = 0; i < json_count(lines); i++) {
            const struct json *line = json_at(lines, i);
            char at[16];
            cli_format_time(json_int(line, "start_at", 0), at);
            const char *cells[] = {what_name(cli, json_text(line, "what", "")), at,
                                   json_text(line, "school", ""), json_text(line, "post", ""),
                                   json_text(line, "person", "")};
            table_add(&table, cells);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

int command_roster_publish(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_post(cli, "/v1/roster/publish", json_new_object(), &json);
    if (code == EXIT_OK && !cli->json)
        printf(cli->english
                   ? "the week of %s is published: %d changes, %d gaps; those concerned are told\n"
                   : "已公布 %s 这一周：%d 处变动，缺 %d 人；有变动的人会收到短信\n",
               json_text(json, "week", ""), (int)json_int(json, "changes", 0),
               (int)json_int(json, "gaps", 0));
    json_free(json);
    return code;
}
