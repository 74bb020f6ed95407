/* Why a place is empty, why somebody stands where they stand, and who could stand in; see
 * explain.h. Everything is counted from the week and the plan; the planner left no trace. */
#include "gateway/duty/roster/explain.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/duty/roster/internal.h"

enum { SKILL_SETS = 1 << ROSTER_SKILLS };

static int duties_of(const struct roster *roster, const struct roster_plan *plan, int officer)
{
    int duties = 0;
    for (int t = 0; t < roster->shifts; t++)
        duties += plan->at[officer * roster->shifts + t] >= 0;
    return duties;
}

static bool is_free(const struct roster *roster, int officer, int shift)
{
    return (roster->officer[officer].free >> shift & 1) != 0 &&
           !roster_is_frozen(roster, officer, shift);
}

/* --- gaps --- */

struct here {
    int people, seasoned, have[ROSTER_SKILLS];
};

static struct here count_here(const struct roster *roster, const struct roster_plan *plan,
                              int school, int shift)
{
    struct here here = {0};
    for (int o = 0; o < roster->officers; o++) {
        if (plan->at[o * roster->shifts + shift] != school)
            continue;
        here.people++;
        here.seasoned += !roster->officer[o].newcomer;
        for (int k = 0; k < ROSTER_SKILLS; k++)
            here.have[k] += roster->officer[o].skills >> k & 1;
    }
    return here;
}

static void count_reasons(const struct roster *roster, const struct roster_plan *plan,
                          const struct here *here, struct roster_gap *gap)
{
    for (int o = 0; o < roster->officers; o++) {
        const struct roster_officer *who = &roster->officer[o];
        if (roster_minutes(roster, o, gap->school) < 0)
            continue;
        gap->near++;
        if (gap->seat < ROSTER_SKILLS && (who->skills >> gap->seat & 1) == 0)
            gap->unskilled++;
        else if (plan->at[o * roster->shifts + gap->shift] >= 0)
            gap->elsewhere++;
        else if (!is_free(roster, o, gap->shift))
            gap->away++;
        else if (duties_of(roster, plan, o) >= who->cap)
            gap->full++;
        else if (who->newcomer && here->seasoned == 0)
            gap->newcomers++;
        else
            gap->unused++;
    }
}

int roster_gaps(const struct roster *roster, const struct roster_plan *plan, struct roster_gap *ret,
                int max)
{
    int count = 0;
    for (int t = 0; t < roster->shifts; t++)
        for (int s = 0; s < roster->schools; s++) {
            struct roster_need need = roster_need_of(roster, s, t);
            if (need.places == 0)
                continue;
            struct here here = count_here(roster, plan, s, t);
            for (int seat = ROSTER_SKILLS; seat >= 0; seat--) {
                int missing = seat == ROSTER_SKILLS ? need.places - here.people
                                                    : need.skills[seat] - here.have[seat];
                if (missing <= 0 || count++ >= max)
                    continue;
                struct roster_gap *gap = &ret[count - 1];
                *gap =
                    (struct roster_gap){.school = s, .shift = t, .seat = seat, .short_by = missing};
                count_reasons(roster, plan, &here, gap);
            }
        }
    return count;
}

/* --- duties --- */

static int seat_of(const struct roster *roster, const struct roster_plan *plan, int officer,
                   int shift)
{
    int32_t people[ROSTER_PLACES_MAX] = {0};
    uint8_t seat[ROSTER_PLACES_MAX];
    int school = plan->at[officer * roster->shifts + shift], count = 0, mine = 0;
    for (int o = 0; o < roster->officers && count < ROSTER_PLACES_MAX; o++) {
        if (plan->at[o * roster->shifts + shift] != school)
            continue;
        if (o == officer)
            mine = count;
        people[count++] = o;
    }
    roster_seats(roster, school, shift, people, count, seat);
    return seat[mine];
}

void roster_reason(const struct roster *roster, const struct roster_plan *plan, int officer,
                   int shift, struct roster_reason *ret)
{
    int school = plan->at[officer * roster->shifts + shift];
    struct roster_reason reason = {
        .minutes = roster_minutes(roster, officer, school),
        .seat = seat_of(roster, plan, officer, shift),
        .of = duties_of(roster, plan, officer),
        .frozen = roster_is_frozen(roster, officer, shift),
        .kept = roster_former(roster, officer, shift) == school,
    };
    for (int t = 0; t <= shift; t++)
        reason.number += plan->at[officer * roster->shifts + t] >= 0;
    for (int o = 0; o < roster->officers; o++) {
        int minutes = roster_minutes(roster, o, school);
        if (o == officer || minutes < 0 || !is_free(roster, o, shift) ||
            plan->at[o * roster->shifts + shift] >= 0 ||
            duties_of(roster, plan, o) >= roster->officer[o].cap ||
            (reason.seat < ROSTER_SKILLS && (roster->officer[o].skills >> reason.seat & 1) == 0))
            continue;
        reason.others++;
        reason.nearer += minutes < reason.minutes;
    }
    *ret = reason;
}

/* --- who could stand in --- */

static void keep_best(struct roster_stand_in *list, int *count, int max,
                      const struct roster_stand_in *one)
{
    int at = *count;
    while (at > 0 && list[at - 1].cost > one->cost)
        at--;
    if (at >= max)
        return;
    if (*count < max)
        ++*count;
    memmove(&list[at + 1], &list[at], (size_t)(*count - 1 - at) * sizeof *list);
    list[at] = *one;
}

/* The free person who best takes the place that `officer` leaves. It depends on the school and the
 * officer's skills alone, so what was found once holds for the others. */
struct next {
    bool known;
    int officer, cost;
};

static void find_next(const struct state *state, int officer, int shift, struct next *next)
{
    int from = state->at[officer * state->shifts + shift];
    int school = state->roster->reach[from].school;
    const struct cell *cell = state_cell(state, from, shift);
    *next = (struct next){.known = true, .officer = ROSTER_NONE};
    for (int o = 0; o < state->roster->officers; o++) {
        if (state->at[o * state->shifts + shift] >= 0)
            continue;
        int reach = state_reach(state, o, school);
        if (!state_may(state, o, shift, reach))
            continue;
        int cost = state_cost_officer(state, o, shift, -1, reach) +
                   state_cost_cell(state, cell, officer, o);
        if (next->officer == ROSTER_NONE || cost < next->cost) {
            next->officer = o;
            next->cost = cost;
        }
    }
    if (next->officer == ROSTER_NONE)
        next->cost = state_cost_cell(state, cell, officer, -1);
}

static void consider(const struct state *state, const struct cell *cell, int shift, int reach,
                     struct roster_stand_in *one, int leaving, struct next *nexts)
{
    const struct roster *roster = state->roster;
    int from = state->at[one->officer * state->shifts + shift];
    one->next = ROSTER_NONE;
    one->cost = state_cost_officer(state, one->officer, shift, from, reach) +
                state_cost_cell(state, cell, leaving, one->officer);
    if (from < 0)
        return;
    struct next *next =
        &nexts[roster->reach[from].school * SKILL_SETS + roster->officer[one->officer].skills];
    if (!next->known)
        find_next(state, one->officer, shift, next);
    one->next = next->officer;
    one->cost += next->cost;
}

int roster_stand_ins(const struct roster *roster, const struct roster_plan *plan, int school,
                     int shift, int leaving, int max_minutes, struct roster_stand_in *ret, int max)
{
    struct state state;
    int count = 0;
    struct next *nexts = calloc((size_t)roster->schools * SKILL_SETS, sizeof *nexts);
    if (nexts == NULL || state_init(&state, roster, plan) != ERR_OK) {
        free(nexts);
        return 0;
    }
    const struct cell *cell = &state.cell[school * roster->shifts + shift];
    for (int o = 0; o < roster->officers; o++) {
        int reach = state_reach(&state, o, school);
        int from = state.at[o * roster->shifts + shift];
        if (o == leaving || !state_may(&state, o, shift, reach) ||
            roster->reach[reach].minutes > max_minutes ||
            (from >= 0 && (roster->reach[from].school == school || roster->officer[o].newcomer)))
            continue;
        struct roster_stand_in one = {.officer = o, .minutes = roster->reach[reach].minutes};
        consider(&state, cell, shift, reach, &one, leaving, nexts);
        if (one.cost < roster->weights.empty / 2)
            keep_best(ret, &count, max, &one);
    }
    state_fini(&state);
    free(nexts);
    return count;
}
