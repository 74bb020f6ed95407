/* The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 6.2.1), and the packing of
 * septets into octets (6.1.2.1). All functions are pure and bounded by the sizes given. */
#ifndef TOUYAN_SMS_GSM7_H
#define TOUYAN_SMS_GSM7_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Septets of one code point: 1, 2 (escape sequence), or 0 when the alphabet does not have it. */
int gsm7_cost(uint32_t cp);

/* Writes the septets of valid UTF-8; returns their count, or -1 when a character is not in the
 * alphabet, the text is not valid, or they are more than max. */
int gsm7_from_utf8(const char *text, size_t size, uint8_t *ret_septets, size_t max);

/* Writes UTF-8 and a NUL; returns false when it does not fit (3 bytes a septet always fit).
 * An unknown escape sequence is shown as the character of the default table, a single escape as a
 * space (6.2.1.1). *ret_escaped, if given, says whether the extension table was used. */
bool gsm7_to_utf8(const uint8_t *septets, size_t count, char *ret, size_t size, bool *ret_escaped);

/* Packs septets behind `skip_bits` bits that are already in ret; returns the octets used in all.
 * ret must be zeroed and hold (skip_bits + 7 * count + 7) / 8 octets. */
size_t gsm7_pack(const uint8_t *septets, size_t count, size_t skip_bits, uint8_t *ret);

/* Unpacks `count` septets that begin at bit skip_bits; the octets must hold
 * skip_bits + 7 * count bits. */
void gsm7_unpack(const uint8_t *octets, size_t skip_bits, size_t count, uint8_t *ret_septets);

#endif
