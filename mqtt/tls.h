/* A TLS context for the broker's certificate, and the cipher of a mesh. The only file that knows
 * OpenSSL, together with tls.c. */
#ifndef TOUYAN_MQTT_TLS_H
#define TOUYAN_MQTT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

/* The certificate must come from ca_file (PEM) and be for `host`, a name or an address (RFC 6125),
 * in TLS 1.2 or newer. cert_file and key_file: our own, both or NULL. *ret is an SSL_CTX for
 * libmosquitto, to be given to tls_close. ERR_INVALID: which file cannot be used, and why. */
int tls_open(const char *host, const char *ca_file, const char *cert_file, const char *key_file,
             void **ret, struct err *err);
void tls_close(void *tls); /* accepts NULL */

/* AES in counter mode (NIST SP 800-38A, 6.5), key of 16 or 32 bytes: encrypts and decrypts `size`
 * bytes, at most INT_MAX. False: no such cipher, or no memory. */
bool tls_aes_ctr(const uint8_t *key, size_t key_size, const uint8_t counter[16], const void *bytes,
                 size_t size, uint8_t *ret);

#endif
