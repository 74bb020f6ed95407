/* Sealing at rest (libsodium: XChaCha20-Poly1305 boxes, keyed BLAKE2b for the nonce). The key is 32
 * bytes in a file outside the replica, made on first start with mode 0600. Each side (station,
 * county) has its own. The only file that knows libsodium, together with seal.c. */
#ifndef TOUYAN_SEAL_H
#define TOUYAN_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/err.h"

struct seal;

/* Reads the key file, or makes it when it does not exist. ERR_INVALID: not 32 bytes, or readable
 * by others. */
int seal_open(const char *key_path, struct seal **ret, struct err *err);
/* A fixed key for tests. */
struct seal *seal_for_test(void);
void seal_close(struct seal *seal); /* wipes the key; accepts NULL */

/* Sealed texts are lower-case hex of nonce and box. `fixed` derives the nonce from the text: equal
 * texts give equal seals, so that a number can be looked up. ret must hold seal_size(size) bytes.
 */
size_t seal_size(size_t text_size);
void seal_text(const struct seal *seal, const char *text, size_t size, bool fixed, char *ret);

/* ret must hold strlen(sealed) / 2 bytes. False: not ours, or the key does not fit. Ends with NUL.
 */
bool seal_open_text(const struct seal *seal, const char *sealed, char *ret, size_t ret_size);

/* Keyed BLAKE2b of the text, 64 lower-case hex digits: tells whether a text is one that was seen
 * before without keeping it. ret must hold SEAL_HASH_DIGITS + 1 bytes. */
void seal_mark(const struct seal *seal, const char *text, size_t size, char *ret);

/* BLAKE2b of the text without a key, 64 lower-case hex digits: for tokens of full entropy, which
 * are stored as their hash. Not for passwords. */
enum { SEAL_HASH_DIGITS = 64 };
void seal_hash(const char *text, size_t size, char ret[SEAL_HASH_DIGITS + 1]);

/* HMAC-SHA256 (RFC 2104) as 64 lower-case hex digits: what devices sign with. */
void seal_hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
                      char ret[SEAL_HASH_DIGITS + 1]);

/* A line's second half for mosquitto's password file: "$7$101$salt$hash", PBKDF2 with HMAC-SHA512
 * (RFC 8018) and 101 rounds, which is little: for passwords of full entropy. */
enum { SEAL_BROKER_BYTES = 160 };
void seal_broker_password(const char *password, char ret[SEAL_BROKER_BYTES]);

/* A secret of 32 hex digits for a device. */
enum { SEAL_SECRET_DIGITS = 32 };
void seal_secret(char ret[SEAL_SECRET_DIGITS + 1]);

#endif
