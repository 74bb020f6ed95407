/* The entry points: a text is recognised with what was said before to its phone and handed to the
 * file that knows the command; an event goes to the check-ins or the alarms; a tick asks each part
 * what is due. The writes of each are the caller's transaction; within a tick each row is handled
 * in a savepoint of its own, so that one bad row never stops the rest. So is each text and event:
 * one that cannot be handled goes to the desk and is tried again (again.c). */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/retention.h"

void duty_init(struct duty *duty, struct replica *replica, struct rnd *rnd,
               const struct duty_options *options, const struct duty_ports *ports)
{
    *duty = (struct duty){
        .replica = replica,
        .rnd = rnd,
        .options = *options,
        .ports = *ports,
    };
}

static void forget(struct duty *duty)
{
    memset(duty->part_due_ms, 0, sizeof duty->part_due_ms);
}

void duty_set_policy(struct duty *duty, const struct duty_policy *policy)
{
    duty->options.policy = *policy;
    forget(duty);
}

bool duty_stands_back(struct duty *duty)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM org WHERE id = ?1 AND kind = 'bureau'", "s",
                           duty->options.station_id) > 0;
}

/* --- texts --- */

static bool is_school(void *ctx, const char *text)
{
    char id[DUTY_ID_SIZE];
    return school_named(ctx, text, id);
}

static enum last_sent last_sent(struct duty *duty, const char *phone)
{
    return (enum last_sent)replica_get_int(
        duty->replica, LAST_NOTHING, "SELECT sort FROM phone_last WHERE phone = ?1 AND at > ?2",
        "si", phone, duty->now_ms - (int64_t)DUTY_LAST_MS);
}

static struct recognise_context context_of(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    struct recognise_context context = {
        .role = in->role,
        .last_sent = last_sent(duty, in->text->phone),
        .open_prompts = answer_open(duty, in),
        .open_offers = offer_open_count(duty, in->text->phone),
        .checked_in = in->known && checkin_on_post(duty, in->person.id, &slot),
        .invited = activity_is_open(duty, in->text->phone),
        .is_school = is_school,
        .ctx = duty,
    };
    return context;
}

/* Several things could be meant: those the last message spoke of come first. */
static void list_codes(struct duty *duty, const struct incoming *in)
{
    bool offer_last = last_sent(duty, in->text->phone) == LAST_OFFER;
    int offers = offer_open_count(duty, in->text->phone);
    if (panic_told(duty, in->text->phone))
        panic_list(duty, in);
    else if (offers > 0 && (offer_last || answer_open(duty, in) == 0))
        offer_list(duty, in);
    else if (answer_open(duty, in) > 0)
        answer_list_codes(duty, in);
    else
        desk_not_understood(duty, in);
}

/* Questions that are not about a duty and that a digit answers. */
static const struct {
    const char *kind;
    void (*take)(struct duty *duty, const struct incoming *in, const struct question *question,
                 bool yes);
} questions[] = {{"subscribe", consent_take}, {"enlist", enlist_take}, {"evening", evening_take}};

/* A digit with a reason ("2 发烧了") is rather about a duty, if there is one: which is asked back.
 */
static bool answers_question(struct duty *duty, const struct incoming *in, bool yes)
{
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        struct question question;
        if (!question_answered(duty, in, questions[i].kind, &question))
            continue;
        if (in->command.arg[0] != '\0' && in->command.code[0] == '\0' && answer_open(duty, in) > 0)
            answer_list_codes(duty, in);
        else
            questions[i].take(duty, in, &question, yes);
        return true;
    }
    return false;
}

static void confirm(struct duty *duty, const struct incoming *in)
{
    if (!answers_question(duty, in, true))
        answer_confirm(duty, in);
}

static void decline(struct duty *duty, const struct incoming *in)
{
    if (!answers_question(duty, in, false))
        answer_decline(duty, in);
}

/* Passed on without the name or the number of who wrote. */
static void feedback(struct duty *duty, const struct incoming *in)
{
    struct text_fields none = {0};
    desk_put(duty, "text", NULL, NULL, in->text->id, in->command.arg);
    answer(duty, in, TEXT_P10_FEEDBACK, &none);
}

/* Commands that are not here need a person. */
static void (*const handlers[COMMAND_COUNT])(struct duty *, const struct incoming *) = {
    [COMMAND_PERSON] = desk_not_understood,
    [COMMAND_LIST_CODES] = list_codes,
    [COMMAND_CONFIRM] = confirm,
    [COMMAND_DECLINE] = decline,
    [COMMAND_SWAP] = answer_swap,
    [COMMAND_TAKE] = offer_take,
    [COMMAND_CHECK_IN] = checkin_text,
    [COMMAND_STAND_IN] = checkin_stand_in,
    [COMMAND_CHECK_OUT] = checkout_text,
    [COMMAND_CHECK_IN_ALL] = checkin_roll,
    [COMMAND_TASKS] = task_command,
    [COMMAND_HAZARD] = ledger_hazard,
    [COMMAND_MY_DUTIES] = desk_my_duties,
    [COMMAND_APPEAL] = verdict_appeal,
    [COMMAND_QUERY] = parents_query,
    [COMMAND_DISMISSAL] = parents_dismissal,
    [COMMAND_SUBSCRIBE] = consent_subscribe,
    [COMMAND_FEEDBACK] = feedback,
    [COMMAND_STOP] = consent_stop,
    [COMMAND_LEAVE] = consent_leave,
    [COMMAND_HELP] = desk_help,
    [COMMAND_PANIC] = panic_text,
    [COMMAND_CALL_LEADER] = panic_call,
    [COMMAND_CALL_110] = panic_stranger,
    [COMMAND_ALL_CLEAR] = panic_clear,
    [COMMAND_GO] = panic_go,
    [COMMAND_HANDLE] = gap_handle,
    [COMMAND_SEND_SOMEONE] = gap_send_someone,
    [COMMAND_GAPS] = gap_list,
    [COMMAND_LEDGER] = ledger_list,
    [COMMAND_CLOSE_ISSUE] = ledger_close,
    [COMMAND_REOPEN_ISSUE] = ledger_reopen,
    [COMMAND_WHO] = desk_who,
    [COMMAND_FLOW] = flow_command,
    [COMMAND_VISIT] = visit_begin,
    [COMMAND_VISIT_END] = visit_end,
    [COMMAND_ATTEND] = activity_sign_in,
    [COMMAND_PLANS] = plan_list,
    [COMMAND_START_PLAN] = plan_start,
    [COMMAND_STOP_PLAN] = plan_stop,
    [COMMAND_ENLIST] = coordinator_text,
};

static void dispatch(struct duty *duty, const struct incoming *in)
{
    enum command_kind kind = in->command.kind;
    if (kind == COMMAND_NONE || kind == COMMAND_READ)
        return; /* 收到: nothing to do and nothing to answer */
    if (kind >= 0 && kind < COMMAND_COUNT && handlers[kind] != NULL)
        handlers[kind](duty, in);
    else
        desk_not_understood(duty, in);
}

static enum sender_role stranger_role(struct duty *duty, const char *phone)
{
    return replica_get_int(duty->replica, 0, "SELECT count(*) FROM subscription WHERE phone = ?1",
                           "s", phone) > 0
               ? SENDER_PARENT
               : SENDER_UNKNOWN;
}

static void take_text(struct duty *duty, const struct duty_text_in *text)
{
    if (!step_once(duty, duty->now_ms + DUTY_KEEP_MS, "text:%s", text->id))
        return;
    struct incoming in = {.text = text};
    in.known = text->person_id != NULL ? person_load(duty, text->person_id, &in.person)
                                       : person_by_phone(duty, text->phone, &in.person);
    if (duty_stands_back(duty)) {
        desk_put(duty, "text", text->phone, in.known ? in.person.id : NULL, text->id, text->body);
        return;
    }
    /* a person whose number was entered as a box's by mistake is still heard */
    if (!in.known && neighbour_heard(duty, text->phone))
        return;
    drill_heard(duty, text->phone);
    in.role = in.known ? person_role(duty, &in.person) : stranger_role(duty, text->phone);
    in.lang = say_lang(duty, in.known ? in.person.lang : NULL);
    struct recognise_context context = context_of(duty, &in);
    recognise(text->body, &context, &in.command);
    char masked[8];
    text_mask_phone(text->number == NULL ? "" : text->number, masked);
    log_info("duty.text", "id=%s from=%s command=%s", text->id, masked,
             command_name(in.command.kind));
    dispatch(duty, &in);
}

bool duty_take_text(struct duty *duty, const struct duty_text_in *text)
{
    replica_enter(duty->replica);
    take_text(duty, text);
    return replica_leave(duty->replica, true);
}

void duty_on_text(struct duty *duty, const struct duty_text_in *text)
{
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!duty_take_text(duty, text))
        again_text(duty, text);
}

/* --- events --- */

static void take_event(struct duty *duty, const struct duty_event *event)
{
    if (!step_once(duty, duty->now_ms + DUTY_KEEP_MS, "event:%s", event->id))
        return;
    bool alarm = text_equal(event->kind, "sos") || text_equal(event->kind, "fire") ||
                 text_equal(event->kind, "intrusion");
    bool back = duty_stands_back(duty);
    if (alarm && back)
        desk_put(duty, "event", NULL, NULL, event->id,
                 say_lang(duty, NULL) == TEXT_EN ? "an alarm of a device" : "设备报警");
    else if (alarm)
        panic_event(duty, event);
    else if (text_equal(event->kind, "check_in") && !back)
        checkin_event(duty, event);
    else if (text_equal(event->kind, "leave_post") && !back)
        checkout_event(duty, event);
    else if (text_equal(event->kind, "tamper") && event->fresh)
        desk_put(duty, "event", NULL, NULL, event->id,
                 say_lang(duty, NULL) == TEXT_EN ? "a device is being opened" : "有人在拆设备");
}

bool duty_take_event(struct duty *duty, const struct duty_event *event)
{
    replica_enter(duty->replica);
    take_event(duty, event);
    return replica_leave(duty->replica, true);
}

void duty_on_event(struct duty *duty, const struct duty_event *event)
{
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!duty_take_event(duty, event))
        again_event(duty, event);
}

/* --- the tick --- */

static int64_t once_a_day(struct duty *duty)
{
    consent_forget(duty);
    retention_run(duty);
    return publish_horizon(duty);
}

/* A turn that was lost took back what the parts did: what was remembered of it is wrong. */
static void on_turn_end(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    if (!committed)
        forget(ctx);
}

static void run_parts(struct duty *duty)
{
    static int64_t (*const ticks[DUTY_PARTS])(struct duty *) = {
        [PART_CHECKIN] = checkin_tick,     [PART_GAP] = gap_tick,
        [PART_REMIND] = remind_tick,       [PART_HORIZON] = once_a_day,
        [PART_LEDGER] = ledger_tick,       [PART_VISIT] = visit_tick,
        [PART_EVENING] = evening_tick,     [PART_DRILL] = drill_tick,
        [PART_NEIGHBOUR] = neighbour_tick, [PART_ACTIVITY] = activity_tick,
        [PART_DIGEST] = digest_tick,       [PART_GEAR] = gear_tick,
        [PART_UNFILLED] = unfilled_tick,
    };
    bool ran = false;
    for (int i = 0; i < DUTY_PARTS; i++) {
        if (duty->part_due_ms[i] > duty->now_ms)
            continue;
        duty->part_due_ms[i] = DUTY_NEVER; /* before, because a part may touch another */
        duty->part_due_ms[i] = times_min(duty->part_due_ms[i], ticks[i](duty));
        ran = true;
    }
    if (ran)
        replica_after_commit(duty->replica, on_turn_end, duty, 0);
}

/* Who was told what is no matter here, so what changed is forgotten. */
static int64_t stand_back(struct duty *duty)
{
    if (duty->part_due_ms[PART_HORIZON] <= duty->now_ms)
        duty->part_due_ms[PART_HORIZON] = once_a_day(duty);
    replica_run(duty->replica, "DELETE FROM duty_touch", "");
    replica_after_commit(duty->replica, on_turn_end, duty, 0);
    return times_min(duty->now_ms + DUTY_TICK_MAX_MS, duty->part_due_ms[PART_HORIZON]);
}

int64_t duty_tick(struct duty *duty)
{
    bool changed;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (duty->now_ms < duty->ticked_ms)
        forget(duty); /* the clock went back */
    duty->ticked_ms = duty->now_ms;
    if (duty_stands_back(duty))
        return stand_back(duty);
    int64_t next = duty->now_ms + DUTY_TICK_MAX_MS;
    next = times_min(next, again_tick(duty));
    next = times_min(next, panic_tick(duty));
    next = times_min(next, calendar_tick(duty));
    next = times_min(next, publish_tick(duty, &changed));
    if (changed) {
        part_touch(duty, PART_GAP);
        part_touch(duty, PART_REMIND);
        part_touch(duty, PART_CHECKIN);
        part_touch(duty, PART_GEAR);
    }
    next = times_min(next, offer_tick(duty));
    next = times_min(next, dismissal_tick(duty));
    next = times_min(next, repair_tick(duty));
    flow_tick(duty);
    visit_plan_tick(duty);
    term_tick(duty);
    run_parts(duty);
    for (int i = 0; i < DUTY_PARTS; i++)
        next = times_min(next, duty->part_due_ms[i]);
    return next > duty->now_ms ? next : duty->now_ms + 1;
}
