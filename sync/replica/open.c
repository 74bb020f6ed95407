/* Opening the replica: pragmas, functions, migrations, and what to do with a damaged file.
 *
 * Happy path: connect, quick_check, migrate, arm the change marks. A damaged file is renamed to
 * <path>.corrupt-<ms> with its -wal and -shm, the newest sound backup is copied into its place (or
 * an empty replica begins), and the replica remembers that it was restored, so that sync holds
 * until it has taken a new incarnation. A file of a newer program is never touched. */
#include "sync/replica/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/replica/columns.h"
#include "sync/replica/marks.h"

/* The log is not cut when it starts over: a commit that makes it grow takes twice as long. */
static const char pragmas[] = "PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=FULL;"
                              "PRAGMA foreign_keys=ON;"
                              "PRAGMA trusted_schema=OFF;"
                              "PRAGMA temp_store=FILE;"
                              "PRAGMA cache_size=-8192;"
                              "PRAGMA journal_size_limit=67108864;"
                              "PRAGMA cell_size_check=ON;";

enum {
    LOOKASIDE_BYTES = 1200, /* SQLite's own size, of which it would have 40 */
    LOOKASIDE_SLOTS = 256,
    WAL_PAGES_DEFAULT = 1000,
};

/* After each commit. Usually somebody else checkpoints long before the limit (replica.h). */
static int on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct replica *replica = ctx;
    replica->wal_pages = pages;
    if (pages >= replica->wal_pages_max)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

/* Before the library is first used: without its statistics an allocation takes no lock. */
static void configure_once(void)
{
    static bool done;
    if (!done)
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    done = true;
}

int replica_connect(struct replica *replica, struct err *err)
{
    configure_once();
    int rc = sqlite3_open_v2(replica->path, &replica->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(replica->db, BUSY_TIMEOUT_MS);
        sqlite3_db_config(replica->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(replica->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_BYTES,
                          LOOKASIDE_SLOTS);
        sqlite3_limit(replica->db, SQLITE_LIMIT_LENGTH, 4 * LIMIT_SYNC_BODY_BYTES);
        rc = sqlite3_exec(replica->db, pragmas, NULL, NULL, NULL);
        sqlite3_wal_hook(replica->db, on_wal, replica);
    }
    if (rc != SQLITE_OK) {
        err_set(err, code_of(rc), "%s: %s", replica->path,
                replica->db != NULL ? sqlite3_errmsg(replica->db) : sqlite3_errstr(rc));
        replica_disconnect(replica);
        return code_of(rc);
    }
    return replica_add_functions(replica, err);
}

void replica_disconnect(struct replica *replica)
{
    replica_forget_queries(replica);
    sqlite3_close(replica->db);
    replica->db = NULL;
}

static int check_quickly(struct replica *replica, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(replica->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *verdict = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    bool ok = text_equal(verdict, "ok");
    if (!ok)
        err_set(err, rc == SQLITE_ROW ? ERR_CORRUPT : code_of(rc), "%s: %s", replica->path,
                verdict != NULL ? verdict : sqlite3_errmsg(replica->db));
    int code = ok ? ERR_OK : rc == SQLITE_ROW ? ERR_CORRUPT : code_of(rc);
    sqlite3_finalize(stmt);
    return code;
}

static int open_file(struct replica *replica, const struct replica_options *options,
                     struct err *err)
{
    int code = replica_connect(replica, err);
    if (code == ERR_OK)
        code = check_quickly(replica, err);
    if (code == ERR_OK)
        code = replica_migrate(replica->db, options->migrate_to, err);
    if (code == ERR_OK && options->migrate_to == 0)
        code = marks_arm(replica->db, options->row_bases, err);
    if (code == ERR_OK && options->migrate_to == 0)
        code = columns_note(replica->db, options->unknown, err);
    if (code != ERR_OK)
        replica_disconnect(replica);
    return code;
}

static void put_aside(const char *path, int64_t now_ms)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char from[LIMIT_PATH_BYTES + 8];
        char to[LIMIT_PATH_BYTES + 48];
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s.corrupt-%" PRId64 "%s", path, now_ms, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            log_error("replica.aside", "from=%s error=%s", from, strerror(errno));
    }
}

/* Brings the newest sound backup to `path` through SQLite's own backup API. */
static bool copy_backup(const char *backup, const char *path)
{
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    bool ok =
        sqlite3_open_v2(backup, &from, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;
    if (ok) {
        sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
        ok = copy != NULL && sqlite3_backup_step(copy, -1) == SQLITE_DONE;
        ok = sqlite3_backup_finish(copy) == SQLITE_OK && ok;
    }
    sqlite3_close(from);
    sqlite3_close(to);
    return ok;
}

static int replace_damaged(struct replica *replica, const struct replica_options *options,
                           struct err *err)
{
    log_error("replica.corrupt", "%s", err->text);
    put_aside(options->path, clock_wall_ms(options->clock));
    char backup[LIMIT_PATH_BYTES];
    bool have = replica_newest_backup(options->backup_dir, backup, sizeof backup) == ERR_OK &&
                copy_backup(backup, options->path);
    if (have)
        log_warn("replica.restored", "from=%s", backup);
    else
        log_warn("replica.empty", "no sound backup in %s: starting empty", options->backup_dir);
    int code = open_file(replica, options, err);
    if (code == ERR_OK)
        code = replica_set_restored(replica, true);
    return code;
}

static int load_turn(struct replica *replica)
{
    replica->turn = replica_get_int(replica, 0, "SELECT v FROM kv WHERE k='turn'", "");
    return ERR_OK;
}

int replica_open(const struct replica_options *options, struct replica **ret, struct err *err)
{
    struct replica *replica = calloc(1, sizeof *replica);
    if (replica == NULL)
        return err_set(err, ERR_NOMEM, "replica");
    if (!text_copy(replica->path, sizeof replica->path, options->path)) {
        free(replica);
        return err_set(err, ERR_LIMIT, "the path of the replica is longer than %d bytes",
                       LIMIT_PATH_BYTES - 1);
    }
    replica->clock = options->clock;
    replica->wal_pages_max =
        options->wal_pages_max > 0 ? options->wal_pages_max : WAL_PAGES_DEFAULT;
    replica->seal = options->seal;
    uuid_source_init(&replica->ids, options->clock, options->rnd);
    struct err local = {0};
    int code = open_file(replica, options, &local);
    if (code == ERR_CORRUPT && options->backup_dir != NULL)
        code = replace_damaged(replica, options, &local);
    if (code != ERR_OK) {
        err_set(err, code, "replica: %s", local.text);
        free(replica);
        return code;
    }
    load_turn(replica);
    *ret = replica;
    return ERR_OK;
}

void replica_close(struct replica *replica)
{
    if (replica == NULL)
        return;
    replica_forget_queries(replica);
    if (replica->in_turn)
        sqlite3_exec(replica->db, "ROLLBACK", NULL, NULL, NULL);
    replica_disconnect(replica);
    free(replica);
}

bool replica_was_restored(struct replica *replica)
{
    return replica_get_int(replica, 0, "SELECT v FROM kv WHERE k='restored'", "") != 0;
}

int replica_set_restored(struct replica *replica, bool restored)
{
    int64_t changed = replica_run(replica,
                                  "INSERT INTO kv(k, v) VALUES ('restored', ?1) "
                                  "ON CONFLICT(k) DO UPDATE SET v=excluded.v",
                                  "i", (int64_t)restored);
    return changed >= 0 ? ERR_OK : ERR_IO;
}
