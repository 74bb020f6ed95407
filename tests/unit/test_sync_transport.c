/* The curl transport against a small server in a thread, on loopback and in clear. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/limits.h"
#include "sync/transport.h"
#include "sync/zip.h"

#define TOKEN "0123456789abcdef0123"

/* Answers each connection's first request with `answer` and then closes; none: it says nothing. */
struct server {
    int listener;
    int port;
    pthread_t thread;
    struct buf answer;
    size_t filler; /* bytes of 'x' after the answer */
    char request[65536];
    size_t request_size;
};

struct fixture {
    struct server server;
    uv_loop_t loop;
    struct transport transport;
    char token_file[64];
    bool closed;
    int replies;
    struct transport_reply reply;
    char body[256];
};

static bool whole_request(const struct server *s)
{
    const char *end = strstr(s->request, "\r\n\r\n");
    const char *length = strstr(s->request, "Content-Length: ");
    if (end == NULL || length == NULL)
        return false;
    size_t body = strtoul(length + 16, NULL, 10);
    return s->request_size >= (size_t)(end + 4 - s->request) + body;
}

static void serve_one(struct server *s, int fd)
{
    s->request_size = 0;
    memset(s->request, 0, sizeof s->request);
    ssize_t got;
    while (!whole_request(s) && (got = read(fd, s->request + s->request_size,
                                            sizeof s->request - 1 - s->request_size)) > 0)
        s->request_size += (size_t)got;
    if (s->answer.size > 0 && send(fd, s->answer.bytes, s->answer.size, MSG_NOSIGNAL) > 0) {
        static char filler[65536];
        memset(filler, 'x', sizeof filler);
        for (size_t sent = 0; sent < s->filler; sent += sizeof filler)
            if (send(fd, filler, sizeof filler, MSG_NOSIGNAL) < 0)
                break;
    } else {
        char rest;
        while (read(fd, &rest, 1) > 0)
            continue;
    }
    close(fd);
}

static void *serve(void *ctx)
{
    struct server *s = ctx;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0)
        serve_one(s, fd);
    return NULL;
}

static void start_server(struct server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    getsockname(s->listener, (struct sockaddr *)&address, &size);
    s->port = ntohs(address.sin_port);
    buf_init(&s->answer, 1 << 20);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    buf_free(&s->answer);
}

static void write_token(struct fixture *f, const char *token)
{
    FILE *file = fopen(f->token_file, "w");
    fputs(token, file);
    fclose(file);
}

static void open_transport(struct fixture *f, int silent_s)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", f->server.port);
    struct transport_curl_options options = {
        .url = url, .token_file = f->token_file, .silent_s = silent_s};
    struct err err = {0};
    if (transport_curl_init(&f->transport, &f->loop, &options, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->token_file, sizeof f->token_file, "/tmp/touyan-token-XXXXXX");
    close(mkstemp(f->token_file));
    write_token(f, TOKEN "\n");
    start_server(&f->server);
    uv_loop_init(&f->loop);
    open_transport(f, 0);
    *state = f;
    return 0;
}

static void on_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed = true;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->transport.close(f->transport.impl, on_closed, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    stop_server(&f->server);
    unlink(f->token_file);
    free(f);
    return 0;
}

static void on_reply(void *ctx, const struct transport_reply *reply)
{
    struct fixture *f = ctx;
    f->reply = *reply;
    snprintf(f->body, sizeof f->body, "%.*s", (int)reply->size, reply->body);
    f->replies++;
}

static void answer(struct fixture *f, const char *head, const void *body, size_t size)
{
    buf_clear(&f->server.answer);
    buf_printf(&f->server.answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
               head, size + f->server.filler);
    buf_add(&f->server.answer, body, size);
}

static void exchange(struct fixture *f, const char *body)
{
    int before = f->replies;
    f->transport.send(f->transport.impl, "/v1/sync", body, strlen(body), false, on_reply, f);
    assert_int_equal(f->replies, before);
    while (f->replies == before)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void a_body_goes_and_comes_packed(void **state)
{
    struct fixture *f = *state;
    struct buf packed;
    buf_init(&packed, 65536);
    zip_pack("{\"more\":0}", 10, 3, &packed, NULL);
    answer(f, "200 OK\r\nContent-Encoding: zstd", packed.bytes, packed.size);
    buf_free(&packed);
    for (int i = 0; i < 2; i++) {
        exchange(f, "{\"p\":1}");
        assert_int_equal(f->reply.code, ERR_OK);
        assert_int_equal(f->reply.status, 200);
        assert_string_equal(f->body, "{\"more\":0}");
        assert_int_equal(f->reply.retry_after_ms, -1);
    }
    const struct server *s = &f->server;
    assert_int_equal(strncmp(s->request, "POST /v1/sync HTTP/1.1\r\n", 24), 0);
    assert_non_null(strstr(s->request, "\r\nAuthorization: Bearer " TOKEN "\r\n"));
    assert_non_null(strstr(s->request, "\r\nContent-Encoding: zstd\r\n"));
    assert_non_null(strstr(s->request, "\r\nAccept-Encoding: zstd\r\n"));
    const char *body = strstr(s->request, "\r\n\r\n") + 4;
    struct buf opened;
    buf_init(&opened, 65536);
    assert_int_equal(zip_open(body, f->reply.sent_bytes, &opened, NULL), ERR_OK);
    assert_string_equal(buf_text(&opened), "{\"p\":1}");
    buf_free(&opened);
}

static void a_status_and_its_retry_after_are_told(void **state)
{
    struct fixture *f = *state;
    answer(f, "503 Busy\r\nRetry-After: 7", "{\"error\":\"busy\"}", 16);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_OK);
    assert_int_equal(f->reply.status, 503);
    assert_int_equal(f->reply.retry_after_ms, 7000);
    assert_string_equal(f->body, "{\"error\":\"busy\"}");
}

static void a_bomb_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t size = LIMIT_SYNC_BODY_BYTES + 1;
    char *zeros = calloc(1, size);
    struct buf packed;
    buf_init(&packed, 1 << 20);
    zip_pack(zeros, size, 3, &packed, NULL);
    free(zeros);
    answer(f, "200 OK\r\nContent-Encoding: zstd", packed.bytes, packed.size);
    buf_free(&packed);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_LIMIT);
}

static void an_endless_body_is_cut(void **state)
{
    struct fixture *f = *state;
    f->server.filler = 2 * (size_t)LIMIT_SYNC_BODY_BYTES;
    answer(f, "200 OK", "", 0);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_LIMIT);
    assert_non_null(strstr(f->reply.err.text, "8 MiB"));
}

static void a_running_request_can_be_aborted_or_closed(void **state)
{
    struct fixture *f = *state;
    buf_clear(&f->server.answer); /* says nothing */
    for (int turns = 0; turns < 12; turns += 3) {
        f->transport.send(f->transport.impl, "/v1/sync", "{}", 2, true, on_reply, f);
        for (int i = 0; i < turns; i++)
            uv_run(&f->loop, i == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        int before = f->replies;
        f->transport.abort(f->transport.impl);
        assert_int_equal(f->replies, before);
        while (f->replies == before)
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(f->reply.code, ERR_STATE);
    }
    f->transport.abort(f->transport.impl); /* nothing runs */
    f->transport.send(f->transport.impl, "/v1/sync", "{}", 2, true, on_reply,
                      f); /* closed by tear_down */
}

/* A line that carries a byte now and then is a line; one that carries none is given up. */
static void silence_ends_a_request(void **state)
{
    struct fixture *f = *state;
    f->transport.close(f->transport.impl, on_closed, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    open_transport(f, 2);
    buf_clear(&f->server.answer);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_TIMEOUT);
    assert_non_null(strstr(f->reply.err.text, "too slow"));
}

static void a_dead_server_and_a_bad_token_are_said(void **state)
{
    struct fixture *f = *state;
    write_token(f, "short\n");
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_INVALID);
    unlink(f->token_file);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_IO);
    write_token(f, TOKEN);
    shutdown(f->server.listener, SHUT_RDWR);
    exchange(f, "{}");
    assert_int_equal(f->reply.code, ERR_IO);
    assert_true(f->reply.err.text[0] != '\0');
}

static void only_encrypted_or_loopback_urls_are_taken(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "http://county.example",       "http://10.0.0.1", "ftp://127.0.0.1", "county", "",
        "http://127.0.0.1.example.com"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct transport_curl_options options = {.url = bad[i], .token_file = f->token_file};
        struct transport transport;
        struct err err = {0};
        assert_int_equal(transport_curl_init(&transport, &f->loop, &options, &err), ERR_INVALID);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_body_goes_and_comes_packed),
        TEST(a_status_and_its_retry_after_are_told),
        TEST(a_bomb_is_refused),
        TEST(an_endless_body_is_cut),
        TEST(a_running_request_can_be_aborted_or_closed),
        TEST(silence_ends_a_request),
        TEST(a_dead_server_and_a_bad_token_are_said),
        TEST(only_encrypted_or_loopback_urls_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
