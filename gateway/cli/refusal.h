/* What the gateway refused, in Chinese: it says so in English (its log, --json and other programs
 * read that), and the table of refusals.def has each sentence in both. */
#ifndef TOUYAN_CLI_REFUSAL_H
#define TOUYAN_CLI_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

enum { REFUSAL_BYTES = 512 };

/* False, and `ret` is not touched: the table does not have that sentence. */
bool refusal_in_chinese(const char *english, char ret[REFUSAL_BYTES]);

#endif
