/* Statements, prepared once and found again by the address of their SQL literal.
 * A statement that fails dooms the innermost handler: replica_leave() will take its writes back. */
#include "sync/replica/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

static struct query *slot_for(struct replica *replica, const char *sql)
{
    size_t at = (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 54);
    for (size_t probe = 0; probe < QUERY_SLOTS; probe++) {
        struct query *query = &replica->queries[(at + probe) & (QUERY_SLOTS - 1)];
        if (query->sql == sql || query->sql == NULL)
            return query;
    }
    abort(); /* QUERY_SLOTS is too small for the program: a bug of ours */
}

static void prepare(struct replica *replica, struct query *query)
{
    int rc = sqlite3_prepare_v3(replica->db, query->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                &query->stmt, NULL);
    if (rc == SQLITE_OK)
        return;
    if (rc == SQLITE_ERROR) {
        fprintf(stderr, "replica: %s in: %s\n", sqlite3_errmsg(replica->db), query->sql);
        abort();
    }
    query->stmt = NULL; /* I/O or memory: the first query_row says so */
}

struct query *replica_query(struct replica *replica, const char *sql)
{
    struct query *query = slot_for(replica, sql);
    assert(!query->used);
    query->sql = sql;
    query->replica = replica;
    query->used = true;
    if (query->stmt == NULL)
        prepare(replica, query);
    return query;
}

void replica_note_problem(struct replica *replica, const char *sql)
{
    snprintf(replica->problem, sizeof replica->problem, "%s in: %.300s",
             sqlite3_errmsg(replica->db), sql);
    if (replica->depth > 0)
        replica->doomed[replica->depth - 1] = true;
    log_error("replica.failed", "%s", replica->problem);
}

void query_int(struct query *query, int index, int64_t value)
{
    sqlite3_bind_int64(query->stmt, index, value);
}

void query_text(struct query *query, int index, const char *text)
{
    sqlite3_bind_text(query->stmt, index, text, -1, SQLITE_TRANSIENT);
}

void query_blob(struct query *query, int index, const void *bytes, size_t size)
{
    sqlite3_bind_blob64(query->stmt, index, bytes, size, SQLITE_TRANSIENT);
}

void query_null(struct query *query, int index)
{
    sqlite3_bind_null(query->stmt, index);
}

bool query_row(struct query *query)
{
    int rc = query->stmt != NULL ? sqlite3_step(query->stmt) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        replica_note_problem(query->replica, query->sql);
    return false;
}

int64_t query_get_int(struct query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

const char *query_get_text(struct query *query, int column)
{
    return (const char *)sqlite3_column_text(query->stmt, column);
}

const void *query_get_blob(struct query *query, int column, size_t *ret_size)
{
    const void *bytes = sqlite3_column_blob(query->stmt, column);
    *ret_size = (size_t)sqlite3_column_bytes(query->stmt, column);
    return bytes;
}

bool query_is_null(struct query *query, int column)
{
    return sqlite3_column_type(query->stmt, column) == SQLITE_NULL;
}

struct json *query_get_json(struct query *query)
{
    struct json *json = json_new_object();
    for (int i = 0; i < sqlite3_column_count(query->stmt); i++) {
        const char *name = sqlite3_column_name(query->stmt, i);
        if (sqlite3_column_type(query->stmt, i) == SQLITE_INTEGER)
            json_set_int(json, name, query_get_int(query, i));
        else
            json_set_text(json, name, query_get_text(query, i));
    }
    return json;
}

struct json *query_list(struct query *query)
{
    struct json *list = json_new_array();
    while (query_row(query))
        json_add(list, query_get_json(query));
    query_done(query);
    return list;
}

void query_done(struct query *query)
{
    query->used = false;
    if (query->stmt == NULL)
        return;
    sqlite3_reset(query->stmt);
    sqlite3_clear_bindings(query->stmt);
}

void replica_forget_queries(struct replica *replica)
{
    for (size_t i = 0; i < QUERY_SLOTS; i++) {
        sqlite3_finalize(replica->queries[i].stmt);
        replica->queries[i].stmt = NULL;
    }
}

static void bind_all(struct query *query, const char *types, va_list args)
{
    for (int i = 1; *types != '\0'; types++, i++) {
        switch (*types) {
        case 'i':
            query_int(query, i, va_arg(args, int64_t));
            break;
        case 's':
            query_text(query, i, va_arg(args, const char *));
            break;
        case 'b': {
            const void *bytes = va_arg(args, const void *);
            query_blob(query, i, bytes, va_arg(args, size_t));
            break;
        }
        default:
            assert(*types == 'n');
            query_null(query, i);
        }
    }
}

/* Rows changed by this statement itself (not by its triggers), or -1. */
static int64_t run_to_end(struct query *query)
{
    if (query->stmt == NULL)
        return -1;
    sqlite3 *db = sqlite3_db_handle(query->stmt);
    int64_t before = sqlite3_total_changes64(db);
    int rc = sqlite3_step(query->stmt);
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(query->stmt);
    if (rc != SQLITE_DONE)
        return -1;
    return sqlite3_total_changes64(db) == before ? 0 : sqlite3_changes64(db);
}

int64_t replica_run(struct replica *replica, const char *sql, const char *types, ...)
{
    struct query *query = replica_query(replica, sql);
    va_list args;
    va_start(args, types);
    bind_all(query, types, args);
    va_end(args);
    int64_t changed = run_to_end(query);
    if (changed < 0)
        replica_note_problem(replica, sql);
    query_done(query);
    return changed;
}

int64_t replica_get_int(struct replica *replica, int64_t fallback, const char *sql,
                        const char *types, ...)
{
    struct query *query = replica_query(replica, sql);
    va_list args;
    va_start(args, types);
    bind_all(query, types, args);
    va_end(args);
    int64_t value = fallback;
    if (query_row(query) && !query_is_null(query, 0))
        value = query_get_int(query, 0);
    query_done(query);
    return value;
}

bool replica_get_text(struct replica *replica, char *ret, size_t size, const char *sql,
                      const char *types, ...)
{
    struct query *query = replica_query(replica, sql);
    va_list args;
    va_start(args, types);
    bind_all(query, types, args);
    va_end(args);
    bool found = query_row(query) && !query_is_null(query, 0);
    if (found)
        text_copy(ret, size, query_get_text(query, 0));
    query_done(query);
    return found;
}
