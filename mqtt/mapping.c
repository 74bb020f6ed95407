/* From a payload to events, by rules.
 *
 * Happy path: the filters that match the topic are tried in order; the first rule whose conditions
 * fit is taken; its values are looked up, checked and put into a struct mapped, once for each
 * element when the rule says so. Failures: malformed JSON, no rule, or a value that cannot be (no
 * device id, two different ones, an unknown kind) give a reason; the caller keeps the message raw.
 * A file that is wrong never gets as far: loading leaves it out. */
#include "mqtt/mapping.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "mqtt/jdoc.h"
#include "mqtt/shipped.h"
#include "mqtt/template.h"
#include "mqtt/topic.h"

enum { PROBLEM_BYTES = 8192, FILE_END = 6 /* ".rules" */ };

enum parsed { NOT_PARSED, PARSED, MALFORMED };

struct mapping {
    struct product *products[LIMIT_MQTT_PRODUCTS]; /* owned, by file name */
    int product_count;
    const char *filters[LIMIT_MQTT_FILTERS]; /* distinct */
    int filter_count;
    struct buf problems;

    /* the message of mapping_begin */
    const char *topic, *text;
    size_t size;
    enum parsed parsed;
    const struct product *product;
    const struct rule *rule;
    int each, element; /* tokens: the array, and the next index in it; each -1: none */
    bool done;
    struct jdoc doc;
};

/* --- values --- */

enum got { GOT, MISSING, BAD };

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static enum got get_text(const char *text, char *ret, size_t size)
{
    return is_plain(text) && text_copy(ret, size, text) ? GOT : BAD;
}

/* element: of `each`, -1 when there is none. */
static enum got get_path(const struct mapping *m, const struct rule_value *value, int element,
                         char *ret, size_t size)
{
    if (m->parsed != PARSED) /* a text payload */
        return value->text[1] == '\0' ? get_text(m->text, ret, size) : MISSING;
    if (value->from == VALUE_ELEMENT && element < 0)
        return MISSING;
    int token = jdoc_find(&m->doc, value->from == VALUE_PATH ? 0 : element, value->text);
    if (token < 0 || m->doc.tokens[token].kind == JDOC_NULL)
        return MISSING;
    return jdoc_text(&m->doc, token, ret, size) ? GOT : BAD;
}

static enum got get_level(const struct mapping *m, int level, char *ret, size_t size)
{
    char text[LIMIT_TOPIC_BYTES + 1];
    return topic_level(m->topic, level, text, sizeof text) ? get_text(text, ret, size) : MISSING;
}

/* ret is "" unless GOT. */
static enum got get(const struct mapping *m, const struct rule_value *value, int element, char *ret,
                    size_t size)
{
    enum got got = MISSING;
    if (value->from == VALUE_TEXT)
        got = text_copy(ret, size, value->text) ? GOT : BAD;
    else if (value->from == VALUE_LEVEL)
        got = get_level(m, value->level, ret, size);
    else if (value->from != VALUE_NONE)
        got = get_path(m, value, element, ret, size);
    if (got != GOT)
        ret[0] = '\0';
    return got;
}

/* `text` is one of "a|b|c". */
static bool one_of(const char *texts, const char *text)
{
    size_t length = strlen(text);
    for (;;) {
        size_t word = strcspn(texts, "|");
        if (word == length && memcmp(texts, text, word) == 0)
            return true;
        texts += word;
        if (*texts++ == '\0')
            return false;
    }
}

static bool guard_fits(const struct mapping *m, const struct rule_guard *guard, int element)
{
    char text[LIMIT_DEDUPE_BYTES + 1];
    enum got got = get(m, &guard->value, element, text, sizeof text);
    switch (guard->how) {
    case GUARD_EXISTS:
        return got != MISSING;
    case GUARD_ABSENT:
        return got == MISSING;
    case GUARD_IS:
        return got == GOT && one_of(guard->texts, text);
    case GUARD_NOT:
        return got != GOT || !one_of(guard->texts, text);
    }
    return false;
}

/* --- choosing the rule --- */

/* An id that can stand in a topic and in a key. */
static bool device_id_valid(const char *id)
{
    return id[0] != '\0' && id[0] != '$' && strpbrk(id, "+#/:") == NULL;
}

static const struct rule_guard *unfit_guard(const struct mapping *m, const struct rule *rule,
                                            bool of_element, int element)
{
    for (int i = 0; i < rule->guard_count; i++)
        if ((rule->guards[i].value.from == VALUE_ELEMENT) == of_element &&
            !guard_fits(m, &rule->guards[i], element))
            return &rule->guards[i];
    return NULL;
}

/* The index of the first element from `index` on that fits; -1: none. */
static int next_element(const struct mapping *m, const struct rule *rule, int each, int index)
{
    int token;
    for (; (token = jdoc_element(&m->doc, each, index)) >= 0; index++)
        if (unfit_guard(m, rule, true, token) == NULL)
            return index;
    return -1;
}

static void parse_once(struct mapping *m)
{
    if (m->parsed == NOT_PARSED)
        m->parsed = jdoc_parse(&m->doc, m->text, m->size) ? PARSED : MALFORMED;
}

/* A rule for text sees the payload as it is, also when it happens to be JSON. */
static bool rule_fits(struct mapping *m, const struct rule *rule)
{
    m->each = -1;
    m->element = 0;
    if (rule->as_text) {
        enum parsed parsed = m->parsed;
        m->parsed = MALFORMED;
        bool fits = unfit_guard(m, rule, false, -1) == NULL;
        m->parsed = parsed;
        return fits;
    }
    parse_once(m);
    if (m->parsed != PARSED || unfit_guard(m, rule, false, -1) != NULL)
        return false;
    if (rule->each == NULL)
        return true;
    m->each = jdoc_find(&m->doc, 0, rule->each);
    m->element = next_element(m, rule, m->each, 0);
    return m->element >= 0;
}

static bool rule_hears(const struct rule *rule, const char *topic)
{
    for (int i = 0; i < rule->topic_count; i++)
        if (topic_matches(rule->topics[i], topic))
            return true;
    return false;
}

static bool find_rule(struct mapping *m, bool *ret_topic_known, bool *ret_json)
{
    for (int i = 0; i < m->product_count; i++) {
        const struct product *product = m->products[i];
        for (int r = 0; r < product->rule_count; r++) {
            const struct rule *rule = &product->rules[r];
            if (!rule_hears(rule, m->topic))
                continue;
            *ret_topic_known = true;
            *ret_json = *ret_json || !rule->as_text;
            if (!rule_fits(m, rule))
                continue;
            m->product = product;
            m->rule = rule;
            return true;
        }
    }
    return false;
}

const char mapping_malformed[] = "malformed JSON";

bool mapping_begin(struct mapping *mapping, const char *topic, const char *text, size_t size,
                   const char **ret_reason)
{
    bool known = false, json = false;
    mapping->topic = topic;
    mapping->text = text;
    mapping->size = size;
    mapping->parsed = NOT_PARSED;
    mapping->rule = NULL;
    mapping->done = false;
    if (find_rule(mapping, &known, &json)) {
        if (mapping->rule->as_text)
            mapping->parsed = MALFORMED;
        return true;
    }
    if (!known)
        *ret_reason = "no rule for this topic";
    else if (json && mapping->parsed == MALFORMED)
        *ret_reason = mapping_malformed;
    else
        *ret_reason = "no rule for this payload";
    return false;
}

bool mapping_alarm_device(const struct mapping *mapping, const char *topic,
                          const struct product **ret_product,
                          char ret_id[LIMIT_DEVICE_ID_BYTES + 1])
{
    for (int i = 0; i < mapping->product_count; i++) {
        *ret_product = mapping->products[i];
        for (int r = 0; r < (*ret_product)->rule_count; r++) {
            const struct rule *rule = &(*ret_product)->rules[r];
            bool may_alarm = rule->kind < 0 || mqtt_kind_alarms((enum mqtt_kind)rule->kind);
            if (may_alarm && rule->device.from == VALUE_LEVEL && rule_hears(rule, topic))
                return topic_level(topic, rule->device.level, ret_id, LIMIT_DEVICE_ID_BYTES + 1) &&
                       device_id_valid(ret_id);
        }
    }
    return false;
}

const struct rule *mapping_rule(const struct mapping *mapping)
{
    return mapping->rule;
}

/* --- taking its values --- */

static const char *take_device(const struct mapping *m, int element, struct mapped *ret)
{
    char named[LIMIT_DEVICE_ID_BYTES + 1];
    bool alarms = mqtt_kind_alarms(ret->kind);
    if (get(m, &m->rule->device, element, ret->device_id, sizeof ret->device_id) != GOT ||
        !device_id_valid(ret->device_id)) {
        ret->flaw = "no usable device id";
        snprintf(ret->device_id, sizeof ret->device_id, "unnamed-%s", m->product->name);
        return alarms ? NULL : ret->flaw;
    }
    enum got got = get(m, &m->rule->same_device, element, named, sizeof named);
    if ((got == BAD && !alarms) || (got == GOT && strcmp(named, ret->device_id) != 0))
        return "payload names another device than the topic";
    bool by_topic = m->rule->same_device.from == VALUE_LEVEL;
    ret->own_topic = m->rule->device.from == VALUE_LEVEL || (by_topic && got == GOT);
    ret->shared_topic = by_topic && got == MISSING;
    return NULL;
}

static const char *take_kind(const struct mapping *m, int element, struct mapped *ret)
{
    char name[LIMIT_EVENT_TEXT_BYTES + 1], word[LIMIT_EVENT_TEXT_BYTES + 1];
    int kind = m->rule->kind;
    if (kind < 0) {
        get(m, &m->rule->kind_value, element, name, sizeof name);
        bool mapped =
            m->rule->kinds != NULL && rulefile_lookup(m->rule->kinds, name, word, sizeof word);
        kind = mqtt_kind_from_name(mapped ? word : name);
    }
    if (kind < 0)
        return "unknown kind of event";
    ret->kind = (enum mqtt_kind)kind;
    return NULL;
}

/* Up to three values, joined by '@'; without the first there is no key. */
static bool take_dedupe(const struct mapping *m, int element, struct mapped *ret)
{
    size_t used = 0;
    for (int i = 0; i < m->rule->id_count; i++) {
        size_t at = used > 0 ? used + 1 : 0;
        if (at >= sizeof ret->dedupe)
            return false;
        enum got got = get(m, &m->rule->ids[i], element, ret->dedupe + at, sizeof ret->dedupe - at);
        if (got == BAD)
            return false;
        if (got == MISSING || ret->dedupe[at] == '\0') {
            ret->dedupe[used] = '\0';
            if (i == 0)
                return true;
            continue;
        }
        if (used > 0)
            ret->dedupe[used] = '@';
        used = at + strlen(ret->dedupe + at);
    }
    return true;
}

static bool take_code(const struct mapping *m, int element, struct mapped *ret)
{
    char raw[LIMIT_EVENT_TEXT_BYTES + 1];
    if (get(m, &m->rule->code, element, raw, sizeof raw) == BAD)
        return false;
    if (m->rule->codes == NULL ||
        !rulefile_lookup(m->rule->codes, raw, ret->code, sizeof ret->code))
        text_copy(ret->code, sizeof ret->code, raw);
    return true;
}

static void take_time(const struct mapping *m, int element, struct mapped *ret)
{
    if (get(m, &m->rule->time, element, ret->time_text, sizeof ret->time_text) != GOT ||
        !mapping_parse_time(m->rule->time_format, ret->time_text, &ret->device_at_ms))
        ret->device_at_ms = 0;
}

/* "17" or "<boot>-17". */
static void take_seq(const struct mapping *m, int element, struct mapped *ret)
{
    char text[LIMIT_EVENT_TEXT_BYTES + 1];
    ret->seq = -1;
    if (get(m, &m->rule->seq, element, text, sizeof text) != GOT)
        return;
    char *dash = strrchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    if (!text_to_int64(dash != NULL ? dash + 1 : text, 0, INT64_MAX - 1, &ret->seq))
        ret->seq = -1;
    else if (dash != NULL && !text_copy(ret->boot, sizeof ret->boot, text))
        ret->seq = -1;
}

/* A whole number, also one written with a fraction; -1: none, or beyond max. */
static int64_t take_number(const struct mapping *m, const struct rule_value *value, int element,
                           int64_t max)
{
    char text[LIMIT_EVENT_TEXT_BYTES + 1];
    int64_t number;
    if (get(m, value, element, text, sizeof text) != GOT)
        return -1;
    text[strcspn(text, ".")] = '\0';
    return text_to_int64(text, 0, max, &number) ? number : -1;
}

static void take_state(const struct mapping *m, int element, struct mapped *ret)
{
    const struct rule *rule = m->rule;
    take_time(m, element, ret);
    take_seq(m, element, ret);
    ret->count = take_number(m, &rule->count, element, 1000000);
    ret->battery = (int)take_number(m, &rule->battery, element, 100);
    get(m, &rule->firmware, element, ret->firmware, sizeof ret->firmware);
    get(m, &rule->mac, element, ret->mac, sizeof ret->mac);
    ret->replay = rule->has_replay && guard_fits(m, &rule->replay, element);
    ret->ok = !rule->has_ok || guard_fits(m, &rule->ok, element);
}

/* What is said around the event. An alarm counts without it. */
static const char *take_words(const struct mapping *m, int element, struct mapped *ret)
{
    static const char reason[] = "code, subject, text or id too long or no plain value";
    const struct rule *rule = m->rule;
    bool unnamed = ret->flaw != NULL;
    bool good = get(m, &rule->answer_id, element, ret->ack_id, sizeof ret->ack_id) != BAD;
    good = get(m, &rule->subject, element, ret->subject, sizeof ret->subject) != BAD && good;
    if (unnamed)
        ret->ack_id[0] = '\0';
    good = take_code(m, element, ret) && good;
    good = get(m, &rule->text, element, ret->text, sizeof ret->text) != BAD && good;
    if (!take_dedupe(m, element, ret)) {
        ret->dedupe[0] = '\0';
        good = false;
    }
    if (good)
        return NULL;
    ret->flaw = reason;
    return mqtt_kind_alarms(ret->kind) ? NULL : reason;
}

/* NULL: all is well. */
static const char *take_all(const struct mapping *m, int element, struct mapped *ret)
{
    *ret = (struct mapped){.product = m->product, .rule = m->rule};
    const char *unknown_kind = take_kind(m, element, ret);
    const char *reason = take_device(m, element, ret);
    if (reason != NULL)
        return reason;
    reason = take_words(m, element, ret);
    if (unknown_kind != NULL || reason != NULL)
        return unknown_kind != NULL ? unknown_kind : reason;
    take_state(m, element, ret);
    if (ret->kind == MQTT_COUNT && ret->count < 0)
        return "count is no number";
    if ((ret->kind == MQTT_REPLY || ret->kind == MQTT_DELIVERED) && ret->dedupe[0] == '\0')
        return "reply without an id";
    return NULL;
}

int mapping_next(struct mapping *mapping, struct mapped *ret, const char **ret_reason)
{
    if (mapping->done || mapping->rule == NULL)
        return 0;
    int token = -1;
    if (mapping->each < 0) {
        mapping->done = true;
    } else {
        token = jdoc_element(&mapping->doc, mapping->each, mapping->element);
        mapping->element =
            next_element(mapping, mapping->rule, mapping->each, mapping->element + 1);
        mapping->done = mapping->element < 0;
    }
    const char *reason = take_all(mapping, token, ret);
    if (reason == NULL)
        return 1;
    *ret_reason = reason;
    return -1;
}

/* --- answers --- */

struct answer {
    const struct mapped *mapped;
    const char *topic;
};

static bool look_answer(void *ctx, const char *name, char *ret, size_t size)
{
    const struct answer *answer = ctx;
    int level;
    if (strcmp(name, "device") == 0)
        return text_copy(ret, size, answer->mapped->device_id);
    if (strcmp(name, "id") == 0)
        return text_copy(ret, size, answer->mapped->ack_id);
    if (strcmp(name, "own") == 0)
        return topic_own(answer->topic, answer->mapped->device_id, ret, size);
    return strncmp(name, "topic:", 6) == 0 &&
           text_to_int(name + 6, -RULE_LEVELS, RULE_LEVELS, &level) &&
           topic_level(answer->topic, level, ret, size);
}

bool mapping_answer(const struct mapped *mapped, const char *topic, struct buf *ret_topic,
                    struct buf *ret_payload)
{
    const struct rule *rule = mapped->rule;
    struct answer answer = {mapped, topic};
    char name[TEMPLATE_NAME_BYTES + 1];
    if (rule->answer == NULL || mapped->ack_id[0] == '\0')
        return false;
    return template_fill(rule->answer_to, false, look_answer, &answer, ret_topic, name) &&
           template_fill(rule->answer, true, look_answer, &answer, ret_payload, name) &&
           topic_name_valid(buf_text(ret_topic));
}

/* --- for people --- */

static void describe(const struct mapping *m, const struct rule_guard *guard, char *ret,
                     size_t size)
{
    char text[LIMIT_EVENT_TEXT_BYTES + 1], where[LIMIT_NAME_BYTES];
    enum got got = get(m, &guard->value, -1, text, sizeof text);
    if (guard->value.from == VALUE_LEVEL)
        snprintf(where, sizeof where, "topic:%d", guard->value.level);
    else
        snprintf(where, sizeof where, "%.90s", guard->value.text);
    snprintf(ret, size, "%s is %s%s%s, wanted: %s%.60s", where, got == GOT ? "\"" : "",
             got == GOT       ? text
             : got == MISSING ? "not there"
                              : "no plain value",
             got == GOT ? "\"" : "",
             guard->how == GUARD_EXISTS   ? "exists"
             : guard->how == GUARD_ABSENT ? "absent"
             : guard->how == GUARD_NOT    ? "not "
                                          : "",
             guard->texts != NULL ? guard->texts : "");
}

void mapping_explain(struct mapping *mapping, const struct rule *rule, const char *topic, char *ret,
                     size_t size)
{
    ret[0] = '\0';
    if (!rule_hears(rule, topic)) {
        snprintf(ret, size, "topic does not match %.100s", rule->topics[0]);
        return;
    }
    if (rule_fits(mapping, rule))
        return;
    const struct rule_guard *guard = unfit_guard(mapping, rule, false, -1);
    if (!rule->as_text && mapping->parsed == MALFORMED)
        snprintf(ret, size, "the payload is not JSON");
    else if (guard != NULL)
        describe(mapping, guard, ret, size);
    else
        snprintf(ret, size, "no element of %.80s fits its conditions", rule->each);
}

/* --- loading --- */

const char *mapping_problems(const struct mapping *mapping)
{
    return buf_text(&mapping->problems);
}

const char *const *mapping_filters(const struct mapping *mapping, int *ret_count)
{
    *ret_count = mapping->filter_count;
    return mapping->filters;
}

int mapping_product_count(const struct mapping *mapping)
{
    return mapping->product_count;
}

const struct product *mapping_product_at(const struct mapping *mapping, int index)
{
    return mapping->products[index];
}

const struct product *mapping_product(const struct mapping *mapping, const char *name)
{
    for (int i = 0; i < mapping->product_count; i++)
        if (strcmp(mapping->products[i]->name, name) == 0)
            return mapping->products[i];
    return NULL;
}

static bool has_filter(const struct mapping *mapping, const char *filter)
{
    for (int i = 0; i < mapping->filter_count; i++)
        if (strcmp(mapping->filters[i], filter) == 0)
            return true;
    return false;
}

/* False: there are too many. */
static bool add_filters(struct mapping *mapping, const struct rule *rule)
{
    for (int i = 0; i < rule->topic_count; i++) {
        if (has_filter(mapping, rule->topics[i]))
            continue;
        if (mapping->filter_count == LIMIT_MQTT_FILTERS)
            return false;
        mapping->filters[mapping->filter_count++] = rule->topics[i];
    }
    return true;
}

static bool add_all_filters(struct mapping *mapping, const struct product *product)
{
    int before = mapping->filter_count;
    for (int i = 0; i < product->rule_count; i++)
        if (!add_filters(mapping, &product->rules[i])) {
            mapping->filter_count = before;
            return false;
        }
    return true;
}

/* Takes the product over, also when it cannot be used. */
static int add_product(struct mapping *mapping, struct product *product, struct err *err)
{
    int code = ERR_OK;
    if (mapping_product(mapping, product->name) != NULL)
        code = err_set(err, ERR_INVALID, "%.96s: there is another file for product %s",
                       product->file, product->name);
    else if (mapping->product_count == LIMIT_MQTT_PRODUCTS || !add_all_filters(mapping, product))
        code = err_set(err, ERR_LIMIT, "%.96s: more than %d products or %d topics", product->file,
                       LIMIT_MQTT_PRODUCTS, LIMIT_MQTT_FILTERS);
    if (code != ERR_OK) {
        rulefile_free(product);
        return code;
    }
    mapping->products[mapping->product_count++] = product;
    return ERR_OK;
}

static void note_problem(struct mapping *mapping, const struct err *err)
{
    buf_printf(&mapping->problems, "%s%s", mapping->problems.size > 0 ? "; " : "", err->text);
}

static void add_text(struct mapping *mapping, const char *file, const char *text, size_t size,
                     bool *ret_used)
{
    struct err err = {0};
    struct product *product = NULL;
    int code = rulefile_parse(file, text, size, &product, &err);
    *ret_used = code == ERR_OK;
    if (code == ERR_OK && product != NULL)
        code = add_product(mapping, product, &err);
    if (code != ERR_OK)
        note_problem(mapping, &err);
}

/* False: there is no such file, or it is wrong, and the shipped one is used. */
static bool add_file(struct mapping *mapping, const char *dir, const char *name)
{
    char path[LIMIT_PATH_BYTES];
    struct err err = {0};
    struct buf text;
    bool used = false;
    buf_init(&text, LIMIT_RULE_FILE_BYTES);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        err_set(&err, ERR_LIMIT, "%.96s: the path is too long", name);
    else if (file_read(path, &text, &err) == ERR_OK)
        add_text(mapping, name, buf_text(&text), text.size, &used);
    if (err.code != ERR_OK && err.code != ERR_NOT_FOUND)
        note_problem(mapping, &err);
    buf_free(&text);
    return used;
}

static void add_shipped(struct mapping *mapping, const char *dir)
{
    for (size_t i = 0; i < shipped_rules_count; i++) {
        char name[LIMIT_NAME_BYTES];
        bool used;
        snprintf(name, sizeof name, "%s.rules", shipped_rules[i].name);
        if (dir == NULL || !add_file(mapping, dir, name))
            add_text(mapping, name, shipped_rules[i].text, strlen(shipped_rules[i].text), &used);
    }
}

static bool is_shipped(const char *name, size_t length)
{
    for (size_t i = 0; i < shipped_rules_count; i++)
        if (strlen(shipped_rules[i].name) == length &&
            memcmp(shipped_rules[i].name, name, length) == 0)
            return true;
    return false;
}

static int is_own(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > FILE_END && length < LIMIT_NAME_BYTES &&
           strcmp(entry->d_name + length - FILE_END, ".rules") == 0 &&
           !is_shipped(entry->d_name, length - FILE_END);
}

/* Files of the station's own, in the order of their names. */
static int add_own(struct mapping *mapping, const char *dir, struct err *err)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_own, alphasort);
    if (count < 0)
        return errno == ENOENT ? ERR_OK : err_set(err, ERR_IO, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < count; i++) {
        add_file(mapping, dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return ERR_OK;
}

static struct mapping *mapping_new(void)
{
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (mapping != NULL)
        buf_init(&mapping->problems, PROBLEM_BYTES);
    return mapping;
}

int mapping_open(const char *dir, struct mapping **ret, struct err *err)
{
    struct mapping *mapping = mapping_new();
    if (mapping == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    if (dir != NULL && dir[0] == '\0')
        dir = NULL;
    int code = dir != NULL ? add_own(mapping, dir, err) : ERR_OK;
    add_shipped(mapping, dir);
    if (code != ERR_OK) {
        mapping_close(mapping);
        return code;
    }
    *ret = mapping;
    return ERR_OK;
}

int mapping_open_one(struct product *product, struct mapping **ret, struct err *err)
{
    struct mapping *mapping = mapping_new();
    if (mapping == NULL) {
        rulefile_free(product);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    int code = add_product(mapping, product, err);
    if (code != ERR_OK) {
        mapping_close(mapping);
        return code;
    }
    *ret = mapping;
    return ERR_OK;
}

void mapping_close(struct mapping *mapping)
{
    if (mapping == NULL)
        return;
    for (int i = 0; i < mapping->product_count; i++)
        rulefile_free(mapping->products[i]);
    buf_free(&mapping->problems);
    free(mapping);
}
