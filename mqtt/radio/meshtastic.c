/* Meshtastic over MQTT: a ServiceEnvelope in each message, on <root>/2/e/<channel>/<gateway>, and
 * on 2/c with firmware before 2.3. Numbers of fields and ports are those of mqtt.proto, mesh.proto,
 * portnums.proto and telemetry.proto of Meshtastic 2.7 and 2.8; fields we do not know are passed
 * over.
 *
 * Up: the packet, decrypted when the channel's key is known, becomes the JSON that firmware up to
 * 2.7 wrote itself (2.8 does no more), for the rules of meshtastic.rules. Of positions and of the
 * names of nodes nothing is taken. What we sent ourselves comes back from the broker and is
 * dropped. A packet that cannot be decrypted still says who was heard; what is no envelope at all
 * is kept raw.
 *
 * Down: the text as a packet of our own node, which no real one may be: nodes drop what comes with
 * their own number, and firmware 2.8 drops what is unsigned from nodes known to sign. It asks for
 * an acknowledgement (a routing packet with request_id, error 0). Or, when it is configured so, as
 * JSON for firmware up to 2.7.
 *
 * Not here: direct messages that are encrypted for one node (PKI) cannot be read and count as
 * heard; nothing of ours is signed (XEdDSA), and no signature is checked. So commands come on the
 * channel, and its key is what tells our people from others. */
#include "mqtt/radio/driver.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "mqtt/radio/pbuf.h"
#include "mqtt/tls.h"
#include "mqtt/topic.h"

#define BROADCAST UINT32_MAX

enum {
    ENVELOPE_PACKET = 1,
    ENVELOPE_CHANNEL = 2,
    ENVELOPE_GATEWAY = 3,

    PACKET_FROM = 1,
    PACKET_TO = 2,
    PACKET_CHANNEL = 3, /* its hash when encrypted */
    PACKET_DECODED = 4,
    PACKET_ENCRYPTED = 5,
    PACKET_ID = 6,
    PACKET_RX_TIME = 7,
    PACKET_HOP_LIMIT = 9,
    PACKET_WANT_ACK = 10,
    PACKET_HOP_START = 15,

    DATA_PORT = 1,
    DATA_PAYLOAD = 2,
    DATA_REQUEST_ID = 6,

    PORT_TEXT = 1,
    PORT_POSITION = 3,
    PORT_NODE_INFO = 4,
    PORT_ROUTING = 5,
    PORT_DETECTION = 10,
    PORT_TELEMETRY = 67,

    ROUTING_ERROR = 3,
    TELEMETRY_DEVICE = 2,
    DEVICE_BATTERY = 1,

    GATEWAY_BYTES = 16,
    SENT_BYTES = 1024, /* of one message to the broker: the buffer of the nodes' client */
    DATA_BYTES = 512,  /* of one packet's data */
};

struct bytes {
    const uint8_t *at;
    size_t size;
};

struct packet {
    uint32_t from, to, id, rx_time;
    struct bytes decoded, encrypted;
    bool is_encrypted;
    char gateway[GATEWAY_BYTES];
};

struct data {
    uint32_t port, request_id;
    struct bytes payload;
};

static bool is_of(const struct pbuf_field *field, uint32_t number, enum pbuf_wire wire)
{
    return field->number == number && field->wire == wire;
}

static struct bytes bytes_of(const struct pbuf_field *field)
{
    return (struct bytes){field->bytes, field->size};
}

/* --- up --- */

static bool read_packet(struct bytes bytes, struct packet *ret)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    int got;
    pbuf_read(&reader, bytes.at, bytes.size);
    while ((got = pbuf_next(&reader, &field)) > 0) {
        if (is_of(&field, PACKET_FROM, PBUF_FIXED32))
            ret->from = (uint32_t)field.value;
        else if (is_of(&field, PACKET_TO, PBUF_FIXED32))
            ret->to = (uint32_t)field.value;
        else if (is_of(&field, PACKET_ID, PBUF_FIXED32))
            ret->id = (uint32_t)field.value;
        else if (is_of(&field, PACKET_RX_TIME, PBUF_FIXED32))
            ret->rx_time = (uint32_t)field.value;
        else if (is_of(&field, PACKET_DECODED, PBUF_BYTES))
            ret->decoded = bytes_of(&field);
        else if (is_of(&field, PACKET_ENCRYPTED, PBUF_BYTES))
            ret->encrypted = bytes_of(&field);
    }
    ret->is_encrypted = ret->encrypted.size > 0;
    return got == 0 && ret->from != 0;
}

static bool read_envelope(const void *payload, size_t size, struct packet *ret)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    struct bytes packet = {NULL, 0};
    int got;
    *ret = (struct packet){.to = BROADCAST};
    pbuf_read(&reader, payload, size);
    while ((got = pbuf_next(&reader, &field)) > 0) {
        if (is_of(&field, ENVELOPE_PACKET, PBUF_BYTES))
            packet = bytes_of(&field);
        else if (is_of(&field, ENVELOPE_GATEWAY, PBUF_BYTES))
            text_copy_utf8(ret->gateway, sizeof ret->gateway, (const char *)field.bytes,
                           field.size);
    }
    return got == 0 && packet.at != NULL && read_packet(packet, ret);
}

static bool read_data(struct bytes bytes, struct data *ret)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    int got;
    *ret = (struct data){.port = 0};
    pbuf_read(&reader, bytes.at, bytes.size);
    while ((got = pbuf_next(&reader, &field)) > 0) {
        if (is_of(&field, DATA_PORT, PBUF_VARINT) && field.value <= UINT32_MAX)
            ret->port = (uint32_t)field.value;
        else if (is_of(&field, DATA_PAYLOAD, PBUF_BYTES))
            ret->payload = bytes_of(&field);
        else if (is_of(&field, DATA_REQUEST_ID, PBUF_FIXED32))
            ret->request_id = (uint32_t)field.value;
    }
    return got == 0 && ret->port != 0;
}

/* The counter of the first block: number and sender of the packet, least byte first (CryptoEngine
 * of the firmware). The same to encrypt and to decrypt. */
static bool apply_key(const struct radio_link *link, uint32_t id, uint32_t from, const void *bytes,
                      size_t size, uint8_t *ret)
{
    uint8_t counter[16] = {0};
    for (int i = 0; i < 4; i++) {
        counter[i] = (uint8_t)(id >> (8 * i));
        counter[8 + i] = (uint8_t)(from >> (8 * i));
    }
    return tls_aes_ctr(link->key, link->key_size, counter, bytes, size, ret);
}

/* False: it is for another key, or damaged. `room` keeps what was decrypted. */
static bool open_data(const struct radio_link *link, const struct packet *packet,
                      uint8_t room[DATA_BYTES], struct data *ret)
{
    if (!packet->is_encrypted)
        return read_data(packet->decoded, ret);
    if (link->key_size == 0 || packet->encrypted.size > DATA_BYTES ||
        !apply_key(link, packet->id, packet->from, packet->encrypted.at, packet->encrypted.size,
                   room))
        return false;
    return read_data((struct bytes){room, packet->encrypted.size}, ret);
}

/* The first number of this field; -1: there is none, or these bytes are no message. */
static int64_t find_number(struct bytes bytes, uint32_t number)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    pbuf_read(&reader, bytes.at, bytes.size);
    while (pbuf_next(&reader, &field) > 0)
        if (is_of(&field, number, PBUF_VARINT) && field.value <= INT32_MAX)
            return (int64_t)field.value;
    return -1;
}

static struct bytes find_bytes(struct bytes bytes, uint32_t number)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    pbuf_read(&reader, bytes.at, bytes.size);
    while (pbuf_next(&reader, &field) > 0)
        if (is_of(&field, number, PBUF_BYTES))
            return bytes_of(&field);
    return (struct bytes){NULL, 0};
}

/* Line ends and the like become spaces: a command is one line. */
static bool set_text(struct json *payload, struct bytes bytes)
{
    char text[LIMIT_RADIO_TEXT_BYTES + 1];
    if (bytes.size == 0 || bytes.size > LIMIT_RADIO_TEXT_BYTES ||
        !text_utf8_valid((const char *)bytes.at, bytes.size))
        return false;
    for (size_t i = 0; i < bytes.size; i++)
        text[i] = bytes.at[i] < ' ' || bytes.at[i] == 0x7f ? ' ' : (char)bytes.at[i];
    text[bytes.size] = '\0';
    json_set_text(payload, "text", text);
    return true;
}

/* Returns the type; what is of use goes into `payload`. */
static const char *describe(const struct data *data, struct json *payload)
{
    switch (data->port) {
    case PORT_TEXT:
        return set_text(payload, data->payload) ? "text" : "unreadable";
    case PORT_DETECTION:
        return "detection";
    case PORT_ROUTING: {
        if (data->request_id == 0)
            return "routing_route";
        int64_t error = find_number(data->payload, ROUTING_ERROR);
        json_set_int(payload, "request_id", data->request_id);
        json_set_int(payload, "error", error < 0 ? 0 : error); /* proto3: 0 is left out */
        return "routing";
    }
    case PORT_TELEMETRY: {
        int64_t level = find_number(find_bytes(data->payload, TELEMETRY_DEVICE), DEVICE_BATTERY);
        if (level >= 0)
            json_set_int(payload, "battery_level", level);
        return "telemetry";
    }
    case PORT_POSITION:
        return "position";
    case PORT_NODE_INFO:
        return "nodeinfo";
    default:
        return "other";
    }
}

static bool write_json(const struct packet *packet, const struct data *data, struct buf *ret)
{
    struct json *json = json_new_object(), *payload = json_new_object();
    const char *type = data != NULL ? describe(data, payload) : "encrypted";
    json_set_text(json, "type", type);
    json_set_int(json, "from", packet->from);
    json_set_int(json, "to", packet->to);
    json_set_int(json, "id", packet->id);
    json_set_int(json, "timestamp", packet->rx_time);
    json_set_text(json, "sender", packet->gateway);
    json_set(json, "payload", payload);
    bool fits = json_write(json, ret);
    json_free(json);
    return fits;
}

enum { LEVEL_BYTES = 8 };

/* <root>/2/<form>/<channel>/<gateway>, whatever the root: "msh" in old firmware, then with the
 * region, and with what people add to it. */
static bool is_form(const char *topic, const char *form)
{
    char two[LEVEL_BYTES], found[LEVEL_BYTES];
    return strncmp(topic, "msh/", 4) == 0 && topic_level(topic, -4, two, sizeof two) &&
           strcmp(two, "2") == 0 && topic_level(topic, -3, found, sizeof found) &&
           strcmp(found, form) == 0;
}

static bool is_packet_topic(const char *topic)
{
    return is_form(topic, "e") || is_form(topic, "c");
}

/* What we sent as JSON: its last level is empty. */
static bool is_own_json(const char *topic)
{
    char gateway[LEVEL_BYTES];
    return is_form(topic, "json") && topic_level(topic, -1, gateway, sizeof gateway) &&
           gateway[0] == '\0';
}

static void own_name(const struct radio_link *link, char ret[GATEWAY_BYTES])
{
    snprintf(ret, GATEWAY_BYTES, "!%08x", (unsigned)link->node);
}

static int decode(const struct radio_link *link, const char *topic, const void *payload,
                  size_t size, struct buf *ret)
{
    struct packet packet;
    struct data data;
    uint8_t room[DATA_BYTES];
    char own[GATEWAY_BYTES];
    if (!is_packet_topic(topic))
        return is_own_json(topic) ? 1 : 0;
    if (!read_envelope(payload, size, &packet))
        return -1;
    own_name(link, own);
    if (!link->json && strcmp(packet.gateway, own) == 0)
        return 1; /* our own message */
    bool opened = open_data(link, &packet, room, &data);
    return write_json(&packet, opened ? &data : NULL, ret) ? 1 : -1;
}

/* --- down --- */

static enum radio_ack ack(const struct radio_link *link)
{
    return link->json ? RADIO_ACK_NONE : RADIO_ACK_DELIVERED;
}

static size_t max_bytes(const struct radio_link *link)
{
    return lora_text_bytes(link->preset, link->emission_ms);
}

static int air_ms(const struct radio_link *link, size_t text_bytes)
{
    return lora_air_ms(link->preset, text_bytes + LORA_OVERHEAD_BYTES);
}

/* Tells nodes which of their channels an encrypted packet is of (Channels::generateHash). */
static uint32_t channel_hash(const struct radio_link *link)
{
    uint8_t hash = 0;
    for (const char *at = link->channel; *at != '\0'; at++)
        hash ^= (uint8_t)*at;
    for (size_t i = 0; i < link->key_size; i++)
        hash ^= link->key[i];
    return hash;
}

static bool add_data(const struct radio_link *link, const struct radio_packet *packet,
                     struct buf *out)
{
    uint8_t bytes[DATA_BYTES];
    struct buf data;
    buf_init(&data, DATA_BYTES);
    pbuf_add_varint(&data, DATA_PORT, PORT_TEXT);
    pbuf_add_bytes(&data, DATA_PAYLOAD, packet->text, strlen(packet->text));
    bool good = !data.failed;
    if (good && link->key_size == 0) {
        pbuf_add_bytes(out, PACKET_DECODED, data.bytes, data.size);
    } else if (good) {
        good = apply_key(link, packet->id, link->node, data.bytes, data.size, bytes);
        pbuf_add_varint(out, PACKET_CHANNEL, channel_hash(link));
        pbuf_add_bytes(out, PACKET_ENCRYPTED, bytes, good ? data.size : 0);
    }
    buf_free(&data);
    return good;
}

static bool write_packet(const struct radio_link *link, const struct radio_packet *packet,
                         uint32_t to, struct buf *out)
{
    pbuf_add_fixed32(out, PACKET_FROM, link->node);
    pbuf_add_fixed32(out, PACKET_TO, to);
    if (!add_data(link, packet, out))
        return false;
    pbuf_add_fixed32(out, PACKET_ID, packet->id);
    pbuf_add_varint(out, PACKET_HOP_LIMIT, (uint64_t)link->hops);
    pbuf_add_varint(out, PACKET_WANT_ACK, 1);
    pbuf_add_varint(out, PACKET_HOP_START, (uint64_t)link->hops);
    return !out->failed;
}

/* The only way into firmware that takes no protobuf from a broker: through its channel "mqtt", in
 * the gateway's own name. It gives the packet a number of its own, so nothing comes back. */
static int encode_json(const struct radio_link *link, const struct radio_packet *packet,
                       uint32_t to, struct buf *ret_topic, struct buf *ret_payload, struct err *err)
{
    struct json *json = json_new_object();
    json_set_int(json, "from", link->node);
    json_set_int(json, "to", to);
    json_set_int(json, "channel", link->channel_index);
    json_set_int(json, "hopLimit", link->hops);
    json_set_text(json, "type", "sendtext");
    json_set_text(json, "payload", packet->text);
    buf_printf(ret_topic, "%s/2/json/mqtt/", link->root);
    bool good = json_write(json, ret_payload) && !ret_topic->failed;
    json_free(json);
    if (!good || ret_payload->size > SENT_BYTES)
        return err_set(err, ERR_LIMIT, "the packet is too long");
    return ERR_OK;
}

static int encode(const struct radio_link *link, const struct radio_packet *packet,
                  struct buf *ret_topic, struct buf *ret_payload, struct err *err)
{
    uint32_t to;
    char own[GATEWAY_BYTES];
    struct buf bytes;
    if (link->channel[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, "radio.channel is not set");
    if (!radio_node_number(packet->node, &to))
        return err_set(err, ERR_INVALID, "\"%.40s\" is no node of a mesh", packet->node);
    if (strlen(packet->text) > max_bytes(link))
        return err_set(err, ERR_LIMIT, "the text is longer than one packet");
    if (link->json)
        return encode_json(link, packet, to, ret_topic, ret_payload, err);
    own_name(link, own);
    buf_init(&bytes, SENT_BYTES);
    bool good = write_packet(link, packet, to, &bytes);
    buf_printf(ret_topic, "%s/2/e/%s/%s", link->root, link->channel, own);
    pbuf_add_bytes(ret_payload, ENVELOPE_PACKET, bytes.bytes, bytes.size);
    pbuf_add_bytes(ret_payload, ENVELOPE_CHANNEL, link->channel, strlen(link->channel));
    pbuf_add_bytes(ret_payload, ENVELOPE_GATEWAY, own, strlen(own));
    buf_free(&bytes);
    if (!good || ret_topic->failed || ret_payload->failed || ret_payload->size > SENT_BYTES)
        return err_set(err, ERR_LIMIT, "the packet is too long");
    return ERR_OK;
}

const struct radio_driver radio_meshtastic = {
    .name = "meshtastic",
    .ack = ack,
    .max_bytes = max_bytes,
    .air_ms = air_ms,
    .encode = encode,
    .decode = decode,
};
