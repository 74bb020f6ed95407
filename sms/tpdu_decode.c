/* Reading PDUs. A cursor never passes its end: asking for more sets `cut`, which the caller looks
 * at once per group of fields. Fixed fields that are cut or impossible are an error; a readable
 * head with a text that cannot be shown (8-bit data, compressed, cut, national alphabets) is a
 * message with `unreadable` set, so that a person still learns who wrote and when. */
#include "sms/tpdu.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "sms/gsm7.h"

enum {
    TON_INTERNATIONAL = 1,
    TON_ALPHANUMERIC = 5,
    MAX_SEMI_OCTETS = 20, /* 9.1.2.5 */
    TIMESTAMP_OCTETS = 7, /* 9.2.3.11 */
    IE_CONCAT_8 = 0x00,   /* 9.2.3.24 */
    IE_CONCAT_16 = 0x08,
    IE_SINGLE_SHIFT = 0x24,
    IE_LOCKING_SHIFT = 0x25,
    REPLACEMENT = 0xfffd,
};

struct cursor {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool cut;
};

/* What the header of the user data says beside the concatenation. */
struct header {
    size_t octets; /* with its length octet; 0: no header */
    bool locking_shift, single_shift;
    const char *fault;
};

static const uint8_t *take(struct cursor *cursor, size_t count)
{
    const uint8_t *bytes = cursor->bytes + cursor->at;

    if (cursor->cut || cursor->size - cursor->at < count) {
        cursor->cut = true;
        return NULL;
    }
    cursor->at += count;
    return bytes;
}

static int take_octet(struct cursor *cursor)
{
    const uint8_t *byte = take(cursor, 1);

    return byte ? *byte : 0;
}

/* Semi-octets, low one first (9.1.2.3): digits, '*', '#', 'a' to 'c'; 0xf fills. */
static void digits_of(const uint8_t *octets, size_t semi_octets, char *ret)
{
    static const char digits[] = "0123456789*#abc";
    size_t used = 0;

    for (size_t i = 0; i < semi_octets; i++) {
        unsigned digit = i % 2 ? octets[i / 2] >> 4 : octets[i / 2] & 0x0f;

        if (digit < 0x0f)
            ret[used++] = digits[digit];
    }
    ret[used] = '\0';
}

static void number_of(int type, const uint8_t *octets, size_t semi_octets, char *ret)
{
    size_t plus = ((type >> 4) & 7) == TON_INTERNATIONAL;

    ret[0] = '+';
    digits_of(octets, semi_octets, ret + plus);
}

static int take_smsc(struct cursor *cursor, struct tpdu *ret, struct err *err)
{
    size_t octets = (size_t)take_octet(cursor);
    const uint8_t *bytes = take(cursor, octets);

    if (!bytes)
        return err_set(err, ERR_INVALID, "service centre address is cut");
    if (octets == 0)
        return ERR_OK;
    if ((octets - 1) * 2 > MAX_SEMI_OCTETS)
        return err_set(err, ERR_INVALID, "service centre address of %zu octets", octets);
    number_of(bytes[0], bytes + 1, (octets - 1) * 2, ret->smsc);
    return ERR_OK;
}

static int take_address(struct cursor *cursor, struct tpdu *ret, struct err *err)
{
    size_t semi_octets = (size_t)take_octet(cursor);
    int type = take_octet(cursor);
    uint8_t septets[(MAX_SEMI_OCTETS * 4) / 7 + 1];

    if (!cursor->cut && semi_octets > MAX_SEMI_OCTETS)
        return err_set(err, ERR_INVALID, "address of %zu digits (at most 20)", semi_octets);
    const uint8_t *octets = take(cursor, (semi_octets + 1) / 2);
    if (!octets)
        return err_set(err, ERR_INVALID, "address is cut");
    ret->alphanumeric = ((type >> 4) & 7) == TON_ALPHANUMERIC;
    if (!ret->alphanumeric) {
        number_of(type, octets, semi_octets, ret->address);
        return ERR_OK;
    }
    size_t count = semi_octets * 4 / 7;
    gsm7_unpack(octets, 0, count, septets);
    if (!gsm7_to_utf8(septets, count, ret->address, sizeof ret->address, NULL))
        return err_set(err, ERR_INVALID, "sender's name is too long");
    return ERR_OK;
}

/* Two digits, tens in the low half; -1 when they are none. */
static int two_digits(uint8_t octet)
{
    int tens = octet & 0x0f;
    int ones = octet >> 4;

    return tens > 9 || ones > 9 ? -1 : tens * 10 + ones;
}

/* UTC; 0 when it is no point in time. The zone counts quarters of an hour, bit 3 is its sign. */
static int64_t time_of(const uint8_t octets[TIMESTAMP_OCTETS])
{
    static const int max[6] = {99, 12, 31, 23, 59, 59};
    int value[6];

    for (int i = 0; i < 6; i++) {
        value[i] = two_digits(octets[i]);
        if (value[i] < (i == 1 || i == 2) || value[i] > max[i])
            return 0;
    }
    int quarters = two_digits((uint8_t)(octets[6] & 0xf7));
    if (quarters < 0)
        return 0;
    if (octets[6] & 0x08)
        quarters = -quarters;
    int year = value[0] < 90 ? 2000 + value[0] : 1900 + value[0];
    return caltime_to_ms(year, value[1], value[2], value[3], value[4]) + CALTIME_OFFSET_MS +
           (int64_t)value[5] * 1000 - (int64_t)quarters * 15 * CALTIME_MINUTE_MS;
}

static int64_t take_time(struct cursor *cursor)
{
    const uint8_t *octets = take(cursor, TIMESTAMP_OCTETS);

    return octets ? time_of(octets) : 0;
}

static void set_unreadable(struct tpdu *ret, const char *reason)
{
    text_copy(ret->unreadable, sizeof ret->unreadable, reason);
}

/* Data coding scheme, 3GPP TS 23.038 4. Reserved codings count as the default alphabet there.
 * Returns false for a compressed text. */
static bool coding_of(int dcs, enum tpdu_coding *ret)
{
    static const enum tpdu_coding general[4] = {TPDU_GSM7, TPDU_OCTETS, TPDU_UCS2, TPDU_GSM7};

    *ret = TPDU_GSM7;
    if (dcs < 0x80) {
        *ret = general[(dcs >> 2) & 3];
        return (dcs & 0x20) == 0;
    }
    if ((dcs & 0xf0) == 0xe0)
        *ret = TPDU_UCS2;
    else if ((dcs & 0xf4) == 0xf4)
        *ret = TPDU_OCTETS;
    return true;
}

/* Parts outside 1..total make the element void (9.2.3.24.1); of several the last counts. */
static void take_concat(const uint8_t *data, bool wide, struct tpdu_concat *ret)
{
    int total = data[wide ? 2 : 1];
    int part = data[wide ? 3 : 2];

    if (part < 1 || part > total)
        return;
    ret->present = true;
    ret->wide = wide;
    ret->ref = wide ? data[0] << 8 | data[1] : data[0];
    ret->total = total;
    ret->part = part;
}

static void take_element(int id, const uint8_t *data, size_t size, struct tpdu *ret,
                         struct header *header)
{
    if (id == IE_CONCAT_8 && size == 3)
        take_concat(data, false, &ret->concat);
    else if (id == IE_CONCAT_16 && size == 4)
        take_concat(data, true, &ret->concat);
    else if (id == IE_SINGLE_SHIFT)
        header->single_shift = true;
    else if (id == IE_LOCKING_SHIFT)
        header->locking_shift = true;
}

static void read_header(const uint8_t *data, size_t octets, struct tpdu *ret, struct header *header)
{
    if (octets == 0 || (size_t)data[0] + 1 > octets) {
        header->fault = "user data header is longer than the data";
        return;
    }
    struct cursor cursor = {.bytes = data + 1, .size = data[0]};
    header->octets = (size_t)data[0] + 1;
    while (cursor.at < cursor.size) {
        int id = take_octet(&cursor);
        size_t size = (size_t)take_octet(&cursor);
        const uint8_t *bytes = take(&cursor, size);

        if (!bytes) {
            header->fault = "an element of the user data header is cut";
            return;
        }
        take_element(id, bytes, size, ret, header);
    }
}

static void show_gsm7(const uint8_t *data, size_t length, const struct header *header,
                      struct tpdu *ret)
{
    uint8_t septets[UINT8_MAX];
    size_t skipped = (header->octets * 8 + 6) / 7; /* the header is filled up to a septet */
    bool escaped = false;

    if (skipped > length) {
        set_unreadable(ret, "user data header is longer than the data");
        return;
    }
    gsm7_unpack(data, skipped * 7, length - skipped, septets);
    if (!gsm7_to_utf8(septets, length - skipped, ret->text, sizeof ret->text, &escaped))
        set_unreadable(ret, "text is too long");
    else if (header->locking_shift || (header->single_shift && escaped))
        set_unreadable(ret, "text in a national alphabet");
    if (ret->unreadable[0] != '\0')
        ret->text[0] = '\0';
}

/* One code point of UTF-16; lone halves at the edges are remembered. */
static uint32_t take_utf16(const uint8_t *data, size_t units, size_t *at, struct tpdu *ret)
{
    size_t here = (*at)++;
    uint32_t unit = (uint32_t)data[2 * here] << 8 | data[2 * here + 1];

    if (unit < 0xd800 || unit > 0xdfff)
        return unit;
    if (unit >= 0xdc00) {
        if (here == 0)
            ret->head_low = (uint16_t)unit;
        return REPLACEMENT;
    }
    if (*at == units) {
        ret->tail_high = (uint16_t)unit;
        return REPLACEMENT;
    }
    uint32_t low = (uint32_t)data[2 * *at] << 8 | data[2 * *at + 1];
    if (low < 0xdc00 || low > 0xdfff)
        return REPLACEMENT;
    ++*at;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* U+0000 is dropped: it would end the text for every reader behind. */
static void show_ucs2(const uint8_t *data, size_t octets, struct tpdu *ret)
{
    size_t used = 0;

    if (octets % 2 != 0) {
        set_unreadable(ret, "text in UCS-2 of an odd number of octets");
        return;
    }
    for (size_t at = 0; at < octets / 2;) {
        uint32_t cp = take_utf16(data, octets / 2, &at, ret);

        if (cp == 0)
            continue;
        if (used + 4 >= sizeof ret->text)
            break;
        used += text_utf8_encode(cp, ret->text + used);
    }
    ret->text[used] = '\0';
}

static void show_user_data(const uint8_t *data, size_t length, bool with_header, struct tpdu *ret)
{
    bool plain = coding_of(ret->dcs, &ret->coding);
    size_t octets = ret->coding == TPDU_GSM7 ? (length * 7 + 7) / 8 : length;
    struct header header = {0};

    if (with_header)
        read_header(data, octets, ret, &header);
    if (header.fault)
        set_unreadable(ret, header.fault);
    else if (!plain)
        set_unreadable(ret, "compressed text");
    else if (ret->coding == TPDU_OCTETS)
        set_unreadable(ret, "8-bit data");
    else if (ret->coding == TPDU_GSM7)
        show_gsm7(data, length, &header, ret);
    else
        show_ucs2(data + header.octets, octets - header.octets, ret);
}

static void take_user_data(struct cursor *cursor, bool with_header, struct tpdu *ret)
{
    size_t length = (size_t)take_octet(cursor);
    enum tpdu_coding coding = TPDU_GSM7;

    coding_of(ret->dcs, &coding);
    size_t octets = coding == TPDU_GSM7 ? (length * 7 + 7) / 8 : length;
    const uint8_t *data = take(cursor, octets);
    if (!data)
        set_unreadable(ret, "user data is cut");
    else if (octets > TPDU_DATA_OCTETS)
        set_unreadable(ret, "user data of more than 140 octets");
    else
        show_user_data(data, length, with_header, ret);
}

static int decode_deliver(struct cursor *cursor, int first, struct tpdu *ret, struct err *err)
{
    ret->kind = TPDU_DELIVER;
    ret->more = (first & 0x04) == 0;
    if (take_address(cursor, ret, err))
        return err_wrap(err, "sender");
    ret->pid = take_octet(cursor);
    ret->dcs = take_octet(cursor);
    ret->sent_ms = take_time(cursor);
    if (cursor->cut)
        return err_set(err, ERR_INVALID, "DELIVER is cut after the sender");
    take_user_data(cursor, (first & 0x40) != 0, ret);
    return ERR_OK;
}

/* TP-VP relative, 9.2.3.12.1. */
static int minutes_of(int vp)
{
    if (vp <= 143)
        return (vp + 1) * 5;
    if (vp <= 167)
        return 12 * 60 + (vp - 143) * 30;
    if (vp <= 196)
        return (vp - 166) * 24 * 60;
    return (vp - 192) * 7 * 24 * 60;
}

static int decode_submit(struct cursor *cursor, int first, struct tpdu *ret, struct err *err)
{
    int format = (first >> 3) & 3; /* TP-VPF 9.2.3.3 */

    ret->kind = TPDU_SUBMIT;
    ret->report_wanted = (first & 0x20) != 0;
    ret->mr = take_octet(cursor);
    if (take_address(cursor, ret, err))
        return err_wrap(err, "recipient");
    ret->pid = take_octet(cursor);
    ret->dcs = take_octet(cursor);
    if (format == 2)
        ret->validity_minutes = minutes_of(take_octet(cursor));
    else if (format != 0)
        take(cursor, 7);
    if (cursor->cut)
        return err_set(err, ERR_INVALID, "SUBMIT is cut after the recipient");
    take_user_data(cursor, (first & 0x40) != 0, ret);
    return ERR_OK;
}

/* What may follow the status (9.2.2.3, from TP-PI on) says nothing that anybody here needs. */
static int decode_report(struct cursor *cursor, struct tpdu *ret, struct err *err)
{
    ret->kind = TPDU_REPORT;
    ret->mr = take_octet(cursor);
    if (take_address(cursor, ret, err))
        return err_wrap(err, "recipient");
    ret->sent_ms = take_time(cursor);
    ret->done_ms = take_time(cursor);
    ret->status = take_octet(cursor);
    if (cursor->cut)
        return err_set(err, ERR_INVALID, "STATUS-REPORT is cut");
    return ERR_OK;
}

static int decode_body(struct cursor *cursor, enum tpdu_from from, struct tpdu *ret,
                       struct err *err)
{
    int first = take_octet(cursor);
    int type = first & 3; /* TP-MTI 9.2.3.1 */

    if (cursor->cut)
        return err_set(err, ERR_INVALID, "no PDU behind the service centre address");
    if (from == TPDU_FROM_MOBILE) {
        if (type == 1)
            return decode_submit(cursor, first, ret, err);
        return err_set(err, ERR_INVALID, "type %d from a mobile is no SUBMIT", type);
    }
    if (type == 2)
        return decode_report(cursor, ret, err);
    if (type == 1)
        return err_set(err, ERR_INVALID, "type 1 from the network is no message");
    return decode_deliver(cursor, first, ret, err); /* the reserved type 3 counts as DELIVER */
}

int tpdu_decode(const uint8_t *bytes, size_t size, enum tpdu_from from, struct tpdu *ret,
                struct err *err)
{
    struct cursor cursor = {.bytes = bytes, .size = size};
    struct tpdu tpdu = {0};

    if (size > LIMIT_TPDU_BYTES)
        return err_set(err, ERR_LIMIT, "PDU of %zu octets (at most %d)", size, LIMIT_TPDU_BYTES);
    int code = take_smsc(&cursor, &tpdu, err);
    if (!code)
        code = decode_body(&cursor, from, &tpdu, err);
    if (!code)
        *ret = tpdu;
    return code;
}

int tpdu_decode_hex(const char *hex, enum tpdu_from from, struct tpdu *ret, struct err *err)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    int size = text_from_hex(hex, strlen(hex), bytes, sizeof bytes);

    if (size < 0)
        return err_set(err, ERR_INVALID, "PDU is not 1 to %d octets in hex", LIMIT_TPDU_BYTES);
    return tpdu_decode(bytes, (size_t)size, from, ret, err);
}
