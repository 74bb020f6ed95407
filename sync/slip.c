/* See slip.h. */
#include "sync/slip.h"

#include <string.h>

static const char LETTERS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

enum { BITS = 5, GROUP = 4 };

void slip_print(const uint8_t *bytes, size_t size, char *ret)
{
    unsigned bits = 0, held = 0;
    size_t letters = 0;
    for (size_t i = 0; i < size; i++) {
        bits = (bits << 8 | bytes[i]) & 0xfff;
        for (held += 8; held >= BITS; held -= BITS, letters++) {
            if (letters > 0 && letters % GROUP == 0)
                *ret++ = '-';
            *ret++ = LETTERS[(bits >> (held - BITS)) & 31];
        }
    }
    *ret = '\0';
}

/* -1: none. */
static int value_of(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    const char *at = c != '\0' ? strchr(LETTERS, c) : NULL;
    return at != NULL ? (int)(at - LETTERS) : -1;
}

bool slip_read(const char *text, uint8_t *ret, size_t size)
{
    unsigned bits = 0, held = 0;
    size_t got = 0;
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == ' ')
            continue;
        int value = value_of(*text);
        if (value < 0)
            return false;
        bits = (bits << BITS | (unsigned)value) & 0xfff;
        held += BITS;
        if (held < 8)
            continue;
        held -= 8;
        if (got == size)
            return false;
        ret[got++] = (uint8_t)(bits >> held);
    }
    return got == size && held == 0;
}
