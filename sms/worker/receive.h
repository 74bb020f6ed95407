/* Receiving, with AT commands of our own: the SIM is looked through at the start, every 30 s, when
 * a message is announced and on demand. Each message is offered to the gateway in hex and deleted
 * when the gateway says that it is committed, and only if it is still the one that was offered. */
#ifndef TOUYAN_SMS_WORKER_RECEIVE_H
#define TOUYAN_SMS_WORKER_RECEIVE_H

#include <stdint.h>

#include "gateway/base/err.h"
#include "sms/worker/filter.h"

enum { RECEIVE_POLL_MS = 30000 };

/* PDU mode, memories, announcements (CNMI 2,1,0,1,0: messages are stored and announced, reports
 * come by themselves). ERR_TIMEOUT: the modem does not answer. */
int receive_setup(struct filter *filter, struct err *err);

/* All return AT_TIMEOUT when the modem stopped answering. */
enum at_result receive_poll(struct filter *filter);
enum at_result receive_read(struct filter *filter, const struct filter_event *event);
enum at_result receive_delete(struct filter *filter, int64_t offer);

/* How full the SIM's memory is; 0 of 0 when the modem does not say. */
enum at_result receive_space(struct filter *filter, int *ret_used, int *ret_size);
/* Deletes drafts and copies of what was sent: nobody reads them here, and they take the place of
 * what comes in. */
enum at_result receive_tidy(struct filter *filter);

#endif
