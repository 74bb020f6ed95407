/* The supervisor of one modem: starts its worker (touyan-modem) over a socketpair, holds it to its
 * deadlines, kills it when it overruns them and starts it again after 1 to 60 s. A device that is
 * not there is a state, not an error: its return is noticed within 2 s, under another name when the
 * modem's IMEI is configured. A modem that loses its network or refuses to send goes up a ladder of
 * remedies (ladder.h).
 *
 * Deadlines run on the monotonic clock of the loop. One send at a time. The program must ignore
 * SIGPIPE: a worker may die while it is written to. */
#ifndef TOUYAN_SMS_MODEM_H
#define TOUYAN_SMS_MODEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/rnd.h"
#include "gateway/base/sm.h"
#include "sms/frame.h"
#include "sms/ladder.h"
#include "sms/outbox_policy.h"

enum modem_state {
    MODEM_DOWN,     /* the device is not there */
    MODEM_STARTING, /* the worker runs and has not said hello */
    MODEM_READY,
    MODEM_SENDING,
    MODEM_MENDING,  /* its radio is switched off and on, or it is reset */
    MODEM_DRAINING, /* the worker is on its way out */
    MODEM_BACKOFF,  /* waiting before the next start */
    MODEM_STATES,
};

struct modem;

/* All run on the loop and may call the modem's functions. */
struct modem_events {
    void *ctx;
    void (*on_state)(void *ctx, struct modem *modem);
    /* Once for each modem_submit that returned true. */
    void (*on_result)(void *ctx, struct modem *modem, int64_t job, enum send_outcome outcome,
                      int value);
    void (*on_pdu)(void *ctx, struct modem *modem, const struct frame *pdu);
    void (*on_report)(void *ctx, struct modem *modem, const struct frame *report);
    /* The SIM asks for its PIN (modem_give_pin or modem_deny_pin answers), or what came of it. */
    void (*on_pin)(void *ctx, struct modem *modem, const struct frame *pin);
    /* Once for each modem_dial that returned true. */
    void (*on_call)(void *ctx, struct modem *modem, int64_t id, enum call_outcome outcome);
    /* Somebody rings; "" is a hidden number. */
    void (*on_ring)(void *ctx, struct modem *modem, const char *number);
    /* Another modem is at this port; may be NULL. */
    bool (*is_taken)(void *ctx, struct modem *modem, const char *path);
    /* The network's time (UTC), each time that the modem is asked for it; may be NULL. */
    void (*on_time)(void *ctx, struct modem *modem, int64_t utc_ms);
};

struct modem_options {
    uv_loop_t *loop;
    const struct clock *clock;
    struct rnd *rnd;
    const char *name;   /* these outlive the modem */
    const char *device; /* "": wherever the IMEI is */
    const char *worker_path;
    const char *driver;        /* "gammu" or "at" */
    const char *imei;          /* the only modem that will do; "": any */
    const char *scan_dir;      /* where it is looked for by its IMEI */
    const char *smsc;          /* service centre for a SIM that has none; "": the SIM's */
    const char *power_command; /* executable: power off and on; "": none */
    const char *balance_code;  /* USSD, asked once a day; "": not */
    bool fast_sleeps;
    size_t index;   /* the owner's number for it */
    int prompt_ms;  /* 0: 10 s, from submit to the prompt */
    int send_ms;    /* 0: 60 s, from submit to the result */
    int backoff_ms; /* 0: 1 s, the first pause before a new start */
    int beat_ms;    /* 0: 15 s, between two looks after its health */
    int ladder_ms;  /* 0: 2 min, from one step of the ladder to the next */
    struct modem_events events;
};

struct modem {
    struct modem_options options;
    struct sm sm;
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer; /* the one deadline or pause of the state */
    uv_timer_t ping;
    uv_process_t power;
    bool process_alive; /* not reaped and its handle not closed */
    bool pipe_open;
    bool closing;
    int open_handles;
    struct buf in;
    struct frame frame; /* scratch of the reader */
    int64_t job;        /* under way, 0: none */
    int64_t call;       /* dialled, 0: none */
    enum frame_stage stage;
    char path[LIMIT_PATH_BYTES]; /* of the port in use */
    int attempt;                 /* which of the ports that it may be at */
    bool found;                  /* it said hello at this port */
    bool was_reset;              /* the worker ended because the modem is being reset */
    bool want_power;             /* once the port is closed */
    bool power_runs;
    bool unplugged;  /* the worker saw it go, whatever its path says */
    int64_t ping_id; /* not answered yet, 0: none */
    int64_t last_ping_id;
    int failures; /* starts in a row without a good send or an answered ping */
    int refusals; /* in a row, that were the modem's fault */
    struct ladder ladder;
    uint64_t balance_due_ms; /* of the loop's clock */

    char imei[FRAME_NAME_BYTES];
    char model[FRAME_NAME_BYTES];
    char driver[FRAME_WORD_BYTES]; /* at work */
    char make[FRAME_WORD_BYTES];
    char network[FRAME_WORD_BYTES];
    char problem[LIMIT_ERR_TEXT];
    int csq;
    int registration;
    int sim_used;
    int sim_size;
    int64_t clock_off_ms; /* the network's time less ours */
    int64_t clock_at_ms;  /* wall, when that was heard; 0: never */
    char balance[TPDU_TEXT_BYTES];
    int64_t balance_at_ms;
    int64_t since_ms; /* wall */
    int64_t restarts;
    int64_t sent;
    int64_t unknown_sends;

    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

void modem_init(struct modem *modem, const struct modem_options *options);
void modem_start(struct modem *modem);

/* True: it takes a part now. */
bool modem_is_ready(const struct modem *modem);
/* True: a worker has its port open. */
bool modem_has_port(const struct modem *modem);
/* True: ready or sending. */
bool modem_is_working(const struct modem *modem);
/* True: it is ready or will be without anybody's help. */
bool modem_is_hopeful(const struct modem *modem);

/* Hands over one part; frame->id is the job. False: not ready, nothing was written. */
bool modem_submit(struct modem *modem, const struct frame *submit);
/* Rings this number for so long. False: not ready, or another call is under way. */
bool modem_dial(struct modem *modem, int64_t id, const char *number, int ring_ms);
/* Ends the call under way, if it is this one; its end is told as always. */
void modem_hangup(struct modem *modem, int64_t id);

/* The message of this offer (frame pdu) is committed: delete it from the SIM. A worker that was
 * restarted since does not know the offer, and will offer the message anew. */
void modem_delete(struct modem *modem, int64_t offer);
/* Look through the SIM now. */
void modem_poll(struct modem *modem);
/* The modem refuses to work: the next remedy. */
void modem_rest(struct modem *modem);
/* Answers on_pin. */
void modem_give_pin(struct modem *modem, const char *pin);
void modem_deny_pin(struct modem *modem, const char *why);
/* Asks the network for the balance; the answer takes some seconds. */
void modem_ask_balance(struct modem *modem);

/* Lets a send finish (at most LIMIT_STOP_MS / 2), stops the worker and reaps it. A part that does
 * not finish in time gets its result like any other. */
void modem_close(struct modem *modem, void (*on_closed)(void *ctx), void *ctx);

#endif
