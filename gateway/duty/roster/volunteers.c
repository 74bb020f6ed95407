/* The volunteers as a flow: source -> volunteer (one arc a duty, each dearer than the one before)
 * -> declared slot at the own school -> sink, as many as the school needs. As many places as
 * possible are filled, by as many people as possible; who had the slot in the former plan keeps it
 * where that costs no place. Failure: memory. */
#include "gateway/duty/roster/internal.h"

#include <stdlib.h>

static int bits(uint64_t word)
{
    return __builtin_popcountll(word);
}

static void add_all(const struct roster *roster, struct flow *flow, int32_t *arc)
{
    const struct roster_weights *weights = &roster->weights;
    int cells = roster->schools * roster->shifts, sink = 1, first = 2 + cells;
    for (int c = 0; c < cells; c++)
        flow_add(flow, 2 + c, sink, roster->need[c].volunteers, 0);
    for (int v = 0; v < roster->volunteers; v++) {
        const struct roster_volunteer *who = &roster->volunteer[v];
        for (int n = 0; n < who->cap && n < bits(who->slots); n++)
            flow_add(flow, 0, first + v, 1, roster_load(weights, n + 1) - roster_load(weights, n));
        for (int t = 0; t < roster->shifts; t++)
            if ((who->slots >> t & 1) != 0)
                *arc++ = flow_add(flow, first + v, 2 + who->school * roster->shifts + t, 1,
                                  (who->former >> t & 1) != 0 ? 0 : weights->stay);
    }
}

int roster_plan_volunteers(const struct roster *roster, struct roster_plan *plan)
{
    int64_t slots = 0, cells = (int64_t)roster->schools * roster->shifts;
    for (int v = 0; v < roster->volunteers; v++)
        slots += bits(roster->volunteer[v].slots);
    if (slots * 2 + cells > FLOW_ARCS_MAX)
        return ERR_LIMIT;
    struct flow flow;
    int32_t *arc = malloc(((size_t)slots + 1) * sizeof *arc), *at = arc;
    int code = flow_init(&flow, (int)cells + 2 + roster->volunteers, (int)(slots * 2 + cells));
    if (code == ERR_OK && arc == NULL)
        code = ERR_NOMEM;
    if (code == ERR_OK) {
        add_all(roster, &flow, arc);
        flow_solve(&flow, 0, 1);
        for (int v = 0; v < roster->volunteers; v++)
            for (int t = 0; t < roster->shifts; t++)
                if ((roster->volunteer[v].slots >> t & 1) != 0 && flow_on(&flow, *at++) > 0)
                    plan->volunteer_slots[v] |= (uint64_t)1 << t;
    }
    flow_fini(&flow);
    free(arc);
    return code;
}
