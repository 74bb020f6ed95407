/* 登记: a school's coordinator enters its volunteers by text, one or several:
 *
 *   登记 李娜 13800000001          登记义警
 *                                  王强 138 0000 0002
 *
 * The text itself is read, because folding would change names (王一). A number ends at the first
 * character that no number has; what stands before it is the name. Each becomes an entry that the
 * station approves (enlist.c); who could not be entered is named in the answer with the reason. The
 * text is emptied after two weeks, so that a number does not outlive its entry in it. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/duty/enlist.h"
#include "gateway/duty/internal.h"

enum { PEOPLE_MAX = 40, NAME_SIZE = 96, NUMBER_SIZE = 32, REPORT_SIZE = 48 };

struct entered {
    char name[NAME_SIZE];
    char number[NUMBER_SIZE]; /* as written, digits and '+' */
};

/* Full-width forms as ASCII. */
static uint32_t plain(uint32_t cp)
{
    if (cp >= 0xff01 && cp <= 0xff5e)
        return cp - 0xff01 + '!';
    return cp == 0x3000 || cp == 0xa0 ? ' ' : cp;
}

static bool is_separator(uint32_t cp)
{
    static const uint32_t list[] = {' ', '\t', '\r', '\n', ',', ';', ':', '.', 0x3001, 0x3002, 0};
    for (const uint32_t *at = list; *at != 0; at++)
        if (*at == cp)
            return true;
    return false;
}

static size_t next(const char *text, uint32_t *ret_cp)
{
    size_t length = text_utf8_decode(text, strlen(text), ret_cp);
    if (length == 0) { /* a broken byte */
        *ret_cp = ' ';
        return 1;
    }
    *ret_cp = plain(*ret_cp);
    return length;
}

static void append(char *ret, size_t size, uint32_t cp)
{
    char bytes[4];
    size_t used = strlen(ret), length = text_utf8_encode(cp, bytes);
    if (used + length < size) {
        memcpy(ret + used, bytes, length);
        ret[used + length] = '\0';
    }
}

/* Moves *text behind the digits of a number that begins there. */
static void take_number(const char **text, char ret[NUMBER_SIZE])
{
    uint32_t cp;
    for (size_t length; **text != '\0'; *text += length) {
        length = next(*text, &cp);
        if ((cp >= '0' && cp <= '9') || cp == '+')
            append(ret, NUMBER_SIZE, cp);
        else if (cp != ' ' && cp != '-' && cp != '(' && cp != ')')
            return;
    }
}

static void trim_end(char *name)
{
    for (size_t size = strlen(name); size > 0 && name[size - 1] == ' '; size--)
        name[size - 1] = '\0';
}

/* The next name and number; a name with no number behind it is one too. False: nothing is left. */
static bool next_person(const char **text, struct entered *ret)
{
    uint32_t cp;
    *ret = (struct entered){"", ""};
    for (size_t length; **text != '\0'; *text += length) {
        length = next(*text, &cp);
        if ((cp >= '0' && cp <= '9') || cp == '+') {
            take_number(text, ret->number);
            break;
        }
        if (is_separator(cp)) /* blanks within a name stay: Li Na */
            cp = ret->name[0] != '\0' ? ' ' : 0;
        if (cp != 0)
            append(ret->name, sizeof ret->name, cp);
    }
    trim_end(ret->name);
    return ret->name[0] != '\0' || ret->number[0] != '\0';
}

/* Behind the command and a kind, if one is named; the kind is a parent else. */
static const char *kind_of(const char *body, const char **ret_rest)
{
    static const char *const words[] = {"登记", "登記", "ADD", "Add", "add"};
    static const struct {
        const char *word, *kind;
    } kinds[] = {{"家长", "parent"},  {"老师", "teacher"}, {"教师", "teacher"},
                 {"义警", "yijing"},  {"网格员", "grid"},  {"teacher", "teacher"},
                 {"yijing", "yijing"}};
    const char *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof words / sizeof words[0]; i++) {
        found = strstr(body, words[i]);
        body = found != NULL ? found + strlen(words[i]) : body;
    }
    uint32_t cp;
    for (size_t length; *body != '\0' && (length = next(body, &cp)) > 0 && is_separator(cp);)
        body += length;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size = strlen(kinds[i].word);
        if (strncmp(body, kinds[i].word, size) != 0)
            continue;
        next(body + size, &cp);
        if (!is_separator(cp))
            continue;
        *ret_rest = body + size;
        return kinds[i].kind;
    }
    *ret_rest = body;
    return "parent";
}

enum trouble { TROUBLE_NONE, TROUBLE_NUMBER, TROUBLE_STOPPED, TROUBLE_NAME };

static enum trouble enter_one(struct duty *duty, const struct incoming *in, const char *kind,
                              const struct entered *person)
{
    char normal[LIMIT_PHONE_DIGITS + 4], phone[DUTY_PHONE_SIZE], id[LIMIT_ID_BYTES + 1];
    enum enlist_outcome outcome = ENLIST_NEW;
    struct err err = {0};
    if (strlen(person->number) < 7 ||
        !text_normalise_phone(person->number, duty->options.country, normal, sizeof normal) ||
        !replica_get_text(duty->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", normal))
        return TROUBLE_NUMBER;
    struct enlist_entry entry = {in->person.school_id, kind, person->name, phone, in->person.id};
    if (enlist_put(duty, &entry, id, &outcome, &err) != ERR_OK)
        return TROUBLE_NAME;
    return outcome == ENLIST_STOPPED ? TROUBLE_STOPPED : TROUBLE_NONE;
}

static void add_trouble(const struct incoming *in, const struct entered *person,
                        enum trouble trouble, char list[DUTY_LIST_SIZE])
{
    static const char *const words[][TEXT_LANG_COUNT] = {
        [TROUBLE_NONE] = {"", ""},
        [TROUBLE_NUMBER] = {"号码不对", "bad number"},
        [TROUBLE_STOPPED] = {"已退订", "wants no texts"},
        [TROUBLE_NAME] = {"姓名不对", "bad name"},
    };
    size_t used = strlen(list);
    if (used + REPORT_SIZE + NAME_SIZE < DUTY_LIST_SIZE)
        snprintf(list + used, DUTY_LIST_SIZE - used, "%s%s(%s)", used > 0 ? "；" : "",
                 person->name[0] != '\0' ? person->name : "?", words[trouble][in->lang]);
}

static void tell_desk(struct duty *duty, const struct incoming *in, int count)
{
    char body[DUTY_NAME_SIZE + REPORT_SIZE];
    snprintf(body, sizeof body,
             say_lang(duty, NULL) == TEXT_EN ? "%s entered %d volunteers: touyan volunteer list"
                                             : "%s登记了%d名志愿者，待批准：touyan volunteer list",
             in->person.name, count);
    desk_put(duty, "event", NULL, in->person.id, in->text->id, body);
}

void coordinator_text(struct duty *duty, const struct incoming *in)
{
    char list[DUTY_LIST_SIZE] = "";
    struct text_fields fields = {.list = list};
    struct entered person;
    const char *rest, *kind = kind_of(in->text->body, &rest);
    if (!in->known || !enlist_is_staff(&in->person) || rest[0] == '\0') {
        answer(duty, in, TEXT_V4_HOW, &fields);
        return;
    }
    for (int i = 0; i < PEOPLE_MAX && next_person(&rest, &person); i++) {
        enum trouble trouble = enter_one(duty, in, kind, &person);
        fields.count += trouble == TROUBLE_NONE;
        if (trouble != TROUBLE_NONE)
            add_trouble(in, &person, trouble, list);
    }
    replica_run(duty->replica, "INSERT OR IGNORE INTO enlist_text(text_id, at) VALUES (?1, ?2)",
                "si", in->text->id, duty->now_ms);
    if (fields.count > 0)
        tell_desk(duty, in, fields.count);
    log_info("duty.enlist", "text=%s count=%d", in->text->id, fields.count);
    answer(duty, in, list[0] == '\0' ? TEXT_V4_ENTERED : TEXT_V4_SOME, &fields);
}
