/* The schools' ledger as JSON: what is open, by department or by school, and one issue's story. */
#include "gateway/console/console.h"

#include "gateway/base/caltime.h"
#include "gateway/base/clock.h"
#include "gateway/base/text.h"

enum { LEDGER_MAX = 1000 };

#define COLUMNS                                                                                    \
    "SELECT i.code, s.code AS school_code, coalesce(nullif(s.short, ''), s.name) AS school,"       \
    " i.title, i.category, i.place, i.state, coalesce(o.short, o.name) AS dept, i.due_on AS due,"  \
    " r.name AS reporter, f.name AS fixed_by, c.code AS common, i.severity, i.found_at,"           \
    " i.state NOT IN ('fixed', 'closed', 'merged') AND i.due_on < ?2 AS overdue"                   \
    " FROM issue i LEFT JOIN school s ON s.id = i.school_id LEFT JOIN org o ON o.id = i.dept_id"   \
    " LEFT JOIN person r ON r.id = i.reporter_id LEFT JOIN person f ON f.id = i.fixed_by"          \
    " LEFT JOIN issue c ON c.id = i.common_id"

static struct json *issue_json(struct query *q)
{
    struct json *json = query_get_json(q);
    json_set_bool(json, "overdue", json_int(json, "overdue", 0) != 0);
    return json;
}

static void bind_today(struct replica *replica, struct query *q)
{
    char today[CALTIME_DATE_SIZE];
    caltime_format_date(clock_wall_ms(replica_clock(replica)), today);
    query_text(q, 2, today);
}

#define NAMED "s.code = ?1 COLLATE NOCASE OR s.id = ?1 OR s.name = ?1 OR s.short = ?1"

bool console_ledger_school(struct replica *replica, const char *named, char ret[LIMIT_NAME_BYTES])
{
    return replica_get_text(replica, ret, LIMIT_NAME_BYTES,
                            "SELECT max(s.name) FROM school s WHERE " NAMED " HAVING count(*) = 1",
                            "s", named);
}

struct json *console_ledger_list(struct replica *replica, const struct http_request *request)
{
    struct json *list = json_new_array();
    const char *all = http_query(request, "all");
    struct query *q =
        replica_query(replica, COLUMNS " WHERE (?1 IS NULL OR " NAMED ")"
                                       " AND (?3 OR i.state NOT IN ('closed', 'merged'))"
                                       " ORDER BY coalesce(o.name, ''), i.due_on, i.code LIMIT ?4");
    query_text(q, 1, http_query(request, "school"));
    bind_today(replica, q);
    query_int(q, 3, all != NULL);
    query_int(q, 4, LEDGER_MAX);
    while (query_row(q))
        json_add(list, issue_json(q));
    query_done(q);
    return list;
}

static struct json *story(struct replica *replica, const char *code)
{
    struct query *q = replica_query(
        replica,
        "SELECT e.at, e.what, p.name AS person, e.detail FROM issue_event e"
        " LEFT JOIN person p ON p.id = e.person_id WHERE e.issue_id = (SELECT id FROM issue"
        " WHERE code = ?1 ORDER BY state IN ('closed', 'merged'), found_at DESC LIMIT 1)"
        " ORDER BY e.at, e.id");
    query_text(q, 1, code);
    return query_list(q);
}

struct json *console_ledger_one(struct replica *replica, const char *code)
{
    struct query *q = replica_query(replica, COLUMNS
                                    " WHERE i.code = ?1 ORDER BY i.state IN ('closed', 'merged'),"
                                    " i.found_at DESC LIMIT 1");
    query_text(q, 1, code);
    bind_today(replica, q);
    struct json *json = query_row(q) ? issue_json(q) : NULL;
    query_done(q);
    if (json != NULL)
        json_set(json, "story", story(replica, code));
    return json;
}
