/* A station that asks for a certificate, and one that proves itself with it; see enrol.h.
 *
 * Happy path: the request and its CSR are read -> the store says what speaks for it (a code, a
 * serial number, a person, the old certificate) -> the authority signs -> the store keeps the
 * certificate and uses up what spoke for it -> the station gets it. Whoever asks again with the
 * same key gets the same certificate.
 *
 * Nothing speaks for it: it waits, and a person compares six digits. A wrong code counts against
 * the address it came from, and the station it was meant for. */
#include "sync/county/enrol.h"

#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/auth.h"
#include "sync/county/revoked.h"
#include "sync/protocol.h"

enum { TRIES = 3 };

static const int64_t DAY_MS = 86400000;

/* What a request says, checked. */
struct asked {
    struct store_enrol enrol;
    struct x509_request csr;
    const char *csr_pem;
    bool wrong_code; /* it cannot be one */
    char code_hash[SEAL_HASH_DIGITS + 1];
    char digits[SLIP_DIGITS + 1];
};

/* --- codes --- */

static void hash_code(const uint8_t code[SLIP_CODE_BYTES], char ret[SEAL_HASH_DIGITS + 1])
{
    char text[SLIP_CODE_TEXT + 1];
    slip_print(code, SLIP_CODE_BYTES, text);
    seal_hash(text, strlen(text), ret);
}

void enrol_new_code(struct rnd *rnd, char ret[SLIP_CODE_TEXT + 1],
                    char ret_hash[SEAL_HASH_DIGITS + 1])
{
    uint8_t code[SLIP_CODE_BYTES];
    rnd_fill(rnd, code, sizeof code);
    slip_print(code, sizeof code, ret);
    hash_code(code, ret_hash);
}

/* --- reading --- */

static bool read_serial(const struct json *body, const char **ret)
{
    const char *serial = json_text(body, "serial", "");
    size_t size = strlen(serial);
    *ret = size > 0 ? serial : NULL;
    return size <= LIMIT_ENROL_SERIAL_BYTES && text_utf8_valid(serial, size);
}

static void read_code(const struct json *body, struct asked *ret)
{
    uint8_t code[SLIP_CODE_BYTES];
    const char *text = json_text(body, "code", "");
    if (text[0] == '\0')
        return;
    ret->wrong_code = !slip_read(text, code, sizeof code);
    if (ret->wrong_code)
        return;
    hash_code(code, ret->code_hash);
    ret->enrol.code_hash = ret->code_hash;
}

/* ERR_INVALID, ERR_LIMIT: says what is wrong. */
static int read_asked(const struct enrol *enrol, const struct json *body, struct asked *ret,
                      struct err *err)
{
    *ret = (struct asked){.csr_pem = json_text(body, "csr", "")};
    ret->enrol.station = json_text(body, "station", "");
    if (json_int(body, "p", 0) != PROTOCOL_VERSION)
        return err_set(err, ERR_INVALID, "p is 1");
    if (auth_check_scope(ret->enrol.station, err) != ERR_OK)
        return err->code;
    if (!read_serial(body, &ret->enrol.serial))
        return err_set(err, ERR_INVALID, "serial: at most %d bytes of text",
                       LIMIT_ENROL_SERIAL_BYTES);
    int code = x509_request_read(ret->csr_pem, strlen(ret->csr_pem), &ret->csr, err);
    if (code != ERR_OK)
        return code;
    if (!text_equal(ret->csr.station, ret->enrol.station))
        return err_set(err, ERR_INVALID, "csr: it is of another station");
    read_code(body, ret);
    x509_hex(&ret->csr.key, ret->enrol.key);
    x509_digits(&ret->csr.key, x509_ca_pin(enrol->ca), ret->digits);
    ret->enrol.digits = ret->digits;
    return ERR_OK;
}

/* --- answering --- */

static int answer_cert(const struct enrol *enrol, const char *pem, struct http_answer *answer,
                       struct err *err)
{
    struct x509_cert cert;
    int code = x509_cert_read(pem, strlen(pem), &cert, err);
    if (code != ERR_OK)
        return err_set(err, ERR_CORRUPT, "a stored certificate cannot be read");
    struct json *body = json_new_object();
    json_set_int(body, "now", clock_wall_ms(enrol->clock));
    json_set_text(body, "station", cert.station);
    json_set_text(body, "name", cert.name);
    json_set_text(body, "cert", pem);
    json_set_text(body, "ca", x509_ca_pem(enrol->ca));
    json_set_int(body, "from", cert.from_ms);
    json_set_int(body, "until", cert.until_ms);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = 200;
    return ERR_OK;
}

static int answer_waiting(const struct enrol *enrol, const struct asked *asked,
                          struct http_answer *answer)
{
    struct json *body = json_new_object();
    json_set_int(body, "now", clock_wall_ms(enrol->clock));
    json_set_text(body, "state", "waiting");
    json_set_text(body, "digits", asked->digits);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = 202;
    answer->retry_after_s = ENROL_RETRY_S + (int)(asked->csr.key.bytes[0] % ENROL_RETRY_S);
    return ERR_OK;
}

/* ERR_STATE: ask again. */
static int issue(const struct enrol *enrol, struct store *store, const struct asked *asked,
                 const struct store_enrol_answer *allowed, struct buf *ret_pem, struct err *err)
{
    struct x509_cert cert;
    int64_t now_ms = clock_wall_ms(enrol->clock);
    int code = x509_ca_issue_station(enrol->ca, asked->csr_pem, allowed->station.scope,
                                     allowed->station.name, now_ms - ENROL_EARLIER_MS,
                                     now_ms + ENROL_CERT_DAYS * DAY_MS, ret_pem, err);
    if (code == ERR_OK)
        code = x509_cert_read(buf_text(ret_pem), ret_pem->size, &cert, err);
    struct store_cert put = {.cert = &cert, .pem = buf_text(ret_pem), .how = allowed->state};
    if (code == ERR_OK)
        code = store_enrol_issue(store, &asked->enrol, &allowed->station, &put, err);
    if (code == ERR_OK)
        log_info("county.certificate", "station=%s name=\"%s\" serial=%s", allowed->station.scope,
                 allowed->station.name, cert.serial);
    return code;
}

/* The certificate is there: what is not kept now is at the next start. */
static void keep_used(const struct enrol *enrol, struct store *store, enum store_enrol_state how)
{
    struct err err = {0};
    bool used = how == STORE_ENROL_BY_CODE || how == STORE_ENROL_BY_SERIAL;
    if (used && enrol->revoked_path != NULL &&
        revoked_add(enrol->revoked_path, store, &err) != ERR_OK)
        log_error("county.revoked_file", "%s", err.text);
}

static int issue_and_answer(const struct enrol *enrol, struct store *store,
                            const struct asked *asked, const struct store_enrol_answer *allowed,
                            struct http_answer *answer, struct err *err)
{
    struct buf pem;
    buf_init(&pem, LIMIT_X509_PEM_BYTES);
    int code = issue(enrol, store, asked, allowed, &pem, err);
    if (code == ERR_OK)
        code = answer_cert(enrol, buf_text(&pem), answer, err);
    buf_free(&pem);
    if (code == ERR_OK)
        keep_used(enrol, store, allowed->state);
    if (code == ERR_OK)
        meter_enrolment(enrol->meter, allowed->state == STORE_ENROL_BY_CERT ? METER_ENROL_RENEWED
                                                                            : METER_ENROL_ISSUED);
    if (code == ERR_LIMIT) {
        answer->retry_after_s = 3600;
        return http_refuse(answer, 503, err->text);
    }
    return code;
}

static int deny(const struct enrol *enrol, const struct asked *asked,
                const struct http_request *request, const char *why, struct http_answer *answer)
{
    meter_enrolment(enrol->meter, METER_ENROL_DENIED);
    log_warn("county.enrol_denied", "station=%s address=%s digits=%s why=\"%s\"",
             asked->enrol.station, request->address, asked->digits, why);
    return http_refuse(answer, 403, why);
}

static int deny_code(const struct enrol *enrol, struct store *store, const struct asked *asked,
                     const struct http_request *request, struct http_answer *answer,
                     struct err *err)
{
    int code = store_note_wrong_code(store, request->address, asked->enrol.station, err);
    return code != ERR_OK ? code : deny(enrol, asked, request, "no station has this code", answer);
}

static int answer_asked(const struct enrol *enrol, struct store *store, const struct asked *asked,
                        const struct store_enrol_answer *found, const struct http_request *request,
                        struct http_answer *answer, struct err *err)
{
    switch (found->state) {
    case STORE_ENROL_KNOWN:
        return answer_cert(enrol, buf_text(&found->cert), answer, err);
    case STORE_ENROL_WAITS:
        meter_enrolment(enrol->meter, METER_ENROL_WAITING);
        return answer_waiting(enrol, asked, answer);
    case STORE_ENROL_WRONG_CODE:
        return deny_code(enrol, store, asked, request, answer, err);
    case STORE_ENROL_REFUSED:
        return deny(enrol, asked, request, found->why, answer);
    case STORE_ENROL_FULL:
        answer->retry_after_s = ENROL_RETRY_S;
        return http_refuse(answer, 503, found->why);
    default:
        return issue_and_answer(enrol, store, asked, found, answer, err);
    }
}

/* --- the two requests --- */

static int decide(const struct enrol *enrol, struct store *store, const struct asked *asked,
                  const struct http_request *request, struct http_answer *answer, struct err *err)
{
    int code = ERR_STATE;
    for (int i = 0; code == ERR_STATE && i < TRIES; i++) {
        struct store_enrol_answer found = {0};
        buf_init(&found.cert, LIMIT_X509_PEM_BYTES);
        code = store_enrol_ask(store, &asked->enrol, &found, err);
        if (code == ERR_OK)
            code = answer_asked(enrol, store, asked, &found, request, answer, err);
        buf_free(&found.cert);
    }
    return code == ERR_STATE ? err_set(err, ERR_BUSY, "others ask for the same") : code;
}

static int tell_wait(const struct enrol *enrol, int64_t wait_ms, const char *why,
                     struct http_answer *answer)
{
    meter_enrolment(enrol->meter, METER_ENROL_LOCKED);
    answer->retry_after_s = 1 + (int)(wait_ms / 1000);
    return http_refuse(answer, 503, why);
}

static int judge_first(const struct enrol *enrol, struct store *store, struct asked *asked,
                       const struct http_request *request, struct http_answer *answer,
                       struct err *err)
{
    int64_t wait_ms = 0;
    bool coded = asked->wrong_code || asked->enrol.code_hash != NULL;
    int code = store_wrong_codes(store, request->address, coded ? asked->enrol.station : NULL,
                                 &wait_ms, err);
    if (code != ERR_OK)
        return code;
    if (wait_ms > 0)
        return tell_wait(enrol, wait_ms, "too many wrong codes: try again later", answer);
    if (asked->wrong_code)
        return deny_code(enrol, store, asked, request, answer, err);
    asked->enrol.address = request->address;
    return decide(enrol, store, asked, request, answer, err);
}

int enrol_handle_first(const struct enrol *enrol, struct store *store,
                       const struct http_request *request, struct http_answer *answer,
                       struct err *err)
{
    struct json *body = NULL;
    struct asked asked;
    struct err why = {0};
    if (enrol->ca == NULL)
        return http_refuse(answer, 404, "this county does not enrol: `touyan-county ca init`");
    int64_t wait_ms =
        meter_admit_stranger(enrol->meter, request->address, clock_mono_ms(enrol->clock));
    if (wait_ms > 0)
        return tell_wait(enrol, wait_ms, "too many requests from this address: try again later",
                         answer);
    int code = json_parse(request->body, request->size, &body, &why);
    if (code == ERR_OK)
        code = read_asked(enrol, body, &asked, &why);
    code = code != ERR_OK ? http_refuse(answer, code == ERR_LIMIT ? 413 : 400, why.text)
                          : judge_first(enrol, store, &asked, request, answer, err);
    json_free(body);
    return code;
}

static int renew(const struct enrol *enrol, struct store *store, const struct asked *asked,
                 const struct http_request *request, struct http_answer *answer, struct err *err)
{
    struct store_enrol_answer found = {.state = STORE_ENROL_BY_CERT, .station = request->station};
    int code = ERR_STATE;
    buf_init(&found.cert, LIMIT_X509_PEM_BYTES);
    for (int i = 0; code == ERR_STATE && i < TRIES; i++) {
        code = store_enrol_known(store, &asked->enrol, &found, err);
        if (code == ERR_NOT_FOUND) {
            found.state = STORE_ENROL_BY_CERT;
            code = ERR_OK;
        }
        if (code == ERR_OK)
            code = answer_asked(enrol, store, asked, &found, request, answer, err);
    }
    buf_free(&found.cert);
    return code == ERR_STATE ? err_set(err, ERR_BUSY, "others ask for the same") : code;
}

int enrol_handle_renewal(const struct enrol *enrol, struct store *store,
                         const struct http_request *request, struct http_answer *answer,
                         struct err *err)
{
    struct json *body = NULL;
    struct asked asked;
    struct err why = {0};
    if (enrol->ca == NULL || !request->by_cert)
        return http_refuse(answer, 403,
                           "only the holder of a certificate of this county renews it");
    int code = json_parse(request->body, request->size, &body, &why);
    if (code == ERR_OK)
        code = read_asked(enrol, body, &asked, &why);
    if (code != ERR_OK) {
        code = http_refuse(answer, code == ERR_LIMIT ? 413 : 400, why.text);
    } else if (!text_equal(asked.enrol.station, request->station.scope)) {
        code = http_refuse(answer, 401, "the certificate belongs to another station");
    } else {
        asked.enrol.address = request->address;
        code = renew(enrol, store, &asked, request, answer, err);
    }
    json_free(body);
    return code;
}

/* --- whose certificate --- */

/* Signed by us and unknown here: the database came back from a backup. */
static int adopt(const struct enrol *enrol, struct store *store, const struct x509_cert *cert,
                 const void *der, size_t size, struct store_holder *ret, struct err *err)
{
    if (!x509_ca_issued(enrol->ca, der, size) || cert->until_ms < clock_wall_ms(enrol->clock))
        return err_set(err, ERR_DENIED, "this certificate is not known here: enrol again");
    int code = store_cert_adopt(store, cert, ret, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, ERR_DENIED, "the station of this certificate is not known here");
    if (code == ERR_OK)
        log_warn("county.certificate_adopted", "station=%s serial=%s", cert->station, cert->serial);
    return code;
}

int enrol_find_holder(const struct enrol *enrol, struct store *store, const void *der, size_t size,
                      struct store_holder *ret, struct err *err)
{
    struct x509_cert cert;
    char print[X509_HEX_BYTES + 1];
    if (enrol->ca == NULL || x509_cert_read_der(der, size, &cert, err) != ERR_OK)
        return err_set(err, ERR_DENIED, "this is no certificate of the county");
    x509_hex(&cert.print, print);
    int code = store_cert_find(store, print, ret, err);
    if (code == ERR_NOT_FOUND)
        code = adopt(enrol, store, &cert, der, size, ret, err);
    if (code == ERR_OK && ret->revoked)
        return err_set(err, ERR_DENIED,
                       "this certificate was revoked: enrol again with a new code");
    return code;
}
