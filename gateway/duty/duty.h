/* The guard-post duty: who is told, asked, reminded, checked in, replaced and alarmed, and when.
 *
 * Every decision is a function of the replica's rows and the wall clock. What was done is written
 * to the replica in the same transaction as the messages it caused, under keys such as
 * "R1:<assignment>:<start>", so that after a kill at any point the next tick goes on exactly where
 * it was: nothing twice, nothing left out.
 *
 * Time is UTC milliseconds of the replica's clock. Every function here runs inside a handler of the
 * replica's turn: the caller has called replica_enter() and will call replica_leave(). Nothing
 * blocks; the messages go out through the ports, which write rows and must not call back. */
#ifndef TOUYAN_DUTY_H
#define TOUYAN_DUTY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"

struct replica;

enum duty_prio { DUTY_PRIO_PANIC, DUTY_PRIO_DUTY, DUTY_PRIO_REMINDER, DUTY_PRIO_BULK };

/* One message to one phone. All texts are valid during the call only. */
struct duty_message {
    const char *idem;      /* unique for ever: a second message with it is not sent */
    const char *phone;     /* sealed (seal_phone) */
    const char *text;      /* UTF-8, signature included */
    int prio;              /* enum duty_prio */
    int64_t not_before_ms; /* 0: at once */
    int64_t not_after_ms;  /* dropped, not sent, from then on */
    const char *ref_kind;  /* "remind", "offer", "alarm" ...: what cancel() names */
    const char *ref_id;
    const char *text_id; /* template, e.g. "R1" */
    const char *air; /* the same where everybody can listen (air.h); NULL: not to be said there */
    bool air_only;   /* by radio, not by SMS */
};

/* One call to one phone, which only rings. */
struct duty_call {
    const char *idem;
    const char *phone; /* sealed */
    int ring_ms;
    int64_t not_after_ms;
    const char *ref_kind, *ref_id;
};

struct duty_ports {
    void *ctx;
    void (*send)(void *ctx, const struct duty_message *message);
    /* Messages of this reference that have not gone out yet never will: to one (sealed) phone or,
     * NULL, to anybody. Returns how many texts did not, those whose time ran out included. */
    int (*cancel)(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                  const char *reason);
    /* The same for everything to this (sealed) phone, of whatever reference. */
    void (*cancel_phone)(void *ctx, const char *phone, const char *reason);
    /* Forget the bodies of messages from this phone; NULL when nobody keeps any. */
    void (*erase_phone)(void *ctx, const char *phone);
    /* Forget the phone itself, with all its messages; NULL when nobody keeps any. */
    void (*forget_phone)(void *ctx, const char *phone);
    /* How many more messages of this priority can go out before then; NULL: all of them. */
    int (*reach)(void *ctx, int prio, int64_t until_ms);
    void (*call)(void *ctx, const struct duty_call *call); /* NULL: nobody is rung */
    /* Calls of this reference that wait are not made, as above; `ringing`: what rings now ends too.
     */
    void (*cancel_calls)(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                         bool ringing);
};

enum { DUTY_PANIC_REPEATS_MAX = 8, DUTY_LEVELS = 4, DUTY_PARTS = 13, DUTY_WATCHES = 2 };

/* Of the roster and of who is asked to stand in. */
enum {
    DUTY_CAP_OFFICER = 5, /* duties a week */
    DUTY_CAP_VOLUNTEER = 2,
    DUTY_TEXTS = 4,      /* about one duty of a volunteer, besides answers to what he writes */
    DUTY_REACH_MIN = 20, /* minutes one way: nobody is sent further, but within the own township */
};

/* Rows whose time the station chooses; the others have their own (retention.h). */
enum duty_keep {
    DUTY_KEEP_FIXED,
    DUTY_KEEP_STRANGERS,
    DUTY_KEEP_TEXTS,
    DUTY_KEEP_ALARMS,
    DUTY_KEEPS
};

/* Clock times are minutes after local midnight, spans are minutes. */
struct duty_policy {
    int evening_at;       /* R1, the day before */
    int morning_before;   /* R2 and R3: this long before the start ... */
    int morning_earliest; /* ... but not before this clock time ... */
    int morning_latest;   /* ... and in any case this long before the start */
    int quiet_from, quiet_to;
    int standin_until;     /* clock time after which nobody is asked for another day's duty */
    int standin_at_school; /* this long before the start only people at the school are asked */
    int wave_size, waves, wave_gap;
    int no_show[DUTY_LEVELS];       /* after the start: the person, leader, senior officer, gap */
    int storm_percent, storm_least; /* more than this share and at least so many: one digest */
    int panic[DUTY_PANIC_REPEATS_MAX]; /* after the alarm: again to everybody told */
    int panic_count;
    int panic_room; /* after the alarm: the duty room, and again every panic_room_gap */
    int panic_room_gap, panic_room_times;
    int panic_ring_s;     /* how long those told are rung; 0: not at all */
    int panic_unresolved; /* after 出警 without 解除: told again, panic_unresolved_times times */
    int panic_unresolved_times;
    int push_free;               /* parents who may be told without asking a person */
    int drill_weekday, drill_at; /* 【演练】: 1 Monday to 7 Sunday, and the clock time */
    int watch_at[DUTY_WATCHES];  /* neighbour stations' boxes say that they are alive */
    int digest_at;               /* Monday's letters, and the overdue issues of the day */
    int keep_days[DUTY_KEEPS];   /* by enum duty_keep */
    int help_per_hour; /* answers to unknown senders and misunderstood texts, for each phone */
};

/* The times of the practice: 18:00, 2 h but not before 06:30, 3/8/13/23 min, 2/4/7 min ... */
struct duty_policy duty_policy_default(void);

struct duty_options {
    const char *station_id; /* org.id, also the scope of rows that have no better one */
    const char *station_name;
    const char *signature; /* without the brackets: "突泉护学" */
    const char *lang;      /* of people without one: "zh-CN" or "en" */
    const char *country;   /* of numbers without one: "86" */
    const char *area_code; /* "0482"; 12110 and its last digits is the county's text alarm */
    struct duty_policy policy;
};

struct duty {
    struct replica *replica;     /* borrowed */
    struct duty_options options; /* texts are borrowed and must outlive this */
    struct duty_ports ports;
    struct rnd *rnd; /* codes of alarms, offers and questions */
    int64_t now_ms;  /* of the running call */

    /* What is known of the rows from the last tick, so that a tick in which nothing is due costs
     * next to nothing; forgotten whenever a turn is lost or the clock went back. */
    int64_t part_due_ms[DUTY_PARTS];
    int64_t ticked_ms;
    struct duty_peak {
        int64_t start_at, counted_ms; /* counted_ms: of the tick it was counted in */
        char station_id[LIMIT_NAME_BYTES];
        int need, missing;
    } peak;
};

/* Does no I/O; nothing to free. replica and rnd outlive the duty. */
void duty_init(struct duty *duty, struct replica *replica, struct rnd *rnd,
               const struct duty_options *options, const struct duty_ports *ports);

/* True for the box of a bureau, which sees the rows of its stations: they tell their people,
 * escalate and account for them. Here nobody is told anything, what comes in goes to the desk, and
 * the plan of all stations is made (draft/). */
bool duty_stands_back(struct duty *duty);

/* For SIGHUP: only the times change. */
void duty_set_policy(struct duty *duty, const struct duty_policy *policy);

struct duty_text_in {
    const char *id;     /* of the message; a second call with it does nothing */
    const char *phone;  /* sealed */
    const char *number; /* clear, for masks in logs only */
    const char *body;   /* UTF-8, complete */
    int64_t sent_at_ms; /* SMSC's time stamp; 0: unknown */
    int64_t heard_at_ms;
    bool can_answer;       /* false for short codes and names, which cannot be answered */
    const char *person_id; /* who wrote it, when that is known otherwise; NULL: by the phone */
};
void duty_on_text(struct duty *duty, const struct duty_text_in *text);

/* Texts that may answer what this (sealed) phone wrote and nobody understood; returns how many. */
enum { DUTY_SUGGESTIONS = 3, DUTY_SUGGESTION_BYTES = 256 };
int duty_suggest(struct duty *duty, const char *phone, const char *body,
                 char ret[DUTY_SUGGESTIONS][DUTY_SUGGESTION_BYTES]);

/* A person confirms the item "push" of the desk: the parents are told. False: there is no such. */
bool duty_push(struct duty *duty, const char *desk_id);

/* A row of device_event that has just been written. */
struct duty_event {
    const char *id; /* of the row: "<device>:<dedupe key>" */
    const char *device_id;
    const char *kind; /* check_in, leave_post, sos, fire, intrusion, tamper; others are ignored */
    const char *subject;  /* the number a terminal knows a person by; NULL for buttons */
    int64_t device_at_ms; /* 0: the device told no time */
    int64_t heard_at_ms;
    bool fresh; /* live, not a copy from the device's memory */
};
void duty_on_event(struct duty *duty, const struct duty_event *event);

/* A call of ours is over. */
struct duty_call_end {
    const char *phone; /* sealed */
    const char *ref_kind, *ref_id;
    bool answered;
};
void duty_on_call(struct duty *duty, const struct duty_call_end *end);

/* Somebody rang the station's number, which nobody answers. */
struct duty_ring {
    const char *id;    /* of this call */
    const char *phone; /* sealed */
    int64_t heard_at_ms;
};
void duty_on_ring(struct duty *duty, const struct duty_ring *ring);

/* Does what is due, at most DUTY_SLICE rows of each kind, and returns the wall time at which the
 * next thing will be (at most DUTY_TICK_MAX_MS from now; 1 ms from now when there is more to do).
 * Call it again then, after the wall clock has jumped, and at the end of each turn that changed
 * replicated tables, had a text or an event: the roster's changes are found by triggers, so that
 * this costs what has changed and not what there is. */
enum { DUTY_SLICE = 20 };
enum { DUTY_TICK_MAX_MS = 15 * 60 * 1000 };
int64_t duty_tick(struct duty *duty);

#endif
