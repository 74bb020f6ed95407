/* Many alarms at once: a telephone that has had six texts of alarms within ten minutes gets the
 * rest as one, two minutes later at most. The first word of a panic, of a fire and of a call for
 * help is never held back, nor is an answer; what is held is a repetition, an intruder's device, or
 * news (who goes, what is over). The text says of each alarm how it stands when the text is
 * written, so that it is never behind. An alarm that was closed meanwhile is in it too: whoever was
 * told of it has to know.
 *
 * A bundle shows what fits one text, oldest open alarm first; the rest follows a minute later. One
 * that has not gone out (a modem that was away) is replaced by the next, which shows its alarms as
 * they are then; at the latest when its hour is over, because by then it is of no use to anybody.
 */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    STORM_MS = 10 * CALTIME_MINUTE_MS,
    STORM_MOST = 6,
    BUNDLE_MS = 2 * CALTIME_MINUTE_MS,
    MORE_MS = CALTIME_MINUTE_MS,
    BUNDLE_LIST = 12, /* more do not fit a text in either language */
    ITEM_SIZE = 160,
    OF_USE_MS = 60 * CALTIME_MINUTE_MS,
};

static void note(struct duty *duty, const char *phone)
{
    replica_run(duty->replica, "DELETE FROM alarm_said WHERE at <= ?1", "i",
                duty->now_ms - (int64_t)STORM_MS);
    replica_run(duty->replica, "INSERT INTO alarm_said(phone, at) VALUES (?1, ?2)", "si", phone,
                duty->now_ms);
}

bool storm_holds(struct duty *duty, const char *phone, const char *alarm_id, bool first_word)
{
    int64_t said = replica_get_int(duty->replica, 0,
                                   "SELECT count(*) FROM alarm_said WHERE phone = ?1 AND at > ?2",
                                   "si", phone, duty->now_ms - (int64_t)STORM_MS);
    if (first_word || said < STORM_MOST) {
        note(duty, phone);
        return false;
    }
    int64_t due =
        replica_get_int(duty->replica, duty->now_ms + BUNDLE_MS,
                        "SELECT min(due_at) FROM alarm_later WHERE phone = ?1", "s", phone);
    replica_run(duty->replica,
                "INSERT OR IGNORE INTO alarm_later(phone, alarm_id, due_at) VALUES (?1, ?2, ?3)",
                "ssi", phone, alarm_id, due);
    return true;
}

/* --- the bundle --- */

struct bundle {
    const char *phone;
    enum text_lang lang;
    struct text_fields fields;
    char list[DUTY_LIST_SIZE];
};

/* "4822 城南中学 李强出警" */
static bool item_of(struct duty *duty, enum text_lang lang, const char *alarm_id,
                    char ret[ITEM_SIZE])
{
    static const char *const words[TEXT_LANG_COUNT][3] = {{"待接手", "出警", "已解除"},
                                                          {"open", "goes", "over"}};
    struct query *q = replica_query(
        duty->replica,
        "SELECT a.code, substr(coalesce(nullif(s.short, ''), s.name, nullif(d.name, ''),"
        " a.device_id, ''), 1, ?2), substr(coalesce(p.name, ''), 1, ?3),"
        " CASE a.state WHEN 'open' THEN 0 WHEN 'acked' THEN 1 ELSE 2 END FROM alarm a"
        " LEFT JOIN school s ON s.id = a.school_id LEFT JOIN device d ON d.id = a.device_id"
        " LEFT JOIN person p ON p.id = a.acked_by WHERE a.id = ?1");
    query_text(q, 1, alarm_id);
    query_int(q, 2, TEXT_SCHOOL_CHARS);
    query_int(q, 3, TEXT_PERSON_CHARS);
    bool found = query_row(q);
    if (found) {
        int64_t state = query_get_int(q, 3);
        snprintf(ret, ITEM_SIZE, "%s %s %s%s", query_get_text(q, 0), query_get_text(q, 1),
                 state == 1 ? query_get_text(q, 2) : "", words[lang][state]);
    }
    query_done(q);
    return found;
}

/* False: no room is left. The first is shown whatever its length. */
static bool add(struct duty *duty, struct bundle *bundle, const char *alarm_id)
{
    char item[ITEM_SIZE];
    size_t used = strlen(bundle->list);
    bool found = item_of(duty, bundle->lang, alarm_id, item);
    if (found)
        snprintf(bundle->list + used, sizeof bundle->list - used, "%s%s", used > 0 ? "；" : "",
                 item);
    if (found && used > 0 && !text_list_fits(TEXT_O2_BUNDLE, bundle->lang, &bundle->fields)) {
        bundle->list[used] = '\0';
        return false;
    }
    replica_run(duty->replica, "DELETE FROM alarm_later WHERE phone = ?1 AND alarm_id = ?2", "ss",
                bundle->phone, alarm_id);
    if (found)
        replica_run(duty->replica,
                    "INSERT OR IGNORE INTO alarm_bundle(phone, alarm_id, at) VALUES (?1, ?2, ?3)",
                    "ssi", bundle->phone, alarm_id, duty->now_ms);
    return true;
}

static void fill(struct duty *duty, struct bundle *bundle)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica, "SELECT l.alarm_id FROM alarm_later l LEFT JOIN alarm a ON a.id = l.alarm_id"
                       " WHERE l.phone = ?1 ORDER BY a.state = 'open' DESC, a.state = 'acked' DESC,"
                       " a.raised_at, a.id LIMIT ?2");
    query_text(q, 1, bundle->phone);
    query_int(q, 2, BUNDLE_LIST);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count && add(duty, bundle, ids.at[i]);)
        i++;
    ids_free(&ids);
}

/* A bundle's name, so that one that ran out long ago is not taken for this one. */
static void name_of(const char *phone, int64_t at, char ret[DUTY_KEY_SIZE])
{
    snprintf(ret, DUTY_KEY_SIZE, "%lld:%s", (long long)at, phone);
}

/* The bundle before this one; what it shows waits again when it has not gone out. */
static bool replace(struct duty *duty, const char *phone)
{
    char name[DUTY_KEY_SIZE];
    name_of(phone,
            replica_get_int(duty->replica, 0, "SELECT max(at) FROM alarm_bundle WHERE phone = ?1",
                            "s", phone),
            name);
    bool unsent = say_cancel(duty, "alarm_bundle", name, "newer bundle") > 0;
    if (unsent)
        replica_run(duty->replica,
                    "INSERT OR IGNORE INTO alarm_later(phone, alarm_id, due_at)"
                    " SELECT phone, alarm_id, ?2 FROM alarm_bundle WHERE phone = ?1",
                    "si", phone, duty->now_ms);
    replica_run(duty->replica, "DELETE FROM alarm_bundle WHERE phone = ?1", "s", phone);
    return unsent;
}

static void tell(struct duty *duty, const char *phone)
{
    char lang[8] = "", name[DUTY_KEY_SIZE];
    replica_get_text(duty->replica, lang, sizeof lang,
                     "SELECT coalesce(lang, '') FROM person WHERE phone = ?1 LIMIT 1", "s", phone);
    struct bundle bundle = {.phone = phone, .lang = say_lang(duty, lang)};
    bool unsent = replace(duty, phone); /* what does not fit now is due later then */
    bundle.fields.list = bundle.list;
    bundle.fields.signature = duty->options.signature;
    bundle.fields.count = (int)replica_get_int(
        duty->replica, 0, "SELECT count(*) FROM alarm_later WHERE phone = ?1", "s", phone);
    fill(duty, &bundle);
    replica_run(duty->replica, "UPDATE alarm_later SET due_at = ?2 WHERE phone = ?1", "si", phone,
                duty->now_ms + (int64_t)(unsent ? BUNDLE_MS : MORE_MS));
    if (bundle.list[0] == '\0')
        return;
    name_of(phone, duty->now_ms, name);
    struct say what = {.text = TEXT_O2_BUNDLE,
                       .phone = phone,
                       .lang = lang,
                       .prio = DUTY_PRIO_PANIC,
                       .not_after = duty->now_ms + OF_USE_MS,
                       .ref_kind = "alarm_bundle",
                       .ref_id = name};
    say(duty, &what, &bundle.fields, "O2B:%lld:%s", (long long)duty->now_ms, phone);
    log_warn("duty.storm", "alarms=%d", bundle.fields.count);
    note(duty, phone);
}

/* Of those who are due, or whose last bundle has been waiting for its whole time. */
static bool next_phone(struct duty *duty, char ret[DUTY_PHONE_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_PHONE_SIZE,
                            "SELECT phone FROM alarm_later WHERE due_at <= ?1 UNION ALL"
                            " SELECT phone FROM alarm_bundle WHERE at <= ?1 - ?2 LIMIT 1",
                            "ii", duty->now_ms, (int64_t)OF_USE_MS);
}

int64_t storm_tick(struct duty *duty)
{
    char phone[DUTY_PHONE_SIZE];
    while (next_phone(duty, phone)) {
        replica_enter(duty->replica);
        tell(duty, phone);
        if (!replica_leave(duty->replica, true))
            return duty->now_ms + CALTIME_MINUTE_MS;
    }
    return replica_get_int(duty->replica, DUTY_NEVER,
                           "SELECT min(due_at) FROM (SELECT due_at FROM alarm_later UNION ALL"
                           " SELECT at + ?1 FROM alarm_bundle)",
                           "i", (int64_t)OF_USE_MS);
}
