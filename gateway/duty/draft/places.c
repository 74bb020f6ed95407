/* Which posts stand when in the week to plan.
 *
 * First what is published for the week, then, for each post and peak, the hours of its last shift
 * on every other day of school; a post that never had a shift goes by its school's bells. A day
 * off has no places, so that what was published for it is cancelled. A day that the calendar does
 * not know is planned by its weekday, and the draft says so. */
#include "gateway/duty/draft/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/schoolday.h"

enum {
    PATTERN_DAYS = 60, /* older shifts are no pattern any more */
    BEFORE_AM = 30,    /* minutes of a post around the bells */
    BEFORE_PM = 10,
    AFTER = 20,
};

/* Hours of a post in a peak. */
struct pattern {
    char post_id[DRAFT_ID], post[DRAFT_ID], kind[24], school_id[DRAFT_ID];
    int peak, start_min, end_min, need;
    bool published;
};

static int officers_of(const char *kind, int need)
{
    return text_equal(kind, "patrol") ? need : need >= 2 ? 1 : 0;
}

/* False: no school then. *ret_at_min: when everybody is out, -1: as ever. */
static bool is_day_of_school(struct replica *replica, struct draft *draft, const char *school_id,
                             int64_t day_ms, int *ret_at_min)
{
    struct school_day day = school_day_of(replica, school_id, day_ms);
    *ret_at_min = day.kind == SCHOOL_DAY_CHANGED ? day.at_min : -1;
    if (day.kind != SCHOOL_DAY_UNKNOWN)
        return day.kind != SCHOOL_DAY_OFF;
    draft->calendar_known = false;
    return day.weekday <= 5;
}

static struct draft_place *add_place(struct draft *draft, const struct pattern *pattern, int day,
                                     struct err *err)
{
    int school = draft_find_school(draft, pattern->school_id);
    struct draft_place *place = school < 0 ? NULL
                                           : draft_grow((void **)&draft->place, &draft->places,
                                                        sizeof *draft->place, DRAFT_PLACES_MAX);
    if (place == NULL) {
        err_set(err, ERR_LIMIT, "more than %d posts and shifts in a week", DRAFT_PLACES_MAX);
        return NULL;
    }
    int64_t midnight = caltime_midnight(draft->monday_ms, day);
    caltime_format_date(midnight, place->date);
    text_copy(place->post_id, sizeof place->post_id, pattern->post_id);
    text_copy(place->post, sizeof place->post, pattern->post);
    snprintf(place->shift_id, sizeof place->shift_id, "%s.%s.%s", pattern->post_id, place->date,
             draft_peak_name(pattern->peak));
    place->school = school;
    place->shift = day * DRAFT_PEAKS + pattern->peak;
    place->start_at = midnight + (int64_t)pattern->start_min * CALTIME_MINUTE_MS;
    place->end_at = midnight + (int64_t)pattern->end_min * CALTIME_MINUTE_MS;
    place->need = pattern->need;
    place->level = -1;
    draft_set_demand(draft, place, pattern->published);
    place->officers = officers_of(pattern->kind, place->need);
    if (place->officers == 0 && place->skills != 0)
        place->officers = 1;
    place->over = place->start_at <= draft->now_ms;
    return place;
}

/* Columns 0 to 4: post, its name, its kind, its school, the peak. */
static void read_head(struct query *q, struct pattern *ret)
{
    char *const texts[] = {ret->post_id, ret->post, ret->kind, ret->school_id};
    const size_t sizes[] = {sizeof ret->post_id, sizeof ret->post, sizeof ret->kind,
                            sizeof ret->school_id};
    for (int i = 0; i < 4; i++) {
        const char *text = query_get_text(q, i);
        text_copy(texts[i], sizes[i], text != NULL ? text : "");
    }
    const char *peak = query_get_text(q, 4);
    ret->peak = draft_peak(peak != NULL ? peak : "");
}

/* --- published for this week --- */

static int read_published(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica, "SELECT s.post_id, coalesce(nullif(p.short, ''), p.name), p.kind, p.school_id,"
                 " s.peak, s.id, s.start_at, s.end_at, coalesce(s.need, 1) FROM shift s"
                 " JOIN post p ON p.id = s.post_id JOIN school c ON c.id = p.school_id"
                 " WHERE c.station_id" DRAFT_STATIONS " AND s.start_at >= ?2 AND s.start_at < ?3"
                 " AND s.end_at > s.start_at AND s.state NOT IN ('draft', 'cancelled')"
                 " ORDER BY s.post_id, s.start_at");
    query_text(q, 1, draft->station_id);
    query_int(q, 2, draft->monday_ms);
    query_int(q, 3, caltime_midnight(draft->monday_ms, DRAFT_DAYS));
    int code = ERR_OK;
    while (code == ERR_OK && query_row(q)) {
        struct pattern pattern = {.published = true};
        int64_t start_at = query_get_int(q, 6), end_at = query_get_int(q, 7);
        int at_min, day = (int)((start_at - draft->monday_ms) / CALTIME_DAY_MS);
        read_head(q, &pattern);
        pattern.need = (int)query_get_int(q, 8);
        if (pattern.peak < 0 || pattern.need < 1 || pattern.need > ROSTER_PLACES_MAX)
            continue;
        if (start_at > draft->now_ms &&
            !is_day_of_school(replica, draft, pattern.school_id, start_at, &at_min))
            continue;
        struct draft_place *place = add_place(draft, &pattern, day, err);
        if (place == NULL) {
            code = ERR_LIMIT;
            continue;
        }
        text_copy(place->shift_id, sizeof place->shift_id, query_get_text(q, 5));
        place->start_at = start_at;
        place->end_at = end_at;
        place->over = start_at <= draft->now_ms;
    }
    query_done(q);
    return code;
}

/* --- the other days --- */

static int add_days(struct replica *replica, struct draft *draft, struct pattern *pattern,
                    struct err *err)
{
    int length = pattern->end_min - pattern->start_min;
    for (int day = 0; day < DRAFT_DAYS; day++) {
        char date[CALTIME_DATE_SIZE];
        int64_t midnight = caltime_midnight(draft->monday_ms, day);
        int at_min;
        struct pattern today = *pattern;
        caltime_format_date(midnight, date);
        if (draft_find_place(draft, pattern->post_id, date, pattern->peak) >= 0 ||
            !is_day_of_school(replica, draft, pattern->school_id, midnight, &at_min))
            continue;
        if (at_min >= 0 && pattern->peak == DRAFT_PEAKS - 1) {
            today.start_min = at_min > BEFORE_PM ? at_min - BEFORE_PM : 0;
            today.end_min = today.start_min + length;
        }
        bool ahead = midnight + (int64_t)today.start_min * CALTIME_MINUTE_MS > draft->now_ms;
        if (ahead && add_place(draft, &today, day, err) == NULL)
            return ERR_LIMIT;
    }
    return ERR_OK;
}

static int add_patterns(struct replica *replica, struct draft *draft, struct query *q,
                        struct err *err)
{
    struct pattern *list = NULL;
    int count = 0, code = ERR_OK;
    while (query_row(q)) {
        struct pattern one = {.peak = 0};
        read_head(q, &one);
        one.start_min = (int)query_get_int(q, 5);
        one.end_min = (int)query_get_int(q, 6);
        one.need = (int)query_get_int(q, 7);
        struct pattern *added =
            one.peak < 0 || one.need < 1 || one.need > ROSTER_PLACES_MAX
                ? NULL
                : draft_grow((void **)&list, &count, sizeof *list, DRAFT_PLACES_MAX);
        if (added != NULL)
            *added = one;
    }
    query_done(q);
    for (int i = 0; code == ERR_OK && i < count; i++)
        code = add_days(replica, draft, &list[i], err);
    free(list);
    return code;
}

static int read_patterns(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica,
        "SELECT s.post_id, coalesce(nullif(p.short, ''), p.name), p.kind, p.school_id, s.peak,"
        " (s.start_at + 28800000) % 86400000 / 60000,"
        " (s.start_at + 28800000) % 86400000 / 60000 + (s.end_at - s.start_at) / 60000,"
        " coalesce(s.need, p.need, 1), max(s.start_at) FROM shift s JOIN post p ON p.id = s.post_id"
        " JOIN school c ON c.id = p.school_id WHERE c.station_id" DRAFT_STATIONS
        " AND coalesce(p.active, 1) <> "
        "0"
        " AND s.start_at >= ?2 AND s.start_at < ?3 AND s.end_at > s.start_at"
        " AND s.state NOT IN ('draft', 'cancelled') AND NOT EXISTS (SELECT 1 FROM school_day d"
        "  WHERE d.school_id = p.school_id AND d.date = s.date AND d.kind = 'exam')" /* all day */
        " GROUP BY s.post_id, s.peak");
    query_text(q, 1, draft->station_id);
    query_int(q, 2, caltime_midnight(draft->monday_ms, -PATTERN_DAYS));
    query_int(q, 3, caltime_midnight(draft->monday_ms, DRAFT_DAYS));
    return add_patterns(replica, draft, q, err);
}

static int read_bells(struct replica *replica, struct draft *draft, struct err *err)
{
    struct query *q = replica_query(
        replica, "SELECT p.id, coalesce(nullif(p.short, ''), p.name), p.kind, p.school_id, b.peak,"
                 " max(0, min(b.at_min) - iif(b.peak = 'am', ?3, ?4)), max(b.at_min) + ?5,"
                 " coalesce(p.need, 1) FROM post p JOIN school c ON c.id = p.school_id"
                 " JOIN bell b ON b.school_id = p.school_id WHERE c.station_id" DRAFT_STATIONS
                 " AND coalesce(p.active, 1) <> 0 AND p.kind <> 'service'" /* of exams */
                 " AND b.at_min BETWEEN 0 AND 1400 AND NOT EXISTS"
                 " (SELECT 1 FROM shift s WHERE s.post_id = p.id AND s.start_at >= ?2)"
                 " GROUP BY p.id, b.peak");
    query_text(q, 1, draft->station_id);
    query_int(q, 2, caltime_midnight(draft->monday_ms, -PATTERN_DAYS));
    query_int(q, 3, BEFORE_AM);
    query_int(q, 4, BEFORE_PM);
    query_int(q, 5, AFTER);
    return add_patterns(replica, draft, q, err);
}

int draft_read_places(struct replica *replica, struct draft *draft, struct err *err)
{
    draft->calendar_known = true;
    int code = read_published(replica, draft, err);
    if (code == ERR_OK)
        code = read_patterns(replica, draft, err);
    if (code == ERR_OK)
        code = read_bells(replica, draft, err);
    return code;
}
