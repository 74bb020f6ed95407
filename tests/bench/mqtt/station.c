/* bench_mqtt_station SOCKET DATABASE COUNT: the modules of the gateway that take MQTT in (mqtt/ and
 * the replica, with registry, mapping, change marks) on a loop of their own. The rule of our own
 * events is taken without its acknowledgement to the device. Prints "ready", and "done" when COUNT
 * events are committed. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "tests/bench/mqtt/row.h"
#include "tests/lib/mini_station.h"

enum { FOREVER_MS = 3600 * 1000 };

struct bench {
    struct mini_station station;
    int64_t known; /* rows before the start */
    int wanted;
    bool ready;
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level <= LOG_LEVEL_ERROR)
        fprintf(stderr, "%s\n", line);
}

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void on_event(void *ctx, const struct mqtt_event *event)
{
    (void)ctx;
    (void)event;
}

static bool is_done(void *ctx)
{
    struct bench *bench = ctx;
    struct mqtt_status status = mqtt_status(bench->station.mqtt);
    if (!bench->ready && status.connected &&
        replica_get_int(bench->station.replica, 0,
                        "SELECT count(*) FROM kv WHERE k = 'mqtt.filters'", "") == 1) {
        bench->ready = true;
        say("ready");
    }
    return bench->known + status.events >= bench->wanted &&
           replica_get_int(bench->station.replica, 0,
                           "SELECT count(*) FROM device_event WHERE kind = 'door'",
                           "") >= bench->wanted;
}

static void prepare_tables(struct bench *bench)
{
    struct replica *replica = bench->station.replica;
    for (int i = 0; i < BENCH_DEVICES; i++) {
        char id[8];
        snprintf(id, sizeof id, "B%02d", i);
        mini_station_add_device(&bench->station, id, "touyan");
    }
    replica_commit(replica);
    bench->known =
        replica_get_int(replica, 0, "SELECT count(*) FROM device_event WHERE kind = 'door'", "");
}

/* Events of our own scheme without the answer that devices get (the publisher listens to none), and
 * as many of one device as the broker can bring. */
static const char rules[] = "product = touyan\n"
                            "events_per_s = 100000\n"
                            "[rule event]\n"
                            "topic = " BENCH_FILTER "\n"
                            "kind = $.k\n"
                            "device = topic:4\n"
                            "same_device = $.dev\n"
                            "code = $.c\n"
                            "subject = $.s\n"
                            "time = $.ts ms\n"
                            "id = $.id\n";

static bool write_rules(const char *db_path, char *ret_dir, size_t size)
{
    char path[1024];
    struct err err;
    snprintf(ret_dir, size, "%s.rules", db_path);
    snprintf(path, sizeof path, "%s/touyan.rules", ret_dir);
    return (mkdir(ret_dir, 0700) == 0 || errno == EEXIST) &&
           file_replace(path, rules, sizeof rules - 1, 0600, &err) == ERR_OK;
}

int main(int argc, char **argv)
{
    char rules_dir[512];
    static struct bench bench;
    if (argc != 4 || !text_to_int(argv[3], 1, 10000000, &bench.wanted) ||
        !write_rules(argv[2], rules_dir, sizeof rules_dir))
        return 64;
    log_set_sink(swallow, NULL);
    const struct mqtt_options options = {.socket_path = argv[1], .rules_dir = rules_dir};
    const struct mqtt_callbacks callbacks = {.ctx = &bench, .on_event = on_event};
    if (!mini_station_open(&bench.station, argv[2], options, &callbacks))
        return 1;
    prepare_tables(&bench);
    if (!mini_station_run(&bench.station, is_done, &bench, FOREVER_MS))
        return 1;
    say("done");
    mini_station_run(&bench.station, NULL, NULL, FOREVER_MS);
    return 0;
}
