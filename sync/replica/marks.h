/* Change marks: triggers, made from tables.c, that note in sync_out which row and which column
 * group a local write touched and on which version of the county it stood.
 *
 * TABLE_BOTH: insert, update and delete mark; the deletion is a group of its own (bit 7). TABLE_UP:
 * insert marks; an update and a delete fail (events are append-only). TABLE_DOWN: nothing.
 * While sync_local() is 0 (replica_set_applying) nothing is marked and nothing fails.
 *
 * The triggers call sync_local() and now_ms(), which therefore must be registered as innocuous; a
 * program that has no such function cannot write these tables, on purpose: its changes would never
 * reach the county. Adding a column to a table marks no row. */
#ifndef TOUYAN_REPLICA_MARKS_H
#define TOUYAN_REPLICA_MARKS_H

#include <stdbool.h>

#include <sqlite3.h>

#include "gateway/base/err.h"

/* Brings the triggers to what this program's table list says; writes only when they differ. To be
 * called after migrating to the newest version, outside a transaction. row_bases: false; in
 * tests true takes the rule away that each group has a base of its own. ERR_IO with SQLite's text.
 */
int marks_arm(sqlite3 *db, bool row_bases, struct err *err);

#endif
