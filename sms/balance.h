/* Reading the money that is left out of what a network answers. Pure. */
#ifndef TOUYAN_SMS_BALANCE_H
#define TOUYAN_SMS_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

/* In hundredths. The amount behind a word for "balance", else the one in front of a word for the
 * currency, else the first number. False: there is no number. */
bool balance_read(const char *text, int64_t *ret_cents);

#endif
