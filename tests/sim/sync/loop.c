/* A loop without a system below it: timers fire in virtual time, idle handles a moment later. The
 * functions of libuv that the station's sync uses are defined here and take the library's place.
 */
#include "tests/sim/sync/world.h"

#include <string.h>

#include "sync/pace.h"

enum { IDLE_AFTER_MS = 1, STRAIN_MAX_US = 16000, SLICE_ROWS_MAX = 5 };

static struct station *station_of(const uv_loop_t *loop)
{
    return loop->data;
}

static struct handle_slot *slot_of(const void *handle)
{
    struct station *station = station_of(((const uv_handle_t *)handle)->loop);
    for (int i = 0; i < HANDLES_MAX; i++)
        if (station->handles[i].handle == handle)
            return &station->handles[i];
    give_up("a handle of libuv that was not initialised");
}

static void take_slot(uv_loop_t *loop, uv_handle_t *handle)
{
    struct station *station = station_of(loop);
    handle->loop = loop;
    for (int i = 0; i < HANDLES_MAX; i++)
        if (station->handles[i].handle == NULL) {
            station->handles[i] = (struct handle_slot){.handle = handle};
            return;
        }
    give_up("more than %d handles", HANDLES_MAX);
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    take_slot(loop, (uv_handle_t *)handle);
    return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    if (repeat != 0)
        give_up("a repeating timer is not simulated");
    struct handle_slot *slot = slot_of(handle);
    slot->active = true;
    slot->timer = cb;
    slot->due = station_of(handle->loop)->world->now + (int64_t)timeout;
    return 0;
}

int uv_timer_stop(uv_timer_t *handle)
{
    slot_of(handle)->active = false;
    return 0;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *handle)
{
    take_slot(loop, (uv_handle_t *)handle);
    return 0;
}

int uv_idle_start(uv_idle_t *handle, uv_idle_cb cb)
{
    struct handle_slot *slot = slot_of(handle);
    slot->active = true;
    slot->idle = cb;
    slot->due = station_of(handle->loop)->world->now + IDLE_AFTER_MS;
    return 0;
}

int uv_idle_stop(uv_idle_t *handle)
{
    slot_of(handle)->active = false;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
    *slot_of(handle) = (struct handle_slot){0};
    if (cb != NULL)
        cb(handle);
}

/* A number of its own sequence, so that what takes time does not change what happens. */
static uint64_t strain(uint64_t bound)
{
    struct rnd rnd = rnd_seeded(sim_world->strain);
    uint64_t number = rnd_below(&rnd, bound);
    sim_world->strain += number + 1;
    return number;
}

/* Handlers take a time of their own. */
int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_mono_us(void)
{
    if (sim_world == NULL)
        return 0;
    strain(STRAIN_MAX_US);
    return (int64_t)sim_world->strain;
}

/* How long a handler took is of no interest here. */
int64_t __wrap_clock_thread_us(void);
int64_t __wrap_clock_thread_us(void)
{
    return 0;
}

/* Pushes and slices of a few rows, so that there is something between them. */
void __wrap_pace_note(struct pace *pace, size_t done, int64_t work_us, int64_t commit_us,
                      int64_t goal_us);
void __wrap_pace_note(struct pace *pace, size_t done, int64_t work_us, int64_t commit_us,
                      int64_t goal_us)
{
    (void)done;
    (void)work_us;
    (void)commit_us;
    (void)goal_us;
    pace->rows = 1 + strain(SLICE_ROWS_MAX);
}

int64_t loop_next(const struct station *station)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < HANDLES_MAX; i++)
        if (station->handles[i].active && station->handles[i].due < next)
            next = station->handles[i].due;
    return next;
}

void loop_run_due(struct station *station)
{
    for (int i = 0; station->on && i < HANDLES_MAX; i++) {
        struct handle_slot *slot = &station->handles[i];
        if (!slot->active || slot->due > station->world->now)
            continue;
        if (slot->timer != NULL) {
            slot->active = false;
            slot->timer((uv_timer_t *)slot->handle);
        } else {
            slot->due = station->world->now + IDLE_AFTER_MS;
            slot->idle((uv_idle_t *)slot->handle);
        }
        station_turn_ended(station);
        story_between(station);
    }
}

void loop_clear(struct station *station)
{
    memset(station->handles, 0, sizeof station->handles);
}
