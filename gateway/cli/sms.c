/* touyan sms: both boxes as a list, one message with its story, sending and simulating, and what a
 * person does with messages that are there. Numbers come masked from the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { PATH_BYTES = 256, LIMIT_MAX = 100000, ID_BYTES = 64 };

static const char *state_name(const struct cli *cli, const char *state)
{
    static const char *const names[][2] = {
        {"queued", "待发"},    {"claimed", "准备"},   {"submitted", "发送中"},
        {"sent", "已发"},      {"delivered", "送达"}, {"failed", "失败"},
        {"expired", "过期"},   {"unknown", "不明"},   {"cancelled", "取消"},
        {"waiting", "等后段"}, {"handled", "已处理"}, {"unhandled", "待人工"}};
    for (size_t i = 0; !cli->english && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], state) == 0)
            return names[i][1];
    return state;
}

/* Only what needs no escaping in a URL. */
static bool is_token(const char *text)
{
    return text[0] != '\0' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text) &&
           strlen(text) < ID_BYTES;
}

static int list_path(const struct cli *cli, char ret[PATH_BYTES])
{
    const char *dir = cli->word_count > 2 ? cli->words[2] : "all";
    const char *state = cli->state != NULL ? cli->state : "";
    int limit = 50;
    if ((strcmp(dir, "in") != 0 && strcmp(dir, "out") != 0 && strcmp(dir, "all") != 0) ||
        (state[0] != '\0' && !is_token(state)) ||
        (cli->limit != NULL && !text_to_int(cli->limit, 1, LIMIT_MAX, &limit)))
        return cli_usage(cli, "sms list [in|out] [--state queued] [--limit 50]");
    snprintf(ret, PATH_BYTES, "/v1/sms?dir=%s&limit=%d%s%s", dir, limit,
             state[0] != '\0' ? "&state=" : "", state);
    return EXIT_OK;
}

struct row {
    const struct json *message;
};

static int by_time(const void *a, const void *b)
{
    int64_t x = json_int(((const struct row *)a)->message, "at", 0);
    int64_t y = json_int(((const struct row *)b)->message, "at", 0);
    return x < y ? -1 : x > y;
}

static void add_message(const struct cli *cli, struct table *table, const struct json *message)
{
    char at[16];
    bool in = strcmp(json_text(message, "dir", ""), "in") == 0;
    cli_format_time(json_int(message, "at", 0), at);
    const char *cells[] = {at,
                           in ? cli_say(cli, "收", "in") : cli_say(cli, "发", "out"),
                           json_text(message, "number", ""),
                           state_name(cli, json_text(message, "state", "")),
                           json_text(message, "id", ""),
                           json_text(message, "text", "")};
    table_add(table, cells);
}

static void print_list(const struct cli *cli, const struct json *list)
{
    size_t count = json_count(list);
    struct row *sorted = calloc(count + 1, sizeof(struct row));
    struct table table;
    table_init(&table, 6);
    for (size_t i = 0; sorted != NULL && i < count; i++)
        sorted[i].message = json_at(list, count - 1 - i);
    if (sorted != NULL)
        qsort(sorted, count, sizeof(struct row), by_time);
    for (size_t i = 0; sorted != NULL && i < count; i++)
        add_message(cli, &table, sorted[i].message);
    table_print(&table);
    table_free(&table);
    free(sorted);
    if (count == 0)
        fprintf(stderr, "%s\n", cli_say(cli, "没有短信", "no messages"));
}

int command_sms_list(const struct cli *cli)
{
    char path[PATH_BYTES];
    struct json *json = NULL;
    int code = list_path(cli, path);
    if (code == EXIT_OK)
        code = cli_get(cli, path, &json);
    if (code == EXIT_OK && !cli->json)
        print_list(cli, json_get(json, "sms"));
    json_free(json);
    return code;
}

/* Why it has not gone, and when it probably does. */
static void print_expected(const struct cli *cli, const struct json *message)
{
    static const char *const names[][3] = {
        {"not_before", "还没到时间", "its time has not come"},
        {"quiet", "安静时段", "quiet hours"},
        {"cap", "该号码今天收得太多", "this number has had many"},
        {"refused", "网络暂不接受该号码", "the network refuses this number for now"},
        {"retry", "稍后再试", "tried again later"},
        {"pace", "SIM卡的发送限额", "the SIM's pace"},
        {"queue", "排在别的短信后面", "others come first"},
        {"paused", "已暂停发送（touyan sms resume）", "sending is paused (touyan sms resume)"},
        {"no_modem", "没有可用的短信猫", "no modem works"},
    };
    const char *why = json_text(message, "waits_for", NULL);
    int64_t expected = json_int(message, "expected", 0);
    char at[16];
    for (size_t i = 0; why != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], why) == 0)
            printf("%s %s", cli_say(cli, "等待：", "waits:"), names[i][cli->english ? 2 : 1]);
    cli_format_time(expected, at);
    if (why != NULL)
        printf("%s%s\n", expected > 0 ? cli_say(cli, "，预计 ", ", expected ") : "",
               expected > 0 ? at : "");
}

static void print_story(const struct cli *cli, const struct json *message)
{
    const struct json *history = json_get(message, "history");
    char at[16];
    cli_format_time(json_int(message, "at", 0), at);
    printf("%s  %s  %s  %s\n", json_text(message, "id", ""), json_text(message, "number", ""),
           state_name(cli, json_text(message, "state", "")), at);
    const char *reason = json_text(message, "reason", NULL);
    if (reason != NULL)
        printf("%s %s\n", cli_say(cli, "原因：", "reason:"), reason);
    print_expected(cli, message);
    struct table table;
    table_init(&table, 1);
    table_add(&table, (const char *const[]){json_text(message, "text", "")});
    table_print(&table);
    table_free(&table);
    table_init(&table, 5);
    for (size_t i = 0; i < json_count(history); i++) {
        const struct json *step = json_at(history, i);
        char part[40];
        cli_format_time(json_int(step, "at", 0), at);
        snprintf(part, sizeof part, "%lld/%lld", (long long)json_int(step, "part", 1),
                 (long long)json_int(step, "copy", 0));
        table_add(&table, (const char *const[]){
                              at, part, state_name(cli, json_text(step, "state", "")),
                              json_text(step, "modem", ""), json_text(step, "cause", "")});
    }
    table_print(&table);
    table_free(&table);
}

int command_sms_show(const struct cli *cli)
{
    char path[PATH_BYTES];
    struct json *message = NULL;
    if (!is_token(cli->words[2]))
        return cli_usage(cli, "sms show ID");
    snprintf(path, sizeof path, "/v1/sms/%s", cli->words[2]);
    int code = cli_get(cli, path, &message);
    if (code == EXIT_OK && !cli->json)
        print_story(cli, message);
    json_free(message);
    return code;
}

static int post_letter(const struct cli *cli, const char *path, struct json **ret)
{
    if (!text_utf8_valid(cli->words[3], strlen(cli->words[3])) ||
        !text_utf8_valid(cli->words[2], strlen(cli->words[2])))
        return cli_fail(cli, EXIT_USAGE, "内容不是 UTF-8", "the text is not UTF-8");
    struct json *body = json_new_object();
    json_set_text(body, "number", cli->words[2]);
    json_set_text(body, "text", cli->words[3]);
    return cli_post(cli, path, body, ret);
}

int command_sms_send(const struct cli *cli)
{
    struct json *json = NULL;
    int code = post_letter(cli, "/v1/sms/send", &json);
    if (code == EXIT_OK && !cli->json)
        printf("%s %s\n", cli_say(cli, "已排队", "queued"), json_text(json, "id", ""));
    json_free(json);
    return code;
}

int command_sms_simulate(const struct cli *cli)
{
    struct json *json = NULL;
    int code = post_letter(cli, "/v1/sms/simulate", &json);
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", cli_say(cli, "已收下（模拟）；结果：touyan sms list",
                               "taken in (simulated); what came of it: touyan sms list"));
    json_free(json);
    return code;
}

/* --- what is there already --- */

static int post_id(const struct cli *cli, const char *path)
{
    struct json *json = NULL, *body = json_new_object();
    json_set_text(body, "id", cli->words[2]);
    int code = cli_post(cli, path, body, &json);
    json_free(json);
    return code;
}

static int post_nothing(const struct cli *cli, const char *path)
{
    struct json *json = NULL;
    int code = cli_post(cli, path, json_new_object(), &json);
    json_free(json);
    return code;
}

int command_sms_retry(const struct cli *cli)
{
    return post_id(cli, "/v1/sms/retry");
}

int command_sms_cancel(const struct cli *cli)
{
    return post_id(cli, "/v1/sms/cancel");
}

int command_sms_push(const struct cli *cli)
{
    return post_id(cli, "/v1/desk/push");
}

int command_sms_pause(const struct cli *cli)
{
    return post_nothing(cli, "/v1/sms/pause");
}

int command_sms_resume(const struct cli *cli)
{
    return post_nothing(cli, "/v1/sms/resume");
}

int command_sms_balance(const struct cli *cli)
{
    int code = post_nothing(cli, "/v1/sms/balance");
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", cli_say(cli, "已向网络查询；几秒后见 touyan status",
                               "asked; the answer is in touyan status in some seconds"));
    return code;
}

static int list_quiet(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/sms/quiet", &json);
    const struct json *list = json_get(json, "quiet");
    for (size_t i = 0; code == EXIT_OK && !cli->json && i < json_count(list); i++)
        printf("%s  %s\n", json_text(json_at(list, i), "number", ""),
               json_text(json_at(list, i), "hours", ""));
    json_free(json);
    return code;
}

int command_sms_quiet(const struct cli *cli)
{
    struct json *json = NULL, *body;
    if (cli->word_count == 2)
        return list_quiet(cli);
    if (cli->word_count == 3)
        return cli_usage(cli, "sms quiet NUMBER HH:MM-HH:MM|none|default");
    body = json_new_object();
    json_set_text(body, "number", cli->words[2]);
    json_set_text(body, "hours", cli->words[3]);
    int code = cli_post(cli, "/v1/sms/quiet", body, &json);
    json_free(json);
    return code;
}

/* --- what nobody understood --- */

static void print_letter(const struct cli *cli, const struct json *item)
{
    const struct json *suggest = json_get(item, "suggest");
    char at[16];
    cli_format_time(json_int(item, "at", 0), at);
    printf("%s  %s  %s %s\n", json_text(item, "id", ""), at, json_text(item, "person", ""),
           json_text(item, "number", ""));
    struct table table;
    table_init(&table, 2);
    table_add(&table,
              (const char *const[]){cli_say(cli, "来信", "wrote"), json_text(item, "text", "")});
    for (size_t i = 0; i < json_count(suggest); i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        table_add(&table, (const char *const[]){number, json_as_text(json_at(suggest, i), "")});
    }
    table_print(&table);
    table_free(&table);
}

int command_sms_inbox(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/inbox", &json);
    const struct json *items = json_get(json, "items");
    for (size_t i = json_count(items); code == EXIT_OK && !cli->json && i > 0; i--)
        print_letter(cli, json_at(items, i - 1));
    json_free(json);
    return code;
}

/* "1" to "3": as suggested. NULL: nothing is suggested under this number. */
static const char *suggested(const struct cli *cli, const struct json *inbox)
{
    const struct json *items = json_get(inbox, "items");
    int number;
    if (!text_to_int(cli->words[3], 1, 9, &number))
        return cli->words[3];
    for (size_t i = 0; i < json_count(items); i++) {
        const struct json *suggest = json_get(json_at(items, i), "suggest");
        if (strcmp(json_text(json_at(items, i), "id", ""), cli->words[2]) == 0)
            return json_as_text(json_at(suggest, (size_t)number - 1), NULL);
    }
    return NULL;
}

int command_sms_answer(const struct cli *cli)
{
    struct json *inbox = NULL, *json = NULL;
    int code = cli_get(cli, "/v1/inbox", &inbox);
    const char *text = code == EXIT_OK ? suggested(cli, inbox) : NULL;
    if (code == EXIT_OK && (text == NULL || !text_utf8_valid(text, strlen(text)))) {
        code = cli_fail(cli, EXIT_USAGE, "没有这条建议，或内容不是 UTF-8",
                        "nothing is suggested so, or the text is not UTF-8");
    } else if (code == EXIT_OK) {
        struct json *body = json_new_object();
        json_set_text(body, "id", cli->words[2]);
        json_set_text(body, "text", text);
        code = cli_post(cli, "/v1/sms/answer", body, &json);
    }
    if (code == EXIT_OK && !cli->json)
        printf("%s %s\n", cli_say(cli, "已排队", "queued"), json_text(json, "id", ""));
    json_free(inbox);
    json_free(json);
    return code;
}
