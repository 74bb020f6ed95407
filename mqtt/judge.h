/* What a message is to those who act on it: whether it is news, and what somebody said by radio.
 * Pure. */
#ifndef TOUYAN_MQTT_JUDGE_H
#define TOUYAN_MQTT_JUDGE_H

#include <stdint.h>

#include "mqtt/ingest.h"
#include "mqtt/mapping.h"

enum { JUDGE_FRESH_MS = 120 * 1000 };

/* Sets fresh and alarm by the rest. */
void judge_age(struct mqtt_event *event);

/* Its texts are those of `mapped`; retained is the caller's to set. */
struct mqtt_talk judge_talk(const struct mapped *mapped, int64_t sent_at_ms, int64_t heard_at_ms);

#endif
