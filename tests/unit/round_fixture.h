/* The whole sync module of a station, over a transport that a test answers by hand. */
#ifndef TOUYAN_TESTS_ROUND_FIXTURE_H
#define TOUYAN_TESTS_ROUND_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/json.h"
#include "sync/internal.h"

struct fixture {
    struct clock_cells cells;
    struct clock clock;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    uv_loop_t loop;
    uv_check_t check;
    struct sync *sync;
    bool closed;
    bool own_only;    /* it follows its own scope alone */
    uint32_t without; /* for the next rx_open() */
    int64_t applied;
    int links_up, links_down;
    char file[64];

    /* the transport */
    transport_reply_fn *on_reply;
    void *reply_ctx;
    char path[2048];
    struct json *sent;
    int sends;
};

/* Not started yet. rx_close() and rx_open(): a start of the program. */
int rx_set_up(void **state);
int rx_tear_down(void **state);
void rx_open(struct fixture *f);
void rx_close(struct fixture *f);

void rx_turn(struct fixture *f);
/* Lets time pass until a request is there; its path begins so. */
void rx_wait_request(struct fixture *f, const char *path);
void rx_give(struct fixture *f, const struct transport_reply *reply);
void rx_answer(struct fixture *f, int status, const char *body);
int64_t rx_highest_sent(const struct fixture *f); /* lseq */
struct sync_status rx_status(struct fixture *f);

/* One turn with this statement; one number out of the database. */
void rx_run(struct fixture *f, const char *sql);
int64_t rx_ask(struct fixture *f, const char *sql);

#endif
