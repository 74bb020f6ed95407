/* See x509.h. Every object of OpenSSL lives within one function, but for the authority's key and
 * certificate; the first failure of a function ends it, and its reason is OpenSSL's. */
#include "sync/x509.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERR_STATE OPENSSL_ERR_STATE /* a type of theirs and a code of ours */
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "gateway/base/text.h"

enum { SERIAL_BYTES = X509_SERIAL_DIGITS / 2, SPKI_BYTES_MAX = 1024, SECOND_MS = 1000 };

static const char ORGANIZATION[] = "touyan";

struct x509_ca {
    EVP_PKEY *key;
    X509 *cert;
    struct x509_pin pin;
    char *pem;
};

static int problem(struct err *err, int code, const char *what)
{
    unsigned long why = ERR_peek_last_error();
    const char *reason = why != 0 ? ERR_reason_error_string(why) : NULL;
    ERR_clear_error();
    return err_set(err, code, "%s: %s", what, reason != NULL ? reason : "not usable");
}

/* --- hashes --- */

static bool hash_key(const EVP_PKEY *key, struct x509_hash *ret)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);
    if (size <= 0)
        return false;
    SHA256(der, (size_t)size, ret->bytes);
    OPENSSL_free(der);
    return true;
}

static bool hash_key_of(const X509 *cert, struct x509_hash *ret)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    return key != NULL && hash_key(key, ret);
}

void x509_digits(const struct x509_hash *key, const struct x509_pin *pin, char ret[SLIP_DIGITS + 1])
{
    uint8_t both[X509_HASH_BYTES + SLIP_PIN_BYTES], hash[X509_HASH_BYTES];
    uint64_t number = 0;
    memcpy(both, key->bytes, sizeof key->bytes);
    memcpy(both + sizeof key->bytes, pin->bytes, sizeof pin->bytes);
    SHA256(both, sizeof both, hash);
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | hash[i];
    snprintf(ret, SLIP_DIGITS + 1, "%06u", (unsigned)(number % 1000000));
}

void x509_hex(const struct x509_hash *hash, char ret[X509_HEX_BYTES + 1])
{
    text_to_hex(hash->bytes, sizeof hash->bytes, ret);
}

/* --- reading and writing PEM --- */

static BIO *bio_of(const char *pem, size_t size)
{
    return size <= LIMIT_X509_PEM_BYTES ? BIO_new_mem_buf(pem, (int)size) : NULL;
}

/* No key of ours has a passphrase, and nobody is asked for one. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the form is OpenSSL's */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = bio_of(pem, strlen(pem));
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static X509 *read_cert(const char *pem, size_t size)
{
    BIO *bio = bio_of(pem, size);
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static X509_REQ *read_request(const char *pem, size_t size)
{
    BIO *bio = bio_of(pem, size);
    X509_REQ *request = bio != NULL ? PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return request;
}

static bool take_bio(BIO *bio, struct buf *out)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    return size > 0 && buf_add(out, bytes, (size_t)size);
}

static bool write_key(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) &&
              take_bio(bio, out);
    BIO_free(bio);
    return ok;
}

static bool write_cert(X509 *cert, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL && PEM_write_bio_X509(bio, cert) && take_bio(bio, out);
    BIO_free(bio);
    return ok;
}

static EVP_PKEY *make_key(void)
{
    return EVP_EC_gen("P-256");
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32] = "";
    size_t size = 0;
    return key != NULL && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* --- names and times --- */

static bool add_name(X509_NAME *name, int what, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, what, MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

/* False: it is not there once, does not fit, or is no plain text. */
static bool get_name(const X509_NAME *name, int what, char *ret, size_t size)
{
    int at = X509_NAME_get_index_by_NID(name, what, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, what, at) >= 0)
        return false;
    unsigned char *text = NULL;
    int length =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    bool ok = length > 0 && (size_t)length < size && strlen((char *)text) == (size_t)length &&
              text_utf8_valid((char *)text, (size_t)length) && text_copy(ret, size, (char *)text);
    OPENSSL_free(text);
    return ok;
}

static bool get_time(const ASN1_TIME *at, int64_t *ret_ms)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, at) == 1;
    ASN1_TIME_free(epoch);
    *ret_ms = ((int64_t)days * 86400 + seconds) * SECOND_MS;
    return ok;
}

/* --- a station's key and request --- */

int x509_key_new(struct buf *out, struct err *err)
{
    EVP_PKEY *key = make_key();
    bool ok = key != NULL && write_key(key, out);
    EVP_PKEY_free(key);
    return ok ? ERR_OK : problem(err, ERR_NOMEM, "a new key");
}

int x509_key_hash(const char *pem, struct x509_hash *ret, struct err *err)
{
    EVP_PKEY *key = read_key(pem);
    bool ok = is_p256(key) && hash_key(key, ret);
    EVP_PKEY_free(key);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "the private key");
}

static bool fill_request(X509_REQ *request, EVP_PKEY *key, const char *station)
{
    X509_NAME *name = X509_REQ_get_subject_name(request);
    return X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
           add_name(name, NID_organizationName, ORGANIZATION) &&
           add_name(name, NID_commonName, station) && X509_REQ_set_pubkey(request, key) == 1 &&
           X509_REQ_sign(request, key, EVP_sha256()) > 0;
}

int x509_request_new(const char *key_pem, const char *station, struct buf *out, struct err *err)
{
    EVP_PKEY *key = read_key(key_pem);
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = key != NULL && request != NULL && bio != NULL &&
              fill_request(request, key, station) && PEM_write_bio_X509_REQ(bio, request) == 1 &&
              take_bio(bio, out);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "a request of our key");
}

/* One block and nothing around it: what is signed is what was looked at. */
static bool is_one_block(const char *pem, size_t size)
{
    static const char BEGIN[] = "-----BEGIN ";
    static const char END[] = "-----END CERTIFICATE REQUEST-----";
    if (memchr(pem, '\0', size) != NULL || strncmp(pem, BEGIN, sizeof BEGIN - 1) != 0 ||
        strstr(pem + 1, BEGIN) != NULL)
        return false;
    const char *end = strstr(pem, END);
    return end != NULL && strspn(end + sizeof END - 1, "\r\n") == strlen(end + sizeof END - 1);
}

static int look_at_request(X509_REQ *request, struct x509_request *ret, struct err *err)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    if (!is_p256(key))
        return problem(err, ERR_INVALID, "csr: a key other than ECDSA on P-256");
    if (X509_REQ_verify(request, key) != 1)
        return problem(err, ERR_INVALID, "csr: its signature is not of its key");
    if (!get_name(X509_REQ_get_subject_name(request), NID_commonName, ret->station,
                  sizeof ret->station))
        return err_set(err, ERR_INVALID, "csr: its common name is the station's id");
    return hash_key(key, &ret->key) ? ERR_OK : problem(err, ERR_INVALID, "csr: its key");
}

int x509_request_read(const char *pem, size_t size, struct x509_request *ret, struct err *err)
{
    if (size > LIMIT_X509_REQUEST_BYTES)
        return err_set(err, ERR_LIMIT, "csr: more than %d bytes", LIMIT_X509_REQUEST_BYTES);
    X509_REQ *request = is_one_block(pem, size) ? read_request(pem, size) : NULL;
    if (request == NULL)
        return problem(err, ERR_INVALID, "csr: not one certificate request in PEM");
    *ret = (struct x509_request){0};
    int code = look_at_request(request, ret, err);
    X509_REQ_free(request);
    return code;
}

/* --- certificates --- */

static bool get_serial(X509 *cert, char ret[X509_SERIAL_DIGITS + 1])
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get_serialNumber(cert), NULL);
    bool ok = number != NULL && BN_bn2binpad(number, bytes, sizeof bytes) == sizeof bytes;
    BN_free(number);
    if (ok)
        text_to_hex(bytes, sizeof bytes, ret);
    return ok;
}

static int look_at_cert(X509 *cert, struct x509_cert *ret, struct err *err)
{
    unsigned size = 0;
    *ret = (struct x509_cert){0};
    const X509_NAME *name = X509_get_subject_name(cert);
    bool ok = hash_key_of(cert, &ret->key) &&
              X509_digest(cert, EVP_sha256(), ret->print.bytes, &size) == 1 &&
              get_serial(cert, ret->serial) && get_time(X509_get0_notBefore(cert), &ret->from_ms) &&
              get_time(X509_get0_notAfter(cert), &ret->until_ms) &&
              get_name(name, NID_commonName, ret->station, sizeof ret->station) &&
              get_name(name, NID_organizationalUnitName, ret->name, sizeof ret->name);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "not a station's certificate");
}

int x509_cert_read(const char *pem, size_t size, struct x509_cert *ret, struct err *err)
{
    X509 *cert = read_cert(pem, size);
    int code = cert != NULL ? look_at_cert(cert, ret, err)
                            : problem(err, ERR_INVALID, "not a certificate in PEM");
    X509_free(cert);
    return code;
}

static X509 *read_der(const void *der, size_t size)
{
    const unsigned char *at = der;
    return size <= LIMIT_X509_PEM_BYTES ? d2i_X509(NULL, &at, (long)size) : NULL;
}

int x509_cert_read_der(const void *der, size_t size, struct x509_cert *ret, struct err *err)
{
    X509 *cert = read_der(der, size);
    int code = cert != NULL ? look_at_cert(cert, ret, err)
                            : problem(err, ERR_INVALID, "not a certificate");
    X509_free(cert);
    return code;
}

static bool fits_pin(const X509 *cert, const struct x509_pin *pin)
{
    struct x509_hash hash;
    return hash_key_of(cert, &hash) && memcmp(hash.bytes, pin->bytes, sizeof pin->bytes) == 0;
}

static bool is_signed_by(X509 *cert, X509 *ca)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca)) == 0 &&
           X509_verify(cert, X509_get0_pubkey(ca)) == 1;
}

int x509_cert_check(const char *cert_pem, const char *ca_pem, const char *key_pem,
                    const struct x509_pin *pin, struct err *err)
{
    X509 *cert = read_cert(cert_pem, strlen(cert_pem)), *ca = read_cert(ca_pem, strlen(ca_pem));
    EVP_PKEY *key = read_key(key_pem);
    int code = ERR_OK;
    if (cert == NULL || ca == NULL || key == NULL)
        code = problem(err, ERR_DENIED, "certificate, authority or key");
    else if (!fits_pin(ca, pin))
        code = err_set(err, ERR_DENIED, "the authority is not the one that is pinned");
    else if (!is_signed_by(cert, ca))
        code = problem(err, ERR_DENIED, "the certificate is not of the pinned authority");
    else if (X509_check_private_key(cert, key) != 1)
        code = problem(err, ERR_DENIED, "the certificate is for another key");
    EVP_PKEY_free(key);
    X509_free(ca);
    X509_free(cert);
    ERR_clear_error();
    return code;
}

/* --- the authority --- */

struct life {
    int64_t from_ms, until_ms;
};

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

static bool add_extension(X509 *cert, X509 *issuer, int what, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, what, value);
    bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static X509 *begin_cert(EVP_PKEY *key, const struct life *life)
{
    X509 *cert = X509_new();
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        ASN1_TIME_set(X509_getm_notBefore(cert), life->from_ms / SECOND_MS) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(cert), life->until_ms / SECOND_MS) != NULL &&
        X509_set_pubkey(cert, key) == 1)
        return cert;
    X509_free(cert);
    return NULL;
}

/* Names issuer and kind of key use, and signs. */
static bool end_cert(X509 *cert, const struct x509_ca *ca, const char *purpose)
{
    return X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1 &&
           add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, ca->cert, NID_ext_key_usage, purpose) &&
           add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
           add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid") &&
           X509_sign(cert, ca->key, EVP_sha256()) > 0;
}

static bool fill_ca(X509 *cert, EVP_PKEY *key, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    return add_name(subject, NID_organizationName, ORGANIZATION) &&
           add_name(subject, NID_commonName, name) && X509_set_issuer_name(cert, subject) == 1 &&
           add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

int x509_ca_new(const char *name, int64_t from_ms, int64_t until_ms, struct buf *ret_key,
                struct buf *ret_cert, struct err *err)
{
    struct life life = {from_ms, until_ms};
    EVP_PKEY *key = make_key();
    X509 *cert = key != NULL ? begin_cert(key, &life) : NULL;
    bool ok = cert != NULL && fill_ca(cert, key, name) && write_key(key, ret_key) &&
              write_cert(cert, ret_cert);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "a new authority");
}

static int set_pin(struct x509_ca *ca, const char *cert_pem, struct err *err)
{
    struct x509_hash hash;
    if (!hash_key_of(ca->cert, &hash) || X509_check_private_key(ca->cert, ca->key) != 1)
        return problem(err, ERR_INVALID, "the authority's key is not its certificate's");
    memcpy(ca->pin.bytes, hash.bytes, sizeof ca->pin.bytes);
    ca->pem = strdup(cert_pem);
    return ca->pem != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "out of memory");
}

int x509_ca_open(const char *key_pem, const char *cert_pem, struct x509_ca **ret, struct err *err)
{
    struct x509_ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    ca->key = read_key(key_pem);
    ca->cert = read_cert(cert_pem, strlen(cert_pem));
    int code = ca->key != NULL && ca->cert != NULL
                   ? set_pin(ca, cert_pem, err)
                   : problem(err, ERR_INVALID, "the authority's key or certificate");
    if (code == ERR_OK)
        *ret = ca;
    else
        x509_ca_close(ca);
    return code;
}

void x509_ca_close(struct x509_ca *ca)
{
    if (ca == NULL)
        return;
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    free(ca->pem);
    free(ca);
}

const struct x509_pin *x509_ca_pin(const struct x509_ca *ca)
{
    return &ca->pin;
}

const char *x509_ca_pem(const struct x509_ca *ca)
{
    return ca->pem;
}

static bool name_station(X509 *cert, const char *station, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    return add_name(subject, NID_organizationName, ORGANIZATION) &&
           add_name(subject, NID_organizationalUnitName, name) &&
           add_name(subject, NID_commonName, station);
}

int x509_ca_issue_station(const struct x509_ca *ca, const char *request_pem, const char *station,
                          const char *name, int64_t from_ms, int64_t until_ms, struct buf *out,
                          struct err *err)
{
    struct life life = {from_ms, until_ms};
    X509_REQ *request = read_request(request_pem, strlen(request_pem));
    EVP_PKEY *key = request != NULL ? X509_REQ_get0_pubkey(request) : NULL;
    X509 *cert = is_p256(key) ? begin_cert(key, &life) : NULL;
    bool ok = cert != NULL && name_station(cert, station, name) &&
              end_cert(cert, ca, "clientAuth") && write_cert(cert, out);
    X509_free(cert);
    X509_REQ_free(request);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "a certificate for the request");
}

static bool name_hosts(X509 *cert, const char *const *hosts, size_t count)
{
    struct buf names;
    bool ok = count > 0;
    unsigned char address[16];
    buf_init(&names, LIMIT_X509_HOSTS * (LIMIT_X509_HOST_BYTES + 8));
    for (size_t i = 0; ok && i < count; i++) {
        bool numeric = inet_pton(AF_INET, hosts[i], address) == 1 ||
                       inet_pton(AF_INET6, hosts[i], address) == 1;
        ok = buf_printf(&names, "%s%s:%s", i > 0 ? "," : "", numeric ? "IP" : "DNS", hosts[i]);
    }
    ok = ok && add_name(X509_get_subject_name(cert), NID_organizationName, ORGANIZATION) &&
         add_extension(cert, cert, NID_subject_alt_name, buf_text(&names));
    buf_free(&names);
    return ok;
}

int x509_ca_issue_server(const struct x509_ca *ca, const char *const *hosts, size_t count,
                         int64_t from_ms, int64_t until_ms, struct buf *ret_key,
                         struct buf *ret_cert, struct err *err)
{
    struct life life = {from_ms, until_ms};
    EVP_PKEY *key = make_key();
    X509 *cert = key != NULL ? begin_cert(key, &life) : NULL;
    bool ok = cert != NULL && name_hosts(cert, hosts, count) && end_cert(cert, ca, "serverAuth") &&
              write_key(key, ret_key) && write_cert(cert, ret_cert) &&
              buf_add_text(ret_cert, ca->pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? ERR_OK : problem(err, ERR_INVALID, "a server's certificate for these names");
}

bool x509_ca_issued(const struct x509_ca *ca, const void *der, size_t size)
{
    X509 *cert = read_der(der, size);
    bool ok = cert != NULL && is_signed_by(cert, ca->cert) &&
              X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) == 1;
    X509_free(cert);
    ERR_clear_error();
    return ok;
}

/* --- TLS of a station --- */

static X509 *find_pinned(const STACK_OF(X509) * chain, const struct x509_pin *pin)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (fits_pin(sk_X509_value(chain, i), pin))
            return sk_X509_value(chain, i);
    return NULL;
}

static int on_verify(X509_STORE_CTX *verify, void *ctx)
{
    X509 *root = find_pinned(X509_STORE_CTX_get0_untrusted(verify), ctx);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    int ok = 0;
    if (root == NULL || trusted == NULL || sk_X509_push(trusted, root) <= 0) {
        X509_STORE_CTX_set_error(verify, X509_V_ERR_CERT_REJECTED);
    } else {
        X509_STORE_CTX_set0_trusted_stack(verify, trusted);
        X509_STORE_CTX_set_flags(verify, X509_V_FLAG_NO_CHECK_TIME);
        ok = X509_verify_cert(verify);
    }
    sk_X509_free(trusted);
    return ok > 0;
}

void x509_trust_pin(void *ssl_ctx, const struct x509_pin *pin)
{
    SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ssl_ctx, on_verify, (void *)(uintptr_t)pin);
}
