/* Numbers that both ends of the sync protocol share; PROTOCOL.md says what they mean. */
#ifndef TOUYAN_SYNC_PROTOCOL_H
#define TOUYAN_SYNC_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

enum {
    PROTOCOL_VERSION = 1,       /* "p" */
    PROTOCOL_SCHEMA = 1,        /* "sv", the newest */
    PROTOCOL_SCHEMA_OLDEST = 1, /* the county serves it and all up to the newest */
    PROTOCOL_PAGE_ROWS = 5000,  /* of one reply */
    PROTOCOL_ROW_BYTES = 65536, /* JSON of one row */
    PROTOCOL_SCOPES = 16,       /* of one request */
    PROTOCOL_PK_BYTES = 200,
    PROTOCOL_TOK_BYTES = 128,
    PROTOCOL_EPOCH_BYTES = 32,
    PROTOCOL_GROUP_DELETED = 128, /* bit of gm */
    PROTOCOL_GIVEBACK_ROWS = 1000,
    PROTOCOL_DIGEST_BUCKETS = 256,
    PROTOCOL_DIGEST_ASKED = 16, /* buckets of one request */
    PROTOCOL_DIGEST_IDS = 500,
    PROTOCOL_TOKEN_MIN_BYTES = 16, /* bearer token */
    PROTOCOL_TOKEN_MAX_BYTES = 256,
};

/* The fingerprint of a push: FNV-1a over "<lseq>:<id>:<h>\n" of each row, written as %016llx. */
#define PROTOCOL_FP_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t protocol_fp_add(uint64_t fp, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fp = (fp ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return fp;
}

#endif
