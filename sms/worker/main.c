/* touyan-modem DEVICE [--fast-sleeps]: the worker of one modem, started by the gateway with its end
 * of a socketpair on fd 3. It holds the driver, perhaps libgammu, in a process of its own, which
 * may hang, leak and crash without hurting anybody.
 *
 * Two threads: this one runs the driver and the AT commands of receiving, one thing at a time; the
 * filter thread (filter.c) moves the bytes and keeps watch. Happy path: setup, the modem answers AT
 * and says who it is, the driver is opened, hello; then submit, delete, poll as they come. A modem
 * that our own driver does not know is driven by libgammu, whatever was wished for.
 *
 * The modem stops answering, is unplugged, the gateway goes: the process says why if anybody
 * listens, and ends. The gateway starts another. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sms/outbox_policy.h"
#include "sms/worker/answer.h"
#include "sms/worker/call.h"
#include "sms/worker/driver.h"
#include "sms/worker/filter.h"
#include "sms/worker/greet.h"
#include "sms/worker/link.h"
#include "sms/worker/naps.h"
#include "sms/worker/receive.h"

enum {
    SETUP_MS = 5000,
    PING_MS = 10000,
    STATE_EVERY_MS = 60000,
    LOST_EVERY_MS = 10000, /* without a network */
    SOON_MS = 1000,
    CLOCK_MS = 2000,
    USSD_MS = 15000,
    USSD_LINE_BYTES = 1024,
    RADIO_MS = 15000,
    RADIO_OFF_MS = 1000,
    CMS_SMSC_UNKNOWN = 330, /* 27.005 3.2.5 */
    OPEN_FILES_MAX = 64,
    MEMORY_MAX_BYTES = 256 << 20,
};

struct worker {
    struct filter *filter;
    const struct make *make;
    const struct driver *driver;
    void *self; /* the driver's */
    int64_t next_poll_ms;
    int64_t next_state_ms;
};

static int64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

static void restrict_self(void)
{
    struct rlimit none = {0, 0};
    struct rlimit files = {OPEN_FILES_MAX, OPEN_FILES_MAX};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "touyan-modem");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    signal(SIGINT, SIG_IGN); /* Ctrl-C in a terminal is the gateway's to decide on */
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_NOFILE, &files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit memory = {MEMORY_MAX_BYTES, MEMORY_MAX_BYTES};
    setrlimit(RLIMIT_DATA, &memory);
#endif
}

/* Ends the process when the modem has stopped answering. */
static void check(struct worker *worker, enum at_result result)
{
    if (result != AT_TIMEOUT)
        return;
    filter_log(worker->filter, "no answer in time");
    link_bye("the modem does not answer");
}

/* The SIM is kept less than half full. */
static void look_at_space(struct worker *worker, struct frame *ret)
{
    check(worker, receive_space(worker->filter, &ret->sim_used, &ret->sim_size));
    if (ret->sim_used * 2 <= ret->sim_size)
        return;
    check(worker, receive_tidy(worker->filter));
    check(worker, receive_space(worker->filter, &ret->sim_used, &ret->sim_size));
}

static void look_at_clock(struct worker *worker, struct frame *ret)
{
    const char *reply = "";
    if (filter_run(worker->filter, "AT+CCLK?", CLOCK_MS, &reply) == AT_OK)
        answer_clock(reply, &ret->network_ms);
}

static bool is_registered(int registration)
{
    return registration == 1 || registration == 5; /* 27.007 7.2 */
}

static void tell_state(struct worker *worker)
{
    struct frame frame = {.kind = FRAME_STATE};
    worker->driver->network(worker->self, &frame);
    look_at_space(worker, &frame);
    look_at_clock(worker, &frame);
    bool lost = frame.registration >= 0 && !is_registered(frame.registration);
    worker->next_state_ms = now_ms() + (lost ? LOST_EVERY_MS : STATE_EVERY_MS);
    link_send(&frame);
}

static void look(struct worker *worker)
{
    check(worker, receive_poll(worker->filter));
    worker->next_poll_ms = now_ms() + RECEIVE_POLL_MS;
}

static _Noreturn void fail(struct worker *worker, const struct err *err)
{
    filter_log(worker->filter, err->text);
    link_bye(err->text);
}

static const struct driver *choose_driver(const char *wish, const struct make *make)
{
    if (!text_equal(wish, driver_at.name))
        return &driver_gammu;
    if (make->name[0] != '\0')
        return &driver_at;
    log_warn("modem.driver", "not one that driver \"at\" knows: libgammu drives it");
    return &driver_gammu;
}

static void start(struct worker *worker, const struct frame *setup)
{
    struct err err = {0};
    struct frame hello = {.kind = FRAME_HELLO};
    if (greet_modem(worker->filter, setup, &hello, &worker->make, &err) != ERR_OK)
        fail(worker, &err);
    worker->driver = choose_driver(setup->driver, worker->make);
    if (worker->driver->open(worker->filter, &worker->self, &err) != ERR_OK ||
        receive_setup(worker->filter, &err) != ERR_OK)
        fail(worker, &err);
    check(worker, call_setup(worker->filter));
    greet_sim(worker->filter, &hello);
    text_copy(hello.driver, sizeof hello.driver, worker->driver->name);
    link_send(&hello);
    look(worker);
    tell_state(worker);
}

static void submit(struct worker *worker, const struct frame *frame)
{
    struct err err = {0};
    filter_begin_send(worker->filter, frame->id);
    int code = worker->driver->send(worker->self, frame, &err);
    if (code == ERR_OK)
        return;
    /* the PDU was never completed: not sent, unless the filter has seen the modem refuse it */
    if (!filter_is_settled(worker->filter))
        filter_log(worker->filter, err.text);
    if (code == ERR_STATE)
        filter_settle(worker->filter, SEND_CMS, CMS_SMSC_UNKNOWN);
    else
        filter_settle(worker->filter, SEND_TIMEOUT, 0);
}

static void ping(struct worker *worker, int64_t id)
{
    struct frame pong = {.kind = FRAME_PONG, .id = id};
    check(worker, filter_run(worker->filter, "AT", PING_MS, NULL));
    link_send(&pong);
}

/* Off the network and on again; a reset may take the port with it. */
static void mend(struct worker *worker, int step)
{
    struct err err = {0};
    struct frame done = {.kind = FRAME_MEND, .value = step};
    if (step == MEND_RESET) {
        filter_run(worker->filter, "AT+CFUN=1,1", RADIO_MS, NULL);
        link_bye("the modem was reset");
    }
    check(worker, filter_run(worker->filter, "AT+CFUN=4", RADIO_MS, NULL));
    clock_sleep_ms(RADIO_OFF_MS);
    check(worker, filter_run(worker->filter, "AT+CFUN=1", RADIO_MS, NULL));
    if (receive_setup(worker->filter, &err) != ERR_OK)
        fail(worker, &err);
    check(worker, call_setup(worker->filter));
    tell_state(worker);
    link_send(&done);
}

/* The answer comes as a line of its own, see tell_ussd(). */
static void ask_ussd(struct worker *worker, const char *code)
{
    char command[80];
    struct frame none = {.kind = FRAME_USSD};
    if (!answer_ussd_command(code, worker->make->packed_ussd, command, sizeof command) ||
        filter_run(worker->filter, command, USSD_MS, NULL) == AT_ERROR)
        link_send(&none);
}

static void tell_ussd(struct worker *worker)
{
    char line[USSD_LINE_BYTES];
    struct frame frame = {.kind = FRAME_USSD};
    if (!filter_take_ussd(worker->filter, line, sizeof line))
        return;
    answer_ussd_text(line, worker->make->packed_ussd, frame.text, sizeof frame.text);
    link_send(&frame);
}

static void obey(struct worker *worker, const struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_SUBMIT:
        submit(worker, frame);
        break;
    case FRAME_DELETE:
        check(worker, receive_delete(worker->filter, frame->id));
        break;
    case FRAME_PING:
        ping(worker, frame->id);
        break;
    case FRAME_POLL:
        look(worker);
        break;
    case FRAME_MEND:
        mend(worker, frame->value);
        break;
    case FRAME_USSD:
        ask_ussd(worker, frame->text);
        break;
    case FRAME_DIAL:
        check(worker, call_dial(worker->filter, frame));
        break;
    case FRAME_HANGUP:
        check(worker, call_hangup(worker->filter, frame->id));
        break;
    case FRAME_STOP:
        _exit(0);
    default:
        log_warn("modem.frame", "not for a worker: %d", (int)frame->kind);
    }
}

static void obey_all(struct worker *worker)
{
    struct frame frame;
    int got;
    while ((got = link_receive(&frame)) == 1)
        obey(worker, &frame);
    if (got < 0)
        _exit(0); /* nobody to tell */
}

static void read_announced(struct worker *worker)
{
    struct filter_event event;
    while (filter_take_event(worker->filter, &event))
        check(worker, receive_read(worker->filter, &event));
}

static void do_due(struct worker *worker)
{
    if (now_ms() >= worker->next_poll_ms)
        look(worker);
    if (now_ms() >= worker->next_state_ms)
        tell_state(worker);
}

/* A modem that moves between cells says so often. */
static void hurry_state(struct worker *worker)
{
    int64_t soon_ms = now_ms() + SOON_MS;
    if (filter_take_network(worker->filter) && soon_ms < worker->next_state_ms)
        worker->next_state_ms = soon_ms;
}

static int wait_ms(const struct worker *worker)
{
    int64_t next =
        worker->next_poll_ms < worker->next_state_ms ? worker->next_poll_ms : worker->next_state_ms;
    next = call_next_ms() < next ? call_next_ms() : next;
    int64_t left = next - now_ms();
    return left > 0 ? (int)left : 0;
}

static void run(struct worker *worker)
{
    struct pollfd fds[] = {
        {.fd = LINK_FD, .events = POLLIN},
        {.fd = filter_event_fd(worker->filter), .events = POLLIN},
    };
    for (;;) {
        obey_all(worker); /* before anything else: it may be an alarm */
        read_announced(worker);
        tell_ussd(worker);
        check(worker, call_look(worker->filter));
        hurry_state(worker);
        do_due(worker);
        poll(fds, sizeof fds / sizeof fds[0], wait_ms(worker));
    }
}

int main(int argc, char **argv)
{
    struct worker worker = {0};
    struct frame setup;
    struct err err = {0};
    bool fast = argc == 3 && text_equal(argv[2], "--fast-sleeps");
    if (argc < 2 || argc > 3 || (argc == 3 && !fast)) {
        fputs("touyan-modem DEVICE [--fast-sleeps], started by touyan-gateway\n", stderr);
        return 2;
    }
    restrict_self();
    naps_set_fast(fast);
    if (!link_wait(&setup, SETUP_MS) || setup.kind != FRAME_SETUP)
        return 2;
    if (filter_open(argv[1], &worker.filter, &err) != ERR_OK)
        link_bye(err.text);
    start(&worker, &setup);
    run(&worker);
    return 0;
}
