/* Counters and quotas; see meter.h. A station has a slot, found by a hash of its name; the minute
 * begins with its first request. When the slots near its hash are all taken by others that are in
 * their minute, it is not limited: a quota protects the others, and is not worth refusing one. */
#include "sync/county/meter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

enum { SLOTS = 4096, STRANGERS = 1024, PROBES = 16, WHO_BYTES = 48, STATUS_CLASSES = 6 };

struct slot {
    char who[WHO_BYTES + 1]; /* a station's id, an address */
    int64_t began_ms, requests, bytes;
};

struct slots {
    struct slot *at;
    unsigned count;
    int64_t window_ms;
};

struct route {
    int64_t requests[STATUS_CLASSES]; /* by the first digit of the status */
    int64_t bytes_in, bytes_out, took_us;
};

struct meter {
    pthread_mutex_t lock; /* all below */
    struct slot slots[SLOTS];
    struct slot strangers[STRANGERS];
    struct route routes[METER_ROUTES];
    int64_t over_quota;
    int64_t enrolments[METER_ENROLMENTS];
    int64_t due_ms;
    bool due_known;
};

static const char *const ROUTE_NAMES[METER_ROUTES] = {"sync",   "giveback", "digest", "boot",
                                                      "enroll", "renew",    "other"};
static const char *const ENROLMENT_NAMES[METER_ENROLMENTS] = {"issued", "renewed", "waiting",
                                                              "denied", "locked"};

struct meter *meter_new(void)
{
    struct meter *meter = calloc(1, sizeof *meter);
    if (meter != NULL)
        pthread_mutex_init(&meter->lock, NULL);
    return meter;
}

void meter_free(struct meter *meter)
{
    if (meter == NULL)
        return;
    pthread_mutex_destroy(&meter->lock);
    free(meter);
}

/* The slot with its window brought up to date; NULL: none is free. */
static struct slot *find_slot(const struct slots *slots, const char *who, int64_t now_ms)
{
    unsigned hash = 2166136261U;
    struct slot *free_slot = NULL;
    for (const char *c = who; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    for (unsigned i = 0; i < PROBES; i++) {
        struct slot *slot = &slots->at[(hash + i) % slots->count];
        bool over = slot->who[0] == '\0' || now_ms - slot->began_ms >= slots->window_ms;
        if (text_equal(slot->who, who)) {
            if (over)
                *slot = (struct slot){.began_ms = now_ms};
            text_copy(slot->who, sizeof slot->who, who);
            return slot;
        }
        if (over && free_slot == NULL)
            free_slot = slot;
    }
    if (free_slot != NULL) {
        *free_slot = (struct slot){.began_ms = now_ms};
        text_copy(free_slot->who, sizeof free_slot->who, who);
    }
    return free_slot;
}

static struct slot *slot_of(struct meter *meter, const char *station, int64_t now_ms)
{
    return find_slot(&(struct slots){meter->slots, SLOTS, QUOTA_WINDOW_MS}, station, now_ms);
}

static struct slot *stranger_of(struct meter *meter, const char *address, int64_t now_ms)
{
    return find_slot(&(struct slots){meter->strangers, STRANGERS, STRANGER_WINDOW_MS}, address,
                     now_ms);
}

int64_t meter_admit(struct meter *meter, const char *station, int64_t now_ms)
{
    int64_t wait_ms = 0;
    pthread_mutex_lock(&meter->lock);
    struct slot *slot = slot_of(meter, station, now_ms);
    if (slot != NULL) {
        slot->requests++;
        if (slot->requests > LIMIT_QUOTA_REQUESTS || slot->bytes > LIMIT_QUOTA_BYTES)
            wait_ms = slot->began_ms + QUOTA_WINDOW_MS - now_ms;
    }
    meter->over_quota += wait_ms > 0;
    pthread_mutex_unlock(&meter->lock);
    return wait_ms;
}

void meter_charge(struct meter *meter, const char *station, size_t bytes, int64_t now_ms)
{
    pthread_mutex_lock(&meter->lock);
    struct slot *slot = slot_of(meter, station, now_ms);
    if (slot != NULL)
        slot->bytes += (int64_t)bytes;
    pthread_mutex_unlock(&meter->lock);
}

int64_t meter_admit_stranger(struct meter *meter, const char *address, int64_t now_ms)
{
    int64_t wait_ms = 0;
    pthread_mutex_lock(&meter->lock);
    struct slot *slot = stranger_of(meter, address, now_ms);
    if (slot != NULL) {
        slot->requests++;
        if (slot->requests > LIMIT_STRANGER_REQUESTS)
            wait_ms = slot->began_ms + STRANGER_WINDOW_MS - now_ms;
    }
    pthread_mutex_unlock(&meter->lock);
    return wait_ms;
}

void meter_enrolment(struct meter *meter, enum meter_enrolment what)
{
    pthread_mutex_lock(&meter->lock);
    meter->enrolments[what]++;
    pthread_mutex_unlock(&meter->lock);
}

void meter_count(struct meter *meter, enum meter_route route, int status, size_t bytes_in,
                 size_t bytes_out, int64_t took_us)
{
    pthread_mutex_lock(&meter->lock);
    struct route *r = &meter->routes[route];
    int class = status / 100;
    r->requests[class > 0 && class < STATUS_CLASSES ? class : 0]++;
    r->bytes_in += (int64_t)bytes_in;
    r->bytes_out += (int64_t)bytes_out;
    r->took_us += took_us;
    pthread_mutex_unlock(&meter->lock);
}

bool meter_is_due(struct meter *meter, int64_t now_ms, int64_t period_ms)
{
    pthread_mutex_lock(&meter->lock);
    bool due = meter->due_known && now_ms >= meter->due_ms;
    if (due || !meter->due_known)
        meter->due_ms = now_ms + period_ms;
    meter->due_known = true;
    pthread_mutex_unlock(&meter->lock);
    return due;
}

void meter_due_again(struct meter *meter)
{
    pthread_mutex_lock(&meter->lock);
    meter->due_ms = INT64_MIN;
    pthread_mutex_unlock(&meter->lock);
}

static void write_route(const struct route *r, const char *name, struct buf *out)
{
    for (int class = 0; class < STATUS_CLASSES; class ++)
        if (r->requests[class] > 0)
            buf_printf(out, "touyan_county_requests_total{route=\"%s\",status=\"%dxx\"} %lld\n",
                       name, class, (long long)r->requests[class]);
    buf_printf(out, "touyan_county_received_bytes_total{route=\"%s\"} %lld\n", name,
               (long long)r->bytes_in);
    buf_printf(out, "touyan_county_sent_bytes_total{route=\"%s\"} %lld\n", name,
               (long long)r->bytes_out);
    buf_printf(out, "touyan_county_handled_seconds_total{route=\"%s\"} %lld.%06lld\n", name,
               (long long)(r->took_us / 1000000), (long long)(r->took_us % 1000000));
}

void meter_write(struct meter *meter, struct buf *out)
{
    buf_add_text(out, "# TYPE touyan_county_requests_total counter\n"
                      "# TYPE touyan_county_received_bytes_total counter\n"
                      "# TYPE touyan_county_sent_bytes_total counter\n"
                      "# TYPE touyan_county_handled_seconds_total counter\n"
                      "# TYPE touyan_county_over_quota_total counter\n"
                      "# TYPE touyan_county_enrolments_total counter\n");
    pthread_mutex_lock(&meter->lock);
    for (int i = 0; i < METER_ROUTES; i++)
        write_route(&meter->routes[i], ROUTE_NAMES[i], out);
    buf_printf(out, "touyan_county_over_quota_total %lld\n", (long long)meter->over_quota);
    for (int i = 0; i < METER_ENROLMENTS; i++)
        buf_printf(out, "touyan_county_enrolments_total{what=\"%s\"} %lld\n", ENROLMENT_NAMES[i],
                   (long long)meter->enrolments[i]);
    pthread_mutex_unlock(&meter->lock);
}
