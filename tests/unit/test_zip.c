#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/zip.h"

static void there_and_back(void **state)
{
    (void)state;
    struct buf packed, clear;
    buf_init(&packed, 65536);
    buf_init(&clear, 65536);
    char text[20000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23);
    assert_int_equal(zip_pack(text, sizeof text, ZIP_LEVEL_FAST, &packed, NULL), ERR_OK);
    assert_true(packed.size < sizeof text);
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, NULL), ERR_OK);
    assert_int_equal(clear.size, sizeof text);
    assert_memory_equal(clear.bytes, text, sizeof text);
    buf_free(&packed);
    buf_free(&clear);
}

static void bombs_are_refused(void **state)
{
    (void)state;
    struct buf packed, clear;
    buf_init(&packed, 65536);
    size_t size = 4 << 20;
    char *zeros = calloc(1, size);
    assert_int_equal(zip_pack(zeros, size, ZIP_LEVEL_FAST, &packed, NULL), ERR_OK);
    free(zeros);
    buf_init(&clear, 65536);
    struct err err = {0};
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, &err), ERR_LIMIT);
    assert_int_equal(clear.size, 0); /* by its stated size, before a byte was unpacked */
    buf_free(&packed);
    buf_free(&clear);
}

/* RFC 8878 by hand: no content size, a window of 2^(10 + window_log_above) bytes, and blocks that
 * say "131,072 times this byte" in four bytes each. */
static void make_bomb(struct buf *out, int window_log_above, size_t blocks)
{
    const char head[] = {0x28, (char)0xb5, 0x2f, (char)0xfd, 0, (char)(window_log_above << 3)};
    buf_add(out, head, sizeof head);
    for (size_t i = 0; i < blocks; i++) {
        uint32_t header = 131072U << 3 | 1U << 1 | (i + 1 == blocks ? 1U : 0U);
        const char block[] = {(char)(header & 0xff), (char)(header >> 8 & 0xff),
                              (char)(header >> 16), 'x'};
        buf_add(out, block, sizeof block);
    }
}

static void a_bomb_that_does_not_state_its_size_is_refused_at_the_limit(void **state)
{
    (void)state;
    struct buf packed, clear;
    struct err err = {0};
    buf_init(&packed, 65536);
    buf_init(&clear, 8 << 20);
    make_bomb(&packed, 10, 8 << 3);
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, &err), ERR_OK);
    assert_int_equal(clear.size, 8 << 20);
    buf_clear(&packed);
    buf_clear(&clear);
    make_bomb(&packed, 10, (8 << 3) + 1);
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, &err), ERR_LIMIT);
    assert_true(clear.size <= 8 << 20);
    buf_free(&packed);
    buf_free(&clear);
}

static void a_frame_that_wants_a_large_window_is_refused(void **state)
{
    (void)state;
    struct buf packed, clear;
    struct err err = {0};
    buf_init(&packed, 65536);
    buf_init(&clear, 8 << 20);
    make_bomb(&packed, 13, 1);
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, &err), ERR_OK);
    buf_clear(&packed);
    buf_clear(&clear);
    make_bomb(&packed, 14, 1);
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, &err), ERR_INVALID);
    assert_int_equal(clear.size, 0);
    buf_free(&packed);
    buf_free(&clear);
}

static void damage_is_an_error(void **state)
{
    (void)state;
    struct buf packed, clear;
    buf_init(&packed, 65536);
    buf_init(&clear, 65536);
    assert_int_equal(zip_pack("guard post", 10, 3, &packed, NULL), ERR_OK);
    assert_int_equal(zip_open(packed.bytes, packed.size - 1, &clear, NULL), ERR_INVALID);
    buf_clear(&clear);
    assert_true(buf_add(&packed, "x", 1));
    assert_int_equal(zip_open(packed.bytes, packed.size, &clear, NULL), ERR_INVALID);
    buf_clear(&clear);
    assert_int_equal(zip_open("{\"p\":1}", 7, &clear, NULL), ERR_INVALID);
    buf_free(&packed);
    buf_free(&clear);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(there_and_back), cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(a_bomb_that_does_not_state_its_size_is_refused_at_the_limit),
        cmocka_unit_test(a_frame_that_wants_a_large_window_is_refused),
        cmocka_unit_test(damage_is_an_error)};
    return cmocka_run_group_tests(all, NULL, NULL);
}
