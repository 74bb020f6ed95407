/* The bridge to radios: who the nodes belong to, what they say, and what goes to them. Knows no
 * broker and no duty: both are ports.
 *
 * Heard: a text of a registered node on our channel is given to on_text once, however often and
 * along whatever way it comes (its writer and number are the key, kept a month). A node that
 * belongs to nobody is counted and listed, its words are not kept. It all happens in the handler of
 * the message, so the broker hears PUBACK after the commit only.
 *
 * Said: a text becomes one row a packet (1/3, 2/3 ... when it is longer than one), which goes
 * queued -> given -> delivered, or ends sent (nobody confirmed it), failed, expired, cancelled.
 * Each try is a new packet. Alarms go first; all else may use half of the air time of an hour only.
 * Nothing goes after its not_after.
 *
 * Times are UTC milliseconds of the clock. One radio for all products; the loop's thread. */
#ifndef TOUYAN_MQTT_RADIO_RADIO_H
#define TOUYAN_MQTT_RADIO_RADIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/rnd.h"
#include "mqtt/ingest.h"
#include "mqtt/radio/driver.h"
#include "sync/replica/replica.h"

struct radio;

/* What is configured, unchecked. */
struct radio_settings {
    const char *station; /* its id */
    const char *root, *channel, *node;
    const char *key; /* Base64; NULL or "": none */
    bool json;       /* see struct radio_link, as channel_index */
    int channel_index;
    enum lora_preset_id preset;
    int emission_ms, hops, text_bytes, text_gap_ms;
};

/* ERR_INVALID: which option is wrong and what would be right. */
int radio_link_make(const struct radio_settings *settings, struct radio_link *ret, struct err *err);

/* A text of a registered node. Valid during the call. */
struct radio_heard {
    const char *id; /* of this text, over all radios: "radio/<product>/<node>/<number>" */
    const char *product, *node;
    const char *person_id;
    const char *text;
    int64_t sent_at_ms; /* 0: not known */
    int64_t heard_at_ms;
    bool late; /* half an hour old and more: for a person to look at */
};

struct radio_ports {
    void *ctx;
    /* In the handler of the message. False: nobody could be found who wrote it. */
    bool (*on_text)(void *ctx, const struct radio_heard *heard);
    /* Hands a message to the broker, in the handler; nothing after until_ms. */
    int (*publish)(void *ctx, const char *topic, const void *payload, size_t size, int64_t until_ms,
                   struct err *err);
    bool (*online)(void *ctx); /* the broker is there */
    const struct mapping *(*rules)(void *ctx);
};

struct radio_options {
    struct replica *replica; /* these three outlive the radio */
    const struct clock *clock;
    struct rnd *rnd;
    struct radio_link link; /* copied */
    int air_percent;        /* of each hour, for each product */
};

int radio_open(const struct radio_options *options, const struct radio_ports *ports,
               struct radio **ret, struct err *err);
void radio_close(struct radio *radio); /* accepts NULL */

/* For mqtt_callbacks. */
int radio_unpack(struct radio *radio, const char *topic, const void *payload, size_t size,
                 struct buf *ret);
void radio_on_talk(struct radio *radio, const struct mqtt_talk *talk);

/* --- nodes; inside a handler --- */

/* person: id or whole name of one person of the replica. ERR_INVALID, ERR_NOT_FOUND, ERR_LIMIT. */
int radio_add(struct radio *radio, const char *product, const char *node, const char *person,
              struct err *err);
/* Its texts are not obeyed any more, and nothing is sent to it. ERR_NOT_FOUND. */
int radio_remove(struct radio *radio, const char *product, const char *node, struct err *err);

/* --- what goes out; inside a handler --- */

struct radio_message {
    const char *idem; /* the same again changes nothing */
    const char *text;
    int prio; /* 0: an alarm */
    int64_t not_after_ms;
    const char *ref_kind, *ref_id; /* for cancelling; may be NULL */
};

/* To one node. ERR_LIMIT: too long, or the queue is full; ERR_INVALID: nothing can be said to it.
 */
int radio_say(struct radio *radio, const char *product, const char *node,
              const struct radio_message *message, struct err *err);
/* To every node of whom this (sealed) phone belongs to; returns how many. */
int radio_say_phone(struct radio *radio, const char *phone, const struct radio_message *message);
/* To the node that wrote the text with this id (struct radio_heard). ERR_NOT_FOUND: there is none.
 */
int radio_answer(struct radio *radio, const char *heard_id, const struct radio_message *message,
                 struct err *err);
/* What waits for this reference does not go any more: to the nodes of whom this (sealed) phone
 * belongs to or, NULL, to any. */
void radio_cancel(struct radio *radio, const char *ref_kind, const char *ref_id, const char *phone);

/* Whether something is to be done now; cheap, to be asked each turn. */
bool radio_is_due(const struct radio *radio);
/* Does it, in the caller's handler. */
void radio_pump(struct radio *radio);
/* The broker is there, or the turn was lost: look again. */
void radio_wake(struct radio *radio);
/* INT64_MAX: nothing waits. */
int64_t radio_next_due_ms(const struct radio *radio);

struct radio_status {
    bool mesh;                       /* a channel is configured */
    char node[RADIO_NODE_BYTES + 1]; /* our own name in it */
    int64_t nodes;                   /* registered */
    int64_t strangers;
    int64_t heard_at_ms;        /* the last text, of anybody; 0: never */
    int64_t queued;             /* packets that wait */
    int64_t unconfirmed_alarms; /* of the last day: went out, or ran out, and nobody has them */
    int air_permille;           /* of the last hour, of the product that used most */
    size_t text_bytes;          /* that fit into one packet of the mesh */
};
void radio_get_status(struct radio *radio, struct radio_status *ret);

#endif
