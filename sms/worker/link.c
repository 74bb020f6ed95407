/* The worker's end of the socketpair; see link.h. */
#include "sms/worker/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"

enum { IN_MAX_BYTES = 4 * (LIMIT_FRAME_BYTES + FRAME_HEAD_BYTES) };

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf in;

static void wait_for(short events)
{
    struct pollfd fd = {.fd = LINK_FD, .events = events};
    poll(&fd, 1, -1);
}

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(LINK_FD, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            wait_for(POLLOUT);
        else if (n < 0 && errno != EINTR)
            _exit(0);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
}

void link_send(const struct frame *frame)
{
    struct buf out;
    struct err err;
    buf_init(&out, LIMIT_FRAME_BYTES + FRAME_HEAD_BYTES);
    pthread_mutex_lock(&write_lock);
    if (frame_write(frame, &out, &err) == ERR_OK)
        write_all(out.bytes, out.size);
    else
        log_error("modem.frame", "%s", err.text);
    pthread_mutex_unlock(&write_lock);
    buf_free(&out);
}

static _Noreturn void leave(const char *why, bool unplugged)
{
    struct frame bye = {.kind = FRAME_BYE, .value = unplugged};
    snprintf(bye.text, sizeof bye.text, "%s", why);
    link_send(&bye);
    _exit(0);
}

_Noreturn void link_bye(const char *why)
{
    leave(why, false);
}

_Noreturn void link_bye_unplugged(void)
{
    leave("unplugged", true);
}

int link_receive(struct frame *ret)
{
    struct err err = {0};
    if (in.max == 0)
        buf_init(&in, IN_MAX_BYTES);
    int got = frame_take(&in, ret, &err);
    if (got != 0)
        return got;
    char *room = buf_reserve(&in, LIMIT_FRAME_BYTES);
    if (room == NULL)
        return -1;
    ssize_t n = recv(LINK_FD, room, LIMIT_FRAME_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    buf_commit(&in, (size_t)n);
    return frame_take(&in, ret, &err);
}

bool link_wait(struct frame *ret, int timeout_ms)
{
    int64_t end_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
    int got;
    while ((got = link_receive(ret)) == 0) {
        int64_t left_us = end_us - clock_mono_us();
        struct pollfd fd = {.fd = LINK_FD, .events = POLLIN};
        if (left_us <= 0)
            return false;
        poll(&fd, 1, (int)((left_us + 999) / 1000));
    }
    return got == 1;
}
