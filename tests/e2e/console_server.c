/* A daemon that is nothing but its console: the real HTTP server and routes on a real replica, with
 * a station of fixed facts behind them. Usage: console_server SOCKET [GROUP]. Says "ready" on
 * standard output, stops on SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "gateway/base/rnd.h"
#include "gateway/console/console.h"
#include "sync/replica/seal.h"

/* To this number a statement of the handler fails, so that nothing is committed. */
#define FAILING_NUMBER "13800000013"

static struct replica *replica;
static struct http *http;
static uv_prepare_t prepare;
static uv_check_t check;
static uv_signal_t on_term;

static struct json *parse(const char *text)
{
    struct json *json = NULL;
    json_parse(text, strlen(text), &json, NULL);
    return json;
}

static struct json *port_status(void *ctx)
{
    (void)ctx;
    return parse("{\"station\":\"S0117\",\"name\":\"城东派出所\",\"version\":\"0.1.0\","
                 "\"now\":1788737520000,\"county\":{\"link\":\"down\",\"as_of\":1788734400000,"
                 "\"pending\":34},\"broker\":{\"connected\":true},\"modems\":[{\"name\":\"gsm0\","
                 "\"state\":\"ready\",\"model\":\"EC20\",\"csq\":21}],\"posts\":{\"peak\":\"am\","
                 "\"start_at\":1788736800000,\"assigned\":14,\"on_post\":12,\"confirmed\":1,"
                 "\"absent\":1},\"sms\":{\"queued\":3,\"delivered\":118},\"alarms_open\":1,"
                 "\"inbox_open\":2,\"devices\":12,\"devices_offline\":1,\"repairs_open\":3,"
                 "\"flow\":[{\"school\":\"实验小学\",\"people\":180,\"level\":\"heavy\","
                 "\"by_hand\":0},{\"school\":\"二中\",\"people\":0,\"level\":\"peak\","
                 "\"by_hand\":1}]}");
}

static struct json *port_check(void *ctx)
{
    (void)ctx;
    return parse("{\"findings\":[{\"code\":\"county\",\"level\":1,\"text\":\"HTTP 503\","
                 "\"since\":1788734400000},{\"code\":\"database\",\"level\":0},"
                 "{\"code\":\"modem\",\"level\":0,\"text\":\"EC20\"}]}");
}

static struct json *port_sync(void *ctx)
{
    (void)ctx;
    return parse("{\"link\":\"down\",\"since\":1788734400000,\"as_of\":1788734400000,"
                 "\"pending\":34,\"problem\":\"sync: HTTP 503\"}");
}

static struct json *port_idle(void *ctx)
{
    (void)ctx;
    return parse("{\"idle\":true,\"next_due_ms\":null}");
}

static void port_sync_now(void *ctx)
{
    (void)ctx;
}

static struct json *port_enrolment(void *ctx)
{
    (void)ctx;
    return parse("{\"state\":\"good\",\"station\":\"S0117\",\"name\":\"east\",\"digits\":\"\","
                 "\"serial\":\"PF123\",\"until\":1820332800000,\"problem\":\"\"}");
}

static int port_enrol(void *ctx, const char *code, struct err *err)
{
    (void)ctx;
    return code != NULL && strcmp(code, "wrong") == 0 ? err_set(err, ERR_INVALID, "no code")
                                                      : ERR_OK;
}

static int put(const char *box, const char *number, const char *text,
               char ret_id[LIMIT_ID_BYTES + 1])
{
    replica_new_id(replica, ret_id);
    if (strcmp(number, FAILING_NUMBER) == 0)
        replica_run(replica, "INSERT INTO kv(k, v) VALUES (NULL, 1)", "");
    if (strcmp(box, "out") == 0)
        replica_run(replica,
                    "INSERT INTO outbox(id, idem, phone, body, prio, concat_ref, parts, created_at,"
                    " not_before_at, not_after_at, state) VALUES (?1, ?1, seal_phone(?2), seal(?3),"
                    " 1, 0, 1, now_ms(), 0, 0, 'queued')",
                    "sss", ret_id, number, text);
    else
        replica_run(
            replica,
            "INSERT INTO inbox(id, phone, body, parts, have, can_answer, sent_at, heard_at,"
            " state) VALUES (?1, seal_phone(?2), seal(?3), 1, 1, 1, 0, now_ms(), 'handled')",
            "sss", ret_id, number, text);
    return ERR_OK;
}

static int port_send(void *ctx, const char *number, const char *text,
                     char ret_id[LIMIT_ID_BYTES + 1], struct err *err)
{
    (void)ctx;
    if (strspn(number, "+0123456789") != strlen(number))
        return err_set(err, ERR_INVALID, "this is no telephone number");
    return put("out", number, text, ret_id);
}

static int port_simulate(void *ctx, const char *number, const char *text, struct err *err)
{
    char id[LIMIT_ID_BYTES + 1];
    (void)ctx;
    (void)err;
    return put("in", number, text, id);
}

static void on_prepare(uv_prepare_t *handle)
{
    (void)handle;
    replica_commit(replica);
}

static void on_check(uv_check_t *handle)
{
    (void)handle;
    replica_commit(replica);
}

static void on_http_closed(void *ctx)
{
    (void)ctx;
    uv_close((uv_handle_t *)&prepare, NULL);
    uv_close((uv_handle_t *)&check, NULL);
    uv_close((uv_handle_t *)&on_term, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    uv_signal_stop(handle);
    http_close(http, on_http_closed, NULL);
}

static int serve(uv_loop_t *loop, const char *socket_path, const char *group, const char *readers,
                 struct err *err)
{
    static struct console console;
    console = (struct console){.replica = replica,
                               .ports = {.status = port_status,
                                         .check = port_check,
                                         .sync = port_sync,
                                         .idle = port_idle,
                                         .sync_now = port_sync_now,
                                         .enrolment = port_enrolment,
                                         .enrol = port_enrol,
                                         .send = port_send,
                                         .simulate = port_simulate}};
    struct http_options options = {.loop = loop,
                                   .replica = replica,
                                   .socket_path = socket_path,
                                   .group = group,
                                   .readers = readers,
                                   .ctx = &console,
                                   .respond = console_respond};
    return http_start(&options, &http, err);
}

/* A terminal that needs somebody to look at it. */
static void add_device(void)
{
    replica_enter(replica);
    replica_run(replica,
                "INSERT INTO device(id, scope, product, kind)"
                " VALUES ('FT1401', 'S0117', 'mqtt_face', 'face')",
                "");
    replica_run(replica,
                "INSERT INTO device_state(device_id, product, state, state_at, first_at, heard_at,"
                " event_at, silent_s, offset_ms, messages, firmware, battery, over) VALUES"
                " ('FT1401', 'mqtt_face', 'online', 1, 1, 1, 0, 100, -95000, 7, '1.4.2', 12, 5)",
                "");
    replica_run(replica,
                "INSERT INTO device_gap(device_id, boot, seq_from, seq_to, at_from, at_to,"
                " noticed_at, next_at) VALUES ('FT1401', '', 4, 6, 0, 0, 1, 0)",
                "");
    replica_leave(replica, true);
    replica_commit(replica);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct rnd rnd = rnd_system();
    struct seal *seal = seal_for_test();
    uv_loop_t loop;
    struct replica_options options = {
        .path = ":memory:", .clock = clock_real(), .rnd = &rnd, .seal = seal};
    uv_loop_init(&loop);
    uv_prepare_init(&loop, &prepare);
    uv_check_init(&loop, &check);
    uv_signal_init(&loop, &on_term);
    if (argc < 2 || replica_open(&options, &replica, &err) != ERR_OK ||
        serve(&loop, argv[1], argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL, &err) !=
            ERR_OK) {
        fprintf(stderr, "console_server: %s\n", err.text);
        return 1;
    }
    add_device();
    uv_prepare_start(&prepare, on_prepare);
    uv_check_start(&check, on_check);
    uv_signal_start(&on_term, on_signal, SIGTERM);
    puts("ready");
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    replica_close(replica);
    seal_close(seal);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
