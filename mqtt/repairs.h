/* What is broken and has to be seen to, table device_repair: one row for one cause, however many
 * devices it takes with it.
 *
 *   broker     nobody can be heard; while it is so nothing else is judged
 *   power      a school runs on its battery; what is silent there is silent for that
 *   school     most devices of a school went away together: its line or its switch
 *   bridge     the program between us and a product's devices is down (subject: the product)
 *   silent     one device
 *   battery    15 percent or less
 *   clock      more than two minutes off
 *   flood      a device was beyond its quota within the last ten minutes
 *
 * A cause that is over is closed; the row stays for a year. */
#ifndef TOUYAN_MQTT_REPAIRS_H
#define TOUYAN_MQTT_REPAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "sync/replica/replica.h"

enum { REPAIRS_EVERY_MS = 10000 };

/* Every REPAIRS_EVERY_MS of the monotonic clock. broker_down_ms: how long the broker has been away;
 * 0: it is there. A handler of its own, which writes only what changes. */
/* True: something is broken that was not, or mended. */
bool repairs_look(struct replica *replica, int64_t now_ms, int64_t broker_down_ms);

#endif
