/* The commands for cards and for volunteers whom a school enters: a body of JSON becomes an order
 * to the duty, within the turn. Numbers come in clear and are sealed here. */
#include "gateway/parts.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/calendar.h"
#include "gateway/duty/cards.h"
#include "gateway/duty/enlist.h"

struct sealed {
    char text[LIMIT_SEALED_PHONE_BYTES + 1];
};

/* NULL in *ret_phone when the body names none. */
static int seal_named(struct gateway *gateway, const struct json *body, const char *name,
                      struct sealed *into, const char **ret_phone, struct err *err)
{
    const char *number = json_text(body, name, NULL);
    char normal[LIMIT_PHONE_DIGITS + 4];
    *ret_phone = NULL;
    if (number == NULL)
        return ERR_OK;
    if (!text_normalise_phone(number, gateway->config->station.country, normal, sizeof normal))
        return err_set(err, ERR_INVALID, "\"%.24s\" is no telephone number", number);
    if (!replica_get_text(gateway->replica, into->text, sizeof into->text, "SELECT seal_phone(?1)",
                          "s", normal))
        return err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    *ret_phone = into->text;
    return ERR_OK;
}

static int put(struct gateway *gateway, const struct json *body, struct json *ret, struct err *err)
{
    struct sealed phone, leader;
    struct card_phones phones;
    char card[CARD_CODE_SIZE] = "";
    int code = seal_named(gateway, body, "phone", &phone, &phones.phone, err);
    if (code == ERR_OK)
        code = seal_named(gateway, body, "leader_phone", &leader, &phones.leader, err);
    if (code == ERR_OK)
        code = card_put(&gateway->duty, body, &phones, card, err);
    json_set_text(ret, "code", card);
    return code;
}

static int act(struct gateway *gateway, const struct json *body, struct json *ret, struct err *err)
{
    json_set_text(ret, "code", json_text(body, "code", ""));
    return card_act(&gateway->duty, body, err);
}

static int copy(struct gateway *gateway, const struct json *body, struct json *ret, struct err *err)
{
    int count = 0;
    int code = card_copy(&gateway->duty, json_text(body, "from", ""), json_text(body, "to", ""),
                         &count, err);
    json_set_int(ret, "copied", count);
    return code;
}

static int exam(struct gateway *gateway, const struct json *body, struct json *ret, struct err *err)
{
    struct exam_day day = {json_text(body, "school", ""), json_text(body, "date", ""),
                           json_text(body, "from", ""), json_text(body, "to", "")};
    int shifts = 0;
    int code = calendar_exam(&gateway->duty, &day, &shifts, err);
    json_set_int(ret, "shifts", shifts);
    return code;
}

static int draw(struct gateway *gateway, const struct json *body, struct json *ret, struct err *err)
{
    char post[256];
    (void)body;
    if (!card_draw(&gateway->duty, post, sizeof post))
        return err_set(err, ERR_NOT_FOUND, "there is no post");
    json_set_text(ret, "post", post);
    return ERR_OK;
}

static int enlist(struct gateway *gateway, const struct json *body, struct json *ret,
                  struct err *err)
{
    struct sealed phone;
    char id[LIMIT_ID_BYTES + 1] = "";
    struct enlist_entry entry = {
        .school = json_text(body, "school", NULL),
        .kind = json_text(body, "kind", NULL),
        .name = json_text(body, "name", NULL),
        .by = json_text(body, "by", NULL),
    };
    int code = seal_named(gateway, body, "phone", &phone, &entry.phone, err);
    if (code == ERR_OK)
        code = enlist_add(&gateway->duty, &entry, id, err);
    json_set_text(ret, "id", id);
    return code;
}

static int decide(struct gateway *gateway, const struct json *body, struct json *ret,
                  struct err *err)
{
    const char *id = json_text(body, "id", "");
    json_set_text(ret, "id", id);
    int count = 0;
    int code = enlist_decide(&gateway->duty, id, json_text(body, "by", NULL),
                             text_equal(json_text(body, "act", ""), "approve"), &count, err);
    json_set_int(ret, "count", count);
    return code;
}

int card_command(void *ctx, const struct json *body, struct json **ret, struct err *err)
{
    static const struct {
        const char *act;
        int (*run)(struct gateway *, const struct json *, struct json *, struct err *);
    } commands[] = {{"put", put},       {"copy", copy},      {"draw", draw},    {"exam", exam},
                    {"enlist", enlist}, {"approve", decide}, {"refuse", decide}};
    struct gateway *gateway = ctx;
    int (*run)(struct gateway *, const struct json *, struct json *, struct err *) = act;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (text_equal(commands[i].act, json_text(body, "act", "")))
            run = commands[i].run;
    struct json *answer = json_new_object();
    replica_enter(gateway->replica);
    int code = run(gateway, body, answer, err);
    if (!replica_leave(gateway->replica, code == ERR_OK) && code == ERR_OK)
        code = err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    desk_look(gateway);
    if (code == ERR_OK)
        *ret = answer;
    else
        json_free(answer);
    return code;
}
