/* Lives of the county's database. Each start of the server is an epoch, and so is an import while
 * none runs: the versions that it gives may be above those of a life that was lost. A cursor of an
 * epoch that is not known, or beyond the epoch's end, tells that the database came back from a
 * backup. Its stations then give back what was forgotten (sync/PROTOCOL.md 7).
 *
 * An epoch's versions are above its first_v, which is the clock when it began and so above all that
 * a lost life after its start_v can have given: a version between the two is one of a lost life.
 * `regained` keeps for each group up to which such version its value includes that life (hv), and
 * at which version it came back unchanged (v); so a change made in the lost life, on whatever
 * version, is told to be later or concurrent as if that life went on. `replaced` keeps what changes
 * of this life have overwritten, so that a station that still has it is not taken for one with
 * news. When the database comes back a second time before all stations have heard of the first, two
 * lives are lost of which neither knows the other's values: stations tell of the epochs that they
 * have seen (lost_epoch), and versions of different lives are concurrent then. A value that the
 * second of them had from the first keeps the version of the first, and bv is one of the second. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/store_sql.h"
#include "sync/protocol.h"
#include "sync/rules.h"

static const int64_t DAY_MS = INT64_C(86400000);

enum { EPOCH_MARGIN_US = 1000 };

/* What changes when the server behind the connection, or its database, is another one than before:
 * one that was restored, or a standby that became the primary and may lack the last commits. Each
 * is a new life, as a start of this program is. */
static const char LIFE[] =
    "SELECT ${''|pg_postmaster_start_time()::text||' '||'touyan.epoch'::regclass::oid||' '||"
    "substr(pg_walfile_name(pg_current_wal_lsn()),1,8)}";

/* All versions to come are above what the clock says now, and so above those of any life before. */
static int add_epoch(struct db *db, const char *life, struct err *err)
{
    unsigned char bytes[8];
    char id[2 * sizeof bytes + 1];
    rnd_fill(db->rnd, bytes, sizeof bytes);
    text_to_hex(bytes, sizeof bytes, id);
    bool count = (db->without & WITHOUT_VCOUNTER) != 0;
    int64_t now_ms = clock_wall_ms(db->clock);
    int64_t now_v = count ? 0 : now_ms * 1000 + EPOCH_MARGIN_US;
    int code = db_run(db, err,
                      "INSERT INTO epoch(id,start_v,first_v,at,life) SELECT "
                      "?1,v,${max|greatest}(v,?3),?2,?4 FROM ctr",
                      "siis", id, now_ms, now_v, life);
    return code != ERR_OK ? code
                          : db_run(db, err, "UPDATE ctr SET v=${max|greatest}(v,?1)", "i", now_v);
}

static int is_known(struct db *db, const char *life, int64_t *ret, struct err *err)
{
    return db_int(db, ret, err,
                  "SELECT count(*) FROM epoch WHERE n=(SELECT max(n) FROM epoch) AND "
                  "coalesce(life,'')=?1",
                  "s", life);
}

/* Several connections find the new life at the same time: the first one writes it down. */
static int add_epoch_once(struct db *db, bool new_epoch, const char *life, struct err *err)
{
    int64_t known = 0;
    int code = db_begin(db, false, err);
    if (code != ERR_OK)
        return code;
    code = merge_lock(db, err);
    if (code == ERR_OK && !new_epoch)
        code = is_known(db, life, &known, err);
    if (code == ERR_OK && known == 0)
        code = add_epoch(db, life, err);
    return db_end(db, code, err);
}

int epoch_take(struct db *db, bool new_epoch, struct err *err)
{
    int64_t known = 0;
    struct county_now now;
    struct buf life;
    buf_init(&life, 256);
    int code = db_text(db, &life, err, LIFE, "");
    if (code == ERR_OK)
        code = is_known(db, buf_text(&life), &known, err);
    if (code == ERR_OK && (new_epoch || known == 0))
        code = add_epoch_once(db, new_epoch, buf_text(&life), err);
    buf_free(&life);
    return code != ERR_OK ? code : epoch_now(db, &now, err);
}

int epoch_now(struct db *db, struct county_now *ret, struct err *err)
{
    struct db_query *q = db_query(
        db, err, "SELECT v,purge_v,(SELECT id FROM epoch ORDER BY n DESC LIMIT 1) FROM ctr", "");
    if (q == NULL || db_step(q, err) <= 0)
        return err != NULL ? err->code : ERR_IO;
    *ret = (struct county_now){db_column_int(q, 0), db_column_int(q, 1)};
    text_copy(db->epoch, sizeof db->epoch, db_column_text(q, 2));
    db_reset(q);
    return ERR_OK;
}

int epoch_check(struct db *db, const char *epoch, int64_t v, bool *ret_good, struct err *err)
{
    int64_t good = v == 0 && epoch[0] == '\0';
    int code = ERR_OK;
    if (good == 0)
        code = db_int(db, &good, err,
                      "SELECT ?2<=coalesce((SELECT start_v FROM epoch n WHERE n.n>e.n ORDER BY n.n "
                      "LIMIT 1),(SELECT v FROM ctr)) FROM epoch e WHERE e.id=?1",
                      "si", epoch, v);
    *ret_good = good != 0;
    return code;
}

int epoch_check_by(struct db *db, const struct county_now *now, const char *epoch, int64_t v,
                   bool *ret_good, struct err *err)
{
    if (strcmp(epoch, db->epoch) != 0)
        return epoch_check(db, epoch, v, ret_good, err);
    *ret_good = v <= now->v;
    return ERR_OK;
}

int epoch_write(struct db *db, struct buf *out, struct err *err)
{
    return db_text(
        db, out, err,
        "SELECT " JSON_LIST "(" JSON_ARRAY "(id,start_v,first_v))" JSON_LIST_END
        " FROM (SELECT * FROM (SELECT n,id,start_v,first_v FROM epoch ORDER BY n DESC LIMIT ?1) "
        "AS o ORDER BY n) AS p",
        "i", (int64_t)LIMIT_EPOCHS_NAMED);
}

int epoch_refuse(struct db *db, struct store_answer *answer, struct err *err)
{
    buf_clear(&answer->body);
    buf_add_text(&answer->body, "{\"error\":\"a cursor is not of this county's database: it was "
                                "restored or replaced\",\"rewind\":{\"eps\":");
    int code = epoch_write(db, &answer->body, err);
    buf_add_text(&answer->body, "}}");
    answer->status = 409;
    return code != ERR_OK ? code : ERR_STATE;
}

/* --- giving back --- */

struct giveback {
    struct json *head;
    const struct store_station *station;
    struct slice slice;
    int64_t f, rows, taken;
    bool newest; /* the common epoch is the one that runs */
    struct merge_args merge;
};

/* Everything above f was forgotten: the start of the epoch after the last common one, or of that
 * one itself when it is the newest; or what the station says, when its own life left ours earlier.
 */
static int find_fork(struct db *db, struct giveback *give, struct store_answer *answer,
                     struct err *err)
{
    const char *common = json_text(give->head, "common", NULL);
    if (common == NULL)
        return answer_refuse(answer, 400, "common (an epoch, or \"\") is needed");
    struct db_query *q = db_query(
        db, err,
        "SELECT start_v,at,first_v,iif(id=?1,1,0) FROM epoch WHERE n=coalesce("
        "(SELECT min(n) FROM epoch WHERE n>(SELECT n FROM epoch WHERE id=?1)),"
        "(SELECT n FROM epoch WHERE id=?1),"
        "iif(?1='',(SELECT min(n) FROM (SELECT n FROM epoch ORDER BY n DESC LIMIT ?2) AS o),"
        "NULL))",
        "si", common, (int64_t)LIMIT_EPOCHS_NAMED);
    int rc = q != NULL ? db_step(q, err) : -1;
    if (rc < 0)
        return err != NULL ? err->code : ERR_IO;
    if (rc == 0) /* it came back once more, from before that one */
        return epoch_refuse(db, answer, err);
    give->f = db_column_int(q, 0);
    give->merge.upto = db_column_int(q, 2);
    int64_t began_ms = db_column_int(q, 1);
    give->newest = db_column_int(q, 3) != 0;
    db_reset(q);
    if (common[0] != '\0' && give->merge.now_ms - began_ms > LIMIT_SALVAGE_DAYS * DAY_MS)
        return answer_refuse(answer, 410, "that epoch began more than 35 days ago");
    int64_t said = json_int(give->head, "f", give->f);
    give->f = said >= 0 && said < give->f ? said : give->f;
    return ERR_OK;
}

/* Epochs of lives that this database knows nothing of: what was given in them may have versions
 * above those of another life that was lost before. */
static int learn_epochs(struct db *db, const struct giveback *give, struct store_answer *answer,
                        struct err *err)
{
    const struct json *eps = json_get(give->head, "eps");
    int code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < json_count(eps) && i < LIMIT_EPOCHS_NAMED; i++) {
        const struct json *one = json_at(eps, i);
        const char *id = json_as_text(json_at(one, 0), "");
        int64_t start_v = json_as_int(json_at(one, 1), -1);
        int64_t first_v = json_as_int(json_at(one, 2), -1);
        if (id[0] == '\0' || strlen(id) > PROTOCOL_EPOCH_BYTES || start_v < 0 || first_v < 0)
            return answer_refuse(answer, 400, "each of eps is [epoch, start, first]");
        code =
            db_run(db, err,
                   "INSERT INTO lost_epoch(id,start_v,first_v,at) SELECT ?1,?2,?3,?4 WHERE NOT "
                   "EXISTS(SELECT 1 FROM epoch WHERE id=?1) AND (SELECT count(*) FROM "
                   "lost_epoch)<?5 ON CONFLICT(${|county,}id) DO NOTHING",
                   "siiii", id, start_v, first_v, give->merge.now_ms, (int64_t)LIMIT_EPOCHS_LOST);
    }
    return code;
}

/* A row given back is a change of its groups on the version that the station knew. */
static int stage(struct db *db, struct giveback *give, struct store_answer *answer, struct err *err)
{
    int64_t strange = 0;
    const struct json *parts = json_get(give->head, "rows");
    int code = answer_check_rows(parts, &give->slice, answer);
    if (code == ERR_OK)
        code = merge_clear(db, err);
    if (code == ERR_OK)
        code = merge_read(db, parts, &give->slice, &give->rows, err);
    if (code == ERR_INVALID)
        return answer_refuse(answer, 400, "the rows of a part are not JSON (RFC 8259)");
    if (code == ERR_OK)
        code = db_int(db, &strange, err,
                      "SELECT count(*) FROM raw WHERE row IS NULL OR "
                      "${json_type(row,'$._v') IS NOT 'integer'|int_of(row->>'_v') IS NULL}",
                      "");
    if (code == ERR_OK && strange != 0)
        return answer_refuse(answer, 400, "each row is an object with its _v");
    if (code == ERR_OK && give->rows > LIMIT_SYNC_PUSH_ROWS)
        return answer_refuse(answer, 413, "at most 1000 rows are given back at a time");
    if (code == ERR_OK)
        code = db_run(
            db, err,
            "UPDATE raw SET lseq=1,row=${json_set(row,'$.base',json_extract(row,'$._v'),'$.h',"
            "json_extract(row,'$._v'),'$.gm',coalesce(json_extract(row,'$.gm'),"
            "(SELECT n.gm+128 FROM known n WHERE n.t=raw.t)),'$._del',"
            "coalesce(json_extract(row,'$._del'),0))|json_with(row,"
            "json_build_object('base',row->'_v','h',row->'_v','gm',"
            "coalesce(int_of(row->>'gm'),(SELECT n.gm+128 FROM known n WHERE n.t=raw.t))"
            ",'_del',coalesce(int_of(row->>'_del'),0)))}",
            "");
    return code;
}

static int name_visible(struct db *db, const struct store_station *station, struct err *err)
{
    struct scopes scopes;
    int code = scopes_read(db, station, &scopes, err);
    if (code == ERR_OK)
        code = db_run(db, err, "${DELETE FROM|TRUNCATE} visible", "");
    for (size_t i = 0; code == ERR_OK && i < scopes.count; i++)
        if (scopes.at[i].granted)
            code = db_run(db, err, "INSERT INTO visible VALUES(?1)", "s", scopes.at[i].name);
    return code;
}

/* A county whose clock is behind after the restore: its versions go on above those of the life that
 * was lost, so that none means two things. */
static int rise_above(struct db *db, struct giveback *give, struct err *err)
{
    int64_t highest = 0, last = 0;
    int code = db_int(db, &highest, err,
                      "SELECT max(v) FROM (SELECT ${json_extract(row,'$._v')|int_of(row->>'_v')} "
                      "AS v FROM raw) AS o WHERE v<=?1",
                      "i", LIMIT_VERSION);
    if (give->merge.upto < highest)
        give->merge.upto = highest;
    if (code == ERR_OK)
        code = db_int(db, &last, err, "SELECT v FROM ctr", "");
    if (code != ERR_OK || highest <= last)
        return code;
    code = db_run(db, err, "UPDATE ctr SET v=?1", "i", highest);
    return code != ERR_OK
               ? code
               : db_run(db, err, "UPDATE epoch SET first_v=?1 WHERE n=(SELECT max(n) FROM epoch)",
                        "i", highest);
}

/* Who knows the epoch that runs has rows of it, too. That is no lost life: a version that this one
 * has given is known, and does not tell which of those before it are. */
static int drop_known(struct db *db, const struct giveback *give, struct err *err)
{
    return !give->newest ? ERR_OK
                         : db_run(db, err,
                                  "DELETE FROM raw WHERE ${json_extract(row,'$._v')|int_of(row->>"
                                  "'_v')}>(SELECT first_v FROM epoch ORDER BY n DESC LIMIT 1)",
                                  "");
}

static int merge(struct db *db, struct giveback *give, struct err *err)
{
    struct merge_args *args = &give->merge;
    int code = name_visible(db, give->station, err);
    if (code == ERR_OK)
        code = rise_above(db, give, err);
    if (code == ERR_OK)
        code = drop_known(db, give, err);
    if (code == ERR_OK)
        code = merge_stage(db, args, err);
    if (code == ERR_OK)
        code = merge_take_versions(db, give->rows, args->now_ms, &args->v0, err);
    if (code == ERR_OK)
        code = merge_apply(db, args, err);
    for (int i = 0; code == ERR_OK && i < db->table_count; i++) {
        int64_t taken = 0;
        if (!db->tables[i].staged)
            continue;
        code = db_int(db, &taken, err, db->tables[i].taken, "");
        give->taken += taken;
    }
    return code;
}

static int write_answer(struct db *db, const struct giveback *give, struct buf *out,
                        struct err *err)
{
    int64_t bad = 0;
    int code = db_int(db, &bad, err,
                      "SELECT count(*) FROM raw WHERE k IN(SELECT k FROM verdict WHERE "
                      "kind='bad') OR NOT EXISTS(SELECT 1 FROM known n WHERE n.t=raw.t)",
                      "");
    buf_printf(out, "{\"now\":%lld,\"f\":%lld,\"taken\":%lld,\"kept\":%lld,\"bad\":",
               (long long)give->merge.now_ms, (long long)give->f, (long long)give->taken,
               (long long)(give->rows - give->taken - bad));
    if (code == ERR_OK)
        code = db_text(
            db, out, err,
            "SELECT " JSON_LIST "(" JSON_ARRAY "(iif(text_ok(id),id,'?'),why))" JSON_LIST_END
            " FROM (SELECT ${CAST(json_extract(r.row,'$.id') AS TEXT)|r.row->>'id'} AS id,"
            "coalesce(v.why,'table') AS why FROM raw r LEFT JOIN verdict v ON v.k=r.k AND "
            "v.kind='bad' WHERE v.k IS NOT NULL OR NOT EXISTS(SELECT 1 FROM known n WHERE "
            "n.t=r.t) ORDER BY r.k) AS o",
            "");
    buf_add_text(out, "}");
    return code;
}

static int audit(struct db *db, const struct giveback *give, struct err *err)
{
    char detail[160];
    snprintf(detail, sizeof detail, "%s: %lld of %lld rows above %lld%s", give->station->scope,
             (long long)give->taken, (long long)give->rows, (long long)give->f,
             json_int(give->head, "done", 0) != 0 ? ", done" : "");
    log_warn("county.giveback", "station=%s taken=%lld rows=%lld f=%lld", give->station->scope,
             (long long)give->taken, (long long)give->rows, (long long)give->f);
    return db_audit(db, "giveback", detail, err);
}

static int run_giveback(struct db *db, void *ctx, struct store_answer *answer, struct err *err)
{
    struct giveback *give = ctx;
    give->taken = 0;
    int code = find_fork(db, give, answer, err);
    if (code == ERR_OK)
        code = stage(db, give, answer, err);
    give->merge.f = give->f;
    if (code == ERR_OK)
        code = learn_epochs(db, give, answer, err);
    if (code == ERR_OK && give->rows > 0 && (db->without & WITHOUT_SALVAGE) == 0)
        code = merge(db, give, err);
    if (code == ERR_OK)
        code = write_answer(db, give, &answer->body, err);
    return code != ERR_OK ? code : audit(db, give, err);
}

int store_giveback(struct store *store, const struct store_station *station, const char *body,
                   size_t size, struct store_answer *answer, struct err *err)
{
    struct db *db = db_of(store);
    int64_t now_ms = clock_wall_ms(db->clock);
    struct giveback give = {.station = station};
    give.merge = (struct merge_args){.hi = LIMIT_SYNC_PUSH_ROWS,
                                     .h_max = now_ms,
                                     .county = true,
                                     .now_ms = now_ms,
                                     .scope = station->scope,
                                     .give = true};
    answer->status = 200;
    int code = answer_read_head(body, size, "rows", &give.slice, &give.head, answer);
    if (code == ERR_OK)
        code = answer_check_head(give.head, station, answer);
    if (code == ERR_OK)
        code = answer_in_transaction(db, false, run_giveback, &give, station->scope, answer, err);
    json_free(give.head);
    return code == ERR_STATE && answer->status != 200 ? ERR_OK : code;
}
