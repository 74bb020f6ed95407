/* From the draft's places and people to the roster's numbers.
 *
 * Officers are the roster's officers, the senior ones among them without duties. What stays (begun,
 * confirmed, over) is frozen for officers; for volunteers it is taken out of the need before and
 * put back after, because their flow knows no freezing. */
#include "gateway/duty/draft/internal.h"

#include <stdlib.h>

#include "gateway/base/text.h"

static void set_needs(struct draft *draft)
{
    for (int i = 0; i < draft->places; i++) {
        const struct draft_place *place = &draft->place[i];
        struct roster_need *need =
            &draft->roster.need[place->school * draft->roster.shifts + place->shift];
        if (place->over)
            continue; /* needs nobody any more but those who are there, see set_former() */
        int officers = need->places + place->officers;
        need->places = (int16_t)(officers > ROSTER_PLACES_MAX ? ROSTER_PLACES_MAX : officers);
        need->volunteers = (int16_t)(need->volunteers + place->need - place->officers);
        for (int k = 0; k < ROSTER_SKILLS; k++)
            need->skills[k] = (int16_t)(need->skills[k] + (place->skills >> k & 1));
    }
}

/* Mean of the duties done; newcomers are only told apart where most are none. */
static void history_of(const struct draft *draft, int *ret_mean, bool *ret_newcomers)
{
    int officers = 0, seasoned = 0;
    int64_t done = 0;
    for (int i = 0; i < draft->people; i++) {
        if (!draft->person[i].officer || draft->person[i].senior)
            continue;
        officers++;
        done += draft->person[i].done;
        seasoned += draft->person[i].done >= DRAFT_NEWCOMER;
    }
    *ret_mean = officers > 0 ? (int)(done / officers) : 0;
    *ret_newcomers = seasoned * 2 > officers;
}

static void set_officer(struct draft *draft, int index, int mean, bool newcomers, int *reach)
{
    struct roster *roster = &draft->roster;
    const struct draft_person *person = &draft->person[index];
    struct roster_officer *who = &roster->officer[person->index];
    *who = (struct roster_officer){
        .free = (((uint64_t)1 << roster->shifts) - 1) & ~person->away,
        .skills = person->skills,
        .newcomer = !person->senior && newcomers && person->done < DRAFT_NEWCOMER,
        .cap = person->senior ? 0 : DUTY_CAP_OFFICER,
        .debt = (int16_t)(person->senior ? 0 : person->done - mean),
        .reach = *reach,
    };
    for (int s = 0; s < draft->schools && !person->senior; s++) {
        int minutes = draft_minutes(draft, index, s);
        if (minutes >= 0)
            roster->reach[(*reach)++] = (struct roster_reach){(int16_t)s, (int16_t)minutes};
    }
    who->reach_count = *reach - who->reach;
}

static void set_people(struct draft *draft)
{
    int mean, reach = 0;
    bool newcomers;
    history_of(draft, &mean, &newcomers);
    for (int i = 0; i < draft->people; i++) {
        const struct draft_person *person = &draft->person[i];
        if (person->officer)
            set_officer(draft, i, mean, newcomers, &reach);
        else if (person->index >= 0)
            draft->roster.volunteer[person->index] = (struct roster_volunteer){
                .slots = person->offered & ~person->away,
                .school = (int16_t)person->school,
                .cap = DUTY_CAP_VOLUNTEER,
                .kind = 'P',
            };
    }
    draft->roster.reaches = reach;
}

/* Days that the shifts are on. */
static int days_of(uint64_t shifts)
{
    int days = 0;
    for (int day = 0; day < DRAFT_DAYS; day++)
        days += (shifts >> (day * DRAFT_PEAKS) & 7) != 0;
    return days;
}

/* Published visits stay where they are while they can. */
static int set_sponsors(struct draft *draft, struct err *err)
{
    struct roster *roster = &draft->roster;
    roster->sponsor = calloc((size_t)draft->sponsors + 1, sizeof *roster->sponsor);
    if (roster->sponsor == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (int i = 0; i < draft->sponsors; i++) {
        const struct draft_sponsor *from = &draft->sponsor[i];
        const struct draft_person *person = &draft->person[from->person];
        uint64_t free = from->on & ~person->away;
        uint64_t former = draft->afresh ? 0 : free & from->former;
        uint64_t on = days_of(former) >= from->visits ? former : free;
        int minutes = draft_minutes(draft, from->person, from->school);
        roster->sponsor[i] = (struct roster_sponsor){
            .school = (int16_t)from->school,
            .visits = (int16_t)from->visits,
            .officer = on == 0 ? ROSTER_NONE : person->index,
            .minutes = minutes < 0 ? ROSTER_MINUTES_MAX : minutes,
            .on = on,
        };
    }
    roster->sponsors = draft->sponsors;
    return ERR_OK;
}

static void keep_volunteer(struct draft *draft, const struct draft_person *person,
                           const struct draft_place *place, bool kept)
{
    struct roster_volunteer *who = &draft->roster.volunteer[person->index];
    struct roster_need *need =
        &draft->roster.need[place->school * draft->roster.shifts + place->shift];
    uint64_t bit = (uint64_t)1 << place->shift;
    if (!kept) {
        who->former |= bit;
        return;
    }
    who->slots &= ~bit;
    who->cap = (int16_t)(who->cap > 0 ? who->cap - 1 : 0);
    need->volunteers = (int16_t)(need->volunteers > 0 ? need->volunteers - 1 : 0);
}

static void set_former(struct draft *draft)
{
    struct roster *roster = &draft->roster;
    for (int i = 0; i < draft->formers; i++) {
        const struct draft_former *former = &draft->former[i];
        struct draft_person *person = &draft->person[former->person];
        const struct draft_place *place = &draft->place[former->place];
        if (former->kept)
            person->kept |= (uint64_t)1 << place->shift;
        if (person->index < 0)
            continue;
        if (!person->officer) {
            keep_volunteer(draft, person, place, former->kept);
            continue;
        }
        roster->former[person->index * roster->shifts + place->shift] = (int16_t)place->school;
        if (place->over)
            roster->need[place->school * roster->shifts + place->shift].places++;
        if (former->kept)
            roster->officer[person->index].frozen |= (uint64_t)1 << place->shift;
    }
}

int draft_build(struct draft *draft, struct err *err)
{
    int officers = 0, volunteers = 0;
    for (int i = 0; i < draft->people; i++) {
        struct draft_person *person = &draft->person[i];
        person->index = person->officer ? officers++ : person->school >= 0 ? volunteers++ : -1;
    }
    int64_t reaches = (int64_t)officers * draft->schools;
    if (reaches > ROSTER_REACH_MAX)
        return err_set(err, ERR_LIMIT, "%d officers and %d schools are too many for one station",
                       officers, draft->schools);
    struct roster *roster = &draft->roster;
    int code = roster_init(roster, draft->schools, DRAFT_DAYS * DRAFT_PEAKS, officers, volunteers,
                           (int)reaches, err);
    if (code != ERR_OK)
        return code;
    for (int t = 0; t < roster->shifts; t++)
        roster->day[t] = (uint8_t)(t / DRAFT_PEAKS);
    size_t cells = (size_t)officers * (size_t)roster->shifts;
    roster->former = malloc((cells + 1) * sizeof *roster->former);
    if (roster->former == NULL)
        return err_set(err, ERR_NOMEM, "no memory");
    for (size_t i = 0; i < cells; i++)
        roster->former[i] = ROSTER_NONE;
    set_needs(draft);
    set_people(draft);
    set_former(draft);
    code = set_sponsors(draft, err);
    if (code != ERR_OK)
        return code;
    return roster_check(roster, err);
}
