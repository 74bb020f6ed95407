/* Between the two files of the simulated modem. */
#ifndef TOUYAN_TESTS_SIMMODEM_PORT_H
#define TOUYAN_TESTS_SIMMODEM_PORT_H

#include "tests/lib/simmodem.h"

/* A new pty under the link; the modem starts anew. */
int simmodem_plug(struct simmodem *modem, struct err *err);
/* The pty and the link are gone; the SIM keeps its messages. */
void simmodem_unplug(struct simmodem *modem);

#endif
