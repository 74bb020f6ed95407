/* Writes what station and county say to each other to the file that TOUYAN_EXCHANGES names, for
 * validate_exchanges.py; without the variable nothing is written. */
#ifndef TOUYAN_TESTS_EXCHANGES_H
#define TOUYAN_TESTS_EXCHANGES_H

#include <stddef.h>

#include "sync/transport.h"

struct exchange {
    bool by_station;    /* a real station wrote the request, so it must be right in any case */
    const char *path;   /* with its parameters */
    const char *method; /* "get", "post" */
    int status;         /* 0: the reply is a test's own, or none came */
    const char *request, *reply;
    size_t request_size, reply_size;
};

/* One line. Any thread, any process. Texts that JSON would not have on one line are left out. */
void exchanges_record(const struct exchange *exchange);

/* Makes *transport one that records what goes through it; it owns what it was. */
void exchanges_tap(struct transport *transport);

#endif
