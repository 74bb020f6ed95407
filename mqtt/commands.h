/* What devices are told to do, and whether they did. Table device_command is the truth:
 *
 *   queued -> given -> sent -> acknowledged | refused | timed_out
 *     |         |
 *     +---------+-> expired
 *
 * queued: the device is not there yet. given: in the outbox. sent: the broker has it. A command is
 * handed over only while its device is online and never after its not_after: a broker keeps
 * messages for a device that is away, and a gate that opens an hour later is worse than one that
 * does not. A reply that comes after timed_out still counts. Nothing is sent twice by itself. */
#ifndef TOUYAN_MQTT_COMMANDS_H
#define TOUYAN_MQTT_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "mqtt/ingest.h"
#include "mqtt/outbox.h"
#include "sync/replica/replica.h"

struct commands {
    struct replica *replica;
    const struct clock *clock;
    const char *station; /* borrowed */
    struct ingest *ingest;
    struct mqtt_outbox *outbox;
    bool look; /* something may be due before the next tick */
};

struct command_wish {
    const char *device_id;
    const char *name;        /* of a [command] of the device's product */
    const struct json *args; /* values of its {names}; NULL: none */
    const char *idem;        /* a second wish with it is the first; NULL: always a new one */
    int valid_s;             /* 0: as the product says; never longer than that */
    bool by_program;         /* may use automatic commands */
};

void commands_init(struct commands *commands, struct replica *replica, const struct clock *clock,
                   const char *station, struct ingest *ingest, struct mqtt_outbox *outbox);

/* Inside a handler of the caller. ERR_NOT_FOUND: no such device or command; ERR_INVALID: a value is
 * missing or wrong (says which); ERR_LIMIT: too many wait. */
int commands_ask(struct commands *commands, const struct command_wish *wish,
                 char ret_id[LIMIT_ID_BYTES + 1], struct err *err);

/* Once a second: hands over, lets time run out. A handler of its own. */
void commands_tick(struct commands *commands);

/* The broker has the message of this command, or the outbox dropped it as too old. In a handler. */
void commands_on_gone(struct commands *commands, const char *id, bool sent);

/* A reply: id is the command's, or the device's own when it knows no ids, and then its oldest
 * command that waits is meant. In the handler of its message. False: there is none. */
bool commands_on_reply(struct commands *commands, const char *device_id, const char *id, bool ok);

#endif
