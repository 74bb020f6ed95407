/* See exchanges.h. A line is one write() to a file opened for appending: lines of several threads
 * and processes do not mix. */
#include "tests/lib/exchanges.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"

enum { LINE_BYTES = 2 * LIMIT_SYNC_BODY_BYTES, PATH_BYTES = 2048 };

struct tap {
    struct transport inner;
    transport_reply_fn *on_reply;
    void *ctx;
    char path[PATH_BYTES];
    struct buf request;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static bool is_one_line(const char *text, size_t size)
{
    return memchr(text, '\n', size) == NULL && memchr(text, '\t', size) == NULL;
}

static void append(const char *to, const struct buf *line)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert(fd >= 0);
    ssize_t wrote = write(fd, line->bytes, line->size);
    assert(wrote == (ssize_t)line->size);
    close(fd);
}

void exchanges_record(const struct exchange *e)
{
    const char *to = getenv("TOUYAN_EXCHANGES");
    if (to == NULL || !is_one_line(e->request, e->request_size) ||
        !is_one_line(e->reply, e->reply_size))
        return;
    struct buf line;
    buf_init(&line, LINE_BYTES);
    buf_printf(&line, "%s\t%s\t%s\t%d\t", e->by_station ? "station" : "test", e->path, e->method,
               e->status);
    buf_add(&line, e->request, e->request_size);
    buf_add_text(&line, "\t");
    buf_add(&line, e->reply, e->reply_size);
    buf_add_text(&line, "\n");
    assert(!line.failed);
    append(to, &line);
    buf_free(&line);
}

static void on_reply(void *ctx, const struct transport_reply *reply)
{
    struct tap *tap = ctx;
    bool came = reply->code == ERR_OK;
    exchanges_record(&(struct exchange){.by_station = true,
                                        .path = tap->path,
                                        .method = tap->request.size > 0 ? "post" : "get",
                                        .status = came ? reply->status : 0,
                                        .request = buf_text(&tap->request),
                                        .request_size = tap->request.size,
                                        .reply = came ? reply->body : "",
                                        .reply_size = came ? reply->size : 0});
    tap->on_reply(tap->ctx, reply);
}

static void tap_send(void *impl, const char *path, const char *body, size_t size, bool fast,
                     transport_reply_fn *user, void *ctx)
{
    struct tap *tap = impl;
    tap->on_reply = user;
    tap->ctx = ctx;
    strncpy(tap->path, path, sizeof tap->path - 1);
    buf_clear(&tap->request);
    buf_add(&tap->request, body, size);
    tap->inner.send(tap->inner.impl, path, body, size, fast, on_reply, tap);
}

static void tap_abort(void *impl)
{
    struct tap *tap = impl;
    tap->inner.abort(tap->inner.impl);
}

static void on_closed(void *ctx)
{
    struct tap *tap = ctx;
    void (*closed)(void *ctx) = tap->closed;
    void *closed_ctx = tap->closed_ctx;
    buf_free(&tap->request);
    free(tap);
    closed(closed_ctx);
}

static void tap_close(void *impl, void (*done)(void *ctx), void *ctx)
{
    struct tap *tap = impl;
    tap->closed = done;
    tap->closed_ctx = ctx;
    tap->inner.close(tap->inner.impl, on_closed, tap);
}

void exchanges_tap(struct transport *transport)
{
    struct tap *tap = calloc(1, sizeof *tap);
    assert(tap != NULL);
    tap->inner = *transport;
    buf_init(&tap->request, LIMIT_SYNC_BODY_BYTES);
    *transport = (struct transport){tap, tap_send, tap_abort, tap_close, NULL};
}
