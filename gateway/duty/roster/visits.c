/* The visits of the senior officers to their schools as a small flow: source -> senior officer in a
 * shift (one place) -> school on a day (one visit) -> school (so many visits a week) -> sink. They
 * come before the officers' plan and take the senior officers out of it. Failure: memory. */
#include "gateway/duty/roster/internal.h"

#include <stdlib.h>

struct visits {
    struct roster *roster;
    struct flow flow;
    int32_t *arc;  /* owned; [sponsor * shifts + shift] -1: not possible */
    int32_t *turn; /* owned; [officer * shifts + shift] node, 0: none yet */
    int next_node;
};

static int days_of(const struct roster *roster)
{
    return roster->day[roster->shifts - 1] + 1;
}

static void add_sponsor(struct visits *visits, int index, int sink)
{
    struct roster *roster = visits->roster;
    const struct roster_sponsor *sponsor = &roster->sponsor[index];
    int school = visits->next_node, days = days_of(roster);
    visits->next_node += 1 + days;
    flow_add(&visits->flow, school, sink, sponsor->visits, 0);
    for (int day = 0; day < days; day++)
        flow_add(&visits->flow, school + 1 + day, school, 1, 0);
    for (int t = 0; t < roster->shifts; t++) {
        if (sponsor->officer < 0 || (roster->officer[sponsor->officer].free >> t & 1) == 0 ||
            (sponsor->on != 0 && (sponsor->on >> t & 1) == 0))
            continue;
        int32_t *turn = &visits->turn[sponsor->officer * roster->shifts + t];
        if (*turn == 0) {
            *turn = visits->next_node++;
            flow_add(&visits->flow, 0, *turn, 1, 0);
        }
        visits->arc[index * roster->shifts + t] =
            flow_add(&visits->flow, *turn, school + 1 + roster->day[t], 1,
                     2 * roster->weights.minute * sponsor->minutes);
    }
}

static int build(struct visits *visits)
{
    struct roster *roster = visits->roster;
    int shifts = roster->shifts, days = days_of(roster), sink = 1;
    int nodes = 2 + roster->sponsors * (1 + days + shifts);
    int code = flow_init(&visits->flow, nodes, roster->sponsors * (1 + days + 2 * shifts));
    visits->next_node = 2;
    for (int i = 0; code == ERR_OK && i < roster->sponsors; i++)
        add_sponsor(visits, i, sink);
    return code;
}

static int take(struct visits *visits, int *ret_missing)
{
    struct roster *roster = visits->roster;
    int wanted = 0;
    for (int i = 0; i < roster->sponsors; i++)
        wanted += roster->sponsor[i].visits;
    struct roster_visit *list = calloc((size_t)wanted + 1, sizeof *list);
    if (list == NULL)
        return ERR_NOMEM;
    free(roster->visit);
    roster->visit = list;
    for (int i = 0; i < roster->sponsors; i++)
        for (int t = 0; t < roster->shifts; t++) {
            int arc = visits->arc[i * roster->shifts + t];
            if (arc >= 0 && flow_on(&visits->flow, arc) > 0)
                list[roster->visits++] = (struct roster_visit){
                    roster->sponsor[i].officer, (int16_t)t, roster->sponsor[i].school};
        }
    *ret_missing = wanted - roster->visits;
    return ERR_OK;
}

static int place(struct roster *roster, int *ret_missing)
{
    struct visits visits = {.roster = roster};
    size_t arcs = (size_t)roster->sponsors * (size_t)roster->shifts;
    visits.arc = malloc((arcs + 1) * sizeof *visits.arc);
    visits.turn =
        calloc((size_t)roster->officers * (size_t)roster->shifts + 1, sizeof *visits.turn);
    int code = ERR_NOMEM;
    if (visits.arc != NULL && visits.turn != NULL) {
        for (size_t i = 0; i < arcs; i++)
            visits.arc[i] = -1;
        code = build(&visits);
    }
    if (code == ERR_OK) {
        flow_solve(&visits.flow, 0, 1);
        code = take(&visits, ret_missing);
    }
    flow_fini(&visits.flow);
    free(visits.arc);
    free(visits.turn);
    return code;
}

int roster_place_visits(struct roster *roster, int *ret_missing)
{
    *ret_missing = 0;
    if (!roster->visits_given && roster->sponsors > 0) {
        int code = place(roster, ret_missing);
        if (code != ERR_OK)
            return code;
    }
    for (int i = 0; i < roster->visits; i++)
        roster->officer[roster->visit[i].officer].free &= ~((uint64_t)1 << roster->visit[i].shift);
    return ERR_OK;
}
