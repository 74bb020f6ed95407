/* The text of the broker's configuration; see broker_config.h. Why each value is what it is stands
 * beside it in the file that is written, for the person who installs it. */
#include "mqtt/broker_config.h"

#include "gateway/base/limits.h"
#include "mqtt/mapping.h"

enum { PORT_PLAIN = 1883, PORT_TLS = 8883 };

static void add_limits(struct buf *out, const char *persistence_dir)
{
    buf_add_text(out,
                 "# mosquitto.conf(5) for Touyan, written by touyan-gateway "
                 "--print-broker-config\n"
                 "# The whole of it, not for conf.d: mosquitto takes persistence_location once.\n"
                 "per_listener_settings true\n\n"
                 "# One commit of the gateway acknowledges what it read; 20, the default,\n"
                 "# would be the largest batch.\n"
                 "max_inflight_messages 1000\n"
                 "# While the gateway restarts. The default drops everything above 1000,\n"
                 "# 0 fills the memory with the queues of clients that never come back.\n"
                 "max_queued_messages 100000\n"
                 "memory_limit 268435456\n"
                 "persistent_client_expiration 7d\n");
    buf_printf(out,
               "# A photo of a terminal fits, a bomb does not.\n"
               "message_size_limit %d\n"
               "max_packet_size 1100000\n"
               "max_keepalive 120\n\n"
               "# The file is written every 10 s: what the broker took in the last seconds before\n"
               "# a power cut is known to the devices only, which is why they are answered by\n"
               "# the gateway itself.\n"
               "persistence true\n"
               "persistence_location %s/\n"
               "autosave_interval 10\n\n",
               LIMIT_MQTT_PAYLOAD_BYTES, persistence_dir);
}

static void add_listeners(struct buf *out, const struct mqtt_broker_options *options)
{
    int port = options->listen_port > 0     ? options->listen_port
               : options->cert_file != NULL ? PORT_TLS
                                            : PORT_PLAIN;
    buf_printf(out,
               "# The gateway alone: only those who may enter the folder can connect.\n"
               "listener 0 %s\n"
               "allow_anonymous true\n\n"
               "# The devices. A client id is the user name, so no device can take the place of\n"
               "# another or of the gateway.\n"
               "listener %d %s\n"
               "use_username_as_clientid true\n"
               "allow_anonymous false\n"
               "password_file %s\n"
               "acl_file %s\n"
               "max_connections 200\n",
               options->socket_path, port, options->listen, options->password_file,
               options->acl_file);
    if (options->cert_file != NULL && options->key_file != NULL)
        buf_printf(out, "certfile %s\nkeyfile %s\n", options->cert_file, options->key_file);
}

bool mqtt_broker_config_write(struct buf *out, const struct mqtt_broker_options *options)
{
    const char *dir = options->persistence_dir;
    add_limits(out, dir != NULL ? dir : "/var/lib/mosquitto");
    add_listeners(out, options);
    return !out->failed;
}

/* Topics with %u are of one device. A product with a bridge has one user; %u is then its name. */
static void add_access(struct buf *out, const struct product *product, const char *word,
                       const char *const *topics, int count)
{
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s %s %s\n", product->bridge ? "topic" : "pattern", word, topics[i]);
}

bool mqtt_broker_acl_write(const struct mapping *rules, struct buf *out)
{
    buf_add_text(out, "# A device is its user name (%u).\n");
    for (int pass = 0; pass < 2; pass++) /* what stands behind a user is that user's */
        for (int i = 0; i < mapping_product_count(rules); i++) {
            const struct product *product = mapping_product_at(rules, i);
            if (product->bridge != (pass == 1))
                continue;
            buf_printf(out, "# %s\n", product->title != NULL ? product->title : product->name);
            if (product->bridge)
                buf_printf(out, "user %s\n", product->name);
            add_access(out, product, "write", product->write, product->write_count);
            add_access(out, product, "read", product->read, product->read_count);
        }
    return !out->failed;
}
