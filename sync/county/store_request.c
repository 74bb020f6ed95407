/* What the requests of stations have in common: reading the small members strictly, refusing with a
 * status and a sentence, and one transaction around it all, so that a refusal has changed nothing.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "sync/county/store_parts.h"
#include "sync/protocol.h"

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

int answer_read_head(struct db *db, const char *body, size_t size, const char *without,
                     struct json **ret, struct store_answer *answer, struct err *err)
{
    int64_t valid = 0;
    if (!text_utf8_valid(body, size) && memchr(body, '\0', size) != NULL)
        return answer_refuse(answer, 400, "the body holds a zero byte");
    int code = db_int(db, &valid, err, "SELECT json_valid(?1) AND json_type(?1)='object'", "t",
                      body, size);
    if (code != ERR_OK || valid == 0)
        return answer_refuse(answer, 400, "the body is not a JSON object");
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    code = db_text(db, &head, err, "SELECT json_remove(?1,?2)", "ts", body, size, without);
    struct err parse = {0};
    bool ok = code == ERR_OK && !head.failed &&
              json_parse(buf_text(&head), head.size, ret, &parse) == ERR_OK;
    buf_free(&head);
    if (code != ERR_OK)
        return code;
    return ok ? ERR_OK
              : answer_refuse(answer, 400, "the members beside the rows are not JSON (RFC 8259)");
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

int answer_in_transaction(struct db *db, db_work *work, void *ctx, const char *who,
                          struct store_answer *answer, struct err *err)
{
    struct err mine = {0};
    int code = db_run(db, &mine, "BEGIN IMMEDIATE", "");
    if (code == ERR_OK) {
        code = work(db, ctx, answer, &mine);
        if (code == ERR_OK && answer->body.failed)
            code =
                err_set(&mine, ERR_LIMIT, "the answer is larger than %d bytes", LIMIT_ANSWER_BYTES);
        if (code == ERR_OK)
            code = db_run(db, &mine, "COMMIT", "");
        if (code != ERR_OK)
            db_run(db, NULL, "ROLLBACK", "");
    }
    if (code == ERR_OK || (code == ERR_STATE && answer->status != 200))
        return ERR_OK;
    return err_set(err, store_code(mine.code), "request of %s: %s", who, mine.text);
}
