/* Any bytes as what the county answers: the station never crashes, its database can always be
 * written, and what it has not yet been able to say stays marked.
 *
 * First byte: where the station is (first contact, a push in flight, filling, comparing, giving
 * back), and with the bit COMPRESSED the replies are zstd frames. Then one reply after the other,
 * ended by 0xFF: a byte that chooses the status, and the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "sync/internal.h"
#include "sync/replica/seal.h"
#include "sync/replica/tables.h"
#include "sync/zip.h"
#include "tests/lib/fuzz.h"

enum { COMPRESSED = 8, MODES = 5, REPLIES_MAX = 6, TURNS = 6, END = 0xff, HOUR_MS = 3600000 };

static struct clock_cells cells = {1700000000000, 1000};
static struct clock manual;
static struct rnd rnd;
static uv_loop_t loop;
static uv_check_t check;
static struct replica *replica;
static struct sync *sync_object;
static transport_reply_fn *on_reply;
static void *reply_ctx;
static bool closed;

/* --- a station without a line --- */

static void fake_send(void *impl, const char *path, const char *body, size_t size, bool fast,
                      transport_reply_fn *user, void *ctx)
{
    (void)impl, (void)path, (void)body, (void)size, (void)fast;
    on_reply = user;
    reply_ctx = ctx;
}

static void fake_abort(void *impl)
{
    (void)impl;
}

static void fake_close(void *impl, void (*done)(void *ctx), void *ctx)
{
    (void)impl;
    on_reply = NULL;
    done(ctx);
}

static void on_closed(void *ctx)
{
    (void)ctx;
    closed = true;
}

static void on_check(uv_check_t *handle)
{
    (void)handle;
    replica_commit(replica);
}

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx, (void)level, (void)line;
}

static void open_once(void)
{
    struct err err = {0};
    if (replica != NULL)
        return;
    log_set_sink(swallow, NULL);
    manual = clock_manual(&cells);
    rnd = rnd_seeded(1);
    struct replica_options options = {
        .path = ":memory:", .clock = &manual, .rnd = &rnd, .seal = seal_for_test()};
    if (replica_open(&options, &replica, &err) != ERR_OK)
        abort();
    uv_loop_init(&loop);
    uv_check_init(&loop, &check);
    uv_check_start(&check, on_check);
    uv_unref((uv_handle_t *)&check);
}

/* --- where it is --- */

#define FILLED                                                                                     \
    "('cur:S1', '[\"e1\",1000]'), ('cur:*', '[\"e1\",1000]'), ('ep', 'e1'), "                      \
    "('eps', '[[\"e0\",0],[\"e1\",100]]'), ('inc', 9), ('tok', 't'), ('last_now', 1700000000000)"

static const char *const MODE_STATE[MODES] = {
    "INSERT INTO sync_state(k, v) VALUES ('acked', 0)",
    "INSERT INTO sync_state(k, v) VALUES " FILLED,
    "INSERT INTO sync_state(k, v) VALUES ('ep', 'e1'), ('inc', 9), ('tok', 't')",
    "INSERT INTO sync_state(k, v) VALUES " FILLED ", ('digest:S1', 1)",
    "INSERT INTO sync_state(k, v) VALUES " FILLED ", ('rewind', '[\"e0\",100,0]'), "
    "('rewind_eps', '[[\"e0\",0],[\"e2\",100]]')",
};

static void run(const char *sql)
{
    if (replica_run(replica, sql, "") < 0)
        abort();
}

static const char *const EMPTY[] = {
    "DELETE FROM sync_state WHERE k NOT IN ('station', 'machine')",
    "DELETE FROM sync_out",
    "DELETE FROM sync_boot",
    "DELETE FROM sync_quarantine",
    "DELETE FROM sync_conflict",
    "DELETE FROM sqlite_sequence",
    "DELETE FROM org",
    "DELETE FROM school",
    "DELETE FROM bell",
    "DELETE FROM cal_day",
    "DELETE FROM school_day",
    "DELETE FROM post",
    "DELETE FROM person",
    "DELETE FROM badge",
    "DELETE FROM device",
    "DELETE FROM avail",
    "DELETE FROM duty_lead",
    "DELETE FROM sponsor",
    "DELETE FROM shift",
    "DELETE FROM assignment",
    "DELETE FROM checkin",
    "DELETE FROM alarm",
    "DELETE FROM alarm_event",
    "DELETE FROM device_event",
};

static void set_mode(int mode)
{
    replica_enter(replica);
    replica_set_applying(replica, true);
    for (size_t i = 0; i < sizeof EMPTY / sizeof *EMPTY; i++)
        run(EMPTY[i]);
    run("INSERT INTO person(id, scope, kind, name, _v) VALUES ('old', 'S1', 'guard', 'n', 500)");
    replica_set_applying(replica, false);
    run(MODE_STATE[mode]);
    if (!replica_leave(replica, true) || !replica_commit(replica))
        abort();
}

static void write_shift(void)
{
    replica_enter(replica);
    run("INSERT INTO shift(id, scope, post_id, date, peak, state) "
        "VALUES ('s', 'S1', 'p', 'd', 'am', 'planned')");
    if (!replica_leave(replica, true) || !replica_commit(replica))
        abort();
}

static void start(int mode)
{
    struct err err = {0};
    struct transport transport = {&loop, fake_send, fake_abort, fake_close, NULL};
    struct sync_options options = {.url = "https://county.example", .station = "S1"};
    set_mode(mode);
    if (sync_init_with(&sync_object, &loop, replica, &rnd, &options, &transport, &err) != ERR_OK)
        abort();
    if (mode <= 1)
        write_shift();
    sync_start(sync_object);
}

static void stop(void)
{
    closed = false;
    sync_close(sync_object, on_closed, NULL);
    while (!closed) {
        uv_run(&loop, UV_RUN_NOWAIT);
        replica_commit(replica);
    }
    sync_free(sync_object);
    replica_commit(replica);
}

static void turn(void)
{
    for (int i = 0; i < TURNS; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        replica_commit(replica);
    }
}

/* --- replies --- */

static void give(uint8_t chosen, const uint8_t *bytes, size_t size, bool compressed)
{
    static const int STATUSES[] = {200, 409, 410, 400, 403, 404, 413, 426, 503, 401};
    struct transport_reply reply = {.status = STATUSES[chosen % (sizeof STATUSES / sizeof(int))],
                                    .retry_after_ms = -1,
                                    .took_ms = 1};
    struct buf body;
    buf_init(&body, LIMIT_SYNC_BODY_BYTES);
    if (compressed)
        reply.code = zip_open(bytes, size, &body, &reply.err);
    else
        buf_add(&body, bytes, size);
    reply.body = buf_text(&body);
    reply.size = body.size;
    transport_reply_fn *user = on_reply;
    on_reply = NULL;
    user(reply_ctx, &reply);
    turn();
    buf_free(&body);
}

static void await_request(void)
{
    for (int i = 0; i < TURNS && on_reply == NULL; i++) {
        cells.mono_ms += HOUR_MS;
        sync_retry_now(sync_object);
        turn();
    }
}

static void check_station(int mode)
{
    assert(replica_failing(replica) == NULL);
    if (mode <= 1)
        assert(replica_get_int(replica, 0, "SELECT count(*) FROM sync_out WHERE pk = 's'", "") > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    int mode = bytes[0] % MODES;
    bool compressed = (bytes[0] & COMPRESSED) != 0;
    const uint8_t *at = bytes + 1;
    const uint8_t *end = bytes + size;
    open_once();
    start(mode);
    for (int i = 0; i < REPLIES_MAX && at < end; i++) {
        const uint8_t *stop_at = memchr(at + 1, END, (size_t)(end - at - 1));
        const uint8_t *last = compressed || stop_at == NULL ? end : stop_at;
        await_request();
        if (on_reply == NULL)
            break;
        give(*at, at + 1, (size_t)(last - at - 1), compressed);
        check_station(mode);
        at = last < end ? last + 1 : end;
    }
    stop();
    check_station(mode);
    return 0;
}
