/* The bounded buffer; see buf.h. */
#include "gateway/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_free(struct buf *buf)
{
    free(buf->bytes);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->bytes != NULL)
        buf->bytes[0] = '\0';
}

void buf_drop(struct buf *buf, size_t count)
{
    assert(count <= buf->size);
    if (count == 0)
        return;
    memmove(buf->bytes, buf->bytes + count, buf->size - count + 1);
    buf->size -= count;
}

static bool grow(struct buf *buf, size_t need)
{
    size_t capacity = buf->capacity > 0 ? buf->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity *= 2;
    char *bytes = realloc(buf->bytes, capacity);
    if (bytes == NULL)
        return false;
    buf->bytes = bytes;
    buf->capacity = capacity;
    return true;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->failed)
        return NULL;
    bool fits = size <= buf->max && buf->size <= buf->max - size;
    if (!fits || (buf->size + size + 1 > buf->capacity && !grow(buf, buf->size + size + 1))) {
        buf->failed = true;
        return NULL;
    }
    return buf->bytes + buf->size;
}

void buf_commit(struct buf *buf, size_t size)
{
    assert(buf->size + size < buf->capacity);
    buf->size += size;
    buf->bytes[buf->size] = '\0';
}

bool buf_add(struct buf *buf, const void *bytes, size_t size)
{
    char *room = buf_reserve(buf, size);
    if (room == NULL)
        return false;
    if (size > 0)
        memcpy(room, bytes, size);
    buf_commit(buf, size);
    return true;
}

bool buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *room = need >= 0 ? buf_reserve(buf, (size_t)need) : NULL;
    if (room == NULL) {
        buf->failed = true;
        return false;
    }
    va_start(args, fmt);
    vsnprintf(room, (size_t)need + 1, fmt, args);
    va_end(args);
    buf_commit(buf, (size_t)need);
    return true;
}

const char *buf_text(const struct buf *buf)
{
    return buf->bytes != NULL ? buf->bytes : "";
}
