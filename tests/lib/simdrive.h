/* For test programs: a simulated modem in a child process, with its files in a folder of its own,
 * its control socket and its book. */
#ifndef TOUYAN_TESTS_SIMDRIVE_H
#define TOUYAN_TESTS_SIMDRIVE_H

#include <sys/types.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "tests/lib/simmodem.h"

struct simdrive {
    pid_t pid;
    int fd; /* control */
    struct buf in;
    char folder[64];
    char link[128], control[128], log[128];
};

/* Options' link, control and log are set here, the rest is taken over; options may be NULL. Call it
 * before any thread is started: the child goes on in a fork. */
int simdrive_start(struct simdrive *drive, const struct simmodem_options *options,
                   const struct clock *clock, struct err *err);

/* Ends the child and removes its files. Accepts a zeroed struct. */
void simdrive_stop(struct simdrive *drive);

/* Sends one order (JSON) and returns the answer (owned by the caller), NULL when there is none. */
struct json *simdrive_order(struct simdrive *drive, const char *order);

/* A counter of {"cmd":"stats"}; -1 when it cannot be had. */
int64_t simdrive_stat(struct simdrive *drive, const char *name);

/* Waits until a counter has at least this value; false after timeout_ms. */
bool simdrive_await(struct simdrive *drive, const char *name, int64_t value, int64_t timeout_ms);

/* Line number `index` (from 0) among the book's lines of this event; NULL when there are fewer.
 * Owned by the caller. */
struct json *simdrive_event(const struct simdrive *drive, const char *event, int index);

#endif
