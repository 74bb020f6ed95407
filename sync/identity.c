/* See identity.h.
 *
 * Happy path: no certificate -> a key is made and stored as the next one -> the county is asked
 * with a code, or waits for a person -> the certificate comes, is held against the pin and the key,
 * and both take the place of the old pair -> from half of its life on, again, over /v1/renew.
 *
 * A refused code is dropped, and the request goes on without it: both ends then show the digits.
 * When it was a person who wanted a new certificate beside a good one, the old one stays. */
#include "sync/identity.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"

static const char ENROL_LINE[] = "touyan-enrol: "; /* in the next key's file: the code, or "-" */

/* --- files --- */

static void wipe(struct buf *text)
{
    if (text->bytes != NULL)
        explicit_bzero(text->bytes, text->size);
    buf_free(text);
}

static void forget_next(struct identity *identity)
{
    identity->next = identity->anew = false;
    identity->code[0] = identity->digits[0] = '\0';
}

static void drop_next(struct identity *identity)
{
    struct err err = {0};
    if (file_remove(identity->next_file, &err) != ERR_OK)
        log_warn("sync.identity", "error=\"%s\"", err.text);
    forget_next(identity);
}

static void take_enrol_line(struct identity *identity, const char *text)
{
    identity->code[0] = '\0';
    identity->anew = strncmp(text, ENROL_LINE, sizeof ENROL_LINE - 1) == 0;
    if (!identity->anew || text[sizeof ENROL_LINE - 1] == '-')
        return;
    text += sizeof ENROL_LINE - 1;
    size_t size = strcspn(text, "\n");
    if (size < sizeof identity->code)
        text_copy_utf8(identity->code, sizeof identity->code, text, size);
}

/* A next key that cannot be read is made anew: nobody knows it yet. */
static void read_next(struct identity *identity)
{
    struct buf text;
    struct x509_hash key;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    bool there = file_read_secret(identity->next_file, &text, NULL) == ERR_OK &&
                 x509_key_hash(buf_text(&text), &key, NULL) == ERR_OK;
    bool stored = there && identity->have &&
                  memcmp(key.bytes, identity->cert.key.bytes, sizeof key.bytes) == 0;
    forget_next(identity);
    if (stored) { /* it was renewed, and then the power went */
        drop_next(identity);
    } else if (there) {
        identity->next = true;
        take_enrol_line(identity, buf_text(&text));
        x509_digits(&key, &identity->pin, identity->digits);
    }
    wipe(&text);
}

static void put_aside(const struct identity *identity)
{
    char aside[LIMIT_PATH_BYTES + 8];
    snprintf(aside, sizeof aside, "%s.bad", identity->file);
    if (rename(identity->file, aside) != 0)
        log_warn("sync.identity", "file=%s error=\"cannot be renamed\"", identity->file);
}

/* A damaged one is none: it is put aside, the station works on, and the county is asked for
 * another. */
static void read_own(struct identity *identity)
{
    struct err err = {0};
    struct buf text;
    struct x509_hash key;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    int code = file_read_secret(identity->file, &text, &err);
    if (code == ERR_OK)
        code = x509_key_hash(buf_text(&text), &key, &err);
    if (code == ERR_OK)
        code = x509_cert_read(buf_text(&text), text.size, &identity->cert, &err);
    if (code == ERR_OK && memcmp(key.bytes, identity->cert.key.bytes, sizeof key.bytes) != 0)
        code = err_set(&err, ERR_INVALID, "the key is not the certificate's");
    wipe(&text);
    identity->have = code == ERR_OK;
    if (code == ERR_OK || code == ERR_NOT_FOUND)
        return;
    snprintf(identity->problem, sizeof identity->problem,
             "%.200s is put aside (.bad) and the station enrols again: %.200s", identity->file,
             err.text);
    log_error("sync.identity", "error=\"%s\"", identity->problem);
    put_aside(identity);
}

static int set_options(struct identity *identity, const struct identity_options *options,
                       struct err *err)
{
    if (!slip_read(options->pin, identity->pin.bytes, sizeof identity->pin.bytes))
        return err_set(err, ERR_INVALID,
                       "\"%.60s\" is no pin: 32 letters and digits that `touyan-county ca pin` "
                       "prints",
                       options->pin);
    char next[LIMIT_PATH_BYTES + 8];
    snprintf(next, sizeof next, "%s.next", options->file);
    bool fits = text_copy(identity->file, sizeof identity->file, options->file) &&
                text_copy(identity->next_file, sizeof identity->next_file, next) &&
                text_copy(identity->station, sizeof identity->station, options->station);
    text_copy(identity->serial, sizeof identity->serial,
              options->serial != NULL ? options->serial : "");
    return fits ? ERR_OK : err_set(err, ERR_LIMIT, "the identity's path is too long");
}

int identity_init(struct identity *identity, const struct identity_options *options,
                  struct err *err)
{
    *identity = (struct identity){0};
    if (options->pin == NULL || options->pin[0] == '\0')
        return ERR_OK;
    int code = set_options(identity, options, err);
    if (code != ERR_OK)
        return code;
    identity->on = true;
    identity->optional = options->optional;
    read_own(identity);
    read_next(identity);
    return ERR_OK;
}

static int write_next(struct identity *identity, const struct buf *text, struct err *err)
{
    int code = file_replace(identity->next_file, buf_text(text), text->size, 0600, err);
    if (code != ERR_OK)
        return code;
    read_next(identity);
    return identity->next ? ERR_OK
                          : err_set(err, ERR_IO, "%.200s cannot be read back", identity->next_file);
}

/* Appends the next key as it is, from its first line on. */
static int copy_next_key(struct identity *identity, struct buf *out, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    int code = file_read_secret(identity->next_file, &text, err);
    const char *key = strstr(buf_text(&text), "-----BEGIN");
    if (code == ERR_OK && (key == NULL || !buf_add_text(out, key)))
        code = err_set(err, ERR_INVALID, "%.200s has no key", identity->next_file);
    wipe(&text);
    return code;
}

/* wish: of a person, noted with the key: a code or "-"; NULL: none. */
static int make_next(struct identity *identity, const char *wish, bool keep, struct err *err)
{
    struct buf text;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    if (wish != NULL)
        buf_printf(&text, "%s%s\n", ENROL_LINE, wish);
    int code = keep ? copy_next_key(identity, &text, err) : x509_key_new(&text, err);
    if (code == ERR_OK)
        code = write_next(identity, &text, err);
    wipe(&text);
    identity->spent = identity->spent && (keep || code != ERR_OK);
    return code;
}

/* --- when --- */

/* From half of its life on, spread by a sixteenth, by its key. */
static int64_t renew_at_ms(const struct x509_cert *cert)
{
    int64_t life_ms = cert->until_ms - cert->from_ms;
    return cert->from_ms + life_ms / 2 + life_ms / 16 * cert->key.bytes[0] / 256;
}

bool identity_is_usable(const struct identity *identity)
{
    return !identity->on || (identity->have ? !identity->expired : identity->optional);
}

bool identity_wants(const struct identity *identity, int64_t county_ms, int64_t mono_ms)
{
    if (!identity_is_usable(identity))
        return true;
    if (!identity->on || mono_ms < identity->retry_ms)
        return false;
    return !identity->have || identity->anew ||
           (county_ms > 0 && county_ms >= renew_at_ms(&identity->cert));
}

/* --- asking --- */

static int write_request(struct identity *identity, struct buf *out, struct err *err)
{
    struct buf key, csr;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&csr, LIMIT_X509_REQUEST_BYTES);
    int code = file_read_secret(identity->next_file, &key, err);
    if (code == ERR_OK)
        code = x509_request_new(buf_text(&key), identity->station, &csr, err);
    if (code == ERR_OK) {
        struct json *body = json_new_object();
        json_set_int(body, "p", PROTOCOL_VERSION);
        json_set_text(body, "station", identity->station);
        json_set_text(body, "csr", buf_text(&csr));
        if (!identity->renewing && identity->code[0] != '\0')
            json_set_text(body, "code", identity->code);
        if (!identity->renewing && identity->serial[0] != '\0')
            json_set_text(body, "serial", identity->serial);
        json_write(body, out);
        json_free(body);
    }
    wipe(&key);
    buf_free(&csr);
    return code;
}

int identity_build(struct identity *identity, const char **ret_path, struct buf *body,
                   struct err *err)
{
    int code = ERR_OK;
    if (!identity->next)
        code = make_next(identity, NULL, false, err);
    identity->renewing = identity->have && !identity->anew;
    if (code == ERR_OK)
        code = write_request(identity, body, err);
    identity->asking = code == ERR_OK;
    *ret_path = identity->renewing ? "/v1/renew" : "/v1/enroll";
    return code == ERR_OK ? ERR_OK : err_wrap(err, "enrolment");
}

/* --- the answer --- */

static int store_pair(struct identity *identity, const struct json *body, struct err *err)
{
    const char *cert = json_text(body, "cert", ""), *ca = json_text(body, "ca", "");
    struct buf text;
    struct x509_cert info;
    buf_init(&text, LIMIT_X509_PEM_BYTES);
    int code = copy_next_key(identity, &text, err);
    if (code == ERR_OK)
        code = x509_cert_check(cert, ca, buf_text(&text), &identity->pin, err);
    if (code == ERR_OK)
        code = x509_cert_read(cert, strlen(cert), &info, err);
    if (code == ERR_OK && !text_equal(info.station, identity->station))
        code = err_set(err, ERR_DENIED, "the certificate is another station's");
    if (code == ERR_OK && !buf_add_text(&text, cert))
        code = err_set(err, ERR_LIMIT, "the certificate is too long");
    if (code == ERR_OK)
        code = file_replace(identity->file, buf_text(&text), text.size, 0600, err);
    if (code == ERR_OK)
        identity->cert = info;
    wipe(&text);
    return code;
}

static enum identity_outcome take_cert(struct identity *identity, const struct json *body)
{
    struct err err = {0};
    if (store_pair(identity, body, &err) != ERR_OK) {
        text_copy(identity->problem, sizeof identity->problem, err.text);
        return IDENTITY_LATER;
    }
    identity->have = true;
    identity->expired = false;
    identity->problem[0] = '\0';
    identity->retry_ms = 0;
    drop_next(identity);
    log_info("sync.certificate", "station=%s serial=%s until=%lld", identity->station,
             identity->cert.serial, (long long)identity->cert.until_ms);
    return IDENTITY_TAKEN;
}

/* A code that is not taken is not tried again. */
static void drop_code(struct identity *identity)
{
    struct err err = {0};
    if (identity->have)
        drop_next(identity);
    else if (make_next(identity, NULL, true, &err) != ERR_OK)
        log_warn("sync.identity", "error=\"%s\"", err.text);
}

static enum identity_outcome take_later(struct identity *identity, int status, const char *problem)
{
    identity->waiting = status == 202;
    if (identity->waiting)
        snprintf(identity->problem, sizeof identity->problem,
                 "enrolment waits for approval at the county, digits %s", identity->digits);
    else
        text_copy(identity->problem, sizeof identity->problem, problem);
    identity->spent = status == 403;
    if (identity->spent && identity->code[0] != '\0')
        drop_code(identity);
    return IDENTITY_LATER;
}

enum identity_outcome identity_take(struct identity *identity, int status, const char *body,
                                    size_t size, int64_t retry_after_ms, int64_t mono_ms,
                                    const char *problem)
{
    struct json *json = NULL;
    enum identity_outcome outcome = IDENTITY_LATER;
    identity->asking = identity->waiting = false;
    if (identity->outdated) {
        identity->outdated = false;
        return IDENTITY_AGAIN;
    }
    identity->retry_ms =
        mono_ms + (retry_after_ms > IDENTITY_PAUSE_MS ? retry_after_ms : IDENTITY_PAUSE_MS);
    if (status == 200 && json_parse(body, size, &json, NULL) == ERR_OK)
        outcome = take_cert(identity, json);
    else
        outcome = take_later(identity, status, problem);
    json_free(json);
    if (outcome == IDENTITY_LATER)
        log_info("sync.enrolment", "status=%d problem=\"%s\"", status, identity->problem);
    return outcome;
}

void identity_note_expired(struct identity *identity)
{
    identity->expired = identity->have;
}

int identity_begin(struct identity *identity, const char *code, struct err *err)
{
    uint8_t bytes[SLIP_CODE_BYTES];
    char text[SLIP_CODE_TEXT + 1] = "";
    if (!identity->on)
        return err_set(err, ERR_STATE, "sync.ca_pin is not configured");
    if (code != NULL && !slip_read(code, bytes, sizeof bytes))
        return err_set(err, ERR_INVALID,
                       "\"%.40s\" is no code: 16 letters and digits such as K7QX-2M4C-9TRA-0DVH",
                       code);
    if (code != NULL)
        slip_print(bytes, sizeof bytes, text);
    identity->problem[0] = '\0';
    identity->waiting = false;
    identity->outdated = identity->asking;
    identity->retry_ms = 0;
    bool keep = identity->next && !identity->spent && (identity->anew || !identity->have);
    return make_next(identity, text[0] != '\0' ? text : "-", keep, err);
}

enum identity_state identity_state(const struct identity *identity)
{
    if (!identity->on)
        return IDENTITY_OFF;
    if (identity->waiting)
        return IDENTITY_WAITING;
    if (identity->have)
        return identity->expired ? IDENTITY_EXPIRED : IDENTITY_GOOD;
    return IDENTITY_NONE;
}

const char *identity_state_name(enum identity_state state)
{
    static const char *const names[IDENTITY_STATES] = {"off", "none", "waiting", "good", "expired"};
    return names[state];
}
