/* Database files: in memory, through a VFS of SQLite that is made the default of the process. So a
 * seed leaves nothing behind and asks nothing of the system; locks are kept, because the county's
 * file is opened twice. Copies are taken while a program runs, and put back. */
#include "tests/sim/sync/world.h"

#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILES_MAX = 64,
    REGIONS_MAX = 16,
    REGION_BYTES = 32768,
    SHM_LOCKS = 8,
    GROWTH_BYTES = 65536,
    HEAP_BYTES_MAX = 33554432,
};

struct file {
    char name[PATH_MAX_BYTES]; /* "": deleted, or temporary */
    unsigned char *bytes;      /* NULL and no handles: a free slot */
    size_t size, capacity;
    int handles;
    int shared; /* handles with a lock */
    struct handle *writer;
    void *regions[REGIONS_MAX]; /* of the WAL's index */
    int mappers;
    int readers[SHM_LOCKS];
    struct handle *owners[SHM_LOCKS];
};

struct handle {
    sqlite3_file base; /* first */
    struct file *file;
    int lock;
    bool maps;
    bool reads[SHM_LOCKS];
};

static struct file files[FILES_MAX];

static struct handle *handle_of(sqlite3_file *base)
{
    return (struct handle *)base;
}

static struct file *find(const char *name)
{
    for (int i = 0; name[0] != '\0' && i < FILES_MAX; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}

static struct file *make(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct file *file = &files[i];
        if (file->bytes != NULL)
            continue;
        *file = (struct file){.bytes = malloc(GROWTH_BYTES), .capacity = GROWTH_BYTES};
        if (file->bytes == NULL || strlen(name) >= sizeof file->name)
            give_up("no memory for %s, or its name is too long", name);
        memcpy(file->name, name, strlen(name) + 1);
        return file;
    }
    give_up("more than %d files", FILES_MAX);
}

static void forget_if_unused(struct file *file)
{
    if (file->handles > 0 || file->name[0] != '\0')
        return;
    free(file->bytes);
    *file = (struct file){0};
}

/* --- reading and writing --- */

static int read_at(sqlite3_file *base, void *to, int count, sqlite3_int64 offset)
{
    const struct file *file = handle_of(base)->file;
    size_t at = (size_t)offset;
    size_t wanted = (size_t)count;
    size_t there = at < file->size ? file->size - at : 0;
    size_t got = there < wanted ? there : wanted;
    if (got > 0)
        memcpy(to, file->bytes + at, got);
    memset((char *)to + got, 0, wanted - got);
    return got == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void grow(struct file *file, size_t size)
{
    if (size > file->capacity) {
        file->capacity = size + size / 2 + GROWTH_BYTES;
        file->bytes = realloc(file->bytes, file->capacity);
        if (file->bytes == NULL)
            give_up("out of memory");
    }
    if (size > file->size) {
        memset(file->bytes + file->size, 0, size - file->size);
        file->size = size;
    }
}

static int write_at(sqlite3_file *base, const void *from, int count, sqlite3_int64 offset)
{
    struct file *file = handle_of(base)->file;
    grow(file, (size_t)offset + (size_t)count);
    memcpy(file->bytes + offset, from, (size_t)count);
    return SQLITE_OK;
}

static int truncate_to(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = handle_of(base)->file;
    if ((size_t)size < file->size)
        file->size = (size_t)size;
    return SQLITE_OK;
}

static int sync_nothing(sqlite3_file *base, int flags)
{
    (void)base;
    (void)flags;
    return SQLITE_OK;
}

static int size_of(sqlite3_file *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)handle_of(base)->file->size;
    return SQLITE_OK;
}

/* --- locks --- */

static int lock(sqlite3_file *base, int level)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    if (handle->lock >= level)
        return SQLITE_OK;
    bool taken = file->writer != NULL && file->writer != handle;
    if (level == SQLITE_LOCK_SHARED) {
        if (taken && file->writer->lock >= SQLITE_LOCK_PENDING)
            return SQLITE_BUSY;
        file->shared++;
    } else {
        if (taken || (level == SQLITE_LOCK_EXCLUSIVE && file->shared > 1))
            return SQLITE_BUSY;
        file->writer = handle;
    }
    handle->lock = level;
    return SQLITE_OK;
}

static int unlock(sqlite3_file *base, int level)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    if (handle->lock <= level)
        return SQLITE_OK;
    if (file->writer == handle)
        file->writer = NULL;
    if (level == SQLITE_LOCK_NONE)
        file->shared--;
    handle->lock = level;
    return SQLITE_OK;
}

static int is_reserved(sqlite3_file *base, int *ret)
{
    *ret = handle_of(base)->file->writer != NULL;
    return SQLITE_OK;
}

/* --- the index of the WAL --- */

static int map_region(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    if (region >= REGIONS_MAX)
        give_up("the WAL of %s is too long", file->name);
    if (!handle->maps)
        file->mappers++;
    handle->maps = true;
    if (size != REGION_BYTES)
        give_up("the WAL's index has another size");
    if (file->regions[region] == NULL && extend)
        file->regions[region] = calloc(1, (size_t)size);
    *ret = file->regions[region];
    return SQLITE_OK;
}

static void release_region_lock(struct handle *handle, int at)
{
    struct file *file = handle->file;
    if (file->owners[at] == handle)
        file->owners[at] = NULL;
    if (handle->reads[at])
        file->readers[at]--;
    handle->reads[at] = false;
}

static int lock_regions(sqlite3_file *base, int from, int count, int flags)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    for (int at = from; (flags & SQLITE_SHM_LOCK) != 0 && at < from + count; at++) {
        bool owned = file->owners[at] != NULL && file->owners[at] != handle;
        bool read = file->readers[at] > (handle->reads[at] ? 1 : 0);
        if (owned || ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && read))
            return SQLITE_BUSY;
    }
    for (int at = from; at < from + count; at++) {
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
            release_region_lock(handle, at);
        } else if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
            file->owners[at] = handle;
        } else if (!handle->reads[at]) {
            handle->reads[at] = true;
            file->readers[at]++;
        }
    }
    return SQLITE_OK;
}

static void barrier(sqlite3_file *base)
{
    (void)base;
}

static int unmap(sqlite3_file *base, int delete)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    (void)delete;
    if (!handle->maps)
        return SQLITE_OK;
    handle->maps = false;
    for (int at = 0; at < SHM_LOCKS; at++)
        release_region_lock(handle, at);
    if (--file->mappers > 0)
        return SQLITE_OK;
    for (int i = 0; i < REGIONS_MAX; i++)
        free(file->regions[i]);
    memset(file->regions, 0, sizeof file->regions);
    return SQLITE_OK;
}

/* --- the file system --- */

static int close_handle(sqlite3_file *base)
{
    struct handle *handle = handle_of(base);
    unmap(base, 0);
    unlock(base, SQLITE_LOCK_NONE);
    handle->file->handles--;
    forget_if_unused(handle->file);
    return SQLITE_OK;
}

static int control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static int characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                     int *ret_flags)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = close_handle,
        .xRead = read_at,
        .xWrite = write_at,
        .xTruncate = truncate_to,
        .xSync = sync_nothing,
        .xFileSize = size_of,
        .xLock = lock,
        .xUnlock = unlock,
        .xCheckReservedLock = is_reserved,
        .xFileControl = control,
        .xSectorSize = sector_size,
        .xDeviceCharacteristics = characteristics,
        .xShmMap = map_region,
        .xShmLock = lock_regions,
        .xShmBarrier = barrier,
        .xShmUnmap = unmap,
    };
    (void)vfs;
    struct file *file = name != NULL ? find(name) : NULL;
    *handle_of(base) = (struct handle){0};
    if (file == NULL && (flags & SQLITE_OPEN_CREATE) == 0)
        return SQLITE_CANTOPEN;
    if (file == NULL)
        file = make(name != NULL ? name : "");
    *handle_of(base) = (struct handle){.base.pMethods = &methods, .file = file};
    file->handles++;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int durably)
{
    (void)vfs;
    (void)durably;
    struct file *file = find(name);
    if (file == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    file->name[0] = '\0';
    forget_if_unused(file);
    return SQLITE_OK;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs;
    (void)flags;
    *ret = find(name) != NULL;
    return SQLITE_OK;
}

static int full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)vfs;
    snprintf(ret, (size_t)size, "%s", name);
    return SQLITE_OK;
}

void files_init(void)
{
    static sqlite3_vfs vfs;
    mallopt(M_MMAP_THRESHOLD, HEAP_BYTES_MAX); /* what a seed frees the next one takes */
    mallopt(M_TRIM_THRESHOLD, HEAP_BYTES_MAX);
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    vfs = *sqlite3_vfs_find(NULL); /* time, randomness and sleep are the system's */
    vfs.pNext = NULL;
    vfs.zName = "sim";
    vfs.szOsFile = (int)sizeof(struct handle);
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_name;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        give_up("no file system of our own");
}

/* --- for the others --- */

static struct file *find_wal(const char *path)
{
    char name[PATH_MAX_BYTES + 16];
    snprintf(name, sizeof name, "%s-wal", path);
    return find(name);
}

/* As after a crash of the machine: who has it open finds the WAL empty and its index zeroed, makes
 * that anew and drops the pages that it kept. Statements stay prepared: the schema is the same. */
void file_write(const char *path, const void *bytes, size_t size)
{
    struct file *file = find(path);
    struct file *wal = find_wal(path);
    if (file == NULL)
        file = make(path);
    grow(file, size);
    memcpy(file->bytes, bytes, size);
    file->size = size;
    if (wal != NULL)
        wal->size = 0;
    for (int i = 0; i < REGIONS_MAX; i++)
        if (file->regions[i] != NULL)
            memset(file->regions[i], 0, REGION_BYTES);
}

void file_remove_db(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[PATH_MAX_BYTES + 16];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        delete_file(NULL, name, 0);
    }
}

void *file_copy(const char *path, struct sqlite3 *db, size_t *ret_size)
{
    const struct file *file = find(path);
    const struct file *wal = find_wal(path);
    int in_wal = 0;
    int moved = 0;
    if (file == NULL || (db == NULL && wal != NULL && wal->size > 0) ||
        (db != NULL && sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_wal,
                                                 &moved) != SQLITE_OK) ||
        in_wal < 0 || moved != in_wal)
        give_up("cannot copy %s", path);
    void *bytes = malloc(file->size);
    if (bytes == NULL)
        give_up("out of memory");
    memcpy(bytes, file->bytes, file->size);
    *ret_size = file->size;
    return bytes;
}
