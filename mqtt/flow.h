/* How many people are at a school's gates, from the counts of its cameras, and what that is called:
 * flat, peak or heavy. A level rises at once and falls only when it has been less for a while and
 * by a margin, so that a number around a threshold does not make guards run to and fro. */
#ifndef TOUYAN_MQTT_FLOW_H
#define TOUYAN_MQTT_FLOW_H

#include <stdint.h>

#include "sync/replica/replica.h"

enum flow_level { FLOW_FLAT, FLOW_PEAK, FLOW_HEAVY, FLOW_LEVELS };

const char *flow_level_name(enum flow_level level); /* "flat", "peak", "heavy" */
/* level_ms: for how long it has been `level`. Pure. */
enum flow_level flow_next(enum flow_level level, int64_t level_ms, int64_t people);

/* Table school_flow by what the devices of each school counted in the last ten minutes, of each its
 * last word. A handler of its own when anything changes. */
void flow_look(struct replica *replica, int64_t now_ms);

#endif
