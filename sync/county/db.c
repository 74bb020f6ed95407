/* Statements of one connection. They are prepared once and found again by the address of their
 * text; the driver is asked for the rest. */
#include "sync/county/db.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "sync/county/store_parts.h"

/* ${this|that}: see db.h. */
static void expand(struct db *db, const char *sql, struct buf *out)
{
    bool second = db->link->driver->engine != DB_SQLITE;
    for (const char *mark; (mark = strstr(sql, "${")) != NULL;) {
        buf_add(out, sql, (size_t)(mark - sql));
        const char *bar = strchr(mark, '|'), *end = bar;
        assert(bar != NULL);
        for (int depth = 1; depth > 0;) {
            end++;
            assert(*end != '\0');
            depth += (*end == '{') - (*end == '}');
        }
        if (second)
            buf_add(out, bar + 1, (size_t)(end - bar - 1));
        else
            buf_add(out, mark + 2, (size_t)(bar - mark - 2));
        sql = end + 1;
    }
    buf_add_text(out, sql);
}

static struct db_query *prepare_text(struct db *db, const char *sql, const char *types,
                                     struct err *err)
{
    struct buf text;
    buf_init(&text, 2 * DB_SQL_BYTES);
    expand(db, sql, &text);
    assert(!text.failed);
    struct db_query *query = db->link->driver->prepare(db->link, buf_text(&text), types, err);
    buf_free(&text);
    return query;
}

static struct db_query *prepare(struct db *db, const char *sql, const char *types, struct err *err)
{
    size_t at = ((uintptr_t)sql >> 3) * 0x9e3779b1U % DB_STATEMENTS_MAX;
    for (size_t tries = 0; tries < DB_STATEMENTS_MAX; tries++) {
        if (db->statements[at].sql == sql)
            return db->statements[at].query;
        if (db->statements[at].sql == NULL)
            break;
        at = (at + 1) % DB_STATEMENTS_MAX;
    }
    assert(db->statements[at].sql == NULL);
    struct db_query *query = prepare_text(db, sql, types, err);
    if (query == NULL)
        return NULL;
    db->statements[at].sql = sql;
    db->statements[at].query = query;
    return query;
}

static int read_values(struct db_value *values, const char *types, va_list args)
{
    int count = 0;
    for (const char *t = types; *t != '\0'; t++) {
        assert(count < DB_PARAMS_MAX);
        struct db_value *value = &values[count++];
        *value = (struct db_value){.type = *t};
        if (*t == 'i') {
            value->number = va_arg(args, int64_t);
        } else if (*t == 's' || *t == 't' || *t == 'j') {
            value->text = va_arg(args, const char *);
            if (value->text == NULL)
                value->type = 'n';
            else
                value->size = *t == 's' ? strlen(value->text) : 0;
            if (*t != 's')
                value->size = va_arg(args, size_t);
        }
    }
    return count;
}

static void forget_statements(struct db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS_MAX; i++)
        if (db->statements[i].query != NULL)
            db->link->driver->finalize(db->statements[i].query);
    memset(db->statements, 0, sizeof db->statements);
}

/* Once for each statement outside of a transaction, and for its BEGIN. */
static int make_ready(struct db *db, struct err *err)
{
    const struct db_driver *driver = db->link->driver;
    if (driver->connect == NULL)
        return ERR_OK;
    if (!db->in_transaction && !db->reviving)
        driver->look(db->link);
    if (!db->link->lost)
        return ERR_OK;
    if (db->in_transaction || db->reviving)
        return err_set(err, ERR_BUSY, "the database is away");
    forget_statements(db);
    db->reviving = true;
    int code = driver->connect(db->link, err);
    if (code == ERR_OK)
        code = store_connected(db, false, err);
    db->reviving = false;
    db->link->lost = db->link->lost || code != ERR_OK;
    return code;
}

static struct db_query *query_v(struct db *db, struct err *err, const char *sql, const char *types,
                                va_list args)
{
    struct db_value values[DB_PARAMS_MAX];
    int count = read_values(values, types, args);
    if (make_ready(db, err) != ERR_OK)
        return NULL;
    struct db_query *query = prepare(db, sql, types, err);
    if (query != NULL)
        query->driver->start(query, values, count);
    return query;
}

struct db_query *db_query(struct db *db, struct err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    struct db_query *query = query_v(db, err, sql, types, args);
    va_end(args);
    return query;
}

int db_step(struct db_query *query, struct err *err)
{
    return query->driver->step(query, err);
}

void db_reset(struct db_query *query)
{
    query->driver->reset(query);
}

static int run_v(struct db *db, struct err *err, const char *sql, const char *types, va_list args)
{
    struct err mine = {0};
    struct db_query *query = query_v(db, &mine, sql, types, args);
    int rc = -1;
    if (query != NULL)
        do
            rc = db_step(query, &mine);
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

int db_put(struct db *db, struct err *err, const char *sql, const struct db_value *values,
           int count)
{
    struct db_query *query = prepare(db, sql, "", err);
    if (query == NULL)
        return err != NULL ? err->code : ERR_IO;
    query->driver->start(query, values, count);
    return db_step(query, err) < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

int db_int(struct db *db, int64_t *ret, struct err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    struct db_query *query = query_v(db, err, sql, types, args);
    va_end(args);
    int rc = query != NULL ? db_step(query, err) : -1;
    if (rc > 0) {
        *ret = db_column_int(query, 0);
        db_reset(query);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

int db_text(struct db *db, struct buf *ret, struct err *err, const char *sql, const char *types,
            ...)
{
    va_list args;
    va_start(args, types);
    struct db_query *query = query_v(db, err, sql, types, args);
    va_end(args);
    int rc = query != NULL ? db_step(query, err) : -1;
    if (rc > 0) {
        if (!db_column_null(query, 0))
            buf_add(ret, db_column_text(query, 0), db_column_size(query, 0));
        db_reset(query);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

int db_script(struct db *db, const char *sql, struct err *err)
{
    struct buf text;
    buf_init(&text, 2 * DB_SQL_BYTES);
    expand(db, sql, &text);
    assert(!text.failed);
    int code = db->link->driver->script(db->link, buf_text(&text), err);
    buf_free(&text);
    return code;
}

int db_begin(struct db *db, bool snapshot, struct err *err)
{
    int code = db_run(db, err,
                      snapshot ? "BEGIN${ IMMEDIATE| ISOLATION LEVEL REPEATABLE READ}"
                               : "BEGIN${ IMMEDIATE|}",
                      "");
    db->in_transaction = code == ERR_OK;
    return code;
}

/* PostgreSQL empties in_<tid> at the end of a transaction. */
static void end_transaction(struct db *db)
{
    db->in_transaction = false;
    db->parts = NULL;
    for (int i = 0; db->link->driver->engine != DB_SQLITE && i < db->table_count; i++)
        db->tables[i].staged = false;
}

int db_commit(struct db *db, struct err *err)
{
    int code = db_run(db, err, "COMMIT", "");
    if (code == ERR_OK)
        end_transaction(db);
    return code;
}

void db_rollback(struct db *db)
{
    if (db->in_transaction && !db->link->lost)
        db_run(db, NULL, "ROLLBACK", "");
    end_transaction(db);
    db->scratch = true; /* perhaps: what lay there before is back */
    for (int i = 0; i < db->table_count; i++)
        db->tables[i].made = false; /* perhaps: it may have been made in this transaction */
}

int db_end(struct db *db, int code, struct err *err)
{
    if (code == ERR_OK)
        code = db_commit(db, err);
    if (code != ERR_OK)
        db_rollback(db);
    return code;
}

int db_audit(struct db *db, const char *what, const char *detail, struct err *err)
{
    return db_run(db, err, "INSERT INTO audit(at,what,detail) VALUES(?1,?2,?3)", "iss",
                  db_now_ms(db), what, detail);
}

int64_t db_changes(struct db *db)
{
    return db->link->driver->changes(db->link);
}

int64_t db_column_int(struct db_query *query, int column)
{
    return query->driver->column_int(query, column);
}

const char *db_column_text(struct db_query *query, int column)
{
    size_t size;
    /* cppcheck-suppress returnDanglingLifetime ; the text is the engine's */
    return query->driver->column_text(query, column, &size);
}

size_t db_column_size(struct db_query *query, int column)
{
    size_t size = 0;
    query->driver->column_text(query, column, &size);
    return size;
}

bool db_column_null(struct db_query *query, int column)
{
    return db_column_text(query, column) == NULL;
}

void db_close(struct db *db)
{
    if (db->link == NULL)
        return;
    forget_statements(db);
    buf_free(&db->copy);
    db->link->driver->close(db->link);
    db->link = NULL;
}
