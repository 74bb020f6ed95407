/* What the files of the draft share. */
#ifndef TOUYAN_DUTY_DRAFT_INTERNAL_H
#define TOUYAN_DUTY_DRAFT_INTERNAL_H

#include "gateway/base/caltime.h"
#include "gateway/duty/draft/draft.h"
#include "gateway/duty/duty.h"
#include "gateway/duty/roster/roster.h"
#include "gateway/duty/texts.h"
#include "sync/replica/replica.h"

enum {
    DRAFT_ID = 96,
    DRAFT_SHIFT_ID = 2 * DRAFT_ID + 32,
    DRAFT_DAYS = 7,
    DRAFT_PEAKS = 3, /* am, noon, pm; shift = day * DRAFT_PEAKS + peak */
    DRAFT_PLACES_MAX = 20000,
    DRAFT_PEOPLE_MAX = 20000,
    DRAFT_ROWS_MAX = 200000,
    DRAFT_NEWCOMER = 3, /* before so many duties nobody stands alone */
    DRAFT_BANDS_MAX = 40000000,
    DRAFT_LEVELS = 3, /* flat, peak, heavy */
};

/* ?1 and, when that is a bureau, its stations. */
#define DRAFT_STATIONS " IN (SELECT ?1 UNION ALL SELECT id FROM org WHERE parent_id = ?1)"

/* Of an assignment a: its person has given it to somebody who wanted it (a swap). */
#define DRAFT_GIVEN_AWAY                                                                           \
    "EXISTS (SELECT 1 FROM assignment b WHERE b.stands_in_for = a.id AND b.shift_id = a.shift_id)"

struct draft_school {
    char id[DRAFT_ID], code[16], name[DRAFT_ID], township[DRAFT_ID];
};

struct draft_person {
    char id[DRAFT_ID], name[DRAFT_ID];
    int school; /* own one, -1: none */
    bool officer;
    bool senior;            /* visits the schools that he is sponsor of, and stands nowhere */
    uint8_t skills;         /* bit of enum roster_skill */
    uint64_t offered, away; /* bit of a shift */
    uint64_t kept;          /* stays, at kept_place; also for officers */
    int done;               /* duties of the term so far */
    int index;              /* among the roster's officers or volunteers */
};

/* One post in one shift. */
struct draft_place {
    char shift_id[DRAFT_SHIFT_ID], post_id[DRAFT_ID], date[CALTIME_DATE_SIZE], post[DRAFT_ID];
    int school, shift;
    int64_t start_at, end_at;
    int need, officers;  /* of the need */
    int level;           /* that the need is for: 0 flat, 1 peak, 2 heavy; -1: nothing is known */
    uint8_t skills;      /* one person with each of them is needed */
    bool over;           /* has begun: not written again */
    char why[TEXT_SIZE]; /* why places of it are empty; "": none is */
};

/* Who has (had) a place in what is published. */
struct draft_former {
    int person, place;
    bool kept;
};

/* Who gets which place. */
struct draft_row {
    int person, place;
    bool leads;
    char why[TEXT_SIZE];
};

/* What the leader or the county asks of a post, at one peak or (peak -1) all. */
struct draft_demand {
    char post_id[DRAFT_ID];
    int peak;
    int need[DRAFT_LEVELS]; /* 0: as for the level below */
    int level;              /* to expect */
    uint8_t skills;
};

/* A school that a senior officer is to visit. */
struct draft_sponsor {
    int person, school, visits; /* still to come this week */
    uint64_t on;                /* shifts of days on which it has not been visited yet */
    uint64_t former;            /* as published */
};

struct draft {
    char station_id[DRAFT_ID], week[CALTIME_DATE_SIZE];
    enum text_lang lang;
    int64_t monday_ms, now_ms;
    bool afresh, calendar_known;
    uint64_t first_shifts; /* of a term's first days: as many people as when it is crowded */
    int schools, people, places, formers, rows, demands, sponsors;
    struct draft_school *school;   /* owned; by id */
    struct draft_person *person;   /* owned; by id */
    struct draft_place *place;     /* owned */
    struct draft_former *former;   /* owned */
    struct draft_row *row;         /* owned */
    struct draft_demand *demand;   /* owned; by post */
    struct draft_sponsor *sponsor; /* owned */
    uint8_t *seen;                 /* owned; [school * shifts + shift] level + 1, 0: not known */
    int16_t *band;                 /* owned; [person * schools + school] minutes, -1: not known */
    int visits_missing;
    struct roster roster;
    struct roster_plan plan;
    int64_t cost;
};

int draft_find_school(const struct draft *draft, const char *id); /* -1: none */
int draft_find_person(const struct draft *draft, const char *id);
int draft_find_place(const struct draft *draft, const char *post_id, const char *date, int peak);
int draft_peak(const char *name); /* -1: none of the three */
const char *draft_peak_name(int peak);
int draft_read_places(struct replica *replica, struct draft *draft, struct err *err); /* places.c */
/* demand.c: before the places, and what a place of a post then needs */
int draft_read_demand(struct replica *replica, struct draft *draft, struct err *err);
void draft_set_demand(const struct draft *draft, struct draft_place *place, bool published);
/* people.c: after the people */
int draft_read_people_more(struct replica *replica, struct draft *draft, struct err *err);
/* Minutes one way: as told, else an estimate. -1: too far to be sent there. */
int draft_minutes(const struct draft *draft, int person, int school);
bool draft_knows_way(const struct draft *draft, int person, int school);
/* Before people and places are counted: who is pinned where. */
int draft_read_pins(struct replica *replica, struct draft *draft, struct err *err);
int draft_read_sponsors(struct replica *replica, struct draft *draft, struct err *err);
const char *draft_level_name(int level);               /* NULL: -1 */
int draft_build(struct draft *draft, struct err *err); /* build.c */
void draft_empty(struct replica *replica);             /* publish.c: there is no draft any more */
int draft_seat(struct draft *draft); /* seat.c: the rows of a solved plan; ERR_NOMEM */
/* Grows `*array` by one zeroed element; NULL: out of memory or more than max. */
void *draft_grow(void **array, int *count, size_t size, int max);

#endif
