/* The steps; see ladder.h. */
#include "sms/ladder.h"

enum { WAIT_MS = 120000, DOUBLINGS_MAX = 4 };

const char *ladder_step_name(enum ladder_step step)
{
    static const char *const names[LADDER_STEPS] = {"none", "radio", "reset", "reopen", "power"};
    return names[step];
}

void ladder_well(struct ladder *ladder)
{
    ladder->reached = LADDER_NONE;
    ladder->rounds = 0;
    ladder->ill_since_ms = 0;
}

static int64_t pause_ms(const struct ladder *ladder)
{
    int64_t ms = ladder->wait_ms > 0 ? ladder->wait_ms : WAIT_MS;
    for (int i = 0; i < ladder->rounds && i < DOUBLINGS_MAX; i++)
        ms *= 2;
    return ms;
}

static enum ladder_step last_step(const struct ladder *ladder)
{
    return ladder->has_power ? LADDER_POWER : LADDER_REOPEN;
}

void ladder_count(struct ladder *ladder, enum ladder_step step, int64_t wall_ms)
{
    ladder->steps[step].count++;
    ladder->steps[step].last_ms = wall_ms;
}

enum ladder_step ladder_ill(struct ladder *ladder, int64_t mono_ms, int64_t wall_ms)
{
    if (ladder->ill_since_ms == 0) {
        ladder->ill_since_ms = wall_ms;
        ladder->next_ms = mono_ms + pause_ms(ladder);
    }
    if (mono_ms < ladder->next_ms)
        return LADDER_NONE;
    if (ladder->reached == last_step(ladder)) {
        ladder->reached = LADDER_NONE;
        ladder->rounds++;
    }
    ladder->reached = (enum ladder_step)(ladder->reached + 1);
    ladder->next_ms = mono_ms + pause_ms(ladder);
    ladder_count(ladder, ladder->reached, wall_ms);
    return ladder->reached;
}

enum ladder_step ladder_refused(struct ladder *ladder, int refusals)
{
    int last = (int)last_step(ladder);
    if (refusals <= 0)
        return LADDER_NONE;
    return (enum ladder_step)(refusals < last ? refusals : last);
}
