/* Small weeks to plan; see rosterworld.h. */
#include "tests/lib/rosterworld.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OFFICERS = 40, SCHOOLS = 9, DAYS = 5 };

static int below(struct rnd *rnd, int bound)
{
    return (int)rnd_below(rnd, (uint64_t)bound);
}

static void make_needs(struct roster *roster, struct rnd *rnd)
{
    for (int c = 0; c < roster->schools * roster->shifts; c++) {
        struct roster_need *need = &roster->need[c];
        need->places = (int16_t)below(rnd, 5);
        need->volunteers = (int16_t)below(rnd, 4);
        for (int k = 0, left = need->places; k < ROSTER_SKILLS && left > 0; k++) {
            need->skills[k] = (int16_t)(below(rnd, 3) == 0);
            left -= need->skills[k];
        }
    }
}

static void make_officers(struct roster *roster, struct rnd *rnd, int reaches)
{
    int next = 0;
    for (int o = 0; o < roster->officers; o++) {
        struct roster_officer *who = &roster->officer[o];
        uint64_t all = ((uint64_t)1 << roster->shifts) - 1, some = rnd_u64(rnd);
        who->free = (some | rnd_u64(rnd)) & all;
        who->skills = (uint8_t)(below(rnd, 3) == 0 ? below(rnd, 8) : 0);
        who->newcomer = below(rnd, 6) == 0;
        who->cap = (int16_t)(1 + below(rnd, 5));
        who->debt = (int16_t)(below(rnd, 7) - 3);
        who->reach = next;
        for (int s = 0; s < roster->schools && next < reaches; s++)
            if (below(rnd, 3) == 0)
                roster->reach[next++] =
                    (struct roster_reach){(int16_t)s, (int16_t)(3 + below(rnd, 25))};
        who->reach_count = next - who->reach;
    }
    roster->reaches = next;
}

static void make_others(struct roster *roster, struct rnd *rnd)
{
    for (int v = 0; v < roster->volunteers; v++) {
        uint64_t some = rnd_u64(rnd) & (((uint64_t)1 << roster->shifts) - 1);
        roster->volunteer[v] = (struct roster_volunteer){
            .slots = some & rnd_u64(rnd),
            .school = (int16_t)below(rnd, roster->schools),
            .cap = (int16_t)(1 + below(rnd, 3)),
            .kind = 'P',
        };
    }
    roster->sponsor = calloc((size_t)roster->schools, sizeof *roster->sponsor);
    assert(roster->sponsor != NULL);
    roster->sponsors = roster->schools;
    for (int s = 0; s < roster->schools; s++)
        roster->sponsor[s] =
            (struct roster_sponsor){(int16_t)s, 2, s % 7 == 6 ? ROSTER_NONE : s / 2, 10, 0};
}

void rosterworld_make(uint64_t seed, struct roster *ret)
{
    struct rnd rnd = rnd_seeded(seed);
    int schools = 1 + below(&rnd, SCHOOLS), officers = 5 + below(&rnd, OFFICERS), missing;
    int shifts = 2 * (1 + below(&rnd, DAYS));
    struct err err;
    int code = roster_init(ret, schools, shifts, officers, 3 * schools, schools * officers, &err);
    assert(code == ERR_OK);
    for (int t = 0; t < shifts; t++)
        ret->day[t] = (uint8_t)(t / 2);
    make_needs(ret, &rnd);
    make_officers(ret, &rnd, schools * officers);
    make_others(ret, &rnd);
    code = roster_check(ret, &err);
    assert(code == ERR_OK);
    code = roster_place_visits(ret, &missing);
    assert(code == ERR_OK);
    (void)code;
}

void rosterworld_publish(struct roster *roster, const struct roster_plan *plan, struct rnd *rnd,
                         int frozen_percent)
{
    size_t size = (size_t)roster->officers * (size_t)roster->shifts * sizeof *plan->at;
    roster->former = realloc(roster->former, size);
    assert(roster->former != NULL);
    memcpy(roster->former, plan->at, size);
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++)
            if (plan->at[o * roster->shifts + t] >= 0 && below(rnd, 100) < frozen_percent)
                roster->officer[o].frozen |= (uint64_t)1 << t;
    for (int v = 0; v < roster->volunteers; v++)
        roster->volunteer[v].former = plan->volunteer_slots[v];
}

void rosterworld_disturb(struct roster *roster, struct rnd *rnd, int times)
{
    for (int i = 0; i < times; i++) {
        struct roster_officer *who = &roster->officer[below(rnd, roster->officers)];
        struct roster_need *need = &roster->need[below(rnd, roster->schools * roster->shifts)];
        switch (below(rnd, 5)) {
        case 0:
            who->free &= ~((uint64_t)1 << below(rnd, roster->shifts));
            break;
        case 1:
            who->free |= (uint64_t)1 << below(rnd, roster->shifts);
            break;
        case 2:
            who->cap = (int16_t)(who->cap > 0 ? who->cap - 1 : 0);
            break;
        case 3:
            need->places++;
            break;
        default:
            need->places = (int16_t)(need->places > 0 ? need->places - 1 : 0);
            break;
        }
    }
}
