/* Missing numbers; see gaps.h. The last number is in memory and written with the device's state
 * once a second. After a crash it is up to a second behind, so the first jump is not taken at its
 * word: when the events of that second are as many as the numbers jumped over, nothing is missing.
 */
#include "mqtt/gaps.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { WAIT_MS = 5000, AWAY_MS = 60000, TRIES = 3, KEEP_DAYS = 30, SLICE = 20, IDEM_BYTES = 160 };

static const int64_t pauses_ms[TRIES] = {60000, 600000, 0};

/* --- noticing --- */

/* A number below the last: it fills its place in a gap, if it has one. */
static void fill(struct replica *replica, const struct device *device, int64_t seq)
{
    int64_t from = replica_get_int(replica, -1,
                                   "SELECT seq_from FROM device_gap WHERE device_id = ?1"
                                   " AND boot = ?2 AND seq_from <= ?3 AND seq_to >= ?3",
                                   "ssi", device->id, device->boot, seq);
    if (from < 0)
        return;
    /* the part behind it becomes a gap of its own */
    replica_run(replica,
                "INSERT INTO device_gap SELECT device_id, boot, ?4, seq_to, at_from, at_to,"
                " noticed_at, tries, next_at FROM device_gap WHERE device_id = ?1 AND boot = ?2"
                " AND seq_from = ?3 AND seq_to > ?4 - 1 ON CONFLICT DO NOTHING",
                "ssii", device->id, device->boot, from, seq + 1);
    replica_run(replica,
                "UPDATE device_gap SET seq_to = ?4 - 1 WHERE device_id = ?1 AND boot = ?2"
                " AND seq_from = ?3",
                "ssii", device->id, device->boot, from, seq);
    replica_run(replica,
                "DELETE FROM device_gap WHERE device_id = ?1 AND boot = ?2 AND seq_to < seq_from",
                "ss", device->id, device->boot);
}

/* Events since the state was last written; their ids begin with the device's. */
static int64_t events_since(struct replica *replica, const struct device *device)
{
    char from[LIMIT_DEVICE_ID_BYTES + 2], to[LIMIT_DEVICE_ID_BYTES + 2];
    snprintf(from, sizeof from, "%s:", device->id);
    snprintf(to, sizeof to, "%s;", device->id);
    return replica_get_int(replica, 0,
                           "SELECT count(*) FROM device_event WHERE id > ?1 AND id < ?2"
                           " AND heard_at >= ?3 AND kind NOT LIKE 'presence%'",
                           "ssi", from, to, device->loaded_heard_ms);
}

static void open_gap(struct replica *replica, const struct device *device,
                     const struct mapped *mapped, int64_t now_ms)
{
    int64_t from = device->seq + 1, to = mapped->seq - 1;
    if (device->just_loaded && events_since(replica, device) >= to - from + 1)
        return;
    if (replica_get_int(replica, 0, "SELECT count(*) FROM device_gap WHERE device_id = ?1", "s",
                        device->id) >= GAPS_OF_A_DEVICE)
        return;
    replica_run(replica,
                "INSERT INTO device_gap(device_id, boot, seq_from, seq_to, at_from, at_to,"
                " noticed_at, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                " ON CONFLICT DO NOTHING",
                "ssiiiiii", device->id, device->boot, from, to, device->seq_at_ms,
                mapped->device_at_ms, now_ms, now_ms + WAIT_MS);
    log_warn("mqtt.gap", "device=%s boot=%s from=%lld to=%lld", device->id, device->boot,
             (long long)from, (long long)to);
}

void gaps_note(struct replica *replica, struct device *device, const struct mapped *mapped,
               int64_t now_ms)
{
    if (mapped->seq < 0)
        return;
    bool same = device->seq >= 0 && strcmp(device->boot, mapped->boot) == 0;
    int64_t jump = mapped->seq - device->seq;
    if (same && jump <= 0 && jump > -GAPS_NUMBERS_MAX) {
        fill(replica, device, mapped->seq);
        return;
    }
    if (same && jump > 1 && jump <= GAPS_NUMBERS_MAX)
        open_gap(replica, device, mapped, now_ms);
    text_copy(device->boot, sizeof device->boot, mapped->boot);
    device->seq = mapped->seq;
    device->seq_at_ms = mapped->device_at_ms;
    device->just_loaded = false;
    device->dirty = true;
}

/* --- asking --- */

struct gap {
    char device_id[LIMIT_DEVICE_ID_BYTES + 1];
    char boot[MAPPING_SEQ_BYTES + 1];
    int64_t from, to, at_from, at_to;
    int tries;
};

static bool next_due(struct replica *replica, int64_t now_ms, struct gap *ret, bool *ret_away)
{
    struct query *query = replica_query(
        replica, "SELECT g.device_id, g.boot, g.seq_from, g.seq_to, g.at_from, g.at_to, g.tries,"
                 " coalesce(s.state, '') = 'offline' FROM device_gap g"
                 " LEFT JOIN device_state s ON s.device_id = g.device_id"
                 " WHERE g.next_at > 0 AND g.next_at <= ?1 ORDER BY g.next_at LIMIT 1");
    query_int(query, 1, now_ms);
    bool found = query_row(query);
    if (found) {
        text_copy(ret->device_id, sizeof ret->device_id, query_get_text(query, 0));
        text_copy(ret->boot, sizeof ret->boot, query_get_text(query, 1));
        ret->from = query_get_int(query, 2);
        ret->to = query_get_int(query, 3);
        ret->at_from = query_get_int(query, 4);
        ret->at_to = query_get_int(query, 5);
        ret->tries = (int)query_get_int(query, 6);
        *ret_away = query_get_int(query, 7) != 0;
    }
    query_done(query);
    return found;
}

static void set_int(struct json *json, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    json_set_text(json, key, text);
}

static void set_time(struct json *json, const char *key, int64_t at_ms)
{
    char text[24];
    struct caltime t = caltime_local(at_ms);
    snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day, t.hour,
             t.minute, t.second);
    json_set_text(json, key, text);
}

/* When to ask again; 0: never. */
static int64_t ask(struct commands *commands, const struct gap *gap, int64_t now_ms)
{
    char idem[IDEM_BYTES], id[LIMIT_ID_BYTES + 1];
    struct err err = {0};
    struct json *args = json_new_object();
    json_set_text(args, "boot", gap->boot);
    set_int(args, "from", gap->from);
    set_int(args, "to", gap->to);
    if (gap->at_from > 0 && gap->at_to > 0) { /* a product that asks by time cannot be asked else */
        set_time(args, "from_local", gap->at_from);
        set_time(args, "to_local", gap->at_to);
    }
    snprintf(idem, sizeof idem, "gap:%s:%s:%lld:%d", gap->device_id, gap->boot,
             (long long)gap->from, gap->tries);
    const struct command_wish wish = {.device_id = gap->device_id,
                                      .name = "resend",
                                      .args = args,
                                      .idem = idem,
                                      .by_program = true};
    int code = commands_ask(commands, &wish, id, &err);
    json_free(args);
    if (code != ERR_OK)
        log_info("mqtt.gap", "device=%s not asked: %s", gap->device_id, err.text);
    bool again = code == ERR_OK && pauses_ms[gap->tries] > 0;
    return again ? now_ms + pauses_ms[gap->tries] : 0;
}

void gaps_tick(struct commands *commands)
{
    struct replica *replica = commands->replica;
    int64_t now_ms = clock_wall_ms(commands->clock);
    struct gap gap;
    bool away;
    if (!next_due(replica, now_ms, &gap, &away))
        return;
    replica_enter(replica);
    for (int i = 0; i < SLICE && next_due(replica, now_ms, &gap, &away); i++) {
        bool last = gap.tries >= TRIES;
        int64_t next = away ? now_ms + AWAY_MS : last ? 0 : ask(commands, &gap, now_ms);
        replica_run(replica,
                    "UPDATE device_gap SET tries = tries + ?4, next_at = ?5 WHERE device_id = ?1"
                    " AND boot = ?2 AND seq_from = ?3",
                    "ssiii", gap.device_id, gap.boot, gap.from, (int64_t)(!away && !last), next);
    }
    replica_run(replica, "DELETE FROM device_gap WHERE noticed_at < ?1", "i",
                now_ms - KEEP_DAYS * (int64_t)CALTIME_DAY_MS);
    replica_leave(replica, true);
}
