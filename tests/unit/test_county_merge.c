/* How the county merges what stations push: sync/PROTOCOL.md 2.2 and 2.3, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/county_fixture.h"

#define NOW ((int64_t)FIXTURE_NOW * 1000)

static const char DUTY[] =
    "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p1\",\"role\":0,"
    "\"state\":\"planned\"";
static const char CONFIRMED[] = "\"id\":\"a1\",\"state\":\"confirmed\"";
static const char DECLINED[] = "\"id\":\"a1\",\"state\":\"declined\"";

enum { PLAN = 1, STATE = 2, BOTH = 3 };

static int64_t version(struct county_fixture *f)
{
    return json_int(f->reply, "v0", 0);
}

/* The row at the county, made by incarnation 1; returns its version. */
static int64_t make_duty(struct county_fixture *f)
{
    int64_t lseq = county_push(f, 1, "assignment", 0, BOTH, NOW, DUTY);
    assert_string_equal(county_verdict(f, lseq), "ok");
    return version(f);
}

static const char *duty_state(struct county_fixture *f)
{
    return county_text(f, "SELECT state FROM assignment WHERE id='a1'");
}

static void a_new_row_is_inserted(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    assert_true(v >= NOW * 1000 - 1); /* never below the clock in microseconds */
    assert_int_equal(county_int(f, "SELECT _v FROM assignment"), v);
    assert_int_equal(county_int(f, "SELECT g0_v=g1_v AND g1_v=_v AND g1_o=1 FROM assignment"), 1);
    assert_int_equal(county_int(f, "SELECT o FROM feed WHERE pk='a1'"), 1);
    assert_int_equal(json_int(f->reply, "ack", 0), 1);
}

static void versions_grow_in_the_order_of_commits(void **state)
{
    struct county_fixture *f = *state;
    int64_t last = make_duty(f);
    f->cells.wall_ms -= 86400000; /* the clock steps back a day */
    county_push(f, 1, "assignment", last, STATE, NOW, CONFIRMED);
    assert_true(version(f) > last);
}

static void a_causal_edit_is_accepted_whatever_its_clock(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    int64_t lseq = county_push(f, 2, "assignment", v, STATE, 5, CONFIRMED); /* stamped 1970 */
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_string_equal(duty_state(f), "confirmed");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    assert_int_equal(county_int(f, "SELECT g0_v<g1_v FROM assignment"), 1);
}

/* What is pushed once more, and says the same later, has the later stamp. */
static void the_same_said_later_has_the_later_stamp(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, STATE, NOW + 1000, CONFIRMED);
    int64_t row_v = county_int(f, "SELECT _v FROM assignment");
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW + 3000, CONFIRMED);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT g1_h FROM assignment"), NOW + 3000);
    assert_int_equal(county_int(f, "SELECT _v FROM assignment"), row_v);
    assert_int_equal(county_int(f, "SELECT max(v) FROM feed"), row_v);
    county_push(f, 1, "assignment", v, STATE, NOW + 2000, CONFIRMED);
    assert_int_equal(county_int(f, "SELECT g1_h FROM assignment"), NOW + 3000);
}

static void what_a_causal_edit_replaced_does_not_win_over_it(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    int64_t lseq = county_push(f, 2, "assignment", v, STATE, 5, CONFIRMED); /* a dead clock */
    assert_string_equal(county_verdict(f, lseq), "ok");
    lseq = county_push(f, 1, "assignment", 0, STATE, NOW, "\"id\":\"a1\",\"state\":\"planned\"");
    assert_string_equal(county_verdict(f, lseq), "lost");
    assert_string_equal(duty_state(f), "confirmed");
}

static void its_own_edits_never_conflict(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 1, "assignment", v, STATE, NOW, CONFIRMED);
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW, DECLINED); /* same base */
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_string_equal(duty_state(f), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

static void of_concurrent_edits_the_later_stamp_wins(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW + 1000, CONFIRMED);
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW + 2000, DECLINED);
    /* incarnation 2 wrote in between: the group has its origin */
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_string_equal(duty_state(f), "declined");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict WHERE win_o=1 AND lose_o=2"), 1);
    assert_string_equal(county_text(f, "SELECT json_extract(lose_val,'$.state') FROM conflict"),
                        "confirmed");
}

static void the_loser_is_told_which_groups_did_not_lose(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW - 1000, CONFIRMED);
    int64_t lseq =
        county_push(f, 1, "assignment", v, BOTH, NOW - 2000,
                    "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p2\","
                    "\"role\":0,\"state\":\"declined\"");
    assert_string_equal(county_verdict(f, lseq), "lost");
    const struct json *won = json_at(json_get(f->reply, "won"), 0);
    assert_int_equal(json_as_int(json_at(won, 0), 0), lseq);
    assert_int_equal(json_as_int(json_at(won, 1), 0), PLAN);
    assert_string_equal(county_text(f, "SELECT person_id FROM assignment"), "p2");
}

static void the_loser_is_told_and_logged_and_gets_the_row(void **state)
{
    struct county_fixture *f = *state;
    char cursor[96];
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW - 1000, CONFIRMED);
    snprintf(cursor, sizeof cursor, "{\"S0117\":[\"%s\",%lld]}", json_text(f->reply, "ep", ""),
             (long long)version(f)); /* it has read past the winner's version already */
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW - 2000, DECLINED);
    assert_string_equal(county_verdict(f, lseq), "lost");
    assert_null(json_get(f->reply, "won")); /* nothing */
    assert_string_equal(duty_state(f), "confirmed");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict WHERE win_o=2 AND lose_o=1"), 1);
    assert_string_equal(county_text(f, "SELECT json_extract(lose_val,'$.state') FROM conflict"),
                        "declined");
    county_sync(f, 1, "[]", cursor);
    const struct json *row = county_pulled(f, "a1");
    assert_non_null(row);
    assert_string_equal(json_text(row, "state", ""), "confirmed");
}

static void a_clock_far_ahead_is_clamped(void **state)
{
    struct county_fixture *f = *state;
    make_duty(f);
    int64_t v = version(f);
    county_push(f, 2, "assignment", v, STATE, NOW + INT64_C(315360000000), CONFIRMED);
    assert_int_equal(county_int(f, "SELECT g1_h FROM assignment"), NOW + 5000);
}

static void an_equal_value_moves_nothing(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    int64_t lseq =
        county_push(f, 1, "assignment", v, STATE, NOW + 1, "\"id\":\"a1\",\"state\":\"planned\"");
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT _v FROM assignment"), v);
    assert_int_equal(county_int(f, "SELECT v FROM feed WHERE pk='a1'"), v);
    /* equal to what another one wrote meanwhile: no conflict, and the group keeps its version */
    county_push(f, 2, "assignment", v, STATE, NOW, CONFIRMED);
    int64_t g1 = county_int(f, "SELECT g1_v FROM assignment");
    lseq = county_push(f, 1, "assignment", v, STATE, NOW + 2, CONFIRMED);
    assert_string_equal(county_verdict(f, lseq), "keep");
    assert_int_equal(county_int(f, "SELECT g1_v FROM assignment"), g1);
    assert_int_equal(county_int(f, "SELECT g1_o FROM assignment"), 2);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

static void groups_win_and_lose_apart(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, PLAN, NOW,
                "\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\",\"person_id\":\"p2\"");
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW, CONFIRMED);
    assert_string_equal(county_verdict(f, lseq), "keep"); /* it has not seen the new person */
    assert_string_equal(county_text(f, "SELECT person_id||state FROM assignment"), "p2confirmed");
    assert_int_equal(county_int(f, "SELECT o IS NULL FROM feed WHERE pk='a1'"), 1);
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
}

static void each_group_is_judged_by_its_own_stamp(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW - 1000, CONFIRMED);
    int64_t lseq = county_push(f, 1, "assignment", v, BOTH, NOW,
                               "\"h1\":1788796798000,\"id\":\"a1\",\"scope\":\"S0117\","
                               "\"shift_id\":\"s1\",\"person_id\":\"p2\",\"state\":\"declined\"");
    assert_string_equal(county_verdict(f, lseq), "lost");
    assert_string_equal(county_text(f, "SELECT person_id||state FROM assignment"), "p2confirmed");
    assert_int_equal(county_int(f, "SELECT lose_h FROM conflict"), NOW - 2000);
    lseq = county_push(f, 1, "assignment", v, STATE, NOW,
                       "\"h1\":\"x\",\"id\":\"a1\",\"state\":\"declined\"");
    assert_string_equal(county_verdict(f, lseq), "type h");
}

static void a_row_with_a_group_that_lost_comes_down_again(void **state)
{
    struct county_fixture *f = *state;
    int64_t v = make_duty(f);
    county_push(f, 2, "assignment", v, STATE, NOW, CONFIRMED);
    int64_t seen = version(f);
    county_push(f, 1, "assignment", v, STATE, NOW - 2000, DECLINED);
    /* the winner's row came before that and could not replace the loser's value */
    int64_t lseq = county_push(f, 1, "assignment", seen, PLAN, NOW,
                               "\"unfed\":2,\"id\":\"a1\",\"scope\":\"S0117\",\"shift_id\":\"s1\","
                               "\"person_id\":\"p2\"");
    assert_string_equal(county_verdict(f, lseq), "keep");
    assert_string_equal(county_text(f, "SELECT person_id||state FROM assignment"), "p2confirmed");
    assert_int_equal(county_int(f, "SELECT o IS NULL FROM feed WHERE pk='a1'"), 1);
}

static void an_edit_of_a_row_that_is_not_there_is_gone(void **state)
{
    struct county_fixture *f = *state;
    int64_t lseq = county_push(f, 1, "assignment", 77, BOTH, NOW, DUTY);
    assert_string_equal(county_verdict(f, lseq), "gone");
    assert_int_equal(county_int(f, "SELECT count(*) FROM assignment"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine WHERE why='gone'"), 1);
}

static void a_late_edit_does_not_raise_the_dead(void **state)
{
    struct county_fixture *f = *state;
    const char *head = "id,scope,shift_id,person_id,state\n";
    char both[256];
    snprintf(both, sizeof both, "%sa1,S0117,s1,p1,planned\na2,S0117,s1,p2,planned\n", head);
    county_exec(f, "INSERT INTO shift(id,scope,post_id,date,peak,state,_v) "
                   "VALUES('s1','S0117','x','2026-09-08','am','published',1);"
                   "INSERT INTO person(id,scope,kind,name,_v) VALUES('p1','S0117','parent','n',1),"
                   "('p2','S0117','parent','n',1)");
    assert_int_equal(county_import(f, "assignment.csv", both, false), ERR_OK);
    int64_t v = county_int(f, "SELECT _v FROM assignment WHERE id='a1'");
    snprintf(both, sizeof both, "%sa2,S0117,s1,p2,planned\n", head);
    assert_int_equal(county_import(f, "assignment.csv", both, true), ERR_OK);
    assert_int_equal(f->result.removed, 1);
    int64_t lseq = county_push(f, 1, "assignment", v, STATE, NOW, CONFIRMED);
    assert_string_equal(county_verdict(f, lseq), "keep");
    assert_int_equal(county_int(f, "SELECT _del FROM assignment WHERE id='a1'"), 1);
    assert_string_equal(duty_state(f), "confirmed"); /* merged under the tombstone */
    county_sync(f, 1, "[]", "{\"S0117\":[\"\",0]}");
    assert_string_equal(json_text(county_pulled(f, "a1"), "_op", ""), "D");
    assert_string_equal(json_text(county_pulled(f, "a2"), "_op", ""), "U");
}

static void a_repeated_push_gets_the_same_answer(void **state)
{
    struct county_fixture *f = *state;
    const char *push = "[{\"t\":\"assignment\",\"r\":[{\"lseq\":9,\"base\":4,\"gm\":3,\"h\":1,"
                       "\"id\":\"a9\",\"scope\":\"S0117\",\"shift_id\":\"s\",\"person_id\":\"p\","
                       "\"state\":\"planned\"}]},{\"t\":\"checkin\",\"r\":[{\"lseq\":10,\"base\":0,"
                       "\"gm\":1,\"h\":1,\"id\":\"c9\",\"scope\":\"S0117\",\"kind\":\"in\","
                       "\"channel\":\"sms\"}]}]";
    county_fp("00000000000000aa");
    county_sync(f, 1, push, "{}");
    assert_string_equal(county_verdict(f, 9), "gone");
    int64_t v0 = version(f);
    county_reopen(f);
    county_call(f, COUNTY_SYNC, f->sent);
    assert_int_equal(f->status, 200);
    assert_int_equal(version(f), v0);
    assert_string_equal(county_verdict(f, 9), "gone");
    assert_int_equal(json_int(f->reply, "ack", 0), 10);
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(county_int(f, "SELECT _v FROM checkin"), v0 + 1);
    county_fp("00000000000000bb"); /* old numbers, new content */
    county_sync(f, 1, push, "{}");
    assert_int_equal(f->status, 409);
    assert_int_equal(json_int(json_get(f->reply, "reinc"), "last", 0), 10);
}

static void events_are_kept_once(void **state)
{
    struct county_fixture *f = *state;
    const char *in = "\"id\":\"c1\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"";
    const char *out = "\"id\":\"c1\",\"scope\":\"S0117\",\"kind\":\"out\",\"channel\":\"sms\"";
    county_push(f, 1, "checkin", 0, 1, NOW, in);
    int64_t lseq = county_push(f, 2, "checkin", 0, 1, NOW, in);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict"), 0);
    lseq = county_push(f, 2, "checkin", 0, 1, NOW, out);
    assert_string_equal(county_verdict(f, lseq), "ok");
    assert_string_equal(county_text(f, "SELECT kind FROM checkin"), "in");
    assert_int_equal(county_int(f, "SELECT count(*) FROM conflict WHERE why='event told twice'"),
                     1);
}

static void stations_write_their_own_scope_and_no_county_tables(void **state)
{
    struct county_fixture *f = *state;
    int64_t lseq =
        county_push(f, 1, "checkin", 0, 1, NOW,
                    "\"id\":\"x\",\"scope\":\"S0118\",\"kind\":\"in\",\"channel\":\"s\"");
    assert_string_equal(county_verdict(f, lseq), "scope");
    lseq = county_push(f, 1, "person", 0, 1, NOW,
                       "\"id\":\"x\",\"scope\":\"S0117\",\"kind\":\"p\",\"name\":\"n\","
                       "\"phone\":\"+8610000019999\"");
    assert_string_equal(county_verdict(f, lseq), "direction");
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine WHERE row LIKE '%19999%'"), 0);
    lseq = county_push(f, 1, "nothing", 0, 1, NOW, "\"id\":\"x\"");
    assert_string_equal(county_verdict(f, lseq), "table");
    county_exec(f, "UPDATE assignment SET scope='S0118'");
    make_duty(f);
    county_exec(f, "UPDATE assignment SET scope='S0118'");
    lseq = county_push(f, 1, "assignment", version(f), STATE, NOW, CONFIRMED);
    assert_string_equal(county_verdict(f, lseq), "scope");
}

/* One row each of what is known to break whole batches elsewhere, between good ones. */
static void poisonous_rows_spoil_themselves_only(void **state)
{
    struct county_fixture *f = *state;
    static const struct {
        const char *members, *verdict;
    } ROWS[] = {
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"g1\",\"kind\":\"in\",\"at\":1", "ok"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p1\",\"kind\":\"i\\u0000n\"", "text U+0000"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p2\",\"kind\":\"\\ud800\"", "text kind"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p3\",\"kind\":\"\xff\"", "text kind"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p4\",\"kind\":\"in\",\"at\":1.5", "type at"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p5\",\"kind\":\"in\",\"at\":1.0", "type at"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p6\",\"kind\":\"in\",\"at\":\"12x\"", "type at"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p7\",\"kind\":\"in\",\"at\":99999999999999999999",
         "type at"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p8\",\"kind\":{\"a\":1}", "type kind"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p9\",\"kind\":true", "type kind"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"p10\"", "required kind"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":7,\"kind\":\"in\"", "id"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"\",\"kind\":\"in\"", "id"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"g1\",\"kind\":\"out\"", "duplicate"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"g3\",\"kind\":\"\\\\u0000\"", "ok"},
        {"\"base\":0,\"gm\":1,\"h\":1,\"id\":\"g2\",\"kind\":\"in\",\"at\":null,\"new\":[1]", "ok"},
    };
    struct buf push;
    size_t count = sizeof ROWS / sizeof *ROWS;
    buf_init(&push, 1 << 20);
    buf_add_text(&push, "[{\"t\":\"checkin\",\"r\":[");
    for (size_t i = 0; i < count; i++)
        buf_printf(&push, "%s{\"lseq\":%zu,\"scope\":\"S0117\",\"channel\":\"sms\",%s}",
                   i > 0 ? "," : "", i + 1, ROWS[i].members);
    buf_add_text(&push, "]}]");
    county_sync(f, 1, buf_text(&push), "{}");
    assert_int_equal(f->status, 200);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(county_verdict(f, (int64_t)i + 1), ROWS[i].verdict);
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 3);
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine"), (int64_t)count - 3);
    buf_free(&push);
}

static void a_huge_row_is_refused_alone(void **state)
{
    struct county_fixture *f = *state;
    struct buf push;
    char filler[1024];
    memset(filler, 'x', sizeof filler);
    buf_init(&push, 1 << 20);
    buf_add_text(&push,
                 "[{\"t\":\"checkin\",\"r\":[{\"lseq\":1,\"id\":\"c1\",\"scope\":\"S0117\","
                 "\"kind\":\"in\",\"channel\":\"sms\"},{\"lseq\":2,\"id\":\"c2\",\"more\":\"");
    for (int i = 0; i < 70; i++)
        buf_add(&push, filler, sizeof filler);
    buf_add_text(&push, "\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"}]}]");
    county_sync(f, 1, buf_text(&push), "{}");
    assert_string_equal(county_verdict(f, 1), "ok");
    assert_string_equal(county_verdict(f, 2), "size");
    buf_free(&push);
}

/* What passes every check and is refused by the engine all the same is found by halving. */
static void a_row_that_the_engine_refuses_is_found(void **state)
{
    struct county_fixture *f = *state;
    struct buf push;
    county_exec(f, f->database[0] == '\0'
                       ? "CREATE TRIGGER no BEFORE INSERT ON checkin WHEN NEW.id IN('c13','c77') "
                         "BEGIN SELECT RAISE(ABORT,'no'); END"
                       : "CREATE TRIGGER no BEFORE INSERT ON touyan.checkin FOR EACH ROW WHEN "
                         "(NEW.id IN('c13','c77')) EXECUTE FUNCTION touyan.refuse()");
    buf_init(&push, 1 << 20);
    buf_add_text(&push, "[{\"t\":\"checkin\",\"r\":[");
    for (int i = 1; i <= 100; i++)
        buf_printf(&push,
                   "%s{\"lseq\":%d,\"base\":0,\"gm\":1,\"h\":1,\"id\":\"c%d\",\"scope\":\"S0117\","
                   "\"kind\":\"in\",\"channel\":\"sms\"}",
                   i > 1 ? "," : "", i, i);
    buf_add_text(&push, "]}]");
    county_sync(f, 1, buf_text(&push), "{}");
    assert_int_equal(f->status, 200);
    assert_string_equal(county_verdict(f, 13), "check");
    assert_string_equal(county_verdict(f, 77), "check");
    assert_int_equal(json_count(json_get(f->reply, "bad")), 2);
    assert_int_equal(county_int(f, "SELECT count(*) FROM checkin"), 98);
    assert_int_equal(county_int(f, "SELECT count(*) FROM feed WHERE tid=15"), 98);
    /* row k has v0 + k, whatever became of the others */
    assert_int_equal(county_int(f, "SELECT _v FROM checkin WHERE id='c100'"), version(f) + 99);
    buf_free(&push);
}

static void wrong_requests_change_nothing(void **state)
{
    struct county_fixture *f = *state;
    static const struct {
        const char *push;
        int status;
    } WRONG[] = {
        {"7", 400},
        {"[7]", 400},
        {"[{\"t\":\"checkin\",\"r\":[7]}]", 400},
        {"[{\"t\":\"checkin\",\"r\":[{\"id\":\"x\"}]}]", 400},
        {"[{\"t\":\"checkin\",\"r\":[{\"lseq\":\"1\"}]}]", 400},
        {"[", 400},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        county_sync(f, 1, WRONG[i].push, "{}");
        assert_int_equal(f->status, WRONG[i].status);
        assert_non_null(json_get(f->reply, "error"));
    }
    county_sync(f, 1, "[]", "{\"S0118\":[\"\",0]}");
    assert_int_equal(f->status, 403);
    county_sync(f, 1, "[]", "{\"S0117\":[1]}");
    assert_int_equal(f->status, 400);
    county_sync(f, 99, "[{\"t\":\"checkin\",\"r\":[{\"lseq\":1}]}]", "{}");
    assert_int_equal(f->status, 409);
    assert_int_equal(county_int(f, "SELECT max(last_lseq) FROM incarnation"), 0);
    assert_int_equal(county_int(f, "SELECT count(*) FROM quarantine"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_new_row_is_inserted),
        TEST(versions_grow_in_the_order_of_commits),
        TEST(a_causal_edit_is_accepted_whatever_its_clock),
        TEST(the_same_said_later_has_the_later_stamp),
        TEST(what_a_causal_edit_replaced_does_not_win_over_it),
        TEST(its_own_edits_never_conflict),
        TEST(of_concurrent_edits_the_later_stamp_wins),
        TEST(the_loser_is_told_which_groups_did_not_lose),
        TEST(the_loser_is_told_and_logged_and_gets_the_row),
        TEST(a_clock_far_ahead_is_clamped),
        TEST(an_equal_value_moves_nothing),
        TEST(groups_win_and_lose_apart),
        TEST(each_group_is_judged_by_its_own_stamp),
        TEST(a_row_with_a_group_that_lost_comes_down_again),
        TEST(an_edit_of_a_row_that_is_not_there_is_gone),
        TEST(a_late_edit_does_not_raise_the_dead),
        TEST(a_repeated_push_gets_the_same_answer),
        TEST(events_are_kept_once),
        TEST(stations_write_their_own_scope_and_no_county_tables),
        TEST(poisonous_rows_spoil_themselves_only),
        TEST(a_huge_row_is_refused_alone),
        TEST(a_row_that_the_engine_refuses_is_found),
        TEST(wrong_requests_change_nothing),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
