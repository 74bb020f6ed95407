/* The devices that were heard, in memory, with table device_state behind them. What only says that
 * a device is alive is written once a second, not with each message; a change of presence at once.
 * After a turn was lost the table is read again. */
#ifndef TOUYAN_MQTT_DEVICES_H
#define TOUYAN_MQTT_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/mapping.h"
#include "mqtt/presence.h"
#include "mqtt/quota.h"
#include "sync/replica/replica.h"

enum { DEVICE_SAMPLES = 5, DEVICE_TOPIC_BYTES = 127, DEVICE_POWER_BYTES = 7 };

struct device {
    char id[LIMIT_DEVICE_ID_BYTES + 1];
    char product[PRODUCT_BYTES + 1];
    enum presence state;
    int64_t state_at_ms, first_at_ms, heard_at_ms, event_at_ms;
    int silent_s;
    int64_t messages;
    int64_t samples_ms[DEVICE_SAMPLES]; /* our clock minus its, of its last heartbeats */
    int sample_count, sample_next;
    char topic[DEVICE_TOPIC_BYTES + 1]; /* where it was heard last; "": only in shared ones */
    char firmware[MAPPING_FIRMWARE_BYTES + 1];
    int battery; /* percent; -1: not known */
    char boot[MAPPING_SEQ_BYTES + 1];
    int64_t seq, seq_at_ms;  /* see gaps.h; seq -1: not known */
    int64_t loaded_heard_ms; /* heard_at_ms as it was read from the table */
    bool just_loaded;        /* no number heard since then */
    struct quota quota;
    int64_t over, over_at_ms;           /* messages beyond it, and the last of them */
    char power[DEVICE_POWER_BYTES + 1]; /* "mains", "battery" or "" */
    int64_t power_at_ms;
    int64_t people, people_at_ms; /* its last count */
    bool dirty;
    int64_t registered_turn; /* of ingest, in which it was found in table device, with `scope` */
    char scope[LIMIT_STATION_BYTES + 1];
};

struct devices;

int devices_open(struct replica *replica, struct devices **ret, struct err *err);
void devices_close(struct devices *devices); /* accepts NULL */

/* Reads the table again. */
void devices_load(struct devices *devices);

/* The device, made when it is new; NULL when there are LIMIT_DEVICES already. Valid until the
 * next devices_load. */
struct device *devices_get(struct devices *devices, const char *id, const char *product,
                           int64_t now_ms);

/* NULL: never heard. */
struct device *devices_find(struct devices *devices, const char *id);

/* By index from 0; NULL behind the last. */
struct device *devices_at(struct devices *devices, int index);

/* A live heartbeat: how far the clocks are apart. */
void device_note_clock(struct device *device, int64_t device_at_ms, int64_t heard_at_ms);

/* What to add to the device's time to get ours: the smallest difference of its last heartbeats,
 * because a message can be late but not early. False: not known. Within 2 s it is 0. */
bool device_clock_offset(const struct device *device, int64_t *ret_ms);

/* Inside a handler. */
void devices_write(struct devices *devices, struct device *device);

#endif
