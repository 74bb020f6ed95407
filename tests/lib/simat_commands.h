/* The commands of the simulated modem; part of simat. */
#ifndef TOUYAN_TESTS_SIMAT_COMMANDS_H
#define TOUYAN_TESTS_SIMAT_COMMANDS_H

#include "tests/lib/simat.h"

/* Runs a command line ("AT+CMEE=1;+CREG=2") and says its one final result. */
void simat_commands_run(struct simat *at, const char *line);

/* In simat.c: a line of a reply or an announcement; a final result; errors. */
void simat_say(struct simat *at, const char *line);
void simat_final(struct simat *at, const char *line);
void simat_cms_error(struct simat *at, int number);
void simat_cme_error(struct simat *at, int number);
/* AT+CMGS; args from the '=' on. */
void simat_begin_send(struct simat *at, const char *args);

/* The PDU as modems write it: digits in capitals. */
void simat_pdu_hex(const struct simnet_pdu *pdu, char ret[TPDU_HEX_BYTES]);

#endif
