/* Explanations in words, in Chinese and English, made of the texts in texts.def. */
#ifndef TOUYAN_DUTY_ROSTER_WORDS_H
#define TOUYAN_DUTY_ROSTER_WORDS_H

#include "gateway/duty/roster/explain.h"
#include "gateway/duty/texts.h"

/* What the numbers of the week stand for; NULL where it is not known. */
struct roster_names {
    const char *person;
    const char *school, *school_code;
    const char *date;  /* text_date() */
    const char *start; /* "07:20" */
};

/* "第二实验小学12月31日07:20缺1人：附近12人；5人没空；6人在岗；1人班已满". TEXT_SIZE bytes. */
void roster_words_gap(enum text_lang lang, const struct roster_gap *gap,
                      const struct roster_names *names, char ret[TEXT_SIZE]);

/* "李娜12月31日07:20第二实验小学：单程6分钟；有交通指挥；本周第2班，共3班；另有4人能来". */
void roster_words_reason(enum text_lang lang, const struct roster_reason *reason,
                         const struct roster_names *names, char ret[TEXT_SIZE]);

const char *roster_words_skill(enum text_lang lang, int skill);

#endif
