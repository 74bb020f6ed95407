/* The gate devices: one connection to the broker, its messages mapped to events of the replica, and
 * an outbox for what goes to the devices. The only header of mqtt/ that the gateway needs.
 *
 * A QoS 1 message is acknowledged to the broker (MQTT 3.1.1, 4.3.2: PUBACK) only after the turn
 * that stored it was committed; when that commit fails, or the program dies, the broker sends the
 * message again and the key of its event makes it one event. While replica_failing() says
 * something, nothing is read.
 *
 * Happy path: mqtt_init, mqtt_start, callbacks on the loop, mqtt_close(cb), mqtt_fini in or after
 * cb. The owner of the loop calls replica_commit() in its uv_check and uv_prepare. */
#ifndef TOUYAN_MQTT_H
#define TOUYAN_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/rnd.h"
#include "mqtt/ingest.h"
#include "sync/replica/replica.h"

struct mqtt;

struct mqtt_options {
    uv_loop_t *loop;
    struct replica *replica;   /* outlives the mqtt */
    const struct clock *clock; /* outlives the mqtt */
    struct rnd *rnd;           /* outlives the mqtt */
    const char *station;       /* e.g. "S0117" */

    /* All texts are copied; NULL and "" are the same. */
    const char *socket_path; /* the broker's Unix socket; wins over host */
    const char *host;        /* numeric address, or a name that is resolved off the loop */
    int port;                /* 0: 1883, or 8883 with ca_file */
    const char *ca_file;     /* PEM; set: TLS, and the certificate must be for `host` */
    const char *cert_file;   /* our own certificate and key, PEM; both or none */
    const char *key_file;
    const char *username;
    const char *password_file; /* first line is the password */
    const char *client_id;     /* NULL: "touyan-<station>"; must stay the same for the session */
    int keepalive_s;           /* 0: 15 */
    const char *rules_dir;     /* rule files over the shipped ones; NULL: none */
    int flow_peak, flow_heavy; /* see flow.h; 0: its defaults */
};

struct mqtt_callbacks {
    void *ctx;
    /* See struct ingest_callbacks. May be NULL. */
    void (*on_event)(void *ctx, const struct mqtt_event *event);
    void (*on_talk)(void *ctx, const struct mqtt_talk *talk); /* the same; may be NULL */
    /* See struct ingest_callbacks; may be NULL. */
    int (*unpack)(void *ctx, const char *topic, const void *payload, size_t size, struct buf *ret);
    /* The broker answered CONNACK, or the connection is lost (why: a text for a person).
     * since_ms: wall clock of the change. May be NULL. */
    void (*on_state)(void *ctx, bool connected, int64_t since_ms, const char *why);
    /* A repair was opened or closed, or a school's level of flow changed. May be NULL. */
    void (*on_gates)(void *ctx);
};

struct mqtt_status {
    bool connected;
    int64_t since_ms;   /* wall clock of the last change */
    char problem[256];  /* why it is not connected, "" when it is */
    int64_t messages;   /* received since the start */
    int64_t events;     /* stored, without duplicates */
    int64_t duplicates; /* were there already; acknowledged again */
    int64_t raw;        /* understood by no rule, or refused: see table mqtt_raw */
    int64_t acks;       /* application acknowledgements handed to the broker */
    int64_t reconnects;
    int64_t over;    /* beyond the quota of their device */
    int64_t dropped; /* by the broker since its start, as it says itself */
};

/* Reads the password file, loads the rules. ERR_INVALID, ERR_IO: names the option or file. */
int mqtt_init(const struct mqtt_options *options, const struct mqtt_callbacks *callbacks,
              struct mqtt **ret, struct err *err);
void mqtt_start(struct mqtt *mqtt);

/* Says DISCONNECT to the broker when connected (the state topic goes "offline" first), closes all
 * handles and calls cb on the loop, never before mqtt_close returned. Call once. */
void mqtt_close(struct mqtt *mqtt, void (*cb)(void *ctx), void *ctx);
void mqtt_fini(struct mqtt *mqtt); /* after close, or instead of start; accepts NULL */

struct mqtt_status mqtt_status(const struct mqtt *mqtt);

/* Puts a message into the outbox (table mqtt_out), as part of the current turn; it goes out after
 * the commit, at least once, as soon as the broker is there, in the order of the calls; its row
 * is deleted on PUBACK (QoS 0: when handed to the socket). After not_after_ms (wall clock, 0:
 * never) it is dropped and logged. ERR_LIMIT: topic, payload or outbox too large. ERR_INVALID: not
 * a topic to publish to, or QoS not 0 or 1. */
int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t size, int qos,
                 bool retain, int64_t not_after_ms, struct err *err);

/* Tells a device to do something; see commands.h. Inside a handler of the caller. */
struct command_wish;
int mqtt_command(struct mqtt *mqtt, const struct command_wish *wish,
                 char ret_id[LIMIT_ID_BYTES + 1], struct err *err);

/* People at a school's gates from which on it is peak, and heavy. */
void mqtt_set_flow(struct mqtt *mqtt, int peak, int heavy);

/* Reads the rule files again and subscribes to their topics. */
void mqtt_reload_rules(struct mqtt *mqtt);
/* The rules in force, and what is wrong with the files that were left out ("" when there is none).
 */
const struct mapping *mqtt_rules(const struct mqtt *mqtt);
const char *mqtt_rule_problems(const struct mqtt *mqtt);
/* For --check-config. ERR_INVALID: "FILE:LINE: what is wrong", as many as fit. */
int mqtt_check_rules(const char *dir, struct err *err);

#endif
