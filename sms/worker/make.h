/* What we know of the makes of modems: which can be driven with AT commands of our own, and their
 * peculiarities. Pure tables. */
#ifndef TOUYAN_SMS_WORKER_MAKE_H
#define TOUYAN_SMS_WORKER_MAKE_H

#include <stdbool.h>

struct make {
    const char *name;         /* "quectel"; "" for all that we do not know */
    const char *maker;        /* how the answer to AT+CGMI begins, whatever the case */
    const char *const *setup; /* commands before anything else, NULL at the end; may be refused */
    const char *pin_tries; /* asks how many tries a PIN has left; NULL: there is no such command */
    int pin_field;         /* the field of the answer that says it */
    bool packed_ussd;      /* codes and answers are septets in hex (23.038 6.1.2.3) */
};

/* Never NULL. */
const struct make *make_find(const char *maker);

#endif
