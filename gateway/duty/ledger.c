/* The ledger of each school: 隐患 by text or by command opens an issue, 台账 lists what is open,
 * 销号 says that it is mended and, from a second person, closes it, 退回 opens it again. What is
 * overdue climbs: the leader after one day, the senior officer after three, the duty room after
 * seven, one message each a day however many there are.
 *
 * An issue without a school is none: the text goes to the desk, where a person asks. Titles are cut
 * and long numbers in them masked, because people write telephone numbers into everything. */
#include "gateway/duty/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/internal.h"

enum {
    TITLE_SIZE = LEDGER_TITLE_CHARS * 4 + 1,
    LIST_MAX = 8, /* more do not fit a text anyway */
    SEVERITY_DEFAULT = 2,
    GRID_MAX = 8, /* grid workers of one school */
    OVERDUE_KEEP_DAYS = 400,
};

struct issue {
    char id[DUTY_ID_SIZE];
    char code[COMMAND_CODE_SIZE];
    char state[16];
    char school_id[DUTY_ID_SIZE];
    char school[DUTY_NAME_SIZE];
    char scope[DUTY_ID_SIZE];
    char title[TITLE_SIZE];
    char reporter_id[DUTY_ID_SIZE];
    char fixed_by[DUTY_ID_SIZE];
    char due_on[CALTIME_DATE_SIZE];
};

/* --- states: pure --- */

static const struct act {
    const char *name;
    const char *from; /* states, each with a blank behind it */
    const char *to;
} acts[ISSUE_ACT_COUNT] = {
    [ISSUE_ASSIGN] = {"assign", "open assigned fixing ", "assigned"},
    [ISSUE_START] = {"start", "open assigned ", "fixing"},
    [ISSUE_FIX] = {"fix", "open assigned fixing ", "fixed"},
    [ISSUE_VERIFY] = {"verify", "fixed ", "closed"},
    [ISSUE_REOPEN] = {"reopen", "fixed closed merged ", "open"},
    [ISSUE_MERGE] = {"merge", "open assigned fixing fixed ", "merged"},
};

enum issue_act issue_act_named(const char *name)
{
    int act = 0;
    while (act < ISSUE_ACT_COUNT && !text_equal(acts[act].name, name))
        act++;
    return (enum issue_act)act;
}

const char *issue_next_state(const char *state, enum issue_act act)
{
    char word[24];
    snprintf(word, sizeof word, "%.16s ", state);
    const char *found = strstr(acts[act].from, word);
    bool whole = found != NULL && (found == acts[act].from || found[-1] == ' ');
    return whole ? acts[act].to : NULL;
}

/* Without line breaks, cut at LEDGER_TITLE_CHARS characters; numbers of people become one '*'. */
static void title_of(const char *words, char ret[TITLE_SIZE])
{
    char hidden[COMMAND_ARG_SIZE + TITLE_SIZE];
    size_t used = 0, length;
    int chars = 0;
    privacy_hide(words, hidden, sizeof hidden);
    for (const char *at = hidden; *at != '\0' && chars < LEDGER_TITLE_CHARS;
         at += length, chars++) {
        uint32_t cp;
        length = text_utf8_decode(at, strlen(at), &cp);
        if (length == 0) { /* cut within a character */
            length = 1;
        } else if (cp >= ' ') {
            memcpy(ret + used, at, length);
            used += length;
        }
    }
    ret[used] = '\0';
}

/* --- rows --- */

#define ISSUE_SELECT                                                                               \
    "SELECT i.id, i.code, i.state, i.school_id, coalesce(nullif(s.short, ''), s.name, ''),"        \
    " i.scope, i.title, i.reporter_id, i.fixed_by, i.due_on"                                       \
    " FROM issue i LEFT JOIN school s ON s.id = i.school_id"

/* Ends the query. */
static bool issue_read(struct query *q, struct issue *ret)
{
    const struct field fields[] = {
        {ret->id, sizeof ret->id},
        {ret->code, sizeof ret->code},
        {ret->state, sizeof ret->state},
        {ret->school_id, sizeof ret->school_id},
        {ret->school, sizeof ret->school},
        {ret->scope, sizeof ret->scope},
        {ret->title, sizeof ret->title},
        {ret->reporter_id, sizeof ret->reporter_id},
        {ret->fixed_by, sizeof ret->fixed_by},
        {ret->due_on, sizeof ret->due_on},
    };
    bool found = query_fields(q, fields, sizeof fields / sizeof fields[0]);
    query_done(q);
    return found;
}

static bool issue_load(struct duty *duty, const char *id, struct issue *ret)
{
    struct query *q = replica_query(duty->replica, ISSUE_SELECT " WHERE i.id = ?1");
    query_text(q, 1, id);
    return issue_read(q, ret);
}

/* The open one of this code; of those that are closed, the last. */
static bool issue_of_code(struct duty *duty, const char *code, struct issue *ret)
{
    struct query *q = replica_query(duty->replica, ISSUE_SELECT
                                    " WHERE i.code = ?1 ORDER BY i.state IN ('closed', 'merged'),"
                                    " i.found_at DESC LIMIT 1");
    query_text(q, 1, code);
    return issue_read(q, ret);
}

static void write_event(struct duty *duty, const struct issue *issue, const char *what,
                        const char *person_id, const char *detail)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO issue_event(id, scope, issue_id, at, what, person_id, detail)"
                " VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, ''), nullif(?7, ''))",
                "sssisss", id, issue->scope, issue->id, duty->now_ms, what, person_id, detail);
}

static void move(struct duty *duty, const struct issue *issue, enum issue_act act,
                 const char *person_id, const char *detail)
{
    replica_run(duty->replica,
                "UPDATE issue SET state = ?2, fixed_by = CASE ?3 WHEN 'fix' THEN ?4 WHEN 'reopen'"
                " THEN NULL ELSE fixed_by END WHERE id = ?1",
                "ssss", issue->id, issue_next_state(issue->state, act), acts[act].name, person_id);
    write_event(duty, issue, acts[act].name, person_id, detail);
    part_touch(duty, PART_LEDGER);
}

struct found {
    const char *school_id, *title, *category, *place, *source, *reporter_id;
    int severity;
};

static void tell_grid_one(struct duty *duty, const struct issue *issue, const char *person_id)
{
    struct person person;
    if (!person_load(duty, person_id, &person) || person.phone[0] == '\0')
        return;
    struct text_fields fields = {
        .school = issue->school, .code = issue->code, .list = issue->title};
    struct say what = {
        .text = TEXT_O10_GRID,
        .phone = person.phone,
        .lang = person.lang,
        .prio = DUTY_PRIO_BULK,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = duty->now_ms + (int64_t)CALTIME_DAY_MS,
        .ref_kind = "issue",
        .ref_id = issue->id,
    };
    say(duty, &what, &fields, "O10:%s:%s", issue->id, person_id);
}

/* 警网融合: the grid workers of a school see what was found there on their rounds. */
static void tell_grid(struct duty *duty, const struct issue *issue, const char *reporter_id)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM person WHERE kind = 'grid' AND school_id = ?1"
                       " AND coalesce(active, 1) <> 0 AND id IS NOT ?2 ORDER BY id LIMIT ?3");
    query_text(q, 1, issue->school_id);
    query_text(q, 2, reporter_id);
    query_int(q, 3, GRID_MAX);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++)
        tell_grid_one(duty, issue, ids.at[i]);
    ids_free(&ids);
}

/* Writes the issue and puts it on the desk, where somebody gives it to a department. */
static void open_issue(struct duty *duty, const struct found *found, struct issue *ret)
{
    static const int days_due[] = {7, 1, 7, 30}; /* by severity: 1 at once, 3 when there is time */
    char due[CALTIME_DATE_SIZE], body[DUTY_LIST_SIZE];
    *ret = (struct issue){.state = "open"};
    code_new(duty, ret->code);
    replica_new_id(duty->replica, ret->id);
    title_of(found->title, ret->title);
    text_copy(ret->school_id, sizeof ret->school_id, found->school_id);
    replica_get_text(duty->replica, ret->scope, sizeof ret->scope,
                     "SELECT coalesce(station_id, scope) FROM school WHERE id = ?1", "s",
                     found->school_id);
    replica_get_text(duty->replica, ret->school, sizeof ret->school,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     found->school_id);
    caltime_format_date(caltime_midnight(duty->now_ms, days_due[found->severity]), due);
    replica_run(duty->replica,
                "INSERT INTO issue(id, scope, school_id, code, source, category, place, title,"
                " reporter_id, found_at, state, severity, due_on) VALUES (?1, ?2, ?3, ?4, ?5,"
                " nullif(?6, ''), nullif(?7, ''), ?8, nullif(?9, ''), ?10, 'open', ?11, ?12)",
                "sssssssssiis", ret->id, ret->scope, ret->school_id, ret->code, found->source,
                found->category, found->place, ret->title, found->reporter_id, duty->now_ms,
                (int64_t)found->severity, due);
    write_event(duty, ret, "found", found->reporter_id, NULL);
    snprintf(body, sizeof body, "%s %s：%s", ret->code, ret->school, ret->title);
    desk_put(duty, "issue", NULL, found->reporter_id, ret->id, body);
    tell_grid(duty, ret, found->reporter_id);
    part_touch(duty, PART_LEDGER);
}

/* --- 隐患 --- */

/* The school that the words begin with ("S17东门路灯坏了"), else where the person stands, else the
 * person's own. */
static bool school_of_hazard(struct duty *duty, const struct incoming *in, char ret[DUTY_ID_SIZE])
{
    char word[COMMAND_ARG_SIZE];
    struct slot slot;
    text_copy(word, sizeof word, in->command.arg);
    word[strcspn(word, " ，,：:")] = '\0';
    if (school_named(duty, word, ret))
        return true;
    text_copy(ret, DUTY_ID_SIZE,
              checkin_on_post(duty, in->person.id, &slot) ? slot.school_id : in->person.school_id);
    return ret[0] != '\0' &&
           replica_get_int(duty->replica, 0, "SELECT 1 FROM school WHERE id = ?1", "s", ret) != 0;
}

void ledger_hazard(struct duty *duty, const struct incoming *in)
{
    char school_id[DUTY_ID_SIZE];
    struct issue issue;
    struct text_fields fields = {0};
    if (!in->known || in->command.arg[0] == '\0' || !school_of_hazard(duty, in, school_id)) {
        desk_put(duty, "text", in->text->phone, in->known ? in->person.id : NULL, in->text->id,
                 in->text->body);
        answer(duty, in, TEXT_A12_HAZARD_PASSED, &fields);
        return;
    }
    struct found found = {.school_id = school_id,
                          .title = in->command.arg,
                          .source = "sms",
                          .reporter_id = in->person.id,
                          .severity = in->command.urgent ? 1 : SEVERITY_DEFAULT};
    open_issue(duty, &found, &issue);
    fields.code = issue.code;
    fields.school = issue.school;
    answer(duty, in, TEXT_A12_HAZARD, &fields);
}

/* --- 台账 --- */

static int open_count(struct duty *duty, const char *school_id)
{
    return (int)replica_get_int(duty->replica, 0,
                                "SELECT count(*) FROM issue WHERE school_id = ?1"
                                " AND state NOT IN ('closed', 'merged')",
                                "s", school_id);
}

/* "0136东门违停(交警，1月9日前)；0141北门路灯(已超期)" */
static void open_list(struct duty *duty, enum text_lang lang, const char *school_id,
                      char ret[DUTY_LIST_SIZE])
{
    char today[CALTIME_DATE_SIZE];
    size_t used = 0;
    caltime_format_date(duty->now_ms, today);
    struct query *q = replica_query(
        duty->replica,
        "SELECT i.code || substr(i.title, 1, 8) || '(' || coalesce(nullif(o.short, '') || '，',"
        " o.name || '，', '') || CASE WHEN i.state = 'fixed' THEN ?3 WHEN i.due_on < ?2 THEN ?4"
        " ELSE substr(i.due_on, 6) END || ')' FROM issue i LEFT JOIN org o ON o.id = i.dept_id"
        " WHERE i.school_id = ?1 AND i.state NOT IN ('closed', 'merged')"
        " ORDER BY i.due_on, i.code LIMIT ?5");
    query_text(q, 1, school_id);
    query_text(q, 2, today);
    query_text(q, 3, lang == TEXT_EN ? "to verify" : "待复核");
    query_text(q, 4, lang == TEXT_EN ? "overdue" : "已超期");
    query_int(q, 5, LIST_MAX);
    ret[0] = '\0';
    while (query_row(q) && used < DUTY_LIST_SIZE - 64)
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%.60s", used > 0 ? "；" : "",
                                 query_get_text(q, 0));
    query_done(q);
}

void ledger_list(struct duty *duty, const struct incoming *in)
{
    char list[DUTY_LIST_SIZE];
    struct school_words school;
    if (!school_asked(duty, in, &school))
        return;
    struct text_fields fields = {.school = school.name, .school_code = school.code, .list = list};
    fields.count = open_count(duty, school.id);
    open_list(duty, in->lang, school.id, list);
    answer(duty, in, fields.count > 0 ? TEXT_O5_LEDGER : TEXT_O5_NOTHING, &fields);
}

/* --- 销号, 退回 --- */

static void tell_person(struct duty *duty, const struct issue *issue, const char *person_id,
                        enum text_id text)
{
    struct person person;
    if (!person_load(duty, person_id, &person) || person_stopped(duty, person.phone))
        return;
    struct text_fields fields = {
        .code = issue->code, .school = issue->school, .list = issue->title};
    struct say what = {
        .text = text,
        .phone = person.phone,
        .lang = person.lang,
        .prio = DUTY_PRIO_REMINDER,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = duty->now_ms + CALTIME_DAY_MS,
        .ref_kind = "issue",
        .ref_id = issue->id,
    };
    say(duty, &what, &fields, "%s:%s:%s:%lld", text_name(text), issue->id, person.id,
        (long long)duty->now_ms);
}

/* Who is asked to look: the leader, or the senior officer when the leader mended it. */
static void ask_to_verify(struct duty *duty, const struct issue *issue, const char *fixed_by)
{
    struct person other;
    if ((lead_find(duty, duty->options.station_id, 2, &other) && !text_equal(other.id, fixed_by)) ||
        (sponsor_find(duty, issue->school_id, &other) && !text_equal(other.id, fixed_by)))
        tell_person(duty, issue, other.id, TEXT_O6_VERIFY);
}

/* Those of the issues that were merged into this one too. */
static void tell_reporters(struct duty *duty, const struct issue *issue)
{
    struct ids ids;
    struct query *q = replica_query(duty->replica, "SELECT id FROM issue WHERE id = ?1"
                                                   " OR common_id = ?1 ORDER BY id");
    query_text(q, 1, issue->id);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct issue one;
        if (issue_load(duty, ids.at[i], &one))
            tell_person(duty, &one, one.reporter_id, TEXT_A13_HAZARD_DONE);
    }
    ids_free(&ids);
}

/* What follows from an act, whoever did it and by whatever way. */
static void act_done(struct duty *duty, const struct issue *issue, enum issue_act act,
                     const char *person_id)
{
    if (act == ISSUE_FIX)
        ask_to_verify(duty, issue, person_id);
    if (act == ISSUE_VERIFY)
        tell_reporters(duty, issue);
    if (act == ISSUE_REOPEN && issue->fixed_by[0] != '\0')
        tell_person(duty, issue, issue->fixed_by, TEXT_O6_SENT_BACK);
    if (act == ISSUE_VERIFY || act == ISSUE_MERGE)
        replica_run(duty->replica,
                    "UPDATE desk_item SET state = 'done' WHERE ref_id = ?1 AND state = 'open'", "s",
                    issue->id);
}

/* 销号 of what is mended is the second person's word, of anything else the first one's. */
static enum text_id close_or_verify(struct duty *duty, const struct issue *issue,
                                    const char *person_id)
{
    bool fixed = text_equal(issue->state, "fixed");
    enum issue_act act = fixed ? ISSUE_VERIFY : ISSUE_FIX;
    if (issue_next_state(issue->state, act) == NULL)
        return TEXT_O6_IS_CLOSED;
    if (fixed && text_equal(issue->fixed_by, person_id))
        return TEXT_O6_SECOND_PERSON;
    move(duty, issue, act, person_id, NULL);
    act_done(duty, issue, act, person_id);
    return fixed ? TEXT_O6_VERIFIED : TEXT_O6_CLOSED;
}

static bool issue_asked(struct duty *duty, const struct incoming *in, struct issue *ret)
{
    struct text_fields fields = {.code = in->command.code};
    if (!in->known)
        desk_not_understood(duty, in);
    else if (!issue_of_code(duty, in->command.code, ret))
        answer(duty, in, TEXT_L4_NO_CODE, &fields);
    else
        return true;
    return false;
}

void ledger_close(struct duty *duty, const struct incoming *in)
{
    struct issue issue;
    if (!issue_asked(duty, in, &issue))
        return;
    struct text_fields fields = {.code = issue.code, .school = issue.school};
    answer(duty, in, close_or_verify(duty, &issue, in->person.id), &fields);
}

void ledger_reopen(struct duty *duty, const struct incoming *in)
{
    struct issue issue;
    if (!issue_asked(duty, in, &issue))
        return;
    struct text_fields fields = {.code = issue.code, .school = issue.school};
    if (issue_next_state(issue.state, ISSUE_REOPEN) != NULL) {
        move(duty, &issue, ISSUE_REOPEN, in->person.id, NULL);
        act_done(duty, &issue, ISSUE_REOPEN, in->person.id);
    }
    answer(duty, in, TEXT_O6_REOPENED, &fields);
}

/* --- by hand --- */

static int assign(struct duty *duty, const struct issue *issue, const struct ledger_order *order,
                  struct err *err)
{
    int64_t due;
    char dept[DUTY_ID_SIZE];
    if (!replica_get_text(duty->replica, dept, sizeof dept,
                          "SELECT max(id) FROM org WHERE id = ?1 OR name = ?1 OR short = ?1"
                          " HAVING count(*) = 1",
                          "s", order->dept == NULL ? "" : order->dept))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one department of the county's list",
                       order->dept == NULL ? "" : order->dept);
    if (order->due != NULL && !caltime_parse_date(order->due, &due))
        return err_set(err, ERR_INVALID, "\"%.20s\" is no date: write it as 2026-09-30",
                       order->due);
    replica_run(duty->replica,
                "UPDATE issue SET dept_id = ?2, due_on = coalesce(?3, due_on) WHERE id = ?1", "sss",
                issue->id, dept, order->due);
    return ERR_OK;
}

/* The other one is the common problem; what stood for this one so far stands for it too. */
static int merge(struct duty *duty, const struct issue *issue, const struct ledger_order *order,
                 struct err *err)
{
    struct issue other;
    if (order->into == NULL || !issue_of_code(duty, order->into, &other) ||
        text_equal(other.id, issue->id) || text_equal(other.state, "merged"))
        return err_set(err, ERR_NOT_FOUND, "there is no other issue %.8s to merge into",
                       order->into == NULL ? "" : order->into);
    replica_run(duty->replica, "UPDATE issue SET common_id = ?2 WHERE id = ?1 OR common_id = ?1",
                "ss", issue->id, other.id);
    return ERR_OK;
}

static int check_order(const struct issue *issue, const struct ledger_order *order,
                       const struct person *by, struct err *err)
{
    if (issue_next_state(issue->state, order->act) == NULL)
        return err_set(err, ERR_STATE, "issue %s is \"%s\": it cannot %s now", issue->code,
                       issue->state, acts[order->act].name);
    if (order->act == ISSUE_VERIFY && text_equal(issue->fixed_by, by->id))
        return err_set(err, ERR_STATE, "%s says it is mended: somebody else has to look", by->name);
    return ERR_OK;
}

int ledger_act(struct duty *duty, const struct ledger_order *order, struct err *err)
{
    struct issue issue;
    struct person by;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (!issue_of_code(duty, order->code, &issue))
        return err_set(err, ERR_NOT_FOUND, "there is no issue %.8s", order->code);
    int code = person_named(duty, order->by, &by, err);
    if (code == ERR_OK)
        code = check_order(&issue, order, &by, err);
    if (code == ERR_OK && order->act == ISSUE_ASSIGN)
        code = assign(duty, &issue, order, err);
    if (code == ERR_OK && order->act == ISSUE_MERGE)
        code = merge(duty, &issue, order, err);
    if (code != ERR_OK)
        return code;
    if (order->severity >= 1 && order->severity <= 3)
        replica_run(duty->replica, "UPDATE issue SET severity = ?2 WHERE id = ?1", "si", issue.id,
                    (int64_t)order->severity);
    move(duty, &issue, order->act, by.id,
         order->act == ISSUE_ASSIGN  ? order->dept
         : order->act == ISSUE_MERGE ? order->into
                                     : NULL);
    act_done(duty, &issue, order->act, by.id);
    return ERR_OK;
}

int ledger_add(struct duty *duty, const struct ledger_entry *entry,
               char ret_code[COMMAND_CODE_SIZE], struct err *err)
{
    char school_id[DUTY_ID_SIZE];
    struct person by;
    struct issue issue;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (entry->title == NULL || entry->title[0] == '\0' ||
        !text_utf8_valid(entry->title, strlen(entry->title)))
        return err_set(err, ERR_INVALID, "say what is wrong in a few words");
    if (entry->school == NULL || !school_named(duty, entry->school, school_id))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station",
                       entry->school == NULL ? "" : entry->school);
    int code = privacy_check("the text", entry->title, err);
    if (code == ERR_OK)
        code = privacy_check("category", entry->category, err);
    if (code == ERR_OK)
        code = privacy_check("place", entry->place, err);
    if (code == ERR_OK)
        code = person_named(duty, entry->by, &by, err);
    if (code != ERR_OK)
        return code;
    struct found found = {.school_id = school_id,
                          .title = entry->title,
                          .category = entry->category,
                          .place = entry->place,
                          .source = entry->source != NULL ? entry->source : "command",
                          .reporter_id = by.id,
                          .severity = entry->severity >= 1 && entry->severity <= 3
                                          ? entry->severity
                                          : SEVERITY_DEFAULT};
    open_issue(duty, &found, &issue);
    text_copy(ret_code, COMMAND_CODE_SIZE, issue.code);
    return ERR_OK;
}

/* --- devices --- */

void ledger_found(struct duty *duty, const char *school_id, const char *title, int severity,
                  char ret_id[DUTY_ID_SIZE])
{
    struct found found = {.school_id = school_id,
                          .title = title,
                          .category = "device",
                          .source = "device",
                          .severity = severity};
    struct issue issue;
    open_issue(duty, &found, &issue);
    text_copy(ret_id, DUTY_ID_SIZE, issue.id);
}

void ledger_works_again(struct duty *duty, const char *issue_id)
{
    struct issue issue;
    if (issue_load(duty, issue_id, &issue) && issue_next_state(issue.state, ISSUE_FIX) != NULL)
        move(duty, &issue, ISSUE_FIX, NULL, "works again");
    replica_run(duty->replica,
                "UPDATE desk_item SET state = 'done' WHERE ref_id = ?1 AND state = 'open'", "s",
                issue_id);
}

void ledger_broken_again(struct duty *duty, const char *issue_id)
{
    struct issue issue;
    char body[DUTY_LIST_SIZE];
    if (!issue_load(duty, issue_id, &issue) || !text_equal(issue.state, "fixed"))
        return;
    move(duty, &issue, ISSUE_REOPEN, NULL, "broken again");
    snprintf(body, sizeof body, "%s %s：%s", issue.code, issue.school, issue.title);
    desk_put(duty, "issue", NULL, NULL, issue.id, body);
}

/* --- overdue --- */

/* Days after which each level hears of it. */
static const struct climb {
    int days, level;
} climbs[] = {{1, 2}, {3, 3}, {7, 4}};

static bool climb_to(struct duty *duty, const char *school_id, int level, struct person *ret)
{
    return level == 3 ? sponsor_find(duty, school_id, ret)
                      : lead_find(duty, duty->options.station_id, level, ret);
}

/* What one person hears: several issues, one message. */
struct overdue {
    struct person person;
    char list[DUTY_LIST_SIZE];
    char code[COMMAND_CODE_SIZE]; /* of the first one, as the example */
    size_t used;
    int count;
};

struct digest {
    struct overdue *of; /* owned */
    int count;
};

enum { DIGEST_PEOPLE_MAX = 64 }; /* more are told the next day */

static struct overdue *digest_of(struct digest *digest, const struct person *person)
{
    for (int i = 0; i < digest->count; i++)
        if (text_equal(digest->of[i].person.id, person->id))
            return &digest->of[i];
    if (digest->count == DIGEST_PEOPLE_MAX)
        return NULL;
    struct overdue *one = &digest->of[digest->count++];
    *one = (struct overdue){.person = *person};
    return one;
}

static void digest_add(struct duty *duty, struct digest *digest, const struct climb *climb,
                       const char *issue_id)
{
    struct issue issue;
    struct person person;
    if (!issue_load(duty, issue_id, &issue) ||
        !climb_to(duty, issue.school_id, climb->level, &person))
        return;
    struct overdue *one = digest_of(digest, &person);
    if (one == NULL || !step_once(duty, duty->now_ms + OVERDUE_KEEP_DAYS * (int64_t)CALTIME_DAY_MS,
                                  "O9:%s:%d:%s", issue.id, climb->level, issue.due_on))
        return;
    if (one->count++ == 0)
        text_copy(one->code, sizeof one->code, issue.code);
    if (one->used < sizeof one->list - 80)
        one->used +=
            (size_t)snprintf(one->list + one->used, sizeof one->list - one->used, "%s%s%.60s",
                             one->used > 0 ? "；" : "", issue.code, issue.title);
}

static void overdue_say(struct duty *duty, struct overdue *one, int level)
{
    char today[CALTIME_DATE_SIZE];
    struct text_fields fields = {.count = one->count, .list = one->list, .code = one->code};
    struct say what = {
        .text = TEXT_O9_OVERDUE,
        .phone = one->person.phone,
        .lang = one->person.lang,
        .prio = DUTY_PRIO_BULK,
        .not_after = times_at(duty->now_ms, 0, duty->options.policy.quiet_from),
        .ref_kind = "ledger",
        .ref_id = one->person.id,
    };
    caltime_format_date(duty->now_ms, today);
    say(duty, &what, &fields, "O9:%s:%d:%s", one->person.id, level, today);
}

static void overdue_level(struct duty *duty, const struct climb *climb)
{
    struct digest digest = {.of = calloc(DIGEST_PEOPLE_MAX, sizeof *digest.of)};
    char before[CALTIME_DATE_SIZE];
    if (digest.of == NULL)
        abort();
    caltime_format_date(caltime_midnight(duty->now_ms, -climb->days), before);
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM issue WHERE state IN ('open', 'assigned', 'fixing')"
                       " AND due_on <= ?1 AND NOT EXISTS (SELECT 1 FROM duty_step WHERE key ="
                       "  'O9:' || issue.id || ':' || ?2 || ':' || due_on) ORDER BY due_on, code");
    query_text(q, 1, before);
    query_int(q, 2, climb->level);
    struct ids ids;
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++)
        digest_add(duty, &digest, climb, ids.at[i]);
    for (int i = 0; i < digest.count; i++)
        overdue_say(duty, &digest.of[i], climb->level);
    ids_free(&ids);
    free(digest.of);
}

int64_t ledger_tick(struct duty *duty)
{
    int64_t today = times_at(duty->now_ms, 0, duty->options.policy.digest_at);
    if (duty->now_ms >= today && !times_quiet(&duty->options.policy, duty->now_ms))
        for (size_t i = 0; i < sizeof climbs / sizeof climbs[0]; i++)
            overdue_level(duty, &climbs[i]);
    return duty->now_ms < today ? today : times_at(duty->now_ms, 1, duty->options.policy.digest_at);
}
