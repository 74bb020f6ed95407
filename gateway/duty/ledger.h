/* The ledger of each school (一校一策): a problem is found, given to a department, mended, looked
 * at by a second person and closed. Its state is a row of `issue`, its story the rows of
 * `issue_event`.
 *
 *   open -> assigned -> fixing -> fixed -> closed      merged: the same problem as another
 *     ^________________________________|_____|   reopen
 */
#ifndef TOUYAN_DUTY_LEDGER_H
#define TOUYAN_DUTY_LEDGER_H

#include "gateway/base/err.h"
#include "gateway/duty/recognise.h"

struct duty;

enum issue_act {
    ISSUE_ASSIGN, /* to a department, with the day it is due */
    ISSUE_START,
    ISSUE_FIX,
    ISSUE_VERIFY, /* by somebody else than who mended it */
    ISSUE_REOPEN,
    ISSUE_MERGE, /* into another: both are one common problem of several schools */
    ISSUE_ACT_COUNT
};

/* By its name, "assign"; ISSUE_ACT_COUNT: no such act. */
enum issue_act issue_act_named(const char *name);
/* The state that the act leads to from this one; NULL: not from here. Pure. */
const char *issue_next_state(const char *state, enum issue_act act);

/* One act by hand. All texts may be NULL where they are not needed. */
struct ledger_order {
    const char *code; /* of the issue */
    enum issue_act act;
    const char *by;   /* id or whole name of who did it */
    const char *dept; /* org.id or its name */
    const char *due;  /* "2026-09-30" */
    const char *into; /* code of the other issue */
    int severity;     /* 1 to 3; 0: as it is */
};
/* Errors: ERR_NOT_FOUND (no such issue, person, department), ERR_STATE (not from this state, or the
 * same person), ERR_INVALID (a date that is none). err says what to do. */
int ledger_act(struct duty *duty, const struct ledger_order *order, struct err *err);

struct ledger_entry {
    const char *school; /* its code, id or unique name */
    const char *title;  /* of LEDGER_TITLE_CHARS characters at most, without numbers of people */
    const char *category, *place;
    const char *by;     /* id or whole name */
    const char *source; /* NULL: "command" */
    int severity;       /* 1 to 3; 0: 2 */
};
enum { LEDGER_TITLE_CHARS = 40 };
int ledger_add(struct duty *duty, const struct ledger_entry *entry,
               char ret_code[COMMAND_CODE_SIZE], struct err *err);

#endif
