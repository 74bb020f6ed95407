/* The configuration that mosquitto needs to be our broker: two listeners, the limits that keep a
 * week of messages instead of a thousand, and nothing that grows without end. */
#ifndef TOUYAN_MQTT_BROKER_CONFIG_H
#define TOUYAN_MQTT_BROKER_CONFIG_H

#include <stdbool.h>

#include "gateway/base/buf.h"

struct mqtt_broker_options {
    const char *socket_path;     /* listener of the gateway; its folder decides who may connect */
    const char *listen;          /* address of the devices' listener, e.g. "192.168.8.1" */
    int listen_port;             /* 0: 1883, or 8883 with cert_file */
    const char *password_file;   /* of the devices, made with mosquitto_passwd */
    const char *acl_file;        /* see mqtt_broker_acl_write */
    const char *persistence_dir; /* NULL: "/var/lib/mosquitto" */
    const char *cert_file;       /* NULL: no TLS for the devices */
    const char *key_file;
};

/* Appends the text of mosquitto.conf(5). False: it does not fit. */
bool mqtt_broker_config_write(struct buf *out, const struct mqtt_broker_options *options);

/* Appends the access list by the rules: a device is its user name and writes its own topics only; a
 * bridge to many devices has its product's name. */
struct mapping;
bool mqtt_broker_acl_write(const struct mapping *rules, struct buf *out);

#endif
