/* The plan as a whole: made afresh, made again with as few changes as possible, measured, judged.
 *
 * Afresh: the flow, three times, the later ones with the schools of each person in mind; the gaps
 * that a chain of moves can fill; repair, which never leaves it dearer; the gaps again; volunteers.
 * Again: the former plan without what is no longer allowed, then the gaps. Both end with the same
 * filling of gaps, so that a plan made again when nothing has changed is the plan. Failure: memory.
 */
#include "gateway/duty/roster/internal.h"

#include <stdlib.h>
#include <string.h>

enum { START_ROUNDS = 3 }; /* a fourth changes little */

/* --- making --- */

/* Newcomers whom the flow put somewhere by themselves. */
static void part_newcomers(struct state *state)
{
    const struct roster *roster = state->roster;
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts && roster->officer[o].newcomer; t++) {
            int reach = state->at[o * roster->shifts + t];
            if (reach >= 0 && state_cell(state, reach, t)->seasoned == 0 &&
                !roster_is_frozen(roster, o, t))
                state_take(state, o, t);
        }
}

static int times_at(const struct roster *roster, const struct roster_plan *plan, int officer,
                    int school)
{
    int times = 0;
    for (int t = 0; t < roster->shifts; t++)
        times += plan->at[officer * roster->shifts + t] == school;
    return times;
}

/* What each further school of a person costs, shared out over the duties there: the next flow then
 * weighs it like a longer way. The school where the person is most is free. */
static void share_out(const struct roster *roster, const struct roster_plan *plan, int officer,
                      int16_t *extra)
{
    const struct roster_officer *who = &roster->officer[officer];
    int most = 0, home = -1;
    for (int i = who->reach; i < who->reach + who->reach_count; i++) {
        int times = times_at(roster, plan, officer, roster->reach[i].school);
        extra[i] = (int16_t)(roster->weights.school / (times > 0 ? times : 1));
        if (times > most) {
            most = times;
            home = i;
        }
    }
    if (home >= 0)
        extra[home] = 0;
    for (int i = 0; home < 0 && i < who->reach_count; i++)
        extra[who->reach + i] = 0;
}

static int start_near_home(const struct roster *roster, struct roster_plan *plan)
{
    size_t cells = (size_t)roster->officers * (size_t)roster->shifts;
    int16_t *extra = calloc((size_t)roster->reaches + 1, sizeof *extra);
    int64_t cost;
    int code = extra == NULL ? ERR_NOMEM : ERR_OK;
    for (int round = 0; code == ERR_OK && round < START_ROUNDS; round++) {
        for (int o = 0; round > 0 && o < roster->officers; o++)
            share_out(roster, plan, o, extra);
        for (size_t i = 0; i < cells; i++)
            plan->at[i] = ROSTER_NONE;
        code = roster_start(roster, false, extra, plan, &cost);
    }
    free(extra);
    return code;
}

int roster_make(const struct roster *roster, const struct roster_options *options,
                struct roster_plan *ret_plan)
{
    struct state state;
    int code = roster_plan_init(ret_plan, roster);
    if (code == ERR_OK)
        code = start_near_home(roster, ret_plan);
    if (code == ERR_OK)
        code = state_init(&state, roster, ret_plan);
    if (code == ERR_OK) {
        part_newcomers(&state);
        code = state_fill(&state);
        if (code == ERR_OK)
            code = state_repair(&state, options);
        if (code == ERR_OK)
            code = state_fill(&state);
        state_write(&state, ret_plan);
        state_fini(&state);
    }
    if (code == ERR_OK)
        code = roster_plan_volunteers(roster, ret_plan);
    if (code != ERR_OK)
        roster_plan_fini(ret_plan);
    return code;
}

int roster_flow_cost(const struct roster *roster, int64_t *ret_cost)
{
    struct roster_plan plan;
    int code = roster_plan_init(&plan, roster);
    if (code == ERR_OK)
        code = roster_start(roster, true, NULL, &plan, ret_cost);
    roster_plan_fini(&plan);
    return code;
}

/* --- making again --- */

static bool still_may(const struct roster *roster, int officer, int shift, int school)
{
    return roster_is_frozen(roster, officer, shift) ||
           ((roster->officer[officer].free >> shift & 1) != 0 &&
            roster_minutes(roster, officer, school) >= 0);
}

static void take_former(const struct roster *roster, struct roster_plan *plan)
{
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int school = roster_former(roster, o, t);
            if (school >= 0 && still_may(roster, o, t, school))
                plan->at[o * roster->shifts + t] = (int16_t)school;
        }
}

/* What is saved when the person does not go; the cell's sums are those of now. */
static int gain_of(const struct state *state, int officer, int shift)
{
    int reach = state->at[officer * state->shifts + shift];
    return state_cost_officer(state, officer, shift, reach, -1) +
           state_cost_cell(state, state_cell(state, reach, shift), officer, -1);
}

/* More duties than the cap of now: the ones go that are missed least. */
static void keep_caps(struct state *state)
{
    const struct roster *roster = state->roster;
    for (int o = 0; o < roster->officers; o++)
        while (state->load[o].duties > roster->officer[o].cap) {
            int worst = -1, cost = 0;
            for (int t = 0; t < roster->shifts; t++) {
                if (state->at[o * roster->shifts + t] < 0 || roster_is_frozen(roster, o, t))
                    continue;
                int now = gain_of(state, o, t);
                if (worst < 0 || now < cost) {
                    worst = t;
                    cost = now;
                }
            }
            if (worst < 0)
                break;
            state_take(state, o, worst);
        }
}

/* More people than places of now. */
static void keep_places(struct state *state, int school, int shift)
{
    struct cell *cell = &state->cell[school * state->shifts + shift];
    while (cell->filled > cell->places) {
        int worst = -1, cost = 0;
        for (int i = 0; i < cell->filled; i++) {
            int o = state->people[cell->people + i];
            if (roster_is_frozen(state->roster, o, shift))
                continue;
            int now = gain_of(state, o, shift);
            if (worst < 0 || now < cost || (now == cost && o < worst)) {
                worst = o;
                cost = now;
            }
        }
        if (worst < 0)
            break;
        state_take(state, worst, shift);
    }
}

int roster_replan(const struct roster *roster, struct roster_plan *ret_plan)
{
    struct state state;
    int code = roster_plan_init(ret_plan, roster);
    if (code == ERR_OK) {
        take_former(roster, ret_plan);
        code = state_init(&state, roster, ret_plan);
    }
    if (code == ERR_OK) {
        keep_caps(&state);
        for (int s = 0; s < roster->schools; s++)
            for (int t = 0; t < roster->shifts; t++)
                keep_places(&state, s, t);
        part_newcomers(&state);
        code = state_fill(&state);
        state_write(&state, ret_plan);
        state_fini(&state);
    }
    if (code == ERR_OK)
        code = roster_plan_volunteers(roster, ret_plan);
    if (code != ERR_OK)
        roster_plan_fini(ret_plan);
    return code;
}

/* --- seats --- */

struct matching {
    const struct roster *roster;
    const int32_t *people;
    uint8_t *seat;
    int count;
    int16_t left[ROSTER_SKILLS];
};

/* Finds the person a seat of some skill, moving others to another of their skills when it must
 * (Kuhn's augmenting path; `seen` are the skills tried). */
static bool seat_one(struct matching *matching, int index, unsigned *seen)
{
    int skills = matching->roster->officer[matching->people[index]].skills;
    for (int k = 0; k < ROSTER_SKILLS; k++) {
        if ((skills >> k & 1) == 0 || (*seen >> k & 1) != 0)
            continue;
        *seen |= 1U << k;
        if (matching->left[k] > 0) {
            matching->left[k]--;
            matching->seat[index] = (uint8_t)k;
            return true;
        }
        for (int i = 0; i < matching->count; i++)
            if (i != index && matching->seat[i] == k && seat_one(matching, i, seen)) {
                matching->seat[index] = (uint8_t)k;
                return true;
            }
    }
    return false;
}

void roster_seats(const struct roster *roster, int school, int shift, const int32_t *people,
                  int count, uint8_t *ret_seat)
{
    struct roster_need need = roster_need_of(roster, school, shift);
    struct matching matching = {
        .roster = roster, .people = people, .seat = ret_seat, .count = count};
    for (int k = 0; k < ROSTER_SKILLS; k++)
        matching.left[k] = need.skills[k];
    memset(ret_seat, ROSTER_SKILLS, (size_t)count);
    for (int i = 0; i < count; i++) {
        unsigned seen = 0;
        seat_one(&matching, i, &seen);
    }
}

/* --- measuring and judging --- */

static void measure_officer(const struct roster *roster, const struct roster_plan *plan,
                            int officer, int debt_min, struct roster_figures *figures)
{
    const struct roster_weights *weights = &roster->weights;
    const int16_t *at = &plan->at[officer * roster->shifts];
    int duties = 0, minutes = 0, schools = 0;
    for (int t = 0; t < roster->shifts; t++) {
        bool again = false;
        int former = roster_former(roster, officer, t);
        if (roster->former != NULL && at[t] != former) {
            figures->changes += (at[t] >= 0) + (former >= 0);
            figures->stay += at[t] >= 0 ? weights->stay : 0;
        }
        if (at[t] < 0)
            continue;
        for (int i = 0; i < t; i++)
            again = again || at[i] == at[t];
        int way = roster_minutes(roster, officer, at[t]);
        duties++;
        schools += !again;
        minutes += way > 0 ? way : 0;
    }
    int all = duties * weights->duty_minutes + 2 * minutes;
    figures->duties += duties;
    figures->minutes += 2 * (int64_t)minutes * weights->minute;
    figures->loads += roster_load(weights, duties);
    figures->schools += schools > 1 ? (schools - 1) * weights->school : 0;
    figures->over +=
        all > weights->week_minutes ? (all - weights->week_minutes) * weights->over : 0;
    figures->debt += (int64_t)duties * weights->debt * (roster->officer[officer].debt - debt_min);
}

/* Places and skills of all cells less those of the plan's people. */
static int measure_cells(const struct roster *roster, const struct roster_plan *plan,
                         struct roster_figures *figures)
{
    int cells = roster->schools * roster->shifts;
    struct roster_need *left = malloc((size_t)cells * sizeof *left);
    if (left == NULL)
        return ERR_NOMEM;
    memcpy(left, roster->need, (size_t)cells * sizeof *left);
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int school = plan->at[o * roster->shifts + t];
            if (school < 0)
                continue;
            struct roster_need *need = &left[school * roster->shifts + t];
            need->places--;
            for (int k = 0; k < ROSTER_SKILLS; k++)
                need->skills[k] = (int16_t)(need->skills[k] - (roster->officer[o].skills >> k & 1));
        }
    for (int c = 0; c < cells; c++) {
        figures->places += roster->need[c].places;
        figures->empty += left[c].places > 0 ? left[c].places : 0;
        for (int k = 0; k < ROSTER_SKILLS; k++)
            figures->missing_skills += left[c].skills[k] > 0 ? left[c].skills[k] : 0;
        figures->volunteer_places += roster->need[c].volunteers;
    }
    free(left);
    return ERR_OK;
}

int roster_measure(const struct roster *roster, const struct roster_plan *plan,
                   struct roster_figures *ret)
{
    struct roster_figures figures = {0};
    int debt_min = roster_debt_min(roster), code = measure_cells(roster, plan, &figures);
    if (code != ERR_OK)
        return code;
    for (int o = 0; o < roster->officers; o++)
        measure_officer(roster, plan, o, debt_min, &figures);
    for (int v = 0; v < roster->volunteers; v++)
        figures.volunteer_duties += __builtin_popcountll(plan->volunteer_slots[v]);
    figures.cost = figures.empty * roster->weights.empty +
                   figures.missing_skills * roster->weights.skill + figures.minutes +
                   figures.loads + figures.schools + figures.over + figures.stay + figures.debt;
    *ret = figures;
    return ERR_OK;
}
