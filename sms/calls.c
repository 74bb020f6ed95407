/* The queue of calls; see calls.h. A call is dialled in the turn that marks it: when that turn is
 * lost it is dialled once more, which harms nobody. */
#include "sms/calls.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { NUMBER_BYTES = LIMIT_PHONE_DIGITS + 2 };

struct calls {
    struct calls_options options;
    bool pump_pending;
};

struct next_call {
    int64_t seq;
    char number[NUMBER_BYTES];
    int ring_ms;
};

static const char *const outcome_names[CALL_OUTCOMES] = {
    [CALL_RANG] = "rang",     [CALL_ANSWERED] = "answered", [CALL_REFUSED] = "refused",
    [CALL_FAILED] = "failed", [CALL_STOPPED] = "stopped",
};

int calls_open(const struct calls_options *options, struct calls **ret, struct err *err)
{
    struct calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL)
        return err_set(err, ERR_NOMEM, "calls: out of memory");
    calls->options = *options;
    *ret = calls;
    return ERR_OK;
}

void calls_close(struct calls *calls)
{
    free(calls);
}

static int64_t now_of(const struct calls *calls)
{
    return clock_wall_ms(replica_clock(calls->options.replica));
}

void calls_recover(struct calls *calls)
{
    replica_run(calls->options.replica,
                "UPDATE sms_call SET state = 'stopped', ended_at = ?1 WHERE state = 'dialling'",
                "i", now_of(calls));
}

/* --- putting --- */

static void on_put(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    (void)committed;
    struct calls *calls = ctx;
    calls->pump_pending = false;
    calls->options.wake(calls->options.ctx); /* messages of the same turn go first */
}

int calls_put(struct calls *calls, const struct calls_order *order)
{
    struct replica *replica = calls->options.replica;
    if (order->phone == NULL || order->phone[0] == '\0' || order->idem == NULL)
        return ERR_INVALID;
    if (replica_run(replica,
                    "INSERT INTO sms_call(idem, phone, ref_kind, ref_id, ring_ms, created_at,"
                    " not_after_at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued')"
                    " ON CONFLICT(idem) DO NOTHING",
                    "ssssiii", order->idem, order->phone, order->ref_kind, order->ref_id,
                    (int64_t)order->ring_ms, now_of(calls), order->not_after_ms) < 0)
        return ERR_IO;
    if (!calls->pump_pending)
        replica_after_commit(replica, on_put, calls, 0);
    calls->pump_pending = true;
    return ERR_OK;
}

static void hang_up(struct calls *calls, int64_t seq, const char *modem)
{
    const struct calls_options *options = &calls->options;
    for (size_t i = 0; i < options->modem_count; i++)
        if (text_equal(options->name(options->ctx, i), modem))
            options->hangup(options->ctx, i, seq);
}

void calls_cancel(struct calls *calls, const char *ref_kind, const char *ref_id, const char *phone,
                  bool ringing)
{
    struct replica *replica = calls->options.replica;
    char modem[FRAME_NAME_BYTES];
    int64_t seq = 0;
    replica_run(replica,
                "UPDATE sms_call SET state = 'cancelled', ended_at = ?3 WHERE ref_kind = ?1"
                " AND ref_id = ?2 AND state = 'queued' AND (?4 IS NULL OR phone = ?4)",
                "ssis", ref_kind, ref_id, now_of(calls), phone);
    while (ringing && (seq = replica_get_int(replica, -1,
                                             "SELECT min(seq) FROM sms_call WHERE ref_kind = ?1"
                                             " AND ref_id = ?2 AND state = 'dialling' AND seq > ?3"
                                             " AND (?4 IS NULL OR phone = ?4)"
                                             " HAVING min(seq) IS NOT NULL",
                                             "ssis", ref_kind, ref_id, seq, phone)) > 0)
        if (replica_get_text(replica, modem, sizeof modem,
                             "SELECT coalesce(modem, '') FROM sms_call WHERE seq = ?1", "i", seq))
            hang_up(calls, seq, modem);
}

void calls_heard(struct calls *calls, const char *modem, const char *phone,
                 char ret_id[LIMIT_ID_BYTES + 1])
{
    replica_new_id(calls->options.replica, ret_id);
    replica_run(calls->options.replica,
                "INSERT INTO sms_call(idem, phone, ring_ms, created_at, not_after_at, state, modem)"
                " VALUES (?1, ?2, 0, ?3, ?3, 'heard', ?4)",
                "ssis", ret_id, phone, now_of(calls), modem);
}

void calls_forget_phone(struct calls *calls, const char *phone)
{
    replica_run(calls->options.replica,
                "DELETE FROM sms_call WHERE phone = ?1 AND state <> 'dialling'", "s", phone);
}

/* --- dialling --- */

static bool load_next(struct calls *calls, struct next_call *ret)
{
    struct query *query = replica_query(
        calls->options.replica, "SELECT seq, coalesce(unseal(phone), ''), ring_ms FROM sms_call"
                                " WHERE state = 'queued' ORDER BY seq LIMIT 1");
    bool found = query_row(query);
    if (found) {
        ret->seq = query_get_int(query, 0);
        text_copy(ret->number, sizeof ret->number, query_get_text(query, 1));
        ret->ring_ms = (int)query_get_int(query, 2);
    }
    query_done(query);
    return found;
}

static bool start(struct calls *calls, size_t modem, const struct next_call *next)
{
    const struct calls_options *options = &calls->options;
    char mask[8];
    bool ok = options->dial(options->ctx, modem, next->seq, next->number, next->ring_ms);
    text_mask_phone(next->number, mask);
    log_info("sms.call", "seq=%lld to=%s modem=%s dialled=%d", (long long)next->seq, mask,
             options->name(options->ctx, modem), ok);
    if (ok)
        replica_run(options->replica,
                    "UPDATE sms_call SET state = 'dialling', modem = ?2 WHERE seq = ?1", "is",
                    next->seq, options->name(options->ctx, modem));
    return ok;
}

static void expire(struct calls *calls)
{
    replica_run(calls->options.replica,
                "UPDATE sms_call SET state = 'expired', ended_at = ?1 WHERE state = 'queued'"
                " AND not_after_at < ?1",
                "i", now_of(calls));
}

static bool any_open(struct calls *calls, const char *state)
{
    return replica_get_int(calls->options.replica, 0,
                           "SELECT 1 FROM sms_call WHERE state IN ('queued', 'dialling')"
                           " AND state = ?1 LIMIT 1",
                           "s", state) != 0;
}

void calls_pump(struct calls *calls)
{
    const struct calls_options *options = &calls->options;
    struct next_call next;
    if (replica_failing(options->replica) != NULL || !any_open(calls, "queued"))
        return;
    replica_enter(options->replica);
    expire(calls);
    for (size_t i = 0; i < options->modem_count; i++)
        if (options->free(options->ctx, i) && (!load_next(calls, &next) || !start(calls, i, &next)))
            break;
    replica_leave(options->replica, true);
}

void calls_take_result(struct calls *calls, size_t modem, int64_t id, enum call_outcome outcome)
{
    struct replica *replica = calls->options.replica;
    char phone[LIMIT_SEALED_PHONE_BYTES + 1], kind[32], ref[LIMIT_NAME_BYTES + 1];
    (void)modem;
    replica_enter(replica);
    replica_run(replica, "UPDATE sms_call SET state = ?2, ended_at = ?3 WHERE seq = ?1", "isi", id,
                outcome_names[outcome], now_of(calls));
    struct query *query = replica_query(
        replica, "SELECT phone, coalesce(ref_kind, ''), coalesce(ref_id, '') FROM sms_call"
                 " WHERE seq = ?1");
    query_int(query, 1, id);
    bool found = query_row(query);
    if (found) {
        text_copy(phone, sizeof phone, query_get_text(query, 0));
        text_copy(kind, sizeof kind, query_get_text(query, 1));
        text_copy(ref, sizeof ref, query_get_text(query, 2));
    }
    query_done(query);
    log_info("sms.call", "seq=%lld outcome=%s", (long long)id, outcome_names[outcome]);
    if (found && calls->options.on_end != NULL)
        calls->options.on_end(calls->options.ctx, &(struct calls_end){phone, kind, ref, outcome});
    replica_leave(replica, true);
    calls->options.wake(calls->options.ctx);
}

bool calls_idle(struct calls *calls)
{
    const struct calls_options *options = &calls->options;
    bool hope = false;
    for (size_t i = 0; i < options->modem_count; i++)
        hope = hope || options->hopeful(options->ctx, i);
    return !calls->pump_pending && !any_open(calls, "dialling") &&
           (!hope || !any_open(calls, "queued"));
}
