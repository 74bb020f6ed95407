/* The bases of changes that stand on an accepted one (PROTOCOL.md 2.5). In the handler that settles
 * a push. */
#ifndef TOUYAN_SYNC_BASES_H
#define TOUYAN_SYNC_BASES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/json.h"
#include "sync/replica/bulk.h"
#include "sync/replica/replica.h"

/* An unsent mark on the same base takes the other in; each keeps the stamps of its groups. */
#define BASES_STAMPS(mark)                                                                         \
    "json_set(coalesce(" mark "hs, '{}'), '$.\"' || coalesce(" mark "lg, " mark                    \
    "gm) || '/' || coalesce(" mark "boot, 0) || '\"', json_array(" mark "h, " mark "bt, " mark     \
    "boot))"
#define BASES_TAKE_IN                                                                              \
    "ON CONFLICT(tid, pk, base) WHERE st = 0 AND " NOT_BULK(                                       \
        "") " DO UPDATE SET hs = "                                                                 \
            "json_patch(" BASES_STAMPS("sync_out.") ", " BASES_STAMPS(                             \
                "excluded.") "), lg = 0, gm = gm | excluded.gm, h = max(h, excluded.h), bt = "     \
                             "excluded.bt, boot = excluded.boot"

/* Groups of lost marks that were accepted all the same (`won` of the reply, [number, groups]): the
 * mark is theirs from here on and stands in for its row as below; what lost has a new one. */
bool bases_split(struct replica *replica, const struct json *won);

/* Marks that were accepted although other groups of their rows are news to us (numbers of verdict
 * `keep`): until such a row comes, the mark stands in for it. */
bool bases_await(struct replica *replica, const struct json *kept);

/* Marks [first, last] are settled: what was changed on top of those accepted has their versions
 * for bases. */
bool bases_raise(struct replica *replica, int64_t first, int64_t last);

#endif
