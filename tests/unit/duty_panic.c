/* Alarms: who is told, how often, until whom; and that a restart changes nothing of it. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

static void text_code(struct world *w, const char *from, const char *word, const char *code)
{
    char body[64];
    snprintf(body, sizeof body, "%s%s", word, code);
    world_text(w, from, body);
}

/* 07:32 on Tuesday: O1 and V1 on post at S17-E. */
static void on_post(struct world *w)
{
    world_morning(w);
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "O1", "到岗");
    world_text(w, "V1", "到岗");
    world_run(w, "2026-09-08", "07:32");
}

static void button_tells_post_leader_and_senior(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "O1", "O2_BUTTON", 1);
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
    ASSERT_SENT(w, "G", "O2_BUTTON", 1);
    ASSERT_SENT(w, "Z", "O2_BUTTON", 0);
    ASSERT_SENT(w, "V1", "O2_BUTTON", 0);
    ASSERT_SENT(w, "O3", "O2_BUTTON", 0);
    assert_int_equal(world_int(w, "SELECT max(prio) FROM sent WHERE text_id = 'O2_BUTTON'"), 0);
    world_pass(w, 1);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 0);
    world_pass(w, 1);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1);
    assert_non_null(strstr(world_last(w, "L", "O2_BUTTON_AGAIN"), "第2次"));
    world_pass(w, 2);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 2);
    ASSERT_SENT(w, "Z", "", 0);
    world_pass(w, 3);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 3);
    assert_non_null(strstr(world_last(w, "L", "O2_BUTTON_AGAIN"), "第4次"));
    ASSERT_SENT(w, "Z", "O2_BUTTON", 1);
    world_pass(w, 3);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 3); /* now the duty room only */
    ASSERT_SENT(w, "Z", "O2_BUTTON_AGAIN", 1);
    world_pass(w, 60);
    ASSERT_SENT(w, "Z", "O2_BUTTON_AGAIN", 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'open'"), 1);
    assert_int_equal(world_int(w, "SELECT level FROM alarm"), 4);
}

static void acked_between_the_repeats(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_text(w, "O1", "报警");
    ASSERT_SENT(w, "O1", "O1_RECEIVED", 1);
    ASSERT_SENT(w, "O1", "O2_PANIC", 0);
    ASSERT_SENT(w, "L", "O2_PANIC", 1);
    assert_non_null(strstr(world_last(w, "L", "O2_PANIC"), "东门"));
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "O2_PANIC"));
    world_text(w, "L", "收到"); /* read, not taken */
    world_pass(w, 3);
    ASSERT_SENT(w, "L", "O2_PANIC_AGAIN", 1);
    text_code(w, "G", "出警", code);
    ASSERT_SENT(w, "G", "O2_YOURS", 1);
    ASSERT_SENT(w, "L", "O2_TAKEN", 1);
    ASSERT_SENT(w, "O1", "O2_COMING", 1);
    text_code(w, "L", "出警", code); /* too late: hears who goes */
    ASSERT_SENT(w, "L", "O2_YOURS", 0);
    ASSERT_SENT(w, "L", "O2_TAKEN", 2);
    world_pass(w, 9);
    ASSERT_SENT(w, "L", "O2_PANIC_AGAIN", 1);
    ASSERT_SENT(w, "Z", "", 0);
    text_code(w, "O1", "解除", code);
    ASSERT_SENT(w, "L", "O2_CLEAR", 1);
    ASSERT_SENT(w, "G", "O2_CLEAR", 1);
    ASSERT_SENT(w, "O1", "O2_CLEAR", 1);
    int total = world_total(w);
    world_pass(w, 26); /* to the end of the duty */
    assert_int_equal(world_total(w), total);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'resolved'"), 1);
}

static void taken_but_not_over(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_text(w, "L", "出警"); /* bare: the newest */
    ASSERT_SENT(w, "L", "O2_YOURS", 1);
    world_pass(w, 9);
    ASSERT_SENT(w, "L", "O2_YOURS", 1);
    world_pass(w, 1);
    ASSERT_SENT(w, "L", "O2_YOURS", 2);
    ASSERT_SENT(w, "G", "O2_TAKEN", 2); /* when it was taken, and now */
    world_pass(w, 25);
    ASSERT_SENT(w, "L", "O2_YOURS", 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'acked'"), 1);
}

static void only_who_got_the_code_may_end_it(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "O2_BUTTON"));
    text_code(w, "O3", "解除", code);
    ASSERT_SENT(w, "O3", "L4_NO_CODE", 1);
    text_code(w, "V1", "解除", code);
    text_code(w, "+8610000999999", "解除", code);
    world_text(w, "L", "解除"); /* without the code: listed, not ended */
    ASSERT_SENT(w, "L", "L3_ALARMS", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'open'"), 1);
    text_code(w, "L", "解除", code);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'resolved'"), 1);
}

static void second_press_is_the_same_alarm(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_text(w, "O1", "SOS"); /* the officer at the same post */
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 1);
    assert_int_equal(world_int(w, "SELECT count FROM alarm"), 3);
    ASSERT_SENT(w, "L", "", 1);
    ASSERT_SENT(w, "O1", "O1_RECEIVED", 1);
    world_event(w, "SOS18", "sos", NULL, 0); /* another place */
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 2);
    ASSERT_SENT(w, "L", "O2_BUTTON", 2);
    assert_string_not_equal("", world_code(w, "L", "O2_BUTTON"));
    assert_int_equal(world_int(w, "SELECT count(DISTINCT code) FROM alarm"), 2);
}

static void pressed_again_after_the_last_step(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_pass(w, 40);
    int leader = world_count(w, "L", "");
    world_event(w, "SOS17", "sos", NULL, 0);
    assert_int_equal(world_count(w, "L", ""), leader + 1);
    world_pass(w, 2);
    assert_int_equal(world_count(w, "L", ""), leader + 2);
}

/* Killed at every minute: the turn is lost, the program starts again, nothing is doubled or lost.
 */
static void killed_between(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    for (int i = 0; i < 12; i++) {
        w->cells.wall_ms += CALTIME_MINUTE_MS;
        replica_enter(w->replica);
        duty_tick(&w->duty);
        replica_leave(w->replica, false);
        assert_true(replica_commit(w->replica));
        world_restart(w);
        world_tick(w);
        world_restart(w);
        world_tick(w);
    }
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 3);
    ASSERT_SENT(w, "Z", "O2_BUTTON", 1);
    ASSERT_SENT(w, "Z", "O2_BUTTON_AGAIN", 1);
}

static void clock_jumps_over_the_steps(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    w->cells.wall_ms += 30 * CALTIME_MINUTE_MS;
    world_tick(w);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1); /* one copy, not three at once */
    ASSERT_SENT(w, "Z", "O2_BUTTON", 1);
}

static void old_press(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms - 31 * CALTIME_MINUTE_MS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'alarm'"), 1);
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms - 20 * CALTIME_MINUTE_MS);
    assert_non_null(strstr(world_last(w, "L", "O2_BUTTON"), "07:12")); /* names its own time */
}

static void at_night_the_next_shift_is_told(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_run(w, "2026-09-07", "22:30");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "O1", "O2_BUTTON", 1);
    assert_int_equal(world_int(w, "SELECT max(not_before) FROM sent WHERE text_id = 'O2_BUTTON'"),
                     0);
}

static void fire_goes_the_same_way(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "07:30");
    world_event(w, "FT17", "fire", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "O1", "O2_FIRE", 1);
    ASSERT_SENT(w, "L", "O2_FIRE", 1);
    world_run(w, "2026-09-08", "07:32");
    ASSERT_SENT(w, "O1", "O2_FIRE_AGAIN", 1);
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms); /* another alarm, not the same */
    ASSERT_SENT(w, "O1", "O2_BUTTON", 1);
}

static void intruder_at_night(void **state)
{
    struct world *w = *state;
    world_morning(w);
    world_at(w, "2026-09-08", "02:30");
    world_event(w, "FT17", "intrusion", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "L", "O2_INTRUDER", 1);
    world_at(w, "2026-09-08", "07:30"); /* everybody goes in */
    world_event(w, "FT17", "intrusion", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "L", "O2_INTRUDER", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE kind = 'intrusion'"), 1);
}

static void tamper_is_for_the_desk(void **state)
{
    struct world *w = *state;
    world_morning(w);
    int total = world_total(w);
    world_event(w, "FT17", "tamper", NULL, w->cells.wall_ms);
    assert_int_equal(world_total(w), total);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'event'"), 1);
}

static void unknown_button_reaches_the_leader(void **state)
{
    struct world *w = *state;
    world_event(w, "SOS99", "sos", NULL, 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
    world_event(w, "SOS99", "sos", NULL, 0);
    assert_int_equal(world_int(w, "SELECT count FROM alarm"), 2);
}

static void nobody_but_the_room(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM sent");
    world_sql(w, "UPDATE person SET active = 0 WHERE id IN ('L', 'G')");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "Z", "O2_BUTTON", 1);
}

static void nobody_on_the_roster(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM duty_lead");
    world_sql(w, "DELETE FROM sponsor");
    world_text(w, "O3", "报警"); /* no shift anywhere: whoever of the station can come */
    ASSERT_SENT(w, "Z", "O2_PANIC", 1);
    ASSERT_SENT(w, "G", "O2_PANIC", 1);
    ASSERT_SENT(w, "V1", "O2_PANIC", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'O2_PANIC'"), 5);
    ASSERT_SENT(w, "O3", "O1_RECEIVED", 1);
    world_pass(w, 2);
    ASSERT_SENT(w, "Z", "O2_PANIC_AGAIN", 1);
}

/* The leader stands on post himself, is the school's senior officer too, and is in trouble. */
static void the_leader_himself(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE sponsor SET senior_id = 'L'");
    world_shift(w, "am", "S17-E", "2026-09-08", "am", "07:20", "08:10", 1);
    world_assign(w, "am", "L");
    world_run(w, "2026-09-08", "07:15");
    world_text(w, "L", "到岗");
    world_text(w, "L", "报警");
    ASSERT_SENT(w, "L", "O2_PANIC", 0);
    ASSERT_SENT(w, "Z", "O2_PANIC", 1); /* not after seven minutes: nobody else is there */
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "Z", "O2_PANIC"));
    text_code(w, "Z", "出警", code);
    ASSERT_SENT(w, "L", "O2_COMING", 1);
}

static void nobody_at_all(void **state)
{
    struct world *w = *state;
    world_sql(w, "UPDATE person SET active = 0 WHERE id <> 'O3'");
    world_text(w, "O3", "报警");
    ASSERT_SENT(w, "O3", "O1_ALONE", 1);
    world_sql(w, "UPDATE person SET active = 1 WHERE id = 'L'"); /* the county sends its people */
    world_pass(w, 2);
    ASSERT_SENT(w, "L", "O2_PANIC", 1);
}

static void a_watch_over_midnight(void **state)
{
    struct world *w = *state;
    world_sql(w, "DELETE FROM duty_lead WHERE id = 'l2'");
    world_sql(w, "INSERT INTO duty_lead(id, scope, org_id, date, from_min, to_min, person_id,"
                 " level) VALUES ('night', 'S0117', 'S0117', '2026-09-07', 1080, 480, 'L', 2)");
    world_event(w, "SOS17", "sos", NULL, 0); /* 12:00 on the 7th: not yet */
    ASSERT_SENT(w, "L", "", 0);
    world_sql(w, "DELETE FROM alarm_run"); /* its steps would tell the leader of the night */
    world_at(w, "2026-09-07", "23:00");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
    world_at(w, "2026-09-08", "05:00");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 2);
    world_at(w, "2026-09-08", "23:00");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 2);
}

/* Nobody closed yesterday's alarm: today's is one of its own. */
static void an_old_alarm_swallows_nothing(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_event(w, "SOS17", "sos", NULL, 0);
    world_text(w, "G", "出警");
    world_pass(w, 5);
    world_event(w, "SOS17", "sos", NULL, 0); /* while he is on the way */
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 1);
    world_pass(w, 10);
    world_event(w, "SOS17", "sos", NULL, 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 2);
    ASSERT_SENT(w, "L", "O2_BUTTON", 2);
    world_run(w, "2026-09-09", "07:32");
    world_event(w, "SOS17", "sos", NULL, 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 3);
    ASSERT_SENT(w, "L", "O2_BUTTON", 3);
}

static void a_kept_copy_is_no_press(void **state)
{
    struct world *w = *state;
    struct duty_event event = {
        .id = "SOS17:kept", .device_id = "SOS17", .kind = "sos", .heard_at_ms = w->cells.wall_ms};
    replica_enter(w->replica);
    duty_on_event(&w->duty, &event);
    event.id = "SOS17:kept2"; /* the next connection */
    duty_on_event(&w->duty, &event);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'alarm'"), 1);
}

/* The event's row stands and the broker has its PUBACK: the alarm must come all the same. */
static void the_handler_fails(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_sql(w,
              "CREATE TRIGGER boom BEFORE INSERT ON alarm BEGIN SELECT RAISE(ABORT, 'boom'); END");
    world_event(w, "SOS17", "sos", NULL, 0);
    ASSERT_SENT(w, "L", "", 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'alarm'"
                                  " AND state = 'open'"),
                     1);
    world_sql(w, "DROP TRIGGER boom");
    w->cells.wall_ms += 1000;
    world_restart(w);
    world_tick(w);
    ASSERT_SENT(w, "L", "O2_BUTTON", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM duty_again"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'alarm'"
                                  " AND state = 'open'"),
                     1); /* the alarm's own */
}

static void volunteer_calls(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_text(w, "V1", "救命");
    ASSERT_SENT(w, "V1", "O3_CALL", 1);
    assert_non_null(strstr(world_last(w, "V1", "O3_CALL"), "12110482"));
    ASSERT_SENT(w, "L", "O3_TO_LEADER", 1);
    ASSERT_SENT(w, "O1", "O3_TO_LEADER", 0);
    ASSERT_SENT(w, "G", "", 0);
    world_pass(w, 4);
    ASSERT_SENT(w, "L", "O3_TO_LEADER", 3);
    ASSERT_SENT(w, "G", "O3_TO_LEADER", 1);
    text_code(w, "L", "出警", world_code(w, "L", "O3_TO_LEADER"));
    ASSERT_SENT(w, "V1", "O2_COMING", 0); /* she has no code to end it with */
    world_text(w, "V2", "救命");          /* not on post */
    ASSERT_SENT(w, "V2", "O3B_STRANGER", 1);
    world_text(w, "+8610000999999", "报警");
    ASSERT_SENT(w, "+8610000999999", "O3B_STRANGER", 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 1);
}

static void a_question_is_no_panic(void **state)
{
    struct world *w = *state;
    on_post(w);
    world_text(w, "O1", "报警？");
    world_text(w, "O1", "紧急会议");
    world_text(w, "O1", "报警器坏了");
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM desk_item WHERE kind = 'text'"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM issue"), 1); /* the alarm that is broken */
}

/* Five places press within a minute: every first word goes at once, of the rest each telephone gets
 * six texts and then one for all, which says how things stand. */
static void many_alarms_become_one_text(void **state)
{
    struct world *w = *state;
    on_post(w);
    for (int i = 0; i < 5; i++) {
        char device[16];
        snprintf(device, sizeof device, "SOS9%d", i);
        world_event(w, device, "sos", NULL, w->cells.wall_ms);
    }
    ASSERT_SENT(w, "L", "O2_BUTTON", 5);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 0);
    char code[5];
    snprintf(code, sizeof code, "%s", world_code(w, "L", "O2_BUTTON"));
    world_pass(w, 2); /* the second copy of five alarms: one more text, then the bundle */
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 0);
    text_code(w, "L", "出警", code);
    ASSERT_SENT(w, "L", "O2_YOURS", 1); /* an answer is no storm */
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "L", "O2_BUTTON", 6); /* nor is another place */
    world_pass(w, 2);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 1);
    const char *bundle = world_last(w, "L", "O2_BUNDLE");
    assert_non_null(strstr(bundle, "报警6起"));
    assert_non_null(strstr(bundle, "待接手"));
    world_pass(w, 10);
    int texts = world_count(w, "L", "O2_BUTTON_AGAIN") + world_count(w, "L", "O2_BUNDLE");
    assert_in_range(texts, 3, 12);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm WHERE state = 'open'"), 5);
    world_pass(w, 30);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_later"), 0);
}

static void press(struct world *w, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        char device[16];
        snprintf(device, sizeof device, "SOS9%d", i);
        world_event(w, device, "sos", NULL, w->cells.wall_ms);
    }
}

/* Every first word waits for the modem while its newer copy is held. */
static void a_held_copy_replaces_nothing(void **state)
{
    struct world *w = *state;
    on_post(w);
    w->no_modem_since = w->cells.wall_ms;
    press(w, 0, 7);
    ASSERT_SENT(w, "L", "O2_BUTTON", 7);
    assert_int_equal(world_on_air(w, "L", "O2_BUTTON"), 7);
    world_pass(w, 2);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 0);
    ASSERT_SENT(w, "L", "O2_BUTTON", 7);
    assert_int_equal(world_on_air(w, "L", "O2_BUTTON"), 7);
    assert_int_equal(world_on_air(w, "L", "O2_BUTTON_AGAIN"), 7); /* the radio says all of it */
    world_pass(w, 30);
    ASSERT_SENT(w, "L", "O2_BUTTON", 7);
}

/* Copies to the duty room alone replace nothing of anybody else. */
static void the_room_takes_nobodys_copy(void **state)
{
    struct world *w = *state;
    on_post(w);
    w->no_modem_since = w->cells.wall_ms;
    press(w, 0, 1);
    world_pass(w, 7);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1);
    world_pass(w, 3);
    ASSERT_SENT(w, "Z", "O2_BUTTON_AGAIN", 1);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 1);
}

/* Whose newer copy goes loses the older one, also when somebody else's is held. */
static void each_telephone_has_its_newest(void **state)
{
    struct world *w = *state;
    on_post(w);
    w->no_modem_since = w->cells.wall_ms;
    press(w, 0, 6);
    world_event(w, "SOS17", "sos", NULL, w->cells.wall_ms);
    ASSERT_SENT(w, "L", "O2_BUTTON", 7);
    ASSERT_SENT(w, "O1", "O2_BUTTON", 1);
    world_pass(w, 2);
    ASSERT_SENT(w, "L", "O2_BUTTON", 7);
    ASSERT_SENT(w, "L", "O2_BUTTON_AGAIN", 0);
    ASSERT_SENT(w, "O1", "O2_BUTTON", 0);
    ASSERT_SENT(w, "O1", "O2_BUTTON_AGAIN", 1);
}

/* How many different alarms L's bundles show. */
static int64_t shown(struct world *w)
{
    return world_int(w, "SELECT count(*) FROM alarm a WHERE EXISTS (SELECT 1 FROM sent s"
                        " WHERE s.text_id = 'O2_BUNDLE' AND NOT s.cancelled AND instr(s.text,"
                        " a.code || ' ') AND s.phone = (SELECT phone FROM person WHERE id = 'L'))");
}

static void a_bundle_shows_what_it_ends(void **state)
{
    struct world *w = *state;
    on_post(w);
    press(w, 0, 8);
    world_pass(w, 4);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 1);
    const char *bundle = world_last(w, "L", "O2_BUNDLE");
    char oldest[8] = "";
    replica_get_text(w->replica, oldest, sizeof oldest,
                     "SELECT code FROM alarm ORDER BY raised_at, id LIMIT 1", "");
    assert_non_null(strstr(bundle, oldest));
    assert_null(strstr(bundle, "…"));
    assert_in_range(shown(w), 2, 4);
    world_pass(w, 3);
    assert_int_equal(shown(w), 8);
    world_pass(w, 30);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_later"), 0);
}

static void a_bundle_replaces_the_one_unsent(void **state)
{
    struct world *w = *state;
    on_post(w);
    press(w, 0, 8);
    w->no_modem_since = w->cells.wall_ms + 1;
    world_pass(w, 4);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 1);
    char code[8] = "", body[64];
    replica_get_text(w->replica, code, sizeof code,
                     "SELECT code FROM alarm ORDER BY raised_at, id LIMIT 1", "");
    snprintf(body, sizeof body, "%s 待接手", code);
    assert_non_null(strstr(world_last(w, "L", "O2_BUNDLE"), code));
    text_code(w, "L", "出警", code);
    world_pass(w, 6);
    ASSERT_SENT(w, "L", "O2_BUNDLE", 1);
    assert_null(strstr(world_last(w, "L", "O2_BUNDLE"), body));
    w->no_modem_since = 0; /* it goes, and so does the rest */
    world_pass(w, 15);
    assert_int_equal(shown(w), 8);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_later"), 0);
}

/* No news comes, and the modem is away for longer than a bundle is of use. */
static void a_bundle_that_ran_out_is_said_again(void **state)
{
    struct world *w = *state;
    on_post(w);
    press(w, 0, 3); /* one bundle holds them */
    world_pass(w, 3);
    w->no_modem_since = w->cells.wall_ms;
    world_pass(w, 40); /* all steps are over */
    int64_t said = world_int(w, "SELECT max(at) FROM sent WHERE text_id = 'O2_BUNDLE'");
    assert_true(said < w->cells.wall_ms - 10 * CALTIME_MINUTE_MS);
    char code[8] = "";
    replica_get_text(w->replica, code, sizeof code,
                     "SELECT code FROM alarm ORDER BY raised_at, id LIMIT 1", "");
    text_code(w, "L", "解除", code);
    world_pass(w, 60);
    assert_true(world_int(w, "SELECT max(at) FROM sent WHERE text_id = 'O2_BUNDLE'"
                             " AND NOT cancelled") > said);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'O2_BUNDLE'"
                                  " AND NOT cancelled AND not_after < at + 3600000"),
                     0);
    w->no_modem_since = 0;
    world_pass(w, 65); /* it has gone */
    assert_int_equal(shown(w), 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_later"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM alarm_bundle"), 0);
    int texts = world_count(w, "L", "O2_BUNDLE");
    world_pass(w, 120);
    ASSERT_SENT(w, "L", "O2_BUNDLE", texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(button_tells_post_leader_and_senior),
        TEST(acked_between_the_repeats),
        TEST(taken_but_not_over),
        TEST(only_who_got_the_code_may_end_it),
        TEST(second_press_is_the_same_alarm),
        TEST(pressed_again_after_the_last_step),
        TEST(killed_between),
        TEST(clock_jumps_over_the_steps),
        TEST(old_press),
        TEST(at_night_the_next_shift_is_told),
        TEST(fire_goes_the_same_way),
        TEST(intruder_at_night),
        TEST(tamper_is_for_the_desk),
        TEST(unknown_button_reaches_the_leader),
        TEST(nobody_but_the_room),
        TEST(nobody_on_the_roster),
        TEST(the_leader_himself),
        TEST(nobody_at_all),
        TEST(a_watch_over_midnight),
        TEST(an_old_alarm_swallows_nothing),
        TEST(a_kept_copy_is_no_press),
        TEST(the_handler_fails),
        TEST(volunteer_calls),
        TEST(a_question_is_no_panic),
        TEST(many_alarms_become_one_text),
        TEST(a_held_copy_replaces_nothing),
        TEST(the_room_takes_nobodys_copy),
        TEST(each_telephone_has_its_newest),
        TEST(a_bundle_shows_what_it_ends),
        TEST(a_bundle_replaces_the_one_unsent),
        TEST(a_bundle_that_ran_out_is_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
