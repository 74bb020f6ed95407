/* A text in packets: "1/3 ...", cut between characters. Pure. */
#ifndef TOUYAN_MQTT_RADIO_SPLIT_H
#define TOUYAN_MQTT_RADIO_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* How many parts of at most max_bytes it takes, 1 when it fits as it is; 0: more than
 * LIMIT_RADIO_PARTS, or max_bytes leaves no room for a character. `text` is valid UTF-8. */
int split_count(const char *text, size_t max_bytes);

/* Part `index` from 0 of `count`; ret has room for max_bytes and a NUL. */
void split_part(const char *text, size_t max_bytes, int count, int index, char *ret);

#endif
