/* Sheets of a week; see sheet.h.
 *
 * In: the rows are staged as text, matched with the station's own schools, posts and people by the
 * database, and judged by it. When all are right, the draft is what is published with the sheet's
 * shifts in place of their own; who then stands at two posts at once is a wrong row after all, and
 * the handler is taken back. */
#include "gateway/duty/draft/sheet.h"

#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "gateway/duty/draft/internal.h"

#define LIVE "a.state NOT IN ('cancelled', 'declined', 'excused')"
#define PUBLISHED "s.state NOT IN ('draft', 'cancelled')"
#define OFFICER "p.kind IN ('police', 'auxiliary')"

/* --- out --- */

/* A patrol passes the station's schools in the order of their bells. */
#define ROUTE                                                                                      \
    "iif(po.kind = 'patrol', (SELECT group_concat(name || ' ' || at, ' → ') FROM"                \
    " (SELECT coalesce(nullif(k.short, ''), k.name) AS name,"                                      \
    "  printf('%02d:%02d', min(b.at_min) / 60, min(b.at_min) % 60) AS at"                          \
    "  FROM bell b JOIN school k ON k.id = b.school_id WHERE k.station_id = c.station_id"          \
    "  AND b.peak = s.peak AND coalesce(b.weekdays, 127) >> ((strftime('%w', s.date) + 6) % 7) & " \
    "1"                                                                                            \
    "  GROUP BY k.id ORDER BY min(b.at_min), k.code)), NULL)"

/* What else is done from the post (一岗多能). */
#define TASKS                                                                                      \
    "(SELECT group_concat(name, ' □') FROM (SELECT t.name FROM card t WHERE t.kind = 'task'"     \
    " AND t.state = 'on' AND t.school_id = po.school_id AND coalesce(json_extract(t.body,"         \
    " '$.post'), '') IN ('', po.id, po.name, coalesce(po.short, '')) ORDER BY length(t.code),"     \
    " t.code))"

#define SHEET_COLUMNS                                                                              \
    " s.date, (strftime('%w', s.date) + 6) % 7 + 1 AS weekday, s.peak, s.start_at, s.end_at,"      \
    " c.code AS school_code, coalesce(nullif(c.short, ''), c.name) AS school,"                     \
    " coalesce(nullif(po.short, ''), po.name) AS post, po.kind AS post_kind,"                      \
    " coalesce(s.need, 1) AS need, p.name AS person, p.id AS person_id, p.kind AS force,"          \
    " coalesce(a.role, 0) AS lead, " ROUTE " AS route, " TASKS " AS tasks,"
#define SHEET_PLACE                                                                                \
    " JOIN post po ON po.id = s.post_id JOIN school c ON c.id = po.school_id"                      \
    " LEFT JOIN person p ON p.id = a.person_id"
#define SHEET_ORDER " ORDER BY s.date, s.start_at, c.code, po.id, a.role DESC, p.id LIMIT 16000"

/* A station's part of it; of the draft's own: all. */
static struct json *export_draft(struct replica *replica, const char *station_id)
{
    struct query *q = replica_query(
        replica,
        "SELECT" SHEET_COLUMNS
        " max(0, s.need - (SELECT count(*) FROM draft_duty u WHERE u.shift_id = s.id))"
        " AS missing FROM draft_shift s LEFT JOIN draft_duty a ON a.shift_id = s.id" SHEET_PLACE
        " WHERE ?1 IN (c.station_id, (SELECT station_id FROM draft))" SHEET_ORDER);
    query_text(q, 1, station_id);
    return query_list(q);
}

struct json *sheet_export(struct replica *replica, const char *station_id, int64_t monday_ms,
                          bool draft)
{
    if (draft)
        return export_draft(replica, station_id);
    struct query *q =
        replica_query(replica, "SELECT" SHEET_COLUMNS
                               " max(0, coalesce(s.need, 1) - (SELECT count(*) FROM assignment a"
                               " WHERE a.shift_id = s.id AND " LIVE ")) AS missing FROM shift s"
                               " LEFT JOIN assignment a ON a.shift_id = s.id AND " LIVE SHEET_PLACE
                               " WHERE c.station_id = ?1 AND s.start_at >= ?2 AND s.start_at < ?3"
                               " AND " PUBLISHED SHEET_ORDER);
    query_text(q, 1, station_id);
    query_int(q, 2, monday_ms);
    query_int(q, 3, caltime_midnight(monday_ms, DRAFT_DAYS));
    return query_list(q);
}

/* --- in: matched --- */

static int stage(struct replica *replica, const struct json *rows, struct err *err)
{
    struct buf text;
    if (json_count(rows) > SHEET_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d rows", SHEET_ROWS_MAX);
    buf_init(&text, LIMIT_HTTP_BODY_BYTES);
    if (!json_write(rows, &text)) {
        buf_free(&text);
        return err_set(err, ERR_LIMIT, "the sheet is larger than %d bytes", LIMIT_HTTP_BODY_BYTES);
    }
    replica_run(replica, "DELETE FROM draft_sheet", "");
    replica_run(replica,
                "INSERT INTO draft_sheet(line, date, peak, school, post, person, lead, start_min,"
                " end_min, need) SELECT value ->> 'line', value ->> 'date', value ->> 'peak',"
                " value ->> 'school', value ->> 'post', coalesce(value ->> 'person', ''),"
                " coalesce(value ->> 'lead', 0), value ->> 'start_min', value ->> 'end_min',"
                " value ->> 'need' FROM json_each(?1) WHERE true"
                " ON CONFLICT(line) DO NOTHING",
                "s", buf_text(&text));
    buf_free(&text);
    return ERR_OK;
}

static void match_people(struct replica *replica, const char *station_id)
{
    replica_run(replica,
                "WITH here AS (SELECT p.id, p.name FROM person p LEFT JOIN school c"
                " ON c.id = p.school_id WHERE coalesce(p.active, 1) <> 0"
                " AND (p.station_id = ?1 OR c.station_id = ?1)),"
                " called AS (SELECT called, min(id) AS id, count(*) AS namesakes FROM"
                " (SELECT id AS called, id FROM here UNION SELECT name, id FROM here)"
                " GROUP BY called)"
                " UPDATE draft_sheet SET person_id = k.id, namesakes = k.namesakes FROM called k"
                " WHERE k.called = draft_sheet.person",
                "s", station_id);
}

/* Local midnight of the row's date (UTC+8, without changes of the clock). */
#define MIDNIGHT "(unixepoch(draft_sheet.date) * 1000 - 28800000)"
/* The published shift that stands for the row, and the last one of its post and peak. */
#define ITS_SHIFT                                                                                  \
    " FROM shift s WHERE s.post_id = draft_sheet.post_id AND s.date = draft_sheet.date"            \
    " AND s.peak = draft_sheet.peak AND " PUBLISHED " ORDER BY s.id LIMIT 1"
#define LAST_SHIFT                                                                                 \
    " FROM shift s WHERE s.post_id = draft_sheet.post_id AND s.peak = draft_sheet.peak"            \
    " AND " PUBLISHED " ORDER BY s.start_at DESC LIMIT 1"
#define LOCAL_MS(at) "((s." at " + 28800000) % 86400000)"

static void match_hours(struct replica *replica)
{
    replica_run(
        replica,
        "UPDATE draft_sheet SET"
        " shift_id = coalesce((SELECT s.id" ITS_SHIFT "), post_id || '.' || date || '.' || peak),"
        " start_at = coalesce(" MIDNIGHT " + start_min * 60000, (SELECT s.start_at" ITS_SHIFT
        "), " MIDNIGHT " + (SELECT " LOCAL_MS("start_at") LAST_SHIFT
        ")),"
        " end_at = coalesce(" MIDNIGHT " + end_min * 60000, (SELECT s.end_at" ITS_SHIFT
        "), " MIDNIGHT " + (SELECT " LOCAL_MS("end_at") LAST_SHIFT
        ")),"
        " need = coalesce(need, (SELECT s.need" ITS_SHIFT "),"
        " (SELECT p.need FROM post p WHERE p.id = draft_sheet.post_id), 1)"
        " WHERE post_id IS NOT NULL AND date(date, '+0 days') = date",
        "");
}

static void match(struct replica *replica, const char *station_id)
{
    replica_run(replica,
                "UPDATE draft_sheet SET school_id = (SELECT min(c.id) FROM school c"
                " WHERE c.station_id = ?1"
                " AND draft_sheet.school COLLATE NOCASE IN (c.code, c.id, c.name, c.short))",
                "s", station_id);
    replica_run(replica,
                "UPDATE draft_sheet SET post_id = (SELECT min(p.id) FROM post p"
                " WHERE p.school_id = draft_sheet.school_id AND coalesce(p.active, 1) <> 0"
                " AND draft_sheet.post IN (p.id, p.name, p.short))",
                "");
    match_people(replica, station_id);
    match_hours(replica);
}

/* --- in: judged --- */

static void judge(struct replica *replica)
{
    replica_run(replica,
                "UPDATE draft_sheet SET problem = CASE"
                " WHEN date(date, '+0 days') IS NOT date THEN 'date'"
                " WHEN date(date, 'weekday 0') <> (SELECT date(min(d.date), 'weekday 0')"
                "  FROM draft_sheet d WHERE date(d.date, '+0 days') = d.date) THEN 'week'"
                " WHEN coalesce(peak, '') NOT IN ('am', 'noon', 'pm') THEN 'peak'"
                " WHEN school_id IS NULL THEN 'school' WHEN post_id IS NULL THEN 'post'"
                " WHEN person <> '' AND person_id IS NULL THEN 'person'"
                " WHEN namesakes > 1 THEN 'namesakes'"
                " WHEN coalesce(end_at <= start_at, 1) THEN 'hours'"
                " WHEN need NOT BETWEEN 1 AND ?1 THEN 'need' END",
                "i", (int64_t)ROSTER_PLACES_MAX);
    replica_run(replica,
                "UPDATE draft_sheet SET problem = 'twice' WHERE problem IS NULL AND EXISTS"
                " (SELECT 1 FROM draft_sheet d WHERE d.person_id = draft_sheet.person_id"
                "  AND d.line < draft_sheet.line AND d.start_at < draft_sheet.end_at"
                "  AND d.end_at > draft_sheet.start_at)",
                "");
}

/* What is wrong, and the cell that says so. */
static struct json *problems(struct replica *replica)
{
    struct query *q = replica_query(
        replica, "SELECT line, problem AS what, CASE problem WHEN 'date' THEN date WHEN 'week' THEN"
                 " date WHEN 'peak' THEN peak WHEN 'school' THEN school WHEN 'post' THEN post"
                 " WHEN 'need' THEN CAST(need AS TEXT) WHEN 'hours' THEN post ELSE person END"
                 " AS value FROM draft_sheet WHERE problem IS NOT NULL ORDER BY line LIMIT ?1");
    query_int(q, 1, SHEET_PROBLEMS_MAX);
    return query_list(q);
}

/* --- in: taken --- */

/* What is published and ahead, but for the shifts of the sheet. */
static void keep_others(struct replica *replica, const struct sheet_options *options)
{
    char why[TEXT_SIZE];
    struct text_fields none = {0};
    text_render(TEXT_Y3_KEPT, text_lang_of(options->lang), &none, why, sizeof why);
    replica_run(replica,
                "INSERT INTO draft_shift(id, post_id, date, peak, start_at, end_at, need)"
                " SELECT s.id, s.post_id, s.date, s.peak, s.start_at, s.end_at, coalesce(s.need, 1)"
                " FROM shift s JOIN post p ON p.id = s.post_id JOIN school c ON c.id = p.school_id"
                " WHERE c.station_id = ?1 AND s.start_at > ?2 AND s.end_at > s.start_at"
                " AND s.date BETWEEN (SELECT week FROM draft) AND (SELECT date(week, '+6 days')"
                "  FROM draft) AND " PUBLISHED
                " AND s.id NOT IN (SELECT shift_id FROM draft_sheet)",
                "si", options->station_id, options->now_ms);
    replica_run(replica,
                "INSERT INTO draft_duty(shift_id, person_id, role, why)"
                " SELECT d.id, a.person_id, max(coalesce(a.role, 0)), ?1 FROM draft_shift d"
                " JOIN assignment a ON a.shift_id = d.id AND " LIVE " GROUP BY d.id, a.person_id",
                "s", why);
}

static void take_rows(struct replica *replica, const struct sheet_options *options)
{
    char sheet[TEXT_SIZE], empty[TEXT_SIZE];
    struct text_fields none = {0};
    enum text_lang lang = text_lang_of(options->lang);
    text_render(TEXT_Y5_SHEET, lang, &none, sheet, sizeof sheet);
    text_render(TEXT_Y5_EMPTY, lang, &none, empty, sizeof empty);
    replica_run(replica,
                "INSERT INTO draft_shift(id, post_id, date, peak, start_at, end_at, need, why)"
                " SELECT shift_id, post_id, date, peak, min(start_at), max(end_at),"
                " max(max(need), count(person_id)),"
                " iif(count(person_id) < max(need), ?2, NULL) FROM draft_sheet"
                " WHERE start_at > ?1 GROUP BY shift_id",
                "is", options->now_ms, empty);
    replica_run(replica,
                "INSERT INTO draft_duty(shift_id, person_id, role, why)"
                " SELECT shift_id, person_id, max(lead), ?2 FROM draft_sheet"
                " WHERE start_at > ?1 AND person_id IS NOT NULL GROUP BY shift_id, person_id",
                "is", options->now_ms, sheet);
}

static void begin_draft(struct replica *replica, const struct sheet_options *options)
{
    draft_empty(replica);
    replica_run(replica,
                "INSERT INTO draft(id, station_id, week, made_at, calendar_known, cost)"
                " SELECT 1, ?1, date(min(date), 'weekday 0', '-6 days'), ?2, 1, 0"
                " FROM draft_sheet",
                "si", options->station_id, options->now_ms);
    replica_run(replica,
                "INSERT INTO draft_visit(senior_id, school_id, date, peak)"
                " SELECT senior_id, school_id, date, peak FROM visit_plan WHERE date BETWEEN"
                " (SELECT week FROM draft) AND (SELECT date(week, '+6 days') FROM draft)",
                "");
    keep_others(replica, options);
    take_rows(replica, options);
}

/* Somebody of the sheet who is, by what stays, at another post at that time. */
static void judge_draft(struct replica *replica)
{
    replica_run(replica,
                "UPDATE draft_sheet SET problem = 'twice' WHERE EXISTS (SELECT 1 FROM draft_duty u"
                " JOIN draft_shift d ON d.id = u.shift_id WHERE u.person_id = draft_sheet.person_id"
                " AND d.id <> draft_sheet.shift_id AND d.start_at < draft_sheet.end_at"
                " AND d.end_at > draft_sheet.start_at)",
                "");
}

static int refuse(struct replica *replica, struct json **ret, struct err *err)
{
    struct json *list = problems(replica);
    if (json_count(list) == 0) {
        json_free(list);
        return ERR_OK;
    }
    *ret = json_new_object();
    json_set(*ret, "problems", list);
    return err_set(err, ERR_INVALID, "%zu rows are wrong", json_count(list));
}

static int match_all(struct replica *replica, const char *station_id, const struct json *rows,
                     struct json **ret, struct err *err)
{
    *ret = NULL;
    if (json_count(rows) == 0)
        return err_set(err, ERR_INVALID, "the sheet has no rows");
    int code = stage(replica, rows, err);
    if (code != ERR_OK)
        return code;
    match(replica, station_id);
    judge(replica);
    return refuse(replica, ret, err);
}

int sheet_import(struct replica *replica, const struct sheet_options *options,
                 const struct json *rows, struct json **ret, struct err *err)
{
    char week[CALTIME_DATE_SIZE] = "";
    int code = match_all(replica, options->station_id, rows, ret, err);
    if (code != ERR_OK)
        return code;
    begin_draft(replica, options);
    judge_draft(replica);
    code = refuse(replica, ret, err);
    if (code != ERR_OK)
        return code;
    replica_get_text(replica, week, sizeof week, "SELECT week FROM draft", "");
    struct json *json = json_new_object();
    json_set_text(json, "week", week);
    json_set_int(json, "rows", (int64_t)json_count(rows));
    json_set_int(json, "past",
                 replica_get_int(replica, 0,
                                 "SELECT count(*) FROM draft_sheet WHERE start_at <= ?1", "i",
                                 options->now_ms));
    json_set(json, "problems", json_new_array());
    replica_run(replica, "DELETE FROM draft_sheet", "");
    *ret = json;
    return ERR_OK;
}

/* --- what a plan saves --- */

#define OFFICERS                                                                                   \
    "(SELECT count(*) FROM person p WHERE " OFFICER " AND p.station_id = ?1"                       \
    " AND coalesce(p.active, 1) <> 0 AND coalesce(p.senior, 0) = 0)"

/* One way, as a band of five minutes; of whom nothing is known, nothing is counted. */
#define WAY(school)                                                                                \
    "coalesce((SELECT min(r.band) FROM reach r WHERE r.person_id = p.id AND r.school_id = " school \
    "), 0)"

int sheet_import_baseline(struct replica *replica, const struct sheet_options *options,
                          const struct json *rows, struct json **ret, struct err *err)
{
    int code = match_all(replica, options->station_id, rows, ret, err);
    if (code != ERR_OK)
        return code;
    replica_run(replica,
                "INSERT OR REPLACE INTO baseline(id, week, officer_days, post_min, way_min)"
                " SELECT 1, date(min(d.date), 'weekday 0', '-6 days'),"
                " count(DISTINCT d.date) * " OFFICERS ","
                " coalesce(sum((d.end_at - d.start_at) / 60000) FILTER (WHERE " OFFICER "), 0),"
                " coalesce(sum(2 * " WAY(
                    "d.school_id") ") FILTER (WHERE " OFFICER "), 0)"
                                   " FROM draft_sheet d LEFT JOIN person p ON p.id = d.person_id",
                "s", options->station_id);
    replica_run(replica, "DELETE FROM draft_sheet", "");
    *ret = json_new_object();
    json_set_int(*ret, "rows", (int64_t)json_count(rows));
    json_set(*ret, "problems", json_new_array());
    return ERR_OK;
}

struct json *sheet_saved(struct replica *replica, const char *station_id, int64_t monday_ms)
{
    struct query *q = replica_query(
        replica,
        "SELECT week, post_was, post_now, post_was - post_now AS saved, way_was, way_now,"
        " way_was - way_now AS way_saved FROM"
        " (SELECT b.week, b.post_min / max(1, b.officer_days) AS post_was,"
        "  b.way_min / max(1, b.officer_days) AS way_was, coalesce(n.post / n.days, 0)"
        "  AS post_now, coalesce(n.way / n.days, 0) AS way_now FROM baseline b,"
        "  (SELECT sum((s.end_at - s.start_at) / 60000) AS post,"
        "   sum(2 * " WAY(
            "c.id") ") AS way,"
                    "   max(1, count(DISTINCT s.date) * " OFFICERS ") AS days"
                    "   FROM shift s JOIN assignment a ON a.shift_id = s.id AND " LIVE
                    "   JOIN person p ON p.id = a.person_id AND " OFFICER
                    "   JOIN post po ON po.id = s.post_id JOIN school c ON c.id = po.school_id"
                    "   WHERE c.station_id = ?1 AND s.start_at >= ?2 AND s.start_at < ?3"
                    "   AND " PUBLISHED ") n)");
    query_text(q, 1, station_id);
    query_int(q, 2, monday_ms);
    query_int(q, 3, caltime_midnight(monday_ms, DRAFT_DAYS));
    struct json *json = query_row(q) ? query_get_json(q) : json_new_object();
    query_done(q);
    return json;
}
