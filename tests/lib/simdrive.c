/* The parent knows that the child is ready when the control socket takes a connection. */
#include "tests/lib/simdrive.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/text.h"

enum { READY_MS = 5000, ANSWER_BYTES = 65536 };

static void run_child(const struct simmodem_options *options, const struct clock *clock)
{
    struct simmodem *modem = calloc(1, sizeof *modem);
    struct err err = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!modem || simmodem_open(modem, options, clock, &err)) {
        fprintf(stderr, "simdrive: %s\n", err.text);
        _exit(1);
    }
    while (!modem->quit)
        simmodem_turn(modem, 1000);
    simmodem_close(modem);
    free(modem);
    _exit(0);
}

static bool connect_once(struct simdrive *drive)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    text_copy(address.sun_path, sizeof address.sun_path, drive->control);
    drive->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(drive->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    close(drive->fd);
    drive->fd = -1;
    return false;
}

int simdrive_start(struct simdrive *drive, const struct simmodem_options *options,
                   const struct clock *clock, struct err *err)
{
    struct simmodem_options all = options ? *options : (struct simmodem_options){0};
    int64_t until_us = clock_mono_us() + READY_MS * INT64_C(1000);

    *drive = (struct simdrive){.fd = -1, .folder = "/tmp/simdrive-XXXXXX"};
    buf_init(&drive->in, ANSWER_BYTES);
    if (!mkdtemp(drive->folder))
        return err_set(err, ERR_IO, "%s: %s", drive->folder, strerror(errno));
    snprintf(drive->link, sizeof drive->link, "%s/tty", drive->folder);
    snprintf(drive->control, sizeof drive->control, "%s/control", drive->folder);
    snprintf(drive->log, sizeof drive->log, "%s/book", drive->folder);
    all.link = drive->link;
    all.control = drive->control;
    all.log = drive->log;
    drive->pid = fork();
    if (drive->pid == 0)
        run_child(&all, clock);
    /* the socket listens before the link is there */
    while (access(drive->link, F_OK) != 0 || !connect_once(drive)) {
        if (drive->pid < 0 || clock_mono_us() > until_us)
            return err_set(err, ERR_TIMEOUT, "simulated modem does not come up");
        clock_sleep_ms(5);
    }
    return ERR_OK;
}

void simdrive_stop(struct simdrive *drive)
{
    if (drive->pid > 0) {
        kill(drive->pid, SIGKILL);
        waitpid(drive->pid, NULL, 0);
        close(drive->fd);
    }
    if (drive->folder[0] != '\0') {
        unlink(drive->link);
        unlink(drive->control);
        unlink(drive->log);
        rmdir(drive->folder);
    }
    buf_free(&drive->in);
    *drive = (struct simdrive){.fd = -1};
}

struct json *simdrive_order(struct simdrive *drive, const char *order)
{
    struct json *answer = NULL;
    char *end = NULL;

    if (dprintf(drive->fd, "%s\n", order) < 0)
        return NULL;
    buf_clear(&drive->in);
    while (!end) {
        char bytes[4096];
        ssize_t got = recv(drive->fd, bytes, sizeof bytes, 0);

        if (got <= 0 || !buf_add(&drive->in, bytes, (size_t)got))
            return NULL;
        end = memchr(drive->in.bytes, '\n', drive->in.size);
    }
    json_parse(drive->in.bytes, (size_t)(end - drive->in.bytes), &answer, NULL);
    return answer;
}

int64_t simdrive_stat(struct simdrive *drive, const char *name)
{
    struct json *stats = simdrive_order(drive, "{\"cmd\":\"stats\"}");
    int64_t value = json_int(stats, name, -1);

    json_free(stats);
    return value;
}

bool simdrive_await(struct simdrive *drive, const char *name, int64_t value, int64_t timeout_ms)
{
    int64_t until_us = clock_mono_us() + timeout_ms * 1000;

    while (simdrive_stat(drive, name) < value) {
        if (clock_mono_us() > until_us)
            return false;
        clock_sleep_ms(5);
    }
    return true;
}

struct json *simdrive_event(const struct simdrive *drive, const char *event, int index)
{
    FILE *file = fopen(drive->log, "re");
    struct json *found = NULL;
    char *line = NULL;
    size_t room = 0;

    for (ssize_t size = 0; file && !found && (size = getline(&line, &room, file)) > 0;) {
        struct json *object = NULL;

        json_parse(line, (size_t)size - 1, &object, NULL);
        if (text_equal(json_text(object, "event", ""), event) && index-- == 0)
            found = object;
        else
            json_free(object);
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}
