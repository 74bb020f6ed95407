/* Whether a plan keeps the hard rules; written apart from the planner and from its sums, so that a
 * mistake there does not hide here. */
#include "gateway/duty/roster/internal.h"

#include <stdlib.h>

static bool judge_duty(const struct roster *roster, int officer, int shift, int school,
                       struct err *err)
{
    if (roster_is_frozen(roster, officer, shift)) {
        if (school == roster_former(roster, officer, shift))
            return true;
        err_set(err, ERR_INVALID, "officer %d shift %d: is frozen and was moved", officer, shift);
        return false;
    }
    if (school == ROSTER_NONE)
        return true;
    if (school < 0 || school >= roster->schools)
        err_set(err, ERR_INVALID, "officer %d shift %d: no school %d", officer, shift, school);
    else if ((roster->officer[officer].free >> shift & 1) == 0)
        err_set(err, ERR_INVALID, "officer %d shift %d: is not free", officer, shift);
    else if (roster_minutes(roster, officer, school) < 0)
        err_set(err, ERR_INVALID, "officer %d shift %d: school %d is out of reach", officer, shift,
                school);
    else
        return true;
    return false;
}

static bool judge_officer(const struct roster *roster, const struct roster_plan *plan, int officer,
                          struct err *err)
{
    int duties = 0, frozen = 0;
    for (int t = 0; t < roster->shifts; t++) {
        int school = plan->at[officer * roster->shifts + t];
        if (!judge_duty(roster, officer, t, school, err))
            return false;
        duties += school >= 0;
        frozen += roster_kept(roster, officer, t) >= 0;
    }
    if (duties <= roster->officer[officer].cap || duties == frozen)
        return true;
    err_set(err, ERR_INVALID, "officer %d: %d duties a week, at most %d", officer, duties,
            roster->officer[officer].cap);
    return false;
}

struct count {
    int people, frozen, seasoned;
};

static bool judge_cell(const struct roster *roster, const struct count *count, int school,
                       int shift, struct err *err)
{
    int places = roster_need_of(roster, school, shift).places;
    if (count->people > places && count->people > count->frozen)
        err_set(err, ERR_INVALID, "school %d shift %d: %d people for %d places", school, shift,
                count->people, places);
    else if (count->people > count->frozen && count->seasoned == 0)
        err_set(err, ERR_INVALID, "school %d shift %d: newcomers alone", school, shift);
    else
        return true;
    return false;
}

static bool judge_cells(const struct roster *roster, const struct roster_plan *plan,
                        struct err *err)
{
    struct count *counts = calloc((size_t)roster->schools * (size_t)roster->shifts, sizeof *counts);
    bool ok = counts != NULL;
    for (int o = 0; ok && o < roster->officers; o++)
        for (int t = 0; t < roster->shifts; t++) {
            int school = plan->at[o * roster->shifts + t];
            if (school < 0)
                continue;
            struct count *count = &counts[school * roster->shifts + t];
            count->people++;
            count->frozen += roster_is_frozen(roster, o, t);
            count->seasoned += !roster->officer[o].newcomer;
        }
    for (int s = 0; ok && s < roster->schools; s++)
        for (int t = 0; ok && t < roster->shifts; t++)
            ok = judge_cell(roster, &counts[s * roster->shifts + t], s, t, err);
    free(counts);
    return ok;
}

static bool judge_volunteers(const struct roster *roster, const struct roster_plan *plan,
                             struct err *err)
{
    for (int v = 0; v < roster->volunteers; v++) {
        const struct roster_volunteer *who = &roster->volunteer[v];
        uint64_t slots = plan->volunteer_slots[v];
        if ((slots & ~who->slots) != 0 || __builtin_popcountll(slots) > who->cap) {
            err_set(err, ERR_INVALID, "volunteer %d: a slot not declared, or more than %d", v,
                    who->cap);
            return false;
        }
    }
    for (int s = 0; s < roster->schools; s++)
        for (int t = 0; t < roster->shifts; t++) {
            int count = 0;
            for (int v = 0; v < roster->volunteers; v++)
                count += roster->volunteer[v].school == s && (plan->volunteer_slots[v] >> t & 1);
            if (count > roster_need_of(roster, s, t).volunteers) {
                err_set(err, ERR_INVALID, "school %d shift %d: %d volunteers too many", s, t,
                        count - roster_need_of(roster, s, t).volunteers);
                return false;
            }
        }
    return true;
}

bool roster_is_legal(const struct roster *roster, const struct roster_plan *plan, struct err *err)
{
    for (int o = 0; o < roster->officers; o++)
        if (!judge_officer(roster, plan, o, err))
            return false;
    return judge_cells(roster, plan, err) && judge_volunteers(roster, plan, err);
}
