/* Keys, requests (PKCS #10, RFC 2986) and certificates (RFC 5280) of the county's own authority:
 * ECDSA on P-256, the only kind there is. The only file of both ends that knows OpenSSL.
 *
 * Texts are PEM. A hash of a key is the SHA-256 of its SubjectPublicKeyInfo. No clock is read here:
 * who asks says what time it is. */
#ifndef TOUYAN_SYNC_X509_H
#define TOUYAN_SYNC_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sync/slip.h"

enum {
    X509_HASH_BYTES = 32,
    X509_HEX_BYTES = 2 * X509_HASH_BYTES,
    X509_SERIAL_DIGITS = 32,
    LIMIT_X509_REQUEST_BYTES = 4096, /* a request of ours has about 420 */
    LIMIT_X509_PEM_BYTES = 16384,    /* a key with its certificates */
    LIMIT_X509_HOSTS = 16,           /* of a server certificate */
    LIMIT_X509_HOST_BYTES = 253,
};

struct x509_hash {
    uint8_t bytes[X509_HASH_BYTES];
};

struct x509_pin {
    uint8_t bytes[SLIP_PIN_BYTES];
};

/* What a person compares at both ends: six digits of the requesting key and the authority. */
void x509_digits(const struct x509_hash *key, const struct x509_pin *pin,
                 char ret[SLIP_DIGITS + 1]);
void x509_hex(const struct x509_hash *hash, char ret[X509_HEX_BYTES + 1]);

/* --- a station's key and request --- */

/* Appends a new private key (PKCS #8). */
int x509_key_new(struct buf *out, struct err *err);
/* Of the first private key in the text. */
int x509_key_hash(const char *pem, struct x509_hash *ret, struct err *err);
/* Appends a request of the key for this station (its common name). */
int x509_request_new(const char *key_pem, const char *station, struct buf *out, struct err *err);

struct x509_request {
    struct x509_hash key;
    char station[LIMIT_STATION_BYTES + 1];
};
/* ERR_INVALID: says why it is none that we take: other than exactly one PEM request, another kind
 * of key, a signature that does not prove the key. ERR_LIMIT: too large. */
int x509_request_read(const char *pem, size_t size, struct x509_request *ret, struct err *err);

/* --- certificates --- */

struct x509_cert {
    struct x509_hash key;
    struct x509_hash print; /* SHA-256 of the whole certificate */
    char serial[X509_SERIAL_DIGITS + 1];
    char station[LIMIT_STATION_BYTES + 1]; /* common name */
    char name[LIMIT_NAME_BYTES + 1];       /* organizational unit: what the county calls it */
    int64_t from_ms, until_ms;
};
/* Of the first certificate in the text. */
int x509_cert_read(const char *pem, size_t size, struct x509_cert *ret, struct err *err);
int x509_cert_read_der(const void *der, size_t size, struct x509_cert *ret, struct err *err);
/* Does the certificate belong to the key, and was it signed by the pinned authority, which is
 * `ca_pem`? Its times are not looked at. ERR_DENIED says what does not fit. */
int x509_cert_check(const char *cert_pem, const char *ca_pem, const char *key_pem,
                    const struct x509_pin *pin, struct err *err);

/* --- the authority --- */

struct x509_ca;
/* Appends key and certificate of a new authority. */
int x509_ca_new(const char *name, int64_t from_ms, int64_t until_ms, struct buf *ret_key,
                struct buf *ret_cert, struct err *err);
int x509_ca_open(const char *key_pem, const char *cert_pem, struct x509_ca **ret, struct err *err);
void x509_ca_close(struct x509_ca *ca); /* accepts NULL */
const struct x509_pin *x509_ca_pin(const struct x509_ca *ca);
const char *x509_ca_pem(const struct x509_ca *ca); /* its certificate */

/* Appends a certificate for the key of a request that x509_request_read() took. Any thread. */
int x509_ca_issue_station(const struct x509_ca *ca, const char *request_pem, const char *station,
                          const char *name, int64_t from_ms, int64_t until_ms, struct buf *out,
                          struct err *err);
/* Appends a new key to ret_key, and to ret_cert its certificate for names and addresses, followed
 * by the authority's. */
int x509_ca_issue_server(const struct x509_ca *ca, const char *const *hosts, size_t count,
                         int64_t from_ms, int64_t until_ms, struct buf *ret_key,
                         struct buf *ret_cert, struct err *err);
/* Is it a station's certificate that this authority signed, at whatever time? Any thread. */
bool x509_ca_issued(const struct x509_ca *ca, const void *der, size_t size);

/* --- TLS of a station --- */

/* Has an SSL_CTX take only a server whose chain ends in the pinned authority, at any time: a
 * station's clock may be wrong. The name is checked by whoever connects. The pin outlives it. */
void x509_trust_pin(void *ssl_ctx, const struct x509_pin *pin);

#endif
