/* A replica in memory and modems made of nothing, for tests of outbox and inbox. */
#ifndef TOUYAN_TESTS_SMSWORLD_H
#define TOUYAN_TESTS_SMSWORLD_H

#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "sms/inbox_internal.h"
#include "sms/outbox_internal.h"

enum { SMSWORLD_MODEMS = 2, SMSWORLD_TEXTS = 16, SMSWORLD_BODY = 1024 };

struct smsworld_text {
    char number[TPDU_ADDRESS_BYTES];
    char body[SMSWORLD_BODY];
    bool can_answer;
    bool complete;
};

struct smsworld {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct outbox *outbox;
    struct inbox *inbox;
    size_t modem_count;
    struct pace_limits limits; /* in force from the next smsworld_restart() on */
    struct pace_sim pace;      /* of each SIM */
    bool ready[SMSWORLD_MODEMS];
    int score[SMSWORLD_MODEMS];
    int64_t load[SMSWORLD_MODEMS];
    bool refuses[SMSWORLD_MODEMS]; /* submit says false */
    struct frame
        submitted[SMSWORLD_MODEMS]; /* the last one; kind is FRAME_SUBMIT when there is one */
    int submits;
    int rests;
    int drains;
    int wakes;
    struct smsworld_text texts[SMSWORLD_TEXTS];
    size_t text_count;
    bool fail_texts; /* on_text breaks a statement */
    struct tpdu stored_report;
    int stored_reports;
};

/* With `modems` ready modems "gsm0", "gsm1". Time begins at a fixed moment. */
void smsworld_open(struct smsworld *world, size_t modems);
void smsworld_close(struct smsworld *world);

/* Opens outbox and inbox anew over the same replica, as after a restart, and recovers. */
void smsworld_restart(struct smsworld *world);

/* Puts in a handler of its own and commits. ref may be NULL. Returns the id (static). */
const char *smsworld_put(struct smsworld *world, const char *idem, const char *number,
                         const char *text, int prio, const char *ref);

/* Result of what modem 0 (or this one) was given last; commits. */
void smsworld_result(struct smsworld *world, enum send_outcome outcome, int value);
void smsworld_result_of(struct smsworld *world, size_t modem, enum send_outcome outcome, int value);
void smsworld_report(struct smsworld *world, const char *number, int mr, int status);
/* Of what the centre took then. */
void smsworld_report_of(struct smsworld *world, const char *number, int mr, int status,
                        int64_t sent_ms);

/* Takes a PDU in a handler and commits. */
void smsworld_take(struct smsworld *world, const char *hex);
/* Makes a DELIVER. part 0: not a part. */
void smsworld_deliver(struct smsworld *world, const char *number, const char *text, int ref,
                      int part, int total, int64_t sent_ms);

void smsworld_pass(struct smsworld *world, int64_t ms); /* time goes by, then tick and commit */

/* State of a part ("" when there is none), of a message, and a number from the database. */
const char *smsworld_part(struct smsworld *world, const char *id, int part, int copy);
const char *smsworld_state(struct smsworld *world, const char *id);

#endif
