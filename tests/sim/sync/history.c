/* Who wrote what on top of what. Each edit of a column group has a number, which is its value, and
 * knows the value that its author saw: so later and concurrent can be told apart afterwards without
 * any clock and any version of the protocol. */
#include "tests/sim/sync/world.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int history_add_row(struct world *world, bool assignment, const char *home)
{
    struct history *history = &world->history;
    int at = history->row_count++;
    struct row *row = &history->rows[at];
    *row = (struct row){.assignment = assignment, .last = {-1, -1}};
    snprintf(row->id, sizeof row->id, "r%d", at);
    snprintf(row->home, sizeof row->home, "%s", home);
    return at;
}

int history_find_row(const struct world *world, const char *id)
{
    for (int i = 0; i < world->history.row_count; i++)
        if (strcmp(world->history.rows[i].id, id) == 0)
            return i;
    return -1;
}

int history_add_edit(struct world *world, int row, int group, int parent, int by)
{
    struct history *history = &world->history;
    history->edits[history->edit_count] =
        (struct edit){.row = row, .group = group, .parent = parent, .by = by};
    return history->edit_count++;
}

int edit_of_text(const char *text)
{
    if (text == NULL || text[0] != 'e' || !isdigit((unsigned char)text[1]))
        return -1;
    return (int)strtol(text + 1, NULL, 10);
}

bool edit_is_ancestor(const struct world *world, int of, int ancestor)
{
    for (; of >= 0; of = world->history.edits[of].parent)
        if (of == ancestor)
            return true;
    return false;
}

void history_tokens(struct world *world, const char *text, void (*fn)(struct edit *edit))
{
    for (const char *at = text; at != NULL && (at = strstr(at, "\"e")) != NULL; at++) {
        int edit = edit_of_text(at + 1);
        if (edit >= 0 && edit < world->history.edit_count)
            fn(&world->history.edits[edit]);
    }
}

/* --- looking into the databases --- */

static const char VALUES_SQL[] = "SELECT id, post_id, state FROM shift UNION ALL "
                                 "SELECT id, person_id, state FROM assignment";
static const char EVENTS_SQL[] = "SELECT id FROM checkin";

static void note_values(struct world *world, struct sample *sample, const char *id, const char *a,
                        const char *b)
{
    int row = history_find_row(world, id);
    if (row < 0)
        return;
    sample->value[row][0] = edit_of_text(a);
    sample->value[row][1] = edit_of_text(b);
}

static void note_event(struct sample *sample, const char *id)
{
    const char *digits = id + strcspn(id, "0123456789");
    long event = strtol(digits, NULL, 10);
    if (event >= 0 && event < EVENTS_MAX)
        sample->event[event] = true;
}

static void forget(struct sample *sample)
{
    memset(sample->value, -1, sizeof sample->value);
    memset(sample->event, 0, sizeof sample->event);
}

void history_look_into(struct station *station)
{
    forget(&station->sample);
    struct query *query = replica_query(station->replica, VALUES_SQL);
    while (query_row(query))
        note_values(station->world, &station->sample, query_get_text(query, 0),
                    query_get_text(query, 1), query_get_text(query, 2));
    query_done(query);
    query = replica_query(station->replica, EVENTS_SQL);
    while (query_row(query))
        note_event(&station->sample, query_get_text(query, 0));
    query_done(query);
    for (int i = 0; i < station->world->history.row_count; i++)
        if (station->sample.value[i][0] >= 0)
            memcpy(station->known[i], station->sample.value[i], sizeof station->known[i]);
}

static const char *text_at(sqlite3_stmt *query, int column)
{
    return (const char *)sqlite3_column_text(query, column);
}

static void note_last(struct world *world)
{
    for (int i = 0; i < world->history.row_count; i++)
        if (world->county.sample.value[i][0] >= 0)
            memcpy(world->history.rows[i].last, world->county.sample.value[i],
                   sizeof world->history.rows[i].last);
}

/* A station that does not know a column takes nothing away from it. (Who knows that there is
 * nothing in it may win over who has written to it at the same time: rows that began without are
 * left out.) */
static void look_at_columns(struct world *world)
{
    sqlite3_stmt *query = county_query(world, "SELECT id, need IS NOT NULL FROM shift UNION ALL "
                                              "SELECT id, role IS NOT NULL FROM assignment");
    bool here[ROWS_MAX] = {false};
    while (sqlite3_step(query) == SQLITE_ROW) {
        int at = history_find_row(world, text_at(query, 0));
        if (at < 0)
            continue;
        struct row *row = &world->history.rows[at];
        bool told = sqlite3_column_int(query, 1) != 0;
        here[at] = true;
        if (row->told == VALUE_TOLD && !told)
            fail(world, "%s: what its author did not know was taken away", row->id);
        if (row->told == VALUE_UNSEEN)
            row->told = told ? VALUE_TOLD : VALUE_NONE;
    }
    sqlite3_reset(query);
    for (int i = 0; i < ROWS_MAX; i++)
        if (!here[i] && world->history.rows[i].told != VALUE_NONE)
            world->history.rows[i].told = VALUE_UNSEEN;
}

static void look_into_county(struct world *world)
{
    struct county *county = &world->county;
    sqlite3_stmt *query = county_query(world, VALUES_SQL);
    forget(&county->sample);
    while (sqlite3_step(query) == SQLITE_ROW)
        note_values(world, &county->sample, text_at(query, 0), text_at(query, 1),
                    text_at(query, 2));
    sqlite3_reset(query);
    query = county_query(world, EVENTS_SQL);
    while (sqlite3_step(query) == SQLITE_ROW)
        note_event(&county->sample, text_at(query, 0));
    sqlite3_reset(query);
    note_last(world);
    look_at_columns(world);
}

static void note_aside(struct edit *edit)
{
    edit->set_aside = true;
}

static void look_at_quarantine(struct station *station)
{
    struct query *query = replica_query(
        station->replica, "SELECT unseal(row) FROM sync_quarantine WHERE way = 'out'");
    while (query_row(query))
        history_tokens(station->world, query_get_text(query, 0), note_aside);
    query_done(query);
}

void history_look(struct world *world)
{
    for (int i = 0; i < world->station_count; i++)
        if (world->stations[i].on) {
            history_look_into(&world->stations[i]);
            look_at_quarantine(&world->stations[i]);
        }
    if (world->county.look != NULL)
        look_into_county(world);
}

/* --- loss --- */

static bool names(const char *body, const char *gone)
{
    return body != NULL && strstr(body, gone) != NULL;
}

/* A reply that is still under way, or may come once more, takes the row from the station (-1: the
 * county): it will not be given back then. */
static bool is_doomed(const struct world *world, int station, int row)
{
    char gone[64];
    snprintf(gone, sizeof gone, "\"_op\":\"D\",\"id\":\"%s\"", world->history.rows[row].id);
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        const struct message *message = &world->messages[i];
        if (message->kind == MESSAGE_REPLY && message->station == station &&
            names(message->body, gone))
            return true;
    }
    for (int i = 0; station >= 0 && i < ANSWERS_KEPT; i++)
        if (names(world->stations[station].answers[i].body, gone))
            return true;
    return false;
}

static void add_sample(struct sample *all, bool alive[EDITS_MAX], const struct world *world,
                       const struct sample *one, int station)
{
    for (int row = 0; row < world->history.row_count; row++)
        for (int group = 0; group < GROUPS && !is_doomed(world, station, row); group++)
            for (int e = one->value[row][group]; e >= 0 && !alive[e];
                 e = world->history.edits[e].parent)
                alive[e] = true;
    for (int i = 0; i < EVENTS_MAX; i++)
        all->event[i] = all->event[i] || one->event[i];
}

/* What some database has, as its value or below it. */
static void gather(const struct world *world, struct sample *ret, bool alive[EDITS_MAX])
{
    *ret = (struct sample){0};
    memset(alive, 0, EDITS_MAX * sizeof *alive);
    add_sample(ret, alive, world, &world->county.sample, -1);
    for (int i = 0; i < world->station_count; i++)
        add_sample(ret, alive, world, &world->stations[i].sample, i);
}

void history_before_loss(struct world *world, struct sample *ret)
{
    bool alive[EDITS_MAX];
    history_look(world);
    county_note_conflicts(world);
    gather(world, ret, alive);
}

void history_after_loss(struct world *world, const struct sample *before)
{
    bool alive[EDITS_MAX];
    struct sample now;
    gather(world, &now, alive);
    for (int i = 0; i < world->history.event_count; i++)
        if (before->event[i] && !now.event[i] && !world->history.events[i].dead) {
            world->history.events[i].dead = true;
            say(world, "event %d is lost with the disk", i);
        }
    for (int e = 0; e < world->history.edit_count; e++) {
        struct edit *edit = &world->history.edits[e];
        if (alive[e] || edit->dead)
            continue;
        if (edit->logged || edit->set_aside) {
            edit->forgotten = true;
        } else {
            edit->dead = true;
            say(world, "edit e%d is lost with the disk", e);
        }
    }
}
