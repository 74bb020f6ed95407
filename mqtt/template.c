/* Filling in; see template.h. Pure. */
#include "mqtt/template.h"

#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

/* Length of "{name}" at `at`; 0: it is none. */
static size_t name_at(const char *at, char ret[TEMPLATE_NAME_BYTES + 1], bool *ret_int)
{
    if (at[0] != '{')
        return 0;
    *ret_int = strncmp(at + 1, "int:", 4) == 0;
    const char *name = at + (*ret_int ? 5 : 1);
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_:");
    if (length == 0 || length > TEMPLATE_NAME_BYTES || name[length] != '}')
        return 0;
    memcpy(ret, name, length);
    ret[length] = '\0';
    return (size_t)(name - at) + length + 1;
}

const char *template_next(const char *at, char ret_name[TEMPLATE_NAME_BYTES + 1])
{
    bool is_int;
    for (at = strchr(at, '{'); at != NULL; at = strchr(at + 1, '{')) {
        size_t length = name_at(at, ret_name, &is_int);
        if (length > 0)
            return at + length;
    }
    return NULL;
}

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            buf_printf(out, "\\u%04x", (unsigned)*text);
        else
            buf_add(out, text, 1);
    }
}

bool template_fill(const char *text, bool json, template_look_fn *look, void *ctx, struct buf *out,
                   char ret_name[TEMPLATE_NAME_BYTES + 1])
{
    while (*text != '\0') {
        bool is_int;
        int64_t number;
        char value[LIMIT_MQTT_OUT_BYTES / 4];
        size_t length = name_at(text, ret_name, &is_int);
        if (length == 0) {
            buf_add(out, text++, 1);
            continue;
        }
        if (!look(ctx, ret_name, value, sizeof value) ||
            (is_int && !text_to_int64(value, INT64_MIN, INT64_MAX, &number)))
            return false;
        if (json)
            add_escaped(out, value);
        else
            buf_add_text(out, value);
        text += length;
    }
    ret_name[0] = '\0';
    return !out->failed;
}
