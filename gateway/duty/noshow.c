/* Somebody who does not come. From the start of the duty: at 3 minutes the person is asked (R4), at
 * 8 the leader has been told (E1; three possible stand-ins are put on the desk), at 13 the senior
 * officer of the school (E2), at 23 the gap is on record and the person is a no-show. 派 and the
 * code asks stand-ins, 处理 says that the leader sees to it; either stops the next level. A
 * check-in at any time ends it; who stands in has ten minutes to get there before the same steps
 * begin for him. Who declines after the start changes nothing for the leader: others are asked at
 * once, and he hears at 8 minutes unless one of them has taken it. A device that sees an empty post
 * while somebody is on it begins the same steps at once (R5, then as above); 到岗 ends them.
 *
 * In a storm (peak.c) there is one text instead of one for each. A step that was missed while the
 * program was down is taken up as long as the duty runs, but the person is not asked once the
 * leader's turn has come.
 */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    WAY_MS = 10 * CALTIME_MINUTE_MS, /* a stand-in needs to get there */
    DOWN_MS = 12 * 3600 * 1000,      /* what ended longer ago was never watched here */
    MODEM_MS = 30 * 1000, /* a few texts of one peak: said so early, they are read in time */
    LEVEL_PERSON = 0,
    LEVEL_LEADER,
    LEVEL_SENIOR,
    LEVEL_GAP,
    GAP_NAMES_SIZE = 384,
};

struct gap {
    char id[DUTY_ID_SIZE];
    char code[COMMAND_CODE_SIZE];
    char state[16];
    char acked_by[DUTY_ID_SIZE];
    int level; /* steps done */
    int64_t base_at;
};

static bool gap_load(struct duty *duty, const char *assignment_id, struct gap *ret)
{
    struct query *q =
        replica_query(duty->replica, "SELECT id, code, state, acked_by, level, base_at FROM gap"
                                     " WHERE assignment_id = ?1");
    query_text(q, 1, assignment_id);
    bool found = query_row(q);
    if (found) {
        const char *by = query_get_text(q, 3);
        text_copy(ret->id, sizeof ret->id, query_get_text(q, 0));
        text_copy(ret->code, sizeof ret->code, query_get_text(q, 1));
        text_copy(ret->state, sizeof ret->state, query_get_text(q, 2));
        text_copy(ret->acked_by, sizeof ret->acked_by, by == NULL ? "" : by);
        ret->level = (int)query_get_int(q, 4);
        ret->base_at = query_get_int(q, 5);
    }
    query_done(q);
    return found;
}

static void gap_new(struct duty *duty, const struct slot *slot, const char *code, int level,
                    int64_t base_at)
{
    char id[LIMIT_ID_BYTES + 1], fresh[COMMAND_CODE_SIZE];
    replica_new_id(duty->replica, id);
    if (code == NULL) {
        code_new(duty, fresh);
        code = fresh;
    }
    part_touch(duty, PART_GAP);
    replica_run(duty->replica,
                "INSERT INTO gap(id, code, assignment_id, shift_id, base_at, level, state)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open')"
                " ON CONFLICT(assignment_id) DO UPDATE SET code = excluded.code,"
                " level = excluded.level, base_at = excluded.base_at, state = 'open'",
                "ssssii", id, code, slot->id, slot->shift_id, base_at, (int64_t)level);
}

static void gap_state(struct duty *duty, const char *assignment_id, const char *state)
{
    replica_run(duty->replica, "UPDATE gap SET state = ?2 WHERE assignment_id = ?1", "ss",
                assignment_id, state);
}

static int64_t level_at(const struct duty *duty, int64_t base_at, int level)
{
    return base_at + (int64_t)duty->options.policy.no_show[level] * CALTIME_MINUTE_MS -
           (level == LEVEL_LEADER ? MODEM_MS : 0);
}

static int64_t base_of(const struct slot *slot)
{
    bool stands_in = slot->stands_in_for[0] != '\0';
    int64_t there = slot->answered_at + WAY_MS;
    return stands_in && there > slot->start_at ? there : slot->start_at;
}

/* --- the texts --- */

static void say_person(struct duty *duty, const struct slot *slot)
{
    if (slot->phone[0] == '\0' || person_stopped(duty, slot->phone) || say_is_enough(duty, slot))
        return;
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot->lang), slot, &words);
    bool left = text_equal(slot->state, "on_post");
    struct say what = {
        .text = left ? TEXT_R5_LEFT : TEXT_R4_MISSING,
        .phone = slot->phone,
        .lang = slot->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = times_min(slot->end_at, duty->now_ms + WAY_MS),
        .ref_kind = "gap",
        .ref_id = slot->id,
        .prompt = prompt_open(duty, slot->phone, "duty", slot->id, NULL, false, slot->end_at),
    };
    say(duty, &what, &fields, "%s:%s:%lld", left ? "R5" : "R4", slot->id,
        (long long)(left ? duty->now_ms : slot->start_at));
}

/* E1, E2, E6 to one who can act; false when there is nobody. */
static bool say_chief(struct duty *duty, const struct slot *slot, const struct person *to,
                      const char *code, enum text_id text, struct text_fields *fields)
{
    if (to->phone[0] == '\0')
        return false;
    struct say what = {
        .text = text,
        .phone = to->phone,
        .lang = to->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = slot->end_at,
        .ref_kind = "gap",
        .ref_id = slot->id,
        .prompt = prompt_open(duty, to->phone, "gap", slot->id, code, true, slot->end_at),
    };
    fields->code = code;
    say(duty, &what, fields, "%.2s:%s:%lld:%s", text_name(text), slot->id, (long long)duty->now_ms,
        to->id);
    return true;
}

/* The leader, or who comes next when there is none. */
static bool chief_of(struct duty *duty, const struct slot *slot, struct person *ret)
{
    return lead_find(duty, station_of(duty, slot), 2, ret) ||
           sponsor_find(duty, slot->school_id, ret) ||
           lead_find(duty, station_of(duty, slot), 4, ret);
}

static bool was_there(const struct slot *slot)
{
    return text_equal(slot->state, "on_post") || text_equal(slot->state, "done");
}

/* E1, and three who could stand in, for whoever telephones from the desk. */
static void say_leader(struct duty *duty, const struct slot *slot, const struct gap *gap)
{
    struct person leader = {0};
    if (chief_of(duty, slot, &leader)) {
        struct slot_words words;
        struct text_fields fields = slot_fields(duty, say_lang(duty, leader.lang), slot, &words);
        fields.minutes = (int)((duty->now_ms + MODEM_MS - slot->start_at) / CALTIME_MINUTE_MS);
        say_chief(duty, slot, &leader, gap->code, was_there(slot) ? TEXT_E1B_LEFT : TEXT_E1_LEADER,
                  &fields);
    }
    char names[GAP_NAMES_SIZE], body[DUTY_LIST_SIZE];
    standin_names(duty, slot, names, sizeof names);
    snprintf(body, sizeof body, "%s: %s", slot->person, names);
    desk_put(duty, "gap", NULL, slot->person_id, slot->id, body);
}

static void say_senior(struct duty *duty, const struct slot *slot, const struct gap *gap)
{
    struct person senior = {0}, leader = {0};
    if (!sponsor_find(duty, slot->school_id, &senior) &&
        !lead_find(duty, station_of(duty, slot), 4, &senior))
        return;
    lead_find(duty, station_of(duty, slot), 2, &leader);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, senior.lang), slot, &words);
    fields.leader = leader.name[0] != '\0' ? leader.name : NULL;
    say_chief(duty, slot, &senior, gap->code, TEXT_E2_SENIOR, &fields);
}

/* --- the ladder --- */

/* Many are missing: one text to each level that would have had one for each of them. */
static void storm(struct duty *duty, const struct slot *slot, int level)
{
    struct person to = {0};
    if (level == LEVEL_LEADER && chief_of(duty, slot, &to))
        peak_say_storm(duty, slot, &to);
    if (level == LEVEL_SENIOR && sponsor_find(duty, slot->school_id, &to))
        peak_say_storm(duty, slot, &to);
}

/* The last level of a place that stays empty: the partner of kind 社区 that the school's card names
 * is asked to help. It learns the gate and the time, not whose place it is. */
static void tell_community(struct duty *duty, const struct slot *slot)
{
    struct person leader = {.name = ""};
    char phone[DUTY_PHONE_SIZE], public_phone[LIMIT_NAME_BYTES] = "";
    if (!replica_get_text(duty->replica, phone, sizeof phone,
                          "SELECT p.phone FROM card c JOIN card_phone p ON p.card_id = c.id"
                          " WHERE c.kind = 'partner' AND c.state = 'on' AND c.school_id = ?1"
                          " AND json_extract(c.body, '$.type') IN ('社区', 'community')"
                          " ORDER BY c.code LIMIT 1",
                          "s", slot->school_id) ||
        !step_once(duty, slot->end_at + DUTY_KEEP_MS, "E13:%s:%lld", slot->post_id,
                   (long long)slot->start_at))
        return;
    lead_find(duty, station_of(duty, slot), 2, &leader);
    replica_get_text(duty->replica, public_phone, sizeof public_phone,
                     "SELECT public_phone FROM org WHERE id = ?1", "s", station_of(duty, slot));
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, NULL), slot, &words);
    fields.leader = leader.name[0] != '\0' ? leader.name : NULL;
    fields.phone = public_phone;
    struct say what = {
        .text = TEXT_E13_COMMUNITY,
        .phone = phone,
        .lang = "",
        .prio = DUTY_PRIO_DUTY,
        .not_after = slot->end_at,
        .ref_kind = "gap",
        .ref_id = slot->id,
    };
    say(duty, &what, &fields, "E13:%s:%lld", slot->post_id, (long long)slot->start_at);
}

/* told: the leader knew. Without that (the program was down) or in a storm the person is not held
 * to have stayed away; somebody at the desk has to find out. */
static void record_gap(struct duty *duty, const struct slot *slot, bool told)
{
    replica_run(duty->replica, "UPDATE gap SET state = 'gap', level = 4 WHERE assignment_id = ?1",
                "s", slot->id);
    if (told && slot_is_ahead(slot))
        replica_run(duty->replica, "UPDATE assignment SET state = 'no_show' WHERE id = ?1", "s",
                    slot->id);
    char body[DUTY_LIST_SIZE];
    snprintf(body, sizeof body, "%s %s%s %s%s", slot->date, slot->school, slot->post, slot->person,
             told ? "" : " ?");
    desk_put(duty, "gap", NULL, slot->person_id, slot->id, body);
    if (told && slot->end_at > duty->now_ms) {
        peak_say_digest(duty, slot, 2);
        peak_say_digest(duty, slot, 4);
        tell_community(duty, slot);
    }
    log_info("duty.gap", "assignment=%s shift=%s told=%d", slot->id, slot->shift_id, told);
}

static void tell_leader(struct duty *duty, const struct slot *slot, const struct gap *gap)
{
    step_once(duty, slot->end_at + DUTY_KEEP_MS, "E1:%s", slot->id);
    say_leader(duty, slot, gap);
}

/* The leader who heard nothing of it in a storm that has passed comes first; the rest shifts. */
static bool leader_first(struct duty *duty, const struct slot *slot, const struct gap *gap)
{
    if (step_done(duty, "E1:%s", slot->id))
        return false;
    const int *minutes = duty->options.policy.no_show;
    tell_leader(duty, slot, gap);
    replica_run(duty->replica, "UPDATE gap SET base_at = base_at + ?2 WHERE assignment_id = ?1",
                "si", slot->id,
                (int64_t)(minutes[LEVEL_SENIOR] - minutes[LEVEL_LEADER]) * CALTIME_MINUTE_MS);
    return true;
}

/* One step; returns false when the same level is to be taken again later. */
static bool climb(struct duty *duty, const struct slot *slot, const struct gap *gap)
{
    bool hold = peak_is_storm(duty, slot), acked = text_equal(gap->state, "acked");
    switch (gap->level) {
    case LEVEL_PERSON:
        if (duty->now_ms < level_at(duty, gap->base_at, LEVEL_LEADER))
            say_person(duty, slot);
        return true;
    case LEVEL_LEADER:
        if (hold)
            storm(duty, slot, LEVEL_LEADER);
        else if (!acked)
            tell_leader(duty, slot, gap);
        return true;
    case LEVEL_SENIOR:
        if (hold)
            storm(duty, slot, LEVEL_SENIOR);
        else if (!acked && leader_first(duty, slot, gap))
            return false;
        else if (!acked)
            say_senior(duty, slot, gap);
        return true;
    default:
        record_gap(duty, slot, !hold);
        return true;
    }
}

/* Given back, and the plan has put somebody else there since. */
static bool is_replaced(struct duty *duty, const struct slot *slot)
{
    return text_equal(slot->state, "declined") && slot_is_covered(duty, slot, false);
}

/* Takes all steps that are due; returns when the next one is. */
static int64_t gap_advance(struct duty *duty, const char *assignment_id)
{
    struct slot slot;
    struct gap gap;
    if (!slot_load(duty, assignment_id, &slot) || !slot.published || is_replaced(duty, &slot)) {
        gap_state(duty, assignment_id, "covered"); /* called off, or somebody else's by now */
        return DUTY_NEVER;
    }
    while (gap_load(duty, assignment_id, &gap) && gap.level <= LEVEL_GAP &&
           (text_equal(gap.state, "open") || text_equal(gap.state, "acked"))) {
        int64_t due = level_at(duty, gap.base_at, gap.level);
        if (slot.end_at <= duty->now_ms) /* nobody can act on it any more */
            record_gap(duty, &slot, gap.level > LEVEL_LEADER);
        else if (due > duty->now_ms)
            return times_min(due, slot.end_at);
        else if (climb(duty, &slot, &gap))
            replica_run(duty->replica, "UPDATE gap SET level = ?2 WHERE assignment_id = ?1", "si",
                        assignment_id, (int64_t)gap.level + 1);
    }
    return DUTY_NEVER;
}

static int64_t gap_begins(struct duty *duty, const char *assignment_id)
{
    struct slot slot;
    if (!slot_load(duty, assignment_id, &slot))
        return DUTY_NEVER;
    int64_t base = base_of(&slot), due = level_at(duty, base, LEVEL_PERSON);
    if (due > duty->now_ms && slot.end_at > duty->now_ms)
        return times_min(due, slot.end_at);
    gap_new(duty, &slot, NULL, LEVEL_PERSON, base);
    return DUTY_NEVER;
}

/* Duties that have begun (or ended, while the program was down) and that nobody is on. */
static int64_t begin_all(struct duty *duty)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT assignment_id FROM slot WHERE start_at > ?1 AND start_at <= ?2 AND published"
        " AND state IN ('planned', 'asked', 'confirmed', 'swapping') AND NOT EXISTS"
        " (SELECT 1 FROM gap g WHERE g.assignment_id = slot.assignment_id)"
        " ORDER BY start_at, assignment_id LIMIT ?3");
    query_int(q, 1, duty->now_ms - DOWN_MS);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, DUTY_SLICE);
    return rows_each(duty, q, gap_begins);
}

/* The step that is due next, as an expression over a row of gap and the four times of the ladder.
 */
#define GAP_DUE "g.base_at + CASE g.level WHEN 0 THEN ?1 WHEN 1 THEN ?2 WHEN 2 THEN ?3 ELSE ?4 END"

static void bind_ladder(const struct duty *duty, struct query *q)
{
    for (int i = 0; i < DUTY_LEVELS; i++)
        query_int(q, i + 1, level_at(duty, 0, i));
}

static int64_t advance_all(struct duty *duty)
{
    struct query *q = replica_query(
        duty->replica,
        "SELECT g.assignment_id FROM gap g LEFT JOIN shift s ON s.id = g.shift_id"
        " WHERE g.state IN ('open', 'acked') AND min(" GAP_DUE ", coalesce(s.end_at, 0)) <= ?5"
        " ORDER BY g.base_at, g.assignment_id LIMIT ?6");
    bind_ladder(duty, q);
    query_int(q, 5, duty->now_ms);
    query_int(q, 6, DUTY_SLICE);
    int64_t next = rows_each(duty, q, gap_advance);
    q = replica_query(duty->replica,
                      "SELECT min(min(" GAP_DUE ", coalesce(s.end_at, 0))) FROM gap g"
                      " LEFT JOIN shift s ON s.id = g.shift_id"
                      " WHERE g.state IN ('open', 'acked')");
    bind_ladder(duty, q);
    if (query_row(q) && !query_is_null(q, 0))
        next = times_min(next, query_get_int(q, 0));
    query_done(q);
    return next;
}

int64_t gap_tick(struct duty *duty)
{
    duty->peak.counted_ms = 0;
    int64_t next = begin_all(duty);
    next = times_min(next, advance_all(duty));
    int64_t start = replica_get_int(duty->replica, 0,
                                    "SELECT start_at FROM shift WHERE start_at > ?1"
                                    " ORDER BY start_at LIMIT 1",
                                    "i", duty->now_ms);
    return start == 0 ? next : times_min(next, start);
}

/* --- what others report --- */

/* Whoever took the gap over, else the leader; false when nobody was told of it. */
static bool who_knows(struct duty *duty, const struct slot *slot, const struct gap *gap,
                      struct person *ret)
{
    if (gap->acked_by[0] != '\0' && person_load(duty, gap->acked_by, ret))
        return true;
    return gap->level > LEVEL_LEADER && chief_of(duty, slot, ret);
}

static void say_news(struct duty *duty, const struct slot *slot, const struct person *to,
                     enum text_id text, struct text_fields *fields)
{
    struct say what = {
        .text = text,
        .phone = to->phone,
        .lang = to->lang,
        .prio = DUTY_PRIO_DUTY,
        .not_after = slot->end_at,
        .ref_kind = "answer",
        .ref_id = slot->id,
    };
    say(duty, &what, fields, "%s:%s:%lld", text_name(text), slot->id, (long long)duty->now_ms);
}

void gap_arrived(struct duty *duty, const struct slot *slot, int64_t at, int late_min)
{
    struct gap gap;
    struct person to = {0};
    if (!gap_load(duty, slot->id, &gap) || text_equal(gap.state, "arrived"))
        return;
    gap_state(duty, slot->id, "arrived");
    prompt_close(duty, "gap", slot->id);
    if (duty->now_ms >= slot->end_at || !who_knows(duty, slot, &gap, &to))
        return;
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, to.lang), slot, &words);
    caltime_format_clock(at, words.start);
    fields.minutes = late_min;
    say_news(duty, slot, &to, TEXT_E9_ARRIVED, &fields);
}

void gap_left(struct duty *duty, const char *assignment_id)
{
    struct slot slot;
    struct gap gap;
    if (!slot_load(duty, assignment_id, &slot) ||
        (gap_load(duty, assignment_id, &gap) &&
         (text_equal(gap.state, "open") || text_equal(gap.state, "acked"))))
        return;
    int64_t asked_ms = (int64_t)duty->options.policy.no_show[LEVEL_PERSON] * CALTIME_MINUTE_MS;
    gap_new(duty, &slot, NULL, LEVEL_PERSON, duty->now_ms - asked_ms);
}

void gap_back(struct duty *duty, const struct slot *slot)
{
    struct gap gap;
    struct person to = {0};
    if (!gap_load(duty, slot->id, &gap) ||
        !(text_equal(gap.state, "open") || text_equal(gap.state, "acked")))
        return;
    gap_state(duty, slot->id, "arrived");
    say_cancel(duty, "gap", slot->id, "back");
    prompt_close(duty, "gap", slot->id);
    if (!who_knows(duty, slot, &gap, &to))
        return;
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, to.lang), slot, &words);
    say_news(duty, slot, &to, TEXT_E9B_BACK, &fields);
}

static bool load_stand_in(struct duty *duty, const char *assignment_id, struct slot *ret)
{
    char id[DUTY_ID_SIZE];
    return replica_get_text(duty->replica, id, sizeof id,
                            "SELECT id FROM assignment WHERE stands_in_for = ?1"
                            " AND state <> 'cancelled' ORDER BY answered_at DESC LIMIT 1",
                            "s", assignment_id) &&
           slot_load(duty, id, ret);
}

/* Who was told; and when it has begun the leader in any case, because the post is empty until the
 * stand-in gets there. */
static bool who_hears(struct duty *duty, const struct slot *slot, const struct gap *gap,
                      const struct slot *by, struct person *ret)
{
    return who_knows(duty, slot, gap, ret) ||
           (duty->now_ms >= slot->start_at && !was_there(by) && chief_of(duty, slot, ret));
}

void gap_covered(struct duty *duty, const char *assignment_id)
{
    struct gap gap;
    struct slot slot, by;
    struct person to = {0};
    if (!gap_load(duty, assignment_id, &gap) || !slot_load(duty, assignment_id, &slot) ||
        text_equal(gap.state, "covered") || text_equal(gap.state, "arrived"))
        return;
    gap_state(duty, assignment_id, "covered");
    say_cancel(duty, "gap", assignment_id, "covered");
    prompt_close(duty, "gap", assignment_id);
    if (text_equal(slot.state, "planned") || text_equal(slot.state, "asked") ||
        text_equal(slot.state, "confirmed"))
        replica_run(duty->replica, "UPDATE assignment SET state = 'no_show' WHERE id = ?1", "s",
                    assignment_id);
    if (duty->now_ms >= slot.end_at || !load_stand_in(duty, assignment_id, &by) ||
        !who_hears(duty, &slot, &gap, &by, &to))
        return;
    enum text_lang lang = say_lang(duty, to.lang);
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, lang, &slot, &words);
    fields.person = by.person;
    fields.code = gap.code;
    say_news(duty, &slot, &to, TEXT_E5_FOUND, &fields);
}

void gap_close(struct duty *duty, const char *assignment_id)
{
    gap_state(duty, assignment_id, "covered");
    prompt_close(duty, "gap", assignment_id);
}

void gap_declined(struct duty *duty, const struct slot *slot)
{
    struct gap gap;
    say_cancel(duty, "gap", slot->id, "declined");
    if (slot->start_at > duty->now_ms)
        gap_close(duty, slot->id);
    else if (!gap_load(duty, slot->id, &gap))
        gap_new(duty, slot, NULL, LEVEL_LEADER, base_of(slot));
    else if (gap.level < LEVEL_LEADER)
        replica_run(duty->replica, "UPDATE gap SET level = ?2 WHERE assignment_id = ?1", "si",
                    slot->id, (int64_t)LEVEL_LEADER);
}

bool gap_code(struct duty *duty, const char *assignment_id, char ret[COMMAND_CODE_SIZE])
{
    return replica_get_text(duty->replica, ret, COMMAND_CODE_SIZE,
                            "SELECT code FROM gap WHERE assignment_id = ?1"
                            " AND state IN ('open', 'acked')",
                            "s", assignment_id);
}

/* A gap that others were asked to fill in vain. Before the start the leader has until 13 minutes
 * after it; then the senior officer hears. A swap that nobody wants leaves no gap. */
void gap_unfilled(struct duty *duty, const struct slot *slot, const char *code)
{
    struct gap gap = {0};
    part_touch(duty, PART_GAP);
    part_touch(duty, PART_UNFILLED);
    if (gap_load(duty, slot->id, &gap))
        replica_run(duty->replica,
                    "UPDATE gap SET state = iif(level > 3, 'gap', 'open'), code = ?2,"
                    " level = max(level, 2) WHERE assignment_id = ?1", /* on record: stays there */
                    "ss", slot->id, code);
    else if (!text_equal(slot->state, "swapping"))
        gap_new(duty, slot, code, LEVEL_SENIOR, slot->start_at);
}

void gap_owner(struct duty *duty, const struct slot *slot, struct person *ret)
{
    struct gap gap = {0};
    *ret = (struct person){.phone = ""};
    bool acked = gap_load(duty, slot->id, &gap) && gap.acked_by[0] != '\0';
    if (!acked || !person_load(duty, gap.acked_by, ret))
        chief_of(duty, slot, ret);
}

void gap_say_unfilled(struct duty *duty, const struct slot *slot, const struct person *to,
                      const char *code, int asked)
{
    step_once(duty, slot->end_at + DUTY_KEEP_MS, "E1:%s", slot->id); /* E6 says as much */
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, to->lang), slot, &words);
    fields.count = asked;
    if (!say_chief(duty, slot, to, code, TEXT_E6_NOT_FOUND, &fields))
        desk_put(duty, "gap", NULL, slot->person_id, slot->id, slot->post);
}

void gap_missed(struct duty *duty, const struct slot *slot)
{
    struct gap gap = {.level = 0};
    if (!gap_load(duty, slot->id, &gap))
        gap_new(duty, slot, NULL, LEVEL_GAP, slot->start_at);
    if (gap.id[0] == '\0' || text_equal(gap.state, "covered"))
        record_gap(duty, slot, false);
}

/* --- 派, 处理, 缺 --- */

/* The gap that the code names, or the newest that this phone was told of. */
static bool find_told(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT ref_id FROM prompt WHERE phone = ?1 AND kind = 'gap'"
                            " AND (?2 = '' OR code = ?2) AND expires_at > ?3"
                            " ORDER BY opened_at DESC, id DESC LIMIT 1",
                            "ssi", in->text->phone, in->command.code, duty->now_ms);
}

static void ack(struct duty *duty, const struct incoming *in, const char *assignment_id)
{
    replica_run(duty->replica,
                "UPDATE gap SET state = 'acked', acked_by = ?2, acked_at = ?3"
                " WHERE assignment_id = ?1 AND state IN ('open', 'acked')",
                "ssi", assignment_id, in->person.id, duty->now_ms);
    say_cancel(duty, "gap", assignment_id, "acked");
}

static bool told_slot(struct duty *duty, const struct incoming *in, struct slot *ret_slot)
{
    char id[DUTY_ID_SIZE];
    if (in->known && find_told(duty, in, id) && slot_load(duty, id, ret_slot))
        return true;
    struct text_fields fields = {.code = in->command.code};
    if (in->known && in->command.code[0] != '\0')
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
    else
        desk_not_understood(duty, in);
    return false;
}

static void answer_code(struct duty *duty, const struct incoming *in, const char *assignment_id,
                        enum text_id text, int count)
{
    char code[COMMAND_CODE_SIZE] = "";
    replica_get_text(duty->replica, code, sizeof code,
                     "SELECT code FROM prompt WHERE phone = ?1 AND kind = 'gap' AND ref_id = ?2",
                     "ss", in->text->phone, assignment_id);
    struct text_fields fields = {.code = code, .count = count};
    answer(duty, in, text, &fields);
}

void gap_send_someone(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    if (!told_slot(duty, in, &slot))
        return;
    if (text_equal(slot.state, "on_post") || text_equal(slot.state, "done")) {
        answer_code(duty, in, slot.id, TEXT_E11_NO_GAPS, 0);
        return;
    }
    char code[COMMAND_CODE_SIZE] = "";
    replica_get_text(duty->replica, code, sizeof code,
                     "SELECT code FROM prompt WHERE phone = ?1 AND kind = 'gap' AND ref_id = ?2",
                     "ss", in->text->phone, slot.id);
    ack(duty, in, slot.id);
    int asked = offer_again(duty, code);
    if (asked == 0 && replica_get_int(duty->replica, 0,
                                      "SELECT 1 FROM offer WHERE assignment_id = ?1 AND code = ?2"
                                      " AND state <> 'open'",
                                      "ss", slot.id, code) == 0)
        asked = offer_open(duty, &slot, "no_show", code, NULL);
    offer_approve(duty, slot.id, in->person.id);
    if (asked > 0) /* else nobody could be asked, and that was said already (E6) */
        answer_code(duty, in, slot.id, TEXT_E7_ASKING, asked);
}

void gap_handle(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    if (!told_slot(duty, in, &slot))
        return;
    ack(duty, in, slot.id);
    answer_code(duty, in, slot.id, TEXT_E8_YOURS, 0);
}

/* Duties that run and that nobody is at; those given back with the reason, for leaders (?2). */
#define GAPS                                                                                       \
    "SELECT DISTINCT coalesce(s.school_code, '') || coalesce(s.post, '')"                          \
    " || CASE WHEN ?2 THEN coalesce(' ' || s.person_name || ' ' || unseal(r.reason), '')"          \
    "  ELSE '' END FROM slot s LEFT JOIN decline_reason r ON r.assignment_id = s.assignment_id"    \
    "  AND s.state = 'declined'"                                                                   \
    " WHERE s.end_at > ?1 AND s.start_at <= ?1 AND s.start_at > ?1 - 86400000 AND s.published"     \
    " AND (s.state IN ('planned', 'asked', 'confirmed', 'swapping', 'no_show')"                    \
    "  OR (s.state = 'declined' AND NOT EXISTS (SELECT 1 FROM assignment a"                        \
    "   WHERE a.stands_in_for = s.assignment_id AND a.state NOT IN ('declined', 'cancelled'))))"   \
    " ORDER BY 1"

void gap_list(struct duty *duty, const struct incoming *in)
{
    if (!in->known || in->role < SENDER_OFFICER) {
        desk_not_understood(duty, in);
        return;
    }
    struct query *q = replica_query(duty->replica, GAPS);
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, in->role >= SENDER_LEADER);
    char list[DUTY_LIST_SIZE] = "";
    size_t used = 0;
    while (used + DUTY_NAME_SIZE < sizeof list && query_row(q))
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.90s", used > 0 ? "；" : "",
                                 query_get_text(q, 0));
    query_done(q);
    struct text_fields fields = {.list = list};
    fields.need = desk_posts_now(duty, &fields.count);
    answer(duty, in,
           used > 0                     ? TEXT_E10_GAPS
           : fields.need == 0           ? TEXT_O4_NO_DUTY
           : fields.count < fields.need ? TEXT_E11_NOT_YET
                                        : TEXT_E11_NO_GAPS,
           &fields);
}
