/* Gate devices and a station with a real mosquitto between them: every product that is shipped,
 * what nobody should send, and a broker that is killed again and again while a device goes on (20
 * times, or as often as TOUYAN_BROKER_KILLS says). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <mosquitto.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "tests/lib/broker.h"
#include "tests/lib/mini_station.h"

enum { HEARD_MAX = 512, PAYLOAD_MAX = 4096, RUN_MS = 30000, KILLS_DEFAULT = 20 };

static const char *const users[] = {"SOS1", "SOS2", NULL};

struct heard {
    char topic[200], payload[600];
};

/* A client of the broker: on its socket with everybody's rights, or as a device. */
struct peer {
    struct mosquitto *mosq;
    struct heard heard[HEARD_MAX];
    int count;
};

struct world {
    struct broker broker;
    char db_path[96];
    struct mini_station station;
    struct peer *peer; /* served while the station runs */
    int alarms;        /* given to on_event with alarm set */
    int64_t wanted;
};

static void on_event(void *ctx, const struct mqtt_event *event)
{
    struct world *w = ctx;
    w->alarms += event->alarm;
}

static void open_station(struct world *w)
{
    const struct mqtt_callbacks callbacks = {.ctx = w, .on_event = on_event};
    const struct mqtt_options options = {.socket_path = w->broker.socket_path};
    assert_true(mini_station_open(&w->station, w->db_path, options, &callbacks));
}

static int64_t rows(struct world *w, const char *sql)
{
    return replica_get_int(w->station.replica, -1, sql, "");
}

static bool is_ready(void *ctx)
{
    struct world *w = ctx;
    return mini_station_is_ready(&w->station);
}

static void run_until(struct world *w, bool (*done)(void *ctx))
{
    if (!mini_station_run(&w->station, done, w, RUN_MS))
        fail_msg("not in time: %s", mqtt_status(w->station.mqtt).problem);
}

static int setup(void **state)
{
    static struct world w;
    log_set_sink(mini_station_no_log, NULL);
    w = (struct world){.wanted = 0};
    broker_begin(&w.broker, users, w.db_path, sizeof w.db_path);
    open_station(&w);
    mini_station_add_device(&w.station, "SOS1", "touyan");
    mini_station_add_device(&w.station, "SOS2", "touyan");
    run_until(&w, is_ready);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mini_station_close(&w->station);
    broker_remove(&w->broker);
    log_set_sink(NULL, NULL);
    return 0;
}

/* --- peers --- */

static void on_heard(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    struct peer *peer = ctx;
    struct heard *heard = &peer->heard[peer->count++ % HEARD_MAX];
    (void)mosq;
    snprintf(heard->topic, sizeof heard->topic, "%s", message->topic);
    snprintf(heard->payload, sizeof heard->payload, "%.*s", message->payloadlen,
             (const char *)message->payload);
}

static bool has_heard(const struct peer *peer, const char *topic, const char *payload)
{
    for (int i = 0; i < peer->count && i < HEARD_MAX; i++)
        if (strcmp(peer->heard[i].topic, topic) == 0 &&
            strcmp(peer->heard[i].payload, payload) == 0)
            return true;
    return false;
}

/* user NULL: on the socket. */
static void open_peer(struct world *w, struct peer *peer, const char *user, const char *filter)
{
    char password[32];
    memset(peer, 0, sizeof *peer);
    peer->mosq = mosquitto_new(user != NULL ? user : "peer", true, peer);
    mosquitto_message_callback_set(peer->mosq, on_heard);
    snprintf(password, sizeof password, "pw-%s", user != NULL ? user : "");
    if (user != NULL)
        mosquitto_username_pw_set(peer->mosq, user, password);
    assert_int_equal(mosquitto_connect(peer->mosq,
                                       user != NULL ? "127.0.0.1" : w->broker.socket_path,
                                       user != NULL ? w->broker.port : 0, 30),
                     0);
    assert_int_equal(mosquitto_subscribe(peer->mosq, NULL, filter, 1), 0);
    for (int i = 0; i < 20; i++)
        mosquitto_loop(peer->mosq, 10, 1);
    w->peer = peer;
}

static void close_peer(struct world *w)
{
    mosquitto_disconnect(w->peer->mosq);
    mosquitto_destroy(w->peer->mosq);
    w->peer = NULL;
}

static bool has_messages(void *ctx)
{
    struct world *w = ctx;
    mosquitto_loop(w->peer->mosq, 0, 1);
    return mqtt_status(w->station.mqtt).messages >= w->wanted;
}

static void publish(struct world *w, const char *topic, const void *payload, size_t size,
                    bool retain)
{
    w->wanted = mqtt_status(w->station.mqtt).messages + 1;
    assert_int_equal(mosquitto_publish(w->peer->mosq, NULL, topic, (int)size, payload, 1, retain),
                     0);
    run_until(w, has_messages);
    replica_commit(w->station.replica);
}

static void publish_text(struct world *w, const char *topic, const char *payload)
{
    publish(w, topic, payload, strlen(payload), false);
}

static void publish_kept(struct world *w, const char *topic, const char *payload)
{
    publish(w, topic, payload, strlen(payload), true);
}

/* --- every product --- */

/* One line of products.tsv: what a payload file becomes. */
struct line {
    char *file, *topic, *expected, *answer; /* answer: "topic payload", or NULL */
};

static bool split(char *text, struct line *ret)
{
    char *rest = NULL;
    ret->file = strtok_r(text, "\t\n", &rest);
    ret->topic = strtok_r(NULL, "\t\n", &rest);
    ret->expected = strtok_r(NULL, "\t\n", &rest);
    if (ret->expected == NULL)
        return false;
    ret->answer = strstr(ret->expected, " -> ");
    if (ret->answer != NULL) {
        *ret->answer = '\0';
        ret->answer += 4;
    }
    return true;
}

static size_t read_payload(const char *name, char ret[PAYLOAD_MAX])
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", MQTT_DATA, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(path, sizeof path, "%s/products/%s", MQTT_DATA, name);
        file = fopen(path, "re");
    }
    if (file == NULL)
        fail_msg("%s is missing", name);
    size_t size = fread(ret, 1, PAYLOAD_MAX, file);
    fclose(file);
    return size;
}

static bool leaves_a_row(const char *kind)
{
    static const char *const kinds[] = {"check_in", "leave_post", "sos",  "intrusion",
                                        "fire",     "tamper",     "door", "power"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

/* The value of " name=" up to the next one; a value may have spaces in it. */
static void take_field(const char *text, const char *name, char *ret, size_t size)
{
    const char *at = strstr(text, name);
    ret[0] = '\0';
    if (at == NULL)
        return;
    at += strlen(name);
    const char *end = strchr(at, '=');
    size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
    while (end != NULL && length > 0 && at[length] != ' ')
        length--;
    snprintf(ret, size, "%.*s", (int)length, at);
}

/* "product/rule kind device code=.. subject=..": the event is a row of that device. */
static void check_event(struct world *w, const char *file, char *expected)
{
    char code[80], subject[80], *rest = NULL;
    take_field(expected, " code=", code, sizeof code);
    take_field(expected, " subject=", subject, sizeof subject);
    const char *rule = strtok_r(expected, " ", &rest), *kind = strtok_r(NULL, " ", &rest);
    const char *device = strtok_r(NULL, " ", &rest);
    assert_non_null(rule);
    assert_non_null(device);
    if (!leaves_a_row(kind) || strncmp(device, "unnamed-", 8) == 0)
        return;
    if (replica_get_int(w->station.replica, 0,
                        "SELECT count(*) FROM device_event WHERE device_id = ?1 AND kind = ?2"
                        " AND coalesce(code, '') = ?3 AND coalesce(subject, '') = ?4",
                        "ssss", device, kind, code, subject) < 1)
        fail_msg("%s: no %s of %s", file, kind, device);
}

static void register_devices(struct world *w, const char *expected)
{
    char text[PAYLOAD_MAX], product[64];
    snprintf(text, sizeof text, "%s", expected);
    char *rest = NULL, *rule = strtok_r(text, " ", &rest);
    char *kind = strtok_r(NULL, " ", &rest), *device = strtok_r(NULL, " ", &rest);
    if (kind == NULL || device == NULL || strncmp(rule, "raw:", 4) == 0)
        return;
    snprintf(product, sizeof product, "%.*s", (int)strcspn(rule, "/"), rule);
    mini_station_add_device(&w->station, device, product);
}

struct wanted {
    struct world *w;
    char topic[200];
    const char *payload;
};

static bool is_answered(void *ctx)
{
    struct wanted *wanted = ctx;
    mosquitto_loop(wanted->w->peer->mosq, 0, 1);
    return has_heard(wanted->w->peer, wanted->topic, wanted->payload);
}

static void check_answer(struct world *w, const struct line *line)
{
    struct wanted wanted = {.w = w};
    size_t size = strcspn(line->answer, " ");
    snprintf(wanted.topic, sizeof wanted.topic, "%.*s", (int)size, line->answer);
    wanted.payload = line->answer + size + 1;
    if (!mini_station_run(&w->station, is_answered, &wanted, 5000)) {
        for (int i = 0; i < w->peer->count; i++)
            print_error("heard %s %s\n", w->peer->heard[i].topic, w->peer->heard[i].payload);
        fail_msg("%s: not answered by %s", line->file, line->answer);
    }
}

static void check_line(struct world *w, const struct line *line)
{
    char payload[PAYLOAD_MAX], reason[200] = "", *rest = NULL;
    size_t size = read_payload(line->file, payload);
    register_devices(w, line->expected);
    publish(w, line->topic, payload, size, false);
    if (strncmp(line->expected, "raw: ", 5) == 0) {
        replica_get_text(w->station.replica, reason, sizeof reason,
                         "SELECT reason FROM mqtt_raw WHERE topic = ?1 ORDER BY id DESC LIMIT 1",
                         "s", line->topic);
        if (strcmp(reason, line->expected + 5) != 0)
            fail_msg("%s: kept raw for \"%s\"", line->file, reason);
        return;
    }
    for (char *one = strtok_r(line->expected, ";", &rest); one != NULL;
         one = strtok_r(NULL, ";", &rest))
        check_event(w, line->file, one + (one[0] == ' '));
    if (line->answer != NULL)
        check_answer(w, line);
}

static void test_every_product(void **state)
{
    struct world *w = *state;
    static struct peer peer;
    static char text[8192];
    int lines = 0;
    FILE *file = fopen(MQTT_DATA "/products.tsv", "re");
    assert_non_null(file);
    open_peer(w, &peer, NULL, "#");
    while (fgets(text, sizeof text, file) != NULL) {
        struct line line;
        /* filters, and topics that only our own subscriptions leave out */
        if (!split(text, &line) || strpbrk(line.topic, "+#") != NULL ||
            strcmp(line.topic, "nothing/of/ours") == 0)
            continue;
        check_line(w, &line);
        lines++;
    }
    fclose(file);
    assert_true(lines > 60);
    close_peer(w);
}

/* --- what nobody should send --- */

#define EVT "sc/S0117/S14/M/SOS1/evt"

static int64_t presses(struct world *w)
{
    return rows(w, "SELECT count(*) FROM device_event WHERE kind = 'sos'");
}

static void test_hostile(void **state)
{
    struct world *w = *state;
    static struct peer peer;
    static char big[300000];
    open_peer(w, &peer, NULL, "none");
    mini_station_add_device(&w->station, "D9", "touyan");
    replica_enter(w->station.replica);
    replica_run(w->station.replica, "UPDATE device SET kind = 'camera' WHERE id = 'D9'", "");
    replica_leave(w->station.replica, true);
    static const char evt[] = "sc/S0117/S14/M/D9/evt";
    publish_text(w, evt, "{\"id\":\"1-1\",\"k\":");
    publish(w, evt, "\xff\xfe\0x", 4, false);
    memset(big, '[', sizeof big);
    publish(w, evt, big, sizeof big, false); /* deep */
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = "[1,2],"[i % 6];
    publish(w, evt, big, sizeof big, false); /* many */
    assert_int_equal(rows(w, "SELECT count(*) FROM mqtt_raw"), 4);
    assert_int_equal(rows(w, "SELECT count(*) FROM mqtt_raw WHERE length(payload) > 4096"), 0);
    /* a photo is cut out and the rest counts */
    int head = snprintf(big, sizeof big, "{\"id\":\"1-2\",\"k\":\"door\",\"pic\":\"");
    memset(big + head, 'A', sizeof big - (size_t)head);
    memcpy(big + sizeof big - 2, "\"}", 2);
    publish(w, evt, big, sizeof big, false);
    assert_int_equal(rows(w, "SELECT count(*) FROM device_event WHERE kind = 'door'"), 1);
    /* pressed an hour ago, kept by the broker, said again: stored, and nobody is woken */
    int before = w->alarms;
    publish_text(w, EVT, "{\"id\":\"1-1\",\"k\":\"sos\",\"ts\":1788218405000}");
    publish_kept(w, EVT, "{\"id\":\"1-2\",\"k\":\"sos\"}");
    publish_text(w, EVT, "{\"id\":\"1-3\",\"k\":\"sos\",\"replay\":true}");
    assert_int_equal(presses(w), 3); /* the one that the broker keeps is live the first time */
    assert_int_equal(w->alarms - before, 1);
    close_peer(w);
}

/* What the broker keeps comes with each subscription, and is nothing that happens now. */
static void test_retained(void **state)
{
    struct world *w = *state;
    static struct peer peer;
    open_peer(w, &peer, NULL, "none");
    publish_kept(w, EVT, "{\"id\":\"2-1\",\"k\":\"sos\"}");
    int before = w->alarms;
    assert_int_equal(before, 1);
    mini_station_close(&w->station);
    open_station(w);
    w->wanted = 1;
    run_until(w, has_messages);
    assert_int_equal(w->alarms, before);
    assert_int_equal(presses(w), 1);
    close_peer(w);
}

/* A device that speaks in another's name is stopped by the access list, or by its own topic. */
static void test_spoofed(void **state)
{
    struct world *w = *state;
    static struct peer peer;
    open_peer(w, &peer, "SOS2", "sc/+/+/+/SOS2/cmd");
    static const char spoof[] = "{\"id\":\"9-1\",\"k\":\"sos\"}";
    mosquitto_publish(peer.mosq, NULL, EVT, (int)strlen(spoof), spoof, 1, false);
    publish_text(w, "sc/S0117/S14/M/SOS2/evt", "{\"id\":\"9-2\",\"k\":\"sos\",\"dev\":\"SOS1\"}");
    assert_int_equal(presses(w), 0);
    assert_int_equal(w->alarms, 0);
    assert_int_equal(rows(w, "SELECT count(*) FROM mqtt_raw WHERE reason LIKE 'payload names%'"),
                     1);
    publish_text(w, "sc/S0117/S14/M/SOS2/evt", "{\"id\":\"9-3\",\"k\":\"sos\"}");
    assert_int_equal(w->alarms, 1);
    close_peer(w);
}

/* --- a broker that dies --- */

/* A device as they are: what is not answered by the gateway is sent again. */
struct sender {
    struct world *w;
    struct peer peer;
    int made, acked; /* events 1 to `made` were made, those up to `acked` are answered */
    int64_t next_ms;
    bool connected;
};

static void send_event(struct sender *sender, int number)
{
    char payload[80];
    int size = snprintf(payload, sizeof payload, "{\"id\":\"1-%d\",\"k\":\"door\"}", number);
    mosquitto_publish(sender->peer.mosq, NULL, EVT, size, payload, 1, false);
}

static void take_answers(struct sender *sender)
{
    char wanted[40];
    for (;;) {
        snprintf(wanted, sizeof wanted, "{\"ack\":\"1-%d\"}", sender->acked + 1);
        if (!has_heard(&sender->peer, "sc/S0117/S14/M/SOS1/cmd", wanted))
            return;
        sender->acked++;
    }
}

static void connect_again(struct sender *sender)
{
    sender->connected =
        mosquitto_reconnect(sender->peer.mosq) == MOSQ_ERR_SUCCESS &&
        mosquitto_subscribe(sender->peer.mosq, NULL, "sc/+/+/+/SOS1/cmd", 1) == MOSQ_ERR_SUCCESS;
}

/* Called every few milliseconds; true when all that was made is answered. */
static bool serve_sender(void *ctx)
{
    struct sender *sender = ctx;
    int64_t now_ms = clock_mono_ms(clock_real());
    if (sender->connected && mosquitto_loop(sender->peer.mosq, 0, 1) != MOSQ_ERR_SUCCESS)
        sender->connected = false;
    take_answers(sender);
    if (now_ms < sender->next_ms)
        return sender->acked == sender->made;
    sender->next_ms = now_ms + 200;
    if (!sender->connected)
        connect_again(sender);
    for (int i = sender->acked + 1; sender->connected && i <= sender->made; i++)
        send_event(sender, i);
    return sender->acked == sender->made;
}

static int kills_wanted(void)
{
    int kills = KILLS_DEFAULT;
    const char *text = getenv("TOUYAN_BROKER_KILLS");
    return text != NULL && text_to_int(text, 1, 10000, &kills) ? kills : KILLS_DEFAULT;
}

static void test_broker_killed(void **state)
{
    struct world *w = *state;
    static struct sender sender;
    int kills = kills_wanted();
    sender = (struct sender){.w = w, .connected = true};
    open_peer(w, &sender.peer, "SOS1", "sc/+/+/+/SOS1/cmd");
    for (int round = 0; round < kills; round++) {
        sender.made += 3;
        sender.next_ms = 0;
        mini_station_run(&w->station, serve_sender, &sender, round % 7 * 3); /* at any moment */
        broker_signal(&w->broker, SIGKILL);
        assert_true(broker_start(&w->broker));
        if (!mini_station_run(&w->station, serve_sender, &sender, RUN_MS))
            fail_msg("after kill %d: %d of %d answered", round + 1, sender.acked, sender.made);
    }
    assert_int_equal(rows(w, "SELECT count(*) FROM device_event WHERE kind = 'door'"),
                     3 * kills); /* none lost, none twice */
    assert_int_equal(rows(w, "SELECT count(*) FROM device_gap"), 0);
    print_message("%d kills, %d events, 0 lost\n", kills, 3 * kills);
    close_peer(w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_product), T(test_hostile),       T(test_retained),
        T(test_spoofed),       T(test_broker_killed),
    };
    mosquitto_lib_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
