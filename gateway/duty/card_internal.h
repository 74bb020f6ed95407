/* What the files of the cards share: the row, and how a card is found and named. */
#ifndef TOUYAN_DUTY_CARD_INTERNAL_H
#define TOUYAN_DUTY_CARD_INTERNAL_H

#include "gateway/duty/cards.h"
#include "gateway/duty/internal.h"

enum { CARD_BODY_BYTES = 8192 };

struct card {
    char id[DUTY_ID_SIZE];
    char scope[DUTY_ID_SIZE];
    char kind[16];
    char code[CARD_CODE_SIZE];
    char name[DUTY_NAME_SIZE];
    char school_id[DUTY_ID_SIZE];
    char person_id[DUTY_ID_SIZE];
    char state[16];
};

bool card_load(struct duty *duty, const char *code, struct card *ret);
/* "P3": the letter and the next number of it. */
void card_code_next(struct duty *duty, char letter, char ret[CARD_CODE_SIZE]);
/* named NULL: none is needed, ret stays. */
int card_check_school(struct duty *duty, const char *named, char ret[DUTY_ID_SIZE],
                      struct err *err);

#endif
