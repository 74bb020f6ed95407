/* Characters: one normal form, the simplified form, the sound. Tables made at build time from the
 * Unicode Character Database 15.0 (unihan.awk). */
#ifndef TOUYAN_DUTY_UNIHAN_H
#define TOUYAN_DUTY_UNIHAN_H

#include <stdint.h>

/* NFKC for characters that become one character (full-width forms, ideographic space, circled and
 * mathematical digits, Kangxi radicals, compatibility ideographs), then traditional to simplified;
 * others unchanged. */
uint32_t unihan_plain(uint32_t cp);

/* The toneless Mandarin syllables of a unified ideograph, numbers from 1, the usual one first: most
 * characters have one, some several (了: LE, LIAO). Returns how many, 0 for other characters. */
enum { UNIHAN_SOUNDS_MAX = 4 };
int unihan_sounds(uint32_t cp, uint16_t ret[UNIHAN_SOUNDS_MAX]);

/* "DAO" for a number of unihan_sounds(). Static. */
const char *unihan_spell(uint16_t sound);

#endif
