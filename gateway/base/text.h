/* Text from outside: UTF-8 (RFC 3629), checked integers, phone numbers. */
#ifndef TOUYAN_BASE_TEXT_H
#define TOUYAN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point. Returns its length in bytes (1 to 4) and sets *ret_cp, or 0 when the
 * bytes are not valid UTF-8 (overlong, surrogate, above U+10FFFF, cut). */
size_t text_utf8_decode(const char *bytes, size_t size, uint32_t *ret_cp);

/* Writes 1 to 4 bytes without a NUL; returns the count, 0 for a surrogate or above U+10FFFF. */
size_t text_utf8_encode(uint32_t cp, char ret_bytes[4]);

/* Valid UTF-8 and no U+0000. */
bool text_utf8_valid(const char *bytes, size_t size);

/* UTF-16 code units of valid UTF-8 (what an SMS in UCS-2 counts); -1 when it is not valid. */
int text_utf16_units(const char *text);

/* Copies text into ret[size], cut at a code point so that the NUL fits; returns false when cut.
 * Invalid bytes become U+FFFD. */
bool text_copy_utf8(char *ret, size_t size, const char *text, size_t text_size);

/* Copies a C string; returns false (and copies what fits) when it was too long. */
bool text_copy(char *ret, size_t size, const char *text);

/* Whole decimal integers only: no sign but '-', no spaces, no trailing bytes, within [min, max]. */
bool text_to_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value);
bool text_to_int(const char *text, int min, int max, int *ret_value);

/* Brings a dialled number to one form: "+8613800000001", also from "13800000001", "8613800000001"
 * and "008613800000001";
 * "106..." and other short codes as they are. Drops spaces, '-', '(', ')'.
 * country is digits without '+', e.g. "86". False: not a number of 2 to LIMIT_PHONE_DIGITS digits.
 */
bool text_normalise_phone(const char *text, const char *country, char *ret, size_t size);

/* "***001": the last three digits and nothing else; "***" for short numbers and for names. ret must
 * hold 8 bytes. */
void text_mask_phone(const char *number, char ret[8]);

/* Lower-case hex. ret must hold 2 * size + 1 bytes. */
void text_to_hex(const void *bytes, size_t size, char *ret);
/* A number as 16 lower-case hex digits. */
void text_of_u64(uint64_t number, char ret[17]);
/* Returns the byte count or -1 (odd length, other characters, more than max). */
int text_from_hex(const char *hex, size_t hex_size, uint8_t *ret, size_t max);

/* The UTF-16 unit of JSON's escape \uXXXX that begins at `at`; -1: none begins there. */
int text_escaped_unit(const char *at, const char *end);

/* True when both are the same string; NULL equals nothing. */
bool text_equal(const char *a, const char *b);

#endif
