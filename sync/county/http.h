/* The HTTPS server: libmicrohttpd over blocking handlers, COUNTY_THREADS of them at a time. The
 * only place that knows libmicrohttpd.
 *
 * What a client may cost: a connection has 15 s from its start (or from its first byte of the next
 * request) to complete its headers, and then 15 s plus what its bytes need at 512 B/s; one that
 * sends a byte a second is cut off. A body is taken only after admit() has said yes, up to a limit
 * before and after unpacking; zstd bombs are refused. */
#ifndef TOUYAN_COUNTY_HTTP_H
#define TOUYAN_COUNTY_HTTP_H

#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "sync/county/store.h"

enum {
    LIMIT_COUNTY_CONNECTIONS = 2048, /* or as many as the process may have files */
    LIMIT_COUNTY_CONNECTIONS_PER_ADDRESS = 128,
    COUNTY_KEPT_PERCENT = 75, /* of them; with more, one is closed after its answer */
    COUNTY_OTHER_FILES = 128, /* beside connections */
    COUNTY_CONNECTION_BYTES = 16384,
    COUNTY_THREADS = 4,               /* requests that are worked on */
    COUNTY_STACK_BYTES = 1024 * 1024, /* of a connection's thread; what it does not touch is free */
    COUNTY_IDLE_MS = 120000,          /* of a kept connection between two requests */
    COUNTY_SLOWEST_BYTES_PER_S = 512,
    HTTP_ADDRESS_BYTES = 48,
};

struct http_request {
    const char *method, *path;
    const char *authorization; /* NULL: none */
    const char *body;          /* unpacked */
    size_t size;
    const void *cert; /* of the client, DER, as it came: nobody looked at it; NULL: none */
    size_t cert_size;
    char address[HTTP_ADDRESS_BYTES]; /* of the client, numeric */
    bool local;                       /* the client is on this machine */
    void *connection;                 /* http.c's */
    struct store_station station;     /* admit() fills it, handle() reads it */
    bool by_cert;                     /* so it proved itself */
    size_t body_max;                  /* admit() may lower it */
};

/* The decoded value of a query parameter; NULL when there is none. Valid during the request. */
const char *http_query(const struct http_request *request, const char *name);

struct http_answer {
    int status;
    const char *type;  /* of the body; NULL: application/json */
    int retry_after_s; /* 0: no such header */
    struct buf body;   /* JSON; packed on its way out if the client takes that */
};

/* The answer is {"error": sentence} and nothing else; ERR_OK. */
int http_refuse(struct http_answer *answer, int status, const char *sentence);

struct http_handler {
    void *ctx;
    /* Called with the headers only, on any thread. False: the answer is final, no body is read. */
    bool (*admit)(void *ctx, struct http_request *request, struct http_answer *answer);
    void (*handle)(void *ctx, const struct http_request *request, struct http_answer *answer);
};

struct http_options {
    const char *listen; /* "127.0.0.1:8443", "[::1]:0"; port 0: any */
    const char *cert_path, *key_path;
    const char *trust_pem; /* clients are asked for a certificate of this authority; NULL: not */
    struct http_handler handler;
};

struct http;
/* ERR_INVALID: address, certificate or key; ERR_IO: the port is taken. */
int http_start(const struct http_options *options, struct http **ret, int *ret_port,
               struct err *err);
/* Answers what is being handled, then closes everything. Accepts NULL. */
void http_stop(struct http *http);

#endif
