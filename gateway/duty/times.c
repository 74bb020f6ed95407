/* When things are due: pure functions of the policy and the clock. Local time is UTC+8 all year. */
#include "gateway/duty/internal.h"

struct duty_policy duty_policy_default(void)
{
    struct duty_policy policy = {
        .evening_at = 18 * 60,
        .morning_before = 120,
        .morning_earliest = 6 * 60 + 30,
        .morning_latest = 40,
        .quiet_from = 21 * 60,
        .quiet_to = 6 * 60 + 30,
        .standin_until = 21 * 60 + 30,
        .standin_at_school = 20,
        .wave_size = 3,
        .waves = 2,
        .wave_gap = 4,
        .no_show = {3, 8, 13, 23},
        .storm_percent = 20,
        .storm_least = 4,
        .panic = {2, 4, 7},
        .panic_count = 3,
        .panic_room = 7,
        .panic_room_gap = 3,
        .panic_room_times = 3,
        .panic_ring_s = 20,
        .panic_unresolved = 10,
        .panic_unresolved_times = 3,
        .drill_weekday = 3,
        .drill_at = 10 * 60,
        .watch_at = {6 * 60 + 40, 15 * 60 + 40},
        .digest_at = 9 * 60,
        .keep_days = {0, 30, 180, 3 * 365},
        .push_free = 20,
        .help_per_hour = 3,
    };
    return policy;
}

int64_t times_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t times_at(int64_t day_ms, int days, int minutes)
{
    return caltime_midnight(day_ms, days) + (int64_t)minutes * CALTIME_MINUTE_MS;
}

/* Minutes of the local clock within [from, to), which may span midnight. */
static bool within(int64_t now_ms, int from, int to)
{
    int64_t minute = (now_ms - caltime_midnight(now_ms, 0)) / CALTIME_MINUTE_MS;
    if (from <= to)
        return minute >= from && minute < to;
    return minute >= from || minute < to;
}

/* The next time the local clock shows `minutes`, after now. */
static int64_t next_clock(int64_t now_ms, int minutes)
{
    int64_t today = times_at(now_ms, 0, minutes);
    return today > now_ms ? today : times_at(now_ms, 1, minutes);
}

bool times_quiet(const struct duty_policy *policy, int64_t now_ms)
{
    return within(now_ms, policy->quiet_from, policy->quiet_to);
}

int64_t times_after_quiet(const struct duty_policy *policy, int64_t now_ms)
{
    return times_quiet(policy, now_ms) ? next_clock(now_ms, policy->quiet_to) : now_ms;
}

int64_t times_evening(const struct duty_policy *policy, int64_t start_ms)
{
    return times_at(start_ms, -1, policy->evening_at);
}

/* After the quiet hours began it is too late for the evening's reminder; the morning's follows. */
int64_t times_evening_end(const struct duty_policy *policy, int64_t start_ms)
{
    int64_t quiet = times_at(start_ms, -1, policy->quiet_from);
    return quiet > times_evening(policy, start_ms) ? quiet : caltime_midnight(start_ms, 0);
}

int64_t times_morning(const struct duty_policy *policy, int64_t start_ms)
{
    int64_t due = start_ms - (int64_t)policy->morning_before * CALTIME_MINUTE_MS;
    int64_t earliest = times_at(start_ms, 0, policy->morning_earliest);
    int64_t latest = start_ms - (int64_t)policy->morning_latest * CALTIME_MINUTE_MS;
    if (due < earliest)
        due = earliest;
    return due > latest ? latest : due;
}

int64_t times_standin(const struct duty_policy *policy, int64_t now_ms, int64_t start_ms)
{
    if (caltime_midnight(now_ms, 0) >= caltime_midnight(start_ms, 0))
        return now_ms; /* the same day: never held back */
    if (!within(now_ms, policy->standin_until, policy->quiet_to))
        return now_ms;
    return next_clock(now_ms, policy->quiet_to);
}

int64_t times_notice(const struct duty_policy *policy, int64_t now_ms, int64_t start_ms)
{
    int64_t morning = times_after_quiet(policy, now_ms);
    int64_t latest = start_ms - (int64_t)policy->morning_latest * CALTIME_MINUTE_MS;
    return morning == now_ms || morning > latest ? 0 : morning;
}

int64_t times_happened(int64_t sent_ms, int64_t heard_ms)
{
    int64_t apart = sent_ms > heard_ms ? sent_ms - heard_ms : heard_ms - sent_ms;
    return sent_ms > 0 && apart <= DUTY_SAME_TIME_MS ? sent_ms : heard_ms;
}

int64_t times_waited(int64_t sent_ms, int64_t heard_ms)
{
    int64_t waited = heard_ms - sent_ms;
    return sent_ms > 0 && waited > DUTY_SAME_TIME_MS && waited <= CALTIME_DAY_MS ? sent_ms : 0;
}

/* The repeats to all are policy->panic; the room is called at panic_room and every panic_room_gap
 * after it. Both series are merged by time; at the same minute it is one step for all. */
bool times_alarm_step(const struct duty_policy *policy, int index, struct alarm_step *ret)
{
    int repeat = 0, room = 0;
    for (int i = 0; repeat < policy->panic_count || room <= policy->panic_room_times; i++) {
        int at_repeat = repeat < policy->panic_count ? policy->panic[repeat] : INT32_MAX;
        int at_room = room <= policy->panic_room_times
                          ? policy->panic_room + room * policy->panic_room_gap
                          : INT32_MAX;
        struct alarm_step step = {.minutes = at_repeat < at_room ? at_repeat : at_room,
                                  .all = at_repeat <= at_room,
                                  .copy = i + 2};
        repeat += at_repeat <= at_room;
        room += at_room <= at_repeat;
        if (i == index) {
            *ret = step;
            return true;
        }
    }
    return false;
}
