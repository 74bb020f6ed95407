/* A changed dismissal is told to the parents who subscribed to the school, each once for each time
 * that is announced (P3). The county's school_day row is the word of the school: it is entered only
 * with the school's approval, and nobody can cause one by SMS.
 *
 * Before anything goes out it is counted how many there are and how many of them the SIMs can reach
 * before the bell. A few, all of whom hear it in time, are told at once; else the numbers are put
 * on the desk and a person confirms (duty_push), who may rather have the school call.
 *
 * It goes out on the day itself, after the quiet hours, and never when school is out already. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { PUSH_PRIO = DUTY_PRIO_REMINDER };

struct change {
    char id[DUTY_ID_SIZE];
    char phone[DUTY_PHONE_SIZE];
    char school[DUTY_NAME_SIZE];
    char reason[DUTY_NAME_SIZE];
    int at_min;
};

/* ?1 today, ?2 its midnight, ?3 now. */
#define CHANGED                                                                                    \
    " FROM school_day d JOIN subscription s ON s.school_id = d.school_id"                          \
    " JOIN school c ON c.id = d.school_id"                                                         \
    " WHERE d.date = ?1 AND ?2 + d.at_min * 60000 > ?3 AND NOT EXISTS"                             \
    " (SELECT 1 FROM duty_step k WHERE k.key = 'P3:' || d.id || ':' || d.at_min || ':' ||"         \
    "  s.phone)"

static bool read_change(struct duty *duty, struct query *q, const char *date, struct change *ret)
{
    query_text(q, 1, date);
    query_int(q, 2, caltime_midnight(duty->now_ms, 0));
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

#define CHANGE                                                                                     \
    "SELECT d.id, s.phone, coalesce(nullif(c.short, ''), c.name), coalesce(d.reason, ''), "        \
    "d.at_min"

/* A change of today that nobody has counted yet. */
static bool next_new(struct duty *duty, const char *date, struct change *ret)
{
    struct query *q = replica_query(duty->replica, CHANGE CHANGED
                                    " AND NOT EXISTS (SELECT 1 FROM push p"
                                    "  WHERE p.id = d.id || ':' || d.at_min) LIMIT 1");
    return read_change(duty, q, date, ret);
}

/* The next subscriber who has not heard of a change that is to be told. */
static bool next_told(struct duty *duty, const char *date, struct change *ret)
{
    struct query *q = replica_query(duty->replica, CHANGE CHANGED
                                    " AND EXISTS (SELECT 1 FROM push p WHERE p.state = 'sending'"
                                    "  AND p.id = d.id || ':' || d.at_min) LIMIT 1");
    return read_change(duty, q, date, ret);
}

static int64_t bell_of(const struct duty *duty, const struct change *change)
{
    return times_at(duty->now_ms, 0, change->at_min);
}

static void ask_person(struct duty *duty, const struct change *change, const char *id, int people,
                       int reach)
{
    char clock[CALTIME_CLOCK_SIZE], body[DUTY_LIST_SIZE];
    caltime_format_clock(bell_of(duty, change), clock);
    bool english = say_lang(duty, "") == TEXT_EN;
    snprintf(body, sizeof body,
             english ? "%.90s out at %s: %d parents, about %d hear it in time. It goes out when "
                       "you confirm."
                     : "%.90s改到%s放学：订阅的家长%d人，放学前约能通知%d人。确认后才发",
             change->school, clock, people, reach);
    desk_put(duty, "push", NULL, NULL, id, body);
    log_info("duty.push", "push=%s people=%d reach=%d", id, people, reach);
}

static void count_new(struct duty *duty, const struct change *change)
{
    const struct duty_ports *ports = &duty->ports;
    char id[DUTY_KEY_SIZE];
    snprintf(id, sizeof id, "%s:%d", change->id, change->at_min);
    int people = (int)replica_get_int(duty->replica, 0,
                                      "SELECT count(*) FROM subscription s JOIN school_day d"
                                      " ON d.school_id = s.school_id WHERE d.id = ?1",
                                      "s", change->id);
    int reach = people;
    if (ports->reach != NULL)
        reach = ports->reach(ports->ctx, PUSH_PRIO, bell_of(duty, change));
    reach = reach < people ? reach : people;
    bool at_once = people <= duty->options.policy.push_free && reach == people;
    replica_run(duty->replica,
                "INSERT INTO push(id, school_day_id, at_min, state, people, reach, asked_at)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                "ssisiii", id, change->id, (int64_t)change->at_min, at_once ? "sending" : "waiting",
                (int64_t)people, (int64_t)reach, duty->now_ms);
    if (!at_once)
        ask_person(duty, change, id, people, reach);
}

bool duty_push(struct duty *duty, const char *desk_id)
{
    if (replica_run(duty->replica,
                    "UPDATE push SET state = 'sending' WHERE id = (SELECT ref_id FROM desk_item"
                    " WHERE id = ?1 AND kind = 'push' AND state = 'open')",
                    "s", desk_id) != 1)
        return false;
    replica_run(duty->replica, "UPDATE desk_item SET state = 'done' WHERE id = ?1", "s", desk_id);
    return true;
}

static void tell(struct duty *duty, const struct change *change)
{
    char start[CALTIME_CLOCK_SIZE];
    int64_t at_ms = bell_of(duty, change);
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
        .prio = PUSH_PRIO,
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
    char date[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, date);
    struct change change;
    for (int i = 0; i < DUTY_SLICE && next_new(duty, date, &change); i++)
        count_new(duty, &change);
    for (int i = 0; i < DUTY_SLICE; i++) {
        if (!next_told(duty, date, &change))
            return DUTY_NEVER;
        tell(duty, &change);
    }
    return duty->now_ms;
}
