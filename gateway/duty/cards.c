/* Cards; see cards.h. Each order is checked against the table of kinds first, then written whole:
 * the card, and an event that says who did what. A card that is changed keeps its former body in
 * that event. */
#include "gateway/duty/cards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/internal.h"
#include "gateway/duty/ledger.h"

enum { BODY_BYTES = 8192, CHECK_DAYS = 90, SIGNATURES = 2, NUMBER_MAX = 1000000 };

const struct card_kind card_kinds[] = {
    {"plan",
     'P',
     "方案",
     CARD_MUST,
     CARD_MAY,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 8, " 防范 疏导 prevent divert "},
      {"steps", CARD_TEXT, true, CARD_STEPS_CHARS, NULL}}},
    {"checklist",
     'K',
     "检查表",
     CARD_MAY,
     CARD_NO,
     CARD_NO,
     false,
     {{"items", CARD_TEXT, true, 0, NULL}}},
    {"gear",
     'G',
     "装备",
     CARD_MAY,
     CARD_MAY,
     CARD_MAY,
     false,
     {{"type", CARD_TEXT, true, 12, NULL},
      {"number", CARD_TEXT, false, 20, NULL},
      {"post", CARD_TEXT, false, 40, NULL},
      {"days", CARD_NUMBER, false, 3660, NULL}}},
    {"method",
     'M',
     "工作方法",
     CARD_MAY,
     CARD_NO,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, false, 8, " 方法 案例 指引 method case guide "},
      {"steps", CARD_TEXT, true, 0, NULL},
      {"tags", CARD_TEXT, false, 60, NULL},
      {"post", CARD_TEXT, false, 40, NULL}}},
    {"partner",
     'T',
     "共建单位",
     CARD_MAY,
     CARD_MAY,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 8, NULL},
      {"liaison", CARD_TEXT, false, 20, NULL},
      {"offers", CARD_TEXT, false, 120, NULL},
      {"needs", CARD_TEXT, false, 120, NULL}}},
    {"neighbour",
     'N',
     "邻所",
     CARD_NO,
     CARD_NO,
     CARD_NO,
     false,
     {{NULL, CARD_TEXT, false, 0, NULL}}},
    {"cert",
     'C',
     "证书",
     CARD_NO,
     CARD_MUST,
     CARD_MUST,
     false,
     {{NULL, CARD_TEXT, false, 0, NULL}}},
    {"team",
     'S',
     "护学小组",
     CARD_MUST,
     CARD_MUST,
     CARD_NO,
     false,
     {{"deputy", CARD_TEXT, false, 20, NULL}}},
    {"system",
     'I',
     "安防系统",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"type", CARD_TEXT, true, 12, NULL}}},
    {"task",
     'L',
     "连带任务",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"post", CARD_TEXT, false, 40, NULL}}},
    {"term", 'Q', "学期", CARD_NO, CARD_NO, CARD_MUST, false, {{NULL, CARD_TEXT, false, 0, NULL}}},
    {"count",
     'X',
     "计数",
     CARD_MUST,
     CARD_NO,
     CARD_NO,
     false,
     {{"month", CARD_TEXT, true, 7, NULL}, {"number", CARD_NUMBER, true, 100000, NULL}}},
#define ACTIVITY(name, zh)                                                                         \
    {                                                                                              \
        name, 'A', zh, CARD_MAY, CARD_MAY, CARD_MUST, true,                                        \
        {                                                                                          \
            {"skill", CARD_TEXT, false, 12, NULL}, {"months", CARD_NUMBER, false, 120, NULL},      \
                {"who", CARD_TEXT, false, 12, " officers volunteers all "},                        \
                {"headcount", CARD_NUMBER, false, 100000, NULL},                                   \
            {                                                                                      \
                "decisions", CARD_TEXT, false, 0, NULL                                             \
            }                                                                                      \
        }                                                                                          \
    }
    ACTIVITY("training", "培训"),
    ACTIVITY("drill", "演练"),
    ACTIVITY("review", "案例复盘"),
    ACTIVITY("demo", "示范"),
    ACTIVITY("meeting", "联席会议"),
    ACTIVITY("publicity", "宣传"),
    {NULL, ' ', NULL, CARD_NO, CARD_NO, CARD_NO, false, {{NULL, CARD_TEXT, false, 0, NULL}}},
};

const struct card_kind *card_kind_named(const char *name)
{
    for (const struct card_kind *kind = card_kinds; kind->name != NULL; kind++)
        if (text_equal(kind->name, name) || text_equal(kind->zh, name))
            return kind;
    return NULL;
}

struct card {
    char id[DUTY_ID_SIZE];
    char scope[DUTY_ID_SIZE];
    char kind[16];
    char code[CARD_CODE_SIZE];
    char name[DUTY_NAME_SIZE];
    char school_id[DUTY_ID_SIZE];
    char person_id[DUTY_ID_SIZE];
    char state[16];
};

static bool card_read(struct query *q, struct card *ret)
{
    const struct field fields[] = {
        {ret->id, sizeof ret->id},
        {ret->scope, sizeof ret->scope},
        {ret->kind, sizeof ret->kind},
        {ret->code, sizeof ret->code},
        {ret->name, sizeof ret->name},
        {ret->school_id, sizeof ret->school_id},
        {ret->person_id, sizeof ret->person_id},
        {ret->state, sizeof ret->state},
    };
    bool found = query_fields(q, fields, sizeof fields / sizeof fields[0]);
    query_done(q);
    return found;
}

static bool card_load(struct duty *duty, const char *code, struct card *ret)
{
    struct query *q =
        replica_query(duty->replica, "SELECT id, scope, kind, code, name, school_id, person_id,"
                                     " state FROM card WHERE code = ?1 COLLATE NOCASE LIMIT 1");
    query_text(q, 1, code);
    return card_read(q, ret);
}

void card_note(struct duty *duty, const char *card_id, const char *school_id, const char *what,
               const char *person_id, const char *detail)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO card_event(id, scope, card_id, school_id, at, what, person_id, detail)"
                " SELECT ?1, scope, id, nullif(coalesce(?3, school_id), ''), ?4, ?5,"
                " nullif(?6, ''), nullif(?7, '') FROM card WHERE id = ?2",
                "sssisss", id, card_id, school_id, duty->now_ms, what, person_id, detail);
}

/* --- what comes in --- */

/* An order after the checks. */
struct entry {
    const struct card_kind *kind;
    const char *name;
    char school_id[DUTY_ID_SIZE];
    char person_id[DUTY_ID_SIZE];
    char ref_id[DUTY_ID_SIZE];
    char due[CALTIME_DATE_SIZE];
    int64_t at;
    struct buf body;
};

static bool fits(const char *text, int chars)
{
    return text_utf8_valid(text, strlen(text)) && text_utf16_units(text) <= chars;
}

static bool is_one_of(const char *text, const char *list)
{
    char word[64];
    snprintf(word, sizeof word, " %.60s ", text);
    return list == NULL || strstr(list, word) != NULL;
}

static int check_number(const struct card_field *field, const struct json *order, struct json *body,
                        struct err *err)
{
    const char *text = json_text(order, field->name, NULL);
    int limit = field->limit > 0 ? field->limit : NUMBER_MAX;
    int number = (int)json_int(order, field->name, -1);
    if (text != NULL && !text_to_int(text, 0, limit, &number))
        number = -1;
    if (number < 0 || number > limit)
        return err_set(err, ERR_INVALID, "%s is a number from 0 to %d", field->name, limit);
    json_set_int(body, field->name, number);
    return ERR_OK;
}

static int check_text(const struct card_field *field, const char *text, struct json *body,
                      struct err *err)
{
    int limit = field->limit > 0 ? field->limit : CARD_TEXT_CHARS;
    if (text == NULL || !fits(text, limit) || !is_one_of(text, field->one_of))
        return err_set(err, ERR_INVALID, "%s has at most %d characters%s%s", field->name, limit,
                       field->one_of != NULL ? " and is one of" : "",
                       field->one_of != NULL ? field->one_of : "");
    json_set_text(body, field->name, text);
    return text_equal(field->name, "number") ? ERR_OK /* of a piece of gear */
                                             : privacy_check(field->name, text, err);
}

static int check_field(const struct card_kind *kind, const struct card_field *field,
                       const struct json *order, struct json *body, struct err *err)
{
    if (json_get(order, field->name) == NULL)
        return field->required ? err_set(err, ERR_INVALID, "a %s needs %s", kind->name, field->name)
                               : ERR_OK;
    return field->type == CARD_NUMBER
               ? check_number(field, order, body, err)
               : check_text(field, json_text(order, field->name, NULL), body, err);
}

static int check_fields(struct entry *entry, const struct json *order, struct err *err)
{
    struct json *body = json_new_object();
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < CARD_FIELDS && entry->kind->fields[i].name != NULL; i++)
        code = check_field(entry->kind, &entry->kind->fields[i], order, body, err);
    if (code == ERR_OK && !json_write(body, &entry->body))
        code = err_set(err, ERR_LIMIT, "the card is longer than %d bytes", BODY_BYTES);
    json_free(body);
    return code;
}

static int check_need(enum card_need need, const char *what, const char *given, struct err *err)
{
    if (need == CARD_MUST && given == NULL)
        return err_set(err, ERR_INVALID, "%s is missing", what);
    if (need == CARD_NO && given != NULL)
        return err_set(err, ERR_INVALID, "this kind of card has no %s", what);
    return ERR_OK;
}

static int check_school(struct duty *duty, const char *named, char ret[DUTY_ID_SIZE],
                        struct err *err)
{
    if (named != NULL && !school_named(duty, named, ret))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station", named);
    return ERR_OK;
}

static int check_person(struct duty *duty, const char *named, char ret[DUTY_ID_SIZE],
                        struct err *err)
{
    struct person person;
    if (named == NULL)
        return ERR_OK;
    int code = person_named(duty, named, &person, err);
    if (code == ERR_OK)
        text_copy(ret, DUTY_ID_SIZE, person.id);
    return code;
}

static int check_org(struct duty *duty, const char *named, char ret[DUTY_ID_SIZE], struct err *err)
{
    if (named != NULL && !replica_get_text(duty->replica, ret, DUTY_ID_SIZE,
                                           "SELECT max(id) FROM org WHERE id = ?1 OR name = ?1"
                                           " OR short = ?1 HAVING count(*) = 1",
                                           "s", named))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one department of the county's list",
                       named);
    return ERR_OK;
}

static int check_time(struct entry *entry, const struct json *order, struct err *err)
{
    const char *due = json_text(order, "due", NULL), *clock = json_text(order, "clock", "08:00");
    int64_t midnight = 0;
    int minutes = 0;
    if (due != NULL && !caltime_parse_date(due, &midnight))
        return err_set(err, ERR_INVALID, "\"%.20s\" is no date: write it as 2026-09-30", due);
    if (!caltime_parse_clock(clock, &minutes))
        return err_set(err, ERR_INVALID, "\"%.20s\" is no time: write it as 15:00", clock);
    text_copy(entry->due, sizeof entry->due, due == NULL ? "" : due);
    if (entry->kind->activity)
        entry->at = midnight + (int64_t)minutes * CALTIME_MINUTE_MS;
    return ERR_OK;
}

static int check_entry(struct duty *duty, const struct json *order, struct entry *entry,
                       struct err *err)
{
    const struct {
        enum card_need need;
        const char *name;
    } needs[] = {{entry->kind->school, "school"},
                 {entry->kind->person, "person"},
                 {entry->kind->due, "due"}};
    entry->name = json_text(order, "name", "");
    if (entry->name[0] == '\0' || !fits(entry->name, CARD_NAME_CHARS))
        return err_set(err, ERR_INVALID, "a name of 1 to %d characters is needed", CARD_NAME_CHARS);
    int code = privacy_check("the name", entry->name, err);
    for (int i = 0; code == ERR_OK && i < 3; i++)
        code = check_need(needs[i].need, needs[i].name, json_text(order, needs[i].name, NULL), err);
    if (code == ERR_OK)
        code = check_school(duty, json_text(order, "school", NULL), entry->school_id, err);
    if (code == ERR_OK)
        code = check_person(duty, json_text(order, "person", NULL), entry->person_id, err);
    if (code == ERR_OK)
        code = check_org(duty, json_text(order, "ref", NULL), entry->ref_id, err);
    if (code == ERR_OK)
        code = check_time(entry, order, err);
    return code == ERR_OK ? check_fields(entry, order, err) : code;
}

/* --- writing --- */

static void code_next(struct duty *duty, char letter, char ret[CARD_CODE_SIZE])
{
    char first[2] = {letter, '\0'};
    snprintf(ret, CARD_CODE_SIZE, "%c%lld", letter,
             (long long)replica_get_int(duty->replica, 1,
                                        "SELECT max(CAST(substr(code, 2) AS INTEGER)) + 1 FROM card"
                                        " WHERE substr(code, 1, 1) = ?1",
                                        "s", first));
}

static void write_new(struct duty *duty, const struct entry *entry, const char *id,
                      const char *code)
{
    replica_run(duty->replica,
                "INSERT INTO card(id, scope, kind, code, name, school_id, person_id, ref_id, body,"
                " state, due_on, at) VALUES (?1, coalesce((SELECT coalesce(station_id, scope) FROM"
                " school WHERE id = ?5), ?11), ?2, ?3, ?4, nullif(?5, ''), nullif(?6, ''),"
                " nullif(?7, ''), ?8, 'on', nullif(?9, ''), nullif(?10, 0))",
                "sssssssssis", id, entry->kind->name, code, entry->name, entry->school_id,
                entry->person_id, entry->ref_id, buf_text(&entry->body), entry->due, entry->at,
                duty->options.station_id);
}

static void write_change(struct duty *duty, const struct entry *entry, const struct card *card,
                         const char *by)
{
    char before[BODY_BYTES];
    if (replica_get_text(duty->replica, before, sizeof before,
                         "SELECT body FROM card WHERE id = ?1", "s", card->id))
        card_note(duty, card->id, NULL, "changed", by, before);
    replica_run(duty->replica,
                "UPDATE card SET name = ?2, school_id = nullif(?3, ''), person_id = nullif(?4, ''),"
                " ref_id = nullif(?5, ''), body = ?6,"
                " state = iif(state = 'running', state, 'on'),"
                " due_on = coalesce(nullif(?7, ''), due_on), at = nullif(?8, 0) WHERE id = ?1",
                "sssssssi", card->id, entry->name, entry->school_id, entry->person_id,
                entry->ref_id, buf_text(&entry->body), entry->due, entry->at);
}

static void write_phone(struct duty *duty, const char *card_id, const char *phone)
{
    if (phone != NULL)
        replica_run(duty->replica,
                    "INSERT INTO card_phone(card_id, phone) VALUES (?1, ?2)"
                    " ON CONFLICT(card_id) DO UPDATE SET phone = excluded.phone",
                    "ss", card_id, phone);
}

/* The same count of the same month is one card. */
static bool same_count(struct duty *duty, const struct json *order, const struct entry *entry,
                       struct card *ret)
{
    char code[CARD_CODE_SIZE];
    return text_equal(entry->kind->name, "count") &&
           replica_get_text(duty->replica, code, sizeof code,
                            "SELECT code FROM card WHERE kind = 'count' AND school_id = ?1"
                            " AND name = ?2 AND json_extract(body, '$.month') = ?3",
                            "sss", entry->school_id, entry->name, json_text(order, "month", "")) &&
           card_load(duty, code, ret);
}

static int find_changed(struct duty *duty, const struct json *order, struct card *ret,
                        bool *ret_new, struct err *err)
{
    const char *code = json_text(order, "code", NULL);
    *ret_new = code == NULL;
    if (code != NULL && !card_load(duty, code, ret))
        return err_set(err, ERR_NOT_FOUND, "there is no card %.12s", code);
    return ERR_OK;
}

static void write_entry(struct duty *duty, const struct json *order, const struct entry *entry,
                        struct card *card, bool is_new, const char *by)
{
    if (is_new && !same_count(duty, order, entry, card)) {
        replica_new_id(duty->replica, card->id);
        code_next(duty, entry->kind->letter, card->code);
        write_new(duty, entry, card->id, card->code);
        card_note(duty, card->id, NULL, "made", by, NULL);
    } else {
        write_change(duty, entry, card, by);
    }
}

/* Texts from a box get no answer, so its number is nobody's. */
static int check_box(struct duty *duty, const struct card_kind *kind, const char *phone,
                     struct err *err)
{
    struct person person;
    if (phone == NULL || !text_equal(kind->name, "neighbour") ||
        !person_by_phone(duty, phone, &person))
        return ERR_OK;
    return err_set(err, ERR_STATE, "phone= is the number of that station's box, not of %s",
                   person.name);
}

int card_put(struct duty *duty, const struct json *order, const struct card_phones *phones,
             char ret_code[CARD_CODE_SIZE], struct err *err)
{
    struct card card = {.id = ""};
    struct person by;
    bool is_new;
    char leader[DUTY_ID_SIZE];
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = find_changed(duty, order, &card, &is_new, err);
    if (code == ERR_OK)
        code = person_named(duty, json_text(order, "by", NULL), &by, err);
    if (code != ERR_OK)
        return code;
    const char *kind = json_text(order, "kind", card.kind);
    struct entry entry = {.kind = card_kind_named(kind)};
    if (entry.kind == NULL || (!is_new && !text_equal(entry.kind->name, card.kind)))
        return err_set(err, ERR_INVALID, "\"%.16s\" is no kind of card: see touyan card kinds",
                       kind);
    buf_init(&entry.body, BODY_BYTES);
    code = check_entry(duty, order, &entry, err);
    if (code == ERR_OK)
        code = check_box(duty, entry.kind, phones->phone, err);
    if (code == ERR_OK) {
        write_entry(duty, order, &entry, &card, is_new, by.id);
        snprintf(leader, sizeof leader, "%.80s:leader", card.id);
        write_phone(duty, card.id, phones->phone);
        write_phone(duty, leader, phones->leader);
        text_copy(ret_code, CARD_CODE_SIZE, card.code);
        part_touch(duty, PART_ACTIVITY);
        part_touch(duty, PART_NEIGHBOUR);
    }
    buf_free(&entry.body);
    return code;
}

/* --- acts --- */

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
    char items[BODY_BYTES] = "", item[DUTY_LIST_SIZE], word[16];
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
    int code =
        check_school(doing->duty, json_text(doing->order, "school", NULL), school_id, doing->err);
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
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!text_equal(acts[i].name, name))
            continue;
        if (acts[i].letters[0] != '\0' && strchr(acts[i].letters, card.code[0]) == NULL)
            return err_set(err, ERR_STATE, "%s is a %s: it cannot %s", card.code, card.kind, name);
        return acts[i].run(&doing);
    }
    return err_set(err, ERR_INVALID, "\"%.16s\" cannot be done with a card", name);
}

/* --- a school's set-up for another --- */

static bool copy_one(struct duty *duty, const char *card_id, const char *to)
{
    char id[LIMIT_ID_BYTES + 1], code[CARD_CODE_SIZE], letter[2] = "";
    replica_get_text(duty->replica, letter, sizeof letter,
                     "SELECT substr(code, 1, 1) FROM card WHERE id = ?1", "s", card_id);
    replica_new_id(duty->replica, id);
    code_next(duty, letter[0], code);
    return replica_run(duty->replica,
                       "INSERT INTO card(id, scope, kind, code, name, school_id, body, state)"
                       " SELECT ?1, coalesce(s.station_id, s.scope), c.kind, ?2, c.name, s.id,"
                       " c.body, 'on' FROM card c JOIN school s ON s.id = ?4 WHERE c.id = ?3"
                       " AND NOT EXISTS (SELECT 1 FROM card o WHERE o.kind = c.kind"
                       "  AND o.school_id = ?4 AND o.name = c.name)",
                       "ssss", id, code, card_id, to) > 0;
}

int card_copy(struct duty *duty, const char *from_school, const char *to_school, int *ret_count,
              struct err *err)
{
    char from[DUTY_ID_SIZE] = "", to[DUTY_ID_SIZE] = "";
    struct ids ids;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = check_school(duty, from_school, from, err);
    if (code == ERR_OK)
        code = check_school(duty, to_school, to, err);
    if (code == ERR_OK && text_equal(from, to))
        code = err_set(err, ERR_INVALID, "both are the same school");
    if (code != ERR_OK)
        return code;
    struct query *q =
        replica_query(duty->replica, "SELECT id FROM card WHERE school_id = ?1 AND state <> 'off'"
                                     " AND kind IN ('plan', 'checklist', 'method') ORDER BY code");
    query_text(q, 1, from);
    ids_collect(q, &ids);
    *ret_count = 0;
    for (int i = 0; i < ids.count; i++)
        *ret_count += copy_one(duty, ids.at[i], to);
    ids_free(&ids);
    return ERR_OK;
}

bool card_draw(struct duty *duty, char *ret, size_t size)
{
    struct ids ids;
    ids_collect(replica_query(duty->replica,
                              "SELECT id FROM post WHERE coalesce(active, 1) <> 0 ORDER BY id"),
                &ids);
    bool found =
        ids.count > 0 && replica_get_text(duty->replica, ret, size,
                                          "SELECT coalesce(nullif(s.short, ''), s.name) || ' ' ||"
                                          " coalesce(nullif(p.short, ''), p.name) FROM post p"
                                          " JOIN school s ON s.id = p.school_id WHERE p.id = ?1",
                                          "s", ids.at[rnd_below(duty->rnd, (uint32_t)ids.count)]);
    ids_free(&ids);
    return found;
}
