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

static void set_table(struct json *json, int64_t tid)
{
    const struct table *table = table_by_tid((int)tid);
    json_set_text(json, "table", table != NULL ? table->name : NULL);
}

/* A row kept as text; left out when it is no JSON (that may be why it was set aside). */
static void set_row(struct json *json, const char *key, const char *text)
{
    struct json *row = NULL;
    if (text == NULL || json_parse(text, strlen(text), &row, NULL) != ERR_OK)
        return;
    const char *phone = json_text(row, "phone", NULL);
    if (phone != NULL) {
        char masked[8];
        text_mask_phone(phone, masked);
        json_set_text(row, "phone", masked);
    }
    json_set(json, key, row);
}

/* Oldest first: what waits longest. q: 2 exact, 1 corrected, 0 estimated; null: not sent yet. */
struct json *console_sync_pending(struct replica *replica, const struct http_request *request)
{
    static const char *const states[] = {"unsent", "in_flight", "", "lost"};
    struct query *query = replica_query(
        replica, "SELECT lseq, tid, pk, gm, h, q, base, st FROM sync_out WHERE st <> 2 AND st <> 4"
                 " ORDER BY lseq LIMIT ?1");
    query_int(query, 1, limit_of(request));
    struct json *list = json_new_array();
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_int(json, "number", query_get_int(query, 0));
        set_table(json, query_get_int(query, 1));
        json_set_text(json, "id", query_get_text(query, 2));
        json_set_int(json, "groups", query_get_int(query, 3));
        json_set_int(json, "at", query_get_int(query, 4));
        if (!query_is_null(query, 5))
            json_set_int(json, "time_q", query_get_int(query, 5));
        json_set_int(json, "base", query_get_int(query, 6));
        json_set_text(json, "state", states[query_get_int(query, 7) & 3]);
        json_add(list, json);
    }
    query_done(query);
    return list;
}

/* Newest first. settled 0: the county's row has not come yet. */
struct json *console_sync_conflicts(struct replica *replica, const struct http_request *request)
{
    struct query *query =
        replica_query(replica, "SELECT at, tid, pk, gm, unseal(mine), settled_at FROM sync_conflict"
                               " ORDER BY id DESC LIMIT ?1");
    query_int(query, 1, limit_of(request));
    struct json *list = json_new_array();
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_int(json, "at", query_get_int(query, 0));
        set_table(json, query_get_int(query, 1));
        json_set_text(json, "id", query_get_text(query, 2));
        json_set_int(json, "groups", query_get_int(query, 3));
        set_row(json, "mine", query_get_text(query, 4));
        json_set_int(json, "settled", query_get_int(query, 5));
        json_add(list, json);
    }
    query_done(query);
    return list;
}

/* Newest first. way: "out" ours that the county does not take, "in" the county's that we cannot. */
struct json *console_sync_quarantine(struct replica *replica, const struct http_request *request)
{
    struct query *query =
        replica_query(replica, "SELECT at, way, tid, pk, why, unseal(row) FROM sync_quarantine"
                               " ORDER BY id DESC LIMIT ?1");
    query_int(query, 1, limit_of(request));
    struct json *list = json_new_array();
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_int(json, "at", query_get_int(query, 0));
        json_set_text(json, "way", query_get_text(query, 1));
        set_table(json, query_get_int(query, 2));
        json_set_text(json, "id", query_get_text(query, 3));
        json_set_text(json, "why", query_get_text(query, 4));
        set_row(json, "row", query_get_text(query, 5));
        json_add(list, json);
    }
    query_done(query);
    return list;
}
