/* Activities: trainings, drills, case reviews, demonstrations, meetings, publicity. An hour before
 * the time of one everybody concerned is told once (T1) and can sign in with 签到 until three hours
 * after it; "who" of the card says whom: the officers of its school (or, without a school, of the
 * station), its volunteers, or all. Who attended a training with a skill has a certificate for as
 * many months as the card says; a month before it ends its holder hears of it. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum {
    BEFORE_MS = 60 * CALTIME_MINUTE_MS,
    OPEN_MS = 3 * 60 * CALTIME_MINUTE_MS,
    WARN_DAYS = 30,
    WARN_AT = 9 * 60,
    MONTHS_DEFAULT = 12,
    KEEP_CERT_DAYS = 60,
};

struct activity {
    char id[DUTY_ID_SIZE];
    char name[DUTY_NAME_SIZE];
    char school_id[DUTY_ID_SIZE];
    char who[16];
    int64_t at;
};

static bool activity_load(struct duty *duty, const char *id, struct activity *ret)
{
    struct query *q =
        replica_query(duty->replica, "SELECT name, coalesce(school_id, ''),"
                                     " coalesce(json_extract(body, '$.who'), 'officers'), at"
                                     " FROM card WHERE id = ?1 AND at IS NOT NULL");
    query_text(q, 1, id);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->id, sizeof ret->id, id);
        text_copy(ret->name, sizeof ret->name, query_get_text(q, 0));
        text_copy(ret->school_id, sizeof ret->school_id, query_get_text(q, 1));
        text_copy(ret->who, sizeof ret->who, query_get_text(q, 2));
        ret->at = query_get_int(q, 3);
    }
    query_done(q);
    return found;
}

static void invite_one(struct duty *duty, const struct activity *activity, const char *person_id)
{
    struct person person;
    char day[TEXT_DATE_SIZE], clock[CALTIME_CLOCK_SIZE];
    if (!person_load(duty, person_id, &person) || person.phone[0] == '\0')
        return;
    text_day(say_lang(duty, person.lang), activity->at, duty->now_ms, day);
    caltime_format_clock(activity->at, clock);
    struct text_fields fields = {.date = day, .start = clock, .list = activity->name};
    struct say what = {
        .text = TEXT_T1_INVITE,
        .phone = person.phone,
        .lang = person.lang,
        .prio = DUTY_PRIO_REMINDER,
        .not_after = activity->at + BEFORE_MS,
        .ref_kind = "activity",
        .ref_id = activity->id,
        .prompt = prompt_open(duty, person.phone, "activity", activity->id, NULL, false,
                              activity->at + OPEN_MS),
    };
    say(duty, &what, &fields, "T1:%s:%s", activity->id, person.id);
}

static void invite(struct duty *duty, const struct activity *activity)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica,
        "SELECT id FROM person WHERE coalesce(active, 1) <> 0 AND coalesce(phone, '') <> ''"
        " AND kind <> 'desk' AND (?1 = '' OR school_id = ?1)"
        " AND coalesce(station_id, ?3) = ?3 AND (?2 = 'all' OR"
        "  (kind IN ('police', 'auxiliary')) = (?2 = 'officers')) ORDER BY id");
    query_text(q, 1, activity->school_id);
    query_text(q, 2, activity->who);
    query_text(q, 3, duty->options.station_id);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++)
        invite_one(duty, activity, ids.at[i]);
    ids_free(&ids);
}

static int64_t invite_due(struct duty *duty, const char *id)
{
    struct activity activity;
    if (activity_load(duty, id, &activity) &&
        step_once(duty, activity.at + DUTY_KEEP_MS, "T1:%s:%lld", id, (long long)activity.at))
        invite(duty, &activity);
    return DUTY_NEVER;
}

static int64_t invitations(struct duty *duty)
{
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM card WHERE at > ?1 AND at <= ?2 AND state = 'on'"
                       " AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key = 'T1:' || card.id ||"
                       "  ':' || card.at) ORDER BY at, id LIMIT ?3");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, duty->now_ms + (int64_t)BEFORE_MS);
    query_int(q, 3, DUTY_SLICE);
    int64_t next = rows_each(duty, q, invite_due);
    int64_t at =
        replica_get_int(duty->replica, 0, "SELECT min(at) FROM card WHERE at > ?1 AND state = 'on'",
                        "i", duty->now_ms + (int64_t)BEFORE_MS);
    return at == 0 ? next : times_min(next, at - BEFORE_MS);
}

/* --- certificates --- */

static void certify(struct duty *duty, const char *activity_id, const char *person_id)
{
    char skill[64], id[DUTY_ID_SIZE], until[CALTIME_DATE_SIZE];
    if (!replica_get_text(duty->replica, skill, sizeof skill,
                          "SELECT json_extract(body, '$.skill') FROM card WHERE id = ?1"
                          " AND kind = 'training'",
                          "s", activity_id))
        return;
    int months = (int)replica_get_int(
        duty->replica, MONTHS_DEFAULT,
        "SELECT json_extract(body, '$.months') FROM card WHERE id = ?1", "s", activity_id);
    struct caltime now = caltime_local(duty->now_ms);
    int month = now.year * 12 + now.month - 1 + months;
    int day = now.day > 28 ? 28 : now.day; /* every month has it */
    caltime_format_date(caltime_to_ms(month / 12, month % 12 + 1, day, 0, 0), until);
    snprintf(id, sizeof id, "cert:%.40s:%.40s", person_id, skill);
    replica_run(duty->replica,
                "INSERT INTO card(id, scope, kind, code, name, person_id, body, state, due_on)"
                " SELECT ?1, ?2, 'cert', 'C' || (SELECT coalesce(max(CAST(substr(code, 2) AS"
                " INTEGER)), 0) + 1 FROM card WHERE substr(code, 1, 1) = 'C'), ?3, ?4, '{}', 'on',"
                " ?5 WHERE true ON CONFLICT(id) DO UPDATE SET state = 'on',"
                " due_on = max(coalesce(due_on, ''), excluded.due_on)",
                "sssss", id, duty->options.station_id, skill, person_id, until);
    card_note(duty, id, NULL, "renewed", person_id, until);
}

static int64_t warn_one(struct duty *duty, const char *id)
{
    struct person person;
    char name[DUTY_NAME_SIZE] = "", due[CALTIME_DATE_SIZE] = "", date[TEXT_DATE_SIZE];
    char person_id[DUTY_ID_SIZE] = "";
    int64_t day;
    replica_get_text(duty->replica, name, sizeof name, "SELECT name FROM card WHERE id = ?1", "s",
                     id);
    replica_get_text(duty->replica, due, sizeof due, "SELECT due_on FROM card WHERE id = ?1", "s",
                     id);
    replica_get_text(duty->replica, person_id, sizeof person_id,
                     "SELECT person_id FROM card WHERE id = ?1", "s", id);
    if (!step_once(duty, duty->now_ms + KEEP_CERT_DAYS * (int64_t)CALTIME_DAY_MS, "T4:%s:%s", id,
                   due) ||
        !caltime_parse_date(due, &day) || !person_load(duty, person_id, &person))
        return DUTY_NEVER;
    text_date(say_lang(duty, person.lang), day, date);
    struct text_fields fields = {.reason = name, .date = date};
    struct say what = {
        .text = TEXT_T4_EXPIRES,
        .phone = person.phone,
        .lang = person.lang,
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "activity",
        .ref_id = id,
    };
    say(duty, &what, &fields, "T4:%s:%s", id, due);
    return DUTY_NEVER;
}

static int64_t expiries(struct duty *duty)
{
    char today[CALTIME_DATE_SIZE], until[CALTIME_DATE_SIZE];
    int64_t at = times_at(duty->now_ms, 0, WARN_AT), tomorrow = times_at(duty->now_ms, 1, WARN_AT);
    if (duty->now_ms < at)
        return at;
    if (times_quiet(&duty->options.policy, duty->now_ms))
        return tomorrow;
    caltime_format_date(duty->now_ms, today);
    caltime_format_date(caltime_midnight(duty->now_ms, WARN_DAYS), until);
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM card WHERE kind = 'cert' AND state = 'on' AND due_on >= ?1"
                       " AND due_on <= ?2 AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key ="
                       "  'T4:' || card.id || ':' || card.due_on) ORDER BY id LIMIT ?3");
    query_text(q, 1, today);
    query_text(q, 2, until);
    query_int(q, 3, DUTY_SLICE);
    return times_min(rows_each(duty, q, warn_one), tomorrow);
}

int64_t activity_tick(struct duty *duty)
{
    return times_min(invitations(duty), expiries(duty));
}

/* --- 签到 --- */

static bool open_prompt(struct duty *duty, const char *phone, char ret[DUTY_ID_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT ref_id FROM prompt WHERE phone = ?1 AND kind = 'activity'"
                            " AND expires_at > ?2 ORDER BY opened_at DESC LIMIT 1",
                            "si", phone, duty->now_ms);
}

bool activity_is_open(struct duty *duty, const char *phone)
{
    char id[DUTY_ID_SIZE];
    return open_prompt(duty, phone, id);
}

void activity_attend(struct duty *duty, const char *card_id, const char *person_id,
                     const char *channel)
{
    if (replica_get_int(duty->replica, 0,
                        "SELECT 1 FROM card_event WHERE card_id = ?1 AND what = 'attended'"
                        " AND person_id = ?2",
                        "ss", card_id, person_id) != 0)
        return;
    card_note(duty, card_id, NULL, "attended", person_id, channel);
    certify(duty, card_id, person_id);
}

void activity_sign_in(struct duty *duty, const struct incoming *in)
{
    char id[DUTY_ID_SIZE], name[DUTY_NAME_SIZE] = "";
    if (!in->known || !open_prompt(duty, in->text->phone, id)) {
        desk_not_understood(duty, in);
        return;
    }
    activity_attend(duty, id, in->person.id, "sms");
    replica_get_text(duty->replica, name, sizeof name, "SELECT name FROM card WHERE id = ?1", "s",
                     id);
    struct text_fields fields = {.list = name};
    answer(duty, in, TEXT_T2_SIGNED, &fields);
}
