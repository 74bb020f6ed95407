/* Cutting; see split.h. Each part takes whole characters for as long as they fit, and at a space or
 * a sentence's end in its last third it ends there. */
#include "mqtt/radio/split.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

enum { MARK_BYTES = 4 /* "1/3 " */, CHARACTER_BYTES = 4 };

static bool ends_well(uint32_t cp)
{
    return cp == ' ' || cp == ',' || cp == ';' || cp == '.' || cp == 0x3002 || cp == 0xff0c ||
           cp == 0xff1b; /* 。，； */
}

/* Bytes of the next piece. */
static size_t take(const char *text, size_t room)
{
    size_t size = strlen(text), at = 0, good = 0;
    uint32_t cp = 0;
    if (size <= room)
        return size;
    while (at < size) {
        size_t length = text_utf8_decode(text + at, size - at, &cp);
        length = length > 0 ? length : 1;
        if (at + length > room)
            break;
        at += length;
        if (ends_well(cp) && at > room * 2 / 3)
            good = at;
    }
    return good > 0 ? good : at;
}

int split_count(const char *text, size_t max_bytes)
{
    int count = 0;
    if (strlen(text) <= max_bytes)
        return 1;
    if (max_bytes < MARK_BYTES + CHARACTER_BYTES)
        return 0;
    for (; *text != '\0'; count++)
        text += take(text, max_bytes - MARK_BYTES);
    return count <= LIMIT_RADIO_PARTS ? count : 0;
}

void split_part(const char *text, size_t max_bytes, int count, int index, char *ret)
{
    size_t size = strlen(text), mark = 0;
    if (count > 1) {
        for (int i = 0; i < index; i++)
            text += take(text, max_bytes - MARK_BYTES);
        size = take(text, max_bytes - MARK_BYTES);
        mark = (size_t)snprintf(ret, max_bytes + 1, "%d/%d ", index + 1, count);
    }
    memcpy(ret + mark, text, size);
    ret[mark + size] = '\0';
}
