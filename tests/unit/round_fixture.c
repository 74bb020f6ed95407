/* See round_fixture.h. */
#include "tests/unit/round_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "sync/replica/seal.h"
#include "tests/lib/exchanges.h"

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

/* --- the transport --- */

static void fake_send(void *impl, const char *path, const char *body, size_t size, bool fast,
                      transport_reply_fn *on_reply, void *ctx)
{
    (void)fast;
    struct fixture *f = impl;
    struct err err = {0};
    assert_null(f->on_reply);
    json_free(f->sent);
    f->sent = NULL;
    if (size > 0 && json_parse(body, size, &f->sent, &err) != ERR_OK)
        fail_msg("%s", err.text);
    snprintf(f->path, sizeof f->path, "%s", path);
    exchanges_record(&(struct exchange){.by_station = true,
                                        .path = path,
                                        .method = size > 0 ? "post" : "get",
                                        .request = body,
                                        .request_size = size,
                                        .reply = ""});
    f->on_reply = on_reply;
    f->reply_ctx = ctx;
    f->sends++;
}

static void fake_abort(void *impl)
{
    (void)impl;
}

static void fake_close(void *impl, void (*done)(void *ctx), void *ctx)
{
    struct fixture *f = impl;
    f->on_reply = NULL;
    done(ctx);
}

/* --- the station --- */

static void on_check(uv_check_t *handle)
{
    struct fixture *f = handle->data;
    replica_commit(f->replica);
}

static void on_applied(void *ctx, int64_t rows)
{
    ((struct fixture *)ctx)->applied += rows;
}

static void on_link(void *ctx, bool up)
{
    struct fixture *f = ctx;
    f->links_up += up;
    f->links_down += !up;
}

void rx_turn(struct fixture *f)
{
    for (int i = 0; i < 5; i++) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        replica_commit(f->replica);
    }
}

void rx_wait_request(struct fixture *f, const char *path)
{
    for (int i = 0; i < 3000 && f->on_reply == NULL; i++) {
        f->cells.mono_ms += 10;
        rx_turn(f);
        clock_sleep_ms(1);
    }
    assert_non_null(f->on_reply);
    if (strncmp(f->path, path, strlen(path)) != 0)
        fail_msg("%s, not %s", f->path, path);
}

void rx_open(struct fixture *f)
{
    struct replica_options options = {
        .path = f->file, .clock = &f->clock, .rnd = &f->rnd, .seal = f->seal};
    struct err err = {0};
    if (replica_open(&options, &f->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    struct transport transport = {f, fake_send, fake_abort, fake_close, NULL};
    struct sync_options sync = {.url = "https://county.example",
                                .station = "S1",
                                .scopes = {f->own_only ? "S1" : NULL},
                                .without = f->without,
                                .poll_ms = 60000,
                                .backoff_min_ms = 100,
                                .backoff_max_ms = 400,
                                .on_applied = on_applied,
                                .on_link = on_link,
                                .ctx = f};
    if (sync_init_with(&f->sync, &f->loop, f->replica, &f->rnd, &sync, &transport, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void on_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed = true;
}

void rx_close(struct fixture *f)
{
    f->closed = false;
    sync_close(f->sync, on_closed, f);
    while (!f->closed)
        rx_turn(f);
    sync_free(f->sync);
    replica_close(f->replica);
}

int rx_set_up(void **state)
{
    log_set_sink(swallow, NULL);
    struct fixture *f = calloc(1, sizeof *f);
    f->cells = (struct clock_cells){1700000000000, 1000};
    f->clock = clock_manual(&f->cells);
    f->rnd = rnd_seeded(7);
    f->seal = seal_for_test();
    snprintf(f->file, sizeof f->file, "/tmp/touyan-round-XXXXXX");
    close(mkstemp(f->file));
    uv_loop_init(&f->loop);
    uv_check_init(&f->loop, &f->check);
    f->check.data = f;
    uv_check_start(&f->check, on_check);
    rx_open(f);
    *state = f;
    return 0;
}

int rx_tear_down(void **state)
{
    struct fixture *f = *state;
    rx_close(f);
    uv_close((uv_handle_t *)&f->check, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    seal_close(f->seal);
    json_free(f->sent);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", f->file, suffixes[i]);
        unlink(path);
    }
    free(f);
    return 0;
}

/* --- the county, by hand --- */

void rx_give(struct fixture *f, const struct transport_reply *reply)
{
    transport_reply_fn *on_reply = f->on_reply;
    assert_non_null(on_reply);
    f->on_reply = NULL;
    on_reply(f->reply_ctx, reply);
}

void rx_answer(struct fixture *f, int status, const char *body)
{
    rx_give(f, &(struct transport_reply){.status = status,
                                         .retry_after_ms = -1,
                                         .body = body,
                                         .size = strlen(body),
                                         .took_ms = 1});
    rx_turn(f);
}

int64_t rx_highest_sent(const struct fixture *f)
{
    int64_t highest = 0;
    struct json *push = json_get(f->sent, "push");
    for (size_t i = 0; i < json_count(push); i++) {
        struct json *rows = json_get(json_at(push, i), "r");
        for (size_t k = 0; k < json_count(rows); k++)
            if (json_int(json_at(rows, k), "lseq", 0) > highest)
                highest = json_int(json_at(rows, k), "lseq", 0);
    }
    return highest;
}

struct sync_status rx_status(struct fixture *f)
{
    struct sync_status status;
    sync_get_status(f->sync, &status);
    return status;
}

void rx_run(struct fixture *f, const char *sql)
{
    replica_enter(f->replica);
    int64_t changed = replica_run(f->replica, sql, "");
    if (!replica_leave(f->replica, true) || changed < 0)
        fail_msg("%s: %s", sql, replica_problem(f->replica));
    assert_true(replica_commit(f->replica));
}

int64_t rx_ask(struct fixture *f, const char *sql)
{
    return replica_get_int(f->replica, -1, sql, "");
}
