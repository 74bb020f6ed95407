/* Sync of the station's replica with the county server (PROTOCOL.md): the one face of this module.
 *
 * It runs on the loop, never blocks it, and writes through the replica's turns: the owner of the
 * loop calls replica_commit() at the end of each turn as for every other module. One request is in
 * flight at most. Everything is level-triggered: as long as marks exist or the poll interval has
 * passed there will be another request; sync_poke() only makes it come at once.
 *
 * A database that was restored, or that wakes up on another machine, goes on as a new incarnation:
 * the county then sees two, and says so to its operator. */
#ifndef TOUYAN_SYNC_SYNC_H
#define TOUYAN_SYNC_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/rnd.h"
#include "sync/protocol.h"
#include "sync/replica/replica.h"

struct sync;

/* All texts are copied. */
struct sync_options {
    const char *url;     /* "https://county.example:8443"; http:// only to a loopback address.
                            NULL or "": no county, sync does nothing */
    const char *ca_file; /* PEM; NULL: the system's */
    const char *pin;     /* NULL, or "sha256//<base64>" of the county's public key (curl's form) */
    const char *token_file; /* the bearer token, on one line, read again before each request; or
                               NULL or "", when the station enrols: */
    const char *ca_pin;     /* of the county's own authority, as people write it; NULL or "": not */
    const char *identity_file; /* with it: the station's key and certificate, made by itself */
    const char *station;       /* "S0117" */
    const char *machine_file;  /* stands for the machine instead of its serial numbers; NULL */
    const char *scopes[PROTOCOL_SCOPES + 1]; /* ends with NULL; empty: the station and "*" */
    uint32_t without;                        /* tests only: rules that are not in force (rules.h) */
    int64_t poll_ms;        /* between requests when there is nothing to push; 0: 60 s */
    int64_t backoff_min_ms; /* 0: 5 s */
    int64_t backoff_max_ms; /* 0: 15 min */
    /* After the county's rows of a slice were committed; may be NULL. */
    void (*on_applied)(void *ctx, int64_t rows);
    /* When the link goes up (a 200 came) or down (a request failed); may be NULL. */
    void (*on_link)(void *ctx, bool up);
    void *ctx;
};

enum sync_link {
    SYNC_LINK_OFF,     /* no county configured */
    SYNC_LINK_HELD,    /* waiting for a person: the county refuses in a way nobody foresaw */
    SYNC_LINK_UNKNOWN, /* not tried yet */
    SYNC_LINK_UP,
    SYNC_LINK_DOWN,
};

/* Times are UTC milliseconds; 0: never. */
struct sync_status {
    enum sync_link link;
    int64_t since_ms;         /* link is so since then */
    int64_t last_progress_ms; /* last reply that was taken over wholly, also by an earlier start */
    int64_t next_in_ms;       /* until the next request by itself; -1: one is running or never */
    int64_t incarnation;
    int64_t pending;        /* marks unsent or in flight */
    int64_t lost_open;      /* lost to a conflict, the county's row still awaited */
    int64_t quarantined;    /* rows set aside, both ways */
    int64_t conflicts;      /* lost verdicts so far */
    int64_t reincarnations; /* how often the database turned out to be a copy or a restored one, or
                               the county's */
    int64_t reincarnated_ms;
    char reincarnated_code[16]; /* the last time: "copy", "reinc" (restored, or there are two),
                                   "rewind" (the county's came back from a backup) */
    int64_t given_back;         /* rows, in the last rewind */
    char reincarnated_why[LIMIT_ERR_TEXT];
    int time_q; /* our clock: 2 agrees with the county's, 1 wrong and corrected, 0 never compared */
    int64_t rows_pushed, rows_applied, requests, failures; /* since the program started */
    int64_t off_ms; /* county's clock minus ours, at the last reply */
    bool caught_up; /* at the last reply there was no more, and no mark is pending */
    bool busy;      /* a request or the applying of a page is under way */
    char phase[16]; /* the state machine's: idle, waiting, requesting, applying, held */
    char problem[LIMIT_ERR_TEXT]; /* why the link is down or held; "" */
};

/* The station's certificate. */
struct sync_enrolment {
    const char *state; /* "off", "none", "waiting", "good", "expired" */
    char station[LIMIT_STATION_BYTES + 1], name[LIMIT_NAME_BYTES + 1]; /* it says; "": none */
    char serial[64 + 1];       /* of the machine, as it is told to the county; "": not known */
    char digits[8];            /* of the key that waits for a certificate; "": none */
    int64_t from_ms, until_ms; /* 0: none */
    bool coded;                /* a one-time code goes with the next request */
    char problem[LIMIT_ERR_TEXT];
};

/* No I/O but the replica. loop, replica and rnd outlive the object. ERR_INVALID: url or station is
 * not usable (says which and what to do). ERR_STATE: the database belongs to another station. */
int sync_init(struct sync **ret, uv_loop_t *loop, struct replica *replica, struct rnd *rnd,
              const struct sync_options *options, struct err *err);
void sync_start(struct sync *sync);
/* Aborts a running transfer; what it pushed stays marked as in flight and is sent again next time.
 * done runs once, later. Allowed before sync_start(). */
void sync_close(struct sync *sync, void (*done)(void *ctx), void *ctx);
void sync_free(struct sync *sync); /* after done; accepts NULL */

/* Something was written that the county should have: look soon. Cheap; call it after commits. */
void sync_poke(struct sync *sync);
/* Forget the backoff and ask now (an operator's "sync now", a link that came back). */
void sync_retry_now(struct sync *sync);

void sync_get_status(struct sync *sync, struct sync_status *ret);
void sync_get_enrolment(struct sync *sync, struct sync_enrolment *ret);
/* A person enrols the station (again), with a one-time code or (NULL) to wait for approval: a new
 * key is made, and the county is asked at once. ERR_INVALID: the code is none; ERR_STATE: not
 * configured; ERR_IO. */
int sync_enrol(struct sync *sync, const char *code, struct err *err);
const char *sync_link_name(enum sync_link link);

#endif
