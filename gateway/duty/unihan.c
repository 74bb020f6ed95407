/* Characters; see unihan.h. Two sorted tables of pairs, searched by halves, and one flat table of
 * sounds; none of the functions can fail: a character that no table knows is itself and silent. */
#include "gateway/duty/unihan.h"

#include <stddef.h>

struct unihan_pair {
    uint16_t from, to;
};

#include "unihan.inc"

enum {
    FIRST_HAN = 0x4e00,
    FIRST_MATH_DIGIT = 0x1d7ce, /* five styles of 0 to 9 */
    LAST_MATH_DIGIT = 0x1d7ff,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where the pairs of cp begin, or what is greater than it. */
static size_t first_of(const struct unihan_pair *pairs, size_t count, uint32_t cp)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pairs[middle].from < cp)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t look_up(const struct unihan_pair *pairs, size_t count, uint32_t cp)
{
    size_t at = first_of(pairs, count, cp);
    return at < count && pairs[at].from == cp ? pairs[at].to : cp;
}

uint32_t unihan_plain(uint32_t cp)
{
    if (cp < 0x80)
        return cp;
    if (cp >= FIRST_MATH_DIGIT && cp <= LAST_MATH_DIGIT)
        return '0' + (cp - FIRST_MATH_DIGIT) % 10;
    if (cp > 0xffff)
        return cp;
    cp = look_up(unihan_compat, COUNT(unihan_compat), cp);
    return look_up(unihan_simplified, COUNT(unihan_simplified), cp);
}

int unihan_sounds(uint32_t cp, uint16_t ret[UNIHAN_SOUNDS_MAX])
{
    int count = 0;
    if (cp < FIRST_HAN || cp - FIRST_HAN >= COUNT(unihan_syllable))
        return 0;
    if (unihan_syllable[cp - FIRST_HAN] != 0)
        ret[count++] = unihan_syllable[cp - FIRST_HAN];
    for (size_t i = first_of(unihan_more, COUNT(unihan_more), cp);
         i < COUNT(unihan_more) && unihan_more[i].from == cp && count < UNIHAN_SOUNDS_MAX; i++)
        ret[count++] = unihan_more[i].to;
    return count;
}

const char *unihan_spell(uint16_t sound)
{
    return sound < COUNT(unihan_names) ? unihan_names[sound] : "";
}
