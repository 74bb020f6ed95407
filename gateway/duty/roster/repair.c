/* Local repair with annealing: what the flow could not say (one person covers two skills, the
 * number of schools, minutes a week) is improved by small changes inside one shift: a person goes
 * to a free place of another school, takes the place of somebody, or two change places.
 *
 * A change is kept when it costs no more than a random allowance that shrinks as the steps (or the
 * time) run out; so it ends in a plan that no single change makes better. Every plan in between is
 * legal. When the end is worse than the start, the start is kept. Failure: memory. */
#include "gateway/duty/roster/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"

/* Between two looks at the time (LOOK steps, in a small week a LOOKS-th of all) only the turns of
 * some neighbouring officers are tried, so that a large county is worked on in parts that fit the
 * processor's cache. */
enum { ALLOWANCES = 1024, LOOK = 4096, LOOKS = 200, WINDOW = 2500 };

/* In costs. The start is good: more heat only destroys it. The last steps take only what costs
 * nothing. */
static const double HOT = 2.0, COLD = 0.3, COOL_SHARE = 0.95;

struct repair {
    struct state *state;
    uint64_t random;
    int32_t *turn; /* owned; officer * shifts + shift of all that may change */
    int turns;
    double temperature;
    float allowance[ALLOWANCES]; /* in temperatures: -ln of evenly spread numbers */
    int64_t balance;             /* cost less that of the start */
};

/* xorshift64*: this is called more often than anything else here. */
static uint32_t random_below(struct repair *repair, uint32_t bound)
{
    repair->random ^= repair->random >> 12;
    repair->random ^= repair->random << 25;
    repair->random ^= repair->random >> 27;
    uint64_t word = (repair->random * 0x2545f4914f6cdd1dU) >> 32;
    return (uint32_t)((word * bound) >> 32);
}

static bool accept(struct repair *repair, int cost)
{
    float allowance = repair->allowance[random_below(repair, ALLOWANCES)];
    if (cost > (int)(repair->temperature * (double)allowance))
        return false;
    repair->balance += cost;
    return true;
}

struct change {
    int officer, shift, from, to;
};

static void try_free(struct repair *repair, const struct change *change)
{
    struct state *state = repair->state;
    int o = change->officer, t = change->shift;
    int cost = state_cost_officer(state, o, t, change->from, change->to) +
               state_cost_cell(state, state_cell(state, change->to, t), -1, o);
    if (change->from >= 0)
        cost += state_cost_cell(state, state_cell(state, change->from, t), o, -1);
    if (!accept(repair, cost))
        return;
    if (change->from >= 0)
        state_take(state, o, t);
    state_put(state, o, t, change->to);
}

static void try_replace(struct repair *repair, const struct change *change, int other)
{
    struct state *state = repair->state;
    int o = change->officer, t = change->shift, place = state->at[other * state->shifts + t];
    int cost = state_cost_officer(state, o, t, -1, change->to) +
               state_cost_officer(state, other, t, place, -1) +
               state_cost_cell(state, state_cell(state, change->to, t), other, o);
    if (!accept(repair, cost))
        return;
    state_take(state, other, t);
    state_put(state, o, t, change->to);
}

static void try_swap(struct repair *repair, const struct change *change, int other)
{
    struct state *state = repair->state;
    int o = change->officer, t = change->shift, place = state->at[other * state->shifts + t];
    int back = state_reach(state, other, state->roster->reach[change->from].school);
    if (back < 0)
        return;
    int cost = state_cost_officer(state, o, t, change->from, change->to) +
               state_cost_officer(state, other, t, place, back) +
               state_cost_cell(state, state_cell(state, change->to, t), other, o) +
               state_cost_cell(state, state_cell(state, change->from, t), o, other);
    if (!accept(repair, cost))
        return;
    state_take(state, o, t);
    state_take(state, other, t);
    state_put(state, o, t, change->to);
    state_put(state, other, t, back);
}

static void step(struct repair *repair, int first, int size)
{
    struct state *state = repair->state;
    int index = first + (int)random_below(repair, (uint32_t)size);
    int turn = repair->turn[index < repair->turns ? index : index - repair->turns];
    struct change change = {.officer = turn / state->shifts, .shift = turn % state->shifts};
    const struct roster_officer *who = &state->roster->officer[change.officer];
    change.from = state->at[turn];
    change.to = who->reach + (int)random_below(repair, (uint32_t)who->reach_count);
    const struct cell *cell = state_cell(state, change.to, change.shift);
    if (change.to == change.from || cell->places == 0 ||
        (change.from < 0 && state->load[change.officer].duties >= who->cap))
        return;
    if (cell->filled < cell->places) {
        try_free(repair, &change);
        return;
    }
    index = cell->people + (int)random_below(repair, (uint32_t)cell->filled);
    int other = state->people[index];
    if (roster_is_frozen(state->roster, other, change.shift))
        return;
    if (change.from < 0)
        try_replace(repair, &change, other);
    else
        try_swap(repair, &change, other);
}

static int prepare(struct repair *repair, uint64_t seed)
{
    const struct roster *roster = repair->state->roster;
    size_t all = (size_t)roster->officers * (size_t)roster->shifts;
    repair->turn = malloc((all + 1) * sizeof *repair->turn);
    if (repair->turn == NULL)
        return ERR_NOMEM;
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            const struct roster_officer *who = &roster->officer[o];
            if ((who->free >> t & 1) != 0 && (who->frozen >> t & 1) == 0 && who->reach_count > 0)
                repair->turn[repair->turns++] = o * roster->shifts + t;
        }
    for (int i = 0; i < ALLOWANCES; i++)
        repair->allowance[i] = (float)-log((i + 0.5) / ALLOWANCES);
    repair->random = seed * 0x9e3779b97f4a7c15U + 0x853c49e6748fea9bU;
    if (repair->random == 0)
        repair->random = 1;
    return ERR_OK;
}

/* The share of the steps or of the time that is gone, whichever is more. */
static double share_gone(const struct roster_options *options, double share, int64_t started_us)
{
    if (options->time_us > 0) {
        double time = (double)(clock_mono_us() - started_us) / (double)options->time_us;
        share = time > share ? time : share;
    }
    return share;
}

static void anneal(struct repair *repair, const struct roster_options *options)
{
    int64_t started_us = clock_mono_us(), all = options->steps * repair->turns;
    int size = repair->turns < WINDOW ? repair->turns : WINDOW;
    int look = all / LOOKS < LOOK ? (int)(all / LOOKS) + 1 : LOOK;
    double share = 0.0;
    for (int64_t done = look; share < 1.0; done += look) {
        int first = (int)random_below(repair, (uint32_t)repair->turns);
        repair->temperature = share < COOL_SHARE ? HOT * pow(COLD / HOT, share) : 0.0;
        for (int i = 0; i < look; i++)
            step(repair, first, size);
        share = share_gone(options, (double)done / (double)all, started_us);
    }
}

int state_repair(struct state *state, const struct roster_options *options)
{
    struct repair repair = {.state = state};
    size_t size = (size_t)state->roster->officers * (size_t)state->shifts * sizeof *state->at;
    int32_t *start = malloc(size + 1);
    int code = prepare(&repair, options->seed);
    if (start == NULL || code != ERR_OK) {
        code = ERR_NOMEM;
    } else if (options->steps > 0 && repair.turns > 0) {
        memcpy(start, state->at, size);
        anneal(&repair, options);
        for (int i = 0; repair.balance > 0 && i < repair.turns; i++)
            if (state->at[repair.turn[i]] >= 0)
                state_take(state, repair.turn[i] / state->shifts, repair.turn[i] % state->shifts);
        for (int i = 0; repair.balance > 0 && i < repair.turns; i++)
            if (start[repair.turn[i]] >= 0)
                state_put(state, repair.turn[i] / state->shifts, repair.turn[i] % state->shifts,
                          start[repair.turn[i]]);
    }
    free(start);
    free(repair.turn);
    return code;
}
