/* touyan: looks at and talks to the station's daemon. Options may stand anywhere; the words that
 * are left choose a command of the table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/cli/cli.h"

#define SOCKET_DEFAULT "/run/touyan/touyan.sock"

/* What `touyan help` says: a screen. `touyan help sms` says the rest. */
static const char help_zh[] =
    "touyan —— 护学岗网关的操作命令\n"
    "\n"
    "  touyan status                    现在的情况，问题列在最后\n"
    "  touyan check                     逐项检查；退出码 0 正常 1 警告 2 严重 3 未知\n"
    "  touyan sms list | show | send | inbox | answer ...   短信\n"
    "  touyan desk list | done 编号     待人工处理的事项：没看懂的短信、要打的电话、缺岗、报警\n"
    "  touyan roster plan | diff | publish ...   排班：草案、差别、公布\n"
    "  touyan ledger list | add | assign | verify ...   各校问题台账\n"
    "  touyan card list | put | do ...  方案、检查表、装备、证书、活动等卡片\n"
    "  touyan account month | hours ... 出动人次等月度台账，志愿时长\n"
    "  touyan device list | command | try ...   校门设备；touyan radio list | add ...   电台\n"
    "  touyan school | people | post | volunteer ...   名单表格，考试日，志愿者；privacy "
    "数据留多久；support-bundle 远程协助\n"
    "  touyan sync status | now | conflicts ...   与县平台的同步\n"
    "  touyan enrol [代码|again]        本站的证书；用县里的一次性代码登记，或请县里核对批准\n"
    "  touyan help 词                   该命令的各种用法，如 touyan help sms\n"
    "  touyan version\n"
    "\n"
    "  --json  输出 JSON    --lang en  英文    --socket 路径（默认 " SOCKET_DEFAULT "）\n"
    "\n"
    "例：touyan sms simulate 13800000001 放学S17\n"
    "    touyan check --json\n"
    "\n"
    "退出码：0 好 1 没有 64 用法 69 程序没有运行 75 稍后再试 77 不允许 78 配置\n";

static const char help_en[] =
    "touyan - the operator's command of the school guard gateway\n"
    "\n"
    "  touyan status                       how things are, problems last\n"
    "  touyan check                        every check; exits 0 ok, 1 warning, 2 critical, 3 "
    "unknown\n"
    "  touyan sms list | show | send | inbox | answer ...   messages\n"
    "  touyan desk list | done ID          what waits for a person | it is seen to\n"
    "  touyan roster plan | diff | publish ...   the roster: a draft, what it changes, out with "
    "it\n"
    "  touyan ledger list | add | assign | verify ...   the schools' issues\n"
    "  touyan card list | put | do ...     plans, checklists, gear, certificates, activities\n"
    "  touyan account month | hours ...    the month's figures, volunteers' hours\n"
    "  touyan device list | command | try ...   devices at the gates; touyan radio ...   radios\n"
    "  touyan school | people | post | volunteer ...   lists, exams; privacy; support-bundle\n"
    "  touyan sync status | now | conflicts ...   sync with the county\n"
    "  touyan enrol [CODE|again]           the station's certificate; get one by code or approval\n"
    "  touyan help WORD                    all of one command, such as touyan help sms\n"
    "  touyan version\n"
    "\n"
    "  --json  print JSON    --lang en|zh    --socket PATH (default " SOCKET_DEFAULT ")\n"
    "\n"
    "Examples: touyan sms simulate 13800000001 \"FX S17\"\n"
    "          touyan check --json\n"
    "\n"
    "Exit codes: 0 good, 1 not there, 64 usage, 69 not running, 75 later, 77 not allowed, 78 "
    "configuration\n";

static const struct {
    const char *noun, *zh, *en;
} details[] = {
    {"sms",
     "  touyan sms list [in|out]         短信，最新的在最下面（--state 状态，--limit 条数）\n"
     "  touyan sms show 编号             一条短信的经过\n"
     "  touyan sms send 号码 内容        发一条短信\n"
     "  touyan sms retry | cancel 编号   没收到的再发一次 | 还没发的不发了\n"
     "  touyan sms pause | resume        暂停（报警照发） | 恢复发送\n"
     "  touyan sms inbox                 没看懂的来信和建议的答复\n"
     "  touyan sms answer 编号 内容      答复来信（内容写 1、2、3 即用建议的）\n"
     "  touyan sms push 编号             确认给家长群发（编号见 touyan desk list）\n"
     "  touyan sms quiet 号码 20:00-07:30|none|default   该号码自己的安静时段；不写号码就列出\n"
     "  touyan sms balance               查话费余额\n"
     "  touyan sms simulate 号码 内容    当作该号码发来一条短信（演练用）\n",
     "  touyan sms list [in|out]            messages, newest at the bottom (--state S, --limit N)\n"
     "  touyan sms show ID                  the story of one message\n"
     "  touyan sms send NUMBER TEXT         send a message\n"
     "  touyan sms retry | cancel ID        what did not arrive once more | what waits not at all\n"
     "  touyan sms pause | resume           hold all but alarms | go on\n"
     "  touyan sms inbox                    texts that nobody understood, with suggested answers\n"
     "  touyan sms answer ID TEXT           answer one (1, 2 or 3: as suggested)\n"
     "  touyan sms push ID                  let a notice to parents go (ID: touyan desk list)\n"
     "  touyan sms quiet NUMBER HH:MM-HH:MM|none|default   quiet hours of one number; alone: list\n"
     "  touyan sms balance                  ask the network for the balance\n"
     "  touyan sms simulate NUMBER TEXT     as if that number had sent one (for drills)\n"},
    {"desk",
     "  touyan desk list | done 编号     待人工处理的事项：没看懂的短信、要打的电话、缺岗、报警\n"
     "  touyan desk declines             谁来不了、什么原因、由谁顶岗（原因保存30天）\n",
     "  touyan desk list | done ID          what waits for a person | it is seen to\n"
     "  touyan desk declines                who cannot come, why (kept 30 days), who stands in\n"},
    {"check",
     "  touyan check                     逐项检查；退出码 0 正常 1 警告 2 严重 3 未知\n"
     "  touyan support-bundle > 文件     "
     "给远程协助的人：状态、检查、配置、最近日志；没有短信内容和号码\n",
     "  touyan check                        every check; exits 0 ok, 1 warning, 2 critical, 3 "
     "unknown\n"
     "  touyan support-bundle > FILE        for who helps from afar: state, checks, configuration, "
     "last\n"
     "                                      lines of the log; no texts, no numbers\n"},
    {"roster",
     "  touyan roster plan [日期] [afresh]   排那一周的班（不写日期是下周），只成草案，不通知人\n"
     "  touyan roster show [学校|姓名] | diff   看草案；写学校或姓名：各人为什么排在那里 | "
     "与已公布的差别\n"
     "  touyan roster publish            公布草案，有变动的人收到短信\n"
     "  touyan roster export [日期|draft [所]] > 班表.csv    那一周的班表，可用表格软件改；"
     "全县的草案按所导出，各所导入后自己公布\n"
     "  touyan roster import 班表.csv [baseline]        "
     "改好的表成为草案；baseline：作为对比的基准周\n"
     "  touyan roster print [日期|draft] > 班表.html    打印，供到岗签字\n"
     "  touyan roster pin 学校 岗位 日期 am|noon|pm 姓名 经办人   "
     "固定某人；unpin 日期 时段 姓名 经办人\n"
     "  touyan roster need 学校 岗位 平 高 堵 经办人 [peak=am] [level=heavy] [skills=交通指挥]\n"
     "  touyan roster way 姓名 学校 分钟 经办人   单程几分钟（按五分钟一档）；orders 看这些设定\n"
     "  touyan roster approve 姓名 民警   事后批准某人的顶岗\n"
     "  touyan roster decide 姓名 日期 am|noon|pm 到岗|请假|缺岗 民警   "
     "申诉的复核：没有到岗记录的班怎么算\n",
     "  touyan roster plan [DATE] [afresh]  plan that week (the next one); only a draft, nobody is "
     "told\n"
     "  touyan roster show [SCHOOL|NAME] | diff   the draft, or why these people stand there | "
     "what "
     "it would change\n"
     "  touyan roster publish               publish it; those concerned get a text\n"
     "  touyan roster export [DATE|draft [STATION]] > FILE.csv  that week, for a spreadsheet; of a "
     "county's draft a station's part, which it imports and publishes\n"
     "  touyan roster import FILE.csv [baseline]      it becomes the draft; or the week to compare "
     "with\n"
     "  touyan roster print [DATE|draft] > FILE.html  to be signed at the gate\n"
     "  touyan roster pin SCHOOL POST DATE am|noon|pm NAME BY   stays there; unpin DATE PEAK NAME "
     "BY\n"
     "  touyan roster need SCHOOL POST QUIET BUSY CROWDED BY [peak=am] [level=heavy] "
     "[skills=traffic]\n"
     "  touyan roster way NAME SCHOOL MINUTES BY   one way, in bands of five; orders: lists all "
     "these\n"
     "  touyan roster approve NAME OFFICER  that person stood in rightly\n"
     "  touyan roster decide NAME DATE am|noon|pm came|excused|absent OFFICER   an objection, or a "
     "missed duty, is decided\n"},
    {"ledger",
     "  touyan ledger list [学校] | show 编号   各校问题台账，按责任单位 | 一条的经过\n"
     "  touyan ledger add 学校 内容 报告人 [1急|2|3]   登记隐患\n"
     "  touyan ledger assign 编号 单位 期限 经办人   分派；merge 编号 并入编号 经办人\n"
     "  touyan ledger start | fix | verify | reopen 编号 经办人   复核须另一人\n"
     "  touyan ledger print 学校         打印台账\n",
     "  touyan ledger list [SCHOOL] | show CODE   open issues by department | the story of one\n"
     "  touyan ledger add SCHOOL TEXT BY [1|2|3]   a new issue (1: urgent)\n"
     "  touyan ledger assign CODE DEPARTMENT DATE BY; merge CODE INTO BY\n"
     "  touyan ledger start | fix | verify | reopen CODE BY   a second person verifies\n"
     "  touyan ledger print SCHOOL          a sheet to sign\n"},
    {"card",
     "  touyan card kinds                有哪些种类，各有什么字段（[] 可不填）\n"
     "  touyan card list [种类] [school=S17] [words=词] | show 编号\n"
     "  touyan card put 种类 名称 by=经办人 [字段=值 ...]   新建；加 code=编号 为修改\n"
     "  touyan card do 动作 编号 经办人 [字段=值 ...]   sign签 check检 issue发 return还 lost丢 "
     "read阅\n"
     "      inspect查（school=S17 failed=2,5，不合格项进台账） attend签到 done办完 off停 on用\n"
     "  touyan card draw | match         随机抽一个岗去查 | 共建单位供需对接\n",
     "  touyan card kinds                   the kinds and their fields ([]: may be left out)\n"
     "  touyan card list [KIND] [school=S17] [words=TEXT] | show CODE\n"
     "  touyan card put KIND NAME by=NAME [FIELD=VALUE ...]   a new one; code=CODE changes one\n"
     "  touyan card do ACT CODE BY [FIELD=VALUE ...]   sign check issue return lost read attend "
     "done\n"
     "      inspect (school=S17 failed=2,5: what fails goes to the ledger) off on\n"
     "  touyan card draw | match            a post to inspect, by chance | what partners offer and "
     "need\n"},
    {"people",
     "  touyan people import 名单.csv [apply]   "
     "姓名、类别、学校、手机、高级警长、编号……；不加 apply 只预览\n"
     "  touyan people export [county] > 名单.csv   含号码；county：县平台导入用的格式\n"
     "  类别：民警 辅警 保安 学校保安 教职工 教师 家长 义警 网格员 值班室\n"
     "  有县平台时名单由县里维护，这里只能预览\n",
     "  touyan people import FILE.csv [apply]   name, kind, school, phone, senior, id ...; a "
     "preview"
     " without apply\n"
     "  touyan people export [county] > FILE.csv   with numbers; county: as the county's import "
     "takes it\n"
     "  kinds: police auxiliary guard school_security school_staff teacher parent yijing grid "
     "desk\n"
     "  Where a county keeps the lists, a file can only be looked at here\n"},
    {"post",
     "  touyan post import 岗位.csv [apply]     学校、名称、类别、人数、启用；不加 apply 只预览\n"
     "  touyan post export [county] > 岗位.csv\n"
     "  类别：校门 巡逻 交通 非机动车 家校沟通\n",
     "  touyan post import FILE.csv [apply]     school, name, kind, need, active; a preview "
     "without "
     "apply\n"
     "  touyan post export [county] > FILE.csv\n"
     "  kinds: gate patrol traffic nonmotor liaison\n"},
    {"school",
     "  touyan school import 学校.csv [apply]   代码、名称、简称、类别、乡镇；不加 apply 只预览\n"
     "  touyan school export [county] > 学校.csv\n"
     "  touyan school exam 学校 日期 起 止   考试日：全天设岗和服务台（再排班补人）\n"
     "  touyan school copy 从校 到校     把方案、检查表、工作方法复制给另一所学校\n",
     "  touyan school import FILE.csv [apply]   code, name, short, kind, township; a preview "
     "without "
     "apply\n"
     "  touyan school export [county] > FILE.csv\n"
     "  touyan school exam SCHOOL DATE FROM TO   posts all day, and the service desk\n"
     "  touyan school copy FROM TO          plans, checklists and method cards for another "
     "school\n"},
    {"volunteer",
     "  touyan volunteer add 学校 parent|teacher|yijing|grid 姓名 号码 登记人   学校登记志愿者\n"
     "  touyan volunteer import 名单.csv 登记人 [apply]   学校、姓名、手机、类别；不加 apply "
     "只预览\n"
     "  touyan volunteer list | approve | refuse 编号|学校|all 民警   所里批准后才问本人是否同意\n"
     "  touyan volunteer export          已同意的，作县平台名册导入用（含号码）\n",
     "  touyan volunteer add SCHOOL parent|teacher|yijing|grid NAME NUMBER BY   as a school enters "
     "them\n"
     "  touyan volunteer import FILE.csv BY [apply]   school, name, phone, kind; a preview without "
     "apply\n"
     "  touyan volunteer list | approve | refuse ID|SCHOOL|all OFFICER   asked for consent once "
     "approved\n"
     "  touyan volunteer export             who consented, for the county's import (with "
     "numbers)\n"},
    {"account",
     "  touyan account month [2026-09]   出动人次、各时段到岗、迟到缺岗、隐患、活动\n"
     "  touyan account people [2026-09]  民辅警执勤月表，供签字\n"
     "  touyan account sheet 2026-09 姓名   一个人的执勤明细（CSV）\n"
     "  touyan account hours 2026-09     志愿服务时长（CSV，可用于证明）\n"
     "  touyan account export 2026-09    月度数字（CSV）\n",
     "  touyan account month [2026-09]      person-times, posts covered, late, gaps, issues, "
     "activities\n"
     "  touyan account people [2026-09]     each officer's month, to be signed\n"
     "  touyan account sheet 2026-09 NAME   one person's duties (CSV)\n"
     "  touyan account hours 2026-09        volunteers' hours (CSV, for certificates)\n"
     "  touyan account export 2026-09       the month's figures (CSV)\n"},
    {"privacy", "  touyan privacy                   各类数据保存多久、上次清理时间\n",
     "  touyan privacy                      how long what is kept, when it was last removed\n"},
    {"sync",
     "  touyan sync status | now         与县平台的同步 | 马上联系\n"
     "  touyan sync pending | conflicts | quarantine   待上传、与县里冲突、搁置的（--limit "
     "条数）\n",
     "  touyan sync status | now            sync with the county | ask it at once\n"
     "  touyan sync pending | conflicts | quarantine   rows to send, that lost, put aside\n"},
    {"radio",
     "  touyan radio list                谁的电台、最近听到的时间、没听从的条数、发出的文本\n"
     "  touyan radio add 电台 人员 [产品]   登记：这台电台的文本等于这个人的短信命令\n"
     "  touyan radio remove 电台 [产品]  取消登记\n"
     "  touyan radio send 电台 内容 [产品]   发一条文本\n"
     "  电台如 !7efeee00（Meshtastic）或 1042；产品即规则文件，默认 meshtastic 或 radio_text\n"
     "  电台上也可用编号回报警：“48217 1”出警，“48217 0”解除（五位编号的末位是校验位）\n",
     "  touyan radio list                   whose radios, when heard, what was not obeyed, what "
     "went out\n"
     "  touyan radio add NODE PERSON [PRODUCT]   its texts are that person's commands from now on\n"
     "  touyan radio remove NODE [PRODUCT]  not any more\n"
     "  touyan radio send NODE TEXT [PRODUCT]   send a text\n"
     "  NODE: !7efeee00 (Meshtastic) or 1042; PRODUCT: a rule file, meshtastic or radio_text\n"
     "  An alarm is also answered by code: \"48217 1\" I go, \"48217 0\" all clear (the fifth "
     "digit checks)\n"},
    {"device",
     "  touyan device list               校门设备，要留意的写在后面\n"
     "  touyan device command 编号 命令 [键=值 ...]   喇叭、屏、道闸；等设备回答\n"
     "  touyan device accounts passwd | acl | list | key 编号   在 MQTT 服务上的账号\n"
     "  touyan device try 规则文件 [主题] < 内容   看一条规则把内容读成什么\n"
     "  touyan device flow [学校 高峰人数 拥堵人数 | 学校 default]   各校客流按多少人算\n",
     "  touyan device list                  devices at the gates, with what is wrong\n"
     "  touyan device command ID NAME [KEY=VALUE ...]   loudspeaker, lamps, gate; with its answer\n"
     "  touyan device accounts passwd | acl | list | key ID   accounts at the broker\n"
     "  touyan device try FILE [TOPIC] < PAYLOAD   what a rule makes of it\n"
     "  touyan device flow [SCHOOL PEAK HEAVY | SCHOOL default]   from how many people on\n"},
    {"support-bundle",
     "  touyan support-bundle > 文件     现状、配置、日志，给远程协助的人；没有短信和号码\n",
     "  touyan support-bundle > FILE        for whoever helps from afar; no texts, no numbers\n"},
};

static int print_help(const struct cli *cli)
{
    const char *noun = cli->word_count > 1 ? cli->words[1] : "";
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++)
        if (strcmp(details[i].noun, noun) == 0) {
            fputs(cli_say(cli, details[i].zh, details[i].en), stdout);
            return EXIT_OK;
        }
    fputs(cli_say(cli, help_zh, help_en), stdout);
    return EXIT_OK;
}

static int print_version(const struct cli *cli)
{
    if (cli->json)
        printf("{\"v\":1,\"version\":\"%s\"}\n", TOUYAN_VERSION);
    else
        printf("touyan %s\n", TOUYAN_VERSION);
    return EXIT_OK;
}

struct command {
    const char *noun;
    const char *verb; /* NULL: none */
    int arguments;    /* at least */
    int arguments_max;
    const char *usage;
    cli_command_fn *run;
};

static const struct command commands[] = {
    {"status", NULL, 0, 0, "status", command_status},
    {"check", NULL, 0, 0, "check", command_check},
    {"support-bundle", NULL, 0, 0, "support-bundle > FILE", command_support},
    {"sms", "list", 0, 1, "sms list [in|out] [--state S] [--limit N]", command_sms_list},
    {"sms", "show", 1, 1, "sms show ID", command_sms_show},
    {"sms", "send", 2, 2, "sms send NUMBER TEXT", command_sms_send},
    {"sms", "simulate", 2, 2, "sms simulate NUMBER TEXT", command_sms_simulate},
    {"sms", "retry", 1, 1, "sms retry ID", command_sms_retry},
    {"sms", "cancel", 1, 1, "sms cancel ID", command_sms_cancel},
    {"sms", "pause", 0, 0, "sms pause", command_sms_pause},
    {"sms", "resume", 0, 0, "sms resume", command_sms_resume},
    {"sms", "inbox", 0, 0, "sms inbox", command_sms_inbox},
    {"sms", "answer", 2, 2, "sms answer ID TEXT|1|2|3", command_sms_answer},
    {"sms", "push", 1, 1, "sms push ID", command_sms_push},
    {"sms", "quiet", 0, 2, "sms quiet [NUMBER HH:MM-HH:MM|none|default]", command_sms_quiet},
    {"sms", "balance", 0, 0, "sms balance", command_sms_balance},
    {"desk", "list", 0, 0, "desk list", command_desk_list},
    {"desk", "declines", 0, 0, "desk declines", command_desk_declines},
    {"desk", "done", 1, 1, "desk done ID", command_desk_done},
    {"roster", "plan", 0, 2, "roster plan [DATE] [afresh]", command_roster_plan},
    {"roster", "show", 0, 1, "roster show [SCHOOL|NAME]", command_roster_show},
    {"roster", "diff", 0, 0, "roster diff", command_roster_diff},
    {"roster", "publish", 0, 0, "roster publish", command_roster_publish},
    {"roster", "export", 0, 2, "roster export [DATE|draft [STATION]] > FILE.csv",
     command_roster_export},
    {"roster", "import", 1, 2, "roster import FILE.csv [baseline]", command_roster_import},
    {"roster", "print", 0, 1, "roster print [DATE|draft] > FILE.html", command_roster_print},
    {"roster", "pin", 6, 6, "roster pin SCHOOL POST DATE PEAK NAME BY", command_roster_pin},
    {"roster", "unpin", 4, 4, "roster unpin DATE PEAK NAME BY", command_roster_unpin},
    {"roster", "way", 4, 4, "roster way NAME SCHOOL MINUTES BY", command_roster_way},
    {"roster", "need", 6, 9, "roster need SCHOOL POST QUIET BUSY CROWDED BY [FIELD=VALUE ...]",
     command_roster_need},
    {"roster", "approve", 2, 2, "roster approve NAME BY", command_roster_approve},
    {"roster", "decide", 5, 5, "roster decide NAME DATE PEAK came|excused|absent BY",
     command_roster_decide},
    {"roster", "orders", 0, 0, "roster orders", command_roster_orders},
    {"ledger", "list", 0, 1, "ledger list [SCHOOL]", command_ledger_list},
    {"ledger", "print", 1, 1, "ledger print SCHOOL", command_ledger_print},
    {"ledger", "show", 1, 1, "ledger show CODE", command_ledger_show},
    {"ledger", "add", 3, 4, "ledger add SCHOOL TEXT BY [1|2|3]", command_ledger_add},
    {"ledger", "assign", 4, 4, "ledger assign CODE DEPARTMENT DATE BY", command_ledger_assign},
    {"ledger", "start", 2, 2, "ledger start CODE BY", command_ledger_act},
    {"ledger", "fix", 2, 2, "ledger fix CODE BY", command_ledger_act},
    {"ledger", "verify", 2, 2, "ledger verify CODE BY", command_ledger_act},
    {"ledger", "reopen", 2, 2, "ledger reopen CODE BY", command_ledger_act},
    {"ledger", "merge", 3, 3, "ledger merge CODE INTO BY", command_ledger_merge},
    {"card", "list", 0, 3, "card list [KIND] [school=S17] [words=TEXT]", command_card_list},
    {"card", "kinds", 0, 0, "card kinds", command_card_kinds},
    {"card", "show", 1, 1, "card show CODE", command_card_show},
    {"card", "put", 3, 13, "card put KIND NAME by=NAME [FIELD=VALUE ...]", command_card_put},
    {"card", "do", 3, 8, "card do ACT CODE BY [FIELD=VALUE ...]", command_card_do},
    {"card", "draw", 0, 0, "card draw", command_card_draw},
    {"card", "match", 0, 0, "card match", command_card_match},
    {"school", "import", 1, 2, "school import FILE.csv [apply]", command_list_import},
    {"school", "export", 0, 1, "school export [county] > FILE.csv", command_list_export},
    {"people", "import", 1, 2, "people import FILE.csv [apply]", command_list_import},
    {"people", "export", 0, 1, "people export [county] > FILE.csv", command_list_export},
    {"post", "import", 1, 2, "post import FILE.csv [apply]", command_list_import},
    {"post", "export", 0, 1, "post export [county] > FILE.csv", command_list_export},
    {"volunteer", "import", 2, 3, "volunteer import FILE.csv BY [apply]", command_volunteer_import},
    {"school", "copy", 2, 2, "school copy FROM TO", command_school_copy},
    {"school", "exam", 4, 4, "school exam SCHOOL DATE FROM TO", command_school_exam},
    {"volunteer", "list", 0, 0, "volunteer list", command_volunteer_list},
    {"volunteer", "add", 5, 5, "volunteer add SCHOOL KIND NAME NUMBER BY", command_volunteer_add},
    {"volunteer", "approve", 2, 2, "volunteer approve ID|SCHOOL|all BY", command_volunteer_decide},
    {"volunteer", "refuse", 2, 2, "volunteer refuse ID|SCHOOL|all BY", command_volunteer_decide},
    {"volunteer", "export", 0, 0, "volunteer export", command_volunteer_export},
    {"account", "month", 0, 1, "account month [2026-09]", command_account_month},
    {"account", "people", 0, 1, "account people [2026-09]", command_account_people},
    {"account", "hours", 1, 1, "account hours 2026-09", command_account_hours},
    {"account", "sheet", 2, 2, "account sheet 2026-09 NAME", command_account_sheet},
    {"account", "export", 1, 1, "account export 2026-09", command_account_export},
    {"privacy", NULL, 0, 0, "privacy", command_privacy},
    {"sync", "status", 0, 0, "sync status", command_sync_status},
    {"sync", "now", 0, 0, "sync now", command_sync_now},
    {"sync", "pending", 0, 0, "sync pending [--limit N]", command_sync_pending},
    {"sync", "conflicts", 0, 0, "sync conflicts [--limit N]", command_sync_conflicts},
    {"sync", "quarantine", 0, 0, "sync quarantine [--limit N]", command_sync_quarantine},
    {"enrol", NULL, 0, 1, "enrol [CODE|again]", command_enrol},
    {"radio", "list", 0, 0, "radio list", command_radio_list},
    {"radio", "add", 2, 3, "radio add NODE PERSON [PRODUCT]", command_radio_add},
    {"radio", "remove", 1, 2, "radio remove NODE [PRODUCT]", command_radio_remove},
    {"radio", "send", 2, 3, "radio send NODE TEXT [PRODUCT]", command_radio_send},
    {"device", "list", 0, 0, "device list", command_device_list},
    {"device", "accounts", 1, 2, "device accounts passwd | acl | list | key ID",
     command_device_accounts},
    {"device", "command", 2, 6, "device command ID NAME [KEY=VALUE ...]", command_device_command},
    {"device", "try", 1, 2, "device try FILE [TOPIC] < PAYLOAD", command_device_try},
    {"device", "flow", 0, 3, "device flow [SCHOOL PEAK HEAVY | SCHOOL default]",
     command_device_flow},
    {"version", NULL, 0, 0, "version", print_version},
    {"help", NULL, 0, 9, "help", print_help},
};

static bool is_word(const struct cli *cli, int index, const char *text)
{
    return index < cli->word_count && strcmp(cli->words[index], text) == 0;
}

static int run(const struct cli *cli)
{
    const char *near = NULL;
    if (cli->help)
        return print_help(cli);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *command = &commands[i];
        int words = command->verb != NULL ? 2 : 1;
        if (!is_word(cli, 0, command->noun))
            continue;
        near = command->usage;
        if (command->verb != NULL && !is_word(cli, 1, command->verb))
            continue;
        int given = cli->word_count - words;
        if (given < command->arguments || given > command->arguments_max)
            return cli_usage(cli, command->usage);
        return command->run(cli);
    }
    if (cli->word_count > 0)
        cli_fail(cli, EXIT_USAGE, "没有这个命令", "no such command");
    return cli_usage(cli, near != NULL ? near : "help");
}

/* --- options --- */

static bool set_lang(struct cli *cli, const char *text)
{
    cli->english = strncmp(text, "en", 2) == 0;
    return cli->english || strncmp(text, "zh", 2) == 0;
}

/* Takes option `argv[*at]` and its value; false: unknown, or the value is missing or wrong. */
static bool take_option(struct cli *cli, char **argv, int argc, int *at)
{
    const char *name = argv[*at];
    if (strcmp(name, "--json") == 0)
        return cli->json = true;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return cli->help = true;
    if (*at + 1 >= argc)
        return false;
    const char *value = argv[++*at];
    if (strcmp(name, "--lang") == 0)
        return set_lang(cli, value);
    const char **target = strcmp(name, "--socket") == 0  ? &cli->socket
                          : strcmp(name, "--state") == 0 ? &cli->state
                          : strcmp(name, "--limit") == 0 ? &cli->limit
                                                         : NULL;
    if (target != NULL)
        *target = value;
    return target != NULL;
}

static int parse(struct cli *cli, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            if (!take_option(cli, argv, argc, &i)) {
                fprintf(stderr, "touyan: %s\n", word);
                return cli_fail(cli, EXIT_USAGE, "没有这个选项，或缺少它的值（touyan help）",
                                "no such option, or its value is missing (touyan help)");
            }
        } else if (cli->word_count < CLI_WORDS) {
            cli->words[cli->word_count++] = word;
        } else {
            return cli_fail(cli, EXIT_USAGE, "词太多；内容请加引号",
                            "too many words: quote the text");
        }
    }
    return EXIT_OK;
}

static const char *from_env(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : fallback;
}

int main(int argc, char **argv)
{
    struct cli cli = {.socket = from_env("TOUYAN_SOCKET", SOCKET_DEFAULT)};
    set_lang(&cli, from_env("TOUYAN_LANG", "zh"));
    cli.color = isatty(STDOUT_FILENO) && from_env("NO_COLOR", NULL) == NULL;
    int code = parse(&cli, argc, argv);
    if (code != EXIT_OK)
        return code;
    if (strlen(cli.socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return cli_fail(&cli, EXIT_CONFIG, "套接字路径太长", "the path of the socket is too long");
    code = run(&cli);
    if (fflush(stdout) != 0)
        return cli_fail(&cli, EXIT_LATER, "输出写不出去", "the output could not be written");
    return code;
}
