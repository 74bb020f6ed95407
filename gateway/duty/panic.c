/* Alarms: an officer's 报警, an SOS button, and the call for help of a volunteer on post.
 *
 * A panic goes at once to the officers of the post's running (else next) shift, the leader and the
 * senior officer of the school; again after 2, 4 and 7 minutes, then to the duty room too, until
 * somebody answers 出警. Each copy says which one it is. 出警 stops the rest in the same
 * transaction and tells everybody who goes; without 解除 the taker, leader and senior officer are
 * told again every ten minutes. 解除 needs the code, and only a phone that got the code may send
 * it. An alarm never ends by itself. A second press at the same place counts up the open alarm.
 *
 * With each copy the telephone rings too (ring.c). Who is told of many alarms at once gets what is
 * not the first word of one in a single text (storm.c); the radio says all of it.
 *
 * Nobody can be told: the duty room is told at once; without even that up to five of the
 * station; without anybody the one who calls is sent to 110 and the alarm stands on the desk. A
 * newer copy replaces the older ones to the same telephone that have not gone out (a modem that was
 * away). A press that arrives more than half an hour late is for the desk only. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/air.h"

enum {
    OF_USE_MS = 60 * CALTIME_MINUTE_MS, /* a copy that could not go out is dropped after this */
    BEFORE_SHIFT_MS = 30 * CALTIME_MINUTE_MS,
    LIST_MAX = 8,
    LAST_RESORT = 5,                  /* people told when the roster names nobody */
    SAME_MS = 60 * CALTIME_MINUTE_MS, /* a press later than this is another alarm */
};

struct alarm {
    char id[DUTY_ID_SIZE];
    char kind[16]; /* "panic", "call", "fire", "intrusion" */
    char code[COMMAND_CODE_SIZE];
    char state[16];
    char school_id[DUTY_ID_SIZE];
    char post_id[DUTY_ID_SIZE];
    char person_id[DUTY_ID_SIZE];
    char device_id[DUTY_ID_SIZE];
    char acked_by[DUTY_ID_SIZE];
    char school[DUTY_NAME_SIZE];
    char post[DUTY_NAME_SIZE];
    char person[DUTY_NAME_SIZE];
    char station_id[DUTY_ID_SIZE];
    char scope[DUTY_ID_SIZE];
    char school_code[16]; /* "" when it has none */
    int64_t raised_at, acked_at;
};

static void get(struct query *q, int column, char *ret, size_t size)
{
    const char *text = query_get_text(q, column);
    text_copy(ret, size, text == NULL ? "" : text);
}

static bool alarm_load(struct duty *duty, const char *id, struct alarm *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT a.kind, a.code, a.state, a.school_id, a.post_id, a.person_id, a.device_id,"
        " a.acked_by, coalesce(nullif(s.short, ''), s.name, nullif(d.name, ''), a.device_id),"
        " coalesce(nullif(po.short, ''), po.name), p.name, s.station_id, a.scope, a.raised_at, "
        "a.acked_at, s.code FROM alarm a"
        " LEFT JOIN school s ON s.id = a.school_id LEFT JOIN post po ON po.id = a.post_id"
        " LEFT JOIN person p ON p.id = a.person_id LEFT JOIN device d ON d.id = a.device_id"
        " WHERE a.id = ?1");
    query_text(q, 1, id);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->id, sizeof ret->id, id);
        get(q, 0, ret->kind, sizeof ret->kind);
        get(q, 1, ret->code, sizeof ret->code);
        get(q, 2, ret->state, sizeof ret->state);
        get(q, 3, ret->school_id, sizeof ret->school_id);
        get(q, 4, ret->post_id, sizeof ret->post_id);
        get(q, 5, ret->person_id, sizeof ret->person_id);
        get(q, 6, ret->device_id, sizeof ret->device_id);
        get(q, 7, ret->acked_by, sizeof ret->acked_by);
        get(q, 8, ret->school, sizeof ret->school);
        get(q, 9, ret->post, sizeof ret->post);
        get(q, 10, ret->person, sizeof ret->person);
        get(q, 11, ret->station_id, sizeof ret->station_id);
        get(q, 12, ret->scope, sizeof ret->scope);
        ret->raised_at = query_get_int(q, 13);
        ret->acked_at = query_get_int(q, 14);
        get(q, 15, ret->school_code, sizeof ret->school_code);
        if (ret->station_id[0] == '\0')
            text_copy(ret->station_id, sizeof ret->station_id, duty->options.station_id);
    }
    query_done(q);
    return found;
}

static void event(struct duty *duty, const struct alarm *alarm, const char *what, int level,
                  const char *person_id)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO alarm_event(id, scope, alarm_id, at, what, level, person_id)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                "sssisis", id, alarm->scope, alarm->id, duty->now_ms, what, (int64_t)level,
                person_id);
}

/* --- copies --- */

static enum text_id text_of(const struct alarm *alarm, int copy)
{
    if (text_equal(alarm->kind, "call"))
        return TEXT_O3_TO_LEADER;
    if (text_equal(alarm->kind, "fire"))
        return copy > 1 ? TEXT_O2_FIRE_AGAIN : TEXT_O2_FIRE;
    if (text_equal(alarm->kind, "intrusion"))
        return copy > 1 ? TEXT_O2_INTRUDER_AGAIN : TEXT_O2_INTRUDER;
    if (alarm->person_id[0] != '\0')
        return copy > 1 ? TEXT_O2_PANIC_AGAIN : TEXT_O2_PANIC;
    return copy > 1 ? TEXT_O2_BUTTON_AGAIN : TEXT_O2_BUTTON;
}

static struct text_fields alarm_fields(const struct alarm *alarm, char clock[CALTIME_CLOCK_SIZE])
{
    caltime_format_clock(alarm->raised_at, clock);
    struct text_fields fields = {
        .person = alarm->person[0] != '\0' ? alarm->person : NULL,
        .school = alarm->school[0] != '\0' ? alarm->school : NULL,
        .post = alarm->post[0] != '\0' ? alarm->post : NULL,
        .start = clock,
        .code = alarm->code,
    };
    return fields;
}

static void say_alarm(struct duty *duty, const struct alarm *alarm, const struct person *to,
                      enum text_id text, struct text_fields *fields, const char *ref)
{
    bool first = text == text_of(alarm, 1) && text != TEXT_O2_INTRUDER;
    char air[AIR_LINE_SIZE];
    bool is_copy = text == text_of(alarm, 1) || text == text_of(alarm, 2);
    if (is_copy)
        air_alarm(say_lang(duty, to->lang), alarm->kind, alarm->school_code, fields, air);
    bool held = storm_holds(duty, to->phone, alarm->id, first);
    if (is_copy && !held) /* what has no newer copy stays */
        say_cancel_to(duty, "alarm", alarm->id, to->phone, "newer copy");
    struct say what = {
        .text = text,
        .air = is_copy ? air : NULL,
        .air_only = held,
        .phone = to->phone,
        .lang = to->lang,
        .prio = DUTY_PRIO_PANIC,
        .not_after = duty->now_ms + OF_USE_MS,
        .ref_kind = ref,
        .ref_id = alarm->id,
    };
    say(duty, &what, fields, "%s:%s:%lld:%s", text_name(text), alarm->id, (long long)duty->now_ms,
        to->phone);
}

static void say_copy(struct duty *duty, const struct alarm *alarm, const struct person *to,
                     int copy)
{
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(alarm, clock);
    fields.count = copy;
    say_alarm(duty, alarm, to, text_of(alarm, copy), &fields, "alarm");
    if (text_equal(alarm->kind, "panic"))
        ring_alarm(duty, alarm->id, to);
}

void panic_heard(struct duty *duty, const char *alarm_id, const char *phone)
{
    struct alarm alarm;
    char person[DUTY_ID_SIZE] = "";
    replica_get_text(duty->replica, person, sizeof person,
                     "SELECT coalesce(person_id, '') FROM alarm_told WHERE alarm_id = ?1"
                     " AND phone = ?2",
                     "ss", alarm_id, phone);
    if (alarm_load(duty, alarm_id, &alarm))
        event(duty, &alarm, "heard", 2, person);
}

/* Adds somebody to those who know the code; true when he had not been told. */
static bool told_add(struct duty *duty, const struct alarm *alarm, const struct person *to,
                     const char *role)
{
    return to->phone[0] != '\0' &&
           replica_run(duty->replica,
                       "INSERT OR IGNORE INTO alarm_told(alarm_id, phone, person_id, role)"
                       " VALUES (?1, ?2, ?3, ?4)",
                       "ssss", alarm->id, to->phone, to->id, role) == 1;
}

static bool tell(struct duty *duty, const struct alarm *alarm, const struct person *to,
                 const char *role)
{
    if (text_equal(to->id, alarm->person_id) || !told_add(duty, alarm, to, role))
        return false; /* who raised it has an answer of his own */
    say_copy(duty, alarm, to, 1);
    return true;
}

/* Officers on the post now (or of the school, when the post has none), else those who come next. */
static void post_officers(struct duty *duty, const struct alarm *alarm, struct ids *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "WITH near AS (SELECT a.person_id, s.post_id = ?2 AS here,"
        " s.start_at - ?4 <= ?3 AS running, s.start_at FROM post po"
        " CROSS JOIN shift s ON s.post_id = po.id JOIN assignment a ON a.shift_id = s.id"
        " JOIN person p ON p.id = a.person_id WHERE (po.school_id = ?1 OR po.id = ?2)"
        " AND s.start_at > ?3 - 86400000 AND s.start_at < ?3 + 86400000 AND s.end_at > ?3"
        " AND s.state NOT IN ('draft', 'cancelled') AND coalesce(p.active, 1) <> 0"
        " AND p.phone IS NOT NULL AND p.kind IN ('police', 'auxiliary')"
        " AND a.state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post')),"
        " best AS (SELECT here, running, start_at FROM near"
        "  ORDER BY running DESC, here DESC, start_at LIMIT 1)"
        " SELECT DISTINCT n.person_id FROM near n JOIN best b ON n.running = b.running"
        " AND n.here = b.here AND (n.running OR n.start_at = b.start_at)");
    query_text(q, 1, alarm->school_id);
    query_text(q, 2, alarm->post_id);
    query_int(q, 3, duty->now_ms);
    query_int(q, 4, BEFORE_SHIFT_MS);
    ids_collect(q, ret);
}

static int tell_officers(struct duty *duty, const struct alarm *alarm)
{
    struct ids ids;
    int count = 0;
    post_officers(duty, alarm, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (!text_equal(ids.at[i], alarm->person_id) && person_load(duty, ids.at[i], &person))
            count += tell(duty, alarm, &person, "post");
    }
    ids_free(&ids);
    return count;
}

static bool tell_role(struct duty *duty, const struct alarm *alarm, const char *role)
{
    struct person to = {0};
    bool found = text_equal(role, "senior")
                     ? sponsor_find(duty, alarm->school_id, &to)
                     : lead_find(duty, alarm->station_id, text_equal(role, "leader") ? 2 : 4, &to);
    return found && tell(duty, alarm, &to, role);
}

static bool anybody_told(struct duty *duty, const struct alarm *alarm)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM alarm_told WHERE alarm_id = ?1"
                           " AND role <> 'raiser'",
                           "s", alarm->id) > 0;
}

/* The roster names nobody who could be told now: whoever of the station can come, the duty room's
 * people and who leads at other times first. */
static bool tell_station(struct duty *duty, const struct alarm *alarm)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT p.id FROM person p WHERE p.station_id = ?1 AND p.id <> ?2"
        " AND coalesce(p.active, 1) <> 0 AND coalesce(p.phone, '') <> ''"
        " AND p.kind IN ('desk', 'police', 'auxiliary') ORDER BY p.kind = 'desk' DESC,"
        " EXISTS (SELECT 1 FROM duty_lead l WHERE l.person_id = p.id) DESC,"
        " coalesce(p.senior, 0) DESC, p.kind = 'police' DESC, p.id LIMIT ?3");
    query_text(q, 1, alarm->station_id);
    query_text(q, 2, alarm->person_id);
    query_int(q, 3, LAST_RESORT);
    struct ids ids;
    int count = 0;
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (person_load(duty, ids.at[i], &person))
            count += tell(duty, alarm, &person, "post");
    }
    ids_free(&ids);
    return count > 0;
}

/* Told and reachable: who raised it counts as told, but cannot come to help himself. Called again
 * with each step, because the shift or the leader may have changed, or the roster come. */
static void tell_all(struct duty *duty, const struct alarm *alarm)
{
    if (!text_equal(alarm->kind, "call")) {
        tell_officers(duty, alarm);
        tell_role(duty, alarm, "senior");
    }
    tell_role(duty, alarm, "leader");
    if (!anybody_told(duty, alarm) && !tell_role(duty, alarm, "room") && !tell_station(duty, alarm))
        log_error("duty.alarm", "alarm=%s nobody can be told", alarm->id);
}

/* --- raising --- */

static int64_t step_at(const struct duty *duty, int64_t started_at, int minutes_done)
{
    struct alarm_step step;
    for (int i = 0; times_alarm_step(&duty->options.policy, i, &step); i++)
        if (step.minutes > minutes_done)
            return started_at + (int64_t)step.minutes * CALTIME_MINUTE_MS;
    return DUTY_NEVER;
}

static void run_set(struct duty *duty, const char *alarm_id, int64_t next_at)
{
    replica_run(duty->replica, "UPDATE alarm_run SET next_at = nullif(?2, ?3) WHERE alarm_id = ?1",
                "sii", alarm_id, next_at, DUTY_NEVER);
}

static void raise_new(struct duty *duty, struct alarm *alarm)
{
    replica_new_id(duty->replica, alarm->id);
    code_new(duty, alarm->code);
    replica_run(duty->replica,
                "INSERT INTO alarm(id, scope, kind, school_id, post_id, person_id, device_id, code,"
                " raised_at, state, level, count)"
                " VALUES (?1, ?2, ?3, nullif(?4, ''), nullif(?5, ''), nullif(?6, ''),"
                " nullif(?7, ''), ?8, ?9, 'open', 3, 1)",
                "ssssssssi", alarm->id, alarm->scope, alarm->kind, alarm->school_id, alarm->post_id,
                alarm->person_id, alarm->device_id, alarm->code, alarm->raised_at);
    replica_run(duty->replica,
                "INSERT INTO alarm_run(alarm_id, started_at, next_at) VALUES (?1, ?2, ?3)", "sii",
                alarm->id, duty->now_ms, step_at(duty, duty->now_ms, 0));
    alarm_load(duty, alarm->id, alarm);
    event(duty, alarm, "raised", 1, alarm->person_id[0] != '\0' ? alarm->person_id : NULL);
    desk_put(duty, "alarm", NULL, alarm->person_id, alarm->id, alarm->code);
    log_info("duty.alarm", "alarm=%s kind=%s school=%s post=%s code=%s", alarm->id, alarm->kind,
             alarm->school_id, alarm->post_id, alarm->code);
}

/* The open alarm of the same place, or of the same person where the place is not known. One that
 * nobody closed does not swallow tomorrow's: an hour after it was raised, or ten minutes after it
 * was taken, somebody who presses wants to be heard again by everybody. */
static bool find_same(struct duty *duty, const struct alarm *alarm, char ret[DUTY_ID_SIZE])
{
    bool place = alarm->school_id[0] != '\0';
    return replica_get_text(
        duty->replica, ret, DUTY_ID_SIZE,
        "SELECT id FROM alarm WHERE ((state = 'open' AND raised_at > ?6)"
        " OR (state = 'acked' AND acked_at > ?7)) AND kind = ?1 AND CASE WHEN ?5"
        " THEN coalesce(school_id, '') = ?2 AND coalesce(post_id, '') = ?3"
        " ELSE school_id IS NULL AND coalesce(person_id, '') = ?4 END"
        " ORDER BY raised_at DESC LIMIT 1",
        "ssssiii", alarm->kind, alarm->school_id, alarm->post_id, alarm->person_id, (int64_t)place,
        duty->now_ms - (int64_t)SAME_MS,
        duty->now_ms - (int64_t)duty->options.policy.panic_unresolved * CALTIME_MINUTE_MS);
}

/* The same alarm again. Who goes there hears it; an alarm whose steps are used up starts over. */
static void raise_again(struct duty *duty, const struct alarm *alarm, const char *person_id)
{
    replica_run(duty->replica, "UPDATE alarm SET count = count + 1 WHERE id = ?1", "s", alarm->id);
    event(duty, alarm, "again", 1, person_id);
    struct person taker;
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(alarm, clock);
    if (text_equal(alarm->state, "acked")) {
        if (person_load(duty, alarm->acked_by, &taker))
            say_alarm(duty, alarm, &taker, TEXT_O2_YOURS, &fields, "alarm");
        return;
    }
    replica_run(duty->replica,
                "UPDATE alarm_run SET started_at = ?2, minutes_done = -1, next_at = ?2"
                " WHERE alarm_id = ?1 AND next_at IS NULL",
                "si", alarm->id, duty->now_ms);
}

/* alarm: kind, place, person or device and time are set. */
static void raise_alarm(struct duty *duty, struct alarm *alarm)
{
    char same[DUTY_ID_SIZE], person[DUTY_ID_SIZE];
    text_copy(person, sizeof person, alarm->person_id);
    if (alarm->scope[0] == '\0')
        text_copy(alarm->scope, sizeof alarm->scope, duty->options.station_id);
    if (find_same(duty, alarm, same) && alarm_load(duty, same, alarm)) {
        raise_again(duty, alarm, person[0] != '\0' ? person : NULL);
        return;
    }
    raise_new(duty, alarm);
    tell_all(duty, alarm);
}

/* Where somebody is: the duty he is on, else the one nearest in the next or last hour. */
static bool place_of(struct duty *duty, const struct person *person, struct slot *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE person_id = ?1 AND end_at > ?2 - ?3"
                       " AND start_at < ?2 + ?3 AND published"
                       " AND state NOT IN ('declined', 'cancelled', 'excused')"
                       " ORDER BY state <> 'on_post', abs(start_at - ?2) LIMIT 1");
    query_text(q, 1, person->id);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, DUTY_EARLY_MS);
    struct ids ids;
    ids_collect(q, &ids);
    bool found = ids.count > 0 && slot_load(duty, ids.at[0], ret);
    ids_free(&ids);
    return found;
}

static struct alarm alarm_of_person(struct duty *duty, const struct incoming *in, const char *kind)
{
    struct alarm alarm = {0};
    struct slot slot;
    text_copy(alarm.kind, sizeof alarm.kind, kind);
    text_copy(alarm.person_id, sizeof alarm.person_id, in->person.id);
    text_copy(alarm.school_id, sizeof alarm.school_id, in->person.school_id);
    alarm.raised_at = times_happened(in->text->sent_at_ms, in->text->heard_at_ms);
    if (place_of(duty, &in->person, &slot)) {
        text_copy(alarm.school_id, sizeof alarm.school_id, slot.school_id);
        text_copy(alarm.post_id, sizeof alarm.post_id, slot.post_id);
        text_copy(alarm.scope, sizeof alarm.scope, slot.scope);
    }
    return alarm;
}

void panic_text(struct duty *duty, const struct incoming *in)
{
    if (!in->known) {
        panic_stranger(duty, in);
        return;
    }
    struct alarm alarm = alarm_of_person(duty, in, "panic");
    raise_alarm(duty, &alarm);
    told_add(duty, &alarm, &in->person, "raiser");
    char clock[CALTIME_CLOCK_SIZE];
    caltime_format_clock(times_happened(in->text->sent_at_ms, in->text->heard_at_ms), clock);
    struct text_fields fields = {.start = clock, .code = alarm.code};
    answer_urgent(duty, in, anybody_told(duty, &alarm) ? TEXT_O1_RECEIVED : TEXT_O1_ALONE, &fields);
}

/* 12110 and the area code without its zero: the text alarm of the police there. */
void panic_number(const struct duty *duty, char ret[LIMIT_PHONE_DIGITS + 1])
{
    const char *area = duty->options.area_code == NULL ? "" : duty->options.area_code;
    while (*area == '0')
        area++;
    snprintf(ret, LIMIT_PHONE_DIGITS + 1, "12110%.10s", area);
}

void panic_call(struct duty *duty, const struct incoming *in)
{
    char number[LIMIT_PHONE_DIGITS + 1];
    struct slot slot;
    panic_number(duty, number);
    struct text_fields fields = {.phone = number};
    if (!in->known || !checkin_on_post(duty, in->person.id, &slot)) {
        panic_stranger(duty, in);
        return;
    }
    struct alarm alarm = alarm_of_person(duty, in, "call");
    raise_alarm(duty, &alarm);
    answer_urgent(duty, in, TEXT_O3_CALL, &fields);
}

void panic_stranger(struct duty *duty, const struct incoming *in)
{
    char number[LIMIT_PHONE_DIGITS + 1];
    panic_number(duty, number);
    struct text_fields fields = {.phone = number};
    if (desk_may_help(duty, in->text->phone, TEXT_O3B_STRANGER))
        answer_urgent(duty, in, TEXT_O3B_STRANGER, &fields);
    desk_put(duty, "text", in->text->phone, in->known ? in->person.id : NULL, in->text->id,
             in->text->body);
}

/* While a duty runs at the school people go in and out, and the guards see them. */
static bool is_watched(struct duty *duty, const struct alarm *alarm)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT EXISTS (SELECT 1 FROM slot WHERE school_id = ?1 AND published"
                           " AND start_at - ?3 <= ?2 AND end_at + ?3 > ?2)",
                           "sii", alarm->school_id, duty->now_ms, (int64_t)BEFORE_SHIFT_MS) != 0;
}

void panic_event(struct duty *duty, const struct duty_event *button)
{
    struct alarm alarm = {.raised_at = button->heard_at_ms};
    bool sos = text_equal(button->kind, "sos");
    text_copy(alarm.kind, sizeof alarm.kind, sos ? "panic" : button->kind);
    text_copy(alarm.device_id, sizeof alarm.device_id, button->device_id);
    struct query *q =
        replica_query(duty->replica, "SELECT school_id, post_id, scope FROM device WHERE id = ?1");
    query_text(q, 1, button->device_id);
    if (query_row(q)) {
        get(q, 0, alarm.school_id, sizeof alarm.school_id);
        get(q, 1, alarm.post_id, sizeof alarm.post_id);
        get(q, 2, alarm.scope, sizeof alarm.scope);
    }
    query_done(q);
    int64_t pressed = button->device_at_ms;
    bool old = pressed > 0 && button->heard_at_ms - pressed > DUTY_OLD_ALARM_MS;
    if (old || !button->fresh) { /* a copy that the broker keeps comes with each connection */
        if (step_once(duty, caltime_midnight(duty->now_ms, 1), "old:%s:%lld", button->device_id,
                      (long long)pressed))
            desk_put(duty, "alarm", NULL, NULL, button->id,
                     sos ? "SOS: an old press" : button->kind);
        return;
    }
    if (text_equal(alarm.kind, "intrusion") && is_watched(duty, &alarm))
        return;
    if (pressed > 0 && pressed < button->heard_at_ms)
        alarm.raised_at = pressed;
    if (alarm.school_id[0] == '\0') /* a button that nobody registered: its name is the place */
        text_copy(alarm.school_id, sizeof alarm.school_id, button->device_id);
    raise_alarm(duty, &alarm);
}

/* --- 出警, 解除 --- */

static bool find_told(struct duty *duty, const char *phone, const char *code, bool raiser_too,
                      struct alarm *ret)
{
    char id[DUTY_ID_SIZE];
    return replica_get_text(duty->replica, id, sizeof id,
                            "SELECT a.id FROM alarm_told t JOIN alarm a ON a.id = t.alarm_id"
                            " WHERE t.phone = ?1 AND (?2 = '' OR a.code = ?2)"
                            " AND (?3 OR t.role <> 'raiser')"
                            " ORDER BY a.state = 'open' DESC, a.state = 'acked' DESC,"
                            " a.raised_at DESC LIMIT 1",
                            "ssi", phone, code, (int64_t)raiser_too) &&
           alarm_load(duty, id, ret);
}

bool panic_told(struct duty *duty, const char *phone)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM alarm_told t JOIN alarm a ON a.id = t.alarm_id"
                           " WHERE t.phone = ?1 AND a.state IN ('open', 'acked')",
                           "s", phone) > 0;
}

/* Everybody who was told but the writer; the one who raised it hears it in other words. */
static void say_everybody(struct duty *duty, const struct alarm *alarm, const char *except,
                          enum text_id text, enum text_id to_raiser, struct text_fields *fields)
{
    struct query *q = replica_query(duty->replica, "SELECT person_id FROM alarm_told"
                                                   " WHERE alarm_id = ?1 AND phone <> ?2"
                                                   " ORDER BY phone");
    query_text(q, 1, alarm->id);
    query_text(q, 2, except);
    struct ids ids;
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person to;
        bool raiser = text_equal(ids.at[i], alarm->person_id);
        if (person_load(duty, ids.at[i], &to))
            say_alarm(duty, alarm, &to, raiser ? to_raiser : text, fields, "alarm_news");
    }
    ids_free(&ids);
}

static void go(struct duty *duty, const struct incoming *in, struct alarm *alarm)
{
    replica_run(duty->replica,
                "UPDATE alarm SET state = 'acked', acked_by = ?2, acked_at = ?3 WHERE id = ?1",
                "ssi", alarm->id, in->person.id, duty->now_ms);
    run_set(duty, alarm->id,
            duty->now_ms + (int64_t)duty->options.policy.panic_unresolved * CALTIME_MINUTE_MS);
    event(duty, alarm, "acked", 2, in->person.id);
    say_cancel(duty, "alarm", alarm->id, "acked");
    ring_stop(duty, alarm->id);
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(alarm, clock);
    answer_urgent(duty, in, TEXT_O2_YOURS, &fields);
    fields.person = in->person.name;
    say_everybody(duty, alarm, in->text->phone, TEXT_O2_TAKEN, TEXT_O2_COMING, &fields);
}

static void no_code(struct duty *duty, const struct incoming *in)
{
    struct text_fields fields = {.code = in->command.code};
    if (in->known && in->command.code[0] != '\0')
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
    else
        desk_not_understood(duty, in);
}

void panic_go(struct duty *duty, const struct incoming *in)
{
    struct alarm alarm;
    if (!in->known || !find_told(duty, in->text->phone, in->command.code, false, &alarm)) {
        no_code(duty, in);
        return;
    }
    if (text_equal(alarm.state, "open")) {
        go(duty, in, &alarm);
        return;
    }
    struct person by = {0};
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(&alarm, clock);
    bool mine = text_equal(alarm.acked_by, in->person.id);
    person_load(duty, alarm.acked_by, &by);
    fields.person = by.name;
    if (text_equal(alarm.state, "acked"))
        answer_urgent(duty, in, mine ? TEXT_O2_YOURS : TEXT_O2_TAKEN, &fields);
    else
        answer_urgent(duty, in, TEXT_O2_CLOSED_BY, &fields);
}

void panic_clear(struct duty *duty, const struct incoming *in)
{
    struct alarm alarm;
    if (!in->known || in->command.code[0] == '\0' ||
        !find_told(duty, in->text->phone, in->command.code, true, &alarm)) {
        no_code(duty, in);
        return;
    }
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(&alarm, clock);
    caltime_format_clock(duty->now_ms, clock);
    fields.person = in->person.name;
    answer_urgent(duty, in, TEXT_O2_CLEAR, &fields);
    if (!text_equal(alarm.state, "open") && !text_equal(alarm.state, "acked"))
        return; /* closed before: said again, nothing changes */
    replica_run(duty->replica, "UPDATE alarm SET state = 'resolved', closed_at = ?2 WHERE id = ?1",
                "si", alarm.id, duty->now_ms);
    run_set(duty, alarm.id, DUTY_NEVER);
    event(duty, &alarm, "resolved", 2, in->person.id);
    say_cancel(duty, "alarm", alarm.id, "resolved");
    ring_stop(duty, alarm.id);
    say_everybody(duty, &alarm, in->text->phone, TEXT_O2_CLEAR, TEXT_O2_CLEAR, &fields);
}

void panic_list(struct duty *duty, const struct incoming *in)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT a.code, coalesce(nullif(s.short, ''), s.name, '') FROM alarm_told t"
        " JOIN alarm a ON a.id = t.alarm_id LEFT JOIN school s ON s.id = a.school_id"
        " WHERE t.phone = ?1 AND a.state IN ('open', 'acked') ORDER BY a.raised_at DESC LIMIT 8");
    query_text(q, 1, in->text->phone);
    char list[DUTY_LIST_SIZE] = "", first[COMMAND_CODE_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < LIST_MAX && used + DUTY_NAME_SIZE < sizeof list && query_row(q); i++) {
        if (i == 0)
            get(q, 0, first, sizeof first);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %.90s", i > 0 ? "；" : "",
                                 query_get_text(q, 0), query_get_text(q, 1));
    }
    query_done(q);
    struct text_fields fields = {.list = list, .code = first};
    answer_urgent(duty, in, TEXT_L3_ALARMS, &fields);
}

/* --- the steps --- */

/* Another copy to everybody told (the raiser has his own answer), or to the duty room only. */
static void copies(struct duty *duty, const struct alarm *alarm, const struct alarm_step *step)
{
    struct query *q = replica_query(duty->replica, "SELECT person_id FROM alarm_told"
                                                   " WHERE alarm_id = ?1 AND role <> 'raiser'"
                                                   " AND (?2 OR role = 'room') ORDER BY phone");
    query_text(q, 1, alarm->id);
    query_int(q, 2, step->all);
    struct ids ids;
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person to;
        if (person_load(duty, ids.at[i], &to))
            say_copy(duty, alarm, &to, step->copy);
    }
    ids_free(&ids);
}

static void widen(struct duty *duty, const struct alarm *alarm, const struct alarm_step *step)
{
    const struct duty_policy *policy = &duty->options.policy;
    tell_all(duty, alarm);
    if (policy->panic_count > 1 && step->minutes >= policy->panic[1])
        tell_role(duty, alarm, "senior");
    if (step->minutes >= policy->panic_room && tell_role(duty, alarm, "room"))
        replica_run(duty->replica, "UPDATE alarm SET level = 4 WHERE id = ?1", "s", alarm->id);
}

/* After a jump of the clock several steps are due: only the last of them is said. */
static void step_open(struct duty *duty, const struct alarm *alarm, int64_t started_at,
                      int minutes_done)
{
    struct alarm_step step, last = {.minutes = minutes_done};
    bool due = false, all = false;
    for (int i = 0; times_alarm_step(&duty->options.policy, i, &step); i++) {
        if (step.minutes <= minutes_done ||
            started_at + (int64_t)step.minutes * CALTIME_MINUTE_MS > duty->now_ms)
            continue;
        last = step;
        due = true;
        all = all || step.all;
    }
    if (minutes_done < 0 && !due) { /* pressed again after the last step: everybody, at once */
        due = all = true;
        last = (struct alarm_step){.minutes = 0, .copy = 2};
    }
    last.all = all;
    if (due) {
        copies(duty, alarm, &last);
        widen(duty, alarm, &last);
        event(duty, alarm, "repeated", last.minutes >= duty->options.policy.panic_room ? 4 : 3,
              NULL);
    }
    replica_run(duty->replica, "UPDATE alarm_run SET minutes_done = ?2 WHERE alarm_id = ?1", "si",
                alarm->id, (int64_t)last.minutes);
    run_set(duty, alarm->id, step_at(duty, started_at, last.minutes));
}

/* Taken but not over: the taker, the leader and the senior officer are told again. */
static void step_acked(struct duty *duty, const struct alarm *alarm, int reminded)
{
    const struct duty_policy *policy = &duty->options.policy;
    if (reminded >= policy->panic_unresolved_times) {
        run_set(duty, alarm->id, DUTY_NEVER);
        return;
    }
    struct person taker = {0}, to = {0};
    char clock[CALTIME_CLOCK_SIZE];
    struct text_fields fields = alarm_fields(alarm, clock);
    if (person_load(duty, alarm->acked_by, &taker))
        say_alarm(duty, alarm, &taker, TEXT_O2_YOURS, &fields, "alarm");
    fields.person = taker.name;
    if (lead_find(duty, alarm->station_id, 2, &to) && !text_equal(to.id, taker.id))
        say_alarm(duty, alarm, &to, TEXT_O2_TAKEN, &fields, "alarm");
    if (sponsor_find(duty, alarm->school_id, &to) && !text_equal(to.id, taker.id))
        say_alarm(duty, alarm, &to, TEXT_O2_TAKEN, &fields, "alarm");
    event(duty, alarm, "unresolved", 3, NULL);
    replica_run(duty->replica, "UPDATE alarm_run SET reminded = reminded + 1 WHERE alarm_id = ?1",
                "s", alarm->id);
    run_set(duty, alarm->id, duty->now_ms + (int64_t)policy->panic_unresolved * CALTIME_MINUTE_MS);
}

struct run {
    int64_t started_at;
    int minutes_done, reminded;
};

static int64_t step(struct duty *duty, const char *id)
{
    struct alarm alarm;
    struct run run = {0};
    struct query *q = replica_query(
        duty->replica,
        "SELECT started_at, minutes_done, reminded FROM alarm_run WHERE alarm_id = ?1");
    query_text(q, 1, id);
    if (query_row(q)) {
        run.started_at = query_get_int(q, 0);
        run.minutes_done = (int)query_get_int(q, 1);
        run.reminded = (int)query_get_int(q, 2);
    }
    query_done(q);
    if (!alarm_load(duty, id, &alarm))
        run_set(duty, id, DUTY_NEVER);
    else if (text_equal(alarm.state, "open"))
        step_open(duty, &alarm, run.started_at, run.minutes_done);
    else if (text_equal(alarm.state, "acked"))
        step_acked(duty, &alarm, run.reminded);
    else
        run_set(duty, id, DUTY_NEVER); /* closed elsewhere */
    return DUTY_NEVER;
}

int64_t panic_tick(struct duty *duty)
{
    struct query *q =
        replica_query(duty->replica, "SELECT alarm_id FROM alarm_run WHERE next_at <= ?1"
                                     " ORDER BY next_at, alarm_id LIMIT ?2");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, DUTY_SLICE);
    rows_each(duty, q, step);
    int64_t later = storm_tick(duty);
    return times_min(later, replica_get_int(duty->replica, DUTY_NEVER,
                                            "SELECT min(next_at) FROM alarm_run"
                                            " WHERE next_at IS NOT NULL",
                                            ""));
}
