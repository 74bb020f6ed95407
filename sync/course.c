/* See course.h.
 *
 * Order: what the county forgot comes before all else, because it answers nothing but 409 until
 * then; marks in flight come before any reading, because a page that is newer than an unsettled
 * push would hide what the push was built on; then comparing, then filling.
 *
 * A filling goes table by table in the order of ids; its cursor is what the county named at the
 * first page, so whatever changes meanwhile comes with the feed. A county without /v1/boot or
 * /v1/digest (404) is read from the beginning of its feed instead. */
#include "sync/course.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/flight.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum {
    DROP_ROWS = 200,
    SCAN_ROWS = 1000,
    DENIED = 403,
    NOT_FOUND = 404,
    CONFLICT = 409,
    EXPIRED = 410,
};

void course_init(struct course *course, struct wire *wire)
{
    *course = (struct course){.wire = wire, .detour = true};
    digest_init(&course->digest, wire);
    rewind_init(&course->rewind, wire);
}

void course_fini(struct course *course)
{
    digest_fini(&course->digest);
    rewind_fini(&course->rewind);
}

/* --- filling --- */

/* The first scope that has neither a cursor nor another repair pending. */
static const char *unfilled(struct wire *wire)
{
    for (size_t i = 0; i < wire->scope_count; i++)
        if (replica_get_int(wire->replica, 0,
                            "SELECT 1 FROM sync_state WHERE k IN ('cur:' || ?1, 'digest:' || ?1, "
                            "'drop:' || ?1) LIMIT 1",
                            "s", wire->scopes[i]) == 0)
            return wire->scopes[i];
    return NULL;
}

static void load_boot(struct course *course, const char *scope)
{
    struct boot *boot = &course->boot;
    *boot = (struct boot){0};
    text_copy(boot->scope, sizeof boot->scope, scope);
    struct query *query =
        replica_query(course->wire->replica, "SELECT v->>0, v->>1, v->>2, v->>3 FROM sync_state "
                                             "WHERE k = 'boot:' || ?1");
    query_text(query, 1, scope);
    if (query_row(query)) {
        const struct table *table = table_by_tid((int)query_get_int(query, 2));
        boot->v0 = query_get_int(query, 1);
        if (table != NULL) {
            text_copy(boot->ep, sizeof boot->ep, query_get_text(query, 0));
            text_copy(boot->after, sizeof boot->after, query_get_text(query, 3));
            boot->table = (size_t)(table - tables);
        }
    }
    query_done(query);
}

static void add_encoded(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "&%s=", name);
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        buf_printf(out, plain ? "%c" : "%%%02X", c);
    }
}

static int build_boot(struct course *course, size_t page_bytes, char *ret_path, struct err *err)
{
    const struct boot *boot = &course->boot;
    struct wire *wire = course->wire;
    struct buf path;
    buf_init(&path, COURSE_PATH_BYTES - 1);
    buf_printf(&path, "/v1/boot?p=%d&sv=%d&inc=%" PRId64 "&max=%zu", PROTOCOL_VERSION,
               PROTOCOL_SCHEMA, wire_incarnation(wire), page_bytes);
    add_encoded(&path, "station", wire->station);
    add_encoded(&path, "s", boot->scope);
    add_encoded(&path, "t", tables[boot->table].name);
    add_encoded(&path, "after", boot->after);
    if (boot->ep[0] != '\0') {
        add_encoded(&path, "ep", boot->ep);
        buf_printf(&path, "&v0=%" PRId64, boot->v0);
    }
    bool fits = !path.failed && text_copy(ret_path, COURSE_PATH_BYTES, buf_text(&path));
    buf_free(&path);
    return fits ? ERR_OK : err_set(err, ERR_LIMIT, "sync: the address is too long");
}

static int read_boot(struct course *course, const struct page *page, struct err *err)
{
    struct boot *boot = &course->boot;
    const struct json *reply = page->envelope;
    const char *ep = json_text(reply, "ep", "");
    const char *next = json_text(reply, "next", "");
    int64_t v0 = json_int(reply, "v0", -1);
    boot->table_done = json_int(reply, "more", 0) == 0;
    if (ep[0] == '\0' || strlen(ep) > PROTOCOL_EPOCH_BYTES || v0 < 0)
        return err_set(err, ERR_INVALID, "the county's reply: ep or v0 is missing");
    if (!boot->table_done && (strcmp(next, boot->after) <= 0 || strlen(next) > PROTOCOL_PK_BYTES))
        return err_set(err, ERR_INVALID, "the county's reply: the filling does not go on");
    if (boot->ep[0] == '\0') {
        text_copy(boot->ep, sizeof boot->ep, ep);
        boot->v0 = v0;
    }
    text_copy(boot->after, sizeof boot->after, boot->table_done ? "" : next);
    return ERR_OK;
}

/* What this station had pushed before, or was given by a filling that was broken off, and what was
 * moved or deleted at the county since, comes neither with the pages nor with the feed from there
 * on: then the scope is compared as well. Settled marks are forgotten after a time; that there were
 * some is told by their numbers. */
static bool compare_after_filling(struct course *course)
{
    return replica_run(
               course->wire->replica,
               "INSERT INTO sync_state(k, v) SELECT 'digest:' || ?1, 1 WHERE EXISTS "
               "(SELECT 1 FROM sync_out WHERE st = 2 AND v IS NOT NULL LIMIT 1) OR (SELECT seq "
               "FROM sqlite_sequence WHERE name = 'sync_out') > (SELECT count(*) FROM "
               "sync_out) OR EXISTS (SELECT 1 FROM sync_state WHERE k = 'refill:' || ?1) "
               "ON CONFLICT DO UPDATE SET v = 1",
               "s", course->boot.scope) >= 0;
}

static bool finish_boot(struct course *course)
{
    struct wire *wire = course->wire;
    const struct boot *boot = &course->boot;
    log_info("sync.filled", "scope=%s", boot->scope);
    bool ok = wire_settle_unfed(wire, boot->scope, boot->v0) && compare_after_filling(course) &&
              wire_store_cursor(wire, boot->scope, boot->ep, boot->v0) &&
              replica_run(wire->replica,
                          "DELETE FROM sync_state WHERE k IN ('boot:' || ?1, 'refill:' || ?1)", "s",
                          boot->scope) >= 0;
    if (ok && unfilled(wire) == NULL)
        ok = state_set_int(wire->replica, "bootstrap_done",
                           clock_wall_ms(replica_clock(wire->replica))) &&
             replica_run(wire->replica,
                         "DELETE FROM sync_state WHERE k = 'rewind_f' AND NOT EXISTS (SELECT 1 "
                         "FROM sync_state WHERE k GLOB 'digest:*')",
                         "") >= 0;
    return ok;
}

static bool store_boot(struct course *course)
{
    struct boot *boot = &course->boot;
    if (boot->table_done)
        boot->table++;
    if (tables[boot->table].name == NULL)
        return finish_boot(course);
    return replica_run(course->wire->replica,
                       "INSERT INTO sync_state(k, v) VALUES ('boot:' || ?1, json_array(?2, ?3, ?4, "
                       "?5)) ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                       "ssiis", boot->scope, boot->ep, boot->v0, (int64_t)tables[boot->table].tid,
                       boot->after) >= 0;
}

/* --- scopes that are not granted any more --- */

static bool first_dropped(struct course *course, char ret[LIMIT_STATION_BYTES + 1])
{
    return replica_get_text(course->wire->replica, ret, LIMIT_STATION_BYTES + 1,
                            "SELECT substr(k, 6) FROM sync_state WHERE k GLOB 'drop:*' LIMIT 1",
                            "");
}

/* Ids of rows of the scope among the next SCAN_ROWS, DROP_ROWS at most; true: the table is done. */
static bool find_dropped(struct course *course, const char *scope,
                         char (*ids)[PROTOCOL_PK_BYTES + 1], size_t *ret_count)
{
    struct query *query =
        replica_query(course->wire->replica, wire_sql_of(&tables[course->drop_table])->scan);
    query_text(query, 1, course->drop_after);
    query_int(query, 2, SCAN_ROWS);
    int seen = 0;
    size_t count = 0;
    while (count < DROP_ROWS && query_row(query)) {
        seen++;
        text_copy(course->drop_after, sizeof course->drop_after, query_get_text(query, 0));
        if (text_equal(query_get_text(query, 1), scope))
            text_copy(ids[count++], sizeof *ids, query_get_text(query, 0));
    }
    query_done(query);
    *ret_count = count;
    return count < DROP_ROWS && seen < SCAN_ROWS;
}

static bool drop_some(struct course *course, const char *scope)
{
    static char ids[DROP_ROWS][PROTOCOL_PK_BYTES + 1];
    const struct table *table = &tables[course->drop_table];
    struct wire *wire = course->wire;
    size_t count = 0;
    if (table->name == NULL) {
        course->drop_table = 0;
        return replica_run(wire->replica, "DELETE FROM sync_state WHERE k = 'drop:' || ?1", "s",
                           scope) >= 0;
    }
    bool done = find_dropped(course, scope, ids, &count);
    bool ok = true;
    replica_set_applying(wire->replica, true);
    for (size_t i = 0; ok && i < count; i++)
        ok = wire_drop_row(wire, table, ids[i], scope, "the station may not see this any more");
    replica_set_applying(wire->replica, false);
    if (done) {
        course->drop_table++;
        course->drop_after[0] = '\0';
    }
    return ok;
}

/* --- the choice --- */

bool course_work_due(struct course *course)
{
    char scope[LIMIT_STATION_BYTES + 1];
    return rewind_work_due(&course->rewind) || first_dropped(course, scope) ||
           (!rewind_pending(&course->rewind) && digest_work_due(&course->digest));
}

bool course_work(struct course *course)
{
    char scope[LIMIT_STATION_BYTES + 1];
    if (rewind_work_due(&course->rewind))
        return rewind_work(&course->rewind);
    if (first_dropped(course, scope))
        return drop_some(course, scope);
    return digest_work(&course->digest);
}

void course_work_lost(struct course *course)
{
    course->drop_table = 0;
    course->drop_after[0] = '\0';
    digest_restart(&course->digest);
    rewind_restart(&course->rewind);
}

bool course_pending(struct course *course)
{
    return rewind_pending(&course->rewind) || digest_pending(&course->digest) ||
           unfilled(course->wire) != NULL;
}

static enum course_ask choose(struct course *course, bool marks)
{
    if (rewind_pending(&course->rewind))
        return ASK_GIVEBACK;
    if (flight_count(course->wire) > 0 || wire_incarnation(course->wire) == 0 || course->unsure ||
        (course->detour && (marks || course->failed)))
        return ASK_SYNC;
    if (digest_pending(&course->digest))
        return ASK_DIGEST;
    const char *scope = unfilled(course->wire);
    if (scope == NULL)
        return ASK_SYNC;
    load_boot(course, scope);
    return ASK_BOOT;
}

enum course_ask course_choose(struct course *course, bool marks)
{
    course->ask = choose(course, marks);
    course->detour = course->failed = course->ask != ASK_SYNC;
    course->unsure = course->unsure && course->detour;
    course->wire->force = course->ask == ASK_DIGEST;
    return course->ask;
}

int course_build(struct course *course, size_t page_bytes, char ret_path[COURSE_PATH_BYTES],
                 struct buf *body, struct err *err)
{
    if (course->ask == ASK_BOOT)
        return build_boot(course, page_bytes, ret_path, err);
    bool giveback = course->ask == ASK_GIVEBACK;
    text_copy(ret_path, COURSE_PATH_BYTES, giveback ? "/v1/giveback" : "/v1/digest");
    bool ok = giveback ? rewind_build(&course->rewind, body) : digest_build(&course->digest, body);
    return ok ? ERR_OK : err_set(err, ERR_LIMIT, "sync: the request does not fit");
}

/* Another life of the county's database than the last one that we heard of: nothing of it counts
 * before a sync has asked whether it still knows what we were told. */
static bool is_other_life(struct course *course, const struct json *reply)
{
    course->unsure = json_get(reply, "v") != NULL &&
                     replica_get_int(course->wire->replica, 0,
                                     "SELECT 1 FROM sync_state WHERE k = 'seen' AND v->>0 <> ?1",
                                     "s", json_text(reply, "ep", "")) != 0;
    return course->unsure;
}

static int read_json(struct course *course, const char *body, size_t size, int64_t *ret_now_ms,
                     struct err *err)
{
    struct json *reply = NULL;
    int code = json_parse(body, size, &reply, err);
    if (code == ERR_OK && !is_other_life(course, reply)) {
        *ret_now_ms = json_int(reply, "now", 0);
        code = course->ask == ASK_GIVEBACK ? rewind_read(&course->rewind, reply, err)
                                           : digest_read(&course->digest, reply, err);
    }
    json_free(reply);
    return code;
}

int course_read(struct course *course, const char *body, size_t size, struct page *ret_page,
                int64_t *ret_now_ms, struct err *err)
{
    bool rows = course->ask == ASK_BOOT ||
                (course->ask == ASK_DIGEST && digest_expects_rows(&course->digest));
    if (!rows)
        return read_json(course, body, size, ret_now_ms, err);
    int code = page_read(ret_page, body, size, err);
    if (code != ERR_OK)
        return code;
    *ret_now_ms = json_int(ret_page->envelope, "now", 0);
    if (is_other_life(course, ret_page->envelope)) {
        page_free(ret_page);
        return ERR_OK;
    }
    code = course->ask == ASK_BOOT ? read_boot(course, ret_page, err)
                                   : digest_read(&course->digest, ret_page->envelope, err);
    if (code != ERR_OK)
        page_free(ret_page);
    return code;
}

bool course_store(struct course *course)
{
    course->failed = false;
    if (course->unsure) {
        digest_restart(&course->digest);
        return true;
    }
    if (course->ask == ASK_BOOT)
        return store_boot(course);
    return course->ask == ASK_GIVEBACK ? rewind_store(&course->rewind)
                                       : digest_store(&course->digest);
}

/* --- refusals --- */

/* A county that cannot be asked this way: its feed has everything, from the beginning. */
static bool read_from_zero(struct course *course)
{
    if (course->ask == ASK_GIVEBACK)
        return rewind_give_up(&course->rewind);
    const char *scope = course->ask == ASK_BOOT ? course->boot.scope : course->digest.scope;
    course->failed = false;
    bool ok = replica_run(course->wire->replica,
                          "DELETE FROM sync_state WHERE k IN ('digest:' || ?1, 'boot:' || ?1)", "s",
                          scope) >= 0 &&
              wire_store_cursor(course->wire, scope, "", 0);
    digest_restart(&course->digest);
    return ok;
}

static bool begin_digest(struct course *course, const struct json *scopes)
{
    bool ok = json_count(scopes) > 0;
    for (size_t i = 0; ok && i < json_count(scopes); i++) {
        const char *scope = json_as_text(json_at(scopes, i), "");
        log_warn("sync.expired", "scope=%s", scope);
        ok = wire_compare(course->wire, scope);
    }
    return ok;
}

bool course_refused(struct course *course, int status, const struct json *body)
{
    if (status == CONFLICT && json_get(body, "rewind") != NULL) {
        digest_restart(&course->digest); /* what it has compared so far is of the lost life */
        return rewind_begin(&course->rewind, json_get(json_get(body, "rewind"), "eps"));
    }
    if (course->ask == ASK_GIVEBACK)
        return (status == EXPIRED || status == NOT_FOUND) && rewind_give_up(&course->rewind);
    if (status == NOT_FOUND && course->ask != ASK_SYNC)
        return read_from_zero(course);
    if (status == DENIED && course->ask == ASK_DIGEST) { /* its scope was taken away meanwhile */
        digest_restart(&course->digest);
        return false;
    }
    if (status == EXPIRED && course->ask == ASK_BOOT) /* begin the filling again */
        return replica_run(course->wire->replica,
                           "UPDATE OR REPLACE sync_state SET k = 'refill:' || ?1, v = 1 WHERE k = "
                           "'boot:' || ?1",
                           "s", course->boot.scope) >= 0;
    return status == EXPIRED && begin_digest(course, json_get(body, "scopes"));
}
