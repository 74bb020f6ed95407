/* The object behind sync.h, shared by sync.c (its life) and round.c (what it does). */
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

    uv_timer_t timer; /* when to look again */
    uv_timer_t ahead; /* is the request under way written? */
    uint64_t ahead_ms;
    uv_idle_t idle; /* the next slice */
    bool may_apply; /* a turn without a slice has passed */
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
    size_t next_row;
    struct pace slice; /* rows that fit into a slice */
    struct pace push;  /* rows that a push may have, for the same reason */
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

/* round.c: arms the timer for the next time that something may be due. */
void round_look(struct sync *sync);
/* round.c: the first look. */
void round_begin(struct sync *sync);
/* sync.c: a handle or a commit that closing waits for is over. */
void core_try_finish_close(struct sync *sync);

#endif
