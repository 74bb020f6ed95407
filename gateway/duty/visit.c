/* The senior officer's visits (驻岗): each school has one sponsor, who is there with a team at
 * least twice a week, on different days. 驻岗 and the school begins a visit, 撤岗 ends it; a second
 * 驻岗 on the same day at the same school is the same visit. On Thursday at noon the sponsor hears
 * what is still due, on Friday evening the leader hears how the week was.
 *
 * A visit that nobody ended has no end: no time is made up. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum {
    THURSDAY = 4,
    FRIDAY = 5,
    DUE_AT = 12 * 60,
    REPORT_AT = 18 * 60,
    VISITS_DEFAULT = 2, /* a week, where the sponsor's row says nothing */
    OPEN_MS = 12 * 3600 * 1000,
    KEEP_STEP_MS = 8 * CALTIME_DAY_MS,
};

static void monday_of(int64_t now_ms, char ret[CALTIME_DATE_SIZE])
{
    caltime_format_date(caltime_midnight(now_ms, 1 - caltime_local(now_ms).weekday), ret);
}

/* Days of this week on which somebody stood at the school with a team. */
static int visits_this_week(struct duty *duty, const char *school_id)
{
    char monday[CALTIME_DATE_SIZE];
    monday_of(duty->now_ms, monday);
    return (int)replica_get_int(
        duty->replica, 0,
        "SELECT count(DISTINCT date) FROM visit WHERE school_id = ?1 AND date >= ?2", "ss",
        school_id, monday);
}

static int visits_needed(struct duty *duty, const char *school_id)
{
    return (int)replica_get_int(duty->replica, VISITS_DEFAULT,
                                "SELECT coalesce(min_visits_week, ?2) FROM sponsor"
                                " WHERE school_id = ?1 ORDER BY valid_from DESC LIMIT 1",
                                "si", school_id, (int64_t)VISITS_DEFAULT);
}

/* Only the sponsor's visits count; whoever else texts hears whose school it is. */
static bool is_sponsor(struct duty *duty, const struct incoming *in,
                       const struct school_words *school)
{
    struct person sponsor = {0};
    if (!sponsor_find(duty, school->id, &sponsor) || text_equal(sponsor.id, in->person.id))
        return true; /* a school without a sponsor is a gap of the list, not of who stands there */
    struct text_fields fields = {.school = school->name, .leader = sponsor.name};
    answer(duty, in, TEXT_O7_NOT_SPONSOR, &fields);
    return false;
}

/* Whom the visitor leads: those with a duty at the school now or within the hour. */
static int team_at(struct duty *duty, const struct incoming *in, const char *school_id, int64_t at)
{
    return (int)replica_get_int(
        duty->replica, 0,
        "SELECT count(DISTINCT person_id) FROM slot WHERE school_id = ?1 AND published AND active"
        " AND person_id <> ?2 AND start_at <= ?3 + ?4 AND end_at > ?3 AND state IN ('planned',"
        " 'asked', 'confirmed', 'swapping', 'on_post')",
        "ssii", school_id, in->person.id, at, (int64_t)DUTY_EARLY_MS);
}

void visit_begin(struct duty *duty, const struct incoming *in)
{
    struct school_words school;
    char id[LIMIT_ID_BYTES + 1], date[CALTIME_DATE_SIZE];
    if (!school_asked(duty, in, &school) || !is_sponsor(duty, in, &school))
        return;
    int64_t at = times_happened(in->text->sent_at_ms, in->text->heard_at_ms);
    caltime_format_date(at, date);
    int team = team_at(duty, in, school.id, at);
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO visit(id, scope, school_id, person_id, date, start_at, channel, team)"
                " SELECT ?1, coalesce(station_id, scope), id, ?3, ?4, ?5, 'sms', ?6 FROM school"
                " WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM visit WHERE school_id = ?2"
                "  AND person_id = ?3 AND date = ?4)",
                "ssssii", id, school.id, in->person.id, date, at, (int64_t)team);
    struct text_fields fields = {.school = school.name,
                                 .team = team,
                                 .count = visits_this_week(duty, school.id),
                                 .need = visits_needed(duty, school.id)};
    answer(duty, in, TEXT_O7_VISIT, &fields);
}

void visit_end(struct duty *duty, const struct incoming *in)
{
    char id[DUTY_ID_SIZE], school[DUTY_NAME_SIZE] = "";
    struct text_fields fields = {.school = school};
    int64_t at = times_happened(in->text->sent_at_ms, in->text->heard_at_ms);
    if (!replica_get_text(duty->replica, id, sizeof id,
                          "SELECT id FROM visit WHERE person_id = ?1 AND end_at IS NULL"
                          " AND start_at <= ?2 AND start_at > ?3 ORDER BY start_at DESC LIMIT 1",
                          "sii", in->person.id, at, at - (int64_t)OPEN_MS)) {
        answer(duty, in, TEXT_O7_NONE, &fields);
        return;
    }
    replica_run(duty->replica, "UPDATE visit SET end_at = ?2 WHERE id = ?1", "si", id, at);
    replica_get_text(duty->replica, school, sizeof school,
                     "SELECT coalesce(nullif(s.short, ''), s.name) FROM visit v"
                     " JOIN school s ON s.id = v.school_id WHERE v.id = ?1",
                     "s", id);
    fields.minutes = (int)replica_get_int(
        duty->replica, 0, "SELECT (end_at - start_at) / 60000 FROM visit WHERE id = ?1", "s", id);
    answer(duty, in, TEXT_O7_END, &fields);
}

/* --- the week --- */

/* One row a school with a sponsor: what is missing this week. ?1 Monday, ?2 today, ?3 default */
#define WEEK                                                                                       \
    "SELECT senior_id, school, need, seen FROM (SELECT o.senior_id,"                               \
    " coalesce(nullif(s.short, ''), s.name) AS school,"                                            \
    " coalesce(o.min_visits_week, ?3) AS need,"                                                    \
    " (SELECT count(DISTINCT v.date) FROM visit v WHERE v.school_id = s.id AND v.date >= ?1)"      \
    " AS seen FROM sponsor o JOIN school s ON s.id = o.school_id"                                  \
    " WHERE coalesce(o.valid_from, '') <= ?2"                                                      \
    " AND coalesce(nullif(o.valid_to, ''), '9999') >= ?2)"

static struct query *week_query(struct duty *duty, const char *sql)
{
    char monday[CALTIME_DATE_SIZE], today[CALTIME_DATE_SIZE];
    monday_of(duty->now_ms, monday);
    caltime_format_date(duty->now_ms, today);
    struct query *q = replica_query(duty->replica, sql);
    query_text(q, 1, monday);
    query_text(q, 2, today);
    query_int(q, 3, VISITS_DEFAULT);
    return q;
}

/* "第二实验小学1次；六户中学2次" of the rows that are left of the query, which it ends. */
static void missing_list(struct query *q, enum text_lang lang, char ret[DUTY_LIST_SIZE])
{
    size_t used = 0;
    ret[0] = '\0';
    while (query_row(q) && used < DUTY_LIST_SIZE - 128)
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used,
                                 lang == TEXT_EN ? "%s%.90s %lld" : "%s%.90s%lld次",
                                 used > 0 ? "；" : "", query_get_text(q, 1),
                                 (long long)(query_get_int(q, 2) - query_get_int(q, 3)));
    query_done(q);
}

static int64_t due_one(struct duty *duty, const char *senior_id)
{
    struct person senior;
    char list[DUTY_LIST_SIZE], monday[CALTIME_DATE_SIZE];
    if (!person_load(duty, senior_id, &senior))
        return DUTY_NEVER;
    struct query *q =
        week_query(duty, WEEK " WHERE seen < need AND senior_id = ?4 ORDER BY school");
    query_text(q, 4, senior_id);
    missing_list(q, say_lang(duty, senior.lang), list);
    struct text_fields fields = {.list = list};
    struct say what = {
        .text = TEXT_O8_VISITS_DUE,
        .phone = senior.phone,
        .lang = senior.lang,
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "visit",
        .ref_id = senior.id,
    };
    monday_of(duty->now_ms, monday);
    if (step_once(duty, duty->now_ms + KEEP_STEP_MS, "O8:%s:%s", senior.id, monday))
        say(duty, &what, &fields, "O8:%s:%s", senior.id, monday);
    return DUTY_NEVER;
}

static void tell_sponsors(struct duty *duty)
{
    rows_each(duty,
              week_query(duty, "SELECT DISTINCT senior_id FROM (" WEEK " WHERE seen < need) WHERE"
                               " NOT EXISTS (SELECT 1 FROM duty_step WHERE key = 'O8:' ||"
                               "  senior_id || ':' || ?1) ORDER BY senior_id"),
              due_one);
}

static int64_t week_count(struct duty *duty, const char *sql)
{
    struct query *q = week_query(duty, sql);
    int64_t count = query_row(q) ? query_get_int(q, 0) : 0;
    query_done(q);
    return count;
}

static void tell_leader(struct duty *duty)
{
    struct person leader;
    char list[DUTY_LIST_SIZE], monday[CALTIME_DATE_SIZE];
    monday_of(duty->now_ms, monday);
    int schools = (int)week_count(duty, "SELECT count(*) FROM (" WEEK ")");
    if (schools == 0 || !lead_find(duty, duty->options.station_id, 2, &leader) ||
        !step_once(duty, duty->now_ms + KEEP_STEP_MS, "O8R:%s", monday))
        return;
    missing_list(week_query(duty, WEEK " WHERE seen < need ORDER BY school"),
                 say_lang(duty, leader.lang), list);
    struct text_fields fields = {
        .need = schools,
        .count = (int)week_count(duty, "SELECT count(*) FROM (" WEEK " WHERE seen >= need)"),
        .list = list[0] != '\0' ? list : NULL,
    };
    struct say what = {
        .text = TEXT_O8_REPORT,
        .phone = leader.phone,
        .lang = leader.lang,
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "visit",
        .ref_id = monday,
    };
    say(duty, &what, &fields, "O8R:%s", monday);
}

/* Today's time of this weekday, or that of the next week. */
static int64_t next_of(struct duty *duty, int weekday, int minutes)
{
    int days = (weekday - caltime_local(duty->now_ms).weekday + 7) % 7;
    int64_t at = times_at(duty->now_ms, days, minutes);
    return at > duty->now_ms ? at : times_at(duty->now_ms, days + 7, minutes);
}

int64_t visit_tick(struct duty *duty)
{
    int weekday = caltime_local(duty->now_ms).weekday;
    bool quiet = times_quiet(&duty->options.policy, duty->now_ms);
    quiet = quiet || !week_has_school(duty); /* nobody was due anywhere */
    if (!quiet && weekday == THURSDAY && duty->now_ms >= times_at(duty->now_ms, 0, DUE_AT))
        tell_sponsors(duty);
    if (!quiet && weekday == FRIDAY && duty->now_ms >= times_at(duty->now_ms, 0, REPORT_AT))
        tell_leader(duty);
    return times_min(next_of(duty, THURSDAY, DUE_AT), next_of(duty, FRIDAY, REPORT_AT));
}

/* --- what was planned for them --- */

/* "周二早第二实验小学；周四晚育才小学" */
static void list_planned(struct duty *duty, const struct person *senior, const char *week,
                         char ret[DUTY_LIST_SIZE])
{
    struct query *q =
        replica_query(duty->replica,
                      "SELECT v.date, v.peak, coalesce(nullif(c.short, ''), c.name) FROM visit_plan"
                      " v JOIN school c ON c.id = v.school_id WHERE v.senior_id = ?1"
                      " AND v.date BETWEEN ?2 AND date(?2, '+6 days') ORDER BY v.date, v.peak");
    enum text_lang lang = say_lang(duty, senior->lang);
    size_t used = 0;
    query_text(q, 1, senior->id);
    query_text(q, 2, week);
    ret[0] = '\0';
    while (query_row(q) && used < DUTY_LIST_SIZE - DUTY_NAME_SIZE - 32) {
        char day[TEXT_DATE_SIZE];
        int64_t at = 0;
        bool early = text_equal(query_get_text(q, 1), "am");
        const char *peak = lang == TEXT_EN ? (early ? " am " : " pm ") : early ? "早" : "晚";
        if (text_equal(query_get_text(q, 1), "noon"))
            peak = lang == TEXT_EN ? " noon " : "午";
        caltime_parse_date(query_get_text(q, 0), &at);
        text_weekday(lang, at, day);
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s%s%.100s",
                                 used > 0 ? "；" : "", day, peak, query_get_text(q, 2));
    }
    query_done(q);
}

static int64_t tell_planned(struct duty *duty, const char *senior_id)
{
    struct person senior;
    char week[CALTIME_DATE_SIZE] = "", list[DUTY_LIST_SIZE], date[TEXT_DATE_SIZE];
    int64_t monday = 0;
    replica_get_text(duty->replica, week, sizeof week,
                     "SELECT min(week) FROM visit_touch WHERE senior_id = ?1", "s", senior_id);
    replica_run(duty->replica, "DELETE FROM visit_touch WHERE senior_id = ?1 AND week = ?2", "ss",
                senior_id, week);
    if (!caltime_parse_date(week, &monday) || !person_load(duty, senior_id, &senior) ||
        senior.phone[0] == '\0')
        return DUTY_NEVER;
    list_planned(duty, &senior, week, list);
    text_date(say_lang(duty, senior.lang), monday, date);
    struct text_fields fields = {.date = date, .list = list};
    struct say what = {.text = TEXT_O8_PLAN,
                       .phone = senior.phone,
                       .lang = senior.lang,
                       .prio = DUTY_PRIO_BULK,
                       .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
                       .not_after = caltime_midnight(monday, 5),
                       .ref_kind = "visit",
                       .ref_id = senior.id};
    if (what.not_after > times_after_quiet(&duty->options.policy, duty->now_ms))
        say(duty, &what, &fields, "O8P:%s:%s:%lld", senior.id, week, (long long)duty->now_ms);
    return DUTY_NEVER;
}

void visit_plan_tick(struct duty *duty)
{
    rows_each(
        duty,
        replica_query(duty->replica,
                      "SELECT DISTINCT senior_id FROM visit_touch ORDER BY senior_id LIMIT 50"),
        tell_planned);
}
