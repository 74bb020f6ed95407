/* What was revoked, and what was good once and is used up, in a file beside the database: a
 * database that comes back from a backup must not open again to a stolen station or to who found a
 * used code. A line each,
 *   <UTC ms> station <name>
 *   <UTC ms> certificate <hex of its SHA-256> <serial> <name>
 *   <UTC ms> code <hash> <name>                     of the station that it was for
 *   <UTC ms> serial <serial number in hex> <name>
 * and lines are never taken out. */
#ifndef TOUYAN_COUNTY_REVOKED_H
#define TOUYAN_COUNTY_REVOKED_H

#include "sync/county/store.h"

enum { LIMIT_REVOKED_FILE_BYTES = 8 << 20 };

/* Revokes again what the file names and the database does not know, and adds to the file what it
 * lacks; any thread. At each start of a server and after each revocation. ERR_IO, ERR_LIMIT: of the
 * file. */
int revoked_keep(const char *path, struct store *store, struct err *err);

/* Only adds to the file what it lacks: after something was used up. */
int revoked_add(const char *path, struct store *store, struct err *err);

#endif
