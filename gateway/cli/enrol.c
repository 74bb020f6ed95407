/* touyan enrol: the station's certificate for the county. Without words it shows how things are;
 * with a one-time code (or "again", to wait for approval) the station makes a new key and asks. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/cli/cli.h"

enum { POLL_MS = 250, POLLS = 60 };

static void print_line(const struct cli *cli, const char *zh, const char *en, const char *value)
{
    if (value != NULL && value[0] != '\0')
        printf("%s %.300s\n", cli_say(cli, zh, en), value);
}

static const char *state_of(const struct cli *cli, const char *state)
{
    static const struct {
        const char *state, *zh, *en;
    } names[] = {{"off", "没有配置证书登记（sync.ca_pin）", "not configured (sync.ca_pin)"},
                 {"none", "还没有证书", "no certificate yet"},
                 {"waiting", "等县里核对六位数后批准", "waiting for the county's approval"},
                 {"good", "已登记", "enrolled"},
                 {"expired", "证书已过期，正在更新", "expired, being renewed"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].state, state) == 0)
            return cli_say(cli, names[i].zh, names[i].en);
    return state;
}

static void print_date(const struct cli *cli, const char *zh, const char *en, int64_t at_ms)
{
    char at[16];
    if (at_ms == 0)
        return;
    cli_format_date(at_ms, at);
    print_line(cli, zh, en, at);
}

void enrolment_print(const struct cli *cli, const struct json *e)
{
    print_line(cli, "登记：", "enrolment:", state_of(cli, json_text(e, "state", "?")));
    print_line(cli, "站号：", "station:", json_text(e, "station", ""));
    print_line(cli, "县里的叫法：", "called by the county:", json_text(e, "name", ""));
    print_date(cli, "证书有效至", "certificate valid until", json_int(e, "until", 0));
    print_line(cli, "核对用的六位数：", "digits to compare:", json_text(e, "digits", ""));
    print_line(cli, "本机序列号：", "serial number:", json_text(e, "serial", ""));
    print_line(cli, "问题：", "problem:", json_text(e, "problem", ""));
}

/* The county's answer comes soon or much later; true: there is no need to wait any more. */
static bool is_settled(const struct json *e)
{
    const char *state = json_text(e, "state", "");
    bool asked = json_text(e, "digits", "")[0] != '\0';
    return (strcmp(state, "good") == 0 && !asked) || strcmp(state, "waiting") == 0 ||
           json_text(e, "problem", "")[0] != '\0';
}

static int show(const struct cli *cli, bool wait)
{
    struct json *json = NULL;
    int code = EXIT_OK;
    for (int i = 0; wait && i < POLLS; i++) {
        code = cli_peek(cli, "/v1/enrol", &json);
        bool settled = code != EXIT_OK || is_settled(json);
        json_free(json);
        json = NULL;
        if (settled)
            break;
        clock_sleep_ms(POLL_MS);
    }
    code = cli_get(cli, "/v1/enrol", &json);
    if (code == EXIT_OK && !cli->json)
        enrolment_print(cli, json);
    bool good = strcmp(json_text(json, "state", ""), "good") == 0 &&
                json_text(json, "problem", "")[0] == '\0';
    if (code == EXIT_OK && wait && !good)
        code = EXIT_LATER;
    json_free(json);
    return code;
}

static int begin(const struct cli *cli, const char *word)
{
    struct cli quiet = *cli;
    struct json *body = json_new_object(), *json = NULL;
    quiet.json = false;
    if (strcmp(word, "again") != 0)
        json_set_text(body, "code", word);
    int code = cli_post(&quiet, "/v1/enrol", body, &json);
    json_free(json);
    return code;
}

int command_enrol(const struct cli *cli)
{
    if (cli->word_count == 1)
        return show(cli, false);
    int code = begin(cli, cli->words[1]);
    return code != EXIT_OK ? code : show(cli, true);
}
