/* The broker connection on libmosquitto and uv_poll.
 *
 * libmosquitto queues the PUBACK of a QoS 1 message before it calls on_message, and writes it at
 * once unless it believes that another thread does the writing. mosquitto_threaded_set(true) makes
 * it believe so: everything it wants to say then waits for mosquitto_loop_write(), and that is
 * called here only while nothing is held. So a message is acknowledged after the commit, with
 * public calls only, although one single thread uses the library.
 *
 * Happy path: resolve (a name, off the loop), connect, CONNACK, then per readable event: read until
 * the socket is empty or the turn's budget is spent, let the owner commit, write.
 * Failures: each attempt has a library object of its own, and whatever goes wrong with it (refused,
 * closed, no CONNACK within 5 s, keepalive missed, a turn that was lost) it is destroyed, which
 * closes the socket and drops what was queued; the next attempt follows after 0.2 to 5 s. The
 * poll handle is closed first, before anything can be given the same descriptor.
 * The library must not be destroyed or asked to write within one of its callbacks: those only set
 * flags, looked at when it has returned. */
#include "mqtt/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/sm.h"
#include "gateway/base/text.h"
#include "mqtt/tls.h"

enum {
    CONNACK_MS = 5000,
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MAX_MS = 5000,
    SECOND_MS = 1000,
    KEEPALIVE_S = 15,
};

enum state { IDLE, RESOLVING, CONNECTING, ONLINE, WAITING, CLOSING, CLOSED };

static const struct sm_state states[] = {
    [IDLE] = {"idle", SM_TO(RESOLVING) | SM_TO(CONNECTING) | SM_TO(WAITING) | SM_TO(CLOSING)},
    [RESOLVING] = {"resolving", SM_TO(CONNECTING) | SM_TO(WAITING) | SM_TO(CLOSING)},
    [CONNECTING] = {"connecting", SM_TO(ONLINE) | SM_TO(WAITING) | SM_TO(CLOSING)},
    [ONLINE] = {"online", SM_TO(WAITING) | SM_TO(CLOSING)},
    [WAITING] = {"waiting", SM_TO(RESOLVING) | SM_TO(CONNECTING) | SM_TO(WAITING) | SM_TO(CLOSING)},
    [CLOSING] = {"closing", SM_TO(CLOSED)},
    [CLOSED] = {"closed", 0},
};

/* One attempt. Freed when its poll handle is closed. */
struct conn {
    uv_poll_t poll;
    struct client *client;
    struct mosquitto *mosq;
    int events; /* asked of the poll handle */
};

struct client {
    uv_loop_t *loop;
    const struct clock *clock;
    struct rnd *rnd;
    char *socket_path, *host, *ca_file, *cert_file, *key_file, *username, *password, *client_id;
    char *will_topic, *will_text; /* all owned; NULL: none */
    int port, keepalive_s;
    void *tls; /* owned, see tls.h; NULL: plain */
    struct client_callbacks callbacks;

    struct sm state;
    struct conn *conn;
    uv_timer_t second;  /* keepalive, deadlines */
    uv_timer_t backoff; /* the next attempt */
    uv_prepare_t prepare;
    uv_getaddrinfo_t resolve;
    char address[INET6_ADDRSTRLEN];
    int64_t connack_until_ms; /* monotonic */
    int attempts;             /* since it was online */
    bool told_offline;

    bool held;
    bool in_library; /* one of its functions is on the stack */
    bool progress;   /* it called back */
    bool connack;    /* flags of its callbacks */
    bool session_present;
    char doomed[LIMIT_NAME_BYTES]; /* why this attempt must end; "" */

    int open_handles; /* of client_close */
    void (*close_cb)(void *ctx);
    void *close_ctx;
    int quiet_id; /* of client_subscribe_quietly: its SUBACK is nobody's business */
};

static int library_users;

static void attempt(struct client *client);

/* --- one attempt and its end --- */

static void handle_gone(struct client *client)
{
    client->open_handles--;
    if (client->state.now != CLOSING || client->open_handles > 0)
        return;
    sm_move(&client->state, CLOSED);
    client->close_cb(client->close_ctx);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct client *client = conn->client;
    free(conn);
    handle_gone(client);
}

static void drop_conn(struct client *client)
{
    struct conn *conn = client->conn;
    if (conn == NULL)
        return;
    client->conn = NULL;
    client->held = client->connack = false;
    client->doomed[0] = '\0';
    uv_poll_stop(&conn->poll);
    uv_close((uv_handle_t *)&conn->poll, on_conn_closed);
    mosquitto_destroy(conn->mosq);
}

static uint64_t backoff_ms(struct client *client)
{
    uint64_t longest = BACKOFF_FIRST_MS;
    for (int i = 0; i < client->attempts && longest < BACKOFF_MAX_MS; i++)
        longest *= 2;
    if (longest > BACKOFF_MAX_MS)
        longest = BACKOFF_MAX_MS;
    return longest / 2 + rnd_below(client->rnd, longest / 2 + 1);
}

static void on_backoff(uv_timer_t *timer)
{
    attempt(timer->data);
}

static void wait_and_retry(struct client *client, const char *why)
{
    sm_move(&client->state, WAITING);
    uv_timer_start(&client->backoff, on_backoff, backoff_ms(client), 0);
    if (client->attempts < 30)
        client->attempts++;
    if (client->told_offline)
        return;
    client->told_offline = true;
    client->callbacks.on_offline(client->callbacks.ctx, why);
}

static void lost(struct client *client, const char *why)
{
    char text[LIMIT_NAME_BYTES];
    text_copy(text, sizeof text, why); /* it may be the one that is cleared now */
    drop_conn(client);
    wait_and_retry(client, text);
}

static void doom(struct client *client, const char *why)
{
    if (client->doomed[0] == '\0')
        text_copy(client->doomed, sizeof client->doomed, why);
}

/* --- callbacks of the library: set flags, pass on --- */

static void on_connect(struct mosquitto *mosq, void *ctx, int code, int flags)
{
    struct client *client = ctx;
    (void)mosq;
    client->progress = true;
    if (code != 0) {
        doom(client, mosquitto_connack_string(code));
        return;
    }
    client->connack = true;
    client->session_present = (flags & 1) != 0;
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    struct client *client = ctx;
    (void)mosq;
    client->progress = true;
    if (client->doomed[0] != '\0')
        return; /* comes again */
    client->callbacks.on_message(client->callbacks.ctx, message->topic,
                                 message->payloadlen > 0 ? message->payload : "",
                                 (size_t)message->payloadlen, message->retain);
}

static void on_publish(struct mosquitto *mosq, void *ctx, int message_id)
{
    struct client *client = ctx;
    (void)mosq;
    client->progress = true;
    client->callbacks.on_published(client->callbacks.ctx, message_id);
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int message_id, int count,
                         const int *granted)
{
    struct client *client = ctx;
    (void)mosq;
    if (message_id == client->quiet_id)
        return;
    bool all = true;
    for (int i = 0; i < count; i++)
        all = all && granted[i] <= 2; /* 0x80: refused */
    client->progress = true;
    client->callbacks.on_subscribed(client->callbacks.ctx, all);
}

/* --- reading and writing --- */

static void update_events(struct client *client);

static const char *rc_text(int rc)
{
    if (rc == MOSQ_ERR_KEEPALIVE)
        return "the broker no longer answers";
    return rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc);
}

/* Everything that waits, unless the turn of what was read is not committed yet. */
static void flush(struct client *client)
{
    if (client->conn == NULL || client->held || client->in_library)
        return;
    if (!mosquitto_want_write(client->conn->mosq))
        return;
    client->in_library = true;
    int rc = mosquitto_loop_write(client->conn->mosq, 1);
    client->in_library = false;
    if (rc != MOSQ_ERR_SUCCESS)
        doom(client, rc_text(rc));
}

/* Acts on what the callbacks noted. False: the attempt is over. */
static bool settle(struct client *client)
{
    if (client->doomed[0] != '\0') {
        lost(client, client->doomed);
        return false;
    }
    if (client->connack) {
        client->connack = false;
        client->attempts = 0;
        client->told_offline = false;
        sm_move(&client->state, ONLINE);
        client->callbacks.on_online(client->callbacks.ctx, client->session_present);
    }
    flush(client);
    if (client->doomed[0] != '\0') {
        lost(client, client->doomed);
        return false;
    }
    update_events(client);
    return true;
}

static bool more_to_read(struct client *client)
{
    struct pollfd fd = {.fd = mosquitto_socket(client->conn->mosq), .events = POLLIN};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* Whether another call can bring something. errno cannot tell: the library leaves EAGAIN of its own
 * wake-up pipe there. While calls bring callbacks the question is not asked of the kernel. With TLS
 * a packet can be decrypted and waiting where poll() does not see it, so one idle call is not the
 * end. */
static bool keep_reading(struct client *client, int *idle_calls)
{
    if (client->progress) {
        *idle_calls = 0;
        return true;
    }
    ++*idle_calls;
    return more_to_read(client) || (client->tls != NULL && *idle_calls < 2);
}

/* One packet a call, because the library's own limit is that of its queue. */
static void read_all(struct client *client)
{
    int idle_calls = 0;
    for (int n = 0; n < LIMIT_TURN_MQTT_MESSAGES && client->doomed[0] == '\0'; n++) {
        client->progress = false;
        client->in_library = true;
        int rc = mosquitto_loop_read(client->conn->mosq, 1);
        client->in_library = false;
        if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(client->conn->mosq) < 0) {
            doom(client, rc != MOSQ_ERR_SUCCESS ? rc_text(rc) : "the connection is closed");
            return;
        }
        if (!client->callbacks.may_read(client->callbacks.ctx) ||
            !keep_reading(client, &idle_calls))
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    struct client *client = conn->client;
    if (client->conn != conn)
        return;
    bool may_read = client->callbacks.may_read(client->callbacks.ctx);
    if (status < 0 && !may_read)
        doom(client, uv_strerror(status)); /* the library would read, and must not */
    else if (status < 0 || (events & UV_READABLE) != 0 ||
             (client->state.now == CONNECTING && client->tls != NULL))
        read_all(client); /* also while connecting: only reading advances the TLS handshake */
    if (status < 0)
        doom(client, uv_strerror(status));
    settle(client);
}

static void update_events(struct client *client)
{
    struct conn *conn = client->conn;
    if (conn == NULL)
        return;
    int events = 0;
    if (client->callbacks.may_read(client->callbacks.ctx))
        events |= UV_READABLE;
    if (!client->held && mosquitto_want_write(conn->mosq))
        events |= UV_WRITABLE;
    if (events == conn->events)
        return;
    conn->events = events;
    if (events == 0)
        uv_poll_stop(&conn->poll);
    else
        uv_poll_start(&conn->poll, events, on_poll);
}

/* What was published since goes out before the loop sleeps. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct client *client = prepare->data;
    if (client->conn != NULL)
        settle(client);
}

void client_hold(struct client *client)
{
    client->held = true;
}

void client_release(struct client *client, bool committed)
{
    if (client->conn == NULL || !client->held)
        return; /* that connection is gone, and its acknowledgements with it */
    client->held = false;
    if (!committed)
        doom(client, "what was received could not be stored");
    if (!client->in_library && client->state.now != CLOSING)
        settle(client);
}

/* --- connecting --- */

static int set_up(struct client *client, struct mosquitto *mosq)
{
    mosquitto_threaded_set(mosq, true);
    mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
    mosquitto_max_inflight_messages_set(mosq, LIMIT_MQTT_IN_FLIGHT);
    mosquitto_connect_with_flags_callback_set(mosq, on_connect);
    mosquitto_message_callback_set(mosq, on_message);
    mosquitto_publish_callback_set(mosq, on_publish);
    mosquitto_subscribe_callback_set(mosq, on_subscribe);
    int rc = MOSQ_ERR_SUCCESS;
    if (client->username != NULL)
        rc = mosquitto_username_pw_set(mosq, client->username, client->password);
    if (rc == MOSQ_ERR_SUCCESS && client->will_topic != NULL)
        rc = mosquitto_will_set(mosq, client->will_topic, (int)strlen(client->will_text),
                                client->will_text, 1, true);
    if (rc == MOSQ_ERR_SUCCESS && client->tls != NULL)
        rc = mosquitto_void_option(mosq, MOSQ_OPT_SSL_CTX, client->tls);
    return rc;
}

static struct conn *new_conn(struct client *client)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->client = client;
    conn->poll.data = conn;
    conn->mosq = mosquitto_new(client->client_id, false, client);
    if (conn->mosq == NULL) {
        free(conn);
        return NULL;
    }
    return conn;
}

static int call_connect(struct client *client, struct mosquitto *mosq)
{
    client->in_library = true;
    int rc;
    if (client->socket_path != NULL)
        rc = mosquitto_connect_async(mosq, client->socket_path, 0, client->keepalive_s);
    else
        rc = mosquitto_connect_async(mosq, client->address, client->port, client->keepalive_s);
    client->in_library = false;
    return rc;
}

static void connect_now(struct client *client)
{
    struct conn *conn = new_conn(client);
    if (conn == NULL) {
        wait_and_retry(client, "out of memory");
        return;
    }
    int rc = set_up(client, conn->mosq);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = call_connect(client, conn->mosq);
    if (rc == MOSQ_ERR_CONN_PENDING)
        rc = MOSQ_ERR_SUCCESS;
    int fd = mosquitto_socket(conn->mosq);
    if (rc != MOSQ_ERR_SUCCESS || fd < 0 || uv_poll_init(client->loop, &conn->poll, fd) != 0) {
        const char *why = rc != MOSQ_ERR_SUCCESS ? rc_text(rc) : "no connection";
        client->doomed[0] = '\0';
        wait_and_retry(client, why);
        mosquitto_destroy(conn->mosq);
        free(conn);
        return;
    }
    client->conn = conn;
    client->open_handles++;
    client->connack_until_ms = clock_mono_ms(client->clock) + CONNACK_MS;
    sm_move(&client->state, CONNECTING);
    update_events(client);
}

static bool is_address(const char *host, char ret[INET6_ADDRSTRLEN])
{
    unsigned char bytes[16];
    return (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1) &&
           text_copy(ret, INET6_ADDRSTRLEN, host);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct client *client = resolve->data;
    int rc = status;
    if (rc == 0)
        rc = getnameinfo(found->ai_addr, found->ai_addrlen, client->address, sizeof client->address,
                         NULL, 0, NI_NUMERICHOST);
    uv_freeaddrinfo(found);
    if (client->state.now == RESOLVING && rc == 0)
        connect_now(client);
    else if (client->state.now == RESOLVING)
        wait_and_retry(client, status != 0 ? uv_strerror(status) : gai_strerror(rc));
    handle_gone(client);
}

static void attempt(struct client *client)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (!client->callbacks.may_read(client->callbacks.ctx)) {
        wait_and_retry(client, "nothing can be stored");
        return;
    }
    if (client->socket_path != NULL || is_address(client->host, client->address)) {
        connect_now(client);
        return;
    }
    int rc =
        uv_getaddrinfo(client->loop, &client->resolve, on_resolved, client->host, NULL, &hints);
    if (rc != 0) {
        wait_and_retry(client, uv_strerror(rc));
        return;
    }
    client->open_handles++;
    sm_move(&client->state, RESOLVING);
}

static void on_second(uv_timer_t *timer)
{
    struct client *client = timer->data;
    if (client->conn == NULL)
        return;
    client->in_library = true;
    int rc = mosquitto_loop_misc(client->conn->mosq);
    client->in_library = false;
    if (rc != MOSQ_ERR_SUCCESS)
        doom(client, rc_text(rc));
    else if (client->state.now == CONNECTING &&
             clock_mono_ms(client->clock) > client->connack_until_ms)
        doom(client, "no CONNACK within 5 s");
    settle(client);
}

/* --- public --- */

bool client_is_online(const struct client *client)
{
    return client->state.now == ONLINE;
}

void client_subscribe(struct client *client, const char *const *filters, int count)
{
    assert(count <= LIMIT_MQTT_FILTERS);
    char *list[LIMIT_MQTT_FILTERS] = {NULL};
    for (int i = 0; i < count; i++)
        list[i] = strdup(filters[i]);
    int rc = mosquitto_subscribe_multiple(client->conn->mosq, NULL, count, list, 1, 0, NULL);
    for (int i = 0; i < count; i++)
        free(list[i]);
    if (rc != MOSQ_ERR_SUCCESS)
        doom(client, mosquitto_strerror(rc));
}

void client_subscribe_quietly(struct client *client, const char *topic)
{
    mosquitto_subscribe(client->conn->mosq, &client->quiet_id, topic, 0);
}

void client_unsubscribe(struct client *client, const char *filter)
{
    mosquitto_unsubscribe(client->conn->mosq, NULL, filter);
}

int client_publish(struct client *client, const char *topic, const void *payload, size_t size,
                   int qos, bool retain, int *ret_message_id, struct err *err)
{
    if (client->state.now != ONLINE || client->doomed[0] != '\0')
        return err_set(err, ERR_STATE, "no connection to the broker");
    int rc = mosquitto_publish(client->conn->mosq, ret_message_id, topic, (int)size, payload, qos,
                               retain);
    if (rc != MOSQ_ERR_SUCCESS)
        return err_set(err, ERR_IO, "publish to %s: %s", topic, mosquitto_strerror(rc));
    if (!client->in_library)
        update_events(client);
    return ERR_OK;
}

static char *copy(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return NULL;
    char *made = strdup(text);
    if (made == NULL)
        abort(); /* out of memory at the start */
    return made;
}

static void copy_texts(struct client *client, const struct client_options *options)
{
    client->socket_path = copy(options->socket_path);
    client->host = copy(options->host);
    client->ca_file = copy(options->ca_file);
    client->cert_file = copy(options->cert_file);
    client->key_file = copy(options->key_file);
    client->username = copy(options->username);
    client->password = copy(options->password);
    client->client_id = copy(options->client_id);
    client->will_topic = copy(options->will_topic);
    client->will_text = copy(options->will_text);
}

int client_init(const struct client_options *options, const struct client_callbacks *callbacks,
                struct client **ret, struct err *err)
{
    bool somewhere = options->socket_path != NULL || options->host != NULL;
    if (!somewhere || options->client_id == NULL)
        return err_set(err, ERR_INVALID, "neither socket nor host of the broker is set");
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    client->loop = options->loop;
    client->clock = options->clock;
    client->rnd = options->rnd;
    client->port = options->port;
    client->keepalive_s = options->keepalive_s > 0 ? options->keepalive_s : KEEPALIVE_S;
    client->callbacks = *callbacks;
    copy_texts(client, options);
    sm_init(&client->state, "mqtt", states, sizeof states / sizeof states[0], IDLE);
    if (library_users++ == 0)
        mosquitto_lib_init();
    client->second.data = client->backoff.data = client->prepare.data = client;
    client->resolve.data = client;
    int code = ERR_OK;
    if (client->ca_file != NULL && client->host != NULL)
        code = tls_open(client->host, client->ca_file, client->cert_file, client->key_file,
                        &client->tls, err);
    if (code != ERR_OK) {
        client_fini(client);
        return code;
    }
    *ret = client;
    return ERR_OK;
}

void client_start(struct client *client)
{
    uv_timer_init(client->loop, &client->second);
    uv_timer_init(client->loop, &client->backoff);
    uv_prepare_init(client->loop, &client->prepare);
    client->open_handles += 3;
    uv_timer_start(&client->second, on_second, SECOND_MS, SECOND_MS);
    uv_timer_start(&client->backoff, on_backoff, 0, 0);
    uv_prepare_start(&client->prepare, on_prepare);
    sm_move(&client->state, WAITING);
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

void client_close(struct client *client, void (*cb)(void *ctx), void *ctx)
{
    assert(!client->in_library);
    client->close_cb = cb;
    client->close_ctx = ctx;
    if (client->state.now == ONLINE && !client->held && client->doomed[0] == '\0') {
        mosquitto_disconnect(client->conn->mosq);
        flush(client);
    }
    if (client->state.now == RESOLVING)
        uv_cancel((uv_req_t *)&client->resolve);
    sm_move(&client->state, CLOSING);
    drop_conn(client);
    uv_close((uv_handle_t *)&client->second, on_handle_closed);
    uv_close((uv_handle_t *)&client->backoff, on_handle_closed);
    uv_close((uv_handle_t *)&client->prepare, on_handle_closed);
}

/* Compilers may drop a memset before free. */
static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void client_fini(struct client *client)
{
    if (client == NULL)
        return;
    assert(client->state.now == IDLE || client->state.now == CLOSED);
    tls_close(client->tls);
    free(client->socket_path);
    free(client->host);
    free(client->ca_file);
    free(client->cert_file);
    free(client->key_file);
    free(client->username);
    wipe(client->password);
    free(client->client_id);
    free(client->will_topic);
    free(client->will_text);
    free(client);
    if (--library_users == 0)
        mosquitto_lib_cleanup();
}
