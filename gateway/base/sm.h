/* A state machine as a table: names and allowed edges. A move that the table does not allow is a
 * bug of ours and asserts; each move is traced at debug level. */
#ifndef TOUYAN_BASE_SM_H
#define TOUYAN_BASE_SM_H

#include <stdbool.h>
#include <stdint.h>

struct sm_state {
    const char *name;
    uint64_t to; /* bit i set: a move to state i is allowed */
};

struct sm {
    const char *what;              /* for the trace, e.g. "modem" */
    const struct sm_state *states; /* static */
    int count;                     /* at most 64 */
    int now;
};

#define SM_TO(state) (UINT64_C(1) << (state))

void sm_init(struct sm *sm, const char *what, const struct sm_state *states, int count, int first);
bool sm_allows(const struct sm *sm, int next);
void sm_move(struct sm *sm, int next);
const char *sm_name(const struct sm *sm);

#endif
