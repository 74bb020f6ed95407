/* The driver of SQLite: a file in WAL with synchronous=FULL. An import may write at the same time
 * as the server: SQLite's lock orders them, a wait longer than LIMIT_STORE_BUSY_MS is ERR_BUSY. A
 * failed statement is reset at once. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "sync/county/db.h"
#include "sync/county/store.h"
#include "sync/replica/jrows.h"

struct sqlite_link {
    struct db_link link; /* first */
    sqlite3 *sqlite;
    int shared; /* the file of share(); -1: none */
};

struct sqlite_query {
    struct db_query query; /* first */
    sqlite3_stmt *statement;
    struct sqlite_link *link;
};

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_ERROR:
        return ERR_INVALID;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

static int fail(struct sqlite_link *link, const char *what, struct err *err)
{
    return err_set(err, code_of(sqlite3_errcode(link->sqlite)), "%s: %s", what,
                   sqlite3_errmsg(link->sqlite));
}

static sqlite3_stmt *statement_of(struct db_query *query)
{
    return ((struct sqlite_query *)query)->statement;
}

static int sqlite_script(struct db_link *base, const char *sql, struct err *err)
{
    struct sqlite_link *link = (struct sqlite_link *)base;
    if (sqlite3_exec(link->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail(link, "county store", err);
    return ERR_OK;
}

static struct db_query *sqlite_prepare(struct db_link *base, const char *sql, const char *types,
                                       struct err *err)
{
    (void)types;
    struct sqlite_link *link = (struct sqlite_link *)base;
    struct sqlite_query *query = calloc(1, sizeof *query);
    if (query == NULL)
        abort();
    *query = (struct sqlite_query){.query.driver = base->driver, .link = link};
    if (sqlite3_prepare_v3(link->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &query->statement,
                           NULL) == SQLITE_OK)
        return &query->query;
    fail(link, sql, err);
    free(query);
    return NULL;
}

static void sqlite_finalize_query(struct db_query *query)
{
    sqlite3_finalize(statement_of(query));
    free(query);
}

static void sqlite_start(struct db_query *query, const struct db_value *values, int count)
{
    sqlite3_stmt *statement = statement_of(query);
    sqlite3_clear_bindings(statement);
    for (int i = 0; i < count; i++) {
        const struct db_value *value = &values[i];
        if (value->type == 'i')
            sqlite3_bind_int64(statement, i + 1, value->number);
        else if (value->type != 'n')
            sqlite3_bind_text64(statement, i + 1, value->text, value->size,
                                value->type == 's' ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
    }
}

static int sqlite_step(struct db_query *query, struct err *err)
{
    sqlite3_stmt *statement = statement_of(query);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        fail(((struct sqlite_query *)query)->link, "county store", err);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

static void sqlite_reset(struct db_query *query)
{
    sqlite3_reset(statement_of(query));
}

static int64_t sqlite_changes(struct db_link *link)
{
    return sqlite3_changes(((struct sqlite_link *)link)->sqlite);
}

static int64_t sqlite_column_int(struct db_query *query, int column)
{
    return sqlite3_column_int64(statement_of(query), column);
}

static const char *sqlite_column_text(struct db_query *query, int column, size_t *ret_size)
{
    const char *text = (const char *)sqlite3_column_text(statement_of(query), column);
    *ret_size = (size_t)sqlite3_column_bytes(statement_of(query), column);
    return text;
}

/* --- SQL functions --- */

/* text_ok(x): NULL, or a text of valid UTF-8 without U+0000 and within the limit. */
static void text_ok(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    bool ok = sqlite3_value_type(values[0]) == SQLITE_NULL;
    if (sqlite3_value_type(values[0]) == SQLITE_TEXT) {
        const char *text = (const char *)sqlite3_value_text(values[0]);
        size_t size = (size_t)sqlite3_value_bytes(values[0]);
        ok = size <= LIMIT_CELL_BYTES && text_utf8_valid(text, size);
    }
    sqlite3_result_int(context, ok);
}

static int add_functions(struct sqlite_link *link, struct err *err)
{
    if (sqlite3_create_function_v2(link->sqlite, "text_ok", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                   NULL, text_ok, NULL, NULL, NULL) != SQLITE_OK ||
        jrows_register(link->sqlite) != SQLITE_OK)
        return fail(link, "functions", err);
    return ERR_OK;
}

/* --- the connection --- */

static void sqlite_close(struct db_link *base)
{
    struct sqlite_link *link = (struct sqlite_link *)base;
    sqlite3_close(link->sqlite);
    if (link->shared >= 0)
        close(link->shared);
    free(link);
}

static const struct db_driver DRIVER = {
    .engine = DB_SQLITE,
    .close = sqlite_close,
    .script = sqlite_script,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize_query,
    .start = sqlite_start,
    .step = sqlite_step,
    .reset = sqlite_reset,
    .changes = sqlite_changes,
    .column_int = sqlite_column_int,
    .column_text = sqlite_column_text,
};

/* All that have the database open share a lock, on a file of its own: closing a file gives up the
 * locks that SQLite has on it. True: it could be had alone. */
static bool share(struct sqlite_link *link, const char *path)
{
    char name[LIMIT_PATH_BYTES + 8];
    int size = snprintf(name, sizeof name, "%s.lock", path);
    if (size > 0 && (size_t)size < sizeof name)
        link->shared = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool alone = link->shared < 0 || flock(link->shared, LOCK_EX | LOCK_NB) == 0;
    if (link->shared >= 0)
        flock(link->shared, LOCK_SH);
    return alone;
}

int db_open_sqlite(const char *path, struct db_link **ret, struct err *err)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* counts nothing; only the first call does it */
    struct sqlite_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    link->link.driver = &DRIVER;
    link->shared = -1;
    link->link.alone = share(link, path);
    int rc =
        sqlite3_open_v2(path, &link->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int code = rc == SQLITE_OK ? ERR_OK : err_set(err, ERR_IO, "%s", sqlite3_errstr(rc));
    if (code == ERR_OK) {
        sqlite3_busy_timeout(link->sqlite, LIMIT_STORE_BUSY_MS);
        sqlite3_limit(link->sqlite, SQLITE_LIMIT_LENGTH, 4 * LIMIT_ANSWER_BYTES);
        code = add_functions(link, err);
    }
    if (code == ERR_OK)
        code = sqlite_script(&link->link,
                             "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                             "PRAGMA wal_autocheckpoint=4000;"
                             "PRAGMA cache_size=-16384", /* the last pages of 1,000 stations */
                             err);
    if (code == ERR_OK)
        *ret = &link->link;
    else
        sqlite_close(&link->link);
    return code != ERR_OK ? err_wrap(err, "county database %s", path) : ERR_OK;
}
