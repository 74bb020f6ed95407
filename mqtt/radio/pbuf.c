/* Reading and writing; see pbuf.h. A length is compared with what is left before anything is looked
 * at, and a varint has at most ten bytes, so no input can lead beyond the message. */
#include "mqtt/radio/pbuf.h"

#include <string.h>

enum { VARINT_BYTES = 10, NUMBER_MAX = 536870911 /* 2^29 - 1 */ };

void pbuf_read(struct pbuf_reader *reader, const void *bytes, size_t size)
{
    reader->at = bytes;
    reader->end = size > 0 ? reader->at + size : reader->at; /* NULL has no offset */
}

static bool read_varint(struct pbuf_reader *reader, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct pbuf_reader *reader, size_t size, uint64_t *ret)
{
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += size;
    return true;
}

static bool read_bytes(struct pbuf_reader *reader, struct pbuf_field *ret)
{
    uint64_t size;
    if (!read_varint(reader, &size) || size > (uint64_t)(reader->end - reader->at))
        return false;
    ret->bytes = reader->at;
    ret->size = (size_t)size;
    reader->at += size;
    return true;
}

int pbuf_next(struct pbuf_reader *reader, struct pbuf_field *ret)
{
    uint64_t key;
    if (reader->at == reader->end)
        return 0;
    *ret = (struct pbuf_field){.number = 0};
    if (!read_varint(reader, &key) || key >> 3 == 0 || key >> 3 > NUMBER_MAX)
        return -1;
    ret->number = (uint32_t)(key >> 3);
    ret->wire = (enum pbuf_wire)(key & 7);
    bool good = false;
    if (ret->wire == PBUF_VARINT)
        good = read_varint(reader, &ret->value);
    else if (ret->wire == PBUF_FIXED64)
        good = read_fixed(reader, 8, &ret->value);
    else if (ret->wire == PBUF_FIXED32)
        good = read_fixed(reader, 4, &ret->value);
    else if (ret->wire == PBUF_BYTES)
        good = read_bytes(reader, ret);
    return good ? 1 : -1;
}

static void add_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    buf_add(out, bytes, size);
}

static void add_key(struct buf *out, uint32_t number, enum pbuf_wire wire)
{
    add_varint(out, (uint64_t)number << 3 | wire);
}

void pbuf_add_varint(struct buf *out, uint32_t number, uint64_t value)
{
    add_key(out, number, PBUF_VARINT);
    add_varint(out, value);
}

void pbuf_add_fixed32(struct buf *out, uint32_t number, uint32_t value)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    add_key(out, number, PBUF_FIXED32);
    buf_add(out, bytes, sizeof bytes);
}

void pbuf_add_bytes(struct buf *out, uint32_t number, const void *bytes, size_t size)
{
    add_key(out, number, PBUF_BYTES);
    add_varint(out, size);
    if (size > 0)
        buf_add(out, bytes, size);
}
