/* Whether a school has a day of school; see schoolday.h. */
#include "gateway/duty/schoolday.h"

#include <stdio.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "sync/replica/replica.h"

static bool override_of(struct replica *replica, const char *school_id, const char *date,
                        struct school_day *day)
{
    struct query *q = replica_query(replica, "SELECT kind, coalesce(at_min, -1) FROM school_day"
                                             " WHERE school_id = ?1 AND date = ?2"
                                             " ORDER BY id DESC LIMIT 1");
    query_text(q, 1, school_id);
    query_text(q, 2, date);
    bool found = query_row(q);
    if (found) {
        const char *kind = query_get_text(q, 0);
        day->at_min = (int)query_get_int(q, 1);
        bool off = text_equal(kind, "off") || text_equal(kind, "holiday") ||
                   text_equal(kind, "closed") || (text_equal(kind, "storm") && day->at_min < 0);
        day->kind = off ? SCHOOL_DAY_OFF : day->at_min >= 0 ? SCHOOL_DAY_CHANGED : SCHOOL_DAY_ON;
    }
    query_done(q);
    return found;
}

static bool calendar_of(struct replica *replica, const char *date, struct school_day *day)
{
    struct query *q = replica_query(replica, "SELECT off, coalesce(follow_weekday, 0)"
                                             " FROM cal_day WHERE date = ?1 LIMIT 1");
    query_text(q, 1, date);
    bool found = query_row(q);
    if (found) {
        int follow = (int)query_get_int(q, 1);
        day->kind = query_get_int(q, 0) != 0 ? SCHOOL_DAY_OFF : SCHOOL_DAY_ON;
        if (follow >= 1 && follow <= 7)
            day->weekday = follow;
        else if (day->weekday > 5 && day->kind == SCHOOL_DAY_ON)
            day->kind = SCHOOL_DAY_UNKNOWN; /* a make-up day, but of which day's time table? */
    }
    query_done(q);
    return found;
}

static bool year_is_known(struct replica *replica, const char *date)
{
    char year[8];
    snprintf(year, sizeof year, "%.4s-%%", date);
    return replica_get_int(replica, 0, "SELECT EXISTS (SELECT 1 FROM cal_day WHERE date LIKE ?1)",
                           "s", year) != 0;
}

struct school_day school_day_of(struct replica *replica, const char *school_id, int64_t wall_ms)
{
    char date[CALTIME_DATE_SIZE];
    caltime_format_date(wall_ms, date);
    struct school_day day = {.weekday = caltime_local(wall_ms).weekday, .at_min = -1};
    if (override_of(replica, school_id, date, &day))
        return day;
    if (calendar_of(replica, date, &day))
        return day;
    if (!year_is_known(replica, date))
        day.kind = SCHOOL_DAY_UNKNOWN;
    else
        day.kind = day.weekday <= 5 ? SCHOOL_DAY_ON : SCHOOL_DAY_OFF;
    return day;
}
