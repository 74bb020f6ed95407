/* Calls: ringing somebody, and hearing who rings us. Nothing is ever said or answered: a call from
 * here is a signal, and a call to here is one too, which costs nobody anything. With AT commands of
 * our own (3GPP TS 27.007 6, 7.11, 7.18), under either driver. For the main thread.
 *
 * Not with libgammu's, although it has GSM_DialVoice and GSM_CancelCall: tried with 1.42, it dials,
 * but its callback says nothing when the call rings, is answered or is refused, which is all that
 * a call is for here; GSM_SetIncomingCall gives up on a modem that does not know one of its
 * commands; and while a modem has not answered ATD the library waits, and nothing is sent.
 *
 * A dialled call goes on while messages are sent. It ends when it is answered, refused, or has
 * rung long enough; the gateway is told how. */
#ifndef TOUYAN_SMS_WORKER_CALL_H
#define TOUYAN_SMS_WORKER_CALL_H

#include <stdint.h>

#include "sms/worker/filter.h"

/* Shows who rings and never picks up. What a modem does not know of it is left out. */
enum at_result call_setup(struct filter *filter);

/* Both return AT_TIMEOUT when the modem stopped answering. */
enum at_result call_dial(struct filter *filter, const struct frame *dial);
enum at_result call_hangup(struct filter *filter, int64_t id);

/* Takes what the filter heard, looks after the call under way. */
enum at_result call_look(struct filter *filter);
/* When to look again, CLOCK_MONOTONIC ms; INT64_MAX: no call. */
int64_t call_next_ms(void);

#endif
