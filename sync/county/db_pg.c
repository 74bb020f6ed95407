/* The driver of PostgreSQL, over libpq. Statements are prepared on the server once a connection;
 * text goes as it is, in binary format, numbers as text.
 *
 * A connection that breaks (the server restarts, a primary dies, or stops being one) is noted as
 * lost: the statement at hand is ERR_BUSY and so is everything until the store has rolled back;
 * then it is made anew by db_pg_connect(), which tries each host once for one that takes writes.
 * The outcome of a COMMIT that broke is not known: its request is repeated and finds out.
 *
 * Planning is told what the store knows and statistics of a minute ago do not: few rows look for
 * their partners in large tables by index, and a plan made once stays good. */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/db.h"
#include "sync/county/slice.h"
#include "sync/county/store.h"

enum { OID_INT8 = 20, OID_TEXT = 25, OPTIONS_MAX = 48, SQL_BYTES_MAX = 262144 };

struct pg_link {
    struct db_link link; /* first */
    PGconn *conn;
    char *url, *county;
    int64_t changes;
    uint64_t names; /* of statements so far */
};

struct pg_query {
    struct db_query query; /* first */
    struct pg_link *link;
    char name[24];
    Oid types[DB_PARAMS_MAX];
    int count;
    PGresult *result; /* NULL: none, or it could not be had */
    int row;          /* the next */
    struct buf clean; /* a text of 'j' without what the server refuses */
};

static const char SETTINGS[] =
    "SET search_path=\"touyan_%s\",touyan;"
    "SET touyan.county='%s';"
    "SET client_min_messages=warning;"
    "SET default_transaction_isolation='read committed';"
    "SET lock_timeout=%d;"
    "SET idle_in_transaction_session_timeout=60000;"
    "SET jit=off;SET plan_cache_mode=force_generic_plan;"
    "SET enable_seqscan=off;SET enable_hashjoin=off;SET enable_mergejoin=off;"
    "SET enable_material=off;SET enable_memoize=off;"
    "SET default_statistics_target=10;"; /* ANALYZE reads 3,000 rows, for how many there are */

/* --- errors --- */

static bool is_lost(const char *state)
{
    static const char *const STATES[] = {"57P01", "57P02", "57P03", "25006"};
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(state, STATES[i]) == 0)
            return true;
    return strncmp(state, "08", 2) == 0;
}

static int code_of(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } CODES[] = {
        {"40", ERR_BUSY},    {"55P03", ERR_BUSY},    {"57014", ERR_BUSY},    {"53300", ERR_BUSY},
        {"22", ERR_INVALID}, {"23", ERR_INVALID},    {"21", ERR_INVALID},    {"54", ERR_INVALID},
        {"44", ERR_INVALID}, {"XX001", ERR_CORRUPT}, {"XX002", ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (strncmp(state, CODES[i].prefix, strlen(CODES[i].prefix)) == 0)
            return CODES[i].code;
    return ERR_IO;
}

/* The first line of what the server or libpq says. */
static int fail(struct pg_link *link, const PGresult *result, struct err *err)
{
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bool broken = PQstatus(link->conn) != CONNECTION_OK || (state != NULL && is_lost(state));
    if (text == NULL)
        text = PQerrorMessage(link->conn);
    link->link.victim = state != NULL && !broken && strncmp(state, "40", 2) == 0;
    if (broken) {
        link->link.lost = true;
        return err_set(err, ERR_BUSY, "the database is away: %.*s", (int)strcspn(text, "\n"), text);
    }
    return err_set(err, state != NULL ? code_of(state) : ERR_IO, "county store: %.*s (%s)",
                   (int)strcspn(text, "\n"), text, state != NULL ? state : "no state");
}

/* --- statements --- */

/* ?1 becomes $1. */
static char *with_dollars(const char *sql)
{
    char *text = strdup(sql);
    if (text == NULL)
        abort();
    for (char *at = text; *at != '\0'; at++)
        if (at[0] == '?' && at[1] >= '0' && at[1] <= '9')
            *at = '$';
    return text;
}

static struct db_query *pg_prepare(struct db_link *base, const char *sql, const char *types,
                                   struct err *err)
{
    struct pg_link *link = (struct pg_link *)base;
    struct pg_query *query = calloc(1, sizeof *query);
    if (query == NULL)
        abort();
    query->query.driver = base->driver;
    query->link = link;
    snprintf(query->name, sizeof query->name, "s%llu", (unsigned long long)link->names++);
    for (const char *t = types; *t != '\0'; t++)
        query->types[query->count++] = *t == 'i' ? OID_INT8 : OID_TEXT;
    char *text = with_dollars(sql);
    PGresult *result = PQprepare(link->conn, query->name, text, query->count, query->types);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok) {
        fail(link, result, err);
        if (!link->link.lost)
            log_error("county.sql", "why=%s sql=%.200s", err != NULL ? err->text : "", text);
        free(query);
    } else {
        buf_init(&query->clean, 8 * (size_t)LIMIT_ANSWER_BYTES);
    }
    PQclear(result);
    free(text);
    return ok ? &query->query : NULL;
}

static void pg_reset(struct db_query *base)
{
    struct pg_query *query = (struct pg_query *)base;
    PQclear(query->result);
    query->result = NULL;
}

static void pg_finalize(struct db_query *base)
{
    pg_reset(base);
    buf_free(&((struct pg_query *)base)->clean);
    free(base);
}

/* Everything is asked for and comes at once: a statement that others follow must have ended. */
static void pg_start(struct db_query *base, const struct db_value *values, int count)
{
    struct pg_query *query = (struct pg_query *)base;
    char numbers[DB_PARAMS_MAX][24];
    const char *texts[DB_PARAMS_MAX] = {NULL};
    int sizes[DB_PARAMS_MAX] = {0}, formats[DB_PARAMS_MAX] = {0};
    pg_reset(base);
    for (int i = 0; i < count; i++) {
        const struct db_value *value = &values[i];
        if (value->type == 'i') {
            snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)value->number);
            texts[i] = numbers[i];
        } else if (value->type != 'n') {
            bool clean = value->type == 'j';
            if (clean) {
                buf_clear(&query->clean);
                clean = slice_clean(value->text, value->size, &query->clean);
            }
            texts[i] = clean ? buf_text(&query->clean) : value->text;
            sizes[i] = clean ? (int)query->clean.size : (int)value->size;
            formats[i] = 1;
        }
    }
    query->row = 0;
    query->result =
        PQexecPrepared(query->link->conn, query->name, query->count, texts, sizes, formats, 0);
    if (PQresultStatus(query->result) == PGRES_COMMAND_OK ||
        PQresultStatus(query->result) == PGRES_TUPLES_OK)
        query->link->changes = strtoll(PQcmdTuples(query->result), NULL, 10);
}

static int pg_step(struct db_query *base, struct err *err)
{
    struct pg_query *query = (struct pg_query *)base;
    ExecStatusType status = PQresultStatus(query->result);
    int rc = -1;
    if (status == PGRES_TUPLES_OK && query->row < PQntuples(query->result)) {
        query->row++;
        return 1;
    }
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        rc = 0;
    else
        fail(query->link, query->result, err);
    pg_reset(base);
    return rc;
}

static int64_t pg_changes(struct db_link *link)
{
    return ((struct pg_link *)link)->changes;
}

static const char *pg_column_text(struct db_query *base, int column, size_t *ret_size)
{
    struct pg_query *query = (struct pg_query *)base;
    int row = query->row - 1;
    *ret_size = 0;
    if (PQgetisnull(query->result, row, column))
        return NULL;
    *ret_size = (size_t)PQgetlength(query->result, row, column);
    return PQgetvalue(query->result, row, column);
}

static int64_t pg_column_int(struct db_query *query, int column)
{
    size_t size;
    const char *text = pg_column_text(query, column, &size);
    if (text == NULL)
        return 0;
    return text[0] == 't' ? 1 : strtoll(text, NULL, 10);
}

/* --- scripts --- */

static bool is_word(const char *at, const char *start, const char *word)
{
    size_t size = strlen(word);
    return strncmp(at, word, size) == 0 && (at == start || strchr(" ,(", at[-1]) != NULL) &&
           strchr(" ,);", at[size]) != NULL;
}

/* The types of DDL: 64 bits, and the order of bytes whatever the database's locale. */
static void write_ddl(const char *sql, struct buf *out)
{
    const char *copied = sql, *at = sql;
    while (*at != '\0') {
        bool number = is_word(at, sql, "INTEGER");
        if (!number && !is_word(at, sql, "TEXT")) {
            at++;
            continue;
        }
        buf_add(out, copied, (size_t)(at - copied));
        buf_add_text(out, number ? "BIGINT" : "TEXT COLLATE \"C\"");
        at += number ? 7 : 4;
        copied = at;
    }
    buf_add_text(out, copied);
}

static int pg_script(struct db_link *base, const char *sql, struct err *err)
{
    struct pg_link *link = (struct pg_link *)base;
    struct buf text;
    buf_init(&text, SQL_BYTES_MAX);
    if (strncmp(sql, "CREATE T", 8) == 0 || strncmp(sql, "ALTER T", 7) == 0)
        write_ddl(sql, &text);
    else
        buf_add_text(&text, sql);
    PGresult *result = PQexec(link->conn, buf_text(&text));
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK ||
              PQresultStatus(result) == PGRES_TUPLES_OK ||
              PQresultStatus(result) == PGRES_EMPTY_QUERY;
    int code = ok ? ERR_OK : fail(link, result, err);
    PQclear(result);
    buf_free(&text);
    return code;
}

/* The end of what a connection says after its rows: one result each, then none. */
static int end_copy(struct pg_link *link, int code, struct err *err)
{
    for (PGresult *result; (result = PQgetResult(link->conn)) != NULL; PQclear(result))
        if (code == ERR_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
            code = fail(link, result, err);
    return code;
}

static int pg_copy(struct db_link *base, const char *sql, const char *bytes, size_t size,
                   struct err *err)
{
    struct pg_link *link = (struct pg_link *)base;
    PGresult *result = PQexec(link->conn, sql);
    int code = PQresultStatus(result) == PGRES_COPY_IN ? ERR_OK : fail(link, result, err);
    PQclear(result);
    if (code == ERR_OK &&
        (PQputCopyData(link->conn, bytes, (int)size) != 1 || PQputCopyEnd(link->conn, NULL) != 1))
        code = fail(link, NULL, err);
    return end_copy(link, code, err);
}

/* --- the connection --- */

static void pg_close(struct db_link *base)
{
    struct pg_link *link = (struct pg_link *)base;
    PQfinish(link->conn);
    free(link->url);
    free(link->county);
    free(link);
}

struct options {
    const char *keys[OPTIONS_MAX + 1], *values[OPTIONS_MAX + 1];
    int count;
};

static void add_option(struct options *options, const char *key, const char *value, bool always)
{
    for (int i = 0; i < options->count; i++)
        if (strcmp(options->keys[i], key) == 0) {
            if (always)
                options->values[i] = value;
            return;
        }
    if (options->count < OPTIONS_MAX) {
        options->keys[options->count] = key;
        options->values[options->count++] = value;
    }
}

static PGconn *connect_to(const PQconninfoOption *given)
{
    struct options options = {.count = 0};
    for (; given->keyword != NULL; given++)
        if (given->val != NULL)
            add_option(&options, given->keyword, given->val, false);
    add_option(&options, "target_session_attrs", "read-write", false);
    add_option(&options, "connect_timeout", "3", false);
    add_option(&options, "keepalives_idle", "5", false);
    add_option(&options, "keepalives_interval", "2", false);
    add_option(&options, "keepalives_count", "3", false);
    add_option(&options, "tcp_user_timeout", "10000", false);
    add_option(&options, "fallback_application_name", "touyan-county", false);
    add_option(&options, "client_encoding", "UTF8", true);
    return PQconnectdbParams(options.keys, options.values, 0);
}

static void on_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    log_warn("county.postgresql", "notice=%s", text != NULL ? text : "");
}

static int pg_connect(struct db_link *base, struct err *err)
{
    struct pg_link *link = (struct pg_link *)base;
    char *why = NULL, settings[sizeof SETTINGS + 2 * LIMIT_COUNTY_BYTES + 16];
    PQfinish(link->conn);
    link->conn = NULL;
    PQconninfoOption *given = PQconninfoParse(link->url, &why);
    if (given == NULL) {
        err_set(err, ERR_INVALID, "--store: %.*s", (int)strcspn(why != NULL ? why : "", "\n"),
                why != NULL ? why : "");
        PQfreemem(why);
        return ERR_INVALID;
    }
    link->conn = connect_to(given);
    PQconninfoFree(given);
    if (PQstatus(link->conn) != CONNECTION_OK) {
        const char *text = PQerrorMessage(link->conn);
        link->link.lost = true;
        return err_set(err, ERR_BUSY, "the database is away: %.*s", (int)strcspn(text, "\n"), text);
    }
    PQsetNoticeReceiver(link->conn, on_notice, NULL);
    link->link.lost = false;
    snprintf(settings, sizeof settings, SETTINGS, link->county, link->county, LIMIT_STORE_BUSY_MS);
    return pg_script(base, settings, err);
}

/* A server that went says so, or its end of the connection is closed: both can be read. */
static void pg_look(struct db_link *base)
{
    struct pg_link *link = (struct pg_link *)base;
    struct pollfd fd = {.fd = PQsocket(link->conn), .events = POLLIN};
    if (fd.fd < 0 || (poll(&fd, 1, 0) > 0 && PQconsumeInput(link->conn) == 0))
        link->link.lost = true;
    else if (fd.revents != 0 && (fd.revents & (POLLHUP | POLLERR)) != 0)
        link->link.lost = true;
}

static const struct db_driver DRIVER = {
    .engine = DB_POSTGRESQL,
    .close = pg_close,
    .connect = pg_connect,
    .look = pg_look,
    .script = pg_script,
    .prepare = pg_prepare,
    .finalize = pg_finalize,
    .start = pg_start,
    .step = pg_step,
    .reset = pg_reset,
    .changes = pg_changes,
    .copy = pg_copy,
    .column_int = pg_column_int,
    .column_text = pg_column_text,
};

int db_open_pg(const char *url, const char *county, struct db_link **ret, struct err *err)
{
    if (strlen(county) > LIMIT_COUNTY_BYTES || county[0] == '\0' ||
        county[strspn(county, "0123456789abcdefghijklmnopqrstuvwxyz_")] != '\0')
        return err_set(err, ERR_INVALID, "--county is 1 to %d lower-case letters, digits and _",
                       LIMIT_COUNTY_BYTES);
    struct pg_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    link->link.driver = &DRIVER;
    link->url = strdup(url);
    link->county = strdup(county);
    if (link->url == NULL || link->county == NULL)
        abort();
    int code = pg_connect(&link->link, err);
    if (code == ERR_OK)
        *ret = &link->link;
    else
        pg_close(&link->link);
    return code;
}
