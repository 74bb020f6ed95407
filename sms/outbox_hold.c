/* What keeps a part waiting although a modem is free: the pace of the SIM, the caps of its
 * recipient, quiet hours, the operator's pause; see pace.h. Alarms wait for none of these.
 *
 * Caps and quiet hours move the due time when a message is put, and again when the quiet hours
 * begin under what still waits. Caps count when messages really went; what had to wait for a modem
 * or a network is held against them once more. The pace decides at the moment of sending and writes
 * nothing: when its turn comes is worked out when somebody asks. The bucket of a SIM is written in
 * the handler that claims the part; a handler that fails leaves it a little too empty. */
#include "sms/outbox_internal.h"

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { PART_MS = 7500, SMOOTH = 4, HOLD_REACH_MAX = 5000, LATE_MS = 60000 };

void outbox_hold_open(struct outbox *outbox)
{
    int64_t now = outbox_now(outbox);
    for (size_t i = 0; i < outbox->port.modem_count; i++) {
        outbox->buckets[i] = pace_new(&outbox->sims[i], now);
        outbox->part_ms[i] = PART_MS;
        struct query *query =
            replica_query(outbox->replica,
                          "SELECT milli, at, day_at, day_count FROM modem_pace WHERE modem = ?1");
        query_text(query, 1, outbox->port.name(outbox->port.ctx, i));
        if (query_row(query))
            outbox->buckets[i] =
                (struct pace_bucket){query_get_int(query, 0), query_get_int(query, 1),
                                     query_get_int(query, 2), (int)query_get_int(query, 3)};
        query_done(query);
    }
    outbox->paused = replica_get_int(outbox->replica, 0,
                                     "SELECT 1 FROM sms_mark WHERE name = 'paused'", "") != 0;
}

/* --- the pace of a SIM --- */

int64_t outbox_opens_of(const struct outbox *outbox, size_t modem, int prio)
{
    if (outbox->paused && prio > SMS_PRIO_PANIC)
        return INT64_MAX;
    return pace_opens_ms(&outbox->sims[modem], &outbox->buckets[modem], prio, outbox_now(outbox));
}

int64_t outbox_opens(const struct outbox *outbox, int prio)
{
    int64_t first = outbox->port.modem_count == 0 ? 0 : INT64_MAX;
    for (size_t i = 0; i < outbox->port.modem_count; i++) {
        int64_t at = outbox_opens_of(outbox, i, prio);
        bool hopeful = outbox->port.hopeful(outbox->port.ctx, i);
        first = hopeful && at < first ? at : first;
    }
    return first;
}

void outbox_spend(struct outbox *outbox, size_t modem)
{
    const struct pace_sim *sim = &outbox->sims[modem];
    struct pace_bucket *bucket = &outbox->buckets[modem];
    if (sim->per_hour == 0 && sim->per_day == 0)
        return;
    pace_spend(sim, bucket, outbox_now(outbox));
    replica_run(outbox->replica,
                "INSERT INTO modem_pace(modem, milli, at, day_at, day_count)"
                " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(modem) DO UPDATE SET"
                " milli = excluded.milli, at = excluded.at, day_at = excluded.day_at,"
                " day_count = excluded.day_count",
                "siiii", outbox->port.name(outbox->port.ctx, modem), bucket->milli, bucket->at_ms,
                bucket->day_ms, (int64_t)bucket->day_count);
}

/* A running mean of the monotonic time from submit to the network's answer. */
void outbox_took(struct outbox *outbox, size_t modem, int64_t ms)
{
    outbox->part_ms[modem] += (ms - outbox->part_ms[modem]) / SMOOTH;
}

/* --- putting --- */

/* What goes to this number, or went there and was reported to have come to nothing, but for this
 * message. `gone_ms`: of what waits only what is to go later
 * than that counts; 0: all of it. */
static int64_t after_caps(struct outbox *outbox, const char *phone, int prio, int64_t seq,
                          int64_t gone_ms, int64_t due)
{
    int64_t times[PACE_RECENT];
    size_t count = 0;
    if (outbox->limits.recipient_day == 0)
        return due;
    struct query *query =
        replica_query(outbox->replica, "SELECT goes_at FROM outbox WHERE phone = ?1 AND prio > ?2"
                                       " AND state NOT IN ('cancelled', 'expired') AND"
                                       " (state <> 'failed' OR EXISTS (SELECT 1 FROM outbox_part p"
                                       "  WHERE p.message_seq = seq AND p.sent_at IS NOT NULL))"
                                       " AND seq <> ?4 AND (state <> 'queued' OR goes_at > ?5)"
                                       " AND goes_at > ?6 ORDER BY goes_at DESC LIMIT ?3");
    query_text(query, 1, phone);
    query_int(query, 2, SMS_PRIO_PANIC);
    query_int(query, 3, PACE_RECENT);
    query_int(query, 4, seq);
    query_int(query, 5, gone_ms);
    query_int(query, 6, due - CALTIME_DAY_MS);
    while (count < PACE_RECENT && query_row(query))
        times[count++] = query_get_int(query, 0);
    query_done(query);
    return pace_recipient_ms(&outbox->limits, times, count, prio, due);
}

/* The limits of this phone; true when it has quiet hours of its own. */
static bool limits_of(struct outbox *outbox, const char *phone, struct pace_limits *ret)
{
    *ret = outbox->limits;
    struct query *query =
        replica_query(outbox->replica, "SELECT from_min, to_min FROM quiet_phone WHERE phone = ?1");
    query_text(query, 1, phone);
    bool own = query_row(query);
    if (own) {
        ret->quiet_from = (int)query_get_int(query, 0);
        ret->quiet_to = (int)query_get_int(query, 1);
    }
    query_done(query);
    return own;
}

void outbox_set_quiet(struct outbox *outbox, const char *phone, int from_min, int to_min)
{
    if (from_min < 0)
        replica_run(outbox->replica, "DELETE FROM quiet_phone WHERE phone = ?1", "s", phone);
    else
        replica_run(outbox->replica,
                    "INSERT INTO quiet_phone(phone, from_min, to_min) VALUES (?1, ?2, ?3)"
                    " ON CONFLICT(phone) DO UPDATE SET from_min = excluded.from_min,"
                    " to_min = excluded.to_min",
                    "sii", phone, (int64_t)from_min, (int64_t)to_min);
}

/* What is urgent and put within the station's quiet hours was put by somebody who knows the hour.
 */
struct outbox_hold outbox_hold_put(struct outbox *outbox, const struct outbox_message *message,
                                   int64_t due)
{
    struct outbox_hold hold = {.due_ms = due, .any_hour = message->any_hour};
    if (message->prio == SMS_PRIO_PANIC)
        return hold;
    struct pace_limits limits;
    bool own = limits_of(outbox, message->phone, &limits);
    hold.any_hour = hold.any_hour || (!own && pace_is_quiet(&limits, due));
    hold.due_ms = after_caps(outbox, message->phone, message->prio, 0, 0, due);
    if (hold.due_ms > due)
        hold.why = "cap";
    bool may = message->prio == SMS_PRIO_DUTY && hold.any_hour;
    int64_t awake = may ? hold.due_ms : pace_after_quiet(&limits, hold.due_ms);
    if (awake > hold.due_ms)
        hold.why = "quiet";
    hold.due_ms = awake;
    if (text_equal(hold.why, "cap"))
        log_warn("sms.capped", "idem=%s later_s=%lld", message->idem,
                 (long long)(hold.due_ms - due) / 1000);
    return hold;
}

/* The last thing this number was sent: a change of a duty there and back again is no repetition. */
bool outbox_is_repeated(struct outbox *outbox, const struct outbox_message *message)
{
    if (message->prio == SMS_PRIO_PANIC || message->may_repeat || outbox->limits.same_text_ms == 0)
        return false;
    return replica_get_int(outbox->replica, 0,
                           "SELECT unseal(body) = ?2 AND created_at > ?3 FROM outbox"
                           " WHERE phone = ?1 AND state NOT IN ('cancelled', 'expired', 'failed')"
                           " ORDER BY seq DESC LIMIT 1",
                           "ssi", message->phone, message->text,
                           outbox_now(outbox) - outbox->limits.same_text_ms) != 0;
}

/* --- the quiet hours begin --- */

#define LOUD                                                                                       \
    "state = 'queued' AND prio > 0 AND due_at <= ?1 AND (prio > 1 OR NOT"                          \
    " (SELECT o.any_hour FROM outbox o WHERE o.seq = outbox_part.message_seq))"

/* Numbers with quiet hours of their own. */
#define OWN                                                                                        \
    " AND EXISTS (SELECT 1 FROM outbox o JOIN quiet_phone q ON q.phone = o.phone"                  \
    " WHERE o.seq = outbox_part.message_seq"

static void hold_station(struct outbox *outbox, int64_t now)
{
    if (!pace_is_quiet(&outbox->limits, now) ||
        replica_get_int(outbox->replica, 0,
                        "SELECT 1 FROM outbox_part WHERE " LOUD " AND NOT (1" OWN ")) LIMIT 1", "i",
                        now) == 0)
        return;
    int64_t end = pace_after_quiet(&outbox->limits, now);
    replica_enter(outbox->replica);
    replica_run(outbox->replica,
                "UPDATE outbox SET wait = 'quiet', goes_at = ?2 WHERE seq IN"
                " (SELECT message_seq FROM outbox_part WHERE " LOUD " AND NOT (1" OWN ")))",
                "ii", now, end);
    int64_t held = replica_run(
        outbox->replica, "UPDATE outbox_part SET due_at = ?2 WHERE " LOUD " AND NOT (1" OWN "))",
        "ii", now, end);
    log_info("sms.quiet", "parts=%lld", (long long)held);
    replica_leave(outbox->replica, true);
}

/* One message of somebody who has quiet hours of his own now: false when there is none. */
static bool hold_own(struct outbox *outbox, int64_t now)
{
    char phone[LIMIT_SEALED_PHONE_BYTES];
    struct pace_limits limits;
    int64_t minute = (now - caltime_midnight(now, 0)) / CALTIME_MINUTE_MS;
    int64_t seq = replica_get_int(
        outbox->replica, 0,
        "SELECT message_seq FROM outbox_part WHERE " LOUD OWN
        " AND CASE WHEN q.from_min <= q.to_min THEN ?2 >= q.from_min AND ?2 < q.to_min"
        " ELSE ?2 >= q.from_min OR ?2 < q.to_min END) LIMIT 1",
        "ii", now, minute);
    if (seq == 0 || !replica_get_text(outbox->replica, phone, sizeof phone,
                                      "SELECT phone FROM outbox WHERE seq = ?1", "i", seq))
        return false;
    limits_of(outbox, phone, &limits);
    int64_t end = pace_after_quiet(&limits, now);
    replica_enter(outbox->replica);
    replica_run(outbox->replica, "UPDATE outbox SET wait = 'quiet', goes_at = ?2 WHERE seq = ?1",
                "ii", seq, end);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET due_at = ?2 WHERE message_seq = ?3 AND " LOUD, "iii", now,
                end, seq);
    return replica_leave(outbox->replica, true);
}

void outbox_hold_quiet(struct outbox *outbox)
{
    int64_t now = outbox_now(outbox);
    hold_station(outbox, now);
    if (replica_get_int(outbox->replica, 0, "SELECT 1 FROM quiet_phone LIMIT 1", "") == 0)
        return;
    while (hold_own(outbox, now))
        continue;
}

/* --- later than it was to go --- */

struct late {
    char phone[LIMIT_SEALED_PHONE_BYTES];
    int64_t goes_at;
    int prio;
};

static bool load_late(struct outbox *outbox, int64_t seq, struct late *ret)
{
    struct query *query =
        replica_query(outbox->replica, "SELECT phone, goes_at, prio FROM outbox WHERE seq = ?1"
                                       " AND prio > ?2 AND state = 'queued' AND goes_at < ?3"
                                       " AND NOT EXISTS (SELECT 1 FROM outbox_part WHERE"
                                       " message_seq = ?1 AND submitted_at IS NOT NULL)");
    query_int(query, 1, seq);
    query_int(query, 2, SMS_PRIO_PANIC);
    query_int(query, 3, outbox_now(outbox) - LATE_MS);
    bool found = query_row(query);
    if (found) {
        text_copy(ret->phone, sizeof ret->phone, query_get_text(query, 0));
        ret->goes_at = query_get_int(query, 1);
        ret->prio = (int)query_get_int(query, 2);
    }
    query_done(query);
    return found;
}

/* The caps were asked when it was put; since then what went before it may have gone later, too.
 * What was tried or is half sent is not held any more. */
bool outbox_hold_late(struct outbox *outbox, int64_t seq)
{
    struct late late;
    int64_t now = outbox_now(outbox);
    if (!load_late(outbox, seq, &late))
        return false;
    int64_t at = after_caps(outbox, late.phone, late.prio, seq, now, now);
    if (at <= now)
        return false;
    replica_run(outbox->replica, "UPDATE outbox SET wait = 'cap', goes_at = ?2 WHERE seq = ?1",
                "ii", seq, at);
    replica_run(outbox->replica,
                "UPDATE outbox_part SET due_at = ?2 WHERE message_seq = ?1 AND state = 'queued'",
                "ii", seq, at);
    log_warn("sms.capped", "seq=%lld late_s=%lld later_s=%lld", (long long)seq,
             (long long)(now - late.goes_at) / 1000, (long long)(at - now) / 1000);
    return true;
}

void outbox_hold_gone(struct outbox *outbox, int64_t seq)
{
    replica_run(outbox->replica, "UPDATE outbox SET goes_at = ?2 WHERE seq = ?1", "ii", seq,
                outbox_now(outbox));
}

/* --- the operator --- */

void outbox_set_paused(struct outbox *outbox, bool paused)
{
    if (paused == outbox->paused)
        return;
    outbox->paused = paused;
    if (paused)
        replica_run(outbox->replica,
                    "INSERT OR IGNORE INTO sms_mark(name, at) VALUES ('paused', ?1)", "i",
                    outbox_now(outbox));
    else
        replica_run(outbox->replica, "DELETE FROM sms_mark WHERE name = 'paused'", "");
    log_warn("sms.paused", "paused=%d", paused);
    outbox->port.wake(outbox->port.ctx);
}

int64_t outbox_paused_since(struct outbox *outbox)
{
    return replica_get_int(outbox->replica, 0, "SELECT at FROM sms_mark WHERE name = 'paused'", "");
}

/* --- when will it go --- */

/* Queued parts that are due and come before this one. */
static int64_t parts_before(struct outbox *outbox, int prio, int64_t due, int64_t seq)
{
    return replica_get_int(outbox->replica, 0,
                           "SELECT count(*) FROM outbox_part WHERE state = 'queued'"
                           " AND due_at <= ?1 AND (prio < ?2 OR (prio = ?2 AND (due_at < ?3 OR"
                           " (due_at = ?3 AND message_seq < ?4))))",
                           "iiii", outbox_now(outbox), (int64_t)prio, due, seq);
}

/* What the SIMs take together until then; `most` ends the count. */
static int64_t reach_all(struct outbox *outbox, int prio, int64_t until, int most)
{
    int64_t sum = 0;
    for (size_t i = 0; i < outbox->port.modem_count; i++)
        if (outbox->port.hopeful(outbox->port.ctx, i) && !outbox->paused)
            sum += pace_reach(&outbox->sims[i], outbox->buckets[i], prio, outbox->part_ms[i],
                              outbox_now(outbox), until, most);
    return sum;
}

int outbox_reach(struct outbox *outbox, int prio, int64_t until_ms)
{
    int64_t before = parts_before(outbox, prio, INT64_MAX, INT64_MAX);
    int64_t sum = reach_all(outbox, prio, until_ms, HOLD_REACH_MAX) - before;
    return sum < 0 ? 0 : sum > HOLD_REACH_MAX ? HOLD_REACH_MAX : (int)sum;
}

/* The time by which `count` parts are out, by halving; within a day. */
static int64_t time_for(struct outbox *outbox, int prio, int64_t count)
{
    int64_t low = outbox_now(outbox), high = low + INT64_C(24) * 3600 * 1000;
    while (high - low > 1000) {
        int64_t mid = low + (high - low) / 2;
        if (reach_all(outbox, prio, mid, HOLD_REACH_MAX) >= count)
            high = mid;
        else
            low = mid;
    }
    return high;
}

struct waiting {
    int64_t seq, due;
    int prio, tries;
    bool refused; /* its number is left alone for a while */
    char wait[16];
};

static bool load_waiting(struct outbox *outbox, const char *id, struct waiting *ret)
{
    struct query *query = replica_query(
        outbox->replica,
        "SELECT o.seq, p.due_at, p.prio, p.tries, coalesce(o.wait, ''),"
        " EXISTS (SELECT 1 FROM outbox_pause x WHERE x.phone = o.phone AND x.until_at >= p.due_at)"
        " FROM outbox o JOIN outbox_part p ON p.message_seq = o.seq WHERE o.id = ?1"
        " AND p.state = 'queued' ORDER BY p.due_at DESC LIMIT 1");
    query_text(query, 1, id);
    bool found = query_row(query);
    if (found) {
        *ret = (struct waiting){.seq = query_get_int(query, 0),
                                .due = query_get_int(query, 1),
                                .prio = (int)query_get_int(query, 2),
                                .tries = (int)query_get_int(query, 3),
                                .refused = query_get_int(query, 5) != 0};
        text_copy(ret->wait, sizeof ret->wait, query_get_text(query, 4));
    }
    query_done(query);
    return found;
}

static const char *why_later(const struct waiting *waiting)
{
    if (waiting->refused)
        return "refused";
    if (text_equal(waiting->wait, "cap"))
        return "cap";
    if (text_equal(waiting->wait, "quiet"))
        return "quiet";
    return waiting->tries > 0 ? "retry" : "not_before";
}

bool outbox_expect(struct outbox *outbox, const char *id, struct outbox_expectation *ret)
{
    struct waiting waiting;
    if (!load_waiting(outbox, id, &waiting))
        return false;
    int64_t now = outbox_now(outbox);
    int64_t opens = outbox_opens(outbox, waiting.prio);
    *ret = (struct outbox_expectation){.reason = why_later(&waiting), .at_ms = waiting.due};
    if (outbox->paused && waiting.prio > SMS_PRIO_PANIC)
        *ret = (struct outbox_expectation){"paused", 0};
    else if (opens == INT64_MAX)
        *ret = (struct outbox_expectation){"no_modem", 0};
    else if (waiting.due <= now)
        *ret = (struct outbox_expectation){
            opens > now ? "pace" : "queue",
            time_for(outbox, waiting.prio,
                     parts_before(outbox, waiting.prio, waiting.due, waiting.seq) + 1)};
    return true;
}
