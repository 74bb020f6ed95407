/* Filter, newline, topic: what matches also does so by the rules of the standard, spelled out level
 * by level (MQTT 3.1.1, 4.7). */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "mqtt/topic.h"
#include "tests/lib/fuzz.h"

enum { LEVELS = LIMIT_TOPIC_BYTES + 1 };

/* Cuts at '/'; the levels point into text. */
static int split(char *text, char *levels[LEVELS])
{
    int count = 0;
    for (char *at = text; at != NULL;) {
        levels[count++] = at;
        at = strchr(at, '/');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static bool matches(char *filter, char *topic)
{
    static char *f[LEVELS], *t[LEVELS];
    bool hidden = topic[0] == '$' && (filter[0] == '+' || filter[0] == '#');
    int fs = split(filter, f), ts = split(topic, t);
    if (hidden)
        return false;
    for (int i = 0; i < fs; i++) {
        if (strcmp(f[i], "#") == 0)
            return true;
        if (i >= ts || (strcmp(f[i], "+") != 0 && strcmp(f[i], t[i]) != 0))
            return false;
        if (i == ts - 1 && i == fs - 2 && strcmp(f[fs - 1], "#") == 0)
            return true;
    }
    return fs == ts;
}

/* Each level is the same from either end, and there are no others. */
static void check_levels(const char *topic)
{
    static char text[LIMIT_TOPIC_BYTES + 1], *levels[LEVELS];
    char level[LIMIT_TOPIC_BYTES + 1], own[LIMIT_TOPIC_BYTES + 1];
    text_copy(text, sizeof text, topic);
    int count = split(text, levels);
    for (int i = 0; i < count; i++) {
        assert(topic_level(topic, i, level, sizeof level) && strcmp(level, levels[i]) == 0);
        assert(topic_level(topic, i - count, level, sizeof level) && strcmp(level, levels[i]) == 0);
    }
    assert(!topic_level(topic, count, level, sizeof level));
    assert(!topic_level(topic, -count - 1, level, sizeof level));
    assert(topic_own(topic, levels[0], own, sizeof own));
    bool below = count > 1 && levels[0][0] != '\0';
    assert(own[0] == '\0' ? !below : below && strncmp(own, topic, strlen(own)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char filter[LIMIT_TOPIC_BYTES + 1], topic[LIMIT_TOPIC_BYTES + 1];
    const char *line = memchr(bytes, '\n', size);
    if (line == NULL || !text_utf8_valid((const char *)bytes, size))
        return 0;
    size_t head = (size_t)(line - (const char *)bytes);
    if (!text_copy_utf8(filter, sizeof filter, (const char *)bytes, head) ||
        !text_copy_utf8(topic, sizeof topic, line + 1, size - head - 1))
        return 0;
    check_levels(topic);
    if (!topic_filter_valid(filter) || topic[0] == '\0')
        return 0;
    bool ours = topic_matches(filter, topic);
    assert(ours == matches(filter, topic));
    return 0;
}
