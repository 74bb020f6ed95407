/* What it costs to read one payload by the shipped rules, photos cut out first, in processor time:
 * us_per_message with "bytes", for a record of 200 B, with a photo of 30 kB, and of 200 kB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "mqtt/mapping.h"
#include "mqtt/payload.h"

enum { ROUNDS = 5, RUN_US = 300000 };

static size_t make_payload(char *text, size_t bytes)
{
    static const char head[] =
        "{\"operator\":\"RecPush\",\"info\":{\"personId\":\"22\",\"RecordID\":\"389\","
        "\"VerifyStatus\":\"1\",\"facesluiceId\":\"FT1401\",\"time\":\"2026-09-01 07:20:05\","
        "\"PushType\":0,\"pic\":\"";
    memset(text, 'A', bytes);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + bytes - 3, "\"}}", 3);
    return bytes;
}

static int map_once(struct mapping *mapping, const char *text, size_t size, struct buf *cut)
{
    struct mapped mapped;
    const char *reason;
    buf_clear(cut);
    if (!text_utf8_valid(text, size) || !payload_cut(text, size, cut) ||
        !mapping_begin(mapping, "mqtt/face/FT1401/Rec", buf_text(cut), cut->size, &reason))
        abort();
    return mapping_next(mapping, &mapped, &reason);
}

static double measure(struct mapping *mapping, const char *text, size_t size)
{
    struct buf cut;
    double best = 1e9;
    buf_init(&cut, LIMIT_MQTT_MAPPED_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t from = clock_thread_us(), used = 0;
        int count = 0;
        for (; used < RUN_US / ROUNDS; count += 10, used = clock_thread_us() - from)
            for (int i = 0; i < 10; i++)
                if (map_once(mapping, text, size, &cut) != 1)
                    abort();
        double one = (double)used / count;
        best = one < best ? one : best;
    }
    buf_free(&cut);
    return best;
}

int main(void)
{
    static const size_t sizes[] = {200, 30000, 200000};
    static char text[200001];
    struct mapping *mapping;
    struct err err;
    if (mapping_open(NULL, &mapping, &err) != ERR_OK)
        return 1;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = make_payload(text, sizes[i]);
        printf("{\"bench\":\"mapping\",\"figure\":\"us_per_message\",\"value\":%.2f,"
               "\"unit\":\"us\",\"bytes\":%zu}\n",
               measure(mapping, text, size), size);
    }
    mapping_close(mapping);
    return 0;
}
