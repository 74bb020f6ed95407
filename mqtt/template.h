/* Topics and payloads with {names} in them. A '{' that begins no name stands for itself, so JSON
 * needs no escapes. {int:NAME} is NAME as a whole number, refused when it is none. */
#ifndef TOUYAN_MQTT_TEMPLATE_H
#define TOUYAN_MQTT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"

enum { TEMPLATE_NAME_BYTES = 32 };

/* The next name at or behind `at` (without int:); returns the position behind it, NULL: no more. */
const char *template_next(const char *at, char ret_name[TEMPLATE_NAME_BYTES + 1]);

/* The value of a name; false: it has none. */
typedef bool template_look_fn(void *ctx, const char *name, char *ret, size_t size);

/* Appends to `out`. json: values are escaped for the inside of a JSON string. False: a name has no
 * value, an int is none (ret_name tells which), or it does not fit. */
bool template_fill(const char *text, bool json, template_look_fn *look, void *ctx, struct buf *out,
                   char ret_name[TEMPLATE_NAME_BYTES + 1]);

#endif
