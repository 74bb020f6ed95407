/* Messages as JSON: the outbox's rows, the inbox's rows, one message with its whole history. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/console/console.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 100000 };

/* The two lists have the same columns, so one loop serves both. */
static const char list_out[] =
    "SELECT id, unseal(phone), unseal(body), state, created_at, text_id, prio, reason, "
    "not_after_at,"
    " (SELECT max(copy) FROM outbox_part p WHERE p.message_seq = o.seq)"
    " FROM outbox o WHERE (?1 IS NULL OR state = ?1) AND seq > ?2 ORDER BY seq DESC LIMIT ?3";
static const char list_in[] =
    "SELECT id, unseal(phone), unseal(body), state, heard_at, NULL, NULL, reason, NULL, NULL"
    " FROM inbox WHERE (?1 IS NULL OR state = ?1) AND seq > ?2 ORDER BY seq DESC LIMIT ?3";

static void set_masked(struct json *json, const char *number)
{
    char masked[8];
    text_mask_phone(number != NULL ? number : "", masked);
    json_set_text(json, "number", masked);
}

static struct json *row_to_json(struct query *query, const char *dir)
{
    struct json *json = json_new_object();
    json_set_text(json, "id", query_get_text(query, 0));
    json_set_text(json, "dir", dir);
    set_masked(json, query_get_text(query, 1));
    json_set_text(json, "text", query_get_text(query, 2));
    json_set_text(json, "state", query_get_text(query, 3));
    json_set_int(json, "at", query_get_int(query, 4));
    json_set_text(json, "reason", query_get_text(query, 7));
    if (strcmp(dir, "out") == 0) {
        json_set_text(json, "text_id", query_get_text(query, 5));
        json_set_int(json, "prio", query_get_int(query, 6));
        json_set_int(json, "not_after", query_get_int(query, 8));
        json_set_int(json, "copies", query_get_int(query, 9));
    }
    return json;
}

static int64_t number_of(const struct http_request *request, const char *name, int64_t fallback,
                         int64_t max)
{
    const char *text = http_query(request, name);
    int64_t value;
    return text != NULL && text_to_int64(text, 0, max, &value) ? value : fallback;
}

static void add_rows(struct replica *replica, const struct http_request *request, const char *dir,
                     struct json *list)
{
    struct query *query = replica_query(replica, strcmp(dir, "in") == 0 ? list_in : list_out);
    query_text(query, 1, http_query(request, "state"));
    query_int(query, 2, number_of(request, "after", 0, INT64_MAX));
    query_int(query, 3, number_of(request, "limit", LIST_DEFAULT, LIST_MAX));
    while (query_row(query))
        json_add(list, row_to_json(query, dir));
    query_done(query);
}

/* Each box newest first, at most `limit` of each. */
struct json *console_sms_list(struct replica *replica, const struct http_request *request)
{
    const char *dir = http_query(request, "dir");
    struct json *list = json_new_array();
    if (!text_equal(dir, "in"))
        add_rows(replica, request, "out", list);
    if (text_equal(dir, "in") || text_equal(dir, "all"))
        add_rows(replica, request, "in", list);
    return list;
}

static struct json *history_of(struct replica *replica, const char *id)
{
    struct query *query = replica_query(
        replica, "SELECT h.at, h.part, h.copy, h.state, h.modem, h.cause FROM outbox_history h"
                 " JOIN outbox o ON o.seq = h.message_seq WHERE o.id = ?1 ORDER BY h.rowid");
    query_text(query, 1, id);
    struct json *list = json_new_array();
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_int(json, "at", query_get_int(query, 0));
        json_set_int(json, "part", query_get_int(query, 1));
        json_set_int(json, "copy", query_get_int(query, 2));
        json_set_text(json, "state", query_get_text(query, 3));
        json_set_text(json, "modem", query_get_text(query, 4));
        json_set_text(json, "cause", query_get_text(query, 5));
        json_add(list, json);
    }
    query_done(query);
    return list;
}

static struct json *one_of(struct replica *replica, const char *sql, const char *id,
                           const char *dir)
{
    struct query *query = replica_query(replica, sql);
    query_text(query, 1, id);
    struct json *json = query_row(query) ? row_to_json(query, dir) : NULL;
    query_done(query);
    return json;
}

struct json *console_sms_one(struct replica *replica, const char *id)
{
    struct json *json =
        one_of(replica,
               "SELECT id, unseal(phone), unseal(body), state, created_at, text_id, prio, reason,"
               " not_after_at, (SELECT max(copy) FROM outbox_part p WHERE p.message_seq = o.seq)"
               " FROM outbox o WHERE id = ?1",
               id, "out");
    if (json != NULL) {
        json_set(json, "history", history_of(replica, id));
        return json;
    }
    return one_of(replica,
                  "SELECT id, unseal(phone), unseal(body), state, heard_at, NULL, NULL, reason,"
                  " NULL, NULL FROM inbox WHERE id = ?1",
                  id, "in");
}
