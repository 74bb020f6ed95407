/* The alphabet is one table by septet; looking up a character goes through the table backwards,
 * which for 160 septets is nothing. Text that has no place in it is refused (-1), never replaced:
 * the caller then takes UCS-2. */
#include "sms/gsm7.h"

#include <string.h>

#include "gateway/base/text.h"

enum { ESCAPE = 0x1b };

static const uint16_t table[128] = {
    '@',    0x00a3, '$',    0x00a5, 0x00e8, 0x00e9, 0x00f9, 0x00ec, 0x00f2, 0x00c7, '\n',   0x00d8,
    0x00f8, '\r',   0x00c5, 0x00e5, 0x0394, '_',    0x03a6, 0x0393, 0x039b, 0x03a9, 0x03a0, 0x03a8,
    0x03a3, 0x0398, 0x039e, 0,      0x00c6, 0x00e6, 0x00df, 0x00c9, ' ',    '!',    '"',    '#',
    0x00a4, '%',    '&',    '\'',   '(',    ')',    '*',    '+',    ',',    '-',    '.',    '/',
    '0',    '1',    '2',    '3',    '4',    '5',    '6',    '7',    '8',    '9',    ':',    ';',
    '<',    '=',    '>',    '?',    0x00a1, 'A',    'B',    'C',    'D',    'E',    'F',    'G',
    'H',    'I',    'J',    'K',    'L',    'M',    'N',    'O',    'P',    'Q',    'R',    'S',
    'T',    'U',    'V',    'W',    'X',    'Y',    'Z',    0x00c4, 0x00d6, 0x00d1, 0x00dc, 0x00a7,
    0x00bf, 'a',    'b',    'c',    'd',    'e',    'f',    'g',    'h',    'i',    'j',    'k',
    'l',    'm',    'n',    'o',    'p',    'q',    'r',    's',    't',    'u',    'v',    'w',
    'x',    'y',    'z',    0x00e4, 0x00f6, 0x00f1, 0x00fc, 0x00e0,
};

static const struct {
    uint8_t septet;
    uint16_t cp;
} extension[] = {
    {0x0a, 0x000c}, {0x14, '^'}, {0x28, '{'}, {0x29, '}'}, {0x2f, '\\'},
    {0x3c, '['},    {0x3d, '~'}, {0x3e, ']'}, {0x40, '|'}, {0x65, 0x20ac},
};

enum { EXTENSION_COUNT = sizeof(extension) / sizeof(extension[0]) };

/* The default table's septet or -1. */
static int find_default(uint32_t cp)
{
    if (cp == 0)
        return -1;
    if (cp < 128 && table[cp] == cp)
        return (int)cp;
    for (int i = 0; i < 128; i++)
        if (table[i] == cp)
            return i;
    return -1;
}

static int find_extension(uint32_t cp)
{
    for (int i = 0; i < EXTENSION_COUNT; i++)
        if (extension[i].cp == cp)
            return extension[i].septet;
    return -1;
}

int gsm7_cost(uint32_t cp)
{
    if (find_default(cp) >= 0)
        return 1;
    return find_extension(cp) >= 0 ? 2 : 0;
}

int gsm7_from_utf8(const char *text, size_t size, uint8_t *ret_septets, size_t max)
{
    size_t count = 0;

    for (size_t at = 0; at < size;) {
        uint32_t cp = 0;
        size_t length = text_utf8_decode(text + at, size - at, &cp);
        int cost = length > 0 ? gsm7_cost(cp) : 0;

        if (cost == 0 || count + (size_t)cost > max)
            return -1;
        if (cost == 2) {
            ret_septets[count++] = ESCAPE;
            ret_septets[count++] = (uint8_t)find_extension(cp);
        } else {
            ret_septets[count++] = (uint8_t)find_default(cp);
        }
        at += length;
    }
    return (int)count;
}

static uint32_t shown(const uint8_t *septets, size_t count, size_t *at)
{
    uint8_t septet = septets[(*at)++] & 0x7f;

    if (septet != ESCAPE)
        return table[septet];
    if (*at >= count)
        return ' ';
    septet = septets[(*at)++] & 0x7f;
    if (septet == ESCAPE)
        return ' ';
    for (int i = 0; i < EXTENSION_COUNT; i++)
        if (extension[i].septet == septet)
            return extension[i].cp;
    return table[septet];
}

bool gsm7_to_utf8(const uint8_t *septets, size_t count, char *ret, size_t size, bool *ret_escaped)
{
    size_t used = 0;

    if (ret_escaped)
        *ret_escaped = memchr(septets, ESCAPE, count) != NULL;
    for (size_t at = 0; at < count;) {
        char bytes[4];
        size_t length = text_utf8_encode(shown(septets, count, &at), bytes);

        if (used + length >= size)
            return false;
        memcpy(ret + used, bytes, length);
        used += length;
    }
    ret[used] = '\0';
    return true;
}

size_t gsm7_pack(const uint8_t *septets, size_t count, size_t skip_bits, uint8_t *ret)
{
    size_t bit = skip_bits;

    for (size_t i = 0; i < count; i++, bit += 7) {
        unsigned value = (unsigned)(septets[i] & 0x7f) << (bit % 8);

        ret[bit / 8] = (uint8_t)(ret[bit / 8] | (value & 0xff));
        if (value > 0xff || bit % 8 > 1)
            ret[bit / 8 + 1] = (uint8_t)(ret[bit / 8 + 1] | (value >> 8));
    }
    return (bit + 7) / 8;
}

void gsm7_unpack(const uint8_t *octets, size_t skip_bits, size_t count, uint8_t *ret_septets)
{
    size_t bit = skip_bits;

    for (size_t i = 0; i < count; i++, bit += 7) {
        unsigned value = octets[bit / 8];

        if (bit % 8 > 1)
            value |= (unsigned)octets[bit / 8 + 1] << 8;
        ret_septets[i] = (uint8_t)((value >> (bit % 8)) & 0x7f);
    }
}
