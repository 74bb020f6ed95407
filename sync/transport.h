/* One request at a time to the county, on the loop; transport_curl.c is the real one, tests have
 * their own. Bodies are handed over and received uncompressed: compression is the transport's. */
#ifndef TOUYAN_SYNC_TRANSPORT_H
#define TOUYAN_SYNC_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "gateway/base/err.h"
#include "sync/x509.h"

struct transport_reply {
    int code;   /* ERR_OK: an HTTP answer came, whatever its status; else enum err_code */
    int status; /* HTTP status */
    int64_t retry_after_ms; /* -1: not said */
    const char *body;       /* decoded, followed by a NUL; valid during the callback */
    size_t size;
    size_t sent_bytes, received_bytes; /* on the wire, bodies only */
    int64_t took_ms;                   /* from the first byte sent to the last received */
    struct err err;                    /* when code is not ERR_OK */
};

typedef void transport_reply_fn(void *ctx, const struct transport_reply *reply);

struct transport {
    void *impl;
    /* POSTs `body` to `path`, or GETs when size is 0 (both copied). `fast`: the link is good,
     * compress cheaply. on_reply runs exactly once, later, never inside send(). A second send()
     * before that is a bug of the caller. */
    void (*send)(void *impl, const char *path, const char *body, size_t size, bool fast,
                 transport_reply_fn *on_reply, void *ctx);
    /* Ends the running request: on_reply comes later with ERR_STATE. Nothing runs: does nothing. */
    void (*abort)(void *impl);
    /* Ends a running request without its on_reply, closes all handles, then calls done once; impl
     * is freed by then. */
    void (*close)(void *impl, void (*done)(void *ctx), void *ctx);
    /* The body of the running request is with the system: the loop has nothing more to do for it
     * until the answer comes. NULL: always. */
    bool (*is_sent)(void *impl);
};

struct transport_curl_options {
    const char *url;        /* without path. http:// only to loopback */
    const char *ca_file;    /* NULL: the system's */
    const char *pin;        /* NULL or curl's "sha256//…" */
    const char *token_file; /* read before each request; NULL or "": none is sent */
    /* The county's own authority, instead of ca_file; NULL: none. Copied. */
    const struct x509_pin *ca_pin;
    const char *identity_file; /* our key and certificate, read before each request; NULL: none */
    int silent_s;              /* it gives up when no byte came or went for so long; 0: 90 */
};

/* Texts are copied. ERR_INVALID: says which option is wrong. */
int transport_curl_init(struct transport *ret, uv_loop_t *loop,
                        const struct transport_curl_options *options, struct err *err);

#endif
