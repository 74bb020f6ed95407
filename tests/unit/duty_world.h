/* A station to test the duty flow in: two schools, their people and posts, a clock set by hand, and
 * an outbox that is a table of the same replica, so that what is taken back is taken back whole. */
#ifndef TOUYAN_TEST_DUTY_WORLD_H
#define TOUYAN_TEST_DUTY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/caltime.h"
#include "gateway/duty/duty.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

struct world {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct duty duty;
    int texts;              /* so far, for their ids */
    int64_t no_modem_since; /* what was said from then on has not gone out; 0: all has */
    int reach;              /* messages that the SIMs can send in time */
};

/* cmocka's setup and teardown: *state is a struct world at 2026-09-07 (Monday) 12:00.
 * People: L leader, G senior officer, Z duty room, O1 and O2 officers of S17, O3 of S18,
 * V1 to V4 volunteers of S17 with duties to be given, C1 to C8 of S17 who declared all slots
 * (C2, C4, C6, C8 are teachers), D1 to D3 of S18 who did too.
 * Posts S17-E, S17-N, S18-M; terminal FT17 and button SOS17 at S17-E, SOS18 at S18-M. */
int world_setup(void **state);
int world_teardown(void **state);

int64_t world_ms(const char *date, const char *clock);
void world_at(struct world *w, const char *date, const char *clock); /* sets, does not tick */
void world_tick(struct world *w);
/* Ticks at every due time up to and at this one; at most 4,000 times. */
void world_run(struct world *w, const char *date, const char *clock);
/* The wall time in so many minutes; world_run() until then, to the minute. */
int64_t world_minute(struct world *w, int minutes);
void world_pass(struct world *w, int minutes);
/* A new struct duty on the same replica, as after a restart. */
void world_restart(struct world *w);

void world_sql(struct world *w, const char *sql);
int64_t world_int(struct world *w, const char *sql);
void world_person(struct world *w, const char *id, const char *kind, const char *name,
                  const char *school);
void world_shift(struct world *w, const char *id, const char *post, const char *date,
                 const char *peak, const char *start, const char *end, int need);
/* The assignment's id is "<shift>.<person>". */
void world_assign(struct world *w, const char *shift, const char *person);
/* Tuesday 2026-09-08, 07:20 to 08:10 at S17-E: O1 and V1; ticked once. */
void world_morning(struct world *w);

/* A text from this person (or from the number itself when it starts with '+'), then a tick. */
void world_text(struct world *w, const char *from, const char *body);
void world_text_sent(struct world *w, const char *from, const char *body, int64_t sent_at_ms);
void world_event(struct world *w, const char *device, const char *kind, const char *subject,
                 int64_t device_at_ms);

/* This person (or number) rings the station. */
void world_ring(struct world *w, const char *from);
/* Calls to this person that were not cancelled; how the newest alarm's call ended. */
int world_rung(struct world *w, const char *to);
void world_answers_call(struct world *w, const char *who, bool answered);

/* Messages to this person that were not cancelled. */
int world_count(struct world *w, const char *to, const char *text_id);
int world_total(struct world *w);
/* The newest of them; "" when there is none. Valid until the next call. */
const char *world_last(struct world *w, const char *to, const char *text_id);
/* The same of what goes by radio, to whoever has one. */
int world_on_air(struct world *w, const char *to, const char *text_id);
/* The 4 digits of the newest such text. */
const char *world_code(struct world *w, const char *to, const char *text_id);
const char *world_state(struct world *w, const char *assignment);

#define ASSERT_SENT(w, to, text_id, count) assert_int_equal(world_count(w, to, text_id), count)
#define ASSERT_STATE(w, id, state) assert_string_equal(world_state(w, id), state)

#endif
