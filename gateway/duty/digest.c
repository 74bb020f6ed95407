/* Monday's letters. Each partner department with a telephone number hears which issues wait for it
 * (J1), those that are overdue first; the leader hears what is due this week (M1): gear to check,
 * certificates that end, schools without their drill. Nobody hears when there is nothing. A week
 * without a day of school is left out: nobody could act on it. */
#include "gateway/duty/cards.h"
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"
#include "gateway/duty/schoolday.h"

enum {
    MONDAY = 1,
    KEEP_STEP_MS = 8 * CALTIME_DAY_MS,
    ITEMS_MAX = 6,
    DRILL_DAYS = 30, /* a school's */
    DRILL_DAYS_KINDERGARTEN = 90,
    CERT_DAYS = 30,
};

/* --- partners --- */

/* "0136第二实验小学东门违停(超期)；…" of what waits for the department. */
static int list_issues(struct duty *duty, const char *dept_id, enum text_lang lang,
                       char ret[DUTY_LIST_SIZE])
{
    char today[CALTIME_DATE_SIZE];
    size_t used = 0;
    caltime_format_date(duty->now_ms, today);
    struct query *q = replica_query(
        duty->replica, "SELECT i.code || coalesce(nullif(s.short, ''), s.name, '') ||"
                       " substr(i.title, 1, 8) || '(' || CASE WHEN i.due_on < ?2 THEN ?3 ELSE"
                       " coalesce(substr(i.due_on, 6), '') END || ')' FROM issue i"
                       " LEFT JOIN school s ON s.id = i.school_id WHERE i.dept_id = ?1"
                       " AND i.state IN ('assigned', 'fixing') ORDER BY i.due_on, i.code LIMIT ?4");
    query_text(q, 1, dept_id);
    query_text(q, 2, today);
    query_text(q, 3, lang == TEXT_EN ? "overdue" : "超期");
    query_int(q, 4, ITEMS_MAX);
    ret[0] = '\0';
    while (query_row(q) && used < DUTY_LIST_SIZE - 128)
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%.120s",
                                 used > 0 ? "；" : "", query_get_text(q, 0));
    query_done(q);
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM issue WHERE dept_id = ?1"
                                " AND state IN ('assigned', 'fixing')",
                                "s", dept_id);
}

static int64_t tell_partner(struct duty *duty, const char *card_id)
{
    char phone[DUTY_PHONE_SIZE], dept[DUTY_ID_SIZE], list[DUTY_LIST_SIZE], day[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, day);
    if (!step_once(duty, duty->now_ms + KEEP_STEP_MS, "J1:%s:%s", card_id, day) ||
        !replica_get_text(duty->replica, phone, sizeof phone,
                          "SELECT phone FROM card_phone WHERE card_id = ?1", "s", card_id) ||
        !replica_get_text(duty->replica, dept, sizeof dept, "SELECT ref_id FROM card WHERE id = ?1",
                          "s", card_id))
        return DUTY_NEVER;
    struct text_fields fields = {.list = list};
    fields.count = list_issues(duty, dept, say_lang(duty, NULL), list);
    struct say what = {
        .text = TEXT_J1_PARTNER,
        .phone = phone,
        .lang = "",
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "digest",
        .ref_id = card_id,
    };
    if (fields.count > 0)
        say(duty, &what, &fields, "J1:%s:%s", card_id, day);
    return DUTY_NEVER;
}

static int64_t partners(struct duty *duty)
{
    char day[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, day);
    struct query *q = replica_query(
        duty->replica, "SELECT c.id FROM card c JOIN card_phone p ON p.card_id = c.id"
                       " WHERE c.kind = 'partner' AND c.state = 'on' AND c.ref_id IS NOT NULL"
                       " AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key ="
                       "  'J1:' || c.id || ':' || ?1) ORDER BY c.id LIMIT ?2");
    query_text(q, 1, day);
    query_int(q, 2, DUTY_SLICE);
    return rows_each(duty, q, tell_partner);
}

/* --- what is due --- */

static int count_due(struct duty *duty, const char *kind, int days)
{
    char until[CALTIME_DATE_SIZE];
    caltime_format_date(caltime_midnight(duty->now_ms, days), until);
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM card WHERE kind = ?1 AND state = 'on'"
                                " AND due_on <= ?2",
                                "ss", kind, until);
}

int card_drills_due(struct replica *replica, int64_t now_ms)
{
    return (int)replica_get_int(
        replica, 0,
        "SELECT count(*) FROM school s WHERE NOT EXISTS"
        " (SELECT 1 FROM card c WHERE c.kind = 'drill' AND c.school_id = s.id AND c.state = 'done'"
        "  AND c.at > ?1 - 86400000 * CASE WHEN s.kind = 'kindergarten' THEN ?3 ELSE ?2 END)",
        "iii", now_ms, (int64_t)DRILL_DAYS, (int64_t)DRILL_DAYS_KINDERGARTEN);
}

/* GB/T 29315-2022: one guard below 100 pupils, two below 1,000, three from there on and one more
 * for each further 500. The newest count card 在校人数 of a school says how many pupils there are.
 */
#define GUARDS                                                                                     \
    "WITH size AS (SELECT s.id AS id, coalesce(nullif(s.short, ''), s.name) AS school,"            \
    "  (SELECT json_extract(c.body, '$.number') FROM card c WHERE c.kind = 'count'"                \
    "   AND c.school_id = s.id AND c.name IN ('在校人数', 'pupils') AND c.state = 'on'"        \
    "   ORDER BY json_extract(c.body, '$.month') DESC LIMIT 1) AS pupils FROM school s),"          \
    " guards AS (SELECT school, pupils, CASE WHEN pupils < 100 THEN 1 WHEN pupils < 1000 THEN 2"   \
    "   ELSE 3 + (pupils - 1000) / 500 END AS need, (SELECT count(*) FROM person p WHERE"          \
    "   p.school_id = size.id AND p.kind IN ('guard', 'school_security')"                          \
    "   AND coalesce(p.active, 1) <> 0) AS have FROM size WHERE pupils IS NOT NULL)"

struct json *card_guards(struct replica *replica)
{
    return query_list(replica_query(replica, GUARDS " SELECT * FROM guards ORDER BY school"));
}

int card_guards_short(struct replica *replica)
{
    return (int)replica_get_int(replica, 0, GUARDS " SELECT count(*) FROM guards WHERE have < need",
                                "");
}

static void add_due(char *list, size_t *used, const char *format, int count)
{
    char item[64];
    if (count == 0)
        return;
    snprintf(item, sizeof item, "%s%d", format, count);
    *used +=
        (size_t)snprintf(list + *used, DUTY_LIST_SIZE - *used, "%s%s", *used > 0 ? "；" : "", item);
}

static void list_due(struct duty *duty, enum text_lang lang, char ret[DUTY_LIST_SIZE])
{
    bool english = lang == TEXT_EN;
    size_t used = 0;
    ret[0] = '\0';
    add_due(ret, &used, english ? "gear to check " : "装备待检", count_due(duty, "gear", 7));
    add_due(ret, &used, english ? "certificates ending " : "证书到期",
            count_due(duty, "cert", CERT_DAYS));
    add_due(ret, &used, english ? "schools without a drill " : "未演练学校",
            card_drills_due(duty->replica, duty->now_ms));
    add_due(ret, &used, english ? "schools without a sponsor " : "无包联学校",
            (int)replica_get_int(duty->replica, 0,
                                 "SELECT count(*) FROM school s WHERE NOT EXISTS (SELECT 1 FROM"
                                 " sponsor o WHERE o.school_id = s.id AND"
                                 " coalesce(nullif(o.valid_to, ''), '9999') >="
                                 " strftime('%Y-%m-%d', ?1 / 1000 + 28800, 'unixepoch'))",
                                 "i", duty->now_ms));
    add_due(ret, &used, english ? "schools short of guards " : "保安不足学校",
            card_guards_short(duty->replica));
    add_due(ret, &used, english ? "plans not signed " : "方案未签",
            (int)replica_get_int(duty->replica, 0,
                                 "SELECT count(*) FROM card WHERE kind = 'plan' AND state = 'on'",
                                 ""));
}

static void tell_leader(struct duty *duty)
{
    struct person leader;
    char list[DUTY_LIST_SIZE], day[CALTIME_DATE_SIZE];
    caltime_format_date(duty->now_ms, day);
    if (!lead_find(duty, duty->options.station_id, 2, &leader) ||
        replica_get_int(duty->replica, 0, "SELECT EXISTS (SELECT 1 FROM card)", "") == 0 ||
        !step_once(duty, duty->now_ms + KEEP_STEP_MS, "M1:%s", day))
        return;
    list_due(duty, say_lang(duty, leader.lang), list);
    struct text_fields fields = {.list = list};
    struct say what = {
        .text = TEXT_M1_DUE,
        .phone = leader.phone,
        .lang = leader.lang,
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "digest",
        .ref_id = day,
    };
    if (list[0] != '\0')
        say(duty, &what, &fields, "M1:%s", day);
}

bool week_has_school(struct duty *duty)
{
    for (int day = 1; day <= 7; day++) {
        struct school_day one = school_day_of(
            duty->replica, "",
            caltime_midnight(duty->now_ms, day - caltime_local(duty->now_ms).weekday));
        if (one.kind == SCHOOL_DAY_UNKNOWN ? one.weekday <= 5 : one.kind != SCHOOL_DAY_OFF)
            return true;
    }
    return false;
}

int64_t digest_tick(struct duty *duty)
{
    int days = (MONDAY - caltime_local(duty->now_ms).weekday + 7) % 7;
    int clock = duty->options.policy.digest_at;
    int64_t at = times_at(duty->now_ms, days, clock), next = DUTY_NEVER;
    if (duty->now_ms < at)
        return at;
    if (!times_quiet(&duty->options.policy, duty->now_ms) && week_has_school(duty)) {
        next = partners(duty);
        tell_leader(duty);
    }
    return times_min(next, times_at(duty->now_ms, 7, clock));
}
