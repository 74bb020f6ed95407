/* Rule files: how the messages of one product are read, answered and commanded. A file is lines:
 *
 *   # Gate buttons of the yard
 *   product = yard
 *   write = yard/%u/#                    (access list: what the device may send; %u: its id)
 *   read = yard/%u/cmd
 *
 *   [rule press]                         (the first rule whose topic and conditions fit counts)
 *   topic = yard/+/event               (up to 4 lines)
 *   when = $.type is press|long_press    (or: not, exists, absent; up to 4 lines)
 *   kind = sos
 *   device = topic:1
 *   time = $.t local+08:00
 *   id = $.seq $.t
 *   answer_id = $.seq
 *   answer_to = yard/{device}/cmd
 *   answer = {"ack":{int}}
 *
 *   [command siren]
 *   to = yard/{device}/cmd
 *   send = {"id":"{id}","siren":"{text}"}
 *
 * A value is a path into the JSON ($.a.b[0]; @.a within an element of `each`), a level of the topic
 * from 0 or from its end (topic:1, topic:-1), or else the text itself. Paths only, nothing is
 * computed: a rule can be wrong but cannot harm. All keys are in the table of rulefile.c. */
#ifndef TOUYAN_MQTT_RULEFILE_H
#define TOUYAN_MQTT_RULEFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/kind.h"

enum {
    RULE_GUARDS = 4,
    RULE_TOPICS = 4,
    RULE_LEVELS = 20, /* of a topic, from either end */
    RULE_IDS = 3,
    RULE_ACCESS = 12,
    PRODUCT_BYTES = 32,
    PRODUCT_RULES = 64,
    PRODUCT_COMMANDS = 16,
};

enum value_from { VALUE_NONE, VALUE_PATH, VALUE_ELEMENT, VALUE_LEVEL, VALUE_TEXT };

/* All texts of these structs are in product.bytes. */
struct rule_value {
    enum value_from from;
    int level;
    const char *text; /* path or text */
};

enum guard_how { GUARD_EXISTS, GUARD_ABSENT, GUARD_IS, GUARD_NOT };

struct rule_guard {
    struct rule_value value;
    enum guard_how how;
    const char *texts; /* "a|b|c" */
};

struct rule {
    const char *name;
    int line; /* in the file, of its first */
    const char *topics[RULE_TOPICS];
    int topic_count;
    bool as_text;
    const char *each; /* path of an array whose elements are events of their own; NULL: none */
    struct rule_guard guards[RULE_GUARDS];
    int guard_count;
    int kind; /* enum mqtt_kind; -1: kind_value tells its name */
    struct rule_value kind_value;
    const char *kinds; /* "256:door 257:fire": what kind_value has to what it is; NULL: as it is */
    struct rule_value device;
    struct rule_value same_device; /* when it has a value it must be the device */
    struct rule_value code;
    const char *codes;         /* as kinds */
    struct rule_value subject; /* of a text: to whom */
    struct rule_value text;    /* what somebody wrote by radio; `code` is then the channel */
    struct rule_value time;
    const char *time_format; /* see mapping_parse_time */
    struct rule_value ids[RULE_IDS];
    int id_count;
    struct rule_value seq;   /* counts what the device sends: "17" or "<boot>-<17>" */
    struct rule_value count; /* of people */
    struct rule_value firmware;
    struct rule_value battery;
    struct rule_value mac;    /* signature, see accounts.h; checked when the key is known */
    struct rule_guard replay; /* when it fits, the device says that it says so again */
    bool has_replay;
    struct rule_guard ok; /* of a reply */
    bool has_ok;
    int window_s; /* without an id: equal payloads within it are one event */
    int silent_s; /* this message repeats; the device is off when it is silent for so long */
    struct rule_value answer_id;
    const char *answer_to; /* NULL: nothing is answered */
    const char *answer;
    int answer_qos;
};

struct rule_command {
    const char *name;
    int line;
    const char *to;
    const char *send;
    int qos;
    int timeout_s;  /* for the reply; 0: the device never replies, PUBACK is all there is */
    int valid_s;    /* not sent later than this after it was asked for */
    bool automatic; /* by the program only: "resend" */
};

struct product {
    char *bytes; /* owned: the file, lines ended by NUL */
    char file[LIMIT_NAME_BYTES + 1];
    const char *name;
    const char *title;
    const char *write[RULE_ACCESS], *read[RULE_ACCESS];
    int write_count, read_count;
    int events_per_s; /* of one device, see quota.h */
    bool bridge;      /* one user for all its devices: the user name is that of the product */
    struct rule rules[PRODUCT_RULES];
    int rule_count;
    struct rule_command commands[PRODUCT_COMMANDS];
    int command_count;
};

/* ERR_INVALID: "FILE:LINE: what is wrong and what would be right". *ret is the caller's to free,
 * NULL for a file without a product (all comments: switched off). */
int rulefile_parse(const char *file, const char *text, size_t size, struct product **ret,
                   struct err *err);
void rulefile_free(struct product *product); /* accepts NULL */

/* The word of "a:x b:y" that stands for `value`; NULL: none. `ret` has room for any of it. */
bool rulefile_lookup(const char *map, const char *value, char *ret, size_t size);

#endif
