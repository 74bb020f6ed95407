/* The object behind sync.h, shared by sync.c (its life), round.c (what it does), ahead.c (what it
 * does beside) and handler.c (how). */
#ifndef TOUYAN_SYNC_CORE_H
#define TOUYAN_SYNC_CORE_H

#include "gateway/base/buf.h"
#include "sync/course.h"
#include "sync/engine.h"
#include "sync/identity.h"
#include "sync/pace.h"
#include "sync/page.h"
#include "sync/sync.h"
#include "sync/transport.h"
#include "sync/wire.h"

/* Why a push is being tried in smaller parts. */
enum blame {
    BLAME_NONE,
    BLAME_PROBE, /* the next request has no rows: is it the push at all? */
    BLAME_ALONE, /* the probe follows the refusal of a single row */
};

struct sync {
    uv_loop_t *loop;
    struct replica *replica;
    struct transport transport;  /* impl NULL: no county */
    struct sync_options options; /* its texts are not kept, but for: */
    char url[LIMIT_PATH_BYTES];
    struct engine engine;
    struct wire wire;
    struct course course;
    struct identity identity;
    int64_t county_ms;     /* the county's clock, as of its last good reply; 0: none yet */
    bool enrolling;        /* the request under way is the identity's */
    bool work;             /* local work is due */
    int64_t work_after_ms; /* not before */

    uv_timer_t timer;                /* when to look again */
    uv_timer_t step;                 /* the next handler of ahead.h */
    uint64_t sent_in_ms, sending_ms; /* the next look whether it is sent; how long it was not */
    bool prepares;                   /* the request under way is to be followed by another push */
    uv_idle_t idle;                  /* the next slice */
    bool may_apply;                  /* a turn without a slice has passed */
    int handles;
    int acks; /* commits that are waited for */
    bool started;
    bool closing;
    bool transport_closed;
    void (*closed)(void *ctx);
    void *closed_ctx;

    struct buf request;
    size_t pushed; /* rows of the running request */
    bool built;    /* the next request is written already, with so many rows: */
    size_t to_push;
    bool claimed; /* marks of the next push are in flight */
    struct page page;
    int64_t page_county_ms, page_mono_ms; /* the county's clock when it came (0: not said), ours */
    bool page_waits;                      /* for the push before it to be settled */
    bool goes_on;                         /* the round, with the next step: round_go_on() */
    size_t next_row;
    struct pace slice; /* rows that fit into a slice */
    struct pace push;  /* that a push may have which is claimed and written in one handler */
    struct pace next;  /* that may be prepared for the next push, all in all */
    struct pace claim, write, settle; /* that fit into a slice of this */
    int64_t next_us;                  /* what all of that took so far */
    int64_t handler_began_us, handler_us;

    int remedies;     /* since a request was answered well */
    int64_t reinc_ms; /* last time that the county asked for a new incarnation; 0: never */
    enum blame blame;
    size_t refused_limit; /* rows a push may have after one was refused */
    char refusal[LIMIT_NAME_BYTES + 1];

    struct sync_status status; /* the parts that are not asked of others */
    int64_t pruned_ms;
};

static inline int64_t core_mono_ms(const struct sync *sync)
{
    return clock_mono_ms(replica_clock(sync->replica));
}

static inline int64_t core_wall_ms(const struct sync *sync)
{
    return clock_wall_ms(replica_clock(sync->replica));
}

/* handler.c. Whatever a handler does, the request that was written ahead may not be up to date any
 * more; but for handlers that are entered otherwise. */
void handler_begin(struct sync *sync);
void handler_enter(struct sync *sync);
bool handler_end(struct sync *sync, bool ok);
/* In a handler: fn(sync, arg, committed) runs after its commit; it begins with handler_ack(). */
void handler_wait(struct sync *sync, replica_ack_fn *fn, int64_t arg);
/* True: the object is closing, and the caller must not go on. */
bool handler_ack(struct sync *sync);
/* The handler that was begun last is committed; how long it should have been. */
void handler_note(struct sync *sync, struct pace *pace, size_t rows, int64_t goal_us);

/* round.c: what comes next, between a reply and the page it brought. */
void round_go_on(struct sync *sync);
/* round.c: what was in the handler is lost, and so is the round. */
void round_lost(struct sync *sync);
/* round.c: how many rows a push may have after refusals; 0: none. */
size_t round_may_push(struct sync *sync);
/* round.c: arms the timer for the next time that something may be due. */
void round_look(struct sync *sync);
/* round.c: the first look. */
void round_begin(struct sync *sync);
/* sync.c: a handle or a commit that closing waits for is over. */
void core_try_finish_close(struct sync *sync);

#endif
