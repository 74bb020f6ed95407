/* The outbox's decisions; see outbox_policy.h. Pure: the caller brings the time and writes down the
 * verdict.
 *
 * A result is first blamed on somebody, then judged: the modem's faults cost the message nothing,
 * the network's are tried again after a growing pause (short ones for alarms), the recipient's end
 * the message at once so that nobody waits behind it. A send whose answer was lost is unknown: an
 * alarm goes out again with a mark, anything else waits for its delivery report. */
#include "sms/outbox_policy.h"

#include <stdio.h>
#include <string.h>

#include "sms/segment.h"
#include "sms/tpdu.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS };

static const char *const state_names[OUTBOX_STATES] = {
    [OUTBOX_QUEUED] = "queued",       [OUTBOX_CLAIMED] = "claimed",
    [OUTBOX_SUBMITTED] = "submitted", [OUTBOX_SENT] = "sent",
    [OUTBOX_DELIVERED] = "delivered", [OUTBOX_FAILED] = "failed",
    [OUTBOX_EXPIRED] = "expired",     [OUTBOX_UNKNOWN] = "unknown",
    [OUTBOX_CANCELLED] = "cancelled",
};

const char *outbox_state_name(enum outbox_state state)
{
    return state_names[state];
}

static bool is_among(int value, const int *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] == value)
            return true;
    return false;
}

#define IS_AMONG(value, values) is_among(value, values, sizeof(values) / sizeof(values)[0])

/* 3GPP TS 27.005 3.2.5: 1 to 127 are the network's causes (TS 24.011 8.2.5.4), 128 to 255 the
 * service centre's (TS 23.040 9.2.3.22), 300 and above the modem's own. */
static enum send_blame blame_cms(int value)
{
    static const int recipient[] = {1, 8, 10, 21, 27, 28, 29, 30, 50, 69, 128, 130, 144, 159, 176};
    static const int memory[] = {208, 211, 322};
    static const int modem[] = {300, 301, 302, 303, 305, 310, 311, 312, 313,
                                315, 316, 317, 318, 320, 321, 330, 515};
    if (IS_AMONG(value, recipient))
        return BLAME_RECIPIENT;
    if (IS_AMONG(value, memory))
        return BLAME_MEMORY;
    if (IS_AMONG(value, modem))
        return BLAME_MODEM;
    return BLAME_NETWORK;
}

/* 3GPP TS 27.007 9.2.1: 20 memory full, 30 to 32 the network; what is left is SIM and modem. */
static enum send_blame blame_cme(int value)
{
    if (value == 20)
        return BLAME_MEMORY;
    return value >= 30 && value <= 32 ? BLAME_NETWORK : BLAME_MODEM;
}

enum send_blame outbox_blame(enum send_outcome outcome, int value)
{
    switch (outcome) {
    case SEND_CMS:
        return blame_cms(value);
    case SEND_CME:
        return blame_cme(value);
    case SEND_TIMEOUT:
        return BLAME_NETWORK;
    case SEND_UNPLUGGED:
        return BLAME_MODEM;
    default:
        return BLAME_NOBODY;
    }
}

/* Alarms are repeated by their own escalation within minutes, so waiting longer helps nobody. */
int64_t outbox_pause_ms(int prio, int refusals)
{
    static const int64_t alarm[] = {5 * SECOND_MS, 15 * SECOND_MS, 30 * SECOND_MS, MINUTE_MS};
    static const int64_t other[] = {15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS};
    int step = refusals < 0 ? 0 : refusals > 3 ? 3 : refusals;
    return prio == SMS_PRIO_PANIC ? alarm[step] : other[step];
}

static struct outbox_verdict judge_refusal(enum send_blame blame, bool unplugged, int prio,
                                           int tries, int64_t now_ms)
{
    struct outbox_verdict v = {.state = OUTBOX_QUEUED, .next_at_ms = now_ms};
    switch (blame) {
    case BLAME_MODEM:
        v.rest_modem = !unplugged; /* an unplugged one is gone already */
        break;
    case BLAME_MEMORY:
        v.drain_sim = true;
        v.next_at_ms = now_ms + 5 * SECOND_MS;
        break;
    case BLAME_RECIPIENT:
        v.state = OUTBOX_FAILED;
        v.charged = true;
        break;
    default:
        v.charged = true;
        v.next_at_ms = now_ms + outbox_pause_ms(prio, tries);
        if (tries + 1 >= OUTBOX_TRIES_MAX)
            v.state = OUTBOX_FAILED;
    }
    return v;
}

struct outbox_verdict outbox_judge(enum send_outcome outcome, int value, int prio, int tries,
                                   int copy, int64_t now_ms)
{
    if (outcome == SEND_OK)
        return (struct outbox_verdict){.state = OUTBOX_SENT, .charged = true};
    if (outcome == SEND_UNKNOWN)
        return (struct outbox_verdict){.state = OUTBOX_UNKNOWN,
                                       .charged = true,
                                       .next_at_ms = now_ms,
                                       .copy = prio == SMS_PRIO_PANIC && copy < OUTBOX_COPIES_MAX};
    return judge_refusal(outbox_blame(outcome, value), outcome == SEND_UNPLUGGED, prio, tries,
                         now_ms);
}

static bool is_before(const struct outbox_candidate *a, const struct outbox_candidate *b)
{
    if (a->prio != b->prio)
        return a->prio < b->prio;
    if (a->due_at_ms != b->due_at_ms)
        return a->due_at_ms < b->due_at_ms;
    return a->seq < b->seq;
}

int outbox_pick(const struct outbox_candidate *candidates, size_t count, int64_t now_ms)
{
    int best = -1;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].due_at_ms > now_ms || candidates[i].not_after_ms < now_ms)
            continue;
        if (best < 0 || is_before(&candidates[i], &candidates[best]))
            best = (int)i;
    }
    return best;
}

enum outbox_state outbox_judge_report(int tp_status, enum outbox_state now)
{
    if (now == OUTBOX_DELIVERED) /* a late or doubled report takes nothing back */
        return OUTBOX_DELIVERED;
    if (tp_status < TPDU_ST_TRYING)
        return OUTBOX_DELIVERED;
    if (tp_status < TPDU_ST_FAILED)
        return now == OUTBOX_UNKNOWN ? OUTBOX_SENT : now; /* the centre has it: it was sent */
    return OUTBOX_FAILED;
}

int outbox_rank(enum outbox_state state)
{
    static const int rank[OUTBOX_STATES] = {
        [OUTBOX_DELIVERED] = 8, [OUTBOX_SENT] = 7,    [OUTBOX_SUBMITTED] = 6,
        [OUTBOX_CLAIMED] = 5,   [OUTBOX_QUEUED] = 4,  [OUTBOX_UNKNOWN] = 3,
        [OUTBOX_FAILED] = 2,    [OUTBOX_EXPIRED] = 1, [OUTBOX_CANCELLED] = 0,
    };
    return rank[state];
}

/* What moves comes first, then bad news, then the best that all parts have reached. */
enum outbox_state outbox_summary(const int counts[OUTBOX_STATES])
{
    static const enum outbox_state order[] = {OUTBOX_SUBMITTED, OUTBOX_CLAIMED, OUTBOX_QUEUED,
                                              OUTBOX_FAILED,    OUTBOX_UNKNOWN, OUTBOX_EXPIRED,
                                              OUTBOX_CANCELLED, OUTBOX_SENT,    OUTBOX_DELIVERED};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (counts[order[i]] > 0)
            return order[i];
    return OUTBOX_CANCELLED;
}

static void drop_last_character(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && ((unsigned char)text[size - 1] & 0xc0) == 0x80)
        size--;
    if (size > 0)
        text[size - 1] = '\0';
}

void outbox_mark_copy(const char *text, int copy, char *ret, size_t size)
{
    bool plain = tpdu_coding_for(text) == TPDU_GSM7;
    int n = snprintf(ret, size, plain ? "(copy %d) %s" : "(再发%d)%s", copy, text);
    if (n < 0 || (size_t)n >= size)
        ret[size - 1] = '\0';
    struct segments segments;
    while (segment_text(ret, &segments, NULL) == 0 && segments.count > 1)
        drop_last_character(ret);
}
