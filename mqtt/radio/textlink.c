/* Any other radio, by a program beside it that speaks plain text over MQTT: what it is sent is the
 * command "say" of its rule file, what it hears comes through the rules. And what drivers have in
 * common: which one a product has, and what its nodes are called. */
#include "mqtt/radio/driver.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "mqtt/template.h"
#include "mqtt/topic.h"

enum { MESH_NAME_DIGITS = 8 };

static enum radio_ack ack(const struct radio_link *link)
{
    (void)link;
    return RADIO_ACK_PASSED_ON;
}

static size_t max_bytes(const struct radio_link *link)
{
    return (size_t)link->text_bytes;
}

static int air_ms(const struct radio_link *link, size_t text_bytes)
{
    (void)text_bytes;
    return link->text_gap_ms;
}

static bool look(void *ctx, const char *name, char *ret, size_t size)
{
    const struct radio_packet *packet = ctx;
    if (strcmp(name, "device") == 0)
        return text_copy(ret, size, packet->node);
    if (strcmp(name, "text") == 0)
        return text_copy(ret, size, packet->text);
    if (strcmp(name, "channel") == 0)
        return packet->channel[0] != '\0' && text_copy(ret, size, packet->channel);
    if (strcmp(name, "id") == 0)
        return (size_t)snprintf(ret, size, "%u", (unsigned)packet->id) < size;
    return strcmp(name, "until_ms") == 0 &&
           (size_t)snprintf(ret, size, "%lld", (long long)packet->until_ms) < size;
}

static const struct rule_command *say_of(const struct product *product)
{
    for (int i = 0; product != NULL && i < product->command_count; i++)
        if (strcmp(product->commands[i].name, "say") == 0)
            return &product->commands[i];
    return NULL;
}

static int encode(const struct radio_link *link, const struct radio_packet *packet,
                  struct buf *ret_topic, struct buf *ret_payload, struct err *err)
{
    char name[TEMPLATE_NAME_BYTES + 1] = "";
    const struct rule_command *say = say_of(packet->product);
    struct radio_packet copy = *packet;
    if (say == NULL)
        return err_set(err, ERR_NOT_FOUND, "the rule file of this radio has no [command say]");
    if (strlen(packet->text) > max_bytes(link))
        return err_set(err, ERR_LIMIT, "the text is longer than radio.text_bytes");
    if (!template_fill(say->to, false, look, &copy, ret_topic, name) ||
        !template_fill(say->send, true, look, &copy, ret_payload, name))
        return err_set(err, ERR_INVALID, "its [command say] needs {%s}, which is not known", name);
    if (!topic_name_valid(buf_text(ret_topic)))
        return err_set(err, ERR_INVALID, "its [command say] makes no topic to publish to");
    return ERR_OK;
}

const struct radio_driver radio_text = {
    .name = "text",
    .ack = ack,
    .max_bytes = max_bytes,
    .air_ms = air_ms,
    .encode = encode,
};

const struct radio_driver *radio_driver_of(const char *product)
{
    return text_equal(product, radio_meshtastic.name) ? &radio_meshtastic : &radio_text;
}

bool radio_node_number(const char *name, uint32_t *ret)
{
    uint8_t bytes[MESH_NAME_DIGITS / 2];
    if (name[0] != '!' || strlen(name) != 1 + MESH_NAME_DIGITS ||
        text_from_hex(name + 1, MESH_NAME_DIGITS, bytes, sizeof bytes) != (int)sizeof bytes)
        return false;
    *ret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

bool radio_node_name(const char *product, const char *text, char ret[RADIO_NODE_BYTES + 1])
{
    uint32_t number;
    int64_t decimal;
    if (radio_driver_of(product) != &radio_meshtastic)
        return text[0] != '\0' && strpbrk(text, "+#/:") == NULL &&
               text_utf8_valid(text, strlen(text)) && text_copy(ret, RADIO_NODE_BYTES + 1, text);
    if (text_to_int64(text, 1, UINT32_MAX, &decimal))
        number = (uint32_t)decimal;
    else if (!radio_node_number(text, &number) || number == 0)
        return false;
    snprintf(ret, RADIO_NODE_BYTES + 1, "!%08x", (unsigned)number);
    return true;
}
