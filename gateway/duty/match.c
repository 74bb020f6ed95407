/* 供需清单: what one partner offers and another needs. Both are lists of words as people write them
 * ("急救培训；场地"); two items match when one holds the other. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "gateway/duty/cards.h"
#include "sync/replica/replica.h"

enum { ITEM_SIZE = 128, ITEM_LEAST = 2 /* characters */ };

/* The next item of a list; false: there is none. */
static bool next_item(const char **list, char ret[ITEM_SIZE])
{
    static const char *const separators[] = {"；", "、", "，", ";", ",", " ", "\n"};
    size_t used = 0;
    while (**list != '\0') {
        size_t skip = 0;
        for (size_t i = 0; i < sizeof separators / sizeof separators[0]; i++)
            if (strncmp(*list, separators[i], strlen(separators[i])) == 0)
                skip = strlen(separators[i]);
        if (skip == 0 && used + 1 < ITEM_SIZE)
            ret[used++] = **list;
        *list += skip > 0 ? skip : 1;
        if (skip > 0 && used > 0)
            break;
    }
    ret[used] = '\0';
    return used > 0;
}

static bool fits(const char *offer, const char *need)
{
    return text_utf16_units(offer) >= ITEM_LEAST && text_utf16_units(need) >= ITEM_LEAST &&
           (strstr(offer, need) != NULL || strstr(need, offer) != NULL);
}

static void add_matches(struct json *list, const struct json *from, const struct json *to)
{
    char offer[ITEM_SIZE], need[ITEM_SIZE];
    for (const char *offers = json_text(from, "offers", ""); next_item(&offers, offer);)
        for (const char *needs = json_text(to, "needs", ""); next_item(&needs, need);) {
            if (!fits(offer, need))
                continue;
            struct json *one = json_new_object();
            json_set_text(one, "from", json_text(from, "name", ""));
            json_set_text(one, "offer", offer);
            json_set_text(one, "to", json_text(to, "name", ""));
            json_set_text(one, "need", need);
            json_add(list, one);
        }
}

struct json *card_matches(struct replica *replica)
{
    struct json *list = json_new_array();
    struct json *partners = query_list(replica_query(
        replica, "SELECT name, json_extract(body, '$.offers') AS offers,"
                 " json_extract(body, '$.needs') AS needs FROM card WHERE kind = 'partner'"
                 " AND state = 'on' ORDER BY code LIMIT 200"));
    for (size_t i = 0; i < json_count(partners); i++)
        for (size_t k = 0; k < json_count(partners); k++)
            if (i != k)
                add_matches(list, json_at(partners, i), json_at(partners, k));
    json_free(partners);
    return list;
}
