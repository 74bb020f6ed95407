/* Start and stop of the daemon.
 *
 * Start: sealing key, replica, loop, duty, short messages, gates, county, the Unix socket. Nothing
 * waits for a network: each part comes up without its other end and says so.
 *
 * Stop, in this order, so that nothing is acknowledged that nobody handles: no more requests, the
 * broker hears DISCONNECT (an alarm that is pressed now waits there), the modems finish the part
 * they are sending, the county transfer is given up, the last turn is committed, timers and signals
 * are closed. After LIMIT_STOP_MS the rest is left to _exit: being killed loses nothing. */
#include "gateway/gateway.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/parts.h"

enum { STOP_HTTP, STOP_MQTT, STOP_SMS, STOP_SYNC, STOP_REST, STOP_DONE };

static void stop_next(struct gateway *gateway);

static void on_part_stopped(void *ctx)
{
    stop_next(ctx);
}

static void on_sms_stopped(void *ctx)
{
    struct gateway *gateway = ctx;
    gateway->sms = NULL; /* freed; from here on the duty is not looked at any more */
    stop_next(gateway);
}

static void close_signals_and_timers(struct gateway *gateway)
{
    desk_stop(gateway);
    upkeep_stop(gateway);
    turn_stop(gateway);
    uv_close((uv_handle_t *)&gateway->on_term, NULL);
    uv_close((uv_handle_t *)&gateway->on_int, NULL);
    uv_close((uv_handle_t *)&gateway->on_hup, NULL);
    uv_close((uv_handle_t *)&gateway->stop_deadline, NULL);
}

/* Each step ends by calling this again; a part that never came up is passed over. */
static void stop_next(struct gateway *gateway)
{
    int step = gateway->stop_step++;
    log_debug("gateway.stop", "step=%d", step);
    if (step == STOP_HTTP && gateway->http != NULL)
        http_close(gateway->http, on_part_stopped, gateway);
    else if (step == STOP_MQTT && gateway->mqtt != NULL)
        mqtt_close(gateway->mqtt, on_part_stopped, gateway);
    else if (step == STOP_SMS && gateway->sms != NULL)
        sms_close(gateway->sms, on_sms_stopped, gateway);
    else if (step == STOP_SYNC && gateway->sync != NULL)
        sync_close(gateway->sync, on_part_stopped, gateway);
    else if (step < STOP_REST)
        stop_next(gateway);
    else if (step == STOP_REST)
        close_signals_and_timers(gateway);
}

static void on_stop_deadline(uv_timer_t *timer)
{
    (void)timer;
    log_warn("gateway.stop_late", "some part did not stop within %d ms", LIMIT_STOP_MS);
    _exit(0);
}

static void begin_stop(struct gateway *gateway)
{
    if (gateway->stopping)
        return;
    gateway->stopping = true;
    upkeep_tell("STOPPING=1");
    uv_timer_start(&gateway->stop_deadline, on_stop_deadline, LIMIT_STOP_MS, 0);
    stop_next(gateway);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
    log_info("gateway.stopping", "signal=%d", signum);
    begin_stop(handle->data);
}

static void on_reload_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    struct gateway *gateway = handle->data;
    struct config_changes changes;
    struct err err = {0};
    if (config_reload(gateway->config, &changes, &err) != ERR_OK) {
        log_error("config.kept", "%s", err.text);
        return;
    }
    log_set_level((enum log_level)gateway->config->log.level);
    desk_reload(gateway);
    if (gateway->mqtt != NULL) {
        mqtt_set_flow(gateway->mqtt, gateway->config->duty.flow_peak,
                      gateway->config->duty.flow_heavy);
        mqtt_reload_rules(gateway->mqtt);
    }
    log_info("config.reloaded", "adopted=[%s] at_next_start=[%s]", changes.adopted,
             changes.refused);
}

static void start_signal(struct gateway *gateway, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
    uv_signal_init(&gateway->loop, handle);
    handle->data = gateway;
    uv_signal_start(handle, cb, signum);
}

static void start_signals(struct gateway *gateway)
{
    signal(SIGPIPE, SIG_IGN);
    start_signal(gateway, &gateway->on_term, on_stop_signal, SIGTERM);
    start_signal(gateway, &gateway->on_int, on_stop_signal, SIGINT);
    start_signal(gateway, &gateway->on_hup, on_reload_signal, SIGHUP);
    uv_timer_init(&gateway->loop, &gateway->stop_deadline);
    gateway->stop_deadline.data = gateway;
}

static int open_replica(struct gateway *gateway, struct err *err)
{
    const struct config_replica *config = &gateway->config->replica;
    int code = seal_open(config->key_file, &gateway->seal, err);
    if (code != ERR_OK)
        return code;
    struct replica_options options = {
        .path = config->path,
        .backup_dir = config->backup_dir[0] != '\0' ? config->backup_dir : NULL,
        .clock = &gateway->clock,
        .rnd = &gateway->rnd,
        .seal = gateway->seal,
        .wal_pages_max = UPKEEP_WAL_PAGES_MAX,
    };
    return replica_open(&options, &gateway->replica, err);
}

static int read_secret(const char *path, char *ret, size_t size, struct err *err)
{
    char secret[CONFIG_SECRET_BYTES + 1];
    int code = config_read_secret(path, secret, err);
    if (code == ERR_OK && !text_copy(ret, size, secret))
        code = err_set(err, ERR_LIMIT, "%s: too long", path);
    memset(secret, 0, sizeof secret);
    return code;
}

static int init_sms(struct gateway *gateway, struct err *err)
{
    const struct config *config = gateway->config;
    struct sms_options options = {
        .loop = &gateway->loop,
        .replica = gateway->replica,
        .clock = &gateway->clock,
        .rnd = &gateway->rnd,
        .country = config->station.country,
        .read_secret = read_secret,
        .modem_count = (size_t)config->modem_count,
        .limits = desk_limits(config),
        .callbacks = {.ctx = gateway,
                      .on_text = desk_on_text,
                      .on_outage = desk_on_outage,
                      .on_call = desk_on_call,
                      .on_ring = desk_on_ring,
                      .on_time = desk_on_time},
    };
    for (int i = 0; i < config->modem_count; i++) {
        const struct config_modem *modem = &config->modems[i];
        options.modems[i] = (struct sms_modem_options){
            .name = modem->name,
            .device = modem->device,
            .worker_path = gateway->options->worker_path,
            .driver = modem->driver == CONFIG_DRIVER_AT ? "at" : "gammu",
            .imei = modem->imei,
            .smsc = modem->smsc,
            .pin_file = modem->pin_file,
            .power_command = modem->power_command,
            .balance_code = modem->balance_code,
            .balance_low = modem->balance_low,
            .prefixes = (const char *const *)modem->prefixes.at,
            .prefix_count = (size_t)modem->prefixes.count,
            .pace = {modem->per_hour, modem->per_day},
            .fast_sleeps = modem->fast_sleeps,
        };
    }
    return sms_init(&options, &gateway->sms, err);
}

static void on_gates(void *ctx)
{
    desk_look(ctx);
}

static int init_mqtt(struct gateway *gateway, struct err *err)
{
    const struct config_mqtt *config = &gateway->config->mqtt;
    struct mqtt_options options = {
        .loop = &gateway->loop,
        .replica = gateway->replica,
        .clock = &gateway->clock,
        .rnd = &gateway->rnd,
        .station = gateway->config->station.id,
        .socket_path = config->socket,
        .host = config->host,
        .port = config->port,
        .ca_file = config->ca_file,
        .cert_file = config->cert_file,
        .key_file = config->key_file,
        .username = config->username,
        .password_file = config->password_file,
        .client_id = config->client_id,
        .keepalive_s = config->keepalive_s,
        .rules_dir = config->rules_dir,
        .flow_peak = gateway->config->duty.flow_peak,
        .flow_heavy = gateway->config->duty.flow_heavy,
    };
    struct mqtt_callbacks callbacks = {.ctx = gateway,
                                       .on_event = desk_on_event,
                                       .on_gates = on_gates,
                                       .on_talk = radio_talk,
                                       .unpack = radio_open_payload,
                                       .on_state = radio_on_state};
    int code = radio_init(gateway, err);
    return code == ERR_OK ? mqtt_init(&options, &callbacks, &gateway->mqtt, err) : code;
}

static void on_rows_applied(void *ctx, int64_t rows)
{
    (void)rows;
    desk_look_soon(ctx);
}

static int init_sync(struct gateway *gateway, struct err *err)
{
    const struct config_sync *config = &gateway->config->sync;
    struct sync_options options = {
        .url = config->url,
        .ca_file = config->ca_file[0] != '\0' ? config->ca_file : NULL,
        .pin = config->public_key[0] != '\0' ? config->public_key : NULL,
        .token_file = config->token_file,
        .ca_pin = config->ca_pin,
        .identity_file = config->identity,
        .station = gateway->config->station.id,
        .machine_file = config->machine_file,
        .poll_ms = (int64_t)config->poll_s * 1000,
        .on_applied = on_rows_applied,
        .ctx = gateway,
    };
    _Static_assert((int)CONFIG_LIST_MAX <= (int)PROTOCOL_SCOPES, "all of them fit");
    for (int i = 0; i < config->scopes.count; i++)
        options.scopes[i] = config->scopes.at[i];
    return sync_init(&gateway->sync, &gateway->loop, gateway->replica, &gateway->rnd, &options,
                     err);
}

static int start_http(struct gateway *gateway, struct err *err)
{
    gateway->console = (struct console){.replica = gateway->replica,
                                        .ports = {.ctx = gateway,
                                                  .status = view_status,
                                                  .check = view_check,
                                                  .support = view_support,
                                                  .sync = view_sync,
                                                  .idle = view_idle,
                                                  .sync_now = desk_sync_now,
                                                  .enrolment = view_enrolment,
                                                  .enrol = desk_enrol,
                                                  .send = desk_send,
                                                  .simulate = desk_simulate,
                                                  .retry = hand_retry,
                                                  .cancel = hand_cancel,
                                                  .pause = hand_pause,
                                                  .push = hand_push,
                                                  .expect = hand_expect,
                                                  .balance = hand_balance,
                                                  .quiet = hand_quiet,
                                                  .suggest = hand_suggest,
                                                  .answer = hand_answer,
                                                  .accounts = view_accounts,
                                                  .command = desk_command,
                                                  .radio = radio_act,
                                                  .flow = desk_flow,
                                                  .ledger = ledger_command,
                                                  .card = card_command,
                                                  .lists_import = lists_import,
                                                  .roster_plan = roster_begin,
                                                  .roster_state = roster_state,
                                                  .roster_publish = roster_publish,
                                                  .roster_sheet = roster_sheet,
                                                  .roster_import = roster_import,
                                                  .roster_order = roster_order}};
    struct http_options options = {.loop = &gateway->loop,
                                   .replica = gateway->replica,
                                   .socket_path = gateway->config->http.socket,
                                   .group = gateway->config->http.group,
                                   .readers = gateway->config->http.readers,
                                   .ctx = &gateway->console,
                                   .respond = console_respond};
    return http_start(&options, &gateway->http, err);
}

/* What the loop needs whatever happens next, so that a start that fails can stop in order. */
static void start_floor(struct gateway *gateway)
{
    turn_start(gateway);
    start_signals(gateway);
    desk_start(gateway);
    upkeep_start(gateway);
}

static int start_parts(struct gateway *gateway, struct err *err)
{
    int code = init_sms(gateway, err);
    if (code == ERR_OK)
        code = init_mqtt(gateway, err);
    if (code == ERR_OK)
        code = init_sync(gateway, err);
    if (code != ERR_OK)
        return code;
    desk_init(gateway);
    mqtt_start(gateway->mqtt);
    sync_start(gateway->sync);
    code = sms_start(gateway->sms, err);
    return code == ERR_OK ? start_http(gateway, err) : code;
}

static void release(struct gateway *gateway)
{
    mqtt_fini(gateway->mqtt);
    radio_close(gateway->radio);
    sync_free(gateway->sync);
    replica_close(gateway->replica);
    seal_close(gateway->seal);
    int busy = uv_loop_close(&gateway->loop);
    assert(busy == 0);
    (void)busy;
}

static int run_parts(struct gateway *gateway, struct err *err)
{
    start_floor(gateway);
    int code = start_parts(gateway, err);
    if (code == ERR_OK) {
        upkeep_tell("READY=1");
        log_info("gateway.ready", "station=%s version=%s", gateway->config->station.id,
                 TOUYAN_VERSION);
    } else {
        begin_stop(gateway);
    }
    uv_run(&gateway->loop, UV_RUN_DEFAULT);
    log_info("gateway.stopped", "station=%s", gateway->config->station.id);
    return code;
}

int gateway_run(const struct gateway_options *options, struct err *err)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL || uv_loop_init(&gateway->loop) != 0) {
        free(gateway);
        return err_set(err, ERR_NOMEM, "the loop did not start");
    }
    gateway->options = options;
    gateway->config = options->config;
    gateway->clock = clock_mend(&gateway->mended, &options->clock);
    gateway->rnd = rnd_system();
    int code = open_replica(gateway, err);
    if (code == ERR_OK)
        code = run_parts(gateway, err);
    release(gateway);
    free(gateway);
    return code;
}
