/* PostgreSQL only: transactions that wait for each other, several counties. with_postgres.py runs
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "sync/county/store.h"
#include "tests/unit/county_fixture.h"

#define ROW "\"id\":\"c1\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"badge\""

static void send(PGconn *conn, const char *sql)
{
    if (PQsendQuery(conn, sql) != 1)
        fail_msg("%s", PQerrorMessage(conn));
}

static void finish(PGconn *conn)
{
    for (PGresult *result; (result = PQgetResult(conn)) != NULL; PQclear(result))
        if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s", PQerrorMessage(conn));
}

static void run(PGconn *conn, const char *sql)
{
    send(conn, sql);
    finish(conn);
}

static PGconn *connect_to(const struct county_fixture *f)
{
    PGconn *conn = PQconnectdb(f->path);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    run(conn, "SET client_min_messages=warning");
    return conn;
}

/* The other one holds the counter, waits until the push waits for it, and then wants the row of the
 * incarnation, which the push has locked. It never looks for deadlocks itself, so that the push is
 * the one that is ended. */
static void one_that_is_ended_by_a_deadlock_is_repeated(void **state)
{
    struct county_fixture *f = *state;
    PGconn *other = connect_to(f);
    run(other, "SET deadlock_timeout='60s';BEGIN;SELECT v FROM touyan.ctr FOR UPDATE");
    send(other, "DO $$ BEGIN "
                "WHILE NOT EXISTS(SELECT 1 FROM pg_stat_activity WHERE wait_event_type='Lock' AND "
                "datname=current_database()) LOOP "
                "PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; "
                "UPDATE touyan.incarnation SET seen=seen; END $$;COMMIT");
    int64_t lseq = county_push(f, 1, "checkin", 0, 1, 1, ROW);
    finish(other);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM feed"), 1);
    assert_int_equal(
        county_int(f, "SELECT deadlocks FROM pg_stat_database WHERE datname=current_database()"),
        1);
    PQfinish(other);
}

static void what_is_ended_each_time_is_busy(void **state)
{
    struct county_fixture *f = *state;
    struct err err = {0};
    struct store_answer answer = {0};
    static const char HELLO[] = "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":0,\"tok\":\"\","
                                "\"acked\":0,\"fp\":\"\",\"push\":[],\"pull\":{},\"max\":4096}";
    county_exec(f, "CREATE SEQUENCE touyan.tries;"
                   "CREATE FUNCTION touyan.end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                   "PERFORM nextval('touyan.tries'); RAISE serialization_failure; END $$;"
                   "CREATE TRIGGER end_it BEFORE INSERT ON touyan.incarnation FOR EACH ROW EXECUTE "
                   "FUNCTION touyan.end_it()");
    buf_init(&answer.body, 65536);
    assert_int_equal(
        f->store->ops->sync(f->store, &f->station, HELLO, strlen(HELLO), &answer, &err), ERR_BUSY);
    assert_int_equal(county_int(f, "SELECT last_value FROM touyan.tries"), LIMIT_STORE_REPEATS);
    county_exec(f, "DROP TRIGGER end_it ON touyan.incarnation");
    buf_clear(&answer.body);
    assert_int_equal(
        f->store->ops->sync(f->store, &f->station, HELLO, strlen(HELLO), &answer, &err), ERR_OK);
    assert_int_equal(answer.status, 200);
    buf_free(&answer.body);
}

/* A counter each: what one does moves nothing of the other's. */
static void counties_of_one_database_do_not_meet(void **state)
{
    struct county_fixture *f = *state;
    struct store *mine = f->store, *other = NULL;
    struct err err = {0};
    struct store_options options = {.path = f->path,
                                    .county = "152224",
                                    .clock = &f->clock,
                                    .rnd = &f->rnd,
                                    .seal = f->seal,
                                    .new_epoch = true};
    static const char TOKEN[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    if (store_open(&options, &other, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mine->ops->station_add(mine, "east", "S0117", TOKEN, &err), ERR_OK);
    struct store_station who;
    assert_int_equal(other->ops->station_by_token(other, TOKEN, &who, &err), ERR_NOT_FOUND);
    assert_int_equal(other->ops->station_add(other, "east", "S0117", TOKEN, &err), ERR_OK);
    int64_t lseq = county_push(f, 1, "checkin", 0, 1, 1, ROW);
    assert_string_equal(county_verdict(f, lseq), "ok");
    int64_t v = county_int(f, "SELECT v FROM touyan.ctr WHERE county='0'");
    assert_true(county_int(f, "SELECT v FROM touyan.ctr WHERE county='152224'") < v);
    f->store = other;
    county_sync(f, 0, "[]", "{}");
    int inc = (int)json_int(f->reply, "inc", 0);
    county_sync(f, inc, "[]", "{\"S0117\":[\"\",0]}");
    assert_null(county_pulled(f, "c1"));
    lseq = county_push(f, inc, "checkin", 0, 1, 1, ROW);
    assert_string_equal(county_verdict(f, lseq), "ok");
    f->store = mine;
    other->ops->close(other);
    assert_int_equal(county_int(f, "SELECT count(*) FROM touyan.checkin WHERE id='c1'"), 2);
    assert_int_equal(county_int(f, "SELECT count(*) FROM touyan_152224.checkin"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM touyan_0.checkin"), 1);
    assert_int_equal(county_int(f, "SELECT v FROM touyan.ctr WHERE county='0'"), v);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(one_that_is_ended_by_a_deadlock_is_repeated),
        TEST(what_is_ended_each_time_is_busy),
        TEST(counties_of_one_database_do_not_meet),
    };
    if (getenv("TOUYAN_TEST_POSTGRESQL") == NULL) {
        fputs("no PostgreSQL: see with_postgres.py\n", stderr);
        return 1;
    }
    return cmocka_run_group_tests(all, NULL, NULL);
}
