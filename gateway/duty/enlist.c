/* Volunteers' consent; see enlist.h. */
#include "gateway/duty/enlist.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/privacy.h"
#include "gateway/base/text.h"
#include "gateway/duty/internal.h"

enum { ANSWER_MS = 7 * CALTIME_DAY_MS, NAME_CHARS = 20 };

static bool is_kind(const char *kind)
{
    static const char *const kinds[] = {"parent", "teacher", "yijing", "grid"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_equal(kinds[i], kind))
            return true;
    return false;
}

static bool is_stopped(struct duty *duty, const char *phone)
{
    return person_stopped(duty, phone) ||
           replica_get_int(duty->replica, 0, "SELECT 1 FROM stopped WHERE hash = phone_hash(?1)",
                           "s", phone) != 0;
}

bool enlist_is_staff(const struct person *person)
{
    return person->school_id[0] != '\0' &&
           (text_equal(person->kind, "teacher") || text_equal(person->kind, "school_security") ||
            text_equal(person->kind, "guard") || text_equal(person->kind, "school_staff"));
}

static int check_coordinator(struct duty *duty, const struct enlist_entry *entry,
                             const char *school_id, struct person *ret, struct err *err)
{
    int code = person_named(duty, entry->by, ret, err);
    if (code != ERR_OK)
        return code;
    if (!enlist_is_staff(ret) || !text_equal(ret->school_id, school_id))
        return err_set(err, ERR_STATE, "%s is not of that school's staff", ret->name);
    return ERR_OK;
}

static int check_entry(const struct enlist_entry *entry, struct err *err)
{
    if (!is_kind(entry->kind))
        return err_set(err, ERR_INVALID, "\"%.16s\" is none of parent, teacher, yijing, grid",
                       entry->kind == NULL ? "" : entry->kind);
    if (entry->name == NULL || entry->name[0] == '\0' ||
        !text_utf8_valid(entry->name, strlen(entry->name)) ||
        text_utf16_units(entry->name) > NAME_CHARS)
        return err_set(err, ERR_INVALID, "a name of 1 to %d characters is needed", NAME_CHARS);
    if (entry->phone == NULL)
        return err_set(err, ERR_INVALID, "a telephone number is needed");
    return privacy_check("the name", entry->name, err);
}

static enum enlist_outcome enter(struct duty *duty, const struct enlist_entry *entry,
                                 const char *school_id, const char *by_id,
                                 char ret_id[LIMIT_ID_BYTES + 1])
{
    if (is_stopped(duty, entry->phone))
        return ENLIST_STOPPED;
    replica_new_id(duty->replica, ret_id);
    return replica_run(duty->replica,
                       "INSERT INTO enlist(id, school_id, kind, name, phone, state, entered_by,"
                       " entered_at) VALUES (?1, ?2, ?3, ?4, ?5, 'entered', ?6, ?7)"
                       " ON CONFLICT DO NOTHING",
                       "ssssssi", ret_id, school_id, entry->kind, entry->name, entry->phone, by_id,
                       duty->now_ms) == 1
               ? ENLIST_NEW
               : ENLIST_SAME;
}

int enlist_put(struct duty *duty, const struct enlist_entry *entry, char ret_id[LIMIT_ID_BYTES + 1],
               enum enlist_outcome *ret, struct err *err)
{
    char school_id[DUTY_ID_SIZE];
    struct person by;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (entry->school == NULL || !school_named(duty, entry->school, school_id))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station",
                       entry->school == NULL ? "" : entry->school);
    int code = check_coordinator(duty, entry, school_id, &by, err);
    if (code == ERR_OK)
        code = check_entry(entry, err);
    if (code == ERR_OK)
        *ret = enter(duty, entry, school_id, by.id, ret_id);
    return code;
}

int enlist_add(struct duty *duty, const struct enlist_entry *entry, char ret_id[LIMIT_ID_BYTES + 1],
               struct err *err)
{
    enum enlist_outcome outcome = ENLIST_NEW;
    int code = enlist_put(duty, entry, ret_id, &outcome, err);
    if (code != ERR_OK)
        return code;
    if (outcome == ENLIST_STOPPED)
        return err_set(err, ERR_STATE,
                       "this number wanted no more texts: only its holder can change that");
    if (outcome == ENLIST_SAME)
        return err_set(err, ERR_STATE, "this number is entered for that school already");
    return ERR_OK;
}

static void ask(struct duty *duty, const char *id)
{
    char phone[DUTY_PHONE_SIZE], school[DUTY_NAME_SIZE] = "";
    if (!replica_get_text(duty->replica, phone, sizeof phone,
                          "SELECT phone FROM enlist WHERE id = ?1", "s", id))
        return;
    replica_get_text(duty->replica, school, sizeof school,
                     "SELECT coalesce(nullif(s.short, ''), s.name) FROM enlist e"
                     " JOIN school s ON s.id = e.school_id WHERE e.id = ?1",
                     "s", id);
    struct text_fields fields = {.school = school};
    struct say what = {
        .text = TEXT_C1_CONSENT,
        .phone = phone,
        .lang = "",
        .prio = DUTY_PRIO_BULK,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = duty->now_ms + (int64_t)ANSWER_MS,
        .ref_kind = "enlist",
        .ref_id = id,
        .prompt =
            prompt_open(duty, phone, "enlist", id, NULL, true, duty->now_ms + (int64_t)ANSWER_MS),
    };
    say(duty, &what, &fields, "C1:%s", id);
}

/* Those that wait: one by its id, a school's, or "all". */
static void waiting(struct duty *duty, const char *which, struct ids *ret)
{
    char school[DUTY_ID_SIZE] = "";
    bool of_school = school_named(duty, which, school);
    struct query *q =
        replica_query(duty->replica, "SELECT id FROM enlist WHERE state = 'entered' AND (id = ?1"
                                     " OR ?1 = 'all' OR school_id = ?2) ORDER BY entered_at, id");
    query_text(q, 1, which);
    query_text(q, 2, of_school ? school : NULL);
    ids_collect(q, ret);
}

static void decide(struct duty *duty, const char *id, const char *officer_id, bool approve)
{
    if (!approve) {
        replica_run(duty->replica, "DELETE FROM enlist WHERE id = ?1", "s", id);
        return;
    }
    replica_run(duty->replica,
                "UPDATE enlist SET state = 'approved', approved_by = ?2, approved_at = ?3,"
                " asked_at = ?3 WHERE id = ?1",
                "ssi", id, officer_id, duty->now_ms);
    ask(duty, id);
}

int enlist_decide(struct duty *duty, const char *which, const char *by, bool approve,
                  int *ret_count, struct err *err)
{
    struct person officer;
    struct ids ids;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = person_named(duty, by, &officer, err);
    if (code != ERR_OK)
        return code;
    if (!text_equal(officer.kind, "police"))
        return err_set(err, ERR_STATE, "%s is no police officer: the station approves",
                       officer.name);
    waiting(duty, which, &ids);
    *ret_count = ids.count;
    for (int i = 0; i < ids.count; i++)
        decide(duty, ids.at[i], officer.id, approve);
    ids_free(&ids);
    if (*ret_count == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no entry %.40s that waits for approval",
                       which);
    return ERR_OK;
}

/* A yes that is repeated or taken back is welcomed again: C2 says how to stop. */
static void say_yes(struct duty *duty, const struct incoming *in, const struct question *question)
{
    struct text_fields none = {0};
    if (question->answer[0] == '\0') {
        question_mark(duty, question, "1");
        term_answered(duty, in, question->ref_id, "1");
        replica_run(duty->replica,
                    "UPDATE enlist SET state = 'consented', consented_at = ?2, consent_text = ?3"
                    " WHERE id = ?1",
                    "sis", question->ref_id, duty->now_ms, in->text->id);
        replica_run(duty->replica, "DELETE FROM stopped WHERE hash = phone_hash(?1)", "s",
                    in->text->phone);
        log_info("duty.consent", "entry=%s text=%s", question->ref_id, in->text->id);
    }
    answer_asking(duty, in, TEXT_C2_WELCOME, &none, question->id);
}

/* Nobody asks this number again. Who is on the list, or agreed elsewhere, said no to one school
 * only: the hash would silence what was agreed to. */
static void remember_no(struct duty *duty, const struct incoming *in)
{
    if (!in->known)
        replica_run(duty->replica,
                    "INSERT INTO stopped(hash, at) SELECT phone_hash(?1), ?2 WHERE NOT EXISTS"
                    " (SELECT 1 FROM enlist WHERE phone = ?1 AND state = 'consented')"
                    " ON CONFLICT DO NOTHING",
                    "si", in->text->phone, duty->now_ms);
}

/* Not answered, because who says no wants no more texts. A digit after a no may be about a duty:
 * with its code it is. */
void enlist_take(struct duty *duty, const struct incoming *in, const struct question *question,
                 bool yes)
{
    bool said_no = text_equal(question->answer, "2");
    if (said_no && in->known && answer_open(duty, in) > 0) {
        answer_list_codes(duty, in);
    } else if (!said_no && (yes || question->answer[0] != '\0')) {
        say_yes(duty, in, question);
    } else if (!said_no) {
        question_mark(duty, question, "2");
        if (term_answered(duty, in, question->ref_id, "2"))
            return;
        replica_run(duty->replica, "DELETE FROM enlist WHERE id = ?1", "s", question->ref_id);
        remember_no(duty, in);
    }
}
