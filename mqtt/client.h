/* One connection to an MQTT broker (MQTT 3.1.1) on the loop, with a persistent session, kept up by
 * itself. Knows nothing of what is stored: whoever reads messages says when they may be
 * acknowledged. One implementation, client_mosq.c, on libmosquitto. */
#ifndef TOUYAN_MQTT_CLIENT_H
#define TOUYAN_MQTT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/rnd.h"

struct client;

struct client_options {
    uv_loop_t *loop;
    const struct clock *clock;
    struct rnd *rnd;
    /* Texts are copied; NULL: none. */
    const char *socket_path; /* wins over host */
    const char *host;
    int port;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *username;
    const char *password;
    const char *client_id;
    int keepalive_s;
    const char *will_topic; /* with will_text, QoS 1, retained */
    const char *will_text;
};

struct client_callbacks {
    void *ctx;
    /* Asked before anything is read or connected; false: not now. */
    bool (*may_read)(void *ctx);
    /* session_present: the broker still has our subscriptions and what came meanwhile. */
    void (*on_online)(void *ctx, bool session_present);
    /* Lost, refused or given up; only when it was online before or for the first failure. */
    void (*on_offline)(void *ctx, const char *why);
    /* Its PUBACK is queued; see client_hold. */
    void (*on_message)(void *ctx, const char *topic, const void *payload, size_t size,
                       bool retained);
    void (*on_published)(void *ctx, int message_id);
    void (*on_subscribed)(void *ctx, bool granted);
};

/* ERR_INVALID: a certificate or key cannot be used (says which). */
int client_init(const struct client_options *options, const struct client_callbacks *callbacks,
                struct client **ret, struct err *err);
void client_start(struct client *client);
/* Writes what is queued and DISCONNECT, as far as the socket takes it now; when held, nothing, so
 * that the broker sends its messages again. */
void client_close(struct client *client, void (*cb)(void *ctx), void *ctx);
void client_fini(struct client *client); /* after close, or instead of start; accepts NULL */

bool client_is_online(const struct client *client);

/* From on_message: nothing goes to the broker until client_release. */
void client_hold(struct client *client);
/* After the turn. Committed: the acknowledgements go out. Not: they are dropped with the
 * connection, and the broker sends the messages again on the next one. */
void client_release(struct client *client, bool committed);

/* When online. The result of subscribing is told by on_subscribed, once for all filters. */
void client_subscribe(struct client *client, const char *const *filters, int count);
/* QoS 0, and nothing is said when it is refused. */
void client_subscribe_quietly(struct client *client, const char *topic);
void client_unsubscribe(struct client *client, const char *filter);

/* ERR_STATE: not online. */
int client_publish(struct client *client, const char *topic, const void *payload, size_t size,
                   int qos, bool retain, int *ret_message_id, struct err *err);

#endif
