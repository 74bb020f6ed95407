/* Rules: table mqtt_rule, read at the start into a list that knows what the SELECT need not return.
 *
 * Happy path: the filters that match the topic are tried in the order of their lowest rank; for
 * each the SELECT finds the first rule whose guards fit and extracts its values; they are checked
 * and put into a struct mapped. Failures: malformed JSON, no rule, or a value that cannot be (no
 * device id, two different ones, an unknown kind) give a reason; the caller keeps the message raw.
 * A rule that is wrong never gets as far: loading marks it. */
#include "mqtt/mapping.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "mqtt/topic.h"

struct rule {
    int64_t id;
    char product[MAPPING_PRODUCT_BYTES + 1];
    char dev[LIMIT_NAME_BYTES + 1];
    char code[LIMIT_EVENT_TEXT_BYTES + 2];
    int kind; /* -1: at a path */
    char ts_format[16];
    int window_s, silent_s;
    char *ack_topic, *ack_payload; /* owned; NULL: none */
    int ack_qos;
};

struct filter {
    char *text; /* owned */
    bool is_text;
};

struct mapping {
    struct replica *replica;
    struct rule *rules; /* by id */
    int rule_count;
    struct filter filters[2 * LIMIT_MQTT_FILTERS]; /* by rank */
    int filter_count;
    const char *topics[LIMIT_MQTT_FILTERS]; /* distinct texts of filters */
    int topic_count;
    struct buf quoted; /* a text payload as JSON */
};

bool mapping_path_valid(const char *path)
{
    if (*path++ != '$')
        return false;
    while (*path != '\0') {
        size_t length;
        if (*path == '.') {
            path++;
            length = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-");
        } else if (*path == '[') {
            path++;
            length = strspn(path, "0123456789");
            if (length == 0 || length > 4 || path[length++] != ']')
                return false;
        } else {
            return false;
        }
        if (length == 0)
            return false;
        path += length;
    }
    return true;
}

/* --- loading --- */

enum {
    COL_ID,
    COL_PRODUCT,
    COL_FILTER,
    COL_FMT,
    COL_KIND,
    COL_DEV,
    COL_CODE,
    COL_TS,
    COL_TS_FORMAT,
    COL_WINDOW,
    COL_SILENT,
    COL_ACK_ID,
    COL_ACK_TOPIC,
    COL_ACK_PAYLOAD,
    COL_ACK_QOS,
    COL_FIRST_PATH, /* guard, guard2, dev_check, subject, dedupe, dedupe2 */
    COL_END = COL_FIRST_PATH + 6,
};

static const char sql_rules[] =
    "SELECT id, product, filter, fmt, kind, dev, code, ts, ts_format, window_s, silent_s, ack_id, "
    "ack_topic, ack_payload, ack_qos, guard, guard2, dev_check, subject, dedupe, dedupe2 "
    "FROM mqtt_rule WHERE enabled = 1 ORDER BY id";

static bool path_or_null(struct query *query, int column)
{
    const char *path = query_get_text(query, column);
    return path == NULL || mapping_path_valid(path);
}

static const char *text_or_empty(struct query *query, int column)
{
    const char *text = query_get_text(query, column);
    return text != NULL ? text : "";
}

static bool dev_valid(const char *dev)
{
    int level;
    return strncmp(dev, "t:", 2) == 0 ? text_to_int(dev + 2, 0, 20, &level)
                                      : mapping_path_valid(dev);
}

static const char *pair_problem(struct query *query)
{
    if (query_is_null(query, COL_TS) != query_is_null(query, COL_TS_FORMAT))
        return "ts and ts_format go together";
    if (query_is_null(query, COL_ACK_TOPIC) != query_is_null(query, COL_ACK_PAYLOAD))
        return "ack_topic and ack_payload go together";
    return NULL;
}

/* NULL when the rule is correct. */
static const char *rule_problem(struct query *query)
{
    for (int column = COL_FIRST_PATH; column < COL_END; column++)
        if (!path_or_null(query, column))
            return "a guard, dev_check, subject or dedupe is no path";
    if (!topic_filter_valid(text_or_empty(query, COL_FILTER)))
        return "filter is no MQTT topic filter";
    if (!dev_valid(text_or_empty(query, COL_DEV)))
        return "dev is neither t:N nor a path";
    const char *kind = text_or_empty(query, COL_KIND);
    if (mqtt_kind_from_name(kind) < 0 && !mapping_path_valid(kind))
        return "kind is neither a kind nor a path";
    const char *code = text_or_empty(query, COL_CODE);
    if (code[0] != '\0' && code[0] != '=' && !mapping_path_valid(code))
        return "code is neither =text nor a path";
    if (!path_or_null(query, COL_TS) || !path_or_null(query, COL_ACK_ID))
        return "ts or ack_id is no path";
    if (strlen(text_or_empty(query, COL_PRODUCT)) > MAPPING_PRODUCT_BYTES ||
        strlen(code) > LIMIT_EVENT_TEXT_BYTES)
        return "product or code is too long";
    return pair_problem(query);
}

static char *copy_or_null(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copy == NULL)
        abort(); /* out of memory at the start */
    return copy;
}

static void read_rule(struct query *query, struct rule *ret)
{
    const char *kind = text_or_empty(query, COL_KIND);
    *ret = (struct rule){.id = query_get_int(query, COL_ID), .kind = mqtt_kind_from_name(kind)};
    text_copy(ret->product, sizeof ret->product, text_or_empty(query, COL_PRODUCT));
    text_copy(ret->dev, sizeof ret->dev, text_or_empty(query, COL_DEV));
    text_copy(ret->code, sizeof ret->code, text_or_empty(query, COL_CODE));
    text_copy(ret->ts_format, sizeof ret->ts_format, text_or_empty(query, COL_TS_FORMAT));
    ret->window_s = (int)query_get_int(query, COL_WINDOW);
    ret->silent_s = (int)query_get_int(query, COL_SILENT);
    ret->ack_topic = copy_or_null(query_get_text(query, COL_ACK_TOPIC));
    ret->ack_payload = copy_or_null(query_get_text(query, COL_ACK_PAYLOAD));
    ret->ack_qos = (int)query_get_int(query, COL_ACK_QOS);
}

static void forget_rules(struct mapping *mapping)
{
    for (int i = 0; i < mapping->rule_count; i++) {
        free(mapping->rules[i].ack_topic);
        free(mapping->rules[i].ack_payload);
    }
    for (int i = 0; i < mapping->filter_count; i++)
        free(mapping->filters[i].text);
    mapping->rule_count = mapping->filter_count = mapping->topic_count = 0;
}

/* Statements cannot be changed while the list is being read, so the marks are written after. */
struct verdict {
    int64_t id;
    const char *problem;
};

static int read_rules(struct mapping *mapping, struct verdict verdicts[LIMIT_MQTT_RULES])
{
    int count = 0;
    struct query *query = replica_query(mapping->replica, sql_rules);
    while (count < LIMIT_MQTT_RULES && query_row(query)) {
        const char *problem = rule_problem(query);
        verdicts[count++] = (struct verdict){query_get_int(query, COL_ID), problem};
        if (problem == NULL)
            read_rule(query, &mapping->rules[mapping->rule_count++]);
        else
            log_error("mqtt.rule", "id=%lld problem=\"%s\"",
                      (long long)query_get_int(query, COL_ID), problem);
    }
    query_done(query);
    return count;
}

static bool mark_rules(struct mapping *mapping, const struct verdict *verdicts, int count)
{
    replica_enter(mapping->replica);
    replica_run(mapping->replica, "UPDATE mqtt_rule SET ok = 0 WHERE ok <> 0", "");
    for (int i = 0; i < count; i++)
        replica_run(mapping->replica, "UPDATE mqtt_rule SET ok = ?2, problem = ?3 WHERE id = ?1",
                    "iis", verdicts[i].id, (int64_t)(verdicts[i].problem == NULL),
                    verdicts[i].problem);
    return replica_leave(mapping->replica, true);
}

static void note_topic(struct mapping *mapping, const char *text)
{
    for (int i = 0; i < mapping->topic_count; i++)
        if (strcmp(mapping->topics[i], text) == 0)
            return;
    if (mapping->topic_count < LIMIT_MQTT_FILTERS)
        mapping->topics[mapping->topic_count++] = text;
    else
        log_error("mqtt.rule", "filter=%s problem=\"more than %d filters\"", text,
                  LIMIT_MQTT_FILTERS);
}

static void read_filters(struct mapping *mapping)
{
    struct query *query =
        replica_query(mapping->replica, "SELECT filter, fmt = 'text' FROM mqtt_rule WHERE ok = 1 "
                                        "GROUP BY filter, fmt ORDER BY min(rank), min(id)");
    while (mapping->filter_count < 2 * LIMIT_MQTT_FILTERS && query_row(query)) {
        struct filter *filter = &mapping->filters[mapping->filter_count++];
        filter->text = copy_or_null(query_get_text(query, 0));
        filter->is_text = query_get_int(query, 1) != 0;
        note_topic(mapping, filter->text);
    }
    query_done(query);
}

int mapping_load(struct mapping *mapping, struct err *err)
{
    struct verdict *verdicts = calloc(LIMIT_MQTT_RULES, sizeof *verdicts);
    if (verdicts == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    forget_rules(mapping);
    int count = read_rules(mapping, verdicts);
    bool marked = mark_rules(mapping, verdicts, count);
    free(verdicts);
    if (!marked)
        return err_set(err, ERR_IO, "rules: %s", replica_problem(mapping->replica));
    read_filters(mapping);
    return ERR_OK;
}

int mapping_open(struct replica *replica, struct mapping **ret, struct err *err)
{
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (mapping == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    mapping->replica = replica;
    mapping->rules = calloc(LIMIT_MQTT_RULES, sizeof *mapping->rules);
    buf_init(&mapping->quoted, 2 * LIMIT_MQTT_MAPPED_BYTES);
    int code = mapping->rules == NULL ? err_set(err, ERR_NOMEM, "out of memory")
                                      : mapping_load(mapping, err);
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
    forget_rules(mapping);
    free(mapping->rules);
    buf_free(&mapping->quoted);
    free(mapping);
}

const char *const *mapping_filters(const struct mapping *mapping, int *ret_count)
{
    *ret_count = mapping->topic_count;
    return mapping->topics;
}

static const struct rule *rule_by_id(const struct mapping *mapping, int64_t id)
{
    int low = 0, high = mapping->rule_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (mapping->rules[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < mapping->rule_count && mapping->rules[low].id == id ? &mapping->rules[low] : NULL;
}

/* --- mapping --- */

enum {
    GOT_RULE,
    GOT_KIND,
    GOT_DEV,
    GOT_CHECK,
    GOT_CODE,
    GOT_SUBJECT,
    GOT_TS,
    GOT_DEDUPE,
    GOT_DEDUPE2,
    GOT_ACK
};

/* json_valid comes first in its CASE, so json_extract never sees malformed text. The parsed text
 * is cached by SQLite for all calls of one row. */
static const char sql_map[] =
    "SELECT r.id, CASE WHEN r.kind GLOB '$*' THEN json_extract(?1, r.kind) END, "
    "CASE WHEN r.dev GLOB '$*' THEN json_extract(?1, r.dev) END, json_extract(?1, r.dev_check), "
    "CASE WHEN r.code GLOB '$*' THEN json_extract(?1, r.code) END, json_extract(?1, r.subject), "
    "json_extract(?1, r.ts), json_extract(?1, r.dedupe), json_extract(?1, r.dedupe2), "
    "json_extract(?1, r.ack_id) FROM mqtt_rule r "
    "WHERE r.filter = ?2 AND r.fmt = ?3 AND r.ok = 1 AND CASE WHEN NOT json_valid(?1) THEN 0 ELSE "
    "(r.guard IS NULL OR CASE WHEN r.guard_eq IS NULL "
    "  THEN json_extract(?1, r.guard) IS NOT NULL "
    "  ELSE CAST(json_extract(?1, r.guard) AS TEXT) = r.guard_eq END) AND "
    "(r.guard2 IS NULL OR CASE WHEN r.guard2_eq IS NULL "
    "  THEN json_extract(?1, r.guard2) IS NOT NULL "
    "  ELSE CAST(json_extract(?1, r.guard2) AS TEXT) = r.guard2_eq END) END "
    "ORDER BY r.rank, r.id LIMIT 1";

/* Copies a value that is no object or array, has no control character and fits. */
static bool take_value(struct query *query, int column, char *ret, size_t size)
{
    const char *text = query_get_text(query, column);
    ret[0] = '\0';
    if (text == NULL)
        return true;
    if (text[0] == '{' || text[0] == '[')
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return text_copy(ret, size, text);
}

/* An id that can stand in a topic and in a key. */
static bool device_id_valid(const char *id)
{
    return id[0] != '\0' && id[0] != '$' && strpbrk(id, "+#/:") == NULL;
}

static const char *take_device(struct query *query, const struct rule *rule, const char *topic,
                               struct mapped *ret)
{
    int level;
    bool taken;
    if (rule->dev[0] == 't' && text_to_int(rule->dev + 2, 0, 20, &level))
        taken = topic_level(topic, level, ret->device_id, sizeof ret->device_id);
    else
        taken = take_value(query, GOT_DEV, ret->device_id, sizeof ret->device_id);
    if (!taken || !device_id_valid(ret->device_id))
        return "no usable device id";
    char named[LIMIT_DEVICE_ID_BYTES + 1];
    if (!take_value(query, GOT_CHECK, named, sizeof named) ||
        (named[0] != '\0' && strcmp(named, ret->device_id) != 0))
        return "payload names another device than the topic";
    return NULL;
}

static const char *take_kind(struct query *query, const struct rule *rule, struct mapped *ret)
{
    int kind = rule->kind;
    const char *name = kind < 0 ? query_get_text(query, GOT_KIND) : NULL;
    if (name != NULL)
        kind = mqtt_kind_from_name(name);
    if (kind < 0)
        return "unknown kind of event";
    ret->kind = (enum mqtt_kind)kind;
    return NULL;
}

static bool take_dedupe(struct query *query, struct mapped *ret)
{
    char second[LIMIT_DEDUPE_BYTES + 1];
    if (!take_value(query, GOT_DEDUPE, ret->dedupe, sizeof ret->dedupe) ||
        !take_value(query, GOT_DEDUPE2, second, sizeof second))
        return false;
    size_t used = strlen(ret->dedupe), more = strlen(second);
    if (used == 0 || more == 0)
        return true;
    if (used + 1 + more >= sizeof ret->dedupe)
        return false;
    ret->dedupe[used] = '@';
    memcpy(ret->dedupe + used + 1, second, more + 1);
    return true;
}

static void take_time(struct query *query, const struct rule *rule, struct mapped *ret)
{
    const char *text = query_get_text(query, GOT_TS);
    ret->device_at_ms = 0;
    if (text != NULL && !mapping_parse_time(rule->ts_format, text, &ret->device_at_ms))
        ret->device_at_ms = 0;
}

/* NULL: all is well. */
static const char *take_all(struct query *query, const struct rule *rule, const char *topic,
                            struct mapped *ret)
{
    const char *reason = take_device(query, rule, topic, ret);
    if (reason == NULL)
        reason = take_kind(query, rule, ret);
    if (reason != NULL)
        return reason;
    if (!take_value(query, GOT_CODE, ret->code, sizeof ret->code) ||
        !take_value(query, GOT_SUBJECT, ret->subject, sizeof ret->subject) ||
        !take_dedupe(query, ret) || !take_value(query, GOT_ACK, ret->ack_id, sizeof ret->ack_id))
        return "code, subject or id too long or no plain value";
    if (rule->code[0] == '=')
        text_copy(ret->code, sizeof ret->code, rule->code + 1);
    take_time(query, rule, ret);
    ret->product = rule->product;
    ret->window_s = rule->window_s;
    ret->silent_s = rule->silent_s;
    ret->rule_id = rule->id;
    return NULL;
}

/* 1: applied; 0: no rule of this filter fits; -1: one does, but *ret_reason. */
static int try_filter(struct mapping *mapping, const struct filter *filter, const char *topic,
                      const char *json, struct mapped *ret, const char **ret_reason)
{
    struct query *query = replica_query(mapping->replica, sql_map);
    query_text(query, 1, json);
    query_text(query, 2, filter->text);
    query_text(query, 3, filter->is_text ? "text" : "json");
    int result = 0;
    if (query_row(query)) {
        const struct rule *rule = rule_by_id(mapping, query_get_int(query, GOT_RULE));
        *ret_reason = rule != NULL ? take_all(query, rule, topic, ret) : "rules were changed";
        result = *ret_reason == NULL ? 1 : -1;
    }
    query_done(query);
    return result;
}

/* Within the quotes of a JSON string (RFC 8259, 7). */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            buf_printf(out, "\\u%04x", (unsigned)*text);
        else
            buf_add(out, text, 1);
    }
}

static const char *quote(struct mapping *mapping, const char *text)
{
    buf_clear(&mapping->quoted);
    buf_add_text(&mapping->quoted, "\"");
    add_escaped(&mapping->quoted, text);
    buf_add_text(&mapping->quoted, "\"");
    return buf_text(&mapping->quoted);
}

bool mapping_map(struct mapping *mapping, const char *topic, const char *text, struct mapped *ret,
                 const char **ret_reason)
{
    bool matched = false, as_json = false;
    for (int i = 0; i < mapping->filter_count; i++) {
        const struct filter *filter = &mapping->filters[i];
        if (!topic_matches(filter->text, topic))
            continue;
        matched = true;
        as_json = as_json || !filter->is_text;
        const char *json = filter->is_text ? quote(mapping, text) : text;
        int result = try_filter(mapping, filter, topic, json, ret, ret_reason);
        if (result != 0)
            return result > 0;
    }
    if (!matched)
        *ret_reason = "no rule for this topic";
    else if (as_json &&
             replica_get_int(mapping->replica, 0, "SELECT json_valid(?1)", "s", text) == 0)
        *ret_reason = "malformed JSON";
    else
        *ret_reason = "no rule for this payload";
    return false;
}

/* --- acknowledgements --- */

/* The value of one placeholder; false when it has none. */
static bool place(const char *name, size_t size, const struct mapped *mapped, const char *topic,
                  char *ret, size_t ret_size)
{
    int level;
    char number[4] = "";
    if (size == 3 && memcmp(name, "dev", 3) == 0)
        return text_copy(ret, ret_size, mapped->device_id);
    if (size == 2 && memcmp(name, "id", 2) == 0)
        return text_copy(ret, ret_size, mapped->ack_id);
    if (size == 3 && memcmp(name, "int", 3) == 0) {
        int64_t value;
        return text_to_int64(mapped->ack_id, 0, INT64_MAX, &value) &&
               text_copy(ret, ret_size, mapped->ack_id);
    }
    if (size < 3 || size > 4 || memcmp(name, "t:", 2) != 0)
        return false;
    memcpy(number, name + 2, size - 2);
    return text_to_int(number, 0, 20, &level) && topic_level(topic, level, ret, ret_size);
}

/* A '{' that begins no placeholder stands for itself, so JSON needs no escapes. */
static bool fill(const char *template, const struct mapped *mapped, const char *topic, bool json,
                 struct buf *out)
{
    while (*template != '\0') {
        size_t name = *template == '{' ? strspn(template + 1, "abcdeimnort:v0123456789") : 0;
        if (name == 0 || template[name + 1] != '}') {
            buf_add(out, template ++, 1);
            continue;
        }
        char value[LIMIT_TOPIC_BYTES + 1];
        if (!place(template + 1, name, mapped, topic, value, sizeof value))
            return false;
        if (json)
            add_escaped(out, value);
        else
            buf_add_text(out, value);
        template += name + 2;
    }
    return !out->failed;
}

bool mapping_ack(const struct mapping *mapping, const struct mapped *mapped, const char *topic,
                 struct buf *ret_topic, struct buf *ret_payload, int *ret_qos)
{
    const struct rule *rule = rule_by_id(mapping, mapped->rule_id);
    if (rule == NULL || rule->ack_topic == NULL || mapped->ack_id[0] == '\0')
        return false;
    *ret_qos = rule->ack_qos;
    return fill(rule->ack_topic, mapped, topic, false, ret_topic) &&
           fill(rule->ack_payload, mapped, topic, true, ret_payload) &&
           topic_name_valid(buf_text(ret_topic));
}
