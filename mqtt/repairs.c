/* Causes; see repairs.h. What is wrong now is one query over the registry and the devices' states,
 * with the common causes first and each taking its devices out of the ones below; then it is laid
 * beside the open rows: what is new is opened, what is gone is closed. */
#include "mqtt/repairs.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    CAUSES_MAX = 512,
    CAUSE_BYTES = 12,
    SUBJECT_BYTES = 96,
    BROKER_MS = 60000,
    GRACE_MS = 60000,     /* until then a device may come back, or others follow */
    TOGETHER_MS = 300000, /* within it they went away together */
    TOGETHER_LEAST = 3,
    FLOOD_MS = 600000,
    CLOCK_MS = 120000,
    BATTERY_LOW = 15,
    KEEP_DAYS = 365,
};

struct cause {
    char cause[CAUSE_BYTES];
    char subject[SUBJECT_BYTES];
    int64_t devices, since;
    bool known; /* there is an open row */
};

struct causes {
    struct cause *at; /* owned */
    int count;
};

static void add(struct causes *causes, struct query *query)
{
    if (causes->count == CAUSES_MAX)
        return;
    struct cause *cause = &causes->at[causes->count++];
    *cause = (struct cause){.devices = query_get_int(query, 2), .since = query_get_int(query, 3)};
    text_copy(cause->cause, sizeof cause->cause, query_get_text(query, 0));
    text_copy(cause->subject, sizeof cause->subject, query_get_text(query, 1));
}

/* A device that was never heard is not away, it is not there yet. */
static const char sql_causes[] =
    "WITH known AS (SELECT d.id, coalesce(d.school_id, '') AS school, d.product, s.state,"
    "  s.state_at, s.battery, s.offset_ms, s.power, s.power_at, s.over_at"
    "  FROM device d JOIN device_state s ON s.device_id = d.id),"
    " down AS (SELECT * FROM known WHERE state = 'offline' AND state_at <= ?1 - ?2),"
    " dark AS (SELECT school, min(power_at) AS since FROM known"
    "  WHERE power = 'battery' GROUP BY school),"
    " left1 AS (SELECT * FROM down WHERE school = '' OR school NOT IN (SELECT school FROM dark)),"
    " bridge AS (SELECT s.product, s.state_at AS since FROM device_state s"
    "  WHERE s.device_id = s.product AND s.state = 'offline' AND s.state_at <= ?1 - ?2),"
    " left2 AS (SELECT * FROM left1 WHERE product NOT IN (SELECT product FROM bridge)),"
    " gone AS (SELECT school, count(*) AS n, min(state_at) AS since FROM left2 l WHERE school <> ''"
    "  GROUP BY school HAVING count(*) >= ?3 AND max(state_at) - min(state_at) <= ?4"
    "  AND count(*) * 10 >= 6 * (SELECT count(*) FROM known k WHERE k.school = l.school)),"
    " left3 AS (SELECT * FROM left2 WHERE school NOT IN (SELECT school FROM gone))"
    " SELECT 'power', school, (SELECT count(*) FROM down x WHERE x.school = dark.school), since"
    "  FROM dark"
    " UNION ALL SELECT 'bridge', product, (SELECT count(*) FROM left1 x"
    "  WHERE x.product = bridge.product), since FROM bridge"
    " UNION ALL SELECT 'school', school, n, since FROM gone"
    " UNION ALL SELECT 'silent', id, 1, state_at FROM left3"
    " UNION ALL SELECT 'battery', id, 1, ?1 FROM known WHERE battery <= ?5"
    " UNION ALL SELECT 'clock', id, 1, ?1 FROM known WHERE abs(offset_ms) > ?6"
    " UNION ALL SELECT 'flood', id, 1, over_at FROM known WHERE over_at > ?1 - ?7";

static void find_causes(struct replica *replica, int64_t now_ms, struct causes *causes)
{
    const int64_t values[] = {now_ms,      GRACE_MS, TOGETHER_LEAST, TOGETHER_MS,
                              BATTERY_LOW, CLOCK_MS, FLOOD_MS};
    struct query *query = replica_query(replica, sql_causes);
    for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++)
        query_int(query, i + 1, values[i]);
    while (query_row(query))
        add(causes, query);
    query_done(query);
}

static struct cause *find(struct causes *causes, const char *cause, const char *subject)
{
    for (int i = 0; i < causes->count; i++)
        if (strcmp(causes->at[i].cause, cause) == 0 && strcmp(causes->at[i].subject, subject) == 0)
            return &causes->at[i];
    return NULL;
}

/* --- beside the open rows --- */

static void close_row(struct replica *replica, int64_t id, int64_t now_ms)
{
    replica_run(replica, "UPDATE device_repair SET closed_at = ?2 WHERE id = ?1", "ii", id, now_ms);
}

/* An open row at a time, because closing changes what the query walks. */
static bool next_open(struct replica *replica, int64_t after, struct cause *ret, int64_t *ret_id)
{
    struct query *query =
        replica_query(replica, "SELECT cause, subject, devices, since, id FROM device_repair"
                               " WHERE closed_at IS NULL AND id > ?1 ORDER BY id LIMIT 1");
    query_int(query, 1, after);
    bool found = query_row(query);
    if (found) {
        struct causes one = {ret, 0};
        add(&one, query);
        *ret_id = query_get_int(query, 4);
    }
    query_done(query);
    return found;
}

static void close_gone(struct replica *replica, struct causes *causes, int64_t now_ms)
{
    struct cause row;
    int64_t id = 0;
    while (next_open(replica, id, &row, &id)) {
        struct cause *cause = find(causes, row.cause, row.subject);
        if (cause == NULL) {
            close_row(replica, id, now_ms);
            log_info("mqtt.repair", "cause=%s subject=%s closed", row.cause, row.subject);
            continue;
        }
        cause->known = true;
        if (cause->devices != row.devices)
            replica_run(replica, "UPDATE device_repair SET devices = ?2 WHERE id = ?1", "ii", id,
                        cause->devices);
    }
}

static void open_new(struct replica *replica, const struct causes *causes)
{
    for (int i = 0; i < causes->count; i++) {
        const struct cause *cause = &causes->at[i];
        if (cause->known)
            continue;
        replica_run(replica,
                    "INSERT INTO device_repair(cause, subject, devices, since)"
                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    "ssii", cause->cause, cause->subject, cause->devices, cause->since);
        log_warn("mqtt.repair", "cause=%s subject=%s devices=%lld", cause->cause, cause->subject,
                 (long long)cause->devices);
    }
}

/* Without the broker what was wrong is still wrong, as far as anybody knows. */
static void keep_causes(struct replica *replica, int64_t since_ms, struct causes *causes)
{
    struct cause row;
    int64_t id = 0;
    while (causes->count < CAUSES_MAX - 1 && next_open(replica, id, &row, &id))
        causes->at[causes->count++] = row;
    if (find(causes, "broker", "") == NULL)
        causes->at[causes->count++] = (struct cause){.cause = "broker", .since = since_ms};
}

static bool differs(struct replica *replica, struct causes *causes)
{
    struct cause row;
    int64_t id = 0;
    int rows = 0;
    for (; next_open(replica, id, &row, &id); rows++) {
        const struct cause *cause = find(causes, row.cause, row.subject);
        if (cause == NULL || cause->devices != row.devices)
            return true;
    }
    return rows != causes->count;
}

bool repairs_look(struct replica *replica, int64_t now_ms, int64_t broker_down_ms)
{
    if (broker_down_ms > 0 && broker_down_ms < BROKER_MS)
        return false; /* it may be a restart; nothing can be judged meanwhile */
    struct causes causes = {calloc(CAUSES_MAX, sizeof(struct cause)), 0};
    if (causes.at == NULL)
        return false; /* looked at again in ten seconds */
    if (broker_down_ms > 0)
        keep_causes(replica, now_ms - broker_down_ms, &causes);
    else
        find_causes(replica, now_ms, &causes);
    bool changes = differs(replica, &causes);
    if (changes) {
        replica_enter(replica);
        close_gone(replica, &causes, now_ms);
        open_new(replica, &causes);
        replica_run(replica, "DELETE FROM device_repair WHERE closed_at < ?1", "i",
                    now_ms - KEEP_DAYS * (int64_t)CALTIME_DAY_MS);
        replica_leave(replica, true);
    }
    free(causes.at);
    return changes;
}
