/* Short messages, the whole: the modems' supervisors, the outbox and the inbox behind one door.
 *
 * sms_init() takes over what the last run left in flight, sms_start() starts the workers and sends
 * what is due, sms_close() lets each modem finish the part it is sending (bounded), reaps the
 * workers and calls back. Everything happens on the loop's thread; the owner of the loop commits
 * the replica once a turn (uv_check and uv_prepare). */
#ifndef TOUYAN_SMS_SMS_H
#define TOUYAN_SMS_SMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"
#include "sms/calls.h"
#include "sms/inbox.h"
#include "sms/ladder.h"
#include "sms/outbox.h"
#include "sms/pace.h"

struct sms;

struct sms_modem_options {
    const char *name;        /* "gsm0": key of the sent parts, do not rename lightly */
    const char *device;      /* tty path, best below /dev/serial/by-id; "": where the IMEI is */
    const char *worker_path; /* the touyan-modem executable */
    bool fast_sleeps;        /* demo and tests only: libgammu's sleeps of 100 ms and more by 50 */
    int prompt_ms;           /* 0: 10 s; tests shorten it */
    int send_ms;             /* 0: 60 s; tests shorten it */
    int backoff_ms;          /* 0: 1 s; tests shorten it */
    const char *driver;      /* "gammu" (also NULL), or "at" for a make that it knows */
    const char *imei;        /* the only modem that will do; NULL or "": any */
    const char *const *prefixes; /* numbers beginning so prefer this modem, whatever its network */
    size_t prefix_count;
    const char *scan_dir;      /* NULL: /dev/serial/by-id, where a modem is found by its IMEI */
    const char *pin_file;      /* the SIM's PIN; NULL or "": it has none */
    const char *power_command; /* executable, called with name and path; NULL or "": none */
    const char *balance_code;  /* USSD, asked once a day; NULL or "": not */
    int balance_low;           /* whole units of money: below it the balance is low */
    int beat_ms;               /* 0: 15 s between two looks after it; tests shorten it */
    int ladder_ms;             /* 0: 2 min between two remedies; tests shorten it */
    struct pace_sim pace;      /* what its SIM may send; zero: without a limit */
    const char *smsc;          /* service centre for a SIM that has none; NULL or "": the SIM's */
};

/* What is known about a modem. Texts are valid until the loop turns. */
struct sms_modem_status {
    const char *name;
    const char *device;
    const char *state; /* down, starting, ready, sending, mending, draining, backoff */
    const char *imei;  /* "" until it said hello */
    const char *model;
    const char *driver;  /* at work: "gammu" or "at"; "" until it said hello */
    const char *make;    /* "quectel", "simcom", "huawei"; "" for others */
    const char *network; /* country and network code of the SIM: "46000"; "" not known */
    const char *problem; /* why it is not ready, "" when it is */
    int64_t since_ms;    /* wall time of the last change of state */
    int csq;             /* 0 to 31, 99 not known (3GPP TS 27.007 8.5) */
    int registration;    /* 1 home, 5 roaming, 0 and 2 searching, 3 denied, -1 not known */
    int sim_used;        /* places of its memory; of 0: not known */
    int sim_size;
    int64_t restarts;
    int64_t sent;
    int64_t unknown_sends;
    int64_t clock_off_ms; /* the network's time less ours */
    int64_t clock_at_ms;  /* when that was heard, 0: never */
    const char *balance;  /* the network's words, "" never heard */
    int64_t balance_at_ms;
    int64_t balance_cents; /* valid when balance_known */
    bool balance_known;
    bool balance_is_low;
    const struct ladder *ladder; /* remedies: how often, and when last */
};

struct sms_callbacks {
    void *ctx;
    inbox_text_fn *on_text;
    /* A modem changed its state; may be NULL. */
    void (*on_state)(void *ctx, const struct sms_modem_status *status);
    /* A modem told the time of its network (UTC), about once a minute; may be NULL. */
    void (*on_time)(void *ctx, const char *modem, int64_t utc_ms);
    /* A call from here is over. In a handler; may be NULL. */
    void (*on_call)(void *ctx, const struct calls_end *end);
    /* Somebody rang and was not answered: `id` is this call's, phone is sealed, number clear. Who
     * hides his number is not told. In a handler; may be NULL. */
    void (*on_ring)(void *ctx, const char *id, const char *phone, const char *number);
    /* No modem worked from `since` to `until`, an hour or more; what ran out meanwhile is expired.
     * In a handler; may be NULL. */
    void (*on_outage)(void *ctx, int64_t since, int64_t until);
};

struct sms_options {
    uv_loop_t *loop;
    struct replica *replica;
    const struct clock *clock;
    struct rnd *rnd;
    const char *country; /* digits for numbers without a prefix; NULL: "86" */
    /* Reads the first line of a secret file; NULL: no SIM may have a PIN. */
    int (*read_secret)(const char *path, char *ret, size_t size, struct err *err);
    struct sms_modem_options modems[LIMIT_MODEMS];
    size_t modem_count;
    struct pace_limits limits;
    struct sms_callbacks callbacks;
};

/* The options' texts must outlive sms. */
int sms_init(const struct sms_options *options, struct sms **ret, struct err *err);
int sms_start(struct sms *sms, struct err *err);
/* Asynchronous; the callback is the last thing that happens, sms is freed before it. */
void sms_close(struct sms *sms, void (*on_closed)(void *ctx), void *ctx);

struct outbox *sms_outbox(struct sms *sms);
struct calls *sms_calls(struct sms *sms);

/* For SIGHUP: caps and quiet hours, from the next message on. */
void sms_set_limits(struct sms *sms, const struct pace_limits *limits);

/* Forgets the texts that were exchanged with a (sealed) phone, for somebody who wants no more of
 * them; that and when messages went stays. Inside a handler. */
void sms_erase_phone(struct sms *sms, const char *phone);

/* Forgets that there ever were messages to or from a (sealed) phone: all of them go, but what is
 * still on its way. Inside a handler. */
void sms_forget_phone(struct sms *sms, const char *phone);

size_t sms_modem_count(const struct sms *sms);
/* Asks the network of this modem for the balance; it is in the status some seconds later. */
void sms_ask_balance(struct sms *sms, size_t index);
bool sms_modem_status(const struct sms *sms, size_t index, struct sms_modem_status *ret);

/* Fast time: nothing due, nothing under way; when the next thing is due (INT64_MAX: never); and to
 * be called after the wall clock jumped (it is also noticed within a second). */
bool sms_idle(struct sms *sms);
int64_t sms_next_due_ms(struct sms *sms);
void sms_wake(struct sms *sms);

/* As if `number` had sent `body` (UTF-8, split into parts like a phone does) to this station: goes
 * through the decoder, the inbox and on_text. Inside or outside a handler. */
int sms_simulate(struct sms *sms, const char *number, const char *body, struct err *err);

#endif
