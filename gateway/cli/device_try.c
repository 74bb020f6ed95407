/* touyan device try: what a rule file makes of a payload, without the daemon, so that a rule can be
 * written beside a recorded message. Each event that comes out is shown with its values and the
 * answer that the device would get; when nothing comes out, why each rule does not fit. Without a
 * TOPIC the first one that the file knows and that gives something is taken. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/caltime.h"
#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/cli/cli.h"
#include "mqtt/mapping.h"
#include "mqtt/payload.h"

/* One attempt: the payload at one topic. */
struct attempt {
    const struct cli *cli;
    struct mapping *mapping;
    const struct product *product;
    const char *topic;
    const struct buf *payload;
};

static int read_payload(const struct cli *cli, struct buf *ret)
{
    struct buf raw;
    char part[4096];
    size_t n;
    buf_init(&raw, LIMIT_MQTT_PAYLOAD_BYTES);
    while ((n = fread(part, 1, sizeof part, stdin)) > 0)
        buf_add(&raw, part, n);
    /* a file has a newline at its end, a message has none */
    while (raw.size > 0 && raw.bytes[raw.size - 1] == '\n')
        raw.bytes[--raw.size] = '\0';
    bool good = !raw.failed && text_utf8_valid(buf_text(&raw), raw.size) &&
                payload_cut(buf_text(&raw), raw.size, ret);
    buf_free(&raw);
    return good ? EXIT_OK
                : cli_fail(cli, EXIT_USAGE, "内容过大或不是 UTF-8",
                           "the payload is too large or not UTF-8");
}

static int read_rules(const struct cli *cli, const char *path, struct product **ret)
{
    struct buf text;
    struct err err = {0};
    buf_init(&text, LIMIT_RULE_FILE_BYTES);
    int code = file_read(path, &text, &err);
    if (code == ERR_OK)
        code = rulefile_parse(path, buf_text(&text), text.size, ret, &err);
    buf_free(&text);
    if (code == ERR_OK && *ret == NULL)
        code = err_set(&err, ERR_INVALID, "%.200s: has no rules", path);
    return code == ERR_OK ? EXIT_OK : cli_fail(cli, EXIT_CONFIG, err.text, err.text);
}

/* --- one event --- */

static struct json *event_json(const struct mapped *mapped, const char *topic)
{
    struct json *json = json_new_object();
    json_set_text(json, "rule", mapped->rule->name);
    json_set_text(json, "kind", mqtt_kind_name(mapped->kind));
    json_set_text(json, "device", mapped->device_id);
    const struct {
        const char *name, *text;
    } texts[] = {{"code", mapped->code},
                 {"subject", mapped->subject},
                 {"id", mapped->dedupe},
                 {"boot", mapped->boot},
                 {"firmware", mapped->firmware}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].text[0] != '\0')
            json_set_text(json, texts[i].name, texts[i].text);
    if (mapped->device_at_ms != 0)
        json_set_int(json, "at", mapped->device_at_ms);
    if (mapped->seq >= 0)
        json_set_int(json, "seq", mapped->seq);
    if (mapped->count >= 0)
        json_set_int(json, "count", mapped->count);
    if (mapped->battery >= 0)
        json_set_int(json, "battery", mapped->battery);
    if (mapped->replay)
        json_set_bool(json, "replay", true);
    if (mapped->flaw != NULL)
        json_set_text(json, "flaw", mapped->flaw);
    if (mapped->kind == MQTT_REPLY)
        json_set_bool(json, "ok", mapped->ok);
    struct buf to, answer;
    buf_init(&to, LIMIT_TOPIC_BYTES);
    buf_init(&answer, LIMIT_MQTT_OUT_BYTES);
    if (mapping_answer(mapped, topic, &to, &answer)) {
        json_set_text(json, "answer_to", buf_text(&to));
        json_set_text(json, "answer", buf_text(&answer));
    }
    buf_free(&to);
    buf_free(&answer);
    return json;
}

static void print_event(const struct json *event)
{
    static const char *const texts[] = {"rule", "kind", "device",   "code",      "subject", "id",
                                        "boot", "flaw", "firmware", "answer_to", "answer"};
    static const char *const numbers[] = {"seq", "count", "battery"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (json_text(event, texts[i], NULL) != NULL)
            printf("  %-10s %s\n", texts[i], json_text(event, texts[i], ""));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (json_int(event, numbers[i], -1) >= 0)
            printf("  %-10s %lld\n", numbers[i], (long long)json_int(event, numbers[i], -1));
    int64_t at = json_int(event, "at", 0);
    if (at != 0) {
        struct caltime t = caltime_local(at);
        printf("  %-10s %04d-%02d-%02d %02d:%02d:%02d\n", "time", t.year, t.month, t.day, t.hour,
               t.minute, t.second);
    }
    if (json_get(event, "ok") != NULL)
        printf("  %-10s %s\n", "ok", json_bool(event, "ok", false) ? "yes" : "no");
    if (json_bool(event, "replay", false))
        printf("  %-10s yes\n", "replay");
}

/* --- one topic --- */

/* The events; `ret_reason` is set when the rule fits but a value cannot be. */
static struct json *events_at(const struct attempt *attempt, const char **ret_reason)
{
    struct json *list = json_new_array();
    struct mapped mapped;
    *ret_reason = NULL;
    if (!mapping_begin(attempt->mapping, attempt->topic, buf_text(attempt->payload),
                       attempt->payload->size, ret_reason))
        return list;
    while (mapping_next(attempt->mapping, &mapped, ret_reason) > 0)
        json_add(list, event_json(&mapped, attempt->topic));
    return list;
}

/* A topic that the filter matches: "D" for each level that is open. */
static void topic_of(const char *filter, char ret[LIMIT_TOPIC_BYTES + 1])
{
    text_copy(ret, LIMIT_TOPIC_BYTES + 1, filter);
    for (char *c = ret; *c != '\0'; c++)
        if (*c == '+' || *c == '#')
            *c = 'D';
}

static void find_topic(struct attempt *attempt, char topic[LIMIT_TOPIC_BYTES + 1])
{
    int count;
    const char *reason;
    const char *const *filters = mapping_filters(attempt->mapping, &count);
    attempt->topic = topic;
    for (int i = 0; i < count; i++) {
        topic_of(filters[i], topic);
        if (mapping_begin(attempt->mapping, topic, buf_text(attempt->payload),
                          attempt->payload->size, &reason))
            return;
    }
}

static void print_reasons(const struct attempt *attempt)
{
    char why[LIMIT_ERR_TEXT];
    for (int i = 0; i < attempt->product->rule_count; i++) {
        const struct rule *rule = &attempt->product->rules[i];
        mapping_explain(attempt->mapping, rule, attempt->topic, why, sizeof why);
        fprintf(stderr, "  %s (line %d): %s\n", rule->name, rule->line, why);
    }
}

static int show(const struct attempt *attempt)
{
    const struct cli *cli = attempt->cli;
    const char *reason;
    struct json *events = events_at(attempt, &reason);
    size_t count = json_count(events);
    if (cli->json) {
        struct json *json = json_new_object();
        struct buf out;
        buf_init(&out, LIMIT_JSON_BYTES);
        json_set_int(json, "v", 1);
        json_set_text(json, "topic", attempt->topic);
        json_set_text(json, "reason", reason);
        json_set(json, "events", events);
        json_write(json, &out);
        puts(buf_text(&out));
        buf_free(&out);
        json_free(json);
    } else {
        printf("%s\n", attempt->topic);
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                putchar('\n');
            print_event(json_at(events, i));
        }
        json_free(events);
    }
    if (count > 0 && reason == NULL)
        return EXIT_OK;
    cli_fail(cli, EXIT_NOT_FOUND, "没有得到事件", "no event came out of it");
    fprintf(stderr, "  %s\n", reason != NULL ? reason : "");
    if (mapping_rule(attempt->mapping) == NULL)
        print_reasons(attempt);
    if (cli->word_count < 4)
        cli_usage(cli, "device try FILE TOPIC < PAYLOAD");
    return EXIT_NOT_FOUND;
}

static int try_rules(const struct cli *cli, struct product *product, const struct buf *payload,
                     const char *topic)
{
    char found[LIMIT_TOPIC_BYTES + 1] = "";
    struct attempt attempt = {cli, NULL, product, topic, payload};
    struct err err = {0};
    if (mapping_open_one(product, &attempt.mapping, &err) != ERR_OK)
        return cli_fail(cli, EXIT_CONFIG, err.text, err.text);
    if (topic == NULL)
        find_topic(&attempt, found);
    int code = show(&attempt);
    mapping_close(attempt.mapping);
    return code;
}

int command_device_try(const struct cli *cli)
{
    struct product *product = NULL;
    struct buf payload;
    int code = read_rules(cli, cli->words[2], &product);
    if (code != EXIT_OK)
        return code;
    buf_init(&payload, LIMIT_MQTT_MAPPED_BYTES);
    code = read_payload(cli, &payload);
    if (code == EXIT_OK)
        code = try_rules(cli, product, &payload, cli->word_count > 3 ? cli->words[3] : NULL);
    else
        rulefile_free(product);
    buf_free(&payload);
    return code;
}
