/* Handing parts to modems and taking their results; see outbox.h.
 *
 * pump: the best part that a ready modem may have goes to the modem that suits its recipient best
 * and is claimed, prepared and marked submitted in one handler; the worker gets it after the
 * commit; so on while there are ready modems. A commit that fails frees the modem: nothing was
 * written, nothing was sent. A modem that went away in between gives the part back as not sent.
 *
 * The parts of a message go through one modem, because a phone joins only what comes from one
 * number. When that modem is gone, another takes over and sends all of them.
 *
 * A number that the network refuses for now is left alone for a while: what else is queued for it
 * waits too (alarms do not), everybody else goes on.
 *
 * result: judged (outbox_policy) and written, and the modem's next part is claimed in the same
 * turn, so that a message costs one commit: the modem gets it when both are on the disk. When that
 * commit fails, neither happened: the result is kept here and tried again at each tick, and the
 * modem waits. */
#include "sms/outbox_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/segment.h"

enum {
    MINUTE_MS = 60000,
    VALIDITY_MIN_MINUTES = 5, /* TS 23.040 9.2.3.12.1: the smallest that can be said */
    VALIDITY_MAX_MINUTES = 7 * 24 * 60,
    COPY_MARK_BYTES = 32,
};

/* What is needed to send a part. */
struct claim {
    struct part_key key;
    int prio;
    int tries;
    int parts;
    int concat_ref;
    int64_t not_after_ms;
    char to[TPDU_ADDRESS_BYTES];
    char body[LIMIT_SMS_TEXT_BYTES + COPY_MARK_BYTES];
};

/* What a modem could send next. */
struct offer {
    struct outbox_candidate candidate;
    struct part_key key;
};

static const char due_sql[] =
    "SELECT p.message_seq, p.part, p.copy, p.due_at, p.not_after_at,"
    " (SELECT q.modem FROM outbox_part q WHERE q.message_seq = p.message_seq AND q.part <> p.part"
    "  AND q.modem IS NOT NULL"
    "  AND q.state IN ('claimed', 'submitted', 'sent', 'delivered', 'unknown')"
    "  ORDER BY q.submitted_at DESC LIMIT 1)"
    " FROM outbox_part p WHERE p.state = 'queued' AND p.prio = ?1 AND p.due_at <= ?2"
    " AND p.not_after_at >= ?2 ORDER BY p.due_at, p.message_seq, p.part, p.copy";

/* Alarms do not wait for a modem that is being started again. */
static bool may_wait_for(struct outbox *outbox, size_t modem, int prio)
{
    const struct outbox_port *port = &outbox->port;
    if (prio == SMS_PRIO_PANIC)
        return outbox->slots[modem].busy || port->ready(port->ctx, modem);
    return port->hopeful(port->ctx, modem);
}

/* A part is left to the modem that had the latest of the other parts, as long as that one is likely
 * to take it. */
static bool is_left_to_other(struct outbox *outbox, size_t modem, int prio, const char *other)
{
    for (size_t i = 0; other != NULL && i < outbox->port.modem_count; i++)
        if (i != modem && text_equal(other, outbox->port.name(outbox->port.ctx, i)))
            return may_wait_for(outbox, i, prio);
    return false;
}

static bool load_offer(struct outbox *outbox, size_t modem, int prio, int64_t now,
                       struct offer *ret)
{
    if (outbox_opens_of(outbox, modem, prio) > now)
        return false; /* its SIM has sent enough for now */
    struct query *query = replica_query(outbox->replica, due_sql);
    query_int(query, 1, prio);
    query_int(query, 2, now);
    bool found = query_row(query);
    while (found && is_left_to_other(outbox, modem, prio, query_get_text(query, 5)))
        found = query_row(query);
    if (found)
        *ret = (struct offer){
            {prio, query_get_int(query, 3), query_get_int(query, 4), query_get_int(query, 0)},
            {query_get_int(query, 0), (int)query_get_int(query, 1), (int)query_get_int(query, 2)}};
    query_done(query);
    return found;
}

/* The best part that this modem may have. */
static bool find_best(struct outbox *outbox, size_t modem, struct offer *ret)
{
    struct outbox_candidate candidates[SMS_PRIO_COUNT];
    struct offer offers[SMS_PRIO_COUNT];
    size_t count = 0;
    int64_t now = outbox_now(outbox);
    for (int prio = 0; prio < SMS_PRIO_COUNT; prio++)
        count += load_offer(outbox, modem, prio, now, &offers[count]);
    for (size_t i = 0; i < count; i++)
        candidates[i] = offers[i].candidate;
    int best = outbox_pick(candidates, count, now);
    if (best >= 0)
        *ret = offers[best];
    return best >= 0;
}

/* False: the row cannot be read (its seal does not fit this station's key, too long). */
static bool load_claim(struct outbox *outbox, const struct part_key *key, struct claim *ret)
{
    struct query *query = replica_query(
        outbox->replica,
        "SELECT unseal(m.phone), unseal(m.body), m.parts, m.concat_ref, p.prio, p.tries,"
        " p.not_after_at FROM outbox_part p JOIN outbox m ON m.seq = p.message_seq"
        " WHERE p.message_seq = ?1 AND p.part = ?2 AND p.copy = ?3");
    query_int(query, 1, key->seq);
    query_int(query, 2, key->part);
    query_int(query, 3, key->copy);
    bool ok = query_row(query) && !query_is_null(query, 0) && !query_is_null(query, 1);
    ok = ok && text_copy(ret->to, sizeof ret->to, query_get_text(query, 0)) &&
         text_copy(ret->body, LIMIT_SMS_TEXT_BYTES, query_get_text(query, 1));
    ret->key = *key;
    if (ok) {
        ret->parts = (int)query_get_int(query, 2);
        ret->concat_ref = (int)query_get_int(query, 3);
        ret->prio = (int)query_get_int(query, 4);
        ret->tries = (int)query_get_int(query, 5);
        ret->not_after_ms = query_get_int(query, 6);
    }
    query_done(query);
    return ok;
}

static int validity_minutes(int64_t left_ms)
{
    int64_t minutes = left_ms / MINUTE_MS;
    if (minutes < VALIDITY_MIN_MINUTES)
        return VALIDITY_MIN_MINUTES;
    return minutes > VALIDITY_MAX_MINUTES ? VALIDITY_MAX_MINUTES : (int)minutes;
}

/* A copy of a one-part message carries its mark. The parts of a longer one go out again under their
 * own reference: the phone knows that it has them. */
static bool fill_submit(struct claim *claim, int64_t now, struct frame *ret)
{
    char text[sizeof claim->body];
    if (claim->key.copy > 0 && claim->parts == 1)
        outbox_mark_copy(claim->body, claim->key.copy, text, sizeof text);
    else
        text_copy(text, sizeof text, claim->body);
    struct segments segments;
    if (segment_text(text, &segments, NULL) != ERR_OK || segments.count != claim->parts)
        return false;
    const struct segment *segment = &segments.part[claim->key.part - 1];
    *ret = (struct frame){.kind = FRAME_SUBMIT,
                          .coding = segments.coding,
                          .validity_minutes = validity_minutes(claim->not_after_ms - now),
                          .report = true};
    text_copy(ret->to, sizeof ret->to, claim->to);
    if (segment->size >= sizeof ret->text)
        return false;
    memcpy(ret->text, text + segment->offset, segment->size);
    if (claim->parts > 1) /* TS 23.040 9.2.3.24.1: element 00, 8 bit reference */
        snprintf(ret->udh, sizeof ret->udh, "050003%02x%02x%02x", claim->concat_ref & 0xff,
                 claim->parts & 0xff, claim->key.part & 0xff);
    return true;
}

/* The commit of the claim came through, or not. */
static void on_submitted(void *ctx, int64_t arg, bool committed)
{
    struct outbox *outbox = ctx;
    size_t modem = (size_t)arg;
    struct outbox_slot *slot = &outbox->slots[modem];
    if (!committed) {
        slot->busy = slot->answered; /* the result before it is lost too and took the slot back */
        outbox->port.wake(outbox->port.ctx);
        return;
    }
    if (!outbox->port.submit(outbox->port.ctx, modem, &slot->submit))
        outbox_take_result(outbox, modem, slot->job, SEND_UNPLUGGED, 0);
}

static void occupy(struct outbox *outbox, size_t modem, const struct claim *claim)
{
    struct outbox_slot *slot = &outbox->slots[modem];
    slot->busy = true;
    slot->answered = false;
    slot->job = ++outbox->last_job;
    slot->submit.id = slot->job;
    slot->key = claim->key;
    slot->prio = claim->prio;
    slot->tries = claim->tries;
    slot->submitted_ms = outbox_now(outbox);
    slot->submitted_mono_ms = clock_mono_us() / 1000;
    replica_after_commit(outbox->replica, on_submitted, outbox, (int64_t)modem);
}

/* The modem that sent the other parts is gone: they go out again through this one. */
static void rejoin(struct outbox *outbox, const struct part_key *key, const char *modem)
{
    int64_t copies = replica_run(
        outbox->replica,
        "INSERT INTO outbox_part(message_seq, part, copy, prio, state, due_at, not_after_at)"
        " SELECT message_seq, part, max(copy) + 1, prio, 'queued', ?4, max(not_after_at)"
        " FROM outbox_part WHERE message_seq = ?1 AND part <> ?2 GROUP BY part"
        " HAVING max(copy) < ?5 AND sum(state IN ('queued', 'claimed', 'submitted')) = 0"
        " AND sum(modem IS ?3) = 0 AND sum(state IN ('sent', 'delivered', 'unknown')) > 0",
        "iisii", key->seq, (int64_t)key->part, modem, outbox_now(outbox),
        (int64_t)OUTBOX_COPIES_MAX);
    if (copies > 0)
        log_warn("sms.rejoin", "seq=%lld modem=%s parts=%lld", (long long)key->seq, modem,
                 (long long)copies);
}

/* Returns false when this part can never be sent, and is failed, or not yet: the next one may come.
 */
static bool prepare(struct outbox *outbox, size_t modem, const struct part_key *key)
{
    struct claim claim;
    const char *name = outbox->port.name(outbox->port.ctx, modem);
    if (outbox_hold_late(outbox, key->seq))
        return false;
    if (!load_claim(outbox, key, &claim) ||
        !fill_submit(&claim, outbox_now(outbox), &outbox->slots[modem].submit)) {
        log_error("sms.unsendable", "seq=%lld part=%d", (long long)key->seq, key->part);
        outbox_move(outbox, key, OUTBOX_FAILED, name, "cannot be read");
        return false;
    }
    if (claim.parts > 1)
        rejoin(outbox, key, name);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET state = 'submitted', modem = ?4, submitted_at = ?5"
                " WHERE message_seq = ?1 AND part = ?2 AND copy = ?3",
                "iiisi", key->seq, (int64_t)key->part, (int64_t)key->copy, name,
                outbox_now(outbox));
    outbox_note(outbox, key, OUTBOX_CLAIMED, name, NULL);
    outbox_note(outbox, key, OUTBOX_SUBMITTED, NULL, NULL);
    outbox_summarise(outbox, key->seq);
    outbox_hold_gone(outbox, key->seq);
    outbox_spend(outbox, modem);
    occupy(outbox, modem, &claim);
    return true;
}

enum { UNSENDABLE_AT_ONCE = 50 };

static bool is_same(const struct part_key *a, const struct part_key *b)
{
    return a->seq == b->seq && a->part == b->part && a->copy == b->copy;
}

/* Of the modems that could have this part the one that suits its recipient. */
static size_t choose_modem(struct outbox *outbox, const struct part_key *key, const bool *free,
                           const struct offer *offers)
{
    const struct outbox_port *port = &outbox->port;
    char number[TPDU_ADDRESS_BYTES] = "";
    size_t best = LIMIT_MODEMS;
    int best_score = 0;
    if (port->modem_count == 1)
        return 0;
    replica_get_text(outbox->replica, number, sizeof number,
                     "SELECT unseal(phone) FROM outbox WHERE seq = ?1", "i", key->seq);
    for (size_t i = 0; i < port->modem_count; i++) {
        if (!free[i] || !is_same(&offers[i].key, key))
            continue;
        int score = port->score(port->ctx, i, number);
        bool rests = best < LIMIT_MODEMS && port->load(port->ctx, i) < port->load(port->ctx, best);
        if (best == LIMIT_MODEMS || score > best_score || (score == best_score && rests)) {
            best = i;
            best_score = score;
        }
    }
    return best;
}

/* Hands out one part. False: nothing is due, or nobody may have it. */
static bool pump_once(struct outbox *outbox)
{
    struct offer offers[LIMIT_MODEMS] = {0};
    struct outbox_candidate candidates[LIMIT_MODEMS];
    struct part_key keys[LIMIT_MODEMS];
    bool free[LIMIT_MODEMS] = {false};
    size_t count = 0;
    for (size_t i = 0; i < outbox->port.modem_count; i++) {
        free[i] = !outbox->slots[i].busy && outbox->port.ready(outbox->port.ctx, i) &&
                  find_best(outbox, i, &offers[i]);
        if (!free[i])
            continue;
        keys[count] = offers[i].key;
        candidates[count++] = offers[i].candidate;
    }
    int best = outbox_pick(candidates, count, outbox_now(outbox));
    if (best < 0)
        return false;
    size_t modem = choose_modem(outbox, &keys[best], free, offers);
    replica_enter(outbox->replica);
    prepare(outbox, modem, &keys[best]);
    return replica_leave(outbox->replica, true);
}

void outbox_pump(struct outbox *outbox)
{
    if (replica_failing(outbox->replica) != NULL)
        return;
    outbox_hold_quiet(outbox);
    for (int i = 0; i < UNSENDABLE_AT_ONCE && pump_once(outbox); i++)
        continue;
}

/* --- results --- */

static const char *cause_text(enum send_outcome outcome, int value, char *ret, size_t size)
{
    static const char *const names[SEND_OUTCOMES] = {
        [SEND_OK] = NULL,
        [SEND_CMS] = "cms",
        [SEND_CME] = "cme",
        [SEND_TIMEOUT] = "no prompt",
        [SEND_UNPLUGGED] = "unplugged",
        [SEND_UNKNOWN] = "no answer",
    };
    if (outcome == SEND_OK)
        return NULL;
    if (outcome == SEND_CMS || outcome == SEND_CME)
        snprintf(ret, size, "%s %d", names[outcome], value);
    else
        snprintf(ret, size, "%s", names[outcome]);
    return ret;
}

static void queue_copy(struct outbox *outbox, const struct outbox_slot *slot, int64_t now)
{
    replica_run(
        outbox->replica,
        "INSERT INTO outbox_part(message_seq, part, copy, prio, state, due_at, not_after_at)"
        " SELECT message_seq, part, copy + 1, prio, 'queued', ?4, not_after_at"
        " FROM outbox_part WHERE message_seq = ?1 AND part = ?2 AND copy = ?3",
        "iiii", slot->key.seq, (int64_t)slot->key.part, (int64_t)slot->key.copy, now);
    replica_run(outbox->replica,
                "INSERT INTO outbox_history(message_seq, part, copy, at, state)"
                " VALUES (?1, ?2, ?3, ?4, 'queued')",
                "iiii", slot->key.seq, (int64_t)slot->key.part, (int64_t)slot->key.copy + 1, now);
}

static void write_verdict(struct outbox *outbox, const struct outbox_slot *slot,
                          const struct outbox_verdict *verdict, const char *modem)
{
    char cause[32];
    bool sent = verdict->state == OUTBOX_SENT;
    int64_t now = outbox_now(outbox);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET due_at = CASE WHEN ?4 THEN ?5 ELSE due_at END,"
                " tries = tries + ?6, mr = CASE WHEN ?7 >= 0 THEN ?7 END,"
                " sent_at = CASE WHEN ?8 THEN ?9 END"
                " WHERE message_seq = ?1 AND part = ?2 AND copy = ?3",
                "iiiiiiiii", slot->key.seq, (int64_t)slot->key.part, (int64_t)slot->key.copy,
                (int64_t)(verdict->state == OUTBOX_QUEUED), verdict->next_at_ms,
                (int64_t)verdict->charged, (int64_t)(sent ? slot->value : -1), (int64_t)sent, now);
    outbox_move(outbox, &slot->key, verdict->state, modem,
                cause_text(slot->outcome, slot->value, cause, sizeof cause));
    if (verdict->copy) {
        queue_copy(outbox, slot, now);
        outbox_summarise(outbox, slot->key.seq);
    }
    if (sent || verdict->state == OUTBOX_UNKNOWN)
        outbox_match_early(outbox, slot, modem);
}

/* Its other parts and messages would be refused as well, and each refusal keeps a modem busy for up
 * to a minute. */
static void pause_recipient(struct outbox *outbox, const struct outbox_slot *slot, int64_t now)
{
    int64_t step = replica_get_int(outbox->replica, 0,
                                   "INSERT INTO outbox_pause(phone, until_at, step)"
                                   " SELECT phone, 0, 0 FROM outbox WHERE seq = ?1"
                                   " ON CONFLICT(phone) DO UPDATE SET step = step + 1"
                                   " RETURNING step",
                                   "i", slot->key.seq);
    int64_t until = now + outbox_pause_ms(slot->prio, (int)(step < INT_MAX ? step : INT_MAX));
    replica_run(outbox->replica,
                "UPDATE outbox_pause SET until_at = ?2 WHERE phone ="
                " (SELECT phone FROM outbox WHERE seq = ?1)",
                "ii", slot->key.seq, until);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET due_at = ?2 WHERE state = 'queued' AND prio > ?3"
                " AND due_at < ?2 AND message_seq IN (SELECT m.seq FROM outbox m, outbox o"
                " WHERE o.seq = ?1 AND m.phone = o.phone)",
                "iii", slot->key.seq, until, (int64_t)SMS_PRIO_PANIC);
}

static void note_recipient(struct outbox *outbox, const struct outbox_slot *slot,
                           const struct outbox_verdict *verdict)
{
    if (verdict->state == OUTBOX_SENT)
        replica_run(outbox->replica,
                    "DELETE FROM outbox_pause WHERE phone ="
                    " (SELECT phone FROM outbox WHERE seq = ?1)",
                    "i", slot->key.seq);
    else if (outbox_blame(slot->outcome, slot->value) == BLAME_NETWORK)
        pause_recipient(outbox, slot, outbox_now(outbox));
}

/* The result's turn has ended. When it failed, so did the claim of what was to come next. */
static void on_saved(void *ctx, int64_t arg, bool committed)
{
    struct outbox *outbox = ctx;
    struct outbox_slot *slot = &outbox->slots[arg];
    outbox->saved[arg].busy = false;
    if (!committed) {
        *slot = outbox->saved[arg];
        slot->busy = slot->answered = true; /* the next tick saves it again */
    }
    if (!committed || !slot->busy)
        outbox->port.wake(outbox->port.ctx);
}

static void log_result(const struct outbox_slot *slot, const struct outbox_verdict *verdict,
                       const char *modem)
{
    char cause[32];
    const char *why = cause_text(slot->outcome, slot->value, cause, sizeof cause);
    char mask[8];
    text_mask_phone(slot->submit.to, mask);
    log_info("sms.result", "modem=%s seq=%lld part=%d copy=%d to=%s state=%s cause=%s", modem,
             (long long)slot->key.seq, slot->key.part, slot->key.copy, mask,
             outbox_state_name(verdict->state), why != NULL ? why : "-");
}

/* Saved results are on their way to the commit: a tick must not save them twice. */
void outbox_take_result(struct outbox *outbox, size_t modem, int64_t job, enum send_outcome outcome,
                        int value)
{
    struct outbox_slot *slot = &outbox->slots[modem];
    if (!slot->busy || slot->job != job) {
        log_warn("sms.late_result", "job=%lld", (long long)job);
        return;
    }
    if (outcome == SEND_OK && !slot->answered)
        outbox_took(outbox, modem, clock_mono_us() / 1000 - slot->submitted_mono_ms);
    slot->answered = true;
    slot->outcome = outcome;
    slot->value = value;
    if (replica_failing(outbox->replica) != NULL)
        return;
    const char *name = outbox->port.name(outbox->port.ctx, modem);
    struct outbox_verdict verdict =
        outbox_judge(outcome, value, slot->prio, slot->tries, slot->key.copy, outbox_now(outbox));
    replica_enter(outbox->replica);
    write_verdict(outbox, slot, &verdict, name);
    note_recipient(outbox, slot, &verdict);
    replica_after_commit(outbox->replica, on_saved, outbox, (int64_t)modem);
    outbox->saved[modem] = *slot;
    slot->busy = slot->answered = false;
    bool stands = replica_leave(outbox->replica, true);
    log_result(&outbox->saved[modem], &verdict, name);
    if (verdict.rest_modem)
        outbox->port.rest(outbox->port.ctx, modem);
    if (verdict.drain_sim)
        outbox->port.drain(outbox->port.ctx, modem);
    if (stands)
        outbox_pump(outbox);
}

/* --- after a restart --- */

enum { RECOVER_AT_ONCE = 64 };

static size_t load_flight(struct outbox *outbox, struct outbox_slot *ret)
{
    size_t count = 0;
    struct query *query = replica_query(
        outbox->replica,
        "SELECT message_seq, part, copy, prio, tries, modem, submitted_at, state FROM outbox_part"
        " WHERE state IN ('claimed', 'submitted') LIMIT ?1");
    query_int(query, 1, RECOVER_AT_ONCE);
    while (count < RECOVER_AT_ONCE && query_row(query)) {
        struct outbox_slot *slot = &ret[count++];
        *slot = (struct outbox_slot){
            .key = {query_get_int(query, 0), (int)query_get_int(query, 1),
                    (int)query_get_int(query, 2)},
            .prio = (int)query_get_int(query, 3),
            .tries = (int)query_get_int(query, 4),
            .submitted_ms = query_get_int(query, 6),
        };
        /* a claimed part never left this program */
        bool claimed = text_equal(query_get_text(query, 7), outbox_state_name(OUTBOX_CLAIMED));
        slot->outcome = claimed ? SEND_UNPLUGGED : SEND_UNKNOWN;
        text_copy(slot->modem, sizeof slot->modem,
                  query_is_null(query, 5) ? "" : query_get_text(query, 5));
    }
    query_done(query);
    return count;
}

void outbox_recover(struct outbox *outbox)
{
    static struct outbox_slot flight[RECOVER_AT_ONCE];
    for (;;) {
        size_t count = load_flight(outbox, flight);
        for (size_t i = 0; i < count; i++) {
            struct outbox_verdict verdict =
                outbox_judge(flight[i].outcome, 0, flight[i].prio, flight[i].tries,
                             flight[i].key.copy, outbox_now(outbox));
            const char *modem = flight[i].modem;
            write_verdict(outbox, &flight[i], &verdict, modem[0] != '\0' ? modem : NULL);
            log_result(&flight[i], &verdict, modem);
        }
        if (count < RECOVER_AT_ONCE || replica_problem(outbox->replica)[0] != '\0')
            return;
    }
}
