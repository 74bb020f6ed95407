/* The shipped rules. Sources: our own topic scheme
 *   sc/<station>/<school>/<gate>/<device>/{state|evt|tel|ack} up, .../cmd down;
 * "MQTT Protocol of Intelligent Network Camera" V1.25 (Chongqing Huifan, sold under many names;
 * topics mqtt/face/...); the Zigbee2MQTT and Shelly Gen2 documentation for alarm buttons.
 *
 * An event of our own scheme carries {"id":"<boot>-<seq>","ts":ms,"k":kind,"c":code,"s":subject}.
 * The shared topics of the terminal (basic, heartbeat) name the device in the payload only, so
 * anybody on the network can write them: they move its state and raise nothing. */
#include "mqtt/rules.h"

#include <stddef.h>

struct shipped {
    int id; /* never reused; negative in the table, so that it meets no rule of the station */
    int rank;
    const char *product, *filter, *fmt;
    const char *guard, *guard_eq, *guard2, *guard2_eq;
    const char *kind, *dev, *dev_check, *code, *subject, *ts, *ts_format, *dedupe, *dedupe2;
    int window_s, silent_s;
    const char *ack_id, *ack_topic, *ack_payload;
    int ack_qos;
};

enum {
    HEARTBEAT_SILENT_S = 100, /* three of 30 s and a bit */
    BUTTON_WINDOW_S = 10,     /* a button without a counter: presses within it are one */
};

#define OWN "sc/+/+/+/+/"
#define FACE_ACK(type)                                                                             \
    "{\"operator\":\"PushAck\",\"messageId\":\"{id}\",\"info\":{\"PushAckType\":" type             \
    ",\"SnapOrRecordID\":{int}}}"

static const struct shipped rules[] = {
    {.id = 1,
     .product = "touyan",
     .filter = OWN "evt",
     .kind = "$.k",
     .dev = "t:4",
     .dev_check = "$.dev",
     .code = "$.c",
     .subject = "$.s",
     .ts = "$.ts",
     .ts_format = "ms",
     .dedupe = "$.id",
     .ack_id = "$.id",
     .ack_topic = "sc/{t:1}/{t:2}/{t:3}/{t:4}/cmd",
     .ack_payload = "{\"ack\":\"{id}\"}",
     .ack_qos = 1},
    {.id = 2,
     .product = "touyan",
     .filter = OWN "state",
     .guard = "$.s",
     .guard_eq = "online",
     .kind = "presence_on",
     .dev = "t:4",
     .ts = "$.ts",
     .ts_format = "ms"},
    {.id = 3,
     .product = "touyan",
     .filter = OWN "state",
     .guard = "$.s",
     .guard_eq = "offline",
     .kind = "presence_off",
     .dev = "t:4",
     .code = "=lwt"},
    {.id = 4,
     .product = "touyan",
     .filter = OWN "tel",
     .guard = "$.k",
     .guard_eq = "heartbeat",
     .kind = "heartbeat",
     .dev = "t:4",
     .ts = "$.ts",
     .ts_format = "ms",
     .silent_s = HEARTBEAT_SILENT_S},
    {.id = 5,
     .rank = 1,
     .product = "touyan",
     .filter = OWN "tel",
     .kind = "telemetry",
     .dev = "t:4",
     .ts = "$.ts",
     .ts_format = "ms"},
    {.id = 6,
     .product = "touyan",
     .filter = OWN "ack",
     .kind = "telemetry",
     .dev = "t:4",
     .ts = "$.ts",
     .ts_format = "ms"},

    {.id = 20,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Rec",
     .guard = "$.operator",
     .guard_eq = "RecPush",
     .guard2 = "$.info.VerifyStatus",
     .guard2_eq = "1",
     .kind = "check_in",
     .dev = "t:2",
     .dev_check = "$.info.facesluiceId",
     .code = "=face",
     .subject = "$.info.personId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .dedupe = "$.info.RecordID",
     .dedupe2 = "$.info.time",
     .ack_id = "$.info.RecordID",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = FACE_ACK("2")},
    /* refused (2) or not registered (3): nothing that we keep, but the terminal wants its answer */
    {.id = 21,
     .rank = 1,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Rec",
     .guard = "$.operator",
     .guard_eq = "RecPush",
     .kind = "telemetry",
     .dev = "t:2",
     .dev_check = "$.info.facesluiceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .ack_id = "$.info.RecordID",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = FACE_ACK("2")},
    {.id = 22,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Snap",
     .guard = "$.operator",
     .guard_eq = "LeaveSnapPush",
     .guard2 = "$.info.SnapID",
     .kind = "leave_post",
     .dev = "t:2",
     .dev_check = "$.info.facesluiceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .dedupe = "$.info.SnapID",
     .dedupe2 = "$.info.time",
     .ack_id = "$.info.SnapID",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = FACE_ACK("1")},
    {.id = 23,
     .rank = 1,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Snap",
     .guard = "$.operator",
     .guard_eq = "LeaveSnapPush",
     .kind = "leave_post",
     .dev = "t:2",
     .dev_check = "$.info.deviceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .dedupe = "$.info.time",
     .ack_id = "$.info.SnapOrRecordID",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = FACE_ACK("3")},
    {.id = 24,
     .rank = 2,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Snap",
     .guard = "$.operator",
     .guard_eq = "StrSnapPush",
     .kind = "telemetry",
     .dev = "t:2",
     .dev_check = "$.info.facesluiceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .ack_id = "$.info.SnapID",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = FACE_ACK("1")},
    {.id = 25,
     .product = "mqtt_face",
     .filter = "mqtt/face/+/Ack",
     .kind = "telemetry",
     .dev = "t:2",
     .dev_check = "$.info.facesluiceId"},
    {.id = 26,
     .product = "mqtt_face",
     .filter = "mqtt/face/basic",
     .guard = "$.operator",
     .guard_eq = "Online",
     .kind = "presence_on",
     .dev = "$.info.facesluiceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .ack_id = "$.info.facesluiceId",
     .ack_topic = "mqtt/face/{dev}",
     .ack_payload = "{\"operator\":\"Online-Ack\",\"messageId\":\"{id}\",\"info\":{"
                    "\"facesluiceId\":\"{id}\",\"result\":\"ok\"}}"},
    {.id = 27,
     .product = "mqtt_face",
     .filter = "mqtt/face/basic",
     .guard = "$.operator",
     .guard_eq = "Offline",
     .kind = "presence_off",
     .dev = "$.info.facesluiceId",
     .code = "=lwt"},
    {.id = 28,
     .product = "mqtt_face",
     .filter = "mqtt/face/heartbeat",
     .guard = "$.operator",
     .guard_eq = "HeartBeat",
     .kind = "heartbeat",
     .dev = "$.info.facesluiceId",
     .ts = "$.info.time",
     .ts_format = "local+08:00",
     .silent_s = HEARTBEAT_SILENT_S},

    {.id = 40,
     .product = "zigbee2mqtt",
     .filter = "zigbee2mqtt/+",
     .guard = "$.action",
     .guard_eq = "emergency",
     .kind = "sos",
     .dev = "t:1",
     .code = "=button",
     .window_s = BUTTON_WINDOW_S},
    {.id = 41,
     .rank = 1,
     .product = "zigbee2mqtt",
     .filter = "zigbee2mqtt/+",
     .kind = "telemetry",
     .dev = "t:1"},
    {.id = 42,
     .product = "zigbee2mqtt",
     .filter = "zigbee2mqtt/+/availability",
     .guard = "$.state",
     .guard_eq = "online",
     .kind = "presence_on",
     .dev = "t:1"},
    {.id = 43,
     .product = "zigbee2mqtt",
     .filter = "zigbee2mqtt/+/availability",
     .guard = "$.state",
     .guard_eq = "offline",
     .kind = "presence_off",
     .dev = "t:1",
     .code = "=lwt"},

    {.id = 50,
     .product = "shelly",
     .filter = "+/events/rpc",
     .guard = "$.params.events[0].event",
     .guard_eq = "single_push",
     .kind = "sos",
     .dev = "t:0",
     .dev_check = "$.src",
     .code = "=button",
     .ts = "$.params.ts",
     .ts_format = "s",
     .dedupe = "$.params.ts",
     .dedupe2 = "$.params.events[0].component"},
    {.id = 51,
     .rank = 1,
     .product = "shelly",
     .filter = "+/events/rpc",
     .kind = "telemetry",
     .dev = "t:0",
     .dev_check = "$.src",
     .ts = "$.params.ts",
     .ts_format = "s"},
    {.id = 52,
     .product = "shelly",
     .filter = "+/online",
     .fmt = "text",
     .guard = "$",
     .guard_eq = "true",
     .kind = "presence_on",
     .dev = "t:0"},
    {.id = 53,
     .product = "shelly",
     .filter = "+/online",
     .fmt = "text",
     .guard = "$",
     .guard_eq = "false",
     .kind = "presence_off",
     .dev = "t:0",
     .code = "=lwt"},
};

static void write_rule(struct replica *replica, const struct shipped *r)
{
    replica_run(
        replica,
        "INSERT INTO mqtt_rule(id, origin, rank, product, filter, fmt, guard, guard_eq, guard2, "
        "guard2_eq, kind, dev, dev_check, code, subject, ts, ts_format, dedupe, dedupe2, window_s, "
        "silent_s, ack_id, ack_topic, ack_payload, ack_qos) VALUES (?1, 'shipped', ?2, ?3, ?4, "
        "coalesce(?5, 'json'), ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
        "?20, ?21, ?22, ?23, ?24) ON CONFLICT(id) DO UPDATE SET rank = excluded.rank, "
        "product = excluded.product, filter = excluded.filter, fmt = excluded.fmt, "
        "guard = excluded.guard, guard_eq = excluded.guard_eq, guard2 = excluded.guard2, "
        "guard2_eq = excluded.guard2_eq, kind = excluded.kind, dev = excluded.dev, "
        "dev_check = excluded.dev_check, code = excluded.code, subject = excluded.subject, "
        "ts = excluded.ts, ts_format = excluded.ts_format, dedupe = excluded.dedupe, "
        "dedupe2 = excluded.dedupe2, window_s = excluded.window_s, silent_s = excluded.silent_s, "
        "ack_id = excluded.ack_id, ack_topic = excluded.ack_topic, "
        "ack_payload = excluded.ack_payload, ack_qos = excluded.ack_qos",
        "iissssssssssssssssiisssi", -(int64_t)r->id, (int64_t)r->rank, r->product, r->filter,
        r->fmt, r->guard, r->guard_eq, r->guard2, r->guard2_eq, r->kind, r->dev, r->dev_check,
        r->code, r->subject, r->ts, r->ts_format, r->dedupe, r->dedupe2, (int64_t)r->window_s,
        (int64_t)r->silent_s, r->ack_id, r->ack_topic, r->ack_payload, (int64_t)r->ack_qos);
}

static bool is_shipped(int64_t id)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (-(int64_t)rules[i].id == id)
            return true;
    return false;
}

/* Rules of an older program that this one does not bring. */
static void drop_others(struct replica *replica)
{
    int64_t id = INT64_MIN;
    for (;;) {
        id = replica_get_int(replica, 0,
                             "SELECT min(id) FROM mqtt_rule WHERE origin = 'shipped' AND id > ?1",
                             "i", id);
        if (id == 0)
            return;
        if (!is_shipped(id))
            replica_run(replica, "DELETE FROM mqtt_rule WHERE id = ?1", "i", id);
    }
}

bool rules_write_shipped(struct replica *replica)
{
    replica_enter(replica);
    drop_others(replica);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        write_rule(replica, &rules[i]);
    return replica_leave(replica, true);
}
