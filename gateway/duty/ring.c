/* Calls as signals. A panic also rings the telephones of those it was sent to, again with each
 * copy, the duty room's twice as long. Who answered, or rang back, has heard: he is not rung again,
 * but the texts go on, because a mailbox answers too; taking an alarm needs 出警.
 *
 * Who is on the roster and rings the station's number, from an hour before a duty to its end, is
 * checked in and told so by text; nobody picks up and nothing is paid. Who rings at another time
 * hears by text that nobody does, and the desk is told. Strangers get no answer at all. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    SECOND_MS = 1000,
    OF_USE_MS = 5 * CALTIME_MINUTE_MS, /* a call later than this comes after the next copy */
};

static bool has_heard(struct duty *duty, const char *alarm_id, const char *phone)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT 1 FROM alarm_told WHERE alarm_id = ?1 AND phone = ?2"
                           " AND heard_at IS NOT NULL",
                           "ss", alarm_id, phone) != 0;
}

void ring_alarm(struct duty *duty, const char *alarm_id, const struct person *to)
{
    const struct duty_policy *policy = &duty->options.policy;
    char role[16] = "", idem[DUTY_KEY_SIZE];
    if (duty->ports.call == NULL || policy->panic_ring_s == 0 || to->phone[0] == '\0')
        return;
    if (duty->ports.cancel_calls != NULL) /* this one replaces his last, and nobody else's */
        duty->ports.cancel_calls(duty->ports.ctx, "alarm", alarm_id, to->phone, false);
    if (has_heard(duty, alarm_id, to->phone))
        return;
    replica_get_text(duty->replica, role, sizeof role,
                     "SELECT role FROM alarm_told WHERE alarm_id = ?1 AND phone = ?2", "ss",
                     alarm_id, to->phone);
    snprintf(idem, sizeof idem, "ring:%s:%lld:%s", alarm_id, (long long)duty->now_ms, to->phone);
    int ring_ms = policy->panic_ring_s * SECOND_MS;
    struct duty_call call = {
        .idem = idem,
        .phone = to->phone,
        .ring_ms = text_equal(role, "room") ? 2 * ring_ms : ring_ms,
        .not_after_ms = duty->now_ms + OF_USE_MS,
        .ref_kind = "alarm",
        .ref_id = alarm_id,
    };
    duty->ports.call(duty->ports.ctx, &call);
}

void ring_stop(struct duty *duty, const char *alarm_id)
{
    if (duty->ports.cancel_calls != NULL)
        duty->ports.cancel_calls(duty->ports.ctx, "alarm", alarm_id, NULL, true);
}

static bool mark_heard(struct duty *duty, const char *alarm_id, const char *phone)
{
    return replica_run(duty->replica,
                       "UPDATE alarm_told SET heard_at = ?3 WHERE alarm_id = ?1 AND phone = ?2"
                       " AND heard_at IS NULL",
                       "ssi", alarm_id, phone, duty->now_ms) == 1;
}

void duty_on_call(struct duty *duty, const struct duty_call_end *end)
{
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!text_equal(end->ref_kind, "alarm"))
        return;
    bool heard = end->answered && mark_heard(duty, end->ref_id, end->phone);
    log_info("duty.call", "alarm=%s answered=%d", end->ref_id, heard);
    if (heard)
        panic_heard(duty, end->ref_id, end->phone);
}

/* Open alarms that were sent to this phone. */
static bool rings_back(struct duty *duty, const char *phone)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica, "SELECT a.id FROM alarm_told t JOIN alarm a ON a.id = t.alarm_id"
                       " WHERE t.phone = ?1 AND a.state IN ('open', 'acked') LIMIT 8");
    query_text(q, 1, phone);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++)
        if (mark_heard(duty, ids.at[i], phone))
            panic_heard(duty, ids.at[i], phone);
    bool told = ids.count > 0;
    ids_free(&ids);
    return told;
}

static void say_nobody_answers(struct duty *duty, const struct duty_ring *ring,
                               const struct person *person)
{
    struct text_fields none = {0};
    struct say what = {
        .text = TEXT_K1_NO_CALLS,
        .phone = ring->phone,
        .lang = person->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = duty->now_ms + DUTY_ANSWER_MS,
        .ref_kind = "answer",
        .ref_id = ring->id,
    };
    desk_put(duty, "ring", ring->phone, person->id, ring->id, person->name);
    if (desk_may_help(duty, ring->phone, TEXT_K1_NO_CALLS))
        say(duty, &what, &none, "K1:%s", ring->id);
}

static void take_ring(struct duty *duty, const struct duty_ring *ring)
{
    struct person person;
    if (duty_stands_back(duty) || !person_by_phone(duty, ring->phone, &person)) {
        log_info("duty.ring", "a stranger");
        return;
    }
    bool in = checkin_ring(duty, &person, ring);
    bool back = rings_back(duty, ring->phone);
    log_info("duty.ring", "person=%s checked_in=%d rings_back=%d", person.id, in, back);
    if (!in && !back)
        say_nobody_answers(duty, ring, &person);
}

void duty_on_ring(struct duty *duty, const struct duty_ring *ring)
{
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    replica_enter(duty->replica);
    take_ring(duty, ring);
    if (!replica_leave(duty->replica, true))
        log_error("duty.ring", "%s", replica_problem(duty->replica));
}
