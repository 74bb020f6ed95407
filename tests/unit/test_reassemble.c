/* Which set a part joins, and what the text is: every order, gaps, late ones, references used
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/base/rnd.h"
#include "sms/reassemble.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)
#define SENT INT64_C(1788000000000)

static struct reassemble_part part(int number, const char *text)
{
    return (struct reassemble_part){.part = number, .text = text};
}

static struct reassemble_decision decide(const struct reassemble_set *sets, size_t count,
                                         struct reassemble_part incoming, int total,
                                         int64_t sent_ms, int64_t heard_ms)
{
    struct reassemble_decision decision;
    struct err err = {0};

    if (reassemble_decide(sets, count, &incoming, total, sent_ms, heard_ms, &decision, &err))
        fail_msg("%s", err.text);
    return decision;
}

static void joins_to(const struct reassemble_part *parts, size_t count, int total, const char *text)
{
    struct buf out;

    buf_init(&out, 1024);
    assert_true(reassemble_join(parts, count, total, &out));
    assert_string_equal(buf_text(&out), text);
    buf_free(&out);
}

static void the_first_part_begins_a_set(void **state)
{
    (void)state;
    struct reassemble_decision decision = decide(NULL, 0, part(2, "b"), 3, SENT, SENT);

    assert_int_equal(decision.verdict, REASSEMBLE_NEW);
    assert_int_equal(decision.generation, 1);
    assert_false(decision.complete);
    assert_true(decide(NULL, 0, part(1, "a"), 1, SENT, SENT).complete);
}

static void parts_join_in_any_order_and_the_last_completes(void **state)
{
    (void)state;
    struct reassemble_part have[] = {{.part = 3, .text = "c"}, {.part = 1, .text = "a"}};
    struct reassemble_set set = {1, SENT, SENT, have, 1};
    struct reassemble_decision decision =
        decide(&set, 1, part(1, "a"), 3, SENT + 3 * MINUTE_MS, SENT + 4 * MINUTE_MS);

    assert_int_equal(decision.verdict, REASSEMBLE_JOIN);
    assert_false(decision.complete);
    set.count = 2;
    decision = decide(&set, 1, part(2, "b"), 3, SENT + 6 * MINUTE_MS, SENT + 6 * MINUTE_MS);
    assert_int_equal(decision.verdict, REASSEMBLE_JOIN);
    assert_int_equal(decision.set, 0);
    assert_true(decision.complete);
}

static void the_same_part_twice_is_a_duplicate(void **state)
{
    (void)state;
    struct reassemble_part have[] = {{.part = 1, .text = "a"}, {.part = 2, .text = "b"}};
    struct reassemble_set set = {1, SENT, SENT, have, 2};
    struct reassemble_decision decision = decide(&set, 1, part(2, "b"), 3, SENT, SENT + MINUTE_MS);

    assert_int_equal(decision.verdict, REASSEMBLE_DUPLICATE);
    assert_false(decision.complete);
    assert_true(decide(&set, 1, part(2, "b"), 2, SENT, SENT + MINUTE_MS).complete);
    /* the network repeats it a day later, stamped as before */
    decision = decide(&set, 1, part(2, "b"), 3, SENT, SENT + 24 * HOUR_MS);
    assert_int_equal(decision.verdict, REASSEMBLE_DUPLICATE);
}

static void another_text_in_the_same_place_is_a_new_generation(void **state)
{
    (void)state;
    struct reassemble_part have[] = {{.part = 1, .text = "a"}};
    struct reassemble_set set = {4, SENT, SENT, have, 1};
    struct reassemble_decision decision =
        decide(&set, 1, part(1, "x"), 2, SENT + 1000, SENT + 1000);

    assert_int_equal(decision.verdict, REASSEMBLE_NEW);
    assert_int_equal(decision.generation, 5);
}

static void a_reference_used_again_later_is_a_new_generation(void **state)
{
    (void)state;
    struct reassemble_part have[] = {{.part = 1, .text = "a"}};
    struct reassemble_set set = {1, SENT, SENT, have, 1};
    int64_t later = SENT + HOUR_MS;

    assert_int_equal(decide(&set, 1, part(2, "b"), 2, later, later).verdict, REASSEMBLE_NEW);
    assert_int_equal(decide(&set, 1, part(1, "a"), 2, later, later).verdict, REASSEMBLE_NEW);
    /* late, but sent with the others */
    assert_int_equal(decide(&set, 1, part(2, "b"), 2, SENT, later).verdict, REASSEMBLE_JOIN);
    /* without stamps the arrival counts */
    assert_int_equal(decide(&set, 1, part(2, "b"), 2, 0, SENT + 14 * MINUTE_MS).verdict,
                     REASSEMBLE_JOIN);
    assert_int_equal(decide(&set, 1, part(2, "b"), 2, 0, later).verdict, REASSEMBLE_NEW);
}

static void a_part_joins_the_newest_set_that_can_hold_it(void **state)
{
    (void)state;
    struct reassemble_part old[] = {{.part = 1, .text = "a"}};
    struct reassemble_part new[] = {{.part = 1, .text = "A"}, {.part = 2, .text = "B"}};
    struct reassemble_set sets[] = {{2, SENT + 60000, SENT + 60000, new, 2},
                                    {1, SENT, SENT, old, 1}};
    struct reassemble_decision decision =
        decide(sets, 2, part(3, "C"), 3, SENT + 60000, SENT + 60000);

    assert_int_equal(decision.set, 0);
    assert_true(decision.complete);
    decision = decide(sets, 2, part(2, "b"), 3, SENT + 60000, SENT + 60000);
    assert_int_equal(decision.verdict, REASSEMBLE_JOIN);
    assert_int_equal(decision.set, 1);
    assert_int_equal(decide(sets, 2, part(1, "z"), 3, SENT, SENT).generation, 3);
}

static void impossible_parts_are_refused(void **state)
{
    (void)state;
    static const int numbers[][2] = {{0, 2}, {3, 2}, {-1, 2}, {1, 0}, {1, 256}};
    struct reassemble_decision decision;

    for (size_t i = 0; i < 5; i++) {
        struct reassemble_part incoming = part(numbers[i][0], "a");
        struct err err = {0};

        assert_int_equal(
            reassemble_decide(NULL, 0, &incoming, numbers[i][1], SENT, SENT, &decision, &err),
            ERR_INVALID);
        assert_non_null(strstr(err.text, "part "));
    }
    assert_int_equal(decide(NULL, 0, part(255, "a"), 255, SENT, SENT).verdict, REASSEMBLE_NEW);
    assert_int_equal(reassemble_deadline_ms(SENT), SENT + 15 * MINUTE_MS);
}

static void gaps_are_marked_once_each(void **state)
{
    (void)state;
    struct reassemble_part parts[] = {part(5, "e"), part(2, "b"), part(9, "?"), part(2, "again")};

    joins_to(parts, 4, 5, "[…]b[…]e");
    joins_to(parts, 1, 5, "[…]e");
    joins_to(parts, 2, 7, "[…]b[…]e[…]");
    joins_to(NULL, 0, 3, "[…]");
    struct buf small;
    buf_init(&small, 4);
    assert_false(reassemble_join(parts, 4, 5, &small));
    buf_free(&small);
}

static void a_character_cut_in_two_is_whole_again(void **state)
{
    (void)state;
    struct reassemble_part parts[] = {
        {.part = 1, .text = "到\xef\xbf\xbd", .tail_high = 0xd83d},
        {.part = 2, .text = "\xef\xbf\xbd岗\xef\xbf\xbd", .head_low = 0xde00, .tail_high = 0xd83d},
        {.part = 3, .text = "\xef\xbf\xbd", .head_low = 0xde01}};

    joins_to(parts, 3, 3, "到😀岗😁");
    joins_to(parts, 2, 3, "到😀岗\xef\xbf\xbd[…]");
    joins_to(parts + 1, 2, 3, "[…]\xef\xbf\xbd岗😁");
    parts[1].head_low = 0; /* not kept: nothing is guessed */
    joins_to(parts, 2, 2, "到\xef\xbf\xbd\xef\xbf\xbd岗\xef\xbf\xbd");
}

/* What an inbox keeps of one key. */
struct kept {
    struct reassemble_set sets[REASSEMBLE_SETS];
    struct reassemble_part parts[REASSEMBLE_SETS][4];
    size_t count;
};

static void take(struct kept *kept, int number, const char *text, int64_t sent_ms, int64_t heard_ms)
{
    struct reassemble_decision decision =
        decide(kept->sets, kept->count, part(number, text), 4, sent_ms, heard_ms);
    struct reassemble_set *set = &kept->sets[decision.set];

    if (decision.verdict == REASSEMBLE_DUPLICATE)
        return;
    if (decision.verdict == REASSEMBLE_NEW) {
        assert_true(kept->count < REASSEMBLE_SETS);
        set = &kept->sets[kept->count];
        *set = (struct reassemble_set){decision.generation, sent_ms, heard_ms,
                                       kept->parts[kept->count], 0};
        kept->count++;
    }
    kept->parts[set - kept->sets][set->count++] = part(number, text);
    assert_int_equal(decision.complete, set->count == 4);
}

/* One sender counts badly and uses one reference for three messages an hour apart; their parts come
 * in any order at all, each once or twice. Every message is whole, and there are no others. */
static void messages_of_one_reference_are_kept_apart(void **state)
{
    (void)state;
    static const char *const texts[3][4] = {
        {"a", "b", "c", "d"}, {"a", "b", "C", "d"}, {"1", "2", "3", "4"}};
    struct rnd rnd = rnd_seeded(11);

    for (int round = 0; round < 500; round++) {
        struct kept kept = {.count = 0};
        int order[24];

        for (int i = 0; i < 24; i++)
            order[i] = i % 12;
        for (int i = 23; i > 0; i--) {
            int other = (int)rnd_below(&rnd, (uint64_t)i + 1);
            int moved = order[i];
            order[i] = order[other];
            order[other] = moved;
        }
        for (int i = 0; i < 24; i++) {
            int which = order[i] / 4;
            int number = order[i] % 4;
            int64_t sent_ms = SENT + which * INT64_C(3600000) + number * 3 * MINUTE_MS;
            take(&kept, number + 1, texts[which][number], sent_ms, SENT + 4 * HOUR_MS + i);
        }
        assert_int_equal(kept.count, 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(kept.sets[i].count, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_part_begins_a_set),
        cmocka_unit_test(parts_join_in_any_order_and_the_last_completes),
        cmocka_unit_test(the_same_part_twice_is_a_duplicate),
        cmocka_unit_test(another_text_in_the_same_place_is_a_new_generation),
        cmocka_unit_test(a_reference_used_again_later_is_a_new_generation),
        cmocka_unit_test(a_part_joins_the_newest_set_that_can_hold_it),
        cmocka_unit_test(impossible_parts_are_refused),
        cmocka_unit_test(gaps_are_marked_once_each),
        cmocka_unit_test(messages_of_one_reference_are_kept_apart),
        cmocka_unit_test(a_character_cut_in_two_is_whole_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
