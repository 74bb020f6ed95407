/* Cutting a text into the segments of a concatenated short message (3GPP TS 23.040 9.2.3.24.1).
 * GSM-7 when it loses nothing, else UCS-2; one coding for all parts. A cut never falls inside a
 * code point, a surrogate pair or an escape sequence. */
#ifndef TOUYAN_SMS_SEGMENT_H
#define TOUYAN_SMS_SEGMENT_H

#include <stddef.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "sms/tpdu.h"

enum {
    SEGMENT_GSM7_SINGLE = 160, /* septets in a message of one part */
    SEGMENT_GSM7_PART = 153,   /* with the header of 8 bit references in front */
    SEGMENT_UCS2_SINGLE = 70,  /* UTF-16 units */
    SEGMENT_UCS2_PART = 67,
};

struct segment {
    size_t offset; /* bytes of the text */
    size_t size;
};

struct segments {
    enum tpdu_coding coding;
    int units; /* septets or UTF-16 units of the whole text */
    int count; /* at least 1; an empty text is one empty part */
    struct segment part[LIMIT_SMS_PARTS_OUT];
};

/* ERR_INVALID: not UTF-8. ERR_LIMIT: more than LIMIT_SMS_PARTS_OUT parts. */
int segment_text(const char *text, struct segments *ret, struct err *err);

/* Puts part `index` (from 0) of the text into *tpdu: coding, concat (when there is more than one
 * part, with this 8 bit reference) and text; the rest of *tpdu stays as it is. */
void segment_fill(const struct segments *segments, const char *text, int index, int ref,
                  struct tpdu *tpdu);

#endif
