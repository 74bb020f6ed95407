/* Topic names and filters of MQTT 3.1.1, clause 4.7. */
#ifndef TOUYAN_MQTT_TOPIC_H
#define TOUYAN_MQTT_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

/* 4.7.1 and 4.7.2: '+' is one level, '#' the rest (and the parent); a topic that begins with '$' is
 * matched by no filter that begins with a wildcard. `filter` must be valid. */
bool topic_matches(const char *filter, const char *topic);

/* 4.7.1: wildcards fill a whole level, '#' is the last one; at most LIMIT_TOPIC_BYTES. */
bool topic_filter_valid(const char *filter);

/* A topic to publish to: not empty, UTF-8, no wildcard, at most LIMIT_TOPIC_BYTES. */
bool topic_name_valid(const char *topic);

/* Level `index` from 0, or from the end (-1: the last); false when there is none or it does not
 * fit.
 */
bool topic_level(const char *topic, int index, char *ret, size_t size);

/* "<name>/" when the topic stands below a level of this name, else "". False: it does not fit. */
bool topic_own(const char *topic, const char *name, char *ret, size_t size);

#endif
