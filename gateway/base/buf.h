/* A growing byte buffer with a maximum (after curl's dynbuf). What does not fit marks the buffer as
 * failed and leaves it unchanged; later appends fail too, so one check at the end is enough.
 * The bytes are always followed by a NUL that size does not count. A zeroed struct is no buffer:
 * call buf_init; buf_free accepts a zeroed one. */
#ifndef TOUYAN_BASE_BUF_H
#define TOUYAN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/err.h"

struct buf {
    char *bytes; /* owned */
    size_t size;
    size_t capacity;
    size_t max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_free(struct buf *buf);

/* Empties without freeing and forgets a failure. */
void buf_clear(struct buf *buf);

/* Drops the first `count` bytes. */
void buf_drop(struct buf *buf, size_t count);

bool buf_add(struct buf *buf, const void *bytes, size_t size);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Room for `size` more bytes at the end, to be written by the caller and then buf_commit()ed.
 * NULL when it does not fit. */
char *buf_reserve(struct buf *buf, size_t size);
void buf_commit(struct buf *buf, size_t size);

/* The text so far; "" for an empty buffer. Owned by the buffer, valid until the next call. */
const char *buf_text(const struct buf *buf);

#endif
