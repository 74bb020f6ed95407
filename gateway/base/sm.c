/* Table-driven state machine; see sm.h. */
#include "gateway/base/sm.h"

#include <assert.h>

#include "gateway/base/log.h"

void sm_init(struct sm *sm, const char *what, const struct sm_state *states, int count, int first)
{
    assert(count > 0 && count <= 64 && first >= 0 && first < count);
    *sm = (struct sm){what, states, count, first};
}

bool sm_allows(const struct sm *sm, int next)
{
    return next >= 0 && next < sm->count && (sm->states[sm->now].to & SM_TO(next)) != 0;
}

void sm_move(struct sm *sm, int next)
{
    assert(sm_allows(sm, next));
    log_debug("sm.move", "what=%s from=%s to=%s", sm->what, sm->states[sm->now].name,
              sm->states[next].name);
    sm->now = next;
}

const char *sm_name(const struct sm *sm)
{
    return sm->states[sm->now].name;
}
