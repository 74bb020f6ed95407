/* Parts of long messages in any order, doubled, with references used again, against a book of what
 * came: a part joins a set only where its place is free, is called a duplicate only when the same
 * text is there, else begins a generation of its own; a set is complete when it has every number;
 * and what is given out is UTF-8 with every text in its place.
 *
 * Input: the number of parts, then for each part four bytes: number, time, text, halves. */
#include <assert.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sms/reassemble.h"
#include "tests/lib/fuzz.h"

enum { PARTS_MAX = 40, STEP_MS = 60 * 1000, TEXT_BYTES = 16, OUT_BYTES = 65536 };

struct book {
    struct reassemble_set sets[REASSEMBLE_SETS];
    struct reassemble_part parts[REASSEMBLE_SETS][PARTS_MAX];
    size_t count;
    int64_t now_ms;
    char texts[PARTS_MAX][TEXT_BYTES];
    size_t text_count;
};

/* Some texts are equal, some begin or end with half of a character. */
static struct reassemble_part make_part(struct book *book, const uint8_t *bytes)
{
    static const char *const words[] = {"", "a", "到岗", "\xef\xbf\xbd", "x", "[…]", "来", "1"};
    char *text = book->texts[book->text_count++];
    uint8_t halves = bytes[3];
    size_t size = 0;
    if (halves & 1)
        size += text_utf8_encode(0xfffd, text + size);
    const char *word = words[bytes[2] % 8];
    memcpy(text + size, word, strlen(word));
    size += strlen(word);
    if (halves & 2)
        size += text_utf8_encode(0xfffd, text + size);
    text[size] = '\0';
    return (struct reassemble_part){.text = text,
                                    .part = (int8_t)bytes[0],
                                    .head_low = halves & 1 ? 0xdc00 + (halves >> 4) : 0,
                                    .tail_high = halves & 2 ? 0xd83c : 0};
}

static const struct reassemble_part *find(const struct reassemble_set *set, int number)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->parts[i].part == number)
            return &set->parts[i];
    return NULL;
}

static void check_text(const struct reassemble_set *set, int total)
{
    struct buf out;
    buf_init(&out, OUT_BYTES);
    assert(reassemble_join(set->parts, set->count, total, &out));
    const char *text = buf_text(&out);
    assert(text_utf8_valid(text, strlen(text)));
    for (size_t i = 0; i < set->count; i++)
        if (strstr(set->parts[i].text, "\xef\xbf\xbd") == NULL)
            assert(strstr(text, set->parts[i].text) != NULL);
    if (set->count < (size_t)total)
        assert(strstr(text, REASSEMBLE_GAP) != NULL);
    buf_free(&out);
}

static void join(struct book *book, size_t index, const struct reassemble_part *part)
{
    struct reassemble_set *set = &book->sets[index];
    assert(find(set, part->part) == NULL);
    book->parts[index][set->count++] = *part;
}

/* The oldest generation is forgotten, as the inbox asks with the newest only. */
static void begin(struct book *book, const struct reassemble_part *part, int generation,
                  int64_t sent_ms)
{
    size_t index = book->count;
    for (size_t i = 0; i < book->count; i++)
        assert(book->sets[i].generation < generation);
    if (index == REASSEMBLE_SETS) {
        index = 0;
        for (size_t i = 1; i < book->count; i++)
            if (book->sets[i].generation < book->sets[index].generation)
                index = i;
    } else {
        book->count++;
    }
    book->sets[index] =
        (struct reassemble_set){generation, sent_ms, book->now_ms, book->parts[index], 0};
    join(book, index, part);
}

static void take(struct book *book, const uint8_t *bytes, int total)
{
    struct reassemble_part part = make_part(book, bytes);
    struct reassemble_decision decision;
    struct err err = {0};
    book->now_ms += (bytes[1] & 0x1f) * (int64_t)STEP_MS;
    int64_t sent_ms = bytes[1] & 0x80 ? 0 : book->now_ms - (bytes[1] & 0x60) * (int64_t)STEP_MS;
    int code = reassemble_decide(book->sets, book->count, &part, total, sent_ms, book->now_ms,
                                 &decision, &err);
    bool valid = total >= 1 && total <= LIMIT_SMS_PARTS && part.part >= 1 && part.part <= total;
    assert((code == ERR_OK) == valid);
    if (code != ERR_OK)
        return;
    size_t index = decision.set;
    if (decision.verdict == REASSEMBLE_NEW) {
        assert(decision.complete == (total == 1));
        begin(book, &part, decision.generation, sent_ms);
        return;
    }
    assert(index < book->count && decision.generation == book->sets[index].generation);
    if (decision.verdict == REASSEMBLE_JOIN)
        join(book, index, &part);
    else
        assert(strcmp(find(&book->sets[index], part.part)->text, part.text) == 0);
    assert(decision.complete == (book->sets[index].count == (size_t)total));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct book book = {.now_ms = INT64_C(1800000000000)};
    int total = size > 0 ? (int8_t)bytes[0] : 0;
    for (size_t at = 1; at + 4 <= size && book.text_count < PARTS_MAX; at += 4)
        take(&book, bytes + at, total);
    for (size_t i = 0; i < book.count; i++)
        check_text(&book.sets[i], total);
    return 0;
}
