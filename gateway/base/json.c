/* jansson behind json.h. A struct json is a json_t by another name; nothing else includes jansson.
 */
#include "gateway/base/json.h"

#include <jansson.h>
#include <stdlib.h>

#include "gateway/base/limits.h"

static json_t *raw(const struct json *value)
{
    return (json_t *)(uintptr_t)value;
}

static struct json *wrap(json_t *value)
{
    return (struct json *)value;
}

static bool depth_ok(const char *text, size_t size)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!in_string && (text[i] == '}' || text[i] == ']'))
            depth--;
        if (depth > LIMIT_JSON_DEPTH)
            return false;
    }
    return true;
}

int json_parse(const char *text, size_t size, struct json **ret, struct err *err)
{
    if (size > LIMIT_JSON_BYTES)
        return err_set(err, ERR_LIMIT, "JSON of %zu bytes, at most %d are taken", size,
                       LIMIT_JSON_BYTES);
    if (!depth_ok(text, size))
        return err_set(err, ERR_LIMIT, "JSON nested deeper than %d", LIMIT_JSON_DEPTH);
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (root == NULL)
        return err_set(err, ERR_INVALID, "JSON line %d column %d: %s", where.line, where.column,
                       where.text);
    *ret = wrap(root);
    return ERR_OK;
}

void json_free(struct json *root)
{
    json_decref(raw(root));
}

struct json *json_get(const struct json *object, const char *key)
{
    return wrap(json_object_get(raw(object), key));
}

const char *json_as_text(const struct json *value, const char *fallback)
{
    const char *text = json_string_value(raw(value));
    return text != NULL ? text : fallback;
}

int64_t json_as_int(const struct json *value, int64_t fallback)
{
    return json_is_integer(raw(value)) ? json_integer_value(raw(value)) : fallback;
}

const char *json_text(const struct json *object, const char *key, const char *fallback)
{
    return json_as_text(json_get(object, key), fallback);
}

int64_t json_int(const struct json *object, const char *key, int64_t fallback)
{
    return json_as_int(json_get(object, key), fallback);
}

bool json_bool(const struct json *object, const char *key, bool fallback)
{
    json_t *value = raw(json_get(object, key));
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

size_t json_size(const struct json *object)
{
    return json_object_size((const json_t *)object);
}

size_t json_count(const struct json *array)
{
    return json_array_size(raw(array));
}

bool json_holds_array(const struct json *value)
{
    return json_is_array(raw(value));
}

bool json_holds_object(const struct json *value)
{
    return json_is_object(raw(value));
}

struct json *json_at(const struct json *array, size_t index)
{
    return wrap(json_array_get(raw(array), index));
}

/* Running out of memory while building an answer of a few kilobytes leaves nothing sensible to do.
 */
static json_t *made(json_t *value)
{
    if (value == NULL)
        abort();
    return value;
}

static void must(int rc)
{
    if (rc != 0)
        abort();
}

struct json *json_new_object(void)
{
    return wrap(made(json_object()));
}

struct json *json_new_array(void)
{
    return wrap(made(json_array()));
}

static json_t *text_value(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *value = json_string(text);
    return value != NULL ? value : made(json_string("\xef\xbf\xbd")); /* it was not UTF-8 */
}

void json_set_text(struct json *object, const char *key, const char *text)
{
    must(json_object_set_new(raw(object), key, text_value(text)));
}

void json_set_int(struct json *object, const char *key, int64_t value)
{
    must(json_object_set_new(raw(object), key, made(json_integer(value))));
}

void json_set_bool(struct json *object, const char *key, bool value)
{
    must(json_object_set_new(raw(object), key, json_boolean(value)));
}

void json_set(struct json *object, const char *key, struct json *value)
{
    must(json_object_set_new(raw(object), key, raw(value)));
}

void json_add(struct json *array, struct json *value)
{
    must(json_array_append_new(raw(array), raw(value)));
}

void json_add_text(struct json *array, const char *text)
{
    must(json_array_append_new(raw(array), text_value(text)));
}

void json_add_int(struct json *array, int64_t value)
{
    must(json_array_append_new(raw(array), made(json_integer(value))));
}

static int write_chunk(const char *bytes, size_t size, void *ctx)
{
    return buf_add(ctx, bytes, size) ? 0 : -1;
}

bool json_write(const struct json *value, struct buf *out)
{
    return json_dump_callback(raw(value), write_chunk, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}
