/* `touyan-county import`: people's tables into the county's database.
 *
 * A file is named after its table (person.csv); a folder stands for its *.csv and *.json files. The
 * first line names the columns of PROTOCOL.md section 5. Where the table has a natural key, `id`
 * may be left out and is made from it, so that the same thing entered twice is one row. Also
 * understood: the years of holiday-cn (2026.json). UTF-8 with or without byte order mark, else
 * GB18030.
 *
 * Written as people write: a column ending in _at takes "2026-09-08 07:20" (China Standard Time),
 * minutes after midnight take "07:20", numbers are brought to +86 form. */
#ifndef TOUYAN_COUNTY_IMPORT_H
#define TOUYAN_COUNTY_IMPORT_H

#include <stdio.h>

#include "sync/county/store.h"

enum { LIMIT_IMPORT_FILE_BYTES = 64 << 20, LIMIT_IMPORT_FILES = 256 };

struct import_options {
    bool dry_run;
    bool delete_missing; /* rows of an earlier import that the files no longer have */
    FILE *out;           /* what a person reads */
};

/* All files or none: one wrong row and nothing is imported. ERR_INVALID: rows were wrong and have
 * been named. */
int import_paths(struct store *store, const struct import_options *options, char **paths,
                 size_t count, struct store_import_result *ret_result, struct err *err);

/* One cell to a JSON value of this column; pure. False: *ret_why says what is wrong. */
struct json;
bool import_cell(const struct table_column *column, const char *text, struct json *row,
                 const char **ret_why);

#endif
