/* The routes over a replica in memory, without HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "gateway/console/console.h"
#include "sync/replica/seal.h"

struct world {
    struct rnd rnd;
    struct clock_cells cells;
    struct clock clock;
    struct seal *seal;
    struct replica *replica;
    struct console console;
    int sync_now;
    char code[64];
    char number[64], text[256];
};

static struct json *port_status(void *ctx)
{
    (void)ctx;
    struct json *json = json_new_object();
    json_set_text(json, "station", "S0117");
    return json;
}

static int port_send(void *ctx, const char *number, const char *text,
                     char ret_id[LIMIT_ID_BYTES + 1], struct err *err)
{
    struct world *world = ctx;
    if (strcmp(number, "1") == 0)
        return err_set(err, ERR_INVALID, "no number");
    snprintf(world->number, sizeof world->number, "%s", number);
    snprintf(world->text, sizeof world->text, "%s", text);
    snprintf(ret_id, LIMIT_ID_BYTES + 1, "id-1");
    return ERR_OK;
}

static int port_simulate(void *ctx, const char *number, const char *text, struct err *err)
{
    char id[LIMIT_ID_BYTES + 1];
    return port_send(ctx, number, text, id, err);
}

static void port_sync_now(void *ctx)
{
    ((struct world *)ctx)->sync_now++;
}

static int port_enrol(void *ctx, const char *code, struct err *err)
{
    struct world *world = ctx;
    if (code != NULL && strcmp(code, "wrong") == 0)
        return err_set(err, ERR_INVALID, "no code");
    snprintf(world->code, sizeof world->code, "%s", code != NULL ? code : "none");
    return ERR_OK;
}

static int set_up(void **state)
{
    static struct world world;
    struct err err = {0};
    world = (struct world){.rnd = rnd_seeded(1), .cells = {1788737520000, 1000}};
    world.clock = clock_manual(&world.cells);
    world.seal = seal_for_test();
    struct replica_options options = {
        .path = ":memory:", .clock = &world.clock, .rnd = &world.rnd, .seal = world.seal};
    assert_int_equal(replica_open(&options, &world.replica, &err), ERR_OK);
    world.console = (struct console){.replica = world.replica,
                                     .ports = {.ctx = &world,
                                               .status = port_status,
                                               .check = port_status,
                                               .sync = port_status,
                                               .idle = port_status,
                                               .sync_now = port_sync_now,
                                               .enrolment = port_status,
                                               .enrol = port_enrol,
                                               .send = port_send,
                                               .simulate = port_simulate}};
    replica_enter(world.replica);
    replica_run(
        world.replica,
        "INSERT INTO outbox(id, idem, phone, body, prio, concat_ref, parts, created_at,"
        " not_before_at, not_after_at, state, text_id) VALUES ('aa-1', 'k',"
        " seal_phone('+8613800000001'), seal('到岗'), 1, 0, 1, 5000, 0, 9000, 'queued', 'A1')",
        "");
    replica_run(world.replica,
                "INSERT INTO outbox_history(message_seq, part, copy, at, state)"
                " SELECT seq, 1, 0, 5000, 'queued' FROM outbox",
                "");
    replica_run(world.replica,
                "INSERT INTO device(id, scope, product, kind, name) VALUES"
                " ('d1', 'S0117', 'touyan', 'sos', '东门')",
                "");
    assert_true(replica_leave(world.replica, true));
    assert_true(replica_commit(world.replica));
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    replica_close(world->replica);
    seal_close(world->seal);
    return 0;
}

static bool as_reader; /* the next requests are those of somebody who may look only */

/* The parsed answer; the caller frees it. */
static struct json *ask(struct world *world, const char *method, const char *path, const char *body,
                        int wanted_status, bool wanted_wrote)
{
    struct http_request request = {.method = method,
                                   .path = path,
                                   .body = body,
                                   .body_size = strlen(body),
                                   .reader = as_reader};
    struct http_answer answer = {.status = 200};
    struct json *json = NULL;
    buf_init(&answer.json, 100000);
    replica_enter(world->replica);
    console_respond(&world->console, &request, &answer);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
    assert_int_equal(answer.status, wanted_status);
    assert_int_equal(answer.wrote, wanted_wrote);
    assert_int_equal(json_parse(buf_text(&answer.json), answer.json.size, &json, NULL), ERR_OK);
    assert_int_equal(json_int(json, "v", 0), 1);
    assert_true(wanted_status < 400 || json_text(json, "error", NULL) != NULL);
    buf_free(&answer.json);
    return json;
}

/* Who may look sees figures, roster and ledger; no message, no number, and changes nothing. */
static void test_readers_look_and_do_not_act(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *method, *path;
        int status;
    } requests[] = {
        {"GET", "/v1/account", 200},  {"GET", "/v1/ledger", 200},    {"GET", "/v1/sms", 403},
        {"GET", "/v1/inbox", 403},    {"GET", "/v1/desk", 403},      {"GET", "/v1/volunteers", 403},
        {"GET", "/v1/declines", 403}, {"POST", "/v1/ledger", 403},   {"POST", "/v1/sms/send", 403},
        {"POST", "/v1/lists", 403},   {"POST", "/v1/sync/now", 403}, {"GET", "/v1/nothing", 404}};
    as_reader = true;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        json_free(
            ask(world, requests[i].method, requests[i].path, "{}", requests[i].status, false));
    as_reader = false;
}

static void test_what_sync_has_open(void **state)
{
    struct world *world = *state;
    replica_enter(world->replica);
    replica_run(world->replica,
                "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
                "('s1','S1','p','d','am','planned')",
                "");
    replica_run(world->replica,
                "INSERT INTO sync_conflict(at,tid,pk,gm,mine) VALUES "
                "(7,13,'s2',2,seal('{\"state\":\"done\"}'))",
                "");
    replica_run(world->replica,
                "INSERT INTO sync_quarantine(at,way,tid,pk,v,row,why) VALUES (8,'in',7,'p1',5,"
                "seal('{\"id\":\"p1\",\"phone\":\"+8613800000001\"}'),'required name'),"
                "(9,'in',7,'p2',6,seal('{broken'),'no object')",
                "");
    assert_true(replica_leave(world->replica, true));
    struct json *json = ask(world, "GET", "/v1/sync/pending", "", 200, false);
    const struct json *one = json_at(json_get(json, "pending"), 0);
    assert_string_equal(json_text(one, "table", ""), "shift");
    assert_string_equal(json_text(one, "state", ""), "unsent");
    assert_int_equal(json_int(one, "time_q", -1), -1);
    json_free(json);
    json = ask(world, "GET", "/v1/sync/conflicts", "", 200, false);
    one = json_at(json_get(json, "conflicts"), 0);
    assert_string_equal(json_text(json_get(one, "mine"), "state", ""), "done");
    json_free(json);
    json = ask(world, "GET", "/v1/sync/quarantine", "", 200, false);
    const struct json *list = json_get(json, "quarantine");
    assert_int_equal(json_count(list), 2);
    assert_null(json_text(json_at(list, 0), "row", NULL));
    assert_null(strstr(json_text(json_get(json_at(list, 1), "row"), "phone", ""), "0000"));
    assert_string_equal(json_text(json_at(list, 1), "why", ""), "required name");
    json_free(json);
}

static void test_routes(void **state)
{
    struct world *world = *state;
    static const char *const paths[] = {
        "/v1/status",  "/v1/check", "/v1/sync",         "/v1/idle",           "/v1/sms",
        "/v1/devices", "/v1/desk",  "/v1/sync/pending", "/v1/sync/conflicts", "/v1/sync/quarantine",
        "/v1/enrol"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        json_free(ask(world, "GET", paths[i], "", 200, false));
        json_free(ask(world, "DELETE", paths[i], "", 405, false));
    }
    json_free(ask(world, "GET", "/", "", 404, false));
    json_free(ask(world, "GET", "/v1/statusx", "", 404, false));
    json_free(ask(world, "GET", "/v1/sms/", "", 404, false));
    json_free(ask(world, "GET", "/v1/sms/aa-1/x", "", 404, false));
    json_free(ask(world, "POST", "/v1/sync/now", "", 200, false));
    assert_int_equal(world->sync_now, 1);
}

static void test_enrolling_passes_the_code_on(void **state)
{
    struct world *world = *state;
    json_free(ask(world, "POST", "/v1/enrol", "{\"code\":\"K7QX\"}", 200, false));
    assert_string_equal(world->code, "K7QX");
    json_free(ask(world, "POST", "/v1/enrol", "{}", 200, false));
    assert_string_equal(world->code, "none");
    json_free(ask(world, "POST", "/v1/enrol", "{\"code\":\"wrong\"}", 400, false));
    json_free(ask(world, "POST", "/v1/enrol", "[", 400, false));
}

static void test_messages_are_masked(void **state)
{
    struct world *world = *state;
    struct json *json = ask(world, "GET", "/v1/sms", "", 200, false);
    const struct json *first = json_at(json_get(json, "sms"), 0);
    assert_string_equal(json_text(first, "number", ""), "***001");
    assert_string_equal(json_text(first, "text", ""), "到岗");
    assert_string_equal(json_text(first, "dir", ""), "out");
    json_free(json);
    json = ask(world, "GET", "/v1/sms/aa-1", "", 200, false);
    assert_string_equal(json_text(json, "state", ""), "queued");
    assert_int_equal(json_count(json_get(json, "history")), 1);
    json_free(json);
    json_free(ask(world, "GET", "/v1/sms/none", "", 404, false));
}

static void test_devices(void **state)
{
    struct json *json = ask(*state, "GET", "/v1/devices", "", 200, false);
    const struct json *first = json_at(json_get(json, "devices"), 0);
    assert_string_equal(json_text(first, "id", ""), "d1");
    assert_string_equal(json_text(first, "state", ""), "unknown");
    assert_true(json_bool(first, "registered", false));
    json_free(json);
}

static void test_desk(void **state)
{
    struct world *world = *state;
    replica_enter(world->replica);
    replica_run(world->replica,
                "INSERT INTO desk_item(id, at, kind, phone, body) VALUES"
                " ('t1', 5000, 'text', seal_phone('+8613800000001'), seal('停车场有人打架')),"
                " ('c1', 4000, 'call', seal_phone('+8613800000002'), seal('07:20 东门'))",
                "");
    replica_run(world->replica,
                "INSERT INTO mqtt_raw(heard_at, topic, payload, size, retained, reason)"
                " VALUES (5000, 'a/b', 'x', 1, 0, 'no rule')",
                "");
    assert_true(replica_leave(world->replica, true));
    assert_true(replica_commit(world->replica));
    struct json *json = ask(world, "GET", "/v1/desk", "", 200, false);
    const struct json *first = json_at(json_get(json, "items"), 0);
    assert_string_equal(json_text(first, "number", ""), "***001");
    assert_string_equal(json_text(first, "text", ""), "停车场有人打架");
    const struct json *call = json_at(json_get(json, "items"), 1);
    assert_string_equal(json_text(call, "number", ""), "+8613800000002"); /* to be called */
    json_free(json);
    json_free(ask(world, "POST", "/v1/desk/done", "{\"id\":\"c1\"}", 200, true));
    json_free(ask(world, "POST", "/v1/desk/done", "{\"id\":\"t1\"}", 200, true));
    json_free(ask(world, "POST", "/v1/desk/done", "{\"id\":\"t1\"}", 404, false));
    json_free(ask(world, "POST", "/v1/desk/done", "{", 400, false));
    json = ask(world, "GET", "/v1/desk", "", 200, false);
    assert_int_equal(json_count(json_get(json, "items")), 0);
    json_free(json);
    json = ask(world, "GET", "/v1/devices", "", 200, false);
    first = json_at(json_get(json, "raw"), 0);
    assert_string_equal(json_text(first, "reason", ""), "no rule");
    json_free(json);
}

static void test_writing(void **state)
{
    struct world *world = *state;
    static const char good[] = "{\"number\":\"13800000001\",\"text\":\"放学S17\"}";
    struct json *json = ask(world, "POST", "/v1/sms/send", good, 200, true);
    assert_string_equal(json_text(json, "id", ""), "id-1");
    assert_string_equal(world->number, "13800000001");
    assert_string_equal(world->text, "放学S17");
    json_free(json);
    json_free(ask(world, "POST", "/v1/sms/simulate", good, 200, true));
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"number\":\"1\"}",
                                      "{\"number\":1,\"text\":\"a\"}",
                                      "{} trail",
                                      "\"text\"",
                                      "{\"number\":\"1\",\"text\":\"a\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_free(ask(world, "POST", "/v1/sms/send", bad[i], 400, false));
        json_free(ask(world, "POST", "/v1/sms/simulate", bad[i], 400, false));
    }
}

static int port_ledger(void *ctx, const struct json *body, char ret_code[5], struct err *err)
{
    (void)ctx;
    if (strcmp(json_text(body, "act", ""), "verify") == 0)
        return err_set(err, ERR_STATE, "somebody else has to look");
    snprintf(ret_code, 5, "4821");
    return ERR_OK;
}

static void test_ledger(void **state)
{
    struct world *world = *state;
    world->console.ports.ledger = port_ledger;
    replica_enter(world->replica);
    replica_run(world->replica,
                "INSERT INTO issue(id, scope, school_id, code, source, title, found_at, state,"
                " due_on) VALUES ('i1', 'S0117', 'S17', '0136', 'sms', '东门违停', 5000, 'open',"
                " '2026-09-01'), ('i2', 'S0117', 'S17', '0137', 'sms', '路灯', 6000, 'closed',"
                " '2026-09-01')",
                "");
    replica_run(world->replica,
                "INSERT INTO issue_event(id, scope, issue_id, at, what) VALUES"
                " ('e1', 'S0117', 'i1', 5000, 'found')",
                "");
    assert_true(replica_leave(world->replica, true));
    assert_true(replica_commit(world->replica));
    struct json *json = ask(world, "GET", "/v1/ledger", "", 200, false);
    const struct json *issues = json_get(json, "issues");
    assert_int_equal(json_count(issues), 1); /* the closed one is not asked for */
    assert_string_equal(json_text(json_at(issues, 0), "code", ""), "0136");
    assert_true(json_bool(json_at(issues, 0), "overdue", false));
    json_free(json);
    json = ask(world, "GET", "/v1/ledger/0136", "", 200, false);
    assert_string_equal(json_text(json_at(json_get(json, "story"), 0), "what", ""), "found");
    json_free(json);
    json_free(ask(world, "GET", "/v1/ledger/9999", "", 404, false));
    json_free(ask(world, "POST", "/v1/ledger", "{", 400, false));
    json_free(ask(world, "POST", "/v1/ledger", "{\"act\":\"verify\"}", 409, false));
    json = ask(world, "POST", "/v1/ledger", "{\"act\":\"fix\",\"code\":\"0136\"}", 200, true);
    assert_string_equal(json_text(json, "code", ""), "4821");
    json_free(json);
}

static void run(struct world *world, const char *sql)
{
    replica_enter(world->replica);
    if (replica_run(world->replica, sql, "") < 0)
        fail_msg("%s", replica_problem(world->replica));
    assert_true(replica_leave(world->replica, true));
    assert_true(replica_commit(world->replica));
}

/* One peak of two posts: an officer for 50 minutes, a volunteer who came late and never left, a
 * volunteer who did not come. */
static void a_month(struct world *world)
{
    run(world, "INSERT INTO school(id, scope, code, name, station_id) VALUES"
               " ('S17', 'S0117', 'S17', '第二实验小学', 'S0117')");
    run(world, "INSERT INTO post(id, scope, school_id, name, kind) VALUES"
               " ('E', 'S0117', 'S17', '东门', 'gate'), ('N', 'S0117', 'S17', '北门', 'gate')");
    run(world, "INSERT INTO person(id, scope, kind, name) VALUES"
               " ('p1', 'S0117', 'police', '王建国'), ('p2', 'S0117', 'parent', '李娜'),"
               " ('p3', 'S0117', 'parent', '何丽')");
    run(world, "INSERT INTO shift(id, scope, post_id, date, peak, start_at, end_at, need, state)"
               " SELECT id, 'S0117', id, '2026-09-08', 'am', 29813720 * 60000, 29813770 * 60000,"
               " 2, 'published' FROM post");
    run(world, "INSERT INTO assignment(id, scope, shift_id, person_id, state) VALUES"
               " ('a1', 'S0117', 'E', 'p1', 'done'), ('a2', 'S0117', 'E', 'p2', 'done'),"
               " ('a3', 'S0117', 'N', 'p3', 'no_show'), ('a4', 'S0117', 'N', 'p1', 'cancelled')");
    run(world, "INSERT INTO checkin(id, scope, assignment_id, person_id, kind, at, channel,"
               " late_min) VALUES"
               " ('c1', 'S0117', 'a1', 'p1', 'in', 29813718 * 60000, 'sms', 0),"
               " ('c2', 'S0117', 'a1', 'p1', 'out', 29813768 * 60000, 'sms', 0),"
               " ('c3', 'S0117', 'a2', 'p2', 'in', 29813725 * 60000, 'sms', 5)");
}

static void test_the_month_is_counted_from_events(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name;
        int value;
    } wanted[] = {{"planned", 3},       {"person_times", 2}, {"on_time", 1},
                  {"late", 1},          {"no_show", 1},      {"no_out", 1},
                  {"officer_times", 1}, {"drills_due", 1},   {"officer_minutes", 50}};
    a_month(world);
    struct json *json = ask(world, "GET", "/v1/account", "", 200, false);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (json_int(json, wanted[i].name, -1) != wanted[i].value)
            fail_msg("%s is %lld", wanted[i].name, (long long)json_int(json, wanted[i].name, -1));
    const struct json *peak = json_at(json_get(json, "peaks"), 0);
    assert_int_equal(json_int(peak, "posts", 0), 2);
    assert_int_equal(json_int(peak, "covered", 0), 1);
    assert_int_equal(json_int(peak, "full", 0), 1);
    json_free(json);
    json = ask(world, "GET", "/v1/account/people", "", 200, false);
    assert_int_equal(json_count(json_get(json, "people")), 3);
    assert_int_equal(json_int(json_at(json_get(json, "people"), 0), "minutes", 0), 50);
    json_free(json);
    json = ask(world, "GET", "/v1/account/duties", "", 200, false);
    const struct json *duties = json_get(json, "duties");
    int minutes = 0;
    for (size_t i = 0; i < json_count(duties); i++) /* nobody's hours are made up */
        minutes += (int)json_int(json_at(duties, i), "minutes", 0);
    assert_int_equal(json_count(duties), 3);
    assert_int_equal(minutes, 50);
    json_free(json);
}

static void test_who_came_before_it_was_called_off_counts(void **state)
{
    struct world *world = *state;
    a_month(world);
    run(world, "UPDATE shift SET state = 'cancelled'");
    struct json *json = ask(world, "GET", "/v1/account", "", 200, false);
    assert_int_equal(json_int(json, "person_times", -1), 2);
    assert_int_equal(json_int(json, "planned", -1), 2); /* the other one need not come */
    assert_int_equal(json_int(json, "no_show", -1), 0);
    assert_int_equal(json_int(json, "officer_minutes", -1), 50);
    assert_int_equal(json_count(json_get(json, "peaks")), 0);
    json_free(json);
    json = ask(world, "GET", "/v1/account/duties", "", 200, false);
    assert_int_equal(json_count(json_get(json, "duties")), 2);
    json_free(json);
}

static int port_card(void *ctx, const struct json *body, struct json **ret, struct err *err)
{
    (void)ctx;
    if (strcmp(json_text(body, "act", ""), "put") != 0)
        return err_set(err, ERR_STATE, "it cannot");
    *ret = json_new_object();
    json_set_text(*ret, "code", "P1");
    return ERR_OK;
}

static void test_cards(void **state)
{
    struct world *world = *state;
    world->console.ports.card = port_card;
    run(world, "INSERT INTO card(id, scope, kind, code, name, body, state) VALUES"
               " ('k1', 'S0117', 'method', 'M1', '雨天疏导', '{\"steps\":\"先停后放\"}', 'on'),"
               " ('k2', 'S0117', 'gear', 'G1', '红马甲', '{}', 'on')");
    run(world, "INSERT INTO card_event(id, scope, card_id, at, what) VALUES"
               " ('e1', 'S0117', 'k1', 5000, 'made')");
    struct json *json = ask(world, "GET", "/v1/cards", "", 200, false);
    assert_int_equal(json_count(json_get(json, "cards")), 2);
    json_free(json);
    json = ask(world, "GET", "/v1/cards/m1", "", 200, false);
    assert_string_equal(json_text(json_at(json_get(json, "story"), 0), "what", ""), "made");
    json_free(json);
    json = ask(world, "GET", "/v1/cards/kinds", "", 200, false);
    assert_true(json_count(json_get(json, "kinds")) > 10);
    json_free(json);
    json_free(ask(world, "GET", "/v1/cards/Z9", "", 404, false));
    json_free(ask(world, "POST", "/v1/cards", "{\"act\":\"fly\"}", 409, false));
    json_free(ask(world, "POST", "/v1/cards", "{\"act\":\"put\"}", 200, true));
    json = ask(world, "GET", "/v1/privacy", "", 200, false);
    assert_true(json_count(json_get(json, "rules")) > 10);
    json_free(json);
    json = ask(world, "GET", "/v1/volunteers", "", 200, false);
    assert_int_equal(json_count(json_get(json, "volunteers")), 0);
    json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_routes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_look_and_do_not_act, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_sync_has_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_enrolling_passes_the_code_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_are_masked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_devices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_desk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ledger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_month_is_counted_from_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_came_before_it_was_called_off_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_cards, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
