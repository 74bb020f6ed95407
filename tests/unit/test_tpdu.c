/* PDUs: golden ones (seen on real modems, or written down by hand from 3GPP TS 23.040), what comes
 * back after encoding, and what must be refused or kept as unreadable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway/base/caltime.h"
#include "gateway/base/text.h"
#include "sms/gsm7.h"
#include "sms/tpdu.h"

#define QUARTER_MS (INT64_C(15) * CALTIME_MINUTE_MS)

static int64_t utc(int year, int month, int day, int hour, int minute, int second)
{
    return caltime_to_ms(year, month, day, hour, minute) + CALTIME_OFFSET_MS +
           second * INT64_C(1000);
}

static struct tpdu decoded(const char *hex, enum tpdu_from from)
{
    struct tpdu tpdu;
    struct err err = {0};

    if (tpdu_decode_hex(hex, from, &tpdu, &err))
        fail_msg("%s: %s", hex, err.text);
    return tpdu;
}

static void refused(const char *hex, enum tpdu_from from, const char *words)
{
    struct tpdu tpdu;
    struct err err = {0};

    assert_int_equal(tpdu_decode_hex(hex, from, &tpdu, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, words));
}

static void unreadable(const char *hex, const char *reason)
{
    struct tpdu tpdu = decoded(hex, TPDU_FROM_NETWORK);

    assert_string_equal(tpdu.unreadable, reason);
    assert_string_equal(tpdu.text, "");
    assert_string_equal(tpdu.address, "+8613800000001");
}

static void encodes_to(const struct tpdu *tpdu, const char *hex, size_t length)
{
    uint8_t bytes[LIMIT_TPDU_BYTES];
    char got[TPDU_HEX_BYTES];
    size_t size = 0;
    size_t tpdu_length = 0;
    struct err err = {0};

    if (tpdu_encode(tpdu, bytes, &size, &tpdu_length, &err))
        fail_msg("%s", err.text);
    text_to_hex(bytes, size, got);
    assert_string_equal(got, hex);
    assert_int_equal(tpdu_length, length);
}

/* Head of a DELIVER from +8613800000001 with this first octet and DCS; time 2026-09-01 07:20:05
 * +08:00; the user data follows. */
static const char *deliver(const char *first, const char *dcs, const char *user_data)
{
    static char hex[512];

    snprintf(hex, sizeof hex, "00%s0d91683108000000f100%s62901070025023%s", first, dcs, user_data);
    return hex;
}

static void gsm7_has_every_character_once(void **state)
{
    (void)state;
    for (uint8_t septet = 0; septet < 128; septet++) {
        char text[8];
        uint8_t back[2];

        if (septet == 0x1b)
            continue;
        assert_true(gsm7_to_utf8(&septet, 1, text, sizeof text, NULL));
        assert_int_equal(gsm7_from_utf8(text, strlen(text), back, 2), 1);
        assert_int_equal(back[0], septet);
    }
    assert_int_equal(gsm7_cost('@'), 1);
    assert_int_equal(gsm7_cost(0x20ac), 2);
    assert_int_equal(gsm7_cost('`'), 0);
    assert_int_equal(gsm7_cost(0x4e2d), 0);
    assert_int_equal(gsm7_cost(0), 0);
}

static void gsm7_shows_unknown_escapes_as_the_standard_says(void **state)
{
    (void)state;
    const uint8_t septets[] = {0x1b, 'A', 0x1b, 0x1b, 0x1b, 0x65, 0x1b};
    char text[32];
    bool escaped = false;

    assert_true(gsm7_to_utf8(septets, sizeof septets, text, sizeof text, &escaped));
    assert_string_equal(text, "A €"
                              " ");
    assert_true(escaped);
    assert_false(gsm7_to_utf8(septets, sizeof septets, text, 4, NULL));
}

static void gsm7_packs_hellohello(void **state)
{
    (void)state;
    static const uint8_t packed[] = {0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37};
    uint8_t septets[10];
    uint8_t octets[10] = {0};

    assert_int_equal(gsm7_from_utf8("hellohello", 10, septets, 10), 10);
    assert_int_equal(gsm7_pack(septets, 10, 0, octets), 9);
    assert_memory_equal(octets, packed, 9);
    memset(septets, 0, sizeof septets);
    gsm7_unpack(packed, 0, 10, septets);
    assert_memory_equal(septets, "hellohello", 10);
    assert_int_equal(gsm7_from_utf8("hellohello", 10, septets, 9), -1);
}

static void deliver_of_a_nokia_is_read(void **state)
{
    (void)state;
    struct tpdu tpdu =
        decoded("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
                TPDU_FROM_NETWORK);

    assert_int_equal(tpdu.kind, TPDU_DELIVER);
    assert_string_equal(tpdu.smsc, "+27381000015");
    assert_string_equal(tpdu.address, "27838890001");
    assert_string_equal(tpdu.text, "hellohello");
    assert_false(tpdu.more);
    assert_int_equal(tpdu.sent_ms, utc(1999, 3, 29, 15, 16, 59) - 8 * QUARTER_MS);
}

static void deliver_from_a_name_is_read(void **state)
{
    (void)state;
    struct tpdu tpdu =
        decoded("07919333852804000412D0F7FBDD454FB75D693A0000903002801153402BCD301E9F"
                "0605D9E971191483C140412A35690D52832063D2F9040599A058EE05A3BD6430580E",
                TPDU_FROM_NETWORK);

    assert_string_equal(tpdu.smsc, "+393358824000");
    assert_true(tpdu.alphanumeric);
    assert_string_equal(tpdu.address, "www.tim.it");
    assert_string_equal(tpdu.text, "Maxxi Alice 100 ATTIVATA FINO AL 19/04/2009");
}

static void submit_of_a_nokia_is_read(void **state)
{
    (void)state;
    struct tpdu tpdu =
        decoded("0011000B916407281553F80000AA0AE8329BFD4697D9EC37", TPDU_FROM_MOBILE);

    assert_int_equal(tpdu.kind, TPDU_SUBMIT);
    assert_string_equal(tpdu.smsc, "");
    assert_string_equal(tpdu.address, "+46708251358");
    assert_string_equal(tpdu.text, "hellohello");
    assert_int_equal(tpdu.validity_minutes, 4 * 24 * 60);
    assert_false(tpdu.report_wanted);
}

/* As libgammu writes it. */
static void submit_of_gammu_is_read(void **state)
{
    (void)state;
    struct tpdu tpdu =
        decoded("0891683108100005f011000d91683108000000f10008ff18682195e853e367094eba"
                "0020d83dde0000208bf752305c97",
                TPDU_FROM_MOBILE);

    assert_string_equal(tpdu.smsc, "+8613800100500");
    assert_string_equal(tpdu.address, "+8613800000001");
    assert_string_equal(tpdu.text, "校门口有人 😀 请到岗");
    assert_int_equal(tpdu.coding, TPDU_UCS2);
    assert_int_equal(tpdu.validity_minutes, 63 * 7 * 24 * 60);
}

static void report_is_read(void **state)
{
    (void)state;
    struct tpdu tpdu = decoded("07914306073011F006270B913426565711F7012081111345400120811174054043",
                               TPDU_FROM_NETWORK);

    assert_int_equal(tpdu.kind, TPDU_REPORT);
    assert_string_equal(tpdu.smsc, "+34607003110");
    assert_int_equal(tpdu.mr, 0x27);
    assert_string_equal(tpdu.address, "+43626575117");
    assert_int_equal(tpdu.sent_ms, utc(2010, 2, 18, 11, 31, 54) - 4 * QUARTER_MS);
    assert_int_equal(tpdu.done_ms, utc(2010, 2, 18, 11, 47, 50) - 4 * QUARTER_MS);
    assert_int_equal(tpdu.status, 0x43);
}

static void submit_is_written_as_by_hand(void **state)
{
    (void)state;
    struct tpdu tpdu = {.kind = TPDU_SUBMIT,
                        .address = "+46708251358",
                        .validity_minutes = 5760,
                        .coding = TPDU_GSM7,
                        .text = "hellohello"};

    encodes_to(&tpdu, "0011000b916407281553f80000aa0ae8329bfd4697d9ec37", 23);
    tpdu = (struct tpdu){.kind = TPDU_SUBMIT,
                         .smsc = "+8613800100500",
                         .address = "10086",
                         .mr = 7,
                         .report_wanted = true,
                         .coding = TPDU_UCS2,
                         .text = "到岗",
                         .concat = {.present = true, .ref = 0x5a, .total = 2, .part = 1}};
    encodes_to(&tpdu,
               "0891683108100005f0"
               "6107"
               "05810180f6"
               "0008"
               "0a"
               "0500035a0201"
               "52305c97",
               20);
    tpdu = (struct tpdu){.kind = TPDU_SUBMIT, .address = "*121#", .coding = TPDU_GSM7, .text = ""};
    encodes_to(&tpdu,
               "00"
               "0100"
               "05811a12fb"
               "0000"
               "00",
               11 - 1);
}

static void deliver_and_report_are_written_as_by_hand(void **state)
{
    (void)state;
    int64_t sent_ms = caltime_to_ms(2026, 9, 1, 7, 20) + 5000;
    struct tpdu tpdu = {.kind = TPDU_DELIVER,
                        .address = "+8613800000001",
                        .sent_ms = sent_ms,
                        .coding = TPDU_UCS2,
                        .text = "到岗"};

    encodes_to(&tpdu,
               "00"
               "04"
               "0d91683108000000f1"
               "0008"
               "62901070025023"
               "04"
               "52305c97",
               24);
    tpdu = (struct tpdu){.kind = TPDU_REPORT,
                         .address = "+8613800000001",
                         .mr = 255,
                         .sent_ms = sent_ms,
                         .done_ms = sent_ms + 3000,
                         .status = 0x46};
    encodes_to(&tpdu,
               "00"
               "06"
               "ff"
               "0d91683108000000f1"
               "62901070025023"
               "62901070028023"
               "46",
               26);
}

static void stamps_of_other_zones_become_utc(void **state)
{
    (void)state;
    /* the same moment in Beijing (+8), New York (-4) and Kathmandu (+5:45) */
    static const char *const stamps[] = {"62901070025023", "62801391025069", "62901050505032"};
    char hex[128];

    for (size_t i = 0; i < 3; i++) {
        snprintf(hex, sizeof hex, "00040d91683108000000f10008%s0252305c97", stamps[i]);
        int64_t got = decoded(hex, TPDU_FROM_NETWORK).sent_ms;
        assert_int_equal(got, i == 2 ? utc(2026, 8, 31, 23, 20, 5)
                                     : caltime_to_ms(2026, 9, 1, 7, 20) + 5000);
    }
    assert_int_equal(
        decoded("00040d91683108000000f10008629f10700250230252305c97", TPDU_FROM_NETWORK).sent_ms,
        0);
    assert_int_equal(
        decoded("00040d91683108000000f10008620010700250230252305c97", TPDU_FROM_NETWORK).sent_ms,
        0);
}

static void headers_say_which_part(void **state)
{
    (void)state;
    struct tpdu tpdu = decoded(deliver("44", "08", "0a050003ff030252305c97"), TPDU_FROM_NETWORK);

    assert_true(tpdu.concat.present);
    assert_false(tpdu.concat.wide);
    assert_int_equal(tpdu.concat.ref, 255);
    assert_int_equal(tpdu.concat.total, 3);
    assert_int_equal(tpdu.concat.part, 2);
    assert_string_equal(tpdu.text, "到岗");
    tpdu = decoded(deliver("44", "08", "0b0608041234ff0152305c97"), TPDU_FROM_NETWORK);
    assert_true(tpdu.concat.wide);
    assert_int_equal(tpdu.concat.ref, 0x1234);
    assert_int_equal(tpdu.concat.total, 255);
    /* an unknown element in front of it, and of two elements the last one counts */
    tpdu = decoded(deliver("44", "08",
                           "120d"
                           "7f0199"
                           "0003010201"
                           "0003010202"
                           "52305c97"),
                   TPDU_FROM_NETWORK);
    assert_int_equal(tpdu.concat.part, 2);
}

static void impossible_parts_stand_alone(void **state)
{
    (void)state;
    static const char *const headers[] = {"0a0500030503"
                                          "0052305c97", /* part 0 */
                                          "0a0500030503"
                                          "0452305c97", /* 4 of 3 */
                                          "0a0500030500"
                                          "0152305c97", /* 1 of 0 */
                                          "0a0500020503"
                                          "0152305c97" /* cut element */};

    for (size_t i = 0; i < 3; i++) {
        struct tpdu tpdu = decoded(deliver("44", "08", headers[i]), TPDU_FROM_NETWORK);
        assert_false(tpdu.concat.present);
        assert_string_equal(tpdu.text, "到岗");
    }
    unreadable(deliver("44", "08", headers[3]), "an element of the user data header is cut");
}

static void codings_are_told_apart(void **state)
{
    (void)state;
    static const char hello[] = "05c8329bfd06"; /* "Hello" */
    static const char *const gsm7[] = {"00", "04", "10", "40", "0c", "80", "c8", "d0", "f1"};
    static const char *const ucs2[] = {"08", "19", "48", "e0"};
    static const char *const octets[] = {"f5", "f7", "15", "44"};

    for (size_t i = 0; i < sizeof gsm7 / sizeof gsm7[0]; i++) {
        struct tpdu tpdu = decoded(deliver("04", gsm7[i], hello), TPDU_FROM_NETWORK);
        if (i == 1) { /* 0x04 is 8-bit data */
            assert_string_equal(tpdu.unreadable, "8-bit data");
            continue;
        }
        assert_string_equal(tpdu.text, "Hello");
    }
    for (size_t i = 0; i < sizeof ucs2 / sizeof ucs2[0]; i++)
        assert_string_equal(decoded(deliver("04", ucs2[i], "0452305c97"), TPDU_FROM_NETWORK).text,
                            "到岗");
    for (size_t i = 0; i < sizeof octets / sizeof octets[0]; i++)
        unreadable(deliver("04", octets[i], "0401020304"), "8-bit data");
    unreadable(deliver("04", "20", hello), "compressed text");
}

static void what_cannot_be_shown_says_why(void **state)
{
    (void)state;
    unreadable(deliver("04", "08", "0352305c"), "text in UCS-2 of an odd number of octets");
    unreadable(deliver("04", "08", "ff52305c97"), "user data is cut");
    unreadable(deliver("04", "08", ""), "user data is cut");
    unreadable(deliver("44", "08", "04ff005c97"), "user data header is longer than the data");
    unreadable(deliver("44", "00", "01ff"), "user data header is longer than the data");
    unreadable(deliver("44", "08", "00"), "user data header is longer than the data");
    unreadable(deliver("44", "00",
                       "0a03250101c8329bfd06"
                       "00"),
               "text in a national alphabet");
}

static void halves_of_a_character_are_remembered(void **state)
{
    (void)state;
    struct tpdu tpdu = decoded(deliver("04", "08", "06de0052305c97"), TPDU_FROM_NETWORK);

    assert_int_equal(tpdu.head_low, 0xde00);
    assert_int_equal(tpdu.tail_high, 0);
    assert_string_equal(tpdu.text, "\xef\xbf\xbd到岗");
    tpdu = decoded(deliver("04", "08",
                           "06"
                           "52305c97"
                           "d83d"),
                   TPDU_FROM_NETWORK);
    assert_int_equal(tpdu.tail_high, 0xd83d);
    assert_string_equal(tpdu.text, "到岗\xef\xbf\xbd");
    tpdu = decoded(deliver("04", "08",
                           "08"
                           "5230"
                           "d83d"
                           "0000"
                           "5c97"),
                   TPDU_FROM_NETWORK);
    assert_string_equal(tpdu.text, "到\xef\xbf\xbd岗");
    assert_int_equal(tpdu.tail_high, 0);
}

static void broken_heads_are_refused(void **state)
{
    (void)state;
    struct tpdu tpdu;
    uint8_t large[LIMIT_TPDU_BYTES + 1] = {0};

    refused("", TPDU_FROM_NETWORK, "service centre");
    refused("00", TPDU_FROM_NETWORK, "no PDU");
    refused("07916831", TPDU_FROM_NETWORK, "service centre address is cut");
    refused("0c91683108100005f0683108100004", TPDU_FROM_NETWORK, "of 12 octets");
    refused("00040d916831", TPDU_FROM_NETWORK, "sender: address is cut");
    refused("0004ff91683108000000f10008629010700250230252305c97", TPDU_FROM_NETWORK,
            "address of 255 digits");
    refused("00040d91683108000000f1000862901070", TPDU_FROM_NETWORK, "DELIVER is cut");
    refused("0006070d91683108000000f16290107002", TPDU_FROM_NETWORK, "STATUS-REPORT is cut");
    refused("0011000b916407281553f8", TPDU_FROM_MOBILE, "SUBMIT is cut");
    refused("0001000b916407281553f80000", TPDU_FROM_NETWORK, "type 1 from the network");
    refused("00040d91683108000000f1", TPDU_FROM_MOBILE, "no SUBMIT");
    refused("004", TPDU_FROM_NETWORK, "hex");
    refused("0x", TPDU_FROM_NETWORK, "hex");
    assert_int_equal(tpdu_decode(large, sizeof large, TPDU_FROM_NETWORK, &tpdu, NULL), ERR_LIMIT);
}

static void every_cut_of_a_pdu_is_refused_or_kept(void **state)
{
    (void)state;
    static const char whole[] =
        "0891683108100005f0440d91683119325476f80008621122704075230a0500030003"
        "0152305c97";
    char hex[sizeof whole];
    struct tpdu tpdu;

    for (size_t size = 0; size < sizeof whole - 1; size += 2) {
        text_copy_utf8(hex, sizeof hex, whole, size);
        int code = tpdu_decode_hex(hex, TPDU_FROM_NETWORK, &tpdu, NULL);
        assert_int_equal(code, size < 56 ? ERR_INVALID : ERR_OK);
        if (size >= 56)
            assert_string_equal(tpdu.unreadable, "user data is cut");
    }
    assert_string_equal(decoded(whole, TPDU_FROM_NETWORK).text, "到岗");
}

static void validity_is_rounded_up(void **state)
{
    (void)state;
    static const int minutes[][2] = {{1, 5},         {5, 5},          {6, 10},      {720, 720},
                                     {721, 750},     {1440, 1440},    {1441, 2880}, {43200, 43200},
                                     {43201, 50400}, {900000, 635040}};

    for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
        struct tpdu tpdu = {.kind = TPDU_SUBMIT,
                            .address = "10086",
                            .coding = TPDU_GSM7,
                            .validity_minutes = minutes[i][0],
                            .text = "x"};
        struct tpdu back;
        uint8_t bytes[LIMIT_TPDU_BYTES];
        size_t size = 0;
        size_t length = 0;

        assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_OK);
        assert_int_equal(tpdu_decode(bytes, size, TPDU_FROM_MOBILE, &back, NULL), ERR_OK);
        assert_int_equal(back.validity_minutes, minutes[i][1]);
    }
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {"", "+", "12x", "123456789012345678901"};
    uint8_t bytes[LIMIT_TPDU_BYTES];
    size_t size = 99;
    size_t length = 99;
    struct tpdu tpdu = {.kind = TPDU_SUBMIT, .coding = TPDU_GSM7, .text = "x"};

    for (size_t i = 0; i < 4; i++) {
        text_copy(tpdu.address, sizeof tpdu.address, addresses[i]);
        assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_INVALID);
    }
    text_copy(tpdu.address, sizeof tpdu.address, "10086");
    tpdu.alphanumeric = true;
    text_copy(tpdu.address, sizeof tpdu.address, "中国移动");
    assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_INVALID);
    tpdu.alphanumeric = false;
    text_copy(tpdu.address, sizeof tpdu.address, "10086");
    text_copy(tpdu.text, sizeof tpdu.text, "到岗");
    assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_LIMIT);
    tpdu.coding = TPDU_UCS2;
    memset(tpdu.text, 'a', 71);
    tpdu.text[71] = '\0';
    assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_LIMIT);
    tpdu.text[70] = '\0';
    tpdu.concat = (struct tpdu_concat){.present = true, .total = 3, .part = 4};
    assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_INVALID);
    assert_int_equal(size, 99);
    assert_int_equal(tpdu_coding_for("abc {€}"), TPDU_GSM7);
    assert_int_equal(tpdu_coding_for("abc `"), TPDU_UCS2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gsm7_has_every_character_once),
        cmocka_unit_test(gsm7_shows_unknown_escapes_as_the_standard_says),
        cmocka_unit_test(gsm7_packs_hellohello),
        cmocka_unit_test(deliver_of_a_nokia_is_read),
        cmocka_unit_test(deliver_from_a_name_is_read),
        cmocka_unit_test(submit_of_a_nokia_is_read),
        cmocka_unit_test(submit_of_gammu_is_read),
        cmocka_unit_test(report_is_read),
        cmocka_unit_test(submit_is_written_as_by_hand),
        cmocka_unit_test(deliver_and_report_are_written_as_by_hand),
        cmocka_unit_test(stamps_of_other_zones_become_utc),
        cmocka_unit_test(headers_say_which_part),
        cmocka_unit_test(impossible_parts_stand_alone),
        cmocka_unit_test(codings_are_told_apart),
        cmocka_unit_test(what_cannot_be_shown_says_why),
        cmocka_unit_test(halves_of_a_character_are_remembered),
        cmocka_unit_test(broken_heads_are_refused),
        cmocka_unit_test(every_cut_of_a_pdu_is_refused_or_kept),
        cmocka_unit_test(validity_is_rounded_up),
        cmocka_unit_test(what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
