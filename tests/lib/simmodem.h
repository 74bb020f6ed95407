/* A GSM modem with a network behind it, for tests and the demo: AT commands on a pty, orders and
 * figures on a Unix socket (one JSON object a line), and a book of what the network saw. A modem
 * over a book that is there already goes on with the same SIM and the same network: killing the
 * program is like pulling the modem out in mid sentence.
 *
 * Orders, each answered with {"ok":true,...} or {"ok":false,"error":"..."}:
 *   {"cmd":"inbound","from":"+8613...","text":"...","drop":0,"reverse":false,"id":null} -> parts
 *   {"cmd":"inbound_pdu","hex":"..."}       service centre address in front; may be broken
 *   {"cmd":"urc","text":"+QIND: SMS DONE"}  a line from the modem, now
 *   {"cmd":"fault","kind":"...",...}        simfault.h
 *   {"cmd":"clear"}                         disarms all faults, ends silence
 *   {"cmd":"unplug"} {"cmd":"plug"}         the port goes; a new one comes under the same link,
 *                                           or under another one: {"cmd":"plug","link":"..."}
 *   {"cmd":"sim","pin":"1234","centre":"","time":"26/11/22,10:00:00+32","drafts":0,
 *    "stubborn":0}                 what is named changes
 *   {"cmd":"network","delay_ms":0,"report_ms":0,"registered":true,"signal":21}  what is named
 * changes
 *   {"cmd":"callee","does":"reject","after_ms":50}  what who is called does: reject, busy, answer,
 *                                           ring (until we hang up), fail (no call at all)
 *   {"cmd":"ring","from":"+8613...","ms":100}  somebody rings so long and hangs up
 *   {"cmd":"stats"}                         -> counters, "idle": nothing is under way or waiting,
 *                                              "quiet_ms": since the last byte either way
 *   {"cmd":"quit"}                          ends the program after the answer */
#ifndef TOUYAN_TESTS_SIMMODEM_H
#define TOUYAN_TESTS_SIMMODEM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/simat.h"
#include "tests/lib/simbook.h"
#include "tests/lib/simnet.h"

enum { SIMMODEM_CLIENTS = 8, SIMMODEM_ORDER_BYTES = 65536 };

struct simmodem_options {
    const char *link;    /* becomes a symbolic link to the pty */
    const char *control; /* Unix socket; NULL: none */
    const char *log;     /* the book; NULL: none */
    bool log_fsync;
    const char *profile; /* simprofile.h; NULL: the plain one */
    int capacity;        /* of the SIM; 0: 20 */
    int delay_ms;
    int report_ms;
};

struct simmodem_client {
    int fd; /* -1: free */
    struct buf in;
};

struct simmodem {
    struct simmodem_options options;
    struct simbook book;
    struct simnet net;
    struct simat at;
    int master;  /* -1: unplugged */
    bool opened; /* somebody has the slave open */
    int listener;
    struct simmodem_client clients[SIMMODEM_CLIENTS];
    int64_t busy_us;  /* last byte either way */
    int64_t piece_us; /* when the next single byte may go */
    bool quit;
    char renamed[128]; /* the link after {"cmd":"plug","link":...} */
};

/* The options' texts and the clock must outlive the modem; *modem must not move afterwards. */
int simmodem_open(struct simmodem *modem, const struct simmodem_options *options,
                  const struct clock *clock, struct err *err);
void simmodem_close(struct simmodem *modem);

/* Waits for the next thing to do (at most max_ms) and does it. Also returns on a signal. */
void simmodem_turn(struct simmodem *modem, int max_ms);

/* Carries out one order; returns the answer, to be freed by the caller. */
struct json *simmodem_order(struct simmodem *modem, const char *line, size_t size);

#endif
