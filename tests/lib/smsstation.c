/* A small station for tests; see smsstation.h. */
#include "tests/lib/smsstation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

enum { BEAT_MS = 5, LINE_BYTES = 16384, START_TRIES = 500, BACKOFF_MS = 100 };
enum { PROMPT_MS = 1500, SEND_MS = 2500 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "station: %s: %s\n", what, why);
    abort();
}

/* --- the modem's process --- */

static void start_sim(struct smsstation *station)
{
    /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one path of two texts */
    char *args[] = {TOUYAN_BIN "/touyan-simmodem",
                    "--link",
                    station->link,
                    "--control",
                    station->control,
                    "--log",
                    station->book,
                    "--clock",
                    station->clock_path,
                    "--profile",
                    (char *)(uintptr_t)station->profile,
                    NULL};
    station->sim = fork();
    if (station->sim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nobody behind */
        execv(args[0], args);
        _exit(127);
    }
    for (int i = 0; i < START_TRIES && access(station->control, F_OK) != 0; i++)
        clock_sleep_ms(10);
}

void smsstation_kill_modem(struct smsstation *station)
{
    kill(station->sim, SIGKILL);
    waitpid(station->sim, NULL, 0);
    unlink(station->link);
    unlink(station->control);
    start_sim(station);
}

static int connect_control(struct smsstation *station)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    text_copy(address.sun_path, sizeof address.sun_path, station->control);
    for (int i = 0; i < START_TRIES; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        clock_sleep_ms(10);
    }
    die("control socket", strerror(errno));
    return -1;
}

struct json *smsstation_order(struct smsstation *station, const char *order)
{
    static char answer[LINE_BYTES];
    struct json *json = NULL;
    struct err err = {0};
    size_t size = 0;
    int fd = connect_control(station);
    if (write(fd, order, strlen(order)) < 0 || write(fd, "\n", 1) != 1)
        die("order", strerror(errno));
    while (size < sizeof answer && (size == 0 || answer[size - 1] != '\n')) {
        ssize_t n = read(fd, answer + size, sizeof answer - size);
        if (n <= 0)
            die("order", "no answer");
        size += (size_t)n;
    }
    close(fd);
    if (json_parse(answer, size, &json, &err) != ERR_OK)
        die("order", err.text);
    return json;
}

void smsstation_tell(struct smsstation *station, const char *order)
{
    struct json *answer = smsstation_order(station, order);
    if (!json_bool(answer, "ok", false))
        die(order, json_text(answer, "error", "refused"));
    json_free(answer);
}

int64_t smsstation_stat(struct smsstation *station, const char *name)
{
    struct json *answer = smsstation_order(station, "{\"cmd\":\"stats\"}");
    int64_t value = json_int(answer, name, json_bool(answer, name, false));
    json_free(answer);
    return value;
}

/* --- the station --- */

static void on_text(void *ctx, const struct inbox_text *text)
{
    struct smsstation *station = ctx;
    if (station->on_text != NULL) {
        station->on_text(ctx, text);
        return;
    }
    assert(station->text_count < STATION_TEXTS);
    struct smsstation_text *kept = &station->texts[station->text_count++];
    text_copy(kept->number, sizeof kept->number, text->number);
    text_copy(kept->body, sizeof kept->body, text->body);
}

static int read_secret(const char *path, char *ret, size_t size, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(ret, (int)size, file) == NULL)
        ret[0] = '\0';
    if (file != NULL)
        fclose(file);
    return ret[0] != '\0' ? ERR_OK : err_set(err, ERR_IO, "%s: no secret", path);
}

static void on_check(uv_check_t *handle)
{
    replica_commit(((struct smsstation *)handle->data)->replica);
}

static void on_prepare(uv_prepare_t *handle)
{
    replica_commit(((struct smsstation *)handle->data)->replica);
}

static void on_beat(uv_timer_t *handle)
{
    (void)handle; /* only so that the loop returns */
}

static const char *setting(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value != NULL ? value : preset;
}

void smsstation_open(struct smsstation *station)
{
    log_set_level(getenv("TOUYAN_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    struct err err = {0};
    *station = (struct smsstation){.driver = setting("TOUYAN_TEST_DRIVER", "gammu"),
                                   .profile = setting("TOUYAN_TEST_PROFILE", "")};
    snprintf(station->dir, sizeof station->dir, "/tmp/touyan-sms-XXXXXX");
    if (mkdtemp(station->dir) == NULL)
        die("mkdtemp", strerror(errno));
    snprintf(station->link, sizeof station->link, "%s/tty", station->dir);
    snprintf(station->control, sizeof station->control, "%s/control", station->dir);
    snprintf(station->book, sizeof station->book, "%s/book", station->dir);
    snprintf(station->clock_path, sizeof station->clock_path, "%s/clock", station->dir);
    snprintf(station->db, sizeof station->db, "%s/r.db", station->dir);
    station->modem = (struct sms_modem_options){.name = "gsm0",
                                                .device = station->link,
                                                .worker_path = TOUYAN_BIN "/touyan-modem",
                                                .fast_sleeps = true,
                                                .prompt_ms = PROMPT_MS,
                                                .send_ms = SEND_MS,
                                                .backoff_ms = BACKOFF_MS};
    if (clock_open_fast(station->clock_path, &station->clock, &err) != ERR_OK)
        die("clock", err.text);
    station->rnd = rnd_system();
    station->seal = seal_for_test();
    signal(SIGPIPE, SIG_IGN); /* a worker may be killed while it is written to */
    start_sim(station);
}

static void start_loop(struct smsstation *station)
{
    uv_loop_init(&station->loop);
    uv_loop_configure(&station->loop, UV_METRICS_IDLE_TIME);
    uv_check_init(&station->loop, &station->check);
    uv_prepare_init(&station->loop, &station->prepare);
    uv_timer_init(&station->loop, &station->beat);
    station->check.data = station->prepare.data = station;
    uv_check_start(&station->check, on_check);
    uv_prepare_start(&station->prepare, on_prepare);
    uv_timer_start(&station->beat, on_beat, BEAT_MS, BEAT_MS);
}

void smsstation_start(struct smsstation *station)
{
    struct err err = {0};
    struct replica_options replica = {
        .path = station->db, .clock = &station->clock, .rnd = &station->rnd, .seal = station->seal};
    if (replica_open(&replica, &station->replica, &err) != ERR_OK)
        die("replica", err.text);
    start_loop(station);
    station->modem.driver = station->driver;
    struct sms_options options = {
        .loop = &station->loop,
        .replica = station->replica,
        .clock = &station->clock,
        .rnd = &station->rnd,
        .modems = {station->modem, station->second},
        .modem_count = station->second.name != NULL ? 2 : 1,
        .read_secret = read_secret,
        .limits = station->limits,
        .callbacks = {station, on_text, NULL},
    };
    if (sms_init(&options, &station->sms, &err) != ERR_OK ||
        sms_start(station->sms, &err) != ERR_OK)
        die("sms", err.text);
}

static void on_sms_closed(void *ctx)
{
    ((struct smsstation *)ctx)->sms_closed = true;
}

static bool is_closed(struct smsstation *station, const char *arg)
{
    (void)arg;
    return station->sms_closed;
}

void smsstation_stop(struct smsstation *station)
{
    station->sms_closed = false;
    sms_close(station->sms, on_sms_closed, station);
    if (!smsstation_until(station, is_closed, NULL, 15000))
        die("sms_close", "does not end");
    station->sms = NULL;
    uv_close((uv_handle_t *)&station->check, NULL);
    uv_close((uv_handle_t *)&station->prepare, NULL);
    uv_close((uv_handle_t *)&station->beat, NULL);
    uv_run(&station->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&station->loop) != 0)
        die("loop", "handles are left open");
    replica_commit(station->replica);
    replica_close(station->replica);
}

void smsstation_close(struct smsstation *station)
{
    static const char *const names[] = {
        "clock", "book",  "r.db",      "r.db-wal", "r.db-shm", "tty",         "control",
        "pin",   "power", "power.out", "ports/a",  "ports/b",  "ports/decoy", "ports/null"};
    kill(station->sim, SIGTERM);
    waitpid(station->sim, NULL, 0);
    seal_close(station->seal);
    clock_close_fast(&station->clock);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", station->dir, names[i]);
        unlink(path);
    }
    snprintf(station->link, sizeof station->link, "%s/ports", station->dir);
    rmdir(station->link);
    rmdir(station->dir);
}

bool smsstation_until(struct smsstation *station, smsstation_condition *condition, const char *arg,
                      int timeout_ms)
{
    int64_t end = clock_mono_us() + (int64_t)timeout_ms * 1000;
    while (!condition(station, arg)) {
        if (clock_mono_us() > end)
            return false;
        uv_run(&station->loop, UV_RUN_ONCE);
    }
    return true;
}

static bool never(struct smsstation *station, const char *arg)
{
    (void)station;
    (void)arg;
    return false;
}

void smsstation_turn(struct smsstation *station, int ms)
{
    smsstation_until(station, never, NULL, ms);
}

void smsstation_jump(struct smsstation *station, int64_t ms)
{
    __atomic_add_fetch((int64_t *)station->clock.ctx, ms, __ATOMIC_ACQ_REL);
    if (station->sms != NULL)
        sms_wake(station->sms);
}

void smsstation_set_wall(struct smsstation *station, int64_t wall_ms)
{
    smsstation_jump(station, wall_ms - clock_wall_ms(&station->clock));
}

/* --- books --- */

void smsstation_put(struct smsstation *station, const char *number, const char *text, int prio)
{
    char id[LIMIT_ID_BYTES + 1];
    char phone[LIMIT_SEALED_PHONE_BYTES];
    replica_get_text(station->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", number);
    struct outbox_message message = {
        .idem = text, .phone = phone, .text = text, .prio = prio, .text_id = "test"};
    replica_enter(station->replica);
    int code = outbox_put(sms_outbox(station->sms), &message, id);
    replica_leave(station->replica, code == ERR_OK);
    if (code != ERR_OK)
        die("put", text);
}

const char *smsstation_state(struct smsstation *station, const char *text)
{
    static char state[16];
    if (!replica_get_text(station->replica, state, sizeof state,
                          "SELECT state FROM outbox WHERE idem = ?1", "s", text))
        return "";
    return state;
}

static bool counts(const char *line, size_t size, const char *event, const char *text)
{
    struct json *json;
    struct err err;
    if (json_parse(line, size, &json, &err) != ERR_OK)
        die("book", line);
    bool same = text_equal(json_text(json, "event", ""), event) &&
                (text == NULL || text_equal(json_text(json, "text", ""), text));
    json_free(json);
    return same;
}

int smsstation_book(struct smsstation *station, const char *event, const char *text)
{
    static char line[LINE_BYTES];
    int count = 0;
    FILE *file = fopen(station->book, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += counts(line, strlen(line), event, text) ? 1 : 0;
    if (file != NULL)
        fclose(file);
    return count;
}

int64_t smsstation_first_byte_us(struct smsstation *station, const char *text)
{
    static char line[LINE_BYTES];
    int64_t us = -1;
    FILE *file = fopen(station->book, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct json *json;
        struct err err;
        if (!counts(line, strlen(line), "accepted", text) ||
            json_parse(line, strlen(line), &json, &err) != ERR_OK)
            continue;
        us = json_int(json, "first_byte_us", -1);
        json_free(json);
    }
    if (file != NULL)
        fclose(file);
    return us;
}

static bool is_worker(pid_t pid)
{
    char path[64];
    char name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool ok = fgets(name, sizeof name, file) != NULL && strncmp(name, "touyan-modem", 12) == 0;
    fclose(file);
    return ok;
}

int smsstation_workers(pid_t *ret, int max)
{
    char path[64];
    int count = 0;
    int pid;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes process ids */
    while (file != NULL && count < max && fscanf(file, "%d", &pid) == 1)
        if (is_worker((pid_t)pid))
            ret[count++] = (pid_t)pid;
    if (file != NULL)
        fclose(file);
    return count;
}

int smsstation_teardown(void **state)
{
    smsstation_stop(*state);
    smsstation_close(*state);
    return 0;
}

bool smsstation_is_ready(struct smsstation *station, const char *arg)
{
    struct sms_modem_status status;
    (void)arg;
    return sms_modem_status(station->sms, 0, &status) && text_equal(status.state, "ready");
}

bool smsstation_is_delivered(struct smsstation *station, const char *text)
{
    return text_equal(smsstation_state(station, text), "delivered");
}
