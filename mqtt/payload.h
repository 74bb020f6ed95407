/* What is done to a payload before anything reads or keeps it: photos are cut out, and of what is
 * kept for a person to look at, names, numbers and keys are blanked. */
#ifndef TOUYAN_MQTT_PAYLOAD_H
#define TOUYAN_MQTT_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

/* Appends the payload with every JSON string of more than LIMIT_MQTT_CUT_BYTES as "". Works on the
 * characters alone: what was malformed stays so. False: it does not fit `out`. */
bool payload_cut(const char *text, size_t size, struct buf *out);

/* Appends at most LIMIT_RAW_KEPT_BYTES of the payload as valid UTF-8, long strings cut, and the
 * values of members whose key sounds like a name, number, address, password or key as "*". */
bool payload_blank(const char *text, size_t size, struct buf *out);

/* Appends what the rules can read: UTF-8, without photos. NULL, or why it cannot be. */
const char *payload_take(const char *text, size_t size, struct buf *out);

/* FNV-1a, 64 bits: tells payloads of one device apart within seconds, no more. */
uint64_t payload_hash(const void *bytes, size_t size);

#endif
