/* The filter thread; see filter.h.
 *
 * From libgammu to the modem: bytes pass as they come. They are read along the way: a command line
 * sets the command under way, ^Z ends a PDU. Before ^Z goes on, the gateway is told so.
 * From the modem: whole lines are sorted (line.h) and passed to libgammu or kept for filter_run();
 * the prompt is the one thing that is passed without a line end.
 *
 * Unplugged (end of file, EIO, hang-up), the gateway gone, SIGTERM: the process ends here and now;
 * what became of a send the gateway knows from the last stage that it was told. */
#include "sms/worker/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/outbox_policy.h"
#include "sms/worker/line.h"
#include "sms/worker/link.h"

enum {
    LINE_BYTES = 1024,
    NAME_BYTES = 24,
    RING_LINES = 24,
    RING_BYTES = 80,
    READ_BYTES = 512,
    WRITE_WAIT_MS = 5000,
    CTRL_Z = 0x1a,
    ESCAPE = 0x1b,
    CMS_UNKNOWN = 500,
    PDU_DIGITS_MIN = 16,
    NUMBER_DIGITS_MIN = 7,
    STRAY_US = 500000,
};

enum pdu_next { PDU_NONE, PDU_REPORT, PDU_MESSAGE, PDU_DROP };

struct filter {
    int tty;
    int master;
    int slave; /* kept open, so that the master never hangs up */
    int signals;
    int event_fd;
    char path[64];
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t replied;

    char command[NAME_BYTES]; /* under way, "" none */
    bool own;                 /* it is filter_run()'s, not libgammu's */
    char out_line[LINE_BYTES];
    size_t out_size;
    bool behind_prompt; /* which was passed without a line end */
    bool echoed; /* libgammu has seen the echo of its command, without which it takes no answer */

    char line[LINE_BYTES];
    size_t line_size;
    bool skip_space;    /* the blank behind a prompt that was passed already */
    enum pdu_next next; /* the next line is a PDU that was announced */

    char *reply;
    size_t reply_size;
    bool reply_done;
    enum at_result reply_result;

    int64_t job;
    bool settled;
    enum frame_stage stage;
    int mr;
    int64_t stray_us; /* until then an OK belongs to a send that was given up; 0: none */

    struct filter_event events[FILTER_EVENTS];
    size_t event_first;
    size_t event_count;

    bool network; /* lost or found */
    struct filter_call call;
    char ussd[LINE_BYTES]; /* "": none */

    char ring[RING_LINES][RING_BYTES];
    size_t ring_next;
};

/* --- the log's ring --- */

/* +CLIP: "+8613…", +CUSD and the like: of a longer number only the last three digits stay. */
static void mask_numbers(char *line)
{
    for (char *c = line; *c != '\0';) {
        size_t digits = strspn(c, "0123456789");
        for (size_t i = 0; digits >= NUMBER_DIGITS_MIN && i + 3 < digits; i++)
            c[i] = '*';
        c += digits > 0 ? digits : 1;
    }
}

static void remember(struct filter *f, char way, const char *line)
{
    char *slot = f->ring[f->ring_next++ % RING_LINES];
    if (strncmp(line, "AT+CPIN=", 8) == 0)
        line = "AT+CPIN=***";
    if (strspn(line, "0123456789ABCDEFabcdef") >= PDU_DIGITS_MIN) /* numbers and texts of people */
        snprintf(slot, RING_BYTES, "%c (PDU of %zu digits)", way, strlen(line));
    else
        snprintf(slot, RING_BYTES, "%c %.70s", way, line);
    mask_numbers(slot);
}

static void write_ring(struct filter *f, const char *why)
{
    log_warn("at.trouble", "%s; last lines:", why);
    for (size_t i = 0; i < RING_LINES; i++) {
        const char *line = f->ring[(f->ring_next + i) % RING_LINES];
        if (line[0] != '\0')
            log_warn("at.line", "%s", line);
    }
}

void filter_log(struct filter *filter, const char *why)
{
    pthread_mutex_lock(&filter->lock);
    write_ring(filter, why);
    pthread_mutex_unlock(&filter->lock);
}

/* --- moving bytes --- */

static void leave(struct filter *f, const char *why)
{
    write_ring(f, why);
    link_bye(why);
}

static void leave_unplugged(struct filter *f)
{
    write_ring(f, "unplugged");
    link_bye_unplugged();
}

static void write_tty(struct filter *f, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(f->tty, bytes, size);
        struct pollfd fd = {.fd = f->tty, .events = POLLOUT};
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (poll(&fd, 1, WRITE_WAIT_MS) <= 0)
                leave(f, "the modem takes no bytes");
        } else if (n == 0 || errno != EINTR) {
            leave_unplugged(f);
        }
    }
}

/* To libgammu. When it does not read (it gave up waiting), the bytes are of no use to it. */
static void pass(struct filter *f, const char *bytes, size_t size)
{
    ssize_t n = write(f->master, bytes, size);
    (void)n;
}

/* --- sends --- */

/* The gateway hears of what moves its deadline: not of the command, nor of a prompt that a PDU of
 * ours follows at once. */
static void tell_stage(struct filter *f, enum frame_stage stage)
{
    if (f->job == 0 || f->settled || stage <= f->stage)
        return;
    f->stage = stage;
    pthread_cond_signal(&f->replied);
    if (stage == STAGE_COMMAND || (stage == STAGE_PROMPT && f->own))
        return;
    struct frame frame = {.kind = FRAME_STAGE, .id = f->job, .value = (int)stage};
    link_send(&frame);
}

static void settle(struct filter *f, int outcome, int value)
{
    if (f->job == 0 || f->settled)
        return;
    f->settled = true;
    pthread_cond_signal(&f->replied);
    struct frame frame = {.kind = FRAME_RESULT, .id = f->job, .outcome = outcome, .value = value};
    link_send(&frame);
}

static void watch_send(struct filter *f, enum line_kind kind, const char *line)
{
    if (f->job == 0 || f->stage == STAGE_NONE || strcmp(f->command, "+CMGS") != 0)
        return;
    if (kind == LINE_REPLY && strncmp(line, "+CMGS:", 6) == 0)
        f->mr = line_number(line);
    else if (kind == LINE_OK && f->stage >= STAGE_PDU)
        settle(f, SEND_OK, f->mr);
    else if (kind == LINE_ERROR && strncmp(line, "+CME", 4) == 0)
        settle(f, SEND_CME, line_number(line));
    else if (kind == LINE_ERROR)
        settle(f, SEND_CMS, line_number(line) >= 0 ? line_number(line) : CMS_UNKNOWN);
}

/* --- what libgammu writes --- */

static void end_out_line(struct filter *f)
{
    f->out_line[f->out_size] = '\0';
    f->out_size = 0;
    if (strncmp(f->out_line, "AT", 2) != 0)
        return;
    remember(f, '>', f->out_line);
    line_command_name(f->out_line, f->command, sizeof f->command);
    f->echoed = false;
    if (strcmp(f->command, "+CMGS") == 0) {
        f->mr = -1;
        tell_stage(f, STAGE_COMMAND);
    }
}

static void read_out_byte(struct filter *f, char byte)
{
    if (byte == '\r' || byte == '\n') {
        end_out_line(f);
    } else if (byte == CTRL_Z) {
        remember(f, '>', "(PDU and ^Z)");
        f->out_size = 0;
        if (strcmp(f->command, "+CMGS") == 0)
            tell_stage(f, STAGE_PDU);
    } else if (byte == ESCAPE) {
        f->out_size = 0;
    } else if (f->out_size < LINE_BYTES - 1) {
        f->out_line[f->out_size++] = byte;
    }
}

static void take_from_library(struct filter *f, const char *bytes, size_t size)
{
    pthread_mutex_lock(&f->lock);
    f->own = false;
    for (size_t i = 0; i < size; i++)
        read_out_byte(f, bytes[i]);
    write_tty(f, bytes, size);
    pthread_mutex_unlock(&f->lock);
}

/* --- what the modem writes --- */

static void wake_main(struct filter *f)
{
    uint64_t one = 1;
    ssize_t n = write(f->event_fd, &one, sizeof one);
    (void)n;
}

static void add_event(struct filter *f, const char *line)
{
    struct filter_event event;
    if (!line_parse_cmti(line, event.memory, sizeof event.memory, &event.index))
        return;
    if (f->event_count == FILTER_EVENTS)
        return; /* the next look through the SIM finds it */
    f->events[(f->event_first + f->event_count++) % FILTER_EVENTS] = event;
    wake_main(f);
}

static void keep_ussd(struct filter *f, const char *line)
{
    text_copy(f->ussd, sizeof f->ussd, line);
    wake_main(f);
}

/* A message without an offer: there is nothing to delete when it is committed. */
static void tell_pdu(enum frame_kind kind, const char *line)
{
    struct frame frame = {.kind = kind};
    if (text_copy(frame.hex, sizeof frame.hex, line))
        link_send(&frame);
    else
        log_warn("at.pdu", "a PDU of %zu digits is too long", strlen(line));
}

static void add_reply(struct filter *f, const char *line)
{
    size_t size = strlen(line);
    if (f->reply_size + size + 2 > FILTER_REPLY_BYTES)
        return; /* what did not fit is found by the next look */
    memcpy(f->reply + f->reply_size, line, size);
    f->reply_size += size;
    f->reply[f->reply_size++] = '\n';
    f->reply[f->reply_size] = '\0';
}

static void end_command(struct filter *f, enum line_kind kind)
{
    f->command[0] = '\0';
    if (!f->own)
        return;
    f->reply_result = kind == LINE_OK ? AT_OK : AT_ERROR;
    f->reply_done = true;
    pthread_cond_signal(&f->replied);
}

/* The modem's echo may be off, or lost in noise. out_line keeps the command until the next byte. */
static void make_echo(struct filter *f)
{
    if (f->echoed)
        return;
    f->echoed = true;
    pass(f, f->out_line, strlen(f->out_line));
    pass(f, "\r\r\n", 3);
}

/* An answer for whoever asked. */
static void answer(struct filter *f, enum line_kind kind, const char *line)
{
    watch_send(f, kind, line);
    if (!f->own) {
        if (strcmp(line, f->out_line) == 0)
            f->echoed = true;
        else
            make_echo(f);
        if (f->behind_prompt) /* libgammu knows an error at the beginning of a line only */
            pass(f, "\r\n", 2);
        f->behind_prompt = false;
        pass(f, line, strlen(line));
        pass(f, "\r\n", 2);
    } else if (kind != LINE_OK && strncmp(line, "AT", 2) != 0) {
        add_reply(f, line);
    }
    if (kind == LINE_OK || kind == LINE_ERROR)
        end_command(f, kind);
}

/* Returns true when the line was the announced PDU. */
static bool take_announced(struct filter *f, const char *line)
{
    if (f->next == PDU_NONE || !line_is_pdu(line))
        return false;
    if (f->next == PDU_REPORT)
        tell_pdu(FRAME_REPORT, line);
    else if (f->next == PDU_MESSAGE)
        tell_pdu(FRAME_PDU, line);
    f->next = PDU_NONE;
    return true;
}

/* "+CMGS: 7" and "OK" for a PDU of the worker before this one, which did not wait for them: taken
 * for the answers of what is under way, they would shift every answer that follows. */
static bool is_stray(struct filter *f, const char *line)
{
    bool sending = strcmp(f->command, "+CMGS") == 0;
    if (strncmp(line, "+CMGS:", 6) == 0 && !(sending && f->stage >= STAGE_PDU)) {
        f->stray_us = clock_mono_us() + STRAY_US;
        return true;
    }
    bool too_early = sending && f->own && f->stage < STAGE_PDU;
    bool stray = strcmp(line, "OK") == 0 && (too_early || clock_mono_us() < f->stray_us);
    if (stray)
        f->stray_us = 0;
    return stray;
}

/* For ATD it is the answer as well. */
static void end_call(struct filter *f, const char *line)
{
    text_copy_utf8(f->call.hung_up, sizeof f->call.hung_up, line, strlen(line));
    wake_main(f);
    if (f->command[0] == 'D')
        answer(f, LINE_ERROR, line);
}

static void take_line(struct filter *f, const char *line)
{
    enum line_kind kind = line_classify(line, f->command);
    if (kind == LINE_BLANK)
        return;
    remember(f, '<', line);
    if (take_announced(f, line) || is_stray(f, line))
        return;
    switch (kind) {
    case LINE_CMTI:
        add_event(f, line);
        break;
    case LINE_CDS:
        f->next = PDU_REPORT;
        break;
    case LINE_CREG:
        f->network = true;
        wake_main(f);
        break;
    case LINE_CLIP:
        f->call.has_caller = line_parse_clip(line, f->call.caller, sizeof f->call.caller);
        wake_main(f);
        break;
    case LINE_ENDED:
        end_call(f, line);
        break;
    case LINE_CUSD:
        keep_ussd(f, line);
        break;
    case LINE_CMT:
        f->next = PDU_MESSAGE;
        break;
    case LINE_CBM:
        f->next = PDU_DROP;
        break;
    case LINE_NOISE:
        break;
    default:
        answer(f, kind, line);
    }
}

/* "> " as 27.005 3.5.1 wants it, or a bare ">" with a line end as some modems say it. */
static bool is_prompt(const struct filter *f, char byte)
{
    return f->line_size == 0 && byte == '>' && strcmp(f->command, "+CMGS") == 0 &&
           f->stage < STAGE_PROMPT;
}

/* The text of +CUSD may have line ends of its own, between its quotes. */
static bool is_within_ussd(const struct filter *f)
{
    int quotes = 0;
    for (size_t i = 0; i < f->line_size; i++)
        quotes += f->line[i] == '"';
    return quotes == 1 && strncmp(f->line, "+CUSD:", 6) == 0 && f->line_size < LINE_BYTES - 1;
}

static void take_byte(struct filter *f, char byte)
{
    bool space = f->skip_space && byte == ' ';
    f->skip_space = false;
    if (space || byte == '\0')
        return;
    if ((byte == '\r' || byte == '\n') && is_within_ussd(f)) {
        f->line[f->line_size++] = ' ';
    } else if (byte == '\r' || byte == '\n') {
        f->line[f->line_size] = '\0';
        f->line_size = 0;
        take_line(f, f->line);
    } else if (is_prompt(f, byte)) {
        tell_stage(f, STAGE_PROMPT);
        f->stage = STAGE_PROMPT;
        f->skip_space = true;
        if (f->own)
            return;
        make_echo(f);
        pass(f, "\r\n> ", 4);
        f->behind_prompt = true;
    } else if (f->line_size < LINE_BYTES - 1) {
        f->line[f->line_size++] = byte;
    }
}

static void take_from_modem(struct filter *f, const char *bytes, size_t size)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < size; i++)
        take_byte(f, bytes[i]);
    pthread_mutex_unlock(&f->lock);
}

/* --- the thread --- */

static void move_bytes(struct filter *f, int from)
{
    char bytes[READ_BYTES];
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n > 0 && from == f->tty)
        take_from_modem(f, bytes, (size_t)n);
    else if (n > 0)
        take_from_library(f, bytes, (size_t)n);
    else if (from == f->tty && (n == 0 || (errno != EAGAIN && errno != EINTR)))
        leave_unplugged(f);
}

static void *run_thread(void *arg)
{
    struct filter *f = arg;
    struct pollfd fds[] = {
        {.fd = f->tty, .events = POLLIN},
        {.fd = f->master, .events = POLLIN},
        {.fd = f->signals, .events = POLLIN},
        {.fd = LINK_FD, .events = 0},
    };
    for (;;) {
        if (poll(fds, sizeof fds / sizeof fds[0], -1) < 0)
            continue;
        if ((fds[3].revents & (POLLHUP | POLLERR)) != 0)
            _exit(0);
        if (fds[2].revents != 0)
            link_bye("told to stop"); /* nothing went wrong: no lines in the log */
        if ((fds[0].revents & POLLIN) != 0)
            move_bytes(f, f->tty);
        else if (fds[0].revents != 0)
            leave_unplugged(f);
        if ((fds[1].revents & POLLIN) != 0)
            move_bytes(f, f->master);
    }
    return NULL;
}

/* --- opening --- */

static int open_tty(const char *device, int *ret, struct err *err)
{
    struct termios mode;
    int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s: %s", device, strerror(errno));
    if (ioctl(fd, TIOCEXCL) != 0 || tcgetattr(fd, &mode) != 0) {
        close(fd);
        return err_set(err, ERR_IO, "%s is no terminal", device);
    }
    cfmakeraw(&mode);
    mode.c_cflag |= CLOCAL | CREAD;
    mode.c_cflag &= (tcflag_t) ~(CRTSCTS | HUPCL);
    cfsetspeed(&mode, B115200);
    tcsetattr(fd, TCSANOW, &mode);
    tcflush(fd, TCIOFLUSH);
    *ret = fd;
    return ERR_OK;
}

static int open_pty(struct filter *f, struct err *err)
{
    struct termios mode;
    f->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (f->master < 0 || grantpt(f->master) != 0 || unlockpt(f->master) != 0 ||
        ptsname_r(f->master, f->path, sizeof f->path) != 0)
        return err_set(err, ERR_IO, "no pseudo terminal: %s", strerror(errno));
    f->slave = open(f->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (f->slave < 0 || tcgetattr(f->slave, &mode) != 0)
        return err_set(err, ERR_IO, "%s: %s", f->path, strerror(errno));
    cfmakeraw(&mode);
    tcsetattr(f->slave, TCSANOW, &mode);
    fcntl(f->master, F_SETFL, O_NONBLOCK);
    return ERR_OK;
}

static void init_lock(struct filter *f)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->replied, &attr);
    pthread_condattr_destroy(&attr);
}

int filter_open(const char *device, struct filter **ret, struct err *err)
{
    sigset_t set;
    struct filter *f = calloc(1, sizeof *f);
    char *reply = calloc(1, FILTER_REPLY_BYTES);
    if (f == NULL || reply == NULL) {
        free(f);
        free(reply);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    f->reply = reply;
    init_lock(f);
    if (open_tty(device, &f->tty, err) != ERR_OK || open_pty(f, err) != ERR_OK)
        return err->code; /* the process ends over it */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->signals < 0 || f->event_fd < 0 || pthread_create(&f->thread, NULL, run_thread, f) != 0)
        return err_set(err, ERR_IO, "no thread: %s", strerror(errno));
    *ret = f;
    return ERR_OK;
}

const char *filter_path(const struct filter *filter)
{
    return filter->path;
}

int filter_event_fd(const struct filter *filter)
{
    return filter->event_fd;
}

/* --- the main thread's side --- */

bool filter_take_event(struct filter *filter, struct filter_event *ret)
{
    uint64_t count;
    ssize_t n = read(filter->event_fd, &count, sizeof count);
    (void)n; /* only to make it unreadable; the queue below counts */
    pthread_mutex_lock(&filter->lock);
    bool found = filter->event_count > 0;
    if (found) {
        *ret = filter->events[filter->event_first];
        filter->event_first = (filter->event_first + 1) % FILTER_EVENTS;
        filter->event_count--;
    }
    pthread_mutex_unlock(&filter->lock);
    return found;
}

bool filter_take_network(struct filter *filter)
{
    pthread_mutex_lock(&filter->lock);
    bool changed = filter->network;
    filter->network = false;
    pthread_mutex_unlock(&filter->lock);
    return changed;
}

bool filter_take_call(struct filter *filter, struct filter_call *ret)
{
    pthread_mutex_lock(&filter->lock);
    *ret = filter->call;
    filter->call = (struct filter_call){.has_caller = false};
    pthread_mutex_unlock(&filter->lock);
    return ret->has_caller || ret->hung_up[0] != '\0';
}

bool filter_take_ussd(struct filter *filter, char *ret, size_t size)
{
    pthread_mutex_lock(&filter->lock);
    bool found = filter->ussd[0] != '\0';
    if (found)
        text_copy(ret, size, filter->ussd);
    filter->ussd[0] = '\0';
    pthread_mutex_unlock(&filter->lock);
    return found;
}

static struct timespec deadline_in(int ms)
{
    int64_t us = clock_mono_us() + (int64_t)ms * 1000;
    return (struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
}

static void begin_command(struct filter *f, const char *command)
{
    f->own = true;
    f->reply_size = 0;
    f->reply[0] = '\0';
    f->reply_done = false;
    f->stage = STAGE_NONE;
    line_command_name(command, f->command, sizeof f->command);
    remember(f, '>', command);
    write_tty(f, command, strlen(command));
    write_tty(f, "\r", 1);
}

static void leave_command(struct filter *f)
{
    f->command[0] = '\0';
    f->own = false;
}

enum at_result filter_run(struct filter *filter, const char *command, int timeout_ms,
                          const char **ret_reply)
{
    struct timespec deadline = deadline_in(timeout_ms);
    pthread_mutex_lock(&filter->lock);
    begin_command(filter, command);
    int rc = 0;
    while (!filter->reply_done && rc == 0)
        rc = pthread_cond_timedwait(&filter->replied, &filter->lock, &deadline);
    enum at_result result = filter->reply_done ? filter->reply_result : AT_TIMEOUT;
    leave_command(filter);
    pthread_mutex_unlock(&filter->lock);
    if (ret_reply != NULL)
        *ret_reply = filter->reply; /* changed by the next filter_run() of this thread only */
    return result;
}

bool filter_ask(struct filter *filter, const char *command, int timeout_ms, char *ret, size_t size)
{
    const char *reply = "";
    ret[0] = '\0';
    if (filter_run(filter, command, timeout_ms, &reply) != AT_OK)
        return false;
    line_value(reply, ret, size);
    return true;
}

void filter_write(struct filter *filter, const char *bytes, size_t size)
{
    pthread_mutex_lock(&filter->lock);
    write_tty(filter, bytes, size);
    pthread_mutex_unlock(&filter->lock);
}

void filter_begin_send(struct filter *filter, int64_t id)
{
    pthread_mutex_lock(&filter->lock);
    filter->job = id;
    filter->settled = false;
    filter->stage = STAGE_NONE;
    filter->mr = -1;
    pthread_mutex_unlock(&filter->lock);
}

/* Both false when the deadline has passed. */
static bool await_prompt(struct filter *f, int timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    int rc = 0;
    while (f->stage < STAGE_PROMPT && !f->settled && rc == 0)
        rc = pthread_cond_timedwait(&f->replied, &f->lock, &deadline);
    return f->stage >= STAGE_PROMPT || f->settled;
}

static bool await_settled(struct filter *f, int timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    int rc = 0;
    while (!f->settled && rc == 0)
        rc = pthread_cond_timedwait(&f->replied, &f->lock, &deadline);
    return f->settled;
}

bool filter_send(struct filter *filter, size_t length, const char *hex, int prompt_ms,
                 int answer_ms)
{
    char command[32];
    snprintf(command, sizeof command, "AT+CMGS=%zu", length);
    pthread_mutex_lock(&filter->lock);
    begin_command(filter, command);
    tell_stage(filter, STAGE_COMMAND);
    bool answered = await_prompt(filter, prompt_ms);
    if (answered && !filter->settled) {
        write_tty(filter, hex, strlen(hex));
        remember(filter, '>', "(PDU and ^Z)");
        tell_stage(filter, STAGE_PDU);
        write_tty(filter, "\x1a", 1);
        answered = await_settled(filter, answer_ms);
    }
    leave_command(filter);
    pthread_mutex_unlock(&filter->lock);
    return answered;
}

bool filter_is_settled(struct filter *filter)
{
    pthread_mutex_lock(&filter->lock);
    bool settled = filter->settled;
    pthread_mutex_unlock(&filter->lock);
    return settled;
}

enum frame_stage filter_stage(struct filter *filter)
{
    pthread_mutex_lock(&filter->lock);
    enum frame_stage stage = filter->stage;
    pthread_mutex_unlock(&filter->lock);
    return stage;
}

void filter_settle(struct filter *filter, int outcome, int value)
{
    pthread_mutex_lock(&filter->lock);
    settle(filter, outcome, value);
    pthread_mutex_unlock(&filter->lock);
}
