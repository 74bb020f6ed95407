/* A county store in a folder of its own, with a clock set by hand, and two stations of one scope:
 * incarnations 1 and 2 (a station and the one that took its place), which is how two writers of one
 * row come about. */
#ifndef TOUYAN_TESTS_COUNTY_FIXTURE_H
#define TOUYAN_TESTS_COUNTY_FIXTURE_H

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/rnd.h"
#include "sync/county/store.h"

enum { FIXTURE_NOW = 1788796800 }; /* 2026-09-07 16:00 UTC, in seconds */

struct county_fixture {
    char folder[64];
    char path[256];
    char database[32]; /* on a PostgreSQL server */
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct store *store;
    struct store_station station; /* S0117 */
    uint32_t without;             /* for the next county_reopen() */
    int64_t lseq;                 /* of the next row */
    char tok[8][40];              /* the token of each incarnation; kept from each 200 */
    char *sent;                   /* the last request; owned */
    int status;                   /* of the last answer */
    struct json *reply;
    char *report; /* of the last import; owned */
    struct store_import_result result;
};

enum county_route { COUNTY_SYNC, COUNTY_GIVEBACK, COUNTY_DIGEST };
/* The body as it is. */
void county_call(struct county_fixture *f, enum county_route route, const char *body);
void county_boot(struct county_fixture *f, const struct store_boot *boot);

int county_setup(void **state);
int county_teardown(void **state);

/* A backup of the database, and back to it (once), with a server that starts on it. */
void county_keep(struct county_fixture *f);
void county_restore(struct county_fixture *f);

/* Opens the store again, as a server does when it starts. */
void county_reopen(struct county_fixture *f);

/* POST /v1/sync with this text for "push" and for "pull"; the reply stays in f->reply. */
void county_sync(struct county_fixture *f, int inc, const char *push, const char *pull);
/* The same with one row of a table; members are those after h. Returns its lseq. */
int64_t county_push(struct county_fixture *f, int inc, const char *table, int64_t base, int gm,
                    int64_t h, const char *members);
/* The version of the first row of the last push. */
int64_t county_v0(const struct county_fixture *f);
void county_checkin(struct county_fixture *f, int inc, const char *id);
/* Only asks for what is behind the cursor. */
void county_pull_from(struct county_fixture *f, int inc, const char *epoch, int64_t v);
void county_fp(const char *fp); /* of the next push; NULL: made from its lseq */

/* The kind of verdict of a row: "ok", "lost", "keep", or the reason of bad. */
const char *county_verdict(const struct county_fixture *f, int64_t lseq);
/* Finds a pulled row by id; NULL when it did not come. */
const struct json *county_pulled(const struct county_fixture *f, const char *id);

/* One integer or text out of the database; the text lives until the next call. */
int64_t county_int(struct county_fixture *f, const char *sql);
const char *county_text(struct county_fixture *f, const char *sql);
void county_exec(struct county_fixture *f, const char *sql);

/* Writes a file into the folder. */
void county_file(struct county_fixture *f, const char *name, const void *bytes, size_t size);
/* Imports it (text) as that file. */
int county_import(struct county_fixture *f, const char *name, const char *text, bool prune);

#endif
