/* Orders to the roster; see order.h. Each is checked whole before it is written. */
#include "gateway/duty/order.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/internal.h"

enum { SKILLS_CHARS = 40 };

struct ordering {
    struct duty *duty;
    const struct json *order;
    struct person by, person;
    char school_id[DUTY_ID_SIZE], post_id[DUTY_ID_SIZE];
    struct err *err;
};

/* --- what it names --- */

static int find_school(struct ordering *o)
{
    const char *named = json_text(o->order, "school", "");
    if (school_named(o->duty, named, o->school_id))
        return ERR_OK;
    return err_set(o->err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station", named);
}

static int find_post(struct ordering *o)
{
    const char *named = json_text(o->order, "post", "");
    int code = find_school(o);
    if (code != ERR_OK)
        return code;
    if (replica_get_text(o->duty->replica, o->post_id, sizeof o->post_id,
                         "SELECT max(id) FROM post WHERE school_id = ?1"
                         " AND ?2 IN (id, name, short) HAVING count(*) = 1",
                         "ss", o->school_id, named))
        return ERR_OK;
    return err_set(o->err, ERR_NOT_FOUND, "\"%.40s\" is not one post of that school", named);
}

static int find_person(struct ordering *o)
{
    return person_named(o->duty, json_text(o->order, "person", NULL), &o->person, o->err);
}

static bool is_peak(const char *peak)
{
    return text_equal(peak, "am") || text_equal(peak, "noon") || text_equal(peak, "pm");
}

static int check_time(struct ordering *o)
{
    const char *date = json_text(o->order, "date", ""), *peak = json_text(o->order, "peak", "");
    int64_t day = 0;
    if (!caltime_parse_date(date, &day))
        return err_set(o->err, ERR_INVALID, "\"%.20s\" is no date: write it as 2026-09-30", date);
    if (!is_peak(peak))
        return err_set(o->err, ERR_INVALID, "\"%.20s\" is none of am, noon, pm", peak);
    return ERR_OK;
}

static int number(struct ordering *o, const char *name, int max, int *ret)
{
    const char *text = json_text(o->order, name, NULL);
    *ret = (int)json_int(o->order, name, -1);
    if (text != NULL && !text_to_int(text, 0, max, ret))
        *ret = -1;
    if (*ret >= 0 && *ret <= max)
        return ERR_OK;
    return err_set(o->err, ERR_INVALID, "%s is a number from 0 to %d", name, max);
}

/* --- pins --- */

/* Leave, rest, training and never keep somebody away; so does night duty the evening before it and
 * on the day after. */
static bool is_away(struct duty *duty, const char *person_id, const char *date, const char *peak)
{
    int64_t day = 0;
    caltime_parse_date(date, &day);
    int weekday = caltime_local(day).weekday;
    char before[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(day, -1), before);
    return replica_get_int(
               duty->replica, 0,
               "SELECT count(*) FROM avail WHERE person_id = ?1 AND kind <> 'offer' AND ("
               "(coalesce(weekday, 0) IN (0, ?3) AND coalesce(valid_from, '') <= ?2"
               " AND coalesce(nullif(valid_to, ''), '9999') >= ?2"
               " AND iif(kind = 'night', ?4 = 'pm', coalesce(peak, '') IN ('', ?4)))"
               " OR (kind = 'night' AND coalesce(weekday, 0) IN (0, ?6)"
               " AND coalesce(valid_from, '') <= ?5"
               " AND coalesce(nullif(valid_to, ''), '9999') >= ?5))",
               "ssissi", person_id, date, (int64_t)weekday, peak, before,
               (int64_t)(weekday == 1 ? 7 : weekday - 1)) != 0;
}

static int put_pin(struct ordering *o)
{
    const char *date = json_text(o->order, "date", ""), *peak = json_text(o->order, "peak", "");
    int code = find_post(o);
    if (code == ERR_OK)
        code = check_time(o);
    if (code == ERR_OK)
        code = find_person(o);
    if (code != ERR_OK)
        return code;
    if (!person_is_officer(o->person.kind) && !text_equal(o->person.school_id, o->school_id))
        return err_set(o->err, ERR_STATE, "%s is a volunteer of another school", o->person.name);
    if (is_away(o->duty, o->person.id, date, peak))
        return err_set(o->err, ERR_STATE, "%s is away then (leave, night duty, rest)",
                       o->person.name);
    replica_run(o->duty->replica,
                "INSERT INTO roster_pin(post_id, date, peak, person_id, by_id, at)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
                " post_id = excluded.post_id, by_id = excluded.by_id, at = excluded.at",
                "sssssi", o->post_id, date, peak, o->person.id, o->by.id, o->duty->now_ms);
    return ERR_OK;
}

static int take_pin(struct ordering *o)
{
    int code = check_time(o);
    if (code == ERR_OK)
        code = find_person(o);
    if (code == ERR_OK &&
        replica_run(o->duty->replica,
                    "DELETE FROM roster_pin WHERE person_id = ?1 AND date = ?2 AND peak = ?3",
                    "sss", o->person.id, json_text(o->order, "date", ""),
                    json_text(o->order, "peak", "")) != 1)
        code = err_set(o->err, ERR_NOT_FOUND, "%s is not pinned then", o->person.name);
    return code;
}

/* --- ways --- */

static int put_way(struct ordering *o)
{
    int minutes = 0;
    char id[2 * DUTY_ID_SIZE];
    int code = find_school(o);
    if (code == ERR_OK)
        code = find_person(o);
    if (code == ERR_OK)
        code = number(o, "minutes", ORDER_WAY_MAX, &minutes);
    if (code != ERR_OK)
        return code;
    int band =
        minutes <= ORDER_BAND ? ORDER_BAND : (minutes + ORDER_BAND - 1) / ORDER_BAND * ORDER_BAND;
    snprintf(id, sizeof id, "%s.%s", o->person.id, o->school_id); /* as the county's import */
    replica_run(o->duty->replica,
                "INSERT INTO reach(id, scope, person_id, school_id, band)"
                " SELECT ?1, scope, id, ?3, ?4 FROM person WHERE id = ?2"
                " ON CONFLICT(id) DO UPDATE SET band = excluded.band",
                "sssi", id, o->person.id, o->school_id, (int64_t)band);
    return ERR_OK;
}

/* --- needs --- */

static int check_need(struct ordering *o, int need[3])
{
    static const char *const names[] = {"flat", "busy", "heavy"};
    const char *level = json_text(o->order, "level", "flat"),
               *peak = json_text(o->order, "peak", NULL),
               *skills = json_text(o->order, "skills", "");
    for (int i = 0; i < 3; i++) {
        int code = number(o, names[i], ORDER_NEED_MAX, &need[i]);
        if (code != ERR_OK)
            return code;
    }
    if (need[0] == 0)
        return err_set(o->err, ERR_INVALID, "a post needs somebody even while it is quiet");
    if (peak != NULL && !is_peak(peak))
        return err_set(o->err, ERR_INVALID, "\"%.20s\" is none of am, noon, pm", peak);
    if (!text_equal(level, "flat") && !text_equal(level, "peak") && !text_equal(level, "heavy"))
        return err_set(o->err, ERR_INVALID, "\"%.20s\" is none of flat, peak, heavy", level);
    if (!text_utf8_valid(skills, strlen(skills)) || text_utf16_units(skills) > SKILLS_CHARS)
        return err_set(o->err, ERR_INVALID, "skills has at most %d characters", SKILLS_CHARS);
    return privacy_check("skills", skills, o->err);
}

static int put_need(struct ordering *o)
{
    int need[3];
    char id[DUTY_ID_SIZE + 8];
    const char *peak = json_text(o->order, "peak", NULL);
    int code = find_post(o);
    if (code == ERR_OK)
        code = check_need(o, need);
    if (code != ERR_OK)
        return code;
    snprintf(id, sizeof id, "%s.%s", o->post_id, peak == NULL ? "-" : peak);
    replica_run(o->duty->replica,
                "INSERT INTO demand(id, scope, post_id, peak, need_flat, need_peak, need_heavy,"
                " level, skills) SELECT ?1, scope, id, nullif(?3, ''), ?4, nullif(?5, 0),"
                " nullif(?6, 0), ?7, nullif(?8, '') FROM post WHERE id = ?2"
                " ON CONFLICT(id) DO UPDATE SET need_flat = excluded.need_flat,"
                " need_peak = excluded.need_peak, need_heavy = excluded.need_heavy,"
                " level = excluded.level, skills = excluded.skills",
                "sssiiiss", id, o->post_id, peak == NULL ? "" : peak, (int64_t)need[0],
                (int64_t)need[1], (int64_t)need[2], json_text(o->order, "level", "flat"),
                json_text(o->order, "skills", ""));
    return ERR_OK;
}

/* --- stand-ins --- */

#define MONTH_MS "2678400000"
#define UNAPPROVED                                                                                 \
    " FROM assignment a JOIN shift s ON s.id = a.shift_id WHERE a.stands_in_for IS NOT NULL"       \
    " AND a.state <> 'cancelled' AND s.start_at > ?1 - " MONTH_MS                                  \
    " AND NOT EXISTS (SELECT 1 FROM approval b WHERE b.assignment_id = a.id)"

static int put_approval(struct ordering *o)
{
    int code = find_person(o);
    if (code != ERR_OK)
        return code;
    if (!text_equal(o->by.kind, "police") || text_equal(o->by.id, o->person.id))
        return err_set(o->err, ERR_STATE, "a police officer approves, and nobody himself");
    if (replica_run(o->duty->replica,
                    "INSERT INTO approval(assignment_id, by_id, at)"
                    " SELECT a.id, ?3, ?1" UNAPPROVED " AND a.person_id = ?2",
                    "iss", o->duty->now_ms, o->person.id, o->by.id) < 1)
        return err_set(o->err, ERR_NOT_FOUND, "%s has not stood in for anybody lately",
                       o->person.name);
    return ERR_OK;
}

static int put_verdict(struct ordering *o)
{
    int code = find_person(o);
    if (code == ERR_OK)
        code = check_time(o);
    if (code != ERR_OK)
        return code;
    if (!text_equal(o->by.kind, "police") || text_equal(o->by.id, o->person.id))
        return err_set(o->err, ERR_STATE, "a police officer decides, and nobody for himself");
    struct verdict_words said = {
        .date = json_text(o->order, "date", ""),
        .peak = json_text(o->order, "peak", ""),
        .verdict = json_text(o->order, "verdict", ""),
        .by_id = o->by.id,
    };
    return verdict_give(o->duty, &o->person, &said, o->err);
}

int order_put(struct duty *duty, const struct json *order, struct err *err)
{
    static const struct {
        const char *act;
        int (*run)(struct ordering *);
    } acts[] = {{"pin", put_pin},   {"unpin", take_pin},       {"way", put_way},
                {"need", put_need}, {"approve", put_approval}, {"decide", put_verdict}};
    struct ordering ordering = {.duty = duty, .order = order, .err = err};
    const char *act = json_text(order, "act", "");
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = person_named(duty, json_text(order, "by", NULL), &ordering.by, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!text_equal(acts[i].act, act))
            continue;
        code = acts[i].run(&ordering);
        if (code == ERR_OK)
            log_info("roster.order", "act=%s by=%s", act, ordering.by.id);
        return code;
    }
    return err_set(err, ERR_INVALID, "\"%.16s\" is none of pin, unpin, way, need, approve, decide",
                   act);
}

struct json *order_list(struct replica *replica)
{
#define SCHOOL "coalesce(nullif(c.short, ''), c.name) AS school"
#define POST "coalesce(nullif(p.short, ''), p.name) AS post"
    struct json *json = json_new_object();
    json_set(json, "pins",
             query_list(replica_query(
                 replica, "SELECT r.date, r.peak, " SCHOOL ", " POST ", n.name AS person FROM"
                          " roster_pin r JOIN post p ON p.id = r.post_id JOIN school c"
                          " ON c.id = p.school_id LEFT JOIN person n ON n.id = r.person_id"
                          " ORDER BY r.date, r.peak, c.code, p.id")));
    json_set(json, "needs",
             query_list(replica_query(
                 replica, "SELECT " SCHOOL ", " POST ", d.peak, d.need_flat AS flat,"
                          " d.need_peak AS busy, d.need_heavy AS heavy, d.level, d.skills"
                          " FROM demand d JOIN post p ON p.id = d.post_id JOIN school c"
                          " ON c.id = p.school_id ORDER BY c.code, p.id, d.peak")));
    json_set(json, "ways",
             query_list(replica_query(replica, "SELECT n.name AS person, " SCHOOL
                                               ", r.band AS minutes FROM reach r"
                                               " JOIN person n ON n.id = r.person_id JOIN school c"
                                               " ON c.id = r.school_id ORDER BY n.id, c.code")));
    json_set(json, "skills",
             query_list(replica_query(
                 replica, "SELECT n.name AS person, k.name AS skill, k.until FROM"
                          " (SELECT person_id, name, valid_to AS until FROM skill UNION ALL"
                          "  SELECT person_id, name, due_on FROM card WHERE kind = 'cert'"
                          "  AND state = 'on') k JOIN person n ON n.id = k.person_id"
                          " ORDER BY n.id, k.name")));
    struct query *q = replica_query(
        replica, "SELECT s.date, s.peak, n.name AS person, w.name AS stood_in_for FROM"
                 " (SELECT a.*" UNAPPROVED ") a JOIN shift s ON s.id = a.shift_id"
                 " LEFT JOIN person n ON n.id = a.person_id LEFT JOIN assignment o"
                 " ON o.id = a.stands_in_for LEFT JOIN person w ON w.id = o.person_id"
                 " ORDER BY s.start_at, a.id");
    query_int(q, 1, clock_wall_ms(replica_clock(replica)));
    json_set(json, "stand_ins", query_list(q));
    return json;
#undef SCHOOL
#undef POST
}
