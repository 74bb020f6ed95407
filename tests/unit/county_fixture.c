/* See county_fixture.h. */
#include "tests/unit/county_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include "sync/county/import.h"
#include "sync/replica/seal.h"
#include "tests/lib/exchanges.h"
#include "tests/lib/folder.h"

static const char *next_fp;

/* --- databases: a file in the folder, or one of its own on the server whose socket lies in
 * TOUYAN_TEST_POSTGRESQL, copied from a template --- */

static char template[32]; /* its name; made once a program */

static bool is_remote(const struct county_fixture *f)
{
    return store_is_remote(f->path);
}

static void write_url(const char *database, char *ret, size_t size)
{
    snprintf(ret, size, "postgresql://touyan@/%s?host=%s&port=%s", database,
             getenv("TOUYAN_TEST_POSTGRESQL"), getenv("TOUYAN_TEST_PORT"));
}

static PGconn *pg_open(const char *database)
{
    char url[256];
    write_url(database, url, sizeof url);
    PGconn *conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s: %s", url, PQerrorMessage(conn));
    PQclear(PQexec(conn, "SET search_path=touyan_0,touyan;SET touyan.county='0'"));
    return conn;
}

/* The first column of the first row of the last statement. */
static void pg_run(PGconn *conn, const char *sql, char *ret, size_t size)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    if (size > 0)
        ret[0] = '\0';
    if (size > 0 && status == PGRES_TUPLES_OK && PQntuples(result) > 0) {
        const char *text = PQgetvalue(result, 0, 0);
        bool truth = PQftype(result, 0) == 16;
        snprintf(ret, size, "%s", truth ? (text[0] == 't' ? "1" : "0") : text);
    }
    PQclear(result);
}

/* The four texts are one statement. */
static void pg_admin(const char *what, const char *one, const char *with, const char *two)
{
    char sql[1024];
    PGconn *conn = pg_open("postgres");
    snprintf(sql, sizeof sql, "%s%s%s%s", what, one, with, two);
    pg_run(conn, sql, NULL, 0);
    PQfinish(conn);
}

static void make_template(void)
{
    static const char COMPLETE[] =
        "TRUNCATE touyan.epoch RESTART IDENTITY;"
        "CREATE FUNCTION touyan.json_extract(text,text) RETURNS text LANGUAGE sql AS "
        "$$ SELECT $1::json->>substr($2,3) $$;"
        "CREATE FUNCTION touyan.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE check_violation; END $$";
    if (template[0] != '\0')
        return;
    snprintf(template, sizeof template, "template_%d", (int)getpid());
    char url[256];
    struct clock_cells cells = {.wall_ms = (int64_t)FIXTURE_NOW * 1000};
    struct clock clock = clock_manual(&cells);
    struct rnd rnd = rnd_seeded(1);
    struct err err = {0};
    struct store *store;
    write_url(template, url, sizeof url);
    struct store_options options = {.path = url, .clock = &clock, .rnd = &rnd};
    pg_admin("DROP DATABASE IF EXISTS ", template, "", "");
    pg_admin("CREATE DATABASE ", template, "", "");
    if (store_open(&options, &store, &err) != ERR_OK)
        fail_msg("%s", err.text);
    store->ops->close(store);
    PGconn *conn = pg_open(template);
    pg_run(conn, COMPLETE, NULL, 0);
    PQfinish(conn);
}

static void name_database(struct county_fixture *f)
{
    static unsigned number;
    if (getenv("TOUYAN_TEST_POSTGRESQL") == NULL) {
        snprintf(f->path, sizeof f->path, "%s/county.db", f->folder);
        return;
    }
    make_template();
    snprintf(f->database, sizeof f->database, "t%u_%d", number++, (int)getpid());
    write_url(f->database, f->path, sizeof f->path);
    pg_admin("CREATE DATABASE ", f->database, " TEMPLATE ", template);
}

static void drop_database(const struct county_fixture *f)
{
    if (!is_remote(f))
        return;
    pg_admin("DROP DATABASE ", f->database, "", "");
    pg_admin("DROP DATABASE IF EXISTS ", f->database, "_kept", "");
}

static void open_store(struct county_fixture *f, bool new_epoch)
{
    struct err err = {0};
    struct store_options options = {.path = f->path,
                                    .clock = &f->clock,
                                    .rnd = &f->rnd,
                                    .seal = f->seal,
                                    .without = f->without,
                                    .new_epoch = new_epoch};
    if (store_open(&options, &f->store, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void keep_file(struct county_fixture *f)
{
    char sql[512];
    snprintf(sql, sizeof sql, "VACUUM INTO '%s-kept'", f->path);
    county_exec(f, sql);
}

void county_keep(struct county_fixture *f)
{
    f->store->ops->close(f->store);
    if (is_remote(f))
        pg_admin("CREATE DATABASE ", f->database, "_kept TEMPLATE ", f->database);
    else
        keep_file(f);
    open_store(f, false);
}

void county_restore(struct county_fixture *f)
{
    char kept[512], beside[512];
    f->store->ops->close(f->store);
    if (is_remote(f)) {
        pg_admin("DROP DATABASE ", f->database, "", "");
        snprintf(kept, sizeof kept, "%s_kept", f->database);
        pg_admin("CREATE DATABASE ", f->database, " TEMPLATE ", kept);
    } else {
        snprintf(beside, sizeof beside, "%s-wal", f->path);
        remove(beside);
        snprintf(beside, sizeof beside, "%s-shm", f->path);
        remove(beside);
        snprintf(kept, sizeof kept, "%s-kept", f->path);
        assert_int_equal(rename(kept, f->path), 0);
        keep_file(f);
    }
    open_store(f, true);
}

int county_setup(void **state)
{
    struct county_fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/touyan-county-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    name_database(f);
    f->cells.wall_ms = (int64_t)FIXTURE_NOW * 1000;
    f->clock = clock_manual(&f->cells);
    f->rnd = rnd_seeded(7);
    f->seal = seal_for_test();
    f->lseq = 1;
    snprintf(f->station.name, sizeof f->station.name, "east");
    snprintf(f->station.scope, sizeof f->station.scope, "S0117");
    open_store(f, true);
    county_sync(f, 0, "[]", "{}");
    county_sync(f, 0, "[]", "{}");
    *state = f;
    return 0;
}

int county_teardown(void **state)
{
    struct county_fixture *f = *state;
    f->store->ops->close(f->store);
    json_free(f->reply);
    free(f->report);
    free(f->sent);
    seal_close(f->seal);
    drop_database(f);
    int rc = folder_remove(f->folder);
    free(f);
    next_fp = NULL;
    return rc;
}

void county_reopen(struct county_fixture *f)
{
    f->store->ops->close(f->store);
    open_store(f, true);
}

void county_fp(const char *fp)
{
    next_fp = fp;
}

static void record(const char *path, const char *method, const char *request,
                   const struct store_answer *answer)
{
    exchanges_record(&(struct exchange){.path = path,
                                        .method = method,
                                        .status = answer->status,
                                        .request = request,
                                        .request_size = strlen(request),
                                        .reply = buf_text(&answer->body),
                                        .reply_size = answer->body.size});
}

static void take_answer(struct county_fixture *f, int code, struct store_answer *answer,
                        const struct err *why)
{
    struct err err = {0};
    if (code != ERR_OK)
        fail_msg("%s", why->text);
    json_free(f->reply);
    f->reply = NULL;
    f->status = answer->status;
    if (json_parse(buf_text(&answer->body), answer->body.size, &f->reply, &err) != ERR_OK)
        fail_msg("%s in %s", err.text, buf_text(&answer->body));
    buf_free(&answer->body);
}

void county_call(struct county_fixture *f, enum county_route route, const char *body)
{
    struct err err = {0};
    struct store_answer answer = {0};
    const struct store_ops *ops = f->store->ops;
    buf_init(&answer.body, LIMIT_ANSWER_BYTES);
    int code = (route == COUNTY_SYNC ? ops->sync
                : route == COUNTY_GIVEBACK
                    ? ops->giveback
                    : ops->digest)(f->store, &f->station, body, strlen(body), &answer, &err);
    static const char *const PATHS[] = {"/v1/sync", "/v1/giveback", "/v1/digest"};
    record(PATHS[route], "post", body, &answer);
    take_answer(f, code, &answer, &err);
}

void county_boot(struct county_fixture *f, const struct store_boot *boot)
{
    struct err err = {0};
    struct store_answer answer = {0};
    buf_init(&answer.body, LIMIT_ANSWER_BYTES);
    int code = f->store->ops->boot(f->store, &f->station, boot, &answer, &err);
    record("/v1/boot", "get", "", &answer);
    take_answer(f, code, &answer, &err);
}

void county_sync(struct county_fixture *f, int inc, const char *push, const char *pull)
{
    struct buf body;
    buf_init(&body, 4 << 20);
    buf_printf(
        &body,
        "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"inc\":%d,\"tok\":\"%s\",\"acked\":0,\"fp\":",
        inc, inc > 0 && inc < 8 ? f->tok[inc] : "");
    if (next_fp != NULL)
        buf_printf(&body, "\"%s\"", next_fp);
    else
        buf_printf(&body, "\"%016llx\"", (unsigned long long)f->lseq);
    buf_printf(&body, ",\"push\":%s,\"pull\":%s,\"max\":262144}", push, pull);
    county_call(f, COUNTY_SYNC, buf_text(&body));
    int64_t got = json_int(f->reply, "inc", 0);
    if (f->status == 200 && got > 0 && got < 8)
        snprintf(f->tok[got], sizeof f->tok[got], "%s", json_text(f->reply, "tok", ""));
    free(f->sent);
    f->sent = strdup(buf_text(&body));
    buf_free(&body);
}

int64_t county_push(struct county_fixture *f, int inc, const char *table, int64_t base, int gm,
                    int64_t h, const char *members)
{
    char push[2048];
    int64_t lseq = f->lseq++;
    snprintf(push, sizeof push,
             "[{\"t\":\"%s\",\"r\":[{\"lseq\":%lld,\"base\":%lld,\"gm\":%d,\"h\":%lld,%s}]}]",
             table, (long long)lseq, (long long)base, gm, (long long)h, members);
    county_sync(f, inc, push, "{}");
    assert_int_equal(f->status, 200);
    return lseq;
}

static bool listed(const struct json *list, int64_t lseq)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (json_as_int(json_at(list, i), 0) == lseq)
            return true;
    return false;
}

const char *county_verdict(const struct county_fixture *f, int64_t lseq)
{
    const struct json *bad = json_get(f->reply, "bad");
    for (size_t i = 0; i < json_count(bad); i++)
        if (json_as_int(json_at(json_at(bad, i), 0), 0) == lseq)
            return json_as_text(json_at(json_at(bad, i), 1), "?");
    if (listed(json_get(f->reply, "lost"), lseq))
        return "lost";
    return listed(json_get(f->reply, "keep"), lseq) ? "keep" : "ok";
}

const struct json *county_pulled(const struct county_fixture *f, const char *id)
{
    const struct json *pull = json_get(f->reply, "pull");
    for (size_t i = 0; i < json_count(pull); i++) {
        const struct json *rows = json_get(json_at(pull, i), "r");
        for (size_t k = 0; k < json_count(rows); k++)
            if (strcmp(json_text(json_at(rows, k), "id", ""), id) == 0)
                return json_at(rows, k);
    }
    return NULL;
}

static void sqlite_run(const char *path, const char *sql, char *ret, size_t size)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    sqlite3_close(db);
}

const char *county_text(struct county_fixture *f, const char *sql)
{
    static char text[4096];
    text[0] = '\0';
    if (!is_remote(f)) {
        sqlite_run(f->path, sql, text, sizeof text);
        return text;
    }
    PGconn *conn = pg_open(f->database);
    pg_run(conn, sql, text, sizeof text);
    PQfinish(conn);
    return text;
}

int64_t county_int(struct county_fixture *f, const char *sql)
{
    return strtoll(county_text(f, sql), NULL, 10);
}

void county_exec(struct county_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    if (is_remote(f)) {
        PGconn *conn = pg_open(f->database);
        pg_run(conn, sql, NULL, 0);
        PQfinish(conn);
        return;
    }
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

void county_file(struct county_fixture *f, const char *name, const void *bytes, size_t size)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

int county_import(struct county_fixture *f, const char *name, const char *text, bool prune)
{
    char path[160];
    char *paths[] = {path};
    size_t size = 0;
    struct err err = {0};
    if (text != NULL)
        county_file(f, name, text, strlen(text));
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    free(f->report);
    f->report = NULL;
    FILE *out = open_memstream(&f->report, &size);
    struct import_options options = {.delete_missing = prune, .out = out};
    f->result = (struct store_import_result){0};
    int code = import_paths(f->store, &options, paths, 1, &f->result, &err);
    fclose(out);
    return code;
}

int64_t county_v0(const struct county_fixture *f)
{
    return json_int(f->reply, "v0", 0);
}

void county_checkin(struct county_fixture *f, int inc, const char *id)
{
    char members[128];
    snprintf(members, sizeof members,
             "\"id\":\"%s\",\"scope\":\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"", id);
    county_push(f, inc, "checkin", 0, 1, (int64_t)FIXTURE_NOW * 1000, members);
}

void county_pull_from(struct county_fixture *f, int inc, const char *epoch, int64_t v)
{
    char pull[96];
    snprintf(pull, sizeof pull, "{\"S0117\":[\"%s\",%lld]}", epoch, (long long)v);
    county_sync(f, inc, "[]", pull);
}
