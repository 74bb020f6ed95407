/* Two passes: the first chooses the coding and counts, the second cuts greedily. A part is cut
 * before the code point that would not fit whole, so a part may be one unit short of its maximum.
 */
#include "sms/segment.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/gsm7.h"

static int cost_of(enum tpdu_coding coding, uint32_t cp)
{
    if (coding == TPDU_GSM7)
        return gsm7_cost(cp);
    return cp >= 0x10000 ? 2 : 1;
}

static int count_units(const char *text, size_t size, enum tpdu_coding coding)
{
    int units = 0;

    for (size_t at = 0; at < size;) {
        uint32_t cp = 0;

        at += text_utf8_decode(text + at, size - at, &cp);
        units += cost_of(coding, cp);
    }
    return units;
}

static bool is_single(enum tpdu_coding coding, int units)
{
    return units <= (coding == TPDU_GSM7 ? SEGMENT_GSM7_SINGLE : SEGMENT_UCS2_SINGLE);
}

/* Bytes from the start that fit `units`. */
static size_t fitting(const char *text, size_t size, enum tpdu_coding coding, int units)
{
    size_t at = 0;

    while (at < size) {
        uint32_t cp = 0;
        size_t length = text_utf8_decode(text + at, size - at, &cp);

        units -= cost_of(coding, cp);
        if (units < 0)
            break;
        at += length;
    }
    return at;
}

static int cut(const char *text, size_t size, struct segments *segments, struct err *err)
{
    int max = segments->coding == TPDU_GSM7 ? SEGMENT_GSM7_PART : SEGMENT_UCS2_PART;

    for (size_t at = 0; at < size;) {
        if (segments->count == LIMIT_SMS_PARTS_OUT)
            return err_set(err, ERR_LIMIT, "text of %d units needs more than %d parts",
                           segments->units, LIMIT_SMS_PARTS_OUT);
        struct segment *part = &segments->part[segments->count++];
        part->offset = at;
        part->size = fitting(text + at, size - at, segments->coding, max);
        at += part->size;
    }
    return ERR_OK;
}

int segment_text(const char *text, struct segments *ret, struct err *err)
{
    size_t size = strlen(text);
    struct segments segments = {.coding = tpdu_coding_for(text)};

    if (!text_utf8_valid(text, size))
        return err_set(err, ERR_INVALID, "text is not UTF-8");
    segments.units = count_units(text, size, segments.coding);
    if (is_single(segments.coding, segments.units)) {
        segments.count = 1;
        segments.part[0].size = size;
    } else if (cut(text, size, &segments, err)) {
        return ERR_LIMIT;
    }
    *ret = segments;
    return ERR_OK;
}

void segment_fill(const struct segments *segments, const char *text, int index, int ref,
                  struct tpdu *tpdu)
{
    assert(index >= 0 && index < segments->count);
    const struct segment *part = &segments->part[index];

    tpdu->coding = segments->coding;
    tpdu->concat = (struct tpdu_concat){0};
    if (segments->count > 1)
        tpdu->concat = (struct tpdu_concat){
            .present = true, .ref = ref & 0xff, .total = segments->count, .part = index + 1};
    text_copy_utf8(tpdu->text, sizeof tpdu->text, text + part->offset, part->size);
}
