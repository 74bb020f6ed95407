/* Two leaking buckets; see quota.h. Pure. */
#include "mqtt/quota.h"

#include "gateway/base/limits.h"

static int64_t leak(int64_t used, int64_t gone)
{
    return gone >= used ? 0 : used - gone;
}

bool quota_take(struct quota *quota, int64_t mono_ms, size_t bytes, int events_per_s)
{
    int64_t passed_ms = mono_ms - quota->at_ms;
    if (passed_ms > 0) {
        quota->events_used = leak(quota->events_used, passed_ms * events_per_s);
        quota->bytes_used = leak(quota->bytes_used, passed_ms * LIMIT_DEVICE_BYTES_PER_MS);
        quota->at_ms = mono_ms;
    }
    if (quota->events_used + 1000 > LIMIT_DEVICE_BURST_EVENTS * INT64_C(1000) ||
        quota->bytes_used + (int64_t)bytes > LIMIT_DEVICE_BURST_BYTES)
        return false;
    quota->events_used += 1000;
    quota->bytes_used += (int64_t)bytes;
    return true;
}
