/* Short message transfer PDUs (3GPP TS 23.040 9.2.2) as a modem in PDU mode gives and takes them
 * (3GPP TS 27.005 3.1: service centre address in front). Own code because these bytes come from
 * anybody with a telephone: every read is bounded, nothing is allocated, and whatever has a
 * readable head is kept, with a reason when its text is not readable.
 *
 * Text is UTF-8. Times are UTC milliseconds, 0 when the PDU gives none that can be read. */
#ifndef TOUYAN_SMS_TPDU_H
#define TOUYAN_SMS_TPDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"
#include "gateway/base/limits.h"

enum {
    TPDU_ADDRESS_BYTES = 48, /* "+" and 20 digits, or 11 septets in UTF-8; and NUL */
    TPDU_TEXT_BYTES = 484,   /* 160 septets at 3 bytes, and NUL */
    TPDU_REASON_BYTES = 64,
    TPDU_DATA_OCTETS = 140, /* TP-UD, 9.2.3.24 */
    TPDU_HEX_BYTES = 2 * LIMIT_TPDU_BYTES + 1,
    TPDU_ST_DELIVERED = 0x00, /* TP-ST 9.2.3.15: below 0x20 the message has arrived */
    TPDU_ST_TRYING = 0x20,    /* 0x20 to 0x3f: the centre still tries */
    TPDU_ST_FAILED = 0x40,    /* 0x40 and above: the centre has given up */
};

enum tpdu_kind { TPDU_DELIVER, TPDU_SUBMIT, TPDU_REPORT };

/* Which way the bytes go: the type bits mean different PDUs (9.2.3.1). */
enum tpdu_from { TPDU_FROM_NETWORK, TPDU_FROM_MOBILE };

enum tpdu_coding { TPDU_GSM7, TPDU_OCTETS, TPDU_UCS2 };

/* Parts of one message (9.2.3.24.1, .8). An element with part 0 or part > total is ignored as the
 * standard wants it: the message then stands alone. */
struct tpdu_concat {
    bool present;
    bool wide; /* a reference of 16 bits instead of 8 */
    int ref;
    int total; /* 1 to 255 */
    int part;  /* 1 to total */
};

struct tpdu {
    enum tpdu_kind kind;
    char smsc[TPDU_ADDRESS_BYTES];    /* "" : none (sending: the one of the SIM) */
    char address[TPDU_ADDRESS_BYTES]; /* sender of a DELIVER, else recipient: "+8613800000001",
                                         "10086", or a name when alphanumeric */
    bool alphanumeric;
    bool report_wanted; /* SUBMIT: TP-SRR */
    bool more;          /* DELIVER: more messages wait (TP-MMS says 0) */
    int mr;             /* TP-MR of SUBMIT and REPORT, 0 to 255 */
    int pid;
    int dcs;              /* set by decoding; encoding derives it from `coding` */
    int validity_minutes; /* SUBMIT, relative: rounded up to what TP-VP can say; 0: the default of
                             the centre; decoding gives 0 for other formats */
    int status;           /* REPORT: TP-ST */
    int64_t sent_ms;      /* DELIVER, REPORT: TP-SCTS */
    int64_t done_ms;      /* REPORT: TP-DT */
    enum tpdu_coding coding;
    struct tpdu_concat concat;
    char text[TPDU_TEXT_BYTES];         /* "" when it could not be read */
    char unreadable[TPDU_REASON_BYTES]; /* "" : text is the text; else why there is none */
    uint16_t head_low;  /* UCS-2: a lone low surrogate at the beginning, whose other half ended the
                           part before; text has U+FFFD in its place. 0: none */
    uint16_t tail_high; /* the other half, at the end */
};

/* GSM-7 when it loses nothing, else UCS-2. `text` must be valid UTF-8. */
enum tpdu_coding tpdu_coding_for(const char *text);

/* Encodes `kind` with the service centre address in front. Of SUBMIT it takes smsc, address, mr,
 * report_wanted, validity_minutes, coding (GSM7 or UCS2), concat, text; of DELIVER smsc, address,
 * alphanumeric, sent_ms, coding, concat, text; of REPORT smsc, address, mr, sent_ms, done_ms,
 * status. *ret_length is the count without the service centre address, which AT+CMGS and +CMGR
 * name. ERR_INVALID: address or text is not what it should be; ERR_LIMIT: the text needs more than
 * 140 octets. */
int tpdu_encode(const struct tpdu *tpdu, uint8_t ret[LIMIT_TPDU_BYTES], size_t *ret_size,
                size_t *ret_length, struct err *err);

/* Decodes. ERR_INVALID, with the place in the text, when type, address or fixed fields are cut or
 * impossible; trouble after that sets `unreadable` and is no error. */
int tpdu_decode(const uint8_t *bytes, size_t size, enum tpdu_from from, struct tpdu *ret,
                struct err *err);

/* The same from hex digits. */
int tpdu_decode_hex(const char *hex, enum tpdu_from from, struct tpdu *ret, struct err *err);

#endif
