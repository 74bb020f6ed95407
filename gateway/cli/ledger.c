/* touyan ledger: the open issues of the schools, by department; one issue's story; what somebody
 * does with one. `by` is who did it: the second person who verifies cannot be the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { PATH_BYTES = 512 };

static const char *state_name(const struct cli *cli, const struct json *issue)
{
    static const char *const names[][3] = {
        {"open", "待分派", "open"},     {"assigned", "已分派", "assigned"},
        {"fixing", "整改中", "fixing"}, {"fixed", "待复核", "to verify"},
        {"closed", "已销号", "closed"}, {"merged", "并入", "merged"},
    };
    const char *state = json_text(issue, "state", "");
    if (json_bool(issue, "overdue", false))
        return cli_say(cli, "超期", "OVERDUE");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], state) == 0)
            return names[i][cli->english ? 2 : 1];
    return state;
}

static void print_table(const struct cli *cli, const struct json *issues)
{
    static const char *const heads[2][7] = {
        {"编号", "学校", "隐患", "责任单位", "期限", "状态", "报告人"},
        {"code", "school", "issue", "department", "due", "state", "found by"}};
    struct table table;
    table_init(&table, 7);
    table_add(&table, heads[cli->english]);
    for (size_t i = 0; i < json_count(issues); i++) {
        const struct json *one = json_at(issues, i);
        const char *cells[] = {json_text(one, "code", ""),     json_text(one, "school", ""),
                               json_text(one, "title", ""),    json_text(one, "dept", "-"),
                               json_text(one, "due", "-"),     state_name(cli, one),
                               json_text(one, "reporter", "-")};
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
}

static int get_list(const struct cli *cli, bool all, struct json **ret)
{
    char path[PATH_BYTES] = "/v1/ledger", school[PATH_BYTES - 64] = "";
    if (cli->word_count > 2)
        cli_encode(cli->words[2], school, sizeof school);
    snprintf(path, sizeof path, "/v1/ledger?%s%s%s", all ? "all=1" : "open=1",
             school[0] != '\0' ? "&school=" : "", school);
    return cli_get(cli, path, ret);
}

int command_ledger_list(const struct cli *cli)
{
    struct json *json = NULL;
    int code = get_list(cli, false, &json);
    if (code == EXIT_OK && !cli->json)
        print_table(cli, json_get(json, "issues"));
    json_free(json);
    return code;
}

/* A sheet to sign and hang up: everything there was, with room for the second signature. */
int command_ledger_print(const struct cli *cli)
{
    struct json *json = NULL;
    int code = get_list(cli, true, &json);
    if (code == EXIT_OK && !cli->json) {
        char as_of[16];
        cli_format_time(json_int(json, "as_of", 0), as_of);
        printf(cli->english ? "Ledger of %s    county's word as of %s\n\n"
                            : "%s 一校一策问题台账    县平台数据截至 %s\n\n",
               json_text(json, "school", cli->words[2]), as_of);
        print_table(cli, json_get(json, "issues"));
        fputs(cli_say(cli, "\n整改人签字：__________  复核人签字：__________  日期：__________\n",
                      "\nmended by: __________  verified by: __________  date: __________\n"),
              stdout);
    }
    json_free(json);
    return code;
}

int command_ledger_show(const struct cli *cli)
{
    struct json *json = NULL;
    char path[PATH_BYTES] = "/v1/ledger/";
    cli_encode(cli->words[2], path + strlen(path), sizeof path - strlen(path));
    int code = cli_get(cli, path, &json);
    if (code == EXIT_OK && !cli->json) {
        printf("%s  %s  %s  %s\n", json_text(json, "code", ""), json_text(json, "school", ""),
               json_text(json, "title", ""), state_name(cli, json));
        const struct json *story = json_get(json, "story");
        for (size_t i = 0; i < json_count(story); i++) {
            const struct json *event = json_at(story, i);
            char at[16];
            cli_format_time(json_int(event, "at", 0), at);
            printf("  %s  %-8s %s %s\n", at, cli_word(cli, json_text(event, "what", "")),
                   json_text(event, "person", ""), json_text(event, "detail", ""));
        }
    }
    json_free(json);
    return code;
}

static int post(const struct cli *cli, struct json *body)
{
    struct json *json = NULL;
    int code = cli_post(cli, "/v1/ledger", body, &json);
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", json_text(json, "code", ""));
    json_free(json);
    return code;
}

/* Each word after the verb has a name; a missing one at the end is left out. */
static struct json *body_of(const struct cli *cli, const char *act, const char *const *names)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", act);
    for (int i = 2; i < cli->word_count && names[i - 2] != NULL; i++)
        json_set_text(body, names[i - 2], cli->words[i]);
    return body;
}

int command_ledger_add(const struct cli *cli)
{
    static const char *const names[] = {"school", "text", "by", NULL};
    struct json *body = body_of(cli, "add", names);
    int severity = 0;
    if (cli->word_count > 5 && !text_to_int(cli->words[5], 1, 3, &severity)) {
        json_free(body);
        return cli_usage(cli, "ledger add SCHOOL TEXT BY [1|2|3]");
    }
    json_set_int(body, "severity", severity);
    return post(cli, body);
}

int command_ledger_assign(const struct cli *cli)
{
    static const char *const names[] = {"code", "dept", "due", "by", NULL};
    return post(cli, body_of(cli, "assign", names));
}

int command_ledger_merge(const struct cli *cli)
{
    static const char *const names[] = {"code", "into", "by", NULL};
    return post(cli, body_of(cli, "merge", names));
}

/* start, fix, verify, reopen */
int command_ledger_act(const struct cli *cli)
{
    static const char *const names[] = {"code", "by", NULL};
    return post(cli, body_of(cli, cli->words[1], names));
}
