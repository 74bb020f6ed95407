/* Parsing of rule files; see rulefile.h. The file is copied once; each line is cut out of the copy
 * and each value points into it. A key is one row of a table and one small function that reads its
 * value; the first thing that is wrong ends it with file, line and what would be right. */
#include "mqtt/rulefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "mqtt/jdoc.h"
#include "mqtt/mapping.h"
#include "mqtt/template.h"
#include "mqtt/topic.h"

enum { SILENT_MAX_S = 7 * 86400, WINDOW_MAX_S = 3600, TIMEOUT_MAX_S = 600, VALID_MAX_S = 86400 };

enum section { IN_PRODUCT, IN_RULE, IN_COMMAND };

struct parser {
    struct product *product;
    enum section section;
    struct rule *rule;
    struct rule_command *command;
    char *value; /* of the line being read */
    const char *problem;
};

static bool no(struct parser *p, const char *problem)
{
    p->problem = problem;
    return false;
}

/* --- values --- */

static bool is_path(const char *text)
{
    return text[0] == '$' || text[0] == '@';
}

static bool read_value(struct parser *p, char *text, struct rule_value *ret)
{
    *ret = (struct rule_value){.from = VALUE_TEXT, .text = text};
    if (is_path(text)) {
        ret->from = text[0] == '$' ? VALUE_PATH : VALUE_ELEMENT;
        if (!jdoc_path_valid(text))
            return no(p, "this is no path: $, then .name or [0], such as $.data[0].type");
    } else if (strncmp(text, "topic:", 6) == 0) {
        ret->from = VALUE_LEVEL;
        if (!text_to_int(text + 6, -RULE_LEVELS, RULE_LEVELS, &ret->level))
            return no(p, "a level of the topic is counted from 0, or from -1 at its end, such as: "
                         "topic:2");
    }
    return true;
}

static bool read_path(struct parser *p, char *text, struct rule_value *ret)
{
    if (!read_value(p, text, ret))
        return false;
    return ret->from != VALUE_TEXT ||
           no(p, "must be a path such as $.info.time, or a level such as: topic:2");
}

/* Cuts the last word off; NULL: there is one only. */
static char *last_word(char *text)
{
    char *space = strrchr(text, ' ');
    if (space == NULL)
        return NULL;
    *space = '\0';
    for (char *end = space; end > text && end[-1] == ' ';)
        *--end = '\0';
    return space + 1;
}

static bool read_guard(struct parser *p, char *text, struct rule_guard *ret)
{
    static const struct {
        const char *word;
        enum guard_how how;
    } words[] = {{" is ", GUARD_IS}, {" not ", GUARD_NOT}};
    for (size_t i = 0; i < 2; i++) {
        char *at = strstr(text, words[i].word);
        if (at == NULL)
            continue;
        *at = '\0';
        ret->how = words[i].how;
        ret->texts = at + strlen(words[i].word);
        return read_path(p, text, &ret->value);
    }
    char *word = last_word(text);
    if (word == NULL || (strcmp(word, "exists") != 0 && strcmp(word, "absent") != 0))
        return no(p, "a condition is: PATH is TEXT|TEXT, PATH not TEXT, PATH exists, PATH absent");
    ret->how = word[0] == 'e' ? GUARD_EXISTS : GUARD_ABSENT;
    return read_path(p, text, &ret->value);
}

/* "10", "10s" or "5m". */
static bool read_seconds(struct parser *p, int max, int *ret)
{
    size_t length = strlen(p->value);
    int factor = 1;
    if (length > 1 && (p->value[length - 1] == 's' || p->value[length - 1] == 'm')) {
        factor = p->value[length - 1] == 'm' ? 60 : 1;
        p->value[length - 1] = '\0';
    }
    if (!text_to_int(p->value, 0, max / factor, ret))
        return no(p, "a time such as 30s or 5m, and not more than is sensible here");
    *ret *= factor;
    return true;
}

static bool read_flag(struct parser *p, bool *ret)
{
    *ret = strcmp(p->value, "yes") == 0;
    return *ret || strcmp(p->value, "no") == 0 || no(p, "yes or no");
}

static bool map_valid(const char *map)
{
    while (*map != '\0') {
        size_t pair = strcspn(map, " "), key = strcspn(map, ": ");
        if (pair == 0 || key == 0 || key + 1 >= pair)
            return false;
        map += pair;
        map += strspn(map, " ");
    }
    return true;
}

bool rulefile_lookup(const char *map, const char *value, char *ret, size_t size)
{
    size_t length = strlen(value);
    while (*map != '\0') {
        size_t pair = strcspn(map, " ");
        if (pair > length && map[length] == ':' && memcmp(map, value, length) == 0) {
            size_t word = pair - length - 1;
            if (word >= size)
                return false;
            memcpy(ret, map + length + 1, word);
            ret[word] = '\0';
            return true;
        }
        map += pair;
        map += strspn(map, " ");
    }
    return false;
}

/* --- keys: of the product --- */

static bool set_product(struct parser *p)
{
    size_t length = strlen(p->value);
    p->product->name = p->value;
    return (length <= PRODUCT_BYTES &&
            strspn(p->value, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length) ||
           no(p, "a product has up to 32 small letters, digits, '-' or '_'");
}

static bool set_title(struct parser *p)
{
    p->product->title = p->value;
    return true;
}

static bool set_bridge(struct parser *p)
{
    return read_flag(p, &p->product->bridge);
}

static bool set_events_per_s(struct parser *p)
{
    return text_to_int(p->value, 1, 100000, &p->product->events_per_s) ||
           no(p, "a number from 1 to 100000");
}

static bool add_access(struct parser *p, const char **list, int *count)
{
    if (*count == RULE_ACCESS)
        return no(p, "more than 12 topics of one direction");
    list[(*count)++] = p->value;
    return topic_filter_valid(p->value) || no(p, "this is no MQTT topic filter");
}

static bool set_write(struct parser *p)
{
    return add_access(p, p->product->write, &p->product->write_count);
}

static bool set_read(struct parser *p)
{
    return add_access(p, p->product->read, &p->product->read_count);
}

/* --- keys: of a rule --- */

static bool set_topic(struct parser *p)
{
    if (p->rule->topic_count == RULE_TOPICS)
        return no(p, "more than 4 topics");
    p->rule->topics[p->rule->topic_count++] = p->value;
    return topic_filter_valid(p->value) ||
           no(p, "this is no MQTT topic filter: + is one whole level, # the rest at the end");
}

static bool set_format(struct parser *p)
{
    p->rule->as_text = strcmp(p->value, "text") == 0;
    return p->rule->as_text || strcmp(p->value, "json") == 0 || no(p, "json or text");
}

static bool set_each(struct parser *p)
{
    p->rule->each = p->value;
    return (p->value[0] == '$' && jdoc_path_valid(p->value)) ||
           no(p, "must be the path of an array, such as $.params.events");
}

static bool set_when(struct parser *p)
{
    if (p->rule->guard_count == RULE_GUARDS)
        return no(p, "more than 4 conditions");
    return read_guard(p, p->value, &p->rule->guards[p->rule->guard_count++]);
}

static bool set_kind(struct parser *p)
{
    if (is_path(p->value))
        return read_path(p, p->value, &p->rule->kind_value);
    p->rule->kind = mqtt_kind_from_name(p->value);
    return p->rule->kind >= 0 ||
           no(p,
              "no such kind: check_in, leave_post, sos, intrusion, fire, tamper, door, count, "
              "power, presence_on, presence_off, heartbeat, telemetry, reply, text or delivered");
}

static bool set_kinds(struct parser *p)
{
    p->rule->kinds = p->value;
    return map_valid(p->value) || no(p, "pairs such as: 256:door 257:fire");
}

static bool set_device(struct parser *p)
{
    return read_value(p, p->value, &p->rule->device);
}

static bool set_same_device(struct parser *p)
{
    return read_path(p, p->value, &p->rule->same_device);
}

static bool set_code(struct parser *p)
{
    if (strlen(p->value) > LIMIT_EVENT_TEXT_BYTES)
        return no(p, "a code has up to 64 bytes");
    return read_value(p, p->value, &p->rule->code);
}

static bool set_codes(struct parser *p)
{
    p->rule->codes = p->value;
    return map_valid(p->value) || no(p, "pairs such as: 0:open 1:closed");
}

static bool set_subject(struct parser *p)
{
    return read_path(p, p->value, &p->rule->subject);
}

static bool set_text(struct parser *p)
{
    return read_path(p, p->value, &p->rule->text);
}

static bool set_time(struct parser *p)
{
    p->rule->time_format = last_word(p->value);
    if (p->rule->time_format == NULL || !mapping_time_format_valid(p->rule->time_format))
        return no(p, "a path and a format: s, ms, iso, or local+08:00, such as: $.ts ms");
    return read_path(p, p->value, &p->rule->time);
}

static bool set_id(struct parser *p)
{
    char *rest = NULL;
    for (char *word = strtok_r(p->value, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (p->rule->id_count == RULE_IDS)
            return no(p, "up to three paths, which together are the key of the event");
        if (!read_path(p, word, &p->rule->ids[p->rule->id_count++]))
            return false;
    }
    return true;
}

static bool set_seq(struct parser *p)
{
    return read_path(p, p->value, &p->rule->seq);
}

static bool set_count(struct parser *p)
{
    return read_path(p, p->value, &p->rule->count);
}

static bool set_firmware(struct parser *p)
{
    return read_path(p, p->value, &p->rule->firmware);
}

static bool set_battery(struct parser *p)
{
    return read_path(p, p->value, &p->rule->battery);
}

static bool set_mac(struct parser *p)
{
    return read_path(p, p->value, &p->rule->mac);
}

static bool set_replay(struct parser *p)
{
    p->rule->has_replay = true;
    return read_guard(p, p->value, &p->rule->replay);
}

static bool set_ok(struct parser *p)
{
    p->rule->has_ok = true;
    return read_guard(p, p->value, &p->rule->ok);
}

static bool set_window(struct parser *p)
{
    return read_seconds(p, WINDOW_MAX_S, &p->rule->window_s);
}

static bool set_silent(struct parser *p)
{
    return read_seconds(p, SILENT_MAX_S, &p->rule->silent_s);
}

static bool set_answer_id(struct parser *p)
{
    return read_path(p, p->value, &p->rule->answer_id);
}

static bool set_answer_to(struct parser *p)
{
    p->rule->answer_to = p->value;
    return true;
}

static bool set_answer(struct parser *p)
{
    p->rule->answer = p->value;
    return true;
}

static bool read_qos(struct parser *p, int *ret)
{
    return text_to_int(p->value, 0, 1, ret) || no(p, "0 or 1");
}

static bool set_answer_qos(struct parser *p)
{
    return read_qos(p, &p->rule->answer_qos);
}

/* --- keys: of a command --- */

static bool set_to(struct parser *p)
{
    p->command->to = p->value;
    return true;
}

static bool set_send(struct parser *p)
{
    p->command->send = p->value;
    return true;
}

static bool set_qos(struct parser *p)
{
    return read_qos(p, &p->command->qos);
}

static bool set_timeout(struct parser *p)
{
    return read_seconds(p, TIMEOUT_MAX_S, &p->command->timeout_s);
}

static bool set_valid(struct parser *p)
{
    return read_seconds(p, VALID_MAX_S, &p->command->valid_s);
}

static bool set_automatic(struct parser *p)
{
    return read_flag(p, &p->command->automatic);
}

static const struct key {
    enum section section;
    const char *name;
    bool (*set)(struct parser *p);
} keys[] = {
    {IN_PRODUCT, "product", set_product},
    {IN_PRODUCT, "title", set_title},
    {IN_PRODUCT, "write", set_write},
    {IN_PRODUCT, "read", set_read},
    {IN_PRODUCT, "bridge", set_bridge},
    {IN_PRODUCT, "events_per_s", set_events_per_s},
    {IN_RULE, "topic", set_topic},
    {IN_RULE, "format", set_format},
    {IN_RULE, "each", set_each},
    {IN_RULE, "when", set_when},
    {IN_RULE, "kind", set_kind},
    {IN_RULE, "kinds", set_kinds},
    {IN_RULE, "device", set_device},
    {IN_RULE, "same_device", set_same_device},
    {IN_RULE, "code", set_code},
    {IN_RULE, "codes", set_codes},
    {IN_RULE, "subject", set_subject},
    {IN_RULE, "text", set_text},
    {IN_RULE, "time", set_time},
    {IN_RULE, "id", set_id},
    {IN_RULE, "seq", set_seq},
    {IN_RULE, "count", set_count},
    {IN_RULE, "firmware", set_firmware},
    {IN_RULE, "battery", set_battery},
    {IN_RULE, "mac", set_mac},
    {IN_RULE, "replay", set_replay},
    {IN_RULE, "ok", set_ok},
    {IN_RULE, "window", set_window},
    {IN_RULE, "silent", set_silent},
    {IN_RULE, "answer_id", set_answer_id},
    {IN_RULE, "answer_to", set_answer_to},
    {IN_RULE, "answer", set_answer},
    {IN_RULE, "answer_qos", set_answer_qos},
    {IN_COMMAND, "to", set_to},
    {IN_COMMAND, "send", set_send},
    {IN_COMMAND, "qos", set_qos},
    {IN_COMMAND, "timeout", set_timeout},
    {IN_COMMAND, "valid", set_valid},
    {IN_COMMAND, "automatic", set_automatic},
};

/* --- what a rule needs as a whole --- */

static bool uses_element(const struct rule *rule)
{
    bool uses = rule->code.from == VALUE_ELEMENT || rule->subject.from == VALUE_ELEMENT ||
                rule->time.from == VALUE_ELEMENT || rule->kind_value.from == VALUE_ELEMENT;
    for (int i = 0; i < rule->guard_count; i++)
        uses = uses || rule->guards[i].value.from == VALUE_ELEMENT;
    for (int i = 0; i < rule->id_count; i++)
        uses = uses || rule->ids[i].from == VALUE_ELEMENT;
    return uses;
}

static bool answer_name_valid(const char *name)
{
    int level;
    return strcmp(name, "device") == 0 || strcmp(name, "id") == 0 || strcmp(name, "own") == 0 ||
           (strncmp(name, "topic:", 6) == 0 &&
            text_to_int(name + 6, -RULE_LEVELS, RULE_LEVELS, &level));
}

static bool answer_valid(const char *text)
{
    char name[TEMPLATE_NAME_BYTES + 1];
    while (text != NULL && (text = template_next(text, name)) != NULL)
        if (!answer_name_valid(name))
            return false;
    return true;
}

static const char *answer_problem(const struct rule *rule)
{
    if ((rule->answer == NULL) != (rule->answer_to == NULL) ||
        (rule->answer != NULL && rule->answer_id.from == VALUE_NONE))
        return "answer, answer_to and answer_id go together";
    if (!answer_valid(rule->answer) || !answer_valid(rule->answer_to))
        return "answers with a {name} that is none of {device}, {id}, {int:id}, {topic:2}, {own}";
    return NULL;
}

static const char *kind_problem(const struct rule *rule)
{
    if (rule->kind == MQTT_COUNT && rule->count.from == VALUE_NONE)
        return "of kind count needs count = PATH";
    if (rule->kind == MQTT_REPLY && rule->id_count == 0)
        return "of kind reply needs id = PATH of the command's id";
    if (rule->kind == MQTT_DELIVERED && rule->id_count == 0)
        return "of kind delivered needs id = PATH of the message's id";
    if ((rule->kind == MQTT_TEXT) != (rule->text.from != VALUE_NONE))
        return "of kind text needs text = PATH, and no other does";
    return NULL;
}

static const char *rule_problem(const struct rule *rule)
{
    if (rule->topic_count == 0)
        return "has no topic";
    if (rule->kind < 0 && rule->kind_value.from == VALUE_NONE)
        return "has no kind";
    if (rule->device.from == VALUE_NONE)
        return "has no device: say where its name is, such as: device = topic:2";
    if (uses_element(rule) && rule->each == NULL)
        return "uses @ but has no each = PATH of an array";
    if (rule->as_text && rule->each != NULL)
        return "is of text and has no elements";
    const char *problem = kind_problem(rule);
    return problem != NULL ? problem : answer_problem(rule);
}

static const char *command_problem(const struct rule_command *command)
{
    if (command->to == NULL || command->send == NULL)
        return "needs to = TOPIC and send = PAYLOAD";
    return NULL;
}

/* --- lines --- */

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]) != NULL;
         length--)
        text[length - 1] = '\0';
    return text;
}

static bool name_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= PRODUCT_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               length;
}

static bool begin_rule(struct parser *p, const char *name, int line)
{
    struct product *product = p->product;
    if (product->rule_count == PRODUCT_RULES)
        return no(p, "more than 64 rules in one file");
    p->section = IN_RULE;
    p->rule = &product->rules[product->rule_count++];
    *p->rule = (struct rule){.name = name, .line = line, .kind = -1};
    return true;
}

static bool begin_command(struct parser *p, const char *name, int line)
{
    struct product *product = p->product;
    if (product->command_count == PRODUCT_COMMANDS)
        return no(p, "more than 16 commands in one file");
    for (int i = 0; i < product->command_count; i++)
        if (strcmp(product->commands[i].name, name) == 0)
            return no(p, "there is a command of this name above");
    p->section = IN_COMMAND;
    p->command = &product->commands[product->command_count++];
    *p->command =
        (struct rule_command){.name = name, .line = line, .qos = 1, .timeout_s = 10, .valid_s = 60};
    return true;
}

static bool begin_section(struct parser *p, char *text, int line)
{
    static const char rule[] = "[rule ", command[] = "[command ";
    size_t length = strlen(text);
    bool is_rule = strncmp(text, rule, sizeof rule - 1) == 0;
    if (text[length - 1] == ']' && (is_rule || strncmp(text, command, sizeof command - 1) == 0)) {
        text[length - 1] = '\0';
        char *name = trim(text + (is_rule ? sizeof rule : sizeof command) - 1);
        if (name_valid(name))
            return is_rule ? begin_rule(p, name, line) : begin_command(p, name, line);
    }
    return no(p, "a section is [rule NAME] or [command NAME]");
}

static bool take_key(struct parser *p, const char *name, char *value)
{
    const struct key *elsewhere = NULL;
    p->value = value;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].section == p->section)
            return value[0] != '\0' ? keys[i].set(p) : no(p, "has no value");
        elsewhere = &keys[i];
    }
    if (elsewhere == NULL)
        return no(p, "there is no such key");
    return no(p, elsewhere->section == IN_PRODUCT ? "belongs in front of the first [rule]"
                 : elsewhere->section == IN_RULE  ? "belongs into a [rule ...]"
                                                  : "belongs into a [command ...]");
}

static int fail_line(const struct product *product, int line, const char *what, const char *problem,
                     struct err *err)
{
    return err_set(err, ERR_INVALID, "%.96s:%d: %.60s%s%s", product->file, line, what,
                   what[0] != '\0' ? ": " : "", problem);
}

static int parse_line(struct parser *p, char *text, int line, struct err *err)
{
    text = trim(text);
    if (text[0] == '\0' || text[0] == '#')
        return ERR_OK;
    if (text[0] == '[')
        return begin_section(p, text, line) ? ERR_OK
                                            : fail_line(p->product, line, "", p->problem, err);
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return fail_line(p->product, line, "", "a line is key = value, [section] or # comment",
                         err);
    *equals = '\0';
    char *name = trim(text);
    return take_key(p, name, trim(equals + 1)) ? ERR_OK
                                               : fail_line(p->product, line, name, p->problem, err);
}

static int check_whole(const struct product *product, struct err *err)
{
    for (int i = 0; i < product->rule_count; i++) {
        const char *problem = rule_problem(&product->rules[i]);
        if (problem != NULL)
            return err_set(err, ERR_INVALID, "%.96s:%d: rule %s %s", product->file,
                           product->rules[i].line, product->rules[i].name, problem);
    }
    for (int i = 0; i < product->command_count; i++) {
        const char *problem = command_problem(&product->commands[i]);
        if (problem != NULL)
            return err_set(err, ERR_INVALID, "%.96s:%d: command %s %s", product->file,
                           product->commands[i].line, product->commands[i].name, problem);
    }
    if (product->name == NULL && product->rule_count + product->command_count > 0)
        return err_set(err, ERR_INVALID, "%.96s: has rules but no line product = NAME",
                       product->file);
    return ERR_OK;
}

static int parse_lines(struct product *product, struct err *err)
{
    struct parser p = {.product = product};
    int line = 1, code = ERR_OK;
    for (char *text = product->bytes; text != NULL && code == ERR_OK; line++) {
        char *next = strchr(text, '\n');
        if (next != NULL)
            *next++ = '\0';
        code = parse_line(&p, text, line, err);
        text = next;
    }
    return code == ERR_OK ? check_whole(product, err) : code;
}

int rulefile_parse(const char *file, const char *text, size_t size, struct product **ret,
                   struct err *err)
{
    if (size > LIMIT_RULE_FILE_BYTES || !text_utf8_valid(text, size))
        return err_set(err, ERR_INVALID, "%.96s: is no UTF-8 text of up to %d bytes", file,
                       LIMIT_RULE_FILE_BYTES);
    struct product *product = calloc(1, sizeof *product);
    if (product != NULL)
        product->bytes = malloc(size + 1);
    if (product == NULL || product->bytes == NULL) {
        free(product);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    memcpy(product->bytes, text, size);
    product->bytes[size] = '\0';
    product->events_per_s = LIMIT_DEVICE_EVENTS_PER_S;
    text_copy(product->file, sizeof product->file, file);
    int code = parse_lines(product, err);
    if (code != ERR_OK || product->name == NULL) {
        rulefile_free(product);
        product = NULL;
    }
    if (code == ERR_OK)
        *ret = product;
    return code;
}

void rulefile_free(struct product *product)
{
    if (product == NULL)
        return;
    free(product->bytes);
    free(product);
}
