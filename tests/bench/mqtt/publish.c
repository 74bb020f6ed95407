/* bench_mqtt_publish SOCKET COUNT RATE: publishes COUNT QoS 1 messages of 20 devices, at most RATE
 * a second (0: as fast as it goes), 200 in flight. Exit 0 when the broker acknowledged all. */
#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "tests/bench/mqtt/row.h"

enum { IN_FLIGHT = 200 };

struct publisher {
    struct mosquitto *mosq;
    int sent, acked, count;
    bool online;
};

static void on_connect(struct mosquitto *mosq, void *ctx, int code)
{
    (void)mosq;
    ((struct publisher *)ctx)->online = code == 0;
}

static void on_publish(struct mosquitto *mosq, void *ctx, int message_id)
{
    (void)mosq;
    (void)message_id;
    ((struct publisher *)ctx)->acked++;
}

static void send_next(struct publisher *p)
{
    char topic[80], payload[BENCH_PAYLOAD_BYTES + 1];
    int device = p->sent % BENCH_DEVICES;
    snprintf(topic, sizeof topic, BENCH_TOPIC, device);
    int used = snprintf(payload, sizeof payload, BENCH_PAYLOAD, p->sent / BENCH_DEVICES,
                        (long long)clock_wall_ms(clock_real()));
    memset(payload + used, 'x', sizeof payload - (size_t)used);
    memcpy(payload + BENCH_PAYLOAD_BYTES - 2, "\"}", 3);
    mosquitto_publish(p->mosq, NULL, topic, BENCH_PAYLOAD_BYTES, payload, 1, false);
    p->sent++;
}

/* Waits for the socket at most wait_ms and does what it is ready for. False: the link is lost. */
static bool serve_socket(struct publisher *p, int wait_ms)
{
    struct pollfd fd = {.fd = mosquitto_socket(p->mosq), .events = POLLIN};
    if (mosquitto_want_write(p->mosq))
        fd.events |= POLLOUT;
    poll(&fd, 1, wait_ms);
    int rc = MOSQ_ERR_SUCCESS;
    if ((fd.revents & POLLOUT) != 0)
        rc = mosquitto_loop_write(p->mosq, 1);
    for (int i = 0; i < IN_FLIGHT && rc == MOSQ_ERR_SUCCESS && poll(&fd, 1, 0) > 0 &&
                    (fd.revents & POLLIN) != 0;
         i++)
        rc = mosquitto_loop_read(p->mosq, 1);
    return rc == MOSQ_ERR_SUCCESS && mosquitto_loop_misc(p->mosq) == MOSQ_ERR_SUCCESS;
}

static bool run(struct publisher *p, int rate)
{
    int64_t start_us = clock_mono_us();
    while (p->acked < p->count) {
        int64_t due = rate == 0 ? p->count : (clock_mono_us() - start_us) * rate / 1000000;
        while (p->online && p->sent < p->count && p->sent < due && p->sent - p->acked < IN_FLIGHT)
            send_next(p);
        bool full = p->sent - p->acked >= IN_FLIGHT || p->sent == p->count || !p->online;
        if (!serve_socket(p, full ? 1000 : 1))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct publisher p = {0};
    int rate;
    if (argc != 4 || !text_to_int(argv[2], 1, 10000000, &p.count) ||
        !text_to_int(argv[3], 0, 1000000, &rate)) {
        fprintf(stderr, "usage: bench_mqtt_publish SOCKET COUNT RATE\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    mosquitto_lib_init();
    p.mosq = mosquitto_new("bench-publisher", true, &p);
    mosquitto_max_inflight_messages_set(p.mosq, IN_FLIGHT);
    mosquitto_connect_callback_set(p.mosq, on_connect);
    mosquitto_publish_callback_set(p.mosq, on_publish);
    bool all = mosquitto_connect(p.mosq, argv[1], 0, 60) == MOSQ_ERR_SUCCESS && run(&p, rate);
    mosquitto_disconnect(p.mosq);
    mosquitto_destroy(p.mosq);
    mosquitto_lib_cleanup();
    if (!all)
        fprintf(stderr, "publisher: %d of %d acknowledged\n", p.acked, p.count);
    return all ? 0 : 1;
}
