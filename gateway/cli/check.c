/* touyan check: every finding of the daemon, the bad ones last with what to do next. The first line
 * and the exit code are those of a monitoring plugin (0 ok, 1 warning, 2 critical, 3 unknown). */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/holder.h"

enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN, LEVELS };

/* What a finding is called, and what to do when it is not good. */
struct advice {
    const char *code;
    const char *name[2];
    const char *next[2];
};

static const struct advice advices[] = {
    {"database",
     {"数据库", "database"},
     {"查看磁盘空间（df -h）和 journalctl -u touyan-gateway，恢复后会自动继续",
      "look at the disk (df -h) and journalctl -u touyan-gateway; it goes on by itself"}},
    {"backup",
     {"备份", "backup"},
     {"检查配置 replica.backup_dir 是否可写、有无空间",
      "check that replica.backup_dir can be written"}},
    {"modem",
     {"短信猫", "modem"},
     {"检查短信猫是否插好、SIM卡是否欠费；程序会自动重试",
      "check plug and SIM card; it is tried again by itself"}},
    {"no_modem",
     {"短信猫", "modem"},
     {"没有配置短信猫：在 touyan.conf 中加 modem \"gsm0\" 一节",
      "none is configured: add a section modem \"gsm0\" to touyan.conf"}},
    {"bureau_modem",
     {"县局的短信猫", "a bureau's modem"},
     {"本机是县局的：只看、只排班，各所的人由各所通知；来信只进待办。用不着就去掉 modem 一节",
      "this is a bureau's box: it looks and plans, the stations tell their people; what comes in "
      "goes to the desk. Remove the section modem if it is not needed"}},
    {"registration",
     {"移动网络", "mobile network"},
     {"检查天线和SIM卡；期间请用电台和电话",
      "check aerial and SIM card; use radio and telephone meanwhile"}},
    {"signal", {"信号", "signal"}, {"换个位置放天线", "move the aerial"}},
    {"remedies",
     {"短信猫找网络", "search for a network"},
     {"程序在逐步处理（关开射频、重启、断电）；请检查天线、SIM卡、欠费",
      "it is being mended step by step (radio, reset, power); check aerial, SIM card and account"}},
    {"sim_memory",
     {"SIM卡存储", "SIM memory"},
     {"卡里的短信过半：在手机里删掉旧短信，满了就收不到短信",
      "more than half full: delete old messages in a telephone; a full SIM receives nothing"}},
    {"balance", {"话费余额", "balance"}, {"请充值", "top it up"}},
    {"wall_clock",
     {"主机时钟", "machine's clock"},
     {"时间明显不对，能用时按移动网络的时间走：检查主机的电池和对时（timedatectl）",
      "plainly wrong; the mobile network's time counts when there is one: check battery and "
      "timedatectl"}},
    {"network_time",
     {"移动网络的时间", "mobile network's time"},
     {"与主机时间不一致：检查主机的电池和对时（timedatectl）",
      "it differs from this machine's: check battery and timedatectl"}},
    {"modem_driver",
     {"短信猫驱动", "modem driver"},
     {"driver = at 不认得这个型号，已改用 gammu；照常收发，可把配置改成 gammu",
      "driver = at does not know this make and gammu drives it; it works, set driver = gammu"}},
    {"sms_queue",
     {"短信队列", "message queue"},
     {"touyan sms list out --state queued 看哪些在等",
      "see what waits: touyan sms list out --state queued"}},
    {"sms_paused",
     {"短信已暂停", "sending is paused"},
     {"只有报警照发；恢复：touyan sms resume", "only alarms go out; go on: touyan sms resume"}},
    {"alarm_unsent",
     {"报警短信没有发到", "alarm texts that did not arrive"},
     {"请立即电话联系：touyan desk list，touyan sms list out --state failed",
      "call them now: touyan desk list, touyan sms list out --state failed"}},
    {"broker",
     {"设备消息服务", "broker"},
     {"systemctl status mosquitto；期间一键报警按钮无效，请用电台",
      "systemctl status mosquitto; SOS buttons do not work meanwhile: use radio"}},
    {"broker_dropped",
     {"消息服务丢弃了消息", "the broker dropped messages"},
     {"它的配置不是 --print-broker-config 的输出，或本程序停了太久",
      "its configuration is not that of --print-broker-config, or the gateway was down too long"}},
    {"radio_unconfirmed",
     {"报警没有电台确认收到", "alarms that no radio confirmed"},
     {"短信照发；看电台是否开机、在范围内：touyan radio list",
      "texts went out all the same; are the radios on and in reach: touyan radio list"}},
    {"radio_air",
     {"电台空中时间", "air time"},
     {"这一小时已用去一半，现在只发报警；可换更快的 radio.preset",
      "half of this hour's is used and only alarms go out; a faster radio.preset helps"}},
    {"radio_silent",
     {"电台久无消息", "silent radios"},
     {"一周没有听到登记的电台：检查连网的那一台和它的 MQTT 设置",
      "no registered radio for a week: look at the one with a network and its MQTT module"}},
    {"device_rules",
     {"设备规则文件", "rule files of devices"},
     {"改正后执行 systemctl reload touyan-gateway；touyan-gateway --check-config 列出全部错误",
      "correct them and systemctl reload touyan-gateway; --check-config lists all"}},
    {"county",
     {"县平台链路", "county link"},
     {"本站照常工作，恢复后自动补传；详情：touyan sync status",
      "the station works on and catches up by itself; see touyan sync status"}},
    {"quarantine",
     {"搁置的记录", "rows put aside"},
     {"touyan sync quarantine，并告知县平台管理员",
      "touyan sync quarantine, and tell the county's administrator"}},
    {"clock",
     {"时钟", "clock"},
     {"与县里的时间不一致：检查主机的电池和对时（timedatectl）；记录的时间已按县里校正",
      "it differs from the county's: check battery and timedatectl; stamps are corrected"}},
    {"identity",
     {"本站身份", "identity"},
     {"数据库是恢复或拷贝来的，已换新编号：确认本站只有一台主机在用，并告知县平台管理员",
      "the database was restored or copied and took a new number: make sure that only one "
      "gateway runs for this station, and tell the county's administrator"}},
    {"county_restored", {"县平台恢复过", "county restored"}, {"", ""}},
    {"enrolment",
     {"县平台登记", "enrolment at the county"},
     {"touyan enrol 看六位数，请县里核对后批准，或请县里给一次性代码：touyan enrol 代码",
      "see touyan enrol: the county compares the digits and approves, or gives a code: touyan "
      "enrol "
      "CODE"}},
    {"unhandled",
     {"未能处理的消息", "unhandled messages"},
     {"touyan desk list 看是什么；程序会再试，先由人处理",
      "see touyan desk list; it is tried again, until then a person has to act"}},
    {"repair_power",
     {"学校停电", "school without mains"},
     {"联系学校和供电；设备靠电池还能撑一阵", "call the school and the power company"}},
    {"repair_school",
     {"整校设备离线", "devices of a school away"},
     {"先查学校的网线、交换机和电源，不必逐台查",
      "look at line, switch and power of the school first, not at each device"}},
    {"repair_bridge",
     {"设备网桥停了", "bridge to devices down"},
     {"查网桥程序或它的主机（Zigbee2MQTT、ChirpStack 等）",
      "look at the bridge program or its machine (Zigbee2MQTT, ChirpStack ...)"}},
    {"repair_silent",
     {"设备离线", "device away"},
     {"查电源和网线；touyan device list", "look at its power and line; touyan device list"}},
    {"repair_battery", {"设备电池快没电", "battery of a device"}, {"换电池", "change it"}},
    {"repair_clock",
     {"设备时钟不准", "clock of a device"},
     {"给设备设对时；人脸终端：touyan device command 编号 set-time",
      "set its time; face terminals: touyan device command ID set-time"}},
    {"repair_flood",
     {"设备消息过多", "device sends too much"},
     {"设备出了故障或被人冒用：断开它再查", "it is faulty or not itself: disconnect it and look"}},
};

static const struct advice *advice_of(const char *code)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (strcmp(advices[i].code, code) == 0)
            return &advices[i];
    return NULL;
}

static int level_of(const struct json *finding)
{
    int64_t level = json_int(finding, "level", LEVEL_UNKNOWN);
    return level >= LEVEL_OK && level < LEVELS ? (int)level : LEVEL_UNKNOWN;
}

static const char *level_name(const struct cli *cli, int level)
{
    static const char *const names[2][LEVELS] = {{"正常", "警告", "严重", "未知"},
                                                 {"OK", "WARNING", "CRITICAL", "UNKNOWN"}};
    return names[cli->english][level];
}

/* Worst first: critical, warning, unknown, ok. */
static int worse(int a, int b)
{
    static const int rank[LEVELS] = {0, 2, 3, 1};
    return rank[a] >= rank[b] ? a : b;
}

static void print_finding(const struct cli *cli, const struct json *finding)
{
    const char *code = json_text(finding, "code", "?"), *text = json_text(finding, "text", "");
    const struct advice *advice = advice_of(code);
    int level = level_of(finding);
    int64_t since = json_int(finding, "since", 0);
    const char *color = !cli->color || level == LEVEL_OK ? ""
                        : level == LEVEL_CRITICAL        ? "\033[31m"
                                                         : "\033[33m";
    char at[16];
    cli_format_time(since, at);
    printf("  %s%s%s %s", color, level_name(cli, level), color[0] != '\0' ? "\033[0m" : "",
           advice != NULL ? advice->name[cli->english] : code);
    if (text != NULL && text[0] != '\0')
        printf(cli->english ? ": %.300s" : "：%.300s", text);
    if (since > 0 && level != LEVEL_OK)
        printf(cli->english ? " (since %s)" : "（自 %s）", at);
    printf("\n");
    if (level != LEVEL_OK && advice != NULL)
        printf("     %s%s\n", cli_say(cli, "下一步：", "next: "), advice->next[cli->english]);
}

/* A port that answers nobody may be somebody else's. */
static void print_holder(const struct cli *cli, const struct json *finding)
{
    const char *device = json_text(finding, "device", "");
    char names[256];
    bool unseen = false;
    if (level_of(finding) == LEVEL_OK || device[0] == '\0')
        return;
    bool found = holder_find("/proc", device, names, sizeof names, &unseen);
    if (found)
        printf(cli->english ? "     the port is held by: %s\n" : "     端口被占用：%s\n", names);
    if (found && strstr(names, "ModemManager") != NULL)
        printf("     %s\n", cli_say(cli,
                                    "systemctl disable --now ModemManager，或装上 "
                                    "/usr/lib/udev/rules.d/77-touyan.rules 后重新插拔",
                                    "systemctl disable --now ModemManager, or install "
                                    "/usr/lib/udev/rules.d/77-touyan.rules and plug it in again"));
    else if (!found && unseen && strstr(json_text(finding, "text", ""), "busy") != NULL)
        printf("     %s\n", cli_say(cli, "谁占用了端口：用 sudo touyan check 看",
                                    "who holds the port: sudo touyan check"));
}

static int print_level(const struct cli *cli, const struct json *findings, bool good)
{
    int count = 0;
    for (size_t i = 0; i < json_count(findings); i++) {
        const struct json *finding = json_at(findings, i);
        if ((level_of(finding) == LEVEL_OK) != good)
            continue;
        print_finding(cli, finding);
        print_holder(cli, finding);
        count++;
    }
    return count;
}

int check_print_problems(const struct cli *cli, const struct json *findings)
{
    return print_level(cli, findings, false);
}

/* For whoever helps from afar: one JSON object, for a file. */
int command_support(const struct cli *cli)
{
    struct cli as_json = *cli;
    struct json *json = NULL;
    as_json.json = true;
    int code = cli_get(&as_json, "/v1/support", &json);
    json_free(json);
    return code;
}

int command_check(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/check", &json);
    if (code != EXIT_OK) /* a plugin that cannot ask has found something critical */
        return code == EXIT_DOWN || code == EXIT_LATER ? LEVEL_CRITICAL : code;
    const struct json *findings = json_get(json, "findings");
    int worst = json_count(findings) > 0 ? LEVEL_OK : LEVEL_UNKNOWN, problems = 0;
    for (size_t i = 0; i < json_count(findings); i++) {
        int level = level_of(json_at(findings, i));
        worst = worse(worst, level);
        problems += level != LEVEL_OK;
    }
    if (!cli->json) {
        printf("TOUYAN %s - %d/%zu %s\n", level_name(cli, worst), problems, json_count(findings),
               cli_say(cli, "项有问题", "checks need attention"));
        print_level(cli, findings, true);
        check_print_problems(cli, findings);
    }
    json_free(json);
    return worst;
}
