/* Messages by hand into a replica in memory, through the rules, the registry and the commands; the
 * broker is only written down. Time stands still until the test moves it. */
#ifndef TOUYAN_TESTS_MQTTWORLD_H
#define TOUYAN_TESTS_MQTTWORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "mqtt/client.h"
#include "mqtt/commands.h"
#include "mqtt/ingest.h"
#include "mqtt/outbox.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

#define MQTT_WORLD_T0 INT64_C(1788218405000) /* 2026-09-01 07:20:05 in China */

/* Takes the place of the real client: what would have gone out. */
struct client {
    bool online;
    int published; /* message ids from 1 */
    char topic[200], payload[600];
};

struct mqtt_world {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct ingest *ingest;
    struct mqtt_outbox outbox;
    struct commands commands;
    struct client broker;
    struct ingest_callbacks callbacks; /* all but on_reply, when the test wants them */
};

struct mqtt_world_device {
    const char *id, *product, *kind;
    const char *school; /* NULL: S14 */
};

/* *world is set to zero but for the callbacks. devices end with an id NULL; the broker is there. */
void mqtt_world_open(struct mqtt_world *world, const struct mqtt_world_device *devices);
void mqtt_world_close(struct mqtt_world *world);

/* A row of table device, inside a handler of the caller. */
void mqtt_world_add(struct mqtt_world *world, const struct mqtt_world_device *device);

/* The program is started again on the same replica. */
void mqtt_world_restart(struct mqtt_world *world);

/* One message and its commit. */
void mqtt_world_send(struct mqtt_world *world, const char *topic, const void *payload, size_t size,
                     bool retained);
void mqtt_world_hear(struct mqtt_world *world, const char *topic, const char *payload);

/* Both clocks go on; nothing looks at them by itself. */
void mqtt_world_pass(struct mqtt_world *world, int64_t ms);

int64_t mqtt_world_count(struct mqtt_world *world, const char *sql);

#endif
