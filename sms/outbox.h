/* The outbox: one row a message for life, one row a part, in the replica (0003_sms.sql).
 *
 * A part goes queued -> claimed -> submitted -> sent -> delivered, or ends failed, expired,
 * cancelled or unknown. `submitted` is committed before the first byte leaves for the worker, so
 * that after a crash no send is forgotten: what was in flight is `unknown`. Unknown alarms are sent
 * again at once with a visible mark (at least once); everything else waits for the delivery report
 * and is never sent again (at most once).
 *
 * Decisions are pure functions in outbox_policy.h and pace.h. Times are UTC milliseconds of the
 * replica's clock. Everything runs on the loop's thread. */
#ifndef TOUYAN_SMS_OUTBOX_H
#define TOUYAN_SMS_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sms/outbox_policy.h"
#include "sync/replica/replica.h"

struct outbox;

struct outbox_message {
    const char *idem;  /* key that makes a repeated put a no-op; never reused for another text */
    const char *phone; /* sealed: text of seal_phone() */
    const char *text;  /* clear UTF-8, at most LIMIT_SMS_UNITS UTF-16 units */
    int prio;          /* enum sms_prio */
    int64_t not_before_ms; /* 0: at once */
    int64_t not_after_ms;  /* never sent after this; 0: a day after now or not_before */
    const char
        *ref_kind;       /* what the message is about, for cancelling and for people; may be NULL */
    const char *ref_id;  /* may be NULL */
    const char *text_id; /* name in the table of texts; may be NULL */
    bool any_hour;       /* urgent ones: quiet hours do not hold it */
    bool may_repeat;     /* the same text to the same number again is meant */
};

/* Puts a message into the queue; to be called inside a handler of the turn (replica_enter). It goes
 * out after that turn's commit. The same idem again changes nothing and returns the first one's id.
 * ERR_INVALID: missing phone or idem, or a text that is empty or not UTF-8. ERR_LIMIT: too long.
 * ERR_IO: the statement failed and the handler is doomed. */
int outbox_put(struct outbox *outbox, const struct outbox_message *message,
               char ret_id[LIMIT_ID_BYTES + 1]);

/* Cancels what is still queued for (ref_kind, ref_id), to one (sealed) phone or, NULL, to all;
 * parts that are under way are left alone. Inside a handler. Returns the number of messages of
 * which something stays unsent, those that expired included; -1 on failure. */
int outbox_cancel(struct outbox *outbox, const char *ref_kind, const char *ref_id,
                  const char *phone, const char *reason);

/* Cancels one message by its id. ERR_NOT_FOUND, or ERR_STATE: nothing of it waits. */
int outbox_cancel_one(struct outbox *outbox, const char *id, const char *reason);

/* Sends again, at once and for an hour, what of a message did not arrive: a copy with its mark.
 * Inside a handler. ERR_NOT_FOUND; ERR_STATE: it is under way, sent, or was copied too often. */
int outbox_retry(struct outbox *outbox, const char *id);

/* While it is paused only alarms go out; kept over a restart. Inside a handler. */
void outbox_set_paused(struct outbox *outbox, bool paused);
int64_t outbox_paused_since(struct outbox *outbox); /* 0: it is not */

/* Quiet hours of one (sealed) phone in place of the station's, minutes after local midnight; equal:
 * none; from_min -1: as the station's again. From the next message on. Inside a handler. */
void outbox_set_quiet(struct outbox *outbox, const char *phone, int from_min, int to_min);

/* Why a queued message has not gone and when it probably will. */
struct outbox_expectation {
    const char *reason; /* not_before, quiet, cap, refused, retry, pace, queue, paused, no_modem */
    int64_t at_ms;      /* 0: nobody knows */
};
bool outbox_expect(struct outbox *outbox, const char *id, struct outbox_expectation *ret);

/* How many more parts of this priority the SIMs can send before then, behind what waits. */
int outbox_reach(struct outbox *outbox, int prio, int64_t until_ms);

/* Cancels everything that is queued for a (sealed) phone. */
int outbox_cancel_phone(struct outbox *outbox, const char *phone, const char *reason);

/* Forgets the texts of what went to a phone; that and when something was sent stays in the book. */
void outbox_erase_phone(struct outbox *outbox, const char *phone);
/* Deletes its messages, but what is still under way. */
void outbox_forget_phone(struct outbox *outbox, const char *phone);

/* True when nothing is due and nothing is under way (due parts that wait for a modem that is not
 * plugged in do not count: only a person can move those). Fast time may jump then. */
bool outbox_idle(struct outbox *outbox);

/* True while a part of an alarm is due and not yet with a modem. */
bool outbox_has_alarm(struct outbox *outbox);

/* When the next queued part is due or runs out; INT64_MAX: nothing waits. */
int64_t outbox_next_due_ms(struct outbox *outbox);

#endif
