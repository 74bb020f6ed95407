/* A whole school day of 25 shifts, tick by tick, with answers from a seeded crowd, and the same day
 * with the program killed before every commit it could lose. The account at the end: every duty is
 * covered or escalated, nobody got the same text twice, nothing was put into the outbox that was
 * out of date. */
#include "tests/unit/duty_world.h"

#include <stdio.h>
#include <string.h>

enum { SHIFTS = 25, MISSES = 4 };

/* What a person of the crowd does; drawn once. */
enum habit { PUNCTUAL, LATE, DECLINES, ABSENT };

struct crowd {
    enum habit habit[SHIFTS][2];
    bool came[SHIFTS][2], out[SHIFTS][2], said[SHIFTS][2];
};

static void name_of(int shift, int seat, char ret[16])
{
    snprintf(ret, 16, "X%02d%d", shift, seat);
}

static void build(struct world *w, struct crowd *crowd)
{
    static const char *const posts[] = {"S17-E", "S17-N", "S18-M"};
    static const char *const starts[] = {"07:20", "11:40", "16:40"};
    static const char *const ends[] = {"08:10", "12:20", "17:30"};
    static const char *const peaks[] = {"am", "noon", "pm"};
    struct rnd dice = rnd_seeded(20260908);
    for (int i = 0; i < SHIFTS; i++) {
        char shift[16], person[16];
        int when = i % 3;
        snprintf(shift, sizeof shift, "t%02d", i);
        world_shift(w, shift, posts[i % 7 % 3], "2026-09-08", peaks[when], starts[when], ends[when],
                    2);
        for (int seat = 0; seat < 2; seat++) {
            name_of(i, seat, person);
            world_person(w, person, seat == 0 ? "police" : "parent", person,
                         i % 7 % 3 == 2 ? "S18" : "S17");
            world_assign(w, shift, person);
            crowd->habit[i][seat] = PUNCTUAL;
            uint64_t throw = rnd_below(&dice, 100);
            if (throw < 10)
                crowd->habit[i][seat] = LATE;
            else if (throw < 20 && seat == 1)
                crowd->habit[i][seat] = DECLINES;
        }
    }
    for (int i = 0; i < MISSES; i++) /* few a peak, so that it is no storm */
        crowd->habit[rnd_below(&dice, SHIFTS)][1] = ABSENT;
}

static const char *const start_of[] = {"07:20", "11:40", "16:40"};

static void act(struct world *w, struct crowd *crowd, int shift, int seat)
{
    char person[16];
    name_of(shift, seat, person);
    int64_t start = world_ms("2026-09-08", start_of[shift % 3]), now = w->cells.wall_ms;
    enum habit habit = crowd->habit[shift][seat];
    bool *came = &crowd->came[shift][seat], *said = &crowd->said[shift][seat];
    if (!*said && seat == 1 && now >= world_ms("2026-09-07", "19:00") + shift * 60000) {
        *said = true;
        world_text(w, person, habit == DECLINES ? "2 有事" : "1");
    }
    int64_t comes = habit == PUNCTUAL ? start - 5 * 60000 : start + 9 * 60000;
    if (!*came && (habit == PUNCTUAL || habit == LATE) && now >= comes) {
        *came = true;
        world_text(w, person, "到岗");
    }
    if (*came && !crowd->out[shift][seat] && now >= start + 52 * 60000 && shift % 2 == 0) {
        crowd->out[shift][seat] = true;
        world_text(w, person, "离岗");
    }
}

/* Whoever is offered a duty takes it, at once; who took one is there in five minutes. */
static void stand_ins(struct world *w)
{
    for (int i = 1; i <= 8; i++) {
        char id[8], body[32];
        snprintf(id, sizeof id, "C%d", i);
        if (world_count(w, id, "A4_OFFER") > world_count(w, id, "A5_TAKEN") +
                                                 world_count(w, id, "A6_LATE") +
                                                 world_count(w, id, "U1_NOT_UNDERSTOOD")) {
            snprintf(body, sizeof body, "接%s", world_code(w, id, "A4_OFFER"));
            world_text(w, id, body);
        }
        if (replica_get_int(w->replica, 0,
                            "SELECT count(*) FROM slot WHERE person_id = ?1 AND state ="
                            " 'confirmed' AND start_at <= ?2 AND answered_at <= ?3",
                            "sii", id, w->cells.wall_ms + 10 * 60000,
                            w->cells.wall_ms - 5 * 60000) > 0)
            world_text(w, id, "到岗");
    }
}

static void live_through(struct world *w, bool kills)
{
    static struct crowd crowd;
    crowd = (struct crowd){0};
    build(w, &crowd);
    world_at(w, "2026-09-07", "16:00");
    while (w->cells.wall_ms < world_ms("2026-09-08", "18:30")) {
        if (kills) {
            replica_enter(w->replica);
            duty_tick(&w->duty);
            replica_leave(w->replica, false);
            replica_commit(w->replica);
            world_restart(w);
        }
        world_tick(w);
        for (int i = 0; i < SHIFTS; i++)
            for (int seat = 0; seat < 2; seat++)
                act(w, &crowd, i, seat);
        stand_ins(w);
        bool night = w->cells.wall_ms >= world_ms("2026-09-07", "21:05") &&
                     w->cells.wall_ms < world_ms("2026-09-08", "05:30");
        w->cells.wall_ms += (night ? 30 : kills ? 2 : 1) * CALTIME_MINUTE_MS;
    }
}

static void account(struct world *w)
{
    /* every place: somebody was there, or it is a recorded gap that the leader was told of */
    assert_int_equal(
        world_int(w, "SELECT count(*) FROM slot s WHERE stands_in_for IS NULL AND state <> 'done'"
                     " AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.stands_in_for ="
                     " s.assignment_id AND a.state = 'done')"
                     " AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.assignment_id ="
                     " s.assignment_id AND g.state = 'gap')"),
        0);
    assert_int_equal(world_int(w,
                               "SELECT count(*) FROM gap g WHERE g.state = 'gap' AND NOT EXISTS"
                               " (SELECT 1 FROM sent WHERE ref_id IN (g.assignment_id, g.shift_id)"
                               " AND text_id IN ('E1_LEADER', 'E6_NOT_FOUND', 'E3_STORM'))"),
                     0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM slot WHERE state IN"
                                  " ('planned', 'asked', 'confirmed', 'swapping', 'on_post')"),
                     0);
    /* the same words to the same phone about the same thing: never (answers answer a text each) */
    assert_int_equal(world_int(w, "SELECT count(*) FROM (SELECT 1 FROM sent WHERE NOT cancelled"
                                  " AND ref_kind <> 'answer' GROUP BY phone, text, text_id, ref_id"
                                  " HAVING count(*) > 1)"),
                     0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE at >= not_after"
                                  " OR (not_before > 0 AND not_before >= not_after)"),
                     0);
    /* quiet hours: only answers, and the day's own matters */
    assert_int_equal(world_int(w, "SELECT count(*) FROM sent WHERE ref_kind <> 'answer'"
                                  " AND max(at, not_before) >= 1788786000000"
                                  " AND max(at, not_before) < 1788820200000"),
                     0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM checkin c JOIN assignment a ON a.id ="
                                  " c.assignment_id WHERE a.state NOT IN ('done')"),
                     0);
}

static void a_day(void **state)
{
    struct world *w = *state;
    live_through(w, false);
    account(w);
    print_message("%d messages, %d check-ins, %d stand-ins, %d gaps\n", world_total(w),
                  (int)world_int(w, "SELECT count(*) FROM checkin WHERE kind = 'in'"),
                  (int)world_int(w, "SELECT count(*) FROM assignment WHERE stands_in_for NOTNULL"),
                  (int)world_int(w, "SELECT count(*) FROM gap WHERE state = 'gap'"));
    assert_true(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'R1_EVE'") == SHIFTS);
    assert_true(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'E1_LEADER'") >= 1);
    assert_true(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'A5_TAKEN'") >= 1);
}

static void the_same_day_with_kills(void **state)
{
    struct world *w = *state;
    live_through(w, true);
    account(w);
    assert_true(world_int(w, "SELECT count(*) FROM sent WHERE text_id = 'R1_EVE'") == SHIFTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(a_day),
        TEST(the_same_day_with_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
