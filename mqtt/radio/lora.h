/* LoRa: how long a packet keeps the air busy, and so how long a text may be. The air time is that
 * of Semtech's AN1200.13 with Meshtastic's modem presets, its preamble of 16 symbols and its
 * header. In mainland China 470-510 MHz allows no single emission of more than a second (MIIT 2019
 * no. 52), and with LongFast that is 73 bytes of text: 24 characters. */
#ifndef TOUYAN_MQTT_RADIO_LORA_H
#define TOUYAN_MQTT_RADIO_LORA_H

#include <stddef.h>

enum {
    LORA_TEXT_MAX = 200,     /* bytes of one text, what the apps allow */
    LORA_PACKET_MAX = 255,   /* bytes in the air */
    LORA_OVERHEAD_BYTES = 26 /* of a text: header of the packet, fields of the protobuf */
};

struct lora_preset {
    const char *name;
    int spreading;    /* factor, 7 to 12 */
    int bandwidth_hz; /* 125000, 250000, 500000 */
    int coding;       /* denominator: 5 is 4/5 */
};

/* In the order of the option radio.preset. */
enum lora_preset_id {
    LORA_SHORT_TURBO,
    LORA_SHORT_FAST,
    LORA_SHORT_SLOW,
    LORA_MEDIUM_FAST,
    LORA_MEDIUM_SLOW,
    LORA_LONG_FAST,
    LORA_LONG_MODERATE,
    LORA_LONG_SLOW,
    LORA_PRESETS
};
const struct lora_preset *lora_preset(enum lora_preset_id id);

/* Milliseconds, rounded up, of a packet of so many bytes. */
int lora_air_ms(const struct lora_preset *preset, size_t packet_bytes);

/* The longest text whose packet takes at most so long, at most LORA_TEXT_MAX; 0: not even one byte.
 */
size_t lora_text_bytes(const struct lora_preset *preset, int emission_ms);

#endif
