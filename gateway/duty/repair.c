/* Broken devices (table device_repair, one row for one cause) become what people work with: an
 * issue in the ledger of the school, which the county sees too, and so an item at the desk. What
 * belongs to no school (the broker, a bridge to several schools) is an item at the desk only.
 *
 * Not before it has lasted: a device that is away for ten minutes has been restarted. Not at night
 * either, when gates are switched off, but for the broker: without it no alarm is heard. When it
 * works again the issue is set to mended, for somebody to look at; when it breaks again before
 * anybody has, that is the same issue. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum { REPAIRS_MAX = 512 }; /* more are not open at once */

static const struct cause {
    const char *name, *zh, *en;
    int severity, minutes; /* how long before it is told */
    bool any_hour;         /* at night, too */
} causes[] = {
    {"power", "停电，靠电池供电", "power cut, runs on batteries", 1, 2, false},
    {"broker", "设备消息服务停了，设备都听不到", "the broker is down: no device is heard", 1, 5,
     true},
    {"school", "全校设备离线，查网络和交换机", "all devices away: look at line and switch", 1, 15,
     false},
    {"bridge", "网桥停了", "a bridge to devices is down", 1, 15, false},
    {"silent", "设备离线", "device away", 2, 30, false},
    {"flood", "设备消息过多", "device sends too much", 2, 10, false},
    {"battery", "设备电量低", "battery low", 3, 0, false},
    {"clock", "设备时钟不准", "clock is wrong", 3, 60, false},
};

static const struct cause *cause_named(const char *name)
{
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
        if (text_equal(causes[i].name, name))
            return &causes[i];
    return NULL;
}

struct repair {
    char cause[16];
    char subject[DUTY_NAME_SIZE];
    char school_id[DUTY_ID_SIZE]; /* "": of none, or of several */
    char name[DUTY_NAME_SIZE];    /* of the device: what a person calls it */
    char issue_id[DUTY_ID_SIZE];  /* it has become */
    int64_t devices, since, told_at;
    bool closed;
};

static bool repair_load(struct duty *duty, const char *id, struct repair *ret)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT r.cause, r.subject, CASE WHEN s.id IS NOT NULL THEN s.id WHEN r.cause = 'bridge'"
        "  THEN (SELECT max(b.school_id) FROM device b WHERE b.product = r.subject"
        "   HAVING count(DISTINCT b.school_id) = 1) ELSE ds.id END,"
        " coalesce(nullif(d.name, ''), coalesce(nullif(p.short, ''), p.name, '') || d.kind,"
        "  r.subject), r.issue_id, r.devices, r.since, r.told_at, r.closed_at IS NOT NULL"
        " FROM device_repair r LEFT JOIN school s ON s.id = r.subject"
        " LEFT JOIN device d ON d.id = r.subject LEFT JOIN post p ON p.id = d.post_id"
        " LEFT JOIN school ds ON ds.id = d.school_id WHERE r.id = CAST(?1 AS INTEGER)");
    query_text(q, 1, id);
    const struct field fields[] = {{ret->cause, sizeof ret->cause},
                                   {ret->subject, sizeof ret->subject},
                                   {ret->school_id, sizeof ret->school_id},
                                   {ret->name, sizeof ret->name},
                                   {ret->issue_id, sizeof ret->issue_id}};
    bool found = query_fields(q, fields, sizeof fields / sizeof fields[0]);
    if (found) {
        ret->devices = query_get_int(q, 5);
        ret->since = query_get_int(q, 6);
        ret->told_at = query_get_int(q, 7);
        ret->closed = query_get_int(q, 8) != 0;
    }
    query_done(q);
    return found;
}

static void write_words(const struct duty *duty, const struct repair *repair,
                        const struct cause *cause, char *ret, size_t size)
{
    bool english = say_lang(duty, NULL) == TEXT_EN;
    bool named = text_equal(repair->cause, "silent") || text_equal(repair->cause, "battery") ||
                 text_equal(repair->cause, "clock") || text_equal(repair->cause, "flood") ||
                 text_equal(repair->cause, "bridge");
    char count[32] = "";
    if (repair->devices > 1)
        snprintf(count, sizeof count, english ? " (%lld devices)" : "（%lld台）",
                 (long long)repair->devices);
    snprintf(ret, size, "%s%s%.60s%s", english ? cause->en : cause->zh,
             !named    ? ""
             : english ? ": "
                       : "：",
             named ? repair->name : "", count);
}

/* The issue of the last time that this broke, when nobody has looked at it yet. */
static bool same_issue(struct duty *duty, const char *id, const struct repair *repair,
                       char ret[DUTY_ID_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT r.issue_id FROM device_repair r JOIN issue i ON"
                            " i.id = r.issue_id AND i.state NOT IN ('closed', 'merged')"
                            " WHERE r.cause = ?1 AND r.subject = ?2 AND r.id <> CAST(?3 AS INTEGER)"
                            " ORDER BY r.id DESC LIMIT 1",
                            "sss", repair->cause, repair->subject, id);
}

static int64_t tell_broken(struct duty *duty, const char *id)
{
    struct repair repair;
    if (!repair_load(duty, id, &repair))
        return DUTY_NEVER;
    const struct cause *cause = cause_named(repair.cause);
    if (cause == NULL)
        return DUTY_NEVER;
    if (!cause->any_hour && times_quiet(&duty->options.policy, duty->now_ms))
        return times_after_quiet(&duty->options.policy, duty->now_ms);
    int64_t due = repair.since + cause->minutes * (int64_t)CALTIME_MINUTE_MS;
    if (due > duty->now_ms)
        return due;
    char words[DUTY_LIST_SIZE], issue_id[DUTY_ID_SIZE] = "";
    write_words(duty, &repair, cause, words, sizeof words);
    if (repair.school_id[0] == '\0')
        desk_put(duty, "event", NULL, NULL, id, words);
    else if (same_issue(duty, id, &repair, issue_id))
        ledger_broken_again(duty, issue_id);
    else
        ledger_found(duty, repair.school_id, words, cause->severity, issue_id);
    replica_run(duty->replica,
                "UPDATE device_repair SET told_at = ?2, issue_id = nullif(?3, '')"
                " WHERE id = CAST(?1 AS INTEGER)",
                "sis", id, duty->now_ms, issue_id);
    return DUTY_NEVER;
}

static int64_t tell_mended(struct duty *duty, const char *id)
{
    struct repair repair;
    if (!repair_load(duty, id, &repair))
        return DUTY_NEVER;
    if (repair.issue_id[0] != '\0')
        ledger_works_again(duty, repair.issue_id);
    else
        replica_run(duty->replica,
                    "UPDATE desk_item SET state = 'done' WHERE kind = 'event' AND ref_id = ?1", "s",
                    id);
    replica_run(duty->replica,
                "UPDATE device_repair SET told_at = -1 WHERE id = CAST(?1 AS INTEGER)", "s", id);
    return DUTY_NEVER;
}

int64_t repair_tick(struct duty *duty)
{
    struct query *q =
        replica_query(duty->replica, "SELECT CAST(id AS TEXT) FROM device_repair"
                                     " WHERE closed_at IS NOT NULL AND told_at > 0 LIMIT ?1");
    query_int(q, 1, REPAIRS_MAX);
    rows_each(duty, q, tell_mended);
    q = replica_query(duty->replica, "SELECT CAST(id AS TEXT) FROM device_repair"
                                     " WHERE closed_at IS NULL AND told_at = 0 LIMIT ?1");
    query_int(q, 1, REPAIRS_MAX);
    return rows_each(duty, q, tell_broken);
}
