/* Database files: copies that are taken while a program runs, and their putting back. */
#include "tests/sim/sync/world.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void file_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const char *at = bytes;
    while (fd >= 0 && size > 0) {
        ssize_t wrote = write(fd, at, size);
        if (wrote <= 0)
            break;
        at += wrote;
        size -= (size_t)wrote;
    }
    if (fd < 0 || close(fd) != 0 || size > 0)
        give_up("cannot write %s", path);
}

void file_remove_db(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[PATH_MAX_BYTES + 16];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

void *file_serialize(const char *path, size_t *ret_size)
{
    sqlite3 *db = NULL;
    sqlite3_int64 size = 0;
    void *bytes = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        bytes = sqlite3_serialize(db, "main", &size, 0);
    if (bytes == NULL)
        give_up("cannot copy %s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    *ret_size = (size_t)size;
    return bytes;
}

void file_write_template(struct world *world, const char *path)
{
    static void *bytes;
    static size_t size;
    if (bytes == NULL) {
        struct replica_options options = {
            .path = path, .clock = clock_real(), .rnd = &world->rnd, .seal = world->seal};
        struct replica *replica = NULL;
        struct err err = {0};
        struct rnd rnd = world->rnd;
        if (replica_open(&options, &replica, &err) != ERR_OK)
            give_up("%s", err.text);
        world->rnd = rnd;
        replica_close(replica);
        bytes = file_serialize(path, &size);
    }
    file_remove_db(path);
    file_write(path, bytes, size);
}
