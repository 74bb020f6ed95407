/* Calls: a ring checks in, an alarm rings, and neither is ever more than a signal. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

#define STRANGER "+8610000999001"

static void alarm_at_0732(struct world *w)
{
    world_morning(w);
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "O1", "到岗");
    world_run(w, "2026-09-08", "07:32");
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms);
}

static void ring_checks_in(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-08", "07:12");
    world_ring(w, "V1");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin WHERE kind = 'in'"
                                  " AND channel = 'call' AND late_min = 0"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state = 'on_post'"), 1);
    ASSERT_SENT(w, "V1", "A8_IN", 1);
    assert_non_null(strstr(world_last(w, "V1", "A8_IN"), "07:12"));
    world_ring(w, "V1"); /* again: nothing new, nothing said */
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 1);
    ASSERT_SENT(w, "V1", "A8_IN", 1);
    ASSERT_SENT(w, "V1", "K1_NO_CALLS", 0);
}

static void ring_outside_the_window(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "06:10"); /* 70 minutes before */
    for (int i = 0; i < 5; i++)
        world_ring(w, "V1");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 0);
    ASSERT_SENT(w, "V1", "K1_NO_CALLS", 3); /* an hour */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'ring'"), 5);
    world_at(w, "2026-09-08", "08:11"); /* it is over */
    world_ring(w, "V1");
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 0);
}

static void strangers_ring_in_vain(void **state)
{
    struct world *w = *state;
    world_ring(w, STRANGER);
    assert_int_equal(world_total(w), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item"), 0);
}

static void alarm_rings_with_each_copy(void **state)
{
    struct world *w = *state;
    alarm_at_0732(w);
    assert_int_equal(world_rung(w, "O1"), 1);
    assert_int_equal(world_rung(w, "L"), 1);
    assert_int_equal(world_rung(w, "G"), 1);
    assert_int_equal(world_rung(w, "V1"), 0);
    assert_int_equal(world_rung(w, "Z"), 0);
    world_answers_call(w, "L", false); /* rang until the end */
    world_pass(w, 2);
    assert_int_equal(world_rung(w, "L"), 2);
    world_pass(w, 5); /* the fourth level is a call too, and a longer one */
    assert_int_equal(world_rung(w, "Z"), 1);
    assert_int_equal(world_int(w, "SELECT max(ring_ms) FROM rung"), 40000);
    assert_int_equal(world_int(w, "SELECT min(ring_ms) FROM rung"), 20000);
}

/* Calls that still wait for a modem: a copy to the duty room alone replaces the room's only. */
static void the_room_takes_nobodys_call(void **state)
{
    struct world *w = *state;
    alarm_at_0732(w);
    world_pass(w, 7);
    assert_int_equal(world_rung(w, "L"), 1);
    assert_int_equal(world_rung(w, "O1"), 1);
    assert_int_equal(world_rung(w, "Z"), 1);
    world_pass(w, 3);
    assert_int_equal(world_rung(w, "Z"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM rung WHERE state = 'cancelled'"
                                  " AND ring_ms = 40000"),
                     1);
    assert_int_equal(world_rung(w, "L"), 1);
    assert_int_equal(world_rung(w, "O1"), 1);
}

static void answering_takes_nothing(void **state)
{
    struct world *w = *state;
    alarm_at_0732(w);
    world_answers_call(w, "L", true);
    world_ring(w, "G"); /* rings back */
    ASSERT_SENT(w, "G", "K1_NO_CALLS", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'open'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_event WHERE what = 'heard'"), 2);
    world_pass(w, 2);
    assert_int_equal(world_rung(w, "L"), 1);   /* they have heard */
    assert_int_equal(world_rung(w, "G"), 0);   /* before he was rung himself */
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1); /* but have not taken it */
    assert_int_equal(world_rung(w, "O1"), 1);  /* the first was not made yet: replaced */
}

static void taking_it_stops_the_calls(void **state)
{
    struct world *w = *state;
    char body[64];
    alarm_at_0732(w);
    snprintf(body, sizeof body, "出警%s", world_code(w, "L", "O2_BUTTON"));
    world_text(w, "L", body);
    assert_int_equal(world_rung(w, "O1") + world_rung(w, "L") + world_rung(w, "G"), 0);
    world_pass(w, 11);
    assert_int_equal(world_rung(w, "O1") + world_rung(w, "L") + world_rung(w, "G"), 0);
}

static void calls_can_be_switched_off(void **state)
{
    struct world *w = *state;
    struct duty_policy policy = duty_policy_default();
    policy.panic_ring_s = 0;
    duty_set_policy(&w->duty, &policy);
    alarm_at_0732(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM rung"), 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ring_checks_in),
        TEST(ring_outside_the_window),
        TEST(strangers_ring_in_vain),
        TEST(alarm_rings_with_each_copy),
        TEST(the_room_takes_nobodys_call),
        TEST(answering_takes_nothing),
        TEST(taking_it_stops_the_calls),
        TEST(calls_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
