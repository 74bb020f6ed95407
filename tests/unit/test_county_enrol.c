/* A station gets its certificate, proves itself with it, renews it, and loses it: requests as the
 * server sees them, without the network. */
#include "tests/unit/county_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ERR_STATE OPENSSL_ERR_STATE /* a type of theirs and a code of ours */
#include <openssl/pem.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include "sync/county/api.h"
#include "sync/county/auth.h"
#include "sync/county/enrol.h"
#include "sync/county/revoked.h"
#include "tests/lib/exchanges.h"

#define DAY INT64_C(86400000)
#define ADDRESS "192.0.2.7"

struct world {
    struct county_fixture *f;
    struct x509_ca *ca;
    struct api api;
    const char *address;
    char revoked[300]; /* the path of that file */
    int status, retry_after_s;
    struct json *reply;
};

/* A station with its key, its request and, once it has it, its certificate. */
struct box {
    struct buf key, csr;
    char cert[LIMIT_X509_PEM_BYTES];
    unsigned char *der; /* owned; of the certificate */
    size_t der_size;
};

static struct x509_ca *new_ca(int64_t now_ms)
{
    struct buf key, cert;
    struct x509_ca *ca = NULL;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    assert_int_equal(x509_ca_new("Tuquan", now_ms, now_ms + 10000 * DAY, &key, &cert, NULL), 0);
    assert_int_equal(x509_ca_open(buf_text(&key), buf_text(&cert), &ca, NULL), 0);
    buf_free(&key);
    buf_free(&cert);
    return ca;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    county_setup((void **)&w->f);
    w->ca = new_ca(w->f->cells.wall_ms);
    w->address = ADDRESS;
    w->api = (struct api){.clock = &w->f->clock, .meter = meter_new(), .ca = w->ca};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    x509_ca_close(w->ca);
    meter_free(w->api.meter);
    json_free(w->reply);
    void *f = w->f;
    free(w);
    return county_teardown(&f);
}

static void box_init(struct box *box, const char *station)
{
    *box = (struct box){0};
    buf_init(&box->key, LIMIT_X509_PEM_BYTES);
    buf_init(&box->csr, LIMIT_X509_PEM_BYTES);
    assert_int_equal(x509_key_new(&box->key, NULL), ERR_OK);
    assert_int_equal(x509_request_new(buf_text(&box->key), station, &box->csr, NULL), ERR_OK);
}

static void box_fini(struct box *box)
{
    buf_free(&box->key);
    buf_free(&box->csr);
    OPENSSL_free(box->der);
}

static void call(struct world *w, const char *path, const struct box *holder, const char *token,
                 const char *body)
{
    struct http_request request = {.method = "POST",
                                   .path = path,
                                   .body = body,
                                   .size = strlen(body),
                                   .authorization = token,
                                   .cert = holder != NULL ? holder->der : NULL,
                                   .cert_size = holder != NULL ? holder->der_size : 0};
    struct http_answer answer = {0};
    struct err err = {0};
    snprintf(request.address, sizeof request.address, "%s", w->address);
    buf_init(&answer.body, LIMIT_ANSWER_BYTES);
    if (api_admit(&w->api, w->f->store, &request, &answer))
        api_handle(&w->api, w->f->store, &request, &answer);
    json_free(w->reply);
    w->reply = NULL;
    w->status = answer.status;
    w->retry_after_s = answer.retry_after_s;
    if (json_parse(buf_text(&answer.body), answer.body.size, &w->reply, &err) != ERR_OK)
        fail_msg("%s in %s", err.text, buf_text(&answer.body));
    exchanges_record(&(struct exchange){.path = path,
                                        .method = "post",
                                        .status = answer.status,
                                        .request = body,
                                        .request_size = strlen(body),
                                        .reply = buf_text(&answer.body),
                                        .reply_size = answer.body.size});
    buf_free(&answer.body);
}

static void take_cert(struct world *w, struct box *box)
{
    const char *pem = json_text(w->reply, "cert", "");
    snprintf(box->cert, sizeof box->cert, "%s", pem);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(cert);
    OPENSSL_free(box->der);
    box->der = NULL;
    box->der_size = (size_t)i2d_X509(cert, &box->der);
    X509_free(cert);
    BIO_free(bio);
}

static int ask(struct world *w, const char *path, const struct box *holder, struct box *box,
               const char *station, const char *code, const char *serial)
{
    struct json *body = json_new_object();
    struct buf text;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    json_set_int(body, "p", 1);
    json_set_text(body, "station", station);
    json_set_text(body, "csr", buf_text(&box->csr));
    if (code != NULL)
        json_set_text(body, "code", code);
    if (serial != NULL)
        json_set_text(body, "serial", serial);
    json_write(body, &text);
    json_free(body);
    call(w, path, holder, NULL, buf_text(&text));
    buf_free(&text);
    if (w->status == 200)
        take_cert(w, box);
    return w->status;
}

static int enrol(struct world *w, struct box *box, const char *station, const char *code)
{
    return ask(w, "/v1/enroll", NULL, box, station, code, NULL);
}

/* Asks for news as the holder. */
static int sync_as(struct world *w, const struct box *holder)
{
    call(w, "/v1/sync", holder, NULL,
         "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":0,\"tok\":\"\",\"acked\":0,\"fp\":\"\","
         "\"push\":[],\"pull\":{\"*\":[\"\",0]},\"max\":4096}");
    return w->status;
}

static void new_code(struct world *w, const char *name, char ret[SLIP_CODE_TEXT + 1])
{
    char hash[SEAL_HASH_DIGITS + 1];
    struct err err = {0};
    enrol_new_code(&w->f->rnd, ret, hash);
    if (store_enrol_code(w->f->store, name, name, hash, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void says(const struct world *w, const char *what)
{
    const char *error = json_text(w->reply, "error", "");
    if (strstr(error, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error, what);
}

/* --- what is refused --- */

static void what_is_no_request_is_refused(void **state)
{
    struct world *w = *state;
    struct box box;
    char code[SLIP_CODE_TEXT + 1], big[LIMIT_X509_REQUEST_BYTES + 2];
    new_code(w, "S0117", code);
    call(w, "/v1/enroll", NULL, NULL, "");
    assert_int_equal(w->status, 400);
    call(w, "/v1/enroll", NULL, NULL, "[1]");
    assert_int_equal(w->status, 400);
    call(w, "/v1/enroll", NULL, NULL, "{\"p\":1,\"station\":\"S0117\",\"csr\":\"x\"}");
    assert_int_equal(w->status, 400);
    says(w, "csr");
    call(w, "/v1/enroll", NULL, NULL, "{\"p\":1,\"station\":\"*\",\"csr\":\"x\"}");
    assert_int_equal(w->status, 400);
    box_init(&box, "S0118");
    assert_int_equal(enrol(w, &box, "S0117", code), 400);
    says(w, "another station");
    memset(big, 'A', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    buf_clear(&box.csr);
    buf_add_text(&box.csr, big);
    assert_int_equal(enrol(w, &box, "S0117", code), 413);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM certificate"), 0);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM enrol_wait"), 0);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM enrol_code WHERE used_at IS NULL"), 1);
    box_fini(&box);
}

static void a_county_without_an_authority_does_not_enrol(void **state)
{
    struct world *w = *state;
    struct box box;
    box_init(&box, "S0117");
    w->api.ca = NULL;
    assert_int_equal(enrol(w, &box, "S0117", NULL), 404);
    box_fini(&box);
}

/* --- a code --- */

static void a_code_is_good_for_one_key(void **state)
{
    struct world *w = *state;
    struct box box, thief;
    char code[SLIP_CODE_TEXT + 1], first[LIMIT_X509_PEM_BYTES];
    new_code(w, "S0117", code);
    box_init(&box, "S0117");
    box_init(&thief, "S0117");
    assert_int_equal(enrol(w, &box, "S0117", code), 200);
    assert_int_equal(sync_as(w, &box), 200);
    snprintf(first, sizeof first, "%s", box.cert);
    assert_int_equal(enrol(w, &box, "S0117", code), 200); /* the reply was lost */
    assert_string_equal(first, box.cert);
    assert_int_equal(enrol(w, &box, "S0117", NULL), 200);
    assert_string_equal(first, box.cert);
    assert_int_equal(enrol(w, &thief, "S0117", code), 403);
    says(w, "used");
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM certificate"), 1);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM audit WHERE what='certificate.issue'"),
                     1);
    box_fini(&box);
    box_fini(&thief);
}

static void a_code_is_for_its_station_and_for_a_week(void **state)
{
    struct world *w = *state;
    struct box box, other;
    char code[SLIP_CODE_TEXT + 1], old[SLIP_CODE_TEXT + 1];
    new_code(w, "S0118", code);
    box_init(&box, "S0117");
    box_init(&other, "S0118");
    assert_int_equal(enrol(w, &box, "S0117", code), 403);
    says(w, "another station");
    assert_int_equal(enrol(w, &other, "S0118", code), 200); /* it was not used up by that */
    new_code(w, "S0117", old);
    w->f->cells.wall_ms += 7 * DAY + 1000;
    assert_int_equal(enrol(w, &box, "S0117", old), 403);
    says(w, "expired");
    box_fini(&box);
    box_fini(&other);
}

static void wrong_codes_lock_their_address(void **state)
{
    struct world *w = *state;
    struct box box, nobody;
    char code[SLIP_CODE_TEXT + 1];
    new_code(w, "S0117", code);
    box_init(&box, "S0117");
    box_init(&nobody, "S0999");
    for (int i = 0; i < LIMIT_WRONG_CODES; i++)
        assert_int_equal(enrol(w, &nobody, "S0999", i % 2 ? "0000-0000-0000-0000" : "what?"), 403);
    assert_int_equal(enrol(w, &box, "S0117", code), 503);
    assert_in_range(w->retry_after_s, 1, WRONG_CODE_WINDOW_MS / 1000 + 1);
    county_reopen(w->f); /* it is not forgotten */
    assert_int_equal(enrol(w, &box, "S0117", code), 503);
    w->address = "192.0.2.8"; /* nobody else waits for it */
    assert_int_equal(enrol(w, &box, "S0117", NULL), 202);
    w->address = ADDRESS;
    w->f->cells.wall_ms += WRONG_CODE_WINDOW_MS;
    assert_int_equal(enrol(w, &box, "S0117", code), 200);
    box_fini(&box);
    box_fini(&nobody);
}

static void wrong_codes_from_many_addresses_lock_their_station(void **state)
{
    struct world *w = *state;
    struct box box, other;
    char code[SLIP_CODE_TEXT + 1], address[32];
    new_code(w, "S0117", code);
    box_init(&box, "S0117");
    box_init(&other, "S0118");
    for (int i = 0; i < LIMIT_WRONG_CODES; i++) {
        snprintf(address, sizeof address, "198.51.100.%d", i);
        w->address = address;
        assert_int_equal(enrol(w, &box, "S0117", "0000-0000-0000-0000"), 403);
    }
    w->address = ADDRESS;
    assert_int_equal(enrol(w, &box, "S0117", code), 503);
    assert_int_equal(enrol(w, &box, "S0117", NULL), 202); /* a person may approve it still */
    new_code(w, "S0118", code);
    assert_int_equal(enrol(w, &other, "S0118", code), 200);
    box_fini(&box);
    box_fini(&other);
}

/* --- a serial number, a person --- */

static void a_serial_approved_beforehand_is_good_once(void **state)
{
    struct world *w = *state;
    struct box box, other;
    box_init(&box, "S0117");
    box_init(&other, "S0117");
    assert_int_equal(ask(w, "/v1/enroll", NULL, &box, "S0117", NULL, "PF123"), 202); /* waits */
    assert_int_equal(store_enrol_serial(w->f->store, "S0117", "S0117", "PF123", NULL), ERR_OK);
    assert_int_equal(ask(w, "/v1/enroll", NULL, &other, "S0117", NULL, "PF124"), 202);
    assert_int_equal(ask(w, "/v1/enroll", NULL, &box, "S0117", NULL, "PF123"), 200);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM enrol_wait"), 1);
    assert_int_equal(sync_as(w, &box), 200);
    assert_int_equal(ask(w, "/v1/enroll", NULL, &other, "S0117", NULL, "PF123"), 202); /* used */
    box_fini(&box);
    box_fini(&other);
}

static void a_person_approves_by_the_same_digits(void **state)
{
    struct world *w = *state;
    struct box box, other;
    struct x509_hash key;
    struct err err = {0};
    char digits[SLIP_DIGITS + 1];
    box_init(&box, "S0117");
    box_init(&other, "S0117");
    assert_int_equal(enrol(w, &box, "S0117", NULL), 202);
    assert_in_range(w->retry_after_s, ENROL_RETRY_S, 2 * ENROL_RETRY_S);
    w->f->cells.wall_ms++;
    assert_int_equal(enrol(w, &other, "S0117", NULL), 202);
    x509_key_hash(buf_text(&box.key), &key, NULL); /* what the station shows */
    x509_digits(&key, x509_ca_pin(w->ca), digits);
    assert_string_equal(
        county_text(w->f, "SELECT digits FROM enrol_wait ORDER BY asked_at LIMIT 1"), digits);
    assert_int_equal(store_enrol_decide(w->f->store, "S0117", "000000", true, NULL, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(store_enrol_decide(w->f->store, "S0117", digits, true, "Tuquan-east", &err),
                     ERR_OK);
    assert_int_equal(enrol(w, &other, "S0117", NULL), 202);
    assert_int_equal(enrol(w, &box, "S0117", NULL), 200);
    assert_string_equal(json_text(w->reply, "name", ""), "Tuquan-east");
    assert_int_equal(sync_as(w, &box), 200);
    x509_key_hash(buf_text(&other.key), &key, NULL);
    x509_digits(&key, x509_ca_pin(w->ca), digits);
    assert_int_equal(store_enrol_decide(w->f->store, "S0117", digits, false, NULL, &err), ERR_OK);
    assert_int_equal(enrol(w, &other, "S0117", NULL), 403);
    says(w, "rejected");
    box_fini(&box);
    box_fini(&other);
}

static void only_so_many_wait(void **state)
{
    struct world *w = *state;
    struct box box;
    for (int i = 0; i < LIMIT_ENROL_WAITING_STATION; i++) {
        box_init(&box, "S0117");
        assert_int_equal(enrol(w, &box, "S0117", NULL), 202);
        assert_int_equal(enrol(w, &box, "S0117", NULL), 202); /* the same one */
        box_fini(&box);
    }
    box_init(&box, "S0117");
    assert_int_equal(enrol(w, &box, "S0117", NULL), 503);
    const char *digits = county_text(w->f, "SELECT digits FROM enrol_wait LIMIT 1");
    assert_int_equal(store_enrol_decide(w->f->store, "S0117", digits, false, NULL, NULL), ERR_OK);
    assert_int_equal(enrol(w, &box, "S0117", NULL), 202); /* a rejected one takes no place */
    box_fini(&box);
    box_init(&box, "S0117");
    assert_int_equal(enrol(w, &box, "S0117", NULL), 503);
    w->f->cells.wall_ms += (ENROL_WAIT_DAYS + 1) * DAY; /* they were forgotten */
    w->f->cells.mono_ms += (ENROL_WAIT_DAYS + 1) * DAY;
    assert_int_equal(enrol(w, &box, "S0117", NULL), 202);
    box_fini(&box);
}

/* --- renewing --- */

static void get_one(struct world *w, struct box *box)
{
    char code[SLIP_CODE_TEXT + 1];
    new_code(w, "S0117", code);
    box_init(box, "S0117");
    assert_int_equal(enrol(w, box, "S0117", code), 200);
}

static int renew(struct world *w, const struct box *holder, struct box *box)
{
    return ask(w, "/v1/renew", holder, box, "S0117", NULL, NULL);
}

static void a_certificate_renews_itself(void **state)
{
    struct world *w = *state;
    struct box box, next, wrong;
    get_one(w, &box);
    box_init(&next, "S0117");
    box_init(&wrong, "S0118");
    assert_int_equal(renew(w, NULL, &next), 401);
    assert_int_equal(renew(w, &box, &wrong), 400);
    assert_int_equal(ask(w, "/v1/renew", &box, &wrong, "S0118", NULL, NULL), 401);
    w->f->cells.wall_ms += 183 * DAY;
    assert_int_equal(renew(w, &box, &next), 200);
    assert_true(json_int(w->reply, "until", 0) == w->f->cells.wall_ms + ENROL_CERT_DAYS * DAY);
    assert_int_equal(sync_as(w, &next), 200);
    assert_int_equal(sync_as(w, &box), 200); /* the reply may be lost: the old one goes on */
    char first[LIMIT_X509_PEM_BYTES];
    snprintf(first, sizeof first, "%s", next.cert);
    assert_int_equal(renew(w, &box, &next), 200);
    assert_string_equal(first, next.cert);
    box_fini(&box);
    box_fini(&next);
    box_fini(&wrong);
}

static void an_expired_certificate_only_renews(void **state)
{
    struct world *w = *state;
    struct box box, next;
    get_one(w, &box);
    box_init(&next, "S0117");
    w->f->cells.wall_ms += ENROL_CERT_DAYS * DAY + 30 * DAY; /* thirteen months off */
    assert_int_equal(sync_as(w, &box), 401);
    says(w, "renew");
    assert_int_equal(json_int(w->reply, "renew", 0), 1);
    call(w, "/v1/digest", &box, NULL, "{}");
    assert_int_equal(w->status, 401);
    assert_int_equal(renew(w, &box, &next), 200);
    assert_int_equal(sync_as(w, &next), 200);
    assert_int_equal(sync_as(w, &box), 401);
    box_fini(&box);
    box_fini(&next);
}

static void renewals_have_a_limit(void **state)
{
    struct world *w = *state;
    struct box box;
    get_one(w, &box);
    for (int i = 1; i <= LIMIT_ENROL_CERTS_A_DAY; i++) {
        struct box next;
        box_init(&next, "S0117");
        assert_int_equal(renew(w, &box, &next), i < LIMIT_ENROL_CERTS_A_DAY ? 200 : 503);
        box_fini(&next);
    }
    box_fini(&box);
}

/* --- revoking --- */

static void what_is_revoked_opens_nothing_from_the_next_request_on(void **state)
{
    struct world *w = *state;
    struct box box, next;
    struct x509_cert cert;
    get_one(w, &box);
    box_init(&next, "S0117");
    assert_int_equal(renew(w, &box, &next), 200);
    assert_int_equal(x509_cert_read(box.cert, strlen(box.cert), &cert, NULL), ERR_OK);
    assert_int_equal(store_cert_revoke(w->f->store, cert.serial, NULL), ERR_OK);
    assert_int_equal(store_cert_revoke(w->f->store, cert.serial, NULL), ERR_NOT_FOUND);
    assert_int_equal(sync_as(w, &box), 401);
    says(w, "revoked");
    assert_int_equal(sync_as(w, &next), 200);
    assert_int_equal(w->f->store->ops->station_revoke(w->f->store, "S0117", NULL), ERR_OK);
    assert_int_equal(sync_as(w, &next), 401);
    says(w, "revoked");
    assert_int_equal(renew(w, &next, &next), 401);
    assert_int_equal(enrol(w, &next, "S0117", NULL), 403);
    box_fini(&box);
    box_fini(&next);
}

static void a_station_that_comes_back_needs_a_new_key(void **state)
{
    struct world *w = *state;
    struct box old, new;
    char code[SLIP_CODE_TEXT + 1];
    get_one(w, &old);
    assert_int_equal(w->f->store->ops->station_revoke(w->f->store, "S0117", NULL), ERR_OK);
    new_code(w, "S0117", code);
    assert_int_equal(sync_as(w, &old), 401);
    assert_int_equal(enrol(w, &old, "S0117", code), 403);
    box_init(&new, "S0117");
    assert_int_equal(enrol(w, &new, "S0117", code), 200);
    assert_int_equal(sync_as(w, &new), 200);
    box_fini(&old);
    box_fini(&new);
}

static void a_code_of_a_revoked_station_is_none(void **state)
{
    struct world *w = *state;
    struct box box;
    char code[SLIP_CODE_TEXT + 1];
    new_code(w, "S0117", code);
    assert_int_equal(w->f->store->ops->station_revoke(w->f->store, "S0117", NULL), ERR_OK);
    box_init(&box, "S0117");
    assert_int_equal(enrol(w, &box, "S0117", code), 403);
    box_fini(&box);
}

/* --- a county that came back from a backup, and others' certificates --- */

static void a_restored_county_takes_up_what_it_signed(void **state)
{
    struct world *w = *state;
    struct box box, late;
    get_one(w, &box);
    county_exec(w->f, "DELETE FROM certificate"); /* as before it was issued */
    assert_int_equal(sync_as(w, &box), 200);
    assert_int_equal(county_int(w->f, "SELECT count(*) FROM audit WHERE what='certificate.adopt'"),
                     1);
    assert_int_equal(w->f->store->ops->station_revoke(w->f->store, "S0117", NULL), ERR_OK);
    assert_int_equal(sync_as(w, &box), 401);
    get_one(w, &late);
    county_exec(w->f, "DELETE FROM certificate");
    county_exec(w->f, "DELETE FROM station WHERE name='S0117'");
    assert_int_equal(sync_as(w, &late), 401);
    says(w, "not known");
    box_fini(&box);
    box_fini(&late);
}

/* As a server does when it starts. */
static void keep_revoked(struct world *w)
{
    struct err err = {0};
    snprintf(w->revoked, sizeof w->revoked, "%s/revoked", w->f->folder);
    w->api.revoked_path = w->revoked;
    w->f->cells.wall_ms += 1000;
    if (revoked_keep(w->revoked, w->f->store, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void enrol_once_more(struct world *w, struct box *box)
{
    char code[SLIP_CODE_TEXT + 1];
    w->f->cells.wall_ms += 1000;
    new_code(w, "S0117", code);
    box_init(box, "S0117");
    assert_int_equal(enrol(w, box, "S0117", code), 200);
}

static void what_was_revoked_stays_so_in_a_restored_county(void **state)
{
    struct world *w = *state;
    struct box old, late, again, thief;
    char unused[SLIP_CODE_TEXT + 1];
    get_one(w, &old);
    new_code(w, "S0117", unused);
    keep_revoked(w);
    county_keep(w->f);
    enrol_once_more(w, &late); /* the backup does not know this one */
    w->f->cells.wall_ms += 1000;
    assert_int_equal(w->f->store->ops->station_revoke(w->f->store, "S0117", NULL), ERR_OK);
    keep_revoked(w);
    enrol_once_more(w, &again); /* nor that the station was added again */
    keep_revoked(w);
    county_restore(w->f);
    assert_int_equal(sync_as(w, &old), 200); /* what would be without the file */
    keep_revoked(w);
    assert_int_equal(sync_as(w, &old), 401);
    says(w, "revoked");
    assert_int_equal(sync_as(w, &late), 401);
    box_init(&thief, "S0117");
    assert_int_equal(enrol(w, &thief, "S0117", unused), 403);
    assert_int_equal(sync_as(w, &again), 200);
    keep_revoked(w);
    assert_int_equal(sync_as(w, &again), 200);
    assert_int_equal(sync_as(w, &old), 401);
    assert_int_equal(sync_as(w, &late), 401);
    box_fini(&old);
    box_fini(&late);
    box_fini(&again);
    box_fini(&thief);
}

static void approve_serial(struct world *w, const char *serial)
{
    w->f->cells.wall_ms += 1000;
    assert_int_equal(store_enrol_serial(w->f->store, "S0117", "S0117", serial, NULL), ERR_OK);
}

static void what_is_used_up_stays_so_in_a_restored_county(void **state)
{
    static const char SERIAL[] = "机 3A/1";
    struct world *w = *state;
    struct box boxes[4];
    char code[SLIP_CODE_TEXT + 1], unused[SLIP_CODE_TEXT + 1];
    for (int i = 0; i < 4; i++)
        box_init(&boxes[i], "S0117");
    keep_revoked(w);
    new_code(w, "S0117", code);
    new_code(w, "S0117", unused);
    approve_serial(w, SERIAL);
    county_keep(w->f);
    assert_int_equal(enrol(w, &boxes[0], "S0117", code), 200);
    assert_int_equal(ask(w, "/v1/enroll", NULL, &boxes[1], "S0117", NULL, SERIAL), 200);
    county_restore(w->f);
    assert_int_equal(
        county_int(w->f, "SELECT count(*) FROM enrol_code WHERE used_at IS NULL") +
            county_int(w->f, "SELECT count(*) FROM enrol_serial WHERE used_at IS NULL"),
        3); /* what would be without the file */
    keep_revoked(w);
    assert_int_equal(enrol(w, &boxes[2], "S0117", code), 403);
    says(w, "used");
    assert_int_equal(ask(w, "/v1/enroll", NULL, &boxes[3], "S0117", NULL, SERIAL), 202);
    assert_int_equal(sync_as(w, &boxes[0]), 200);
    assert_int_equal(sync_as(w, &boxes[1]), 200);
    assert_int_equal(enrol(w, &boxes[2], "S0117", unused), 200);
    approve_serial(w, SERIAL); /* once more, by a person */
    keep_revoked(w);
    assert_int_equal(ask(w, "/v1/enroll", NULL, &boxes[3], "S0117", NULL, SERIAL), 200);
    for (int i = 0; i < 4; i++)
        box_fini(&boxes[i]);
}

static void anothers_certificate_is_nobodys(void **state)
{
    struct world *w = *state;
    struct x509_ca *other = new_ca(w->f->cells.wall_ms); /* of the same name */
    struct box box;
    struct buf pem;
    get_one(w, &box);
    buf_init(&pem, LIMIT_X509_PEM_BYTES);
    x509_ca_issue_station(other, buf_text(&box.csr), "S0117", "S0117", w->f->cells.wall_ms,
                          w->f->cells.wall_ms + DAY, &pem, NULL);
    json_free(w->reply);
    w->reply = json_new_object();
    json_set_text(w->reply, "cert", buf_text(&pem));
    take_cert(w, &box);
    assert_int_equal(sync_as(w, &box), 401);
    box.der_size /= 2;
    assert_int_equal(sync_as(w, &box), 401);
    buf_free(&pem);
    box_fini(&box);
    x509_ca_close(other);
}

static void a_token_is_the_second_way_unless_certificates_are_required(void **state)
{
    struct world *w = *state;
    char token[AUTH_TOKEN_DIGITS + 1], header[AUTH_TOKEN_DIGITS + 16];
    static const char BODY[] = "{\"p\":1,\"sv\":1,\"station\":\"S0119\",\"inc\":0,\"tok\":\"\","
                               "\"acked\":0,\"fp\":\"\",\"push\":[],\"pull\":{},\"max\":4096}";
    struct box box;
    get_one(w, &box);
    assert_int_equal(auth_add_station(w->f->store, &w->f->rnd, "S0119", "S0119", token, NULL),
                     ERR_OK);
    snprintf(header, sizeof header, "Bearer %s", token);
    call(w, "/v1/sync", NULL, header, BODY);
    assert_int_equal(w->status, 200);
    assert_int_equal(auth_add_station(w->f->store, &w->f->rnd, "S0117", "S0199", token, NULL),
                     ERR_STATE);
    assert_int_equal(auth_add_station(w->f->store, &w->f->rnd, "S0117", "S0117", token, NULL),
                     ERR_OK);
    assert_int_equal(sync_as(w, &box), 200); /* it has both now */
    assert_int_equal(auth_add_station(w->f->store, &w->f->rnd, "S0117", "S0117", token, NULL),
                     ERR_STATE);
    w->api.require_cert = true;
    call(w, "/v1/sync", NULL, header, BODY);
    assert_int_equal(w->status, 401);
    assert_int_equal(sync_as(w, &box), 200);
    call(w, "/v1/renew", NULL, header, BODY);
    assert_int_equal(w->status, 401);
    w->api.require_cert = false;
    call(w, "/v1/renew", NULL, header, BODY);
    assert_int_equal(w->status, 403); /* a token is not renewed into a certificate */
    box_fini(&box);
}

/* --- sent away for a while --- */

static int say_hello(struct world *w, const char *name, char header[AUTH_TOKEN_DIGITS + 16])
{
    char token[AUTH_TOKEN_DIGITS + 1], body[200];
    if (header[0] == '\0') {
        assert_int_equal(auth_add_station(w->f->store, &w->f->rnd, name, name, token, NULL),
                         ERR_OK);
        snprintf(header, AUTH_TOKEN_DIGITS + 16, "Bearer %s", token);
    }
    snprintf(body, sizeof body,
             "{\"p\":1,\"sv\":1,\"station\":\"%s\",\"inc\":0,\"tok\":\"\",\"acked\":0,\"fp\":\"\","
             "\"push\":[],\"pull\":{},\"max\":4096}",
             name);
    call(w, "/v1/sync", NULL, header, body);
    return w->status;
}

static void who_is_over_its_quota_waits_alone_and_comes_back_apart(void **state)
{
    struct world *w = *state;
    static const char *const NAMES[] = {"S0201", "S0202", "S0203", "S0204"};
    char headers[4][AUTH_TOKEN_DIGITS + 16] = {"", "", "", ""};
    int after[4], different = 0;
    int64_t now_ms = clock_mono_ms(w->api.clock);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(say_hello(w, NAMES[i], headers[i]), 200);
        for (int n = 0; n < LIMIT_QUOTA_REQUESTS; n++)
            meter_admit(w->api.meter, NAMES[i], now_ms);
        assert_int_equal(say_hello(w, NAMES[i], headers[i]), 503);
        says(w, "quota");
        after[i] = w->retry_after_s;
        assert_in_range(after[i], 1, QUOTA_WINDOW_MS / 1000 + 21);
        assert_int_equal(say_hello(w, NAMES[i], headers[i]), 503);
        assert_int_equal(w->retry_after_s, after[i]); /* by its name, not by chance */
        different += i > 0 && after[i] != after[0];
    }
    assert_true(different > 0);
    char other[AUTH_TOKEN_DIGITS + 16] = "";
    assert_int_equal(say_hello(w, "S0205", other), 200);
    w->f->cells.mono_ms += QUOTA_WINDOW_MS;
    assert_int_equal(say_hello(w, NAMES[0], headers[0]), 200);
}

static int be_busy(struct store *store, const struct store_station *station, const char *body,
                   size_t size, struct store_answer *answer, struct err *err)
{
    (void)store, (void)station, (void)body, (void)size, (void)answer;
    return err_set(err, ERR_BUSY, "somebody else writes");
}

static void a_busy_county_says_when_to_come_back(void **state)
{
    struct world *w = *state;
    struct store *store = w->f->store;
    const struct store_ops *real = store->ops;
    struct store_ops busy = *real;
    char one[AUTH_TOKEN_DIGITS + 16] = "", two[AUTH_TOKEN_DIGITS + 16] = "";
    assert_int_equal(say_hello(w, "S0201", one), 200);
    assert_int_equal(say_hello(w, "S0202", two), 200);
    busy.sync = be_busy;
    store->ops = &busy;
    assert_int_equal(say_hello(w, "S0201", one), 503);
    says(w, "busy");
    int after = w->retry_after_s;
    assert_in_range(after, 5, 25);
    assert_int_equal(say_hello(w, "S0202", two), 503);
    assert_in_range(w->retry_after_s, 5, 25);
    assert_int_not_equal(w->retry_after_s, after);
    store->ops = real;
    assert_int_equal(say_hello(w, "S0201", one), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(what_is_no_request_is_refused),
        TEST(a_county_without_an_authority_does_not_enrol),
        TEST(a_code_is_good_for_one_key),
        TEST(a_code_is_for_its_station_and_for_a_week),
        TEST(wrong_codes_lock_their_address),
        TEST(wrong_codes_from_many_addresses_lock_their_station),
        TEST(a_serial_approved_beforehand_is_good_once),
        TEST(a_person_approves_by_the_same_digits),
        TEST(only_so_many_wait),
        TEST(a_certificate_renews_itself),
        TEST(an_expired_certificate_only_renews),
        TEST(renewals_have_a_limit),
        TEST(what_is_revoked_opens_nothing_from_the_next_request_on),
        TEST(a_station_that_comes_back_needs_a_new_key),
        TEST(a_code_of_a_revoked_station_is_none),
        TEST(a_restored_county_takes_up_what_it_signed),
        TEST(what_was_revoked_stays_so_in_a_restored_county),
        TEST(what_is_used_up_stays_so_in_a_restored_county),
        TEST(anothers_certificate_is_nobodys),
        TEST(a_token_is_the_second_way_unless_certificates_are_required),
        TEST(who_is_over_its_quota_waits_alone_and_comes_back_apart),
        TEST(a_busy_county_says_when_to_come_back),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
