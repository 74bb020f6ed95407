/* What a person copies from the county to a station: the pin of the county's CA and a one-time
 * code, as letters and digits that cannot be mistaken for one another (Crockford's base 32: no I,
 * L, O, U). Printed in groups of four; read in any case, with or without the dashes. */
#ifndef TOUYAN_SYNC_SLIP_H
#define TOUYAN_SYNC_SLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SLIP_PIN_BYTES = 20,  /* the beginning of the SHA-256 of the CA's SubjectPublicKeyInfo */
    SLIP_CODE_BYTES = 10, /* 80 random bits */
    SLIP_PIN_TEXT = 39,   /* 8 groups of 4 */
    SLIP_CODE_TEXT = 19,  /* 4 groups of 4 */
    SLIP_DIGITS = 6,
};

/* size is a multiple of 5; ret holds 2 * size bytes, NUL included. */
void slip_print(const uint8_t *bytes, size_t size, char *ret);

/* False: not so many letters, or others. */
bool slip_read(const char *text, uint8_t *ret, size_t size);

#endif
