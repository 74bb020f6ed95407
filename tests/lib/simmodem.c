/* poll() over the pty, the listener and the control clients. While nobody has the slave open the
 * master reports a hang-up for ever, so it is then left out of the set and looked at every 10 ms;
 * what the modem says meanwhile is lost, as on a wire that ends nowhere. */
#include "tests/lib/simmodem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "tests/lib/simlife.h"
#include "tests/lib/simmodem_port.h"

enum { LOOK_MS = 10, PIECE_US = 1000, READ_BYTES = 16384 };

static int open_slave_raw(const char *name)
{
    struct termios termios;
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || tcgetattr(fd, &termios) != 0)
        return fd;
    cfmakeraw(&termios);
    tcsetattr(fd, TCSANOW, &termios);
    return fd;
}

/* The slave is opened once to make it raw; its closing is what makes hang-ups visible. */
int simmodem_plug(struct simmodem *modem, struct err *err)
{
    char name[128];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (master < 0 || grantpt(master) || unlockpt(master) ||
        ptsname_r(master, name, sizeof name) != 0)
        goto fail;
    int slave = open_slave_raw(name);
    if (slave < 0)
        goto fail;
    close(slave);
    unlink(modem->options.link);
    if (symlink(name, modem->options.link) != 0)
        goto fail;
    modem->master = master;
    modem->opened = false;
    simat_reset(&modem->at);
    return ERR_OK;
fail:
    err_set(err, ERR_IO, "pty for %s: %s", modem->options.link, strerror(errno));
    if (master >= 0)
        close(master);
    return ERR_IO;
}

void simmodem_unplug(struct simmodem *modem)
{
    if (modem->master < 0)
        return;
    unlink(modem->options.link);
    close(modem->master);
    modem->master = -1;
    modem->opened = false;
    simat_reset(&modem->at);
}

static int listen_at(struct simmodem *modem, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!text_copy(address.sun_path, sizeof address.sun_path, path))
        return err_set(err, ERR_LIMIT, "control path is too long: %s", path);
    unlink(path);
    modem->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (modem->listener < 0 ||
        bind(modem->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(modem->listener, SIMMODEM_CLIENTS) != 0)
        return err_set(err, ERR_IO, "control socket %s: %s", path, strerror(errno));
    return ERR_OK;
}

int simmodem_open(struct simmodem *modem, const struct simmodem_options *options,
                  const struct clock *clock, struct err *err)
{
    *modem = (struct simmodem){.options = *options, .master = -1, .listener = -1};
    for (int i = 0; i < SIMMODEM_CLIENTS; i++)
        modem->clients[i].fd = -1;
    int code = simbook_open(&modem->book, options->log, options->log_fsync, clock, err);
    if (code)
        return code;
    simnet_init(&modem->net, clock, &modem->book);
    simat_init(&modem->at, &modem->net);
    if (options->profile)
        modem->at.profile = simprofile_find(options->profile);
    if (!modem->at.profile)
        return err_set(err, ERR_INVALID, "no such profile: %s", options->profile);
    if (options->capacity > 0)
        modem->net.capacity[SIMNET_SM] =
            options->capacity < SIMNET_SLOTS ? options->capacity : SIMNET_SLOTS;
    modem->net.delay_ms = options->delay_ms;
    modem->net.report_ms = options->report_ms;
    code = simlife_take_up(modem, err);
    if (!code && options->control)
        code = listen_at(modem, options->control, err);
    if (!code)
        code = simmodem_plug(modem, err);
    if (code)
        simmodem_close(modem);
    return code;
}

static void drop_client(struct simmodem_client *client)
{
    close(client->fd);
    client->fd = -1;
    buf_free(&client->in);
}

void simmodem_close(struct simmodem *modem)
{
    simmodem_unplug(modem);
    for (int i = 0; i < SIMMODEM_CLIENTS; i++)
        if (modem->clients[i].fd >= 0)
            drop_client(&modem->clients[i]);
    if (modem->listener >= 0) {
        close(modem->listener);
        unlink(modem->options.control);
    }
    modem->listener = -1;
    simat_fini(&modem->at);
    simnet_fini(&modem->net);
    simbook_close(&modem->book);
}

static void accept_client(struct simmodem *modem)
{
    int fd = accept4(modem->listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; fd >= 0 && i < SIMMODEM_CLIENTS; i++) {
        if (modem->clients[i].fd < 0) {
            modem->clients[i].fd = fd;
            buf_init(&modem->clients[i].in, SIMMODEM_ORDER_BYTES);
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* The answer is small and the client waits for it: a blocking write is good enough. */
static bool answer(struct simmodem *modem, struct simmodem_client *client, size_t size)
{
    struct json *object = simmodem_order(modem, client->in.bytes, size);
    struct buf line;

    buf_init(&line, SIMMODEM_ORDER_BYTES);
    bool sent = json_write(object, &line) && buf_add(&line, "\n", 1) &&
                send(client->fd, line.bytes, line.size, MSG_NOSIGNAL) == (ssize_t)line.size;
    buf_free(&line);
    json_free(object);
    buf_drop(&client->in, size + 1);
    return sent;
}

static void read_client(struct simmodem *modem, struct simmodem_client *client)
{
    char bytes[READ_BYTES];
    ssize_t got = recv(client->fd, bytes, sizeof bytes, 0);
    bool alive = got > 0 && buf_add(&client->in, bytes, (size_t)got);

    while (alive && client->in.size > 0) {
        char *end = memchr(client->in.bytes, '\n', client->in.size);

        if (!end)
            break;
        alive = answer(modem, client, (size_t)(end - client->in.bytes));
    }
    if (!alive)
        drop_client(client);
}

static void read_port(struct simmodem *modem)
{
    char bytes[READ_BYTES];
    ssize_t got = read(modem->master, bytes, sizeof bytes);

    if (got <= 0)
        return;
    modem->busy_us = clock_mono_us();
    simat_feed(&modem->at, bytes, (size_t)got, modem->busy_us);
}

static void write_port(struct simmodem *modem)
{
    struct buf *out = &modem->at.out;
    size_t size = modem->at.one_byte && out->size > 0 ? 1 : out->size;
    int64_t now_us = clock_mono_us();

    if (size > 0 && (!modem->at.one_byte || now_us >= modem->piece_us)) {
        ssize_t put = write(modem->master, out->bytes, size);

        if (put > 0) {
            buf_drop(out, (size_t)put);
            modem->busy_us = now_us;
            modem->piece_us = now_us + PIECE_US;
        }
    }
    if (out->size == 0)
        modem->at.one_byte = false;
}

/* Whether somebody has the slave open; a newly closed port forgets what it wanted to say. */
static void look_at_port(struct simmodem *modem)
{
    struct pollfd port = {.fd = modem->master, .events = POLLIN};

    if (modem->master < 0 || modem->opened)
        return;
    if (poll(&port, 1, 0) >= 0 && (port.revents & POLLHUP) == 0)
        modem->opened = true;
}

static int wait_ms(const struct simmodem *modem, int max_ms)
{
    int64_t due_us = simat_next_due(&modem->at);
    int64_t now_us = clock_mono_us();

    if (modem->at.one_byte && (due_us < 0 || modem->piece_us < due_us))
        due_us = modem->piece_us;
    if (!modem->opened && modem->master >= 0 && max_ms > LOOK_MS)
        max_ms = LOOK_MS;
    if (due_us < 0 || modem->master < 0)
        return max_ms;
    int64_t left_ms = due_us <= now_us ? 0 : (due_us - now_us + 999) / 1000;
    return left_ms < max_ms ? (int)left_ms : max_ms;
}

static void drop_output(struct simmodem *modem)
{
    buf_clear(&modem->at.out);
    modem->at.one_byte = false;
}

static void work_port(struct simmodem *modem, short revents)
{
    if (revents & POLLIN)
        read_port(modem);
    else if (revents & POLLHUP)
        modem->opened = false;
    look_at_port(modem);
    if (modem->master < 0)
        return;
    simat_run(&modem->at, clock_mono_us(), modem->opened);
    if (modem->opened)
        write_port(modem);
    else
        drop_output(modem);
}

void simmodem_turn(struct simmodem *modem, int max_ms)
{
    struct pollfd fds[2 + SIMMODEM_CLIENTS];
    bool to_write = modem->at.out.size > 0 && !modem->at.one_byte;

    fds[0] = (struct pollfd){.fd = modem->opened ? modem->master : -1,
                             .events = (short)(POLLIN | (to_write ? POLLOUT : 0))};
    fds[1] = (struct pollfd){.fd = modem->listener, .events = POLLIN};
    for (int i = 0; i < SIMMODEM_CLIENTS; i++)
        fds[2 + i] = (struct pollfd){.fd = modem->clients[i].fd, .events = POLLIN};
    if (poll(fds, 2 + SIMMODEM_CLIENTS, wait_ms(modem, max_ms)) < 0)
        return;
    for (int i = 0; i < SIMMODEM_CLIENTS; i++)
        if (fds[2 + i].revents)
            read_client(modem, &modem->clients[i]);
    if (fds[1].revents)
        accept_client(modem);
    work_port(modem, fds[0].revents);
}
