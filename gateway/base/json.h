/* JSON messages (RFC 8259), strict: duplicate keys, bad UTF-8, U+0000 and trailing text are errors;
 * bounded in size and depth. The only place that knows jansson. Large batches of rows are not for
 * this module: the database engine reads those itself.
 *
 * Reading never fails on a missing or wrongly typed member: it returns the fallback. */
#ifndef TOUYAN_BASE_JSON_H
#define TOUYAN_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

struct json; /* a value; the root owns all below it */

int json_parse(const char *text, size_t size, struct json **ret, struct err *err);
void json_free(struct json *root); /* accepts NULL */

/* All accept NULL as `object`. The returned values and texts belong to the root. */
struct json *json_get(const struct json *object, const char *key);
const char *json_text(const struct json *object, const char *key, const char *fallback);
int64_t json_int(const struct json *object, const char *key, int64_t fallback);
bool json_bool(const struct json *object, const char *key, bool fallback);
size_t json_count(const struct json *array); /* 0 when it is no array */
size_t json_size(const struct json *object); /* members; 0 when it is no object */
struct json *json_at(const struct json *array, size_t index);
bool json_holds_array(const struct json *value);
bool json_holds_object(const struct json *value);
/* The value itself. */
const char *json_as_text(const struct json *value, const char *fallback);
int64_t json_as_int(const struct json *value, int64_t fallback);

/* Building. The set and add functions take over `value`; on out of memory they abort. */
struct json *json_new_object(void);
struct json *json_new_array(void);
void json_set_text(struct json *object, const char *key, const char *text); /* NULL: null */
void json_set_int(struct json *object, const char *key, int64_t value);
void json_set_bool(struct json *object, const char *key, bool value);
void json_set(struct json *object, const char *key, struct json *value);
void json_add(struct json *array, struct json *value);
void json_add_text(struct json *array, const char *text);
void json_add_int(struct json *array, int64_t value);

/* Appends the compact text of the value. False when it does not fit the buffer. */
bool json_write(const struct json *value, struct buf *out);

#endif
