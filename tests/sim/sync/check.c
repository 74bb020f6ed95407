/* The four invariants, held against the end of a seed:
 *  1. all replicas hold what the county holds of their scope;
 *  2. no event that was anywhere is missing, but for those of which the only disk was put back;
 *  3. no edit was overwritten by one that its author had seen (but for one that had lost and was
 *     logged when the disk with what had won was put back: what is left may be older than both);
 *  4. each edit that lost to a concurrent one stands in the county's conflict log, or was set aside
 *     for a person. */
#include "tests/sim/sync/world.h"

#include <stdio.h>
#include <string.h>

enum { DUMP_BYTES_MAX = 262144 };

/* The first line in which the two differ. */
static void first_difference(const char *a, const char *b, char *ret, size_t size)
{
    const char *line_a = a;
    const char *line_b = b;
    while (*line_a != '\0' || *line_b != '\0') {
        size_t len_a = strcspn(line_a, "\n");
        size_t len_b = strcspn(line_b, "\n");
        if (len_a != len_b || memcmp(line_a, line_b, len_a) != 0) {
            snprintf(ret, size, "\"%.*s\" against the county's \"%.*s\"", (int)len_a, line_a,
                     (int)len_b, line_b);
            return;
        }
        line_a += len_a + (line_a[len_a] == '\n');
        line_b += len_b + (line_b[len_b] == '\n');
    }
}

static bool same_as_county(struct station *station, char *ret_why, size_t size)
{
    struct buf mine;
    struct buf theirs;
    buf_init(&mine, DUMP_BYTES_MAX);
    buf_init(&theirs, DUMP_BYTES_MAX);
    station_dump(station, &mine);
    county_dump(station->world, station->name, station->older, &theirs);
    bool same = strcmp(buf_text(&mine), buf_text(&theirs)) == 0;
    if (!same)
        first_difference(buf_text(&mine), buf_text(&theirs), ret_why, size);
    buf_free(&mine);
    buf_free(&theirs);
    return same;
}

bool check_converged(struct world *world, bool report)
{
    for (int i = 0; i < world->station_count; i++) {
        char why[256] = "";
        if (same_as_county(&world->stations[i], why, sizeof why))
            continue;
        if (report)
            fail(world, "no convergence: station %d has %s", i, why);
        return false;
    }
    return true;
}

static void check_events(struct world *world)
{
    for (int i = 0; i < world->history.event_count; i++) {
        const struct event *event = &world->history.events[i];
        if (!event->dead && !event->poison && !world->county.sample.event[i])
            fail(world, "event v%d of station %d is lost", i, event->by);
    }
}

/* An edit that lives stands on this one; or one that was held for lost with the county's disk, but
 * was under way to a station, which gave it back, and then lost to another. */
static bool has_heir(const struct world *world, int edit)
{
    for (int e = 0; e < world->history.edit_count; e++) {
        const struct edit *it = &world->history.edits[e];
        if (e != edit && (!it->dead || it->logged) && edit_is_ancestor(world, e, edit))
            return true;
    }
    return false;
}

/* It, or what stands on it, was set aside for a person. */
static bool is_aside(const struct world *world, int edit)
{
    for (int e = 0; e < world->history.edit_count; e++)
        if (world->history.edits[e].set_aside && edit_is_ancestor(world, e, edit))
            return true;
    return false;
}

static void check_edit(struct world *world, int e)
{
    const struct edit *edit = &world->history.edits[e];
    const struct row *row = &world->history.rows[edit->row];
    int final = world->county.sample.value[edit->row][edit->group];
    if (edit->dead || edit->forgotten || final < 0 || is_aside(world, e) ||
        edit_is_ancestor(world, final, e))
        return;
    if (edit_is_ancestor(world, e, final))
        fail(world, "%s group %d: e%d was overwritten by e%d, which its author had seen", row->id,
             edit->group, e, final);
    else if (!edit->logged && !has_heir(world, e))
        fail(world, "%s group %d: e%d lost to e%d, and no conflict is logged", row->id, edit->group,
             e, final);
}

void check_end(struct world *world)
{
    history_look(world);
    county_note_conflicts(world);
    check_converged(world, true);
    check_events(world);
    for (int e = 0; e < world->history.edit_count; e++)
        check_edit(world, e);
}
