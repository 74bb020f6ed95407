/* What a device sent and we have not seen, by the numbers that it gives its records. A record that
 * is only late, or comes again, fills its place. What is missing is asked for where the product has
 * a command "resend": after 5 s, 1 min and 10 min, then it stays on record as lost. */
#ifndef TOUYAN_MQTT_GAPS_H
#define TOUYAN_MQTT_GAPS_H

#include <stdint.h>

#include "mqtt/commands.h"
#include "mqtt/devices.h"
#include "mqtt/mapping.h"

enum {
    GAPS_OF_A_DEVICE = 32,   /* more of them and it is the device that cannot count */
    GAPS_NUMBERS_MAX = 5000, /* a longer jump is a counter that was set, not a loss */
};

/* A live record of a registered device, in the handler of its message. */
void gaps_note(struct replica *replica, struct device *device, const struct mapped *mapped,
               int64_t now_ms);

/* Once a second, in a handler of its own: asks. */
void gaps_tick(struct commands *commands);

#endif
