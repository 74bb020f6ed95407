/* What goes to the devices: table mqtt_out, in order, a few at a time. The rows are the truth; what
 * is in flight is in memory only and is sent again on the next connection, so a message arrives at
 * least once. */
#ifndef TOUYAN_MQTT_OUTBOX_H
#define TOUYAN_MQTT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/client.h"
#include "sync/replica/replica.h"

struct mqtt_outbox {
    struct replica *replica;
    const struct clock *clock;
    struct client *client;
    struct mqtt_outbox_flight {
        int64_t row;
        int message_id;
    } flights[LIMIT_MQTT_IN_FLIGHT];
    int count;
    int64_t last_row; /* handed to the client on this connection */
    bool pump_promised;
    /* The message of a command is with the broker (sent) or was dropped as too old; inside a
     * handler. NULL: nobody asks. */
    void (*on_gone)(void *ctx, const char *command_id, bool sent);
    void *on_gone_ctx;
};

void mqtt_outbox_init(struct mqtt_outbox *outbox, struct replica *replica,
                      const struct clock *clock, struct client *client);

/* As mqtt_publish(). */
int mqtt_outbox_add(struct mqtt_outbox *outbox, const char *topic, const void *payload, size_t size,
                    int qos, bool retain, int64_t not_after_ms, struct err *err);

/* The same for the message of a command. */
int mqtt_outbox_add_command(struct mqtt_outbox *outbox, const char *command_id, const char *topic,
                            const void *payload, size_t size, int qos, int64_t not_after_ms,
                            struct err *err);

/* Hands rows to the client while it is online and takes them; a handler of its own. */
void mqtt_outbox_pump(struct mqtt_outbox *outbox);
void mqtt_outbox_on_published(struct mqtt_outbox *outbox, int message_id);
/* A new connection: nothing is in flight. */
void mqtt_outbox_on_online(struct mqtt_outbox *outbox);

#endif
