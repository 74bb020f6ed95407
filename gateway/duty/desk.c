/* What needs a person, and the answers that only help: a text that is not understood goes to the
 * desk's list (sealed) and is answered with where to find help, at most three times an hour; an
 * unknown number hears once a day what this number is for. Help and 我的班 are commands: they are
 * always answered to people of the roster, and to others as sparingly. */
#include "gateway/duty/internal.h"

#include <stdio.h>

#include "gateway/base/text.h"

enum {
    MY_DUTIES_MS = 7 * CALTIME_DAY_MS,
    HOUR_MS = 60 * CALTIME_MINUTE_MS,
    WHO_EARLY_MS = 30 * CALTIME_MINUTE_MS, /* before the start one may ask already */
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

static enum text_id help_of(enum sender_role role)
{
    return role >= SENDER_LEADER    ? TEXT_V3_HELP_LEADER
           : role == SENDER_OFFICER ? TEXT_V2_HELP_OFFICER
                                    : TEXT_V1_HELP;
}

void desk_help(struct duty *duty, const struct incoming *in)
{
    struct text_fields none = {0};
    if (in->role >= SENDER_OFFICER)
        answer(duty, in, help_of(in->role), &none);
    else
        answer_sparingly(duty, in, in->known ? TEXT_V1_HELP : TEXT_P7_HELP, &none);
}

/* "周三07:20东门；周四07:20北门"; "": none. */
static void list_duties(struct duty *duty, const char *person_id, enum text_lang lang,
                        char ret[DUTY_LIST_SIZE])
{
    struct query *q = replica_query(
        duty->replica, "SELECT assignment_id FROM slot WHERE person_id = ?1 AND end_at > ?2"
                       " AND start_at < ?3 AND published AND state IN ('planned', 'asked',"
                       " 'confirmed', 'swapping', 'on_post') ORDER BY start_at LIMIT 3");
    query_text(q, 1, person_id);
    query_int(q, 2, duty->now_ms);
    query_int(q, 3, duty->now_ms + MY_DUTIES_MS);
    struct ids ids;
    ids_collect(q, &ids);
    size_t used = 0;
    ret[0] = '\0';
    for (int i = 0; i < ids.count; i++) {
        struct slot slot;
        char day[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        if (!slot_load(duty, ids.at[i], &slot))
            continue;
        text_weekday(lang, slot.start_at, day);
        caltime_format_clock(slot.start_at, start);
        used += (size_t)snprintf(ret + used, DUTY_LIST_SIZE - used, "%s%s%s%.90s",
                                 used > 0 ? "；" : "", day, start, slot.post);
    }
    ids_free(&ids);
}

void desk_my_duties(struct duty *duty, const struct incoming *in)
{
    char list[DUTY_LIST_SIZE];
    struct text_fields fields = {.list = list};
    if (!in->known) {
        desk_not_understood(duty, in);
        return;
    }
    list_duties(duty, in->person.id, in->lang, list);
    answer(duty, in, list[0] != '\0' ? TEXT_A14_MINE : TEXT_A15_NONE, &fields);
}

/* --- what a person at the desk may answer --- */

static void suggest(struct duty *duty, enum text_id text, enum text_lang lang,
                    struct text_fields *fields, char ret[DUTY_SUGGESTION_BYTES])
{
    fields->signature = duty->options.signature;
    text_render(text, lang, fields, ret, DUTY_SUGGESTION_BYTES);
}

int duty_suggest(struct duty *duty, const char *phone, const char *body,
                 char ret[DUTY_SUGGESTIONS][DUTY_SUGGESTION_BYTES])
{
    struct person person;
    char list[DUTY_LIST_SIZE], number[LIMIT_PHONE_DIGITS + 1];
    struct text_fields fields = {.list = list, .phone = number};
    struct recognise_context context = {.role = SENDER_UNKNOWN};
    struct command command;
    int count = 0;
    duty->now_ms = clock_wall_ms(replica_clock(duty->replica));
    bool known = person_by_phone(duty, phone, &person);
    enum text_lang lang = say_lang(duty, known ? person.lang : NULL);
    recognise(body, &context, &command);
    panic_number(duty, number);
    if (command.urgent)
        suggest(duty, TEXT_O3B_STRANGER, lang, &fields, ret[count++]);
    if (known) {
        list_duties(duty, person.id, lang, list);
        suggest(duty, list[0] != '\0' ? TEXT_A14_MINE : TEXT_A15_NONE, lang, &fields, ret[count++]);
    }
    enum text_id help = known ? help_of(person_role(duty, &person)) : TEXT_P7_HELP;
    suggest(duty, help, lang, &fields, ret[count++]);
    return count;
}

#define NOW_ON_DUTY                                                                                \
    " FROM slot WHERE published AND start_at - ?2 <= ?1 AND end_at > ?1"                           \
    " AND state NOT IN ('declined', 'cancelled', 'excused')"

int desk_posts_now(struct duty *duty, int *ret_there)
{
    *ret_there = (int)replica_get_int(duty->replica, 0,
                                      "SELECT count(*)" NOW_ON_DUTY " AND state = 'on_post'", "ii",
                                      duty->now_ms, (int64_t)WHO_EARLY_MS);
    return (int)replica_get_int(duty->replica, 0, "SELECT count(*)" NOW_ON_DUTY, "ii", duty->now_ms,
                                (int64_t)WHO_EARLY_MS);
}

/* "S17 3/5；S18 2/2": how many of each school are there, those that lack somebody first. */
static void who_everywhere(struct duty *duty, const struct incoming *in)
{
    char list[DUTY_LIST_SIZE] = "";
    size_t used = 0;
    struct text_fields fields = {.list = list};
    fields.need = desk_posts_now(duty, &fields.count);
    struct query *q =
        replica_query(duty->replica, "SELECT coalesce(school_code, ''), count(*) AS n,"
                                     " sum(state = 'on_post') AS there" NOW_ON_DUTY
                                     " GROUP BY school_id ORDER BY there = n, 1");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, WHO_EARLY_MS);
    while (query_row(q) && used < sizeof list - 64)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.16s %d/%d",
                                 used > 0 ? "；" : "", query_get_text(q, 0),
                                 (int)query_get_int(q, 2), (int)query_get_int(q, 1));
    query_done(q);
    answer(duty, in, fields.need > 0 ? TEXT_O4_ALL : TEXT_O4_NO_DUTY, &fields);
}

/* "东门：民警王建国到，家长李娜未到": who of the school's duties of now is there; without a school
 * how many of each. Officers only: a parent never learns who stands where. */
void desk_who(struct duty *duty, const struct incoming *in)
{
    struct school_words school;
    char list[DUTY_LIST_SIZE] = "";
    size_t used = 0;
    if (in->command.arg[0] == '\0') {
        who_everywhere(duty, in);
        return;
    }
    if (!school_asked(duty, in, &school))
        return;
    struct query *q = replica_query(
        duty->replica, "SELECT post, person_name, state = 'on_post'" NOW_ON_DUTY
                       " AND school_id = ?3 ORDER BY post, state <> 'on_post', person_name");
    query_int(q, 1, duty->now_ms);
    query_int(q, 2, WHO_EARLY_MS);
    query_text(q, 3, school.id);
    while (query_row(q) && used < sizeof list - 256) {
        bool there = query_get_int(q, 2) != 0;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.60s%.60s%s",
                                 used > 0 ? "；" : "", query_get_text(q, 0), query_get_text(q, 1),
                                 in->lang == TEXT_EN ? (there ? " in" : " not in")
                                                     : (there ? "到" : "未到"));
    }
    query_done(q);
    struct text_fields fields = {.school = school.name, .school_code = school.code, .list = list};
    answer(duty, in, used > 0 ? TEXT_O4_WHO : TEXT_O4_NOBODY, &fields);
}
