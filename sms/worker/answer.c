/* USSD and time; see answer.h. */
#include "sms/worker/answer.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "sms/gsm7.h"
#include "sms/worker/line.h"

enum {
    CODE_BYTES = 32,
    TEXT_OCTETS = 256,
    TEXT_SEPTETS = 182, /* TS 23.038 6.1.2.3: what 160 octets hold */
    DCS_FIELD = 2,
    DCS_GSM7 = 15,
    DCS_UCS2 = 72,
    SEPTET_CR = 13, /* fills the last octet */
    QUARTER_MS = 15 * 60 * 1000,
    QUARTERS_MAX = 56, /* UTC+14 */
    CENTURY = 2000,
    YEAR_MIN = 2025,
    YEAR_MAX = 2079, /* 80 is the GPS epoch: the clock was never set */
};

static bool is_code(const char *code)
{
    size_t size = strlen(code);
    return size > 0 && size < CODE_BYTES && strspn(code, "0123456789*#+") == size;
}

bool answer_ussd_command(const char *code, bool packed, char *ret, size_t size)
{
    uint8_t septets[CODE_BYTES];
    uint8_t octets[CODE_BYTES] = {0};
    char hex[2 * CODE_BYTES + 1];
    if (!is_code(code))
        return false;
    int count = gsm7_from_utf8(code, strlen(code), septets, sizeof septets);
    if (count < 0)
        return false;
    text_to_hex(octets, gsm7_pack(septets, (size_t)count, 0, octets), hex);
    int n = snprintf(ret, size, "AT+CUSD=1,\"%s\",%d", packed ? hex : code, DCS_GSM7);
    return n > 0 && (size_t)n < size;
}

static bool from_septets(const uint8_t *octets, size_t size, char *ret, size_t ret_size)
{
    uint8_t septets[TEXT_SEPTETS];
    size_t count = size * 8 / 7;
    if (count > TEXT_SEPTETS)
        return false;
    gsm7_unpack(octets, 0, count, septets);
    while (count > 0 && (septets[count - 1] == 0 || septets[count - 1] == SEPTET_CR))
        count--;
    return gsm7_to_utf8(septets, count, ret, ret_size, NULL);
}

/* Without surrogate pairs: what has them is shown with a mark. */
static bool from_ucs2(const uint8_t *octets, size_t size, char *ret, size_t ret_size)
{
    size_t used = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        char bytes[4];
        size_t n = text_utf8_encode((uint32_t)(octets[i] << 8 | octets[i + 1]), bytes);
        if (n == 0)
            n = text_utf8_encode(0xfffd, bytes);
        if (used + n >= ret_size)
            return false;
        memcpy(ret + used, bytes, n);
        used += n;
    }
    ret[used] = '\0';
    return used > 0;
}

/* Character set "UCS2" of the terminal (TS 27.007 5.5): Latin letters have a 00 in front. */
static bool looks_like_ucs2(const uint8_t *octets, size_t size)
{
    return size >= 2 && size % 2 == 0 &&
           (octets[0] == 0 || (octets[0] >= 0x4e && octets[0] <= 0x9f));
}

bool answer_ussd_text(const char *line, bool packed, char *ret, size_t size)
{
    uint8_t octets[TEXT_OCTETS];
    const char *open = strchr(line, '"');
    const char *close = open != NULL ? strrchr(open + 1, '"') : NULL;
    if (close == NULL || close == open + 1)
        return false;
    size_t digits = (size_t)(close - open - 1);
    int dcs = line_field(line, DCS_FIELD);
    int count = text_from_hex(open + 1, digits, octets, sizeof octets);
    if (count > 1 && dcs == DCS_UCS2)
        return from_ucs2(octets, (size_t)count, ret, size);
    if (count > 1 && packed)
        return from_septets(octets, (size_t)count, ret, size);
    if (count > 3 && looks_like_ucs2(octets, (size_t)count))
        return from_ucs2(octets, (size_t)count, ret, size);
    text_copy_utf8(ret, size, open + 1, digits);
    return true;
}

static bool is_time(const int part[6])
{
    return part[0] >= YEAR_MIN && part[0] <= YEAR_MAX && part[1] >= 1 && part[1] <= 12 &&
           part[2] >= 1 && part[2] <= 31 && part[3] <= 23 && part[4] <= 59 && part[5] <= 60;
}

bool answer_clock(const char *line, int64_t *ret_ms)
{
    int part[6];
    int quarters = 0;
    char sign = 0;
    const char *open = strchr(line, '"');
    /* NOLINTNEXTLINE(cert-err34-c): two digits each cannot overflow */
    if (open == NULL || sscanf(open + 1, "%2d/%2d/%2d,%2d:%2d:%2d%c%2d", &part[0], &part[1],
                               &part[2], &part[3], &part[4], &part[5], &sign, &quarters) != 8)
        return false;
    part[0] += CENTURY;
    if (!is_time(part) || quarters > QUARTERS_MAX || (sign != '+' && sign != '-'))
        return false;
    int64_t zone_ms = (int64_t)quarters * QUARTER_MS;
    int64_t local_ms = caltime_to_ms(part[0], part[1], part[2], part[3], part[4]) +
                       CALTIME_OFFSET_MS + part[5] * INT64_C(1000);
    *ret_ms = sign == '+' ? local_ms - zone_ms : local_ms + zone_ms;
    return true;
}
