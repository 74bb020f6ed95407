/* The first day of a term (a card of kind term, due on that day): a week before it every volunteer
 * of the station's schools is asked whether he goes on (N5). 1 is a consent renewed, and what he
 * offered for the last term counts for the new one; 2 takes him out of the plans, and the desk
 * tells the school's list; who does not answer stays as he is on the list. The week itself is
 * planned as the most crowded (draft/demand.c). With the last day, too, parents' subscriptions end
 * with it (retention.c). */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum {
    ASK_DAYS = 7, /* before the first day */
    ASK_AT = 10 * 60,
    SLICE = 40,
};

#define TERM_REF "term:"

static void ask(struct duty *duty, const char *card_id, int64_t first_day,
                const struct person *person)
{
    char school[DUTY_NAME_SIZE] = "", ref[DUTY_KEY_SIZE];
    replica_get_text(duty->replica, school, sizeof school,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     person->school_id);
    snprintf(ref, sizeof ref, TERM_REF "%s", card_id);
    struct text_fields fields = {.school = school};
    struct say what = {
        .text = TEXT_N5_TERM,
        .phone = person->phone,
        .lang = person->lang,
        .prio = DUTY_PRIO_BULK,
        .not_before = times_after_quiet(&duty->options.policy, duty->now_ms),
        .not_after = first_day,
        .ref_kind = "enlist",
        .ref_id = ref,
        .prompt = prompt_open(duty, person->phone, "enlist", ref, NULL, true,
                              first_day + INT64_C(7) * CALTIME_DAY_MS),
    };
    say(duty, &what, &fields, "N5:%s:%s", card_id, person->id);
}

/* Volunteers with a phone who were not asked yet; one of each phone. */
static void ask_some(struct duty *duty, const char *card_id, int64_t first_day)
{
    struct ids ids;
    struct query *q = replica_query(
        duty->replica, "SELECT min(p.id) FROM person p JOIN school s ON s.id = p.school_id"
                       " WHERE s.station_id = ?2 AND coalesce(p.active, 1) <> 0"
                       " AND p.phone IS NOT NULL AND p.kind IN ('parent', 'teacher', 'yijing')"
                       " AND NOT EXISTS (SELECT 1 FROM optout x WHERE x.phone = p.phone)"
                       " AND NOT EXISTS (SELECT 1 FROM term_asked t WHERE t.card_id = ?1"
                       "  AND t.person_id = p.id) GROUP BY p.phone ORDER BY 1 LIMIT ?3");
    query_text(q, 1, card_id);
    query_text(q, 2, duty->options.station_id);
    query_int(q, 3, SLICE);
    ids_collect(q, &ids);
    for (int i = 0; i < ids.count; i++) {
        struct person person;
        if (!person_load(duty, ids.at[i], &person))
            continue;
        replica_run(duty->replica,
                    "INSERT INTO term_asked(card_id, person_id, asked_at) SELECT ?1, id, ?3"
                    " FROM person WHERE phone = ?2 ON CONFLICT DO NOTHING",
                    "ssi", card_id, person.phone, duty->now_ms);
        ask(duty, card_id, first_day, &person);
    }
    ids_free(&ids);
}

static int64_t term_due(struct duty *duty, const char *card_id)
{
    char date[CALTIME_DATE_SIZE] = "";
    int64_t first_day = 0;
    replica_get_text(duty->replica, date, sizeof date, "SELECT due_on FROM card WHERE id = ?1", "s",
                     card_id);
    if (caltime_parse_date(date, &first_day))
        ask_some(duty, card_id, first_day);
    return DUTY_NEVER;
}

/* A few dozen a minute: so many questions at once would hold up everything else. */
void term_tick(struct duty *duty)
{
    char today[CALTIME_DATE_SIZE], until[CALTIME_DATE_SIZE];
    if (duty->now_ms < times_at(duty->now_ms, 0, ASK_AT) ||
        times_quiet(&duty->options.policy, duty->now_ms))
        return;
    caltime_format_date(duty->now_ms, today);
    caltime_format_date(caltime_midnight(duty->now_ms, ASK_DAYS), until);
    struct query *q = replica_query(
        duty->replica, "SELECT id FROM card WHERE kind = 'term' AND state = 'on' AND due_on > ?1"
                       " AND due_on <= ?2 ORDER BY id LIMIT 4");
    query_text(q, 1, today);
    query_text(q, 2, until);
    rows_each(duty, q, term_due);
}

bool term_answered(struct duty *duty, const struct incoming *in, const char *ref_id,
                   const char *what)
{
    if (strncmp(ref_id, TERM_REF, strlen(TERM_REF)) != 0)
        return false;
    replica_run(duty->replica,
                "UPDATE term_asked SET answer = ?3, answered_at = ?4 WHERE card_id = ?1"
                " AND person_id IN (SELECT id FROM person WHERE phone = ?2)",
                "sssi", ref_id + strlen(TERM_REF), in->text->phone, what, duty->now_ms);
    log_info("duty.term", "text=%s answer=%s", in->text->id, what);
    if (in->known && text_equal(what, "2"))
        desk_put(duty, "stop", NULL, in->person.id, in->text->id, in->person.name);
    return true;
}

/* The first day of the running term: the newest card's, else 1 September or, after the winter
 * holidays, 1 February. */
int64_t term_start(struct duty *duty)
{
    char today[CALTIME_DATE_SIZE], date[CALTIME_DATE_SIZE] = "";
    struct caltime now = caltime_local(duty->now_ms);
    int64_t first_day = 0;
    int64_t usual = now.month >= 9   ? caltime_to_ms(now.year, 9, 1, 0, 0)
                    : now.month >= 2 ? caltime_to_ms(now.year, 2, 1, 0, 0)
                                     : caltime_to_ms(now.year - 1, 9, 1, 0, 0);
    caltime_format_date(duty->now_ms, today);
    replica_get_text(duty->replica, date, sizeof date,
                     "SELECT max(due_on) FROM card WHERE kind = 'term' AND due_on <= ?1", "s",
                     today);
    return caltime_parse_date(date, &first_day) && first_day > usual - INT64_C(60) * CALTIME_DAY_MS
               ? first_day
               : usual;
}
