/* A loop, a replica and the module; see mini_station.h. */
#include "tests/lib/mini_station.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>

#include "gateway/base/clock.h"

enum { WATCH_MS = 5 };

static void on_check(uv_check_t *check)
{
    struct mini_station *station = check->data;
    replica_commit(station->replica);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct mini_station *station = prepare->data;
    replica_commit(station->replica);
}

static void start_handles(struct mini_station *station)
{
    uv_check_init(&station->loop, &station->check);
    uv_prepare_init(&station->loop, &station->prepare);
    uv_timer_init(&station->loop, &station->watch);
    station->check.data = station->prepare.data = station->watch.data = station;
    uv_check_start(&station->check, on_check);
    uv_prepare_start(&station->prepare, on_prepare);
}

bool mini_station_open(struct mini_station *station, const char *db_path,
                       struct mqtt_options options, const struct mqtt_callbacks *callbacks)
{
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    *station = (struct mini_station){.rnd = rnd_system(), .seal = seal_for_test()};
    const struct replica_options replica_options = {
        .path = db_path, .clock = clock_real(), .rnd = &station->rnd, .seal = station->seal};
    uv_loop_init(&station->loop);
    options.loop = &station->loop;
    options.clock = clock_real();
    options.rnd = &station->rnd;
    if (options.station == NULL)
        options.station = "S0117";
    bool opened = replica_open(&replica_options, &station->replica, &err) == ERR_OK;
    options.replica = station->replica;
    if (!opened || mqtt_init(&options, callbacks, &station->mqtt, &err) != ERR_OK) {
        fprintf(stderr, "station: %s\n", err.text);
        return false;
    }
    start_handles(station);
    mqtt_start(station->mqtt);
    return true;
}

struct watch {
    struct mini_station *station;
    bool (*done)(void *ctx);
    void *ctx;
    int64_t until_ms;
    bool result;
};

static void on_watch(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    watch->result = watch->done != NULL && watch->done(watch->ctx);
    if (watch->result || clock_mono_ms(clock_real()) >= watch->until_ms)
        uv_stop(&watch->station->loop);
}

bool mini_station_run(struct mini_station *station, bool (*done)(void *ctx), void *ctx,
                      int timeout_ms)
{
    struct watch watch = {station, done, ctx, clock_mono_ms(clock_real()) + timeout_ms, false};
    station->watch.data = &watch;
    uv_timer_start(&station->watch, on_watch, 0, WATCH_MS);
    uv_run(&station->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&station->watch);
    return watch.result;
}

static void on_mqtt_closed(void *ctx)
{
    struct mini_station *station = ctx;
    station->closed = true;
    uv_close((uv_handle_t *)&station->check, NULL);
    uv_close((uv_handle_t *)&station->prepare, NULL);
    uv_close((uv_handle_t *)&station->watch, NULL);
}

void mini_station_close(struct mini_station *station)
{
    mqtt_close(station->mqtt, on_mqtt_closed, station);
    uv_run(&station->loop, UV_RUN_DEFAULT);
    assert(station->closed);
    replica_commit(station->replica);
    mqtt_fini(station->mqtt);
    replica_close(station->replica);
    seal_close(station->seal);
    int rc = uv_loop_close(&station->loop);
    assert(rc == 0); /* no handle was forgotten */
    (void)rc;
}

void mini_station_add_device(struct mini_station *station, const char *id, const char *product)
{
    replica_enter(station->replica);
    replica_run(station->replica,
                "INSERT INTO device(id, scope, school_id, post_id, product, kind) "
                "VALUES (?1, 'S0117', 'S14', 'S14-M', ?2, 'sos') ON CONFLICT(id) DO NOTHING",
                "ss", id, product);
    replica_leave(station->replica, true);
    replica_commit(station->replica);
}

bool mini_station_is_ready(const struct mini_station *station)
{
    return mqtt_status(station->mqtt).connected &&
           replica_get_int(station->replica, 0, "SELECT count(*) FROM kv WHERE k = 'mqtt.filters'",
                           "") == 1;
}

void mini_station_no_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}
