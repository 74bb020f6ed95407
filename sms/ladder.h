/* What is done to a modem that does not work, one step after another, each counted with the time of
 * its last use: radio off and on, reset, a new worker over a newly opened port, power. Pure: the
 * caller brings the time and takes the steps. */
#ifndef TOUYAN_SMS_LADDER_H
#define TOUYAN_SMS_LADDER_H

#include <stdbool.h>
#include <stdint.h>

enum ladder_step {
    LADDER_NONE,
    LADDER_RADIO,  /* AT+CFUN=4, AT+CFUN=1 */
    LADDER_RESET,  /* AT+CFUN=1,1 */
    LADDER_REOPEN, /* another worker */
    LADDER_POWER,  /* the command that is configured for it */
    LADDER_STEPS,
};

const char *ladder_step_name(enum ladder_step step);

struct ladder {
    bool has_power;  /* there is a command for the last step */
    int64_t wait_ms; /* before each step; 0: 2 min */
    struct {
        int64_t count;
        int64_t last_ms; /* wall, 0: never */
    } steps[LADDER_STEPS];
    enum ladder_step reached; /* of this illness */
    int rounds;
    int64_t ill_since_ms; /* wall, 0: well */
    int64_t next_ms;      /* monotonic */
};

/* It works again. */
void ladder_well(struct ladder *ladder);

/* It does not work: the step to take now, LADDER_NONE while the last one is given its time. Each
 * time round the waits are doubled, up to 16 times. */
enum ladder_step ladder_ill(struct ladder *ladder, int64_t mono_ms, int64_t wall_ms);

/* It refuses to work: the next step, without waiting. */
enum ladder_step ladder_refused(struct ladder *ladder, int refusals);

/* A step was taken; those of ladder_ill() are counted already. */
void ladder_count(struct ladder *ladder, enum ladder_step step, int64_t wall_ms);

#endif
