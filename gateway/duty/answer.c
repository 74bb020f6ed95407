/* 1, 2, 3 and their words. An answer belongs to a prompt: the one whose code came with it, else the
 * only one that still waits for an answer. Two that wait and no code: the codes are listed, nothing
 * is changed. A notice ("不便请回2") can be answered too but waits for nothing, so it only counts
 * when nothing waits, or when it is the last thing that was said.
 *
 * A digit never checks anybody in: 1 after the start is answered with how to check in. A decline
 * releases the person at any time before the check-in; the gap is the station's. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/privacy.h"
#include "gateway/base/text.h"

enum found { FOUND_NONE, FOUND_ONE, FOUND_MANY, FOUND_BAD_CODE };

static enum found by_code(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    bool found = replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                                  "SELECT ref_id FROM prompt WHERE phone = ?1 AND kind = 'duty'"
                                  " AND code = ?2 AND expires_at > ?3",
                                  "ssi", in->text->phone, in->command.code, duty->now_ms);
    return found ? FOUND_ONE : FOUND_BAD_CODE;
}

/* The prompt that the last message to this phone was about, while it can still be answered. */
static bool by_last(struct duty *duty, const char *phone, char ret[DUTY_ID_SIZE])
{
    return replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                            "SELECT p.ref_id FROM phone_last l JOIN prompt p ON p.id = l.prompt_id"
                            " WHERE l.phone = ?1 AND p.kind = 'duty' AND p.expires_at > ?2",
                            "si", phone, duty->now_ms);
}

static int waiting(struct duty *duty, const char *phone, char ret[DUTY_ID_SIZE])
{
    replica_get_text(
        duty->replica, ret, DUTY_ID_SIZE,
        "SELECT ref_id FROM prompt WHERE phone = ?1 AND kind = 'duty' AND asks = 1"
        " AND answered_at IS NULL AND expires_at > ?2 ORDER BY opened_at DESC, id DESC",
        "si", phone, duty->now_ms);
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM prompt WHERE phone = ?1 AND kind = 'duty'"
                                " AND asks = 1 AND answered_at IS NULL AND expires_at > ?2",
                                "si", phone, duty->now_ms);
}

/* Without any prompt: the only duty ahead (or running) of this phone within a day and a half. */
static int by_roster(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    if (!in->known)
        return 0;
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE phone = ?1 AND active AND end_at > ?2"
                       " AND start_at < ?3 AND published"
                       " AND state IN ('planned', 'asked', 'confirmed', 'swapping') LIMIT 2");
    query_text(q, 1, in->text->phone);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, duty->now_ms + DUTY_LAST_MS);
    struct ids ids;
    ids_collect(q, &ids);
    if (ids.count > 0)
        text_copy(ret, DUTY_ID_SIZE, ids.at[0]);
    int count = ids.count;
    ids_free(&ids);
    return count;
}

static enum found find(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    if (in->command.code[0] != '\0')
        return by_code(duty, in, ret);
    char last[DUTY_ID_SIZE] = "", asked[DUTY_ID_SIZE] = "";
    bool has_last = by_last(duty, in->text->phone, last);
    int count = waiting(duty, in->text->phone, asked);
    if (count > 1)
        return FOUND_MANY;
    if (count == 1) {
        /* "不便请回2" about another duty came after the question: which one is meant? */
        if (has_last && !text_equal(last, asked) && in->command.kind != COMMAND_CONFIRM)
            return FOUND_MANY;
        text_copy(ret, DUTY_ID_SIZE, asked);
        return FOUND_ONE;
    }
    if (has_last) {
        text_copy(ret, DUTY_ID_SIZE, last);
        return FOUND_ONE;
    }
    int ahead = by_roster(duty, in, ret);
    return ahead > 1 ? FOUND_MANY : ahead == 1 ? FOUND_ONE : FOUND_NONE;
}

int answer_open(struct duty *duty, const struct incoming *in)
{
    char id[DUTY_ID_SIZE];
    int count = waiting(duty, in->text->phone, id);
    if (count > 0)
        return count;
    return by_last(duty, in->text->phone, id) ? 1 : by_roster(duty, in, id);
}

/* A duty of the roster that was never asked about gets a code when it has to be told apart. */
static void code_for(struct duty *duty, const struct incoming *in, const struct slot *slot,
                     char ret[COMMAND_CODE_SIZE])
{
    if (replica_get_text(duty->replica, ret, COMMAND_CODE_SIZE,
                         "SELECT code FROM prompt WHERE phone = ?1 AND kind = 'duty'"
                         " AND ref_id = ?2",
                         "ss", in->text->phone, slot->id))
        return;
    code_new(duty, ret);
    prompt_open(duty, in->text->phone, "duty", slot->id, ret, false, slot->end_at);
}

void answer_list_codes(struct duty *duty, const struct incoming *in)
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE phone = ?1 AND end_at > ?2"
                       " AND start_at < ?3 AND published"
                       " AND state IN ('planned', 'asked', 'confirmed', 'swapping')"
                       " ORDER BY start_at LIMIT 8");
    query_text(q, 1, in->text->phone);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, duty->now_ms + INT64_C(7) * CALTIME_DAY_MS);
    struct ids ids;
    ids_collect(q, &ids);
    char list[DUTY_LIST_SIZE] = "", first[COMMAND_CODE_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < ids.count && used < sizeof list - 64; i++) {
        struct slot slot;
        char code[COMMAND_CODE_SIZE], day[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        if (!slot_load(duty, ids.at[i], &slot))
            continue;
        code_for(duty, in, &slot, code);
        if (first[0] == '\0')
            text_copy(first, sizeof first, code);
        text_weekday(in->lang, slot.start_at, day);
        caltime_format_clock(slot.start_at, start);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %s%s", i > 0 ? "；" : "",
                                 code, day, start);
    }
    struct text_fields fields = {.list = list, .code = first, .count = ids.count};
    answer(duty, in, ids.count > 0 ? TEXT_L1_PROMPTS : TEXT_A18_DECLINE_NONE, &fields);
    ids_free(&ids);
}

/* Finds the duty that is answered, or says why there is none; true when `ret` is set. */
static bool resolve(struct duty *duty, const struct incoming *in, struct slot *ret)
{
    char id[DUTY_ID_SIZE] = "";
    struct text_fields fields = {.code = in->command.code};
    switch (find(duty, in, id)) {
    case FOUND_MANY:
        answer_list_codes(duty, in);
        return false;
    case FOUND_BAD_CODE:
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
        return false;
    case FOUND_NONE:
        if (in->known)
            answer(duty, in, TEXT_A18_DECLINE_NONE, &fields);
        else
            desk_not_understood(duty, in);
        return false;
    case FOUND_ONE:
        break;
    }
    /* A prompt of a duty that has since been given to somebody else answers nothing. By phone, not
     * by person: two of one family may share it. */
    if (slot_load(duty, id, ret) && in->known && ret->active &&
        text_equal(ret->phone, in->text->phone) && ret->end_at > duty->now_ms)
        return true;
    answer(duty, in, TEXT_A18_DECLINE_NONE, &fields);
    return false;
}

static void mark_answered(struct duty *duty, const struct incoming *in, const char *ref_id,
                          const char *what)
{
    replica_run(duty->replica,
                "UPDATE prompt SET answer = ?3, answered_at = ?4"
                " WHERE phone = ?1 AND kind = 'duty' AND ref_id = ?2",
                "sssi", in->text->phone, ref_id, what, duty->now_ms);
}

static void set_state(struct duty *duty, const char *id, const char *state)
{
    replica_run(duty->replica, "UPDATE assignment SET state = ?2, answered_at = ?3 WHERE id = ?1",
                "ssi", id, state, duty->now_ms);
}

static void answer_slot(struct duty *duty, const struct incoming *in, const struct slot *slot,
                        enum text_id text)
{
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, in->lang, slot, &words);
    answer(duty, in, text, &fields);
}

void answer_confirm(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    if (!resolve(duty, in, &slot))
        return;
    if (!slot_is_ahead(&slot)) {
        answer_slot(duty, in, &slot, TEXT_A18_DECLINE_NONE);
        return;
    }
    mark_answered(duty, in, slot.id, "1");
    if (text_equal(slot.state, "swapping"))
        offer_close(duty, slot.id, "kept"); /* 1 after 3: comes after all */
    set_state(duty, slot.id, "confirmed");
    answer_slot(duty, in, &slot,
                duty->now_ms >= slot.start_at ? TEXT_R4_MISSING : TEXT_A1_CONFIRMED);
}

void answer_release(struct duty *duty, const struct slot *slot, bool seek)
{
    char code[COMMAND_CODE_SIZE];
    set_state(duty, slot->id, "declined");
    say_cancel(duty, "remind", slot->id, "declined");
    notice_drop(duty, slot->id);
    if (text_equal(slot->state, "swapping"))
        offer_close(duty, slot->id, "declined");
    gap_declined(duty, slot);
    if (seek)
        offer_open(duty, slot, "decline", gap_code(duty, slot->id, code) ? code : NULL, NULL);
}

/* "2 发烧了": kept sealed for the leader (缺, touyan desk declines). */
static void keep_reason(struct duty *duty, const struct incoming *in, const char *assignment_id)
{
    char reason[COMMAND_ARG_SIZE];
    if (in->command.arg[0] == '\0')
        return;
    privacy_hide(in->command.arg, reason, sizeof reason);
    replica_run(duty->replica,
                "INSERT INTO decline_reason(assignment_id, reason, at) VALUES (?1, seal(?2), ?3)"
                " ON CONFLICT(assignment_id) DO UPDATE SET reason = excluded.reason,"
                " at = excluded.at",
                "ssi", assignment_id, reason, duty->now_ms);
}

void answer_decline(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    if (!resolve(duty, in, &slot))
        return;
    if (text_equal(slot.state, "declined")) {
        keep_reason(duty, in, slot.id);
        answer_slot(duty, in, &slot, TEXT_A2_DECLINED);
        return;
    }
    if (!slot_is_ahead(&slot)) { /* on post, or over: a person has to look at it */
        desk_not_understood(duty, in);
        return;
    }
    mark_answered(duty, in, slot.id, "2");
    keep_reason(duty, in, slot.id);
    answer_slot(duty, in, &slot, TEXT_A2_DECLINED);
    answer_release(duty, &slot, true);
}

void answer_swap(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    if (!resolve(duty, in, &slot))
        return;
    if (!slot_is_ahead(&slot) || slot.start_at <= duty->now_ms) {
        answer_slot(duty, in, &slot, TEXT_A18_DECLINE_NONE);
        return;
    }
    mark_answered(duty, in, slot.id, "3");
    set_state(duty, slot.id, "swapping");
    char code[COMMAND_CODE_SIZE];
    int asked = offer_open(duty, &slot, "swap", NULL, code);
    struct text_fields fields = {.code = code, .count = asked};
    answer(duty, in, TEXT_A3_SWAP, &fields);
}
