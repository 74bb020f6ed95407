/* touyan card: plans, checklists, gear, method cards, partners, activities ... ; touyan volunteer:
 * people whom a school enters; touyan school copy; touyan privacy. Fields are given as NAME=VALUE,
 * so that each kind of card needs no command of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

enum { PATH_BYTES = 512, NAME_BYTES = 32 };

static void add_query(char *path, const char *name, const char *value)
{
    size_t used = strlen(path);
    snprintf(path + used, PATH_BYTES - used, "%c%s=", strchr(path, '?') == NULL ? '?' : '&', name);
    used = strlen(path);
    cli_encode(value, path + used, PATH_BYTES - used);
}

/* --- lists --- */

static void print_cards(const struct cli *cli, const struct json *cards)
{
    static const char *const heads[2][7] = {
        {"编号", "种类", "名称", "学校", "责任人", "到期", "状态"},
        {"code", "kind", "name", "school", "person", "due", "state"}};
    struct table table;
    table_init(&table, 7);
    table_add(&table, heads[cli->english]);
    for (size_t i = 0; i < json_count(cards); i++) {
        const struct json *one = json_at(cards, i);
        const char *cells[] = {json_text(one, "code", ""),
                               cli_word(cli, json_text(one, "kind", "")),
                               json_text(one, "name", ""),
                               json_text(one, "school", "-"),
                               json_text(one, "person", "-"),
                               json_text(one, "due", "-"),
                               cli_word(cli, json_text(one, "state", "-"))};
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
}

/* card list [KIND] [school=S17] [words=…] */
int command_card_list(const struct cli *cli)
{
    struct json *json = NULL;
    char path[PATH_BYTES] = "/v1/cards", name[NAME_BYTES];
    for (int i = 2; i < cli->word_count; i++) {
        const char *equals = strchr(cli->words[i], '=');
        snprintf(name, sizeof name, "%.*s",
                 equals == NULL ? 0 : (int)(equals - cli->words[i]) % NAME_BYTES, cli->words[i]);
        add_query(path, equals == NULL ? "kind" : name,
                  equals == NULL ? cli->words[i] : equals + 1);
    }
    int code = cli_get(cli, path, &json);
    if (code == EXIT_OK && !cli->json)
        print_cards(cli, json_get(json, "cards"));
    json_free(json);
    return code;
}

static void print_kind(const struct json *kind)
{
    static const char *const needs[] = {"school", "person", "due"};
    const struct json *fields = json_get(kind, "fields");
    printf("%-10s %s  ", json_text(kind, "kind", ""), json_text(kind, "zh", ""));
    for (int i = 0; i < 3; i++) {
        int64_t need = json_int(kind, needs[i], 0);
        if (need > 0)
            printf(need == 2 ? "%s " : "[%s] ", needs[i]);
    }
    for (size_t i = 0; i < json_count(fields); i++) {
        const struct json *field = json_at(fields, i);
        printf(json_bool(field, "required", false) ? "%s " : "[%s] ", json_text(field, "name", ""));
    }
    puts("");
}

int command_card_kinds(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/cards/kinds", &json);
    const struct json *kinds = json_get(json, "kinds");
    for (size_t i = 0; code == EXIT_OK && !cli->json && i < json_count(kinds); i++)
        print_kind(json_at(kinds, i));
    if (code == EXIT_OK && !cli->json)
        fputs(cli_say(cli,
                      "\n[] 可不填。school学校 person责任人 due日期 last学期最后一天 type类型 "
                      "number编号或数量 post岗位 "
                      "days几天一检\nsteps步骤 items检查项（用；隔开） tags标签 liaison联络人 "
                      "offers能提供 needs需要 deputy副组长\nmonth月份 skill技能 months有效月数 "
                      "who谁参加（officers民辅警 volunteers志愿者 all） headcount人数 decisions议定"
                      "事项\n",
                      "\n[]: may be left out\n"),
              stdout);
    json_free(json);
    return code;
}

static void print_story(const struct cli *cli, const struct json *card)
{
    const struct json *story = json_get(card, "story");
    printf("%s  %s  %s  %s  %s\n  %s\n", json_text(card, "code", ""),
           cli_word(cli, json_text(card, "kind", "")), json_text(card, "name", ""),
           json_text(card, "school", ""), cli_word(cli, json_text(card, "state", "")),
           json_text(card, "body", ""));
    for (size_t i = 0; i < json_count(story); i++) {
        const struct json *event = json_at(story, i);
        char at[16];
        cli_format_time(json_int(event, "at", 0), at);
        printf("  %s  %-9s %s %s %s\n", at, cli_word(cli, json_text(event, "what", "")),
               json_text(event, "person", ""), json_text(event, "school", ""),
               json_text(event, "detail", ""));
    }
}

int command_card_show(const struct cli *cli)
{
    struct json *json = NULL;
    char path[PATH_BYTES] = "/v1/cards/";
    cli_encode(cli->words[2], path + strlen(path), sizeof path - strlen(path));
    int code = cli_get(cli, path, &json);
    if (code == EXIT_OK && !cli->json)
        print_story(cli, json);
    json_free(json);
    return code;
}

/* --- orders --- */

/* NAME=VALUE from word `at` on; false: one has no '='. */
static bool add_fields(const struct cli *cli, int at, struct json *body)
{
    char name[NAME_BYTES];
    for (; at < cli->word_count; at++) {
        const char *equals = strchr(cli->words[at], '=');
        if (equals == NULL || equals - cli->words[at] >= NAME_BYTES)
            return false;
        snprintf(name, sizeof name, "%.*s", (int)(equals - cli->words[at]), cli->words[at]);
        json_set_text(body, name, equals + 1);
    }
    return true;
}

static int post(const struct cli *cli, struct json *body, const char *show)
{
    struct json *json = NULL;
    int code = cli_post(cli, "/v1/cards", body, &json);
    if (code == EXIT_OK && !cli->json) {
        const char *text = json_text(json, show, NULL);
        if (text != NULL)
            printf("%s\n", text);
        else
            printf("%lld\n", (long long)json_int(json, show, 0));
    }
    json_free(json);
    return code;
}

/* card put KIND NAME FIELD=VALUE ... */
int command_card_put(const struct cli *cli)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", "put");
    json_set_text(body, "kind", cli->words[2]);
    json_set_text(body, "name", cli->words[3]);
    if (!add_fields(cli, 4, body)) {
        json_free(body);
        return cli_usage(cli, "card put KIND NAME by=NAME [FIELD=VALUE ...]");
    }
    return post(cli, body, "code");
}

/* card do ACT CODE BY [FIELD=VALUE ...] */
int command_card_do(const struct cli *cli)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", cli->words[2]);
    json_set_text(body, "code", cli->words[3]);
    json_set_text(body, "by", cli->words[4]);
    if (!add_fields(cli, 5, body)) {
        json_free(body);
        return cli_usage(cli, "card do ACT CODE BY [FIELD=VALUE ...]");
    }
    return post(cli, body, "code");
}

int command_card_draw(const struct cli *cli)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", "draw");
    return post(cli, body, "post");
}

int command_card_match(const struct cli *cli)
{
    static const char *const heads[2][4] = {{"单位", "能提供", "单位", "需要"},
                                            {"from", "offers", "to", "needs"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/cards/matches", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *matches = json_get(json, "matches");
        struct table table;
        table_init(&table, 4);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(matches); i++) {
            const struct json *one = json_at(matches, i);
            const char *cells[] = {json_text(one, "from", ""), json_text(one, "offer", ""),
                                   json_text(one, "to", ""), json_text(one, "need", "")};
            table_add(&table, cells);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

int command_school_copy(const struct cli *cli)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", "copy");
    json_set_text(body, "from", cli->words[2]);
    json_set_text(body, "to", cli->words[3]);
    return post(cli, body, "copied");
}

int command_school_exam(const struct cli *cli)
{
    static const char *const names[] = {"school", "date", "from", "to"};
    struct json *body = json_new_object();
    json_set_text(body, "act", "exam");
    for (int i = 0; i < 4; i++)
        json_set_text(body, names[i], cli->words[2 + i]);
    return post(cli, body, "shifts");
}

/* --- volunteers --- */

int command_volunteer_add(const struct cli *cli)
{
    static const char *const names[] = {"school", "kind", "name", "phone", "by"};
    struct json *body = json_new_object();
    json_set_text(body, "act", "enlist");
    for (int i = 0; i < 5; i++)
        json_set_text(body, names[i], cli->words[2 + i]);
    return post(cli, body, "id");
}

/* approve, refuse */
int command_volunteer_decide(const struct cli *cli)
{
    struct json *body = json_new_object();
    json_set_text(body, "act", cli->words[1]);
    json_set_text(body, "id", cli->words[2]);
    json_set_text(body, "by", cli->words[3]);
    return post(cli, body, "count");
}

int command_volunteer_list(const struct cli *cli)
{
    static const char *const heads[2][6] = {
        {"编号", "学校", "姓名", "号码", "登记人", "状态"},
        {"id", "school", "name", "number", "entered by", "state"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/volunteers", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *list = json_get(json, "volunteers");
        struct table table;
        table_init(&table, 6);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(list); i++) {
            const struct json *one = json_at(list, i);
            const char *cells[] = {json_text(one, "id", ""),          json_text(one, "school", "-"),
                                   json_text(one, "name", ""),        json_text(one, "phone", ""),
                                   json_text(one, "entered_by", "-"), json_text(one, "state", "")};
            table_add(&table, cells);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

/* Those who consented and whom the county's list does not have: rows of its person.csv. */
int command_volunteer_export(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/volunteers?export=1", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *list = json_get(json, "volunteers");
        puts("id,scope,kind,name,station_id,school_id,senior,phone,lang,active");
        for (size_t i = 0; i < json_count(list); i++) {
            const struct json *one = json_at(list, i);
            const char *station = json_text(one, "station_id", "");
            const char *phone = json_text(one, "phone", "");
            const char *cells[] = {json_text(one, "id", ""),
                                   station,
                                   json_text(one, "kind", ""),
                                   json_text(one, "name", ""),
                                   station,
                                   json_text(one, "school_id", ""),
                                   "0",
                                   phone,
                                   "",
                                   "1"};
            cli_csv_line(cells, sizeof cells / sizeof cells[0]);
        }
    }
    json_free(json);
    return code;
}

/* --- what is kept for how long --- */

int command_privacy(const struct cli *cli)
{
    static const char *const heads[2][4] = {{"内容", "保存天数", "上次清理", "已清理"},
                                            {"what", "days", "last run", "removed"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/privacy", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *rules = json_get(json, "rules");
        struct table table;
        table_init(&table, 4);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(rules); i++) {
            const struct json *one = json_at(rules, i);
            char days[16], ran[16], removed[24];
            snprintf(days, sizeof days, "%lld", (long long)json_int(one, "days", 0));
            snprintf(removed, sizeof removed, "%lld", (long long)json_int(one, "removed", 0));
            cli_format_time(json_int(one, "ran_at", 0), ran);
            const char *cells[] = {json_text(one, cli->english ? "en" : "zh", ""), days, ran,
                                   removed};
            table_add(&table, cells);
        }
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}
