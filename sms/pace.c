/* Token buckets, caps and quiet hours; see pace.h. */
#include "sms/pace.h"

#include <stdlib.h>

#include "gateway/base/caltime.h"
#include "sms/outbox_policy.h"

enum {
    TOKEN = 1000,
    BURST_SHARE = 5,   /* of the hour's number at once */
    RESERVE_SHARE = 4, /* of the burst, for what somebody waits for */
    DAY_RESERVE = 10,  /* of the day's number, for the same */
    HOUR_MS = 3600 * 1000,
};

static int64_t burst(const struct pace_sim *sim)
{
    int64_t tokens = sim->per_hour / BURST_SHARE;
    return (tokens > 0 ? tokens : 1) * TOKEN;
}

/* Thousandths of a token an hour. */
static int64_t refill(const struct pace_sim *sim)
{
    int64_t left = (int64_t)sim->per_hour * TOKEN - burst(sim);
    return left > 0 ? left : TOKEN;
}

struct pace_bucket pace_new(const struct pace_sim *sim, int64_t now_ms)
{
    return (struct pace_bucket){burst(sim), now_ms, caltime_midnight(now_ms, 0), 0};
}

/* A clock that went back adds nothing. */
static struct pace_bucket at_time(const struct pace_sim *sim, const struct pace_bucket *bucket,
                                  int64_t now_ms)
{
    struct pace_bucket now = *bucket;
    int64_t passed = now_ms - bucket->at_ms;
    int64_t full = burst(sim);
    if (passed >= HOUR_MS * 2)
        now.milli = full;
    else if (passed > 0)
        now.milli += passed * refill(sim) / HOUR_MS;
    now.milli = now.milli < full ? now.milli : full;
    now.at_ms = now_ms;
    if (now.day_ms != caltime_midnight(now_ms, 0)) {
        now.day_ms = caltime_midnight(now_ms, 0);
        now.day_count = 0;
    }
    return now;
}

/* What must be in the bucket for a part of this priority. */
static int64_t price(const struct pace_sim *sim, int prio)
{
    return prio >= SMS_PRIO_REMINDER ? TOKEN + burst(sim) / RESERVE_SHARE : TOKEN;
}

static bool is_day_full(const struct pace_sim *sim, const struct pace_bucket *bucket, int prio)
{
    int most = sim->per_day;
    if (prio >= SMS_PRIO_REMINDER)
        most -= most / DAY_RESERVE;
    return sim->per_day > 0 && bucket->day_count >= most;
}

int64_t pace_opens_ms(const struct pace_sim *sim, const struct pace_bucket *bucket, int prio,
                      int64_t now_ms)
{
    if (prio == SMS_PRIO_PANIC)
        return now_ms;
    struct pace_bucket now = at_time(sim, bucket, now_ms);
    if (is_day_full(sim, &now, prio))
        return caltime_midnight(now_ms, 1);
    int64_t lack = price(sim, prio) - now.milli;
    if (sim->per_hour == 0 || lack <= 0)
        return now_ms;
    return now_ms + (lack * HOUR_MS + refill(sim) - 1) / refill(sim);
}

void pace_spend(const struct pace_sim *sim, struct pace_bucket *bucket, int64_t now_ms)
{
    *bucket = at_time(sim, bucket, now_ms);
    bucket->milli -= TOKEN;
    if (bucket->milli < -burst(sim))
        bucket->milli = -burst(sim); /* a long alarm does not silence the rest for hours */
    bucket->day_count++;
}

int pace_reach(const struct pace_sim *sim, struct pace_bucket bucket, int prio, int64_t part_ms,
               int64_t now_ms, int64_t until_ms, int most)
{
    int count = 0;
    part_ms = part_ms > 0 ? part_ms : 1;
    while (count < most) {
        now_ms = pace_opens_ms(sim, &bucket, prio, now_ms);
        if (now_ms + part_ms > until_ms)
            break;
        pace_spend(sim, &bucket, now_ms);
        now_ms += part_ms;
        count++;
    }
    return count;
}

/* --- quiet hours --- */

bool pace_is_quiet(const struct pace_limits *limits, int64_t now_ms)
{
    int64_t minute = (now_ms - caltime_midnight(now_ms, 0)) / CALTIME_MINUTE_MS;
    if (limits->quiet_from <= limits->quiet_to)
        return minute >= limits->quiet_from && minute < limits->quiet_to;
    return minute >= limits->quiet_from || minute < limits->quiet_to;
}

int64_t pace_after_quiet(const struct pace_limits *limits, int64_t now_ms)
{
    if (!pace_is_quiet(limits, now_ms))
        return now_ms;
    int64_t end = caltime_midnight(now_ms, 0) + (int64_t)limits->quiet_to * CALTIME_MINUTE_MS;
    return end > now_ms
               ? end
               : caltime_midnight(now_ms, 1) + (int64_t)limits->quiet_to * CALTIME_MINUTE_MS;
}

/* --- one recipient --- */

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Behind the `most`-th newest one the window has room again. */
static int64_t room_ms(const int64_t *times, size_t count, int most, int64_t window_ms,
                       int64_t now_ms)
{
    if (most <= 0 || count < (size_t)most)
        return now_ms;
    int64_t free_ms = times[most - 1] + window_ms;
    return free_ms > now_ms ? free_ms : now_ms;
}

/* The steps that paging services use for one telephone (GoAlert: 5 in a quarter of an hour, 11 an
 * hour, 21 in three); what somebody has to act on may come twice as thick. */
int64_t pace_recipient_ms(const struct pace_limits *limits, int64_t *times, size_t count, int prio,
                          int64_t now_ms)
{
    static const struct {
        int minutes, most;
    } steps[] = {{15, 5}, {60, 11}, {180, 21}};
    if (prio == SMS_PRIO_PANIC || limits->recipient_day == 0)
        return now_ms;
    int times_as_many = prio == SMS_PRIO_DUTY ? 2 : 1;
    int64_t at = now_ms;
    qsort(times, count, sizeof times[0], newest_first);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        at = room_ms(times, count, steps[i].most * times_as_many,
                     steps[i].minutes * CALTIME_MINUTE_MS, at);
    return room_ms(times, count, limits->recipient_day * times_as_many, CALTIME_DAY_MS, at);
}
