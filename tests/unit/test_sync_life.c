/* Starts, clocks and machines: which stamp a mark is pushed with, and when a database begins a new
 * incarnation by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "sync/state.h"
#include "tests/unit/wire_fixture.h"

static void start_again(struct wire_fixture *f, const char *boot_id)
{
    text_copy(f->machine.boot_id, sizeof f->machine.boot_id, boot_id);
    fx_crash(f);
}

static int set_up(void **state)
{
    fx_set_up(state);
    struct wire_fixture *f = *state;
    f->machine = (struct machine){"boot-1", {"aa", "bb", ""}};
    fx_run(f, "DELETE FROM sync_boot");
    fx_run(f, "DELETE FROM sync_state");
    fx_crash(f);
    return 0;
}

static void write_shift(struct wire_fixture *f)
{
    fx_run(f, "INSERT INTO shift(id,scope,post_id,date,peak,need,state) VALUES (new_id(),'S1','p',"
              "'2026-09-01','am',1,'planned')");
}

static void hear_county(struct wire_fixture *f, int64_t county_ms)
{
    replica_enter(f->replica);
    assert_true(life_note_time(&f->wire, county_ms));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static void claim(struct wire_fixture *f)
{
    replica_enter(f->replica);
    assert_true(life_claim(&f->wire, 0, INT64_MAX));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

#define LAST(column) "SELECT " column " FROM sync_out ORDER BY lseq DESC LIMIT 1"

static void a_true_clock_keeps_its_stamps(void **state)
{
    struct wire_fixture *f = *state;
    write_shift(f);
    f->cells.mono_ms += 5000;
    f->cells.wall_ms += 5000;
    assert_false(life_clock_known(&f->wire));
    hear_county(f, 1700000005300);
    assert_int_equal(life_clock_quality(&f->wire), 2);
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000300);
    assert_int_equal(fx_ask(f, LAST("q")), 2);
}

static void a_clock_ten_years_ahead_is_corrected_from_the_time_since_the_start(void **state)
{
    struct wire_fixture *f = *state;
    f->cells.wall_ms = 2000000000000;
    write_shift(f);
    f->cells.mono_ms += 7000;
    f->cells.wall_ms = 90; /* somebody sets it meanwhile, wrongly again */
    hear_county(f, 1700000007000);
    assert_int_equal(life_clock_quality(&f->wire), 1);
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000000);
    assert_int_equal(fx_ask(f, LAST("q")), 1);
}

static void a_boot_that_never_heard_the_county_is_capped(void **state)
{
    struct wire_fixture *f = *state;
    hear_county(f, 1700000000000);
    f->cells = (struct clock_cells){2000000000000, 50};
    start_again(f, "boot-2");
    write_shift(f);
    f->cells = (struct clock_cells){1700009000000, 60};
    start_again(f, "boot-3");
    hear_county(f, 1700009000000);
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000050);
    assert_int_equal(fx_ask(f, LAST("q")), 0);
}

static void a_clock_that_stands_in_1970_is_no_earlier_than_what_was_told(void **state)
{
    struct wire_fixture *f = *state;
    hear_county(f, 1700000000000);
    f->cells = (struct clock_cells){5000, 50};
    start_again(f, "boot-2");
    write_shift(f);
    start_again(f, "boot-3");
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000050);
    assert_int_equal(fx_ask(f, LAST("q")), 0);
}

static void a_start_of_the_program_within_a_boot_knows_its_clock(void **state)
{
    struct wire_fixture *f = *state;
    f->cells.wall_ms = 2000000000000;
    write_shift(f);
    hear_county(f, 1700000000000);
    start_again(f, "boot-1");
    assert_true(life_clock_known(&f->wire));
    assert_int_equal(life_clock_quality(&f->wire), 1);
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000000);
}

static void a_mark_in_flight_keeps_its_stamp(void **state)
{
    struct wire_fixture *f = *state;
    write_shift(f);
    hear_county(f, 1700000000000);
    claim(f);
    hear_county(f, 1700000900000);
    claim(f);
    assert_int_equal(fx_ask(f, LAST("h")), 1700000000000);
}

/* With which stamp a copy of the disk pushes the one change, switched on now. */
static int64_t pushed_by_a_copy(struct wire_fixture *f)
{
    char boot[64];
    text_copy(boot, sizeof boot, f->machine.boot_id);
    int64_t claimed = flight_claimed(&f->wire);
    fx_run(f, "CREATE TABLE original AS SELECT * FROM sync_out");
    start_again(f, "of the copy");
    fx_build(f, 10);
    const struct json *row = fx_sent_row(f, 0, 0);
    int64_t h = json_int(row, "h1", json_int(row, "h", 0));
    fx_run(f, "DELETE FROM sync_out");
    fx_run(f, "INSERT INTO sync_out SELECT * FROM original");
    fx_run(f, "DROP TABLE original");
    state_set_int(f->replica, "claimed", claimed);
    start_again(f, boot);
    return h;
}

/* Changes in a boot that never meets the county, and in the next one; a copy after each. */
static void of_copies_that_never_met_the_county_the_later_change_is_later(void **state)
{
    struct wire_fixture *f = *state;
    static const char EDIT[] = "UPDATE shift SET state='x' || new_id() WHERE id='a'";
    int64_t told = 1700000000000, before = told;
    fx_meet_shift(f);
    hear_county(f, told);
    for (int i = 0; i < 6; i++) {
        f->cells = (struct clock_cells){i % 2 == 0 ? 5000 : 2000000000000, (i < 3 ? 700 : 500) + i};
        if (i % 3 == 0)
            start_again(f, i == 0 ? "dark-1" : "dark-2");
        fx_run(f, EDIT);
        int64_t bt = fx_ask(f, LAST("bt"));
        fx_run(f, EDIT); /* within the same millisecond */
        assert_true(fx_ask(f, LAST("bt")) > bt);
        int64_t h = pushed_by_a_copy(f);
        assert_true(h > before);
        assert_true(h < told + 1250);
        before = h;
    }
}

/* --- machines --- */

static void become_known(struct wire_fixture *f)
{
    replica_enter(f->replica);
    state_set_int(f->replica, "inc", 7);
    state_set_text(f->replica, "tok", "t7");
    replica_leave(f->replica, true);
    replica_commit(f->replica);
}

static void a_copied_disk_is_a_new_incarnation(void **state)
{
    struct wire_fixture *f = *state;
    become_known(f);
    write_shift(f);
    fx_run(f, "UPDATE sync_out SET st=2,v=10");
    write_shift(f);
    claim(f);
    write_shift(f);
    text_copy(f->machine.parts[1], sizeof f->machine.parts[1], "cc");
    start_again(f, "boot-2");
    assert_int_equal(wire_incarnation(&f->wire), 0);
    assert_int_equal(state_int(f->replica, "reincs"), 1);
    assert_int_equal(state_int(f->replica, "reinc_from"), 7);
    /* what was in flight is sent again, as it was */
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=0"), 1);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=1"), 1);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st=2"), 1);
    char tok[32];
    state_text(f->replica, "tok", tok, sizeof tok);
    assert_string_equal(tok, "");
    become_known(f);
    start_again(f, "boot-3");
    assert_int_equal(wire_incarnation(&f->wire), 7); /* it has got used to the new one */
}

static void a_part_that_cannot_be_read_says_nothing(void **state)
{
    struct wire_fixture *f = *state;
    become_known(f);
    f->machine.parts[1][0] = '\0';
    text_copy(f->machine.parts[2], sizeof f->machine.parts[2], "dd");
    start_again(f, "boot-2");
    assert_int_equal(wire_incarnation(&f->wire), 7);
    f->machine.parts[2][0] = '\0';
    text_copy(f->machine.parts[1], sizeof f->machine.parts[1], "bb");
    start_again(f, "boot-3");
    assert_int_equal(wire_incarnation(&f->wire), 7);
    text_copy(f->machine.parts[2], sizeof f->machine.parts[2], "ee");
    start_again(f, "boot-4");
    assert_int_equal(wire_incarnation(&f->wire), 0);
}

static void a_restored_database_is_a_new_incarnation_at_the_start(void **state)
{
    struct wire_fixture *f = *state;
    become_known(f);
    replica_set_restored(f->replica, true);
    start_again(f, "boot-1");
    assert_int_equal(wire_incarnation(&f->wire), 0);
    assert_false(replica_was_restored(f->replica));
}

static void a_station_without_a_number_needs_no_new_one(void **state)
{
    struct wire_fixture *f = *state;
    text_copy(f->machine.parts[0], sizeof f->machine.parts[0], "zz");
    start_again(f, "boot-2");
    assert_int_equal(state_int(f->replica, "reincs"), 0);
}

static void a_file_stands_for_the_machine(void **state)
{
    (void)state;
    char path[] = "/tmp/touyan-machine-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "one\n", 4), 4);
    struct machine one, two;
    char text[MACHINE_TEXT_BYTES + 1];
    machine_read(&one, path, "/");
    machine_print(&one, text);
    assert_true(machine_is(&one, text));
    assert_true(machine_is(&one, ""));
    assert_int_equal(pwrite(fd, "two\n", 4, 0), 4);
    machine_read(&two, path, "/");
    assert_false(machine_is(&two, text));
    assert_string_equal(two.parts[1], "");
    close(fd);
    unlink(path);
    machine_read(&two, NULL, "/"); /* whatever this machine tells of itself, twice the same */
    machine_print(&two, text);
    machine_read(&one, "", "/");
    assert_true(machine_is(&one, text));
}

/* --- settled marks --- */

static bool prune(struct wire_fixture *f)
{
    replica_enter(f->replica);
    bool more = wire_prune(&f->wire);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    return more;
}

static void hear(struct wire_fixture *f, int64_t county_ms)
{
    replica_enter(f->replica);
    assert_true(life_note_time(&f->wire, county_ms));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static void settled_marks_are_forgotten_35_days_later_by_the_countys_clock(void **state)
{
    struct wire_fixture *f = *state;
    write_shift(f);
    fx_run(f, "UPDATE sync_out SET st = 2");
    int64_t then = f->cells.wall_ms + INT64_C(35) * 86400000;
    f->cells.wall_ms = then + 1; /* but the county was not heard since */
    assert_false(prune(f));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 1);
    hear(f, then);
    prune(f);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 1);
    hear(f, then + 1);
    prune(f);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 0);
}

static void many_settled_marks_are_forgotten_bit_by_bit(void **state)
{
    struct wire_fixture *f = *state;
    fx_run(f, "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 1900) "
              "INSERT INTO sync_out(tid, pk, base, gm, h, st) "
              "SELECT 15, 'p' || i, 0, 1, 1, iif(i <= 1200, 4, 2) FROM k");
    hear(f, f->cells.wall_ms);
    assert_true(prune(f));
    assert_false(prune(f));
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out"), 1200);
    assert_int_equal(fx_ask(f, "SELECT count(*) FROM sync_out WHERE st = 2"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fx_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_true_clock_keeps_its_stamps),
        TEST(a_clock_ten_years_ahead_is_corrected_from_the_time_since_the_start),
        TEST(a_boot_that_never_heard_the_county_is_capped),
        TEST(a_clock_that_stands_in_1970_is_no_earlier_than_what_was_told),
        TEST(of_copies_that_never_met_the_county_the_later_change_is_later),
        TEST(a_start_of_the_program_within_a_boot_knows_its_clock),
        TEST(a_mark_in_flight_keeps_its_stamp),
        TEST(a_copied_disk_is_a_new_incarnation),
        TEST(a_part_that_cannot_be_read_says_nothing),
        TEST(a_restored_database_is_a_new_incarnation_at_the_start),
        TEST(a_station_without_a_number_needs_no_new_one),
        cmocka_unit_test(a_file_stands_for_the_machine),
        TEST(settled_marks_are_forgotten_35_days_later_by_the_countys_clock),
        TEST(many_settled_marks_are_forgotten_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
