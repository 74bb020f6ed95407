/* Marks and rows onto the wire and back: claiming, poison, verdicts, applying, the same page twice.
 */
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
#include "sync/replica/seal.h"
#include "sync/life.h"
#include "sync/rules.h"
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
    struct buf request;
    struct json *sent; /* the last request */
    size_t rows;
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
    static const char *const scopes[] = {"S1", "*", NULL};
    struct wire_options wire = {.station = "S1", .scopes = scopes, .machine = &f->machine};
    replica_enter(f->replica);
    assert_int_equal(wire_init(&f->wire, f->replica, &wire, &err), ERR_OK);
    for (int i = 0; i < 2; i++) /* as after a filling */
        replica_run(f->replica,
                    "INSERT INTO sync_state(k, v) VALUES ('cur:' || ?1, '[\"\",0]') "
                    "ON CONFLICT DO NOTHING",
                    "s", scopes[i]);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
}

/* As after SIGKILL: what is not committed is gone. */
static void crash(struct fixture *f)
{
    replica_close(f->replica);
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
    snprintf(f->path, sizeof f->path, "/tmp/touyan-wire-XXXXXX");
    close(mkstemp(f->path));
    buf_init(&f->request, LIMIT_SYNC_BODY_BYTES);
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
    buf_free(&f->request);
    json_free(f->sent);
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

#define ASSERT_TEXT(f, sql, wanted)                                                                \
    do {                                                                                           \
        char text_[512] = "(null)";                                                                \
        replica_get_text((f)->replica, text_, sizeof text_, sql, "");                              \
        assert_string_equal(text_, wanted);                                                        \
    } while (0)

/* Claims and writes a request, committed. */
static void build(struct fixture *f, size_t max_rows)
{
    struct err err = {0};
    buf_clear(&f->request);
    replica_enter(f->replica);
    if (wire_build(&f->wire, 65536, max_rows, &f->request, &f->rows, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    json_free(f->sent);
    if (json_parse(f->request.bytes, f->request.size, &f->sent, &err) != ERR_OK)
        fail_msg("%s: %s", err.text, f->request.bytes);
}

static struct json *sent_row(struct fixture *f, size_t table, size_t row)
{
    return json_at(json_get(json_at(json_get(f->sent, "push"), table), "r"), row);
}

/* A reply: `verdicts` and `pull` are JSON texts. */
static void reply_with(struct fixture *f, const char *verdicts, const char *pull, struct page *ret)
{
    struct buf text;
    buf_init(&text, LIMIT_SYNC_BODY_BYTES);
    buf_printf(&text,
               "{\"now\":1700000000500,\"inc\":118,\"tok\":\"t2\",\"ep\":\"e1\",%s,\"pull\":%s,"
               "\"cur\":{\"S1\":[\"e1\",900],\"*\":[\"e1\",800]},\"more\":0}",
               verdicts, pull);
    struct err err = {0};
    if (page_read(ret, buf_text(&text), text.size, &err) != ERR_OK ||
        wire_check_reply(&f->wire, ret, f->rows, &err) != ERR_OK)
        fail_msg("%s", err.text);
    buf_free(&text);
}

static void settle(struct fixture *f, const struct page *page)
{
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, wire_settle(&f->wire, page)));
    assert_true(replica_commit(f->replica));
}

static void apply_rows(struct fixture *f, const struct page *page, size_t from, size_t to)
{
    replica_enter(f->replica);
    bool ok = wire_apply(&f->wire, page, from, to);
    if (ok && to == page->row_count)
        ok = wire_store_cursors(&f->wire, page);
    if (!replica_leave(f->replica, ok))
        fail_msg("%s", replica_problem(f->replica));
    assert_true(replica_commit(f->replica));
}

static void get(struct fixture *f, const char *verdicts, const char *pull)
{
    struct page page;
    reply_with(f, verdicts, pull, &page);
    settle(f, &page);
    apply_rows(f, &page, 0, page.row_count);
    page_free(&page);
}

#define NO_VERDICTS "\"ack\":0,\"v0\":0,\"lost\":[],\"keep\":[],\"bad\":[]"

static void meet(struct fixture *f)
{
    build(f, 100);
    assert_int_equal(f->rows, 0);
    get(f, NO_VERDICTS, "[]");
}

static void insert_shifts(struct fixture *f, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        replica_enter(f->replica);
        assert_int_equal(replica_run(f->replica,
                                     "INSERT INTO shift(id,scope,post_id,date,peak,need,state) "
                                     "VALUES ('s'||?1,'S1','p','2026-09-01','am',?1,'planned')",
                                     "i", i),
                         1);
        assert_true(replica_leave(f->replica, true));
    }
    assert_true(replica_commit(f->replica));
}

/* --- tests --- */

static void first_contact_pushes_nothing_and_learns_the_incarnation(void **state)
{
    struct fixture *f = *state;
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) "
           "VALUES ('a','S1','p','2026-09-01','am','planned')");
    build(f, 100);
    assert_int_equal(json_int(f->sent, "inc", -1), 0);
    assert_int_equal(json_int(f->sent, "p", 0), 1);
    assert_string_equal(json_text(f->sent, "station", ""), "S1");
    assert_string_equal(json_text(f->sent, "fp", "-"), "");
    assert_int_equal(json_count(json_get(f->sent, "push")), 0);
    struct json *cursor = json_get(json_get(f->sent, "pull"), "*");
    assert_string_equal(json_as_text(json_at(cursor, 0), "-"), "");
    assert_int_equal(json_as_int(json_at(cursor, 1), -1), 0);
    get(f, NO_VERDICTS, "[]");
    assert_int_equal(wire_incarnation(&f->wire), 118);
    build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(f->sent, "inc", -1), 118);
    assert_string_equal(json_text(f->sent, "tok", ""), "t2");
    cursor = json_get(json_get(f->sent, "pull"), "S1");
    assert_string_equal(json_as_text(json_at(cursor, 0), "-"), "e1");
    assert_int_equal(json_as_int(json_at(cursor, 1), -1), 900);
}

static void a_push_holds_marks_rows_and_their_fingerprint(void **state)
{
    struct fixture *f = *state;
    meet(f);
    run(f, "INSERT INTO checkin(id,scope,kind,channel,at) VALUES ('c','S1','in','短信',NULL)");
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) "
           "VALUES ('a','S1','p','2026-09-01','am','planned')");
    build(f, 100);
    assert_int_equal(f->rows, 2);
    struct json *shift = sent_row(f, 0, 0);
    assert_int_equal(json_int(shift, "lseq", 0), 2);
    assert_int_equal(json_int(shift, "gm", 0), 3);
    assert_int_equal(json_int(shift, "base", -1), 0);
    assert_int_equal(json_int(shift, "h", 0), 1700000000000);
    assert_string_equal(json_text(shift, "state", ""), "planned");
    assert_string_equal(json_text(sent_row(f, 1, 0), "channel", ""), "短信");
    static const char lines[] = "2:a:1700000000000\n1:c:1700000000000\n";
    char fp[17];
    snprintf(fp, sizeof fp, "%016" PRIx64,
             protocol_fp_add(PROTOCOL_FP_START, lines, sizeof lines - 1));
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
}

static void after_a_crash_the_same_marks_are_sent_and_no_others(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 3);
    build(f, 2);
    char *first = strdup(json_text(f->sent, "fp", ""));
    crash(f);
    run(f, "UPDATE shift SET need=77 WHERE id='s0'");
    build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(f->sent, "fp", ""), first);
    free(first);
    get(f, "\"ack\":9,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    assert_int_equal(ask(f, "SELECT _v FROM shift WHERE id='s1'"), 501);
    build(f, 100); /* the edit made meanwhile has a mark of its own */
    assert_int_equal(f->rows, 2);
    assert_int_equal(json_int(sent_row(f, 0, 1), "need", 0), 77);
    assert_int_equal(json_int(sent_row(f, 0, 1), "base", -1), 0);
}

static void a_row_is_in_a_push_once_and_numbers_only_grow(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 2);
    /* two unsent marks of s0 with different bases, and one of s1 behind them */
    run(f, "INSERT INTO sync_out(tid,pk,base,gm,h) VALUES (13,'s0',40,2,5)");
    run(f, "UPDATE shift SET need=9 WHERE id='s1'");
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('c','S1','in','sms')");
    build(f, 100);
    assert_int_equal(f->rows, 2);
    get(f, "\"ack\":9,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_int_equal(ask(f, "SELECT min(lseq) FROM sync_out WHERE st=1"), 3);
}

static void verdicts_settle_the_marks(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 4);
    build(f, 100);
    assert_int_equal(f->rows, 4);
    get(f, "\"ack\":4,\"v0\":500,\"lost\":[2],\"keep\":[3],\"bad\":[[4,\"gone\"],[99,\"x\"]]",
        "[]");
    ASSERT_TEXT(f, "SELECT group_concat(st,'') FROM (SELECT st FROM sync_out ORDER BY lseq)",
                "2324");
    ASSERT_TEXT(f, "SELECT group_concat(_v,' ') FROM (SELECT _v FROM shift ORDER BY id)",
                "500 0 0"); /* s3 is gone at the county and here */
    ASSERT_TEXT(f, "SELECT why FROM sync_quarantine WHERE lseq=4", "gone");
    ASSERT_TEXT(f, "SELECT unseal(row)->>'$.id' FROM sync_quarantine WHERE lseq=4", "s3");
    assert_int_equal(ask(f, "SELECT v FROM sync_state WHERE k='conflicts'"), 1);
    assert_int_equal(ask(f, "SELECT v FROM sync_state WHERE k='acked'"), 4);
    assert_false(wire_has_marks(&f->wire));
}

static void a_reply_that_does_not_answer_is_refused(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 2);
    build(f, 100);
    static const char *const replies[] = {
        "{\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":1,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":0,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":119,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":"
        "[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"tok\":\"\",\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1]},"
        "\"pull\":[]}",
        "{\"inc\":118,\"ep\":\"e\",\"ack\":2,\"v0\":5,\"cur\":{\"S1\":[\"e\",1],\"*\":[\"e\",1]},"
        "\"pull\":[]}",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct page page;
        struct err err = {0};
        assert_int_equal(page_read(&page, replies[i], strlen(replies[i]), &err), ERR_OK);
        assert_int_equal(wire_check_reply(&f->wire, &page, f->rows, &err), ERR_INVALID);
        page_free(&page);
    }
}

static void poison_is_set_aside_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 1);
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('n','S1','a'||char(0)||'b','sms')");
    run(f,
        "INSERT INTO checkin(id,scope,kind,channel) VALUES ('u','S1',CAST(x'61ff' AS TEXT),'sms')");
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES "
           "('l','S1',printf('%70000s','x'),'sms')");
    run(f, "INSERT INTO checkin(id,scope,kind,channel) VALUES ('ok','S1','in','sms')");
    run(f, "INSERT INTO sync_out(tid,pk,base,gm,h) VALUES (15,'nobody',0,1,5)");
    build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(sent_row(f, 1, 0), "id", ""), "ok");
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='out'"), 4);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out WHERE st=4"), 4);
    get(f, "\"ack\":9,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    assert_int_equal(ask(f, "SELECT _v FROM checkin WHERE id='ok'"), 501);
}

static void what_was_sent_is_sent_again_even_when_its_row_is_gone(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 2);
    build(f, 100);
    char *fp = strdup(json_text(f->sent, "fp", ""));
    replica_set_applying(f->replica, true);
    run(f, "DELETE FROM shift WHERE id='s0'");
    replica_set_applying(f->replica, false);
    build(f, 100);
    assert_int_equal(f->rows, 2);
    assert_string_equal(json_text(f->sent, "fp", ""), fp);
    assert_string_equal(json_text(sent_row(f, 0, 0), "scope", "-"), "S1");
    free(fp);
}

static void a_refused_push_is_unclaimed_and_the_first_row_set_aside(void **state)
{
    struct fixture *f = *state;
    meet(f);
    insert_shifts(f, 2);
    build(f, 100);
    run(f, "UPDATE shift SET state='published' WHERE id='s0'");
    replica_enter(f->replica);
    assert_true(wire_unclaim(&f->wire));
    assert_true(replica_leave(f->replica, true));
    ASSERT_TEXT(f, "SELECT group_concat(lseq||':'||pk||':'||gm||':'||st,' ') FROM sync_out",
                "1:s0:3:0 2:s1:3:0");
    replica_enter(f->replica);
    assert_true(wire_set_aside_first(&f->wire, "refused"));
    assert_true(replica_leave(f->replica, true));
    assert_true(replica_commit(f->replica));
    build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_string_equal(json_text(sent_row(f, 0, 0), "id", ""), "s1");
}

#define PERSON(id, v, name)                                                                        \
    "{\"_v\":" v ",\"_op\":\"U\",\"id\":\"" id                                                     \
    "\",\"scope\":\"S1\",\"kind\":\"guard\",\"name\":\"" name                                      \
    "\",\"phone\":\"+8613800000001\",\"active\":1,\"later\":[1]}"
#define GROUP(table, rows) "[{\"t\":\"" table "\",\"s\":\"S1\",\"r\":[" rows "]}]"

static void rows_of_the_county_are_stored_without_marks(void **state)
{
    struct fixture *f = *state;
    meet(f);
    for (int twice = 0; twice < 2; twice++) {
        get(f, NO_VERDICTS,
            GROUP("person", PERSON("p1", "10", "张三") "," PERSON("p2", "11", "O'Neil")));
        assert_int_equal(ask(f, "SELECT count(*) FROM person"), 2);
        ASSERT_TEXT(
            f,
            "SELECT name||':'||active||':'||_v||':'||coalesce(lang,'-') FROM person WHERE id='p1'",
            "张三:1:10:-");
        ASSERT_TEXT(
            f,
            "SELECT unseal(phone) FROM person WHERE phone = seal_phone('+8613800000001') LIMIT 1",
            "+8613800000001");
        assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 0);
    }
    get(f, NO_VERDICTS, GROUP("person", PERSON("p1", "9", "older")));
    ASSERT_TEXT(f, "SELECT name FROM person WHERE id='p1'", "张三");
    get(f, NO_VERDICTS, GROUP("person", PERSON("p1", "12", "newer")));
    ASSERT_TEXT(f, "SELECT name FROM person WHERE id='p1'", "newer");
    ASSERT_TEXT(f, "SELECT v FROM sync_state WHERE k='cur:S1'", "[\"e1\",900]");
}

static void a_bad_row_stops_no_other(void **state)
{
    struct fixture *f = *state;
    meet(f);
    static const struct {
        const char *row;
        const char *why;
    } bad[] = {
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"name\":\"n\"}", "required kind"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":7}",
         "type name"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"n\","
         "\"active\":1.5}",
         "type active"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"n\","
         "\"active\":"
         "99999999999999999999}",
         "type active"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":7,\"kind\":\"k\",\"name\":\"n\"}",
         "scope"},
        {"{\"_v\":10,\"_op\":\"Z\",\"id\":\"x\"}", "_op"},
        {"{\"_v\":10,\"id\":\"x\"}", "_op"},
        {"{\"_v\":0,\"_op\":\"X\",\"id\":\"x\"}", "_v"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":5}", "id"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"\"}", "id"},
        {"{}", "id"},
        {"7", "no object"},
        {"[]", "no object"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":"
         "\"\\u0000\"}",
         "a text holds U+0000 or is not UTF-8"},
        {"{\"_v\":10,\"_op\":\"U\",\"id\":\"x\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":\"\xff\"}",
         "a text holds U+0000 or is not UTF-8"},
        {"{\"_v\":10,\"_op\" \"U\"}", "malformed JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char pull[2048];
        snprintf(pull, sizeof pull, GROUP("person", "%s,%s,%s"), PERSON("p1", "10", "a"),
                 bad[i].row, PERSON("p2", "11", "b"));
        for (int twice = 0; twice < 2; twice++)
            get(f, NO_VERDICTS, pull);
        char why[128] = "";
        replica_get_text(f->replica, why, sizeof why, "SELECT why FROM sync_quarantine", "");
        if (strcmp(why, bad[i].why) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", bad[i].row, why, bad[i].why);
        assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='in'"), 1);
        assert_int_equal(ask(f, "SELECT count(*) FROM person"), 2);
        run(f, "DELETE FROM person");
        run(f, "DELETE FROM sync_quarantine");
    }
}

static void what_only_the_database_refuses_is_found_by_halving(void **state)
{
    struct fixture *f = *state;
    meet(f);
    run(f, "CREATE TRIGGER refuse BEFORE INSERT ON person WHEN NEW.name='bad' "
           "BEGIN SELECT RAISE(ABORT, 'never this'); END");
    struct buf rows;
    buf_init(&rows, 200000);
    for (int i = 0; i < 300; i++)
        buf_printf(
            &rows,
            "%s{\"_v\":%d,\"_op\":\"U\",\"id\":\"p%d\",\"scope\":\"S1\",\"kind\":\"k\",\"name\":"
            "\"%s\"}",
            i > 0 ? "," : "[{\"t\":\"person\",\"s\":\"S1\",\"r\":[", 10 + i, i,
            i == 123 || i == 299 ? "bad" : "good");
    buf_add_text(&rows, "]}]");
    get(f, NO_VERDICTS, buf_text(&rows));
    buf_free(&rows);
    assert_int_equal(ask(f, "SELECT count(*) FROM person"), 298);
    ASSERT_TEXT(f, "SELECT group_concat(pk||':'||v||':'||why,' ') FROM sync_quarantine",
                "p123:133:never this p299:309:never this");
    run(f, "DROP TRIGGER refuse");
    get(f, NO_VERDICTS, GROUP("person", PERSON("p123", "500", "better")));
    ASSERT_TEXT(f, "SELECT group_concat(pk) FROM sync_quarantine", "p299");
}

#define SHIFT(id, v, need, state)                                                                  \
    "{\"_v\":" v ",\"_op\":\"U\",\"id\":\"" id "\",\"scope\":\"S1\",\"post_id\":\"q\",\"date\":"   \
    "\"2026-09-01\",\"peak\":\"am\",\"need\":" need ",\"state\":\"" state "\"}"

static void a_marked_group_keeps_our_value_and_the_others_take_theirs(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "UPDATE shift SET state='published' WHERE id='a'");
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "20", "5", "cancelled")));
    ASSERT_TEXT(f, "SELECT need||state||_v FROM shift", "5published20");
    build(f, 100); /* the mark still says on what it stood */
    assert_int_equal(json_int(sent_row(f, 0, 0), "base", 0), 10);
    assert_int_equal(json_int(sent_row(f, 0, 0), "gm", 0), 2);
    get(f, "\"ack\":5,\"v0\":30,\"lost\":[1],\"keep\":[],\"bad\":[]",
        GROUP("shift", SHIFT("a", "30", "5", "cancelled")));
    ASSERT_TEXT(f, "SELECT need||state||_v FROM shift", "5cancelled30");
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out"), 1);
}

static void an_exit_deletes_only_what_is_still_in_that_scope(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS,
        GROUP("person",
              PERSON("p1", "10", "a") "," PERSON("p2", "10", "b") "," PERSON("p3", "10", "c")));
    replica_set_applying(f->replica, true);
    run(f, "UPDATE person SET scope='*' WHERE id='p2'");
    replica_set_applying(f->replica, false);
    for (int twice = 0; twice < 2; twice++) {
        get(f, NO_VERDICTS,
            GROUP("person",
                  "{\"_v\":20,\"_op\":\"X\",\"id\":\"p1\"},{\"_v\":21,\"_op\":\"X\",\"id\":\"p2\"},"
                  "{\"_v\":22,\"_op\":\"D\",\"id\":\"p3\"}"));
        ASSERT_TEXT(f, "SELECT group_concat(id) FROM person", "p2");
    }
}

static void our_changes_to_a_row_that_is_taken_away_are_kept_for_a_person(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "UPDATE shift SET state='published' WHERE id='a'");
    get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":20,\"_op\":\"D\",\"id\":\"a\"}"));
    assert_int_equal(ask(f, "SELECT count(*) FROM shift"), 0);
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 4);
    ASSERT_TEXT(f, "SELECT unseal(row)->>'$.state' FROM sync_quarantine", "published");
}

static void unknown_tables_are_passed_over(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS,
        "[{\"t\":\"later\",\"s\":\"*\",\"r\":[{\"_v\":1,\"_op\":\"U\",\"id\":\"x\"}]},"
        "{\"t\":\"person\",\"s\":\"S1\",\"r\":[" PERSON("p1", "10", "a") "]}]");
    assert_int_equal(ask(f, "SELECT count(*) FROM person"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine"), 0);
}

/* A crash after any slice: the cursor has not moved, the page is asked for again and converges. */
static void a_crash_between_slices_loses_and_doubles_nothing(void **state)
{
    struct fixture *f = *state;
    meet(f);
    run(f, "DELETE FROM sync_state WHERE k GLOB 'cur:*'");
    struct buf rows;
    buf_init(&rows, 200000);
    buf_add_text(&rows, "[{\"t\":\"shift\",\"s\":\"S1\",\"r\":[");
    for (int i = 0; i < 60; i++)
        buf_printf(&rows,
                   "%s{\"_v\":%d,\"_op\":\"%s\",\"id\":\"s%d\",\"scope\":\"S1\",\"post_id\":\"q\","
                   "\"date\":\"d\",\"peak\":\"am\",\"need\":%s,\"state\":\"x\"}",
                   i > 0 ? "," : "", 100 + i, i % 10 == 9 ? "D" : "U", i,
                   i % 20 == 7 ? "\"!\"" : "3");
    buf_add_text(&rows, "]}]");
    insert_shifts(f, 10); /* s0 to s9 have marks of our own: all groups stay ours; s9 is deleted */
    for (size_t done = 0; done < 60; done += 7) {
        struct page page;
        f->rows = 0;
        reply_with(f, NO_VERDICTS, buf_text(&rows), &page);
        for (size_t from = 0; from < done; from += 7)
            apply_rows(f, &page, from, from + 7 < done ? from + 7 : done);
        replica_enter(f->replica); /* this slice is not committed */
        wire_apply(&f->wire, &page, done, done + 7 < 60 ? done + 7 : 60);
        page_free(&page);
        replica_leave(f->replica, true);
        crash(f);
        assert_int_equal(ask(f, "SELECT sum(v->>1) FROM sync_state WHERE k GLOB 'cur:*'"), 0);
    }
    get(f, NO_VERDICTS, buf_text(&rows));
    buf_free(&rows);
    /* 60 rows, 6 deleted, 2 bad ones that never came (s27, s47); s7 is ours */
    assert_int_equal(ask(f, "SELECT count(*) FROM shift"), 52);
    assert_int_equal(ask(f, "SELECT count(*) FROM shift WHERE need=3 AND state='x'"), 43);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='in'"), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine WHERE way='out'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_out WHERE st=0"), 9);
    ASSERT_TEXT(f, "SELECT v FROM sync_state WHERE k='cur:*'", "[\"e1\",800]");
}

static void a_deletion_is_pushed_as_a_group_of_its_own(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "DELETE FROM shift WHERE id='a'");
    build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(sent_row(f, 0, 0), "gm", 0), 128);
    assert_int_equal(json_int(sent_row(f, 0, 0), "base", 0), 10);
    assert_int_equal(json_int(sent_row(f, 0, 0), "_del", 0), 1);
    assert_string_equal(json_text(sent_row(f, 0, 0), "scope", ""), "S1");
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]", "[]");
    assert_int_equal(ask(f, "SELECT count(*) FROM shift"), 0);
}

static void an_edit_of_another_does_not_raise_what_was_deleted_here(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "DELETE FROM shift WHERE id='a'");
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "20", "2", "planned")));
    assert_int_equal(ask(f, "SELECT count(*) FROM shift"), 0);
    build(f, 100);
    /* but when the deletion lost, the row comes back */
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]",
        GROUP("shift", SHIFT("a", "500", "2", "planned")));
    assert_int_equal(ask(f, "SELECT _v FROM shift WHERE id='a'"), 500);
}

static void a_row_that_comes_back_says_so(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "DELETE FROM shift WHERE id='a'");
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,need,state) VALUES "
           "('a','S1','p','2026-09-01','am',5,'planned')");
    build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(sent_row(f, 0, 0), "gm", 0), 131);
    assert_int_equal(json_int(sent_row(f, 0, 0), "_del", 9), 0);
    assert_int_equal(json_int(sent_row(f, 0, 0), "need", 0), 5);
}

static void a_mark_that_lost_waits_for_a_row_that_is_not_older(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "UPDATE shift SET need=7 WHERE id='a'");
    build(f, 100);
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]", "[]");
    ASSERT_TEXT(f, "SELECT unseal(mine)->>'$.need' FROM sync_conflict", "7");
    build(f, 100);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "490", "2", "planned")));
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 3);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "500", "3", "planned")));
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 2);
    assert_int_equal(ask(f, "SELECT need FROM shift"), 3);
    assert_int_equal(ask(f, "SELECT settled_at > 0 FROM sync_conflict"), 1);
}

static void what_comes_back_after_its_deletion_was_settled_says_so(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS,
        GROUP("shift", SHIFT("a", "10", "1", "planned") "," SHIFT("b", "11", "1", "planned")));
    run(f, "DELETE FROM shift WHERE id='a'");
    build(f, 100);
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[]",
        GROUP("shift", "{\"_v\":501,\"_op\":\"D\",\"id\":\"b\"}"));
    assert_int_equal(ask(f, "SELECT count(*) FROM shift"), 0);
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state) VALUES "
           "('a','S1','p','d','am','x'),('b','S1','p','d','am','x'),('c','S1','p','d','am','x')");
    build(f, 100);
    assert_int_equal(f->rows, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(json_int(sent_row(f, 0, i), "gm", 0), 131);
        assert_int_equal(json_int(sent_row(f, 0, i), "_del", 9), 0);
    }
    assert_int_equal(json_int(sent_row(f, 0, 2), "gm", 0), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_gone"), 0);
}

static void a_push_tells_when_each_group_was_changed(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    int64_t now = f->cells.wall_ms;
    run(f, "UPDATE shift SET need=7");
    f->cells = (struct clock_cells){f->cells.wall_ms + 1000, f->cells.mono_ms + 1000};
    run(f, "UPDATE shift SET state='published'");
    build(f, 100);
    const struct json *row = sent_row(f, 0, 0);
    int64_t h = json_int(row, "h", 0);
    assert_int_equal(json_int(row, "gm", 0), 3);
    assert_int_equal(json_int(row, "h0", 0), h - 1000);
    assert_true(json_get(row, "h1") == NULL && json_get(row, "h7") == NULL);
    assert_true(h - now < 2000 && json_get(row, "start_at") != NULL);
    /* edited meanwhile and taken back: each stamp stays with its group */
    f->cells = (struct clock_cells){f->cells.wall_ms + 1000, f->cells.mono_ms + 1000};
    run(f, "UPDATE shift SET need=8");
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, wire_unclaim(&f->wire)));
    assert_true(replica_commit(f->replica));
    build(f, 100);
    assert_int_equal(f->rows, 1);
    assert_int_equal(json_int(sent_row(f, 0, 0), "h", 0), h + 1000);
    assert_int_equal(json_int(sent_row(f, 0, 0), "h1", 0), h);
    assert_true(json_get(sent_row(f, 0, 0), "h0") == NULL);
}

static void a_push_tells_which_groups_lost_and_are_awaited(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "UPDATE shift SET state='published'");
    build(f, 100);
    assert_true(json_get(sent_row(f, 0, 0), "unfed") == NULL);
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]", "[]");
    run(f, "UPDATE shift SET need=7");
    build(f, 100);
    assert_int_equal(json_int(sent_row(f, 0, 0), "gm", 0), 1);
    assert_int_equal(json_int(sent_row(f, 0, 0), "unfed", 0), 2);
    get(f, "\"ack\":2,\"v0\":501,\"lost\":[],\"keep\":[2],\"bad\":[]",
        GROUP("shift", SHIFT("a", "501", "7", "planned")));
    run(f, "UPDATE shift SET need=8");
    build(f, 100);
    assert_true(json_get(sent_row(f, 0, 0), "unfed") == NULL);
}

/* The base of an edit after the mark of an earlier one, on 10, lost at 500 and a row of 490 came.
 */
static int64_t base_after_an_older_row(struct fixture *f, uint32_t without)
{
    f->wire.without = without;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    run(f, "UPDATE shift SET need=7 WHERE id='a'");
    build(f, 100);
    get(f, "\"ack\":1,\"v0\":500,\"lost\":[1],\"keep\":[],\"bad\":[]",
        GROUP("shift", SHIFT("a", "490", "2", "planned")));
    run(f, "UPDATE shift SET need=8 WHERE id='a'");
    return ask(f, "SELECT base FROM sync_out WHERE st = 0");
}

static void an_older_row_does_not_settle_what_lost(void **state)
{
    assert_int_equal(base_after_an_older_row(*state, 0), 10);
}

static void without_that_rule_the_next_edit_hides_the_winner(void **state)
{
    assert_int_equal(base_after_an_older_row(*state, WITHOUT_SUSONCE), 490);
}

static void a_row_that_is_anothers_by_now_goes_and_our_change_is_kept(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
    replica_set_applying(f->replica, true);
    run(f, "INSERT INTO shift(id,scope,post_id,date,peak,state,_v) VALUES "
           "('all','*','p','d','am','planned',9)");
    replica_set_applying(f->replica, false);
    run(f, "UPDATE shift SET state='published'");
    build(f, 100);
    get(f, "\"ack\":2,\"v0\":500,\"lost\":[],\"keep\":[],\"bad\":[[1,\"scope\"],[2,\"scope\"]]",
        "[]");
    ASSERT_TEXT(f, "SELECT group_concat(id) FROM shift", "all");
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine WHERE why='scope'"), 2);
}

static void an_exit_settles_what_lost_even_when_the_row_is_gone(void **state)
{
    struct fixture *f = *state;
    meet(f);
    run(f, "INSERT INTO sync_out(tid,pk,base,gm,h,st,v) VALUES (13,'a',5,3,1,3,40)");
    get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":39,\"_op\":\"X\",\"id\":\"a\"}"));
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 3);
    get(f, NO_VERDICTS, GROUP("shift", "{\"_v\":41,\"_op\":\"X\",\"id\":\"a\"}"));
    assert_int_equal(ask(f, "SELECT st FROM sync_out"), 2);
}

static void a_scope_that_is_granted_is_followed_and_one_that_is_not_is_left(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS ",\"grant\":[\"S1\",\"*\",\"S9\"]", "[]");
    assert_int_equal(f->wire.scope_count, 3);
    build(f, 100);
    assert_null(json_get(json_get(f->sent, "pull"), "S9")); /* it is filled first */
    get(f, NO_VERDICTS ",\"grant\":[\"S1\",\"S9\"]", "[]");
    assert_int_equal(f->wire.scope_count, 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_state WHERE k='cur:*'"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_state WHERE k='drop:*'"), 1);
}

static void columns_of_other_versions_do_no_harm(void **state)
{
    struct fixture *f = *state;
    meet(f);
    get(f, NO_VERDICTS,
        GROUP("shift",
              "{\"_v\":10,\"_op\":\"U\",\"id\":\"a\",\"scope\":\"S1\",\"post_id\":\"p\","
              "\"date\":\"d\",\"peak\":\"am\",\"state\":\"planned\",\"of_later\":{\"x\":1}}"));
    assert_int_equal(ask(f, "SELECT count(*) FROM shift WHERE id='a' AND need IS NULL"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sync_quarantine"), 0);
}

static void another_stations_database_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const scopes[] = {"S2", NULL};
    struct wire_options options = {.station = "S2", .scopes = scopes, .machine = &f->machine};
    struct wire other;
    struct err err = {0};
    assert_int_equal(wire_init(&other, f->replica, &options, &err), ERR_STATE);
    assert_non_null(strstr(err.text, "S1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(first_contact_pushes_nothing_and_learns_the_incarnation),
        TEST(a_push_holds_marks_rows_and_their_fingerprint),
        TEST(after_a_crash_the_same_marks_are_sent_and_no_others),
        TEST(a_row_is_in_a_push_once_and_numbers_only_grow),
        TEST(verdicts_settle_the_marks),
        TEST(a_reply_that_does_not_answer_is_refused),
        TEST(poison_is_set_aside_before_it_is_sent),
        TEST(what_was_sent_is_sent_again_even_when_its_row_is_gone),
        TEST(a_refused_push_is_unclaimed_and_the_first_row_set_aside),
        TEST(rows_of_the_county_are_stored_without_marks),
        TEST(a_bad_row_stops_no_other),
        TEST(what_only_the_database_refuses_is_found_by_halving),
        TEST(a_marked_group_keeps_our_value_and_the_others_take_theirs),
        TEST(an_exit_deletes_only_what_is_still_in_that_scope),
        TEST(our_changes_to_a_row_that_is_taken_away_are_kept_for_a_person),
        TEST(unknown_tables_are_passed_over),
        TEST(a_crash_between_slices_loses_and_doubles_nothing),
        TEST(a_deletion_is_pushed_as_a_group_of_its_own),
        TEST(an_edit_of_another_does_not_raise_what_was_deleted_here),
        TEST(a_row_that_comes_back_says_so),
        TEST(what_comes_back_after_its_deletion_was_settled_says_so),
        TEST(a_push_tells_when_each_group_was_changed),
        TEST(a_push_tells_which_groups_lost_and_are_awaited),
        TEST(a_mark_that_lost_waits_for_a_row_that_is_not_older),
        TEST(an_older_row_does_not_settle_what_lost),
        TEST(without_that_rule_the_next_edit_hides_the_winner),
        TEST(a_row_that_is_anothers_by_now_goes_and_our_change_is_kept),
        TEST(an_exit_settles_what_lost_even_when_the_row_is_gone),
        TEST(a_scope_that_is_granted_is_followed_and_one_that_is_not_is_left),
        TEST(columns_of_other_versions_do_no_harm),
        TEST(another_stations_database_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
