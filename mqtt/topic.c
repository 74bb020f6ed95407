/* Topic names and filters; see topic.h. Pure. */
#include "mqtt/topic.h"

#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

bool topic_matches(const char *filter, const char *topic)
{
    if (topic[0] == '$' && (filter[0] == '+' || filter[0] == '#'))
        return false;
    for (;;) {
        if (filter[0] == '#')
            return true;
        if (filter[0] == '+') {
            filter++;
            topic += strcspn(topic, "/");
        }
        while (*filter == *topic && *filter != '\0' && *filter != '/') {
            filter++;
            topic++;
        }
        if (*topic == '\0')
            return *filter == '\0' || strcmp(filter, "/#") == 0;
        if (*filter != '/' || *topic != '/')
            return false;
        filter++;
        topic++;
    }
}

bool topic_filter_valid(const char *filter)
{
    size_t size = strlen(filter);
    if (size == 0 || size > LIMIT_TOPIC_BYTES || !text_utf8_valid(filter, size))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (filter[i] != '+' && filter[i] != '#')
            continue;
        bool first = i == 0 || filter[i - 1] == '/';
        bool last = filter[i + 1] == '\0' || (filter[i] == '+' && filter[i + 1] == '/');
        if (!first || !last)
            return false;
    }
    return true;
}

bool topic_name_valid(const char *topic)
{
    size_t size = strlen(topic);
    return size > 0 && size <= LIMIT_TOPIC_BYTES && strpbrk(topic, "+#") == NULL &&
           text_utf8_valid(topic, size);
}

static int level_count(const char *topic)
{
    int count = 1;
    for (; (topic = strchr(topic, '/')) != NULL; topic++)
        count++;
    return count;
}

bool topic_level(const char *topic, int index, char *ret, size_t size)
{
    if (index < 0)
        index += level_count(topic);
    if (index < 0)
        return false;
    for (; index > 0; index--) {
        topic = strchr(topic, '/');
        if (topic == NULL)
            return false;
        topic++;
    }
    size_t length = strcspn(topic, "/");
    if (length >= size)
        return false;
    memcpy(ret, topic, length);
    ret[length] = '\0';
    return true;
}

bool topic_own(const char *topic, const char *name, char *ret, size_t size)
{
    size_t length = strlen(name);
    bool own = length > 0 && strncmp(topic, name, length) == 0 && topic[length] == '/';
    if (own && length + 1 >= size)
        return false;
    if (own)
        memcpy(ret, topic, length + 1);
    ret[own ? length + 1 : 0] = '\0';
    return true;
}
