/* Characters: one normal form, the simplified form, the sound. Tables made at build time from the
 * Unicode Character Database 15.0 (unihan.awk). */
#ifndef TOUYAN_DUTY_UNIHAN_H
#define TOUYAN_DUTY_UNIHAN_H

#include <stdint.h>

/* NFKC for characters that become one character (full-width forms, ideographic space, circled and
 * mathematical digits, Kangxi radicals, compatibility ideographs), then traditional to simplified;
 * others unchanged. */
uint32_t unihan_plain(uint32_t cp);

/* The toneless Mandarin syllable of a unified ideograph, a number from 1; 0 for others. */
int unihan_sound(uint32_t cp);

/* "DAO" for 到; "" for others. Static. */
const char *unihan_spell(uint32_t cp);

#endif
