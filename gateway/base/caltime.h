/* Civil time of the station. Storage is UTC milliseconds; people see China Standard Time, UTC+8 all
 * year (no daylight saving since 1991), so no time zone data is needed. Dates are proleptic
 * Gregorian; a `day` is days since 1970-01-01 in local time. */
#ifndef TOUYAN_BASE_CALTIME_H
#define TOUYAN_BASE_CALTIME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CALTIME_OFFSET_MS = 8 * 3600 * 1000,
    CALTIME_MINUTE_MS = 60 * 1000,
    CALTIME_DAY_MS = 86400000,
    CALTIME_DATE_SIZE = 11, /* "2026-09-01" and NUL */
    CALTIME_CLOCK_SIZE = 6, /* "07:20" and NUL */
};

struct caltime {
    int year, month, day;     /* month 1 to 12, day 1 to 31 */
    int hour, minute, second; /* local */
    int weekday;              /* 1 Monday to 7 Sunday (ISO 8601) */
};

/* Times beyond the years -9999 to 9999 are taken for the end of those. */
struct caltime caltime_local(int64_t wall_ms);
int64_t caltime_to_ms(int year, int month, int day, int hour, int minute);

/* Local midnight (UTC ms) of the day that contains wall_ms, plus `days`. */
int64_t caltime_midnight(int64_t wall_ms, int days);

void caltime_format_date(int64_t wall_ms, char ret[CALTIME_DATE_SIZE]);
void caltime_format_clock(int64_t wall_ms, char ret[CALTIME_CLOCK_SIZE]);

/* Strict "YYYY-MM-DD" of an existing day; sets its local midnight. */
bool caltime_parse_date(const char *text, int64_t *ret_midnight_ms);
/* Strict "HH:MM", 00:00 to 23:59; sets minutes after midnight. */
bool caltime_parse_clock(const char *text, int *ret_minutes);

#endif
