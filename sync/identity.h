/* The station's key and certificate for the county (PROTOCOL.md 12): made, asked for, kept and
 * renewed here. What it asks goes out as the requests of sync, one at a time with the others.
 *
 * On disk: `file` holds the key and its certificate, and is replaced as a whole, so that either the
 * old or the new pair works whatever happens. `file`.next holds the next key from before it is
 * asked for until its certificate is stored, so that a lost reply is asked for again with the same
 * key. Both have mode 0600.
 *
 * No clock of the station decides anything: a certificate is due by the county's clock, or when the
 * county says so. */
#ifndef TOUYAN_SYNC_IDENTITY_H
#define TOUYAN_SYNC_IDENTITY_H

#include "sync/x509.h"

enum {
    IDENTITY_SERIAL_BYTES = 64,
    IDENTITY_PAUSE_MS = 60000, /* after a renewal that failed: sync goes on meanwhile */
};

struct identity_options {
    const char *file;
    const char *pin;     /* of the county's authority, as people write it */
    const char *station; /* its id */
    const char *serial;  /* of the machine; "": not known */
    bool optional;       /* until there is a certificate, sync has a token */
};

enum identity_state {
    IDENTITY_OFF,     /* not configured */
    IDENTITY_NONE,    /* the county was not asked yet, or did not answer well */
    IDENTITY_WAITING, /* for a person at the county */
    IDENTITY_GOOD,
    IDENTITY_EXPIRED, /* the county says so; it is being renewed */
    IDENTITY_STATES,
};

struct identity {
    bool on, optional;
    char file[LIMIT_PATH_BYTES], next_file[LIMIT_PATH_BYTES];
    struct x509_pin pin;
    char station[LIMIT_STATION_BYTES + 1];
    char serial[IDENTITY_SERIAL_BYTES + 1];

    bool have; /* a certificate */
    struct x509_cert cert;
    bool expired; /* the county said so */

    bool next;     /* there is a next key */
    bool anew;     /* a person wants to enrol again with it: the old certificate does not speak */
    bool asking;   /* a request is under way */
    bool renewing; /* it is a renewal */
    bool outdated; /* a person came in between: its answer does not matter */
    bool spent;    /* the county refused the next key */
    char code[SLIP_CODE_TEXT + 1];
    char digits[SLIP_DIGITS + 1]; /* of the next key; "" without one */
    bool waiting;                 /* the county's answer to the last request */
    int64_t retry_ms;             /* monotonic: while sync works, ask no sooner */
    char problem[LIMIT_ERR_TEXT];
};

/* Reads what is there. ERR_INVALID: the pin is none. Without a pin it is off, and everything below
 * does nothing. */
int identity_init(struct identity *identity, const struct identity_options *options,
                  struct err *err);

/* The next request should be its. county_ms: the county's clock as of its last reply, 0: none came
 * yet. mono_ms: monotonic. */
bool identity_wants(const struct identity *identity, int64_t county_ms, int64_t mono_ms);

/* Sync can do without it now: there is a certificate that was not refused, or a token. */
bool identity_is_usable(const struct identity *identity);

/* Makes the next key if there is none, and the request. ret_path: static. */
int identity_build(struct identity *identity, const char **ret_path, struct buf *body,
                   struct err *err);

enum identity_outcome {
    IDENTITY_TAKEN, /* there is a new certificate, stored */
    IDENTITY_LATER, /* not now; problem says why */
    IDENTITY_AGAIN, /* ask again at once */
};
/* The answer to it; status 0: none came, problem says why. retry_after_ms: -1 when not said. */
enum identity_outcome identity_take(struct identity *identity, int status, const char *body,
                                    size_t size, int64_t retry_after_ms, int64_t mono_ms,
                                    const char *problem);

/* The county refused the certificate as expired. */
void identity_note_expired(struct identity *identity);

/* A person enrols the station (again): with a one-time code, or NULL to wait for approval. A key
 * that still waits is kept, and with it its digits. ERR_INVALID: the code is none; ERR_STATE: off;
 * ERR_IO. */
int identity_begin(struct identity *identity, const char *code, struct err *err);

enum identity_state identity_state(const struct identity *identity);
const char *identity_state_name(enum identity_state state);

#endif
