/* A database under the county's store: one connection, used by one thread at a time. The store's
 * own SQL and logic are the same over every driver; a driver only speaks to its engine.
 *
 * Errors of statements: ERR_BUSY for what another connection holds (or what is away and may come
 * back): try the transaction again later; ERR_INVALID for what the data caused (constraint, type,
 * size); ERR_CORRUPT; ERR_IO for the rest. So a caller can tell a poisonous row from a full disk.
 *
 * SQL is written in what SQLite and PostgreSQL share, parameters as ?1. Where they differ, it says
 * ${SQLite's words|PostgreSQL's}; the first may not hold a bar. In PostgreSQL's DDL INTEGER is
 * BIGINT and TEXT sorts by bytes. */
#ifndef TOUYAN_COUNTY_DB_H
#define TOUYAN_COUNTY_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

enum { DB_PARAMS_MAX = 12 };

enum db_engine { DB_SQLITE, DB_POSTGRESQL };

struct db_driver;

/* A prepared statement and the row that it is at. */
struct db_query {
    const struct db_driver *driver;
};

/* The connection. */
struct db_link {
    const struct db_driver *driver;
    bool lost;   /* nothing works until connect() has made it anew; statements are gone with it */
    bool victim; /* the last failure made room for another transaction: repeat it at once */
    bool alone;  /* SQLite: nobody else had the file open, so it may be another one than before */
};

struct db_value {
    char type; /* 'i' number, 's' text that the driver copies, 't' text that stays, 'j' JSON from
                * outside that stays, 'n' NULL */
    int64_t number;
    const char *text;
    size_t size;
};

struct db_driver {
    enum db_engine engine;
    void (*close)(struct db_link *link);
    /* Makes a lost connection anew: ERR_BUSY, it cannot be had now. NULL: this one is never lost.
     */
    int (*connect)(struct db_link *link, struct err *err);
    /* Between statements: was it lost while nobody spoke? */
    void (*look)(struct db_link *link);
    /* Several statements without parameters. */
    int (*script)(struct db_link *link, const char *sql, struct err *err);
    /* NULL: failed. */
    struct db_query *(*prepare)(struct db_link *link, const char *sql, const char *types,
                                struct err *err);
    void (*finalize)(struct db_query *query);
    void (*start)(struct db_query *query, const struct db_value *values, int count);
    /* 1 a row, 0 the end (reset), -1 failed (reset). */
    int (*step)(struct db_query *query, struct err *err);
    void (*reset)(struct db_query *query);
    int64_t (*changes)(struct db_link *link); /* rows, by the last statement */
    /* `sql` is COPY ... FROM STDIN (FORMAT binary), `bytes` its whole stream; or NULL. */
    int (*copy)(struct db_link *link, const char *sql, const char *bytes, size_t size,
                struct err *err);
    /* Of the row at hand; NULL and 0 for NULL. Texts live until the next step. */
    int64_t (*column_int)(struct db_query *query, int column);
    const char *(*column_text)(struct db_query *query, int column, size_t *ret_size);
};

/* db_sqlite.c: a file, made when there is none. The SQL functions text_ok and json_rows
 * (jrows.h) are known. ERR_IO, ERR_CORRUPT. */
int db_open_sqlite(const char *path, struct db_link **ret, struct err *err);

/* db_pg.c: `url` as libpq reads it (one or several hosts). The county's own views of the tables are
 * in the schema touyan_<county>, all counties' tables in the schema touyan. ERR_BUSY: no host that
 * takes writes answers. ERR_INVALID: the url or the name. */
int db_open_pg(const char *url, const char *county, struct db_link **ret, struct err *err);

#endif
