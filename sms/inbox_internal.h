/* Shared by the inbox, the facade and their tests. */
#ifndef TOUYAN_SMS_INBOX_INTERNAL_H
#define TOUYAN_SMS_INBOX_INTERNAL_H

#include "sms/inbox.h"
#include "sms/tpdu.h"

struct inbox_options {
    struct replica *replica;
    const char *country; /* digits */
    void *ctx;
    inbox_text_fn *on_text;
    /* A delivery report that was stored on the SIM like a message. */
    void (*on_report)(void *ctx, const char *modem, const struct tpdu *report);
};

int inbox_open(const struct inbox_options *options, struct inbox **ret, struct err *err);
void inbox_close(struct inbox *inbox);

/* One PDU (hex, service centre address in front); inside a handler. When that handler is committed
 * the PDU may be deleted from the SIM, whatever became of it. */
void inbox_take(struct inbox *inbox, const char *modem, const char *hex);

/* Forgets the bodies of what a (sealed) phone has sent; inside a handler. */
void inbox_erase_phone(struct inbox *inbox, const char *phone);
void inbox_forget_phone(struct inbox *inbox, const char *phone);

/* Gives out what has waited long enough for its missing parts; in a handler of its own. */
void inbox_tick(struct inbox *inbox);
/* When the next one has waited long enough; INT64_MAX: never. */
int64_t inbox_next_due_ms(struct inbox *inbox);

#endif
