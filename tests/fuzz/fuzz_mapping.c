/* Any payload at a topic, through the shipped rules; or, when the input begins with '#', any text
 * as a rule file, through which a payload is read. Input: topic, newline, payload. What must hold:
 * JSON is taken when jansson takes it too (but for doubled names, which jansson refuses, and what
 * is larger than our limits); whatever is taken fits and is plain text; a rule file is refused with
 * its place or can be used. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "mqtt/jdoc.h"
#include "mqtt/mapping.h"
#include "mqtt/payload.h"
#include "tests/lib/fuzz.h"

static void check_plain(const char *text)
{
    assert(text_utf8_valid(text, strlen(text)));
    for (; *text != '\0'; text++)
        assert((unsigned char)*text >= 0x20);
}

static void check_mapped(const struct mapped *mapped, const char *topic)
{
    struct buf to, answer;
    assert(mapped->device_id[0] != '\0' && strpbrk(mapped->device_id, "+#/:") == NULL);
    assert(mapped->kind < MQTT_KIND_COUNT && mapped->seq >= -1 && mapped->battery <= 100);
    check_plain(mapped->code);
    check_plain(mapped->subject);
    check_plain(mapped->dedupe);
    /* only of an alarm are words left out */
    assert(mapped->flaw == NULL || mqtt_kind_alarms(mapped->kind));
    buf_init(&to, LIMIT_TOPIC_BYTES);
    buf_init(&answer, LIMIT_MQTT_OUT_BYTES);
    if (mapping_answer(mapped, topic, &to, &answer)) {
        struct json *json = NULL;
        assert(strpbrk(buf_text(&to), "+#") == NULL);
        assert(json_parse(buf_text(&answer), answer.size, &json, NULL) == ERR_OK);
        json_free(json);
    }
    buf_free(&to);
    buf_free(&answer);
}

static void map(struct mapping *mapping, const char *topic, const char *text, size_t size,
                bool shipped)
{
    const char *reason = NULL;
    struct mapped mapped;
    int got;
    if (!mapping_begin(mapping, topic, text, size, &reason)) {
        const struct product *product;
        char device[LIMIT_DEVICE_ID_BYTES + 1];
        assert(reason != NULL);
        if (mapping_alarm_device(mapping, topic, &product, device))
            assert(product != NULL && device[0] != '\0' && strpbrk(device, "+#/:") == NULL);
        return;
    }
    while ((got = mapping_next(mapping, &mapped, &reason)) != 0) {
        if (got > 0 && shipped)
            check_mapped(&mapped, topic);
        assert(got > 0 || reason != NULL);
    }
}

/* The other way round is not so: jansson refuses doubled names and numbers beyond its types. */
static void compare(const char *text, size_t size)
{
    static struct jdoc doc;
    struct json *json = NULL;
    if (json_parse(text, size, &json, NULL) == ERR_OK && size <= LIMIT_MQTT_MAPPED_BYTES)
        assert(jdoc_parse(&doc, text, size) || doc.count == LIMIT_MQTT_TOKENS);
    json_free(json);
    if (jdoc_parse(&doc, text, size))
        for (uint32_t i = 0; i < doc.count; i++)
            assert(doc.tokens[i].at + doc.tokens[i].size <= size && doc.tokens[i].next > i &&
                   doc.tokens[i].next <= doc.count);
}

static void try_rules(const char *text, size_t size)
{
    struct product *product = NULL;
    struct mapping *mapping;
    struct err err = {0};
    if (rulefile_parse("f", text, size, &product, &err) != ERR_OK) {
        assert(product == NULL && strncmp(err.text, "f:", 2) == 0);
        return;
    }
    if (product == NULL || mapping_open_one(product, &mapping, &err) != ERR_OK)
        return;
    map(mapping, "a/b", "{\"a\":[{\"b\":1}],\"c\":\"d\"}", 25, false);
    map(mapping, "a/b", "on", 2, false);
    mapping_close(mapping);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct mapping *mapping;
    const char *text = (const char *)bytes;
    struct buf cut;
    if (mapping == NULL && mapping_open(NULL, &mapping, NULL) != ERR_OK)
        abort();
    if (size > 0 && text[0] == '#') {
        try_rules(text, size);
        return 0;
    }
    const char *line = memchr(text, '\n', size);
    if (line == NULL || !text_utf8_valid(text, size))
        return 0;
    buf_init(&cut, LIMIT_MQTT_MAPPED_BYTES);
    char topic[LIMIT_TOPIC_BYTES + 1];
    size_t head = (size_t)(line - text);
    if (text_copy_utf8(topic, sizeof topic, text, head) &&
        payload_cut(line + 1, size - head - 1, &cut)) {
        compare(buf_text(&cut), cut.size);
        map(mapping, topic, buf_text(&cut), cut.size, true);
    }
    buf_free(&cut);
    return 0;
}
