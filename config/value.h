/* One value: from the text in a file to its field in struct config and back. Private to config/. */
#ifndef TOUYAN_CONFIG_VALUE_H
#define TOUYAN_CONFIG_VALUE_H

#include "config/options.h"

/* Checks `text` and stores it in the field at `base` + option->offset (base: struct config or
 * struct config_modem). Of a list it is one more value; value_clear begins a new list. ERR_INVALID
 * says what is wrong and what may be written, without naming the option. */
int value_set(const struct option *option, void *base, const char *text, struct err *err);

/* Empties a list; frees texts. */
void value_clear(const struct option *option, void *base);

/* Sets the preset of the table. The field must be zeroed or set before. */
int value_preset(const struct option *option, void *base, struct err *err);

bool value_equal(const struct option *option, const void *a, const void *b);

/* Copies a field that owns no memory. */
void value_copy_number(const struct option *option, void *to, const void *from);

/* The value as a file has it: quoted texts, lists in braces. */
bool value_print(const struct option *option, const void *base, struct buf *out);

#endif
