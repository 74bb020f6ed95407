/* The supervisor of one modem; see modem.h.
 *
 * Happy path: down -> (device is there) starting -> (hello) ready -> (submit) sending -> (result)
 * ready. Every 15 s in ready: the modem is pinged, and a modem without a network gets the next
 * remedy of its ladder (mending).
 *
 * Failures, all with the same way out: the worker overruns a deadline and is killed, or it exits by
 * itself (unplugged, protocol error), or its pipe breaks. Then draining: when the process is reaped
 * AND its pipe has been read to the end, the part under way gets its result from the last stage
 * that was reported: before the PDU was complete it was certainly not sent, after it it is unknown.
 * Then backoff (1 to 60 s, doubled each time, with jitter) or, when the device is gone, down, where
 * it is looked for every second. A modem that does not even start is switched off and on at each
 * fifth failure, when there is a command for that. */
#include "sms/modem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/modem_internal.h"
#include "sms/port.h"

enum {
    START_MS = 60000,
    PROMPT_MS = 10000,
    SEND_MS = 60000,
    BEAT_MS = 15000, /* also the deadline of a ping */
    POWER_MS = 20000,
    BALANCE_FIRST_MS = 30000,
    LOOK_EVERY_MS = 1000,
    KILL_AFTER_MS = 500, /* SIGTERM lets it write its last AT lines to the log */
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    IN_MAX_BYTES = 4 * (LIMIT_FRAME_BYTES + FRAME_HEAD_BYTES),
    WORKER_FD = 3,
};

static const struct sm_state states[MODEM_STATES] = {
    [MODEM_DOWN] = {"down", SM_TO(MODEM_STARTING) | SM_TO(MODEM_BACKOFF)},
    [MODEM_STARTING] = {"starting", SM_TO(MODEM_READY) | SM_TO(MODEM_DRAINING)},
    [MODEM_READY] = {"ready", SM_TO(MODEM_SENDING) | SM_TO(MODEM_MENDING) | SM_TO(MODEM_DRAINING)},
    [MODEM_SENDING] = {"sending", SM_TO(MODEM_READY) | SM_TO(MODEM_DRAINING)},
    [MODEM_MENDING] = {"mending", SM_TO(MODEM_READY) | SM_TO(MODEM_DRAINING)},
    [MODEM_DRAINING] = {"draining", SM_TO(MODEM_DOWN) | SM_TO(MODEM_BACKOFF)},
    [MODEM_BACKOFF] = {"backoff", SM_TO(MODEM_STARTING) | SM_TO(MODEM_DOWN)},
};

static void start_worker(struct modem *modem);
static void on_timer(uv_timer_t *timer);
static void on_ping(uv_timer_t *timer);

void modem_move(struct modem *modem, enum modem_state next)
{
    int last = modem->sm.now;
    sm_move(&modem->sm, next);
    modem->since_ms = clock_wall_ms(modem->options.clock);
    bool usual = next == MODEM_SENDING || (last == MODEM_SENDING && next == MODEM_READY);
    log_line(usual ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "modem.state",
             "modem=%s state=%s problem=%s", modem->options.name, sm_name(&modem->sm),
             modem->problem);
}

void modem_announce(struct modem *modem)
{
    if (modem->options.events.on_state != NULL)
        modem->options.events.on_state(modem->options.events.ctx, modem);
}

void modem_set_timer(struct modem *modem, int64_t ms)
{
    uv_timer_start(&modem->timer, on_timer, (uint64_t)ms, 0);
}

void modem_set_problem(struct modem *modem, const char *text)
{
    text_copy_utf8(modem->problem, sizeof modem->problem, text, strlen(text));
}

bool modem_is_ready(const struct modem *modem)
{
    return modem->sm.now == MODEM_READY && !modem->closing;
}

bool modem_is_working(const struct modem *modem)
{
    return (modem->sm.now == MODEM_READY || modem->sm.now == MODEM_SENDING) && !modem->closing;
}

bool modem_has_port(const struct modem *modem)
{
    return modem->process_alive;
}

bool modem_is_hopeful(const struct modem *modem)
{
    return modem->sm.now != MODEM_DOWN && !modem->closing;
}

/* --- stopping a worker --- */

void modem_on_handle_closed(uv_handle_t *handle)
{
    struct modem *modem = handle->data;
    modem->open_handles--;
    if (modem->closing && modem->open_handles == 0) {
        buf_free(&modem->in);
        modem->on_closed(modem->closed_ctx);
    }
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, modem_on_handle_closed);
}

static void close_pipe(struct modem *modem)
{
    if (!modem->pipe_open)
        return;
    modem->pipe_open = false;
    close_handle((uv_handle_t *)&modem->pipe);
}

void modem_drain(struct modem *modem, const char *problem)
{
    if (modem->sm.now == MODEM_DRAINING)
        return;
    modem_set_problem(modem, problem);
    modem_move(modem, MODEM_DRAINING);
    uv_timer_stop(&modem->ping);
    if (modem->process_alive)
        uv_process_kill(&modem->process, SIGTERM);
    modem_set_timer(modem, KILL_AFTER_MS);
    modem_announce(modem);
}

static int64_t backoff_ms(struct modem *modem)
{
    int64_t ms = modem->options.backoff_ms;
    for (int i = 1; i < modem->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    return ms / 2 + (int64_t)rnd_below(modem->options.rnd, (uint64_t)(ms / 2 + 1)) + ms / 4;
}

static bool is_device_there(const struct modem *modem)
{
    return access(modem->path, F_OK) == 0;
}

/* Its port is not known yet: the next one may be it. */
static bool is_searching(const struct modem *modem)
{
    return modem->options.imei[0] != '\0' && !modem->found;
}

static void back_off(struct modem *modem)
{
    int64_t ms = modem->options.backoff_ms;
    if (is_searching(modem)) {
        modem->attempt++;
    } else {
        modem->failures++;
        ms = modem_power_cycle(modem) ? POWER_MS : backoff_ms(modem);
    }
    modem_move(modem, MODEM_BACKOFF);
    modem_set_timer(modem, ms);
}

/* Tells the owner what became of the part under way. */
static void settle_job(struct modem *modem, enum send_outcome outcome, int value)
{
    int64_t job = modem->job;
    if (job == 0)
        return;
    modem->job = 0;
    if (outcome == SEND_UNKNOWN)
        modem->unknown_sends++;
    modem->options.events.on_result(modem->options.events.ctx, modem, job, outcome, value);
}

static void settle_call(struct modem *modem, enum call_outcome outcome)
{
    int64_t call = modem->call;
    if (call == 0)
        return;
    modem->call = 0;
    modem->options.events.on_call(modem->options.events.ctx, modem, call, outcome);
}

/* A worker that dies while the modem is there may have died of this very message: that counts as a
 * try, so that it cannot stand in front of the others for ever. */
static enum send_outcome outcome_of_lost_worker(const struct modem *modem, bool plugged)
{
    if (modem->stage >= STAGE_PDU)
        return SEND_UNKNOWN;
    return plugged ? SEND_TIMEOUT : SEND_UNPLUGGED;
}

/* The process is reaped and every frame that it wrote has been read. */
static void on_worker_gone(struct modem *modem)
{
    bool there = is_device_there(modem);
    enum send_outcome outcome = outcome_of_lost_worker(modem, there && !modem->unplugged);
    if (modem->closing) {
        uv_timer_stop(&modem->timer);
        modem_move(modem, MODEM_DOWN);
        settle_job(modem, outcome, 0);
        settle_call(modem, CALL_STOPPED);
        close_handle((uv_handle_t *)&modem->timer);
        close_handle((uv_handle_t *)&modem->ping);
        return;
    }
    modem->restarts++;
    if (there) {
        if (modem->found && !modem->was_reset && !modem->unplugged)
            ladder_count(&modem->ladder, LADDER_REOPEN, clock_wall_ms(modem->options.clock));
        back_off(modem);
    } else {
        modem->found = false;
        modem_move(modem, MODEM_DOWN);
        modem_set_timer(modem, LOOK_EVERY_MS);
    }
    modem->was_reset = false;
    settle_job(modem, outcome, 0);
    settle_call(modem, CALL_STOPPED);
    modem_announce(modem);
}

static void check_gone(struct modem *modem)
{
    if (!modem->process_alive && !modem->pipe_open && modem->sm.now == MODEM_DRAINING)
        on_worker_gone(modem);
}

static void on_exit(uv_process_t *process, int64_t status, int signal)
{
    struct modem *modem = process->data;
    modem->process_alive = false;
    char problem[96];
    if (signal != 0)
        snprintf(problem, sizeof problem, "the worker was ended by signal %d", signal);
    else
        snprintf(problem, sizeof problem, "the worker exited with %d", (int)status);
    bool told = modem->sm.now == MODEM_DRAINING; /* the reason is known already */
    log_info("modem.exit", "modem=%s status=%d signal=%d", modem->options.name, (int)status,
             signal);
    close_handle((uv_handle_t *)process);
    if (!told)
        modem_drain(modem, problem);
    check_gone(modem);
}

static void kill_worker(struct modem *modem, const char *problem)
{
    log_warn("modem.kill", "modem=%s why=%s", modem->options.name, problem);
    modem_drain(modem, problem);
}

/* --- frames --- */

/* Without waiting: a worker that does not read loses deletions (it offers the message again) and
 * gets no parts. A broken pipe also ends the reading side, which decides. */
bool modem_write(struct modem *modem, const struct frame *frame)
{
    struct buf out;
    struct err err;
    buf_init(&out, FRAME_HEAD_BYTES + LIMIT_FRAME_BYTES);
    if (!modem->pipe_open || frame_write(frame, &out, &err) != ERR_OK) {
        buf_free(&out);
        return false;
    }
    uv_buf_t part = uv_buf_init(out.bytes, (unsigned)out.size);
    int n = uv_try_write((uv_stream_t *)&modem->pipe, &part, 1);
    bool ok = n >= 0 && (size_t)n == out.size;
    buf_free(&out);
    if (!ok && n >= 0)
        kill_worker(modem, "its line is full"); /* half a frame: nothing after it can be read */
    return ok;
}

static void send_number(struct modem *modem, enum frame_kind kind, int64_t id)
{
    struct frame frame = {.kind = kind, .id = id};
    modem_write(modem, &frame);
}

static void stop_worker(struct modem *modem)
{
    send_number(modem, FRAME_STOP, 0);
    modem_set_timer(modem, LIMIT_STOP_MS / 2);
}

static void on_hello(struct modem *modem)
{
    if (modem->sm.now != MODEM_STARTING)
        return;
    modem->found = true;
    modem->balance_due_ms = uv_now(modem->options.loop) + BALANCE_FIRST_MS;
    text_copy(modem->imei, sizeof modem->imei, modem->frame.imei);
    text_copy(modem->model, sizeof modem->model, modem->frame.model);
    text_copy(modem->driver, sizeof modem->driver, modem->frame.driver);
    text_copy(modem->make, sizeof modem->make, modem->frame.make);
    text_copy(modem->network, sizeof modem->network, modem->frame.network);
    modem_set_problem(modem, "");
    uv_timer_stop(&modem->timer);
    uv_timer_start(&modem->ping, on_ping, (uint64_t)modem->options.beat_ms,
                   (uint64_t)modem->options.beat_ms);
    modem_move(modem, MODEM_READY);
    modem_announce(modem);
}

static void on_stage(struct modem *modem)
{
    if (modem->job == 0 || modem->frame.id != modem->job)
        return;
    modem->stage = (enum frame_stage)modem->frame.value;
    if (modem->stage >= STAGE_PROMPT && modem->sm.now == MODEM_SENDING && !modem->closing)
        modem_set_timer(modem, modem->options.send_ms);
}

static void on_result(struct modem *modem)
{
    if (modem->job == 0 || modem->frame.id != modem->job)
        return;
    enum send_outcome outcome = modem->frame.outcome >= 0 && modem->frame.outcome < SEND_OUTCOMES
                                    ? (enum send_outcome)modem->frame.outcome
                                    : SEND_UNKNOWN;
    if (outcome == SEND_OK) {
        modem->sent++;
        modem->failures = 0;
        modem->refusals = 0;
    }
    if (modem->sm.now == MODEM_SENDING) {
        uv_timer_stop(&modem->timer);
        modem_move(modem, MODEM_READY);
        if (modem->closing)
            stop_worker(modem);
    }
    settle_job(modem, outcome, modem->frame.value);
}

static void on_call(struct modem *modem)
{
    int outcome = modem->frame.outcome;
    if (modem->call != 0 && modem->frame.id == modem->call)
        settle_call(modem, outcome >= 0 && outcome < CALL_OUTCOMES ? (enum call_outcome)outcome
                                                                   : CALL_STOPPED);
}

static void on_bye(struct modem *modem)
{
    modem->unplugged = modem->frame.value == 1;
    modem_drain(modem, modem->frame.text); /* no news when it was told to stop */
}

static void handle_frame(struct modem *modem)
{
    const struct modem_events *events = &modem->options.events;
    switch (modem->frame.kind) {
    case FRAME_HELLO:
        on_hello(modem);
        break;
    case FRAME_STAGE:
        on_stage(modem);
        break;
    case FRAME_RESULT:
        on_result(modem);
        break;
    case FRAME_PDU:
        events->on_pdu(events->ctx, modem, &modem->frame);
        break;
    case FRAME_REPORT:
        events->on_report(events->ctx, modem, &modem->frame);
        break;
    case FRAME_STATE:
        modem_on_state(modem);
        break;
    case FRAME_PIN:
        events->on_pin(events->ctx, modem, &modem->frame);
        break;
    case FRAME_CALL:
        on_call(modem);
        break;
    case FRAME_RING:
        events->on_ring(events->ctx, modem, modem->frame.to);
        break;
    case FRAME_MEND:
        modem_on_mended(modem);
        break;
    case FRAME_USSD:
        modem_on_ussd(modem);
        break;
    case FRAME_PONG:
        modem->ping_id = 0;
        modem->failures = 0;
        break;
    case FRAME_BYE:
        on_bye(modem);
        break;
    default:
        log_warn("modem.frame", "modem=%s kind=%d", modem->options.name, (int)modem->frame.kind);
    }
}

static void read_frames(struct modem *modem)
{
    struct err err = {0};
    int got;
    while ((got = frame_take(&modem->in, &modem->frame, &err)) == 1)
        handle_frame(modem);
    if (got < 0)
        kill_worker(modem, err.text);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct modem *modem = handle->data;
    size_t room = IN_MAX_BYTES - modem->in.size;
    room = room < LIMIT_FRAME_BYTES ? room : LIMIT_FRAME_BYTES;
    char *bytes = buf_reserve(&modem->in, room);
    *ret = uv_buf_init(bytes, bytes != NULL ? (unsigned)room : 0);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    struct modem *modem = stream->data;
    if (count > 0) {
        buf_commit(&modem->in, (size_t)count);
        read_frames(modem);
    } else if (count < 0) {
        close_pipe(modem);
        modem_drain(modem, "the worker closed its line");
        check_gone(modem);
    }
}

/* --- starting --- */

static void fail_start(struct modem *modem, const char *what, int rc)
{
    char problem[160];
    snprintf(problem, sizeof problem, "%s %s: %s", what, modem->options.worker_path,
             uv_strerror(rc));
    modem_set_problem(modem, problem);
    log_error("modem.start", "modem=%s %s", modem->options.name, problem);
}

/* stdin is /dev/null, stderr is ours, fd 3 is the line. */
static int spawn(struct modem *modem)
{
    char *args[] = {(char *)(uintptr_t)modem->options.worker_path, modem->path,
                    modem->options.fast_sleeps ? (char *)(uintptr_t) "--fast-sleeps" : NULL, NULL};
    uv_stdio_container_t stdio[WORKER_FD + 1] = {0};
    stdio[0].flags = UV_IGNORE;
    stdio[1].flags = UV_IGNORE;
    stdio[2].flags = UV_INHERIT_FD;
    stdio[2].data.fd = STDERR_FILENO;
    stdio[3].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE);
    stdio[3].data.stream = (uv_stream_t *)&modem->pipe;
    uv_process_options_t options = {
        .file = modem->options.worker_path,
        .args = args,
        .stdio = stdio,
        .stdio_count = WORKER_FD + 1,
        .exit_cb = on_exit,
    };
    return uv_spawn(modem->options.loop, &modem->process, &options);
}

/* What it is to do goes over the line and not into its arguments, which everybody can read. */
static void set_up_worker(struct modem *modem)
{
    const struct modem_options *options = &modem->options;
    struct frame setup = {.kind = FRAME_SETUP};
    text_copy(setup.driver, sizeof setup.driver, options->driver);
    text_copy(setup.imei, sizeof setup.imei, options->imei);
    text_copy(setup.smsc, sizeof setup.smsc, options->smsc);
    setup.value = is_searching(modem) && modem->attempt > 0;
    modem_write(modem, &setup);
}

static bool is_taken(void *ctx, const char *path)
{
    struct modem *modem = ctx;
    const struct modem_events *events = &modem->options.events;
    return events->is_taken != NULL && events->is_taken(events->ctx, modem, path);
}

static bool choose_port(struct modem *modem)
{
    struct port_wish wish = {modem->options.device, modem->options.imei, modem->options.scan_dir,
                             modem, is_taken};
    if (modem->found && is_device_there(modem))
        return true;
    modem->found = false;
    return port_choose(&wish, modem->attempt, modem->path, sizeof modem->path);
}

static void start_worker(struct modem *modem)
{
    if (!choose_port(modem)) {
        if (modem->sm.now != MODEM_DOWN) {
            modem_set_problem(modem, "the device is not there");
            modem_move(modem, MODEM_DOWN);
        }
        modem_set_timer(modem, LOOK_EVERY_MS);
        return;
    }
    uv_pipe_init(modem->options.loop, &modem->pipe, 0);
    modem->pipe.data = modem;
    modem->process.data = modem;
    modem->pipe_open = true;
    modem->open_handles += 2;
    buf_clear(&modem->in);
    modem->stage = STAGE_NONE;
    modem->unplugged = false;
    modem->ping_id = 0;
    int rc = spawn(modem);
    modem_move(modem, MODEM_STARTING);
    modem->process_alive = rc == 0;
    if (rc == 0)
        rc = uv_read_start((uv_stream_t *)&modem->pipe, on_alloc, on_read);
    modem_set_timer(modem, START_MS);
    if (rc == 0) {
        set_up_worker(modem);
    } else {
        fail_start(modem, "cannot start", rc);
        if (!modem->process_alive)
            close_handle((uv_handle_t *)&modem->process);
        close_pipe(modem);
        modem_drain(modem, modem->problem);
    }
    modem_announce(modem);
}

/* --- deadlines --- */

static void on_drain_deadline(struct modem *modem)
{
    if (modem->process_alive) {
        uv_process_kill(&modem->process, SIGKILL);
        modem_set_timer(modem, KILL_AFTER_MS);
    } else {
        close_pipe(modem); /* somebody else holds the other end: do not wait for it */
        check_gone(modem);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct modem *modem = timer->data;
    switch ((enum modem_state)modem->sm.now) {
    case MODEM_DOWN:
    case MODEM_BACKOFF:
        start_worker(modem);
        break;
    case MODEM_STARTING:
        kill_worker(modem, "the modem does not start");
        break;
    case MODEM_SENDING:
        kill_worker(modem, modem->stage < STAGE_PROMPT ? "no prompt in time" : "no answer in time");
        break;
    case MODEM_DRAINING:
        on_drain_deadline(modem);
        break;
    case MODEM_MENDING:
        kill_worker(modem, "the modem does not come back");
        break;
    default: /* ready, and closing took too long */
        kill_worker(modem, "it does not stop");
    }
}

/* A worker that is busy with a send answers late and has a deadline of its own. */
static void on_ping(uv_timer_t *timer)
{
    struct modem *modem = timer->data;
    if (modem->sm.now != MODEM_READY)
        return;
    if (modem->ping_id != 0) {
        kill_worker(modem, "the modem does not answer AT");
        return;
    }
    if (modem_mend_network(modem))
        return;
    if (uv_now(modem->options.loop) >= modem->balance_due_ms)
        modem_ask_balance(modem);
    modem->ping_id = ++modem->last_ping_id;
    send_number(modem, FRAME_PING, modem->ping_id);
}

/* --- the owner's side --- */

void modem_init(struct modem *modem, const struct modem_options *options)
{
    *modem = (struct modem){.options = *options, .csq = 99, .registration = -1};
    if (modem->options.prompt_ms == 0)
        modem->options.prompt_ms = PROMPT_MS;
    if (modem->options.send_ms == 0)
        modem->options.send_ms = SEND_MS;
    if (modem->options.backoff_ms == 0)
        modem->options.backoff_ms = BACKOFF_MIN_MS;
    sm_init(&modem->sm, "modem", states, MODEM_STATES, MODEM_DOWN);
    modem->since_ms = clock_wall_ms(options->clock);
    buf_init(&modem->in, IN_MAX_BYTES);
    uv_timer_init(options->loop, &modem->timer);
    uv_timer_init(options->loop, &modem->ping);
    modem->timer.data = modem;
    modem->ping.data = modem;
    if (modem->options.driver == NULL)
        modem->options.driver = "gammu";
    if (modem->options.imei == NULL)
        modem->options.imei = "";
    if (modem->options.device == NULL)
        modem->options.device = "";
    if (modem->options.scan_dir == NULL)
        modem->options.scan_dir = PORT_SCAN_DIR;
    if (modem->options.smsc == NULL)
        modem->options.smsc = "";
    if (modem->options.power_command == NULL)
        modem->options.power_command = "";
    if (modem->options.balance_code == NULL)
        modem->options.balance_code = "";
    if (modem->options.beat_ms == 0)
        modem->options.beat_ms = BEAT_MS;
    modem->ladder.has_power = modem->options.power_command[0] != '\0';
    modem->ladder.wait_ms = modem->options.ladder_ms;
    modem->open_handles = 2;
}

void modem_start(struct modem *modem)
{
    modem_set_problem(modem, "the device is not there");
    modem_set_timer(modem, LOOK_EVERY_MS);
    start_worker(modem);
}

bool modem_submit(struct modem *modem, const struct frame *submit)
{
    if (!modem_is_ready(modem) || !modem_write(modem, submit))
        return false;
    modem->job = submit->id;
    modem->stage = STAGE_NONE;
    modem->ping_id = 0;
    modem_move(modem, MODEM_SENDING);
    modem_set_timer(modem, modem->options.prompt_ms);
    return true;
}

bool modem_dial(struct modem *modem, int64_t id, const char *number, int ring_ms)
{
    struct frame dial = {.kind = FRAME_DIAL, .id = id, .value = ring_ms};
    if (!modem_is_working(modem) || modem->call != 0 ||
        !text_copy(dial.to, sizeof dial.to, number) || !modem_write(modem, &dial))
        return false;
    modem->call = id;
    return true;
}

void modem_hangup(struct modem *modem, int64_t id)
{
    if (modem->call == id)
        send_number(modem, FRAME_HANGUP, id);
}

void modem_delete(struct modem *modem, int64_t offer)
{
    send_number(modem, FRAME_DELETE, offer);
}

void modem_poll(struct modem *modem)
{
    send_number(modem, FRAME_POLL, 0);
}

void modem_close(struct modem *modem, void (*on_closed)(void *ctx), void *ctx)
{
    modem->closing = true;
    modem->on_closed = on_closed;
    modem->closed_ctx = ctx;
    uv_timer_stop(&modem->ping);
    switch ((enum modem_state)modem->sm.now) {
    case MODEM_DOWN:
    case MODEM_BACKOFF:
        uv_timer_stop(&modem->timer);
        close_handle((uv_handle_t *)&modem->timer);
        close_handle((uv_handle_t *)&modem->ping);
        break;
    case MODEM_STARTING:
    case MODEM_MENDING:
        modem_drain(modem, "stopping");
        break;
    case MODEM_READY:
        stop_worker(modem);
        break;
    case MODEM_SENDING:
        modem_set_timer(modem, LIMIT_STOP_MS / 2);
        break;
    default: /* draining: on_worker_gone goes on */
        break;
    }
}
