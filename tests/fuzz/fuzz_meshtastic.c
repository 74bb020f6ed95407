/* Any bytes as a message of a Meshtastic node, in clear and through the channel's key, and on
 * through the shipped rules. What is made of them is JSON, and what the rules take from it is plain
 * text; and fields that the reader finds lie within the message. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "mqtt/radio/pbuf.h"
#include "mqtt/radio/radio.h"
#include "tests/lib/fuzz.h"

#define TOPIC "msh/CN/2/e/touyan/!7efeee00"

static struct mapping *mapping;
static struct radio_link links[2];

static void open_once(void)
{
    struct err err;
    if (mapping != NULL)
        return;
    for (int i = 0; i < 2; i++) {
        const struct radio_settings settings = {.station = "S0117",
                                                .root = "msh/CN",
                                                .channel = "touyan",
                                                .node = "",
                                                .key = i == 0 ? NULL : "AQ==",
                                                .preset = LORA_MEDIUM_FAST,
                                                .emission_ms = 1000,
                                                .hops = 3,
                                                .text_bytes = 140,
                                                .text_gap_ms = 2000};
        if (radio_link_make(&settings, &links[i], &err) != ERR_OK)
            abort();
    }
    if (mapping_open(NULL, &mapping, &err) != ERR_OK)
        abort();
}

static void check_fields(const uint8_t *bytes, size_t size, int depth)
{
    struct pbuf_reader reader;
    struct pbuf_field field;
    pbuf_read(&reader, bytes, size);
    while (pbuf_next(&reader, &field) > 0) {
        assert(field.number > 0);
        if (field.wire != PBUF_BYTES)
            continue;
        assert(field.bytes >= bytes && field.bytes + field.size <= bytes + size);
        if (depth < 4)
            check_fields(field.bytes, field.size, depth + 1);
    }
}

static void map(const struct buf *json)
{
    struct mapped mapped;
    const char *reason = NULL;
    if (!mapping_begin(mapping, TOPIC, buf_text(json), json->size, &reason))
        return;
    while (mapping_next(mapping, &mapped, &reason) > 0) {
        assert(mapped.kind == MQTT_TEXT || mapped.kind == MQTT_DELIVERED ||
               mapped.kind == MQTT_INTRUSION || mapped.kind == MQTT_TELEMETRY);
        assert(strlen(mapped.text) <= LIMIT_RADIO_TEXT_BYTES);
        assert(text_utf8_valid(mapped.text, strlen(mapped.text)));
        for (const char *at = mapped.text; *at != '\0'; at++)
            assert((unsigned char)*at >= ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    open_once();
    check_fields(bytes, size, 0);
    for (int i = 0; i < 2; i++) {
        struct json *json = NULL;
        struct buf out;
        buf_init(&out, LIMIT_MQTT_MAPPED_BYTES);
        if (radio_meshtastic.decode(&links[i], TOPIC, bytes, size, &out) > 0 && out.size > 0) {
            assert(json_parse(buf_text(&out), out.size, &json, NULL) == ERR_OK);
            json_free(json);
            map(&out);
        }
        buf_free(&out);
    }
    return 0;
}
