/* A real mosquitto for tests, with the configuration that the gateway writes: a Unix socket for the
 * gateway, a free port of the loopback for the devices, everything in a folder of its own. */
#ifndef TOUYAN_TESTS_BROKER_H
#define TOUYAN_TESTS_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct broker {
    char dir[64];
    char socket_path[96];
    char config_path[96];
    int port;
    pid_t pid;
};

/* users: names of devices, each with the password "pw-<name>", ends with NULL. certificate: a PEM
 * file with certificate and key for the devices' listener, NULL: no TLS. False: says why on stderr.
 */
bool broker_make(struct broker *broker, const char *const *users, const char *certificate);
bool broker_start(struct broker *broker); /* returns when it accepts connections */
/* Both, without TLS, and a path for a database in its folder. Ends the program when it cannot. */
void broker_begin(struct broker *broker, const char *const *users, char *ret_db, size_t size);
void broker_signal(struct broker *broker, int signal); /* and waits for its end */
void broker_remove(struct broker *broker);             /* kills it and deletes the folder */

/* A device: connects to the devices' listener as `user`, publishes with QoS 1 and waits for the
 * PUBACK. client_id NULL: the user's name. */
bool broker_publish(const struct broker *broker, const char *user, const char *client_id,
                    const char *topic, const char *payload);

#endif
