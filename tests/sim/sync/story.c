/* What happens in a seed: hands edit, plugs are pulled, old copies come back; then all is switched
 * on, the network is good, and the world runs until nothing moves. */
#include "tests/sim/sync/world.h"

#include <stdio.h>
#include <string.h>

#define YEAR_MS INT64_C(31557600000)
#define DAY_MS INT64_C(86400000)

enum {
    ACTIONS_MIN = 50,
    ACTIONS_SPREAD = 70,
    GAP_MS = 1200,
    OFF_MS = 4000,
    CALM_STEP_MS = 4000,
    CALM_STEPS = 60,
    REPLIES_WANTED = 2,
    LONG_DAYS_MIN = 100,
    LONG_DAYS_SPREAD = 150,
    WARM_UP_MS = 30000,
    BETWEEN_PER_MILLE = 40,
    INSIST_PER_MILLE = 150,
    OVERLOOKED_PER_MILLE = 100,
    KEPT_PER_MILLE = 300,
    LAST_SCENE_MS = 15000,
    DARK_MS = 15000,
};

/* --- time --- */

static int64_t next_event(const struct world *world)
{
    int64_t next = net_next(world);
    for (int i = 0; i < world->station_count; i++) {
        const struct station *station = &world->stations[i];
        int64_t due = station->on ? loop_next(station) : station->on_again_at;
        next = due < next ? due : next;
    }
    if (world->county.store == NULL && world->county.up_again_at < next)
        next = world->county.up_again_at;
    return next;
}

static void run_due(struct world *world)
{
    if (world->county.store == NULL && world->county.up_again_at <= world->now)
        county_open(world);
    for (int i = 0; i < world->station_count; i++) {
        struct station *station = &world->stations[i];
        if (!station->on && station->on_again_at <= world->now)
            station_switch_on(station);
        loop_run_due(station);
    }
    net_run_due(world);
}

static void run_for(struct world *world, int64_t ms)
{
    int64_t end = world->now + ms;
    for (;;) {
        int64_t next = next_event(world);
        if (next > end || world->failure[0] != '\0')
            break;
        world->now = next > world->now ? next : world->now;
        run_due(world);
    }
    world->now = end;
}

/* --- who and what --- */

static struct station *some_station(struct world *world)
{
    return &world->stations[below(world, world->station_count)];
}

static struct station *some_running(struct world *world)
{
    struct station *station = some_station(world);
    return station->on ? station : NULL;
}

static bool may(const struct world *world, enum sim_fault fault)
{
    return (world->faults & fault) != 0;
}

static void set_clock(struct station *station)
{
    struct world *world = station->world;
    station->boot++;
    station->booted_at = world->now;
    station->wall_off = below(world, 3000) - 1500;
    if (may(world, FAULT_CLOCK) && chance(world, 500))
        station->wall_off = (int64_t)below(world, 60000) * (YEAR_MS / 1000) - 50 * YEAR_MS;
}

/* --- actions --- */

static void act_edit(struct world *world)
{
    struct station *station = some_running(world);
    if (station != NULL)
        station_edit(station);
}

static void act_event(struct world *world)
{
    struct station *station = some_running(world);
    if (station != NULL)
        station_event(station, may(world, FAULT_POISON) && chance(world, 150));
}

static void act_insert(struct world *world)
{
    struct station *station = some_running(world);
    if (station != NULL)
        station_insert(station);
}

static void act_county_edit(struct world *world)
{
    if (world->county.store == NULL)
        return;
    if (chance(world, 250) || world->history.row_count == 0)
        county_edit(world, -1, true);
    else
        county_edit(world, below(world, world->history.row_count), chance(world, 200));
}

static void act_county_person(struct world *world)
{
    for (int i = below(world, 8); world->county.store != NULL && i >= 0; i--)
        county_person(world);
}

/* The program alone, or the whole machine. */
static void act_reboot(struct world *world)
{
    struct station *station = some_running(world);
    if (station == NULL || !may(world, FAULT_REBOOT))
        return;
    station_crash(station);
    station->on_again_at = world->now + below(world, OFF_MS);
    if (chance(world, 600))
        set_clock(station);
}

static void act_cut_link(struct world *world)
{
    struct station *station = some_station(world);
    if (may(world, FAULT_NETWORK))
        station->link_down_until = world->now + below(world, 20000);
}

static void act_county_restart(struct world *world)
{
    if (!may(world, FAULT_COUNTY_RESTART) || world->county.store == NULL)
        return;
    county_close(world);
    world->county.up_again_at = world->now + below(world, OFF_MS);
}

/* Somebody edits in a boot that never meets the county, with whatever clock. */
static void edit_in_the_dark(struct station *station)
{
    struct world *world = station->world;
    station_crash(station);
    set_clock(station);
    station->link_down_until = world->now + below(world, DARK_MS);
    station_switch_on(station);
    station_edit_beside(station);
    for (int i = below(world, 3); i > 0; i--)
        station_edit(station);
    station_crash(station);
    set_clock(station);
    station->on_again_at = world->now + below(world, OFF_MS);
}

static bool may_be_dark(const struct world *world)
{
    return may(world, FAULT_REBOOT) && may(world, FAULT_NETWORK);
}

static void act_edit_in_the_dark(struct world *world)
{
    struct station *station = some_running(world);
    if (station == NULL || !may_be_dark(world))
        return;
    station_edit(station);
    edit_in_the_dark(station);
}

/* Half of the copies hold an edit that has not been pushed. */
static void act_copy(struct world *world)
{
    struct station *station = some_station(world);
    struct copy *copy = &station->copies[below(world, COPIES_MAX)];
    if (!may(world, FAULT_STATION_RESTORE) && !may(world, FAULT_CLONE))
        return;
    if (station->on && chance(world, 500))
        station_edit(station);
    station_copy(station, copy);
    say(world, "station %d is copied", station->index);
}

static void act_county_copy(struct world *world)
{
    if (may(world, FAULT_COUNTY_RESTORE) && world->county.store != NULL) {
        county_copy(world, &world->county.copies[below(world, COPIES_MAX)]);
        say(world, "the county is copied");
    }
}

static void act_restore(struct world *world)
{
    struct station *station = some_station(world);
    const struct copy *copy = &station->copies[below(world, COPIES_MAX)];
    struct sample before;
    if (!may(world, FAULT_STATION_RESTORE) || copy->bytes == NULL)
        return;
    history_before_loss(world, &before);
    say(world, "station %d is put back to %lld", station->index, (long long)copy->taken_at);
    station_put_back(station, copy);
    history_after_loss(world, &before);
    station->on_again_at = world->now + below(world, OFF_MS);
    set_clock(station);
}

static void act_clone(struct world *world)
{
    struct station *from = some_station(world);
    const struct copy *copy = &from->copies[below(world, COPIES_MAX)];
    if (!may(world, FAULT_CLONE) || copy->bytes == NULL || world->station_count == STATIONS_MAX)
        return;
    station_make(world, from->name, from->older);
    struct station *clone = &world->stations[world->station_count - 1];
    say(world, "station %d is a clone of station %d at %lld", clone->index, from->index,
        (long long)copy->taken_at);
    station_put_back(clone, copy);
    clone->on_again_at = world->now + below(world, OFF_MS);
    set_clock(clone);
    if (chance(world, 700)) /* a copy of a virtual machine has the same numbers everywhere */
        clone->machine = from->machine;
}

static void restore_county(struct world *world, const struct copy *copy)
{
    struct sample before;
    history_before_loss(world, &before);
    say(world, "the county is put back to %lld", (long long)copy->taken_at);
    county_put_back(world, copy);
    history_after_loss(world, &before);
    world->county.up_again_at = world->now + below(world, OFF_MS);
}

static void act_county_restore(struct world *world)
{
    const struct copy *copy = &world->county.copies[below(world, COPIES_MAX)];
    if (!may(world, FAULT_COUNTY_RESTORE) || copy->bytes == NULL || world->forgets ||
        world->county_restores_left == 0)
        return;
    world->county_restores_left--;
    restore_county(world, copy);
}

static int some_row(struct world *world)
{
    return below(world, world->history.row_count);
}

static void act_move(struct world *world)
{
    if (may(world, FAULT_MOVE) && world->county.store != NULL)
        county_move(world, some_row(world));
}

static void act_delete(struct world *world)
{
    if (may(world, FAULT_DELETE) && world->county.store != NULL)
        county_delete(world, some_row(world));
}

static void act_station_delete(struct world *world)
{
    struct station *station = some_running(world);
    if (station == NULL || !may(world, FAULT_DELETE))
        return;
    if (chance(world, 500))
        station_delete(station);
    else
        for (int i = 0; i < ROWS_MAX; i++) /* mostly there is none to be brought back */
            station_bring_back(station);
}

static void act_grant(struct world *world)
{
    if (may(world, FAULT_GRANT) && world->county.store != NULL)
        county_grant(world, chance(world, 500));
}

static void act_tidy(struct world *world)
{
    if (may(world, FAULT_TIDY) && world->county.store != NULL)
        county_tidy(world);
}

/* Everybody goes on holiday, some stations for longer. What was settled is forgotten by then, so
 * the county must not come back from an old copy in the same story. */
static void act_sleep(struct world *world)
{
    if (!may(world, FAULT_SLEEP) || may(world, FAULT_COUNTY_RESTORE) || world->slept ||
        world->county.store == NULL)
        return;
    world->slept = true;
    for (int i = 0; i < world->station_count; i++)
        station_crash(&world->stations[i]);
    net_clear(world);
    world->now += (LONG_DAYS_MIN + below(world, LONG_DAYS_SPREAD)) * DAY_MS;
    say(world, "half a year has passed");
    for (int i = 0; i < world->station_count; i++) {
        struct station *station = &world->stations[i];
        set_clock(station);
        station->on_again_at =
            chance(world, 600) ? world->now + below(world, OFF_MS) : world->now + DAY_MS;
    }
}

/* The new program finds the database of the one before. */
static void act_upgrade(struct world *world)
{
    struct station *station = some_station(world);
    if (!station->older)
        return;
    station_upgrade(station);
    station->on_again_at = world->now + below(world, OFF_MS);
}

static const struct {
    int weight;
    void (*act)(struct world *world);
} actions[] = {
    {46, act_edit},
    {12, act_event},
    {4, act_insert},
    {7, act_county_edit},
    {2, act_county_person},
    {9, act_reboot},
    {4, act_cut_link},
    {2, act_county_restart},
    {4, act_copy},
    {2, act_restore},
    {2, act_clone},
    {3, act_county_copy},
    {2, act_county_restore},
    {3, act_move},
    {3, act_delete},
    {1, act_grant},
    {2, act_tidy},
    {1, act_sleep},
    {5, act_edit_in_the_dark},
    {4, act_station_delete},
    {3, act_upgrade},
};

static void act(struct world *world)
{
    int total = 0;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        total += actions[i].weight;
    int pick = below(world, total);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        pick -= actions[i].weight;
        if (pick < 0) {
            actions[i].act(world);
            return;
        }
    }
}

/* The plug is pulled. */
static void begin_last_scene(struct station *station)
{
    struct world *world = station->world;
    say(world, "the last scene");
    world->last_scene = true;
    station_crash(station);
    station->on_again_at = world->now + (int64_t)rnd_below(&world->aside, OFF_MS);
}

/* Before the row comes. */
void story_lost(struct station *station)
{
    struct world *world = station->world;
    struct overlooked row;
    if (world->calm || !world->overlooks || world->last_scene || !station->on ||
        station_has_news(station) || !station_overlooks(station, &row) ||
        net_find_older(station, row.id, row.v) == NULL)
        return;
    begin_last_scene(station);
    station->overlooked = row;
}

/* What was accepted is not above the row's version here: its mark alone tells of it. */
void story_kept(struct station *station)
{
    struct world *world = station->world;
    if (world->calm || !world->forgets || world->last_scene || !station->on ||
        world->county.copies[0].bytes == NULL || !station_tells_alone(station) ||
        rnd_below(&world->aside, 1000) >= KEPT_PER_MILLE)
        return;
    begin_last_scene(station);
    restore_county(world, &world->county.copies[0]);
}

/* Mostly when nothing says any more that the row is still to come. */
static void edit_overlooked(struct station *station)
{
    struct overlooked row;
    if (station->overlooked.told &&
        (!station_overlooks(station, &row) ||
         rnd_below(&station->world->aside, 1000) < OVERLOOKED_PER_MILLE))
        station_edit_overlooked(station);
}

/* Between the verdicts of a reply and its rows, and between the slices of these. */
void story_between(struct station *station)
{
    struct world *world = station->world;
    if (world->calm || !station->on)
        return;
    edit_overlooked(station);
    if (world->last_scene)
        return;
    char lost[16];
    if (chance(world, INSIST_PER_MILLE) && station_awaits(station, lost, sizeof lost))
        station_insist(station);
    if (!chance(world, BETWEEN_PER_MILLE))
        return;
    if (may(world, FAULT_COUNTY_RESTORE) && chance(world, 200)) {
        /* what was taken although news of the row was on its way is known by its mark alone */
        station_crash(station);
        station->on_again_at = world->now + below(world, OFF_MS);
        act_county_restore(world);
    } else if (may_be_dark(world) && chance(world, 150)) {
        edit_in_the_dark(station);
    } else if (may(world, FAULT_REBOOT) && chance(world, 250)) {
        station_crash(station);
        station->on_again_at = world->now + below(world, OFF_MS);
    } else {
        station_edit(station);
    }
}

/* --- the whole --- */

static void set_up(struct world *world)
{
    county_open(world);
    int of_first = 3 + below(world, 2);
    int of_second = 1 + below(world, 2);
    for (int i = 0; i < of_first + of_second; i++) {
        station_make(world, i < of_first ? "S1" : "S2",
                     may(world, FAULT_SCHEMA) && chance(world, 600));
        set_clock(&world->stations[i]);
        world->stations[i].on_again_at = below(world, 3000);
    }
    for (int i = 0; i < 3; i++)
        county_edit(world, -1, true);
    act_county_person(world);
}

static void calm_down(struct world *world)
{
    world->calm = true;
    say(world, "from here on all is well");
    for (int i = 0; i < world->station_count; i++) {
        world->stations[i].replies = 0;
        if (!world->stations[i].on && world->stations[i].on_again_at > world->now)
            world->stations[i].on_again_at = world->now;
    }
    if (world->county.store == NULL)
        world->county.up_again_at = world->now;
}

static bool all_rest(struct world *world)
{
    for (int i = 0; i < world->station_count; i++)
        if (world->stations[i].replies < REPLIES_WANTED || !station_rests(&world->stations[i]))
            return false;
    return world->county.store != NULL && net_quiet(world);
}

/* After the last change each has heard of it at its next poll. */
static void settle(struct world *world)
{
    for (int i = 0; i < CALM_STEPS && world->failure[0] == '\0'; i++) {
        run_for(world, CALM_STEP_MS);
        if (!all_rest(world) || !check_converged(world, false))
            continue;
        return;
    }
    for (int i = 0; i < world->station_count && world->failure[0] == '\0'; i++) {
        struct sync_status status = {0};
        if (world->stations[i].on)
            sync_get_status(world->stations[i].sync, &status);
        if (!station_rests(&world->stations[i]))
            fail(world, "station %d does not come to rest: %s, %s, pending %lld, lost %lld", i,
                 sync_link_name(status.link), status.problem, (long long)status.pending,
                 (long long)status.lost_open);
    }
}

void story_run(struct world *world)
{
    set_up(world);
    if (chance(world, 700)) { /* else the first filling is in the middle of it all */
        world->calm = true;
        run_for(world, WARM_UP_MS);
        world->calm = false;
    }
    if (world->forgets && world->county.store != NULL)
        county_copy(world, &world->county.copies[0]);
    int count = ACTIONS_MIN + below(world, ACTIONS_SPREAD);
    for (int i = 0; i < count && !world->last_scene && world->failure[0] == '\0'; i++) {
        run_for(world, below(world, 4) == 0 ? below(world, 4 * GAP_MS) : below(world, GAP_MS / 4));
        if (!world->last_scene)
            act(world);
    }
    if (world->last_scene)
        run_for(world, LAST_SCENE_MS);
    calm_down(world);
    settle(world);
    if (world->failure[0] == '\0')
        check_end(world);
}
