/* Many stations for `bench county`: each keeps its incarnation, token, cursors and numbers as the
 * protocol wants them, and a TLS connection of its own (from an address of its own in 127/8). One
 * loop over curl's multi interface.
 *
 *   bench_stations --ca FILE --stations FILE --port P [--port P] [--minutes M] [--morning ROUNDS]
 *                  [--parallel K] [--seconds S]
 *
 * FILE of stations: a line "name token" for each. First all say hello and follow their scope and
 * the county's from the beginning of the feed. Then each has M minutes of a school's morning peak,
 * one after the other: a push of MINUTE_ROWS rows and a poll, at most K requests at a time, in no
 * order. Then, with --morning, all at once: ROUNDS pushes of MORNING_ROWS rows each, what a day
 * without a county leaves; a refusal or a broken connection is tried again as a station would,
 * after Retry-After and with jitter. After each part a line of JSON. */
#include <curl/curl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/rnd.h"
#include "gateway/base/text.h"
#include "sync/protocol.h"
#include "sync/zip.h"

enum {
    STATIONS_MAX = 2000,
    PORTS_MAX = 4,
    MINUTE_ROWS = 20,
    MORNING_ROWS = 200,
    PAGE_BYTES = 65536,
    BODY_BYTES_MAX = 1 << 20,
    CURSORS_BYTES = 256,
    SAMPLES_MAX = 200000,
    BACKOFF_MS = 1000,
    BACKOFF_MAX_MS = 16000,
    SEED = 20260908,
};

struct station {
    char name[LIMIT_STATION_BYTES + 1];
    char authorization[PROTOCOL_TOKEN_MAX_BYTES + 32];
    CURL *easy;
    struct curl_slist *headers;
    char url[64], address[64];
    struct buf plain, packed, reply, opened;

    int64_t inc, lseq, acked, ids;
    char tok[PROTOCOL_TOK_BYTES + 1];
    char cursors[CURSORS_BYTES]; /* "S0117":["ep",v],"*":["ep",v] */
    char seen[CURSORS_BYTES];    /* ["ep",v] or "" */

    int pushes, polls;          /* still to do in this part */
    int rows;                   /* of a push */
    bool more, running, repeat; /* repeat: the last request was not answered */
    int64_t pushed;             /* rows of the request that runs */
    int failures;
    int64_t due_ms, sent_us, done_ms;
};

struct part {
    int64_t requests, rows, pulled, refused, broken;
    int64_t took_us[SAMPLES_MAX];
    int64_t began_ms;
};

static struct station stations[STATIONS_MAX];
static size_t station_count, running;
static struct part part;
static struct rnd rnd;
static CURLM *multi;
static const char *ca_file;
static int ports[PORTS_MAX];
static size_t port_count;

static int64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_stations: %s: %s\n", what, why);
    exit(1);
}

/* --- a request --- */

static void add_row(struct station *s, int64_t at, uint64_t *fp)
{
    char id[48], line[96];
    int64_t lseq = s->lseq + 1 + s->pushed++;
    snprintf(id, sizeof id, "%s-%" PRId64 "-%08" PRIx64, s->name, s->inc, lseq);
    int size = snprintf(line, sizeof line, "%" PRId64 ":%s:%" PRId64 "\n", lseq, id, at);
    *fp = protocol_fp_add(*fp, line, (size_t)size);
    buf_printf(&s->plain,
               "%s{\"lseq\":%" PRId64 ",\"base\":0,\"gm\":1,\"h\":%" PRId64 ",\"id\":\"%s\","
               "\"scope\":\"%s\",\"assignment_id\":\"%s-%03" PRId64 "\",\"person_id\":\"P%03" PRId64
               "\",\"post_id\":\"%s-E\",\"kind\":\"in\",\"at\":%" PRId64 ",\"heard_at\":%" PRId64
               ",\"channel\":\"badge\",\"late_min\":0}",
               s->pushed > 1 ? "," : "", lseq, at, id, s->name, s->name, lseq % 97, lseq % 48,
               s->name, at, at + 70);
}

static void write_request(struct station *s)
{
    uint64_t fp = PROTOCOL_FP_START;
    int64_t at = clock_wall_ms(clock_real());
    bool push = s->inc > 0 && s->pushes > 0 && s->pushes >= s->polls;
    s->pushed = 0;
    buf_clear(&s->plain);
    buf_printf(&s->plain,
               "{\"p\":%d,\"sv\":%d,\"station\":\"%s\",\"inc\":%" PRId64 ",%s\"tok\":\"%s\","
               "\"acked\":%" PRId64 ",\"max\":%d,%s%s%s\"pull\":{%s},\"push\":[",
               PROTOCOL_VERSION, PROTOCOL_SCHEMA, s->name, s->inc,
               s->inc == 0 ? "\"why\":\"new\"," : "", s->tok, s->acked, PAGE_BYTES,
               s->seen[0] != '\0' ? "\"seen\":" : "", s->seen, s->seen[0] != '\0' ? "," : "",
               s->cursors);
    if (push) {
        buf_add_text(&s->plain, "{\"t\":\"checkin\",\"r\":[");
        for (int i = 0; i < s->rows; i++)
            add_row(s, at + i, &fp);
        buf_add_text(&s->plain, "]}");
    }
    char text[17] = "";
    if (push)
        snprintf(text, sizeof text, "%016" PRIx64, fp);
    buf_printf(&s->plain, "],\"fp\":\"%s\"}", text);
    buf_clear(&s->packed);
    if (s->plain.failed ||
        zip_pack(s->plain.bytes, s->plain.size, ZIP_LEVEL_FAST, &s->packed, NULL) != ERR_OK)
        die(s->name, "the request does not fit");
}

static void send_request(struct station *s)
{
    if (!s->repeat)
        write_request(s);
    buf_clear(&s->reply);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->packed.bytes);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->packed.size);
    if (curl_multi_add_handle(multi, s->easy) != CURLM_OK)
        die(s->name, "curl");
    s->running = true;
    s->sent_us = clock_mono_us();
    running++;
}

/* --- its answer --- */

static bool has_zstd(CURL *easy)
{
    struct curl_header *header;
    return curl_easy_header(easy, "Content-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
}

static struct json *read_reply(struct station *s)
{
    struct json *reply = NULL;
    struct buf *body = &s->reply;
    if (has_zstd(s->easy)) {
        buf_clear(&s->opened);
        if (zip_open(s->reply.bytes, s->reply.size, &s->opened, NULL) != ERR_OK)
            die(s->name, "the reply cannot be unpacked");
        body = &s->opened;
    }
    if (json_parse(buf_text(body), body->size, &reply, NULL) != ERR_OK)
        die(s->name, "the reply is no JSON");
    return reply;
}

static void take_cursors(struct station *s, const struct json *reply)
{
    const char *const scopes[] = {s->name, "*"};
    const struct json *cursors = json_get(reply, "cur");
    s->cursors[0] = '\0';
    for (size_t i = 0; i < 2; i++) {
        const struct json *cursor = json_get(cursors, scopes[i]);
        size_t used = strlen(s->cursors);
        snprintf(s->cursors + used, sizeof s->cursors - used, "%s\"%s\":[\"%s\",%" PRId64 "]",
                 i > 0 ? "," : "", scopes[i], json_as_text(json_at(cursor, 0), ""),
                 json_as_int(json_at(cursor, 1), 0));
    }
    snprintf(s->seen, sizeof s->seen, "[\"%s\",%" PRId64 "]", json_text(reply, "ep", ""),
             json_int(reply, "v", 0));
}

static void count_pulled(const struct json *reply)
{
    const struct json *pull = json_get(reply, "pull");
    for (size_t i = 0; i < json_count(pull); i++)
        part.pulled += (int64_t)json_count(json_get(json_at(pull, i), "r"));
}

static void take_verdicts(struct station *s, const struct json *reply)
{
    if (json_count(json_get(reply, "bad")) + json_count(json_get(reply, "lost")) > 0)
        die(s->name, "rows were refused");
    if (json_int(reply, "ack", 0) != s->lseq + s->pushed)
        die(s->name, "the push was not acknowledged");
    s->lseq += s->pushed;
    s->acked = s->lseq;
    s->pushes--;
    part.rows += s->pushed;
}

static void on_good(struct station *s)
{
    struct json *reply = read_reply(s);
    if (s->pushed > 0)
        take_verdicts(s, reply);
    else if (s->polls > 0)
        s->polls--;
    s->inc = json_int(reply, "inc", 0);
    text_copy(s->tok, sizeof s->tok, json_text(reply, "tok", ""));
    s->more = json_int(reply, "more", 0) != 0;
    take_cursors(s, reply);
    count_pulled(reply);
    json_free(reply);
    if (part.requests < SAMPLES_MAX)
        part.took_us[part.requests] = clock_mono_us() - s->sent_us;
    part.requests++;
    s->failures = 0;
    s->repeat = false;
    s->due_ms = now_ms();
    s->done_ms = s->due_ms;
}

static void on_bad(struct station *s, CURLcode result, long status)
{
    curl_off_t retry_s = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &retry_s);
    if (result == CURLE_OK && status != 503)
        die(s->name, buf_text(&s->reply));
    part.refused += result == CURLE_OK;
    part.broken += result != CURLE_OK;
    int64_t limit = BACKOFF_MS;
    for (int i = 0; i < s->failures && limit < BACKOFF_MAX_MS; i++)
        limit *= 2;
    s->failures++;
    s->repeat = true;
    int64_t wait = (int64_t)rnd_below(&rnd, (uint64_t)limit) + 1;
    s->due_ms = now_ms() + (wait > retry_s * 1000 ? wait : retry_s * 1000);
}

static void read_messages(void)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        struct station *s;
        long status = 0;
        CURLcode result = message->data.result;
        CURL *easy = message->easy_handle;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&s);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_multi_remove_handle(multi, easy);
        s->running = false;
        running--;
        if (result == CURLE_OK && status == 200)
            on_good(s);
        else
            on_bad(s, result, status);
    }
}

/* --- a part --- */

static bool has_work(const struct station *s)
{
    return s->pushes > 0 || s->polls > 0 || s->more || s->repeat;
}

/* Starts what may start, from a random station on; how many have work. */
static size_t start_some(size_t parallel)
{
    size_t busy = 0, from = (size_t)rnd_below(&rnd, station_count);
    int64_t now = now_ms();
    for (size_t i = 0; i < station_count; i++) {
        struct station *s = &stations[(from + i) % station_count];
        busy += s->running || has_work(s);
        if (!s->running && has_work(s) && s->due_ms <= now && running < parallel)
            send_request(s);
    }
    return busy;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(size_t percent)
{
    size_t count = part.requests < SAMPLES_MAX ? (size_t)part.requests : SAMPLES_MAX;
    qsort(part.took_us, count, sizeof *part.took_us, by_time);
    if (count == 0)
        return 0;
    size_t rank = (count * percent + 99) / 100;
    return (double)part.took_us[rank - 1] / 1000;
}

/* Seconds after the beginning at which the first and the last station had all done. */
static void say(const char *name, size_t left)
{
    int64_t first = INT64_MAX, last = 0;
    for (size_t i = 0; i < station_count; i++) {
        int64_t done = stations[i].done_ms - part.began_ms;
        first = done < first ? done : first;
        last = done > last ? done : last;
    }
    printf("{\"part\":\"%s\",\"stations\":%zu,\"left\":%zu,\"requests\":%" PRId64
           ",\"rows\":%" PRId64 ",\"pulled\":%" PRId64 ",\"refused\":%" PRId64
           ",\"broken\":%" PRId64
           ",\"seconds\":%.3f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"first_done_s\":%.3f,"
           "\"last_done_s\":%.3f}\n",
           name, station_count, left, part.requests, part.rows, part.pulled, part.refused,
           part.broken, (double)(now_ms() - part.began_ms) / 1000, percentile_ms(50),
           percentile_ms(99), (double)first / 1000, (double)last / 1000);
    fflush(stdout);
}

/* Until nobody has anything left to do, or the time is over. */
static void run_part(const char *name, size_t parallel, int64_t seconds)
{
    size_t left = 1;
    int still;
    memset(&part, 0, sizeof part);
    part.began_ms = now_ms();
    while (now_ms() - part.began_ms < seconds * 1000 && (left = start_some(parallel)) > 0) {
        curl_multi_poll(multi, NULL, 0, 20, NULL);
        curl_multi_perform(multi, &still);
        read_messages();
    }
    say(name, left);
    if (left > 0)
        exit(1);
}

static void give_all(int pushes, int rows, int polls)
{
    for (size_t i = 0; i < station_count; i++) {
        stations[i].pushes = pushes;
        stations[i].rows = rows;
        stations[i].polls = polls;
        stations[i].due_ms = 0;
    }
}

/* --- the beginning --- */

static size_t on_body(char *bytes, size_t unit, size_t count, void *ctx)
{
    return buf_add(ctx, bytes, unit * count) ? unit * count : 0;
}

static void prepare(struct station *s, size_t at)
{
    buf_init(&s->plain, BODY_BYTES_MAX);
    buf_init(&s->packed, BODY_BYTES_MAX);
    buf_init(&s->reply, BODY_BYTES_MAX);
    buf_init(&s->opened, 4 * BODY_BYTES_MAX);
    snprintf(s->url, sizeof s->url, "https://localhost:%d/v1/sync", ports[at % port_count]);
    snprintf(s->address, sizeof s->address, "127.1.%zu.%zu", at / 250, at % 250 + 1);
    snprintf(s->cursors, sizeof s->cursors, "\"%.32s\":[\"\",0],\"*\":[\"\",0]", s->name);
    s->headers = curl_slist_append(s->headers, s->authorization);
    s->headers = curl_slist_append(s->headers, "Accept-Encoding: zstd");
    s->headers = curl_slist_append(s->headers, "Content-Encoding: zstd");
    s->headers = curl_slist_append(s->headers, "Content-Type: application/json");
    s->headers = curl_slist_append(s->headers, "Expect:");
    s->easy = curl_easy_init();
    if (s->easy == NULL || s->headers == NULL)
        die(s->name, "out of memory");
    curl_easy_setopt(s->easy, CURLOPT_URL, s->url);
    curl_easy_setopt(s->easy, CURLOPT_INTERFACE, s->address);
    curl_easy_setopt(s->easy, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
    curl_easy_setopt(s->easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, &s->reply);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
}

static void read_stations(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path, "cannot be read");
    while (station_count < STATIONS_MAX && fgets(line, sizeof line, file) != NULL) {
        struct station *s = &stations[station_count++];
        char *token = strchr(line, ' ');
        line[strcspn(line, "\n")] = '\0';
        if (token == NULL)
            die(path, "a line is no name and token");
        *token++ = '\0';
        if (!text_copy(s->name, sizeof s->name, line))
            die(path, "a name is too long");
        snprintf(s->authorization, sizeof s->authorization, "Authorization: Bearer %.256s", token);
    }
    fclose(file);
}

static void many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct command_line {
    int minutes, morning, parallel, seconds;
};

static bool set_option(struct command_line *line, int option)
{
    switch (option) {
    case 'c':
        ca_file = optarg;
        return true;
    case 's':
        read_stations(optarg);
        return true;
    case 'p':
        return port_count < PORTS_MAX && text_to_int(optarg, 1, 65535, &ports[port_count++]);
    case 'm':
        return text_to_int(optarg, 0, 100000, &line->minutes);
    case 'M':
        return text_to_int(optarg, 0, 1000, &line->morning);
    case 'k':
        return text_to_int(optarg, 1, STATIONS_MAX, &line->parallel);
    case 't':
        return text_to_int(optarg, 1, 3600, &line->seconds);
    default:
        return false;
    }
}

static void read_command_line(int argc, char **argv, struct command_line *line)
{
    static const struct option OPTIONS[] = {
        {"ca", required_argument, NULL, 'c'},      {"stations", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},    {"minutes", required_argument, NULL, 'm'},
        {"morning", required_argument, NULL, 'M'}, {"parallel", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
        if (!set_option(line, option))
            die("the command line", "see the top of stations.c");
    if (ca_file == NULL || port_count == 0 || station_count == 0)
        die("the command line", "--ca, --stations and --port are needed");
}

int main(int argc, char **argv)
{
    struct command_line line = {.minutes = 1, .parallel = 16, .seconds = 120};
    read_command_line(argc, argv, &line);
    many_files();
    rnd = rnd_seeded(SEED);
    curl_global_init(CURL_GLOBAL_ALL);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)STATIONS_MAX);
    for (size_t i = 0; i < station_count; i++)
        prepare(&stations[i], i);
    give_all(0, 0, 2);
    run_part("hello", (size_t)line.parallel, line.seconds);
    give_all(line.minutes, MINUTE_ROWS, line.minutes);
    run_part("minutes", (size_t)line.parallel, line.seconds);
    if (line.morning > 0) {
        give_all(line.morning, MORNING_ROWS, 1);
        run_part("morning", STATIONS_MAX, line.seconds);
    }
    return 0;
}
