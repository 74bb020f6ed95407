/* What the daemon shows of itself: the answers behind /v1/status, /v1/check, /v1/sync and /v1/idle.
 * Nothing stale is shown as fresh: each part says since when it is so, and what came from the
 * county carries the time of the last progress ("as_of"). */
#include "gateway/parts.h"
#include "mqtt/accounts.h"

#include <stdio.h>

#include "gateway/base/caltime.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"

enum { MODEM_CLOCK_OFF_S = 120, REPAIRS_SHOWN = 20, FLOW_SHOWN = 50, RADIO_SILENT_DAYS = 7 };

static int64_t count(struct gateway *gateway, const char *sql)
{
    return replica_get_int(gateway->replica, 0, sql, "");
}

/* What was done to a modem that did not work, as far as it had to be. */
static struct json *remedies_json(const struct ladder *ladder)
{
    struct json *list = json_new_array();
    for (int i = LADDER_RADIO; i < LADDER_STEPS; i++) {
        struct json *json = json_new_object();
        json_set_text(json, "step", ladder_step_name((enum ladder_step)i));
        json_set_int(json, "count", ladder->steps[i].count);
        json_set_int(json, "last", ladder->steps[i].last_ms);
        json_add(list, json);
    }
    return list;
}

static const char *const clock_words[] = {
    [CLOCK_SYSTEM] = "system", [CLOCK_TOLD] = "network", [CLOCK_WRONG] = "wrong"};

static struct json *modem_json(const struct sms_modem_status *modem)
{
    struct json *json = json_new_object();
    json_set_text(json, "name", modem->name);
    json_set_text(json, "device", modem->device);
    json_set_text(json, "state", modem->state);
    json_set_text(json, "problem", modem->problem);
    json_set_text(json, "model", modem->model);
    json_set_int(json, "since", modem->since_ms);
    json_set_int(json, "csq", modem->csq);
    json_set_int(json, "registration", modem->registration);
    json_set_int(json, "restarts", modem->restarts);
    json_set_int(json, "sent", modem->sent);
    json_set_int(json, "unknown_sends", modem->unknown_sends);
    json_set_text(json, "driver", modem->driver);
    json_set_text(json, "make", modem->make);
    json_set_text(json, "network", modem->network);
    json_set_int(json, "sim_used", modem->sim_used);
    json_set_int(json, "sim_size", modem->sim_size);
    json_set_text(json, "balance", modem->balance);
    json_set_int(json, "balance_at", modem->balance_at_ms);
    json_set_int(json, "clock_off_ms", modem->clock_off_ms);
    json_set_int(json, "clock_at", modem->clock_at_ms);
    json_set_int(json, "ill_since", modem->ladder->ill_since_ms);
    json_set(json, "remedies", remedies_json(modem->ladder));
    return json;
}

static struct json *modems_json(struct gateway *gateway)
{
    struct json *list = json_new_array();
    struct sms_modem_status modem;
    for (size_t i = 0; i < sms_modem_count(gateway->sms); i++)
        if (sms_modem_status(gateway->sms, i, &modem))
            json_add(list, modem_json(&modem));
    return list;
}

static struct json *broker_json(const struct mqtt_status *status)
{
    struct json *json = json_new_object();
    json_set_bool(json, "connected", status->connected);
    json_set_int(json, "since", status->since_ms);
    json_set_text(json, "problem", status->problem);
    json_set_int(json, "messages", status->messages);
    json_set_int(json, "events", status->events);
    json_set_int(json, "duplicates", status->duplicates);
    json_set_int(json, "raw", status->raw);
    json_set_int(json, "acks", status->acks);
    json_set_int(json, "reconnects", status->reconnects);
    json_set_int(json, "over_quota", status->over);
    json_set_int(json, "dropped", status->dropped);
    return json;
}

struct json *view_sync(void *ctx)
{
    struct gateway *gateway = ctx;
    struct sync_status status;
    sync_get_status(gateway->sync, &status);
    struct json *json = json_new_object();
    int64_t age_ms = clock_wall_ms(&gateway->clock) - status.last_progress_ms;
    json_set_int(json, "age_ms", status.last_progress_ms == 0 ? -1 : age_ms < 0 ? 0 : age_ms);
    json_set_int(json, "as_of", status.last_progress_ms);
    json_set_text(json, "link", sync_link_name(status.link));
    json_set_text(json, "phase", status.phase);
    json_set_text(json, "problem", status.problem);
    json_set_int(json, "since", status.since_ms);
    json_set_int(json, "next_in_ms", status.next_in_ms);
    json_set_int(json, "incarnation", status.incarnation);
    json_set_int(json, "pending", status.pending);
    json_set_int(json, "lost_open", status.lost_open);
    json_set_int(json, "quarantined", status.quarantined);
    json_set_int(json, "conflicts", status.conflicts);
    json_set_int(json, "rows_pushed", status.rows_pushed);
    json_set_int(json, "rows_applied", status.rows_applied);
    json_set_int(json, "failures", status.failures);
    json_set_int(json, "time_q", status.time_q);
    json_set_int(json, "clock_off_ms", status.off_ms);
    json_set_int(json, "reincarnations", status.reincarnations);
    json_set_int(json, "reincarnated", status.reincarnated_ms);
    json_set_text(json, "reincarnated_code", status.reincarnated_code);
    json_set_text(json, "reincarnated_why", status.reincarnated_why);
    json_set_int(json, "given_back", status.given_back);
    json_set_bool(json, "caught_up", status.caught_up);
    return json;
}

struct json *view_enrolment(void *ctx)
{
    struct gateway *gateway = ctx;
    struct sync_enrolment enrolment;
    sync_get_enrolment(gateway->sync, &enrolment);
    struct json *json = json_new_object();
    json_set_text(json, "state", enrolment.state);
    json_set_text(json, "station", enrolment.station);
    json_set_text(json, "name", enrolment.name);
    json_set_text(json, "digits", enrolment.digits);
    json_set_text(json, "serial", enrolment.serial);
    json_set_bool(json, "coded", enrolment.coded);
    json_set_int(json, "from", enrolment.from_ms);
    json_set_int(json, "until", enrolment.until_ms);
    json_set_text(json, "problem", enrolment.problem);
    return json;
}

static struct json *radio_json(const struct radio_status *status)
{
    struct json *json = json_new_object();
    json_set_bool(json, "mesh", status->mesh);
    json_set_text(json, "node", status->node);
    json_set_int(json, "nodes", status->nodes);
    json_set_int(json, "strangers", status->strangers);
    json_set_int(json, "heard", status->heard_at_ms);
    json_set_int(json, "queued", status->queued);
    json_set_int(json, "air_permille", status->air_permille);
    json_set_int(json, "text_bytes", (int64_t)status->text_bytes);
    return json;
}

static struct json *queue_json(struct gateway *gateway)
{
    struct query *query = replica_query(
        gateway->replica, "SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state");
    struct json *json = json_new_object();
    while (query_row(query))
        json_set_int(json, query_get_text(query, 0), query_get_int(query, 1));
    query_done(query);
    return json;
}

/* Posts of the running or next peak of today: how many are due, filled, missing. */
static struct json *posts_json(struct gateway *gateway, int64_t now)
{
    struct query *query =
        replica_query(gateway->replica,
                      "WITH near AS (SELECT min(start_at) AS at FROM shift"
                      "  WHERE state = 'published' AND end_at > ?1 AND start_at < ?2)"
                      " SELECT s.peak AS peak, s.start_at AS start_at, count(*) AS assigned,"
                      "  sum(a.state IN ('on_post', 'done')) AS on_post,"
                      "  sum(a.state = 'confirmed') AS confirmed,"
                      "  sum(a.state IN ('declined', 'no_show')) AS absent"
                      " FROM near JOIN shift s ON s.start_at = near.at AND s.state = 'published'"
                      " JOIN assignment a ON a.shift_id = s.id AND a.state <> 'cancelled'"
                      " GROUP BY s.peak, s.start_at");
    query_int(query, 1, now);
    query_int(query, 2, caltime_midnight(now, 1));
    struct json *json = query_row(query) ? query_get_json(query) : json_new_object();
    query_done(query);
    return json;
}

/* Schools at whose gates somebody is; what an officer said counts for its two hours. */
static struct json *flow_json(struct gateway *gateway, int64_t now)
{
    struct query *query = replica_query(
        gateway->replica,
        "SELECT coalesce(nullif(s.short, ''), s.name) AS school, f.people AS people,"
        " CASE WHEN f.manual_until > ?1 THEN f.manual ELSE f.level END AS level,"
        " f.counted_at AS counted_at, f.manual_until > ?1 AS by_hand FROM school_flow f"
        " JOIN school s ON s.id = f.school_id WHERE f.level <> 'flat' OR f.people > 0"
        " OR f.manual_until > ?1 ORDER BY f.people DESC, s.id LIMIT ?2");
    query_int(query, 1, now);
    query_int(query, 2, FLOW_SHOWN);
    return query_list(query);
}

struct json *view_status(void *ctx)
{
    struct gateway *gateway = ctx;
    int64_t now = clock_wall_ms(&gateway->clock);
    struct mqtt_status mqtt = mqtt_status(gateway->mqtt);
    struct json *json = json_new_object();
    json_set_text(json, "station", gateway->config->station.id);
    json_set_text(json, "name", gateway->config->station.name);
    json_set_text(json, "version", TOUYAN_VERSION);
    json_set_int(json, "now", now);
    json_set_text(json, "clock", clock_words[clock_source(&gateway->mended)]);
    json_set_text(json, "failing", replica_failing(gateway->replica));
    json_set_bool(json, "restored", replica_was_restored(gateway->replica));
    json_set_int(json, "backup_at", gateway->backup_done_ms);
    json_set(json, "county", view_sync(gateway));
    json_set(json, "broker", broker_json(&mqtt));
    struct radio_status radio;
    radio_get_status(gateway->radio, &radio);
    json_set(json, "radio", radio_json(&radio));
    json_set(json, "modems", modems_json(gateway));
    json_set(json, "posts", posts_json(gateway, now));
    json_set(json, "sms", queue_json(gateway));
    json_set_int(json, "alarms_open",
                 count(gateway, "SELECT count(*) FROM alarm WHERE state IN ('open', 'acked')"));
    json_set_int(json, "inbox_open",
                 count(gateway, "SELECT count(*) FROM desk_item WHERE state = 'open'"));
    json_set_int(json, "devices",
                 count(gateway, "SELECT count(*) FROM device_list WHERE registered"));
    json_set_int(json, "devices_offline",
                 count(gateway, "SELECT count(*) FROM device_list WHERE state = 'offline'"));
    json_set_int(json, "repairs_open",
                 count(gateway, "SELECT count(*) FROM device_repair WHERE closed_at IS NULL"));
    json_set(json, "flow", flow_json(gateway, now));
    return json;
}

/* Level as Nagios plugins have it: 0 ok, 1 warning, 2 critical, 3 unknown. */
static void find(struct json *list, const char *code, int level, const char *text, int64_t since)
{
    struct json *json = json_new_object();
    json_set_text(json, "code", code);
    json_set_int(json, "level", level);
    json_set_text(json, "text", text);
    json_set_int(json, "since", since);
    json_add(list, json);
}

/* "radio 2, reset 1" */
static void describe_remedies(const struct ladder *ladder, char *ret, size_t size)
{
    size_t used = 0;
    ret[0] = '\0';
    for (int i = LADDER_RADIO; i < LADDER_STEPS && used < size; i++)
        if (ladder->steps[i].count > 0)
            used += (size_t)snprintf(ret + used, size - used, "%s%s %lld", used > 0 ? ", " : "",
                                     ladder_step_name((enum ladder_step)i),
                                     (long long)ladder->steps[i].count);
}

/* What a modem that works says of its SIM and its network. */
static void check_sim(const struct sms_modem_status *modem, struct json *list)
{
    char text[96];
    if (modem->sim_used * 2 > modem->sim_size) {
        snprintf(text, sizeof text, "%s: %d/%d", modem->name, modem->sim_used, modem->sim_size);
        find(list, "sim_memory", 1, text, 0);
    }
    if (modem->balance_is_low)
        find(list, "balance", 1, modem->balance, modem->balance_at_ms);
    int64_t off_s = modem->clock_off_ms / 1000;
    if (modem->clock_at_ms > 0 && (off_s > MODEM_CLOCK_OFF_S || off_s < -MODEM_CLOCK_OFF_S)) {
        snprintf(text, sizeof text, "%+lld s", (long long)off_s);
        find(list, "network_time", 1, text, modem->clock_at_ms);
    }
}

/* Also of a modem that does not work at all: that is when somebody asks. */
static void check_remedies(const struct sms_modem_status *modem, struct json *list)
{
    char text[96];
    if (modem->ladder->ill_since_ms == 0)
        return;
    describe_remedies(modem->ladder, text, sizeof text);
    find(list, "remedies", 1, text, modem->ladder->ill_since_ms);
}

static void check_network(const struct sms_modem_status *modem, struct json *list)
{
    bool on_network = modem->registration == 1 || modem->registration == 5;
    int level = on_network ? 0 : modem->registration < 0 ? 3 : 2;
    find(list, "registration", level, "", modem->since_ms);
    find(list, "signal", modem->csq == 99 ? 3 : modem->csq < 8 ? 1 : 0, "", modem->since_ms);
    check_sim(modem, list);
}

static void check_modem(const struct sms_modem_status *modem, bool at_wanted, struct json *list)
{
    bool works = text_equal(modem->state, "ready") || text_equal(modem->state, "sending");
    find(list, "modem", works ? 0 : 2, works ? modem->model : modem->problem, modem->since_ms);
    json_set_text(json_at(list, json_count(list) - 1), "device", modem->device);
    check_remedies(modem, list);
    if (!works)
        return;
    check_network(modem, list);
    if (at_wanted && !text_equal(modem->driver, "at"))
        find(list, "modem_driver", 1, modem->model, 0);
}

/* A station has a modem, a bureau's box none: it tells nobody. */
static void check_modems(struct gateway *gateway, struct json *list)
{
    struct sms_modem_status modem;
    for (size_t i = 0; i < sms_modem_count(gateway->sms); i++)
        if (sms_modem_status(gateway->sms, i, &modem))
            check_modem(&modem, gateway->config->modems[i].driver == CONFIG_DRIVER_AT, list);
    bool bureau = duty_stands_back(&gateway->duty), modems = sms_modem_count(gateway->sms) > 0;
    if (bureau && modems)
        find(list, "bureau_modem", 1, "", 0);
    else if (!bureau && !modems)
        find(list, "no_modem", 2, "", 0);
}

static void check_enrolment(struct gateway *gateway, struct json *list)
{
    struct sync_enrolment e;
    sync_get_enrolment(gateway->sync, &e);
    if (text_equal(e.state, "off"))
        return;
    bool good = text_equal(e.state, "good") && e.problem[0] == '\0';
    const char *text = good ? e.name : e.problem[0] != '\0' ? e.problem : e.digits;
    find(list, "enrolment", good ? 0 : text_equal(e.state, "expired") ? 2 : 1, text, 0);
}

static void check_county(struct gateway *gateway, struct json *list)
{
    struct sync_status status;
    sync_get_status(gateway->sync, &status);
    int level = status.link == SYNC_LINK_UP ? 0 : status.link == SYNC_LINK_HELD ? 2 : 1;
    bool came = status.last_progress_ms > 0;
    if (status.link != SYNC_LINK_OFF)
        find(list, "county", level, status.problem,
             level > 0 && came ? status.last_progress_ms : status.since_ms);
    if (status.quarantined > 0)
        find(list, "quarantine", 1, "", 0);
    if (status.time_q == 1)
        find(list, "clock", 1, "", 0);
    int64_t week_ago = clock_wall_ms(&gateway->clock) - 7 * (int64_t)CALTIME_DAY_MS;
    bool rewound = text_equal(status.reincarnated_code, "rewind");
    if (status.reincarnations > 0 && status.reincarnated_ms > week_ago)
        find(list, rewound ? "county_restored" : "identity", rewound ? 0 : 1,
             status.reincarnated_why, status.reincarnated_ms);
}

/* A machine whose battery is empty. */
static void check_clock(struct gateway *gateway, struct json *list)
{
    enum clock_source source = clock_source(&gateway->mended);
    if (source != CLOCK_SYSTEM)
        find(list, "wall_clock", source == CLOCK_TOLD ? 1 : 2, clock_words[source], 0);
}

static void check_store(struct gateway *gateway, struct json *list, int64_t now)
{
    const char *failing = replica_failing(gateway->replica);
    find(list, "database", failing != NULL ? 2 : 0, failing, 0);
    bool backups = gateway->config->replica.backup_dir[0] != '\0';
    bool stale = now - gateway->backup_done_ms > 2 * (int64_t)CALTIME_DAY_MS;
    find(list, "backup", backups && !stale ? 0 : 1, "", gateway->backup_done_ms);
    int64_t stuck = replica_get_int(gateway->replica, 0,
                                    "SELECT count(*) FROM outbox_part WHERE state = 'queued'"
                                    " AND due_at < ?1",
                                    "i", now - 10 * (int64_t)CALTIME_MINUTE_MS);
    find(list, "sms_queue", stuck > 0 ? 1 : 0, "", 0);
    int64_t paused = outbox_paused_since(sms_outbox(gateway->sms));
    if (paused > 0)
        find(list, "sms_paused", 1, "", paused);
    if (count(gateway, "SELECT count(*) FROM outbox o JOIN alarm a ON a.id = o.ref_id"
                       " WHERE o.state IN ('failed', 'expired') AND o.prio = 0"
                       " AND a.state = 'open'") > 0)
        find(list, "alarm_unsent", 2, "", 0);
}

/* One finding a cause; the broker has a finding of its own. */
static void check_repairs(struct gateway *gateway, struct json *list)
{
    struct query *query = replica_query(
        gateway->replica,
        "SELECT 'repair_' || r.cause, coalesce(nullif(s.short, ''), s.name, d.name, r.subject)"
        " || CASE WHEN r.devices > 1 THEN ' (' || r.devices || ')' ELSE '' END, r.since"
        " FROM device_repair r LEFT JOIN school s ON s.id = r.subject"
        " LEFT JOIN device d ON d.id = r.subject WHERE r.closed_at IS NULL"
        " AND r.cause <> 'broker' ORDER BY r.devices DESC, r.since LIMIT ?1");
    query_int(query, 1, REPAIRS_SHOWN);
    while (query_row(query))
        find(list, query_get_text(query, 0), 1, query_get_text(query, 1), query_get_int(query, 2));
    query_done(query);
}

/* Nothing is said of radios where there are none. */
static void check_radio(struct gateway *gateway, struct json *list)
{
    struct radio_status radio;
    radio_get_status(gateway->radio, &radio);
    int64_t share = (int64_t)gateway->config->radio.air_percent * 10;
    if (radio.unconfirmed_alarms > 0)
        find(list, "radio_unconfirmed", 1, "", 0);
    if (radio.nodes > 0 && radio.air_permille * 2 >= share)
        find(list, "radio_air", 1, "", 0);
    if (radio.nodes > 0 && radio.heard_at_ms < clock_wall_ms(&gateway->clock) -
                                                   RADIO_SILENT_DAYS * (int64_t)CALTIME_DAY_MS)
        find(list, "radio_silent", 1, "", radio.heard_at_ms);
}

struct json *view_check(void *ctx)
{
    struct gateway *gateway = ctx;
    struct json *list = json_new_array();
    struct mqtt_status mqtt = mqtt_status(gateway->mqtt);
    check_store(gateway, list, clock_wall_ms(&gateway->clock));
    check_clock(gateway, list);
    check_modems(gateway, list);
    find(list, "broker", mqtt.connected ? 0 : 2, mqtt.problem, mqtt.since_ms);
    if (mqtt.dropped > 0) {
        char dropped[24];
        snprintf(dropped, sizeof dropped, "%lld", (long long)mqtt.dropped);
        find(list, "broker_dropped", 1, dropped, 0);
    }
    if (mqtt_rule_problems(gateway->mqtt)[0] != '\0')
        find(list, "device_rules", 1, mqtt_rule_problems(gateway->mqtt), 0);
    check_county(gateway, list);
    check_enrolment(gateway, list);
    if (count(gateway, "SELECT (SELECT count(*) FROM duty_again) +"
                       " (SELECT count(*) FROM inbox WHERE state = 'unhandled')") > 0)
        find(list, "unhandled", 2, "", 0);
    check_radio(gateway, list);
    check_repairs(gateway, list);
    struct json *json = json_new_object();
    json_set(json, "findings", list);
    return json;
}

static bool sync_idle(struct gateway *gateway)
{
    struct sync_status status;
    sync_get_status(gateway->sync, &status);
    return status.link != SYNC_LINK_UP || (!status.busy && status.pending == 0);
}

static bool mqtt_idle(struct gateway *gateway)
{
    return !mqtt_status(gateway->mqtt).connected ||
           count(gateway, "SELECT count(*) FROM mqtt_out") == 0;
}

struct json *view_idle(void *ctx)
{
    struct gateway *gateway = ctx;
    int64_t now = clock_wall_ms(&gateway->clock);
    int64_t sms_due = sms_next_due_ms(gateway->sms);
    int64_t radio_due = radio_next_due_ms(gateway->radio);
    bool idle = now < radio_due && !gateway->roster.running && !gateway->duty_look &&
                !gateway->duty_rows && now < gateway->duty_due_ms && sms_idle(gateway->sms) &&
                mqtt_idle(gateway) && sync_idle(gateway);
    struct json *json = json_new_object();
    json_set_bool(json, "idle", idle);
    int64_t due = sms_due < gateway->duty_due_ms ? sms_due : gateway->duty_due_ms;
    json_set_int(json, "next_due_ms", radio_due < due ? radio_due : due);
    return json;
}

/* --- accounts of the devices at the broker --- */

enum { ACCOUNTS_BYTES = 4194304 };

static struct json *account_list(struct gateway *gateway)
{
    struct json *list = json_new_array();
    struct query *query = replica_query(
        gateway->replica, "SELECT k.device_id, coalesce(d.product, ''), unseal(k.password),"
                          " k.mac_key IS NOT NULL, k.made_at FROM device_key k"
                          " LEFT JOIN device d ON d.id = k.device_id ORDER BY k.device_id");
    while (query_row(query)) {
        struct json *json = json_new_object();
        json_set_text(json, "user", query_get_text(query, 0));
        json_set_text(json, "product", query_get_text(query, 1));
        json_set_text(json, "password", query_get_text(query, 2));
        json_set_bool(json, "signs", query_get_int(query, 3) != 0);
        json_set_int(json, "made_at", query_get_int(query, 4));
        json_add(list, json);
    }
    query_done(query);
    return list;
}

int view_accounts(void *ctx, const char *device_id, struct json **ret, struct err *err)
{
    struct gateway *gateway = ctx;
    char key[LIMIT_NAME_BYTES] = "";
    struct buf passwords, acl;
    const struct mapping *rules = mqtt_rules(gateway->mqtt);
    accounts_update(gateway->replica, rules, clock_wall_ms(&gateway->clock));
    if (device_id != NULL && !accounts_sign(gateway->replica, device_id, key, sizeof key))
        return err_set(err, ERR_NOT_FOUND, "device %.64s has no account", device_id);
    buf_init(&passwords, ACCOUNTS_BYTES);
    buf_init(&acl, ACCOUNTS_BYTES);
    int code = accounts_write_passwords(gateway->replica, &passwords) &&
                       accounts_write_acl(gateway->replica, rules, &acl)
                   ? ERR_OK
                   : err_set(err, ERR_LIMIT, "the files are too long");
    if (code == ERR_OK) {
        struct json *json = json_new_object();
        json_set_text(json, "passwd", buf_text(&passwords));
        json_set_text(json, "acl", buf_text(&acl));
        json_set(json, "accounts", account_list(gateway));
        if (device_id != NULL)
            json_set_text(json, "key", key);
        *ret = json;
    }
    buf_free(&passwords);
    buf_free(&acl);
    return code;
}
