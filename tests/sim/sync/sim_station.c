/* A simulated station: the real replica in a file of its own, the real sync on top of it, a clock
 * that may be decades off, and somebody who edits. */
#include "tests/sim/sync/world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/machine.h"
#include "sync/replica/columns.h"
#include "sync/replica/internal.h"
#include "sync/rules.h"

enum {
    POLL_MS = 4000,
    BACKOFF_MIN_MS = 300,
    BACKOFF_MAX_MS = 4000,
    TURNS = 6,
};

/* Open, and of no station at present. */
static struct replica *kept[STATIONS_MAX];

/* --- its clocks and its hardware --- */

static int64_t wall_ms(void *ctx)
{
    const struct station *station = ctx;
    return SIM_EPOCH_MS + station->world->now + station->wall_off;
}

static int64_t boot_ms(void *ctx)
{
    const struct station *station = ctx;
    return 1000 + station->world->now - station->booted_at;
}

void __wrap_machine_read(struct machine *ret, const char *file, const char *db_path);
void __wrap_machine_read(struct machine *ret, const char *file, const char *db_path)
{
    (void)db_path;
    const struct station *station = &sim_world->stations[file[0] - '0'];
    *ret = (struct machine){0};
    snprintf(ret->boot_id, sizeof ret->boot_id, "boot-%d-%d", station->index, station->boot);
    snprintf(ret->parts[0], sizeof ret->parts[0], "machine%d", station->machine);
}

/* --- on and off --- */

static void on_closed(void *ctx)
{
    ((struct station *)ctx)->closed = true;
}

static void open_sync(struct station *station)
{
    struct world *world = station->world;
    struct err err = {0};
    struct transport transport;
    char machine[2] = {(char)('0' + station->index), '\0'};
    struct sync_options options = {.url = "https://county.example",
                                   .station = station->name,
                                   .machine_file = machine,
                                   .without = world->without,
                                   .poll_ms = POLL_MS,
                                   .backoff_min_ms = BACKOFF_MIN_MS,
                                   .backoff_max_ms = BACKOFF_MAX_MS};
    net_transport(station, &transport);
    if (sync_init_with(&station->sync, &station->loop, station->replica, &station->rnd, &options,
                       &transport, &err) != ERR_OK)
        give_up("%s", err.text);
    sync_start(station->sync);
    station_turn_ended(station);
    say(world, "station %d (%s) is on, its clock is %lld s off", station->index, station->name,
        (long long)(station->wall_off / 1000));
}

/* As if it was opened now, by a program that was started now. */
static struct replica *renew(struct station *station)
{
    struct replica *replica = kept[station->index];
    kept[station->index] = NULL;
    uuid_source_init(&replica->ids, &station->clock, &station->rnd);
    replica->turn = replica_get_int(replica, 0, "SELECT v FROM kv WHERE k = 'turn'", "");
    replica->applying = false;
    struct err err = {0};
    if (station->content_older && !station->older &&
        columns_note(replica->db, NULL, &err) != ERR_OK)
        give_up("station %d: %s", station->index, err.text);
    return replica;
}

static struct replica *open_replica(struct station *station)
{
    struct world *world = station->world;
    struct replica *replica = NULL;
    struct replica_options options = {.path = station->path,
                                      .clock = &station->clock,
                                      .rnd = &station->rnd,
                                      .seal = world->seal,
                                      .row_bases = (world->without & WITHOUT_ROWBASE) != 0,
                                      .unknown = station->older ? UNKNOWN_COLUMNS : NULL};
    struct err err = {0};
    if (replica_open(&options, &replica, &err) != ERR_OK)
        give_up("station %d: %s", station->index, err.text);
    return replica;
}

void station_switch_on(struct station *station)
{
    if (station->replica == NULL)
        station->replica = kept[station->index] != NULL ? renew(station) : open_replica(station);
    station->content_older = station->older;
    station->on = true;
    open_sync(station);
}

/* Pulls the plug: what the last turn has committed is there, nothing else. The replica itself has
 * no more than that between two turns, so it stays open. */
void station_crash(struct station *station)
{
    if (!station->on)
        return;
    say(station->world, "station %d stops", station->index);
    history_look(station->world);
    station->closed = false;
    sync_close(station->sync, on_closed, station);
    if (!station->closed)
        give_up("station %d does not close", station->index);
    sync_free(station->sync);
    loop_clear(station);
    station->sync = NULL;
    station->on = false;
    net_age_answers(station);
}

static void close_replica(struct station *station, bool keep)
{
    struct replica *replica = station->replica != NULL ? station->replica : kept[station->index];
    station_crash(station);
    station->replica = NULL;
    kept[station->index] = NULL;
    if (keep && replica != NULL && !replica_in_turn(replica))
        kept[station->index] = replica;
    else
        replica_close(replica);
}

void station_upgrade(struct station *station)
{
    close_replica(station, stays_open(station->world));
    station->older = false;
    say(station->world, "station %d is upgraded", station->index);
}

void station_turn_ended(struct station *station)
{
    for (int i = 0; i < TURNS && replica_in_turn(station->replica); i++)
        if (!replica_commit(station->replica))
            give_up("station %d: %s", station->index, replica_problem(station->replica));
}

bool station_rests(struct station *station)
{
    struct sync_status status;
    if (!station->on)
        return false;
    sync_get_status(station->sync, &status);
    return status.caught_up && !status.busy && status.pending == 0 && status.lost_open == 0 &&
           status.link == SYNC_LINK_UP;
}

bool station_awaits(const struct station *station, char *ret_id, size_t size)
{
    return replica_get_text(station->replica, ret_id, size,
                            "SELECT pk FROM sync_out WHERE st <> 2 AND st <> 4 AND st = 3 "
                            "ORDER BY lseq DESC LIMIT 1",
                            "");
}

/* A new empty replica's file, made once by each program. */
static void write_template(struct station *station)
{
    static void *made[2];
    static size_t sizes[2];
    bool older = station->older;
    if (made[older] == NULL) {
        close_replica(station, false);
        file_remove_db(station->path);
        struct rnd rnd = station->rnd;
        replica_close(open_replica(station));
        station->rnd = rnd;
        made[older] = file_copy(station->path, NULL, &sizes[older]);
    }
    file_write(station->path, made[older], sizes[older]);
    station->content_older = older;
}

/* The next replica of a station of this name; there may be several. */
void station_make(struct world *world, const char *name, bool older)
{
    struct station *station = &world->stations[world->station_count];
    *station =
        (struct station){.world = world,
                         .index = world->station_count,
                         .older = older,
                         .machine = world->station_count,
                         .rnd = rnd_seeded(world->seed * 31 + (uint64_t)world->station_count),
                         .booted_at = world->now};
    world->station_count++;
    snprintf(station->name, sizeof station->name, "%s", name);
    snprintf(station->path, sizeof station->path, "s%d.db", station->index);
    station->loop.data = station;
    station->clock = (struct clock){station, wall_ms, boot_ms, boot_ms};
    memset(station->sample.value, -1, sizeof station->sample.value);
    memset(station->known, -1, sizeof station->known);
    close_replica(station, stays_open(world));
    write_template(station);
}

void station_fini(struct station *station)
{
    close_replica(station, stays_open(station->world));
    net_forget_answers(station);
    for (int i = 0; i < COPIES_MAX; i++)
        free(station->copies[i].bytes);
    if (kept[station->index] == NULL)
        file_remove_db(station->path);
}

/* --- somebody edits --- */

static bool run(struct station *station, const char *sql, const char *id, const char *scope,
                const char *a, const char *b)
{
    replica_enter(station->replica);
    bool ok = replica_run(station->replica, sql, "ssss", id, scope, a, b) >= 0;
    ok = replica_leave(station->replica, ok);
    station_turn_ended(station);
    if (station->on && chance(station->world, 700))
        sync_poke(station->sync);
    return ok;
}

static void note_edit(struct station *station, int row, int group, char ret[16])
{
    int parent = station->sample.value[row][group];
    int edit = history_add_edit(station->world, row, group, parent, station->index);
    station->known[row][group] = edit;
    snprintf(ret, 16, "e%d", edit);
    say(station->world, "station %d edits %s group %d: %s on e%d", station->index,
        station->world->history.rows[row].id, group, ret, parent);
}

/* A station writes its own scope only. */
static bool is_ours(struct station *station, int row)
{
    const struct row *it = &station->world->history.rows[row];
    return station->sample.value[row][0] >= 0 &&
           replica_get_int(station->replica, 0,
                           it->assignment ? "SELECT 1 FROM assignment WHERE id = ?1 AND scope = ?2"
                                          : "SELECT 1 FROM shift WHERE id = ?1 AND scope = ?2",
                           "ss", it->id, station->name) != 0;
}

/* Groups: bits. */
static void edit_row(struct station *station, int row, int groups)
{
    bool known = !station->older && chance(station->world, 300);
    char a[16] = "";
    char b[16] = "";
    if ((groups & 1) != 0)
        note_edit(station, row, 0, a);
    if ((groups & 2) != 0)
        note_edit(station, row, 1, b);
    const struct row *it = &station->world->history.rows[row];
    bool ok = run(station,
                  it->assignment
                      ? "UPDATE assignment SET person_id = iif(?3 = '', person_id, ?3), state = "
                        "iif(?4 = '', state, ?4), role = iif(?2 = '' OR ?3 = '', role, "
                        "CAST(substr(?3, 2) AS INTEGER)) WHERE id = ?1"
                      : "UPDATE shift SET post_id = iif(?3 = '', post_id, ?3), state = "
                        "iif(?4 = '', state, ?4), need = iif(?2 = '' OR ?3 = '', need, "
                        "CAST(substr(?3, 2) AS INTEGER)) WHERE id = ?1",
                  it->id, known ? "known" : "", a, b);
    if (!ok)
        fail(station->world, "station %d cannot edit %s", station->index, it->id);
}

static bool may_edit(const struct world *world)
{
    return world->history.edit_count + GROUPS <= EDITS_MAX;
}

void station_edit(struct station *station)
{
    struct world *world = station->world;
    int here[ROWS_MAX];
    int count = 0;
    history_look(world);
    for (int i = 0; i < world->history.row_count; i++)
        if (is_ours(station, i))
            here[count++] = i;
    if (count == 0 || !may_edit(world))
        return;
    int row = here[below(world, chance(world, 600) && count > 2 ? 2 : count)];
    int groups = below(world, 10); /* most edits are of one group */
    edit_row(station, row, groups == 0 ? 3 : 1 + groups % 2);
}

void station_insist(struct station *station)
{
    char id[16] = "";
    int groups = 0;
    struct query *query = replica_query(
        station->replica, "SELECT pk, gm & 3 FROM sync_conflict ORDER BY id DESC LIMIT 1");
    if (query_row(query)) {
        snprintf(id, sizeof id, "%s", query_get_text(query, 0));
        groups = (int)query_get_int(query, 1);
    }
    query_done(query);
    history_look(station->world);
    int row = history_find_row(station->world, id);
    if (row >= 0 && groups > 0 && is_ours(station, row) && may_edit(station->world))
        edit_row(station, row, groups);
    else
        station_edit(station);
}

bool station_overlooks(struct station *station, struct overlooked *ret)
{
    static const char sql[] =
        "SELECT m.pk, m.gm & 3, t._v FROM sync_out m JOIN (SELECT 13 AS tid, id, _v FROM shift "
        "UNION ALL SELECT 14, id, _v FROM assignment) t ON t.tid = m.tid AND t.id = m.pk WHERE "
        "m.st = 3 AND m.base < t._v AND m.base <> m.v AND m.gm & 3 ORDER BY m.lseq DESC LIMIT 1";
    struct query *query = replica_query(station->replica, sql);
    *ret = (struct overlooked){0};
    if (query_row(query)) {
        snprintf(ret->id, sizeof ret->id, "%s", query_get_text(query, 0));
        ret->groups = (int)query_get_int(query, 1);
        ret->v = query_get_int(query, 2);
    }
    query_done(query);
    return ret->v > 0;
}

bool station_has_news(const struct station *station)
{
    return replica_get_int(station->replica, 0,
                           "SELECT 1 FROM sync_out WHERE st <> 2 AND st <> 4 AND st < 2 LIMIT 1",
                           "") != 0;
}

bool station_tells_alone(const struct station *station)
{
    static const char sql[] =
        "SELECT 1 FROM sync_out m JOIN (SELECT 13 AS tid, id, _v FROM shift UNION ALL SELECT 14, "
        "id, _v FROM assignment) t ON t.tid = m.tid AND t.id = m.pk WHERE m.st <> 2 AND m.st <> 4 "
        "AND m.st = 3 AND m.base = m.v AND m.v > t._v AND m.gm & 3 AND NOT EXISTS (SELECT 1 FROM "
        "sync_out o WHERE o.st <> 2 AND o.st <> 4 AND o.lseq <> m.lseq AND o.tid = m.tid AND o.pk "
        "= m.pk AND o.gm & m.gm) LIMIT 1";
    return replica_get_int(station->replica, 0, sql, "") != 0;
}

void station_edit_overlooked(struct station *station)
{
    struct overlooked it = station->overlooked;
    station->overlooked = (struct overlooked){0};
    history_look(station->world);
    int row = history_find_row(station->world, it.id);
    if (row >= 0 && is_ours(station, row) && may_edit(station->world))
        edit_row(station, row, it.groups);
}

void station_edit_beside(struct station *station)
{
    static const char find_sql[] =
        "SELECT m.pk, 3 & ~m.gm FROM sync_out m JOIN (SELECT 13 AS tid, id, scope, _v FROM shift "
        "UNION ALL SELECT 14, id, scope, _v FROM assignment) t ON t.tid = m.tid AND t.id = m.pk "
        "WHERE m.st <> 2 AND m.st <> 4 AND m.gm IN (1, 2) AND m.base < t._v AND t.scope = ?1 "
        "ORDER BY m.lseq DESC LIMIT 1";
    char id[16] = "";
    int groups = 0;
    struct query *query = replica_query(station->replica, find_sql);
    query_text(query, 1, station->name);
    if (query_row(query)) {
        snprintf(id, sizeof id, "%s", query_get_text(query, 0));
        groups = (int)query_get_int(query, 1);
    }
    query_done(query);
    history_look(station->world);
    int row = history_find_row(station->world, id);
    if (row >= 0 && may_edit(station->world))
        edit_row(station, row, groups);
    else
        station_edit(station);
}

/* A row of which nothing is here, on top of what the station's sample says. */
static void insert_row(struct station *station, int row)
{
    const struct row *it = &station->world->history.rows[row];
    char a[16];
    char b[16];
    note_edit(station, row, 0, a);
    note_edit(station, row, 1, b);
    char scope[16]; /* with whether this station knows all columns */
    snprintf(scope, sizeof scope, "%c%s", station->older ? 'O' : 'N', station->name);
    bool ok = run(station,
                  it->assignment
                      ? "INSERT INTO assignment(id, scope, person_id, state, shift_id, role) "
                        "VALUES (?1, substr(?2, 2), ?3, ?4, 's', iif(?2 GLOB 'N*', CAST(substr(?3, "
                        "2) AS INTEGER), NULL))"
                      : "INSERT INTO shift(id, scope, post_id, state, date, peak, need) "
                        "VALUES (?1, substr(?2, 2), ?3, ?4, 'd', 'am', iif(?2 GLOB 'N*', "
                        "CAST(substr(?3, 2) AS INTEGER), NULL))",
                  it->id, scope, a, b);
    if (!ok)
        fail(station->world, "station %d cannot insert %s", station->index, it->id);
}

void station_insert(struct station *station)
{
    struct world *world = station->world;
    if (world->history.row_count == ROWS_MAX || world->history.edit_count + GROUPS > EDITS_MAX)
        return;
    int row = history_add_row(world, chance(world, 500), station->name);
    if (station->older) /* it begins without, also when it is looked at later only */
        world->history.rows[row].told = VALUE_NONE;
    station->sample.value[row][0] = -1;
    station->sample.value[row][1] = -1;
    insert_row(station, row);
}

/* What was edited and not pushed goes down with the row, as its author wants it. */
void station_delete(struct station *station)
{
    struct world *world = station->world;
    struct sample before;
    history_before_loss(world, &before);
    int row = below(world, world->history.row_count);
    const struct row *it = &world->history.rows[row];
    if (!is_ours(station, row))
        return;
    say(world, "station %d deletes %s", station->index, it->id);
    if (!run(station,
             it->assignment ? "DELETE FROM assignment WHERE id = ?1 AND ?2 = ?2 AND ?3 = ?4"
                            : "DELETE FROM shift WHERE id = ?1 AND ?2 = ?2 AND ?3 = ?4",
             it->id, "", "", ""))
        fail(world, "station %d cannot delete %s", station->index, it->id);
    history_look(world);
    history_after_loss(world, &before);
}

void station_bring_back(struct station *station)
{
    struct world *world = station->world;
    history_look(world);
    int row = below(world, world->history.row_count);
    const struct row *it = &world->history.rows[row];
    if (world->history.edit_count + GROUPS > EDITS_MAX || station->sample.value[row][0] >= 0 ||
        station->known[row][0] < 0 || strcmp(it->home, station->name) != 0)
        return;
    memcpy(station->sample.value[row], station->known[row], sizeof station->known[row]);
    insert_row(station, row);
}

void station_event(struct station *station, bool poison)
{
    struct world *world = station->world;
    struct history *history = &world->history;
    if (history->event_count == EVENTS_MAX)
        return;
    int event = history->event_count++;
    history->events[event] = (struct event){.by = station->index, .poison = poison};
    char id[16];
    snprintf(id, sizeof id, "%s%d", poison ? "poison" : "v", event);
    say(world, "station %d writes event %s", station->index, id);
    if (!run(station,
             "INSERT INTO checkin(id, scope, kind, channel) VALUES (?1, ?2, ?3, "
             "iif(?4 = 'bad', CAST(X'61FF62' AS TEXT), ?4))",
             id, station->name, "in", poison ? "bad" : "sms"))
        fail(world, "station %d cannot write %s", station->index, id);
}

/* --- copies --- */

void station_copy(struct station *station, struct copy *ret)
{
    const struct replica *replica =
        station->replica != NULL ? station->replica : kept[station->index];
    history_look(station->world);
    free(ret->bytes);
    ret->bytes = file_copy(station->path, replica != NULL ? replica->db : NULL, &ret->size);
    ret->older = station->content_older;
    ret->sample = station->sample;
    memcpy(ret->known, station->known, sizeof ret->known);
    ret->taken_at = station->world->now;
}

void station_put_back(struct station *station, const struct copy *copy)
{
    close_replica(station, stays_open(station->world));
    net_forget_answers(station);
    file_write(station->path, copy->bytes, copy->size);
    station->content_older = copy->older;
    station->sample = copy->sample;
    memcpy(station->known, copy->known, sizeof station->known);
}

/* --- what is in it --- */

void station_dump(struct station *station, struct buf *out)
{
    static const char *const tables_sql[] = {
        "SELECT 'shift ' || id || ' ' || scope || ' ' || post_id || ' ' || state || ' ' || "
        "coalesce(need, '-') FROM shift ORDER BY id",
        "SELECT 'assignment ' || id || ' ' || scope || ' ' || person_id || ' ' || state || ' ' || "
        "coalesce(role, '-') FROM assignment ORDER BY id",
        "SELECT 'checkin ' || id || ' ' || scope || ' ' || channel FROM checkin WHERE id NOT LIKE "
        "'poison%' ORDER BY id",
        "SELECT 'person ' || id || ' ' || scope || ' ' || name FROM person ORDER BY id",
    };
    for (size_t i = 0; i < sizeof tables_sql / sizeof *tables_sql; i++) {
        struct query *query = replica_query(station->replica, tables_sql[i]);
        while (query_row(query))
            buf_printf(out, "%s\n", query_get_text(query, 0));
        query_done(query);
    }
}
