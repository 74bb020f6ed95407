/* The week and its plan as JSON.
 *
 * A week: NS schools, T shifts (two a day unless `days` says the day of each), dem[] {s, t, off,
 * vol, kt, kr, kp}, offs[] {sk, av[T], cap, and if there: debt, newcomer, frozen[T]}, vols[] {s,
 * slots[], cap, kind}, elig[] [officer, school, minutes one way], resp{} school -> senior officer,
 * sencomm{} school -> his minutes, visits[] [officer, shift] when they are placed already, former[]
 * [shift, school, role, officer] when there is a plan already. Other members are ignored.
 *
 * A plan: [[shift, school, role, officer], ...]; role: "general", "traffic", "riot", "counsel". */
#ifndef TOUYAN_DUTY_ROSTER_IO_H
#define TOUYAN_DUTY_ROSTER_IO_H

#include "gateway/base/buf.h"
#include "gateway/duty/roster/roster.h"

enum { ROSTER_VISITS_A_WEEK = 2 };

/* ERR_INVALID and ERR_LIMIT say where. */
int roster_read(const char *text, size_t size, struct roster *ret, struct err *err);

/* Sets roster->former from a plan in the form of roster_write(). */
int roster_read_former(struct roster *roster, const char *text, size_t size, struct err *err);

/* False when the buffer is too small. */
bool roster_write(const struct roster *roster, const struct roster_plan *plan, struct buf *out);
/* [[shift, school, volunteer], ...] and [[shift, school, officer], ...] (school: null when the week
 * did not tell it). */
bool roster_write_volunteers(const struct roster *roster, const struct roster_plan *plan,
                             struct buf *out);
bool roster_write_visits(const struct roster *roster, struct buf *out);

#endif
