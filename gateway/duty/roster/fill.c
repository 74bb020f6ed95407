/* Gaps (an empty place, a skill that is missing) filled by the cheapest chain of at most three
 * moves inside their shift: a person comes to the gap; if it stood elsewhere, another takes its
 * place there, and so once more; the last one was free.
 *
 * What it costs to fill a place depends only on the school and on the skills of the person who left
 * it, so three passes over all pairs within reach find the best chains of one, two and three moves
 * for all schools of a shift at once. The best chain that pays is made, and so on until none is
 * left: what is done once is not undone or done again when nothing has changed. Failure: memory. */
#include "gateway/duty/roster/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MASKS = 1 << ROSTER_SKILLS, NOBODY = MASKS, CHAIN_MAX = 3, WORST = INT32_MAX / 4 };

struct link {
    int32_t cost;
    int32_t officer; /* who comes; -1: nobody can */
    int32_t reach;
};

struct fill {
    struct state *state;
    int shift;
    int32_t *by_skills; /* owned; an officer with each set of skills, for weighing; -1 */
    int32_t *first;     /* owned; the pairs of school s are pair[first[s]..first[s + 1]) */
    struct pair {
        int32_t officer, reach;
    } * pair; /* owned */
    /* owned; [depth][school][skills that left]: who comes best, with at most depth + 1 moves */
    struct link *best[CHAIN_MAX - 1];
};

struct chain {
    int cost, length;
    int school;  /* of the gap */
    int leaving; /* who is sent off from it first; -1: nobody */
    int officer[CHAIN_MAX], reach[CHAIN_MAX];
};

static struct link *link_of(const struct fill *fill, int depth, int school, int skills)
{
    return &fill->best[depth][school * MASKS + skills];
}

static struct cell *cell_of(const struct fill *fill, int school)
{
    return &fill->state->cell[school * fill->state->shifts + fill->shift];
}

static int school_of(const struct fill *fill, int reach)
{
    return fill->state->roster->reach[reach].school;
}

static bool is_newcomer(const struct fill *fill, int officer)
{
    return fill->state->roster->officer[officer].newcomer;
}

/* The cost of `in` coming in place of somebody with these skills. */
static int cost_there(const struct fill *fill, const struct cell *cell, int skills, int in)
{
    return state_cost_cell(fill->state, cell, fill->by_skills[skills], in);
}

/* One pass: `officer` may come to `school` for what left there. */
static void offer(struct fill *fill, int depth, int officer, int reach)
{
    struct state *state = fill->state;
    int from = state->at[officer * state->shifts + fill->shift];
    struct cell *cell = state_cell(state, reach, fill->shift);
    int cost = state_cost_officer(state, officer, fill->shift, from, reach);
    if (from >= 0) {
        const struct link *after =
            link_of(fill, depth - 1, school_of(fill, from), state->roster->officer[officer].skills);
        if (after->officer < 0 || school_of(fill, reach) == school_of(fill, from))
            return;
        cost += after->cost;
    }
    for (int skills = 0; skills < MASKS; skills++) {
        struct link *link = link_of(fill, depth, school_of(fill, reach), skills);
        if (fill->by_skills[skills] < 0)
            continue;
        int all = cost + cost_there(fill, cell, skills, officer);
        if (all < link->cost)
            *link = (struct link){all, officer, reach};
    }
}

/* A newcomer comes only when free: those who leave a place are weighed as if they were none. */
static void pass(struct fill *fill, int depth)
{
    struct state *state = fill->state;
    const struct roster *roster = state->roster;
    size_t size = (size_t)roster->schools * MASKS;
    for (size_t i = 0; i < size; i++)
        fill->best[depth][i] = depth > 0 ? fill->best[depth - 1][i] : (struct link){WORST, -1, -1};
    for (int o = 0; o < roster->officers; o++) {
        const struct roster_officer *who = &roster->officer[o];
        bool is_free = state->at[o * state->shifts + fill->shift] < 0;
        if (is_free != (depth == 0) || !state_may(state, o, fill->shift, who->reach))
            continue;
        for (int i = 0; i < who->reach_count; i++) {
            const struct cell *cell = state_cell(state, who->reach + i, fill->shift);
            if (cell->places > 0 && (depth == 0 || !is_newcomer(fill, o)))
                offer(fill, depth, o, who->reach + i);
        }
    }
}

/* Follows the links from `officer` coming to `reach`; false when the chain meets itself: its cost
 * would not be the sum of its parts. */
static bool follow(const struct fill *fill, int officer, int reach, struct chain *chain)
{
    const struct state *state = fill->state;
    chain->length = 0;
    for (int depth = CHAIN_MAX - 2;; depth--) {
        for (int i = 0; i < chain->length; i++)
            if (chain->officer[i] == officer ||
                school_of(fill, chain->reach[i]) == school_of(fill, reach))
                return false;
        if (officer == chain->leaving)
            return false;
        chain->officer[chain->length] = officer;
        chain->reach[chain->length++] = reach;
        int from = state->at[officer * state->shifts + fill->shift];
        if (from < 0)
            return true;
        assert(depth >= 0 && chain->length < CHAIN_MAX);
        const struct link *link =
            link_of(fill, depth, school_of(fill, from), state->roster->officer[officer].skills);
        officer = link->officer;
        reach = link->reach;
        if (school_of(fill, from) == chain->school)
            return false;
    }
}

/* The cost of `officer` coming to the gap with all that follows; WORST when it cannot. */
static int cost_coming(const struct fill *fill, int officer, int reach, int leaving)
{
    const struct state *state = fill->state;
    const struct cell *cell = state_cell(state, reach, fill->shift);
    if (officer == leaving || !state_may(state, officer, fill->shift, reach))
        return WORST;
    int from = state->at[officer * state->shifts + fill->shift];
    if (from >= 0 && is_newcomer(fill, officer))
        return WORST;
    int cost = state_cost_officer(state, officer, fill->shift, from, reach) +
               state_cost_cell(state, cell, leaving, officer);
    if (from < 0)
        return cost;
    if (school_of(fill, from) == school_of(fill, reach))
        return WORST;
    const struct link *link =
        link_of(fill, CHAIN_MAX - 2, school_of(fill, from), state->roster->officer[officer].skills);
    return link->officer < 0 ? WORST : cost + link->cost;
}

static void best_chain(const struct fill *fill, int school, int leaving, struct chain *best)
{
    const struct state *state = fill->state;
    int before = 0;
    if (leaving >= 0)
        before = state_cost_officer(state, leaving, fill->shift,
                                    state->at[leaving * state->shifts + fill->shift], -1);
    for (int i = fill->first[school]; i < fill->first[school + 1]; i++) {
        const struct pair *pair = &fill->pair[i];
        int cost = cost_coming(fill, pair->officer, pair->reach, leaving);
        struct chain chain = {.cost = cost + before, .school = school, .leaving = leaving};
        if (chain.cost < best->cost && follow(fill, pair->officer, pair->reach, &chain))
            *best = chain;
    }
}

static bool lacks_skill(const struct cell *cell)
{
    for (int k = 0; k < ROSTER_SKILLS; k++)
        if (cell->have[k] < cell->need[k])
            return true;
    return false;
}

/* The best chain for each way to make this school better. */
static void look(const struct fill *fill, int school, struct chain *best)
{
    const struct state *state = fill->state;
    const struct cell *cell = cell_of(fill, school);
    if (cell->filled < cell->places) {
        best_chain(fill, school, -1, best);
    } else if (lacks_skill(cell)) {
        for (int i = 0; i < cell->filled; i++) {
            int leaving = state->people[cell->people + i];
            if (!roster_is_frozen(state->roster, leaving, fill->shift))
                best_chain(fill, school, leaving, best);
        }
    }
}

static void apply(struct state *state, int shift, const struct chain *chain)
{
    if (chain->leaving >= 0)
        state_take(state, chain->leaving, shift);
    for (int i = 0; i < chain->length; i++) {
        if (state->at[chain->officer[i] * state->shifts + shift] >= 0)
            state_take(state, chain->officer[i], shift);
        state_put(state, chain->officer[i], shift, chain->reach[i]);
    }
}

/* False: nothing in this shift pays any more. */
static bool fill_one(struct fill *fill)
{
    struct chain best = {.cost = 0};
    bool gap = false;
    for (int s = 0; s < fill->state->roster->schools && !gap; s++) {
        const struct cell *cell = cell_of(fill, s);
        gap = cell->filled < cell->places || lacks_skill(cell);
    }
    if (!gap)
        return false;
    for (int depth = 0; depth < CHAIN_MAX - 1; depth++)
        pass(fill, depth);
    for (int s = 0; s < fill->state->roster->schools; s++)
        look(fill, s, &best);
    if (best.cost >= 0)
        return false;
    apply(fill->state, fill->shift, &best);
    return true;
}

/* The pairs within reach by school, in order of officers. */
static void sort_pairs(struct fill *fill)
{
    const struct roster *roster = fill->state->roster;
    int32_t *first = fill->first;
    for (int i = 0; i < roster->reaches; i++)
        first[roster->reach[i].school + 1]++;
    for (int s = 0; s < roster->schools; s++)
        first[s + 1] += first[s];
    for (int o = roster->officers - 1; o >= 0; o--)
        for (int i = roster->officer[o].reach_count - 1; i >= 0; i--) {
            int reach = roster->officer[o].reach + i;
            fill->pair[--first[roster->reach[reach].school + 1]] = (struct pair){o, reach};
        }
    for (int s = 0; s < roster->schools; s++)
        first[s] = first[s + 1];
    first[roster->schools] = roster->reaches;
}

static int prepare(struct fill *fill)
{
    const struct roster *roster = fill->state->roster;
    fill->first = calloc((size_t)roster->schools + 1, sizeof *fill->first);
    fill->pair = malloc(((size_t)roster->reaches + 1) * sizeof *fill->pair);
    fill->by_skills = malloc(MASKS * sizeof *fill->by_skills);
    for (int depth = 0; depth < CHAIN_MAX - 1; depth++)
        fill->best[depth] = malloc((size_t)roster->schools * MASKS * sizeof(struct link));
    if (fill->first == NULL || fill->pair == NULL || fill->by_skills == NULL ||
        fill->best[0] == NULL || fill->best[1] == NULL)
        return ERR_NOMEM;
    for (int mask = 0; mask < MASKS; mask++)
        fill->by_skills[mask] = -1;
    sort_pairs(fill);
    for (int o = roster->officers - 1; o >= 0; o--)
        if (!roster->officer[o].newcomer)
            fill->by_skills[roster->officer[o].skills] = o;
    return ERR_OK;
}

int state_fill(struct state *state)
{
    struct fill fill = {.state = state};
    int code = prepare(&fill);
    bool again = code == ERR_OK;
    while (again) {
        again = false;
        for (fill.shift = 0; fill.shift < state->shifts; fill.shift++)
            while (fill_one(&fill))
                again = true;
    }
    free(fill.by_skills);
    free(fill.first);
    free(fill.pair);
    for (int depth = 0; depth < CHAIN_MAX - 1; depth++)
        free(fill.best[depth]);
    return code;
}
