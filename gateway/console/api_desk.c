/* What needs a person, as JSON: texts that were not understood, calls to make, gaps, alarms. */
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/console/console.h"

enum { DESK_MAX = 200 };

struct json *console_desk_list(struct replica *replica)
{
    struct query *query = replica_query(
        replica, "SELECT d.id, d.at, d.kind, unseal(coalesce(d.phone, p.phone)) AS number,"
                 " p.name AS person, unseal(d.body) AS text, d.ref_id AS ref FROM desk_item d"
                 " LEFT JOIN person p ON p.id = d.person_id WHERE d.state = 'open'"
                 " ORDER BY d.at DESC, d.id DESC LIMIT ?1");
    query_int(query, 1, DESK_MAX);
    struct json *list = query_list(query);
    for (size_t i = 0; i < json_count(list); i++) {
        struct json *item = json_at(list, i);
        const char *number = json_text(item, "number", NULL);
        char masked[8];
        if (number == NULL || text_equal(json_text(item, "kind", ""), "call"))
            continue; /* somebody is to be called: whoever does it needs the number */
        text_mask_phone(number, masked);
        json_set_text(item, "number", masked);
    }
    return list;
}

/* The texts among them, with suggested answers. */
struct json *console_inbox(struct console *console)
{
    struct json *all = console_desk_list(console->replica), *list = json_new_array();
    for (size_t i = 0; i < json_count(all); i++) {
        const struct json *item = json_at(all, i);
        const char *id = json_text(item, "id", "");
        if (!text_equal(json_text(item, "kind", ""), "text"))
            continue;
        struct json *json = json_new_object();
        json_set_text(json, "id", id);
        json_set_int(json, "at", json_int(item, "at", 0));
        json_set_text(json, "number", json_text(item, "number", NULL));
        json_set_text(json, "person", json_text(item, "person", NULL));
        json_set_text(json, "text", json_text(item, "text", NULL));
        if (console->ports.suggest != NULL)
            console->ports.suggest(console->ports.ctx, id, json);
        json_add(list, json);
    }
    json_free(all);
    return list;
}

bool console_desk_done(struct replica *replica, const char *id)
{
    return replica_run(replica,
                       "UPDATE desk_item SET state = 'done' WHERE id = ?1 AND state = 'open'", "s",
                       id) == 1;
}
