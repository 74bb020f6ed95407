/* A station: the parts of the gateway that matter here, wired as gateway/desk.c wires them, a modem
 * that sends one part after another, and the events of one station in order of time.
 *
 * A box that is down does nothing: what people send meanwhile waits at the service centre and comes
 * when it is on again, terminals keep what they saw, the last turn that was committed is what it
 * knows. Without the mobile network nothing goes in or out, and people write when it is back. */
#include "tests/sim/term/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/duty/draft/draft.h"

enum {
    COMMITS_MAX = 4,
    PER_HOUR = 150, /* the presets of a modem and of [duty] */
    PER_DAY = 800,
    RECIPIENT_DAY = 30,
    SAME_TEXT_MS = 10 * CALTIME_MINUTE_MS,
    SEND_MS = 3000, /* a part keeps the modem for so long, or twice that */
    TRANSIT_MS = 2000,
};

/* --- events --- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void station_put(struct station *station, const struct event *event)
{
    if (station->heap_count == station->heap_room) {
        station->heap_room = station->heap_room == 0 ? 1024 : 2 * station->heap_room;
        station->heap = realloc(station->heap, station->heap_room * sizeof *station->heap);
        if (station->heap == NULL)
            give_up("no memory");
    }
    size_t i = station->heap_count++;
    struct event *heap = station->heap, new = *event;
    new.order = station->world->order++;
    for (; i > 0 && before(&new, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = new;
}

static struct event take_event(struct station *station)
{
    struct event *heap = station->heap, first = heap[0];
    struct event last = heap[--station->heap_count];
    size_t i = 0, count = station->heap_count;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return first;
}

int64_t station_trouble(const struct station *station, enum trouble_kind kind, int64_t at)
{
    for (int i = 0; i < station->trouble_count; i++)
        if (station->troubles[i].kind == kind && station->troubles[i].from <= at &&
            station->troubles[i].to > at)
            return station->troubles[i].to;
    return 0;
}

/* --- the modem --- */

static const char *port_name(void *ctx, size_t modem)
{
    (void)ctx;
    (void)modem;
    return "gsm0";
}

static bool port_ready(void *ctx, size_t modem)
{
    (void)modem;
    return ((struct station *)ctx)->network;
}

static bool port_hopeful(void *ctx, size_t modem)
{
    (void)ctx;
    (void)modem;
    return true;
}

static int port_score(void *ctx, size_t modem, const char *number)
{
    (void)ctx;
    (void)modem;
    (void)number;
    return 0;
}

static int64_t port_load(void *ctx, size_t modem)
{
    (void)ctx;
    (void)modem;
    return 0;
}

static bool port_submit(void *ctx, size_t modem, const struct frame *submit)
{
    struct station *station = ctx;
    struct event event = {.at = station->cells.wall_ms + SEND_MS + below(station->world, SEND_MS),
                          .kind = EVENT_RESULT,
                          .arg = submit->id};
    station->flight = *submit;
    station->flight_seq = station->outbox->slots[modem].key.seq;
    station_put(station, &event);
    return true;
}

static void port_nothing(void *ctx, size_t modem)
{
    (void)ctx;
    (void)modem;
}

static void port_wake(void *ctx)
{
    ((struct station *)ctx)->wake = true;
}

/* Of a hundred texts one comes to nothing at the phone and five are never reported; of the reports
 * one in fifteen is late. TP-ST: 0 delivered, 0x46 validity period expired. */
static bool plan_report(struct station *station)
{
    struct world *world = station->world;
    char key[32];
    snprintf(key, sizeof key, "%s%lld", station->id, (long long)station->flight_seq);
    int64_t fate = drawn(world, key, 70, 1000), now = station->cells.wall_ms;
    bool arrives = fate >= 10, late = drawn(world, key, 71, 15) == 0;
    struct event report = {.at = now + 1000 + drawn(world, key, 72, 20000),
                           .kind = EVENT_REPORT,
                           .arg = station->flight_seq,
                           .who = arrives ? 0 : 0x46};
    if (late)
        report.at += drawn(world, key, 73, 8 * 60) * CALTIME_MINUTE_MS;
    text_copy(report.ref, sizeof report.ref, station->flight.to);
    snprintf(report.words, sizeof report.words, "%lld", (long long)now);
    if (fate < 950)
        station_put(station, &report);
    world->figures.undelivered += !arrives;
    return arrives;
}

/* What the centre cannot hand over waits there. */
static void take_report(struct station *station, const struct event *event)
{
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    int64_t network = station_trouble(station, TROUBLE_NETWORK, event->at);
    struct event later = *event;
    later.at = (box > network ? box : network) + 30000 + below(station->world, minutes(3));
    if (box > 0 || network > 0) {
        station_put(station, &later);
        return;
    }
    struct outbox_report report = {.modem = "gsm0",
                                   .number = event->ref,
                                   .mr = (int)(event->arg & 0xff),
                                   .status = event->who,
                                   .sent_ms = strtoll(event->words, NULL, 10) / 1000 * 1000,
                                   .done_ms = event->at / 1000 * 1000};
    replica_enter(station->replica);
    if (!outbox_take_report(station->outbox, &report))
        give_up("%s: a report: %s", station->id, replica_problem(station->replica));
    replica_leave(station->replica, true);
    station->wake = true;
}

/* The network took it: it is on the phone soon. */
static void take_result(struct station *station, const struct event *event)
{
    if (!station->box || station->flight.id != event->arg)
        return;
    struct event read = {.at = station->cells.wall_ms + TRANSIT_MS + below(station->world, 8000),
                         .kind = EVENT_READ,
                         .arg = station->flight_seq,
                         .who = member_of(station->world, station->flight.to)};
    text_copy(read.ref, sizeof read.ref, station->flight.to);
    outbox_take_result(station->outbox, 0, event->arg, SEND_OK, (int)(station->flight_seq & 0xff));
    station->world->figures.texts_out++;
    note(station->world, "%s -> %s %s", station->id, station->flight.to, station->flight.text);
    if (plan_report(station))
        station_put(station, &read);
}

/* --- the duty's ports, as in gateway/desk.c --- */

static bool is_for_any_hour(const struct duty_message *message)
{
    static const char *const kinds[] = {"answer",     "gap",          "offer",
                                        "alarm_news", "alarm_bundle", "plan"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_equal(message->ref_kind, kinds[i]))
            return true;
    return false;
}

static void send(void *ctx, const struct duty_message *message)
{
    struct station *station = ctx;
    enum removal removed = station->world->removed;
    char id[LIMIT_ID_BYTES + 1], idem[512];
    struct outbox_message out = {.idem = message->idem,
                                 .phone = message->phone,
                                 .text = message->text,
                                 .prio = message->prio,
                                 .not_before_ms = message->not_before_ms,
                                 .not_after_ms = message->not_after_ms,
                                 .ref_kind = message->ref_kind,
                                 .ref_id = message->ref_id,
                                 .text_id = message->text_id,
                                 .any_hour = is_for_any_hour(message),
                                 .may_repeat = text_equal(message->ref_kind, "answer")};
    if (message->air_only)
        return;
    if (removed == REMOVE_ONCE) {
        snprintf(idem, sizeof idem, "%s#%lld", message->idem, (long long)station->repeated++);
        out.idem = idem;
        out.may_repeat = true;
    }
    if (removed == REMOVE_UNTIL)
        out.not_after_ms += CALTIME_DAY_MS;
    if (outbox_put(station->outbox, &out, id) != ERR_OK)
        give_up("%s: not queued: %s", station->id, message->idem);
}

static int cancel(void *ctx, const char *ref_kind, const char *ref_id, const char *phone,
                  const char *reason)
{
    return outbox_cancel(((struct station *)ctx)->outbox, ref_kind, ref_id, phone, reason);
}

static void cancel_phone(void *ctx, const char *phone, const char *reason)
{
    outbox_cancel_phone(((struct station *)ctx)->outbox, phone, reason);
}

static int reach(void *ctx, int prio, int64_t until_ms)
{
    return outbox_reach(((struct station *)ctx)->outbox, prio, until_ms);
}

static struct duty_policy policy_of(const struct world *world)
{
    struct duty_policy policy = duty_policy_default();
    if (world->removed == REMOVE_LADDER || world->removed == REMOVE_DESK) {
        policy.no_show[1] = world->removed == REMOVE_DESK ? 100000 : 25;
        policy.no_show[2] = policy.no_show[3] = policy.no_show[1] + 1;
    }
    if (world->removed == REMOVE_CAPS) {
        policy.wave_size = 12;
        policy.waves = 4;
    }
    if (world->removed == REMOVE_QUIET) {
        policy.quiet_from = policy.quiet_to = 0;
        policy.evening_at = 21 * 60 + 10;
        policy.morning_earliest = 0;
    }
    return policy;
}

static void init_duty(struct station *station)
{
    struct duty_options options = {.station_id = station->id,
                                   .station_name = station->name,
                                   .signature = "突泉护学",
                                   .lang = "zh-CN",
                                   .area_code = "0482",
                                   .policy = policy_of(station->world)};
    struct duty_ports ports = {.ctx = station,
                               .send = send,
                               .cancel = cancel,
                               .cancel_phone = cancel_phone,
                               .reach = reach,
                               .call = alarms_call};
    duty_init(&station->duty, station->replica, &station->rnd, &options, &ports);
}

/* In the handler that stores it, as in gateway/desk.c. */
static void on_text(void *ctx, const struct inbox_text *text)
{
    struct station *station = ctx;
    struct duty_text_in in = {.id = text->id,
                              .phone = text->phone,
                              .number = text->number,
                              .body = text->body,
                              .sent_at_ms = text->sent_at_ms,
                              .heard_at_ms = text->heard_at_ms,
                              .can_answer = text->can_answer};
    if (station->world->removed == REMOVE_HEARD && station->letters % 10 == 0)
        return;
    duty_on_text(&station->duty, &in);
    station->look = true;
}

static void on_report(void *ctx, const char *modem, const struct tpdu *report)
{
    (void)ctx;
    (void)modem;
    (void)report;
}

/* --- its life --- */

static void open_sms(struct station *station)
{
    struct err err = {0};
    bool caps = station->world->removed != REMOVE_CAPS;
    bool quiet = station->world->removed != REMOVE_QUIET;
    struct outbox_options out = {
        .replica = station->replica,
        .country = "86",
        .port = {station, 1, port_name, port_ready, port_hopeful, port_score, port_load,
                 port_submit, port_nothing, port_nothing, port_wake},
        .limits = {.recipient_day = caps ? RECIPIENT_DAY : 0,
                   .same_text_ms = station->world->removed == REMOVE_ONCE ? 0 : SAME_TEXT_MS,
                   .quiet_from = quiet ? 21 * 60 : 0,
                   .quiet_to = quiet ? 6 * 60 + 30 : 0},
        .sims = {{PER_HOUR, PER_DAY}}};
    struct inbox_options in = {.replica = station->replica,
                               .country = "86",
                               .ctx = station,
                               .on_text = on_text,
                               .on_report = on_report};
    if (outbox_open(&out, &station->outbox, &err) != ERR_OK ||
        inbox_open(&in, &station->inbox, &err) != ERR_OK)
        give_up("%s: %s", station->id, err.text);
}

void station_commit(struct station *station)
{
    for (int i = 0; i < COMMITS_MAX && replica_in_turn(station->replica); i++)
        if (!replica_commit(station->replica))
            give_up("%s: %s", station->id, replica_problem(station->replica));
}

/* Goes down at any time between two turns; what was on its way to the modem is not known. */
static void switch_off(struct station *station)
{
    outbox_close(station->outbox);
    inbox_close(station->inbox);
    station->outbox = NULL;
    station->inbox = NULL;
    station->flight = (struct frame){.id = -1};
    station->box = false;
}

static void switch_on(struct station *station)
{
    open_sms(station);
    replica_enter(station->replica);
    outbox_recover(station->outbox);
    replica_leave(station->replica, true);
    station_commit(station);
    init_duty(station);
    station->box = true;
    station->look = station->wake = true;
    station->world->figures.restarts++;
}

void station_sql(struct station *station, const char *sql)
{
    replica_enter(station->replica);
    if (replica_run(station->replica, sql, "") < 0)
        give_up("%s: %s", sql, replica_problem(station->replica));
    replica_leave(station->replica, true);
    station_commit(station);
}

static void make_tables(struct station *station)
{
    station_sql(station, "CREATE TABLE sim_told(assignment_id TEXT PRIMARY KEY, at INTEGER)");
    station_sql(station, "CREATE TABLE sim_came(assignment_id TEXT PRIMARY KEY, shift_id TEXT,"
                         " person_id TEXT, due INTEGER, came INTEGER)");
    station_sql(station, "CREATE INDEX sim_came_shift ON sim_came(shift_id)");
    station_sql(station, "CREATE TABLE sim_truth(assignment_id TEXT PRIMARY KEY, at INTEGER)");
    station_sql(station, "CREATE TABLE sim_gaps(at INTEGER)");
    if (station->world->removed == REMOVE_DESK)
        station_sql(station,
                    "CREATE TRIGGER sim_no_desk BEFORE INSERT ON desk_item WHEN NEW.kind IN"
                    " ('gap', 'storm') BEGIN SELECT RAISE(IGNORE); END");
    if (station->world->removed == REMOVE_ONCE)
        station_sql(station, "CREATE TRIGGER sim_again AFTER INSERT ON duty_step WHEN"
                             " NEW.key GLOB 'RM:*' AND random() % 2 = 0 BEGIN"
                             " DELETE FROM duty_step WHERE key = NEW.key; END");
}

void station_open(struct world *world, int index)
{
    struct station *station = &world->stations[index];
    struct err err = {0};
    *station = (struct station){
        .world = world, .index = index, .box = true, .network = true, .line = true};
    snprintf(station->id, sizeof station->id, "P%02d", index);
    snprintf(station->name, sizeof station->name, "第%d派出所", index + 1);
    snprintf(station->number, sizeof station->number, "+8613900%06d", index);
    station->cells = (struct clock_cells){.wall_ms = world->now, .mono_ms = 1000};
    station->clock = clock_manual(&station->cells);
    station->rnd = rnd_seeded(world->seed * 1000 + (uint64_t)index);
    struct replica_options options = {
        .path = ":memory:", .clock = &station->clock, .rnd = &station->rnd, .seal = world->seal};
    if (replica_open(&options, &station->replica, &err) != ERR_OK)
        give_up("%s: %s", station->id, err.text);
    make_tables(station);
    open_sms(station);
    init_duty(station);
    county_fill(station);
    county_plan(station);
    alarms_plan(station);
    struct event plan = {.at = world->now + minutes(14 * 60 + index * 3), .kind = EVENT_PLAN};
    struct event day = {.at = caltime_midnight(world->began, 0) + minutes(10), .kind = EVENT_DAY};
    struct event judge = {.at = caltime_midnight(world->began, 1) + minutes(12 * 60),
                          .kind = EVENT_JUDGE};
    station_put(station, &plan);
    station_put(station, &day);
    station_put(station, &judge);
}

void station_close(struct station *station)
{
    if (station->outbox != NULL)
        switch_off(station);
    replica_close(station->replica);
    free(station->heap);
}

static void begin_or_end(struct station *station, const struct trouble *trouble)
{
    bool begins = station->cells.wall_ms < trouble->to;
    static const char *const names[] = {"box", "network", "line", "restart"};
    note(station->world, "%s %s %s", station->id, names[trouble->kind], begins ? "down" : "up");
    switch (trouble->kind) {
    case TROUBLE_BOX:
        if (begins == station->box && begins)
            switch_off(station);
        else if (!begins && !station->box)
            switch_on(station);
        break;
    case TROUBLE_RESTART:
        if (station->box) {
            switch_off(station);
            switch_on(station);
        }
        break;
    case TROUBLE_NETWORK:
        station->network = !begins;
        station->wake = true;
        break;
    case TROUBLE_LINE:
        station->line = !begins;
        break;
    }
}

/* --- what comes in --- */

static void number_of(const struct station *station, int who, char ret[24])
{
    if (who >= PARENT_MEMBER)
        snprintf(ret, 24, "+8615000%06d", who - PARENT_MEMBER);
    else if (who >= BOX_MEMBER)
        snprintf(ret, 24, "+8613900%06d", who - BOX_MEMBER);
    else
        text_copy(ret, 24, station->world->members[who].number);
}

static void hand_over(struct station *station, const char *number, const char *words,
                      int64_t sent_ms)
{
    struct tpdu tpdu = {.kind = TPDU_DELIVER, .sent_ms = sent_ms, .coding = tpdu_coding_for(words)};
    uint8_t bytes[LIMIT_TPDU_BYTES];
    char hex[TPDU_HEX_BYTES];
    size_t size, length;
    struct err err = {0};
    text_copy(tpdu.address, sizeof tpdu.address, number);
    text_copy(tpdu.text, sizeof tpdu.text, words);
    if (tpdu_encode(&tpdu, bytes, &size, &length, &err) != ERR_OK)
        give_up("%s: %s", words, err.text);
    text_to_hex(bytes, size, hex);
    replica_enter(station->replica);
    inbox_take(station->inbox, "gsm0", hex);
    replica_leave(station->replica, true);
    station->letters++;
    station->world->figures.texts_in++;
}

/* arg: when the service centre got it; 0: now. The centre's stamps are of seconds. */
static void letter(struct station *station, const struct event *event)
{
    struct event later = *event;
    char number[24];
    int64_t until = station_trouble(station, TROUBLE_NETWORK, event->at);
    if (until > 0 && event->arg == 0) { /* their phones are dead, too: written when they are not */
        later.at = until + below(station->world, minutes(5));
        station_put(station, &later);
        return;
    }
    later.arg = (event->arg > 0 ? event->arg : event->at) / 1000 * 1000;
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    if (box > 0 || until > 0) { /* waits at the centre */
        later.at = (box > until ? box : until) + 20000 + below(station->world, minutes(3));
        station_put(station, &later);
        return;
    }
    people_heard(station, event, later.arg);
    bool names = people_may_name(station, event, later.arg);
    number_of(station, event->who, number);
    note(station->world, "%s <- %s %s", station->id, number, event->words);
    hand_over(station, number, event->words, later.arg);
    if (names)
        people_named(station, event, later.arg);
}

/* A terminal that found no box tells it later, as a copy. */
static void gate(struct station *station, const struct event *event)
{
    struct event later = *event;
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    int64_t seen = event->arg > 0 ? event->arg : event->at;
    if (box > 0) {
        later.at = box + 30000 + below(station->world, 60000);
        later.arg = seen;
        station_put(station, &later);
        return;
    }
    const struct member *member = &station->world->members[event->who];
    char id[128], device[32];
    snprintf(device, sizeof device, "F%s", member->school);
    snprintf(id, sizeof id, "%s:%lld:%s", device, (long long)seen, member->id);
    struct duty_event in = {.id = id,
                            .device_id = device,
                            .kind = event->words,
                            .subject = member->id,
                            .device_at_ms = seen,
                            .heard_at_ms = event->at,
                            .fresh = event->arg == 0};
    people_heard(station, event, seen);
    replica_enter(station->replica);
    duty_on_event(&station->duty, &in);
    replica_leave(station->replica, true);
    station->look = true;
}

/* --- the leader plans --- */

/* `what` tells a plan of a new week from one of the same. */
static void publish(struct station *station, int64_t monday)
{
    struct draft_options options = {.station_id = station->id,
                                    .lang = "zh-CN",
                                    .monday_ms = monday,
                                    .now_ms = station->cells.wall_ms};
    struct draft *draft = NULL;
    struct draft_diff diff = {0};
    struct err err = {0};
    if (draft_load(station->replica, &options, &draft, &err) != ERR_OK)
        return; /* a week off */
    int code = draft_solve(draft, &err);
    replica_enter(station->replica);
    if (code == ERR_OK) {
        draft_store(station->replica, draft);
        code = draft_publish(station->replica, station->id, station->cells.wall_ms, &diff, &err);
    }
    if (!replica_leave(station->replica, code == ERR_OK) || code != ERR_OK)
        broken(station->world, RULE_CAPS, station->cells.wall_ms, "%s: no plan: %s", station->id,
               err.text);
    if (diff.gaps > 0)
        replica_run(station->replica, "INSERT INTO sim_gaps VALUES (?1)", "i",
                    station->cells.wall_ms);
    draft_free(draft);
    station->look = true;
    station->world->figures.plans++;
    note(station->world, "%s week %s: +%d -%d moved %d, gaps %d", station->id, diff.week,
         diff.added, diff.removed, diff.moved, diff.gaps);
}

/* On Thursday the next week, on Tuesday the rest of this one again; after a dead box, later. */
static void plan_week(struct station *station, const struct event *event)
{
    int64_t box = station_trouble(station, TROUBLE_BOX, event->at);
    struct event next = *event;
    int weekday = caltime_local(event->at).weekday;
    if (box > 0) {
        next.at = box + minutes(45);
        int hour = caltime_local(next.at).hour;
        if (hour < 8 || hour >= 20) /* nobody is at the desk */
            next.at = caltime_midnight(next.at, hour >= 20) + minutes(9 * 60);
        station_put(station, &next);
        return;
    }
    bool ahead = event->arg == 0;
    int64_t monday = caltime_midnight(event->at, 1 - weekday + (ahead ? 7 : 0));
    if (monday < station->world->ends)
        publish(station, monday);
    next.arg = ahead; /* then the rest of that week */
    int64_t this_monday = caltime_midnight(event->at, 1 - weekday);
    next.at = ahead ? caltime_midnight(this_monday, 8) + minutes(10 * 60)
                    : caltime_midnight(this_monday, 3) + minutes(16 * 60 + 5 * station->index);
    station_put(station, &next);
}

/* --- time --- */

/* The machine's own clock, which measures how long things take: a seed must not depend on it. */
static int64_t mono_us;
int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_mono_us(void)
{
    return mono_us;
}

static void again(struct station *station, const struct event *event, int64_t ms)
{
    struct event next = *event;
    next.at += ms;
    station_put(station, &next);
}

static void happen(struct station *station, const struct event *event)
{
    switch (event->kind) {
    case EVENT_LETTER:
        letter(station, event);
        break;
    case EVENT_GATE:
        gate(station, event);
        break;
    case EVENT_RESULT:
        take_result(station, event);
        break;
    case EVENT_READ:
        people_read(station, event);
        break;
    case EVENT_REPORT:
        take_report(station, event);
        break;
    case EVENT_RING:
        people_ring(station, event);
        break;
    case EVENT_NAMED:
        people_come_for(station, event);
        break;
    case EVENT_PRESS:
        alarms_press(station, event);
        break;
    case EVENT_CALLED:
        alarms_called(station, event);
        break;
    case EVENT_DAY:
        people_day(station);
        again(station, event, CALTIME_DAY_MS);
        break;
    case EVENT_SCAN:
        people_scan(station, event->arg);
        break;
    case EVENT_ARRIVE:
        people_arrive(station, event);
        break;
    case EVENT_LEAVE:
        people_leave(station, event);
        break;
    case EVENT_PLAN:
        plan_week(station, event);
        break;
    case EVENT_FLOOD:
        people_flood(station, event);
        break;
    case EVENT_CHANGE:
        county_say(station, event);
        break;
    case EVENT_EXCHANGE:
        if (station->line && station->box)
            county_exchange(station);
        again(station, event, minutes(20));
        break;
    case EVENT_TROUBLE:
        begin_or_end(station, &station->troubles[event->arg]);
        break;
    case EVENT_JUDGE:
        check_day(station, caltime_midnight(event->at, -1));
        alarms_check(station, caltime_midnight(event->at, -1));
        again(station, event, CALTIME_DAY_MS);
        break;
    }
}

int64_t station_next(const struct station *station)
{
    int64_t next = station->heap_count > 0 ? station->heap[0].at : INT64_MAX;
    if (!station->box)
        return next;
    next = station->duty_due < next ? station->duty_due : next;
    next = station->outbox_due < next ? station->outbox_due : next;
    return next > station->cells.wall_ms ? next : station->cells.wall_ms;
}

static void end_turn(struct station *station)
{
    int64_t now = station->cells.wall_ms;
    if (station->look || now >= station->duty_due) {
        station->look = false;
        replica_enter(station->replica);
        station->duty_due = duty_tick(&station->duty);
        if (replica_problem(station->replica)[0] != '\0')
            give_up("%s: a row was given up: %s", station->id, replica_problem(station->replica));
        if (!replica_leave(station->replica, true))
            give_up("%s: tick: %s", station->id, replica_problem(station->replica));
    }
    station_commit(station);
    if (station->wake || now >= station->outbox_due) {
        station->wake = false;
        outbox_tick(station->outbox);
        station_commit(station);
    }
    station->outbox_due = outbox_next_due_ms(station->outbox);
    if (station->outbox_due <= now)
        station->outbox_due = now + 1000;
}

/* A station that never sleeps again is a defect, too. */
static void count_step(struct station *station, int64_t now)
{
    if (station->minute != now / CALTIME_MINUTE_MS)
        station->steps = 0;
    station->minute = now / CALTIME_MINUTE_MS;
    if (++station->steps < STEPS_MAX)
        return;
    char date[CALTIME_DATE_SIZE], clock[CALTIME_CLOCK_SIZE];
    caltime_format_date(now, date);
    caltime_format_clock(now, clock);
    give_up("seed %llu: %s does not come to rest at %s %s",
            (unsigned long long)station->world->seed, station->id, date, clock);
}

void station_step(struct station *station)
{
    int64_t now = station_next(station);
    count_step(station, now);
    station->cells.mono_ms += now - station->cells.wall_ms;
    station->cells.wall_ms = now;
    station->world->now = now;
    mono_us = station->cells.mono_ms * 1000;
    while (station->heap_count > 0 && station->heap[0].at <= now) {
        struct event event = take_event(station);
        happen(station, &event);
    }
    if (station->box)
        end_turn(station);
    else
        station_commit(station);
}
