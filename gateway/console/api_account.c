/* The month's accounts, counted from events each time they are asked for: the same rows give the
 * same figures. A person-time is a duty with a real check-in. Minutes are those between check-in
 * and check-out; who never checked out has none ("open"), because no time is made up. */
#include "gateway/console/console.h"

#include "gateway/base/caltime.h"
#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/duty/cards.h"

enum { MONTH_SIZE = 8, ROWS_MAX = 20000 };

/* Duties of the month with what became of them. ?1: "2026-09" */
#define DUTIES                                                                                     \
    "WITH came AS (SELECT assignment_id, min(CASE kind WHEN 'in' THEN at END) AS came_at,"         \
    " max(CASE kind WHEN 'out' THEN at END) AS left_at,"                                           \
    " max(CASE kind WHEN 'in' THEN coalesce(late_min, 0) END) AS late FROM checkin"                \
    " GROUP BY assignment_id),"                                                                    \
    " duty AS (SELECT s.*, c.came_at, c.left_at, c.late,"                                          \
    " s.person_kind IN ('police', 'auxiliary') AS officer,"                                        \
    " CASE WHEN c.came_at IS NOT NULL AND c.left_at > c.came_at"                                   \
    "  THEN (c.left_at - c.came_at) / 60000 END AS minutes"                                        \
    " FROM slot s LEFT JOIN came c ON c.assignment_id = s.assignment_id"                           \
    " WHERE substr(s.date, 1, 7) = ?1 AND s.published) "

/* The month asked for, else the current one. */
static void month_of(struct replica *replica, const struct http_request *request,
                     char ret[MONTH_SIZE])
{
    char today[CALTIME_DATE_SIZE];
    const char *asked = http_query(request, "month");
    caltime_format_date(clock_wall_ms(replica_clock(replica)), today);
    text_copy(ret, MONTH_SIZE, asked != NULL ? asked : today);
}

static struct json *list(struct replica *replica, const char *sql, const char *month)
{
    struct query *q = replica_query(replica, sql);
    query_text(q, 1, month);
    return query_list(q);
}

/* One row of figures becomes members of the object. */
static void add_figures(struct json *json, struct replica *replica, const char *sql,
                        const char *const *names, const char *month)
{
    struct query *q = replica_query(replica, sql);
    query_text(q, 1, month);
    bool found = query_row(q);
    for (int i = 0; names[i] != NULL; i++)
        json_set_int(json, names[i], found ? query_get_int(q, i) : 0);
    query_done(q);
}

static void add_duties(struct json *json, struct replica *replica, const char *month)
{
    static const char *const names[] = {
        "planned", "person_times",    "on_time",       "late",
        "no_show", "excused",         "officer_times", "volunteer_times",
        "no_out",  "officer_minutes", "stood_in",      NULL};
    add_figures(json, replica,
                DUTIES "SELECT count(*), count(came_at), sum(came_at IS NOT NULL AND late = 0),"
                       " sum(came_at IS NOT NULL AND late > 0),"
                       " sum(came_at IS NULL AND state = 'no_show'), sum(state = 'excused'),"
                       " sum(officer AND came_at IS NOT NULL),"
                       " sum(NOT officer AND came_at IS NOT NULL),"
                       " sum(came_at IS NOT NULL AND minutes IS NULL),"
                       " sum(CASE WHEN officer THEN minutes END),"
                       " sum(came_at IS NOT NULL AND stands_in_for IS NOT NULL)"
                       " FROM duty WHERE state NOT IN ('cancelled', 'declined')",
                names, month);
}

#define IN_MONTH(column)                                                                           \
    "strftime('%Y-%m', " column " / 1000 + 28800, 'unixepoch') = ?1" /* UTC+8 all year */

static void add_ledger(struct json *json, struct replica *replica, const char *month)
{
    static const char *const names[] = {"issues_found", "issues_closed", "issues_open",
                                        "issues_inside_closed", NULL};
    add_figures(
        json, replica,
        "SELECT (SELECT count(*) FROM issue WHERE " IN_MONTH(
            "found_at") "),"
                        " (SELECT count(DISTINCT issue_id) FROM issue_event WHERE what = 'verify' "
                        "AND " IN_MONTH("at") "),"
                                              " (SELECT count(*) FROM issue WHERE state NOT IN "
                                              "('closed', 'merged')"
                                              "  AND ?1 <> ''),"
                                              " (SELECT count(DISTINCT e.issue_id) FROM "
                                              "issue_event e JOIN issue i ON"
                                              "  i.id = e.issue_id WHERE e.what = 'verify' AND "
                                              "i.place = 'inside' AND " IN_MONTH("e.at") ")",
        names, month);
}

static void add_work(struct json *json, struct replica *replica, const char *month)
{
    static const char *const names[] = {"visits",   "trainings",   "drills", "activities",
                                        "attended", "inspections", "alarms", "plans_started",
                                        "texts",    "texts_most",  NULL};
    add_figures(json, replica,
                "WITH done AS (SELECT kind FROM card WHERE state = 'done' AND at IS NOT NULL "
                "AND " IN_MONTH("at") "), sent AS (SELECT phone, count(*) AS n FROM outbox "
                                      "WHERE " IN_MONTH(
                                          "created_at") " GROUP BY phone)"
                                                        " SELECT (SELECT count(DISTINCT school_id "
                                                        "|| date) FROM visit WHERE substr(date, 1, "
                                                        "7)"
                                                        "  = ?1), (SELECT count(*) FROM done WHERE "
                                                        "kind = 'training'),"
                                                        " (SELECT count(*) FROM done WHERE kind = "
                                                        "'drill'), (SELECT count(*) FROM done),"
                                                        " (SELECT count(*) FROM card_event WHERE "
                                                        "what = 'attended' AND " IN_MONTH(
                                                            "at") "),"
                                                                  " (SELECT count(*) FROM "
                                                                  "card_event WHERE what = "
                                                                  "'inspected' AND " IN_MONTH(
                                                                      "at") "),"
                                                                            " (SELECT count(*) "
                                                                            "FROM alarm "
                                                                            "WHERE " IN_MONTH(
                                                                                "raised_at") "),"
                                                                                             " ("
                                                                                             "SELEC"
                                                                                             "T "
                                                                                             "count"
                                                                                             "(*) "
                                                                                             "FROM "
                                                                                             "card_"
                                                                                             "event"
                                                                                             " WHER"
                                                                                             "E "
                                                                                             "what "
                                                                                             "= "
                                                                                             "'star"
                                                                                             "ted' "
                                                                                             "AND"
                                                                                             " " IN_MONTH(
                                                                                                 "a"
                                                                                                 "t") "),"
                                                                                                      " (SELECT sum(n) FROM sent), (SELECT max(n) FROM sent)",
                names, month);
}

struct json *console_account(struct replica *replica, const struct http_request *request)
{
    char month[MONTH_SIZE];
    struct json *json = json_new_object();
    month_of(replica, request, month);
    json_set_text(json, "month", month);
    add_duties(json, replica, month);
    add_ledger(json, replica, month);
    add_work(json, replica, month);
    json_set_int(json, "drills_due",
                 card_drills_due(replica, clock_wall_ms(replica_clock(replica))));
    json_set(json, "peaks",
             list(replica,
                  DUTIES "SELECT s.date AS date, s.peak AS peak, count(*) AS posts, sum(EXISTS"
                         " (SELECT 1 FROM duty d WHERE d.shift_id = s.id AND d.came_at IS NOT"
                         "  NULL)) AS covered, sum((SELECT count(*) FROM duty d WHERE"
                         "  d.shift_id = s.id AND d.came_at IS NOT NULL) >= coalesce(s.need, 1))"
                         " AS full FROM shift s WHERE substr(s.date, 1, 7) = ?1"
                         " AND s.state NOT IN ('draft', 'cancelled') GROUP BY s.date, s.peak"
                         " ORDER BY s.date, min(s.start_at)",
                  month));
    json_set(json, "counts",
             list(replica,
                  "SELECT s.code AS school, c.name AS name, json_extract(c.body, '$.number')"
                  " AS number FROM card c LEFT JOIN school s ON s.id = c.school_id"
                  " WHERE c.kind = 'count' AND json_extract(c.body, '$.month') = ?1"
                  " ORDER BY s.code, c.name",
                  month));
    return json;
}

struct json *console_account_people(struct replica *replica, const struct http_request *request)
{
    char month[MONTH_SIZE];
    month_of(replica, request, month);
    struct query *q = replica_query(
        replica,
        DUTIES "SELECT person_name AS name, person_kind AS kind, count(*) AS planned,"
               " sum(came_at IS NOT NULL AND late = 0) AS on_time,"
               " sum(came_at IS NOT NULL AND late > 0) AS late,"
               " sum(came_at IS NULL AND state = 'no_show') AS no_show,"
               " sum(state = 'excused') AS excused, coalesce(sum(minutes), 0) AS minutes,"
               " sum(came_at IS NOT NULL AND minutes IS NULL) AS no_out,"
               " (SELECT count(*) FROM issue i WHERE i.reporter_id = duty.person_id"
               "  AND " IN_MONTH(
                   "i.found_at") ") AS issues"
                                 " FROM duty WHERE state NOT IN ('cancelled', 'declined')"
                                 " AND (?2 IS NULL OR officer = (?2 = 'officers'))"
                                 " GROUP BY person_id ORDER BY officer DESC, person_name LIMIT ?3");
    query_text(q, 1, month);
    query_text(q, 2, http_query(request, "who"));
    query_int(q, 3, ROWS_MAX);
    return query_list(q);
}

/* One line a duty with its times: an officer's sheet, and the record of volunteers' hours. */
struct json *console_account_duties(struct replica *replica, const struct http_request *request)
{
    char month[MONTH_SIZE];
    month_of(replica, request, month);
    struct query *q = replica_query(
        replica, DUTIES
        "SELECT person_name AS name, person_kind AS kind, date, peak, school, post,"
        " start_at AS start, end_at AS end, came_at AS came, left_at AS left, late, minutes,"
        " state, (SELECT p.name FROM assignment a JOIN person p ON p.id = a.person_id"
        "  WHERE a.id = duty.stands_in_for) AS stood_in_for FROM duty"
        " WHERE state NOT IN ('cancelled', 'declined')"
        " AND (?2 IS NULL OR officer = (?2 = 'officers')) AND (?4 IS NULL OR person_name = ?4"
        "  OR person_id = ?4) ORDER BY person_name, start_at LIMIT ?3");
    query_text(q, 1, month);
    query_text(q, 2, http_query(request, "who"));
    query_int(q, 3, ROWS_MAX);
    query_text(q, 4, http_query(request, "person"));
    return query_list(q);
}
