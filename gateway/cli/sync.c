/* touyan sync status: how far this station and the county know the same. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

const char *cli_link_name(const struct cli *cli, const struct json *sync)
{
    static const struct {
        const char *link, *zh, *en;
    } names[] = {{"off", "没有配置县平台", "no county is configured"},
                 {"held", "暂停，等人查看", "held until a person has looked"},
                 {"unknown", "还没有连过", "not tried yet"},
                 {"up", "已连接", "up"},
                 {"down", "断开，本站照常工作", "down; the station works on"}};
    const char *link = json_text(sync, "link", "?");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].link, link) == 0)
            return cli_say(cli, names[i].zh, names[i].en);
    return link;
}

static void print_count(const struct cli *cli, const struct json *sync, const char *key,
                        const char *zh, const char *en)
{
    char count[24];
    snprintf(count, sizeof count, "%lld", (long long)json_int(sync, key, 0));
    printf("%s %s\n", cli_say(cli, zh, en), count);
}

int command_sync_status(const struct cli *cli)
{
    struct json *sync = NULL;
    char since[16], as_of[16];
    int code = cli_get(cli, "/v1/sync", &sync);
    if (code != EXIT_OK || cli->json) {
        json_free(sync);
        return code;
    }
    cli_format_time(json_int(sync, "since", 0), since);
    cli_format_time(json_int(sync, "as_of", 0), as_of);
    printf(cli->english ? "county: %s (since %s)\n" : "县平台：%s（自 %s）\n",
           cli_link_name(cli, sync), since);
    printf("%s %s\n", cli_say(cli, "县里的数据截至", "the county's data is as of"), as_of);
    print_count(cli, sync, "pending", "待上传行数", "rows to send");
    print_count(cli, sync, "rows_pushed", "启动以来上传", "sent since the start");
    print_count(cli, sync, "rows_applied", "启动以来收到", "received since the start");
    print_count(cli, sync, "conflicts", "冲突（以县里为准）",
                "conflicts (the county's row counts)");
    print_count(cli, sync, "quarantined", "搁置的记录", "rows put aside");
    const char *problem = json_text(sync, "problem", "");
    if (problem[0] != '\0')
        printf("%s %.300s\n", cli_say(cli, "问题：", "problem:"), problem);
    json_free(sync);
    return EXIT_OK;
}
