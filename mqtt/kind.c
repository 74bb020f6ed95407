/* Names of kinds; see kind.h. */
#include "mqtt/kind.h"

#include <string.h>

static const char *const names[MQTT_KIND_COUNT] = {
    "check_in",  "leave_post", "sos",   "intrusion",   "fire",         "tamper",
    "door",      "count",      "power", "presence_on", "presence_off", "heartbeat",
    "telemetry", "reply",      "text",  "delivered",
};

const char *mqtt_kind_name(enum mqtt_kind kind)
{
    return names[kind];
}

int mqtt_kind_from_name(const char *name)
{
    for (int i = 0; i < MQTT_KIND_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

bool mqtt_kind_alarms(enum mqtt_kind kind)
{
    return kind == MQTT_SOS || kind == MQTT_INTRUSION || kind == MQTT_FIRE || kind == MQTT_TAMPER;
}
