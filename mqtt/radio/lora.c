/* Air time; see lora.h. Whole numbers only: symbols in microseconds, counted up. */
#include "mqtt/radio/lora.h"

enum { PREAMBLE_QUARTERS = 4 * 16 + 17 /* 16 symbols and the sync word's 4.25 */ };

static const struct lora_preset presets[LORA_PRESETS] = {
    [LORA_SHORT_TURBO] = {"short_turbo", 7, 500000, 5},
    [LORA_SHORT_FAST] = {"short_fast", 7, 250000, 5},
    [LORA_SHORT_SLOW] = {"short_slow", 8, 250000, 5},
    [LORA_MEDIUM_FAST] = {"medium_fast", 9, 250000, 5},
    [LORA_MEDIUM_SLOW] = {"medium_slow", 10, 250000, 5},
    [LORA_LONG_FAST] = {"long_fast", 11, 250000, 5},
    [LORA_LONG_MODERATE] = {"long_moderate", 11, 125000, 8},
    [LORA_LONG_SLOW] = {"long_slow", 12, 125000, 8},
};

const struct lora_preset *lora_preset(enum lora_preset_id id)
{
    return &presets[id];
}

/* With a header, a CRC, and the low data rate optimisation for symbols of 16 ms and more. */
int lora_air_ms(const struct lora_preset *preset, size_t packet_bytes)
{
    long symbol_us = (1L << preset->spreading) * 1000000L / preset->bandwidth_hz;
    long slow = symbol_us >= 16000 ? 2 : 0;
    long per_block = 4 * (preset->spreading - slow);
    long bits = 8 * (long)packet_bytes - 4 * preset->spreading + 28 + 16;
    long blocks = bits > 0 ? (bits + per_block - 1) / per_block : 0;
    long quarters = PREAMBLE_QUARTERS + 4 * (8 + blocks * preset->coding);
    return (int)((quarters * symbol_us / 4 + 999) / 1000);
}

size_t lora_text_bytes(const struct lora_preset *preset, int emission_ms)
{
    size_t bytes = LORA_TEXT_MAX;
    while (bytes > 0 && lora_air_ms(preset, bytes + LORA_OVERHEAD_BYTES) > emission_ms)
        bytes--;
    return bytes;
}
