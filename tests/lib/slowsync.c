/* LD_PRELOAD: a disk that takes its time. Each fsync and fdatasync first waits for 0 to
 * SLOWSYNC_US microseconds, one in sixteen ten times as long, as a worn flash card does, so that
 * what happens between a write and its commit can be struck by a kill. The waits differ from
 * process to process. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

VISIBLE int fsync(int fd);
VISIBLE int fdatasync(int fd);

static void wait_a_little(void)
{
    static uint32_t state;
    const char *text = getenv("SLOWSYNC_US");
    unsigned long most = text != NULL ? strtoul(text, NULL, 10) : 0;
    if (most == 0)
        return;
    state = (state != 0 ? state : (uint32_t)getpid()) * 1664525 + 1013904223;
    unsigned long us = (state >> 8) % most * ((state >> 4) % 16 == 0 ? 10 : 1);
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
