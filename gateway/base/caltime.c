/* Civil time without time zone data; see caltime.h. The day arithmetic counts years from March, so
 * that the leap day is the last day of a year. */
#include "gateway/base/caltime.h"

#include <stdio.h>
#include <string.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void civil_from_days(int64_t days, struct caltime *ret)
{
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    ret->day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    ret->month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    ret->year = (int)(year_of_era + era * 400 + (ret->month <= 2 ? 1 : 0));
}

/* "Never" is written as INT64_MAX in places: the ends of what is computed, in the years -9999 to
 * 9999, keep every sum below from overflowing. */
static int64_t clamp(int64_t wall_ms)
{
    const int64_t last = INT64_C(253402271999999);   /* 9999-12-31 23:59:59.999 */
    const int64_t first = INT64_C(-377705145600000); /* -9999-01-01 00:00 */
    return wall_ms > last ? last : wall_ms < first ? first : wall_ms;
}

struct caltime caltime_local(int64_t wall_ms)
{
    int64_t local = clamp(wall_ms) + CALTIME_OFFSET_MS;
    int64_t days = floor_div(local, CALTIME_DAY_MS);
    int64_t seconds = (local - days * CALTIME_DAY_MS) / 1000;
    struct caltime t;
    civil_from_days(days, &t);
    t.hour = (int)(seconds / 3600);
    t.minute = (int)(seconds / 60 % 60);
    t.second = (int)(seconds % 60);
    t.weekday = (int)((days + 3) - floor_div(days + 3, 7) * 7) + 1; /* 1970-01-01 was a Thursday */
    return t;
}

int64_t caltime_to_ms(int year, int month, int day, int hour, int minute)
{
    int64_t days = days_from_civil(year, month, day);
    return days * CALTIME_DAY_MS + (hour * 60 + minute) * (int64_t)CALTIME_MINUTE_MS -
           CALTIME_OFFSET_MS;
}

int64_t caltime_midnight(int64_t wall_ms, int days)
{
    int64_t day = floor_div(clamp(wall_ms) + CALTIME_OFFSET_MS, CALTIME_DAY_MS) + days;
    return day * CALTIME_DAY_MS - CALTIME_OFFSET_MS;
}

void caltime_format_date(int64_t wall_ms, char ret[CALTIME_DATE_SIZE])
{
    struct caltime t = caltime_local(wall_ms);
    char text[40];
    snprintf(text, sizeof text, "%04d-%02d-%02d", t.year, t.month, t.day);
    memcpy(ret, text, CALTIME_DATE_SIZE - 1);
    ret[CALTIME_DATE_SIZE - 1] = '\0';
}

void caltime_format_clock(int64_t wall_ms, char ret[CALTIME_CLOCK_SIZE])
{
    struct caltime t = caltime_local(wall_ms);
    snprintf(ret, CALTIME_CLOCK_SIZE, "%02u:%02u", (unsigned)t.hour % 24U,
             (unsigned)t.minute % 60U);
}

/* The number in text[from, from + count), or -1 when a character is no digit. */
static int digits_at(const char *text, int from, int count)
{
    int value = 0;
    for (int i = from; i < from + count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool caltime_parse_date(const char *text, int64_t *ret_midnight_ms)
{
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
        return false;
    int year = digits_at(text, 0, 4);
    int month = digits_at(text, 5, 2);
    int day = digits_at(text, 8, 2);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    int64_t ms = caltime_to_ms(year, month, day, 0, 0);
    struct caltime back = caltime_local(ms);
    if (back.day != day || back.month != month)
        return false;
    *ret_midnight_ms = ms;
    return true;
}

bool caltime_parse_clock(const char *text, int *ret_minutes)
{
    if (strlen(text) != 5 || text[2] != ':')
        return false;
    int hour = digits_at(text, 0, 2);
    int minute = digits_at(text, 3, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return false;
    *ret_minutes = hour * 60 + minute;
    return true;
}
