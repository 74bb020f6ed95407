/* The rules that come with the program. */
#ifndef TOUYAN_MQTT_RULES_H
#define TOUYAN_MQTT_RULES_H

#include <stdbool.h>

#include "sync/replica/replica.h"

/* Replaces the shipped rules of table mqtt_rule, in one handler; those of the station stay, and so
 * does a `enabled = 0` that the station gave to a shipped one. False: could not be written. */
bool rules_write_shipped(struct replica *replica);

#endif
