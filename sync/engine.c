/* See engine.h. */
#include "sync/engine.h"

#include <assert.h>

#include "gateway/base/limits.h"

enum {
    PAGE_SECONDS = 8,
    PAGE_FIRST_BYTES = 65536, /* before anything is measured: 7 s at 8 kbit/s */
    GOODPUT_MIN_BYTES = 2048, /* smaller transfers measure the round trip, not the link */
    FAST_LINK_BYTES_PER_S = 25000,
    GOODPUT_LEAST_BPS = LIMIT_SYNC_PAGE_MIN_BYTES / PAGE_SECONDS,
    BACKOFF_DOUBLINGS = 20,
    RETRY_AFTER_MAX_MS = 6 * 3600 * 1000, /* a slip of the county's is no reason to stay away */
};

static const struct sm_state phases[ENGINE_PHASES] = {
    [ENGINE_IDLE] = {"idle", SM_TO(ENGINE_REQUESTING) | SM_TO(ENGINE_HELD)},
    [ENGINE_WAITING] = {"waiting", SM_TO(ENGINE_IDLE) | SM_TO(ENGINE_HELD)},
    [ENGINE_REQUESTING] = {"requesting",
                           SM_TO(ENGINE_APPLYING) | SM_TO(ENGINE_WAITING) | SM_TO(ENGINE_HELD)},
    [ENGINE_APPLYING] = {"applying",
                         SM_TO(ENGINE_IDLE) | SM_TO(ENGINE_WAITING) | SM_TO(ENGINE_HELD)},
    [ENGINE_HELD] = {"held", SM_TO(ENGINE_IDLE)},
};

void engine_init(struct engine *engine, const struct engine_options *options, struct rnd *rnd,
                 int64_t now_ms)
{
    *engine = (struct engine){.options = *options, .rnd = rnd, .due_ms = now_ms, .marks_ms = -1};
    sm_init(&engine->sm, "sync", phases, ENGINE_PHASES, ENGINE_IDLE);
}

static int64_t until(int64_t due_ms, int64_t now_ms)
{
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

static int64_t idle_next_in(struct engine *engine, int64_t now_ms, bool marks)
{
    if (engine->more)
        return 0;
    if (!marks)
        engine->marks_ms = -1;
    else if (engine->marks_ms < 0)
        engine->marks_ms = now_ms;
    int64_t poll_in = until(engine->due_ms, now_ms);
    if (!marks)
        return poll_in;
    if (engine->rest)
        return 0;
    int64_t push_in = until(engine->marks_ms + engine->options.push_delay_ms, now_ms);
    return push_in < poll_in ? push_in : poll_in;
}

int64_t engine_next_in(struct engine *engine, int64_t now_ms, bool marks)
{
    switch (engine->sm.now) {
    case ENGINE_IDLE:
        return idle_next_in(engine, now_ms, marks);
    case ENGINE_WAITING:
        return until(engine->due_ms, now_ms);
    default:
        return -1;
    }
}

bool engine_wants_request(struct engine *engine, int64_t now_ms, bool marks)
{
    return engine_next_in(engine, now_ms, marks) == 0;
}

void engine_requested(struct engine *engine)
{
    if (engine->sm.now == ENGINE_WAITING)
        sm_move(&engine->sm, ENGINE_IDLE);
    sm_move(&engine->sm, ENGINE_REQUESTING);
}

static int64_t mean(int64_t old, int64_t measured)
{
    return old == 0 ? measured : (old + measured) / 2;
}

void engine_replied(struct engine *engine, bool more, size_t decoded_bytes, size_t wire_bytes,
                    int64_t took_ms)
{
    sm_move(&engine->sm, ENGINE_APPLYING);
    engine->more = more;
    if (decoded_bytes < GOODPUT_MIN_BYTES)
        return;
    int64_t ms = took_ms > 0 ? took_ms : 1;
    engine->goodput_bps = mean(engine->goodput_bps, (int64_t)decoded_bytes * 1000 / ms);
    engine->wire_bps = mean(engine->wire_bps, (int64_t)wire_bytes * 1000 / ms);
}

void engine_applied(struct engine *engine, int64_t now_ms)
{
    sm_move(&engine->sm, ENGINE_IDLE);
    engine->failures = 0;
    engine->marks_ms = -1;
    engine->due_ms = now_ms + engine->options.poll_ms;
}

/* Full jitter: anywhere between now and the doubled limit. */
static int64_t backoff_ms(struct engine *engine)
{
    int64_t limit = engine->options.backoff_min_ms;
    for (int i = 1; i < engine->failures && limit < engine->options.backoff_max_ms; i++)
        limit *= 2;
    if (limit > engine->options.backoff_max_ms)
        limit = engine->options.backoff_max_ms;
    return (int64_t)rnd_below(engine->rnd, (uint64_t)limit + 1);
}

void engine_failed(struct engine *engine, int64_t now_ms, int64_t retry_after_ms)
{
    sm_move(&engine->sm, ENGINE_WAITING);
    if (engine->failures < BACKOFF_DOUBLINGS)
        engine->failures++;
    engine->more = false;
    engine->rest = false;
    if (retry_after_ms > RETRY_AFTER_MAX_MS)
        retry_after_ms = RETRY_AFTER_MAX_MS;
    int64_t wait_ms = backoff_ms(engine);
    engine->due_ms = now_ms + (wait_ms > retry_after_ms ? wait_ms : retry_after_ms);
}

void engine_cut(struct engine *engine)
{
    if (engine->goodput_bps == 0)
        engine->goodput_bps = PAGE_FIRST_BYTES / PAGE_SECONDS;
    engine->goodput_bps /= 2;
    if (engine->goodput_bps < GOODPUT_LEAST_BPS)
        engine->goodput_bps = GOODPUT_LEAST_BPS;
}

void engine_hold(struct engine *engine)
{
    if (engine->sm.now != ENGINE_HELD)
        sm_move(&engine->sm, ENGINE_HELD);
}

void engine_release(struct engine *engine, int64_t now_ms)
{
    if (engine->sm.now != ENGINE_HELD)
        return;
    sm_move(&engine->sm, ENGINE_IDLE);
    engine->due_ms = now_ms;
}

void engine_retry_now(struct engine *engine, int64_t now_ms)
{
    if (engine->sm.now == ENGINE_WAITING || engine->sm.now == ENGINE_IDLE)
        engine->due_ms = now_ms;
}

size_t engine_page_bytes(const struct engine *engine)
{
    if (engine->goodput_bps == 0)
        return PAGE_FIRST_BYTES;
    if (engine->goodput_bps >= LIMIT_SYNC_PAGE_MAX_BYTES)
        return LIMIT_SYNC_PAGE_MAX_BYTES;
    size_t bytes = (size_t)engine->goodput_bps * PAGE_SECONDS;
    if (bytes < LIMIT_SYNC_PAGE_MIN_BYTES)
        return LIMIT_SYNC_PAGE_MIN_BYTES;
    return bytes < LIMIT_SYNC_PAGE_MAX_BYTES ? bytes : LIMIT_SYNC_PAGE_MAX_BYTES;
}

bool engine_link_is_fast(const struct engine *engine)
{
    return engine->wire_bps > FAST_LINK_BYTES_PER_S;
}
