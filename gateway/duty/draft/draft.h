/* The roster of a station's week as a draft: made from the replica, looked at, published.
 *
 * draft_load() reads posts, people, what they declared and what is published already;
 * draft_solve() plans and needs nothing but the draft, so it can run on another thread;
 * draft_store() writes the draft's own tables. Nobody is told anything until draft_publish() makes
 * shifts and assignments of it, which the duty flow then tells each person once.
 *
 * What is planned: the visits of the sponsors to their schools; every active post of the station's
 * schools on every day of school of the week that is still ahead, at the hours and with the need of
 * its last published shift of that peak, or of the school's bells when it never had one; where it
 * has a demand, with the need of the level to expect. A post that needs two or more has an officer
 * among them, a patrol officers alone; the other places are for volunteers who offered that weekday
 * and peak. What has begun, and what is confirmed for the next 12 hours, stays as it is; who
 * declined a duty does not get it again. */
#ifndef TOUYAN_DUTY_DRAFT_H
#define TOUYAN_DUTY_DRAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"

struct replica;
struct draft;

struct draft_options {
    const char *station_id; /* or a bureau's: all stations below it */
    const char *lang;       /* of the explanations, "zh-CN" or "en" */
    int64_t monday_ms;      /* local midnight of the week's Monday */
    int64_t now_ms;
    bool afresh; /* not bound to what is published, apart from what stays */
};

/* ERR_NOT_FOUND: the station has no posts or nothing is ahead. ERR_LIMIT, ERR_NOMEM. */
int draft_load(struct replica *replica, const struct draft_options *options, struct draft **ret,
               struct err *err);
int draft_solve(struct draft *draft, struct err *err);
/* Inside a handler of the replica's turn. Takes the place of the draft before. */
void draft_store(struct replica *replica, const struct draft *draft);
void draft_free(struct draft *draft); /* accepts NULL */

struct draft_diff {
    char week[16];             /* "": there is no draft */
    int added, removed, moved; /* person-shifts; moved: the same person at another time */
    int gaps;                  /* places with nobody */
    bool calendar_known;
};
struct draft_diff draft_compare(struct replica *replica, int64_t now_ms);

/* Inside a handler. Writes what differs, from now on, and empties the draft. ERR_NOT_FOUND: there
 * is none. ERR_STATE: it is for several stations, which publish their parts themselves. *ret: what
 * was changed. */
int draft_publish(struct replica *replica, const char *station_id, int64_t now_ms,
                  struct draft_diff *ret, struct err *err);

/* {"week","made_at","calendar_known","changes","added","removed","moved","gaps","visits_missing",
 * "shifts":[{"date","peak","start_at","end_at","school","post","need","level","why",
 * "people":[{"name","kind","role","why"}]}],"visits":[{"date","peak","school","person"}]} or {}
 * without a draft. */
struct json *draft_show(struct replica *replica, int64_t now_ms);
/* {"week",...,"lines":[{"what":"added"|"removed"|"moved","date","start_at","school","post","person"}]}
 */
struct json *draft_show_diff(struct replica *replica, int64_t now_ms);

#endif
