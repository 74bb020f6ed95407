/* The evening question (E4): places of tomorrow that nobody has are told to the leader once, after
 * the reminders have been answered and before the quiet hours. 1 asks stand-ins for every one of
 * them as after a decline; 2 says that the leader arranges it. Only a digit answers, because 收到
 * should not make the telephones of a dozen people ring.
 *
 * A box that was down at that time, or whose modem had no network until the night, tells it in the
 * morning, when it is too late to ask everybody: what nobody has is then the leader's to arrange,
 * and on the desk. The step "E4L:<date>" says that the day was looked at; a box that never did so
 * is new.
 *
 * A place that somebody gave back is offered as that duty; one that nobody ever had is a seat of
 * the shift ("seat:<shift>:<number>", seat_load in world.c). What cannot be filled climbs as any
 * gap does. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    AFTER_REMINDERS = 90,        /* minutes; who was asked at 18:00 has answered */
    STALE_MS = 30 * 3600 * 1000, /* the prompt of yesterday answers nothing */
    SEATS_MAX = 8,               /* of one shift */
};

/* Shifts of this station with the people they lack. ?1 from, ?2 to, ?3 station */
#define SHORT                                                                                      \
    "SELECT s.id AS id, coalesce(s.need, 1) - (SELECT count(*) FROM assignment a WHERE"            \
    " a.shift_id = s.id AND a.state IN ('planned', 'asked', 'confirmed', 'swapping')) AS short"    \
    " FROM shift s JOIN post po ON po.id = s.post_id JOIN school sc ON sc.id = po.school_id"       \
    " WHERE s.start_at >= ?1 AND s.start_at < ?2 AND s.state NOT IN ('draft', 'cancelled')"        \
    " AND coalesce(sc.station_id, ?3) = ?3"

static struct query *short_query(struct duty *duty, int64_t from, int64_t to, const char *sql)
{
    struct query *q = replica_query(duty->replica, sql);
    query_int(q, 1, from);
    query_int(q, 2, to);
    query_text(q, 3, duty->options.station_id);
    return q;
}

static struct query *tomorrow_query(struct duty *duty, const char *sql)
{
    return short_query(duty, caltime_midnight(duty->now_ms, 1), caltime_midnight(duty->now_ms, 2),
                       sql);
}

static void count_shifts(struct query *q, int *ret_shifts, int *ret_short)
{
    bool found = query_row(q);
    *ret_shifts = found ? (int)query_get_int(q, 0) : 0;
    *ret_short = found ? (int)query_get_int(q, 1) : 0;
    query_done(q);
}

#define COUNT "SELECT count(*), coalesce(sum(short > 0), 0) FROM (" SHORT ")"

static void count_tomorrow(struct duty *duty, int *ret_shifts, int *ret_short)
{
    count_shifts(tomorrow_query(duty, COUNT), ret_shifts, ret_short);
}

static bool look_at(struct duty *duty, const char *date)
{
    return step_once(duty, duty->now_ms + DUTY_KEEP_MS, "E4L:%s", date);
}

static void ask_leader(struct duty *duty)
{
    struct person leader;
    struct text_fields fields = {0};
    char tomorrow[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(duty->now_ms, 1), tomorrow);
    look_at(duty, tomorrow);
    count_tomorrow(duty, &fields.need, &fields.count);
    if (fields.count == 0 || !lead_find(duty, duty->options.station_id, 2, &leader) ||
        !step_once(duty, duty->now_ms + DUTY_KEEP_MS, "E4:%s", tomorrow))
        return;
    struct say what = {
        .text = TEXT_E4_EVENING,
        .phone = leader.phone,
        .lang = leader.lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.standin_until),
        .ref_kind = "evening",
        .ref_id = tomorrow,
        .prompt = prompt_open(duty, leader.phone, "evening", tomorrow, NULL, true,
                              duty->now_ms + (int64_t)STALE_MS),
    };
    say(duty, &what, &fields, "E4:%s", tomorrow);
}

static bool is_new_box(struct duty *duty)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT 1 FROM duty_step WHERE key GLOB 'E4L:*' LIMIT 1", "") == 0;
}

/* The leader knows nothing of today: nobody looked last evening, or the question did not get out.
 */
static bool is_untold(struct duty *duty, const char *today)
{
    bool is_new = is_new_box(duty);
    if (look_at(duty, today))
        return !is_new;
    return step_done(duty, "E4:%s", today) && !step_done(duty, "E4M:%s", today) &&
           say_cancel(duty, "evening", today, "morning") > 0;
}

static void list_short(struct duty *duty, int64_t end, char *ret, size_t size)
{
    size_t used = 0;
    struct query *q = short_query(
        duty, duty->now_ms, end,
        "SELECT coalesce(sc.code, '') || coalesce(nullif(po.short, ''), po.name, '') FROM"
        " (" SHORT ") x JOIN shift s ON s.id = x.id JOIN post po ON po.id = s.post_id"
        " JOIN school sc ON sc.id = po.school_id WHERE x.short > 0 ORDER BY s.start_at, 1");
    ret[0] = '\0';
    while (used + DUTY_NAME_SIZE < size && query_row(q))
        used += (size_t)snprintf(ret + used, size - used, "%s%.90s", used > 0 ? "；" : "",
                                 query_get_text(q, 0));
    query_done(q);
}

/* What of today is still to come. */
static void tell_leader(struct duty *duty)
{
    struct person leader;
    struct text_fields fields = {0};
    char today[CALTIME_DATE_SIZE], list[DUTY_LIST_SIZE];
    caltime_format_date(duty->now_ms, today);
    if (!is_untold(duty, today))
        return;
    int64_t end = caltime_midnight(duty->now_ms, 1);
    count_shifts(short_query(duty, duty->now_ms, end, COUNT), &fields.need, &fields.count);
    step_once(duty, duty->now_ms + DUTY_KEEP_MS, "E4M:%s", today);
    if (fields.count == 0)
        return;
    list_short(duty, end, list, sizeof list);
    desk_put(duty, "gap", NULL, NULL, today, list);
    if (!lead_find(duty, duty->options.station_id, 2, &leader))
        return;
    struct say what = {
        .text = TEXT_E4_MORNING,
        .phone = leader.phone,
        .lang = leader.lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.evening_at),
        .ref_kind = "evening",
        .ref_id = today,
    };
    say(duty, &what, &fields, "E4M:%s", today);
}

int64_t evening_tick(struct duty *duty)
{
    const struct duty_policy *policy = &duty->options.policy;
    int minutes = policy->evening_at + AFTER_REMINDERS;
    int64_t today = times_at(duty->now_ms, 0, minutes);
    if (times_quiet(policy, duty->now_ms))
        return times_after_quiet(policy, duty->now_ms);
    if (duty->now_ms < today)
        tell_leader(duty);
    else
        ask_leader(duty);
    return duty->now_ms < today ? today : times_after_quiet(policy, times_at(duty->now_ms, 1, 0));
}

/* --- the answer --- */

/* Duties of the shift that were given back and that nobody has taken since, newest first. */
static void given_back(struct duty *duty, const char *shift_id, struct ids *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM assignment a WHERE shift_id = ?1 AND state IN"
                       " ('declined', 'excused') AND NOT EXISTS (SELECT 1 FROM assignment b WHERE"
                       "  b.stands_in_for = a.id AND b.state NOT IN ('declined', 'cancelled'))"
                       " ORDER BY answered_at DESC");
    query_text(q, 1, shift_id);
    ids_collect(q, ret);
}

/* Offers `count` places of the shift; returns how many people were asked at once. */
static int fill_shift(struct duty *duty, const char *shift_id, int count, const char *by)
{
    struct ids ids;
    int asked = 0;
    given_back(duty, shift_id, &ids);
    for (int i = 0; i < count && i < SEATS_MAX; i++) {
        struct slot slot;
        char seat[DUTY_ID_SIZE];
        snprintf(seat, sizeof seat, "seat:%.80s:%d", shift_id, i + 1);
        if (!slot_load(duty, i < ids.count ? ids.at[i] : seat, &slot))
            continue;
        asked += offer_open(duty, &slot, "decline", NULL, NULL);
        offer_approve(duty, slot.id, by);
    }
    ids_free(&ids);
    return asked;
}

static int short_of(struct duty *duty, const char *shift_id)
{
    struct query *q = tomorrow_query(duty, "SELECT short FROM (" SHORT ") WHERE id = ?4");
    query_text(q, 4, shift_id);
    int count = query_row(q) ? (int)query_get_int(q, 0) : 0;
    query_done(q);
    return count;
}

static void fill_all(struct duty *duty, const char *by, struct text_fields *fields)
{
    struct ids ids;
    struct query *q = tomorrow_query(duty, "SELECT id FROM (" SHORT ") WHERE short > 0");
    ids_collect(q, &ids);
    fields->need = ids.count;
    for (int i = 0; i < ids.count; i++)
        fields->count += fill_shift(duty, ids.at[i], short_of(duty, ids.at[i]), by);
    ids_free(&ids);
}

static bool is_tomorrow(struct duty *duty, const char *date)
{
    char tomorrow[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(duty->now_ms, 1), tomorrow);
    return text_equal(date, tomorrow);
}

/* What was said to the former answer, with the numbers of now. */
static void tell_again(struct duty *duty, const struct incoming *in, const struct question *former)
{
    struct text_fields fields = {0};
    int shifts;
    if (text_equal(former->answer, "2")) {
        answer_asking(duty, in, TEXT_E4_OWN, &fields, former->id);
        return;
    }
    count_tomorrow(duty, &shifts, &fields.need);
    fields.count = (int)replica_get_int(
        duty->replica, 0,
        "SELECT count(*) FROM offer_ask k JOIN offer o ON o.id = k.offer_id JOIN shift s"
        " ON s.id = o.shift_id WHERE s.start_at >= ?1 AND s.start_at < ?2 AND o.state = 'open'",
        "ii", caltime_midnight(duty->now_ms, 1), caltime_midnight(duty->now_ms, 2));
    answer_asking(duty, in, TEXT_E4_FILLING, &fields, former->id);
}

static void take_first(struct duty *duty, const struct incoming *in,
                       const struct question *question, bool fill)
{
    struct text_fields fields = {0};
    question_mark(duty, question, fill ? "1" : "2");
    if (fill) {
        fill_all(duty, in->person.id, &fields);
        log_info("duty.evening", "date=%s shifts=%d asked=%d", question->ref_id, fields.need,
                 fields.count);
    }
    answer_asking(duty, in, fill ? TEXT_E4_FILLING : TEXT_E4_OWN, &fields, question->id);
}

/* The first answer counts; one after it is not about the leader's own duty, so it goes no further.
 */
void evening_take(struct duty *duty, const struct incoming *in, const struct question *question,
                  bool yes)
{
    if (!is_tomorrow(duty, question->ref_id))
        gap_list(duty, in); /* the morning has come: 缺 and 派 are for that */
    else if (question->answer[0] == '\0')
        take_first(duty, in, question, yes);
    else
        tell_again(duty, in, question);
}
