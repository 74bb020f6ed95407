/* How many rows fit into one handler: pure, learns from what the last ones took. An alarm waits for
 * the handler that is running and for its commit. */
#ifndef TOUYAN_SYNC_PACE_H
#define TOUYAN_SYNC_PACE_H

#include <stddef.h>
#include <stdint.h>

enum { PACE_ROWS_MIN = 10 };

struct pace {
    size_t rows; /* for the next handler */
    size_t max;
    int64_t usual_commit_us; /* what the disk takes for a small commit; 0: none was seen */
};

void pace_init(struct pace *pace, size_t first, size_t max);
/* A handler worked on `done` rows for work_us, and its turn was committed in commit_us. goal_us:
 * how long it should have been. A disk that takes 20 ms for any commit takes them for ten rows as
 * well, so only what this commit took beyond the usual counts, and at most as much as the work:
 * fewer rows would only make more commits. */
void pace_note(struct pace *pace, size_t done, int64_t work_us, int64_t commit_us, int64_t goal_us);

#endif
