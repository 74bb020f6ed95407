/* One POST /v1/sync, in one transaction: the push is staged, merged and answered, then a page is
 * pulled, then all is committed. What is wrong with the request is answered with a status and a
 * sentence and has changed nothing. The small members of the request are read strictly; the rows
 * never leave the engine, so that a poisonous row spoils itself only. */
#include "sync/county/store_sqlite.h"

#include <sqlite3.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"

struct request {
    struct json *head; /* the request without its rows */
    int64_t inc;
    const char *fp;
    int64_t rows;
    int64_t first_lseq, last_lseq;
    struct merge_args merge;
};

static int refuse(struct store_answer *answer, int status, const char *sentence)
{
    struct json *body = json_new_object();
    json_set_text(body, "error", sentence);
    if (status == 426) {
        struct json *served = json_new_array();
        json_add_int(served, PROTOCOL_SCHEMA);
        json_set(body, "sv", served);
    }
    buf_clear(&answer->body);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = status;
    return ERR_STATE;
}

/* The store's own trouble, not the request's. */
static int store_code(const struct err *err)
{
    return err->code == ERR_BUSY ? ERR_BUSY : ERR_IO;
}

static int read_head(struct db *db, const char *body, size_t size, struct request *request,
                     struct store_answer *answer, struct err *err)
{
    int64_t valid = 0;
    if (!text_utf8_valid(body, size) && memchr(body, '\0', size) != NULL)
        return refuse(answer, 400, "the body holds a zero byte");
    int code = db_int(db, &valid, err, "SELECT json_valid(?1) AND json_type(?1)='object'", "t",
                      body, size);
    if (code != ERR_OK || valid == 0)
        return refuse(answer, 400, "the body is not a JSON object");
    struct buf head;
    buf_init(&head, 65536);
    code = db_text(db, &head, err, "SELECT json_remove(?1,'$.push')", "t", body, size);
    struct err parse = {0};
    bool ok = code == ERR_OK && !head.failed &&
              json_parse(buf_text(&head), head.size, &request->head, &parse) == ERR_OK;
    buf_free(&head);
    if (code != ERR_OK)
        return code;
    return ok ? ERR_OK : refuse(answer, 400, "the members beside push are not JSON (RFC 8259)");
}

static int check_head(struct request *request, const struct store_station *station,
                      struct store_answer *answer)
{
    const struct json *head = request->head;
    if (json_int(head, "p", 0) != PROTOCOL_VERSION || json_int(head, "sv", 0) != PROTOCOL_SCHEMA)
        return refuse(answer, 426, "this county serves p 1 with sv 1 only: update the station");
    if (!text_equal(json_text(head, "station", NULL), station->scope))
        return refuse(answer, 401, "the token belongs to another station");
    request->inc = json_int(head, "inc", -1);
    request->fp = json_text(head, "fp", NULL);
    if (request->inc < 0 || request->fp == NULL || strlen(request->fp) > PROTOCOL_TOK_BYTES)
        return refuse(answer, 400, "inc (a whole number) and fp (a text) are needed");
    return ERR_OK;
}

static int check_push_form(struct db *db, const char *body, size_t size,
                           struct store_answer *answer, struct err *err)
{
    int64_t array = 0, strange = 0;
    int code = db_int(db, &array, err, "SELECT json_type(?1,'$.push') IS 'array'", "t", body, size);
    if (code == ERR_OK && array != 0)
        code =
            db_int(db, &strange, err,
                   "SELECT count(*) FROM json_each(?1,'$.push') WHERE iif(type='object',"
                   "json_type(value,'$.t') IS NOT 'text' OR json_type(value,'$.r') IS NOT 'array'"
                   ",1)",
                   "t", body, size);
    if (code != ERR_OK)
        return code;
    return array != 0 && strange == 0 ? ERR_OK
                                      : refuse(answer, 400, "push is not an array of {t, r}");
}

static int stage_rows(struct db *db, const char *body, size_t size, struct request *request,
                      struct store_answer *answer, struct err *err)
{
    /* in two steps: json_each would copy the whole table's rows for each of them */
    int code = db_run(db, err,
                      "INSERT INTO temp.part(n,t,r) SELECT key,json_extract(value,'$.t'),"
                      "json_extract(value,'$.r') FROM json_each(?1,'$.push')",
                      "t", body, size);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO temp.raw(k,t,row) SELECT row_number() OVER (ORDER BY p.n,r.key)"
                      "-1,p.t,iif(r.type='object',r.value,NULL) FROM temp.part p,json_each(p.r) r"
                      " LIMIT ?1",
                      "i", (int64_t)LIMIT_SYNC_PUSH_ROWS + 1);
    int64_t strange = 0;
    if (code == ERR_OK)
        code = db_int(db, &request->rows, err, "SELECT count(*) FROM temp.raw", "");
    if (code == ERR_OK)
        code = db_int(db, &strange, err,
                      "SELECT count(*) FROM temp.raw WHERE row IS NULL OR "
                      "json_type(row,'$.lseq') IS NOT 'integer' OR json_extract(row,'$.lseq')<1",
                      "");
    if (code == ERR_OK)
        code = db_int(db, &request->first_lseq, err,
                      "SELECT min(json_extract(row,'$.lseq')) FROM temp.raw", "");
    if (code == ERR_OK)
        code = db_int(db, &request->last_lseq, err,
                      "SELECT max(json_extract(row,'$.lseq')) FROM temp.raw", "");
    if (code != ERR_OK)
        return code;
    if (request->rows > LIMIT_SYNC_PUSH_ROWS)
        return refuse(answer, 413, "a push holds at most 1000 rows");
    if (strange > 0)
        return refuse(answer, 400, "each row of a push is an object with its lseq");
    if (request->rows > 0 && (request->inc == 0 || request->fp[0] == '\0'))
        return refuse(answer, 400, "a push needs inc and fp");
    return ERR_OK;
}

/* --- the push --- */

static int take_incarnation(struct db *db, const struct store_station *station,
                            struct request *request, struct err *err)
{
    int code = db_run(db, err, "INSERT INTO incarnation(scope,seen) VALUES(?1,?2)", "si",
                      station->scope, request->merge.now_ms);
    if (code == ERR_OK)
        request->inc = sqlite3_last_insert_rowid(db->sqlite);
    return code;
}

static int refuse_reinc(struct store_answer *answer, int64_t last)
{
    buf_clear(&answer->body);
    buf_printf(&answer->body,
               "{\"error\":\"this push repeats old numbers with new content: the station's database"
               " went back in time or was copied\",\"reinc\":{\"last\":%lld}}",
               (long long)last);
    answer->status = 409;
    return ERR_STATE;
}

/* Reasons of rows that no table takes. */
static int judge_unknown(struct db *db, const struct merge_args *args, struct err *err)
{
    int code =
        db_run(db, err,
               "INSERT INTO temp.verdict(k,lseq,kind,why) SELECT k,json_extract(row,'$.lseq'),"
               "'bad','table' FROM temp.raw WHERE NOT EXISTS(SELECT 1 FROM temp.known n WHERE"
               " n.t=raw.t)",
               "");
    if (code == ERR_OK)
        code = db_run(db, err,
                      "INSERT INTO quarantine(o,lseq,tid,row,why,at) SELECT ?1,json_extract(row,"
                      "'$.lseq'),0,substr(json_remove(row,'$.phone'),1,65536),'table',?2 FROM"
                      " temp.raw WHERE NOT EXISTS(SELECT 1 FROM temp.known n WHERE n.t=raw.t)",
                      "ii", args->origin, args->now_ms);
    return code;
}

static int write_verdicts(struct db *db, const struct request *request, struct buf *out,
                          struct err *err)
{
    buf_printf(out, "\"ack\":%lld,\"v0\":%lld,\"lost\":", (long long)request->last_lseq,
               (long long)request->merge.v0);
    int code = db_text(db, out, err,
                       "SELECT json_group_array(lseq) FROM (SELECT lseq FROM temp.verdict WHERE "
                       "kind='lost' ORDER BY k)",
                       "");
    buf_add_text(out, ",\"keep\":");
    if (code == ERR_OK)
        code = db_text(db, out, err,
                       "SELECT json_group_array(lseq) FROM (SELECT lseq FROM temp.verdict WHERE "
                       "kind='keep' ORDER BY k)",
                       "");
    buf_add_text(out, ",\"bad\":");
    if (code == ERR_OK)
        code = db_text(db, out, err,
                       "SELECT json_group_array(json_array(lseq,why)) FROM (SELECT lseq,why FROM "
                       "temp.verdict WHERE kind='bad' ORDER BY k)",
                       "");
    return code;
}

static int push_new(struct db *db, struct request *request, struct buf *out, struct err *err)
{
    struct merge_args *args = &request->merge;
    int code = merge_stage(db, args, err);
    if (code == ERR_OK)
        code = merge_take_versions(db, request->rows, args->now_ms, &args->v0, err);
    if (code == ERR_OK)
        code = merge_apply(db, args, err);
    if (code == ERR_OK)
        code = judge_unknown(db, args, err);
    struct buf verdicts;
    buf_init(&verdicts, LIMIT_ANSWER_BYTES);
    if (code == ERR_OK)
        code = write_verdicts(db, request, &verdicts, err);
    if (code == ERR_OK)
        code = db_run(db, err,
                      "UPDATE incarnation SET last_lseq=?2,prev_fp=?3,prev_reply=?4,seen=?5 WHERE "
                      "o=?1",
                      "iissi", request->inc, request->last_lseq, request->fp, buf_text(&verdicts),
                      args->now_ms);
    buf_add(out, buf_text(&verdicts), verdicts.size);
    buf_free(&verdicts);
    return code;
}

static int seen_only(struct db *db, const struct request *request, int64_t last, struct buf *out,
                     struct err *err)
{
    buf_printf(out, "\"ack\":%lld,\"v0\":0,\"lost\":[],\"keep\":[],\"bad\":[]", (long long)last);
    return db_run(db, err, "UPDATE incarnation SET seen=?2 WHERE o=?1 AND abs(?2-seen)>60000", "ii",
                  request->inc, request->merge.now_ms);
}

static int do_push(struct db *db, const struct store_station *station, struct request *request,
                   struct store_answer *answer, struct buf *out, struct err *err)
{
    if (request->inc == 0) {
        int code = take_incarnation(db, station, request, err);
        return code != ERR_OK ? code : seen_only(db, request, 0, out, err);
    }
    int64_t last = -1, same = 0;
    int code = db_int(db, &last, err, "SELECT last_lseq FROM incarnation WHERE o=?1 AND scope=?2",
                      "is", request->inc, station->scope);
    if (code != ERR_OK)
        return code;
    if (last < 0)
        return refuse_reinc(answer, 0);
    if (request->rows == 0)
        return seen_only(db, request, last, out, err);
    if (request->first_lseq > last)
        return push_new(db, request, out, err);
    code = db_int(db, &same, err, "SELECT prev_fp IS ?2 FROM incarnation WHERE o=?1", "is",
                  request->inc, request->fp);
    if (code != ERR_OK)
        return code;
    if (same == 0 || request->last_lseq != last)
        return refuse_reinc(answer, last);
    return db_text(db, out, err, "SELECT prev_reply FROM incarnation WHERE o=?1", "i",
                   request->inc);
}

/* --- the whole --- */

static int refuse_pull(struct db *db, struct store_answer *answer, int code, const struct err *why)
{
    if (code == ERR_DENIED)
        return refuse(answer, 403, why->text);
    if (code == ERR_INVALID)
        return refuse(answer, 400, why->text);
    buf_clear(&answer->body);
    buf_add_text(&answer->body, "{\"error\":\"a cursor is not of this county's database: it was "
                                "restored or replaced\",\"rewind\":{\"eps\":");
    db_text(db, &answer->body, NULL,
            "SELECT json_group_array(json_array(id,start_v)) FROM (SELECT id,start_v FROM epoch "
            "ORDER BY n)",
            "");
    buf_add_text(&answer->body, "}}");
    answer->status = 409;
    return ERR_STATE;
}

static int do_pull(struct db *db, const struct store_station *station,
                   const struct request *request, struct store_answer *answer, struct err *err)
{
    int64_t max = json_int(request->head, "max", LIMIT_SYNC_PAGE_MIN_BYTES);
    if (max < LIMIT_SYNC_PAGE_MIN_BYTES)
        max = LIMIT_SYNC_PAGE_MIN_BYTES;
    if (max > LIMIT_SYNC_PAGE_MAX_BYTES)
        max = LIMIT_SYNC_PAGE_MAX_BYTES;
    struct pull_request pull = {.station = station,
                                .cursors = json_get(request->head, "pull"),
                                .origin = request->inc,
                                .max_bytes = max};
    struct err why = {0};
    int code = pull_page(db, &pull, &answer->body, &why);
    if (code == ERR_OK)
        return ERR_OK;
    if (code == ERR_DENIED || code == ERR_INVALID || code == ERR_STATE)
        return refuse_pull(db, answer, code, &why);
    return err_set(err, code, "%s", why.text);
}

static int run_request(struct db *db, const struct store_station *station, const char *body,
                       size_t size, struct request *request, struct store_answer *answer,
                       struct err *err)
{
    int code = merge_clear(db, err);
    if (code == ERR_OK)
        code = check_push_form(db, body, size, answer, err);
    if (code == ERR_OK)
        code = stage_rows(db, body, size, request, answer, err);
    if (code != ERR_OK)
        return code;
    int64_t now_ms = request->merge.now_ms;
    struct buf verdicts;
    buf_init(&verdicts, LIMIT_ANSWER_BYTES);
    code = do_push(db, station, request, answer, &verdicts, err);
    if (code == ERR_OK) {
        buf_printf(&answer->body, "{\"now\":%lld,\"inc\":%lld,\"tok\":\"\",\"ep\":\"%s\",%s,",
                   (long long)now_ms, (long long)request->inc, db->epoch, buf_text(&verdicts));
        code = do_pull(db, station, request, answer, err);
    }
    buf_free(&verdicts);
    if (code == ERR_OK && !buf_add_text(&answer->body, "}"))
        code = err_set(err, ERR_LIMIT, "the answer is larger than %d bytes", LIMIT_ANSWER_BYTES);
    return code;
}

int sqlite_sync(struct store *store, const struct store_station *station, const char *body,
                size_t size, struct store_answer *answer, struct err *err)
{
    struct db *db = (struct db *)store;
    struct request request = {0};
    struct err mine = {0};
    int64_t now_ms = clock_wall_ms(db->clock);
    answer->status = 200;
    int code = read_head(db, body, size, &request, answer, &mine);
    if (code == ERR_OK)
        code = check_head(&request, station, answer);
    if (code == ERR_OK) {
        request.merge = (struct merge_args){.hi = LIMIT_SYNC_PUSH_ROWS,
                                            .origin = request.inc,
                                            .h_max = now_ms + LIMIT_CLOCK_AHEAD_MS,
                                            .now_ms = now_ms,
                                            .scope = station->scope};
        code = db_run(db, &mine, "BEGIN IMMEDIATE", "");
        if (code == ERR_OK) {
            code = run_request(db, station, body, size, &request, answer, &mine);
            if (code == ERR_OK)
                code = db_run(db, &mine, "COMMIT", "");
            if (code != ERR_OK)
                db_run(db, NULL, "ROLLBACK", "");
        }
    }
    json_free(request.head);
    if (code == ERR_OK || (code == ERR_STATE && answer->status != 200))
        return ERR_OK;
    return err_set(err, store_code(&mine), "sync of %s: %s", station->scope, mine.text);
}
