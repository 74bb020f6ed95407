/* What a person at the station does with messages by hand: sends one again, cancels one, answers a
 * text that was not understood, holds everything but alarms, lets a notice to parents go. */
#include "gateway/parts.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"

static int tell(int code, struct err *err)
{
    switch (code) {
    case ERR_OK:
        return ERR_OK;
    case ERR_NOT_FOUND:
        return err_set(err, code, "there is no such message");
    case ERR_STATE:
        return err_set(err, code, "it is not in a state for that: see touyan sms show");
    default:
        return err_set(err, code, "it could not be written down");
    }
}

int hand_retry(void *ctx, const char *id, struct err *err)
{
    struct gateway *gateway = ctx;
    return tell(outbox_retry(sms_outbox(gateway->sms), id), err);
}

int hand_cancel(void *ctx, const char *id, struct err *err)
{
    struct gateway *gateway = ctx;
    return tell(outbox_cancel_one(sms_outbox(gateway->sms), id, "by hand"), err);
}

void hand_pause(void *ctx, bool paused)
{
    struct gateway *gateway = ctx;
    outbox_set_paused(sms_outbox(gateway->sms), paused);
}

int hand_push(void *ctx, const char *id, struct err *err)
{
    struct gateway *gateway = ctx;
    if (!duty_push(&gateway->duty, id))
        return err_set(err, ERR_NOT_FOUND, "the desk has no such notice to parents");
    desk_look(gateway);
    return ERR_OK;
}

void hand_expect(void *ctx, const char *id, struct json *json)
{
    struct gateway *gateway = ctx;
    struct outbox_expectation expectation;
    if (!outbox_expect(sms_outbox(gateway->sms), id, &expectation))
        return;
    json_set_text(json, "waits_for", expectation.reason);
    json_set_int(json, "expected", expectation.at_ms);
}

void hand_balance(void *ctx)
{
    struct gateway *gateway = ctx;
    for (size_t i = 0; i < sms_modem_count(gateway->sms); i++)
        sms_ask_balance(gateway->sms, i);
}

static bool parse_hours(const char *hours, int *ret_from, int *ret_to)
{
    char from[CALTIME_CLOCK_SIZE] = "";
    *ret_from = *ret_to = 0;
    if (text_equal(hours, "none"))
        return true;
    *ret_from = -1;
    if (text_equal(hours, "default"))
        return true;
    size_t size = strcspn(hours, "-");
    return size == CALTIME_CLOCK_SIZE - 1 && hours[size] == '-' &&
           text_copy_utf8(from, sizeof from, hours, size) && caltime_parse_clock(from, ret_from) &&
           caltime_parse_clock(hours + size + 1, ret_to) && *ret_from != *ret_to;
}

int hand_quiet(void *ctx, const char *number, const char *hours, struct err *err)
{
    struct gateway *gateway = ctx;
    char normal[LIMIT_PHONE_DIGITS + 4], phone[LIMIT_SEALED_PHONE_BYTES];
    int from, to;
    if (!parse_hours(hours, &from, &to))
        return err_set(err, ERR_INVALID, "hours are \"20:00-07:30\", \"none\" or \"default\"");
    if (!text_normalise_phone(number, gateway->config->station.country, normal, sizeof normal))
        return err_set(err, ERR_INVALID, "\"%.24s\" is no telephone number", number);
    if (!replica_get_text(gateway->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                          normal))
        return err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    outbox_set_quiet(sms_outbox(gateway->sms), phone, from, to);
    return ERR_OK;
}

struct letter {
    char phone[LIMIT_SEALED_PHONE_BYTES + 1];
    char body[LIMIT_SMS_TEXT_BYTES + 1];
};

static bool load_letter(struct gateway *gateway, const char *desk_id, struct letter *ret)
{
    struct query *query = replica_query(
        gateway->replica, "SELECT phone, coalesce(unseal(body), '') FROM desk_item WHERE id = ?1"
                          " AND kind = 'text' AND phone IS NOT NULL AND state = 'open'");
    query_text(query, 1, desk_id);
    bool found = query_row(query);
    if (found) {
        text_copy(ret->phone, sizeof ret->phone, query_get_text(query, 0));
        text_copy_utf8(ret->body, sizeof ret->body, query_get_text(query, 1),
                       strlen(query_get_text(query, 1)));
    }
    query_done(query);
    return found;
}

void hand_suggest(void *ctx, const char *desk_id, struct json *json)
{
    struct gateway *gateway = ctx;
    struct letter letter;
    char texts[DUTY_SUGGESTIONS][DUTY_SUGGESTION_BYTES];
    if (!load_letter(gateway, desk_id, &letter))
        return;
    struct json *list = json_new_array();
    int count = duty_suggest(&gateway->duty, letter.phone, letter.body, texts);
    for (int i = 0; i < count; i++)
        json_add_text(list, texts[i]);
    json_set(json, "suggest", list);
}

int hand_answer(void *ctx, const char *desk_id, const char *text, char ret_id[LIMIT_ID_BYTES + 1],
                struct err *err)
{
    struct gateway *gateway = ctx;
    struct letter letter;
    char idem[LIMIT_ID_BYTES + 16];
    if (!load_letter(gateway, desk_id, &letter))
        return err_set(err, ERR_NOT_FOUND, "the desk has no such text that can be answered");
    snprintf(idem, sizeof idem, "desk:%.36s", desk_id);
    struct outbox_message message = {.idem = idem,
                                     .phone = letter.phone,
                                     .text = text,
                                     .prio = DUTY_PRIO_DUTY,
                                     .ref_kind = "hand",
                                     .ref_id = desk_id,
                                     .any_hour = true,
                                     .may_repeat = true};
    int code = outbox_put(sms_outbox(gateway->sms), &message, ret_id);
    if (code != ERR_OK)
        return err_set(err, code, "the text must be 1 to %d characters of valid UTF-8",
                       LIMIT_SMS_UNITS);
    console_desk_done(gateway->replica, desk_id);
    return ERR_OK;
}
