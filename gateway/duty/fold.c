/* Folding and comparing; see fold.h. One pass over the text: each code point is brought to its
 * plain form and either kept, or counted as a gap, or (inside 【…】) forgotten. Nothing can fail:
 * bad bytes are gaps, and what is longer than a short message can be is cut. */
#include "gateway/duty/fold.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/recognise.h"
#include "gateway/duty/unihan.h"

enum { WORD_MAX = 24 };

static bool is_between(uint32_t cp, uint32_t first, uint32_t last)
{
    return cp >= first && cp <= last;
}

static bool is_alnum(uint32_t cp)
{
    return is_between(cp, '0', '9') || is_between(cp, 'A', 'Z') || is_between(cp, 'a', 'z');
}

/* Punctuation, spaces, joiners, variation selectors, the keycap. */
static bool is_gap(uint32_t cp)
{
    if (cp < 0x80)
        return !is_alnum(cp);
    return is_between(cp, 0x80, 0xbf) || is_between(cp, 0x2000, 0x20e3) ||
           is_between(cp, 0x2e00, 0x2e7f) || is_between(cp, 0x3000, 0x303f) ||
           is_between(cp, 0xfe00, 0xfe6f) || is_between(cp, 0xff00, 0xff65) || cp == 0xfeff ||
           cp == 0xd7;
}

static uint32_t fold_one(uint32_t cp)
{
    switch (cp) {
    case 0x4e00: /* 一 */
        return '1';
    case 0x4e8c: /* 二 */
    case 0x4e24: /* 两 */
        return '2';
    case 0x4e09: /* 三 */
        return '3';
    default:
        return is_between(cp, 'a', 'z') ? cp - ('a' - 'A') : cp;
    }
}

struct folder {
    struct folded *out;
    size_t size; /* bytes of plain */
    bool gap;
    bool in_signature;
};

static void add(struct folder *folder, uint32_t cp)
{
    struct folded *out = folder->out;
    char bytes[4];
    size_t size = text_utf8_encode(cp, bytes);
    if (folder->size + size >= sizeof out->plain)
        return;
    if (is_gap(cp)) {
        folder->gap = true;
    } else if (out->count < LIMIT_SMS_UNITS) {
        out->cp[out->count] = fold_one(cp);
        out->at[out->count] = (uint16_t)folder->size;
        out->gap[out->count++] = folder->gap;
        folder->gap = false;
    }
    memcpy(out->plain + folder->size, bytes, size);
    folder->size += size;
}

/* A signature only counts when it is closed: a lone 【 is punctuation. */
static bool closes(const char *text, size_t size)
{
    size_t close = strlen("】");
    for (size_t i = 0; i + close <= size; i++)
        if (memcmp(text + i, "】", close) == 0)
            return true;
    return false;
}

static void take(struct folder *folder, uint32_t cp, const char *rest, size_t rest_size)
{
    if (cp == 0x3010 && closes(rest, rest_size)) {
        folder->in_signature = true;
    } else if (cp == 0x3011) {
        folder->in_signature = false;
        folder->gap = true;
    } else if (!folder->in_signature) {
        if (cp == '?')
            folder->out->asked = true;
        add(folder, cp);
    }
}

void fold_text(const char *text, struct folded *ret)
{
    struct folder folder = {.out = ret};
    size_t total = strlen(text);
    ret->count = 0;
    ret->asked = false;
    for (size_t at = 0, length; at < total; at += length) {
        uint32_t cp = ' ';
        length = text_utf8_decode(text + at, total - at, &cp);
        if (length == 0)
            length = 1;
        take(&folder, unihan_plain(cp), text + at + length, total - at - length);
    }
    ret->plain[folder.size] = '\0';
}

void recognise_fold(const char *text, char *ret, size_t size)
{
    struct folded folded;
    char out[LIMIT_SMS_TEXT_BYTES + 1];
    size_t used = 0;
    fold_text(text, &folded);
    for (size_t i = 0; i < folded.count && used + 4 < sizeof out; i++)
        used += text_utf8_encode(folded.cp[i], out + used);
    text_copy_utf8(ret, size, out, used);
}

static size_t decode_word(const char *word, uint32_t ret[WORD_MAX])
{
    size_t size = strlen(word), count = 0;
    for (size_t at = 0; at < size && count < WORD_MAX;)
        at += text_utf8_decode(word + at, size - at, &ret[count++]);
    return count;
}

size_t span_size(struct span span)
{
    return span.to - span.from;
}

size_t span_starts(struct span span, const char *word)
{
    size_t size = strlen(word), at = span.from;
    for (size_t read = 0; read < size; at++) {
        uint32_t cp;
        read += text_utf8_decode(word + read, size - read, &cp);
        if (at >= span.to || span.text->cp[at] != cp)
            return 0; /* nearly always at the first character */
    }
    return at - span.from;
}

static size_t count_characters(const char *word)
{
    size_t count = 0;
    for (; *word != '\0'; word++)
        count += (*word & 0xc0) != 0x80; /* not a continuation byte */
    return count;
}

size_t span_ends(struct span span, const char *word)
{
    size_t count = count_characters(word);
    struct span tail = {span.text, span.to - count, span.to};
    return span_size(span) >= count ? span_starts(tail, word) : 0;
}

bool span_is(struct span span, const char *word)
{
    return span_size(span) > 0 && span_starts(span, word) == span_size(span);
}

bool span_has(struct span span, const char *word)
{
    for (; span.from < span.to; span.from++)
        if (span_starts(span, word) > 0)
            return true;
    return false;
}

bool span_is_digits(struct span span)
{
    for (size_t i = span.from; i < span.to; i++)
        if (!is_between(span.text->cp[i], '0', '9'))
            return false;
    return span_size(span) > 0;
}

static bool shares_sound(uint32_t a, uint32_t b)
{
    uint16_t sounds_a[UNIHAN_SOUNDS_MAX], sounds_b[UNIHAN_SOUNDS_MAX];
    int count_a = unihan_sounds(a, sounds_a), count_b = unihan_sounds(b, sounds_b);
    for (int i = 0; i < count_a; i++)
        for (int j = 0; j < count_b; j++)
            if (sounds_a[i] == sounds_b[j])
                return true;
    return false;
}

bool span_sounds_like(struct span span, const char *word)
{
    uint32_t cps[WORD_MAX];
    size_t count = decode_word(word, cps);
    if (count != span_size(span))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!shares_sound(cps[i], span.text->cp[span.from + i]))
            return false;
    return count > 0;
}

/* The letters that the span has of a syllable that it starts with, else 0. */
static size_t takes_syllable(struct span span, const char *name)
{
    size_t size = 0;
    for (; name[size] != '\0'; size++)
        if (span.from + size >= span.to || span.text->cp[span.from + size] != (uint32_t)name[size])
            return 0;
    return size;
}

/* A character may be read in several ways: each is tried. Words are short. */
static bool spells_all(struct span span, const uint32_t *cps, size_t count)
{
    uint16_t sounds[UNIHAN_SOUNDS_MAX];
    if (count == 0)
        return span_size(span) == 0;
    int readings = unihan_sounds(cps[0], sounds);
    for (int i = 0; i < readings; i++) {
        size_t taken = takes_syllable(span, unihan_spell(sounds[i]));
        struct span rest = {span.text, span.from + taken, span.to};
        if (taken > 0 && spells_all(rest, cps + 1, count - 1))
            return true;
    }
    return false;
}

bool span_spells(struct span span, const char *word)
{
    uint32_t cps[WORD_MAX];
    size_t count = decode_word(word, cps);
    return span_size(span) > 0 && spells_all(span, cps, count);
}

bool span_nearly(struct span span, const char *word)
{
    uint32_t cps[WORD_MAX];
    size_t count = decode_word(word, cps), size = span_size(span), head = 0, tail = 0;
    const uint32_t *text = span.text->cp + span.from;
    if (size > count + 1 || count > size + 1)
        return false;
    size_t least = size < count ? size : count;
    while (head < least && text[head] == cps[head])
        head++;
    while (tail < least - head && text[size - 1 - tail] == cps[count - 1 - tail])
        tail++;
    if (size != count || head == size)
        return (size > count ? size : count) - head - tail <= 1;
    return head + tail + 1 == size && shares_sound(text[head], cps[head]);
}

void span_copy(struct span span, char *ret, size_t size)
{
    ret[0] = '\0';
    if (span_size(span) == 0)
        return;
    const char *plain = span.text->plain;
    size_t from = span.text->at[span.from];
    size_t last = span.text->at[span.to - 1];
    uint32_t cp;
    size_t to = last + text_utf8_decode(plain + last, strlen(plain + last), &cp);
    text_copy_utf8(ret, size, plain + from, to - from);
}
