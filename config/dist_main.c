/* config-dist sample|man: writes config/dist/touyan.conf and touyan.conf.5 from the option table.
 * The build target config_dist stores them in the source; a test compares. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

int main(int argc, char **argv)
{
    struct buf out;
    buf_init(&out, CONFIG_PRINT_MAX);
    bool ok = false;
    if (argc == 2 && strcmp(argv[1], "sample") == 0)
        ok = config_print_sample(&out);
    else if (argc == 2 && strcmp(argv[1], "man") == 0)
        ok = config_print_man(&out);
    if (ok)
        ok = fwrite(out.bytes, 1, out.size, stdout) == out.size && fflush(stdout) == 0;
    else
        fputs("usage: config-dist sample|man\n", stderr);
    buf_free(&out);
    return ok ? 0 : 1;
}
