/* Finding a stand-in. A decline releases the person and offers the duty; 换班 offers it while the
 * asker stays responsible; 派 offers the place of somebody who did not come.
 *
 * An offer asks three people at a time: free, with a duty less this week than they may have;
 * volunteers of the school who declared the slot, officers within 20 minutes; who has the skill
 * that is missing first, then the least recently asked, then the nearest. From 20 minutes before
 * the start only people who are at the school, and patrols that need five minutes. After four
 * minutes the next three, then the leader. 接 and the code takes it: the first whose text is
 * committed wins, everybody later hears so. Late in the evening nobody is asked for another day's
 * duty; the first wave then goes out in the morning. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/skill.h"

enum {
    LATE_ASK_MS = 10 * CALTIME_MINUTE_MS, /* an offer for a running duty is of use this long */
    ASKED_LIST_MAX = 8,
};

struct offer {
    char id[DUTY_ID_SIZE];
    char code[COMMAND_CODE_SIZE];
    char cause[16];
    char state[16];
    int wave;
    int64_t next_at;
};

static bool offer_load(struct duty *duty, const char *id, struct offer *ret, struct slot *ret_slot)
{
    char assignment[DUTY_ID_SIZE] = "";
    struct query *q = replica_query(
        duty->replica,
        "SELECT code, cause, state, wave, next_at, assignment_id FROM offer WHERE id = ?1");
    query_text(q, 1, id);
    bool found = query_row(q);
    if (found) {
        text_copy(ret->id, sizeof ret->id, id);
        text_copy(ret->code, sizeof ret->code, query_get_text(q, 0));
        text_copy(ret->cause, sizeof ret->cause, query_get_text(q, 1));
        text_copy(ret->state, sizeof ret->state, query_get_text(q, 2));
        ret->wave = (int)query_get_int(q, 3);
        ret->next_at = query_get_int(q, 4);
        text_copy(assignment, sizeof assignment, query_get_text(q, 5));
    }
    query_done(q);
    return found && slot_load(duty, assignment, ret_slot);
}

static void offer_end(struct duty *duty, const char *id, const char *state, const char *taken_by)
{
    replica_run(duty->replica,
                "UPDATE offer SET state = ?2, taken_by = ?3, closed_at = ?4 WHERE id = ?1", "sssi",
                id, state, taken_by, duty->now_ms);
    say_cancel(duty, "offer", id, state);
}

/* The skills that the post asks for and that nobody else of the shift has. */
static uint8_t skills_missing(struct duty *duty, const struct slot *slot)
{
    char words[DUTY_LIST_SIZE] = "";
    replica_get_text(duty->replica, words, sizeof words,
                     "SELECT group_concat(skills, ' ') FROM demand WHERE post_id = ?1"
                     " AND coalesce(peak, '') IN ('', ?2)",
                     "ss", slot->post_id, slot->peak);
    uint8_t missing = skill_bits(words);
    if (missing == 0)
        return 0;
    words[0] = '\0';
    replica_get_text(duty->replica, words, sizeof words,
                     "SELECT group_concat(k.name, ' ') FROM assignment a JOIN skilled k"
                     " ON k.person_id = a.person_id WHERE a.shift_id = ?1 AND a.id <> ?2"
                     " AND k.until >= ?3"
                     " AND a.state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post')",
                     "sss", slot->shift_id, slot->id, slot->date);
    return missing & (uint8_t)~skill_bits(words);
}

/* What somebody said of a day: an offer, or leave and what else keeps away. Night duty does on its
 * evening and on the day after it. */
#define SAID(weekday, date)                                                                        \
    " coalesce(v.weekday, 0) IN (0, " weekday ") AND (v.kind = 'night'"                            \
    " OR coalesce(v.peak, '') IN ('', ?7)) AND coalesce(v.valid_from, '') <= " date                \
    " AND coalesce(nullif(v.valid_to, ''), '9999') >= " date

/* Stands at the school today (here); stands somewhere else then (busy; a patrol may be called away
 * when it is late, but not from where it was called to); has all the duties of a week (full). */
#define CANDIDATES                                                                                 \
    "WITH here(person_id) AS ("                                                                    \
    " SELECT c.person_id FROM checkin c JOIN post po ON po.id = c.post_id"                         \
    " WHERE c.at >= ?9 AND c.kind = 'in' AND po.school_id = ?1 AND NOT EXISTS"                     \
    " (SELECT 1 FROM checkin o WHERE o.assignment_id = c.assignment_id AND o.kind = 'out')),"      \
    " busy(person_id, patrol) AS ("                                                                \
    " SELECT a.person_id, po.kind = 'patrol' AND a.stands_in_for IS NULL"                          \
    " FROM shift s JOIN assignment a ON a.shift_id = s.id"                                         \
    " LEFT JOIN post po ON po.id = s.post_id WHERE s.start_at < ?5 AND s.start_at > ?4 - 86400000" \
    " AND s.end_at > ?4 AND s.state NOT IN ('draft', 'cancelled')"                                 \
    " AND a.state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post')"                     \
    " UNION ALL SELECT person_id, 0 FROM assignment WHERE shift_id = ?13 AND state <> "            \
    "'cancelled'),"                                                                                \
    " full(person_id) AS ("                                                                        \
    " SELECT a.person_id FROM shift s JOIN assignment a ON a.shift_id = s.id"                      \
    " WHERE s.start_at >= ?17 AND s.start_at < ?17 + 604800000"                                    \
    " AND s.state NOT IN ('draft', 'cancelled')"                                                   \
    " AND a.state NOT IN ('cancelled', 'declined', 'excused', 'no_show')"                          \
    " GROUP BY a.person_id HAVING count(*) >= ?18),"                                               \
    " able(person_id) AS ("                                                                        \
    " SELECT person_id FROM skilled WHERE until >= ?8 AND instr(?15, name) > 0),"                  \
    " found AS MATERIALIZED (SELECT p.id AS id, p.kind AS kind, p.school_id = ?1 AS own,"          \
    " p.id IN (SELECT person_id FROM here) AS here,"                                               \
    " p.id IN (SELECT person_id FROM busy WHERE patrol) AS patrol,"                                \
    " (SELECT min(band) FROM reach WHERE person_id = p.id AND school_id = ?1) AS way"              \
    " FROM person p WHERE (p.kind IN ('police', 'auxiliary')) = ?3"                                \
    " AND (p.school_id = ?1 OR (?3 AND p.station_id = ?14)) AND p.id <> ?2"                        \
    " AND coalesce(p.active, 1) <> 0 AND p.phone IS NOT NULL AND p.kind <> 'desk'"                 \
    " AND coalesce(p.senior, 0) = 0"                                                               \
    " AND p.id NOT IN (SELECT person_id FROM busy WHERE NOT coalesce(patrol, 0))"                  \
    " AND p.id NOT IN (SELECT person_id FROM offer_ask WHERE offer_id = ?12)"                      \
    " AND p.id NOT IN (SELECT person_id FROM duty_lead WHERE coalesce(date, '') = '')"             \
    " AND NOT EXISTS (SELECT 1 FROM optout x WHERE x.phone = p.phone)"                             \
    " AND NOT EXISTS (SELECT 1 FROM avail v WHERE v.person_id = p.id AND v.kind <> 'offer'"        \
    "  AND ((" SAID("?6", "?8") " AND (v.kind <> 'night' OR ?7 = 'pm')) OR (v.kind = 'night' "     \
                                "AND" SAID(                                                        \
                                    "iif(?6 = 1, 7, ?6 - 1)",                                      \
                                    "date(?8, '-1 day')") "))))"                                   \
                                                          " SELECT f.id FROM found f WHERE "       \
                                                          "(f.own OR coalesce(f.way, ?16) <= ?16)" \
                                                          " AND (f.here OR ?3 OR EXISTS (SELECT "  \
                                                          "1 FROM avail v WHERE v.person_id = "    \
                                                          "f.id"                                   \
                                                          "  AND v.kind = 'offer' AND" SAID(       \
                                                              "?6",                                \
                                                              "?8") "))"                           \
                                                                    " AND (f.here OR f.id NOT IN " \
                                                                    "(SELECT person_id FROM "      \
                                                                    "full))"                       \
                                                                    " AND CASE WHEN f.patrol "     \
                                                                    "THEN ?19 AND "                \
                                                                    "coalesce(f.way, ?16) <= 5"    \
                                                                    "  ELSE ?10 = 0 OR f.here OR " \
                                                                    "f.kind IN ('teacher', "       \
                                                                    "'school_security', 'guard') " \
                                                                    "END"                          \
                                                                    " ORDER BY f.id IN (SELECT "   \
                                                                    "person_id FROM able) DESC,"   \
                                                                    " (SELECT max(asked_at) FROM " \
                                                                    "offer_ask k WHERE "           \
                                                                    "k.person_id = f.id) NULLS "   \
                                                                    "FIRST,"                       \
                                                                    " coalesce(f.way, iif(f.own, " \
                                                                    "5, ?16)), f.id LIMIT ?11"

/* When it is late, patrols leave their round for a gate; not for another round. */
static bool patrols_leave(struct duty *duty, const struct slot *slot)
{
    int64_t near =
        slot->start_at - (int64_t)duty->options.policy.standin_at_school * CALTIME_MINUTE_MS;
    return duty->now_ms >= near &&
           replica_get_int(duty->replica, 0, "SELECT kind = 'patrol' FROM post WHERE id = ?1", "s",
                           slot->post_id) == 0;
}

/* Who can be asked, best first. */
static void candidates(struct duty *duty, const struct slot *slot, const char *offer_id, int limit,
                       struct ids *ret)
{
    int64_t near =
        slot->start_at - (int64_t)duty->options.policy.standin_at_school * CALTIME_MINUTE_MS;
    bool officer = person_is_officer(slot->person_kind);
    int weekday = caltime_local(slot->start_at).weekday;
    char missing[SKILL_WORDS_SIZE];
    skill_words(skills_missing(duty, slot), missing);
    struct query *q = replica_query(duty->replica, CANDIDATES);
    query_text(q, 1, slot->school_id);
    query_text(q, 2, slot->person_id);
    query_int(q, 3, officer);
    query_int(q, 4, slot->start_at);
    query_int(q, 5, slot->end_at);
    query_int(q, 6, weekday);
    query_text(q, 7, slot->peak);
    query_text(q, 8, slot->date);
    query_int(q, 9, caltime_midnight(duty->now_ms, 0));
    query_int(q, 10, duty->now_ms >= near);
    query_int(q, 11, limit);
    query_text(q, 12, offer_id);
    query_text(q, 13, slot->shift_id);
    query_text(q, 14, station_of(duty, slot));
    query_text(q, 15, missing);
    query_int(q, 16, DUTY_REACH_MIN);
    query_int(q, 17, caltime_midnight(slot->start_at, 1 - weekday));
    query_int(q, 18, officer ? DUTY_CAP_OFFICER : DUTY_CAP_VOLUNTEER);
    query_int(q, 19, patrols_leave(duty, slot));
    ids_collect(q, ret);
}

int standin_names(struct duty *duty, const struct slot *slot, char *ret, size_t size)
{
    struct ids ids;
    candidates(duty, slot, "", duty->options.policy.wave_size, &ids);
    size_t used = 0;
    int count = 0;
    ret[0] = '\0';
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (!person_load(duty, ids.at[i], &person) || used + sizeof person.name + 4 > size)
            continue;
        used +=
            (size_t)snprintf(ret + used, size - used, "%s%s", count > 0 ? "、" : "", person.name);
        count++;
    }
    ids_free(&ids);
    return count;
}

static void ask(struct duty *duty, const struct offer *offer, const struct slot *slot,
                const struct person *person)
{
    replica_run(duty->replica,
                "INSERT INTO offer_ask(offer_id, person_id, phone, wave, asked_at)"
                " VALUES (?1, ?2, ?3, ?4, ?5)",
                "sssii", offer->id, person->id, person->phone, (int64_t)offer->wave + 1,
                duty->now_ms);
    int64_t until = duty->now_ms >= slot->start_at
                        ? times_min(slot->end_at, duty->now_ms + LATE_ASK_MS)
                        : slot->start_at;
    int64_t tonight = times_at(duty->now_ms, 0, duty->options.policy.standin_until);
    if (caltime_midnight(slot->start_at, 0) > duty->now_ms && tonight > duty->now_ms)
        until = times_min(until, tonight);
    enum text_lang lang = say_lang(duty, person->lang);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, lang, slot, &words);
    fields.code = offer->code;
    struct say what = {
        .text = TEXT_A4_OFFER,
        .phone = person->phone,
        .lang = person->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = until,
        .ref_kind = "offer",
        .ref_id = offer->id,
    };
    say(duty, &what, &fields, "A4:%s:%s", offer->id, person->id);
}

/* A swap's asker stays responsible, so that nothing is covered without him. */
static bool is_covered(struct duty *duty, const struct offer *offer, const struct slot *slot)
{
    return !text_equal(offer->cause, "swap") &&
           slot_is_covered(duty, slot, text_equal(offer->cause, "no_show"));
}

static int asked_count(struct duty *duty, const char *offer_id)
{
    return (int)replica_get_int(
        duty->replica, 0, "SELECT count(*) FROM offer_ask WHERE offer_id = ?1", "s", offer_id);
}

/* Nobody left to ask. A swap's asker stays responsible; every other gap is the leader's now. */
static void offer_fail(struct duty *duty, const struct offer *offer, const struct slot *slot)
{
    replica_run(duty->replica, "UPDATE offer SET state = 'failed', closed_at = ?2 WHERE id = ?1",
                "si", offer->id, duty->now_ms);
    gap_unfilled(duty, slot, offer->code);
}

static void offer_next(struct duty *duty, const struct offer *offer, int64_t next_at, int waves)
{
    replica_run(duty->replica, "UPDATE offer SET next_at = ?2, wave = wave + ?3 WHERE id = ?1",
                "sii", offer->id, next_at, (int64_t)waves);
}

/* Asks the next people; returns how many. */
static int wave(struct duty *duty, const struct offer *offer, const struct slot *slot)
{
    const struct duty_policy *policy = &duty->options.policy;
    struct ids ids = {0};
    int64_t at = times_standin(policy, duty->now_ms, slot->start_at);
    if (at > duty->now_ms) { /* the evening has ended between two waves */
        offer_next(duty, offer, at, 0);
        return 0;
    }
    if (offer->wave < policy->waves)
        candidates(duty, slot, offer->id, policy->wave_size, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (person_load(duty, ids.at[i], &person))
            ask(duty, offer, slot, &person);
    }
    int count = ids.count;
    ids_free(&ids);
    if (count == 0)
        offer_fail(duty, offer, slot);
    else
        offer_next(duty, offer, duty->now_ms + (int64_t)policy->wave_gap * CALTIME_MINUTE_MS, 1);
    return count;
}

static bool open_offer_of(struct duty *duty, const char *assignment_id, char ret[DUTY_ID_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT id FROM offer WHERE assignment_id = ?1 AND state = 'open'", "s",
                            assignment_id);
}

int offer_open(struct duty *duty, const struct slot *slot, const char *cause, const char *code,
               char ret_code[COMMAND_CODE_SIZE])
{
    struct offer offer = {.wave = 0};
    struct slot same;
    char id[DUTY_ID_SIZE];
    if (open_offer_of(duty, slot->id, id) && offer_load(duty, id, &offer, &same)) {
        if (ret_code != NULL)
            text_copy(ret_code, COMMAND_CODE_SIZE, offer.code);
        return asked_count(duty, id);
    }
    replica_new_id(duty->replica, offer.id);
    if (code == NULL)
        code_new(duty, offer.code);
    else
        text_copy(offer.code, sizeof offer.code, code);
    text_copy(offer.cause, sizeof offer.cause, cause);
    offer.next_at = times_standin(&duty->options.policy, duty->now_ms, slot->start_at);
    replica_run(duty->replica,
                "INSERT INTO offer(id, code, assignment_id, shift_id, cause, state, next_at,"
                " opened_at) VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?6, ?7)",
                "sssssii", offer.id, offer.code, slot->id, slot->shift_id, cause, offer.next_at,
                duty->now_ms);
    if (ret_code != NULL)
        text_copy(ret_code, COMMAND_CODE_SIZE, offer.code);
    return offer.next_at <= duty->now_ms ? wave(duty, &offer, slot) : 0;
}

int offer_again(struct duty *duty, const char *code)
{
    char id[DUTY_ID_SIZE];
    struct offer offer;
    struct slot slot;
    if (!replica_get_text(duty->replica, id, sizeof id,
                          "SELECT id FROM offer WHERE code = ?1 AND state = 'failed'"
                          " AND opened_at > ?2",
                          "si", code, duty->now_ms - (int64_t)DUTY_KEEP_MS) ||
        !offer_load(duty, id, &offer, &slot))
        return 0;
    offer.wave = 0; /* a new round, of people who were not asked yet */
    replica_run(duty->replica, "UPDATE offer SET state = 'open', wave = 0 WHERE id = ?1", "s", id);
    return wave(duty, &offer, &slot);
}

void offer_approve(struct duty *duty, const char *assignment_id, const char *person_id)
{
    replica_run(duty->replica,
                "UPDATE offer SET approved_by = ?2 WHERE assignment_id = ?1 AND state = 'open'",
                "ss", assignment_id, person_id);
}

void offer_close(struct duty *duty, const char *assignment_id, const char *reason)
{
    char id[DUTY_ID_SIZE];
    if (!replica_get_text(duty->replica, id, sizeof id,
                          "SELECT id FROM offer WHERE assignment_id = ?1"
                          " AND state IN ('open', 'failed') ORDER BY opened_at DESC LIMIT 1",
                          "s", assignment_id))
        return;
    log_info("duty.offer", "id=%s closed=%s", id, reason);
    offer_end(duty, id, "closed", NULL);
}

static int64_t offer_due(struct duty *duty, const char *id)
{
    struct offer offer;
    struct slot slot;
    if (!offer_load(duty, id, &offer, &slot) || !slot.published) {
        offer_end(duty, id, "closed", NULL);
    } else if (is_covered(duty, &offer, &slot)) {
        offer_end(duty, id, "closed", NULL);
        gap_covered(duty, slot.id);
    } else if (slot.end_at - LATE_ASK_MS <= duty->now_ms) {
        offer_end(duty, id, "closed", NULL);
        if (text_equal(slot.state, "declined"))
            gap_missed(duty, &slot);
    } else {
        wave(duty, &offer, &slot);
    }
    return DUTY_NEVER;
}

int64_t offer_tick(struct duty *duty)
{
    struct query *q =
        replica_query(duty->replica, "SELECT id FROM offer WHERE state = 'open' AND next_at <= ?1"
                                     " ORDER BY next_at, id LIMIT ?2");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, DUTY_SLICE);
    rows_each(duty, q, offer_due);
    return replica_get_int(duty->replica, DUTY_NEVER,
                           "SELECT min(next_at) FROM offer WHERE state = 'open'", "");
}

/* --- 接 --- */

static void say_taken(struct duty *duty, const struct incoming *in, const struct offer *offer,
                      const struct slot *slot)
{
    struct person leader = {0};
    lead_find(duty, station_of(duty, slot), 2, &leader);
    char phone[LIMIT_NAME_BYTES] = "";
    replica_get_text(duty->replica, phone, sizeof phone,
                     "SELECT public_phone FROM org WHERE id = ?1", "s", station_of(duty, slot));
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, in->lang, slot, &words);
    fields.code = offer->code;
    fields.leader = leader.name[0] != '\0' ? leader.name : NULL;
    fields.phone = phone[0] != '\0' ? phone : NULL;
    answer(duty, in, TEXT_A5_TAKEN, &fields);
}

static void say_swapped(struct duty *duty, const struct incoming *in, const struct offer *offer,
                        const struct slot *slot)
{
    replica_run(duty->replica, "UPDATE assignment SET state = 'cancelled' WHERE id = ?1", "s",
                slot->id);
    notice_drop(duty, slot->id);
    prompt_close(duty, "duty", slot->id);
    say_cancel(duty, "remind", slot->id, "swapped");
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot->lang), slot, &words);
    fields.code = offer->code;
    fields.person = in->person.name;
    struct say what = {
        .text = TEXT_A7_SWAPPED,
        .phone = slot->phone,
        .lang = slot->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_before = times_notice(&duty->options.policy, duty->now_ms, slot->start_at),
        .not_after = slot->start_at > duty->now_ms ? slot->start_at : slot->end_at,
        .ref_kind = "notice",
        .ref_id = slot->id,
    };
    say(duty, &what, &fields, "A7:%s", offer->id);
}

static void take(struct duty *duty, const struct incoming *in, const struct offer *offer,
                 const struct slot *slot)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    offer_end(duty, offer->id, "taken", in->person.id);
    replica_run(duty->replica,
                "INSERT INTO assignment(id, scope, shift_id, person_id, role, stands_in_for, state,"
                " asked_at, answered_at)"
                " SELECT ?1, s.scope, s.id, ?3, coalesce(a.role, 0), a.id, 'confirmed', ?4, ?4"
                " FROM shift s LEFT JOIN assignment a ON a.id = ?2 WHERE s.id = ?5",
                "sssis", id, slot->id, in->person.id, duty->now_ms, slot->shift_id);
    replica_run(duty->replica,
                "INSERT INTO approval(assignment_id, by_id, at) SELECT ?1, approved_by, ?3"
                " FROM offer WHERE id = ?2 AND approved_by IS NOT NULL",
                "ssi", id, offer->id, duty->now_ms);
    struct slot mine;
    if (slot_load(duty, id, &mine))
        notice_put(duty, &mine);
    say_taken(duty, in, offer, slot);
    if (text_equal(offer->cause, "swap"))
        say_swapped(duty, in, offer, slot);
    gap_covered(duty, slot->id);
}

/* A patrol that was asked late leaves its round for the gate. */
static bool is_free(struct duty *duty, const struct person *person, const struct slot *slot)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM slot s LEFT JOIN post p ON p.id = s.post_id"
                           " WHERE person_id = ?1 AND end_at > ?2 AND start_at < ?3 AND published"
                           " AND state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post')"
                           " AND NOT (?4 AND coalesce(p.kind, '') = 'patrol' AND"
                           "  stands_in_for IS NULL)",
                           "siii", person->id, slot->start_at, slot->end_at,
                           (int64_t)patrols_leave(duty, slot)) == 0;
}

/* Offers that this phone was asked about and that are for now or later. */
static void asked_offers(struct duty *duty, const struct incoming *in, const char *code,
                         bool open_only, struct ids *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT o.id FROM offer_ask k JOIN offer o ON o.id = k.offer_id"
                       " JOIN shift s ON s.id = o.shift_id WHERE k.phone = ?1 AND s.end_at > ?2"
                       " AND (?3 = '' OR o.code = ?3) AND (?4 = 0 OR o.state IN ('open', 'failed'))"
                       " ORDER BY o.opened_at DESC LIMIT 8");
    query_text(q, 1, in->text->phone);
    query_int(q, 2, duty->now_ms);
    query_text(q, 3, code);
    query_int(q, 4, open_only);
    ids_collect(q, ret);
}

int offer_open_count(struct duty *duty, const char *phone)
{
    return (int)replica_get_int(
        duty->replica, 0,
        "SELECT count(*) FROM offer_ask k JOIN offer o ON o.id = k.offer_id"
        " JOIN shift s ON s.id = o.shift_id WHERE k.phone = ?1 AND s.end_at > ?2"
        " AND o.state IN ('open', 'failed')",
        "si", phone, duty->now_ms);
}

void offer_list(struct duty *duty, const struct incoming *in)
{
    struct ids ids;
    asked_offers(duty, in, "", true, &ids);
    char list[DUTY_LIST_SIZE] = "", first[COMMAND_CODE_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < ids.count && i < ASKED_LIST_MAX; i++) {
        struct offer offer;
        struct slot slot;
        char day[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        if (!offer_load(duty, ids.at[i], &offer, &slot))
            continue;
        if (first[0] == '\0')
            text_copy(first, sizeof first, offer.code);
        text_weekday(in->lang, slot.start_at, day);
        caltime_format_clock(slot.start_at, start);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %s%s", i > 0 ? "；" : "",
                                 offer.code, day, start);
    }
    struct text_fields fields = {.list = list, .code = first};
    if (ids.count > 0)
        answer(duty, in, TEXT_L2_OFFERS, &fields);
    else
        desk_not_understood(duty, in);
    ids_free(&ids);
}

/* Two of one family may share a phone: who was asked takes it. */
static struct incoming as_asked(struct duty *duty, const struct incoming *in, const char *offer_id)
{
    struct incoming asked = *in;
    struct person person;
    char id[DUTY_ID_SIZE];
    if (replica_get_text(duty->replica, id, sizeof id,
                         "SELECT person_id FROM offer_ask WHERE offer_id = ?1 AND phone = ?2", "ss",
                         offer_id, in->text->phone) &&
        person_load(duty, id, &person))
        asked.person = person;
    return asked;
}

static void take_one(struct duty *duty, const struct incoming *from, const char *id)
{
    struct offer offer;
    struct slot slot;
    struct incoming asked = as_asked(duty, from, id), *in = &asked;
    if (!offer_load(duty, id, &offer, &slot))
        return;
    struct text_fields fields = {.code = offer.code};
    bool open = text_equal(offer.state, "open") || text_equal(offer.state, "failed");
    bool mine = replica_get_int(duty->replica, 0, "SELECT taken_by = ?2 FROM offer WHERE id = ?1",
                                "ss", id, in->person.id) != 0;
    if (mine)
        say_taken(duty, in, &offer, &slot); /* said twice: still his */
    else if (!slot.published)
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
    else if (!open || is_covered(duty, &offer, &slot))
        answer(duty, in, TEXT_A6_LATE, &fields);
    else if (!is_free(duty, &in->person, &slot))
        desk_not_understood(duty, in); /* took another duty at the same time: a person decides */
    else
        take(duty, in, &offer, &slot);
}

void offer_take(struct duty *duty, const struct incoming *in)
{
    struct ids ids;
    bool has_code = in->command.code[0] != '\0';
    asked_offers(duty, in, in->command.code, !has_code, &ids);
    if (in->known && ids.count == 0 && !has_code)
        asked_offers(duty, in, "", false, &ids); /* all gone: too late for the newest one */
    struct text_fields fields = {.code = in->command.code};
    if (!in->known)
        desk_not_understood(duty, in);
    else if (ids.count == 0 && has_code)
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
    else if (ids.count == 0)
        desk_not_understood(duty, in);
    else if (ids.count > 1 && !has_code)
        offer_list(duty, in);
    else
        take_one(duty, in, ids.at[0]);
    ids_free(&ids);
}
