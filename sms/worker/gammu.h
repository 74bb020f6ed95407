/* libgammu's AT driver, and all that this program knows of it: greeting the modem, identifying it,
 * sending, network state. Blocking; for the main thread only. Receiving is not its business: its
 * decoder is not safe with hostile PDUs. */
#ifndef TOUYAN_SMS_WORKER_GAMMU_H
#define TOUYAN_SMS_WORKER_GAMMU_H

#include <stdbool.h>

#include "gateway/base/err.h"
#include "sms/frame.h"

struct gammu;

/* Greets the modem behind the pty; 3.4 s with libgammu's own sleeps. */
int gammu_open(const char *path, struct gammu **ret, struct err *err);

/* Fills imei, model and smsc of a hello; "" for what the modem does not say. */
void gammu_identify(struct gammu *gammu, struct frame *ret);

/* Sends one part as it is given (coding, header, text): returns when the PDU is written, or with
 * ERR_IO when that failed. ERR_STATE: the SIM has no service centre. */
int gammu_send(struct gammu *gammu, const struct frame *submit, struct err *err);

/* Lets libgammu read what is there, for at most about 50 ms. True: it has seen the answer to the
 * last send. */
bool gammu_pump(struct gammu *gammu);

/* CSQ and registration (27.007 7.2) of a state frame; 99 and -1 when they cannot be had. */
void gammu_network(struct gammu *gammu, struct frame *ret);

#endif
