/* See pace.h. */
#include "sync/pace.h"

enum { USUAL_WEIGHT = 16 };

void pace_init(struct pace *pace, size_t first, size_t max)
{
    *pace = (struct pace){.rows = first, .max = max};
}

/* The usual commit is near the shortest: it falls at once and rises slowly. */
static int64_t beyond_usual(struct pace *pace, int64_t commit_us)
{
    int64_t *usual = &pace->usual_commit_us;
    if (*usual == 0 || commit_us < *usual)
        *usual = commit_us;
    else
        *usual += (commit_us - *usual) / USUAL_WEIGHT;
    return commit_us - *usual;
}

static size_t between(size_t low, size_t rows, size_t high)
{
    return rows < low ? low : rows > high ? high : rows;
}

/* At most twice or half of the last: one slow commit says little. */
void pace_note(struct pace *pace, size_t done, int64_t work_us, int64_t commit_us, int64_t goal_us)
{
    int64_t extra_us = beyond_usual(pace, commit_us);
    int64_t cost_us = work_us + (extra_us < work_us ? extra_us : work_us);
    if (done == 0)
        return;
    size_t fits = (size_t)((int64_t)done * goal_us / (cost_us > 0 ? cost_us : 1));
    size_t next = between(pace->rows / 2, fits, 2 * pace->rows);
    if (done < pace->rows && next < pace->rows && cost_us <= goal_us)
        return; /* a short one that was in time says nothing */
    pace->rows = between(PACE_ROWS_MIN, next, pace->max);
}
