/* The simulated county: the real store over a file, without a network, and an office that imports.
 */
#include "tests/sim/sync/world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/county/store_parts.h"
#include "sync/replica/tables.h"

enum { BOOT_PAGE_BYTES = 400, QUERIES_MAX = 32 };

#define TOKEN_HASH "000000000000000000000000000000000000000000000000000000000000000"

/* Open, also while the county is down. */
static struct kept {
    struct store *store;
    struct sqlite3 *look;
    uint32_t without;
    struct {
        const char *sql; /* the literal's address is the key */
        sqlite3_stmt *query;
    } queries[QUERIES_MAX];
} kept;

static int64_t wall_ms(void *ctx)
{
    return SIM_EPOCH_MS + ((const struct world *)ctx)->now;
}

static int64_t mono_ms(void *ctx)
{
    return ((const struct world *)ctx)->now;
}

/* --- up and down --- */

static void close_kept(void)
{
    for (int i = 0; i < QUERIES_MAX; i++)
        sqlite3_finalize(kept.queries[i].query);
    sqlite3_close(kept.look);
    if (kept.store != NULL)
        kept.store->ops->close(kept.store);
    kept = (struct kept){0};
}

static void open_store(struct world *world)
{
    struct county *county = &world->county;
    struct store_options options = {.path = county->path,
                                    .clock = &county->clock,
                                    .rnd = &county->rnd,
                                    .seal = world->seal,
                                    .without = world->without,
                                    .page_bytes = world->page_bytes,
                                    .new_epoch = true};
    struct err err = {0};
    close_kept();
    if (store_open(&options, &kept.store, &err) != ERR_OK)
        give_up("%s", err.text);
    if (sqlite3_open_v2(county->path, &kept.look, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        give_up("cannot look into the county's database");
    kept.without = world->without;
}

/* As if it was opened now, by a server that was started now. */
static void renew_store(const struct world *world)
{
    struct db *db = (struct db *)kept.store;
    struct err err = {0};
    db->page_bytes = world->page_bytes;
    db->row_bytes = 0;
    if (epoch_take(db, true, &err) != ERR_OK)
        give_up("%s", err.text);
}

/* The file of a county that was never open, made once by each program. */
static void write_template(struct world *world)
{
    static void *made;
    static size_t size;
    struct county *county = &world->county;
    if (made == NULL) {
        struct rnd rnd = county->rnd;
        open_store(world);
        county->rnd = rnd;
        if (sqlite3_exec(kept.look, "DELETE FROM epoch; UPDATE ctr SET v = 0", NULL, NULL, NULL) !=
            SQLITE_OK)
            give_up("%s", sqlite3_errmsg(kept.look));
        made = file_copy(county->path, kept.look, &size);
    }
    file_write(county->path, made, size);
}

static void first_open(struct world *world)
{
    struct county *county = &world->county;
    /* of no folder of the machine: nothing is to be made on its disk */
    snprintf(county->path, sizeof county->path, "/sim/county.db");
    county->clock = (struct clock){world, wall_ms, mono_ms, mono_ms};
    county->rnd = rnd_seeded(world->seed ^ UINT64_C(0x9e3779b97f4a7c15));
    memset(county->sample.value, -1, sizeof county->sample.value);
    if (!stays_open(world))
        close_kept();
    write_template(world);
}

static void add_stations(struct world *world)
{
    struct store *store = world->county.store;
    struct err err = {0};
    if (store->ops->station_add(store, "S1", "S1", TOKEN_HASH "1", &err) != ERR_OK ||
        store->ops->station_add(store, "S2", "S2", TOKEN_HASH "2", &err) != ERR_OK)
        give_up("%s", err.text);
}

void county_open(struct world *world)
{
    struct county *county = &world->county;
    if (county->path[0] == '\0')
        first_open(world);
    if (kept.store == NULL || kept.without != world->without)
        open_store(world);
    else
        renew_store(world);
    county->store = kept.store;
    county->look = kept.look;
    if (world->now == 0)
        add_stations(world);
    if (county->forgot_grants && (world->faults & FAULT_GRANT) != 0) {
        bool granted = county->granted; /* somebody at the county knows what was granted since */
        county_grant(world, true);
        county_grant(world, granted);
        county->forgot_grants = false;
    }
    say(world, "the county is up");
}

void county_close(struct world *world)
{
    struct county *county = &world->county;
    if (county->store == NULL)
        return;
    history_look(world);
    county_note_conflicts(world);
    county->store = NULL;
    county->look = NULL;
    if (!stays_open(world))
        close_kept();
    say(world, "the county is down");
}

void county_fini(struct world *world)
{
    county_close(world);
    for (int i = 0; i < COPIES_MAX; i++)
        free(world->county.copies[i].bytes);
}

/* --- requests --- */

static char *body_of(const struct store_answer *answer, size_t *ret_size)
{
    char *body = malloc(answer->body.size + 1);
    if (body == NULL)
        give_up("out of memory");
    memcpy(body, buf_text(&answer->body), answer->body.size + 1);
    *ret_size = answer->body.size;
    return body;
}

/* The value of a name in the query of a path, decoded; "" when it is not there. */
static void text_of(const char *path, const char *name, char *ret, size_t size)
{
    size_t length = strlen(name);
    size_t used = 0;
    const char *at = strchr(path, '?');
    while (at != NULL && !(strncmp(at + 1, name, length) == 0 && at[1 + length] == '='))
        at = strchr(at + 1, '&');
    for (at = at != NULL ? at + length + 2 : ""; *at != '\0' && *at != '&' && used + 1 < size;
         at++) {
        char hex[3] = "";
        if (*at == '%' && at[1] != '\0') {
            memcpy(hex, at + 1, 2);
            at += 2;
        }
        ret[used++] = hex[0] != '\0' ? (char)strtol(hex, NULL, 16) : *at;
    }
    ret[used] = '\0';
}

static int64_t number_of(const char *path, const char *name)
{
    char text[32];
    text_of(path, name, text, sizeof text);
    return strtoll(text, NULL, 10);
}

/* Pages of a few rows, so that much happens between them. */
static int answer_boot(struct world *world, const struct store_station *station, const char *path,
                       struct store_answer *answer, struct err *err)
{
    char scope[64];
    char table[64];
    char after[256];
    char epoch[64];
    text_of(path, "s", scope, sizeof scope);
    text_of(path, "t", table, sizeof table);
    text_of(path, "after", after, sizeof after);
    text_of(path, "ep", epoch, sizeof epoch);
    struct store_boot boot = {.inc = number_of(path, "inc"),
                              .scope = scope,
                              .table = table,
                              .after = after,
                              .epoch = epoch,
                              .v0 = number_of(path, "v0"),
                              .max_bytes = BOOT_PAGE_BYTES};
    struct store *store = world->county.store;
    return store->ops->boot(store, station, &boot, answer, err);
}

static int answer_path(struct world *world, const struct store_station *station,
                       const struct message *request, struct store_answer *answer, struct err *err)
{
    struct store *store = world->county.store;
    const char *body = request->body;
    if (strncmp(request->path, "/v1/boot?", 9) == 0)
        return answer_boot(world, station, request->path, answer, err);
    if (strcmp(request->path, "/v1/giveback") == 0)
        return store->ops->giveback(store, station, body, request->size, answer, err);
    if (strcmp(request->path, "/v1/digest") == 0)
        return store->ops->digest(store, station, body, request->size, answer, err);
    if (strcmp(request->path, "/v1/sync") != 0)
        give_up("a request to %s", request->path);
    return store->ops->sync(store, station, body, request->size, answer, err);
}

void county_answer(struct world *world, struct message *request, int *ret_status, char **ret_body,
                   size_t *ret_size)
{
    struct store_station station = {0};
    struct store_answer answer = {0};
    struct err err = {0};
    const char *name = world->stations[request->station].name;
    snprintf(station.name, sizeof station.name, "%s", name);
    snprintf(station.scope, sizeof station.scope, "%s", name);
    buf_init(&answer.body, LIMIT_ANSWER_BYTES);
    int code = answer_path(world, &station, request, &answer, &err);
    if (code != ERR_OK)
        fail(world, "the county fails: %s", err.text);
    *ret_status = code == ERR_OK ? answer.status : 503;
    *ret_body = body_of(&answer, ret_size);
    buf_free(&answer.body);
}

/* --- the office --- */

static void on_problem(void *ctx, const char *file, int line, const char *what)
{
    (void)file;
    (void)line;
    fail(ctx, "an import is refused: %s", what);
}

/* One row within an import. */
static void add_import(struct world *world, const char *table, const char *json)
{
    struct store *store = world->county.store;
    struct store_row row = {.json = json, .file = "f", .line = 1};
    struct store_import import = {.table = table_by_name(table),
                                  .rows = &row,
                                  .count = 1,
                                  .on_problem = on_problem,
                                  .ctx = world};
    struct store_import_result result = {0};
    struct err err = {0};
    if (store->ops->import_rows(store, &import, &result, &err) != ERR_OK)
        give_up("import: %s", err.text);
}

static void begin_import(struct world *world)
{
    struct err err = {0};
    if (world->county.store->ops->import_begin(world->county.store, &err) != ERR_OK)
        give_up("import: %s", err.text);
}

static void end_import(struct world *world)
{
    struct err err = {0};
    if (world->county.store->ops->import_end(world->county.store, true, &err) != ERR_OK)
        give_up("import: %s", err.text);
}

static const char *table_of(const struct row *row)
{
    return row->assignment ? "assignment" : "shift";
}

static void add_row(struct world *world, const struct row *row)
{
    char json[256];
    char beside[16] = "null";
    if (row->beside != 0)
        snprintf(beside, sizeof beside, "%d", row->beside);
    snprintf(json, sizeof json,
             row->assignment ? "{\"id\":\"%s\",\"scope\":\"%s\",\"person_id\":\"e%d\",\"state\":"
                               "\"e%d\",\"shift_id\":\"s\",\"role\":%s}"
                             : "{\"id\":\"%s\",\"scope\":\"%s\",\"post_id\":\"e%d\",\"state\":"
                               "\"e%d\",\"date\":\"d\",\"peak\":\"am\",\"need\":%s}",
             row->id, row->home, row->said[0], row->said[1], beside);
    say(world, "the county imports %s", json);
    add_import(world, table_of(row), json);
}

static void import_row(struct world *world, const struct row *row)
{
    begin_import(world);
    add_row(world, row);
    end_import(world);
}

/* A row that comes back after its tombstone was forgotten follows what was deleted then. */
static int parent_of(const struct world *world, int row, int group)
{
    const struct row *it = &world->history.rows[row];
    int now = world->county.sample.value[row][group];
    return now < 0 ? it->last[group] : now;
}

/* What the county has beside the value of group 0; 0: nothing. */
static int beside(struct world *world, const struct row *row)
{
    sqlite3_stmt *query =
        county_query(world, row->assignment ? "SELECT role FROM assignment WHERE id = ?1"
                                            : "SELECT need FROM shift WHERE id = ?1");
    sqlite3_bind_text(query, 1, row->id, -1, SQLITE_STATIC);
    int number = sqlite3_step(query) == SQLITE_ROW ? sqlite3_column_int(query, 0) : 0;
    sqlite3_reset(query);
    return number;
}

/* What the file says of the row: one group is the operator's word, or all are; the others are as
 * the county had them when the file was made, or as in the file before. */
static void write_line(struct world *world, int row, bool all)
{
    struct row *it = &world->history.rows[row];
    int one = below(world, GROUPS);
    bool exported = chance(world, 500); /* the file was made from what the county had */
    for (int group = 0; group < GROUPS; group++)
        if (all || group == one)
            it->said[group] = history_add_edit(world, row, group, parent_of(world, row, group), -1);
        else if (exported)
            it->said[group] = world->county.sample.value[row][group];
    if (all || one == 0)
        it->beside = 7;
    else if (exported)
        it->beside = beside(world, it);
}

/* row -1: a new one. */
void county_edit(struct world *world, int row, bool both)
{
    struct history *history = &world->history;
    if (history->edit_count + GROUPS > EDITS_MAX)
        return;
    history_look(world);
    bool fresh = row < 0;
    if (fresh && history->row_count == ROWS_MAX)
        return;
    if (fresh)
        row = history_add_row(world, chance(world, 500), chance(world, 750) ? "S1" : "S2");
    struct row *it = &history->rows[row];
    write_line(world, row,
               both || fresh || !it->imported || world->county.sample.value[row][0] < 0);
    it->imported = true;
    it->gone = false;
    import_row(world, it);
}

/* The row goes to the other station. */
void county_move(struct world *world, int row)
{
    struct row *it = &world->history.rows[row];
    if (!it->imported || it->gone || world->history.edit_count + GROUPS > EDITS_MAX)
        return;
    history_look(world);
    snprintf(it->home, sizeof it->home, "%s", strcmp(it->home, "S1") == 0 ? "S2" : "S1");
    it->said[0] = history_add_edit(world, row, 0, world->county.sample.value[row][0], -1);
    import_row(world, it);
}

/* An import of the whole table in which the row is missing. */
void county_delete(struct world *world, int row)
{
    struct history *history = &world->history;
    struct row *it = &history->rows[row];
    struct store *store = world->county.store;
    struct store_import_result result = {0};
    struct err err = {0};
    if (!it->imported || it->gone)
        return;
    it->gone = true;
    say(world, "the county deletes %s", it->id);
    begin_import(world);
    for (int i = 0; i < history->row_count; i++)
        if (history->rows[i].imported && !history->rows[i].gone &&
            history->rows[i].assignment == it->assignment)
            add_row(world, &history->rows[i]);
    if (store->ops->import_prune(store, table_by_name(table_of(it)), &result, &err) != ERR_OK)
        give_up("import: %s", err.text);
    end_import(world);
}

void county_grant(struct world *world, bool granted)
{
    struct err err = {0};
    say(world, granted ? "S2 may see S1" : "S2 may not see S1");
    if (world->county.granted != granted &&
        world->county.store->ops->station_grant(world->county.store, "S2", "S1", granted, &err) !=
            ERR_OK)
        give_up("grant: %s", err.text);
    world->county.granted = granted;
}

/* What a row had when its tombstone is forgotten went down with it, as its deleter wanted. */
static void bury(struct world *world, const struct sample *before)
{
    for (int row = 0; row < world->history.row_count; row++)
        for (int group = 0; group < GROUPS; group++)
            if (world->county.sample.value[row][group] < 0)
                for (int e = before->value[row][group]; e >= 0; e = world->history.edits[e].parent)
                    world->history.edits[e].dead = true;
}

void county_tidy(struct world *world)
{
    bool more = true;
    struct err err = {0};
    say(world, "the county tidies");
    history_look(world);
    struct sample before = world->county.sample;
    while (more)
        if (world->county.store->ops->tidy(world->county.store, &more, &err) != ERR_OK)
            give_up("tidy: %s", err.text);
    history_look(world);
    bury(world, &before);
}

void county_person(struct world *world)
{
    char json[160];
    int nth = chance(world, 600) ? world->persons++ : below(world, world->persons + 1);
    static const char *const scopes[] = {"S1", "S1", "*", "S2"};
    snprintf(json, sizeof json,
             "{\"id\":\"p%d\",\"scope\":\"%s\",\"kind\":\"guard\",\"name\":\"n%d\"}", nth,
             scopes[nth % 4], below(world, 1000));
    begin_import(world);
    add_import(world, "person", json);
    end_import(world);
}

/* --- copies --- */

void county_copy(struct world *world, struct copy *ret)
{
    history_look(world);
    free(ret->bytes);
    ret->bytes = file_copy(world->county.path, world->county.look, &ret->size);
    ret->sample = world->county.sample;
    ret->taken_at = world->now;
    memcpy(ret->rows, world->history.rows, sizeof ret->rows);
    ret->row_count = world->history.row_count;
    ret->granted = world->county.granted;
}

/* A move that the county has forgotten is not given back: a station may not take a row out of
 * another one's scope, and its old one has it no more. What the copy lacks of it is lost; what was
 * logged by then need not be again. */
static void lose_moves(struct world *world, const struct copy *copy)
{
    struct history *history = &world->history;
    for (int e = 0; e < history->edit_count; e++) {
        struct edit *edit = &history->edits[e];
        bool moved = edit->row < copy->row_count &&
                     strcmp(history->rows[edit->row].home, copy->rows[edit->row].home) != 0;
        if (!moved || edit_is_ancestor(world, copy->sample.value[edit->row][edit->group], e))
            continue;
        if (edit->logged || edit->set_aside)
            edit->forgotten = true;
        else
            edit->dead = true;
    }
}

void county_put_back(struct world *world, const struct copy *copy)
{
    county_close(world);
    file_write(world->county.path, copy->bytes, copy->size);
    world->county.sample = copy->sample;
    world->county.granted = copy->granted;
    lose_moves(world, copy);
    world->county.forgot_grants = true;
    for (int i = 0; i < world->history.row_count; i++) {
        struct row *row = &world->history.rows[i];
        if (i < copy->row_count)
            *row = copy->rows[i];
        else {
            row->imported = false;
            row->told = VALUE_UNSEEN;
        }
    }
}

/* --- what is in it --- */

sqlite3_stmt *county_query(struct world *world, const char *sql)
{
    int at = 0;
    while (at < QUERIES_MAX && kept.queries[at].sql != NULL && kept.queries[at].sql != sql)
        at++;
    if (at == QUERIES_MAX)
        give_up("more than %d queries", QUERIES_MAX);
    kept.queries[at].sql = sql;
    if (kept.queries[at].query == NULL &&
        sqlite3_prepare_v2(world->county.look, sql, -1, &kept.queries[at].query, NULL) != SQLITE_OK)
        give_up("%s in %s", sqlite3_errmsg(world->county.look), sql);
    return kept.queries[at].query;
}

typedef void text_fn(struct world *world, void *ctx, sqlite3_stmt *row);

static void each(struct world *world, const char *sql, const char *bind, text_fn *fn, void *ctx)
{
    sqlite3_stmt *query = county_query(world, sql);
    if (bind != NULL) {
        sqlite3_bind_text(query, 1, bind, -1, SQLITE_STATIC);
        sqlite3_bind_int(query, 2, world->county.granted && strcmp(bind, "S2") == 0);
    }
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW)
        fn(world, ctx, query);
    sqlite3_reset(query);
    if (rc != SQLITE_DONE)
        give_up("%s in %s", sqlite3_errmsg(world->county.look), sql);
}

static void add_line(struct world *world, void *ctx, sqlite3_stmt *row)
{
    (void)world;
    buf_printf(ctx, "%s\n", (const char *)sqlite3_column_text(row, 0));
}

void county_dump(struct world *world, const char *scope, bool older, struct buf *out)
{
    each(world,
         older ? "SELECT 'shift '||id||' '||scope||' '||post_id||' '||state||' -' FROM shift WHERE "
                 "NOT _del AND (scope IN('*',?1) OR ?2 AND scope='S1') ORDER BY id"
               : "SELECT 'shift '||id||' '||scope||' '||post_id||' '||state||' '||coalesce(need,"
                 "'-') FROM shift WHERE NOT _del AND (scope IN('*',?1) OR ?2 AND scope='S1') "
                 "ORDER BY id",
         scope, add_line, out);
    each(world,
         older ? "SELECT 'assignment '||id||' '||scope||' '||person_id||' '||state||' -' FROM "
                 "assignment WHERE NOT _del AND (scope IN('*',?1) OR ?2 AND scope='S1') ORDER BY id"
               : "SELECT 'assignment '||id||' '||scope||' '||person_id||' '||state||' '||coalesce("
                 "role,'-') FROM assignment WHERE NOT _del AND (scope IN('*',?1) OR ?2 AND "
                 "scope='S1') ORDER BY id",
         scope, add_line, out);
    each(world,
         "SELECT 'checkin '||id||' '||scope||' '||channel FROM checkin WHERE (scope IN('*',?1) OR "
         "?2 AND scope='S1') "
         "ORDER BY id",
         scope, add_line, out);
    each(world,
         "SELECT 'person '||id||' '||scope||' '||name FROM person WHERE NOT _del AND "
         "(scope IN('*',?1) OR ?2 AND scope='S1') ORDER BY id",
         scope, add_line, out);
}

static void note_logged(struct edit *edit)
{
    edit->logged = true;
}

static void note_aside(struct edit *edit)
{
    edit->set_aside = true;
}

static void note_conflict(struct world *world, void *ctx, sqlite3_stmt *row)
{
    (void)ctx;
    world->history.conflict_count++;
    history_tokens(world, (const char *)sqlite3_column_text(row, 0), note_logged);
}

static void note_quarantined(struct world *world, void *ctx, sqlite3_stmt *row)
{
    (void)ctx;
    history_tokens(world, (const char *)sqlite3_column_text(row, 0), note_aside);
}

/* Also those that a restored copy will have forgotten. */
void county_note_conflicts(struct world *world)
{
    if (world->county.look == NULL)
        return;
    world->history.conflict_count = 0;
    each(world, "SELECT lose_val FROM conflict ORDER BY n", NULL, note_conflict, NULL);
    each(world, "SELECT row FROM quarantine ORDER BY n", NULL, note_quarantined, NULL);
}
