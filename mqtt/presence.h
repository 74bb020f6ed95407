/* Whether a device is there. Pure: decided from its last will, what it sends and how long it has
 * been silent. Silence is judged by the wall clock, but only of the time in which we could have
 * heard it: while the broker was there, and since the last jump of the clock. */
#ifndef TOUYAN_MQTT_PRESENCE_H
#define TOUYAN_MQTT_PRESENCE_H

#include <stdint.h>

enum presence { PRESENCE_UNKNOWN, PRESENCE_ONLINE, PRESENCE_OFFLINE };

enum presence_signal {
    PRESENCE_HEARD, /* it sent something just now */
    PRESENCE_SAYS_ON,
    PRESENCE_SAYS_OFF, /* its last will, or it says so */
    PRESENCE_TICK,     /* time passes */
};

struct presence_view {
    enum presence now;
    int64_t heard_at_ms;     /* 0: never */
    int64_t listening_at_ms; /* since when we could have heard it */
    int silent_s;            /* 0: it has no heartbeat, silence means nothing */
};

enum presence presence_next(const struct presence_view *view, enum presence_signal signal,
                            int64_t now_ms);
const char *presence_name(enum presence presence); /* as in device_state.state */
enum presence presence_from_name(const char *name);

#endif
