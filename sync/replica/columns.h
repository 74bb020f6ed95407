/* Columns and tables that a newer program has brought to a file with rows of the county. */
#ifndef TOUYAN_REPLICA_COLUMNS_H
#define TOUYAN_REPLICA_COLUMNS_H

#include <sqlite3.h>

#include "gateway/base/err.h"

/* Compares the table list with the columns that the file was told of. A new one in a table with
 * rows of the county: those rows lack it (sync_lacks), and the table is to be compared
 * (sync_refill), as is a new table. Writes only when there is a difference, in one transaction; to
 * be called after migrating to the newest version. unknown: NULL; in tests ",a,b," are columns that
 * this program knows nothing of. ERR_IO with SQLite's text. */
int columns_note(sqlite3 *db, const char *unknown, struct err *err);

#endif
