/* Days that are not as the roster thought: closed schools, and exams with posts all day. */
#ifndef TOUYAN_DUTY_CALENDAR_H
#define TOUYAN_DUTY_CALENDAR_H

#include "gateway/base/err.h"

struct duty;

struct exam_day {
    const char *school;    /* code, id or unique name */
    const char *date;      /* "2026-06-07" */
    const char *from, *to; /* "07:30", "18:00" */
};

/* Writes three watches (to noon, to 14:00, to the end) for each post of the school, the service
 * desk among them, as published shifts; those that are there get the new times. *ret_shifts: how
 * many. ERR_NOT_FOUND: the school. ERR_INVALID: day or times. ERR_STATE: no exam in the calendar.
 */
int calendar_exam(struct duty *duty, const struct exam_day *order, int *ret_shifts,
                  struct err *err);

#endif
