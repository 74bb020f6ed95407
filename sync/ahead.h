/* What the station does while the county works on a push, handler by handler: it settles the push
 * before, then claims and writes the next one. */
#ifndef TOUYAN_SYNC_AHEAD_H
#define TOUYAN_SYNC_AHEAD_H

#include <stdbool.h>

struct sync;

/* A push is on its way. prepares: another one will follow. */
void ahead_begin(struct sync *sync, bool prepares);
/* The next handler, when the loop has served what came meanwhile. */
void ahead_step(struct sync *sync);
/* The request is over. */
void ahead_end(struct sync *sync);
/* Settles a slice of the push before; then comes the next step. */
void ahead_settle(struct sync *sync);
/* Settles what is left of the push before, in one handler. */
void ahead_settle_rest(struct sync *sync);

#endif
