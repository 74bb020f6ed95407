/* The station's end of sync: making the object, closing it, and what it says of itself; see sync.h.
 * What it does is in round.c.
 *
 * Closing ends a running transfer, then waits for its handles and for commits that were registered
 * with the replica; then it calls back once. */
#include "sync/sync.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/core.h"
#include "sync/internal.h"
#include "sync/life.h"
#include "sync/machine.h"
#include "sync/state.h"

enum {
    POLL_MS = 60000,
    BACKOFF_MIN_MS = 5000,
    BACKOFF_MAX_MS = 900000,
    PUSH_DELAY_MS = 50,
    SLICE_ROWS_FIRST = 100,
    PUSH_ROWS_FIRST = 250,
};

/* --- the module's face --- */

static int check_options(const struct sync_options *options, struct err *err)
{
    if (options->station == NULL || options->station[0] == '\0')
        return err_set(err, ERR_INVALID, "sync: the station's id is not set");
    return ERR_OK;
}

static int open_wire(struct sync *sync, const struct sync_options *options, struct err *err)
{
    const char *own[] = {options->station, "*", NULL};
    const char *const *scopes = options->scopes[0] != NULL ? options->scopes : own;
    struct machine machine;
    machine_read(&machine, options->machine_file, replica_path(sync->replica));
    replica_enter(sync->replica);
    struct wire_options wire = {
        .station = options->station,
        .scopes = scopes,
        .scopes_fixed = options->scopes[0] != NULL,
        .machine = &machine,
        .without = options->without,
    };
    int code = wire_init(&sync->wire, sync->replica, &wire, err);
    bool kept = replica_leave(sync->replica, code == ERR_OK);
    if (code == ERR_OK && !kept)
        code = err_set(err, ERR_IO, "sync: %s", replica_problem(sync->replica));
    return code;
}

static int open_identity(struct sync *sync, const struct sync_options *options, struct err *err)
{
    char serial[MACHINE_SERIAL_BYTES + 1];
    machine_serial(options->machine_file, serial);
    struct identity_options identity = {.file = options->identity_file,
                                        .pin = options->ca_pin,
                                        .station = options->station,
                                        .serial = serial,
                                        .optional = options->token_file != NULL &&
                                                    options->token_file[0] != '\0'};
    int code = identity_init(&sync->identity, &identity, err);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "sync");
}

static int open_transport(struct sync *sync, const struct sync_options *options, struct err *err)
{
    if (options->url == NULL || options->url[0] == '\0')
        return ERR_OK;
    struct transport_curl_options curl = {.url = options->url,
                                          .ca_file = options->ca_file,
                                          .pin = options->pin,
                                          .token_file = options->token_file};
    if (sync->identity.on) {
        curl.ca_pin = &sync->identity.pin;
        curl.identity_file = sync->identity.file;
    }
    int code = transport_curl_init(&sync->transport, sync->loop, &curl, err);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "sync");
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void set_up(struct sync *sync, struct rnd *rnd)
{
    const struct sync_options *o = &sync->options;
    struct engine_options engine = {
        .poll_ms = or_default(o->poll_ms, POLL_MS),
        .backoff_min_ms = or_default(o->backoff_min_ms, BACKOFF_MIN_MS),
        .backoff_max_ms = or_default(o->backoff_max_ms, BACKOFF_MAX_MS),
        .push_delay_ms = PUSH_DELAY_MS,
    };
    engine_init(&sync->engine, &engine, rnd, core_mono_ms(sync));
    pace_init(&sync->slice, SLICE_ROWS_FIRST, LIMIT_SYNC_SLICE_ROWS);
    pace_init(&sync->push, PUSH_ROWS_FIRST, LIMIT_SYNC_PUSH_ROWS);
    pace_init(&sync->next, LIMIT_SYNC_PUSH_ROWS, LIMIT_SYNC_PUSH_ROWS);
    pace_init(&sync->claim, PUSH_ROWS_FIRST, LIMIT_SYNC_PUSH_ROWS);
    pace_init(&sync->write, PUSH_ROWS_FIRST, LIMIT_SYNC_PUSH_ROWS);
    pace_init(&sync->settle, PUSH_ROWS_FIRST, LIMIT_SYNC_PUSH_ROWS);
    sync->refused_limit = LIMIT_SYNC_PUSH_ROWS;
    sync->pruned_ms = core_mono_ms(sync);
    buf_init(&sync->request, LIMIT_SYNC_BODY_BYTES);
    uv_timer_init(sync->loop, &sync->timer);
    uv_idle_init(sync->loop, &sync->idle);
    uv_timer_init(sync->loop, &sync->step);
    sync->timer.data = sync;
    sync->step.data = sync;
    sync->idle.data = sync;
    sync->handles = 3;
    sync->status.link = sync->transport.impl != NULL ? SYNC_LINK_UNKNOWN : SYNC_LINK_OFF;
    sync->status.since_ms = core_wall_ms(sync);
    sync->status.last_progress_ms = state_int(sync->replica, "progress_ms");
}

int sync_init_with(struct sync **ret, uv_loop_t *loop, struct replica *replica, struct rnd *rnd,
                   const struct sync_options *options, const struct transport *transport,
                   struct err *err)
{
    int code = check_options(options, err);
    if (code != ERR_OK)
        return code;
    struct sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL)
        return err_set(err, ERR_NOMEM, "sync");
    sync->loop = loop;
    sync->replica = replica;
    sync->options = *options;
    text_copy(sync->url, sizeof sync->url, options->url != NULL ? options->url : "");
    code = open_wire(sync, options, err);
    if (code == ERR_OK)
        code = open_identity(sync, options, err);
    if (code == ERR_OK && transport != NULL)
        sync->transport = *transport;
    else if (code == ERR_OK)
        code = open_transport(sync, options, err);
    if (code != ERR_OK) {
        free(sync);
        return code;
    }
    course_init(&sync->course, &sync->wire);
    set_up(sync, rnd);
    *ret = sync;
    return ERR_OK;
}

int sync_init(struct sync **ret, uv_loop_t *loop, struct replica *replica, struct rnd *rnd,
              const struct sync_options *options, struct err *err)
{
    return sync_init_with(ret, loop, replica, rnd, options, NULL, err);
}

void sync_start(struct sync *sync)
{
    sync->started = true;
    round_begin(sync);
}

void core_try_finish_close(struct sync *sync)
{
    if (sync->handles > 0 || sync->acks > 0 || !sync->transport_closed)
        return;
    page_free(&sync->page);
    buf_free(&sync->request);
    wire_fini(&sync->wire);
    course_fini(&sync->course);
    void (*closed)(void *ctx) = sync->closed;
    sync->closed = NULL;
    if (closed != NULL)
        closed(sync->closed_ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sync *sync = handle->data;
    sync->handles--;
    core_try_finish_close(sync);
}

static void on_transport_closed(void *ctx)
{
    struct sync *sync = ctx;
    sync->transport_closed = true;
    core_try_finish_close(sync);
}

void sync_close(struct sync *sync, void (*done)(void *ctx), void *ctx)
{
    assert(!sync->closing);
    sync->closing = true;
    sync->closed = done;
    sync->closed_ctx = ctx;
    uv_idle_stop(&sync->idle);
    uv_close((uv_handle_t *)&sync->timer, on_handle_closed);
    uv_close((uv_handle_t *)&sync->step, on_handle_closed);
    uv_close((uv_handle_t *)&sync->idle, on_handle_closed);
    if (sync->transport.impl != NULL)
        sync->transport.close(sync->transport.impl, on_transport_closed, sync);
    else
        sync->transport_closed = true;
}

void sync_free(struct sync *sync)
{
    free(sync);
}

void sync_poke(struct sync *sync)
{
    round_look(sync);
}

void sync_retry_now(struct sync *sync)
{
    if (sync->engine.sm.now == ENGINE_HELD)
        engine_release(&sync->engine, core_mono_ms(sync));
    sync->identity.retry_ms = 0;
    engine_retry_now(&sync->engine, core_mono_ms(sync));
    round_look(sync);
}

static int64_t count(struct sync *sync, const char *sql)
{
    return replica_get_int(sync->replica, 0, sql, "");
}

void sync_get_status(struct sync *sync, struct sync_status *ret)
{
    struct sync_status s = sync->status;
    int phase = sync->engine.sm.now;
    s.incarnation = wire_incarnation(&sync->wire);
    s.pending = count(sync, "SELECT count(*) FROM sync_out WHERE st <> 2 AND st <> 4 AND st < 2");
    s.lost_open = count(sync, "SELECT count(*) FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 3");
    s.quarantined = count(sync, "SELECT count(*) FROM sync_quarantine");
    s.conflicts = state_int(sync->replica, "conflicts");
    s.reincarnations = state_int(sync->replica, "reincs");
    s.reincarnated_ms = state_int(sync->replica, "reinc_at");
    s.given_back = state_int(sync->replica, "given_back");
    state_text(sync->replica, "reinc_code", s.reincarnated_code, sizeof s.reincarnated_code);
    state_text(sync->replica, "reinc_why", s.reincarnated_why, sizeof s.reincarnated_why);
    s.time_q = life_clock_quality(&sync->wire);
    s.rows_pushed = sync->wire.rows_pushed;
    s.rows_applied = sync->wire.rows_applied;
    s.next_in_ms = s.link == SYNC_LINK_OFF
                       ? -1
                       : engine_next_in(&sync->engine, core_mono_ms(sync), s.pending > 0);
    s.busy = phase == ENGINE_REQUESTING || phase == ENGINE_APPLYING;
    s.caught_up = s.caught_up && s.pending == 0 && !s.busy;
    text_copy(s.phase, sizeof s.phase, sm_name(&sync->engine.sm));
    *ret = s;
}

void sync_get_enrolment(struct sync *sync, struct sync_enrolment *ret)
{
    const struct identity *identity = &sync->identity;
    struct sync_enrolment e = {.state = identity_state_name(identity_state(identity)),
                               .coded = identity->code[0] != '\0'};
    text_copy(e.serial, sizeof e.serial, identity->serial);
    text_copy(e.digits, sizeof e.digits, identity->digits);
    text_copy(e.problem, sizeof e.problem, identity->problem);
    if (identity->have) {
        text_copy(e.station, sizeof e.station, identity->cert.station);
        text_copy(e.name, sizeof e.name, identity->cert.name);
        e.from_ms = identity->cert.from_ms;
        e.until_ms = identity->cert.until_ms;
    }
    *ret = e;
}

int sync_enrol(struct sync *sync, const char *code, struct err *err)
{
    int rc = identity_begin(&sync->identity, code, err);
    if (rc == ERR_OK)
        sync_retry_now(sync);
    return rc;
}

const char *sync_link_name(enum sync_link link)
{
    static const char *const names[] = {"off", "held", "unknown", "up", "down"};
    return names[link];
}
