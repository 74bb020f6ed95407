/* bench_mqtt_bare SOCKET DATABASE COUNT: the least that a durable subscriber has to do. One table
 * with the columns of device_event and the same key, INSERT OR IGNORE, WAL with synchronous=FULL,
 * libmosquitto with deferred acknowledgements, one COMMIT whenever the socket is empty or 1,000
 * rows are in, then the PUBACKs. No mapping, no registry, no change marks: the payload is searched
 * with strstr. Prints "ready", and "done" when COUNT rows are there. */
#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "tests/bench/mqtt/row.h"

enum { BATCH = 1000 };

static sqlite3 *db;
static sqlite3_stmt *insert;
static struct mosquitto *mosq;
static uv_poll_t poll_handle;
static int rows, wanted;
static bool in_transaction, ready;

static void exec(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return;
    fprintf(stderr, "bare: %s: %s\n", sql, sqlite3_errmsg(db));
    exit(1);
}

/* The text of a member, or the digits of one; good enough for the messages of this benchmark. */
static int find(const char *payload, const char *key, const char **ret)
{
    const char *at = strstr(payload, key);
    *ret = at != NULL ? at + strlen(key) : "";
    return (int)strcspn(*ret, "\",}");
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *message)
{
    (void)m;
    (void)ctx;
    const char *payload = message->payload, *id, *ts, *kind, *code;
    int id_size = find(payload, "\"id\":\"", &id), ts_size = find(payload, "\"ts\":", &ts);
    int kind_size = find(payload, "\"k\":\"", &kind), code_size = find(payload, "\"c\":\"", &code);
    char device[65], key[200], digits[24];
    const char *level = message->topic;
    for (int i = 0; i < 4; i++)
        level = strchr(level, '/') + 1;
    snprintf(device, sizeof device, "%.*s", (int)strcspn(level, "/"), level);
    snprintf(key, sizeof key, "%s:%.*s", device, id_size, id);
    snprintf(digits, sizeof digits, "%.*s", ts_size, ts);
    if (!in_transaction)
        exec("BEGIN IMMEDIATE");
    in_transaction = true;
    sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, device, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, kind, kind_size, SQLITE_STATIC);
    sqlite3_bind_text(insert, 4, code, code_size, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 5, strtoll(digits, NULL, 10));
    sqlite3_bind_int64(insert, 6, clock_wall_ms(clock_real()));
    if (sqlite3_step(insert) != SQLITE_DONE)
        exit(1);
    rows += sqlite3_changes(db);
    sqlite3_reset(insert);
}

static void on_connect(struct mosquitto *m, void *ctx, int code)
{
    (void)ctx;
    if (code != 0)
        exit(1);
    mosquitto_subscribe(m, NULL, BENCH_FILTER, 1);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int id, int count, const int *granted)
{
    (void)m;
    (void)ctx;
    (void)id;
    ready = count == 1 && granted[0] == 1;
    puts("ready");
    fflush(stdout);
}

static void commit(void)
{
    if (!in_transaction)
        return;
    exec("COMMIT");
    in_transaction = false;
    if (rows < wanted)
        return;
    puts("done");
    fflush(stdout);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status;
    struct pollfd fd = {.fd = mosquitto_socket(mosq), .events = POLLIN};
    int before = rows;
    if ((events & UV_READABLE) != 0)
        do {
            if (mosquitto_loop_read(mosq, 1) != MOSQ_ERR_SUCCESS)
                exit(1);
        } while (rows - before < BATCH && poll(&fd, 1, 0) > 0);
    commit();
    if (mosquitto_want_write(mosq) && mosquitto_loop_write(mosq, 1) != MOSQ_ERR_SUCCESS)
        exit(1);
    uv_poll_start(handle, mosquitto_want_write(mosq) ? UV_READABLE | UV_WRITABLE : UV_READABLE,
                  on_poll);
}

static void on_second(uv_timer_t *timer)
{
    (void)timer;
    mosquitto_loop_misc(mosq);
}

static void open_database(const char *path)
{
    if (sqlite3_open(path, &db) != SQLITE_OK)
        exit(1);
    exec("PRAGMA journal_mode=WAL");
    exec("PRAGMA synchronous=FULL");
    exec("CREATE TABLE IF NOT EXISTS device_event(id TEXT PRIMARY KEY NOT NULL, scope TEXT, "
         "device_id TEXT, kind TEXT, code TEXT, subject TEXT, device_at INTEGER, heard_at INTEGER, "
         "fresh INTEGER, _v INTEGER NOT NULL DEFAULT 0) STRICT");
    if (sqlite3_prepare_v2(db,
                           "INSERT OR IGNORE INTO device_event VALUES "
                           "(?1, 'S0117', ?2, ?3, ?4, NULL, ?5, ?6, 1, 0)",
                           -1, &insert, NULL) != SQLITE_OK)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4 || !text_to_int(argv[3], 1, 10000000, &wanted))
        return 64;
    signal(SIGPIPE, SIG_IGN);
    open_database(argv[2]);
    mosquitto_lib_init();
    mosq = mosquitto_new("bench-bare", false, NULL);
    mosquitto_threaded_set(mosq, true);
    mosquitto_message_callback_set(mosq, on_message);
    mosquitto_connect_callback_set(mosq, on_connect);
    mosquitto_subscribe_callback_set(mosq, on_subscribe);
    if (mosquitto_connect_async(mosq, argv[1], 0, 60) != MOSQ_ERR_SUCCESS)
        return 1;
    uv_loop_t loop;
    uv_timer_t second;
    uv_loop_init(&loop);
    uv_poll_init(&loop, &poll_handle, mosquitto_socket(mosq));
    uv_poll_start(&poll_handle, UV_READABLE | UV_WRITABLE, on_poll);
    uv_timer_init(&loop, &second);
    uv_timer_start(&second, on_second, 1000, 1000);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
