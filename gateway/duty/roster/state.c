/* A plan with its sums: how many stand where with which skills, how many duties, schools and
 * minutes each person has. With them a change is weighed without looking at the rest of the plan.
 *
 * What a change costs falls into a part of the officer and a part of each school it touches; the
 * parts of different officers and schools add up. A cell with newcomers alone costs FORBIDDEN, so
 * that no search ever keeps one. */
#include "gateway/duty/roster/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FORBIDDEN = 10000000 };

int state_reach(const struct state *state, int officer, int school)
{
    const struct roster_officer *who = &state->roster->officer[officer];
    int low = who->reach, high = who->reach + who->reach_count - 1;
    while (low <= high) {
        int middle = (low + high) / 2, there = state->roster->reach[middle].school;
        if (there == school)
            return middle;
        if (there < school)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

static int over(const struct roster_weights *weights, int duties, int minutes)
{
    int all = duties * weights->duty_minutes + 2 * minutes;
    return all > weights->week_minutes ? (all - weights->week_minutes) * weights->over : 0;
}

static int stay(const struct state *state, int officer, int shift, int reach)
{
    const struct roster *roster = state->roster;
    if (reach < 0 || roster->former == NULL ||
        roster->former[officer * state->shifts + shift] == roster->reach[reach].school)
        return 0;
    return roster->weights.stay;
}

int state_cost_officer(const struct state *state, int officer, int shift, int from, int to)
{
    const struct roster *roster = state->roster;
    const struct roster_weights *weights = &roster->weights;
    const struct load *load = &state->load[officer];
    int duties = load->duties, minutes = load->minutes, schools = load->schools;
    if (from >= 0) {
        duties--;
        minutes -= roster->reach[from].minutes;
        schools -= state->times[from] == 1;
    }
    if (to >= 0) {
        duties++;
        minutes += roster->reach[to].minutes;
        schools += state->times[to] == 0;
    }
    int cost = 2 * weights->minute * (minutes - load->minutes);
    cost += weights->school *
            ((schools > 1 ? schools - 1 : 0) - (load->schools > 1 ? load->schools - 1 : 0));
    cost += over(weights, duties, minutes) - over(weights, load->duties, load->minutes);
    if (duties != load->duties)
        cost += roster_load(weights, duties) - roster_load(weights, load->duties) +
                (duties - load->duties) * weights->debt *
                    (roster->officer[officer].debt - state->debt_min);
    if (roster->former != NULL)
        cost += stay(state, officer, shift, to) - stay(state, officer, shift, from);
    return cost;
}

int state_cost_cell(const struct state *state, const struct cell *cell, int out, int in)
{
    const struct roster *roster = state->roster;
    int left = out < 0 ? 0 : roster->officer[out].skills;
    int come = in < 0 ? 0 : roster->officer[in].skills;
    int cost = ((out >= 0) - (in >= 0)) * roster->weights.empty;
    for (int k = 0; k < ROSTER_SKILLS; k++) {
        int have = cell->have[k], now = have - (left >> k & 1) + (come >> k & 1);
        int need = cell->need[k];
        cost += roster->weights.skill *
                ((need > now ? need - now : 0) - (need > have ? need - have : 0));
    }
    int filled = cell->filled - (out >= 0) + (in >= 0);
    int seasoned = cell->seasoned - (out >= 0 && !roster->officer[out].newcomer) +
                   (in >= 0 && !roster->officer[in].newcomer);
    return filled > 0 && seasoned == 0 ? FORBIDDEN : cost;
}

bool state_may(const struct state *state, int officer, int shift, int reach)
{
    const struct roster_officer *who = &state->roster->officer[officer];
    if ((who->free >> shift & 1) == 0 || (who->frozen >> shift & 1) != 0 || reach < 0)
        return false;
    return state->at[officer * state->shifts + shift] >= 0 ||
           state->load[officer].duties < who->cap;
}

static void sum(struct state *state, int officer, int reach, struct cell *cell, int sign)
{
    const struct roster_officer *who = &state->roster->officer[officer];
    struct load *load = &state->load[officer];
    load->duties = (int16_t)(load->duties + sign);
    load->minutes += sign * state->roster->reach[reach].minutes;
    int before = state->times[reach], now = before + sign;
    state->times[reach] = (uint8_t)now;
    load->schools = (int16_t)(load->schools + (now > 0) - (before > 0));
    for (int k = 0; k < ROSTER_SKILLS; k++)
        cell->have[k] = (int16_t)(cell->have[k] + sign * (who->skills >> k & 1));
    cell->seasoned = (int16_t)(cell->seasoned + (who->newcomer ? 0 : sign));
}

void state_put(struct state *state, int officer, int shift, int reach)
{
    struct cell *cell = state_cell(state, reach, shift);
    int index = officer * state->shifts + shift;
    assert(state->at[index] < 0 && cell->filled < cell->capacity);
    state->at[index] = reach;
    state->position[index] = cell->filled;
    state->people[cell->people + cell->filled++] = officer;
    sum(state, officer, reach, cell, 1);
}

void state_take(struct state *state, int officer, int shift)
{
    int index = officer * state->shifts + shift, reach = state->at[index];
    assert(reach >= 0);
    struct cell *cell = state_cell(state, reach, shift);
    int last = state->people[cell->people + --cell->filled];
    state->people[cell->people + state->position[index]] = last;
    state->position[last * state->shifts + shift] = state->position[index];
    state->at[index] = -1;
    sum(state, officer, reach, cell, -1);
}

/* --- from a plan and back --- */

static int allocate(struct state *state, const struct roster *roster)
{
    size_t cells = (size_t)roster->schools * (size_t)roster->shifts;
    size_t shifts = (size_t)roster->officers * (size_t)roster->shifts;
    size_t people = 0;
    for (size_t c = 0; c < cells; c++)
        people += (size_t)state->cell[c].capacity;
    state->people = malloc((people + 1) * sizeof *state->people);
    state->position = malloc((shifts + 1) * sizeof *state->position);
    state->at = malloc((shifts + 1) * sizeof *state->at);
    state->load = calloc((size_t)roster->officers + 1, sizeof *state->load);
    state->times = calloc((size_t)roster->reaches + 1, sizeof *state->times);
    if (state->people == NULL || state->position == NULL || state->at == NULL ||
        state->load == NULL || state->times == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < shifts; i++)
        state->at[i] = -1;
    return ERR_OK;
}

/* Frozen people may be more than there are places by now: they have room all the same. */
static void size_cells(struct state *state, const struct roster_plan *plan)
{
    const struct roster *roster = state->roster;
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++)
            if (plan->at[o * roster->shifts + t] >= 0)
                state->cell[plan->at[o * roster->shifts + t] * roster->shifts + t].capacity++;
    int32_t people = 0;
    for (int c = 0; c < roster->schools * roster->shifts; c++) {
        struct cell *cell = &state->cell[c];
        cell->places = roster->need[c].places;
        for (int k = 0; k < ROSTER_SKILLS; k++)
            cell->need[k] = roster->need[c].skills[k];
        if (cell->capacity < cell->places)
            cell->capacity = cell->places;
        cell->people = people;
        people += cell->capacity;
    }
}

/* A frozen duty at a school that is out of reach by now: there is no reach to count it by, so its
 * place and skills are taken off the need. state_write() puts it back. */
static void hold(struct state *state, int officer, int shift, int school)
{
    struct cell *cell = &state->cell[school * state->shifts + shift];
    cell->places = (int16_t)(cell->places > 0 ? cell->places - 1 : 0);
    for (int k = 0; k < ROSTER_SKILLS; k++)
        if ((state->roster->officer[officer].skills >> k & 1) != 0 && cell->need[k] > 0)
            cell->need[k]--;
    state->load[officer].duties++;
}

int state_init(struct state *state, const struct roster *roster, const struct roster_plan *plan)
{
    memset(state, 0, sizeof *state);
    state->roster = roster;
    state->shifts = roster->shifts;
    state->debt_min = roster_debt_min(roster);
    size_t cells = (size_t)roster->schools * (size_t)roster->shifts;
    state->cell = calloc(cells, sizeof *state->cell);
    if (state->cell == NULL)
        return ERR_NOMEM;
    size_cells(state, plan);
    if (allocate(state, roster) != ERR_OK) {
        state_fini(state);
        return ERR_NOMEM;
    }
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int school = plan->at[o * roster->shifts + t];
            int reach = school < 0 ? -1 : state_reach(state, o, school);
            if (reach >= 0)
                state_put(state, o, t, reach);
            else if (school >= 0 && roster_is_frozen(roster, o, t))
                hold(state, o, t, school);
        }
    return ERR_OK;
}

void state_fini(struct state *state)
{
    free(state->cell);
    free(state->people);
    free(state->position);
    free(state->at);
    free(state->load);
    free(state->times);
    memset(state, 0, sizeof *state);
}

void state_write(const struct state *state, struct roster_plan *plan)
{
    const struct roster *roster = state->roster;
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int index = o * roster->shifts + t, reach = state->at[index];
            plan->at[index] =
                reach < 0 ? (int16_t)roster_kept(roster, o, t) : roster->reach[reach].school;
        }
}
