/* The inbox; see inbox.h.
 *
 * A PDU is stored first, sealed, under a key made of its bytes: the second time it changes nothing.
 * Then it is decoded; a text of one part is given out at once, a part joins its set (reassemble.h)
 * and the set is given out when it is whole, or with gaps when 15 minutes have passed; a part that
 * comes later still amends the row, without giving it out again.
 *
 * What cannot be read stays as kind 'bad' with its reason. on_text runs in a handler of its own; if
 * that fails the row stays as 'unhandled', and the PDU leaves the SIM all the same: one text that
 * trips somebody must not fill the SIM or stop the others. */
#include "sms/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/inbox_internal.h"
#include "sms/reassemble.h"
#include "sync/replica/seal.h"

enum {
    BODY_MAX_BYTES = LIMIT_SMS_PARTS * TPDU_TEXT_BYTES,
    TICK_ROWS = 50,
    MOBILE_DIGITS = 13, /* 86 and 11 digits */
    ABROAD_DIGITS_MIN = 8,
};

struct inbox {
    struct inbox_options options;
};

/* A text on its way in. */
struct incoming {
    int64_t pdu_seq;
    struct tpdu tpdu;
    char number[TPDU_ADDRESS_BYTES];
    char phone[2 * LIMIT_SEALED_PHONE_BYTES];
    bool can_answer;
    int64_t heard_ms;
};

/* The sets that a part could belong to, newest first, with their texts. */
struct sets {
    size_t count;
    struct reassemble_set set[REASSEMBLE_SETS];
    int64_t seq[REASSEMBLE_SETS];
    struct reassemble_part *parts[REASSEMBLE_SETS];
};

int inbox_open(const struct inbox_options *options, struct inbox **ret, struct err *err)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL)
        return err_set(err, ERR_NOMEM, "inbox: out of memory");
    inbox->options = *options;
    *ret = inbox;
    return ERR_OK;
}

void inbox_close(struct inbox *inbox)
{
    free(inbox);
}

static int64_t now_of(const struct inbox *inbox)
{
    return clock_wall_ms(replica_clock(inbox->options.replica));
}

/* --- storing --- */

/* The row's number, 0 when these bytes were here before, -1 when it failed. */
static int64_t store_pdu(struct inbox *inbox, const char *modem, const char *hex)
{
    struct replica *replica = inbox->options.replica;
    size_t size = strlen(hex);
    char *sealed = malloc(seal_size(size));
    if (sealed == NULL)
        return -1;
    seal_text(replica_seal(replica), hex, size, true, sealed);
    int64_t changed =
        replica_run(replica,
                    "INSERT INTO inbox_pdu(pdu, modem, heard_at, kind) SELECT ?1, ?2, ?3, 'text'"
                    " WHERE NOT EXISTS (SELECT 1 FROM inbox_pdu WHERE pdu = substr(?1, 1, 48))"
                    " ON CONFLICT(pdu) DO NOTHING",
                    "ssi", sealed, modem, now_of(inbox));
    int64_t seq = changed;
    if (changed == 1)
        seq = replica_get_int(replica, -1, "SELECT seq FROM inbox_pdu WHERE pdu = ?1", "s", sealed);
    free(sealed);
    return seq;
}

/* The first 48 digits of a seal are a keyed hash of what is sealed (seal.c: the nonce): enough to
 * know the PDU again when the SIM offers it once more, and nothing of it can be read. */
void inbox_erase_phone(struct inbox *inbox, const char *phone)
{
    struct replica *replica = inbox->options.replica;
    replica_run(replica,
                "UPDATE inbox_pdu SET pdu = substr(pdu, 1, 48), text = NULL WHERE inbox_seq IN"
                " (SELECT seq FROM inbox WHERE phone = ?1 AND state <> 'waiting')",
                "s", phone);
    replica_run(replica, "UPDATE inbox SET body = NULL WHERE phone = ?1 AND state <> 'waiting'",
                "s", phone);
}

void inbox_forget_phone(struct inbox *inbox, const char *phone)
{
    struct replica *replica = inbox->options.replica;
    replica_run(replica,
                "DELETE FROM inbox_pdu WHERE inbox_seq IN"
                " (SELECT seq FROM inbox WHERE phone = ?1 AND state <> 'waiting')",
                "s", phone);
    replica_run(replica, "DELETE FROM inbox WHERE phone = ?1 AND state <> 'waiting'", "s", phone);
}

static void mark_pdu(struct inbox *inbox, int64_t pdu_seq, const char *kind, const char *reason)
{
    replica_run(inbox->options.replica,
                "UPDATE inbox_pdu SET kind = ?2, reason = ?3 WHERE seq = ?1", "iss", pdu_seq, kind,
                reason);
}

static void link_pdu(struct inbox *inbox, const struct incoming *in, int64_t inbox_seq, int part)
{
    replica_run(inbox->options.replica,
                "UPDATE inbox_pdu SET inbox_seq = ?2, part = ?3, text = seal(?4), head_low = ?5,"
                " tail_high = ?6 WHERE seq = ?1",
                "iiisii", in->pdu_seq, inbox_seq, (int64_t)part, in->tpdu.text,
                (int64_t)in->tpdu.head_low, (int64_t)in->tpdu.tail_high);
}

static int64_t insert_text(struct inbox *inbox, const struct incoming *in, int total)
{
    struct replica *replica = inbox->options.replica;
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(replica, id);
    int64_t sent = in->tpdu.sent_ms > 0 ? in->tpdu.sent_ms : in->heard_ms;
    const struct tpdu_concat *concat = &in->tpdu.concat;
    replica_run(
        replica,
        "INSERT INTO inbox(id, phone, parts, have, can_answer, sent_at, heard_at, state,"
        " concat_ref, concat_wide, deadline_at) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, 'waiting',"
        " CASE WHEN ?3 > 1 THEN ?7 END, ?8, ?9)",
        "ssiiiiiii", id, in->phone, (int64_t)total, (int64_t)in->can_answer, sent, in->heard_ms,
        (int64_t)concat->ref, (int64_t)concat->wide, reassemble_deadline_ms(in->heard_ms));
    return replica_get_int(replica, -1, "SELECT seq FROM inbox WHERE id = ?1", "s", id);
}

/* --- giving out --- */

/* Runs on_text on the row; its failure is its own. */
static void give_out(struct inbox *inbox, int64_t seq, const struct inbox_text *text)
{
    struct replica *replica = inbox->options.replica;
    replica_run(replica,
                "UPDATE inbox SET state = 'handled', body = seal(?2), deadline_at = NULL"
                " WHERE seq = ?1",
                "is", seq, text->body);
    if (inbox->options.on_text == NULL)
        return;
    replica_enter(replica);
    inbox->options.on_text(inbox->options.ctx, text);
    if (replica_leave(replica, true))
        return;
    log_error("sms.unhandled", "inbox=%s", text->id);
    replica_run(replica, "UPDATE inbox SET state = 'unhandled', reason = ?2 WHERE seq = ?1", "is",
                seq, "the handler failed");
}

static void give_out_single(struct inbox *inbox, const struct incoming *in)
{
    int64_t seq = insert_text(inbox, in, 1);
    if (seq < 0)
        return;
    char id[LIMIT_ID_BYTES + 1];
    replica_get_text(inbox->options.replica, id, sizeof id, "SELECT id FROM inbox WHERE seq = ?1",
                     "i", seq);
    link_pdu(inbox, in, seq, 1);
    replica_run(inbox->options.replica, "UPDATE inbox SET have = 1 WHERE seq = ?1", "i", seq);
    struct inbox_text text = {
        .id = id,
        .phone = in->phone,
        .number = in->number,
        .body = in->tpdu.text,
        .sent_at_ms = in->tpdu.sent_ms > 0 ? in->tpdu.sent_ms : in->heard_ms,
        .heard_at_ms = in->heard_ms,
        .can_answer = in->can_answer,
        .complete = true,
    };
    give_out(inbox, seq, &text);
}

/* --- sets of parts --- */

static void free_parts(struct reassemble_part *parts, size_t count)
{
    for (size_t i = 0; parts != NULL && i < count; i++)
        free((char *)(uintptr_t)parts[i].text);
    free(parts);
}

/* NULL when memory is short or there is none. */
static struct reassemble_part *load_parts(struct inbox *inbox, int64_t seq, size_t *ret_count)
{
    struct reassemble_part *parts = calloc(LIMIT_SMS_PARTS, sizeof *parts);
    size_t count = 0;
    *ret_count = 0;
    if (parts == NULL)
        return NULL;
    struct query *query = replica_query(
        inbox->options.replica, "SELECT part, unseal(text), head_low, tail_high FROM inbox_pdu"
                                " WHERE inbox_seq = ?1 AND part > 0 ORDER BY part");
    query_int(query, 1, seq);
    while (count < LIMIT_SMS_PARTS && query_row(query)) {
        const char *text = query_get_text(query, 1);
        struct reassemble_part *part = &parts[count];
        part->part = (int)query_get_int(query, 0);
        part->head_low = (uint16_t)query_get_int(query, 2);
        part->tail_high = (uint16_t)query_get_int(query, 3);
        part->text = strdup(text != NULL ? text : "");
        if (part->text == NULL)
            break;
        count++;
    }
    query_done(query);
    *ret_count = count;
    return parts;
}

static void load_sets(struct inbox *inbox, const struct incoming *in, struct sets *ret)
{
    ret->count = 0;
    struct query *query = replica_query(
        inbox->options.replica,
        "SELECT seq, sent_at, heard_at FROM inbox WHERE phone = ?1 AND concat_ref = ?2"
        " AND concat_wide = ?3 AND parts = ?4 ORDER BY seq DESC LIMIT ?5");
    query_text(query, 1, in->phone);
    query_int(query, 2, in->tpdu.concat.ref);
    query_int(query, 3, in->tpdu.concat.wide);
    query_int(query, 4, in->tpdu.concat.total);
    query_int(query, 5, REASSEMBLE_SETS);
    while (ret->count < REASSEMBLE_SETS && query_row(query)) {
        size_t i = ret->count++;
        ret->seq[i] = query_get_int(query, 0);
        ret->set[i] = (struct reassemble_set){.generation = REASSEMBLE_SETS - (int)i,
                                              .sent_ms = query_get_int(query, 1),
                                              .heard_ms = query_get_int(query, 2)};
    }
    query_done(query);
    for (size_t i = 0; i < ret->count; i++) {
        ret->parts[i] = load_parts(inbox, ret->seq[i], &ret->set[i].count);
        ret->set[i].parts = ret->parts[i];
    }
}

static void free_sets(struct sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        free_parts(sets->parts[i], sets->set[i].count);
}

struct row {
    char id[LIMIT_ID_BYTES + 1];
    char phone[2 * LIMIT_SEALED_PHONE_BYTES];
    char number[TPDU_ADDRESS_BYTES];
    int total;
    int have;
    bool waiting;
    bool can_answer;
    int64_t sent_ms;
    int64_t heard_ms;
};

static bool load_row(struct inbox *inbox, int64_t seq, struct row *ret)
{
    struct query *query = replica_query(
        inbox->options.replica, "SELECT id, phone, unseal(phone), parts, have, state = 'waiting',"
                                " can_answer, sent_at, heard_at FROM inbox WHERE seq = ?1");
    query_int(query, 1, seq);
    bool found = query_row(query) && !query_is_null(query, 2);
    if (found) {
        text_copy(ret->id, sizeof ret->id, query_get_text(query, 0));
        text_copy(ret->phone, sizeof ret->phone, query_get_text(query, 1));
        text_copy(ret->number, sizeof ret->number, query_get_text(query, 2));
        ret->total = (int)query_get_int(query, 3);
        ret->have = (int)query_get_int(query, 4);
        ret->waiting = query_get_int(query, 5) != 0;
        ret->can_answer = query_get_int(query, 6) != 0;
        ret->sent_ms = query_get_int(query, 7);
        ret->heard_ms = query_get_int(query, 8);
    }
    query_done(query);
    return found;
}

static bool join_text(struct inbox *inbox, int64_t seq, int total, struct buf *out)
{
    size_t count;
    struct reassemble_part *parts = load_parts(inbox, seq, &count);
    bool ok = parts != NULL && reassemble_join(parts, count, total, out);
    free_parts(parts, count);
    return ok;
}

/* A set that is whole or has waited long enough is given out; one that was given out is amended. */
static void settle_set(struct inbox *inbox, int64_t seq)
{
    struct row row;
    struct buf body;
    if (!load_row(inbox, seq, &row))
        return;
    buf_init(&body, BODY_MAX_BYTES);
    if (!join_text(inbox, seq, row.total, &body)) {
        log_error("sms.join", "inbox=%s cannot be put together", row.id);
    } else if (row.waiting) {
        struct inbox_text text = {row.id,      row.phone,    row.number,     buf_text(&body),
                                  row.sent_ms, row.heard_ms, row.can_answer, row.have == row.total};
        give_out(inbox, seq, &text);
    } else {
        replica_run(inbox->options.replica, "UPDATE inbox SET body = seal(?2) WHERE seq = ?1", "is",
                    seq, buf_text(&body));
        log_info("sms.amended", "inbox=%s have=%d of=%d", row.id, row.have, row.total);
    }
    buf_free(&body);
}

static void add_part(struct inbox *inbox, const struct incoming *in, int64_t seq, bool complete)
{
    struct replica *replica = inbox->options.replica;
    link_pdu(inbox, in, seq, in->tpdu.concat.part);
    replica_run(replica, "UPDATE inbox SET have = have + 1 WHERE seq = ?1", "i", seq);
    bool waiting = replica_get_int(replica, 0, "SELECT state = 'waiting' FROM inbox WHERE seq = ?1",
                                   "i", seq) != 0;
    if (complete || !waiting)
        settle_set(inbox, seq);
}

static void take_part(struct inbox *inbox, const struct incoming *in)
{
    struct sets sets;
    struct reassemble_decision decision;
    const struct tpdu_concat *concat = &in->tpdu.concat;
    struct reassemble_part part = {.text = in->tpdu.text,
                                   .part = concat->part,
                                   .head_low = in->tpdu.head_low,
                                   .tail_high = in->tpdu.tail_high};
    load_sets(inbox, in, &sets);
    int code = reassemble_decide(sets.set, sets.count, &part, concat->total, in->tpdu.sent_ms,
                                 in->heard_ms, &decision, NULL);
    int64_t seq = -1;
    if (code == ERR_OK && decision.verdict != REASSEMBLE_NEW)
        seq = sets.seq[decision.set];
    free_sets(&sets);
    if (code != ERR_OK) {
        give_out_single(inbox, in);
    } else if (decision.verdict == REASSEMBLE_DUPLICATE) {
        mark_pdu(inbox, in->pdu_seq, "doubled", NULL);
    } else {
        if (decision.verdict == REASSEMBLE_NEW)
            seq = insert_text(inbox, in, concat->total);
        if (seq >= 0)
            add_part(inbox, in, seq, decision.complete);
    }
}

/* --- coming in --- */

/* Short codes, service numbers and names are machines: answering them makes loops that cost money.
 * A person writes from a mobile (86 and eleven digits from 1; 106 is the access number of services,
 * 100 is assigned to nobody and stands for people in examples) or from a full number abroad. */
static bool is_person(const char *number, bool alphanumeric)
{
    size_t digits = number[0] == '+' ? strlen(number + 1) : 0;
    if (alphanumeric || digits < ABROAD_DIGITS_MIN)
        return false;
    if (strncmp(number, "+86", 3) != 0)
        return true;
    return digits == MOBILE_DIGITS && number[3] == '1' && strncmp(number + 3, "106", 3) != 0;
}

static bool read_sender(struct inbox *inbox, struct incoming *in)
{
    const struct tpdu *tpdu = &in->tpdu;
    if (tpdu->alphanumeric ||
        !text_normalise_phone(tpdu->address, inbox->options.country, in->number, sizeof in->number))
        text_copy(in->number, sizeof in->number, tpdu->address);
    in->can_answer = is_person(in->number, tpdu->alphanumeric);
    return replica_get_text(inbox->options.replica, in->phone, sizeof in->phone,
                            "SELECT seal_phone(?1)", "s", in->number);
}

static void take_text(struct inbox *inbox, struct incoming *in)
{
    char mask[8];
    if (in->tpdu.unreadable[0] != '\0') {
        log_warn("sms.unreadable", "reason=%s", in->tpdu.unreadable);
        mark_pdu(inbox, in->pdu_seq, "bad", in->tpdu.unreadable);
        return;
    }
    if (!read_sender(inbox, in))
        return;
    text_mask_phone(in->number, mask);
    log_info("sms.heard", "from=%s part=%d of=%d", mask,
             in->tpdu.concat.present ? in->tpdu.concat.part : 1,
             in->tpdu.concat.present ? in->tpdu.concat.total : 1);
    if (in->tpdu.concat.present && in->tpdu.concat.total > 1)
        take_part(inbox, in);
    else
        give_out_single(inbox, in);
}

/* Also when the bytes are known: two modems that sent to one number in the same second, with the
 * same reference, get equal reports; and one that is taken twice does no harm. */
static void take_stored_report(struct inbox *inbox, const char *modem, const struct incoming *in)
{
    if (in->pdu_seq > 0)
        mark_pdu(inbox, in->pdu_seq, "report", NULL);
    if (inbox->options.on_report != NULL)
        inbox->options.on_report(inbox->options.ctx, modem, &in->tpdu);
}

void inbox_take(struct inbox *inbox, const char *modem, const char *hex)
{
    struct err err = {0};
    struct incoming in = {.pdu_seq = store_pdu(inbox, modem, hex), .heard_ms = now_of(inbox)};
    bool again = in.pdu_seq <= 0;
    bool bad = tpdu_decode_hex(hex, TPDU_FROM_NETWORK, &in.tpdu, &err) != ERR_OK;
    if (!bad && in.tpdu.kind == TPDU_REPORT) {
        take_stored_report(inbox, modem, &in);
    } else if (again) {
        log_info("sms.again", "modem=%s", modem);
    } else if (bad) {
        log_warn("sms.bad_pdu", "modem=%s reason=%s", modem, err.text);
        mark_pdu(inbox, in.pdu_seq, "bad", err.text);
    } else {
        take_text(inbox, &in);
    }
}

/* --- time --- */

static int64_t next_waiting(struct inbox *inbox, int64_t *ret_seq)
{
    struct query *query =
        replica_query(inbox->options.replica, "SELECT seq, deadline_at FROM inbox WHERE"
                                              " state = 'waiting' ORDER BY deadline_at LIMIT 1");
    bool found = query_row(query);
    int64_t at = found ? query_get_int(query, 1) : INT64_MAX;
    *ret_seq = found ? query_get_int(query, 0) : -1;
    query_done(query);
    return at;
}

int64_t inbox_next_due_ms(struct inbox *inbox)
{
    int64_t seq;
    return next_waiting(inbox, &seq);
}

void inbox_tick(struct inbox *inbox)
{
    int64_t seq;
    struct replica *replica = inbox->options.replica;
    for (int i = 0; i < TICK_ROWS && next_waiting(inbox, &seq) <= now_of(inbox); i++) {
        replica_enter(replica);
        settle_set(inbox, seq);
        if (!replica_leave(replica, true))
            return;
    }
}
