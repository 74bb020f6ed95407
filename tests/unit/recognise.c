/* The rules that keep everyday language from doing harm, each with its sentences; the written forms
 * of every command; every word that a template quotes; a file of sentences for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "gateway/base/text.h"
#include "gateway/duty/recognise.h"
#include "gateway/duty/texts.h"

static struct recognise_context volunteer(void)
{
    return (struct recognise_context){
        .role = SENDER_VOLUNTEER, .last_sent = LAST_QUESTION, .open_prompts = 1};
}

static struct recognise_context officer(void)
{
    return (struct recognise_context){
        .role = SENDER_OFFICER, .last_sent = LAST_QUESTION, .open_prompts = 1};
}

static struct command ask(const char *text, struct recognise_context context)
{
    struct command command;
    recognise(text, &context, &command);
    return command;
}

#define assert_means(text, context, wanted)                                                        \
    do {                                                                                           \
        struct command got_ = ask(text, context);                                                  \
        if (got_.kind != (wanted))                                                                 \
            print_error("\"%s\": %s\n", text, command_name(got_.kind));                            \
        assert_int_equal(got_.kind, wanted);                                                       \
    } while (0)

#define assert_means_with(text, context, wanted, wanted_code, wanted_arg)                          \
    do {                                                                                           \
        struct command got_ = ask(text, context);                                                  \
        if (got_.kind != (wanted))                                                                 \
            print_error("\"%s\": %s\n", text, command_name(got_.kind));                            \
        assert_int_equal(got_.kind, wanted);                                                       \
        assert_string_equal(got_.code, wanted_code);                                               \
        assert_string_equal(got_.arg, wanted_arg);                                                 \
    } while (0)

static const struct {
    const char *text;
    enum command_kind kind;
} forms[] = {
    {"1", COMMAND_CONFIRM},
    {"１", COMMAND_CONFIRM},
    {" 1。", COMMAND_CONFIRM},
    {"①", COMMAND_CONFIRM},
    {"一", COMMAND_CONFIRM},
    {"1️⃣", COMMAND_CONFIRM},
    {"回1", COMMAND_CONFIRM},
    {"回复1", COMMAND_CONFIRM},
    {"回复：1", COMMAND_CONFIRM},
    {"RE: 1", COMMAND_CONFIRM},
    {"re:1", COMMAND_CONFIRM},
    {"1【李娜】", COMMAND_CONFIRM},
    {"【李娜】1", COMMAND_CONFIRM},
    {"确认", COMMAND_CONFIRM},
    {"確認", COMMAND_CONFIRM},
    {"能来！", COMMAND_CONFIRM},
    {"能來", COMMAND_CONFIRM},
    {"会来", COMMAND_CONFIRM},
    {"没问题", COMMAND_CONFIRM},
    {"沒問題", COMMAND_CONFIRM},
    {"yes", COMMAND_CONFIRM},
    {"ＹＥＳ", COMMAND_CONFIRM},
    {"Y", COMMAND_CONFIRM},
    {"您好，能来", COMMAND_CONFIRM},
    {"能来，谢谢", COMMAND_CONFIRM},
    {"nenglai", COMMAND_CONFIRM},
    {"neng lai", COMMAND_CONFIRM},
    {"2", COMMAND_DECLINE},
    {"２", COMMAND_DECLINE},
    {"二", COMMAND_DECLINE},
    {"两", COMMAND_DECLINE},
    {"来不了", COMMAND_DECLINE},
    {"來不了", COMMAND_DECLINE},
    {"去不了", COMMAND_DECLINE},
    {"不能来", COMMAND_DECLINE},
    {"請假", COMMAND_DECLINE},
    {"有事", COMMAND_DECLINE},
    {"没空", COMMAND_DECLINE},
    {"no", COMMAND_DECLINE},
    {"来步了", COMMAND_DECLINE},
    {"laibuliao", COMMAND_DECLINE},
    {"qubuliao", COMMAND_DECLINE},
    {"不好意思，来不了", COMMAND_DECLINE},
    {"来不聊", COMMAND_DECLINE},
    {"no 发烧了", COMMAND_DECLINE},
    {"清假", COMMAND_DECLINE},
    {"3", COMMAND_SWAP},
    {"三", COMMAND_SWAP},
    {"换班", COMMAND_SWAP},
    {"換班", COMMAND_SWAP},
    {"调班", COMMAND_SWAP},
    {"SWAP", COMMAND_SWAP},
    {"到岗", COMMAND_CHECK_IN},
    {"到崗", COMMAND_CHECK_IN},
    {"到 岗", COMMAND_CHECK_IN},
    {"到港", COMMAND_CHECK_IN},
    {"daogang", COMMAND_CHECK_IN},
    {"到了", COMMAND_CHECK_IN},
    {"已到", COMMAND_CHECK_IN},
    {"到", COMMAND_CHECK_IN},
    {"IN", COMMAND_CHECK_IN},
    {"dg", COMMAND_CHECK_IN},
    {"到岗了，谢谢", COMMAND_CHECK_IN},
    {"离岗", COMMAND_CHECK_OUT},
    {"離崗", COMMAND_CHECK_OUT},
    {"离刚", COMMAND_CHECK_OUT},
    {"完成", COMMAND_CHECK_OUT},
    {"out", COMMAND_CHECK_OUT},
    {"我的班", COMMAND_MY_DUTIES},
    {"我的班？", COMMAND_MY_DUTIES},
    {"查班", COMMAND_MY_DUTIES},
    {"排班", COMMAND_MY_DUTIES},
    {"申诉", COMMAND_APPEAL},
    {"帮助", COMMAND_HELP},
    {"幫助", COMMAND_HELP},
    {"?", COMMAND_HELP},
    {"？", COMMAND_HELP},
    {"怎么用", COMMAND_HELP},
    {"怎么用？", COMMAND_HELP},
    {"退订", COMMAND_STOP},
    {"退訂", COMMAND_STOP},
    {"TD", COMMAND_STOP},
    {"td", COMMAND_STOP},
    {"ｔｄ", COMMAND_STOP},
    {"回复TD", COMMAND_STOP},
    {"回TD", COMMAND_STOP},
    {"T", COMMAND_STOP},
    {"R", COMMAND_STOP},
    {"放学", COMMAND_DISMISSAL},
    {"几点放学？", COMMAND_DISMISSAL},
    {"幾點放學", COMMAND_DISMISSAL},
    {"几点放学呀", COMMAND_DISMISSAL},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        assert_means(forms[i].text, volunteer(), forms[i].kind);
}

static void test_arguments(void **state)
{
    (void)state;
    assert_means_with("1 4821", volunteer(), COMMAND_CONFIRM, "4821", "");
    assert_means_with("１４８２１", volunteer(), COMMAND_CONFIRM, "4821", "");
    assert_means_with("2 发烧了", volunteer(), COMMAND_DECLINE, "", "发烧了");
    assert_means_with("2，孩子發燒了。", volunteer(), COMMAND_DECLINE, "", "孩子发烧了");
    assert_means_with("2 4821 发烧了", volunteer(), COMMAND_DECLINE, "4821", "发烧了");
    assert_means_with("来不了 加班", volunteer(), COMMAND_DECLINE, "", "加班");
    assert_means_with("2 没空", volunteer(), COMMAND_DECLINE, "", "没空");
    assert_means_with("3 4821", volunteer(), COMMAND_SWAP, "4821", "");
    assert_means_with("接4821", volunteer(), COMMAND_TAKE, "4821", "");
    assert_means_with("接 ４８２１", volunteer(), COMMAND_TAKE, "4821", "");
    assert_means_with("take 4821", volunteer(), COMMAND_TAKE, "4821", "");
    assert_means_with("替王建国", volunteer(), COMMAND_STAND_IN, "", "王建国");
    assert_means_with("替李一凡", volunteer(), COMMAND_STAND_IN, "", "李一凡");
    assert_means_with("for 王建国", volunteer(), COMMAND_STAND_IN, "", "王建国");
    assert_means_with("for wang", volunteer(), COMMAND_STAND_IN, "", "wang");
    assert_means_with("for Allen Ho", volunteer(), COMMAND_STAND_IN, "", "Allen Ho");
    assert_means_with("隐患 东门井盖松了", volunteer(), COMMAND_HAZARD, "", "东门井盖松了");
    assert_means_with("YH light broken", volunteer(), COMMAND_HAZARD, "", "light broken");
    assert_means_with("放学S17", volunteer(), COMMAND_DISMISSAL, "", "S17");
    assert_means_with("放学 s17？", volunteer(), COMMAND_DISMISSAL, "", "s17");
    assert_means_with("放學17", volunteer(), COMMAND_DISMISSAL, "", "17");
    assert_means_with("放学第二實驗小學", volunteer(), COMMAND_DISMISSAL, "", "第二实验小学");
    assert_means_with("方学S17", volunteer(), COMMAND_DISMISSAL, "", "S17");
    assert_means_with("第二实验小学几点放学？", volunteer(), COMMAND_DISMISSAL, "", "第二实验小学");
    assert_means_with("FX S17", volunteer(), COMMAND_DISMISSAL, "", "S17");
    assert_means_with("查询六户中学", volunteer(), COMMAND_QUERY, "", "六户中学");
    assert_means_with("CXS17", volunteer(), COMMAND_QUERY, "", "S17");
    assert_means_with("订阅S17", volunteer(), COMMAND_SUBSCRIBE, "", "S17");
    assert_means_with("意见 门口太堵", volunteer(), COMMAND_FEEDBACK, "", "门口太堵");
    assert_means_with("出警4821", officer(), COMMAND_GO, "4821", "");
    assert_means_with("出警", officer(), COMMAND_GO, "", "");
    assert_means_with("处理", officer(), COMMAND_HANDLE, "", "");
    assert_means_with("派4821", officer(), COMMAND_SEND_SOMEONE, "4821", "");
    assert_means_with("解除4821", officer(), COMMAND_ALL_CLEAR, "4821", "");
    assert_means_with("谁在岗S17？", officer(), COMMAND_WHO, "", "S17");
    assert_means_with("台账S17", officer(), COMMAND_LEDGER, "", "S17");
    assert_means_with("销号0136", officer(), COMMAND_CLOSE_ISSUE, "0136", "");
    assert_means_with("驻岗第二实验小学", officer(), COMMAND_VISIT, "", "第二实验小学");
    assert_means_with("流量S17堵", officer(), COMMAND_FLOW, "", "S17堵");
    assert_means_with("flow s17 heavy", officer(), COMMAND_FLOW, "", "s17 heavy");
    assert_means_with("FLOW S17 flat.", officer(), COMMAND_FLOW, "", "S17 flat");
    assert_means_with("FLOW S17 peak", officer(), COMMAND_FLOW, "", "S17 peak");
    assert_means_with("启动疏导 4821", officer(), COMMAND_START_PLAN, "4821", "疏导");
}

static bool is_nickname(void *ctx, const char *text)
{
    return strcmp(text, ctx) == 0;
}

static void test_known_schools(void **state)
{
    (void)state;
    struct recognise_context context = {.role = SENDER_UNKNOWN};
    assert_means("放学二实验", context, COMMAND_PERSON);
    context.is_school = is_nickname;
    context.ctx = "二实验";
    assert_means_with("放学二实验", context, COMMAND_DISMISSAL, "", "二实验");
    assert_means_with("二实验今天几点放学", context, COMMAND_DISMISSAL, "", "二实验");
}

/* 1: whole messages only; a decline may carry a reason */
static void test_rule_1(void **state)
{
    (void)state;
    static const char *const doubtful[] = {
        "收到但来不了", "可以请假吗",     "到了吗",    "有事打我", "停车场有人打架", "紧急会议",
        "不是我",       "能不能来",       "1？",       "没到岗",   "到岗？",         "退订？",
        "2个人没到",    "2 年级几点放学", "2 有人打架"};
    for (size_t i = 0; i < sizeof doubtful / sizeof doubtful[0]; i++) {
        assert_means(doubtful[i], volunteer(), COMMAND_PERSON);
        assert_means(doubtful[i], officer(), COMMAND_PERSON);
    }
    assert_means_with("2 发烧了", volunteer(), COMMAND_DECLINE, "", "发烧了");
}

/* 2: assent */
static void test_rule_2(void **state)
{
    (void)state;
    static const char *const assent[] = {"收到", "好的", "可以", "行", "ok", "收到，谢谢"};
    for (size_t i = 0; i < sizeof assent / sizeof assent[0]; i++) {
        struct recognise_context context = officer();
        assert_means(assent[i], context, COMMAND_CONFIRM);
        context.last_sent = LAST_ALARM;
        assert_means(assent[i], context, COMMAND_READ);
        context.last_sent = LAST_NOTHING;
        assert_means(assent[i], context, COMMAND_NONE);
        context.last_sent = LAST_CONSENT;
        assert_means(assent[i], context, COMMAND_NONE);
        context.last_sent = LAST_OFFER;
        context.open_offers = 1;
        assert_means(assent[i], context, COMMAND_LIST_CODES);
    }
    struct recognise_context parent = {.role = SENDER_PARENT, .last_sent = LAST_CONSENT};
    assert_means("1", parent, COMMAND_CONFIRM);
    assert_means("好的", parent, COMMAND_NONE);
    assert_means("确认", parent, COMMAND_PERSON);
    parent.last_sent = LAST_NOTHING;
    assert_means("1", parent, COMMAND_PERSON);
}

/* 3: sounds that an ordinary word shares mean nothing */
static void test_rule_3(void **state)
{
    (void)state;
    static const char *const ordinary[] = {"缺人", "可疑",   "接触",   "出境",     "有时",
                                           "结除", "推订",   "排4821", "接除4821", "出境4821",
                                           "道",   "借4821", "回来",   "一道"};
    for (size_t i = 0; i < sizeof ordinary / sizeof ordinary[0]; i++)
        assert_means(ordinary[i], officer(), COMMAND_PERSON);
    assert_means("tuiding", officer(), COMMAND_PERSON);
    assert_means("jiechu", officer(), COMMAND_PERSON);
    assert_means("jinji", officer(), COMMAND_PERSON);
}

/* 4: 到岗 and 离岗 differ by one character */
static void test_rule_4(void **state)
{
    (void)state;
    static const char *const wrong[] = {"上岗", "下岗", "站岗", "到班",
                                        "换岗", "离班", "退钉", "不来了吧"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_means(wrong[i], volunteer(), COMMAND_PERSON);
}

/* 5: what ends an alarm or moves many people needs its code */
static void test_rule_5(void **state)
{
    (void)state;
    assert_means("解除", officer(), COMMAND_LIST_CODES);
    assert_means("CLEAR", officer(), COMMAND_LIST_CODES);
    assert_means("启动", officer(), COMMAND_LIST_CODES);
    assert_means("启动疏导", officer(), COMMAND_LIST_CODES);
    assert_means("停用", officer(), COMMAND_LIST_CODES);
    assert_means("停用4821", volunteer(), COMMAND_PERSON);
    assert_means("开始4821", officer(), COMMAND_PERSON);
    assert_means_with("方案S17", officer(), COMMAND_PLANS, "", "S17");
    assert_means("方案是什么", officer(), COMMAND_PERSON);
    assert_means("到S17全", officer(), COMMAND_LIST_CODES);
    assert_means_with("到S17全4821", officer(), COMMAND_CHECK_IN_ALL, "4821", "S17");
    assert_means("解除4821", volunteer(), COMMAND_PERSON);
    assert_means("到S17全4821", volunteer(), COMMAND_PERSON);
}

/* 6: 我来 */
static void test_rule_6(void **state)
{
    (void)state;
    struct recognise_context context = volunteer();
    assert_means("我来", context, COMMAND_CONFIRM);
    context.last_sent = LAST_OFFER;
    context.open_offers = 1;
    assert_means("我来", context, COMMAND_TAKE);
    context.open_offers = 2;
    assert_means("我来", context, COMMAND_LIST_CODES);
    assert_means("接", context, COMMAND_LIST_CODES);
    context.last_sent = LAST_NOTHING;
    context.open_offers = 0;
    assert_means("我来", context, COMMAND_PERSON);
    context.role = SENDER_OFFICER;
    context.last_sent = LAST_ALARM;
    assert_means("我来", context, COMMAND_LIST_CODES);
    assert_means("替我请假", volunteer(), COMMAND_PERSON);
    assert_means("替班", volunteer(), COMMAND_PERSON);
    assert_means("替一下", volunteer(), COMMAND_PERSON);
    assert_means("替张三一次", volunteer(), COMMAND_PERSON);
}

/* 7: 签到 */
static void test_rule_7(void **state)
{
    (void)state;
    struct recognise_context context = volunteer();
    assert_means("签到", context, COMMAND_PERSON);
    context.last_sent = LAST_ACTIVITY;
    assert_means("签到", context, COMMAND_ATTEND);
    context.last_sent = LAST_QUESTION;
    context.invited = true;
    assert_means("签到", context, COMMAND_ATTEND);
}

/* 8: several prompts, one digit */
static void test_rule_8(void **state)
{
    (void)state;
    struct recognise_context context = volunteer();
    context.open_prompts = 2;
    static const char *const bare[] = {"1", "2", "3", "确认", "来不了", "换班", "好的", "2 发烧了"};
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        assert_means(bare[i], context, COMMAND_LIST_CODES);
    assert_means_with("1 4821", context, COMMAND_CONFIRM, "4821", "");
    context.open_prompts = 1;
    context.last_sent = LAST_OFFER;
    context.open_offers = 1;
    assert_means("1", context, COMMAND_LIST_CODES); /* the duty or the offer? */
    context.open_prompts = 0;
    assert_means("1", context, COMMAND_LIST_CODES); /* people think that 1 claims the offer */
    assert_means("2", context, COMMAND_DECLINE);
    context.open_offers = 0;
    assert_means("1", context, COMMAND_PERSON);
    assert_means("4821", context, COMMAND_LIST_CODES);
}

/* 9: calls for help */
static void test_rule_9(void **state)
{
    (void)state;
    static const char *const calls[] = {"报警", "紧急", "求助",     "救命",        "SOS",
                                        "sos",  "報警", "救命！！", "救命救命救命"};
    struct recognise_context checked_in = volunteer();
    checked_in.checked_in = true;
    struct recognise_context stranger = {.role = SENDER_UNKNOWN};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_means(calls[i], officer(), COMMAND_PANIC);
        assert_means(calls[i], checked_in, COMMAND_CALL_LEADER);
        assert_means(calls[i], volunteer(), COMMAND_CALL_110);
        assert_means(calls[i], stranger, COMMAND_CALL_110);
        assert_true(ask(calls[i], stranger).urgent);
    }
    assert_means("报警？", officer(), COMMAND_PERSON);
    assert_true(ask("报警？", officer()).urgent);
    assert_means("报警吗", officer(), COMMAND_PERSON);
    assert_means("jiuming", officer(), COMMAND_PERSON);
    assert_means("旧名", officer(), COMMAND_PERSON);
    assert_means_with("报警器坏了", officer(), COMMAND_HAZARD, "", "报警器坏了");
    assert_means("报警系统响个不停", volunteer(), COMMAND_HAZARD);
    assert_means("报警按钮松了", volunteer(), COMMAND_HAZARD);
    assert_means("报警器坏了", stranger, COMMAND_PERSON);
}

/* 10: every word that a template quotes is understood as it means */
struct quoted {
    const char *text;
    enum command_kind kind;
    const char *arg;
};

static const struct quoted quotes[] = {
    {"1", COMMAND_CONFIRM, ""},
    {"2", COMMAND_DECLINE, ""},
    {"3", COMMAND_SWAP, ""},
    {"TD", COMMAND_STOP, ""},
    {"退订", COMMAND_STOP, ""},
    {"退出", COMMAND_LEAVE, ""},
    {"LEAVE", COMMAND_LEAVE, ""},
    {"1 4821", COMMAND_CONFIRM, ""},
    {"到岗", COMMAND_CHECK_IN, ""},
    {"IN", COMMAND_CHECK_IN, ""},
    {"离岗", COMMAND_CHECK_OUT, ""},
    {"OUT", COMMAND_CHECK_OUT, ""},
    {"接4821", COMMAND_TAKE, ""},
    {"TAKE 4821", COMMAND_TAKE, ""},
    {"出警4821", COMMAND_GO, ""},
    {"GO 4821", COMMAND_GO, ""},
    {"解除4821", COMMAND_ALL_CLEAR, ""},
    {"CLEAR 4821", COMMAND_ALL_CLEAR, ""},
    {"派4821", COMMAND_SEND_SOMEONE, ""},
    {"AUTO 4821", COMMAND_SEND_SOMEONE, ""},
    {"处理", COMMAND_HANDLE, ""},
    {"ACK", COMMAND_HANDLE, ""},
    {"缺", COMMAND_GAPS, ""},
    {"GAPS", COMMAND_GAPS, ""},
    {"谁在岗S17", COMMAND_WHO, "S17"},
    {"WHO S17", COMMAND_WHO, "S17"},
    {"我的班", COMMAND_MY_DUTIES, ""},
    {"MY", COMMAND_MY_DUTIES, ""},
    {"帮助", COMMAND_HELP, ""},
    {"HELP", COMMAND_HELP, ""},
    {"报警", COMMAND_PANIC, ""},
    {"SOS", COMMAND_PANIC, ""},
    {"放学S17", COMMAND_DISMISSAL, "S17"},
    {"FX S17", COMMAND_DISMISSAL, "S17"},
    {"DY S17", COMMAND_SUBSCRIBE, "S17"},
    {"订阅S17", COMMAND_SUBSCRIBE, "S17"},
    {"台账S17", COMMAND_LEDGER, "S17"},
    {"TZ S17", COMMAND_LEDGER, "S17"},
    {"驻岗S17", COMMAND_VISIT, "S17"},
    {"VISIT S17", COMMAND_VISIT, "S17"},
    {"方案S17", COMMAND_PLANS, "S17"},
    {"PLANS S17", COMMAND_PLANS, "S17"},
    {"谁在岗", COMMAND_WHO, ""},
    {"WHO", COMMAND_WHO, ""},
    {"流量S17堵", COMMAND_FLOW, "S17堵"},
    {"销号4821", COMMAND_CLOSE_ISSUE, ""},
    {"CLOSE 4821", COMMAND_CLOSE_ISSUE, ""},
    {"退回4821", COMMAND_REOPEN_ISSUE, ""},
    {"REOPEN 4821", COMMAND_REOPEN_ISSUE, ""},
    {"撤岗", COMMAND_VISIT_END, ""},
    {"VISIT END", COMMAND_VISIT_END, ""},
    {"启动4821", COMMAND_START_PLAN, ""},
    {"START 4821", COMMAND_START_PLAN, ""},
    {"停用4821", COMMAND_STOP_PLAN, ""},
    {"HALT 4821", COMMAND_STOP_PLAN, ""},
    {"任务12", COMMAND_TASKS, "12"},
    {"DONE 12", COMMAND_TASKS, "12"},
    {"签到", COMMAND_ATTEND, ""},
    {"SIGN", COMMAND_ATTEND, ""},
    {"收到", COMMAND_READ, ""},
    {"OK", COMMAND_READ, ""},
};

/* Quoted with "and a name", "and the school": what a person would then write. */
static const struct {
    const char *word;
    struct quoted whole;
} completed[] = {
    {"替", {"替王建国", COMMAND_STAND_IN, "王建国"}},
    {"FOR", {"FOR Wang", COMMAND_STAND_IN, "Wang"}},
    {"任务", {"任务1、3", COMMAND_TASKS, "1、3"}},
    {"DONE", {"DONE 2", COMMAND_TASKS, "2"}},
    {"隐患", {"隐患东门井盖松了", COMMAND_HAZARD, "东门井盖松了"}},
    {"YH", {"YH light broken", COMMAND_HAZARD, "light broken"}},
    {"接", {"接4821", COMMAND_TAKE, ""}},
    {"TAKE", {"TAKE 4821", COMMAND_TAKE, ""}},
    {"出警", {"出警4821", COMMAND_GO, ""}},
    {"GO", {"GO 4821", COMMAND_GO, ""}},
    {"派", {"派4821", COMMAND_SEND_SOMEONE, ""}},
    {"AUTO", {"AUTO 4821", COMMAND_SEND_SOMEONE, ""}},
    {"解除", {"解除4821", COMMAND_ALL_CLEAR, ""}},
    {"CLEAR", {"CLEAR 4821", COMMAND_ALL_CLEAR, ""}},
    {"处理", {"处理4821", COMMAND_HANDLE, ""}},
    {"ACK", {"ACK 4821", COMMAND_HANDLE, ""}},
    {"放学", {"放学第二实验小学", COMMAND_DISMISSAL, "第二实验小学"}},
    {"FX", {"FX S17", COMMAND_DISMISSAL, "S17"}},
    {"订阅", {"订阅第二实验小学", COMMAND_SUBSCRIBE, "第二实验小学"}},
    {"登记", {"登记 李娜 13800000001", COMMAND_ENLIST, ""}},
    {"ADD", {"ADD Li Na 13800000001", COMMAND_ENLIST, ""}},
    {"驻岗", {"驻岗第二实验小学", COMMAND_VISIT, "第二实验小学"}},
    {"VISIT", {"VISIT S17", COMMAND_VISIT, "S17"}},
    {"台账", {"台账第二实验小学", COMMAND_LEDGER, "第二实验小学"}},
    {"TZ", {"TZ S17", COMMAND_LEDGER, "S17"}},
    {"方案", {"方案第二实验小学", COMMAND_PLANS, "第二实验小学"}},
    {"PLANS", {"PLANS S17", COMMAND_PLANS, "S17"}},
};

static bool check_one(const struct quoted *quoted)
{
    struct recognise_context context = officer(); /* may use everything */
    context.open_offers = 1;
    context.invited = true;
    if (quoted->kind == COMMAND_READ) /* 【演练】 */
        context.last_sent = LAST_ALARM;
    struct command command = ask(quoted->text, context);
    return command.kind == quoted->kind && strcmp(command.arg, quoted->arg) == 0;
}

static bool check_quote(const char *word)
{
    bool known = false, good = true;
    for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++)
        if (strcmp(quotes[i].text, word) == 0) {
            known = true;
            good = good && check_one(&quotes[i]);
        }
    for (size_t i = 0; i < sizeof completed / sizeof completed[0]; i++)
        if (strcmp(completed[i].word, word) == 0) {
            known = true;
            good = good && check_one(&completed[i].whole);
        }
    return known && good;
}

/* Between `open` and `close` from `at` on; returns what follows, NULL when there is none. */
static const char *next_quote(const char *at, const char *open, const char *close, char ret[64])
{
    const char *start = strstr(at, open);
    const char *end = start != NULL ? strstr(start + strlen(open), close) : NULL;
    if (end == NULL)
        return NULL;
    start += strlen(open);
    assert_true(end - start < 64);
    memcpy(ret, start, (size_t)(end - start));
    ret[end - start] = '\0';
    return end + strlen(close);
}

static int check_text(enum text_id id, enum text_lang lang)
{
    static const char *const quote_marks[TEXT_LANG_COUNT][2] = {{"“", "”"}, {"\"", "\""}};
    struct text_fields fields = {.code = "4821", .school_code = "S17"};
    char text[TEXT_SIZE], word[64];
    int bad = 0, seen = 0;
    text_render(id, lang, &fields, text, sizeof text);
    for (const char *at = text;
         (at = next_quote(at, quote_marks[lang][0], quote_marks[lang][1], word)) != NULL; seen++)
        if (!check_quote(word)) {
            print_error("%s quotes \"%s\"\n", text_name(id), word);
            bad++;
        }
    /* Chinese texts give digits and letters without quotation marks: 回1, 回TD, 1能来 */
    for (const char *at = strstr(text, "回"); lang == TEXT_ZH && at != NULL;
         at = strstr(at + 1, "回")) {
        bool back = at - text >= (int)strlen("退") && strncmp(at - strlen("退"), "退", 3) == 0;
        size_t size = back ? 0 : strspn(at + strlen("回"), "0123456789TDR");
        snprintf(word, sizeof word, "%.*s", (int)size, at + strlen("回"));
        if (size > 0 && !check_quote(word)) {
            print_error("%s asks for %s\n", text_name(id), word);
            bad++;
        }
        seen += size > 0;
    }
    assert_true(id != TEXT_R1_EVE || seen == 3);
    return bad;
}

static void test_rule_10(void **state)
{
    (void)state;
    int bad = 0;
    for (int id = 0; id < TEXT_COUNT; id++)
        for (int lang = 0; lang < TEXT_LANG_COUNT; lang++)
            bad += check_text((enum text_id)id, (enum text_lang)lang);
    assert_int_equal(bad, 0);
}

static void test_roles(void **state)
{
    (void)state;
    struct recognise_context parent = {
        .role = SENDER_PARENT, .last_sent = LAST_QUESTION, .open_prompts = 1};
    static const char *const not_theirs[] = {"到岗",     "1",         "2",  "来不了",      "接4821",
                                             "出警4821", "谁在岗S17", "缺", "隐患井盖松了"};
    for (size_t i = 0; i < sizeof not_theirs / sizeof not_theirs[0]; i++)
        assert_means(not_theirs[i], parent, COMMAND_PERSON);
    assert_means("放学S17", parent, COMMAND_DISMISSAL);
    assert_means("退订", parent, COMMAND_STOP);
    assert_means("出警4821", volunteer(), COMMAND_PERSON);
}

/* Every sentence of the file, for each role and in the contexts that understand most. */
static int check_sentence(const char *text, bool urgent)
{
    int bad = 0;
    for (int role = SENDER_UNKNOWN; role <= SENDER_DUTY_ROOM; role++)
        for (int last = LAST_NOTHING; last <= LAST_ALARM; last++) {
            struct recognise_context context = {.role = (enum sender_role)role,
                                                .last_sent = (enum last_sent)last,
                                                .open_prompts = 1,
                                                .open_offers = 1,
                                                .checked_in = true};
            struct command command = ask(text, context);
            /* a bare code, or a word that needs one, lists the codes and does nothing */
            bool harmless = command.kind == COMMAND_PERSON || command.kind == COMMAND_LIST_CODES;
            if (!harmless || command.urgent != urgent) {
                print_error("\"%s\": %s%s\n", text, command_name(command.kind),
                            command.urgent != urgent ? " (urgent?)" : "");
                bad++;
            }
        }
    return bad;
}

static void test_sentences(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_DATA "/sms/sentences.tsv", "r");
    assert_non_null(file);
    char line[512];
    int bad = 0, count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        bad += check_sentence(line + (line[0] == '!'), line[0] == '!');
        count++;
    }
    fclose(file);
    assert_true(count >= 150);
    assert_int_equal(bad, 0);
}

static void test_fold(void **state)
{
    (void)state;
    char one[64], other[64];
    recognise_fold("第二實驗小學", one, sizeof one);
    recognise_fold("【家长】第 2 实验小学", other, sizeof other);
    assert_string_equal(one, other);
    recognise_fold("", one, sizeof one);
    assert_string_equal(one, "");
}

/* Anything may come by SMS. */
static void test_garbage(void **state)
{
    (void)state;
    struct rnd rnd = rnd_seeded(1);
    static const char *const pieces[] = {"到岗", "1",    "2",    "接",  "4821", "【",   "】",
                                         "？",   "\xff", "\xe4", "S17", "放学", "解除", "救命",
                                         "全",   " ",    "，",   "𠀀",  "替"};
    for (int i = 0; i < 20000; i++) {
        char text[256] = "";
        size_t size = 0;
        for (uint64_t n = rnd_below(&rnd, 8); n > 0; n--) {
            const char *piece = pieces[rnd_below(&rnd, sizeof pieces / sizeof pieces[0])];
            memcpy(text + size, piece, strlen(piece) + 1);
            size += strlen(piece);
        }
        struct recognise_context context = officer();
        context.role = (enum sender_role)rnd_below(&rnd, SENDER_DUTY_ROOM + 1);
        struct command command = ask(text, context);
        assert_true(command.kind < COMMAND_COUNT);
        assert_true(text_utf8_valid(command.arg, strlen(command.arg)));
        if (command.kind == COMMAND_ALL_CLEAR)
            assert_int_equal(strlen(command.code), 4);
    }
    static char long_text[20001];
    memset(long_text, 'A', 20000);
    assert_means(long_text, officer(), COMMAND_PERSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),         cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_known_schools), cmocka_unit_test(test_rule_1),
        cmocka_unit_test(test_rule_2),        cmocka_unit_test(test_rule_3),
        cmocka_unit_test(test_rule_4),        cmocka_unit_test(test_rule_5),
        cmocka_unit_test(test_rule_6),        cmocka_unit_test(test_rule_7),
        cmocka_unit_test(test_rule_8),        cmocka_unit_test(test_rule_9),
        cmocka_unit_test(test_rule_10),       cmocka_unit_test(test_roles),
        cmocka_unit_test(test_sentences),     cmocka_unit_test(test_fold),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
