/* The simulated county and its stations: one process, virtual time, everything from one seed.
 *
 * Real are the replica, its marks, the wire, the applying, the engine and the county's merge; made
 * up are the loop (loop.c), the network (net.c), the clocks and the hands that edit, pull plugs and
 * bring back old copies (story.c). history.c remembers who wrote what on top of what, and check.c
 * holds the end against it. */
#ifndef TOUYAN_SIM_SYNC_WORLD_H
#define TOUYAN_SIM_SYNC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/rnd.h"
#include "sync/county/store.h"
#include "sync/internal.h"

enum {
    STATIONS_MAX = 7,
    ROWS_MAX = 10,
    GROUPS = 2,
    EDITS_MAX = 512,
    EVENTS_MAX = 128,
    HANDLES_MAX = 6,
    MESSAGES_MAX = 128,
    COPIES_MAX = 3,
    ANSWERS_NEW = 8,   /* what may come once more */
    ANSWERS_KEPT = 32, /* a multiple */
    PATH_MAX_BYTES = 96,
};

/* What an older program does not know of shift and assignment. */
#define UNKNOWN_COLUMNS ",need,role,"

/* 2026-09-07 00:00 UTC; the virtual time 0 */
#define SIM_EPOCH_MS INT64_C(1788739200000)

enum sim_fault {
    FAULT_NETWORK = 1 << 0,
    FAULT_REBOOT = 1 << 1,
    FAULT_CLOCK = 1 << 2,
    FAULT_COUNTY_RESTART = 1 << 3,
    FAULT_COUNTY_RESTORE = 1 << 4,
    FAULT_STATION_RESTORE = 1 << 5,
    FAULT_CLONE = 1 << 6,
    FAULT_POISON = 1 << 7,
    FAULT_MOVE = 1 << 8,
    FAULT_DELETE = 1 << 9,
    FAULT_SLEEP = 1 << 10, /* a station is off for half a year */
    FAULT_GRANT = 1 << 11,
    FAULT_TIDY = 1 << 12,   /* tombstones are forgotten */
    FAULT_SCHEMA = 1 << 13, /* some stations do not know the columns need and role */
    FAULT_ALL = (1 << 14) - 1,
};

struct world;

/* What a database holds at a moment: of each row and group the number of the edit, -1 none. */
struct sample {
    int value[ROWS_MAX][GROUPS];
    bool event[EVENTS_MAX];
};

struct handle_slot {
    uv_handle_t *handle;
    bool active;
    int64_t due;
    uv_timer_cb timer;
    uv_idle_cb idle;
};

struct row {
    char id[16];
    bool assignment;  /* else a shift */
    bool imported;    /* the county edits it by imports */
    bool gone;        /* the county's imports have it no more */
    char home[8];     /* where the county has put it last */
    int said[GROUPS]; /* by the last import */
    int beside;       /* what it said in the column that not every station knows; 0: nothing */
    int last[GROUPS]; /* what the county had when it was last looked at and had it */
    enum { VALUE_UNSEEN, VALUE_TOLD, VALUE_NONE } told; /* in the column that some do not know */
};

struct copy {
    void *bytes; /* NULL: none */
    size_t size;
    struct sample sample;
    int known[ROWS_MAX][GROUPS];
    int64_t taken_at;
    bool older; /* made by an older program */
    /* the county's: what its imports have said, and whom it grants what */
    struct row rows[ROWS_MAX];
    int row_count;
    bool granted;
};

struct answer {
    char *body; /* NULL: none */
    size_t size;
    int status;
    bool past; /* of a program that does not run any more */
};

/* A row whose change lost and that has not come since, although a version above the base of that
 * change is here: only its mark tells that the winner is not. */
struct overlooked {
    char id[16];
    int groups; /* that lost */
    int64_t v;  /* of the row that is here; 0: there is none */
    bool told;  /* an older answer is being taken in */
};

struct station {
    struct world *world;
    int index;
    char name[8];       /* the station's id, shared by several replicas */
    bool older;         /* its program is of the schema before */
    bool content_older; /* the one that wrote its database is */
    char path[PATH_MAX_BYTES];
    bool on;
    int64_t on_again_at; /* off: when somebody switches it on */
    int64_t link_down_until;
    uv_loop_t loop;
    struct handle_slot handles[HANDLES_MAX];
    struct clock clock;
    int64_t booted_at; /* virtual */
    int64_t wall_off;  /* of this boot's wall clock */
    int boot;          /* number of the boot */
    int machine;       /* which hardware it runs on */
    struct rnd rnd;
    struct replica *replica;
    struct sync *sync;
    uint64_t call; /* 0: no request runs */
    int64_t called_at;
    struct answer answers[ANSWERS_KEPT]; /* the last ones */
    int answer_count;
    struct overlooked overlooked;
    transport_reply_fn *on_reply;
    void *reply_ctx;
    int replies; /* good ones since the calm began */
    struct sample sample;
    int known[ROWS_MAX][GROUPS]; /* what a row had when it was here last, -1 never */
    struct copy copies[COPIES_MAX];
    bool closed;
};

struct message {
    enum { MESSAGE_NONE, MESSAGE_REQUEST, MESSAGE_REPLY, MESSAGE_TIMEOUT } kind;
    int64_t due;
    uint64_t call;
    int station;
    int status;
    bool stale; /* the answer to an earlier request */
    char *path; /* with its query; a request without a body is a GET */
    char *body;
    size_t size;
};

struct county {
    struct store *store; /* NULL: down */
    int64_t up_again_at;
    char path[PATH_MAX_BYTES];
    struct clock clock;
    struct rnd rnd;
    struct sqlite3 *look; /* our own eyes */
    bool granted;         /* S2 sees S1 as well */
    bool forgot_grants;
    struct sample sample;
    struct copy copies[COPIES_MAX];
};

struct edit {
    int row, group, parent, by; /* by: station, -1 the county */
    bool dead;                  /* went down with the only disk that had it */
    bool logged;                /* stands in the county's conflict log */
    bool forgotten;             /* logged, and what had won went down with a disk */
    bool set_aside;             /* in quarantine at either side */
};

struct event {
    int by;
    bool dead;
    bool poison;
};

struct history {
    struct row rows[ROWS_MAX];
    int row_count;
    struct edit edits[EDITS_MAX];
    int edit_count;
    struct event events[EVENTS_MAX];
    int event_count;
    int conflict_count;
};

struct world {
    uint64_t seed;
    bool verbose;
    uint32_t without;
    uint32_t faults; /* of this seed */
    bool calm;       /* no more faults */
    int64_t now;     /* ms */
    struct rnd rnd;
    struct rnd aside; /* for what was added later: seeds in which it does not occur stay the same */
    bool overlooks;   /* an older answer comes when a row is awaited that nothing else tells of */
    bool forgets;     /* the county is put back when a mark alone tells what was accepted */
    bool last_scene;  /* that has come about: nobody edits any more who could hide it */
    uint64_t strain;  /* where the time of handlers goes */
    int loss, lateness, doubling, staleness; /* per mille */
    int page_bytes;                          /* of the county; 0: as large as is asked for */
    struct seal *seal;
    struct county county;
    struct station stations[STATIONS_MAX];
    int station_count;
    struct message messages[MESSAGES_MAX];
    int message_end; /* none behind these */
    uint64_t calls;
    struct history history;
    bool slept;
    int county_restores_left; /* twice in one story is rare */
    int persons;              /* rows of the county's own tables */
    char failure[512];
};

/* The one world of the process: what replaces functions of the system finds its way by it. */
extern struct world *sim_world;

/* ../sync.c */
void say(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fail(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fail() cannot mend a broken test: says why and aborts with the seed. */
void give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
int below(struct world *world, int bound);
/* Databases stay open over restarts and from one seed to the next, and get another content: opening
 * them and preparing all statements is more than half of what a seed would take. One seed in
 * sixteen opens them as a program does; it tells the same story. */
bool stays_open(const struct world *world);
bool chance(struct world *world, int per_mille);

/* loop.c */
int64_t loop_next(const struct station *station); /* INT64_MAX: nothing */
void loop_run_due(struct station *station);
void loop_clear(struct station *station);

/* net.c */
void net_transport(struct station *station, struct transport *ret);
int64_t net_next(const struct world *world);
void net_run_due(struct world *world);
void net_clear(struct world *world);
/* Those of its requests so far are of the past. */
void net_age_answers(struct station *station);
void net_forget_answers(struct station *station);
bool net_quiet(const struct world *world);
/* The newest of the last answers in which the row is older than v, also one to the program that ran
 * before; NULL: there is none. */
const struct answer *net_find_older(const struct station *station, const char *id, int64_t v);

/* sim_station.c */
void station_make(struct world *world, const char *name, bool older);
void station_upgrade(struct station *station);
void station_switch_on(struct station *station);
void station_crash(struct station *station);
void station_turn_ended(struct station *station);
bool station_rests(struct station *station);
/* The row whose change lost, and which has not come since. */
bool station_awaits(const struct station *station, char *ret_id, size_t size);
void station_edit(struct station *station);
bool station_overlooks(struct station *station, struct overlooked *ret);
/* Changes of it have not been settled yet. */
bool station_has_news(const struct station *station);
/* Of a group only a mark tells that it was accepted: the row is here at an earlier version. */
bool station_tells_alone(const struct station *station);
/* What it has of that row, as if there was nothing to come. */
void station_edit_overlooked(struct station *station);
/* The other group of a row that came down while a change of its first one waits to be pushed. */
void station_edit_beside(struct station *station);
/* What lost last is edited again, whoever has won. */
void station_insist(struct station *station);
void station_insert(struct station *station);
void station_delete(struct station *station);
/* One that was here once, under its old id. */
void station_bring_back(struct station *station);
void station_event(struct station *station, bool poison);
void station_copy(struct station *station, struct copy *ret);
void station_put_back(struct station *station, const struct copy *copy);
void station_dump(struct station *station, struct buf *out);
void station_fini(struct station *station);

/* sim_county.c */
/* Of our own eyes, prepared once; to be reset. */
struct sqlite3_stmt *county_query(struct world *world, const char *sql);
void county_open(struct world *world);
void county_close(struct world *world);
void county_answer(struct world *world, struct message *request, int *ret_status, char **ret_body,
                   size_t *ret_size);
void county_edit(struct world *world, int row, bool both);
void county_person(struct world *world);
void county_move(struct world *world, int row);
void county_delete(struct world *world, int row);
void county_grant(struct world *world, bool granted);
void county_tidy(struct world *world);
void county_copy(struct world *world, struct copy *ret);
void county_put_back(struct world *world, const struct copy *copy);
/* As a station of this name has it; `older`: without the columns that it does not know. */
void county_dump(struct world *world, const char *scope, bool older, struct buf *out);
void county_note_conflicts(struct world *world);
void county_fini(struct world *world);

/* history.c */
int history_add_row(struct world *world, bool assignment, const char *home);
int history_find_row(const struct world *world, const char *id);
int history_add_edit(struct world *world, int row, int group, int parent, int by);
int edit_of_text(const char *text);                                     /* -1: none */
bool edit_is_ancestor(const struct world *world, int of, int ancestor); /* or the same */
/* Around whatever takes a database back in time: what only that one knew is gone with it. */
void history_before_loss(struct world *world, struct sample *ret);
void history_after_loss(struct world *world, const struct sample *before);
/* Looks into all databases that run, or into one. */
void history_look(struct world *world);
void history_look_into(struct station *station);
/* Every "e<number>" of the text. */
void history_tokens(struct world *world, const char *text, void (*fn)(struct edit *edit));

/* check.c */
void check_end(struct world *world);
bool check_converged(struct world *world, bool report);

/* story.c */
void story_run(struct world *world);
/* A change of the station lost, and the row has not come yet. */
void story_lost(struct station *station);
/* One was accepted beside a group that the station has not seen, and the row has not come yet. */
void story_kept(struct station *station);
/* A station's turn has ended, perhaps in the middle of something: it may be edited or die now. */
void story_between(struct station *station);

/* files.c */
void files_init(void); /* before SQLite is used */
/* Makes the file of a database, or gives another content to one that is open. */
void file_write(const char *path, const void *bytes, size_t size);
void file_remove_db(const char *path);
/* The whole database as one file; with `db`, a connection to it, also what only its WAL has. Freed
 * by free(). */
void *file_copy(const char *path, struct sqlite3 *db, size_t *ret_size);

#endif
