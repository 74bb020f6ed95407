/* The transport over libcurl's multi interface on uv_poll; see transport.h. The only file of the
 * gateway that knows curl.
 *
 * Happy path: the thread pool reads token and certificate and compresses the body (level 19 takes
 * tens of milliseconds), the loop hands the request to curl, curl's sockets are watched by uv_poll
 * and its deadline by one timer; when the transfer is done the reply is opened and given to the
 * caller.
 *
 * A slow link is not a dead one: there is no total timeout, only "less than one byte a second for
 * 90 s" and a deadline for connecting. A reply that grows past the limit ends the transfer. Names
 * are resolved in curl's own thread, and QUICK_EXIT keeps closing from waiting for it. */
#include "sync/transport.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/file.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"
#include "sync/zip.h"

enum {
    BASE_BYTES = 512,
    URL_BYTES = 2560, /* with the path and its parameters */
    PIN_BYTES = 256,
    LOW_SPEED_BYTES_PER_S = 1,
    LOW_SPEED_S = 90,
    /* 2G: a TCP and a TLS handshake with lost packets. Not longer: TCP doubles the pauses between
     * its attempts, so a new one finds a line that is back sooner. */
    CONNECT_S = 30,
};

enum phase {
    PHASE_IDLE,
    PHASE_PACKING,   /* in the thread pool */
    PHASE_TRANSFER,  /* curl has it */
    PHASE_REPORTING, /* aborted: on_reply comes with the timer */
};

struct watch {
    uv_poll_t poll;
    struct curl_transport *owner;
    curl_socket_t socket;
};

struct curl_transport {
    uv_loop_t *loop;
    CURLM *multi;
    CURL *easy;
    uv_timer_t timer;  /* curl's */
    uv_timer_t report; /* for what must not be said at once */
    uv_work_t work;
    size_t handles; /* still open: timers and watches */

    char base[BASE_BYTES];
    char url[URL_BYTES]; /* of the running request */
    char ca_file[LIMIT_PATH_BYTES];
    char pin[PIN_BYTES];
    char token_file[LIMIT_PATH_BYTES];
    char identity_file[LIMIT_PATH_BYTES];
    struct x509_pin ca_pin;
    bool has_ca_pin;
    int silent_s;

    enum phase phase;
    bool aborted;
    bool closing;
    bool fast;
    transport_reply_fn *on_reply;
    void *ctx;
    struct buf plain;    /* the request's body */
    struct buf packed;   /* the same on the wire */
    struct buf identity; /* key and certificate of the running request; empty: none */
    char authorization[PROTOCOL_TOKEN_MAX_BYTES + 32];
    struct curl_slist *headers;
    struct err pack_err;
    struct buf received;
    char curl_error[CURL_ERROR_SIZE];

    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* --- the end of a request --- */

static void report(struct curl_transport *self, const struct transport_reply *reply)
{
    self->phase = PHASE_IDLE;
    transport_reply_fn *on_reply = self->on_reply;
    self->on_reply = NULL;
    if (on_reply != NULL && !self->closing)
        on_reply(self->ctx, reply);
}

static void report_error(struct curl_transport *self, int code, const char *text)
{
    struct transport_reply reply = {.code = code, .retry_after_ms = -1, .body = ""};
    err_set(&reply.err, code, "%s", text);
    report(self, &reply);
}

static void on_report(uv_timer_t *timer)
{
    struct curl_transport *self = timer->data;
    report_error(self, ERR_STATE, "aborted");
}

/* --- curl's answer --- */

static bool body_is_zstd(CURL *easy)
{
    struct curl_header *header;
    return curl_easy_header(easy, "Content-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
           strcmp(header->value, "zstd") == 0;
}

static int64_t took_ms(CURL *easy)
{
    curl_off_t from_us = 0;
    curl_off_t to_us = 0;
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &from_us);
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &to_us);
    return (int64_t)(to_us - from_us) / 1000;
}

static void read_answer(struct curl_transport *self, struct transport_reply *reply)
{
    long status = 0;
    curl_off_t retry_s = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(self->easy, CURLINFO_RETRY_AFTER, &retry_s);
    reply->status = (int)status;
    reply->retry_after_ms = retry_s > 0 ? (int64_t)retry_s * 1000 : -1;
    reply->took_ms = took_ms(self->easy);
    reply->sent_bytes = self->packed.size;
    reply->received_bytes = self->received.size;
}

static void open_body(struct curl_transport *self, struct transport_reply *reply,
                      struct buf *opened)
{
    const struct buf *body = &self->received;
    if (body_is_zstd(self->easy) && body->size > 0) {
        reply->code = zip_open(body->bytes, body->size, opened, &reply->err);
        body = opened;
    }
    reply->body = buf_text(body);
    reply->size = body->size;
}

static int code_of(CURLcode result)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_WRITE_ERROR:
        return ERR_LIMIT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

static void release_easy(struct curl_transport *self)
{
    curl_multi_remove_handle(self->multi, self->easy);
    curl_slist_free_all(self->headers);
    self->headers = NULL;
}

static void finish_transfer(struct curl_transport *self, CURLcode result)
{
    struct transport_reply reply = {.retry_after_ms = -1, .body = ""};
    struct buf opened;
    buf_init(&opened, LIMIT_SYNC_BODY_BYTES);
    if (result == CURLE_OK) {
        read_answer(self, &reply);
        open_body(self, &reply, &opened);
    } else {
        const char *why = self->received.failed         ? "the reply is longer than 8 MiB"
                          : self->curl_error[0] != '\0' ? self->curl_error
                                                        : curl_easy_strerror(result);
        reply.code = err_set(&reply.err, code_of(result), "%s", why);
    }
    release_easy(self);
    report(self, &reply);
    buf_free(&opened);
}

static void read_messages(struct curl_transport *self)
{
    int left;
    CURLMsg *message;
    while (self->multi != NULL && (message = curl_multi_info_read(self->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE) {
            finish_transfer(self, message->data.result);
            return; /* there is one transfer at a time; self may be closing */
        }
}

static size_t on_body(char *bytes, size_t unit, size_t count, void *ctx)
{
    struct curl_transport *self = ctx;
    return buf_add(&self->received, bytes, unit * count) ? unit * count : 0;
}

/* --- curl on the loop --- */

static void try_finish_close(struct curl_transport *self);

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct curl_transport *self = watch->owner;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    int running;
    curl_multi_socket_action(self->multi, watch->socket, flags, &running);
    read_messages(self);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct curl_transport *self = watch->owner;
    free(watch);
    self->handles--;
    if (self->closing)
        try_finish_close(self);
}

static struct watch *new_watch(struct curl_transport *self, curl_socket_t socket)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    *watch = (struct watch){.owner = self, .socket = socket};
    if (uv_poll_init_socket(self->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    self->handles++;
    curl_multi_assign(self->multi, socket, watch);
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    struct curl_transport *self = ctx;
    struct watch *watch = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            uv_poll_stop(&watch->poll);
            curl_multi_assign(self->multi, socket, NULL);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        }
        return 0;
    }
    if (watch == NULL && (watch = new_watch(self, socket)) == NULL)
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_socket_ready) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer)
{
    struct curl_transport *self = timer->data;
    int running;
    curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_messages(self);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct curl_transport *self = ctx;
    if (self->closing || timeout_ms < 0)
        uv_timer_stop(&self->timer);
    else
        uv_timer_start(&self->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* --- packing, in the thread pool --- */

static int read_token(const char *path, char *ret, size_t size, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, ret, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return err_set(err, ERR_IO, "the token file %s cannot be read", path);
    while (got > 0 && (ret[got - 1] == '\n' || ret[got - 1] == '\r'))
        got--;
    ret[got] = '\0';
    for (ssize_t i = 0; i < got; i++)
        if (ret[i] <= ' ' || ret[i] > '~')
            return err_set(err, ERR_INVALID, "the token in %s has a character that is no token's",
                           path);
    if (got < PROTOCOL_TOKEN_MIN_BYTES || got > PROTOCOL_TOKEN_MAX_BYTES)
        return err_set(err, ERR_INVALID, "the token in %s must have %d to %d characters", path,
                       PROTOCOL_TOKEN_MIN_BYTES, PROTOCOL_TOKEN_MAX_BYTES);
    return ERR_OK;
}

static int write_authorization(struct curl_transport *self)
{
    char token[PROTOCOL_TOKEN_MAX_BYTES + 16];
    self->authorization[0] = '\0';
    if (self->token_file[0] == '\0')
        return ERR_OK;
    int code = read_token(self->token_file, token, sizeof token, &self->pack_err);
    if (code != ERR_OK)
        return code;
    int size = snprintf(self->authorization, sizeof self->authorization, "Authorization: Bearer %s",
                        token);
    assert(size > 0 && (size_t)size < sizeof self->authorization);
    return ERR_OK;
}

/* Before the first enrolment there is none. */
static int read_identity(struct curl_transport *self)
{
    if (self->identity.bytes != NULL)
        explicit_bzero(self->identity.bytes, self->identity.size);
    buf_clear(&self->identity);
    if (self->identity_file[0] == '\0')
        return ERR_OK;
    int code = file_read_secret(self->identity_file, &self->identity, &self->pack_err);
    if (code != ERR_NOT_FOUND)
        return code;
    self->pack_err = (struct err){0};
    return ERR_OK;
}

static void pack(uv_work_t *work)
{
    struct curl_transport *self = work->data;
    self->pack_err = (struct err){0};
    if (write_authorization(self) != ERR_OK || read_identity(self) != ERR_OK ||
        self->plain.size == 0)
        return;
    zip_pack(self->plain.bytes, self->plain.size, self->fast ? ZIP_LEVEL_FAST : ZIP_LEVEL_SLOW_LINK,
             &self->packed, &self->pack_err);
}

static bool add_header(struct curl_transport *self, const char *header)
{
    struct curl_slist *more = curl_slist_append(self->headers, header);
    if (more != NULL)
        self->headers = more;
    return more != NULL;
}

static bool set_body(struct curl_transport *self)
{
    if (self->plain.size == 0)
        return curl_easy_setopt(self->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    curl_easy_setopt(self->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDS, self->packed.bytes);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)self->packed.size);
    return add_header(self, "Content-Type: application/json") &&
           add_header(self, "Content-Encoding: zstd") && add_header(self, "Expect:");
}

/* Another certificate is another connection: curl compares them. */
static bool set_identity(struct curl_transport *self)
{
    struct curl_blob pem = {self->identity.bytes, self->identity.size, CURL_BLOB_COPY};
    struct curl_blob *given = self->identity.size > 0 ? &pem : NULL;
    return curl_easy_setopt(self->easy, CURLOPT_SSLCERT_BLOB, given) == CURLE_OK &&
           curl_easy_setopt(self->easy, CURLOPT_SSLKEY_BLOB, given) == CURLE_OK;
}

static bool begin_transfer(struct curl_transport *self)
{
    if ((self->authorization[0] != '\0' && !add_header(self, self->authorization)) ||
        !set_identity(self) || !add_header(self, "Accept-Encoding: zstd") ||
        (self->fast && !add_header(self, "Touyan-Link: fast")) || !set_body(self))
        return false;
    self->curl_error[0] = '\0';
    curl_easy_setopt(self->easy, CURLOPT_URL, self->url);
    curl_easy_setopt(self->easy, CURLOPT_HTTPHEADER, self->headers);
    return curl_multi_add_handle(self->multi, self->easy) == CURLM_OK;
}

static void after_pack(uv_work_t *work, int status)
{
    (void)status;
    struct curl_transport *self = work->data;
    if (self->closing) {
        self->phase = PHASE_IDLE;
        try_finish_close(self);
        return;
    }
    if (self->aborted) {
        report_error(self, ERR_STATE, "aborted");
        return;
    }
    if (self->pack_err.code != ERR_OK) {
        report_error(self, self->pack_err.code, self->pack_err.text);
        return;
    }
    self->phase = PHASE_TRANSFER;
    if (!begin_transfer(self)) {
        release_easy(self);
        report_error(self, ERR_NOMEM, "the transfer cannot be started");
    }
}

/* --- the vtable --- */

static void impl_send(void *impl, const char *path, const char *body, size_t size, bool fast,
                      transport_reply_fn *on_reply, void *ctx)
{
    struct curl_transport *self = impl;
    assert(self->phase == PHASE_IDLE && !self->closing);
    self->phase = PHASE_PACKING;
    self->aborted = false;
    self->fast = fast;
    self->on_reply = on_reply;
    self->ctx = ctx;
    buf_clear(&self->plain);
    buf_clear(&self->packed);
    buf_clear(&self->received);
    int length = snprintf(self->url, sizeof self->url, "%s%s", self->base, path);
    bool fits = length > 0 && (size_t)length < sizeof self->url;
    if (!fits || (size > 0 && !buf_add(&self->plain, body, size))) {
        self->phase = PHASE_REPORTING;
        uv_timer_start(&self->report, on_report, 0, 0);
        return;
    }
    uv_queue_work(self->loop, &self->work, pack, after_pack);
}

static void impl_abort(void *impl)
{
    struct curl_transport *self = impl;
    if (self->phase == PHASE_PACKING) {
        self->aborted = true;
    } else if (self->phase == PHASE_TRANSFER) {
        release_easy(self);
        self->phase = PHASE_REPORTING;
        uv_timer_start(&self->report, on_report, 0, 0);
    }
}

static bool impl_is_sent(void *impl)
{
    struct curl_transport *self = impl;
    curl_off_t sent = 0;
    if (self->phase != PHASE_TRANSFER ||
        curl_easy_getinfo(self->easy, CURLINFO_SIZE_UPLOAD_T, &sent) != CURLE_OK)
        return false;
    return (size_t)sent >= self->packed.size;
}

static void free_all(struct curl_transport *self)
{
    buf_free(&self->plain);
    buf_free(&self->packed);
    buf_free(&self->received);
    if (self->identity.bytes != NULL)
        explicit_bzero(self->identity.bytes, self->identity.size);
    buf_free(&self->identity);
    free(self);
}

static void try_finish_close(struct curl_transport *self)
{
    if (self->handles > 0 || self->phase == PHASE_PACKING)
        return;
    void (*closed)(void *ctx) = self->closed;
    void *ctx = self->closed_ctx;
    free_all(self);
    if (closed != NULL)
        closed(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct curl_transport *self = handle->data;
    self->handles--;
    try_finish_close(self);
}

static void impl_close(void *impl, void (*done)(void *ctx), void *ctx)
{
    struct curl_transport *self = impl;
    self->closing = true;
    self->closed = done;
    self->closed_ctx = ctx;
    if (self->phase == PHASE_TRANSFER)
        release_easy(self);
    if (self->phase != PHASE_PACKING)
        self->phase = PHASE_IDLE;
    curl_easy_cleanup(self->easy);
    curl_multi_cleanup(self->multi);
    self->multi = NULL;
    uv_close((uv_handle_t *)&self->timer, on_handle_closed);
    uv_close((uv_handle_t *)&self->report, on_handle_closed);
}

/* --- making one --- */

static bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static int check_url(const char *url, struct err *err)
{
    char *scheme = NULL;
    char *host = NULL;
    CURLU *parsed = curl_url();
    int code = ERR_OK;
    if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        code = err_set(err, ERR_INVALID, "the county's url \"%s\" is none", url);
    else if (strcmp(scheme, "http") == 0 && !host_is_loopback(host))
        code = err_set(
            err, ERR_INVALID,
            "the county's url \"%s\" would send names and numbers in clear: use https://", url);
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        code = err_set(err, ERR_INVALID, "the county's url \"%s\" must begin with https://", url);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return code;
}

/* False: it does not fit. */
static bool copy_text(char *ret, size_t size, const char *text)
{
    return text_copy(ret, size, text != NULL ? text : "");
}

static bool copy_base(struct curl_transport *self, const char *url)
{
    char base[BASE_BYTES];
    bool fits = text_copy(base, sizeof base, url);
    size_t size = strlen(base);
    while (size > 0 && base[size - 1] == '/')
        base[--size] = '\0';
    text_copy(self->base, sizeof self->base, base);
    return fits;
}

/* How the two ends prove themselves. */
static int check_proofs(const struct transport_curl_options *options, struct err *err)
{
    bool token = options->token_file != NULL && options->token_file[0] != '\0';
    if (!token && options->identity_file == NULL)
        return err_set(err, ERR_INVALID,
                       "neither the county's pin (sync.ca_pin) nor a token file is set");
    if (options->ca_pin != NULL && strncasecmp(options->url, "https:", 6) != 0)
        return err_set(err, ERR_INVALID, "the county's pin needs a url with https://");
    return ERR_OK;
}

static int copy_options(struct curl_transport *self, const struct transport_curl_options *options,
                        struct err *err)
{
    int code = check_url(options->url, err);
    if (code == ERR_OK)
        code = check_proofs(options, err);
    if (code != ERR_OK)
        return code;
    self->has_ca_pin = options->ca_pin != NULL;
    self->silent_s = options->silent_s;
    if (self->has_ca_pin)
        self->ca_pin = *options->ca_pin;
    bool fits =
        copy_base(self, options->url) &&
        copy_text(self->token_file, sizeof self->token_file, options->token_file) &&
        copy_text(self->identity_file, sizeof self->identity_file, options->identity_file) &&
        copy_text(self->ca_file, sizeof self->ca_file, options->ca_file) &&
        copy_text(self->pin, sizeof self->pin, options->pin);
    return fits ? ERR_OK
                : err_set(err, ERR_LIMIT, "url, file name or pin of the county is too long");
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy;
    struct curl_transport *self = ctx;
    x509_trust_pin(ssl_ctx, &self->ca_pin);
    return CURLE_OK;
}

static void set_trust(struct curl_transport *self)
{
    CURL *easy = self->easy;
    if (self->has_ca_pin) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, self);
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (self->ca_file[0] != '\0' && !self->has_ca_pin)
        curl_easy_setopt(easy, CURLOPT_CAINFO, self->ca_file);
    if (self->pin[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, self->pin);
}

static void set_easy(struct curl_transport *self)
{
    CURL *easy = self->easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "touyan/" TOUYAN_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES_PER_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                     self->silent_s > 0 ? (long)self->silent_s : (long)LOW_SPEED_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->curl_error);
    set_trust(self);
}

static bool open_curl(struct curl_transport *self)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return false;
    self->multi = curl_multi_init();
    self->easy = curl_easy_init();
    if (self->multi == NULL || self->easy == NULL) {
        curl_easy_cleanup(self->easy);
        curl_multi_cleanup(self->multi);
        return false;
    }
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, 2L);
    set_easy(self);
    return true;
}

int transport_curl_init(struct transport *ret, uv_loop_t *loop,
                        const struct transport_curl_options *options, struct err *err)
{
    struct curl_transport *self = calloc(1, sizeof *self);
    if (self == NULL)
        return err_set(err, ERR_NOMEM, "transport");
    self->loop = loop;
    int code = copy_options(self, options, err);
    if (code == ERR_OK && !open_curl(self))
        code = err_set(err, ERR_NOMEM, "curl");
    if (code != ERR_OK) {
        free(self);
        return code;
    }
    uv_timer_init(loop, &self->timer);
    uv_timer_init(loop, &self->report);
    self->timer.data = self;
    self->report.data = self;
    self->work.data = self;
    self->handles = 2;
    buf_init(&self->plain, LIMIT_SYNC_BODY_BYTES);
    buf_init(&self->packed, LIMIT_SYNC_BODY_BYTES);
    buf_init(&self->received, LIMIT_SYNC_BODY_BYTES);
    buf_init(&self->identity, LIMIT_X509_PEM_BYTES);
    *ret = (struct transport){self, impl_send, impl_abort, impl_close, impl_is_sent};
    return ERR_OK;
}
