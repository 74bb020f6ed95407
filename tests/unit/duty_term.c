/* The first day of a term: volunteers are asked whether they go on; what they offered goes on too.
 */
#include "tests/unit/duty_world.h"

#include <string.h>

#include "gateway/duty/draft/draft.h"

#define FIRST_DAY "2027-03-01" /* a Monday */

/* Offers of the autumn, over by the end of January; the calendar knows nothing of the spring. */
static void set_up(struct world *w)
{
    world_sql(w, "INSERT INTO card(id, scope, kind, code, name, state, due_on) VALUES"
                 " ('term1', 'S0117', 'term', 'Q1', '春季学期', 'on', '" FIRST_DAY "')");
    world_sql(w, "UPDATE avail SET valid_to = '2027-01-31'");
    world_sql(w, "INSERT INTO bell(id, scope, school_id, weekdays, peak, at_min) VALUES"
                 " ('b', 'S0117', 'S18', 31, 'am', 470)");
}

static int planned(struct world *w, const char *person)
{
    struct draft_options options = {.station_id = "S0117",
                                    .lang = "zh-CN",
                                    .monday_ms = world_ms(FIRST_DAY, "00:00"),
                                    .now_ms = w->cells.wall_ms};
    struct draft *draft = NULL;
    struct err err = {0};
    if (draft_load(w->replica, &options, &draft, &err) != ERR_OK ||
        draft_solve(draft, &err) != ERR_OK)
        fail_msg("%s", err.text);
    replica_enter(w->replica);
    draft_store(w->replica, draft);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    draft_free(draft);
    return (int)replica_get_int(
        w->replica, -1, "SELECT count(*) FROM draft_duty WHERE person_id = ?1", "s", person);
}

static void who_goes_on_is_asked_once(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_at(w, "2027-02-21", "12:00");
    world_tick(w);
    ASSERT_SENT(w, "D1", "N5_TERM", 0);
    world_at(w, "2027-02-22", "12:00");
    world_tick(w);
    ASSERT_SENT(w, "D1", "N5_TERM", 1);
    ASSERT_SENT(w, "C8", "N5_TERM", 1);
    ASSERT_SENT(w, "O1", "N5_TERM", 0);
    assert_non_null(strstr(world_last(w, "D1", "N5_TERM"), "育才小学"));
    world_text(w, "D1", "1");
    ASSERT_SENT(w, "D1", "C2_WELCOME", 1);
    world_text(w, "D2", "2");
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'stop'"), 1);
    world_run(w, "2027-02-24", "12:00");
    ASSERT_SENT(w, "D1", "N5_TERM", 1);
    assert_int_equal(world_int(w, "SELECT answer FROM term_asked WHERE person_id = 'D1'"), 1);
    assert_int_equal(world_int(w, "SELECT answer FROM term_asked WHERE person_id = 'D2'"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM optout"), 0);
    world_text(w, "D1", "1"); /* again: nothing new */
    assert_int_equal(world_int(w, "SELECT count(*) FROM term_asked WHERE answer = '1'"), 1);
}

static void what_was_offered_goes_on(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_at(w, "2027-02-22", "12:00");
    world_tick(w);
    assert_int_equal(planned(w, "D1"), 0); /* the offer is over */
    world_text(w, "D1", "1");
    world_text(w, "D2", "2");
    assert_true(planned(w, "D1") > 0);
    assert_int_equal(planned(w, "D2"), 0);
    assert_int_equal(planned(w, "D3"), 0); /* silent */
    /* who said no and offers anew is not planned before he says yes */
    world_sql(w, "UPDATE avail SET valid_to = NULL WHERE person_id IN ('D2', 'D3')");
    assert_int_equal(planned(w, "D2"), 0);
    assert_true(planned(w, "D3") > 0);
}

/* 本学期第n次 counts from the card's day. */
static void a_term_begins_when_its_card_says(void **state)
{
    struct world *w = *state;
    set_up(w);
    world_sql(w, "UPDATE card SET due_on = '2026-09-05'");
    world_shift(w, "old", "S17-E", "2026-09-03", "am", "07:20", "08:10", 1);
    world_assign(w, "old", "V1");
    world_sql(w, "UPDATE assignment SET state = 'done'");
    world_morning(w);
    world_at(w, "2026-09-08", "07:18");
    world_text(w, "V1", "到岗");
    world_at(w, "2026-09-08", "08:12");
    world_text(w, "V1", "离岗");
    assert_non_null(strstr(world_last(w, "V1", "A10_OUT"), "本学期第1次"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_goes_on_is_asked_once),
        TEST(what_was_offered_goes_on),
        TEST(a_term_begins_when_its_card_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
