/* See wire_fixture.h. */
#include "tests/unit/wire_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "sync/replica/seal.h"

static void swallow(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static void open_all(struct wire_fixture *f)
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

void fx_crash(struct wire_fixture *f)
{
    wire_fini(&f->wire);
    replica_close(f->replica);
    open_all(f);
}

int fx_set_up(void **state)
{
    log_set_sink(swallow, NULL);
    struct wire_fixture *f = calloc(1, sizeof *f);
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

int fx_tear_down(void **state)
{
    struct wire_fixture *f = *state;
    wire_fini(&f->wire);
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

void fx_run(struct wire_fixture *f, const char *sql)
{
    replica_enter(f->replica);
    int64_t changed = replica_run(f->replica, sql, "");
    if (!replica_leave(f->replica, true) || changed < 0)
        fail_msg("%s: %s", sql, replica_problem(f->replica));
    assert_true(replica_commit(f->replica));
}

int64_t fx_ask(struct wire_fixture *f, const char *sql)
{
    return replica_get_int(f->replica, -1, sql, "");
}

void fx_build(struct wire_fixture *f, size_t max_rows)
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

struct json *fx_sent_row(struct wire_fixture *f, size_t table, size_t row)
{
    return json_at(json_get(json_at(json_get(f->sent, "push"), table), "r"), row);
}

void fx_reply_with(struct wire_fixture *f, const char *verdicts, const char *pull, struct page *ret)
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

void fx_settle(struct wire_fixture *f, const struct page *page)
{
    replica_enter(f->replica);
    assert_true(replica_leave(f->replica, wire_settle(&f->wire, page)));
    assert_true(replica_commit(f->replica));
}

void fx_apply_rows(struct wire_fixture *f, const struct page *page, size_t from, size_t to)
{
    replica_enter(f->replica);
    bool ok = wire_apply(&f->wire, page, from, to);
    if (ok && to == page->row_count)
        ok = wire_store_cursors(&f->wire, page);
    if (!replica_leave(f->replica, ok))
        fail_msg("%s", replica_problem(f->replica));
    assert_true(replica_commit(f->replica));
}

void fx_get(struct wire_fixture *f, const char *verdicts, const char *pull)
{
    struct page page;
    fx_reply_with(f, verdicts, pull, &page);
    fx_settle(f, &page);
    fx_apply_rows(f, &page, 0, page.row_count);
    page_free(&page);
}

void fx_meet(struct wire_fixture *f)
{
    fx_build(f, 100);
    assert_int_equal(f->rows, 0);
    fx_get(f, NO_VERDICTS, "[]");
}

void fx_meet_shift(struct wire_fixture *f)
{
    fx_meet(f);
    fx_get(f, NO_VERDICTS, GROUP("shift", SHIFT("a", "10", "1", "planned")));
}

void fx_accept(struct wire_fixture *f, int64_t ack, int64_t v0)
{
    char verdicts[128];
    snprintf(verdicts, sizeof verdicts,
             "\"ack\":%lld,\"v0\":%lld,\"lost\":[],\"keep\":[],\"bad\":[]", (long long)ack,
             (long long)v0);
    fx_get(f, verdicts, "[]");
}

void fx_insert_shifts(struct wire_fixture *f, int64_t count)
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
