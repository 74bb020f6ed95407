/* A card comes in: the order is checked against the table of kinds first, then written whole, the
 * card and an event that says who did it. A card that is changed keeps its former body in that
 * event. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/card_internal.h"

enum { NUMBER_MAX = 1000000 };

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
    if (text != NULL && !is_one_of(text, field->one_of))
        return err_set(err, ERR_INVALID, "%s is one of%s", field->name, field->one_of);
    if (text == NULL || !fits(text, limit))
        return err_set(err, ERR_INVALID, "%s has at most %d characters", field->name, limit);
    json_set_text(body, field->name, text);
    return text_equal(field->name, "number") ? ERR_OK /* of a piece of gear */
                                             : privacy_check(field->name, text, err);
}

static int check_date(const struct card_field *field, const char *text, struct json *body,
                      struct err *err)
{
    int64_t day;
    if (text == NULL || !caltime_parse_date(text, &day))
        return err_set(err, ERR_INVALID, "\"%.20s\" is no date: write it as 2026-09-30",
                       text == NULL ? "" : text);
    json_set_text(body, field->name, text);
    return ERR_OK;
}

static int check_field(const struct card_kind *kind, const struct card_field *field,
                       const struct json *order, struct json *body, struct err *err)
{
    if (json_get(order, field->name) == NULL)
        return field->required ? err_set(err, ERR_INVALID, "a %s needs %s", kind->name, field->name)
                               : ERR_OK;
    const char *text = json_text(order, field->name, NULL);
    return field->type == CARD_NUMBER ? check_number(field, order, body, err)
           : field->type == CARD_DATE ? check_date(field, text, body, err)
                                      : check_text(field, text, body, err);
}

static int check_fields(struct entry *entry, const struct json *order, struct err *err)
{
    struct json *body = json_new_object();
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < CARD_FIELDS && entry->kind->fields[i].name != NULL; i++)
        code = check_field(entry->kind, &entry->kind->fields[i], order, body, err);
    if (code == ERR_OK && !json_write(body, &entry->body))
        code = err_set(err, ERR_LIMIT, "the card is longer than %d bytes", CARD_BODY_BYTES);
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
        code = card_check_school(duty, json_text(order, "school", NULL), entry->school_id, err);
    if (code == ERR_OK)
        code = check_person(duty, json_text(order, "person", NULL), entry->person_id, err);
    if (code == ERR_OK)
        code = check_org(duty, json_text(order, "ref", NULL), entry->ref_id, err);
    if (code == ERR_OK)
        code = check_time(entry, order, err);
    return code == ERR_OK ? check_fields(entry, order, err) : code;
}

/* --- writing --- */

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
    char before[CARD_BODY_BYTES];
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
        card_code_next(duty, entry->kind->letter, card->code);
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
    buf_init(&entry.body, CARD_BODY_BYTES);
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
        part_touch(duty, PART_GEAR);
    }
    buf_free(&entry.body);
    return code;
}
