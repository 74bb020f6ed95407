/* Sealing with XChaCha20-Poly1305; see seal.h. Text form: hex(nonce 24 bytes || box).
 *
 * With a fixed nonce (keyed BLAKE2b of the text) equal texts give equal seals: that is the
 * synthetic IV construction, safe to repeat because a nonce never meets two different texts. */
#include "sync/replica/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/text.h"

enum {
    KEY_BYTES = 32,
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    OVERHEAD = NONCE_BYTES + TAG_BYTES,
};

struct seal {
    unsigned char box_key[KEY_BYTES];
    unsigned char nonce_key[KEY_BYTES];
    unsigned char mark_key[KEY_BYTES];
};

static struct seal *make(const unsigned char key[KEY_BYTES])
{
    struct seal *seal = calloc(1, sizeof *seal);
    if (seal == NULL || sodium_init() < 0)
        abort();
    crypto_generichash(seal->box_key, KEY_BYTES, (const unsigned char *)"box", 3, key, KEY_BYTES);
    crypto_generichash(seal->nonce_key, KEY_BYTES, (const unsigned char *)"nonce", 5, key,
                       KEY_BYTES);
    crypto_generichash(seal->mark_key, KEY_BYTES, (const unsigned char *)"mark", 4, key, KEY_BYTES);
    return seal;
}

struct seal *seal_for_test(void)
{
    unsigned char key[KEY_BYTES] = "a key that guards nothing";
    return make(key);
}

static int create_key(const char *path, unsigned char key[KEY_BYTES], struct err *err)
{
    if (sodium_init() < 0)
        return err_set(err, ERR_IO, "libsodium did not start");
    randombytes_buf(key, KEY_BYTES);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_IO, "sealing key %s: %s", path, strerror(errno));
    bool ok = write(fd, key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok)
        return err_set(err, ERR_IO, "sealing key %s: %s", path, strerror(errno));
    return ERR_OK;
}

static int read_key(int fd, const char *path, unsigned char key[KEY_BYTES], struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(err, ERR_IO, "sealing key %s: %s", path, strerror(errno));
    if ((st.st_mode & 077) != 0)
        return err_set(err, ERR_INVALID, "sealing key %s can be read by others: chmod 600 it",
                       path);
    if (st.st_size != KEY_BYTES || read(fd, key, KEY_BYTES) != KEY_BYTES)
        return err_set(err, ERR_INVALID, "sealing key %s must be %d bytes, it has %lld", path,
                       KEY_BYTES, (long long)st.st_size);
    return ERR_OK;
}

int seal_open(const char *key_path, struct seal **ret, struct err *err)
{
    unsigned char key[KEY_BYTES];
    int fd = open(key_path, O_RDONLY | O_CLOEXEC);
    int code;
    if (fd >= 0) {
        code = read_key(fd, key_path, key, err);
        close(fd);
    } else if (errno == ENOENT) {
        code = create_key(key_path, key, err);
    } else {
        code = err_set(err, ERR_IO, "sealing key %s: %s", key_path, strerror(errno));
    }
    if (code == ERR_OK)
        *ret = make(key);
    sodium_memzero(key, sizeof key);
    return code;
}

void seal_close(struct seal *seal)
{
    if (seal == NULL)
        return;
    sodium_memzero(seal, sizeof *seal);
    free(seal);
}

size_t seal_size(size_t text_size)
{
    return 2 * (text_size + OVERHEAD) + 1;
}

void seal_text(const struct seal *seal, const char *text, size_t size, bool fixed, char *ret)
{
    unsigned char *whole = malloc(size + OVERHEAD);
    if (whole == NULL)
        abort();
    if (fixed)
        crypto_generichash(whole, NONCE_BYTES, (const unsigned char *)text, size, seal->nonce_key,
                           KEY_BYTES);
    else
        randombytes_buf(whole, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(whole + NONCE_BYTES, NULL,
                                               (const unsigned char *)text, size, NULL, 0, NULL,
                                               whole, seal->box_key);
    text_to_hex(whole, size + OVERHEAD, ret);
    free(whole);
}

bool seal_open_text(const struct seal *seal, const char *sealed, char *ret, size_t ret_size)
{
    size_t hex_size = strlen(sealed);
    size_t size = hex_size / 2;
    if (hex_size % 2 != 0 || size < OVERHEAD || size - OVERHEAD + 1 > ret_size)
        return false;
    uint8_t *whole = malloc(size);
    if (whole == NULL)
        abort();
    bool ok = text_from_hex(sealed, hex_size, whole, size) >= 0 &&
              crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)ret, NULL, NULL,
                                                         whole + NONCE_BYTES, size - NONCE_BYTES,
                                                         NULL, 0, whole, seal->box_key) == 0;
    if (ok)
        ret[size - OVERHEAD] = '\0';
    free(whole);
    return ok;
}

void seal_mark(const struct seal *seal, const char *text, size_t size, char *ret)
{
    unsigned char hash[SEAL_HASH_DIGITS / 2];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, size, seal->mark_key,
                       KEY_BYTES);
    text_to_hex(hash, sizeof hash, ret);
}

void seal_hash(const char *text, size_t size, char ret[SEAL_HASH_DIGITS + 1])
{
    unsigned char hash[SEAL_HASH_DIGITS / 2];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, size, NULL, 0);
    text_to_hex(hash, sizeof hash, ret);
}

void seal_hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
                      char ret[SEAL_HASH_DIGITS + 1])
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)key, key_size);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, size);
    crypto_auth_hmacsha256_final(&state, mac);
    text_to_hex(mac, sizeof mac, ret);
}

enum { BROKER_ROUNDS = 101, BROKER_SALT_BYTES = 12, SHA512_BYTES = crypto_auth_hmacsha512_BYTES };

static void hmac_sha512(const char *key, const unsigned char *text, size_t size,
                        unsigned char ret[SHA512_BYTES])
{
    crypto_auth_hmacsha512_state state;
    crypto_auth_hmacsha512_init(&state, (const unsigned char *)key, strlen(key));
    crypto_auth_hmacsha512_update(&state, text, size);
    crypto_auth_hmacsha512_final(&state, ret);
}

/* One block of PBKDF2, RFC 8018 5.2. */
static void pbkdf2(const char *password, const unsigned char salt[BROKER_SALT_BYTES],
                   unsigned char ret[SHA512_BYTES])
{
    unsigned char u[SHA512_BYTES], first[BROKER_SALT_BYTES + 4] = {0};
    memcpy(first, salt, BROKER_SALT_BYTES);
    first[BROKER_SALT_BYTES + 3] = 1;
    hmac_sha512(password, first, sizeof first, u);
    memcpy(ret, u, SHA512_BYTES);
    for (int round = 1; round < BROKER_ROUNDS; round++) {
        hmac_sha512(password, u, SHA512_BYTES, u);
        for (int i = 0; i < SHA512_BYTES; i++)
            ret[i] ^= u[i];
    }
}

void seal_broker_password(const char *password, char ret[SEAL_BROKER_BYTES])
{
    unsigned char salt[BROKER_SALT_BYTES], hash[SHA512_BYTES];
    char salt64[sodium_base64_ENCODED_LEN(BROKER_SALT_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    char hash64[sodium_base64_ENCODED_LEN(SHA512_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    randombytes_buf(salt, sizeof salt);
    pbkdf2(password, salt, hash);
    sodium_bin2base64(salt64, sizeof salt64, salt, sizeof salt, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(hash64, sizeof hash64, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
    snprintf(ret, SEAL_BROKER_BYTES, "$7$%d$%s$%s", BROKER_ROUNDS, salt64, hash64);
}

void seal_secret(char ret[SEAL_SECRET_DIGITS + 1])
{
    unsigned char bytes[SEAL_SECRET_DIGITS / 2];
    randombytes_buf(bytes, sizeof bytes);
    text_to_hex(bytes, sizeof bytes, ret);
}
