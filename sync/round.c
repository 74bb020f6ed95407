/* One round after the other, driven on the loop; see sync.h and core.h.
 *
 * Requests other than the round of pushing and pulling, and the local work between them, are
 * course.h's.
 *
 * Happy path of a round: the engine wants a request -> the marks to be pushed are claimed and the
 * request is written in one handler -> after its commit it is sent -> the reply is taken apart,
 * verdicts and token are stored in one handler -> after its commit the pulled rows are applied
 * slice by slice, one every second loop turn, each followed by the turn's commit -> the cursor goes
 * with the last slice -> the engine is told, and may want the next request at once.
 *
 * A push that is full is followed by another: while the county works on it, the next one is claimed
 * and its rows are written (ahead.h); when the reply brings no rows and nothing is wrong with those
 * of the push, its verdict is kept and the request is completed in one handler, and is sent after
 * that commit. The push is settled while the next one is under way. There is still one request at a
 * time.
 *
 * Failures: before the reply, the marks stay in flight and the same push is sent again. A reply
 * that cannot be understood, or a commit that failed, ends the round; the cursor is where it was,
 * so the page is asked for again. A push that the county refuses as a whole (400, 413) is
 * unclaimed; when a request without any row is then taken, the push is halved until the row to
 * blame is alone, and that is set aside. A county that has seen another life of this database
 * (409 reinc) makes it a new incarnation, which pushes what is open under its own number.
 *
 * Slices are sized by the time they take including their commit, so that what waits for the loop
 * (an alarm) waits about 10 ms at most. */
#include "sync/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "sync/ahead.h"
#include "sync/flight.h"
#include "sync/life.h"
#include "sync/rules.h"
#include "sync/state.h"

enum {
    LOOK_MS = 1000, /* level-triggered: marks are looked for this often even if nobody calls */
    PRUNE_MS = 3600000,
    PRUNE_AGAIN_MS = 2000, /* when there was more than one handler takes */
    /* An alarm waits for the slice that is being applied: well below LIMIT_SYNC_SLICE_MS, because
     * the time of a slice is foretold from the last one. Shorter ones cost hardly any rows a
     * second. */
    HANDLER_GOAL_US = 3000,
    /* Of the first push, which is claimed and written whole. */
    PUSH_GOAL_US = 5000,
    SLOW_LINK_GOAL_US = 20000,               /* every few seconds at most */
    REMEDIES_IN_A_ROW = PROTOCOL_SCOPES + 4, /* each scope may need one */
    REINC_PAUSE_MS = 60000,
    WORK_PAUSE_MS = 1000, /* after local work that could not be committed */
};

static void apply_next(uv_idle_t *idle);

/* --- the link's state --- */

static void set_link(struct sync *sync, enum sync_link link, const char *problem)
{
    text_copy(sync->status.problem, sizeof sync->status.problem, problem);
    if (sync->status.link == link)
        return;
    bool was_up = sync->status.link == SYNC_LINK_UP;
    sync->status.link = link;
    sync->status.since_ms = core_wall_ms(sync);
    if (link == SYNC_LINK_UP)
        log_info("sync.up", "url=%s", sync->url);
    else
        log_warn("sync.link", "is=%s why=\"%s\"", sync_link_name(link), problem);
    bool is_up = link == SYNC_LINK_UP;
    if (sync->options.on_link != NULL && (is_up || was_up))
        sync->options.on_link(sync->options.ctx, is_up);
}

static void hold(struct sync *sync, const char *problem)
{
    engine_hold(&sync->engine);
    set_link(sync, SYNC_LINK_HELD, problem);
}

static void drop_page(struct sync *sync)
{
    sync->may_apply = sync->page_waits = sync->goes_on = false;
    page_free(&sync->page);
    uv_idle_stop(&sync->idle);
}

/* The round ends without success. */
static void fail(struct sync *sync, int64_t retry_after_ms, const char *problem)
{
    drop_page(sync);
    sync->status.failures++;
    engine_failed(&sync->engine, core_mono_ms(sync), retry_after_ms);
    set_link(sync, SYNC_LINK_DOWN, problem);
    round_look(sync);
}

/* A slow line carries a push every few seconds, and each costs it a round trip. */
static void note_push_pace(struct sync *sync)
{
    handler_note(sync, &sync->push, sync->pushed,
                 engine_link_is_fast(&sync->engine) ? PUSH_GOAL_US : SLOW_LINK_GOAL_US);
}

/* --- applying --- */

void round_lost(struct sync *sync)
{
    sync->built = false;
    wire_forget_next(&sync->wire);
    course_work_lost(&sync->course);
    fail(sync, -1, "the station's database could not be written");
}

/* False: the object is closing, or the round has ended because the turn could not be committed. */
static bool may_go_on(struct sync *sync, bool committed)
{
    if (handler_ack(sync))
        return false;
    if (!committed)
        round_lost(sync);
    return committed;
}

/* Looks what there is to do beside news; only what this module does changes that. */
static void look_ahead(struct sync *sync)
{
    sync->work = course_work_due(&sync->course);
    if (course_pending(&sync->course)) {
        sync->engine.more = true;
        sync->status.caught_up = false;
    }
}

static void on_round_done(struct sync *sync)
{
    drop_page(sync);
    sync->remedies = 0;
    look_ahead(sync);
    sync->engine.rest = sync->pushed > 0 && (sync->wire.push_is_full || sync->claimed);
    engine_applied(&sync->engine, core_mono_ms(sync));
    sync->status.last_progress_ms = core_wall_ms(sync);
    set_link(sync, SYNC_LINK_UP, "");
    round_look(sync);
}

static void on_slice_committed(void *ctx, int64_t rows, bool committed)
{
    struct sync *sync = ctx;
    if (!may_go_on(sync, committed))
        return;
    handler_note(sync, &sync->slice, (size_t)rows, HANDLER_GOAL_US);
    sync->next_row += (size_t)rows;
    bool last = sync->next_row == sync->page.row_count;
    if (!last)
        uv_idle_start(&sync->idle, apply_next);
    if (rows > 0 && sync->options.on_applied != NULL)
        sync->options.on_applied(sync->options.ctx, rows);
    if (last)
        on_round_done(sync);
}

/* With the last slice. When it was is kept: how old the county's word is must be known after a
 * restart without a line, too. */
static bool store_end(struct sync *sync)
{
    bool ok = sync->course.ask == ASK_SYNC ? wire_store_cursors(&sync->wire, &sync->page)
                                           : course_store(&sync->course);
    return ok && state_set_int(sync->replica, "progress_ms", core_wall_ms(sync));
}

/* One slice; the cursors go with the last. */
static void apply_slice(struct sync *sync)
{
    size_t from = sync->next_row;
    size_t left = sync->page.row_count - from;
    size_t rows = left < sync->slice.rows ? left : sync->slice.rows;
    handler_begin(sync);
    handler_wait(sync, on_slice_committed, (int64_t)rows);
    bool ok = wire_apply(&sync->wire, &sync->page, from, from + rows);
    if (ok && rows == left)
        ok = store_end(sync);
    handler_end(sync, ok);
}

/* What came while the last commit was running is served before the next slice begins. */
static void apply_next(uv_idle_t *idle)
{
    struct sync *sync = idle->data;
    sync->may_apply = !sync->may_apply;
    if (sync->may_apply)
        return;
    uv_idle_stop(idle);
    apply_slice(sync);
}

/* --- the reply --- */

static void on_settled(void *ctx, int64_t pushed, bool committed)
{
    struct sync *sync = ctx;
    if (!may_go_on(sync, committed))
        return;
    if (!flight_is_settling(&sync->wire))
        handler_note(sync, &sync->settle, (size_t)pushed, HANDLER_GOAL_US);
    sync->next_row = 0;
    sync->goes_on = true;
    round_go_on(sync);
}

/* The county took a request: what its refusals taught is over, or it has come down to one row. */
static bool settle_blame(struct sync *sync)
{
    bool ok = true;
    if (sync->blame == BLAME_ALONE)
        ok = wire_set_aside_first(&sync->wire, sync->refusal);
    if (sync->blame == BLAME_NONE && sync->refused_limit < LIMIT_SYNC_PUSH_ROWS)
        sync->refused_limit *= 2;
    sync->blame = BLAME_NONE;
    return ok;
}

/* Nothing that this reply says changes the push that was prepared. */
static bool next_follows(struct sync *sync)
{
    return sync->wire.next.is_due && sync->page.row_count == 0 && sync->blame == BLAME_NONE &&
           !course_work_due(&sync->course) && !course_pending(&sync->course);
}

/* The next request, if its rows are written. */
static void build_next(struct sync *sync)
{
    struct err err = {0};
    if (!next_follows(sync) || sync->wire.next.step != NEXT_READY)
        return;
    buf_clear(&sync->request);
    sync->built = wire_build(&sync->wire, engine_page_bytes(&sync->engine), 0, &sync->request,
                             &sync->to_push, &err) == ERR_OK;
}

static bool settle_sync(struct sync *sync)
{
    wire_end_claim(&sync->wire);
    sync->claimed = sync->wire.next.step != NEXT_NONE;
    sync->wire.settle_rows = sync->settle.rows;
    return wire_settle(&sync->wire, &sync->page) && settle_blame(sync);
}

static bool note_time(struct sync *sync)
{
    int64_t since_ms = core_mono_ms(sync) - sync->page_mono_ms;
    return sync->page_county_ms == 0 ||
           life_note_time(&sync->wire, sync->page_county_ms + since_ms);
}

static void settle(struct sync *sync)
{
    sync->claimed = sync->built = false;
    handler_enter(sync);
    handler_wait(sync, on_settled, (int64_t)sync->pushed);
    bool ok = sync->course.ask != ASK_SYNC || settle_sync(sync);
    ok = ok && wire_note_seen(&sync->wire, sync->page.envelope);
    if (ok && sync->page.row_count == 0)
        ok = store_end(sync);
    ok = ok && note_time(sync);
    if (ok)
        build_next(sync);
    handler_end(sync, ok);
}

/* The push before this one is settled first. A push that was prepared goes at once; what pulled
 * rows are applied to is settled. */
void round_go_on(struct sync *sync)
{
    bool settling = flight_is_settling(&sync->wire);
    bool waits = sync->page_waits;
    if (!waits && !sync->built)
        build_next(sync);
    if (waits && !settling) {
        sync->page_waits = sync->goes_on = false;
        settle(sync);
    } else if (sync->built || (!settling && sync->page.row_count == 0)) {
        on_round_done(sync);
    } else if (next_follows(sync) && sync->wire.next.step == NEXT_WRITING) {
        ahead_step(sync);
    } else if (settling) {
        ahead_settle(sync);
    } else {
        sync->goes_on = false;
        uv_idle_start(&sync->idle, apply_next);
    }
}

static int64_t county_now(struct sync *sync, int64_t said_ms, const struct transport_reply *reply)
{
    int64_t county_ms = said_ms > 0 ? said_ms + reply->took_ms / 2 : 0;
    if (county_ms > 0) {
        sync->status.off_ms = county_ms - core_wall_ms(sync);
        sync->county_ms = county_ms;
    }
    return county_ms;
}

static void note_reply(struct sync *sync, const struct transport_reply *reply, bool more)
{
    engine_replied(&sync->engine, more, sync->request.size + reply->size,
                   reply->sent_bytes + reply->received_bytes, reply->took_ms);
    sync->status.caught_up = !more;
}

static int read_sync(struct sync *sync, const struct transport_reply *reply, int64_t *ret_now_ms,
                     bool *ret_more, struct err *err)
{
    int code = page_read(&sync->page, reply->body, reply->size, err);
    if (code == ERR_OK)
        code = wire_check_reply(&sync->wire, &sync->page, sync->pushed, err);
    *ret_now_ms = json_int(sync->page.envelope, "now", 0);
    *ret_more = json_int(sync->page.envelope, "more", 0) != 0;
    return code;
}

static void on_good_reply(struct sync *sync, const struct transport_reply *reply)
{
    struct err err = {0};
    int64_t now_ms = 0;
    bool more = true;
    int code = sync->course.ask == ASK_SYNC ? read_sync(sync, reply, &now_ms, &more, &err)
                                            : course_read(&sync->course, reply->body, reply->size,
                                                          &sync->page, &now_ms, &err);
    if (code != ERR_OK) {
        fail(sync, -1, err.text);
        return;
    }
    note_reply(sync, reply, more);
    sync->page_county_ms = county_now(sync, now_ms, reply);
    sync->page_mono_ms = core_mono_ms(sync);
    sync->page_waits = sync->goes_on = true;
    round_go_on(sync);
}

/* --- refusals --- */

static void error_of(const struct transport_reply *reply, char *ret, size_t size)
{
    struct json *body = NULL;
    json_parse(reply->body, reply->size, &body, NULL);
    char text[LIMIT_ERR_TEXT];
    text_copy_utf8(text, sizeof text, json_text(body, "error", ""),
                   strlen(json_text(body, "error", "")));
    json_free(body);
    snprintf(ret, size, "the county answered %d%s%.300s", reply->status,
             text[0] != '\0' ? ": " : "", text);
}

static void on_unclaimed(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    (void)committed;
    handler_ack(ctx);
}

static bool reincarnate(struct sync *sync, const char *code, const char *why)
{
    handler_begin(sync);
    handler_wait(sync, on_unclaimed, 0);
    return handler_end(sync, life_reincarnate(&sync->wire, code, why));
}

/* The county has seen another life of this station. Twice in a minute is no second copy but a
 * mistake of one of the ends: then there is time. */
static void on_reinc(struct sync *sync, const char *problem)
{
    bool again = sync->reinc_ms > 0 && core_mono_ms(sync) - sync->reinc_ms < REINC_PAUSE_MS;
    sync->reinc_ms = core_mono_ms(sync);
    bool done = reincarnate(sync, "reinc", problem);
    fail(sync, -1, problem);
    if (done && !again) {
        engine_retry_now(&sync->engine, core_mono_ms(sync));
        round_look(sync);
    }
}

/* 400 or 413 with rows in the push. */
static void split_push(struct sync *sync, const char *problem)
{
    text_copy_utf8(sync->refusal, sizeof sync->refusal, problem, strlen(problem));
    sync->blame = sync->pushed == 1 ? BLAME_ALONE : BLAME_PROBE;
    sync->refused_limit = sync->pushed > 1 ? sync->pushed / 2 : 1;
    handler_begin(sync);
    handler_wait(sync, on_unclaimed, 0);
    handler_end(sync, wire_unclaim(&sync->wire));
}

/* After a refusal with a remedy: the link is well, unless refusals follow one another. */
static void go_on(struct sync *sync, const char *problem)
{
    bool few = ++sync->remedies <= REMEDIES_IN_A_ROW;
    if (!few)
        set_link(sync, SYNC_LINK_DOWN, problem);
    drop_page(sync);
    engine_failed(&sync->engine, core_mono_ms(sync), -1);
    if (few)
        engine_retry_now(&sync->engine, core_mono_ms(sync));
    look_ahead(sync);
    round_look(sync);
}

/* A refusal that says what to do: it is prepared, and the next request comes at once. A county
 * that keeps refusing is asked at the pace of a failing one. */
static bool remedy(struct sync *sync, const struct transport_reply *reply, const char *problem)
{
    struct json *body = NULL;
    json_parse(reply->body, reply->size, &body, NULL);
    bool reinc = reply->status == 409 && json_get(body, "reinc") != NULL;
    bool done = false;
    if (!reinc) {
        handler_begin(sync);
        handler_wait(sync, on_unclaimed, 0);
        done = course_refused(&sync->course, reply->status, body);
        done = handler_end(sync, done) && done;
    }
    json_free(body);
    if (reinc) {
        on_reinc(sync, problem);
    } else if (done) {
        go_on(sync, problem);
    }
    return reinc || done;
}

/* 401 with "renew": the certificate has expired while the station was off or had no link. */
static bool expired(struct sync *sync, const struct transport_reply *reply)
{
    struct json *body = NULL;
    json_parse(reply->body, reply->size, &body, NULL);
    bool renew = json_int(body, "renew", 0) == 1 && sync->identity.have;
    json_free(body);
    if (renew)
        identity_note_expired(&sync->identity);
    return renew;
}

static void on_bad_status(struct sync *sync, const struct transport_reply *reply)
{
    char problem[LIMIT_ERR_TEXT];
    error_of(reply, problem, sizeof problem);
    bool remediable = reply->status == 403 || reply->status == 404 || reply->status == 409 ||
                      reply->status == 410;
    if (remediable && remedy(sync, reply, problem))
        return;
    if (reply->status == 401 && expired(sync, reply)) {
        go_on(sync, problem);
        return;
    }
    if (reply->status == 409 || reply->status == 410) {
        sync->status.failures++;
        hold(sync, problem);
        return;
    }
    bool refused = (reply->status == 400 || reply->status == 413) && sync->pushed > 0;
    if (refused)
        split_push(sync, problem);
    fail(sync, reply->retry_after_ms, problem);
    if (refused) {
        engine_retry_now(&sync->engine, core_mono_ms(sync));
        round_look(sync);
    }
}

/* The answer to a request for a certificate. A station that can do without goes on at once. */
static void on_enrolment(struct sync *sync, const struct transport_reply *reply)
{
    char problem[LIMIT_ERR_TEXT];
    bool answered = reply->code == ERR_OK;
    sync->enrolling = false;
    if (answered)
        error_of(reply, problem, sizeof problem);
    else
        text_copy(problem, sizeof problem, reply->err.text);
    enum identity_outcome outcome =
        identity_take(&sync->identity, answered ? reply->status : 0, reply->body, reply->size,
                      reply->retry_after_ms, core_mono_ms(sync), problem);
    if (outcome == IDENTITY_LATER && reply->status == 202)
        sync->engine.failures = 0; /* the county says when to ask again */
    if (outcome != IDENTITY_LATER || (answered && identity_is_usable(&sync->identity)))
        go_on(sync, problem);
    else
        fail(sync, reply->retry_after_ms, sync->identity.problem);
}

static void on_reply(void *ctx, const struct transport_reply *reply)
{
    struct sync *sync = ctx;
    ahead_end(sync);
    if (reply->status != 200 || sync->course.ask != ASK_SYNC)
        ahead_settle_rest(sync);
    if (reply->code == ERR_IO || reply->code == ERR_TIMEOUT)
        engine_cut(&sync->engine);
    if (sync->enrolling)
        on_enrolment(sync, reply);
    else if (reply->code != ERR_OK)
        fail(sync, -1, reply->err.text);
    else if (reply->status == 200)
        on_good_reply(sync, reply);
    else
        on_bad_status(sync, reply);
}

/* --- the request --- */

static void send_to(struct sync *sync, const char *path)
{
    sync->transport.send(sync->transport.impl, path, buf_text(&sync->request), sync->request.size,
                         engine_link_is_fast(&sync->engine), on_reply, sync);
}

size_t round_may_push(struct sync *sync)
{
    return sync->blame != BLAME_NONE || !life_clock_known(&sync->wire) ? 0 : sync->refused_limit;
}

static size_t max_rows(struct sync *sync)
{
    size_t may = round_may_push(sync);
    return sync->push.rows < may ? sync->push.rows : may;
}

static void send_push(struct sync *sync)
{
    send_to(sync, "/v1/sync");
    ahead_begin(sync, sync->pushed > 0 && sync->wire.push_is_full &&
                          (sync->wire.without & WITHOUT_PULLINFLIGHT) == 0);
}

static void on_claimed(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    struct sync *sync = ctx;
    if (!may_go_on(sync, committed))
        return;
    note_push_pace(sync);
    send_push(sync);
}

static void request_sync(struct sync *sync)
{
    struct err err = {0};
    if (sync->built) {
        sync->built = false;
        sync->pushed = sync->to_push;
        send_push(sync);
        return;
    }
    buf_clear(&sync->request);
    handler_begin(sync);
    int code = wire_build(&sync->wire, engine_page_bytes(&sync->engine), max_rows(sync),
                          &sync->request, &sync->pushed, &err);
    if (code == ERR_OK)
        handler_wait(sync, on_claimed, 0);
    bool kept = handler_end(sync, code == ERR_OK);
    if (code == ERR_LIMIT && sync->push.rows > 1)
        sync->push.rows /= 2;
    if (!kept && code != ERR_OK)
        fail(sync, -1, err.text);
}

static void request_other(struct sync *sync)
{
    struct err err = {0};
    char path[COURSE_PATH_BYTES];
    buf_clear(&sync->request);
    sync->built = false;
    if (course_build(&sync->course, engine_page_bytes(&sync->engine), path, &sync->request, &err) ==
        ERR_OK)
        send_to(sync, path);
    else
        fail(sync, -1, err.text);
}

static void request_certificate(struct sync *sync)
{
    struct err err = {0};
    const char *path;
    buf_clear(&sync->request);
    sync->built = false;
    sync->enrolling = true;
    if (identity_build(&sync->identity, &path, &sync->request, &err) == ERR_OK) {
        send_to(sync, path);
        return;
    }
    sync->enrolling = false;
    sync->identity.retry_ms = core_mono_ms(sync) + IDENTITY_PAUSE_MS;
    text_copy(sync->identity.problem, sizeof sync->identity.problem, err.text);
    fail(sync, -1, err.text);
}

static void request(struct sync *sync, bool marks)
{
    engine_requested(&sync->engine);
    sync->status.requests++;
    sync->pushed = 0;
    if (identity_wants(&sync->identity, sync->county_ms, core_mono_ms(sync)))
        request_certificate(sync);
    else if (course_choose(&sync->course, marks) == ASK_SYNC)
        request_sync(sync);
    else
        request_other(sync);
}

/* --- local work --- */

static void on_worked(void *ctx, int64_t arg, bool committed)
{
    (void)arg;
    struct sync *sync = ctx;
    if (handler_ack(sync))
        return;
    if (!committed) {
        course_work_lost(&sync->course);
        sync->work_after_ms = core_mono_ms(sync) + WORK_PAUSE_MS;
    }
    look_ahead(sync);
    round_look(sync);
}

static bool may_work(const struct sync *sync)
{
    int phase = sync->engine.sm.now;
    return sync->work && (phase == ENGINE_IDLE || phase == ENGINE_WAITING);
}

static void work(struct sync *sync)
{
    handler_begin(sync);
    handler_wait(sync, on_worked, 0);
    handler_end(sync, course_work(&sync->course));
}

/* --- looking --- */

/* A backup took the database's place. */
static void check_restored(struct sync *sync)
{
    int phase = sync->engine.sm.now;
    if (replica_was_restored(sync->replica) && (phase == ENGINE_IDLE || phase == ENGINE_WAITING))
        reincarnate(sync, "reinc", "the database was taken from a backup");
}

static void prune(struct sync *sync)
{
    if (core_mono_ms(sync) - sync->pruned_ms < PRUNE_MS)
        return;
    sync->pruned_ms = core_mono_ms(sync);
    replica_enter(sync->replica);
    if (wire_prune(&sync->wire))
        sync->pruned_ms -= PRUNE_MS - PRUNE_AGAIN_MS;
    replica_leave(sync->replica, true);
}

static void on_timer(uv_timer_t *timer)
{
    struct sync *sync = timer->data;
    if (replica_failing(sync->replica) == NULL) {
        check_restored(sync);
        prune(sync);
        bool marks = wire_has_marks(&sync->wire);
        if (may_work(sync)) {
            if (core_mono_ms(sync) >= sync->work_after_ms) {
                work(sync);
                return;
            }
        } else if (engine_wants_request(&sync->engine, core_mono_ms(sync), marks)) {
            request(sync, marks);
            return;
        }
    }
    round_look(sync);
}

/* Arms the timer for the next time that something may be due. */
void round_look(struct sync *sync)
{
    if (!sync->started || sync->closing || sync->transport.impl == NULL)
        return;
    int64_t wait = LOOK_MS;
    if (replica_failing(sync->replica) == NULL) {
        int64_t next = may_work(sync) ? sync->work_after_ms - core_mono_ms(sync)
                                      : engine_next_in(&sync->engine, core_mono_ms(sync),
                                                       wire_has_marks(&sync->wire));
        if (may_work(sync) && next < 0)
            next = 0;
        if (next >= 0 && next < wait)
            wait = next;
    }
    uv_timer_start(&sync->timer, on_timer, (uint64_t)wait, 0);
}

void round_begin(struct sync *sync)
{
    look_ahead(sync);
    round_look(sync);
}
