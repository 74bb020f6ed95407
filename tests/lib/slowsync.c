/* LD_PRELOAD: a disk that takes its time, as a worn flash card does, so that what happens between a
 * write and its commit can be struck by a kill. Each fsync and fdatasync, and one in sixteen writes
 * at a position (those of a database), first waits for 0 to SLOWSYNC_US microseconds; one in
 * sixteen of them ten times as long. A kill keeps what was written and not yet synced, so without
 * slow writes a commit would be there or not within microseconds. The waits differ from process to
 * process. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

/* the C library's own declarations again, but visible in a library that hides the rest */
VISIBLE int fsync(int fd);     /* NOLINT(readability-redundant-declaration) */
VISIBLE int fdatasync(int fd); /* NOLINT(readability-redundant-declaration) */
/* NOLINTNEXTLINE(readability-redundant-declaration) */
VISIBLE ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at);

enum { ONE_IN = 16, LONG = 10 };

static uint32_t draw(void)
{
    static uint32_t state;
    state = (state != 0 ? state : (uint32_t)getpid()) * 1664525 + 1013904223;
    return state >> 8;
}

static void wait_a_little(void)
{
    const char *text = getenv("SLOWSYNC_US");
    unsigned long most = text != NULL ? strtoul(text, NULL, 10) : 0;
    if (most == 0)
        return;
    unsigned long us = draw() % most * (draw() % ONE_IN == 0 ? LONG : 1);
    struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

int fsync(int fd)
{
    wait_a_little();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_a_little();
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    if (draw() % ONE_IN == 0)
        wait_a_little();
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}
