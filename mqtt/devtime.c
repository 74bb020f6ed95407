/* The times that devices write. Pure; see mapping.h. */
#include <ctype.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "mqtt/mapping.h"

static const int64_t plausible_from_ms = INT64_C(1704067200000); /* 2024-01-01 UTC */
static const int64_t plausible_to_ms = INT64_C(4102444800000);   /* 2100-01-01 UTC */

enum { LOCAL = 5 }; /* length of "local" */

/* Exactly `count` digits. */
static bool take_digits(const char **text, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*text)[i]))
            return false;
        value = value * 10 + ((*text)[i] - '0');
    }
    *text += count;
    *ret = value;
    return true;
}

static bool take(const char **text, const char *chars)
{
    if (**text == '\0' || strchr(chars, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* ".5" is 500 ms; nothing is 0. */
static bool take_fraction(const char **text, int *ret_ms)
{
    *ret_ms = 0;
    if (!take(text, "."))
        return true;
    int unit = 100;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++, unit /= 10)
        *ret_ms += (**text - '0') * unit;
    return true;
}

static bool take_date(const char **text, int64_t *ret_midnight_ms)
{
    char date[CALTIME_DATE_SIZE];
    if (strlen(*text) < CALTIME_DATE_SIZE - 1)
        return false;
    text_copy(date, sizeof date, *text); /* what fits: ten characters */
    *text += CALTIME_DATE_SIZE - 1;
    return caltime_parse_date(date, ret_midnight_ms);
}

static bool take_clock(const char **text, int64_t *ret_ms)
{
    int hour, minute, second, ms;
    if (!take_digits(text, 2, &hour) || !take(text, ":") || !take_digits(text, 2, &minute) ||
        !take(text, ":") || !take_digits(text, 2, &second) || !take_fraction(text, &ms))
        return false;
    *ret_ms = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000 + ms;
    return hour <= 23 && minute <= 59 && second <= 60;
}

/* The moment as if the text were China Standard Time. */
static bool take_civil(const char **text, int64_t *ret_ms)
{
    int64_t midnight_ms, clock_ms;
    if (!take_date(text, &midnight_ms) || !take(text, "T ") || !take_clock(text, &clock_ms))
        return false;
    *ret_ms = midnight_ms + clock_ms;
    return true;
}

static bool take_zone(const char **text, int64_t *ret_offset_ms)
{
    *ret_offset_ms = 0;
    if (take(text, "Zz"))
        return true;
    int sign = **text == '-' ? -1 : 1;
    int hours, minutes;
    if (!take(text, "+-") || !take_digits(text, 2, &hours))
        return false;
    take(text, ":");
    if (!take_digits(text, 2, &minutes) || hours > 14 || minutes > 59)
        return false;
    *ret_offset_ms = sign * ((int64_t)hours * 60 + minutes) * 60000;
    return true;
}

static bool parse_count(const char *text, bool seconds, int64_t *ret_ms)
{
    char whole[20];
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length >= sizeof whole)
        return false;
    memcpy(whole, text, length);
    whole[length] = '\0';
    const char *rest = text + length;
    int fraction_ms;
    if (!text_to_int64(whole, 0, plausible_to_ms, ret_ms) || !take_fraction(&rest, &fraction_ms))
        return false;
    if (seconds)
        *ret_ms = *ret_ms > plausible_to_ms / 1000 ? plausible_to_ms : *ret_ms * 1000 + fraction_ms;
    return *rest == '\0';
}

/* zone: that of the format; NULL: the text has one. */
static bool parse_civil(const char *text, const char *zone, int64_t *ret_ms)
{
    int64_t offset_ms;
    if (!take_civil(&text, ret_ms) || !take_zone(zone != NULL ? &zone : &text, &offset_ms))
        return false;
    *ret_ms += CALTIME_OFFSET_MS - offset_ms;
    return *text == '\0';
}

bool mapping_parse_time(const char *format, const char *text, int64_t *ret_ms)
{
    bool read = false;
    if (strcmp(format, "s") == 0 || strcmp(format, "ms") == 0)
        read = parse_count(text, strcmp(format, "s") == 0, ret_ms);
    else
        read = parse_civil(text, strcmp(format, "iso") == 0 ? NULL : format + LOCAL, ret_ms);
    return read && *ret_ms >= plausible_from_ms && *ret_ms < plausible_to_ms;
}

bool mapping_time_format_valid(const char *format)
{
    int64_t offset_ms;
    if (strcmp(format, "s") == 0 || strcmp(format, "ms") == 0 || strcmp(format, "iso") == 0)
        return true;
    const char *zone = format + LOCAL;
    return strncmp(format, "local", LOCAL) == 0 && take_zone(&zone, &offset_ms) && *zone == '\0';
}
