/* The inbox: each PDU that a modem hands over is stored sealed, decoded, put together with its
 * other parts and given to on_text in the same turn; the SIM's copy is deleted after the commit
 * only. The same PDU again (the SIM offers it again after a kill, or the network repeats it)
 * changes nothing but is deleted again. What cannot be decoded is kept with its reason and shown to
 * people. */
#ifndef TOUYAN_SMS_INBOX_H
#define TOUYAN_SMS_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "sync/replica/replica.h"

struct inbox;

struct inbox_text {
    const char *id;      /* of the inbox row */
    const char *phone;   /* sealed */
    const char *number;  /* clear, for this call only: "+8613800000001", "10086", "CMCC" */
    const char *body;    /* clear UTF-8; missing parts are marked */
    int64_t sent_at_ms;  /* time stamp of the service centre */
    int64_t heard_at_ms; /* our clock when the first part came */
    bool can_answer;     /* false for short codes and alphanumeric senders */
    bool complete;       /* false: parts are missing and were waited for long enough */
};

/* Runs inside a handler of its own: what it writes is taken back when one of its statements fails,
 * and the text is then kept and shown as unhandled. */
typedef void inbox_text_fn(void *ctx, const struct inbox_text *text);

#endif
