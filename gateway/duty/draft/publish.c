/* The draft against what is published, and its way there.
 *
 * Storing is plain inserts: all thinking was done before. Differences are person-shifts that have
 * not begun: added (in the draft alone), removed (published alone), moved (in both, at another
 * time). Publishing writes exactly those rows, so a draft
 * without differences writes nothing; the duty flow then tells the people concerned (N1 to N3).
 * Nobody gets a duty again that he declined, was excused from or has given to somebody else. */
#include "gateway/duty/draft/internal.h"

#include <string.h>

#include "gateway/base/text.h"

#define LIVE "(a.state IN ('planned', 'asked', 'confirmed', 'swapping'))"
/* Published shifts of the draft's station and week that have not begun; ?1: now. */
#define AHEAD                                                                                      \
    " s.start_at > ?1 AND s.state NOT IN ('draft', 'cancelled')"                                   \
    " AND s.date BETWEEN (SELECT week FROM draft)"                                                 \
    " AND (SELECT date(week, '+6 days') FROM draft)"                                               \
    " AND (SELECT c.station_id FROM post p JOIN school c ON c.id = p.school_id"                    \
    "  WHERE p.id = s.post_id) IN (SELECT station_id FROM draft UNION ALL SELECT id FROM org"      \
    "  WHERE parent_id = (SELECT station_id FROM draft))"

#define ADDED                                                                                      \
    " FROM draft_duty u JOIN draft_shift d ON d.id = u.shift_id WHERE d.start_at > ?1"             \
    " AND NOT EXISTS (SELECT 1 FROM assignment a JOIN shift s ON s.id = a.shift_id"                \
    "  WHERE a.shift_id = d.id AND a.person_id = u.person_id"                                      \
    "  AND (a.state <> 'cancelled' OR " DRAFT_GIVEN_AWAY ")"                                       \
    "  AND (s.state NOT IN ('draft', 'cancelled') OR NOT " LIVE "))"

#define REMOVED                                                                                    \
    " FROM assignment a JOIN shift s ON s.id = a.shift_id WHERE " LIVE " AND" AHEAD                \
    " AND NOT EXISTS (SELECT 1 FROM draft_duty u WHERE u.shift_id = s.id"                          \
    "  AND u.person_id = a.person_id)"

#define MOVED                                                                                      \
    " FROM draft_duty u JOIN draft_shift d ON d.id = u.shift_id JOIN shift s ON s.id = d.id"       \
    " JOIN assignment a ON a.shift_id = s.id AND a.person_id = u.person_id WHERE " LIVE            \
    " AND s.start_at > ?1 AND s.state NOT IN ('draft', 'cancelled')"                               \
    " AND (s.start_at <> d.start_at OR s.end_at <> d.end_at)"

void draft_empty(struct replica *replica)
{
    replica_run(replica, "DELETE FROM draft_visit", "");
    replica_run(replica, "DELETE FROM draft_duty", "");
    replica_run(replica, "DELETE FROM draft_shift", "");
    replica_run(replica, "DELETE FROM draft", "");
}

static void store_visits(struct replica *replica, const struct draft *draft)
{
    for (int i = 0; i < draft->roster.visits; i++) {
        const struct roster_visit *visit = &draft->roster.visit[i];
        const struct draft_person *senior = NULL;
        char date[CALTIME_DATE_SIZE];
        for (int p = 0; senior == NULL && p < draft->people; p++)
            if (draft->person[p].senior && draft->person[p].index == visit->officer)
                senior = &draft->person[p];
        caltime_format_date(caltime_midnight(draft->monday_ms, visit->shift / DRAFT_PEAKS), date);
        if (senior != NULL)
            replica_run(replica,
                        "INSERT INTO draft_visit(senior_id, school_id, date, peak)"
                        " VALUES (?1, ?2, ?3, ?4)",
                        "ssss", senior->id, draft->school[visit->school].id, date,
                        draft_peak_name(visit->shift % DRAFT_PEAKS));
    }
}

void draft_store(struct replica *replica, const struct draft *draft)
{
    draft_empty(replica);
    replica_run(replica,
                "INSERT INTO draft(id, station_id, week, made_at, calendar_known, cost,"
                " visits_missing) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
                "ssiiii", draft->station_id, draft->week, draft->now_ms,
                (int64_t)draft->calendar_known, draft->cost, (int64_t)draft->visits_missing);
    store_visits(replica, draft);
    for (int i = 0; i < draft->places; i++) {
        const struct draft_place *place = &draft->place[i];
        if (!place->over)
            replica_run(replica,
                        "INSERT INTO draft_shift(id, post_id, date, peak, start_at, end_at, need,"
                        " why, level) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, ''), ?9)",
                        "ssssiiiss", place->shift_id, place->post_id, place->date,
                        draft_peak_name(place->shift % DRAFT_PEAKS), place->start_at, place->end_at,
                        (int64_t)place->need, place->why, draft_level_name(place->level));
    }
    for (int i = 0; i < draft->rows; i++) {
        const struct draft_row *row = &draft->row[i];
        replica_run(replica,
                    "INSERT INTO draft_duty(shift_id, person_id, role, why)"
                    " VALUES (?1, ?2, ?3, ?4)",
                    "ssis", draft->place[row->place].shift_id, draft->person[row->person].id,
                    (int64_t)row->leads, row->why);
    }
}

struct draft_diff draft_compare(struct replica *replica, int64_t now_ms)
{
    struct draft_diff diff = {.added = 0};
    if (!replica_get_text(replica, diff.week, sizeof diff.week, "SELECT week FROM draft", ""))
        return diff;
    diff.calendar_known = replica_get_int(replica, 0, "SELECT calendar_known FROM draft", "") != 0;
    diff.added = (int)replica_get_int(replica, 0, "SELECT count(*)" ADDED, "i", now_ms);
    diff.removed = (int)replica_get_int(replica, 0, "SELECT count(*)" REMOVED, "i", now_ms);
    diff.moved = (int)replica_get_int(replica, 0, "SELECT count(*)" MOVED, "i", now_ms);
    diff.gaps = (int)replica_get_int(
        replica, 0,
        "SELECT sum(max(0, need - (SELECT count(*) FROM draft_duty u WHERE u.shift_id = d.id)))"
        " FROM draft_shift d WHERE d.start_at > ?1",
        "i", now_ms);
    return diff;
}

/* Only shifts that are new or differ, so that no row is sent to the county for nothing. */
static void write_shifts(struct replica *replica, const char *station_id, int64_t now_ms)
{
    replica_run(replica,
                "INSERT INTO shift(id, scope, post_id, date, peak, start_at, end_at, need, state)"
                " SELECT d.id, ?2, d.post_id, d.date, d.peak, d.start_at, d.end_at, d.need,"
                " 'published' FROM draft_shift d WHERE d.start_at > ?1 AND NOT EXISTS"
                " (SELECT 1 FROM shift s WHERE s.id = d.id)",
                "is", now_ms, station_id);
    replica_run(replica,
                "UPDATE shift SET start_at = d.start_at, end_at = d.end_at, need = d.need,"
                " state = 'published' FROM draft_shift d WHERE d.id = shift.id"
                " AND d.start_at > ?1 AND (shift.start_at IS NOT d.start_at"
                " OR shift.end_at IS NOT d.end_at OR shift.need IS NOT d.need"
                " OR shift.state IN ('draft', 'cancelled'))",
                "i", now_ms);
}

static void write_duties(struct replica *replica, const char *station_id, int64_t now_ms)
{
    replica_run(replica,
                "UPDATE assignment SET state = 'cancelled' WHERE id IN (SELECT a.id" REMOVED ")",
                "i", now_ms);
    /* who was taken off before and is on again */
    replica_run(replica,
                "UPDATE assignment SET state = 'planned', role = u.role, asked_at = NULL,"
                " answered_at = NULL FROM draft_duty u JOIN draft_shift d ON d.id = u.shift_id"
                " WHERE assignment.shift_id = u.shift_id AND assignment.person_id = u.person_id"
                " AND d.start_at > ?1 AND assignment.id = (SELECT min(a.id) FROM assignment a"
                "  WHERE a.shift_id = u.shift_id AND a.person_id = u.person_id"
                "  HAVING max(a.state <> 'cancelled' OR " DRAFT_GIVEN_AWAY ") = 0)",
                "i", now_ms);
    replica_run(replica,
                "INSERT INTO assignment(id, scope, shift_id, person_id, role, state)"
                " SELECT u.shift_id || '.' || u.person_id, ?2, u.shift_id, u.person_id, u.role,"
                " 'planned'" ADDED " ON CONFLICT(id) DO UPDATE SET state = 'planned',"
                " role = excluded.role, asked_at = NULL, answered_at = NULL",
                "is", now_ms, station_id);
}

/* Published visits of the draft's week and station; those of days that are over stay. */
#define PLANNED                                                                                    \
    "SELECT v.senior_id, v.school_id, v.date, v.peak FROM visit_plan v WHERE v.date BETWEEN"       \
    " (SELECT week FROM draft) AND (SELECT date(week, '+6 days') FROM draft)"                      \
    " AND v.school_id IN (SELECT id FROM school WHERE station_id ="                                \
    "  (SELECT station_id FROM draft))"
#define PLANNED_AHEAD PLANNED " AND v.date >= date((?1 + 28800000) / 1000, 'unixepoch')"
#define DRAFTED "SELECT senior_id, school_id, date, peak FROM draft_visit"

/* Whose visits are others than before hears of all of his week. */
static void write_visits(struct replica *replica, int64_t now_ms)
{
    replica_run(replica,
                "INSERT INTO visit_touch(senior_id, week) SELECT DISTINCT senior_id,"
                " (SELECT week FROM draft) FROM (SELECT * FROM (" DRAFTED " EXCEPT " PLANNED
                ") UNION ALL SELECT * FROM (" PLANNED_AHEAD " EXCEPT " DRAFTED
                ")) WHERE true ON CONFLICT DO NOTHING",
                "i", now_ms);
    replica_run(replica,
                "DELETE FROM visit_plan WHERE (senior_id, school_id, date, peak) IN"
                " (" PLANNED_AHEAD ")",
                "i", now_ms);
    replica_run(replica,
                "INSERT INTO visit_plan(senior_id, school_id, date, peak) " DRAFTED " WHERE true"
                " ON CONFLICT DO UPDATE SET school_id = excluded.school_id",
                "");
}

int draft_publish(struct replica *replica, const char *station_id, int64_t now_ms,
                  struct draft_diff *ret, struct err *err)
{
    struct draft_diff diff = draft_compare(replica, now_ms);
    if (diff.week[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, "there is no draft; plan one first");
    if (replica_get_int(replica, 0,
                        "SELECT count(*) FROM draft_shift d JOIN post p ON p.id = d.post_id"
                        " JOIN school c ON c.id = p.school_id WHERE c.station_id <> ?1",
                        "s", station_id) > 0)
        return err_set(err, ERR_STATE,
                       "this plan is for several stations: each takes its part as a sheet (touyan "
                       "roster export draft STATION) and publishes it");
    write_shifts(replica, station_id, now_ms);
    write_duties(replica, station_id, now_ms);
    write_visits(replica, now_ms);
    /* Published shifts that the draft no longer has: the school has that day off. */
    replica_run(
        replica,
        "UPDATE shift SET state = 'cancelled' WHERE id IN (SELECT s.id FROM shift s WHERE" AHEAD
        " AND NOT EXISTS (SELECT 1 FROM draft_shift d WHERE d.id = s.id))",
        "i", now_ms);
    draft_empty(replica);
    *ret = diff;
    return ERR_OK;
}

/* --- to be looked at --- */

static struct json *head(struct replica *replica, int64_t now_ms)
{
    struct json *json = json_new_object();
    struct draft_diff diff = draft_compare(replica, now_ms);
    if (diff.week[0] == '\0')
        return json;
    json_set_text(json, "week", diff.week);
    json_set_int(json, "made_at", replica_get_int(replica, 0, "SELECT made_at FROM draft", ""));
    json_set_bool(json, "calendar_known", diff.calendar_known);
    json_set_int(json, "changes", diff.added + diff.removed + diff.moved);
    json_set_int(json, "added", diff.added);
    json_set_int(json, "removed", diff.removed);
    json_set_int(json, "moved", diff.moved);
    json_set_int(json, "gaps", diff.gaps);
    json_set_int(json, "visits_missing",
                 replica_get_int(replica, 0, "SELECT visits_missing FROM draft", ""));
    return json;
}

static struct json *people_json(struct replica *replica, const char *shift_id)
{
    struct query *q =
        replica_query(replica, "SELECT p.name, p.kind, u.role, u.why, p.id FROM draft_duty u"
                               " JOIN person p ON p.id = u.person_id WHERE u.shift_id = ?1"
                               " ORDER BY u.role DESC, p.id");
    query_text(q, 1, shift_id);
    return query_list(q);
}

struct json *draft_show(struct replica *replica, int64_t now_ms)
{
    struct json *json = head(replica, now_ms);
    if (json_size(json) == 0)
        return json;
    struct json *list = query_list(replica_query(
        replica, "SELECT d.id, d.date, d.peak, d.start_at, d.end_at,"
                 " coalesce(nullif(c.short, ''), c.name) AS school,"
                 " coalesce(nullif(p.short, ''), p.name) AS post,"
                 " d.need, d.level, d.why FROM draft_shift d LEFT JOIN post p ON p.id = d.post_id"
                 " LEFT JOIN school c ON c.id = p.school_id ORDER BY d.start_at, d.id"));
    for (size_t i = 0; i < json_count(list); i++) {
        struct json *one = json_at(list, i);
        json_set(one, "people", people_json(replica, json_text(one, "id", "")));
    }
    json_set(json, "shifts", list);
    json_set(json, "visits",
             query_list(replica_query(
                 replica, "SELECT v.date, v.peak, coalesce(nullif(c.short, ''), c.name) AS school,"
                          " p.name AS person FROM draft_visit v JOIN school c ON c.id = v.school_id"
                          " JOIN person p ON p.id = v.senior_id ORDER BY v.date, v.peak, c.code")));
    return json;
}

#define LINE(what, of, shift, person)                                                              \
    "SELECT '" what "' AS what, " shift ".date AS date, " shift ".start_at AS start_at, " shift    \
    ".post_id AS post_id, " person ".person_id AS person_id" of
#define LINES                                                                                      \
    LINE("added", ADDED, "d", "u")                                                                 \
    " UNION ALL " LINE("removed", REMOVED, "s", "a") " UNION ALL " LINE("moved", MOVED, "d", "u")

struct json *draft_show_diff(struct replica *replica, int64_t now_ms)
{
    struct json *json = head(replica, now_ms);
    if (json_size(json) == 0)
        return json;
    struct query *q = replica_query(
        replica,
        "SELECT l.what, l.date, l.start_at, coalesce(nullif(c.short, ''), c.name) AS school,"
        " coalesce(nullif(p.short, ''), p.name) AS post, n.name AS person FROM (" LINES
        ") l LEFT JOIN post p ON p.id = l.post_id"
        " LEFT JOIN school c ON c.id = p.school_id LEFT JOIN person n ON n.id = l.person_id"
        " ORDER BY l.start_at, l.post_id, l.what, n.name");
    query_int(q, 1, now_ms);
    json_set(json, "lines", query_list(q));
    return json;
}
