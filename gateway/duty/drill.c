/* 【演练】: once a week the chain is tried without an alarm, so that a number that is wrong or a
 * telephone that is off is found on a calm morning. Everybody of today's chain gets one text: the
 * officers who have duty, the leader, the senior officers, the duty room. Whatever comes back from
 * a telephone shows that it can be reached. Half an hour later the leader and the duty room hear
 * who did not answer, and the desk has the list to telephone; a level without anybody is named as
 * that. A week without duties has no drill. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    WAIT_MS = 30 * CALTIME_MINUTE_MS,
    KEEP_DAYS = 30,
    LEVEL_OFFICER = 1,
    LEVEL_LEADER,
    LEVEL_SENIOR,
    LEVEL_ROOM,
};

static void tell(struct duty *duty, const char *drill, const struct person *to, int level)
{
    struct text_fields fields = {0};
    if (to->phone[0] == '\0' ||
        replica_run(duty->replica,
                    "INSERT INTO drill_told(drill, person_id, phone, level, told_at)"
                    " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                    "sssii", drill, to->id, to->phone, (int64_t)level, duty->now_ms) != 1)
        return;
    struct say what = {
        .text = TEXT_D1_DRILL,
        .phone = to->phone,
        .lang = to->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = duty->now_ms + (int64_t)WAIT_MS,
        .ref_kind = "drill",
        .ref_id = drill,
    };
    say(duty, &what, &fields, "D1:%s:%s", drill, to->id);
}

static void tell_each(struct duty *duty, const char *drill, struct query *people, int level)
{
    struct ids ids;
    ids_collect(people, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (person_load(duty, ids.at[i], &person))
            tell(duty, drill, &person, level);
    }
    ids_free(&ids);
}

static bool has_duties(struct duty *duty)
{
    int64_t monday = caltime_midnight(duty->now_ms, 1 - caltime_local(duty->now_ms).weekday);
    return replica_get_int(duty->replica, 0,
                           "SELECT EXISTS (SELECT 1 FROM shift WHERE start_at >= ?1"
                           " AND start_at < ?2 AND state NOT IN ('draft', 'cancelled'))",
                           "ii", monday, monday + INT64_C(7) * CALTIME_DAY_MS) != 0;
}

/* From the top down, so that who is a leader and on duty too is told as the leader. */
static void begin(struct duty *duty, const char *drill)
{
    struct person to;
    if (!has_duties(duty) || !step_once(duty, duty->now_ms + DUTY_KEEP_MS, "D1:%s", drill))
        return;
    if (lead_find(duty, duty->options.station_id, LEVEL_ROOM, &to))
        tell(duty, drill, &to, LEVEL_ROOM);
    if (lead_find(duty, duty->options.station_id, LEVEL_LEADER, &to))
        tell(duty, drill, &to, LEVEL_LEADER);
    struct query *q = replica_query(
        duty->replica, "SELECT DISTINCT senior_id FROM sponsor WHERE coalesce(valid_from, '') <= ?1"
                       " AND coalesce(nullif(valid_to, ''), '9999') >= ?1 ORDER BY 1");
    query_text(q, 1, drill);
    tell_each(duty, drill, q, LEVEL_SENIOR);
    q = replica_query(duty->replica,
                      "SELECT DISTINCT person_id FROM slot WHERE date = ?1 AND published AND active"
                      " AND person_kind IN ('police', 'auxiliary') AND state IN ('planned',"
                      " 'asked', 'confirmed', 'swapping', 'on_post', 'done') ORDER BY 1");
    query_text(q, 1, drill);
    tell_each(duty, drill, q, LEVEL_OFFICER);
}

void drill_heard(struct duty *duty, const char *phone)
{
    replica_run(duty->replica,
                "UPDATE drill_told SET heard_at = ?2 WHERE phone = ?1 AND heard_at IS NULL"
                " AND told_at > ?3",
                "sii", phone, duty->now_ms, duty->now_ms - KEEP_DAYS * (int64_t)CALTIME_DAY_MS);
}

/* "所长无人；王建国；陈国栋": levels that nobody holds, then who was silent, from the top. */
static void list_silent(struct duty *duty, const char *drill, enum text_lang lang,
                        char ret[DUTY_LIST_SIZE])
{
    static const char *const levels[][2] = {
        [LEVEL_OFFICER] = {"民警", "officers"},
        [LEVEL_LEADER] = {"所长", "leader"},
        [LEVEL_SENIOR] = {"高级警长", "senior officer"},
        [LEVEL_ROOM] = {"值班室", "duty room"},
    };
    size_t used = 0;
    ret[0] = '\0';
    for (int level = LEVEL_ROOM; level > LEVEL_OFFICER; level--)
        if (replica_get_int(duty->replica, 0,
                            "SELECT 1 FROM drill_told WHERE drill = ?1 AND level = ?2", "si", drill,
                            (int64_t)level) == 0)
            used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s%s",
                                     used > 0 ? "；" : "", levels[level][lang == TEXT_EN],
                                     lang == TEXT_EN ? ": nobody" : "无人");
    struct query *q = replica_query(
        duty->replica, "SELECT p.name FROM drill_told d JOIN person p ON p.id = d.person_id"
                       " WHERE d.drill = ?1 AND d.heard_at IS NULL ORDER BY d.level DESC, p.name");
    query_text(q, 1, drill);
    while (query_row(q) && used < DUTY_LIST_SIZE - 2 * DUTY_NAME_SIZE)
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s", used > 0 ? "；" : "",
                                 query_get_text(q, 0));
    query_done(q);
}

static int count_told(struct duty *duty, const char *drill, bool heard)
{
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM drill_told WHERE drill = ?1"
                                " AND (?2 = 0 OR heard_at IS NOT NULL)",
                                "si", drill, (int64_t)heard);
}

static void report_to(struct duty *duty, const char *drill, int level)
{
    struct person to;
    char list[DUTY_LIST_SIZE];
    if (!lead_find(duty, duty->options.station_id, level, &to))
        return;
    list_silent(duty, drill, say_lang(duty, to.lang), list);
    struct text_fields fields = {.need = count_told(duty, drill, false),
                                 .count = count_told(duty, drill, true),
                                 .list = list};
    struct say what = {
        .text = list[0] == '\0' ? TEXT_D2_ALL_HEARD : TEXT_D2_SILENT,
        .phone = to.phone,
        .lang = to.lang,
        .prio = DUTY_PRIO_REMINDER,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "drill",
        .ref_id = drill,
    };
    say(duty, &what, &fields, "D2:%s:%s", drill, to.id);
}

static void report(struct duty *duty, const char *drill)
{
    char list[DUTY_LIST_SIZE];
    if (count_told(duty, drill, false) == 0 ||
        !step_once(duty, duty->now_ms + DUTY_KEEP_MS, "D2:%s", drill))
        return;
    report_to(duty, drill, LEVEL_LEADER);
    report_to(duty, drill, LEVEL_ROOM);
    list_silent(duty, drill, say_lang(duty, NULL), list);
    if (list[0] != '\0')
        desk_put(duty, "call", NULL, NULL, drill, list);
    log_info("duty.drill", "drill=%s told=%d heard=%d", drill, count_told(duty, drill, false),
             count_told(duty, drill, true));
}

int64_t drill_tick(struct duty *duty)
{
    const struct duty_policy *policy = &duty->options.policy;
    char drill[CALTIME_DATE_SIZE];
    int days = (policy->drill_weekday - caltime_local(duty->now_ms).weekday + 7) % 7;
    int64_t at = times_at(duty->now_ms, days, policy->drill_at), end = at + (int64_t)WAIT_MS;
    caltime_format_date(duty->now_ms, drill);
    if (duty->now_ms < at)
        return at;
    if (duty->now_ms < end) {
        begin(duty, drill);
        return end;
    }
    if (!times_quiet(policy, duty->now_ms)) /* the program was down: too late for today */
        report(duty, drill);
    return times_at(duty->now_ms, 7, policy->drill_at);
}
