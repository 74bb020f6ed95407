/* A JSON text (RFC 8259) as a list of tokens over the text itself, for payloads of devices: nothing
 * is copied or allocated, and a number keeps the characters it was written with, which is what a
 * key of a record must do. Strict but for one point: of two members with the same name the first
 * counts. What is to be built or read by us goes through base/json.h. */
#ifndef TOUYAN_MQTT_JDOC_H
#define TOUYAN_MQTT_JDOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/limits.h"

enum jdoc_kind {
    JDOC_OBJECT,
    JDOC_ARRAY,
    JDOC_STRING,
    JDOC_NUMBER,
    JDOC_TRUE,
    JDOC_FALSE,
    JDOC_NULL
};

struct jdoc_token {
    uint32_t at, size; /* in the text; of a string without its quotes */
    uint32_t next;     /* index behind this value and all in it */
    uint32_t kind;     /* enum jdoc_kind */
};

struct jdoc {
    const char *text;
    uint32_t count;
    struct jdoc_token tokens[LIMIT_MQTT_TOKENS]; /* the members of an object: name, value, ... */
};

/* `text` must be valid UTF-8 and stay as long as the doc is used. False: not JSON, nested deeper
 * than LIMIT_JSON_DEPTH or of more than LIMIT_MQTT_TOKENS values. */
bool jdoc_parse(struct jdoc *doc, const char *text, size_t size);

/* '$' (or '@'), then '.name' (letters, digits, '_', '-' and beyond ASCII) or '[digits]'. */
bool jdoc_path_valid(const char *path);

/* The value at a valid path, seen from token `from` (0: the whole); -1: there is none. */
int jdoc_find(const struct jdoc *doc, int from, const char *path);

/* Elements of an array; -1 when it is none. */
int jdoc_length(const struct jdoc *doc, int token);
int jdoc_element(const struct jdoc *doc, int token, int index); /* -1: there is none */

/* A string, number or boolean as text. False: object, array, null, a control character in it, or it
 * does not fit. */
bool jdoc_text(const struct jdoc *doc, int token, char *ret, size_t size);

#endif
