/* Small files that must be whole: keys, certificates. Blocking; for start-up, worker threads and
 * what happens a few times a year. */
#ifndef TOUYAN_BASE_FILE_H
#define TOUYAN_BASE_FILE_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

/* Appends the file to `out`, within its maximum. ERR_NOT_FOUND: there is none; ERR_LIMIT, ERR_IO.
 */
int file_read(const char *path, struct buf *out, struct err *err);

/* The same for a secret: ERR_DENIED when others than its owner and group can read it. */
int file_read_secret(const char *path, struct buf *out, struct err *err);

/* Puts the bytes in place of the file, which is the old or the new one whole, whatever happens:
 * written beside it, synced, renamed, the folder synced. mode: 0600 for secrets. */
int file_replace(const char *path, const void *bytes, size_t size, unsigned mode, struct err *err);

/* Removes it and syncs the folder; a file that is not there is removed already. */
int file_remove(const char *path, struct err *err);

#endif
