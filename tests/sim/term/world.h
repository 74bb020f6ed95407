/* A simulated term: stations with the real duty, roster, outbox and inbox over a real replica, and
 * people made up from one seed who come, are late, forget, decline, swap, stay away and write.
 *
 * What is real: gateway/duty with its draft and roster, sms/outbox and sms/inbox (each text comes
 * as a PDU), sync/replica, gateway/console's accounts. What is made up: the modem (one part at a
 * time, a few seconds each, the SIM's pace is the outbox's own), the network, the people, and the
 * line to the county, which copies the rows that the change marks name (how the protocol bears bad
 * lines is sim_sync's).
 *
 * The truth about people is in tables of the station's database that the product does not know:
 * sim_told (who has heard of which duty), sim_came (who stands where since when), sim_truth (whose
 * check-in has reached the station, a person-time each). */
#ifndef TOUYAN_SIM_TERM_WORLD_H
#define TOUYAN_SIM_TERM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/caltime.h"
#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "gateway/duty/duty.h"
#include "sms/inbox_internal.h"
#include "sms/outbox_internal.h"
#include "sync/replica/replica.h"

enum {
    STATIONS_MAX = 16,
    SCHOOLS_MAX = 64,
    MEMBERS_MAX = 6000,
    TROUBLES_MAX = 64,
    REF_BYTES = 96,
    WORDS_BYTES = 64,
    BOX_MEMBER = 1000000, /* + station: a box writes */
    PARENT_MEMBER = 2000000,
    PROBLEMS_SHOWN = 10,
    STEPS_MAX = 3000, /* of one minute */
    REACH_MS = 8 * CALTIME_MINUTE_MS,
};

/* What must hold. */
enum rule {
    RULE_SEEN,   /* no post is empty unseen */
    RULE_REACH,  /* an absence is filled or reaches the leader in time */
    RULE_CAPS,   /* nobody is asked more than the caps allow */
    RULE_FOUR,   /* at most four texts about a volunteer's duty */
    RULE_WINDOW, /* no message outside its window, none that wakes people */
    RULE_TRUTH,  /* person-times are those that were reported */
    RULE_COUNTY, /* the county counts what the stations count */
    RULE_ALARM,  /* no alarm is lost, each level hears in time, and nobody once somebody goes */
    RULES,
};
extern const char *const rule_names[RULES];

/* What can be taken away, to show that each rule is missed. */
enum removal {
    REMOVE_NOTHING,
    REMOVE_DESK,   /* the ladder and the desk's list of gaps */
    REMOVE_LADDER, /* the leader hears of absences at 25 minutes only */
    REMOVE_CAPS,   /* waves of three, caps of a phone */
    REMOVE_ONCE,   /* the keys by which nothing is said twice */
    REMOVE_UNTIL,  /* the end of a message's time */
    REMOVE_QUIET,  /* quiet hours */
    REMOVE_HEARD,  /* one text in ten is lost here */
    REMOVE_MARKS,  /* one row in a hundred is not sent to the county */
    REMOVE_BUTTON, /* one press in four is lost here */
    REMOVALS,
};
extern const struct removal_name {
    const char *name;
    enum rule missed;
} removal_names[REMOVALS];

struct size {
    int weeks, stations, schools, posts, officers, volunteers;
};

enum event_kind {
    EVENT_LETTER, /* somebody writes */
    EVENT_GATE,   /* a face terminal at the gate saw somebody */
    EVENT_RESULT, /* the modem answers */
    EVENT_REPORT, /* the service centre tells what became of a text */
    EVENT_RING,   /* somebody rings the station's number to check in */
    EVENT_NAMED,  /* somebody comes in another's place */
    EVENT_PRESS,  /* a button at a gate */
    EVENT_CALLED, /* a call of ours has rung to its end */
    EVENT_READ,   /* a text of ours is on a phone */
    EVENT_DAY,
    EVENT_SCAN, /* an hour before a start: who will come */
    EVENT_ARRIVE,
    EVENT_LEAVE,
    EVENT_PLAN,
    EVENT_FLOOD,
    EVENT_CHANGE, /* the county's word */
    EVENT_EXCHANGE,
    EVENT_TROUBLE,
    EVENT_JUDGE,
};

struct event {
    int64_t at;
    uint64_t order;
    enum event_kind kind;
    int who;
    int64_t arg;
    char ref[REF_BYTES];
    char words[WORDS_BYTES];
};

/* Of a station: from when to when. */
enum trouble_kind { TROUBLE_BOX, TROUBLE_NETWORK, TROUBLE_LINE, TROUBLE_RESTART };
struct trouble {
    enum trouble_kind kind;
    int64_t from, to;
};

struct member {
    char id[16], name[24], number[24], school[16];
    const char *kind;
    int station;
};

struct figures {
    int64_t shifts, duties, texts_out, texts_in, absences, reached, apart, empty, person_times;
    int64_t late_s_p50, late_s_p95;
    int64_t restarts, plans, offers, stood_in, gaps, desk, alarms, rings, named, undelivered;
};

struct station {
    struct world *world;
    int index;
    char id[8], name[32], number[24];
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct replica *replica;
    struct outbox *outbox;
    struct inbox *inbox;
    struct duty duty;
    bool box, network, line; /* are there */
    bool look, wake;
    int64_t duty_due, outbox_due;
    struct frame flight; /* what the modem has */
    int64_t flight_seq;
    struct trouble troubles[TROUBLES_MAX];
    int trouble_count;
    int64_t letters, repeated;
    int64_t minute; /* of the last steps, and how many there were in it */
    int steps;
    struct event *heap;
    size_t heap_count, heap_room;
};

struct world {
    uint64_t seed;
    struct size size;
    enum removal removed;
    bool verbose;
    int64_t began, ends, now;
    uint64_t order;
    struct rnd rnd;
    struct seal *seal;
    struct replica *county;
    struct clock_cells county_cells;
    struct clock county_clock;
    struct rnd county_rnd;
    struct station stations[STATIONS_MAX];
    struct member members[MEMBERS_MAX];
    int member_count;
    int school_station[SCHOOLS_MAX];
    struct figures figures;
    int64_t *waits_s; /* from a start to when the leader knew or the place was filled; owned */
    size_t wait_count, wait_room;
    int broken[RULES];
    char said[PROBLEMS_SHOWN][512];
    int said_count;
};

/* --- term.c --- */
void broken(struct world *world, enum rule rule, int64_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void note(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t below(struct world *world, int64_t bound);
bool chance(struct world *world, int per_thousand);
int64_t minutes(double count); /* ms */
/* The same for this thing whatever happened before; `what` tells draws of one thing apart. */
int64_t drawn(const struct world *world, const char *ref, int what, int64_t bound);

/* --- county.c: places, people, the calendar, the line --- */
void county_make(struct world *world);
void county_fill(struct station *station);
/* What the county will say in the term, and what goes wrong. */
void county_plan(struct station *station);
void county_say(struct station *station, const struct event *event);
void county_exchange(struct station *station);

/* --- station.c --- */
void station_open(struct world *world, int index);
void station_close(struct station *station);
void station_put(struct station *station, const struct event *event);
int64_t station_next(const struct station *station);
void station_step(struct station *station);
void station_sql(struct station *station, const char *sql);
/* The end of the network's, the box's trouble at this time; 0: there is none. */
int64_t station_trouble(const struct station *station, enum trouble_kind kind, int64_t at);
void station_commit(struct station *station);

/* --- people.c --- */
void people_day(struct station *station);
void people_scan(struct station *station, int64_t start_at);
void people_arrive(struct station *station, const struct event *event);
void people_leave(struct station *station, const struct event *event);
void people_read(struct station *station, const struct event *event);
/* Rings to check in; comes in another's place and says whose. */
void people_ring(struct station *station, const struct event *event);
void people_come_for(struct station *station, const struct event *event);
/* What a text with 替 will be and has been counted for. */
bool people_may_name(struct station *station, const struct event *event, int64_t sent_at);
void people_named(struct station *station, const struct event *event, int64_t sent_at);
void people_flood(struct station *station, const struct event *event);
/* A letter or a gate's event with a check-in is about to be handed over. */
void people_heard(struct station *station, const struct event *event, int64_t sent_at);
int member_of(const struct world *world, const char *number);

/* --- alarms.c --- */
void alarms_fill(struct station *station, const char *school_id);
void alarms_plan(struct station *station);
void alarms_press(struct station *station, const struct event *event);
void alarms_call(void *ctx, const struct duty_call *call);
void alarms_called(struct station *station, const struct event *event);
void alarms_check(struct station *station, int64_t midnight);

/* --- check.c --- */
void check_day(struct station *station, int64_t midnight);
void check_term(struct world *world);

#endif
