/* The handlers of sync: how long they take, and what waits for their commit. See core.h. */
#include "sync/core.h"

void handler_enter(struct sync *sync)
{
    sync->handler_began_us = clock_thread_us();
    replica_enter(sync->replica);
}

void handler_begin(struct sync *sync)
{
    sync->built = false;
    wire_forget_next(&sync->wire);
    handler_enter(sync);
}

bool handler_end(struct sync *sync, bool ok)
{
    bool kept = replica_leave(sync->replica, ok);
    sync->handler_us = clock_thread_us() - sync->handler_began_us;
    return kept;
}

void handler_note(struct sync *sync, struct pace *pace, size_t rows, int64_t goal_us)
{
    pace_note(pace, rows, sync->handler_us, replica_commit_us(sync->replica), goal_us);
}

void handler_wait(struct sync *sync, replica_ack_fn *fn, int64_t arg)
{
    sync->acks++;
    replica_after_commit(sync->replica, fn, sync, arg);
}

bool handler_ack(struct sync *sync)
{
    sync->acks--;
    if (sync->closing)
        core_try_finish_close(sync);
    return sync->closing;
}
