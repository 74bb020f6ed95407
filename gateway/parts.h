/* The daemon's parts, shared by the files that wire them (gateway.c, desk.c, turn.c, upkeep.c,
 * view.c). Each file owns the fields under its name; the others read them. */
#ifndef TOUYAN_GATEWAY_PARTS_H
#define TOUYAN_GATEWAY_PARTS_H

#include <uv.h>

#include "gateway/console/console.h"
#include "gateway/duty/duty.h"
#include "gateway/duty/recognise.h"
#include "gateway/gateway.h"
#include "mqtt/mqtt.h"
#include "mqtt/radio/radio.h"
#include "sms/sms.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"
#include "sync/sync.h"

enum {
    UPKEEP_WAL_PAGES_MAX = 32768, /* 128 MiB: no thread got through; the loop does it itself */
};

struct gateway {
    const struct gateway_options *options;
    struct config *config;
    uv_loop_t loop;
    struct clock_mended mended;
    struct clock clock; /* over `mended` */
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;

    struct sms *sms;
    struct mqtt *mqtt;
    struct radio *radio;
    struct sync *sync;
    struct http *http;
    struct console console;

    /* turn.c */
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t stay_awake; /* the turn goes on until uv_check */
    uv_timer_t retry;     /* runs while nothing can be written */

    /* desk.c */
    struct duty duty;
    uv_timer_t duty_timer;
    int64_t duty_due_ms;  /* wall */
    int64_t duty_seen_ms; /* wall at the last look: a clock that went back is noticed */
    bool duty_look;       /* something came in this turn: look before the commit */
    bool duty_rows;       /* rows of the county came: look soon */
    int64_t duty_rows_mono_ms;

    /* roster.c */
    struct roster_job {
        struct gateway *gateway;
        uv_work_t work;
        bool running;
        struct draft *draft; /* owned while running */
        int code;
        struct err err; /* of the last plan; "": none */
    } roster;

    /* upkeep.c */
    uv_work_t checkpoint_work;
    bool checkpoint_running;
    int64_t checkpoint_mono_ms; /* not before */
    bool checkpoint_rest; /* the thread is through: what came meanwhile is done between two turns */
    uv_timer_t upkeep_timer;
    uv_work_t backup_work;
    bool backup_running;
    int64_t backup_done_ms;     /* wall, of the last good one; 0: never */
    int64_t backup_try_mono_ms; /* not before: a failed one is tried again after an hour */

    /* gateway.c: stopping */
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t stop_deadline;
    int stop_step;
    bool stopping;
};

/* turn.c: one transaction a turn */
void turn_start(struct gateway *gateway);
void turn_stop(struct gateway *gateway); /* commits what is open and closes the handles */

/* desk.c: what comes in goes to the duty, what the duty says goes out */
struct pace_limits desk_limits(const struct config *config);
void desk_init(struct gateway *gateway);
void desk_reload(struct gateway *gateway); /* the times of the configuration have changed */
void desk_start(struct gateway *gateway);
void desk_stop(struct gateway *gateway);
void desk_on_text(void *gateway, const struct inbox_text *text);
void desk_on_call(void *gateway, const struct calls_end *end);
void desk_on_ring(void *gateway, const char *id, const char *phone, const char *number);
/* No modem worked from `since` to `until`, for more than an hour. */
void desk_on_outage(void *gateway, int64_t since, int64_t until);
void desk_on_event(void *gateway, const struct mqtt_event *event);
/* The county's rows have changed, or a person did something: look again in this turn. */
void desk_look(struct gateway *gateway);
/* The network's time, which counts while the machine's clock is impossible. */
void desk_on_time(void *ctx, const char *modem, int64_t utc_ms);
/* The same for rows of a catch-up, which come in many slices: a few times a second is enough. */
void desk_look_soon(struct gateway *gateway);
/* Before the commit of each turn. */
void desk_before_commit(struct gateway *gateway);

/* What a person at the station does by hand, for the console. */
int desk_send(void *gateway, const char *number, const char *text, char ret_id[LIMIT_ID_BYTES + 1],
              struct err *err);
int desk_simulate(void *gateway, const char *number, const char *text, struct err *err);
int desk_command(void *gateway, const struct json *body, char ret_id[LIMIT_ID_BYTES + 1],
                 struct err *err);
int desk_flow(void *gateway, const struct json *body, struct err *err);
void desk_sync_now(void *gateway);
int desk_enrol(void *gateway, const char *code, struct err *err);

/* radio.c: commands by radio, and what goes to radios */
int radio_init(struct gateway *gateway, struct err *err);
void radio_on_state(void *gateway, bool connected, int64_t since_ms, const char *why);
void radio_talk(void *gateway, const struct mqtt_talk *talk);
int radio_open_payload(void *gateway, const char *topic, const void *payload, size_t size,
                       struct buf *ret);
/* An alarm goes by radio besides; an answer to a radio instead. True: nothing is left to be sent.
 */
bool radio_take_message(struct gateway *gateway, const struct duty_message *message);
void radio_before_commit(struct gateway *gateway);
/* For the console: {"act":"add|remove","product","node","person"} and {"product","node","text"}. */
int radio_act(void *gateway, const struct json *body, struct err *err);

/* hand.c: the same for messages that are there already; see struct console_ports */
int hand_retry(void *gateway, const char *id, struct err *err);
int hand_cancel(void *gateway, const char *id, struct err *err);
void hand_pause(void *gateway, bool paused);
int hand_push(void *gateway, const char *id, struct err *err);
void hand_expect(void *gateway, const char *id, struct json *json);
void hand_balance(void *gateway);
/* hours: "20:00-07:30", "none", or "default": as the station's. */
int hand_quiet(void *gateway, const char *number, const char *hours, struct err *err);
void hand_suggest(void *gateway, const char *desk_id, struct json *json);
int hand_answer(void *gateway, const char *desk_id, const char *text,
                char ret_id[LIMIT_ID_BYTES + 1], struct err *err);

/* ledger.c: a command of the console to the schools' ledger; see struct console_ports */
int ledger_command(void *gateway, const struct json *body, char ret_code[COMMAND_CODE_SIZE],
                   struct err *err);

/* card.c: the same for cards and volunteers; see struct console_ports */
int card_command(void *gateway, const struct json *body, struct json **ret, struct err *err);

/* lists.c: schools, people, posts and volunteers of a file; see struct console_ports */
int lists_import(void *gateway, const struct json *body, struct json **ret, struct err *err);

/* roster.c: the draft of a week; see struct console_ports */
int roster_begin(void *gateway, const char *date, bool afresh, struct err *err);
struct json *roster_state(void *gateway);
int roster_publish(void *gateway, struct json **ret, struct err *err);
int roster_sheet(void *gateway, const struct roster_wish *wish, struct json **ret, struct err *err);
int roster_order(void *gateway, const struct json *body, struct err *err);
int roster_import(void *gateway, const struct json *rows, bool baseline, struct json **ret,
                  struct err *err);

/* view.c: what the console shows; struct console_ports says what each is */
struct json *view_status(void *gateway);
struct json *view_check(void *gateway);
struct json *view_sync(void *gateway);
struct json *view_idle(void *gateway);
struct json *view_enrolment(void *gateway);
struct json *view_support(void *gateway); /* support.c */
int view_accounts(void *gateway, const char *device_id, struct json **ret, struct err *err);

/* upkeep.c: nightly backup, checkpoint, the watchdog of the service manager */
void upkeep_start(struct gateway *gateway);
void upkeep_stop(struct gateway *gateway);
/* After each turn, when nothing is open: keeps the log of the database short. */
void upkeep_after_turn(struct gateway *gateway);
/* Tells the service manager, when there is one: "READY=1", "STOPPING=1" (sd_notify(3)). */
void upkeep_tell(const char *state);

#endif
