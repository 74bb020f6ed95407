/* The station's key and certificate: what is asked when, what of an answer is believed, and what a
 * power cut leaves. The county is an authority in this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "sync/identity.h"
#include "tests/lib/folder.h"

#define NOW INT64_C(1788796800000)
#define DAY INT64_C(86400000)
#define CODE "K7QX-2M4C-9TRA-0DVH"

struct world {
    char folder[64], file[96], next_file[112], pin[SLIP_PIN_TEXT + 1];
    struct x509_ca *ca;
    struct identity identity;
    int64_t mono_ms;
    const char *path;
    char csr[LIMIT_X509_REQUEST_BYTES], code[32];
};

static struct x509_ca *new_ca(void)
{
    struct buf key, cert;
    struct x509_ca *ca = NULL;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    assert_int_equal(x509_ca_new("Tuquan", NOW, NOW + 10000 * DAY, &key, &cert, NULL), ERR_OK);
    assert_int_equal(x509_ca_open(buf_text(&key), buf_text(&cert), &ca, NULL), ERR_OK);
    buf_free(&key);
    buf_free(&cert);
    return ca;
}

static void start(struct world *w)
{
    struct err err = {0};
    struct identity_options options = {
        .file = w->file, .pin = w->pin, .station = "S0117", .serial = "PF3A1B2C"};
    if (identity_init(&w->identity, &options, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->folder, sizeof w->folder, "/tmp/touyan-identity-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->file, sizeof w->file, "%s/county.pem", w->folder);
    snprintf(w->next_file, sizeof w->next_file, "%s.next", w->file);
    w->ca = new_ca();
    w->mono_ms = 1000;
    slip_print(x509_ca_pin(w->ca)->bytes, SLIP_PIN_BYTES, w->pin);
    start(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    int rc = folder_remove(w->folder);
    x509_ca_close(w->ca);
    free(w);
    return rc;
}

static void ask(struct world *w)
{
    struct buf body;
    struct err err = {0};
    struct json *json = NULL;
    buf_init(&body, LIMIT_X509_PEM_BYTES);
    if (identity_build(&w->identity, &w->path, &body, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(json_parse(buf_text(&body), body.size, &json, NULL), ERR_OK);
    assert_string_equal(json_text(json, "station", ""), "S0117");
    snprintf(w->csr, sizeof w->csr, "%s", json_text(json, "csr", ""));
    snprintf(w->code, sizeof w->code, "%s", json_text(json, "code", ""));
    assert_string_equal(json_text(json, "serial", ""),
                        strcmp(w->path, "/v1/enroll") == 0 ? "PF3A1B2C" : "");
    json_free(json);
    buf_free(&body);
}

static enum identity_outcome answer(struct world *w, int status, const char *body)
{
    return identity_take(&w->identity, status, body, strlen(body), -1, w->mono_ms, "the county");
}

/* A certificate of this authority for the request, for that station. */
static enum identity_outcome give(struct world *w, const struct x509_ca *ca, const char *ca_pem,
                                  const char *station, int64_t from_ms)
{
    struct buf cert, text;
    struct json *body = json_new_object();
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    assert_int_equal(x509_ca_issue_station(ca, w->csr, station, "east", from_ms,
                                           from_ms + 365 * DAY, &cert, NULL),
                     ERR_OK);
    json_set_text(body, "cert", buf_text(&cert));
    json_set_text(body, "ca", ca_pem);
    json_write(body, &text);
    json_free(body);
    enum identity_outcome outcome = answer(w, 200, buf_text(&text));
    buf_free(&cert);
    buf_free(&text);
    return outcome;
}

static void enrol(struct world *w)
{
    ask(w);
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW), IDENTITY_TAKEN);
    assert_int_equal(identity_state(&w->identity), IDENTITY_GOOD);
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static void without_a_pin_it_is_off(void **state)
{
    struct world *w = *state;
    struct identity identity;
    struct err err = {0};
    struct identity_options options = {.file = w->file, .pin = "", .station = "S0117"};
    assert_int_equal(identity_init(&identity, &options, &err), ERR_OK);
    assert_false(identity_wants(&identity, NOW, 0));
    assert_true(identity_is_usable(&identity));
    assert_int_equal(identity_begin(&identity, CODE, &err), ERR_STATE);
    options.pin = "K7QX-2M4C";
    assert_int_equal(identity_init(&identity, &options, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "pin"));
}

/* A station that has a token gets its certificate beside its daily work. */
static void with_a_token_sync_does_not_wait_for_it(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct identity_options options = {
        .file = w->file, .pin = w->pin, .station = "S0117", .serial = "PF3A1B2C", .optional = true};
    assert_false(identity_is_usable(&w->identity));
    assert_int_equal(identity_init(&w->identity, &options, &err), ERR_OK);
    assert_true(identity_is_usable(&w->identity));
    assert_true(identity_wants(&w->identity, 0, w->mono_ms));
    ask(w);
    assert_int_equal(answer(w, 202, "{}"), IDENTITY_LATER);
    assert_false(identity_wants(&w->identity, 0, w->mono_ms));
    w->mono_ms += IDENTITY_PAUSE_MS;
    enrol(w);
    identity_note_expired(&w->identity);
    assert_false(identity_is_usable(&w->identity)); /* it is shown, and it is refused */
}

static void a_lost_reply_is_asked_for_with_the_same_key(void **state)
{
    struct world *w = *state;
    struct x509_request first, second;
    assert_true(identity_wants(&w->identity, 0, 0));
    ask(w);
    assert_string_equal(w->path, "/v1/enroll");
    x509_request_read(w->csr, strlen(w->csr), &first, NULL);
    assert_int_equal(answer(w, 0, ""), IDENTITY_LATER);
    assert_true(identity_wants(&w->identity, 0, w->mono_ms));
    start(w); /* and the power went */
    ask(w);
    x509_request_read(w->csr, strlen(w->csr), &second, NULL);
    assert_memory_equal(first.key.bytes, second.key.bytes, X509_HASH_BYTES);
}

static void a_certificate_is_kept_with_its_key(void **state)
{
    struct world *w = *state;
    struct stat st;
    enrol(w);
    assert_false(exists(w->next_file));
    assert_int_equal(stat(w->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(identity_wants(&w->identity, NOW + DAY, w->mono_ms));
    start(w);
    assert_int_equal(identity_state(&w->identity), IDENTITY_GOOD);
    assert_string_equal(w->identity.cert.station, "S0117");
}

static void only_what_fits_is_believed(void **state)
{
    struct world *w = *state;
    struct x509_ca *other = new_ca();
    const char *own = x509_ca_pem(w->ca);
    ask(w);
    assert_int_equal(answer(w, 200, "{}"), IDENTITY_LATER);
    assert_int_equal(answer(w, 200, "["), IDENTITY_LATER);
    assert_int_equal(give(w, other, x509_ca_pem(other), "S0117", NOW), IDENTITY_LATER);
    assert_int_equal(give(w, other, own, "S0117", NOW), IDENTITY_LATER);
    assert_int_equal(give(w, w->ca, own, "S0118", NOW), IDENTITY_LATER);
    assert_non_null(strstr(w->identity.problem, "another station"));
    struct buf key, csr;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&csr, LIMIT_X509_PEM_BYTES);
    x509_key_new(&key, NULL);
    x509_request_new(buf_text(&key), "S0117", &csr, NULL);
    snprintf(w->csr, sizeof w->csr, "%s", buf_text(&csr)); /* somebody else's key */
    assert_int_equal(give(w, w->ca, own, "S0117", NOW), IDENTITY_LATER);
    buf_free(&key);
    buf_free(&csr);
    assert_false(exists(w->file));
    enrol(w);
    x509_ca_close(other);
}

static void it_is_renewed_by_the_countys_clock(void **state)
{
    struct world *w = *state;
    enrol(w);
    assert_false(identity_wants(&w->identity, 0, w->mono_ms)); /* the county has not spoken */
    assert_false(identity_wants(&w->identity, NOW + 182 * DAY, w->mono_ms));
    assert_true(identity_wants(&w->identity, NOW + 206 * DAY, w->mono_ms));
    ask(w);
    assert_string_equal(w->path, "/v1/renew");
    assert_int_equal(answer(w, 503, "{}"), IDENTITY_LATER);
    assert_true(identity_is_usable(&w->identity)); /* sync goes on meanwhile */
    assert_false(identity_wants(&w->identity, NOW + 206 * DAY, w->mono_ms));
    w->mono_ms += IDENTITY_PAUSE_MS;
    assert_true(identity_wants(&w->identity, NOW + 206 * DAY, w->mono_ms));
    ask(w);
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW + 206 * DAY), IDENTITY_TAKEN);
    assert_false(identity_wants(&w->identity, NOW + 206 * DAY, w->mono_ms));
}

static void an_expired_one_asks_before_all_else(void **state)
{
    struct world *w = *state;
    enrol(w);
    identity_note_expired(&w->identity);
    assert_int_equal(identity_state(&w->identity), IDENTITY_EXPIRED);
    assert_false(identity_is_usable(&w->identity));
    assert_true(identity_wants(&w->identity, 0, w->mono_ms));
    ask(w);
    assert_string_equal(w->path, "/v1/renew");
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW + 400 * DAY), IDENTITY_TAKEN);
    assert_true(identity_is_usable(&w->identity));
}

/* The pair was replaced, the next key still lies there. */
static void a_power_cut_after_the_switch_changes_nothing(void **state)
{
    struct world *w = *state;
    struct buf next;
    buf_init(&next, LIMIT_X509_PEM_BYTES);
    ask(w);
    assert_int_equal(file_read(w->next_file, &next, NULL), ERR_OK);
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW), IDENTITY_TAKEN);
    assert_int_equal(file_replace(w->next_file, next.bytes, next.size, 0600, NULL), ERR_OK);
    start(w);
    assert_int_equal(identity_state(&w->identity), IDENTITY_GOOD);
    assert_false(exists(w->next_file));
    buf_free(&next);
}

static void damaged_files_do_not_stop_the_station(void **state)
{
    struct world *w = *state;
    enrol(w);
    file_replace(w->file, "-----BEGIN what", 15, 0600, NULL);
    file_replace(w->next_file, "nothing", 7, 0600, NULL);
    start(w);
    assert_int_equal(identity_state(&w->identity), IDENTITY_NONE);
    assert_non_null(strstr(w->identity.problem, w->file));
    assert_false(exists(w->file)); /* nobody is shown what is damaged */
    enrol(w);
    assert_int_equal(chmod(w->file, 0644), 0); /* everybody may have read it */
    start(w);
    assert_int_equal(identity_state(&w->identity), IDENTITY_NONE);
}

static void a_code_goes_with_the_request_until_it_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    char digits[SLIP_DIGITS + 1];
    ask(w);
    assert_int_equal(answer(w, 202, "{}"), IDENTITY_LATER);
    assert_int_equal(identity_state(&w->identity), IDENTITY_WAITING);
    assert_non_null(strstr(w->identity.problem, w->identity.digits));
    memcpy(digits, w->identity.digits, sizeof digits);
    assert_int_equal(identity_begin(&w->identity, "not a code", &err), ERR_INVALID);
    assert_int_equal(identity_begin(&w->identity, "k7qx2m4c9traodvh", &err), ERR_OK);
    assert_string_equal(w->identity.digits, digits);
    start(w); /* the power went */
    ask(w);
    assert_string_equal(w->code, CODE);
    assert_int_equal(answer(w, 503, "{}"), IDENTITY_LATER);
    ask(w);
    assert_string_equal(w->code, CODE);
    assert_int_equal(answer(w, 403, "{}"), IDENTITY_LATER);
    assert_string_equal(w->identity.problem, "the county");
    ask(w);
    assert_string_equal(w->code, "");
    assert_string_equal(w->identity.digits, digits);
}

static void a_wish_in_between_is_asked_at_once(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    ask(w);
    assert_int_equal(identity_begin(&w->identity, CODE, &err), ERR_OK);
    assert_int_equal(answer(w, 202, "{}"), IDENTITY_AGAIN);
    ask(w);
    assert_string_equal(w->code, CODE);
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW), IDENTITY_TAKEN);
}

static void enrolling_again_makes_a_new_key_and_keeps_the_old_pair_until_then(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct x509_request request;
    enrol(w);
    struct x509_hash old = w->identity.cert.key;
    assert_int_equal(identity_begin(&w->identity, CODE, &err), ERR_OK);
    assert_true(identity_wants(&w->identity, 0, w->mono_ms));
    ask(w);
    assert_string_equal(w->path, "/v1/enroll");
    x509_request_read(w->csr, strlen(w->csr), &request, NULL);
    assert_memory_not_equal(request.key.bytes, old.bytes, sizeof old.bytes);
    assert_int_equal(answer(w, 403, "{}"), IDENTITY_LATER);
    assert_int_equal(identity_state(&w->identity), IDENTITY_GOOD);
    assert_false(exists(w->next_file));
    assert_int_equal(identity_begin(&w->identity, NULL, &err), ERR_OK);
    ask(w);
    assert_string_equal(w->path, "/v1/enroll");
    assert_string_equal(w->code, "");
    assert_int_equal(give(w, w->ca, x509_ca_pem(w->ca), "S0117", NOW), IDENTITY_TAKEN);
    assert_memory_not_equal(w->identity.cert.key.bytes, old.bytes, sizeof old.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(without_a_pin_it_is_off),
        TEST(with_a_token_sync_does_not_wait_for_it),
        TEST(a_lost_reply_is_asked_for_with_the_same_key),
        TEST(a_certificate_is_kept_with_its_key),
        TEST(only_what_fits_is_believed),
        TEST(it_is_renewed_by_the_countys_clock),
        TEST(an_expired_one_asks_before_all_else),
        TEST(a_power_cut_after_the_switch_changes_nothing),
        TEST(damaged_files_do_not_stop_the_station),
        TEST(a_code_goes_with_the_request_until_it_is_refused),
        TEST(a_wish_in_between_is_asked_at_once),
        TEST(enrolling_again_makes_a_new_key_and_keeps_the_old_pair_until_then),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
