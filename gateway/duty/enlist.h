/* Volunteers whom a school's coordinator enters (学校登记, by text in coordinator.c): the station
 * approves, then the person is asked for consent by text (C1). Without a 1 nothing more is sent and
 * the entry is gone after seven days. The entry is also the proof of consent: when, and by which
 * text. The county's list gets those who consented as a file for its import; until then nobody here
 * is on the roster. */
#ifndef TOUYAN_DUTY_ENLIST_H
#define TOUYAN_DUTY_ENLIST_H

#include <stdbool.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"

struct duty;

struct enlist_entry {
    const char *school, *kind, *name;
    const char *phone; /* sealed */
    const char *by;    /* the school's coordinator: one of its teachers or guards */
};

/* ERR_NOT_FOUND: no such school or person. ERR_STATE: `by` is not of that school, or this number
 * wanted no more texts. ERR_INVALID: kind or name. */
int enlist_add(struct duty *duty, const struct enlist_entry *entry, char ret_id[LIMIT_ID_BYTES + 1],
               struct err *err);
/* The same for a list: a number that is entered already, or that wanted no more texts, is no error.
 */
enum enlist_outcome { ENLIST_NEW, ENLIST_SAME, ENLIST_STOPPED };
int enlist_put(struct duty *duty, const struct enlist_entry *entry, char ret_id[LIMIT_ID_BYTES + 1],
               enum enlist_outcome *ret, struct err *err);
/* By an officer of the station, an entry's id, all of a school (its code or name) or "all" that
 * wait: approved entries are asked (C1), others are deleted. ERR_NOT_FOUND: none waits. */
int enlist_decide(struct duty *duty, const char *which, const char *by, bool approve,
                  int *ret_count, struct err *err);

#endif
