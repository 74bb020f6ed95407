/* Every text that people get by SMS, in one table (texts.def), in Chinese and English. Each fits
 * one segment whatever its fields hold: 70 UTF-16 units with the signature in Chinese (3GPP
 * TS 23.040 9.2.3.16, UCS-2: 140 octets), 160 GSM 7 bit characters in English. Names that are
 * longer than their limit are cut, lists lose whole items at the end ("…"); times and codes are
 * never cut. A field that is missing is filled with a plain word ("学校", "--:--"), because a text
 * with a gap is better than an alarm that was not sent. */
#ifndef TOUYAN_DUTY_TEXTS_H
#define TOUYAN_DUTY_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum text_id {
#define TEXT(id, zh, en) TEXT_##id,
#include "gateway/duty/texts.def"
#undef TEXT
    TEXT_COUNT
};

enum text_lang { TEXT_ZH, TEXT_EN, TEXT_LANG_COUNT };

enum {
    /* characters of a field in Chinese */
    TEXT_PERSON_CHARS = 6,
    TEXT_SCHOOL_CHARS = 9,
    TEXT_POST_CHARS = 7,
    TEXT_REASON_CHARS = 6,
    TEXT_SIGNATURE_CHARS = 4,
    /* and in English, where names that are not ASCII are spelt in pinyin */
    TEXT_PERSON_ASCII = 12,
    TEXT_SCHOOL_ASCII = 12,
    TEXT_POST_ASCII = 14,
    TEXT_REASON_ASCII = 12,
    TEXT_SIGNATURE_ASCII = 12,
    /* in both */
    TEXT_DATE_CHARS = 6, /* "12月31日", "31 Dec", "明天周三", "Sunday" */
    TEXT_CLOCK_CHARS = 5,
    TEXT_CODE_CHARS = 4,
    TEXT_PHONE_CHARS = 12, /* "0482-5123456" */
    TEXT_NUMBER_MAX = 999, /* minutes, count, need: shown as 999 at most */

    TEXT_SIZE = 70 * 3 + 1, /* bytes of any rendered text with its NUL */
    TEXT_DATE_SIZE = 24,
};

/* What fills the {placeholders}. All texts belong to the caller; NULL: not known. */
struct text_fields {
    const char *signature; /* "突泉护学": shown as 【突泉护学】, in English as "Tuquanhuxue: " */
    const char *person;      /* short form of a name */
    const char *other;       /* a second person */
    const char *leader;      /* whom to turn to */
    const char *school;      /* short name */
    const char *school_code; /* "S17" */
    const char *post;        /* short name: "东门" */
    const char *date;        /* text_date() or text_day() */
    const char *start;       /* "07:20" */
    const char *end;         /* "08:10" */
    const char *code;        /* 4 digits */
    const char *phone;       /* a public number, never a volunteer's */
    const char *reason;      /* of an early dismissal, "大风" */
    const char *list;        /* items separated by '；'; takes the room that is left */
    int minutes;
    int count;
    int need;
    int team; /* people whom one leads */
};

/* Writes the text. ret should have TEXT_SIZE bytes. Returns ERR_OK or ERR_LIMIT (ret too small; ret
 * is then cut at a character). */
int text_render(enum text_id id, enum text_lang lang, const struct text_fields *fields, char *ret,
                size_t size);

/* False: the text shows the list cut. */
bool text_list_fits(enum text_id id, enum text_lang lang, const struct text_fields *fields);

/* "zh-CN", "zh" and NULL give TEXT_ZH; "en" and "en-*" TEXT_EN. */
enum text_lang text_lang_of(const char *tag);

/* "12月31日" or "31 Dec", of the local date that contains wall_ms. */
void text_date(enum text_lang lang, int64_t wall_ms, char ret[TEXT_DATE_SIZE]);
/* "今天", "明天周三" or the date; "today", "Sunday" style words in English become "today", "tmrw".
 */
void text_day(enum text_lang lang, int64_t wall_ms, int64_t now_ms, char ret[TEXT_DATE_SIZE]);
/* "周三", "Wed". */
void text_weekday(enum text_lang lang, int64_t wall_ms, char ret[TEXT_DATE_SIZE]);

/* For tests and tools. */
const char *text_name(enum text_id id);                          /* "R1_EVE" */
const char *text_template(enum text_id id, enum text_lang lang); /* with its placeholders */
/* True when the text asks something that a bare word of assent may answer (recognise.h). */
bool text_is_question(enum text_id id);

#endif
