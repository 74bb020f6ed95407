/* Messages as JSON: the outbox's rows, the inbox's rows, one message with its whole history. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/console/console.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 100000 };

#define OUT_ROWS                                                                                   \
    "SELECT id, 'out' AS dir, unseal(phone) AS number, unseal(body) AS text, state,"               \
    " created_at AS at, reason, text_id, prio, coalesce(not_after_at, 0) AS not_after,"            \
    " (SELECT coalesce(max(copy), 0) FROM outbox_part p WHERE p.message_seq = o.seq) AS copies"    \
    " FROM outbox o WHERE "
#define IN_ROWS                                                                                    \
    "SELECT id, 'in' AS dir, unseal(phone) AS number, unseal(body) AS text, state, heard_at AS "   \
    "at,"                                                                                          \
    " reason FROM inbox WHERE "
#define SOME "(?1 IS NULL OR state = ?1) AND seq > ?2 ORDER BY seq DESC LIMIT ?3"

static struct json *row_of(struct query *query)
{
    struct json *json = query_get_json(query);
    char masked[8];
    text_mask_phone(json_text(json, "number", ""), masked);
    json_set_text(json, "number", masked);
    return json;
}

static int64_t number_of(const struct http_request *request, const char *name, int64_t fallback,
                         int64_t max)
{
    const char *text = http_query(request, name);
    int64_t value;
    return text != NULL && text_to_int64(text, 0, max, &value) ? value : fallback;
}

static void add_rows(struct replica *replica, const struct http_request *request, const char *sql,
                     struct json *list)
{
    struct query *query = replica_query(replica, sql);
    query_text(query, 1, http_query(request, "state"));
    query_int(query, 2, number_of(request, "after", 0, INT64_MAX));
    query_int(query, 3, number_of(request, "limit", LIST_DEFAULT, LIST_MAX));
    while (query_row(query))
        json_add(list, row_of(query));
    query_done(query);
}

/* Each box newest first, at most `limit` of each. */
struct json *console_sms_list(struct replica *replica, const struct http_request *request)
{
    const char *dir = http_query(request, "dir");
    struct json *list = json_new_array();
    if (!text_equal(dir, "in"))
        add_rows(replica, request, OUT_ROWS SOME, list);
    if (text_equal(dir, "in") || text_equal(dir, "all"))
        add_rows(replica, request, IN_ROWS SOME, list);
    return list;
}

struct json *console_sms_quiet(struct replica *replica)
{
    struct json *list = json_new_array();
    struct query *query = replica_query(
        replica, "SELECT unseal(phone) AS number, CASE WHEN from_min = to_min THEN 'none' ELSE"
                 " printf('%02d:%02d-%02d:%02d', from_min / 60, from_min % 60, to_min / 60,"
                 " to_min % 60) END AS hours FROM quiet_phone ORDER BY phone");
    while (query_row(query))
        json_add(list, row_of(query));
    query_done(query);
    return list;
}

static struct json *history_of(struct replica *replica, const char *id)
{
    struct query *query = replica_query(
        replica, "SELECT h.at, h.part, h.copy, h.state, h.modem, h.cause FROM outbox_history h"
                 " JOIN outbox o ON o.seq = h.message_seq WHERE o.id = ?1 ORDER BY h.rowid");
    query_text(query, 1, id);
    return query_list(query);
}

static struct json *one_of(struct replica *replica, const char *sql, const char *id)
{
    struct query *query = replica_query(replica, sql);
    query_text(query, 1, id);
    struct json *json = query_row(query) ? row_of(query) : NULL;
    query_done(query);
    return json;
}

struct json *console_sms_one(struct replica *replica, const char *id)
{
    struct json *json = one_of(replica, OUT_ROWS "id = ?1", id);
    if (json == NULL)
        return one_of(replica, IN_ROWS "id = ?1", id);
    json_set(json, "history", history_of(replica, id));
    return json;
}
