/* What needs a person, and the answers that only help: a text that is not understood goes to the
 * desk's list (sealed) and is answered with where to find help, at most three times an hour; an
 * unknown number hears once a day what this number is for. Help and 我的班 are commands: they are
 * always answered. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum {
    MY_DUTIES_MS = 7 * CALTIME_DAY_MS,
    HOUR_MS = 60 * CALTIME_MINUTE_MS,
};

void desk_put(struct duty *duty, const char *kind, const char *phone, const char *person_id,
              const char *ref_id, const char *body)
{
    char id[LIMIT_ID_BYTES + 1];
    replica_new_id(duty->replica, id);
    replica_run(duty->replica,
                "INSERT INTO desk_item(id, at, kind, phone, person_id, ref_id, body)"
                " VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, seal(?7))",
                "sisssss", id, duty->now_ms, kind, phone, person_id, ref_id, body);
}

bool desk_may_help(struct duty *duty, const char *phone, enum text_id text)
{
    int64_t count = replica_get_int(duty->replica, 0,
                                    "SELECT count(*) FROM passive WHERE phone = ?1 AND at > ?2",
                                    "si", phone, duty->now_ms - (int64_t)HOUR_MS);
    if (count >= duty->options.policy.help_per_hour)
        return false;
    replica_run(duty->replica, "INSERT INTO passive(phone, at, text_id) VALUES (?1, ?2, ?3)", "sis",
                phone, duty->now_ms, text_name(text));
    return true;
}

static bool told_today(struct duty *duty, const char *phone)
{
    return replica_get_int(duty->replica, 0,
                           "SELECT count(*) FROM passive WHERE phone = ?1 AND text_id = ?2"
                           " AND at > ?3",
                           "ssi", phone, text_name(TEXT_U2_UNKNOWN),
                           duty->now_ms - (int64_t)CALTIME_DAY_MS) > 0;
}

void desk_not_understood(struct duty *duty, const struct incoming *in)
{
    const char *phone = in->text->phone;
    struct text_fields none = {0};
    desk_put(duty, "text", phone, in->known ? in->person.id : NULL, in->text->id, in->text->body);
    enum text_id text = in->known ? TEXT_U1_NOT_UNDERSTOOD : TEXT_U2_UNKNOWN;
    if (!in->text->can_answer || (!in->known && told_today(duty, phone)))
        return;
    if (desk_may_help(duty, phone, text))
        answer(duty, in, text, &none);
}

void desk_help(struct duty *duty, const struct incoming *in)
{
    struct text_fields none = {0};
    if (in->role >= SENDER_OFFICER)
        answer(duty, in, TEXT_V2_HELP_OFFICER, &none);
    else
        answer(duty, in, in->known ? TEXT_V1_HELP : TEXT_P7_HELP, &none);
}

void desk_my_duties(struct duty *duty, const struct incoming *in)
{
    struct text_fields fields = {0};
    if (!in->known) {
        desk_not_understood(duty, in);
        return;
    }
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE person_id = ?1 AND end_at > ?2"
                       " AND start_at < ?3 AND published AND state IN ('planned', 'asked',"
                       " 'confirmed', 'swapping', 'on_post') ORDER BY start_at LIMIT 3");
    query_text(q, 1, in->person.id);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, duty->now_ms + MY_DUTIES_MS);
    struct ids ids;
    ids_collect(q, &ids);
    char list[DUTY_LIST_SIZE] = "";
    size_t used = 0;
    for (int i = 0; i < ids.count; i++) {
        struct slot slot;
        char day[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        if (!slot_load(duty, ids.at[i], &slot))
            continue;
        text_weekday(in->lang, slot.start_at, day);
        caltime_format_clock(slot.start_at, start);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s%s%.90s",
                                 used > 0 ? "；" : "", day, start, slot.post);
    }
    fields.list = list;
    answer(duty, in, used > 0 ? TEXT_A14_MINE : TEXT_A15_NONE, &fields);
    ids_free(&ids);
}
