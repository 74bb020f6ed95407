/* A sentence is held against the formats it may have been made with; what stands where a format has
 * a conversion goes to its place in the Chinese. See refusal.h. */
#include "gateway/cli/refusal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"

enum { PLACES = 4, WORD_BYTES = 256 };

static const struct {
    const char *format, *zh;
} refusals[] = {
#define REFUSAL(format, zh) {format, zh},
#include "gateway/cli/refusals.def"
#undef REFUSAL
};

static const char *after_conversion(const char *format)
{
    return format + 1 + strspn(format + 1, ".0123456789zl") + 1;
}

/* Where the text between two conversions begins in `text`: at its end if the format ends with it.
 */
static const char *find_literal(const char *text, const char *literal, size_t size)
{
    size_t left = strlen(text);
    if (literal[size] == '\0')
        return left >= size && strncmp(text + left - size, literal, size) == 0 ? text + left - size
                                                                               : NULL;
    for (; left >= size; text++, left--)
        if (strncmp(text, literal, size) == 0)
            return text;
    return NULL;
}

/* True: `text` was made with `format`; what each conversion became is in `ret`. */
static bool take_apart(const char *format, const char *text, char ret[PLACES][WORD_BYTES])
{
    size_t size = strcspn(format, "%");
    if (strncmp(text, format, size) != 0)
        return false;
    text += size;
    format += size;
    for (int place = 0; *format != '\0' && place < PLACES; place++) {
        format = after_conversion(format);
        size = strcspn(format, "%");
        const char *next = find_literal(text, format, size);
        if (next == NULL || !text_copy_utf8(ret[place], WORD_BYTES, text, (size_t)(next - text)))
            return false;
        text = next + size;
        format += size;
    }
    return *text == '\0' && *format == '\0';
}

static const char *word_in_chinese(const char *word)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (text_equal(refusals[i].format, word))
            return refusals[i].zh;
    return word;
}

static void put_together(const char *zh, char words[PLACES][WORD_BYTES], char ret[REFUSAL_BYTES])
{
    size_t used = 0;
    ret[0] = '\0';
    while (*zh != '\0' && used < REFUSAL_BYTES - 1) {
        bool place = zh[0] == '{' && zh[1] >= '1' && zh[1] <= '0' + PLACES && zh[2] == '}';
        size_t plain = place ? 0 : 1 + strcspn(zh + 1, "{");
        int added = place ? snprintf(ret + used, REFUSAL_BYTES - used, "%s",
                                     word_in_chinese(words[zh[1] - '1']))
                          : snprintf(ret + used, REFUSAL_BYTES - used, "%.*s", (int)plain, zh);
        used += added > 0 ? (size_t)added : 0;
        zh += place ? 3 : plain;
    }
}

bool refusal_in_chinese(const char *english, char ret[REFUSAL_BYTES])
{
    char words[PLACES][WORD_BYTES] = {""};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (take_apart(refusals[i].format, english, words)) {
            put_together(refusals[i].zh, words, ret);
            return true;
        }
    return false;
}
