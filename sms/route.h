/* Which modem for which recipient: by health first, then by the network that both are on (a message
 * within one network arrives sooner and is often free), then by load. Pure.
 *
 * The network of a number is a guess from its first digits: numbers move between networks, so it
 * only decides between modems that are equally well. */
#ifndef TOUYAN_SMS_ROUTE_H
#define TOUYAN_SMS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum carrier { CARRIER_UNKNOWN, CARRIER_MOBILE, CARRIER_UNICOM, CARRIER_TELECOM, CARRIER_BROADNET };

/* From country and network code of the SIM: "46000". */
enum carrier route_carrier_of_sim(const char *network);
/* From a number: "+8613800000001". */
enum carrier route_carrier_of_number(const char *number);

struct route_modem {
    const char *network;         /* of the SIM; "" not known */
    const char *const *prefixes; /* of numbers that are to go this way, whatever the table says */
    size_t prefix_count;
    int registration; /* 3GPP TS 27.007 7.2; -1 not known */
    int csq;          /* 0 to 31, 99 not known */
    int failures;     /* in a row */
};

/* Registered, at home or roaming. */
bool route_is_registered(int registration);

/* Higher is better; modems of equal points share the load. */
int route_score(const struct route_modem *modem, const char *number);

#endif
