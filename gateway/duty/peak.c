/* A peak as a whole: all duties of a station that begin at one time.
 *
 * When more than a fifth of the people are missing it is more likely the modem or the weather: one
 * text (E3) instead of one for each. When the first gap of a peak is on record, leader and duty
 * room hear how many of its places are filled (222岗到217); a place that somebody gave back or that
 * nobody ever had counts as one that lacks somebody. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

/* People who should be there at this start, and who are not; counted once a tick. */
static const struct duty_peak *count_people(struct duty *duty, const struct slot *slot)
{
    struct duty_peak *peak = &duty->peak;
    if (peak->counted_ms == duty->now_ms && peak->start_at == slot->start_at &&
        text_equal(peak->station_id, slot->station_id))
        return peak;
    *peak = (struct duty_peak){.start_at = slot->start_at, .counted_ms = duty->now_ms};
    text_copy(peak->station_id, sizeof peak->station_id, slot->station_id);
    struct query *q = replica_query(
        duty->replica,
        "SELECT count(*), sum(state NOT IN ('on_post', 'done')) FROM slot WHERE start_at = ?1"
        " AND published AND coalesce(station_id, '') = ?2"
        " AND state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post', 'done', "
        "'no_show')");
    query_int(q, 1, slot->start_at);
    query_text(q, 2, slot->station_id);
    if (query_row(q)) {
        peak->need = (int)query_get_int(q, 0);
        peak->missing = (int)query_get_int(q, 1);
    }
    query_done(q);
    return peak;
}

bool peak_is_storm(struct duty *duty, const struct slot *slot)
{
    const struct duty_policy *policy = &duty->options.policy;
    const struct duty_peak *peak = count_people(duty, slot);
    return peak->missing >= policy->storm_least &&
           peak->missing * 100 > peak->need * policy->storm_percent;
}

struct places {
    int need, filled;
    char missing[DUTY_LIST_SIZE]; /* "S17北门；S18正门" */
};

static void count_places(struct duty *duty, const struct slot *slot, struct places *ret)
{
    size_t used = 0;
    struct query *q = replica_query(
        duty->replica,
        "SELECT coalesce(sc.code, '') || coalesce(nullif(po.short, ''), po.name, ''),"
        " coalesce(s.need, 1) AS need, (SELECT count(*) FROM assignment a WHERE a.shift_id = s.id"
        "  AND a.state IN ('on_post', 'done'))"
        " FROM shift s LEFT JOIN post po ON po.id = s.post_id LEFT JOIN school sc"
        " ON sc.id = po.school_id WHERE s.start_at = ?1 AND s.state NOT IN ('draft', 'cancelled')"
        " AND coalesce(sc.station_id, '') = ?2 ORDER BY 1");
    query_int(q, 1, slot->start_at);
    query_text(q, 2, slot->station_id);
    *ret = (struct places){.need = 0};
    while (query_row(q)) {
        int need = (int)query_get_int(q, 1), here = (int)query_get_int(q, 2);
        ret->need += need;
        ret->filled += here < need ? here : need;
        if (here < need && used + DUTY_NAME_SIZE < sizeof ret->missing)
            used += (size_t)snprintf(ret->missing + used, sizeof ret->missing - used, "%s%.90s",
                                     used > 0 ? "；" : "", query_get_text(q, 0));
    }
    query_done(q);
}

static struct say said_of(const struct slot *slot, const struct person *to, enum text_id text)
{
    return (struct say){
        .text = text,
        .phone = to->phone,
        .lang = to->lang,
        .prio = text == TEXT_E3_STORM ? DUTY_PRIO_DUTY : DUTY_PRIO_REMINDER,
        .not_after = slot->end_at,
        .ref_kind = "storm",
        .ref_id = slot->shift_id,
    };
}

/* One for each peak and recipient, however many are missing. */
void peak_say_storm(struct duty *duty, const struct slot *slot, const struct person *to)
{
    const struct duty_peak *peak = count_people(duty, slot);
    struct places places;
    if (!step_once(duty, slot->end_at + DUTY_KEEP_MS, "E3:%s:%s:%lld:%s", slot->station_id,
                   slot->peak, (long long)slot->start_at, to->id))
        return;
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, to->lang), slot, &words);
    fields.need = peak->need;
    fields.count = peak->need - peak->missing;
    struct say what = said_of(slot, to, TEXT_E3_STORM);
    say(duty, &what, &fields, "E3:%s:%s:%lld:%s", slot->station_id, slot->peak,
        (long long)slot->start_at, to->id);
    count_places(duty, slot, &places);
    desk_put(duty, "storm", NULL, NULL, slot->shift_id, places.missing);
}

/* Once a peak to each of the two: the leader (2) and the duty room (4). */
void peak_say_digest(struct duty *duty, const struct slot *slot, int level)
{
    struct person to;
    struct places places;
    count_places(duty, slot, &places);
    if (places.filled >= places.need || !lead_find(duty, station_of(duty, slot), level, &to) ||
        !step_once(duty, slot->end_at + DUTY_KEEP_MS, "E3D:%s:%lld:%d", slot->station_id,
                   (long long)slot->start_at, level))
        return;
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, to.lang), slot, &words);
    fields.need = places.need;
    fields.count = places.filled;
    fields.list = places.missing;
    struct say what = said_of(slot, &to, TEXT_E3_DIGEST);
    say(duty, &what, &fields, "E3D:%s:%lld:%d", slot->station_id, (long long)slot->start_at, level);
}
