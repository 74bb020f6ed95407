/* Whether a school has a day of school, and by whose time table. A row of school_day for the school
 * decides first, then the calendar of holidays and make-up days, then the weekday. In a year that
 * the calendar does not know every day is unknown, and so is a make-up day of no known weekday. */
#ifndef TOUYAN_DUTY_SCHOOLDAY_H
#define TOUYAN_DUTY_SCHOOLDAY_H

#include <stdint.h>

struct replica;

enum school_day_kind {
    SCHOOL_DAY_ON,
    SCHOOL_DAY_OFF,
    SCHOOL_DAY_CHANGED, /* at_min: everybody is out at this time */
    SCHOOL_DAY_UNKNOWN,
};

struct school_day {
    enum school_day_kind kind;
    int weekday; /* whose time table is followed, 1 to 7 */
    int at_min;  /* minutes after midnight; -1: as ever */
};

/* Of the local day that contains wall_ms. */
struct school_day school_day_of(struct replica *replica, const char *school_id, int64_t wall_ms);

#endif
