/* touyan radio list: whose radios there are, those of nobody first, and what went to them last.
 * touyan radio add, remove, send: whose a radio is, and a text to it. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

enum { SAID_LINES = 10 };

static void add_node(const struct cli *cli, struct table *table, const struct json *node)
{
    char heard[16], texts[24], ignored[24], battery[24] = "";
    bool owned = json_text(node, "person", NULL) != NULL;
    cli_format_time(json_int(node, "heard", 0), heard);
    snprintf(texts, sizeof texts, "%lld", (long long)json_int(node, "texts", 0));
    snprintf(ignored, sizeof ignored, "%lld", (long long)json_int(node, "ignored", 0));
    if (json_int(node, "battery", -1) >= 0)
        snprintf(battery, sizeof battery, "%lld%%", (long long)json_int(node, "battery", 0));
    const char *cells[] = {
        json_text(node, "node", ""),
        json_text(node, "product", ""),
        owned ? json_text(node, "name", json_text(node, "person", ""))
              : cli_say(cli, "未登记，不听从", "nobody's, not obeyed"),
        json_text(node, "channel", ""),
        heard,
        texts,
        ignored,
        battery,
    };
    table_add(table, cells);
}

static const char *state_name(const struct cli *cli, const char *state)
{
    static const struct {
        const char *state, *zh, *en;
    } names[] = {
        {"queued", "待发", "waits"},        {"given", "等待确认", "sent, not confirmed yet"},
        {"delivered", "送达", "delivered"}, {"sent", "已发，未确认", "sent, nobody confirmed"},
        {"failed", "失败", "failed"},       {"expired", "过期未发", "too late, not sent"},
        {"cancelled", "取消", "cancelled"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].state, state) == 0)
            return cli_say(cli, names[i].zh, names[i].en);
    return state;
}

/* The newest at the bottom. */
static void print_said(const struct cli *cli, const struct json *said)
{
    size_t count = json_count(said);
    for (size_t i = count < SAID_LINES ? count : SAID_LINES; i > 0; i--) {
        const struct json *one = json_at(said, i - 1);
        char at[16];
        cli_format_time(json_int(one, "at", 0), at);
        printf("  %s  %s  %s  %s\n", at, json_text(one, "node", ""),
               json_int(one, "prio", 1) == 0 ? cli_say(cli, "报警", "alarm")
                                             : json_text(one, "ref_kind", ""),
               state_name(cli, json_text(one, "state", "")));
    }
}

int command_radio_list(const struct cli *cli)
{
    static const char *const heads[2][8] = {
        {"电台", "产品", "使用人", "信道", "最近听到", "听从", "未听从", "电量"},
        {"radio", "product", "belongs to", "channel", "heard", "obeyed", "ignored", "battery"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/radio", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *nodes = json_get(json, "nodes");
        struct table table;
        table_init(&table, 8);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(nodes); i++)
            add_node(cli, &table, json_at(nodes, i));
        table_print(&table);
        table_free(&table);
        print_said(cli, json_get(json, "said"));
    }
    json_free(json);
    return code;
}

/* words[2] is the node; `key` names words[3] when there is one, and the product comes last. */
static int act(const struct cli *cli, const char *verb, const char *key, const char *zh,
               const char *en)
{
    int product = key != NULL ? 4 : 3;
    struct json *body = json_new_object(), *json = NULL;
    json_set_text(body, "act", verb);
    json_set_text(body, "node", cli->words[2]);
    if (key != NULL)
        json_set_text(body, key, cli->words[3]);
    if (cli->word_count > product)
        json_set_text(body, "product", cli->words[product]);
    int code = cli_post(cli, "/v1/radio", body, &json);
    json_free(json);
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", cli_say(cli, zh, en));
    return code;
}

int command_radio_add(const struct cli *cli)
{
    return act(cli, "add", "person", "已登记", "registered");
}

int command_radio_remove(const struct cli *cli)
{
    return act(cli, "remove", NULL, "已取消登记", "removed");
}

int command_radio_send(const struct cli *cli)
{
    return act(cli, "send", "text", "已排队", "queued");
}
