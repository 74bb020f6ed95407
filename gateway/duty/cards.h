/* Cards: the small records of a station. A card has a kind, a code such as "P3", a name, perhaps a
 * school, a person and a day on which something is due, and the fields of its kind; what happens to
 * it are rows of card_event. The kinds and their fields are one table (card_kinds), which also
 * checks what comes in. An activity (training, drill, meeting ...) is a card with a time; who
 * attended are its events.
 *
 * No free text about people: fields are what the kind names and nothing else. */
#ifndef TOUYAN_DUTY_CARDS_H
#define TOUYAN_DUTY_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

struct duty;
struct json;
struct replica;

enum {
    CARD_CODE_SIZE = 12,
    CARD_FIELDS = 6,
    CARD_NAME_CHARS = 24,
    CARD_TEXT_CHARS = 400, /* of a field, where it has no limit of its own */
    CARD_STEPS_CHARS = 36, /* of a plan: one text to the post has to hold them */
    CARD_ITEMS = 40,       /* of a checklist */
};

enum card_need { CARD_NO, CARD_MAY, CARD_MUST };

struct card_kind {
    const char *name; /* "plan" */
    char letter;      /* of its codes */
    const char *zh;
    enum card_need school, person, due;
    bool activity; /* has a time, and people who attend */
    struct card_field {
        const char *name;
        enum { CARD_TEXT, CARD_NUMBER, CARD_DATE } type;
        bool required;
        int limit;          /* characters, or the greatest number; 0: CARD_TEXT_CHARS, 1000000 */
        const char *one_of; /* words between blanks; NULL: anything */
    } fields[CARD_FIELDS];  /* ends with a NULL name */
};

/* Ends with a NULL name. */
extern const struct card_kind card_kinds[];
const struct card_kind *
card_kind_named(const char *name); /* also by its Chinese name; NULL: none */

/* Sealed numbers that go with a card; NULL: none. */
struct card_phones {
    const char *phone;
    const char *leader; /* of a neighbour station */
};

/* A new card, or with "code" a change of one: {"kind","name"[,"code","school","person","ref","due",
 * "clock"],"by", and the fields of the kind}. ERR_INVALID, ERR_NOT_FOUND: err says which field. */
int card_put(struct duty *duty, const struct json *order, const struct card_phones *phones,
             char ret_code[CARD_CODE_SIZE], struct err *err);

/* What somebody does with one: {"code","act","by"[,"school","person","failed","number","text"]}.
 *   sign      a plan: twice, by two people (a station's and a school's), makes it signed
 *   check     gear was looked at: due again after its days
 *   issue     gear is given to "person"; return; lost: an issue of the ledger
 *   read      a method card was read
 *   inspect   a checklist at "school": "failed" names items, "2,5"; each becomes an issue
 *   attend    an activity: "person" was there
 *   done      an activity is over; "number" people
 *   off, on   is no longer, is again used
 * ERR_STATE: not with a card of this kind, or the same person twice. */
int card_act(struct duty *duty, const struct json *order, struct err *err);

/* The plans, checklists and pinned method cards of one school for another; what is there already by
 * its name is left. Returns how many were copied. */
int card_copy(struct duty *duty, const char *from_school, const char *to_school, int *ret_count,
              struct err *err);

/* Schools whose drill is due: none for 30 days, a kindergarten's for 90. */
int card_drills_due(struct replica *replica, int64_t now_ms);

/* Schools with fewer guards than their head count asks for (GB/T 29315-2022), and the list:
 * [{"school","pupils","need","have"}]. */
int card_guards_short(struct replica *replica);
struct json *card_guards(struct replica *replica);

/* What a partner offers and another one needs: [{"from","offer","to","need"}]. */
struct json *card_matches(struct replica *replica);

/* A post to inspect today, by chance: "育才小学 正门". False: there is none. */
bool card_draw(struct duty *duty, char *ret, size_t size);

#endif
