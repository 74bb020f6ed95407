/* How much one device may cost: a bucket of events and one of bytes, which fill up with time. The
 * buckets hold the records that a terminal kept through a long outage; what is above is not stored
 * and not answered, so a device that is answered sends it again later. Alarms are never refused. */
#ifndef TOUYAN_MQTT_QUOTA_H
#define TOUYAN_MQTT_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quota {
    int64_t at_ms;       /* monotonic */
    int64_t events_used; /* thousandths */
    int64_t bytes_used;
};

/* events_per_s: of the product. False: beyond it. */
bool quota_take(struct quota *quota, int64_t mono_ms, size_t bytes, int events_per_s);

#endif
