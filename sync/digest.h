/* Comparing what the station has with what the county has, table by table, and fetching only what
 * differs (PROTOCOL.md 9). Needed when the county has forgotten deletions that the station may have
 * missed; good at any time. Progress is in memory: a scope is compared anew after a crash. */
#ifndef TOUYAN_SYNC_DIGEST_H
#define TOUYAN_SYNC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "sync/protocol.h"
#include "sync/wire.h"

enum digest_step {
    DIGEST_START,
    DIGEST_HASH, /* local: the buckets of a table */
    DIGEST_ASK_HASHES,
    DIGEST_LIST, /* local: our rows in the buckets that differ */
    DIGEST_ASK_ROWS,
    DIGEST_ASK_IDS,
    DIGEST_DROP,   /* local: rows that the county does not have */
    DIGEST_FINISH, /* local: the cursor */
};

struct digest_row {
    char *id;
    int64_t v;
    bool there; /* at the county */
};

/* Ids in memory of their own. */
struct digest_ids {
    char **ids;
    size_t count, capacity, done;
};

struct digest {
    struct wire *wire;
    enum digest_step step;
    char scope[LIMIT_STATION_BYTES + 1];
    bool refill; /* only the tables that an upgrade has added columns to, or added */
    size_t table;
    char after[PROTOCOL_PK_BYTES + 1];
    uint64_t sums[PROTOCOL_DIGEST_BUCKETS];
    bool differs[PROTOCOL_DIGEST_BUCKETS];
    size_t bucket; /* the first that is not asked yet */
    size_t asked;  /* behind the last that is being asked */
    struct digest_row *rows;
    size_t row_count, row_capacity;
    struct digest_ids fetch, drop;
    size_t fetching; /* ids of the running request */
    char ep[PROTOCOL_EPOCH_BYTES + 1];
    int64_t v; /* the lowest of the replies; -1: none yet */
    int64_t fetched, dropped;
};

void digest_init(struct digest *digest, struct wire *wire);
void digest_fini(struct digest *digest);
void digest_restart(struct digest *digest);

bool digest_pending(struct digest *digest);
bool digest_work_due(struct digest *digest);
bool digest_work(struct digest *digest); /* in a handler */

bool digest_build(struct digest *digest, struct buf *body);
bool digest_expects_rows(const struct digest *digest);
int digest_read(struct digest *digest, const struct json *reply, struct err *err);
bool digest_store(struct digest *digest);

#endif
