/* See ahead.h.
 *
 * Happy path: a push was answered, its verdict is kept and the next request is on its way -> once
 * the system has it, the marks of the former are settled slice by slice, each a handler with a
 * commit -> marks for the next push are claimed slice by slice -> their rows are written slice by
 * slice, without a handler: a mark in flight keeps what its row was -> the reply comes, finds the
 * push written, and it goes at once.
 *
 * A reply that comes earlier waits until the push before it is settled, takes what was claimed by
 * then, and the writing of that comes to its end before anything else is settled (round_go_on).
 *
 * Failures: a commit that failed leaves the marks as they were; what was claimed is forgotten, what
 * is to be settled is settled with the next request that is written anew. */
#include "sync/ahead.h"

#include "sync/core.h"
#include "sync/flight.h"

enum {
    SENT_IN_MS = 1, /* after a request was given to the transport, and then a quarter longer */
    SENT_IN_MAX_MS = 1000,
    SENT_GROWS = 4,
    /* Of all that is done beside one push: a push that the county refuses is settled in one go. */
    NEXT_GOAL_US = 40000,
    /* An alarm waits for the slice that is running: see round.c. */
    SLICE_GOAL_US = 3000,
};

static void on_step(uv_timer_t *timer);

void ahead_step(struct sync *sync)
{
    uv_timer_start(&sync->step, on_step, 0, 0);
}

void ahead_begin(struct sync *sync, bool prepares)
{
    sync->prepares = prepares;
    sync->sent_in_ms = SENT_IN_MS;
    sync->sending_ms = 0;
    uv_timer_start(&sync->step, on_step, sync->sent_in_ms, 0);
}

void ahead_end(struct sync *sync)
{
    sync->prepares = false;
    uv_timer_stop(&sync->step);
}

void ahead_settle_rest(struct sync *sync)
{
    if (!flight_is_settling(&sync->wire))
        return;
    handler_enter(sync);
    handler_end(sync, flight_settle_rest(&sync->wire));
}

/* --- settling --- */

static void on_slice_settled(void *ctx, int64_t rows, bool committed)
{
    struct sync *sync = ctx;
    if (handler_ack(sync))
        return;
    if (committed) {
        handler_note(sync, &sync->settle, (size_t)rows, SLICE_GOAL_US);
        sync->next_us += sync->handler_us;
        ahead_step(sync);
    } else if (sync->engine.sm.now == ENGINE_APPLYING) {
        round_lost(sync);
    }
}

void ahead_settle(struct sync *sync)
{
    size_t rows = 0;
    handler_enter(sync);
    bool ok = flight_settle_some(&sync->wire, sync->settle.rows, &rows);
    handler_wait(sync, on_slice_settled, (int64_t)rows);
    handler_end(sync, ok);
}

/* --- the next push --- */

static void on_slice_claimed(void *ctx, int64_t rows, bool committed)
{
    struct sync *sync = ctx;
    if (handler_ack(sync))
        return;
    if (!committed) {
        wire_forget_next(&sync->wire);
        return;
    }
    handler_note(sync, &sync->claim, (size_t)rows, SLICE_GOAL_US);
    sync->next_us += sync->handler_us;
    if (sync->wire.next.step != NEXT_NONE)
        ahead_step(sync);
}

static size_t max_rows(struct sync *sync)
{
    size_t may = round_may_push(sync);
    return sync->next.rows < may ? sync->next.rows : may;
}

static void claim_slice(struct sync *sync)
{
    struct err err = {0};
    size_t before = sync->wire.next.claimed;
    if (sync->wire.next.step == NEXT_NONE)
        before = 0;
    sync->prepares = false;
    handler_enter(sync);
    int code = wire_claim_next(&sync->wire, engine_page_bytes(&sync->engine), max_rows(sync),
                               sync->claim.rows, &err);
    handler_wait(sync, on_slice_claimed, (int64_t)(sync->wire.next.claimed - before));
    if (!handler_end(sync, code == ERR_OK))
        wire_forget_next(&sync->wire);
}

/* Its pace is known without a commit. */
static void write_slice(struct sync *sync)
{
    size_t before = sync->wire.at.rows;
    int64_t began_us = clock_thread_us();
    wire_write_next(&sync->wire, sync->write.rows);
    int64_t took_us = clock_thread_us() - began_us;
    size_t rows = sync->wire.at.rows - before;
    pace_note(&sync->write, rows, took_us, 0, SLICE_GOAL_US);
    sync->next_us += took_us;
    if (sync->wire.next.step == NEXT_READY) {
        pace_note(&sync->next, sync->wire.at.rows, sync->next_us, 0, NEXT_GOAL_US);
        sync->next_us = 0;
    }
    ahead_step(sync);
}

/* --- one after the other --- */

static bool is_on_its_way(struct sync *sync)
{
    if (sync->engine.sm.now != ENGINE_REQUESTING || sync->transport.is_sent == NULL ||
        sync->transport.is_sent(sync->transport.impl))
        return true;
    sync->sending_ms += sync->sent_in_ms;
    sync->sent_in_ms = SENT_IN_MS + sync->sending_ms / SENT_GROWS;
    if (sync->sent_in_ms > SENT_IN_MAX_MS)
        sync->sent_in_ms = SENT_IN_MAX_MS;
    uv_timer_start(&sync->step, on_step, sync->sent_in_ms, 0);
    return false;
}

static void on_step(uv_timer_t *timer)
{
    struct sync *sync = timer->data;
    bool requesting = sync->engine.sm.now == ENGINE_REQUESTING;
    if (!requesting && !sync->goes_on)
        return;
    if ((requesting && replica_failing(sync->replica) != NULL) || !is_on_its_way(sync))
        return;
    if (sync->wire.next.step == NEXT_WRITING)
        write_slice(sync);
    else if (!requesting)
        round_go_on(sync);
    else if (flight_is_settling(&sync->wire))
        ahead_settle(sync);
    else if (sync->wire.next.step == NEXT_CLAIMING || sync->prepares)
        claim_slice(sync);
}
