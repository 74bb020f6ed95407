/* What to ask the county next, and the local work between requests: everything but the plain round
 * of pushing and pulling. Filling a scope for the first time, comparing digests, giving back what
 * the county forgot, and clearing away a scope that is not granted any more.
 *
 * Where each of them stands is in the database (sync_state), so that a crash costs a page at most:
 *   boot:<scope>    [epoch, v0, table, last id] of a filling under way
 *   digest:<scope>  1: the scope is to be compared
 *   drop:<scope>    1: the rows of the scope are to be deleted
 *   rewind          [common epoch, f, 0 giving back | 1 closing]; rewind_eps the county's epochs */
#ifndef TOUYAN_SYNC_COURSE_H
#define TOUYAN_SYNC_COURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "sync/digest.h"
#include "sync/page.h"
#include "sync/rewind.h"
#include "sync/wire.h"

enum course_ask { ASK_SYNC, ASK_BOOT, ASK_DIGEST, ASK_GIVEBACK };

enum { COURSE_PATH_BYTES = 1536 };

struct boot {
    char scope[LIMIT_STATION_BYTES + 1];
    size_t table; /* index into tables */
    char after[PROTOCOL_PK_BYTES + 1];
    char ep[PROTOCOL_EPOCH_BYTES + 1]; /* "": nothing was asked yet */
    int64_t v0;
    bool table_done; /* says the page that is being applied */
};

struct course {
    struct wire *wire;
    enum course_ask ask; /* of the request under way */
    bool detour;         /* the last request was no sync */
    bool failed;         /* and nobody answered it well */
    bool unsure;         /* the county's epoch is a new one: a sync has to ask what it knows, and
                            the reply that said so was put away */
    struct boot boot;
    struct digest digest;
    struct rewind rewind;
    char drop_after[PROTOCOL_PK_BYTES + 1];
    size_t drop_table;
};

void course_init(struct course *course, struct wire *wire);
void course_fini(struct course *course);

/* Local work is due before the next request; course_work() does about 10 ms of it, in a handler. */
bool course_work_due(struct course *course);
bool course_work(struct course *course);
/* The work that was just done was not committed. */
void course_work_lost(struct course *course);

/* There is more to ask than news. */
bool course_pending(struct course *course);
/* Chooses and remembers the next request. With marks, every other one is a sync: an alarm does not
 * wait until a scope is filled. So it is after one that failed: what the county refuses here must
 * not keep the news away. */
enum course_ask course_choose(struct course *course, bool marks);

/* A request that is no sync: its path, and its body (empty: GET). */
int course_build(struct course *course, size_t page_bytes, char ret_path[COURSE_PATH_BYTES],
                 struct buf *body, struct err *err);
/* Its answer: checked, its rows (if any) in ret_page, which is zeroed otherwise. ret_now_ms: the
 * county's clock. ERR_INVALID as page_read(). */
int course_read(struct course *course, const char *body, size_t size, struct page *ret_page,
                int64_t *ret_now_ms, struct err *err);
/* In the handler of the last slice of the rows (or alone): the request counts as answered. */
bool course_store(struct course *course);

/* A refusal (403, 404, 409 rewind, 410) that has a remedy: prepares it, in a handler. False: it has
 * none, or the replica failed. */
bool course_refused(struct course *course, int status, const struct json *body);

#endif
