/* Any bytes as the body of a station's request: the county answers with JSON and a status that the
 * protocol names, an error is said in words and has changed nothing, and the store is never broken
 * by it. The first byte chooses the path and whether tokens and epochs are checked. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/rnd.h"
#include "sync/county/enrol.h"
#include "sync/replica/seal.h"
#include "sync/rules.h"
#include "tests/lib/fuzz.h"

enum { ROUTES = 4, LAX = 4, ENROL = 8, PERIOD = 256 };

static struct clock_cells cells = {.wall_ms = INT64_C(1788796800000)};
static struct clock manual;
static struct rnd rnd;
static struct store *stores[2];
static struct enrol enrol;

static void open_authority(void)
{
    struct buf key, cert;
    struct x509_ca *ca = NULL;
    buf_init(&key, LIMIT_X509_PEM_BYTES);
    buf_init(&cert, LIMIT_X509_PEM_BYTES);
    if (x509_ca_new("fuzz", cells.wall_ms, 2 * cells.wall_ms, &key, &cert, NULL) != ERR_OK ||
        x509_ca_open(buf_text(&key), buf_text(&cert), &ca, NULL) != ERR_OK)
        abort();
    buf_free(&key);
    buf_free(&cert);
    enrol = (struct enrol){.ca = ca, .clock = &manual, .meter = meter_new()};
}

/* A station that may enrol with the code of the corpus. */
static void promise(struct store *store)
{
    static const char CODE[] = "K7QX-2M4C-9TRA-0DVH";
    char hash[SEAL_HASH_DIGITS + 1];
    seal_hash(CODE, sizeof CODE - 1, hash);
    if (store_enrol_code(store, "east", "S0117", hash, NULL) != ERR_OK)
        abort();
}

static struct store *store_of(bool lax)
{
    struct store **store = &stores[lax];
    if (*store != NULL)
        return *store;
    manual = clock_manual(&cells);
    rnd = rnd_seeded(1);
    if (enrol.ca == NULL)
        open_authority();
    struct store_options options = {.path = ":memory:",
                                    .clock = &manual,
                                    .rnd = &rnd,
                                    .seal = seal_for_test(),
                                    .without = lax ? WITHOUT_TOKEN | WITHOUT_EPOCH : 0,
                                    .new_epoch = true};
    if (store_open(&options, store, NULL) != ERR_OK)
        abort();
    promise(*store);
    return *store;
}

static bool is_named(int status)
{
    static const int STATUSES[] = {200, 202, 400, 401, 403, 409, 410, 413, 426, 503};
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++)
        if (STATUSES[i] == status)
            return true;
    return false;
}

static void counts(struct store *store, struct buf *out)
{
    buf_clear(out);
    if (store->ops->show(store, "counts", out, NULL) != ERR_OK)
        abort();
}

static int call(struct store *store, int route, const char *body, size_t size,
                struct store_answer *answer, struct err *err)
{
    static const struct store_station STATION = {.name = "east", .scope = "S0117"};
    const struct store_ops *ops = store->ops;
    if (route == 0 || route == 3)
        return ops->sync(store, &STATION, body, size, answer, err);
    return (route == 1 ? ops->giveback : ops->digest)(store, &STATION, body, size, answer, err);
}

/* Anybody's request for a certificate, or a station's for the next. */
static int call_enrol(struct store *store, bool renewal, const char *body, size_t size,
                      struct store_answer *ret, struct err *err)
{
    struct http_request request = {.body = body,
                                   .size = size,
                                   .by_cert = true,
                                   .address = "192.0.2.1",
                                   .station = {.name = "east", .scope = "S0117"}};
    struct http_answer answer = {.body = ret->body};
    cells.mono_ms += STRANGER_WINDOW_MS / PERIOD; /* now and then the address is locked */
    int code = (renewal ? enrol_handle_renewal : enrol_handle_first)(&enrol, store, &request,
                                                                     &answer, err);
    ret->body = answer.body;
    ret->status = answer.status;
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct err err = {0};
    struct store_answer answer = {0};
    struct buf before, after;
    struct json *json = NULL;
    struct store *store = store_of((bytes[0] & LAX) != 0);
    char *body = malloc(size); /* with a NUL, as a buffer of the server has */
    memcpy(body, bytes + 1, size - 1);
    body[size - 1] = '\0';
    buf_init(&answer.body, LIMIT_ANSWER_BYTES);
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    counts(store, &before);
    cells.wall_ms++;
    int code = (bytes[0] & ENROL) != 0
                   ? call_enrol(store, (bytes[0] & 1) != 0, body, size - 1, &answer, &err)
                   : call(store, bytes[0] % ROUTES, body, size - 1, &answer, &err);
    assert(code == ERR_OK);
    assert(is_named(answer.status));
    if (json_parse(buf_text(&answer.body), answer.body.size, &json, &err) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", err.text, buf_text(&answer.body));
        abort();
    }
    if (answer.status >= 400) {
        assert(json_get(json, "error") != NULL);
        counts(store, &after);
        assert(strcmp(buf_text(&before), buf_text(&after)) == 0);
    }
    json_free(json);
    buf_free(&answer.body);
    buf_free(&before);
    buf_free(&after);
    free(body);
    return 0;
}
