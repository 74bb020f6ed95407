/* Our Meshtastic codec on lines, for meshtastic/peer.js:
 *
 *   decode TOPIC KEY HEX             -> the JSON that the rules read; "none", "unreadable"
 *   encode NODE NUMBER KEY HEX(TEXT) -> TOPIC HEX
 *
 * KEY is Base64 or "-". Whatever cannot be done ends it with status 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "mqtt/radio/radio.h"

enum { LINE_BYTES = 8192, BYTES = 4096 };

static struct radio_link link_of(const char *key)
{
    struct radio_link link;
    struct err err = {0};
    const struct radio_settings settings = {
        .station = "S0117",
        .root = "msh/CN",
        .channel = "touyan",
        .node = "!7d0a0001",
        .key = strcmp(key, "-") == 0 ? NULL : key,
        .preset = LORA_SHORT_FAST,
        .emission_ms = 1000,
        .hops = 3,
        .text_bytes = 140,
        .text_gap_ms = 2000,
    };
    if (radio_link_make(&settings, &link, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return link;
}

static size_t from_hex(const char *hex, uint8_t ret[BYTES])
{
    int size = text_from_hex(hex, strlen(hex), ret, BYTES - 1);
    if (size < 0)
        exit(1);
    ret[size] = '\0';
    return (size_t)size;
}

static void decode(const char *topic, const char *key, const char *hex)
{
    struct radio_link link = link_of(key);
    uint8_t bytes[BYTES];
    struct buf out;
    buf_init(&out, LINE_BYTES);
    size_t size = from_hex(hex, bytes);
    int got = radio_meshtastic.decode(&link, topic, bytes, size, &out);
    puts(got < 0 ? "unreadable" : got == 0 || out.size == 0 ? "none" : buf_text(&out));
    buf_free(&out);
}

static void encode(const char *node, const char *number, const char *key, const char *hex)
{
    struct radio_link link = link_of(key);
    uint8_t text[BYTES];
    char *sent;
    struct buf topic, payload;
    struct err err = {0};
    int64_t id;
    buf_init(&topic, LINE_BYTES);
    buf_init(&payload, LINE_BYTES);
    from_hex(hex, text);
    struct radio_packet packet = {.node = node, .channel = "", .text = (const char *)text};
    if (!text_to_int64(number, 1, UINT32_MAX, &id))
        exit(1);
    packet.id = (uint32_t)id;
    if (radio_meshtastic.encode(&link, &packet, &topic, &payload, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    sent = malloc(2 * payload.size + 1);
    if (sent == NULL)
        exit(1);
    text_to_hex(payload.bytes, payload.size, sent);
    printf("%s %s\n", buf_text(&topic), sent);
    free(sent);
    buf_free(&topic);
    buf_free(&payload);
}

int main(void)
{
    static char line[LINE_BYTES];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *words[6], *rest = NULL;
        int count = 0;
        for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < 6;
             word = strtok_r(NULL, " \n", &rest))
            words[count++] = word;
        if (count == 4 && strcmp(words[0], "decode") == 0)
            decode(words[1], words[2], words[3]);
        else if (count == 5 && strcmp(words[0], "encode") == 0)
            encode(words[1], words[2], words[3], words[4]);
        else
            return 1;
    }
    return 0;
}
