/* Injected randomness: real from the system, or a seeded sequence that a test can replay. */
#ifndef TOUYAN_BASE_RND_H
#define TOUYAN_BASE_RND_H

#include <stddef.h>
#include <stdint.h>

struct rnd {
    void (*fill)(struct rnd *rnd, void *bytes, size_t size);
    uint64_t state; /* of the seeded sequence (splitmix64); unused by the real one */
};

struct rnd rnd_system(void);
struct rnd rnd_seeded(uint64_t seed);

void rnd_fill(struct rnd *rnd, void *bytes, size_t size);
uint64_t rnd_u64(struct rnd *rnd);

/* 0 <= result < bound, without bias; bound must be > 0. */
uint64_t rnd_below(struct rnd *rnd, uint64_t bound);

#endif
