/* Consent of the people behind the phones: 退订 at any time, and the double opt-in of 订阅.
 *
 * 退订 deletes the phone's questions, subscriptions, queued messages and stored bodies at once. A
 * volunteer who is still on the roster hears of changes of the own duty only, until the school
 * takes the name off the list, and may leave the roster with 退出. The number of somebody who is
 * not on the county's list is deleted with its messages fifteen days after 退订, or when nobody
 * answered the question of 订阅; the last backup that holds it goes fourteen days later. An
 * officer's 退订 goes to a person: alarms and duties are the job.
 *
 * Of a number that is forgotten after 退订, or that said no to C1 (enlist.c), a keyed hash is left
 * (table stopped): when the next list brings it back, a trigger puts it among those who want no
 * texts before anything is said. Who did not answer the question of 订阅, or said no, leaves
 * nothing.
 */
#include "gateway/duty/internal.h"

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    OPT_IN_MS = 6 * CALTIME_DAY_MS, /* gone within the seven that are promised */
    SEEK_MS = 36 * 3600 * 1000,     /* before a duty that is given back somebody is looked for */
    JUST_NOW_MS = 2 * CALTIME_MINUTE_MS,
    STOPPED_MS =
        15 * CALTIME_DAY_MS, /* backups of fourteen days on top are within the 30 promised */
    FORGET_ROWS = 200,
};

static void forget(struct duty *duty, const char *phone)
{
    replica_run(duty->replica, "DELETE FROM prompt WHERE phone = ?1", "s", phone);
    replica_run(duty->replica, "DELETE FROM subscription WHERE phone = ?1", "s", phone);
    replica_run(duty->replica, "DELETE FROM phone_last WHERE phone = ?1", "s", phone);
    replica_run(duty->replica, "DELETE FROM passive WHERE phone = ?1", "s", phone);
    replica_run(duty->replica, "DELETE FROM desk_item WHERE phone = ?1", "s", phone);
    replica_run(duty->replica, "DELETE FROM enlist WHERE phone = ?1", "s", phone);
    duty->ports.cancel_phone(duty->ports.ctx, phone, "stopped");
    if (duty->ports.erase_phone != NULL)
        duty->ports.erase_phone(duty->ports.ctx, phone);
}

/* A change of the own duty that had not gone out yet was cancelled with the rest: what was told
 * just now, or waits for the end of the quiet hours, is compared with the roster again and told
 * (N2). */
static void tell_changes_again(struct duty *duty, const char *phone)
{
    const struct duty_policy *policy = &duty->options.policy;
    int64_t since = duty->now_ms - JUST_NOW_MS;
    if (times_quiet(policy, duty->now_ms)) {
        int64_t quiet = times_at(duty->now_ms, 0, policy->quiet_from);
        since = quiet <= duty->now_ms ? quiet : times_at(duty->now_ms, -1, policy->quiet_from);
    }
    replica_run(duty->replica, "UPDATE notice SET start_at = 0 WHERE phone = ?1 AND told_at >= ?2",
                "si", phone, since);
    replica_run(duty->replica,
                "INSERT OR IGNORE INTO duty_touch(assignment_id)"
                " SELECT assignment_id FROM notice WHERE phone = ?1 AND start_at = 0",
                "s", phone);
}

/* The duties that are ahead of this phone, or running. */
#define DUTIES_OF_PHONE                                                                            \
    " FROM slot WHERE phone = ?1 AND end_at > ?2 AND published"                                    \
    " AND state IN ('planned', 'asked', 'confirmed', 'swapping', 'on_post')"

static int duties_of(struct duty *duty, const char *phone)
{
    return (int)replica_get_int(duty->replica, 0, "SELECT count(*)" DUTIES_OF_PHONE, "si", phone,
                                duty->now_ms);
}

void consent_stop(struct duty *duty, const struct incoming *in)
{
    struct text_fields none = {0};
    const char *phone = in->text->phone;
    if (in->known && in->role >= SENDER_OFFICER) {
        desk_put(duty, "stop", phone, in->person.id, in->text->id, in->text->body);
        answer(duty, in, TEXT_U1_NOT_UNDERSTOOD, &none);
        return;
    }
    bool volunteer = in->known;
    int duties = duties_of(duty, phone);
    forget(duty, phone);
    if (duties > 0)
        tell_changes_again(duty, phone);
    replica_run(duty->replica, "INSERT OR REPLACE INTO optout(phone, at) VALUES (?1, ?2)", "si",
                phone, duty->now_ms);
    if (volunteer) /* without the phone: only that the list has to be changed */
        desk_put(duty, "stop", NULL, in->person.id, in->text->id, in->person.name);
    log_info("duty.stop", "text=%s duties=%d", in->text->id, duties);
    none.count = duties;
    answer(duty, in,
           !volunteer   ? TEXT_P6_STOPPED
           : duties > 0 ? TEXT_A16_ON_ROSTER
                        : TEXT_A16_STOPPED,
           &none);
}

/* 退出 after 退订: every duty that has not begun is given back. For the next days somebody else is
 * looked for at once, the others are the next plan's. */
void consent_leave(struct duty *duty, const struct incoming *in)
{
    struct ids ids;
    struct text_fields fields = {.count = 0};
    if (!in->known || in->role >= SENDER_OFFICER || !person_stopped(duty, in->text->phone)) {
        desk_not_understood(duty, in);
        return;
    }
    struct query *q = replica_query(duty->replica, "SELECT assignment_id" DUTIES_OF_PHONE
                                                   " AND state <> 'on_post' ORDER BY start_at");
    query_text(q, 1, in->text->phone);
    query_int(q, 2, duty->now_ms);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct slot slot;
        if (!slot_load(duty, ids.at[i], &slot))
            continue;
        answer_release(duty, &slot, slot.start_at < duty->now_ms + SEEK_MS);
        fields.count++;
    }
    ids_free(&ids);
    desk_put(duty, "stop", NULL, in->person.id, in->text->id, in->person.name);
    answer(duty, in, TEXT_A16_LEFT, &fields);
}

static bool forget_one(struct duty *duty, const char *phone)
{
    replica_enter(duty->replica);
    forget(duty, phone);
    if (duty->ports.forget_phone != NULL)
        duty->ports.forget_phone(duty->ports.ctx, phone);
    replica_run(duty->replica,
                "INSERT INTO stopped(hash, at) SELECT phone_hash(phone), at FROM optout"
                " WHERE phone = ?1 ON CONFLICT DO NOTHING",
                "s", phone);
    replica_run(duty->replica, "DELETE FROM optout WHERE phone = ?1", "s", phone);
    return replica_leave(duty->replica, true);
}

static bool next_to_forget(struct duty *duty, char ret[DUTY_PHONE_SIZE])
{
    return replica_get_text(
        duty->replica, ret, DUTY_PHONE_SIZE,
        "SELECT phone FROM (SELECT phone FROM optout WHERE at < ?1 UNION"
        "  SELECT phone FROM prompt WHERE kind IN ('subscribe', 'enlist') AND (answer = '2'"
        "  OR (answered_at IS NULL AND expires_at < ?2))) f WHERE NOT EXISTS (SELECT 1 FROM person "
        "p WHERE p.phone = f.phone)"
        " AND NOT EXISTS (SELECT 1 FROM subscription s WHERE s.phone = f.phone)"
        " AND NOT EXISTS (SELECT 1 FROM enlist e WHERE e.phone = f.phone"
        "  AND e.state = 'consented') LIMIT 1",
        "ii", duty->now_ms - (int64_t)STOPPED_MS, duty->now_ms);
}

void consent_forget(struct duty *duty)
{
    char phone[DUTY_PHONE_SIZE];
    for (int i = 0; i < FORGET_ROWS && next_to_forget(duty, phone); i++)
        if (!forget_one(duty, phone)) {
            log_error("duty.forget", "%s", replica_problem(duty->replica));
            return; /* tomorrow again */
        }
}

void consent_subscribe(struct duty *duty, const struct incoming *in)
{
    char school[DUTY_ID_SIZE], name[DUTY_NAME_SIZE] = "";
    struct text_fields fields = {.school = name};
    if (in->command.arg[0] == '\0') {
        answer_sparingly(duty, in, TEXT_P9_WHICH_SCHOOL, &fields);
        return;
    }
    if (!school_named(duty, in->command.arg, school)) {
        answer_sparingly(duty, in, TEXT_P8_NO_SUCH_SCHOOL, &fields);
        return;
    }
    replica_get_text(duty->replica, name, sizeof name,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     school);
    answer_asking(duty, in, TEXT_P5_OPT_IN, &fields,
                  prompt_open(duty, in->text->phone, "subscribe", school, NULL, true,
                              duty->now_ms + OPT_IN_MS));
}

static void subscribe(struct duty *duty, const struct incoming *in, const char *school)
{
    char name[DUTY_NAME_SIZE] = "";
    replica_run(duty->replica,
                "INSERT OR IGNORE INTO subscription(phone, school_id, since) VALUES (?1, ?2, ?3)",
                "ssi", in->text->phone, school, duty->now_ms);
    if (!in->known) {
        replica_run(duty->replica, "DELETE FROM optout WHERE phone = ?1", "s", in->text->phone);
        replica_run(duty->replica, "DELETE FROM stopped WHERE hash = phone_hash(?1)", "s",
                    in->text->phone);
    }
    replica_get_text(duty->replica, name, sizeof name,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     school);
    struct text_fields fields = {.school = name};
    answer(duty, in, TEXT_P4_SUBSCRIBED, &fields);
}

/* A no is not answered: who says it wants no texts. The number goes with the next night. */
void consent_take(struct duty *duty, const struct incoming *in, const struct question *question,
                  bool yes)
{
    question_mark(duty, question, yes ? "1" : "2");
    if (yes)
        subscribe(duty, in, question->ref_id);
    else
        replica_run(duty->replica, "DELETE FROM subscription WHERE phone = ?1 AND school_id = ?2",
                    "ss", in->text->phone, question->ref_id);
}
