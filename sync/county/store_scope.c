/* What a station may see: its own scope, the county's ("*"), and what was granted besides. A grant
 * that was taken back is remembered, so that a station that still asks for it is told by the list
 * of its grants and not by an error. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "sync/county/store_parts.h"
#include "sync/protocol.h"
#include "sync/rules.h"

static void add_scope(struct scopes *scopes, const char *name, bool granted)
{
    if (scopes->count == LIMIT_PULL_SCOPES)
        return;
    struct scope_cursor *scope = &scopes->at[scopes->count++];
    text_copy(scope->name, sizeof scope->name, name);
    scope->granted = granted;
}

int scopes_read(struct db *db, const struct store_station *station, struct scopes *ret,
                struct err *err)
{
    *ret = (struct scopes){0};
    add_scope(ret, "*", true);
    add_scope(ret, station->scope, true);
    struct db_query *q = db_query(db, err,
                                  "SELECT sees,revoked_at IS NULL FROM granted WHERE scope=?1 AND "
                                  "sees NOT IN('*',?1) ORDER BY revoked_at IS NOT NULL,sees",
                                  "s", station->scope);
    int rc = -1;
    while (q != NULL && (rc = db_step(q, err)) > 0)
        add_scope(ret, db_column_text(q, 0), db_column_int(q, 1) != 0);
    return rc < 0 ? (err != NULL ? err->code : ERR_IO) : ERR_OK;
}

bool scopes_grant(const struct scopes *scopes, const char *name)
{
    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->at[i].granted && strcmp(scopes->at[i].name, name) == 0)
            return true;
    return false;
}

void scopes_write(const struct scopes *scopes, struct buf *out)
{
    bool first = true;
    buf_add_text(out, "\"grant\":[");
    for (size_t i = 0; i < scopes->count; i++) {
        if (!scopes->at[i].granted)
            continue;
        buf_printf(out, "%s\"%s\"", first ? "" : ",", scopes->at[i].name);
        first = false;
    }
    buf_add_text(out, "]");
}

static int take_cursor(struct scope_cursor *scope, const struct json *cursor,
                       struct store_answer *answer)
{
    scope->asked = true;
    scope->epoch = json_as_text(json_at(cursor, 0), NULL);
    scope->v = json_as_int(json_at(cursor, 1), -1);
    if (json_count(cursor) != 2 || scope->epoch == NULL ||
        strlen(scope->epoch) > PROTOCOL_EPOCH_BYTES || scope->v < 0)
        return answer_refuse(answer, 400, "the cursor of a scope is [epoch, v]");
    return ERR_OK;
}

static int refuse_unknown(const struct scopes *scopes, struct store_answer *answer)
{
    char sentence[128 + LIMIT_PULL_SCOPES * (LIMIT_STATION_BYTES + 2)];
    int size = snprintf(sentence, sizeof sentence, "a scope that was never granted; there are");
    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->at[i].granted && size > 0 && (size_t)size < sizeof sentence)
            size += snprintf(sentence + size, sizeof sentence - (size_t)size, " %s",
                             scopes->at[i].name);
    return answer_refuse(answer, 403, sentence);
}

static int refuse_expired(const struct scopes *scopes, struct store_answer *answer)
{
    int64_t purged = scopes->now.purged;
    struct json *body = json_new_object(), *names = json_new_array();
    json_set_text(body, "error",
                  "deletions since this cursor have been forgotten: compare digests");
    json_set_int(body, "expired", 1);
    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->at[i].asked && scopes->at[i].v > 0 && scopes->at[i].v < purged)
            json_add_text(names, scopes->at[i].name);
    json_set(body, "scopes", names);
    json_set_int(body, "purge", purged);
    buf_clear(&answer->body);
    json_write(body, &answer->body);
    json_free(body);
    answer->status = 410;
    return ERR_STATE;
}

static int check_cursors(struct db *db, struct scopes *scopes, struct store_answer *answer,
                         struct err *err)
{
    bool expired = false;
    int code = epoch_now(db, &scopes->now, err);
    for (size_t i = 0; code == ERR_OK && i < scopes->count; i++) {
        const struct scope_cursor *scope = &scopes->at[i];
        bool good = true;
        if (!scope->asked || !scope->granted)
            continue;
        if ((db->without & WITHOUT_EPOCH) == 0)
            code = epoch_check_by(db, &scopes->now, scope->epoch, scope->v, &good, err);
        if (code == ERR_OK && !good)
            return epoch_refuse(db, answer, err);
        expired = expired || (scope->v > 0 && scope->v < scopes->now.purged);
    }
    return code == ERR_OK && expired ? refuse_expired(scopes, answer) : code;
}

int scopes_ask(struct db *db, struct scopes *scopes, const struct json *cursors,
               struct store_answer *answer, struct err *err)
{
    size_t known = 0;
    for (size_t i = 0; i < scopes->count; i++) {
        const struct json *cursor = json_get(cursors, scopes->at[i].name);
        if (cursor == NULL)
            continue;
        known++;
        int code = take_cursor(&scopes->at[i], cursor, answer);
        if (code != ERR_OK)
            return code;
    }
    if (json_size(cursors) > known)
        return refuse_unknown(scopes, answer);
    return check_cursors(db, scopes, answer, err);
}
