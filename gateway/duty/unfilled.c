/* What is said of a place that nobody took (E6). The leader hears of it at once; only the places of
 * another day that nobody ever had, or that he has heard of before, wait for each other as long as
 * stand-ins are still being asked for one of them, WAIT_MS at most: he has asked for all of them
 * in the evening (evening.c), and a text for each would be dozens. The bundle counts them, names
 * with time and code what fits one text, and the whole list lies on the desk; 派 and 处理 take the
 * code of each. One alone has its own text.
 *
 * An offer that failed is told once for each time that it did: the step "E6:<offer>:<time>", in the
 * transaction of the text. A place that has somebody by the time of the bundle is left out. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    WAIT_MS = 15 * CALTIME_MINUTE_MS,
    LIST_SIZE = 4096,
    ITEM_SIZE = 320,
};

#define UNTOLD                                                                                     \
    " FROM offer o JOIN shift s ON s.id = o.shift_id WHERE o.state = 'failed' AND s.end_at > ?1"   \
    " AND NOT EXISTS (SELECT 1 FROM duty_step d WHERE"                                             \
    "  d.key = 'E6:' || o.id || ':' || o.closed_at)"

struct place {
    char offer[DUTY_ID_SIZE];
    char code[COMMAND_CODE_SIZE];
    int64_t failed_at;
    int asked;
    bool waits;
    struct slot slot;
    struct person to; /* phone "": nobody can be told */
};

struct bundle {
    int count;
    char list[LIST_SIZE]; /* "S17东门07:20 4821；S18正门07:20 4822" */
};

static void told(struct duty *duty, const struct place *place)
{
    int64_t end = place->slot.end_at > duty->now_ms ? place->slot.end_at : duty->now_ms;
    step_once(duty, end + DUTY_KEEP_MS, "E6:%s:%lld", place->offer, (long long)place->failed_at);
}

/* A place of another day that is not news. */
static bool may_wait(struct duty *duty, const struct slot *slot)
{
    return slot->start_at >= caltime_midnight(duty->now_ms, 1) &&
           (slot->person_id[0] == '\0' || step_done(duty, "E1:%s", slot->id));
}

/* False: there is nothing to be said of it any more. */
static bool load(struct duty *duty, const char *offer, struct place *ret)
{
    char assignment[DUTY_ID_SIZE] = "";
    struct query *q = replica_query(
        duty->replica, "SELECT code, closed_at, assignment_id, (SELECT count(*) FROM offer_ask k"
                       " WHERE k.offer_id = o.id) FROM offer o WHERE id = ?1");
    *ret = (struct place){.asked = 0};
    text_copy(ret->offer, sizeof ret->offer, offer);
    query_text(q, 1, offer);
    if (query_row(q)) {
        text_copy(ret->code, sizeof ret->code, query_get_text(q, 0));
        ret->failed_at = query_get_int(q, 1);
        text_copy(assignment, sizeof assignment, query_get_text(q, 2));
        ret->asked = (int)query_get_int(q, 3);
    }
    query_done(q);
    if (!slot_load(duty, assignment, &ret->slot) || !ret->slot.published)
        return false;
    ret->waits = may_wait(duty, &ret->slot);
    gap_owner(duty, &ret->slot, &ret->to);
    return !ret->waits || text_equal(ret->slot.state, "swapping") ||
           !slot_is_covered(duty, &ret->slot, false);
}

/* --- the bundle --- */

/* Items come latest first, so that the earliest is the first named and what a bare 派 is about.
 * False: no room is left. */
static bool add(struct duty *duty, struct bundle *bundle, const struct place *place)
{
    const struct slot *slot = &place->slot;
    char item[ITEM_SIZE], where[DUTY_NAME_SIZE] = "", start[CALTIME_CLOCK_SIZE];
    replica_get_text(duty->replica, where, sizeof where,
                     "SELECT coalesce(sc.code, '') || substr(coalesce(nullif(po.short, ''),"
                     " po.name, ''), 1, ?2) FROM post po JOIN school sc ON sc.id = po.school_id"
                     " WHERE po.id = ?1",
                     "si", slot->post_id, (int64_t)TEXT_POST_CHARS);
    caltime_format_clock(slot->start_at, start);
    snprintf(item, sizeof item, "%.200s%s %s", where, start, place->code);
    size_t size = strlen(item), rest = strlen(bundle->list), mark = rest > 0 ? strlen("；") : 0;
    if (size + mark + rest >= sizeof bundle->list)
        return false;
    memmove(bundle->list + size + mark, bundle->list, rest + 1);
    memcpy(bundle->list + size, "；", mark);
    memcpy(bundle->list, item, size);
    bundle->count++;
    prompt_open(duty, place->to.phone, "gap", slot->id, place->code, true, slot->end_at);
    step_once(duty, slot->end_at + DUTY_KEEP_MS, "E1:%s", slot->id);
    told(duty, place);
    return true;
}

static void say_bundle(struct duty *duty, const struct bundle *bundle, const struct place *first)
{
    char name[DUTY_KEY_SIZE], date[TEXT_DATE_SIZE], body[LIST_SIZE + TEXT_DATE_SIZE + 4];
    snprintf(name, sizeof name, "unfilled:%s", first->offer);
    text_date(say_lang(duty, first->to.lang), first->slot.start_at, date);
    snprintf(body, sizeof body, "%s %s", date, bundle->list);
    desk_put(duty, "gap", NULL, NULL, name, body);
    struct text_fields fields = {.date = date, .count = bundle->count, .list = bundle->list};
    struct say what = {
        .text = TEXT_E6_BUNDLE,
        .phone = first->to.phone,
        .lang = first->to.lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = first->slot.end_at,
        .ref_kind = "gap",
        .ref_id = name,
    };
    say(duty, &what, &fields, "E6B:%s:%lld", first->offer, (long long)duty->now_ms);
    log_info("duty.unfilled", "date=%s places=%d", first->slot.date, bundle->count);
}

static bool goes_with(const struct place *a, const struct place *b)
{
    return b->waits && text_equal(a->to.phone, b->to.phone) &&
           text_equal(a->slot.date, b->slot.date);
}

/* All from `at` on, the latest of them, that are the same person's and of the same day. */
static void tell_with_others(struct duty *duty, struct ids *ids, int at, const struct place *first)
{
    struct bundle bundle = {.count = 0};
    struct place place;
    int with = 0;
    for (int i = at + 1; i < ids->count && with == 0; i++)
        if (load(duty, ids->at[i], &place) && goes_with(first, &place))
            with = i;
    if (with == 0) {
        gap_say_unfilled(duty, &first->slot, &first->to, first->code, first->asked);
        told(duty, first);
        return;
    }
    for (int i = at; i < ids->count; i++) {
        if (!load(duty, ids->at[i], &place) || !goes_with(first, &place))
            continue;
        if (!add(duty, &bundle, &place))
            break;
        ids->at[i][0] = '\0';
    }
    say_bundle(duty, &bundle, first);
}

/* --- the tick --- */

/* When the places that wait are told; now or before: they need not. */
static int64_t held_until(struct duty *duty)
{
    int64_t gap_ms = (int64_t)duty->options.policy.wave_gap * CALTIME_MINUTE_MS;
    int64_t asking =
        replica_get_int(duty->replica, 0,
                        "SELECT min(o.next_at) FROM offer o JOIN shift s"
                        " ON s.id = o.shift_id WHERE o.state = 'open'"
                        " AND o.next_at <= ?1 AND s.start_at >= ?2",
                        "ii", duty->now_ms + gap_ms, caltime_midnight(duty->now_ms, 1));
    int64_t first =
        replica_get_int(duty->replica, 0, "SELECT min(o.closed_at)" UNTOLD " AND s.start_at >= ?2",
                        "ii", duty->now_ms, caltime_midnight(duty->now_ms, 1));
    if (asking == 0)
        return duty->now_ms;
    return times_min(first + WAIT_MS, asking > duty->now_ms ? asking : duty->now_ms + 1);
}

/* Returns whether it still waits. */
static bool tell(struct duty *duty, struct ids *ids, int at, bool held)
{
    struct place place;
    if (!load(duty, ids->at[at], &place)) {
        told(duty, &place);
    } else if (!place.waits || place.to.phone[0] == '\0') {
        gap_say_unfilled(duty, &place.slot, &place.to, place.code, place.asked);
        told(duty, &place);
    } else if (held) {
        return true;
    } else {
        tell_with_others(duty, ids, at, &place);
    }
    return false;
}

int64_t unfilled_tick(struct duty *duty)
{
    struct ids ids;
    int64_t until = held_until(duty), next = DUTY_NEVER;
    struct query *q =
        replica_query(duty->replica, "SELECT o.id" UNTOLD " ORDER BY s.start_at DESC, o.id");
    query_int(q, 1, duty->now_ms);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        if (ids.at[i][0] == '\0')
            continue; /* in a bundle */
        replica_enter(duty->replica);
        if (tell(duty, &ids, i, until > duty->now_ms))
            next = times_min(next, until);
        if (!replica_leave(duty->replica, true))
            next = times_min(next, duty->now_ms + CALTIME_MINUTE_MS);
    }
    ids_free(&ids);
    return next;
}
