/* touyan roster pin | unpin | way | need | orders: what the plan of a week is told besides posts
 * and people. */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

enum { NAME_BYTES = 16 };

static int post(const struct cli *cli, struct json *body)
{
    struct json *json = NULL;
    json_set_text(body, "act", cli->words[1]);
    int code = cli_post(cli, "/v1/roster/orders", body, &json);
    json_free(json);
    return code;
}

static struct json *body_of(const struct cli *cli, const char *const *names, int count)
{
    struct json *body = json_new_object();
    for (int i = 0; i < count; i++)
        json_set_text(body, names[i], cli->words[2 + i]);
    return body;
}

int command_roster_pin(const struct cli *cli)
{
    static const char *const names[] = {"school", "post", "date", "peak", "person", "by"};
    return post(cli, body_of(cli, names, 6));
}

int command_roster_unpin(const struct cli *cli)
{
    static const char *const names[] = {"date", "peak", "person", "by"};
    return post(cli, body_of(cli, names, 4));
}

int command_roster_way(const struct cli *cli)
{
    static const char *const names[] = {"person", "school", "minutes", "by"};
    return post(cli, body_of(cli, names, 4));
}

int command_roster_need(const struct cli *cli)
{
    static const char *const names[] = {"school", "post", "flat", "busy", "heavy", "by"};
    struct json *body = body_of(cli, names, 6);
    for (int i = 8; i < cli->word_count; i++) {
        char name[NAME_BYTES];
        const char *equals = strchr(cli->words[i], '=');
        if (equals == NULL || equals - cli->words[i] >= NAME_BYTES) {
            json_free(body);
            return cli_usage(cli, "roster need SCHOOL POST FLAT BUSY HEAVY BY [peak=am]"
                                  " [level=heavy] [skills=...]");
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - cli->words[i]), cli->words[i]);
        json_set_text(body, name, equals + 1);
    }
    return post(cli, body);
}

int command_roster_approve(const struct cli *cli)
{
    static const char *const names[] = {"person", "by"};
    return post(cli, body_of(cli, names, 2));
}

int command_roster_decide(const struct cli *cli)
{
    static const char *const names[] = {"person", "date", "peak", "verdict", "by"};
    return post(cli, body_of(cli, names, 5));
}

/* --- as it is now --- */

static void print_list(const struct json *list, const char *const *keys, int count)
{
    struct table table;
    table_init(&table, count);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *one = json_at(list, i);
        char numbers[TABLE_COLUMNS][24];
        const char *cells[TABLE_COLUMNS];
        for (int k = 0; k < count; k++) {
            snprintf(numbers[k], sizeof numbers[k], "%lld", (long long)json_int(one, keys[k], 0));
            const char *text = json_text(one, keys[k], NULL);
            bool number = text == NULL && json_int(one, keys[k], -1) >= 0;
            cells[k] = number ? numbers[k] : text == NULL ? "-" : text;
        }
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
}

int command_roster_orders(const struct cli *cli)
{
    static const struct {
        const char *list, *zh, *en, *keys[TABLE_COLUMNS];
        int count;
    } lists[] = {
        {"pins", "固定的人", "pinned", {"date", "peak", "school", "post", "person"}, 5},
        {"needs",
         "各岗人数（平、高、堵）和技能",
         "needs (quiet, busy, crowded) and skills",
         {"school", "post", "peak", "flat", "busy", "heavy", "level", "skills"},
         8},
        {"ways", "单程分钟", "minutes one way", {"person", "school", "minutes"}, 3},
        {"stand_ins",
         "还没有批准的顶岗",
         "stand-ins that nobody approved",
         {"date", "peak", "person", "stood_in_for"},
         4},
        {"skills", "技能和有效期", "skills, and until when", {"person", "skill", "until"}, 3},
    };
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/roster/orders", &json);
    for (size_t i = 0; code == EXIT_OK && !cli->json && i < sizeof lists / sizeof lists[0]; i++) {
        puts(cli_say(cli, lists[i].zh, lists[i].en));
        print_list(json_get(json, lists[i].list), lists[i].keys, lists[i].count);
    }
    json_free(json);
    return code;
}
