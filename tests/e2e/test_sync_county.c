/* Both ends over TLS: the module on a loop against a real touyan-county that the test starts. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/internal.h"
#include "sync/replica/seal.h"
#include "tests/lib/exchanges.h"

enum { PATH_MAX_BYTES = 160, WAIT_MS = 20000 };

/* The county and its folder. */
struct world {
    char dir[64];
    char db[PATH_MAX_BYTES], cert[PATH_MAX_BYTES], key[PATH_MAX_BYTES], token[PATH_MAX_BYTES];
    char ready[PATH_MAX_BYTES];
    int port; /* 0: any free one */
    pid_t county;
};

struct station {
    struct world *world;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct sync *sync;
    char path[PATH_MAX_BYTES];
    int64_t applied;
    int64_t longest_us; /* from one turn's beginning to its end, without waiting */
    int64_t turn_us;
    int links;
    bool closed;
};

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "<%d>%s\n", (int)level, line);
}

/* --- processes --- */

/* Starts a program; its output goes to a file in the folder. */
static pid_t start(struct world *w, const char *const *args)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char out[PATH_MAX_BYTES];
    snprintf(out, sizeof out, "%s/out", w->dir);
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 1);
    snprintf(out, sizeof out, "%s/err", w->dir);
    fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 2);
    execvp(args[0], (char *const *)args);
    _exit(127);
}

static void read_file(const struct world *w, const char *name, char *ret, size_t size)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    FILE *file = fopen(path, "r");
    size_t got = file != NULL ? fread(ret, 1, size - 1, file) : 0;
    ret[got] = '\0';
    if (file != NULL)
        fclose(file);
}

static void run(struct world *w, const char *const *args)
{
    int status = 0;
    waitpid(start(w, args), &status, 0);
    if (status == 0)
        return;
    char text[4096];
    read_file(w, "err", text, sizeof text);
    fail_msg("%s %s: status %d: %s", args[0], args[1], status, text);
}

#define RUN(w, ...) run(w, (const char *const[]){__VA_ARGS__, NULL})

static void start_county(struct world *w)
{
    char listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%d", w->port);
    unlink(w->ready);
    w->county =
        start(w, (const char *const[]){COUNTY, "serve", "--db", w->db, "--listen", listen, "--cert",
                                       w->cert, "--key", w->key, "--ready-file", w->ready, NULL});
    for (int i = 0; i < 200; i++) {
        char text[16];
        read_file(w, "ready", text, sizeof text);
        text[strcspn(text, "\n")] = '\0';
        if (text_to_int(text, 1, 65535, &w->port))
            return;
        clock_sleep_ms(50);
    }
    char text[4096];
    read_file(w, "err", text, sizeof text);
    fail_msg("the county does not listen: %s", text);
}

static void stop_county(struct world *w, int signal_number)
{
    if (w->county <= 0)
        return;
    kill(w->county, signal_number);
    waitpid(w->county, NULL, 0);
    w->county = 0;
}

/* --- a station --- */

static void on_prepare(uv_prepare_t *handle)
{
    struct station *s = handle->data;
    replica_commit(s->replica);
    int64_t took = clock_mono_us() - s->turn_us;
    if (s->turn_us != 0 && took > s->longest_us)
        s->longest_us = took;
}

static void on_check(uv_check_t *handle)
{
    struct station *s = handle->data;
    replica_commit(s->replica);
    s->turn_us = clock_mono_us();
}

static void on_applied(void *ctx, int64_t rows)
{
    struct station *s = ctx;
    s->applied += rows;
}

static void on_link(void *ctx, bool up)
{
    struct station *s = ctx;
    s->links += up ? 1 : 100;
}

static void open_station(struct station *s, struct world *w, const char *name)
{
    *s = (struct station){.world = w, .rnd = rnd_system(), .seal = seal_for_test()};
    snprintf(s->path, sizeof s->path, "%s/%s.db", w->dir, name);
    struct replica_options options = {
        .path = s->path, .clock = clock_real(), .rnd = &s->rnd, .seal = s->seal};
    struct err err = {0};
    if (replica_open(&options, &s->replica, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    uv_prepare_init(&s->loop, &s->prepare);
    uv_check_init(&s->loop, &s->check);
    s->prepare.data = s->check.data = s;
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
}

static void start_sync_with(struct station *s, const char *ca_file, const char *token_file)
{
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d", s->world->port);
    struct sync_options options = {.url = url,
                                   .ca_file = ca_file,
                                   .token_file = token_file,
                                   .station = "S0117",
                                   .poll_ms = 300,
                                   .backoff_min_ms = 50,
                                   .backoff_max_ms = 200,
                                   .on_applied = on_applied,
                                   .on_link = on_link,
                                   .ctx = s};
    struct err err = {0};
    struct transport_curl_options curl = {.url = url, .ca_file = ca_file, .token_file = token_file};
    struct transport transport;
    if (transport_curl_init(&transport, &s->loop, &curl, &err) != ERR_OK)
        fail_msg("%s", err.text);
    exchanges_tap(&transport);
    if (sync_init_with(&s->sync, &s->loop, s->replica, &s->rnd, &options, &transport, &err) !=
        ERR_OK)
        fail_msg("%s", err.text);
    sync_start(s->sync);
}

static void start_sync(struct station *s)
{
    start_sync_with(s, s->world->cert, s->world->token);
}

static void on_closed(void *ctx)
{
    ((struct station *)ctx)->closed = true;
}

static void stop_sync(struct station *s)
{
    s->closed = false;
    sync_close(s->sync, on_closed, s);
    while (!s->closed)
        uv_run(&s->loop, UV_RUN_ONCE);
    sync_free(s->sync);
    s->sync = NULL;
}

static void close_station(struct station *s)
{
    if (s->sync != NULL)
        stop_sync(s);
    uv_close((uv_handle_t *)&s->prepare, NULL);
    uv_close((uv_handle_t *)&s->check, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    replica_close(s->replica);
    seal_close(s->seal);
}

static struct sync_status status_of(struct station *s)
{
    struct sync_status status;
    sync_get_status(s->sync, &status);
    return status;
}

/* Turns the loop until the condition holds. */
static void wait_for(struct station *s, bool (*holds)(struct station *s), const char *what)
{
    int64_t until_us = clock_mono_us() + WAIT_MS * 1000;
    while (!holds(s)) {
        if (clock_mono_us() > until_us)
            fail_msg("not %s: link %s, pending %d, %s", what, sync_link_name(status_of(s).link),
                     (int)status_of(s).pending, status_of(s).problem);
        uv_run(&s->loop, UV_RUN_NOWAIT);
        s->turn_us = 0;
        clock_sleep_ms(1);
    }
}

static bool is_caught_up(struct station *s)
{
    return status_of(s).caught_up;
}

static bool is_down(struct station *s)
{
    return status_of(s).link == SYNC_LINK_DOWN;
}

static void write_local(struct station *s, const char *sql)
{
    replica_enter(s->replica);
    int64_t changed = replica_run(s->replica, sql, "");
    if (!replica_leave(s->replica, true) || changed < 0)
        fail_msg("%s", replica_problem(s->replica));
    sync_poke(s->sync);
}

static int64_t ask(struct station *s, const char *sql)
{
    return replica_get_int(s->replica, -1, sql, "");
}

/* --- the tests --- */

static int set_up(void **state)
{
    log_set_sink(swallow, NULL);
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/touyan-sync-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->db, sizeof w->db, "%s/county.db", w->dir);
    snprintf(w->cert, sizeof w->cert, "%s/cert.pem", w->dir);
    snprintf(w->key, sizeof w->key, "%s/key.pem", w->dir);
    snprintf(w->token, sizeof w->token, "%s/token", w->dir);
    snprintf(w->ready, sizeof w->ready, "%s/ready", w->dir);
    RUN(w, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=county", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", w->key, "-out", w->cert);
    RUN(w, COUNTY, "import", "--db", w->db, COUNTY_DATA);
    RUN(w, COUNTY, "station", "add", "S0117", "--db", w->db, "--token-file", w->token);
    start_county(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    stop_county(w, SIGKILL);
    RUN(w, "rm", "-rf", w->dir);
    free(w);
    return 0;
}

static void the_countys_rows_come_down_and_ours_go_up(void **state)
{
    struct station s;
    open_station(&s, *state, "a");
    start_sync(&s);
    wait_for(&s, is_caught_up, "caught up");
    assert_true(ask(&s, "SELECT count(*) FROM person") > 20);
    assert_int_equal(ask(&s, "SELECT count(*) FROM person WHERE scope NOT IN ('S0117', '*')"), 0);
    int64_t assignments = ask(&s, "SELECT count(*) FROM assignment");
    assert_true(assignments > 20 && s.applied > assignments);
    assert_int_equal(
        ask(&s, "SELECT count(*) FROM person WHERE phone = seal_phone('+8610000011001')"), 1);
    assert_int_equal(ask(&s, "SELECT count(*) FROM sync_out"), 0);
    write_local(&s,
                "INSERT INTO checkin(id,scope,kind,channel,at) VALUES ('c1','S0117','in','sms',5)");
    write_local(&s, "UPDATE assignment SET state='confirmed', answered_at=7");
    assert_int_equal(status_of(&s).pending, assignments + 1);
    wait_for(&s, is_caught_up, "caught up");
    assert_int_equal(ask(&s, "SELECT count(*) FROM sync_out WHERE st=2"), assignments);
    assert_int_equal(ask(&s, "SELECT count(*) FROM sync_out"), assignments); /* no event's */
    assert_int_equal(ask(&s, "SELECT count(*) FROM checkin WHERE _v > 0"), 1);
    assert_int_equal(status_of(&s).quarantined, 0);
    assert_int_equal(status_of(&s).conflicts, 0);
    assert_int_equal(s.links, 1);
    close_station(&s);
    char text[65536];
    RUN(*state, COUNTY, "show", "checkins", "--db", ((struct world *)*state)->db);
    read_file(*state, "out", text, sizeof text);
    assert_non_null(strstr(text, "\"c1\""));
}

static void what_happens_while_the_county_is_gone_goes_up_later(void **state)
{
    struct world *w = *state;
    struct station s;
    open_station(&s, w, "a");
    start_sync(&s);
    wait_for(&s, is_caught_up, "caught up");
    stop_county(w, SIGKILL);
    write_local(&s, "UPDATE assignment SET state='declined' WHERE role=0");
    int64_t declined = status_of(&s).pending;
    wait_for(&s, is_down, "down");
    write_local(&s, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c1','S0117','in','sms')");
    stop_sync(&s);
    start_sync(&s); /* the gateway is restarted with the link still down */
    wait_for(&s, is_down, "down");
    start_county(w);
    wait_for(&s, is_caught_up, "caught up");
    assert_int_equal(ask(&s, "SELECT count(*) FROM sync_out WHERE st=2"), declined);
    assert_int_equal(ask(&s, "SELECT count(*) FROM sync_out"), declined);
    assert_int_equal(ask(&s, "SELECT count(*) FROM checkin WHERE id='c1' AND _v > 0"), 1);
    close_station(&s);
}

/* Two replicas of one station: what concurrent edits do. */
static void concurrent_edits_converge_and_the_loser_is_told(void **state)
{
    struct world *w = *state;
    struct station a;
    struct station b;
    open_station(&a, w, "a");
    open_station(&b, w, "b");
    start_sync(&a);
    start_sync(&b);
    wait_for(&a, is_caught_up, "caught up");
    wait_for(&b, is_caught_up, "caught up");
    stop_sync(&b);
    b.sync = NULL;
    replica_enter(b.replica);
    replica_run(b.replica, "UPDATE shift SET state='by-b', need=9", "");
    replica_leave(b.replica, true);
    replica_commit(b.replica);
    clock_sleep_ms(20);
    write_local(&a, "UPDATE shift SET state='by-a'"); /* later */
    wait_for(&a, is_caught_up, "caught up");
    start_sync(&b);
    wait_for(&b, is_caught_up, "caught up");
    clock_sleep_ms(400); /* a poll of a */
    write_local(&a, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c1','S0117','in','sms')");
    wait_for(&a, is_caught_up, "caught up");
    int64_t shifts = ask(&a, "SELECT count(*) FROM shift");
    assert_true(shifts > 0);
    assert_int_equal(ask(&a, "SELECT count(*) FROM shift WHERE state='by-a' AND need=9"), shifts);
    assert_int_equal(ask(&b, "SELECT count(*) FROM shift WHERE state='by-a' AND need=9"), shifts);
    assert_int_equal(status_of(&b).conflicts, shifts);
    assert_int_equal(status_of(&b).lost_open, 0);
    close_station(&a);
    close_station(&b);
}

static void a_wrong_token_or_certificate_is_said(void **state)
{
    struct world *w = *state;
    struct station s;
    char other[PATH_MAX_BYTES];
    snprintf(other, sizeof other, "%s/other", w->dir);
    RUN(w, "sh", "-c", "echo 0123456789012345678901234567890123456789 > \"$0\"", other);
    open_station(&s, w, "a");
    start_sync_with(&s, w->cert, other);
    wait_for(&s, is_down, "down");
    assert_non_null(strstr(status_of(&s).problem, "401"));
    stop_sync(&s);
    start_sync_with(&s, NULL, w->token);
    wait_for(&s, is_down, "down");
    assert_non_null(strstr(status_of(&s).problem, "certificate"));
    close_station(&s);
}

static void closing_at_any_moment_leaves_nothing_open(void **state)
{
    struct world *w = *state;
    for (int turns = 0; turns < 40; turns++) {
        struct station s;
        char name[16];
        snprintf(name, sizeof name, "n%d", turns);
        open_station(&s, w, name);
        start_sync(&s);
        for (int i = 0; i < turns; i++) {
            uv_run(&s.loop, UV_RUN_NOWAIT);
            clock_sleep_ms(1);
        }
        close_station(&s);
    }
}

/* --- disks that go back in time, and copies of them --- */

static void copy_file(struct world *w, const char *from, const char *to)
{
    char side[PATH_MAX_BYTES + 8];
    RUN(w, "cp", from, to);
    static const char *const suffixes[] = {"-wal", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(side, sizeof side, "%s%s", to, suffixes[i]);
        unlink(side);
    }
}

static void add_checkin(struct station *s, const char *id)
{
    replica_enter(s->replica);
    replica_run(s->replica,
                "INSERT INTO checkin(id,scope,kind,channel) VALUES (?1,'S0117','in','sms')", "s",
                id);
    assert_true(replica_leave(s->replica, true));
    assert_true(replica_commit(s->replica));
    sync_poke(s->sync);
}

/* At rest: everything said, everything heard, no repair under way, two polls without news. */
static void come_to_rest(struct station *s)
{
    int64_t applied;
    int64_t until_us = clock_mono_us() + 3 * WAIT_MS * 1000;
    do {
        applied = s->applied;
        int64_t requests = status_of(s).requests;
        wait_for(s, is_caught_up, "caught up");
        while (status_of(s).requests < requests + 3 && clock_mono_us() < until_us) {
            uv_run(&s->loop, UV_RUN_NOWAIT);
            clock_sleep_ms(1);
        }
        wait_for(s, is_caught_up, "caught up");
    } while (applied != s->applied && clock_mono_us() < until_us);
}

static int64_t at_county(struct world *w, const char *what)
{
    char text[262144];
    int64_t count = 0;
    RUN(w, COUNTY, "show", "checkins", "--db", w->db);
    read_file(w, "out", text, sizeof text);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

static void reopen(struct station *s, struct world *w, const char *name)
{
    open_station(s, w, name);
    start_sync(s);
}

static void a_station_restored_from_an_old_copy_loses_nothing(void **state)
{
    struct world *w = *state;
    struct station s;
    char copy[PATH_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s/copy.db", w->dir);
    reopen(&s, w, "a");
    add_checkin(&s, "before");
    come_to_rest(&s);
    close_station(&s);
    copy_file(w, s.path, copy);
    reopen(&s, w, "a");
    add_checkin(&s, "forgotten");
    write_local(&s, "UPDATE shift SET state='after'");
    come_to_rest(&s);
    close_station(&s);
    copy_file(w, copy, s.path); /* the disk of yesterday */
    reopen(&s, w, "a");
    add_checkin(&s, "later");
    come_to_rest(&s);
    assert_int_equal(status_of(&s).reincarnations, 1);
    assert_int_equal(ask(&s, "SELECT count(*) FROM checkin"), 3);
    assert_true(ask(&s, "SELECT count(*) FROM shift WHERE state='after'") > 0);
    assert_int_equal(status_of(&s).quarantined, 0);
    close_station(&s);
    assert_int_equal(at_county(w, "\"later\""), 1);
}

static void two_copies_of_a_station_become_two(void **state)
{
    struct world *w = *state;
    struct station a;
    struct station b;
    char copy[PATH_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s/b.db", w->dir);
    reopen(&a, w, "a");
    come_to_rest(&a);
    close_station(&a);
    copy_file(w, a.path, copy);
    reopen(&a, w, "a");
    reopen(&b, w, "b");
    add_checkin(&a, "of-a");
    write_local(&a, "UPDATE shift SET need=5");
    come_to_rest(&a);
    add_checkin(&b, "of-b");
    write_local(&b, "UPDATE shift SET state='by-b'");
    come_to_rest(&b);
    come_to_rest(&a);
    assert_int_equal(status_of(&a).reincarnations + status_of(&b).reincarnations, 1);
    static const char both[] = "SELECT count(*) FROM checkin WHERE id IN ('of-a','of-b')";
    static const char merged[] = "SELECT count(*) FROM shift WHERE need=5 AND state='by-b'";
    assert_int_equal(ask(&a, both), 2);
    assert_int_equal(ask(&b, both), 2);
    assert_true(ask(&a, merged) > 0);
    assert_int_equal(ask(&a, merged), ask(&b, merged));
    close_station(&a);
    close_station(&b);
}

static void a_county_restored_from_an_old_copy_gets_everything_back(void **state)
{
    struct world *w = *state;
    struct station s;
    char copy[PATH_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s/county-copy.db", w->dir);
    reopen(&s, w, "a");
    add_checkin(&s, "before");
    come_to_rest(&s);
    stop_county(w, SIGTERM);
    copy_file(w, w->db, copy);
    start_county(w);
    add_checkin(&s, "forgotten");
    write_local(&s, "UPDATE shift SET state='after'");
    come_to_rest(&s);
    stop_county(w, SIGTERM);
    assert_int_equal(at_county(w, "\"forgotten\""), 1);
    copy_file(w, copy, w->db); /* the county of yesterday */
    assert_int_equal(at_county(w, "\"forgotten\""), 0);
    start_county(w);
    add_checkin(&s, "later");
    come_to_rest(&s);
    assert_int_equal(status_of(&s).reincarnations, 1);
    assert_int_equal(ask(&s, "SELECT count(*) FROM checkin"), 3);
    assert_true(ask(&s, "SELECT count(*) FROM shift WHERE state='after'") > 0);
    assert_int_equal(status_of(&s).quarantined, 0);
    stop_county(w, SIGTERM);
    assert_int_equal(at_county(w, "\"forgotten\""), 1);
    assert_int_equal(at_county(w, "\"later\""), 1);
    start_county(w);
    struct station other; /* what a new disk learns from the county */
    reopen(&other, w, "other");
    come_to_rest(&other);
    assert_int_equal(ask(&other, "SELECT count(*) FROM checkin"), 3);
    assert_int_equal(ask(&other, "SELECT count(*) FROM shift WHERE state='after'"),
                     ask(&s, "SELECT count(*) FROM shift WHERE state='after'"));
    close_station(&other);
    close_station(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_countys_rows_come_down_and_ours_go_up),
        TEST(what_happens_while_the_county_is_gone_goes_up_later),
        TEST(concurrent_edits_converge_and_the_loser_is_told),
        TEST(a_wrong_token_or_certificate_is_said),
        TEST(closing_at_any_moment_leaves_nothing_open),
        TEST(a_station_restored_from_an_old_copy_loses_nothing),
        TEST(two_copies_of_a_station_become_two),
        TEST(a_county_restored_from_an_old_copy_gets_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
