/* Bodies on the wire: one zstd frame (RFC 8878), bounded when it is opened. The only place that
 * knows libzstd. */
#ifndef TOUYAN_SYNC_ZIP_H
#define TOUYAN_SYNC_ZIP_H

#include <stddef.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum {
    ZIP_LEVEL_SLOW_LINK = 19, /* 57 ms for 1000 rows, and a quarter fewer bytes on a 2G link */
    ZIP_LEVEL_FAST = 1,       /* on rows of a push faster than 3, and smaller */
    ZIP_WINDOW_LOG_MAX = 23,  /* 8 MiB: a frame that asks for more memory is refused */
};

/* Appends the frame to `out`. ERR_LIMIT: it does not fit the buffer. */
int zip_pack(const void *bytes, size_t size, int level, struct buf *out, struct err *err);

/* Appends the content to `out`, whose maximum is the limit. ERR_LIMIT: more than that (said before
 * memory is spent when the frame states its size); ERR_INVALID: no whole zstd frame. */
int zip_open(const void *bytes, size_t size, struct buf *out, struct err *err);

#endif
