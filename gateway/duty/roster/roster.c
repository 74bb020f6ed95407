/* The week to plan, and what a plan of it costs and must not do; see roster.h. */
#include "gateway/duty/roster/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct roster_weights roster_weights_default(void)
{
    return (struct roster_weights){
        .empty = 1000,
        .skill = 400,
        .minute = 1,
        .load = {0, 0, 1, 4, 12, 30, 60, 105},
        .school = 10,
        .over = 5,
        .week_minutes = 480,
        .duty_minutes = 60,
        .stay = 10,
        .debt = 2,
    };
}

struct roster_options roster_options_default(void)
{
    return (struct roster_options){.seed = 1, .steps = 2000, .time_us = 10000000};
}

int roster_init(struct roster *roster, int schools, int shifts, int officers, int volunteers,
                int reaches, struct err *err)
{
    memset(roster, 0, sizeof *roster);
    if (schools < 1 || schools > ROSTER_SCHOOLS_MAX || shifts < 1 || shifts > ROSTER_SHIFTS_MAX ||
        officers < 0 || officers > ROSTER_OFFICERS_MAX || volunteers < 0 ||
        volunteers > ROSTER_VOLUNTEERS_MAX || reaches < 0 || reaches > ROSTER_REACH_MAX)
        return err_set(err, ERR_LIMIT,
                       "%d schools, %d shifts, %d officers, %d volunteers: at most "
                       "%d, %d, %d, %d, and one school and shift at least",
                       schools, shifts, officers, volunteers, ROSTER_SCHOOLS_MAX, ROSTER_SHIFTS_MAX,
                       ROSTER_OFFICERS_MAX, ROSTER_VOLUNTEERS_MAX);
    roster->schools = schools;
    roster->shifts = shifts;
    roster->officers = officers;
    roster->volunteers = volunteers;
    roster->reaches = reaches;
    roster->weights = roster_weights_default();
    roster->need = calloc((size_t)schools * (size_t)shifts, sizeof *roster->need);
    roster->officer = calloc((size_t)officers + 1, sizeof *roster->officer);
    roster->reach = calloc((size_t)reaches + 1, sizeof *roster->reach);
    roster->volunteer = calloc((size_t)volunteers + 1, sizeof *roster->volunteer);
    if (roster->need == NULL || roster->officer == NULL || roster->reach == NULL ||
        roster->volunteer == NULL) {
        roster_fini(roster);
        return err_set(err, ERR_NOMEM, "no memory for a week of %d officers", officers);
    }
    return ERR_OK;
}

void roster_fini(struct roster *roster)
{
    free(roster->need);
    free(roster->officer);
    free(roster->reach);
    free(roster->volunteer);
    free(roster->sponsor);
    free(roster->visit);
    free(roster->former);
    memset(roster, 0, sizeof *roster);
}

static bool need_ok(const struct roster_need *need)
{
    bool ok = need->places >= 0 && need->places <= ROSTER_PLACES_MAX && need->volunteers >= 0;
    for (int k = 0; k < ROSTER_SKILLS; k++)
        ok = ok && need->skills[k] >= 0 && need->skills[k] <= ROSTER_PLACES_MAX;
    return ok;
}

static bool officer_ok(const struct roster *roster, const struct roster_officer *officer)
{
    if (officer->cap < 0 || officer->cap > ROSTER_CAP_MAX || officer->reach < 0 ||
        officer->reach_count < 0 || officer->reach > roster->reaches - officer->reach_count)
        return false;
    for (int i = 0; i < officer->reach_count; i++) {
        const struct roster_reach *reach = &roster->reach[officer->reach + i];
        if (reach->school < 0 || reach->school >= roster->schools || reach->minutes < 0 ||
            reach->minutes > ROSTER_MINUTES_MAX || (i > 0 && reach[-1].school >= reach->school))
            return false;
    }
    return true;
}

int roster_check(const struct roster *roster, struct err *err)
{
    for (int i = 0; i < roster->schools * roster->shifts; i++)
        if (!need_ok(&roster->need[i]))
            return err_set(err, ERR_INVALID, "school %d, shift %d: places and skills are 0 to %d",
                           i / roster->shifts, i % roster->shifts, ROSTER_PLACES_MAX);
    for (int o = 0; o < roster->officers; o++)
        if (!officer_ok(roster, &roster->officer[o]))
            return err_set(err, ERR_INVALID,
                           "officer %d: at most %d duties a week, each school in reach once, "
                           "0 to %d minutes",
                           o, ROSTER_CAP_MAX, ROSTER_MINUTES_MAX);
    for (int v = 0; v < roster->volunteers; v++)
        if (roster->volunteer[v].school < 0 || roster->volunteer[v].school >= roster->schools ||
            roster->volunteer[v].cap < 0)
            return err_set(err, ERR_INVALID, "volunteer %d: no such school, or a negative cap", v);
    return ERR_OK;
}

int roster_minutes(const struct roster *roster, int officer, int school)
{
    const struct roster_officer *who = &roster->officer[officer];
    int low = 0, high = who->reach_count - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        const struct roster_reach *reach = &roster->reach[who->reach + middle];
        if (reach->school == school)
            return reach->minutes;
        if (reach->school < school)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return ROSTER_NONE;
}

struct roster_need roster_need_of(const struct roster *roster, int school, int shift)
{
    return roster->need[school * roster->shifts + shift];
}

int roster_load(const struct roster_weights *weights, int duties)
{
    int last = ROSTER_LOADS - 1;
    if (duties <= last)
        return weights->load[duties];
    return weights->load[last] + (duties - last) * (weights->load[last] - weights->load[last - 1]);
}

int roster_plan_init(struct roster_plan *plan, const struct roster *roster)
{
    size_t cells = (size_t)roster->officers * (size_t)roster->shifts;
    memset(plan, 0, sizeof *plan);
    plan->officers = roster->officers;
    plan->volunteers = roster->volunteers;
    plan->shifts = roster->shifts;
    plan->at = malloc((cells + 1) * sizeof *plan->at);
    plan->volunteer_slots = calloc((size_t)roster->volunteers + 1, sizeof *plan->volunteer_slots);
    if (plan->at == NULL || plan->volunteer_slots == NULL) {
        roster_plan_fini(plan);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < cells; i++)
        plan->at[i] = ROSTER_NONE;
    return ERR_OK;
}

void roster_plan_fini(struct roster_plan *plan)
{
    free(plan->at);
    free(plan->volunteer_slots);
    memset(plan, 0, sizeof *plan);
}
