/* Counts to levels; see flow.h. */
#include "mqtt/flow.h"

#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    COUNT_OLD_MS = 600000, /* a count says nothing about later */
    DWELL_MS = 120000,     /* no fall before */
    SCHOOLS_MAX = 1000,    /* more of one station there are not */
};

static const char *const names[FLOW_LEVELS] = {"flat", "peak", "heavy"};

const char *flow_level_name(enum flow_level level)
{
    return names[level];
}

static int64_t begins(const struct flow_limits *limits, enum flow_level level)
{
    return level == FLOW_HEAVY ? limits->heavy : level == FLOW_PEAK ? limits->peak : 0;
}

enum flow_level flow_next(const struct flow_limits *limits, enum flow_level level, int64_t level_ms,
                          int64_t people)
{
    enum flow_level up = FLOW_HEAVY;
    while (up > FLOW_FLAT && people < begins(limits, up))
        up--;
    if (up > level)
        return up;
    if (level == FLOW_FLAT || people * 3 >= begins(limits, level) * 2 ||
        (level_ms >= 0 && level_ms < DWELL_MS)) /* less than nothing: the clock went back */
        return level;
    return level - 1; /* a step at a time */
}

static enum flow_level level_from_name(const char *name)
{
    for (int i = FLOW_HEAVY; i > FLOW_FLAT; i--)
        if (name != NULL && strcmp(names[i], name) == 0)
            return (enum flow_level)i;
    return FLOW_FLAT;
}

struct flow {
    char school_id[LIMIT_NAME_BYTES];
    enum flow_level level;
    int64_t level_at, people, counted_at;
};

/* The schools in the order of their ids, one at a time, because writing changes what is walked. */
static bool next_school(struct replica *replica, const struct flow_limits *limits, int64_t now_ms,
                        const char *after, struct flow *ret, bool *ret_changed)
{
    struct query *query = replica_query(
        replica,
        "SELECT d.school_id, coalesce(sum(s.people) FILTER (WHERE s.people_at > ?1 - ?2), 0),"
        " max(s.people_at), f.level, coalesce(f.level_at, 0), coalesce(f.people, -1),"
        " coalesce(l.peak, ?4), coalesce(l.heavy, ?5)"
        " FROM device_state s JOIN device d ON d.id = s.device_id"
        " LEFT JOIN school_flow f ON f.school_id = d.school_id"
        " LEFT JOIN school_flow_limit l ON l.school_id = d.school_id"
        " WHERE s.people_at > 0 AND d.school_id > ?3 GROUP BY d.school_id ORDER BY d.school_id"
        " LIMIT 1");
    query_int(query, 1, now_ms);
    query_int(query, 2, COUNT_OLD_MS);
    query_text(query, 3, after);
    query_int(query, 4, limits->peak);
    query_int(query, 5, limits->heavy);
    bool found = query_row(query);
    if (found) {
        text_copy(ret->school_id, sizeof ret->school_id, query_get_text(query, 0));
        ret->people = query_get_int(query, 1);
        ret->counted_at = query_get_int(query, 2);
        enum flow_level old = level_from_name(query_get_text(query, 3));
        ret->level_at = query_get_int(query, 4);
        struct flow_limits own = {(int)query_get_int(query, 6), (int)query_get_int(query, 7)};
        ret->level = flow_next(&own, old, now_ms - ret->level_at, ret->people);
        if (ret->level != old || query_is_null(query, 3))
            ret->level_at = now_ms;
        *ret_changed = ret->level != old || query_get_int(query, 5) != ret->people;
    }
    query_done(query);
    return found;
}

static int find_school(struct replica *replica, const char *name, char ret[LIMIT_NAME_BYTES],
                       struct err *err)
{
    struct query *query =
        replica_query(replica, "SELECT id FROM school WHERE ?1 IN (id, code, name, short) LIMIT 2");
    int count = 0;
    query_text(query, 1, name);
    for (; query_row(query); count++)
        text_copy(ret, LIMIT_NAME_BYTES, query_get_text(query, 0));
    query_done(query);
    if (count == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no school \"%.60s\"", name);
    return count == 1 ? ERR_OK
                      : err_set(err, ERR_INVALID, "\"%.60s\" is more than one school", name);
}

int flow_set_limits(struct replica *replica, const char *school, const struct flow_limits *limits,
                    struct err *err)
{
    char id[LIMIT_NAME_BYTES];
    int code = find_school(replica, school, id, err);
    if (code != ERR_OK)
        return code;
    if (limits == NULL) {
        replica_run(replica, "DELETE FROM school_flow_limit WHERE school_id = ?1", "s", id);
        return ERR_OK;
    }
    if (limits->peak < 2 || limits->heavy <= limits->peak || limits->heavy > FLOW_PEOPLE_MAX)
        return err_set(err, ERR_INVALID,
                       "peak is 2 people or more, and heavy more than that, at most %d",
                       FLOW_PEOPLE_MAX);
    replica_run(replica,
                "INSERT INTO school_flow_limit(school_id, peak, heavy) VALUES (?1, ?2, ?3)"
                " ON CONFLICT(school_id) DO UPDATE SET peak = excluded.peak,"
                " heavy = excluded.heavy",
                "sii", id, (int64_t)limits->peak, (int64_t)limits->heavy);
    log_info("mqtt.flow", "school=%s peak=%d heavy=%d", id, limits->peak, limits->heavy);
    return ERR_OK;
}

static void write_level(struct replica *replica, const struct flow *flow)
{
    replica_enter(replica);
    replica_run(replica,
                "INSERT INTO school_flow(school_id, level, level_at, people, counted_at)"
                " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(school_id) DO UPDATE SET"
                " level = excluded.level, level_at = excluded.level_at,"
                " people = excluded.people, counted_at = excluded.counted_at",
                "ssiii", flow->school_id, flow_level_name(flow->level), flow->level_at,
                flow->people, flow->counted_at);
    replica_leave(replica, true);
}

bool flow_look(struct replica *replica, const struct flow_limits *limits, int64_t now_ms)
{
    struct flow flow = {.school_id = ""};
    bool changed, any = false;
    for (int i = 0;
         i < SCHOOLS_MAX && next_school(replica, limits, now_ms, flow.school_id, &flow, &changed);
         i++) {
        if (!changed)
            continue;
        write_level(replica, &flow);
        if (flow.level_at != now_ms)
            continue;
        any = true;
        log_info("mqtt.flow", "school=%s level=%s people=%lld", flow.school_id,
                 flow_level_name(flow.level), (long long)flow.people);
    }
    return any;
}
