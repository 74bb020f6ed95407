/* Finding the port; see port.h. What a port leads to is only known when somebody asks the modem for
 * its IMEI: the supervisor tries one candidate after another. */
#include "sms/port.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

enum { NAME_BYTES = 256 };

bool port_is_same(const char *a, const char *b)
{
    struct stat one;
    struct stat two;
    if (stat(a, &one) != 0 || stat(b, &two) != 0)
        return text_equal(a, b);
    return one.st_rdev == two.st_rdev && one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t list_names(const char *dir, char (*ret)[NAME_BYTES])
{
    size_t count = 0;
    const struct dirent *entry;
    DIR *handle = opendir(dir);
    while (handle != NULL && count < PORT_CANDIDATES && (entry = readdir(handle)) != NULL)
        if (entry->d_name[0] != '.' && text_copy(ret[count], NAME_BYTES, entry->d_name))
            count++;
    if (handle != NULL)
        closedir(handle);
    qsort(ret, count, sizeof ret[0], by_name);
    return count;
}

static bool is_candidate(const struct port_wish *wish, const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0 && S_ISCHR(stat_of.st_mode) &&
           (wish->is_taken == NULL || !wish->is_taken(wish->ctx, path));
}

bool port_choose(const struct port_wish *wish, int attempt, char *ret, size_t size)
{
    static char names[PORT_CANDIDATES][NAME_BYTES];
    static char paths[PORT_CANDIDATES + 1][LIMIT_PATH_BYTES];
    size_t count = 0;
    if (wish->device[0] != '\0' && access(wish->device, F_OK) == 0)
        text_copy(paths[count++], LIMIT_PATH_BYTES, wish->device);
    size_t found = wish->imei[0] != '\0' ? list_names(wish->scan_dir, names) : 0;
    for (size_t i = 0; i < found; i++) {
        int n = snprintf(paths[count], LIMIT_PATH_BYTES, "%s/%s", wish->scan_dir, names[i]);
        if (n > 0 && n < LIMIT_PATH_BYTES && is_candidate(wish, paths[count]))
            count++;
    }
    return count > 0 && text_copy(ret, size, paths[(size_t)attempt % count]);
}
