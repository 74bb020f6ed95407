/* The two clocks, injected everywhere: nobody else reads the time.
 * wall: milliseconds since 1970 UTC; it can jump; it decides duty times and not-after times and is
 * a label everywhere else. mono: milliseconds that only grow; it decides I/O deadlines and backoff.
 * boot: milliseconds since the machine started, also those it slept; no correction of the wall
 * clock moves it, so it says how long ago something of this boot was. */
#ifndef TOUYAN_BASE_CLOCK_H
#define TOUYAN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"

struct clock {
    void *ctx;
    int64_t (*wall_ms)(void *ctx);
    int64_t (*mono_ms)(void *ctx);
    int64_t (*boot_ms)(void *ctx);
};

int64_t clock_wall_ms(const struct clock *clock);
int64_t clock_mono_ms(const struct clock *clock);
int64_t clock_boot_ms(const struct clock *clock);

/* Microseconds of CLOCK_MONOTONIC, for measuring (slices of 10 ms, benchmarks). */
int64_t clock_mono_us(void);
/* Microseconds of the processor that this thread has used: what work costs, whoever else runs. */
int64_t clock_thread_us(void);

/* The real clocks; the struct is static and needs no cleaning up. */
const struct clock *clock_real(void);

/* Fast time for demo and tests: the wall clock is the real one plus an offset of int64_t
 * milliseconds that another process keeps in `path` (8 bytes, mapped, read atomically). The time
 * since the start of the machine goes with it. */
int clock_open_fast(const char *path, struct clock *ret_clock, struct err *err);
void clock_close_fast(struct clock *clock);

/* A machine whose clock has no battery wakes up in 1970. */
bool clock_is_possible(
    int64_t wall_ms); /* neither before this program was written nor long after */

enum clock_source {
    CLOCK_SYSTEM, /* the clock underneath can be right */
    CLOCK_TOLD,   /* it cannot: the time is what clock_tell() said, and runs on from there */
    CLOCK_WRONG,  /* it cannot, and nobody has told the time */
};

/* A clock over another one: while that one's wall clock is impossible, it goes by what it was told.
 * When the one underneath is set right, it counts again. */
struct clock_mended {
    struct clock under;
    int64_t off_ms; /* what was told less what the clock underneath said; 0: never told */
};
struct clock clock_mend(struct clock_mended *mended, const struct clock *under); /* outlives it */
enum clock_source clock_source(const struct clock_mended *mended);
/* The time by somebody who should know. True: it is taken, the wall clock has jumped. False: the
 * clock is possible as it is, already goes by this within a few seconds, or the news is no time. */
bool clock_tell(struct clock_mended *mended, int64_t utc_ms);

/* A clock that a test sets by hand; boot is mono. The cells must outlive the clock. */
struct clock_cells {
    int64_t wall_ms;
    int64_t mono_ms;
};
struct clock clock_manual(struct clock_cells *cells);

/* Sleeps in places that have no loop (worker threads, tests). */
void clock_sleep_ms(int64_t ms);

#endif
