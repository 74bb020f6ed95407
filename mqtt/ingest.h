/* From a message to an event of the replica: mapping, dedupe by the key of device_event, presence,
 * application acknowledgement. Knows no broker: the tests feed it by hand.
 *
 * Each message is one handler (savepoint) of the turn. Its event is the row '<device>:<dedupe key>'
 * of table device_event, so a message that comes twice is one event, over restarts too. What no
 * rule understands, or what claims to be a device it cannot be, goes to table mqtt_raw with the
 * reason. Heartbeats and telemetry only change the state of the device, they leave no event. */
#ifndef TOUYAN_MQTT_INGEST_H
#define TOUYAN_MQTT_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "mqtt/kind.h"
#include "sync/replica/replica.h"

/* Texts belong to the caller of on_event and live until it returns. */
struct mqtt_event {
    const char *id;        /* of the row in device_event */
    const char *device_id; /* registered in table device */
    const char *product;   /* of the device, e.g. "mqtt_face", "touyan" */
    enum mqtt_kind kind;
    const char *code;     /* "" when the message has none */
    const char *subject;  /* "" when the message has none */
    int64_t device_at_ms; /* the device's own time brought to ours (UTC ms); 0: it gave none */
    int64_t heard_at_ms;  /* wall clock when it was received */
    int64_t count;        /* people; kind count only */
    bool retained;
    bool replay; /* the device says that it says so again */
    bool fresh;  /* neither, and device_at_ms within 120 s of heard_at_ms: it happened just now */
    /* Somebody must be told now: a kind that alarms, fresh or without a date; an sos also up to 30
     * min old; never retained or replayed. */
    bool alarm;
};

/* What came by radio; texts as in struct mqtt_event. */
struct mqtt_talk {
    enum mqtt_kind kind; /* MQTT_TEXT or MQTT_DELIVERED */
    const char *product;
    const char *node; /* who wrote, or who acknowledges */
    const char *id; /* of the text, by its writer; or of ours that is delivered. "": it has none */
    const char *to; /* "": everybody */
    const char *channel; /* "": there are none */
    const char *text;
    bool ok;            /* it is delivered; false: it is known not to be */
    int64_t sent_at_ms; /* 0: not known */
    int64_t heard_at_ms;
    bool retained;
};

struct ingest;
struct mapping;

struct ingest_options {
    struct replica *replica;   /* outlives the ingest */
    const struct clock *clock; /* outlives the ingest */
    const char *station;       /* scope of events of devices that have none */
    const char *rules_dir;     /* over the shipped rules; NULL: those only */
};

struct ingest_callbacks {
    void *ctx;
    /* A new event (never a repeated one), inside the handler of its message, so that what it
     * writes is committed with the event or not at all. When a statement in it fails its own
     * writes are taken back, the event stays and an error is logged. NULL: none. */
    void (*on_event)(void *ctx, const struct mqtt_event *event);
    /* After the commit, also for a repeated event: tell the device. qos is the rule's. NULL: the
     * acknowledgement is left out. */
    void (*on_ack)(void *ctx, const char *topic, const char *payload, int qos);
    /* A device answers a command, inside the handler of its message; false: nobody asked. NULL: as
     * if nobody had. */
    bool (*on_reply)(void *ctx, const char *device_id, const char *id, bool ok);
    /* A radio was heard, inside the handler of its message. NULL: nobody listens. */
    void (*on_talk)(void *ctx, const struct mqtt_talk *talk);
    /* Payloads that are no text: appends what the rules can read. 1: done, 0: not of this sort,
     * -1: it cannot be read. What it makes nothing of is dropped. NULL: there are none. */
    int (*unpack)(void *ctx, const char *topic, const void *payload, size_t size, struct buf *ret);
};

struct ingest_message {
    const char *topic;
    const void *payload;
    size_t size;
    bool retained;
};

struct ingest_counts {
    int64_t messages, events, duplicates, states, raw, acks, over;
};

/* Loads the rules and the state of the devices. */
int ingest_open(const struct ingest_options *options, const struct ingest_callbacks *callbacks,
                struct ingest **ret, struct err *err);
void ingest_close(struct ingest *ingest); /* accepts NULL */

/* One handler. False: neither an event nor a raw row could be stored, the turn is doomed. */
bool ingest_message(struct ingest *ingest, const struct ingest_message *message);

/* Once a second: presence by heartbeat age, writes the state of the devices that changed.
 * connected: to the broker; silence means nothing while it is not. */
void ingest_tick(struct ingest *ingest, bool connected);

/* The topic filters to subscribe to; count at most LIMIT_MQTT_FILTERS. Valid until the next
 * ingest_reload_rules. */
const char *const *ingest_filters(const struct ingest *ingest, int *ret_count);
/* On an error the rules stay as they are. */
int ingest_reload_rules(struct ingest *ingest, struct err *err);
const struct mapping *ingest_rules(const struct ingest *ingest);

struct ingest_counts ingest_counts(const struct ingest *ingest);

#endif
