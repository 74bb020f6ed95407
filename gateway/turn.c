/* One turn of the loop is one transaction (sync/replica/replica.h).
 *
 * uv_check runs after all sockets of a turn were served, uv_prepare before the loop may sleep: what
 * timers wrote is committed before the poll, what sockets wrote right after it. The
 * acknowledgements of a commit may write again; that is a turn of its own, and the loop does not
 * sleep before it is committed, because uv_prepare comes first.
 *
 * When nothing can be written (disk full, I/O error) inputs are refused by their owners, and every
 * second it is tried again. */
#include "gateway/parts.h"

#include "gateway/base/log.h"

enum { RETRY_MS = 1000, COMMITS_MAX = 4 };

static void end_turn(struct gateway *gateway)
{
    desk_before_commit(gateway);
    for (int i = 0; i < COMMITS_MAX && replica_in_turn(gateway->replica); i++)
        if (!replica_commit(gateway->replica))
            break;
}

static void on_prepare(uv_prepare_t *handle)
{
    end_turn(handle->data);
}

static void on_check(uv_check_t *handle)
{
    end_turn(handle->data);
}

static void on_retry(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    if (replica_failing(gateway->replica) != NULL && replica_retry(gateway->replica)) {
        desk_look(gateway);
        if (gateway->sms != NULL)
            sms_wake(gateway->sms);
    }
}

void turn_start(struct gateway *gateway)
{
    uv_prepare_init(&gateway->loop, &gateway->before_poll);
    uv_check_init(&gateway->loop, &gateway->after_poll);
    uv_timer_init(&gateway->loop, &gateway->retry);
    gateway->before_poll.data = gateway->after_poll.data = gateway->retry.data = gateway;
    uv_prepare_start(&gateway->before_poll, on_prepare);
    uv_check_start(&gateway->after_poll, on_check);
    uv_timer_start(&gateway->retry, on_retry, RETRY_MS, RETRY_MS);
}

void turn_stop(struct gateway *gateway)
{
    end_turn(gateway);
    uv_close((uv_handle_t *)&gateway->before_poll, NULL);
    uv_close((uv_handle_t *)&gateway->after_poll, NULL);
    uv_close((uv_handle_t *)&gateway->retry, NULL);
}
