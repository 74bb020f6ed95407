/* One transaction a turn: what stands, what is taken back, and what the acknowledgements are told.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "sync/replica/replica.h"
#include "sync/replica/seal.h"

struct world {
    char dir[64];
    char path[96];
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void open_world(struct world *w)
{
    struct replica_options options = {
        .path = w->path, .clock = clock_real(), .rnd = &w->rnd, .seal = w->seal};
    struct err err;
    if (replica_open(&options, &w->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    static struct world w;
    log_set_sink(swallow, NULL);
    w = (struct world){.rnd = rnd_seeded(1), .seal = seal_for_test()};
    snprintf(w.dir, sizeof w.dir, "/tmp/touyan-replica-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    snprintf(w.path, sizeof w.path, "%s/r.db", w.dir);
    open_world(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    replica_close(w->replica);
    seal_close(w->seal);
    const char *const names[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", w->path, names[i]);
        unlink(path);
    }
    return rmdir(w->dir);
}

static void put(struct replica *replica, const char *key)
{
    replica_run(replica, "INSERT INTO kv(k, v) VALUES (?1, 1)", "s", key);
}

static int64_t has(struct replica *replica, const char *key)
{
    return replica_get_int(replica, 0, "SELECT 1 FROM kv WHERE k=?1", "s", key);
}

struct told {
    int yes, no;
    int64_t seen_in_file; /* was the row committed when the acknowledgement ran? */
    struct world *world;
};

static void on_ack(void *ctx, int64_t arg, bool committed)
{
    struct told *told = ctx;
    if (committed)
        told->yes += (int)arg;
    else
        told->no += (int)arg;
    if (told->world != NULL && committed) {
        struct world other = *told->world;
        open_world(&other);
        told->seen_in_file = has(other.replica, "a");
        replica_close(other.replica);
    }
}

static void test_ack_follows_commit(void **state)
{
    struct world *w = *state;
    struct told told = {.world = w};
    replica_enter(w->replica);
    put(w->replica, "a");
    replica_after_commit(w->replica, on_ack, &told, 1);
    assert_true(replica_leave(w->replica, true));
    assert_int_equal(told.yes, 0);
    assert_true(replica_in_turn(w->replica));
    assert_true(replica_commit(w->replica));
    assert_int_equal(told.yes, 1);
    assert_int_equal(told.seen_in_file, 1);
    assert_false(replica_in_turn(w->replica));
}

static void test_failed_handler_takes_back_its_own_only(void **state)
{
    struct world *w = *state;
    struct told good = {0};
    struct told bad = {0};
    replica_enter(w->replica);
    put(w->replica, "good");
    replica_after_commit(w->replica, on_ack, &good, 1);
    assert_true(replica_leave(w->replica, true));

    replica_enter(w->replica);
    put(w->replica, "bad");
    replica_after_commit(w->replica, on_ack, &bad, 1);
    put(w->replica, "good"); /* the key is taken: the handler is doomed */
    assert_false(replica_leave(w->replica, true));
    assert_int_equal(bad.no, 1);
    assert_non_null(strstr(replica_problem(w->replica), "UNIQUE"));

    assert_true(replica_commit(w->replica));
    assert_int_equal(good.yes, 1);
    assert_int_equal(has(w->replica, "good"), 1);
    assert_int_equal(has(w->replica, "bad"), 0);
}

static void test_first_handler_of_a_turn_fails_alone(void **state)
{
    struct world *w = *state;
    struct told bad = {0};
    replica_enter(w->replica);
    put(w->replica, "bad");
    replica_after_commit(w->replica, on_ack, &bad, 1);
    replica_enter(w->replica);
    put(w->replica, "inner");
    assert_true(replica_leave(w->replica, true));
    assert_false(replica_leave(w->replica, false));
    assert_int_equal(bad.no, 1);
    assert_int_equal(has(w->replica, "bad") + has(w->replica, "inner"), 0);

    replica_enter(w->replica);
    put(w->replica, "good");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    assert_int_equal(has(w->replica, "bad") + has(w->replica, "inner"), 0);
    assert_int_equal(has(w->replica, "good"), 1);
    assert_null(replica_failing(w->replica));
}

static void test_inner_handler_fails_outer_stands(void **state)
{
    struct world *w = *state;
    struct told inner = {0};
    replica_enter(w->replica);
    put(w->replica, "outer");
    replica_enter(w->replica);
    put(w->replica, "inner");
    replica_after_commit(w->replica, on_ack, &inner, 1);
    assert_false(replica_leave(w->replica, false));
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    assert_int_equal(inner.no, 1);
    assert_int_equal(has(w->replica, "outer"), 1);
    assert_int_equal(has(w->replica, "inner"), 0);
}

static void test_outer_failure_takes_inner_acks_back(void **state)
{
    struct world *w = *state;
    struct told inner = {0};
    replica_enter(w->replica);
    replica_enter(w->replica);
    put(w->replica, "inner");
    replica_after_commit(w->replica, on_ack, &inner, 1);
    assert_true(replica_leave(w->replica, true));
    assert_false(replica_leave(w->replica, false));
    assert_int_equal(inner.no, 1);
    assert_true(replica_commit(w->replica));
    assert_int_equal(has(w->replica, "inner"), 0);
}

static void write_again(void *ctx, int64_t arg, bool committed)
{
    struct world *w = ctx;
    if (!committed)
        return;
    replica_enter(w->replica);
    put(w->replica, arg == 1 ? "second" : "third");
    replica_leave(w->replica, true);
}

static void test_ack_may_begin_a_turn(void **state)
{
    struct world *w = *state;
    replica_enter(w->replica);
    put(w->replica, "first");
    replica_after_commit(w->replica, write_again, w, 1);
    replica_after_commit(w->replica, write_again, w, 2);
    replica_leave(w->replica, true);
    assert_true(replica_commit(w->replica));
    assert_true(replica_in_turn(w->replica));
    assert_true(replica_commit(w->replica));
    assert_int_equal(has(w->replica, "second"), 1);
    assert_int_equal(has(w->replica, "third"), 1);
}

/* A file size limit makes the system refuse to write, as a full disk does. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk_is_said_and_survived(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    signal(SIGXFSZ, SIG_IGN);
    replica_enter(w->replica);
    put(w->replica, "before");
    replica_leave(w->replica, true);
    assert_true(replica_commit(w->replica));

    limit_files(16);
    replica_enter(w->replica);
    put(w->replica, "during");
    replica_after_commit(w->replica, on_ack, &told, 1);
    replica_leave(w->replica, true);
    assert_false(replica_commit(w->replica));
    assert_int_equal(told.no, 1);
    assert_int_equal(told.yes, 0);
    assert_non_null(replica_failing(w->replica));
    assert_false(replica_retry(w->replica));
    assert_non_null(replica_failing(w->replica));

    replica_enter(w->replica);
    put(w->replica, "refused");
    assert_false(replica_leave(w->replica, true));
    replica_commit(w->replica);

    limit_files(RLIM_INFINITY);
    assert_true(replica_retry(w->replica));
    assert_null(replica_failing(w->replica));
    replica_enter(w->replica);
    put(w->replica, "after");
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    assert_int_equal(has(w->replica, "before"), 1);
    assert_int_equal(has(w->replica, "during"), 0);
    assert_int_equal(has(w->replica, "refused"), 0);
    assert_int_equal(has(w->replica, "after"), 1);
}

static void test_sealed_numbers(void **state)
{
    struct world *w = *state;
    char one[LIMIT_SEALED_PHONE_BYTES];
    char two[LIMIT_SEALED_PHONE_BYTES];
    char clear[32];
    assert_true(replica_get_text(w->replica, one, sizeof one, "SELECT seal_phone(?1)", "s",
                                 "+8610000000001"));
    assert_true(
        replica_get_text(w->replica, two, sizeof two, "SELECT seal_phone('+8610000000001')", ""));
    assert_string_equal(one, two);
    assert_null(strstr(one, "000000"));
    assert_true(replica_get_text(w->replica, clear, sizeof clear, "SELECT unseal(?1)", "s", one));
    assert_string_equal(clear, "+8610000000001");
    one[60] = one[60] == '0' ? '1' : '0';
    assert_false(replica_get_text(w->replica, clear, sizeof clear, "SELECT unseal(?1)", "s", one));
    assert_true(replica_get_text(w->replica, one, sizeof one, "SELECT seal('x')", ""));
    assert_true(replica_get_text(w->replica, two, sizeof two, "SELECT seal('x')", ""));
    assert_string_not_equal(one, two);
}

static void test_ids_are_in_order(void **state)
{
    struct world *w = *state;
    char last[LIMIT_ID_BYTES + 1] = "";
    for (int i = 0; i < 5000; i++) {
        char id[LIMIT_ID_BYTES + 1];
        replica_new_id(w->replica, id);
        assert_int_equal(strlen(id), LIMIT_ID_BYTES);
        assert_true(strcmp(id, last) > 0);
        memcpy(last, id, sizeof last);
    }
}

/* --- the log --- */

static void write_page(struct world *w, int64_t number)
{
    replica_enter(w->replica);
    replica_run(w->replica,
                "INSERT INTO kv(k, v) VALUES ('page:' || ?1, zeroblob(4000)) "
                "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                "i", number);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
}

static void test_checkpoint_lets_the_log_start_over(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    for (int64_t i = 0; i < 50; i++)
        write_page(w, i);
    assert_true(replica_wal_pages(w->replica) > 50);
    assert_int_equal(replica_checkpoint(w->path, &err), ERR_OK);
    write_page(w, 50);
    assert_true(replica_wal_pages(w->replica) < 20);
}

/* A turn that is open while the thread is at it keeps the log from starting over. */
static void test_log_starts_over_after_the_rest(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    for (int64_t i = 0; i < 50; i++)
        write_page(w, i);
    replica_enter(w->replica);
    put(w->replica, "a");
    assert_int_equal(replica_checkpoint(w->path, &err), ERR_OK);
    assert_true(replica_leave(w->replica, true));
    assert_true(replica_commit(w->replica));
    write_page(w, 50);
    assert_true(replica_wal_pages(w->replica) > 50);
    replica_checkpoint_rest(w->replica);
    write_page(w, 51);
    assert_true(replica_wal_pages(w->replica) < 20);
}

static void test_log_is_bounded_without_help(void **state)
{
    struct world *w = *state;
    for (int64_t i = 0; i < 1500; i++) {
        write_page(w, i % 10);
        assert_true(replica_wal_pages(w->replica) < 1100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ack_follows_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_handler_takes_back_its_own_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_first_handler_of_a_turn_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inner_handler_fails_outer_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outer_failure_takes_inner_acks_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ack_may_begin_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_is_said_and_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_are_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkpoint_lets_the_log_start_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_starts_over_after_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_is_bounded_without_help, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
