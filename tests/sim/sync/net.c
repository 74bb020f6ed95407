/* The network between stations and county: it loses requests and replies, delivers some twice and
 * some long after the station has given up and sent others. A reply that comes a second time, or
 * too late, may be taken for the answer to a later request of the same path and the same run of the
 * station, as by a proxy that has lost count. */
#include "tests/sim/sync/world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/exchanges.h"

enum {
    HOP_MS = 5,
    HOP_SPREAD_MS = 250,
    TIMEOUT_MS = 2000,
    TIMEOUT_SPREAD_MS = 3000,
    LATE_SPREAD_MS = 15000,
    REFUSED_MS = 20,
    AWAITED = 400, /* per mille */
};

static struct message *new_message(struct world *world)
{
    for (int i = 0; i < MESSAGES_MAX; i++)
        if (world->messages[i].kind == MESSAGE_NONE) {
            world->message_end = i < world->message_end ? world->message_end : i + 1;
            return &world->messages[i];
        }
    give_up("more than %d messages under way", MESSAGES_MAX);
}

static void *copy_of(const void *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy == NULL)
        give_up("out of memory");
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

static void drop(struct message *message)
{
    free(message->body);
    free(message->path);
    *message = (struct message){0};
}

/* Takes a member (`,"name":`) and its number out of all objects of a text. */
static void take_out(const char *member, char *text, size_t *size)
{
    size_t length = strlen(member);
    char *to = text;
    for (const char *from = text; *from != '\0';)
        if (strncmp(from, member, length) == 0)
            from += length + strcspn(from + length, ",}");
        else
            *to++ = *from++;
    *to = '\0';
    *size = (size_t)(to - text);
}

/* What goes between the county and a program that does not know these columns. */
static void make_older(char *text, size_t *size)
{
    take_out(",\"need\":", text, size);
    take_out(",\"role\":", text, size);
}

static bool is_sync(const char *path)
{
    return strcmp(path, "/v1/sync") == 0;
}

static int hop(struct world *world)
{
    return HOP_MS + (world->calm ? 0 : below(world, HOP_SPREAD_MS));
}

static bool unlucky(struct world *world, int per_mille)
{
    return !world->calm && (world->faults & FAULT_NETWORK) != 0 && chance(world, per_mille);
}

static void post(struct station *station, int64_t due, const char *path, const char *body,
                 size_t size)
{
    struct message *message = new_message(station->world);
    *message = (struct message){.kind = MESSAGE_REQUEST,
                                .due = due,
                                .call = station->call,
                                .station = station->index,
                                .path = copy_of(path, strlen(path)),
                                .body = copy_of(body, size),
                                .size = size};
    if (station->older)
        make_older(message->body, &message->size);
}

/* The last one is number 1. */
static const struct answer *answer_before(const struct station *station, int number)
{
    return &station->answers[(station->answer_count + ANSWERS_KEPT - number) % ANSWERS_KEPT];
}

/* The oldest of the last ones that tells of a row whose change lost and that has not come yet. */
static const struct answer *find_awaited(const struct station *station)
{
    char id[32];
    char named[48];
    if (!station_awaits(station, id, sizeof id))
        return NULL;
    snprintf(named, sizeof named, "\"id\":\"%s\"", id);
    for (int i = 0; i < ANSWERS_NEW; i++) {
        const struct answer *answer = answer_before(station, ANSWERS_NEW - i);
        if (answer->body != NULL && !answer->past && strstr(answer->body, named) != NULL)
            return answer;
    }
    return NULL;
}

/* The version at which a reply tells of a row; 0: it does not. */
static int64_t version_in(const char *body, const char *id)
{
    char named[48];
    snprintf(named, sizeof named, ",\"_op\":\"U\",\"id\":\"%s\"", id);
    const char *at = strstr(body, named);
    while (at != NULL && at > body && isdigit((unsigned char)at[-1]))
        at--;
    return at != NULL ? strtoll(at, NULL, 10) : 0;
}

const struct answer *net_find_older(const struct station *station, const char *id, int64_t v)
{
    for (int i = 1; i <= ANSWERS_KEPT; i++) {
        const struct answer *answer = answer_before(station, i);
        int64_t told = answer->body != NULL ? version_in(answer->body, id) : 0;
        if (told > 0 && told < v)
            return answer;
    }
    return NULL;
}

/* The answer to a request that pushes nothing is one that tells of a row as it was before a change
 * of it lost: nothing but the mark of that change says then that the row is still to come. */
static const struct answer *find_overlooking(const struct station *station, const char *body)
{
    const struct overlooked *row = &station->overlooked;
    return row->v > 0 && !station->world->calm && strstr(body, "\"push\":[]") != NULL
               ? net_find_older(station, row->id, row->v)
               : NULL;
}

/* An earlier answer, as if it were this one's: it was held up, or comes once more. */
static void post_stale(struct station *station, const char *body)
{
    struct world *world = station->world;
    const struct answer *overlooking = find_overlooking(station, body);
    const struct answer *answer = unlucky(world, AWAITED) ? find_awaited(station) : NULL;
    if (answer == NULL && unlucky(world, world->staleness))
        answer = answer_before(station, 1 + (station->answer_count - 1 - below(world, ANSWERS_NEW) +
                                             ANSWERS_NEW * 1024) %
                                                ANSWERS_NEW);
    if (answer != NULL && answer->past)
        answer = NULL;
    if (overlooking != NULL)
        answer = overlooking;
    if (answer != NULL && answer->body != NULL)
        *new_message(world) = (struct message){.kind = MESSAGE_REPLY,
                                               .due = world->now + hop(world),
                                               .call = station->call,
                                               .station = station->index,
                                               .status = answer->status,
                                               .stale = true,
                                               .body = copy_of(answer->body, answer->size),
                                               .size = answer->size};
}

void net_age_answers(struct station *station)
{
    for (int i = 0; i < ANSWERS_KEPT; i++)
        station->answers[i].past = true;
    station->overlooked = (struct overlooked){0};
}

void net_forget_answers(struct station *station)
{
    net_age_answers(station);
    for (int i = 0; i < ANSWERS_KEPT; i++)
        free(station->answers[i].body);
    memset(station->answers, 0, sizeof station->answers);
}

static void send_request(void *impl, const char *path, const char *body, size_t size, bool fast,
                         transport_reply_fn *on_reply, void *ctx)
{
    (void)fast;
    struct station *station = impl;
    struct world *world = station->world;
    if (station->call != 0)
        give_up("two requests of one station at once");
    station->call = ++world->calls;
    station->called_at = world->now;
    station->on_reply = on_reply;
    station->reply_ctx = ctx;
    int64_t patience = TIMEOUT_MS + below(world, TIMEOUT_SPREAD_MS);
    bool cut = !world->calm && world->now < station->link_down_until;
    *new_message(world) = (struct message){.kind = MESSAGE_TIMEOUT,
                                           .due = world->now + (cut ? REFUSED_MS : patience),
                                           .call = station->call,
                                           .station = station->index};
    say(world, "station %d sends call %llu: %s %.*s", station->index,
        (unsigned long long)station->call, path, (int)size, body);
    if (!cut && is_sync(path))
        post_stale(station, body);
    if (cut || unlucky(world, world->loss))
        return;
    int64_t due = world->now + hop(world);
    if (unlucky(world, world->lateness))
        due = world->now + patience + below(world, LATE_SPREAD_MS);
    post(station, due, path, body, size);
    if (unlucky(world, world->doubling))
        post(station, due + below(world, chance(world, 500) ? HOP_SPREAD_MS : LATE_SPREAD_MS), path,
             body, size);
}

static void abort_call(void *impl)
{
    struct station *station = impl;
    struct world *world = station->world;
    for (int i = 0; i < world->message_end; i++)
        if (world->messages[i].kind == MESSAGE_TIMEOUT && world->messages[i].call == station->call)
            world->messages[i].due = world->now;
}

/* The patience with a call that has been answered. */
static void drop_timeout(struct world *world, uint64_t call)
{
    for (int i = 0; i < world->message_end; i++)
        if (world->messages[i].kind == MESSAGE_TIMEOUT && world->messages[i].call == call)
            drop(&world->messages[i]);
}

static void close_transport(void *impl, void (*done)(void *ctx), void *ctx)
{
    struct station *station = impl;
    drop_timeout(station->world, station->call);
    station->call = 0;
    done(ctx);
}

void net_transport(struct station *station, struct transport *ret)
{
    *ret = (struct transport){station, send_request, abort_call, close_transport, NULL};
}

static bool names_any(const char *body, const char *list)
{
    const char *at = strstr(body, list);
    return at != NULL && isdigit((unsigned char)at[strlen(list)]);
}

static void give(struct station *station, const struct message *message)
{
    struct world *world = station->world;
    bool replied = message->kind == MESSAGE_REPLY;
    struct transport_reply reply = {.code = replied ? ERR_OK : ERR_IO,
                                    .status = message->status,
                                    .retry_after_ms = -1,
                                    .body = replied ? message->body : "",
                                    .size = message->size,
                                    .took_ms = world->now - station->called_at};
    if (!replied)
        err_set(&reply.err, ERR_IO, "no answer");
    say(world, "station %d gets %d for call %llu: %s%.*s", station->index, message->status,
        (unsigned long long)station->call, message->stale ? "(an older one) " : "", (int)reply.size,
        reply.body);
    drop_timeout(world, station->call);
    station->call = 0;
    if (replied && message->status == 200)
        station->replies++;
    if (replied && strstr(message->body, "\"_op\":\"D\"") != NULL)
        history_look_into(station); /* what it knows of a row when it is taken from it */
    station->overlooked.told = message->stale && station->overlooked.v > 0;
    station->on_reply(station->reply_ctx, &reply);
    station_turn_ended(station);
    if (replied && names_any(message->body, "\"lost\":["))
        story_lost(station);
    if (replied && names_any(message->body, "\"keep\":["))
        story_kept(station);
    if (replied)
        story_between(station);
}

static void remember(struct station *station, const struct message *reply)
{
    struct answer *answer = &station->answers[station->answer_count++ % ANSWERS_KEPT];
    free(answer->body);
    *answer = (struct answer){
        .body = copy_of(reply->body, reply->size), .size = reply->size, .status = reply->status};
}

static void serve(struct world *world, struct message *request)
{
    if (world->county.store == NULL)
        return;
    struct message reply = {.kind = MESSAGE_REPLY, .call = request->call};
    county_answer(world, request, &reply.status, &reply.body, &reply.size);
    exchanges_record(&(struct exchange){.by_station = true,
                                        .path = request->path,
                                        .method = request->size > 0 ? "post" : "get",
                                        .status = reply.status,
                                        .request = request->body,
                                        .request_size = request->size,
                                        .reply = reply.body,
                                        .reply_size = reply.size});
    reply.station = request->station;
    if (world->stations[request->station].older)
        make_older(reply.body, &reply.size);
    if (is_sync(request->path))
        remember(&world->stations[request->station], &reply);
    bool awaited = world->stations[request->station].call == request->call;
    if (!awaited || unlucky(world, world->loss)) {
        say(world, "the reply %d to call %llu is lost", reply.status,
            (unsigned long long)reply.call);
        free(reply.body);
        return;
    }
    reply.due = world->now + hop(world);
    *new_message(world) = reply;
}

static void deliver(struct world *world, struct message *message)
{
    struct message mine = *message;
    *message = (struct message){0};
    struct station *station = &world->stations[mine.station];
    if (mine.kind == MESSAGE_REQUEST)
        serve(world, &mine);
    else if (station->on && station->call == mine.call)
        give(station, &mine);
    drop(&mine);
}

int64_t net_next(const struct world *world)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < world->message_end; i++)
        if (world->messages[i].kind != MESSAGE_NONE && world->messages[i].due < next)
            next = world->messages[i].due;
    return next;
}

void net_run_due(struct world *world)
{
    for (int i = 0; i < world->message_end; i++)
        if (world->messages[i].kind != MESSAGE_NONE && world->messages[i].due <= world->now)
            deliver(world, &world->messages[i]);
    while (world->message_end > 0 && world->messages[world->message_end - 1].kind == MESSAGE_NONE)
        world->message_end--;
}

void net_clear(struct world *world)
{
    for (int i = 0; i < world->message_end; i++)
        drop(&world->messages[i]);
}

bool net_quiet(const struct world *world)
{
    for (int i = 0; i < world->message_end; i++)
        if (world->messages[i].kind == MESSAGE_REQUEST)
            return false;
    return true;
}
