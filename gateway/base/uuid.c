/* UUIDv7 with a per-start node; see uuid.h. */
#include "gateway/base/uuid.h"

#include <inttypes.h>
#include <stdio.h>

enum { COUNTER_BITS = 26 };

void uuid_source_init(struct uuid_source *source, const struct clock *clock, struct rnd *rnd)
{
    *source = (struct uuid_source){.clock = clock, .node = rnd_u64(rnd) & 0xffffffffffffU};
}

static void advance(struct uuid_source *source)
{
    int64_t now = clock_wall_ms(source->clock);
    if (now > source->last_ms) {
        source->last_ms = now;
        source->counter = 0;
    } else if (++source->counter >> COUNTER_BITS != 0) {
        source->last_ms++;
        source->counter = 0;
    }
}

void uuid_next(struct uuid_source *source, char ret[LIMIT_ID_BYTES + 1])
{
    advance(source);
    uint64_t ms = (uint64_t)source->last_ms & 0xffffffffffffU;
    unsigned high = source->counter >> 14;    /* 12 bits beside the version */
    unsigned low = source->counter & 0x3fffU; /* 14 bits beside the variant */
    snprintf(ret, LIMIT_ID_BYTES + 1, "%08" PRIx64 "-%04" PRIx64 "-7%03x-%04x-%012" PRIx64,
             ms >> 16, ms & 0xffffU, high & 0xfffU, 0x8000U | low, source->node & 0xffffffffffffU);
}
