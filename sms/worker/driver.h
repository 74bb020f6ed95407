/* What drives the modem: libgammu (gammu.c), or AT commands of our own (at.c) for the makes that we
 * know. Both send through the same filter, which follows each send; receiving, the SIM and the
 * modem's health are not a driver's business. Blocking; for the main thread only. */
#ifndef TOUYAN_SMS_WORKER_DRIVER_H
#define TOUYAN_SMS_WORKER_DRIVER_H

#include "gateway/base/err.h"
#include "sms/frame.h"
#include "sms/worker/filter.h"

struct driver {
    const char *name;

    /* Prepares a modem that answers and whose SIM is open. *ret_self goes to the others. */
    int (*open)(struct filter *filter, void **ret_self, struct err *err);

    /* Sends one part as it is given (coding, header, text), the filter's job: returns when the
     * modem has answered. An error: the PDU was never completed, and the filter may know why.
     * ERR_STATE: the SIM has no service centre. */
    int (*send)(void *self, const struct frame *submit, struct err *err);

    /* CSQ (27.007 8.5) and registration (7.2) of a state frame; 99 and -1 when they cannot be had.
     */
    void (*network)(void *self, struct frame *ret);
};

extern const struct driver driver_gammu;
extern const struct driver driver_at;

#endif
