/* What outlives the simulator's program: SIM and network, taken from the book of earlier lives. */
#ifndef TOUYAN_TESTS_SIMLIFE_H
#define TOUYAN_TESTS_SIMLIFE_H

#include "tests/lib/simmodem.h"

/* Goes through the book line by line: what waits for us, what is on the SIM, reports under way,
 * references, PIN tries left, what was ordered of SIM and network. What was only in the air is
 * gone: armed faults and replies under way. A last line that was not written whole is cut off.
 * ERR_INVALID: the file is no such book. */
int simlife_take_up(struct simmodem *modem, struct err *err);

#endif
