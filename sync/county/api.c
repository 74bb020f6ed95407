/* What sync/PROTOCOL.md serves, /v1/health, and /metrics for this machine. A busy store and a
 * station over its quota are 503 with a Retry-After that differs from station to station, so that
 * they do not all come back in the same second. Now and then a request also forgets tombstones.
 *
 * A station proves itself with the certificate of its connection, or else with a token; each
 * request looks whether it was revoked. An expired certificate opens /v1/renew and nothing else. */
#include "sync/county/api.h"

#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/auth.h"
#include "sync/county/enrol.h"
#include "sync/protocol.h"

enum { RETRY_LEAST_S = 5, RETRY_SPREAD_S = 20, TIDY_EVERY_MS = 600000 };

static const struct route {
    const char *method, *path;
    enum meter_route meter;
    bool open; /* without a token */
} ROUTES[] = {
    {"POST", "/v1/sync", METER_SYNC, false},     {"POST", "/v1/giveback", METER_GIVEBACK, false},
    {"POST", "/v1/digest", METER_DIGEST, false}, {"GET", "/v1/boot", METER_BOOT, false},
    {"POST", "/v1/enroll", METER_ENROLL, true},  {"POST", "/v1/renew", METER_RENEW, false},
    {"GET", "/v1/health", METER_OTHER, true},    {"GET", "/metrics", METER_OTHER, true},
};

static int spread_s(const char *who)
{
    unsigned hash = 2166136261U;
    for (const char *c = who; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    return (int)(hash % RETRY_SPREAD_S);
}

static void fail_store(struct http_answer *answer, const struct err *err, const char *who)
{
    log_warn("county.store", "station=%s error=\"%s\"", who, err->text);
    http_refuse(answer, 503,
                err->code == ERR_BUSY ? "the county is busy: try again later"
                                      : "the county cannot write now: try again later");
    answer->retry_after_s = RETRY_LEAST_S + spread_s(who);
}

/* NULL: no such path, or (ret_path) not this method. */
static const struct route *find_route(const struct http_request *request, bool *ret_path)
{
    *ret_path = false;
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(request->path, ROUTES[i].path) != 0)
            continue;
        *ret_path = true;
        if (strcmp(request->method, ROUTES[i].method) == 0)
            return &ROUTES[i];
    }
    return NULL;
}

static bool within_quota(const struct api *api, const struct http_request *request,
                         struct http_answer *answer)
{
    const char *who = request->station.scope;
    int64_t wait_ms = meter_admit(api->meter, who, clock_mono_ms(api->clock));
    if (wait_ms == 0)
        return true;
    http_refuse(answer, 503, "the station is over its quota of this minute: try again later");
    answer->retry_after_s = 1 + (int)(wait_ms / 1000) + spread_s(who);
    return false;
}

static struct enrol enrol_of(const struct api *api)
{
    return (struct enrol){
        .ca = api->ca, .clock = api->clock, .meter = api->meter, .revoked_path = api->revoked_path};
}

static int check_cert(const struct api *api, struct store *store, struct http_request *request,
                      enum meter_route route, struct http_answer *answer, struct err *err)
{
    struct enrol enrol = enrol_of(api);
    struct store_holder holder;
    int code = enrol_find_holder(&enrol, store, request->cert, request->cert_size, &holder, err);
    if (code != ERR_OK)
        return code;
    request->station = holder.station;
    request->by_cert = true;
    if (route == METER_RENEW || clock_wall_ms(api->clock) <= holder.until_ms)
        return ERR_OK;
    struct json *body = json_new_object();
    json_set_text(body, "error", "the station's certificate has expired: renew it");
    json_set_int(body, "renew", 1);
    json_set_int(body, "now", clock_wall_ms(api->clock));
    json_write(body, &answer->body);
    json_free(body);
    answer->status = 401;
    return ERR_DENIED;
}

/* A certificate counts when there is one. ERR_DENIED: the answer may be there already. */
static int authenticate(const struct api *api, struct store *store, struct http_request *request,
                        enum meter_route route, struct http_answer *answer, struct err *err)
{
    if (request->cert != NULL)
        return check_cert(api, store, request, route, answer, err);
    if (api->require_cert)
        return err_set(err, ERR_DENIED, "this county wants a certificate: enrol the station");
    return auth_check(store, request->authorization, &request->station, err);
}

bool api_admit(const struct api *api, struct store *store, struct http_request *request,
               struct http_answer *answer)
{
    struct err err = {0};
    bool path;
    const struct route *route = find_route(request, &path);
    bool hidden = strcmp(request->path, "/metrics") == 0 && !request->local;
    if (!path || hidden) {
        http_refuse(
            answer, 404,
            "there is no such path: see /v1/sync, /v1/boot, /v1/digest, /v1/giveback, /v1/enroll");
        return false;
    }
    if (route == NULL) {
        http_refuse(answer, 405, "this method does not fit this path");
        return false;
    }
    if (route->meter == METER_ENROLL || route->meter == METER_RENEW)
        request->body_max = LIMIT_ENROL_BODY_BYTES;
    if (route->open)
        return true;
    int code = authenticate(api, store, request, route->meter, answer, &err);
    if (code == ERR_DENIED && answer->status == 0)
        http_refuse(answer, 401, err.text);
    else if (code != ERR_OK && code != ERR_DENIED)
        fail_store(answer, &err, "");
    return code == ERR_OK && within_quota(api, request, answer);
}

/* --- handlers --- */

static const char *query(const struct http_request *request, const char *name)
{
    const char *value = http_query(request, name);
    return value != NULL ? value : "";
}

static bool query_int(const struct http_request *request, const char *name, int64_t fallback,
                      int64_t *ret)
{
    const char *value = http_query(request, name);
    *ret = fallback;
    return value == NULL || text_to_int64(value, 0, INT64_MAX, ret);
}

static int64_t within(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

/* False: the answer says what is wrong. */
static bool read_boot(const struct http_request *request, struct store_boot *ret,
                      struct http_answer *answer)
{
    int64_t p, sv;
    *ret = (struct store_boot){.scope = query(request, "s"),
                               .table = query(request, "t"),
                               .after = query(request, "after"),
                               .epoch = query(request, "ep")};
    bool numbers = query_int(request, "p", 0, &p) && query_int(request, "sv", 0, &sv) &&
                   query_int(request, "inc", 0, &ret->inc) &&
                   query_int(request, "v0", 0, &ret->v0) &&
                   query_int(request, "max", LIMIT_SYNC_PAGE_MIN_BYTES, &ret->max_bytes);
    if (!numbers)
        http_refuse(answer, 400, "p, sv, inc, v0 and max are whole numbers");
    else if (p != PROTOCOL_VERSION || sv < PROTOCOL_SCHEMA_OLDEST || sv > PROTOCOL_SCHEMA)
        http_refuse(answer, 426, "this county does not serve this protocol or schema");
    else if (!text_equal(query(request, "station"), request->station.scope))
        http_refuse(answer, 401, "the token belongs to another station");
    else if (strlen(ret->after) > LIMIT_ROW_ID_BYTES ||
             !text_utf8_valid(ret->after, strlen(ret->after)))
        http_refuse(answer, 400, "after is an id");
    else
        return true;
    return false;
}

static void handle_station(const struct api *api, struct store *store,
                           const struct http_request *request, enum meter_route route,
                           struct http_answer *answer)
{
    struct err err = {0};
    struct store_boot boot;
    struct store_answer reply = {.body = answer->body};
    const struct store_station *who = &request->station;
    int code;
    meter_charge(api->meter, who->scope, request->size, clock_mono_ms(api->clock));
    if (route == METER_BOOT) {
        if (!read_boot(request, &boot, answer))
            return;
        boot.max_bytes =
            within(boot.max_bytes, LIMIT_SYNC_PAGE_MIN_BYTES, LIMIT_SYNC_PAGE_MAX_BYTES);
        code = store->ops->boot(store, who, &boot, &reply, &err);
    } else {
        code = (route == METER_SYNC ? store->ops->sync
                : route == METER_GIVEBACK
                    ? store->ops->giveback
                    : store->ops->digest)(store, who, request->body, request->size, &reply, &err);
    }
    answer->body = reply.body;
    answer->status = reply.status;
    if (code != ERR_OK)
        fail_store(answer, &err, who->name);
    log_debug("county.request", "path=%s station=%s status=%d bytes_in=%zu bytes_out=%zu",
              request->path, who->name, answer->status, request->size, answer->body.size);
}

static void handle_enrol(const struct api *api, struct store *store,
                         const struct http_request *request, enum meter_route route,
                         struct http_answer *answer)
{
    struct err err = {0};
    struct enrol enrol = enrol_of(api);
    int code = (route == METER_RENEW ? enrol_handle_renewal
                                     : enrol_handle_first)(&enrol, store, request, answer, &err);
    if (code != ERR_OK)
        fail_store(answer, &err, request->station.name);
}

static void handle_health(const struct api *api, struct store *store, struct http_answer *answer)
{
    struct err err = {0};
    if (store->ops->health(store, &err) != ERR_OK) {
        fail_store(answer, &err, "");
        return;
    }
    answer->status = 200;
    buf_printf(&answer->body, "{\"status\":\"ok\",\"now\":%lld}",
               (long long)clock_wall_ms(api->clock));
}

static void handle_metrics(const struct api *api, struct store *store, struct http_answer *answer)
{
    struct err err = {0};
    answer->status = 200;
    if (store->ops->show(store, "metrics", &answer->body, &err) != ERR_OK ||
        (api->ca != NULL && store_enrol_metrics(store, &answer->body, &err) != ERR_OK)) {
        fail_store(answer, &err, "");
        return;
    }
    answer->type = "text/plain; version=0.0.4";
    meter_write(api->meter, &answer->body);
}

static void tidy(const struct api *api, struct store *store)
{
    struct err err = {0};
    bool more = false;
    if (!meter_is_due(api->meter, clock_mono_ms(api->clock), TIDY_EVERY_MS))
        return;
    if (store->ops->tidy(store, &more, &err) != ERR_OK)
        log_warn("county.tidy", "error=\"%s\"", err.text);
    if (more)
        meter_due_again(api->meter);
}

void api_handle(const struct api *api, struct store *store, const struct http_request *request,
                struct http_answer *answer)
{
    bool path;
    const struct route *route = find_route(request, &path);
    int64_t begun_us = clock_mono_us();
    if (strcmp(request->path, "/metrics") == 0)
        handle_metrics(api, store, answer);
    else if (route->meter == METER_ENROLL || route->meter == METER_RENEW)
        handle_enrol(api, store, request, route->meter, answer);
    else if (route->open)
        handle_health(api, store, answer);
    else
        handle_station(api, store, request, route->meter, answer);
    meter_count(api->meter, route->meter, answer->status, request->size, answer->body.size,
                clock_mono_us() - begun_us);
    if (route->meter == METER_SYNC)
        tidy(api, store);
}
