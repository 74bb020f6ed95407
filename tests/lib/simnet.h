/* The simulated mobile network and the SIM: takes SUBMIT PDUs, numbers them, answers with delivery
 * reports, and brings messages to the SIM. It knows nothing about AT; simat.c asks it.
 * All times are microseconds of CLOCK_MONOTONIC, except the time stamps inside PDUs (wall clock).
 */
#ifndef TOUYAN_TESTS_SIMNET_H
#define TOUYAN_TESTS_SIMNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sms/tpdu.h"
#include "tests/lib/simbook.h"

enum {
    SIMNET_SLOTS = 255,    /* most a memory can have */
    SIMNET_QUEUE = 65536,  /* messages the network keeps for us, reports under way */
    SIMNET_OPEN_SETS = 64, /* concatenated messages of ours not yet complete */
    SIMNET_CMS_MEMORY_FULL = 322,
};

enum simnet_memory { SIMNET_SM, SIMNET_ME, SIMNET_SR, SIMNET_MEMORIES };

struct simnet_pdu {
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size; /* 0: empty slot */
    bool read;
    bool is_draft;   /* of ours, never sent */
    bool is_inbound; /* a message, not a report */
};

struct simnet_report {
    int64_t due_us;
    struct simnet_pdu pdu;
    int mr;
    char to[TPDU_ADDRESS_BYTES];
    int status;
};

struct simnet_set {
    char to[TPDU_ADDRESS_BYTES];
    struct tpdu_concat concat; /* of the first part that came; part is the number of parts here */
    uint64_t age;              /* for making room */
    char *text[LIMIT_SMS_PARTS];
};

/* A text to us. `drop` leaves one part out (0: none), `reverse` sends the last part first. */
struct simnet_text {
    const char *from;
    const char *text;
    const char *id; /* goes into the book, so that the sender knows what was taken; may be NULL */
    int drop;
    bool reverse;
};

struct simnet_stats {
    int64_t accepted, messages, refused, reports, reports_unheard;
    int64_t inbound, inbound_pdus, inbound_stored, inbound_deleted;
};

struct simnet {
    const struct clock *clock;
    struct simbook *book;
    int capacity[SIMNET_MEMORIES];
    struct simnet_pdu memory[SIMNET_MEMORIES][SIMNET_SLOTS];
    struct simnet_pdu *waiting; /* ring of SIMNET_QUEUE: messages without room on the SIM */
    size_t waiting_first, waiting_count;
    struct simnet_report *reports; /* heap by due_us, SIMNET_QUEUE */
    size_t report_count;
    struct simnet_set sets[SIMNET_OPEN_SETS];
    uint64_t set_age;
    int next_mr;
    int next_ref;
    int delay_ms;  /* SUBMIT to its answer */
    int report_ms; /* accepted to report */
    bool registered;
    int signal; /* CSQ, 0 to 31 or 99 */
    struct simnet_stats stats;
};

/* What a fault does to the report of one accepted PDU. */
struct simnet_report_plan {
    bool none;
    int copies;   /* at least 1 */
    int delay_ms; /* -1: the network's report_ms */
    int status;   /* TP-ST */
};

void simnet_init(struct simnet *net, const struct clock *clock, struct simbook *book);
void simnet_fini(struct simnet *net);

/* Takes a SUBMIT. ERR_INVALID: no PDU that can be read. Sets the message reference. */
int simnet_submit(struct simnet *net, const uint8_t *bytes, size_t size, int64_t first_byte_us,
                  const struct simnet_report_plan *plan, int *ret_mr, struct err *err);

/* A text to us: one PDU or several. *ret_parts: how many PDUs were made. */
int simnet_inbound_text(struct simnet *net, const struct simnet_text *what, int *ret_parts,
                        struct err *err);

/* Any bytes, with the service centre address in front. */
int simnet_inbound_pdu(struct simnet *net, const uint8_t *bytes, size_t size, struct err *err);

/* Moves one waiting message into the memory; returns its slot (from 0), or -1 when nothing waits,
 * there is no room, or the phone is not registered. */
int simnet_deliver_one(struct simnet *net, enum simnet_memory memory);

/* Takes the next report that is due; false when there is none. */
bool simnet_take_report(struct simnet *net, int64_t now_us, struct simnet_report *ret);
/* When the next one is due; -1: never. */
int64_t simnet_next_due(const struct simnet *net);

/* Takes a report of that number, whether it is due or not; false when there is none. */
bool simnet_take_report_of(struct simnet *net, const char *to, int mr, struct simnet_report *ret);

/* Puts a report into SR; the slot or -1. */
int simnet_store_report(struct simnet *net, const struct simnet_report *report);

void simnet_delete(struct simnet *net, enum simnet_memory memory, int slot);
int simnet_used(const struct simnet *net, enum simnet_memory memory);

#endif
