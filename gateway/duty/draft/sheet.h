/* A week's roster as a sheet: out to a spreadsheet or to paper, and back in as a draft.
 *
 * A sheet changes only the shifts that it names (post, date and peak); the others of the week stay
 * in the draft as they are published. Rows whose shift has begun are left alone. One wrong row
 * keeps the whole sheet out, and every wrong row is named. */
#ifndef TOUYAN_DUTY_SHEET_H
#define TOUYAN_DUTY_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"

struct replica;

enum { SHEET_ROWS_MAX = 8000, SHEET_PROBLEMS_MAX = 50 };

/* One object a place: {"date","weekday" (1 Monday),"peak","start_at","end_at","school_code",
 * "school","post","post_kind","need","missing" (places of the shift with nobody),"person",
 * "person_id","force","lead","route" (a patrol's: schools in the order of their bells),"tasks"
 * (what else is done from the post)}, of the
 * week that begins at monday_ms; draft: of the draft, whatever its week;
 * of a draft for several stations the part of this one, or all for who planned it. */
struct json *sheet_export(struct replica *replica, const char *station_id, int64_t monday_ms,
                          bool draft);

struct sheet_options {
    const char *station_id;
    const char *lang; /* of the reasons in the draft */
    int64_t now_ms;
};

/* Inside a handler of its own, to be left with what this returns. rows: [{"line","date" (ISO),
 * "peak","school","post","person","lead","start_min","end_min","need"}], of one week.
 * ERR_OK: it is the draft; *ret {"week","rows","past","problems":[]}. ERR_INVALID: *ret lists
 * {"line","what","value"}, at most SHEET_PROBLEMS_MAX; what: "date", "week", "peak", "school",
 * "post", "person", "namesakes", "hours", "need", "twice". ERR_LIMIT: too many rows. */
int sheet_import(struct replica *replica, const struct sheet_options *options,
                 const struct json *rows, struct json **ret, struct err *err);

/* Inside a handler: takes the sheet as the week that later ones are held against. Errors as above.
 */
int sheet_import_baseline(struct replica *replica, const struct sheet_options *options,
                          const struct json *rows, struct json **ret, struct err *err);

/* {"week","post_was","post_now","saved","way_was","way_now","way_saved"}: minutes on posts, and
 * apart from them on the way there and back, per officer of the station and day with duties, in the
 * baseline and in the week that begins at monday_ms as it is published; {} without a baseline. */
struct json *sheet_saved(struct replica *replica, const char *station_id, int64_t monday_ms);

#endif
