/* An error is a code for the program and a text for a person. It is wrapped on the way up
 * ("sync: push batch 17: HTTP 503") and logged once, by whoever decides what to do about it. */
#ifndef TOUYAN_BASE_ERR_H
#define TOUYAN_BASE_ERR_H

#include "gateway/base/limits.h"

enum err_code {
    ERR_OK = 0,
    ERR_INVALID,   /* the input is wrong: say where and what to do */
    ERR_LIMIT,     /* larger than a limit of limits.h */
    ERR_IO,        /* the system said no */
    ERR_BUSY,      /* try again later */
    ERR_TIMEOUT,   /* a deadline passed */
    ERR_CORRUPT,   /* stored data is damaged */
    ERR_NEWER,     /* stored data is of a newer program */
    ERR_NOT_FOUND, /* no such thing */
    ERR_DENIED,    /* not allowed */
    ERR_NOMEM,     /* out of memory */
    ERR_STATE,     /* not now: the object is in the wrong state */
};

struct err {
    int code; /* enum err_code */
    char text[LIMIT_ERR_TEXT];
};

#define ERR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Sets code and text and returns the code, so that `return err_set(e, ...)` reads well.
 * e may be NULL when the caller wants the code only. */
int err_set(struct err *e, int code, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Puts "text: " in front of what is there; returns e->code (ERR_INVALID when e is NULL). */
int err_wrap(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

#endif
