/* Retention; see retention.h. */
#include "gateway/duty/retention.h"

#include "gateway/base/log.h"
#include "gateway/duty/internal.h"

#define NOT_OF_A_PERSON " AND NOT EXISTS (SELECT 1 FROM person p WHERE p.phone = inbox.phone)"
/* As many a night as the loop can spare time for; more than a day brings. */
#define SLICE " LIMIT 5000)"
#define OLD_TEXTS                                                                                  \
    "(SELECT seq FROM outbox WHERE not_after_at < ?1 AND prio > 0 ORDER BY not_after_at" SLICE
#define OLD_ALARMS                                                                                 \
    "(SELECT seq FROM outbox WHERE not_after_at < ?1 AND prio = 0 ORDER BY not_after_at" SLICE
/* The PDUs keep the keyed hash by which a PDU that the SIM offers again is known (sms/inbox.c). */
#define STRANGERS                                                                                  \
    "(SELECT seq FROM inbox WHERE heard_at < ?1 AND body IS NOT NULL AND state = "                 \
    "'handled'" NOT_OF_A_PERSON " ORDER BY heard_at" SLICE
#define OLD_LETTERS                                                                                \
    "(SELECT seq FROM inbox WHERE heard_at < ?1 AND state <> 'waiting' ORDER BY heard_at" SLICE

#define LISTS "(SELECT i.seq FROM inbox i JOIN enlist_text e ON e.text_id = i.id WHERE e.at < ?1)"

#define LOCAL_DAY "date(?1 / 1000 + 28800, 'unixepoch')"
#define LAST_DAY "json_extract(c.body, '$.last')"
#define TERMS " FROM card c WHERE c.kind = 'term' AND c.state <> 'off' AND " LAST_DAY
/* The last 31 January or 15 July up to ?1. */
#define USUAL_END                                                                                  \
    "CASE WHEN substr(" LOCAL_DAY ", 6) >= '07-15' THEN substr(" LOCAL_DAY ", 1, 5) || '07-15'"    \
    " WHEN substr(" LOCAL_DAY ", 6) >= '01-31' THEN substr(" LOCAL_DAY ", 1, 5) || '01-31'"        \
    " ELSE date(substr(" LOCAL_DAY ", 1, 5) || '07-15', '-1 year') END"
/* What was begun in a term ends with it: on the last day that a card of the term says, or on the
 * usual one where no card says another within two months of it. */
#define TERM_END                                                                                   \
    "(SELECT 1000 * CAST(strftime('%s', max(d)) AS INTEGER) - 28800000 FROM (SELECT " LAST_DAY     \
    " AS d" TERMS " <= " LOCAL_DAY " UNION ALL SELECT d FROM (SELECT " USUAL_END                   \
    " AS d) u WHERE NOT EXISTS (SELECT 1" TERMS                                                    \
    " BETWEEN date(u.d, '-60 days') AND date(u.d, '+60 days'))))"

const struct retention_rule retention_rules[] = {
    {"inbox_strangers",
     "不在名册上的人的来信",
     "texts of people who are on no list",
     30,
     {"UPDATE inbox_pdu SET pdu = substr(pdu, 1, 48), text = NULL WHERE inbox_seq IN " STRANGERS,
      "UPDATE inbox SET body = NULL WHERE seq IN " STRANGERS},
     DUTY_KEEP_STRANGERS},
    {"inbox",
     "来信",
     "texts that came in",
     180,
     {"DELETE FROM inbox_pdu WHERE seq IN (SELECT seq FROM inbox_pdu WHERE inbox_seq IS NULL"
      " AND heard_at < ?1 ORDER BY heard_at" SLICE,
      "DELETE FROM inbox_pdu WHERE inbox_seq IN " OLD_LETTERS,
      "DELETE FROM inbox WHERE seq IN " OLD_LETTERS},
     DUTY_KEEP_TEXTS},
    {"outbox",
     "发出的短信",
     "texts that went out",
     180,
     {"DELETE FROM outbox_report WHERE heard_at < ?1",
      "DELETE FROM outbox_history WHERE message_seq IN " OLD_TEXTS,
      "DELETE FROM outbox_part WHERE message_seq IN " OLD_TEXTS,
      "DELETE FROM outbox WHERE seq IN " OLD_TEXTS},
     DUTY_KEEP_TEXTS},
    {"outbox_alarms",
     "报警短信",
     "texts of alarms",
     3 * 365,
     {"DELETE FROM outbox_history WHERE message_seq IN " OLD_ALARMS,
      "DELETE FROM outbox_part WHERE message_seq IN " OLD_ALARMS,
      "DELETE FROM outbox WHERE seq IN " OLD_ALARMS},
     DUTY_KEEP_ALARMS},
    {"sms_call",
     "通话记录",
     "calls",
     180,
     {"DELETE FROM sms_call WHERE created_at < ?1 AND state NOT IN ('queued', 'dialling')"},
     DUTY_KEEP_FIXED},
    {"desk_item",
     "待办事项",
     "items of the desk",
     30,
     {"DELETE FROM desk_item WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"prompt",
     "问过的问题",
     "questions that were asked",
     4,
     {"DELETE FROM prompt WHERE expires_at < ?1"},
     DUTY_KEEP_FIXED},
    {"phone_last",
     "对每个号码最后说的话",
     "the last thing said to each number",
     4,
     {"DELETE FROM passive WHERE at < ?1", "DELETE FROM phone_last WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"notice",
     "已通知的班",
     "duties that were told",
     4,
     {"DELETE FROM notice WHERE end_at < ?1"},
     DUTY_KEEP_FIXED},
    {"offer",
     "找人顶岗的记录",
     "stand-ins that were asked",
     180,
     {"DELETE FROM offer WHERE opened_at < ?1 AND state <> 'open'"},
     DUTY_KEEP_FIXED},
    {"decline_reason",
     "来不了的原因",
     "why somebody could not come",
     30,
     {"DELETE FROM decline_reason WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"gap",
     "缺岗的处理",
     "gaps and who saw to them",
     180,
     {"DELETE FROM gap WHERE base_at < ?1"},
     DUTY_KEEP_FIXED},
    {"alarm_told",
     "报警通知了谁",
     "who was told of an alarm",
     30,
     {"DELETE FROM alarm_told WHERE alarm_id IN (SELECT id FROM alarm WHERE closed_at < ?1)",
      "DELETE FROM alarm_bundle WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"enlist",
     "学校登记、未同意的志愿者",
     "volunteers entered by schools who have not consented",
     7,
     {"DELETE FROM enlist WHERE state = 'approved' AND asked_at < ?1"},
     DUTY_KEEP_FIXED},
    {"enlist_text",
     "学校登记志愿者的来信",
     "texts in which a school entered volunteers",
     14,
     {"UPDATE inbox_pdu SET pdu = substr(pdu, 1, 48), text = NULL WHERE inbox_seq IN " LISTS,
      "UPDATE inbox SET body = NULL WHERE seq IN " LISTS, "DELETE FROM enlist_text WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"enlist_entered",
     "学校登记、未批准的志愿者",
     "volunteers entered and not approved",
     30,
     {"DELETE FROM enlist WHERE state = 'entered' AND entered_at < ?1"},
     DUTY_KEEP_FIXED},
    {"enlist_consented",
     "同意过、不在名册上的志愿者",
     "volunteers who consented and are on no list",
     180,
     {"DELETE FROM enlist WHERE state = 'consented' AND consented_at < ?1 AND NOT EXISTS"
      " (SELECT 1 FROM person p WHERE p.phone = enlist.phone)"},
     DUTY_KEEP_FIXED},
    {"subscription",
     "家长订阅（学期末后30天）",
     "parents' subscriptions (days after the end of a term)",
     30,
     {"DELETE FROM subscription WHERE since < " TERM_END},
     DUTY_KEEP_FIXED},
    {"drill_told",
     "演练应答",
     "answers to the weekly drill",
     30,
     {"DELETE FROM drill_told WHERE told_at < ?1"},
     DUTY_KEEP_FIXED},
    {"flow_seen",
     "校门人流（按日）",
     "how crowded gates were, by day",
     60,
     {"DELETE FROM flow_seen WHERE date < date(?1 / 1000, 'unixepoch')"},
     DUTY_KEEP_FIXED},
    {"roster_pin",
     "固定的班、驻岗安排",
     "pins of the roster, planned visits",
     60,
     {"DELETE FROM visit_plan WHERE date < date(?1 / 1000, 'unixepoch')",
      "DELETE FROM roster_pin WHERE date < date(?1 / 1000, 'unixepoch')"},
     DUTY_KEEP_FIXED},
    {"approval",
     "谁批准的顶岗",
     "who approved stand-ins",
     400,
     {"DELETE FROM approval WHERE at < ?1"},
     DUTY_KEEP_FIXED},
    {"term_asked",
     "新学期是否继续",
     "whether volunteers go on in a term",
     400,
     {"DELETE FROM term_asked WHERE asked_at < ?1"},
     DUTY_KEEP_FIXED},
    {"push",
     "群发确认",
     "notices to parents",
     4,
     {"DELETE FROM push WHERE asked_at < ?1"},
     DUTY_KEEP_FIXED},
    {"duty_again",
     "没处理成的来信",
     "texts that could not be handled",
     4,
     {"DELETE FROM duty_again WHERE heard_at < ?1"},
     DUTY_KEEP_FIXED},
    {"duty_step",
     "已做过的步骤",
     "steps that were done",
     RETENTION_UNTIL,
     {"DELETE FROM duty_step WHERE keep_until < ?1"},
     DUTY_KEEP_FIXED},
    {NULL, NULL, NULL, 0, {NULL}, DUTY_KEEP_FIXED},
};

static int days_of(const struct duty *duty, const struct retention_rule *rule)
{
    int days = duty->options.policy.keep_days[rule->keep];
    return rule->keep != DUTY_KEEP_FIXED && days > 0 ? days : rule->days;
}

static int64_t remove_old(struct duty *duty, const struct retention_rule *rule)
{
    int64_t before = duty->now_ms - days_of(duty, rule) * (int64_t)CALTIME_DAY_MS, removed = 0;
    for (int i = 0; i < RETENTION_STATEMENTS && rule->sql[i] != NULL; i++)
        removed = replica_run(duty->replica, rule->sql[i], "i", before);
    return removed > 0 ? removed : 0;
}

static void run_rule(struct duty *duty, const struct retention_rule *rule)
{
    replica_enter(duty->replica);
    int64_t removed = remove_old(duty, rule);
    replica_run(duty->replica,
                "INSERT INTO retention(name, ran_at, removed, days) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT(name) DO UPDATE SET ran_at = excluded.ran_at,"
                " removed = removed + excluded.removed, days = excluded.days",
                "siii", rule->name, duty->now_ms, removed, (int64_t)days_of(duty, rule));
    if (!replica_leave(duty->replica, true))
        log_error("duty.retention", "rule=%s problem=%s", rule->name,
                  replica_problem(duty->replica));
}

void retention_run(struct duty *duty)
{
    for (const struct retention_rule *rule = retention_rules; rule->name != NULL; rule++)
        run_rule(duty, rule);
}
