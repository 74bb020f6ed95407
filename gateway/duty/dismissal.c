/* A changed dismissal is told to the parents who subscribed to the school, each once for each time
 * that is announced (P3). The county's school_day row is the word of the school: it is entered only
 * with the school's approval, and nobody can cause one by SMS.
 *
 * It goes out on the day itself, after the quiet hours, and never when school is out already. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

struct change {
    char id[DUTY_ID_SIZE];
    char phone[DUTY_PHONE_SIZE];
    char school[DUTY_NAME_SIZE];
    char reason[DUTY_NAME_SIZE];
    int at_min;
};

/* The next subscriber who has not heard of today's change at his school. */
static bool next_change(struct duty *duty, const char *date, int64_t midnight, struct change *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT d.id, s.phone, coalesce(nullif(c.short, ''), c.name), coalesce(d.reason, ''),"
        " d.at_min FROM school_day d JOIN subscription s ON s.school_id = d.school_id"
        " JOIN school c ON c.id = d.school_id"
        " WHERE d.date = ?1 AND ?2 + d.at_min * 60000 > ?3 AND NOT EXISTS"
        " (SELECT 1 FROM duty_step k WHERE k.key = 'P3:' || d.id || ':' || d.at_min || ':' ||"
        "  s.phone) LIMIT 1");
    query_text(q, 1, date);
    query_int(q, 2, midnight);
    query_int(q, 3, duty->now_ms);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->id, sizeof ret->id, query_get_text(q, 0));
        text_copy(ret->phone, sizeof ret->phone, query_get_text(q, 1));
        text_copy(ret->school, sizeof ret->school, query_get_text(q, 2));
        text_copy(ret->reason, sizeof ret->reason, query_get_text(q, 3));
        ret->at_min = (int)query_get_int(q, 4);
    }
    query_done(q);
    return found;
}

static void tell(struct duty *duty, const struct change *change, int64_t at_ms)
{
    char start[CALTIME_CLOCK_SIZE];
    caltime_format_clock(at_ms, start);
    struct text_fields fields = {
        .school = change->school,
        .start = start,
        .reason = change->reason[0] != '\0' ? change->reason : NULL,
    };
    struct say what = {
        .text = TEXT_P3_CHANGED,
        .phone = change->phone,
        .lang = "",
        .prio = DUTY_PRIO_DUTY,
        .not_after = at_ms,
        .ref_kind = "dismissal",
        .ref_id = change->id,
    };
    if (step_once(duty, at_ms + DUTY_KEEP_MS, "P3:%s:%d:%s", change->id, change->at_min,
                  change->phone))
        say(duty, &what, &fields, "P3:%s:%d:%s", change->id, change->at_min, change->phone);
}

int64_t dismissal_tick(struct duty *duty)
{
    int64_t ready = times_after_quiet(&duty->options.policy, duty->now_ms);
    if (ready > duty->now_ms)
        return ready;
    int64_t midnight = caltime_midnight(duty->now_ms, 0);
    char date[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, date);
    struct change change;
    for (int i = 0; i < DUTY_SLICE; i++) {
        if (!next_change(duty, date, midnight, &change))
            return DUTY_NEVER;
        tell(duty, &change, midnight + (int64_t)change.at_min * CALTIME_MINUTE_MS);
    }
    return duty->now_ms;
}
