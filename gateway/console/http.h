/* HTTP/1.1 on a Unix socket, on the loop. The only file of the station that knows libmicrohttpd.
 *
 * One request is one call of `respond`, inside a handler of the replica's turn. An answer to a
 * request that wrote something leaves only after the commit of that turn; when the commit fails it
 * becomes 503. Each connection carries one request and is cut LIMIT_HTTP_DEADLINE_MS after it was
 * opened, however slowly it sends. Who may connect is decided by the peer's user and group
 * (SO_PEERCRED): root, the user of this process, members of the configured group; members of the
 * readers' group too, whose requests are marked. The socket is open to everybody's connect then. */
#ifndef TOUYAN_CONSOLE_HTTP_H
#define TOUYAN_CONSOLE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "sync/replica/replica.h"

struct http;

struct http_request {
    const char *method;
    const char *path; /* without the query */
    const char *body; /* "" when there is none; ends with NUL */
    size_t body_size;
    bool reader;      /* the peer may look, not act */
    void *connection; /* for http_query() */
};

struct http_answer {
    int status;
    bool wrote;      /* wait for the commit */
    struct buf json; /* given initialised; freed by the server */
};

struct http_options {
    uv_loop_t *loop;
    struct replica *replica;
    const char *socket_path;
    const char *group;   /* NULL or "": no group */
    const char *readers; /* may look, not act; NULL or "": no group */
    void *ctx;
    void (*respond)(void *ctx, const struct http_request *request, struct http_answer *ret);
};

/* Value of a query parameter, NULL when it is not there. Valid during the request. */
const char *http_query(const struct http_request *request, const char *name);

/* Makes the socket (0660, the group's when there is one; a stale one is replaced). ERR_BUSY:
 * another daemon answers on it. */
int http_start(const struct http_options *options, struct http **ret, struct err *err);

/* Ends all connections and removes the socket; frees http, then calls back on the loop. */
void http_close(struct http *http, void (*on_closed)(void *ctx), void *ctx);

#endif
