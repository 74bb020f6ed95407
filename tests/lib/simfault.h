/* Faults armed from outside, each for a number of times or for good. */
#ifndef TOUYAN_TESTS_SIMFAULT_H
#define TOUYAN_TESTS_SIMFAULT_H

#include <stdbool.h>

#include "gateway/base/err.h"
#include "gateway/base/json.h"

enum simfault_kind {
    SIMFAULT_NONE,
    /* of AT+CMGS: one of these per command */
    SIMFAULT_CMS_ERROR,         /* +CMS ERROR: number after the PDU; not accepted */
    SIMFAULT_CMS_ERROR_AT_ONCE, /* the same instead of the prompt */
    SIMFAULT_ERROR,             /* ERROR after the PDU; not accepted */
    SIMFAULT_NO_PROMPT,         /* AT+CMGS is swallowed */
    SIMFAULT_BARE_PROMPT,       /* CR LF > CR LF */
    SIMFAULT_HANG_MID_PDU,      /* the PDU is swallowed and the modem is silent for `ms` */
    SIMFAULT_ANSWER_LOST,       /* accepted, never answered */
    SIMFAULT_LATE_ANSWER,       /* accepted, +CMGS after `ms`; other commands go on meanwhile */
    /* of the report of one accepted PDU */
    SIMFAULT_NO_REPORT,
    SIMFAULT_LATE_REPORT,      /* after `ms` */
    SIMFAULT_DUPLICATE_REPORT, /* twice */
    SIMFAULT_REPORT_STATUS,    /* TP-ST is `number` */
    SIMFAULT_EARLY_REPORT,     /* before the +CMGS answer */
    /* of any command that begins with `on` (default: AT+CMGS) */
    SIMFAULT_CME_ERROR,  /* +CME ERROR: number instead of running it */
    SIMFAULT_ONE_BYTE,   /* the reply a byte at a time */
    SIMFAULT_GARBAGE,    /* NUL and other bytes before the reply */
    SIMFAULT_ECHO_OFF,   /* no echo although it is on */
    SIMFAULT_URC_BEFORE, /* line `text` before the echo, inside or after the reply */
    SIMFAULT_URC_INSIDE,
    SIMFAULT_URC_AFTER,
    /* of the modem */
    SIMFAULT_CMTI_LOST,         /* the message is stored and not announced */
    SIMFAULT_REGISTRATION_LOST, /* for `ms`, 0: until {"cmd":"network","registered":true} */
    SIMFAULT_SILENT,            /* hears and says nothing for `ms`, 0: until {"cmd":"clear"} */
    SIMFAULT_KINDS
};

struct simfault {
    enum simfault_kind kind;
    int times; /* left; -1: for good */
    int number;
    int ms;
    char on[48];
    char text[160];
};

enum { SIMFAULT_ARMED = 32 };

struct simfaults {
    struct simfault armed[SIMFAULT_ARMED];
};

/* {"kind":"cms_error","times":1,"number":38,"ms":0,"on":"AT+CMGS","text":""}; times 0 or less: for
 * good. */
int simfault_arm(struct simfaults *faults, const struct json *order, struct simfault *ret_fault,
                 struct err *err);
void simfault_clear(struct simfaults *faults);

/* Uses up one of the first armed fault of kinds first..last that concerns this command
 * (NULL: any). kind is SIMFAULT_NONE when there is none. */
struct simfault simfault_take(struct simfaults *faults, enum simfault_kind first,
                              enum simfault_kind last, const char *command);

#endif
