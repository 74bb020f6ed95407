/* Who was told what about the own duties. The table `notice` holds what each person was last told;
 * triggers name the assignments that changed, by whatever hand, and the next ticks compare those, a
 * slice at a time. So it does not matter how or how often a roster came.
 *
 * New: N1 (one text for a week's duties at one post, else one each); a volunteer whose evening
 * reminder is due anyway gets only that. Changed: N2. Cancelled, or given to somebody else: N3.
 * A duty that has begun is not told any more; that of a person without a phone goes to the desk. At
 * night N1 to N3 wait for the morning unless the duty begins before people could still act on it.
 * 退订 leaves N2 and N3, changes of the own duty.
 */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum {
    WEEK_ITEMS = 3,                 /* times that fit one N1 */
    AHEAD_MS = 14 * CALTIME_DAY_MS, /* duties further ahead are told later */
    QUIET_SLICE = 10 * DUTY_SLICE,
};

void notice_put(struct duty *duty, const struct slot *slot)
{
    replica_run(duty->replica,
                "INSERT INTO notice(assignment_id, person_id, phone, post_id, start_at, end_at,"
                " told_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                " ON CONFLICT(assignment_id) DO UPDATE SET person_id = excluded.person_id,"
                " phone = excluded.phone, post_id = excluded.post_id,"
                " start_at = excluded.start_at, end_at = excluded.end_at,"
                " told_at = excluded.told_at",
                "ssssiii", slot->id, slot->person_id, slot->phone, slot->post_id, slot->start_at,
                slot->end_at, duty->now_ms);
}

void notice_drop(struct duty *duty, const char *assignment_id)
{
    replica_run(duty->replica, "DELETE FROM notice WHERE assignment_id = ?1", "s", assignment_id);
}

static struct say notice_say(const struct duty *duty, const struct slot *slot, enum text_id text)
{
    struct say what = {
        .text = text,
        .phone = slot->phone,
        .lang = slot->lang,
        .prio = text == TEXT_N1_NEW || text == TEXT_N1_WEEK ? DUTY_PRIO_BULK : DUTY_PRIO_DUTY,
        .not_before = times_notice(&duty->options.policy, duty->now_ms, slot->start_at),
        .not_after = slot->start_at,
        .ref_kind = "notice",
        .ref_id = slot->id,
    };
    return what;
}

/* Told when the morning's reminder is due already: that would only say the same again. */
static void settle_morning(struct duty *duty, const struct slot *slot)
{
    if (duty->now_ms >= times_morning(&duty->options.policy, slot->start_at))
        step_once(duty, slot->end_at + DUTY_KEEP_MS, "RM:%s:%lld", slot->id,
                  (long long)slot->start_at);
}

static void say_new(struct duty *duty, const struct slot *slot)
{
    settle_morning(duty, slot);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot->lang), slot, &words);
    struct say what = notice_say(duty, slot, TEXT_N1_NEW);
    what.prompt = prompt_open(duty, slot->phone, "duty", slot->id, NULL, false, slot->end_at);
    say(duty, &what, &fields, "N1:%s:%lld:%s:%lld", slot->id, (long long)slot->start_at,
        slot->person_id, (long long)duty->now_ms);
    notice_put(duty, slot);
}

static int64_t next_monday(int64_t now_ms)
{
    return caltime_midnight(now_ms, 8 - caltime_local(now_ms).weekday);
}

static bool is_next_week(int64_t now_ms, int64_t start_at)
{
    int64_t monday = next_monday(now_ms);
    return start_at >= monday && start_at < monday + INT64_C(7) * CALTIME_DAY_MS;
}

/* Other new duties of the same person at the same post next week, this one included, in time. */
static void collect_week(struct duty *duty, const struct slot *slot, struct ids *ret)
{
    int64_t monday = next_monday(duty->now_ms);
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE person_id = ?1 AND post_id = ?2"
                       " AND start_at >= ?3 AND start_at < ?4 AND published"
                       " AND state IN ('planned', 'asked', 'confirmed') AND NOT EXISTS"
                       " (SELECT 1 FROM notice n WHERE n.assignment_id = slot.assignment_id)"
                       " ORDER BY start_at LIMIT 3");
    query_text(q, 1, slot->person_id);
    query_text(q, 2, slot->post_id);
    query_int(q, 3, monday);
    query_int(q, 4, monday + INT64_C(7) * CALTIME_DAY_MS);
    ids_collect(q, ret);
}

static void say_week(struct duty *duty, const struct slot *first, const struct ids *week)
{
    enum text_lang lang = say_lang(duty, first->lang);
    char list[DUTY_LIST_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < week->count && i < WEEK_ITEMS; i++) {
        struct slot one;
        char day[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        if (!slot_load(duty, week->at[i], &one))
            continue;
        text_weekday(lang, one.start_at, day);
        caltime_format_clock(one.start_at, start);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s%s%s", i > 0 ? "；" : "",
                                 day, lang == TEXT_EN ? " " : "", start);
        prompt_open(duty, one.phone, "duty", one.id, NULL, false, one.end_at);
        notice_put(duty, &one);
    }
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, lang, first, &words);
    fields.list = list;
    struct say what = notice_say(duty, first, TEXT_N1_WEEK);
    say(duty, &what, &fields, "N1W:%s:%lld:%s:%lld", first->id, (long long)first->start_at,
        first->person_id, (long long)duty->now_ms);
}

/* The evening's or the morning's reminder says the same and asks: that one is enough, unless the
 * evening's went out before the duty was taken off the plan. */
static bool reminder_is_near(struct duty *duty, const struct slot *slot)
{
    return !person_is_officer(slot->person_kind) &&
           duty->now_ms >= times_evening(&duty->options.policy, slot->start_at) &&
           duty->now_ms < times_morning(&duty->options.policy, slot->start_at) &&
           !step_done(duty, "R1:%s:%lld", slot->id, (long long)slot->start_at);
}

static void publish_new(struct duty *duty, const char *id)
{
    struct slot slot;
    if (!slot_load(duty, id, &slot))
        return;
    if (replica_get_int(duty->replica, 0, "SELECT 1 FROM notice WHERE assignment_id = ?1", "s",
                        id) != 0)
        return; /* told with an earlier one of its week */
    if (reminder_is_near(duty, &slot) || person_stopped(duty, slot.phone)) {
        notice_put(duty, &slot);
        return;
    }
    struct ids week = {0};
    if (is_next_week(duty->now_ms, slot.start_at))
        collect_week(duty, &slot, &week);
    if (week.count >= 2)
        say_week(duty, &slot, &week);
    else
        say_new(duty, &slot);
    ids_free(&week);
}

/* A reminder with the old time must not follow; one with the new time only where none went out. */
static void settle_reminders(struct duty *duty, const struct slot *slot, int64_t old_start)
{
    say_cancel(duty, "remind", slot->id, "changed");
    if (step_done(duty, "R1:%s:%lld", slot->id, (long long)old_start))
        step_once(duty, slot->end_at + DUTY_KEEP_MS, "R1:%s:%lld", slot->id,
                  (long long)slot->start_at);
    if (step_done(duty, "RM:%s:%lld", slot->id, (long long)old_start))
        step_once(duty, slot->end_at + DUTY_KEEP_MS, "RM:%s:%lld", slot->id,
                  (long long)slot->start_at);
    settle_morning(duty, slot);
}

static void publish_changed(struct duty *duty, const char *id)
{
    struct slot slot;
    if (!slot_load(duty, id, &slot))
        return;
    int64_t old_start = replica_get_int(
        duty->replica, 0, "SELECT start_at FROM notice WHERE assignment_id = ?1", "s", id);
    settle_reminders(duty, &slot, old_start);
    notice_put(duty, &slot);
    if (slot.start_at <= duty->now_ms || !slot_is_ahead(&slot))
        return; /* it has begun: too late to be of use */
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot.lang), &slot, &words);
    struct say what = notice_say(duty, &slot, TEXT_N2_CHANGED);
    say_cancel(duty, "notice", slot.id, "changed");
    what.prompt = prompt_open(duty, slot.phone, "duty", slot.id, NULL, false, slot.end_at);
    say(duty, &what, &fields, "N2:%s:%s:%lld-%lld:%lld", slot.id, slot.post_id,
        (long long)slot.start_at, (long long)slot.end_at, (long long)duty->now_ms);
}

struct old_notice {
    char person_id[DUTY_ID_SIZE];
    char phone[DUTY_PHONE_SIZE];
    int64_t start_at, end_at;
};

static bool notice_load(struct duty *duty, const char *id, struct old_notice *ret)
{
    struct query *q =
        replica_query(duty->replica, "SELECT person_id, phone, start_at, end_at FROM notice"
                                     " WHERE assignment_id = ?1");
    query_text(q, 1, id);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->person_id, sizeof ret->person_id, query_get_text(q, 0));
        text_copy(ret->phone, sizeof ret->phone, query_get_text(q, 1));
        ret->start_at = query_get_int(q, 2);
        ret->end_at = query_get_int(q, 3);
    }
    query_done(q);
    return found;
}

static void say_cancelled(struct duty *duty, const char *id, const struct old_notice *old)
{
    struct person person = {0};
    person_load(duty, old->person_id, &person);
    char date[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
    text_date(say_lang(duty, person.lang), old->start_at, date);
    caltime_format_clock(old->start_at, start);
    struct text_fields fields = {.date = date, .start = start};
    struct say what = {
        .text = TEXT_N3_CANCELLED,
        .phone = old->phone,
        .lang = person.lang,
        .prio = DUTY_PRIO_DUTY,
        .not_before = times_notice(&duty->options.policy, duty->now_ms, old->start_at),
        .not_after = old->start_at,
        .ref_kind = "notice",
        .ref_id = id,
    };
    say(duty, &what, &fields, "N3:%s:%s:%lld:%lld", id, old->person_id, (long long)old->start_at,
        (long long)duty->now_ms);
}

static void publish_cancelled(struct duty *duty, const char *id)
{
    struct old_notice old;
    if (!notice_load(duty, id, &old))
        return;
    say_cancel(duty, "notice", id, "cancelled");
    say_cancel(duty, "remind", id, "cancelled");
    say_cancel(duty, "gap", id, "cancelled");
    offer_close(duty, id, "cancelled");
    gap_close(duty, id);
    prompt_close(duty, "duty", id);
    if (old.start_at > duty->now_ms)
        say_cancelled(duty, id, &old);
    notice_drop(duty, id);
}

/* A notice whose duty is gone: called off, excused, or now another person's. */
static bool is_gone(const struct slot *slot, const char *told_person)
{
    return !slot->published || text_equal(slot->state, "cancelled") ||
           text_equal(slot->state, "excused") || !text_equal(slot->person_id, told_person);
}

static bool is_as_told(struct duty *duty, const struct slot *slot)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT start_at = ?2 AND end_at = ?3 AND post_id = ?4 FROM notice"
                           " WHERE assignment_id = ?1",
                           "siis", slot->id, slot->start_at, slot->end_at, slot->post_id) != 0;
}

static bool is_to_be_told(const struct duty *duty, const struct slot *slot)
{
    return slot_is_ahead(slot) && !text_equal(slot->state, "swapping") && slot->active &&
           slot->start_at > duty->now_ms && slot->start_at < duty->now_ms + AHEAD_MS;
}

/* Nobody can be texted: somebody has to call, or tell the person at the school. */
static void tell_by_hand(struct duty *duty, const struct slot *slot)
{
    char body[DUTY_LIST_SIZE], start[CALTIME_CLOCK_SIZE];
    if (!step_once(duty, slot->end_at + DUTY_KEEP_MS, "NP:%s:%lld", slot->id,
                   (long long)slot->start_at))
        return;
    caltime_format_clock(slot->start_at, start);
    snprintf(body, sizeof body, "%s %s %s%s %s", slot->date, start, slot->school, slot->post,
             slot->person);
    desk_put(duty, "call", NULL, slot->person_id, slot->id, body);
}

/* One assignment that was changed: what its person was told against what holds now. */
static int64_t compare(struct duty *duty, const char *id)
{
    struct slot slot;
    struct old_notice old;
    replica_run(duty->replica, "DELETE FROM duty_touch WHERE assignment_id = ?1", "s", id);
    bool exists = slot_load(duty, id, &slot);
    if (notice_load(duty, id, &old)) {
        if (old.end_at <= duty->now_ms)
            return DUTY_NEVER;
        if (!exists || is_gone(&slot, old.person_id))
            publish_cancelled(duty, id);
        else if (slot_is_ahead(&slot) && !is_as_told(duty, &slot))
            publish_changed(duty, id);
    }
    if (exists && is_to_be_told(duty, &slot)) {
        if (slot.phone[0] != '\0')
            publish_new(duty, id);
        else
            tell_by_hand(duty, &slot);
    }
    return DUTY_NEVER;
}

/* Once a day the duties that have come near enough to be told. */
int64_t publish_horizon(struct duty *duty)
{
    replica_run(duty->replica,
                "INSERT OR IGNORE INTO duty_touch(assignment_id) SELECT a.id FROM shift s"
                " JOIN assignment a ON a.shift_id = s.id WHERE s.start_at > ?1 AND s.start_at < ?2"
                " AND a.state IN ('planned', 'asked', 'confirmed')"
                " AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.assignment_id = a.id)",
                "ii", duty->now_ms, duty->now_ms + (int64_t)AHEAD_MS);
    return caltime_midnight(duty->now_ms, 1);
}

/* Years of duties may come at once, with a first filling: of those that have begun, and of which
 * nobody was told, nobody is told anything. */
static void drop_past(struct duty *duty)
{
    replica_run(duty->replica,
                "DELETE FROM duty_touch WHERE assignment_id IN (SELECT t.assignment_id FROM (SELECT"
                " assignment_id FROM duty_touch ORDER BY assignment_id LIMIT ?1) t WHERE NOT EXISTS"
                " (SELECT 1 FROM notice n WHERE n.assignment_id = t.assignment_id) AND NOT EXISTS"
                " (SELECT 1 FROM assignment a JOIN shift s ON s.id = a.shift_id"
                " WHERE a.id = t.assignment_id AND s.start_at > ?2))",
                "ii", (int64_t)QUIET_SLICE, duty->now_ms);
}

int64_t publish_tick(struct duty *duty, bool *ret_changed)
{
    *ret_changed =
        replica_get_int(duty->replica, 0, "SELECT EXISTS (SELECT 1 FROM duty_touch)", "") != 0;
    if (!*ret_changed)
        return DUTY_NEVER; /* only the replica's rows make it due */
    drop_past(duty);
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM duty_touch ORDER BY assignment_id LIMIT ?1");
    query_int(q, 1, DUTY_SLICE);
    return rows_each(duty, q, compare);
}
