/* A station's end of the sync as a program of its own: replica, loop and module, driven by lines on
 * standard input. What was asked for is answered when it is committed, so an answer that was read
 * is a promise; the process may be killed at any moment.
 *
 * syncstation --db F --url U --ca F --token F --station S --key F [--poll MS] [--backoff MS]
 *             [--backoff-max MS] [--hold]    --hold: the module starts with `start` only
 *   event ID        a check-in of that id                           -> ok ID
 *   shift ID STATE  a shift of the county goes into a state         -> ok ID, or no ID
 *   add N           N check-ins as a day makes them                 -> ok N
 *   status          -> the module's words about itself as JSON
 *   now, start      ask the county at once; begin
 *   quit, or the end of input */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"
#include "sync/replica/seal.h"
#include "sync/sync.h"

enum { LINE_BYTES = 4096, WORD_BYTES = 256, STATUS_BYTES = 4096 };

struct station {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_pipe_t input;
    struct rnd rnd;
    struct seal *seal;
    struct replica *replica;
    struct sync *sync;
    char scope[LIMIT_STATION_BYTES + 1];
    char chunk[LINE_BYTES];
    char line[LINE_BYTES];
    size_t used;
};

/* An answer that waits for its commit. */
struct answer {
    struct station *station;
    char words[WORD_BYTES];
};

static void say(const char *words)
{
    printf("%s\n", words);
    fflush(stdout);
}

static void on_committed(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    struct answer *answer = ctx;
    say(committed ? answer->words : "failed");
    sync_poke(answer->station->sync);
    free(answer);
}

static void answer_after_commit(struct station *s, const char *word, const char *id)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        abort();
    answer->station = s;
    snprintf(answer->words, sizeof answer->words, "%s %s", word, id);
    replica_after_commit(s->replica, on_committed, answer, 0);
}

/* --- commands --- */

static void do_event(struct station *s, const char *id)
{
    replica_enter(s->replica);
    answer_after_commit(s, "ok", id);
    replica_leave(s->replica,
                  replica_run(s->replica,
                              "INSERT INTO checkin(id, scope, kind, at, channel) "
                              "VALUES (?1, ?2, 'in', now_ms(), 'sms') ON CONFLICT(id) DO NOTHING",
                              "ss", id, s->scope) >= 0);
}

static void do_shift(struct station *s, const char *id, const char *state)
{
    replica_enter(s->replica);
    int64_t changed =
        replica_run(s->replica, "UPDATE shift SET state = ?2 WHERE id = ?1 AND scope = ?3", "sss",
                    id, state, s->scope);
    answer_after_commit(s, changed > 0 ? "ok" : "no", id);
    replica_leave(s->replica, changed >= 0);
}

/* Guards touch their badges at their posts, a few seconds apart. */
static void do_add(struct station *s, const char *number)
{
    replica_enter(s->replica);
    int64_t count = 0;
    text_to_int64(number, 1, INT32_MAX, &count);
    int64_t changed = replica_run(
        s->replica,
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?1) "
        "INSERT INTO checkin(id, scope, assignment_id, person_id, post_id, kind, at, heard_at, "
        "channel, late_min) SELECT new_id(), ?2, 'S' || (i % 6 + 13) || '-M.2026-09-08.am.P' || "
        "(1301 + i % 97), 'P' || (1301 + i % 97), 'S' || (i % 6 + 13) || '-M', "
        "CASE i % 2 WHEN 0 THEN 'in' ELSE 'out' END, now_ms() + i * 3700 + i * i % 1009, "
        "now_ms() + i * 3700 + i * i % 1009 + 210, "
        "CASE i % 5 WHEN 0 THEN 'sms' ELSE 'badge' END, CASE WHEN i % 11 = 0 THEN i % 9 END FROM k",
        "is", count, s->scope);
    answer_after_commit(s, "ok", number);
    replica_leave(s->replica, changed == count);
}

static void do_status(struct station *s)
{
    struct sync_status status;
    struct buf text;
    struct json *json = json_new_object();
    sync_get_status(s->sync, &status);
    json_set_text(json, "link", sync_link_name(status.link));
    json_set_text(json, "problem", status.problem);
    json_set_int(json, "pending", status.pending);
    json_set_int(json, "lost_open", status.lost_open);
    json_set_int(json, "quarantined", status.quarantined);
    json_set_int(json, "incarnation", status.incarnation);
    json_set_int(json, "reincarnations", status.reincarnations);
    json_set_int(json, "last_progress_ms", status.last_progress_ms);
    json_set_int(json, "requests", status.requests);
    json_set_int(json, "failures", status.failures);
    json_set_int(json, "rows_pushed", status.rows_pushed);
    json_set_int(json, "rows_applied", status.rows_applied);
    json_set_bool(json, "caught_up", status.caught_up);
    buf_init(&text, STATUS_BYTES);
    json_write(json, &text);
    say(buf_text(&text));
    buf_free(&text);
    json_free(json);
}

static void obey(struct station *s, char *line)
{
    char *word = strsep(&line, " ");
    char *first = line != NULL ? strsep(&line, " ") : NULL;
    if (strcmp(word, "event") == 0 && first != NULL)
        do_event(s, first);
    else if (strcmp(word, "shift") == 0 && first != NULL && line != NULL)
        do_shift(s, first, line);
    else if (strcmp(word, "add") == 0 && first != NULL)
        do_add(s, first);
    else if (strcmp(word, "status") == 0)
        do_status(s);
    else if (strcmp(word, "now") == 0)
        sync_retry_now(s->sync);
    else if (strcmp(word, "start") == 0)
        sync_start(s->sync);
    else
        say("what?");
}

/* --- the loop --- */

static void on_prepare(uv_prepare_t *prepare)
{
    replica_commit(((struct station *)prepare->data)->replica);
}

static void on_check(uv_check_t *check)
{
    replica_commit(((struct station *)check->data)->replica);
}

static void on_closed(void *ctx)
{
    uv_stop(&((struct station *)ctx)->loop);
}

static void on_input(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct station *s = stream->data;
    if (got < 0) {
        uv_read_stop(stream);
        sync_close(s->sync, on_closed, s);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (buffer->base[i] != '\n' && s->used + 1 < sizeof s->line) {
            s->line[s->used++] = buffer->base[i];
            continue;
        }
        s->line[s->used] = '\0';
        s->used = 0;
        if (strcmp(s->line, "quit") == 0) {
            on_input(stream, UV_EOF, buffer);
            return;
        }
        obey(s, s->line);
    }
}

static void give_chunk(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)size;
    struct station *s = handle->data;
    *buffer = uv_buf_init(s->chunk, sizeof s->chunk);
}

/* --- start --- */

struct command_line {
    const char *db, *key;
    struct sync_options sync;
    bool hold;
};

static bool read_command_line(int argc, char **argv, struct command_line *ret)
{
    const char *poll = "60000", *backoff = "5000", *backoff_max = "900000";
    const struct {
        const char *name, **value;
    } words[] = {{"--db", &ret->db},
                 {"--key", &ret->key},
                 {"--url", &ret->sync.url},
                 {"--ca", &ret->sync.ca_file},
                 {"--token", &ret->sync.token_file},
                 {"--station", &ret->sync.station},
                 {"--poll", &poll},
                 {"--backoff", &backoff},
                 {"--backoff-max", &backoff_max}};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof words / sizeof *words && strcmp(argv[i], words[k].name) != 0)
            k++;
        if (strcmp(argv[i], "--hold") == 0)
            ret->hold = true;
        else if (k == sizeof words / sizeof *words || i + 1 == argc)
            return false;
        else
            *words[k].value = argv[++i];
    }
    return text_to_int64(poll, 1, INT32_MAX, &ret->sync.poll_ms) &&
           text_to_int64(backoff, 1, INT32_MAX, &ret->sync.backoff_min_ms) &&
           text_to_int64(backoff_max, 1, INT32_MAX, &ret->sync.backoff_max_ms) && ret->db != NULL &&
           ret->key != NULL && ret->sync.url != NULL && ret->sync.station != NULL;
}

static int open_all(struct station *s, const struct command_line *line, struct err *err)
{
    struct replica_options options = {.path = line->db, .clock = clock_real(), .rnd = &s->rnd};
    text_copy(s->scope, sizeof s->scope, line->sync.station);
    int code = seal_open(line->key, &s->seal, err);
    options.seal = s->seal;
    if (code == ERR_OK)
        code = replica_open(&options, &s->replica, err);
    if (code == ERR_OK)
        code = sync_init(&s->sync, &s->loop, s->replica, &s->rnd, &line->sync, err);
    return code;
}

static void start_handles(struct station *s)
{
    uv_prepare_init(&s->loop, &s->prepare);
    uv_check_init(&s->loop, &s->check);
    uv_pipe_init(&s->loop, &s->input, 0);
    s->prepare.data = s->check.data = s->input.data = s;
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    uv_pipe_open(&s->input, 0);
    uv_read_start((uv_stream_t *)&s->input, give_chunk, on_input);
}

static void close_all(struct station *s)
{
    replica_commit(s->replica);
    uv_close((uv_handle_t *)&s->prepare, NULL);
    uv_close((uv_handle_t *)&s->check, NULL);
    uv_close((uv_handle_t *)&s->input, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    sync_free(s->sync);
    replica_close(s->replica);
    seal_close(s->seal);
}

int main(int argc, char **argv)
{
    static struct station s;
    struct command_line line = {0};
    struct err err = {0};
    if (!read_command_line(argc, argv, &line)) {
        fputs("syncstation: the command line is wrong\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    s.rnd = rnd_system();
    uv_loop_init(&s.loop);
    if (open_all(&s, &line, &err) != ERR_OK) {
        fprintf(stderr, "syncstation: %s\n", err.text);
        return 1;
    }
    start_handles(&s);
    if (!line.hold)
        sync_start(s.sync);
    say("ready");
    uv_run(&s.loop, UV_RUN_DEFAULT);
    close_all(&s);
    return 0;
}
