/* A radio, as the bridge sees it: how one text becomes one message to the broker and back, how long
 * it may be, how long it keeps the air busy, and whether the other side says that it has it. Pure:
 * a driver keeps nothing and does no I/O. */
#ifndef TOUYAN_MQTT_RADIO_DRIVER_H
#define TOUYAN_MQTT_RADIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "mqtt/mapping.h"
#include "mqtt/radio/lora.h"

enum {
    RADIO_NODE_BYTES = LIMIT_DEVICE_ID_BYTES,
    RADIO_CHANNEL_BYTES = 32,
    RADIO_KEY_BYTES = 32,
};

/* What is configured, checked and copied. */
struct radio_link {
    char root[RADIO_CHANNEL_BYTES + 1];    /* of the topics: "msh", "msh/CN", "msh/CN/BJ/1" */
    char channel[RADIO_CHANNEL_BYTES + 1]; /* "": nothing is sent to a mesh, nobody in it obeyed */
    uint32_t node;                         /* our own number in the mesh */
    bool json;         /* firmware up to 2.7 is sent JSON; `node` is the gateway's node itself */
    int channel_index; /* of `channel` on that node; json only */
    uint8_t key[RADIO_KEY_BYTES]; /* of the channel */
    size_t key_size;              /* 0: packets are in clear at the broker; else 16, 32 */
    const struct lora_preset *preset;
    int emission_ms; /* no single emission longer than this */
    int hops;
    int text_bytes;  /* of one text to a radio that is none of the mesh */
    int text_gap_ms; /* that it is busy with one */
};

/* One text to one node. All of it belongs to the caller. */
struct radio_packet {
    const struct product *product; /* of the node */
    const char *node;              /* as radio_node_name() has it */
    const char *channel;           /* it was heard on last; "": not known */
    const char *text;
    uint32_t id;
    int64_t until_ms; /* wall clock: of no use afterwards */
};

enum radio_ack {
    RADIO_ACK_NONE,      /* with the broker is all that is ever known: it goes once */
    RADIO_ACK_PASSED_ON, /* a program passes it on, minds what is lost, and may say that it is there
                          */
    RADIO_ACK_DELIVERED, /* the radio it was sent to says that it has it; until then it goes again
                          */
};

struct radio_driver {
    const char *name;
    enum radio_ack (*ack)(const struct radio_link *link);
    size_t (*max_bytes)(const struct radio_link *link); /* of text in one packet; 0: none fits */
    int (*air_ms)(const struct radio_link *link, size_t text_bytes);
    /* ERR_INVALID, ERR_NOT_FOUND, ERR_LIMIT: says why it cannot go. */
    int (*encode)(const struct radio_link *link, const struct radio_packet *packet,
                  struct buf *ret_topic, struct buf *ret_payload, struct err *err);
    /* What the rules can read of a payload that is no text; as ingest_callbacks.unpack. NULL: its
     * payloads are text. */
    int (*decode)(const struct radio_link *link, const char *topic, const void *payload,
                  size_t size, struct buf *ret);
};

extern const struct radio_driver radio_meshtastic;
extern const struct radio_driver radio_text; /* command "say" of the product's rule file */

/* "meshtastic" or anything else. */
const struct radio_driver *radio_driver_of(const char *product);

/* One form of a node's name: "2130636288" and "!7EFEEE00" of a mesh are "!7efeee00". False: it
 * cannot be one. */
bool radio_node_name(const char *product, const char *text, char ret[RADIO_NODE_BYTES + 1]);
/* The number of "!7efeee00"; false: it is none. */
bool radio_node_number(const char *name, uint32_t *ret);

#endif
