/* A usleep() of our own, found by libgammu before libc's (ELF symbol interposition). libgammu waits
 * 100 ms before and 500 ms after a PDU and 400 ms after each command of its greeting, for the sake
 * of phones of twenty years ago. With --fast-sleeps, sleeps of 100 ms and more take a fiftieth: for
 * tests and demonstrations, whose modem is known to keep up. */
#include "sms/worker/naps.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { LONG_NAP_US = 100000, FASTER = 50, SECOND_US = 1000000 };

static atomic_bool fast;

void naps_set_fast(bool on)
{
    atomic_store(&fast, on);
}

__attribute__((visibility("default"))) int usleep(useconds_t us)
{
    if (atomic_load(&fast) && us >= LONG_NAP_US)
        us /= FASTER;
    struct timespec left = {(time_t)(us / SECOND_US), (long)(us % SECOND_US) * 1000};
    return nanosleep(&left, NULL);
}
