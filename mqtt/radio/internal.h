/* What radio.c (nodes, what is heard) and out.c (what is said) share. */
#ifndef TOUYAN_MQTT_RADIO_INTERNAL_H
#define TOUYAN_MQTT_RADIO_INTERNAL_H

#include "mqtt/radio/radio.h"

enum { RADIO_ID_BYTES = 6 + 32 + 1 + RADIO_NODE_BYTES + 1 + LIMIT_DEDUPE_BYTES };

struct radio {
    struct replica *replica;
    const struct clock *clock;
    struct rnd *rnd;
    struct radio_link link;
    struct radio_ports ports;
    int air_percent;
    int64_t due_ms;  /* wall: not before; INT64_MAX: nothing waits */
    int64_t seen_ms; /* wall, of the last pump */
    bool watching_turn;
};

/* out.c: the packet of ours with this number is with `node`, or is known not to be. */
void out_on_delivered(struct radio *radio, const char *product, const char *node,
                      const char *number, bool ok);

#endif
