/* One turn of the loop is one transaction (sync/replica/replica.h).
 *
 * uv_check runs after all sockets of a turn were served, uv_prepare before the loop may sleep. What
 * timers (and slices of the county's rows) wrote is committed before the poll when that may sleep,
 * else with what the sockets write, right after it: one commit is all that an alarm waits for. The
 * acknowledgements of a commit may write again; that is a turn of its own, and the loop does not
 * sleep before it is committed, because uv_prepare comes first.
 *
 * When nothing can be written (disk full, I/O error) inputs are refused by their owners, and every
 * second it is tried again. */
#include "gateway/parts.h"

#include "gateway/base/log.h"

enum { RETRY_MS = 1000, COMMITS_MAX = 4 };

static void on_awake(uv_idle_t *handle)
{
    (void)handle;
}

static void end_turn(struct gateway *gateway)
{
    desk_before_commit(gateway);
    for (int i = 0; i < COMMITS_MAX && replica_in_turn(gateway->replica); i++)
        if (!replica_commit(gateway->replica))
            break;
    if (!replica_in_turn(gateway->replica))
        upkeep_after_turn(gateway);
}

/* A loop that will not sleep serves its sockets at once: what they bring joins the turn. */
static void on_prepare(uv_prepare_t *handle)
{
    struct gateway *gateway = handle->data;
    if (uv_backend_timeout(&gateway->loop) == 0 && replica_in_turn(gateway->replica))
        uv_idle_start(&gateway->stay_awake, on_awake);
    else
        end_turn(gateway);
}

static void on_check(uv_check_t *handle)
{
    struct gateway *gateway = handle->data;
    uv_idle_stop(&gateway->stay_awake);
    end_turn(gateway);
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
    uv_idle_init(&gateway->loop, &gateway->stay_awake);
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
    uv_close((uv_handle_t *)&gateway->stay_awake, NULL);
    uv_close((uv_handle_t *)&gateway->retry, NULL);
}
