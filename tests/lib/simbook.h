/* The simulator's own book: what the network saw, one JSON line an event, written with one write()
 * a line, so that a reader that comes later (or a kill -9 of anybody) finds whole lines. It is also
 * what SIM and network are made of again when the program was killed (simlife.h): an event counts
 * from the moment that its line is written, and nothing of it is heard outside before. */
#ifndef TOUYAN_TESTS_SIMBOOK_H
#define TOUYAN_TESTS_SIMBOOK_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"

struct simbook {
    const struct clock *clock;
    int fd; /* -1: no book is kept */
    bool fsync;
    struct buf line;
    /* while it is read again: nothing is written, times are those of the line */
    bool replayed;
    int64_t replay_us, replay_wall_ms;
};

/* path NULL: no book. Appends to what is there. */
int simbook_open(struct simbook *book, const char *path, bool fsync_lines,
                 const struct clock *clock, struct err *err);
void simbook_close(struct simbook *book);

int64_t simbook_us(const struct simbook *book); /* CLOCK_MONOTONIC */
int64_t simbook_wall_ms(const struct simbook *book);

/* {"us": now, "wall": now, "event": event}; us < 0 means now. */
struct json *simbook_new(struct simbook *book, const char *event, int64_t us);

/* Writes the line and frees the object. The line stays in book->line until the next one. */
void simbook_write(struct simbook *book, struct json *object);

#endif
