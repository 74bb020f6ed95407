/* Volunteers' consent; see enlist.h. */
#include "gateway/duty/enlist.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
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

static int check_coordinator(struct duty *duty, const struct enlist_entry *entry,
                             const char *school_id, struct person *ret, struct err *err)
{
    int code = person_named(duty, entry->by, ret, err);
    if (code != ERR_OK)
        return code;
    bool of_school = text_equal(ret->kind, "teacher") || text_equal(ret->kind, "school_security") ||
                     text_equal(ret->kind, "guard");
    if (!of_school || !text_equal(ret->school_id, school_id))
        return err_set(err, ERR_STATE, "%s is not of that school's staff", ret->name);
    return ERR_OK;
}

static int check_entry(struct duty *duty, const struct enlist_entry *entry, struct err *err)
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
    if (is_stopped(duty, entry->phone))
        return err_set(err, ERR_STATE,
                       "this number wanted no more texts: only its holder can change that");
    return ERR_OK;
}

int enlist_add(struct duty *duty, const struct enlist_entry *entry, char ret_id[LIMIT_ID_BYTES + 1],
               struct err *err)
{
    char school_id[DUTY_ID_SIZE];
    struct person by;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    if (entry->school == NULL || !school_named(duty, entry->school, school_id))
        return err_set(err, ERR_NOT_FOUND, "\"%.40s\" is not one school of this station",
                       entry->school == NULL ? "" : entry->school);
    int code = check_coordinator(duty, entry, school_id, &by, err);
    if (code == ERR_OK)
        code = check_entry(duty, entry, err);
    if (code != ERR_OK)
        return code;
    replica_new_id(duty->replica, ret_id);
    if (replica_run(duty->replica,
                    "INSERT INTO enlist(id, school_id, kind, name, phone, state, entered_by,"
                    " entered_at) VALUES (?1, ?2, ?3, ?4, ?5, 'entered', ?6, ?7)"
                    " ON CONFLICT DO NOTHING",
                    "ssssssi", ret_id, school_id, entry->kind, entry->name, entry->phone, by.id,
                    duty->now_ms) != 1)
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

int enlist_decide(struct duty *duty, const char *id, const char *by, bool approve, struct err *err)
{
    struct person officer;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    int code = person_named(duty, by, &officer, err);
    if (code != ERR_OK)
        return code;
    if (!text_equal(officer.kind, "police"))
        return err_set(err, ERR_STATE, "%s is no police officer: the station approves",
                       officer.name);
    int64_t changed =
        approve ? replica_run(duty->replica,
                              "UPDATE enlist SET state = 'approved', approved_by = ?2,"
                              " approved_at = ?3, asked_at = ?3 WHERE id = ?1"
                              " AND state = 'entered'",
                              "ssi", id, officer.id, duty->now_ms)
                : replica_run(duty->replica,
                              "DELETE FROM enlist WHERE id = ?1 AND state = 'entered'", "s", id);
    if (changed != 1)
        return err_set(err, ERR_NOT_FOUND, "there is no entry %.40s that waits for approval", id);
    if (approve)
        ask(duty, id);
    return ERR_OK;
}

/* A yes that is repeated or taken back is welcomed again: C2 says how to stop. A digit after a no
 * may be about a duty: with its code it is. */
bool enlist_confirm(struct duty *duty, const struct incoming *in)
{
    struct question question;
    struct text_fields none = {0};
    if (!question_answered(duty, in, "enlist", &question))
        return false;
    if (question.answer[0] == '\0') {
        question_mark(duty, &question, "1");
        replica_run(duty->replica,
                    "UPDATE enlist SET state = 'consented', consented_at = ?2, consent_text = ?3"
                    " WHERE id = ?1",
                    "sis", question.ref_id, duty->now_ms, in->text->id);
        replica_run(duty->replica, "DELETE FROM stopped WHERE hash = phone_hash(?1)", "s",
                    in->text->phone);
        log_info("duty.consent", "entry=%s text=%s", question.ref_id, in->text->id);
    }
    if (!text_equal(question.answer, "2"))
        answer_asking(duty, in, TEXT_C2_WELCOME, &none, question.id);
    else if (in->known && answer_open(duty, in) > 0)
        answer_list_codes(duty, in);
    return true;
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

/* Not answered, because who says no wants no more texts. */
bool enlist_decline(struct duty *duty, const struct incoming *in)
{
    struct question question;
    if (!question_answered(duty, in, "enlist", &question))
        return false;
    if (question.answer[0] != '\0')
        return enlist_confirm(duty, in); /* said before */
    question_mark(duty, &question, "2");
    replica_run(duty->replica, "DELETE FROM enlist WHERE id = ?1", "s", question.ref_id);
    remember_no(duty, in);
    return true;
}
