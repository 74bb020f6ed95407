/* What the leader tells the roster besides posts and people: who stays where, how many a post needs
 * and with which skills, how far somebody's way is, who stood in rightly. */
#ifndef TOUYAN_DUTY_ORDER_H
#define TOUYAN_DUTY_ORDER_H

#include "gateway/base/err.h"

struct duty;
struct json;
struct replica;

enum { ORDER_BAND = 5, ORDER_WAY_MAX = 600, ORDER_NEED_MAX = 99 };

/* Inside a handler. {"act","by"} and
 *   pin    "school","post","date","peak","person": stays there, whatever is planned
 *   unpin  "date","peak","person"
 *   way    "person","school","minutes": one way, kept as a band of five minutes
 *   approve "person": who stood in for somebody and was not approved yet, was in order
 *   decide "person","date","peak","verdict": whoever missed that duty by the books was there
 * ("came"), is excused, or was absent (verdict.c) need
 * "school","post","flat","busy","heavy"[,"peak" (else all),"level","skills"]: how many people while
 * the gates are quiet, busy, crowded (0: as while less is going on) ERR_INVALID, ERR_NOT_FOUND,
 * ERR_STATE: err says what is wrong. */
int order_put(struct duty *duty, const struct json *order, struct err *err);

/* {"pins":[],"needs":[],"ways":[],"skills":[],"stand_ins":[]} as they are now; stand_ins: those of
 * the last month that nobody approved. */
struct json *order_list(struct replica *replica);

#endif
