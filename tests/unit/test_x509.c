/* Pins and codes that a person types, requests that are refused, certificates and their authority.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ERR_STATE OPENSSL_ERR_STATE /* a type of theirs and a code of ours */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include "sync/x509.h"

#define NOW INT64_C(1788796800000)
#define DAY INT64_C(86400000)

struct world {
    struct x509_ca *ca;
    struct buf key, request, cert;
};

static struct buf new_buf(void)
{
    struct buf buf;
    buf_init(&buf, LIMIT_X509_PEM_BYTES);
    return buf;
}

static struct x509_ca *new_ca(const char *name)
{
    struct buf key = new_buf(), cert = new_buf();
    struct x509_ca *ca = NULL;
    struct err err = {0};
    assert_int_equal(x509_ca_new(name, NOW, NOW + 10000 * DAY, &key, &cert, &err), ERR_OK);
    if (x509_ca_open(buf_text(&key), buf_text(&cert), &ca, &err) != ERR_OK)
        fail_msg("%s", err.text);
    buf_free(&key);
    buf_free(&cert);
    return ca;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err err = {0};
    w->ca = new_ca("Tuquan");
    w->key = new_buf();
    w->request = new_buf();
    w->cert = new_buf();
    assert_int_equal(x509_key_new(&w->key, &err), ERR_OK);
    assert_int_equal(x509_request_new(buf_text(&w->key), "S0117", &w->request, &err), ERR_OK);
    if (x509_ca_issue_station(w->ca, buf_text(&w->request), "S0117", "Tuquan east", NOW,
                              NOW + 365 * DAY, &w->cert, &err) != ERR_OK)
        fail_msg("%s", err.text);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    x509_ca_close(w->ca);
    buf_free(&w->key);
    buf_free(&w->request);
    buf_free(&w->cert);
    free(w);
    return 0;
}

static void a_slip_is_read_as_people_write(void **state)
{
    (void)state;
    uint8_t bytes[SLIP_PIN_BYTES], back[SLIP_PIN_BYTES];
    char text[SLIP_PIN_TEXT + 1];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    slip_print(bytes, sizeof bytes, text);
    assert_int_equal(strlen(text), SLIP_PIN_TEXT);
    assert_true(slip_read(text, back, sizeof back));
    assert_memory_equal(bytes, back, sizeof back);
    uint8_t code[SLIP_CODE_BYTES] = {0, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf},
            got[10];
    char printed[SLIP_CODE_TEXT + 1];
    slip_print(code, sizeof code, printed);
    assert_string_equal(printed, "0123-4567-89AB-CDEF");
    assert_true(slip_read("o1 2345 6789abcdef", got, sizeof got));
    assert_true(slip_read("oL23456789abcdef", got, sizeof got));
    assert_memory_equal(code, got, sizeof got);
    assert_false(slip_read("0123-4567-89AB-CDE", got, sizeof got));
    assert_false(slip_read("0123-4567-89AB-CDEU", got, sizeof got));
    assert_false(slip_read("0123-4567-89AB-CDEFF", got, sizeof got));
    assert_false(slip_read("", got, sizeof got));
}

static void both_ends_see_the_same_digits(void **state)
{
    struct world *w = *state;
    struct x509_request request;
    struct x509_hash key;
    struct err err = {0};
    char here[SLIP_DIGITS + 1], there[SLIP_DIGITS + 1];
    assert_int_equal(x509_request_read(buf_text(&w->request), w->request.size, &request, &err),
                     ERR_OK);
    assert_string_equal(request.station, "S0117");
    assert_int_equal(x509_key_hash(buf_text(&w->key), &key, &err), ERR_OK);
    x509_digits(&key, x509_ca_pin(w->ca), here);
    x509_digits(&request.key, x509_ca_pin(w->ca), there);
    assert_string_equal(here, there);
    assert_int_equal(strspn(here, "0123456789"), 6);
}

/* A request of another kind of key; `name` NULL: without a subject. */
static struct buf foreign_request(EVP_PKEY *key, const char *name, bool spoilt)
{
    struct buf out = new_buf();
    X509_REQ *request = X509_REQ_new();
    if (name != NULL)
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    X509_REQ_sign(request, key, EVP_sha256());
    if (spoilt) /* signed, and changed after that */
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "O", MBSTRING_UTF8,
                                   (const unsigned char *)"x", -1, -1, 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    buf_add(&out, bytes, (size_t)size);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return out;
}

static void refuse(struct buf text, int code, const char *why)
{
    struct x509_request request;
    struct err err = {0};
    assert_int_equal(x509_request_read(buf_text(&text), text.size, &request, &err), code);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s", err.text);
    buf_free(&text);
}

static struct buf text_of(const char *text)
{
    struct buf buf = new_buf();
    buf_add_text(&buf, text);
    return buf;
}

static void requests_are_refused(void **state)
{
    struct world *w = *state;
    char line[LIMIT_X509_REQUEST_BYTES + 2];
    struct buf twice = new_buf();
    refuse(text_of(""), ERR_INVALID, "not one");
    refuse(
        text_of("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
        ERR_INVALID, "not one");
    refuse(text_of(buf_text(&w->cert)), ERR_INVALID, "not one");
    refuse(text_of(buf_text(&w->key)), ERR_INVALID, "not one");
    buf_printf(&twice, "%s%s", buf_text(&w->request), buf_text(&w->request));
    refuse(twice, ERR_INVALID, "not one");
    memset(line, 'A', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    refuse(text_of(line), ERR_LIMIT, "4096");
    refuse(foreign_request(EVP_RSA_gen(2048), "S0117", false), ERR_INVALID, "P-256");
    refuse(foreign_request(EVP_EC_gen("P-384"), "S0117", false), ERR_INVALID, "P-256");
    refuse(foreign_request(EVP_EC_gen("P-256"), "S0117", true), ERR_INVALID, "signature");
    refuse(foreign_request(EVP_EC_gen("P-256"), NULL, false), ERR_INVALID, "common name");
    refuse(foreign_request(EVP_EC_gen("P-256"), "a name of far more than thirty-two characters",
                           false),
           ERR_INVALID, "common name");
}

static void a_certificate_says_whose_it_is(void **state)
{
    struct world *w = *state;
    struct x509_cert cert;
    struct x509_hash key;
    struct err err = {0};
    assert_int_equal(x509_cert_read(buf_text(&w->cert), w->cert.size, &cert, &err), ERR_OK);
    assert_string_equal(cert.station, "S0117");
    assert_string_equal(cert.name, "Tuquan east");
    assert_true(cert.from_ms == NOW && cert.until_ms == NOW + 365 * DAY);
    assert_int_equal(strlen(cert.serial), X509_SERIAL_DIGITS);
    x509_key_hash(buf_text(&w->key), &key, NULL);
    assert_memory_equal(cert.key.bytes, key.bytes, sizeof key.bytes);
    assert_int_equal(x509_cert_check(buf_text(&w->cert), x509_ca_pem(w->ca), buf_text(&w->key),
                                     x509_ca_pin(w->ca), &err),
                     ERR_OK);
}

static void what_does_not_fit_is_denied(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct x509_ca *other = new_ca("Tuquan"); /* of the same name */
    struct buf key = new_buf();
    x509_key_new(&key, NULL);
    const char *cert = buf_text(&w->cert), *own = buf_text(&w->key);
    assert_int_equal(x509_cert_check(cert, x509_ca_pem(other), own, x509_ca_pin(w->ca), &err),
                     ERR_DENIED);
    assert_non_null(strstr(err.text, "pinned"));
    assert_int_equal(x509_cert_check(cert, x509_ca_pem(other), own, x509_ca_pin(other), &err),
                     ERR_DENIED);
    assert_int_equal(
        x509_cert_check(cert, x509_ca_pem(w->ca), buf_text(&key), x509_ca_pin(w->ca), &err),
        ERR_DENIED);
    assert_non_null(strstr(err.text, "another key"));
    buf_free(&key);
    x509_ca_close(other);
}

static size_t der_of(const struct buf *pem, unsigned char **ret)
{
    BIO *bio = BIO_new_mem_buf(buf_text(pem), -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    *ret = NULL;
    int size = i2d_X509(cert, ret);
    X509_free(cert);
    BIO_free(bio);
    return (size_t)size;
}

static void only_a_stations_certificate_of_ours_is_issued_by_us(void **state)
{
    struct world *w = *state;
    static const char *const hosts[] = {"county.example", "192.0.2.1", "::1"};
    struct x509_ca *other = new_ca("Tuquan");
    struct buf key = new_buf(), server = new_buf();
    unsigned char *der;
    size_t size = der_of(&w->cert, &der);
    assert_true(x509_ca_issued(w->ca, der, size));
    assert_false(x509_ca_issued(other, der, size));
    assert_false(x509_ca_issued(w->ca, der, size / 2));
    der[size - 10] ^= 1;
    assert_false(x509_ca_issued(w->ca, der, size));
    OPENSSL_free(der);
    assert_int_equal(x509_ca_issue_server(w->ca, hosts, 3, NOW, NOW + DAY, &key, &server, NULL),
                     ERR_OK);
    assert_non_null(strstr(buf_text(&server), x509_ca_pem(w->ca)));
    size = der_of(&server, &der);
    assert_false(x509_ca_issued(w->ca, der, size));
    OPENSSL_free(der);
    buf_free(&key);
    buf_free(&server);
    x509_ca_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(a_slip_is_read_as_people_write),
        TEST(both_ends_see_the_same_digits),
        TEST(requests_are_refused),
        TEST(a_certificate_says_whose_it_is),
        TEST(what_does_not_fit_is_denied),
        TEST(only_a_stations_certificate_of_ours_is_issued_by_us),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
