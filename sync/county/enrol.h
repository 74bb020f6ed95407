/* POST /v1/enroll and /v1/renew, and the proof of a station by its certificate (sync/PROTOCOL.md
 * 12). Any thread. */
#ifndef TOUYAN_COUNTY_ENROL_H
#define TOUYAN_COUNTY_ENROL_H

#include "sync/county/http.h"
#include "sync/county/meter.h"
#include "sync/county/store_enrol.h"
#include "sync/replica/seal.h"

enum {
    ENROL_CERT_DAYS = 365,
    ENROL_RETRY_S = 30, /* of a request that waits for a person */
};

struct enrol {
    const struct x509_ca *ca; /* NULL: this county does not enrol */
    const struct clock *clock;
    struct meter *meter;      /* which addresses try too often; what became of requests */
    const char *revoked_path; /* what is used up is kept there, too; NULL: nowhere */
};

/* Makes a one-time code; what is stored is its hash. */
void enrol_new_code(struct rnd *rnd, char ret[SLIP_CODE_TEXT + 1],
                    char ret_hash[SEAL_HASH_DIGITS + 1]);

/* From anybody: answers 200, 202, 400, 403, 404 or 503. An error is the store's. */
int enrol_handle_first(const struct enrol *enrol, struct store *store,
                       const struct http_request *request, struct http_answer *answer,
                       struct err *err);
/* From request->station, whose certificate may have expired. */
int enrol_handle_renewal(const struct enrol *enrol, struct store *store,
                         const struct http_request *request, struct http_answer *answer,
                         struct err *err);

/* Whose certificate is it? ERR_DENIED: nobody's, or revoked: says why; others: the store's. */
int enrol_find_holder(const struct enrol *enrol, struct store *store, const void *der, size_t size,
                      struct store_holder *ret, struct err *err);

#endif
