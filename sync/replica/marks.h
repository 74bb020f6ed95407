/* Change marks: triggers, made from tables.c, that note in sync_out which row and which column
 * group a local write touched and on which version of the county it stood.
 *
 * TABLE_BOTH: insert and update mark. TABLE_UP: insert marks, and an update fails (events are
 * append-only). A local DELETE fails in both: a row that is over gets a state. TABLE_DOWN: nothing.
 * While sync_local() is 0 (replica_set_applying) nothing is marked and nothing fails.
 *
 * The triggers call sync_local() and now_ms(), which therefore must be registered as innocuous; a
 * program that has no such function cannot write these tables, on purpose: its changes would never
 * reach the county. Adding a column to a table marks no row. */
#ifndef TOUYAN_REPLICA_MARKS_H
#define TOUYAN_REPLICA_MARKS_H

#include <sqlite3.h>

#include "gateway/base/err.h"

/* Brings the triggers to what this program's table list says; writes only when they differ. To be
 * called after migrating to the newest version, outside a transaction. ERR_IO with SQLite's text.
 */
int marks_arm(sqlite3 *db, struct err *err);

#endif
