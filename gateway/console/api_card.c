/* Cards, volunteers who were entered by their schools, and what is kept for how long. */
#include "gateway/console/console.h"

#include "gateway/base/text.h"
#include "gateway/duty/cards.h"
#include "gateway/duty/retention.h"

enum { CARDS_MAX = 5000, EVENTS_MAX = 1000 };

#define COLUMNS                                                                                    \
    "SELECT c.code, c.kind, c.name, s.code AS school_code,"                                        \
    " coalesce(nullif(s.short, ''), s.name) AS school, p.name AS person,"                          \
    " coalesce(nullif(o.short, ''), o.name) AS ref, c.state, c.due_on AS due, c.at,"               \
    " (SELECT count(DISTINCT person_id) FROM card_event e WHERE e.card_id = c.id"                  \
    "  AND e.what = 'attended') AS attended, (SELECT count(DISTINCT person_id) FROM card_event e"  \
    "  WHERE e.card_id = c.id AND e.what = 'read') AS read,"                                       \
    " EXISTS (SELECT 1 FROM card_phone f WHERE f.card_id = c.id) AS has_phone, c.body"             \
    " FROM card c LEFT JOIN school s ON s.id = c.school_id"                                        \
    " LEFT JOIN person p ON p.id = c.person_id LEFT JOIN org o ON o.id = c.ref_id"

struct json *console_card_list(struct replica *replica, const struct http_request *request)
{
    const struct card_kind *kind = card_kind_named(http_query(request, "kind"));
    const char *asked = http_query(request, "kind");
    struct query *q = replica_query(
        replica, COLUMNS " WHERE (?1 IS NULL OR c.kind = ?1) AND (?2 IS NULL"
                         " OR s.code = ?2 COLLATE NOCASE OR s.id = ?2 OR s.name = ?2"
                         " OR s.short = ?2) AND (?4 IS NULL OR c.name LIKE '%' || ?4 || '%'"
                         "  OR c.body LIKE '%' || ?4 || '%')"
                         " ORDER BY c.kind, length(c.code), c.code LIMIT ?3");
    query_text(q, 1, kind != NULL ? kind->name : asked);
    query_text(q, 2, http_query(request, "school"));
    query_int(q, 3, CARDS_MAX);
    query_text(q, 4, http_query(request, "words"));
    return query_list(q);
}

struct json *console_card_one(struct replica *replica, const char *code)
{
    struct query *q = replica_query(replica, COLUMNS " WHERE c.code = ?1 COLLATE NOCASE");
    query_text(q, 1, code);
    struct json *json = query_row(q) ? query_get_json(q) : NULL;
    query_done(q);
    if (json == NULL)
        return NULL;
    q = replica_query(replica, "SELECT e.at, e.what, p.name AS person, e.detail,"
                               " coalesce(nullif(s.short, ''), s.name) AS school FROM card_event e"
                               " LEFT JOIN person p ON p.id = e.person_id"
                               " LEFT JOIN school s ON s.id = e.school_id WHERE e.card_id ="
                               " (SELECT id FROM card WHERE code = ?1 COLLATE NOCASE)"
                               " ORDER BY e.at DESC, e.id DESC LIMIT ?2");
    query_text(q, 1, code);
    query_int(q, 2, EVENTS_MAX);
    json_set(json, "story", query_list(q));
    return json;
}

struct json *console_card_kinds(void)
{
    struct json *list = json_new_array();
    for (const struct card_kind *kind = card_kinds; kind->name != NULL; kind++) {
        struct json *one = json_new_object(), *fields = json_new_array();
        json_set_text(one, "kind", kind->name);
        json_set_text(one, "zh", kind->zh);
        json_set_int(one, "school", kind->school);
        json_set_int(one, "person", kind->person);
        json_set_int(one, "due", kind->due);
        for (int i = 0; i < CARD_FIELDS && kind->fields[i].name != NULL; i++) {
            struct json *field = json_new_object();
            json_set_text(field, "name", kind->fields[i].name);
            json_set_bool(field, "required", kind->fields[i].required);
            json_add(fields, field);
        }
        json_set(one, "fields", fields);
        json_add(list, one);
    }
    return list;
}

struct json *console_enlist_list(struct replica *replica, const struct http_request *request)
{
    /* numbers in clear are for the county's import only, and only of who consented */
    struct query *q = replica_query(
        replica, "SELECT e.id, s.code AS school_code, coalesce(nullif(s.short, ''), s.name) AS"
                 " school, s.id AS school_id, s.station_id, e.kind, e.name, e.state,"
                 " p.name AS entered_by, e.entered_at, e.consented_at,"
                 " CASE WHEN ?1 IS NOT NULL THEN unseal(e.phone)"
                 "  ELSE '***' || substr(unseal(e.phone), -3) END AS phone FROM enlist e"
                 " LEFT JOIN school s ON s.id = e.school_id LEFT JOIN person p ON"
                 " p.id = e.entered_by WHERE ?1 IS NULL OR (e.state = 'consented' AND NOT EXISTS"
                 "  (SELECT 1 FROM person o WHERE o.phone = e.phone)) ORDER BY e.entered_at, e.id");
    query_text(q, 1, http_query(request, "export"));
    return query_list(q);
}

struct json *console_declines(struct replica *replica)
{
    return query_list(replica_query(
        replica, "SELECT s.assignment_id AS id, s.date, s.start_at AS start, s.school, s.post,"
                 " s.person_name AS person, a.answered_at AS at, unseal(r.reason) AS reason,"
                 " (SELECT p.name FROM assignment o JOIN person p ON p.id = o.person_id"
                 "  WHERE o.stands_in_for = s.assignment_id AND o.state NOT IN ('declined',"
                 "  'cancelled') LIMIT 1) AS stand_in"
                 " FROM slot s JOIN assignment a ON a.id = s.assignment_id"
                 " LEFT JOIN decline_reason r ON r.assignment_id = s.assignment_id"
                 " WHERE s.state = 'declined' AND s.start_at > now_ms() - 2592000000"
                 " ORDER BY s.start_at DESC, s.person_name LIMIT 500"));
}

struct json *console_privacy(struct replica *replica)
{
    struct json *list = json_new_array();
    for (const struct retention_rule *rule = retention_rules; rule->name != NULL; rule++) {
        struct json *one = json_new_object();
        json_set_text(one, "name", rule->name);
        json_set_text(one, "zh", rule->zh);
        json_set_text(one, "en", rule->en);
        json_set_int(one, "days",
                     replica_get_int(replica, rule->days,
                                     "SELECT days FROM retention WHERE name = ?1", "s",
                                     rule->name));
        json_set_int(one, "ran_at",
                     replica_get_int(replica, 0, "SELECT ran_at FROM retention WHERE name = ?1",
                                     "s", rule->name));
        json_set_int(one, "removed",
                     replica_get_int(replica, 0, "SELECT removed FROM retention WHERE name = ?1",
                                     "s", rule->name));
        json_add(list, one);
    }
    return list;
}
