/* How much may go out: the pace of a SIM, caps for one recipient, quiet hours. Pure functions of
 * limits, what was sent and the wall clock (UTC ms). Alarms are never held back, but count.
 *
 * A SIM has a token bucket: it may send a fifth of its hour's number at once, and the rest spread
 * over the hour, so that no 60 minutes see more than per_hour. The day's number is counted from
 * local midnight. Reminders and mass messages leave a reserve to what somebody waits for. */
#ifndef TOUYAN_SMS_PACE_H
#define TOUYAN_SMS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parts of one SIM; 0: no limit. */
struct pace_sim {
    int per_hour;
    int per_day;
};

struct pace_limits {
    int recipient_day;        /* messages to one number in 24 h, urgent ones twice as many; 0: no
                                 caps for recipients */
    int64_t same_text_ms;     /* the same text to the same number again within this; 0: may */
    int quiet_from, quiet_to; /* minutes after local midnight; equal: no quiet hours */
};

struct pace_bucket {
    int64_t milli; /* tokens in thousandths; alarms may bring it below 0 */
    int64_t at_ms;
    int64_t day_ms; /* local midnight */
    int day_count;
};

/* A full one. */
struct pace_bucket pace_new(const struct pace_sim *sim, int64_t now_ms);
/* When a part of this priority (enum sms_prio) may go: now_ms or later. */
int64_t pace_opens_ms(const struct pace_sim *sim, const struct pace_bucket *bucket, int prio,
                      int64_t now_ms);
/* One part goes. */
void pace_spend(const struct pace_sim *sim, struct pace_bucket *bucket, int64_t now_ms);
/* How many parts of this priority go out before until_ms when each keeps the modem for part_ms. At
 * most `most`. */
int pace_reach(const struct pace_sim *sim, struct pace_bucket bucket, int prio, int64_t part_ms,
               int64_t now_ms, int64_t until_ms, int most);

bool pace_is_quiet(const struct pace_limits *limits, int64_t now_ms);
/* now_ms, or the end of the quiet hours that now_ms lies in. */
int64_t pace_after_quiet(const struct pace_limits *limits, int64_t now_ms);

enum { PACE_RECENT = 128 };
/* When a message of this priority may go to a number that gets messages at `times` (in any order,
 * at most the PACE_RECENT newest ones, also of the future): now_ms or later. Sorts times. */
int64_t pace_recipient_ms(const struct pace_limits *limits, int64_t *times, size_t count, int prio,
                          int64_t now_ms);

#endif
