/* Backups and checkpoints, on connections of their own so that a worker thread can run them.
 * A backup is taken in one sqlite3_backup_step(-1): stepping would start over with every write.
 * It is written beside, checked, synced and renamed, so a file that has its final name is whole. */
#include "sync/replica/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"

static const char prefix[] = "replica-";
static const char suffix[] = ".db";

enum { BACKUPS_LISTED = 512 };

static bool is_backup_name(const char *name)
{
    size_t length = strlen(name);
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && length > sizeof suffix &&
           strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct listing {
    char names[BACKUPS_LISTED][64];
    size_t count;
};

/* The names are replica-<13 digits of ms>.db, so by name is by time. */
static struct listing *list_backups(const char *dir_path)
{
    struct listing *list = calloc(1, sizeof *list);
    DIR *dir = opendir(dir_path);
    if (list == NULL)
        abort();
    if (dir == NULL)
        return list;
    for (struct dirent *entry; list->count < BACKUPS_LISTED && (entry = readdir(dir)) != NULL;)
        if (is_backup_name(entry->d_name) &&
            text_copy(list->names[list->count], sizeof list->names[0], entry->d_name))
            list->count++;
    closedir(dir);
    qsort(list->names, list->count, sizeof list->names[0], by_name);
    return list;
}

bool replica_file_is_sound(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW &&
              text_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return ok;
}

int replica_newest_backup(const char *backup_dir, char *ret_path, size_t size)
{
    struct listing *list = list_backups(backup_dir);
    int code = ERR_NOT_FOUND;
    for (size_t i = list->count; i > 0 && code != ERR_OK; i--) {
        snprintf(ret_path, size, "%s/%s", backup_dir, list->names[i - 1]);
        if (replica_file_is_sound(ret_path))
            code = ERR_OK;
        else
            log_warn("backup.unsound", "path=%s", ret_path);
    }
    free(list);
    return code;
}

static void drop_old(const char *backup_dir, int keep)
{
    struct listing *list = list_backups(backup_dir);
    for (size_t i = 0; i + (size_t)keep < list->count; i++) {
        char path[LIMIT_PATH_BYTES + 64];
        snprintf(path, sizeof path, "%s/%s", backup_dir, list->names[i]);
        unlink(path);
    }
    free(list);
}

static int copy_whole(const char *path, const char *to_path, struct err *err)
{
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(to_path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(from, BUSY_TIMEOUT_MS);
        sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
        rc = copy != NULL ? sqlite3_backup_step(copy, -1) : SQLITE_ERROR;
        int finished = sqlite3_backup_finish(copy);
        rc = rc == SQLITE_DONE ? finished : rc;
    }
    if (rc == SQLITE_OK) /* a backup stands alone: no -wal beside it */
        rc = sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        err_set(err, ERR_IO, "backup to %s: %s", to_path, sqlite3_errstr(rc));
    sqlite3_close(from);
    sqlite3_close(to);
    return rc == SQLITE_OK ? ERR_OK : ERR_IO;
}

static bool sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

int replica_backup(const char *path, const char *backup_dir, int64_t now_ms, int keep,
                   struct err *err)
{
    char part[LIMIT_PATH_BYTES + 64];
    char done[LIMIT_PATH_BYTES + 64];
    snprintf(part, sizeof part, "%s/%s%013" PRId64 ".part", backup_dir, prefix, now_ms);
    snprintf(done, sizeof done, "%s/%s%013" PRId64 "%s", backup_dir, prefix, now_ms, suffix);
    unlink(part);
    int code = copy_whole(path, part, err);
    if (code == ERR_OK && !replica_file_is_sound(part))
        code = err_set(err, ERR_CORRUPT, "backup of %s: the copy does not pass its check", path);
    if (code == ERR_OK && (!sync_path(part) || rename(part, done) != 0 || !sync_path(backup_dir)))
        code = err_set(err, ERR_IO, "backup %s: %s", done, strerror(errno));
    if (code != ERR_OK)
        unlink(part);
    else
        drop_old(backup_dir, keep > 0 ? keep : 1);
    return code;
}

int replica_checkpoint(const char *path, struct err *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) /* a connection that has read nothing does not know of the log */
        rc = sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK)
        err_set(err, ERR_IO, "checkpoint of %s: %s", path, sqlite3_errstr(rc));
    sqlite3_close(db);
    return rc == SQLITE_OK ? ERR_OK : ERR_IO;
}
