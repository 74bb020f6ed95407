/* The makes that the simulated modem can play: what it calls itself, the commands that only that
 * make knows, and its habits. */
#ifndef TOUYAN_TESTS_SIMPROFILE_H
#define TOUYAN_TESTS_SIMPROFILE_H

#include <stdbool.h>
#include <stddef.h>

struct simanswer {
    const char *command; /* behind AT; NULL ends a table */
    const char *answer;  /* NULL: only OK */
};

struct simprofile {
    const char *name;
    const struct simanswer *answers; /* before the modem's own */
    bool bare_prompt;                /* CR LF > CR LF */
    bool stores_reports;             /* takes no AT+CNMI that has them come by themselves */
    bool echoes_pdu;                 /* while the echo is on */
    const char *chatter;             /* a line unasked after every fourth command, NULL: none */
    const char *hush;                /* the command that ends the chatter; NULL: nothing does */
    bool packed_ussd;                /* codes and answers are septets in hex */
    const char *pin_tries;           /* the command that says how many tries are left, and */
    const char *pin_before;          /* what stands in its answer before that number */
    const char *pin_behind;
};

/* NULL when there is none of this name. "" is the plain one. */
const struct simprofile *simprofile_find(const char *name);

#endif
