/* Numbers of people in free text. A telephone or identity number belongs into a field that is
 * sealed, so free text that holds one is refused, or, where what was written must not be lost, the
 * number in it is hidden. */
#ifndef TOUYAN_BASE_PRIVACY_H
#define TOUYAN_BASE_PRIVACY_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/err.h"

/* The first such number of valid or broken UTF-8: seven digits and more, whole or in groups
 * ("138 1234 5678", "0482-5123456", full-width), or eleven and more with commas or Chinese digits
 * among them. A date (2026-09-30) is none, nor are times (07:20-08:10). [*ret_from, *ret_to) in
 * bytes. */
bool privacy_find_number(const char *text, size_t *ret_from, size_t *ret_to);

/* ERR_INVALID: `what` (the name of a field) holds a number of somebody. NULL holds none. */
int privacy_check(const char *what, const char *text, struct err *err);

/* Each number becomes one '*'. Returns false when ret[size] was too small: it is cut then. */
bool privacy_hide(const char *text, char *ret, size_t size);

#endif
