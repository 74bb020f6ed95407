/* The officers' plan as a least-cost flow: source -> officer (one arc a duty, each dearer than the
 * one before: fairness) -> officer in a shift (one place) -> seat of a school in that shift
 * (general or one skill's) -> sink. What stays empty flows from the source straight to the seat.
 *
 * A flow cannot know that one person has two skills, nor count the schools a person goes to; that
 * is for the repair. As its start an unskilled person may sit in a skill's seat at the price of the
 * missing skill, so that scarce skills do not leave places empty. What is frozen is taken out of
 * the network before: its seat, its skills, its duty. Failure: memory. */
#include "gateway/duty/roster/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SEATS = ROSTER_SKILLS + 1, GENERAL = ROSTER_SKILLS };

struct start {
    const struct roster *roster;
    struct flow flow;
    bool reference;
    const int16_t *extra; /* [reach] on top of the way; NULL: nothing */
    int debt_min;
    int sink, seat_node, next_node;
    int16_t *seats;                                 /* [cell * SEATS + seat] */
    int32_t *kept;                                  /* [officer] frozen duties */
    int32_t *reach_arc, *reach_person, *reach_cell; /* arcs from an officer's shift to a seat */
    int reach_arcs, reach_arcs_max;
};

int roster_former(const struct roster *roster, int officer, int shift)
{
    return roster->former == NULL ? ROSTER_NONE : roster->former[officer * roster->shifts + shift];
}

bool roster_is_frozen(const struct roster *roster, int officer, int shift)
{
    return (roster->officer[officer].frozen >> shift & 1) != 0;
}

int roster_kept(const struct roster *roster, int officer, int shift)
{
    return roster_is_frozen(roster, officer, shift) ? roster_former(roster, officer, shift)
                                                    : ROSTER_NONE;
}

int roster_debt_min(const struct roster *roster)
{
    int least = 0;
    for (int o = 0; o < roster->officers; o++)
        if (roster->officer[o].debt < least)
            least = roster->officer[o].debt;
    return least;
}

static int cells(const struct roster *roster)
{
    return roster->schools * roster->shifts;
}

/* Places by seat: the skills' first, the rest general. */
static void count_seats(struct start *start)
{
    const struct roster *roster = start->roster;
    for (int c = 0; c < cells(roster); c++) {
        int left = roster->need[c].places;
        for (int k = 0; k < ROSTER_SKILLS; k++) {
            int want = roster->need[c].skills[k];
            start->seats[c * SEATS + k] = (int16_t)(want < left ? want : left);
            left -= start->seats[c * SEATS + k];
        }
        start->seats[c * SEATS + GENERAL] = (int16_t)left;
    }
}

/* The frozen person takes a seat of a skill of its own, else a general one, else any. */
static void take_seat(struct start *start, int cell, int skills)
{
    int16_t *seats = &start->seats[cell * SEATS];
    for (int k = 0; k < ROSTER_SKILLS; k++)
        if ((skills >> k & 1) != 0 && seats[k] > 0) {
            seats[k]--;
            return;
        }
    for (int k = GENERAL; k >= 0; k--)
        if (seats[k] > 0) {
            seats[k]--;
            return;
        }
}

static void take_frozen(struct start *start, struct roster_plan *plan)
{
    const struct roster *roster = start->roster;
    for (int o = 0; o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int school = roster_kept(roster, o, t);
            if (school == ROSTER_NONE)
                continue;
            plan->at[o * roster->shifts + t] = (int16_t)school;
            start->kept[o]++;
            take_seat(start, school * roster->shifts + t, roster->officer[o].skills);
        }
}

static bool is_open(const struct roster *roster, int officer, int shift)
{
    return (roster->officer[officer].free >> shift & 1) != 0 &&
           !roster_is_frozen(roster, officer, shift);
}

static void add_reach(struct start *start, int officer, int shift, const struct roster_reach *reach)
{
    const struct roster *roster = start->roster;
    int cell = reach->school * roster->shifts + shift;
    int cost = 2 * roster->weights.minute * reach->minutes;
    if (roster->officer[officer].newcomer && roster->need[cell].places < 2)
        return;
    if (start->extra != NULL)
        cost += start->extra[reach - roster->reach];
    if (roster->former != NULL && roster_former(roster, officer, shift) != reach->school)
        cost += roster->weights.stay;
    for (int seat = 0; seat < SEATS; seat++) {
        bool able = seat == GENERAL || (roster->officer[officer].skills >> seat & 1) != 0;
        bool wanted = start->seats[cell * SEATS + seat] > 0 ||
                      (seat == GENERAL && !start->reference && roster->need[cell].places > 0);
        if (!able || !wanted)
            continue;
        assert(start->reach_arcs < start->reach_arcs_max);
        int at = start->reach_arcs++;
        start->reach_arc[at] = flow_add(&start->flow, start->next_node,
                                        start->seat_node + cell * SEATS + seat, 1, cost);
        start->reach_person[at] = officer * roster->shifts + shift;
        start->reach_cell[at] = reach->school;
    }
}

static void add_officer(struct start *start, int officer)
{
    const struct roster *roster = start->roster;
    const struct roster_officer *who = &roster->officer[officer];
    for (int n = start->kept[officer]; n < who->cap && n < roster->shifts; n++) {
        int load = roster_load(&roster->weights, n + 1) - roster_load(&roster->weights, n);
        int debt = (who->debt - start->debt_min) * roster->weights.debt;
        flow_add(&start->flow, 0, 1 + officer, 1, load + debt);
    }
    for (int t = 0; t < roster->shifts; t++) {
        if (!is_open(roster, officer, t))
            continue;
        flow_add(&start->flow, 1 + officer, start->next_node, 1, 0);
        for (int i = 0; i < who->reach_count; i++)
            add_reach(start, officer, t, &roster->reach[who->reach + i]);
        start->next_node++;
    }
}

static void add_cell(struct start *start, int cell)
{
    const struct roster_weights *weights = &start->roster->weights;
    int node = start->seat_node + cell * SEATS;
    for (int seat = 0; seat < SEATS; seat++) {
        int seats = start->seats[cell * SEATS + seat];
        int empty = weights->empty + (seat == GENERAL ? 0 : weights->skill);
        if (seats == 0)
            continue;
        flow_add(&start->flow, node + seat, start->sink, seats, 0);
        flow_add(&start->flow, 0, node + seat, seats, empty);
        if (seat != GENERAL && !start->reference)
            flow_add(&start->flow, node + GENERAL, node + seat, seats, weights->skill);
    }
}

/* Nodes: 0 the source, the officers, the seats, the sink, the officers' shifts. */
static int build(struct start *start)
{
    const struct roster *roster = start->roster;
    int64_t open = 0, caps = 0, reaches = 0;
    for (int o = 0; o < roster->officers; o++) {
        int shifts = 0;
        for (int t = 0; t < roster->shifts; t++)
            shifts += is_open(roster, o, t);
        open += shifts;
        caps += roster->officer[o].cap;
        reaches += (int64_t)shifts * roster->officer[o].reach_count * SEATS;
    }
    int64_t nodes = 2 + roster->officers + (int64_t)cells(roster) * SEATS + open;
    int64_t arcs = caps + open + reaches + (int64_t)cells(roster) * SEATS * 3;
    if (nodes > FLOW_NODES_MAX || arcs > FLOW_ARCS_MAX)
        return ERR_LIMIT;
    start->seat_node = 1 + roster->officers;
    start->sink = start->seat_node + cells(roster) * SEATS;
    start->next_node = start->sink + 1;
    start->reach_arcs_max = (int)reaches;
    size_t count = (size_t)reaches + 1;
    start->reach_arc = malloc(count * sizeof *start->reach_arc);
    start->reach_person = malloc(count * sizeof *start->reach_person);
    start->reach_cell = malloc(count * sizeof *start->reach_cell);
    if (start->reach_arc == NULL || start->reach_person == NULL || start->reach_cell == NULL)
        return ERR_NOMEM;
    int code = flow_init(&start->flow, (int)nodes, (int)arcs);
    if (code != ERR_OK)
        return code;
    for (int o = 0; o < roster->officers; o++)
        add_officer(start, o);
    for (int c = 0; c < cells(roster); c++)
        add_cell(start, c);
    return ERR_OK;
}

static void read_plan(const struct start *start, struct roster_plan *plan)
{
    for (int i = 0; i < start->reach_arcs; i++)
        if (flow_on(&start->flow, start->reach_arc[i]) > 0)
            plan->at[start->reach_person[i]] = (int16_t)start->reach_cell[i];
}

int roster_start(const struct roster *roster, bool reference, const int16_t *extra,
                 struct roster_plan *plan, int64_t *ret_cost)
{
    struct start start = {.roster = roster, .reference = reference, .extra = extra};
    start.debt_min = roster_debt_min(roster);
    start.seats = calloc((size_t)cells(roster) * SEATS, sizeof *start.seats);
    start.kept = calloc((size_t)roster->officers + 1, sizeof *start.kept);
    int code = ERR_NOMEM;
    if (start.seats == NULL || start.kept == NULL)
        goto out;
    count_seats(&start);
    take_frozen(&start, plan);
    code = build(&start);
    if (code != ERR_OK)
        goto out;
    *ret_cost = flow_solve(&start.flow, 0, start.sink).cost;
    read_plan(&start, plan);
out:
    flow_fini(&start.flow);
    free(start.reach_arc);
    free(start.reach_person);
    free(start.reach_cell);
    free(start.seats);
    free(start.kept);
    return code;
}
