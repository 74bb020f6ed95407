/* See digest.h.
 *
 * For each table: hash our rows into 256 buckets, ask for the county's, list our rows of the
 * buckets that differ, ask for the county's list of those, fetch what we lack or have otherwise,
 * and take away what the county does not have. Rows that the county never gave a version (they are
 * new, and their marks say so) are no part of it, nor are rows newer than the county's answer. */
#include "sync/digest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/lacks.h"
#include "sync/replica/bulk.h"
#include "sync/state.h"
#include "sync/wire_sql.h"

enum { SCAN_ROWS = 1000, DROP_ROWS = 200 };

static void free_ids(struct digest_ids *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->ids[i]);
    free(list->ids);
    *list = (struct digest_ids){0};
}

static void free_rows(struct digest *digest)
{
    for (size_t i = 0; i < digest->row_count; i++)
        free(digest->rows[i].id);
    free(digest->rows);
    digest->rows = NULL;
    digest->row_count = digest->row_capacity = 0;
}

void digest_init(struct digest *digest, struct wire *wire)
{
    *digest = (struct digest){.wire = wire};
}

void digest_fini(struct digest *digest)
{
    free_rows(digest);
    free_ids(&digest->fetch);
    free_ids(&digest->drop);
}

void digest_restart(struct digest *digest)
{
    digest_fini(digest);
    digest_init(digest, digest->wire);
}

static void *grow(void *list, size_t count, size_t *capacity, size_t item)
{
    if (count < *capacity)
        return list;
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    void *more = realloc(list, *capacity * item);
    if (more == NULL)
        abort();
    return more;
}

static char *copy(const char *id)
{
    char *mine = strdup(id);
    if (mine == NULL)
        abort();
    return mine;
}

static void add_id(struct digest_ids *list, const char *id)
{
    list->ids = grow(list->ids, list->count, &list->capacity, sizeof *list->ids);
    list->ids[list->count++] = copy(id);
}

/* --- where it stands --- */

static bool wanted(struct digest *digest, char ret[LIMIT_STATION_BYTES + 1])
{
    return replica_get_text(digest->wire->replica, ret, LIMIT_STATION_BYTES + 1,
                            "SELECT substr(k, 8) FROM sync_state WHERE k GLOB 'digest:*' LIMIT 1",
                            "");
}

bool digest_pending(struct digest *digest)
{
    char scope[LIMIT_STATION_BYTES + 1];
    return digest->step != DIGEST_START || wanted(digest, scope);
}

bool digest_work_due(struct digest *digest)
{
    switch (digest->step) {
    case DIGEST_START:
        return digest_pending(digest);
    case DIGEST_HASH:
    case DIGEST_LIST:
    case DIGEST_DROP:
    case DIGEST_FINISH:
        return true;
    default:
        return false;
    }
}

static void begin_table(struct digest *digest)
{
    free_rows(digest);
    free_ids(&digest->fetch);
    free_ids(&digest->drop);
    memset(digest->sums, 0, sizeof digest->sums);
    digest->after[0] = '\0';
    digest->bucket = digest->asked = 0;
    while (digest->refill && tables[digest->table].name != NULL &&
           !lacks_wants(digest->wire, &tables[digest->table]))
        digest->table++;
    digest->step = tables[digest->table].name != NULL ? DIGEST_HASH : DIGEST_FINISH;
}

static void next_table(struct digest *digest)
{
    digest->table++;
    begin_table(digest);
}

static bool start(struct digest *digest)
{
    char scope[LIMIT_STATION_BYTES + 1];
    if (!wanted(digest, scope))
        return true;
    text_copy(digest->scope, sizeof digest->scope, scope);
    digest->table = 0;
    digest->v = -1;
    digest->refill = lacks_is_refill(digest->wire, scope);
    begin_table(digest);
    return true;
}

/* --- our rows --- */

static size_t bucket_of(const char *id)
{
    return (size_t)(protocol_fp_add(PROTOCOL_FP_START, id, strlen(id)) & 0xff);
}

static uint64_t hash_of(const char *id, int64_t v)
{
    char text[PROTOCOL_PK_BYTES + 32];
    int size = snprintf(text, sizeof text, "%s:%" PRId64 "\n", id, v);
    size_t used = size > 0 && (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    return protocol_fp_add(PROTOCOL_FP_START, text, used);
}

static void take_row(struct digest *digest, const char *id, int64_t v)
{
    size_t bucket = bucket_of(id);
    if (digest->step == DIGEST_HASH) {
        digest->sums[bucket] += hash_of(id, v);
    } else if (digest->differs[bucket]) {
        digest->rows =
            grow(digest->rows, digest->row_count, &digest->row_capacity, sizeof *digest->rows);
        digest->rows[digest->row_count++] = (struct digest_row){copy(id), v, false};
    }
}

/* Some rows of the table; at its end the next request is due. */
static bool scan(struct digest *digest)
{
    struct query *query =
        replica_query(digest->wire->replica, wire_sql_of(&tables[digest->table])->scan);
    query_text(query, 1, digest->after);
    query_int(query, 2, SCAN_ROWS);
    int seen = 0;
    for (; query_row(query); seen++) {
        const char *id = query_get_text(query, 0);
        int64_t v = query_get_int(query, 2);
        bool lacks = query_get_int(query, 3) != 0; /* then it differs, whatever its version */
        if (v > 0 && text_equal(query_get_text(query, 1), digest->scope))
            take_row(digest, id, lacks ? 0 : v);
        text_copy(digest->after, sizeof digest->after, id);
    }
    query_done(query);
    if (seen < SCAN_ROWS) {
        digest->step = digest->step == DIGEST_HASH ? DIGEST_ASK_HASHES : DIGEST_ASK_ROWS;
        digest->after[0] = '\0';
    }
    return true;
}

static bool is_new(struct digest *digest, const char *id)
{
    return replica_get_int(digest->wire->replica, 0,
                           "SELECT 1 FROM sync_out WHERE tid = ?1 AND " NOT_BULK(
                               "") " AND pk = ?2 AND "
                                   "st <> 2 AND st <> 4 AND base = 0 LIMIT 1",
                           "is", (int64_t)tables[digest->table].tid, id) != 0;
}

static bool drop_some(struct digest *digest)
{
    struct digest_ids *list = &digest->drop;
    bool ok = true;
    replica_set_applying(digest->wire->replica, true);
    for (int i = 0; ok && i < DROP_ROWS && list->done < list->count; i++, list->done++) {
        const char *id = list->ids[list->done];
        if (is_new(digest, id))
            continue;
        ok = wire_drop_row(digest->wire, &tables[digest->table], id, digest->scope, "gone");
        digest->dropped++;
    }
    replica_set_applying(digest->wire->replica, false);
    if (list->done == list->count)
        next_table(digest);
    return ok;
}

/* What came back after the county was restored is down now (rewind.h). */
static bool settle_rewind(struct wire *wire, int64_t v)
{
    return state_forget(wire->replica, "rewind_f") &&
           replica_run(wire->replica,
                       "UPDATE sync_out SET st = 2 WHERE st <> 2 AND st <> 4 AND st = 3 AND base = "
                       "v AND v <= ?1",
                       "i", v) >= 0;
}

/* A comparison after a rewind, or one of all tables for another reason, is still to come. */
static bool whole_wanted(struct wire *wire)
{
    return replica_get_int(wire->replica, 0,
                           "SELECT 1 FROM sync_state WHERE k GLOB 'digest:*' AND v = 1 LIMIT 1",
                           "") != 0;
}

/* What follows from having compared all tables. */
static bool settle_whole(struct digest *digest)
{
    struct wire *wire = digest->wire;
    return wire_settle_unfed(wire, digest->scope, digest->v) &&
           (whole_wanted(wire) || settle_rewind(wire, digest->v));
}

static bool finish(struct digest *digest)
{
    struct wire *wire = digest->wire;
    char epoch[PROTOCOL_EPOCH_BYTES + 1];
    int64_t v;
    bool whole = !digest->refill;
    if (!whole && !lacks_is_refill(wire, digest->scope)) { /* now all tables are wanted */
        digest_restart(digest);
        return true;
    }
    log_info("sync.compared", "scope=%s fetched=%" PRId64 " dropped=%" PRId64, digest->scope,
             digest->fetched, digest->dropped);
    bool ok = replica_run(wire->replica, "DELETE FROM sync_state WHERE k = 'digest:' || ?1", "s",
                          digest->scope) >= 0;
    if (ok && whole && digest->v >= 0 && !wire_get_cursor(wire, digest->scope, epoch, &v))
        ok = wire_store_cursor(wire, digest->scope, digest->ep, digest->v);
    ok = ok && (!whole || settle_whole(digest)) && lacks_compared(wire);
    digest_restart(digest);
    return ok;
}

bool digest_work(struct digest *digest)
{
    switch (digest->step) {
    case DIGEST_START:
        return start(digest);
    case DIGEST_HASH:
    case DIGEST_LIST:
        return scan(digest);
    case DIGEST_DROP:
        return drop_some(digest);
    case DIGEST_FINISH:
        return finish(digest);
    default:
        return true;
    }
}

/* --- requests --- */

static struct json *asked_buckets(struct digest *digest)
{
    struct json *list = json_new_array();
    size_t count = 0;
    size_t at = digest->bucket;
    for (; at < PROTOCOL_DIGEST_BUCKETS && count < PROTOCOL_DIGEST_ASKED; at++)
        if (digest->differs[at]) {
            json_add_int(list, (int64_t)at);
            count++;
        }
    digest->asked = at;
    return list;
}

static struct json *asked_ids(struct digest *digest)
{
    struct json *list = json_new_array();
    struct digest_ids *fetch = &digest->fetch;
    size_t left = fetch->count - fetch->done;
    digest->fetching = left < PROTOCOL_DIGEST_IDS ? left : PROTOCOL_DIGEST_IDS;
    for (size_t i = 0; i < digest->fetching; i++)
        json_add_text(list, fetch->ids[fetch->done + i]);
    return list;
}

bool digest_build(struct digest *digest, struct buf *body)
{
    struct json *request = json_new_object();
    json_set_int(request, "p", PROTOCOL_VERSION);
    json_set_int(request, "sv", PROTOCOL_SCHEMA);
    json_set_text(request, "station", digest->wire->station);
    json_set_int(request, "inc", wire_incarnation(digest->wire));
    json_set_text(request, "s", digest->scope);
    json_set_text(request, "t", tables[digest->table].name);
    if (digest->step == DIGEST_ASK_ROWS)
        json_set(request, "buckets", asked_buckets(digest));
    if (digest->step == DIGEST_ASK_IDS)
        json_set(request, "ids", asked_ids(digest));
    bool ok = json_write(request, body);
    json_free(request);
    return ok;
}

bool digest_expects_rows(const struct digest *digest)
{
    return digest->step == DIGEST_ASK_IDS;
}

static int read_hashes(struct digest *digest, const struct json *reply, struct err *err)
{
    const struct json *sums = json_get(reply, "b");
    if (json_count(sums) != PROTOCOL_DIGEST_BUCKETS)
        return err_set(err, ERR_INVALID, "the county's reply: the digest is not whole");
    bool any = false;
    for (size_t i = 0; i < PROTOCOL_DIGEST_BUCKETS; i++) {
        char ours[17];
        text_of_u64(digest->sums[i], ours);
        digest->differs[i] = !text_equal(json_as_text(json_at(sums, i), ""), ours);
        any = any || digest->differs[i];
    }
    if (any)
        digest->step = DIGEST_LIST;
    else
        next_table(digest);
    return ERR_OK;
}

static int by_id(const void *key, const void *row)
{
    return strcmp(key, ((const struct digest_row *)row)->id);
}

static void compare_row(struct digest *digest, const char *id, int64_t v, int64_t at_v)
{
    struct digest_row *ours = digest->row_count == 0 ? NULL
                                                     : bsearch(id, digest->rows, digest->row_count,
                                                               sizeof *digest->rows, by_id);
    if (ours != NULL)
        ours->there = true;
    if (ours == NULL || (ours->v != v && ours->v <= at_v))
        add_id(&digest->fetch, id);
}

static void list_absent(struct digest *digest, int64_t at_v)
{
    for (size_t i = 0; i < digest->row_count; i++) {
        const struct digest_row *row = &digest->rows[i];
        size_t bucket = bucket_of(row->id);
        if (!row->there && row->v <= at_v && bucket >= digest->bucket && bucket < digest->asked)
            add_id(&digest->drop, row->id);
    }
}

static int read_rows(struct digest *digest, const struct json *reply, struct err *err)
{
    const struct json *rows = json_get(reply, "rows");
    int64_t at_v = json_int(reply, "v", 0);
    if (rows == NULL)
        return err_set(err, ERR_INVALID, "the county's reply: the list of rows is missing");
    for (size_t i = 0; i < json_count(rows); i++) {
        const struct json *row = json_at(rows, i);
        const char *id = json_as_text(json_at(row, 0), "");
        if (id[0] != '\0' && strlen(id) <= PROTOCOL_PK_BYTES)
            compare_row(digest, id, json_as_int(json_at(row, 1), 0), at_v);
    }
    list_absent(digest, at_v);
    digest->bucket = digest->asked;
    while (digest->bucket < PROTOCOL_DIGEST_BUCKETS && !digest->differs[digest->bucket])
        digest->bucket++;
    if (digest->bucket == PROTOCOL_DIGEST_BUCKETS)
        digest->step = digest->fetch.count > 0 ? DIGEST_ASK_IDS : DIGEST_DROP;
    return ERR_OK;
}

int digest_read(struct digest *digest, const struct json *reply, struct err *err)
{
    const char *ep = json_text(reply, "ep", NULL);
    int64_t v = json_int(reply, "v", -1);
    if (ep == NULL || strlen(ep) > PROTOCOL_EPOCH_BYTES || v < 0)
        return err_set(err, ERR_INVALID, "the county's reply: ep or v is missing");
    if (digest->v < 0 || v < digest->v) {
        digest->v = v;
        text_copy(digest->ep, sizeof digest->ep, ep);
    }
    if (json_int(reply, "unknown", 0) != 0) {
        next_table(digest); /* a county of the schema before: ours are not compared */
        return ERR_OK;
    }
    if (digest->step == DIGEST_ASK_HASHES)
        return read_hashes(digest, reply, err);
    return digest->step == DIGEST_ASK_ROWS ? read_rows(digest, reply, err) : ERR_OK;
}

bool digest_store(struct digest *digest)
{
    if (digest->step != DIGEST_ASK_IDS)
        return true;
    digest->fetch.done += digest->fetching;
    digest->fetched += (int64_t)digest->fetching;
    digest->fetching = 0;
    if (digest->fetch.done == digest->fetch.count)
        digest->step = DIGEST_DROP;
    return true;
}
