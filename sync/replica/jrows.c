/* The table-valued function json_rows; see jrows.h. The cursor keeps a copy of the array, which
 * jread.h reads. */
#include "sync/replica/jrows.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "sync/replica/jread.h"

enum {
    COL_K,
    COL_ROW,
    COL_SIZE,
    COL_NUL,
    COL_LACK,
    COL_MEMBERS,
    COL_JSON = COL_MEMBERS + JREAD_MEMBERS, /* hidden */
    COL_NAMES,
};

struct cursor {
    sqlite3_vtab_cursor base; /* first */
    char *json;
    struct jread rows;
};

/* --- the values of columns --- */

static void give_text(sqlite3_context *context, const struct jread_member *member)
{
    if (!member->escaped) {
        sqlite3_result_text64(context, member->at, member->size, SQLITE_TRANSIENT, SQLITE_UTF8);
        return;
    }
    char *text = sqlite3_malloc64(member->size + 1);
    if (text == NULL)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, text, jread_text(member, text), sqlite3_free, SQLITE_UTF8);
}

static void give_integer(sqlite3_context *context, const struct jread_member *member)
{
    int64_t value;
    if (jread_int(member, &value))
        sqlite3_result_int64(context, value);
    else
        sqlite3_result_blob(context, "\0", 1, SQLITE_STATIC);
}

static void give_member(sqlite3_context *context, const struct jread_member *member)
{
    switch (member->kind) {
    case JREAD_ABSENT:
    case JREAD_NULL:
        return;
    case JREAD_INTEGER:
        give_integer(context, member);
        return;
    case JREAD_TEXT:
        give_text(context, member);
        return;
    case JREAD_OTHER:
        sqlite3_result_blob(context, "\0", 1, SQLITE_STATIC);
    }
}

/* --- the module --- */

static struct cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return (struct cursor *)base;
}

static int on_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret,
                      char **ret_problem)
{
    (void)aux;
    (void)argc;
    (void)argv;
    (void)ret_problem;
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE x(k INT,row TEXT,size INT,nul INT,lack INT");
    for (int i = 0; i < JREAD_MEMBERS; i++)
        sqlite3_str_appendf(sql, ",c%d", i);
    sqlite3_str_appendall(sql, ",json HIDDEN,names HIDDEN)");
    char *text = sqlite3_str_finish(sql);
    int rc = text != NULL ? sqlite3_declare_vtab(db, text) : SQLITE_NOMEM;
    sqlite3_free(text);
    *ret = rc == SQLITE_OK ? sqlite3_malloc(sizeof **ret) : NULL;
    if (rc == SQLITE_OK && *ret == NULL)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        memset(*ret, 0, sizeof **ret);
        sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    }
    return rc;
}

static int on_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* The arguments come as constraints with =; without the first two there is no plan. */
static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    unsigned given = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        int column = info->aConstraint[i].iColumn;
        if (column < COL_JSON || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = column - COL_JSON + 1;
        info->aConstraintUsage[i].omit = 1;
        given |= 1U << (column - COL_JSON);
    }
    info->estimatedCost = 1000;
    info->estimatedRows = 1000;
    return (given & 3) == 3 ? SQLITE_OK : SQLITE_CONSTRAINT;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret)
{
    (void)table;
    struct cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *ret = &cursor->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = cursor_of(base);
    free(cursor->json);
    free(cursor);
    return SQLITE_OK;
}

static int broken(struct cursor *c, const char *what)
{
    sqlite3_free(c->base.pVtab->zErrMsg);
    c->base.pVtab->zErrMsg = sqlite3_mprintf("%s", what);
    c->rows.done = true;
    return SQLITE_ERROR;
}

static bool take_json(struct cursor *c, sqlite3_value *value, size_t *ret_size)
{
    const char *json = (const char *)sqlite3_value_text(value);
    size_t size = (size_t)sqlite3_value_bytes(value);
    free(c->json);
    c->json = malloc(size + 1);
    if (c->json == NULL)
        return false;
    if (size > 0)
        memcpy(c->json, json, size);
    c->json[size] = '\0';
    *ret_size = size;
    return true;
}

static int on_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                     sqlite3_value **argv)
{
    (void)plan;
    (void)plan_text;
    struct cursor *c = cursor_of(base);
    size_t size;
    const char *names = argc < 2 ? NULL : (const char *)sqlite3_value_text(argv[1]);
    if (names == NULL || !jread_names(&c->rows, names))
        return broken(c, "json_rows: at most 40 names of members");
    if (!take_json(c, argv[0], &size))
        return SQLITE_NOMEM;
    return jread_start(&c->rows, c->json, size) ? SQLITE_OK : broken(c, "malformed JSON");
}

static int on_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = cursor_of(base);
    return jread_next(&c->rows) ? SQLITE_OK : broken(c, "malformed JSON");
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->rows.done;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct cursor *cursor = cursor_of(base);
    const struct jread *c = &cursor->rows;
    if (column >= COL_MEMBERS && column < COL_MEMBERS + c->wanted_count)
        give_member(context, &c->members[column - COL_MEMBERS]);
    else if (column == COL_K)
        sqlite3_result_int64(context, c->k);
    else if (column == COL_ROW && c->object)
        sqlite3_result_text64(context, c->row, c->row_size, SQLITE_TRANSIENT, SQLITE_UTF8);
    else if (column == COL_SIZE)
        sqlite3_result_int64(context, (int64_t)c->row_size);
    else if (column == COL_NUL || column == COL_LACK)
        sqlite3_result_int(context, column == COL_NUL ? c->nul : c->lack);
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    *ret = cursor_of(base)->rows.k;
    return SQLITE_OK;
}

int jrows_register(sqlite3 *db)
{
    static const sqlite3_module MODULE = {
        .xConnect = on_connect, /* no xCreate: it is there without a CREATE VIRTUAL TABLE */
        .xBestIndex = on_best_index,
        .xDisconnect = on_disconnect,
        .xOpen = on_open,
        .xClose = on_close,
        .xFilter = on_filter,
        .xNext = on_next,
        .xEof = on_eof,
        .xColumn = on_column,
        .xRowid = on_rowid,
    };
    return sqlite3_create_module(db, "json_rows", &MODULE, NULL);
}
