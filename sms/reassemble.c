/* The newest generation that can hold the part gets it. It can when the times agree and its place
 * is free; when the place is taken by the same text it is a duplicate; when it is taken by another
 * text the reference was used again and a new generation begins. Equal text counts as a duplicate
 * within the window only: the same long message sent again an hour later is a new one. */
#include "sms/reassemble.h"

#include <string.h>

#include "gateway/base/text.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

enum { REPLACEMENT_BYTES = 3 };

static const struct reassemble_part *find(const struct reassemble_part *parts, size_t count,
                                          int number)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].part == number)
            return &parts[i];
    return NULL;
}

static bool times_agree(const struct reassemble_set *set, int64_t sent_ms, int64_t heard_ms)
{
    int64_t apart =
        set->sent_ms > 0 && sent_ms > 0 ? sent_ms - set->sent_ms : heard_ms - set->heard_ms;

    return apart >= -REASSEMBLE_WINDOW_MS && apart <= REASSEMBLE_WINDOW_MS;
}

/* Whether the set can hold the part, and how. */
static bool can_hold(const struct reassemble_set *set, const struct reassemble_part *part,
                     enum reassemble_verdict *ret)
{
    const struct reassemble_part *there = find(set->parts, set->count, part->part);

    if (there && (strcmp(there->text, part->text) != 0 || there->head_low != part->head_low ||
                  there->tail_high != part->tail_high))
        return false;
    *ret = there ? REASSEMBLE_DUPLICATE : REASSEMBLE_JOIN;
    return true;
}

int reassemble_decide(const struct reassemble_set *sets, size_t count,
                      const struct reassemble_part *part, int total, int64_t sent_ms,
                      int64_t heard_ms, struct reassemble_decision *ret, struct err *err)
{
    struct reassemble_decision best = {.verdict = REASSEMBLE_NEW, .complete = total == 1};
    int newest = 0;
    int held = 0;

    if (total < 1 || total > LIMIT_SMS_PARTS || part->part < 1 || part->part > total)
        return err_set(err, ERR_INVALID, "part %d of %d", part->part, total);
    for (size_t i = 0; i < count; i++) {
        const struct reassemble_set *set = &sets[i];
        enum reassemble_verdict verdict = REASSEMBLE_NEW;

        if (set->generation > newest)
            newest = set->generation;
        if (set->generation <= held || !times_agree(set, sent_ms, heard_ms) ||
            !can_hold(set, part, &verdict))
            continue;
        held = set->generation;
        size_t have = set->count + (verdict == REASSEMBLE_JOIN);
        best = (struct reassemble_decision){verdict, i, held, have == (size_t)total};
    }
    if (held == 0)
        best.generation = newest + 1;
    *ret = best;
    return ERR_OK;
}

int64_t reassemble_deadline_ms(int64_t heard_ms)
{
    return heard_ms + REASSEMBLE_WINDOW_MS;
}

static bool starts_with_half(const char *text)
{
    return strncmp(text, replacement, REPLACEMENT_BYTES) == 0;
}

static bool ends_with_half(const char *text, size_t size)
{
    return size >= REPLACEMENT_BYTES &&
           memcmp(text + size - REPLACEMENT_BYTES, replacement, REPLACEMENT_BYTES) == 0;
}

/* Two halves that meet are one character again. */
static bool halves_meet(const struct reassemble_part *before, const struct reassemble_part *after)
{
    return before && after && before->tail_high != 0 && after->head_low != 0 &&
           ends_with_half(before->text, strlen(before->text)) && starts_with_half(after->text);
}

static bool add_pair(uint16_t high, uint16_t low, struct buf *out)
{
    char bytes[4];
    uint32_t cp = 0x10000 + (((uint32_t)high & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);

    return buf_add(out, bytes, text_utf8_encode(cp, bytes));
}

static bool add_part(const struct reassemble_part *before, const struct reassemble_part *part,
                     const struct reassemble_part *after, struct buf *out)
{
    const char *text = part->text;
    size_t size = strlen(text);
    bool whole = true;

    if (halves_meet(before, part)) {
        whole = add_pair(before->tail_high, part->head_low, out);
        text += REPLACEMENT_BYTES;
        size -= REPLACEMENT_BYTES;
    }
    if (halves_meet(part, after) && size >= REPLACEMENT_BYTES)
        size -= REPLACEMENT_BYTES;
    return whole && buf_add(out, text, size);
}

bool reassemble_join(const struct reassemble_part *parts, size_t count, int total, struct buf *out)
{
    const struct reassemble_part *before = NULL;
    bool in_gap = false;

    for (int number = 1; number <= total; number++) {
        const struct reassemble_part *part = find(parts, count, number);
        const struct reassemble_part *after = find(parts, count, number + 1);

        if (part && !add_part(before, part, number < total ? after : NULL, out))
            return false;
        if (!part && !in_gap && !buf_add_text(out, REASSEMBLE_GAP))
            return false;
        in_gap = !part;
        before = part;
    }
    return !out->failed;
}
