/* Many alarms at once: a telephone that has had six texts of alarms within ten minutes gets the
 * rest as one, two minutes later at most. The first word of a panic, of a fire and of a call for
 * help is never held back, nor is an answer; what is held is a repetition, an intruder's device, or
 * news (who goes, what is over). The text says of each alarm how it stands when the text is
 * written, so that it is never behind. An alarm that was closed meanwhile is in it too: whoever was
 * told of it has to know. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    STORM_MS = 10 * CALTIME_MINUTE_MS,
    STORM_MOST = 6,
    BUNDLE_MS = 2 * CALTIME_MINUTE_MS,
    BUNDLE_LIST = 8, /* more do not fit the text */
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

bool storm_holds_any(struct duty *duty, const char *alarm_id)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM alarm_told t WHERE t.alarm_id = ?1"
                           " AND t.role <> 'raiser' AND ?3 <= (SELECT count(*) FROM alarm_said s"
                           " WHERE s.phone = t.phone AND s.at > ?2)",
                           "sii", alarm_id, duty->now_ms - (int64_t)STORM_MS,
                           (int64_t)STORM_MOST) > 0;
}

/* "4821 第二实验小学 待接手；4822 城南中学 李强出警": open ones first. */
static int list_of(struct duty *duty, const char *phone, enum text_lang lang,
                   char ret[DUTY_LIST_SIZE])
{
    static const char *const words[TEXT_LANG_COUNT][3] = {{"待接手", "出警", "已解除"},
                                                          {"open", "goes", "over"}};
    struct query *q = replica_query(
        duty->replica,
        "SELECT a.code, coalesce(nullif(s.short, ''), s.name, nullif(d.name, ''), a.device_id, ''),"
        " a.state, coalesce(p.name, '') FROM alarm_later l JOIN alarm a ON a.id = l.alarm_id"
        " LEFT JOIN school s ON s.id = a.school_id LEFT JOIN device d ON d.id = a.device_id"
        " LEFT JOIN person p ON p.id = a.acked_by WHERE l.phone = ?1"
        " ORDER BY a.state = 'open' DESC, a.state = 'acked' DESC, a.raised_at DESC LIMIT ?2");
    query_text(q, 1, phone);
    query_int(q, 2, BUNDLE_LIST);
    size_t used = 0;
    int count = 0;
    ret[0] = '\0';
    while (used + 3 * DUTY_NAME_SIZE < DUTY_LIST_SIZE && query_row(q)) {
        bool open = text_equal(query_get_text(q, 2), "open");
        bool acked = text_equal(query_get_text(q, 2), "acked");
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s %.90s %.60s%s",
                                 count > 0 ? "；" : "", query_get_text(q, 0), query_get_text(q, 1),
                                 acked ? query_get_text(q, 3) : "",
                                 words[lang][open    ? 0
                                             : acked ? 1
                                                     : 2]);
        count++;
    }
    query_done(q);
    return count;
}

static void tell(struct duty *duty, const char *phone)
{
    char list[DUTY_LIST_SIZE], lang[8] = "";
    replica_get_text(duty->replica, lang, sizeof lang,
                     "SELECT coalesce(lang, '') FROM person WHERE phone = ?1 LIMIT 1", "s", phone);
    struct text_fields fields = {.list = list};
    list_of(duty, phone, say_lang(duty, lang), list);
    fields.count = (int)replica_get_int(
        duty->replica, 0, "SELECT count(*) FROM alarm_later WHERE phone = ?1", "s", phone);
    struct say what = {.text = TEXT_O2_BUNDLE,
                       .phone = phone,
                       .lang = lang,
                       .prio = DUTY_PRIO_PANIC,
                       .not_after = duty->now_ms + OF_USE_MS,
                       .ref_kind = "alarm_news",
                       .ref_id = phone};
    say(duty, &what, &fields, "O2B:%lld:%s", (long long)duty->now_ms, phone);
    log_warn("duty.storm", "alarms=%d", fields.count);
    replica_run(duty->replica, "DELETE FROM alarm_later WHERE phone = ?1", "s", phone);
    note(duty, phone);
}

int64_t storm_tick(struct duty *duty)
{
    char phone[DUTY_PHONE_SIZE];
    while (replica_get_text(duty->replica, phone, sizeof phone,
                            "SELECT phone FROM alarm_later WHERE due_at <= ?1 LIMIT 1", "i",
                            duty->now_ms)) {
        replica_enter(duty->replica);
        tell(duty, phone);
        if (!replica_leave(duty->replica, true))
            return duty->now_ms + CALTIME_MINUTE_MS;
    }
    return replica_get_int(duty->replica, DUTY_NEVER, "SELECT min(due_at) FROM alarm_later", "");
}
