/* Which message an incoming part belongs to, and the text of what is there: pure decisions over
 * values that the caller keeps (rows, for the inbox).
 *
 * 3GPP TS 23.040 9.2.3.24.1 knows a set by sender, reference and number of parts. In life
 * references come again (they have 8 bits and some carriers count badly), parts come minutes apart,
 * out of order, twice, or never. So a key can have several sets, its generations; a part joins the
 * newest one that it can belong to. Two parts can belong together when their service centre time
 * stamps are at most REASSEMBLE_WINDOW_MS apart (the stamp stays the same however late the part
 * arrives); if a stamp is missing, the times of arrival count instead.
 *
 * A set that is not complete after REASSEMBLE_WINDOW_MS is given out with gap marks; a late part
 * then amends it. Sender, reference and total are compared by the caller, who asks with the sets of
 * one key only. */
#ifndef TOUYAN_SMS_REASSEMBLE_H
#define TOUYAN_SMS_REASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"

#define REASSEMBLE_GAP "[…]"

enum {
    REASSEMBLE_WINDOW_MS = 15 * 60 * 1000,
    REASSEMBLE_SETS = 8, /* generations worth asking with: the newest ones */
};

struct reassemble_part {
    const char *text;
    int part; /* 1 to total */
    /* Halves of a surrogate pair that was cut between two parts (see struct tpdu); 0: none, or not
     * kept: U+FFFD then stays in the text. */
    uint16_t head_low;
    uint16_t tail_high;
};

/* One generation of the key. */
struct reassemble_set {
    int generation;                      /* from 1 */
    int64_t sent_ms;                     /* time stamp of its first part here; 0: none */
    int64_t heard_ms;                    /* arrival of its first part here */
    const struct reassemble_part *parts; /* in any order, each number once */
    size_t count;
};

enum reassemble_verdict {
    REASSEMBLE_NEW,       /* begins generation `generation` */
    REASSEMBLE_JOIN,      /* a new part of set `set` */
    REASSEMBLE_DUPLICATE, /* set `set` has it already */
};

struct reassemble_decision {
    enum reassemble_verdict verdict;
    size_t set;
    int generation;
    bool complete; /* with this part nothing is missing */
};

/* Sets in any order. ERR_INVALID when part is not 1 to total or total not 1 to 255: such a message
 * stands alone. */
int reassemble_decide(const struct reassemble_set *sets, size_t count,
                      const struct reassemble_part *part, int total, int64_t sent_ms,
                      int64_t heard_ms, struct reassemble_decision *ret, struct err *err);

/* When an incomplete set is given out as it is. */
int64_t reassemble_deadline_ms(int64_t heard_ms);

/* Appends the text: the parts in order, one gap mark for each run of missing ones. Parts outside
 * 1..total are left out; of equal numbers the first counts. False when it does not fit. */
bool reassemble_join(const struct reassemble_part *parts, size_t count, int total, struct buf *out);

#endif
