/* The evening question (E4): places of tomorrow that nobody has are told to the leader once, after
 * the reminders have been answered and before the quiet hours. 1 asks stand-ins for every one of
 * them as after a decline; 2 says that the leader arranges it. Only a digit answers, because 收到
 * should not make the telephones of a dozen people ring.
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

/* Shifts of tomorrow of this station with the people they lack. ?1 from, ?2 to, ?3 station */
#define TOMORROW                                                                                   \
    "SELECT s.id AS id, coalesce(s.need, 1) - (SELECT count(*) FROM assignment a WHERE"            \
    " a.shift_id = s.id AND a.state IN ('planned', 'asked', 'confirmed', 'swapping')) AS short"    \
    " FROM shift s JOIN post po ON po.id = s.post_id JOIN school sc ON sc.id = po.school_id"       \
    " WHERE s.start_at >= ?1 AND s.start_at < ?2 AND s.state NOT IN ('draft', 'cancelled')"        \
    " AND coalesce(sc.station_id, ?3) = ?3"

static struct query *tomorrow_query(struct duty *duty, const char *sql)
{
    struct query *q = replica_query(duty->replica, sql);
    query_int(q, 1, caltime_midnight(duty->now_ms, 1));
    query_int(q, 2, caltime_midnight(duty->now_ms, 2));
    query_text(q, 3, duty->options.station_id);
    return q;
}

static void count_tomorrow(struct duty *duty, int *ret_shifts, int *ret_short)
{
    struct query *q =
        tomorrow_query(duty, "SELECT count(*), coalesce(sum(short > 0), 0) FROM (" TOMORROW ")");
    bool found = query_row(q);
    *ret_shifts = found ? (int)query_get_int(q, 0) : 0;
    *ret_short = found ? (int)query_get_int(q, 1) : 0;
    query_done(q);
}

static void ask_leader(struct duty *duty)
{
    struct person leader;
    struct text_fields fields = {0};
    char tomorrow[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(duty->now_ms, 1), tomorrow);
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

int64_t evening_tick(struct duty *duty)
{
    int minutes = duty->options.policy.evening_at + AFTER_REMINDERS;
    int64_t today = times_at(duty->now_ms, 0, minutes);
    if (duty->now_ms >= today && !times_quiet(&duty->options.policy, duty->now_ms))
        ask_leader(duty);
    return duty->now_ms < today ? today : times_at(duty->now_ms, 1, minutes);
}

/* --- the answer --- */

/* The question that the code names, else the one that was the last thing said to this phone. */
static bool evening_asked(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    if (in->command.code[0] != '\0')
        return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                                "SELECT ref_id FROM prompt WHERE phone = ?1 AND kind = 'evening'"
                                " AND code = ?2 AND expires_at > ?3",
                                "ssi", in->text->phone, in->command.code, duty->now_ms);
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT p.ref_id FROM phone_last l JOIN prompt p ON p.id = l.prompt_id"
                            " WHERE l.phone = ?1 AND p.kind = 'evening' AND p.answered_at IS NULL"
                            " AND p.expires_at > ?2",
                            "si", in->text->phone, duty->now_ms);
}

static void mark_answered(struct duty *duty, const struct incoming *in, const char *date,
                          const char *what)
{
    replica_run(duty->replica,
                "UPDATE prompt SET answer = ?3, answered_at = ?4 WHERE phone = ?1"
                " AND kind = 'evening' AND ref_id = ?2",
                "sssi", in->text->phone, date, what, duty->now_ms);
}

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
static int fill_shift(struct duty *duty, const char *shift_id, int count)
{
    struct ids ids;
    int asked = 0;
    given_back(duty, shift_id, &ids);
    for (int i = 0; i < count && i < SEATS_MAX; i++) {
        struct slot slot;
        char seat[DUTY_ID_SIZE];
        snprintf(seat, sizeof seat, "seat:%.80s:%d", shift_id, i + 1);
        if (slot_load(duty, i < ids.count ? ids.at[i] : seat, &slot))
            asked += offer_open(duty, &slot, "decline", NULL, NULL);
    }
    ids_free(&ids);
    return asked;
}

static int short_of(struct duty *duty, const char *shift_id)
{
    struct query *q = tomorrow_query(duty, "SELECT short FROM (" TOMORROW ") WHERE id = ?4");
    query_text(q, 4, shift_id);
    int count = query_row(q) ? (int)query_get_int(q, 0) : 0;
    query_done(q);
    return count;
}

static void fill_all(struct duty *duty, struct text_fields *fields)
{
    struct ids ids;
    struct query *q = tomorrow_query(duty, "SELECT id FROM (" TOMORROW ") WHERE short > 0");
    ids_collect(q, &ids);
    fields->need = ids.count;
    for (int i = 0; i < ids.count; i++)
        fields->count += fill_shift(duty, ids.at[i], short_of(duty, ids.at[i]));
    ids_free(&ids);
}

static bool is_tomorrow(struct duty *duty, const char *date)
{
    char tomorrow[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(duty->now_ms, 1), tomorrow);
    return text_equal(date, tomorrow);
}

bool evening_confirm(struct duty *duty, const struct incoming *in)
{
    char date[DUTY_ID_SIZE];
    struct text_fields fields = {0};
    if (!evening_asked(duty, in, date))
        return false;
    if (!is_tomorrow(duty, date)) { /* the morning has come: 缺 and 派 are for that */
        gap_list(duty, in);
        return true;
    }
    mark_answered(duty, in, date, "1");
    fill_all(duty, &fields);
    log_info("duty.evening", "date=%s shifts=%d asked=%d", date, fields.need, fields.count);
    answer(duty, in, TEXT_E4_FILLING, &fields);
    return true;
}

bool evening_decline(struct duty *duty, const struct incoming *in)
{
    char date[DUTY_ID_SIZE];
    struct text_fields fields = {0};
    if (!evening_asked(duty, in, date))
        return false;
    mark_answered(duty, in, date, "2");
    answer(duty, in, TEXT_E4_OWN, &fields);
    return true;
}
