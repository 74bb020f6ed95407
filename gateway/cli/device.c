/* touyan device list: the devices at the gates, also those that nobody registered. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

static const char *state_name(const struct cli *cli, const char *state)
{
    if (cli->english)
        return state;
    if (strcmp(state, "online") == 0)
        return "在线";
    return strcmp(state, "offline") == 0 ? "离线" : "未知";
}

static void add_device(const struct cli *cli, struct table *table, const struct json *device)
{
    char since[16], heard[16];
    cli_format_time(json_int(device, "since", 0), since);
    cli_format_time(json_int(device, "heard", 0), heard);
    const char *cells[] = {json_text(device, "school", ""),
                           json_text(device, "post", ""),
                           json_bool(device, "registered", false)
                               ? json_text(device, "kind", "")
                               : cli_say(cli, "未登记", "not registered"),
                           state_name(cli, json_text(device, "state", "unknown")),
                           since,
                           heard,
                           json_text(device, "id", "")};
    table_add(table, cells);
}

/* Problems last: first those that are online. */
static bool is_online(const struct json *device)
{
    return strcmp(json_text(device, "state", ""), "online") == 0;
}

enum { RAW_LINES = 5 };

/* The newest at the bottom; all of them with --json. */
static void print_raw(const struct cli *cli, const struct json *raw)
{
    size_t count = json_count(raw);
    if (count == 0)
        return;
    printf("%s\n",
           cli_say(cli, "没有规则能懂的最近消息：", "last messages that no rule understood:"));
    for (size_t i = count < RAW_LINES ? count : RAW_LINES; i > 0; i--) {
        const struct json *one = json_at(raw, i - 1);
        char at[16];
        cli_format_time(json_int(one, "at", 0), at);
        printf("  %s  %.200s  %.200s\n", at, json_text(one, "topic", ""),
               json_text(one, "reason", ""));
    }
}

int command_device_list(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/devices", &json);
    if (code == EXIT_OK && !cli->json) {
        static const char *const heads[2][7] = {
            {"学校", "岗位", "类型", "状态", "自", "最近消息", "编号"},
            {"school", "post", "kind", "state", "since", "heard", "id"}};
        const struct json *devices = json_get(json, "devices");
        struct table table;
        table_init(&table, 7);
        table_add(&table, heads[cli->english]);
        for (int good = 1; good >= 0; good--)
            for (size_t i = 0; i < json_count(devices); i++)
                if (is_online(json_at(devices, i)) == (good == 1))
                    add_device(cli, &table, json_at(devices, i));
        table_print(&table);
        table_free(&table);
        print_raw(cli, json_get(json, "raw"));
    }
    json_free(json);
    return code;
}
