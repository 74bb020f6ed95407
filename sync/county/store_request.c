/* What the requests of stations have in common: reading the small members strictly, refusing with a
 * status and a sentence, and one transaction around it all, so that a refusal has changed nothing.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/county/store_parts.h"
#include "sync/protocol.h"
#include "sync/replica/seal.h"

enum { HEAD_BYTES_MAX = 262144 };

int answer_refuse(struct store_answer *answer, int status, const char *sentence)
{
    struct json *body = json_new_object();
    json_set_text(body, "error", sentence);
    if (status == 426) {
        struct json *served = json_new_array();
        for (int sv = PROTOCOL_SCHEMA_OLDEST; sv <= PROTOCOL_SCHEMA; sv++)
            json_add_int(served, sv);
        json_set(body, "sv", served);
    }
    buf_clear(&answer->body);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = status;
    return ERR_STATE;
}

int answer_read_head(const char *body, size_t size, const char *rows, struct slice *ret_rows,
                     struct json **ret, struct store_answer *answer)
{
    struct buf head;
    struct err parse = {0};
    if (memchr(body, '\0', size) != NULL)
        return answer_refuse(answer, 400, "the body holds a zero byte");
    buf_init(&head, HEAD_BYTES_MAX);
    bool few = true;
    if (rows != NULL)
        few = slice_body(body, size, rows, ret_rows, &head);
    else
        buf_add(&head, body, size);
    bool ok = !head.failed && json_parse(buf_text(&head), head.size, ret, &parse) == ERR_OK;
    buf_free(&head);
    if (!few)
        return answer_refuse(answer, 413, "at most 64 parts of rows are taken at a time");
    if (!ok || !json_holds_object(*ret))
        return answer_refuse(answer, 400, "the body is not a JSON object (RFC 8259)");
    return ERR_OK;
}

void answer_add_row(struct db *db, struct db_query *query, int at, struct buf *out)
{
    char clear[LIMIT_SEALED_PHONE_BYTES];
    const char *sealed = db_column_text(query, at + 1);
    buf_add(out, db_column_text(query, at), db_column_size(query, at));
    if (sealed == NULL || out->failed || !seal_open_text(db->seal, sealed, clear, sizeof clear))
        return;
    struct json *phone = json_new_object();
    json_set_text(phone, "phone", clear);
    struct buf text;
    buf_init(&text, 8 * sizeof clear);
    json_write(phone, &text); /* {"phone":...} */
    out->size--;
    buf_add_text(out, ",");
    buf_add_text(out, buf_text(&text) + 1);
    buf_free(&text);
    json_free(phone);
}

int answer_check_rows(const struct json *parts, const struct slice *rows,
                      struct store_answer *answer)
{
    bool ok = json_holds_array(parts) && json_count(parts) == rows->count;
    for (size_t i = 0; ok && i < rows->count; i++)
        ok = json_text(json_at(parts, i), "t", NULL) != NULL;
    return ok ? ERR_OK : answer_refuse(answer, 400, "the rows are not an array of {t, r}");
}

int answer_check_head(const struct json *head, const struct store_station *station,
                      struct store_answer *answer)
{
    int64_t sv = json_int(head, "sv", -1);
    if (json_int(head, "p", 0) != PROTOCOL_VERSION || sv < PROTOCOL_SCHEMA_OLDEST ||
        sv > PROTOCOL_SCHEMA)
        return answer_refuse(answer, 426,
                             "this county does not serve this protocol or schema: update the older "
                             "of the two");
    if (!text_equal(json_text(head, "station", NULL), station->scope))
        return answer_refuse(answer, 401, "the token belongs to another station");
    return ERR_OK;
}

/* The store's own trouble, not the request's. */
static int store_code(int code)
{
    return code == ERR_BUSY ? ERR_BUSY : ERR_IO;
}

static int try_once(struct db *db, bool snapshot, db_work *work, void *ctx,
                    struct store_answer *answer, struct err *err)
{
    int code = db_begin(db, snapshot, err);
    if (code != ERR_OK)
        return code;
    buf_clear(&answer->body);
    code = work(db, ctx, answer, err);
    if (code == ERR_OK && answer->body.failed)
        code = err_set(err, ERR_LIMIT, "the answer is larger than %d bytes", LIMIT_ANSWER_BYTES);
    return db_end(db, code, err);
}

/* Of two that wait for each other PostgreSQL ends one, which then finds the way free. So does a
 * push of which the engine refused a row (merge_apply). */
int answer_in_transaction(struct db *db, bool snapshot, db_work *work, void *ctx, const char *who,
                          struct store_answer *answer, struct err *err)
{
    struct err mine = {0};
    int code = ERR_BUSY;
    db->link->victim = db->hopeful = true;
    for (int i = 0; code == ERR_BUSY && db->link->victim && i < LIMIT_STORE_REPEATS; i++) {
        if (i > 0)
            log_info("county.repeat", "who=%s why=%s", who, mine.text);
        db->link->victim = false;
        code = try_once(db, snapshot, work, ctx, answer, &mine);
    }
    db->hopeful = false;
    if (code == ERR_OK)
        store_pg_look(db);
    if (code == ERR_OK || (code == ERR_STATE && answer->status != 200))
        return ERR_OK;
    return err_set(err, store_code(mine.code), "request of %s: %s", who, mine.text);
}

int answer_add_one(struct db *db, const struct table_sql *sql, const char *id, struct buf *out,
                   struct err *err)
{
    struct db_query *q = db_query(db, err, sql->pull, "s", id);
    int rc = q != NULL ? db_step(q, err) : -1;
    if (rc > 0) {
        answer_add_row(db, q, 0, out);
        db_reset(q);
    }
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}
