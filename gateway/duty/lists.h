/* The lists of a station as spreadsheets: schools, people and posts, and the volunteers whom a
 * school enters. Columns are found by their heads, Chinese, English or the county's; what a file
 * leaves out stays as it is, an empty cell empties. A row is the one that is there already by the
 * school's code, the post's name at its school, or the person's id, number or name and kind: the
 * same file twice changes nothing.
 *
 * Where a county keeps the lists, a station only looks at a file: what it would change, and what is
 * wrong with it. Volunteers (enlist.h) are the station's own everywhere. */
#ifndef TOUYAN_DUTY_LISTS_H
#define TOUYAN_DUTY_LISTS_H

#include <stdbool.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"

struct duty;
struct replica;

enum { LIST_ROWS_MAX = 5000, LIST_PROBLEMS_MAX = 50 };

struct list_order {
    const char *list;        /* "school", "person", "post", "volunteer" */
    const struct json *head; /* ["代码","名称",...] */
    const struct json *rows; /* [{"line":2,"cells":["S17",...]}] */
    const char *by;          /* of volunteers: the school's coordinator */
};

/* Inside a handler, which the caller leaves with false for a preview, and whenever there are
 * problems. ERR_OK: *ret is {"new","changed","same","kept_out","problems":[{"line","what","value",
 * "column"}]}; what: "missing", "long", "word", "number", "yes", "phone", "school", "namesakes",
 * "twice", "id", "personal", "staff". kept_out: numbers that wanted no more texts.
 * ERR_INVALID: no such list, a column is missing. ERR_LIMIT: too many rows. */
int list_import(struct duty *duty, const struct list_order *order, struct json **ret,
                struct err *err);

/* {"head":[],"rows":[[]]}: texts, with the numbers of people unless `masked`. As the county's
 * import takes it when `county`, else as people read it ("zh-CN" or "en"). NULL: no such list. */
struct json *list_export(struct replica *replica, const char *list, const char *lang, bool county,
                         bool masked);

#endif
