/* The table-valued function json_rows; see jrows.h.
 *
 * The cursor keeps a copy of the array and steps over it element by element. Of each element it
 * notes where the wanted members lie and of which type they are; a text is unescaped only when it
 * is asked for. Members come in the same order row after row, so the one after the last is tried
 * first. The grammar is checked whole (RFC 8259), nested values included, without recursion. */
#include "sync/replica/jrows.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    COL_K,
    COL_ROW,
    COL_SIZE,
    COL_NUL,
    COL_LACK,
    COL_MEMBERS,
    COL_JSON = COL_MEMBERS + JROWS_MEMBERS, /* hidden */
    COL_NAMES,
    COL_STRICT,
    NAMES_BYTES_MAX = 1024,
    DEPTH_MAX = 1000, /* of what is nested in a member */
};

enum kind { KIND_ABSENT, KIND_NULL, KIND_INTEGER, KIND_TEXT, KIND_OTHER };

struct member {
    enum kind kind;
    bool escaped;
    const char *at; /* of a text: between its quotes */
    size_t size;
};

struct cursor {
    sqlite3_vtab_cursor base; /* first */
    char *json;
    char names[NAMES_BYTES_MAX];
    struct {
        const char *at;
        size_t size;
    } wanted[JROWS_MEMBERS];
    int wanted_count;
    struct member members[JROWS_MEMBERS];
    int expected; /* the wanted member that comes next if the order is the usual one */

    const char *at, *end;
    bool done, array, strict;
    int64_t k;
    const char *row;
    size_t row_size;
    bool object, nul;
    int lack;
};

/* --- reading JSON --- */

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static int hex_value(char ch)
{
    if (is_digit(ch))
        return ch - '0';
    char low = (char)(ch | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* The four digits of \uXXXX; -1: there are none. */
static int unit_at(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Behind the backslash. */
static bool skip_escape(struct cursor *c)
{
    char ch = c->at < c->end ? *c->at++ : '\0';
    if (ch != 'u')
        return ch != '\0' && strchr("\"\\/bfnrt", ch) != NULL;
    int unit = unit_at(c->at, c->end);
    c->nul = c->nul || unit == 0;
    c->at += 4;
    return unit >= 0;
}

/* Behind the opening quote. */
static bool read_string(struct cursor *c, struct member *ret)
{
    *ret = (struct member){.kind = KIND_TEXT, .at = c->at};
    while (c->at < c->end) {
        unsigned char ch = (unsigned char)*c->at++;
        if (ch == '"') {
            ret->size = (size_t)(c->at - ret->at) - 1;
            return true;
        }
        if (ch < ' ')
            return false;
        if (ch == '\\') {
            ret->escaped = true;
            if (!skip_escape(c))
                return false;
        }
    }
    return false;
}

static bool skip_digits(struct cursor *c)
{
    const char *from = c->at;
    while (c->at < c->end && is_digit(*c->at))
        c->at++;
    return c->at > from;
}

static bool skip_fraction(struct cursor *c, bool *integer)
{
    if (c->at < c->end && *c->at == '.') {
        *integer = false;
        c->at++;
        if (!skip_digits(c))
            return false;
    }
    if (c->at == c->end || (*c->at != 'e' && *c->at != 'E'))
        return true;
    *integer = false;
    c->at++;
    if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
        c->at++;
    return skip_digits(c);
}

/* Behind its first character. */
static bool read_number(struct cursor *c, struct member *ret)
{
    const char *from = c->at - 1;
    const char *digits = *from == '-' ? c->at : from;
    bool integer = true;
    c->at = digits;
    if (!skip_digits(c) || (*digits == '0' && c->at > digits + 1) || !skip_fraction(c, &integer))
        return false;
    *ret =
        (struct member){integer ? KIND_INTEGER : KIND_OTHER, false, from, (size_t)(c->at - from)};
    return true;
}

static bool read_word(struct cursor *c, const char *word, enum kind kind, struct member *ret)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->at) + 1 < size || memcmp(c->at - 1, word, size) != 0)
        return false;
    c->at += size - 1;
    *ret = (struct member){.kind = kind};
    return true;
}

/* A value that is neither object nor array. */
static bool read_scalar(struct cursor *c, struct member *ret)
{
    skip_space(c);
    if (c->at == c->end)
        return false;
    char ch = *c->at++;
    switch (ch) {
    case '"':
        return read_string(c, ret);
    case 'n':
        return read_word(c, "null", KIND_NULL, ret);
    case 't':
        return read_word(c, "true", KIND_OTHER, ret);
    case 'f':
        return read_word(c, "false", KIND_OTHER, ret);
    default:
        return (ch == '-' || is_digit(ch)) && read_number(c, ret);
    }
}

static bool opens(const struct cursor *c)
{
    return c->at < c->end && (*c->at == '{' || *c->at == '[');
}

static bool read_key(struct cursor *c)
{
    struct member key;
    return take(c, '"') && read_string(c, &key) && take(c, ':');
}

static char closer(char open)
{
    return open == '{' ? '}' : ']';
}

/* At a bracket: into what it opens. False: broken, or too deep. *ret_value: a value must follow. */
static bool open_nested(struct cursor *c, char *open, int *depth, bool *ret_value)
{
    if (*depth == DEPTH_MAX)
        return false;
    char bracket = *c->at++;
    *ret_value = !take(c, closer(bracket));
    if (*ret_value)
        open[(*depth)++] = bracket;
    return !*ret_value || bracket == '[' || read_key(c);
}

/* Behind a value within brackets. */
static bool go_on_nested(struct cursor *c, const char *open, int *depth, bool *ret_value)
{
    char bracket = open[*depth - 1];
    *ret_value = !take(c, closer(bracket));
    if (!*ret_value) {
        (*depth)--;
        return true;
    }
    return take(c, ',') && (bracket == '[' || read_key(c));
}

/* An object or an array. */
static bool skip_nested(struct cursor *c)
{
    char open[DEPTH_MAX];
    struct member scalar;
    int depth = 0;
    bool value = true;
    do {
        bool ok;
        skip_space(c);
        if (!value)
            ok = go_on_nested(c, open, &depth, &value);
        else if (opens(c))
            ok = open_nested(c, open, &depth, &value);
        else if ((ok = read_scalar(c, &scalar)))
            value = false;
        if (!ok)
            return false;
    } while (depth > 0);
    return true;
}

static bool read_value(struct cursor *c, struct member *ret)
{
    skip_space(c);
    if (!opens(c))
        return read_scalar(c, ret);
    *ret = (struct member){.kind = KIND_OTHER};
    return skip_nested(c);
}

/* --- a row --- */

static int find_wanted(struct cursor *c, const struct member *key)
{
    for (int i = 0; !key->escaped && i < c->wanted_count; i++) {
        int at =
            c->expected + i < c->wanted_count ? c->expected + i : c->expected + i - c->wanted_count;
        if (c->wanted[at].size == key->size && memcmp(c->wanted[at].at, key->at, key->size) == 0) {
            c->expected = at + 1 < c->wanted_count ? at + 1 : 0;
            return at;
        }
    }
    return -1;
}

static bool read_member(struct cursor *c)
{
    struct member key, value;
    if (!take(c, '"') || !read_string(c, &key) || !take(c, ':') || !read_value(c, &value))
        return false;
    int at = find_wanted(c, &key);
    if (at >= 0 && c->members[at].kind == KIND_ABSENT) {
        c->members[at] = value;
        c->lack--;
    }
    return true;
}

static bool read_object(struct cursor *c)
{
    c->at++;
    if (take(c, '}'))
        return true;
    do {
        if (!read_member(c))
            return false;
    } while (take(c, ','));
    return take(c, '}');
}

static bool read_row(struct cursor *c)
{
    struct member value;
    memset(c->members, 0, sizeof c->members[0] * (size_t)c->wanted_count);
    c->lack = c->wanted_count;
    c->nul = false;
    skip_space(c);
    c->row = c->at;
    c->object = c->at < c->end && *c->at == '{';
    bool ok = c->object ? read_object(c) : read_value(c, &value);
    c->row_size = (size_t)(c->at - c->row);
    return ok;
}

/* --- the values of columns --- */

static size_t put_utf8(int code, char *ret)
{
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3f));
    ret[0] = (char)((size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0) | code);
    return size;
}

/* At the digits of a \uXXXX; a pair of surrogates is one character. */
static size_t put_unit(const char **at, const char *end, char *ret)
{
    int code = unit_at(*at, end);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        int low = unit_at(*at + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return put_utf8(code, ret);
}

/* The text without its escapes is never longer. */
static size_t unescape(const struct member *member, char *ret)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    const char *at = member->at, *end = member->at + member->size;
    size_t size = 0;
    while (at < end) {
        char ch = *at++;
        if (ch != '\\')
            ret[size++] = ch;
        else if (*at++ == 'u')
            size += put_unit(&at, end, ret + size);
        else
            ret[size++] = TO[strchr(FROM, at[-1]) - FROM];
    }
    return size;
}

static void give_text(sqlite3_context *context, const struct member *member)
{
    if (!member->escaped) {
        sqlite3_result_text64(context, member->at, member->size, SQLITE_TRANSIENT, SQLITE_UTF8);
        return;
    }
    char *text = sqlite3_malloc64(member->size + 1);
    if (text == NULL)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, text, unescape(member, text), sqlite3_free, SQLITE_UTF8);
}

static bool add_digit(uint64_t *value, char digit, uint64_t max)
{
    uint64_t d = (uint64_t)(digit - '0');
    if (*value > (max - d) / 10)
        return false;
    *value = *value * 10 + d;
    return true;
}

static void give_integer(sqlite3_context *context, const struct member *member)
{
    bool minus = member->at[0] == '-';
    uint64_t max = minus ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t value = 0;
    for (size_t i = minus; i < member->size; i++)
        if (!add_digit(&value, member->at[i], max)) {
            sqlite3_result_blob(context, "\0", 1, SQLITE_STATIC);
            return;
        }
    sqlite3_result_int64(context, (int64_t)(minus ? 0 - value : value));
}

static void give_member(sqlite3_context *context, const struct member *member, bool strict)
{
    switch (member->kind) {
    case KIND_ABSENT:
        if (strict)
            sqlite3_result_blob(context, "\1", 1, SQLITE_STATIC);
        return;
    case KIND_NULL:
        return;
    case KIND_INTEGER:
        give_integer(context, member);
        return;
    case KIND_TEXT:
        give_text(context, member);
        return;
    case KIND_OTHER:
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
    for (int i = 0; i < JROWS_MEMBERS; i++)
        sqlite3_str_appendf(sql, ",c%d", i);
    sqlite3_str_appendall(sql, ",json HIDDEN,names HIDDEN,strict HIDDEN)");
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
    c->done = true;
    return SQLITE_ERROR;
}

static bool take_names(struct cursor *c, const char *names)
{
    size_t size = names != NULL ? strlen(names) : sizeof c->names;
    if (size >= sizeof c->names)
        return false;
    memcpy(c->names, names, size + 1);
    c->wanted_count = c->expected = 0;
    for (const char *at = c->names; *at != '\0'; at += *at == ',') {
        if (c->wanted_count == JROWS_MEMBERS)
            return false;
        size_t length = strcspn(at, ",");
        c->wanted[c->wanted_count].at = at;
        c->wanted[c->wanted_count++].size = length;
        at += length;
    }
    return true;
}

static bool take_json(struct cursor *c, sqlite3_value *value)
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
    c->at = c->json;
    c->end = c->json + size;
    return true;
}

static bool at_the_end(struct cursor *c)
{
    c->done = true;
    skip_space(c);
    return c->at == c->end;
}

static int on_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                     sqlite3_value **argv)
{
    (void)plan;
    (void)plan_text;
    struct cursor *c = cursor_of(base);
    c->done = false;
    c->k = 0;
    c->strict = argc > 2 && sqlite3_value_int(argv[2]) != 0;
    if (argc < 2 || !take_names(c, (const char *)sqlite3_value_text(argv[1])))
        return broken(c, "json_rows: at most 32 names of members");
    if (!take_json(c, argv[0]))
        return SQLITE_NOMEM;
    skip_space(c);
    c->array = c->at < c->end && *c->at == '[';
    if (!c->array && (c->at == c->end || *c->at != '{'))
        return broken(c, "malformed JSON");
    if (c->array && (c->at++, take(c, ']')))
        return at_the_end(c) ? SQLITE_OK : broken(c, "malformed JSON");
    return read_row(c) ? SQLITE_OK : broken(c, "malformed JSON");
}

static int on_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = cursor_of(base);
    c->k++;
    bool ok = c->array && take(c, ',') ? read_row(c) : (!c->array || take(c, ']')) && at_the_end(c);
    return ok ? SQLITE_OK : broken(c, "malformed JSON");
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->done;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct cursor *c = cursor_of(base);
    if (column >= COL_MEMBERS && column < COL_MEMBERS + c->wanted_count)
        give_member(context, &c->members[column - COL_MEMBERS], c->strict);
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
    *ret = cursor_of(base)->k;
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
