/* touyan status: the station at a glance, problems last. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

static void print_posts(const struct cli *cli, const struct json *posts)
{
    char at[16];
    cli_format_time(json_int(posts, "start_at", 0), at);
    if (json_text(posts, "peak", NULL) == NULL) {
        printf("%s\n",
               cli_say(cli, "岗位    今天没有要执勤的时段了", "posts     no more duty today"));
        return;
    }
    printf(cli->english ? "posts     %s: %lld assigned, %lld on post, %lld confirmed, %lld absent\n"
                        : "岗位    %s：应到 %lld，到岗 %lld，已确认 %lld，缺 %lld\n",
           at, (long long)json_int(posts, "assigned", 0), (long long)json_int(posts, "on_post", 0),
           (long long)json_int(posts, "confirmed", 0), (long long)json_int(posts, "absent", 0));
}

static void print_messages(const struct cli *cli, const struct json *sms)
{
    static const struct {
        const char *state, *zh;
    } states[] = {{"queued", "待发"},  {"claimed", "准备"},   {"submitted", "发送中"},
                  {"sent", "已发"},    {"delivered", "送达"}, {"failed", "失败"},
                  {"expired", "过期"}, {"unknown", "不明"},   {"cancelled", "取消"}};
    bool any = false;
    printf("%s", cli_say(cli, "短信    ", "messages  "));
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        int64_t count = json_int(sms, states[i].state, 0);
        if (count == 0)
            continue;
        printf("%s%s %lld", any ? cli_say(cli, "，", ", ") : "",
               cli_say(cli, states[i].zh, states[i].state), (long long)count);
        any = true;
    }
    printf("%s\n", any ? "" : cli_say(cli, "没有", "none"));
}

static const char *modem_state(const struct cli *cli, const char *state)
{
    static const struct {
        const char *state, *zh;
    } names[] = {{"ready", "就绪"},      {"sending", "发送中"}, {"down", "没有接上"},
                 {"starting", "启动中"}, {"draining", "收尾"},  {"backoff", "稍后重试"},
                 {"mending", "修复中"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].state, state) == 0)
            return cli_say(cli, names[i].zh, state);
    return state;
}

/* "; radio 2 (22 Nov 10:05)": what had to be done to it. */
static void print_remedies(const struct cli *cli, const struct json *modem)
{
    static const struct {
        const char *step, *zh;
    } names[] = {
        {"radio", "关开射频"}, {"reset", "重启"}, {"reopen", "重新打开"}, {"power", "断电"}};
    const struct json *list = json_get(modem, "remedies");
    for (size_t i = 0; i < json_count(list) && i < sizeof names / sizeof names[0]; i++) {
        const struct json *remedy = json_at(list, i);
        char at[16];
        if (json_int(remedy, "count", 0) == 0)
            continue;
        cli_format_time(json_int(remedy, "last", 0), at);
        printf(cli->english ? "; %s %lld (%s)" : "；%s%lld次（%s）",
               cli_say(cli, names[i].zh, names[i].step), (long long)json_int(remedy, "count", 0),
               at);
    }
}

/* Since when it does not work, and how often its program began anew. */
static void print_illness(const struct cli *cli, const struct json *modem)
{
    const char *state = json_text(modem, "state", "");
    bool works = strcmp(state, "ready") == 0 || strcmp(state, "sending") == 0;
    int64_t ill = json_int(modem, "ill_since", 0), restarts = json_int(modem, "restarts", 0);
    int64_t unknown = json_int(modem, "unknown_sends", 0);
    int64_t since = ill > 0 ? ill : works ? 0 : json_int(modem, "since", 0);
    char at[16];
    cli_format_time(since, at);
    if (since > 0)
        printf(cli->english ? "; not working since %s" : "；自 %s 不正常", at);
    if (restarts > 0)
        printf(cli->english ? "; begun anew %lld" : "；重新启动%lld次", (long long)restarts);
    if (unknown > 0)
        printf(cli->english ? "; perhaps sent %lld" : "；不明是否发出%lld条", (long long)unknown);
}

static void print_modems(const struct cli *cli, const struct json *modems)
{
    for (size_t i = 0; i < json_count(modems); i++) {
        const struct json *modem = json_at(modems, i);
        printf("%s%s %s %s %s CSQ %lld", cli_say(cli, "短信猫  ", "modem     "),
               json_text(modem, "name", "?"), modem_state(cli, json_text(modem, "state", "?")),
               json_text(modem, "model", ""), json_text(modem, "driver", ""),
               (long long)json_int(modem, "csq", 99));
        print_illness(cli, modem);
        print_remedies(cli, modem);
        printf("\n");
    }
}

static void print_links(const struct cli *cli, const struct json *json)
{
    const struct json *county = json_get(json, "county"), *broker = json_get(json, "broker");
    char at[16], age[CLI_AGE];
    cli_format_time(json_int(county, "as_of", 0), at);
    cli_format_age(cli, json_int(county, "age_ms", -1), age);
    printf(cli->english ? "county    %s, last progress %s%s%s, %lld rows to send\n"
                        : "县平台  %s，最近同步 %s%s%s，待上传 %lld 行\n",
           cli_link_name(cli, county), at, age[0] != '\0' ? " " : "", age,
           (long long)json_int(county, "pending", 0));
    printf("%s%s\n", cli_say(cli, "设备线  ", "broker    "),
           json_bool(broker, "connected", false) ? cli_say(cli, "已连接", "connected")
                                                 : cli_say(cli, "断开", "not connected"));
}

static void print_flow(const struct cli *cli, const struct json *flow)
{
    static const struct {
        const char *level, *zh;
    } names[] = {{"flat", "平峰"}, {"peak", "高峰"}, {"heavy", "拥堵"}};
    for (size_t i = 0; i < json_count(flow); i++) {
        const struct json *one = json_at(flow, i);
        const char *level = json_text(one, "level", "flat"), *zh = level;
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
            zh = strcmp(names[n].level, level) == 0 ? names[n].zh : zh;
        printf(cli->english ? "%s%s %s, about %lld people%s\n" : "%s%s %s，约 %lld 人%s\n",
               i == 0 ? cli_say(cli, "客流    ", "flow      ")
                      : cli_say(cli, "        ", "          "),
               json_text(one, "school", ""), cli_say(cli, zh, level),
               (long long)json_int(one, "people", 0),
               json_int(one, "by_hand", 0) != 0 ? cli_say(cli, "（人工）", " (by hand)") : "");
    }
}

static void print_radio(const struct cli *cli, const struct json *radio)
{
    char heard[16];
    if (json_int(radio, "nodes", 0) == 0 && !json_bool(radio, "mesh", false))
        return;
    cli_format_time(json_int(radio, "heard", 0), heard);
    printf(cli->english ? "radio     %lld registered, %lld not, last heard %s, %lld waiting, air "
                          "%lld.%lld %%\n"
                        : "电台    登记 %lld，未登记 %lld，最近听到 %s，待发 %lld，空中时间 "
                          "%lld.%lld %%\n",
           (long long)json_int(radio, "nodes", 0), (long long)json_int(radio, "strangers", 0),
           heard, (long long)json_int(radio, "queued", 0),
           (long long)json_int(radio, "air_permille", 0) / 10,
           (long long)json_int(radio, "air_permille", 0) % 10);
}

static void print_status(const struct cli *cli, const struct json *json)
{
    char now[16];
    cli_format_time(json_int(json, "now", 0), now);
    printf("%s %s  %s  touyan %s\n", json_text(json, "name", ""), json_text(json, "station", ""),
           now, json_text(json, "version", "?"));
    print_posts(cli, json_get(json, "posts"));
    printf("%s%lld\n", cli_say(cli, "报警    未结束 ", "alarms    open "),
           (long long)json_int(json, "alarms_open", 0));
    printf("%s%lld\n", cli_say(cli, "待人工  ", "for you   "),
           (long long)json_int(json, "inbox_open", 0));
    print_messages(cli, json_get(json, "sms"));
    print_modems(cli, json_get(json, "modems"));
    print_radio(cli, json_get(json, "radio"));
    print_flow(cli, json_get(json, "flow"));
    printf(cli->english ? "devices   %lld, offline %lld, repairs %lld\n"
                        : "设备    %lld 台，离线 %lld 台，待修 %lld 项\n",
           (long long)json_int(json, "devices", 0), (long long)json_int(json, "devices_offline", 0),
           (long long)json_int(json, "repairs_open", 0));
    print_links(cli, json);
}

int command_status(const struct cli *cli)
{
    struct json *json = NULL, *check = NULL;
    int code = cli_get(cli, "/v1/status", &json);
    if (code == EXIT_OK && !cli->json) {
        print_status(cli, json);
        code = cli_peek(cli, "/v1/check", &check);
        if (code == EXIT_OK && check_print_problems(cli, json_get(check, "findings")) == 0)
            printf("%s\n", cli_say(cli, "没有问题", "no problems"));
        json_free(check);
    }
    json_free(json);
    return code;
}
