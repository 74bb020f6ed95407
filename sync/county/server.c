/* A request borrows a store and gives it back, so that a connection to the database is never used
 * by two threads at once. Over PostgreSQL there is one for each thread of the pool; over SQLite
 * there is only one: it lets one write at a time anyway, waiting for a connection takes turns where
 * waiting for SQLite's lock is a matter of luck, and each commit of another connection would empty
 * the page cache. */
#include "sync/county/server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "sync/county/api.h"
#include "sync/county/authority.h"
#include "sync/county/revoked.h"

struct server {
    struct http *http;
    struct api api;
    struct authority authority;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct store *all[COUNTY_THREADS];
    struct store *idle[COUNTY_THREADS];
    int idle_count;
};

static struct store *borrow(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->idle_count == 0)
        pthread_cond_wait(&server->returned, &server->lock);
    struct store *store = server->idle[--server->idle_count];
    pthread_mutex_unlock(&server->lock);
    return store;
}

static void give_back(struct server *server, struct store *store)
{
    pthread_mutex_lock(&server->lock);
    assert(server->idle_count < COUNTY_THREADS);
    server->idle[server->idle_count++] = store;
    pthread_cond_signal(&server->returned);
    pthread_mutex_unlock(&server->lock);
}

static bool on_admit(void *ctx, struct http_request *request, struct http_answer *answer)
{
    struct server *server = ctx;
    struct store *store = borrow(server);
    bool ok = api_admit(&server->api, store, request, answer);
    give_back(ctx, store);
    return ok;
}

static void on_handle(void *ctx, const struct http_request *request, struct http_answer *answer)
{
    struct server *server = ctx;
    struct store *store = borrow(server);
    api_handle(&server->api, store, request, answer);
    give_back(server, store);
}

static int open_stores(struct server *server, const struct store_options *options, struct err *err)
{
    struct store_options one = *options;
    int count = store_is_remote(options->path) ? COUNTY_THREADS : 1;
    one.new_epoch = true;
    for (int i = 0; i < count; i++) {
        int code = store_open(&one, &server->all[i], err);
        if (code != ERR_OK)
            return code;
        one.new_epoch = false;
        server->idle[server->idle_count++] = server->all[i];
    }
    return ERR_OK;
}

static int open_authority(struct server *server, const struct server_options *options,
                          struct err *err)
{
    int code = authority_open(options->ca_folder, &server->authority, err);
    bool needed = options->cert_path == NULL || options->require_cert;
    if (code == ERR_NOT_FOUND && needed)
        return err_set(err, ERR_INVALID,
                       "%s: no authority: `touyan-county ca init`, or give --cert and --key",
                       options->ca_folder);
    server->api.ca = server->authority.ca;
    server->api.require_cert = options->require_cert;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static int open_http(struct server *server, const struct server_options *options, int *ret_port,
                     struct err *err)
{
    const struct authority *own = &server->authority;
    struct http_options http = {
        .listen = options->listen,
        .cert_path = options->cert_path != NULL ? options->cert_path : own->server_cert,
        .key_path = options->key_path != NULL ? options->key_path : own->server_key,
        .trust_pem = own->ca != NULL ? x509_ca_pem(own->ca) : NULL,
        .handler = {server, on_admit, on_handle}};
    return http_start(&http, &server->http, ret_port, err);
}

int server_start(const struct server_options *options, struct server **ret, int *ret_port,
                 struct err *err)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    server->api = (struct api){
        .clock = options->store.clock, .meter = meter_new(), .revoked_path = options->revoked_path};
    if (server->api.meter == NULL)
        abort();
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->returned, NULL);
    int code = open_authority(server, options, err);
    if (code == ERR_OK)
        code = open_stores(server, &options->store, err);
    if (code == ERR_OK)
        code = revoked_keep(options->revoked_path, server->all[0], err);
    if (code == ERR_OK)
        code = open_http(server, options, ret_port, err);
    if (code == ERR_OK)
        *ret = server;
    else
        server_stop(server);
    return code;
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    http_stop(server->http);
    for (int i = 0; i < COUNTY_THREADS; i++)
        if (server->all[i] != NULL)
            server->all[i]->ops->close(server->all[i]);
    meter_free(server->api.meter);
    authority_close(&server->authority);
    pthread_cond_destroy(&server->returned);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

static int tell_ready(const char *path, int port, struct err *err)
{
    char temporary[LIMIT_PATH_BYTES];
    if (path == NULL)
        return ERR_OK;
    int size = snprintf(temporary, sizeof temporary, "%s.new", path);
    if (size < 0 || (size_t)size >= sizeof temporary)
        return err_set(err, ERR_LIMIT, "%s: the path is too long", path);
    FILE *file = fopen(temporary, "we");
    bool ok = file != NULL && fprintf(file, "%d\n", port) > 0;
    ok = file != NULL && fclose(file) == 0 && ok;
    if (!ok || rename(temporary, path) != 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    return ERR_OK;
}

int server_run(const struct server_options *options, struct err *err)
{
    struct server *server = NULL;
    int port = 0, got = 0;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* inherited by all threads; taken by sigwait below */
    signal(SIGPIPE, SIG_IGN);
    int code = server_start(options, &server, &port, err);
    if (code == ERR_OK)
        code = tell_ready(options->ready_path, port, err);
    if (code == ERR_OK) {
        log_info("county.listening", "address=%s port=%d", options->listen, port);
        sigwait(&stop, &got);
        log_info("county.stopping", "signal=%d", got);
    }
    server_stop(server);
    return code;
}
