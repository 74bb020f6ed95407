/* The walk over /proc/PID/fd (proc(5)); see holder.h. */
#include "gateway/cli/holder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/text.h"

enum { PATH_BYTES = 512, NAME_BYTES = 32 };

struct search {
    const char *proc;
    struct stat device;
    char *names;
    size_t size, used;
    bool unseen;
};

static bool is_number(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

static void name_of(const struct search *search, const char *pid, char ret[NAME_BYTES])
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%.20s/comm", search->proc, pid);
    FILE *file = fopen(path, "re");
    ret[0] = '\0';
    if (file != NULL && fgets(ret, NAME_BYTES, file) != NULL)
        ret[strcspn(ret, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
}

/* 1: has it open; 0: not; -1: we may not look. */
static int has_open(const struct search *search, const char *pid)
{
    char path[PATH_BYTES];
    struct stat one;
    snprintf(path, sizeof path, "%s/%.20s/fd", search->proc, pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == EACCES ? -1 : 0;
    int found = 0;
    for (const struct dirent *entry; found == 0 && (entry = readdir(dir)) != NULL;) {
        char file[PATH_BYTES + NAME_BYTES];
        snprintf(file, sizeof file, "%s/%.20s", path, entry->d_name);
        found =
            stat(file, &one) == 0 && S_ISCHR(one.st_mode) && one.st_rdev == search->device.st_rdev;
    }
    closedir(dir);
    return found;
}

static void look_at(struct search *search, const char *pid)
{
    char name[NAME_BYTES];
    int open = has_open(search, pid);
    name_of(search, pid, name);
    search->unseen = search->unseen || open < 0;
    bool suspect = open < 0 && text_equal(name, "ModemManager");
    if ((open <= 0 && !suspect) || text_equal(name, "touyan-modem"))
        return;
    int n = snprintf(search->names + search->used, search->size - search->used, "%s%s (%s)%s",
                     search->used > 0 ? ", " : "", name, pid, suspect ? "?" : "");
    if (n > 0 && (size_t)n < search->size - search->used)
        search->used += (size_t)n;
    search->names[search->used] = '\0';
}

bool holder_find(const char *proc, const char *device, char *ret, size_t size, bool *ret_unseen)
{
    struct search search = {.proc = proc, .names = ret, .size = size};
    DIR *dir = opendir(proc);
    ret[0] = '\0';
    *ret_unseen = false;
    if (dir == NULL || stat(device, &search.device) != 0 || !S_ISCHR(search.device.st_mode)) {
        if (dir != NULL)
            closedir(dir);
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (is_number(entry->d_name))
            look_at(&search, entry->d_name);
    closedir(dir);
    *ret_unseen = search.unseen;
    return search.used > 0;
}
