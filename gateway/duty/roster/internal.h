/* What the files of the roster engine share. */
#ifndef TOUYAN_DUTY_ROSTER_INTERNAL_H
#define TOUYAN_DUTY_ROSTER_INTERNAL_H

#include "gateway/duty/roster/flow.h"
#include "gateway/duty/roster/roster.h"

/* The former school of a person in a shift, ROSTER_NONE without a former plan. */
int roster_former(const struct roster *roster, int officer, int shift);
/* The school that a frozen shift keeps; ROSTER_NONE: not frozen, or frozen without a duty. */
int roster_kept(const struct roster *roster, int officer, int shift);
bool roster_is_frozen(const struct roster *roster, int officer, int shift);
int roster_debt_min(const struct roster *roster);

/* --- start.c: the officers' flow. reference: role seats as in roster_flow_cost(). */
int roster_start(const struct roster *roster, bool reference, const int16_t *extra,
                 struct roster_plan *plan, int64_t *ret_cost);

/* --- state.c: a plan with the sums that make a change of it cheap to weigh. */

enum { STATE_PEOPLE = ROSTER_PLACES_MAX };

struct cell { /* one school and shift */
    int16_t places, filled;
    int16_t need[ROSTER_SKILLS], have[ROSTER_SKILLS];
    int16_t seasoned; /* people who are no newcomers */
    int16_t capacity; /* of its part of `people`: places, more when more are frozen there */
    int32_t people;   /* its part of state.people */
};

struct load { /* one officer */
    int16_t duties, schools;
    int32_t minutes; /* of the ways there, one way each */
};

struct state {
    const struct roster *roster;
    int shifts;
    int debt_min;
    struct cell *cell; /* owned; [school * shifts + shift] */
    int32_t *people;   /* owned; officers of each cell */
    int16_t *position; /* owned; [officer * shifts + shift] in its cell's part of people */
    int32_t *at;       /* owned; [officer * shifts + shift] index into roster->reach, -1 none */
    struct load *load; /* owned */
    uint8_t *times;    /* owned; [reach] duties of the pair's officer at its school */
};

int state_init(struct state *state, const struct roster *roster, const struct roster_plan *plan);
void state_fini(struct state *state);
void state_write(const struct state *state, struct roster_plan *plan);

/* Index into roster->reach of the pair, -1: out of reach. */
int state_reach(const struct state *state, int officer, int school);
static inline struct cell *state_cell(const struct state *state, int reach, int shift)
{
    return &state->cell[state->roster->reach[reach].school * state->shifts + shift];
}

/* What it costs the officer to have duty `from` of a shift replaced by `to` (-1: none), apart from
 * what the schools gain or lose. */
int state_cost_officer(const struct state *state, int officer, int shift, int from, int to);
/* What it costs the cell that `out` leaves and `in` comes (-1: nobody). */
int state_cost_cell(const struct state *state, const struct cell *cell, int out, int in);
/* May the person be planned there then (all hard rules but the number of places)? */
bool state_may(const struct state *state, int officer, int shift, int reach);
void state_put(struct state *state, int officer, int shift, int reach);
void state_take(struct state *state, int officer, int shift);

/* --- fill.c: gaps by chains of at most three moves, until none is left that pays. */
int state_fill(struct state *state);

/* --- repair.c */
int state_repair(struct state *state, const struct roster_options *options);

/* --- volunteers.c */
int roster_plan_volunteers(const struct roster *roster, struct roster_plan *plan);

#endif
