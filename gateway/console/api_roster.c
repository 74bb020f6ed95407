/* The roster's draft: see console.h for the routes. */
#include "gateway/console/console.h"

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/duty/draft/draft.h"

static int64_t now_ms(struct console *console)
{
    return clock_wall_ms(replica_clock(console->replica));
}

struct json *console_roster_show(struct console *console)
{
    return draft_show(console->replica, now_ms(console));
}

struct json *console_roster_diff(struct console *console)
{
    return draft_show_diff(console->replica, now_ms(console));
}

int console_roster_plan(struct console *console, const struct http_request *request,
                        struct err *err)
{
    struct json *body = NULL;
    int code = json_parse(request->body, request->body_size, &body, err);
    if (code != ERR_OK)
        return code;
    code = console->ports.roster_plan(console->ports.ctx, json_text(body, "date", ""),
                                      json_bool(body, "afresh", false), err);
    json_free(body);
    return code;
}
