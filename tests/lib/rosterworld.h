/* Small weeks to plan, made up from a seed: with newcomers, debts, scarce skills, night duty. */
#ifndef TOUYAN_TESTS_ROSTERWORLD_H
#define TOUYAN_TESTS_ROSTERWORLD_H

#include "gateway/base/rnd.h"
#include "gateway/duty/roster/roster.h"

/* roster_fini() it. Visits are placed. */
void rosterworld_make(uint64_t seed, struct roster *ret);

/* Makes the plan the former one; some of its duties are frozen when asked. */
void rosterworld_publish(struct roster *roster, const struct roster_plan *plan, struct rnd *rnd,
                         int frozen_percent);

/* A few things change: people are away or back, needs go up and down, caps fall. */
void rosterworld_disturb(struct roster *roster, struct rnd *rnd, int times);

#endif
