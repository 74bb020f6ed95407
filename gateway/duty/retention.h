/* How long each kind of row is kept, in one table: run once a day, and shown (touyan privacy).
 * Replicated rows are the county's to remove; these are the station's own, and its texts. */
#ifndef TOUYAN_DUTY_RETENTION_H
#define TOUYAN_DUTY_RETENTION_H

#include "gateway/duty/duty.h"

enum { RETENTION_STATEMENTS = 4, RETENTION_UNTIL = 0 };

struct retention_rule {
    const char *name;
    const char *zh, *en; /* what is kept */
    int days;            /* RETENTION_UNTIL: each row has its own end; else, if `keep` is fixed */
    /* ?1: rows from before this wall time go. The last one's count is what is shown. */
    const char *sql[RETENTION_STATEMENTS];
    enum duty_keep keep; /* which of the station's settings says the days */
};

/* Ends with a NULL name. */
extern const struct retention_rule retention_rules[];

/* Each rule in a savepoint of its own: one that fails is logged and tried again tomorrow. */
void retention_run(struct duty *duty);

#endif
