/* The station's life: which start of the program this is, what time it is at the county, on which
 * machine the database lies, and what happens when two databases turn out to be one station.
 * Everything runs in the caller's handler. */
#ifndef TOUYAN_SYNC_LIFE_H
#define TOUYAN_SYNC_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "sync/machine.h"
#include "sync/wire.h"

/* Notes this start. A database that was last used on another machine, or was taken from a backup,
 * begins a new incarnation before anything is pushed. */
bool life_begin(struct wire *wire, const struct machine *machine);

/* A new incarnation: the county gives it a number with the next request. What is not settled is
 * pushed again under it. `code` is for the county (PROTOCOL.md 2.1), `why` for the operator. Also
 * ends replica_was_restored(). */
bool life_reincarnate(struct wire *wire, const char *code, const char *why);

/* county_ms: the county's clock now. */
bool life_note_time(struct wire *wire, int64_t county_ms);

/* Whether the clock of this boot was ever compared with the county's. */
bool life_clock_known(struct wire *wire);
/* 2: the wall clock agrees with the county's; 1: it does not, stamps are corrected; 0: unknown. */
int life_clock_quality(struct wire *wire);

/* Gives the marks above number `after`, up to `last`, their final stamps: from the time
 * since the machine started where the county's clock was heard in that boot; else never later than
 * what was known of the county's clock when that start began, so that a clock that nobody checked
 * loses ties. */
bool life_claim(struct wire *wire, int64_t after, int64_t last);

#endif
