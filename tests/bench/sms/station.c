/* A station that only sends and receives: the gateway's loop, replica and sms module with the real
 * worker, driven by lines on stdin. For bench/sms_queue.py.
 *
 *   put COUNT GAP_MS PRIO NAME   COUNT messages NAME-0, NAME-1 ..., a turn of the loop and GAP_MS
 *                                apart (0: fifty in each turn); prints "put NAME-i MICROSECONDS"
 *   SIGTERM or end of input      closes in good order
 *
 * Turns, commits and checkpoints are the gateway's (gateway/turn.c, gateway/upkeep.c).
 *
 * Prints "ready" when the modem takes its first part, and "text BODY" for each message that comes
 * in. Times are of CLOCK_MONOTONIC. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/outbox.h"
#include "sms/sms.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

enum { WAL_PAGES = 16384, WAL_PAGES_MAX = 32768, CHECKPOINT_MS = 500 };
enum { LINE_BYTES = 256, NAME_BYTES = 64, AT_ONCE = 50, COMMITS_MAX = 4, NUMBERS = 10000 };

struct order {
    int count;
    int gap_ms;
    int prio;
    char name[NAME_BYTES];
};

struct station {
    uv_loop_t loop;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_timer_t timer; /* the next put */
    uv_pipe_t in;
    uv_signal_t term;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    const char *path; /* of its file */
    uv_work_t checkpoint;
    bool checkpoint_running;
    bool checkpoint_rest;
    uint64_t checkpoint_ms; /* not before */
    struct sms *sms;
    bool told_ready;
    bool closing;
    struct buf line;
    char bytes[LINE_BYTES];
    struct order order;
    int done; /* of the order */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "station: %s: %s\n", what, why);
    exit(1);
}

static void run_checkpoint(uv_work_t *work)
{
    struct err err = {0};
    if (replica_checkpoint(((struct station *)work->data)->path, &err) != ERR_OK)
        fprintf(stderr, "station: %s\n", err.text);
}

static void on_checkpoint_done(uv_work_t *work, int status)
{
    struct station *station = work->data;
    station->checkpoint_running = false;
    station->checkpoint_rest = status == 0;
}

static void check_point(struct station *station)
{
    uint64_t now = uv_now(&station->loop);
    if (station->checkpoint_rest) {
        station->checkpoint_rest = false;
        replica_checkpoint_rest(station->replica);
    } else if (!station->checkpoint_running && !station->closing && now >= station->checkpoint_ms &&
               replica_wal_pages(station->replica) >= WAL_PAGES) {
        station->checkpoint_ms = now + CHECKPOINT_MS;
        station->checkpoint.data = station;
        station->checkpoint_running = uv_queue_work(&station->loop, &station->checkpoint,
                                                    run_checkpoint, on_checkpoint_done) == 0;
    }
}

static void end_turn(struct station *station)
{
    for (int i = 0; i < COMMITS_MAX && replica_in_turn(station->replica); i++)
        if (!replica_commit(station->replica))
            break;
    if (!replica_in_turn(station->replica))
        check_point(station);
}

static void on_check(uv_check_t *handle)
{
    end_turn(handle->data);
}

static void on_prepare(uv_prepare_t *handle)
{
    end_turn(handle->data);
}

/* --- putting --- */

/* A number of its own for each, so that no rule about a single recipient slows them. */
static void put_one(struct station *station)
{
    char number[24], name[NAME_BYTES + 16], phone[LIMIT_SEALED_PHONE_BYTES];
    char id[LIMIT_ID_BYTES + 1];
    snprintf(name, sizeof name, "%s-%d", station->order.name, station->done);
    snprintf(number, sizeof number, "+86139%08d", station->done % NUMBERS);
    replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", number);
    struct outbox_message message = {.idem = name,
                                     .phone = phone,
                                     .text = name,
                                     .prio = station->order.prio,
                                     .text_id = "bench"};
    printf("put %s %lld\n", name, (long long)clock_mono_us());
    replica_enter(station->replica);
    int code = outbox_put(sms_outbox(station->sms), &message, id);
    if (!replica_leave(station->replica, code == ERR_OK) || code != ERR_OK)
        die("put", name);
    station->done++;
}

static void on_timer(uv_timer_t *timer)
{
    struct station *station = timer->data;
    int at_once = station->order.gap_ms > 0 ? 1 : AT_ONCE;
    for (int i = 0; i < at_once && station->done < station->order.count; i++)
        put_one(station);
    fflush(stdout);
    if (station->done < station->order.count)
        uv_timer_start(timer, on_timer, (uint64_t)station->order.gap_ms, 0);
}

static void obey(struct station *station, const char *line)
{
    struct order order = {0};
    /* NOLINTNEXTLINE(cert-err34-c): lines of our own script */
    if (sscanf(line, "put %d %d %d %63s", &order.count, &order.gap_ms, &order.prio, order.name) !=
        4)
        die("no such order", line);
    station->order = order;
    station->done = 0;
    uv_timer_start(&station->timer, on_timer, 0, 0);
}

/* --- the modem's side --- */

static void on_text(void *ctx, const struct inbox_text *text)
{
    (void)ctx;
    printf("text %s\n", text->body);
    fflush(stdout);
}

static void on_state(void *ctx, const struct sms_modem_status *status)
{
    struct station *station = ctx;
    if (station->told_ready || !text_equal(status->state, "ready"))
        return;
    station->told_ready = true;
    printf("ready\n");
    fflush(stdout);
}

/* --- beginning and end --- */

static void on_closed(void *ctx)
{
    struct station *station = ctx;
    uv_close((uv_handle_t *)&station->check, NULL);
    uv_close((uv_handle_t *)&station->prepare, NULL);
    uv_close((uv_handle_t *)&station->timer, NULL);
    uv_close((uv_handle_t *)&station->in, NULL);
    uv_close((uv_handle_t *)&station->term, NULL);
}

static void leave(struct station *station)
{
    if (!station->closing)
        sms_close(station->sms, on_closed, station);
    station->closing = true;
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    leave(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct station *station = handle->data;
    *ret = uv_buf_init(station->bytes, sizeof station->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct station *station = stream->data;
    char *end;
    if (count < 0) {
        leave(station);
        return;
    }
    buf_add(&station->line, buf->base, (size_t)count);
    while (station->line.size > 0 &&
           (end = memchr(station->line.bytes, '\n', station->line.size)) != NULL) {
        *end = '\0';
        obey(station, station->line.bytes);
        buf_drop(&station->line, (size_t)(end - station->line.bytes) + 1);
    }
}

static void start_loop(struct station *station)
{
    uv_loop_init(&station->loop);
    uv_check_init(&station->loop, &station->check);
    uv_prepare_init(&station->loop, &station->prepare);
    uv_timer_init(&station->loop, &station->timer);
    uv_pipe_init(&station->loop, &station->in, 0);
    uv_signal_init(&station->loop, &station->term);
    station->check.data = station->prepare.data = station->timer.data = station;
    station->in.data = station->term.data = station;
    uv_check_start(&station->check, on_check);
    uv_prepare_start(&station->prepare, on_prepare);
    uv_signal_start(&station->term, on_term, SIGTERM);
    uv_pipe_open(&station->in, 0);
    uv_read_start((uv_stream_t *)&station->in, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    static struct station station;
    struct err err = {0};
    int send_ms = 0;
    if (argc != 6 || !text_to_int(argv[5], 0, 600000, &send_ms)) {
        fputs("bench_sms_station DRIVER DEVICE WORKER DATABASE SEND_MS\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    station.rnd = rnd_system();
    station.seal = seal_for_test();
    buf_init(&station.line, LINE_BYTES * 4);
    struct replica_options replica = {.path = argv[4],
                                      .clock = clock_real(),
                                      .rnd = &station.rnd,
                                      .seal = station.seal,
                                      .wal_pages_max = WAL_PAGES_MAX};
    station.path = argv[4];
    if (replica_open(&replica, &station.replica, &err) != ERR_OK)
        die("replica", err.text);
    start_loop(&station);
    struct sms_options options = {
        .loop = &station.loop,
        .replica = station.replica,
        .clock = clock_real(),
        .rnd = &station.rnd,
        .modems = {{.name = "gsm0",
                    .device = argv[2],
                    .worker_path = argv[3],
                    .driver = argv[1],
                    .send_ms = send_ms}},
        .modem_count = 1,
        .callbacks = {&station, on_text, on_state},
    };
    if (sms_init(&options, &station.sms, &err) != ERR_OK || sms_start(station.sms, &err) != ERR_OK)
        die("sms", err.text);
    uv_run(&station.loop, UV_RUN_DEFAULT);
    replica_commit(station.replica);
    replica_close(station.replica);
    seal_close(station.seal);
    buf_free(&station.line);
    uv_loop_close(&station.loop);
    return 0;
}
