/* How many people a post needs: three numbers (table demand) and the level to expect at its school.
 *
 * The level is the highest of what the demand itself says, of what was seen at the gates on the
 * same weekday and peak of the last weeks, and, in the first week of a term, the highest there is.
 * A post without a demand needs what it needed last; a shift that is published keeps its need. */
#include "gateway/duty/draft/internal.h"

#include <stdlib.h>

#include "gateway/base/text.h"
#include "gateway/duty/skill.h"

enum { SEEN_DAYS = 21, FIRST_DAYS = 7, DEMANDS_MAX = 3 * DRAFT_PLACES_MAX };

static const char *const levels[DRAFT_LEVELS] = {"flat", "peak", "heavy"};

const char *draft_level_name(int level)
{
    return level < 0 ? NULL : levels[level];
}

static int level_of(const char *name)
{
    for (int i = 0; name != NULL && i < DRAFT_LEVELS; i++)
        if (text_equal(levels[i], name))
            return i;
    return 0;
}

static int read_demands(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica, "SELECT d.post_id, coalesce(d.peak, ''), coalesce(d.need_flat, 0),"
                 " coalesce(d.need_peak, 0), coalesce(d.need_heavy, 0), d.level, d.skills"
                 " FROM demand d JOIN post p ON p.id = d.post_id"
                 " JOIN school c ON c.id = p.school_id WHERE c.station_id" DRAFT_STATIONS
                 " ORDER BY d.post_id, d.peak IS NOT NULL, d.id");
    query_text(q, 1, draft->station_id);
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        const char *peak = query_get_text(q, 1);
        int at = draft_peak(peak);
        if (peak[0] != '\0' && at < 0)
            continue;
        struct draft_demand *demand = draft_grow((void **)&draft->demand, &draft->demands,
                                                 sizeof *draft->demand, DEMANDS_MAX);
        if (demand == NULL) {
            code = err_set(err, ERR_LIMIT, "more than %d demands", DEMANDS_MAX);
            continue;
        }
        text_copy(demand->post_id, sizeof demand->post_id, query_get_text(q, 0));
        demand->peak = at;
        for (int i = 0; i < DRAFT_LEVELS; i++) {
            int64_t need = query_get_int(q, 2 + i);
            demand->need[i] = need < 0                   ? 0
                              : need > ROSTER_PLACES_MAX ? ROSTER_PLACES_MAX
                                                         : (int)need;
        }
        demand->level = level_of(query_get_text(q, 5));
        demand->skills = skill_bits(query_get_text(q, 6));
    }
    query_done(q);
    return code;
}

/* Of the same weekday: a shift of the week is as many days after its Monday. */
static int read_seen(struct replica *replica, struct draft *draft, struct err *err)
{
    int shifts = DRAFT_DAYS * DRAFT_PEAKS;
    char from[CALTIME_DATE_SIZE], to[CALTIME_DATE_SIZE];
    draft->seen = calloc((size_t)draft->schools * (size_t)shifts, 1);
    if (draft->seen == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    caltime_format_date(caltime_midnight(draft->monday_ms, -SEEN_DAYS), from);
    caltime_format_date(draft->monday_ms, to);
    struct query *q =
        replica_query(replica, "SELECT school_id, (strftime('%w', date) + 6) % 7, peak, max(level)"
                               " FROM flow_seen WHERE date >= ?1 AND date < ?2 GROUP BY 1, 2, 3");
    query_text(q, 1, from);
    query_text(q, 2, to);
    while (query_row(q)) {
        int school = draft_find_school(draft, query_get_text(q, 0));
        int day = (int)query_get_int(q, 1), peak = draft_peak(query_get_text(q, 2));
        if (school >= 0 && peak >= 0)
            draft->seen[school * shifts + day * DRAFT_PEAKS + peak] =
                (uint8_t)(query_get_int(q, 3) + 1);
    }
    query_done(q);
    return ERR_OK;
}

/* The days of the week that are a term's first ones. */
static void read_terms(struct replica *replica, struct draft *draft)
{
    for (int day = 0; day < DRAFT_DAYS; day++) {
        char from[CALTIME_DATE_SIZE], date[CALTIME_DATE_SIZE];
        caltime_format_date(caltime_midnight(draft->monday_ms, day), date);
        caltime_format_date(caltime_midnight(draft->monday_ms, day - FIRST_DAYS + 1), from);
        if (replica_get_int(replica, 0,
                            "SELECT count(*) FROM card WHERE kind = 'term' AND state = 'on'"
                            " AND due_on BETWEEN ?1 AND ?2",
                            "ss", from, date) > 0)
            draft->first_shifts |= (uint64_t)7 << (day * DRAFT_PEAKS);
    }
}

int draft_read_demand(struct replica *replica, struct draft *draft, struct err *err)
{
    int code = read_demands(replica, draft, err);
    if (code == ERR_OK)
        code = read_seen(replica, draft, err);
    read_terms(replica, draft);
    return code;
}

/* The demand of the peak before that of all peaks; NULL: none. */
static const struct draft_demand *find(const struct draft *draft, const char *post_id, int peak)
{
    const struct draft_demand *found = NULL;
    for (int i = 0; i < draft->demands; i++)
        if ((draft->demand[i].peak < 0 || draft->demand[i].peak == peak) &&
            text_equal(draft->demand[i].post_id, post_id))
            found = &draft->demand[i]; /* of one peak: stands behind */
    return found;
}

static int need_at(const struct draft_demand *demand, int level, int fallback)
{
    for (; level >= 0; level--)
        if (demand->need[level] > 0)
            return demand->need[level];
    return fallback;
}

void draft_set_demand(const struct draft *draft, struct draft_place *place, bool published)
{
    const struct draft_demand *demand = find(draft, place->post_id, place->shift % DRAFT_PEAKS);
    int seen = draft->seen[place->school * DRAFT_DAYS * DRAFT_PEAKS + place->shift] - 1;
    bool first = (draft->first_shifts >> place->shift & 1) != 0;
    place->level = first ? DRAFT_LEVELS - 1 : seen;
    if (demand == NULL)
        return;
    if (place->level < demand->level)
        place->level = demand->level;
    place->skills = demand->skills;
    if (!published)
        place->need = need_at(demand, place->level, place->need);
}
