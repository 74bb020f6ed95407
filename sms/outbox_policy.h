/* What the outbox decides, without I/O: which part goes next, what follows from the result of a
 * send, what a delivery report means. */
#ifndef TOUYAN_SMS_OUTBOX_POLICY_H
#define TOUYAN_SMS_OUTBOX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sms_prio {
    SMS_PRIO_PANIC = 0, /* alarms: at least once, before everything else */
    SMS_PRIO_DUTY,      /* somebody must act: changes, requests for a stand-in, answers */
    SMS_PRIO_REMINDER,
    SMS_PRIO_BULK,
    SMS_PRIO_COUNT,
};

enum outbox_state {
    OUTBOX_QUEUED = 0,
    OUTBOX_CLAIMED,   /* being prepared for a modem; never left this program */
    OUTBOX_SUBMITTED, /* may be with the modem */
    OUTBOX_SENT,      /* the network took it and gave a reference */
    OUTBOX_DELIVERED, /* the phone has it */
    OUTBOX_FAILED,
    OUTBOX_EXPIRED,
    OUTBOX_UNKNOWN, /* perhaps sent: crash, unplugged or lost answer */
    OUTBOX_CANCELLED,
    OUTBOX_STATES,
};

const char *outbox_state_name(enum outbox_state state);

/* What came of handing one part to a modem. */
enum send_outcome {
    SEND_OK,        /* +CMGS: value is the message reference, -1 when it was lost */
    SEND_CMS,       /* +CMS ERROR: value (3GPP TS 27.005 3.2.5); 500 for a bare ERROR */
    SEND_CME,       /* +CME ERROR: value (3GPP TS 27.007 9.2) */
    SEND_TIMEOUT,   /* no prompt: certainly not sent */
    SEND_UNPLUGGED, /* the modem or its worker went before the PDU was complete: not sent */
    SEND_UNKNOWN,   /* the PDU was complete and no answer came: perhaps sent */
    SEND_OUTCOMES,
};

/* Who is to blame for a refusal. */
enum send_blame {
    BLAME_NOBODY,
    BLAME_MODEM,     /* 310, 313, 515 and such: mend the modem, the message is not charged */
    BLAME_NETWORK,   /* for now: try again later */
    BLAME_RECIPIENT, /* this number will not work: next message */
    BLAME_MEMORY,    /* the SIM is full: drain it */
};

enum send_blame outbox_blame(enum send_outcome outcome, int value);

struct outbox_verdict {
    enum outbox_state state; /* of the part now */
    int64_t next_at_ms;      /* when state is OUTBOX_QUEUED */
    bool charged;            /* counts as a try */
    bool copy;               /* queue a marked copy at once */
    bool rest_modem;         /* the modem is to be restarted before it gets another part */
    bool drain_sim;
};

enum { OUTBOX_COPIES_MAX = 3, OUTBOX_TRIES_MAX = 12 };

/* `tries` are the charged ones before this send, `copy` is 0 for the first sending. */
struct outbox_verdict outbox_judge(enum send_outcome outcome, int value, int prio, int tries,
                                   int copy, int64_t now_ms);

/* How long a number is left alone after so many refusals in a row (from 0) that were the network's.
 */
int64_t outbox_pause_ms(int prio, int refusals);

/* Of the best due part of each priority, the one to send: index, or -1. Priority first, then age
 * (due time, then order of arrival). What is past its not-after time is never chosen. */
struct outbox_candidate {
    int prio;
    int64_t due_at_ms;
    int64_t not_after_ms;
    int64_t seq;
};
int outbox_pick(const struct outbox_candidate *candidates, size_t count, int64_t now_ms);

/* TP-Status of a delivery report (3GPP TS 23.040 9.2.3.15): the part's state after it. */
enum outbox_state outbox_judge_report(int tp_status, enum outbox_state now);

/* State of a message from the number of its parts in each state (copies of a part count as that
 * part: the caller passes the best state of the part and its copies). */
enum outbox_state outbox_summary(const int counts[OUTBOX_STATES]);

/* Higher is better news: which of a part and its copies speaks for the part. */
int outbox_rank(enum outbox_state state);

/* Writes the text of copy number `copy` ("(再发1)" or "(copy 1)" in front), cut so that it stays
 * within one segment. ret[size] must hold the text and 32 bytes. */
void outbox_mark_copy(const char *text, int copy, char *ret, size_t size);

#endif
