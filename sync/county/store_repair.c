/* Whole tables of a scope: pages for a first filling, and digests for a station that missed what
 * the county has forgotten (sync/PROTOCOL.md 8 and 9). */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "sync/county/store_sql.h"
#include "sync/protocol.h"

enum { BUCKETS = 256 };

/* The scope and table that a request names. */
struct part {
    const struct store_station *station;
    const struct table_sql *sql; /* NULL: of a newer schema */
    const char *scope;
    struct json *head;             /* of a digest */
    const struct store_boot *boot; /* of a page */
    int64_t now_ms;
};

static int find_part(struct db *db, struct part *part, const char *scope, const char *table,
                     struct store_answer *answer, struct err *err)
{
    struct scopes scopes;
    int code = scopes_read(db, part->station, &scopes, err);
    if (code != ERR_OK)
        return code;
    if (scope == NULL || table == NULL)
        return answer_refuse(answer, 400, "s (a scope) and t (a table) are needed");
    if (!scopes_grant(&scopes, scope))
        return answer_refuse(answer, 403, "this scope is not granted to the station");
    part->scope = scope;
    for (int i = 0; i < db->table_count; i++)
        if (strcmp(db->tables[i].table->name, table) == 0)
            part->sql = &db->tables[i];
    return ERR_OK;
}

static int write_begin(struct db *db, const struct part *part, struct buf *out, struct err *err)
{
    struct county_now now = {0};
    int code = epoch_now(db, &now, err);
    buf_printf(out, "{\"now\":%lld,\"ep\":\"%s\",\"v\":%lld", (long long)part->now_ms, db->epoch,
               (long long)now.v);
    return code;
}

/* --- digests --- */

static uint64_t hash_of(const char *bytes, size_t size)
{
    return protocol_fp_add(PROTOCOL_FP_START, bytes, size);
}

static uint64_t row_hash(const char *id, size_t size, int64_t v)
{
    char tail[32];
    int length = snprintf(tail, sizeof tail, ":%lld\n", (long long)v);
    return protocol_fp_add(hash_of(id, size), tail, (size_t)length);
}

typedef bool row_fn(void *ctx, const char *id, size_t size, int64_t v);

static int each_row(struct db *db, const struct part *part, row_fn *fn, void *ctx, struct err *err)
{
    struct db_query *q = db_query(db, err, part->sql->digest, "s", part->scope);
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0)
        if (!fn(ctx, db_column_text(q, 0), db_column_size(q, 0), db_column_int(q, 1))) {
            db_reset(q);
            return ERR_OK;
        }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

static bool add_hash(void *ctx, const char *id, size_t size, int64_t v)
{
    uint64_t *buckets = ctx;
    buckets[hash_of(id, size) & (BUCKETS - 1)] += row_hash(id, size, v);
    return true;
}

static int write_hashes(struct db *db, const struct part *part, struct buf *out, struct err *err)
{
    uint64_t buckets[BUCKETS] = {0};
    int code = each_row(db, part, add_hash, buckets, err);
    buf_add_text(out, ",\"b\":[");
    for (int i = 0; i < BUCKETS; i++) {
        char hex[] = "\"0123456789abcdef\",";
        text_of_u64(buckets[i], hex + 1);
        memcpy(hex + 17, "\",", 2);
        buf_add(out, hex, i < BUCKETS - 1 ? 19 : 18);
    }
    buf_add_text(out, "]");
    return code;
}

struct listing {
    bool wanted[BUCKETS];
    struct json *rows;
    int64_t count;
};

static bool add_listed(void *ctx, const char *id, size_t size, int64_t v)
{
    struct listing *listing = ctx;
    if (!listing->wanted[hash_of(id, size) & (BUCKETS - 1)])
        return true;
    if (listing->count++ == LIMIT_DIGEST_ROWS)
        return false;
    struct json *pair = json_new_array();
    json_add_text(pair, id);
    json_add_int(pair, v);
    json_add(listing->rows, pair);
    return true;
}

static int write_listing(struct db *db, const struct part *part, const struct json *wanted,
                         struct store_answer *answer, struct err *err)
{
    struct listing listing = {0};
    for (size_t i = 0; i < json_count(wanted); i++) {
        int64_t bucket = json_as_int(json_at(wanted, i), -1);
        if (bucket < 0 || bucket >= BUCKETS || i == LIMIT_DIGEST_BUCKETS)
            return answer_refuse(answer, 400, "buckets are at most 16 numbers from 0 to 255");
        listing.wanted[bucket] = true;
    }
    listing.rows = json_new_array();
    int code = each_row(db, part, add_listed, &listing, err);
    bool too_many = listing.count > LIMIT_DIGEST_ROWS;
    buf_add_text(&answer->body, ",\"rows\":");
    json_write(listing.rows, &answer->body);
    json_free(listing.rows);
    if (code == ERR_OK && too_many)
        return answer_refuse(answer, 413, "too many rows: ask for fewer buckets");
    return code;
}

static int write_one(struct db *db, const struct part *part, const char *id, struct buf *out,
                     struct err *err)
{
    int64_t there = 0;
    int code = db_int(db, &there, err, part->sql->there, "ss", id, part->scope);
    if (code != ERR_OK)
        return code;
    if (there != 0)
        return answer_add_one(db, part->sql, id, out, err);
    return db_text(db, out, err,
                   "SELECT " JSON_OBJECT "('_v',${max|greatest}(v,1),'_op','X','id',?1) FROM ctr",
                   "s", id);
}

static int write_rows(struct db *db, const struct part *part, const struct json *ids,
                      struct store_answer *answer, struct err *err)
{
    int code = ERR_OK;
    struct buf *out = &answer->body;
    if (json_count(ids) > LIMIT_DIGEST_IDS)
        return answer_refuse(answer, 413, "at most 500 ids are asked for at a time");
    buf_printf(out, ",\"pull\":[{\"t\":\"%s\",\"s\":\"%s\",\"r\":[", part->sql->table->name,
               part->scope);
    for (size_t i = 0; code == ERR_OK && i < json_count(ids); i++) {
        const char *id = json_as_text(json_at(ids, i), NULL);
        if (id == NULL || strlen(id) > LIMIT_ROW_ID_BYTES)
            return answer_refuse(answer, 400, "ids are texts");
        if (i > 0)
            buf_add_text(out, ",");
        code = write_one(db, part, id, out, err);
    }
    buf_add_text(out, "]}]");
    return code;
}

static int run_digest(struct db *db, void *ctx, struct store_answer *answer, struct err *err)
{
    struct part *part = ctx;
    const struct json *buckets = json_get(part->head, "buckets");
    const struct json *ids = json_get(part->head, "ids");
    int code = find_part(db, part, json_text(part->head, "s", NULL),
                         json_text(part->head, "t", NULL), answer, err);
    if (code == ERR_OK)
        code = write_begin(db, part, &answer->body, err);
    if (code != ERR_OK)
        return code;
    if (part->sql == NULL)
        buf_add_text(&answer->body, ",\"unknown\":1");
    else if (ids != NULL)
        code = write_rows(db, part, ids, answer, err);
    else if (buckets != NULL)
        code = write_listing(db, part, buckets, answer, err);
    else
        code = write_hashes(db, part, &answer->body, err);
    if (code == ERR_OK)
        buf_add_text(&answer->body, "}");
    return code;
}

int store_digest(struct store *store, const struct store_station *station, const char *body,
                 size_t size, struct store_answer *answer, struct err *err)
{
    struct db *db = db_of(store);
    struct part part = {.station = station, .now_ms = clock_wall_ms(db->clock)};
    answer->status = 200;
    int code = answer_read_head(body, size, NULL, NULL, &part.head, answer);
    if (code == ERR_OK)
        code = answer_check_head(part.head, station, answer);
    if (code == ERR_OK)
        code = answer_in_transaction(db, true, run_digest, &part, station->scope, answer, err);
    json_free(part.head);
    return code == ERR_STATE && answer->status != 200 ? ERR_OK : code;
}

/* --- pages of a first filling --- */

static int check_filling(struct db *db, const struct store_boot *boot, int64_t *ret_v0,
                         struct store_answer *answer, struct err *err)
{
    int64_t purged = 0;
    bool good = true;
    if (boot->epoch[0] == '\0')
        return db_int(db, ret_v0, err, "SELECT v FROM ctr", "");
    *ret_v0 = boot->v0;
    int code = epoch_check(db, boot->epoch, boot->v0, &good, err);
    if (code == ERR_OK && !good)
        return epoch_refuse(db, answer, err);
    if (code == ERR_OK)
        code = purge_horizon(db, &purged, err);
    if (code == ERR_OK && boot->v0 < purged) {
        buf_clear(&answer->body);
        buf_printf(&answer->body,
                   "{\"error\":\"this filling took too long: begin again\",\"expired\":1,"
                   "\"scopes\":[\"%s\"],\"purge\":%lld}",
                   boot->scope, (long long)purged);
        answer->status = 410;
        return ERR_STATE;
    }
    return code;
}

/* Rows until the page is full; ret_next is the last one's id, in JSON. */
static int write_page(struct db *db, const struct part *part, struct buf *out, struct buf *next,
                      bool *ret_more, struct err *err)
{
    int64_t count = 0;
    size_t start = out->size;
    buf_printf(out, "{\"t\":\"%s\",\"s\":\"%s\",\"r\":[", part->sql->table->name, part->scope);
    struct db_query *q = db_query(db, err, part->sql->boot, "ss", part->scope, part->boot->after);
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0) {
        if (count > 0 &&
            (out->size - start >= (size_t)part->boot->max_bytes || count == LIMIT_PAGE_ROWS)) {
            *ret_more = true;
            db_reset(q);
            rc = 0;
            break;
        }
        if (count++ > 0)
            buf_add_text(out, ",");
        answer_add_row(db, q, 1, out);
        buf_clear(next);
        buf_add(next, db_column_text(q, 0), db_column_size(q, 0));
    }
    buf_add_text(out, "]}");
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

static int quote(const char *text, struct buf *out)
{
    struct json *list = json_new_array();
    json_add_text(list, text);
    json_write(json_at(list, 0), out);
    json_free(list);
    return ERR_OK;
}

static int note_filling(struct db *db, const struct part *part, int64_t v0, struct err *err)
{
    return db_run(db, err,
                  "UPDATE incarnation SET cursor_v=?2,seen=?3,state=0 WHERE o=?1 AND scope=?4 AND "
                  "(cursor_v IS NULL OR cursor_v>?2 OR ?3-seen>60000)",
                  "iiis", part->boot->inc, v0, part->now_ms, part->station->scope);
}

static int run_boot(struct db *db, void *ctx, struct store_answer *answer, struct err *err)
{
    struct part *part = ctx;
    struct buf *out = &answer->body, next, quoted;
    int64_t v0 = 0;
    struct county_now now = {0};
    bool more = false;
    int code = find_part(db, part, part->boot->scope, part->boot->table, answer, err);
    if (code == ERR_OK)
        code = check_filling(db, part->boot, &v0, answer, err);
    if (code == ERR_OK)
        code = epoch_now(db, &now, err);
    if (code != ERR_OK)
        return code;
    buf_init(&next, 4 * LIMIT_ROW_ID_BYTES);
    buf_init(&quoted, 64 * LIMIT_ROW_ID_BYTES);
    buf_printf(out, "{\"now\":%lld,\"ep\":\"%s\",\"v\":%lld,\"v0\":%lld,\"pull\":[",
               (long long)part->now_ms, db->epoch, (long long)now.v, (long long)v0);
    if (part->sql != NULL)
        code = write_page(db, part, out, &next, &more, err);
    if (code == ERR_OK)
        code = quote(buf_text(&next), &quoted);
    buf_printf(out, "],\"next\":%s,\"more\":%d}", buf_text(&quoted), more);
    buf_free(&next);
    buf_free(&quoted);
    return code != ERR_OK ? code : note_filling(db, part, v0, err);
}

int store_boot(struct store *store, const struct store_station *station,
               const struct store_boot *boot, struct store_answer *answer, struct err *err)
{
    struct db *db = db_of(store);
    struct part part = {.station = station, .boot = boot, .now_ms = clock_wall_ms(db->clock)};
    answer->status = 200;
    return answer_in_transaction(db, true, run_boot, &part, station->scope, answer, err);
}
