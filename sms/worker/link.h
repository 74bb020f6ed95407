/* The worker's end of the socketpair. Frames may be written from both threads; only the main thread
 * reads. */
#ifndef TOUYAN_SMS_WORKER_LINK_H
#define TOUYAN_SMS_WORKER_LINK_H

#include <stdbool.h>

#include "gateway/base/err.h"
#include "sms/frame.h"

enum { LINK_FD = 3 };

/* Writes the whole frame before it returns. A gateway that is gone ends the worker. */
void link_send(const struct frame *frame);

/* Tells why and ends the process. */
_Noreturn void link_bye(const char *why);
_Noreturn void link_bye_unplugged(void);

/* Reads what is there and gives one frame. Returns 1: a frame; 0: none yet; -1: the gateway closed
 * its end or speaks nonsense. */
int link_receive(struct frame *ret);

/* The same, waiting: false when none came in time or the gateway is gone. */
bool link_wait(struct frame *ret, int timeout_ms);

#endif
