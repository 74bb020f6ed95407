/* Shared by the files of the outbox, by the facade and by their tests. */
#ifndef TOUYAN_SMS_OUTBOX_INTERNAL_H
#define TOUYAN_SMS_OUTBOX_INTERNAL_H

#include <stddef.h>

#include "sms/frame.h"
#include "sms/outbox.h"
#include "sms/pace.h"

/* How the outbox reaches the modems; tests bring their own. */
struct outbox_port {
    void *ctx;
    size_t modem_count;
    const char *(*name)(void *ctx, size_t modem);
    bool (*ready)(void *ctx, size_t modem);   /* takes a part now */
    bool (*hopeful)(void *ctx, size_t modem); /* ready, or will be without anybody's help */
    /* How well it suits this number: the higher the better; of equals the one that sent less. */
    int (*score)(void *ctx, size_t modem, const char *number);
    int64_t (*load)(void *ctx, size_t modem);
    /* False: it cannot any more; nothing was written. */
    bool (*submit)(void *ctx, size_t modem, const struct frame *submit);
    void (*rest)(void *ctx, size_t modem);  /* restart it after a pause */
    void (*drain)(void *ctx, size_t modem); /* its SIM is full: look through it */
    void (*wake)(void *ctx);                /* call outbox_tick() soon, not from here */
};

struct outbox_options {
    struct replica *replica;
    const char *country; /* digits */
    struct outbox_port port;
    struct pace_limits limits;
    struct pace_sim sims[LIMIT_MODEMS];
};

/* A part and copy of a message. */
struct part_key {
    int64_t seq;
    int part;
    int copy;
};

/* A modem's part under way. Busy until its result is in a turn. */
struct outbox_slot {
    bool busy;
    bool answered; /* outcome and value are set and still have to be committed */
    int64_t job;
    struct part_key key;
    int prio;
    int tries;
    int64_t submitted_ms;
    int64_t submitted_mono_ms;
    enum send_outcome outcome;
    int value;
    char modem[FRAME_NAME_BYTES]; /* of a part found at start */
    struct frame submit;
};

struct outbox {
    struct replica *replica;
    const char *country;
    struct outbox_port port;
    struct outbox_slot slots[LIMIT_MODEMS];
    struct outbox_slot saved[LIMIT_MODEMS]; /* busy: its result is on the way to the commit */
    int64_t last_job;
    struct pace_limits limits;
    struct pace_sim sims[LIMIT_MODEMS];
    struct pace_bucket buckets[LIMIT_MODEMS];
    int64_t part_ms[LIMIT_MODEMS]; /* what one takes, monotonic */
    bool paused;                   /* by the operator: only alarms go */
    bool pump_pending;             /* an after-commit acknowledgement will pump */
};

int outbox_open(const struct outbox_options *options, struct outbox **ret, struct err *err);
void outbox_close(struct outbox *outbox);

/* What the last run left in flight; inside a handler, once, before anything is sent. */
void outbox_recover(struct outbox *outbox);

/* Expires what is too late, saves results that could not be saved, hands out what is due. */
void outbox_tick(struct outbox *outbox);

/* Hands the best due parts to the ready modems; in a handler of its own. */
void outbox_pump(struct outbox *outbox);

/* The result of a job; results of other jobs are late ones and are dropped. */
void outbox_take_result(struct outbox *outbox, size_t modem, int64_t job, enum send_outcome outcome,
                        int value);

/* A delivery report; inside a handler. `number` is clear. Returns false when a statement failed. */
struct outbox_report {
    const char *modem;
    const char *number;
    int mr;
    int status;      /* TP-ST */
    int64_t sent_ms; /* TP-SCTS: when the centre took the message, 0 not known */
    int64_t done_ms; /* TP-DT */
};
bool outbox_take_report(struct outbox *outbox, const struct outbox_report *report);

/* True while an acknowledgement of a commit will still call the outbox. */
bool outbox_is_pending(const struct outbox *outbox);

/* --- between the files of the outbox --- */
int64_t outbox_now(const struct outbox *outbox);
/* Moves a part, writes its history and the message's summary. cause may be NULL. */
void outbox_move(struct outbox *outbox, const struct part_key *key, enum outbox_state state,
                 const char *modem, const char *cause);
/* Only its history: a state that it passed through in this turn. */
void outbox_note(struct outbox *outbox, const struct part_key *key, enum outbox_state state,
                 const char *modem, const char *cause);
enum outbox_state outbox_state_of(const char *name);
void outbox_summarise(struct outbox *outbox, int64_t seq);
/* --- outbox_hold.c --- */
struct outbox_hold {
    int64_t due_ms;
    bool any_hour;
    const char *why; /* NULL: goes at once */
};
void outbox_hold_open(struct outbox *outbox);
struct outbox_hold outbox_hold_put(struct outbox *outbox, const struct outbox_message *message,
                                   int64_t due);
bool outbox_is_repeated(struct outbox *outbox, const struct outbox_message *message);
/* Moves what is due and would wake people to the end of the quiet hours. */
void outbox_hold_quiet(struct outbox *outbox);
/* A message of which nothing went yet, and which should have gone before: true when the caps of its
 * recipient put it off again. */
bool outbox_hold_late(struct outbox *outbox, int64_t seq);
/* A part of it goes now: this is what the caps count. */
void outbox_hold_gone(struct outbox *outbox, int64_t seq);
/* When the SIM's pace lets a part of this priority go: now or later; INT64_MAX: paused. */
int64_t outbox_opens_of(const struct outbox *outbox, size_t modem, int prio);
/* The same for the first of the modems that are hopeful; INT64_MAX: none, or paused. */
int64_t outbox_opens(const struct outbox *outbox, int prio);
void outbox_spend(struct outbox *outbox, size_t modem);
void outbox_took(struct outbox *outbox, size_t modem, int64_t ms);

/* Reports that came before the answer of the modem, or instead of it. */
void outbox_match_early(struct outbox *outbox, const struct outbox_slot *slot, const char *modem);

#endif
