/* mqtt_ingest [PAIRS]: how fast QoS 1 messages become committed rows, against the least that a
 * durable subscriber has to do and against mosquitto_sub piped into sqlite3.
 *
 * Each run has a broker of its own (with the configuration that the gateway writes) and an empty
 * database; the three subscribers take turns, PAIRS times (7 unless told). The time is from the
 * start of the publisher to the commit of the last row. Then the loss: 120,000 messages at 12,000
 * a second while the station is killed 15 times. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "gateway/base/text.h"
#include "tests/bench/mqtt/row.h"
#include "tests/lib/broker.h"

enum {
    MESSAGES = 50000,
    PAIRS_MAX = 50,
    KILL_MESSAGES = 120000,
    KILL_RATE = 12000,
    KILLS = 15,
    WAIT_MS = 180000,
    SETTLE_MS = 300,
    QUIET_MS = 10000,
};

struct run {
    struct broker broker;
    char db[128];
};

struct child {
    pid_t pid;
    int out; /* its standard output; -1: not ours */
};

static char program_dir[512];

static void give_up(const char *why)
{
    fprintf(stderr, "mqtt_ingest: %s\n", why);
    exit(1);
}

static struct child start(const char *program, char *const argv[])
{
    int pipes[2];
    char path[600];
    snprintf(path, sizeof path, "%s/%s", program_dir, program);
    if (pipe2(pipes, O_CLOEXEC) != 0)
        give_up("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(pipes[1], STDOUT_FILENO);
        execv(path, argv);
        _exit(127);
    }
    close(pipes[1]);
    return (struct child){pid, pipes[0]};
}

static struct child start_subscriber(const char *program, struct run *run, int count)
{
    char name[64], number[16];
    snprintf(name, sizeof name, "%s", program);
    snprintf(number, sizeof number, "%d", count);
    return start(program, (char *[]){name, run->broker.socket_path, run->db, number, NULL});
}

static struct child start_publisher(struct run *run, int count, int rate)
{
    char name[] = "bench_mqtt_publish", number[16], speed[16];
    snprintf(number, sizeof number, "%d", count);
    snprintf(speed, sizeof speed, "%d", rate);
    return start(name, (char *[]){name, run->broker.socket_path, number, speed, NULL});
}

/* Reads until the line comes; false: the program ended or the time is over. */
static bool wait_line(const struct child *child, const char *line, int timeout_ms)
{
    char text[256];
    size_t used = 0;
    int64_t until_ms = clock_mono_ms(clock_real()) + timeout_ms;
    for (;;) {
        struct pollfd fd = {.fd = child->out, .events = POLLIN};
        int64_t left_ms = until_ms - clock_mono_ms(clock_real());
        if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) <= 0)
            return false;
        ssize_t n = read(child->out, text + used, 1);
        if (n != 1)
            return false;
        if (text[used] == '\n') {
            text[used] = '\0';
            if (strcmp(text, line) == 0)
                return true;
            used = 0;
        } else if (used < sizeof text - 1) {
            used++;
        }
    }
}

struct cost {
    long rss_kib;  /* resident memory at its largest */
    double cpu_us; /* processor time */
};

static struct cost stop(struct child *child)
{
    struct rusage usage = {0};
    kill(child->pid, SIGKILL);
    wait4(child->pid, NULL, 0, &usage);
    close(child->out);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    return (struct cost){usage.ru_maxrss, seconds * 1e6 + (double)usage.ru_utime.tv_usec +
                                              (double)usage.ru_stime.tv_usec};
}

static bool finish(struct child *child)
{
    int status = -1;
    waitpid(child->pid, &status, 0);
    close(child->out);
    return status == 0;
}

static void open_run(struct run *run)
{
    static const char *const users[] = {"unused", NULL};
    if (!broker_make(&run->broker, users, NULL) || !broker_start(&run->broker))
        give_up("no broker");
    snprintf(run->db, sizeof run->db, "%s/rows.db", run->broker.dir);
}

/* By a program that is none of the measured ones. */
static long count_rows(const struct run *run)
{
    char command[256], line[32] = "";
    snprintf(command, sizeof command,
             "SELECT count(*) FROM device_event WHERE kind = 'door' AND device_at > 0");
    int pipes[2], value = -1;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        give_up("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        execlp("sqlite3", "sqlite3", "-cmd", ".timeout 10000", run->db, command, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    ssize_t n = read(pipes[0], line, sizeof line - 1);
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    line[n > 0 ? strcspn(line, "\n") : 0] = '\0';
    return text_to_int(line, 0, 100000000, &value) ? value : -1;
}

/* Messages a second. */
static double measure(const char *program, struct cost *ret_cost)
{
    struct run run;
    open_run(&run);
    struct child subscriber = start_subscriber(program, &run, MESSAGES);
    if (!wait_line(&subscriber, "ready", WAIT_MS))
        give_up("the subscriber does not subscribe");
    clock_sleep_ms(SETTLE_MS);
    int64_t start_us = clock_mono_us();
    struct child publisher = start_publisher(&run, MESSAGES, 0);
    bool done = wait_line(&subscriber, "done", WAIT_MS);
    int64_t end_us = clock_mono_us();
    bool published = finish(&publisher);
    *ret_cost = stop(&subscriber);
    if (!done || !published || count_rows(&run) != MESSAGES)
        give_up("not all rows arrived");
    broker_remove(&run.broker);
    return MESSAGES * 1e6 / (double)(end_us - start_us);
}

static pid_t shell(const char *script, const struct run *run)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/bin/sh", "sh", "-c", script, "sh", run->broker.socket_path, run->db, (char *)NULL);
    _exit(127);
}

static void run_shell(const char *script, const struct run *run)
{
    int status = -1;
    waitpid(shell(script, run), &status, 0);
    if (status != 0)
        give_up("mosquitto_sub or sqlite3 failed");
}

static double measure_mosquitto_sub(void)
{
    static const char prepare[] =
        "sqlite3 \"$2\" 'PRAGMA journal_mode=WAL; CREATE TABLE device_event(id TEXT PRIMARY KEY "
        "NOT NULL, scope TEXT, device_id TEXT, kind TEXT, code TEXT, subject TEXT, device_at "
        "INTEGER, heard_at INTEGER, fresh INTEGER, _v INTEGER NOT NULL DEFAULT 0) STRICT' "
        ">/dev/null && mosquitto_sub --unix \"$1\" -i bench-sub -c -q 1 -t '" BENCH_FILTER "' -E";
    static const char pipeline[] =
        "(echo 'PRAGMA synchronous=FULL;'; mosquitto_sub --unix \"$1\" -i bench-sub -c -q 1 "
        "-t '" BENCH_FILTER "' -C 50000 -F \"INSERT OR IGNORE INTO device_event SELECT "
        "substr('%t', 16, 3) || ':' || (j ->> '\\$.id'), 'S0117', substr('%t', 16, 3), "
        "j ->> '\\$.k', j ->> '\\$.c', NULL, j ->> '\\$.ts', unixepoch() * 1000, 1, 0 FROM "
        "(SELECT '%p' AS j);\") | sqlite3 -bail \"$2\"";
    struct run run;
    open_run(&run);
    run_shell(prepare, &run);
    pid_t pid = shell(pipeline, &run);
    clock_sleep_ms(SETTLE_MS);
    int64_t start_us = clock_mono_us();
    struct child publisher = start_publisher(&run, MESSAGES, 0);
    int status = -1;
    waitpid(pid, &status, 0);
    int64_t end_us = clock_mono_us();
    if (!finish(&publisher) || status != 0 || count_rows(&run) != MESSAGES)
        give_up("mosquitto_sub: not all rows arrived");
    broker_remove(&run.broker);
    return MESSAGES * 1e6 / (double)(end_us - start_us);
}

/* Until all are there, or for as long as more come: lost is what does not come any more. */
static void wait_drained(const struct child *station, const struct run *run)
{
    long before = -1;
    for (long rows = count_rows(run); rows > before; rows = count_rows(run)) {
        before = rows;
        if (wait_line(station, "done", QUIET_MS))
            return;
    }
}

/* Messages that were acknowledged to the publisher and are no row in the end. */
static long measure_loss(long *rss_kib)
{
    struct run run;
    struct rnd rnd = rnd_seeded(2026);
    open_run(&run);
    struct child station = start_subscriber("bench_mqtt_station", &run, KILL_MESSAGES);
    if (!wait_line(&station, "ready", WAIT_MS))
        give_up("the station does not subscribe");
    struct child publisher = start_publisher(&run, KILL_MESSAGES, KILL_RATE);
    for (int i = 0; i < KILLS; i++) {
        clock_sleep_ms(250 + (int64_t)rnd_below(&rnd, 600));
        long rss = stop(&station).rss_kib;
        *rss_kib = rss > *rss_kib ? rss : *rss_kib;
        station = start_subscriber("bench_mqtt_station", &run, KILL_MESSAGES);
    }
    bool published = finish(&publisher);
    wait_drained(&station, &run);
    long rss = stop(&station).rss_kib;
    *rss_kib = rss > *rss_kib ? rss : *rss_kib;
    long rows = count_rows(&run);
    if (!published || rows < 0)
        give_up("loss: not all was published");
    broker_remove(&run.broker);
    return KILL_MESSAGES - rows;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[PAIRS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void print_rate(double value, const char *against, const double *ratios, int count)
{
    printf("{\"bench\":\"mqtt_ingest\",\"figure\":\"msgs_per_s\",\"value\":%.0f,\"unit\":\"1/s\","
           "\"against\":\"%s\",\"ratio\":%.3f}\n",
           value, against, median(ratios, count));
}

int main(int argc, char **argv)
{
    double ours[PAIRS_MAX], to_bare[PAIRS_MAX], to_sub[PAIRS_MAX];
    int pairs = 7;
    long rss_kib = 0;
    if (argc > 1 && !text_to_int(argv[1], 1, PAIRS_MAX, &pairs))
        give_up("usage: mqtt_ingest [PAIRS]");
    ssize_t size = readlink("/proc/self/exe", program_dir, sizeof program_dir - 1);
    if (size <= 0)
        give_up("where am I?");
    *strrchr(program_dir, '/') = '\0';
    for (int i = 0; i < pairs; i++) {
        struct cost cost, bare_cost;
        double bare = measure("bench_mqtt_bare", &bare_cost);
        ours[i] = measure("bench_mqtt_station", &cost);
        double sub = measure_mosquitto_sub();
        to_bare[i] = ours[i] / bare;
        to_sub[i] = ours[i] / sub;
        rss_kib = cost.rss_kib > rss_kib ? cost.rss_kib : rss_kib;
        fprintf(stderr,
                "%d of %d: station %.0f/s (%.1f us of processor each), bare %.0f/s (%.1f us), "
                "mosquitto_sub %.0f/s\n",
                i + 1, pairs, ours[i], cost.cpu_us / MESSAGES, bare, bare_cost.cpu_us / MESSAGES,
                sub);
    }
    long lost = measure_loss(&rss_kib);
    print_rate(median(ours, pairs), "bare_subscriber", to_bare, pairs);
    print_rate(median(ours, pairs), "mosquitto_sub", to_sub, pairs);
    printf("{\"bench\":\"mqtt_ingest\",\"figure\":\"lost_on_kill\",\"value\":%ld,\"unit\":"
           "\"messages\"}\n",
           lost);
    printf("{\"bench\":\"mqtt_ingest\",\"figure\":\"rss_mb\",\"value\":%.1f,\"unit\":\"MB\"}\n",
           (double)rss_kib * 1024 / 1e6);
    return 0;
}
