/* Text from outside; see text.h. */
#include "gateway/base/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/limits.h"

static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

static bool is_scalar(uint32_t cp, size_t length)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    return cp >= smallest[length] && cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
}

size_t text_utf8_decode(const char *bytes, size_t size, uint32_t *ret_cp)
{
    static const unsigned char first_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t length = size > 0 ? sequence_length((unsigned char)bytes[0]) : 0;
    if (length == 0 || length > size)
        return 0;
    uint32_t cp = (unsigned char)bytes[0] & first_mask[length];
    for (size_t i = 1; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        cp = (cp << 6) | (c & 0x3f);
    }
    if (!is_scalar(cp, length))
        return 0;
    *ret_cp = cp;
    return length;
}

size_t text_utf8_encode(uint32_t cp, char ret_bytes[4])
{
    size_t length = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    if (!is_scalar(cp, length))
        return 0;
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        ret_bytes[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    ret_bytes[0] = (char)(lead[length] | cp);
    return length;
}

bool text_utf8_valid(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t cp;
        if (bytes[at] > 0 && bytes[at] < 0x7f) { /* most of it: ASCII */
            at++;
            continue;
        }
        size_t length = text_utf8_decode(bytes + at, size - at, &cp);
        if (length == 0 || cp == 0)
            return false;
        at += length;
    }
    return true;
}

int text_utf16_units(const char *text)
{
    size_t size = strlen(text);
    int units = 0;
    for (size_t at = 0; at < size;) {
        uint32_t cp;
        size_t length = text_utf8_decode(text + at, size - at, &cp);
        if (length == 0 || units >= INT_MAX - 2)
            return -1;
        units += cp >= 0x10000 ? 2 : 1;
        at += length;
    }
    return units;
}

bool text_copy_utf8(char *ret, size_t size, const char *text, size_t text_size)
{
    assert(size > 0);
    size_t out = 0;
    for (size_t at = 0; at < text_size;) {
        uint32_t cp;
        size_t length = text_utf8_decode(text + at, text_size - at, &cp);
        at += length > 0 ? length : 1;
        if (length == 0 || cp == 0)
            cp = 0xfffd;
        char bytes[4];
        size_t n = text_utf8_encode(cp, bytes);
        if (out + n + 1 > size) {
            ret[out] = '\0';
            return false;
        }
        memcpy(ret + out, bytes, n);
        out += n;
    }
    ret[out] = '\0';
    return true;
}

bool text_copy(char *ret, size_t size, const char *text)
{
    assert(size > 0);
    size_t length = strlen(text);
    size_t n = length < size ? length : size - 1;
    memcpy(ret, text, n);
    ret[n] = '\0';
    return n == length;
}

bool text_to_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 19 || digits[length] != '\0')
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

bool text_to_int(const char *text, int min, int max, int *ret_value)
{
    int64_t value;
    if (!text_to_int64(text, min, max, &value))
        return false;
    *ret_value = (int)value;
    return true;
}

/* Digits and a leading '+' without the marks people write; false on anything else, and when it is
 * not 2 to LIMIT_PHONE_DIGITS digits. */
static bool strip_phone(const char *text, char ret[LIMIT_PHONE_DIGITS + 2])
{
    size_t n = 0;
    size_t digits = 0;
    for (; *text != '\0'; text++) {
        if (strchr(" -()", *text) != NULL)
            continue;
        bool digit = *text >= '0' && *text <= '9';
        if ((!digit && (*text != '+' || n > 0)) || (digit && digits == LIMIT_PHONE_DIGITS))
            return false;
        ret[n++] = *text;
        digits += digit ? 1 : 0;
    }
    ret[n] = '\0';
    return digits >= 2;
}

static bool is_mobile_cn(const char *digits)
{
    return strlen(digits) == 11 && digits[0] == '1' && digits[1] >= '3';
}

/* What stands before `*rest` in the one form; moves *rest past what is written another way. */
static const char *international_prefix(const char **rest, const char *country)
{
    size_t country_size = strlen(country);
    if (strncmp(*rest, "00", 2) == 0 && strlen(*rest) > 3) {
        *rest += 2;
        return "+";
    }
    /* Networks hand over "86138..." as well as "+86138...". */
    if (strncmp(*rest, country, country_size) == 0 && is_mobile_cn(*rest + country_size))
        return "+";
    return "";
}

bool text_normalise_phone(const char *text, const char *country, char *ret, size_t size)
{
    char digits[LIMIT_PHONE_DIGITS + 2];
    if (!strip_phone(text, digits))
        return false;
    const char *rest = digits;
    bool national = is_mobile_cn(digits);
    const char *prefix = national ? "+" : international_prefix(&rest, country);
    const char *middle = national ? country : "";
    if (strlen(prefix) + strlen(middle) + strlen(rest) + 1 > size)
        return false;
    memcpy(ret, prefix, strlen(prefix));
    memcpy(ret + strlen(prefix), middle, strlen(middle));
    return text_copy(ret + strlen(prefix) + strlen(middle), size - strlen(prefix) - strlen(middle),
                     rest);
}

void text_mask_phone(const char *number, char ret[8])
{
    size_t length = strlen(number);
    const char *tail = length > 3 ? number + length - 3 : "";
    memcpy(ret, "***", 3);
    text_copy(ret + 3, 5, strspn(tail, "0123456789") == 3 ? tail : "");
}

void text_to_hex(const void *bytes, size_t size, char *ret)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        ret[2 * i] = digit[at[i] >> 4];
        ret[2 * i + 1] = digit[at[i] & 15];
    }
    ret[2 * size] = '\0';
}

void text_of_u64(uint64_t number, char ret[17])
{
    uint8_t bytes[8];
    for (int i = 7; i >= 0; i--, number >>= 8)
        bytes[i] = (uint8_t)number;
    text_to_hex(bytes, sizeof bytes, ret);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int text_from_hex(const char *hex, size_t hex_size, uint8_t *ret, size_t max)
{
    if (hex_size % 2 != 0 || hex_size / 2 > max || hex_size / 2 > INT_MAX)
        return -1;
    for (size_t i = 0; i < hex_size / 2; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return (int)(hex_size / 2);
}

int text_escaped_unit(const char *at, const char *end)
{
    uint8_t unit[2];
    bool is_one = end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
                  text_from_hex(at + 2, 4, unit, sizeof unit) == 2;
    return is_one ? unit[0] << 8 | unit[1] : -1;
}

bool text_equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}
