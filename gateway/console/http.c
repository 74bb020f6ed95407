/* libmicrohttpd with its own epoll descriptor, which the loop polls; see http.h.
 *
 * Happy path: uv_poll says the epoll descriptor is readable, MHD_run reads requests and calls
 * on_request for each piece; with the last piece the request is answered inside a handler of the
 * turn. When that handler wrote, the connection is suspended and resumed by the acknowledgement of
 * the commit. A timer of one second cuts connections that are older than their deadline:
 * libmicrohttpd's own timeout starts again with each byte. */
#include "gateway/console/http.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    SWEEP_MS = 1000,
    BACKLOG = 128,
    SPARE_CONNECTIONS = 8,
    RUN_ROUNDS = 4,
    PEER_GROUPS_MAX = 256,
    ANSWER_MAX = 8 * 1024 * 1024
};

/* Who is at the other end: what he may. */
enum peer { PEER_STRANGER, PEER_READER, PEER_OPERATOR };

struct connection {
    int fd; /* -1: the slot is free */
    enum peer peer;
    bool cut; /* shut down by us; the library closes it soon */
    int64_t opened_mono_us;
};

struct http {
    struct http_options options;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    gid_t group, readers;
    bool has_group, has_readers;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t sweep;
    struct connection connections[LIMIT_HTTP_CONNECTIONS];
    bool changed; /* a connection was cut or closed since the last run */
    int closing;  /* handles still open */
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

struct exchange {
    struct http *http;
    struct MHD_Connection *connection;
    struct buf body;
    struct http_answer answer;
    bool suspended, ready, too_large;
};

const char *http_query(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* --- who may connect, and for how long --- */

/* The kernel's word at the time of the connect (SO_PEERGROUPS), not what /proc says later. */
static bool in_group(int fd, const struct ucred *peer, gid_t group)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t size = sizeof groups;
    if (peer->gid == group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
        return false;
    for (size_t i = 0; i < size / sizeof groups[0]; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static enum peer peer_of(const struct http *http, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return PEER_STRANGER;
    if (peer.uid == 0 || peer.uid == geteuid() ||
        (http->has_group && in_group(fd, &peer, http->group)))
        return PEER_OPERATOR;
    return http->has_readers && in_group(fd, &peer, http->readers) ? PEER_READER : PEER_STRANGER;
}

static struct connection *find_connection(struct http *http, int fd)
{
    for (size_t i = 0; i < LIMIT_HTTP_CONNECTIONS; i++)
        if (http->connections[i].fd == fd)
            return &http->connections[i];
    return NULL;
}

/* So that silent clients never keep the others out. */
static void cut_oldest(struct http *http)
{
    struct connection *oldest = NULL;
    int used = 0;
    for (size_t i = 0; i < LIMIT_HTTP_CONNECTIONS; i++) {
        struct connection *c = &http->connections[i];
        used += c->fd >= 0;
        if (c->fd >= 0 && !c->cut && (oldest == NULL || c->opened_mono_us < oldest->opened_mono_us))
            oldest = c;
    }
    if (used < LIMIT_HTTP_CONNECTIONS - SPARE_CONNECTIONS || oldest == NULL)
        return;
    oldest->cut = true;
    http->changed = true;
    shutdown(oldest->fd, SHUT_RDWR);
}

static void remember(struct http *http, int fd)
{
    cut_oldest(http);
    struct connection *slot = find_connection(http, -1);
    if (slot == NULL)
        return; /* then it is not allowed either */
    *slot =
        (struct connection){.fd = fd, .peer = peer_of(http, fd), .opened_mono_us = clock_mono_us()};
    if (slot->peer == PEER_STRANGER)
        log_warn("http.refused", "the peer is neither root nor of the group");
}

static void forget(struct http *http, int fd)
{
    struct connection *slot = find_connection(http, fd);
    if (slot != NULL)
        slot->fd = -1;
    http->changed = true;
}

static int fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

static enum peer who_asks(struct http *http, struct MHD_Connection *connection)
{
    int fd = fd_of(connection);
    const struct connection *slot = fd >= 0 ? find_connection(http, fd) : NULL;
    return slot != NULL ? slot->peer : PEER_STRANGER;
}

/* --- one request --- */

static struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->http = http;
    exchange->connection = connection;
    buf_init(&exchange->body, LIMIT_HTTP_BODY_BYTES);
    buf_init(&exchange->answer.json, ANSWER_MAX);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    buf_free(&exchange->body);
    buf_free(&exchange->answer.json);
    free(exchange);
}

static void refuse(struct http_answer *answer, int status, const char *text)
{
    buf_clear(&answer->json);
    buf_printf(&answer->json, "{\"v\":1,\"error\":\"%s\"}", text);
    answer->status = status;
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct http_answer *answer = &exchange->answer;
    if (answer->json.failed)
        refuse(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too long: ask for less");
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->json.size, answer->json.bytes, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static void on_commit(void *ctx, int64_t arg, bool committed)
{
    struct exchange *exchange = ctx;
    (void)arg;
    if (!committed)
        refuse(&exchange->answer, MHD_HTTP_SERVICE_UNAVAILABLE,
               "it could not be stored, nothing was done: try again");
    exchange->ready = true;
    if (exchange->suspended) {
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
    }
}

static enum MHD_Result answer_request(struct exchange *exchange, const char *method,
                                      const char *path)
{
    struct http *http = exchange->http;
    struct replica *replica = http->options.replica;
    struct http_request request = {.method = method,
                                   .path = path,
                                   .body = buf_text(&exchange->body),
                                   .body_size = exchange->body.size,
                                   .connection = exchange->connection};
    exchange->answer.status = MHD_HTTP_OK;
    enum peer peer = who_asks(http, exchange->connection);
    request.reader = peer == PEER_READER;
    if (peer == PEER_STRANGER) {
        refuse(&exchange->answer, MHD_HTTP_FORBIDDEN,
               "this user may not: ask for membership in the group of http.group");
        return send_answer(exchange);
    }
    if (exchange->too_large) {
        refuse(&exchange->answer, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
        return send_answer(exchange);
    }
    replica_enter(replica);
    http->options.respond(http->options.ctx, &request, &exchange->answer);
    bool wrote = exchange->answer.wrote;
    if (wrote)
        replica_after_commit(replica, on_commit, exchange, 0);
    replica_leave(replica, exchange->answer.status < MHD_HTTP_BAD_REQUEST);
    if (!wrote || exchange->ready) /* ready already: the handler was taken back */
        return send_answer(exchange);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

/* Called for the header (first), for each piece of the body, at its end, and after a resume. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **state)
{
    (void)version;
    struct exchange *exchange = *state;
    if (exchange == NULL) {
        *state = exchange_new(ctx, connection);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_size > 0) {
        if (!buf_add(&exchange->body, data, *data_size))
            exchange->too_large = true;
        *data_size = 0;
        return MHD_YES;
    }
    if (exchange->ready)
        return send_answer(exchange);
    return answer_request(exchange, method, url);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)connection;
    (void)why;
    if (*state != NULL)
        exchange_free(*state);
    *state = NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)state;
    struct http *http = ctx;
    int fd = fd_of(connection);
    if (fd < 0)
        return;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED)
        forget(http, fd);
    else
        remember(http, fd);
}

static void on_sweep(uv_timer_t *timer);

/* libmicrohttpd hears of new bytes once (EPOLLET) and takes only what fits its buffer: that there
 * is more it tells as a wait of nothing. At its limit it stops listening, and looks again in a
 * later run only, so that a closed connection is a reason to run as well. */
static bool has_more(const struct http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    return http->changed || (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES && wait_ms == 0);
}

/* What is left after some rounds goes on in the next turn. */
static void run(struct http *http)
{
    int rounds = 0;
    bool more;
    do {
        http->changed = false;
        if (MHD_run(http->daemon) == MHD_NO)
            log_error("http.run", "libmicrohttpd failed");
        more = has_more(http);
    } while (more && ++rounds < RUN_ROUNDS);
    if (more && http->closing == 0)
        uv_timer_start(&http->sweep, on_sweep, 1, SWEEP_MS);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http *http = timer->data;
    int64_t oldest_us = clock_mono_us() - (int64_t)LIMIT_HTTP_DEADLINE_MS * 1000;
    for (size_t i = 0; i < LIMIT_HTTP_CONNECTIONS; i++) {
        struct connection *c = &http->connections[i];
        if (c->fd >= 0 && c->opened_mono_us < oldest_us)
            shutdown(c->fd, SHUT_RDWR);
    }
    run(http);
}

/* --- start and stop --- */

static bool somebody_answers(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return answers;
}

static int listen_on(struct http *http, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, http->path, sizeof address.sun_path);
    if (somebody_answers(&address))
        return err_set(err, ERR_BUSY, "%s: another touyan-gateway answers there", http->path);
    unlink(http->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s: %s", http->path, strerror(errno));
    bool ok = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              (!http->has_group || chown(http->path, (uid_t)-1, http->group) == 0) &&
              /* a file has one group: with two, who may is known by the connection alone */
              chmod(http->path, http->has_readers ? 0666 : 0660) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        err_set(err, ERR_IO, "%s: %s", http->path, strerror(errno));
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* name NULL or "": there is none. */
static int find_group(const char *option, const char *name, gid_t *ret, bool *ret_has,
                      struct err *err)
{
    if (name == NULL || name[0] == '\0')
        return ERR_OK;
    const struct group *group = getgrnam(name);
    if (group == NULL)
        return err_set(err, ERR_INVALID,
                       "%s: there is no group \"%s\" here: groupadd it, or set \"\"", option, name);
    *ret = group->gr_gid;
    *ret_has = true;
    return ERR_OK;
}

static int start_daemon(struct http *http, int fd, struct err *err)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_HTTP_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(LIMIT_HTTP_DEADLINE_MS / 1000),
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        close(fd);
        return err_set(err, ERR_IO, "%s: libmicrohttpd did not start", http->path);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(http->options.loop, &http->poll, info->epoll_fd);
    uv_timer_init(http->options.loop, &http->sweep);
    http->poll.data = http->sweep.data = http;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return ERR_OK;
}

int http_start(const struct http_options *options, struct http **ret, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return err_set(err, ERR_NOMEM, "http");
    http->options = *options;
    for (size_t i = 0; i < LIMIT_HTTP_CONNECTIONS; i++)
        http->connections[i].fd = -1;
    int fd = -1;
    int code = find_group("http.group", options->group, &http->group, &http->has_group, err);
    if (code == ERR_OK)
        code =
            find_group("http.readers", options->readers, &http->readers, &http->has_readers, err);
    if (code == ERR_OK && !text_copy(http->path, sizeof http->path, options->socket_path))
        code = err_set(err, ERR_LIMIT, "http.socket: at most %zu bytes", sizeof http->path - 1);
    if (code == ERR_OK)
        code = listen_on(http, &fd, err);
    if (code == ERR_OK)
        code = start_daemon(http, fd, err);
    if (code != ERR_OK)
        free(http);
    else
        *ret = http;
    return code;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;
    if (--http->closing > 0)
        return;
    void (*on_closed)(void *ctx) = http->on_closed;
    void *ctx = http->closed_ctx;
    free(http);
    on_closed(ctx);
}

void http_close(struct http *http, void (*on_closed)(void *ctx), void *ctx)
{
    http->on_closed = on_closed;
    http->closed_ctx = ctx;
    http->closing = 2;
    uv_poll_stop(&http->poll);
    uv_timer_stop(&http->sweep);
    replica_commit(http->options.replica); /* resumes who waits for it */
    run(http);                             /* and sends the answer */
    MHD_stop_daemon(http->daemon);
    unlink(http->path);
    uv_close((uv_handle_t *)&http->poll, on_handle_closed);
    uv_close((uv_handle_t *)&http->sweep, on_handle_closed);
}
