/* What the server counts: requests for /metrics, and what each station has cost this minute. Any
 * thread. */
#ifndef TOUYAN_COUNTY_METER_H
#define TOUYAN_COUNTY_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

enum {
    LIMIT_QUOTA_REQUESTS = 3000, /* of a station, a minute */
    LIMIT_QUOTA_BYTES = 256 << 20,
    QUOTA_WINDOW_MS = 60000,
};

enum {
    LIMIT_STRANGER_REQUESTS = 240, /* of an address, without any proof, in a window */
    STRANGER_WINDOW_MS = 900000,
};

enum meter_enrolment {
    METER_ENROL_ISSUED,
    METER_ENROL_RENEWED,
    METER_ENROL_WAITING,
    METER_ENROL_DENIED,
    METER_ENROL_LOCKED,
    METER_ENROLMENTS,
};

enum meter_route {
    METER_SYNC,
    METER_GIVEBACK,
    METER_DIGEST,
    METER_BOOT,
    METER_ENROLL,
    METER_RENEW,
    METER_OTHER,
    METER_ROUTES,
};

struct meter;
struct meter *meter_new(void);
void meter_free(struct meter *meter); /* accepts NULL */

/* Counts a request of the station. 0: it may; else milliseconds until its next minute. now_ms is
 * monotonic. */
int64_t meter_admit(struct meter *meter, const char *station, int64_t now_ms);
/* Charges the body once it is unpacked. */
void meter_charge(struct meter *meter, const char *station, size_t bytes, int64_t now_ms);

/* The same for requests that prove nothing, by the client's address. */
int64_t meter_admit_stranger(struct meter *meter, const char *address, int64_t now_ms);
void meter_enrolment(struct meter *meter, enum meter_enrolment what);

void meter_count(struct meter *meter, enum meter_route route, int status, size_t bytes_in,
                 size_t bytes_out, int64_t took_us);

/* True once every period, for one caller. */
bool meter_is_due(struct meter *meter, int64_t now_ms, int64_t period_ms);
void meter_due_again(struct meter *meter); /* at the next request */

/* Appends the Prometheus text format. */
void meter_write(struct meter *meter, struct buf *out);

#endif
