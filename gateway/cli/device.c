/* touyan device list: the devices at the gates, also those that nobody registered.
 * touyan device command: tells one to do something and waits for its answer.
 * touyan device accounts: the files that the broker reads, and what goes into the devices.
 * touyan device flow: from how many people on a school's gates are full. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/cli/cli.h"

static const char *state_name(const struct cli *cli, const char *state)
{
    if (cli->english)
        return state;
    if (strcmp(state, "online") == 0)
        return "在线";
    return strcmp(state, "offline") == 0 ? "离线" : "未知";
}

enum { BATTERY_LOW = 15, CLOCK_OFF_MS = 10000, NOTE_BYTES = 160 };

static void add_note(char note[NOTE_BYTES], const char *text)
{
    size_t used = strlen(note);
    snprintf(note + used, NOTE_BYTES - used, "%s%s", used > 0 ? "; " : "", text);
}

static void add_number(const struct cli *cli, char note[NOTE_BYTES], const char *zh, const char *en,
                       int64_t number, const char *unit)
{
    char text[64];
    snprintf(text, sizeof text, "%s %lld%s", cli_say(cli, zh, en), (long long)number, unit);
    add_note(note, text);
}

/* What is wrong with it first, its firmware last: "电量低 12%; 缺记录 3; 1.4.2" */
static void describe(const struct cli *cli, const struct json *device, char note[NOTE_BYTES])
{
    int64_t battery = json_int(device, "battery", -1), missing = json_int(device, "missing", 0);
    int64_t over = json_int(device, "over", 0), off_ms = json_int(device, "offset_ms", 0);
    note[0] = '\0';
    if (missing > 0)
        add_number(cli, note, "缺记录", "missing", missing, "");
    if (over > 0)
        add_number(cli, note, "超额", "over quota", over, "");
    if (off_ms > CLOCK_OFF_MS || off_ms < -CLOCK_OFF_MS)
        add_number(cli, note, "时钟偏", "clock off", -off_ms / 1000, " s");
    if (battery >= 0)
        add_number(cli, note, battery <= BATTERY_LOW ? "电量低" : "电量",
                   battery <= BATTERY_LOW ? "BATTERY" : "battery", battery, "%");
    if (json_text(device, "firmware", NULL) != NULL)
        add_note(note, json_text(device, "firmware", ""));
}

static void add_device(const struct cli *cli, struct table *table, const struct json *device)
{
    char since[16], heard[16], note[NOTE_BYTES + 1];
    cli_format_time(json_int(device, "since", 0), since);
    cli_format_time(json_int(device, "heard", 0), heard);
    describe(cli, device, note);
    const char *cells[] = {json_text(device, "school", ""),
                           json_text(device, "post", ""),
                           json_bool(device, "registered", false)
                               ? json_text(device, "kind", "")
                               : cli_say(cli, "未登记", "not registered"),
                           state_name(cli, json_text(device, "state", "unknown")),
                           since,
                           heard,
                           json_text(device, "id", ""),
                           note};
    table_add(table, cells);
}

/* Problems last: first those that are online. */
static bool is_online(const struct json *device)
{
    return strcmp(json_text(device, "state", ""), "online") == 0;
}

enum { RAW_LINES = 5 };

/* The newest at the bottom; all of them with --json. */
static void print_raw(const struct cli *cli, const struct json *raw)
{
    size_t count = json_count(raw);
    if (count == 0)
        return;
    printf("%s\n",
           cli_say(cli, "没有规则能懂的最近消息：", "last messages that no rule understood:"));
    for (size_t i = count < RAW_LINES ? count : RAW_LINES; i > 0; i--) {
        const struct json *one = json_at(raw, i - 1);
        char at[16];
        cli_format_time(json_int(one, "at", 0), at);
        printf("  %s  %.200s  %.200s\n", at, json_text(one, "topic", ""),
               json_text(one, "reason", ""));
    }
}

int command_device_list(const struct cli *cli)
{
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/devices", &json);
    if (code == EXIT_OK && !cli->json) {
        static const char *const heads[2][8] = {
            {"学校", "岗位", "类型", "状态", "自", "最近消息", "编号", "说明"},
            {"school", "post", "kind", "state", "since", "heard", "id", "notes"}};
        const struct json *devices = json_get(json, "devices");
        struct table table;
        table_init(&table, 8);
        table_add(&table, heads[cli->english]);
        for (int good = 1; good >= 0; good--)
            for (size_t i = 0; i < json_count(devices); i++)
                if (is_online(json_at(devices, i)) == (good == 1))
                    add_device(cli, &table, json_at(devices, i));
        table_print(&table);
        table_free(&table);
        print_raw(cli, json_get(json, "raw"));
    }
    json_free(json);
    return code;
}

/* --- commands --- */

enum { ASK_EVERY_MS = 200, WAIT_MS = 20000 };

/* "volume=70" becomes a member; false: it has no '='. */
static bool add_arg(struct json *args, const char *word)
{
    char key[64];
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : 0;
    if (length == 0 || length >= sizeof key)
        return false;
    memcpy(key, word, length);
    key[length] = '\0';
    json_set_text(args, key, equals + 1);
    return true;
}

static struct json *command_body(const struct cli *cli)
{
    struct json *args = json_new_object(), *body = json_new_object();
    bool good = true;
    json_set_text(body, "device", cli->words[2]);
    json_set_text(body, "name", cli->words[3]);
    for (int i = 4; i < cli->word_count; i++)
        good = good && add_arg(args, cli->words[i]);
    json_set(body, "args", args);
    if (good)
        return body;
    json_free(body);
    return NULL;
}

static bool is_final(const struct json *command)
{
    const char *state = json_text(command, "state", "");
    return strcmp(state, "queued") != 0 && strcmp(state, "given") != 0 &&
           (strcmp(state, "sent") != 0 || json_int(command, "ended", 0) > 0);
}

static int print_command(const struct cli *cli, const struct json *command)
{
    static const char *const names[][3] = {
        {"queued", "等待设备上线", "waits for the device"},
        {"given", "等待消息服务", "waits for the broker"},
        {"sent", "已发出", "sent"},
        {"acknowledged", "设备已执行", "done"},
        {"refused", "设备拒绝", "refused by the device"},
        {"timed_out", "设备没有答复", "no reply from the device"},
        {"expired", "已过期，没有发出", "too late, not sent"},
    };
    const char *state = json_text(command, "state", "");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!cli->json && strcmp(names[i][0], state) == 0)
            printf("%s\n", names[i][cli->english ? 2 : 1]);
    if (strcmp(state, "acknowledged") == 0 || strcmp(state, "sent") == 0)
        return EXIT_OK;
    fprintf(stderr, "touyan: %s\n", json_text(command, "problem", state));
    return EXIT_LATER;
}

/* Until it has ended; what still waits after that is shown as it is. */
static int await(const struct cli *cli, const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/v1/devices/command/%.64s", id);
    int64_t until_ms = clock_mono_ms(clock_real()) + WAIT_MS;
    for (;;) {
        struct json *command = NULL;
        int code = cli_peek(cli, path, &command);
        if (code != EXIT_OK)
            return code;
        if (is_final(command) || clock_mono_ms(clock_real()) >= until_ms) {
            code = print_command(cli, command);
            json_free(command);
            return code;
        }
        json_free(command);
        clock_sleep_ms(ASK_EVERY_MS);
    }
}

int command_device_command(const struct cli *cli)
{
    struct json *answer = NULL, *body = command_body(cli);
    if (body == NULL)
        return cli_usage(cli, "device command ID NAME [KEY=VALUE ...]");
    int code = cli_post(cli, "/v1/devices/command", body, &answer);
    if (code == EXIT_OK)
        code = await(cli, json_text(answer, "id", ""));
    json_free(answer);
    return code;
}

/* --- accounts --- */

static int print_accounts(const struct cli *cli, const struct json *accounts)
{
    static const char *const heads[2][3] = {{"用户名", "产品", "密码"},
                                            {"user", "product", "password"}};
    struct table table;
    table_init(&table, 3);
    table_add(&table, heads[cli->english]);
    for (size_t i = 0; i < json_count(accounts); i++) {
        const struct json *one = json_at(accounts, i);
        const char *cells[] = {json_text(one, "user", ""), json_text(one, "product", ""),
                               json_text(one, "password", "")};
        table_add(&table, cells);
    }
    table_print(&table);
    table_free(&table);
    return EXIT_OK;
}

int command_device_accounts(const struct cli *cli)
{
    const char *what = cli->words[2];
    bool key = strcmp(what, "key") == 0, list = strcmp(what, "list") == 0;
    if (key != (cli->word_count == 4) ||
        (!key && !list && strcmp(what, "passwd") != 0 && strcmp(what, "acl") != 0))
        return cli_usage(cli, "device accounts passwd | acl | list | key ID");
    struct json *json = NULL, *body = json_new_object();
    if (key)
        json_set_text(body, "device", cli->words[3]);
    int code = cli_post(cli, "/v1/devices/accounts", body, &json);
    if (code == EXIT_OK && !cli->json && list)
        code = print_accounts(cli, json_get(json, "accounts"));
    else if (code == EXIT_OK && !cli->json)
        printf("%s%s", json_text(json, what, ""), key ? "\n" : "");
    json_free(json);
    return code;
}

/* --- flow --- */

static void add_school(const struct cli *cli, struct table *table, const struct json *school)
{
    char peak[24] = "", heavy[24] = "", people[24] = "";
    if (json_int(school, "peak", 0) > 0) {
        snprintf(peak, sizeof peak, "%lld", (long long)json_int(school, "peak", 0));
        snprintf(heavy, sizeof heavy, "%lld", (long long)json_int(school, "heavy", 0));
    }
    if (json_int(school, "people", -1) >= 0)
        snprintf(people, sizeof people, "%lld", (long long)json_int(school, "people", 0));
    const char *stations = cli_say(cli, "全站", "station's");
    const char *cells[] = {json_text(school, "code", ""),
                           json_text(school, "school", ""),
                           peak[0] != '\0' ? peak : stations,
                           heavy[0] != '\0' ? heavy : stations,
                           people,
                           json_text(school, "level", "")};
    table_add(table, cells);
}

static int list_flow(const struct cli *cli)
{
    static const char *const heads[2][6] = {
        {"编号", "学校", "高峰从", "拥堵从", "现在人数", "现在"},
        {"code", "school", "peak from", "heavy from", "people now", "now"}};
    struct json *json = NULL;
    int code = cli_get(cli, "/v1/flow", &json);
    if (code == EXIT_OK && !cli->json) {
        const struct json *schools = json_get(json, "schools");
        struct table table;
        table_init(&table, 6);
        table_add(&table, heads[cli->english]);
        for (size_t i = 0; i < json_count(schools); i++)
            add_school(cli, &table, json_at(schools, i));
        table_print(&table);
        table_free(&table);
    }
    json_free(json);
    return code;
}

int command_device_flow(const struct cli *cli)
{
    int peak = 0, heavy = 0;
    bool own = cli->word_count == 5;
    if (cli->word_count == 2)
        return list_flow(cli);
    if (own ? !text_to_int(cli->words[3], 0, INT32_MAX, &peak) ||
                  !text_to_int(cli->words[4], 0, INT32_MAX, &heavy)
            : cli->word_count != 4 || strcmp(cli->words[3], "default") != 0)
        return cli_usage(cli, "device flow [SCHOOL PEAK HEAVY | SCHOOL default]");
    struct json *body = json_new_object(), *json = NULL;
    json_set_text(body, "school", cli->words[2]);
    if (own) {
        json_set_int(body, "peak", peak);
        json_set_int(body, "heavy", heavy);
    }
    int code = cli_post(cli, "/v1/flow", body, &json);
    json_free(json);
    if (code == EXIT_OK && !cli->json)
        printf("%s\n", cli_say(cli, "已设好", "set"));
    return code;
}
