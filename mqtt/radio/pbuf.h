/* Protocol Buffers on the wire (protobuf.dev, "Encoding"), as much as Meshtastic's packets need:
 * reading field by field over the bytes themselves, and appending. Nothing is allocated or copied;
 * groups, which proto3 does not have, are refused. */
#ifndef TOUYAN_MQTT_RADIO_PBUF_H
#define TOUYAN_MQTT_RADIO_PBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

enum pbuf_wire { PBUF_VARINT = 0, PBUF_FIXED64 = 1, PBUF_BYTES = 2, PBUF_FIXED32 = 5 };

struct pbuf_reader {
    const uint8_t *at, *end;
};

struct pbuf_field {
    uint32_t number;
    enum pbuf_wire wire;
    uint64_t value;       /* of a number; 0 for bytes */
    const uint8_t *bytes; /* within the message; NULL for numbers */
    size_t size;
};

void pbuf_read(struct pbuf_reader *reader, const void *bytes, size_t size);
/* 1: *ret is the next field; 0: there are no more; -1: the bytes are no such message. */
int pbuf_next(struct pbuf_reader *reader, struct pbuf_field *ret);

/* Append to `out`, whose `failed` tells whether it fitted. */
void pbuf_add_varint(struct buf *out, uint32_t number, uint64_t value);
void pbuf_add_fixed32(struct buf *out, uint32_t number, uint32_t value);
void pbuf_add_bytes(struct buf *out, uint32_t number, const void *bytes, size_t size);

#endif
