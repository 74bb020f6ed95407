/* The county came back from a backup: the station finds what both still know, gives back what the
 * county forgot, and goes on as a new incarnation (PROTOCOL.md 7). */
#ifndef TOUYAN_SYNC_REWIND_H
#define TOUYAN_SYNC_REWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "sync/protocol.h"
#include "sync/wire.h"

enum { REWIND_PARTS = 256 };

enum rewind_step {
    REWIND_LOAD,  /* nothing is in memory yet */
    REWIND_ROWS,  /* local: rows for the next request */
    REWIND_MARKS, /* local: what only settled marks tell */
    REWIND_ASK,   /* the request is ready */
};

struct rewind {
    struct wire *wire;
    enum rewind_step step;
    char common[PROTOCOL_EPOCH_BYTES + 1];
    int64_t f;
    bool mute; /* the county takes nothing back: only the closing remains */
    size_t table;
    char after[PROTOCOL_PK_BYTES + 1];
    int64_t lseq;    /* marks up to here were looked at */
    struct buf rows; /* the groups of the next request */
    size_t count;
    bool group_open;
    const struct table *open_table;
    char parts[REWIND_PARTS][PROTOCOL_PK_BYTES + 1]; /* ids of rows of which a part is given */
    size_t part_count;
    bool last; /* the next request is the last */
    int64_t given, taken;
    bool refused; /* rows of the last request */
};

void rewind_init(struct rewind *rewind, struct wire *wire);
void rewind_fini(struct rewind *rewind);
void rewind_restart(struct rewind *rewind);

/* eps: the county's epochs, oldest first, [id, start] each. In a handler. */
bool rewind_begin(struct rewind *rewind, const struct json *eps);
bool rewind_pending(struct rewind *rewind);
bool rewind_work_due(struct rewind *rewind);
bool rewind_work(struct rewind *rewind);

bool rewind_build(struct rewind *rewind, struct buf *body);
int rewind_read(struct rewind *rewind, const struct json *reply, struct err *err);
bool rewind_store(struct rewind *rewind);
/* The county takes nothing back any more: only what is ours remains to be put in order. */
bool rewind_give_up(struct rewind *rewind);

#endif
