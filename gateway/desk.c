/* The duty desk: what comes in by SMS and from the gates goes to gateway/duty/, what the duty says
 * goes to the outbox. All of it is rows of the same turn, so a message and its cause are committed
 * together.
 *
 * The duty is looked at again in every turn in which something came in, when its next due time has
 * come, and when the wall clock went back. */
#include "gateway/parts.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "mqtt/commands.h"
#include "mqtt/flow.h"
#include "sms/outbox.h"

enum { LOOK_MS = 1000, LOOK_FAST_MS = 20, CLOCK_BACK_MS = 1000, ROWS_MS = 250 };

/* A text that can never go out, because its phone or its words are not sound: a person has to. */
static void put_on_desk(struct gateway *gateway, const struct duty_message *message)
{
    char id[LIMIT_ID_BYTES + 1];
    log_error("desk.not_queued", "idem=%s text=%s", message->idem, message->text_id);
    replica_new_id(gateway->replica, id);
    replica_run(gateway->replica,
                "INSERT INTO desk_item(id, at, kind, phone, ref_id, body)"
                " VALUES (?1, ?2, ?3, ?4, ?5, seal(?6))",
                "sissss", id, clock_wall_ms(&gateway->clock),
                message->prio == DUTY_PRIO_PANIC ? "alarm" : "call", message->phone,
                message->ref_id, message->text);
}

/* What somebody waits for, or has to act on today. */
static bool is_for_any_hour(const struct duty_message *message)
{
    static const char *const kinds[] = {"answer",     "gap",          "offer",
                                        "alarm_news", "alarm_bundle", "plan"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_equal(message->ref_kind, kinds[i]))
            return true;
    return false;
}

static void port_send(void *ctx, const struct duty_message *message)
{
    struct gateway *gateway = ctx;
    if (radio_take_message(gateway, message) || message->air_only)
        return;
    struct outbox_message out = {.idem = message->idem,
                                 .phone = message->phone,
                                 .text = message->text,
                                 .prio = message->prio,
                                 .not_before_ms = message->not_before_ms,
                                 .not_after_ms = message->not_after_ms,
                                 .ref_kind = message->ref_kind,
                                 .ref_id = message->ref_id,
                                 .text_id = message->text_id,
                                 .any_hour = is_for_any_hour(message),
                                 .may_repeat = text_equal(message->ref_kind, "answer")};
    char id[LIMIT_ID_BYTES + 1];
    if (outbox_put(sms_outbox(gateway->sms), &out, id) != ERR_OK)
        put_on_desk(gateway, message);
}

static int port_cancel(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                       const char *reason)
{
    struct gateway *gateway = ctx;
    radio_cancel(gateway->radio, ref_kind, ref_id, phone);
    return outbox_cancel(sms_outbox(gateway->sms), ref_kind, ref_id, phone, reason);
}

static void port_cancel_phone(void *ctx, const char *phone, const char *reason)
{
    struct gateway *gateway = ctx;
    outbox_cancel_phone(sms_outbox(gateway->sms), phone, reason);
}

static void port_erase_phone(void *ctx, const char *phone)
{
    struct gateway *gateway = ctx;
    sms_erase_phone(gateway->sms, phone);
}

static void port_forget_phone(void *ctx, const char *phone)
{
    struct gateway *gateway = ctx;
    sms_forget_phone(gateway->sms, phone);
}

static int port_reach(void *ctx, int prio, int64_t until_ms)
{
    struct gateway *gateway = ctx;
    return outbox_reach(sms_outbox(gateway->sms), prio, until_ms);
}

static void port_call(void *ctx, const struct duty_call *call)
{
    struct gateway *gateway = ctx;
    struct calls_order order = {.idem = call->idem,
                                .phone = call->phone,
                                .ref_kind = call->ref_kind,
                                .ref_id = call->ref_id,
                                .ring_ms = call->ring_ms,
                                .not_after_ms = call->not_after_ms};
    calls_put(sms_calls(gateway->sms), &order);
}

static void port_cancel_calls(void *ctx, const char *ref_kind, const char *ref_id,
                              const char *phone, bool ringing)
{
    struct gateway *gateway = ctx;
    calls_cancel(sms_calls(gateway->sms), ref_kind, ref_id, phone, ringing);
}

static struct duty_policy policy_of(const struct config_duty *config)
{
    struct duty_policy policy = duty_policy_default();
    policy.evening_at = config->reminder_evening;
    policy.morning_before = config->reminder_morning_min;
    policy.morning_earliest = config->reminder_earliest;
    policy.quiet_from = config->quiet_from;
    policy.quiet_to = config->quiet_to;
    policy.standin_until = config->standin_until;
    for (int i = 0; i < config->no_show_min.count && i < DUTY_LEVELS; i++)
        policy.no_show[i] = config->no_show_min.at[i];
    policy.panic_count = 0;
    for (int i = 0; i < config->panic_min.count && i < DUTY_PANIC_REPEATS_MAX; i++)
        policy.panic[policy.panic_count++] = config->panic_min.at[i];
    policy.panic_room = config->panic_room_min;
    policy.panic_ring_s = config->panic_ring_s;
    policy.drill_weekday = config->drill_weekday;
    policy.drill_at = config->drill_at;
    policy.watch_at[0] = config->watch_morning;
    policy.watch_at[1] = config->watch_afternoon;
    policy.digest_at = config->digest_at;
    policy.keep_days[DUTY_KEEP_STRANGERS] = config->keep_strangers_days;
    policy.keep_days[DUTY_KEEP_TEXTS] = config->keep_texts_days;
    policy.keep_days[DUTY_KEEP_ALARMS] = config->keep_alarms_days;
    return policy;
}

struct pace_limits desk_limits(const struct config *config)
{
    return (struct pace_limits){
        .recipient_day = config->duty.recipient_day,
        .same_text_ms = (int64_t)config->duty.same_text_min * CALTIME_MINUTE_MS,
        .quiet_from = config->duty.quiet_from,
        .quiet_to = config->duty.quiet_to,
    };
}

void desk_init(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    struct duty_options options = {
        .station_id = config->station.id,
        .station_name = config->station.name,
        .signature = config->station.signature,
        .lang = config->station.lang == CONFIG_LANG_EN ? "en" : "zh-CN",
        .country = config->station.country,
        .area_code = config->station.area_code,
        .policy = policy_of(&config->duty),
    };
    struct duty_ports ports = {gateway,           port_send,        port_cancel,
                               port_cancel_phone, port_erase_phone, port_forget_phone,
                               port_reach,        port_call,        port_cancel_calls};
    duty_init(&gateway->duty, gateway->replica, &gateway->rnd, &options, &ports);
    gateway->duty_due_ms = 0;
}

void desk_reload(struct gateway *gateway)
{
    struct duty_policy policy = policy_of(&gateway->config->duty);
    struct pace_limits limits = desk_limits(gateway->config);
    duty_set_policy(&gateway->duty, &policy);
    sms_set_limits(gateway->sms, &limits);
    desk_look(gateway);
}

void desk_look(struct gateway *gateway)
{
    gateway->duty_look = true;
}

void desk_look_soon(struct gateway *gateway)
{
    gateway->duty_rows = true;
}

void desk_on_text(void *ctx, const struct inbox_text *text)
{
    struct gateway *gateway = ctx;
    struct duty_text_in in = {.id = text->id,
                              .phone = text->phone,
                              .number = text->number,
                              .body = text->body,
                              .sent_at_ms = text->sent_at_ms,
                              .heard_at_ms = text->heard_at_ms,
                              .can_answer = text->can_answer};
    duty_on_text(&gateway->duty, &in);
    desk_look(gateway);
}

void desk_on_event(void *ctx, const struct mqtt_event *event)
{
    struct gateway *gateway = ctx;
    struct duty_event in = {.id = event->id,
                            .device_id = event->device_id,
                            .kind = mqtt_kind_name(event->kind),
                            .subject = event->subject[0] != '\0' ? event->subject : NULL,
                            .device_at_ms = event->device_at_ms,
                            .heard_at_ms = event->heard_at_ms,
                            .fresh = event->fresh || event->alarm};
    duty_on_event(&gateway->duty, &in);
    desk_look(gateway);
}

void desk_on_time(void *ctx, const char *modem, int64_t utc_ms)
{
    struct gateway *gateway = ctx;
    if (!clock_tell(&gateway->mended, utc_ms))
        return;
    log_warn("clock.told", "this machine's clock is wrong; time from the network of modem=%s",
             modem);
    desk_look(gateway);
    sms_wake(gateway->sms);
}

static void look(struct gateway *gateway)
{
    int64_t now = clock_wall_ms(&gateway->clock);
    bool due = now >= gateway->duty_due_ms || now < gateway->duty_seen_ms - CLOCK_BACK_MS;
    gateway->duty_seen_ms = now;
    int64_t mono = clock_mono_ms(&gateway->clock);
    due = due || (gateway->duty_rows && mono - gateway->duty_rows_mono_ms >= ROWS_MS);
    if ((!gateway->duty_look && !due) || gateway->sms == NULL ||
        replica_failing(gateway->replica) != NULL)
        return;
    gateway->duty_look = gateway->duty_rows = false;
    gateway->duty_rows_mono_ms = mono;
    replica_enter(gateway->replica);
    int64_t next = duty_tick(&gateway->duty);
    bool stands = replica_leave(gateway->replica, true);
    gateway->duty_due_ms = stands ? next : now + LOOK_MS;
    if (!stands)
        log_error("desk.tick_failed", "%s", replica_problem(gateway->replica));
}

void desk_before_commit(struct gateway *gateway)
{
    look(gateway);
    radio_before_commit(gateway);
}

int desk_send(void *ctx, const char *number, const char *text, char ret_id[LIMIT_ID_BYTES + 1],
              struct err *err)
{
    struct gateway *gateway = ctx;
    char normal[LIMIT_PHONE_DIGITS + 4];
    char phone[LIMIT_SEALED_PHONE_BYTES];
    char idem[LIMIT_ID_BYTES + 8] = "hand:";
    if (!text_normalise_phone(number, gateway->config->station.country, normal, sizeof normal))
        return err_set(err, ERR_INVALID, "\"%.24s\" is no telephone number", number);
    if (!replica_get_text(gateway->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s",
                          normal))
        return err_set(err, ERR_IO, "%s", replica_problem(gateway->replica));
    replica_new_id(gateway->replica, idem + strlen(idem));
    struct outbox_message message = {.idem = idem,
                                     .phone = phone,
                                     .text = text,
                                     .prio = DUTY_PRIO_DUTY,
                                     .ref_kind = "hand",
                                     .any_hour = true,
                                     .may_repeat = true};
    int code = outbox_put(sms_outbox(gateway->sms), &message, ret_id);
    if (code != ERR_OK)
        return err_set(err, code, "the text must be 1 to %d characters of valid UTF-8",
                       LIMIT_SMS_UNITS);
    return ERR_OK;
}

void desk_on_call(void *ctx, const struct calls_end *end)
{
    struct gateway *gateway = ctx;
    struct duty_call_end call = {end->phone, end->ref_kind, end->ref_id,
                                 end->outcome == CALL_ANSWERED};
    duty_on_call(&gateway->duty, &call);
    desk_look(gateway);
}

void desk_on_ring(void *ctx, const char *id, const char *phone, const char *number)
{
    struct gateway *gateway = ctx;
    struct duty_ring ring = {id, phone, clock_wall_ms(&gateway->clock)};
    (void)number;
    duty_on_ring(&gateway->duty, &ring);
    desk_look(gateway);
}

/* How many of each kind ran out while no modem worked. */
static int describe_unsent(struct gateway *gateway, int64_t since, char *ret, size_t size)
{
    static const char *const names[2][SMS_PRIO_COUNT] = {{"报警", "急事", "提醒", "群发"},
                                                         {"alarm", "urgent", "reminder", "mass"}};
    bool english = gateway->config->station.lang == CONFIG_LANG_EN;
    int sum = 0;
    size_t used = 0;
    struct query *query = replica_query(
        gateway->replica, "SELECT prio, count(DISTINCT message_seq) FROM outbox_part"
                          " WHERE state = 'expired' AND ended_at >= ?1 GROUP BY prio");
    query_int(query, 1, since);
    ret[0] = '\0';
    while (query_row(query) && used < size) {
        int64_t prio = query_get_int(query, 0);
        int count = (int)query_get_int(query, 1);
        used += (size_t)snprintf(ret + used, size - used, "%s%s %d", used > 0 ? ", " : "",
                                 names[english][prio], count);
        sum += count;
    }
    query_done(query);
    return sum;
}

/* What still has its time has gone out by itself; what ran out meanwhile a person has to know. */
void desk_on_outage(void *ctx, int64_t since, int64_t until)
{
    struct gateway *gateway = ctx;
    char list[128], from[CALTIME_CLOCK_SIZE], to[CALTIME_CLOCK_SIZE], body[384];
    char id[LIMIT_ID_BYTES + 1];
    int unsent = describe_unsent(gateway, since, list, sizeof list);
    int64_t alarms = replica_get_int(
        gateway->replica, 0, "SELECT count(*) FROM alarm WHERE state IN ('open', 'acked')", "");
    log_warn("desk.outage", "minutes=%lld unsent=%d alarms=%lld",
             (long long)((until - since) / CALTIME_MINUTE_MS), unsent, (long long)alarms);
    if (unsent == 0 && alarms == 0)
        return;
    caltime_format_clock(since, from);
    caltime_format_clock(until, to);
    bool english = gateway->config->station.lang == CONFIG_LANG_EN;
    snprintf(body, sizeof body,
             english ? "No modem from %s to %s. Not sent: %d (%s). Open alarms: %lld"
                     : "%s至%s短信不通，过期未发%d条（%s），未解除的报警%lld起",
             from, to, unsent, list, (long long)alarms);
    replica_new_id(gateway->replica, id);
    replica_run(gateway->replica,
                "INSERT INTO desk_item(id, at, kind, body) VALUES (?1, ?2, 'unsent', seal(?3))",
                "sis", id, until, body);
    desk_look(gateway);
}

int desk_command(void *ctx, const struct json *body, char ret_id[LIMIT_ID_BYTES + 1],
                 struct err *err)
{
    struct gateway *gateway = ctx;
    struct command_wish wish = {.device_id = json_text(body, "device", NULL),
                                .name = json_text(body, "name", NULL),
                                .args = json_get(body, "args"),
                                .idem = json_text(body, "idem", NULL)};
    if (wish.device_id == NULL || wish.name == NULL)
        return err_set(err, ERR_INVALID, "the body needs \"device\" and \"name\"");
    return mqtt_command(gateway->mqtt, &wish, ret_id, err);
}

int desk_flow(void *ctx, const struct json *body, struct err *err)
{
    struct gateway *gateway = ctx;
    const char *school = json_text(body, "school", NULL);
    struct flow_limits limits = {(int)json_int(body, "peak", 0), (int)json_int(body, "heavy", 0)};
    if (school == NULL)
        return err_set(err, ERR_INVALID, "the body needs \"school\"");
    bool own = json_get(body, "peak") != NULL || json_get(body, "heavy") != NULL;
    return flow_set_limits(gateway->replica, school, own ? &limits : NULL, err);
}

int desk_simulate(void *ctx, const char *number, const char *text, struct err *err)
{
    struct gateway *gateway = ctx;
    return sms_simulate(gateway->sms, number, text, err);
}

void desk_sync_now(void *ctx)
{
    struct gateway *gateway = ctx;
    sync_retry_now(gateway->sync);
}

int desk_enrol(void *ctx, const char *code, struct err *err)
{
    struct gateway *gateway = ctx;
    return sync_enrol(gateway->sync, code, err);
}

/* Waking the loop is enough: uv_prepare comes before it sleeps again. */
static void on_look(uv_timer_t *timer)
{
    (void)timer;
}

void desk_start(struct gateway *gateway)
{
    uint64_t every = gateway->options->fast_time ? LOOK_FAST_MS : LOOK_MS;
    uv_timer_init(&gateway->loop, &gateway->duty_timer);
    gateway->duty_timer.data = gateway;
    gateway->duty_due_ms = INT64_MAX; /* until desk_init */
    uv_timer_start(&gateway->duty_timer, on_look, every, every);
}

void desk_stop(struct gateway *gateway)
{
    uv_close((uv_handle_t *)&gateway->duty_timer, NULL);
}
