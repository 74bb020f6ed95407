/* Reminders to volunteers: R1 at 18:00 the evening before, in the morning R2 (short, who confirmed)
 * or R3 (who was silent) two hours before the start but not before 06:30 and at least 40 minutes
 * before. Officers have their weekly notice and get none.
 *
 * Each is left out when four texts were sent about that duty already (it was changed, or taken off
 * the plan and put on it again).
 *
 * What was missed is not made up for: R1 only until the quiet hours begin, R2 and R3 only until the
 * start. Fifteen minutes after an unanswered R3 the person is on the desk's call list, because a
 * call reaches those whom a text does not. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum {
    FRESH_ANSWER_MS =
        12 * 3600 * 1000, /* who said yes so lately is not asked again in the evening */
    CALL_MS = 15 * CALTIME_MINUTE_MS,
};

static void remind(struct duty *duty, const struct slot *slot, enum text_id text, int64_t until,
                   bool asks)
{
    if (say_is_enough(duty, slot))
        return;
    enum text_lang lang = say_lang(duty, slot->lang);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, lang, slot, &words);
    if (text == TEXT_R1_EVE)
        text_day(lang, slot->start_at, duty->now_ms, words.date);
    struct say what = {
        .text = text,
        .phone = slot->phone,
        .lang = slot->lang,
        .prio = DUTY_PRIO_REMINDER,
        .not_after = until,
        .ref_kind = "remind",
        .ref_id = slot->id,
        .prompt = prompt_open(duty, slot->phone, "duty", slot->id, NULL, asks, slot->end_at),
    };
    say(duty, &what, &fields, "%.2s:%s:%lld", text_name(text), slot->id, (long long)slot->start_at);
}

static int64_t evening_one(struct duty *duty, const char *id)
{
    struct slot slot;
    if (!slot_load(duty, id, &slot))
        return DUTY_NEVER;
    step_once(duty, slot.end_at + DUTY_KEEP_MS, "R1:%s:%lld", slot.id, (long long)slot.start_at);
    bool answered = text_equal(slot.state, "confirmed");
    if (person_stopped(duty, slot.phone) ||
        (answered && duty->now_ms - slot.answered_at < FRESH_ANSWER_MS))
        return DUTY_NEVER;
    remind(duty, &slot, TEXT_R1_EVE, times_evening_end(&duty->options.policy, slot.start_at),
           !answered);
    if (text_equal(slot.state, "planned"))
        replica_run(duty->replica,
                    "UPDATE assignment SET state = 'asked', asked_at = ?2 WHERE id = ?1", "si",
                    slot.id, duty->now_ms);
    return DUTY_NEVER;
}

static int64_t evening(struct duty *duty)
{
    int64_t tomorrow = caltime_midnight(duty->now_ms, 1);
    if (duty->now_ms < times_evening(&duty->options.policy, tomorrow) ||
        duty->now_ms >= times_evening_end(&duty->options.policy, tomorrow))
        return DUTY_NEVER;
    struct query *q = replica_query(
        duty->replica,
        "SELECT assignment_id FROM slot WHERE start_at >= ?1 AND start_at < ?2"
        " AND published AND active AND phone IS NOT NULL"
        " AND person_kind NOT IN ('police', 'auxiliary')"
        " AND state IN ('planned', 'asked', 'confirmed') AND NOT EXISTS"
        " (SELECT 1 FROM duty_step WHERE key = 'R1:' || assignment_id || ':' || start_at)"
        " ORDER BY start_at, assignment_id LIMIT ?3");
    query_int(q, 1, tomorrow);
    query_int(q, 2, caltime_midnight(duty->now_ms, 2));
    query_int(q, 3, DUTY_SLICE);
    return rows_each(duty, q, evening_one);
}

static void call_list(struct duty *duty, const struct slot *slot)
{
    char body[DUTY_LIST_SIZE], start[CALTIME_CLOCK_SIZE];
    caltime_format_clock(slot->start_at, start);
    snprintf(body, sizeof body, "%s %s%s %s", start, slot->school, slot->post, slot->person);
    desk_put(duty, "call", slot->phone, slot->person_id, slot->id, body);
}

static int64_t morning_one(struct duty *duty, const char *id)
{
    struct slot slot;
    if (!slot_load(duty, id, &slot))
        return DUTY_NEVER;
    int64_t due = times_morning(&duty->options.policy, slot.start_at);
    if (due > duty->now_ms)
        return due;
    bool confirmed = text_equal(slot.state, "confirmed");
    step_once(duty, slot.end_at + DUTY_KEEP_MS, "RM:%s:%lld", slot.id, (long long)slot.start_at);
    /* who has just taken the duty knows */
    if (!confirmed || slot.answered_at < due - DUTY_EARLY_MS)
        remind(duty, &slot, confirmed ? TEXT_R2_MORNING : TEXT_R3_SILENT, slot.start_at,
               !confirmed);
    return DUTY_NEVER;
}

/* How long before the start a morning's reminder can be due at most. */
static int64_t morning_span(const struct duty *duty)
{
    const struct duty_policy *policy = &duty->options.policy;
    int minutes = policy->morning_before > policy->morning_latest ? policy->morning_before
                                                                  : policy->morning_latest;
    return (int64_t)minutes * CALTIME_MINUTE_MS;
}

static int64_t morning(struct duty *duty)
{
    int64_t until = duty->now_ms + morning_span(duty);
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE start_at > ?1 AND start_at <= ?2"
                       " AND published AND active AND phone IS NOT NULL"
                       " AND person_kind NOT IN ('police', 'auxiliary')"
                       " AND state IN ('planned', 'asked', 'confirmed')"
                       " AND NOT EXISTS (SELECT 1 FROM optout WHERE optout.phone = slot.phone)"
                       " AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key ="
                       "  'RM:' || assignment_id || ':' || start_at)"
                       " ORDER BY start_at, assignment_id LIMIT ?3");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, until);
    query_int(q, 3, DUTY_SLICE);
    int64_t next = rows_each(duty, q, morning_one);
    int64_t later = replica_get_int(duty->replica, 0,
                                    "SELECT start_at FROM shift WHERE start_at > ?1"
                                    " ORDER BY start_at LIMIT 1",
                                    "i", until);
    return later == 0 ? next : times_min(next, later - morning_span(duty));
}

static int64_t call_one(struct duty *duty, const char *id)
{
    struct slot slot;
    if (!slot_load(duty, id, &slot))
        return DUTY_NEVER;
    int64_t asked = replica_get_int(duty->replica, 0,
                                    "SELECT at FROM duty_step WHERE key = 'RM:' || ?1 || ':' || ?2",
                                    "si", id, slot.start_at);
    if (asked + CALL_MS > duty->now_ms)
        return asked + CALL_MS;
    if (step_once(duty, slot.end_at + DUTY_KEEP_MS, "RC:%s:%lld", slot.id,
                  (long long)slot.start_at))
        call_list(duty, &slot);
    return DUTY_NEVER;
}

/* Who was asked in the morning and is still silent. */
static int64_t calls(struct duty *duty)
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE start_at > ?1 AND start_at <= ?2"
                       " AND published AND state IN ('planned', 'asked') AND phone IS NOT NULL"
                       " AND person_kind NOT IN ('police', 'auxiliary')"
                       " AND NOT EXISTS (SELECT 1 FROM optout WHERE optout.phone = slot.phone)"
                       " AND EXISTS (SELECT 1 FROM duty_step m WHERE m.key ="
                       "  'RM:' || assignment_id || ':' || start_at)"
                       " AND NOT EXISTS (SELECT 1 FROM duty_step c WHERE c.key ="
                       "  'RC:' || assignment_id || ':' || start_at) ORDER BY start_at LIMIT ?3");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, duty->now_ms + morning_span(duty));
    query_int(q, 3, DUTY_SLICE);
    return rows_each(duty, q, call_one);
}

int64_t remind_tick(struct duty *duty)
{
    int64_t next = evening(duty);
    next = times_min(next, morning(duty));
    next = times_min(next, calls(duty));
    int64_t today = times_at(duty->now_ms, 0, duty->options.policy.evening_at);
    int64_t evening_at =
        today > duty->now_ms ? today : times_at(duty->now_ms, 1, duty->options.policy.evening_at);
    return times_min(next, evening_at);
}
