/* When to ask the county, and with how much: the pure part of sync. No I/O, no clock of its own;
 * `now` is monotonic milliseconds.
 *
 * idle -> requesting -> applying -> idle, and waiting after a failure (backoff with full jitter, so
 * that a county's stations do not come back at the same second). It is level-triggered: it only
 * ever asks "are there marks, is a poll due, was there more", never "did somebody call". */
#ifndef TOUYAN_SYNC_ENGINE_H
#define TOUYAN_SYNC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/rnd.h"
#include "gateway/base/sm.h"

enum engine_phase {
    ENGINE_IDLE,
    ENGINE_WAITING, /* after a failure, until due */
    ENGINE_REQUESTING,
    ENGINE_APPLYING,
    ENGINE_HELD, /* until a person has looked */
    ENGINE_PHASES,
};

struct engine_options {
    int64_t poll_ms;
    int64_t backoff_min_ms;
    int64_t backoff_max_ms;
    int64_t push_delay_ms; /* marks wait so long for company */
};

struct engine {
    struct sm sm;
    struct engine_options options;
    struct rnd *rnd;
    int64_t due_ms;      /* waiting: when to try again; idle: the next poll */
    int64_t marks_ms;    /* idle: since when there are marks; -1: none */
    int failures;        /* in a row */
    bool more;           /* the county has more for us */
    bool rest;           /* marks that waited already did not fit into the last push */
    int64_t goodput_bps; /* decoded bytes a second of the last big transfers; 0: unknown */
    int64_t wire_bps;    /* the same on the wire */
};

void engine_init(struct engine *engine, const struct engine_options *options, struct rnd *rnd,
                 int64_t now_ms);

/* Milliseconds until engine_wants_request() may become true by itself; 0: it is; -1: never (a
 * request runs, or held). `marks`: unsent or in-flight marks exist. */
int64_t engine_next_in(struct engine *engine, int64_t now_ms, bool marks);
bool engine_wants_request(struct engine *engine, int64_t now_ms, bool marks);

void engine_requested(struct engine *engine);
/* A good reply came and its rows are going to be applied. */
void engine_replied(struct engine *engine, bool more, size_t decoded_bytes, size_t wire_bytes,
                    int64_t took_ms);
/* The last slice is committed. */
void engine_applied(struct engine *engine, int64_t now_ms);
/* The line broke under a request: a line that never lives long enough for a page needs smaller
 * ones, and only whole transfers are measured. engine_failed() follows. */
void engine_cut(struct engine *engine);
/* The request, the reply or the applying failed. retry_after_ms: at least, up
 * to six hours; -1 when not said. */
void engine_failed(struct engine *engine, int64_t now_ms, int64_t retry_after_ms);
/* Nothing more until engine_release(). */
void engine_hold(struct engine *engine);
void engine_release(struct engine *engine, int64_t now_ms);
/* Ends waiting, or makes the next poll due. */
void engine_retry_now(struct engine *engine, int64_t now_ms);

/* Bytes of a page: what the link carries in 8 s, within the limits. */
size_t engine_page_bytes(const struct engine *engine);
/* Above 200 kbit/s: compress cheaply. Unknown: no. */
bool engine_link_is_fast(const struct engine *engine);

#endif
