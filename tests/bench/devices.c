/* Ten thousand devices: memory of the process for each, and the processor's time of one second's
 * round over all of them while they are silent and while each has just been heard. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "mqtt/ingest.h"
#include "mqtt/repairs.h"
#include "sync/replica/seal.h"

enum { DEVICES = 10000, STEP_MS = 1000 };

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level <= LOG_LEVEL_ERROR)
        fprintf(stderr, "%s\n", line);
}

static void figure(const char *name, double of_all, const char *unit)
{
    printf("{\"bench\":\"devices\",\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"%s\","
           "\"devices\":%d}\n",
           name, of_all / DEVICES, unit, DEVICES);
}

static size_t heap(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void heartbeat(struct ingest *ingest, int i)
{
    char topic[64];
    static const char payload[] = "{\"k\":\"heartbeat\",\"bat\":87,\"fw\":\"gate-1.4\"}";
    snprintf(topic, sizeof topic, "sc/S0117/S%d/M/DEV-%05d/tel", i % 34, i);
    struct ingest_message message = {topic, payload, sizeof payload - 1, false};
    if (!ingest_message(ingest, &message))
        abort();
}

/* One second of all devices; the processor's time of the round itself. */
static int64_t second(struct ingest *ingest, struct replica *replica, struct clock_cells *cells)
{
    cells->wall_ms += STEP_MS;
    cells->mono_ms += STEP_MS;
    int64_t from = clock_thread_us();
    ingest_tick(ingest, true);
    replica_commit(replica);
    return clock_thread_us() - from;
}

static void add_devices(struct replica *replica)
{
    replica_enter(replica);
    replica_run(replica,
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)"
                " INSERT INTO device(id, scope, school_id, product, kind)"
                " SELECT printf('DEV-%05d', i), 'S0117', 'S' || (i % 34), 'touyan', 'sos' FROM n",
                "i", (int64_t)DEVICES);
    replica_leave(replica, true);
    replica_commit(replica);
}

int main(void)
{
    struct clock_cells cells = {INT64_C(1788218405000), 1000};
    struct clock clock = clock_manual(&cells);
    struct rnd rnd = rnd_seeded(1);
    struct seal *seal = seal_for_test();
    struct replica *replica;
    struct ingest *ingest;
    struct err err;
    char path[] = "/tmp/touyan-devices-XXXXXX", db[64];
    log_set_sink(swallow, NULL);
    if (mkdtemp(path) == NULL)
        return 1;
    snprintf(db, sizeof db, "%s/t.db", path);
    struct replica_options options = {.path = db, .clock = &clock, .rnd = &rnd, .seal = seal};
    if (replica_open(&options, &replica, &err) != ERR_OK)
        return 1;
    add_devices(replica);
    const struct ingest_options made = {.replica = replica, .clock = &clock, .station = "S0117"};
    if (ingest_open(&made, NULL, &ingest, &err) != ERR_OK)
        return 1;
    heartbeat(ingest, 0);
    second(ingest, replica, &cells);
    size_t before = heap();
    int64_t from = clock_thread_us();
    for (int i = 0; i < DEVICES; i++) {
        heartbeat(ingest, i);
        if (i % 500 == 499)
            replica_commit(replica);
    }
    int64_t heard_us = clock_thread_us() - from;
    second(ingest, replica, &cells);
    size_t bytes = heap() - before;
    from = clock_thread_us();
    for (int i = 0; i < DEVICES; i++)
        heartbeat(ingest, i);
    int64_t again_us = clock_thread_us() - from;
    int64_t written_us = second(ingest, replica, &cells);
    int64_t silent_us = second(ingest, replica, &cells);
    from = clock_thread_us();
    repairs_look(replica, cells.wall_ms, 0);
    int64_t look_us = clock_thread_us() - from;
    figure("bytes_per_device", (double)bytes, "B");
    figure("us_first_message", (double)heard_us, "us");
    figure("us_message", (double)again_us, "us");
    figure("us_write", (double)written_us, "us");
    figure("us_silent_second", (double)silent_us, "us");
    figure("us_repairs", (double)look_us, "us");
    ingest_close(ingest);
    replica_close(replica);
    seal_close(seal);
    char wal[80], shm[80];
    snprintf(wal, sizeof wal, "%s-wal", db);
    snprintf(shm, sizeof shm, "%s-shm", db);
    remove(wal), remove(shm), remove(db), remove(path);
    return 0;
}
