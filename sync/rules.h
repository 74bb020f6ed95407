/* The rules of the sync protocol that a test build can take away one at a time, to see whether its
 * simulation notices. Both ends take a mask of the rules that are *not* in force: 0, the zeroed
 * option, is the protocol. A county or a station outside the tests has no way to set it. */
#ifndef TOUYAN_SYNC_RULES_H
#define TOUYAN_SYNC_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum sync_without {
    /* county: any session token will do, and old numbers with new content are merged */
    WITHOUT_TOKEN = 1 << 0,
    /* station: a pull refreshes the base of marks that are not settled */
    WITHOUT_BASEPULL = 1 << 1,
    /* county: every cursor counts, whatever its epoch; nobody is told that the county went back */
    WITHOUT_EPOCH = 1 << 2,
    /* station, county: after a rewind no row is given back */
    WITHOUT_SALVAGE = 1 << 3,
    /* county: a row with a group that the pusher has not seen is acknowledged like any other */
    WITHOUT_ADOPT = 1 << 4,
    /* station: after a rewind the settled marks are not sent again */
    WITHOUT_REMARK_ACKED = 1 << 5,
    /* station, county: pulls while a push is in flight and not settled, with the token before it */
    WITHOUT_PULLINFLIGHT = 1 << 6,
    /* station: an edit made meanwhile is taken into the mark in flight */
    WITHOUT_REMARK = 1 << 7,
    /* station: a mark that lost is settled at once, before the county's row has come */
    WITHOUT_ADVANCE = 1 << 8,
    /* station: one base for all groups of a row */
    WITHOUT_ROWBASE = 1 << 9,
    /* county: an equal value moves the version of its group */
    WITHOUT_NOOPBUMP = 1 << 10,
    /* station: any row that comes settles a mark that lost, also one older than the loss */
    WITHOUT_SUSONCE = 1 << 11,
    /* county: base versions are ignored, the later stamp wins */
    WITHOUT_HLCONLY = 1 << 12,
    /* county: versions only count up and do not follow the clock */
    WITHOUT_VCOUNTER = 1 << 13,
    /* station: a push does not say which groups of its row lost and have not come yet */
    WITHOUT_UNFED = 1 << 14,
};

/* The name of a removal, by bit; NULL past the last. */
static inline const char *sync_without_name(unsigned bit)
{
    static const char *const names[] = {"notoken", "basepull", "noepoch",      "nosalvage",
                                        "adopt",   "noremark", "pullinflight", "remark",
                                        "advance", "rowbase",  "noopbump",     "susonce",
                                        "hlconly", "vcounter", "unfed"};
    return bit < sizeof names / sizeof *names ? names[bit] : NULL;
}

/* Adds the removal of this name to the mask. False: there is none. */
static inline bool sync_without_add(const char *name, uint32_t *mask)
{
    for (unsigned bit = 0; sync_without_name(bit) != NULL; bit++)
        if (strcmp(sync_without_name(bit), name) == 0) {
            *mask |= UINT32_C(1) << bit;
            return true;
        }
    return false;
}

#endif
