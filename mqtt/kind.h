/* The kinds of events that all products are brought to, as written in device_event.kind and in the
 * rule files. */
#ifndef TOUYAN_MQTT_KIND_H
#define TOUYAN_MQTT_KIND_H

#include <stdbool.h>

enum mqtt_kind {
    MQTT_CHECK_IN,     /* "check_in": subject is the badge number (personId of the terminal) */
    MQTT_LEAVE_POST,   /* "leave_post": a camera saw the post unattended */
    MQTT_SOS,          /* "sos" */
    MQTT_INTRUSION,    /* "intrusion": somebody where nobody should be */
    MQTT_FIRE,         /* "fire": fire or smoke */
    MQTT_TAMPER,       /* "tamper": the device itself is being opened */
    MQTT_DOOR,         /* "door": code "open", "closed", ... */
    MQTT_COUNT,        /* "count": how many people are there, in `count` */
    MQTT_POWER,        /* "power": code "mains" or "battery" */
    MQTT_PRESENCE_ON,  /* "presence_on" */
    MQTT_PRESENCE_OFF, /* "presence_off": code "lwt" (its connection broke) or "silent" */
    MQTT_HEARTBEAT,    /* "heartbeat": moves the state of the device, is no event */
    MQTT_TELEMETRY,    /* "telemetry": the same */
    MQTT_REPLY,        /* "reply": a device answers a command */
    MQTT_TEXT,         /* "text": somebody wrote by radio; see struct mqtt_talk */
    MQTT_DELIVERED,    /* "delivered": what went to a radio is there, or is known not to be */
    MQTT_KIND_COUNT,
};

const char *mqtt_kind_name(enum mqtt_kind kind);
/* -1: no such kind. */
int mqtt_kind_from_name(const char *name);
/* Somebody has to be told at once: sos, intrusion, fire, tamper. */
bool mqtt_kind_alarms(enum mqtt_kind kind);

#endif
