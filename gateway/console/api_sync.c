/* What sync has open, as JSON: rows that wait to be sent, changes that lost to the county's, rows
 * that were set aside. Numbers in rows are masked. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/console/console.h"
#include "sync/replica/tables.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 10000 };

static int64_t limit_of(const struct http_request *request)
{
    const char *text = http_query(request, "limit");
    int64_t value;
    return text != NULL && text_to_int64(text, 0, LIST_MAX, &value) ? value : LIST_DEFAULT;
}

static void name_table(struct json *row)
{
    const struct table *table = table_by_tid((int)json_int(row, "table", 0));
    json_set_text(row, "table", table != NULL ? table->name : NULL);
}

/* A row kept as text; null when it is no JSON (that may be why it was set aside). */
static void open_row(struct json *json, const char *key)
{
    struct json *row = NULL;
    const char *text = json_text(json, key, ""), *phone;
    if (json_parse(text, strlen(text), &row, NULL) != ERR_OK)
        row = NULL;
    if ((phone = json_text(row, "phone", NULL)) != NULL) {
        char masked[8];
        text_mask_phone(phone, masked);
        json_set_text(row, "phone", masked);
    }
    if (row != NULL)
        json_set(json, key, row);
    else
        json_set_text(json, key, NULL);
}

static struct json *list_of(struct replica *replica, const struct http_request *request,
                            const char *sql, const char *row_key)
{
    struct query *query = replica_query(replica, sql);
    query_int(query, 1, limit_of(request));
    struct json *list = query_list(query);
    for (size_t i = 0; i < json_count(list); i++) {
        name_table(json_at(list, i));
        if (row_key != NULL)
            open_row(json_at(list, i), row_key);
    }
    return list;
}

/* Oldest first: what waits longest. time_q: 2 exact, 1 corrected, 0 estimated; null: not sent. */
struct json *console_sync_pending(struct replica *replica, const struct http_request *request)
{
    return list_of(replica, request,
                   "SELECT lseq AS number, tid AS \"table\", pk AS id, gm AS groups, h AS at,"
                   " q AS time_q, base, CASE st WHEN 0 THEN 'unsent' WHEN 1 THEN 'in_flight'"
                   " ELSE 'lost' END AS state FROM sync_out WHERE st <> 2 AND st <> 4"
                   " ORDER BY lseq LIMIT ?1",
                   NULL);
}

/* Newest first. settled 0: the county's row has not come yet. */
struct json *console_sync_conflicts(struct replica *replica, const struct http_request *request)
{
    return list_of(replica, request,
                   "SELECT at, tid AS \"table\", pk AS id, gm AS groups, unseal(mine) AS mine,"
                   " coalesce(settled_at, 0) AS settled FROM sync_conflict ORDER BY"
                   " sync_conflict.id DESC LIMIT ?1",
                   "mine");
}

/* Newest first. way: "out" ours that the county does not take, "in" the county's that we cannot. */
struct json *console_sync_quarantine(struct replica *replica, const struct http_request *request)
{
    return list_of(replica, request,
                   "SELECT at, way, tid AS \"table\", pk AS id, why, unseal(row) AS row FROM"
                   " sync_quarantine ORDER BY sync_quarantine.id DESC LIMIT ?1",
                   "row");
}
