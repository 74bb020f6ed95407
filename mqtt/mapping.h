/* Reading payloads by the rules of all products. No I/O but the reading of the rule files, and no
 * database: `touyan device try` and the fuzzer use it as the gateway does. */
#ifndef TOUYAN_MQTT_MAPPING_H
#define TOUYAN_MQTT_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/kind.h"
#include "mqtt/rulefile.h"

struct mapping;

enum { MAPPING_SEQ_BYTES = 32, MAPPING_FIRMWARE_BYTES = 48, MAPPING_MAC_BYTES = 64 };

/* What a message says, in our words. Nothing here is checked against the registry. */
struct mapped {
    const struct product *product; /* valid until the rules are loaded again, as is rule */
    const struct rule *rule;
    enum mqtt_kind kind;
    char device_id[LIMIT_DEVICE_ID_BYTES + 1];
    bool own_topic;    /* it names the device, so that the broker can tell who may write to it */
    bool shared_topic; /* same_device would have the topic name the device, and this one does not */
    char code[LIMIT_EVENT_TEXT_BYTES + 1];
    char subject[LIMIT_EVENT_TEXT_BYTES + 1];
    char text[LIMIT_RADIO_TEXT_BYTES + 1]; /* kind text only */
    char dedupe[LIMIT_DEDUPE_BYTES + 1];   /* "": none */
    char time_text[LIMIT_EVENT_TEXT_BYTES + 1];
    int64_t device_at_ms; /* by the device's clock; 0: none, or not plausible */
    int64_t count;        /* of people; -1: none */
    char boot[MAPPING_SEQ_BYTES + 1];
    int64_t seq; /* -1: none */
    char firmware[MAPPING_FIRMWARE_BYTES + 1];
    int battery; /* percent; -1: none */
    bool replay; /* the device says that it says so again */
    bool ok;     /* a reply: it was done */
    char mac[MAPPING_MAC_BYTES + 1];
    char ack_id[LIMIT_DEDUPE_BYTES + 1];
    const char *flaw; /* an alarm only: what of it could not be read and was left out; or NULL */
};

/* The shipped rules, and over them the *.rules of `dir`: a file there takes the place of the
 * shipped one of its name; one without rules switches it off. NULL or no such folder: the shipped
 * ones. A file that is wrong is left out (the shipped one of its name stays) and told by
 * mapping_problems. ERR_IO: the folder cannot be read. */
int mapping_open(const char *dir, struct mapping **ret, struct err *err);
/* Of one product only, which is taken over. */
int mapping_open_one(struct product *product, struct mapping **ret, struct err *err);
void mapping_close(struct mapping *mapping); /* accepts NULL */

/* What is wrong with the files that were left out, "; " between them; "" when there is none. */
const char *mapping_problems(const struct mapping *mapping);

/* Distinct topic filters of the rules. */
const char *const *mapping_filters(const struct mapping *mapping, int *ret_count);

int mapping_product_count(const struct mapping *mapping);
const struct product *mapping_product_at(const struct mapping *mapping, int index);
const struct product *mapping_product(const struct mapping *mapping,
                                      const char *name); /* or NULL */

/* A payload that is no JSON, or too deep or with too many values: a reason of mapping_begin. */
extern const char mapping_malformed[];

/* Whom an alarm on this topic would come from, when the topic says it: what to do with a message
 * that cannot be read. False: no alarm comes this way, or the payload would have to say. */
bool mapping_alarm_device(const struct mapping *mapping, const char *topic,
                          const struct product **ret_product,
                          char ret_id[LIMIT_DEVICE_ID_BYTES + 1]);

/* Finds the rule of a message. `text` is valid UTF-8, ends with NUL and must stay until the last
 * mapping_next. False: *ret_reason says why there is none (a static text). */
bool mapping_begin(struct mapping *mapping, const char *topic, const char *text, size_t size,
                   const char **ret_reason);
/* The events in it, one after the other. 1: *ret; 0: no more; -1: the rule fits but a value cannot
 * be, *ret_reason; device_id and ack_id of *ret are then set when these could be read. An alarm is
 * an event whatever of it cannot be read, unless two devices are named: see flaw. */
int mapping_next(struct mapping *mapping, struct mapped *ret, const char **ret_reason);

/* The rule of mapping_begin, with the number of events found in the message. */
const struct rule *mapping_rule(const struct mapping *mapping);

/* The answer of the rule that was applied; false when there is none to send. */
bool mapping_answer(const struct mapped *mapped, const char *topic, struct buf *ret_topic,
                    struct buf *ret_payload);

/* Why a rule does not fit the last message of mapping_begin, for people ("": it fits). */
void mapping_explain(struct mapping *mapping, const struct rule *rule, const char *topic, char *ret,
                     size_t size);

/* Formats: "s" and "ms" (seconds, milliseconds since 1970, also with a fraction), "iso" (RFC 3339,
 * with zone), "local+08:00" ("2026-09-01 07:20:00", 'T' allowed, of that zone). False: not of that
 * form, or before 2024 (a device whose clock was never set), or after 2100. */
bool mapping_parse_time(const char *format, const char *text, int64_t *ret_ms);
bool mapping_time_format_valid(const char *format);

#endif
