/* What somebody does with a card that is there: signs, looks at gear, gives it out, inspects by a
 * checklist (what fails is an issue), signs people in, ends it. One table says which kinds each act
 * is for; every act is an event of the card. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "gateway/duty/card_internal.h"
#include "gateway/duty/ledger.h"

enum { CHECK_DAYS = 90, SIGNATURES = 2 };

struct doing {
    struct duty *duty;
    const struct json *order;
    const struct card *card;
    struct person by;
    struct err *err;
};

static void set_state(const struct doing *doing, const char *state)
{
    replica_run(doing->duty->replica, "UPDATE card SET state = ?2 WHERE id = ?1", "ss",
                doing->card->id, state);
}

static void note(const struct doing *doing, const char *what, const char *detail)
{
    card_note(doing->duty, doing->card->id, NULL, what, doing->by.id, detail);
}

/* Of what the card says now: those of before its last change do not count. */
#define SIGNED                                                                                     \
    " FROM card_event WHERE card_id = ?1 AND what = 'signed' AND at >= coalesce("                  \
    "(SELECT max(at) FROM card_event WHERE card_id = ?1 AND what = 'changed'), 0)"

bool card_is_signed(struct duty *duty, const char *card_id)
{
    return replica_get_int(duty->replica, 0, "SELECT count(DISTINCT person_id)" SIGNED, "s",
                           card_id) >= SIGNATURES;
}

static int act_sign(struct doing *doing)
{
    if (replica_get_int(doing->duty->replica, 0, "SELECT 1" SIGNED " AND person_id = ?2", "ss",
                        doing->card->id, doing->by.id) != 0)
        return err_set(doing->err, ERR_STATE, "%s has signed: somebody else has to",
                       doing->by.name);
    note(doing, "signed", NULL);
    if (text_equal(doing->card->state, "on") && card_is_signed(doing->duty, doing->card->id))
        set_state(doing, "signed");
    return ERR_OK;
}

static int act_check(struct doing *doing)
{
    char due[CALTIME_DATE_SIZE];
    int days = (int)replica_get_int(doing->duty->replica, CHECK_DAYS,
                                    "SELECT json_extract(body, '$.days') FROM card WHERE id = ?1",
                                    "s", doing->card->id);
    caltime_format_date(caltime_midnight(doing->duty->now_ms, days), due);
    replica_run(doing->duty->replica, "UPDATE card SET due_on = ?2 WHERE id = ?1", "ss",
                doing->card->id, due);
    note(doing, "checked", due);
    return ERR_OK;
}

static int act_issue(struct doing *doing)
{
    struct person to;
    int code = person_named(doing->duty, json_text(doing->order, "person", NULL), &to, doing->err);
    if (code != ERR_OK)
        return code;
    replica_run(doing->duty->replica, "UPDATE card SET person_id = ?2 WHERE id = ?1", "ss",
                doing->card->id, to.id);
    card_note(doing->duty, doing->card->id, NULL, "issued", to.id, doing->by.name);
    return ERR_OK;
}

static int act_return(struct doing *doing)
{
    card_note(doing->duty, doing->card->id, NULL, "returned", doing->card->person_id,
              doing->by.name);
    replica_run(doing->duty->replica, "UPDATE card SET person_id = NULL WHERE id = ?1", "s",
                doing->card->id);
    return ERR_OK;
}

static int act_lost(struct doing *doing)
{
    set_state(doing, "lost");
    note(doing, "lost", NULL);
    char body[DUTY_LIST_SIZE];
    snprintf(body, sizeof body, "%s %s", doing->card->code, doing->card->name);
    desk_put(doing->duty, "event", NULL, doing->by.id, doing->card->id, body);
    return ERR_OK;
}

static int act_read(struct doing *doing)
{
    note(doing, "read", NULL);
    return ERR_OK;
}

/* --- inspections --- */

/* The item of this number, "1" being the first; false: there is none. */
static bool item_of(const char *items, int number, char ret[DUTY_LIST_SIZE])
{
    const char *separator = "；";
    for (; number > 1 && items != NULL; number--) {
        items = strstr(items, separator);
        items = items == NULL ? NULL : items + strlen(separator);
    }
    if (items == NULL || items[0] == '\0' || number < 1)
        return false;
    const char *end = strstr(items, separator);
    return text_copy_utf8(ret, DUTY_LIST_SIZE, items,
                          end == NULL ? strlen(items) : (size_t)(end - items));
}

static int open_issue(struct doing *doing, const char *school_id, const char *item)
{
    char code[COMMAND_CODE_SIZE], title[DUTY_LIST_SIZE];
    snprintf(title, sizeof title, "%.60s：%.200s", doing->card->name, item);
    struct ledger_entry entry = {.school = school_id,
                                 .title = title,
                                 .category = doing->card->name,
                                 .by = doing->by.id,
                                 .source = "inspection"};
    return ledger_add(doing->duty, &entry, code, doing->err);
}

/* "2,5": each number's item becomes an issue. All are looked up before the first is written. */
static int open_issues(struct doing *doing, const char *school_id, const char *failed, bool write)
{
    char items[CARD_BODY_BYTES] = "", item[DUTY_LIST_SIZE], word[16];
    replica_get_text(doing->duty->replica, items, sizeof items,
                     "SELECT json_extract(body, '$.items') FROM card WHERE id = ?1", "s",
                     doing->card->id);
    int code = ERR_OK;
    while (code == ERR_OK && *(failed += strspn(failed, ", ")) != '\0') {
        int number;
        size_t length = strcspn(failed, ", ");
        snprintf(word, sizeof word, "%.*s", (int)(length < 8 ? length : 8), failed);
        failed += length;
        if (!text_to_int(word, 1, CARD_ITEMS, &number) || !item_of(items, number, item))
            return err_set(doing->err, ERR_INVALID, "the list has no item \"%.8s\"", word);
        if (write)
            code = open_issue(doing, school_id, item);
    }
    return code;
}

static int act_inspect(struct doing *doing)
{
    const char *failed = json_text(doing->order, "failed", "");
    char school_id[DUTY_ID_SIZE] = "";
    text_copy(school_id, sizeof school_id, doing->card->school_id);
    int code = card_check_school(doing->duty, json_text(doing->order, "school", NULL), school_id,
                                 doing->err);
    if (code == ERR_OK && school_id[0] == '\0')
        code = err_set(doing->err, ERR_INVALID, "say at which school");
    if (code == ERR_OK)
        code = open_issues(doing, school_id, failed, false);
    if (code == ERR_OK)
        code = open_issues(doing, school_id, failed, true);
    if (code == ERR_OK)
        card_note(doing->duty, doing->card->id, school_id, "inspected", doing->by.id, failed);
    return code;
}

/* --- activities --- */

static int act_attend(struct doing *doing)
{
    struct person person;
    int code =
        person_named(doing->duty, json_text(doing->order, "person", NULL), &person, doing->err);
    if (code == ERR_OK)
        activity_attend(doing->duty, doing->card->id, person.id, "command");
    return code;
}

static int act_done(struct doing *doing)
{
    int64_t number = json_int(doing->order, "number", 0);
    if (number > 0)
        replica_run(doing->duty->replica,
                    "UPDATE card SET body = json_set(body, '$.headcount', ?2) WHERE id = ?1", "si",
                    doing->card->id, number);
    set_state(doing, "done");
    note(doing, "done", NULL);
    return ERR_OK;
}

static int act_switch(struct doing *doing)
{
    const char *act = json_text(doing->order, "act", "off");
    set_state(doing, act);
    note(doing, act, NULL);
    return ERR_OK;
}

static const struct act {
    const char *name;
    const char *letters; /* of the kinds it is for; "": all */
    int (*run)(struct doing *doing);
} acts[] = {
    {"sign", "P", act_sign},     {"check", "G", act_check},     {"issue", "G", act_issue},
    {"return", "G", act_return}, {"lost", "G", act_lost},       {"read", "MP", act_read},
    {"off", "", act_switch},     {"inspect", "K", act_inspect}, {"attend", "A", act_attend},
    {"done", "A", act_done},     {"on", "", act_switch},
};

int card_act(struct duty *duty, const struct json *order, struct err *err)
{
    struct card card;
    struct doing doing = {.duty = duty, .order = order, .card = &card, .err = err};
    const char *name = json_text(order, "act", "");
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!card_load(duty, json_text(order, "code", ""), &card))
        return err_set(err, ERR_NOT_FOUND, "there is no card %.12s", json_text(order, "code", ""));
    int code = person_named(duty, json_text(order, "by", NULL), &doing.by, err);
    if (code != ERR_OK)
        return code;
    part_touch(duty, PART_NEIGHBOUR);
    part_touch(duty, PART_GEAR);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!text_equal(acts[i].name, name))
            continue;
        if (acts[i].letters[0] != '\0' && strchr(acts[i].letters, card.code[0]) == NULL)
            return err_set(err, ERR_STATE, "%s is a %s: it cannot %s", card.code, card.kind, name);
        return acts[i].run(&doing);
    }
    return err_set(err, ERR_INVALID, "\"%.16s\" cannot be done with a card", name);
}
