/* On post and off post: 到岗 and 离岗 by text, a call, a face terminal's events, 替 and a name.
 *
 * The duty meant is the person's own one nearest to the time, from an hour before its start to its
 * end. The time is the sender's clock when it is within a quarter of an hour of ours, else the
 * arrival; both are stored. What waited while the box was down is of the time that the sender's
 * clock says, if there was a duty then. Who declined and comes after all, while nobody took the
 * place, is on post. A later check-in turns a no-show into a late one. Who forgets 离岗 is done
 * half an hour after the end, without a made-up time. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { LATE_OUT_MS = 3 * 3600 * 1000 /* 离岗 after the end of the duty is still its end */ };

/* A text is known by its phone, which two of one family may share; a badge (phone NULL) is not. */
#define THIS_PERSON(person, phone)                                                                 \
    " s.person_id IN (SELECT id FROM person WHERE id = " person " OR phone = " phone ")"

static bool find_first(struct duty *duty, struct query *q, struct slot *ret)
{
    struct ids ids;
    ids_collect(q, &ids);
    bool found = ids.count > 0 && slot_load(duty, ids.at[0], ret);
    ids_free(&ids);
    return found;
}

/* A duty of one's own from which one was called away: one stands where one was called to. */
#define CALLED_AWAY                                                                                \
    " s.stands_in_for IS NULL AND EXISTS (SELECT 1 FROM slot o WHERE o.person_id = s.person_id"    \
    "  AND o.stands_in_for IS NOT NULL AND o.state IN ('confirmed', 'on_post')"                    \
    "  AND o.start_at < s.end_at AND o.end_at > s.start_at AND o.end_at > ?2)"

/* The duty that a check-in of this person, or of anybody with this phone, at this time is for; of
 * what waited also one that is over. */
static bool find_in_at(struct duty *duty, const char *person_id, const char *phone,
                       const struct arrival *arrival, struct slot *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT s.assignment_id FROM slot s WHERE" THIS_PERSON(
            "?1",
            "?5") " AND s.end_at > ?2 AND s.start_at - ?3 <= ?2 AND s.published AND (?4 = '' OR "
                  "s.school_id = ?4)"
                  " AND (s.state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post', "
                  "'no_show') OR (?6 AND s.state = 'done')"
                  "  OR (s.state = 'declined' AND NOT EXISTS (SELECT 1 FROM assignment t"
                  "   WHERE t.stands_in_for = s.assignment_id AND t.state <> 'cancelled')))"
                  " ORDER BY s.state = 'declined'," CALLED_AWAY
                  ", abs(s.start_at - ?2), s.assignment_id LIMIT 1");
    query_text(q, 1, person_id);
    query_int(q, 2, arrival->at);
    query_int(q, 3, DUTY_EARLY_MS);
    query_text(q, 4, arrival->school_id == NULL ? "" : arrival->school_id);
    query_text(q, 5, phone);
    query_int(q, 6, arrival->waited_at > 0);
    return find_first(duty, q, ret);
}

/* As it was when it waited, if that makes sense; else as it was heard. */
static bool find_then(struct duty *duty, const char *person_id, const char *phone,
                      struct arrival *arrival, struct slot *ret,
                      bool (*find)(struct duty *, const char *, const char *,
                                   const struct arrival *, struct slot *))
{
    struct arrival then = *arrival;
    then.at = then.waited_at;
    if (then.waited_at > 0 && find(duty, person_id, phone, &then, ret)) {
        *arrival = then;
        return true;
    }
    arrival->waited_at = 0;
    return find(duty, person_id, phone, arrival, ret);
}

static bool find_in(struct duty *duty, const char *person_id, const char *phone,
                    struct arrival *arrival, struct slot *ret)
{
    return find_then(duty, person_id, phone, arrival, ret, find_in_at);
}

bool checkin_on_post(struct duty *duty, const char *person_id, struct slot *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE person_id = ?1 AND state = 'on_post'"
                       " AND end_at > ?2 ORDER BY start_at DESC LIMIT 1");
    query_text(q, 1, person_id);
    query_int(q, 2, duty->now_ms - DUTY_LEFT_MS);
    return find_first(duty, q, ret);
}

static void write_row(struct duty *duty, const struct slot *slot, const char *kind,
                      const struct arrival *arrival, int late_min)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO checkin(id, scope, assignment_id, person_id, post_id, kind, at,"
                " heard_at, channel, late_min)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                "ssssssiisi", id, slot->scope, slot->id, slot->person_id, slot->post_id, kind,
                arrival->at, arrival->heard_at, arrival->channel, (int64_t)late_min);
}

static int64_t in_time(struct duty *duty, const char *assignment_id, int64_t fallback)
{
    return replica_get_int(duty->replica, fallback,
                           "SELECT min(at) FROM checkin WHERE assignment_id = ?1 AND kind = 'in'",
                           "s", assignment_id);
}

static int late_minutes(const struct slot *slot, int64_t at)
{
    return at <= slot->start_at ? 0 : (int)((at - slot->start_at) / CALTIME_MINUTE_MS);
}

/* Returns the time of the check-in; a second one changes nothing and gives the first one's. */
static int64_t arrive(struct duty *duty, const struct slot *slot, const struct arrival *arrival)
{
    if (text_equal(slot->state, "on_post") || text_equal(slot->state, "done")) {
        gap_back(duty, slot);
        return in_time(duty, slot->id, arrival->at);
    }
    int late = late_minutes(slot, arrival->at);
    write_row(duty, slot, "in", arrival, late);
    replica_run(duty->replica, "UPDATE assignment SET state = 'on_post' WHERE id = ?1", "s",
                slot->id);
    part_touch(duty, PART_CHECKIN);
    say_cancel(duty, "remind", slot->id, "arrived");
    say_cancel(duty, "gap", slot->id, "arrived");
    offer_close(duty, slot->id, "arrived");
    gap_arrived(duty, slot, arrival->at, late);
    return arrival->at;
}

static struct arrival arrival_of_text(const struct duty_text_in *text)
{
    struct arrival arrival = {
        .at = times_happened(text->sent_at_ms, text->heard_at_ms),
        .heard_at = text->heard_at_ms,
        .waited_at = times_waited(text->sent_at_ms, text->heard_at_ms),
        .channel = "sms",
    };
    return arrival;
}

void checkin_text(struct duty *duty, const struct incoming *in)
{
    struct arrival arrival = arrival_of_text(in->text);
    struct slot slot;
    struct text_fields none = {0};
    if (!in->known) {
        desk_not_understood(duty, in);
        return;
    }
    if (!find_in(duty, in->person.id, in->text->phone, &arrival, &slot)) {
        answer(duty, in, TEXT_A11_NO_DUTY, &none);
        return;
    }
    int64_t at = arrive(duty, &slot, &arrival);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, in->lang, &slot, &words);
    caltime_format_clock(at, words.start);
    answer(duty, in, TEXT_A8_IN, &fields);
}

bool checkin_ring(struct duty *duty, const struct person *person, const struct duty_ring *ring)
{
    struct arrival arrival = {
        .at = ring->heard_at_ms, .heard_at = ring->heard_at_ms, .channel = "call"};
    struct slot slot;
    if (!find_in(duty, person->id, ring->phone, &arrival, &slot))
        return false;
    int64_t at = arrive(duty, &slot, &arrival);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot.lang), &slot, &words);
    caltime_format_clock(at, words.start);
    struct say what = {
        .text = TEXT_A8_IN,
        .phone = ring->phone,
        .lang = slot.lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = duty->now_ms + DUTY_ANSWER_MS,
        .ref_kind = "answer",
        .ref_id = ring->id,
    };
    say(duty, &what, &fields, "A8:ring:%s", slot.id); /* once, however often it rings */
    return true;
}

void checkin_by_word(struct duty *duty, const struct slot *slot)
{
    struct arrival arrival = {.at = slot->start_at, .heard_at = duty->now_ms, .channel = "leader"};
    write_row(duty, slot, "in", &arrival, 0);
}

/* --- 到+校+全 --- */

static bool was_told(struct duty *duty, const struct incoming *in)
{
    return in->known &&
           replica_get_int(duty->replica, 0,
                           "SELECT 1 FROM prompt WHERE phone = ?1 AND kind = 'gap'"
                           " AND code = ?2 AND expires_at > ?3",
                           "ssi", in->text->phone, in->command.code, duty->now_ms) != 0;
}

/* Those of the school whose duty is on and who are not there by our books. */
static void missing_at(struct duty *duty, const char *school_id, struct ids *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE school_id = ?1 AND published"
                       " AND start_at - ?3 <= ?2 AND end_at > ?2 AND state IN ('planned', 'asked',"
                       " 'confirmed', 'swapping', 'no_show') ORDER BY assignment_id");
    query_text(q, 1, school_id);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, DUTY_EARLY_MS);
    ids_collect(q, ret);
}

void checkin_roll(struct duty *duty, const struct incoming *in)
{
    struct school_words school;
    struct text_fields fields = {.code = in->command.code};
    struct arrival arrival = {
        .at = duty->now_ms, .heard_at = in->text->heard_at_ms, .channel = "roll"};
    struct ids ids;
    if (!was_told(duty, in)) {
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
        return;
    }
    if (!school_asked(duty, in, &school))
        return;
    missing_at(duty, school.id, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct slot slot;
        if (slot_load(duty, ids.at[i], &slot)) {
            arrive(duty, &slot, &arrival);
            fields.count++;
        }
    }
    ids_free(&ids);
    fields.school = school.name;
    answer(duty, in, TEXT_A8_ALL, &fields);
}

/* --- 替 and a name --- */

static bool same_name(const char *a, const char *b)
{
    char left[COMMAND_ARG_SIZE], right[COMMAND_ARG_SIZE];
    recognise_fold(a, left, sizeof left);
    recognise_fold(b, right, sizeof right);
    return left[0] != '\0' && text_equal(left, right);
}

/* The one person of that name who is due at that time at a school of the writer. */
static bool find_named_at(struct duty *duty, const struct incoming *in,
                          const struct arrival *arrival, struct slot *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT assignment_id FROM slot WHERE end_at > ?1 AND start_at <= ?1 + ?2"
        " AND start_at > ?1 - 86400000 AND published AND person_id <> ?3 AND (school_id = ?4 OR "
        "(?4 = '' AND station_id = ?5))"
        " AND state IN ('planned', 'asked', 'confirmed', 'swapping', 'declined', 'no_show')"
        " ORDER BY abs(start_at - ?1), assignment_id");
    query_int(q, 1, arrival->at);
    query_int(q, 2, DUTY_EARLY_MS);
    query_text(q, 3, in->person.id);
    query_text(q, 4, in->person.school_id);
    query_text(q, 5, in->person.station_id);
    struct ids ids;
    ids_collect(q, &ids);
    char first[DUTY_ID_SIZE] = "", person[DUTY_ID_SIZE] = "";
    bool several = false;
    for (int i = 0; i < ids.count; i++) {
        if (!slot_load(duty, ids.at[i], ret) || !same_name(in->command.arg, ret->person))
            continue;
        if (first[0] == '\0') {
            text_copy(first, sizeof first, ret->id);
            text_copy(person, sizeof person, ret->person_id);
        }
        several = several || !text_equal(person, ret->person_id); /* two of one name */
    }
    ids_free(&ids);
    return first[0] != '\0' && !several && slot_load(duty, first, ret);
}

/* Due when it was written, where it waited for us; else now. */
static bool find_named(struct duty *duty, const struct incoming *in, struct arrival *arrival,
                       struct slot *ret)
{
    struct arrival then = *arrival;
    then.at = then.waited_at;
    if (then.waited_at > 0 && find_named_at(duty, in, &then, ret)) {
        *arrival = then;
        return true;
    }
    return find_named_at(duty, in, arrival, ret);
}

/* The place changes hands at the gate: the named person's part ends, the writer's begins on post.
 */
static void stand_in(struct duty *duty, const struct incoming *in, const struct arrival *arrival,
                     const struct slot *old)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO assignment(id, scope, shift_id, person_id, role, stands_in_for, state,"
                " answered_at) SELECT ?1, scope, shift_id, ?3, role, id, 'confirmed', ?4"
                " FROM assignment WHERE id = ?2",
                "sssi", id, old->id, in->person.id, duty->now_ms);
    if (!text_equal(old->state, "declined"))
        replica_run(duty->replica, "UPDATE assignment SET state = 'cancelled' WHERE id = ?1", "s",
                    old->id);
    notice_drop(duty, old->id);
    prompt_close(duty, "duty", old->id);
    say_cancel(duty, "remind", old->id, "stood in");
    say_cancel(duty, "gap", old->id, "stood in");
    offer_close(duty, old->id, "stood in");
    struct slot mine;
    if (!slot_load(duty, id, &mine))
        return;
    notice_put(duty, &mine);
    arrive(duty, &mine, arrival);
    gap_covered(duty, old->id);
}

void checkin_stand_in(struct duty *duty, const struct incoming *in)
{
    struct arrival arrival = arrival_of_text(in->text);
    struct slot old;
    if (!in->known || !find_named(duty, in, &arrival, &old)) {
        desk_not_understood(duty, in);
        return;
    }
    stand_in(duty, in, &arrival, &old);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, in->lang, &old, &words);
    caltime_format_clock(arrival.at, words.start);
    answer(duty, in, TEXT_A9_STOOD_IN, &fields);
}

/* --- 离岗 --- */

/* On post now, or the duty that ended lately without a word. */
static bool find_out_at(struct duty *duty, const char *person_id, const char *phone,
                        const struct arrival *arrival, struct slot *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT s.assignment_id FROM slot s WHERE" THIS_PERSON(
            "?1",
            "?6") " AND s.end_at > ?2 AND s.start_at - ?3 <= ?4 AND (?5 = '' OR s.school_id = ?5)"
                  " AND (s.state = 'on_post' OR (s.state = 'done' AND NOT EXISTS (SELECT 1 FROM "
                  "checkin c"
                  "  WHERE c.assignment_id = s.assignment_id AND c.kind = 'out')))"
                  " ORDER BY s.state <> 'on_post', s.start_at DESC LIMIT 1");
    query_text(q, 1, person_id);
    query_int(q, 2, arrival->at - LATE_OUT_MS);
    query_int(q, 3, DUTY_EARLY_MS);
    query_int(q, 4, arrival->at);
    query_text(q, 5, arrival->school_id == NULL ? "" : arrival->school_id);
    query_text(q, 6, phone);
    return find_first(duty, q, ret);
}

static bool find_out(struct duty *duty, const char *person_id, const char *phone,
                     struct arrival *arrival, struct slot *ret)
{
    return find_then(duty, person_id, phone, arrival, ret, find_out_at);
}

static void leave(struct duty *duty, const struct slot *slot, const struct arrival *arrival)
{
    write_row(duty, slot, "out", arrival, 0);
    replica_run(duty->replica, "UPDATE assignment SET state = 'done' WHERE id = ?1", "s", slot->id);
    prompt_close(duty, "duty", slot->id);
}

static int times_this_term(struct duty *duty, const char *person_id)
{
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM slot WHERE person_id = ?1 AND state = 'done'"
                                " AND start_at >= ?2",
                                "si", person_id, term_start(duty));
}

void checkout_text(struct duty *duty, const struct incoming *in)
{
    struct arrival arrival = arrival_of_text(in->text);
    struct slot slot;
    struct text_fields none = {0};
    if (!in->known) {
        desk_not_understood(duty, in);
        return;
    }
    if (!find_out(duty, in->person.id, in->text->phone, &arrival, &slot)) {
        answer(duty, in, TEXT_A11_NO_DUTY, &none);
        return;
    }
    leave(duty, &slot, &arrival);
    int64_t stayed = arrival.at - in_time(duty, slot.id, arrival.at);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, in->lang, &slot, &words);
    caltime_format_clock(arrival.at, words.start);
    fields.minutes = stayed > 0 ? (int)(stayed / CALTIME_MINUTE_MS) : 0;
    fields.count = times_this_term(duty, slot.person_id);
    char tasks[DUTY_LIST_SIZE];
    bool more = task_list(duty, &slot, tasks) > 0;
    fields.list = tasks;
    answer(duty, in, more ? TEXT_A10_TASKS : TEXT_A10_OUT, &fields);
}

/* --- terminals --- */

struct at_terminal {
    char person_id[DUTY_ID_SIZE];
    char school_id[DUTY_ID_SIZE];
    struct arrival arrival;
};

/* The number that the terminal knows a person by: a badge of this terminal before one of all. */
static bool badge_read(struct duty *duty, const struct duty_event *event, struct at_terminal *ret)
{
    *ret = (struct at_terminal){
        .arrival = {.at = times_happened(event->device_at_ms, event->heard_at_ms),
                    .heard_at = event->heard_at_ms,
                    .waited_at = times_waited(event->device_at_ms, event->heard_at_ms),
                    .channel = "terminal"}};
    replica_get_text(duty->replica, ret->school_id, sizeof ret->school_id,
                     "SELECT school_id FROM device WHERE id = ?1", "s", event->device_id);
    if (event->subject != NULL &&
        replica_get_text(duty->replica, ret->person_id, sizeof ret->person_id,
                         "SELECT person_id FROM badge WHERE number = ?2"
                         " AND (device_id = ?1 OR coalesce(device_id, '') = '')"
                         " ORDER BY coalesce(device_id, '') = '', id LIMIT 1",
                         "ss", event->device_id, event->subject))
        return true;
    if (step_once(duty, caltime_midnight(duty->now_ms, 1), "badge:%s:%s", event->device_id,
                  event->subject == NULL ? "" : event->subject))
        desk_put(duty, "event", NULL, NULL, event->id, "terminal: number without a person");
    return false;
}

void checkin_event(struct duty *duty, const struct duty_event *event)
{
    struct at_terminal who;
    struct slot slot;
    if (!badge_read(duty, event, &who))
        return;
    who.arrival.school_id = who.school_id;
    if (find_in(duty, who.person_id, NULL, &who.arrival, &slot))
        arrive(duty, &slot, &who.arrival); /* else somebody passes the gate without a duty */
}

/* A camera names nobody: whoever should be on its post is asked. What happened a while ago is over,
 * and one that looks at no post of ours says nothing. */
static void post_empty(struct duty *duty, const struct duty_event *event)
{
    if (!event->fresh)
        return;
    struct query *q = replica_query(
        duty->replica, "SELECT s.assignment_id FROM device d JOIN slot s ON s.post_id = d.post_id"
                       " WHERE d.id = ?1 AND s.state = 'on_post' AND s.published"
                       " AND s.start_at <= ?2 AND s.end_at > ?2");
    query_text(q, 1, event->device_id);
    query_int(q, 2, duty->now_ms);
    struct ids ids;
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++)
        gap_left(duty, ids.at[i]);
    ids_free(&ids);
}

void checkout_event(struct duty *duty, const struct duty_event *event)
{
    struct at_terminal who;
    struct slot slot;
    if (event->subject == NULL) {
        post_empty(duty, event);
        return;
    }
    if (!badge_read(duty, event, &who))
        return;
    who.arrival.school_id = who.school_id;
    if (find_out(duty, who.person_id, NULL, &who.arrival, &slot))
        leave(duty, &slot, &who.arrival);
}

/* Half an hour after the end who is still on post has left without a word. */
int64_t checkin_tick(struct duty *duty)
{
    replica_run(duty->replica,
                "UPDATE assignment SET state = 'done' WHERE state = 'on_post' AND"
                " (SELECT s.end_at FROM shift s WHERE s.id = assignment.shift_id) <= ?1",
                "i", duty->now_ms - (int64_t)DUTY_LEFT_MS);
    int64_t end = replica_get_int(duty->replica, 0,
                                  "SELECT min(s.end_at) FROM assignment a"
                                  " JOIN shift s ON s.id = a.shift_id WHERE a.state = 'on_post'",
                                  "");
    return end == 0 ? DUTY_NEVER : end + DUTY_LEFT_MS;
}
