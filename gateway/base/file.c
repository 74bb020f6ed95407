/* See file.h. The new file is made beside the old one with O_EXCL under its final mode, so that no
 * moment shows a secret to others; a left-over of a crash is removed first. */
#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/text.h"

static int fail(struct err *err, const char *path)
{
    return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
}

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    char step[4096];
    ssize_t got;
    while ((got = read(fd, step, sizeof step)) > 0)
        if (!buf_add(out, step, (size_t)got))
            return err_set(err, ERR_LIMIT, "%s is too large", path);
    return got < 0 ? fail(err, path) : ERR_OK;
}

static int open_and_read(const char *path, bool secret, struct buf *out, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "%s does not exist", path)
                               : fail(err, path);
    int code = fstat(fd, &st) == 0 ? ERR_OK : fail(err, path);
    if (code == ERR_OK && secret && (st.st_mode & (S_IROTH | S_IWOTH)) != 0)
        code = err_set(err, ERR_DENIED, "%s can be read by everybody: chmod o= it", path);
    if (code == ERR_OK)
        code = read_all(fd, path, out, err);
    close(fd);
    return code;
}

int file_read(const char *path, struct buf *out, struct err *err)
{
    return open_and_read(path, false, out, err);
}

int file_read_secret(const char *path, struct buf *out, struct err *err)
{
    return open_and_read(path, true, out, err);
}

static bool sync_folder(const char *path)
{
    char folder[LIMIT_PATH_BYTES];
    if (!text_copy(folder, sizeof folder, path))
        return false;
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        text_copy(folder, sizeof folder, ".");
    else
        slash[slash == folder] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        }
    }
    return true;
}

static bool write_new(const char *path, const void *bytes, size_t size, unsigned mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, bytes, size) && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

int file_replace(const char *path, const void *bytes, size_t size, unsigned mode, struct err *err)
{
    char beside[LIMIT_PATH_BYTES + 8];
    int length = snprintf(beside, sizeof beside, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof beside)
        return err_set(err, ERR_LIMIT, "%s: the path is too long", path);
    if (!write_new(beside, bytes, size, mode) || rename(beside, path) != 0 || !sync_folder(path)) {
        int code = fail(err, path);
        unlink(beside);
        return code;
    }
    return ERR_OK;
}

int file_remove(const char *path, struct err *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return fail(err, path);
    return sync_folder(path) ? ERR_OK : fail(err, path);
}
