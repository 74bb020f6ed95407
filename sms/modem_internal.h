/* Between modem.c and modem_care.c. */
#ifndef TOUYAN_SMS_MODEM_INTERNAL_H
#define TOUYAN_SMS_MODEM_INTERNAL_H

#include "sms/modem.h"

/* --- modem.c --- */
void modem_move(struct modem *modem, enum modem_state next);
/* To be the last thing that a function does: the owner may call back into the modem. */
void modem_announce(struct modem *modem);
void modem_set_timer(struct modem *modem, int64_t ms);
void modem_set_problem(struct modem *modem, const char *text);
void modem_drain(struct modem *modem, const char *problem); /* announces */
bool modem_write(struct modem *modem, const struct frame *frame);
void modem_on_handle_closed(uv_handle_t *handle);

/* --- modem_care.c --- */
void modem_on_state(struct modem *modem); /* of modem->frame, like the next two */
void modem_on_mended(struct modem *modem);
void modem_on_ussd(struct modem *modem);
/* True: a remedy for the lost network was begun. */
bool modem_mend_network(struct modem *modem);
/* Once its worker is gone. True: power goes off and on, the modem needs its time. */
bool modem_power_cycle(struct modem *modem);

#endif
