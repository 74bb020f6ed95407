/* Delivery reports; see outbox.h. A report names the modem's reference (TP-MR, which wraps at 256),
 * the number and when the centre took the message, so it is matched by (modem, MR, number) within
 * 48 hours; of several the one that was sent nearest to that time, else the newest.
 *
 * Early: it overtakes the answer of AT+CMGS; it is kept open and found when the answer comes.
 * Doubled or late: the part is delivered already and stays so. For a part whose answer was lost,
 * the report is the answer: it is matched by modem and number. What fits nothing stays open, for
 * people. */
#include "sms/outbox_internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { WINDOW_MS = 48 * 3600 * 1000, EARLY_SLACK_MS = 5000 };

struct match {
    struct part_key key;
    enum outbox_state state;
};

static bool read_match(struct query *query, struct match *ret)
{
    bool found = query_row(query);
    if (found)
        *ret = (struct match){
            {query_get_int(query, 0), (int)query_get_int(query, 1), (int)query_get_int(query, 2)},
            outbox_state_of(query_get_text(query, 3))};
    query_done(query);
    return found;
}

static bool match_exact(struct outbox *outbox, const struct outbox_report *report,
                        const char *phone, struct match *ret)
{
    struct query *query = replica_query(
        outbox->replica, "SELECT p.message_seq, p.part, p.copy, p.state FROM outbox_part p"
                         " JOIN outbox m ON m.seq = p.message_seq"
                         " WHERE p.modem = ?1 AND p.mr = ?2 AND m.phone = ?3 AND p.sent_at >= ?4"
                         " ORDER BY CASE WHEN ?5 > 0 THEN abs(p.sent_at - ?5) END, p.sent_at DESC,"
                         " p.message_seq DESC, p.part DESC LIMIT 1");
    query_text(query, 1, report->modem);
    query_int(query, 2, report->mr);
    query_text(query, 3, phone);
    query_int(query, 4, outbox_now(outbox) - WINDOW_MS);
    query_int(query, 5, report->sent_ms);
    return read_match(query, ret);
}

/* Parts whose reference is not known: the answer was lost, wholly or the number in it. */
static bool match_without_reference(struct outbox *outbox, const char *modem, const char *phone,
                                    struct match *ret)
{
    struct query *query = replica_query(
        outbox->replica,
        "SELECT p.message_seq, p.part, p.copy, p.state FROM outbox m"
        " JOIN outbox_part p ON p.message_seq = m.seq"
        " WHERE m.phone = ?2 AND p.modem = ?1 AND p.mr IS NULL AND p.state IN ('unknown', 'sent')"
        " AND p.submitted_at >= ?3 ORDER BY p.submitted_at DESC, p.part DESC LIMIT 1");
    query_text(query, 1, modem);
    query_text(query, 2, phone);
    query_int(query, 3, outbox_now(outbox) - WINDOW_MS);
    return read_match(query, ret);
}

static bool is_under_way(struct outbox *outbox, const char *modem, const char *phone)
{
    return replica_get_int(outbox->replica, 0,
                           "SELECT 1 FROM outbox_part p JOIN outbox m ON m.seq = p.message_seq"
                           " WHERE p.state = 'submitted' AND p.modem = ?1 AND m.phone = ?2 LIMIT 1",
                           "ss", modem, phone) == 1;
}

/* An exact match that is settled already gives way to a part under way: its reference wrapped. */
static bool find_match(struct outbox *outbox, const struct outbox_report *report, const char *phone,
                       struct match *ret)
{
    bool exact = match_exact(outbox, report, phone, ret);
    if (exact && ret->state == OUTBOX_SENT)
        return true;
    if (is_under_way(outbox, report->modem, phone))
        return false;
    return exact || match_without_reference(outbox, report->modem, phone, ret);
}

static void apply(struct outbox *outbox, const struct match *match, int status)
{
    enum outbox_state next = outbox_judge_report(status, match->state);
    if (next == match->state)
        return;
    char cause[32];
    snprintf(cause, sizeof cause, "report %d", status);
    outbox_move(outbox, &match->key, next, NULL, cause);
    log_info("sms.report", "seq=%lld part=%d copy=%d state=%s status=%d", (long long)match->key.seq,
             match->key.part, match->key.copy, outbox_state_name(next), status);
}

static bool seal_number(struct outbox *outbox, const char *number, char *ret, size_t size)
{
    char normal[LIMIT_PHONE_DIGITS + 2];
    if (!text_normalise_phone(number, outbox->country, normal, sizeof normal))
        text_copy(normal, sizeof normal, number);
    return replica_get_text(outbox->replica, ret, size, "SELECT seal_phone(?1)", "s", normal);
}

static bool store(struct outbox *outbox, const struct outbox_report *report, const char *phone,
                  const struct match *match)
{
    int64_t stored =
        replica_run(outbox->replica,
                    "INSERT INTO outbox_report(modem, mr, phone, status, done_at, heard_at)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    "sisiii", report->modem, (int64_t)report->mr, phone, (int64_t)report->status,
                    report->done_ms, outbox_now(outbox));
    if (stored != 1 || match == NULL)
        return stored == 1;
    return replica_run(outbox->replica,
                       "UPDATE outbox_report SET message_seq = ?1, part = ?2, copy = ?3"
                       " WHERE id = last_insert_rowid()",
                       "iii", match->key.seq, (int64_t)match->key.part,
                       (int64_t)match->key.copy) >= 0;
}

bool outbox_take_report(struct outbox *outbox, const struct outbox_report *report)
{
    char phone[LIMIT_SEALED_PHONE_BYTES];
    if (!seal_number(outbox, report->number, phone, sizeof phone))
        return false;
    struct match match;
    bool found = find_match(outbox, report, phone, &match);
    if (!store(outbox, report, phone, found ? &match : NULL))
        return false;
    if (found)
        apply(outbox, &match, report->status);
    else
        log_info("sms.report_open", "modem=%s mr=%d status=%d", report->modem, report->mr,
                 report->status);
    return true;
}

/* ?4 below zero: the reference is not known and the number alone must do. */
static const char early_sql[] =
    "SELECT r.id, r.status FROM outbox_report r JOIN outbox m ON m.phone = r.phone"
    " WHERE m.seq = ?1 AND r.modem = ?2 AND r.message_seq IS NULL AND r.heard_at >= ?3"
    " AND (?4 < 0 OR r.mr = ?4) ORDER BY r.id DESC LIMIT 1";

void outbox_match_early(struct outbox *outbox, const struct outbox_slot *slot, const char *modem)
{
    int mr = slot->outcome == SEND_OK ? slot->value : -1;
    struct query *query = replica_query(outbox->replica, early_sql);
    query_int(query, 1, slot->key.seq);
    query_text(query, 2, modem);
    query_int(query, 3, slot->submitted_ms - EARLY_SLACK_MS);
    query_int(query, 4, mr);
    bool found = query_row(query);
    int64_t id = found ? query_get_int(query, 0) : 0;
    int status = found ? (int)query_get_int(query, 1) : 0;
    query_done(query);
    if (!found)
        return;
    replica_run(outbox->replica,
                "UPDATE outbox_report SET message_seq = ?2, part = ?3, copy = ?4 WHERE id = ?1",
                "iiii", id, slot->key.seq, (int64_t)slot->key.part, (int64_t)slot->key.copy);
    struct match match = {slot->key, slot->outcome == SEND_OK ? OUTBOX_SENT : OUTBOX_UNKNOWN};
    apply(outbox, &match, status);
}
