/* libmicrohttpd, a thread for each connection and a watchdog; see http.h.
 *
 * Not its pool of threads: over epoll (0.9.75) it asks a connection in its TLS handshake again and
 * again without waiting, so a single client that stops in the middle of its first message keeps a
 * processor busy, and with poll every request pays for all connections.
 *
 * libmicrohttpd's own timeout counts silence only, so each connection has a deadline of ours in a
 * list, and a watchdog thread shuts the socket of one that is past it; libmicrohttpd then closes it
 * as if the client had gone. */
#include "sync/county/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/zip.h"

enum { WATCH_EVERY_MS = 250, LIMIT_PEM_BYTES = 1 << 20, ZIP_WORTH_BYTES = 200 };

struct connection {
    struct connection *next, **link;
    int fd;
    int64_t deadline_ms; /* monotonic */
};

struct http {
    struct http_handler handler;
    struct MHD_Daemon *daemon;
    struct buf cert, key;
    char *trust; /* PEM, or NULL */
    gnutls_datum_t ticket_key;
    pthread_t watchdog;
    pthread_mutex_t lock; /* connections, stopping, turns */
    pthread_cond_t turn_over;
    int turns; /* that are free */
    struct connection *connections;
    size_t connection_count, kept;
    bool stopping, watching;
};

/* One request on its way in. */
struct transfer {
    struct http_request request;
    struct http_answer answer;
    struct buf raw, body;
    int64_t start_ms;
    bool zstd, refused;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(clock_real());
}

/* --- deadlines --- */

static void *on_watch(void *ctx)
{
    struct http *http = ctx;
    for (;;) {
        clock_sleep_ms(WATCH_EVERY_MS);
        pthread_mutex_lock(&http->lock);
        bool stopping = http->stopping;
        int64_t now = now_ms();
        for (struct connection *c = http->connections; c != NULL; c = c->next) {
            if (now < c->deadline_ms)
                continue;
            shutdown(c->fd, SHUT_RDWR);
            c->deadline_ms = now + COUNTY_IDLE_MS;
            log_info("county.slow_client", "fd=%d", c->fd);
        }
        pthread_mutex_unlock(&http->lock);
        if (stopping)
            return NULL;
    }
}

/* So that a station that comes back needs no certificates and no signatures: its ticket, which only
 * this process can open, has what the first handshake found out. */
static void offer_tickets(struct http *http, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL)
        gnutls_session_ticket_enable_server(info->tls_session, &http->ticket_key);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = ctx;
    struct connection *c = *socket_context;
    pthread_mutex_lock(&http->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED && (c = calloc(1, sizeof *c)) != NULL) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        c->fd = info->connect_fd;
        c->deadline_ms = now_ms() + LIMIT_HTTP_DEADLINE_MS;
        c->next = http->connections;
        c->link = &http->connections;
        if (c->next != NULL)
            c->next->link = &c->next;
        http->connections = c;
        http->connection_count++;
        *socket_context = c;
        offer_tickets(http, connection);
    } else if (code == MHD_CONNECTION_NOTIFY_CLOSED && c != NULL) {
        *c->link = c->next;
        http->connection_count--;
        if (c->next != NULL)
            c->next->link = c->link;
        free(c);
        *socket_context = NULL;
    }
    pthread_mutex_unlock(&http->lock);
}

static void set_deadline(struct http *http, struct MHD_Connection *connection, int64_t deadline_ms)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info != NULL ? info->socket_context : NULL;
    pthread_mutex_lock(&http->lock);
    if (c != NULL)
        c->deadline_ms = deadline_ms;
    pthread_mutex_unlock(&http->lock);
}

static int64_t time_for(size_t bytes)
{
    return LIMIT_HTTP_DEADLINE_MS + (int64_t)bytes * 1000 / COUNTY_SLOWEST_BYTES_PER_S;
}

/* --- a request --- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool is_local(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info != NULL ? info->client_addr : NULL;
    if (peer == NULL)
        return false;
    if (peer->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)peer)->sin_addr.s_addr) >> 24 ==
               127;
    return peer->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr);
}

static void read_address(struct MHD_Connection *connection, char ret[HTTP_ADDRESS_BYTES])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info != NULL ? info->client_addr : NULL;
    if (peer == NULL)
        return;
    const void *bytes =
        peer->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    inet_ntop(peer->sa_family, bytes, ret, HTTP_ADDRESS_BYTES);
}

/* The handshake has proved that the client has its key; whose it is, and whether it is still good,
 * is not asked of GnuTLS: an expired one may renew. */
static void read_client_cert(struct MHD_Connection *connection, struct http_request *ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned count = 0;
    const gnutls_datum_t *chain =
        info != NULL ? gnutls_certificate_get_peers(info->tls_session, &count) : NULL;
    if (chain == NULL || count == 0)
        return;
    ret->cert = chain[0].data;
    ret->cert_size = chain[0].size;
}

int http_refuse(struct http_answer *answer, int status, const char *sentence)
{
    struct json *body = json_new_object();
    json_set_text(body, "error", sentence);
    buf_clear(&answer->body);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = status;
    return ERR_OK;
}

static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *connection)
{
    (void)uri;
    set_deadline(ctx, connection, now_ms() + LIMIT_HTTP_DEADLINE_MS);
    return NULL;
}

static void pack(struct MHD_Connection *connection, struct http_answer *answer, bool *ret_packed)
{
    const char *takes = header(connection, "Accept-Encoding");
    *ret_packed = false;
    if (takes == NULL || strstr(takes, "zstd") == NULL || answer->body.size < ZIP_WORTH_BYTES)
        return;
    struct buf packed;
    buf_init(&packed, answer->body.max);
    const char *link = header(connection, "Touyan-Link");
    bool fast = link != NULL && strcmp(link, "fast") == 0;
    int level = fast || answer->body.size > 2 * LIMIT_SYNC_PAGE_MAX_BYTES ? ZIP_LEVEL_FAST
                                                                          : ZIP_LEVEL_SLOW_LINK;
    if (zip_pack(answer->body.bytes, answer->body.size, level, &packed, NULL) == ERR_OK) {
        buf_free(&answer->body);
        answer->body = packed;
        *ret_packed = true;
    } else {
        buf_free(&packed);
    }
}

/* More stations than connections: they take turns, or those that came first would keep the others
 * out for as long as they like. */
static bool is_crowded(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    bool crowded = http->connection_count > http->kept;
    pthread_mutex_unlock(&http->lock);
    return crowded;
}

static enum MHD_Result send_answer(struct http *http, struct MHD_Connection *connection,
                                   struct transfer *transfer)
{
    struct http_answer *answer = &transfer->answer;
    bool packed;
    pack(connection, answer, &packed);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.size, answer->body.bytes, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type",
                            answer->type != NULL ? answer->type : "application/json");
    if (packed)
        MHD_add_response_header(response, "Content-Encoding", "zstd");
    if (answer->retry_after_s > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", answer->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (transfer->refused || is_crowded(http))
        MHD_add_response_header(response, "Connection", "close");
    set_deadline(http, connection, now_ms() + time_for(answer->body.size));
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* What the headers alone decide. False: the answer is there. */
static bool admit(struct http *http, struct MHD_Connection *connection, struct transfer *transfer)
{
    const char *encoding = header(connection, "Content-Encoding");
    const char *length = header(connection, "Content-Length");
    int64_t size = 0;
    if (length != NULL &&
        (!text_to_int64(length, 0, INT64_MAX, &size) || size > LIMIT_SYNC_BODY_BYTES)) {
        http_refuse(&transfer->answer, 413, "the body is larger than 8 MiB: send it in parts");
        return false;
    }
    transfer->zstd = encoding != NULL && strcasecmp(encoding, "zstd") == 0;
    if (encoding != NULL && !transfer->zstd && strcasecmp(encoding, "identity") != 0) {
        http_refuse(&transfer->answer, 415, "Content-Encoding is zstd or identity");
        return false;
    }
    return http->handler.admit(http->handler.ctx, &transfer->request, &transfer->answer);
}

static enum MHD_Result begin(struct http *http, struct MHD_Connection *connection, const char *url,
                             const char *method, void **request_context)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL)
        return MHD_NO;
    *request_context = transfer;
    transfer->start_ms = now_ms();
    buf_init(&transfer->raw, LIMIT_SYNC_BODY_BYTES);
    buf_init(&transfer->body, LIMIT_SYNC_BODY_BYTES);
    buf_init(&transfer->answer.body, LIMIT_ANSWER_BYTES);
    transfer->request.method = method;
    transfer->request.path = url;
    transfer->request.authorization = header(connection, "Authorization");
    transfer->request.connection = connection;
    transfer->request.local = is_local(connection);
    read_address(connection, transfer->request.address);
    read_client_cert(connection, &transfer->request);
    set_deadline(http, connection, transfer->start_ms + LIMIT_HTTP_DEADLINE_MS);
    transfer->request.body_max = LIMIT_SYNC_BODY_BYTES;
    if (admit(http, connection, transfer)) {
        transfer->raw.max = transfer->body.max = transfer->request.body_max;
        return MHD_YES;
    }
    transfer->refused = true;
    return send_answer(http, connection, transfer);
}

static void take_chunk(struct http *http, struct MHD_Connection *connection,
                       struct transfer *transfer, const char *bytes, size_t size)
{
    if (!buf_add(&transfer->raw, bytes, size)) {
        transfer->refused = true;
        http_refuse(&transfer->answer, 413, "the body is larger than this path takes");
    }
    set_deadline(http, connection, transfer->start_ms + time_for(transfer->raw.size));
}

static void finish(struct http *http, struct transfer *transfer)
{
    struct err err = {0};
    struct http_request *request = &transfer->request;
    request->body = buf_text(&transfer->raw);
    request->size = transfer->raw.size;
    if (transfer->zstd) {
        int code = zip_open(request->body, request->size, &transfer->body, &err);
        if (code != ERR_OK) {
            http_refuse(&transfer->answer, code == ERR_LIMIT ? 413 : 400, err.text);
            return;
        }
        request->body = buf_text(&transfer->body);
        request->size = transfer->body.size;
    }
    http->handler.handle(http->handler.ctx, request, &transfer->answer);
}

/* Bodies are unpacked, handled and packed by few at a time: that is what takes memory. */
static void take_turn(struct http *http, int free)
{
    pthread_mutex_lock(&http->lock);
    while (free < 0 && http->turns == 0)
        pthread_cond_wait(&http->turn_over, &http->lock);
    http->turns += free;
    pthread_mutex_unlock(&http->lock);
    if (free > 0)
        pthread_cond_signal(&http->turn_over);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_context)
{
    (void)version;
    struct http *http = ctx;
    struct transfer *transfer = *request_context;
    if (transfer == NULL)
        return begin(http, connection, url, method, request_context);
    if (*upload_size > 0) {
        if (!transfer->refused)
            take_chunk(http, connection, transfer, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    transfer->request.method = method;
    transfer->request.path = url;
    take_turn(http, -1);
    if (!transfer->refused)
        finish(http, transfer);
    enum MHD_Result result = send_answer(http, connection, transfer);
    take_turn(http, 1);
    return result;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    struct transfer *transfer = *request_context;
    (void)code;
    if (transfer == NULL)
        return;
    buf_free(&transfer->raw);
    buf_free(&transfer->body);
    buf_free(&transfer->answer.body);
    free(transfer);
    *request_context = NULL;
    set_deadline(ctx, connection, now_ms() + COUNTY_IDLE_MS);
}

/* --- start and stop --- */

static int read_pem(const char *path, struct buf *out, struct err *err)
{
    char step[4096];
    size_t got;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return err_set(err, ERR_INVALID, "%s: %s", path, strerror(errno));
    buf_init(out, LIMIT_PEM_BYTES);
    while ((got = fread(step, 1, sizeof step, file)) > 0 && buf_add(out, step, got))
        continue;
    fclose(file);
    if (out->failed || out->size == 0 || strstr(buf_text(out), "-----BEGIN") == NULL)
        return err_set(err, ERR_INVALID, "%s: not a PEM file", path);
    return ERR_OK;
}

/* "host:port" of a numeric address. */
static int parse_address(const char *listen, struct sockaddr_storage *ret, struct err *err)
{
    char host[64];
    int port;
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || !text_to_int(colon + 1, 0, 65535, &port))
        return err_set(err, ERR_INVALID,
                       "--listen %s: not of the form 127.0.0.1:8443 or [::1]:8443", listen);
    bool six = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
    int size = (int)(colon - listen) - (six ? 2 : 0);
    if (size < 0 || size >= (int)sizeof host)
        return err_set(err, ERR_INVALID, "--listen %s: the address is too long", listen);
    snprintf(host, sizeof host, "%.*s", size, listen + (six ? 1 : 0));
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    ret->ss_family = six ? AF_INET6 : AF_INET;
    v6->sin6_port = htons((uint16_t)port); /* at the same place in both */
    void *address = six ? (void *)&v6->sin6_addr : (void *)&four->sin_addr;
    if (inet_pton(ret->ss_family, host, address) != 1)
        return err_set(err, ERR_INVALID, "--listen %s: not a numeric address", listen);
    return ERR_OK;
}

static void on_log(void *ctx, const char *fmt, va_list args)
{
    (void)ctx;
    char line[LIMIT_LOG_LINE];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(line, sizeof line, fmt, args);
#pragma GCC diagnostic pop
    line[strcspn(line, "\n")] = '\0';
    log_debug("county.http", "%s", line);
}

/* A connection is a file: asks for as many as may be had. */
static unsigned allow_connections(void)
{
    struct rlimit files = {0};
    const rlim_t wanted = LIMIT_COUNTY_CONNECTIONS + COUNTY_OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return LIMIT_COUNTY_CONNECTIONS / 4;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    rlim_t left = files.rlim_cur > 2 * COUNTY_OTHER_FILES ? files.rlim_cur - COUNTY_OTHER_FILES
                                                          : COUNTY_OTHER_FILES;
    return left < LIMIT_COUNTY_CONNECTIONS ? (unsigned)left : LIMIT_COUNTY_CONNECTIONS;
}

static struct MHD_Daemon *start_daemon(struct http *http, struct sockaddr_storage *address)
{
    struct MHD_OptionItem trust[] = {
        {http->trust != NULL ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, http->trust},
        {MHD_OPTION_END, 0, NULL}};
    unsigned limit = allow_connections();
    http->kept = limit * COUNTY_KEPT_PERCENT / 100;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_TLS | MHD_USE_ERROR_LOG |
                     (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0U);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)address, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)COUNTY_STACK_BYTES, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)COUNTY_CONNECTION_BYTES,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)LIMIT_COUNTY_CONNECTIONS_PER_ADDRESS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(COUNTY_IDLE_MS / 1000),
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_HTTPS_MEM_CERT,
        buf_text(&http->cert), MHD_OPTION_HTTPS_MEM_KEY, buf_text(&http->key),
        MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", MHD_OPTION_ARRAY,
        trust, MHD_OPTION_END);
}

static int start(struct http *http, const struct http_options *options, struct err *err)
{
    struct sockaddr_storage address = {0};
    int code = parse_address(options->listen, &address, err);
    if (code == ERR_OK)
        code = read_pem(options->cert_path, &http->cert, err);
    if (code == ERR_OK)
        code = read_pem(options->key_path, &http->key, err);
    if (code != ERR_OK)
        return code;
    if (gnutls_session_ticket_key_generate(&http->ticket_key) != GNUTLS_E_SUCCESS)
        return err_set(err, ERR_NOMEM, "no key for TLS tickets");
    http->daemon = start_daemon(http, &address);
    if (http->daemon == NULL)
        return err_set(err, ERR_IO,
                       "cannot listen on %s: the port is taken, or certificate and key do not fit "
                       "each other (%s)",
                       options->listen, strerror(errno));
    if (pthread_create(&http->watchdog, NULL, on_watch, http) != 0)
        return err_set(err, ERR_IO, "no thread for the watchdog");
    http->watching = true;
    return ERR_OK;
}

int http_start(const struct http_options *options, struct http **ret, int *ret_port,
               struct err *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    http->handler = options->handler;
    if (options->trust_pem != NULL && (http->trust = strdup(options->trust_pem)) == NULL)
        abort();
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->turn_over, NULL);
    http->turns = COUNTY_THREADS;
    int code = start(http, options, err);
    if (code != ERR_OK) {
        http_stop(http);
        return code;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *ret_port = info != NULL ? info->port : 0;
    *ret = http;
    return ERR_OK;
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    if (http->watching)
        pthread_join(http->watchdog, NULL);
    pthread_cond_destroy(&http->turn_over);
    pthread_mutex_destroy(&http->lock);
    buf_free(&http->cert);
    buf_free(&http->key);
    free(http->trust);
    if (http->ticket_key.data != NULL)
        gnutls_memset(http->ticket_key.data, 0, http->ticket_key.size);
    gnutls_free(http->ticket_key.data);
    free(http);
}
