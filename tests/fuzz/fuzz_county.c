/* Any bytes as the body of a station's request: the county answers with JSON and a status that the
 * protocol names, an error is said in words and has changed nothing, and the store is never broken
 * by it. The first byte chooses the path and whether tokens and epochs are checked. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/rnd.h"
#include "sync/county/store.h"
#include "sync/replica/seal.h"
#include "sync/rules.h"
#include "tests/lib/fuzz.h"

enum { ROUTES = 4, LAX = 4 };

static struct clock_cells cells = {.wall_ms = INT64_C(1788796800000)};
static struct clock manual;
static struct rnd rnd;
static struct store *stores[2];

static struct store *store_of(bool lax)
{
    struct store **store = &stores[lax];
    if (*store != NULL)
        return *store;
    manual = clock_manual(&cells);
    rnd = rnd_seeded(1);
    struct store_options options = {.path = ":memory:",
                                    .clock = &manual,
                                    .rnd = &rnd,
                                    .seal = seal_for_test(),
                                    .without = lax ? WITHOUT_TOKEN | WITHOUT_EPOCH : 0,
                                    .new_epoch = true};
    if (store_open(&options, store, NULL) != ERR_OK)
        abort();
    return *store;
}

static bool is_named(int status)
{
    static const int STATUSES[] = {200, 400, 401, 403, 409, 410, 413, 426};
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
    int code = call(store, bytes[0] % ROUTES, body, size - 1, &answer, &err);
    assert(code == ERR_OK);
    assert(is_named(answer.status));
    if (json_parse(buf_text(&answer.body), answer.body.size, &json, &err) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", err.text, buf_text(&answer.body));
        abort();
    }
    if (answer.status != 200) {
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
