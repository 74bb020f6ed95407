/* What both subscribers and the publisher of the benchmark agree on. */
#ifndef TOUYAN_BENCH_MQTT_ROW_H
#define TOUYAN_BENCH_MQTT_ROW_H

enum { BENCH_DEVICES = 20, BENCH_PAYLOAD_BYTES = 178 };

#define BENCH_FILTER "sc/+/+/+/+/evt"
#define BENCH_TOPIC "sc/S0117/S14/M/B%02d/evt" /* device */
/* sequence, milliseconds; filled up with blanks to BENCH_PAYLOAD_BYTES */
#define BENCH_PAYLOAD                                                                              \
    "{\"id\":\"7-%06d\",\"ts\":%lld,\"k\":\"door\",\"c\":\"open\",\"s\":\"\",\"rssi\":-67,"        \
    "\"bat\":3.61,\"fw\":\"1.4.2\",\"up\":86400,\"temp\":23.5,\"note\":\""

#endif
