/* For the files that write the SQL of the replicated tables: store_sql.c, store_stage.c,
 * store_give.c. What the engines say in different words is written ${SQLite|PostgreSQL} (db.h). */
#ifndef TOUYAN_COUNTY_STORE_SQL_H
#define TOUYAN_COUNTY_STORE_SQL_H

#include "sync/county/store_parts.h"

enum { BIT_DEL = 128 };

#define LEAST "${min|least}"
#define JSON_OBJECT "${json_object|json_build_object}"
#define JSON_ARRAY "${json_array|json_build_array}"
/* A JSON array of all rows: JSON_LIST "(x)" JSON_LIST_END */
#define JSON_LIST "${json_group_array|coalesce(json_agg}"
#define JSON_LIST_END "${|,'[]')}"

/* The text of a row of raw without its phone, which is kept nowhere in clear. */
#define WITHOUT_PHONE(row) "${json_remove(" row ",'$.phone')|json_without(" row ",'phone')::text}"

/* The rows of a statement that are merged. */
#define COND "m.why IS NULL AND m.k BETWEEN ?1 AND ?2"

/* Column 0 is the scope; NULL past the last. */
const struct table_column *sql_column_at(const struct table *table, size_t index);

/* NOLINTBEGIN(bugprone-macro-parentheses): `column` is a name that is declared */
#define EACH_COLUMN(column, table)                                                                 \
    const struct table_column *column = NULL; /* NOLINT(bugprone-macro-parentheses): a name */     \
    for (size_t column##_at = 0; ((column) = sql_column_at(table, column##_at)) != NULL;           \
         column##_at++)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline bool is_up(const struct table *table)
{
    return table->direction == TABLE_UP;
}

/* Bits of `wrong` and `absent` in in_<tid>: _del, the columns, the marks. */
enum { WRONG_DEL = 1 };
#define WRONG_COLUMN(column) (INT64_C(2) << (column))
#define WRONG_UNFED (INT64_C(1) << 40)
#define WRONG_BASE (INT64_C(1) << 41)
#define WRONG_GM (INT64_C(1) << 42)
#define WRONG_H (INT64_C(1) << 43)
#define WRONG_ID (INT64_C(1) << 44)

/* A column group, or the tombstone, which merges like one. */
struct sql_group {
    int index; /* of the columns; -1: the tombstone */
    int bit;
    char name[8];  /* of its columns _v _h _o */
    char stamp[4]; /* of in_<tid>: its stamp */
};

/* The tombstone is the last, at table_group_count(). */
struct sql_group sql_group_at(const struct table *table, int index);

/* The text so far, owned by the caller; the buffer is empty again. */
char *sql_take(struct buf *sql);

/* As the log of conflicts numbers it. */
int sql_group_number(const struct sql_group *group);

/* Conditions on the row t of the table and the row m of in_<tid>, in brackets. */
void sql_add_differ(struct buf *b, const struct table *t, const struct sql_group *group,
                    uint32_t without);
/* `give`: in_<tid> has microseconds, of versions. */
void sql_add_later_stamp(struct buf *b, const struct sql_group *group, bool give);
/* "FROM regained r WHERE ...": what is known of the group from lives that were lost. */
void sql_add_regained(struct buf *b, const struct table *t, const struct sql_group *group);
/* Version `low` is of a life that was lost before version `high`, which is not below it, was given:
 * who knows that one may not know this one. SQL expressions. */
void sql_add_apart(struct buf *b, const char *low, const char *high);
/* " AND ...": the value at hand was given back by r, and m says nothing else in the columns that
 * the giver knew. */
void sql_add_lacked(struct buf *b, const struct table *t, const struct sql_group *group);
/* The values of the group on a side, as a JSON object. */
void sql_add_values(struct buf *b, const struct table *t, int group, char side);

/* Steps: the conflicts of a group; writing rows that are given back and feed, from steps[n] on. */
char *sql_make_conflict(const struct table *t, const struct sql_group *group, bool give,
                        struct buf *b);
void sql_make_give_writes(const struct table *t, char **steps, int n, struct buf *b);

/* store_give.c. The group is as the backup had it, or as another station gave it back. */
void sql_add_untouched(struct buf *b, const struct table *t, const struct sql_group *group);
void sql_make_give(struct table_sql *out, struct buf *b);

/* store_copy.c */
void sql_make_copy(struct table_sql *out, enum db_engine engine, struct buf *b);
/* The rows of one array, or those of the table that lie in raw, into in_<tid>. ERR_INVALID: no
 * JSON. `sql` NULL: they are only counted. */
int copy_part(struct db *db, struct table_sql *sql, const char *rows, size_t size,
              struct pushed *pushed, struct err *err);
int copy_raw(struct db *db, struct table_sql *sql, struct err *err);

/* store_stage.c */
void sql_make_stage(struct table_sql *out, enum db_engine engine, struct buf *b);

#endif
