/* A context of our own, because libmosquitto compares the certificate with what it connects to, and
 * that is the address that a name was resolved to. OpenSSL compares it with the name. Any failure
 * frees what was made. */
#include "mqtt/tls.h"

#include <arpa/inet.h>

#define ERR_STATE OPENSSL_ERR_STATE /* a type of theirs and a code of ours */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

static int problem(struct err *err, const char *what, const char *file)
{
    const char *why = ERR_reason_error_string(ERR_get_error());
    return err_set(err, ERR_INVALID, "%s %s: %s", what, file, why != NULL ? why : "not usable");
}

static int load_own(SSL_CTX *tls, const char *cert_file, const char *key_file, struct err *err)
{
    if (cert_file == NULL && key_file == NULL)
        return ERR_OK;
    if (cert_file == NULL || key_file == NULL)
        return err_set(err, ERR_INVALID, "certificate and key go together");
    if (SSL_CTX_use_certificate_chain_file(tls, cert_file) != 1)
        return problem(err, "certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1)
        return problem(err, "key", key_file);
    return ERR_OK;
}

static bool expect_host(SSL_CTX *tls, const char *host)
{
    unsigned char bytes[16];
    X509_VERIFY_PARAM *verify = SSL_CTX_get0_param(tls);
    if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1;
    return X509_VERIFY_PARAM_set1_host(verify, host, 0) == 1;
}

int tls_open(const char *host, const char *ca_file, const char *cert_file, const char *key_file,
             void **ret, struct err *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        return err_set(err, ERR_NOMEM, "no TLS context");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    int code = ERR_OK;
    if (SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1)
        code = problem(err, "CA file", ca_file);
    else if (!expect_host(tls, host))
        code = err_set(err, ERR_INVALID, "host %s: in no certificate", host);
    else
        code = load_own(tls, cert_file, key_file, err);
    if (code != ERR_OK) {
        SSL_CTX_free(tls);
        return code;
    }
    *ret = tls;
    return ERR_OK;
}

void tls_close(void *tls)
{
    SSL_CTX_free(tls);
}

bool tls_aes_ctr(const uint8_t *key, size_t key_size, const uint8_t counter[16], const void *bytes,
                 size_t size, uint8_t *ret)
{
    const EVP_CIPHER *cipher = key_size == 32   ? EVP_aes_256_ctr()
                               : key_size == 16 ? EVP_aes_128_ctr()
                                                : NULL;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    bool good = cipher != NULL && context != NULL &&
                EVP_EncryptInit_ex(context, cipher, NULL, key, counter) == 1 &&
                EVP_EncryptUpdate(context, ret, &written, bytes, (int)size) == 1 &&
                (size_t)written == size;
    EVP_CIPHER_CTX_free(context);
    return good;
}
