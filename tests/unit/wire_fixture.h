/* A station's replica with its end of the wire, and replies of a county written by hand. */
#ifndef TOUYAN_TESTS_WIRE_FIXTURE_H
#define TOUYAN_TESTS_WIRE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/json.h"
#include "sync/life.h"
#include "sync/wire.h"

struct wire_fixture {
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

/* As after SIGKILL: what is not committed is gone. */
void fx_crash(struct wire_fixture *f);
int fx_set_up(void **state);
int fx_tear_down(void **state);
void fx_run(struct wire_fixture *f, const char *sql);
int64_t fx_ask(struct wire_fixture *f, const char *sql);
/* Claims and writes a request, committed. */
void fx_build(struct wire_fixture *f, size_t max_rows);
struct json *fx_sent_row(struct wire_fixture *f, size_t table, size_t row);
/* A reply: `verdicts` and `pull` are JSON texts. */
void fx_reply_with(struct wire_fixture *f, const char *verdicts, const char *pull,
                   struct page *ret);
void fx_settle(struct wire_fixture *f, const struct page *page);
void fx_apply_rows(struct wire_fixture *f, const struct page *page, size_t from, size_t to);
/* The whole way of a reply: verdicts, rows, cursors. */
void fx_get(struct wire_fixture *f, const char *verdicts, const char *pull);
/* First contact: the incarnation is known afterwards. */
void fx_meet(struct wire_fixture *f);
/* And then the shift "a" has come, at version 10. */
void fx_meet_shift(struct wire_fixture *f);
/* The push up to this lseq is accepted whole. */
void fx_accept(struct wire_fixture *f, int64_t ack, int64_t v0);
void fx_insert_shifts(struct wire_fixture *f, int64_t count);

#define ASSERT_TEXT(f, sql, wanted)                                                                \
    do {                                                                                           \
        char text_[512] = "(null)";                                                                \
        replica_get_text((f)->replica, text_, sizeof text_, sql, "");                              \
        assert_string_equal(text_, wanted);                                                        \
    } while (0)

#define NO_VERDICTS "\"ack\":0,\"v0\":0,\"lost\":[],\"keep\":[],\"bad\":[]"

/* Pulled rows. */
#define PERSON(id, v, name)                                                                        \
    "{\"_v\":" v ",\"_op\":\"U\",\"id\":\"" id                                                     \
    "\",\"scope\":\"S1\",\"kind\":\"guard\",\"name\":\"" name                                      \
    "\",\"phone\":\"+8613800000001\",\"active\":1,\"later\":[1]}"
#define GROUP(table, rows) "[{\"t\":\"" table "\",\"s\":\"S1\",\"r\":[" rows "]}]"
#define SHIFT(id, v, need, state)                                                                  \
    "{\"_v\":" v ",\"_op\":\"U\",\"id\":\"" id "\",\"scope\":\"S1\",\"post_id\":\"q\",\"date\":"   \
    "\"2026-09-01\",\"peak\":\"am\",\"need\":" need ",\"state\":\"" state "\"}"

#endif
