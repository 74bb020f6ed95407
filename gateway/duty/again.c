/* What came in and could not be handled: a statement failed, its writes were taken back, the rest
 * of the turn stands. It goes to the desk at once, so that a person sees it, and is tried again
 * after a second, five, half a minute, five minutes and a quarter of an hour. When that helps, the
 * desk's item is done; when it never does, the item stays and the row waits for a person (next_at
 * NULL). */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

static const int64_t waits_ms[] = {1000, 5000, 30000, 300000, 900000};
enum { TRIES_MAX = sizeof waits_ms / sizeof waits_ms[0] };

struct again {
    char id[DUTY_KEY_SIZE];
    char phone[DUTY_PHONE_SIZE];
    char number[LIMIT_NAME_BYTES];
    char body[LIMIT_SMS_TEXT_BYTES + 1]; /* more is never looked at */
    char device_id[DUTY_ID_SIZE];
    char event_kind[32];
    char subject[LIMIT_NAME_BYTES];
    bool is_text, can_answer, fresh;
    int64_t sent_at, heard_at;
    int tries;
};

void again_text(struct duty *duty, const struct duty_text_in *text)
{
    log_error("duty.again", "text=%s problem=%s", text->id, replica_problem(duty->replica));
    replica_run(
        duty->replica,
        "INSERT OR IGNORE INTO duty_again(id, kind, phone, body, can_answer, fresh, sent_at,"
        " heard_at, next_at) VALUES (?1, 'text', ?2, seal(?3), ?4, 1, ?5, ?6, ?7)",
        "sssiiii", text->id, text->phone, text->body, (int64_t)text->can_answer, text->sent_at_ms,
        text->heard_at_ms, duty->now_ms + waits_ms[0]);
    desk_put(duty, "text", text->phone, NULL, text->id, text->body);
}

void again_event(struct duty *duty, const struct duty_event *event)
{
    char body[DUTY_LIST_SIZE];
    bool alarm = text_equal(event->kind, "sos");
    log_error("duty.again", "event=%s problem=%s", event->id, replica_problem(duty->replica));
    replica_run(duty->replica,
                "INSERT OR IGNORE INTO duty_again(id, kind, can_answer, device_id, event_kind,"
                " subject, fresh, sent_at, heard_at, next_at)"
                " VALUES (?1, 'event', 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                "ssssiiii", event->id, event->device_id, event->kind, event->subject,
                (int64_t)event->fresh, event->device_at_ms, event->heard_at_ms,
                duty->now_ms + waits_ms[0]);
    snprintf(body, sizeof body, "%s %s", event->device_id, event->kind);
    desk_put(duty, alarm ? "alarm" : "event", NULL, NULL, event->id, body);
}

static void get(struct query *q, int column, char *ret, size_t size)
{
    const char *text = query_get_text(q, column);
    text_copy(ret, size, text == NULL ? "" : text);
}

static bool again_load(struct duty *duty, const char *id, struct again *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT id, phone, unseal(phone), unseal(body), device_id, event_kind,"
                       " subject, kind = 'text', can_answer, fresh, sent_at, heard_at, tries"
                       " FROM duty_again WHERE id = ?1");
    query_text(q, 1, id);
    bool found = query_row(q);
    if (found) {
        get(q, 0, ret->id, sizeof ret->id);
        get(q, 1, ret->phone, sizeof ret->phone);
        get(q, 2, ret->number, sizeof ret->number);
        get(q, 3, ret->body, sizeof ret->body);
        get(q, 4, ret->device_id, sizeof ret->device_id);
        get(q, 5, ret->event_kind, sizeof ret->event_kind);
        get(q, 6, ret->subject, sizeof ret->subject);
        ret->is_text = query_get_int(q, 7) != 0;
        ret->can_answer = query_get_int(q, 8) != 0;
        ret->fresh = query_get_int(q, 9) != 0;
        ret->sent_at = query_get_int(q, 10);
        ret->heard_at = query_get_int(q, 11);
        ret->tries = (int)query_get_int(q, 12);
    }
    query_done(q);
    return found;
}

static bool take(struct duty *duty, const struct again *again)
{
    if (again->is_text) {
        struct duty_text_in text = {again->id,      again->phone,    again->number,     again->body,
                                    again->sent_at, again->heard_at, again->can_answer, NULL};
        return duty_take_text(duty, &text);
    }
    struct duty_event event = {
        .id = again->id,
        .device_id = again->device_id,
        .kind = again->event_kind,
        .subject = again->subject[0] != '\0' ? again->subject : NULL,
        .device_at_ms = again->sent_at,
        .heard_at_ms = again->heard_at,
        .fresh = again->fresh,
    };
    return duty_take_event(duty, &event);
}

static int64_t try_again(struct duty *duty, const char *id)
{
    struct again again;
    if (!again_load(duty, id, &again))
        return DUTY_NEVER;
    if (take(duty, &again)) {
        log_info("duty.again", "id=%s handled after %d tries", again.id, again.tries + 2);
        replica_run(duty->replica, "DELETE FROM duty_again WHERE id = ?1", "s", again.id);
        replica_run(duty->replica,
                    "UPDATE desk_item SET state = 'done' WHERE id = (SELECT min(id) FROM desk_item"
                    " WHERE ref_id = ?1 AND state = 'open')",
                    "s", again.id);
        return DUTY_NEVER;
    }
    int tries = again.tries + 1;
    int64_t next = tries < TRIES_MAX ? duty->now_ms + waits_ms[tries] : 0;
    log_error("duty.again", "id=%s tries=%d problem=%s", again.id, tries + 1,
              replica_problem(duty->replica));
    replica_run(duty->replica,
                "UPDATE duty_again SET tries = ?2, next_at = nullif(?3, 0) WHERE id = ?1", "sii",
                again.id, (int64_t)tries, next);
    return next > 0 ? next : DUTY_NEVER;
}

int64_t again_tick(struct duty *duty)
{
    struct query *q = replica_query(duty->replica, "SELECT id FROM duty_again WHERE next_at <= ?1"
                                                   " ORDER BY next_at, id LIMIT ?2");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, DUTY_SLICE);
    rows_each(duty, q, try_again);
    return replica_get_int(duty->replica, DUTY_NEVER,
                           "SELECT min(next_at) FROM duty_again WHERE next_at IS NOT NULL", "");
}
