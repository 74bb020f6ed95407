/* touyan-county as it is run: its commands, TLS, bodies, limits, kill and restart; and the protocol
 * spoken by hand, as another implementation of the station would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "sync/protocol.h"
#include "sync/replica/tables.h"
#include "sync/zip.h"
#include "tests/lib/exchanges.h"
#include "tests/lib/folder.h"

enum { READY_MS = 15000, PUSHERS = 4, PUSHES = 20, ROWS = 25 };

struct county {
    char folder[64];
    char db[96], ready[96], token_file[96];
    char token[128];
    const char *program, *data;
    pid_t pid;
    int port;
};

struct answer {
    bool closed; /* by the county, after it */
    long status, retry_after;
    struct buf raw;
    struct json *json;
};

/* --- the program --- */

static pid_t spawn(const struct county *c, char **argv, const char *out)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", c->folder, out);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execv(c->program, argv);
        _exit(127);
    }
    return pid;
}

static int run(const struct county *c, char **argv)
{
    int status = 0;
    assert_int_equal(waitpid(spawn(c, argv, "out"), &status, 0) > 0, 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void start(struct county *c)
{
    char cert[256], key[256];
    unlink(c->ready);
    snprintf(cert, sizeof cert, "%s/tls/county-cert.pem", c->data);
    snprintf(key, sizeof key, "%s/tls/county-key.pem", c->data);
    char *argv[] = {"touyan-county", "serve",  "--db", c->db,   "--listen",
                    "127.0.0.1:0",   "--cert", cert,   "--key", key,
                    "--ready-file",  c->ready, NULL};
    c->pid = spawn(c, argv, "log");
    c->port = 0;
    for (int waited = 0; c->port == 0 && waited < READY_MS; waited += 20) {
        FILE *file = fopen(c->ready, "r");
        if (file != NULL) {
            /* NOLINTNEXTLINE(cert-err34-c): the server writes a port */
            assert_int_equal(fscanf(file, "%d", &c->port), 1);
            fclose(file);
        }
        clock_sleep_ms(20);
    }
    assert_true(c->port > 0);
}

static int stop(struct county *c, int signal_number)
{
    int status = 0;
    kill(c->pid, signal_number);
    waitpid(c->pid, &status, 0);
    c->pid = 0;
    return status;
}

static int setup(void **state)
{
    struct county *c = calloc(1, sizeof *c);
    c->program = getenv("TOUYAN_COUNTY");
    c->data = getenv("TOUYAN_TEST_DATA");
    assert_non_null(c->program);
    assert_non_null(c->data);
    snprintf(c->folder, sizeof c->folder, "/tmp/touyan-countye2e-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    snprintf(c->db, sizeof c->db, "%s/county.db", c->folder);
    snprintf(c->ready, sizeof c->ready, "%s/port", c->folder);
    snprintf(c->token_file, sizeof c->token_file, "%s/token", c->folder);
    char csv[256], calendar[256];
    snprintf(csv, sizeof csv, "%s/county", c->data);
    snprintf(calendar, sizeof calendar, "%s/holiday-cn", c->data);
    char *import[] = {"touyan-county", "import", "--db", c->db, csv, calendar, NULL};
    assert_int_equal(run(c, import), 0);
    char *add[] = {"touyan-county", "station",      "add",         "S0117", "--db",
                   c->db,           "--token-file", c->token_file, NULL};
    assert_int_equal(run(c, add), 0);
    FILE *file = fopen(c->token_file, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%127s", c->token), 1);
    fclose(file);
    start(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct county *c = *state;
    if (c->pid > 0)
        stop(c, SIGKILL);
    int rc = folder_remove(c->folder);
    free(c);
    return rc;
}

/* --- the client --- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    return buf_add(&answer->raw, bytes, size * count) ? size * count : 0;
}

static void answer_free(struct answer *answer)
{
    json_free(answer->json);
    buf_free(&answer->raw);
    *answer = (struct answer){0};
}

struct call {
    const char *path, *token, *encoding;
    const char *body;
    size_t size;
};

static struct curl_slist *headers_of(const struct call *call)
{
    char line[300];
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (call->token != NULL) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", call->token);
        headers = curl_slist_append(headers, line);
    }
    if (call->encoding != NULL) {
        snprintf(line, sizeof line, "Content-Encoding: %s", call->encoding);
        headers = curl_slist_append(headers, line);
    }
    return curl_slist_append(headers, "Accept-Encoding: zstd");
}

static void read_answer(CURL *curl, struct answer *answer)
{
    struct buf clear;
    curl_off_t retry = 0;
    buf_init(&clear, 8 << 20);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry);
    answer->retry_after = (long)retry;
    struct curl_header *header;
    answer->closed =
        curl_easy_header(curl, "Connection", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
        strcmp(header->value, "close") == 0;
    if (zip_open(buf_text(&answer->raw), answer->raw.size, &clear, NULL) != ERR_OK) {
        buf_clear(&clear);
        buf_add(&clear, buf_text(&answer->raw), answer->raw.size);
    }
    struct err err = {0};
    if (strncmp(buf_text(&clear), "# TYPE ", 7) == 0) { /* metrics */
        answer->json = json_new_object();
        json_set_text(answer->json, "text", buf_text(&clear));
    } else if (json_parse(buf_text(&clear), clear.size, &answer->json, &err) != ERR_OK)
        fail_msg("%s in \"%s\"", err.text, buf_text(&clear));
    buf_free(&clear);
}

static CURLcode call_county(const struct county *c, const struct call *call, struct answer *answer)
{
    char url[512], cert[256];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = headers_of(call);
    *answer = (struct answer){0};
    buf_init(&answer->raw, 8 << 20);
    snprintf(url, sizeof url, "https://localhost:%d%s", c->port, call->path);
    snprintf(cert, sizeof cert, "%s/tls/county-cert.pem", c->data);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, cert);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (call->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->size);
    }
    CURLcode rc = curl_easy_perform(curl);
    if (rc == CURLE_OK)
        read_answer(curl, answer);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return rc;
}

/* Session token of the last answer, as a station keeps it. */
static _Thread_local char tok[64];

static void record(const struct call *call, const char *text, const struct answer *answer)
{
    struct buf reply;
    buf_init(&reply, 8 << 20);
    if (text != NULL && json_write(answer->json, &reply))
        exchanges_record(&(struct exchange){.path = call->path,
                                            .method = "post",
                                            .status = (int)answer->status,
                                            .request = text,
                                            .request_size = strlen(text),
                                            .reply = buf_text(&reply),
                                            .reply_size = reply.size});
    buf_free(&reply);
}

/* A sync request in zstd; -1: no answer came. */
static long sync_call(const struct county *c, const char *text, struct answer *answer)
{
    struct buf packed;
    buf_init(&packed, 8 << 20);
    assert_int_equal(zip_pack(text, strlen(text), ZIP_LEVEL_FAST, &packed, NULL), ERR_OK);
    struct call call = {"/v1/sync", c->token, "zstd", packed.bytes, packed.size};
    CURLcode rc = call_county(c, &call, answer);
    buf_free(&packed);
    if (rc == CURLE_OK)
        record(&call, text, answer);
    if (rc == CURLE_OK && answer->status == 200)
        snprintf(tok, sizeof tok, "%s", json_text(answer->json, "tok", ""));
    return rc == CURLE_OK ? answer->status : -1;
}

static long simple_call(const struct county *c, const char *path, const char *token,
                        const char *encoding, const char *body, struct answer *answer)
{
    struct call call = {path, token, encoding, body, body != NULL ? strlen(body) : 0};
    assert_int_equal(call_county(c, &call, answer), CURLE_OK);
    record(&call, body, answer);
    return answer->status;
}

#define HEAD "{\"p\":1,\"sv\":1,\"station\":\"S0117\",\"acked\":0,"

static int64_t take_incarnation(const struct county *c)
{
    struct answer answer;
    assert_int_equal(
        sync_call(c,
                  HEAD "\"inc\":0,\"tok\":\"\",\"fp\":\"\",\"push\":[],\"pull\":{},\"max\":4096}",
                  &answer),
        200);
    int64_t inc = json_int(answer.json, "inc", 0);
    assert_true(inc > 0);
    answer_free(&answer);
    return inc;
}

/* Push of `count` check-ins numbered from `first`. */
static void make_push(struct buf *out, int64_t inc, int first, int count)
{
    uint64_t fp = PROTOCOL_FP_START;
    struct buf rows;
    buf_init(&rows, 1 << 20);
    for (int i = first; i < first + count; i++) {
        char key[64];
        int size = snprintf(key, sizeof key, "%d:c-%lld-%d:1\n", i, (long long)inc, i);
        fp = protocol_fp_add(fp, key, (size_t)size);
        buf_printf(&rows,
                   "%s{\"lseq\":%d,\"base\":0,\"gm\":1,\"h\":1,\"id\":\"c-%lld-%d\",\"scope\":"
                   "\"S0117\",\"kind\":\"in\",\"channel\":\"sms\"}",
                   i > first ? "," : "", i, (long long)inc, i);
    }
    buf_clear(out);
    buf_printf(out,
               HEAD "\"inc\":%lld,\"tok\":\"%s\",\"fp\":\"%016llx\",\"push\":[{\"t\":\"checkin\","
                    "\"r\":[%s]}],\"pull\":{},\"max\":4096}",
               (long long)inc, tok, (unsigned long long)fp, buf_text(&rows));
    buf_free(&rows);
}

static struct json *show_counts(const struct county *c)
{
    char path[128], text[8192] = "";
    snprintf(path, sizeof path, "%s/counts", c->folder);
    unlink(path);
    char *argv[] = {"touyan-county", "show", "counts", "--db", (char *)c->db, NULL};
    int status = 0;
    waitpid(spawn(c, argv, "counts"), &status, 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    struct json *json = NULL;
    assert_int_equal(json_parse(text, strcspn(text, "\n"), &json, NULL), ERR_OK);
    return json;
}

static int64_t show_total(const struct county *c, const char *table)
{
    struct json *json = show_counts(c);
    int64_t total = json_int(json_get(json_get(json, "tables"), table), "S0117", 0);
    json_free(json);
    return total;
}

/* Rows of all tables in a scope. */
static int64_t show_all(const struct county *c, const char *scope)
{
    struct json *json = show_counts(c);
    int64_t total = 0;
    for (const struct table *t = tables; t->name != NULL; t++)
        total += json_int(json_get(json_get(json, "tables"), t->name), scope, 0);
    json_free(json);
    return total;
}

/* --- the tests --- */

static void it_is_healthy_and_asks_for_a_token(void **state)
{
    struct county *c = *state;
    struct answer answer;
    assert_int_equal(simple_call(c, "/v1/health", NULL, NULL, NULL, &answer), 200);
    assert_string_equal(json_text(answer.json, "status", ""), "ok");
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", NULL, NULL, "{}", &answer), 401);
    assert_non_null(json_get(answer.json, "error"));
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", "0123456789abcdef0", NULL, "{}", &answer), 401);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", c->token, NULL, "{}", &answer), 426);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", c->token, NULL, "{", &answer), 400);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", c->token, NULL, NULL, &answer), 405);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/nothing", c->token, NULL, NULL, &answer), 404);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", c->token, NULL,
                                 "{\"p\":1,\"sv\":1,\"station\":\"S0118\"}", &answer),
                     401);
    answer_free(&answer);
}

static void bodies_are_bounded(void **state)
{
    struct county *c = *state;
    struct answer answer;
    struct buf bomb;
    size_t size = 9 << 20;
    assert_int_equal(simple_call(c, "/v1/sync", c->token, "gzip", "{}", &answer), 415);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/sync", c->token, "zstd", "{}", &answer), 400);
    answer_free(&answer);
    char *zeros = calloc(1, size + 1);
    buf_init(&bomb, 1 << 20);
    assert_int_equal(zip_pack(zeros, size, ZIP_LEVEL_FAST, &bomb, NULL), ERR_OK);
    struct call call = {"/v1/sync", c->token, "zstd", bomb.bytes, bomb.size};
    assert_int_equal(call_county(c, &call, &answer), CURLE_OK);
    assert_int_equal(answer.status, 413);
    answer_free(&answer);
    memset(zeros, 'x', size);
    call = (struct call){"/v1/sync", c->token, NULL, zeros, size};
    CURLcode rc = call_county(c, &call, &answer); /* refused by its length before it is sent */
    assert_true(rc == CURLE_SEND_ERROR || answer.status == 413);
    answer_free(&answer);
    free(zeros);
    buf_free(&bomb);
}

/* First contact, the whole county down in pages, rows up, their echo left out. */
static void a_station_fills_itself_and_reports(void **state)
{
    struct county *c = *state;
    struct answer answer;
    struct buf push;
    char request[512], cursors[256] = "{\"S0117\":[\"\",0],\"*\":[\"\",0]}";
    int64_t inc = take_incarnation(c), rows = 0, more = 1, pages = 0;
    for (; more == 1; pages++) {
        snprintf(request, sizeof request,
                 HEAD "\"inc\":%lld,\"tok\":\"%s\",\"fp\":\"\",\"push\":[],\"pull\":%s,"
                      "\"max\":8192}",
                 (long long)inc, tok, cursors);
        assert_int_equal(sync_call(c, request, &answer), 200);
        const struct json *pull = json_get(answer.json, "pull");
        for (size_t i = 0; i < json_count(pull); i++)
            rows += (int64_t)json_count(json_get(json_at(pull, i), "r"));
        struct buf text;
        buf_init(&text, sizeof cursors - 1);
        assert_true(json_write(json_get(answer.json, "cur"), &text));
        snprintf(cursors, sizeof cursors, "%s", buf_text(&text));
        buf_free(&text);
        more = json_int(answer.json, "more", 0);
        answer_free(&answer);
    }
    assert_true(pages > 5);
    assert_int_equal(rows, show_all(c, "S0117") + show_all(c, "*"));
    assert_true(show_total(c, "person") > 50);
    buf_init(&push, 1 << 20);
    make_push(&push, inc, 1, ROWS);
    assert_int_equal(sync_call(c, buf_text(&push), &answer), 200);
    assert_int_equal(json_int(answer.json, "ack", 0), ROWS);
    answer_free(&answer);
    buf_free(&push);
    snprintf(request, sizeof request,
             HEAD "\"inc\":%lld,\"tok\":\"%s\",\"fp\":\"\",\"push\":[],\"pull\":%s,"
                  "\"max\":8192}",
             (long long)inc, tok, cursors);
    assert_int_equal(sync_call(c, request, &answer), 200);
    assert_int_equal(json_count(json_get(answer.json, "pull")), 0);
    answer_free(&answer);
    assert_int_equal(show_total(c, "checkin"), ROWS);
}

/* The server is killed at random moments; what was pushed is there once, and an answer that was
 * lost is given again. */
static void a_kill_loses_nothing_and_doubles_nothing(void **state)
{
    struct county *c = *state;
    struct buf push;
    int64_t inc = take_incarnation(c);
    buf_init(&push, 1 << 20);
    for (int round = 0; round < 8; round++) {
        struct answer answer;
        make_push(&push, inc, round * ROWS + 1, ROWS);
        pid_t killer = fork();
        if (killer == 0) {
            clock_sleep_ms(3 * round);
            kill(c->pid, SIGKILL);
            _exit(0);
        }
        sync_call(c, buf_text(&push), &answer);
        answer_free(&answer);
        int status;
        waitpid(killer, &status, 0);
        waitpid(c->pid, &status, 0);
        start(c);
        assert_int_equal(sync_call(c, buf_text(&push), &answer), 200);
        assert_int_equal(json_int(answer.json, "ack", 0), (round + 1) * ROWS);
        assert_int_equal(json_count(json_get(answer.json, "bad")), 0);
        answer_free(&answer);
    }
    buf_free(&push);
    assert_int_equal(show_total(c, "checkin"), 8 * ROWS);
}

struct pusher {
    const struct county *county;
    pthread_t thread;
    int failures;
};

static void *on_pusher(void *ctx)
{
    struct pusher *pusher = ctx;
    struct buf push;
    buf_init(&push, 1 << 20);
    int64_t inc = take_incarnation(pusher->county);
    for (int i = 0; i < PUSHES; i++) {
        struct answer answer;
        make_push(&push, inc, i * ROWS + 1, ROWS);
        if (sync_call(pusher->county, buf_text(&push), &answer) != 200)
            pusher->failures++;
        answer_free(&answer);
    }
    buf_free(&push);
    return NULL;
}

static void many_at_once_while_a_file_is_imported(void **state)
{
    struct county *c = *state;
    struct pusher pushers[PUSHERS];
    char csv[256];
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.county = c};
        pthread_create(&pushers[i].thread, NULL, on_pusher, &pushers[i]);
    }
    snprintf(csv, sizeof csv, "%s/county", c->data);
    char *import[] = {"touyan-county", "import", "--db", c->db, csv, NULL};
    assert_int_equal(run(c, import), 0);
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(pushers[i].thread, NULL);
        assert_int_equal(pushers[i].failures, 0);
    }
    assert_int_equal(show_total(c, "checkin"), PUSHERS * PUSHES * ROWS);
    assert_int_equal(WEXITSTATUS(stop(c, SIGTERM)), 0);
}

/* The paths beside /v1/sync, over the wire. */
static void it_fills_repairs_and_counts(void **state)
{
    struct county *c = *state;
    struct answer answer;
    char path[256];
    int64_t inc = take_incarnation(c);
    snprintf(
        path, sizeof path,
        "/v1/boot?p=1&sv=1&station=S0117&inc=%lld&s=S0117&t=person&after=%%E4%%B8%%AD&max=8192",
        (long long)inc);
    assert_int_equal(simple_call(c, path, c->token, NULL, NULL, &answer), 200);
    assert_int_equal(json_int(answer.json, "more", 9), 0); /* nothing sorts after a CJK letter */
    answer_free(&answer);
    snprintf(path, sizeof path,
             "/v1/boot?p=1&sv=1&station=S0117&inc=%lld&s=S0117&t=person&max=4096", (long long)inc);
    assert_int_equal(simple_call(c, path, c->token, NULL, NULL, &answer), 200);
    assert_int_equal(json_int(answer.json, "more", 9), 1);
    assert_true(json_int(answer.json, "v0", 0) > 0);
    answer_free(&answer);
    assert_int_equal(simple_call(c, path, NULL, NULL, NULL, &answer), 401);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/boot?p=1&sv=1&max=x", c->token, NULL, NULL, &answer), 400);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/boot?p=1&sv=99", c->token, NULL, NULL, &answer), 426);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/digest", c->token, NULL,
                                 HEAD "\"inc\":1,\"s\":\"S0117\",\"t\":\"person\"}", &answer),
                     200);
    assert_int_equal(json_count(json_get(answer.json, "b")), 256);
    answer_free(&answer);
    assert_int_equal(simple_call(c, "/v1/giveback", c->token, NULL,
                                 HEAD "\"common\":\"\",\"rows\":[],\"done\":1}", &answer),
                     200);
    answer_free(&answer);
    char *grant[] = {"touyan-county", "station", "grant", "S0117", "T03", "--db", c->db, NULL};
    assert_int_equal(run(c, grant), 0);
    char *drop[] = {"touyan-county", "quarantine", "drop", "1", "--db", c->db, NULL};
    assert_int_equal(run(c, drop), 1);
    char *conflicts[] = {"touyan-county", "conflicts", "--db", c->db, NULL};
    assert_int_equal(run(c, conflicts), 0);
    struct call call = {"/metrics", NULL, NULL, NULL, 0};
    assert_int_equal(call_county(c, &call, &answer), CURLE_OK);
    assert_int_equal(answer.status, 200);
    const char *text = json_text(answer.json, "text", "");
    assert_non_null(strstr(text, "touyan_county_quarantined 0\n"));
    assert_non_null(strstr(text, "touyan_county_station_seen_seconds{station=\"S0117\"} "));
    assert_non_null(
        strstr(text, "touyan_county_requests_total{route=\"boot\",status=\"2xx\"} 2\n"));
    answer_free(&answer);
}

static void a_revoked_token_opens_nothing(void **state)
{
    struct county *c = *state;
    struct answer answer;
    char *revoke[] = {"touyan-county", "station", "revoke", "S0117", "--db", c->db, NULL};
    take_incarnation(c);
    assert_int_equal(run(c, revoke), 0);
    assert_int_equal(sync_call(c, "{}", &answer), 401);
    answer_free(&answer);
    assert_int_equal(run(c, revoke), 1);
}

/* Of the county's process so far. */
static double processor_s(const struct county *c)
{
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)c->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    assert_non_null(at);
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers */
    assert_int_equal(
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* One that sends its first record a byte a second is cut off after 15 s; others are served
 * meanwhile, and the county waits for it without asking again and again. */
static void a_slow_client_is_cut_off(void **state)
{
    struct county *c = *state;
    double used = processor_s(c);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)c->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    static const char RECORD[] = "\x16\x03\x01\x40\x00"; /* a handshake of 16 KiB, TLS 1.0 form */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, RECORD, 5, MSG_NOSIGNAL), 5);
    int64_t begun = clock_mono_us() / 1000;
    bool open = true;
    char byte;
    struct timeval second = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    while (open && clock_mono_us() / 1000 - begun < 25000) {
        struct answer answer;
        open = send(fd, "\x01", 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) < 0;
        assert_int_equal(simple_call(c, "/v1/health", NULL, NULL, NULL, &answer), 200);
        answer_free(&answer);
    }
    close(fd);
    assert_false(open);
    assert_in_range(clock_mono_us() / 1000 - begun, 13000, 20000);
    assert_true(processor_s(c) - used < 5);
}

/* With more connections than it keeps, the county closes each after its answer, so that one place
 * after the other becomes free. */
static void a_crowd_takes_turns(void **state)
{
    struct county *c = *state;
    enum { CROWD = 1600, PER_ADDRESS = 100, WAITS_MS = 50, WAITS = 100 };
    static int crowd[CROWD];
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)c->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int count = files.rlim_cur < CROWD + 100 ? (int)files.rlim_cur - 100 : CROWD;
    struct answer answer;
    assert_int_equal(simple_call(c, "/v1/health", NULL, NULL, NULL, &answer), 200);
    assert_false(answer.closed);
    answer_free(&answer);
    for (int i = 0; i < count; i++) {
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr = {htonl(0x7f000100U + (unsigned)i / PER_ADDRESS)}};
        crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(crowd[i], (struct sockaddr *)&from, sizeof from), 0);
        assert_int_equal(connect(crowd[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    bool closed = false;
    for (int i = 0; !closed && i < WAITS; i++) { /* they are taken one by one */
        clock_sleep_ms(WAITS_MS);
        assert_int_equal(simple_call(c, "/v1/health", NULL, NULL, NULL, &answer), 200);
        closed = answer.closed;
        answer_free(&answer);
    }
    assert_true(closed);
    for (int i = 0; i < count; i++)
        close(crowd[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const struct CMUnitTest all[] = {
        TEST(it_is_healthy_and_asks_for_a_token),
        TEST(bodies_are_bounded),
        TEST(a_station_fills_itself_and_reports),
        TEST(a_kill_loses_nothing_and_doubles_nothing),
        TEST(many_at_once_while_a_file_is_imported),
        TEST(it_fills_repairs_and_counts),
        TEST(a_revoked_token_opens_nothing),
        TEST(a_slow_client_is_cut_off),
        TEST(a_crowd_takes_turns),
    };
    int rc = cmocka_run_group_tests(all, NULL, NULL);
    curl_global_cleanup();
    return rc;
}
