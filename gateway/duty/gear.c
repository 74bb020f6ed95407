/* Gear before a shift: half an hour before the first shift of a school that day, gear whose check
 * is due, or that was lost, is told to the officer who comes, or to the leader when none does. Once
 * a day and school, because who is told every time reads it no more. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum { BEFORE_MS = 30 * CALTIME_MINUTE_MS };

static void list_gear(struct duty *duty, const char *school_id, enum text_lang lang,
                      const char *today, char ret[DUTY_LIST_SIZE])
{
    size_t used = 0;
    ret[0] = '\0';
    struct query *q = replica_query(
        duty->replica, "SELECT c.name, coalesce(json_extract(c.body, '$.number'), ''), c.state"
                       " FROM card c WHERE c.kind = 'gear' AND c.school_id = ?1"
                       " AND (c.state = 'lost' OR (c.state = 'on' AND c.due_on <= ?2))"
                       " ORDER BY c.state = 'lost' DESC, c.due_on, c.code");
    query_text(q, 1, school_id);
    query_text(q, 2, today);
    while (query_row(q) && used < DUTY_LIST_SIZE - DUTY_NAME_SIZE - 64) {
        bool lost = text_equal(query_get_text(q, 2), "lost");
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s%.40s%s",
                                 used > 0 ? "；" : "", query_get_text(q, 0), query_get_text(q, 1),
                                 lang == TEXT_EN ? (lost ? " lost" : " to check")
                                                 : (lost ? "缺失" : "待检"));
    }
    query_done(q);
}

/* The officer who comes first, else whoever leads today. */
static bool whom_to_tell(struct duty *duty, const char *school_id, struct person *ret)
{
    char id[DUTY_ID_SIZE];
    if (replica_get_text(duty->replica, id, sizeof id,
                         "SELECT person_id FROM slot WHERE school_id = ?1 AND published AND active"
                         " AND start_at > ?2 AND start_at <= ?3 AND coalesce(phone, '') <> ''"
                         " AND person_kind IN ('police', 'auxiliary') AND state IN ('planned',"
                         " 'asked', 'confirmed', 'on_post') ORDER BY start_at, person_kind DESC,"
                         " person_id LIMIT 1",
                         "sii", school_id, duty->now_ms, duty->now_ms + (int64_t)BEFORE_MS) &&
        person_load(duty, id, ret))
        return true;
    return lead_find(duty, duty->options.station_id, 2, ret);
}

static int64_t tell_one(struct duty *duty, const char *school_id)
{
    struct person to;
    char today[CALTIME_DATE_SIZE], list[DUTY_LIST_SIZE], school[DUTY_NAME_SIZE] = "";
    caltime_format_date(duty->now_ms, today);
    if (!step_once(duty, duty->now_ms + DUTY_KEEP_MS, "G5:%s:%s", school_id, today) ||
        !whom_to_tell(duty, school_id, &to))
        return DUTY_NEVER;
    list_gear(duty, school_id, say_lang(duty, to.lang), today, list);
    replica_get_text(duty->replica, school, sizeof school,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     school_id);
    struct text_fields fields = {.school = school, .list = list};
    struct say what = {
        .text = TEXT_G5_GEAR,
        .phone = to.phone,
        .lang = to.lang,
        .prio = DUTY_PRIO_REMINDER,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = duty->now_ms + (int64_t)BEFORE_MS,
        .ref_kind = "gear",
        .ref_id = school_id,
    };
    say(duty, &what, &fields, "G5:%s:%s", school_id, today);
    return DUTY_NEVER;
}

int64_t gear_tick(struct duty *duty)
{
    char today[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, today);
    struct query *q = replica_query(
        duty->replica, "SELECT DISTINCT po.school_id FROM shift s JOIN post po ON po.id = s.post_id"
                       " WHERE s.start_at > ?1 AND s.start_at <= ?3 AND s.state NOT IN ('draft',"
                       " 'cancelled') AND EXISTS (SELECT 1 FROM card c WHERE c.kind = 'gear'"
                       "  AND c.school_id = po.school_id AND (c.state = 'lost' OR"
                       "  (c.state = 'on' AND c.due_on <= ?2)))"
                       " AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key = 'G5:' || po.school_id"
                       "  || ':' || ?2) ORDER BY 1 LIMIT ?4");
    query_int(q, 1, duty->now_ms);
    query_text(q, 2, today);
    query_int(q, 3, duty->now_ms + (int64_t)BEFORE_MS);
    query_int(q, 4, DUTY_SLICE);
    int64_t next = rows_each(duty, q, tell_one);
    int64_t start =
        replica_get_int(duty->replica, 0, "SELECT min(start_at) FROM shift WHERE start_at > ?1",
                        "i", duty->now_ms + (int64_t)BEFORE_MS);
    return start == 0 ? next : times_min(next, start - BEFORE_MS);
}
