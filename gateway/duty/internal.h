/* What the files of the duty flow share: rows as structs, times, and how something is said. */
#ifndef TOUYAN_DUTY_INTERNAL_H
#define TOUYAN_DUTY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/caltime.h"
#include "gateway/duty/duty.h"
#include "gateway/duty/recognise.h"
#include "gateway/duty/texts.h"
#include "sync/replica/replica.h"

enum {
    DUTY_ID_SIZE = 96,   /* ids of rows; natural keys of the county are longer than a UUID */
    DUTY_KEY_SIZE = 256, /* of a step, of a message */
    DUTY_NAME_SIZE = LIMIT_NAME_BYTES + 1,
    DUTY_PHONE_SIZE = LIMIT_SEALED_PHONE_BYTES + 1,
    DUTY_IDS_MAX = 8192, /* rows that one pass of a tick looks at */
    DUTY_LIST_SIZE = 512,
    DUTY_CODES = 10000,
    DUTY_CODE_TRIES = 32,
    DUTY_SAME_TIME_MS =
        15 * CALTIME_MINUTE_MS,              /* the network's time stamp is believed within this */
    DUTY_EARLY_MS = 60 * CALTIME_MINUTE_MS,  /* check-in this long before the start is for it */
    DUTY_LEFT_MS = 30 * CALTIME_MINUTE_MS,   /* after the end a duty is over without a word */
    DUTY_ANSWER_MS = 30 * CALTIME_MINUTE_MS, /* an answer later than this is of no use */
    DUTY_LAST_MS = 36 * 3600 * 1000,         /* the last message to a phone counts this long */
    DUTY_KEEP_MS = 4 * CALTIME_DAY_MS,       /* finished steps are kept this long */
    DUTY_OLD_ALARM_MS = 30 * CALTIME_MINUTE_MS, /* an older button press is for the desk only */
};

#define DUTY_NEVER INT64_MAX

struct person {
    char id[DUTY_ID_SIZE];
    char kind[24];
    char name[DUTY_NAME_SIZE];
    char station_id[DUTY_ID_SIZE];
    char school_id[DUTY_ID_SIZE];
    char phone[DUTY_PHONE_SIZE]; /* "" when there is none */
    char lang[16];
    bool senior;
};

/* A row of the view `slot`: one person's part in one shift. */
struct slot {
    char id[DUTY_ID_SIZE]; /* of the assignment */
    char scope[DUTY_ID_SIZE];
    char state[16];
    char stands_in_for[DUTY_ID_SIZE];
    char person_id[DUTY_ID_SIZE];
    char person_kind[24];
    char person[DUTY_NAME_SIZE];
    char phone[DUTY_PHONE_SIZE];
    char lang[16];
    char shift_id[DUTY_ID_SIZE];
    char date[CALTIME_DATE_SIZE];
    char peak[16];
    char post_id[DUTY_ID_SIZE];
    char post[DUTY_NAME_SIZE];
    char school_id[DUTY_ID_SIZE];
    char school[DUTY_NAME_SIZE];
    char station_id[DUTY_ID_SIZE];
    int64_t start_at, end_at, answered_at;
    int need;
    bool active, published;
};

/* Parts of a tick that wait for a time. */
enum duty_part {
    PART_CHECKIN,
    PART_UNFILLED, /* before the gaps: what it tells the leader they need not */
    PART_GAP,
    PART_REMIND,
    PART_HORIZON,
    PART_LEDGER,
    PART_VISIT,
    PART_EVENING,
    PART_DRILL,
    PART_NEIGHBOUR,
    PART_ACTIVITY,
    PART_DIGEST,
    PART_GEAR,
};

/* Ids collected before acting, because acting changes the tables that the query walks. */
struct ids {
    char (*at)[DUTY_ID_SIZE]; /* owned */
    int count, capacity;
};

/* --- times.c: pure --- */
int64_t times_at(int64_t day_ms, int days, int minutes); /* clock time of a day */
bool times_quiet(const struct duty_policy *policy, int64_t now_ms);
/* now_ms, or the end of the quiet hours when now lies in them. */
int64_t times_after_quiet(const struct duty_policy *policy, int64_t now_ms);
int64_t times_evening(const struct duty_policy *policy, int64_t start_ms);
int64_t times_evening_end(const struct duty_policy *policy, int64_t start_ms);
int64_t times_morning(const struct duty_policy *policy, int64_t start_ms);
/* When a stand-in may be asked: now, or the next morning (another day's duty late at night). */
int64_t times_standin(const struct duty_policy *policy, int64_t now_ms, int64_t start_ms);
/* When a duty's person may be told of it: the end of the quiet hours, 0 (at once) outside them and
 * where waiting would leave less than the shortest notice before the start. */
int64_t times_notice(const struct duty_policy *policy, int64_t now_ms, int64_t start_ms);
int64_t times_min(int64_t a, int64_t b);
/* The time that counts for something somebody did: the sender's clock when it is near ours. */
int64_t times_happened(int64_t sent_ms, int64_t heard_ms);
/* The sender's clock where it tells of an earlier time of the day: the box was down, and it waited
 * at the service centre or in a device. Or the clock is wrong. 0: no such time. */
int64_t times_waited(int64_t sent_ms, int64_t heard_ms);
/* minutes after the alarm of its step number `index` (from 0), and whether it calls the room only;
 * false: there is no such step. Steps are in order of time. */
struct alarm_step {
    int minutes;
    int copy; /* number of the copy that people who were told before get: 2, 3 ... */
    bool all; /* everybody told so far; else the duty room only */
};
bool times_alarm_step(const struct duty_policy *policy, int index, struct alarm_step *ret);

/* --- world.c: rows --- */
void ids_collect(struct query *query, struct ids *ret); /* first column; ends the query */
void ids_free(struct ids *ids);
/* Ends the query and calls `act` for each id, in a savepoint of its own. act returns when the row
 * is due next, DUTY_NEVER when it is done. Returns the earliest: now when the slice was full and
 * rows of it are done (there may be more), a minute from now for a row that could not be written.
 */
int64_t rows_each(struct duty *duty, struct query *query,
                  int64_t (*act)(struct duty *duty, const char *id));
/* The part's rows have changed: look again in the next tick. */
void part_touch(struct duty *duty, enum duty_part part);
/* Also a place that nobody has, "seat:<shift>:<number>": a slot of no person. */
bool slot_load(struct duty *duty, const char *assignment_id, struct slot *ret);
bool slot_is_ahead(const struct slot *slot); /* live and not on post yet */
/* True when the shift has the people it needs without this one. While he is missing, only people
 * who are there (or stand in for him) count. */
bool slot_is_covered(struct duty *duty, const struct slot *slot, bool missing);
bool person_load(struct duty *duty, const char *person_id, struct person *ret);
/* An active person of this phone: officers first, then who has a duty soon. */
bool person_by_phone(struct duty *duty, const char *phone, struct person *ret);
/* By id or whole name; ERR_NOT_FOUND: nobody, or several. */
int person_named(struct duty *duty, const char *named, struct person *ret, struct err *err);
bool person_is_officer(const char *kind);
bool person_stopped(struct duty *duty, const char *phone); /* 退订 */
enum sender_role person_role(struct duty *duty, const struct person *person);
/* Level 2: the acting leader; 4: the duty room. Today's row before the standing one. */
bool lead_find(struct duty *duty, const char *station_id, int level, struct person *ret);
bool sponsor_find(struct duty *duty, const char *school_id, struct person *ret);
const char *station_of(const struct duty *duty, const struct slot *slot);
/* A code that nothing open or just closed has. */
void code_new(struct duty *duty, char ret[COMMAND_CODE_SIZE]);
/* True the first time for this key; its row goes when the key cannot come up again. */
bool step_once(struct duty *duty, int64_t keep_until, const char *fmt, ...) ERR_PRINTF(3, 4);
bool step_done(struct duty *duty, const char *fmt, ...) ERR_PRINTF(2, 3);

/* --- say.c: messages --- */
struct say {
    enum text_id text;
    const char *phone;
    const char *lang; /* "": the station's */
    int prio;
    int64_t not_before, not_after;
    const char *ref_kind, *ref_id;
    int64_t prompt;  /* the question it puts; 0: none */
    const char *air; /* NULL: the text itself without names and numbers */
    bool air_only;   /* by radio, where there is one, and not by SMS */
};
/* fields.signature is filled in here. idem: printf. */
void say(struct duty *duty, const struct say *what, struct text_fields *fields, const char *idem,
         ...) ERR_PRINTF(4, 5);
/* Returns how many texts will not go out now. */
/* A volunteer was told enough of this duty: reminders give way, changes never do. */
bool say_is_enough(struct duty *duty, const struct slot *slot);
int say_cancel(struct duty *duty, const char *ref_kind, const char *ref_id, const char *reason);
/* Only those to this phone. */
void say_cancel_to(struct duty *duty, const char *ref_kind, const char *ref_id, const char *phone,
                   const char *reason);
enum text_lang say_lang(const struct duty *duty, const char *lang);

/* Words of a slot for the fields of a text. */
struct slot_words {
    char date[TEXT_DATE_SIZE];
    char start[CALTIME_CLOCK_SIZE];
    char end[CALTIME_CLOCK_SIZE];
};
struct text_fields slot_fields(const struct duty *duty, enum text_lang lang,
                               const struct slot *slot, struct slot_words *ret_words);

/* Opens (or opens again) the prompt of a phone for a thing; returns its id. */
int64_t prompt_open(struct duty *duty, const char *phone, const char *kind, const char *ref_id,
                    const char *code, bool asks, int64_t expires_at);
void prompt_close(struct duty *duty, const char *kind, const char *ref_id);

/* --- one inbound text --- */
struct incoming {
    const struct duty_text_in *text;
    bool known;
    struct person person; /* when known */
    enum sender_role role;
    enum text_lang lang;
    struct command command;
};
/* A question of this kind that the sender answers with a digit: the one whose code came with it,
 * else the last thing said to the phone. False: there is none, or a word came, or another code. */
struct question {
    int64_t id;
    char ref_id[DUTY_ID_SIZE];
    char answer[4]; /* the former one; "": none yet */
};
bool question_answered(struct duty *duty, const struct incoming *in, const char *kind,
                       struct question *ret);
void question_mark(struct duty *duty, const struct question *question, const char *what);
/* Answers the sender once per (inbound text, text id). Nothing when nobody can be answered. */
void answer(struct duty *duty, const struct incoming *in, enum text_id text,
            struct text_fields *fields);
void answer_urgent(struct duty *duty, const struct incoming *in, enum text_id text,
                   struct text_fields *fields);
/* The same for who is not known here, or not understood: a few an hour, then silence. */
void answer_sparingly(struct duty *duty, const struct incoming *in, enum text_id text,
                      struct text_fields *fields);
/* The same for an answer that asks in its turn. */
void answer_asking(struct duty *duty, const struct incoming *in, enum text_id text,
                   struct text_fields *fields, int64_t prompt);

/* How many duties a bare answer of this phone could mean. */
int answer_open(struct duty *duty, const struct incoming *in);
void answer_confirm(struct duty *duty, const struct incoming *in);
void answer_decline(struct duty *duty, const struct incoming *in);
/* The person of this duty does not come: nothing is said to him, and somebody else is looked for
 * when `seek`. */
void answer_release(struct duty *duty, const struct slot *slot, bool seek);
void answer_swap(struct duty *duty, const struct incoming *in);
void answer_list_codes(struct duty *duty, const struct incoming *in);

/* --- publish.c, remind.c --- */
/* ret_changed: assignments have changed since the last tick. */
int64_t publish_tick(struct duty *duty, bool *ret_changed);
int64_t publish_horizon(struct duty *duty);
int64_t remind_tick(struct duty *duty);
void notice_put(struct duty *duty, const struct slot *slot);
void notice_drop(struct duty *duty, const char *assignment_id);

/* --- dismissal.c --- */
int64_t dismissal_tick(struct duty *duty);

/* --- standin.c --- */
/* Returns how many people were asked at once. code NULL: a new one. */
int offer_open(struct duty *duty, const struct slot *slot, const char *cause, const char *code,
               char ret_code[COMMAND_CODE_SIZE]);
/* 派 again after nobody took it. */
int offer_again(struct duty *duty, const char *code);
void offer_close(struct duty *duty, const char *assignment_id, const char *reason);
void offer_take(struct duty *duty, const struct incoming *in);
void offer_list(struct duty *duty, const struct incoming *in);
int offer_open_count(struct duty *duty, const char *phone); /* asked of this phone and not taken */
/* Who takes the open offer of this duty was approved by this person. */
void offer_approve(struct duty *duty, const char *assignment_id, const char *person_id);
int64_t offer_tick(struct duty *duty);
int standin_names(struct duty *duty, const struct slot *slot, char *ret, size_t size);

/* --- checkin.c --- */
struct arrival {
    int64_t at, heard_at;
    int64_t waited_at;     /* what says that it waited until it was heard; 0: it did not */
    const char *channel;   /* "sms", "terminal", "call", "roll" */
    const char *school_id; /* only duties there; NULL: any */
};
void checkin_text(struct duty *duty, const struct incoming *in);
/* Somebody rang: false when no duty of his is near. */
bool checkin_ring(struct duty *duty, const struct person *person, const struct duty_ring *ring);
/* 到+校+全 and the code of a gap that this phone was told of: the paper roll in one go. */
void checkin_roll(struct duty *duty, const struct incoming *in);
void checkin_stand_in(struct duty *duty, const struct incoming *in);
void checkout_text(struct duty *duty, const struct incoming *in);
void checkin_event(struct duty *duty, const struct duty_event *event);
void checkout_event(struct duty *duty, const struct duty_event *event);
int64_t checkin_tick(struct duty *duty);
bool checkin_on_post(struct duty *duty, const char *person_id, struct slot *ret);

/* --- peak.c: all duties of a station that begin at one time --- */
bool peak_is_storm(struct duty *duty, const struct slot *slot);
void peak_say_storm(struct duty *duty, const struct slot *slot, const struct person *to);
void peak_say_digest(struct duty *duty, const struct slot *slot, int level);

/* --- noshow.c --- */
int64_t gap_tick(struct duty *duty);
/* Somebody on post is not there any more: the same steps, from now. */
void gap_left(struct duty *duty, const char *assignment_id);
/* ... and says that he is; nothing when nobody said otherwise. */
void gap_back(struct duty *duty, const struct slot *slot);
void gap_arrived(struct duty *duty, const struct slot *slot, int64_t at, int late_min);
void gap_covered(struct duty *duty, const char *assignment_id);
void gap_close(struct duty *duty, const char *assignment_id); /* the duty is no more */
/* The person does not come. After the start the leader still hears, at his time. */
void gap_declined(struct duty *duty, const struct slot *slot);
/* The code by which an open gap is known; false: there is none. */
bool gap_code(struct duty *duty, const char *assignment_id, char ret[COMMAND_CODE_SIZE]);
/* Nobody took the offer: the leader is told (unfilled.c), and the senior officer later. */
void gap_unfilled(struct duty *duty, const struct slot *slot, const char *code);
/* Whoever took the gap over, else the leader or who comes next; phone "": nobody. */
void gap_owner(struct duty *duty, const struct slot *slot, struct person *ret);
void gap_say_unfilled(struct duty *duty, const struct slot *slot, const struct person *to,
                      const char *code, int asked);
/* Nobody took it and nobody was told: the program was down meanwhile. */
void gap_missed(struct duty *duty, const struct slot *slot);
void gap_send_someone(struct duty *duty, const struct incoming *in);
void gap_handle(struct duty *duty, const struct incoming *in);
void gap_list(struct duty *duty, const struct incoming *in);

/* --- unfilled.c --- */
int64_t unfilled_tick(struct duty *duty);

/* --- ring.c --- */
void ring_alarm(struct duty *duty, const char *alarm_id, const struct person *to);
void ring_stop(struct duty *duty, const char *alarm_id);

/* --- panic.c --- */
/* Somebody answered our call or rang back: written down, nothing more. */
void panic_heard(struct duty *duty, const char *alarm_id, const char *phone);
void panic_text(struct duty *duty, const struct incoming *in);
void panic_call(struct duty *duty, const struct incoming *in);
/* The number of the text alarm of the police here. */
void panic_number(const struct duty *duty, char ret[LIMIT_PHONE_DIGITS + 1]);
void panic_stranger(struct duty *duty, const struct incoming *in);
void panic_event(struct duty *duty, const struct duty_event *event);
void panic_go(struct duty *duty, const struct incoming *in);
void panic_clear(struct duty *duty, const struct incoming *in);
void panic_list(struct duty *duty, const struct incoming *in);
bool panic_told(struct duty *duty, const char *phone); /* an open alarm was sent to this phone */
int64_t panic_tick(struct duty *duty);

/* --- storm.c: many alarms at once --- */
/* True: this phone has had enough of them; it is told of this alarm with others in a while. */
bool storm_holds(struct duty *duty, const char *phone, const char *alarm_id, bool first_word);
int64_t storm_tick(struct duty *duty);

/* --- parents.c --- */
void parents_query(struct duty *duty, const struct incoming *in);
void parents_dismissal(struct duty *duty, const struct incoming *in);
/* The one school that the words name; for the recogniser too. */
bool school_named(struct duty *duty, const char *words, char ret_id[DUTY_ID_SIZE]);
struct school_words {
    char id[DUTY_ID_SIZE];
    char code[16];
    char name[DUTY_NAME_SIZE]; /* short, when it has one */
};
/* The school that the command names; false: none or several, and the sender was told. */
bool school_asked(struct duty *duty, const struct incoming *in, struct school_words *ret);

/* --- ledger.c --- */
void ledger_hazard(struct duty *duty, const struct incoming *in);
void ledger_list(struct duty *duty, const struct incoming *in);
void ledger_close(struct duty *duty, const struct incoming *in);
void ledger_reopen(struct duty *duty, const struct incoming *in);
int64_t ledger_tick(struct duty *duty);

/* A broken device: opens an issue without a reporter. ret_id: of the issue. */
void ledger_found(struct duty *duty, const char *school_id, const char *title, int severity,
                  char ret_id[DUTY_ID_SIZE]);
/* It works: mended, for somebody to look at; its item leaves the desk. */
void ledger_works_again(struct duty *duty, const char *issue_id);
/* It does not: open again when it was mended. */
void ledger_broken_again(struct duty *duty, const char *issue_id);

/* --- repair.c --- */
int64_t repair_tick(struct duty *duty);

/* --- flow.c --- */
void flow_command(struct duty *duty, const struct incoming *in);
void flow_tick(struct duty *duty);

/* --- visit.c --- */
void visit_begin(struct duty *duty, const struct incoming *in);
void visit_end(struct duty *duty, const struct incoming *in);
int64_t visit_tick(struct duty *duty);
void visit_plan_tick(struct duty *duty); /* published plans of the senior officers' visits */

/* --- calendar.c --- */
int64_t calendar_tick(struct duty *duty);

/* --- evening.c --- */
/* A digit about the evening question; yes: fill the places. */
void evening_take(struct duty *duty, const struct incoming *in, const struct question *question,
                  bool yes);
int64_t evening_tick(struct duty *duty);

/* --- drill.c --- */
void drill_heard(struct duty *duty, const char *phone); /* something came from this phone */
int64_t drill_tick(struct duty *duty);

/* --- world.c --- */
struct field {
    char *at;
    size_t size;
};
/* The next row's first columns as texts, NULL as ""; false: there is no row. */
bool query_fields(struct query *q, const struct field *fields, size_t count);

/* --- neighbour.c --- */
bool neighbour_heard(struct duty *duty, const char *phone); /* true: a machine, never answered */
int64_t neighbour_tick(struct duty *duty);

/* --- cards.c, plan.c, activity.c --- */
/* school_id NULL: the card's own */
void card_note(struct duty *duty, const char *card_id, const char *school_id, const char *what,
               const char *person_id, const char *detail);
bool card_is_signed(struct duty *duty, const char *card_id); /* by two, as it is now */
void plan_list(struct duty *duty, const struct incoming *in);
void plan_start(struct duty *duty, const struct incoming *in);
void plan_stop(struct duty *duty, const struct incoming *in);
bool activity_is_open(struct duty *duty, const char *phone);
void activity_attend(struct duty *duty, const char *card_id, const char *person_id,
                     const char *channel);
void activity_sign_in(struct duty *duty, const struct incoming *in);
int64_t activity_tick(struct duty *duty);

/* --- task.c: what else is done from a post --- */
int task_list(struct duty *duty, const struct slot *slot, char ret[DUTY_LIST_SIZE]); /* how many */
void task_command(struct duty *duty, const struct incoming *in);

/* --- term.c --- */
void term_tick(struct duty *duty);
/* False: the question was not whether one goes on in the new term. what: "1" or "2" */
bool term_answered(struct duty *duty, const struct incoming *in, const char *ref_id,
                   const char *what);
int64_t term_start(struct duty *duty);

/* --- gear.c --- */
int64_t gear_tick(struct duty *duty);

/* --- digest.c --- */
bool week_has_school(struct duty *duty); /* by the calendar alone */
int64_t digest_tick(struct duty *duty);

/* --- enlist.c --- */
void enlist_take(struct duty *duty, const struct incoming *in, const struct question *question,
                 bool yes);
bool enlist_is_staff(const struct person *person); /* of a school: may enter its volunteers */

/* --- coordinator.c --- */
/* 登记: a school's coordinator enters volunteers, a line each with name and number. */
void coordinator_text(struct duty *duty, const struct incoming *in);

/* --- consent.c --- */
void consent_stop(struct duty *duty, const struct incoming *in);
void consent_leave(struct duty *duty, const struct incoming *in);
void consent_subscribe(struct duty *duty, const struct incoming *in);
/* Once a day: the phones of whom we promised to forget. */
void consent_forget(struct duty *duty);
void consent_take(struct duty *duty, const struct incoming *in, const struct question *question,
                  bool yes);

/* --- again.c --- */
/* What came in could not be handled and was taken back: it goes to the desk and is tried again. */
void again_text(struct duty *duty, const struct duty_text_in *text);
void again_event(struct duty *duty, const struct duty_event *event);
int64_t again_tick(struct duty *duty);
/* duty.c: handles it in a savepoint of its own; false: taken back. */
bool duty_take_text(struct duty *duty, const struct duty_text_in *text);
bool duty_take_event(struct duty *duty, const struct duty_event *event);

/* --- desk.c --- */
void desk_put(struct duty *duty, const char *kind, const char *phone, const char *person_id,
              const char *ref_id, const char *body);
void desk_not_understood(struct duty *duty, const struct incoming *in);
void desk_help(struct duty *duty, const struct incoming *in);
void desk_my_duties(struct duty *duty, const struct incoming *in);
/* 申诉; and what a leader decides afterwards: "came", "excused" or "absent" (到岗, 请假, 缺岗). */
struct verdict_words {
    const char *date, *peak, *verdict, *by_id;
};
void verdict_appeal(struct duty *duty, const struct incoming *in);
int verdict_give(struct duty *duty, const struct person *person, const struct verdict_words *said,
                 struct err *err);
/* A check-in by the leader's word, in time; the duty has no minutes. */
void checkin_by_word(struct duty *duty, const struct slot *slot);

/* Posts of the duties of now and of the next half hour; *ret_there: how many of them are manned. */
int desk_posts_now(struct duty *duty, int *ret_there);
void desk_who(struct duty *duty, const struct incoming *in); /* 谁在岗 */
/* False when this phone has had enough answers to texts that were not understood this hour. */
bool desk_may_help(struct duty *duty, const char *phone, enum text_id text);

#endif
