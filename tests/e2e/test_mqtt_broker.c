/* The module against a real mosquitto: what is acknowledged is stored, what is not comes again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <mosquitto.h>

#include "gateway/base/log.h"
#include "tests/lib/broker.h"
#include "tests/lib/mini_station.h"

#define EVT "sc/S0117/S14/M/SOS1/evt"
#define CMD "sc/S0117/S14/M/SOS1/cmd"

static const char *const users[] = {"SOS1", "FT1401", NULL};

struct world {
    struct broker broker;
    char db_path[96];
    struct mini_station station;
    bool open;
    int events;  /* given to on_event */
    int kill_at; /* die in the handler of this event; 0: never */
    int offline; /* times that the connection was lost */
    int wanted;  /* for done functions */
};

static void on_event(void *ctx, const struct mqtt_event *event)
{
    struct world *w = ctx;
    if (event->kind != MQTT_SOS && event->kind != MQTT_DOOR)
        return;
    if (++w->events == w->kill_at)
        kill(getpid(), SIGKILL);
}

static void on_state(void *ctx, bool connected, int64_t since_ms, const char *why)
{
    struct world *w = ctx;
    (void)since_ms;
    (void)why;
    w->offline += !connected;
}

static void open_station(struct world *w)
{
    const struct mqtt_callbacks callbacks = {.ctx = w, .on_event = on_event, .on_state = on_state};
    const struct mqtt_options options = {.socket_path = w->broker.socket_path};
    assert_true(mini_station_open(&w->station, w->db_path, options, &callbacks));
    mini_station_add_device(&w->station, "SOS1", "touyan");
    w->open = true;
}

static void close_station(struct world *w)
{
    mini_station_close(&w->station);
    w->open = false;
}

static bool is_ready(void *ctx)
{
    struct world *w = ctx;
    return mini_station_is_ready(&w->station);
}

static bool has_rows(void *ctx)
{
    struct world *w = ctx;
    return replica_get_int(w->station.replica, 0,
                           "SELECT count(*) FROM device_event WHERE kind IN ('door', 'sos')",
                           "") >= w->wanted;
}

static void run_until(struct world *w, bool (*done)(void *ctx), int wanted)
{
    w->wanted = wanted;
    if (!mini_station_run(&w->station, done, w, 20000))
        fail_msg("not within 20 s: %s", mqtt_status(w->station.mqtt).problem);
}

static int setup(void **state)
{
    static struct world w;
    log_set_sink(mini_station_no_log, NULL);
    w = (struct world){.kill_at = 0};
    broker_begin(&w.broker, users, w.db_path, sizeof w.db_path);
    open_station(&w);
    run_until(&w, is_ready, 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->open)
        close_station(w);
    broker_remove(&w->broker);
    log_set_sink(NULL, NULL);
    return 0;
}

/* Events `from` to `to` of the door, from a process of their own so that the loop can run. */
static void publish(struct world *w, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char payload[100];
        snprintf(payload, sizeof payload, "{\"id\":\"1-%d\",\"ts\":%lld,\"k\":\"door\"}", i,
                 (long long)clock_wall_ms(clock_real()));
        assert_true(broker_publish(&w->broker, "SOS1", NULL, EVT, payload));
    }
}

static void assert_rows(struct world *w, int count)
{
    assert_int_equal(replica_get_int(w->station.replica, -1,
                                     "SELECT count(*) FROM device_event WHERE kind = 'door'", ""),
                     count);
}

static void test_events_arrive(void **state)
{
    struct world *w = *state;
    publish(w, 1, 5);
    run_until(w, has_rows, 5);
    assert_int_equal(w->events, 5);
    assert_int_equal(mqtt_status(w->station.mqtt).raw, 0);
}

/* A process that dies between receiving and committing has acknowledged nothing. */
static void test_killed_before_the_commit(void **state)
{
    struct world *w = *state;
    close_station(w);
    publish(w, 1, 10);
    for (int kill_at = 3; kill_at >= 1; kill_at--) {
        pid_t pid = fork();
        if (pid == 0) {
            w->kill_at = kill_at;
            open_station(w);
            w->wanted = 1000;
            mini_station_run(&w->station, has_rows, w, 10000);
            _exit(1);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    open_station(w);
    run_until(w, has_rows, 10);
    assert_rows(w, 10);
}

/* One connection in the station's name that begins a session and subscribes to nothing. */
static void begin_session(struct world *w, bool clean)
{
    struct mosquitto *mosq = mosquitto_new("touyan-S0117", clean, NULL);
    assert_non_null(mosq);
    assert_int_equal(mosquitto_connect(mosq, w->broker.socket_path, 0, 60), MOSQ_ERR_SUCCESS);
    for (int i = 0; i < 5; i++)
        mosquitto_loop(mosq, 50, 1);
    mosquitto_disconnect(mosq);
    mosquitto_loop(mosq, 50, 1);
    mosquitto_destroy(mosq);
}

/* Killed between CONNECT and SUBSCRIBE of a new session: the broker has it, empty. */
static void test_session_without_subscriptions(void **state)
{
    struct world *w = *state;
    close_station(w);
    begin_session(w, true);
    begin_session(w, false);
    open_station(w);
    run_until(w, is_ready, 0);
    publish(w, 1, 2);
    run_until(w, has_rows, 2);
    assert_rows(w, 2);
}

static bool was_lost_and_came_back(void *ctx)
{
    struct world *w = ctx;
    if (replica_failing(w->station.replica) != NULL) {
        struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
        assert_true(setrlimit(RLIMIT_FSIZE, &none) == 0);
        assert_true(replica_retry(w->station.replica));
    }
    return w->offline > 0 && has_rows(ctx);
}

static void test_commit_fails(void **state)
{
    struct world *w = *state;
    publish(w, 1, 20);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {4096, RLIM_INFINITY};
    assert_true(setrlimit(RLIMIT_FSIZE, &small) == 0);
    run_until(w, was_lost_and_came_back, 20);
    assert_rows(w, 20);
    assert_true(w->offline >= 1);
}

static bool is_offline(void *ctx)
{
    struct world *w = ctx;
    return !mqtt_status(w->station.mqtt).connected;
}

static void test_broker_restarts(void **state)
{
    struct world *w = *state;
    for (int round = 1; round <= 4; round++) {
        broker_signal(&w->broker, round % 2 == 0 ? SIGTERM : SIGKILL);
        run_until(w, is_offline, 0);
        assert_true(broker_start(&w->broker));
        run_until(w, is_ready, 0);
        publish(w, round, round);
        run_until(w, has_rows, round);
    }
    assert_rows(w, 4);
    assert_int_equal(w->offline, 4);
}

/* --- the other direction --- */

struct device {
    struct mosquitto *mosq;
    char last[200];
    int heard;
    struct world *w;
    bool was_committed;
};

static void on_command(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    struct device *device = ctx;
    (void)mosq;
    snprintf(device->last, sizeof device->last, "%.*s", message->payloadlen,
             (const char *)message->payload);
    device->heard++;
    device->was_committed = !replica_in_turn(device->w->station.replica);
}

static void open_device(struct world *w, struct device *device)
{
    *device = (struct device){.w = w};
    device->mosq = mosquitto_new("SOS1", true, device);
    mosquitto_username_pw_set(device->mosq, "SOS1", "pw-SOS1");
    mosquitto_message_callback_set(device->mosq, on_command);
    assert_int_equal(mosquitto_connect(device->mosq, "127.0.0.1", w->broker.port, 10), 0);
    assert_int_equal(mosquitto_subscribe(device->mosq, NULL, CMD, 1), 0);
    for (int i = 0; i < 20; i++)
        mosquitto_loop(device->mosq, 10, 1);
}

static bool device_heard(void *ctx)
{
    struct device *device = ctx;
    mosquitto_loop(device->mosq, 1, 1);
    return device->heard >= device->w->wanted;
}

static void close_device(struct device *device)
{
    mosquitto_disconnect(device->mosq);
    mosquitto_destroy(device->mosq);
}

static void test_answer_after_the_commit(void **state)
{
    struct world *w = *state;
    struct device device;
    open_device(w, &device);
    static const char sos[] = "{\"id\":\"3-1\",\"k\":\"sos\"}";
    for (int i = 1; i <= 2; i++) { /* the second is a repetition */
        mosquitto_publish(device.mosq, NULL, EVT, (int)strlen(sos), sos, 1, false);
        w->wanted = i;
        assert_true(mini_station_run(&w->station, device_heard, &device, 10000));
        assert_string_equal(device.last, "{\"ack\":\"3-1\"}");
        assert_true(device.was_committed);
    }
    assert_int_equal(w->events, 1);
    close_device(&device);
}

static bool outbox_is_empty(void *ctx)
{
    struct world *w = ctx;
    return replica_get_int(w->station.replica, -1, "SELECT count(*) FROM mqtt_out", "") == 0;
}

static void test_outbox(void **state)
{
    struct world *w = *state;
    struct device device;
    struct err err;
    broker_signal(&w->broker, SIGTERM);
    run_until(w, is_offline, 0);
    assert_int_equal(mqtt_publish(w->station.mqtt, CMD, "late", 4, 1, false, 1000, &err), ERR_OK);
    for (int i = 0; i < 50; i++) {
        char text[20];
        int size = snprintf(text, sizeof text, "n%d", i);
        assert_int_equal(mqtt_publish(w->station.mqtt, CMD, text, (size_t)size, 1, false, 0, &err),
                         ERR_OK);
    }
    assert_int_equal(mqtt_publish(w->station.mqtt, "a/+", "x", 1, 1, false, 0, &err), ERR_INVALID);
    replica_commit(w->station.replica);
    close_station(w); /* rows survive */
    assert_true(broker_start(&w->broker));
    open_device(w, &device);
    open_station(w);
    w->wanted = 50;
    assert_true(mini_station_run(&w->station, device_heard, &device, 10000));
    run_until(w, outbox_is_empty, 0);
    assert_string_equal(device.last, "n49"); /* in order */
    assert_int_equal(device.heard, 50);      /* and without the one that was too late */
    close_device(&device);
}

/* --- who is who --- */

static void test_takeover(void **state)
{
    struct world *w = *state;
    assert_true(
        broker_publish(&w->broker, "SOS1", "touyan-S0117", EVT, "{\"id\":\"1-1\",\"k\":\"door\"}"));
    run_until(w, has_rows, 1);
    assert_int_equal(w->offline, 0);
    assert_int_equal(mqtt_status(w->station.mqtt).reconnects, 0);
}

static void test_other_devices_topic(void **state)
{
    struct world *w = *state;
    broker_publish(&w->broker, "FT1401", NULL, EVT, "{\"id\":\"9-9\",\"k\":\"sos\"}");
    publish(w, 1, 1);
    run_until(w, has_rows, 1);
    assert_rows(w, 1);
    assert_int_equal(w->events, 1); /* the broker's access list kept the other away */
}

/* --- bad brokers --- */

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    close_station(w);
    broker_signal(&w->broker, SIGKILL);
    w->offline = 0;
    const struct mqtt_callbacks callbacks = {.ctx = w, .on_event = on_event, .on_state = on_state};
    const struct mqtt_options options = {.host = "localhost", .port = w->broker.port};
    assert_true(mini_station_open(&w->station, w->db_path, options, &callbacks));
    w->open = true;
    mini_station_run(&w->station, NULL, NULL, 1500);
    assert_int_equal(w->offline, 1); /* said once */
    assert_false(mqtt_status(w->station.mqtt).connected);
    assert_true(mqtt_status(w->station.mqtt).problem[0] != '\0');
}

static void test_wrong_password(void **state)
{
    struct world *w = *state;
    close_station(w);
    w->offline = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/wrong", w->broker.dir);
    FILE *file = fopen(path, "we");
    fputs("nonsense\n", file);
    fclose(file);
    const struct mqtt_callbacks callbacks = {.ctx = w, .on_event = on_event, .on_state = on_state};
    const struct mqtt_options options = {
        .host = "127.0.0.1", .port = w->broker.port, .username = "SOS1", .password_file = path};
    assert_true(mini_station_open(&w->station, w->db_path, options, &callbacks));
    w->open = true;
    mini_station_run(&w->station, NULL, NULL, 1000);
    assert_non_null(strstr(mqtt_status(w->station.mqtt).problem, "authorised"));
}

/* --- TLS --- */

/* A certificate for the name and the address, and the broker with it. */
static void start_tls_broker(struct world *w, char *certificate, size_t size)
{
    close_station(w);
    broker_remove(&w->broker);
    snprintf(certificate, size, "/tmp/touyan-cert-%d.pem", (int)getpid());
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-keyout", certificate, "-out", certificate,
               "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
               (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(broker_make(&w->broker, users, certificate));
    assert_true(broker_start(&w->broker));
    w->offline = 0;
}

static void open_tls_station(struct world *w, const char *host, const char *ca_file)
{
    const struct mqtt_callbacks callbacks = {.ctx = w, .on_event = on_event, .on_state = on_state};
    char password[128];
    snprintf(password, sizeof password, "%s/pw", w->broker.dir);
    FILE *file = fopen(password, "we");
    fputs("pw-SOS1\n", file);
    fclose(file);
    snprintf(w->db_path, sizeof w->db_path, "%s/replica.db", w->broker.dir);
    const struct mqtt_options options = {.host = host,
                                         .port = w->broker.port,
                                         .ca_file = ca_file,
                                         .username = "SOS1",
                                         .password_file = password};
    assert_true(mini_station_open(&w->station, w->db_path, options, &callbacks));
    w->open = true;
}

static bool is_connected(void *ctx)
{
    struct world *w = ctx;
    return mqtt_status(w->station.mqtt).connected;
}

static void test_tls(void **state)
{
    struct world *w = *state;
    char certificate[64];
    start_tls_broker(w, certificate, sizeof certificate);
    open_tls_station(w, "localhost", certificate);
    for (int round = 0; round < 3; round++) {
        run_until(w, is_connected, 0);
        broker_signal(&w->broker, SIGKILL);
        run_until(w, is_offline, 0);
        assert_true(broker_start(&w->broker));
    }
    run_until(w, is_connected, 0);
    close_station(w);
    w->offline = 0;
    open_tls_station(w, "127.0.0.1", certificate); /* not in the certificate */
    mini_station_run(&w->station, NULL, NULL, 1000);
    assert_false(mqtt_status(w->station.mqtt).connected);
    assert_int_equal(w->offline, 1);
    unlink(certificate);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_events_arrive),
        T(test_session_without_subscriptions),
        T(test_killed_before_the_commit),
        T(test_commit_fails),
        T(test_broker_restarts),
        T(test_answer_after_the_commit),
        T(test_outbox),
        T(test_takeover),
        T(test_other_devices_topic),
        T(test_nobody_there),
        T(test_wrong_password),
        T(test_tls),
    };
    mosquitto_lib_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
