/* An absence that somebody disputes. 申诉 makes the newest one of the last month "disputed", which
 * no account counts as a no-show, and an item of the desk; a leader decides (touyan roster decide):
 * he was there after all (a check-in of the leader's word, at the start, with no minutes that
 * nobody measured), he is excused, or he was away. The person is told. While the duty is on nothing
 * is disputed: who is there checks in. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { APPEAL_DAYS = 31 };

static bool newest_absence(struct duty *duty, const char *person_id, struct slot *ret)
{
    char id[DUTY_ID_SIZE];
    return replica_get_text(duty->replica, id, sizeof id,
                            "SELECT assignment_id FROM slot WHERE person_id = ?1 AND published"
                            " AND state IN ('no_show', 'disputed') AND start_at > ?2"
                            " AND start_at <= ?3 ORDER BY start_at DESC LIMIT 1",
                            "sii", person_id, duty->now_ms - (int64_t)APPEAL_DAYS * CALTIME_DAY_MS,
                            duty->now_ms) &&
           slot_load(duty, id, ret);
}

void verdict_appeal(struct duty *duty, const struct incoming *in)
{
    struct slot slot;
    struct slot_words words;
    struct text_fields none = {0};
    if (!in->known || !newest_absence(duty, in->person.id, &slot)) {
        answer(duty, in, TEXT_A17_NOTHING, &none);
        return;
    }
    struct text_fields fields = slot_fields(duty, in->lang, &slot, &words);
    if (slot.end_at > duty->now_ms) {
        answer(duty, in, TEXT_A17_STILL_ON, &fields);
        return;
    }
    if (text_equal(slot.state, "no_show")) {
        char body[DUTY_LIST_SIZE];
        replica_run(duty->replica, "UPDATE assignment SET state = 'disputed' WHERE id = ?1", "s",
                    slot.id);
        snprintf(body, sizeof body, "%s%s %s %s%s %s",
                 say_lang(duty, NULL) == TEXT_EN ? "objection: " : "申诉：", slot.date, slot.peak,
                 slot.school, slot.post, slot.person);
        desk_put(duty, "gap", in->text->phone, in->person.id, slot.id, body);
    }
    answer(duty, in, TEXT_A17_APPEAL, &fields);
}

/* --- what the leader says --- */

static const struct verdict {
    const char *word, *zh, *state;
    enum text_id text;
} verdicts[] = {
    {"came", "到岗", "done", TEXT_A18_CAME},
    {"excused", "请假", "excused", TEXT_A18_EXCUSED},
    {"absent", "缺岗", "no_show", TEXT_A18_ABSENT},
};

static const struct verdict *verdict_named(const char *word)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (text_equal(word, verdicts[i].word) || text_equal(word, verdicts[i].zh))
            return &verdicts[i];
    return NULL;
}

/* The person's own part of that peak, to which nobody checked in. */
static bool find_duty(struct duty *duty, const char *person_id, const char *date, const char *peak,
                      struct slot *ret)
{
    char id[DUTY_ID_SIZE];
    return replica_get_text(duty->replica, id, sizeof id,
                            "SELECT assignment_id FROM slot WHERE person_id = ?1 AND date = ?2"
                            " AND peak = ?3 AND published AND end_at <= ?4 AND state IN ('planned',"
                            " 'asked', 'confirmed', 'no_show', 'disputed', 'excused')"
                            " ORDER BY state = 'disputed' DESC, start_at LIMIT 1",
                            "sssi", person_id, date, peak, duty->now_ms) &&
           slot_load(duty, id, ret);
}

static void tell(struct duty *duty, const struct slot *slot, enum text_id text)
{
    struct slot_words words;
    struct text_fields fields = slot_fields(duty, say_lang(duty, slot->lang), slot, &words);
    struct say what = {
        .text = text,
        .phone = slot->phone,
        .lang = slot->lang,
        .prio = DUTY_PRIO_BULK,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = duty->now_ms + INT64_C(2) * CALTIME_DAY_MS,
        .ref_kind = "appeal",
        .ref_id = slot->id,
    };
    if (slot->phone[0] != '\0')
        say(duty, &what, &fields, "A18:%s:%d:%lld", slot->id, (int)text, (long long)duty->now_ms);
}

int verdict_give(struct duty *duty, const struct person *person, const struct verdict_words *said,
                 struct err *err)
{
    struct slot slot;
    const struct verdict *verdict = verdict_named(said->verdict);
    if (verdict == NULL)
        return err_set(err, ERR_INVALID, "\"%.20s\" is none of came, excused, absent",
                       said->verdict);
    if (!find_duty(duty, person->id, said->date, said->peak, &slot))
        return err_set(err, ERR_NOT_FOUND, "%s has no duty then that is over and was missed",
                       person->name);
    if (text_equal(verdict->state, "done"))
        checkin_by_word(duty, &slot);
    replica_run(duty->replica, "UPDATE assignment SET state = ?2 WHERE id = ?1", "ss", slot.id,
                verdict->state);
    replica_run(duty->replica,
                "INSERT INTO approval(assignment_id, by_id, at) VALUES (?1, ?2, ?3)"
                " ON CONFLICT(assignment_id) DO UPDATE SET by_id = excluded.by_id,"
                " at = excluded.at",
                "ssi", slot.id, said->by_id, duty->now_ms);
    replica_run(duty->replica,
                "UPDATE desk_item SET state = 'done' WHERE kind = 'gap' AND ref_id = ?1", "s",
                slot.id);
    tell(duty, &slot, verdict->text);
    log_info("duty.verdict", "assignment=%s verdict=%s by=%s", slot.id, verdict->word, said->by_id);
    return ERR_OK;
}
