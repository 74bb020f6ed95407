/* A small station for tests: a loop, a replica on disk, the sms module with the real worker, and
 * the simulated modem as a process. */
#ifndef TOUYAN_TESTS_SMSSTATION_H
#define TOUYAN_TESTS_SMSSTATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/rnd.h"
#include "sms/sms.h"

enum { STATION_TEXTS = 64, STATION_BODY = 2048 };

struct smsstation_text {
    char number[64];
    char body[STATION_BODY];
};

struct smsstation {
    char dir[64];
    char link[96];
    char control[96];
    char book[96];
    char db[96];
    pid_t sim;
    uv_loop_t loop;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_timer_t beat;
    char clock_path[96];
    struct clock clock; /* fast time, also the modem's */
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct sms *sms;
    bool sms_closed;
    const char *driver;  /* of the worker, and what the modem plays; from TOUYAN_TEST_DRIVER and */
    const char *profile; /* TOUYAN_TEST_PROFILE when they are set */
    struct sms_modem_options modem;  /* to be changed before smsstation_start() */
    struct sms_modem_options second; /* without a name: there is none */
    struct smsstation_text texts[STATION_TEXTS];
    size_t text_count;
    inbox_text_fn *on_text;    /* instead of keeping it in texts; ctx is the station */
    struct pace_limits limits; /* to be changed before smsstation_start() */
};

/* Makes the directory, starts the modem. The station itself starts with smsstation_start(). The log
 * says errors only, or all with TOUYAN_TEST_LOG. */
void smsstation_open(struct smsstation *station);
void smsstation_start(struct smsstation *station);
void smsstation_stop(struct smsstation *station);
void smsstation_close(struct smsstation *station);
int smsstation_teardown(void **state); /* of cmocka: both */

/* Turns the loop until the condition holds; false when it did not within the time. */
typedef bool smsstation_condition(struct smsstation *station, const char *arg);
bool smsstation_until(struct smsstation *station, smsstation_condition *condition, const char *arg,
                      int timeout_ms);
/* Conditions: the first modem is ready; the message with this text was delivered. */
bool smsstation_is_ready(struct smsstation *station, const char *arg);
bool smsstation_is_delivered(struct smsstation *station, const char *text);
void smsstation_turn(struct smsstation *station, int ms);
void smsstation_jump(struct smsstation *station, int64_t ms); /* the wall clock */
void smsstation_set_wall(struct smsstation *station, int64_t wall_ms);

/* One order to the simulated modem (JSON); the answer is to be freed. */
struct json *smsstation_order(struct smsstation *station, const char *order);
void smsstation_tell(struct smsstation *station, const char *order); /* must be answered with ok */
int64_t smsstation_stat(struct smsstation *station, const char *name);

/* SIGKILL of the modem: its port goes, and comes back with the same SIM and network. */
void smsstation_kill_modem(struct smsstation *station);

/* Puts a message for the number; its idem is the text. */
void smsstation_put(struct smsstation *station, const char *number, const char *text, int prio);
/* State of the message with this text; "" when there is none. */
const char *smsstation_state(struct smsstation *station, const char *text);

/* How many events of this kind the network's book has, with this text (NULL: any). */
int smsstation_book(struct smsstation *station, const char *event, const char *text);

/* When the first byte of AT+CMGS of the accepted message came (CLOCK_MONOTONIC), -1: never. */
int64_t smsstation_first_byte_us(struct smsstation *station, const char *text);

/* Process ids of the workers; returns how many. */
int smsstation_workers(pid_t *ret, int max);

#endif
