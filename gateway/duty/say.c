/* How something is said: a template and its fields become one message at the port, the phone's last
 * message is remembered (a bare 收到 is an answer only to a question) and the question, if it is
 * one, is open. A phone that is missing or a text that cannot be rendered is logged and left out;
 * what caused it goes on. */
#include "gateway/duty/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/air.h"

enum {
    PHONE_TAIL = 12,
    COUNT_MS = 21 * CALTIME_DAY_MS, /* duties are told 14 days ahead at most */
};

enum text_lang say_lang(const struct duty *duty, const char *lang)
{
    return text_lang_of(lang != NULL && lang[0] != '\0' ? lang : duty->options.lang);
}

static enum last_sent sort_of(enum text_id text, bool has_prompt)
{
    switch (text) {
    case TEXT_A4_OFFER:
    case TEXT_L2_OFFERS:
        return LAST_OFFER;
    case TEXT_P5_OPT_IN:
    case TEXT_C1_CONSENT:
    case TEXT_N5_TERM:
    case TEXT_C2_WELCOME: /* a digit that is said again is about the same */
    case TEXT_E4_EVENING: /* only a digit moves many people */
    case TEXT_E4_FILLING:
    case TEXT_E4_OWN:
        return LAST_CONSENT;
    case TEXT_T1_INVITE:
        return LAST_ACTIVITY;
    case TEXT_D1_DRILL:
    case TEXT_O2_PANIC:
    case TEXT_O2_PANIC_AGAIN:
    case TEXT_O2_BUTTON:
    case TEXT_O2_BUTTON_AGAIN:
    case TEXT_O2_BUNDLE:
    case TEXT_O3_TO_LEADER:
    case TEXT_E1_LEADER:
    case TEXT_E2_SENIOR:
    case TEXT_E3_STORM:
    case TEXT_E6_NOT_FOUND:
    case TEXT_E6_BUNDLE:
        return LAST_ALARM;
    default:
        return has_prompt && text_is_question(text) ? LAST_QUESTION : LAST_NOTHING;
    }
}

static void remember(struct duty *duty, const struct say *what)
{
    replica_run(duty->replica,
                "INSERT INTO phone_last(phone, text_id, sort, prompt_id, at)"
                " VALUES (?1, ?2, ?3, nullif(?4, 0), ?5)"
                " ON CONFLICT(phone) DO UPDATE SET text_id = excluded.text_id,"
                " sort = excluded.sort, prompt_id = excluded.prompt_id, at = excluded.at",
                "ssiii", what->phone, text_name(what->text),
                (int64_t)sort_of(what->text, what->prompt != 0), what->prompt, duty->now_ms);
}

/* Who wants no more texts gets answers, alarms, changes of the own duty, and what was subscribed to
 * afterwards. */
static bool is_wanted(struct duty *duty, const struct say *what)
{
    if (what->prio == DUTY_PRIO_PANIC || what->text == TEXT_N2_CHANGED ||
        what->text == TEXT_N3_CANCELLED || what->text == TEXT_P3_CHANGED ||
        text_equal(what->ref_kind, "answer"))
        return true;
    return !person_stopped(duty, what->phone);
}

/* Texts that say something of somebody's own duty; what he asks is answered besides. */
static bool is_of_duty(const struct say *what)
{
    return text_equal(what->ref_kind, "notice") || text_equal(what->ref_kind, "remind") ||
           what->text == TEXT_R4_MISSING || what->text == TEXT_R5_LEFT;
}

/* The end of a sealed number tells people apart who had this duty one after another. */
static const char *tail_of(const char *phone)
{
    size_t size = strlen(phone);
    return phone + (size > PHONE_TAIL ? size - PHONE_TAIL : 0);
}

static void count_text(struct duty *duty, const struct say *what, const char *key)
{
    if (is_of_duty(what))
        step_once(duty, duty->now_ms + (int64_t)COUNT_MS, "TX:%s:%s:%s", what->ref_id,
                  tail_of(what->phone), key);
}

bool say_is_enough(struct duty *duty, const struct slot *slot)
{
    char from[DUTY_KEY_SIZE], to[DUTY_KEY_SIZE];
    snprintf(from, sizeof from, "TX:%s:%s:", slot->id, tail_of(slot->phone));
    snprintf(to, sizeof to, "TX:%s:%s;", slot->id, tail_of(slot->phone));
    return !person_is_officer(slot->person_kind) &&
           replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM duty_step WHERE key > ?1 AND key < ?2", "ss", from,
                           to) >= DUTY_TEXTS;
}

void say(struct duty *duty, const struct say *what, struct text_fields *fields, const char *idem,
         ...)
{
    if (what->phone == NULL || what->phone[0] == '\0') {
        log_warn("duty.say", "text=%s ref=%s reason=no_phone", text_name(what->text), what->ref_id);
        return;
    }
    if (!is_wanted(duty, what))
        return;
    char key[DUTY_KEY_SIZE], text[TEXT_SIZE], air[TEXT_SIZE];
    va_list args;
    va_start(args, idem);
    vsnprintf(key, sizeof key, idem, args);
    va_end(args);
    fields->signature = duty->options.signature;
    if (text_render(what->text, say_lang(duty, what->lang), fields, text, sizeof text) != ERR_OK)
        log_error("duty.say", "text=%s is longer than one segment: cut", text_name(what->text));
    bool on_air = what->prio == DUTY_PRIO_PANIC || text_equal(what->ref_kind, "answer");
    bool has_air = on_air && what->air == NULL &&
                   air_render(what->text, say_lang(duty, what->lang), fields, air, sizeof air);
    struct duty_message message = {
        .idem = key,
        .phone = what->phone,
        .text = text,
        .prio = what->prio,
        .not_before_ms = what->not_before,
        .not_after_ms = what->not_after,
        .ref_kind = what->ref_kind,
        .ref_id = what->ref_id,
        .text_id = text_name(what->text),
        .air = what->air != NULL ? what->air
               : has_air         ? air
                                 : NULL,
        .air_only = what->air_only,
    };
    duty->ports.send(duty->ports.ctx, &message);
    if (what->air_only)
        return;
    remember(duty, what);
    count_text(duty, what, key);
}

int say_cancel(struct duty *duty, const char *ref_kind, const char *ref_id, const char *reason)
{
    return duty->ports.cancel(duty->ports.ctx, ref_kind, ref_id, NULL, reason);
}

void say_cancel_to(struct duty *duty, const char *ref_kind, const char *ref_id, const char *phone,
                   const char *reason)
{
    duty->ports.cancel(duty->ports.ctx, ref_kind, ref_id, phone, reason);
}

struct text_fields slot_fields(const struct duty *duty, enum text_lang lang,
                               const struct slot *slot, struct slot_words *ret_words)
{
    (void)duty;
    text_date(lang, slot->start_at, ret_words->date);
    caltime_format_clock(slot->start_at, ret_words->start);
    caltime_format_clock(slot->end_at, ret_words->end);
    struct text_fields fields = {
        .person = slot->person,
        .school = slot->school,
        .post = slot->post,
        .date = ret_words->date,
        .start = ret_words->start,
        .end = ret_words->end,
    };
    return fields;
}

int64_t prompt_open(struct duty *duty, const char *phone, const char *kind, const char *ref_id,
                    const char *code, bool asks, int64_t expires_at)
{
    char own[COMMAND_CODE_SIZE];
    if (code == NULL) {
        if (!replica_get_text(duty->replica, own, sizeof own,
                              "SELECT code FROM prompt WHERE phone = ?1 AND kind = ?2"
                              " AND ref_id = ?3",
                              "sss", phone, kind, ref_id))
            code_new(duty, own);
        code = own;
    }
    replica_run(duty->replica,
                "INSERT INTO prompt(phone, kind, ref_id, code, asks, opened_at, expires_at)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                " ON CONFLICT(phone, kind, ref_id) DO UPDATE SET"
                " asks = max(asks, excluded.asks),"
                " answer = CASE WHEN excluded.asks THEN NULL ELSE answer END,"
                " answered_at = CASE WHEN excluded.asks THEN NULL ELSE answered_at END,"
                " opened_at = excluded.opened_at, expires_at = excluded.expires_at",
                "ssssiii", phone, kind, ref_id, code, (int64_t)asks, duty->now_ms, expires_at);
    return replica_get_int(duty->replica, 0,
                           "SELECT id FROM prompt WHERE phone = ?1 AND kind = ?2 AND ref_id = ?3",
                           "sss", phone, kind, ref_id);
}

void prompt_close(struct duty *duty, const char *kind, const char *ref_id)
{
    replica_run(duty->replica, "DELETE FROM prompt WHERE kind = ?1 AND ref_id = ?2", "ss", kind,
                ref_id);
}

bool question_answered(struct duty *duty, const struct incoming *in, const char *kind,
                       struct question *ret)
{
    if (!in->command.is_digit)
        return false;
    struct query *q = replica_query(
        duty->replica, "SELECT p.id, p.ref_id, coalesce(p.answer, '') FROM prompt p"
                       " LEFT JOIN phone_last l ON l.phone = p.phone AND l.prompt_id = p.id"
                       " WHERE p.phone = ?1 AND p.kind = ?2 AND p.expires_at > ?3"
                       " AND CASE ?4 WHEN '' THEN l.phone IS NOT NULL ELSE p.code = ?4 END");
    query_text(q, 1, in->text->phone);
    query_text(q, 2, kind);
    query_int(q, 3, duty->now_ms);
    query_text(q, 4, in->command.code);
    bool found = query_row(q);
    if (found) {
        ret->id = query_get_int(q, 0);
        text_copy(ret->ref_id, sizeof ret->ref_id, query_get_text(q, 1));
        text_copy(ret->answer, sizeof ret->answer, query_get_text(q, 2));
    }
    query_done(q);
    return found;
}

void question_mark(struct duty *duty, const struct question *question, const char *what)
{
    replica_run(duty->replica, "UPDATE prompt SET answer = ?2, answered_at = ?3 WHERE id = ?1",
                "isi", question->id, what, duty->now_ms);
}

/* What parents ask by the hundred does not stand before the word that a post is empty. At night
 * nothing else goes out, and only this priority wakes who has just written. */
static int prio_of_answer(const struct duty *duty, const struct incoming *in, int prio)
{
    bool stranger = in->role == SENDER_UNKNOWN || in->role == SENDER_PARENT;
    return stranger && prio == DUTY_PRIO_DUTY && !times_quiet(&duty->options.policy, duty->now_ms)
               ? DUTY_PRIO_REMINDER
               : prio;
}

static void answer_as(struct duty *duty, const struct incoming *in, enum text_id text, int prio,
                      struct text_fields *fields, int64_t prompt)
{
    if (!in->text->can_answer)
        return;
    struct say what = {
        .text = text,
        .phone = in->text->phone,
        .lang = in->known ? in->person.lang : "",
        .prio = prio_of_answer(duty, in, prio),
        .not_after = duty->now_ms + DUTY_ANSWER_MS,
        .ref_kind = "answer",
        .ref_id = in->text->id,
        .prompt = prompt,
    };
    say(duty, &what, fields, "%s:%s", text_name(text), in->text->id);
}

void answer(struct duty *duty, const struct incoming *in, enum text_id text,
            struct text_fields *fields)
{
    answer_as(duty, in, text, DUTY_PRIO_DUTY, fields, 0);
}

void answer_sparingly(struct duty *duty, const struct incoming *in, enum text_id text,
                      struct text_fields *fields)
{
    if (in->text->can_answer && (in->known || desk_may_help(duty, in->text->phone, text)))
        answer(duty, in, text, fields);
}

void answer_urgent(struct duty *duty, const struct incoming *in, enum text_id text,
                   struct text_fields *fields)
{
    answer_as(duty, in, text, DUTY_PRIO_PANIC, fields, 0);
}

void answer_asking(struct duty *duty, const struct incoming *in, enum text_id text,
                   struct text_fields *fields, int64_t prompt)
{
    answer_as(duty, in, text, DUTY_PRIO_DUTY, fields, prompt);
}
