/* Routes of the JSON API; see console.h. Each route is a function from the request to an answer. */
#include "gateway/console/console.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/cards.h"
#include "gateway/duty/lists.h"
#include "gateway/duty/order.h"

enum {
    OK = 200,
    BAD_REQUEST = 400,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    NOT_ALLOWED = 405,
    CONFLICT = 409,
    LATER = 503
};

static void reply(struct http_answer *ret, int status, struct json *json)
{
    json_set_int(json, "v", 1);
    ret->status = status;
    json_write(json, &ret->json);
    json_free(json);
}

static void reply_error(struct http_answer *ret, int status, const char *text)
{
    struct json *json = json_new_object();
    json_set_text(json, "error", text);
    reply(ret, status, json);
}

static int status_of(int code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_LIMIT:
        return BAD_REQUEST;
    case ERR_NOT_FOUND:
        return NOT_FOUND;
    case ERR_STATE:
        return CONFLICT;
    default:
        return LATER;
    }
}

/* What a module was asked to do: its error, or (when the turn is committed) what it returned. */
static void reply_done(struct http_answer *ret, int code, const struct err *err, struct json *json)
{
    ret->wrote = code == ERR_OK;
    if (code == ERR_OK) {
        reply(ret, OK, json);
        return;
    }
    json_free(json);
    reply_error(ret, status_of(code), err->text);
}

/* The same with one thing to return: the key it has in the answer. */
static void reply_named(struct http_answer *ret, int code, const struct err *err, const char *key,
                        const char *value)
{
    struct json *json = json_new_object();
    json_set_text(json, key, value);
    reply_done(ret, code, err, json);
}

static void reply_list(struct http_answer *ret, const char *key, struct json *list)
{
    struct json *json = json_new_object();
    json_set(json, key, list);
    reply(ret, OK, json);
}

/* One row, or that there is none. */
static void reply_one(struct http_answer *ret, struct json *one, const char *absent)
{
    if (one == NULL)
        reply_error(ret, NOT_FOUND, absent);
    else
        reply(ret, OK, one);
}

/* The body; answers itself when it is none. */
static struct json *parse_body(const struct http_request *request, struct http_answer *ret)
{
    struct err err = {0};
    struct json *body = NULL;
    if (json_parse(request->body, request->body_size, &body, &err) == ERR_OK)
        return body;
    reply_error(ret, BAD_REQUEST, err.text);
    return NULL;
}

/* Does what the body says; there is nothing to tell but how it went. */
static void post_order(struct console *console, const struct http_request *request,
                       struct http_answer *ret,
                       int (*act)(void *ctx, const struct json *body, struct err *err))
{
    struct err err = {0};
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    int code = act(console->ports.ctx, body, &err);
    json_free(body);
    reply_done(ret, code, &err, json_new_object());
}

/* The same with an answer. */
static void
post_question(struct console *console, const struct http_request *request, struct http_answer *ret,
              int (*act)(void *ctx, const struct json *body, struct json **ret, struct err *err))
{
    struct err err = {0};
    struct json *body = parse_body(request, ret), *json = NULL;
    if (body == NULL)
        return;
    int code = act(console->ports.ctx, body, &json, &err);
    json_free(body);
    reply_done(ret, code, &err, json);
}

static void get_status(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.status(console->ports.ctx));
}

static void get_check(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.check(console->ports.ctx));
}

static void get_sync(struct console *console, const struct http_request *request,
                     struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.sync(console->ports.ctx));
}

static void get_idle(struct console *console, const struct http_request *request,
                     struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.idle(console->ports.ctx));
}

static void post_sync_now(struct console *console, const struct http_request *request,
                          struct http_answer *ret)
{
    (void)request;
    console->ports.sync_now(console->ports.ctx);
    reply(ret, OK, json_new_object());
}

static void get_flow(struct console *console, const struct http_request *request,
                     struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "schools", console_flow(console->replica));
}

static void post_flow(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    post_order(console, request, ret, console->ports.flow);
}

static void get_enrolment(struct console *console, const struct http_request *request,
                          struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.enrolment(console->ports.ctx));
}

static void get_sync_pending(struct console *console, const struct http_request *request,
                             struct http_answer *ret)
{
    reply_list(ret, "pending", console_sync_pending(console->replica, request));
}

static void get_sync_conflicts(struct console *console, const struct http_request *request,
                               struct http_answer *ret)
{
    reply_list(ret, "conflicts", console_sync_conflicts(console->replica, request));
}

static void get_sync_quarantine(struct console *console, const struct http_request *request,
                                struct http_answer *ret)
{
    reply_list(ret, "quarantine", console_sync_quarantine(console->replica, request));
}

static void get_support(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.support(console->ports.ctx));
}

static void get_sms(struct console *console, const struct http_request *request,
                    struct http_answer *ret)
{
    reply_list(ret, "sms", console_sms_list(console->replica, request));
}

static void get_one_sms(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    const char *id = request->path + strlen("/v1/sms/");
    struct json *one = console_sms_one(console->replica, id);
    if (one != NULL && console->ports.expect != NULL)
        console->ports.expect(console->ports.ctx, id, one);
    reply_one(ret, one, "there is no message with this id");
}

static void get_inbox(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "items", console_inbox(console));
}

/* What rests on the county's word carries the time of that word. */
static void reply_as_of(struct console *console, struct http_answer *ret, struct json *json)
{
    int64_t heard_ms = replica_get_int(console->replica, 0,
                                       "SELECT v FROM sync_state WHERE k = 'progress_ms'", "");
    json_set_int(json, "as_of", heard_ms);
    reply(ret, OK, json);
}

static void get_devices(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    (void)request;
    struct json *json = json_new_object();
    json_set(json, "devices", console_device_list(console->replica));
    json_set(json, "raw", console_raw_list(console->replica));
    reply_as_of(console, ret, json);
}

static void get_roster(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    (void)request;
    reply_as_of(console, ret, console_roster_show(console));
}

static void get_roster_diff(struct console *console, const struct http_request *request,
                            struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console_roster_diff(console));
}

static void get_roster_state(struct console *console, const struct http_request *request,
                             struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console->ports.roster_state(console->ports.ctx));
}

static void post_roster_plan(struct console *console, const struct http_request *request,
                             struct http_answer *ret)
{
    struct err err = {0};
    int code = console_roster_plan(console, request, &err);
    reply_done(ret, code, &err, json_new_object());
}

static void post_roster_publish(struct console *console, const struct http_request *request,
                                struct http_answer *ret)
{
    (void)request;
    struct err err = {0};
    struct json *json = NULL;
    int code = console->ports.roster_publish(console->ports.ctx, &json, &err);
    reply_done(ret, code, &err, json);
}

static void get_roster_sheet(struct console *console, const struct http_request *request,
                             struct http_answer *ret)
{
    const char *date = http_query(request, "date"), *station = http_query(request, "station");
    struct roster_wish wish = {.date = date != NULL ? date : "",
                               .station = station != NULL ? station : "",
                               .draft = http_query(request, "draft") != NULL};
    struct err err = {0};
    struct json *json = NULL;
    int code = console->ports.roster_sheet(console->ports.ctx, &wish, &json, &err);
    if (code == ERR_OK)
        reply_as_of(console, ret, json);
    else
        reply_error(ret, status_of(code), err.text);
}

static void post_roster_import(struct console *console, const struct http_request *request,
                               struct http_answer *ret)
{
    struct json *body = parse_body(request, ret), *json = NULL;
    if (body == NULL)
        return;
    struct err err = {0};
    int code = console->ports.roster_import(console->ports.ctx, json_get(body, "rows"),
                                            json_bool(body, "baseline", false), &json, &err);
    json_free(body);
    reply_done(ret, code, &err, json);
}

static void get_roster_orders(struct console *console, const struct http_request *request,
                              struct http_answer *ret)
{
    (void)request;
    reply_as_of(console, ret, order_list(console->replica));
}

static void post_roster_orders(struct console *console, const struct http_request *request,
                               struct http_answer *ret)
{
    post_order(console, request, ret, console->ports.roster_order);
}

static void get_desk(struct console *console, const struct http_request *request,
                     struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "items", console_desk_list(console->replica));
}

static void post_desk_done(struct console *console, const struct http_request *request,
                           struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    ret->wrote = console_desk_done(console->replica, json_text(body, "id", ""));
    json_free(body);
    if (ret->wrote)
        reply(ret, OK, json_new_object());
    else
        reply_error(ret, NOT_FOUND, "nothing open has this id");
}

/* Number and text of the body; answers itself when they are not there. */
static struct json *parse_message(const struct http_request *request, struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL ||
        (json_text(body, "number", NULL) != NULL && json_text(body, "text", NULL) != NULL))
        return body;
    json_free(body);
    reply_error(ret, BAD_REQUEST, "the body needs \"number\" and \"text\"");
    return NULL;
}

static void post_send(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    struct json *body = parse_message(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    char id[LIMIT_ID_BYTES + 1] = "";
    int code = console->ports.send(console->ports.ctx, json_text(body, "number", ""),
                                   json_text(body, "text", ""), id, &err);
    json_free(body);
    reply_named(ret, code, &err, "id", id);
}

static void post_simulate(struct console *console, const struct http_request *request,
                          struct http_answer *ret)
{
    struct json *body = parse_message(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    int code = console->ports.simulate(console->ports.ctx, json_text(body, "number", ""),
                                       json_text(body, "text", ""), &err);
    json_free(body);
    reply_done(ret, code, &err, json_new_object());
}

/* Does something with the id of the body. */
static void post_id(struct console *console, const struct http_request *request,
                    struct http_answer *ret, int (*act)(void *ctx, const char *id, struct err *err))
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    int code = act(console->ports.ctx, json_text(body, "id", ""), &err);
    json_free(body);
    reply_done(ret, code, &err, json_new_object());
}

static void post_retry(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    post_id(console, request, ret, console->ports.retry);
}

static void post_cancel(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    post_id(console, request, ret, console->ports.cancel);
}

static void post_push(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    post_id(console, request, ret, console->ports.push);
}

static void post_pause(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    console->ports.pause(console->ports.ctx, strcmp(request->path, "/v1/sms/pause") == 0);
    ret->wrote = true;
    reply(ret, OK, json_new_object());
}

static void post_balance(struct console *console, const struct http_request *request,
                         struct http_answer *ret)
{
    (void)request;
    console->ports.balance(console->ports.ctx);
    reply(ret, OK, json_new_object());
}

static void get_quiet(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "quiet", console_sms_quiet(console->replica));
}

static void post_quiet(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    int code = console->ports.quiet(console->ports.ctx, json_text(body, "number", ""),
                                    json_text(body, "hours", ""), &err);
    json_free(body);
    reply_done(ret, code, &err, json_new_object());
}

static void post_answer(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    char id[LIMIT_ID_BYTES + 1] = "";
    int code = console->ports.answer(console->ports.ctx, json_text(body, "id", ""),
                                     json_text(body, "text", ""), id, &err);
    json_free(body);
    reply_named(ret, code, &err, "id", id);
}

static void post_command(struct console *console, const struct http_request *request,
                         struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    char id[LIMIT_ID_BYTES + 1] = "";
    int code = console->ports.command(console->ports.ctx, body, id, &err);
    json_free(body);
    reply_named(ret, code, &err, "id", id);
}

static void post_accounts(struct console *console, const struct http_request *request,
                          struct http_answer *ret)
{
    struct json *body = parse_body(request, ret), *json = NULL;
    if (body == NULL)
        return;
    struct err err = {0};
    int code =
        console->ports.accounts(console->ports.ctx, json_text(body, "device", NULL), &json, &err);
    json_free(body);
    reply_done(ret, code, &err, json);
}

static void get_radio(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    (void)request;
    reply(ret, OK, console_radio(console->replica));
}

static void post_radio(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    post_order(console, request, ret, console->ports.radio);
}

static void get_one_command(struct console *console, const struct http_request *request,
                            struct http_answer *ret)
{
    const char *id = request->path + strlen("/v1/devices/command/");
    reply_one(ret, console_command_one(console->replica, id), "there is no command with this id");
}

static void post_enrol(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    struct err err = {0};
    int code = console->ports.enrol(console->ports.ctx, json_text(body, "code", NULL), &err);
    json_free(body);
    if (code != ERR_OK)
        reply_error(ret, status_of(code), err.text);
    else
        reply(ret, OK, console->ports.enrolment(console->ports.ctx));
}

static void get_ledger(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    const char *school = http_query(request, "school");
    char name[LIMIT_NAME_BYTES] = "";
    struct err err;
    if (school != NULL && !console_ledger_school(console->replica, school, name)) {
        int code =
            err_set(&err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station", school);
        reply_error(ret, status_of(code), err.text);
        return;
    }
    struct json *json = json_new_object();
    json_set(json, "issues", console_ledger_list(console->replica, request));
    if (school != NULL)
        json_set_text(json, "school", name);
    reply_as_of(console, ret, json);
}

static void get_issue(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    struct json *one = console_ledger_one(console->replica, request->path + strlen("/v1/ledger/"));
    if (one == NULL)
        reply_error(ret, NOT_FOUND, "there is no issue with this code");
    else
        reply_as_of(console, ret, one);
}

static void post_ledger(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    char issue[5] = "";
    struct err err = {0};
    struct json *body = parse_body(request, ret);
    if (body == NULL)
        return;
    int code = console->ports.ledger(console->ports.ctx, body, issue, &err);
    json_free(body);
    reply_named(ret, code, &err, "code", issue);
}

static void get_cards(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    struct json *json = json_new_object();
    json_set(json, "cards", console_card_list(console->replica, request));
    reply_as_of(console, ret, json);
}

static void get_card_kinds(struct console *console, const struct http_request *request,
                           struct http_answer *ret)
{
    (void)console;
    (void)request;
    struct json *json = json_new_object();
    json_set(json, "kinds", console_card_kinds());
    reply(ret, OK, json);
}

static void get_card_matches(struct console *console, const struct http_request *request,
                             struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "matches", card_matches(console->replica));
}

static void get_card(struct console *console, const struct http_request *request,
                     struct http_answer *ret)
{
    struct json *one = console_card_one(console->replica, request->path + strlen("/v1/cards/"));
    if (one == NULL)
        reply_error(ret, NOT_FOUND, "there is no card with this code");
    else
        reply_as_of(console, ret, one);
}

static void post_cards(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    post_question(console, request, ret, console->ports.card);
}

static void get_volunteers(struct console *console, const struct http_request *request,
                           struct http_answer *ret)
{
    struct json *json = json_new_object();
    json_set(json, "volunteers", console_enlist_list(console->replica, request));
    reply(ret, OK, json);
}

static void get_lists(struct console *console, const struct http_request *request,
                      struct http_answer *ret)
{
    const char *list = http_query(request, "list"), *lang = http_query(request, "lang");
    reply_one(ret,
              list_export(console->replica, list != NULL ? list : "", lang,
                          http_query(request, "county") != NULL, request->reader),
              "there is no such list: school, person, post");
}

static void post_lists(struct console *console, const struct http_request *request,
                       struct http_answer *ret)
{
    post_question(console, request, ret, console->ports.lists_import);
}

static void get_declines(struct console *console, const struct http_request *request,
                         struct http_answer *ret)
{
    (void)request;
    reply_list(ret, "declines", console_declines(console->replica));
}

static void get_account(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    reply_as_of(console, ret, console_account(console->replica, request));
}

static void get_account_people(struct console *console, const struct http_request *request,
                               struct http_answer *ret)
{
    struct json *json = json_new_object();
    json_set(json, "people", console_account_people(console->replica, request));
    reply_as_of(console, ret, json);
}

static void get_account_duties(struct console *console, const struct http_request *request,
                               struct http_answer *ret)
{
    struct json *json = json_new_object();
    json_set(json, "duties", console_account_duties(console->replica, request));
    reply_as_of(console, ret, json);
}

static void get_privacy(struct console *console, const struct http_request *request,
                        struct http_answer *ret)
{
    (void)request;
    struct json *json = json_new_object();
    json_set(json, "rules", console_privacy(console->replica));
    reply(ret, OK, json);
}

struct route {
    const char *method;
    const char *path; /* ends with '/': the rest is an id */
    void (*answer)(struct console *console, const struct http_request *request,
                   struct http_answer *ret);
    bool open; /* to readers: no messages, no numbers */
};

static const struct route routes[] = {
    {"GET", "/v1/status", get_status, true},
    {"GET", "/v1/check", get_check, true},
    {"GET", "/v1/support", get_support, false},
    {"GET", "/v1/sms", get_sms, false},
    {"POST", "/v1/sms/send", post_send, false},
    {"POST", "/v1/sms/simulate", post_simulate, false},
    {"POST", "/v1/sms/retry", post_retry, false},
    {"POST", "/v1/sms/cancel", post_cancel, false},
    {"POST", "/v1/sms/answer", post_answer, false},
    {"POST", "/v1/sms/pause", post_pause, false},
    {"POST", "/v1/sms/resume", post_pause, false},
    {"POST", "/v1/sms/balance", post_balance, false},
    {"GET", "/v1/sms/quiet", get_quiet, false},
    {"POST", "/v1/sms/quiet", post_quiet, false},
    {"GET", "/v1/inbox", get_inbox, false},
    {"POST", "/v1/desk/push", post_push, false},
    {"GET", "/v1/sms/", get_one_sms, false},
    {"GET", "/v1/ledger", get_ledger, true},
    {"POST", "/v1/ledger", post_ledger, false},
    {"GET", "/v1/ledger/", get_issue, true},
    {"GET", "/v1/cards", get_cards, true},
    {"POST", "/v1/cards", post_cards, false},
    {"GET", "/v1/cards/kinds", get_card_kinds, true},
    {"GET", "/v1/cards/matches", get_card_matches, true},
    {"GET", "/v1/cards/", get_card, true},
    {"GET", "/v1/volunteers", get_volunteers, false},
    {"GET", "/v1/lists", get_lists, true},
    {"POST", "/v1/lists", post_lists, false},
    {"GET", "/v1/declines", get_declines, false},
    {"GET", "/v1/account", get_account, true},
    {"GET", "/v1/account/people", get_account_people, true},
    {"GET", "/v1/account/duties", get_account_duties, true},
    {"GET", "/v1/privacy", get_privacy, true},
    {"GET", "/v1/roster", get_roster, true},
    {"GET", "/v1/roster/diff", get_roster_diff, true},
    {"GET", "/v1/roster/state", get_roster_state, true},
    {"POST", "/v1/roster/plan", post_roster_plan, false},
    {"POST", "/v1/roster/publish", post_roster_publish, false},
    {"GET", "/v1/roster/sheet", get_roster_sheet, true},
    {"POST", "/v1/roster/import", post_roster_import, false},
    {"GET", "/v1/roster/orders", get_roster_orders, false},
    {"POST", "/v1/roster/orders", post_roster_orders, false},
    {"GET", "/v1/desk", get_desk, false},
    {"POST", "/v1/desk/done", post_desk_done, false},
    {"GET", "/v1/devices", get_devices, false},
    {"POST", "/v1/devices/accounts", post_accounts, false},
    {"POST", "/v1/devices/command", post_command, false},
    {"GET", "/v1/devices/command/", get_one_command, false},
    {"GET", "/v1/flow", get_flow, true},
    {"POST", "/v1/flow", post_flow, false},
    {"GET", "/v1/radio", get_radio, false},
    {"POST", "/v1/radio", post_radio, false},
    {"GET", "/v1/enrol", get_enrolment, false},
    {"POST", "/v1/enrol", post_enrol, false},
    {"GET", "/v1/sync", get_sync, true},
    {"POST", "/v1/sync/now", post_sync_now, false},
    {"GET", "/v1/sync/pending", get_sync_pending, false},
    {"GET", "/v1/sync/conflicts", get_sync_conflicts, false},
    {"GET", "/v1/sync/quarantine", get_sync_quarantine, false},
    {"GET", "/v1/idle", get_idle, true},
};

static bool path_fits(const struct route *route, const char *path)
{
    size_t size = strlen(route->path);
    if (route->path[size - 1] == '/')
        return strncmp(path, route->path, size) == 0 && path[size] != '\0' &&
               strchr(path + size, '/') == NULL;
    return strcmp(path, route->path) == 0;
}

void console_respond(void *ctx, const struct http_request *request, struct http_answer *ret)
{
    bool path_known = false;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!path_fits(&routes[i], request->path))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, request->method) != 0)
            continue;
        if (request->reader && !routes[i].open)
            reply_error(ret, FORBIDDEN,
                        "this user may look at the station, and not act (http.readers)");
        else
            routes[i].answer(ctx, request, ret);
        return;
    }
    if (path_known)
        reply_error(ret, NOT_ALLOWED, "this address does not take that method");
    else
        reply_error(ret, NOT_FOUND,
                    "no such address: see /v1/status, /v1/sms, /v1/desk, /v1/devices, /v1/sync");
}
