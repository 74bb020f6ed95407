/* POST /v1/sync and GET /v1/health (sync/PROTOCOL.md). A busy store is 503 with a Retry-After that
 * differs from station to station, so that they do not all come back in the same second. */
#include "sync/county/api.h"

#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "sync/county/auth.h"

enum { RETRY_LEAST_S = 5, RETRY_SPREAD_S = 20 };

static void fail(struct http_answer *answer, int status, const char *sentence)
{
    struct json *body = json_new_object();
    json_set_text(body, "error", sentence);
    buf_clear(&answer->body);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = status;
}

static void fail_store(struct http_answer *answer, const struct err *err, const char *who)
{
    unsigned hash = 2166136261U;
    for (const char *c = who; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    log_warn("county.store", "station=%s error=\"%s\"", who, err->text);
    fail(answer, 503,
         err->code == ERR_BUSY ? "the county is busy: try again later"
                               : "the county cannot write now: try again later");
    answer->retry_after_s = RETRY_LEAST_S + (int)(hash % RETRY_SPREAD_S);
}

static bool is_route(const struct http_request *request, const char *method, const char *path)
{
    return strcmp(request->path, path) == 0 && strcmp(request->method, method) == 0;
}

bool api_admit(struct store *store, struct http_request *request, struct http_answer *answer)
{
    struct err err = {0};
    if (is_route(request, "GET", "/v1/health"))
        return true;
    if (strcmp(request->path, "/v1/health") != 0 && strcmp(request->path, "/v1/sync") != 0) {
        fail(answer, 404, "there are POST /v1/sync and GET /v1/health");
        return false;
    }
    if (!is_route(request, "POST", "/v1/sync")) {
        fail(answer, 405, "this method does not fit this path: POST /v1/sync, GET /v1/health");
        return false;
    }
    int code = auth_check(store, request->authorization, &request->station, &err);
    if (code == ERR_DENIED)
        fail(answer, 401, err.text);
    else if (code != ERR_OK)
        fail_store(answer, &err, "");
    return code == ERR_OK;
}

static void handle_sync(struct store *store, const struct http_request *request,
                        struct http_answer *answer)
{
    struct err err = {0};
    struct store_answer reply = {.body = answer->body};
    int code =
        store->ops->sync(store, &request->station, request->body, request->size, &reply, &err);
    answer->body = reply.body;
    answer->status = reply.status;
    if (code != ERR_OK)
        fail_store(answer, &err, request->station.name);
    log_debug("county.sync", "station=%s status=%d bytes_in=%zu bytes_out=%zu",
              request->station.name, answer->status, request->size, answer->body.size);
}

static void handle_health(struct store *store, const struct clock *clock,
                          struct http_answer *answer)
{
    struct err err = {0};
    if (store->ops->health(store, &err) != ERR_OK) {
        fail_store(answer, &err, "");
        return;
    }
    answer->status = 200;
    buf_printf(&answer->body, "{\"status\":\"ok\",\"now\":%lld}", (long long)clock_wall_ms(clock));
}

void api_handle(struct store *store, const struct clock *clock, const struct http_request *request,
                struct http_answer *answer)
{
    if (strcmp(request->path, "/v1/health") == 0)
        handle_health(store, clock, answer);
    else
        handle_sync(store, request, answer);
}
