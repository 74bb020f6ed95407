/* The replicated tables, once: the station's change marks, the county's merge, the wire and the
 * import all read this table. A test holds it equal to the migrations' DDL. */
#ifndef TOUYAN_TABLES_H
#define TOUYAN_TABLES_H

#include <stdbool.h>
#include <stddef.h>

enum column_type {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_PHONE, /* clear on the wire (TLS), sealed by seal_phone() on either side */
};

struct table_column {
    const char *name;
    enum column_type type;
    int group;     /* 0 to 3: columns of one group win or lose together */
    bool required; /* NOT NULL */
};

enum table_direction {
    TABLE_DOWN, /* the county's word: a station does not change it */
    TABLE_BOTH, /* merged by base versions per group */
    TABLE_UP,   /* append-only events of the station: no groups, no conflicts */
};

enum {
    TABLE_COLUMNS_MAX = 20,
};

struct table {
    int tid; /* never reused */
    const char *name;
    enum table_direction direction;
    /* without id, scope and _v, which every table has, and _g, which those of both directions have;
     * scope belongs to group 0 */
    struct table_column columns[TABLE_COLUMNS_MAX + 1]; /* ends with a NULL name */
};

/* Ends with a NULL name. */
extern const struct table tables[];

const struct table *table_by_name(const char *name);
const struct table *table_by_tid(int tid);
int table_group_count(const struct table *table);

#endif
