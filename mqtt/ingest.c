/* From a message to an event; see ingest.h.
 *
 * Happy path: the payload is checked and relieved of photos, mapped, and its event inserted with
 * the registry's row of the device in one statement; on_event runs in a savepoint of its own, and
 * the acknowledgement waits for the commit.
 * Failures: what cannot be read, is no event of ours or claims a device that is not registered is
 * kept raw, in its own handler or, when the message's handler was taken back, in a second one. A
 * turn that is lost takes the devices' state in memory with it: it is read again. */
#include "mqtt/ingest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "mqtt/accounts.h"
#include "mqtt/devices.h"
#include "mqtt/gaps.h"
#include "mqtt/judge.h"
#include "mqtt/mapping.h"
#include "mqtt/payload.h"
#include "mqtt/presence.h"

enum {
    CLOCK_JUMP_MS = 10 * 1000, /* between two ticks of a second */
    EVENT_ID_BYTES =
        LIMIT_DEVICE_ID_BYTES + 1 + LIMIT_DEDUPE_BYTES + 40, /* "~", a kind and a time */
    UNDATED_SAME_MS = 3600 * 1000, /* as long as a press counts up the alarm of the one before */
    ACK_BYTES = 2 * LIMIT_TOPIC_BYTES,
    RAW_TRIM_EVERY = 100,
    OVER_SAID_EVERY = 1000,
};

struct ingest {
    struct replica *replica;
    const struct clock *clock;
    char station[LIMIT_STATION_BYTES + 1];
    char rules_dir[LIMIT_PATH_BYTES];
    struct ingest_callbacks callbacks;
    struct mapping *mapping;
    struct devices *devices;
    struct ingest_counts counts;
    struct buf text;         /* the message being handled, NUL-terminated */
    int64_t undated;         /* makes keys of events without one distinct */
    int64_t listening_at_ms; /* see presence.h */
    int64_t tick_wall_ms, tick_mono_ms;
    bool was_connected;
    bool watching_turn;
    int64_t turn;    /* counts those with messages */
    bool reload_due; /* the devices in memory say more than was committed */
};

/* One message on its way through. */
struct work {
    struct ingest *ingest;
    const struct ingest_message *message;
    int64_t heard_at_ms;
    struct mapped mapped;
    int item;              /* of the message, from 0 */
    struct device *device; /* NULL: too many devices */
};

/* --- raw --- */

static void trim_raw(struct ingest *ingest)
{
    if (ingest->counts.raw % RAW_TRIM_EVERY == 0)
        replica_run(ingest->replica,
                    "DELETE FROM mqtt_raw WHERE id <= (SELECT max(id) FROM mqtt_raw) - ?1", "i",
                    (int64_t)LIMIT_RAW_ROWS);
}

/* Inside a handler. */
static void keep_raw(struct work *work, const char *reason)
{
    struct ingest *ingest = work->ingest;
    const struct ingest_message *message = work->message;
    char topic[LIMIT_TOPIC_BYTES + 1];
    struct buf payload;
    buf_init(&payload, LIMIT_RAW_KEPT_BYTES);
    text_copy_utf8(topic, sizeof topic, message->topic, strlen(message->topic));
    payload_blank(message->payload, message->size, &payload);
    replica_run(ingest->replica,
                "INSERT INTO mqtt_raw(heard_at, topic, payload, size, retained, reason) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                "issiis", work->heard_at_ms, topic, buf_text(&payload), (int64_t)message->size,
                (int64_t)message->retained, reason);
    buf_free(&payload);
    trim_raw(ingest);
    ingest->counts.raw++;
    log_info("mqtt.raw", "topic=%s size=%zu reason=\"%s\"", topic, message->size, reason);
}

/* --- a lost turn --- */

static void on_turn_end(void *ctx, int64_t arg, bool committed)
{
    struct ingest *ingest = ctx;
    (void)arg;
    ingest->watching_turn = false;
    if (!committed)
        ingest->reload_due = true;
}

/* Between two messages, because within one a device is held by its address. */
static void catch_up(struct ingest *ingest)
{
    if (ingest->reload_due)
        devices_load(ingest->devices);
    ingest->reload_due = false;
}

/* Once a turn, in a handler of its own, so that no message's failure sets it off. */
static void watch_turn(struct ingest *ingest)
{
    if (ingest->watching_turn)
        return;
    ingest->watching_turn = true;
    ingest->turn++;
    replica_enter(ingest->replica);
    replica_after_commit(ingest->replica, on_turn_end, ingest, 0);
    replica_leave(ingest->replica, true);
}

/* --- acknowledgements --- */

struct ack {
    struct ingest *ingest;
    int qos;
    const char *payload; /* behind the topic's NUL */
    char topic[];
};

static void on_ack_committed(void *ctx, int64_t arg, bool committed)
{
    struct ack *ack = ctx;
    struct ingest *ingest = ack->ingest;
    (void)arg;
    if (committed) {
        ingest->counts.acks++;
        ingest->callbacks.on_ack(ingest->callbacks.ctx, ack->topic, ack->payload, ack->qos);
    }
    free(ack);
}

static void promise_ack(struct work *work)
{
    struct ingest *ingest = work->ingest;
    if (ingest->callbacks.on_ack == NULL || work->mapped.ack_id[0] == '\0')
        return;
    struct buf topic, payload;
    buf_init(&topic, LIMIT_TOPIC_BYTES);
    buf_init(&payload, ACK_BYTES);
    if (mapping_answer(&work->mapped, work->message->topic, &topic, &payload)) {
        struct ack *ack = malloc(sizeof *ack + topic.size + payload.size + 2);
        if (ack == NULL)
            abort();
        ack->ingest = ingest;
        ack->qos = work->mapped.rule->answer_qos;
        memcpy(ack->topic, buf_text(&topic), topic.size + 1);
        ack->payload = ack->topic + topic.size + 1;
        memcpy(ack->topic + topic.size + 1, buf_text(&payload), payload.size + 1);
        replica_after_commit(ingest->replica, on_ack_committed, ack, 0);
    }
    buf_free(&topic);
    buf_free(&payload);
}

/* --- events --- */

static int64_t corrected_time(const struct work *work)
{
    int64_t offset_ms;
    int64_t at_ms = work->mapped.device_at_ms;
    if (at_ms == 0 || work->device == NULL || !device_clock_offset(work->device, &offset_ms))
        return at_ms;
    return at_ms + offset_ms;
}

static void make_id(struct work *work, char ret[EVENT_ID_BYTES + 1])
{
    const struct mapped *mapped = &work->mapped;
    if (mapped->dedupe[0] != '\0')
        snprintf(ret, EVENT_ID_BYTES + 1, "%s:%s", mapped->device_id, mapped->dedupe);
    else if (mapped->flaw != NULL) /* it has a key that cannot be read: the whole stands for it */
        snprintf(ret, EVENT_ID_BYTES + 1, "%s:x%016llx-%d", mapped->device_id,
                 (unsigned long long)payload_hash(work->message->payload, work->message->size),
                 work->item);
    else if (mapped->rule != NULL && mapped->rule->window_s > 0)
        snprintf(ret, EVENT_ID_BYTES + 1, "%s:w%lld-%016llx", mapped->device_id,
                 (long long)(work->heard_at_ms / (mapped->rule->window_s * INT64_C(1000))),
                 (unsigned long long)payload_hash(work->message->payload, work->message->size) +
                     (unsigned long long)work->item);
    else
        snprintf(ret, EVENT_ID_BYTES + 1, "%s:h%lld-%lld", mapped->device_id,
                 (long long)work->heard_at_ms, (long long)work->ingest->undated++);
}

static void call_on_event(struct ingest *ingest, const struct mqtt_event *event)
{
    if (ingest->callbacks.on_event == NULL)
        return;
    replica_enter(ingest->replica);
    ingest->callbacks.on_event(ingest->callbacks.ctx, event);
    if (!replica_leave(ingest->replica, true))
        log_error("mqtt.event", "id=%s kind=%s not handled: %s", event->id,
                  mqtt_kind_name(event->kind), replica_problem(ingest->replica));
}

/* What only changes presence has no rule. */
static const char *work_product(const struct work *work)
{
    return work->mapped.product != NULL ? work->mapped.product->name : work->device->product;
}

enum { STORED, WAS_THERE, REFUSED };
static const char unknown_device[] = "unknown device";

/* The scope of the registered device; false: *ret_reason. Asked once a turn of each device. */
static bool find_device(const struct work *work, char *ret_scope, size_t size,
                        const char **ret_reason)
{
    struct device *device = work->device;
    if (device != NULL && device->registered_turn == work->ingest->turn &&
        strcmp(device->product, work_product(work)) == 0)
        return text_copy(ret_scope, size, device->scope);
    struct query *query =
        replica_query(work->ingest->replica, "SELECT product, scope FROM device WHERE id = ?1");
    query_text(query, 1, work->mapped.device_id);
    *ret_reason = unknown_device;
    if (query_row(query)) {
        const char *scope = query_get_text(query, 1);
        text_copy(ret_scope, size, scope != NULL ? scope : work->ingest->station);
        bool same = text_equal(query_get_text(query, 0), work_product(work));
        *ret_reason = same ? NULL : "device is registered as another product";
    }
    query_done(query);
    if (*ret_reason == NULL && device != NULL) {
        text_copy(device->scope, sizeof device->scope, ret_scope);
        device->registered_turn = work->ingest->turn;
    }
    return *ret_reason == NULL;
}

/* Two statements, because INSERT with SELECT fills a temporary table when there are triggers. */
static int store_event(struct work *work, const struct mqtt_event *event, const char **ret_reason)
{
    char scope[LIMIT_NAME_BYTES];
    *ret_reason = NULL;
    if (!find_device(work, scope, sizeof scope, ret_reason))
        return REFUSED;
    const char *code = event->code[0] != '\0' ? event->code : NULL;
    const char *subject = event->subject[0] != '\0' ? event->subject : NULL;
    int64_t rows = replica_run(
        work->ingest->replica,
        "INSERT INTO device_event(id, scope, device_id, kind, code, subject, device_at, heard_at, "
        "fresh) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(id) DO NOTHING",
        "ssssssiii", event->id, scope, event->device_id, mqtt_kind_name(event->kind), code, subject,
        event->device_at_ms, event->heard_at_ms, (int64_t)event->fresh);
    if (rows >= 0)
        return rows == 1 ? STORED : WAS_THERE;
    *ret_reason = "could not be stored";
    return REFUSED;
}

/* A button that forgets its counter when its battery is changed says "1-1" again: another time is
 * another press, and so is another kind. What is sent again is as the first. */
static bool is_another_press(const struct work *work, const struct mqtt_event *event)
{
    struct query *query =
        replica_query(work->ingest->replica, "SELECT device_at, heard_at, kind FROM device_event"
                                             " WHERE id = ?1");
    query_text(query, 1, event->id);
    bool dated = event->device_at_ms != 0, another = false;
    if (query_row(query)) {
        int64_t apart = dated ? event->device_at_ms - query_get_int(query, 0)
                              : event->heard_at_ms - query_get_int(query, 1);
        another = llabs(apart) > (dated ? JUDGE_FRESH_MS : UNDATED_SAME_MS) ||
                  !text_equal(query_get_text(query, 2), mqtt_kind_name(event->kind));
    }
    query_done(query);
    return another;
}

/* Of an alarm whose key is there already. `id` is that of the event. */
static int store_again(struct work *work, const struct mqtt_event *event, char *id,
                       const char **ret_reason)
{
    bool live = !event->retained && !event->replay;
    if (!live || !mqtt_kind_alarms(event->kind) || !is_another_press(work, event))
        return WAS_THERE;
    size_t used = strlen(id);
    int64_t at_ms =
        event->device_at_ms != 0 ? event->device_at_ms : event->heard_at_ms / UNDATED_SAME_MS;
    snprintf(id + used, EVENT_ID_BYTES + 1 - used, "~%s%lld", mqtt_kind_name(event->kind),
             (long long)at_ms);
    return store_event(work, event, ret_reason);
}

static const char beyond_quota[] = "beyond the quota of its device";

/* Events only: what is no event costs next to nothing. A change of presence has no rule. */
static bool within_quota(struct work *work)
{
    struct device *device = work->device;
    if (device == NULL || work->mapped.rule == NULL ||
        quota_take(&device->quota, clock_mono_ms(work->ingest->clock), work->message->size,
                   work->mapped.product->events_per_s))
        return true;
    if (device->over++ % OVER_SAID_EVERY == 0)
        log_warn("mqtt.quota", "device=%s over=%lld", device->id, (long long)device->over);
    device->over_at_ms = work->heard_at_ms;
    device->dirty = true;
    work->ingest->counts.over++;
    return false;
}

/* NULL, or the reason to keep the message raw. */
static const char *take_event(struct work *work)
{
    struct ingest *ingest = work->ingest;
    char id[EVENT_ID_BYTES + 1];
    make_id(work, id);
    struct mqtt_event event = {
        .id = id,
        .device_id = work->mapped.device_id,
        .product = work_product(work),
        .kind = work->mapped.kind,
        .code = work->mapped.code,
        .subject = work->mapped.subject,
        .device_at_ms = corrected_time(work),
        .heard_at_ms = work->heard_at_ms,
        .count = work->mapped.count,
        .retained = work->message->retained,
        .replay = work->mapped.replay,
    };
    judge_age(&event);
    if (!event.alarm && !within_quota(work))
        return beyond_quota;
    const char *reason = NULL;
    int result = store_event(work, &event, &reason);
    if (result == WAS_THERE)
        result = store_again(work, &event, id, &reason);
    /* Somebody presses a button that the county has not told us of yet: that is an alarm all the
     * same. It is no row, because rows are of registered devices; the desk has the raw message. */
    if (result == REFUSED && reason == unknown_device && event.alarm)
        call_on_event(ingest, &event);
    if (result == REFUSED)
        return reason;
    if (result == STORED) {
        ingest->counts.events++;
        call_on_event(ingest, &event);
    } else {
        ingest->counts.duplicates++;
    }
    if (work->device != NULL)
        work->device->event_at_ms = work->heard_at_ms;
    return NULL;
}

/* --- presence --- */

/* A change is an event of its own, for registered devices. */
static void tell_presence(struct ingest *ingest, struct device *device, const char *code,
                          int64_t now_ms)
{
    bool on = device->state == PRESENCE_ONLINE;
    struct ingest_message nothing = {.topic = "", .payload = "", .size = 0};
    struct work work = {.ingest = ingest, .message = &nothing, .heard_at_ms = now_ms};
    work.device = device;
    work.mapped.kind = on ? MQTT_PRESENCE_ON : MQTT_PRESENCE_OFF;
    work.mapped.device_at_ms = now_ms;
    text_copy(work.mapped.device_id, sizeof work.mapped.device_id, device->id);
    text_copy(work.mapped.code, sizeof work.mapped.code, code);
    snprintf(work.mapped.dedupe, sizeof work.mapped.dedupe, "p%lld-%s", (long long)now_ms,
             on ? "on" : "off");
    log_info("mqtt.presence", "device=%s state=%s code=%s", device->id,
             presence_name(device->state), code);
    take_event(&work); /* an unregistered device has none, and that is no fault */
}

static void signal_presence(struct ingest *ingest, struct device *device,
                            enum presence_signal signal, const char *code, int64_t now_ms)
{
    struct presence_view view = {device->state, device->heard_at_ms, ingest->listening_at_ms,
                                 device->silent_s};
    enum presence next = presence_next(&view, signal, now_ms);
    if (next == device->state)
        return;
    device->state = next;
    device->state_at_ms = now_ms;
    watch_turn(ingest);
    devices_write(ingest->devices, device);
    tell_presence(ingest, device, code, now_ms);
}

/* What it says of itself; only with a new word is anything written. */
static void note_said(const struct work *work)
{
    struct device *device = work->device;
    const struct mapped *mapped = &work->mapped;
    if (mapped->own_topic && strcmp(device->topic, work->message->topic) != 0 &&
        strlen(work->message->topic) < sizeof device->topic) {
        text_copy(device->topic, sizeof device->topic, work->message->topic);
        device->dirty = true;
    }
    if (mapped->firmware[0] != '\0' && strcmp(device->firmware, mapped->firmware) != 0) {
        text_copy(device->firmware, sizeof device->firmware, mapped->firmware);
        device->dirty = true;
    }
    if (mapped->battery >= 0)
        device->battery = mapped->battery;
    if (mapped->kind == MQTT_COUNT && !mapped->replay) {
        device->people = mapped->count;
        device->people_at_ms = work->heard_at_ms;
        device->dirty = true;
    }
    if (mapped->kind == MQTT_POWER && strcmp(device->power, mapped->code) != 0) {
        text_copy(device->power, sizeof device->power, mapped->code);
        device->power_at_ms = work->heard_at_ms;
        device->dirty = true;
    }
}

/* What any message says about its device. A retained one says nothing about now, except that the
 * state topics are retained so that the last word is known. */
static void note_device(struct work *work)
{
    struct device *device = work->device;
    enum mqtt_kind kind = work->mapped.kind;
    bool live = !work->message->retained;
    enum presence_signal signal = PRESENCE_HEARD;
    if (kind == MQTT_PRESENCE_ON || kind == MQTT_PRESENCE_OFF)
        signal = kind == MQTT_PRESENCE_ON ? PRESENCE_SAYS_ON : PRESENCE_SAYS_OFF;
    else if (!live)
        return;
    if (live && kind != MQTT_PRESENCE_OFF) {
        device->heard_at_ms = work->heard_at_ms;
        device->messages++;
        device->dirty = true;
    }
    note_said(work);
    if (work->mapped.rule->silent_s > 0)
        device->silent_s = work->mapped.rule->silent_s;
    if (live && work->mapped.device_at_ms != 0 && kind == MQTT_HEARTBEAT)
        device_note_clock(device, work->mapped.device_at_ms, work->heard_at_ms);
    signal_presence(work->ingest, device, signal, work->mapped.code, work->heard_at_ms);
}

/* --- one message --- */

static int unpack(struct ingest *ingest, const struct ingest_message *message)
{
    const struct ingest_callbacks *callbacks = &ingest->callbacks;
    return callbacks->unpack == NULL
               ? 0
               : callbacks->unpack(callbacks->ctx, message->topic, message->payload, message->size,
                                   &ingest->text);
}

/* The payload as text that the rules can read, in ingest->text. */
static const char *take_text(struct ingest *ingest, const struct ingest_message *message)
{
    buf_clear(&ingest->text);
    if (strlen(message->topic) > LIMIT_TOPIC_BYTES)
        return "topic too long";
    if (message->size > LIMIT_MQTT_PAYLOAD_BYTES)
        return "payload too large";
    int unpacked = unpack(ingest, message);
    if (unpacked != 0)
        return unpacked > 0 ? NULL : "cannot be unpacked";
    return payload_take(message->payload, message->size, &ingest->text);
}

/* An id that two products use is that of the registered one. */
static bool settle_product(struct work *work)
{
    struct device *device = work->device;
    const char *product = work->mapped.product->name;
    if (strcmp(device->product, product) == 0)
        return true;
    if (replica_get_int(work->ingest->replica, 0,
                        "SELECT count(*) FROM device WHERE id = ?1 AND product = ?2", "ss",
                        device->id, product) == 0)
        return false;
    text_copy(device->product, sizeof device->product, product);
    device->dirty = true;
    return true;
}

/* NULL, or why it is dropped. */
static const char *take_talk(struct work *work)
{
    struct ingest *ingest = work->ingest;
    if (work->mapped.kind == MQTT_TEXT && !within_quota(work))
        return beyond_quota;
    ingest->counts.states++;
    struct mqtt_talk talk = judge_talk(&work->mapped, corrected_time(work), work->heard_at_ms);
    talk.retained = work->message->retained;
    if (ingest->callbacks.on_talk != NULL)
        ingest->callbacks.on_talk(ingest->callbacks.ctx, &talk);
    return NULL;
}

static bool is_talk(enum mqtt_kind kind)
{
    return kind == MQTT_TEXT || kind == MQTT_DELIVERED;
}

static bool is_state_only(enum mqtt_kind kind)
{
    return kind == MQTT_HEARTBEAT || kind == MQTT_TELEMETRY || kind == MQTT_PRESENCE_ON ||
           kind == MQTT_PRESENCE_OFF || kind == MQTT_REPLY || kind == MQTT_COUNT;
}

/* Only a device that is registered is asked for what is missing; what only moves its state has not
 * been looked up yet. */
static void note_number(struct work *work)
{
    char scope[LIMIT_NAME_BYTES];
    const char *reason = NULL;
    if (work->mapped.seq >= 0 && find_device(work, scope, sizeof scope, &reason))
        gaps_note(work->ingest->replica, work->device, &work->mapped, work->heard_at_ms);
}

/* A device with a key that does not sign is somebody else. */
static bool signature_holds(const struct work *work)
{
    const struct mapped *mapped = &work->mapped;
    const struct ingest_message *message = work->message;
    return mapped->rule->mac.from == VALUE_NONE ||
           accounts_signed(work->ingest->replica, mapped->device_id, message->topic,
                           message->payload, message->size, mapped->mac);
}

/* Who was heard on topics that name it is not believed on one that all share, where any account
 * may give any name. An alarm is told all the same, and is kept raw for a person to look at. */
static bool comes_from_it(struct work *work)
{
    struct mapped *mapped = &work->mapped;
    if (!mapped->shared_topic || work->device == NULL || work->device->topic[0] == '\0')
        return true;
    mapped->flaw = "on a topic that all share, and its device has topics of its own";
    return mqtt_kind_alarms(mapped->kind);
}

/* One event of the message. */
static const char *handle_item(struct work *work)
{
    struct ingest *ingest = work->ingest;
    const struct mapped *mapped = &work->mapped;
    const char *reason = NULL;
    if (!signature_holds(work))
        return "signature is wrong or missing";
    work->device =
        devices_get(ingest->devices, mapped->device_id, mapped->product->name, work->heard_at_ms);
    if (work->device != NULL && !settle_product(work))
        return "device is known as another product";
    if (!comes_from_it(work))
        return "not on the topics of its own that its device has";
    if (mapped->kind == MQTT_REPLY && ingest->callbacks.on_reply != NULL)
        ingest->callbacks.on_reply(ingest->callbacks.ctx, mapped->device_id, mapped->dedupe,
                                   mapped->ok);
    if (is_talk(mapped->kind))
        reason = take_talk(work);
    else if (is_state_only(mapped->kind))
        ingest->counts.states++;
    else
        reason = take_event(work);
    if (work->device != NULL)
        note_device(work);
    if (reason == NULL && work->device != NULL && !work->message->retained)
        note_number(work);
    return reason;
}

/* A record that can never be read is kept raw, and that is final: its device, which may send
 * nothing else before it is answered, is answered. One that is not registered is not. */
static bool is_final(struct work *work)
{
    char scope[LIMIT_NAME_BYTES];
    const char *reason = NULL;
    work->device = devices_find(work->ingest->devices, work->mapped.device_id);
    return work->mapped.ack_id[0] != '\0' && find_device(work, scope, sizeof scope, &reason);
}

/* A button says little, and when not even that can be read, it was pressed: a message that cannot
 * be, from a registered device of kind "sos", on a topic where alarms come, is one. Also when the
 * device has to sign: what is broken may have been signed, and the broker knows who may write to
 * this topic. What can be read and is signed wrongly is somebody else's. */
static void alarm_unreadable(struct work *work, const char *reason)
{
    struct mapped *mapped = &work->mapped;
    const struct product *product;
    if (!mapping_alarm_device(work->ingest->mapping, work->message->topic, &product,
                              mapped->device_id) ||
        replica_get_int(work->ingest->replica, 0,
                        "SELECT kind = 'sos' FROM device WHERE id = ?1 AND product = ?2", "ss",
                        mapped->device_id, product->name) != 1)
        return;
    mapped->product = product;
    mapped->kind = MQTT_SOS;
    mapped->flaw = reason;
    mapped->count = mapped->seq = -1;
    text_copy(mapped->code, sizeof mapped->code, "unreadable");
    work->device =
        devices_get(work->ingest->devices, mapped->device_id, product->name, work->heard_at_ms);
    log_warn("mqtt.unreadable", "device=%s reason=\"%s\": taken as an alarm", mapped->device_id,
             reason);
    take_event(work);
}

/* NULL, or why the message is kept raw; the events that can be read are stored all the same. */
static const char *handle_items(struct work *work)
{
    const char *reason = NULL, *problem = NULL;
    bool answer = true;
    for (int got; (got = mapping_next(work->ingest->mapping, &work->mapped, &problem)) != 0;
         work->item++) {
        const char *why = got > 0 ? handle_item(work) : problem;
        if (why != NULL && (got > 0 || !is_final(work)))
            answer = false;
        if (reason == NULL)
            reason = got > 0 && work->mapped.flaw != NULL ? work->mapped.flaw : why;
    }
    if (answer)
        promise_ack(work);
    return reason;
}

static const char *handle(struct work *work)
{
    struct ingest *ingest = work->ingest;
    const char *reason = take_text(ingest, work->message);
    bool whole = reason == NULL;
    if (whole && ingest->text.size == 0)
        return NULL; /* unpacked to nothing */
    if (whole && mapping_begin(ingest->mapping, work->message->topic, buf_text(&ingest->text),
                               ingest->text.size, &reason))
        return handle_items(work);
    if (!whole || reason == mapping_malformed)
        alarm_unreadable(work, reason);
    return reason;
}

bool ingest_message(struct ingest *ingest, const struct ingest_message *message)
{
    struct work work = {.ingest = ingest, .message = message};
    ingest->counts.messages++;
    if (message->size == 0)
        return true; /* a retained message was deleted */
    work.heard_at_ms = clock_wall_ms(ingest->clock);
    catch_up(ingest);
    watch_turn(ingest);
    replica_enter(ingest->replica);
    const char *reason = handle(&work);
    if (reason != NULL && reason != beyond_quota)
        keep_raw(&work, reason);
    if (replica_leave(ingest->replica, true))
        return true;
    char problem[LIMIT_ERR_TEXT];
    snprintf(problem, sizeof problem, "could not be stored: %.400s",
             replica_problem(ingest->replica));
    ingest->reload_due = true;
    replica_enter(ingest->replica);
    keep_raw(&work, problem);
    return replica_leave(ingest->replica, true);
}

/* --- time --- */

/* Wall time in which we could not have heard anybody does not count as silence. */
static void note_listening(struct ingest *ingest, bool connected, int64_t now_ms)
{
    int64_t mono_ms = clock_mono_ms(ingest->clock);
    int64_t jump_ms = (now_ms - ingest->tick_wall_ms) - (mono_ms - ingest->tick_mono_ms);
    bool jumped = jump_ms > CLOCK_JUMP_MS || jump_ms < -CLOCK_JUMP_MS;
    if (jumped || !connected || !ingest->was_connected)
        ingest->listening_at_ms = now_ms;
    ingest->tick_wall_ms = now_ms;
    ingest->tick_mono_ms = mono_ms;
    ingest->was_connected = connected;
}

void ingest_tick(struct ingest *ingest, bool connected)
{
    int64_t now_ms = clock_wall_ms(ingest->clock);
    catch_up(ingest);
    note_listening(ingest, connected, now_ms);
    bool writing = false;
    struct device *device;
    for (int i = 0; (device = devices_at(ingest->devices, i)) != NULL; i++) {
        struct presence_view view = {device->state, device->heard_at_ms, ingest->listening_at_ms,
                                     device->silent_s};
        bool changes = presence_next(&view, PRESENCE_TICK, now_ms) != device->state;
        if (!changes && !device->dirty)
            continue;
        if (!writing) {
            watch_turn(ingest);
            replica_enter(ingest->replica);
            writing = true;
        }
        if (changes)
            signal_presence(ingest, device, PRESENCE_TICK, "silent", now_ms);
        if (device->dirty)
            devices_write(ingest->devices, device);
    }
    if (writing && !replica_leave(ingest->replica, true))
        ingest->reload_due = true;
}

/* --- life --- */

const char *const *ingest_filters(const struct ingest *ingest, int *ret_count)
{
    return mapping_filters(ingest->mapping, ret_count);
}

int ingest_reload_rules(struct ingest *ingest, struct err *err)
{
    struct mapping *mapping;
    int code = mapping_open(ingest->rules_dir, &mapping, err);
    if (code != ERR_OK)
        return code;
    mapping_close(ingest->mapping);
    ingest->mapping = mapping;
    if (mapping_problems(mapping)[0] != '\0')
        log_error("mqtt.rules", "left out: %s", mapping_problems(mapping));
    return ERR_OK;
}

const struct mapping *ingest_rules(const struct ingest *ingest)
{
    return ingest->mapping;
}

struct ingest_counts ingest_counts(const struct ingest *ingest)
{
    return ingest->counts;
}

int ingest_open(const struct ingest_options *options, const struct ingest_callbacks *callbacks,
                struct ingest **ret, struct err *err)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    ingest->replica = options->replica;
    ingest->clock = options->clock;
    text_copy(ingest->station, sizeof ingest->station, options->station);
    if (callbacks != NULL)
        ingest->callbacks = *callbacks;
    buf_init(&ingest->text, LIMIT_MQTT_MAPPED_BYTES);
    ingest->listening_at_ms = ingest->tick_wall_ms = clock_wall_ms(ingest->clock);
    ingest->tick_mono_ms = clock_mono_ms(ingest->clock);
    text_copy(ingest->rules_dir, sizeof ingest->rules_dir,
              options->rules_dir != NULL ? options->rules_dir : "");
    int code = ingest_reload_rules(ingest, err);
    if (code == ERR_OK)
        code = devices_open(ingest->replica, &ingest->devices, err);
    if (code != ERR_OK) {
        ingest_close(ingest);
        return err_wrap(err, "mqtt");
    }
    *ret = ingest;
    return ERR_OK;
}

void ingest_close(struct ingest *ingest)
{
    if (ingest == NULL)
        return;
    mapping_close(ingest->mapping);
    devices_close(ingest->devices);
    buf_free(&ingest->text);
    free(ingest);
}
