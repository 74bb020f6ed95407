/* Shorter sleeps for libgammu; see naps.c. */
#ifndef TOUYAN_SMS_WORKER_NAPS_H
#define TOUYAN_SMS_WORKER_NAPS_H

#include <stdbool.h>

void naps_set_fast(bool on);

#endif
