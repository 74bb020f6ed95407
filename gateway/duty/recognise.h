/* What a short message means: a pure function of its text and of what was said before. A false
 * confirm, stop, all-clear or panic is worse than a message that goes to a person; so words that
 * change something match whole messages only, and everything doubtful is COMMAND_PERSON.
 *
 * Text is folded first: NFKC, upper case, traditional to simplified, signatures 【…】 and "RE:" /
 * 回复 dropped, spaces and punctuation dropped (a question mark is remembered), 一二三两 to 1232.
 */
#ifndef TOUYAN_DUTY_RECOGNISE_H
#define TOUYAN_DUTY_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

enum command_kind {
    COMMAND_NONE,         /* 收到 where nothing was asked: no answer at all */
    COMMAND_PERSON,       /* to a person's inbox; `urgent` when it speaks of danger */
    COMMAND_LIST_CODES,   /* several things could be meant, or a code is required: list them */
    COMMAND_READ,         /* 收到 after an alarm: read, not taken; no answer */
    COMMAND_CONFIRM,      /* code or "": the newest open prompt (also a double opt-in) */
    COMMAND_DECLINE,      /* the same; arg: the reason or "" */
    COMMAND_SWAP,         /* code or "" */
    COMMAND_TAKE,         /* code or "": exactly one offer is open */
    COMMAND_CHECK_IN,     /* */
    COMMAND_STAND_IN,     /* arg: for whom */
    COMMAND_CHECK_OUT,    /* */
    COMMAND_ATTEND,       /* 签到 after an activity's prompt */
    COMMAND_TASKS,        /* arg: digits of linked tasks that are done, or "" */
    COMMAND_HAZARD,       /* arg: the text, "" when it is missing */
    COMMAND_MY_DUTIES,    /* */
    COMMAND_APPEAL,       /* */
    COMMAND_QUERY,        /* arg: school or "" */
    COMMAND_DISMISSAL,    /* arg: school or "" */
    COMMAND_SUBSCRIBE,    /* arg: school or "" */
    COMMAND_FEEDBACK,     /* arg: the text */
    COMMAND_STOP,         /* */
    COMMAND_LEAVE,        /* */
    COMMAND_HELP,         /* */
    COMMAND_PANIC,        /* of an officer */
    COMMAND_CALL_LEADER,  /* help called by a checked-in volunteer: leader, and the 110 text */
    COMMAND_CALL_110,     /* help called by anybody else: the 110 text */
    COMMAND_ALL_CLEAR,    /* code; the caller checks that it was sent to this phone */
    COMMAND_GO,           /* 出警: code or "": the newest */
    COMMAND_HANDLE,       /* 处理: code or "" */
    COMMAND_SEND_SOMEONE, /* 派: code or "" */
    COMMAND_LEDGER,       /* arg: school */
    COMMAND_CLOSE_ISSUE,  /* code */
    COMMAND_REOPEN_ISSUE, /* code */
    COMMAND_WHO,          /* arg: school or "" */
    COMMAND_GAPS,         /* */
    COMMAND_VISIT,        /* arg: school */
    COMMAND_VISIT_END,    /* */
    COMMAND_FLOW,         /* arg: school, level */
    COMMAND_PLANS,        /* arg: school */
    COMMAND_START_PLAN,   /* code; arg: the plan */
    COMMAND_STOP_PLAN,    /* code */
    COMMAND_CHECK_IN_ALL, /* code; arg: school */
    COMMAND_ENLIST,       /* names and numbers: the text itself has to be read */
    COMMAND_COUNT
};

enum sender_role {
    SENDER_UNKNOWN, /* treated as a parent who has not written before */
    SENDER_PARENT,
    SENDER_VOLUNTEER,
    SENDER_OFFICER,
    SENDER_LEADER,
    SENDER_SENIOR,
    SENDER_DUTY_ROOM,
};

/* What the last text that went to this phone was. */
enum last_sent {
    LAST_NOTHING,  /* nothing lately, or something that needs no word */
    LAST_QUESTION, /* a reminder that asks (text_is_question) */
    LAST_OFFER,    /* A4 */
    LAST_CONSENT,  /* P5: only an explicit 1 consents */
    LAST_ALARM,    /* O2, E1, E2 */
    LAST_ACTIVITY, /* a training or drill that asks for 签到 */
};

struct recognise_context {
    enum sender_role role;
    enum last_sent last_sent;
    int open_prompts; /* duties ahead that this phone was asked about, answered or not */
    int open_offers;  /* offers to this phone that nobody has taken */
    bool checked_in;  /* on post now */
    bool invited;     /* an activity waits for 签到, whatever was said since */
    /* Whether a text is (a unique part of) a school's name or its code; NULL: judge by its look. */
    bool (*is_school)(void *ctx, const char *text);
    void *ctx;
};

enum { COMMAND_CODE_SIZE = 5, COMMAND_ARG_SIZE = 256 };

struct command {
    enum command_kind kind;
    bool urgent;                  /* speaks of danger: show it first */
    bool is_digit;                /* 1, 2, 3, Y or N, not a word */
    char code[COMMAND_CODE_SIZE]; /* 4 digits or "" */
    char arg[COMMAND_ARG_SIZE];   /* as written (simplified), cut at a character; or "" */
};

/* text: UTF-8; bad bytes are treated as punctuation. Never fails. */
void recognise(const char *text, const struct recognise_context *context,
               struct command *ret_command);

/* The folded form, for comparing names with arguments: "第二實驗小學" and "第2实验小学" are equal.
 */
void recognise_fold(const char *text, char *ret, size_t size);

const char *command_name(enum command_kind kind); /* "check_in" */

#endif
