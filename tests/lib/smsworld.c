/* A replica in memory and modems made of nothing; see smsworld.h. */
#include "tests/lib/smsworld.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "sync/replica/seal.h"

static const char *port_name(void *ctx, size_t modem)
{
    (void)ctx;
    return modem == 0 ? "gsm0" : "gsm1";
}

static bool port_ready(void *ctx, size_t modem)
{
    return ((struct smsworld *)ctx)->ready[modem];
}

static int port_score(void *ctx, size_t modem, const char *number)
{
    (void)number;
    return ((struct smsworld *)ctx)->score[modem];
}

static int64_t port_load(void *ctx, size_t modem)
{
    return ((struct smsworld *)ctx)->load[modem];
}

static bool port_submit(void *ctx, size_t modem, const struct frame *submit)
{
    struct smsworld *world = ctx;
    if (world->refuses[modem])
        return false;
    world->submitted[modem] = *submit;
    world->submits++;
    return true;
}

static void port_rest(void *ctx, size_t modem)
{
    struct smsworld *world = ctx;
    world->ready[modem] = false;
    world->rests++;
}

static void port_drain(void *ctx, size_t modem)
{
    (void)modem;
    ((struct smsworld *)ctx)->drains++;
}

static void port_wake(void *ctx)
{
    ((struct smsworld *)ctx)->wakes++;
}

static void on_text(void *ctx, const struct inbox_text *text)
{
    struct smsworld *world = ctx;
    assert(world->text_count < SMSWORLD_TEXTS);
    struct smsworld_text *kept = &world->texts[world->text_count++];
    text_copy(kept->number, sizeof kept->number, text->number);
    text_copy(kept->body, sizeof kept->body, text->body);
    kept->can_answer = text->can_answer;
    kept->complete = text->complete;
    replica_run(world->replica, "INSERT INTO kv(k, v) VALUES ('heard-' || ?1, 1)", "s", text->id);
    if (world->fail_texts)
        replica_run(world->replica, "INSERT INTO kv(k, v) VALUES ('turn', 0)", "");
}

static void on_report(void *ctx, const char *modem, const struct tpdu *report)
{
    struct smsworld *world = ctx;
    (void)modem;
    world->stored_report = *report;
    world->stored_reports++;
}

static void open_parts(struct smsworld *world)
{
    struct outbox_options out = {
        .replica = world->replica,
        .country = "86",
        .port = {world, world->modem_count, port_name, port_ready, port_ready, port_score,
                 port_load, port_submit, port_rest, port_drain, port_wake},
        .limits = world->limits,
    };
    struct inbox_options in = {
        .replica = world->replica,
        .country = "86",
        .ctx = world,
        .on_text = on_text,
        .on_report = on_report,
    };
    struct err err = {0};
    for (size_t i = 0; i < world->modem_count; i++)
        out.sims[i] = world->pace;
    int code = outbox_open(&out, &world->outbox, &err) | inbox_open(&in, &world->inbox, &err);
    assert(code == ERR_OK);
    (void)code;
}

void smsworld_open(struct smsworld *world, size_t modems)
{
    *world = (struct smsworld){.modem_count = modems};
    world->cells = (struct clock_cells){.wall_ms = INT64_C(1788200000000), .mono_ms = 1000};
    world->clock = clock_manual(&world->cells);
    world->rnd = rnd_seeded(7);
    world->seal = seal_for_test();
    for (size_t i = 0; i < modems; i++)
        world->ready[i] = true;
    struct replica_options options = {
        .path = ":memory:", .clock = &world->clock, .rnd = &world->rnd, .seal = world->seal};
    struct err err = {0};
    int code = replica_open(&options, &world->replica, &err);
    if (code != ERR_OK)
        fprintf(stderr, "%s\n", err.text);
    assert(code == ERR_OK);
    open_parts(world);
}

void smsworld_close(struct smsworld *world)
{
    outbox_close(world->outbox);
    inbox_close(world->inbox);
    replica_close(world->replica);
    seal_close(world->seal);
}

void smsworld_restart(struct smsworld *world)
{
    outbox_close(world->outbox);
    inbox_close(world->inbox);
    open_parts(world);
    for (size_t i = 0; i < world->modem_count; i++)
        world->submitted[i] = (struct frame){0};
    replica_enter(world->replica);
    outbox_recover(world->outbox);
    replica_leave(world->replica, true);
    replica_commit(world->replica);
}

/* Acknowledgements may begin a turn of their own, which the next commit ends. */
static void commit(struct smsworld *world)
{
    for (int i = 0; i < 4; i++)
        replica_commit(world->replica);
}

const char *smsworld_put(struct smsworld *world, const char *idem, const char *number,
                         const char *text, int prio, const char *ref)
{
    static char id[LIMIT_ID_BYTES + 1];
    char phone[LIMIT_SEALED_PHONE_BYTES];
    replica_get_text(world->replica, phone, sizeof phone, "SELECT seal_phone(?1)", "s", number);
    struct outbox_message message = {
        .idem = idem,
        .phone = phone,
        .text = text,
        .prio = prio,
        .not_after_ms = world->cells.wall_ms + 3600000,
        .ref_kind = ref != NULL ? "shift" : NULL,
        .ref_id = ref,
    };
    replica_enter(world->replica);
    int code = outbox_put(world->outbox, &message, id);
    replica_leave(world->replica, true);
    assert(code == ERR_OK);
    (void)code;
    commit(world);
    return id;
}

void smsworld_result_of(struct smsworld *world, size_t modem, enum send_outcome outcome, int value)
{
    int64_t job = world->submitted[modem].id;
    world->submitted[modem] = (struct frame){0};
    outbox_take_result(world->outbox, modem, job, outcome, value);
    commit(world);
}

void smsworld_result(struct smsworld *world, enum send_outcome outcome, int value)
{
    smsworld_result_of(world, 0, outcome, value);
}

void smsworld_report(struct smsworld *world, const char *number, int mr, int status)
{
    smsworld_report_of(world, number, mr, status, 0);
}

void smsworld_report_of(struct smsworld *world, const char *number, int mr, int status,
                        int64_t sent_ms)
{
    struct outbox_report report = {"gsm0", number, mr, status, sent_ms, world->cells.wall_ms};
    replica_enter(world->replica);
    outbox_take_report(world->outbox, &report);
    replica_leave(world->replica, true);
    commit(world);
}

void smsworld_take(struct smsworld *world, const char *hex)
{
    replica_enter(world->replica);
    inbox_take(world->inbox, "gsm0", hex);
    replica_leave(world->replica, true);
    commit(world);
}

void smsworld_deliver(struct smsworld *world, const char *number, const char *text, int ref,
                      int part, int total, int64_t sent_ms)
{
    struct tpdu tpdu = {.kind = TPDU_DELIVER, .sent_ms = sent_ms, .coding = tpdu_coding_for(text)};
    uint8_t bytes[LIMIT_TPDU_BYTES];
    char hex[TPDU_HEX_BYTES];
    size_t size;
    size_t length;
    struct err err = {0};
    text_copy(tpdu.address, sizeof tpdu.address, number);
    text_copy(tpdu.text, sizeof tpdu.text, text);
    tpdu.alphanumeric = number[0] > '9';
    if (part > 0)
        tpdu.concat = (struct tpdu_concat){true, false, ref, total, part};
    int code = tpdu_encode(&tpdu, bytes, &size, &length, &err);
    if (code != ERR_OK)
        fprintf(stderr, "%s\n", err.text);
    assert(code == ERR_OK);
    text_to_hex(bytes, size, hex);
    smsworld_take(world, hex);
}

void smsworld_pass(struct smsworld *world, int64_t ms)
{
    world->cells.wall_ms += ms;
    outbox_tick(world->outbox);
    inbox_tick(world->inbox);
    commit(world);
}

const char *smsworld_part(struct smsworld *world, const char *id, int part, int copy)
{
    static char state[16];
    if (!replica_get_text(world->replica, state, sizeof state,
                          "SELECT p.state FROM outbox_part p JOIN outbox m ON m.seq = p.message_seq"
                          " WHERE m.id = ?1 AND p.part = ?2 AND p.copy = ?3",
                          "sii", id, (int64_t)part, (int64_t)copy))
        return "";
    return state;
}

const char *smsworld_state(struct smsworld *world, const char *id)
{
    static char state[16];
    if (!replica_get_text(world->replica, state, sizeof state,
                          "SELECT state FROM outbox WHERE id = ?1", "s", id))
        return "";
    return state;
}
