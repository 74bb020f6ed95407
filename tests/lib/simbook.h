/* The simulator's own book: what the network saw, one JSON line an event, written with one write()
 * a line, so that a reader that comes later (or a kill -9 of anybody else) finds whole lines. */
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
};

/* path NULL: no book. Appends to what is there. */
int simbook_open(struct simbook *book, const char *path, bool fsync_lines,
                 const struct clock *clock, struct err *err);
void simbook_close(struct simbook *book);

/* {"us": now, "wall": now, "event": event}; us < 0 means now. */
struct json *simbook_new(struct simbook *book, const char *event, int64_t us);

/* Writes the line and frees the object. */
void simbook_write(struct simbook *book, struct json *object);

#endif
