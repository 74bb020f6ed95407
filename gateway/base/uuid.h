/* Ids: UUIDv7 (RFC 9562 5.7) with a node chosen once a boot instead of randomness in each id, so
 * that a batch of them compresses to few bytes: 48 bits of milliseconds, a counter of
 * 12 + 14 bits that keeps ids of one process in order even when the wall clock steps back, and a
 * node of 48 random bits. Unique across stations and processes by the node. */
#ifndef TOUYAN_BASE_UUID_H
#define TOUYAN_BASE_UUID_H

#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"

struct uuid_source {
    const struct clock *clock;
    uint64_t node;    /* 48 bits, random, of this start of the process */
    int64_t last_ms;  /* never goes back */
    uint32_t counter; /* 26 bits, within one millisecond */
};

void uuid_source_init(struct uuid_source *source, const struct clock *clock, struct rnd *rnd);

/* Writes 36 characters and a NUL. */
void uuid_next(struct uuid_source *source, char ret[LIMIT_ID_BYTES + 1]);

#endif
