/* See skill.h. */
#include "gateway/duty/skill.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const names[SKILL_COUNT][2] = {
    {"交通指挥", "traffic"}, {"防暴处突", "riot"}, {"心理疏导", "counsel"}};

uint8_t skill_bits(const char *words)
{
    uint8_t bits = 0;
    for (int k = 0; words != NULL && k < SKILL_COUNT; k++)
        if (strstr(words, names[k][0]) != NULL || strstr(words, names[k][1]) != NULL)
            bits |= (uint8_t)(1 << k);
    return bits;
}

void skill_words(uint8_t bits, char ret[SKILL_WORDS_SIZE])
{
    size_t used = 0;
    ret[0] = '\0';
    for (int k = 0; k < SKILL_COUNT; k++)
        if ((bits >> k & 1) != 0)
            used += (size_t)snprintf(ret + used, SKILL_WORDS_SIZE - used, "%s%s %s",
                                     used > 0 ? " " : "", names[k][0], names[k][1]);
}
