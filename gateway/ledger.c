/* The ledger's commands: a body of JSON becomes an order to the duty, within the turn. */
#include "gateway/parts.h"

#include "gateway/base/text.h"
#include "gateway/duty/ledger.h"

static int add(struct gateway *gateway, const struct json *body, char ret_code[COMMAND_CODE_SIZE],
               struct err *err)
{
    struct ledger_entry entry = {
        .school = json_text(body, "school", NULL),
        .title = json_text(body, "text", NULL),
        .category = json_text(body, "category", NULL),
        .place = json_text(body, "place", NULL),
        .by = json_text(body, "by", NULL),
        .severity = (int)json_int(body, "severity", 0),
    };
    return ledger_add(&gateway->duty, &entry, ret_code, err);
}

static int act(struct gateway *gateway, const struct json *body, char ret_code[COMMAND_CODE_SIZE],
               struct err *err)
{
    struct ledger_order order = {
        .code = json_text(body, "code", ""),
        .act = issue_act_named(json_text(body, "act", "")),
        .by = json_text(body, "by", NULL),
        .dept = json_text(body, "dept", NULL),
        .due = json_text(body, "due", NULL),
        .into = json_text(body, "into", NULL),
        .severity = (int)json_int(body, "severity", 0),
    };
    if (order.act == ISSUE_ACT_COUNT)
        return err_set(err, ERR_INVALID,
                       "\"%.16s\" is none of add, assign, start, fix, verify,"
                       " reopen, merge",
                       json_text(body, "act", ""));
    text_copy(ret_code, COMMAND_CODE_SIZE, order.code);
    return ledger_act(&gateway->duty, &order, err);
}

int ledger_command(void *ctx, const struct json *body, char ret_code[COMMAND_CODE_SIZE],
                   struct err *err)
{
    struct gateway *gateway = ctx;
    replica_enter(gateway->replica);
    int code = text_equal(json_text(body, "act", ""), "add") ? add(gateway, body, ret_code, err)
                                                             : act(gateway, body, ret_code, err);
    if (!replica_leave(gateway->replica, code == ERR_OK) && code == ERR_OK)
        return err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    desk_look(gateway);
    return code;
}
