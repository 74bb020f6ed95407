/* The solved plan as rows for posts: each person of a school and shift gets one of its posts,
 * who was there before the same one again; the first officer of a post (without any, the first
 * volunteer) leads it. Each row says why. */
#include "gateway/duty/draft/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/roster/words.h"

struct seats {
    struct draft_seat {
        int officers, volunteers; /* sitting */
        bool led;
    } * of;         /* owned; by place */
    int8_t *seated; /* owned; [person * shifts + shift] */
};

static bool is_planned(const struct draft *draft, int person, const struct draft_place *place)
{
    const struct draft_person *who = &draft->person[person];
    if (who->index < 0)
        return false;
    if (who->officer)
        return draft->plan.at[who->index * draft->roster.shifts + place->shift] == place->school;
    bool planned = (draft->plan.volunteer_slots[who->index] >> place->shift & 1) != 0 ||
                   (who->kept >> place->shift & 1) != 0;
    return planned && who->school == place->school;
}

static struct roster_names names_of(const struct draft *draft, const struct draft_place *place,
                                    const char *person, char date[TEXT_DATE_SIZE],
                                    char start[CALTIME_CLOCK_SIZE])
{
    const struct draft_school *school = &draft->school[place->school];
    text_date(draft->lang, place->start_at, date);
    caltime_format_clock(place->start_at, start);
    return (struct roster_names){.person = person,
                                 .school = school->name,
                                 .school_code = school->code[0] != '\0' ? school->code : NULL,
                                 .date = date,
                                 .start = start};
}

/* How far it is is left out where it is but an estimate. */
static void why_there(const struct draft *draft, int person, const struct draft_place *place,
                      char ret[TEXT_SIZE])
{
    const struct draft_person *who = &draft->person[person];
    struct roster_reason reason = {.seat = ROSTER_SKILLS};
    char date[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
    struct roster_names names = names_of(draft, place, who->name, date, start);
    if (who->officer) {
        roster_reason(&draft->roster, &draft->plan, who->index, place->shift, &reason);
        if (!draft_knows_way(draft, person, place->school))
            reason.minutes = ROSTER_NONE;
        roster_words_reason(draft->lang, &reason, &names, ret);
        return;
    }
    struct text_fields fields = {.person = names.person,
                                 .school = names.school,
                                 .school_code = names.school_code,
                                 .date = date,
                                 .start = start};
    text_render(TEXT_Y4_OFFERED, draft->lang, &fields, ret, TEXT_SIZE);
}

static int seat(struct draft *draft, struct seats *seats, int person, int place_index)
{
    const struct draft_place *place = &draft->place[place_index];
    struct draft_seat *there = &seats->of[place_index];
    bool officer = draft->person[person].officer;
    bool leads = !there->led && (officer || place->officers == 0);
    there->led = there->led || leads;
    there->officers += officer;
    there->volunteers += !officer;
    seats->seated[person * draft->roster.shifts + place->shift] = 1;
    if (place->over)
        return ERR_OK;
    struct draft_row *row =
        draft_grow((void **)&draft->row, &draft->rows, sizeof *draft->row, DRAFT_ROWS_MAX);
    if (row == NULL)
        return ERR_NOMEM;
    row->person = person;
    row->place = place_index;
    row->leads = leads;
    why_there(draft, person, place, row->why);
    return ERR_OK;
}

static bool has_room(const struct draft *draft, const struct seats *seats, int person, int place)
{
    const struct draft_place *where = &draft->place[place];
    const struct draft_seat *there = &seats->of[place];
    return draft->person[person].officer ? there->officers < where->officers
                                         : there->volunteers < where->need - where->officers;
}

static int seat_former(struct draft *draft, struct seats *seats)
{
    int code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < draft->formers; i++) {
        const struct draft_former *former = &draft->former[i];
        const struct draft_place *place = &draft->place[former->place];
        if (is_planned(draft, former->person, place) &&
            !seats->seated[former->person * draft->roster.shifts + place->shift] &&
            (former->kept || has_room(draft, seats, former->person, former->place)))
            code = seat(draft, seats, former->person, former->place);
    }
    return code;
}

static int seat_others(struct draft *draft, struct seats *seats)
{
    int code = ERR_OK;
    for (int place = 0; place < draft->places; place++) {
        const struct draft_place *where = &draft->place[place];
        for (int person = 0; code == ERR_OK && !where->over && person < draft->people; person++)
            if (!seats->seated[person * draft->roster.shifts + where->shift] &&
                is_planned(draft, person, where) && has_room(draft, seats, person, place))
                code = seat(draft, seats, person, place);
    }
    return code;
}

/* Why officers are missing there; volunteers are missing because nobody more offered. */
static void why_empty(const struct draft *draft, struct draft_place *place,
                      const struct draft_seat *there, const struct roster_gap *gaps, int count)
{
    char date[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
    struct roster_names names = names_of(draft, place, NULL, date, start);
    for (int i = 0; i < count && there->officers < place->officers; i++)
        if (gaps[i].school == place->school && gaps[i].shift == place->shift &&
            gaps[i].seat == ROSTER_SKILLS) {
            roster_words_gap(draft->lang, &gaps[i], &names, place->why);
            return;
        }
    struct text_fields fields = {.school = names.school,
                                 .school_code = names.school_code,
                                 .date = date,
                                 .start = start,
                                 .need = place->need - there->officers - there->volunteers};
    text_render(TEXT_Y4_NO_OFFER, draft->lang, &fields, place->why, TEXT_SIZE);
}

/* A skill that a full post lacks: said at the first post that asks for it. */
static void why_unskilled(const struct draft *draft, const struct roster_gap *gap)
{
    for (int i = 0; gap->seat < ROSTER_SKILLS && i < draft->places; i++) {
        struct draft_place *place = &draft->place[i];
        if (place->school != gap->school || place->shift != gap->shift || place->over ||
            (place->skills >> gap->seat & 1) == 0 || place->why[0] != '\0')
            continue;
        char date[TEXT_DATE_SIZE], start[CALTIME_CLOCK_SIZE];
        struct roster_names names = names_of(draft, place, NULL, date, start);
        roster_words_gap(draft->lang, gap, &names, place->why);
        return;
    }
}

static int explain(struct draft *draft, const struct seats *seats)
{
    int cells = draft->roster.schools * draft->roster.shifts * (ROSTER_SKILLS + 1);
    struct roster_gap *gaps = malloc((size_t)cells * sizeof *gaps);
    if (gaps == NULL)
        return ERR_NOMEM;
    int count = roster_gaps(&draft->roster, &draft->plan, gaps, cells);
    for (int i = 0; i < draft->places; i++) {
        struct draft_place *place = &draft->place[i];
        if (!place->over && seats->of[i].officers + seats->of[i].volunteers < place->need)
            why_empty(draft, place, &seats->of[i], gaps, count);
    }
    for (int i = 0; i < count; i++)
        why_unskilled(draft, &gaps[i]);
    free(gaps);
    return ERR_OK;
}

int draft_seat(struct draft *draft)
{
    struct seats seats = {
        .of = calloc((size_t)draft->places + 1, sizeof *seats.of),
        .seated = calloc((size_t)draft->people * (size_t)draft->roster.shifts + 1, 1),
    };
    int code = seats.of == NULL || seats.seated == NULL ? ERR_NOMEM : ERR_OK;
    if (code == ERR_OK)
        code = seat_former(draft, &seats);
    if (code == ERR_OK)
        code = seat_others(draft, &seats);
    if (code == ERR_OK)
        code = explain(draft, &seats);
    free(seats.of);
    free(seats.seated);
    return code;
}
