/* The station daemon: owns the loop and all modules, knows their start and stop order, and nothing
 * else does. */
#ifndef TOUYAN_GATEWAY_H
#define TOUYAN_GATEWAY_H

#include "config/config.h"
#include "gateway/base/clock.h"
#include "gateway/base/err.h"

struct gateway_options {
    struct config *config;   /* outlives the gateway; SIGHUP reloads it in place */
    struct clock clock;      /* real, or fast for demo and tests */
    bool fast_time;          /* look at the wall clock every 20 ms instead of every second */
    const char *worker_path; /* the touyan-modem executable */
};

/* Runs until SIGTERM or SIGINT. ERR_OK: stopped in order. Otherwise it never came up; what is said
 * is for the person who started it. */
int gateway_run(const struct gateway_options *options, struct err *err);

/* Whether radios can be used so; for --check-config. ERR_INVALID: names the option. */
int radio_settings_check(const struct config *config, struct err *err);

#endif
