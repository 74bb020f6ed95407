/* What a person may be needed for besides standing there. */
#ifndef TOUYAN_DUTY_SKILL_H
#define TOUYAN_DUTY_SKILL_H

#include <stdint.h>

enum { SKILL_TRAFFIC, SKILL_RIOT, SKILL_COUNSEL, SKILL_COUNT }; /* as enum roster_skill */

/* Bits of those that the words name: "交通指挥;riot". NULL: none. */
uint8_t skill_bits(const char *words);

/* "交通指挥 traffic": both names of each; a skill's name is a part of it. */
enum { SKILL_WORDS_SIZE = 80 };
void skill_words(uint8_t bits, char ret[SKILL_WORDS_SIZE]);

#endif
