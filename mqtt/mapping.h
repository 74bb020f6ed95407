/* Reading payloads by the rules of table mqtt_rule: one SELECT with json_extract a message, paths
 * only. See the migration for what the columns of a rule mean. */
#ifndef TOUYAN_MQTT_MAPPING_H
#define TOUYAN_MQTT_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/ingest.h"
#include "sync/replica/replica.h"

enum { MAPPING_PRODUCT_BYTES = 32 };

struct mapping;

/* What a message says, in our words. Nothing here is checked against the registry. */
struct mapped {
    const char *product; /* of the rule; valid until the rules are loaded again */
    enum mqtt_kind kind;
    char device_id[LIMIT_DEVICE_ID_BYTES + 1];
    char code[LIMIT_EVENT_TEXT_BYTES + 1];
    char subject[LIMIT_EVENT_TEXT_BYTES + 1];
    char dedupe[LIMIT_DEDUPE_BYTES + 1]; /* "": none */
    int64_t device_at_ms;                /* by the device's clock; 0: none, or not plausible */
    int window_s;
    int silent_s;
    char ack_id[LIMIT_DEDUPE_BYTES + 1];
    int64_t rule_id;
};

int mapping_open(struct replica *replica, struct mapping **ret, struct err *err);
void mapping_close(struct mapping *mapping); /* accepts NULL */

/* Reads table mqtt_rule. A wrong rule is not used: its `problem` says why and it is logged. */
int mapping_load(struct mapping *mapping, struct err *err);

/* Distinct topic filters of the rules, valid until the next load. */
const char *const *mapping_filters(const struct mapping *mapping, int *ret_count);

/* `text` is valid UTF-8 of at most LIMIT_MQTT_MAPPED_BYTES and ends with NUL. False: *ret_reason
 * says why no rule applies (a static text). */
bool mapping_map(struct mapping *mapping, const char *topic, const char *text, struct mapped *ret,
                 const char **ret_reason);

/* The acknowledgement of the rule that was applied; false when there is none to send. */
bool mapping_ack(const struct mapping *mapping, const struct mapped *mapped, const char *topic,
                 struct buf *ret_topic, struct buf *ret_payload, int *ret_qos);

/* Pure parts, for the tests. */

/* Formats: "s" and "ms" (seconds, milliseconds since 1970, also with a fraction), "iso" (RFC 3339,
 * with zone), "local+08:00" ("2026-09-01 07:20:00", 'T' allowed). False: not of that form, or
 * before 2024 (a device whose clock was never set), or after 2100. */
bool mapping_parse_time(const char *format, const char *text, int64_t *ret_ms);

/* '$', then '.name' (letters, digits, '_', '-') or '[digits]'. */
bool mapping_path_valid(const char *path);

#endif
