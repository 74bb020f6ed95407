/* touyan desk list, touyan desk done ID: what waits for a person; touyan desk declines: who cannot
 * come. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

static const char *kind_name(const struct cli *cli, const char *kind)
{
    static const char *const names[][3] = {
        {"text", "短信", "text"},       {"call", "请打电话", "call"},
        {"gap", "缺岗", "gap"},         {"storm", "多岗缺", "storm"},
        {"event", "设备", "device"},    {"alarm", "报警", "alarm"},
        {"stop", "退订", "stop"},       {"push", "待确认群发", "push"},
        {"unsent", "未发出", "unsent"}, {"ring", "来电", "ring"},
        {"issue", "隐患", "issue"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], kind) == 0)
            return names[i][cli->english ? 2 : 1];
    return kind;
}

static void add_item(const struct cli *cli, struct table *table, const struct json *item)
{
    char at[16];
    cli_format_time(json_int(item, "at", 0), at);
    const char *cells[] = {at,
                           kind_name(cli, json_text(item, "kind", "")),
                           json_text(item, "person", ""),
                           json_text(item, "number", ""),
                           json_text(item, "text", ""),
                           json_text(item, "id", "")};
    table_add(table, cells);
}

int command_desk_list(const struct cli *cli)
{
    static const char *const heads[2][6] = {{"时间", "事项", "人员", "号码", "内容", "编号"},
                                            {"at", "what", "who", "number", "text", "id"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/desk", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *items = json_get(json, "items");
        struct table table;
        table_init(&table, 6);
        table_add(&table, heads[cli->english]);
        for (size_t i = json_count(items); i > 0; i--) /* the newest at the bottom */
            add_item(cli, &table, json_at(items, i - 1));
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

int command_desk_done(const struct cli *cli)
{
    struct json *json = NULL, *body = json_new_object();
    json_set_text(body, "id", cli->words[2]);
    int code = cli_post(cli, "/v1/desk/done", body, &json);
    json_free(json);
    return code;
}

int command_desk_declines(const struct cli *cli)
{
    static const char *const heads[2][6] = {{"时间", "学校", "岗位", "人员", "原因", "顶岗"},
                                            {"at", "school", "post", "who", "why", "stand-in"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/declines", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *list = json_get(json, "declines");
        struct table table;
        table_init(&table, 6);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(list); i++) {
            const struct json *one = json_at(list, i);
            char at[16];
            cli_format_time(json_int(one, "start", 0), at);
            const char *cells[] = {at,
                                   json_text(one, "school", ""),
                                   json_text(one, "post", ""),
                                   json_text(one, "person", ""),
                                   json_text(one, "reason", "-"),
                                   json_text(one, "stand_in", "-")};
            table_add(&table, cells);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}
