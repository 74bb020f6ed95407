/* How many people are at a school's gates, from the counts of its cameras, and what that is called:
 * flat, peak or heavy. A level rises at once and falls only when it has been less for a while and
 * by a margin, so that a number around a threshold does not make guards run to and fro. */
#ifndef TOUYAN_MQTT_FLOW_H
#define TOUYAN_MQTT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "sync/replica/replica.h"

enum flow_level { FLOW_FLAT, FLOW_PEAK, FLOW_HEAVY, FLOW_LEVELS };

/* People at all gates of a school at which a level begins; it ends below two thirds of that. */
struct flow_limits {
    int peak, heavy;
};
enum { FLOW_PEAK_DEFAULT = 60, FLOW_HEAVY_DEFAULT = 150, FLOW_PEOPLE_MAX = 20000 };

const char *flow_level_name(enum flow_level level); /* "flat", "peak", "heavy" */
/* level_ms: for how long it has been `level`. Pure. */
enum flow_level flow_next(const struct flow_limits *limits, enum flow_level level, int64_t level_ms,
                          int64_t people);

/* The limits of one school (its id, code, name or short name) in the place of the station's; NULL:
 * the station's again. In a handler of the caller. ERR_NOT_FOUND; ERR_INVALID: more than one school
 * is called so, or heavy does not come after peak. */
int flow_set_limits(struct replica *replica, const char *school, const struct flow_limits *limits,
                    struct err *err);

/* Table school_flow by what the devices of each school counted in the last ten minutes, of each its
 * last word; `limits` count for schools without their own. A handler of its own when anything
 * changes. True: a level has changed. */
bool flow_look(struct replica *replica, const struct flow_limits *limits, int64_t now_ms);

#endif
