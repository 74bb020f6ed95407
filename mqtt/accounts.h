/* The devices' accounts at the broker: a secret for each registered device, made here and kept
 * sealed (table device_key), and the two files that mosquitto reads. A device is its user name; a
 * bridge to many devices has one account of its product's name. */
#ifndef TOUYAN_MQTT_ACCOUNTS_H
#define TOUYAN_MQTT_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "mqtt/mapping.h"
#include "sync/replica/replica.h"

/* Makes what is missing and forgets whom nobody knows any more. In a handler of the caller. */
void accounts_update(struct replica *replica, const struct mapping *rules, int64_t now_ms);

/* password_file of mosquitto.conf(5), with fresh salts. False: it does not fit. */
bool accounts_write_passwords(struct replica *replica, struct buf *out);

/* acl_file: for each account its own topics, with its name in the place of %u. */
bool accounts_write_acl(struct replica *replica, const struct mapping *rules, struct buf *out);

/* From now on the device must sign what it says: makes a key of 32 hex digits, or gives the one it
 * has. False: the device has no account. The signature is HMAC-SHA256 (RFC 2104), 64 lower-case hex
 * digits, with the digits of the key as its bytes; over the topic, a line feed and the payload with
 * 64 times '0' in the place of the signature. A last will is not signed: it is written down before
 * anything has happened. */
bool accounts_sign(struct replica *replica, const char *device_id, char *ret, size_t size);

/* Whether `mac` signs this message of the device; true for one that need not sign. */
bool accounts_signed(struct replica *replica, const char *device_id, const char *topic,
                     const void *payload, size_t size, const char *mac);

#endif
