/* From what is configured to what the drivers use. Everything that a person can get wrong is told
 * by the name of its option. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "mqtt/radio/radio.h"
#include "mqtt/topic.h"

enum {
    TEXT_BYTES_MIN = 40, /* of an alarm's line, so that two parts hold any */
    RADIO_ROOT_LEVELS = 4,
};

/* The key of the default channel, which everybody knows: "AQ==" stands for it, and "Ag==" for the
 * next (Channels::getKey of the firmware). */
static const uint8_t default_key[16] = {0xd4, 0xf1, 0xbb, 0x3a, 0x20, 0x29, 0x07, 0x59,
                                        0xf0, 0xbc, 0xff, 0xab, 0xcf, 0x4e, 0x69, 0x01};

static int digit64(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* RFC 4648, 4: with padding. Returns the bytes, -1: it is none, or too long. */
static int decode64(const char *text, uint8_t ret[RADIO_KEY_BYTES])
{
    size_t length = strlen(text), count = 0;
    uint32_t bits = 0;
    int used = 0;
    if (length == 0 || length % 4 != 0)
        return -1;
    while (length > 0 && text[length - 1] == '=' && strlen(text) - length < 2)
        length--;
    for (size_t i = 0; i < length; i++) {
        int digit = digit64(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        used += 6;
        if (used < 8)
            continue;
        used -= 8;
        if (count == RADIO_KEY_BYTES)
            return -1;
        ret[count++] = (uint8_t)(bits >> used);
    }
    return (int)count;
}

static int take_key(const char *text, struct radio_link *ret, struct err *err)
{
    if (text == NULL || text[0] == '\0')
        return ERR_OK;
    int size = decode64(text, ret->key);
    if (size == 1 && ret->key[0] != 0) {
        uint8_t number = ret->key[0];
        memcpy(ret->key, default_key, sizeof default_key);
        ret->key[15] = (uint8_t)(ret->key[15] + number - 1);
        size = sizeof default_key;
    }
    if (size != 16 && size != 32)
        return err_set(err, ERR_INVALID,
                       "radio.key_file: a channel's key is Base64 of 16 or 32 bytes, as the app "
                       "shows it, or AQ== for the one that everybody knows");
    ret->key_size = (size_t)size;
    return ERR_OK;
}

/* FNV-1a. Real nodes take theirs from their hardware's address; 0 and the broadcast are none. */
static uint32_t number_of(const char *station)
{
    uint32_t h = UINT32_C(2166136261);
    for (; *station != '\0'; station++)
        h = (h ^ (uint8_t)*station) * UINT32_C(16777619);
    return (h & UINT32_C(0x00ffffff)) | UINT32_C(0x7d000000);
}

static int take_node(const struct radio_settings *settings, struct radio_link *ret, struct err *err)
{
    ret->node = number_of(settings->station);
    if (settings->node[0] != '\0' && (!radio_node_number(settings->node, &ret->node) ||
                                      ret->node < 4 || ret->node == UINT32_MAX))
        return err_set(err, ERR_INVALID,
                       "radio.node: \"%.20s\" is no number of a node, such as !7d0a0001",
                       settings->node);
    return ERR_OK;
}

static int check_text_room(const struct radio_link *link, struct err *err)
{
    size_t room = lora_text_bytes(link->preset, link->emission_ms);
    if (link->channel[0] == '\0' || room >= TEXT_BYTES_MIN)
        return ERR_OK;
    return err_set(err, ERR_INVALID,
                   "radio.preset: within radio.emission_ms = %d a text of %s has %zu bytes, and an "
                   "alarm needs %d: take a faster preset",
                   link->emission_ms, link->preset->name, room, TEXT_BYTES_MIN);
}

static bool is_level(const char *text)
{
    return topic_name_valid(text) && strchr(text, '/') == NULL;
}

/* What meshtastic.rules subscribes to: "msh" and up to three levels. */
static bool is_root(const char *text)
{
    char level[RADIO_CHANNEL_BYTES + 1];
    return strncmp(text, "msh", 3) == 0 && (text[3] == '/' || text[3] == '\0') &&
           topic_name_valid(text) && text[strlen(text) - 1] != '/' &&
           !topic_level(text, RADIO_ROOT_LEVELS, level, sizeof level);
}

int radio_link_make(const struct radio_settings *settings, struct radio_link *ret, struct err *err)
{
    *ret = (struct radio_link){
        .preset = lora_preset(settings->preset),
        .emission_ms = settings->emission_ms,
        .hops = settings->hops,
        .json = settings->json,
        .channel_index = settings->channel_index,
        .text_bytes = settings->text_bytes,
        .text_gap_ms = settings->text_gap_ms,
    };
    if (settings->channel[0] != '\0' &&
        (!is_level(settings->channel) ||
         !text_copy(ret->channel, sizeof ret->channel, settings->channel)))
        return err_set(err, ERR_INVALID, "radio.channel: the name of a channel has no /, + or #");
    if (!is_root(settings->root) || !text_copy(ret->root, sizeof ret->root, settings->root))
        return err_set(err, ERR_INVALID,
                       "radio.root: msh, or msh/ and the region, such as msh/CN; at most %d levels",
                       RADIO_ROOT_LEVELS);
    if (settings->json && settings->node[0] == '\0')
        return err_set(
            err, ERR_INVALID,
            "radio.node: with downlink = json it is the number of the gateway's own node");
    int code = take_key(settings->key, ret, err);
    if (code == ERR_OK)
        code = take_node(settings, ret, err);
    return code == ERR_OK ? check_text_room(ret, err) : code;
}
