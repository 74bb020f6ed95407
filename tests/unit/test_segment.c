/* Cutting texts and putting them together again, at the edges by hand and over random texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/base/rnd.h"
#include "gateway/base/text.h"
#include "sms/reassemble.h"
#include "sms/segment.h"

static const char *repeated(const char *text, int count)
{
    static struct buf buf;

    buf_free(&buf);
    buf_init(&buf, 65536);
    for (int i = 0; i < count; i++)
        buf_add_text(&buf, text);
    return buf_text(&buf);
}

static struct segments segmented(const char *text)
{
    struct segments segments;
    struct err err = {0};

    if (segment_text(text, &segments, &err))
        fail_msg("%s", err.text);
    return segments;
}

static void the_edges_of_one_part_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int times, units, parts;
        enum tpdu_coding coding;
    } cases[] = {
        {"", 0, 0, 1, TPDU_GSM7},          {"a", 160, 160, 1, TPDU_GSM7},
        {"a", 161, 161, 2, TPDU_GSM7},     {"a", 306, 306, 2, TPDU_GSM7},
        {"a", 307, 307, 3, TPDU_GSM7},     {"{", 80, 160, 1, TPDU_GSM7},
        {"{", 81, 162, 2, TPDU_GSM7},      {"岗", 70, 70, 1, TPDU_UCS2},
        {"岗", 71, 71, 2, TPDU_UCS2},      {"岗", 134, 134, 2, TPDU_UCS2},
        {"岗", 135, 135, 3, TPDU_UCS2},    {"😀", 35, 70, 1, TPDU_UCS2},
        {"😀", 36, 72, 2, TPDU_UCS2},       {"😀", 66, 132, 2, TPDU_UCS2},
        {"😀", 67, 134, 3, TPDU_UCS2},      {"`", 70, 70, 1, TPDU_UCS2},
        {"岗", 1600, 1600, 24, TPDU_UCS2},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct segments segments = segmented(repeated(cases[i].text, cases[i].times));
        assert_int_equal(segments.coding, cases[i].coding);
        assert_int_equal(segments.units, cases[i].units);
        assert_int_equal(segments.count, cases[i].parts);
    }
}

static void pairs_and_escapes_are_not_cut(void **state)
{
    (void)state;
    const char *text = repeated("😀", 40);
    struct segments segments = segmented(text);

    assert_int_equal(segments.part[0].size, 33 * 4); /* 66 of 67 units */
    text = repeated("{", 90);
    segments = segmented(text);
    assert_int_equal(segments.part[0].size, 76); /* 152 of 153 septets */
}

static void too_much_and_no_text_are_refused(void **state)
{
    (void)state;
    struct segments segments;
    struct err err = {0};

    assert_int_equal(segment_text(repeated("岗", 24 * 67), &segments, &err), ERR_OK);
    assert_int_equal(segment_text(repeated("岗", 24 * 67 + 1), &segments, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "24 parts"));
    assert_int_equal(segment_text("\xff", &segments, &err), ERR_INVALID);
}

static void add_random_text(struct rnd *rnd, struct buf *text)
{
    static const char *const bricks[] = {"a",  "Z",  "0", "@",  "{", "€",  "\n", "à", "Ω", "岗",
                                         "到", "。", "😀", "𠮷", "`", "\t", "é",  "[", "~", "…"};
    size_t kinds = rnd_below(rnd, 2) ? 9 : sizeof bricks / sizeof bricks[0];
    uint64_t count = rnd_below(rnd, rnd_below(rnd, 4) ? 200 : 780);

    for (uint64_t i = 0; i < count; i++)
        buf_add_text(text, bricks[rnd_below(rnd, kinds)]);
}

/* Through the wire and back: each part encoded as `kind`, decoded, and joined. */
static void travels(const char *text, enum tpdu_kind kind, struct buf *out)
{
    struct segments segments = segmented(text);
    struct tpdu *parts = calloc((size_t)segments.count, sizeof *parts);
    struct reassemble_part joined[LIMIT_SMS_PARTS_OUT] = {{0}};

    assert_non_null(parts);
    for (int i = 0; i < segments.count; i++) {
        struct tpdu tpdu = {.kind = kind, .address = "+8613800000001", .sent_ms = 1};
        uint8_t bytes[LIMIT_TPDU_BYTES];
        size_t size = 0;
        size_t length = 0;

        segment_fill(&segments, text, i, 7, &tpdu);
        assert_int_equal(tpdu_encode(&tpdu, bytes, &size, &length, NULL), ERR_OK);
        assert_int_equal(tpdu_decode(bytes, size,
                                     kind == TPDU_SUBMIT ? TPDU_FROM_MOBILE : TPDU_FROM_NETWORK,
                                     &parts[i], NULL),
                         ERR_OK);
        assert_string_equal(parts[i].unreadable, "");
        assert_int_equal(parts[i].concat.present, segments.count > 1);
        joined[i] = (struct reassemble_part){.part = i + 1, .text = parts[i].text};
    }
    assert_true(reassemble_join(joined, (size_t)segments.count, segments.count, out));
    free(parts);
}

static void random_texts_come_back_whole(void **state)
{
    (void)state;
    struct rnd rnd = rnd_seeded(20260901);
    struct buf text;
    struct buf back;

    buf_init(&text, 65536);
    buf_init(&back, 65536);
    for (int round = 0; round < 600; round++) {
        buf_clear(&text);
        buf_clear(&back);
        add_random_text(&rnd, &text);
        travels(buf_text(&text), round % 2 ? TPDU_SUBMIT : TPDU_DELIVER, &back);
        assert_string_equal(buf_text(&back), buf_text(&text));
    }
    buf_free(&text);
    buf_free(&back);
}

static int stop(void **state)
{
    (void)state;
    repeated("", 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_edges_of_one_part_are_exact),
        cmocka_unit_test(pairs_and_escapes_are_not_cut),
        cmocka_unit_test(too_much_and_no_text_are_refused),
        cmocka_unit_test(random_texts_come_back_whole),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
