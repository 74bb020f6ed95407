/* What parents ask: 放学 (when school is out today) and 查询 (the same in short; registered people
 * also hear how many guards are on post). Schools are named by code or by a unique part of the
 * name.
 * On a day that the calendar does not know we say so instead of guessing. */
#include "gateway/duty/internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/schoolday.h"

/* --- which school --- */

struct school_found {
    char id[DUTY_ID_SIZE];
    int exact, partial;
};

static bool same_code(const char *code, const char *words)
{
    while (*words == ' ')
        words++;
    if (strcasecmp(code, words) == 0)
        return true;
    return (code[0] == 'S' || code[0] == 's') && strcasecmp(code + 1, words) == 0;
}

static void match_school(struct query *q, const char *words, const char *folded,
                         struct school_found *found)
{
    const char *id = query_get_text(q, 0), *code = query_get_text(q, 1);
    bool exact = code != NULL && same_code(code, words);
    bool partial = false;
    for (int column = 2; column <= 3; column++) {
        const char *name = query_get_text(q, column);
        char folded_name[COMMAND_ARG_SIZE];
        if (name == NULL || name[0] == '\0')
            continue;
        recognise_fold(name, folded_name, sizeof folded_name);
        exact = exact || text_equal(folded_name, folded);
        partial = partial || strstr(folded_name, folded) != NULL;
    }
    if (!exact && (!partial || found->exact > 0))
        return;
    if (exact || found->partial == 0)
        text_copy(found->id, sizeof found->id, id);
    found->exact += exact;
    found->partial += !exact;
}

bool school_named(struct duty *duty, const char *words, char ret_id[DUTY_ID_SIZE])
{
    char folded[COMMAND_ARG_SIZE];
    struct school_found found = {.exact = 0};
    recognise_fold(words, folded, sizeof folded);
    if (folded[0] == '\0')
        return false;
    struct query *q =
        replica_query(duty->replica, "SELECT id, code, name, short FROM school ORDER BY id");
    while (query_row(q))
        match_school(q, words, folded, &found);
    query_done(q);
    if (found.exact != 1 && (found.exact > 1 || found.partial != 1))
        return false;
    text_copy(ret_id, DUTY_ID_SIZE, found.id);
    return true;
}

/* --- which times --- */

struct bells {
    char list[DUTY_LIST_SIZE]; /* "一二年级16:10；三至六年级16:50" */
    char first[CALTIME_CLOCK_SIZE];
    char gate[DUTY_NAME_SIZE];
};

static void clock_of(int minutes, char ret[CALTIME_CLOCK_SIZE])
{
    if (minutes < 0 || minutes >= 24 * 60)
        minutes = 0;
    snprintf(ret, CALTIME_CLOCK_SIZE, "%02u:%02u", (unsigned)minutes / 60 % 24,
             (unsigned)minutes % 60);
}

static void grades_of(enum text_lang lang, int from, int to, char *ret, size_t size)
{
    static const char *const digit[] = {"零", "一", "二", "三", "四", "五",
                                        "六", "七", "八", "九", "十"};
    bool known = from >= 1 && to >= from && to <= 10;
    if (!known)
        ret[0] = '\0';
    else if (lang == TEXT_EN)
        snprintf(ret, size, "G%d-%d ", from, to);
    else if (from == to)
        snprintf(ret, size, "%s年级", digit[from]);
    else
        snprintf(ret, size, "%s%s%s年级", digit[from], to - from > 1 ? "至" : "", digit[to]);
}

/* Dismissals of the afternoon; of noon where a school has no afternoon. */
static bool read_bells(struct duty *duty, enum text_lang lang, const char *school_id,
                       const char *peak, int weekday, struct bells *ret)
{
    struct query *q = replica_query(
        duty->replica, "SELECT coalesce(grade_from, 0), coalesce(grade_to, 0), at_min, gate"
                       " FROM bell WHERE school_id = ?1 AND peak = ?2 AND at_min IS NOT NULL"
                       " AND (coalesce(weekdays, 0) = 0 OR (weekdays >> (?3 - 1)) & 1)"
                       " ORDER BY at_min, grade_from LIMIT 8");
    query_text(q, 1, school_id);
    query_text(q, 2, peak);
    query_int(q, 3, weekday);
    size_t used = 0;
    while (used < sizeof ret->list - 64 && query_row(q)) {
        char grades[48], at[CALTIME_CLOCK_SIZE];
        const char *gate = query_get_text(q, 3);
        grades_of(lang, (int)query_get_int(q, 0), (int)query_get_int(q, 1), grades, sizeof grades);
        clock_of((int)query_get_int(q, 2), at);
        if (used == 0) {
            text_copy(ret->first, sizeof ret->first, at);
            text_copy(ret->gate, sizeof ret->gate, gate == NULL ? "" : gate);
        }
        used += (size_t)snprintf(ret->list + used, sizeof ret->list - used, "%s%s%s",
                                 used > 0 ? "；" : "", grades, at);
    }
    query_done(q);
    return used > 0;
}

static bool times_of(struct duty *duty, enum text_lang lang, const char *school_id,
                     const struct school_day *day, struct bells *ret)
{
    *ret = (struct bells){.list = ""};
    bool found = read_bells(duty, lang, school_id, "pm", day->weekday, ret) ||
                 read_bells(duty, lang, school_id, "noon", day->weekday, ret);
    if (day->kind == SCHOOL_DAY_CHANGED) {
        clock_of(day->at_min, ret->first);
        text_copy(ret->list, sizeof ret->list, ret->first);
        return true;
    }
    return found;
}

/* --- the answers --- */

bool school_asked(struct duty *duty, const struct incoming *in, struct school_words *ret)
{
    *ret = (struct school_words){.id = ""};
    struct text_fields none = {0};
    if (in->command.arg[0] == '\0') {
        answer_sparingly(duty, in,
                         in->role >= SENDER_OFFICER ? TEXT_O9_WHICH_SCHOOL : TEXT_P9_WHICH_SCHOOL,
                         &none);
        return false;
    }
    if (!school_named(duty, in->command.arg, ret->id)) {
        answer_sparingly(duty, in, TEXT_P8_NO_SUCH_SCHOOL, &none);
        return false;
    }
    replica_get_text(duty->replica, ret->code, sizeof ret->code,
                     "SELECT code FROM school WHERE id = ?1", "s", ret->id);
    replica_get_text(duty->replica, ret->name, sizeof ret->name,
                     "SELECT coalesce(nullif(short, ''), name) FROM school WHERE id = ?1", "s",
                     ret->id);
    return true;
}

/* The times of today, or the text that says there are none. */
static bool today(struct duty *duty, const struct incoming *in, const struct school_words *school,
                  struct bells *ret)
{
    struct text_fields fields = {.school = school->name, .school_code = school->code};
    struct school_day day = school_day_of(duty->replica, school->id, duty->now_ms);
    if (day.kind == SCHOOL_DAY_OFF) {
        answer(duty, in, TEXT_P1C_NO_SCHOOL_TODAY, &fields);
        return false;
    }
    if (day.kind == SCHOOL_DAY_UNKNOWN || !times_of(duty, in->lang, school->id, &day, ret)) {
        answer(duty, in, TEXT_P1D_UNKNOWN_DAY, &fields);
        return false;
    }
    return true;
}

void parents_dismissal(struct duty *duty, const struct incoming *in)
{
    struct school_words school;
    struct bells bells;
    if (!school_asked(duty, in, &school) || !today(duty, in, &school, &bells))
        return;
    struct text_fields fields = {
        .school = school.name,
        .school_code = school.code,
        .list = bells.list,
        .post = bells.gate[0] != '\0' ? bells.gate : NULL,
    };
    answer(duty, in, TEXT_P2_DISMISSAL, &fields);
}

void parents_query(struct duty *duty, const struct incoming *in)
{
    struct school_words school;
    struct bells bells;
    if (!school_asked(duty, in, &school) || !today(duty, in, &school, &bells))
        return;
    struct text_fields fields = {
        .school = school.name,
        .school_code = school.code,
        .start = bells.first,
        .post = bells.gate[0] != '\0' ? bells.gate : NULL,
        .count = (int)replica_get_int(duty->replica, 0,
                                      "SELECT count(*) FROM slot WHERE school_id = ?1"
                                      " AND state = 'on_post' AND end_at > ?2"
                                      " AND start_at > ?2 - 86400000 AND start_at < ?2 + 86400000",
                                      "si", school.id, duty->now_ms),
    };
    bool registered = in->known || replica_get_int(duty->replica, 0,
                                                   "SELECT 1 FROM subscription WHERE phone = ?1",
                                                   "s", in->text->phone) != 0;
    answer(duty, in, registered ? TEXT_P1_QUERY : TEXT_P1B_QUERY_STRANGER, &fields);
}
