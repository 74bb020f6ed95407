/* getrandom(2), or splitmix64 for tests; see rnd.h. */
#include "gateway/base/rnd.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

static void fill_system(struct rnd *rnd, void *bytes, size_t size)
{
    (void)rnd;
    unsigned char *at = bytes;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n <= 0)
            continue; /* EINTR only: the pool of a booted machine never fails */
        at += n;
        size -= (size_t)n;
    }
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void fill_seeded(struct rnd *rnd, void *bytes, size_t size)
{
    unsigned char *at = bytes;
    while (size > 0) {
        uint64_t word = splitmix64(&rnd->state);
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(at, &word, n);
        at += n;
        size -= n;
    }
}

struct rnd rnd_system(void)
{
    return (struct rnd){fill_system, 0};
}

struct rnd rnd_seeded(uint64_t seed)
{
    return (struct rnd){fill_seeded, seed};
}

void rnd_fill(struct rnd *rnd, void *bytes, size_t size)
{
    rnd->fill(rnd, bytes, size);
}

uint64_t rnd_u64(struct rnd *rnd)
{
    uint64_t word;
    rnd_fill(rnd, &word, sizeof word);
    return word;
}

uint64_t rnd_below(struct rnd *rnd, uint64_t bound)
{
    assert(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t word;
    do
        word = rnd_u64(rnd);
    while (word >= limit);
    return word % bound;
}
