/* touyan sync: how far this station and the county know the same (the time of the last progress
 * first), and what is open between them. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 10000 };

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

/* Why this station goes on under another number, and what is to be done about it. */
static void print_life(const struct cli *cli, const struct json *sync)
{
    static const struct {
        const char *code, *zh, *en;
    } reasons[] = {
        {"rewind", "县平台从备份恢复过：县里缺的，本站已交还，不用处理",
         "the county came back from a backup: it was given back what it lacked, nothing is to do"},
        {"copy", "身份：数据搬到了另一台主机，已换新编号；原来那台若还开着，请关掉一台",
         "identity: the data is on another machine now and has a new number; if the old one still "
         "runs, stop one of them"},
        {"reinc",
         "身份：本站数据比县里记得的旧（硬盘恢复过？），或两台主机在用同一份数据；已换新编号，"
         "数据没有丢；若有两台，请关掉一台",
         "identity: this data is older than the county remembers (a restored disk?), or two "
         "machines run with it; it has a new number, nothing is lost; if there are two, stop one"}};
    char at[16];
    const char *code = json_text(sync, "reincarnated_code", "");
    if (json_int(sync, "reincarnations", 0) == 0)
        return;
    cli_format_time(json_int(sync, "reincarnated", 0), at);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(code, reasons[i].code) == 0)
            printf("%s (%s)\n", cli_say(cli, reasons[i].zh, reasons[i].en), at);
    if (strcmp(code, "rewind") == 0)
        print_count(cli, sync, "given_back", "交还的行数", "rows given back");
}

/* What a person should know of clocks. */
static void print_warnings(const struct cli *cli, const struct json *sync)
{
    int64_t q = json_int(sync, "time_q", 2);
    if (q == 1)
        printf(cli->english ? "clock: wrong by %lld s, times are corrected\n"
                            : "时钟：相差 %lld 秒，时间已按县里校正\n",
               (long long)json_int(sync, "clock_off_ms", 0) / 1000);
    if (q == 0)
        printf("%s\n", cli_say(cli, "时钟：本次开机后还没有与县里核对过，时间仅供参考",
                               "clock: not compared with the county's since the machine started, "
                               "times are estimates"));
}

int command_sync_status(const struct cli *cli)
{
    struct json *sync = NULL;
    char since[16], as_of[16], age[CLI_AGE];
    int code = cli_get(cli, "/v1/sync", &sync);
    if (code != EXIT_OK || cli->json) {
        json_free(sync);
        return code;
    }
    cli_format_time(json_int(sync, "since", 0), since);
    cli_format_time(json_int(sync, "as_of", 0), as_of);
    cli_format_age(cli, json_int(sync, "age_ms", -1), age);
    printf("%s %s%s%s%s\n", cli_say(cli, "县里的数据截至", "the county's data is as of"), as_of,
           age[0] != '\0' ? " (" : "", age, age[0] != '\0' ? ")" : "");
    printf(cli->english ? "county: %s (since %s)\n" : "县平台：%s（自 %s）\n",
           cli_link_name(cli, sync), since);
    print_count(cli, sync, "pending", "待上传行数", "rows to send");
    print_count(cli, sync, "rows_pushed", "启动以来上传", "sent since the start");
    print_count(cli, sync, "rows_applied", "启动以来收到", "received since the start");
    print_count(cli, sync, "conflicts", "冲突（以县里为准）",
                "conflicts (the county's row counts)");
    print_count(cli, sync, "quarantined", "搁置的记录", "rows put aside");
    print_warnings(cli, sync);
    print_life(cli, sync);
    struct json *enrolment = NULL;
    if (cli_peek(cli, "/v1/enrol", &enrolment) == EXIT_OK &&
        strcmp(json_text(enrolment, "state", "off"), "off") != 0)
        enrolment_print(cli, enrolment);
    json_free(enrolment);
    const char *problem = json_text(sync, "problem", "");
    if (problem[0] != '\0')
        printf("%s %.300s\n", cli_say(cli, "问题：", "problem:"), problem);
    json_free(sync);
    return EXIT_OK;
}

int command_sync_now(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_post(cli, "/v1/sync/now", json_new_object(), &json);
    json_free(json);
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", cli_say(cli, "正在联系县平台，结果看 touyan sync status",
                               "the county is being asked: see touyan sync status"));
    return code;
}

/* --- lists --- */

static const char *group_of(const struct cli *cli, const struct json *one)
{
    int64_t groups = json_int(one, "groups", 0);
    if ((groups & 128) != 0)
        return cli_say(cli, "删除", "deleted");
    return groups == 2 ? cli_say(cli, "状态", "state") : cli_say(cli, "内容", "content");
}

static const char *pending_state(const struct cli *cli, const char *state)
{
    if (strcmp(state, "unsent") == 0)
        return cli_say(cli, "待发", "unsent");
    return strcmp(state, "lost") == 0 ? cli_say(cli, "以县里为准", "lost")
                                      : cli_say(cli, "在途", "in flight");
}

/* Nothing is said of a time that is exact, or not sent yet. */
static const char *time_word(const struct cli *cli, const struct json *one)
{
    switch (json_int(one, "time_q", 2)) {
    case 0:
        return cli_say(cli, "估计", "estimated");
    case 1:
        return cli_say(cli, "已校正", "corrected");
    default:
        return "";
    }
}

static void add_pending(const struct cli *cli, struct table *table, const struct json *one,
                        const char *at)
{
    const char *cells[] = {at,
                           time_word(cli, one),
                           json_text(one, "table", "?"),
                           group_of(cli, one),
                           pending_state(cli, json_text(one, "state", "")),
                           json_text(one, "id", "")};
    table_add(table, cells);
}

static void add_conflict(const struct cli *cli, struct table *table, const struct json *one,
                         const char *at)
{
    const struct json *mine = json_get(one, "mine");
    const char *cells[] = {at,
                           json_text(one, "table", "?"),
                           group_of(cli, one),
                           json_text(mine, "state", ""),
                           json_int(one, "settled", 0) > 0
                               ? cli_say(cli, "已取县里的", "taken over")
                               : cli_say(cli, "等县里的", "awaited"),
                           json_text(one, "id", "")};
    table_add(table, cells);
}

static void add_aside(const struct cli *cli, struct table *table, const struct json *one,
                      const char *at)
{
    bool out = strcmp(json_text(one, "way", ""), "out") == 0;
    const char *cells[] = {at,
                           out ? cli_say(cli, "上传", "ours") : cli_say(cli, "下发", "county's"),
                           json_text(one, "table", "?"),
                           "",
                           json_text(one, "why", ""),
                           json_text(one, "id", "")};
    table_add(table, cells);
}

struct list {
    const char *key; /* also the last part of the address */
    const char *heads[2][6];
    void (*add)(const struct cli *cli, struct table *table, const struct json *one, const char *at);
};

static int print_list(const struct cli *cli, const struct list *list)
{
    struct json *json = NULL;
    char path[128];
    int limit = LIMIT_DEFAULT;
    if (cli->limit != NULL && !text_to_int(cli->limit, 1, LIMIT_MAX, &limit))
        return cli_usage(cli, "sync pending|conflicts|quarantine [--limit 50]");
    snprintf(path, sizeof path, "/v1/sync/%s?limit=%d", list->key, limit);
    int code = cli_get(cli, path, &json);
    const struct json *all = json_get(json, list->key);
    if (code == EXIT_OK && !cli->json && json_count(all) == 0)
        printf("%s\n", cli_say(cli, "没有", "none"));
    if (code == EXIT_OK && !cli->json && json_count(all) > 0) {
        struct table table;
        table_init(&table, 6);
        table_add(&table, list->heads[cli->english]);
        for (size_t i = json_count(all); i > 0; i--) { /* the newest at the bottom */
            bool oldest_first = strcmp(list->key, "pending") == 0;
            const struct json *one = json_at(all, oldest_first ? json_count(all) - i : i - 1);
            char at[16];
            cli_format_time(json_int(one, "at", 0), at);
            list->add(cli, &table, one, at);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

int command_sync_pending(const struct cli *cli)
{
    static const struct list list = {"pending",
                                     {{"时间", "", "表", "改动", "进度", "编号"},
                                      {"time", "", "table", "change", "state", "id"}},
                                     add_pending};
    return print_list(cli, &list);
}

int command_sync_conflicts(const struct cli *cli)
{
    static const struct list list = {"conflicts",
                                     {{"时间", "表", "改动", "本站的值", "结果", "编号"},
                                      {"time", "table", "change", "ours", "outcome", "id"}},
                                     add_conflict};
    return print_list(cli, &list);
}

int command_sync_quarantine(const struct cli *cli)
{
    static const struct list list = {"quarantine",
                                     {{"时间", "方向", "表", "", "原因", "编号"},
                                      {"time", "whose", "table", "", "reason", "id"}},
                                     add_aside};
    return print_list(cli, &list);
}
