/* Whether the PIN of a SIM may be tried: never twice a wrong one, because the third locks the card.
 * What is tried is written down, and committed, before the modem gets it; a PIN that was refused,
 * or whose fate is not known, is not tried again until it is another one. All inside a handler. */
#ifndef TOUYAN_SMS_PIN_H
#define TOUYAN_SMS_PIN_H

#include <stdbool.h>

#include "sync/replica/replica.h"

enum pin_verdict {
    PIN_MAY,
    PIN_WAS_REFUSED,
    PIN_NOT_SURE, /* the try before was cut off, and the SIM does not say how many are left */
    PIN_TOO_FEW,  /* tries left: the last one is for a person */
};

/* Notes the try when it says PIN_MAY. tries_left: what the SIM says, -1 when it does not. */
enum pin_verdict pin_begin(struct replica *replica, const char *modem, const char *pin,
                           int tries_left);
void pin_end(struct replica *replica, const char *modem, bool taken);

#endif
