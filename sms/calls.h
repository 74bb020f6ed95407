/* Calls from the station: a queue like the outbox's, for telephones that shall ring. One call at a
 * time for each modem, and only while no alarm waits for it as a message. What was dialled when the
 * program ended is 'stopped', never dialled again: its message says more.
 *
 * All functions but calls_take_result and calls_pump are for the inside of a handler. */
#ifndef TOUYAN_SMS_CALLS_H
#define TOUYAN_SMS_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sms/frame.h"
#include "sync/replica/replica.h"

struct calls;

struct calls_order {
    const char *idem;  /* a second one with it does nothing */
    const char *phone; /* sealed */
    const char *ref_kind;
    const char *ref_id;
    int ring_ms;
    int64_t not_after_ms;
};

/* Texts are valid during the call only. */
struct calls_end {
    const char *phone; /* sealed */
    const char *ref_kind;
    const char *ref_id;
    enum call_outcome outcome;
};

struct calls_options {
    struct replica *replica;
    void *ctx;
    size_t modem_count;
    const char *(*name)(void *ctx, size_t modem);
    /* Free for a call; false also while an alarm waits for this modem. */
    bool (*free)(void *ctx, size_t modem);
    bool (*hopeful)(void *ctx, size_t modem);
    bool (*dial)(void *ctx, size_t modem, int64_t id, const char *number, int ring_ms);
    void (*hangup)(void *ctx, size_t modem, int64_t id);
    void (*wake)(void *ctx);
    void (*on_end)(void *ctx, const struct calls_end *end); /* in the handler that writes it */
};

int calls_open(const struct calls_options *options, struct calls **ret, struct err *err);
void calls_close(struct calls *calls);
void calls_recover(struct calls *calls);

int calls_put(struct calls *calls, const struct calls_order *order);
/* What waits is not dialled, to one (sealed) phone or, NULL, to all; what rings is hung up when
 * `ringing`. */
void calls_cancel(struct calls *calls, const char *ref_kind, const char *ref_id, const char *phone,
                  bool ringing);
/* Somebody rang here. */
void calls_heard(struct calls *calls, const char *modem, const char *phone,
                 char ret_id[LIMIT_ID_BYTES + 1]);
void calls_forget_phone(struct calls *calls, const char *phone);

void calls_pump(struct calls *calls);
void calls_take_result(struct calls *calls, size_t modem, int64_t id, enum call_outcome outcome);

/* Fast time: nothing rings and nothing waits that could. */
bool calls_idle(struct calls *calls);

#endif
