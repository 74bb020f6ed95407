/* The outbox's rows: putting, cancelling, expiring, and the questions of fast time; see outbox.h.
 *
 * A put writes the message and its queued parts. An alarm is handed to a free modem within the same
 * turn, so that one commit is all that lies between the event and the modem; everything else is
 * handed out after the commit, when all puts of the turn are known and the best one can be chosen.
 * When the turn fails, message and claim are gone together. */
#include "sms/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/outbox_internal.h"
#include "sms/segment.h"

enum { DAY_MS = 24 * 3600 * 1000, RETRY_MS = 3600 * 1000, EXPIRE_AT_ONCE = 200 };

int outbox_open(const struct outbox_options *options, struct outbox **ret, struct err *err)
{
    if (options->port.modem_count > LIMIT_MODEMS)
        return err_set(err, ERR_LIMIT, "outbox: %zu modems, at most %d", options->port.modem_count,
                       LIMIT_MODEMS);
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL)
        return err_set(err, ERR_NOMEM, "outbox: out of memory");
    outbox->replica = options->replica;
    outbox->country = options->country;
    outbox->port = options->port;
    outbox->limits = options->limits;
    memcpy(outbox->sims, options->sims, sizeof outbox->sims);
    outbox_hold_open(outbox);
    *ret = outbox;
    return ERR_OK;
}

void outbox_close(struct outbox *outbox)
{
    free(outbox);
}

int64_t outbox_now(const struct outbox *outbox)
{
    return clock_wall_ms(replica_clock(outbox->replica));
}

enum outbox_state outbox_state_of(const char *name)
{
    for (int i = 0; i < OUTBOX_STATES; i++)
        if (text_equal(name, outbox_state_name((enum outbox_state)i)))
            return (enum outbox_state)i;
    return OUTBOX_CANCELLED;
}

void outbox_note(struct outbox *outbox, const struct part_key *key, enum outbox_state state,
                 const char *modem, const char *cause)
{
    replica_run(outbox->replica,
                "INSERT INTO outbox_history(message_seq, part, copy, at, state, modem, cause)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                "iiiisss", key->seq, (int64_t)key->part, (int64_t)key->copy, outbox_now(outbox),
                outbox_state_name(state), modem, cause);
}

static bool is_final(enum outbox_state state)
{
    return state >= OUTBOX_DELIVERED;
}

void outbox_move(struct outbox *outbox, const struct part_key *key, enum outbox_state state,
                 const char *modem, const char *cause)
{
    int64_t now = outbox_now(outbox);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET state = ?4, modem = coalesce(?5, modem),"
                " cause = coalesce(?6, cause), ended_at = CASE WHEN ?7 THEN ?8 ELSE ended_at END"
                " WHERE message_seq = ?1 AND part = ?2 AND copy = ?3",
                "iiisssii", key->seq, (int64_t)key->part, (int64_t)key->copy,
                outbox_state_name(state), modem, cause, (int64_t)is_final(state), now);
    outbox_note(outbox, key, state, modem, cause);
    outbox_summarise(outbox, key->seq);
}

/* A part and its copies count once, with the best news of them. */
void outbox_summarise(struct outbox *outbox, int64_t seq)
{
    int counts[OUTBOX_STATES] = {0};
    int64_t part = -1;
    enum outbox_state best = OUTBOX_CANCELLED;
    struct query *query = replica_query(
        outbox->replica,
        "SELECT part, state FROM outbox_part WHERE message_seq = ?1 ORDER BY part, copy");
    query_int(query, 1, seq);
    while (query_row(query)) {
        enum outbox_state state = outbox_state_of(query_get_text(query, 1));
        if (query_get_int(query, 0) != part) {
            if (part >= 0)
                counts[best]++;
            part = query_get_int(query, 0);
            best = state;
        } else if (outbox_rank(state) > outbox_rank(best)) {
            best = state;
        }
    }
    query_done(query);
    if (part >= 0)
        counts[best]++;
    replica_run(outbox->replica, "UPDATE outbox SET state = ?2 WHERE seq = ?1 AND state <> ?2",
                "is", seq, outbox_state_name(outbox_summary(counts)));
}

static int check_message(const struct outbox_message *message, struct segments *ret)
{
    if (message->idem == NULL || message->idem[0] == '\0' || message->phone == NULL ||
        message->phone[0] == '\0' || message->text == NULL || message->text[0] == '\0')
        return ERR_INVALID;
    if (message->prio < 0 || message->prio >= SMS_PRIO_COUNT)
        return ERR_INVALID;
    int units = text_utf16_units(message->text);
    if (units < 0)
        return ERR_INVALID;
    if (units > LIMIT_SMS_UNITS)
        return ERR_LIMIT;
    return segment_text(message->text, ret, NULL);
}

static int next_reference(struct outbox *outbox, const char *phone)
{
    struct query *query = replica_query(
        outbox->replica,
        "INSERT INTO outbox_next_ref(phone, next) VALUES (?1, 1) ON CONFLICT(phone) DO"
        " UPDATE SET next = (next + 1) % 256 RETURNING next");
    query_text(query, 1, phone);
    int ref = query_row(query) ? (int)query_get_int(query, 0) : 0;
    query_done(query);
    return ref;
}

/* Returns the row's sequence number, -1 when the statement failed. */
static int64_t insert_message(struct outbox *outbox, const struct outbox_message *message,
                              const char *id, int parts, const struct outbox_hold *hold,
                              int64_t not_before, int64_t not_after)
{
    int ref = parts > 1 ? next_reference(outbox, message->phone) : 0;
    int64_t changed = replica_run(
        outbox->replica,
        "INSERT INTO outbox(id, idem, phone, body, prio, concat_ref, parts, created_at,"
        " not_before_at, not_after_at, ref_kind, ref_id, text_id, state, any_hour, goes_at, wait)"
        " VALUES (?1, ?2, ?3, seal(?4), ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'queued', ?14,"
        " ?15, ?16)",
        "ssssiiiiiisssiis", id, message->idem, message->phone, message->text,
        (int64_t)message->prio, (int64_t)ref, (int64_t)parts, outbox_now(outbox), not_before,
        not_after, message->ref_kind, message->ref_id, message->text_id, (int64_t)hold->any_hour,
        hold->due_ms, hold->why);
    if (changed != 1)
        return -1;
    return replica_get_int(outbox->replica, -1, "SELECT seq FROM outbox WHERE id = ?1", "s", id);
}

static bool insert_part(struct outbox *outbox, const struct part_key *key, int prio, int64_t due,
                        int64_t not_after)
{
    int64_t changed = replica_run(
        outbox->replica,
        "INSERT INTO outbox_part(message_seq, part, copy, prio, state, due_at,"
        " not_after_at) VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6)",
        "iiiiii", key->seq, (int64_t)key->part, (int64_t)key->copy, (int64_t)prio, due, not_after);
    outbox_note(outbox, key, OUTBOX_QUEUED, NULL, NULL);
    return changed == 1;
}

/* The number may just have been refused. */
static int64_t after_pause(struct outbox *outbox, const struct outbox_message *message, int64_t due)
{
    int64_t until =
        replica_get_int(outbox->replica, 0, "SELECT until_at FROM outbox_pause WHERE phone = ?1",
                        "s", message->phone);
    return until > due ? until : due;
}

static bool cancel_message(struct outbox *outbox, int64_t seq, const char *reason)
{
    struct replica *replica = outbox->replica;
    replica_run(replica,
                "INSERT INTO outbox_history(message_seq, part, copy, at, state, cause)"
                " SELECT message_seq, part, copy, ?2, 'cancelled', ?3 FROM outbox_part"
                " WHERE message_seq = ?1 AND state = 'queued'",
                "iis", seq, outbox_now(outbox), reason);
    int64_t changed = replica_run(replica,
                                  "UPDATE outbox_part SET state = 'cancelled', ended_at = ?2,"
                                  " cause = ?3 WHERE message_seq = ?1 AND state = 'queued'",
                                  "iis", seq, outbox_now(outbox), reason);
    if (changed <= 0)
        return changed == 0;
    replica_run(replica, "UPDATE outbox SET reason = ?2 WHERE seq = ?1", "is", seq, reason);
    outbox_summarise(outbox, seq);
    return true;
}

static bool insert_all(struct outbox *outbox, const struct outbox_message *message, const char *id,
                       int parts)
{
    int64_t now = outbox_now(outbox);
    int64_t not_before = message->not_before_ms > now ? message->not_before_ms : now;
    int64_t not_after = message->not_after_ms > 0 ? message->not_after_ms : not_before + DAY_MS;
    bool repeated = outbox_is_repeated(outbox, message);
    struct outbox_hold hold = outbox_hold_put(outbox, message, not_before);
    int64_t seq = insert_message(outbox, message, id, parts, &hold, not_before, not_after);
    int64_t due =
        message->prio == SMS_PRIO_PANIC ? not_before : after_pause(outbox, message, hold.due_ms);
    bool ok = seq >= 0;
    for (int i = 1; ok && i <= parts; i++)
        ok = insert_part(outbox, &(struct part_key){seq, i, 0}, message->prio, due, not_after);
    return repeated && ok ? cancel_message(outbox, seq, "same text") : ok;
}

/* The turn's puts are committed: choose among all of them. A failed one may have been the one that
 * asked for this on behalf of others, so somebody looks again soon. */
static void on_put(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    struct outbox *outbox = ctx;
    outbox->pump_pending = false;
    if (committed)
        outbox_pump(outbox);
    outbox->port.wake(outbox->port.ctx);
}

static void pump_after_commit(struct outbox *outbox)
{
    if (outbox->pump_pending)
        return;
    outbox->pump_pending = true;
    replica_after_commit(outbox->replica, on_put, outbox, 0);
}

int outbox_put(struct outbox *outbox, const struct outbox_message *message,
               char ret_id[LIMIT_ID_BYTES + 1])
{
    struct segments segments;
    int code = check_message(message, &segments);
    if (code != ERR_OK)
        return code;
    if (replica_get_text(outbox->replica, ret_id, LIMIT_ID_BYTES + 1,
                         "SELECT id FROM outbox WHERE idem = ?1", "s", message->idem))
        return ERR_OK;
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(outbox->replica, id);
    if (!insert_all(outbox, message, id, segments.count))
        return ERR_IO;
    text_copy(ret_id, LIMIT_ID_BYTES + 1, id);
    if (message->prio == SMS_PRIO_PANIC)
        outbox_pump(outbox);
    pump_after_commit(outbox);
    return ERR_OK;
}

/* `sql` finds the next message after ?1 that has queued parts; ?2 to ?4 are the rest. */
static int cancel_each(struct outbox *outbox, const char *sql, const char *phone,
                       const char *ref_kind, const char *ref_id, const char *reason)
{
    int cancelled = 0;
    int64_t seq = 0;
    while ((seq = replica_get_int(outbox->replica, -1, sql, "isss", seq, phone, ref_kind,
                                  ref_id)) >= 0) {
        if (!cancel_message(outbox, seq, reason))
            return -1;
        cancelled++;
    }
    return cancelled;
}

int outbox_cancel_one(struct outbox *outbox, const char *id, const char *reason)
{
    struct replica *replica = outbox->replica;
    int64_t seq = replica_get_int(replica, -1, "SELECT seq FROM outbox WHERE id = ?1", "s", id);
    if (seq < 0)
        return ERR_NOT_FOUND;
    if (replica_get_int(replica, 0,
                        "SELECT count(*) FROM outbox_part WHERE message_seq = ?1"
                        " AND state = 'queued'",
                        "i", seq) == 0)
        return ERR_STATE;
    return cancel_message(outbox, seq, reason) ? ERR_OK : ERR_IO;
}

int outbox_retry(struct outbox *outbox, const char *id)
{
    struct replica *replica = outbox->replica;
    int64_t now = outbox_now(outbox);
    int64_t seq = replica_get_int(replica, -1, "SELECT seq FROM outbox WHERE id = ?1", "s", id);
    if (seq < 0)
        return ERR_NOT_FOUND;
    int64_t copies = replica_run(
        replica,
        "INSERT INTO outbox_part(message_seq, part, copy, prio, state, due_at, not_after_at)"
        " SELECT message_seq, part, max(copy) + 1, prio, 'queued', ?2, ?2 + ?3 FROM outbox_part"
        " WHERE message_seq = ?1 GROUP BY part HAVING max(copy) < ?4 AND"
        " sum(state IN ('queued', 'claimed', 'submitted', 'sent', 'delivered')) = 0",
        "iiii", seq, now, (int64_t)RETRY_MS, (int64_t)OUTBOX_COPIES_MAX);
    if (copies <= 0)
        return copies == 0 ? ERR_STATE : ERR_IO;
    replica_run(replica,
                "INSERT INTO outbox_history(message_seq, part, copy, at, state, cause)"
                " SELECT message_seq, part, copy, ?2, 'queued', 'by hand' FROM outbox_part"
                " WHERE message_seq = ?1 AND state = 'queued'",
                "ii", seq, now);
    replica_run(replica, "UPDATE outbox SET reason = NULL, not_after_at = ?2 WHERE seq = ?1", "ii",
                seq, now + RETRY_MS);
    outbox_summarise(outbox, seq);
    pump_after_commit(outbox);
    return ERR_OK;
}

#define FIRST_QUEUED_AFTER                                                                         \
    "SELECT o.seq FROM outbox o WHERE o.seq > ?1 AND EXISTS (SELECT 1 FROM outbox_part p"          \
    " WHERE p.message_seq = o.seq AND p.state = 'queued')"

int outbox_cancel(struct outbox *outbox, const char *ref_kind, const char *ref_id,
                  const char *phone, const char *reason)
{
    int64_t expired =
        replica_get_int(outbox->replica, 0,
                        "SELECT count(*) FROM outbox WHERE ref_kind = ?1 AND ref_id = ?2"
                        " AND (?3 IS NULL OR phone = ?3) AND state = 'expired'",
                        "sss", ref_kind, ref_id, phone);
    int cancelled = cancel_each(outbox,
                                FIRST_QUEUED_AFTER " AND o.ref_kind = ?3 AND o.ref_id = ?4"
                                                   " AND (?2 IS NULL OR o.phone = ?2)"
                                                   " ORDER BY o.seq LIMIT 1",
                                phone, ref_kind, ref_id, reason);
    return cancelled < 0 ? cancelled : cancelled + (int)expired;
}

int outbox_cancel_phone(struct outbox *outbox, const char *phone, const char *reason)
{
    return cancel_each(outbox,
                       FIRST_QUEUED_AFTER " AND o.phone = ?2 AND ?3 IS NULL AND ?4 IS NULL"
                                          " ORDER BY o.seq LIMIT 1",
                       phone, NULL, NULL, reason);
}

void outbox_erase_phone(struct outbox *outbox, const char *phone)
{
    replica_run(outbox->replica,
                "UPDATE outbox SET body = seal('') WHERE phone = ?1 AND state NOT IN"
                " ('queued', 'claimed', 'submitted', 'unknown')",
                "s", phone);
}

#define DONE_OF_PHONE                                                                              \
    "(SELECT seq FROM outbox WHERE phone = ?1 AND state NOT IN"                                    \
    " ('queued', 'claimed', 'submitted', 'unknown'))"

void outbox_forget_phone(struct outbox *outbox, const char *phone)
{
    struct replica *replica = outbox->replica;
    replica_run(replica, "DELETE FROM outbox_history WHERE message_seq IN " DONE_OF_PHONE, "s",
                phone);
    replica_run(replica, "DELETE FROM outbox_part WHERE message_seq IN " DONE_OF_PHONE, "s", phone);
    replica_run(replica, "DELETE FROM outbox WHERE seq IN " DONE_OF_PHONE, "s", phone);
    replica_run(replica, "DELETE FROM outbox_report WHERE phone = ?1", "s", phone);
    replica_run(replica, "DELETE FROM outbox_next_ref WHERE phone = ?1", "s", phone);
    replica_run(replica, "DELETE FROM outbox_pause WHERE phone = ?1", "s", phone);
    replica_run(replica, "DELETE FROM quiet_phone WHERE phone = ?1", "s", phone);
}

/* Messages past their not-after time never go out. */
static void expire(struct outbox *outbox)
{
    struct part_key late[EXPIRE_AT_ONCE];
    size_t count = 0;
    struct query *query =
        replica_query(outbox->replica, "SELECT message_seq, part, copy FROM outbox_part WHERE"
                                       " state = 'queued' AND not_after_at < ?1 LIMIT ?2");
    query_int(query, 1, outbox_now(outbox));
    query_int(query, 2, EXPIRE_AT_ONCE);
    while (count < EXPIRE_AT_ONCE && query_row(query))
        late[count++] = (struct part_key){query_get_int(query, 0), (int)query_get_int(query, 1),
                                          (int)query_get_int(query, 2)};
    query_done(query);
    for (size_t i = 0; i < count; i++)
        outbox_move(outbox, &late[i], OUTBOX_EXPIRED, NULL, "not after");
    if (count > 0)
        log_warn("sms.expired", "parts=%zu", count);
    if (count == EXPIRE_AT_ONCE)
        outbox->port.wake(outbox->port.ctx);
}

static bool has_late(struct outbox *outbox)
{
    return replica_get_int(outbox->replica, INT64_MAX,
                           "SELECT MIN(not_after_at) FROM outbox_part WHERE state = 'queued'",
                           "") < outbox_now(outbox);
}

void outbox_tick(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->port.modem_count; i++) {
        struct outbox_slot *slot = &outbox->slots[i];
        if (slot->busy && slot->answered)
            outbox_take_result(outbox, i, slot->job, slot->outcome, slot->value);
    }
    if (has_late(outbox)) {
        replica_enter(outbox->replica);
        expire(outbox);
        replica_leave(outbox->replica, true);
    }
    outbox_pump(outbox);
}

/* When the first queued part of this priority may go, its due time and the SIMs' pace considered.
 */
static int64_t prio_due(struct outbox *outbox, int prio)
{
    int64_t due =
        replica_get_int(outbox->replica, INT64_MAX,
                        "SELECT MIN(due_at) FROM outbox_part WHERE state = 'queued' AND prio = ?1",
                        "i", (int64_t)prio);
    if (due > outbox_now(outbox))
        return due;
    int64_t opens = outbox_opens(outbox, prio);
    return opens > due ? opens : due;
}

/* The first that comes after now, so that what waits for a modem does not hide what comes later. */
static int64_t next_due(struct outbox *outbox)
{
    int64_t next = INT64_MAX, now = outbox_now(outbox);
    for (int prio = 0; prio < SMS_PRIO_COUNT; prio++) {
        int64_t due = prio_due(outbox, prio);
        if (due <= now || due == INT64_MAX)
            due = replica_get_int(outbox->replica, INT64_MAX,
                                  "SELECT MIN(due_at) FROM outbox_part WHERE state = 'queued'"
                                  " AND prio = ?1 AND due_at > ?2",
                                  "ii", (int64_t)prio, now);
        next = due < next ? due : next;
    }
    return next;
}

static bool is_any_due(struct outbox *outbox)
{
    for (int prio = 0; prio < SMS_PRIO_COUNT; prio++)
        if (prio_due(outbox, prio) <= outbox_now(outbox))
            return true;
    return false;
}

static bool any_hope(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->port.modem_count; i++)
        if (outbox->port.hopeful(outbox->port.ctx, i))
            return true;
    return false;
}

bool outbox_is_pending(const struct outbox *outbox)
{
    bool pending = outbox->pump_pending;
    for (size_t i = 0; i < outbox->port.modem_count; i++)
        pending |= outbox->slots[i].busy || outbox->saved[i].busy;
    return pending;
}

bool outbox_idle(struct outbox *outbox)
{
    if (outbox_is_pending(outbox))
        return false;
    return !any_hope(outbox) || !is_any_due(outbox);
}

bool outbox_has_alarm(struct outbox *outbox)
{
    return prio_due(outbox, SMS_PRIO_PANIC) <= outbox_now(outbox);
}

int64_t outbox_next_due_ms(struct outbox *outbox)
{
    int64_t due = next_due(outbox);
    int64_t end = replica_get_int(outbox->replica, INT64_MAX - 1,
                                  "SELECT MIN(not_after_at) FROM outbox_part WHERE"
                                  " state = 'queued'",
                                  "") +
                  1;
    return due < end ? due : end;
}
