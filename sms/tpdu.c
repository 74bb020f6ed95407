/* Writing PDUs. What is written is always within 9.2.2 and 140 octets of user data; a text that
 * does not fit or does not exist in the coding asked for is refused, never cut: cutting is
 * segment.h's work. The order of the fields is the order of the functions here. */
#include "sms/tpdu.h"

#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "sms/gsm7.h"

enum {
    TYPE_UNKNOWN = 0x81, /* 9.1.2.5: numbering plan E.164 */
    TYPE_INTERNATIONAL = 0x91,
    TYPE_ALPHANUMERIC = 0xd0,
    MAX_DIGITS = 20,
    MAX_SEPTETS = 160,
    MAX_NAME_SEPTETS = 11,
    DCS_GSM7 = 0x00,
    DCS_UCS2 = 0x08,
};

/* Bytes collected; large enough for every legal PDU, and `full` when something is not legal. */
struct writer {
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t used;
    bool full;
};

static void put(struct writer *writer, const void *bytes, size_t size)
{
    if (sizeof writer->bytes - writer->used < size) {
        writer->full = true;
        return;
    }
    memcpy(writer->bytes + writer->used, bytes, size);
    writer->used += size;
}

static void put_octet(struct writer *writer, int octet)
{
    uint8_t byte = (uint8_t)octet;

    put(writer, &byte, 1);
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789*#abc";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Writes semi-octets; returns how many digits, or -1. */
static int pack_digits(const char *number, uint8_t ret[MAX_DIGITS / 2])
{
    size_t count = strlen(number);

    if (count == 0 || count > MAX_DIGITS)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int digit = digit_of(number[i]);

        if (digit < 0)
            return -1;
        if (i % 2 == 0)
            ret[i / 2] = (uint8_t)(0xf0 | digit);
        else
            ret[i / 2] = (uint8_t)((ret[i / 2] & 0x0f) | (unsigned)digit << 4);
    }
    return (int)count;
}

static int put_smsc(struct writer *writer, const char *smsc, struct err *err)
{
    uint8_t digits[MAX_DIGITS / 2];
    bool plus = smsc[0] == '+';

    if (smsc[0] == '\0') {
        put_octet(writer, 0);
        return ERR_OK;
    }
    int count = pack_digits(smsc + plus, digits);
    if (count < 0)
        return err_set(err, ERR_INVALID, "service centre address is no number");
    put_octet(writer, 1 + (count + 1) / 2);
    put_octet(writer, plus ? TYPE_INTERNATIONAL : TYPE_UNKNOWN);
    put(writer, digits, (size_t)(count + 1) / 2);
    return ERR_OK;
}

static int put_name(struct writer *writer, const char *name, struct err *err)
{
    uint8_t septets[MAX_NAME_SEPTETS];
    uint8_t octets[MAX_DIGITS / 2] = {0};
    int count = gsm7_from_utf8(name, strlen(name), septets, sizeof septets);

    if (count < 1)
        return err_set(err, ERR_INVALID, "sender's name does not fit 11 characters of GSM-7");
    size_t size = gsm7_pack(septets, (size_t)count, 0, octets);
    put_octet(writer, (count * 7 + 3) / 4);
    put_octet(writer, TYPE_ALPHANUMERIC);
    put(writer, octets, size);
    return ERR_OK;
}

static int put_address(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    uint8_t digits[MAX_DIGITS / 2];
    bool plus = tpdu->address[0] == '+';

    if (tpdu->alphanumeric)
        return put_name(writer, tpdu->address, err);
    int count = pack_digits(tpdu->address + plus, digits);
    if (count < 0)
        return err_set(err, ERR_INVALID, "address is not 1 to 20 digits");
    put_octet(writer, count);
    put_octet(writer, plus ? TYPE_INTERNATIONAL : TYPE_UNKNOWN);
    put(writer, digits, (size_t)(count + 1) / 2);
    return ERR_OK;
}

static int swapped(int value)
{
    return (value % 10) << 4 | (value / 10) % 10;
}

/* TP-SCTS in China Standard Time (9.2.3.11): 32 quarters of an hour. */
static void put_time(struct writer *writer, int64_t ms)
{
    struct caltime at = caltime_local(ms);
    const int fields[] = {at.year % 100, at.month, at.day, at.hour, at.minute, at.second, 32};

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        put_octet(writer, swapped(fields[i]));
}

/* TP-VP relative (9.2.3.12.1), rounded up; the longest is 63 weeks. */
static int validity_octet(int minutes)
{
    enum { HOUR = 60, DAY = 24 * HOUR, WEEK = 7 * DAY };

    if (minutes <= 12 * HOUR)
        return (minutes + 4) / 5 - 1;
    if (minutes <= DAY)
        return 143 + (minutes - 12 * HOUR + 29) / 30;
    if (minutes <= 30 * DAY)
        return 166 + (minutes + DAY - 1) / DAY;
    int weeks = (minutes - 1) / WEEK + 1;
    return 192 + (weeks > 63 ? 63 : weeks);
}

/* The header that says which part this is; returns its octets with the length octet. */
static size_t write_header(const struct tpdu_concat *concat, uint8_t ret[7])
{
    size_t used = 0;

    if (!concat->present)
        return 0;
    ret[used++] = concat->wide ? 6 : 5;
    ret[used++] = concat->wide ? 0x08 : 0x00;
    ret[used++] = concat->wide ? 4 : 3;
    if (concat->wide)
        ret[used++] = (uint8_t)(concat->ref >> 8);
    ret[used++] = (uint8_t)concat->ref;
    ret[used++] = (uint8_t)concat->total;
    ret[used++] = (uint8_t)concat->part;
    return used;
}

static int put_gsm7(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    uint8_t octets[TPDU_DATA_OCTETS] = {0};
    uint8_t septets[MAX_SEPTETS];
    size_t header = write_header(&tpdu->concat, octets);
    size_t skipped = (header * 8 + 6) / 7;
    int count = gsm7_from_utf8(tpdu->text, strlen(tpdu->text), septets, MAX_SEPTETS - skipped);

    if (count < 0)
        return err_set(err, ERR_LIMIT, "text is not within %zu characters of GSM-7",
                       MAX_SEPTETS - skipped);
    size_t size = gsm7_pack(septets, (size_t)count, skipped * 7, octets);
    put_octet(writer, (int)skipped + count);
    put(writer, octets, size);
    return ERR_OK;
}

/* One code point in UTF-16, big endian; returns the octets, 0 when it does not fit. */
static size_t write_utf16(uint32_t cp, uint8_t *ret, size_t room)
{
    uint32_t units[2] = {cp, 0};
    size_t count = 1;

    if (cp >= 0x10000) {
        units[0] = 0xd800 + ((cp - 0x10000) >> 10);
        units[1] = 0xdc00 + ((cp - 0x10000) & 0x3ff);
        count = 2;
    }
    if (room < 2 * count)
        return 0;
    for (size_t i = 0; i < count; i++) {
        ret[2 * i] = (uint8_t)(units[i] >> 8);
        ret[2 * i + 1] = (uint8_t)units[i];
    }
    return 2 * count;
}

static int put_ucs2(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    uint8_t octets[TPDU_DATA_OCTETS];
    size_t used = write_header(&tpdu->concat, octets);
    size_t size = strlen(tpdu->text);

    for (size_t at = 0; at < size;) {
        uint32_t cp = 0;
        size_t length = text_utf8_decode(tpdu->text + at, size - at, &cp);
        size_t octets_used = write_utf16(cp, octets + used, sizeof octets - used);

        if (length == 0)
            return err_set(err, ERR_INVALID, "text is not UTF-8");
        if (octets_used == 0)
            return err_set(err, ERR_LIMIT, "text does not fit one segment of UCS-2");
        at += length;
        used += octets_used;
    }
    put_octet(writer, (int)used);
    put(writer, octets, used);
    return ERR_OK;
}

static int put_text(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    const struct tpdu_concat *concat = &tpdu->concat;

    if (concat->present && (concat->total < 1 || concat->total > LIMIT_SMS_PARTS ||
                            concat->part < 1 || concat->part > concat->total))
        return err_set(err, ERR_INVALID, "part %d of %d", concat->part, concat->total);
    if (tpdu->coding == TPDU_GSM7)
        return put_gsm7(writer, tpdu, err);
    if (tpdu->coding == TPDU_UCS2)
        return put_ucs2(writer, tpdu, err);
    return err_set(err, ERR_INVALID, "8-bit data is not written");
}

static int put_submit(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    put_octet(writer, 0x01 | (tpdu->validity_minutes > 0 ? 0x10 : 0) |
                          (tpdu->report_wanted ? 0x20 : 0) | (tpdu->concat.present ? 0x40 : 0));
    put_octet(writer, tpdu->mr);
    if (put_address(writer, tpdu, err))
        return err_wrap(err, "recipient");
    put_octet(writer, 0);
    put_octet(writer, tpdu->coding == TPDU_UCS2 ? DCS_UCS2 : DCS_GSM7);
    if (tpdu->validity_minutes > 0)
        put_octet(writer, validity_octet(tpdu->validity_minutes));
    return put_text(writer, tpdu, err);
}

static int put_deliver(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    put_octet(writer, (tpdu->more ? 0 : 0x04) | (tpdu->concat.present ? 0x40 : 0));
    if (put_address(writer, tpdu, err))
        return err_wrap(err, "sender");
    put_octet(writer, 0);
    put_octet(writer, tpdu->coding == TPDU_UCS2 ? DCS_UCS2 : DCS_GSM7);
    put_time(writer, tpdu->sent_ms);
    return put_text(writer, tpdu, err);
}

static int put_report(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    put_octet(writer, 0x02 | 0x04);
    put_octet(writer, tpdu->mr);
    if (put_address(writer, tpdu, err))
        return err_wrap(err, "recipient");
    put_time(writer, tpdu->sent_ms);
    put_time(writer, tpdu->done_ms);
    put_octet(writer, tpdu->status);
    return ERR_OK;
}

static int put_body(struct writer *writer, const struct tpdu *tpdu, struct err *err)
{
    switch (tpdu->kind) {
    case TPDU_SUBMIT:
        return put_submit(writer, tpdu, err);
    case TPDU_DELIVER:
        return put_deliver(writer, tpdu, err);
    case TPDU_REPORT:
        return put_report(writer, tpdu, err);
    }
    return err_set(err, ERR_INVALID, "no such kind of PDU: %d", (int)tpdu->kind);
}

enum tpdu_coding tpdu_coding_for(const char *text)
{
    size_t size = strlen(text);

    for (size_t at = 0; at < size;) {
        uint32_t cp = 0;
        size_t length = text_utf8_decode(text + at, size - at, &cp);

        if (length == 0 || gsm7_cost(cp) == 0)
            return TPDU_UCS2;
        at += length;
    }
    return TPDU_GSM7;
}

int tpdu_encode(const struct tpdu *tpdu, uint8_t ret[LIMIT_TPDU_BYTES], size_t *ret_size,
                size_t *ret_length, struct err *err)
{
    struct writer writer = {.used = 0};
    int code = put_smsc(&writer, tpdu->smsc, err);
    size_t smsc_size = writer.used;

    if (!code)
        code = put_body(&writer, tpdu, err);
    if (!code && writer.full)
        code = err_set(err, ERR_LIMIT, "PDU is longer than %d octets", LIMIT_TPDU_BYTES);
    if (code)
        return code;
    memcpy(ret, writer.bytes, writer.used);
    *ret_size = writer.used;
    *ret_length = writer.used - smsc_size;
    return ERR_OK;
}
