/* Statements and functions of one connection.
 *
 * Statements are prepared once and found again by the address of their text. A failed statement is
 * reset at once and its reason put into the err: ERR_BUSY for a lock that another writer held for
 * too long, ERR_INVALID for what the data caused (constraint, type, size), ERR_IO for the rest, so
 * that a caller can tell a poisonous row from a full disk. */
#include "sync/county/store_sqlite.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/replica/seal.h"

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

int db_fail(struct db *db, struct err *err, const char *what)
{
    return err_set(err, code_of(sqlite3_errcode(db->sqlite)), "%s: %s", what,
                   sqlite3_errmsg(db->sqlite));
}

static sqlite3_stmt *prepare(struct db *db, const char *sql)
{
    size_t at = ((uintptr_t)sql >> 3) * 0x9e3779b1U % DB_STATEMENTS_MAX;
    for (size_t tries = 0; tries < DB_STATEMENTS_MAX; tries++) {
        if (db->statements[at].sql == sql)
            return db->statements[at].statement;
        if (db->statements[at].sql == NULL)
            break;
        at = (at + 1) % DB_STATEMENTS_MAX;
    }
    assert(db->statements[at].sql == NULL);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK)
        return NULL;
    db->statements[at].sql = sql;
    db->statements[at].statement = statement;
    return statement;
}

static void bind(sqlite3_stmt *statement, const char *types, va_list args)
{
    int index = 1;
    for (const char *t = types; *t != '\0'; t++, index++) {
        if (*t == 'i') {
            sqlite3_bind_int64(statement, index, va_arg(args, int64_t));
        } else if (*t == 's') {
            sqlite3_bind_text(statement, index, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
        } else if (*t == 't') {
            const char *text = va_arg(args, const char *);
            sqlite3_bind_text64(statement, index, text, va_arg(args, size_t), SQLITE_STATIC,
                                SQLITE_UTF8);
        }
    }
}

static sqlite3_stmt *query_v(struct db *db, struct err *err, const char *sql, const char *types,
                             va_list args)
{
    sqlite3_stmt *statement = prepare(db, sql);
    if (statement == NULL) {
        db_fail(db, err, sql);
        return NULL;
    }
    sqlite3_clear_bindings(statement);
    bind(statement, types, args);
    return statement;
}

sqlite3_stmt *db_query(struct db *db, struct err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query_v(db, err, sql, types, args);
    va_end(args);
    return statement;
}

int db_step(struct db *db, sqlite3_stmt *statement, struct err *err)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement);
        return 0;
    }
    db_fail(db, err, "county store");
    sqlite3_reset(statement);
    return -1;
}

static int run_v(struct db *db, struct err *err, const char *sql, const char *types, va_list args)
{
    struct err mine = {0};
    sqlite3_stmt *statement = query_v(db, &mine, sql, types, args);
    int rc = -1;
    if (statement != NULL)
        do
            rc = db_step(db, statement, &mine);
        while (rc > 0);
    if (rc == 0)
        return ERR_OK;
    return err_set(err, mine.code, "%s", mine.text);
}

int db_run(struct db *db, struct err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    int code = run_v(db, err, sql, types, args);
    va_end(args);
    return code;
}

int db_int(struct db *db, int64_t *ret, struct err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query_v(db, err, sql, types, args);
    va_end(args);
    int rc = statement != NULL ? db_step(db, statement, err) : -1;
    if (rc > 0) {
        *ret = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

int db_text(struct db *db, struct buf *ret, struct err *err, const char *sql, const char *types,
            ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query_v(db, err, sql, types, args);
    va_end(args);
    int rc = statement != NULL ? db_step(db, statement, err) : -1;
    if (rc > 0) {
        const void *text = sqlite3_column_text(statement, 0);
        if (text != NULL)
            buf_add(ret, text, (size_t)sqlite3_column_bytes(statement, 0));
        sqlite3_reset(statement);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

void db_finalize(struct db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++)
        sqlite3_finalize(db->statements[i].statement);
    memset(db->statements, 0, sizeof db->statements);
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

/* has_nul_escape(json): SQLite ends a text at \\u0000 without a word, so it is looked for in the
 * source. */
static void has_nul_escape(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *at = (const char *)sqlite3_value_text(values[0]);
    bool found = false;
    while (at != NULL && !found && (at = strchr(at, '\\')) != NULL) {
        found = strncmp(at, "\\u0000", 6) == 0;
        at += at[1] != '\0' ? 2 : 1;
    }
    sqlite3_result_int(context, found);
}

static void seal_phone(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const struct db *db = sqlite3_user_data(context);
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (text == NULL)
        return;
    size_t size = (size_t)sqlite3_value_bytes(values[0]);
    char sealed[LIMIT_SEALED_PHONE_BYTES];
    if (seal_size(size) > sizeof sealed) {
        sqlite3_result_error(context, "the phone number is too long", -1);
        return;
    }
    seal_text(db->seal, text, size, true, sealed);
    sqlite3_result_text(context, sealed, -1, SQLITE_TRANSIENT);
}

static void phone_clear(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const struct db *db = sqlite3_user_data(context);
    const char *sealed = (const char *)sqlite3_value_text(values[0]);
    char clear[LIMIT_SEALED_PHONE_BYTES];
    if (sealed != NULL && seal_open_text(db->seal, sealed, clear, sizeof clear))
        sqlite3_result_text(context, clear, -1, SQLITE_TRANSIENT);
}

int db_functions(struct db *db, struct err *err)
{
    static const struct {
        const char *name;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } FUNCTIONS[] = {{"has_nul_escape", has_nul_escape},

                     {"text_ok", text_ok},
                     {"seal_phone", seal_phone},
                     {"phone_clear", phone_clear}};
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        if (sqlite3_create_function_v2(db->sqlite, FUNCTIONS[i].name, 1,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC, db,
                                       FUNCTIONS[i].function, NULL, NULL, NULL) != SQLITE_OK)
            return db_fail(db, err, FUNCTIONS[i].name);
    return ERR_OK;
}
