/* A message in the one form in which it is compared with the words of the grammar: simplified
 * characters, capital letters, no spaces or punctuation, 一二三两 as digits. Each kept character
 * knows where it stood in the readable text, so that arguments come out as they were written. */
#ifndef TOUYAN_DUTY_FOLD_H
#define TOUYAN_DUTY_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/limits.h"

struct folded {
    size_t count;
    bool asked;                           /* a question mark was there */
    uint32_t cp[LIMIT_SMS_UNITS];         /* the kept characters */
    uint16_t at[LIMIT_SMS_UNITS];         /* their byte offset in plain */
    bool gap[LIMIT_SMS_UNITS];            /* a space or punctuation stood before it */
    char plain[LIMIT_SMS_TEXT_BYTES + 1]; /* simplified, NFKC, without signatures */
};

/* Characters [from, to) of a message. */
struct span {
    const struct folded *text;
    size_t from, to;
};

/* Text beyond the limits of a short message is not looked at. */
void fold_text(const char *text, struct folded *ret);

size_t span_size(struct span span);
/* `word` is UTF-8 in folded form. */
bool span_is(struct span span, const char *word);
bool span_has(struct span span, const char *word);
/* Characters of `word` when the span starts (ends) with it, else 0. */
size_t span_starts(struct span span, const char *word);
size_t span_ends(struct span span, const char *word);
bool span_is_digits(struct span span);
/* A toneless syllable in common, character by character. */
bool span_sounds_like(struct span span, const char *word);
/* The span is `word` spelt in toneless pinyin. */
bool span_spells(struct span span, const char *word);
/* `word` with one character put in or left out, or with another of the same sound: 几点上学 is not
 * 几点放学. */
bool span_nearly(struct span span, const char *word);
/* As written, without what stands around it; cut at a character. */
void span_copy(struct span span, char *ret, size_t size);

#endif
