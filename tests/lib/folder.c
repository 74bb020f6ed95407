/* See folder.h. */
#include "tests/lib/folder.h"

#include <ftw.h>
#include <stdio.h>

static int on_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int folder_remove(const char *path)
{
    return nftw(path, on_entry, 8, FTW_DEPTH | FTW_PHYS);
}
