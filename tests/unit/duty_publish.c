/* Telling people of their duties and reminding them: N1 to N3, R1 to R3. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

static void new_duty_is_told_once(void **state)
{
    struct world *w = *state;
    world_morning(w);
    ASSERT_SENT(w, "O1", "N1_NEW", 1);
    ASSERT_SENT(w, "V1", "N1_NEW", 1);
    assert_non_null(strstr(world_last(w, "V1", "N1_NEW"), "07:20"));
    world_tick(w);
    world_restart(w);
    world_tick(w);
    assert_int_equal(world_total(w), 2);
}

static void a_week_is_one_text(void **state)
{
    struct world *w = *state;
    world_shift(w, "w1", "S17-E", "2026-09-16", "am", "07:20", "08:10", 1);
    world_shift(w, "w2", "S17-E", "2026-09-18", "pm", "17:00", "17:50", 1);
    world_assign(w, "w1", "O1");
    world_assign(w, "w2", "O1");
    world_tick(w);
    ASSERT_SENT(w, "O1", "N1_WEEK", 1);
    ASSERT_SENT(w, "O1", "", 1);
    assert_non_null(strstr(world_last(w, "O1", ""), "周三07:20"));
    assert_non_null(strstr(world_last(w, "O1", ""), "周五17:00"));
}

static void drafts_are_not_told(void **state)
{
    struct world *w = *state;
    world_shift(w, "d", "S17-E", "2026-09-08", "am", "07:20", "08:10", 1);
    world_sql(w, "UPDATE shift SET state = 'draft'");
    world_assign(w, "d", "V1");
    world_run(w, "2026-09-08", "09:00");
    assert_int_equal(world_total(w), 0);
    ASSERT_STATE(w, "d.V1", "planned");
}

static void evening_and_morning_reminders(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_assign(w, "am", "V2");
    world_run(w, "2026-09-07", "17:59");
    ASSERT_SENT(w, "V1", "R1_EVE", 0);
    world_run(w, "2026-09-07", "18:00");
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
    ASSERT_SENT(w, "O1", "R1_EVE", 0); /* officers have their notice */
    ASSERT_STATE(w, "am.V1", "asked");
    world_text(w, "V1", "1");
    ASSERT_STATE(w, "am.V1", "confirmed");
    world_run(w, "2026-09-08", "06:29");
    ASSERT_SENT(w, "V1", "R2_MORNING", 0);
    world_run(w, "2026-09-08", "06:30");
    ASSERT_SENT(w, "V1", "R2_MORNING", 1);
    ASSERT_SENT(w, "V1", "R3_SILENT", 0);
    ASSERT_SENT(w, "V2", "R3_SILENT", 1);
    ASSERT_SENT(w, "O1", "R3_SILENT", 0);
    world_run(w, "2026-09-08", "06:46"); /* still silent: to be called */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'call'"
                                  " AND person_id = 'V2'"),
                     1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'call'"), 1);
}

static void early_and_late_duties_have_their_morning(void **state)
{
    struct world *w = *state;
    world_shift(w, "e", "S17-E", "2026-09-08", "am", "06:50", "07:30", 1);
    world_shift(w, "l", "S17-N", "2026-09-08", "pm", "17:00", "17:50", 1);
    world_assign(w, "e", "V1");
    world_assign(w, "l", "V2");
    world_run(w, "2026-09-08", "06:09");
    ASSERT_SENT(w, "V1", "R3_SILENT", 0);
    world_run(w, "2026-09-08", "06:10"); /* 40 minutes before, though that is before 06:30 */
    ASSERT_SENT(w, "V1", "R3_SILENT", 1);
    world_run(w, "2026-09-08", "14:59");
    ASSERT_SENT(w, "V2", "R3_SILENT", 0);
    world_run(w, "2026-09-08", "15:00");
    ASSERT_SENT(w, "V2", "R3_SILENT", 1);
}

/* The clock jumps from noon into the night: the evening's reminder is lost, not sent at midnight.
 */
static void nothing_old_is_sent_late(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-07", "23:00");
    world_tick(w);
    ASSERT_SENT(w, "V1", "R1_EVE", 0);
    world_at(w, "2026-09-08", "07:21"); /* and past the morning's too */
    world_tick(w);
    ASSERT_SENT(w, "V1", "R3_SILENT", 0);
    world_at(w, "2026-09-07", "18:30"); /* the clock goes back: once, as if nothing had been */
    world_tick(w);
    world_tick(w);
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
    world_at(w, "2026-09-07", "18:10");
    world_tick(w);
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
}

static void late_roster_is_told_by_the_reminder(void **state)
{
    struct world *w = *state;
    world_at(w, "2026-09-07", "19:00");
    world_morning(w);
    ASSERT_SENT(w, "V1", "N1_NEW", 0);
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
    ASSERT_SENT(w, "O1", "N1_NEW", 1);
    world_run(w, "2026-09-08", "06:40");
    world_shift(w, "am2", "S17-N", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am2", "V2"); /* forty minutes before: told once, not reminded too */
    world_tick(w);
    ASSERT_SENT(w, "V2", "N1_NEW", 1);
    world_run(w, "2026-09-08", "07:19");
    ASSERT_SENT(w, "V2", "", 1);
}

static void changed_after_the_reminder(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "18:30");
    world_text(w, "V1", "1");
    world_sql(w, "UPDATE shift SET start_at = start_at - 600000 WHERE id = 'am'");
    world_tick(w);
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1);
    ASSERT_SENT(w, "O1", "N2_CHANGED", 1);
    assert_non_null(strstr(world_last(w, "V1", "N2_CHANGED"), "07:10"));
    world_tick(w);
    world_run(w, "2026-09-07", "20:59");
    ASSERT_SENT(w, "V1", "R1_EVE", 1); /* not again for the new time */
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1);
    world_text(w, "V1", "2");
    ASSERT_STATE(w, "am.V1", "declined");
}

static void changes_at_night_wait_for_the_morning(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "22:00");
    world_sql(w, "UPDATE shift SET start_at = start_at + 600000 WHERE id = 'am'");
    world_tick(w);
    assert_true(world_int(w, "SELECT not_before FROM sent WHERE text_id = 'N2_CHANGED'"
                             " AND phone = (SELECT phone FROM person WHERE id = 'V1')") ==
                world_ms("2026-09-08", "06:30"));
    world_sql(w, "UPDATE shift SET start_at = start_at - 2400000 WHERE id = 'am'");
    world_tick(w); /* 06:50: the morning would be too late; the held one is replaced */
    assert_int_equal(world_int(w, "SELECT not_before FROM sent WHERE text_id = 'N2_CHANGED'"
                                  " ORDER BY seq DESC LIMIT 1"),
                     0);
    ASSERT_SENT(w, "V1", "N2_CHANGED", 1);
}

static void cancelled_duty(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "18:30");
    world_sql(w, "UPDATE shift SET state = 'cancelled' WHERE id = 'am'");
    world_tick(w);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "O1", "N3_CANCELLED", 1);
    int total = world_total(w);
    world_run(w, "2026-09-08", "10:00"); /* no reminder, no ladder */
    assert_int_equal(world_total(w), total);
    assert_int_equal(world_int(w, "SELECT count(*) FROM gap"), 0);
}

static void given_to_somebody_else(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_sql(w, "UPDATE assignment SET person_id = 'V2' WHERE id = 'am.V1'");
    world_tick(w);
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 1);
    ASSERT_SENT(w, "V2", "N1_NEW", 1);
    replica_set_applying(w->replica, true); /* only the county deletes */
    world_sql(w, "DELETE FROM assignment WHERE id = 'am.V1'");
    replica_set_applying(w->replica, false);
    world_tick(w);
    ASSERT_SENT(w, "V2", "N3_CANCELLED", 1);
}

/* Off the plan and on it again: who was told that it is cancelled hears that it is not. */
static void on_the_plan_again_is_told_again(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-E", "2026-09-09", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "O1");
    world_tick(w);
    ASSERT_SENT(w, "O1", "N1_NEW", 1);
    world_sql(w, "UPDATE assignment SET state = 'cancelled'");
    world_run(w, "2026-09-07", "12:05");
    ASSERT_SENT(w, "O1", "N3_CANCELLED", 1);
    world_sql(w, "UPDATE assignment SET state = 'planned'");
    world_run(w, "2026-09-07", "12:10");
    ASSERT_SENT(w, "O1", "N1_NEW", 2);
    world_restart(w);
    world_run(w, "2026-09-07", "12:20");
    ASSERT_SENT(w, "O1", "", 3);
}

/* The same after the evening's reminder, which does not come a second time; and of all that a
 * volunteer is told of one duty the reminders give way after four texts. */
static void four_texts_of_a_duty(void **state)
{
    struct world *w = *state;
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "V1");
    world_run(w, "2026-09-07", "18:00");
    ASSERT_SENT(w, "V1", "N1_NEW", 1);
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
    world_sql(w, "UPDATE assignment SET state = 'cancelled'");
    world_run(w, "2026-09-07", "18:30");
    ASSERT_SENT(w, "V1", "N3_CANCELLED", 1);
    world_sql(w, "UPDATE assignment SET state = 'planned'");
    world_run(w, "2026-09-07", "18:40");
    ASSERT_SENT(w, "V1", "N1_NEW", 2);
    world_run(w, "2026-09-08", "07:27");
    ASSERT_SENT(w, "V1", "", 4); /* neither R3 nor R4 */
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'call'"), 1);
    world_run(w, "2026-09-08", "07:28");
    ASSERT_SENT(w, "L", "E1_LEADER", 1); /* the leader hears as of anybody */
}

/* A handler that is taken back leaves nothing; the next tick does all of it once. */
static void taken_back_turn(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-07", "18:00");
    replica_enter(w->replica);
    duty_tick(&w->duty);
    assert_false(replica_leave(w->replica, false));
    assert_true(replica_commit(w->replica));
    ASSERT_SENT(w, "V1", "R1_EVE", 0);
    world_restart(w);
    world_tick(w);
    world_tick(w);
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
}

/* The whole turn is lost after the tick's own handler stood: what the tick remembered goes too. */
static void lost_turn(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "17:59");
    world_at(w, "2026-09-07", "18:00");
    replica_enter(w->replica);
    replica_enter(w->replica);
    duty_tick(&w->duty);
    assert_true(replica_leave(w->replica, true));
    assert_false(replica_leave(w->replica, false));
    assert_true(replica_commit(w->replica));
    ASSERT_SENT(w, "V1", "R1_EVE", 0);
    world_tick(w); /* the same struct, no restart */
    ASSERT_SENT(w, "V1", "R1_EVE", 1);
}

/* More than a slice at once: the tick asks to be called again until all are done. */
static void many_at_once(void **state)
{
    struct world *w = *state;
    world_shift(w, "big", "S17-E", "2026-09-08", "am", "07:20", "08:10", 60);
    for (int i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof id, "M%02d", i);
        world_person(w, id, "parent", id, "S17");
        world_assign(w, "big", id);
    }
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent"), DUTY_SLICE);
    world_run(w, "2026-09-07", "12:01");
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent"), 60);
    world_run(w, "2026-09-07", "18:01");
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'R1_EVE'"), 60);
}

/* A first filling brings them by the thousand: who is new is told at once all the same. */
static void the_past_holds_nobody_up(void **state)
{
    struct world *w = *state;
    world_shift(w, "a", "S17-E", "2026-03-02", "am", "07:20", "08:10", 1);
    world_sql(w, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
                 " INSERT INTO assignment(id, scope, shift_id, person_id, state)"
                 " SELECT 'a' || i, 'S0117', 'a', 'V2', 'done' FROM n");
    world_morning(w);
    ASSERT_SENT(w, "V1", "N1_NEW", 1);
    ASSERT_SENT(w, "V2", "", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM duty_touch"), 0);
}

static void without_a_phone(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE person SET phone = NULL WHERE id = 'V1'");
    world_morning(w);
    world_tick(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'call'"
                                  " AND person_id = 'V1'"),
                     1);
    world_run(w, "2026-09-08", "07:30"); /* and is missed like anybody else */
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'E1_LEADER'"), 2);
}

/* A bureau's box has the rows of its stations, and a modem by mistake: the stations tell. */
static void a_bureau_tells_nobody(void **state)
{
    struct world *w = *state;
    world_sql(w, "INSERT INTO org(id, scope, kind, name) VALUES ('B', '*', 'bureau', '县局')");
    w->duty.options.station_id = "B";
    assert_true(duty_stands_back(&w->duty));
    world_morning(w);
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "V1", "到岗");
    world_ring(w, "O1");
    world_event(w, "FT17", "check_in", "1", 0);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_run(w, "2026-09-09", "09:00");
    assert_int_equal(world_total(w), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM rung"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM duty_touch"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM assignment WHERE state <> 'planned'"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'text'"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'event'"), 1);
    assert_true(world_int(w, "SELECT count(*) FROM retention") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(new_duty_is_told_once),
        TEST(a_week_is_one_text),
        TEST(drafts_are_not_told),
        TEST(evening_and_morning_reminders),
        TEST(early_and_late_duties_have_their_morning),
        TEST(nothing_old_is_sent_late),
        TEST(late_roster_is_told_by_the_reminder),
        TEST(changed_after_the_reminder),
        TEST(changes_at_night_wait_for_the_morning),
        TEST(cancelled_duty),
        TEST(given_to_somebody_else),
        TEST(on_the_plan_again_is_told_again),
        TEST(four_texts_of_a_duty),
        TEST(taken_back_turn),
        TEST(lost_turn),
        TEST(many_at_once),
        TEST(the_past_holds_nobody_up),
        TEST(without_a_phone),
        TEST(a_bureau_tells_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
