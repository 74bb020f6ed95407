/* Where a modem is: at the path that is configured, or, when its IMEI is, at any port of a folder
 * that leads to it (/dev/serial/by-id: names there survive a new numbering of the ports). */
#ifndef TOUYAN_SMS_PORT_H
#define TOUYAN_SMS_PORT_H

#include <stdbool.h>
#include <stddef.h>

#define PORT_SCAN_DIR "/dev/serial/by-id"

enum { PORT_CANDIDATES = 64 };

struct port_wish {
    const char *device; /* "": none */
    const char *imei;   /* "": only `device` will do */
    const char *scan_dir;
    void *ctx;
    bool (*is_taken)(void *ctx, const char *path); /* another modem is there; may be NULL */
};

/* The candidate number `attempt`, counted round: the path first, then the folder's ports by name.
 * False: there is none. */
bool port_choose(const struct port_wish *wish, int attempt, char *ret, size_t size);

/* Both lead to the same port. */
bool port_is_same(const char *a, const char *b);

#endif
