/* Starts, clocks and machines: which stamp a mark is pushed with, and when a database begins a new
 * incarnation by itself. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/life.h"
#include "sync/replica/seal.h"
#include "sync/state.h"
#include "sync/wire.h"

struct fixture {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct wire wire;
    struct machine machine;
    char path[64];
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void open_all(struct fixture *f)
{
    struct replica_options options = {
        .path = f->path, .clock = &f->clock, .rnd = &f->rnd, .seal = f->seal};
    struct err err = {0};
    if (replica_open(&options, &f->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    static const char *const scopes[] = {"S1", NULL};
    struct wire_options wire = {.station = "S1", .scopes = scopes, .machine = &f->machine};
    replica_enter(f->replica);
    assert_int_equal(wire_init(&f->wire, f->replica, &wire, &err), ERR_OK);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static void start_again(struct fixture *f, const char *boot_id)
{
    replica_close(f->replica);
    text_copy(f->machine.boot_id, sizeof f->machine.boot_id, boot_id);
    open_all(f);
}

static int set_up(void **state)
{
    log_set_sink(swallow, NULL);
    struct fixture *f = calloc(1, sizeof *f);
    f->cells = (struct clock_cells){1700000000000, 1000};
    f->clock = clock_manual(&f->cells);
    f->rnd = rnd_seeded(7);
    f->seal = seal_for_test();
    f->machine = (struct machine){"boot-1", {"aa", "bb", ""}};
    snprintf(f->path, sizeof f->path, "/tmp/touyan-life-XXXXXX");
    close(mkstemp(f->path));
    open_all(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    replica_close(f->replica);
    seal_close(f->seal);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    free(f);
    return 0;
}

static void run(struct fixture *f, const char *sql)
{
    replica_enter(f->replica);
    int64_t changed = replica_run(f->replica, sql, "");
    if (!replica_leave(f->replica, true) || changed < 0)
        fail_msg("%s: %s", sql, replica_problem(f->replica));
    assert_true(replica_commit(f->replica));
}

static int64_t ask(struct fixture *f, const char *sql)
{
    return replica_get_int(f->replica, -1, sql, "");
}

static void write_event(struct fixture *f)
{
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES (new_id(),'S1','in','sms')");
}

static void hear_county(struct fixture *f, int64_t county_ms)
{
    replica_enter(f->replica);
    assert_true(life_note_time(&f->wire, county_ms));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static void claim(struct fixture *f)
{
    replica_enter(f->replica);
    assert_true(life_claim(&f->wire, 100, INT64_MAX));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

#define LAST(column) "SELECT " column " FROM sync_out ORDER BY lseq DESC LIMIT 1"

static void a_true_clock_keeps_its_stamps(void **state)
{
    struct fixture *f = *state;
    write_event(f);
    f->cells.mono_ms += 5000;
    f->cells.wall_ms += 5000;
    assert_false(life_clock_known(&f->wire));
    hear_county(f, 1700000005300);
    assert_int_equal(life_clock_quality(&f->wire), 2);
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 1700000000300);
    assert_int_equal(ask(f, LAST("q")), 2);
}

static void a_clock_ten_years_ahead_is_corrected_from_the_time_since_the_start(void **state)
{
    struct fixture *f = *state;
    f->cells.wall_ms = 2000000000000;
    write_event(f);
    f->cells.mono_ms += 7000;
    f->cells.wall_ms = 90; /* somebody sets it meanwhile, wrongly again */
    hear_county(f, 1700000007000);
    assert_int_equal(life_clock_quality(&f->wire), 1);
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 1700000000000);
    assert_int_equal(ask(f, LAST("q")), 1);
}

static void a_boot_that_never_heard_the_county_is_capped(void **state)
{
    struct fixture *f = *state;
    hear_county(f, 1700000000000);
    f->cells = (struct clock_cells){2000000000000, 50};
    start_again(f, "boot-2");
    write_event(f);
    f->cells = (struct clock_cells){1700009000000, 60};
    start_again(f, "boot-3");
    hear_county(f, 1700009000000);
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 1700000000000);
    assert_int_equal(ask(f, LAST("q")), 0);
}

static void a_clock_that_stands_in_1970_stays_there(void **state)
{
    struct fixture *f = *state;
    hear_county(f, 1700000000000);
    f->cells = (struct clock_cells){5000, 50};
    start_again(f, "boot-2");
    write_event(f);
    start_again(f, "boot-3");
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 5000);
    assert_int_equal(ask(f, LAST("q")), 0);
}

static void a_start_of_the_program_within_a_boot_knows_its_clock(void **state)
{
    struct fixture *f = *state;
    f->cells.wall_ms = 2000000000000;
    write_event(f);
    hear_county(f, 1700000000000);
    start_again(f, "boot-1");
    assert_true(life_clock_known(&f->wire));
    assert_int_equal(life_clock_quality(&f->wire), 1);
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 1700000000000);
}

static void a_mark_in_flight_keeps_its_stamp(void **state)
{
    struct fixture *f = *state;
    write_event(f);
    hear_county(f, 1700000000000);
    claim(f);
    hear_county(f, 1700000900000);
    claim(f);
    assert_int_equal(ask(f, LAST("h")), 1700000000000);
}

/* --- machines --- */

static void become_known(struct fixture *f)
{
    replica_enter(f->replica);
    state_set_int(f->replica, "inc", 7);
    state_set_text(f->replica, "tok", "t7");
    replica_leave(f->replica, true);
    replica_commit(f->replica);
}

static void a_copied_disk_is_a_new_incarnation(void **state)
{
    struct fixture *f = *state;
    become_known(f);
    write_event(f);
    claim(f);
    write_event(f);
    text_copy(f->machine.parts[1], sizeof f->machine.parts[1], "cc");
    start_again(f, "boot-2");
    assert_int_equal(wire_incarnation(&f->wire), 0);
    assert_int_equal(state_int(f->replica, "reincs"), 1);
    assert_int_equal(state_int(f->replica, "reinc_from"), 7);
    /* what was in flight is sent again, as it was */
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out WHERE st=0"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out WHERE st=1"), 1);
    char tok[32];
    state_text(f->replica, "tok", tok, sizeof tok);
    assert_string_equal(tok, "");
    become_known(f);
    start_again(f, "boot-3");
    assert_int_equal(wire_incarnation(&f->wire), 7); /* it has got used to the new one */
}

static void a_part_that_cannot_be_read_says_nothing(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    become_known(f);
    replica_set_restored(f->replica, true);
    start_again(f, "boot-1");
    assert_int_equal(wire_incarnation(&f->wire), 0);
    assert_false(replica_was_restored(f->replica));
}

static void a_station_without_a_number_needs_no_new_one(void **state)
{
    struct fixture *f = *state;
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

static bool prune(struct fixture *f)
{
    replica_enter(f->replica);
    bool more = wire_prune(&f->wire);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    return more;
}

static void hear(struct fixture *f, int64_t county_ms)
{
    replica_enter(f->replica);
    assert_true(life_note_time(&f->wire, county_ms));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

static void settled_marks_are_forgotten_35_days_later_by_the_countys_clock(void **state)
{
    struct fixture *f = *state;
    write_event(f);
    run(f, "UPDATE sync_out SET st = 2");
    int64_t then = f->cells.wall_ms + INT64_C(35) * 86400000;
    f->cells.wall_ms = then + 1; /* but the county was not heard since */
    assert_false(prune(f));
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 1);
    hear(f, then);
    prune(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 1);
    hear(f, then + 1);
    prune(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 0);
}

static void many_settled_marks_are_forgotten_bit_by_bit(void **state)
{
    struct fixture *f = *state;
    run(f, "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 1900) "
           "INSERT INTO sync_out(tid, pk, base, gm, h, st) "
           "SELECT 15, 'p' || i, 0, 1, 1, iif(i <= 1200, 4, 2) FROM k");
    hear(f, f->cells.wall_ms);
    assert_true(prune(f));
    assert_false(prune(f));
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 1200);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out WHERE st = 2"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_true_clock_keeps_its_stamps),
        TEST(a_clock_ten_years_ahead_is_corrected_from_the_time_since_the_start),
        TEST(a_boot_that_never_heard_the_county_is_capped),
        TEST(a_clock_that_stands_in_1970_stays_there),
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
