/* Cutting and blanking, on the characters of JSON without a parser, so that it also works on what
 * no parser accepts. A string ends at the first quote that no backslash escapes; when there is
 * none it ends with the text. */
#include "mqtt/payload.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

/* Position behind the string that begins at text[at] == '"'. */
static size_t string_end(const char *text, size_t size, size_t at)
{
    for (at++; at < size; at++) {
        const char *next = memchr(text + at, '"', size - at);
        if (next == NULL)
            return size;
        size_t quote = (size_t)(next - text), slashes = 0;
        while (quote - slashes > at && text[quote - slashes - 1] == '\\')
            slashes++;
        at = quote;
        if (slashes % 2 == 0)
            return quote + 1;
    }
    return size;
}

bool payload_cut(const char *text, size_t size, struct buf *out)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        const char *quote = memchr(text + at, '"', size - at);
        if (quote == NULL)
            break;
        at = (size_t)(quote - text);
        size_t end = string_end(text, size, at);
        if (end - at > LIMIT_MQTT_CUT_BYTES + 2) {
            buf_add(out, text + kept, at - kept);
            buf_add_text(out, "\"\"");
            kept = end;
        }
        at = end;
    }
    return buf_add(out, text + kept, size - kept);
}

static bool contains(const char *key, size_t size, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++)
        if (strncasecmp(key + i, word, length) == 0)
            return true;
    return false;
}

static bool is_private(const char *key, size_t size)
{
    static const char *const words[] = {
        "name",   "pass",   "pwd",  "psk",    "secret", "token", "key",   "idcard", "idno",
        "cardno", "card",   "tel",  "mobile", "phone",  "addr",  "birth", "cert",   "wifi",
        "ssid",   "native", "姓名", "电话",   "手机",   "证件",  "密码",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (contains(key, size, words[i]))
            return true;
    return false;
}

static size_t skip_space(const char *text, size_t size, size_t at)
{
    while (at < size && isspace((unsigned char)text[at]))
        at++;
    return at;
}

/* Copies one string; when it is the key of a private member, blanks the value behind it unless
 * that is an object or array (whose own keys are looked at). Returns the position behind. */
static size_t blank_string(const char *text, size_t size, size_t at, struct buf *out)
{
    size_t end = string_end(text, size, at);
    if (end - at > LIMIT_MQTT_CUT_BYTES + 2)
        buf_add_text(out, "\"\"");
    else
        buf_add(out, text + at, end - at);
    size_t colon = skip_space(text, size, end);
    if (colon >= size || text[colon] != ':' || !is_private(text + at, end - at))
        return end;
    size_t value = skip_space(text, size, colon + 1);
    if (value >= size || text[value] == '{' || text[value] == '[')
        return end;
    buf_add_text(out, ":\"*\"");
    if (text[value] == '"')
        return string_end(text, size, value);
    while (value < size && strchr(",}]", text[value]) == NULL)
        value++;
    return value;
}

bool payload_blank(const char *text, size_t size, struct buf *out)
{
    struct buf blanked;
    buf_init(&blanked, 4 * LIMIT_MQTT_PAYLOAD_BYTES);
    for (size_t at = 0; at < size && blanked.size < LIMIT_RAW_KEPT_BYTES;) {
        if (text[at] == '"') {
            at = blank_string(text, size, at, &blanked);
            continue;
        }
        const char *quote = memchr(text + at, '"', size - at);
        size_t run = quote != NULL ? (size_t)(quote - text) - at : size - at;
        buf_add(&blanked, text + at, run);
        at += run;
    }
    char kept[LIMIT_RAW_KEPT_BYTES + 1];
    text_copy_utf8(kept, sizeof kept, buf_text(&blanked), blanked.size);
    buf_free(&blanked);
    return buf_add_text(out, kept);
}

const char *payload_take(const char *text, size_t size, struct buf *out)
{
    if (!text_utf8_valid(text, size))
        return "not UTF-8";
    bool fits =
        size <= LIMIT_MQTT_CUT_BYTES ? buf_add(out, text, size) : payload_cut(text, size, out);
    return fits ? NULL : "too large without its photos";
}

uint64_t payload_hash(const void *bytes, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    return h;
}
