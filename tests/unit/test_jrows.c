/* json_rows against SQLite's own json_each: the same values, the same judgement of broken texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sync/replica/jrows.h"

static sqlite3 *open_db(void)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(jrows_register(db), SQLITE_OK);
    return db;
}

/* All values of the first column, joined by '|'; "malformed JSON" when the statement says so. */
static void ask(sqlite3 *db, const char *sql, const char *json, char ret[1024])
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    sqlite3_bind_text(stmt, 1, json, -1, SQLITE_STATIC);
    ret[0] = '\0';
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(stmt, 0);
        snprintf(ret + strlen(ret), 1024 - strlen(ret), "%s|", value != NULL ? value : "NULL");
    }
    if (rc != SQLITE_DONE)
        snprintf(ret, 1024, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
}

static void test_columns(void **state)
{
    (void)state;
    sqlite3 *db = open_db();
    char got[1024];
    static const char JSON[] =
        " [ {\"a\":1,\"b\":\"x\"} , {\"b\":null,\"a\":-9223372036854775808,\"c\":[1,{\"d\":2}]},"
        "{\"a\":9223372036854775808,\"b\":true}, 7, {}, {\"a\":1.0,\"a\":2,\"b\":{}} ] ";
    ask(db,
        "SELECT k||':'||quote(c0)||','||quote(c1)||','||lack||','||(row IS NULL) FROM "
        "json_rows(?1,'a,b')",
        JSON, got);
    assert_string_equal(got, "0:1,'x',0,0|1:-9223372036854775808,NULL,0,0|2:X'00',X'00',0,0|"
                             "3:NULL,NULL,2,1|4:NULL,NULL,2,0|5:X'00',X'00',0,0|");
    ask(db, "SELECT k FROM json_rows(?1,'a,b') WHERE c0 IS NULL", JSON, got);
    assert_string_equal(got, "3|4|");
    ask(db, "SELECT row FROM json_rows(?1,'a') WHERE k=1", JSON, got);
    assert_string_equal(got, "{\"b\":null,\"a\":-9223372036854775808,\"c\":[1,{\"d\":2}]}|");
    ask(db, "SELECT size||','||nul FROM json_rows(?1,'')", "[{\"a\":\"\\u0000\"},{\"\":\"\"}]",
        got);
    assert_string_equal(got, "14,1|7,0|");
    ask(db, "SELECT k FROM json_rows(?1,'')", " [ ] ", got);
    assert_string_equal(got, "");
    sqlite3_close(db);
}

static void test_texts(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "plain",
        "\\\"\\\\\\/\\b\\f\\n\\r\\t",
        "\\u00e9\\u4E2d",
        "\\ud83d\\ude00!",
        "\xe7\xaa\x81\xe6\xb3\x89",
        "\\ud83d", /* lone surrogates: bytes that are no UTF-8 */
        "\\ude00\\ud83d",
        "\\ud83d\\u0041",
        "",
    };
    sqlite3 *db = open_db();
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        char json[256], ours[1024], theirs[1024];
        snprintf(json, sizeof json, "[{\"a\":\"%s\"}]", TEXTS[i]);
        ask(db, "SELECT hex(c0) FROM json_rows(?1,'a')", json, ours);
        ask(db, "SELECT hex(json_extract(value,'$.a')) FROM json_each(?1)", json, theirs);
        assert_string_equal(ours, theirs);
    }
    sqlite3_close(db);
}

static void test_broken(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "{}1",
        "[",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1]]",
        "[{]",
        "[{\"a\"}]",
        "[{\"a\":}]",
        "[{\"a\":1,}]",
        "[{,}]",
        "[{\"a\":1]",
        "[01]",
        "[-]",
        "[1.]",
        "[1e]",
        "[.5]",
        "[+1]",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[nul]",
        "[truee]",
        "[\"\t\"]",
        "[[1}]",
        "[{\"a\":[}]",
        "[[[]]",
        "[{\"a\":[1,]}]",
        "[{a:1}]",
        "['a']",
        "[{\"a\":[1,{\"b\":}]}]",
        /* and some that are well */
        "{}",
        "{\"a\":1} ",
        "[1]",
        "[-0]",
        "[0.5e-3]",
        "[[],{},[{}]]",
        "[\"\"]",
        "[null , true,false]",
        "[{\"a\":[1,{\"b\":[]},\"c\"]},[[1],[2]]]",
    };
    sqlite3 *db = open_db();
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        char got[1024], valid[1024];
        ask(db, "SELECT k FROM json_rows(?1,'a')", TEXTS[i], got);
        ask(db, "SELECT json_valid(?1) AND json_type(?1) IN ('array','object')", TEXTS[i], valid);
        bool refused = strcmp(got, "malformed JSON") == 0;
        if (refused == (strcmp(valid, "1|") == 0))
            fail_msg("%s: %s, but json_valid %s", TEXTS[i], got, valid);
    }
    sqlite3_close(db);
}

static void test_depth(void **state)
{
    (void)state;
    static char json[8192];
    char got[1024];
    sqlite3 *db = open_db();
    for (int depth = 999; depth <= 1001; depth++) {
        size_t size = (size_t)snprintf(json, sizeof json, "[{\"a\":");
        memset(json + size, '[', (size_t)depth);
        memset(json + size + depth, ']', (size_t)depth);
        memcpy(json + size + 2 * depth, "}]", 3);
        ask(db, "SELECT k FROM json_rows(?1,'a')", json, got);
        assert_string_equal(got, depth <= 1000 ? "0|" : "malformed JSON");
    }
    sqlite3_close(db);
}

static void test_names(void **state)
{
    (void)state;
    sqlite3 *db = open_db();
    char got[1024];
    ask(db,
        "SELECT c39 FROM json_rows(?1,'0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"
        "21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39')",
        "[{\"39\":\"last\"}]", got);
    assert_string_equal(got, "last|");
    ask(db,
        "SELECT k FROM json_rows(?1,'0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"
        "21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40')",
        "[{}]", got);
    assert_string_equal(got, "json_rows: at most 40 names of members");
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns), cmocka_unit_test(test_texts), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
