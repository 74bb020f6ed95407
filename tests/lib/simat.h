/* The modem's AT side (3GPP TS 27.007, 27.005, ITU-T V.250): bytes in, bytes out, over a simnet.
 * No I/O: the owner feeds what came and writes what is in `out`. */
#ifndef TOUYAN_TESTS_SIMAT_H
#define TOUYAN_TESTS_SIMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "tests/lib/simfault.h"
#include "tests/lib/simnet.h"
#include "tests/lib/simprofile.h"

enum {
    SIMAT_LINE_BYTES = 1024,
    SIMAT_INPUT_BYTES = 65536,
    SIMAT_OUTPUT_BYTES = 1048576,
    SIMAT_PIN_TRIES = 3,
    SIMAT_STUBBORN = 2,
    SIMAT_LATER = 64, /* replies under way */
};

struct simat_later {
    int64_t due_us;
    bool blocks; /* the modem takes no command before this reply */
    char text[256];
};

struct simat {
    struct simnet *net;
    const struct simprofile *profile;
    int commands; /* counted for the profile's chatter */
    bool hushed;
    struct simfaults faults;
    struct buf in;  /* not yet looked at: while a reply is awaited */
    struct buf out; /* to be written */
    bool one_byte;  /* the owner writes a byte at a time until `out` is empty */
    char line[SIMAT_LINE_BYTES];
    size_t line_size;
    int64_t line_us; /* first byte of the line */
    bool in_pdu;     /* behind the prompt */
    size_t pdu_length;
    struct simfault send_fault;
    struct simfault urc_inside, urc_after; /* of the command that runs */
    bool echo, echo_now, cme;
    bool final_sent; /* this command line has its final result */
    enum simnet_memory read_memory, receive_memory;
    int cnmi_mt, cnmi_ds;
    int creg;              /* +CREG=n */
    bool known_registered; /* what +CREG said last */
    bool radio_off;        /* +CFUN=0 or 4 */
    int stubborn;          /* a lost network stays lost: 1 over +CFUN=4, 2 over a reset too */
    char pin[16];          /* "": the SIM has none */
    int pin_tries;         /* left */
    bool pin_entered;
    int pin_wrong;         /* PINs that were wrong, counted for good */
    char centre[32];       /* of the SIM, "" none */
    char network_time[32]; /* as +CCLK says it; "": ERROR */
    int ussd_asked;
    enum { SIMAT_NO_CALL, SIMAT_ALERTING, SIMAT_ACTIVE } call; /* from here */
    char called[32];
    int64_t call_end_us; /* when the callee does what he does */
    char callee[16];     /* "reject", "busy", "answer", "ring" (for ever), "fail" */
    int callee_ms;       /* after so long */
    int calls;
    int64_t silent_until_us; /* 0: not; INT64_MAX: until cleared */
    int64_t unregistered_until_us;
    struct simat_later later[SIMAT_LATER];
    int later_count;
};

void simat_init(struct simat *at, struct simnet *net); /* with the plain profile */
void simat_fini(struct simat *at);

/* As after power on; input, output and replies under way are gone. */
void simat_reset(struct simat *at);

void simat_feed(struct simat *at, const char *bytes, size_t size, int64_t now_us);

/* Sends what is due: late replies, reports, announcements. `heard`: somebody has the port open. */
void simat_run(struct simat *at, int64_t now_us, bool heard);

/* When simat_run has something to do; -1: only after other input. */
int64_t simat_next_due(const struct simat *at);

/* Nothing half done on the AT side. */
bool simat_is_idle(const struct simat *at);

/* Somebody rings: RING and +CLIP each second, then he hangs up. */
void simat_ring(struct simat *at, const char *from, int ms);

/* Enters the state of a SILENT or REGISTRATION_LOST fault. */
void simat_enter_fault(struct simat *at, const struct simfault *fault, int64_t now_us);

/* Silence and lost registration end. */
void simat_clear(struct simat *at);

#endif
