/* What the files of sync/replica/ share; nobody else includes this. */
#ifndef TOUYAN_REPLICA_INTERNAL_H
#define TOUYAN_REPLICA_INTERNAL_H

#include <sqlite3.h>

#include "gateway/base/uuid.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

enum {
    QUERY_SLOTS = 1024, /* a power of two; statements the whole program may have */
    HANDLER_DEPTH = 8,
    BUSY_TIMEOUT_MS = 5000, /* another process (CLI, backup) holds the write lock */
};

struct query {
    const char *sql; /* the literal's address is the key */
    sqlite3_stmt *stmt;
    struct replica *replica;
    bool used; /* between replica_query and query_done */
};

struct pending_ack {
    replica_ack_fn *fn;
    void *ctx;
    int64_t arg;
};

struct replica {
    sqlite3 *db;
    char path[LIMIT_PATH_BYTES];
    const struct clock *clock;
    struct seal *seal;
    struct uuid_source ids;
    bool applying;
    int wal_pages; /* after the last commit */
    int wal_pages_max;

    struct query queries[QUERY_SLOTS];

    bool in_turn;      /* BEGIN was run */
    int64_t commit_us; /* of the last turn */
    int64_t turn;      /* number that the open turn stamps */
    int depth;         /* handlers entered */
    bool began_turn;   /* by the outermost of them: it has no savepoint */
    bool doomed[HANDLER_DEPTH];
    size_t acks_from[HANDLER_DEPTH]; /* where the acks of each open handler begin */
    char problem[LIMIT_ERR_TEXT];
    char failing[LIMIT_ERR_TEXT]; /* "" when well */

    struct pending_ack acks[LIMIT_TURN_ACKS];
    size_t ack_count;
};

/* open.c: a connection with our pragmas and functions; the schema is not looked at. */
int replica_connect(struct replica *replica, struct err *err);
void replica_disconnect(struct replica *replica);

/* migrate.c */
int replica_migrate(sqlite3 *db, int to, struct err *err);

/* functions.c */
int replica_add_functions(struct replica *replica, struct err *err);

/* query.c */
void replica_forget_queries(struct replica *replica);
void replica_note_problem(struct replica *replica, const char *sql);

/* backup.c: the newest file in backup_dir that opens and passes its check, or ERR_NOT_FOUND. */
int replica_newest_backup(const char *backup_dir, char *ret_path, size_t size);
bool replica_file_is_sound(const char *path);

#endif
