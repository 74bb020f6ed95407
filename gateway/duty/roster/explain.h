/* Why a place is empty and why somebody stands where they stand, as numbers. The sentences are made
 * of them in words.h. Also: who could stand in. */
#ifndef TOUYAN_DUTY_ROSTER_EXPLAIN_H
#define TOUYAN_DUTY_ROSTER_EXPLAIN_H

#include "gateway/duty/roster/roster.h"

/* Every officer within reach is counted once, for the first thing that stands in the way. */
struct roster_gap {
    int school, shift;
    int seat;      /* the skill that is missing, ROSTER_SKILLS: people are */
    int short_by;  /* how many */
    int near;      /* officers within reach; of them ... */
    int unskilled; /* ... without the skill */
    int away;      /* ... not free: leave, night duty, a visit */
    int elsewhere; /* ... at another school in that shift (or here already) */
    int full;      /* ... with all the duties a week that they may have */
    int newcomers; /* ... newcomers with nobody to stand beside */
    int unused;    /* ... left: coming would cost more than it helps */
};

/* All gaps, by shift and school; at most `max` are written. Returns how many there are. */
int roster_gaps(const struct roster *roster, const struct roster_plan *plan, struct roster_gap *ret,
                int max);

struct roster_reason {
    int minutes;       /* one way; ROSTER_NONE: out of reach by now, but frozen */
    int seat;          /* the skill that counts here, ROSTER_SKILLS: none is needed */
    int number, of;    /* which of the week's duties it is */
    int others;        /* officers who were free then and could have come */
    int nearer;        /* of them, with a shorter way */
    bool frozen, kept; /* kept: it was in the former plan */
};

/* The officer has a duty in that shift. */
void roster_reason(const struct roster *roster, const struct roster_plan *plan, int officer,
                   int shift, struct roster_reason *ret);

struct roster_stand_in {
    int officer; /* who comes */
    int next;    /* who takes that one's place elsewhere; ROSTER_NONE: it was free */
    int minutes; /* of `officer`, one way */
    int cost;    /* of all that changes; the lower the better */
};

/* The best people to come to a school for `leaving` (ROSTER_NONE: to an empty place), nobody
 * further away than max_minutes, by cost. Returns how many were written. ERR_NOMEM is 0. */
int roster_stand_ins(const struct roster *roster, const struct roster_plan *plan, int school,
                     int shift, int leaving, int max_minutes, struct roster_stand_in *ret, int max);

#endif
