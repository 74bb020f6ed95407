/* Days that are not as the roster thought. When the county's word comes that a school is closed on
 * a day (storm, holiday, a week off), what was published for it and has not begun is called off:
 * each person concerned hears once (N3, publish.c), the desk how many it were. Triggers name the
 * days whose rows changed, so that an ordinary tick looks at nothing.
 *
 * An exam day has posts all day instead of around the bells, and its service desk: three watches a
 * post, written as published shifts without people, which the next plan fills. Only a day that the
 * county's calendar names as one can be that. */
#include "gateway/duty/calendar.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/internal.h"

enum { NOON = 12 * 60, AFTERNOON = 14 * 60, WATCH_LEAST = 30 };

/* --- closed --- */

#define OFF_DAY                                                                                    \
    "(EXISTS (SELECT 1 FROM school_day d WHERE d.school_id = po.school_id AND d.date = s.date"     \
    "  AND d.kind IN ('off', 'holiday', 'closed', 'storm') AND d.at_min IS NULL)"                  \
    " OR (EXISTS (SELECT 1 FROM cal_day c WHERE c.date = s.date AND c.off <> 0)"                   \
    "  AND NOT EXISTS (SELECT 1 FROM school_day d WHERE d.school_id = po.school_id"                \
    "   AND d.date = s.date)))"

static int64_t close_day(struct duty *duty, const char *date)
{
    char body[DUTY_LIST_SIZE];
    int64_t count =
        replica_run(duty->replica,
                    "UPDATE shift SET state = 'cancelled' WHERE id IN (SELECT s.id FROM shift s"
                    " JOIN post po ON po.id = s.post_id WHERE s.date = ?1 AND s.start_at > ?2"
                    " AND s.state NOT IN ('draft', 'cancelled') AND " OFF_DAY ")",
                    "si", date, duty->now_ms);
    replica_run(duty->replica, "DELETE FROM calendar_touch WHERE date = ?1", "s", date);
    if (count <= 0)
        return DUTY_NEVER;
    log_info("duty.closed", "date=%s shifts=%lld", date, (long long)count);
    snprintf(body, sizeof body, "%s: %lld", date, (long long)count);
    desk_put(duty, "storm", NULL, NULL, date, body);
    return DUTY_NEVER;
}

int64_t calendar_tick(struct duty *duty)
{
    struct query *q = replica_query(duty->replica, "SELECT date FROM calendar_touch LIMIT ?1");
    query_int(q, 1, DUTY_SLICE);
    return rows_each(duty, q, close_day);
}

/* --- exams --- */

static int add_watch(struct duty *duty, const struct exam_day *day, const char *peak, int from,
                     int to)
{
    int64_t midnight;
    if (to - from < WATCH_LEAST || !caltime_parse_date(day->date, &midnight))
        return 0;
    return (int)replica_run(
        duty->replica,
        "INSERT INTO shift(id, scope, post_id, date, peak, start_at, end_at, need, state)"
        " SELECT po.id || '.' || ?2 || '.' || ?3, coalesce(sc.station_id, sc.scope), po.id, ?2, ?3,"
        " ?4, ?5, coalesce(po.need, 1), 'published' FROM post po JOIN school sc ON"
        " sc.id = po.school_id WHERE po.school_id = ?1 AND coalesce(po.active, 1) <> 0"
        " ON CONFLICT(id) DO UPDATE SET start_at = excluded.start_at, end_at = excluded.end_at,"
        " state = 'published' WHERE shift.start_at > ?6",
        "sssiii", day->school, day->date, peak, midnight + from * (int64_t)CALTIME_MINUTE_MS,
        midnight + to * (int64_t)CALTIME_MINUTE_MS, duty->now_ms);
}

int calendar_exam(struct duty *duty, const struct exam_day *order, int *ret_shifts, struct err *err)
{
    char school_id[DUTY_ID_SIZE];
    int from, to;
    int64_t midnight;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!school_named(duty, order->school, school_id))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station",
                       order->school);
    if (!caltime_parse_date(order->date, &midnight) || !caltime_parse_clock(order->from, &from) ||
        !caltime_parse_clock(order->to, &to) || from >= to)
        return err_set(err, ERR_INVALID,
                       "write the day as 2026-06-07 and the times as 07:30 18:00");
    if (replica_get_int(duty->replica, 0,
                        "SELECT 1 FROM school_day WHERE school_id = ?1 AND date = ?2"
                        " AND kind = 'exam'",
                        "ss", school_id, order->date) == 0)
        return err_set(err, ERR_STATE, "the county's calendar has no exam there on %s",
                       order->date);
    struct exam_day day = *order;
    day.school = school_id;
    *ret_shifts =
        add_watch(duty, &day, "am", from, to < NOON ? to : NOON) +
        add_watch(duty, &day, "noon", from > NOON ? from : NOON, to < AFTERNOON ? to : AFTERNOON) +
        add_watch(duty, &day, "pm", from > AFTERNOON ? from : AFTERNOON, to);
    return ERR_OK;
}
