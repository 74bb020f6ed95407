/* What an upgrade of the program adds to the replicated tables; see columns.h.
 *
 * The file keeps the names of the columns it was told of. The first time all are noted and nothing
 * lacks. Later a name that is not there came with a newer program: the rows that were there
 * before have NULL in it, whatever the county has, and whoever made them here knew nothing of it.
 */
#include "sync/replica/columns.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "sync/replica/tables.h"

enum { SQL_BYTES = 512, LIST_BYTES = 16384 };

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t answer = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        answer = (int64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return answer;
}

static bool is_unknown(const char *unknown, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, ",%s,", name);
    return unknown != NULL && strstr(unknown, wanted) != NULL;
}

/* Whether the file was told of all that this program knows. */
static bool all_noted(sqlite3 *db, const char *unknown)
{
    struct buf sql;
    int64_t count = 0;
    buf_init(&sql, LIST_BYTES);
    buf_add_text(&sql, "SELECT count(*) FROM sync_column WHERE tid || '.' || name IN (''");
    for (const struct table *table = tables; table->name != NULL; table++)
        for (const struct table_column *c = table->columns; c->name != NULL; c++) {
            if (is_unknown(unknown, c->name))
                continue;
            buf_printf(&sql, ", '%d.%s'", table->tid, c->name);
            count++;
        }
    buf_add_text(&sql, ")");
    bool all = !sql.failed && ask(db, buf_text(&sql)) == count;
    buf_free(&sql);
    return all;
}

/* The column was not there when the table was. */
static bool note_column(sqlite3 *db, const struct table *table, const char *name, bool lacking)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql,
             "INSERT INTO sync_column(tid, name, lacking) VALUES (%d, '%s', %d) "
             "ON CONFLICT DO NOTHING",
             table->tid, name, lacking);
    return run(db, sql);
}

static bool note_refill(sqlite3 *db, const struct table *table)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "INSERT INTO sync_refill(tid) VALUES (%d) ON CONFLICT DO NOTHING",
             table->tid);
    return run(db, sql);
}

static bool note_lacks(sqlite3 *db, const struct table *table)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql,
             "INSERT INTO sync_lacks(tid, pk) SELECT %d, id FROM %s WHERE true "
             "ON CONFLICT DO NOTHING",
             table->tid, table->name);
    return run(db, sql);
}

static bool note_table(sqlite3 *db, const struct table *table, const char *unknown, bool first)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_column WHERE tid = %d", table->tid);
    bool is_new = ask(db, sql) == 0;
    bool ok = true;
    int before = sqlite3_total_changes(db);
    for (const struct table_column *c = table->columns; ok && c->name != NULL; c++)
        if (!is_unknown(unknown, c->name))
            ok = note_column(db, table, c->name, !is_new);
    if (!ok || first || sqlite3_total_changes(db) == before)
        return ok;
    return note_refill(db, table) && (is_new || note_lacks(db, table));
}

static bool note_all(sqlite3 *db, const char *unknown)
{
    bool first = ask(db, "SELECT count(*) FROM sync_column") == 0;
    bool ok = run(db, "BEGIN IMMEDIATE");
    for (const struct table *table = tables; ok && table->name != NULL; table++)
        ok = note_table(db, table, unknown, first);
    return ok && run(db, "COMMIT");
}

int columns_note(sqlite3 *db, const char *unknown, struct err *err)
{
    if (all_noted(db, unknown) || note_all(db, unknown))
        return ERR_OK;
    int code = err_set(err, ERR_IO, "columns: %s", sqlite3_errmsg(db));
    if (sqlite3_get_autocommit(db) == 0)
        run(db, "ROLLBACK");
    return code;
}
