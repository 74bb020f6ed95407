/* The duty roster of one week: who stands where, for a station or a whole county.
 *
 * Pure: a week in (posts, people, who is free and near), a plan out. No clock but for the time
 * limit, no database, no randomness but the seed: with a limit on the steps the same week gives the
 * same plan on every machine.
 *
 * Hard rules, which no plan breaks: one place a person and shift; only when free (leave, night duty
 * and the rest after it are "not free"); at most `cap` duties a week; only at schools within reach;
 * never more people than places; a newcomer only beside somebody who is none; what is frozen stays.
 * Soft ones are weighed, see struct roster_weights.
 *
 * The plan is made in four steps: the visits of the senior officers (a small flow), the officers (a
 * flow, then local repair for what a flow cannot say: one person covering two skills, the number of
 * schools a person goes to, minutes a week), the volunteers (a flow). */
#ifndef TOUYAN_DUTY_ROSTER_H
#define TOUYAN_DUTY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

enum {
    ROSTER_SKILLS = 3,
    ROSTER_SHIFTS_MAX = 64, /* bits of a word */
    ROSTER_PLACES_MAX = 99, /* officers at one school and shift */
    ROSTER_CAP_MAX = ROSTER_SHIFTS_MAX,
    ROSTER_SCHOOLS_MAX = 4000,
    ROSTER_OFFICERS_MAX = 30000,
    ROSTER_VOLUNTEERS_MAX = 300000,
    ROSTER_REACH_MAX = 2000000, /* pairs of officer and school */
    ROSTER_MINUTES_MAX = 600,
    ROSTER_NONE = -1,
    ROSTER_LOADS = 8, /* duties a week whose cost is given; each further one as much as the last */
};

enum roster_skill { ROSTER_TRAFFIC, ROSTER_RIOT, ROSTER_COUNSEL };

/* What each thing costs. */
struct roster_weights {
    int empty;              /* a place with nobody */
    int skill;              /* a skill that is needed and not there, for each person short */
    int minute;             /* of the way, there and back */
    int load[ROSTER_LOADS]; /* all duties of a person's week: with none, one, two ... */
    int school;             /* each school of a person after the first */
    int over;               /* each minute over `week_minutes` */
    int week_minutes;
    int duty_minutes; /* of a duty, without the way */
    int stay;         /* a duty that the former plan did not have */
    int debt;         /* for each duty and each duty done so far over the mean */
};
struct roster_weights roster_weights_default(void);

/* What a school needs in a shift. places >= the sum of skills is not required: one person may have
 * several skills. */
struct roster_need {
    int16_t places;
    int16_t skills[ROSTER_SKILLS];
    int16_t volunteers;
};

struct roster_officer {
    uint64_t free;   /* bit t: may be planned in shift t */
    uint64_t frozen; /* bit t: stays as in the former plan (started, pinned, confirmed) */
    uint8_t skills;  /* bit of enum roster_skill */
    bool newcomer;
    int16_t cap;
    int16_t debt;               /* duties of the term so far less the mean */
    int32_t reach, reach_count; /* its part of `reach`, by school, ascending */
};

struct roster_reach {
    int16_t school;
    int16_t minutes; /* one way */
};

struct roster_volunteer {
    uint64_t slots;  /* declared */
    uint64_t former; /* of them, those of the former plan */
    int16_t school;  /* its own */
    int16_t cap;
    char kind; /* 'T' teacher, 'P' parent, 'Y' yijing */
};

/* A senior officer answers for a school and visits it on `visits` different days. */
struct roster_sponsor {
    int16_t school;
    int16_t visits;
    int32_t officer; /* ROSTER_NONE: nobody */
    int32_t minutes; /* one way */
    uint64_t on;     /* bit t: may be visited in shift t; 0: in any */
};

struct roster_visit {
    int32_t officer;
    int16_t shift;
    int16_t school; /* ROSTER_NONE: not told */
};

/* The week. All arrays are owned by it. */
struct roster {
    int schools, shifts, officers, volunteers, reaches, sponsors, visits;
    uint8_t day[ROSTER_SHIFTS_MAX]; /* of a shift, ascending */
    struct roster_need *need;       /* [school * shifts + shift] */
    struct roster_officer *officer;
    struct roster_reach *reach;
    struct roster_volunteer *volunteer;
    struct roster_sponsor *sponsor;
    struct roster_visit *visit; /* given or placed; their officers are not free then */
    int16_t *former;            /* [officer * shifts + shift]: school or ROSTER_NONE; NULL: none */
    bool visits_given;
    struct roster_weights weights;
};

/* All zero but the weights. ERR_LIMIT, ERR_NOMEM. */
int roster_init(struct roster *roster, int schools, int shifts, int officers, int volunteers,
                int reaches, struct err *err);
void roster_fini(struct roster *roster); /* accepts a zeroed struct */

/* Checks what the planner relies on: ranges, order of reach. ERR_INVALID says what is wrong. */
int roster_check(const struct roster *roster, struct err *err);

/* Minutes one way, or ROSTER_NONE: not within reach. */
int roster_minutes(const struct roster *roster, int officer, int school);
struct roster_need roster_need_of(const struct roster *roster, int school, int shift);
/* What all duties of a week cost a person, by their number. */
int roster_load(const struct roster_weights *weights, int duties);

/* Places the visits that are not given (roster->visit is set) and takes their officers out of
 * `free`. Sets the number of visits that found no place. ERR_NOMEM. */
int roster_place_visits(struct roster *roster, int *ret_missing);

/* --- the plan --- */

struct roster_plan {
    int officers, volunteers, shifts;
    int16_t *at;               /* owned; [officer * shifts + shift]: school or ROSTER_NONE */
    uint64_t *volunteer_slots; /* owned; one word a volunteer */
};

int roster_plan_init(struct roster_plan *plan, const struct roster *roster);
void roster_plan_fini(struct roster_plan *plan); /* accepts a zeroed struct */

struct roster_options {
    uint64_t seed;
    int64_t steps;   /* of the repair, for each person and shift that may change; 0: none */
    int64_t time_us; /* the repair is over by then, however many steps were left; 0: no limit */
};
struct roster_options roster_options_default(void);

/* Plans officers and volunteers; the visits have been placed. ERR_NOMEM. */
int roster_make(const struct roster *roster, const struct roster_options *options,
                struct roster_plan *ret_plan);

/* The same flow without repair and without what makes a good start for it: the reference model of
 * role seats, each taken by one person (unskilled ones never sit in a skill's seat). */
int roster_flow_cost(const struct roster *roster, int64_t *ret_cost);

/* Keeps the former plan and changes as little as possible: takes out what is no longer allowed and
 * fills every gap by the cheapest chain of at most three moves. Nothing changed: the same plan.
 * roster->former must be set. ERR_NOMEM. */
int roster_replan(const struct roster *roster, struct roster_plan *ret_plan);

struct roster_figures {
    int64_t cost; /* of the officers' plan, all soft rules */
    int64_t empty, missing_skills, minutes, loads, schools, over, stay, debt; /* its parts */
    int places, duties, volunteer_places, volunteer_duties;
    int changes; /* person-shifts that differ from the former plan */
};
int roster_measure(const struct roster *roster, const struct roster_plan *plan,
                   struct roster_figures *ret); /* ERR_NOMEM */

/* True when the plan keeps every hard rule; else says the first that it breaks. */
bool roster_is_legal(const struct roster *roster, const struct roster_plan *plan, struct err *err);

/* Which seats of a school and shift its people fill: seat[i] is a skill or ROSTER_SKILLS (general)
 * for the i-th of `people`. Of all ways one that leaves the fewest skills unfilled. */
void roster_seats(const struct roster *roster, int school, int shift, const int32_t *people,
                  int count, uint8_t *ret_seat);

#endif
