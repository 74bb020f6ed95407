/* What the county keeps of its stations' certificates: one-time codes (as hashes), serial numbers
 * approved beforehand, requests that wait for a person, and every certificate with its flag
 * "revoked". As store.h: blocking, one thread a store; each function is one transaction. */
#ifndef TOUYAN_COUNTY_STORE_ENROL_H
#define TOUYAN_COUNTY_STORE_ENROL_H

#include "sync/county/store.h"
#include "sync/x509.h"

enum {
    LIMIT_ENROL_WAITING = 64,        /* requests that wait for a person, of all stations */
    LIMIT_ENROL_WAITING_STATION = 4, /* of one */
    LIMIT_ENROL_CERTS_A_DAY = 24,    /* of one station */
    LIMIT_ENROL_SERIAL_BYTES = 64,
    LIMIT_ENROL_BODY_BYTES = 16384,
    LIMIT_ENROL_ADDRESS_BYTES = 48,
    ENROL_CODE_DAYS = 7,
    ENROL_WAIT_DAYS = 7,       /* a request that was not repeated for so long is forgotten */
    ENROL_EARLIER_MS = 300000, /* a certificate begins a little before it is issued */
};

enum {
    LIMIT_WRONG_CODES = 10, /* from one address, or for one station, in a window */
    WRONG_CODE_WINDOW_MS = 900000,
    LIMIT_WRONG_CODE_ROWS = 4096, /* addresses and stations that are counted at a time */
};

/* A station gets a code or an approved serial number; it is made when there is none of this name,
 * and a revoked one counts again (its old certificates and token do not). ERR_INVALID: its scope is
 * another. */
int store_enrol_code(struct store *store, const char *name, const char *scope,
                     const char *code_hash, struct err *err);
int store_enrol_serial(struct store *store, const char *name, const char *scope, const char *serial,
                       struct err *err);

struct store_enrol {
    const char *station;   /* the id that it gives itself: a scope */
    const char *code_hash; /* NULL: none */
    const char *serial;    /* NULL: none */
    const char *digits, *address;
    char key[X509_HEX_BYTES + 1]; /* hash of the key, hex */
};

enum store_enrol_state {
    STORE_ENROL_KNOWN,   /* there is a certificate for this key */
    STORE_ENROL_BY_CODE, /* may have one */
    STORE_ENROL_BY_SERIAL,
    STORE_ENROL_BY_PERSON,
    STORE_ENROL_BY_CERT,    /* a renewal */
    STORE_ENROL_WAITS,      /* for a person */
    STORE_ENROL_WRONG_CODE, /* refused */
    STORE_ENROL_REFUSED,    /* refused: see why */
    STORE_ENROL_FULL,       /* later */
};

struct store_enrol_answer {
    enum store_enrol_state state;
    struct store_station station; /* BY_*: whose it will be */
    char why[LIMIT_NAME_BYTES + 1];
    struct buf cert; /* KNOWN: PEM; initialised and freed by the caller */
};

/* Looks what a request may have. One that nothing speaks for is noted to wait for a person. */
int store_enrol_ask(struct store *store, const struct store_enrol *ask,
                    struct store_enrol_answer *ret, struct err *err);

/* Only whether there is a certificate for this key. ERR_NOT_FOUND. */
int store_enrol_known(struct store *store, const struct store_enrol *ask,
                      struct store_enrol_answer *ret, struct err *err);

struct store_cert {
    const struct x509_cert *cert;
    const char *pem;
    enum store_enrol_state how; /* BY_* */
};
/* Stores the certificate that ask() allowed, and uses up the code, the serial number or the
 * approval. ERR_STATE: another request was quicker: ask again. ERR_LIMIT: too many in a day. */
int store_enrol_issue(struct store *store, const struct store_enrol *ask,
                      const struct store_station *station, const struct store_cert *cert,
                      struct err *err);

/* A JSON array of {station, digits, serial, address, asked, seen, state}. */
int store_enrol_list(struct store *store, struct buf *ret_json, struct err *err);
/* Approves (its certificate is made when the station asks next) or rejects the request with these
 * digits. name: what the county calls the station; NULL: by its id. ERR_NOT_FOUND. */
int store_enrol_decide(struct store *store, const char *station, const char *digits, bool approve,
                       const char *name, struct err *err);

struct store_holder {
    struct store_station station;
    int64_t until_ms;
    bool revoked; /* the certificate or the station */
};
/* print: hex of the certificate's SHA-256. ERR_NOT_FOUND. */
int store_cert_find(struct store *store, const char *print, struct store_holder *ret,
                    struct err *err);
/* Takes up a certificate of our authority that this database does not know, because it came back
 * from a backup. A station that was revoked before it was issued must have been added again since.
 * ERR_NOT_FOUND: no active station of this name and id. */
int store_cert_adopt(struct store *store, const struct x509_cert *cert, struct store_holder *ret,
                     struct err *err);
/* A JSON array of {serial, name, station, from, until, issued, how, revoked}. */
int store_cert_list(struct store *store, struct buf *ret_json, struct err *err);
/* ERR_NOT_FOUND: no such certificate, or revoked already. */
int store_cert_revoke(struct store *store, const char *serial, struct err *err);

/* store_guard.c. How long this address has to wait because of wrong codes, and those who come with
 * a code for the station (NULL: without one); 0: not at all. */
int store_wrong_codes(struct store *store, const char *address, const char *station,
                      int64_t *ret_wait_ms, struct err *err);
int store_note_wrong_code(struct store *store, const char *address, const char *station,
                          struct err *err);

enum store_revoked_kind {
    STORE_REVOKED_STATION, /* and all that it had then */
    STORE_REVOKED_CERT,    /* key: its print */
    STORE_USED_CODE,       /* key: its hash */
    STORE_USED_SERIAL,     /* key: the number; it may have been approved again later */
    STORE_REVOKED_KINDS,
};

struct store_revoked {
    enum store_revoked_kind kind;
    int64_t at_ms;
    const char *name;   /* the station's */
    const char *key;    /* NULL: it is the station */
    const char *serial; /* of a certificate; else NULL */
};
/* ret_new: the database did not know. */
int store_revoke_again(struct store *store, const struct store_revoked *line, bool *ret_new,
                       struct err *err);
/* Without codes that have expired. */
int store_revoked_list(struct store *store,
                       void (*on_line)(void *ctx, const struct store_revoked *line), void *ctx,
                       struct err *err);

/* Appends gauges for /metrics. */
int store_enrol_metrics(struct store *store, struct buf *out, struct err *err);

#endif
