/* As little of a station as mqtt/ needs: a loop that commits once a turn, a replica, the module. */
#ifndef TOUYAN_TESTS_MINI_STATION_H
#define TOUYAN_TESTS_MINI_STATION_H

#include <stdbool.h>
#include <uv.h>

#include "gateway/base/log.h"
#include "mqtt/mqtt.h"
#include "sync/replica/seal.h"

struct mini_station {
    uv_loop_t loop;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_timer_t watch;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct mqtt *mqtt;
    bool closed;
};

/* options: loop, replica, clock and rnd are filled in; station defaults to "S0117". The database at
 * db_path stays where it is. False: says why on stderr. */
bool mini_station_open(struct mini_station *station, const char *db_path,
                       struct mqtt_options options, const struct mqtt_callbacks *callbacks);

/* Runs until done(ctx), asked every 5 ms, or the time is over. True: done. */
bool mini_station_run(struct mini_station *station, bool (*done)(void *ctx), void *ctx,
                      int timeout_ms);
void mini_station_close(struct mini_station *station);

/* Subscribed, and the broker said so. */
bool mini_station_is_ready(const struct mini_station *station);

/* A log sink that keeps nothing: a broker that goes is no news here. */
void mini_station_no_log(void *ctx, enum log_level level, const char *line);

/* Registers a device of table device. */
void mini_station_add_device(struct mini_station *station, const char *id, const char *product);

#endif
