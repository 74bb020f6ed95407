/* The JSON API of the station, used by the touyan command (and later by the page). Additive only:
 * every answer has "v":1. Numbers are masked, bodies are clear: who may ask is a matter of the
 * socket.
 *
 *   GET  /v1/status             the station at a glance
 *   GET  /v1/check              findings, each {code, level 0 to 3 as Nagios plugins, text, next}
 *   GET  /v1/support            all of it for somebody who helps from afar: no texts, no numbers
 *   GET  /v1/sms                ?dir=out|in|all &state= &limit= &after=   newest first
 *   GET  /v1/sms/ID             one message with its history
 *   POST /v1/sms/send           {"number","text"}      -> {"id"}
 *   POST /v1/sms/simulate       {"number","text"}      as if that number had sent it
 *   POST /v1/sms/retry          {"id"}                 a marked copy of what did not arrive
 *   POST /v1/sms/cancel         {"id"}                 what has not gone yet
 *   POST /v1/sms/answer         {"id","text"}          to who wrote the item of the desk -> {"id"}
 *   POST /v1/sms/pause          POST /v1/sms/resume    all but alarms
 *   POST /v1/sms/balance        asks the networks; the answers are in /v1/status
 *   GET  /v1/sms/quiet          numbers with quiet hours of their own
 *   POST /v1/sms/quiet          {"number","hours"}: "20:00-07:30", "none", "default"
 *   POST /v1/desk/push          {"id"}                 the parents are told
 *   GET  /v1/inbox              texts that nobody understood, each with suggested answers
 *   GET  /v1/desk             what waits for a person, newest first
 *   POST /v1/desk/done        {"id"}
 *   GET  /v1/devices          and the last messages that no rule understood
 *   POST /v1/devices/command    {"device","name","args":{},"idem"} -> {"id"}
 *   POST /v1/devices/accounts   {"device"}: accounts at the broker {"passwd","acl","accounts"};
 *                             with a device its {"key"} for signatures as well
 *   GET  /v1/devices/command/ID {"state","problem",...}
 *   GET  /v1/radio              nodes, whose they are, and the last texts to them
 *   POST /v1/radio              {"act":"add","node","person"[,"product"]},
 *                             {"act":"remove","node"[,"product"]},
 *                             {"act":"send","node","text"[,"product"]}
 *   GET  /v1/enrol              the station's certificate: {state, digits, until, ...}
 *   POST /v1/enrol              {"code"}               asks the county for one; without: to approve
 *   GET  /v1/sync               POST /v1/sync/now
 *   GET  /v1/sync/pending       rows to be sent      ?limit=
 *   GET  /v1/sync/conflicts     changes that lost to the county's
 *   GET  /v1/sync/quarantine    rows set aside, both ways
 *   GET  /v1/ledger           open issues by department ?school=CODE &all=1: closed ones too
 *   GET  /v1/ledger/CODE      one issue with its story
 *   POST /v1/ledger           {"act":"add","school","text","by"[,"severity","category","place"]},
 *                             {"act":"assign|start|fix|verify|reopen|merge","code","by"
 *                             [,"dept","due","into"]}   -> {"code"}
 *   GET  /v1/cards            ?kind= &school= &words=     plans, checklists, gear, activities ...
 *   GET  /v1/cards/kinds      the kinds and their fields (gateway/duty/cards.h)
 *   GET  /v1/cards/matches    what one partner offers and another needs
 *   GET  /v1/cards/CODE       one with its story
 *   POST /v1/cards            {"act":"put","kind","name","by",...} -> {"code"};
 * {"act","code","by"};
 *                             {"act":"copy","from","to"} -> {"copied"}; {"act":"draw"} -> {"post"};
 *                             {"act":"exam","school","date","from","to"} -> {"shifts"};
 *                             {"act":"enlist","school","kind","name","phone","by"} -> {"id"};
 *                             {"act":"approve|refuse","id","by"}
 *   GET  /v1/volunteers       entered by schools; ?export=1: consented, with their numbers
 *   GET  /v1/lists            ?list=school|person|post &lang= &county=1 -> {"head":[],"rows":[[]]}
 *   POST /v1/lists            {"list","head":[],"rows":[{"line","cells"}],"apply":false[,"by"]} ->
 *                             {"new","changed","same","kept_out","kept","problems":[]}
 *   GET  /v1/declines         who gave a duty back in the last month, and why
 *   GET  /v1/account          ?month=2026-09          the month counted from events
 *   GET  /v1/account/people   ?month= &who=officers|volunteers
 *   GET  /v1/account/duties   ?month= &who= &person=  one line a duty
 *   GET  /v1/privacy          how long what is kept, when it was last removed
 *   GET  /v1/roster           the draft, its shifts and people with the reasons; {} without one
 *   GET  /v1/roster/diff      what would change
 *   GET  /v1/roster/state     {"planning","problem"}
 *   POST /v1/roster/plan      {"date","afresh"}: begins to plan that day's week ("": the next one)
 *   POST /v1/roster/publish     -> {"week","changes","gaps"}; tells the people concerned
 *   GET  /v1/roster/sheet     ?date= &draft=1 &station=: a week, one row a place
 *                             -> {"week","rows":[],"saved":{}}
 *   POST /v1/roster/import    {"rows":[],"baseline":false}: all of it becomes the draft, or
 *                             "problems"
 *   GET  /v1/roster/orders    {"pins","needs","ways","skills"}: what the plan is told
 *   POST /v1/roster/orders    {"act":"pin|unpin|way|need","by",...} (gateway/duty/order.h)
 *   GET  /v1/idle             {"idle","next_due_ms"}: nothing is under way (fast time)
 */
#ifndef TOUYAN_CONSOLE_CONSOLE_H
#define TOUYAN_CONSOLE_CONSOLE_H

#include "gateway/base/json.h"
#include "gateway/console/http.h"

struct roster_wish {
    const char *date;    /* of the week; "": this one */
    const char *station; /* of a draft for several: whose part; "": all */
    bool draft;
};

/* What the API needs of the other modules. The json values are taken over. */
struct console_ports {
    void *ctx;
    struct json *(*status)(void *ctx);
    struct json *(*check)(void *ctx);
    struct json *(*sync)(void *ctx);
    struct json *(*support)(void *ctx);
    struct json *(*idle)(void *ctx);
    void (*sync_now)(void *ctx);
    struct json *(*enrolment)(void *ctx);
    int (*enrol)(void *ctx, const char *code, struct err *err); /* code: or NULL */
    int (*send)(void *ctx, const char *number, const char *text, char ret_id[LIMIT_ID_BYTES + 1],
                struct err *err);
    /* One act of the ledger; ret_code: of the issue (COMMAND_CODE_SIZE). */
    int (*ledger)(void *ctx, const struct json *body, char ret_code[5], struct err *err);
    /* One order to the cards or the volunteers; *ret: the caller's. */
    int (*card)(void *ctx, const struct json *body, struct json **ret, struct err *err);
    /* A list of a file (duty/lists.h), looked at or with "apply" kept; *ret: the caller's. */
    int (*lists_import)(void *ctx, const struct json *body, struct json **ret, struct err *err);
    int (*roster_plan)(void *ctx, const char *date, bool afresh, struct err *err);
    struct json *(*roster_state)(void *ctx);
    int (*roster_publish)(void *ctx, struct json **ret, struct err *err);
    /* Rows of a week, in and out; see duty/draft/sheet.h. */
    int (*roster_sheet)(void *ctx, const struct roster_wish *wish, struct json **ret,
                        struct err *err);
    int (*roster_import)(void *ctx, const struct json *rows, bool baseline, struct json **ret,
                         struct err *err);
    int (*roster_order)(void *ctx, const struct json *body, struct err *err); /* duty/order.h */
    int (*retry)(void *ctx, const char *id, struct err *err);
    int (*cancel)(void *ctx, const char *id, struct err *err);
    void (*pause)(void *ctx, bool paused);
    int (*push)(void *ctx, const char *id, struct err *err);
    /* Adds "waits_for" and "expected" of a message that has not gone. */
    void (*expect)(void *ctx, const char *id, struct json *json);
    void (*balance)(void *ctx);
    int (*quiet)(void *ctx, const char *number, const char *hours, struct err *err);
    /* Adds "suggest": texts that may answer what this item of the desk says. */
    void (*suggest)(void *ctx, const char *desk_id, struct json *json);
    int (*answer)(void *ctx, const char *desk_id, const char *text, char ret_id[LIMIT_ID_BYTES + 1],
                  struct err *err);
    int (*simulate)(void *ctx, const char *number, const char *text, struct err *err);
    int (*radio)(void *ctx, const struct json *body, struct err *err); /* add, remove, send */
    /* "school" with "peak" and "heavy", or without: the station's again. */
    int (*flow)(void *ctx, const struct json *body, struct err *err);
    int (*accounts)(void *ctx, const char *device_id, struct json **ret, struct err *err);
    int (*command)(void *ctx, const struct json *body, char ret_id[LIMIT_ID_BYTES + 1],
                   struct err *err);
};

struct console {
    struct replica *replica;
    struct console_ports ports;
};

/* For http_options.respond; ctx is a struct console. */
void console_respond(void *ctx, const struct http_request *request, struct http_answer *ret);

/* api_sms.c, api_device.c and api_desk.c: rows as JSON arrays. */
struct json *console_sms_list(struct replica *replica, const struct http_request *request);
struct json *console_sms_one(struct replica *replica, const char *id); /* NULL: no such message */
struct json *console_sms_quiet(struct replica *replica);
struct json *console_device_list(struct replica *replica);
struct json *console_radio(struct replica *replica); /* api_radio.c */
struct json *console_sync_pending(struct replica *replica, const struct http_request *request);
struct json *console_sync_conflicts(struct replica *replica, const struct http_request *request);
struct json *console_sync_quarantine(struct replica *replica, const struct http_request *request);
struct json *console_command_one(struct replica *replica, const char *id); /* NULL: none */
struct json *console_flow(struct replica *replica);
struct json *console_raw_list(struct replica *replica); /* kept raw, with the reason */
/* The whole name of the one school that is meant; false: none, or several. */
bool console_ledger_school(struct replica *replica, const char *named, char ret[LIMIT_NAME_BYTES]);
struct json *console_ledger_list(struct replica *replica, const struct http_request *request);
struct json *console_ledger_one(struct replica *replica, const char *code); /* NULL: none */
/* api_card.c */
struct json *console_card_list(struct replica *replica, const struct http_request *request);
struct json *console_card_one(struct replica *replica, const char *code); /* NULL: none */
struct json *console_card_kinds(void);
struct json *console_enlist_list(struct replica *replica, const struct http_request *request);
struct json *console_declines(struct replica *replica);
struct json *console_privacy(struct replica *replica);
/* api_account.c */
struct json *console_account(struct replica *replica, const struct http_request *request);
struct json *console_account_people(struct replica *replica, const struct http_request *request);
struct json *console_account_duties(struct replica *replica, const struct http_request *request);
struct json *console_desk_list(struct replica *replica);
struct json *console_inbox(struct console *console);
struct json *console_roster_show(struct console *console); /* api_roster.c */
struct json *console_roster_diff(struct console *console);
int console_roster_plan(struct console *console, const struct http_request *request,
                        struct err *err);
bool console_desk_done(struct replica *replica, const char *id); /* false: not there, or done */

#endif
