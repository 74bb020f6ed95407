/* The month's accounts, counted from events each time they are asked for: the same rows give the
 * same figures. A person-time is a duty with a real check-in. Minutes are those between check-in
 * and check-out; who never checked out has none ("open"), because no time is made up. */
#include "gateway/console/console.h"

#include <stdio.h>

#include "gateway/base/caltime.h"
#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/duty/cards.h"

enum { ROWS_MAX = 20000, DAYS_LONGEST = 31 };

/* Starts of shifts whose date can be in the month ?1 ("2026-09"): some days more on both sides. */
#define IN_MONTH                                                                                   \
    " s.start_at BETWEEN 1000 * unixepoch(?1 || '-01', '-2 days')"                                 \
    " AND 1000 * unixepoch(?1 || '-01', '+1 month', '+2 days') AND substr(s.date, 1, 7) = ?1"

/* Duties of the month with what became of them. ?1: "2026-09". Who stood there before the duty was
 * called off (the county's word can come late) has come. */
#define CHECKIN " FROM checkin c WHERE c.assignment_id = s.assignment_id AND c.kind = "
#define DUTIES                                                                                     \
    "WITH seen AS MATERIALIZED (SELECT s.*,"                                                       \
    " (SELECT min(c.at)" CHECKIN "'in') AS came_at, (SELECT max(c.at)" CHECKIN                     \
    "'out') AS left_at,"                                                                           \
    " (SELECT max(coalesce(c.late_min, 0))" CHECKIN "'in') AS late"                                \
    " FROM slot s WHERE" IN_MONTH "),"                                                             \
    " duty AS (SELECT *, person_kind IN ('police', 'auxiliary') AS officer,"                       \
    " CASE WHEN left_at > came_at THEN (left_at - came_at) / 60000 END AS minutes FROM seen"       \
    " WHERE published OR came_at IS NOT NULL) "

struct month {
    char name[8];     /* "2026-09" */
    int64_t from, to; /* wall ms: its first and last moment; 0, 0: no such month */
};

/* The month asked for, else the current one. */
static struct month month_of(struct replica *replica, const struct http_request *request)
{
    struct month month = {.from = 0};
    char day[CALTIME_DATE_SIZE + 8];
    const char *asked = http_query(request, "month");
    caltime_format_date(clock_wall_ms(replica_clock(replica)), day);
    text_copy(month.name, sizeof month.name, asked != NULL ? asked : day);
    snprintf(day, sizeof day, "%s-01", month.name);
    if (caltime_parse_date(day, &month.from)) {
        struct caltime end = caltime_local(caltime_midnight(month.from, DAYS_LONGEST));
        month.to = caltime_to_ms(end.year, end.month, 1, 0, 0) - 1;
    }
    return month;
}

/* One row of figures becomes members of the object; ends the query. */
static void add_figures(struct json *json, struct query *q, const char *const *names)
{
    bool found = query_row(q);
    for (int i = 0; names[i] != NULL; i++)
        json_set_int(json, names[i], found ? query_get_int(q, i) : 0);
    query_done(q);
}

static struct query *of_month(struct replica *replica, const char *sql, const struct month *month)
{
    struct query *q = replica_query(replica, sql);
    query_text(q, 1, month->name);
    return q;
}

static struct query *within_month(struct replica *replica, const char *sql,
                                  const struct month *month)
{
    struct query *q = replica_query(replica, sql);
    query_int(q, 1, month->from);
    query_int(q, 2, month->to);
    return q;
}

static void add_duties(struct json *json, struct replica *replica, const struct month *month)
{
    static const char *const names[] = {
        "planned", "person_times",    "on_time",       "late",
        "no_show", "excused",         "officer_times", "volunteer_times",
        "no_out",  "officer_minutes", "stood_in",      NULL};
    add_figures(json,
                of_month(replica,
                         DUTIES "SELECT count(*), count(came_at),"
                                " sum(came_at IS NOT NULL AND late = 0),"
                                " sum(came_at IS NOT NULL AND late > 0),"
                                " sum(came_at IS NULL AND state = 'no_show'),"
                                " sum(state = 'excused'), sum(officer AND came_at IS NOT NULL),"
                                " sum(NOT officer AND came_at IS NOT NULL),"
                                " sum(came_at IS NOT NULL AND minutes IS NULL),"
                                " sum(CASE WHEN officer THEN minutes END),"
                                " sum(came_at IS NOT NULL AND stands_in_for IS NOT NULL)"
                                " FROM duty WHERE state NOT IN ('cancelled', 'declined')",
                         month),
                names);
}

static void add_ledger(struct json *json, struct replica *replica, const struct month *month)
{
    static const char *const names[] = {"issues_found", "issues_closed", "issues_inside_closed",
                                        "issues_open", NULL};
    add_figures(json,
                within_month(replica,
                             "WITH closed AS (SELECT DISTINCT issue_id FROM issue_event"
                             " WHERE what = 'verify' AND at BETWEEN ?1 AND ?2)"
                             " SELECT (SELECT count(*) FROM issue WHERE found_at BETWEEN ?1"
                             "  AND ?2), (SELECT count(*) FROM closed),"
                             " (SELECT count(*) FROM closed c JOIN issue i ON i.id = c.issue_id"
                             "  WHERE i.place = 'inside'),"
                             " (SELECT count(*) FROM issue WHERE state NOT IN ('closed',"
                             "  'merged'))",
                             month),
                names);
}

static void add_activities(struct json *json, struct replica *replica, const struct month *month)
{
    static const char *const names[] = {"trainings",   "drills",        "activities", "attended",
                                        "inspections", "plans_started", "tasks",      NULL};
    add_figures(json,
                within_month(replica,
                             "WITH done AS (SELECT kind FROM card WHERE state = 'done'"
                             "  AND at BETWEEN ?1 AND ?2),"
                             " happened AS (SELECT what FROM card_event WHERE at BETWEEN ?1"
                             "  AND ?2)"
                             " SELECT (SELECT count(*) FROM done WHERE kind = 'training'),"
                             " (SELECT count(*) FROM done WHERE kind = 'drill'),"
                             " (SELECT count(*) FROM done),"
                             " (SELECT count(*) FROM happened WHERE what = 'attended'),"
                             " (SELECT count(*) FROM happened WHERE what = 'inspected'),"
                             " (SELECT count(*) FROM happened WHERE what = 'started'),"
                             " (SELECT count(*) FROM happened WHERE what = 'ticked')",
                             month),
                names);
}

static void add_rest(struct json *json, struct replica *replica, const struct month *month)
{
    static const char *const visits[] = {"visits", NULL};
    static const char *const names[] = {"alarms", "texts", "texts_most", NULL};
    add_figures(json,
                of_month(replica,
                         "SELECT count(DISTINCT school_id || date) FROM visit"
                         " WHERE substr(date, 1, 7) = ?1",
                         month),
                visits);
    add_figures(json,
                within_month(replica,
                             "WITH sent AS (SELECT count(*) AS n FROM outbox WHERE created_at"
                             " BETWEEN ?1 AND ?2 GROUP BY phone)"
                             " SELECT (SELECT count(*) FROM alarm WHERE raised_at BETWEEN ?1"
                             "  AND ?2), (SELECT sum(n) FROM sent), (SELECT max(n) FROM sent)",
                             month),
                names);
    json_set_int(json, "drills_due",
                 card_drills_due(replica, clock_wall_ms(replica_clock(replica))));
}

struct json *console_account(struct replica *replica, const struct http_request *request)
{
    struct month month = month_of(replica, request);
    struct json *json = json_new_object();
    json_set_text(json, "month", month.name);
    add_duties(json, replica, &month);
    add_ledger(json, replica, &month);
    add_activities(json, replica, &month);
    add_rest(json, replica, &month);
    json_set(json, "peaks",
             query_list(of_month(
                 replica,
                 "SELECT date, peak, count(*) AS posts, sum(there > 0) AS covered,"
                 " sum(there >= need) AS full FROM (SELECT s.date AS date, s.peak AS peak,"
                 " s.start_at AS start_at, coalesce(s.need, 1) AS need, (SELECT count(*) FROM"
                 " assignment a WHERE a.shift_id = s.id AND EXISTS (SELECT 1 FROM checkin c WHERE"
                 " c.assignment_id = a.id AND c.kind = 'in')) AS there FROM shift s WHERE" IN_MONTH
                 " AND s.state NOT IN ('draft', 'cancelled')) GROUP BY date, peak"
                 " ORDER BY date, min(start_at)",
                 &month)));
    json_set(json, "guards", card_guards(replica));
    json_set(json, "counts",
             query_list(of_month(
                 replica,
                 "SELECT s.code AS school, c.name AS name, json_extract(c.body, '$.number')"
                 " AS number FROM card c LEFT JOIN school s ON s.id = c.school_id"
                 " WHERE c.kind = 'count' AND json_extract(c.body, '$.month') = ?1"
                 " ORDER BY s.code, c.name",
                 &month)));
    return json;
}

struct json *console_account_people(struct replica *replica, const struct http_request *request)
{
    struct month month = month_of(replica, request);
    struct query *q =
        of_month(replica,
                 DUTIES "SELECT person_name AS name, person_kind AS kind, count(*) AS planned,"
                        " sum(came_at IS NOT NULL AND late = 0) AS on_time,"
                        " sum(came_at IS NOT NULL AND late > 0) AS late,"
                        " sum(came_at IS NULL AND state = 'no_show') AS no_show,"
                        " sum(state = 'excused') AS excused, coalesce(sum(minutes), 0) AS minutes,"
                        " sum(came_at IS NOT NULL AND minutes IS NULL) AS no_out,"
                        " (SELECT count(*) FROM issue i WHERE i.reporter_id = duty.person_id"
                        "  AND i.found_at BETWEEN ?4 AND ?5) AS issues"
                        " FROM duty WHERE state NOT IN ('cancelled', 'declined')"
                        " AND (?2 IS NULL OR officer = (?2 = 'officers'))"
                        " GROUP BY person_id ORDER BY officer DESC, person_name LIMIT ?3",
                 &month);
    query_text(q, 2, http_query(request, "who"));
    query_int(q, 3, ROWS_MAX);
    query_int(q, 4, month.from);
    query_int(q, 5, month.to);
    return query_list(q);
}

/* One line a duty with its times: an officer's sheet, and the record of volunteers' hours. */
struct json *console_account_duties(struct replica *replica, const struct http_request *request)
{
    struct month month = month_of(replica, request);
    struct query *q = of_month(
        replica,
        DUTIES
        "SELECT person_name AS name, person_kind AS kind, date, peak, school, post,"
        " start_at AS start, end_at AS end, came_at AS came, left_at AS left, late, minutes,"
        " state, (SELECT p.name FROM assignment a JOIN person p ON p.id = a.person_id"
        "  WHERE a.id = duty.stands_in_for) AS stood_in_for, (SELECT p.name FROM approval b"
        "  JOIN person p ON p.id = b.by_id WHERE b.assignment_id = duty.assignment_id)"
        " AS approved_by FROM duty"
        " WHERE state NOT IN ('cancelled', 'declined')"
        " AND (?2 IS NULL OR officer = (?2 = 'officers')) AND (?4 IS NULL OR person_name = ?4"
        "  OR person_id = ?4) ORDER BY person_name, start_at LIMIT ?3",
        &month);
    query_text(q, 2, http_query(request, "who"));
    query_int(q, 3, ROWS_MAX);
    query_text(q, 4, http_query(request, "person"));
    return query_list(q);
}
