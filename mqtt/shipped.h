/* The rule files that come with the program, from config/devices.d. */
#ifndef TOUYAN_MQTT_SHIPPED_H
#define TOUYAN_MQTT_SHIPPED_H

#include <stddef.h>

struct shipped_rules {
    const char *name; /* without ".rules" */
    const char *text;
};

extern const struct shipped_rules *const shipped_rules;
extern const size_t shipped_rules_count;

#endif
