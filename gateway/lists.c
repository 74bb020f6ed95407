/* The lists as spreadsheets, in: looked at always, kept when that is asked for, nothing is wrong
 * with them, and no county keeps them. */
#include "gateway/parts.h"

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/lists.h"

static int may_keep(const struct gateway *gateway, const char *list, struct err *err)
{
    if (text_equal(list, "volunteer") || gateway->config->sync.url[0] == '\0')
        return ERR_OK;
    return err_set(err, ERR_STATE,
                   "the county keeps this list: give it the file (touyan-county import)");
}

int lists_import(void *ctx, const struct json *body, struct json **ret, struct err *err)
{
    struct gateway *gateway = ctx;
    bool apply = json_bool(body, "apply", false);
    struct list_order order = {
        .list = json_text(body, "list", ""),
        .head = json_get(body, "head"),
        .rows = json_get(body, "rows"),
        .by = json_text(body, "by", NULL),
    };
    int code = apply ? may_keep(gateway, order.list, err) : ERR_OK;
    if (code != ERR_OK)
        return code;
    replica_enter(gateway->replica);
    code = list_import(&gateway->duty, &order, ret, err);
    bool keep = code == ERR_OK && apply && json_count(json_get(*ret, "problems")) == 0;
    bool kept = replica_leave(gateway->replica, keep);
    if (code != ERR_OK)
        return code;
    if (keep && !kept) {
        json_free(*ret);
        *ret = NULL;
        return err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    }
    if (kept)
        log_info("lists.imported", "list=%s new=%d changed=%d", order.list,
                 (int)json_int(*ret, "new", 0), (int)json_int(*ret, "changed", 0));
    json_set_bool(*ret, "kept", kept);
    desk_look(gateway);
    return ERR_OK;
}
