/* The neighbour's watch (W1). Twice a day of school, before the peaks, a station's box texts the
 * boxes of its neighbours that it is alive (W2); whatever comes from such a number is a sign of
 * life and gets no answer, because two machines that answer each other never stop. Ten minutes
 * later the leader of a neighbour that was not heard is told to use paper and telephone, and so is
 * our own desk.
 *
 * A neighbour is a card: its box's number, and its leader's ("<card>:leader"), are in card_phone. A
 * day of school is one of the calendar alone, which both sides have. The times are the same for
 * all stations: policy.watch_at. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/duty/schoolday.h"

enum {
    LATE_MS = 10 * CALTIME_MINUTE_MS,
    EARLY_MS = 20 * CALTIME_MINUTE_MS, /* its clock may be fast */
    WARN_MS = 30 * CALTIME_MINUTE_MS,  /* a warning later than this is of no use */
    PHONES = DUTY_WATCHES,
};

bool neighbour_heard(struct duty *duty, const char *phone)
{
    char card[DUTY_ID_SIZE];
    if (!replica_get_text(duty->replica, card, sizeof card,
                          "SELECT c.id FROM card_phone p JOIN card c ON c.id = p.card_id"
                          " WHERE p.phone = ?1 AND c.kind = 'neighbour' AND c.state = 'on'",
                          "s", phone))
        return false;
    replica_run(duty->replica,
                "INSERT INTO neighbour_heard(card_id, at) VALUES (?1, ?2)"
                " ON CONFLICT(card_id) DO UPDATE SET at = excluded.at",
                "si", card, duty->now_ms);
    return true;
}

static void say_to(struct duty *duty, const char *card_id, const char *phone_of, enum text_id text,
                   struct text_fields *fields, int64_t at)
{
    char phone[DUTY_PHONE_SIZE];
    if (!replica_get_text(duty->replica, phone, sizeof phone,
                          "SELECT phone FROM card_phone WHERE card_id = ?1", "s", phone_of))
        return;
    struct say what = {
        .text = text,
        .phone = phone,
        .lang = "",
        .prio = DUTY_PRIO_DUTY,
        .not_after = at + (text == TEXT_W1_NEIGHBOUR ? WARN_MS : LATE_MS),
        .ref_kind = "neighbour",
        .ref_id = card_id,
    };
    say(duty, &what, fields, "%.2s:%s:%lld", text_name(text), card_id, (long long)at);
}

static void alive(struct duty *duty, const char *card_id, int64_t at)
{
    char clock[CALTIME_CLOCK_SIZE], date[TEXT_DATE_SIZE];
    caltime_format_clock(at, clock);
    text_date(say_lang(duty, NULL), at, date);
    struct text_fields fields = {.list = duty->options.station_name, .date = date, .start = clock};
    say_to(duty, card_id, card_id, TEXT_W2_ALIVE, &fields, at);
}

static void silent(struct duty *duty, const char *card_id, int64_t at)
{
    char name[DUTY_NAME_SIZE] = "", leader[DUTY_ID_SIZE];
    replica_get_text(duty->replica, name, sizeof name, "SELECT name FROM card WHERE id = ?1", "s",
                     card_id);
    snprintf(leader, sizeof leader, "%.80s:leader", card_id);
    struct text_fields fields = {.list = name};
    say_to(duty, card_id, leader, TEXT_W1_NEIGHBOUR, &fields, at);
    desk_put(duty, "call", NULL, NULL, card_id, name);
}

/* Those of today's watch at `at` that this step was not done for. */
static void neighbours(struct duty *duty, struct ids *ret)
{
    ids_collect(replica_query(duty->replica, "SELECT id FROM card WHERE kind = 'neighbour'"
                                             " AND state = 'on' ORDER BY id"),
                ret);
}

static bool was_heard(struct duty *duty, const char *card_id, int64_t at)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT 1 FROM neighbour_heard WHERE card_id = ?1 AND at >= ?2", "si",
                           card_id, at - (int64_t)EARLY_MS) != 0;
}

static void watch_one(struct duty *duty, const char *card_id, int64_t at)
{
    int64_t keep = at + CALTIME_DAY_MS;
    if (duty->now_ms < at + LATE_MS) {
        if (step_once(duty, keep, "W2:%s:%lld", card_id, (long long)at))
            alive(duty, card_id, at);
    } else if (step_done(duty, "W2:%s:%lld", card_id, (long long)at) &&
               step_once(duty, keep, "W1:%s:%lld", card_id, (long long)at) &&
               !was_heard(duty, card_id, at)) {
        silent(duty, card_id, at); /* we were there and sent ours; the other did not */
    }
}

static bool is_school_day(struct duty *duty)
{
    struct school_day day = school_day_of(duty->replica, "", duty->now_ms);
    return day.kind == SCHOOL_DAY_UNKNOWN ? day.weekday <= 5 : day.kind != SCHOOL_DAY_OFF;
}

int64_t neighbour_tick(struct duty *duty)
{
    int64_t next = DUTY_NEVER;
    struct ids ids;
    neighbours(duty, &ids);
    for (int i = 0; i < PHONES && ids.count > 0; i++) {
        int64_t at = times_at(duty->now_ms, 0, duty->options.policy.watch_at[i]);
        int64_t late = at + (int64_t)LATE_MS;
        bool now = duty->now_ms >= at && duty->now_ms < at + WARN_MS && is_school_day(duty);
        for (int k = 0; now && k < ids.count; k++)
            watch_one(duty, ids.at[k], at);
        next = times_min(next, duty->now_ms < at     ? at
                               : duty->now_ms < late ? late
                                                     : at + CALTIME_DAY_MS);
    }
    ids_free(&ids);
    return next;
}
