/* From a port that was just opened to a modem that can be driven: it answers, says who it is, gets
 * the PIN of its SIM, and is told what its make wants to hear. The same for both drivers. */
#ifndef TOUYAN_SMS_WORKER_GREET_H
#define TOUYAN_SMS_WORKER_GREET_H

#include "gateway/base/err.h"
#include "sms/frame.h"
#include "sms/worker/filter.h"
#include "sms/worker/make.h"

/* Fills make, model, imei and smsc of a hello; "" for what the modem does not say. ERR_TIMEOUT: it
 * does not answer AT. ERR_STATE: it is another modem than `setup` names, or its SIM is missing or
 * locked. */
int greet_modem(struct filter *filter, const struct frame *setup, struct frame *ret_hello,
                const struct make **ret_make, struct err *err);

/* The network of the SIM; later than the rest, because a SIM needs time after its PIN. */
void greet_sim(struct filter *filter, struct frame *ret_hello);

#endif
