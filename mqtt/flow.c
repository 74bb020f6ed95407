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
        " max(s.people_at), f.level, coalesce(f.level_at, 0), coalesce(f.people, -1)"
        " FROM device_state s JOIN device d ON d.id = s.device_id"
        " LEFT JOIN school_flow f ON f.school_id = d.school_id"
        " WHERE s.people_at > 0 AND d.school_id > ?3 GROUP BY d.school_id ORDER BY d.school_id"
        " LIMIT 1");
    query_int(query, 1, now_ms);
    query_int(query, 2, COUNT_OLD_MS);
    query_text(query, 3, after);
    bool found = query_row(query);
    if (found) {
        text_copy(ret->school_id, sizeof ret->school_id, query_get_text(query, 0));
        ret->people = query_get_int(query, 1);
        ret->counted_at = query_get_int(query, 2);
        enum flow_level old = level_from_name(query_get_text(query, 3));
        ret->level_at = query_get_int(query, 4);
        ret->level = flow_next(limits, old, now_ms - ret->level_at, ret->people);
        if (ret->level != old || query_is_null(query, 3))
            ret->level_at = now_ms;
        *ret_changed = ret->level != old || query_get_int(query, 5) != ret->people;
    }
    query_done(query);
    return found;
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
