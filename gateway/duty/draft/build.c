/* From the draft's places and people to the roster's numbers.
 *
 * Officers are the roster's officers; how far a person is from a school is not known here, so the
 * own school counts as nearest, schools of its township as near, the station's others as far. What
 * stays (begun, confirmed, over) is frozen for officers; for volunteers it is taken out of the need
 * before and put back after, because their flow knows no freezing. */
#include "gateway/duty/draft/internal.h"

#include <stdlib.h>

#include "gateway/base/text.h"

enum { OWN_MIN = 5, NEAR_MIN = 10, FAR_MIN = 20 };

static int minutes_between(const struct draft *draft, int own, int school)
{
    if (own == school)
        return OWN_MIN;
    const char *township = draft->school[school].township;
    bool near =
        own >= 0 && township[0] != '\0' && text_equal(draft->school[own].township, township);
    return near ? NEAR_MIN : FAR_MIN;
}

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
    }
}

/* Mean of the duties done; newcomers are only told apart where most are none. */
static void history_of(const struct draft *draft, int *ret_mean, bool *ret_newcomers)
{
    int officers = 0, seasoned = 0;
    int64_t done = 0;
    for (int i = 0; i < draft->people; i++) {
        if (!draft->person[i].officer)
            continue;
        officers++;
        done += draft->person[i].done;
        seasoned += draft->person[i].done >= DRAFT_NEWCOMER;
    }
    *ret_mean = officers > 0 ? (int)(done / officers) : 0;
    *ret_newcomers = seasoned * 2 > officers;
}

static void set_people(struct draft *draft)
{
    struct roster *roster = &draft->roster;
    uint64_t all = ((uint64_t)1 << roster->shifts) - 1;
    int mean, reach = 0;
    bool newcomers;
    history_of(draft, &mean, &newcomers);
    for (int i = 0; i < draft->people; i++) {
        const struct draft_person *person = &draft->person[i];
        if (!person->officer) {
            if (person->index >= 0)
                roster->volunteer[person->index] = (struct roster_volunteer){
                    .slots = person->offered & ~person->away,
                    .school = (int16_t)person->school,
                    .cap = DRAFT_CAP_VOLUNTEER,
                    .kind = 'P',
                };
            continue;
        }
        struct roster_officer *who = &roster->officer[person->index];
        *who = (struct roster_officer){
            .free = all & ~person->away,
            .newcomer = newcomers && person->done < DRAFT_NEWCOMER,
            .cap = DRAFT_CAP_OFFICER,
            .debt = (int16_t)(person->done - mean),
            .reach = reach,
            .reach_count = draft->schools,
        };
        for (int s = 0; s < draft->schools; s++)
            roster->reach[reach++] = (struct roster_reach){
                (int16_t)s, (int16_t)minutes_between(draft, person->school, s)};
    }
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
    return roster_check(roster, err);
}
