/* One POST /v1/sync, in one transaction: the push is staged, merged and answered, then a page is
 * pulled, then all is committed. What is wrong with the request is answered with a status and a
 * sentence and has changed nothing. The small members of the request are read strictly; the rows
 * never leave the engine, so that a poisonous row spoils itself only. */
#include "sync/county/store_sql.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"
#include "sync/rules.h"

enum { TOK_RANDOM_BYTES = 16, SEEN_EVERY_MS = 60000, NO_CURSOR = -1 };

struct request {
    struct json *head; /* the request without its rows */
    int64_t inc;
    const char *fp, *tok;
    char new_tok[2 * TOK_RANDOM_BYTES + 1]; /* to be given: a new one, or the one that counts */
    struct scopes scopes;
    const struct store_station *station;
    struct slice slice;
    struct pushed pushed;
    struct merge_args merge;
};

static int refuse(struct store_answer *answer, int status, const char *sentence)
{
    return answer_refuse(answer, status, sentence);
}

static int check_head(struct request *request, const struct store_station *station,
                      struct store_answer *answer)
{
    const struct json *head = request->head;
    int code = answer_check_head(head, station, answer);
    if (code != ERR_OK)
        return code;
    request->inc = json_int(head, "inc", -1);
    request->fp = json_text(head, "fp", NULL);
    request->tok = json_text(head, "tok", "");
    if (request->inc < 0 || request->fp == NULL || strlen(request->fp) > PROTOCOL_TOK_BYTES ||
        strlen(request->tok) > PROTOCOL_TOK_BYTES)
        return refuse(answer, 400, "inc (a whole number), fp and tok (texts) are needed");
    return ERR_OK;
}

static int read_rows(struct db *db, struct request *request, struct store_answer *answer,
                     struct err *err)
{
    const struct json *push = json_get(request->head, "push");
    int code = answer_check_rows(push, &request->slice, answer);
    if (code == ERR_OK)
        code = merge_read_push(db, push, &request->slice, &request->pushed, err);
    if (code == ERR_INVALID)
        return refuse(answer, 400, "the rows of a part are not JSON (RFC 8259)");
    if (code != ERR_OK)
        return code;
    if (request->pushed.rows > LIMIT_SYNC_PUSH_ROWS)
        return refuse(answer, 413, "a push holds at most 1000 rows");
    if (request->pushed.strange > 0)
        return refuse(answer, 400, "each row of a push is an object with its lseq");
    if (request->pushed.rows > 0 && (request->inc == 0 || request->fp[0] == '\0'))
        return refuse(answer, 400, "a push needs inc and fp");
    return ERR_OK;
}

/* --- the push --- */

static void make_token(struct db *db, struct request *request)
{
    unsigned char bytes[TOK_RANDOM_BYTES];
    rnd_fill(db->rnd, bytes, sizeof bytes);
    text_to_hex(bytes, sizeof bytes, request->new_tok);
}

/* One that gave up its old incarnation does not hold back the forgetting of tombstones. */
static int retire_old(struct db *db, const struct request *request, struct err *err)
{
    int64_t old = json_int(request->head, "old", 0);
    if (old <= 0)
        return ERR_OK;
    int code = db_run(db, err, "UPDATE incarnation SET state=1 WHERE o=?1 AND scope=?2", "is", old,
                      request->station->scope);
    char detail[128];
    snprintf(detail, sizeof detail, "%s: %lld after %lld, %.16s", request->station->scope,
             (long long)request->inc, (long long)old, json_text(request->head, "why", "new"));
    log_warn("county.incarnation", "station=%s inc=%lld old=%lld", request->station->scope,
             (long long)request->inc, (long long)old);
    return code != ERR_OK ? code
                          : db_run(db, err, "INSERT INTO audit(at,what,detail) VALUES(?1,?2,?3)",
                                   "iss", request->merge.now_ms, "incarnation", detail);
}

/* Where the station is, for the forgetting of tombstones; NO_CURSOR: it does not say. */
static int64_t lowest_cursor(const struct request *request)
{
    int64_t lowest = NO_CURSOR;
    for (size_t i = 0; i < request->scopes.count; i++) {
        const struct scope_cursor *scope = &request->scopes.at[i];
        if (scope->asked && (lowest == NO_CURSOR || scope->v < lowest))
            lowest = scope->v;
    }
    return lowest;
}

static int take_incarnation(struct db *db, struct request *request, struct err *err)
{
    make_token(db, request);
    int code = db_int(db, &request->inc, err,
                      "INSERT INTO incarnation(scope,seen,tok,cursor_v) "
                      "VALUES(?1,?2,?3,nullif(?4,-1)) RETURNING o",
                      "sisi", request->station->scope, request->merge.now_ms, request->new_tok,
                      lowest_cursor(request));
    return code != ERR_OK ? code : retire_old(db, request, err);
}

static int refuse_reinc(struct store_answer *answer, int64_t last, const char *why)
{
    buf_clear(&answer->body);
    buf_printf(&answer->body,
               "{\"error\":\"the station's database went back in time or was copied: it needs a "
               "new incarnation\",\"reinc\":{\"last\":%lld,\"why\":\"%s\"}}",
               (long long)last, why);
    answer->status = 409;
    return ERR_STATE;
}

/* Reasons of rows that no table takes. */
static int judge_unknown(struct db *db, const struct merge_args *args, struct err *err)
{
    int code = db_run(db, err,
                      "INSERT INTO verdict(k,lseq,kind,why) SELECT k,lseq,'bad','table' FROM raw "
                      "WHERE NOT EXISTS(SELECT 1 FROM known n WHERE n.t=raw.t)",
                      "");
    db->told = db->told || db_changes(db) > 0;
    if (code == ERR_OK && db_changes(db) > 0)
        code =
            db_run(db, err,
                   "INSERT INTO quarantine(o,lseq,tid,t,row,why,at) SELECT ?1,lseq,0,t,"
                   "substr(" WITHOUT_PHONE("row") ",1,65536),'table',?2 FROM raw WHERE NOT "
                                                  "EXISTS(SELECT 1 FROM known n WHERE n.t=raw.t)",
                   "ii", args->origin, args->now_ms);
    return code;
}

static const char NO_VERDICTS[] = ",\"lost\":[],\"keep\":[],\"bad\":[]";

/* `why` of a row that lost: its groups that did not. */
static int write_verdicts(struct db *db, const struct request *request, struct buf *out,
                          struct err *err)
{
    static const char *const NAMES[] = {"lost", "keep", "bad", "won"};
    buf_printf(out, "\"ack\":%lld,\"v0\":%lld", (long long)request->pushed.last_lseq,
               (long long)request->merge.v0);
    if (!db->told) {
        buf_add_text(out, NO_VERDICTS);
        return ERR_OK;
    }
    struct db_query *q = db_query(
        db, err,
        "SELECT " JSON_LIST "(lseq) FILTER (WHERE kind='lost')" JSON_LIST_END "," JSON_LIST
        "(lseq) FILTER (WHERE kind='keep')" JSON_LIST_END "," JSON_LIST "(" JSON_ARRAY
        "(lseq,why)) FILTER (WHERE kind='bad')" JSON_LIST_END "," JSON_LIST "(" JSON_ARRAY
        "(lseq,CAST(why AS INTEGER))) FILTER (WHERE kind='lost' AND why IS NOT NULL)" JSON_LIST_END
        " FROM (SELECT * FROM verdict ORDER BY k) AS o",
        "");
    if (q == NULL || db_step(q, err) <= 0)
        return err != NULL ? err->code : ERR_IO;
    for (int i = 0; i < 4; i++)
        if (i < 3 || strcmp(db_column_text(q, i), "[]") != 0)
            buf_printf(out, ",\"%s\":%s", NAMES[i], db_column_text(q, i));
    db_reset(q);
    return ERR_OK;
}

static int keep_verdicts(struct db *db, struct request *request, const struct buf *verdicts,
                         struct err *err)
{
    make_token(db, request);
    return db_run(db, err,
                  "UPDATE incarnation SET last_lseq=?2,prev_fp=?3,prev_reply=?4,seen=?5,state=0,"
                  "prev_tok=coalesce(tok,''),tok=?6,cursor_v=coalesce(nullif(?7,-1),cursor_v) "
                  "WHERE o=?1",
                  "iissisi", request->inc, request->pushed.last_lseq, request->fp,
                  buf_text(verdicts), request->merge.now_ms, request->new_tok,
                  lowest_cursor(request));
}

static int push_new(struct db *db, struct request *request, struct buf *out, struct err *err)
{
    struct merge_args *args = &request->merge;
    int code = merge_stage(db, args, err);
    if (code == ERR_OK)
        code = merge_take_versions(db, request->pushed.rows, args->now_ms, &args->v0, err);
    if (code == ERR_OK)
        code = merge_apply(db, args, err);
    if (code == ERR_OK && db->unknown)
        code = judge_unknown(db, args, err);
    struct buf verdicts;
    buf_init(&verdicts, LIMIT_ANSWER_BYTES);
    if (code == ERR_OK)
        code = write_verdicts(db, request, &verdicts, err);
    if (code == ERR_OK)
        code = keep_verdicts(db, request, &verdicts, err);
    buf_add(out, buf_text(&verdicts), verdicts.size);
    buf_free(&verdicts);
    return code;
}

static void write_nothing_pushed(int64_t last, struct buf *out)
{
    buf_printf(out, "\"ack\":%lld,\"v0\":0%s", (long long)last, NO_VERDICTS);
}

/* What the county remembers of an incarnation. */
struct life {
    int64_t last;
    bool known, current, previous; /* the token of the request is so */
    bool tokenless;                /* of an older county, which gave none */
    bool repeated;                 /* its push is the last one */
    bool seen;                     /* lately, and not before where it is now */
};

#define LIFE                                                                                       \
    "SELECT last_lseq,coalesce(tok,'')=?3,prev_tok IS NOT DISTINCT FROM ?3,prev_fp IS NOT "        \
    "DISTINCT FROM ?4 AND last_lseq=?5,state=0 AND cursor_v IS NOT NULL AND abs(?6-seen)<=?7 AND " \
    "?8>=cursor_v,coalesce(tok,'') FROM incarnation WHERE o=?1 AND scope=?2"

/* A poll does not lock, and so writes nothing: its page ends at a version that was read before. If
 * the token counts still, no push of this incarnation had ended by then. */
static int read_life(struct db *db, struct request *request, struct life *ret, struct err *err)
{
    struct db_query *q = db_query(db, err, request->pushed.rows > 0 ? LIFE "${| FOR UPDATE}" : LIFE,
                                  "isssiiii", request->inc, request->station->scope, request->tok,
                                  request->fp, request->pushed.last_lseq, request->merge.now_ms,
                                  (int64_t)SEEN_EVERY_MS, lowest_cursor(request));
    int rc = q != NULL ? db_step(q, err) : -1;
    *ret = (struct life){.known = rc > 0};
    if (rc > 0) {
        ret->last = db_column_int(q, 0);
        ret->current = db_column_int(q, 1) != 0;
        ret->previous = db_column_int(q, 2) != 0;
        ret->tokenless = ret->current && request->tok[0] == '\0';
        ret->repeated = request->pushed.rows > 0 && db_column_int(q, 3) != 0;
        ret->seen = db_column_int(q, 4) != 0;
        text_copy(request->new_tok, sizeof request->new_tok, db_column_text(q, 5));
        db_reset(q);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

/* Not with each poll. */
static int note_seen(struct db *db, const struct request *request, const struct life *life,
                     struct err *err)
{
    int64_t lowest = lowest_cursor(request);
    if (life->seen || lowest == NO_CURSOR)
        return ERR_OK;
    return db_run(db, err, "UPDATE incarnation SET seen=?2,cursor_v=?3,state=0 WHERE o=?1", "iii",
                  request->inc, request->merge.now_ms, lowest);
}

static int give_again(struct db *db, const struct request *request, struct buf *out,
                      struct err *err)
{
    return db_text(db, out, err, "SELECT prev_reply FROM incarnation WHERE o=?1", "i",
                   request->inc);
}

/* Of an incarnation that is known, by its token. */
static int push_of_life(struct db *db, struct request *request, const struct life *life,
                        struct store_answer *answer, struct buf *out, struct err *err)
{
    bool lax = (db->without & WITHOUT_TOKEN) != 0;
    if (life->repeated && (life->tokenless || life->previous || lax)) {
        int code = note_seen(db, request, life, err);
        return code != ERR_OK ? code : give_again(db, request, out, err);
    }
    bool beside = request->pushed.rows == 0 && (db->without & WITHOUT_PULLINFLIGHT) != 0;
    if (!life->current && !lax && !(beside && life->previous))
        return refuse_reinc(answer, life->last, "token");
    if (request->pushed.rows == 0) {
        write_nothing_pushed(life->last, out);
        return note_seen(db, request, life, err);
    }
    if (request->pushed.first_lseq <= life->last && !lax)
        return refuse_reinc(answer, life->last, "numbers");
    return push_new(db, request, out, err);
}

/* The token first: a push is new, a repetition, or of a database that is not the one we know. */
static int do_push(struct db *db, struct request *request, struct store_answer *answer,
                   struct buf *out, struct err *err)
{
    struct life life;
    if (request->inc == 0) {
        int code = take_incarnation(db, request, err);
        write_nothing_pushed(0, out);
        return code;
    }
    int code = read_life(db, request, &life, err);
    if (code != ERR_OK)
        return code;
    if (!life.known)
        return refuse_reinc(answer, 0, "unknown");
    return push_of_life(db, request, &life, answer, out, err);
}

/* --- the whole --- */

static int write_envelope(struct db *db, const struct request *request, struct buf *out,
                          struct err *err)
{
    bool other = false;
    int code = ERR_OK;
    buf_printf(out, "{\"now\":%lld,\"inc\":%lld,\"tok\":\"%s\",\"ep\":\"%s\",",
               (long long)request->merge.now_ms, (long long)request->inc, request->new_tok,
               db->epoch);
    for (size_t i = 0; i < request->scopes.count; i++)
        other = other || (request->scopes.at[i].asked &&
                          strcmp(request->scopes.at[i].epoch, db->epoch) != 0);
    if (other || json_int(request->head, "inc", 0) == 0) {
        buf_add_text(out, "\"eps\":");
        code = epoch_write(db, out, err);
        buf_add_text(out, ",");
    }
    scopes_write(&request->scopes, out);
    return code;
}

/* The highest version that the station was ever told of is checked like a cursor: it may have rows
 * and verdicts of a life of this database that none of its cursors has reached. */
static int check_seen(struct db *db, const struct request *request, struct store_answer *answer,
                      struct err *err)
{
    const struct json *seen = json_get(request->head, "seen");
    const char *epoch = json_as_text(json_at(seen, 0), NULL);
    int64_t v = json_as_int(json_at(seen, 1), -1);
    bool good = true;
    if (seen == NULL || (db->without & WITHOUT_EPOCH) != 0)
        return ERR_OK;
    if (json_count(seen) != 2 || epoch == NULL || strlen(epoch) > PROTOCOL_EPOCH_BYTES || v < 0)
        return refuse(answer, 400, "seen is [epoch, v]");
    int code = epoch_check_by(db, &request->scopes.now, epoch, v, &good, err);
    return code == ERR_OK && !good ? epoch_refuse(db, answer, err) : code;
}

static int64_t page_bytes(const struct db *db, const struct request *request)
{
    int64_t max = json_int(request->head, "max", LIMIT_SYNC_PAGE_MIN_BYTES);
    if (db->page_bytes > 0)
        return db->page_bytes;
    if (max < LIMIT_SYNC_PAGE_MIN_BYTES)
        return LIMIT_SYNC_PAGE_MIN_BYTES;
    return max < LIMIT_SYNC_PAGE_MAX_BYTES ? max : LIMIT_SYNC_PAGE_MAX_BYTES;
}

static int write_answer(struct db *db, const struct request *request, const struct buf *verdicts,
                        struct buf *out, struct err *err)
{
    struct pull_request pull = {.scopes = &request->scopes,
                                .origin = request->inc,
                                .now = request->scopes.now,
                                .max_bytes = page_bytes(db, request)};
    struct county_now later = pull.now;
    int code = request->pushed.rows > 0 ? epoch_now(db, &later, err) : ERR_OK;
    pull.now.v = later.v;
    if (code == ERR_OK)
        code = write_envelope(db, request, out, err);
    buf_printf(out, ",\"v\":%lld,%s,", (long long)pull.now.v, buf_text(verdicts));
    if (code == ERR_OK)
        code = pull_page(db, &pull, out, err);
    buf_printf(out, ",\"purge\":%lld}", (long long)pull.now.purged);
    return code;
}

static int run_request(struct db *db, void *ctx, struct store_answer *answer, struct err *err)
{
    struct request *request = ctx;
    request->inc = json_int(request->head, "inc", 0);
    request->pushed = (struct pushed){0};
    int code = request->slice.count > 0 ? merge_clear(db, err) : ERR_OK;
    if (code == ERR_OK)
        code = read_rows(db, request, answer, err);
    if (code == ERR_OK)
        code = scopes_read(db, request->station, &request->scopes, err);
    if (code == ERR_OK)
        code = scopes_ask(db, &request->scopes, json_get(request->head, "pull"), answer, err);
    if (code == ERR_OK)
        code = check_seen(db, request, answer, err);
    if (code != ERR_OK)
        return code;
    struct buf verdicts;
    buf_init(&verdicts, LIMIT_ANSWER_BYTES);
    code = do_push(db, request, answer, &verdicts, err);
    if (code == ERR_OK)
        code = write_answer(db, request, &verdicts, &answer->body, err);
    buf_free(&verdicts);
    return code;
}

int store_sync(struct store *store, const struct store_station *station, const char *body,
               size_t size, struct store_answer *answer, struct err *err)
{
    struct db *db = (struct db *)store;
    struct request request = {.station = station};
    int64_t now_ms = clock_wall_ms(db->clock);
    answer->status = 200;
    int code = answer_read_head(body, size, "push", &request.slice, &request.head, answer);
    if (code == ERR_OK)
        code = check_head(&request, station, answer);
    if (code == ERR_OK) {
        request.merge = (struct merge_args){.hi = LIMIT_SYNC_PUSH_ROWS,
                                            .origin = request.inc,
                                            .h_max = now_ms + LIMIT_CLOCK_AHEAD_MS,
                                            .now_ms = now_ms,
                                            .scope = station->scope};
        code = answer_in_transaction(db, false, run_request, &request, station->scope, answer, err);
    }
    json_free(request.head);
    return code == ERR_STATE && answer->status != 200 ? ERR_OK : code;
}
