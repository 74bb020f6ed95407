/* The one file that reads the time of the system; see clock.h. */
#include "gateway/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_thread_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t real_wall(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_REALTIME) / 1000;
}

static int64_t real_mono(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_MONOTONIC) / 1000;
}

static int64_t real_boot(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

int64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_ms(clock->ctx);
}

int64_t clock_boot_ms(const struct clock *clock)
{
    return clock->boot_ms(clock->ctx);
}

const struct clock *clock_real(void)
{
    static const struct clock real = {NULL, real_wall, real_mono, real_boot};
    return &real;
}

static int64_t fast_wall(void *ctx)
{
    return real_wall(NULL) + __atomic_load_n((int64_t *)ctx, __ATOMIC_ACQUIRE);
}

static int64_t fast_boot(void *ctx)
{
    return real_boot(NULL) + __atomic_load_n((int64_t *)ctx, __ATOMIC_ACQUIRE);
}

int clock_open_fast(const char *path, struct clock *ret_clock, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_IO, "fast clock %s: %s", path, strerror(errno));
    void *cell = MAP_FAILED;
    if (ftruncate(fd, sizeof(int64_t)) == 0)
        cell = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int saved = errno;
    close(fd);
    if (cell == MAP_FAILED)
        return err_set(err, ERR_IO, "fast clock %s: %s", path, strerror(saved));
    *ret_clock = (struct clock){cell, fast_wall, real_mono, fast_boot};
    return ERR_OK;
}

void clock_close_fast(struct clock *clock)
{
    if (clock->ctx != NULL)
        munmap(clock->ctx, sizeof(int64_t));
    *clock = (struct clock){0};
}

/* --- a clock that is plainly wrong --- */

enum { AGREES_MS = 5000 };
static const int64_t earliest_ms = INT64_C(1767225600000); /* 2026-01-01: no station ran before */
static const int64_t latest_ms = INT64_C(2713910400000);   /* 2056 */

bool clock_is_possible(int64_t wall_ms)
{
    return wall_ms >= earliest_ms && wall_ms < latest_ms;
}

static int64_t mended_wall(void *ctx)
{
    const struct clock_mended *mended = ctx;
    int64_t under_ms = clock_wall_ms(&mended->under);
    return clock_is_possible(under_ms) ? under_ms : under_ms + mended->off_ms;
}

static int64_t mended_mono(void *ctx)
{
    return clock_mono_ms(&((struct clock_mended *)ctx)->under);
}

static int64_t mended_boot(void *ctx)
{
    return clock_boot_ms(&((struct clock_mended *)ctx)->under);
}

struct clock clock_mend(struct clock_mended *mended, const struct clock *under)
{
    *mended = (struct clock_mended){.under = *under};
    return (struct clock){mended, mended_wall, mended_mono, mended_boot};
}

enum clock_source clock_source(const struct clock_mended *mended)
{
    if (clock_is_possible(clock_wall_ms(&mended->under)))
        return CLOCK_SYSTEM;
    return mended->off_ms != 0 ? CLOCK_TOLD : CLOCK_WRONG;
}

bool clock_tell(struct clock_mended *mended, int64_t utc_ms)
{
    int64_t under_ms = clock_wall_ms(&mended->under);
    int64_t off_ms = utc_ms - under_ms;
    int64_t change_ms = off_ms - mended->off_ms;
    if (clock_is_possible(under_ms) || !clock_is_possible(utc_ms) ||
        (change_ms < AGREES_MS && change_ms > -AGREES_MS))
        return false;
    mended->off_ms = off_ms;
    return true;
}

static int64_t manual_wall(void *ctx)
{
    return ((struct clock_cells *)ctx)->wall_ms;
}

static int64_t manual_mono(void *ctx)
{
    return ((struct clock_cells *)ctx)->mono_ms;
}

struct clock clock_manual(struct clock_cells *cells)
{
    return (struct clock){cells, manual_wall, manual_mono, manual_mono};
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}
