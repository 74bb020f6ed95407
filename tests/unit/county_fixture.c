/* See county_fixture.h. */
#include "tests/unit/county_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sync/county/import.h"
#include "sync/replica/seal.h"
#include "tests/lib/exchanges.h"
#include "tests/lib/folder.h"

static const char *next_fp;

static void open_store(struct county_fixture *f)
{
    struct err err = {0};
    struct store_options options = {.path = f->path,
                                    .clock = &f->clock,
                                    .rnd = &f->rnd,
                                    .seal = f->seal,
                                    .without = f->without,
                                    .new_epoch = true};
    if (store_open(&options, &f->store, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

int county_setup(void **state)
{
    struct county_fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/touyan-county-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/county.db", f->folder);
    f->cells.wall_ms = (int64_t)FIXTURE_NOW * 1000;
    f->clock = clock_manual(&f->cells);
    f->rnd = rnd_seeded(7);
    f->seal = seal_for_test();
    f->lseq = 1;
    snprintf(f->station.name, sizeof f->station.name, "east");
    snprintf(f->station.scope, sizeof f->station.scope, "S0117");
    open_store(f);
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
    int rc = folder_remove(f->folder);
    free(f);
    next_fp = NULL;
    return rc;
}

void county_reopen(struct county_fixture *f)
{
    f->store->ops->close(f->store);
    open_store(f);
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

const char *county_text(struct county_fixture *f, const char *sql)
{
    static char text[4096];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    text[0] = '\0';
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    sqlite3_close(db);
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
