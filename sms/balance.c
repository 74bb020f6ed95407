/* The balance; see balance.h. */
#include "sms/balance.h"

#include <stddef.h>
#include <string.h>

enum { AMOUNT_MAX = 100000000, NEAR_BYTES = 24 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "25", "25.5", "25.00", "1,025.00", "-3.20"; *ret_end is behind it. */
static bool read_amount(const char *at, int64_t *ret_cents, const char **ret_end)
{
    bool negative = *at == '-';
    int64_t value = 0;
    at += negative;
    if (!is_digit(*at))
        return false;
    for (; is_digit(*at) || (*at == ',' && is_digit(at[1])); at++)
        if (*at != ',' && (value = value * 10 + (*at - '0')) > AMOUNT_MAX)
            return false;
    value *= 100;
    if (*at == '.' && is_digit(at[1])) {
        value += (at[1] - '0') * 10;
        value += is_digit(at[2]) ? at[2] - '0' : 0;
        for (at++; is_digit(*at); at++)
            continue;
    }
    *ret_cents = negative ? -value : value;
    *ret_end = at;
    return true;
}

static bool starts_with_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strncmp(text, *words, strlen(*words)) == 0)
            return true;
    return false;
}

/* The first amount, at most NEAR_BYTES behind `from` when `near`. */
static const char *find_amount(const char *from, bool near, int64_t *ret_cents)
{
    const char *end;
    for (const char *at = from; *at != '\0' && (!near || at - from < NEAR_BYTES); at++) {
        if (read_amount(at, ret_cents, &end))
            return end;
        while (is_digit(*at) && is_digit(at[1])) /* too long: not its end either */
            at++;
    }
    return NULL;
}

bool balance_read(const char *text, int64_t *ret_cents)
{
    static const char *const balance[] = {"余额", "餘額", "alance", NULL};
    static const char *const currency[] = {"元", "圆", "CNY", "RMB", "yuan", "￥", NULL};
    int64_t cents;
    for (const char *at = text; *at != '\0'; at++)
        if (starts_with_one_of(at, balance) && find_amount(at, true, ret_cents) != NULL)
            return true;
    for (const char *end = text; (end = find_amount(end, false, &cents)) != NULL;) {
        if (starts_with_one_of(end + strspn(end, " "), currency)) {
            *ret_cents = cents;
            return true;
        }
    }
    return find_amount(text, false, ret_cents) != NULL;
}
